//! Reading documents of any format.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::columns::{Column, Layout};
use super::remarks::{RemarkKind, Remarks};
use super::{Format, brat, conll, conllu, json, slots, wikiner};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::task::Name;
use crate::text::{OffsetUnit, Scheme};

/// Which of the annotations of a task become documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Annotations {
    /// The first that was not cancelled, a stated ground truth before others; the rest is counted.
    #[default]
    First,
    /// Each as a document of its own, with the annotator in its metadata.
    All,
    /// The first prediction of a model.
    Predictions,
}

/// How to read.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one thing is read")]
pub struct ReadOptions {
    /// The format, when neither the name nor the content tells it.
    pub format: Option<Format>,
    /// The column of the token, counted from 1.
    pub word_column: Option<usize>,
    /// The column of the tag.
    pub tag_column: Column,
    /// The scheme whose rules the tags are held against; recognised if not given.
    pub scheme: Option<Scheme>,
    /// Whether further columns become layers.
    pub layers: bool,
    /// The unit of places; found by the quotes if not given.
    pub unit: Option<OffsetUnit>,
    /// Which annotations of a task are taken.
    pub annotations: Annotations,
    /// The field of the text in JSON lines, when it is not `text`.
    pub text_field: Option<String>,
    /// Whether a refused row is an error.
    pub strict: bool,
    /// Whether tags are read. Without them files with columns give tokens alone, faster.
    pub tags: bool,
    /// Whether a name that was used before is made another, which takes 16 bytes for each name.
    pub distinct_ids: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            format: None,
            word_column: None,
            tag_column: Column::Last,
            scheme: None,
            layers: true,
            unit: None,
            annotations: Annotations::First,
            text_field: None,
            strict: false,
            tags: true,
            distinct_ids: true,
        }
    }
}

/// What was read.
#[derive(Clone, Debug, Serialize)]
pub struct ReadReport {
    /// The source, as named in messages.
    pub file: PathBuf,
    /// Its format.
    pub format: Format,
    /// Its layout, if it has columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// The scheme of its tags, if they write spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Documents.
    pub documents: u64,
    /// Sentences, where the source has them.
    pub sentences: u64,
    /// Tokens, where the source has them.
    pub tokens: u64,
    /// Spans.
    pub spans: u64,
    /// Spans by label.
    pub labels: BTreeMap<Name, u64>,
    /// Links between spans.
    #[serde(skip_serializing_if = "is_zero")]
    pub links: u64,
    /// What was repaired, refused or left out.
    pub remarks: Remarks,
    /// The line where the last document begins, where that is known.
    #[serde(skip)]
    pub line: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What every format does: the next document.
pub(super) trait ReadDocuments: Send {
    /// The next document that can be used; remarks go to the report. Counting documents, tokens and spans is not its
    /// business; counting sentences is.
    fn next(&mut self, report: &mut ReadReport) -> Result<Option<Document>>;
}

/// A stream of documents out of a file, a folder or standard input, in any format, plain, gzip or zstd.
///
/// Two documents never have the same name, unless [`ReadOptions::distinct_ids`] says otherwise: a repeated one gets `#2`
/// and so on, which is listed. That takes 16 bytes for each name and is all that grows with the input.
pub struct DocumentReader {
    inner: Box<dyn ReadDocuments>,
    report: ReadReport,
    ids: HashSet<u64>,
    renames: bool,
    strict: bool,
}

impl DocumentReader {
    /// Opens a file, a folder, or standard input for `-`.
    ///
    /// # Errors
    /// There is nothing to read, the format cannot be told, or the first lines contradict it.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        let mut report = ReadReport {
            file: path.to_path_buf(),
            format: options.format.unwrap_or(Format::Jsonl),
            layout: None,
            scheme: None,
            documents: 0,
            sentences: 0,
            tokens: 0,
            spans: 0,
            labels: BTreeMap::new(),
            links: 0,
            remarks: Remarks::default(),
            line: 0,
        };
        let inner: Box<dyn ReadDocuments> = if path.is_dir() || options.format.is_some_and(Format::is_folder) {
            let format = options.format.or_else(|| Format::detect(path, &[])).ok_or_else(|| unknown(path))?;
            report.format = format;
            match format {
                Format::Slots => Box::new(slots::Slots::open(path, options, &mut report)?),
                Format::Brat => Box::new(brat::Brat::open(path, options)?),
                other => {
                    return Err(Error::input(format!("expected a file in the format {other}, found a folder"))
                        .in_file(path)
                        .hint("brat and slots are folders"));
                }
            }
        } else {
            let opened = crate::table::open::open_text(path)?;
            if opened.head.iter().all(u8::is_ascii_whitespace) && opened.head.len() < 1024 {
                return Err(Error::input("expected annotated text, found an empty file").in_file(&opened.name));
            }
            report.file.clone_from(&opened.name);
            let format =
                options.format.or_else(|| Format::detect(path, &opened.head)).ok_or_else(|| unknown(&opened.name))?;
            report.format = format;
            match format {
                Format::Conll => Box::new(conll::Conll::new(opened, options, &mut report)?),
                Format::Conllu => Box::new(conllu::Conllu::new(opened, &mut report)?),
                Format::Brat => Box::new(brat::Brat::open(path, options)?),
                Format::Wikiner => Box::new(wikiner::Wikiner::new(opened, options, &mut report)),
                _ => Box::new(json::Json::new(opened, format, options, &mut report)),
            }
        };
        let renames = options.distinct_ids && options.annotations != Annotations::All;
        Ok(Self { inner, report, ids: HashSet::new(), renames, strict: options.strict })
    }

    /// The next document, or `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read on, or a row was refused and that is an error, or no row could be used.
    pub fn next_document(&mut self) -> Result<Option<Document>> {
        let refused = self.report.remarks.count(RemarkKind::RefusedRow);
        let next = self.inner.next(&mut self.report)?;
        if self.strict && self.report.remarks.count(RemarkKind::RefusedRow) > refused {
            return Err(self.refusal());
        }
        let Some(mut document) = next else {
            // Nothing but refused rows is no result; most often the format is another one.
            if self.report.documents == 0 && self.report.remarks.count(RemarkKind::RefusedRow) > 0 {
                return Err(self.refusal().hint(format!(
                    "no row could be used as {}; `--format` or `--from` names another format",
                    self.report.format
                )));
            }
            return Ok(None);
        };
        self.report.documents += 1;
        self.report.tokens += document.tokens.len() as u64;
        self.report.spans += document.spans.len() as u64;
        self.report.links += document.links.len() as u64;
        for span in &document.spans {
            match self.report.labels.get_mut(&span.label) {
                Some(count) => *count += 1,
                None => drop(self.report.labels.insert(span.label.clone(), 1)),
            }
        }
        if self.renames && !document.id.is_empty() {
            self.make_unique(&mut document);
        }
        Ok(Some(document))
    }

    /// What was read so far; complete once the last document has come.
    pub const fn report(&self) -> &ReadReport {
        &self.report
    }

    fn make_unique(&mut self, document: &mut Document) {
        let key = |id: &str| Digest::of(id.as_bytes()).to_u64();
        if self.ids.insert(key(&document.id)) {
            return;
        }
        let line = (self.report.line > 0).then_some(self.report.line);
        self.report.remarks.add(RemarkKind::RepeatedId, &document.id, line, || format!("`{}`", document.id));
        let mut number = 2_u64;
        document.id = loop {
            let id = format!("{}#{number}", document.id);
            if self.ids.insert(key(&id)) {
                break id.into();
            }
            number += 1;
        };
    }

    fn refusal(&self) -> Error {
        let first = self.report.remarks.list().iter().find(|remark| remark.kind == RemarkKind::RefusedRow);
        let occurrence = first.and_then(|remark| if self.strict { remark.first.last() } else { remark.first.first() });
        let error = Error::input(occurrence.map_or("a row cannot be used", |row| row.detail.as_str()));
        match occurrence.and_then(|row| row.line) {
            Some(line) => error.in_file(&self.report.file).at_line(line),
            None => error.in_file(&self.report.file),
        }
    }
}

fn unknown(path: &Path) -> Error {
    let names = Format::ALL.map(Format::name).join(", ");
    Error::input("expected annotated text in a known format, found content that tells none")
        .in_file(path)
        .hint(format!("name it: one of {names}"))
}

/// Adds a value to metadata; a name that comes again becomes a list.
pub(super) fn add_meta(meta: &mut Map<String, Value>, name: String, value: String) {
    match meta.get_mut(&name) {
        None => drop(meta.insert(name, Value::String(value))),
        Some(Value::Array(list)) => list.push(Value::String(value)),
        Some(earlier) => {
            let first = std::mem::take(earlier);
            *earlier = Value::Array(vec![first, Value::String(value)]);
        }
    }
}
