//! Texts with their spans, as a reader sees them.

use serde::{Deserialize, Serialize};

/// A text and what is marked in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarkedText {
    /// The item.
    pub id: String,
    /// Its text, or the part of it that is shown.
    pub text: String,
    /// The spans that were written.
    pub given: Vec<MarkedSpan>,
    /// What gold says, where there is gold and it disagrees; of tags, those that differ.
    pub truth: Option<Vec<MarkedSpan>>,
}

/// A stretch of a shown text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarkedSpan {
    /// The first code point, counted in the shown text.
    pub start: u32,
    /// One past the last code point.
    pub end: u32,
    /// The label.
    pub label: String,
    /// The probability that exactly this span with this label is right; absent for gold.
    pub confidence: Option<f64>,
}
