//! What one annotator would say, and how often that is right.

use serde::Serialize;

use super::interval::{mean, ratio, within};
use crate::consensus::Consensus;
use crate::measured::Measured;
use crate::task::Class;
use crate::votes::Votes;

/// The chance of each class as one annotator's answer about one item, from the item's posterior T and the annotator's
/// confusion matrix: `P(l) = sum_j T[j] pi[j, l]`. `None` for tasks so large that no confusion matrices are kept.
///
/// An annotator with few answers has a confusion matrix near its overall habit, so the prediction falls back to how the
/// annotator answers at large. An answer of the annotator about the item itself is among the evidence for T; to predict
/// honestly, leave it out of the fit as [`held_out`](super::held_out) does.
///
/// # Panics
/// If there is no such annotator or item.
pub fn would_say(consensus: &Consensus, annotator: usize, item: usize) -> Option<Vec<f64>> {
    let confusion = consensus.confusion(annotator)?;
    let classes = consensus.classes;
    let mut shares = vec![0.0; classes];
    for (posterior, row) in consensus.of(item).iter().zip(confusion.chunks_exact(classes)) {
        for (share, chance) in shares.iter_mut().zip(row) {
            *share += f64::from(*posterior) * f64::from(*chance);
        }
    }
    let total: f64 = shares.iter().sum();
    for share in &mut shares {
        *share /= total.max(f64::MIN_POSITIVE);
    }
    Some(shares)
}

/// How predicted answers differ from those of one annotator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PersonErrors {
    /// Who.
    pub annotator: u32,
    /// Its answers that were predicted.
    pub answers: usize,
    /// The share of them that was predicted wrongly.
    pub error: Measured,
    /// For classes with an order, the mean distance in steps over the largest possible one.
    pub distance: Measured,
}

/// How predicted answers differ from those of all annotators.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeopleErrors {
    /// By annotator, those with a predicted answer.
    pub each: Vec<PersonErrors>,
    /// The share of wrong predictions over all answers.
    pub overall: Measured,
    /// The mean over annotators, each counting alike.
    pub over_people: Measured,
    /// The mean of the tenth of the annotators (at least one) who are predicted worst, of those with five answers or more.
    pub worst_tenth: Measured,
    /// The annotator predicted worst, of those with five answers or more.
    pub worst: Option<u32>,
}

/// Answers from which an annotator may be the worst.
const ENOUGH: usize = 5;

/// Compares predictions with the answers in `votes`. `predict` gives the class that an annotator is expected to say about
/// an item, or `None` where there is no prediction.
pub fn people_errors(
    votes: &Votes,
    ordered: bool,
    mut predict: impl FnMut(usize, u32) -> Option<Class>,
) -> PeopleErrors {
    let range = votes.classes().saturating_sub(1).max(1) as f64;
    let mut found: Vec<Vec<(f64, f64)>> = vec![Vec::new(); votes.annotators()];
    let mut items = vec![(0.0, 0.0); votes.decisions()];
    for (item, cluster) in items.iter_mut().enumerate() {
        for vote in votes.of(item) {
            if let Some(class) = predict(item, vote.annotator) {
                let wrong = f64::from(class != vote.class);
                let steps = f64::from(class.abs_diff(vote.class)) / range;
                found[vote.annotator as usize].push((wrong, steps));
                *cluster = (cluster.0 + wrong, cluster.1 + 1.0);
            }
        }
    }
    let each: Vec<PersonErrors> = found
        .iter()
        .enumerate()
        .filter(|(_, values)| !values.is_empty())
        .map(|(annotator, values)| {
            let basis = format!("{} answers", values.len());
            let wrong: Vec<f64> = values.iter().map(|value| value.0).collect();
            let steps: Vec<f64> = values.iter().map(|value| value.1).collect();
            PersonErrors {
                annotator: annotator as u32,
                answers: values.len(),
                error: mean(&wrong, (0.0, 1.0), basis.clone()),
                distance: if ordered {
                    mean(&steps, (0.0, 1.0), basis)
                } else {
                    Measured::unknown("the classes have no order")
                },
            }
        })
        .collect();
    let errors: Vec<f64> = each.iter().filter_map(|one| one.error.value()).collect();
    let mut ranked: Vec<(f64, f64, u32)> = each
        .iter()
        .filter(|one| one.answers >= ENOUGH)
        .filter_map(|one| match &one.error {
            Measured::Known { value, low, high, .. } => Some((*value, high - low, one.annotator)),
            Measured::Unknown { .. } => None,
        })
        .collect();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.2.cmp(&right.2)));
    let worst = &ranked[..ranked.len().div_ceil(10)];
    let overall = match ratio(items.iter().copied()) {
        None => Measured::unknown("no answer was predicted"),
        Some((value, error)) => {
            let answers: usize = each.iter().map(|one| one.answers).sum();
            within(value, error, items.len() as f64, (0.0, 1.0), format!("{answers} answers"))
        }
    };
    PeopleErrors {
        overall,
        over_people: mean(&errors, (0.0, 1.0), format!("{} annotators", errors.len())),
        worst_tenth: if worst.is_empty() {
            Measured::unknown(format!("no annotator has {ENOUGH} predicted answers"))
        } else {
            // These annotators are what they are; only their answers might have been others.
            let number = worst.len() as f64;
            let value = worst.iter().map(|one| one.0).sum::<f64>() / number;
            let error = worst.iter().map(|one| (one.1 / 3.92).powi(2)).sum::<f64>().sqrt() / number;
            let basis = format!("the answers of {} annotators predicted worst", worst.len());
            within(value, error, number, (0.0, 1.0), basis)
        },
        worst: ranked.first().map(|one| one.2),
        each,
    }
}
