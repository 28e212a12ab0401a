//! The append-only store of everything that annotators said.
//!
//! A ledger is a folder: `ledger.sqlite` with what is dear and individually meaningful (answers of people and paid
//! models, draws, events) and `segments/*.parquet` with what deterministic annotators say by the million. Nothing in it
//! is ever changed: a later answer of the same annotator to the same question supersedes the earlier one, which stays.
//!
//! ```text
//! append ──────────────────────────▶ writer thread ──▶ ledger.sqlite ◀── readers, each with a connection of its own
//! append_bulk ──▶ segment thread ──register──▲              │
//!                      └──▶ segments/*.parquet ◀────────────┘
//! ```
//!
//! An append is acknowledged when it is on disk: `append` returns then, `append_bulk` is acknowledged by the next
//! [`Ledger::flush`] that succeeds. After a crash everything acknowledged is there, and nothing is there twice.
//!
//! ```
//! use postil_core::ledger::{Access, Ledger};
//! use postil_core::{Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Digest};
//!
//! # fn main() -> postil_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! let ledger = Ledger::open(folder.path(), Access::Write)?;
//! let version = Digest::of(b"Ann, guidelines 1");
//! let ann = AnnotatorIdentity { name: "ann".into(), kind: AnnotatorKind::Person, version };
//! ledger.register(&ann, &serde_json::Value::Null, 0)?;
//! let content = Digest::of(b"it crashes");
//! ledger.append(vec![Annotation::new("t1".into(), content, version, Answer::class("praise"))])?;
//! ledger.append(vec![Annotation::new("t1".into(), content, version, Answer::class("bug"))])?;
//!
//! assert!(ledger.done(version)?.contains("t1", content));
//! let snapshot = ledger.snapshot(&[version])?;
//! assert_eq!(snapshot.annotations(version)?[0].answer, Answer::class("bug"));
//! # Ok(())
//! # }
//! ```

mod batch;
mod bulk;
mod columns;
mod fingerprint;
mod folder;
mod journal;
mod keys;
mod records;
mod registry;
mod rows;
mod schema;
mod segment;
mod snapshot;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;

pub use batch::AnnotationBatch;
pub use journal::{Batch, Call, Journal, Reply, Spent};
pub use keys::Done;
pub use records::{Draw, Event};
pub use registry::RegisteredAnnotator;
pub use segment::Detail;
pub use snapshot::Snapshot;

use crate::annotation::{Annotation, AnnotatorIdentity, Status};
use crate::error::{Error, Result};
use crate::hash::Digest;
use bulk::{Bulk, Store};
use folder::{KeyCache, Paths};
use keys::KeySet;
use registry::Registry;
use rows::Prepared;
use schema::{damaged, open_reader, sqlite_error};
use writer::{Urgency, Writer};

/// The annotations of one transaction at most: a larger append is stored in several, so that others get their turn.
const TRANSACTION: usize = 1000;

/// The annotations of one transaction of an import: an answer that somebody waits for stands behind one of these at most.
const IMPORT_TRANSACTION: usize = 100;

/// What a process wants with a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only to look: any number of processes at once, beside the one that writes.
    Read,
    /// To append: one process at a time. Creates the ledger if there is none, and brings an older one up to date.
    Write,
}

/// The store of a project. Shared between threads by reference; every method takes `&self`.
pub struct Ledger {
    paths: Paths,
    cache: KeyCache,
    writing: Option<Writing>,
}

/// What only the one writing process has. Fields are dropped by [`Drop`] in the order in which they feed each other.
struct Writing {
    registry: Arc<Registry>,
    bulk: Option<Bulk>,
    writer: Option<Writer>,
    thread: Option<JoinHandle<()>>,
    _lock: File,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.bulk = None;
        self.writer = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Ledger {
    /// Opens the ledger in a folder.
    ///
    /// Opening checks that the file is a ledger of a format this program knows, that it was not cut short, and that
    /// every segment is there with its length; checksums are compared whenever a segment is read. With
    /// [`Access::Write`], files that a crash left unfinished are removed.
    ///
    /// # Errors
    /// No ledger to read; another process writes; a newer format ([`Error::is_newer_format`]); a damaged or foreign file.
    pub fn open(folder: impl AsRef<Path>, access: Access) -> Result<Self> {
        let paths = Paths::new(folder.as_ref());
        let cache = KeyCache::default();
        if access == Access::Read {
            schema::check_reader(&paths.file)?;
            folder::registered_files(&open_reader(&paths.file)?, &paths)?;
            return Ok(Self { paths, cache, writing: None });
        }
        let lock = folder::create_and_lock(&paths)?;
        let connection = schema::open_writer(&paths.file)?;
        let files = folder::registered_files(&connection, &paths)?;
        folder::remove_leftovers(&paths, &files)?;
        let registry = Arc::new(Registry::load(&connection, &paths.file)?);
        let blocks = folder::registered_blocks(&connection, &paths)?;
        let (writer, thread) = Writer::start(connection, paths.file.clone())?;
        let bulk = Bulk::start(Store {
            folder: paths.segments.clone(),
            file: paths.file.clone(),
            writer: writer.clone(),
            registry: registry.clone(),
            blocks,
        })?;
        let writing = Writing { registry, bulk: Some(bulk), writer: Some(writer), thread: Some(thread), _lock: lock };
        Ok(Self { paths, cache, writing: Some(writing) })
    }

    /// Makes an annotator known, before its first answer. Doing so again changes nothing.
    ///
    /// `config` is what a reader needs to understand or repeat its answers. The first registration of a version stays:
    /// a later name or configuration for the same version is not stored.
    ///
    /// # Errors
    /// The version is registered with another kind: its answers would change their store.
    pub fn register(&self, identity: &AnnotatorIdentity, config: &serde_json::Value, at_millis: i64) -> Result<()> {
        let writing = self.writing()?;
        if let Some((_, known)) = writing.registry.find(identity.version) {
            if known.kind == identity.kind {
                return Ok(());
            }
            return Err(Error::ledger(format!(
                "expected version {} to be a {}, as it was registered, found a {}",
                identity.version.short(),
                known.kind.name(),
                identity.kind.name()
            ))
            .hint("make the kind part of what the version is a digest of"));
        }
        let annotator =
            RegisteredAnnotator { identity: identity.clone(), config: config.clone(), registered_at_millis: at_millis };
        let registry = writing.registry.clone();
        let file = self.paths.file.clone();
        self.execute(Urgency::Dear, move |connection| {
            // Two threads may bring the same annotator at once; the writer does one after the other.
            if registry.find(annotator.identity.version).is_some() {
                return Ok(None);
            }
            let id = registry::insert(connection, &annotator)
                .map_err(|error| sqlite_error(&file, "the annotator could not be stored", error))?;
            Ok(Some((id, annotator.identity)))
        })?
        .into_iter()
        .for_each(|(id, identity)| writing.registry.insert(id, identity));
        Ok(())
    }

    /// Every registered annotator, oldest first.
    pub fn annotators(&self) -> Result<Vec<RegisteredAnnotator>> {
        let known = registry::read(&self.reader()?, &self.paths.file)?;
        Ok(known.into_iter().map(|(_, registered)| registered).collect())
    }

    /// Stores annotations and returns when they are on disk.
    ///
    /// Answers of people and language models go to SQLite, before all other work; up to a thousand are stored together
    /// or not at all. Answers of other annotators are handed to [`Ledger::append_bulk`] and flushed.
    ///
    /// # Errors
    /// An unknown annotator, or an annotation that contradicts itself: then nothing is stored. A full disk: then a first
    /// part may be stored, and sending everything again supersedes it without harm.
    pub fn append(&self, annotations: Vec<Annotation>) -> Result<()> {
        let writing = self.writing()?;
        let mut prepared = Vec::new();
        let mut cheap = Vec::new();
        for annotation in annotations {
            columns::check(&annotation)?;
            let (number, kind) = writing.registry.expect(annotation.annotator)?;
            if kind.is_dear() {
                prepared.push(Prepared::new(number, annotation));
            } else {
                cheap.push(annotation);
            }
        }
        self.store(prepared, Urgency::Dear, TRANSACTION)?;
        if cheap.is_empty() {
            return Ok(());
        }
        self.bulk()?.append(cheap)?;
        self.flush()
    }

    /// Stores one answer of a person or a paid model before all other work, and returns its number when it is on disk.
    /// Numbers rise in the order in which answers are stored.
    ///
    /// # Errors
    /// As for [`Ledger::append`], and for a deterministic annotator.
    pub fn append_one(&self, annotation: Annotation) -> Result<i64> {
        let numbers = self.store(self.prepare_dear(vec![annotation])?, Urgency::Dear, TRANSACTION)?;
        Ok(numbers[0])
    }

    /// Stores answers that people or paid models gave elsewhere, and returns their numbers when they are on disk: a few at
    /// a time, behind every answer that somebody waits for.
    ///
    /// # Errors
    /// As for [`Ledger::append_one`].
    pub fn append_import(&self, annotations: Vec<Annotation>) -> Result<Vec<i64>> {
        self.store(self.prepare_dear(annotations)?, Urgency::Bulk, IMPORT_TRANSACTION)
    }

    fn prepare_dear(&self, annotations: Vec<Annotation>) -> Result<Vec<Prepared>> {
        let registry = &self.writing()?.registry;
        annotations
            .into_iter()
            .map(|annotation| {
                columns::check(&annotation)?;
                let (number, kind) = registry.expect(annotation.annotator)?;
                if kind.is_dear() {
                    return Ok(Prepared::new(number, annotation));
                }
                Err(Error::ledger(format!("expected a person or a language model, found a {}", kind.name()))
                    .for_item(annotation.item.as_ref())
                    .hint("append what deterministic annotators say with `append_bulk`"))
            })
            .collect()
    }

    /// Stores rows in transactions of up to `slice`; their numbers come back.
    fn store(&self, mut prepared: Vec<Prepared>, urgency: Urgency, slice: usize) -> Result<Vec<i64>> {
        let mut numbers = Vec::with_capacity(prepared.len());
        while !prepared.is_empty() {
            let rest = prepared.split_off(prepared.len().min(slice));
            let now = std::mem::replace(&mut prepared, rest);
            let file = self.paths.file.clone();
            let count = now.len() as i64;
            // One writer, one transaction: the numbers follow each other.
            let last = self.execute(urgency, move |connection| {
                rows::insert(connection, &now)
                    .map_err(|error| sqlite_error(&file, "annotations could not be stored", error))
            })?;
            numbers.extend(last + 1 - count..=last);
        }
        Ok(numbers)
    }

    /// Everything that a person or a paid model ever answered, superseded answers too, oldest first, each with its number.
    ///
    /// # Errors
    /// An unknown version; a damaged file.
    pub fn history(&self, version: Digest) -> Result<Vec<(i64, Annotation)>> {
        let (connection, file) = (self.reader()?, &self.paths.file);
        let known = registry::read(&connection, file)?;
        let (number, _) = known
            .into_iter()
            .find(|(_, registered)| registered.identity.version == version)
            .ok_or_else(|| registry::unknown(version).in_file(file))?;
        let numbers = std::cell::RefCell::new(Vec::new());
        let note = |seq| {
            numbers.borrow_mut().push(seq);
            true
        };
        let mut annotations = Vec::new();
        rows::read(&connection, file, (number, version), i64::MAX, note, TRANSACTION, |builder| {
            let (items, columns) = builder.finish();
            let batch = AnnotationBatch::new(version, Arc::new(items), columns)?;
            for row in 0..batch.len() {
                annotations.push(batch.annotation(row)?);
            }
            Ok(())
        })?;
        Ok(numbers.into_inner().into_iter().zip(annotations).collect())
    }

    /// Takes annotations of deterministic annotators and stores them soon, in large pieces; [`Ledger::flush`] tells when
    /// they are on disk. Waits while too many are on their way.
    ///
    /// Batches of a few thousand rows, all annotators over the same batches in the same order, are stored most
    /// compactly: annotators then share one copy of the items.
    ///
    /// # Errors
    /// A dear annotator, an unknown one, or an annotation that contradicts itself: then nothing is taken. An earlier
    /// piece that could not be stored: it is kept, and tried again by the next flush.
    pub fn append_bulk(&self, annotations: Vec<Annotation>) -> Result<()> {
        let writing = self.writing()?;
        let mut last = None;
        for annotation in &annotations {
            columns::check(annotation)?;
            if last != Some(annotation.annotator) {
                let (_, kind) = writing.registry.expect(annotation.annotator)?;
                if kind.is_dear() {
                    return Err(Error::ledger(format!("expected a deterministic annotator, found a {}", kind.name()))
                        .for_item(annotation.item.as_ref())
                        .hint("append dear answers with `append`, which stores each at once"));
                }
                last = Some(annotation.annotator);
            }
        }
        self.bulk()?.append(annotations)
    }

    /// Returns when everything handed to [`Ledger::append_bulk`] before is on disk. Every flush ends the current
    /// segments, so flush every few seconds or at the end, not after every batch.
    pub fn flush(&self) -> Result<()> {
        self.bulk()?.flush()
    }

    /// Flushes and closes. Dropping a ledger does the same, and cannot say whether it succeeded.
    pub fn close(self) -> Result<()> {
        if self.writing.is_some() { self.flush() } else { Ok(()) }
    }

    /// What an annotator has answered already, in this process or an earlier one, as far as it is on disk.
    ///
    /// Every status counts as an answer, but for dear annotators a latest status of [`Status::Failed`]: there nothing
    /// came back, and asking again may help. A deterministic annotator would fail again.
    pub fn done(&self, version: Digest) -> Result<Done> {
        let (connection, file) = (self.reader()?, &self.paths.file);
        let known = registry::read(&connection, file)?;
        let (number, registered) = known
            .into_iter()
            .find(|(_, registered)| registered.identity.version == version)
            .ok_or_else(|| registry::unknown(version).in_file(file))?;
        let retry = registered.identity.kind.is_dear();
        let segments = snapshot::segments(&connection, file, number)?;
        let mut heads = Vec::new();
        rows::heads(&connection, file, Some(number), i64::MAX, |head| heads.push((head.key, head.seq, head.status)))?;
        heads.sort_unstable();
        let mut keys = Vec::with_capacity(heads.len());
        for (place, (key, _, status)) in heads.iter().enumerate() {
            let latest = heads.get(place + 1).is_none_or(|(next, _, _)| next != key);
            if latest && !(retry && *status == Status::Failed.code()) {
                keys.push(*key);
            }
        }
        Ok(Done {
            segments: snapshot::keys_of(&self.paths, &segments, &self.cache)?,
            rows: Arc::new(KeySet::new(keys)),
        })
    }

    /// An immutable view of these annotators' annotations, as far as they are on disk now.
    ///
    /// # Errors
    /// An unknown version; a damaged file.
    pub fn snapshot(&self, versions: &[Digest]) -> Result<Snapshot> {
        Snapshot::take(self.paths.clone(), versions, &self.cache)
    }

    /// Stores draws, all or none, and returns when they are on disk.
    pub fn record_draws(&self, draws: Vec<Draw>) -> Result<()> {
        draws.iter().try_for_each(records::check_draw)?;
        let file = self.paths.file.clone();
        self.execute(Urgency::Dear, move |connection| {
            records::insert_draws(connection, &draws)
                .map_err(|error| sqlite_error(&file, "draws could not be stored", error))
        })
    }

    /// The draws for a purpose, in the order in which they were recorded.
    pub fn draws(&self, purpose: &str) -> Result<Vec<Draw>> {
        records::read_draws(&self.reader()?, &self.paths.file, purpose)
    }

    /// Stores an event and returns when it is on disk.
    pub fn record_event(&self, event: Event) -> Result<()> {
        let file = self.paths.file.clone();
        self.execute(Urgency::Dear, move |connection| {
            records::insert_event(connection, &event)
                .map_err(|error| sqlite_error(&file, "an event could not be stored", error))
        })
    }

    /// All events, oldest first.
    pub fn events(&self) -> Result<Vec<Event>> {
        records::read_events(&self.reader()?, &self.paths.file)
    }

    /// The journal of calls to paid services; only whoever has the ledger for writing may have it.
    pub fn journal(&self) -> Result<Journal> {
        self.writing()?;
        Journal::open(self.paths.folder())
    }

    /// Reads everything and compares it with its checksums; takes as long as reading all files.
    pub fn verify(&self) -> Result<()> {
        let connection = self.reader()?;
        let file = &self.paths.file;
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| sqlite_error(file, "the ledger cannot be checked", error))?;
        if verdict != "ok" {
            return Err(damaged(file, &verdict));
        }
        let versions: Vec<Digest> = self.annotators()?.iter().map(|known| known.identity.version).collect();
        versions.iter().try_for_each(|version| self.snapshot(&[*version])?.scan(Detail::Full, |_| Ok(())))
    }

    fn reader(&self) -> Result<Connection> {
        open_reader(&self.paths.file)
    }

    fn writing(&self) -> Result<&Writing> {
        self.writing.as_ref().ok_or_else(|| {
            Error::ledger("expected a ledger opened for writing, found one opened for reading")
                .in_file(&self.paths.file)
        })
    }

    fn bulk(&self) -> Result<&Bulk> {
        Ok(self.writing()?.bulk.as_ref().expect("the bulk thread is there until the ledger is dropped"))
    }

    fn execute<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let writer = self.writing()?.writer.as_ref().expect("the writer is there until the ledger is dropped");
        writer.execute(urgency, work)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ledger")
            .field("file", &self.paths.file)
            .field("writes", &self.writing.is_some())
            .finish_non_exhaustive()
    }
}
