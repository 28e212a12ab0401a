//! Scoring of spans: predicted against gold, from counts that can be merged.
//!
//! The figures at the head are those of `conlleval` (Tjong Kim Sang and Buchholz 2000): a predicted span is right if a
//! gold span has the same borders and the same label. Beside them stand the errors by kind (missed, spurious, wrong label,
//! wrong borders, both), the four regimes of SemEval-2013 task 9.1
//! (Segura-Bedmar et al. 2013, after MUC-5), agreement by position, and a table of confusions.
//!
//! Intervals come from a Poisson bootstrap (Chamandy et al. 2012) over clusters, which are documents or sentences: each
//! cluster enters each of 1,000 replicates with a weight drawn from a Poisson distribution of mean 1, by a generator
//! seeded with the cluster's number. Replicates are sums, so a file of any length is scored in memory that does not
//! grow with it, and parts of it can be scored apart and merged. Where the bootstrap cannot vary, at 0 and 1 and for a
//! single cluster, the Wilson interval of the counts takes its place; it assumes independent spans.

mod confusion;
mod emphasis;
mod pairing;
mod resample;
mod scores;
mod tally;

pub use confusion::{Confusions, Mistaken};
pub use emphasis::{MatchScores, MatchTally};
pub use scores::{ErrorKind, ErrorKinds, PositionScores, Prf, Regime, Regimes, SpanScores, TypeScores};
pub use tally::{SpanTally, TokenAgreement};
