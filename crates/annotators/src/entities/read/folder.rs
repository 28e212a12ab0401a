//! A folder of lists as people have them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use postil_core::items::strings;
use postil_core::table::{Format, TableOptions, TableReader};
use postil_core::{Error, Name, Result};

use super::super::list::EntityList;
use super::{ListColumns, bare_name, read_lists};

/// A column of a table is taken for names if at least this share of its cells begin with a capital and have no digit.
const NAME_LIKE: f64 = 0.6;
/// A column with fewer different cells is no list.
const LEAST: usize = 3;

/// Reads every list of a folder, in the order of the files' names, or of one file, for whoever takes all that is there.
///
/// A list is called by its file, and where a file has several, by file and label. Files are read as [`read_lists`] does,
/// but that each column of a table that holds names is a list; columns whose headings share what stands before a point
/// (`translations.fra.common`, `translations.deu.common`) are one. Other files of the folder (not .txt, .lst, .list, .csv,
/// .tsv, .json or .jsonl) are passed over.
///
/// # Errors
/// A file that cannot be read, or no list at all.
pub fn read_folder(path: &Path) -> Result<Vec<EntityList>> {
    let mut files = Vec::new();
    if path.is_dir() {
        let failed = |error: std::io::Error| Error::io(format!("cannot be read: {error}"), error).in_file(path);
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.is_file() && is_list(&file) {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_path_buf());
    }
    let mut lists = Vec::new();
    for file in files {
        let stem = stem(&file);
        if matches!(Format::of_name(&file.to_string_lossy()), Some(Format::Csv | Format::Tsv)) {
            lists.extend(columns(&file, &stem)?);
            continue;
        }
        let label = Name::from(stem.as_str());
        // Lists by label keep their labels; the others are called as their file is.
        let found = match read_lists(&file, &file, None, &ListColumns::default()) {
            Err(error) if error.is_input() => read_lists(&file, &file, Some(&label), &ListColumns::default())?,
            found => found?,
        };
        for mut list in found {
            list.name = if *list.label == *stem { stem.clone() } else { format!("{stem}/{}", list.label) };
            lists.push(list);
        }
    }
    if lists.is_empty() {
        return Err(Error::input("expected lists of names, found none")
            .in_file(path)
            .hint("lists are .txt, .csv, .tsv or .json files, one name per line, cell or string"));
    }
    Ok(lists)
}

fn is_list(file: &Path) -> bool {
    let endings = [".txt", ".lst", ".list", ".csv", ".tsv", ".json", ".jsonl"];
    endings.iter().any(|ending| bare_name(file).ends_with(ending))
}

/// The file's name without folder, compression and ending.
fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bare = &name[..bare_name(Path::new(&name)).len().min(name.len())];
    bare.rsplit_once('.').map_or(bare, |(stem, _)| stem).to_owned()
}

fn columns(file: &Path, stem: &str) -> Result<Vec<EntityList>> {
    let mut reader = TableReader::open(file, &TableOptions::default())?;
    let mut columns: BTreeMap<usize, (String, BTreeSet<String>)> = BTreeMap::new();
    while let Some(chunk) = reader.next_chunk()? {
        for (place, field) in chunk.batch.schema_ref().fields().iter().enumerate() {
            let (_, cells) = columns.entry(place).or_insert_with(|| (field.name().clone(), BTreeSet::new()));
            let column = strings(chunk.batch.column(place), field.name()).map_err(|error| error.in_file(file))?;
            let values = column.iter().flatten().map(str::trim);
            cells.extend(values.filter(|cell| !cell.is_empty()).map(str::to_owned));
        }
    }
    let mut lists: Vec<EntityList> = Vec::new();
    for (heading, cells) in columns.into_values() {
        let name_like = cells.iter().filter(|cell| is_name_like(cell)).count();
        if cells.len() < LEAST || (name_like as f64) < NAME_LIKE * cells.len() as f64 {
            continue;
        }
        let name = format!("{stem}/{}", heading.split('.').next().unwrap_or(&heading));
        let place = lists.iter().position(|list| list.name == name).unwrap_or_else(|| {
            lists.push(EntityList::new(name.as_str(), name.clone()));
            lists.len() - 1
        });
        for cell in &cells {
            lists[place].push(cell);
        }
    }
    Ok(lists)
}

fn is_name_like(cell: &str) -> bool {
    cell.chars().count() >= 2
        && cell.chars().next().is_some_and(char::is_uppercase)
        && !cell.chars().any(|character| character.is_ascii_digit())
}
