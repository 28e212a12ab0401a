//! Delimited text as string columns.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};

use super::read::{BadRow, Chunk, KEPT_OF_LONG_ROW, RawRows, TableOptions, too_long_reason, utf8_reason};
use super::split::{Fault, Field, Record, Splitter};
use super::window::Window;
use crate::error::{Error, Result};

pub(super) struct CsvReader {
    splitter: Splitter,
    columns: Vec<String>,
    /// The positions of the columns to decode.
    wanted: Vec<usize>,
    schema: SchemaRef,
    options: TableOptions,
    /// What the latest chunk took, so that the next is given as much at once.
    latest_rows: usize,
    latest_sizes: Vec<usize>,
}

/// The rows that memory is set aside for before the first chunk is known.
const ROWS_AT_FIRST: usize = 256;

impl CsvReader {
    pub(super) fn new(window: Window, delimiter: u8, carriage_returns: bool, options: &TableOptions) -> Result<Self> {
        let mut splitter = Splitter::new(window, delimiter, carriage_returns);
        let columns = header(&mut splitter)?;
        let is_wanted = |name: &String| options.only.as_ref().is_none_or(|only| only.contains(name));
        let wanted: Vec<usize> = (0..columns.len()).filter(|&index| is_wanted(&columns[index])).collect();
        let fields = wanted.iter().map(|&index| ArrowField::new(&columns[index], DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let latest_sizes = vec![0; wanted.len()];
        Ok(Self { splitter, columns, wanted, schema, options: options.clone(), latest_rows: 0, latest_sizes })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let rows = self.options.batch_rows.min(ROWS_AT_FIRST.max(self.latest_rows));
        let builder = |size: &usize| StringBuilder::with_capacity(rows, *size);
        let mut builders: Vec<StringBuilder> = self.latest_sizes.iter().map(builder).collect();
        let (mut lines, mut bad, mut raw) = (Vec::new(), Vec::new(), RawRows::default());
        let mut size = 0;
        while lines.len() + bad.len() < self.options.batch_rows && size < self.options.batch_bytes {
            let Some(record) = self.splitter.next_record()? else { break };
            match self.row(&record) {
                Ok(text) => {
                    let fields = self.splitter.fields();
                    for (builder, &index) in builders.iter_mut().zip(&self.wanted) {
                        append(builder, text, fields[index], record.bytes.start);
                    }
                    lines.push(record.line);
                    size += text.len();
                    if self.options.keep_raw {
                        raw.push(text.as_bytes());
                    }
                }
                Err(reason) => {
                    let bytes = record.kept.unwrap_or_else(|| {
                        let bytes = &self.splitter.bytes()[record.bytes];
                        let kept = if record.fault == Some(Fault::TooLong) { KEPT_OF_LONG_ROW } else { bytes.len() };
                        bytes[..bytes.len().min(kept)].to_vec()
                    });
                    size += bytes.len();
                    bad.push(BadRow { line: record.line, reason, raw: bytes });
                }
            }
        }
        if lines.is_empty() && bad.is_empty() {
            return Ok(None);
        }
        self.latest_rows = lines.len();
        for (size, builder) in self.latest_sizes.iter_mut().zip(&builders) {
            *size = builder.values_slice().len() + builder.values_slice().len() / 16;
        }
        let arrays = builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|error| Error::input("rows could not be put into columns").because(error))?;
        Ok(Some(Chunk { batch, lines, bad, raw }))
    }

    /// The text of a record with the right number of fields, or what is wrong with it.
    fn row(&self, record: &Record) -> Result<&str, String> {
        if let Some(fault) = record.fault {
            return Err(fault_reason(fault, record.line));
        }
        let bytes = &self.splitter.bytes()[record.bytes.clone()];
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Err(utf8_reason(bytes, record.line, error.valid_up_to())),
        };
        let fields = self.splitter.fields();
        let (expected, found) = (self.columns.len(), fields.len());
        if found == expected || found == expected + 1 && fields[expected].start == record.bytes.end {
            return Ok(text);
        }
        let mut reason = format!("expected {expected} fields, found {found}");
        if found > expected {
            let delimiter = match self.splitter.delimiter() {
                b',' => "commas",
                b';' => "semicolons",
                b'\t' => "tabs",
                _ => "bars",
            };
            let _ = write!(reason, " (is a field with {delimiter} in it not quoted?)");
        }
        Err(reason)
    }
}

/// Appends a field to its column, its doubled quotes undone. Positions are absolute, `start` is that of the text.
#[inline]
fn append(builder: &mut StringBuilder, text: &str, field: Field, start: usize) {
    let value = &text[field.start - start..field.end - start];
    if field.escaped {
        // Writing into the builder cannot fail; an empty value closes what was written.
        let mut rest = value;
        while let Some(at) = memchr::memchr(b'"', rest.as_bytes()) {
            // Every quote inside is the first of two.
            let _ = builder.write_str(&rest[..=at]);
            rest = &rest[at + 2..];
        }
        builder.append_value(rest);
    } else {
        builder.append_value(value);
    }
}

fn fault_reason(fault: Fault, first_line: u64) -> String {
    match fault {
        Fault::AfterQuote { line, column } if line == first_line => format!(
            "expected a delimiter after the closing quote, found text at byte column {column} (quotes inside a field \
             are doubled)"
        ),
        Fault::AfterQuote { line, column } => format!(
            "a quoted field that opens on line {first_line} meets text after a quote on line {line}, byte column {column}; \
             only this line was put aside"
        ),
        Fault::Unterminated { column } => {
            format!(
                "the quote that opens on line {first_line}, byte column {column} is never closed; only this line was put aside"
            )
        }
        Fault::TooLong => too_long_reason(),
    }
}

/// Reads and checks the names of the columns.
fn header(splitter: &mut Splitter) -> Result<Vec<String>> {
    let Some(record) = splitter.next_record()? else {
        return Err(Error::input("the file is empty").hint("a table starts with a line of column names"));
    };
    if let Some(fault) = record.fault {
        let reason = fault_reason(fault, record.line);
        return Err(Error::input(format!("the line of column names cannot be read: {reason}")).at_line(record.line));
    }
    let bytes = &splitter.bytes()[record.bytes.clone()];
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let reason = utf8_reason(bytes, record.line, error.valid_up_to());
        Error::input(format!("the line of column names cannot be read: {reason}")).at_line(record.line)
    })?;
    let mut names: Vec<String> = Vec::new();
    for (index, &field) in splitter.fields().iter().enumerate() {
        let mut builder = StringBuilder::new();
        append(&mut builder, text, field, record.bytes.start);
        let name = builder.finish().value(0).to_owned();
        let name = if name.is_empty() { format!("column_{}", index + 1) } else { name };
        if let Some(first) = names.iter().position(|earlier| *earlier == name) {
            return Err(Error::input(format!(
                "expected distinct column names, found `{name}` as columns {} and {}",
                first + 1,
                index + 1
            ))
            .at_line(record.line)
            .hint("rename one of the two in the first line"));
        }
        names.push(name);
    }
    Ok(names)
}
