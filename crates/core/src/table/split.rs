//! Splitting delimited text into records and fields.
//!
//! Structural bytes (delimiter, quote, line end) are found sixty-four at a time as a bit mask, which costs the same
//! however short the fields are. The tests hold the result against `csv-core`.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::LONGEST_ROW;
use super::read::KEPT_OF_LONG_ROW;
use super::window::Window;
use crate::error::{Error, Result};

const QUOTE: u8 = b'"';
const BLOCK: usize = 64;

/// How many bytes may be read twice in looking for the end of quotes that have none.
const PATIENCE: usize = 512 << 20;

/// The place of a field in its record, without its quotes.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether doubled quotes inside stand for single ones.
    pub(super) escaped: bool,
}

/// What is wrong with the quotes or the length of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Text between a closing quote and the next delimiter; the line and the byte column of the text.
    AfterQuote { line: u64, column: usize },
    /// A quote that never closes; its byte column.
    Unterminated { column: usize },
    /// The record is longer than is accepted.
    TooLong,
}

/// One record. The positions of its bytes and of its fields hold until the next record is asked for.
pub(super) struct Record {
    /// The bytes of the record without its line end.
    pub(super) bytes: Range<usize>,
    /// The beginning of a line that was too long to be held.
    pub(super) kept: Option<Vec<u8>>,
    /// The line on which it starts, counted from 1.
    pub(super) line: u64,
    pub(super) fault: Option<Fault>,
}

/// Records of a stream of delimited text, one after the other.
pub(super) struct Splitter {
    window: Window,
    marks: Marks,
    delimiter: u8,
    carriage_returns: bool,
    line: u64,
    fields: Vec<Field>,
    read_twice: usize,
}

/// Where a scan ended.
enum Scan {
    /// The stream has ended.
    End,
    /// More bytes are needed to tell.
    More,
    /// A record up to `end`, the next one starting at `next`.
    Record { end: usize, next: usize, fault: Option<Fault>, quoted: bool },
}

impl Splitter {
    pub(super) fn new(window: Window, delimiter: u8, carriage_returns: bool) -> Self {
        let marks = Marks::new([delimiter, QUOTE, b'\n', if carriage_returns { b'\r' } else { b'\n' }]);
        Self { window, marks, delimiter, carriage_returns, line: 1, fields: Vec::new(), read_twice: 0 }
    }

    /// The bytes that positions refer to.
    pub(super) fn bytes(&self) -> &[u8] {
        self.window.bytes()
    }

    /// The fields of the last record.
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(super) const fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The next record that is not a blank line.
    pub(super) fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            let start = self.window.start();
            match self.scan() {
                Scan::End => return Ok(None),
                Scan::More if self.window.pending() > LONGEST_ROW => return self.first_line_alone(Fault::TooLong),
                Scan::More => self.more()?,
                Scan::Record { end, next, .. } if end == start => {
                    self.window.consume_to(next);
                    self.line += 1;
                }
                Scan::Record { fault: Some(fault), .. } if self.runs_over_lines(fault) => {
                    // The quote was probably never meant to open a field of several lines, so only its own line is
                    // given up and reading goes on at the next.
                    return self.first_line_alone(fault);
                }
                Scan::Record { end, next, fault, quoted } => {
                    let line = self.line;
                    self.line += 1 + if quoted { self.count_lines(start..end) } else { 0 };
                    self.window.consume_to(next);
                    let fault = if end - start > LONGEST_ROW { Some(Fault::TooLong) } else { fault };
                    return Ok(Some(Record { bytes: start..end, kept: None, line, fault }));
                }
            }
        }
    }

    const fn runs_over_lines(&self, fault: Fault) -> bool {
        match fault {
            Fault::Unterminated { .. } => true,
            Fault::AfterQuote { line, .. } => line > self.line,
            Fault::TooLong => false,
        }
    }

    fn more(&mut self) -> Result<()> {
        let outcome = self.window.more();
        self.marks.reset(self.window.start());
        outcome.map_err(|error| {
            let message = format!("could not read on: {error}");
            Error::io(message, error).at_line(self.line)
        })
    }

    fn scan(&mut self) -> Scan {
        let bytes = self.window.bytes();
        let finished = self.window.is_finished();
        let start = self.window.start();
        self.fields.clear();
        if start == bytes.len() {
            return if finished { Scan::End } else { Scan::More };
        }
        self.marks.seek(start);
        let (mut field, mut fault, mut any_quoted) = (start, None, false);
        loop {
            let Some(at) = self.marks.next(bytes) else {
                if !finished {
                    return Scan::More;
                }
                let end = bytes.len();
                self.fields.push(Field { start: field, end: end.max(field), escaped: false });
                return Scan::Record { end, next: end, fault, quoted: any_quoted };
            };
            let byte = bytes[at];
            if byte == self.delimiter {
                self.fields.push(Field { start: field, end: at, escaped: false });
                field = at + 1;
                continue;
            }
            if byte != QUOTE {
                let Some((end, next)) = self.line_end(at, start, finished) else { return Scan::More };
                self.fields.push(Field { start: field, end: end.max(field), escaped: false });
                return Scan::Record { end, next, fault, quoted: any_quoted };
            }
            if at != field {
                continue;
            }
            any_quoted = true;
            let (mut from, mut escaped) = (at + 1, false);
            let close = loop {
                match memchr(QUOTE, &bytes[from..]).map(|offset| from + offset) {
                    None if !finished => return Scan::More,
                    None => {
                        let fault = Some(Fault::Unterminated { column: at - start + 1 });
                        return Scan::Record { end: bytes.len(), next: bytes.len(), fault, quoted: true };
                    }
                    Some(quote) => match bytes.get(quote + 1) {
                        None if !finished => return Scan::More,
                        Some(&QUOTE) => (from, escaped) = (quote + 2, true),
                        _ => break quote,
                    },
                }
            };
            self.marks.seek(close + 1);
            let inside = Field { start: at + 1, end: close, escaped };
            match bytes.get(close + 1) {
                Some(&next) if next == self.delimiter => {
                    self.marks.seek(close + 2);
                    self.fields.push(inside);
                    field = close + 2;
                }
                None => {
                    self.fields.push(inside);
                    return Scan::Record { end: bytes.len(), next: bytes.len(), fault, quoted: true };
                }
                Some(b'\r') if close + 2 == bytes.len() && !finished => return Scan::More,
                Some(b'\n' | b'\r') if self.ends_line(close + 1, bytes) => {
                    let at = if bytes[close + 1] == b'\r' && !self.carriage_returns && close + 2 < bytes.len() {
                        close + 2
                    } else {
                        close + 1
                    };
                    let Some((end, next)) = self.line_end(at, start, finished) else { return Scan::More };
                    self.fields.push(inside);
                    return Scan::Record { end, next, fault, quoted: true };
                }
                Some(_) => {
                    // Read on as if unquoted, to find where the row ends.
                    let line = self.line + self.count_lines(start..close + 1);
                    let before = &bytes[start..=close];
                    let column = before.len() - memchr::memrchr2(b'\n', b'\r', before).map_or(0, |end| end + 1) + 1;
                    fault = fault.or(Some(Fault::AfterQuote { line, column }));
                }
            }
        }
    }

    /// Whether a line ends at the byte after a closing quote.
    fn ends_line(&self, at: usize, bytes: &[u8]) -> bool {
        match bytes[at] {
            b'\n' => true,
            b'\r' => self.carriage_returns || bytes.get(at + 1).is_none_or(|next| *next == b'\n'),
            _ => false,
        }
    }

    /// The end of the line whose line-ending byte stands at a position, and the start of the next; `None` if the next
    /// byte has to be seen first.
    fn line_end(&self, at: usize, start: usize, finished: bool) -> Option<(usize, usize)> {
        let bytes = self.window.bytes();
        if bytes[at] == b'\r' {
            return match bytes.get(at + 1) {
                None if !finished => None,
                Some(b'\n') => Some((at, at + 2)),
                _ => Some((at, at + 1)),
            };
        }
        let after_return = !self.carriage_returns && at > start && bytes[at - 1] == b'\r';
        Some((at - usize::from(after_return), at + 1))
    }

    /// Line ends inside a stretch of bytes.
    fn count_lines(&self, range: Range<usize>) -> u64 {
        let bytes = &self.window.bytes()[range];
        let feeds = memchr_iter(b'\n', bytes).count();
        if !self.carriage_returns {
            return feeds as u64;
        }
        let pairs = memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) == Some(&b'\n')).count();
        (feeds + memchr_iter(b'\r', bytes).count() - pairs) as u64
    }

    /// Gives up a record but for its first line; the next record starts on the next line.
    fn first_line_alone(&mut self, fault: Fault) -> Result<Option<Record>> {
        let line = self.line;
        self.line += 1;
        loop {
            let start = self.window.start();
            let bytes = self.window.bytes();
            let ends = if self.carriage_returns {
                memchr::memchr2(b'\r', b'\n', &bytes[start..])
            } else {
                memchr(b'\n', &bytes[start..])
            };
            let Some(at) = ends.map(|offset| start + offset) else {
                // One endless line: its beginning is kept, the rest skipped.
                if self.window.is_finished() || self.window.pending() > LONGEST_ROW {
                    return self.skip_line(line, fault);
                }
                self.more()?;
                continue;
            };
            let finished = self.window.is_finished();
            let Some((end, next)) = self.line_end(at, start, finished) else {
                self.more()?;
                continue;
            };
            self.read_twice += self.window.pending();
            if self.read_twice > PATIENCE {
                return Err(Error::input("opening and closing quotes do not match over long stretches")
                    .at_line(line)
                    .hint("quote every field that contains quotes, and double the quotes inside"));
            }
            self.window.consume_to(next);
            self.marks.reset(next);
            return Ok(Some(Record { bytes: start..end, kept: None, line, fault: Some(fault) }));
        }
    }

    /// Hands over the beginning of a line whose end is not in sight, and skips the rest.
    fn skip_line(&mut self, line: u64, fault: Fault) -> Result<Option<Record>> {
        let start = self.window.start();
        let kept = start..self.window.bytes().len().min(start + KEPT_OF_LONG_ROW);
        let kept = Some(self.window.bytes()[kept].to_vec());
        loop {
            let start = self.window.start();
            let bytes = self.window.bytes();
            let ends = if self.carriage_returns {
                memchr::memchr2(b'\r', b'\n', &bytes[start..])
            } else {
                memchr(b'\n', &bytes[start..])
            };
            let used = ends.map_or(bytes.len(), |offset| start + offset + 1);
            self.window.consume_to(used);
            self.marks.reset(used);
            if ends.is_some() || self.window.is_finished() {
                return Ok(Some(Record { bytes: 0..0, kept, line, fault: Some(fault) }));
            }
            self.more()?;
        }
    }
}

/// The positions of structural bytes, sixty-four at a time.
struct Marks {
    wanted: [u8; 4],
    /// Where the next block starts; the mask is that of the block before.
    next_block: usize,
    mask: u64,
}

impl Marks {
    const fn new(wanted: [u8; 4]) -> Self {
        Self { wanted, next_block: 0, mask: 0 }
    }

    /// Starts over at a position.
    const fn reset(&mut self, position: usize) {
        self.next_block = position;
        self.mask = 0;
    }

    /// Skips forward to a position.
    #[inline]
    const fn seek(&mut self, position: usize) {
        if position >= self.next_block {
            self.reset(position);
        } else if position + BLOCK > self.next_block {
            self.mask &= u64::MAX << (position + BLOCK - self.next_block);
        }
    }

    /// The next structural position in the bytes.
    #[inline]
    fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        while self.mask == 0 {
            let rest = bytes.get(self.next_block..)?;
            match rest.first_chunk::<BLOCK>() {
                Some(block) => self.mask = self.find(block),
                None if rest.is_empty() => return None,
                None => {
                    let mut block = [0; BLOCK];
                    block[..rest.len()].copy_from_slice(rest);
                    // Zeros are never structural: a delimiter is one of four printable bytes or a tab.
                    self.mask = self.find(&block);
                }
            }
            self.next_block += BLOCK;
        }
        let at = self.next_block - BLOCK + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(at)
    }

    #[inline]
    fn find(&self, block: &[u8; BLOCK]) -> u64 {
        let [a, b, c, d] = self.wanted;
        let mut flags = [0_u8; BLOCK];
        #[expect(clippy::needless_bitwise_bool, reason = "without branches the loop becomes vector instructions")]
        for (flag, &byte) in flags.iter_mut().zip(block) {
            *flag = u8::from((byte == a) | (byte == b) | (byte == c) | (byte == d));
        }
        let mut mask = 0;
        for (index, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
            // The product moves the lowest bit of every byte into the highest byte, in order.
            let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            mask |= bits << (index * 8);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_find_every_structural_byte() {
        let bytes: Vec<u8> = (0..1000_u32).map(|i| b"abc,def\"gh\nij\r"[(i * i % 15) as usize]).collect();
        let mut marks = Marks::new([b',', b'"', b'\n', b'\r']);
        let mut found = Vec::new();
        while let Some(at) = marks.next(&bytes) {
            found.push(at);
        }
        let expected: Vec<usize> = (0..1000).filter(|at| b",\"\n\r".contains(&bytes[*at])).collect();
        assert_eq!(found, expected);
        marks.reset(0);
        marks.seek(70);
        assert_eq!(marks.next(&bytes), expected.iter().copied().find(|at| *at >= 70));
    }
}
