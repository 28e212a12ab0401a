//! Writing documents in any format.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::brat::BratFolder;
use super::remarks::{RemarkKind, Remarks};
use super::slots::SlotsFolder;
use super::wikiner::WikinerFile;
use super::write_columns::{ConllFile, ConlluFile};
use super::{Format, doccano, label_studio, plain, prodigy, spacy};
use crate::answer::Span;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::table::whole::{WholeFile, refusal};
use crate::task::Name;
use crate::text::{Named, Problem, Scheme, Tokenizer, align, write_heads};

/// The metadata that says whether a document's annotation was accepted: `accept`, `reject`, `ignore`, or `missing` for
/// one that nobody has annotated.
pub(super) const ANSWER: &str = "answer";

/// How to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// The scheme of tags.
    pub scheme: Scheme,
    /// Whether ids and texts go into comments, where a format has no other place for them.
    pub comments: bool,
    /// Whether spans are written as a model's predictions, where a format tells them from annotations.
    pub predictions: bool,
    /// Whether the documents have layers of tags and no spans, so that a column of spans would hold nothing.
    pub without_spans: bool,
}

/// What was written, and what of it a format could not hold.
#[derive(Clone, Debug, Serialize)]
pub struct WriteReport {
    /// The file or folder.
    pub file: PathBuf,
    /// Its format.
    pub format: Format,
    /// Documents written.
    pub documents: u64,
    /// Tokens written, where the format has them.
    pub tokens: u64,
    /// Spans written.
    pub spans: u64,
    /// Labels of spans that were written.
    pub labels: BTreeMap<Name, u64>,
    /// Links between spans that were written, by their kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<Name, u64>,
    /// Labels of whole texts that were written.
    pub text_labels: BTreeMap<Name, u64>,
    /// What was lost or changed.
    pub remarks: Remarks,
}

/// A format being written.
pub(super) trait WriteDocument: Send {
    /// Appends a document. Spans that were left out are told by remarks; the rest is counted by the caller.
    fn write(&mut self, document: &Document, out: &mut Out<'_>) -> Result<()>;

    /// Writes what is pending and gives the file its name.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What a format needs to write a document.
pub(super) struct Out<'w> {
    pub(super) report: &'w mut WriteReport,
    pub(super) options: &'w WriteOptions,
    /// The id, or the number of the document.
    pub(super) name: String,
    /// The number of the document, from 1.
    pub(super) number: u64,
}

/// Writes documents to a file, a folder or standard output. Nothing appears under the file's name before
/// [`finish`](DocumentWriter::finish); the same documents give the same bytes.
pub struct DocumentWriter {
    sink: Box<dyn WriteDocument>,
    options: WriteOptions,
    report: WriteReport,
    seen: u64,
}

impl DocumentWriter {
    /// Starts a file, a folder for the formats that are folders, or standard output for `-`. Names ending in `.gz` or
    /// `.zst` are compressed.
    pub fn create(path: impl AsRef<Path>, format: Format, options: &WriteOptions) -> Result<Self> {
        let path = path.as_ref();
        if format.is_folder() && path == Path::new("-") {
            return Err(Error::task(format!("expected a folder for the format {format}, found standard output")));
        }
        let file = || WholeFile::create(path, false);
        let sink: Box<dyn WriteDocument> = match format {
            Format::Conll => Box::new(ConllFile::new(file()?)),
            Format::Conllu => Box::new(ConlluFile::new(file()?)),
            Format::Wikiner => Box::new(WikinerFile::new(file()?)),
            Format::Brat => Box::new(BratFolder::create(path)?),
            Format::Slots => Box::new(SlotsFolder::create(path)?),
            Format::LabelStudio => Box::new(JsonFile { file: file()?, row: label_studio::write, list: true, rows: 0 }),
            Format::Jsonl => Box::new(JsonFile::lines(file()?, |document, out| plain::write(document, out))),
            Format::Prodigy => Box::new(JsonFile::lines(file()?, |document, _| prodigy::write(document))),
            Format::Doccano => Box::new(JsonFile::lines(file()?, doccano::write)),
            Format::Spacy => Box::new(JsonFile::lines(file()?, spacy::write)),
        };
        let report = WriteReport {
            file: path.to_path_buf(),
            format,
            documents: 0,
            tokens: 0,
            spans: 0,
            labels: BTreeMap::new(),
            links: BTreeMap::new(),
            text_labels: BTreeMap::new(),
            remarks: Remarks::default(),
        };
        Ok(Self { sink, options: *options, report, seen: 0 })
    }

    /// Appends a document. One whose annotation was not accepted is left out, and listed, where the format cannot say
    /// so.
    pub fn write(&mut self, document: &Document) -> Result<()> {
        self.seen += 1;
        let name = if document.id.is_empty() { self.seen.to_string() } else { document.id.to_string() };
        let format = self.report.format;
        let answer = document.meta.get(ANSWER).and_then(Value::as_str).unwrap_or("accept");
        let says = matches!(format, Format::Jsonl | Format::Prodigy | Format::LabelStudio);
        if !says && matches!(answer, "reject" | "ignore" | "missing") {
            self.report.remarks.add(RemarkKind::NotAccepted, &name, None, || answer.to_owned());
            return Ok(());
        }
        let lost = |remarks: &Remarks| {
            [RemarkKind::OverlappingSpan, RemarkKind::EmptySpan, RemarkKind::SpanWithoutToken]
                .map(|kind| remarks.count(kind))
                .iter()
                .sum::<u64>()
        };
        let (before, empty) = (lost(&self.report.remarks), self.report.remarks.count(RemarkKind::EmptyDocument));
        let mut out = Out { report: &mut self.report, options: &self.options, name, number: self.seen };
        self.sink.write(document, &mut out)?;
        if self.report.remarks.count(RemarkKind::EmptyDocument) > empty {
            return Ok(());
        }
        self.report.documents += 1;
        self.report.spans += document.spans.len() as u64 - (lost(&self.report.remarks) - before);
        if !format.is_flat() {
            self.report.tokens += document.tokens.len() as u64;
        }
        for span in &document.spans {
            count(&mut self.report.labels, &span.label);
        }
        let holds_links = matches!(format, Format::Jsonl | Format::Brat | Format::Doccano | Format::LabelStudio);
        if holds_links {
            document.links.iter().for_each(|link| count(&mut self.report.links, &link.kind));
        } else if !document.links.is_empty() {
            let name = if document.id.is_empty() { self.seen.to_string() } else { document.id.to_string() };
            let detail = || format!("{} links", document.links.len());
            self.report.remarks.add(RemarkKind::LinksDropped, &name, None, detail);
        }
        for label in &document.labels {
            count(&mut self.report.text_labels, label);
        }
        Ok(())
    }

    /// What was written so far.
    pub const fn report(&self) -> &WriteReport {
        &self.report
    }

    /// Writes what is pending and gives the file its name.
    pub fn finish(self) -> Result<WriteReport> {
        self.sink.finish()?;
        Ok(self.report)
    }
}

fn count(counts: &mut BTreeMap<Name, u64>, label: &Name) {
    match counts.get_mut(label) {
        Some(count) => *count += 1,
        None => drop(counts.insert(label.clone(), 1)),
    }
}

/// Rows of JSON: one per line, or a list.
struct JsonFile {
    file: WholeFile,
    row: fn(&Document, &mut Out<'_>) -> Value,
    list: bool,
    rows: u64,
}

impl JsonFile {
    fn lines(file: WholeFile, row: fn(&Document, &mut Out<'_>) -> Value) -> Self {
        Self { file, row, list: false, rows: 0 }
    }
}

impl WriteDocument for JsonFile {
    fn write(&mut self, document: &Document, out: &mut Out<'_>) -> Result<()> {
        let row = (self.row)(document, out);
        match out.report.format {
            Format::Jsonl => {}
            Format::Prodigy => {
                out.drops_layers(document, &[]);
                if document.sentences.len() > 1 {
                    out.remark(RemarkKind::TokensDropped, || "borders of sentences".to_owned());
                }
            }
            _ => {
                out.drops_layers(document, &[]);
                out.drops_tokens(document);
            }
        }
        if self.list {
            self.file.text(if self.rows == 0 { "[\n" } else { ",\n" })?;
        }
        self.rows += 1;
        let name = self.file.name().to_path_buf();
        serde_json::to_writer(&mut self.file, &row).map_err(|error| refusal(error.into(), &name))?;
        if self.list { Ok(()) } else { self.file.text("\n") }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.list {
            self.file.text(if self.rows == 0 { "[]\n" } else { "\n]\n" })?;
        }
        self.file.finish()
    }
}

impl Out<'_> {
    /// Counts something that happened to this document.
    pub(super) fn remark(&mut self, kind: RemarkKind, detail: impl FnOnce() -> String) {
        self.report.remarks.add(kind, &self.name, None, detail);
    }

    /// The format has no place for ids.
    pub(super) fn drops_id(&mut self, document: &Document) {
        if !document.id.is_empty() {
            self.remark(RemarkKind::IdDropped, || document.id.to_string());
        }
    }

    /// The format has no place for metadata but these.
    pub(super) fn drops_meta(&mut self, document: &Document, except: &[&str]) {
        let accepted = |key: &str, value: &Value| key == ANSWER && value == "accept";
        let lost: Vec<&str> = document
            .meta
            .iter()
            .filter(|(key, value)| !except.contains(&key.as_str()) && !accepted(key, value))
            .map(|(key, _)| key.as_str())
            .collect();
        if !lost.is_empty() {
            self.remark(RemarkKind::MetadataDropped, || lost.join(", "));
        }
    }

    /// The format has no place for labels of the whole text.
    pub(super) fn drops_labels(&mut self, document: &Document) {
        if !document.labels.is_empty() {
            self.remark(RemarkKind::LabelsDropped, || document.labels.join(", "));
        }
    }

    /// The format has no place for layers but these.
    pub(super) fn drops_layers(&mut self, document: &Document, except: &[Name]) {
        let lost: Vec<&str> =
            document.layers.iter().filter(|layer| !except.contains(&layer.name)).map(|layer| &*layer.name).collect();
        if !lost.is_empty() {
            self.remark(RemarkKind::LayersDropped, || lost.join(", "));
        }
    }

    /// The format has no place for tokens.
    pub(super) fn drops_tokens(&mut self, document: &Document) {
        if !document.tokens.is_empty() {
            self.remark(RemarkKind::TokensDropped, || format!("{} tokens", document.tokens.len()));
        }
    }

    /// The document with tokens and sentences.
    pub(super) fn tokenized<'d>(&mut self, document: &'d Document) -> Cow<'d, Document> {
        if !document.tokens.is_empty() && !document.sentences.is_empty() {
            return Cow::Borrowed(document);
        }
        if document.tokens.is_empty() {
            self.remark(RemarkKind::TokensMade, String::new);
        }
        let mut document = document.clone();
        document.tokenize(Tokenizer::Words);
        Cow::Owned(document)
    }

    /// The tags of a document's spans, sentence by sentence; what they cannot hold is listed.
    pub(super) fn tags(&mut self, document: &Document, scheme: Scheme) -> Vec<String> {
        let spans = self.flat_within_sentences(document);
        let mut tags = vec!["O".to_owned(); document.tokens.len()];
        write_heads_within(document, &spans, scheme, |token, head, span| {
            tags[token] = format!("{}-{}", char::from(head), spans[span].label);
        });
        tags
    }

    /// The spans that flat tags can hold, each within a sentence; what is left out or cut is listed.
    pub(super) fn flat_within_sentences(&mut self, document: &Document) -> Vec<Named<Name>> {
        let whole = self.flat(document);
        let mut pieces = Vec::with_capacity(whole.len());
        for span in whole {
            let from = document.sentences.partition_point(|end| *end <= span.start);
            let inside = document.sentences[from..].iter().take_while(|end| **end < span.end);
            let mut start = span.start;
            for &end in inside {
                pieces.push(Named { start, end, label: span.label.clone() });
                start = end;
            }
            if start > span.start {
                self.remark(RemarkKind::CutSpan, || format!("`{}`, tokens {} to {}", span.label, span.start, span.end));
            }
            pieces.push(Named { start, ..span });
        }
        pieces
    }

    /// The spans that flat tags can hold; the others are listed.
    pub(super) fn flat(&mut self, document: &Document) -> Vec<Named<Name>> {
        let aligned = align(&document.text, &document.tokens, &document.spans);
        for remark in aligned.remarks {
            let kind = match remark.problem {
                Problem::Snapped => RemarkKind::SnappedSpan,
                Problem::Overlaps => RemarkKind::OverlappingSpan,
                Problem::Empty => RemarkKind::EmptySpan,
                Problem::BeyondText | Problem::QuoteDiffers | Problem::NoToken => RemarkKind::SpanWithoutToken,
            };
            let span = &remark.span;
            self.remark(kind, || format!("{:?} at {} to {} (`{}`)", span.quote, span.start, span.end, span.label));
        }
        self.report.tokens += document.tokens.len() as u64;
        aligned.flat
    }

    /// A text as it can stand in a column: `_` for tabs and line breaks, and for blanks too if they separate columns.
    pub(super) fn column<'t>(&mut self, text: &'t str, blanks: bool) -> Cow<'t, str> {
        let breaks =
            |character: char| matches!(character, '\t' | '\n' | '\r') || (blanks && character.is_ascii_whitespace());
        let ends = text.ends_with(' ');
        if !ends && !text.bytes().any(|byte| breaks(char::from(byte))) {
            return Cow::Borrowed(text);
        }
        self.remark(RemarkKind::RewrittenToken, || format!("{text:?}"));
        let mut written: String =
            text.chars().map(|character| if breaks(character) { '_' } else { character }).collect();
        if ends && !blanks {
            written.pop();
            written.push('_');
        }
        Cow::Owned(written)
    }
}

/// The heads of the tags of spans that lie within sentences, in their order: gives every token in a span, the head of
/// its tag and the number of the span.
pub(super) fn write_heads_within(
    document: &Document,
    spans: &[Named<Name>],
    scheme: Scheme,
    mut head: impl FnMut(usize, u8, usize),
) {
    let mut first = 0;
    for range in document.sentence_ranges() {
        let count = spans[first..].iter().take_while(|span| (span.start as usize) < range.end).count();
        let within = &spans[first..first + count];
        write_heads(within, range.end, scheme, |token, tag, span| head(token, tag, first + span));
        first += count;
    }
}

/// Spans that do not overlap, the longest first served, then the first.
pub(super) fn flat_spans(spans: &[Span]) -> Vec<&Span> {
    let mut by_length: Vec<&Span> = spans.iter().collect();
    by_length.sort_by_key(|span| (std::cmp::Reverse(span.end - span.start), span.start));
    let mut kept: BTreeMap<u32, &Span> = BTreeMap::new();
    for span in by_length {
        let before = kept.range(..span.end).next_back();
        if before.is_none_or(|(_, before)| before.end <= span.start) {
            kept.insert(span.start, span);
        }
    }
    kept.into_values().collect()
}

/// Makes a folder and those above it.
pub(super) fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("the folder cannot be made: {error}"), error).in_file(folder))
}
