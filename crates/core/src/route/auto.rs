//! The automatic choice among the policies.

use super::fit::{Fit, Settings, folds};
use super::plan::{Plan, replay};
use super::policy::Policy;
use crate::error::{Error, Result};
use crate::votes::GoldEntry;

/// Budgets that are tried, between the cheapest and the dearest thing one can do.
const LEVELS: usize = 10;
/// How often gold is divided anew.
const ROUNDS: u64 = 2;
/// Candidates, the simplest first: the first of equals is taken.
const CANDIDATES: [Policy; 8] = [
    Policy::Single,
    Policy::Majority,
    Policy::Committee,
    Policy::Confidence,
    Policy::Entropy,
    Policy::Chain,
    Policy::Cascade,
    Policy::Value,
];
/// Standard errors by which a policy must beat the simplest, and by which a cheaper one may fall short of the best.
const BEATS: f64 = 0.5;
const SHORT: f64 = 0.25;

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

/// All trials.
#[derive(Clone, Debug)]
pub(super) struct Trials(Vec<Trial>);

impl Trials {
    /// Tries every candidate with every budget, cross-fitted: what is chosen and counted on some folds of the gold is
    /// carried out on all of it and judged on the fold left out.
    fn run(fit: &Fit<'_>) -> Self {
        let budgets = levels(fit);
        let all: Vec<u32> = fit.gold.iter().map(|entry| entry.decision).collect();
        let count = all.len();
        let mut trials: Vec<Trial> = CANDIDATES
            .iter()
            .flat_map(|&policy| {
                budgets.iter().map(move |&budget| Trial { policy, budget, cost: 0.0, right: vec![0.0; count] })
            })
            .collect();
        let mut failed = vec![false; trials.len()];
        for round in 0..ROUNDS {
            let settings = Settings { seed: fit.settings.seed.wrapping_add(1 + round), ..fit.settings };
            let fold = folds(fit.stored, &fit.gold, settings.folds, settings.seed);
            for part in 0..settings.folds {
                let rest: Vec<GoldEntry> =
                    fit.gold.iter().zip(&fold).filter(|(_, of)| **of != part).map(|(entry, _)| *entry).collect();
                let inner = folds(fit.stored, &rest, settings.folds, settings.seed);
                let learnt = Fit::of(fit.stored, rest, inner, settings);
                for (trial, failed) in trials.iter_mut().zip(&mut failed) {
                    let Ok(plan) = learnt.plan(trial.policy, trial.budget) else {
                        *failed = true;
                        continue;
                    };
                    let outcome = replay(&plan, fit.stored, &all, trial.budget * count as f64);
                    for (place, entry) in fit.gold.iter().enumerate().filter(|(place, _)| fold[*place] == part) {
                        trial.cost += outcome.spent[place] / (ROUNDS as usize * count) as f64;
                        if outcome.verdicts.labels[place] == entry.class {
                            trial.right[place] += 1.0 / ROUNDS as f64;
                        }
                    }
                }
            }
        }
        let mut failed = failed.into_iter();
        trials.retain(|_| !failed.next().unwrap_or(false));
        Self(trials)
    }
}

/// Budgets per item, in even steps of their logarithm.
fn levels(fit: &Fit<'_>) -> Vec<f64> {
    let prices: Vec<f64> = fit.stored.pool().sources().iter().map(|source| source.price).collect();
    let cheapest = prices.iter().copied().filter(|&price| price > 0.0).fold(f64::INFINITY, f64::min);
    if !cheapest.is_finite() {
        return vec![0.0];
    }
    let all: f64 = prices.iter().sum();
    (0..LEVELS).map(|level| cheapest * (all / cheapest).powf(level as f64 / (LEVELS - 1) as f64)).collect()
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
    /// The policy that does best on gold it has not seen, within the budget: the one whose gain over the best single
    /// source, less half its standard error, is largest; that source itself if there is none; and of all that come within
    /// a quarter of a standard error of the winner the cheapest.
    pub(super) fn choose(&self, budget: f64) -> Result<Plan> {
        let trials = &self.trials.get_or_init(|| Trials::run(self)).0;
        let affordable: Vec<&Trial> =
            trials.iter().filter(|trial| trial.budget <= budget * (1.0 + 1e-9)).collect();
        let single = affordable.iter().filter(|trial| trial.policy == Policy::Single).max_by(|a, b| {
            let mean = |trial: &Trial| trial.right.iter().sum::<f64>();
            mean(a).total_cmp(&mean(b)).then(b.cost.total_cmp(&a.cost))
        });
        let Some(base) = single else {
            return self.plan(Policy::Single, budget).map_err(|_| {
                Error::task(format!("expected a budget that pays for one answer about every item, found {budget} per item"))
            });
        };
        let mut best: (f64, &Trial) = (0.0, base);
        for trial in &affordable {
            let (gain, error) = paired(&trial.right, &base.right);
            if gain - BEATS * error > best.0 {
                best = (gain - BEATS * error, trial);
            }
        }
        let mut chosen = best.1;
        for trial in &affordable {
            let (gain, error) = paired(&trial.right, &best.1.right);
            if gain >= -SHORT * error && trial.cost < chosen.cost {
                chosen = trial;
            }
        }
        // With more money than the last level tried the same policy may use it.
        let next = trials.iter().map(|trial| trial.budget).filter(|&other| other > chosen.budget).fold(f64::INFINITY, f64::min);
        let budget = if budget < next { budget } else { chosen.budget };
        self.plan(chosen.policy, budget)
    }
}
