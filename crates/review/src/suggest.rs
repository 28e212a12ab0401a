//! What the last run would answer: read from its labels, kept in a file of its own with an order by doubt in memory.

mod records;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch, StringArray};
use postil_core::table::{TableOptions, TableReader};
use postil_core::{Answer, Error, Link, Name, Result, Span, Task, TaskKind};
use serde_json::Value;

use crate::Workplace;
use crate::items::{Items, key_of};
use crate::wire::Suggestion;

/// Stands for an item without a suggestion.
const NONE: u64 = u64::MAX;

/// The suggestions of the last run, by the position of the item.
pub(crate) struct Suggestions {
    file: Arc<File>,
    /// Whether they are a run's, and not of a model that learns as people work.
    of_run: bool,
    places: Vec<(u64, u32)>,
    confidences: Vec<f32>,
    /// The positions of items with a suggestion, in the order of the items.
    pub(crate) given: Vec<u32>,
    /// The same, the least certain first.
    pub(crate) doubtful: Vec<u32>,
    /// Why the least certain are so, where something newer than the run says so.
    pub(crate) reason: Option<String>,
}

impl Suggestions {
    fn none(place: &Workplace) -> Result<Self> {
        let file = tempfile::tempfile_in(&place.ledger)
            .map_err(|error| Error::io(format!("a file for suggestions cannot be made: {error}"), error))?;
        let (places, confidences, given, doubtful) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { file: Arc::new(file), of_run: true, places, confidences, given, doubtful, reason: None })
    }

    /// Reads the last run's labels, if there are any; all items must have been read.
    pub(crate) fn read(place: &Workplace, items: &Items) -> Result<Self> {
        let mut suggestions = Self::none(place)?;
        let index = items.index();
        let mut keep = Keep::new(&mut suggestions);
        let mut add = |id: &str, suggestion: &Suggestion| match index.position(key_of(id)) {
            Some(position) => keep.add(position, suggestion),
            None => Ok(()),
        };
        let (table, lines) = (place.output.join("labels.parquet"), place.output.join("labels.jsonl"));
        let marks = matches!(place.task.kind, TaskKind::Tag | TaskKind::Spans);
        if marks && lines.exists() {
            let file = File::open(&lines)
                .map_err(|error| Error::io(format!("cannot be read: {error}"), error).in_file(&lines))?;
            for line in BufReader::new(file).lines() {
                let line =
                    line.map_err(|error| Error::io(format!("cannot be read: {error}"), error).in_file(&lines))?;
                if let Some((id, suggestion)) = of_line(&line, place) {
                    add(&id, &suggestion)?;
                }
            }
        } else if !marks && table.exists() {
            let mut reader = TableReader::open(&table, &TableOptions::default())?;
            while let Some(chunk) = reader.next_chunk()? {
                let add = |id: &str, suggestion: Suggestion| add(id, &suggestion);
                match place.task.labels.schema() {
                    Some(schema) => records::of_table(&chunk.batch, schema, add)?,
                    None => of_table(&chunk.batch, &place.task, add)?,
                }
            }
        }
        keep.finish()?;
        suggestions.sort();
        Ok(suggestions)
    }

    /// The same with the doubts of a newer model about these items; where no run has suggested anything, its suggestions.
    pub(crate) fn renewed(
        place: &Workplace,
        old: Option<&Self>,
        made: Vec<(u32, Suggestion)>,
        reason: String,
    ) -> Result<Self> {
        let mut new = match old {
            Some(old) if old.are_of_run() => {
                let (places, confidences) = (old.places.clone(), vec![f32::INFINITY; old.places.len()]);
                let (file, given, doubtful) = (old.file.clone(), Vec::new(), Vec::new());
                let mut new = Self { file, of_run: true, places, confidences, given, doubtful, reason: None };
                for (position, suggestion) in made {
                    if let Some(confidence) = new.confidences.get_mut(position as usize) {
                        *confidence = suggestion.confidence.unwrap_or(1.0);
                    }
                }
                new
            }
            _ => {
                let mut new = Self { of_run: false, ..Self::none(place)? };
                let mut keep = Keep::new(&mut new);
                made.iter().try_for_each(|(position, suggestion)| keep.add(*position, suggestion))?;
                keep.finish()?;
                new
            }
        };
        new.sort();
        new.reason = Some(reason);
        Ok(new)
    }

    fn sort(&mut self) {
        self.given = (0..self.places.len() as u32).filter(|&at| self.places[at as usize].0 != NONE).collect();
        self.doubtful.clone_from(&self.given);
        let confidences = &self.confidences;
        self.doubtful.sort_by(|&left, &right| {
            confidences[left as usize].total_cmp(&confidences[right as usize]).then(left.cmp(&right))
        });
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Whether there are some, and they are a run's.
    pub(crate) fn are_of_run(&self) -> bool {
        self.of_run && !self.is_empty()
    }

    /// How sure the run was of the item at a position.
    pub(crate) fn confidence(&self, position: u32) -> Option<f32> {
        self.places.get(position as usize).filter(|(at, _)| *at != NONE)?;
        self.confidences.get(position as usize).copied()
    }

    /// The suggestion for the item at a position.
    pub(crate) fn get(&self, position: u32) -> Option<Suggestion> {
        let (at, length) = *self.places.get(position as usize).filter(|(at, _)| *at != NONE)?;
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, at).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

struct Keep<'k> {
    into: &'k mut Suggestions,
    start: u64,
    end: u64,
    bytes: Vec<u8>,
}

impl<'k> Keep<'k> {
    fn new(into: &'k mut Suggestions) -> Self {
        Self { into, start: 0, end: 0, bytes: Vec::new() }
    }

    fn add(&mut self, position: u32, suggestion: &Suggestion) -> Result<()> {
        let position = position as usize;
        if self.into.places.len() <= position {
            self.into.places.resize(position + 1, (NONE, 0));
            self.into.confidences.resize(position + 1, 1.0);
        }
        let before = self.bytes.len();
        serde_json::to_writer(&mut self.bytes, suggestion)
            .map_err(|error| Error::io("a suggestion cannot be kept", error.into()))?;
        let length = self.bytes.len() - before;
        self.into.places[position] = (self.end, length as u32);
        self.into.confidences[position] = suggestion.confidence.unwrap_or(1.0);
        self.end += length as u64;
        if self.bytes.len() > 1 << 20 { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<()> {
        self.into
            .file
            .write_all_at(&self.bytes, self.start)
            .map_err(|error| Error::io(format!("suggestions cannot be kept: {error}"), error))?;
        self.bytes.clear();
        self.start = self.end;
        Ok(())
    }
}

/// A line of a run over texts.
fn of_line(line: &str, place: &Workplace) -> Option<(String, Suggestion)> {
    let row: Value = serde_json::from_str(line).ok()?;
    let id = row["id"].as_str()?.to_owned();
    let floats = |value: &Value| -> Option<Vec<Option<f32>>> {
        Some(value.as_array()?.iter().map(|one| one.as_f64().map(|one| one as f32)).collect())
    };
    let (answer, confidences) = if place.task.kind == TaskKind::Tag {
        let tags = row["layers"][place.layer.as_deref().unwrap_or("tag")].as_array()?;
        let tags = tags.iter().map(|tag| tag.as_str().map(Name::from)).collect::<Option<Vec<Name>>>()?;
        (Answer::Tags { tags }, floats(&row["confidence"]))
    } else {
        let rows = row["spans"].as_array()?;
        let spans = rows.iter().map(|span| serde_json::from_value::<Span>(span.clone()).ok());
        let sure = rows.iter().map(|span| span["confidence"].as_f64().map(|sure| sure as f32)).collect();
        let spans: Vec<Span> = spans.collect::<Option<_>>()?;
        let links: Vec<Link> = serde_json::from_value(row["links"].clone()).unwrap_or_default();
        let there = |link: &Link| (link.from as usize) < spans.len() && (link.to as usize) < spans.len();
        let links = links.into_iter().filter(|link| there(link)).collect();
        (Answer::Spans { spans, links }, Some(sure))
    };
    let least = confidences.iter().flatten().flatten().copied().min_by(f32::total_cmp);
    let confidence = least.or_else(|| row["confidence"].as_f64().map(|sure| sure as f32));
    Some((id, Suggestion { answer, source: "the last run".to_owned(), confidence, confidences, evidence: None }))
}

/// The rows of a run over whole items.
fn of_table(batch: &RecordBatch, task: &Task, mut keep: impl FnMut(&str, Suggestion) -> Result<()>) -> Result<()> {
    let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let sure = |name: &str| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float32Type>());
    let (Some(ids), Some(labels)) = (text("id"), text("label")) else {
        return Err(Error::input("expected the columns `id` and `label` in the last run's labels, found others"));
    };
    let (confidences, sources) = (sure("confidence"), text("source"));
    let each: Vec<_> = if task.kind == TaskKind::Multilabel {
        task.labels.names().map(|name| sure(&format!("p_{name}"))).collect()
    } else {
        Vec::new()
    };
    for row in 0..batch.num_rows() {
        let Some(answer) = labelled(labels.value(row), task) else { continue };
        let source = sources.map_or("run", |sources: &StringArray| sources.value(row));
        let source = if source == "student" { "model" } else { source };
        let per_label = each.iter().map(|column| column.map(|column| column.value(row)));
        let suggestion = Suggestion {
            answer,
            source: source.to_owned(),
            confidence: confidences.filter(|column| column.is_valid(row)).map(|column| column.value(row)),
            confidences: (!each.is_empty()).then(|| per_label.collect()),
            evidence: None,
        };
        keep(ids.value(row), suggestion)?;
    }
    Ok(())
}

/// The answer that a written label stands for; `None` for a label that the task no longer has.
pub(crate) fn labelled(label: &str, task: &Task) -> Option<Answer> {
    let name = |label: &str| task.labels.class(label).map(|class| task.labels.name(class).clone());
    match task.kind {
        TaskKind::Multilabel if label.is_empty() => Some(Answer::Set { labels: Vec::new() }),
        TaskKind::Multilabel => Some(Answer::Set { labels: label.split('|').map(name).collect::<Option<_>>()? }),
        TaskKind::Ordinal => Some(Answer::Ordinal { label: name(label)?, score: None }),
        TaskKind::Pairs => {
            Some(Answer::Preference { choice: serde_json::from_value(label.into()).ok()?, orders: None })
        }
        _ => Some(Answer::Class { label: name(label)? }),
    }
}
