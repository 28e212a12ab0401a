//! Consensus from annotators and a model that has not seen the items: CROWDLAB and Dawid-Skene with a model.
//!
//! CROWDLAB (Goh, Tkachenko and Mueller 2022, <https://arxiv.org/abs/2210.06812>) is a linear pool: each annotator and
//! each model has a weight, the posterior is the weighted mean of what they say. [`Variant::Strict`] is the published
//! method, number for number. It fails where one class is frequent: annotators then agree no better than a constant
//! would, all their weights fall to the floor and the model decides alone; the second pass confirms itself, because by
//! then the consensus is the model's. [`Variant::Repaired`] corrects agreement for chance class by class, gives the model
//! no more weight than the annotators of the item have together, leaves it out where it is no better than a constant,
//! never overturns three or more annotators who all agree, and does not weigh anybody by a consensus that it made.
//!
//! [`fit_with_model`] is the multiplicative form (Raykar et al. 2010, "Learning from crowds"): Dawid and Skene with the
//! class prior of each item replaced by the model's probabilities.
//!
//! The probabilities must come from models that have not seen the item; this cannot be checked. All of it takes time in
//! proportion to the answers and to items x classes, and no table of items x annotators.

mod active;
mod repaired;
mod strict;
mod with_model;

pub use active::{ActiveScores, active_scores};
pub use with_model::{ModelSettings, WithModel, fit_with_model};

use crate::error::{Error, Result};
use crate::label_errors::Probabilities;
use crate::task::Class;
use crate::votes::Votes;

/// The least weight, which keeps every pool defined.
pub(crate) const FLOOR: f64 = 1e-6;

/// Which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// Chance-corrected, capped, unanimous items protected.
    #[default]
    Repaired,
    /// As published.
    Strict,
}

/// A consensus of annotators and models.
#[derive(Clone, Debug)]
pub struct Crowdlab {
    /// Classes.
    pub classes: usize,
    /// The consensus of each decision.
    pub labels: Vec<Class>,
    /// The probability of each class, `classes` numbers per decision, summing to one.
    pub posterior: Vec<f64>,
    /// The weight of each model; for the repaired form before the cap of each item, and 0 for one that was left out.
    pub model_weights: Vec<f64>,
    /// The weight of each annotator.
    pub annotator_weights: Vec<f64>,
    /// The quality of each annotator: its labels' probability and its agreement with the consensus, mixed. `None` for
    /// one without answers.
    pub annotator_quality: Vec<Option<f64>>,
    /// The share of each annotator's labels, on decisions with two answers or more, that equal the consensus. `None`
    /// without such answers.
    pub agreement: Vec<Option<f64>>,
    /// The class among those an annotator gives that agrees least with the consensus.
    pub worst_class: Vec<Option<Class>>,
    /// Unanimous decisions with three answers or more where the pool's likeliest class is another. Under
    /// [`Variant::Repaired`] the annotators' class stands.
    pub overturned: Vec<u32>,
    /// Decisions where the most frequent class was a tie.
    pub tied: Vec<u32>,
    /// Why models were left out, or why only the annotators or only the models decide.
    pub notes: Vec<String>,
}

impl Crowdlab {
    /// One decision's posterior.
    pub fn of(&self, decision: usize) -> &[f64] {
        &self.posterior[decision * self.classes..][..self.classes]
    }

    /// The quality of the consensus: its probability.
    pub fn quality(&self, decision: usize) -> f64 {
        self.of(decision)[usize::from(self.labels[decision])]
    }

    /// The quality of an annotator's label: the probability of what it said.
    pub fn label_quality(&self, decision: usize, class: Class) -> f64 {
        self.of(decision)[usize::from(class)]
    }
}

/// Makes a consensus of annotators' answers and the probabilities of one model or several.
///
/// An annotator's repeated answers about a decision all count. A decision without answers has the models' probabilities;
/// where no decision has two answers, nobody can be weighed by agreement and the answers stand beside the model with
/// equal weights.
///
/// # Errors
/// Probabilities for another number of items or classes than the votes have, or that are no probabilities.
pub fn fit(votes: &Votes, models: &[Probabilities<'_>], variant: Variant) -> Result<Crowdlab> {
    check(votes, models)?;
    Ok(match variant {
        Variant::Strict => strict::fit(votes, models),
        Variant::Repaired => repaired::fit(votes, models),
    })
}

pub(crate) fn check(votes: &Votes, models: &[Probabilities<'_>]) -> Result<()> {
    if models.is_empty() {
        return Err(Error::task("expected the probabilities of at least one model, found none")
            .hint("give them with `--probs FILE`, or use a method that needs none"));
    }
    for model in models {
        if model.classes() != votes.classes() || model.rows() != votes.decisions() {
            return Err(Error::input(format!(
                "expected probabilities of {} classes for {} items, found {} for {}",
                votes.classes(),
                votes.decisions(),
                model.classes(),
                model.rows()
            )));
        }
        model.sound()?;
    }
    Ok(())
}

/// Votes by class of one decision.
pub(crate) fn tally(votes: &Votes, decision: usize, counts: &mut [f64]) -> f64 {
    counts.fill(0.0);
    let mut total = 0.0;
    for vote in votes.of(decision) {
        counts[usize::from(vote.class)] += f64::from(vote.weight);
        total += f64::from(vote.weight);
    }
    total
}

/// The most frequent class of each decision and which were ties. Ties go to the class that the models find likelier,
/// then to the rarer class, then by the decision's key; decisions without answers to the models' class.
pub(crate) fn majority(votes: &Votes, models: &[Probabilities<'_>]) -> (Vec<Class>, Vec<u32>) {
    let classes = votes.classes();
    let mut frequency = vec![0.0; classes];
    let mut counts = vec![0.0; classes];
    for decision in 0..votes.decisions() {
        tally(votes, decision, &mut counts);
        frequency.iter_mut().zip(&counts).for_each(|(to, from)| *to += from);
    }
    let mut tied = Vec::new();
    let labels = (0..votes.decisions())
        .map(|decision| {
            let total = tally(votes, decision, &mut counts);
            let top = counts.iter().copied().fold(0.0, f64::max);
            let best: Vec<usize> = (0..classes).filter(|&class| counts[class] >= top - 1e-9).collect();
            if total > 0.0 && best.len() > 1 {
                tied.push(decision as u32);
            }
            let model = |class: usize| models.iter().map(|model| model.value(decision, class)).sum::<f64>();
            let draw = |class: usize| crate::random::Random::new(votes.key(decision) ^ ((class as u64) << 48)).next();
            let rank = |class: usize| (model(class), -frequency[class]);
            let better = |left: usize, right: usize| {
                let ((a, b), (c, d)) = (rank(left), rank(right));
                a.total_cmp(&c).then(b.total_cmp(&d)).then(draw(left).cmp(&draw(right))).is_gt()
            };
            let mut chosen = best[0];
            for &class in &best[1..] {
                if better(class, chosen) {
                    chosen = class;
                }
            }
            chosen as Class
        })
        .collect();
    (labels, tied)
}

/// The place of the greatest value, the first of equals.
pub(crate) fn greatest(values: &[f64]) -> usize {
    let mut best = 0;
    for (place, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = place;
        }
    }
    best
}

/// Whether all answers about a decision, three or more, are one class.
pub(crate) fn unanimous(votes: &Votes, decision: usize) -> Option<Class> {
    let mut answers = votes.of(decision);
    let first = answers.next().filter(|_| votes.support(decision) >= 3)?;
    answers.all(|vote| vote.class == first.class).then_some(first.class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::votes::VotesBuilder;

    fn votes(rows: &[(u32, u32, Class)], decisions: usize, annotators: usize) -> Votes {
        let mut builder = VotesBuilder::new(2);
        for &(decision, annotator, class) in rows {
            builder.push(decision, annotator, class).unwrap();
        }
        builder.build(decisions, annotators).unwrap()
    }

    #[test]
    fn odd_input_has_a_defined_result() {
        let half = [0.5; 8];
        for variant in [Variant::Strict, Variant::Repaired] {
            let cases = [
                (votes(&[], 4, 0), "no answer"),
                (votes(&[(0, 0, 1), (1, 0, 0)], 4, 1), "one annotator"),
                (votes(&[(0, 0, 1), (1, 1, 1), (0, 1, 1)], 4, 3), "one class, an annotator without answers"),
                (votes(&[(0, 0, 1), (0, 0, 0), (0, 0, 1)], 4, 1), "repeated answers"),
            ];
            for (votes, name) in cases {
                let found = fit(&votes, &[Probabilities::double(&half, 2).unwrap()], variant).unwrap();
                assert_eq!(found.labels.len(), 4, "{name}");
                for row in found.posterior.chunks_exact(2) {
                    assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{variant:?} {name}: {row:?}");
                }
                assert!(
                    found.annotator_quality.iter().flatten().all(|quality| (0.0..=1.0).contains(quality)),
                    "{name}"
                );
                let again = fit_with_model(
                    &votes,
                    &crate::votes::Gold::none(),
                    Probabilities::double(&half, 2).unwrap(),
                    &ModelSettings::default(),
                );
                assert!(again.unwrap().posterior.iter().all(|p| p.is_finite()), "{name}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let votes = votes(&[(0, 0, 1)], 1, 1);
        let message = |rows: &[f64], classes| {
            fit(&votes, &[Probabilities::double(rows, classes).unwrap()], Variant::Repaired).unwrap_err().to_string()
        };
        assert!(message(&[0.5, 0.5, 0.5, 0.5], 2).contains("for 1 items, found 2 for 2"));
        assert!(message(&[0.3, 0.3, 0.4], 3).contains("found 3"));
        assert!(message(&[0.3, 0.9], 2).contains("sum"));
        assert!(fit(&votes, &[], Variant::Repaired).unwrap_err().advice().unwrap().contains("--probs"));
    }

    #[test]
    fn unanimous_annotators_stand_against_a_sure_model() {
        let mut rows = Vec::new();
        let mut model = Vec::new();
        for item in 0..40u32 {
            let class = u16::from(item % 4 == 0);
            for annotator in 0..3 {
                rows.push((item, annotator, if annotator == 2 && item % 5 == 0 { 1 - class } else { class }));
            }
            // The model is right but for item 8, about which all agree.
            let sure = if (class == 1) == (item != 8) { [0.02, 0.98] } else { [0.98, 0.02] };
            model.extend(sure);
        }
        let votes = votes(&rows, 40, 3);
        let found = fit(&votes, &[Probabilities::double(&model, 2).unwrap()], Variant::Repaired).unwrap();
        assert_eq!(found.labels[8], 1);
        assert!(found.model_weights[0] > 0.5, "{:?}", found.model_weights);
        assert!(found.annotator_weights[0] > found.annotator_weights[2]);
    }
}
