//! How well each annotator's own answers can be predicted, on answers that were hidden from the fit.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::Serialize;

use super::interval::{ratio, within};
use super::people::{PeopleErrors, people_errors, would_say};
use crate::consensus::{self, Consensus, Method};
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;
use crate::votes::{Gold, Votes};

/// What predicts an annotator's hidden answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Predictor {
    /// The other annotators' answers about the item.
    Others,
    /// The consensus of Dawid and Skene.
    Consensus,
    /// What this annotator would say, from the consensus and its confusion matrix ([`would_say`]).
    Person,
}

impl Predictor {
    /// All of them, the plainest first.
    pub const ALL: [Self; 3] = [Self::Others, Self::Consensus, Self::Person];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Others => "the others' answers",
            Self::Consensus => "the consensus",
            Self::Person => "the annotator's own confusion matrix",
        }
    }
}

/// How well hidden answers were predicted.
#[derive(Clone, Debug, Serialize)]
pub struct HeldOut {
    /// Answers that were hidden in turn.
    pub answers: usize,
    /// By predictor, in the order of [`Predictor::ALL`].
    pub predictors: Vec<HeldOutRow>,
    /// By how much knowing the annotator lowers the share of wrong predictions against the better of the other two.
    pub gain: Measured,
    /// The predictor to use: the annotator's own only where its gain is sure.
    pub best: Predictor,
}

/// One predictor.
#[derive(Clone, Debug, Serialize)]
pub struct HeldOutRow {
    /// Which.
    pub predictor: Predictor,
    /// The share of wrong predictions, and the annotators for whom it is worst.
    pub errors: PeopleErrors,
    /// The mean of `-ln` of the probability of what was said.
    pub log_loss: Measured,
}

/// One hidden answer: who, about what, the predicted classes, and the losses.
struct Hidden {
    item: u32,
    annotator: u32,
    said: Class,
    classes: [Class; 3],
    losses: [f64; 3],
}

/// Hides each answer once, a fifth of them at a time, and predicts it from the rest. Same votes and seed give the same
/// result on any number of threads. Time is that of five Dawid-Skene fits.
///
/// # Errors
/// No answers, or so many classes and annotators that confusion matrices are not kept.
pub fn held_out(votes: &Votes, ordered: bool, seed: u64) -> Result<HeldOut> {
    const FOLDS: usize = 5;
    if votes.is_empty() {
        return Err(Error::input("expected at least one answer, found none"));
    }
    let fold = |item: usize, annotator: u32| {
        let mut random = Random::new(seed ^ votes.key(item) ^ (u64::from(annotator) << 40));
        random.next();
        random.below(FOLDS)
    };
    let parts: Vec<Result<Vec<Hidden>>> = (0..FOLDS)
        .into_par_iter()
        .map(|part| {
            let kept = votes.retain(|item, vote| fold(item, vote.annotator) != part);
            let hidden = votes.retain(|item, vote| fold(item, vote.annotator) == part);
            let settings = consensus::Settings { seed, calibrate: false, ..consensus::Settings::default() };
            let fitted = consensus::fit(&kept, &Gold::none(), Method::DawidSkene, &settings)?;
            predict(&kept, &hidden, &fitted)
        })
        .collect();
    let mut hidden = Vec::with_capacity(votes.len());
    for part in parts {
        hidden.extend(part?);
    }
    let place: HashMap<(u32, u32), usize> =
        hidden.iter().enumerate().map(|(place, one)| ((one.item, one.annotator), place)).collect();
    let over_items = |value: &dyn Fn(&Hidden) -> f64| {
        let mut items = vec![(0.0, 0.0); votes.decisions()];
        for one in &hidden {
            let cluster = &mut items[one.item as usize];
            *cluster = (cluster.0 + value(one), cluster.1 + 1.0);
        }
        ratio(items.iter().copied()).unwrap_or((0.0, f64::INFINITY))
    };
    let basis = format!("{} hidden answers", hidden.len());
    let predictors: Vec<HeldOutRow> = Predictor::ALL
        .into_iter()
        .enumerate()
        .map(|(which, predictor)| {
            let errors = people_errors(votes, ordered, |item, annotator| {
                place.get(&(item as u32, annotator)).map(|&place| hidden[place].classes[which])
            });
            let (loss, error) = over_items(&|one| one.losses[which]);
            let log_loss = within(loss, error, hidden.len() as f64, (0.0, f64::INFINITY), basis.clone());
            HeldOutRow { predictor, errors, log_loss }
        })
        .collect();
    let wrong = |one: &Hidden, which: usize| f64::from(one.classes[which] != one.said);
    let value = |which: usize| predictors[which].errors.overall.value().unwrap_or(f64::INFINITY);
    let rival = usize::from(value(1) < value(0));
    let (gain, error) = over_items(&|one| wrong(one, rival) - wrong(one, 2));
    let gain = within(gain, error, hidden.len() as f64, (-1.0, 1.0), basis);
    let sure = matches!(&gain, Measured::Known { low, .. } if *low > 0.0);
    let best = if sure { Predictor::Person } else { Predictor::ALL[rival] };
    Ok(HeldOut { answers: hidden.len(), predictors, gain, best })
}

fn predict(kept: &Votes, hidden: &Votes, fitted: &Consensus) -> Result<Vec<Hidden>> {
    let classes = kept.classes();
    let others = super::Distributions::of_votes(kept, 1.0);
    let mut found = Vec::with_capacity(hidden.len());
    for item in 0..hidden.decisions() {
        for vote in hidden.of(item) {
            let personal = would_say(fitted, vote.annotator as usize, item).ok_or_else(|| {
                Error::unavailable("so many annotators and labels that no confusion matrix per annotator is kept")
            })?;
            let posterior: Vec<f64> = fitted.of(item).iter().copied().map(f64::from).collect();
            // Smoothed, so that a hidden answer on an item of its own is predicted by how all answer.
            let even = vec![1.0 / classes as f64; classes];
            let shares = others.of(item).map_or(even, <[f64]>::to_vec);
            let rows = [shares, posterior, personal];
            let said = usize::from(vote.class);
            found.push(Hidden {
                item: item as u32,
                annotator: vote.annotator,
                said: vote.class,
                classes: rows.each_ref().map(|row| top(row)),
                losses: rows.each_ref().map(|row| -row[said].max(1e-12).ln()),
            });
        }
    }
    Ok(found)
}

fn top(shares: &[f64]) -> Class {
    (0..shares.len()).fold(0, |best, class| if shares[class] > shares[best] { class } else { best }) as Class
}
