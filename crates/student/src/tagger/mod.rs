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
mod file;
mod fit;
mod hash;
mod induce;
mod lesson;
mod linear;
mod lists;
mod model;
mod options;
mod perceptron;
mod predict;
mod prune;
mod score;
mod token;
mod viterbi;

pub use corpus::{Document, Layer, LayerKind, LayerTarget};
pub use features::FeatureGroups;
pub use fit::{FittedTagger, TaggerTrainer};
pub use lists::NameList;
pub use model::{TaggerDescription, TaggerModel};
pub use options::{Algorithm, LayerQuality, Reached, TaggerOptions, TaggerReport};
pub use predict::{LayerPrediction, PredictedLabel, PredictedSpan, TaggerScratch};
pub use score::Counts;
