//! Which way of telling a student does best on labels that are certain.

use rayon::prelude::*;

use super::super::fit::{Fitted, Trainer};
use super::super::target::{Head, Target};
use super::Distillation;
use crate::error::Result;

/// With fewer gold texts than this nothing tells ways apart, and the usual one stands.
const ENOUGH_GOLD: usize = 30;
/// The most texts that a way is tried on.
const MOST_TRIED: usize = 10_000;

/// A text whose label is certain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Certain {
    /// Its place among the training texts.
    pub row: usize,
    /// Its label.
    pub class: u16,
    /// How much it counts: one over the probability with which it was drawn.
    pub weight: f64,
}

/// The way that was taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Teaching {
    /// The way.
    pub way: Distillation,
    /// The reason in words.
    pub reason: String,
}

impl Teaching {
    /// What the student learnt from, in words.
    pub fn words(&self) -> String {
        let what = match self.way {
            Distillation::Hard => "likeliest labels",
            Distillation::Weighted => "likeliest labels by their weight",
            Distillation::Soft => "probabilities",
            Distillation::Sharp => "sharpened probabilities",
            Distillation::Candidates => "refined candidates",
        };
        format!("learns from {what} ({})", self.reason)
    }
}

impl Trainer {
    /// Chooses a way by labels that are certain: each way is taught with all other texts, and the logarithms of the
    /// probabilities that it gives to the certain labels are compared. The usual way stands unless another is better by
    /// more than the standard error of their difference, and where fewer than 30 labels are certain.
    ///
    /// Cost: six trainings on at most ten thousand texts, if there is anything to choose.
    ///
    /// # Errors
    /// As [`Trainer::fit`], but for too little to learn from.
    pub fn choose_distillation(&self, texts: &[&str], targets: &[Target], certain: &[Certain]) -> Result<Teaching> {
        if self.head() == Head::Multilabel {
            return Ok(Teaching { way: Distillation::Soft, reason: "each label by itself".to_owned() });
        }
        let usual = |reason: &str| Teaching { way: Distillation::default(), reason: reason.to_owned() };
        if certain.len() < ENOUGH_GOLD {
            return Ok(usual("the usual way: too little gold to choose by"));
        }
        let mut known = vec![false; texts.len()];
        certain.iter().for_each(|one| known[one.row] = true);
        let others: Vec<usize> = (0..texts.len()).filter(|&row| !known[row]).collect();
        if others.iter().all(|&row| is_sure(&targets[row])) {
            return Ok(usual("the usual way: all labels are equally sure"));
        }
        let step = others.len().div_ceil(MOST_TRIED).max(1);
        let tried: Vec<usize> = others.into_iter().step_by(step).collect();
        let own_texts: Vec<&str> = tried.iter().map(|&row| texts[row]).collect();
        let own_targets: Vec<Target> = tried.iter().map(|&row| targets[row].clone()).collect();
        let tests: Vec<&str> = certain.iter().map(|one| texts[one.row]).collect();
        let trials = Distillation::ALL
            .par_iter()
            .map(|&way| match self.distil(&own_texts, &own_targets, way) {
                Ok(fitted) => Ok(Some(losses(&fitted, &tests, certain))),
                // Without the gold there may be too little to learn from.
                Err(error) if error.is_input() => Ok(None),
                Err(error) => Err(error),
            })
            .collect::<Result<Vec<Option<Vec<f64>>>>>()?;
        let weights: Vec<f64> = certain.iter().map(|one| one.weight).collect();
        Ok(decide(&trials, &weights))
    }
}

/// Whether a target is certain, or all but certain.
fn is_sure(target: &Target) -> bool {
    match target {
        Target::Soft(shares) => {
            let sum: f32 = shares.iter().sum();
            shares.iter().all(|share| *share < 0.001 * sum || *share > 0.999 * sum)
        }
        Target::Candidates(set) => set.len() == 1,
        Target::Hard(_) | Target::Set(_) => true,
    }
}

fn losses(fitted: &Fitted, tests: &[&str], certain: &[Certain]) -> Vec<f64> {
    let classes = fitted.model.labels().len();
    let predicted = fitted.model.predict_batch(tests);
    let rows = predicted.chunks_exact(classes).zip(certain);
    rows.map(|(row, one)| -f64::from(row[usize::from(one.class)].max(1e-6)).ln()).collect()
}

/// The usual way, or the best if it is surely better.
fn decide(trials: &[Option<Vec<f64>>], weights: &[f64]) -> Teaching {
    let usual = Distillation::default();
    let total: f64 = weights.iter().sum();
    let mean = |values: &[f64]| values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / total;
    let of = |way: Distillation| {
        Distillation::ALL.iter().zip(trials).find(|(one, _)| **one == way).and_then(|(_, losses)| losses.as_ref())
    };
    let Some(base) = of(usual) else {
        return Teaching { way: usual, reason: "the usual way: too little beside the gold to choose by".to_owned() };
    };
    let mut best = (usual, 0.0, 0.0);
    for way in Distillation::ALL {
        let Some(own) = of(way).filter(|_| way != usual) else { continue };
        let gains: Vec<f64> = base.iter().zip(own).map(|(base, own)| base - own).collect();
        let gain = mean(&gains);
        let square: f64 = gains.iter().zip(weights).map(|(one, weight)| (weight * (one - gain)).powi(2)).sum();
        let error = square.sqrt() / total;
        if gain > error && gain > best.1 {
            best = (way, gain, error);
        }
    }
    let count = weights.len();
    let reason = if best.0 == usual {
        format!("the usual way: no other is better on {count} gold texts by more than the error of that")
    } else {
        format!("log-loss on {count} gold texts better by {:.3} +- {:.3} than the usual way", best.1, best.2)
    };
    Teaching { way: best.0, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_way_must_be_surely_better() {
        let flat = |loss: f64| Some((0..40).map(|at| loss + 0.1 * f64::from(at % 2)).collect::<Vec<f64>>());
        let place = |way| Distillation::ALL.iter().position(|one| *one == way).unwrap();
        let mut trials = vec![flat(0.6); Distillation::ALL.len()];
        let weights = vec![1.0; 40];
        assert_eq!(decide(&trials, &weights).way, Distillation::default());
        trials[place(Distillation::Hard)] = flat(0.5);
        assert_eq!(decide(&trials, &weights).way, Distillation::Hard);
        // As good in the mean, and by luck.
        trials[place(Distillation::Hard)] = Some((0..40).map(|at| if at == 0 { 0.0 } else { 0.65 }).collect());
        assert_eq!(decide(&trials, &weights).way, Distillation::default());
        trials[place(Distillation::default())] = None;
        assert_eq!(decide(&trials, &weights).way, Distillation::default());
    }
}
