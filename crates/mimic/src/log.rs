//! What was served: entries in the order of arrival, counters, and a file of both for tests that kill the client.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::question::Digest;
use crate::respond::Note;

/// How long a reader of the log waits for replies that are just being written.
const PATIENCE: Duration = Duration::from_secs(5);

/// One request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the request in the order of arrival, from 0.
    pub number: u64,
    /// The number of its connection; none for a row of a batch.
    pub connection: Option<u64>,
    /// The path asked for.
    pub path: String,
    /// The digest of the body, or of the path where there is no body.
    pub digest: Digest,
    /// How often the same digest came before.
    pub attempt: u32,
    /// The model asked.
    pub model: String,
    /// The item found in the prompt.
    pub item: Option<String>,
    /// The fault it met.
    pub fault: Option<String>,
    /// The status given; 0 where there was no answer.
    pub status: u16,
    /// What was said: a label, the content of the first choice, or the code of an error.
    pub reply: String,
    /// Tokens of the prompt. Errors have none.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Whether all bytes of the reply were handed to the operating system while the connection stood.
    pub written: bool,
    /// Whether the connection broke right after the reply: the client died, or hung up, before it had read all of it.
    /// Known only once the connection has ended.
    pub unread: bool,
}

impl Entry {
    fn json(&self) -> Value {
        json!({
            "number": self.number, "connection": self.connection, "path": self.path,
            "digest": self.digest.to_string(), "attempt": self.attempt, "model": self.model, "item": self.item,
            "fault": self.fault, "status": self.status, "reply": self.reply, "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens, "written": self.written, "unread": self.unread,
        })
    }
}

/// Sums over all requests since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that arrived.
    pub requests: u64,
    /// Different bodies among them.
    pub distinct: u64,
    /// Replies that were written completely.
    pub written: u64,
    /// Faults by name, latency apart.
    pub faults: BTreeMap<String, u64>,
    /// Replies by status; 0 for none.
    pub statuses: BTreeMap<u16, u64>,
    /// Tokens of all prompts that were answered.
    pub input_tokens: u64,
    /// Tokens of all answers.
    pub output_tokens: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// The most requests in service at one time.
    pub most_at_once: u64,
}

impl Counters {
    fn json(&self) -> Value {
        json!({
            "requests": self.requests, "distinct": self.distinct, "written": self.written, "faults": self.faults,
            "statuses": self.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect::<BTreeMap<_, _>>(),
            "input_tokens": self.input_tokens, "output_tokens": self.output_tokens,
            "connections": self.connections, "most_at_once": self.most_at_once,
        })
    }
}

/// A request that has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    pub(crate) digest: Digest,
    pub(crate) attempt: u32,
    /// How many requests are in service, this one included.
    pub(crate) at_once: u64,
}

/// An entry whose reply is being written.
pub(crate) enum Ticket {
    Kept { place: usize, round: u64 },
    Loose(Box<Entry>),
}

#[derive(Default)]
struct State {
    attempts: HashMap<Digest, u32>,
    entries: Vec<Entry>,
    counters: Counters,
    at_once: u64,
    writing: usize,
    file: Option<File>,
    /// Rises at each reset, so that a reply that was under way then is not taken for another.
    round: u64,
}

/// The log of a server.
pub(crate) struct Log {
    state: Mutex<State>,
    written: Condvar,
    keep: bool,
}

impl Log {
    pub(crate) fn new(keep: bool, file: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.with_context(|| path.display().to_string())
        };
        let state = State { file: file.map(open).transpose()?, ..State::default() };
        Ok(Self { state: Mutex::new(state), written: Condvar::new(), keep })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked leaves sums that are off by one at worst.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connected(&self) {
        self.state().counters.connections += 1;
    }

    pub(crate) fn arrive(&self, path: &str, body: &[u8]) -> Arrival {
        let digest = Digest::of(if body.is_empty() { path.as_bytes() } else { body });
        let mut state = self.state();
        let attempts = state.attempts.entry(digest).or_default();
        let attempt = *attempts;
        *attempts += 1;
        state.at_once += 1;
        let at_once = state.at_once;
        let counters = &mut state.counters;
        counters.distinct += u64::from(attempt == 0);
        counters.most_at_once = counters.most_at_once.max(at_once);
        let number = counters.requests;
        counters.requests += 1;
        Arrival { number, digest, attempt, at_once }
    }

    /// The request is no longer in service and gets no entry.
    pub(crate) fn leave(&self) {
        self.state().at_once -= 1;
    }

    /// Registers what will be written.
    pub(crate) fn ready(&self, entry: Entry) -> Ticket {
        let mut state = self.state();
        state.writing += 1;
        state.at_once -= 1;
        let counters = &mut state.counters;
        *counters.statuses.entry(entry.status).or_default() += 1;
        if let Some(fault) = &entry.fault {
            match counters.faults.get_mut(fault) {
                Some(count) => *count += 1,
                None => {
                    counters.faults.insert(fault.clone(), 1);
                }
            }
        }
        counters.input_tokens += entry.input_tokens;
        counters.output_tokens += entry.output_tokens;
        if self.keep {
            state.entries.push(entry);
            Ticket::Kept { place: state.entries.len() - 1, round: state.round }
        } else {
            Ticket::Loose(Box::new(entry))
        }
    }

    /// Tells whether it was written. Gives the ticket back for the end of the connection.
    pub(crate) fn done(&self, mut ticket: Ticket, written: bool) -> Ticket {
        let mut state = self.state();
        let state = &mut *state;
        state.writing -= 1;
        state.counters.written += u64::from(written);
        let round = state.round;
        let entry = match &mut ticket {
            Ticket::Kept { place, round: of } if *of == round => state.entries.get_mut(*place),
            Ticket::Kept { .. } => None,
            Ticket::Loose(entry) => Some(&mut **entry),
        };
        if let Some(entry) = entry {
            entry.written = written;
            if let Some(file) = &mut state.file {
                line(file, &entry.json());
            }
        }
        self.written.notify_all();
        ticket
    }

    /// A connection has ended after this last entry. `broken`: before the client had read all of it.
    pub(crate) fn ended(&self, connection: u64, last: &Ticket, how: &str) {
        let mut state = self.state();
        let state = &mut *state;
        let number = match last {
            Ticket::Kept { place, round } if *round == state.round => state.entries.get_mut(*place).map(|entry| {
                entry.unread = how == "broken";
                entry.number
            }),
            Ticket::Kept { .. } => None,
            Ticket::Loose(entry) => Some(entry.number),
        };
        if let (Some(file), Some(number)) = (&mut state.file, number) {
            line(file, &json!({ "connection_ended": connection, "last": number, "how": how }));
        }
    }

    fn settled(&self) -> MutexGuard<'_, State> {
        let state = self.state();
        let waited = self.written.wait_timeout_while(state, PATIENCE, |state| state.writing > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = self.settled().entries.clone();
        entries.sort_by_key(|entry| entry.number);
        entries
    }

    pub(crate) fn lines(&self) -> String {
        let lines = self.entries().iter().map(|entry| entry.json().to_string()).collect::<Vec<_>>();
        lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.settled().counters.clone()
    }

    pub(crate) fn counters_json(&self) -> Value {
        self.counters().json()
    }

    /// Forgets everything; the file keeps its lines.
    pub(crate) fn reset(&self) {
        let mut state = self.settled();
        state.attempts.clear();
        state.entries.clear();
        state.counters = Counters::default();
        state.round += 1;
    }
}

impl Note {
    /// The entry of a request with this note.
    pub(crate) fn entry(self, arrival: Arrival, connection: Option<u64>, path: &str, status: u16) -> Entry {
        Entry {
            number: arrival.number,
            connection,
            path: path.to_owned(),
            digest: arrival.digest,
            attempt: arrival.attempt,
            model: self.model,
            item: self.item,
            fault: None,
            status,
            reply: self.reply,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            written: false,
            unread: false,
        }
    }
}

fn line(file: &mut File, value: &Value) {
    // One call per line: a reader never sees half of one. A full disk must not stop the server.
    let _ = file.write_all(format!("{value}\n").as_bytes());
}
