//! What fewer answers per item would have done, by drawing answers from those that are there.

use rayon::prelude::*;
use serde::Serialize;

use super::distributions::Distributions;
use super::interval::{mean_and_error, within};
use super::metrics::manhattan;
use crate::consensus::{self, Method};
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;
use crate::votes::{Gold, Votes};

/// How budgets are simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// How often answers are drawn for each number of answers per item.
    pub draws: usize,
    /// The number of answers for the comparison of more items with more answers per item; by default as many as items.
    pub total: Option<usize>,
    /// With more answers than this, a random part of the items is used.
    pub most_answers: usize,
    /// Draws answers and items.
    pub seed: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { draws: 20, total: None, most_answers: 100_000, seed: 0 }
    }
}

/// What so many answers per item would have done.
///
/// Intervals hold for one such collection on items like these: they join the variance between draws with that between
/// items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetRow {
    /// Answers per item; items with fewer give all they have.
    pub answers_per_item: usize,
    /// Items labelled.
    pub items: usize,
    /// Answers used, on average over the draws.
    pub answers: f64,
    /// The share of items whose vote is the vote of all answers.
    pub kept_by_majority: Measured,
    /// The share of items whose label by Dawid and Skene is theirs of all answers.
    pub kept_by_dawid_skene: Measured,
    /// The share of items with known truth that the vote has right.
    pub right_by_majority: Measured,
    /// The share of items with known truth that Dawid and Skene have right.
    pub right_by_dawid_skene: Measured,
    /// The Manhattan distance of the label shares to those of all answers, 0 to 2.
    pub distance: Measured,
    /// So many items with clean labels teach as much as these by the better of both methods, if wrong labels fall at
    /// random: `items (1 - e K / (K - 1))^2` with the share of wrong labels e, among K classes (after Natarajan et al.
    /// 2013). Against the truth where it is known, else against the label of all answers.
    pub worth: Measured,
}

/// Budgets, and what they would have done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Simulation {
    /// Items that were used.
    pub items: usize,
    /// Items with an answer that there are.
    pub all_items: usize,
    /// How often answers were drawn.
    pub draws: usize,
    /// Items of known truth among those used.
    pub truths: usize,
    /// One to all answers for each item.
    pub rows: Vec<BudgetRow>,
    /// A fixed number of answers, spent on more items or on more answers for each.
    pub total: usize,
    /// The same number of answers, spent differently. Items are drawn from those with enough answers.
    pub fixed: Vec<BudgetRow>,
    /// The answers per item of the fixed budget that are worth most, if one is surely better than the next best.
    pub best_fixed: Option<usize>,
}

/// Simulates budgets. `truth` holds the class of items where it is known, and may be empty.
///
/// Same votes and settings give the same result on any number of threads. Time is draws x steps Dawid-Skene fits.
///
/// # Errors
/// No item has two answers: there is nothing to leave out.
pub fn simulate(votes: &Votes, truth: &Gold, budget: &Budget) -> Result<Simulation> {
    let answered: Vec<u32> = (0..votes.decisions() as u32).filter(|&item| votes.support(item as usize) > 0).collect();
    let most = answered.iter().map(|&item| votes.support(item as usize)).max().unwrap_or(0);
    if most < 2 {
        return Err(Error::input("expected an item with two answers or more, found none: nothing can be left out"));
    }
    if budget.draws < 2 {
        return Err(Error::task(format!("expected two draws or more, found {}", budget.draws)));
    }
    let each = votes.len() as f64 / answered.len() as f64;
    let wanted = ((budget.most_answers as f64 / each) as usize).max(20);
    let mut random = Random::for_purpose(budget.seed, "items of a simulated budget");
    let chosen: Vec<u32> = random.sample(answered.len(), wanted).into_iter().map(|place| answered[place]).collect();
    let used = votes.select(&chosen);
    let known: Vec<Option<Class>> = chosen.iter().map(|&item| truth.class(item)).collect();
    let world = World::new(&used, known, budget)?;
    let steps = steps(most);
    let rows: Vec<BudgetRow> = steps.iter().map(|&step| world.row(step, None)).collect::<Result<_>>()?;
    let total = budget.total.unwrap_or(chosen.len());
    let mut fixed = Vec::new();
    for &step in &steps {
        let able = (0..used.decisions()).filter(|&item| used.support(item) >= step).count();
        // The same number of answers each time, or the comparison would be one of budgets.
        if total / step >= 20 && total / step <= able {
            fixed.push(world.row(step, Some(total / step))?);
        }
    }
    Ok(Simulation {
        items: chosen.len(),
        all_items: answered.len(),
        draws: budget.draws,
        truths: world.known.iter().flatten().count(),
        rows,
        total,
        best_fixed: surely_best(&fixed),
        fixed,
    })
}

/// The numbers of answers per item that are tried: all up to seven, then about half as many again each time.
fn steps(most: usize) -> Vec<usize> {
    let mut steps: Vec<usize> = (1..=most.min(7)).collect();
    let mut next = 10;
    while next < most {
        steps.push(next);
        next = next * 3 / 2;
    }
    if steps.last() != Some(&most) {
        steps.push(most);
    }
    steps
}

fn surely_best(rows: &[BudgetRow]) -> Option<usize> {
    let bounds = |row: &BudgetRow| match &row.worth {
        Measured::Known { value, low, high, .. } => Some((*value, *low, *high)),
        Measured::Unknown { .. } => None,
    };
    let mut found: Vec<(f64, f64, f64, usize)> = rows
        .iter()
        .filter_map(|row| bounds(row).map(|(value, low, high)| (value, low, high, row.answers_per_item)))
        .collect();
    found.sort_by(|left, right| right.0.total_cmp(&left.0));
    match found.as_slice() {
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|one| one.2 < first.1) => Some(first.3),
        _ => None,
    }
}

const METHODS: [Method; 2] = [Method::Majority, Method::DawidSkene];

/// What stays the same over all draws.
struct World<'a> {
    votes: &'a Votes,
    known: Vec<Option<Class>>,
    full: Distributions,
    labels: [Vec<Class>; 2],
    budget: &'a Budget,
}

/// What one draw gave, by item that was labelled: kept and right by each method, and the distance.
struct Drawn {
    items: Vec<usize>,
    answers: usize,
    kept: [Vec<bool>; 2],
    right: [Vec<Option<bool>>; 2],
    distance: Vec<f64>,
}

impl<'a> World<'a> {
    fn new(votes: &'a Votes, known: Vec<Option<Class>>, budget: &'a Budget) -> Result<Self> {
        let labels = [labels(votes, METHODS[0], budget.seed)?, labels(votes, METHODS[1], budget.seed)?];
        Ok(Self { votes, known, full: Distributions::of_votes(votes, 0.0), labels, budget })
    }

    /// Draws answers, for all items or for so many of those with enough of them.
    fn draw(&self, draw: usize, step: usize, number: Option<usize>) -> Result<Drawn> {
        // One order of answers per draw, whatever the step, so that more answers always include the fewer.
        let mut random = Random::for_purpose(self.budget.seed, &format!("answers of draw {draw}"));
        let mut rank = vec![0u32; self.votes.len()];
        let mut order: Vec<usize> = Vec::new();
        let mut place = 0;
        for item in 0..self.votes.decisions() {
            order.clear();
            order.extend(place..place + self.votes.support(item));
            random.shuffle(&mut order);
            for (position, &place) in order.iter().enumerate() {
                rank[place] = position as u32;
            }
            place += order.len();
        }
        let mut wanted = vec![true; self.votes.decisions()];
        if let Some(number) = number {
            let able: Vec<usize> =
                (0..self.votes.decisions()).filter(|&item| self.votes.support(item) >= step).collect();
            let chosen = random.sample(able.len(), number);
            wanted.fill(false);
            for place in chosen {
                wanted[able[place]] = true;
            }
        }
        let mut places = 0..;
        let kept = self
            .votes
            .retain(|item, _| places.next().is_some_and(|place: usize| (rank[place] as usize) < step && wanted[item]));
        let found = [labels(&kept, METHODS[0], self.budget.seed)?, labels(&kept, METHODS[1], self.budget.seed)?];
        let shares = Distributions::of_votes(&kept, 0.0);
        let items: Vec<usize> = (0..wanted.len()).filter(|&item| wanted[item]).collect();
        let per = |which: usize| items.iter().map(|&item| found[which][item] == self.labels[which][item]).collect();
        let right = |which: usize| {
            items.iter().map(|&item| self.known[item].map(|truth| truth == found[which][item])).collect()
        };
        Ok(Drawn {
            answers: kept.len(),
            kept: [per(0), per(1)],
            right: [right(0), right(1)],
            distance: items
                .iter()
                .filter_map(|&item| shares.of(item).zip(self.full.of(item)))
                .map(|(drawn, full)| manhattan(drawn, full))
                .collect(),
            items,
        })
    }

    fn row(&self, step: usize, number: Option<usize>) -> Result<BudgetRow> {
        let drawn: Vec<Drawn> =
            (0..self.budget.draws).into_par_iter().map(|draw| self.draw(draw, step, number)).collect::<Result<_>>()?;
        let share = |values: &dyn Fn(&Drawn) -> Vec<Option<f64>>, high: f64| self.figure(&drawn, values, high);
        let bools = |all: &[bool]| all.iter().map(|&one| Some(f64::from(one))).collect();
        let maybe = |all: &[Option<bool>]| all.iter().map(|one| one.map(f64::from)).collect();
        let kept = [0, 1].map(|which| share(&|one: &Drawn| bools(&one.kept[which]), 1.0));
        let right = [0, 1].map(|which| share(&|one: &Drawn| maybe(&one.right[which]), 1.0));
        let distance = share(&|one: &Drawn| one.distance.iter().map(|&one| Some(one)).collect(), 2.0);
        let better = |of: &[Measured; 2]| if of[1].value() > of[0].value() { of[1].clone() } else { of[0].clone() };
        let items = number.unwrap_or(self.votes.decisions());
        let judged = if right[0].value().is_some() { better(&right) } else { better(&kept) };
        let [kept_by_majority, kept_by_dawid_skene] = kept;
        let [right_by_majority, right_by_dawid_skene] = right;
        Ok(BudgetRow {
            answers_per_item: step,
            items,
            answers: drawn.iter().map(|one| one.answers as f64).sum::<f64>() / drawn.len() as f64,
            kept_by_majority,
            kept_by_dawid_skene,
            right_by_majority,
            right_by_dawid_skene,
            distance,
            worth: worth(&judged, items, self.votes.classes()),
        })
    }

    /// The mean over draws and items. The values of a draw stand in the order of its items.
    fn figure(&self, drawn: &[Drawn], values: &dyn Fn(&Drawn) -> Vec<Option<f64>>, high: f64) -> Measured {
        let mut items = vec![(0.0, 0.0); self.votes.decisions()];
        let mut means = Vec::with_capacity(drawn.len());
        let mut size = 0.0f64;
        for one in drawn {
            let (mut sum, mut count) = (0.0, 0.0);
            for (&item, value) in one.items.iter().zip(values(one)) {
                if let Some(value) = value {
                    items[item] = (items[item].0 + value, items[item].1 + 1.0);
                    (sum, count) = (sum + value, count + 1.0);
                }
            }
            if count > 0.0 {
                means.push(sum / count);
                size = size.max(count);
            }
        }
        let each: Vec<f64> = items.iter().filter(|one| one.1 > 0.0).map(|one| one.0 / one.1).collect();
        let (Some((mean, error)), Some((_, between))) = (mean_and_error(&means), mean_and_error(&each)) else {
            return Measured::unknown("no truth is known");
        };
        // The error of the mean over draws is that of their average; one collection varies as the draws themselves do.
        let one_draw = error * (means.len() as f64).sqrt();
        let between = between * (each.len() as f64 / size).sqrt();
        let error = (one_draw * one_draw + between * between).sqrt();
        within(mean, error, size, (0.0, high), format!("{} draws on {size:.0} items", drawn.len()))
    }
}

fn labels(votes: &Votes, method: Method, seed: u64) -> Result<Vec<Class>> {
    let settings = consensus::Settings { seed, calibrate: false, ..consensus::Settings::default() };
    Ok(consensus::fit(votes, &Gold::none(), method, &settings)?.labels)
}

fn worth(right: &Measured, items: usize, classes: usize) -> Measured {
    let Measured::Known { value, low, high, basis, .. } = right else { return right.clone() };
    let number = classes as f64;
    if classes < 2 {
        return Measured::unknown("there is one label");
    }
    let worth = |right: f64| items as f64 * (1.0 - (1.0 - right) * number / (number - 1.0)).max(0.0).powi(2);
    Measured::known(worth(*value), (worth(*low), worth(*high)), basis.as_str())
}
