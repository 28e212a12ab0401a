//! Who labels what next: which items people label as gold, and which items of many are worth a label or a place among the
//! demonstrations.
//!
//! Choices without labels work on vectors of the items, from any encoder:
//!
//! ```
//! use postil_core::select::{Neighbours, UnitVectors, vote_k};
//!
//! let vectors = UnitVectors::new(&[1.0, 0.0, 0.9, 0.1, 0.8, 0.2, 0.0, 1.0, 0.1, 0.9], 2)?;
//! let chosen = vote_k(&Neighbours::find(&vectors, 2), 2);
//! assert_eq!(chosen.len(), 2);
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! All of them are functions of the vectors and a seed, the same on any number of threads.

mod clusters;
mod draw;
mod exemplars;
mod influence;
mod neighbours;
mod spread;
mod telling;
mod vectors;
mod vote_k;

pub use clusters::{Clusters, k_means};
pub use draw::{Drawn, Frame, draw};
pub use exemplars::{Exemplars, LEAST_TEXTS, exemplars};
pub use influence::influence;
pub use neighbours::{EXACT_UP_TO, Neighbours};
pub use spread::{facility_location, k_center, representatives, typical};
pub use telling::telling_words;
pub use vectors::UnitVectors;
pub use vote_k::{vote_k, vote_k_by_confidence};
