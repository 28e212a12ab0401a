//! Text classification: hashed words, phrases and character n-grams, and linear models that add up to one table.
#![expect(clippy::inline_always, reason = "loops must be compiled into callers that have wider vector instructions")]
#![expect(clippy::needless_range_loop, reason = "loops over lanes of several arrays say what they do by their index")]

mod accumulate;
mod corpus;
mod distil;
mod file;
mod fit;
mod lanes;
mod model;
mod options;
mod predict;
mod quality;
mod similar;
mod solver;
mod stack;
mod table;
mod target;
mod tokens;
mod weighting;

pub use distil::{Certain, Distillation, Teaching};
pub use fit::{Fitted, Trainer};
pub use model::{Description, TextModel};
pub use options::{FitReport, Part, TextOptions, Trial};
pub use predict::Scratch;
pub use quality::Quality;
pub use similar::{Fingerprint, SearchRoom, TextIndex};
pub use target::{Head, Target};
