//! The items of a run: their ids and content digests, in the source's order, and the way back from id to position.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use postil_core::{Digest, ItemBatch};

/// Ids and digests of all items, about 60 bytes an item beside the id itself.
#[derive(Default)]
pub(super) struct Items {
    ids: String,
    ends: Vec<u32>,
    digests: Vec<Digest>,
    positions: HashMap<u128, u32, BuildHasherDefault<Folded>>,
}

impl Items {
    /// Adds the items of a batch.
    pub(super) fn add(&mut self, batch: &ItemBatch) {
        for row in 0..batch.len() {
            let position = self.digests.len() as u32;
            self.ids.push_str(batch.id(row));
            self.ends.push(self.ids.len() as u32);
            self.digests.push(batch.digest(row));
            self.positions.insert(key(batch.id(row), batch.digest(row)), position);
        }
    }

    /// How many items.
    pub(super) fn len(&self) -> usize {
        self.digests.len()
    }

    /// The id at a position.
    pub(super) fn id(&self, position: usize) -> &str {
        let start = if position == 0 { 0 } else { self.ends[position - 1] as usize };
        &self.ids[start..self.ends[position] as usize]
    }

    /// The content digest at a position.
    pub(super) fn digest(&self, position: usize) -> Digest {
        self.digests[position]
    }

    /// The position of the item with this id and content.
    pub(super) fn position(&self, id: &str, digest: Digest) -> Option<u32> {
        self.positions.get(&key(id, digest)).copied()
    }

    /// Positions by id, for sources that name items without their content, such as gold files.
    pub(super) fn by_id(&self) -> HashMap<&str, u32> {
        (0..self.len()).map(|position| (self.id(position), position as u32)).collect()
    }

    /// A digest of all items in their order.
    pub(super) fn fingerprint(&self) -> Digest {
        let digests = self.digests.iter().map(|digest| digest.as_bytes().as_slice());
        Digest::of_parts(digests.chain([self.ids.as_bytes()]))
    }
}

/// The content digest is already random; the id is folded into it so that equal contents under two ids stay apart.
fn key(id: &str, digest: Digest) -> u128 {
    let mut folded = u128::from_le_bytes(*digest.as_bytes());
    for chunk in id.as_bytes().chunks(16) {
        let mut block = [0; 16];
        block[..chunk.len()].copy_from_slice(chunk);
        folded = (folded ^ u128::from_le_bytes(block)).wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645);
        folded ^= folded >> 64;
    }
    folded ^ id.len() as u128
}

/// The keys are hashes already: take their low half.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut block = [0; 8];
            block[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0 ^ u64::from_le_bytes(block)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64 ^ (value >> 64) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_under_two_ids_stay_apart() {
        let batch = ItemBatch::from_texts([("a", "same"), ("b", "same"), ("a-rather-long-identifier", "same")]);
        let mut items = Items::default();
        items.add(&batch);
        for row in 0..3 {
            assert_eq!(items.position(batch.id(row), batch.digest(row)), Some(row as u32));
            assert_eq!(items.id(row), batch.id(row));
        }
        assert_eq!(items.position("c", batch.digest(0)), None);
    }
}
