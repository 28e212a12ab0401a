//! What features, pairs of labels, beginnings and ends are worth.

use super::Encoded;

/// The weights of a chain; all finite. What must not occur is said by [`Constraints`](super::Constraints), not by weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// How many labels there are.
    pub labels: usize,
    /// `state[slot * labels + label]`.
    pub state: Vec<f32>,
    /// `transition[from * labels + to]`.
    pub transition: Vec<f32>,
    /// What it is worth to begin with each label.
    pub start: Vec<f32>,
    /// What it is worth to end with each label.
    pub end: Vec<f32>,
}

impl Weights {
    /// Weights of zero for so many slots and labels.
    pub fn zeros(slots: usize, labels: usize) -> Self {
        Self {
            labels,
            state: vec![0.0; slots * labels],
            transition: vec![0.0; labels * labels],
            start: vec![0.0; labels],
            end: vec![0.0; labels],
        }
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.state.len() / self.labels.max(1)
    }

    /// Writes what each label is worth at each token of a sentence: `tokens x labels` numbers. Slots beyond the weights
    /// are worth nothing.
    pub fn score(&self, encoded: &Encoded, sentence: usize, states: &mut Vec<f32>) {
        let tokens = encoded.sentence(sentence);
        states.clear();
        states.resize(tokens.len() * self.labels, 0.0);
        for (row, token) in states.chunks_exact_mut(self.labels).zip(tokens) {
            for &slot in encoded.token(token) {
                let begin = slot as usize * self.labels;
                if let Some(weights) = self.state.get(begin..begin + self.labels) {
                    row.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
                }
            }
        }
    }

    /// The share of state weights that are not zero.
    pub fn density(&self) -> f64 {
        self.state.iter().filter(|&&weight| weight != 0.0).count() as f64 / self.state.len().max(1) as f64
    }
}
