//! Redundancy: which further answers are not worth buying.
//!
//! Most answers repeat what is known. Before each answer is bought, a rule looks at what its item has got so far and at
//! who is to answer, and may prune it; replaying a finished file tells what each rule would have saved and what it would
//! have cost in labels that differ from those of the full vote.
//!
//! Rules: stop when the posterior is sure; stop when the rest of the planned answers cannot overturn the majority; and
//! Minority Reports (Liao et al. 2025, <https://arxiv.org/abs/2504.09341>), which predicts by a logistic regression with
//! random intercepts whether the answer will disagree with the majority so far, from the item's ambiguity, the annotator's
//! record and fatigue. Nothing is gained where all items and annotators are alike.
//!
//! Whatever is learnt is learnt on one half of the items and used on the other, and so are the thresholds.

mod logistic;
mod replay;
mod state;

use serde::Serialize;

pub use replay::{advise, replay};

use crate::measured::Measured;
use crate::task::Class;

/// Answers in the order in which they came: the i-th is `label[i]` by `annotator[i]` about `item[i]`.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// The item of each.
    pub item: &'a [u32],
    /// The annotator of each.
    pub annotator: &'a [u32],
    /// The class of each.
    pub label: &'a [Class],
    /// How many items there are.
    pub items: usize,
    /// How many annotators.
    pub annotators: usize,
    /// How many classes.
    pub classes: usize,
}

/// A rule that decides, before an answer is bought, whether it is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No further answer once the likeliest class has at least this probability, or the majority is decided.
    Posterior,
    /// No answer that is less likely than this to disagree with the majority so far.
    LowRisk,
    /// No answer that is more likely than this to disagree: those of annotators who are mostly in the minority.
    HighRisk,
    /// No further answer once the remaining planned ones cannot change the majority.
    Decided,
    /// Each answer but the first is left out with this probability, for comparison.
    Random,
}

impl Rule {
    /// Every rule, the default first.
    pub const ALL: [Self; 5] = [Self::Posterior, Self::LowRisk, Self::HighRisk, Self::Decided, Self::Random];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Posterior => "posterior",
            Self::LowRisk => "low-risk",
            Self::HighRisk => "high-risk",
            Self::Decided => "decided",
            Self::Random => "random",
        }
    }
}

/// What may be lost, and what chance decides by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The share of items whose label may differ from that of the full vote.
    pub target_loss: f64,
    /// Splits the items and draws what is left to chance.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { target_loss: 0.01, seed: 0 }
    }
}

/// What a rule saves and costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The rule.
    pub rule: Rule,
    /// Its threshold; for an outcome over both halves of the items the mean of theirs.
    pub threshold: f64,
    /// The share of the answers that were not bought.
    pub saved: f64,
    /// The share of items whose label is that of the full vote; a class that is tied in the full vote counts.
    pub agreement: Measured,
    /// The share of items whose label is the truth, where it is known.
    pub accuracy: Option<Measured>,
}

/// A replayed file.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// Answers in all.
    pub answers: usize,
    /// Items with at least one answer.
    pub items: usize,
    /// The share of items whose full vote is the truth, where it is known.
    pub full_accuracy: Option<Measured>,
    /// Per rule the outcome with the thresholds that save most within the target loss, each chosen on one half of the
    /// items and measured on the other. The random rule leaves out as much as the best rule does.
    pub rules: Vec<Outcome>,
    /// All thresholds that were tried.
    pub curve: Vec<Outcome>,
    /// The rule that saves most within the target loss.
    pub best: Rule,
    /// The threshold of the best rule, chosen on all items.
    pub threshold: f64,
}

/// Whether to buy another answer about an item.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// The item.
    pub item: u32,
    /// Answers so far.
    pub answers: u32,
    /// The majority's class; without answers the class that is most frequent.
    pub label: Class,
    /// The probability of that class.
    pub confidence: f64,
    /// The probability that the next answer, of the typical annotator, disagrees.
    pub risk: f64,
    /// Whether another answer is worth buying.
    pub buy: bool,
}
