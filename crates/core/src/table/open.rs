//! Opening a table: path or standard input, compression and format recognised from the content.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, bounded};

use super::Format;
use crate::error::{Error, Result};

/// How much of a stream is looked at to recognise it.
const LOOK: usize = 64 << 10;

/// A table that has been recognised and not yet parsed.
pub(super) struct Opened {
    /// What to call the source in messages.
    pub(super) name: PathBuf,
    pub(super) content: Recognised,
}

pub(super) enum Recognised {
    /// Delimited text.
    Delimited {
        stream: Box<dyn Read + Send>,
        delimiter: u8,
        /// Whether lone carriage returns end lines.
        carriage_returns: bool,
        format: Format,
    },
    /// One JSON object per line.
    Lines { stream: Box<dyn Read + Send> },
    /// A Parquet file, which needs random access.
    Parquet { file: File },
}

/// Opens a path, or standard input for `-`.
pub(super) fn open(path: &Path, format: Option<Format>) -> Result<Opened> {
    let standard_input = path == Path::new("-");
    let name = if standard_input { PathBuf::from("standard input") } else { path.to_path_buf() };
    let stream: Box<dyn Read + Send> = if standard_input {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| io_error("could not open the file", error, &name))?)
    };
    let format = format.or_else(|| Format::of_name(&path.to_string_lossy()));
    let content = recognise(stream, format, &name, !standard_input).map_err(|error| error.in_file(&name))?;
    Ok(Opened { name, content })
}

/// A stream of text that is not a table: uncompressed, its byte order mark removed, with its first bytes.
pub(crate) struct OpenedText {
    /// What to call the source in messages.
    pub(crate) name: PathBuf,
    /// The first bytes, up to 64 KB.
    pub(crate) head: Vec<u8>,
    /// All bytes, those of the head among them.
    pub(crate) stream: Box<dyn Read + Send>,
    /// Whether a byte order mark stood at the beginning.
    pub(crate) marked: bool,
}

/// Opens a text file, or standard input for `-`, and undoes gzip or zstd. An empty file is no error here.
pub(crate) fn open_text(path: &Path) -> Result<OpenedText> {
    let standard_input = path == Path::new("-");
    let name = if standard_input { PathBuf::from("standard input") } else { path.to_path_buf() };
    let stream: Box<dyn Read + Send> = if standard_input {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| io_error("could not open the file", error, &name))?)
    };
    let read = |error| io_error("could not read", error, &name);
    let (prefix, stream) = peek(stream).map_err(read)?;
    let (compressed, stream) = decompressor(&prefix, stream).map_err(read)?;
    let (mut head, mut stream) = if compressed { peek(read_ahead(stream)).map_err(read)? } else { (prefix, stream) };
    refuse_foreign(&head).and_then(|()| refuse_wide(&head)).map_err(|error| error.in_file(&name))?;
    let marked = head.starts_with(b"\xEF\xBB\xBF");
    if marked {
        stream.read_exact(&mut [0; 3]).map_err(read)?;
        head.drain(..3);
    }
    Ok(OpenedText { name, head, stream, marked })
}

fn recognise(stream: Box<dyn Read + Send>, format: Option<Format>, name: &Path, is_file: bool) -> Result<Recognised> {
    let read = |error| io_error("could not read", error, name);
    let (prefix, stream) = peek(stream).map_err(read)?;
    let (compressed, stream) = decompressor(&prefix, stream).map_err(read)?;
    let (prefix, stream) = if compressed { peek(read_ahead(stream)).map_err(read)? } else { (prefix, stream) };
    if prefix.is_empty() {
        return Err(Error::input("the file is empty").hint("a table starts with a line of column names"));
    }
    refuse_foreign(&prefix)?;
    if prefix.starts_with(b"PAR1") {
        let file = if is_file && !compressed { File::open(name) } else { spill(stream) };
        return Ok(Recognised::Parquet { file: file.map_err(read)? });
    }
    if format == Some(Format::Parquet) {
        return Err(Error::input("expected a Parquet file, found other content").hint("is the file name right?"));
    }
    refuse_wide(&prefix)?;
    let (text, stream): (&[u8], Box<dyn Read + Send>) = match prefix.strip_prefix(b"\xEF\xBB\xBF") {
        Some(text) => {
            let mut stream = stream;
            stream.read_exact(&mut [0; 3]).map_err(read)?;
            (text, stream)
        }
        None => (&prefix, stream),
    };
    let Some(first) = text.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return Err(
            Error::input("expected a table, found blank lines").hint("a table starts with a line of column names")
        );
    };
    let looks_like_json = *first == b'{' && first_line_is_object(text);
    match format {
        Some(Format::Jsonl) => {}
        None | Some(Format::Csv) if looks_like_json => {}
        None if *first == b'[' => return Err(json_array()),
        _ => {
            let (delimiter, format) = match format {
                Some(Format::Tsv) => (b'\t', Format::Tsv),
                _ => match guess_delimiter(text) {
                    b'\t' => (b'\t', Format::Tsv),
                    other => (other, Format::Csv),
                },
            };
            let carriage_returns = lone_carriage_returns(text);
            return Ok(Recognised::Delimited { stream, delimiter, carriage_returns, format });
        }
    }
    if *first == b'[' {
        return Err(json_array());
    }
    Ok(Recognised::Lines { stream })
}

fn json_array() -> Error {
    Error::input("expected one JSON object per line, found a list").hint("convert it: jq -c '.[]' FILE > FILE.jsonl")
}

fn io_error(message: &str, error: io::Error, name: &Path) -> Error {
    let message = format!("{message}: {error}");
    Error::io(message, error).in_file(name)
}

/// The first bytes of a stream, and the stream as if they had not been read.
fn peek(mut stream: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut prefix = Vec::new();
    (&mut stream).take(LOOK as u64).read_to_end(&mut prefix)?;
    let stream = Box::new(Cursor::new(prefix.clone()).chain(stream));
    Ok((prefix, stream))
}

/// Wraps a compressed stream in its decompressor; the flag says whether it was compressed.
fn decompressor(prefix: &[u8], stream: Box<dyn Read + Send>) -> io::Result<(bool, Box<dyn Read + Send>)> {
    Ok(if prefix.starts_with(&[0x1F, 0x8B]) {
        (true, Box::new(flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(LOOK, stream))))
    } else if prefix.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        (true, Box::new(zstd::Decoder::new(stream)?))
    } else {
        (false, stream)
    })
}

/// Names what is certainly not a table.
fn refuse_foreign(prefix: &[u8]) -> Result<()> {
    let foreign: [(&[u8], &str, &str); 6] = [
        (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "unpack it, or save the sheet as CSV (UTF-8)"),
        (b"\xD0\xCF\x11\xE0", "an old Excel workbook", "save the sheet as CSV (UTF-8)"),
        (b"BZh", "a bzip2 file", "unpack it, or compress it with gzip or zstd"),
        (b"\xFD7zXZ", "an xz file", "unpack it, or compress it with gzip or zstd"),
        (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
        (b"ARROW1", "an Arrow IPC file", "write it as Parquet"),
    ];
    match foreign.iter().find(|(magic, ..)| prefix.starts_with(magic)) {
        Some((_, found, hint)) => {
            Err(Error::input(format!("expected a table or annotated text, found {found}")).hint(*hint))
        }
        None => Ok(()),
    }
}

/// Refuses UTF-16 and UTF-32, with or without their mark, by name.
fn refuse_wide(prefix: &[u8]) -> Result<()> {
    let sample = &prefix[..prefix.len().min(64) & !1];
    let zeros = |from: usize| sample.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count() * 4 > sample.len();
    let encoding = if prefix.starts_with(&[0xFF, 0xFE, 0, 0]) || prefix.starts_with(&[0, 0, 0xFE, 0xFF]) {
        "UTF-32"
    } else if prefix.starts_with(&[0xFF, 0xFE]) {
        "UTF-16LE"
    } else if prefix.starts_with(&[0xFE, 0xFF]) {
        "UTF-16BE"
    } else if sample.len() >= 8 && zeros(1) && !zeros(0) {
        "UTF-16LE"
    } else if sample.len() >= 8 && zeros(0) && !zeros(1) {
        "UTF-16BE"
    } else {
        return Ok(());
    };
    Err(Error::input(format!("expected UTF-8, found {encoding}"))
        .hint(format!("convert it: iconv -f {encoding} -t UTF-8 FILE > FILE.utf8")))
}

fn first_line_is_object(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    match memchr::memchr(b'\n', text) {
        Some(end) => serde_json::from_slice::<serde::de::IgnoredAny>(text[..end].trim_ascii_end()).is_ok(),
        // A single line, perhaps longer than what is looked at.
        None => text[1..].trim_ascii_start().starts_with(b"\"") || text[1..].trim_ascii_start().starts_with(b"}"),
    }
}

/// The delimiter under which the first rows agree best on their number of fields, comma first.
fn guess_delimiter(text: &[u8]) -> u8 {
    let mut best = (b',', 0);
    for delimiter in *b",\t;|" {
        let counts = field_counts(text, delimiter, 20);
        let Some((&header, rows)) = counts.split_first() else { continue };
        if header < 2 {
            continue;
        }
        let agreeing = rows.iter().filter(|count| **count == header).count();
        // A comma in the header that separates nothing below loses against a delimiter that fits every row.
        let score = 1 + agreeing * 1000 / rows.len().max(1);
        if score > best.1 {
            best = (delimiter, score);
        }
    }
    best.0
}

/// The number of fields of the first complete rows, quotes respected.
fn field_counts(text: &[u8], delimiter: u8, most: usize) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut fields, mut quoted, mut blank) = (1, false, true);
    let mut before = b'\n';
    for &byte in text {
        if quoted {
            quoted = byte != b'"';
        } else if byte == b'"' {
            // A quote opens a field at its start; right after a closing quote it is the second half of an escaped one.
            quoted = before == delimiter || before == b'\n' || before == b'\r' || before == b'"';
            blank = false;
        } else if byte == b'\n' || byte == b'\r' {
            if !blank {
                counts.push(fields);
            }
            (fields, blank) = (1, true);
            if counts.len() == most {
                return counts;
            }
        } else {
            blank = false;
            fields += usize::from(byte == delimiter);
        }
        before = byte;
    }
    if !blank && text.len() < LOOK / 2 {
        counts.push(fields);
    }
    counts
}

/// Whether the first line outside quotes ends in a carriage return that no line feed follows.
fn lone_carriage_returns(text: &[u8]) -> bool {
    let mut quoted = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return false,
            b'\r' if !quoted => return text.get(at + 1).is_some_and(|next| *next != b'\n'),
            _ => {}
        }
    }
    false
}

/// Copies a stream to an unnamed temporary file, because Parquet is read from its end.
fn spill(mut stream: Box<dyn Read + Send>) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut stream, &mut file)?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

/// Reads a stream on a thread of its own, a few blocks ahead, so that decompression and parsing overlap. The bytes and
/// their order are those of the stream.
fn read_ahead(mut stream: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    const BLOCK: usize = 256 << 10;
    let (send, receive) = bounded::<io::Result<Vec<u8>>>(4);
    std::thread::spawn(move || {
        loop {
            let mut block = Vec::with_capacity(BLOCK);
            let outcome = (&mut stream).take(BLOCK as u64).read_to_end(&mut block);
            let last = block.is_empty();
            // The receiver is gone when the reader was dropped early.
            if !last && send.send(Ok(block)).is_err() {
                return;
            }
            if let Err(error) = outcome {
                let _ = send.send(Err(error));
                return;
            }
            if last {
                return;
            }
        }
    });
    Box::new(Ahead { receive, block: Cursor::new(Vec::new()) })
}

struct Ahead {
    receive: Receiver<io::Result<Vec<u8>>>,
    block: Cursor<Vec<u8>>,
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.block.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            match self.receive.recv() {
                Ok(block) => self.block = Cursor::new(block?),
                Err(_) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_guessed_from_the_rows() {
        let cases: [(&str, u8); 8] = [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n", b';'),
            ("a\tb\n1, and\t2\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("text\nhello; you\n", b','),
            ("\"a;b\",c\n\"x;\"\"y\",2\n", b','),
            ("id,text;more\n1,a\n2,b\n", b','),
            ("", b','),
        ];
        for (text, delimiter) in cases {
            assert_eq!(guess_delimiter(text.as_bytes()) as char, delimiter as char, "{text:?}");
        }
    }
}
