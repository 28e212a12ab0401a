//! One JSON object per line as string columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema};
use memchr::memchr;
use serde::de::IgnoredAny;

use super::LONGEST_ROW;
use super::read::{BadRow, Chunk, KEPT_OF_LONG_ROW, RawRows, TableOptions, too_long_reason, utf8_reason};
use super::window::Window;
use crate::error::{Error, Result};

pub(super) struct JsonlReader {
    window: Window,
    line: u64,
    columns: Vec<String>,
    options: TableOptions,
    /// The first chunk, which had to be read for the names of the columns.
    first: Option<Chunk>,
}

/// A key of an object and its value as text.
struct Entry<'a> {
    key: Cow<'a, str>,
    value: Option<Cow<'a, str>>,
    /// Whether the value is a boolean, a list or an object.
    is_structure: bool,
}

impl JsonlReader {
    pub(super) fn new(window: Window, options: &TableOptions) -> Result<Self> {
        let mut reader = Self { window, line: 1, columns: Vec::new(), options: options.clone(), first: None };
        reader.first = reader.read_chunk()?;
        if reader.first.is_none() {
            return Err(Error::input("the file is empty").hint("expected one JSON object per line"));
        }
        Ok(reader)
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        match self.first.take() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.read_chunk(),
        }
    }

    fn read_chunk(&mut self) -> Result<Option<Chunk>> {
        let mut rows = Rows { columns: std::mem::take(&mut self.columns), builders: Vec::new(), count: 0 };
        rows.builders = rows.columns.iter().map(|_| StringBuilder::new()).collect();
        let (mut lines, mut bad, mut raw) = (Vec::new(), Vec::new(), RawRows::default());
        let (mut size, mut failed) = (0, None);
        while lines.len() + bad.len() < self.options.batch_rows && size < self.options.batch_bytes {
            let line = self.line;
            match self.next_line() {
                Err(error) => {
                    failed = Some(error);
                    break;
                }
                Ok(None) => break,
                Ok(Some(Line::TooLong(kept))) => {
                    size += kept.len();
                    bad.push(BadRow { line, reason: too_long_reason(), raw: kept });
                }
                Ok(Some(Line::Bytes(start, end))) => {
                    let bytes = &self.window.bytes()[start..end];
                    if bytes.trim_ascii().is_empty() {
                        continue;
                    }
                    size += bytes.len();
                    match parse(bytes, line).and_then(|entries| self.check(entries)) {
                        Ok(entries) => {
                            rows.push(&entries);
                            lines.push(line);
                            if self.options.keep_raw {
                                raw.push(bytes);
                            }
                        }
                        Err(reason) => bad.push(BadRow { line, reason, raw: bytes.to_vec() }),
                    }
                }
            }
        }
        let batch = rows.finish(self.options.only.as_deref());
        self.columns = rows.columns;
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(if lines.is_empty() && bad.is_empty() { None } else { Some(Chunk { batch: batch?, lines, bad, raw }) })
    }

    /// Refuses objects that hold a structure where text is expected.
    fn check<'a>(&self, entries: Vec<Entry<'a>>) -> Result<Vec<Entry<'a>>, String> {
        let wrong = |entry: &&Entry<'_>| entry.is_structure && self.options.text.iter().any(|name| *name == entry.key);
        match entries.iter().find(wrong) {
            Some(Entry { key, value, .. }) => {
                let start: String = value.as_deref().unwrap_or_default().chars().take(20).collect();
                Err(format!("expected a string or a number in `{key}`, found `{start}`"))
            }
            None => Ok(entries),
        }
    }

    /// The next line without its end, as a range of the window.
    fn next_line(&mut self) -> Result<Option<Line>> {
        let mut searched = 0;
        let mut skipping: Option<Vec<u8>> = None;
        loop {
            let start = self.window.start();
            let bytes = self.window.bytes();
            let newline = memchr(b'\n', &bytes[start + searched..]).map(|offset| start + searched + offset);
            let end = newline.unwrap_or(bytes.len());
            if newline.is_some() || self.window.is_finished() {
                if newline.is_none() && start == end && skipping.is_none() {
                    return Ok(None);
                }
                self.window.consume_to(newline.map_or(end, |at| at + 1));
                self.line += 1;
                if let Some(kept) = skipping {
                    return Ok(Some(Line::TooLong(kept)));
                }
                if end - start > LONGEST_ROW {
                    return Ok(Some(Line::TooLong(self.window.bytes()[start..start + KEPT_OF_LONG_ROW].to_vec())));
                }
                let bytes = &self.window.bytes()[start..end];
                let end = end - usize::from(bytes.ends_with(b"\r"));
                return Ok(Some(Line::Bytes(start, end)));
            }
            searched = end - start;
            if searched > LONGEST_ROW || skipping.is_some() {
                skipping = skipping.or_else(|| Some(bytes[start..start + KEPT_OF_LONG_ROW].to_vec()));
                self.window.consume_to(end);
                searched = 0;
            }
            self.window.more().map_err(|error| {
                let message = format!("could not read on: {error}");
                Error::io(message, error).at_line(self.line)
            })?;
        }
    }
}

enum Line {
    Bytes(usize, usize),
    TooLong(Vec<u8>),
}

/// Columns that grow as keys appear.
struct Rows {
    columns: Vec<String>,
    builders: Vec<StringBuilder>,
    count: usize,
}

impl Rows {
    fn push(&mut self, entries: &[Entry<'_>]) {
        for (position, Entry { key, value, .. }) in entries.iter().enumerate() {
            // Objects of one file mostly have the same keys in the same order.
            let at = match self.columns.get(position) {
                Some(column) if column == key => position,
                _ => self.columns.iter().position(|column| column == key).unwrap_or_else(|| {
                    self.columns.push(key.clone().into_owned());
                    let mut builder = StringBuilder::new();
                    builder.append_nulls(self.count);
                    self.builders.push(builder);
                    self.columns.len() - 1
                }),
            };
            self.builders[at].append_option(value.as_deref());
        }
        self.count += 1;
        for builder in &mut self.builders {
            if arrow_array::builder::ArrayBuilder::len(builder) < self.count {
                builder.append_null();
            }
        }
    }

    fn finish(&mut self, only: Option<&[String]>) -> Result<RecordBatch> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (name, builder) in self.columns.iter().zip(&mut self.builders) {
            if only.is_none_or(|only| only.contains(name)) {
                fields.push(Field::new(name, DataType::Utf8, true));
                arrays.push(Arc::new(builder.finish()) as ArrayRef);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.count));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| Error::input("rows could not be put into columns").because(error))
    }
}

/// The keys and values of one object, or what is wrong with the line.
fn parse(bytes: &[u8], line: u64) -> Result<Vec<Entry<'_>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| utf8_reason(bytes, line, error.valid_up_to()))?;
    let mut at = Cursor { text, at: 0 };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    at.expect('{', "a JSON object")?;
    if !at.skip('}') {
        loop {
            at.blank();
            let start = at.at;
            if !at.text[start..].starts_with('"') {
                return Err(at.unexpected("a key in double quotes"));
            }
            let key = at.value()?.unwrap_or_default();
            at.expect(':', "`:` after the key")?;
            at.blank();
            let is_structure = at.text[at.at..].starts_with(['{', '[', 't', 'f']);
            let value = at.value()?;
            if entries.iter().any(|earlier| earlier.key == key) {
                return Err(format!("expected distinct keys, found `{key}` twice"));
            }
            entries.push(Entry { key, value, is_structure });
            if at.skip('}') {
                break;
            }
            at.expect(',', "`,` or `}` after a value")?;
        }
    }
    at.blank();
    if at.at < text.len() { Err(at.unexpected("the end of the line after the object")) } else { Ok(entries) }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn skip(&mut self, wanted: char) -> bool {
        self.blank();
        let found = self.text[self.at..].starts_with(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: char, name: &str) -> Result<(), String> {
        if self.skip(wanted) { Ok(()) } else { Err(self.unexpected(name)) }
    }

    fn unexpected(&self, expected: &str) -> String {
        match self.text[self.at..].chars().next() {
            Some(found) => format!("expected {expected}, found `{found}` at byte column {}", self.at + 1),
            None => format!("expected {expected}, found the end of the line"),
        }
    }

    /// The next value as text: strings unescaped, `null` as `None`, anything else as it stands.
    fn value(&mut self) -> Result<Option<Cow<'a, str>>, String> {
        self.blank();
        let start = self.at;
        let rest = &self.text[start..];
        let wrong = |error: serde_json::Error| {
            // Columns are counted from the start of the value, which is of no use to a reader.
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or_default().to_owned();
            format!("expected valid JSON, found {what} at byte column {}", start + error.column().max(1))
        };
        if let Some(inside) = rest.strip_prefix('"')
            && let Some(end) = memchr::memchr2(b'"', b'\\', inside.as_bytes())
            && inside.as_bytes()[end] == b'"'
            && !inside.as_bytes()[..end].iter().any(|byte| *byte < 0x20)
        {
            self.at += end + 2;
            return Ok(Some(Cow::Borrowed(&inside[..end])));
        }
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match stream.next() {
            None => return Err(self.unexpected("a value")),
            Some(Err(error)) => return Err(wrong(error)),
            Some(Ok(_)) => self.at += stream.byte_offset(),
        }
        let value = &self.text[start..self.at];
        match value.as_bytes()[0] {
            b'"' => serde_json::from_str::<String>(value).map(|text| Some(Cow::Owned(text))).map_err(wrong),
            b'n' => Ok(None),
            _ => Ok(Some(Cow::Borrowed(value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_taken_apart_without_losing_digits() {
        let line =
            br#" {"text":"a \"b\" \ud83d\ude42","n":12345678901234567890.10,"z":null,"l":[1, {"a":2}],"b":true} "#;
        let entries = parse(line, 1).unwrap();
        let values: Vec<Option<&str>> = entries.iter().map(|entry| entry.value.as_deref()).collect();
        let expected =
            [Some("a \"b\" \u{1F642}"), Some("12345678901234567890.10"), None, Some(r#"[1, {"a":2}]"#), Some("true")];
        assert_eq!(values, expected);
        assert!(parse(b"{}", 1).unwrap().is_empty());
    }

    #[test]
    fn broken_lines_say_where() {
        let cases: [(&[u8], &str); 9] = [
            (b"[1]", "expected a JSON object, found `[` at byte column 1"),
            (b"{\"a\":1", "found the end of the line"),
            (b"{\"a\":1}x", "found `x` at byte column 8"),
            (b"{\"a\":1,\"a\":2}", "found `a` twice"),
            (b"{a:1}", "a key in double quotes, found `a`"),
            (b"{\"a\":tru}", "byte column"),
            (b"{\"a\":\"\\ud800\"}", "byte column"),
            (b"{\"a\":\"tab\there\"}", "control character"),
            (b"{\"a\":\"caf\xE9 x\"}", "0xE9 at line 1, byte column 10"),
        ];
        for (line, reason) in cases {
            let Err(found) = parse(line, 1) else { panic!("{}", String::from_utf8_lossy(line)) };
            assert!(found.contains(reason), "{found}");
        }
    }
}
