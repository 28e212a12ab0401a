//! What the labels can be trusted with: how far annotators agree, which labels may be accepted unseen, how many of each
//! there are, and which are probably wrong.

use postil_core::Measured;
use serde::{Deserialize, Serialize};

use super::Figure;

/// All of it. Each part is there or says why it is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// How far the annotators agree.
    pub agreement: Part<AgreementSummary>,
    /// The labels that may be accepted with a promise about their errors.
    pub promise: Part<PromiseSummary>,
    /// The share of each label among all items.
    pub shares: Part<ShareSummary>,
    /// The labels that are probably wrong.
    pub errors: Part<ErrorSummary>,
}

/// A part of the report, or the reason why it is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part<T> {
    /// It is there.
    Known(T),
    /// It is not, and why.
    Unknown(String),
}

/// How far the annotators agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgreementSummary {
    /// Decisions with at least two answers.
    pub compared: u64,
    /// The coefficients of all annotators together.
    pub figures: Vec<Figure>,
    /// Each label against the rest.
    pub labels: Vec<Figure>,
    /// Pairs of annotators: the names, decisions in common, the share of them on which they say the same, and Cohen's
    /// kappa; those that agree least first.
    pub pairs: Vec<PairRow>,
    /// What a reader should know before using the figures, a sentence each.
    pub cautions: Vec<String>,
    /// What the figures mean, in a sentence.
    pub meaning: String,
}

/// Two annotators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairRow {
    /// One.
    pub first: String,
    /// The other.
    pub second: String,
    /// Decisions that both answered.
    pub shared: u64,
    /// The share of them on which they say the same.
    pub observed: Measured,
    /// Cohen's kappa.
    pub kappa: Measured,
}

/// The labels that may be accepted with a promise about their errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromiseSummary {
    /// The largest share of wrong labels among the accepted.
    pub risk: f64,
    /// The confidence of the promise.
    pub confidence: f64,
    /// Labels with at least this confidence are accepted; absent if nothing can be promised.
    pub threshold: Option<f64>,
    /// How many items that accepts.
    pub accepted: u64,
    /// The share of the items that it accepts.
    pub share: Measured,
    /// The share of wrong labels among the accepted.
    pub error: Measured,
    /// The promise in a sentence.
    pub sentence: String,
    /// The test it rests on.
    pub basis: String,
    /// Risk against coverage, from the strictest threshold to accepting everything.
    pub curve: Vec<RiskRow>,
}

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskRow {
    /// The least confidence accepted.
    pub threshold: f64,
    /// The share of the items accepted.
    pub share: f64,
    /// The estimated share of wrong labels among them; absent without gold there.
    pub risk: Option<f64>,
    /// Its upper bound for this threshold alone.
    pub upper: f64,
    /// Whether the promise holds here.
    pub promised: bool,
}

/// The share of each label among all items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareSummary {
    /// What the correction changed, in a sentence.
    pub sentence: String,
    /// The labels, in class order.
    pub rows: Vec<ShareRow>,
    /// What more gold would bring: the number of gold labels and the half width of the widest interval then.
    pub power: Vec<(u64, f64)>,
}

/// The share of one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareRow {
    /// The label.
    pub label: String,
    /// The valid estimate.
    pub estimate: Measured,
    /// The share among the labels that were written, taken at face value.
    pub naive: Measured,
    /// The share among the gold alone.
    pub gold_only: Measured,
}

/// The labels that are probably wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorSummary {
    /// The number of wrong labels, by the measuring gold.
    pub wrong: Measured,
    /// The number that the model alone would name: it has learnt from labels like these and shares some of their errors.
    pub disputed: Measured,
    /// Labels that are given for each other, most frequent first.
    pub confused: Vec<ConfusedRow>,
    /// What reading the list from the top would find.
    pub depths: Vec<DepthRow>,
    /// The labels likeliest to be wrong, worst first.
    pub suspects: Vec<SuspectRow>,
}

/// Two labels of which one is given for the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfusedRow {
    /// The label that is given.
    pub given: String,
    /// The label that is meant.
    pub meant: String,
    /// The estimated number of such labels.
    pub count: u64,
    /// Their share of the labels given.
    pub share: f64,
}

/// The top of the list up to a depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthRow {
    /// Labels read.
    pub depth: u64,
    /// The share of them that is wrong: by the gold among them where that is enough, else by the model's own doubt.
    pub precision: Measured,
}

/// One label that is probably wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuspectRow {
    /// The item.
    pub id: String,
    /// The label that was written.
    pub given: String,
    /// The likeliest other label.
    pub suggested: String,
    /// The estimated probability that the label is wrong.
    pub probability: f64,
}
