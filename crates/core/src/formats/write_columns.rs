//! Files with a token per line.

use std::fmt::Write as _;

use super::columns::DOCUMENT_MARK;
use super::conll::TEXT_JSON;
use super::conllu::escape;
use super::remarks::RemarkKind;
use super::writer::{Out, WriteDocument, write_heads_within};
use crate::document::{Document, Layer};
use crate::error::Result;
use crate::table::whole::WholeFile;
use crate::task::Name;
use crate::text::Scheme;

/// CoNLL: token, layers, tag, between tabs.
pub(super) struct ConllFile {
    file: WholeFile,
    /// The layers that have a column: those of the first document.
    layers: Option<Vec<Name>>,
    /// Whether documents are marked, as they must be from the first one of several sentences on.
    marked: bool,
    text: String,
    /// Per token the head of its tag and the number of its span.
    heads: Vec<(u8, usize)>,
}

impl ConllFile {
    pub(super) fn new(file: WholeFile) -> Self {
        Self { file, layers: None, marked: false, text: String::new(), heads: Vec::new() }
    }
}

impl WriteDocument for ConllFile {
    fn write(&mut self, document: &Document, out: &mut Out<'_>) -> Result<()> {
        let document = &*out.tokenized(document);
        if document.tokens.is_empty() {
            out.remark(RemarkKind::EmptyDocument, || format!("{:?}", document.text));
            return Ok(());
        }
        let spans = out.flat_within_sentences(document);
        self.heads.clear();
        self.heads.resize(document.tokens.len(), (b'O', 0));
        write_heads_within(document, &spans, out.options.scheme, |token, head, span| self.heads[token] = (head, span));
        let layers =
            self.layers.get_or_insert_with(|| document.layers.iter().map(|layer| layer.name.clone()).collect());
        let columns: Vec<Option<&[Name]>> = layers
            .iter()
            .map(|name| Some(document.layers.iter().find(|layer| layer.name == *name)?.tags.as_slice()))
            .collect();
        out.drops_layers(document, layers);
        out.drops_labels(document);
        out.drops_meta(document, &[]);
        let with_tags = !out.options.without_spans || columns.is_empty();
        self.text.clear();
        self.marked |= document.sentences.len() > 1;
        if self.marked {
            self.text.push_str(DOCUMENT_MARK);
            self.text.push_str(&"\t-X-".repeat(columns.len()));
            self.text.push_str(if with_tags { "\tO\n\n" } else { "\n\n" });
        }
        if out.options.comments {
            comments(document, &mut self.text);
        } else {
            out.drops_id(document);
            if !is_spaced(document) {
                out.remark(RemarkKind::SpacingDropped, String::new);
            }
        }
        for range in document.sentence_ranges() {
            for token in range {
                self.text.push_str(&out.column(document.tokens[token].of(&document.text), false));
                for column in &columns {
                    self.text.push('\t');
                    let tag = column.and_then(|tags| tags.get(token)).map_or("_", |tag| tag);
                    self.text.push_str(&out.column(if tag.is_empty() { "_" } else { tag }, false));
                }
                if with_tags {
                    self.text.push('\t');
                    let (head, span) = self.heads[token];
                    self.text.push(char::from(head));
                    if head != b'O' {
                        self.text.push('-');
                        self.text.push_str(&out.column(&spans[span].label, false));
                    }
                }
                self.text.push('\n');
            }
            self.text.push('\n');
        }
        self.file.text(&self.text)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.finish()
    }
}

/// Whether the text is what its tokens and sentences make with single spaces and line breaks.
fn is_spaced(document: &Document) -> bool {
    let mut at = 0;
    for range in document.sentence_ranges() {
        for token in range.clone() {
            let before = if token == 0 {
                ""
            } else if token == range.start {
                "\n"
            } else {
                " "
            };
            let start = document.tokens[token].start as usize;
            if document.text.get(at..start) != Some(before) {
                return false;
            }
            at = document.tokens[token].end as usize;
        }
    }
    at == document.text.len()
}

/// Id and text as comments; a text that a line cannot hold stands as a JSON string.
fn comments(document: &Document, out: &mut String) {
    if !document.id.is_empty() {
        out.push_str("# id = ");
        out.push_str(&one_line(&document.id));
        out.push('\n');
    }
    let text = &document.text;
    if text.trim() == text && !text.chars().any(char::is_control) {
        out.push_str("# text = ");
        out.push_str(text);
    } else {
        out.push_str("# ");
        out.push_str(TEXT_JSON);
        out.push_str(" = ");
        out.push_str(&serde_json::Value::from(text.as_str()).to_string());
    }
    out.push('\n');
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

/// CoNLL-U: the text's own spaces and the tags of spans stand in MISC.
pub(super) struct ConlluFile {
    file: WholeFile,
    marked: bool,
    text: String,
}

/// The layers that have a column, from LEMMA to DEPS.
const COLUMNS: [&str; 7] = ["lemma", "upos", "xpos", "feats", "head", "deprel", "deps"];

impl ConlluFile {
    pub(super) fn new(file: WholeFile) -> Self {
        Self { file, marked: false, text: String::new() }
    }
}

impl WriteDocument for ConlluFile {
    fn write(&mut self, document: &Document, out: &mut Out<'_>) -> Result<()> {
        let document = &*out.tokenized(document);
        if document.tokens.is_empty() {
            out.remark(RemarkKind::EmptyDocument, || format!("{:?}", document.text));
            return Ok(());
        }
        let tags = out.tags(document, Scheme::Bio);
        // The usual names of a file without CoNLL-U's stand for the column of the same content.
        let named = |name: &str| {
            let alias = if name == "xpos" { "pos" } else { name };
            document.layers.iter().find(|layer| &*layer.name == name || &*layer.name == alias)
        };
        let columns = COLUMNS.map(named);
        let in_columns = |layer: &Layer| columns.iter().flatten().any(|column| column.name == layer.name);
        // Layers without a column of their own are keys of MISC.
        let others: Vec<&Layer> = document.layers.iter().filter(|layer| !in_columns(layer)).collect();
        let (others, lost): (Vec<&Layer>, Vec<&Layer>) = others.into_iter().partition(|layer| is_key(&layer.name));
        let kept: Vec<Name> =
            document.layers.iter().filter(|layer| !lost.contains(layer)).map(|layer| layer.name.clone()).collect();
        out.drops_layers(document, &kept);
        out.drops_labels(document);
        out.drops_meta(document, &[]);
        self.text.clear();
        self.marked |= document.sentences.len() > 1;
        if self.marked {
            self.text.push_str("# newdoc");
            if !document.id.is_empty() {
                self.text.push_str(" id = ");
                self.text.push_str(&one_line(&document.id));
            }
            self.text.push('\n');
        }
        let ranges = document.sentence_ranges();
        for (number, range) in ranges.iter().enumerate() {
            if range.is_empty() {
                continue;
            }
            if !self.marked && !document.id.is_empty() {
                self.text.push_str("# sent_id = ");
                self.text.push_str(&one_line(&document.id));
                self.text.push('\n');
            }
            let (first, last) = (document.tokens[range.start], document.tokens[range.end - 1]);
            let sentence = &document.text[first.start as usize..last.end as usize];
            self.text.push_str("# text = ");
            self.text.push_str(&one_line(sentence));
            self.text.push('\n');
            for token in range.clone() {
                let place = document.tokens[token];
                let word = out.column(place.of(&document.text), false);
                let _ = write!(self.text, "{}\t{word}", token - range.start + 1);
                for column in &columns {
                    let tag = column.and_then(|layer| layer.tags.get(token)).map_or("_", |tag| tag);
                    self.text.push('\t');
                    self.text.push_str(&out.column(if tag.is_empty() { "_" } else { tag }, false));
                }
                let ends = (token + 1 == range.end, number + 1 == ranges.len());
                self.text.push('\t');
                self.text.push_str(&notes(document, token, &tags[token], &others, ends));
                self.text.push('\n');
            }
            self.text.push('\n');
        }
        self.file.text(&self.text)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.finish()
    }
}

/// Whether a layer's name can be a key of MISC and would be read back as that layer.
fn is_key(name: &str) -> bool {
    let reserved = ["NER", "ner", "NE", "SpaceAfter", "SpacesAfter", "SpacesBefore"];
    let plain = |character: char| !character.is_whitespace() && !character.is_control() && !"=|\\".contains(character);
    !name.is_empty() && name.chars().all(plain) && !reserved.contains(&name)
}

/// The MISC column of a token: its tag and the space around it, where that is not what a reader assumes.
fn notes(
    document: &Document,
    token: usize,
    tag: &str,
    layers: &[&Layer],
    (ends_sentence, is_last_sentence): (bool, bool),
) -> String {
    let place = document.tokens[token];
    let mut notes = Vec::new();
    if tag != "O" {
        notes.push(format!("NER={}", escape(tag)));
    }
    for layer in layers {
        let value = layer.tags.get(token).map_or("_", |tag| &**tag);
        if !value.is_empty() && value != "_" {
            notes.push(format!("{}={}", layer.name, escape(value)));
        }
    }
    let before = &document.text[..place.start as usize];
    if token == 0 && !before.is_empty() {
        notes.push(format!("SpacesBefore={}", escape(before)));
    }
    let next = document.tokens.get(token + 1).map_or(document.text.len(), |next| next.start as usize);
    let after = &document.text[place.end as usize..next];
    let is_end = ends_sentence && is_last_sentence;
    match (after, ends_sentence) {
        ("", _) if is_end => {}
        ("", _) => notes.push("SpaceAfter=No".to_owned()),
        (" ", false) => {}
        ("\n", true) if !is_end => {}
        (space, _) => notes.push(format!("SpacesAfter={}", escape(space))),
    }
    if notes.is_empty() { "_".to_owned() } else { notes.join("|") }
}
