//! Answers written for other tools.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::formats::{DocumentWriter, Format, WriteOptions};
use postil_core::table::TableWriter;
use postil_core::{Answer, Document, Error, Layer, Name, Result};
use serde_json::{Map, Value, json};

use super::{Line, known_format, unreadable, unwritable};
use crate::failure::{Failure, Outcome};
use crate::items::key_of;
use crate::record::Entry;
use crate::room::Room;

/// Rows of a table written in one step.
const SLICE: usize = 1000;

impl Room {
    /// Writes what people said in a format; the file's name ends as its format wants.
    pub(crate) fn export(&self, format: &str, path: &Path) -> Outcome<()> {
        let said = self.said();
        match format {
            "jsonl" => self.write_lines(&said, path),
            "csv" => write_table(&said, path),
            other => self.write_documents(&said, known_format(other)?, path),
        }
    }

    /// The answers that count, in the order of the items and the people.
    fn said(&self) -> Vec<(Name, Entry)> {
        let desks = self.desks();
        let index = self.items.index();
        let mut said: Vec<(u32, Name, Entry)> = Vec::new();
        for hand in &desks.hands {
            let entries = hand.entries.iter().filter(|entry| !entry.gone && hand.counts(entry));
            said.extend(
                entries
                    .filter_map(|entry| Some((index.position(key_of(&entry.item))?, hand.name.clone(), entry.clone()))),
            );
        }
        said.sort_by(|left, right| (left.0, &left.1, left.2.seq).cmp(&(right.0, &right.1, right.2.seq)));
        said.into_iter().map(|(_, name, entry)| (name, entry)).collect()
    }

    fn text_of(&self, entry: &Entry) -> Result<String> {
        let stored = self.items.of(key_of(&entry.item))?;
        Ok(stored.map(|stored| stored.text().to_owned()).unwrap_or_default())
    }

    fn write_lines(&self, said: &[(Name, Entry)], path: &Path) -> Outcome<()> {
        let mut out = BufWriter::new(File::create(path).map_err(|error| unwritable(&error))?);
        for (name, entry) in said {
            let line = Line {
                item: entry.item.to_string(),
                annotator: name.to_string(),
                status: entry.status,
                said: entry.answer.clone(),
                note: entry.remark.note.clone(),
                evidence: entry.remark.evidence.clone(),
                decides: entry.desk.judges(),
                at_millis: entry.at,
                millis: entry.millis,
                suggestion_shown: entry.shown,
                inclusion_probability: entry.probability,
                text: self.text_of(entry)?,
            };
            serde_json::to_writer(&mut out, &line).map_err(|error| unwritable(&error.into()))?;
            out.write_all(b"\n").map_err(|error| unwritable(&error))?;
        }
        out.flush().map_err(|error| unwritable(&error))
    }

    fn write_documents(&self, said: &[(Name, Entry)], format: Format, path: &Path) -> Outcome<()> {
        let people: Vec<&Name> = said.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().into_iter().collect();
        let mut writer = DocumentWriter::create(path, format, &WriteOptions::default())?;
        for (number, (name, entry)) in said.iter().enumerate() {
            let mut document = Document::from_text(&*entry.item, self.text_of(entry)?);
            match entry.answer.clone() {
                Some(Answer::Class { label } | Answer::Ordinal { label, .. }) => document.labels = vec![label],
                Some(Answer::Set { labels }) => document.labels = labels,
                Some(Answer::Spans { spans, links }) => (document.spans, document.links) = (spans, links),
                Some(Answer::Tags { tags }) => {
                    document.tokenize(self.place.columns.tokenizer);
                    let layer = self.place.layer.as_deref().unwrap_or("tag");
                    document.layers.push(Layer { name: layer.into(), tags });
                }
                Some(other) => {
                    return Err(Failure::invalid(format!(
                        "expected answers that {format} can hold, found {}",
                        other.kind_name()
                    ))
                    .hint("take `jsonl` or `csv`"));
                }
                None => {}
            }
            let verdict = if entry.answer.is_some() { "accept" } else { "ignore" };
            document.meta.insert("answer".to_owned(), verdict.into());
            match format {
                Format::LabelStudio => {
                    let person = people.binary_search(&name).unwrap_or(0) + 1;
                    let by = json!({ "id": person, "first_name": &**name });
                    let annotation =
                        json!({ "id": number + 1, "completed_by": by, "lead_time": entry.millis as f64 / 1000.0 });
                    document.meta.insert("annotation".to_owned(), annotation);
                }
                Format::Prodigy => {
                    document.meta.insert("_annotator_id".to_owned(), (&**name).into());
                    document.meta.insert("_timestamp".to_owned(), (entry.at / 1000).into());
                }
                _ => drop(document.meta.insert("annotator".to_owned(), (&**name).into())),
            }
            writer.write(&document)?;
        }
        writer.finish()?;
        if format == Format::LabelStudio { join_tasks(path) } else { Ok(()) }
    }
}

fn write_table(said: &[(Name, Entry)], path: &Path) -> Outcome<()> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let schema = Arc::new(Schema::new(vec![
        text("item"),
        text("annotator"),
        text("label"),
        text("status"),
        text("note"),
        Field::new("decides", DataType::Boolean, false),
        Field::new("suggestion_shown", DataType::Boolean, false),
        Field::new("inclusion_probability", DataType::Float64, true),
        Field::new("at_millis", DataType::Int64, false),
        Field::new("millis", DataType::Int64, false),
    ]));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    for slice in said.chunks(SLICE) {
        let strings = |of: &dyn Fn(&(Name, Entry)) -> Option<String>| -> ArrayRef {
            Arc::new(slice.iter().map(of).collect::<StringArray>())
        };
        let columns: Vec<ArrayRef> = vec![
            strings(&|one| Some(one.1.item.to_string())),
            strings(&|one| Some(one.0.to_string())),
            strings(&|one| one.1.answer.as_ref().map(in_a_cell)),
            strings(&|one| serde_json::to_value(one.1.status).ok()?.as_str().map(str::to_owned)),
            strings(&|one| one.1.remark.note.clone()),
            Arc::new(slice.iter().map(|one| Some(one.1.desk.judges())).collect::<BooleanArray>()),
            Arc::new(slice.iter().map(|one| Some(one.1.shown)).collect::<BooleanArray>()),
            Arc::new(slice.iter().map(|one| one.1.probability).collect::<Float64Array>()),
            Arc::new(slice.iter().map(|one| Some(one.1.at)).collect::<Int64Array>()),
            Arc::new(slice.iter().map(|one| Some(one.1.millis as i64)).collect::<Int64Array>()),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|error| Error::input("the answers do not fit their table").because(error))?;
        writer.write(&batch)?;
    }
    Ok(writer.finish()?)
}

/// An answer in a cell of a table, as `postil run` reads it: `a|b` for sets, JSON where a cell cannot hold it otherwise.
fn in_a_cell(answer: &Answer) -> String {
    match answer {
        Answer::Class { label } | Answer::Ordinal { label, .. } => label.to_string(),
        Answer::Set { labels } if labels.is_empty() => "[]".to_owned(),
        Answer::Set { labels } => labels.iter().map(|label| &**label).collect::<Vec<_>>().join("|"),
        Answer::Preference { choice, .. } => {
            serde_json::to_value(choice).ok().and_then(|choice| choice.as_str().map(str::to_owned)).unwrap_or_default()
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// One task for each item, with the annotations of all people.
fn join_tasks(path: &Path) -> Outcome<()> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    let tasks: Vec<Map<String, Value>> = serde_json::from_str(&text)
        .map_err(|error| Failure::unavailable(format!("the tasks cannot be joined: {error}")))?;
    let mut joined: Vec<Map<String, Value>> = Vec::with_capacity(tasks.len());
    for mut task in tasks {
        let same = joined.last_mut().filter(|last| last["data"] == task["data"]);
        match (same, task.get_mut("annotations").map(Value::take)) {
            (Some(last), Some(Value::Array(further))) => {
                if let Some(annotations) = last.get_mut("annotations").and_then(Value::as_array_mut) {
                    annotations.extend(further);
                }
            }
            (_, annotations) => {
                task.insert("annotations".to_owned(), annotations.unwrap_or_default());
                task.insert("id".to_owned(), (joined.len() + 1).into());
                joined.push(task);
            }
        }
    }
    let text = serde_json::to_string(&joined).unwrap_or_default();
    std::fs::write(path, text).map_err(|error| unwritable(&error))
}
