//! How items were shared out among models and people, as data.

use serde::{Deserialize, Serialize};

/// What routing did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutingSummary {
    /// The policy that was followed.
    pub policy: String,
    /// Whether it was chosen on gold.
    pub automatic: bool,
    /// Who is asked in which order, in words.
    pub description: String,
    /// Gold items that everybody was asked about, to learn what to expect of whom.
    pub pilot: u64,
    /// What that cost.
    pub pilot_cost: f64,
    /// The unit of all costs: `money`, or `tokens` where a model has no price.
    pub unit: String,
    /// What the plan could spend beyond the pilot.
    pub budget: f64,
    /// What its answers cost by the mean prices it reckoned with, without people's.
    pub spent: f64,
    /// Everybody who could be asked.
    pub rows: Vec<RoutedRow>,
    /// Why it stopped early, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// Somebody who could be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutedRow {
    /// The name.
    pub name: String,
    /// The price of an answer.
    pub price: f64,
    /// Items beyond the pilot that were asked about, or for a person are left to answer.
    pub items: u64,
}
