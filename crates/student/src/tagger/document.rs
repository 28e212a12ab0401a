//! What a document says about a token elsewhere: other occurrences, their neighbours, their case.

use super::features::{DOCUMENT, Sink};
use super::hash::{key, pair};
use super::token::{ALL_CAPITALS, Attributes, CAPITAL, LOWER};

/// How many other occurrences lend their neighbours.
const LENT: usize = 3;

/// Occurrences of one word in a document, whatever their case.
#[derive(Clone, Debug, Default)]
struct Word {
    lower: u64,
    /// Positions of the first occurrences outside of sentences in capitals.
    places: [u32; LENT + 1],
    kept: u8,
    /// How often it occurs in lower case, with a capital inside a sentence, in capitals inside a normal sentence, and at all.
    small: u16,
    capital: u16,
    shouted: u16,
    all: u16,
}

/// An index over the words of a document.
#[derive(Debug, Default)]
pub(crate) struct DocumentIndex {
    table: Vec<u32>,
    words: Vec<Word>,
    /// The word of every token.
    of: Vec<u32>,
}

impl DocumentIndex {
    /// Reads a document: for every token its attributes, whether it stands first in its sentence and whether the
    /// sentence is in capitals.
    pub(crate) fn read<'a>(&mut self, tokens: impl ExactSizeIterator<Item = (&'a Attributes, bool, bool)>) {
        let size = (2 * tokens.len()).next_power_of_two().max(16);
        self.table.clear();
        self.table.resize(size, u32::MAX);
        self.words.clear();
        self.of.clear();
        for (place, (token, first, shouting)) in tokens.enumerate() {
            let at = self.find(token.lower, size - 1);
            self.of.push(at);
            let word = &mut self.words[at as usize];
            word.all = word.all.saturating_add(1);
            if shouting {
                continue;
            }
            if (word.kept as usize) < word.places.len() {
                word.places[word.kept as usize] = place as u32;
                word.kept += 1;
            }
            if token.flags & ALL_CAPITALS != 0 && token.characters > 1 {
                word.shouted = word.shouted.saturating_add(1);
            } else if token.flags & CAPITAL == 0 {
                word.small = word.small.saturating_add(u16::from(token.flags & LOWER != 0));
            } else if !first {
                word.capital = word.capital.saturating_add(1);
            }
        }
    }

    fn find(&mut self, lower: u64, mask: usize) -> u32 {
        let mut at = lower as usize & mask;
        loop {
            let word = self.table[at];
            if word == u32::MAX {
                self.table[at] = self.words.len() as u32;
                self.words.push(Word { lower, ..Word::default() });
                return self.words.len() as u32 - 1;
            }
            if self.words[word as usize].lower == lower {
                return word;
            }
            at = (at + 1) & mask;
        }
    }

    /// The features of the token at `place`; `at` gives the attributes of any token, and of the borders beyond.
    pub(crate) fn features<'a>(
        &self,
        place: usize,
        first: bool,
        shouting: bool,
        at: impl Fn(isize) -> &'a Attributes,
        sink: &mut impl Sink,
    ) {
        let token = at(place as isize);
        // Small words and signs are common everywhere and mean the same everywhere.
        if token.flags & CAPITAL == 0 {
            return;
        }
        let word = &self.words[self.of[place] as usize];
        if word.all < 2 {
            return;
        }
        let mut put = |template: u8, value: u64| sink.feature(DOCUMENT + template, key(DOCUMENT + template, value));
        let few = |count: u16| u64::from(count.min(2));
        let own_capital = u16::from(!first && !shouting && token.flags & ALL_CAPITALS == 0);
        let own_shouted = u16::from(!shouting && token.flags & ALL_CAPITALS != 0);
        let seen = few(word.small)
            | few(word.capital.saturating_sub(own_capital)) << 2
            | few(word.shouted.saturating_sub(own_shouted)) << 4
            | u64::from(first) << 6
            | u64::from(shouting) << 7;
        put(0, pair(seen, token.short_shape));
        put(1, seen);
        let mut lent = 0;
        for &other in word.places.iter().take(usize::from(word.kept)) {
            let other = other as isize;
            if other == place as isize || lent == LENT {
                continue;
            }
            lent += 1;
            let (before, same, after) = (at(other - 1), at(other), at(other + 1));
            put(2, before.normal);
            put(3, after.normal);
            put(4, before.short_shape);
            put(5, after.short_shape);
            if before.clusters[1] != 0 {
                put(6, u64::from(before.clusters[1]));
            }
            if after.clusters[1] != 0 {
                put(7, u64::from(after.clusters[1]));
            }
            if lent == 1 && (shouting || first) {
                // The same word where its case means something.
                put(8, same.word);
                put(9, same.short_shape);
            }
            put(10, pair(before.normal, after.normal));
        }
    }
}
