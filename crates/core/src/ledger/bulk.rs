//! The thread that turns what deterministic annotators say into segments.
//!
//! It collects rows per annotator, writes each full buffer as a Parquet file, and has the writer register it; only the
//! registration is an acknowledgement. Encoding happens here so that the writer stays free for answers somebody waits
//! for.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::params;

use super::batch::AnnotationBatch;
use super::columns::{Columns, ColumnsBuilder, Items};
use super::fingerprint::{ContentSum, FoldMap, FoldSet, Said, row_digest};
use super::registry::Registry;
use super::rows::{self, Prepared};
use super::schema::sqlite_error;
use super::segment::{Stored, sync_folder, write_columns, write_items};
use super::writer::{Urgency, Writer};
use crate::annotation::Annotation;
use crate::error::{Error, Result};
use crate::hash::Digest;

/// A flush of at most this many rows goes to SQLite: many tiny files would make every snapshot slow.
const SMALL: usize = 1024;
/// The rows of a segment at most.
const LARGEST: usize = 1 << 18;
/// The rows that all buffers hold together, about; with many annotators at work each gets smaller segments.
const TOGETHER: usize = 1 << 21;
/// The rows of a full segment at least.
const LEAST: usize = 1 << 14;
/// A buffer with this much text is full.
const FULL_BYTES: usize = 64 << 20;

enum Message {
    Append(Vec<Annotation>),
    Flush(Sender<Result<()>>),
}

/// The entrance to the bulk thread.
pub(super) struct Bulk {
    messages: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Bulk {
    pub(super) fn start(store: Store) -> Result<Self> {
        // Few and bounded: a batch in this channel is still in its wide form.
        let (messages, inbox) = bounded(4);
        let failure = Arc::new(Mutex::new(None));
        let worker = Worker {
            store,
            buffers: Vec::new(),
            position: FoldMap::default(),
            full: VecDeque::new(),
            failure: failure.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("postil-segments".to_owned())
            .spawn(move || worker.serve(&inbox))
            .map_err(|error| Error::io("the ledger's bulk writer cannot be started", error))?;
        Ok(Self { messages: Some(messages), thread: Some(thread), failure })
    }

    pub(super) fn append(&self, annotations: Vec<Annotation>) -> Result<()> {
        if let Some(failure) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Err(Error::ledger(format!("an earlier slice could not be stored: {failure}"))
                .hint("remove the cause and flush: what was handed over before is kept and tried again"));
        }
        self.send(Message::Append(annotations))
    }

    pub(super) fn flush(&self) -> Result<()> {
        let (reply, answer) = bounded(1);
        self.send(Message::Flush(reply))?;
        answer.recv().map_err(|_| stopped())?
    }

    fn send(&self, message: Message) -> Result<()> {
        self.messages.as_ref().ok_or_else(stopped)?.send(message).map_err(|_| stopped())
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        // Best effort: whoever needs to know calls `flush` first.
        let _ = self.flush();
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn stopped() -> Error {
    Error::ledger("the ledger's bulk writer has stopped").hint("open the ledger again and run the annotators again")
}

/// Rows of one annotator that wait to become a segment.
struct Buffer {
    annotator: Digest,
    builder: ColumnsBuilder,
    content: ContentSum,
    latest: i64,
    /// Digests of what was said, by answer, status, evidence and seed, for rows that hold nothing else: nearly all.
    said: FoldMap<(u32, u8, u32, u64), Digest>,
    scratch: Vec<u8>,
}

impl Buffer {
    fn new(annotator: Digest) -> Self {
        Self {
            annotator,
            builder: ColumnsBuilder::default(),
            content: ContentSum::default(),
            latest: i64::MIN,
            said: FoldMap::default(),
            scratch: Vec::new(),
        }
    }

    fn push(&mut self, annotation: &Annotation) {
        let (answer, evidence) = self.builder.push(annotation);
        let plain = annotation.confidence.is_none()
            && annotation.distribution.is_none()
            && annotation.inclusion_probability.is_none()
            && !annotation.suggestion_shown
            && annotation.cost == crate::annotation::Cost::default();
        let digest = |scratch: &mut Vec<u8>, builder: &ColumnsBuilder| {
            Said::of(annotation, builder.answer_text(answer)).digest(scratch)
        };
        let said = if plain {
            *self
                .said
                .entry((answer, annotation.status.code(), evidence, annotation.seed))
                .or_insert_with(|| digest(&mut self.scratch, &self.builder))
        } else {
            digest(&mut self.scratch, &self.builder)
        };
        self.content.add(row_digest(&annotation.item, annotation.content, said));
        self.latest = self.latest.max(annotation.at_millis);
    }

    fn finish(self) -> Full {
        let (items, columns) = self.builder.finish();
        Full { annotator: self.annotator, items: Arc::new(items), columns, content: self.content, latest: self.latest }
    }
}

/// A finished buffer on its way to the disk.
struct Full {
    annotator: Digest,
    items: Arc<Items>,
    columns: Columns,
    content: ContentSum,
    latest: i64,
}

struct Worker {
    store: Store,
    /// In the order in which annotators first came, so that flushing has one order.
    buffers: Vec<Buffer>,
    position: FoldMap<Digest, usize>,
    full: VecDeque<Full>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Worker {
    fn serve(mut self, inbox: &Receiver<Message>) {
        for message in inbox {
            match message {
                Message::Append(annotations) => {
                    self.append(&annotations);
                    if let Err(error) = self.store_full() {
                        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                    }
                }
                Message::Flush(reply) => {
                    for buffer in &mut self.buffers {
                        if buffer.builder.len() > 0 {
                            let annotator = buffer.annotator;
                            self.full.push_back(std::mem::replace(buffer, Buffer::new(annotator)).finish());
                        }
                    }
                    let outcome = self.store_full();
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) =
                        outcome.as_ref().err().map(ToString::to_string);
                    let _ = reply.send(outcome);
                }
            }
        }
    }

    fn append(&mut self, annotations: &[Annotation]) {
        let mut position = 0;
        for annotation in annotations {
            if self.buffers.get(position).is_none_or(|buffer| buffer.annotator != annotation.annotator) {
                let next = self.buffers.len();
                position = *self.position.entry(annotation.annotator).or_insert(next);
                if position == next {
                    self.buffers.push(Buffer::new(annotation.annotator));
                }
            }
            // The limit depends only on how many annotators are at work, so annotators that see the same items fill up
            // at the same row and share one block of items.
            let share = (TOGETHER / self.buffers.len()).clamp(LEAST, LARGEST);
            let limit = 1 << share.ilog2();
            let buffer = &mut self.buffers[position];
            buffer.push(annotation);
            if buffer.builder.len() >= limit || buffer.builder.bytes() >= FULL_BYTES {
                let annotator = buffer.annotator;
                self.full.push_back(std::mem::replace(buffer, Buffer::new(annotator)).finish());
            }
        }
    }

    /// Stores what is full, oldest first. What fails stays in front and is tried again by the next flush.
    fn store_full(&mut self) -> Result<()> {
        while let Some(full) = self.full.front() {
            self.store.store(full)?;
            self.full.pop_front();
        }
        Ok(())
    }
}

/// Where full buffers go.
pub(super) struct Store {
    pub(super) folder: PathBuf,
    pub(super) file: PathBuf,
    pub(super) writer: Writer,
    pub(super) registry: Arc<Registry>,
    /// The blocks of items that are registered already, by the digest of their items.
    pub(super) blocks: FoldSet<Digest>,
}

impl Store {
    fn store(&mut self, full: &Full) -> Result<()> {
        let (annotator, _) = self.registry.expect(full.annotator)?;
        if full.columns.statuses.len() <= SMALL {
            return self.store_rows(annotator, full);
        }
        let identity = full.items.identity;
        let block = if self.blocks.contains(&identity) { None } else { Some(write_items(&self.folder, &full.items)?) };
        let segment = write_columns(&self.folder, full.annotator, &full.columns)?;
        sync_folder(&self.folder)?;
        let (content, latest, file) = (full.content, full.latest, self.file.clone());
        self.writer.execute(Urgency::Bulk, move |connection| {
            register(connection, annotator, identity, block.as_ref(), &segment, content, latest)
                .map_err(|error| sqlite_error(&file, "a segment could not be registered", error))
        })?;
        self.blocks.insert(identity);
        Ok(())
    }

    fn store_rows(&self, annotator: i64, full: &Full) -> Result<()> {
        let all: Vec<u32> = (0..full.columns.statuses.len() as u32).collect();
        let batch = AnnotationBatch::new(full.annotator, full.items.clone(), full.columns.select(&all))?;
        let prepared = (0..batch.len())
            .map(|row| Ok(Prepared::new(annotator, batch.annotation(row)?)))
            .collect::<Result<Vec<_>>>()?;
        let file = self.file.clone();
        self.writer.execute(Urgency::Bulk, move |connection| {
            rows::insert(connection, &prepared)
                .map(drop)
                .map_err(|error| sqlite_error(&file, "annotations could not be stored", error))
        })
    }
}

fn register(
    connection: &rusqlite::Connection,
    annotator: i64,
    identity: Digest,
    block: Option<&Stored>,
    segment: &Stored,
    content: ContentSum,
    latest: i64,
) -> rusqlite::Result<()> {
    if let Some(block) = block {
        connection
            .prepare_cached("INSERT INTO blocks (digest, file, rows, bytes, checksum) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                identity.as_bytes(),
                block.file,
                block.rows as i64,
                block.bytes as i64,
                block.checksum.as_bytes()
            ])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO segments (annotator, block, after_seq, file, rows, bytes, checksum, content_sum, registered_at)
             SELECT ?1, id, (SELECT coalesce(max(seq), 0) FROM annotations), ?3, ?4, ?5, ?6, ?7, ?8
             FROM blocks WHERE digest = ?2",
        )?
        .execute(params![
            annotator,
            identity.as_bytes(),
            segment.file,
            segment.rows as i64,
            segment.bytes as i64,
            segment.checksum.as_bytes(),
            content.sum.to_le_bytes(),
            latest
        ])?;
    Ok(())
}
