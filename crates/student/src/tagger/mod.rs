//! Sequence tagging: entities, tags, scores and sentence labels over tokens.
#![expect(clippy::inline_always, reason = "loops must be compiled into callers that have wider vector instructions")]
#![expect(clippy::needless_range_loop, reason = "loops over lanes of several arrays say what they do by their index")]
#![expect(clippy::needless_for_each, reason = "one-line updates of a whole slice read better as a chain")]

mod buckets;
mod clusters;
mod corpus;
mod document;
mod encode;
mod features;
mod hash;
pub mod lab;
mod lists;
mod perceptron;
mod score;
mod token;
mod viterbi;

pub use corpus::{Document, Layer, LayerKind, LayerTarget};
pub use features::FeatureGroups;
pub use lists::NameList;
pub use score::Counts;
