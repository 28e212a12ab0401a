//! Per item the answer with the largest expected gain per cost.

use std::collections::HashMap;

use rayon::prelude::*;

use super::belief::{Belief, normalise};
use super::pool::NOTHING;
use super::state::{Asked, State};

/// Buys answers one by one.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// Who may be asked.
    pub(super) candidates: Vec<u32>,
    /// What a unit of gain must not cost more than: answers are bought while gain exceeds rate times price.
    pub(super) rate: f64,
}

/// The best question about one item.
#[derive(Clone, Copy, Debug)]
struct Best {
    source: u32,
    /// Gain per money.
    worth: f64,
}

/// What is known of an item, for items that share it.
type Signature = Vec<(u32, u16)>;

impl Value {
    /// At most one question per item, those with the largest gain per cost first.
    pub(super) fn wanted(&self, state: &State, belief: &Belief) -> Vec<(u32, u32)> {
        let mut found: Vec<(u32, Best)> = if state.confident() {
            let items: Vec<u32> = state.all().collect();
            let best: Vec<Option<Best>> =
                items.par_iter().map(|&item| self.best(state.pool(), belief, state.asked(item))).collect();
            state.all().zip(best).filter_map(|(item, best)| Some((item, best?))).collect()
        } else {
            // Items about which the same was said have the same best question.
            let mut known: HashMap<Signature, Option<Best>> = HashMap::new();
            state
                .all()
                .filter_map(|item| {
                    let asked = state.asked(item);
                    let signature = asked.iter().map(|one| (one.source, one.code)).collect();
                    let best = *known.entry(signature).or_insert_with(|| self.best(state.pool(), belief, asked));
                    Some((item, best?))
                })
                .collect()
        };
        found.sort_by(|a, b| {
            b.1.worth.total_cmp(&a.1.worth).then(state.key(a.0).cmp(&state.key(b.0))).then(a.0.cmp(&b.0))
        });
        found.into_iter().map(|(item, best)| (item, best.source)).collect()
    }

    /// The question whose gain exceeds its price, at this rate, by most.
    fn best(&self, pool: &super::Pool, belief: &Belief, asked: &[Asked]) -> Option<Best> {
        let now = belief.posterior(asked);
        let mut best: Option<(f64, Best)> = None;
        for &source in &self.candidates {
            if asked.iter().any(|one| one.source == source) {
                continue;
            }
            let price = pool.price(source);
            let gain = gain(belief, asked, &now, source);
            let net = gain - self.rate * price;
            if net > 1e-9 && best.is_none_or(|(top, _)| net > top) {
                best = Some((net, Best { source, worth: gain / price.max(1e-12) }));
            }
        }
        best.map(|(_, best)| best)
    }
}

/// How far the Gini impurity `1 - sum p^2` is expected to fall when a source answers.
///
/// It is the error of a label drawn from the posterior. The error of the best label would be the thing itself, but looks
/// one answer ahead only: it sees no gain in an answer that cannot overturn the label alone and could together with
/// another one.
fn gain(belief: &Belief, asked: &[Asked], now: &[f64], source: u32) -> f64 {
    let classes = now.len();
    let answers: Vec<&Asked> = asked.iter().filter(|one| one.code < NOTHING).collect();
    // Weights with the new answer there, whatever it says.
    let mut with = belief.prior().iter().map(|share| share.ln()).collect::<Vec<_>>();
    let mut own = 1.0;
    for one in &answers {
        let rest: f64 = answers
            .iter()
            .filter(|other| other.source != one.source)
            .map(|other| belief.overlap(one.source, other.source))
            .sum();
        let common = belief.overlap(one.source, source);
        own += common;
        belief.add(&mut with, one, 1.0 / (1.0 + rest + common));
    }
    let record = &belief.records[source as usize];
    let before: f64 = now.iter().map(|p| p * p).sum();
    let mut after = 0.0;
    let mut row = vec![0.0; classes];
    for label in 0..classes {
        let probability: f64 =
            (0..classes).map(|truth| now[truth] * record.chance[truth * (classes + 1) + label]).sum();
        row.copy_from_slice(&with);
        belief.add(&mut row, &Asked { source, code: label as u16, confidence: f32::NAN }, 1.0 / own);
        normalise(&mut row);
        after += probability * row.iter().map(|p| p * p).sum::<f64>();
    }
    let silent: f64 = (0..classes).map(|truth| now[truth] * record.chance[truth * (classes + 1) + classes]).sum();
    after + silent * before - before
}
