//! Sets of questions already answered, compact enough for tens of millions.

use std::sync::Arc;

use super::fingerprint::key;
use crate::hash::Digest;

/// Keys in order, with an index into them: 16 bytes a key and half a byte for the index.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<u128>,
    /// Where the keys that start with each prefix begin.
    starts: Vec<u32>,
    shift: u32,
    /// Keys that were given more than once, in order.
    pub(super) repeated: Vec<u128>,
}

impl KeySet {
    pub(super) fn new(mut keys: Vec<u128>) -> Self {
        keys.sort_unstable();
        let mut repeated: Vec<u128> = keys.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        repeated.dedup();
        keys.dedup();
        // About eight keys share a prefix: one step into the index, one into the keys.
        let bits = (keys.len() / 8).max(1).ilog2().min(28);
        let shift = 128 - bits;
        let mut starts = vec![0; (1 << bits) + 1];
        if bits > 0 {
            for key in &keys {
                starts[(key >> shift) as usize + 1] += 1;
            }
            for prefix in 1..starts.len() {
                starts[prefix] += starts[prefix - 1];
            }
        } else {
            starts[1] = keys.len() as u32;
        }
        Self { keys, starts, shift, repeated }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn contains(&self, key: u128) -> bool {
        // Shifting by all 128 bits is not defined, and means the one prefix there is.
        let prefix = key.checked_shr(self.shift).unwrap_or(0) as usize;
        let Some(&[start, end]) = self.starts.get(prefix..prefix + 2) else { return false };
        self.keys[start as usize..end as usize].binary_search(&key).is_ok()
    }
}

/// What one annotator has answered already: item and content together.
///
/// Holds 128-bit keys, 16.5 bytes each; annotators whose segments share their items share the keys. Asking costs two
/// steps in memory. Two different questions have the same key with a chance below 1e-20 for a billion of them.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub(super) segments: Arc<KeySet>,
    pub(super) rows: Arc<KeySet>,
}

impl Done {
    /// Whether this item with this content has been answered.
    pub fn contains(&self, item: &str, content: Digest) -> bool {
        let key = key(item, content);
        self.segments.contains(key) || self.rows.contains(key)
    }

    /// How many questions have been answered.
    pub fn len(&self) -> usize {
        let (few, many) = if self.rows.len() < self.segments.len() {
            (&self.rows, &self.segments)
        } else {
            (&self.segments, &self.rows)
        };
        self.segments.len() + self.rows.len() - few.keys.iter().filter(|key| many.contains(**key)).count()
    }

    /// Whether nothing has been answered.
    pub fn is_empty(&self) -> bool {
        self.segments.len() + self.rows.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_every_size_know_their_keys() {
        for count in [0_u32, 1, 7, 16, 17, 100, 5000] {
            let keys: Vec<u128> = (0..count).map(|number| key("item", Digest::of(&number.to_le_bytes()))).collect();
            let set = KeySet::new(keys.iter().chain(keys.iter().take(2)).copied().collect());
            assert_eq!(set.len(), count as usize);
            assert_eq!(set.repeated.len(), 2.min(count as usize));
            assert!(keys.iter().all(|&key| set.contains(key)), "{count}");
            assert!(!set.contains(0) && !set.contains(u128::MAX) && !set.contains(key("other", Digest::of(b""))));
        }
        assert!(KeySet::new(vec![0, u128::MAX]).contains(u128::MAX));
        assert!(!KeySet::default().contains(5));
    }
}
