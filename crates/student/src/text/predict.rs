//! Reading a text and adding up its rows: the hot loop.

use super::accumulate::{accumulate, finish};
use super::file::{first_slot, u64_at};
use super::model::TextModel;
use super::target::Head;
use super::tokens::{BORDER, WordSink, character_grams, joined, split};
use super::weighting::inverse_length;

/// Room for predicting, to be used again for text after text. One per thread; it may serve several models.
#[derive(Debug, Default)]
pub struct Scratch {
    words: Words,
    buffer: Vec<u8>,
    rows: Vec<u32>,
    unknown: Vec<u32>,
    keys: Vec<u64>,
    first: Vec<u64>,
    seen: Vec<u8>,
    stamp: u8,
    sums: Vec<f32>,
}

/// The words of a text: hashes, and where their letters are.
#[derive(Debug, Default)]
struct Words {
    hashes: Vec<u64>,
    places: Vec<(u32, u32)>,
    /// The letters of words that had to be lower-cased with care.
    letters: Vec<u8>,
}

/// Set in a word's start when its letters are in `letters` rather than in the text.
const APART: u32 = 1 << 31;

impl WordSink for Words {
    #[inline(always)]
    fn word(&mut self, hash: u64, place: usize, text: &[u8]) {
        self.hashes.push(hash);
        self.places.push((place as u32, text.len() as u32));
    }

    fn word_apart(&mut self, hash: u64, text: &[u8]) {
        self.hashes.push(hash);
        self.places.push((self.letters.len() as u32 | APART, text.len() as u32));
        self.letters.extend_from_slice(text);
    }
}

/// A text is read in pieces of at most this many bytes, so that places fit their numbers.
const MOST_BYTES: usize = 1 << 30;

impl Scratch {
    /// Adds up the scores of a text; false if it holds nothing the model knows.
    pub(super) fn score(&mut self, model: &TextModel, text: &str) -> bool {
        let text = &text[..text.floor_char_boundary(MOST_BYTES)];
        let layout = &model.layout;
        let bytes = model.as_bytes();
        let slots = &bytes[layout.slots_at..layout.rows_at];
        self.begin(layout.rows, layout.lanes);
        split(text, &mut self.buffer, &mut self.words);

        self.phrases(model.description.words > 2);
        let index = Index { slots, count: layout.slots };
        let (seen, rows, stamp, unknown) = (&mut self.seen, &mut self.rows, self.stamp, &mut self.unknown);
        index.find_all(&self.words.hashes, &mut self.first, |at, row| match row {
            Some(row) => note(seen, rows, stamp, row),
            None => unknown.push(at as u32),
        });
        index.find_all(&self.keys, &mut self.first, |_, row| {
            if let Some(row) = row {
                note(seen, rows, stamp, row);
            }
        });
        if let Some((shortest, longest)) = model.description.characters {
            self.spell(text, index, shortest, longest);
        }
        if self.rows.is_empty() {
            return false;
        }
        let square = accumulate(&bytes[layout.rows_at..], &self.rows, &mut self.sums);
        let inverse = inverse_length(square);
        let multilabel = model.description.head == Head::Multilabel;
        finish(multilabel, &mut self.sums, inverse, &layout.bias, layout.classes);
        true
    }

    /// The probabilities of the last text, padded.
    pub(super) fn probabilities(&self) -> &[f32] {
        &self.sums
    }

    fn begin(&mut self, rows: usize, lanes: usize) {
        self.words.hashes.clear();
        self.words.places.clear();
        self.words.letters.clear();
        self.rows.clear();
        self.unknown.clear();
        self.sums.clear();
        self.sums.resize(lanes, 0.0);
        self.stamp = self.stamp.wrapping_add(1);
        if self.seen.len() != rows || self.stamp == 0 {
            self.seen.clear();
            self.seen.resize(rows, 0);
            self.stamp = 1;
        }
    }

    /// The keys of the text's pairs and triples of words.
    fn phrases(&mut self, triples: bool) {
        self.keys.clear();
        if self.words.hashes.is_empty() {
            return;
        }
        let mut left = BORDER;
        for &hash in self.words.hashes.iter().chain(std::iter::once(&BORDER)) {
            self.keys.push(joined(left, hash));
            left = hash;
        }
        if triples {
            let pairs = self.words.hashes.len();
            for (at, &hash) in self.words.hashes[1..].iter().chain(std::iter::once(&BORDER)).enumerate().take(pairs) {
                self.keys.push(joined(self.keys[at], hash));
            }
        }
    }

    /// Adds the character n-grams of every distinct unknown word.
    fn spell(&mut self, text: &str, index: Index, shortest: usize, longest: usize) {
        let words = &self.words;
        self.unknown.sort_unstable_by_key(|&at| (words.hashes[at as usize], at));
        self.unknown.dedup_by_key(|at| words.hashes[*at as usize]);
        self.keys.clear();
        for &at in &self.unknown {
            let (start, length) = words.places[at as usize];
            let letters = if start & APART == 0 {
                &text.as_bytes()[start as usize..(start + length) as usize]
            } else {
                let start = (start & !APART) as usize;
                &words.letters[start..start + length as usize]
            };
            character_grams(letters, shortest, longest, |key| self.keys.push(key));
        }
        index.find_all(&self.keys, &mut self.first, |_, row| self.rows.extend(row));
    }
}

/// The index of a model file.
#[derive(Clone, Copy)]
struct Index<'a> {
    slots: &'a [u8],
    count: usize,
}

impl Index<'_> {
    /// Looks up many keys. All first slots are fetched before any is looked at: half of all phrases are unknown, and a
    /// wrong guess about one would otherwise wait for memory before the next is asked for.
    #[inline(always)]
    fn find_all(self, keys: &[u64], first: &mut Vec<u64>, mut found: impl FnMut(usize, Option<u32>)) {
        first.clear();
        first.extend(keys.iter().map(|&key| u64_at(self.slots, first_slot(key, self.count) * 8)));
        for (at, (&key, &slot)) in keys.iter().zip(&*first).enumerate() {
            let row = if slot as u32 == key as u32 && slot != 0 {
                Some((slot >> 32) as u32 - 1)
            } else if slot == 0 {
                None
            } else {
                self.find_after(key)
            };
            found(at, row);
        }
    }

    /// The row of a key that is not in its first slot.
    fn find_after(self, key: u64) -> Option<u32> {
        let mut at = first_slot(key, self.count);
        loop {
            at = if at + 1 == self.count { 0 } else { at + 1 };
            let slot = u64_at(self.slots, at * 8);
            if slot == 0 {
                return None;
            }
            if slot as u32 == key as u32 {
                return Some((slot >> 32) as u32 - 1);
            }
        }
    }
}

/// Takes a row once per text.
#[inline(always)]
fn note(seen: &mut [u8], rows: &mut Vec<u32>, stamp: u8, row: u32) {
    let mark = &mut seen[row as usize];
    if *mark != stamp {
        *mark = stamp;
        rows.push(row);
    }
}
