//! Rows of JSON: one per line, or the elements of a list, one at a time.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::lines::Lines;
use super::reader::{ReadDocuments, ReadOptions, ReadReport};
use super::remarks::RemarkKind;
use super::settle::{RawSpan, Settled, exact, settle};
use super::{Format, doccano, label_studio, plain, prodigy, spacy};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::item::ItemId;
use crate::table::LONGEST_ROW;
use crate::table::open::OpenedText;
use crate::task::Name;
use crate::text::OffsetUnit;

/// The documents of any of the JSON formats.
pub(super) struct Json {
    rows: Rows,
    format: Format,
    options: ReadOptions,
    /// What one row gave, last first.
    pending: Vec<Document>,
    memory: prodigy::Memory,
}

enum Rows {
    Lines(Lines),
    Elements(Elements),
}

/// What a format needs to read a row.
pub(super) struct Row<'r> {
    pub(super) options: &'r ReadOptions,
    pub(super) report: &'r mut ReadReport,
    pub(super) line: u64,
    /// The id, or the number of the document.
    pub(super) name: String,
}

impl Json {
    pub(super) fn new(opened: OpenedText, format: Format, options: &ReadOptions, report: &mut ReadReport) -> Self {
        if opened.marked {
            report.remarks.add(RemarkKind::ByteOrderMark, "", 1, String::new);
        }
        let rows =
            if is_list(&opened.head) { Rows::Elements(Elements::new(opened)) } else { Rows::Lines(Lines::new(opened)) };
        let (options, pending, memory) = (options.clone(), Vec::new(), prodigy::Memory::default());
        Self { rows, format, options, pending, memory }
    }

    fn documents_of(&mut self, value: Value, line: u64, report: &mut ReadReport) -> Result<(), String> {
        let name = (report.documents + 1).to_string();
        let mut row = Row { options: &self.options, report, line, name };
        let document = match (self.format, value) {
            (Format::LabelStudio, Value::Object(task)) => {
                self.pending = label_studio::read(task, &mut row)?;
                self.pending.reverse();
                return Ok(());
            }
            (Format::Prodigy, Value::Object(object)) => prodigy::read(object, &mut row, &mut self.memory)?,
            (Format::Spacy, Value::Array(pair)) => spacy::read(pair, &mut row)?,
            (Format::Spacy | Format::Doccano, Value::Object(object)) => doccano::read(object, &mut row)?,
            (_, Value::Object(object)) => plain::read(object, &mut row)?,
            (_, other) => return Err(format!("expected a JSON object, found {}", kind(&other))),
        };
        self.pending.push(document);
        Ok(())
    }
}

impl ReadDocuments for Json {
    fn next(&mut self, report: &mut ReadReport) -> Result<Option<Document>> {
        loop {
            if let Some(document) = self.pending.pop() {
                return Ok(Some(document));
            }
            let (line, parsed) = match &mut self.rows {
                Rows::Lines(lines) => {
                    loop {
                        match lines.next_bytes()? {
                            None => {
                                if lines.carriage_returns > 0 {
                                    let count = std::mem::take(&mut lines.carriage_returns);
                                    report
                                        .remarks
                                        .add(RemarkKind::CarriageReturns, "", None, || format!("{count} lines"));
                                }
                                return Ok(None);
                            }
                            Some(line) if line.trim_ascii().is_empty() => {}
                            Some(_) => break,
                        }
                    }
                    (lines.number(), parse(lines.last()))
                }
                Rows::Elements(elements) => match elements.next()? {
                    None => return Ok(None),
                    Some(line) => (line, parse(&elements.element)),
                },
            };
            report.line = line;
            let outcome = parsed.and_then(|value| self.documents_of(value, line, report));
            if let Err(reason) = outcome {
                report.remarks.add(RemarkKind::RefusedRow, "", line, || reason);
                // The caller decides whether a refused row ends the work, so it gets the chance after each.
                if self.options.strict {
                    return Ok(None);
                }
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Value, String> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(crate::table::utf8_reason(bytes, 1, error.valid_up_to()).replace(" at line 1,", " at"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or("");
        format!("expected JSON, found a mistake at column {}: {what}", error.column())
    })
}

/// Whether the first bytes are those of a list of rows, or of one row over several lines, rather than of lines of JSON.
fn is_list(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    match head.first() {
        // `["` begins a row: a text with its annotations.
        Some(b'[') => !matches!(head[1..].trim_ascii_start().first(), Some(b'"')),
        Some(b'{') => {
            let Some(end) = memchr::memchr(b'\n', head) else { return false };
            let line = head[..end].trim_ascii_end();
            matches!(line.last(), Some(b'{' | b'[' | b','))
        }
        _ => false,
    }
}

/// The elements of a JSON list, or JSON values one after the other, cut apart without being parsed.
struct Elements {
    name: PathBuf,
    stream: BufReader<Box<dyn Read + Send>>,
    element: Vec<u8>,
    line: u64,
    /// Whether the list's bracket has been seen.
    opened: bool,
    closed: bool,
}

impl Elements {
    fn new(opened: OpenedText) -> Self {
        Self {
            name: opened.name,
            stream: BufReader::with_capacity(1 << 18, opened.stream),
            element: Vec::new(),
            line: 1,
            opened: false,
            closed: false,
        }
    }

    /// Reads the next element; its line comes back.
    fn next(&mut self) -> Result<Option<u64>> {
        self.element.clear();
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        let mut first_line = self.line;
        loop {
            let block = self
                .stream
                .fill_buf()
                .map_err(|error| Error::io(format!("could not read: {error}"), error).in_file(&self.name))?;
            if block.is_empty() {
                let missing = if depth > 0 {
                    Some(format!("expected the end of the element that begins at line {first_line}, found the end"))
                } else if self.opened && !self.closed {
                    Some("expected `]`, found the end of the file".to_owned())
                } else {
                    None
                };
                return match missing {
                    Some(message) => {
                        Err(Error::input(message).in_file(&self.name).at_line(self.line).hint("the file is cut off"))
                    }
                    None => Ok(None),
                };
            }
            let mut used = 0;
            let mut done = false;
            // Where the part of the element in this block begins.
            let mut from = 0;
            for &byte in block {
                used += 1;
                self.line += u64::from(byte == b'\n');
                if depth == 0 {
                    match byte {
                        b' ' | b'\t' | b'\r' | b'\n' | b',' => {}
                        b'[' if !self.opened && !self.closed => self.opened = true,
                        b']' if self.opened && !self.closed => self.closed = true,
                        b'{' | b'[' if !self.closed => {
                            depth = 1;
                            first_line = self.line;
                            from = used - 1;
                        }
                        other => {
                            return Err(Error::input(format!(
                                "expected an object or a list, found `{}`",
                                char::from(other).escape_default()
                            ))
                            .in_file(&self.name)
                            .at_line(self.line));
                        }
                    }
                } else if quoted {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => quoted = false,
                        _ => {}
                    }
                } else {
                    match byte {
                        b'"' => quoted = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => {
                            depth -= 1;
                            if depth == 0 {
                                done = true;
                                break;
                            }
                        }
                        _ => {}
                    }
                }
            }
            if depth > 0 || done {
                self.element.extend_from_slice(&block[from..used]);
            }
            self.stream.consume(used);
            if done {
                return Ok(Some(first_line));
            }
            if self.element.len() > LONGEST_ROW {
                return Err(Error::input(format!("expected elements of at most {} MiB", LONGEST_ROW >> 20))
                    .in_file(&self.name)
                    .at_line(first_line));
            }
        }
    }
}

/// What a JSON value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl Row<'_> {
    /// Takes the text out of an object.
    pub(super) fn take_text(&self, object: &mut Map<String, Value>) -> Result<String, String> {
        let field = self.options.text_field.as_deref().unwrap_or("text");
        match object.shift_remove(field) {
            Some(Value::String(text)) if u32::try_from(text.len()).is_ok() => Ok(text),
            Some(other) => Err(format!("expected a text in `{field}`, found {}", kind(&other))),
            None => Err(format!("expected the field `{field}`, found none")),
        }
    }

    /// Puts spans into a document, whose text is set, trying the units in order. A unit that the user names is the only
    /// one.
    pub(super) fn settle(
        &mut self,
        document: &mut Document,
        raw: Vec<RawSpan>,
        units: &[OffsetUnit],
    ) -> Result<Option<OffsetUnit>, String> {
        let only = self.options.unit.map(|unit| [unit]);
        let units = only.as_ref().map_or(units, |only| only.as_slice());
        let Settled { spans, unit, unchecked, empty } = settle(&document.text, raw, units, exact)?;
        let name = if document.id.is_empty() { self.name.as_str() } else { &*document.id };
        for span in empty {
            self.report
                .remarks
                .add(RemarkKind::EmptySpan, name, self.line, || format!("`{}` at {}", span.label, span.start));
        }
        let kind = match unit {
            Some(OffsetUnit::Utf16) => Some(RemarkKind::OffsetsUtf16),
            Some(OffsetUnit::Bytes) => Some(RemarkKind::OffsetsBytes),
            Some(OffsetUnit::CodePoints) if units.first() == Some(&OffsetUnit::Utf16) => {
                Some(RemarkKind::OffsetsCodePoints)
            }
            _ => None,
        };
        if let Some(kind) = kind {
            self.report.remarks.add(kind, name, self.line, String::new);
        }
        if unchecked && self.options.unit.is_none() {
            self.report.remarks.add(RemarkKind::UncheckedOffsets, name, self.line, String::new);
        }
        document.spans = spans;
        Ok(unit)
    }
}

/// Takes an id, a string or a number; empty if there is none.
pub(super) fn take_id(object: &mut Map<String, Value>, key: &str) -> Result<ItemId, String> {
    match object.shift_remove(key) {
        None | Some(Value::Null) => Ok("".into()),
        Some(Value::String(id)) => Ok(id.into()),
        Some(Value::Number(id)) => Ok(id.to_string().into()),
        Some(other) => Err(format!("expected a string or a number in `{key}`, found {}", kind(&other))),
    }
}

/// A list, where one is expected.
pub(super) fn list(value: Value, what: &str) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(list) => Ok(list),
        Value::Null => Ok(Vec::new()),
        other => Err(format!("expected a list of {what}, found {}", kind(&other))),
    }
}

/// A string, where one is expected.
pub(super) fn string(value: &Value, what: &str) -> Result<Name, String> {
    match value {
        Value::String(text) => Ok(text.as_str().into()),
        other => Err(format!("expected {what}, found {}", kind(other))),
    }
}

/// A place: a whole number that is not negative.
pub(super) fn position(value: Option<&Value>, what: &str) -> Result<u64, String> {
    match value {
        Some(Value::Number(number)) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|whole| *whole >= 0.0 && whole.fract() == 0.0).map(|whole| whole as u64))
            .ok_or_else(|| format!("expected a place in `{what}`, found {number}")),
        Some(other) => Err(format!("expected a place in `{what}`, found {}", kind(other))),
        None => Err(format!("expected a place in `{what}`, found none")),
    }
}

/// The span of an object, with places under the given keys.
pub(super) fn span_of(object: &Map<String, Value>, start: &str, end: &str, quotes: &[&str]) -> Result<RawSpan, String> {
    let label = object.get("label").ok_or("expected a span with a `label`, found none")?;
    let quote = quotes.iter().find_map(|key| object.get(*key)).and_then(Value::as_str).map(str::to_owned);
    Ok(RawSpan {
        start: position(object.get(start), start)?,
        end: position(object.get(end), end)?,
        label: string(label, "a label")?,
        quote,
    })
}
