//! Documents out of CoNLL-U, whole or reduced to form, UPOS, XPOS and SpaceAfter.

use std::fmt::Write as _;

use super::build::{Builder, Names};
use super::columns::{Column, ColumnSentence, ColumnsReader, Layout};
use super::reader::{ReadDocuments, ReadReport, add_meta};
use super::remarks::RemarkKind;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::table::open::OpenedText;
use crate::task::Name;
use crate::text::Scheme;

/// The columns of CoNLL-U that become layers, with their names.
const FULL: [(usize, &str); 7] =
    [(2, "lemma"), (3, "upos"), (4, "xpos"), (5, "feats"), (6, "head"), (7, "deprel"), (8, "deps")];
/// Those of the reduced form.
const REDUCED: [(usize, &str); 2] = [(1, "upos"), (2, "xpos")];
/// The keys under which tags of named entities stand in MISC.
const TAG_KEYS: [&str; 3] = ["NER", "ner", "NE"];
/// The keys of MISC that tell of spaces.
const SPACE_KEYS: [&str; 3] = ["SpaceAfter", "SpacesAfter", "SpacesBefore"];
/// The most keys of MISC that become layers of a document.
const MOST_KEYS: usize = 32;

pub(super) struct Conllu {
    sentences: ColumnsReader,
    ahead: ColumnSentence,
    is_ahead: bool,
    full: bool,
    names: Names,
    layers: Vec<(usize, Name)>,
}

impl Conllu {
    pub(super) fn new(opened: OpenedText, report: &mut ReadReport) -> Result<Self> {
        let mut sentences = ColumnsReader::new(opened, Some(1), Column::Last)?;
        let layout = sentences.layout();
        let full = match layout {
            Layout { tabs: true, columns: 10, .. } => true,
            Layout { tabs: true, columns: 4, .. } => false,
            other => {
                return Err(Error::input(format!(
                    "expected 10 columns of CoNLL-U, or the 4 of its reduced form, between tabs, found {} columns",
                    other.columns
                ))
                .in_file(sentences.name())
                .hint("other files with a token per line are read with the format conll"));
            }
        };
        let layers = if full { FULL.as_slice() } else { REDUCED.as_slice() };
        let layers = layers.iter().map(|(column, name)| (*column, Name::from(*name))).collect();
        report.layout = Some(layout);
        let mut ahead = ColumnSentence::default();
        let is_ahead = sentences.next_sentence(&mut ahead)?;
        if sentences.marked {
            report.remarks.add(RemarkKind::ByteOrderMark, "", 1, String::new);
        }
        Ok(Self { sentences, ahead, is_ahead, full, names: Names::default(), layers })
    }

    /// The rows of the sentence that stand for tokens, the word of each, and the row that tells the space behind it.
    fn tokens(&self, report: &mut ReadReport, name: &str) -> Result<Vec<(usize, usize, bool)>> {
        let sentence = &self.ahead;
        if !self.full {
            return Ok((0..sentence.len()).map(|row| (row, row, true)).collect());
        }
        let mut tokens: Vec<(usize, usize, bool)> = Vec::with_capacity(sentence.len());
        let mut row = 0;
        while row < sentence.len() {
            let id = sentence.cell(row, 0);
            if id.contains('.') {
                report.remarks.add(RemarkKind::EmptyNode, name, sentence.line(row), || id.to_owned());
                row += 1;
                continue;
            }
            let Some((first, last)) = id.split_once('-') else {
                if id.parse::<u32>().is_err() {
                    return Err(self.error(row, format!("expected a token's number in the first column, found `{id}`")));
                }
                tokens.push((row, row, true));
                row += 1;
                continue;
            };
            let count = match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) if first <= last && last - first < sentence.len() => last - first + 1,
                _ => return Err(self.error(row, format!("expected a range of tokens such as 3-4, found `{id}`"))),
            };
            let parts: Vec<usize> =
                (row + 1..sentence.len()).filter(|&part| !sentence.cell(part, 0).contains('.')).take(count).collect();
            if parts.len() < count {
                return Err(self.error(row, format!("expected {count} words after `{id}`, found {}", parts.len())));
            }
            let surface = sentence.cell(row, 1);
            let joined: String = parts.iter().map(|&part| sentence.cell(part, 1)).collect();
            if joined == surface {
                // The space behind the whole stands behind its last part.
                tokens.extend(parts.iter().enumerate().map(|(place, &part)| {
                    let is_last = place + 1 == parts.len();
                    (part, if is_last { row } else { part }, is_last)
                }));
            } else {
                report
                    .remarks
                    .add(RemarkKind::JoinedWords, name, sentence.line(row), || format!("{surface} = {joined}"));
                tokens.push((row, row, true));
            }
            row = parts.last().copied().unwrap_or(row) + 1;
        }
        Ok(tokens)
    }

    /// Further keys of MISC, such as `Lang=fr`, are layers of their own.
    fn misc_layers(&mut self, builder: &mut Builder, tokens: &[(usize, usize, bool)], misc: usize) {
        let mut keys: Vec<&str> = Vec::new();
        for &(row, ..) in tokens {
            for (key, _) in self.ahead.cell(row, misc).split('|').filter_map(|note| note.split_once('=')) {
                let is_other = !TAG_KEYS.contains(&key) && !SPACE_KEYS.contains(&key);
                let is_column = FULL.iter().any(|(_, name)| *name == key);
                if is_other && !is_column && keys.len() < MOST_KEYS && !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        for key in keys {
            let values: Vec<String> = tokens
                .iter()
                .map(|&(row, ..)| note(self.ahead.cell(row, misc), key).map_or_else(|| "_".to_owned(), unescape))
                .collect();
            let name = self.names.get(key);
            builder.layer(&name, values.iter().map(String::as_str), &mut self.names);
        }
    }

    fn error(&self, row: usize, message: String) -> Error {
        Error::input(message).in_file(self.sentences.name()).at_line(self.ahead.line(row))
    }

    /// Adds a sentence. Says whether any space was stated letter by letter, and whether the one behind it was not.
    fn add(&mut self, builder: &mut Builder, report: &mut ReadReport, name: &str) -> Result<(bool, bool)> {
        let tokens = self.tokens(report, name)?;
        let misc = self.sentences.layout().columns - 1;
        let word = usize::from(self.full);
        let (mut spaced, mut assumed) = (false, false);
        for (place, &(row, spacing, is_whole)) in tokens.iter().enumerate() {
            let notes = self.ahead.cell(spacing, misc);
            if let Some(space) = note(notes, "SpacesBefore") {
                builder.space(&unescape(space));
                spaced = true;
            }
            builder.token(self.ahead.cell(row, word)).map_err(|message| self.error(row, message))?;
            assumed = false;
            if let Some(space) = note(notes, "SpacesAfter") {
                builder.space(&unescape(space));
                spaced = true;
            } else if is_whole && note(notes, "SpaceAfter") != Some("No") {
                // The last token of a sentence is followed by a line break, unless it says otherwise.
                builder.space(if place + 1 == tokens.len() { "\n" } else { " " });
                assumed = true;
            }
        }
        let tags: Vec<String> = tokens
            .iter()
            .map(|&(row, ..)| {
                let notes = self.ahead.cell(row, misc);
                TAG_KEYS.iter().find_map(|key| note(notes, key)).map_or("O".to_owned(), unescape)
            })
            .collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        for repair in builder.tags(&tags, Scheme::Bio, &mut self.names) {
            let line = self.ahead.line(tokens[repair.token].0);
            report.remarks.add(RemarkKind::BrokenTag, name, line, || format!("`{}`: {}", repair.tag, repair.what));
        }
        for (column, layer) in &self.layers {
            let tags = tokens.iter().map(|&(row, ..)| self.ahead.cell(row, *column));
            builder.layer(layer, tags, &mut self.names);
        }
        self.misc_layers(builder, &tokens, misc);
        builder.end_sentence();
        Ok((spaced, assumed))
    }
}

impl ReadDocuments for Conllu {
    fn next(&mut self, report: &mut ReadReport) -> Result<Option<Document>> {
        if !self.is_ahead {
            return Ok(None);
        }
        let mut builder = Builder::default();
        let mark = self.ahead.document;
        let line = self.ahead.line(0);
        let number = (report.documents + 1).to_string();
        let (mut stated, mut spaced, mut assumed) = (None, false, false);
        while self.is_ahead && self.ahead.document == mark {
            if mark == 0 && !builder.is_empty() {
                break;
            }
            for (name, value) in std::mem::take(&mut self.ahead.comments) {
                match name.as_str() {
                    "newdoc id" | "id" => builder.document.id = value.into(),
                    "sent_id" if mark == 0 => builder.document.id = value.into(),
                    "text" => stated = Some(value),
                    "newdoc" => {}
                    _ => add_meta(&mut builder.document.meta, name, value),
                }
            }
            let (states, assumes) = self.add(&mut builder, report, &number)?;
            (spaced, assumed) = (spaced | states, assumes);
            report.sentences += 1;
            self.is_ahead = self.sentences.next_sentence(&mut self.ahead)?;
        }
        // The break after the last sentence is a guess, and no part of the text.
        if assumed {
            builder.document.text.pop();
        }
        let one = builder.document.sentences.len() == 1;
        if one
            && let Some(stated) = stated.filter(|stated| *stated != builder.document.text)
            && !spaced
            && !builder.place_on(&stated)
        {
            report.remarks.add(RemarkKind::TextDiffers, &number, line, || format!("{stated:?}"));
        }
        let mut document = builder.finish(&mut self.names);
        // A column of nothing but `_` says nothing.
        document.layers.retain(|layer| layer.tags.iter().any(|tag| &**tag != "_"));
        report.line = line;
        Ok(Some(document))
    }
}

/// The value of a key in MISC.
fn note<'n>(notes: &'n str, key: &str) -> Option<&'n str> {
    notes.split('|').find_map(|note| note.strip_prefix(key)?.strip_prefix('='))
}

/// White space as written in MISC: `\s`, `\t`, `\n`, `\r`, `\p` for a bar, `\\`, and anything else by its code point in
/// `\u{...}`.
pub(super) fn escape(space: &str) -> String {
    let mut out = String::new();
    for character in space.chars() {
        match character {
            ' ' => out.push_str("\\s"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '|' => out.push_str("\\p"),
            '\\' => out.push_str("\\\\"),
            other if other.is_whitespace() || other.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", other as u32);
            }
            other => out.push(other),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let known = match tail.chars().next() {
            Some('s') => Some((' ', 1)),
            Some('t') => Some(('\t', 1)),
            Some('n') => Some(('\n', 1)),
            Some('r') => Some(('\r', 1)),
            Some('p') => Some(('|', 1)),
            Some('\\') => Some(('\\', 1)),
            Some('u') => tail[1..]
                .strip_prefix('{')
                .and_then(|code| code.split_once('}'))
                .and_then(|(code, _)| Some((char::from_u32(u32::from_str_radix(code, 16).ok()?)?, code.len() + 3))),
            _ => None,
        };
        if let Some((character, length)) = known {
            out.push(character);
            rest = &tail[length..];
        } else {
            out.push('\\');
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_written_and_read() {
        for space in ["", " ", "\t\r\n", "\u{a0}|\\ \\s", "a\u{2028}b"] {
            let escaped = escape(space);
            assert!(!escaped.contains([' ', '\t', '\n', '\r', '|']), "{escaped}");
            assert_eq!(unescape(&escaped), space);
        }
        assert_eq!(unescape("\\q\\u{zz}\\"), "\\q\\u{zz}\\");
    }
}
