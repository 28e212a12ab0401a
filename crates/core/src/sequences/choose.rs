//! Which method serves.

use super::input::Sequences;
use super::{GoldItem, Method};

/// Claimed spans from which a chain can be learnt.
const ENOUGH_CLAIMS: usize = 100;

/// The hidden chain where there is enough to learn it from, else majority.
pub(super) fn choose(sequences: &Sequences, gold: &[GoldItem]) -> (Method, String) {
    let _ = gold;
    let claims: usize = (0..sequences.items())
        .map(|item| sequences.statements(item).map(|statement| statement.claims.len()).sum::<usize>())
        .sum();
    if claims < ENOUGH_CLAIMS {
        return (Method::Majority, format!("{claims} claimed spans are too few to learn what annotators do"));
    }
    (Method::Hmm, format!("{claims} claimed spans are enough to learn what annotators do"))
}
