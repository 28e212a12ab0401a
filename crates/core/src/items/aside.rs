//! Rows that could not be used: counted, the first ones kept for messages, all put aside in a file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::table::text::json_string;
use crate::table::{BadRow, Chunk, Format};

/// How many bad rows are kept for messages.
const KEPT: usize = 20;

/// How many rows are looked at to judge whether the file is what it was taken for.
const JUDGED: u64 = 1000;

/// Where a row was put aside, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowFault {
    /// The line of the source, counted from 1; for Parquet the row.
    pub line: u64,
    /// What was expected and what was found.
    pub reason: String,
}

/// The bad rows of one source.
pub(super) struct Aside {
    source: PathBuf,
    format: Format,
    strict: bool,
    path: Option<PathBuf>,
    out: Option<BufWriter<File>>,
    count: u64,
    first: Vec<RowFault>,
    judged: u64,
    judged_bad: u64,
}

impl Aside {
    /// An earlier run's side file is removed, so that one that is there afterwards speaks of this run.
    pub(super) fn new(source: &Path, format: Format, strict: bool, path: Option<PathBuf>) -> Result<Self> {
        if let Some(path) = &path
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(side_file_error(error, path));
        }
        let source = source.to_path_buf();
        Ok(Self { source, format, strict, path, out: None, count: 0, first: Vec::new(), judged: 0, judged_bad: 0 })
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn first(&self) -> &[RowFault] {
        &self.first
    }

    /// The side file, if anything was put into it.
    pub(super) fn path(&self) -> Option<&Path> {
        if self.count > 0 { self.path.as_deref() } else { None }
    }

    /// Puts the bad rows of a chunk aside: those that could not be read and those that were `refused` afterwards.
    ///
    /// Fails on the first of them when strict, and when more than half of the first thousand rows are bad: then the
    /// file is not what it was taken for.
    pub(super) fn take(&mut self, chunk: &mut Chunk, refused: Vec<BadRow>) -> Result<()> {
        let unread = chunk.bad.len();
        let mut bad = std::mem::take(&mut chunk.bad);
        bad.extend(refused);
        bad.sort_by_key(|row| row.line);
        for row in &bad {
            self.write(row)?;
            self.count += 1;
            if self.first.len() < KEPT {
                self.first.push(RowFault { line: row.line, reason: row.reason.clone() });
            }
        }
        if let (true, Some(row)) = (self.strict, bad.first()) {
            return Err(Error::input(row.reason.clone())
                .in_file(&self.source)
                .at_line(row.line)
                .hint("correct the row, or leave strict mode to put such rows aside"));
        }
        if self.judged < JUDGED {
            let rows = (chunk.lines.len() + unread) as u64;
            let room = JUDGED - self.judged;
            let last_judged = if rows <= room {
                u64::MAX
            } else {
                let mut lines: Vec<u64> = chunk.lines.clone();
                lines
                    .extend(bad.iter().filter(|row| chunk.lines.binary_search(&row.line).is_err()).map(|row| row.line));
                lines.sort_unstable();
                lines[room as usize - 1]
            };
            self.judged += rows.min(room);
            self.judged_bad += bad.iter().filter(|row| row.line <= last_judged).count() as u64;
            if self.judged == JUDGED {
                self.judge()?;
            }
        }
        Ok(())
    }

    /// Flushes the side file; the last chance to notice that a short file is not what it was taken for.
    pub(super) fn finish(&mut self) -> Result<()> {
        if let (Some(out), Some(path)) = (&mut self.out, &self.path) {
            out.flush().map_err(|error| side_file_error(error, path))?;
        }
        if self.judged < JUDGED { self.judge() } else { Ok(()) }
    }

    fn judge(&mut self) -> Result<()> {
        let (bad, rows) = (self.judged_bad, self.judged);
        if bad * 2 <= rows || bad < 10 && bad < rows {
            return Ok(());
        }
        if let Some(out) = &mut self.out {
            let _ = out.flush();
        }
        let RowFault { line, reason } = &self.first[0];
        let error = Error::input(format!(
            "{bad} of the first {rows} rows cannot be used, so this may not be the {} file it was taken for; the first: \
             {reason}",
            self.format
        ));
        let hint = if reason.contains("UTF-8") {
            "convert the file to UTF-8, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE > FILE.utf8"
        } else if self.format == Format::Jsonl {
            "every line must be one JSON object"
        } else if reason.contains("quote") {
            "look at the quotes in the first lines: a field that contains quotes is quoted, and its quotes are doubled"
        } else if reason.contains("fields") {
            "look at the delimiter and the quotes in the first lines, and name the format if it was mistaken"
        } else {
            "look at the first lines, and name the format and the columns if they were mistaken"
        };
        Err(error.in_file(&self.source).at_line(*line).hint(hint))
    }

    fn write(&mut self, row: &BadRow) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let refuse = |error| side_file_error(error, path);
        let out = match &mut self.out {
            Some(out) => out,
            None => self.out.insert(BufWriter::new(File::create(path).map_err(refuse)?)),
        };
        let mut text = String::from("{\"file\":");
        json_string(&self.source.to_string_lossy(), &mut text);
        let _ = write!(text, ",\"line\":{},\"reason\":", row.line);
        json_string(&row.reason, &mut text);
        text.push_str(",\"raw\":");
        json_string(&String::from_utf8_lossy(&row.raw), &mut text);
        if std::str::from_utf8(&row.raw).is_err() {
            text.push_str(",\"raw_hex\":\"");
            row.raw.iter().for_each(|byte| text.push_str(HEX[usize::from(*byte)]));
            text.push('"');
        }
        text.push_str("}\n");
        out.write_all(text.as_bytes()).map_err(refuse)
    }
}

fn side_file_error(error: io::Error, path: &Path) -> Error {
    let message = format!("the file for rejected rows could not be written: {error}");
    Error::io(message, error).in_file(path)
}

/// Two hexadecimal digits for every byte.
pub(super) static HEX: [&str; 256] = {
    const DIGITS: [u8; 512] = {
        let mut digits = [0; 512];
        let mut byte = 0;
        while byte < 256 {
            digits[byte * 2] = b"0123456789abcdef"[byte >> 4];
            digits[byte * 2 + 1] = b"0123456789abcdef"[byte & 15];
            byte += 1;
        }
        digits
    };
    const TEXT: &str = match std::str::from_utf8(&DIGITS) {
        Ok(text) => text,
        Err(_) => "",
    };
    let mut table = [""; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = TEXT.split_at(byte * 2).1.split_at(2).0;
        byte += 1;
    }
    table
};
