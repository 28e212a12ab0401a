//! How good a given label looks.

use rayon::prelude::*;

use super::joint;
use super::source::{Given, NO_LABEL, Probabilities, Source, Sums};
use crate::error::{Error, Result};
use crate::task::Class;

/// What the quality of a label is measured by; lower is worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rank {
    /// The probability of the given class.
    #[default]
    SelfConfidence,
    /// How far the given class is ahead of the likeliest other: `(P[given] - P[other] + 1) / 2`.
    NormalisedMargin,
    /// The normalised entropy over the probability of the given class, `x`, as `ln(x + 1) / x`: labels that the model
    /// doubts count as worse where it is sure of something else.
    ConfidenceWeightedEntropy,
}

impl Rank {
    /// Every rank.
    pub const ALL: [Self; 3] = [Self::SelfConfidence, Self::NormalisedMargin, Self::ConfidenceWeightedEntropy];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SelfConfidence => "self-confidence",
            Self::NormalisedMargin => "normalised-margin",
            Self::ConfidenceWeightedEntropy => "confidence-weighted-entropy",
        }
    }

    /// The rank of a name; underscores and the spelling `normalized` will do too.
    pub fn parse(name: &str) -> Result<Self> {
        let plain = name.replace('_', "-").replace("normalized", "normalised");
        Self::ALL.into_iter().find(|rank| rank.name() == plain).ok_or_else(|| {
            let names = Self::ALL.map(|rank| format!("`{}`", rank.name())).join(", ");
            Error::task(format!("expected one of {names}, found `{name}`"))
        })
    }
}

/// Scores rows; keeps room for adjusted ones.
pub(super) struct Scorer {
    rank: Rank,
    /// What is taken off each class, when scores are adjusted.
    offset: Option<Vec<f64>>,
    row: Vec<f64>,
}

impl Scorer {
    pub(super) fn new(rank: Rank, adjusted: bool, thresholds: &[f64], given: &[u64]) -> Self {
        let offset = adjusted.then(|| {
            let present = |class: usize| given[class] > 0;
            let top = (0..thresholds.len()).filter(|&class| present(class)).map(|class| thresholds[class]);
            let top = top.fold(0.0, f64::max);
            // A class without items has no mean confidence, and is left as it is.
            (0..thresholds.len()).map(|class| if present(class) { top - thresholds[class] } else { 0.0 }).collect()
        });
        Self { rank, offset, row: vec![0.0; thresholds.len()] }
    }

    #[inline]
    pub(super) fn score(&mut self, values: &[f64], given: usize) -> f64 {
        match &self.offset {
            None => plain(self.rank, values, given),
            Some(offset) => {
                let mut total = 0.0;
                for ((to, &value), &offset) in self.row.iter_mut().zip(values).zip(offset) {
                    *to = value + offset;
                    total += *to;
                }
                self.row.iter_mut().for_each(|value| *value /= total);
                plain(self.rank, &self.row, given)
            }
        }
    }
}

/// The likeliest class beside one, and its probability; `None` if there is one class only.
#[inline]
pub(super) fn rival(values: &[f64], given: usize) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for (class, &value) in values.iter().enumerate() {
        if class != given && best.is_none_or(|(_, top)| value > top) {
            best = Some((class, value));
        }
    }
    best
}

#[inline]
fn plain(rank: Rank, values: &[f64], given: usize) -> f64 {
    let own = values[given];
    match rank {
        Rank::SelfConfidence => own,
        Rank::NormalisedMargin => {
            let other = rival(values, given).map_or(0.0, |(_, value)| value);
            f64::midpoint(own - other, 1.0)
        }
        Rank::ConfidenceWeightedEntropy => {
            let term = |value: f64| if value > 0.0 { value * value.ln() } else { 0.0 };
            let entropy = -values.iter().map(|&value| term(value)).sum::<f64>() / (values.len().max(2) as f64).ln();
            if entropy <= 0.0 {
                // The limits: sure of the given class, or sure of another one.
                return if own > 0.0 { 1.0 } else { 0.0 };
            }
            if own <= 0.0 {
                return 0.0;
            }
            let ratio = entropy / own;
            ratio.ln_1p() / ratio
        }
    }
}

/// The quality of every label, in the order of the rows; NaN never occurs, and an item without a label has `None`.
///
/// # Errors
/// As for [`find`](super::find).
pub fn quality(
    labels: &[Class],
    probabilities: Probabilities<'_>,
    rank: Rank,
    adjusted: bool,
    sums: Sums,
) -> Result<Vec<Option<f64>>> {
    let source = Given::new(labels, probabilities, sums)?;
    let joint = joint::count(&source, None)?.joint;
    let mut scores = vec![None; labels.len()];
    let block = 16_384;
    scores.par_chunks_mut(block).enumerate().for_each(|(number, scores)| {
        let mut scorer = Scorer::new(rank, adjusted, &joint.thresholds, &joint.given);
        let start = number * block;
        source.visit(start..start + scores.len(), |row, given, values| {
            scores[row - start] = Some(scorer.score(values, given));
        });
    });
    debug_assert!(labels.iter().zip(&scores).all(|(&label, score)| (label == NO_LABEL) == score.is_none()));
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_every_scale_are_defined() {
        for (values, given, worst) in [([1.0, 0.0, 0.0], 0, 1.0), ([1.0, 0.0, 0.0], 1, 0.0)] {
            for rank in Rank::ALL {
                assert_eq!(plain(rank, &values, given), worst, "{rank:?}");
            }
        }
        assert_eq!(plain(Rank::NormalisedMargin, &[1.0], 0), 1.0);
    }

    #[test]
    fn names_are_read_in_both_spellings() {
        assert_eq!(Rank::parse("normalized_margin").unwrap(), Rank::NormalisedMargin);
        assert!(Rank::parse("x").unwrap_err().to_string().contains("`self-confidence`"));
    }
}
