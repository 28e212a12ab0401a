//! Short names for rows: keys that tell one question from another, and digests of what was answered.

use std::hash::{BuildHasherDefault, Hasher};

use crate::annotation::{Annotation, Cost};
use crate::hash::Digest;
use crate::task::Name;

/// A map whose keys are hashed by [`Fold`]. Never iterated: its order would leak into results.
pub(super) type FoldMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Fold>>;

/// A set with the same hashing, and the same caution.
pub(super) type FoldSet<K> = std::collections::HashSet<K, BuildHasherDefault<Fold>>;

const LOW: u64 = 0x9e37_79b9_7f4a_7c15;
const HIGH: u64 = 0xc2b2_ae3d_27d4_eb4f;

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let chunks = bytes.chunks_exact(8);
    let rest = chunks.remainder();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    chunks
        .map(|chunk| u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes")))
        .chain((!rest.is_empty()).then(|| u64::from_le_bytes(last)))
}

/// Hashing by folded multiplication: a few nanoseconds for a label, where the standard hasher takes twenty. It does not
/// withstand keys chosen to collide; then lookups become slow, never wrong.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for word in words(bytes) {
            self.0 = fold(self.0 ^ word ^ LOW, HIGH);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word ^ LOW, HIGH);
    }

    fn finish(&self) -> u64 {
        // The table takes its tag from the high bits and the slot from the low ones.
        fold(self.0 ^ HIGH, LOW)
    }
}

/// The 128-bit key of one question put to an annotator: an item's id and its content. Lives in memory only.
///
/// The content digest is already uniform; the id is mixed in by two independent multiplications.
pub(super) fn key(item: &str, content: Digest) -> u128 {
    let content = u128::from_le_bytes(*content.as_bytes());
    let length = item.len() as u64;
    let (mut low, mut high) = (content as u64 ^ length, (content >> 64) as u64 ^ length.rotate_left(32));
    for word in words(item.as_bytes()) {
        low = fold(low ^ word, LOW);
        high = fold(high ^ word.rotate_left(29), HIGH);
    }
    (u128::from(fold(high ^ LOW, HIGH)) << 64) | u128::from(fold(low ^ HIGH, LOW))
}

/// What was answered, apart from the question and the time.
pub(super) struct Said<'a> {
    pub(super) annotator: Digest,
    /// The answer as stored JSON.
    pub(super) answer: &'a str,
    pub(super) status: u8,
    pub(super) confidence: Option<f32>,
    pub(super) distribution: Option<&'a [(Name, f32)]>,
    pub(super) cost: Cost,
    pub(super) seed: u64,
    pub(super) evidence: Option<&'a str>,
    pub(super) suggestion_shown: bool,
    pub(super) inclusion_probability: Option<f64>,
}

impl<'a> Said<'a> {
    pub(super) fn of(annotation: &'a Annotation, answer: &'a str) -> Self {
        Self {
            annotator: annotation.annotator,
            answer,
            status: annotation.status.code(),
            confidence: annotation.confidence,
            distribution: annotation.distribution.as_deref(),
            cost: annotation.cost,
            seed: annotation.seed,
            evidence: annotation.evidence.as_deref(),
            suggestion_shown: annotation.suggestion_shown,
            inclusion_probability: annotation.inclusion_probability,
        }
    }

    /// The digest of all parts, through a buffer that is kept between rows.
    pub(super) fn digest(&self, buffer: &mut Vec<u8>) -> Digest {
        fn text(buffer: &mut Vec<u8>, text: &str) {
            buffer.extend_from_slice(&(text.len() as u64).to_le_bytes());
            buffer.extend_from_slice(text.as_bytes());
        }
        buffer.clear();
        buffer.extend_from_slice(self.annotator.as_bytes());
        text(buffer, self.answer);
        buffer.extend_from_slice(&[self.status, u8::from(self.suggestion_shown)]);
        buffer.extend_from_slice(&self.seed.to_le_bytes());
        let cost = self.cost;
        for part in [cost.money_micros, cost.person_millis, cost.input_tokens, cost.output_tokens] {
            buffer.extend_from_slice(&part.to_le_bytes());
        }
        buffer.push(u8::from(self.confidence.is_some()));
        buffer.extend_from_slice(&self.confidence.unwrap_or_default().to_bits().to_le_bytes());
        buffer.push(u8::from(self.inclusion_probability.is_some()));
        buffer.extend_from_slice(&self.inclusion_probability.unwrap_or_default().to_bits().to_le_bytes());
        match self.evidence {
            Some(evidence) => {
                buffer.push(1);
                text(buffer, evidence);
            }
            None => buffer.push(0),
        }
        match self.distribution {
            Some(weights) => {
                buffer.push(1);
                for (label, weight) in weights {
                    text(buffer, label);
                    buffer.extend_from_slice(&weight.to_bits().to_le_bytes());
                }
            }
            None => buffer.push(0),
        }
        Digest::of(buffer)
    }
}

/// The digest of one annotation without its time and place in the store.
pub(super) fn row_digest(item: &str, content: Digest, said: Digest) -> Digest {
    const SHORT: usize = 96;
    let length = 32 + item.len();
    if item.len() <= SHORT {
        let mut bytes = [0; 32 + SHORT];
        bytes[..16].copy_from_slice(content.as_bytes());
        bytes[16..32].copy_from_slice(said.as_bytes());
        bytes[32..length].copy_from_slice(item.as_bytes());
        Digest::of(&bytes[..length])
    } else {
        Digest::of(&[content.as_bytes(), said.as_bytes().as_slice(), item.as_bytes()].concat())
    }
}

/// A multiset of rows as one number: the sum of their digests. Neither order nor grouping changes it, and rows can be
/// taken out again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentSum {
    pub(super) rows: u64,
    pub(super) sum: u128,
}

impl ContentSum {
    pub(super) fn add(&mut self, row: Digest) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(*row.as_bytes()));
    }

    pub(super) fn remove(&mut self, row: Digest) {
        self.rows -= 1;
        self.sum = self.sum.wrapping_sub(u128::from_le_bytes(*row.as_bytes()));
    }

    pub(super) fn add_all(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_ids_and_contents_apart() {
        let content = Digest::of(b"text");
        let mut keys: Vec<u128> = (0..20_000).map(|number| key(&format!("item-{number}"), content)).collect();
        keys.extend((0..20_000_u32).map(|number| key("item-0", Digest::of(&number.to_le_bytes()))));
        keys.extend(["", "\0", "\0\0", "aaaaaaaa", "aaaaaaaa\0"].map(|id| key(id, content)));
        let mut halves: Vec<u64> = keys.iter().map(|&key| key as u64).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        halves.sort_unstable();
        halves.dedup();
        assert_eq!((keys.len(), halves.len()), (count, count));
    }

    #[test]
    fn sums_forget_order_and_take_rows_back() {
        let rows = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"b")];
        let mut forward = ContentSum::default();
        for row in rows {
            forward.add(row);
        }
        let mut backward = ContentSum::default();
        for row in rows.into_iter().rev() {
            backward.add(row);
        }
        assert_eq!(forward, backward);
        backward.remove(rows[2]);
        assert_ne!(forward, backward);
    }
}
