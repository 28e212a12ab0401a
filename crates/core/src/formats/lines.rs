//! Lines of a text file with their numbers.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::table::LONGEST_ROW;
use crate::table::open::OpenedText;
use crate::table::utf8_reason;

/// A stream of lines without their endings.
pub(super) struct Lines {
    name: PathBuf,
    stream: BufReader<Box<dyn Read + Send>>,
    buffer: Vec<u8>,
    number: u64,
    /// How many lines so far ended in CRLF.
    pub(super) carriage_returns: u64,
}

impl Lines {
    pub(super) fn new(opened: OpenedText) -> Self {
        Self {
            name: opened.name,
            stream: BufReader::with_capacity(1 << 18, opened.stream),
            buffer: Vec::new(),
            number: 0,
            carriage_returns: 0,
        }
    }

    /// What to call the file in messages.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// The number of the last line, counted from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line as bytes, or `None` at the end.
    pub(super) fn next_bytes(&mut self) -> Result<Option<&[u8]>> {
        self.buffer.clear();
        let limit = LONGEST_ROW as u64 + 1;
        let failed = |error: std::io::Error| Error::io(format!("could not read: {error}"), error);
        let count = (&mut self.stream)
            .take(limit)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| failed(error).in_file(&self.name))?;
        if count == 0 {
            return Ok(None);
        }
        self.number += 1;
        if count as u64 == limit {
            return Err(Error::input(format!(
                "expected lines of at most {} MiB, found a longer one",
                LONGEST_ROW >> 20
            ))
            .in_file(&self.name)
            .at_line(self.number));
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            if self.buffer.last() == Some(&b'\r') {
                self.buffer.pop();
                self.carriage_returns += 1;
            }
        }
        Ok(Some(&self.buffer))
    }

    /// The last line as bytes.
    pub(super) fn last(&self) -> &[u8] {
        &self.buffer
    }

    /// The next line as text.
    ///
    /// # Errors
    /// The line is not UTF-8.
    pub(super) fn next_text(&mut self) -> Result<Option<&str>> {
        if self.next_bytes()?.is_none() {
            return Ok(None);
        }
        let number = self.number;
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Error::input(utf8_reason(&self.buffer, number, error.valid_up_to()))
                .in_file(&self.name)
                .at_line(number)),
        }
    }

    /// An error at the last line.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::input(message).in_file(&self.name).at_line(self.number)
    }
}
