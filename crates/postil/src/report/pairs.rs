//! What a report says of pairs.

use postil_core::Measured;
use serde::{Deserialize, Serialize};

/// Places and ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairsSummary {
    /// How far each annotator follows the place of a text.
    pub places: Vec<PlaceRow>,
    /// The model of the ranking, if there is one.
    pub method: Option<String>,
    /// Those who wrote the texts, the strongest first; empty if items do not name them.
    pub ranking: Vec<RankRow>,
    /// What a reader of the ranking must know.
    pub remarks: Vec<String>,
}

/// One annotator's leaning to a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaceRow {
    /// The annotator.
    pub annotator: String,
    /// The share of its decided pairs of which the left one is better.
    pub left: Measured,
    /// Pairs that it was asked about in both orders.
    pub asked_twice: u64,
    /// The share of these of which it says one thing in one order and another in the other: what a single order would
    /// have made depend on the place.
    pub flips: Measured,
    /// The share of its replies that prefer the text that is shown first; a half is no leaning where both orders are asked.
    pub first: Measured,
    /// The share of the pairs that both orders together leave undecided.
    pub undecided: Measured,
}

/// One contestant's rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankRow {
    /// From 1, the strongest.
    pub rank: u64,
    /// The name.
    pub name: String,
    /// The strength on the scale of log odds, relative to the mean.
    pub strength: Measured,
    /// Comparisons won.
    pub wins: u64,
    /// Comparisons lost.
    pub losses: u64,
    /// Comparisons that neither won.
    pub ties: u64,
}
