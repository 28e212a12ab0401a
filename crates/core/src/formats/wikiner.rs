//! WikiNER's format (Nothman et al. 2013): a sentence a line, its tokens apart by blanks, each as `word|POS|TAG`.

use std::fmt::Write as _;

use super::build::{Builder, Names};
use super::lines::Lines;
use super::reader::{ReadDocuments, ReadOptions, ReadReport};
use super::remarks::RemarkKind;
use super::writer::{Out, WriteDocument};
use crate::document::Document;
use crate::error::Result;
use crate::table::open::OpenedText;
use crate::table::whole::WholeFile;
use crate::task::Name;
use crate::text::{Scheme, detect};

/// The layers that can stand in the middle, the first that there is.
const MIDDLE: [&str; 4] = ["pos", "xpos", "upos", "tag"];

/// Whether a line is a sentence of this format: every token has a tag of spans after a bar.
pub(super) fn is_sentence(line: &str) -> bool {
    let mut tokens = line.split_ascii_whitespace().peekable();
    tokens.peek().is_some() && tokens.all(|token| parts(token).is_some_and(|(.., tag)| is_tag(tag)))
}

fn is_tag(tag: &str) -> bool {
    tag == "O" || (tag.len() > 2 && matches!(tag.as_bytes(), [b'B' | b'I' | b'E' | b'S' | b'L' | b'U', b'-', ..]))
}

/// Word, part of speech if there is one, and tag. The word may hold bars.
fn parts(token: &str) -> Option<(&str, Option<&str>, &str)> {
    let (rest, tag) = token.rsplit_once('|')?;
    let (word, middle) = match rest.rsplit_once('|') {
        Some((word, middle)) if !word.is_empty() => (word, Some(middle)),
        _ => (rest, None),
    };
    (!word.is_empty()).then_some((word, middle, tag))
}

pub(super) struct Wikiner {
    lines: Lines,
    scheme: Scheme,
    options: ReadOptions,
    layer: Name,
    names: Names,
}

impl Wikiner {
    pub(super) fn new(opened: OpenedText, options: &ReadOptions, report: &mut ReadReport) -> Self {
        let known = options.scheme.unwrap_or_else(|| {
            let head = String::from_utf8_lossy(&opened.head);
            let tags = head.lines().map(|line| {
                line.split_ascii_whitespace()
                    .filter_map(|token| parts(token).map(|(.., tag)| tag))
                    .collect::<Vec<&str>>()
            });
            detect(tags)
        });
        if opened.marked {
            report.remarks.add(RemarkKind::ByteOrderMark, "", 1, String::new);
        }
        report.scheme = Some(known);
        let (lines, options) = (Lines::new(opened), options.clone());
        Self { lines, scheme: known, options, layer: MIDDLE[0].into(), names: Names::default() }
    }
}

impl ReadDocuments for Wikiner {
    fn next(&mut self, report: &mut ReadReport) -> Result<Option<Document>> {
        let line = loop {
            match self.lines.next_text()? {
                None => {
                    let lines = std::mem::take(&mut self.lines.carriage_returns);
                    if lines > 0 {
                        report.remarks.add(RemarkKind::CarriageReturns, "", None, || format!("{lines} lines"));
                    }
                    return Ok(None);
                }
                Some(line) if line.trim().is_empty() => {}
                Some(line) => break line.to_owned(),
            }
        };
        let number = self.lines.number();
        let (mut builder, mut middles, mut tags) = (Builder::default(), Vec::new(), Vec::new());
        for token in line.split_ascii_whitespace() {
            let (word, middle, tag) = parts(token)
                .ok_or_else(|| self.lines.error(format!("expected tokens as `word|POS|TAG`, found `{token}`")))?;
            builder.spaced_token(word).map_err(|message| self.lines.error(message))?;
            middles.push(middle);
            tags.push(tag);
        }
        if self.options.tags {
            for repair in builder.tags(&tags, self.scheme, &mut self.names) {
                let detail = || format!("`{}`: {}", repair.tag, repair.what);
                report.remarks.add(RemarkKind::BrokenTag, &number.to_string(), number, detail);
            }
            if self.options.layers && middles.iter().any(Option::is_some) {
                let middles = middles.iter().map(|middle| middle.unwrap_or("_"));
                builder.layer(&self.layer, middles, &mut self.names);
            }
        }
        builder.end_sentence();
        report.sentences += 1;
        report.line = number;
        report.remarks.add(RemarkKind::TextFromTokens, &number.to_string(), number, String::new);
        Ok(Some(builder.finish(&mut self.names)))
    }
}

/// Writes a sentence a line.
pub(super) struct WikinerFile {
    file: WholeFile,
    text: String,
}

impl WikinerFile {
    pub(super) fn new(file: WholeFile) -> Self {
        Self { file, text: String::new() }
    }
}

/// What stands between bars has none itself.
fn without_bars(text: &str, out: &mut Out<'_>) -> String {
    let written = out.column(text, true);
    if !written.contains('|') {
        return written.into_owned();
    }
    let changed = written.replace('|', "/");
    out.remark(RemarkKind::RewrittenToken, || format!("{text:?}"));
    changed
}

impl WriteDocument for WikinerFile {
    fn write(&mut self, document: &Document, out: &mut Out<'_>) -> Result<()> {
        let document = &*out.tokenized(document);
        if document.tokens.is_empty() {
            out.remark(RemarkKind::EmptyDocument, || format!("{:?}", document.text));
            return Ok(());
        }
        let tags = out.tags(document, out.options.scheme);
        let middle = MIDDLE.iter().find_map(|name| document.layers.iter().find(|layer| &*layer.name == *name));
        out.drops_layers(document, middle.map(|layer| layer.name.clone()).as_slice());
        out.drops_id(document);
        out.drops_labels(document);
        out.drops_meta(document, &[]);
        if !document.words().eq(document.text.split(' ')) {
            out.remark(RemarkKind::SpacingDropped, String::new);
        }
        self.text.clear();
        for range in document.sentence_ranges() {
            let first = range.start;
            for token in range {
                let word = out.column(document.tokens[token].of(&document.text), true);
                let middle = middle.and_then(|layer| layer.tags.get(token)).map_or("_", |tag| tag);
                let middle = without_bars(if middle.is_empty() { "_" } else { middle }, out);
                let tag = without_bars(&tags[token], out);
                let blank = if token == first { "" } else { " " };
                let _ = write!(self.text, "{blank}{word}|{middle}|{tag}");
            }
            self.text.push('\n');
        }
        self.file.text(&self.text)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DocumentReader, DocumentWriter, Format, ReadOptions, WriteOptions};
    use super::*;

    fn read(text: &str) -> (Vec<Document>, super::super::ReadReport) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut reader = DocumentReader::open(file.path(), &ReadOptions::default()).unwrap();
        let mut documents = Vec::new();
        while let Some(document) = reader.next_document().unwrap() {
            documents.push(document);
        }
        (documents, reader.report().clone())
    }

    const SENTENCES: &str = "\nIl|PRO:PER|O vit|VER|O à|PRP|O New|NAM|I-LOC York|NAM|I-LOC .|SENT|O\n\n\
                             ||SYM|O Zoë|NAM|I-PER Lee|NAM|B-PER\n";

    #[test]
    fn sentences_are_read_with_tags_and_parts_of_speech() {
        let (documents, report) = read(SENTENCES);
        assert_eq!((report.format, report.scheme, report.sentences), (Format::Wikiner, Some(Scheme::Iob1), 2));
        assert_eq!(documents[0].text, "Il vit à New York .");
        let spans = |document: &Document| {
            document.spans.iter().map(|span| (span.quote.clone(), span.label.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(spans(&documents[0]), [("New York".to_owned(), "LOC".to_owned())]);
        assert_eq!(documents[0].layers[0].tags[0], "PRO:PER".into());
        assert_eq!(documents[1].words().collect::<Vec<_>>(), ["|", "Zoë", "Lee"]);
        assert_eq!(spans(&documents[1]).len(), 2);
    }

    #[test]
    fn what_was_read_is_written_again() {
        let (documents, _) = read(SENTENCES);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let options = WriteOptions { scheme: Scheme::Iob1, ..WriteOptions::default() };
        let mut writer = DocumentWriter::create(&path, Format::Wikiner, &options).unwrap();
        documents.iter().for_each(|document| writer.write(document).unwrap());
        let report = writer.finish().unwrap();
        assert!(!report.remarks.is_lossy(), "{:?}", report.remarks);
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, SENTENCES.trim_start().replace("\n\n", "\n"));
    }

    #[test]
    fn a_token_without_a_tag_is_an_error_at_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a|X|O b|Y|B-P\nc|X|O d\n").unwrap();
        let mut reader = DocumentReader::open(file.path(), &ReadOptions::default()).unwrap();
        assert!(reader.next_document().unwrap().is_some());
        let error = reader.next_document().unwrap_err().to_string();
        assert!(error.contains(":2") && error.contains("found `d`"), "{error}");
    }
}
