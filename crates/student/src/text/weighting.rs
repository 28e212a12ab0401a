//! How much each feature counts: the values that enter a linear model.

use super::corpus::{Corpus, Kind, rarity};
use super::target::Targets;

/// A way to weigh features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weighting {
    /// By rarity: `ln((1 + N) / (1 + n)) + 1`.
    Rarity,
    /// By how unevenly the feature is spread over the classes: the root mean square of the log-ratios of naive Bayes.
    /// For two classes this is the feature scaling of NB-SVM (Wang and Manning 2012).
    Ratio,
}

/// What all models over one corpus share: the rarity of the features, the share of the character n-grams, and the
/// length of every text.
pub(crate) struct Scales {
    pub(crate) rarity: Vec<f32>,
    /// The factor that the rarity of character n-grams holds.
    characters: f32,
    /// The squared length of every text.
    squares: Vec<f32>,
}

impl Scales {
    /// Measures the corpus. Character n-grams are scaled so that together they weigh `share` times as much as words and
    /// phrases in the squared length of a text.
    pub(crate) fn measure(corpus: &Corpus, share: f32) -> Self {
        let mut rarity: Vec<f32> = corpus.features.iter().map(|feature| rarity(corpus.len(), feature.texts)).collect();
        let (words, characters) = corpus
            .squares
            .iter()
            .fold((0.0f64, 0.0f64), |sums, squares| (sums.0 + f64::from(squares.0), sums.1 + f64::from(squares.1)));
        let scale = if characters > 0.0 { (f64::from(share) * words / characters).sqrt() as f32 } else { 1.0 };
        for (rarity, feature) in rarity.iter_mut().zip(&corpus.features) {
            if feature.kind == Kind::Characters {
                *rarity *= scale;
            }
        }
        let squares = corpus.squares.iter().map(|squares| squares.0 + scale * scale * squares.1).collect();
        Self { rarity, characters: scale, squares }
    }

    /// The weight of every feature, learned (where it depends on labels) from the chosen texts only.
    pub(crate) fn weights(&self, weighting: Weighting, corpus: &Corpus, targets: &Targets, chosen: &[u32]) -> Vec<f32> {
        match weighting {
            Weighting::Rarity => self.rarity.clone(),
            Weighting::Ratio => self.ratios(corpus, targets, chosen),
        }
    }

    fn ratios(&self, corpus: &Corpus, targets: &Targets, chosen: &[u32]) -> Vec<f32> {
        let classes = targets.classes();
        let mut held = vec![0.0f32; corpus.features.len() * classes];
        let mut class_mass = vec![0.0f64; classes];
        let mut goal = vec![0.0f32; classes];
        for &text in chosen {
            targets.stated(text as usize, &mut goal);
            goal.iter_mut().for_each(|share| *share *= targets.importance(text as usize));
            let (columns, _) = corpus.row(text as usize);
            for (mass, &share) in class_mass.iter_mut().zip(&goal) {
                *mass += f64::from(share) * columns.len() as f64;
            }
            for &column in columns {
                let row = &mut held[column as usize * classes..][..classes];
                row.iter_mut().zip(&goal).for_each(|(held, &share)| *held += share);
            }
        }
        let total: f64 = class_mass.iter().sum::<f64>().max(1e-9);
        let shares: Vec<f32> = class_mass.iter().map(|mass| (mass / total) as f32).collect();
        // The ratio's mean square is brought to that of the rarity so that one scale of strengths serves both.
        let (mut ours, mut theirs) = (0.0f64, 0.0f64);
        let mut ratios: Vec<f32> = Vec::with_capacity(corpus.features.len());
        for (feature, row) in held.chunks_exact(classes).enumerate() {
            let count: f32 = row.iter().sum();
            let square: f32 = row
                .iter()
                .zip(&shares)
                .map(|(&held, &share)| {
                    let inside = (held + 1.0) / (count * share + 1.0);
                    let outside = (count - held + 1.0) / (count * (1.0 - share) + 1.0);
                    share.max(1e-3) * (inside.ln() - outside.ln()).powi(2)
                })
                .sum();
            let kind_scale = if corpus.features[feature].kind == Kind::Characters { self.characters } else { 1.0 };
            let ratio = square.sqrt() * kind_scale;
            ratios.push(ratio);
            ours += f64::from(ratio).powi(2) * f64::from(count);
            theirs += f64::from(self.rarity[feature]).powi(2) * f64::from(count);
        }
        let scale = if ours > 0.0 { (theirs / ours).sqrt() as f32 } else { 0.0 };
        ratios.iter_mut().for_each(|ratio| *ratio *= scale);
        ratios
    }

    /// The values of all rows under the given feature weights.
    pub(crate) fn values(&self, corpus: &Corpus, weights: &[f32]) -> Vec<f32> {
        let mut values = Vec::with_capacity(corpus.columns.len());
        for text in 0..corpus.len() {
            let (columns, counts) = corpus.row(text);
            let inverse = inverse_length(self.squares[text]);
            values
                .extend(columns.iter().zip(counts).map(|(&column, &count)| count * inverse * weights[column as usize]));
        }
        values
    }

    /// The factor on the values of a held-out text. Features that were not seen in training are taken out of its
    /// length, as they are when a new text is read.
    pub(crate) fn held_out_factor(&self, corpus: &Corpus, text: usize, seen: &[bool]) -> f32 {
        let (columns, counts) = corpus.row(text);
        let unseen: f32 = columns
            .iter()
            .zip(counts)
            .filter(|(column, _)| !seen[**column as usize])
            .map(|(&column, &count)| count * self.rarity[column as usize].powi(2))
            .sum();
        let square = self.squares[text];
        // What is left of a text of unseen features alone is rounding.
        inverse_length(if square - unseen > 1e-4 * square { square - unseen } else { 0.0 })
    }
}

/// The factor that brings a text to length 1; 0 for a text without features.
pub(crate) fn inverse_length(square: f32) -> f32 {
    if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 }
}
