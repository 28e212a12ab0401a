//! The published method, with its floors and its second pass.

use super::{Crowdlab, FLOOR, greatest, majority, tally, unanimous};
use crate::label_errors::Probabilities;
use crate::task::Class;
use crate::votes::Votes;

/// Weights and what they come from.
pub(super) struct Weights {
    pub(super) annotators: Vec<f64>,
    pub(super) models: Vec<f64>,
    /// The share of annotators that agree with the consensus.
    pub(super) likelihood: f64,
    /// The mean number of answers of the items that have some.
    pub(super) support: f64,
}

/// How often each annotator agrees with each other one, where they meet; `None` for one that meets nobody.
pub(super) fn mutual_agreement(votes: &Votes) -> Vec<Option<f64>> {
    let mut counts = vec![0.0; votes.classes()];
    let mut sums = vec![(0.0, 0.0); votes.annotators()];
    for decision in 0..votes.decisions() {
        let total = tally(votes, decision, &mut counts);
        if votes.support(decision) < 2 {
            continue;
        }
        for vote in votes.of(decision) {
            let (same, others) = &mut sums[vote.annotator as usize];
            *same += counts[usize::from(vote.class)] - f64::from(vote.weight);
            *others += total - f64::from(vote.weight);
        }
    }
    sums.into_iter().map(|(same, others)| (others > 0.0).then(|| same / others)).collect()
}

fn weigh(votes: &Votes, models: &[Probabilities<'_>], consensus: &[Class], mutual: &[Option<f64>]) -> Weights {
    let classes = votes.classes();
    let mut counts = vec![0.0; classes];
    let mut frequency = vec![0.0; classes];
    let (mut joint, mut agreeing, mut answered, mut answers) = (0.0, 0.0, 0.0, 0.0);
    let mut model_errors = vec![0.0; models.len()];
    for (decision, &label) in consensus.iter().enumerate() {
        let total = tally(votes, decision, &mut counts);
        answered += f64::from(u8::from(total > 0.0));
        answers += total;
        if votes.support(decision) < 2 {
            continue;
        }
        joint += 1.0;
        agreeing += counts[usize::from(label)] / total;
        frequency[usize::from(label)] += 1.0;
        for (errors, model) in model_errors.iter_mut().zip(models) {
            *errors += f64::from(u8::from(model.likeliest(decision) != usize::from(label)));
        }
    }
    let support = if answered > 0.0 { answers / answered } else { 1.0 };
    if joint == 0.0 {
        // Nobody meets anybody: all count alike.
        let (annotators, models) = (vec![1.0; votes.annotators()], vec![1.0; models.len()]);
        return Weights { annotators, models, likelihood: 1.0 - FLOOR, support };
    }
    let constant = (1.0 - frequency.iter().copied().fold(0.0, f64::max) / joint).max(FLOOR);
    let known: Vec<f64> = mutual.iter().flatten().copied().collect();
    let typical = known.iter().sum::<f64>() / known.len().max(1) as f64;
    let weight = |error: f64| (1.0 - error / constant).max(FLOOR);
    Weights {
        annotators: mutual.iter().map(|agreement| weight(1.0 - agreement.unwrap_or(typical))).collect(),
        models: model_errors.iter().map(|errors| weight(errors / joint) * support.sqrt()).collect(),
        likelihood: agreeing / joint,
        support,
    }
}

/// The weighted mean of what models and annotators say.
fn pool(votes: &Votes, models: &[Probabilities<'_>], weights: &Weights) -> Vec<f64> {
    let classes = votes.classes();
    let other = if classes > 1 { (1.0 - weights.likelihood) / (classes - 1) as f64 } else { 0.0 };
    let mut posterior = vec![0.0; votes.decisions() * classes];
    for (decision, row) in posterior.chunks_exact_mut(classes).enumerate() {
        let mut total = 0.0;
        for (model, &weight) in models.iter().zip(&weights.models) {
            total += weight;
            row.iter_mut().enumerate().for_each(|(class, to)| *to += weight * model.value(decision, class));
        }
        for vote in votes.of(decision) {
            let weight = weights.annotators[vote.annotator as usize] * f64::from(vote.weight);
            total += weight;
            for (class, to) in row.iter_mut().enumerate() {
                *to += weight * if class == usize::from(vote.class) { weights.likelihood } else { other };
            }
        }
        // Sums of probabilities differ from one by their rounding, and a single class takes less than all.
        let sum: f64 = row.iter().sum();
        let total = if classes == 1 { sum } else { total };
        for value in row.iter_mut() {
            *value /= total;
        }
    }
    posterior
}

pub(super) fn fit(votes: &Votes, models: &[Probabilities<'_>]) -> Crowdlab {
    let classes = votes.classes();
    let mutual = mutual_agreement(votes);
    let (first, tied) = majority(votes, models);
    let weights = weigh(votes, models, &first, &mutual);
    let labels: Vec<Class> =
        pool(votes, models, &weights).chunks_exact(classes).map(|row| greatest(row) as Class).collect();
    let weights = weigh(votes, models, &labels, &mutual);
    let posterior = pool(votes, models, &weights);
    let overturned = (0..votes.decisions() as u32)
        .filter(|&decision| unanimous(votes, decision as usize).is_some_and(|class| class != labels[decision as usize]))
        .collect();
    let notes = if weights.annotators.iter().all(|&weight| weight <= FLOOR) && !weights.annotators.is_empty() {
        vec!["no annotator agrees with the others better than a constant would: the model decides alone".to_owned()]
    } else {
        Vec::new()
    };
    describe(votes, labels, posterior, &weights, overturned, tied, notes)
}

/// The qualities of annotators, which both forms measure alike.
pub(super) fn describe(
    votes: &Votes,
    labels: Vec<Class>,
    posterior: Vec<f64>,
    weights: &Weights,
    overturned: Vec<u32>,
    tied: Vec<u32>,
    notes: Vec<String>,
) -> Crowdlab {
    let classes = votes.classes();
    let annotators = votes.annotators();
    let mut quality = vec![(0.0, 0.0); annotators];
    let mut agreement = vec![(0.0, 0.0); annotators];
    let mut by_class = vec![(0.0, 0.0); annotators * classes];
    for (decision, &label) in labels.iter().enumerate() {
        let several = votes.support(decision) >= 2;
        for vote in votes.of(decision) {
            let (annotator, class) = (vote.annotator as usize, usize::from(vote.class));
            let agrees = f64::from(u8::from(vote.class == label));
            quality[annotator].0 += posterior[decision * classes + class];
            quality[annotator].1 += 1.0;
            let cell = &mut by_class[annotator * classes + class];
            *cell = (cell.0 + agrees, cell.1 + 1.0);
            if several {
                agreement[annotator].0 += agrees;
                agreement[annotator].1 += 1.0;
            }
        }
    }
    let mean = |(sum, count): (f64, f64)| (count > 0.0).then(|| sum / count);
    let model: f64 = weights.models.iter().sum();
    let crowd = weights.annotators.iter().sum::<f64>() * weights.support / annotators.max(1) as f64;
    let share = if model + crowd > 0.0 { model / (model + crowd) } else { 0.0 };
    let worst = |annotator: usize| {
        let rates = (0..classes).filter_map(|class| Some((mean(by_class[annotator * classes + class])?, class)));
        // Of equals the one given most.
        let given = |class: usize| by_class[annotator * classes + class].1;
        rates
            .min_by(|left, right| left.0.total_cmp(&right.0).then(given(right.1).total_cmp(&given(left.1))))
            .map(|(_, class)| class as Class)
    };
    let agreement: Vec<Option<f64>> = agreement.into_iter().map(mean).collect();
    let annotator_quality = quality
        .into_iter()
        .zip(&agreement)
        .map(|(quality, agreement)| {
            let quality = mean(quality)?;
            Some(share * quality + (1.0 - share) * agreement.unwrap_or(quality))
        })
        .collect();
    Crowdlab {
        classes,
        labels,
        posterior,
        model_weights: weights.models.clone(),
        annotator_weights: weights.annotators.clone(),
        annotator_quality,
        agreement,
        worst_class: (0..annotators).map(worst).collect(),
        overturned,
        tied,
        notes,
    }
}
