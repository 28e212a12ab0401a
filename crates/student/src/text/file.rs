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

use std::path::Path;

use super::table::Table;
use crate::error::{Error, Result};
use crate::mapped::Bytes;

const MAGIC: &[u8; 8] = b"POSTILTM";
/// The newest format that this version reads and the one it writes.
const VERSION: u32 = 1;
const CHECKSUM: std::ops::Range<usize> = 64..96;
const HEADER: usize = 96;

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
    finish(bytes)
}

/// The same model with other metadata.
pub(crate) fn with_metadata(bytes: &[u8], layout: &Layout, metadata: &[u8]) -> Vec<u8> {
    let mut changed = begin(metadata, layout.slots, layout.rows, layout.classes);
    changed.extend_from_slice(&bytes[layout.metadata.end..]);
    finish(changed)
}

fn begin(metadata: &[u8], slots: usize, rows: usize, classes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let padded = metadata.len().next_multiple_of(8);
    bytes.extend_from_slice(MAGIC);
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

fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(&bytes);
    bytes[CHECKSUM].copy_from_slice(&checksum);
    bytes
}

fn checksum(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..CHECKSUM.start]).update(&bytes[CHECKSUM.end..]);
    *hasher.finalize().as_bytes()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

#[inline(always)]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

/// Checks a file from end to end, so that prediction can trust every number in it.
pub(crate) fn check(bytes: &[u8]) -> Result<Layout> {
    if bytes.len() < HEADER {
        return Err(
            if MAGIC.starts_with(&bytes[..bytes.len().min(8)]) && !bytes.is_empty() || bytes.starts_with(MAGIC) {
                damaged(&format!("expected at least {HEADER} bytes, found {}", bytes.len()))
            } else {
                Error::damaged("expected a model file, found something else")
            },
        );
    }
    if !bytes.starts_with(MAGIC) {
        return Err(Error::damaged("expected a model file, found something else"));
    }
    let version = u32_at(bytes, 8);
    if version > VERSION {
        return Err(Error::newer_format(format!("expected a model of format {VERSION}, found format {version}"))
            .hint("a newer version of this program wrote it; upgrade to read it"));
    }
    if version == 0 {
        return Err(damaged("expected a format version of at least 1, found 0"));
    }
    if u64_at(bytes, 16) != bytes.len() as u64 {
        return Err(damaged(&format!("expected {} bytes, found {}", u64_at(bytes, 16), bytes.len())));
    }
    if checksum(bytes) != bytes[CHECKSUM] {
        return Err(damaged("the checksum does not fit the content"));
    }
    // From here on only a file that was made wrong on purpose can fail.
    sections(bytes).ok_or_else(|| damaged("the sections do not fit together"))
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

fn damaged(message: &str) -> Error {
    Error::damaged(format!("the model file is damaged: {message}"))
        .hint("train the model again or restore the file from a copy")
}

/// Maps a file; the content is not yet checked.
pub(crate) fn open(path: &Path) -> Result<Bytes> {
    Bytes::map(path).map_err(|error| Error::io(format!("cannot read the model: {error}"), error))
}

/// Writes beside the target and renames, so that a reader sees the old file or the new one.
pub(crate) fn write(bytes: &[u8], path: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.partial", std::process::id()));
    let beside = Path::new(&beside);
    let written = std::fs::File::create(beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let result = written.and_then(|()| std::fs::rename(beside, path));
    if result.is_err() {
        // The first error is the one to report; a leftover file is harmless.
        drop(std::fs::remove_file(beside));
    }
    result
}
