//! What the consensus says about each annotator.

use super::sweep::Counts;
use crate::audit::wilson;
use crate::measured::Measured;
use crate::task::Class;
use crate::votes::{Gold, Votes};

/// Share of one class from which an annotator may be called near-constant.
const NEARLY_ALWAYS: f64 = 0.95;

/// What the consensus says about one annotator.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// How many answers it gave; a soft answer counts as one.
    pub answers: f64,
    /// The share of decisions it answered.
    pub coverage: f64,
    /// The expected share of its answers that are right, if the posteriors are. The annotator's own answers are among
    /// the evidence, so with few votes per decision the figure leans upwards.
    pub accuracy: Measured,
    /// The share of its answers that are right on the gold given for fitting.
    pub gold_accuracy: Measured,
    /// The class it gives most, and that class's share of its answers.
    pub favourite: (Class, f64),
    /// Whether it gives nearly always the same class, and that tells nothing: the class is no likelier where it says so
    /// than elsewhere.
    pub near_constant: bool,
}

/// Judges every annotator from expected counts.
pub(crate) fn judge(votes: &Votes, gold: &Gold, counts: &Counts, prior: &[f64]) -> Vec<Reliability> {
    let classes = votes.classes();
    let on_gold = gold_matches(votes, gold);
    let mut answers = vec![0.0; classes];
    (0..votes.annotators())
        .map(|annotator| {
            let mut right = 0.0;
            for label in 0..classes {
                let row = counts.row(annotator * classes + label, classes);
                answers[label] = row.iter().sum();
                right += row[label];
            }
            let total: f64 = answers.iter().sum();
            let favourite =
                (0..classes).fold(0, |best, label| if answers[label] > answers[best] { label } else { best });
            let share = if total > 0.0 { answers[favourite] / total } else { 0.0 };
            let row = counts.row(annotator * classes + favourite, classes);
            let likelihood = row[favourite] / answers[favourite].max(1e-300);
            let (hits, known) = on_gold[annotator];
            Reliability {
                answers: total,
                coverage: total / votes.decisions().max(1) as f64,
                accuracy: proportion(right, total, "answers against the consensus", "it gave no answer"),
                gold_accuracy: proportion(hits, known, "gold items used for fitting", "it answered no gold item"),
                favourite: (favourite as Class, share),
                near_constant: classes > 1
                    && total >= 10.0
                    && share >= NEARLY_ALWAYS
                    && (likelihood - prior[favourite]).abs() < 0.1,
            }
        })
        .collect()
}

/// Right and all answers of each annotator on gold.
fn gold_matches(votes: &Votes, gold: &Gold) -> Vec<(f64, f64)> {
    let mut matches = vec![(0.0, 0.0); votes.annotators()];
    for entry in gold.entries() {
        for vote in votes.of(entry.decision as usize) {
            let (hits, known) = &mut matches[vote.annotator as usize];
            *known += f64::from(vote.weight);
            if vote.class == entry.class {
                *hits += f64::from(vote.weight);
            }
        }
    }
    matches
}

/// The expected share of each annotator's answers that are right, if these posteriors are: `classes` numbers per decision.
/// The annotator's own answers are among the evidence, so the figure leans upwards.
pub fn accuracy_by(votes: &Votes, posterior: &[f32]) -> Vec<Measured> {
    let mut matches = vec![(0.0, 0.0); votes.annotators()];
    for (decision, row) in posterior.chunks_exact(votes.classes().max(1)).enumerate() {
        for vote in votes.of(decision) {
            let (right, all) = &mut matches[vote.annotator as usize];
            *right += f64::from(vote.weight) * f64::from(row[usize::from(vote.class)]);
            *all += f64::from(vote.weight);
        }
    }
    let accuracy = |(right, all)| proportion(right, all, "answers against the consensus", "it gave no answer");
    matches.into_iter().map(accuracy).collect()
}

/// A share with its Wilson interval at 95 %.
fn proportion(hits: f64, count: f64, basis: &str, otherwise: &str) -> Measured {
    if count <= 0.0 {
        return Measured::unknown(otherwise);
    }
    let share = (hits / count).clamp(0.0, 1.0);
    Measured::known(share, wilson(share, count), format!("{count:.0} {basis}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        let Measured::Known { value, low, high, .. } = proportion(8.0, 10.0, "answers", "") else { panic!() };
        assert!((value - 0.8).abs() < 1e-12 && (low - 0.490_16).abs() < 1e-4 && (high - 0.943_32).abs() < 1e-4);
        assert!(proportion(0.0, 0.0, "", "nothing").value().is_none());
    }
}
