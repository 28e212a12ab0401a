//! The repaired method: weights corrected for chance class by class, and a model that cannot outvote everybody.

use super::strict::{Weights, describe};
use super::{Crowdlab, FLOOR, greatest, majority, tally, unanimous};
use crate::label_errors::Probabilities;
use crate::task::Class;
use crate::votes::Votes;

/// Answers of the typical annotator that are added per class to each annotator's own.
const PRIOR: f64 = 4.0;

/// Counts of right answers and of answers, per true class.
#[derive(Clone, Debug)]
struct Recall {
    right: Vec<f64>,
    all: Vec<f64>,
}

impl Recall {
    fn new(classes: usize) -> Self {
        Self { right: vec![0.0; classes], all: vec![0.0; classes] }
    }

    fn add(&mut self, truth: usize, share: f64, is_right: bool) {
        self.all[truth] += share;
        self.right[truth] += if is_right { share } else { 0.0 };
    }

    /// The mean recall over the classes that occur, brought from chance..1 to 0..1, with `PRIOR` answers per class of
    /// somebody else's recall added; and its standard error.
    fn above_chance(&self, prior: Option<&Self>) -> Option<(f64, f64)> {
        let (mut sum, mut variance, mut classes) = (0.0, 0.0, 0.0);
        for class in 0..self.all.len() {
            let (mut right, mut all) = (self.right[class], self.all[class]);
            if let Some(prior) = prior.filter(|prior| prior.all[class] > 0.0) {
                right += PRIOR * prior.right[class] / prior.all[class];
                all += PRIOR;
            }
            if all > 0.0 {
                let rate = right / all;
                // One answer each way keeps a perfect record of few answers from being certain.
                let smooth = (right + 1.0) / (all + 2.0);
                sum += rate;
                variance += smooth * (1.0 - smooth) / all;
                classes += 1.0;
            }
        }
        let chance = 1.0 / classes;
        (classes > 1.0).then(|| {
            let scale = classes * (1.0 - chance);
            ((sum / classes - chance) / (1.0 - chance), variance.sqrt() / scale)
        })
    }
}

pub(super) fn fit(votes: &Votes, models: &[Probabilities<'_>]) -> Crowdlab {
    let classes = votes.classes();
    let (first, tied) = majority(votes, models);
    let mut counts = vec![0.0; classes];
    let mut annotators = vec![Recall::new(classes); votes.annotators()];
    let mut judged = vec![Recall::new(classes); models.len()];
    let (mut answered, mut answers, mut joint, mut agreeing) = (0.0, 0.0, 0.0, 0.0);
    for (decision, &label) in first.iter().enumerate() {
        let total = tally(votes, decision, &mut counts);
        answered += f64::from(u8::from(total > 0.0));
        answers += total;
        if votes.support(decision) < 2 {
            continue;
        }
        joint += 1.0;
        agreeing += counts[usize::from(label)] / total;
        for vote in votes.of(decision) {
            // By what the others say, each of them alike: nobody is weighed by an own answer.
            let others = total - f64::from(vote.weight);
            for (class, &count) in counts.iter().enumerate() {
                let own = if class == usize::from(vote.class) { f64::from(vote.weight) } else { 0.0 };
                let share = (count - own) / others;
                if share > 0.0 {
                    annotators[vote.annotator as usize].add(class, share, class == usize::from(vote.class));
                }
            }
        }
        // The model breaks ties of the vote, and would confirm itself there.
        if tied.binary_search(&(decision as u32)).is_err() {
            for (recall, model) in judged.iter_mut().zip(models) {
                recall.add(usize::from(label), 1.0, model.likeliest(decision) == usize::from(label));
            }
        }
    }
    let support: f64 = if answered > 0.0 { answers / answered } else { 1.0 };
    let mut pooled = Recall::new(classes);
    for one in &annotators {
        pooled.right.iter_mut().zip(&one.right).for_each(|(to, from)| *to += from);
        pooled.all.iter_mut().zip(&one.all).for_each(|(to, from)| *to += from);
    }
    let mut notes = Vec::new();
    if joint == 0.0 {
        notes.push("no item has two answers: annotators and models count alike".to_owned());
    }
    let weights = Weights {
        annotators: annotators
            .iter()
            .map(|one| one.above_chance(Some(&pooled)).map_or(1.0, |(weight, _)| weight.max(FLOOR)))
            .collect(),
        models: judged
            .iter()
            .enumerate()
            .map(|(number, one)| match one.above_chance(None) {
                None => {
                    if joint > 0.0 {
                        notes.push("all items are of one class by the vote: the model cannot be judged".to_owned());
                    }
                    f64::from(u8::from(joint == 0.0))
                }
                Some((weight, error)) if weight <= 1.96 * error => {
                    notes.push(format!(
                        "model {} is no better than a constant ({weight:.3} above chance, error {error:.3}) and is left out",
                        number + 1
                    ));
                    0.0
                }
                Some((weight, _)) => weight * support.sqrt(),
            })
            .collect(),
        likelihood: if joint > 0.0 { (agreeing / joint).min(1.0 - FLOOR) } else { 1.0 - FLOOR },
        support,
    };
    let posterior = pool(votes, models, &weights);
    let mut overturned = Vec::new();
    let labels: Vec<Class> = posterior
        .chunks_exact(classes)
        .enumerate()
        .map(|(decision, row)| {
            let best = greatest(row) as Class;
            match unanimous(votes, decision) {
                Some(class) if class != best => {
                    overturned.push(decision as u32);
                    class
                }
                // Where the model is left out and the vote is a tie, its order decides as it did for the vote.
                _ if row[usize::from(first[decision])] >= row[usize::from(best)] - 1e-12 => first[decision],
                _ => best,
            }
        })
        .collect();
    describe(votes, labels, posterior, &weights, overturned, tied, notes)
}

/// The weighted mean, with the models' weight no more than that of the item's annotators.
fn pool(votes: &Votes, models: &[Probabilities<'_>], weights: &Weights) -> Vec<f64> {
    let classes = votes.classes();
    let other = if classes > 1 { (1.0 - weights.likelihood) / (classes - 1) as f64 } else { 0.0 };
    let own = if classes > 1 { weights.likelihood } else { 1.0 };
    let models_in_all: f64 = weights.models.iter().sum();
    let mut posterior = vec![0.0; votes.decisions() * classes];
    for (decision, row) in posterior.chunks_exact_mut(classes).enumerate() {
        let mut crowd = 0.0;
        for vote in votes.of(decision) {
            let weight = weights.annotators[vote.annotator as usize] * f64::from(vote.weight);
            crowd += weight;
            for (class, to) in row.iter_mut().enumerate() {
                *to += weight * if class == usize::from(vote.class) { own } else { other };
            }
        }
        let cap = if crowd == 0.0 || models_in_all <= crowd { 1.0 } else { crowd / models_in_all };
        let mut total = crowd;
        for (model, &weight) in models.iter().zip(&weights.models) {
            let weight = if crowd == 0.0 { weight.max(FLOOR) } else { weight * cap };
            total += weight;
            row.iter_mut().enumerate().for_each(|(class, to)| *to += weight * model.value(decision, class));
        }
        for value in row.iter_mut() {
            *value /= total;
        }
        let sum: f64 = row.iter().sum();
        for value in row.iter_mut() {
            *value /= sum;
        }
    }
    posterior
}
