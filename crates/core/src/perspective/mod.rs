//! Perspectives: where people rightly differ, the spread of their answers is the result, not noise about one truth.
//!
//! ```
//! use postil_core::perspective::{Distributions, compare};
//! use postil_core::votes::VotesBuilder;
//!
//! let mut builder = VotesBuilder::new(2);
//! for (item, annotator, class) in [(0, 0, 0), (0, 1, 1), (0, 2, 1), (1, 0, 0), (1, 1, 0)] {
//!     builder.push(item, annotator, class)?;
//! }
//! let found = Distributions::of_votes(&builder.build(2, 3)?, 0.0);
//! assert_eq!(found.of(1), Some([1.0, 0.0].as_slice()));
//! assert!(found.entropy(0) > found.entropy(1));
//! let same = compare(&found, &found, false)?;
//! assert_eq!(same.manhattan.value(), Some(0.0));
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! - [`Distributions`] are the label shares of items, and [`compare`] says how far two of them lie apart.
//! - [`would_say`] predicts what one annotator would answer, [`held_out`] says how well that works.
//! - [`simulate`] shows what fewer answers per item would have done, and what a fixed number of answers does best.
//! - [`choose_annotator`] picks who should answer next so that perspectives are covered, [`replay`] says whether that
//!   beats picking at random.

mod budget;
mod choice;
mod distributions;
mod held_out;
mod interval;
mod metrics;
mod people;
mod replay;

pub use budget::{Budget, BudgetRow, Simulation, simulate};
pub use choice::{Candidates, History, Strategy, choose_annotator};
pub use distributions::Distributions;
pub use held_out::{HeldOut, Predictor, held_out};
pub use metrics::{SoftMetrics, compare, jensen_shannon, manhattan, wasserstein};
pub use people::{PeopleErrors, PersonErrors, people_errors, would_say};
pub use replay::{Replay, ReplayRow, replay};
