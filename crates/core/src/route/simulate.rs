//! Cost against quality of every policy, by replaying stored answers.

use rayon::prelude::*;
use serde::Serialize;

use super::fit::{Fit, Settings};
use super::plan::replay;
use super::policy::Policy;
use super::pool::{Pool, Stored};
use super::savings::{self, Dominated, Saving};
use crate::audit::wilson;
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;
use crate::votes::Gold;

/// What is to be found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// The policies to compare.
    pub policies: Vec<Policy>,
    /// Budgets per decision. Empty for eight from the price of the cheapest source to that of all machines, or of a person
    /// if that is more, in even steps of their logarithm.
    pub budgets: Vec<f64>,
    /// Gold labels that fit; the others measure. At most four tenths of all.
    pub fit: usize,
    /// How often gold is drawn anew.
    pub draws: usize,
    /// How plans are made.
    pub settings: Settings,
}

impl Default for Experiment {
    fn default() -> Self {
        Self { policies: Policy::ALL.to_vec(), budgets: Vec::new(), fit: 100, draws: 10, settings: Settings::default() }
    }
}

/// One policy with one budget.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// The policy.
    pub policy: Policy,
    /// The budget per decision.
    pub budget: f64,
    /// What a decision cost in the mean.
    pub cost: Measured,
    /// The share of labels that are right.
    pub quality: Measured,
    /// The share of decisions that a person answered.
    pub people: f64,
    /// Who was asked, in the first draw; for the automatic policy after the name of the one it chose.
    pub description: String,
    /// How often each policy was chosen, for the automatic one.
    pub chosen: Vec<(Policy, usize)>,
}

/// One source by itself.
#[derive(Clone, Debug, Serialize)]
pub struct Alone {
    /// Its name.
    pub name: String,
    /// Money per answer.
    pub price: f64,
    /// Whether it is a person.
    pub person: bool,
    /// The share of its answers that are right; silence is an error.
    pub quality: Measured,
    /// The share of decisions it was asked about.
    pub coverage: f64,
}

/// Cost against quality.
#[derive(Clone, Debug, Serialize)]
pub struct Simulation {
    /// Decisions replayed.
    pub decisions: usize,
    /// Gold labels.
    pub gold: usize,
    /// Gold labels that fitted, in each draw.
    pub fit: usize,
    /// How often gold was drawn.
    pub draws: usize,
    /// What asking everybody about the gold that fits costs, once. It is in no other figure.
    pub pilot: f64,
    /// Every policy with every budget it can be carried out with; by policy, then budget.
    pub points: Vec<Point>,
    /// Every source by itself.
    pub alone: Vec<Alone>,
    /// What the automatic policy saves at equal quality.
    pub savings: Vec<Saving>,
    /// Points of the automatic policy that another policy beats at no higher cost, beyond the interval.
    pub dominated: Vec<Dominated>,
}

/// Resamples of the bootstrap over gold items and draws.
const RESAMPLES: usize = 200;
const BUDGETS: usize = 8;
const MOST_FIT: f64 = 0.4;

/// One policy with one budget in one draw.
struct Cell {
    /// Per gold entry 1 if right, 0 if wrong, NaN if it fitted.
    right: Vec<f32>,
    cost: Vec<f32>,
    people: f64,
    description: String,
    chosen: Policy,
}

/// Replays every policy with every budget over stored replies.
///
/// Again and again gold is divided at random into a part that fits and a part that measures; the plans made from the first
/// are carried out on all decisions, and judged on the second. Intervals are percentiles of a bootstrap over gold items
/// and over draws. Same input, same bytes, on any number of threads.
///
/// # Errors
/// Fewer than 50 gold labels, no policy, no draw, budgets that are negative, or those of [`Fit::new`].
pub fn simulate(stored: &Stored, gold: &Gold, experiment: &Experiment) -> Result<Simulation> {
    const LEAST: usize = 50;
    gold.check(stored.decisions(), stored.classes())?;
    if gold.len() < LEAST {
        return Err(Error::input(format!(
            "expected at least {LEAST} gold labels, four tenths to fit and the rest to measure, found {}",
            gold.len()
        )));
    }
    if experiment.policies.is_empty() || experiment.draws == 0 {
        return Err(Error::task("expected at least one policy and one draw, found none"));
    }
    if let Some(budget) = experiment.budgets.iter().find(|budget| !(**budget >= 0.0 && budget.is_finite())) {
        return Err(Error::task(format!("expected budgets of at least 0, found {budget}")));
    }
    let mut budgets =
        if experiment.budgets.is_empty() { default_budgets(stored.pool()) } else { experiment.budgets.clone() };
    budgets.sort_unstable_by(f64::total_cmp);
    budgets.dedup();
    let fit = experiment.fit.min((gold.len() as f64 * MOST_FIT) as usize);
    let runs: Vec<(Policy, f64)> =
        experiment.policies.iter().flat_map(|&policy| budgets.iter().map(move |&budget| (policy, budget))).collect();
    let draws: Vec<Vec<Option<Cell>>> = (0..experiment.draws)
        .into_par_iter()
        .map(|number| draw(stored, gold, experiment, &runs, fit, number))
        .collect::<Result<_>>()?;
    let mut cells: Vec<Vec<Option<Cell>>> = runs.iter().map(|_| Vec::new()).collect();
    for draw in draws {
        for (all, cell) in cells.iter_mut().zip(draw) {
            all.push(cell);
        }
    }
    // What is possible depends on prices, and where it depends on the draw it is not counted.
    let mut kept: Vec<((Policy, f64), Vec<Cell>)> = runs
        .into_iter()
        .zip(cells)
        .filter_map(|(run, cells)| Some((run, cells.into_iter().collect::<Option<Vec<Cell>>>()?)))
        .collect();
    kept.sort_by(|a, b| (a.0.0).cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)));

    let weights = gold.weights();
    let resamples = resamples(gold.len(), experiment.draws, experiment.settings.seed);
    let cells: Vec<&[Cell]> = kept.iter().map(|one| one.1.as_slice()).collect();
    let estimates: Vec<Estimate> = cells.par_iter().map(|cells| Estimate::of(cells, &weights, &resamples)).collect();
    let basis = format!("{} gold labels, {} draws of {fit} that fit", gold.len(), experiment.draws);
    let points: Vec<Point> = kept
        .iter()
        .zip(&estimates)
        .map(|(((policy, budget), cells), estimate)| Point {
            policy: *policy,
            budget: *budget,
            cost: estimate.measured(|one| one.1, &basis),
            quality: estimate.measured(|one| one.0, &basis),
            people: cells.iter().map(|cell| cell.people).sum::<f64>() / cells.len() as f64,
            description: cells[0].description.clone(),
            chosen: tally(cells.iter().map(|cell| cell.chosen)),
        })
        .collect();
    let alone = alone(stored, gold, &weights);
    let pilot = fit as f64 * mean_cost_of_all(stored, gold);
    let savings = savings::savings(&points, &estimates, &alone, &basis);
    let dominated = savings::dominated(&points, &estimates);
    Ok(Simulation {
        decisions: stored.decisions(),
        gold: gold.len(),
        fit,
        draws: experiment.draws,
        pilot,
        points,
        alone,
        savings,
        dominated,
    })
}

fn tally(policies: impl Iterator<Item = Policy>) -> Vec<(Policy, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    policies.for_each(|policy| *counts.entry(policy).or_insert(0) += 1);
    counts.into_iter().collect()
}

/// Budgets per decision when none are given.
fn default_budgets(pool: &Pool) -> Vec<f64> {
    let prices = || pool.sources().iter();
    let low = prices().map(|one| one.price).filter(|&price| price > 0.0).fold(f64::INFINITY, f64::min);
    if !low.is_finite() {
        return vec![0.0];
    }
    let machines: f64 = prices().filter(|one| !one.person).map(|one| one.price).sum();
    let dearest = prices().map(|one| one.price).fold(0.0, f64::max);
    let high = machines.max(dearest);
    (0..BUDGETS).map(|step| low * (high / low).powf(step as f64 / (BUDGETS - 1) as f64)).collect()
}

fn mean_cost_of_all(stored: &Stored, gold: &Gold) -> f64 {
    let pool = stored.pool();
    let of = |decision: u32| {
        (0..pool.len() as u32)
            .filter(|&source| stored.code(decision, source) != super::pool::MISSING)
            .map(|source| pool.price(source))
            .sum::<f64>()
    };
    gold.entries().iter().map(|entry| of(entry.decision)).sum::<f64>() / gold.len().max(1) as f64
}

fn draw(
    stored: &Stored,
    gold: &Gold,
    experiment: &Experiment,
    runs: &[(Policy, f64)],
    fit: usize,
    number: usize,
) -> Result<Vec<Option<Cell>>> {
    // Drawn by the items themselves: their order in the file must not matter.
    let start = Random::for_purpose(experiment.settings.seed, &format!("route: draw {number}")).next();
    let mut order: Vec<usize> = (0..gold.len()).collect();
    let key = |place: usize| {
        let decision = gold.entries()[place].decision;
        (Random::new(stored.keys()[decision as usize] ^ start).next(), decision)
    };
    order.sort_by_key(|&place| key(place));
    let mut fits = vec![false; gold.len()];
    order[..fit].iter().for_each(|&place| fits[place] = true);
    let mut place = 0;
    let part = gold.filter(|_| {
        place += 1;
        fits[place - 1]
    });
    let settings = Settings { seed: start, ..experiment.settings };
    let fitted = Fit::new(stored, &part, &settings)?;
    let all: Vec<u32> = (0..stored.decisions() as u32).collect();
    Ok(runs
        .iter()
        .map(|&(policy, budget)| {
            let plan = fitted.plan(policy, budget).ok()?;
            let outcome = replay(&plan, stored, &all, budget * all.len() as f64);
            let right = |(entry, fits): (&crate::votes::GoldEntry, &bool)| {
                if *fits {
                    f32::NAN
                } else {
                    f32::from(u8::from(outcome.verdicts.labels[entry.decision as usize] == entry.class))
                }
            };
            let people = outcome.person.iter().filter(|&&one| one).count() as f64 / all.len() as f64;
            let mut description = plan.description().to_owned();
            if policy == Policy::Auto {
                description = format!("{}: {description}", plan.policy().name());
            }
            Some(Cell {
                right: gold.entries().iter().zip(&fits).map(right).collect(),
                cost: gold.entries().iter().map(|entry| outcome.spent[entry.decision as usize] as f32).collect(),
                people,
                description,
                chosen: plan.policy(),
            })
        })
        .collect())
}

/// How often each gold item and each draw counts in each resample; the first counts everything once.
fn resamples(items: usize, draws: usize, seed: u64) -> Vec<(Vec<f32>, Vec<f32>)> {
    let mut all = vec![(vec![1.0; items], vec![1.0; draws])];
    let mut random = Random::for_purpose(seed, "route: resamples");
    for _ in 0..RESAMPLES {
        let mut times = |count: usize| {
            let mut times = vec![0.0f32; count];
            (0..count).for_each(|_| times[random.below(count)] += 1.0);
            times
        };
        let items = times(items);
        all.push((items, times(draws)));
    }
    all
}

/// Quality and cost, as they are and in each resample.
pub(super) struct Estimate {
    pub(super) value: (f64, f64),
    pub(super) resampled: Vec<(f64, f64)>,
}

impl Estimate {
    fn of(cells: &[Cell], weights: &[f64], resamples: &[(Vec<f32>, Vec<f32>)]) -> Self {
        let mut all: Vec<(f64, f64)> = resamples
            .iter()
            .map(|(items, draws)| {
                let (mut right, mut cost, mut total) = (0.0f64, 0.0f64, 0.0f64);
                for (cell, &times) in cells.iter().zip(draws) {
                    if times == 0.0 {
                        continue;
                    }
                    for (place, &value) in cell.right.iter().enumerate() {
                        let weight = f64::from(times * items[place]) * weights[place];
                        if !value.is_nan() {
                            right += weight * f64::from(value);
                            cost += weight * f64::from(cell.cost[place]);
                            total += weight;
                        }
                    }
                }
                if total > 0.0 { (right / total, cost / total) } else { (0.0, 0.0) }
            })
            .collect();
        let value = all.remove(0);
        Self { value, resampled: all }
    }

    fn measured(&self, of: impl Fn(&(f64, f64)) -> f64, basis: &str) -> Measured {
        let (low, high) = percentiles(self.resampled.iter().map(&of).collect());
        let value = of(&self.value);
        Measured::known(value, (low.min(value), high.max(value)), basis)
    }
}

/// The 2.5 % and 97.5 % percentiles.
pub(super) fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at =
        |share: f64| values.get(((values.len().max(1) - 1) as f64 * share).round() as usize).copied().unwrap_or(0.0);
    (at(0.025), at(0.975))
}

fn alone(stored: &Stored, gold: &Gold, weights: &[f64]) -> Vec<Alone> {
    let pool = stored.pool();
    (0..pool.len() as u32)
        .map(|source| {
            let (mut right, mut total, mut square) = (0.0, 0.0, 0.0);
            for (entry, weight) in gold.entries().iter().zip(weights) {
                let code = stored.code(entry.decision, source);
                if code != super::pool::MISSING {
                    total += weight;
                    square += weight * weight;
                    right += if code == entry.class { *weight } else { 0.0 };
                }
            }
            let quality = if total > 0.0 {
                let share = right / total;
                let effective = crate::audit::effective_count(total, square);
                Measured::known(share, wilson(share, effective), format!("{effective:.0} gold labels"))
            } else {
                Measured::unknown("it answered no gold item")
            };
            let asked = (0..stored.decisions() as u32)
                .filter(|&decision| stored.code(decision, source) != super::pool::MISSING)
                .count();
            let about = pool.source(source);
            Alone {
                name: about.name.clone(),
                price: about.price,
                person: about.person,
                quality,
                coverage: asked as f64 / stored.decisions().max(1) as f64,
            }
        })
        .collect()
}
