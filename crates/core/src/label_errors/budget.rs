//! Spending a budget of second looks: in which order to look at labels that the model would have given otherwise.
//!
//! Orders by distance in the label tree follow Parekh, Anand and Awekar 2021 (<https://arxiv.org/abs/2112.13320>), who
//! choose by the distance between the given and the predicted label; ties go by margin. They rest on the thought that
//! an annotator who strays far has erred, while near labels are confused for good reasons, and so do not look at how
//! sure the model is. Where known errors could be counted, plain confidence found more, and is the default.

use serde::Serialize;

use super::hierarchy::Hierarchy;
use super::score::rival;
use super::source::{Given, Probabilities, Source, Sums};
use crate::audit::wilson;
use crate::error::Result;
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;

/// A label that the model would have given otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The position of the item.
    pub item: u32,
    /// Its label.
    pub given: Class,
    /// The model's.
    pub predicted: Class,
    /// Steps between them in the label tree; 1 without a tree.
    pub distance: u32,
    /// The probability of the given label.
    pub confidence: f64,
    /// The probability of the predicted label.
    pub predicted_confidence: f64,
}

/// An order to look in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The lowest probability of the given label first.
    Confidence,
    /// The largest distance in the tree first, ties by margin: gross errors.
    FarFirst,
    /// The smallest distance first, ties by margin: fine confusions.
    NearFirst,
    /// Distance times the probability of the predicted label.
    DistanceTimesConfidence,
    /// At random from all items, for comparison.
    Random,
}

impl Order {
    /// Every order, the default first.
    pub const ALL: [Self; 5] =
        [Self::Confidence, Self::DistanceTimesConfidence, Self::FarFirst, Self::NearFirst, Self::Random];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confidence => "confidence",
            Self::FarFirst => "far-first",
            Self::NearFirst => "near-first",
            Self::DistanceTimesConfidence => "distance-times-confidence",
            Self::Random => "random",
        }
    }
}

/// What an order found within a budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Yield {
    /// The order.
    pub order: Order,
    /// How many items were looked at.
    pub reviewed: usize,
    /// How many of them were wrong; for the random order, how many are to be expected.
    pub errors: f64,
    /// The share that was wrong.
    pub precision: Measured,
    /// The share of all errors that was found.
    pub found: Measured,
}

/// All labels that the model would have given otherwise, in the order of the items.
///
/// # Errors
/// As for [`find`](super::find).
pub fn candidates(
    labels: &[Class],
    probabilities: Probabilities<'_>,
    hierarchy: Option<&Hierarchy>,
    sums: Sums,
) -> Result<Vec<Candidate>> {
    let source = Given::new(labels, probabilities, sums)?;
    let blocks = source.blocks(|rows| {
        let mut found = Vec::new();
        source.visit(rows, |row, given, values| {
            let Some((predicted, value)) = rival(values, given).filter(|&(_, value)| value > values[given]) else {
                return;
            };
            let (given_class, predicted) = (given as Class, predicted as Class);
            found.push(Candidate {
                item: row as u32,
                given: given_class,
                predicted,
                distance: hierarchy.map_or(1, |tree| tree.distance(given_class, predicted)),
                confidence: values[given],
                predicted_confidence: value,
            });
        });
        found
    });
    Ok(blocks.concat())
}

/// Candidates in an order to look in; ties by position. [`Order::Random`] shuffles by the seed.
pub fn order(candidates: &[Candidate], order: Order, seed: u64) -> Vec<Candidate> {
    let mut sorted = candidates.to_vec();
    let margin = |one: &Candidate| one.predicted_confidence - one.confidence;
    match order {
        Order::Random => Random::for_purpose(seed, "review order").shuffle(&mut sorted),
        Order::Confidence => sorted.sort_by(|l, r| l.confidence.total_cmp(&r.confidence)),
        Order::FarFirst => {
            sorted.sort_by(|l, r| r.distance.cmp(&l.distance).then(margin(r).total_cmp(&margin(l))));
        }
        Order::NearFirst => {
            sorted.sort_by(|l, r| l.distance.cmp(&r.distance).then(margin(r).total_cmp(&margin(l))));
        }
        Order::DistanceTimesConfidence => {
            let score = |one: &Candidate| f64::from(one.distance) * one.predicted_confidence;
            sorted.sort_by(|l, r| score(r).total_cmp(&score(l)));
        }
    }
    sorted
}

/// What each order finds within a budget when the truth is known. `truth` has one class per item,
/// [`NO_LABEL`](super::NO_LABEL) where it is not known; only items with a label and a truth take part.
///
/// The random order is the exact expectation over all labelled items, not one draw; the others look at candidates alone
/// and stop when those are used up.
pub fn yields(
    labels: &[Class],
    truth: &[Class],
    candidates: &[Candidate],
    orders: &[Order],
    budget: usize,
) -> Vec<Yield> {
    use super::source::NO_LABEL;
    let known = |item: usize| labels[item] != NO_LABEL && truth[item] != NO_LABEL;
    let items = (0..labels.len().min(truth.len())).filter(|&item| known(item));
    let (mut all, mut wrong) = (0usize, 0usize);
    for item in items {
        all += 1;
        wrong += usize::from(labels[item] != truth[item]);
    }
    let usable: Vec<Candidate> = candidates.iter().copied().filter(|one| known(one.item as usize)).collect();
    let basis = format!("{all} labels whose truth is known, {wrong} of them wrong");
    let share = |part: f64, of: f64| {
        if of > 0.0 {
            Measured::known(part / of, wilson(part / of, of), basis.clone())
        } else {
            Measured::unknown("nothing to measure by")
        }
    };
    orders
        .iter()
        .map(|&kind| {
            let (reviewed, errors) = if kind == Order::Random {
                let reviewed = budget.min(all);
                (reviewed, reviewed as f64 * wrong as f64 / (all as f64).max(1.0))
            } else {
                let looked = order(&usable, kind, 0);
                let looked = &looked[..budget.min(looked.len())];
                let errors = looked.iter().filter(|one| one.given != truth[one.item as usize]).count();
                (looked.len(), errors as f64)
            };
            let (precision, found) = (share(errors, reviewed as f64), share(errors, wrong as f64));
            Yield { order: kind, reviewed, errors, precision, found }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_is_what_it_says() {
        let tree = Hierarchy::parse(&["a", "b", "c"], "x\n a\n b\ny\n c\n").unwrap();
        let rows = [0.3, 0.7, 0.0, 0.4, 0.0, 0.6, 0.1, 0.2, 0.7, 0.9, 0.1, 0.0];
        let found =
            candidates(&[0, 0, 1, 0], Probabilities::double(&rows, 3).unwrap(), Some(&tree), Sums::Exact).unwrap();
        let items = |kind| order(&found, kind, 1).iter().map(|one| one.item).collect::<Vec<_>>();
        assert_eq!(items(Order::Confidence), [2, 0, 1]);
        assert_eq!(items(Order::FarFirst), [2, 1, 0]);
        assert_eq!(items(Order::NearFirst), [0, 2, 1]);
        assert_eq!(items(Order::DistanceTimesConfidence), [2, 1, 0]);
        let yields = yields(&[0, 0, 1, 0], &[1, 0, 2, 0], &found, &Order::ALL, 1);
        assert_eq!(yields[0].errors, 1.0);
        assert_eq!(yields[4].errors, 0.5);
    }
}
