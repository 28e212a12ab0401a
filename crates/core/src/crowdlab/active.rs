//! Which item to annotate next, labelled or not (ActiveLab, Goh and Mueller 2023, <https://arxiv.org/abs/2301.11856>).

use super::{Variant, check, fit, tally};
use crate::error::{Error, Result};
use crate::label_errors::Probabilities;
use crate::votes::Votes;

/// Scores; the lowest are to be annotated next, over both pools together.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveScores {
    /// One per item with answers.
    pub labelled: Vec<f64>,
    /// One per item without.
    pub unlabelled: Vec<f64>,
    /// What the logarithms of the model's probabilities were divided by.
    pub temperature: f64,
}

/// Temperatures that are tried, and how finely around the best.
const COARSE: [f64; 9] = [0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 3.0, 5.0, 8.0];
const FINE: usize = 4;

/// Scores items for annotation: `model` has the probabilities of the items of the votes, `pool` those of items without
/// any answer. The model is first made as sure as its likelihood on the answers asks for, then
///
/// labelled: `((w_M + sum w_a) quality + w/K) / (w_M + sum w_a + w)`, unlabelled: `(w_M max P + w/K) / (w_M + w)`,
///
/// with the weights of CROWDLAB and `w` the mean annotator's. The repaired weights let the model be left out (`w_M = 0`);
/// then unlabelled items all score `1/K` and come first.
///
/// # Errors
/// As for [`fit`], or a pool with other classes.
pub fn active_scores(
    votes: &Votes,
    model: Probabilities<'_>,
    pool: Probabilities<'_>,
    variant: Variant,
) -> Result<ActiveScores> {
    check(votes, &[model])?;
    if pool.classes() != votes.classes() {
        return Err(Error::input(format!(
            "expected probabilities of {} classes for the items without answers, found {}",
            votes.classes(),
            pool.classes()
        )));
    }
    pool.sound()?;
    let classes = votes.classes();
    let temperature = temperature(votes, model, variant);
    let scaled = scale(model, temperature);
    let fitted = fit(votes, &[Probabilities::double(&scaled, classes)?], variant)?;
    let single = (0..votes.decisions()).all(|decision| votes.support(decision) <= 1);
    let weight = |annotator: u32| if single { 1.0 } else { fitted.annotator_weights[annotator as usize] };
    let model_weight = if single { 1.0 } else { fitted.model_weights[0] };
    let typical = if single || fitted.annotator_weights.is_empty() {
        1.0
    } else {
        fitted.annotator_weights.iter().sum::<f64>() / fitted.annotator_weights.len() as f64
    };
    let even = typical / classes as f64;
    let labelled = (0..votes.decisions())
        .map(|decision| {
            let all = model_weight + votes.of(decision).map(|vote| weight(vote.annotator)).sum::<f64>();
            (all * fitted.quality(decision) + even) / (all + typical)
        })
        .collect();
    let unlabelled = scale(pool, temperature)
        .chunks_exact(classes)
        .map(|row| (model_weight * row.iter().copied().fold(0.0, f64::max) + even) / (model_weight + typical))
        .collect();
    Ok(ActiveScores { labelled, unlabelled, temperature })
}

fn scale(model: Probabilities<'_>, temperature: f64) -> Vec<f64> {
    let classes = model.classes();
    let mut scaled = Vec::with_capacity(model.rows() * classes);
    for item in 0..model.rows() {
        let start = scaled.len();
        scaled.extend((0..classes).map(|class| model.value(item, class).max(1e-100).ln() / temperature));
        let row = &mut scaled[start..];
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for value in row.iter_mut() {
            *value = (*value - top).exp();
        }
        let total: f64 = row.iter().sum();
        for value in row.iter_mut() {
            *value /= total;
        }
    }
    scaled
}

/// The cross-entropy of the shares of the votes at a temperature.
///
/// The reference counts the classes that occur about an item and takes the first of them for class 0, the second for
/// class 1 and so on, so that an item unanimously of the last class asks for the first. The strict form does the same.
fn loss(votes: &Votes, model: Probabilities<'_>, temperature: f64, variant: Variant) -> f64 {
    let classes = votes.classes();
    let mut counts = vec![0.0; classes];
    let mut sum = 0.0;
    for (decision, row) in scale(model, temperature).chunks_exact(classes).enumerate() {
        let total = tally(votes, decision, &mut counts);
        if variant == Variant::Strict {
            let occurring: Vec<f64> = counts.iter().copied().filter(|&count| count > 0.0).collect();
            counts.fill(0.0);
            counts[..occurring.len()].copy_from_slice(&occurring);
        }
        if total > 0.0 {
            let term = |(&count, &p): (&f64, &f64)| if count > 0.0 { count / total * p.max(1e-100).ln() } else { 0.0 };
            sum -= counts.iter().zip(row).map(term).sum::<f64>();
        }
    }
    sum
}

fn best(votes: &Votes, model: Probabilities<'_>, tried: &[f64], variant: Variant) -> usize {
    let losses: Vec<f64> = tried.iter().map(|&temperature| -loss(votes, model, temperature, variant)).collect();
    super::greatest(&losses)
}

fn temperature(votes: &Votes, model: Probabilities<'_>, variant: Variant) -> f64 {
    if votes.is_empty() {
        return 1.0;
    }
    let coarse = best(votes, model, &COARSE, variant);
    let mut fine = Vec::new();
    let steps =
        |from: f64, to: f64, count: usize| (0..count).map(move |step| from + (to - from) * step as f64 / FINE as f64);
    if coarse > 0 {
        fine.extend(steps(COARSE[coarse - 1], COARSE[coarse], FINE));
    }
    match COARSE.get(coarse + 1) {
        Some(&next) => fine.extend(steps(COARSE[coarse], next, FINE + 1)),
        None => fine.push(COARSE[coarse]),
    }
    fine[best(votes, model, &fine, variant)]
}
