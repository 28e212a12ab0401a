//! Sequence tagging: entities, tags, scores and sentence labels over tokens, from one small file.
//!
//! ```
//! use postil_student::chain::TypedSpan;
//! use postil_student::tagger::{Document, Layer, LayerKind, LayerPrediction, LayerTarget, TaggerScratch, TaggerTrainer};
//!
//! let documents: Vec<Document> = ["Anna left Oslo .", "Hugo likes Kyoto .", "Greta left ."]
//!     .iter()
//!     .map(|text| Document::from_sentences([text.split(' ').collect::<Vec<_>>()]))
//!     .collect();
//! let span = |start, class| TypedSpan { start, end: start + 1, class };
//! let targets = [vec![span(0, 0), span(2, 1)], vec![span(0, 0), span(2, 1)], vec![span(0, 0)]]
//!     .map(|spans| vec![LayerTarget::Spans(spans)]);
//! let layer = Layer::new("names", LayerKind::Spans, ["person", "place"]);
//! let model = TaggerTrainer::new(vec![layer])?.fit(&documents, &targets, None)?.model;
//!
//! let new = Document::from_sentences([["Greta", "likes", "Oslo", "."]]);
//! let predicted = model.predict(&new, true, &mut TaggerScratch::default());
//! let LayerPrediction::Spans(spans) = &predicted[0] else { unreachable!() };
//! assert_eq!(spans.iter().map(|found| found.span).collect::<Vec<_>>(), [span(0, 0), span(2, 1)]);
//! # Ok::<(), postil_student::Error>(())
//! ```
//!
//! Tokens are hashed into features (`token`, `features`, `document`, `lists`, `clusters`), which a perceptron or a random
//! field weighs (`perceptron`, [`chain`](crate::chain)); what matters most is kept as small numbers (`prune`, `file`) and
//! added up at prediction (`predict`, `viterbi`).
//!
//! * [`TaggerTrainer`] trains [`Layer`]s on [`Document`]s and [`LayerTarget`]s and returns a [`FittedTagger`];
//!   [`TaggerOptions`] names what may be chosen, [`TaggerReport`] what was.
//! * [`TaggerModel`] predicts, loads and saves; [`TaggerScratch`] keeps its hot loop free of allocation.
//! * [`Counts`] compares spans as conlleval does.
#![expect(clippy::inline_always, reason = "loops must be compiled into callers that have wider vector instructions")]
#![expect(clippy::needless_range_loop, reason = "loops over lanes of several arrays say what they do by their index")]

mod buckets;
mod choose;
mod clusters;
mod corpus;
mod document;
mod encode;
mod features;
mod file;
mod fit;
mod hash;
mod history;
mod induce;
mod lesson;
mod linear;
mod lists;
mod looks;
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
