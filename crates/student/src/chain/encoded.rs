//! Features of many sentences in three flat arrays.

use std::ops::Range;

/// The features of every token of every sentence, as slots into a [`Weights`](super::Weights).
///
/// All features are binary: a slot named twice counts twice. Four bytes per feature, eight per token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    slots: Vec<u32>,
    /// Where each token's slots begin; one more than there are tokens.
    tokens: Vec<usize>,
    /// The first token of each sentence; one more than there are finished sentences.
    sentences: Vec<usize>,
}

impl Default for Encoded {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoded {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { slots: Vec::new(), tokens: vec![0], sentences: vec![0] }
    }

    /// Adds a token with these features to the sentence that is open.
    pub fn push_token(&mut self, slots: &[u32]) {
        self.slots.extend_from_slice(slots);
        self.tokens.push(self.slots.len());
    }

    /// Adds one feature to the token that [`Encoded::end_token`] will close.
    pub fn push_slot(&mut self, slot: u32) {
        self.slots.push(slot);
    }

    /// Closes the token whose features were pushed one by one.
    pub fn end_token(&mut self) {
        self.tokens.push(self.slots.len());
    }

    /// Closes the sentence. A sentence may be empty.
    pub fn end_sentence(&mut self) {
        self.sentences.push(self.tokens.len() - 1);
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.tokens.truncate(1);
        self.sentences.truncate(1);
    }

    /// How many sentences are closed.
    pub fn sentences(&self) -> usize {
        self.sentences.len() - 1
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> usize {
        self.tokens.len() - 1
    }

    /// The tokens of a sentence.
    ///
    /// # Panics
    /// If there is no such sentence.
    pub fn sentence(&self, sentence: usize) -> Range<usize> {
        self.sentences[sentence]..self.sentences[sentence + 1]
    }

    /// The features of a token.
    ///
    /// # Panics
    /// If there is no such token.
    #[inline]
    pub fn token(&self, token: usize) -> &[u32] {
        &self.slots[self.tokens[token]..self.tokens[token + 1]]
    }

    /// One past the greatest slot that occurs.
    pub fn slots(&self) -> usize {
        self.slots.iter().max().map_or(0, |&slot| slot as usize + 1)
    }

    /// How many features there are in all tokens together.
    pub fn features(&self) -> usize {
        self.slots.len()
    }

    /// The sentences at these positions, in this order.
    #[must_use]
    pub fn select(&self, sentences: &[usize]) -> Self {
        let mut chosen = Self::new();
        for &sentence in sentences {
            for token in self.sentence(sentence) {
                chosen.push_token(self.token(token));
            }
            chosen.end_sentence();
        }
        chosen
    }

    /// The same sentences with every slot replaced by its place; slots without one (`u32::MAX`) are left out.
    pub(super) fn renumbered(&self, place: &[u32]) -> Self {
        let mut slots = Vec::with_capacity(self.slots.len());
        let mut tokens = Vec::with_capacity(self.tokens.len());
        tokens.push(0);
        for token in 0..self.tokens() {
            slots.extend(self.token(token).iter().map(|&slot| place[slot as usize]).filter(|&new| new != u32::MAX));
            tokens.push(slots.len());
        }
        Self { slots, tokens, sentences: self.sentences.clone() }
    }

    pub(super) fn all_slots(&self) -> &[u32] {
        &self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_sentences_come_back() {
        let mut encoded = Encoded::new();
        encoded.push_token(&[3, 1]);
        encoded.push_slot(7);
        encoded.end_token();
        encoded.end_sentence();
        encoded.end_sentence();
        encoded.push_token(&[]);
        encoded.end_sentence();
        assert_eq!((encoded.sentences(), encoded.tokens(), encoded.slots(), encoded.features()), (3, 3, 8, 3));
        assert_eq!((encoded.sentence(0), encoded.sentence(1), encoded.sentence(2)), (0..2, 2..2, 2..3));
        assert_eq!((encoded.token(0), encoded.token(1), encoded.token(2)), (&[3, 1][..], &[7][..], &[][..]));
        assert_eq!(encoded.select(&[2, 0]).sentence(1), 1..3);
        encoded.clear();
        assert_eq!(encoded, Encoded::new());
    }
}
