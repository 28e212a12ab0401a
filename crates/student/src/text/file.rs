//! The layout of a model file, its checks, and its bytes in memory or mapped from a file.
//!
//! ```text
//! 0   magic "POSTILTM"           8   format version, u32        12  zero, u32
//! 16  length of the file, u64    24  length of metadata, u64    32  slots, u64
//! 40  rows, u64                  48  classes, u32               52  lanes, u32
//! 56  zero, u64                  64  BLAKE3 of all other bytes, 32 bytes
//! 96  metadata, JSON, padded with spaces to 8 bytes
//!     prior (classes x f32), bias (lanes x f32), padded with zeros to 8 bytes
//!     slots: u64 each, zero when empty, else the low half of the key and, above it, the row + 1
//!     rows: scale (bf16), squared length (bf16), lanes x i8
//! ```
//!
//! Everything is little-endian. A key's first slot is the high half of the key scaled to the number of slots; taken
//! slots are passed over in order.

use super::table::Table;
use crate::error::Result;
use crate::sealed::{self, HEADER, seal, u32_at};

pub(crate) use crate::sealed::u64_at;

const MAGIC: [u8; 8] = *b"POSTILTM";
/// The newest format that this version reads and the one it writes.
const VERSION: u32 = 1;

/// The lanes of a row: the classes, padded so that vector instructions need no remainder.
pub(crate) const fn lanes(classes: usize) -> usize {
    if classes <= 4 { 4 } else { classes.next_multiple_of(8) }
}

/// The bytes of a row.
pub(crate) const fn row_stride(classes: usize) -> usize {
    lanes(classes) + 4
}

/// Where the sections of a checked file lie.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) classes: usize,
    pub(crate) lanes: usize,
    pub(crate) slots: usize,
    pub(crate) rows: usize,
    pub(crate) metadata: std::ops::Range<usize>,
    pub(crate) slots_at: usize,
    pub(crate) rows_at: usize,
    pub(crate) prior: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// The slot where the search for a key starts.
#[inline(always)]
pub(crate) const fn first_slot(key: u64, slots: usize) -> usize {
    (((key >> 32) * slots as u64) >> 32) as usize
}

/// Rounds to a number with 8 significant bits, the upper half of an `f32`.
fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

#[inline(always)]
pub(crate) fn from_half(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Writes a model as the bytes of its file.
pub(crate) fn encode(metadata: &[u8], prior: &[f32], bias: &[f32], table: &Table) -> Vec<u8> {
    let classes = prior.len();
    let lanes = lanes(classes);
    let slots = (table.len() * 10 / 7 + 2).next_multiple_of(2);
    let mut index = vec![0u64; slots];
    for (row, &key) in table.keys.iter().enumerate() {
        let mut at = first_slot(key, slots);
        while index[at] != 0 {
            at = (at + 1) % slots;
        }
        index[at] = (key & 0xffff_ffff) | ((row as u64 + 1) << 32);
    }
    let mut bytes = begin(metadata, slots, table.len(), classes);
    prior.iter().chain(bias).for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes.resize(bytes.len() + 4 * (lanes - bias.len()), 0);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    index.iter().for_each(|slot| bytes.extend_from_slice(&slot.to_le_bytes()));
    for (row, &square) in table.scores.chunks_exact(classes).zip(&table.squares) {
        let most = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        // The scale is rounded before the weights are divided by it, so its rounding costs nothing.
        let scale = to_half(most / 126.5);
        let inverse = if from_half(scale) > 0.0 { 1.0 / from_half(scale) } else { 0.0 };
        bytes.extend_from_slice(&scale.to_le_bytes());
        bytes.extend_from_slice(&to_half(square).to_le_bytes());
        bytes.extend(row.iter().map(|value| (value * inverse).round().clamp(-127.0, 127.0) as i8 as u8));
        bytes.resize(bytes.len() + lanes - classes, 0);
    }
    seal(bytes)
}

/// The same model with other metadata.
pub(crate) fn with_metadata(bytes: &[u8], layout: &Layout, metadata: &[u8]) -> Vec<u8> {
    let mut changed = begin(metadata, layout.slots, layout.rows, layout.classes);
    changed.extend_from_slice(&bytes[layout.metadata.end..]);
    seal(changed)
}

fn begin(metadata: &[u8], slots: usize, rows: usize, classes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let padded = metadata.len().next_multiple_of(8);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 12]);
    for value in [padded as u64, slots as u64, rows as u64] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&(classes as u32).to_le_bytes());
    bytes.extend_from_slice(&(lanes(classes) as u32).to_le_bytes());
    bytes.resize(HEADER, 0);
    bytes.extend_from_slice(metadata);
    bytes.resize(HEADER + padded, b' ');
    bytes
}

/// Checks a file from end to end, so that prediction can trust every number in it.
pub(crate) fn check(bytes: &[u8]) -> Result<Layout> {
    sealed::check(bytes, MAGIC, VERSION)?;
    // From here on only a file that was made wrong on purpose can fail.
    sections(bytes).ok_or_else(|| sealed::damaged("the sections do not fit together"))
}

fn sections(bytes: &[u8]) -> Option<Layout> {
    let number = |at| usize::try_from(u64_at(bytes, at)).ok();
    let (metadata, slots, rows) = (number(24)?, number(32)?, number(40)?);
    let (classes, lanes) = (u32_at(bytes, 48) as usize, u32_at(bytes, 52) as usize);
    if classes == 0 || classes > usize::from(u16::MAX) || lanes != self::lanes(classes) || slots <= rows {
        return None;
    }
    let floats_at = HEADER.checked_add(metadata)?;
    let floats_end = floats_at.checked_add((4 * (classes + lanes)).next_multiple_of(8))?;
    let rows_at = floats_end.checked_add(slots.checked_mul(8)?)?;
    if rows_at.checked_add(rows.checked_mul(row_stride(classes))?)? != bytes.len() || slots > u32::MAX as usize {
        return None;
    }
    let floats: Vec<f32> = (0..classes + lanes).map(|at| f32::from_bits(u32_at(bytes, floats_at + 4 * at))).collect();
    let (prior, bias) = floats.split_at(classes);
    let taken: Vec<u64> =
        (0..slots).map(|slot| u64_at(bytes, floats_end + 8 * slot)).filter(|slot| *slot != 0).collect();
    let sound = taken.len() == rows
        && taken.iter().all(|slot| (1..=rows as u64).contains(&(slot >> 32)))
        && floats.iter().all(|value| value.is_finite())
        && prior.iter().all(|share| (0.0..=1.0).contains(share))
        && bytes[rows_at..].chunks_exact(row_stride(classes)).all(|row| {
            let (scale, square) = (u16::from_le_bytes([row[0], row[1]]), u16::from_le_bytes([row[2], row[3]]));
            (0.0..1e6).contains(&from_half(scale)) && (0.0..1e12).contains(&from_half(square))
        });
    sound.then(|| Layout {
        classes,
        lanes,
        slots,
        rows,
        metadata: HEADER..floats_at,
        slots_at: floats_end,
        rows_at,
        prior: prior.to_vec(),
        bias: bias.to_vec(),
    })
}
