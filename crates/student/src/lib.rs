//! Compact text classifiers and taggers that train on what is known, sure or not, and predict from one memory-mapped file.
//!
//! ```
//! use postil_student::text::{Head, Target, TextModel, Trainer};
//!
//! let texts = ["refund my card", "the app crashes", "card charged twice", "crash at login"];
//! let targets = [0, 1, 0, 1].map(Target::Hard);
//! let fitted = Trainer::new(["billing", "bug"], Head::Softmax)?.fit(&texts, &targets, None)?;
//!
//! let model = TextModel::from_vec(fitted.model.as_bytes().to_vec())?;
//! let probabilities = model.predict_batch(&["please refund the card"]);
//! assert_eq!(model.labels()[usize::from(model.most_probable(&probabilities))], "billing");
//! # Ok::<(), postil_student::Error>(())
//! ```
//!
//! * [`text::Trainer`] chooses losses, feature weighting and regularisation by cross-validation and returns a
//!   [`text::Fitted`]: the model, out-of-fold probabilities for every training text, and a report of what was chosen.
//! * [`text::Target`] says what is known about a text's label; [`text::Head`] whether labels exclude each other.
//! * [`text::TextModel`] predicts, loads and saves; [`text::Scratch`] keeps its hot loop free of allocation.
//! * [`tagger::TaggerTrainer`] trains taggers for spans, tags, scores and sentence labels; [`tagger::TaggerModel`] predicts
//!   them with their probabilities. [`chain`] holds the mathematics of label sequences.
//! * [`Error`] is the one error type.
//!
//! Nothing here reads a clock, draws randomness that is not seeded, or depends on the number of threads.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail by panicking"))]

pub mod chain;
mod error;
mod mapped;
mod random;
mod sealed;
pub mod tagger;
pub mod text;

pub use error::{Error, Result};
