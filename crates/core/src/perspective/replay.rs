//! Whether picking annotators beats drawing them, replayed on answers that are there.

use rayon::prelude::*;
use serde::Serialize;

use super::choice::{Candidates, History, Strategy, choose_annotator};
use super::distributions::Distributions;
use super::interval::{mean_and_error, within};
use super::metrics::jensen_shannon;
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;
use crate::votes::Votes;

/// One strategy after so many answers per item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayRow {
    /// The strategy.
    pub strategy: Strategy,
    /// Answers per item.
    pub answers_per_item: usize,
    /// The Jensen-Shannon divergence, in bits, of the label shares to those of all answers, averaged over items.
    pub divergence: Measured,
    /// The same divergence between label shares and an annotator's own answers, for the tenth of the annotators for whom
    /// it is worst.
    pub worst_people: Measured,
    /// By how much the divergence is lower than with annotators drawn at random.
    pub gain: Measured,
    /// By how much it is lower for the people for whom it is worst.
    pub gain_for_worst: Measured,
}

/// All strategies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    /// Items with two answers or more.
    pub items: usize,
    /// Annotators of whom each item has this many to choose from, on average.
    pub pool: f64,
    /// How often it was replayed.
    pub draws: usize,
    /// By strategy, then by answers per item.
    pub rows: Vec<ReplayRow>,
    /// The strategy to use: the one with the largest mean gain, where that gain is sure and after no number of answers the
    /// shares, or those for whom they are worst, are surely worse off; else random.
    pub recommended: Strategy,
}

/// Answers from which an annotator may be among the worst.
const ENOUGH: usize = 5;
/// At most so many rounds.
const MOST_ROUNDS: usize = 10;

/// Replays every strategy: in each round, each item in a random order gets one more of its answers, by the annotator the
/// strategy picks from those who did answer it. Same votes and seed give the same result on any number of threads.
///
/// # Errors
/// No item has two answers, or fewer than two draws.
pub fn replay(votes: &Votes, draws: usize, seed: u64) -> Result<Replay> {
    let items: Vec<usize> = (0..votes.decisions()).filter(|&item| votes.support(item) > 1).collect();
    let most = items.iter().map(|&item| votes.support(item)).max().unwrap_or(0);
    if most < 2 || draws < 2 {
        return Err(Error::input("expected an item with two answers or more, and two draws or more"));
    }
    let rounds = (most - 1).min(MOST_ROUNDS);
    let full = Distributions::of_votes(votes, 0.0);
    // By strategy and draw, each round's divergences.
    let runs: Vec<Vec<[f64; 2]>> = (0..Strategy::ALL.len() * draws)
        .into_par_iter()
        .map(|run| one_run(votes, &items, &full, Strategy::ALL[run / draws], rounds, (seed, run % draws)))
        .collect();
    let mut rows = Vec::new();
    let (mut recommended, mut best) = (Strategy::Random, 0.0);
    for (place, strategy) in Strategy::ALL.into_iter().enumerate() {
        let own = &runs[place * draws..][..draws];
        for round in 0..rounds {
            let basis = || format!("{draws} replays of {} items", items.len());
            let figure = |which: usize| {
                let values: Vec<f64> = own.iter().map(|run| run[round][which]).collect();
                // One replay varies as the replays do.
                let (mean, error) = mean_and_error(&values)?;
                Some(within(mean, error * (draws as f64).sqrt(), draws as f64, (0.0, 1.0), basis()))
            };
            let gain = |which: usize| gain(own, &runs[..draws], |run| run[round][which], basis());
            let unknown = || Measured::unknown(format!("no annotator has {ENOUGH} answers"));
            let known = |which: usize| own[0][round][which].is_finite();
            rows.push(ReplayRow {
                strategy,
                answers_per_item: round + 1,
                divergence: figure(0).unwrap_or_else(unknown),
                worst_people: figure(1).filter(|_| known(1)).unwrap_or_else(unknown),
                gain: gain(0),
                gain_for_worst: if known(1) { gain(1) } else { unknown() },
            });
        }
        let over_rounds =
            gain(own, &runs[..draws], |run| run.iter().map(|one| one[0]).sum::<f64>() / rounds as f64, String::new());
        let worse = |gain: &Measured| matches!(gain, Measured::Known { high, .. } if *high < 0.0);
        let hurts = rows[place * rounds..].iter().any(|row| worse(&row.gain) || worse(&row.gain_for_worst));
        if let Measured::Known { value, low, .. } = over_rounds
            && low > 0.0
            && value > best
            && !hurts
        {
            (recommended, best) = (strategy, value);
        }
    }
    let answers: usize = items.iter().map(|&item| votes.support(item)).sum();
    Ok(Replay { items: items.len(), pool: answers as f64 / items.len() as f64, draws, rows, recommended })
}

/// How much lower a figure is than with random annotators, paired by draw.
fn gain(
    own: &[Vec<[f64; 2]>],
    random: &[Vec<[f64; 2]>],
    figure: impl Fn(&[[f64; 2]]) -> f64,
    basis: String,
) -> Measured {
    let differences: Vec<f64> = own.iter().zip(random).map(|(own, random)| figure(random) - figure(own)).collect();
    match mean_and_error(&differences) {
        Some((mean, error)) if mean.is_finite() && error > 1e-15 => within(mean, error, 1.0, (-1.0, 1.0), basis),
        Some((0.0, _)) => Measured::known(0.0, (0.0, 0.0), "the same choices"),
        _ => Measured::unknown("it cannot be compared with random"),
    }
}

/// The divergences after each round, over items and for the people for whom they are worst.
fn one_run(
    votes: &Votes,
    items: &[usize],
    full: &Distributions,
    strategy: Strategy,
    rounds: usize,
    (seed, draw): (u64, usize),
) -> Vec<[f64; 2]> {
    let classes = votes.classes();
    let mut random = Random::for_purpose(seed, &format!("replay of annotators {draw}"));
    let mut history = History::new(votes.annotators(), classes);
    let mut left: Vec<Vec<(u32, Class)>> =
        items.iter().map(|&item| votes.of(item).map(|vote| (vote.annotator, vote.class)).collect()).collect();
    let mut answered: Vec<Vec<(u32, Class)>> = vec![Vec::new(); items.len()];
    let mut order: Vec<usize> = (0..items.len()).collect();
    let mut candidates = Vec::new();
    let mut found = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &place in &order {
            candidates.clear();
            candidates.extend(left[place].iter().map(|one| one.0));
            let item = Candidates { annotators: &candidates, answered: &answered[place] };
            if let Some(chosen) = choose_annotator(strategy, &history, &item, &mut random) {
                let (annotator, class) = left[place].swap_remove(chosen);
                history.add(annotator, class, &answered[place]);
                answered[place].push((annotator, class));
            }
        }
        found.push(divergences(votes, items, full, &answered));
    }
    found
}

fn divergences(votes: &Votes, items: &[usize], full: &Distributions, answered: &[Vec<(u32, Class)>]) -> [f64; 2] {
    let classes = votes.classes();
    let mut people = vec![(0.0, 0usize); votes.annotators()];
    let mut shares = vec![0.0; classes];
    let mut alone = vec![0.0; classes];
    let mut sum = 0.0;
    for (&item, answered) in items.iter().zip(answered) {
        shares.fill(0.0);
        for &(_, class) in answered {
            shares[usize::from(class)] += 1.0 / answered.len() as f64;
        }
        sum += full.of(item).map_or(0.0, |full| jensen_shannon(&shares, full));
        for vote in votes.of(item) {
            alone[usize::from(vote.class)] = 1.0;
            let person = &mut people[vote.annotator as usize];
            *person = (person.0 + jensen_shannon(&shares, &alone), person.1 + 1);
            alone[usize::from(vote.class)] = 0.0;
        }
    }
    let mut each: Vec<f64> = people.iter().filter(|one| one.1 >= ENOUGH).map(|one| one.0 / one.1 as f64).collect();
    each.sort_unstable_by(|left, right| right.total_cmp(left));
    let worst = each.len().div_ceil(10);
    let mean = if worst == 0 { f64::NAN } else { each[..worst].iter().sum::<f64>() / worst as f64 };
    [sum / items.len() as f64, mean]
}
