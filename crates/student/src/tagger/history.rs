//! What a first look said about the other occurrences of a word in its document (Ratinov and Roth 2009,
//! <https://aclanthology.org/W09-1119/>; Krishnan and Manning 2006, <https://aclanthology.org/P06-1141/>).
//!
//! Names stand in clear places and in unclear ones. A first tagger labels the whole document; a second sees, for every
//! word with a capital, what most other occurrences of it were taken for.

use super::features::{LOOKS, Sink};
use super::hash::key;

/// What every word with a capital was taken for, and how often.
#[derive(Debug, Default)]
pub(crate) struct History {
    table: Vec<u32>,
    words: Vec<u64>,
    /// Per word, how often it was outside and of each type.
    counts: Vec<u16>,
    classes: usize,
    /// The word of every token; `NONE` for those without a capital.
    of: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl History {
    /// Reads a document: for every token its hash, whether it begins with a capital, and what it was taken for: 0 for
    /// outside, else its type plus 1, below `classes`.
    pub(crate) fn read(&mut self, tokens: impl ExactSizeIterator<Item = (u64, bool, u16)>, classes: usize) {
        let size = (2 * tokens.len()).next_power_of_two().max(16);
        self.table.clear();
        self.table.resize(size, NONE);
        self.words.clear();
        self.counts.clear();
        self.of.clear();
        self.classes = classes;
        for (word, capital, class) in tokens {
            let at = if capital { self.find(word, size - 1) } else { NONE };
            self.of.push(at);
            if let Some(count) = self.counts.get_mut(at as usize * classes + usize::from(class)) {
                *count = count.saturating_add(1);
            }
        }
    }

    fn find(&mut self, word: u64, mask: usize) -> u32 {
        let mut at = word as usize & mask;
        loop {
            let found = self.table[at];
            if found == NONE {
                self.table[at] = self.words.len() as u32;
                self.words.push(word);
                self.counts.resize(self.words.len() * self.classes, 0);
                return self.words.len() as u32 - 1;
            }
            if self.words[found as usize] == word {
                return found;
            }
            at = (at + 1) & mask;
        }
    }

    /// The features of the token at `place`, which was itself taken for `own`.
    pub(crate) fn features(&self, place: usize, own: u16, sink: &mut impl Sink) {
        let word = self.of[place];
        if word == NONE {
            return;
        }
        let counts = &self.counts[word as usize * self.classes..][..self.classes];
        let (mut best, mut most, mut all) = (0u64, 0, 0);
        for (class, &count) in counts.iter().enumerate() {
            let count = u32::from(count).saturating_sub(u32::from(class == usize::from(own)));
            all += count;
            if count > most {
                (best, most) = (class as u64, count);
            }
        }
        let mut put = |template: u8, value: u64| sink.feature(LOOKS + template, key(LOOKS + template, value));
        if all == 0 {
            put(3, 0);
            return;
        }
        put(0, best);
        put(1, best << 16 | u64::from(most * 4 / all));
        put(2, best << 16 | u64::from(own));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seen(Vec<(u8, u64)>);

    impl Sink for Seen {
        fn feature(&mut self, template: u8, key: u64) {
            self.0.push((template, key));
        }
    }

    #[test]
    fn a_word_sees_what_its_other_occurrences_were_taken_for() {
        let mut history = History::default();
        let tokens = [(7, true, 1), (8, false, 0), (7, true, 2), (7, true, 1), (9, true, 2)];
        history.read(tokens.into_iter(), 3);
        let of = |place: usize| {
            let mut seen = Seen(Vec::new());
            history.features(place, tokens[place].2, &mut seen);
            seen.0
        };
        let value = |template: u8, value: u64| (LOOKS + template, key(LOOKS + template, value));
        // The second occurrence sees two of type 0, the first one of each type: the first of equals counts.
        assert_eq!(of(2), [value(0, 1), value(1, 1 << 16 | 4), value(2, 1 << 16 | 2)]);
        assert_eq!(of(0), [value(0, 1), value(1, 1 << 16 | 2), value(2, 1 << 16 | 1)]);
        assert_eq!(of(1), []);
        assert_eq!(of(4), [value(3, 0)]);
    }
}
