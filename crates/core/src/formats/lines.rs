//! Lines of a text file with their numbers.

use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::table::LONGEST_ROW;
use crate::table::open::OpenedText;
use crate::table::utf8_reason;

/// A stream of lines without their endings, read by large pieces and never copied but at the ends of these.
pub(super) struct Lines {
    name: PathBuf,
    stream: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What of the buffer was read and not yet given out.
    unread: Range<usize>,
    /// Where the last line lies.
    line: Range<usize>,
    ended: bool,
    number: u64,
    /// How many lines so far ended in CRLF.
    pub(super) carriage_returns: u64,
}

/// How much is read at once.
const PIECE: usize = 1 << 18;

impl Lines {
    pub(super) fn new(opened: OpenedText) -> Self {
        Self {
            name: opened.name,
            stream: opened.stream,
            buffer: Vec::new(),
            unread: 0..0,
            line: 0..0,
            ended: false,
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
        let mut searched = self.unread.start;
        let (end, next) = loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[searched..self.unread.end]) {
                break (searched + found, searched + found + 1);
            }
            if self.ended {
                if self.unread.is_empty() {
                    return Ok(None);
                }
                break (self.unread.end, self.unread.end);
            }
            let length = self.unread.len();
            if length > LONGEST_ROW {
                break (self.unread.end, self.unread.end);
            }
            self.read_on()?;
            searched = self.unread.start + length;
        };
        self.number += 1;
        if next - self.unread.start > LONGEST_ROW {
            return Err(self.error(format!("expected lines of at most {} MiB, found a longer one", LONGEST_ROW >> 20)));
        }
        self.line = self.unread.start..end;
        self.unread.start = next;
        if next > end && self.buffer[self.line.clone()].last() == Some(&b'\r') {
            self.line.end -= 1;
            self.carriage_returns += 1;
        }
        Ok(Some(&self.buffer[self.line.clone()]))
    }

    /// Adds a piece to what is unread.
    fn read_on(&mut self) -> Result<()> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.buffer.len() < self.unread.end + PIECE {
            self.buffer.resize((self.unread.end + PIECE).max(2 * self.unread.end), 0);
        }
        loop {
            match self.stream.read(&mut self.buffer[self.unread.end..]) {
                Ok(count) => {
                    self.unread.end += count;
                    self.ended = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Error::io(format!("could not read: {error}"), error).in_file(&self.name));
                }
            }
        }
    }

    /// The last line as bytes.
    pub(super) fn last(&self) -> &[u8] {
        &self.buffer[self.line.clone()]
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
        match std::str::from_utf8(&self.buffer[self.line.clone()]) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Error::input(utf8_reason(self.last(), number, error.valid_up_to()))
                .in_file(&self.name)
                .at_line(number)),
        }
    }

    /// An error at the last line.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::input(message).in_file(&self.name).at_line(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_text_wherever_its_pieces_end() {
        /// Gives a few bytes at a time.
        struct Drops(Vec<u8>, usize, usize);
        impl Read for Drops {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                let count = into.len().min(self.2).min(self.0.len() - self.1);
                into[..count].copy_from_slice(&self.0[self.1..self.1 + count]);
                self.1 += count;
                Ok(count)
            }
        }
        let mut text = String::new();
        for length in [0, 1, PIECE - 1, 3, PIECE, 5, 2 * PIECE + 7, 0, 2] {
            text.extend(std::iter::repeat_n('x', length));
            text.push_str(if length % 2 == 0 { "\n" } else { "\r\n" });
        }
        text.push_str("the end");
        for step in [1000, PIECE, usize::MAX] {
            let stream = Box::new(Drops(text.clone().into_bytes(), 0, step));
            let opened = OpenedText { name: "x".into(), head: Vec::new(), stream, marked: false };
            let mut lines = Lines::new(opened);
            for (number, expected) in text.lines().enumerate() {
                assert_eq!(lines.next_text().unwrap(), Some(expected));
                assert_eq!((lines.number(), lines.last()), (number as u64 + 1, expected.as_bytes()));
            }
            assert_eq!(lines.next_text().unwrap(), None);
            assert_eq!(lines.carriage_returns, 5);
        }
    }
}
