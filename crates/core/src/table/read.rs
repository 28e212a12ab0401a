//! The reader's face: one type for every format.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;

use super::csv::CsvReader;
use super::jsonl::JsonlReader;
use super::open::{Opened, Recognised, open};
use super::parquet::ParquetReader;
use super::window::Window;
use super::{Format, LONGEST_ROW};
use crate::error::{Error, Result};

/// How much of a row that is too long to be held is kept for the side file.
pub(super) const KEPT_OF_LONG_ROW: usize = 1 << 20;

/// How to read a table. The default recognises everything by itself.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// The format; by default that of the file name, or else of the content.
    pub format: Option<Format>,
    /// The most rows in a chunk.
    pub batch_rows: usize,
    /// The bytes after which a chunk of a text format is closed, whatever its rows.
    pub batch_bytes: usize,
    /// Only these columns, where present, in the order of the file; by default all. What is not wanted is not decoded.
    pub only: Option<Vec<String>>,
    /// Columns that must hold strings or numbers: a JSONL row with a boolean, a list or an object there is bad.
    pub text: Vec<String>,
    /// Whether chunks of the text formats carry the bytes of every row.
    pub keep_raw: bool,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { format: None, batch_rows: 8192, batch_bytes: 8 << 20, only: None, text: Vec::new(), keep_raw: false }
    }
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line on which it starts, counted from 1; for Parquet the row.
    pub line: u64,
    /// What was expected and what was found.
    pub reason: String,
    /// Its bytes as in the file, without the line end; of a row longer than [`LONGEST_ROW`] only the first MiB.
    pub raw: Vec<u8>,
}

/// Consecutive rows of a table.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The good rows.
    pub batch: RecordBatch,
    /// The line on which each good row starts, counted from 1; for Parquet the row.
    pub lines: Vec<u64>,
    /// The bad rows that stand among them.
    pub bad: Vec<BadRow>,
    pub(super) raw: RawRows,
}

impl Chunk {
    /// The bytes of a good row as in the file, if they were asked for and the format has such.
    pub fn raw(&self, row: usize) -> Option<&[u8]> {
        let end = *self.raw.ends.get(row)?;
        let start = if row == 0 { 0 } else { self.raw.ends[row - 1] };
        Some(&self.raw.bytes[start..end])
    }
}

/// The bytes of rows, end to end.
#[derive(Clone, Debug, Default)]
pub(super) struct RawRows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RawRows {
    pub(super) fn push(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }
}

/// A table being read, chunk after chunk, in bounded memory: a chunk, and a window of the file of one to two MiB or as
/// long as its longest row.
pub struct TableReader {
    name: PathBuf,
    format: Format,
    inner: Inner,
}

enum Inner {
    Csv(Box<CsvReader>),
    Jsonl(Box<JsonlReader>),
    Parquet(Box<ParquetReader>),
}

impl TableReader {
    /// Opens a file, or standard input for `-`, and reads as far as the names of its columns.
    ///
    /// Compression (gzip, zstd) is recognised by content. Errors name what was found instead of a table: an empty file,
    /// UTF-16, a workbook, a list instead of lines of JSON.
    pub fn open(path: impl AsRef<Path>, options: &TableOptions) -> Result<Self> {
        let Opened { name, content } = open(path.as_ref(), options.format)?;
        let in_file = |error: Error| error.in_file(&name);
        let (format, inner) = match content {
            Recognised::Delimited { stream, delimiter, carriage_returns, format } => {
                let reader = CsvReader::new(Window::new(stream), delimiter, carriage_returns, options);
                (format, Inner::Csv(Box::new(reader.map_err(in_file)?)))
            }
            Recognised::Lines { stream } => {
                let reader = JsonlReader::new(Window::new(stream), options);
                (Format::Jsonl, Inner::Jsonl(Box::new(reader.map_err(in_file)?)))
            }
            Recognised::Parquet { file } => {
                let reader = ParquetReader::new(file, options);
                (Format::Parquet, Inner::Parquet(Box::new(reader.map_err(in_file)?)))
            }
        };
        Ok(Self { name, format, inner })
    }

    /// What the source is called in messages: its path, or `standard input`.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The format that was recognised.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// All columns of the table, wanted or not. Those of JSONL are the keys of the first chunk; keys that first appear
    /// later join the chunks from there on, after the others.
    pub fn columns(&self) -> &[String] {
        match &self.inner {
            Inner::Csv(reader) => reader.columns(),
            Inner::Jsonl(reader) => reader.columns(),
            Inner::Parquet(reader) => reader.columns(),
        }
    }

    /// The next rows; `None` at the end. A chunk may consist of bad rows alone.
    ///
    /// Errors are what cannot be read past: the disk, a damaged compressed stream, quotes that match nowhere.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        match &mut self.inner {
            Inner::Csv(reader) => reader.next_chunk(),
            Inner::Jsonl(reader) => reader.next_chunk(),
            Inner::Parquet(reader) => reader.next_chunk(),
        }
        .map_err(|error| error.in_file(&self.name))
    }
}

/// The reason given for a row that is too long.
pub(super) fn too_long_reason() -> String {
    format!("expected rows of at most {} MiB, found a longer one", LONGEST_ROW >> 20)
}

/// The reason given for bytes that are not UTF-8: the byte, its line and column, and what encoding they look like.
pub(crate) fn utf8_reason(row: &[u8], first_line: u64, valid: usize) -> String {
    let before = &row[..valid];
    let line = first_line + memchr::memchr_iter(b'\n', before).count() as u64;
    let column = valid - memchr::memrchr(b'\n', before).map_or(0, |end| end + 1) + 1;
    let byte = row[valid];
    let mut reason = format!("expected UTF-8, found the byte 0x{byte:02X} at line {line}, byte column {column}");
    let inside_word = valid > 0 && row[valid - 1].is_ascii_alphanumeric()
        || row.get(valid + 1).is_some_and(u8::is_ascii_alphanumeric);
    let western = match byte {
        0xA0..=0xFF => Some(char::from(byte)),
        0x80 => Some('\u{20AC}'),
        0x85 => Some('\u{2026}'),
        0x91 | 0x92 => Some('\u{2019}'),
        0x93 => Some('\u{201C}'),
        0x94 => Some('\u{201D}'),
        0x96 => Some('\u{2013}'),
        0x97 => Some('\u{2014}'),
        _ => None,
    };
    if let (Some(character), true) = (western, inside_word || row.get(valid + 1).is_none_or(u8::is_ascii)) {
        // Writing into a string cannot fail.
        let _ =
            write!(reason, " (`{character}` in Windows-1252; if so, convert the file: iconv -f WINDOWS-1252 -t UTF-8)");
    }
    reason
}
