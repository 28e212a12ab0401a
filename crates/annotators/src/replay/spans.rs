//! Stored spans and tags: all of an answer in one cell, or one span a row.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postil_core::text::{Offsets, Tokenizer};
use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Cost, Digest, Error, ItemBatch, LabelSet, Name, Result, Span,
    Status, Task, TaskKind,
};
use serde_json::Value;

use super::ReplaySpec;
use super::table::{Row, Table};
use crate::spans::{span_of_bytes, span_of_points, tokens_of};
use crate::{Annotator, Settings, Silence};

/// Raised when the reading of stored spans changes.
const READING: &[u8] = b"span replay reading 2";

/// A span as it was stored.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    start: u32,
    end: u32,
    label: Name,
    quote: Option<String>,
}

/// What an answer says of its text.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Spans(Vec<Stored>),
    /// One tag per token; none where the answer is silent.
    Tags(Vec<Option<Name>>),
}

/// One answer, or what is wrong with it.
#[derive(Clone, Debug)]
struct StoredAnswer {
    item: u32,
    line: u64,
    said: Result<Said, String>,
    confidence: Option<f32>,
}

/// What the annotators of a file share.
struct File {
    path: PathBuf,
    items: HashMap<Box<str>, u32>,
    bad: Option<(usize, String)>,
}

/// One annotator of a file of stored spans. An item gets as many annotations as it has answers in the file.
pub(crate) struct SpanReplayAnnotator {
    identity: AnnotatorIdentity,
    file: Arc<File>,
    /// Sorted by item; within an item in the file's order.
    answers: Vec<StoredAnswer>,
    met: Vec<bool>,
    silence: Silence,
    tokenizer: Tokenizer,
}

impl SpanReplayAnnotator {
    /// Reads the file and splits it by annotator, in the order in which they first appear.
    ///
    /// # Errors
    /// A file that cannot be read, a missing column, no answers at all.
    pub(crate) fn open(spec: &ReplaySpec, task: &Task, folder: &Path, settings: &Settings) -> Result<Vec<Self>> {
        let reading = Reading::open(spec, task, folder)?;
        let Reading { items, annotators, bad, named, .. } = reading;
        if annotators.is_empty() {
            return Err(Error::input("expected at least one answer, found none").in_file(&spec.path));
        }
        let mut ids: Vec<&str> = vec![""; items.len()];
        for (id, &number) in &items {
            ids[number as usize] = id;
        }
        let silence = spec.silence.unwrap_or(Silence::Outside);
        let versions: Vec<Digest> =
            annotators.iter().map(|(_, answers)| version(answers, &ids, (silence, settings.cut()), task)).collect();
        let file = Arc::new(File { path: spec.path.clone(), items, bad });
        Ok(annotators
            .into_iter()
            .zip(versions)
            .map(|((name, mut answers), version)| {
                answers.sort_by_key(|answer| answer.item);
                let unnamed = !named || name.trim().is_empty();
                let name = if unnamed { spec.name.clone() } else { format!("{}/{name}", spec.name) };
                Self {
                    identity: AnnotatorIdentity { name: name.into(), kind: AnnotatorKind::Replay, version },
                    file: Arc::clone(&file),
                    met: vec![false; answers.len()],
                    answers,
                    silence,
                    tokenizer: settings.tokenizer,
                }
            })
            .collect())
    }

    fn annotation(&self, items: &ItemBatch, row: usize, answer: &StoredAnswer) -> Annotation {
        let malformed = |reason: &str| {
            let place = format!("{}:{}: {reason}", self.file.path.display(), answer.line);
            let (id, content) = (items.id(row).into(), items.digest(row));
            Annotation::without_answer(id, content, self.identity.version, Status::Malformed, place)
        };
        let stored = match &answer.said {
            Ok(Said::Spans(stored)) => stored,
            Ok(Said::Tags(tags)) => {
                return match self.tags(items, row, tags) {
                    Ok(said) => {
                        let (id, content) = (items.id(row).into(), items.digest(row));
                        let annotation = Annotation::new(id, content, self.identity.version, said);
                        Annotation { confidence: answer.confidence, ..annotation }
                    }
                    Err(reason) => malformed(&reason),
                };
            }
            Err(reason) => return malformed(reason),
        };
        let offsets = Offsets::new(items.text(row));
        let mut spans: Vec<Span> = Vec::with_capacity(stored.len());
        for one in stored {
            let Some(span) = span_of_points(&offsets, one.start, one.end, one.label.clone()) else {
                return malformed(&format!(
                    "expected a span inside the text of `{}`, in code points, found {} to {}",
                    items.id(row),
                    one.start,
                    one.end
                ));
            };
            if one.quote.as_ref().is_some_and(|quote| *quote != span.quote) {
                return malformed(&format!(
                    "expected `{}` at {} to {} of `{}`, found `{}`: places are code points, end-exclusive",
                    one.quote.as_deref().unwrap_or(""),
                    one.start,
                    one.end,
                    items.id(row),
                    span.quote
                ));
            }
            spans.push(span);
        }
        let said = self.silence.answer(spans);
        let annotation = Annotation::new(items.id(row).into(), items.digest(row), self.identity.version, said);
        Annotation { confidence: answer.confidence, ..annotation }
    }
}

impl SpanReplayAnnotator {
    /// Tags on the tokens of an item: all of them, or those that are there as spans of a token each.
    fn tags(&self, items: &ItemBatch, row: usize, tags: &[Option<Name>]) -> Result<Answer, String> {
        let tokens = tokens_of(items, row, self.tokenizer);
        if tags.len() != tokens.len() {
            return Err(format!(
                "expected {} tags, one per token of `{}`, found {}",
                tokens.len(),
                items.id(row),
                tags.len()
            ));
        }
        if let Some(tags) = tags.iter().cloned().collect() {
            return Ok(Answer::Tags { tags });
        }
        let offsets = Offsets::new(items.text(row));
        let spans = tokens.iter().zip(tags);
        let spans = spans.filter_map(|(token, tag)| {
            Some(span_of_bytes(&offsets, token.start as usize..token.end as usize, tag.clone()?))
        });
        Ok(Silence::Abstain.answer(spans.collect()))
    }
}

impl Annotator for SpanReplayAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let mut annotations = Vec::new();
        for row in 0..items.len() {
            let Some(&item) = self.file.items.get(items.id(row)) else { continue };
            let first = self.answers.partition_point(|answer| answer.item < item);
            let count = self.answers[first..].iter().take_while(|answer| answer.item == item).count();
            for place in first..first + count {
                self.met[place] = true;
                annotations.push(self.annotation(items, row, &self.answers[place]));
            }
        }
        Ok(annotations)
    }

    fn pass_over(&mut self, items: &ItemBatch, rows: &[usize]) {
        for &row in rows {
            let Some(&item) = self.file.items.get(items.id(row)) else { continue };
            let first = self.answers.partition_point(|answer| answer.item < item);
            let last = self.answers.partition_point(|answer| answer.item <= item);
            self.met[first..last].fill(true);
        }
    }

    fn silence(&self) -> Silence {
        self.silence
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some((rows, first)) = &self.file.bad {
            warnings.push(format!("rows of stored answers that could not be read: {rows}, the first: {first}"));
        }
        let unmet = self.met.iter().filter(|&&met| !met).count();
        if unmet > 0 {
            warnings.push(format!(
                "{unmet} of {} stored answers of `{}` are about items that were not among the data",
                self.answers.len(),
                self.identity.name
            ));
        }
        warnings
    }
}

/// A file on its way to annotators.
#[derive(Default)]
struct Reading {
    items: HashMap<Box<str>, u32>,
    numbers: HashMap<Box<str>, usize>,
    annotators: Vec<(Box<str>, Vec<StoredAnswer>)>,
    /// With a span a row: where the answer of an annotator about an item stands.
    open: HashMap<(usize, u32), usize>,
    bad: Option<(usize, String)>,
    named: bool,
}

impl Reading {
    fn open(spec: &ReplaySpec, task: &Task, folder: &Path) -> Result<Self> {
        let columns = &spec.columns;
        let mut needed: Vec<&str> = vec![&columns.item];
        let own = [&columns.annotator, &columns.spans, &columns.tags, &columns.quote, &columns.confidence];
        needed.extend(own.into_iter().filter_map(|column| column.as_deref()));
        let welcome =
            ["annotator", "spans", "quote", "confidence", columns.start.as_str(), &columns.end, &columns.label];
        let spans = columns.spans.as_deref().unwrap_or("spans");
        let tags = columns.tags.as_deref().unwrap_or("tags");
        let welcome: Vec<&str> = welcome.into_iter().chain([tags]).collect();
        let table = Table::open_with(&folder.join(&spec.path), &spec.path, &needed, &welcome, &[spans, tags])?;
        let tagged = task.kind == TaskKind::Tag && table.has(tags);
        let whole = tagged || table.has(spans);
        if !whole && ![&columns.start, &columns.end, &columns.label].iter().all(|name| table.has(name)) {
            let or_tags = if task.kind == TaskKind::Tag { format!("`{tags}` or ") } else { String::new() };
            return Err(Error::input(format!(
                "expected a column {or_tags}`{spans}`, or the columns `{}`, `{}` and `{}`, found neither",
                columns.start, columns.end, columns.label
            ))
            .in_file(&spec.path)
            .at_line(1));
        }
        let annotator = columns.annotator.as_deref().unwrap_or("annotator");
        let mut reading = Self { named: table.has(annotator), ..Self::default() };
        let quote = columns.quote.as_deref().unwrap_or("quote");
        let confidence = columns.confidence.as_deref().unwrap_or("confidence");
        let cell = if tagged { tags } else { spans };
        let names = [&columns.item, annotator, cell, &columns.start, &columns.end, &columns.label, quote, confidence];
        let mut unread = Vec::new();
        table.each(
            &names,
            |row| {
                reading.row(&row, (whole, tagged), spec, &task.labels);
                Ok(())
            },
            |line, reason| {
                unread.push((line, reason.to_owned()));
                Ok(())
            },
        )?;
        for (line, reason) in unread {
            reading.note_bad(spec, line, &reason);
        }
        Ok(reading)
    }

    fn note_bad(&mut self, spec: &ReplaySpec, line: u64, reason: &str) {
        let first = || (0, format!("{}:{line}: {reason}", spec.path.display()));
        self.bad.get_or_insert_with(first).0 += 1;
    }

    fn row(&mut self, row: &Row<'_>, (whole, tagged): (bool, bool), spec: &ReplaySpec, labels: &LabelSet) {
        let (item, name) = (row.value(0), row.value(1));
        if item.is_empty() {
            return self.note_bad(spec, row.line, "expected an item, found none");
        }
        let next = self.annotators.len();
        let annotator = *self.numbers.entry(name.into()).or_insert(next);
        if annotator == next {
            self.annotators.push((name.into(), Vec::new()));
        }
        let next = self.items.len() as u32;
        let item = match self.items.get(item) {
            Some(&item) => item,
            None => *self.items.entry(item.into()).or_insert(next),
        };
        let (said, confidence) = match read_confidence(row.value(7)) {
            Ok(confidence) => {
                let said = match (tagged, whole) {
                    (true, _) => tags_of_cell(row.value(2), labels).map(Said::Tags),
                    (false, true) => from_cell(row.value(2), labels).map(Said::Spans),
                    (false, false) => from_columns(row, labels).map(Said::Spans),
                };
                (said, confidence)
            }
            Err(reason) => (Err(reason), None),
        };
        let answers = &mut self.annotators[annotator].1;
        let place = (!whole).then(|| self.open.get(&(annotator, item)).copied()).flatten();
        match (place, said) {
            (None, said) => {
                if !whole {
                    self.open.insert((annotator, item), answers.len());
                }
                answers.push(StoredAnswer { item, line: row.line, said, confidence });
            }
            // One bad span spoils the answer: what the rest of it would mean is not known.
            (Some(place), Err(reason)) => {
                if answers[place].said.is_ok() {
                    (answers[place].said, answers[place].line) = (Err(reason), row.line);
                }
            }
            (Some(place), Ok(more)) => {
                if let (Ok(Said::Spans(spans)), Said::Spans(more)) = (&mut answers[place].said, more) {
                    spans.extend(more);
                }
            }
        }
    }
}

fn read_confidence(text: &str) -> Result<Option<f32>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.map(Some).ok_or_else(|| format!("expected a confidence between 0 and 1, found `{text}`"))
}

fn read_label(label: &str, labels: &LabelSet) -> Result<Name, String> {
    match labels.span_label(label).or_else(|| labels.span_label(label.trim())) {
        Some(read) => Ok(labels.write_span_label(&read)),
        None => Err(labels.expect(label).err().map_or_else(String::new, |error| error.to_string())),
    }
}

fn read_place(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("expected a place in the text, a whole number, found `{text}`"))
}

/// One span in columns, or none where all of them are blank.
fn from_columns(row: &Row<'_>, labels: &LabelSet) -> Result<Vec<Stored>, String> {
    let [start, end, label, quote] = [3, 4, 5, 6].map(|column| row.value(column));
    if [start, end, label].iter().all(|cell| cell.trim().is_empty()) {
        return Ok(Vec::new());
    }
    let quote = (!quote.is_empty()).then(|| quote.to_owned());
    Ok(vec![Stored { start: read_place(start)?, end: read_place(end)?, label: read_label(label, labels)?, quote }])
}

/// All spans of an answer; a blank cell is an answer without spans.
fn from_cell(cell: &str, labels: &LabelSet) -> Result<Vec<Stored>, String> {
    if cell.trim().is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(cell).map_err(|error| format!("expected spans as JSON: {error}"))?;
    let Value::Array(spans) = value else { return Err(format!("expected a list of spans, found `{cell}`")) };
    let place = |value: Option<&Value>| {
        let number = value.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| "expected `start` and `end` of every span, whole numbers".to_owned())
    };
    let label = |value: Option<&Value>| match value.and_then(Value::as_str) {
        Some(label) => read_label(label, labels),
        None => Err("expected a `label` of every span".to_owned()),
    };
    spans
        .iter()
        .map(|span| match span {
            Value::Object(span) => Ok(Stored {
                start: place(span.get("start"))?,
                end: place(span.get("end"))?,
                label: label(span.get("label"))?,
                quote: ["quote", "text"].iter().find_map(|key| span.get(*key)?.as_str()).map(str::to_owned),
            }),
            Value::Array(parts) if parts.len() == 3 => Ok(Stored {
                start: place(parts.first())?,
                end: place(parts.get(1))?,
                label: label(parts.get(2))?,
                quote: None,
            }),
            other => Err(format!("expected a span with `start`, `end` and `label`, found `{other}`")),
        })
        .collect()
}

/// One tag per token: a JSON list, or tags between blanks. `null`, nothing and `_` say nothing, unless `_` is a label.
fn tags_of_cell(cell: &str, labels: &LabelSet) -> Result<Vec<Option<Name>>, String> {
    let tag = |tag: &str| match tag {
        "" => Ok(None),
        "_" if labels.class("_").is_none() => Ok(None),
        tag => read_label(tag, labels).map(Some),
    };
    if !cell.trim_start().starts_with('[') {
        return cell.split_whitespace().map(tag).collect();
    }
    let value: Vec<Option<String>> =
        serde_json::from_str(cell).map_err(|error| format!("expected a list of tags as JSON: {error}"))?;
    value.iter().map(|one| tag(one.as_deref().unwrap_or_default())).collect()
}

/// The digest of one annotator's answers in the file's order, lines aside.
fn version(answers: &[StoredAnswer], ids: &[&str], (silence, cut): (Silence, &str), task: &Task) -> Digest {
    let mut bytes = Vec::new();
    let mut text = |part: &[u8]| {
        bytes.extend((part.len() as u32).to_le_bytes());
        bytes.extend(part);
    };
    text(READING);
    text(task.kind.name().as_bytes());
    text(&[u8::from(silence == Silence::Outside)]);
    text(cut.as_bytes());
    for answer in answers {
        text(ids[answer.item as usize].as_bytes());
        text(&answer.confidence.unwrap_or(-1.0).to_le_bytes());
        match &answer.said {
            Err(reason) => text(reason.as_bytes()),
            Ok(Said::Tags(tags)) => {
                text(&(tags.len() as u32).to_le_bytes());
                tags.iter().for_each(|tag| text(tag.as_deref().unwrap_or("").as_bytes()));
            }
            Ok(Said::Spans(spans)) => {
                text(&(spans.len() as u32).to_le_bytes());
                for span in spans {
                    text(&span.start.to_le_bytes());
                    text(&span.end.to_le_bytes());
                    text(span.label.as_bytes());
                    text(span.quote.as_deref().unwrap_or("").as_bytes());
                }
            }
        }
    }
    Digest::of(&bytes)
}
