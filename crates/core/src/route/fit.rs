//! What gold says about a pool: how good everybody is, and how far errors go together.

use std::borrow::Borrow;
use std::sync::{Arc, OnceLock};

use super::auto::Trials;
use super::belief::{Belief, ROWS, normalise};
use super::courses::Rates;
use super::pool::{NOTHING, Stored};
use super::state::Asked;
use crate::error::{Error, Result};
use crate::guarantee::PromiseSettings;
use crate::random::Random;
use crate::votes::{Gold, GoldEntry};

/// How plans are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Draws folds, ties and random splits.
    pub seed: u64,
    /// Parts that gold is divided into where something is chosen by what it does to gold it has not seen.
    pub folds: usize,
    /// What [`Policy::Cascade`] promises at each of its links.
    pub promise: PromiseSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, folds: 5, promise: PromiseSettings { risk: 0.1, confidence: 0.9 } }
    }
}

/// Fewer gold labels than this choose nothing.
const LEAST_GOLD: usize = 20;
/// Factors that overlaps are tried with.
const FACTORS: [f32; 4] = [0.5, 1.0, 2.0, 4.0];
/// Sources that take part in choices, of each quarter by price.
const PER_QUARTER: usize = 5;
/// What gold says about a pool. Gold is taken as drawn at random (or with the inclusion probabilities it carries) from the
/// decisions that plans are for, and everybody is taken to have been asked about it: that is the pilot.
#[derive(Debug)]
pub struct Fit<'a> {
    pub(super) stored: &'a Stored,
    pub(super) gold: Vec<GoldEntry>,
    pub(super) settings: Settings,
    pub(super) belief: Arc<Belief>,
    /// The fold of each gold entry, and what the others say.
    pub(super) fold: Vec<usize>,
    pub(super) folds: Vec<Arc<Belief>>,
    /// Sources by price, then name.
    pub(super) by_price: Vec<u32>,
    pub(super) shortlist: Vec<u32>,
    pub(super) rates: OnceLock<Rates>,
    pub(super) trials: OnceLock<Box<Trials<'a>>>,
}

impl<'a> Fit<'a> {
    /// Learns from gold. Time is gold x sources x sources x folds.
    ///
    /// # Errors
    /// Fewer than 20 gold labels, gold about decisions or classes that do not exist, fewer than two folds.
    pub fn new(stored: &'a Stored, gold: &Gold, settings: &Settings) -> Result<Self> {
        gold.check(stored.decisions(), stored.classes())?;
        if gold.len() < LEAST_GOLD {
            return Err(Error::input(format!(
                "expected at least {LEAST_GOLD} gold labels to fit, found {}",
                gold.len()
            ))
            .hint("label more items, drawn at random, by hand"));
        }
        if settings.folds < 2 {
            return Err(Error::task(format!("expected at least 2 folds, found {}", settings.folds)));
        }
        let fold = folds(stored, gold.entries(), settings.folds, settings.seed);
        Ok(Self::of(stored, gold.entries().to_vec(), fold, *settings))
    }

    pub(super) fn of(stored: &'a Stored, gold: Vec<GoldEntry>, fold: Vec<usize>, settings: Settings) -> Self {
        let parts = fold.iter().copied().max().unwrap_or(0) + 1;
        let rests: Vec<Vec<GoldEntry>> = (0..parts)
            .map(|part| gold.iter().zip(&fold).filter(|(_, of)| **of != part).map(|(entry, _)| *entry).collect())
            .collect();
        let mut folds: Vec<Belief> = rests.iter().map(|rest| Belief::fit(stored, rest)).collect();
        let mut belief = Belief::fit(stored, &gold);
        let pool = stored.pool();
        let mut by_price: Vec<u32> = (0..pool.len() as u32).collect();
        by_price.sort_by(|&a, &b| pool.price(a).total_cmp(&pool.price(b)).then(a.cmp(&b)));
        let shortlist = shortlist(&belief, &by_price);
        let sets = sets(&shortlist);
        let loss = |folds: &[Belief]| sets.iter().map(|set| log_loss(stored, &gold, &fold, folds, set)).sum::<f64>();
        let mut best = (loss(&folds), ROWS[0], folds.clone());
        for rows in ROWS.into_iter().skip(1) {
            folds.iter_mut().zip(&rests).for_each(|(belief, rest)| belief.count(stored, rest, rows));
            let found = loss(&folds);
            if found < best.0 {
                best = (found, rows, folds.clone());
            }
        }
        let (_, rows, mut folds) = best;
        belief.count(stored, &gold, rows);
        let factor = best_factor(&folds, loss);
        belief.scale_overlaps(factor);
        folds.iter_mut().for_each(|belief| belief.scale_overlaps(factor));
        Self {
            stored,
            gold,
            settings,
            belief: Arc::new(belief),
            fold,
            folds: folds.into_iter().map(Arc::new).collect(),
            by_price,
            shortlist,
            rates: OnceLock::new(),
            trials: OnceLock::new(),
        }
    }

    /// What is known about the sources.
    pub fn belief(&self) -> &Belief {
        &self.belief
    }
}

/// The fold of each gold entry, by a random number made from its item.
pub(super) fn folds(stored: &Stored, gold: &[GoldEntry], parts: usize, seed: u64) -> Vec<usize> {
    let start = Random::for_purpose(seed, "route: folds").next();
    let number = |entry: &GoldEntry| Random::new(stored.keys()[entry.decision as usize] ^ start).next();
    let mut order: Vec<usize> = (0..gold.len()).collect();
    order.sort_by_key(|&place| (number(&gold[place]), gold[place].decision));
    let mut fold = vec![0; gold.len()];
    order.into_iter().enumerate().for_each(|(rank, place)| fold[place] = rank % parts);
    fold
}

pub(super) fn hit(belief: &Belief, source: u32) -> f64 {
    let classes = belief.prior().len();
    let chance = &belief.records[source as usize].chance;
    let prior = belief.prior();
    let right: f64 = (0..classes).map(|truth| prior[truth] * chance[truth * (classes + 1) + truth]).sum();
    let silent: f64 = (0..classes).map(|truth| prior[truth] * chance[truth * (classes + 1) + classes]).sum();
    right + silent * prior.iter().copied().fold(0.0, f64::max)
}

/// The most telling sources of each quarter by price, and the frontier of what they tell.
fn shortlist(belief: &Belief, by_price: &[u32]) -> Vec<u32> {
    let telling = |source: u32| belief.records[source as usize].information;
    let mut kept = Vec::new();
    for quarter in by_price.chunks(by_price.len().div_ceil(4).max(PER_QUARTER)) {
        let mut best = quarter.to_vec();
        best.sort_by(|&a, &b| telling(b).total_cmp(&telling(a)).then(a.cmp(&b)));
        kept.extend(best.into_iter().take(PER_QUARTER));
    }
    let mut top = 0.0;
    for &source in by_price {
        if telling(source) > top {
            top = telling(source);
            kept.push(source);
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

pub(super) fn log_loss(
    stored: &Stored,
    gold: &[GoldEntry],
    fold: &[usize],
    folds: &[impl Borrow<Belief>],
    members: &[u32],
) -> f64 {
    let mut loss = 0.0;
    for (entry, &part) in gold.iter().zip(fold) {
        let belief: &Belief = folds[part].borrow();
        let mut answers: Vec<Asked> = Vec::with_capacity(members.len());
        for &source in members {
            let code = stored.code(entry.decision, source);
            if code < NOTHING {
                answers.push(Asked { source, code, confidence: stored.confidence_at(entry.decision, source) });
            }
        }
        let mut score: Vec<f64> = belief.prior().iter().map(|share| share.ln()).collect();
        for one in &answers {
            let common: f64 = answers
                .iter()
                .filter(|other| other.source != one.source)
                .map(|other| belief.overlap(one.source, other.source))
                .sum();
            belief.add(&mut score, one, 1.0 / (1.0 + common));
        }
        normalise(&mut score);
        loss -= score[usize::from(entry.class)].max(1e-9).ln();
    }
    loss / gold.len().max(1) as f64
}

/// Sets of sources by which records and overlaps are judged: the whole shortlist, parts of it, and each by itself.
fn sets(shortlist: &[u32]) -> Vec<Vec<u32>> {
    let thirds = (0..3).map(|start| shortlist.iter().copied().skip(start).step_by(3).collect::<Vec<u32>>());
    let alone = shortlist.iter().map(|&source| vec![source]);
    std::iter::once(shortlist.to_vec()).chain(thirds).chain(alone).collect()
}

/// The factor by which overlaps predict gold best.
fn best_factor(folds: &[Belief], loss: impl Fn(&[Belief]) -> f64) -> f32 {
    let mut best = (f64::INFINITY, 1.0);
    for factor in FACTORS {
        let mut scaled = folds.to_vec();
        scaled.iter_mut().for_each(|belief| belief.scale_overlaps(factor));
        let found = loss(&scaled);
        if found < best.0 {
            best = (found, factor);
        }
    }
    best.1
}
