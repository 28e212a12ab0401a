//! What a report says of the scores of a checklist.

use postil_core::Measured;
use serde::{Deserialize, Serialize};

/// One score per item, made from its labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreSummary {
    /// Items that have one.
    pub scored: u64,
    /// Graded items that weights may be learnt from.
    pub fitting: u64,
    /// Graded items that only measure.
    pub measuring: u64,
    /// Whether questions have learnt weights.
    pub learned: bool,
    /// Which way was taken, and why.
    pub reason: String,
    /// The questions, in the order of the labels.
    pub questions: Vec<QuestionRow>,
    /// The rank correlation (Spearman) of scores and grades, on grades that nothing was learnt from.
    pub spearman: Measured,
    /// The same of the plain mean.
    pub spearman_of_mean: Measured,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuestionRow {
    /// The label that stands for it.
    pub label: String,
    /// What a yes adds to the score; absent where the score is the plain mean.
    pub weight: Option<f64>,
}
