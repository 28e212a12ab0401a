//! The one thread that writes to SQLite.
//!
//! Work comes as closures through two bounded channels. Urgent work (an answer somebody waits for) is always taken
//! first, and all of it that waits shares one transaction and one flush to disk; of the rest each transaction takes one
//! piece at most, so that an urgent answer never waits for more than one.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};
use rusqlite::Connection;

use super::schema::sqlite_error;
use crate::error::{Error, Result};

/// How many urgent pieces share one transaction at most.
const GROUP: usize = 64;
/// After this long without work, the write-ahead log is moved into the file.
const QUIET: Duration = Duration::from_millis(100);
/// After this many transactions it is moved even if there is no quiet moment: some tens of megabytes.
const BUSY_TRANSACTIONS: u32 = 4_000;

/// Who waits for a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A person, or money that was spent.
    Dear,
    /// A slice of an import.
    Bulk,
}

trait Job: Send {
    /// Does the work inside the open transaction; false if it failed and must leave no trace.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Answers the caller after the commit, or with the reason why there was none.
    fn finish(self: Box<Self>, failure: Option<Error>);
}

struct Piece<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    reply: Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T> + Send> Job for Piece<T, F> {
    fn run(&mut self, connection: &Connection) -> bool {
        let work = self.work.take().expect("a job runs once");
        let outcome = work(connection);
        let done = outcome.is_ok();
        self.outcome = Some(outcome);
        done
    }

    fn finish(self: Box<Self>, failure: Option<Error>) {
        let outcome = match (failure, self.outcome) {
            (_, Some(Err(error))) | (Some(error), _) => Err(error),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(stopped()),
        };
        // A caller that went away needs no answer.
        let _ = self.reply.send(outcome);
    }
}

fn stopped() -> Error {
    Error::ledger("the ledger's writer has stopped").hint("open the ledger again; what was acknowledged is kept")
}

/// Sends work to the writer thread; the thread ends when the last of these is gone.
#[derive(Clone)]
pub(super) struct Writer {
    dear: Sender<Box<dyn Job>>,
    bulk: Sender<Box<dyn Job>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, file: PathBuf) -> Result<(Self, JoinHandle<()>)> {
        let (dear, dear_jobs) = bounded(1024);
        let (bulk, bulk_jobs) = bounded(64);
        let thread = std::thread::Builder::new()
            .name("postil-ledger".to_owned())
            .spawn(move || serve(&connection, &file, &dear_jobs, &bulk_jobs))
            .map_err(|error| Error::io("the ledger's writer cannot be started", error))?;
        Ok((Self { dear, bulk }, thread))
    }

    /// Does the work in a transaction and returns after it is on disk. An error leaves no trace of the work.
    pub(super) fn execute<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = bounded(1);
        let piece = Box::new(Piece { work: Some(work), outcome: None, reply });
        let channel = match urgency {
            Urgency::Dear => &self.dear,
            Urgency::Bulk => &self.bulk,
        };
        channel.send(piece).map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }
}

fn serve(connection: &Connection, file: &Path, dear: &Receiver<Box<dyn Job>>, bulk: &Receiver<Box<dyn Job>>) {
    let mut uncopied = 0_u32;
    loop {
        let first = select_biased! {
            recv(dear) -> job => job.map(|job| (Urgency::Dear, job)),
            recv(bulk) -> job => job.map(|job| (Urgency::Bulk, job)),
            default(QUIET) => {
                if uncopied > 0 {
                    checkpoint(connection);
                    uncopied = 0;
                }
                // Nothing to do: sleep until there is.
                select_biased! {
                    recv(dear) -> job => job.map(|job| (Urgency::Dear, job)),
                    recv(bulk) -> job => job.map(|job| (Urgency::Bulk, job)),
                }
            }
        };
        // Both channels close together, when the last `Writer` is dropped.
        let Ok((urgency, first)) = first else { break };
        let mut jobs = vec![first];
        jobs.extend(dear.try_iter().take(GROUP - 1));
        if urgency == Urgency::Dear {
            // One slice rides along: it costs no flush of its own, and an unbroken stream of answers cannot hold an
            // import up for ever.
            jobs.extend(bulk.try_iter().take(1));
        }
        commit_together(connection, file, jobs);
        uncopied += 1;
        if uncopied >= BUSY_TRANSACTIONS {
            checkpoint(connection);
            uncopied = 0;
        }
    }
    checkpoint(connection);
}

fn checkpoint(connection: &Connection) {
    // Passive: copies what no reader still needs and waits for nobody. A failure costs nothing, the log stays.
    let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
}

fn commit_together(connection: &Connection, file: &Path, mut jobs: Vec<Box<dyn Job>>) {
    let outcome = (|| {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for job in &mut jobs {
            connection.execute_batch("SAVEPOINT piece")?;
            if !job.run(connection) {
                connection.execute_batch("ROLLBACK TO piece")?;
            }
            connection.execute_batch("RELEASE piece")?;
        }
        connection.execute_batch("COMMIT")
    })();
    let failure = outcome.err().map(|error| {
        if !connection.is_autocommit() {
            // Some failures, such as a full disk, have rolled back already.
            let _ = connection.execute_batch("ROLLBACK");
        }
        sqlite_error(file, "the ledger could not store this", error)
    });
    for job in jobs {
        let failure = failure.as_ref().map(|failure| {
            let copy = Error::ledger(failure.to_string());
            match failure.advice() {
                Some(advice) => copy.hint(advice),
                None => copy,
            }
        });
        job.finish(failure);
    }
}
