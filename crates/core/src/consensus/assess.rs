//! How well each method predicts what it was not shown: gold items, or hidden answers.

use rayon::prelude::*;

use super::em::Emission;
use super::emission::{ClassPrior, Confusion, added_by_habit, said};
use super::method::{Method, estimate};
use super::sweep::{Table, counts_given};
use super::{Settings, temperature};
use crate::random::Random;
use crate::votes::{Gold, GoldEntry, Votes};

/// Decisions that are enough to tell methods apart; more only cost time.
const ENOUGH: usize = 20_000;

/// Parts that gold is cut into for cross-validation.
const FOLDS: usize = 5;

/// What one method's predictions are worth.
#[derive(Clone, Debug)]
pub(crate) struct Assessment {
    pub(crate) method: Method,
    /// The factor on the logarithms of its posteriors that suits them best.
    pub(crate) factor: f64,
    /// The loss on each gold item or hidden answer, with the factor fitted to the others.
    pub(crate) losses: Vec<f64>,
    /// The scaled prediction for each gold item, `classes` numbers each; empty if hidden answers were predicted.
    pub(crate) held_out: Vec<f32>,
    /// Whether a class emptied.
    pub(crate) collapsed: bool,
}

impl Assessment {
    /// The weighted mean loss.
    pub(crate) fn loss(&self, weights: &[f64]) -> f64 {
        mean(&self.losses, weights)
    }
}

/// A weighted mean.
pub(crate) fn mean(values: &[f64], weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / total.max(1e-300)
}

/// Predicts each gold item from the votes and the gold of the other folds.
pub(crate) fn on_gold(votes: &Votes, gold: &Gold, methods: &[Method], settings: &Settings) -> Vec<Assessment> {
    let (votes, gold) = &excerpt(votes, gold, settings.seed);
    let weights = gold.weights();
    let mut order: Vec<usize> = (0..gold.len()).collect();
    order.sort_by_key(|&place| {
        let decision = gold.entries()[place].decision as usize;
        Random::new(settings.seed ^ votes.key(decision)).next()
    });
    let mut fold_of = vec![0; gold.len()];
    for (place, &entry) in order.iter().enumerate() {
        fold_of[entry] = place % FOLDS;
    }
    let jobs: Vec<(Method, usize)> =
        methods.iter().flat_map(|&method| (0..FOLDS).map(move |fold| (method, fold))).collect();
    let classes = votes.classes();
    let predicted: Vec<Vec<f32>> = jobs
        .par_iter()
        .map(|&(method, fold)| {
            if method == Method::Majority && fold > 0 {
                return Vec::new();
            }
            let mut place = 0..;
            let shown = gold.filter(|_| place.next().is_some_and(|place| fold_of[place] != fold));
            estimate(votes, &shown, method, settings).posterior
        })
        .collect();
    methods
        .iter()
        .enumerate()
        .map(|(place, &method)| {
            let raw: Vec<&[f32]> = gold
                .entries()
                .iter()
                .zip(&fold_of)
                .map(|(entry, &fold)| {
                    let fold = if method == Method::Majority { 0 } else { fold };
                    &predicted[place * FOLDS + fold][entry.decision as usize * classes..][..classes]
                })
                .collect();
            let known = |skip: usize| {
                let entries = gold.entries();
                (0..gold.len())
                    .filter(|&item| fold_of[item] != skip)
                    .map(|item| temperature::Known {
                        row: raw[item],
                        class: usize::from(entries[item].class),
                        weight: weights[item],
                    })
                    .collect::<Vec<_>>()
                    .into_iter()
            };
            let factors: Vec<f64> = (0..FOLDS).map(|fold| temperature::fit(known(fold), 2.0)).collect();
            let mut losses = Vec::with_capacity(gold.len());
            let mut held_out = Vec::with_capacity(gold.len() * classes);
            let mut row = vec![0.0; classes];
            for (item, entry) in gold.entries().iter().enumerate() {
                temperature::apply(raw[item], factors[fold_of[item]], &mut row);
                losses.push(-row[usize::from(entry.class)].max(1e-12).ln());
                held_out.extend(row.iter().map(|&share| share as f32));
            }
            Assessment { method, factor: temperature::fit(known(FOLDS), 2.0), losses, held_out, collapsed: false }
        })
        .collect()
}

/// Predicts one hidden answer of each decision from the other answers. The hidden annotator's own habits come from its
/// other answers, read against the method's posteriors, in the same way for all methods.
///
/// `None` if fewer than thirty decisions have two annotators.
pub(crate) fn on_answers(
    votes: &Votes,
    gold: &Gold,
    methods: &[Method],
    settings: &Settings,
) -> Option<Vec<Assessment>> {
    let (votes, gold) = &excerpt(votes, gold, settings.seed);
    let classes = votes.classes();
    let mut hidden: Vec<Option<u32>> = vec![None; votes.decisions()];
    let mut who: Vec<u32> = Vec::new();
    for (decision, hidden) in hidden.iter_mut().enumerate() {
        who.clear();
        who.extend(votes.of(decision).map(|vote| vote.annotator));
        who.dedup();
        if who.len() >= 2 {
            let chance = Random::new(settings.seed ^ votes.key(decision).rotate_left(17)).below(who.len());
            *hidden = Some(who[chance]);
        }
    }
    if hidden.iter().flatten().count() < 30 {
        return None;
    }
    let rest = votes.retain(|decision, vote| hidden[decision] != Some(vote.annotator));
    let said = said(&rest);
    let assess = |&method: &Method| {
        let posterior = estimate(&rest, gold, method, settings).posterior;
        let counts = counts_given(&rest, &posterior, false);
        let mut emission = Confusion {
            class_prior: ClassPrior::Uniform,
            added: added_by_habit(&rest, &counts, &said, 2.0),
            least: 1e-10,
            silence: None,
        };
        let mut table = Table::new(&rest);
        emission.maximise(&rest, &counts, &mut table);
        table.rows.iter_mut().for_each(|cell| *cell = cell.exp());
        let losses = |factor: f64| {
            let mut row = vec![0.0; classes];
            let mut losses = Vec::new();
            for (decision, &hidden) in hidden.iter().enumerate() {
                let Some(annotator) = hidden else { continue };
                temperature::apply(&posterior[decision * classes..][..classes], factor, &mut row);
                let (mut loss, mut weight) = (0.0, 0.0);
                for vote in votes.of(decision).filter(|vote| vote.annotator == annotator) {
                    let emitted = table.row(annotator as usize * classes + usize::from(vote.class));
                    let chance: f64 = row.iter().zip(emitted).map(|(share, rate)| share * rate).sum();
                    loss -= f64::from(vote.weight) * chance.max(1e-12).ln();
                    weight += f64::from(vote.weight);
                }
                losses.push(loss / weight);
            }
            losses
        };
        let factor = temperature::search(|factor| losses(factor).iter().sum()).min(1.0);
        let collapsed = collapsed(&rest, &posterior);
        Assessment { method, factor, losses: losses(factor), held_out: Vec::new(), collapsed }
    };
    Some(methods.par_iter().map(assess).collect())
}

/// All gold and at most [`ENOUGH`] decisions, renumbered.
fn excerpt(votes: &Votes, gold: &Gold, seed: u64) -> (Votes, Gold) {
    if votes.decisions() <= ENOUGH {
        return (votes.clone(), gold.clone());
    }
    let mut decisions: Vec<u32> = Random::for_purpose(seed, "consensus excerpt")
        .sample(votes.decisions(), ENOUGH)
        .into_iter()
        .map(|decision| decision as u32)
        .chain(gold.entries().iter().map(|entry| entry.decision))
        .collect();
    decisions.sort_unstable();
    decisions.dedup();
    let entries = gold
        .entries()
        .iter()
        .map(|entry| GoldEntry {
            decision: decisions.partition_point(|&decision| decision < entry.decision) as u32,
            ..*entry
        })
        .collect();
    let gold = Gold::new(entries).expect("renumbering keeps the entries distinct");
    (votes.select(&decisions), gold)
}

/// Whether a class has all but vanished: its share of the posteriors is below a quarter of its share of the votes, or
/// its labels are below a quarter of those that majority gives it, where an even share or more is not asked for.
pub(crate) fn collapsed(votes: &Votes, posterior: &[f32]) -> bool {
    let classes = votes.classes();
    let prior = super::majority::prior(votes);
    let (mut shares, mut labels, mut plain) = (vec![0.0; classes], vec![0.0; classes], vec![0.0; classes]);
    let mut voted = 0.0;
    let mut counted = vec![0.0; classes];
    for (decision, row) in posterior.chunks_exact(classes).enumerate() {
        if votes.support(decision) == 0 {
            continue;
        }
        super::majority::shares(votes, decision, &prior, 1e-3, &mut counted);
        plain[top(&counted)] += 1.0;
        labels[top(row)] += 1.0;
        for (sum, &share) in shares.iter_mut().zip(row) {
            *sum += f64::from(share);
        }
        voted += 1.0;
    }
    let even = voted / classes as f64;
    (0..classes).any(|class| {
        shares[class] < 0.25 * even.min(voted * prior[class]) || labels[class] < 0.25 * even.min(plain[class])
    })
}

/// The first of the greatest.
fn top<F: PartialOrd>(row: &[F]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}
