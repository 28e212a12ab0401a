//! The automatic choice among the policies.

use super::fit::{Fit, Settings, folds};
use super::plan::{Plan, replay};
use super::policy::Policy;
use crate::error::{Error, Result};
use crate::votes::GoldEntry;

/// Budgets that are tried, between the cheapest and the dearest thing one can do.
const LEVELS: usize = 10;
/// How often gold is divided anew.
const ROUNDS: u64 = 3;
/// Candidates, the one to fall back on first.
const CANDIDATES: [Policy; 8] = [
    Policy::Value,
    Policy::Single,
    Policy::Committee,
    Policy::Majority,
    Policy::Confidence,
    Policy::Entropy,
    Policy::Chain,
    Policy::Cascade,
];
/// Standard errors by which another policy must beat the one to fall back on.
const BEATS: f64 = 1.0;
/// Standard errors by which something cheaper may fall short of what was chosen.
const SHORT: f64 = 0.1;

/// What a policy did with a budget to gold that it had not seen.
#[derive(Clone, Debug)]
struct Trial {
    policy: Policy,
    /// The budget it was given.
    budget: f64,
    /// The mean cost of an item.
    cost: f64,
    /// Per gold item the share of rounds in which its label was right.
    right: Vec<f64>,
}

/// What was learnt from all folds but one, and the gold entries of that one.
#[derive(Debug)]
struct Part<'a> {
    fit: Fit<'a>,
    out: Vec<usize>,
}

/// Gold divided again and again, and how every candidate fared with each of the usual budgets.
#[derive(Debug)]
pub(super) struct Trials<'a> {
    parts: Vec<Part<'a>>,
    done: Vec<Trial>,
    /// The logarithm of the step from one budget to the next.
    step: f64,
}

impl<'a> Trials<'a> {
    fn new(fit: &Fit<'a>) -> Self {
        let (budgets, step) = levels(fit);
        let mut parts = Vec::new();
        for round in 0..ROUNDS {
            let settings = Settings { seed: fit.settings.seed.wrapping_add(1 + round), ..fit.settings };
            let fold = folds(fit.stored, &fit.gold, settings.folds, settings.seed);
            for part in 0..settings.folds {
                let out: Vec<usize> = (0..fold.len()).filter(|&place| fold[place] == part).collect();
                let rest: Vec<GoldEntry> =
                    fit.gold.iter().zip(&fold).filter(|(_, of)| **of != part).map(|(entry, _)| *entry).collect();
                let inner = folds(fit.stored, &rest, settings.folds, settings.seed);
                parts.push(Part { fit: Fit::of(fit.stored, rest, inner, settings), out });
            }
        }
        let mut trials = Self { parts, done: Vec::new(), step };
        trials.done = budgets.into_iter().flat_map(|budget| trials.at(fit, budget)).collect();
        trials
    }

    /// Tries every candidate with a budget, cross-fitted: what is chosen and counted on some folds of the gold is carried
    /// out on all of it and judged on the fold left out.
    fn at(&self, fit: &Fit<'_>, budget: f64) -> Vec<Trial> {
        let all: Vec<u32> = fit.gold.iter().map(|entry| entry.decision).collect();
        let count = all.len();
        let one = |policy: Policy| {
            let mut trial = Trial { policy, budget, cost: 0.0, right: vec![0.0; count] };
            for part in &self.parts {
                let plan = part.fit.plan(policy, budget).ok()?;
                let outcome = replay(&plan, fit.stored, &all, budget * count as f64);
                for &place in &part.out {
                    trial.cost += outcome.spent[place] / (ROUNDS as usize * count) as f64;
                    if outcome.verdicts.labels[place] == fit.gold[place].class {
                        trial.right[place] += 1.0 / ROUNDS as f64;
                    }
                }
            }
            Some(trial)
        };
        CANDIDATES.into_iter().filter_map(one).collect()
    }

    /// The trials with a budget, each item's result averaged with those of the same policy with budgets near it: what a
    /// policy does to an item hardly changes from one budget to the next, the luck of the draw does.
    fn smooth(&self, exact: Vec<Trial>) -> Vec<Trial> {
        let near = |one: &Trial, other: &Trial| {
            let way = (other.budget / one.budget).ln() / self.step;
            if other.policy == one.policy && way.is_finite() { (-way * way).exp() } else { 0.0 }
        };
        exact
            .into_iter()
            .map(|one| {
                let mut right = one.right.clone();
                let mut total = 1.0;
                for other in &self.done {
                    let weight = near(&one, other);
                    if weight > 0.05 {
                        total += weight;
                        right.iter_mut().zip(&other.right).for_each(|(sum, value)| *sum += weight * value);
                    }
                }
                right.iter_mut().for_each(|value| *value /= total);
                Trial { right, ..one }
            })
            .collect()
    }
}

/// Budgets per item, in even steps of their logarithm, and that step.
fn levels(fit: &Fit<'_>) -> (Vec<f64>, f64) {
    let prices: Vec<f64> = fit.stored.pool().sources().iter().map(|source| source.price).collect();
    let cheapest = prices.iter().copied().filter(|&price| price > 0.0).fold(f64::INFINITY, f64::min);
    let all: f64 = prices.iter().sum();
    if !cheapest.is_finite() || all <= cheapest {
        return (vec![if cheapest.is_finite() { cheapest } else { 0.0 }], 1.0);
    }
    let step = (all / cheapest).ln() / (LEVELS - 1) as f64;
    ((0..LEVELS).map(|level| cheapest * (step * level as f64).exp()).collect(), step)
}

/// The mean of differences and its standard error.
fn paired(one: &[f64], other: &[f64]) -> (f64, f64) {
    let count = one.len() as f64;
    let mean = one.iter().zip(other).map(|(a, b)| a - b).sum::<f64>() / count;
    let square = one.iter().zip(other).map(|(a, b)| (a - b - mean).powi(2)).sum::<f64>();
    // One item that differs keeps an error of nothing from looking certain.
    (mean, ((square + 1.0) / (count * (count - 1.0).max(1.0))).sqrt())
}

impl Fit<'_> {
    /// The policy that does best on gold it has not seen, within the budget: the one whose gain over the value policy, less
    /// its standard error, is largest, and the value policy itself if there is none; of those within a tenth of a
    /// standard error of it the cheapest.
    pub(super) fn choose(&self, budget: f64) -> Result<Plan> {
        let trials = self.trials.get_or_init(|| Box::new(Trials::new(self)));
        let tried = trials.smooth(trials.at(self, budget));
        let Some(base) = tried.first() else {
            return self.plan(Policy::Single, budget).map_err(|_| {
                Error::task(format!(
                    "expected a budget that pays for one answer about every item, found {budget} per item"
                ))
            });
        };
        let mut best: (f64, &Trial) = (0.0, base);
        for trial in &tried {
            let (gain, error) = paired(&trial.right, &base.right);
            if gain - BEATS * error > best.0 {
                best = (gain - BEATS * error, trial);
            }
        }
        let mut chosen = best.1;
        for trial in &tried {
            let (gain, error) = paired(&trial.right, &best.1.right);
            if gain >= -SHORT * error && trial.cost < chosen.cost {
                chosen = trial;
            }
        }
        self.plan(chosen.policy, budget)
    }
}
