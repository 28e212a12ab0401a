//! Stored answers of people and models, replayed from a file.

pub(crate) mod records;
mod spans;
pub(crate) mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Class, Cost, Digest, Error, ItemBatch, LabelSet, Name,
    Result, Status, Task, TaskKind,
};
use serde::Deserialize;

use crate::{Annotator, Silence};
pub(crate) use spans::SpanReplayAnnotator;
use table::Table;

/// Raised when the reading of stored answers changes.
const READING: &[u8] = b"replay reading 1";

/// Stored answers: one row per answer, with an item, an annotator and a label.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaySpec {
    /// The name in the project; each annotator of the file becomes `name/annotator`.
    pub name: String,
    /// The file, relative to the project.
    pub path: PathBuf,
    /// Where the parts of an answer stand.
    #[serde(default)]
    pub columns: ReplayColumns,
    /// What separates the labels of one answer in a multi-label task. A separator alone is the empty set: none applies.
    #[serde(default = "bar")]
    pub separator: String,
    /// In tasks about spans and tags: what it means that an answer leaves a stretch alone [default: `outside`].
    pub silence: Option<Silence>,
}

fn bar() -> String {
    "|".to_owned()
}

/// The names of the columns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayColumns {
    /// The item's id.
    pub item: String,
    /// Who answered. By default `annotator`, if there is such a column; a file without has one annotator, which bears
    /// the name of the entry.
    pub annotator: Option<String>,
    /// The answer; blank for a refusal.
    pub label: String,
    /// In tasks about spans: all spans of an answer as JSON, a list of objects with `start`, `end`, `label` and
    /// optionally `text` or `quote`, or of lists of start, end and label. By default `spans`, if there is such a column;
    /// a file without has one span a row, in the columns that follow, and blanks for an answer without spans.
    pub spans: Option<String>,
    /// In tasks about tags: the tags of all tokens, as a JSON list or between blanks; `null` or `_` where the answer is
    /// silent. By default `tags`, if there is such a column; a file without has spans.
    pub tags: Option<String>,
    /// A span's first code point.
    pub start: String,
    /// One past a span's last code point.
    pub end: String,
    /// What stands there, to check the places. By default `quote`, if there is such a column.
    pub quote: Option<String>,
    /// The annotator's confidence in `[0, 1]`. By default `confidence`, if there is such a column.
    pub confidence: Option<String>,
}

impl Default for ReplayColumns {
    fn default() -> Self {
        Self {
            item: "item".into(),
            annotator: None,
            label: "label".into(),
            spans: None,
            tags: None,
            start: "start".into(),
            end: "end".into(),
            quote: None,
            confidence: None,
        }
    }
}

/// What is stored of one answer; the labels are classes of the task.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    Class(Class),
    Set(Box<[Class]>),
    Refused,
    Malformed(Box<str>),
}

/// The answers of all annotators of a file.
struct Answers {
    file: PathBuf,
    /// The number of each item that has an answer.
    items: HashMap<Box<str>, u32>,
    /// How many rows could not be read, and what was wrong with the first.
    bad: Option<(usize, String)>,
}

struct StoredAnswer {
    item: u32,
    line: u64,
    stored: Stored,
    confidence: Option<f32>,
}

/// One annotator of a file of stored answers.
///
/// An item gets as many annotations as it has answers in the file, in the file's order: none, one, or several. A blank
/// label is [`Status::Refused`]; a label that the task does not have is [`Status::Malformed`], with its line.
pub struct ReplayAnnotator {
    identity: AnnotatorIdentity,
    shared: Arc<Answers>,
    /// Sorted by item; within an item in the file's order.
    answers: Vec<StoredAnswer>,
    /// Whether the answer's item has been among the items, one flag per answer.
    met: Vec<bool>,
    labels: Vec<Name>,
    kind: TaskKind,
}

impl ReplayAnnotator {
    /// Reads the file and splits it by annotator, in the order in which they first appear.
    ///
    /// # Errors
    /// A file that cannot be read, a missing column, no answers at all.
    pub fn open(spec: &ReplaySpec, task: &Task, folder: &Path) -> Result<Vec<Self>> {
        if spec.separator.is_empty() {
            return Err(Error::task(format!("replay `{}`: expected a `separator`, found none", spec.name)));
        }
        let ReplayColumns { item, annotator, label, confidence, .. } = &spec.columns;
        let mut needed: Vec<&str> = vec![item, label];
        needed.extend(annotator.as_deref().into_iter().chain(confidence.as_deref()));
        let table = Table::open(&folder.join(&spec.path), &spec.path, &needed, &["annotator", "confidence"])?;
        let annotator = annotator.as_deref().unwrap_or("annotator");
        let named = table.has(annotator);
        let columns = [item, label, annotator, confidence.as_deref().unwrap_or("confidence")];
        let mut items: HashMap<Box<str>, u32> = HashMap::new();
        let mut numbers: HashMap<Box<str>, usize> = HashMap::new();
        let mut annotators: Vec<(Box<str>, Vec<StoredAnswer>)> = Vec::new();
        let mut bad: Option<(usize, String)> = None;
        let note_bad = |bad: &mut Option<(usize, String)>, line: u64, reason: &str| {
            let first = || (0, format!("{}:{line}: {reason}", spec.path.display()));
            bad.get_or_insert_with(first).0 += 1;
        };
        let mut unread = Vec::new();
        table.each(
            &columns,
            |row| {
                let (item, name) = (row.value(0), row.value(2));
                if item.is_empty() {
                    note_bad(&mut bad, row.line, "expected an item, found none");
                    return Ok(());
                }
                let next = annotators.len();
                let number = *numbers.entry(name.into()).or_insert(next);
                if number == next {
                    annotators.push((name.into(), Vec::new()));
                }
                let next = items.len() as u32;
                let item = match items.get(item) {
                    Some(&item) => item,
                    None => *items.entry(item.into()).or_insert(next),
                };
                let (stored, confidence) = read(row.value(1), row.value(3), spec, task);
                annotators[number].1.push(StoredAnswer { item, line: row.line, stored, confidence });
                Ok(())
            },
            |line, reason| {
                unread.push((line, reason.to_owned()));
                Ok(())
            },
        )?;
        for (line, reason) in &unread {
            note_bad(&mut bad, *line, reason);
        }
        if annotators.is_empty() {
            return Err(Error::input("expected at least one answer, found none").in_file(&spec.path));
        }
        let mut ids: Vec<&str> = vec![""; items.len()];
        for (id, &number) in &items {
            ids[number as usize] = id;
        }
        let versions: Vec<Digest> = annotators.iter().map(|(_, answers)| version(answers, &ids, task)).collect();
        let shared = Arc::new(Answers { file: spec.path.clone(), items, bad });
        Ok(annotators
            .into_iter()
            .zip(versions)
            .map(|((name, mut answers), version)| {
                answers.sort_by_key(|answer| answer.item);
                let name =
                    if !named || name.trim().is_empty() { spec.name.clone() } else { format!("{}/{name}", spec.name) };
                Self {
                    identity: AnnotatorIdentity { name: name.into(), kind: AnnotatorKind::Replay, version },
                    shared: Arc::clone(&shared),
                    met: vec![false; answers.len()],
                    answers,
                    labels: task.labels.names().cloned().collect(),
                    kind: task.kind,
                }
            })
            .collect())
    }

    /// How many stored answers are about items that have not been among the batches so far.
    pub fn unmet(&self) -> usize {
        self.met.iter().filter(|&&met| !met).count()
    }

    fn annotation(&self, items: &ItemBatch, row: usize, answer: &StoredAnswer) -> Annotation {
        let (item, content, version) = (items.id(row).into(), items.digest(row), self.identity.version);
        let label = |&class: &Class| self.labels[usize::from(class)].clone();
        let failed = |status, reason: &str| {
            let place = format!("{}:{}: {reason}", self.shared.file.display(), answer.line);
            Annotation::without_answer(items.id(row).into(), content, version, status, place)
        };
        let said = match &answer.stored {
            Stored::Refused => return failed(Status::Refused, "the label is blank"),
            Stored::Malformed(reason) => return failed(Status::Malformed, reason),
            Stored::Class(class) if self.kind == TaskKind::Multilabel => Answer::Set { labels: vec![label(class)] },
            Stored::Class(class) => Answer::of_label(self.kind, label(class)),
            Stored::Set(classes) => Answer::Set { labels: classes.iter().map(label).collect() },
        };
        Annotation { confidence: answer.confidence, ..Annotation::new(item, content, version, said) }
    }
}

impl Annotator for ReplayAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let mut annotations = Vec::new();
        for row in 0..items.len() {
            let Some(&item) = self.shared.items.get(items.id(row)) else { continue };
            let first = self.answers.partition_point(|answer| answer.item < item);
            for place in first..self.answers.len() {
                if self.answers[place].item != item {
                    break;
                }
                self.met[place] = true;
                annotations.push(self.annotation(items, row, &self.answers[place]));
            }
        }
        Ok(annotations)
    }

    fn pass_over(&mut self, items: &ItemBatch, rows: &[usize]) {
        for &row in rows {
            let Some(&item) = self.shared.items.get(items.id(row)) else { continue };
            let first = self.answers.partition_point(|answer| answer.item < item);
            let last = self.answers.partition_point(|answer| answer.item <= item);
            self.met[first..last].fill(true);
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some((rows, first)) = &self.shared.bad {
            warnings.push(format!("rows of stored answers that could not be read: {rows}, the first: {first}"));
        }
        let unmet = self.unmet();
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

/// Reads one answer.
fn read(label: &str, confidence: &str, spec: &ReplaySpec, task: &Task) -> (Stored, Option<f32>) {
    let stored = read_label(label, &spec.separator, task.kind, &task.labels);
    let confidence = confidence.trim();
    if confidence.is_empty() {
        return (stored, None);
    }
    let Some(value) = confidence.parse().ok().filter(|value| (0.0..=1.0).contains(value)) else {
        let reason = format!("expected a confidence between 0 and 1, found `{confidence}`");
        return (Stored::Malformed(reason.into()), None);
    };
    (stored, Some(value))
}

fn read_label(label: &str, separator: &str, kind: TaskKind, labels: &LabelSet) -> Stored {
    let class = |name: &str| {
        // Labels are taken as they stand first: a label may itself have spaces around it.
        labels.class(name).or_else(|| labels.class(name.trim())).ok_or_else(|| {
            Stored::Malformed(match labels.expect(name) {
                Err(error) => error.to_string().into(),
                Ok(_) => format!("expected a label, found `{name}`").into(),
            })
        })
    };
    if label.trim().is_empty() {
        return Stored::Refused;
    }
    if kind != TaskKind::Multilabel || labels.class(label).is_some() {
        return class(label).map_or_else(|malformed| malformed, Stored::Class);
    }
    let mut classes = Vec::new();
    for name in label.split(separator).filter(|name| !name.trim().is_empty()) {
        match class(name) {
            Ok(class) if classes.contains(&class) => {}
            Ok(class) => classes.push(class),
            Err(malformed) => return malformed,
        }
    }
    Stored::Set(classes.into())
}

/// The digest of one annotator's answers in the file's order; lines are not part of it, so a file may be re-sorted by
/// annotator or get a comment column without new versions.
fn version(answers: &[StoredAnswer], ids: &[&str], task: &Task) -> Digest {
    let mut bytes = Vec::new();
    let text = |text: &[u8], bytes: &mut Vec<u8>| {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text);
    };
    text(READING, &mut bytes);
    text(task.kind.name().as_bytes(), &mut bytes);
    for answer in answers {
        text(ids[answer.item as usize].as_bytes(), &mut bytes);
        match &answer.stored {
            Stored::Class(class) => {
                bytes.push(1);
                text(task.labels.name(*class).as_bytes(), &mut bytes);
            }
            Stored::Set(classes) => {
                bytes.push(2);
                bytes.extend((classes.len() as u32).to_le_bytes());
                classes.iter().for_each(|&class| text(task.labels.name(class).as_bytes(), &mut bytes));
            }
            Stored::Refused => bytes.push(3),
            Stored::Malformed(reason) => {
                bytes.push(4);
                text(reason.as_bytes(), &mut bytes);
            }
        }
        bytes.extend(answer.confidence.unwrap_or(-1.0).to_le_bytes());
    }
    Digest::of(&bytes)
}
