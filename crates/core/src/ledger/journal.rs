//! What was asked of paid services and what came back, so that nothing is bought twice and no cap is passed.
//!
//! A call is written down with its worst cost before it is sent, and its reply with the true cost before anybody reads
//! it. Each of the two is a transaction of its own that is with the operating system when the method returns: killing
//! the process loses nothing. A power cut may lose the last moments before [`Journal::sync`]. What was sent and never
//! came back counts as spent in full, because it may have been billed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::schema::{damaged, sqlite_error};
use crate::annotation::Cost;
use crate::error::{Error, Result};
use crate::hash::Digest;

/// The journal's file, in the folder of the ledger.
const FILE: &str = "calls.sqlite";

const SCHEMA: &str = "
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL, annotator BLOB NOT NULL, money_micros INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
    CREATE TABLE ends (
        call INTEGER PRIMARY KEY REFERENCES calls, key BLOB NOT NULL, money_micros INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB) STRICT;
    CREATE INDEX replies_by_key ON ends (key) WHERE body IS NOT NULL;
    CREATE TABLE batches (
        id INTEGER PRIMARY KEY, annotator BLOB NOT NULL, tag BLOB NOT NULL, at INTEGER NOT NULL) STRICT;
    CREATE TABLE batch_calls (call INTEGER PRIMARY KEY REFERENCES calls, batch INTEGER NOT NULL REFERENCES batches) STRICT;
    CREATE INDEX calls_by_batch ON batch_calls (batch);
    CREATE TABLE batch_names (batch INTEGER PRIMARY KEY REFERENCES batches, name TEXT NOT NULL) STRICT;
    CREATE TABLE batch_ends (batch INTEGER PRIMARY KEY REFERENCES batches, at INTEGER NOT NULL) STRICT;
    PRAGMA user_version = 1;";

/// A call that was written down and has not ended.
#[derive(Debug)]
#[must_use = "a call that is neither settled nor released counts as spent in full"]
pub struct Call {
    id: i64,
    key: Digest,
    worst: Cost,
}

impl Call {
    /// The worst cost that was written down for it.
    pub const fn worst(&self) -> Cost {
        self.worst
    }
}

/// Calls that were handed over together and are answered together, hours later and perhaps to another process.
#[derive(Debug)]
pub struct Batch {
    id: i64,
    /// What the batch is told apart by before the endpoint has named it.
    pub tag: Digest,
    /// The endpoint's name for it, once that is known.
    pub name: Option<String>,
    /// Its calls that have not ended, by the keys of their requests.
    pub calls: HashMap<Digest, Call>,
}

/// What a call brought: the bytes of the reply, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The body, exactly as it came.
    pub body: Vec<u8>,
    /// What it cost.
    pub cost: Cost,
}

/// What all calls of a journal cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// What replies cost.
    pub settled: Cost,
    /// The worst cost of calls whose end is not known.
    pub open: Cost,
}

impl Spent {
    /// Everything that was or may have been spent.
    pub fn total(&self) -> Cost {
        self.settled + self.open
    }
}

/// The journal of a ledger. One process has it at a time, the one that has the ledger for writing.
pub struct Journal {
    connection: Connection,
    file: PathBuf,
    spent: Spent,
}

impl Journal {
    /// Opens the journal in the folder of a ledger, or begins one.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let fail = |error| sqlite_error(&file, "the journal of calls cannot be opened", error);
        let connection = Connection::open(&file).map_err(fail)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
        // A commit is handed to the system, not waited for: see the module.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        match connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).map_err(fail)? {
            0 => connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;")).map_err(fail)?,
            1 => {}
            newer => {
                return Err(Error::newer_format(format!("expected a journal of format 1, found format {newer}"))
                    .in_file(&file)
                    .hint("it was written by a newer version of postil; update postil to read it"));
            }
        }
        connection.set_prepared_statement_cache_capacity(16);
        let spent = spent(&connection).map_err(fail)?;
        Ok(Self { connection, file, spent })
    }

    /// The latest reply to exactly this request, if one ever came.
    pub fn reply(&self, key: Digest) -> Result<Option<Reply>> {
        let read = || {
            self.connection
                .prepare_cached(
                    "SELECT body, money_micros, input_tokens, output_tokens FROM ends
                     WHERE key = ?1 AND body IS NOT NULL ORDER BY call DESC LIMIT 1",
                )?
                .query_row([key.as_bytes()], |row| Ok(Reply { body: row.get(0)?, cost: cost(row, 1)? }))
                .optional()
        };
        read().map_err(|error| sqlite_error(&self.file, "the journal of calls cannot be read", error))
    }

    /// Writes a call down before it is sent.
    pub fn begin(&mut self, key: Digest, annotator: Digest, worst: Cost, at_millis: i64) -> Result<Call> {
        let id = insert_call(&self.connection, key, annotator, worst, at_millis)
            .map_err(|error| sqlite_error(&self.file, "a call could not be written down", error))?;
        self.spent.open = self.spent.open + worst;
        Ok(Call { id, key, worst })
    }

    /// Keeps the reply to a call, with what it truly cost.
    #[expect(clippy::needless_pass_by_value, reason = "a call ends once")]
    pub fn settle(&mut self, call: Call, reply: &Reply, at_millis: i64) -> Result<()> {
        self.end(&call, reply.cost, Some(&reply.body), at_millis)?;
        self.spent.settled = self.spent.settled + reply.cost;
        Ok(())
    }

    /// Ends a call that surely cost nothing: it was refused, or never left.
    #[expect(clippy::needless_pass_by_value, reason = "a call ends once")]
    pub fn release(&mut self, call: Call, at_millis: i64) -> Result<()> {
        self.end(&call, Cost::default(), None, at_millis)
    }

    /// Writes a batch of calls down before it is handed over, all or none. The tag must be new.
    pub fn begin_batch(
        &mut self,
        annotator: Digest,
        tag: Digest,
        requests: &[(Digest, Cost)],
        at_millis: i64,
    ) -> Result<Batch> {
        let mut write = || -> rusqlite::Result<(i64, HashMap<Digest, Call>)> {
            let transaction = self.connection.transaction()?;
            transaction.execute(
                "INSERT INTO batches (annotator, tag, at) VALUES (?1, ?2, ?3)",
                params![annotator.as_bytes(), tag.as_bytes(), at_millis],
            )?;
            let batch = transaction.last_insert_rowid();
            let mut calls = HashMap::with_capacity(requests.len());
            for &(key, worst) in requests {
                let id = insert_call(&transaction, key, annotator, worst, at_millis)?;
                transaction
                    .prepare_cached("INSERT INTO batch_calls (call, batch) VALUES (?1, ?2)")?
                    .execute(params![id, batch])?;
                calls.insert(key, Call { id, key, worst });
            }
            transaction.commit()?;
            Ok((batch, calls))
        };
        let (id, calls) =
            write().map_err(|error| sqlite_error(&self.file, "a batch could not be written down", error))?;
        self.spent.open = requests.iter().fold(self.spent.open, |sum, (_, worst)| sum + *worst);
        self.sync()?;
        Ok(Batch { id, tag, name: None, calls })
    }

    /// Remembers the endpoint's name for a batch.
    pub fn name_batch(&mut self, batch: &mut Batch, name: &str) -> Result<()> {
        self.connection
            .execute("INSERT INTO batch_names (batch, name) VALUES (?1, ?2)", params![batch.id, name])
            .map_err(|error| sqlite_error(&self.file, "the name of a batch could not be kept", error))?;
        batch.name = Some(name.to_owned());
        self.sync()
    }

    /// Batches of an annotator's version that have not ended, oldest first.
    pub fn open_batches(&self, annotator: Digest) -> Result<Vec<Batch>> {
        let read = || -> rusqlite::Result<Vec<Batch>> {
            let mut statement = self.connection.prepare(
                "SELECT batches.id, tag, name FROM batches LEFT JOIN batch_names ON batch_names.batch = batches.id
                 WHERE annotator = ?1 AND batches.id NOT IN (SELECT batch FROM batch_ends) ORDER BY batches.id",
            )?;
            let rows = statement.query_map([annotator.as_bytes()], |row| {
                Ok(Batch {
                    id: row.get(0)?,
                    tag: Digest::from_bytes(row.get(1)?),
                    name: row.get(2)?,
                    calls: HashMap::new(),
                })
            })?;
            let mut batches = rows.collect::<rusqlite::Result<Vec<Batch>>>()?;
            let mut statement = self.connection.prepare(
                "SELECT calls.id, key, money_micros, input_tokens, output_tokens FROM batch_calls
                 JOIN calls ON calls.id = batch_calls.call
                 WHERE batch = ?1 AND calls.id NOT IN (SELECT call FROM ends)",
            )?;
            for batch in &mut batches {
                let calls = statement.query_map([batch.id], |row| {
                    let key = Digest::from_bytes(row.get(1)?);
                    Ok((key, Call { id: row.get(0)?, key, worst: cost(row, 2)? }))
                })?;
                batch.calls = calls.collect::<rusqlite::Result<_>>()?;
            }
            Ok(batches)
        };
        read().map_err(|error| sqlite_error(&self.file, "the batches cannot be read", error))
    }

    /// Ends a batch: calls that brought no reply are released.
    pub fn end_batch(&mut self, batch: Batch, at_millis: i64) -> Result<()> {
        for call in batch.calls.into_values() {
            self.release(call, at_millis)?;
        }
        self.connection
            .execute("INSERT INTO batch_ends (batch, at) VALUES (?1, ?2)", params![batch.id, at_millis])
            .map_err(|error| sqlite_error(&self.file, "the end of a batch could not be kept", error))?;
        self.sync()
    }

    fn end(&mut self, call: &Call, cost: Cost, body: Option<&[u8]>, at_millis: i64) -> Result<()> {
        let write = || -> rusqlite::Result<usize> {
            self.connection
                .prepare_cached(
                    "INSERT INTO ends (call, key, money_micros, input_tokens, output_tokens, at, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    call.id,
                    call.key.as_bytes(),
                    cost.money_micros as i64,
                    cost.input_tokens as i64,
                    cost.output_tokens as i64,
                    at_millis,
                    body
                ])
        };
        write().map_err(|error| sqlite_error(&self.file, "a reply could not be kept", error))?;
        self.spent.open = minus(self.spent.open, call.worst);
        Ok(())
    }

    /// What was spent so far, in this process and before.
    pub const fn spent(&self) -> Spent {
        self.spent
    }

    /// Returns when everything is on the disk itself.
    pub fn sync(&self) -> Result<()> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(|error| sqlite_error(&self.file, "the journal of calls cannot be written to the disk", error))
    }

    /// Every reply, oldest first, with the key of its request.
    ///
    /// # Errors
    /// The journal cannot be read; the first error of the visitor.
    pub fn replies(&self, mut visit: impl FnMut(Digest, Reply) -> Result<()>) -> Result<()> {
        let fail = |error| sqlite_error(&self.file, "the journal of calls cannot be read", error);
        let mut statement = self
            .connection
            .prepare(
                "SELECT body, money_micros, input_tokens, output_tokens, key FROM ends
                 WHERE body IS NOT NULL ORDER BY call",
            )
            .map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let key: [u8; 16] = row.get(4).map_err(|_| damaged(&self.file, "a key is not 16 bytes long"))?;
            let reply = Reply { body: row.get(0).map_err(fail)?, cost: cost(row, 1).map_err(fail)? };
            visit(Digest::from_bytes(key), reply)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Journal").field("file", &self.file).field("spent", &self.spent).finish_non_exhaustive()
    }
}

fn insert_call(
    connection: &Connection,
    key: Digest,
    annotator: Digest,
    worst: Cost,
    at_millis: i64,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO calls (key, annotator, money_micros, input_tokens, output_tokens, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            key.as_bytes(),
            annotator.as_bytes(),
            worst.money_micros as i64,
            worst.input_tokens as i64,
            worst.output_tokens as i64,
            at_millis
        ])?;
    Ok(connection.last_insert_rowid())
}

fn cost(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Cost> {
    let number = |place| row.get::<_, i64>(place).map(|number| number.max(0) as u64);
    Ok(Cost {
        money_micros: number(first)?,
        person_millis: 0,
        input_tokens: number(first + 1)?,
        output_tokens: number(first + 2)?,
    })
}

fn spent(connection: &Connection) -> rusqlite::Result<Spent> {
    let sum = |query: &str| connection.query_row(query, [], |row| cost(row, 0));
    let settled = sum("SELECT COALESCE(SUM(money_micros), 0), COALESCE(SUM(input_tokens), 0),
                       COALESCE(SUM(output_tokens), 0) FROM ends")?;
    let open = sum("SELECT COALESCE(SUM(money_micros), 0), COALESCE(SUM(input_tokens), 0),
                    COALESCE(SUM(output_tokens), 0) FROM calls WHERE id NOT IN (SELECT call FROM ends)")?;
    Ok(Spent { settled, open })
}

fn minus(from: Cost, part: Cost) -> Cost {
    Cost {
        money_micros: from.money_micros.saturating_sub(part.money_micros),
        person_millis: from.person_millis.saturating_sub(part.person_millis),
        input_tokens: from.input_tokens.saturating_sub(part.input_tokens),
        output_tokens: from.output_tokens.saturating_sub(part.output_tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn money(money_micros: u64) -> Cost {
        Cost { money_micros, person_millis: 0, input_tokens: 10, output_tokens: 1 }
    }

    #[test]
    fn what_never_came_back_counts_in_full_and_what_came_back_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two, three) = (Digest::of(b"1"), Digest::of(b"2"), Digest::of(b"3"));
        let annotator = Digest::of(b"model");
        {
            let mut journal = Journal::open(folder.path()).unwrap();
            let call = journal.begin(one, annotator, money(50), 1).unwrap();
            assert_eq!(journal.spent().total().money_micros, 50);
            let reply = Reply { body: b"yes".to_vec(), cost: money(7) };
            journal.settle(call, &reply, 2).unwrap();
            assert_eq!((journal.spent().settled.money_micros, journal.spent().open.money_micros), (7, 0));
            let call = journal.begin(two, annotator, money(50), 3).unwrap();
            journal.release(call, 4).unwrap();
            drop(journal.begin(three, annotator, money(40), 5).unwrap());
        }
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!((journal.spent().settled.money_micros, journal.spent().open.money_micros), (7, 40));
        assert_eq!(journal.reply(one).unwrap(), Some(Reply { body: b"yes".to_vec(), cost: money(7) }));
        assert_eq!(journal.reply(two).unwrap(), None);
        assert_eq!(journal.reply(three).unwrap(), None);
        let mut seen = Vec::new();
        journal
            .replies(|key, reply| {
                seen.push((key, reply.body));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(one, b"yes".to_vec())]);
        journal.sync().unwrap();
    }
}
