//! Reading lists from text files and from a table.

use std::path::Path;

use postil_core::{Error, Result, Task};

use super::{Case, Entry, ListSpec};
use crate::replay::table::Table;
use crate::words::Phrase;

/// All lines of an entry's lists, in the order of the files.
pub(super) fn entries(spec: &ListSpec, task: &Task, folder: &Path) -> Result<Vec<Entry>> {
    match (&spec.path, spec.lists.is_empty()) {
        (Some(path), true) => from_table(spec, path, task, folder),
        (None, false) => {
            let mut entries = Vec::new();
            // In class order, so that evidence reads the same whatever the order of the keys was.
            for label in spec.lists.keys() {
                task.labels.expect(label).map_err(|error| Error::task(format!("list `{}`: {error}", spec.name)))?;
            }
            for (class, label) in task.labels.names().enumerate() {
                let Some(sources) = spec.lists.get(&**label) else { continue };
                let before = entries.len();
                for source in &sources.0 {
                    let text = read(&folder.join(&source.path), &source.path)?;
                    text_lines(&text, &source.path, class, spec.case_of(source), &mut entries)?;
                }
                if entries.len() == before {
                    return Err(Error::input(format!("expected at least one phrase for `{label}`, found none"))
                        .in_file(sources.0.first().map_or_else(|| Path::new(""), |source| &source.path))
                        .hint("write one phrase per line, or take the list out of the project file"));
                }
            }
            Ok(entries)
        }
        _ => Err(Error::task(format!("list `{}`: expected either `lists` or `path`", spec.name))
            .hint("lists = { billing = \"lists/billing.txt\" }")),
    }
}

fn read(path: &Path, shown: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("cannot be read", error).in_file(shown))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|&byte| byte == b'\n').count();
        Error::input("expected UTF-8 text").in_file(shown).at_line(line as u64).hint("save the file as UTF-8")
    })
}

fn text_lines(text: &str, file: &Path, class: usize, case: Case, entries: &mut Vec<Entry>) -> Result<()> {
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (phrase, weight) = match line.split_once('\t') {
            Some((phrase, weight)) => (phrase.trim(), weight.trim()),
            None => (line, ""),
        };
        entries
            .push(entry(class, phrase, weight, case).map_err(|error| error.in_file(file).at_line(number as u64 + 1))?);
    }
    Ok(())
}

fn from_table(spec: &ListSpec, path: &Path, task: &Task, folder: &Path) -> Result<Vec<Entry>> {
    let table = Table::open(&folder.join(path), path, &["label", "phrase"], &["weight"])?;
    let mut entries = Vec::new();
    table.each(
        &["label", "phrase", "weight"],
        |row| {
            let read = || {
                let class = task.labels.expect(row.value(0))?;
                entry(usize::from(class), row.value(1).trim(), row.value(2).trim(), spec.case.unwrap_or_default())
            };
            entries.push(read().map_err(|error| error.in_file(path).at_line(row.line))?);
            Ok(())
        },
        |line, reason| Err(Error::input(reason).in_file(path).at_line(line)),
    )?;
    if entries.is_empty() {
        return Err(Error::input("expected at least one phrase, found none").in_file(path));
    }
    Ok(entries)
}

fn entry(class: usize, phrase: &str, weight: &str, case: Case) -> Result<Entry> {
    if phrase.is_empty() {
        return Err(Error::input("expected a phrase, found none"));
    }
    let weight = if weight.is_empty() {
        1.0
    } else {
        weight.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight > 0.0).ok_or_else(|| {
            Error::input(format!("expected a positive weight after the phrase `{phrase}`, found `{weight}`"))
        })?
    };
    Ok(Entry { class, phrase: Phrase { text: phrase.to_owned(), exact: case.is_exact_for(phrase) }, weight })
}
