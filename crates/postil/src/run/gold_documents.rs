//! Gold that is marked in texts: documents of any format, or JSON lines that name items without repeating their texts.

use std::io::Read;
use std::path::Path;

use postil_core::formats::{DocumentReader, ReadOptions};
use postil_core::table::open_stream;
use postil_core::{Document, Error, Result};
use serde_json::{Map, Value};

/// The key under which a gold document carries the probability with which it was drawn.
const PROBABILITY: &str = "inclusion_probability";

/// How a line of JSON is read that names an item.
pub(super) struct Bare {
    /// Whether a file whose first line is this object is one of such lines.
    pub is_one: fn(&Map<String, Value>) -> bool,
    /// Reads a line.
    pub read: fn(&str) -> Result<Document>,
}

/// Visits every document of a gold file with the line on which it begins; 0 if that is not known. Gives a sentence for
/// everything that was repaired or lost.
pub(super) fn read(
    path: &Path,
    bare: &Bare,
    mut visit: impl FnMut(Document, u64) -> Result<()>,
) -> Result<Vec<String>> {
    if let Some(lines) = bare_lines(path, bare)? {
        for (number, line) in (1..).zip(lines.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let document = (bare.read)(line).map_err(|error| error.in_file(path).at_line(number))?;
            visit(document, number)?;
        }
        return Ok(Vec::new());
    }
    let mut reader = DocumentReader::open(path, &ReadOptions { strict: true, layers: true, ..ReadOptions::default() })?;
    while let Some(document) = reader.next_document()? {
        let line = reader.report().line;
        visit(document, line)?;
    }
    let remarks = reader.report().remarks.list();
    Ok(remarks.iter().map(|remark| format!("gold: {} ({} times)", remark.words, remark.count)).collect())
}

/// The content of a file of such lines; `None` for any other.
fn bare_lines(path: &Path, bare: &Bare) -> Result<Option<String>> {
    if path.is_dir() {
        return Ok(None);
    }
    let mut text = String::new();
    if open_stream(path)?.read_to_string(&mut text).is_err() {
        return Ok(None);
    }
    if text.trim().is_empty() {
        // A file that waits for its first label is no gold yet.
        return Ok(Some(text));
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let object: Option<Map<String, Value>> = serde_json::from_str(first).ok();
    Ok(object.is_some_and(|object| (bare.is_one)(&object)).then_some(text))
}

/// The inclusion probability that a document states.
pub(super) fn probability(document: &Document) -> Result<Option<f64>> {
    // A comment of a file with a token per line is a string.
    let stated = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    match document.meta.get(PROBABILITY) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match stated(value).filter(|probability| *probability > 0.0 && *probability <= 1.0) {
            Some(probability) => Ok(Some(probability)),
            None => Err(Error::input(format!("expected `{PROBABILITY}` above 0 and at most 1, found {value}"))),
        },
    }
}

/// An error about a document, with its place.
pub(super) fn wrong(error: Error, path: &Path, line: u64, item: &str) -> Error {
    let error = error.in_file(path).for_item(item);
    if line > 0 { error.at_line(line) } else { error }
}
