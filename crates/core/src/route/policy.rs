//! The policies by name.

use serde::Serialize;

use crate::error::{Error, Result};

/// A way to spend money on answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The annotator with the best record on gold among those that can be paid for all items.
    Single,
    /// The plurality of all machines, each item by each.
    Majority,
    /// Some items, drawn at random, to the expert (a person if there is one), the others to the best machine: what any
    /// cleverer division has to beat.
    RandomSplit,
    /// A fixed set of annotators for every item, chosen one by one on gold, whose answers are weighed by their records.
    Committee,
    /// Links from cheap to strong; each forwards the answers it is least sure of, and of all links that answered an item
    /// the one whose confidence ranks highest among its own wins (LLM chain ensembles, Farr et al. 2024,
    /// <https://arxiv.org/abs/2410.13006>).
    Chain,
    /// Several prompts or models answer every item; those with the largest entropy of answers go to the expert
    /// (CoAnnotating, Li et al. 2023, <https://arxiv.org/abs/2310.15638>).
    Entropy,
    /// One machine answers every item; those it is least confident about go to the expert.
    Confidence,
    /// Links from cheap to strong; each keeps what lies above a threshold proved on gold to have at most the promised
    /// error, and forwards the rest.
    Cascade,
    /// Per item the answer with the largest expected gain per cost, until none is worth its price.
    Value,
    /// The one of the others that does best on gold it has not seen, and the value policy where gold cannot tell.
    Auto,
}

impl Policy {
    /// Every policy; the simplest first, the automatic one last.
    pub const ALL: [Self; 10] = [
        Self::Single,
        Self::Majority,
        Self::RandomSplit,
        Self::Committee,
        Self::Chain,
        Self::Entropy,
        Self::Confidence,
        Self::Cascade,
        Self::Value,
        Self::Auto,
    ];

    /// The name on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Majority => "majority",
            Self::RandomSplit => "random-split",
            Self::Committee => "committee",
            Self::Chain => "chain",
            Self::Entropy => "entropy",
            Self::Confidence => "confidence",
            Self::Cascade => "cascade",
            Self::Value => "value",
            Self::Auto => "auto",
        }
    }

    /// The policy of a name.
    ///
    /// # Errors
    /// Another name.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(|policy| format!("`{}`", policy.name())).join(", ");
            Error::task(format!("expected one of {names}, found `{name}`"))
        })
    }
}
