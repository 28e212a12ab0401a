//! An immutable view of chosen annotators, which every result cites by its digest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::batch::AnnotationBatch;
use super::columns::Items;
use super::fingerprint::{ContentSum, FoldMap};
use super::folder::{KeyCache, Paths};
use super::keys::KeySet;
use super::registry::{self, RegisteredAnnotator, unknown};
use super::rows::{self, Head};
use super::schema::{open_reader, sqlite_error};
use super::segment::{Detail, Stored, read_columns, read_items};
use crate::annotation::Annotation;
use crate::error::Result;
use crate::hash::Digest;

/// The rows of a batch that comes from SQLite, at most.
const SLICE: usize = 1 << 16;

/// A registered segment with its block of items.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    block: i64,
    items: Arc<Stored>,
    columns: Stored,
    /// Rows of SQLite up to this one are older than the segment.
    after_seq: i64,
    content: u128,
    /// Rows for which a later row answers the same question, in order.
    superseded: Vec<u32>,
}

#[derive(Debug)]
struct Chosen {
    number: i64,
    registered: RegisteredAnnotator,
    segments: Vec<Segment>,
    superseded: Vec<i64>,
    has_rows: bool,
    content: ContentSum,
}

/// The annotations of chosen annotators at one point: later ones never appear in it. Of several answers of one annotator
/// to one question (item and content) it holds the latest.
///
/// Making one costs a pass over the SQLite table and over the items of the segments, about 0.1 µs per item, shared by
/// annotators that saw the same items. It holds no annotations itself; a scan reads them.
#[derive(Debug)]
pub struct Snapshot {
    paths: Paths,
    until: i64,
    chosen: Vec<Chosen>,
    digest: Digest,
}

impl Snapshot {
    pub(super) fn take(paths: Paths, versions: &[Digest], cache: &KeyCache) -> Result<Self> {
        let connection = open_reader(&paths.file)?;
        let file = &paths.file;
        let fail = |error| sqlite_error(file, "a snapshot cannot be taken", error);
        // One read transaction: segments and rows of the same point.
        connection.execute_batch("BEGIN").map_err(fail)?;
        let until = last_seq(&connection, file)?;
        let known = registry::read(&connection, file)?;
        let mut chosen = Vec::with_capacity(versions.len());
        for (place, version) in versions.iter().enumerate() {
            if versions[..place].contains(version) {
                continue;
            }
            let (number, registered) = known
                .iter()
                .find(|(_, registered)| registered.identity.version == *version)
                .ok_or_else(|| unknown(*version).in_file(file))?;
            chosen.push(Chosen {
                number: *number,
                registered: registered.clone(),
                segments: segments(&connection, file, *number)?,
                superseded: Vec::new(),
                has_rows: false,
                content: ContentSum::default(),
            });
        }
        let mut heads: FoldMap<i64, Vec<Head>> = chosen.iter().map(|one| (one.number, Vec::new())).collect();
        let only = if let [one] = chosen.as_slice() { Some(one.number) } else { None };
        rows::heads(&connection, file, only, until, |head| {
            if let Some(heads) = heads.get_mut(&head.annotator) {
                heads.push(head);
            }
        })?;
        connection.execute_batch("COMMIT").map_err(fail)?;

        // Kept from one annotator to the next, which most often saw the same items.
        let mut _held;
        for one in &mut chosen {
            _held = one.settle(&paths, &heads.remove(&one.number).unwrap_or_default(), cache)?;
        }
        let mut contents: Vec<(Digest, ContentSum)> =
            chosen.iter().map(|one| (one.registered.identity.version, one.content)).collect();
        contents.sort_unstable_by_key(|(version, _)| *version);
        let mut bytes = b"postil snapshot 1\n".to_vec();
        for (version, content) in contents {
            bytes.extend_from_slice(version.as_bytes());
            bytes.extend_from_slice(&content.rows.to_le_bytes());
            bytes.extend_from_slice(&content.sum.to_le_bytes());
        }
        Ok(Self { digest: Digest::of(&bytes), paths, until, chosen })
    }

    /// The digest of the annotators' versions and of all their annotations but for the time at which they were given.
    ///
    /// It depends neither on the order in which they came nor on how they are stored, so an interrupted run that was
    /// resumed and one that was not give the same digest, and a result that cites it can be repeated. It is a sum of
    /// row digests modulo 2^128: equal by accident with negligible chance, not safe against forgery.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The chosen annotators, in the order they were asked for.
    pub fn annotators(&self) -> impl ExactSizeIterator<Item = &RegisteredAnnotator> {
        self.chosen.iter().map(|one| &one.registered)
    }

    /// How many annotations of this annotator there are; 0 for one that was not chosen.
    pub fn len_of(&self, version: Digest) -> u64 {
        self.chosen.iter().find(|one| one.version() == version).map_or(0, |one| one.content.rows)
    }

    /// How many annotations there are.
    pub fn len(&self) -> u64 {
        self.chosen.iter().map(|one| one.content.rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows every annotation once, in batches of one annotator each.
    ///
    /// Batches about the same block of items come one after the other. Beyond that, neither the order nor the borders
    /// of batches mean anything: they show how the rows came to be stored, and a result must not depend on them.
    /// An error of the visitor ends the scan and is returned. Memory: one block of items and one segment.
    pub fn scan(&self, detail: Detail, mut visit: impl FnMut(&AnnotationBatch) -> Result<()>) -> Result<()> {
        self.scan_where(detail, |_| true, &mut visit)
    }

    /// Shows the annotations of one annotator, like [`Snapshot::scan`].
    pub fn scan_of(
        &self,
        version: Digest,
        detail: Detail,
        mut visit: impl FnMut(&AnnotationBatch) -> Result<()>,
    ) -> Result<()> {
        self.scan_where(detail, |one| one == version, &mut visit)
    }

    /// All annotations of one annotator, for small things: a million take some 300 MB.
    pub fn annotations(&self, version: Digest) -> Result<Vec<Annotation>> {
        let mut annotations = Vec::new();
        self.scan_of(version, Detail::Full, |batch| {
            for row in 0..batch.len() {
                annotations.push(batch.annotation(row)?);
            }
            Ok(())
        })?;
        Ok(annotations)
    }

    fn scan_where(
        &self,
        detail: Detail,
        wanted: impl Fn(Digest) -> bool,
        visit: &mut dyn FnMut(&AnnotationBatch) -> Result<()>,
    ) -> Result<()> {
        let wanted: Vec<&Chosen> = self.chosen.iter().filter(|one| wanted(one.version())).collect();
        let mut by_block: BTreeMap<i64, Vec<(&Chosen, &Segment)>> = BTreeMap::new();
        for one in &wanted {
            for segment in &one.segments {
                by_block.entry(segment.block).or_default().push((one, segment));
            }
        }
        for parts in by_block.values() {
            let mut items = None;
            for (one, segment) in parts {
                if segment.superseded.len() as u64 == segment.columns.rows {
                    continue;
                }
                let items = match &items {
                    Some(items) => items,
                    None => items.insert(Arc::new(read_items(&self.paths.segments, &segment.items)?)),
                };
                visit(&segment.batch(&self.paths.segments, one.version(), items, detail)?)?;
            }
        }
        if wanted.iter().any(|one| one.has_rows) {
            let connection = open_reader(&self.paths.file)?;
            for one in wanted.iter().filter(|one| one.has_rows) {
                one.scan_rows(&connection, &self.paths.file, self.until, visit)?;
            }
        }
        Ok(())
    }
}

impl Segment {
    /// The rows that still count.
    fn batch(&self, folder: &Path, version: Digest, items: &Arc<Items>, detail: Detail) -> Result<AnnotationBatch> {
        let columns = read_columns(folder, &self.columns, detail)?;
        if self.superseded.is_empty() {
            return AnnotationBatch::new(version, items.clone(), columns);
        }
        let mut gone = self.superseded.iter().peekable();
        let live: Vec<u32> = (0..items.contents.len() as u32).filter(|row| gone.next_if_eq(&row).is_none()).collect();
        let ids = live.iter().map(|&row| Some(items.ids.value(row as usize))).collect();
        let contents = live.iter().map(|&row| items.contents[row as usize]).collect();
        AnnotationBatch::new(version, Arc::new(Items::new(ids, contents)), columns.select(&live))
    }
}

impl Chosen {
    fn version(&self) -> Digest {
        self.registered.identity.version
    }

    fn scan_rows(
        &self,
        connection: &Connection,
        file: &Path,
        until: i64,
        visit: &mut dyn FnMut(&AnnotationBatch) -> Result<()>,
    ) -> Result<()> {
        let live = |seq| self.superseded.binary_search(&seq).is_err();
        rows::read(connection, file, (self.number, self.version()), until, live, SLICE, |builder| {
            let (items, columns) = builder.finish();
            visit(&AnnotationBatch::new(self.version(), Arc::new(items), columns)?)
        })
    }

    /// Finds what is superseded and sums up the rest; returns the keys it needed for that.
    fn settle(&mut self, paths: &Paths, heads: &[Head], cache: &KeyCache) -> Result<Arc<KeySet>> {
        self.has_rows = !heads.is_empty();
        for segment in &self.segments {
            self.content.add_all(ContentSum { rows: segment.columns.rows, sum: segment.content });
        }
        for head in heads {
            self.content.add(head.digest);
        }

        let in_segments = keys_of(paths, &self.segments, cache)?;
        let in_rows = KeySet::new(heads.iter().map(|head| head.key).collect());
        let mut repeated: FoldMap<u128, Option<Place>> =
            in_segments.repeated.iter().chain(&in_rows.repeated).map(|key| (*key, None)).collect();
        if in_segments.len() > 0 {
            let both = heads.iter().filter(|head| in_segments.contains(head.key));
            repeated.extend(both.map(|head| (head.key, None)));
        }
        if !repeated.is_empty() {
            self.supersede(paths, heads, repeated)?;
        }
        Ok(in_segments)
    }

    /// Walks all rows from the oldest to the latest; whoever answers a question again takes the place of the one before.
    fn supersede(&mut self, paths: &Paths, heads: &[Head], mut latest: FoldMap<u128, Option<Place>>) -> Result<()> {
        let mut gone: Vec<Place> = Vec::new();
        let mut take = |key: u128, place: Place| {
            if let Some(before) = latest.get_mut(&key) {
                gone.extend(before.replace(place));
            }
        };
        let mut heads_left = heads.iter().enumerate().peekable();
        for (number, segment) in self.segments.iter().enumerate() {
            while let Some((place, head)) = heads_left.next_if(|(_, head)| head.seq <= segment.after_seq) {
                take(head.key, Place::Row(place));
            }
            for (row, key) in read_items(&paths.segments, &segment.items)?.keys().enumerate() {
                take(key, Place::Segment(number, row as u32));
            }
        }
        heads_left.for_each(|(place, head)| take(head.key, Place::Row(place)));

        for place in gone {
            match place {
                Place::Row(place) => {
                    self.superseded.push(heads[place].seq);
                    self.content.remove(heads[place].digest);
                }
                Place::Segment(number, row) => self.segments[number].superseded.push(row),
            }
        }
        self.superseded.sort_unstable();
        let version = self.version();
        for segment in &mut self.segments {
            if segment.superseded.is_empty() {
                continue;
            }
            let rows = std::mem::take(&mut segment.superseded);
            let items = Arc::new(read_items(&paths.segments, &segment.items)?);
            let batch = segment.batch(&paths.segments, version, &items, Detail::Full)?;
            for &row in &rows {
                self.content.remove(batch.row_digest(row as usize)?);
            }
            segment.superseded = rows;
            segment.superseded.sort_unstable();
        }
        Ok(())
    }
}

/// Where a row is stored: its position among the rows of SQLite, or its segment and its row there.
#[derive(Clone, Copy, Debug)]
enum Place {
    Row(usize),
    Segment(usize, u32),
}

/// The number of the latest row.
pub(super) fn last_seq(connection: &Connection, file: &Path) -> Result<i64> {
    connection
        .query_row("SELECT coalesce(max(seq), 0) FROM annotations", [], |row| row.get(0))
        .map_err(|error| sqlite_error(file, "annotations cannot be read", error))
}

/// The segments of an annotator, oldest first.
pub(super) fn segments(connection: &Connection, file: &Path, annotator: i64) -> Result<Vec<Segment>> {
    let read = || -> rusqlite::Result<Vec<Segment>> {
        connection
            .prepare_cached(
                "SELECT blocks.id, blocks.file, blocks.rows, blocks.bytes, blocks.checksum, segments.file,
                 segments.rows, segments.bytes, segments.checksum, after_seq, content_sum
                 FROM segments JOIN blocks ON blocks.id = block WHERE annotator = ?1 ORDER BY segments.id",
            )?
            .query_map(params![annotator], |row| {
                Ok(Segment {
                    block: row.get(0)?,
                    items: Arc::new(stored(row, 1)?),
                    columns: stored(row, 5)?,
                    after_seq: row.get(9)?,
                    content: u128::from_le_bytes(row.get(10)?),
                    superseded: Vec::new(),
                })
            })?
            .collect()
    };
    read().map_err(|error| sqlite_error(file, "segments cannot be read", error))
}

/// A registered file from four columns in a row.
pub(super) fn stored(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Stored> {
    Ok(Stored {
        file: row.get(first)?,
        rows: row.get::<_, i64>(first + 1)? as u64,
        bytes: row.get::<_, i64>(first + 2)? as u64,
        checksum: Digest::from_bytes(row.get(first + 3)?),
    })
}

/// The questions that segments answer. Annotators over the same blocks share one set while anybody holds it.
pub(super) fn keys_of(paths: &Paths, segments: &[Segment], cache: &KeyCache) -> Result<Arc<KeySet>> {
    let blocks: Vec<i64> = segments.iter().map(|segment| segment.block).collect();
    if let Some(keys) = cache.get(&blocks) {
        return Ok(keys);
    }
    let mut keys = Vec::with_capacity(segments.iter().map(|segment| segment.items.rows as usize).sum());
    for segment in segments {
        keys.extend(read_items(&paths.segments, &segment.items)?.keys());
    }
    let keys = Arc::new(KeySet::new(keys));
    cache.keep(blocks, &keys);
    Ok(keys)
}
