//! `/v1/files` and `/v1/batches`: the rows of a file are answered as requests are, in no particular order, and those
//! that fail land in a second file.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::behaviour::Behaviour;
use crate::fault::{Fault, Met, decide};
use crate::http::Request;
use crate::log::Log;
use crate::question::Digest;
use crate::respond::{Asking, Outcome, Response, dialect, respond};

/// The most rows of a batch.
const MOST_ROWS: usize = 50_000;

/// Files and batches of a server.
#[derive(Default)]
pub(crate) struct Batches {
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, Stored>,
    batches: BTreeMap<String, Batch>,
    /// Files and batches made so far.
    made: u64,
}

struct Stored {
    name: String,
    purpose: String,
    body: Vec<u8>,
}

struct Batch {
    /// The object but for what changes.
    fixed: Value,
    looks: u32,
    cancelled: bool,
    errors: Vec<Value>,
    total: usize,
    completed: usize,
    failed: usize,
    output: Option<String>,
    mistakes: Option<String>,
}

impl Shelf {
    fn shelve(&mut self, name: &str, purpose: &str, body: Vec<u8>) -> String {
        self.made += 1;
        let id = format!("file-{:06}", self.made);
        self.files.insert(id.clone(), Stored { name: name.to_owned(), purpose: purpose.to_owned(), body });
        id
    }

    fn file(&self, id: &str) -> Result<&Stored, Response> {
        self.files.get(id).ok_or_else(|| Response::error(404, "not_found", &format!("there is no file {id}")))
    }

    fn describe(&self, id: &str) -> Outcome {
        let file = self.file(id)?;
        Ok(Response::json(&json!({
            "id": id, "object": "file", "bytes": file.body.len(), "created_at": 0, "filename": file.name,
            "purpose": file.purpose, "status": "processed",
        })))
    }
}

impl Batches {
    /// Answers a request on these routes; `None` if the path is none of them.
    pub(crate) fn route(&self, behaviour: &Behaviour, log: &Log, request: &Request) -> Option<Response> {
        let path = request.path.strip_prefix("/v1/")?;
        let parts: Vec<&str> = path.split('/').collect();
        let outcome = match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["files"]) => self.upload(request),
            ("GET", ["files", id]) => self.with(|shelf| shelf.describe(id)),
            ("GET", ["files", id, "content"]) => self.with(|shelf| {
                let file = shelf.file(id)?;
                Ok(Response { body: file.body.clone(), ..Response::text("application/jsonl", String::new()) })
            }),
            ("POST", ["batches"]) => self.create(behaviour, log, &request.body),
            ("GET", ["batches"]) => self.with(|shelf| {
                let list: Vec<Value> = shelf.batches.values().map(|batch| batch.json(behaviour)).collect();
                Ok(Response::json(&json!({ "object": "list", "data": list, "has_more": false })))
            }),
            ("GET", ["batches", id]) => self.look(behaviour, id, false),
            ("POST", ["batches", id, "cancel"]) => self.look(behaviour, id, true),
            (_, ["files" | "batches", ..]) => Err(Response::error(405, "method_not_allowed", "not this method")),
            _ => return None,
        };
        Some(outcome.unwrap_or_else(|response| response))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn upload(&self, request: &Request) -> Outcome {
        let kind = request.content_type.as_deref().unwrap_or_default();
        let (mut name, mut purpose, mut body) = ("upload.jsonl".to_owned(), "batch".to_owned(), None);
        if let Some(boundary) = kind.strip_prefix("multipart/form-data").and_then(|rest| rest.split_once("boundary=")) {
            let boundary = boundary.1.split(';').next().unwrap_or_default().trim().trim_matches('"');
            for (head, content) in parts(&request.body, boundary) {
                match attribute(&head, "name").as_deref() {
                    Some("purpose") => purpose = String::from_utf8_lossy(content).into_owned(),
                    Some("file") => {
                        name = attribute(&head, "filename").unwrap_or(name);
                        body = Some(content.to_vec());
                    }
                    _ => {}
                }
            }
        } else {
            body = Some(request.body.clone());
        }
        let body = body.ok_or_else(|| Response::error(400, "missing_file", "the form has no part named `file`"))?;
        self.with(|shelf| {
            let id = shelf.shelve(&name, &purpose, body);
            shelf.describe(&id)
        })
    }

    fn create(&self, behaviour: &Behaviour, log: &Log, body: &[u8]) -> Outcome {
        let wrong = |message: &str| Response::error(400, "invalid_request", message);
        let body: Value = serde_json::from_slice(body).map_err(|_| wrong("the body is not JSON"))?;
        let input = body["input_file_id"].as_str().ok_or_else(|| wrong("`input_file_id` is missing"))?;
        let endpoint = body["endpoint"].as_str().ok_or_else(|| wrong("`endpoint` is missing"))?;
        if dialect(behaviour, endpoint).is_none() {
            return Err(wrong("there is no such endpoint"));
        }
        if body["completion_window"] != "24h" {
            return Err(wrong("`completion_window` must be \"24h\""));
        }
        let text = self.with(|shelf| shelf.file(input).map(|file| file.body.clone()))?;
        let mut batch = Batch {
            fixed: Value::Null,
            looks: 0,
            cancelled: false,
            errors: Vec::new(),
            total: 0,
            completed: 0,
            failed: 0,
            output: None,
            mistakes: None,
        };
        let rows = rows(&text, endpoint, &mut batch.errors);
        batch.total = rows.len();
        let answered = if behaviour.batches.expires { rows.len() / 2 } else { rows.len() };
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        if batch.errors.is_empty() {
            for (place, (id, body)) in rows.iter().enumerate() {
                let outcome = if place < answered { row(behaviour, log, endpoint, body) } else { None };
                let (line, failed) = line(place, id, outcome);
                if failed { &mut bad } else { &mut good }
                    .push((Digest::of(id.as_bytes()).unit(behaviour.seed, 7), line));
            }
        }
        (batch.completed, batch.failed) = (good.len(), bad.len());
        Ok(self.with(|shelf| {
            let mut shelve = |name: &str, mut lines: Vec<(f64, String)>| {
                lines.sort_by(|a, b| a.0.total_cmp(&b.0));
                let text: String = lines.into_iter().map(|(_, line)| line).collect();
                (!text.is_empty()).then(|| shelf.shelve(name, "batch_output", text.into_bytes()))
            };
            batch.output = shelve("output.jsonl", good);
            batch.mistakes = shelve("errors.jsonl", bad);
            shelf.made += 1;
            let id = format!("batch_{:06}", shelf.made);
            batch.fixed = json!({
                "id": id, "object": "batch", "endpoint": endpoint, "input_file_id": input,
                "completion_window": "24h", "created_at": 0, "metadata": body["metadata"],
            });
            let response = Response::json(&batch.json(behaviour));
            shelf.batches.insert(id, batch);
            response
        }))
    }

    fn look(&self, behaviour: &Behaviour, id: &str, cancel: bool) -> Outcome {
        self.with(|shelf| {
            let batch = shelf.batches.get_mut(id);
            let batch = batch.ok_or_else(|| Response::error(404, "not_found", &format!("there is no batch {id}")))?;
            if cancel {
                batch.cancelled |= !batch.over(behaviour);
            } else {
                batch.looks = batch.looks.saturating_add(1);
            }
            Ok(Response::json(&batch.json(behaviour)))
        })
    }
}

impl Batch {
    fn over(&self, behaviour: &Behaviour) -> bool {
        // Validating when made, then so many looks in progress, then one at finalizing.
        self.looks > behaviour.batches.looks + 1
    }

    fn json(&self, behaviour: &Behaviour) -> Value {
        let status = match self.looks {
            _ if self.cancelled => "cancelled",
            0 => "validating",
            _ if !self.errors.is_empty() => "failed",
            looks if looks <= behaviour.batches.looks => "in_progress",
            _ if !self.over(behaviour) => "finalizing",
            _ if behaviour.batches.expires => "expired",
            _ => "completed",
        };
        let share = match status {
            "in_progress" => f64::from(self.looks) / f64::from(behaviour.batches.looks + 1),
            "finalizing" | "expired" | "completed" => 1.0,
            _ => 0.0,
        };
        let part = |count: usize| (count as f64 * share) as usize;
        let ended = status == "completed" || status == "expired";
        let mut json = self.fixed.clone();
        json["status"] = status.into();
        json["request_counts"] =
            json!({ "total": self.total, "completed": part(self.completed), "failed": part(self.failed) });
        json["output_file_id"] = json!(self.output.as_ref().filter(|_| ended));
        json["error_file_id"] = json!(self.mistakes.as_ref().filter(|_| ended));
        json["errors"] = if self.errors.is_empty() || status != "failed" {
            Value::Null
        } else {
            json!({ "object": "list", "data": self.errors })
        };
        json
    }
}

/// The rows of an input file; what is wrong with it goes to `errors`.
fn rows(text: &[u8], endpoint: &str, errors: &mut Vec<Value>) -> Vec<(String, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    let lines = text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    for (number, line) in lines {
        let mut wrong = |code: &str, message: &str| {
            errors.push(json!({ "code": code, "message": message, "line": number + 1, "param": null }));
        };
        let Ok(mut row) = serde_json::from_slice::<Value>(line) else {
            wrong("invalid_json_line", "the line is not JSON");
            continue;
        };
        let Some(id) = row["custom_id"].as_str().map(str::to_owned) else {
            wrong("missing_custom_id", "the line has no `custom_id`");
            continue;
        };
        if row["method"] != "POST" || row["url"] != endpoint || !row["body"].is_object() {
            wrong("invalid_request", "expected `method` POST, the batch's endpoint as `url` and an object as `body`");
        } else if !seen.insert(id.clone()) {
            wrong("duplicate_custom_id", "this `custom_id` stands on an earlier line");
        } else {
            rows.push((id, row["body"].take().to_string().into_bytes()));
        }
    }
    if rows.len() > MOST_ROWS {
        errors.push(json!({ "code": "too_many_rows", "message": "at most 50000 rows", "line": null, "param": null }));
    }
    rows
}

/// Answers a row; `None` where a live request would have had no answer.
fn row(behaviour: &Behaviour, log: &Log, endpoint: &str, body: &[u8]) -> Option<Response> {
    let arrival = log.arrive(endpoint, body);
    let met = Met { number: arrival.number, digest: arrival.digest, attempt: arrival.attempt, body };
    let (_, fault) = decide(&behaviour.faults, &met, behaviour.seed);
    let asking = Asking { path: endpoint, body, digest: arrival.digest, attempt: arrival.attempt, fault };
    let lost = matches!(fault, Some(Fault::Hang | Fault::CutBefore | Fault::CutMiddle));
    let response = (!lost).then(|| respond(behaviour, &asking));
    let note = response.as_ref().map(|response| response.note.clone()).unwrap_or_default();
    let status = response.as_ref().map_or(0, |response| response.status);
    let mut entry = note.entry(arrival, None, endpoint, status);
    entry.fault = fault.map(Fault::to_string);
    log.done(log.ready(entry), !lost);
    response
}

/// A line of an output file, and whether it belongs among the errors.
fn line(place: usize, id: &str, outcome: Option<Response>) -> (String, bool) {
    let (response, error) = match outcome {
        None => (Value::Null, json!({ "code": "batch_expired", "message": "the request was not answered in time" })),
        Some(response) => match serde_json::from_slice::<Value>(&response.body) {
            Ok(body) => {
                let request = format!("req_{place:06}");
                (json!({ "status_code": response.status, "request_id": request, "body": body }), Value::Null)
            }
            Err(_) => (Value::Null, json!({ "code": "server_error", "message": "the answer was no JSON" })),
        },
    };
    let failed = response.is_null() || response["status_code"].as_u64().is_none_or(|status| status >= 400);
    let json = json!({ "id": format!("batch_req_{place:06}"), "custom_id": id, "response": response, "error": error });
    (format!("{json}\n"), failed)
}

/// The parts of a form: their heads and contents.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<(String, &'a [u8])> {
    let find = |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|window| window == wanted);
    let opening = format!("--{boundary}\r\n");
    let border = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    let mut rest = find(body, opening.as_bytes()).map_or(&[][..], |at| &body[at + opening.len()..]);
    while let (Some(head), Some(end)) = (find(rest, b"\r\n\r\n"), find(rest, border.as_bytes())) {
        if head + 4 <= end {
            parts.push((String::from_utf8_lossy(&rest[..head]).into_owned(), &rest[head + 4..end]));
        }
        rest = &rest[end + border.len()..];
        rest = rest.strip_prefix(b"\r\n").unwrap_or_default();
    }
    parts
}

/// An attribute of a part's `Content-Disposition`.
fn attribute(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let given = line.split(';').map(str::trim).find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
    Some(given.trim_matches('"').to_owned())
}
