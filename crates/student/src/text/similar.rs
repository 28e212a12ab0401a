//! Which texts are like a text: an inverted index over the words, word pairs and character n-grams that classifiers learn
//! from, and copies of a text under another id.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use rayon::prelude::*;

use super::corpus::{Passthrough, rarity};
use super::tokens::{BORDER, WordSink, character_grams, joined, split};

/// Texts that can be searched for those most like another.
///
/// The likeness is the cosine of the texts' features weighted by rarity: words, pairs of words and character n-grams of
/// three to five. Features that occur almost everywhere say little and cost most, so words in more than half of the
/// texts and character n-grams in more than a fiftieth are left out, where there are more than 64 such texts.
#[derive(Debug)]
pub struct TextIndex {
    texts: usize,
    features: HashMap<u64, u32, BuildHasherDefault<Passthrough>>,
    rarity: Vec<f32>,
    starts: Vec<usize>,
    postings: Vec<(u32, f32)>,
}

/// Room for searching, to be used again for text after text. One per thread; it may serve several indexes.
#[derive(Debug, Default)]
pub struct SearchRoom {
    reader: Reader,
    scores: Vec<f32>,
}

/// Reads the features of a text.
#[derive(Debug, Default)]
struct Reader {
    buffer: Vec<u8>,
    found: Vec<(u64, f32)>,
    last: u64,
}

/// Character n-grams are many and say the same as their word again.
const CHARACTER_WEIGHT: f32 = 0.3;
/// Marks the keys of character n-grams.
const CHARACTERS: u64 = 1;

impl WordSink for Reader {
    fn word(&mut self, hash: u64, _: usize, text: &[u8]) {
        self.word_apart(hash, text);
    }

    fn word_apart(&mut self, hash: u64, text: &[u8]) {
        self.found.push((hash & !CHARACTERS, 1.0));
        self.found.push((joined(self.last, hash) & !CHARACTERS, 1.0));
        let found = &mut self.found;
        character_grams(text, 3, 5, |key| found.push((key | CHARACTERS, CHARACTER_WEIGHT)));
        self.last = hash;
    }
}

impl Reader {
    /// The distinct features with their weight, in the order of their keys.
    fn read(&mut self, text: &str) -> &[(u64, f32)] {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.found.clear();
        self.last = BORDER;
        split(text, &mut buffer, self);
        self.buffer = buffer;
        self.found.sort_unstable_by_key(|&(key, _)| key);
        // A feature that occurs again counts no more: long texts would be alike by their commonest words.
        self.found.dedup_by_key(|feature| feature.0);
        &self.found
    }
}

impl TextIndex {
    /// Reads the texts. Cost: linear in their length; 8 bytes for every feature of every text.
    pub fn new<S: AsRef<str> + Sync>(texts: &[S]) -> Self {
        let read: Vec<Vec<(u64, f32)>> =
            texts.par_iter().map_init(Reader::default, |reader, text| reader.read(text.as_ref()).to_vec()).collect();
        let mut counts: HashMap<u64, u32, BuildHasherDefault<Passthrough>> = HashMap::default();
        read.iter().flatten().for_each(|&(key, _)| *counts.entry(key).or_default() += 1);
        let most = |key: u64| (texts.len() / if key & CHARACTERS == 0 { 2 } else { 50 }).max(64) as u32;
        let mut keys: Vec<(u64, u32)> = counts.into_iter().filter(|&(key, count)| count <= most(key)).collect();
        keys.sort_unstable();
        let features = keys.iter().enumerate().map(|(at, &(key, _))| (key, at as u32)).collect();
        let mut index = Self {
            texts: texts.len(),
            features,
            rarity: keys.iter().map(|&(_, count)| rarity(texts.len(), count)).collect(),
            starts: vec![0; keys.len() + 1],
            postings: Vec::new(),
        };
        for (at, &(_, count)) in keys.iter().enumerate() {
            index.starts[at + 1] = index.starts[at] + count as usize;
        }
        let mut next = index.starts.clone();
        let mut postings = vec![(0, 0.0); index.starts[keys.len()]];
        for (text, row) in read.iter().enumerate() {
            for (feature, value) in index.weigh(row) {
                postings[next[feature as usize]] = (text as u32, value);
                next[feature as usize] += 1;
            }
        }
        index.postings = postings;
        index
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.texts
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts == 0
    }

    /// The features that the index knows, weighted, at length 1.
    fn weigh(&self, row: &[(u64, f32)]) -> Vec<(u32, f32)> {
        let mut known: Vec<(u32, f32)> = row
            .iter()
            .filter_map(|&(key, weight)| self.features.get(&key).map(|&at| (at, weight * self.rarity[at as usize])))
            .collect();
        let square: f32 = known.iter().map(|(_, value)| value * value).sum();
        let factor = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
        known.iter_mut().for_each(|(_, value)| *value *= factor);
        known
    }

    /// The texts most like this one with their likeness from 0 to 1, the likest first, of equals the earlier; at most
    /// `most`, and none that has nothing in common with it.
    pub fn nearest(&self, text: &str, most: usize, room: &mut SearchRoom) -> Vec<(u32, f32)> {
        let query = self.weigh(room.reader.read(text));
        room.scores.clear();
        room.scores.resize(self.texts, 0.0);
        for (feature, weight) in query {
            for &(text, value) in &self.postings[self.starts[feature as usize]..self.starts[feature as usize + 1]] {
                room.scores[text as usize] += weight * value;
            }
        }
        let mut found: Vec<(u32, f32)> = room
            .scores
            .iter()
            .enumerate()
            .filter(|pair| *pair.1 > 0.0)
            .map(|(at, &score)| (at as u32, score))
            .collect();
        let order = |left: &(u32, f32), right: &(u32, f32)| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0));
        if found.len() > most {
            if most > 0 {
                found.select_nth_unstable_by(most - 1, order);
            }
            found.truncate(most);
        }
        found.sort_unstable_by(order);
        found
    }

    /// The texts as dense rows of `width`, for methods that need vectors: every feature is added to or taken from one
    /// place by its key (Weinberger et al. 2009), so that products are the likenesses up to about `1 / sqrt(width)`.
    pub fn vectors(&self, width: usize) -> Vec<f32> {
        let mut keys = vec![0u64; self.rarity.len()];
        self.features.iter().for_each(|(&key, &at)| keys[at as usize] = key);
        let mut rows = vec![0.0f32; self.texts * width];
        for (at, key) in keys.iter().enumerate() {
            let bits = super::tokens::mix(key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let (place, sign) = ((bits >> 1) as usize % width, if bits & 1 == 0 { 1.0 } else { -1.0 });
            for &(text, value) in &self.postings[self.starts[at]..self.starts[at + 1]] {
                rows[text as usize * width + place] += sign * value;
            }
        }
        rows
    }
}

/// What a text says, as far as copies of it can be told: case, punctuation and white space do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    digest: [u8; 16],
    grams: Vec<u32>,
}

/// Bytes of a piece.
const PIECE: usize = 6;
/// Fewer pieces than this say nothing about a copy.
const LEAST_PIECES: usize = 12;

impl Fingerprint {
    /// Reads a text. Cost and memory: linear in its length.
    pub fn of(text: &str) -> Self {
        let mut plain = String::with_capacity(text.len());
        for character in text.chars().flat_map(char::to_lowercase) {
            if character.is_alphanumeric() {
                plain.push(character);
            } else if !plain.is_empty() && !plain.ends_with(' ') {
                plain.push(' ');
            }
        }
        let plain = plain.trim_end();
        let mut digest = [0; 16];
        // A text of signs alone is what it is.
        let said = if plain.is_empty() { text } else { plain };
        digest.copy_from_slice(&blake3::hash(said.as_bytes()).as_bytes()[..16]);
        let mut grams: Vec<u32> = plain
            .as_bytes()
            .windows(PIECE)
            .map(|piece| {
                let bits = piece.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
                (super::tokens::mix(bits.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 32) as u32
            })
            .collect();
        grams.sort_unstable();
        grams.dedup();
        Self { digest, grams }
    }

    /// The share of the shorter text's pieces of six bytes that the longer one holds, from 0 to 1; 1 for texts that are
    /// equal but for case, punctuation and white space, and 0 for other texts too short to tell.
    pub fn containment(&self, other: &Self) -> f64 {
        if self.digest == other.digest {
            return 1.0;
        }
        let least = self.grams.len().min(other.grams.len());
        if least < LEAST_PIECES {
            return 0.0;
        }
        let (mut left, mut right, mut shared) = (0, 0, 0usize);
        while left < self.grams.len() && right < other.grams.len() {
            match self.grams[left].cmp(&other.grams[right]) {
                std::cmp::Ordering::Less => left += 1,
                std::cmp::Ordering::Greater => right += 1,
                std::cmp::Ordering::Equal => (left, right, shared) = (left + 1, right + 1, shared + 1),
            }
        }
        shared as f64 / least as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn texts(count: usize) -> Vec<String> {
        let mut random = Random::new(8);
        let words =
            ["card", "lost", "refund", "where", "parcel", "late", "crash", "login", "please", "thanks", "order"];
        (0..count).map(|_| (0..7).map(|_| words[random.below(words.len())]).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn the_nearest_are_those_of_all_cosines() {
        let texts = texts(150);
        let index = TextIndex::new(&texts);
        let mut room = SearchRoom::default();
        let rows: Vec<HashMap<u32, f32>> =
            texts.iter().map(|text| index.weigh(Reader::default().read(text)).into_iter().collect()).collect();
        for (at, text) in texts.iter().enumerate() {
            let found = index.nearest(text, 9, &mut room);
            let cosine = |other: usize| {
                rows[at].iter().map(|(feature, value)| value * rows[other].get(feature).unwrap_or(&0.0)).sum::<f32>()
            };
            assert!((found[0].1 - 1.0).abs() < 1e-4);
            let mut slow: Vec<f32> = (0..texts.len()).map(cosine).collect();
            slow.sort_by(|a, b| b.total_cmp(a));
            for (place, &(other, score)) in found.iter().enumerate() {
                assert!((score - slow[place]).abs() < 1e-4 && (score - cosine(other as usize)).abs() < 1e-4);
            }
        }
        assert!(index.nearest("東京", 9, &mut room).is_empty() && index.nearest("card", 0, &mut room).is_empty());
        assert!(TextIndex::new::<String>(&[]).nearest("card", 3, &mut room).is_empty());
    }

    #[test]
    fn dense_rows_keep_the_likeness() {
        let texts = texts(60);
        let index = TextIndex::new(&texts);
        let width = 512;
        let rows = index.vectors(width);
        let mut room = SearchRoom::default();
        let mut worst = 0.0f32;
        for (other, score) in index.nearest(&texts[0], 60, &mut room) {
            let row = |at: usize| &rows[at * width..][..width];
            let dense: f32 = row(0).iter().zip(row(other as usize)).map(|(a, b)| a * b).sum();
            worst = worst.max((dense - score).abs());
        }
        assert!(worst < 0.25, "{worst}");
    }

    #[test]
    fn copies_are_told_from_texts_of_the_same_kind() {
        let text = Fingerprint::of("My parcel was promised for Tuesday and has still not arrived at my office.");
        let same = Fingerprint::of("my parcel was promised for tuesday, and has still NOT arrived at my office");
        let word = Fingerprint::of("My parcel was promised for Friday and has still not arrived at my office.");
        let inside = Fingerprint::of(
            "Hello there! My parcel was promised for Tuesday and has still not arrived at my office. Please help, I am waiting for days and days now, and nobody answers the phone.",
        );
        let other =
            Fingerprint::of("The parcel that you promised for Monday came to the wrong office, please collect it.");
        assert_eq!(text.containment(&same), 1.0);
        assert!(text.containment(&word) > 0.7 && text.containment(&inside) > 0.95);
        assert!(text.containment(&other) < 0.4, "{}", text.containment(&other));
        assert_eq!(Fingerprint::of("card").containment(&Fingerprint::of("my card was charged twice today")), 0.0);
        assert_eq!(Fingerprint::of(":-)").containment(&Fingerprint::of(":-(")), 0.0);
    }
}
