//! Lists of names for a tagger's features: a folder of files as people have them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use postil_core::table::{TableOptions, TableReader, open_stream};
use postil_core::{Error, Result};
use postil_student::tagger::NameList;
use serde_json::Value;

use crate::command::input::text_column;

/// A column of a table is taken for names if at least this share of its cells begin with a capital and have no digit.
const NAME_LIKE: f64 = 0.6;
/// A column with fewer different cells is no list.
const LEAST: usize = 3;

/// Reads every file of a folder, in order of their names, or one file, as lists of names.
///
/// * A text file is a list, one name per line; lines that begin with `#` are comments.
/// * Each column of a CSV or TSV file that holds names is a list; columns whose headings share what stands before a
///   point (`translations.fra.common`, `translations.deu.common`) are one.
/// * A JSON file is an array of names, or an object with an array for each list.
///
/// All may be compressed (`.gz`, `.zst`).
///
/// # Errors
/// A file that cannot be read or is none of these, or no list at all.
pub fn read_lists(path: &Path) -> Result<Vec<NameList>> {
    let mut files = Vec::new();
    if path.is_dir() {
        let failed = |error: std::io::Error| Error::io(format!("cannot be read: {error}"), error).in_file(path);
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.is_file() && kind_of(&file).is_some() {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_path_buf());
    }
    let mut lists = Vec::new();
    for file in files {
        lists.extend(read_file(&file)?);
    }
    if lists.is_empty() {
        return Err(Error::input("expected lists of names, found none")
            .in_file(path)
            .hint("lists are .txt, .csv, .tsv or .json files, one name per line, cell or string"));
    }
    Ok(lists)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lines,
    Table,
    Json,
}

/// The file's name without folder, compression and ending, and its kind.
fn stem_and_kind(file: &Path) -> (String, Option<Kind>) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let Some((stem, ending)) = name.rsplit_once('.') else { return (name.to_owned(), None) };
    let kind = match ending.to_ascii_lowercase().as_str() {
        "txt" | "lst" | "list" => Some(Kind::Lines),
        "csv" | "tsv" => Some(Kind::Table),
        "json" => Some(Kind::Json),
        _ => None,
    };
    (stem.to_owned(), kind)
}

fn kind_of(file: &Path) -> Option<Kind> {
    stem_and_kind(file).1
}

fn read_file(file: &Path) -> Result<Vec<NameList>> {
    let (stem, kind) = stem_and_kind(file);
    match kind {
        Some(Kind::Table) => table(file, &stem),
        Some(Kind::Json) => json(file, &stem),
        _ => Ok(vec![NameList { name: stem, entries: lines(&content(file)?) }]),
    }
}

fn content(file: &Path) -> Result<String> {
    let mut text = String::new();
    open_stream(file)?
        .read_to_string(&mut text)
        .map_err(|error| Error::io(format!("cannot be read as text: {error}"), error).in_file(file))?;
    Ok(text)
}

fn lines(text: &str) -> Vec<String> {
    text.trim_start_matches('\u{FEFF}')
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn json(file: &Path, stem: &str) -> Result<Vec<NameList>> {
    let wrong = |found: &str| {
        Error::input(format!("expected an array of names or an object of arrays, found {found}")).in_file(file)
    };
    let value: Value = serde_json::from_str(&content(file)?).map_err(|error| wrong("no JSON").because(error))?;
    let strings = |value: &Value| -> Result<Vec<String>> {
        let array = value.as_array().ok_or_else(|| wrong("something else"))?;
        Ok(array.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    match &value {
        Value::Array(_) => Ok(vec![NameList { name: stem.to_owned(), entries: strings(&value)? }]),
        Value::Object(object) => object
            .iter()
            .map(|(label, names)| Ok(NameList { name: format!("{stem}/{label}"), entries: strings(names)? }))
            .collect(),
        _ => Err(wrong("something else")),
    }
}

fn table(file: &Path, stem: &str) -> Result<Vec<NameList>> {
    let mut reader = TableReader::open(file, &TableOptions::default())?;
    let mut columns: BTreeMap<usize, (String, Vec<String>)> = BTreeMap::new();
    while let Some(chunk) = reader.next_chunk()? {
        for (place, field) in chunk.batch.schema_ref().fields().iter().enumerate() {
            let (_, cells) = columns.entry(place).or_insert_with(|| (field.name().clone(), Vec::new()));
            let column = text_column(&chunk.batch, field.name())?;
            cells.extend(column.iter().flatten().map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned));
        }
    }
    let mut lists: Vec<NameList> = Vec::new();
    for (heading, mut cells) in columns.into_values() {
        cells.sort_unstable();
        cells.dedup();
        let name_like = cells.iter().filter(|cell| is_name_like(cell)).count();
        if cells.len() < LEAST || (name_like as f64) < NAME_LIKE * cells.len() as f64 {
            continue;
        }
        let head = heading.split('.').next().unwrap_or(&heading);
        let name = format!("{stem}/{head}");
        match lists.iter_mut().find(|list| list.name == name) {
            Some(list) => list.entries.extend(cells),
            None => lists.push(NameList { name, entries: cells }),
        }
    }
    Ok(lists)
}

fn is_name_like(cell: &str) -> bool {
    cell.chars().count() >= 2
        && cell.chars().next().is_some_and(char::is_uppercase)
        && !cell.chars().any(|character| character.is_ascii_digit())
}
