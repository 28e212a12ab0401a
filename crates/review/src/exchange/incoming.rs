//! Answers taken over from other tools.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use postil_core::formats::{Annotations, DocumentReader, ReadOptions};
use postil_core::{Answer, Digest, Document, Error, Result, TaskKind};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Line, known_format, unreadable};
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
    /// Texts that nobody has annotated.
    blank: usize,
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
        let mut reader = DocumentReader::open(path, &options).map_err(|error| of_file(&error, path))?;
        let source = reader.report().format.name().to_owned();
        while let Some(document) = reader.next_document().map_err(|error| of_file(&error, path))? {
            let item = if document.id.is_empty() { excerpt(&document.text) } else { document.id.to_string() };
            match self.arrival(document, &person) {
                Ok(Some(arrival)) => waiting.push(arrival),
                Ok(None) => done.blank += 1,
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
        let marks = matches!(task.kind, TaskKind::Spans | TaskKind::Tag);
        let (spans, labels) = (!document.spans.is_empty() || !document.layers.is_empty(), !document.labels.is_empty());
        // Marks of another kind of task are no empty answer to this one.
        if marks && labels && !spans {
            return Err(Error::task("expected marks in the text, found labels of the whole text"));
        }
        if !marks && spans && !labels {
            return Err(Error::task("expected labels of the whole text, found marks in it"));
        }
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
}

/// The first words of a text without an id.
fn excerpt(text: &str) -> String {
    const LENGTH: usize = 40;
    let mut words: String = text.chars().take(LENGTH).collect();
    if text.chars().nth(LENGTH).is_some() {
        words.push('…');
    }
    words
}

/// Why a file cannot be read, for somebody who sees a page and neither our copy of the file nor a command.
fn of_file(error: &Error, path: &Path) -> Failure {
    let words = error.to_string().replacen(&path.display().to_string(), "the file", 1);
    let words = words.strip_prefix("the file:").map(|rest| format!("line {rest}")).unwrap_or(words);
    let failure =
        if error.is_input() || error.is_task() { Failure::invalid(words) } else { Failure::unavailable(words) };
    failure.hint("name the tool that wrote it under From")
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
