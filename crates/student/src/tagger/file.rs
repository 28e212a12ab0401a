//! The layout of a tagger's file, and its checks.
//!
//! ```text
//! 0   magic "POSTILTG"           8   format version, u32        12  list sets, u32
//! 16  length of the file, u64    24  length of metadata, u64    32  floats, u64
//! 40  length of the table, u64   48  length of lists, u32       52  length of classes, u32
//! 56  class levels, u32          60  longest list entry, u32    64  BLAKE3 of all other bytes, 32 bytes
//! 96  metadata, JSON
//!     floats: f32 each (see `Numbers`)
//!     list sets: capital, any, continues: u32 each      class levels: two u16 each
//!     table of weights      lists      classes
//! ```
//!
//! Everything is little-endian; the tables are described with [`buckets`](super::buckets) and in `prune`.

use std::ops::Range;

use super::buckets::{Buckets, Map, u16_at, u32_at};
use super::clusters::ClusterTable;
use super::corpus::{Layer, LayerKind};
use super::features::TEMPLATES;
use super::lists::{ListTable, MOST_LISTS, Set};
use super::viterbi::Decoder;
use crate::chain::Layout;
use crate::error::Result;
use crate::sealed::{self, HEADER, u64_at};

pub(crate) const MAGIC: [u8; 8] = *b"POSTILTG";
/// The newest format that this version reads and the one it writes.
const VERSION: u32 = 2;

/// Where the sections of a checked file lie, and the small ones decoded.
#[derive(Debug)]
pub(crate) struct Sections {
    pub(crate) metadata: Range<usize>,
    pub(crate) floats: Vec<f32>,
    pub(crate) sets: Vec<Set>,
    pub(crate) levels: Vec<[u16; 2]>,
    pub(crate) longest: usize,
    pub(crate) table: Range<usize>,
    pub(crate) lists: Range<usize>,
    pub(crate) clusters: Range<usize>,
}

/// What a file is made of.
pub(crate) struct Contents<'a> {
    pub(crate) floats: &'a [f32],
    pub(crate) table: &'a [u8],
    pub(crate) lists: &'a ListTable,
    pub(crate) clusters: &'a ClusterTable,
}

/// Writes a model as the bytes of its file.
pub(crate) fn encode(metadata: &[u8], contents: &Contents) -> Vec<u8> {
    let Contents { floats, table, lists, clusters } = contents;
    let mut bytes = vec![0u8; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    let mut number = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    number(8, VERSION);
    number(12, lists.sets.len() as u32);
    number(48, lists.map.len() as u32);
    number(52, clusters.map.len() as u32);
    number(56, clusters.levels.len() as u32);
    number(60, lists.longest as u32);
    for (at, value) in [(24, metadata.len()), (32, floats.len()), (40, table.len())] {
        bytes[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
    }
    bytes.extend_from_slice(metadata);
    floats.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    for set in &lists.sets {
        for value in [set.capital, set.any, u32::from(set.continues)] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    clusters.levels.iter().flatten().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes.extend_from_slice(table);
    bytes.extend_from_slice(&lists.map);
    bytes.extend_from_slice(&clusters.map);
    sealed::seal(bytes)
}

/// The same file with other metadata.
pub(crate) fn with_metadata(bytes: &[u8], sections: &Sections, metadata: &[u8]) -> Vec<u8> {
    let mut changed = bytes[..HEADER].to_vec();
    changed[24..32].copy_from_slice(&(metadata.len() as u64).to_le_bytes());
    changed.extend_from_slice(metadata);
    changed.extend_from_slice(&bytes[sections.metadata.end..]);
    sealed::seal(changed)
}

/// Checks a file from end to end but for what depends on the metadata.
pub(crate) fn check(bytes: &[u8]) -> Result<Sections> {
    sealed::check(bytes, MAGIC, VERSION)?;
    // From here on only a file that was made wrong on purpose can fail.
    sections(bytes).ok_or_else(|| sealed::damaged("the sections do not fit together"))
}

fn sections(bytes: &[u8]) -> Option<Sections> {
    let long = |at| usize::try_from(u64_at(bytes, at)).ok();
    let short = |at| u32_at(bytes, at) as usize;
    let mut at = HEADER;
    let mut next = |length: usize| {
        let start = at;
        at = at.checked_add(length)?;
        (at <= bytes.len()).then_some(start..at)
    };
    let metadata = next(long(24)?)?;
    let floats = next(long(32)?.checked_mul(4)?)?;
    let sets = next(short(12).checked_mul(12)?)?;
    let levels = next(short(56).checked_mul(4)?)?;
    let table = next(long(40)?)?;
    let lists = next(short(48))?;
    let clusters = next(short(52))?;
    if at != bytes.len() {
        return None;
    }
    let floats: Vec<f32> = bytes[floats].as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let sets: Vec<Set> = bytes[sets]
        .chunks_exact(12)
        .map(|set| Set { capital: u32_at(set, 0), any: u32_at(set, 4), continues: u32_at(set, 8) != 0 })
        .collect();
    let levels: Vec<[u16; 2]> = bytes[levels].chunks_exact(4).map(|pair| [u16_at(pair, 0), u16_at(pair, 2)]).collect();
    let most_lists = 1u32 << MOST_LISTS;
    let longest = short(60);
    let whole = |map: Range<usize>, values: usize| {
        Map::read(&bytes[map.clone()], Some(values)).is_some_and(|(_, length)| length == map.len())
    };
    let sound = floats.iter().all(|value| value.abs() < 1e9)
        && sets.iter().all(|set| set.capital < most_lists && set.any < most_lists)
        && (1..=64).contains(&longest)
        && levels.len() < usize::from(u16::MAX)
        && levels.iter().flatten().all(|&level| level < u16::MAX)
        && whole(lists.clone(), sets.len())
        && whole(clusters.clone(), levels.len());
    sound.then_some(Sections { metadata, floats, sets, levels, longest, table, lists, clusters })
}

/// Checks that every bucket of the table is well formed and names lanes that exist.
pub(crate) fn check_table(bytes: &[u8], lanes: usize) -> bool {
    let Some((table, length)) = Buckets::read(bytes) else { return false };
    length == bytes.len()
        && (0..table.count()).all(|bucket| {
            let bucket = table.at(bucket);
            let mut rows = Rows::new(bucket, lanes > 256);
            let (mut end, mut good) = (rows.weights_at, bucket.is_empty() || rows.weights_at <= bucket.len());
            while good && let Some(count) = rows.next_count() {
                let weights = bucket.get(end..end + count * rows.weight_bytes());
                good = weights.is_some_and(|weights| {
                    weights.chunks_exact(rows.weight_bytes()).all(|weight| rows.lane(weight) < lanes)
                });
                end += count * rows.weight_bytes();
            }
            good && end == bucket.len()
        })
}

/// Walks over the features of a bucket.
#[derive(Clone, Copy)]
struct Rows<'a> {
    bucket: &'a [u8],
    wide: bool,
    at: usize,
    features: usize,
    weights_at: usize,
}

impl<'a> Rows<'a> {
    fn new(bucket: &'a [u8], wide: bool) -> Self {
        let features = bucket.first().map_or(0, |&count| usize::from(count));
        let weights_at = if bucket.is_empty() { 0 } else { 1 + features * (3 + usize::from(wide)) };
        Self { bucket, wide, at: 0, features, weights_at }
    }

    const fn weight_bytes(&self) -> usize {
        2 + self.wide as usize
    }

    fn next_count(&mut self) -> Option<usize> {
        if self.at == self.features {
            return None;
        }
        let counts = 1 + 2 * self.features;
        let count = if self.wide {
            usize::from(u16_at(self.bucket, counts + 2 * self.at))
        } else {
            usize::from(self.bucket[counts + self.at])
        };
        self.at += 1;
        Some(count)
    }

    fn lane(&self, weight: &[u8]) -> usize {
        if self.wide { usize::from(u16_at(weight, 0)) } else { usize::from(weight[0]) }
    }
}

/// Adds the weights of a feature to the scores of a token, if the table has it.
#[inline(always)]
pub(crate) fn add_feature<const WIDE: bool>(table: &Buckets, key: u64, scale: f32, sums: &mut [f32]) {
    let bucket = table.bucket(key);
    let Some((&count, rest)) = bucket.split_first() else { return };
    let count = usize::from(count);
    let wanted = super::buckets::fingerprint(key).to_le_bytes();
    let Some(fingerprints) = rest.get(..2 * count) else { return };
    let Some(found) = fingerprints.as_chunks::<2>().0.iter().position(|kept| *kept == wanted) else { return };
    let rest = &rest[2 * count..];
    if WIDE {
        let counts = rest[..2 * count].as_chunks::<2>().0;
        let before: usize = counts[..found].iter().map(|count| usize::from(u16::from_le_bytes(*count))).sum();
        let own = usize::from(u16::from_le_bytes(counts[found]));
        for weight in rest[2 * count + 3 * before..][..3 * own].as_chunks::<3>().0 {
            if let Some(sum) = sums.get_mut(usize::from(u16::from_le_bytes([weight[0], weight[1]]))) {
                *sum += scale * f32::from(weight[2] as i8);
            }
        }
    } else {
        let counts = &rest[..count];
        let before: usize = counts[..found].iter().map(|count| usize::from(*count)).sum();
        let own = usize::from(counts[found]);
        for weight in rest[count + 2 * before..][..2 * own].as_chunks::<2>().0 {
            if let Some(sum) = sums.get_mut(usize::from(weight[0])) {
                *sum += scale * f32::from(weight[1] as i8);
            }
        }
    }
}

/// The numbers of a model apart from its table, as they lie in the file: a scale per template, then per layer its
/// factor, its temperature, and for chains the weights of starts, ends and of the pairs that may occur, in the
/// numbering of lanes; for other layers a bias per lane.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) scales: Vec<f32>,
    pub(crate) layers: Vec<LayerNumbers>,
}

/// The numbers of a layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerNumbers {
    pub(crate) factor: f32,
    pub(crate) temperature: f32,
    /// Of a chain.
    pub(crate) decoder: Option<Decoder>,
    /// Of any other layer.
    pub(crate) bias: Vec<f32>,
}

impl LayerNumbers {
    /// Numbers of a layer that knows nothing.
    pub(crate) fn empty(layer: &Layer) -> Self {
        let decoder = layer.is_chain().then(|| Decoder::new(layer.layout()));
        let bias = if layer.is_chain() { Vec::new() } else { vec![0.0; layer.lanes()] };
        Self { factor: 1.0, temperature: 1.0, decoder, bias }
    }
}

/// The pairs of lanes that may follow each other.
fn pairs(decoder: &Decoder) -> Vec<usize> {
    let lanes = decoder.lanes();
    let layout: Layout = decoder.layout;
    (0..lanes * lanes)
        .filter(|pair| layout.allows(decoder.labels[pair / lanes], decoder.labels[pair % lanes]))
        .collect()
}

impl Numbers {
    pub(crate) fn write(&self) -> Vec<f32> {
        let mut floats = self.scales.clone();
        for layer in &self.layers {
            floats.extend([layer.factor, layer.temperature]);
            match &layer.decoder {
                Some(decoder) => {
                    floats.extend_from_slice(&decoder.start);
                    floats.extend_from_slice(&decoder.end);
                    floats.extend(pairs(decoder).into_iter().map(|pair| decoder.pairs[pair]));
                }
                None => floats.extend_from_slice(&layer.bias),
            }
        }
        floats
    }

    pub(crate) fn read(floats: &[f32], layers: &[Layer]) -> Option<Self> {
        let mut rest = floats;
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at_checked(count)?;
            rest = after;
            Some(taken)
        };
        let scales = take(TEMPLATES)?.to_vec();
        let mut read = Vec::new();
        for layer in layers {
            let [factor, temperature] = *take(2)? else { return None };
            if temperature <= 0.0 {
                return None;
            }
            let mut numbers = LayerNumbers { factor, temperature, decoder: None, bias: Vec::new() };
            if layer.is_chain() {
                let mut decoder = Decoder::new(layer.layout());
                let lanes = decoder.lanes();
                decoder.start.copy_from_slice(take(lanes)?);
                decoder.end.copy_from_slice(take(lanes)?);
                let places = pairs(&decoder);
                for (&place, &value) in places.iter().zip(take(places.len())?) {
                    decoder.pairs[place] = value;
                }
                decoder.arrange();
                numbers.decoder = Some(decoder);
            } else {
                debug_assert!(matches!(layer.kind, LayerKind::Scores | LayerKind::Sentences));
                numbers.bias = take(layer.lanes())?.to_vec();
            }
            read.push(numbers);
        }
        rest.is_empty().then_some(Self { scales, layers: read })
    }
}
