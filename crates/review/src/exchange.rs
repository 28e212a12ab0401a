//! Answers from other tools and for them.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::formats::{Annotations, DocumentReader, DocumentWriter, Format, ReadOptions, WriteOptions};
use postil_core::table::TableWriter;
use postil_core::{Answer, Digest, Document, Error, Layer, Name, Result, TaskKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::check::Question;
use crate::failure::{Failure, Outcome};
use crate::items::{Key, key_of};
use crate::now_millis;
use crate::people::check_name;
use crate::record::{Desk, Entry, Remark, meaning};
use crate::room::{Caller, Room};
use crate::wire::{ClientId, Evidence, Queue, Said};

/// Answers stored in one step of an import.
const SLICE: usize = 1000;
/// Remarks that are listed.
const MOST_REMARKS: usize = 50;

/// What was taken over.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Imported {
    answers: usize,
    known: usize,
    unmatched: usize,
    refused: usize,
    people: BTreeSet<String>,
    remarks: Vec<String>,
}

impl Imported {
    fn refuse(&mut self, item: &str, reason: impl std::fmt::Display) {
        self.refused += 1;
        if self.remarks.len() < MOST_REMARKS {
            self.remarks.push(format!("item `{item}`: {reason}"));
        }
    }
}

/// A line of Postil's own form.
#[derive(Serialize, Deserialize)]
struct Line {
    item: String,
    annotator: String,
    status: Said,
    said: Option<Answer>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    evidence: Option<Evidence>,
    #[serde(default)]
    decides: bool,
    #[serde(default)]
    at_millis: i64,
    #[serde(default)]
    millis: u64,
    #[serde(default)]
    suggestion_shown: bool,
    #[serde(default)]
    inclusion_probability: Option<f64>,
    #[serde(default)]
    text: String,
}

/// An answer on its way in.
struct Arrival {
    person: String,
    item: String,
    text: String,
    status: Said,
    answer: Option<Answer>,
    note: Option<String>,
    evidence: Option<Evidence>,
    at: i64,
    millis: u64,
    shown: bool,
}

fn format_of(name: &str) -> Option<Format> {
    matches!(name, "label-studio" | "doccano" | "prodigy").then(|| Format::from_name(name)).flatten()
}

impl Room {
    /// Takes over people's answers from a file of another tool.
    pub(crate) fn import(&self, caller: &Caller, path: &Path, format: &str, person: Option<&str>) -> Outcome<Imported> {
        let person = check_name(person.unwrap_or(&caller.name))?.to_owned();
        self.items.wait(std::time::Duration::from_mins(5), |_| false);
        let mut done = Imported::default();
        let mut by_text = None;
        let mut waiting: Vec<Arrival> = Vec::new();
        let own = format == "jsonl" || format == "auto" && is_own(path)?;
        if own {
            let file = File::open(path).map_err(|error| unreadable(&error))?;
            for (number, line) in BufReader::new(file).lines().enumerate() {
                let line = line.map_err(|error| unreadable(&error))?;
                if line.trim().is_empty() {
                    continue;
                }
                match serde_json::from_str::<Line>(&line) {
                    Ok(line) => waiting.push(Arrival {
                        person: line.annotator,
                        item: line.item,
                        text: line.text,
                        status: line.status,
                        answer: line.said,
                        note: line.note,
                        evidence: line.evidence,
                        at: line.at_millis,
                        millis: line.millis,
                        shown: line.suggestion_shown,
                    }),
                    Err(error) => done.refuse(&format!("line {}", number + 1), error),
                }
                if waiting.len() >= SLICE {
                    self.take_over(std::mem::take(&mut waiting), "postil", &mut by_text, &mut done)?;
                }
            }
            self.take_over(waiting, "postil", &mut by_text, &mut done)?;
            return Ok(done);
        }
        let wanted = if format == "auto" { None } else { Some(known_format(format)?) };
        let options = ReadOptions {
            format: wanted,
            annotations: Annotations::All,
            distinct_ids: false,
            ..ReadOptions::default()
        };
        let mut reader = DocumentReader::open(path, &options)?;
        let source = reader.report().format.name().to_owned();
        while let Some(document) = reader.next_document()? {
            let item = document.id.to_string();
            match self.arrival(document, &person) {
                Ok(Some(arrival)) => waiting.push(arrival),
                Ok(None) => {}
                Err(error) => done.refuse(&item, error),
            }
            if waiting.len() >= SLICE {
                self.take_over(std::mem::take(&mut waiting), &source, &mut by_text, &mut done)?;
            }
        }
        self.take_over(waiting, &source, &mut by_text, &mut done)?;
        let remarks = reader.report().remarks.list();
        done.remarks.extend(remarks.iter().take(MOST_REMARKS).map(|one| format!("{} {}", one.count, one.words)));
        Ok(done)
    }

    /// What a document says; `None` if nobody has annotated it.
    fn arrival(&self, document: Document, person: &str) -> Result<Option<Arrival>> {
        let verdict = document.meta.get("answer").and_then(Value::as_str).unwrap_or("accept").to_owned();
        if verdict == "missing" {
            return Ok(None);
        }
        let annotation = document.meta.get("annotation");
        let seconds = annotation.and_then(|one| one.get("lead_time")).and_then(Value::as_f64).unwrap_or(0.0);
        let stamp = document.meta.get("_timestamp").and_then(Value::as_f64).unwrap_or(0.0);
        let person = annotator_of(&document.meta).unwrap_or_else(|| person.to_owned());
        let answer = if verdict == "accept" { Some(self.answer_of(&document)?) } else { None };
        Ok(Some(Arrival {
            person,
            item: document.id.to_string(),
            status: match verdict.as_str() {
                "accept" => Said::Answered,
                "reject" => Said::Flagged,
                _ => Said::Skipped,
            },
            note: (verdict == "reject").then(|| "rejected".to_owned()),
            text: document.text,
            answer,
            evidence: None,
            at: (stamp * 1000.0) as i64,
            millis: (seconds * 1000.0) as u64,
            shown: false,
        }))
    }

    fn answer_of(&self, document: &Document) -> Result<Answer> {
        let task = &self.place.task;
        let one = || match document.labels.as_slice() {
            [label] => Ok(label.clone()),
            other => Err(Error::task(format!("expected one label, found {}", other.len()))),
        };
        match task.kind {
            TaskKind::Classify => Ok(Answer::Class { label: one()? }),
            TaskKind::Ordinal => Ok(Answer::Ordinal { label: one()?, score: None }),
            TaskKind::Multilabel => Ok(Answer::Set { labels: document.labels.clone() }),
            TaskKind::Spans => Ok(Answer::Spans { spans: document.spans.clone(), links: document.links.clone() }),
            TaskKind::Tag => {
                let named = self.place.layer.as_deref().unwrap_or("tag");
                match document.layers.iter().find(|layer| *layer.name == *named) {
                    Some(layer) => Ok(Answer::Tags { tags: layer.tags.clone() }),
                    None => Ok(Answer::spans(document.spans.clone())),
                }
            }
            TaskKind::Pairs | TaskKind::Extract => {
                Err(Error::task(format!("answers to `{}` tasks come in Postil's own form alone", task.kind)))
            }
        }
    }

    /// Finds the items, checks the answers, and stores those that are new.
    fn take_over(
        &self,
        arrivals: Vec<Arrival>,
        source: &str,
        by_text: &mut Option<HashMap<u64, Key>>,
        done: &mut Imported,
    ) -> Outcome<()> {
        let now = now_millis();
        let mut ready: Vec<(String, Entry)> = Vec::new();
        for arrival in arrivals {
            let mut position = self.items.index().position(key_of(&arrival.item)).filter(|_| !arrival.item.is_empty());
            if let Some(found) = position
                && !arrival.text.is_empty()
                && self.items.get(found)?.text() != arrival.text
            {
                // The other tool numbers its tasks in its own way: the text decides.
                position = None;
            }
            if position.is_none() && !arrival.text.is_empty() {
                if by_text.is_none() {
                    *by_text = Some(self.by_text()?);
                }
                let key = by_text.as_ref().and_then(|all| all.get(&Digest::of(arrival.text.as_bytes()).to_u64()));
                position = key.and_then(|&key| self.items.index().position(key));
            }
            let Some(position) = position else {
                done.unmatched += 1;
                continue;
            };
            let stored = self.items.get(position)?;
            let key = key_of(&stored.id);
            if self.desks().is_gold(key) {
                done.refuse(&stored.id, "it is blind gold, and whether this answer was given blind is not on record");
                continue;
            }
            let person = match check_name(&arrival.person) {
                Ok(name) => name.to_owned(),
                Err(error) => {
                    done.refuse(&stored.id, error);
                    continue;
                }
            };
            let question = Question::of(&self.place, &stored);
            let answer = match question.accept_with(arrival.answer, arrival.evidence.as_ref()) {
                Ok(answer) => answer,
                Err(error) => {
                    done.refuse(&stored.id, error);
                    continue;
                }
            };
            let said = answer.as_ref().map_or(0, meaning).to_le_bytes();
            let parts = [source.as_bytes(), person.as_bytes(), stored.id.as_bytes(), &said];
            let id = ClientId(u128::from_le_bytes(*Digest::of_parts(parts).as_bytes()));
            let known = {
                let mut desks = self.desks();
                let who = desks.who(&person);
                desks.hand(who).receipt(id).is_some()
            };
            if known {
                done.known += 1;
                continue;
            }
            let content = self.items.index().content(key).ok_or_else(|| Failure::unavailable("an item has gone"))?;
            ready.push((
                person,
                Entry {
                    seq: 0,
                    id,
                    desk: Desk::Label,
                    item: stored.id.as_str().into(),
                    content,
                    queue: Queue::All,
                    status: arrival.status,
                    answer,
                    remark: Remark {
                        id: Some(id),
                        queue: Some(Queue::All),
                        flagged: arrival.status == Said::Flagged,
                        note: arrival.note,
                        evidence: arrival.evidence,
                        source: Some(source.to_owned()),
                        ..Remark::default()
                    },
                    at: if arrival.at > 0 { arrival.at } else { now },
                    millis: arrival.millis,
                    shown: arrival.shown,
                    probability: None,
                    gone: false,
                },
            ));
        }
        self.store_all(ready, done)
    }

    fn store_all(&self, ready: Vec<(String, Entry)>, done: &mut Imported) -> Outcome<()> {
        let mut rows = Vec::with_capacity(ready.len());
        for (person, entry) in &ready {
            let (identity, config) = entry.desk.identity(person, self.place.task.kind);
            self.ledger.register(&identity, &config, entry.at)?;
            rows.push(entry.annotation(identity.version));
        }
        let numbers = self.ledger.append_import(rows)?;
        for ((person, mut entry), seq) in ready.into_iter().zip(numbers) {
            entry.seq = seq;
            let mut desks = self.desks();
            let who = desks.who(&person);
            // The same answer twice in one file.
            if desks.hand(who).receipt(entry.id).is_some() {
                done.known += 1;
                continue;
            }
            desks.take(who, entry);
            done.answers += 1;
            done.people.insert(person);
        }
        Ok(())
    }

    /// The items by the digest of their text.
    fn by_text(&self) -> Result<HashMap<u64, Key>> {
        let items = self.items.index().len();
        let mut all = HashMap::with_capacity(items);
        for position in 0..items as u32 {
            let stored = self.items.get(position)?;
            all.entry(Digest::of(stored.text().as_bytes()).to_u64()).or_insert_with(|| key_of(&stored.id));
        }
        Ok(all)
    }

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
        let position = self.items.index().position(key_of(&entry.item));
        position.map_or(Ok(String::new()), |position| Ok(self.items.get(position)?.text().to_owned()))
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

fn known_format(name: &str) -> Outcome<Format> {
    format_of(name).ok_or_else(|| {
        Failure::invalid(format!("expected one of `label-studio`, `doccano`, `prodigy`, `jsonl`, found `{name}`"))
    })
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

/// Whether a file is in Postil's own form.
fn is_own(path: &Path) -> Outcome<bool> {
    let mut line = String::new();
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    // Anything that is no text has another form.
    let read = BufReader::new(std::io::Read::take(file, 1 << 20)).read_line(&mut line);
    Ok(read.is_ok() && serde_json::from_str::<Map<String, Value>>(&line).is_ok_and(|line| line.contains_key("said")))
}

/// Who annotated a document, where its format says so.
fn annotator_of(meta: &Map<String, Value>) -> Option<String> {
    let by = meta.get("annotation").and_then(|annotation| annotation.get("completed_by"));
    match by {
        Some(Value::Object(person)) => {
            let name = ["username", "email", "first_name"].iter().filter_map(|key| person.get(*key)?.as_str());
            let name = name.map(str::trim).find(|name| !name.is_empty()).map(str::to_owned);
            return name.or_else(|| Some(format!("annotator {}", person.get("id")?)));
        }
        Some(Value::String(name)) => return Some(name.clone()),
        Some(Value::Number(number)) => return Some(format!("annotator {number}")),
        _ => {}
    }
    let keys = ["_annotator_id", "_session_id", "annotator", "user", "username"];
    keys.iter().find_map(|key| meta.get(*key)?.as_str().map(str::to_owned))
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

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::unavailable(format!("what was sent cannot be read: {error}"))
}

fn unwritable(error: &std::io::Error) -> Failure {
    Failure::unavailable(format!("the file cannot be written: {error}"))
}
