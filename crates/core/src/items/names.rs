//! Names as numbers.

use std::hash::{BuildHasher, Hasher};

/// Distinct strings, numbered in order of first appearance, in one piece of memory.
///
/// Looking a name up costs one hash and mostly one comparison. Numbers depend on the order of the names alone: the seed
/// of the hash is drawn anew for each table, so that no file can be made to slow it down, and never shows.
#[derive(Clone, Debug)]
pub struct Names {
    text: String,
    ends: Vec<usize>,
    /// A number plus one in the low half, the hash of its name in the high half; zero is free.
    slots: Vec<u64>,
    seed: u64,
}

impl Default for Names {
    fn default() -> Self {
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self { text: String::new(), ends: Vec::new(), slots: vec![0; 16], seed }
    }
}

impl Names {
    /// How many names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name with a number. Panics if the number was never given.
    pub fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.text[start..self.ends[number]]
    }

    /// All names in order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|number| self.get(number as u32))
    }

    /// The number of a name, if it has one.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.slot(name, self.hash(name.as_bytes())).ok()
    }

    /// The number of a name, which is given one if it is new. Panics beyond four thousand million names.
    #[inline]
    pub fn intern(&mut self, name: &str) -> u32 {
        let hash = self.hash(name.as_bytes());
        match self.slot(name, hash) {
            Ok(number) => number,
            Err(slot) => self.add(name, hash, slot),
        }
    }

    #[inline]
    fn slot(&self, name: &str, hash: u32) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(at);
            }
            let number = slot as u32 - 1;
            if (slot >> 32) as u32 == hash && self.bytes(number) == name.as_bytes() {
                return Ok(number);
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    fn bytes(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.text.as_bytes()[start..self.ends[number]]
    }

    fn add(&mut self, name: &str, hash: u32, slot: usize) -> u32 {
        let number = self.ends.len() as u32;
        assert!(number < u32::MAX - 1, "a table of names holds fewer than 2^32 - 2 names");
        self.text.push_str(name);
        self.ends.push(self.text.len());
        self.slots[slot] = u64::from(hash) << 32 | u64::from(number + 1);
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    /// Slots keep their hash, so the names themselves are not touched.
    #[cold]
    fn grow(&mut self) {
        let mut slots = vec![0; self.slots.len() * 2];
        let mask = slots.len() - 1;
        for &slot in self.slots.iter().filter(|slot| **slot != 0) {
            let mut at = (slot >> 32) as usize & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = slot;
        }
        self.slots = slots;
    }

    /// Eight bytes at a time, mixed by the two halves of a wide product; the last eight may overlap those before.
    #[inline]
    fn hash(&self, bytes: &[u8]) -> u32 {
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        let fold = |state: u64, word: u64| {
            let product = u128::from(state ^ word) * u128::from((FACTOR ^ self.seed) | 1);
            (product as u64) ^ (product >> 64) as u64
        };
        let mut state = self.seed ^ bytes.len() as u64;
        let last = if let Some(last) = bytes.last_chunk::<8>() {
            for word in bytes.as_chunks::<8>().0 {
                state = fold(state, u64::from_le_bytes(*word));
            }
            u64::from_le_bytes(*last)
        } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        } else if let [first, .., last] = bytes {
            u64::from(*first) << 16 | u64::from(bytes[bytes.len() / 2]) << 8 | u64::from(*last)
        } else {
            bytes.first().map_or(0, |only| u64::from(*only))
        };
        (fold(fold(state, last), FACTOR) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_first_appearance() {
        let mut names = Names::default();
        let words: Vec<String> = (0..5000_u32).map(|i| format!("word{}", i * 7 % 3000)).collect();
        let numbers: Vec<u32> = words.iter().map(|word| names.intern(word)).collect();
        assert_eq!(names.len(), 3000);
        assert_eq!(numbers[..3], [0, 1, 2]);
        assert!(words.iter().zip(&numbers).all(|(word, number)| names.get(*number) == word));
        assert_eq!(names.find("word7"), Some(1));
        assert_eq!((names.find("nobody"), names.intern(""), names.find("")), (None, 3000, Some(3000)));
        assert_eq!(names.iter().nth(1), Some("word7"));
    }
}
