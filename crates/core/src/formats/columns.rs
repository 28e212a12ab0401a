//! Sentences of a file with a token per line and columns.

use std::path::Path;

use serde::Serialize;

use super::lines::Lines;
use crate::error::{Error, Result};
use crate::table::open::{OpenedText, open_text};
use crate::text::{Scheme, detect, read_tags};

/// The first field of the line that stands between documents.
pub(super) const DOCUMENT_MARK: &str = "-DOCSTART-";

/// Which column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    /// By its number, counted from 1.
    Number(usize),
    /// The last one.
    #[default]
    Last,
}

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// Whether tabs separate the columns; else any run of blanks and tabs does.
    pub tabs: bool,
    /// How many columns every line has.
    pub columns: usize,
    /// Whether the first column counts the tokens of each sentence.
    pub counted: bool,
    /// The column of the token, from 0.
    pub word: usize,
    /// The column of the tag, from 0; the same as `word` where there is only one column.
    pub tag: usize,
}

/// One sentence: a row for each token, with all its columns.
#[derive(Clone, Debug, Default)]
pub struct ColumnSentence {
    /// How many marks between documents came before; 0 if none has come yet.
    pub document: u64,
    /// What stood in comments before it: name and value.
    pub comments: Vec<(String, String)>,
    columns: usize,
    text: String,
    /// Where each cell lies in the text, row by row.
    cells: Vec<(u32, u32)>,
    lines: Vec<u64>,
}

impl ColumnSentence {
    /// How many tokens it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line of a token in the file, counted from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// The cell of a token in a column, counted from 0.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        let (start, end) = self.cells[row * self.columns + column];
        &self.text[start as usize..end as usize]
    }

    /// All cells of a column.
    pub fn column(&self, column: usize) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(move |row| self.cell(row, column))
    }

    fn clear(&mut self) {
        self.comments.clear();
        self.text.clear();
        self.cells.clear();
        self.lines.clear();
    }

    /// Adds the cells of a line, between tabs or between runs of blanks; says how many there were.
    fn push(&mut self, cells: &str, tabs: bool, line: u64) -> Result<usize, String> {
        let (before, start) = (self.cells.len(), self.text.len());
        if u32::try_from(start + cells.len()).is_err() {
            return Err("expected sentences of at most 4 GB, found a longer one".to_owned());
        }
        self.text.push_str(cells);
        let (mut begin, mut open) = (start as u32, tabs);
        for (at, byte) in cells.bytes().enumerate() {
            let at = (start + at) as u32;
            let parts = if tabs { byte == b'\t' } else { byte.is_ascii_whitespace() };
            if parts && open {
                self.cells.push((begin, at));
                open = tabs;
                begin = at + 1;
            } else if !parts && !open {
                open = true;
                begin = at;
            }
        }
        if open {
            self.cells.push((begin, self.text.len() as u32));
        }
        self.lines.push(line);
        Ok(self.cells.len() - before)
    }
}

/// A stream of sentences out of a file or standard input.
///
/// If any line has a tab, columns are split at tabs alone, else at any run of blanks. Every line must have as many
/// columns as the first: a missing one would silently turn another into the tag.
pub struct ColumnsReader {
    lines: Lines,
    layout: Layout,
    document: u64,
    pending: Vec<(String, String)>,
    scheme: Option<Scheme>,
    /// Whether a byte order mark stood at the beginning.
    pub(super) marked: bool,
}

impl ColumnsReader {
    /// Opens a file, or standard input for `-`. `word` is the column of the token, by default the first, or the second
    /// where the first counts them.
    pub fn open(path: impl AsRef<Path>, word: Option<usize>, tag: Column) -> Result<Self> {
        Self::new(open_text(path.as_ref())?, word, tag)
    }

    pub(super) fn new(opened: OpenedText, word: Option<usize>, tag: Column) -> Result<Self> {
        let layout = Layout::of(&opened.head, word, tag).map_err(|error| error.in_file(&opened.name))?;
        let marked = opened.marked;
        let tags = head_tags(&opened.head, layout);
        let plain = layout.tag == layout.word || are_plain(tags.iter().flatten().copied());
        let scheme = (!plain).then(|| likely_scheme(&tags));
        Ok(Self { lines: Lines::new(opened), layout, document: 0, pending: Vec::new(), scheme, marked })
    }

    /// How the file is laid out.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The scheme of the tags, judged by the first 64 KB; `None` if they are plain, one for every token, rather than a
    /// way to write spans.
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// What to call the file in messages.
    pub fn name(&self) -> &Path {
        self.lines.name()
    }

    /// How many lines so far ended in CRLF.
    pub(super) const fn carriage_returns(&self) -> u64 {
        self.lines.carriage_returns
    }

    /// Reads the next sentence in place of the last; `false` at the end of the file.
    ///
    /// # Errors
    /// A line has another number of columns than the first, an empty token, or bytes that are not UTF-8.
    pub fn next_sentence(&mut self, sentence: &mut ColumnSentence) -> Result<bool> {
        sentence.clear();
        sentence.columns = self.layout.columns;
        loop {
            let number = self.lines.number() + 1;
            let Some(line) = self.lines.next_text()? else { break };
            // Trailing blanks are no column, so that a missing last column is seen.
            let line = without_trailing_blanks(line);
            if line.is_empty() {
                if !sentence.is_empty() {
                    break;
                }
                continue;
            }
            if let Some((name, value)) = comment(line, self.layout.tabs) {
                if name == "newdoc" || name == "newdoc id" {
                    self.document += 1;
                }
                self.pending.push((name.to_owned(), value.to_owned()));
                continue;
            }
            if line.trim_ascii_start().starts_with(DOCUMENT_MARK)
                && first_field(line, self.layout.tabs) == DOCUMENT_MARK
            {
                self.document += 1;
                self.pending.clear();
                if !sentence.is_empty() {
                    break;
                }
                continue;
            }
            if sentence.is_empty() {
                sentence.document = self.document;
                sentence.comments.append(&mut self.pending);
            }
            let found = match sentence.push(line, self.layout.tabs, number) {
                Ok(found) => found,
                Err(message) => return Err(self.lines.error(message)),
            };
            if found != self.layout.columns {
                let error = self.lines.error(format!("expected {} columns, found {found}", self.layout.columns));
                return Err(error.hint(if self.layout.tabs {
                    "columns are separated by tabs, and every line has as many as the first"
                } else {
                    "every line has as many columns as the first; tokens with blanks in them need tabs between columns"
                }));
            }
            if sentence.cell(sentence.len() - 1, self.layout.word).is_empty() {
                return Err(self.lines.error("expected a token, found an empty column"));
            }
        }
        Ok(!sentence.is_empty())
    }
}

fn without_trailing_blanks(line: &str) -> &str {
    let end = line.bytes().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r')).map_or(0, |last| last + 1);
    &line[..end]
}

fn first_field(line: &str, tabs: bool) -> &str {
    if tabs { line.split('\t').next() } else { line.split_ascii_whitespace().next() }.unwrap_or("")
}

/// Name and value of a comment. Where blanks separate columns, only `# name = value` is one: `# O` is a token.
fn comment(line: &str, tabs: bool) -> Option<(&str, &str)> {
    let rest = line.strip_prefix('#')?;
    let parts = rest.split_once('=').map(|(name, value)| (name.trim(), value.strip_prefix(' ').unwrap_or(value)));
    if tabs {
        return (!line.contains('\t')).then(|| parts.unwrap_or((rest.trim(), "")));
    }
    let named = |name: &str| !name.is_empty() && name.split(' ').count() <= 2;
    if let Some((name, value)) = parts
        && rest.starts_with(' ')
        && rest.contains(" = ")
        && named(name)
    {
        return Some((name, value));
    }
    matches!(rest.trim(), "newdoc" | "newpar").then(|| (rest.trim(), ""))
}

impl Layout {
    /// The layout of a file by its first bytes.
    fn of(head: &[u8], word: Option<usize>, tag: Column) -> Result<Self> {
        let lines = head_lines(head);
        let tabs = lines.iter().any(|line| line.contains('\t'));
        let is_token =
            |line: &&str| !line.is_empty() && comment(line, tabs).is_none() && first_field(line, tabs) != DOCUMENT_MARK;
        let count = |line: &str| if tabs { line.split('\t').count() } else { line.split_ascii_whitespace().count() };
        let columns = lines.iter().copied().find(|line| is_token(line)).map_or(1, count);
        let counted = columns >= 3 && counts(&lines, tabs);
        let word = match word {
            Some(0) => return Err(Error::task("expected columns counted from 1, found 0")),
            Some(number) => number - 1,
            None => usize::from(counted),
        };
        let tag = match tag {
            Column::Number(0) => return Err(Error::task("expected columns counted from 1, found 0")),
            Column::Number(number) => number - 1,
            Column::Last => columns - 1,
        };
        if let Some(missing) = [word, tag].into_iter().find(|column| *column >= columns) {
            return Err(Error::input(format!("expected a column {}, found {columns} columns", missing + 1))
                .hint("columns are counted from 1"));
        }
        Ok(Self { tabs, columns, counted, word, tag })
    }
}

/// The complete lines among the first bytes, without trailing blanks.
fn head_lines(head: &[u8]) -> Vec<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or(""),
    };
    let mut lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches([' ', '\t', '\r'])).collect();
    if lines.len() > 1 {
        lines.pop();
    }
    lines
}

/// Whether the first column counts tokens from 0 or 1, anew in each sentence.
fn counts(lines: &[&str], tabs: bool) -> bool {
    let mut expected: Option<u64> = None;
    let mut seen = 0;
    for line in lines {
        if line.is_empty() {
            expected = None;
            continue;
        }
        if comment(line, tabs).is_some() || first_field(line, tabs) == DOCUMENT_MARK {
            continue;
        }
        let Ok(number) = first_field(line, tabs).parse::<u64>() else { return false };
        if expected.map_or(number > 1, |expected| number != expected) {
            return false;
        }
        expected = Some(number + 1);
        seen += 1;
    }
    seen >= 2
}

/// The tags of the first bytes, for recognising their scheme.
fn head_tags(head: &[u8], layout: Layout) -> Vec<Vec<&str>> {
    let mut sentences = vec![Vec::new()];
    for line in head_lines(head) {
        if line.is_empty() {
            sentences.push(Vec::new());
        } else if comment(line, layout.tabs).is_none() && first_field(line, layout.tabs) != DOCUMENT_MARK {
            let cell = if layout.tabs {
                line.split('\t').nth(layout.tag)
            } else {
                line.split_ascii_whitespace().nth(layout.tag)
            };
            let sentence = sentences.last_mut().expect("there is always a sentence");
            sentence.extend(cell);
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// The scheme of tags, some of which may be broken.
fn likely_scheme(sentences: &[Vec<&str>]) -> Scheme {
    let broken = |scheme| sentences.iter().map(|tags| read_tags(tags, scheme).repairs.len()).sum::<usize>();
    match detect(sentences) {
        // The first sentences of an IOB1 file seldom have spans that touch; nothing but `B-` tells the two apart.
        Scheme::Io => Scheme::Iob1,
        // One misplaced `B-` does not make a file of spans that begin with `I-` a BIO file.
        Scheme::Bio if broken(Scheme::Iob1) < broken(Scheme::Bio) => Scheme::Iob1,
        scheme => scheme,
    }
}

/// Whether tags are plain, one for every token, rather than a way to write spans: none is `O` or has a scheme's head.
fn are_plain<'t>(tags: impl IntoIterator<Item = &'t str>) -> bool {
    let mut any = false;
    for tag in tags {
        let bytes = tag.as_bytes();
        let headed = bytes.len() > 2
            && matches!(bytes[0], b'B' | b'I' | b'L' | b'U' | b'E' | b'S')
            && matches!(bytes[1], b'-' | b'_');
        if headed || matches!(tag, "O" | "B" | "I") {
            return false;
        }
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> Layout {
        Layout::of(text.as_bytes(), None, Column::Last).unwrap()
    }

    #[test]
    fn layouts_are_recognised() {
        let conll = layout("-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n");
        assert_eq!(conll, Layout { tabs: false, columns: 4, counted: false, word: 0, tag: 3 });
        let counted = layout("0\tOn\tO\n1\tthis\tO\n\n0\tHer\tO\n");
        assert_eq!(counted, Layout { tabs: true, columns: 3, counted: true, word: 1, tag: 2 });
        let numbers = layout("7\tCD\tO\n8\tCD\tO\n");
        assert!(!numbers.counted);
        assert!(layout("New York\tB-LOC\n").tabs);
        assert!(!layout("# O\nyes O\n").tabs);
        assert_eq!(layout("# id = 7\nyes O\n").columns, 2);
        assert!(Layout::of(b"a b\n", None, Column::Number(5)).is_err());
        assert!(Layout::of(b"a b\n", Some(0), Column::Last).is_err());
    }

    #[test]
    fn plain_tags_are_told_from_spans() {
        assert!(are_plain(["HI", "EN", "IN", "EU"]));
        assert!(!are_plain(["O", "O"]));
        assert!(!are_plain(["I-PER"]));
        assert!(!are_plain([]));
    }
}
