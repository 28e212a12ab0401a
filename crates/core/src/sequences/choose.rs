//! Which method serves.

use super::input::Sequences;
use super::{GoldItem, Method, Settings, outcome};
use crate::error::Result;
use crate::random::Random;

/// Gold items from which methods are chosen by gold.
pub const ENOUGH_GOLD: usize = 30;

/// Claimed spans from which a chain can be learnt.
const ENOUGH_CLAIMS: usize = 100;

/// Annotators from which it can be told who is good: with three, whoever agrees with another looks right.
const ENOUGH_PEOPLE: usize = 4;

/// Parts that gold is cut into.
const FOLDS: usize = 4;

/// The method to use, and why.
pub(super) fn choose(sequences: &Sequences, gold: &[GoldItem], settings: &Settings) -> Result<(Method, String)> {
    if gold.len() >= ENOUGH_GOLD {
        return on_gold(sequences, gold, settings);
    }
    let claims = sequences.claims();
    if claims < ENOUGH_CLAIMS {
        return Ok((Method::Majority, format!("{claims} claimed spans are too few to learn what annotators do")));
    }
    let people = sequences.people();
    if !sequences.mostly_programs() && people < ENOUGH_PEOPLE {
        return Ok((Method::Majority, format!("{people} annotators are too few to tell which of them is right")));
    }
    Ok((Method::Hmm, format!("{claims} claimed spans are enough to learn what annotators do")))
}

/// The method with the best F1 on gold items that it was not shown. The hidden chain goes first: where gold cannot tell
/// methods apart it is the better guess.
fn on_gold(sequences: &Sequences, gold: &[GoldItem], settings: &Settings) -> Result<(Method, String)> {
    let mut order: Vec<usize> = (0..gold.len()).collect();
    Random::for_purpose(settings.seed, "sequence folds").shuffle(&mut order);
    let mut best: Option<(f64, Method)> = None;
    let mut told = Vec::new();
    for method in [Method::Hmm, Method::Majority, Method::TokenDawidSkene] {
        let (mut right, mut both) = (0usize, 0usize);
        for fold in 0..FOLDS {
            let shown: Vec<GoldItem> = order
                .iter()
                .enumerate()
                .filter(|(place, _)| place % FOLDS != fold)
                .map(|(_, &one)| gold[one].clone())
                .collect();
            let found = outcome::make(sequences, &shown, method, settings)?;
            for (place, &one) in order.iter().enumerate() {
                if place % FOLDS == fold {
                    let spans = found.of_item(gold[one].item);
                    right += spans.iter().filter(|span| gold[one].spans.contains(&span.span)).count();
                    both += spans.len() + gold[one].spans.len();
                }
            }
        }
        let f1 = 2.0 * right as f64 / both.max(1) as f64;
        told.push(format!("{} {f1:.3}", method.name()));
        if best.is_none_or(|(before, _)| f1 > before + 0.005) {
            best = Some((f1, method));
        }
    }
    let method = best.map_or(Method::Hmm, |(_, method)| method);
    Ok((method, format!("F1 on {} gold items that were not shown: {}", gold.len(), told.join(", "))))
}
