//! What an annotator's stated confidence is worth, as data.

use postil_core::Measured;
use serde::{Deserialize, Serialize};

/// The stated confidence of one annotator against gold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceSummary {
    /// How a language model came to its probabilities, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The expected calibration error of what it stated.
    pub stated_error: Measured,
    /// The same after calibration on the gold that fits.
    pub calibrated_error: Measured,
    /// The probability that a right answer was stated with more confidence than a wrong one.
    pub discrimination: Measured,
    /// Whether its votes carry the calibrated probability: whether that foretells gold better than its mean record does.
    pub in_votes: bool,
    /// How many answers lie above a calibrated confidence, and how many of them are wrong.
    pub above: Vec<ThresholdRow>,
}

/// The answers above one calibrated confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdRow {
    /// The least confidence.
    pub threshold: f64,
    /// The share of the answers on measuring gold that are as confident.
    pub share: f64,
    /// The share of those that are wrong.
    pub error: Measured,
}
