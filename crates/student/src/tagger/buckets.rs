//! A static table in bytes: the upper bits of a key choose a bucket, sixteen bits of the key stay as its fingerprint.
//!
//! ```text
//! buckets, u32   blob, u32   bases: u32 per 32 buckets   offsets: u16 per bucket and one more   blob
//! ```
//!
//! A bucket lies at the base of its group plus its offset. A foreign key is taken for one that is there with a
//! probability of (entries per bucket) / 65,536.

use crate::error::{Error, Result};

/// Buckets that share a base.
const GROUP: usize = 32;
const HEADER: usize = 8;

/// The bucket of a key.
#[inline(always)]
pub(crate) const fn bucket_of(key: u64, buckets: usize) -> usize {
    (((key >> 32) * buckets as u64) >> 32) as usize
}

/// What of a key is kept.
#[inline(always)]
pub(crate) const fn fingerprint(key: u64) -> u16 {
    key as u16
}

#[inline(always)]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[inline(always)]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A table that lies in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Buckets<'a> {
    count: usize,
    bases: &'a [u8],
    offsets: &'a [u8],
    blob: &'a [u8],
}

impl<'a> Buckets<'a> {
    /// Reads a table from the beginning of some bytes and checks that every bucket lies inside; also gives its length.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (view, length) = Self::view(bytes)?;
        let mut end = 0;
        for bucket in 0..=view.count {
            let start = view.start(bucket);
            if start < end || start > view.blob.len() {
                return None;
            }
            end = start;
        }
        (view.start(0) == 0 && end == view.blob.len()).then_some((view, length))
    }

    /// The same without the checks of every bucket, for bytes that were checked before.
    pub(crate) fn view(bytes: &'a [u8]) -> Option<(Self, usize)> {
        if bytes.len() < HEADER {
            return None;
        }
        let (count, blob) = (u32_at(bytes, 0) as usize, u32_at(bytes, 4) as usize);
        let bases = HEADER + 4 * (count / GROUP + 1);
        let offsets = bases + 2 * (count + 1);
        let end = offsets.checked_add(blob)?;
        (end <= bytes.len()).then(|| {
            let view = Self {
                count,
                bases: &bytes[HEADER..bases],
                offsets: &bytes[bases..offsets],
                blob: &bytes[offsets..end],
            };
            (view, end)
        })
    }

    #[inline(always)]
    fn start(&self, bucket: usize) -> usize {
        u32_at(self.bases, bucket / GROUP * 4) as usize + usize::from(u16_at(self.offsets, bucket * 2))
    }

    /// How many buckets there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The bytes of the bucket of a key.
    #[inline(always)]
    pub(crate) fn bucket(&self, key: u64) -> &'a [u8] {
        if self.count == 0 { &[] } else { self.at(bucket_of(key, self.count)) }
    }

    /// The bytes of a bucket by number.
    #[inline(always)]
    pub(crate) fn at(&self, bucket: usize) -> &'a [u8] {
        &self.blob[self.start(bucket)..self.start(bucket + 1)]
    }
}

/// Writes a table: `sorted` holds the keys in the order of their buckets, `write` appends a bucket's bytes given its range
/// of keys.
pub(crate) fn write(
    sorted: &[u64],
    buckets: usize,
    mut write: impl FnMut(std::ops::Range<usize>, &mut Vec<u8>),
) -> Result<Vec<u8>> {
    let (mut bases, mut offsets, mut blob) = (Vec::new(), Vec::new(), Vec::new());
    let (mut at, mut base) = (0, 0);
    for bucket in 0..=buckets {
        if bucket % GROUP == 0 {
            base = blob.len();
            bases.extend_from_slice(&(base as u32).to_le_bytes());
        }
        let offset = u16::try_from(blob.len() - base)
            .map_err(|_| Error::setting("expected fewer labels: a group of features takes more than 65,535 bytes"))?;
        offsets.extend_from_slice(&offset.to_le_bytes());
        if bucket < buckets {
            let start = at;
            while at < sorted.len() && bucket_of(sorted[at], buckets) == bucket {
                at += 1;
            }
            write(start..at, &mut blob);
        }
    }
    debug_assert_eq!(at, sorted.len(), "keys must come in the order of their buckets");
    let size = u32::try_from(blob.len()).map_err(|_| Error::setting("expected a model below 4 GB"))?;
    let mut bytes = (buckets as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(&bases);
    bytes.extend_from_slice(&offsets);
    bytes.extend_from_slice(&blob);
    Ok(bytes)
}

/// A map from keys to small numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Map<'a> {
    buckets: Buckets<'a>,
    wide: bool,
}

/// Entries per bucket of a map.
const FILL: usize = 6;

/// Writes a map. Of equal fingerprints in one bucket the first in the order of keys stays.
pub(crate) fn write_map(entries: &mut Vec<(u64, u16)>) -> Result<Vec<u8>> {
    entries.sort_unstable();
    entries.dedup_by_key(|entry| entry.0);
    let wide = entries.iter().any(|entry| entry.1 > 255);
    let keys: Vec<u64> = entries.iter().map(|entry| entry.0).collect();
    let buckets = if keys.is_empty() { 0 } else { keys.len() / FILL + 1 };
    let table = write(&keys, buckets, |range, blob| {
        let mut kept: Vec<(u16, u16)> = entries[range].iter().map(|entry| (fingerprint(entry.0), entry.1)).collect();
        kept.sort_by_key(|entry| entry.0);
        kept.dedup_by_key(|entry| entry.0);
        kept.iter().for_each(|entry| blob.extend_from_slice(&entry.0.to_le_bytes()));
        for (_, value) in kept {
            blob.extend_from_slice(&value.to_le_bytes()[..=usize::from(wide)]);
        }
    })?;
    let mut bytes = u32::from(wide).to_le_bytes().to_vec();
    bytes.extend_from_slice(&table);
    Ok(bytes)
}

impl<'a> Map<'a> {
    /// Reads a map from the beginning of some bytes; also gives its length. With `check`, whether all its values are
    /// below `values`.
    pub(crate) fn read(bytes: &'a [u8], check: Option<usize>) -> Option<(Self, usize)> {
        if bytes.len() < 4 {
            return None;
        }
        let wide = match u32_at(bytes, 0) {
            0 => false,
            1 => true,
            _ => return None,
        };
        let (buckets, length) = if check.is_some() { Buckets::read(&bytes[4..]) } else { Buckets::view(&bytes[4..]) }?;
        let map = Self { buckets, wide };
        if let Some(values) = check {
            for bucket in 0..buckets.count() {
                let bytes = buckets.at(bucket);
                let count = bytes.len() / map.entry();
                if bytes.len() % map.entry() != 0
                    || (0..count).any(|at| usize::from(map.value(bytes, count, at)) >= values)
                {
                    return None;
                }
            }
        }
        Some((map, length + 4))
    }

    const fn entry(&self) -> usize {
        3 + self.wide as usize
    }

    #[inline(always)]
    fn value(&self, bytes: &[u8], count: usize, at: usize) -> u16 {
        if self.wide { u16_at(bytes, 2 * count + 2 * at) } else { u16::from(bytes[2 * count + at]) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.count == 0
    }

    /// The value of a key.
    #[inline(always)]
    pub(crate) fn get(&self, key: u64) -> Option<u16> {
        let bytes = self.buckets.bucket(key);
        let count = bytes.len() / self.entry();
        let wanted = fingerprint(key).to_le_bytes();
        let found = bytes[..2 * count].as_chunks::<2>().0.iter().position(|kept| *kept == wanted)?;
        Some(self.value(bytes, count, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tagger::hash;

    #[test]
    fn every_key_finds_its_value_and_strangers_rarely_one() {
        for (count, most) in [(0u64, 1), (1, 1), (5000, 7), (5000, 3000)] {
            let mut entries: Vec<(u64, u16)> = (0..count).map(|at| (hash::pair(at, 1), (at % most) as u16)).collect();
            let bytes = write_map(&mut entries).unwrap();
            let (map, length) = Map::read(&bytes, Some(most as usize)).unwrap();
            assert_eq!(length, bytes.len());
            let found = (0..count).filter(|&at| map.get(hash::pair(at, 1)) == Some((at % most) as u16)).count();
            // A collision in sixteen bits within a bucket may cost an entry.
            assert!(found as u64 >= count.saturating_sub(2), "{found} of {count}");
            assert!((0..5000).filter(|&at| map.get(hash::pair(at, 2)).is_some()).count() < 5);
            assert!(count == 0 || Map::read(&bytes, Some(most as usize - 1)).is_none());
            assert!(Map::read(&bytes[..bytes.len() - 1], Some(9)).is_none());
        }
    }
}
