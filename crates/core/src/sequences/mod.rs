//! Consensus over sequences: spans, tags and their probabilities from what several annotators said, with or without gold.
//!
//! ```
//! use postil_core::sequences::{Claim, Method, SequencesBuilder, Settings, Silence, fit};
//!
//! let mut builder = SequencesBuilder::new(1);
//! builder.item(6);
//! for (annotator, end) in [(0, 3), (1, 3), (2, 2)] {
//!     builder.say(annotator, &[Claim::new(1, end, 0)], &Silence::Outside)?;
//! }
//! let sequences = builder.build();
//! let consensus = fit(&sequences, &[], Method::Majority, &Settings::default())?;
//! assert_eq!((consensus.spans[0].span.start, consensus.spans[0].span.end), (1, 3));
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! ```text
//! items, claims (input) -> majority | tokens (Dawid-Skene, repaired) | hmm (chain <-> emission) -> lattice per item
//!                       -> candidates with probabilities -> spans, annotators, doubtful spans, token distributions
//! ```

mod chain;
mod choose;
mod context;
mod emission;
mod errors;
mod hmm;
mod input;
mod majority;
mod neighbours;
mod outcome;
mod tokens;

use serde::Serialize;

pub use choose::ENOUGH_GOLD;
pub use errors::{
    Inconsistent, SpanBelief, SpanError, SpanErrors, SpanSuspect, find_span_errors, inconsistent_surfaces,
};
pub use input::{Claim, Sequences, SequencesBuilder, Silence, TokenSpan, What};
pub use neighbours::Neighbours;
pub use outcome::{AnnotatorQuality, ConsensusSpan, Doubt, Quality, SequenceConsensus};

use crate::error::{Error, Result};

/// How the words of annotators become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The spans that more than half of those who might have claimed them do claim.
    Majority,
    /// The most frequent tag of each token, repaired to a sequence.
    TokenMajority,
    /// Dawid and Skene on tokens, repaired to a sequence.
    TokenDawidSkene,
    /// A hidden chain of spans, and annotators whose words depend on it and on their own last word.
    Hmm,
    /// What does best on gold, if there is enough; else the hidden chain where there is enough to learn it from, and
    /// majority where there is not.
    Automatic,
}

impl Method {
    /// Every method, the automatic one last.
    pub const ALL: [Self; 5] = [Self::Majority, Self::TokenMajority, Self::TokenDawidSkene, Self::Hmm, Self::Automatic];

    /// The name used in files and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::TokenMajority => "token-majority",
            Self::TokenDawidSkene => "token-dawid-skene",
            Self::Hmm => "hmm",
            Self::Automatic => "automatic",
        }
    }

    /// The method of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// An item whose spans are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldItem {
    /// Which.
    pub item: u32,
    /// All its spans, without overlaps.
    pub spans: Vec<TokenSpan>,
}

/// How a consensus is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Draws what is left to chance: ties of tokens, folds.
    pub seed: u64,
    /// So many sweeps at most; unless given, few for people and none beyond the first tables for lists and programs.
    pub sweeps: Option<usize>,
    /// Stop when a sweep changes the log-likelihood by less than this per token.
    pub tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, sweeps: None, tolerance: 1e-5 }
    }
}

/// Makes one set of spans per item out of all that was said about it.
///
/// Items with known spans teach what annotators do; their own spans are then made from what was said, like all others.
/// The same input and settings give the same bytes on any number of threads. Time is claims times states plus tokens
/// times states times types, per sweep; memory is four bytes per token and label of the result, beside the input.
///
/// # Errors
/// No type, or gold about items, tokens or types that do not exist, or gold spans that overlap.
pub fn fit(sequences: &Sequences, gold: &[GoldItem], method: Method, settings: &Settings) -> Result<SequenceConsensus> {
    if sequences.types() == 0 {
        return Err(Error::task("expected at least one type of span, found none"));
    }
    check(sequences, gold)?;
    outcome::make(sequences, gold, method, settings)
}

fn check(sequences: &Sequences, gold: &[GoldItem]) -> Result<()> {
    let mut seen = vec![false; sequences.items()];
    for one in gold {
        let Some(seen) = seen.get_mut(one.item as usize) else {
            return Err(Error::input(format!("expected gold items below {}, found {}", sequences.items(), one.item)));
        };
        if std::mem::replace(seen, true) {
            return Err(Error::input(format!("item {} has gold twice", one.item)));
        }
        let tokens = sequences.tokens(one.item as usize).len();
        let mut sorted = one.spans.clone();
        sorted.sort_unstable();
        for span in &sorted {
            if span.start >= span.end || span.end as usize > tokens || usize::from(span.class) >= sequences.types() {
                return Err(Error::input(format!(
                    "item {}: expected gold spans within {tokens} tokens and {} types, found {span:?}",
                    one.item,
                    sequences.types()
                )));
            }
        }
        if let Some([left, right]) = sorted.array_windows().find(|[left, right]| right.start < left.end) {
            return Err(Error::input(format!("item {}: gold spans {left:?} and {right:?} overlap", one.item)));
        }
    }
    Ok(())
}
