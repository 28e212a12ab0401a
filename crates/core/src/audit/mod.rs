//! Measuring labels against gold: figures with intervals, from counts that can be merged.
//!
//! A [`Tally`] holds what the figures of a single-label task need, a [`SetTally`] those of a multi-label one. Both take
//! gold items one by one with their design weight (one over the inclusion probability) and can be filled in parallel
//! and merged, so a file of any length is scored in memory that does not grow with it.
//!
//! Proportions have Wilson intervals, with the effective number of items when the weights differ; F1 has the Wilson
//! interval of the Jaccard index it is a function of; averages over classes have intervals by simulation with a fixed
//! seed.

mod consistency;
mod gold;
mod interval;
mod paired;
mod sets;
pub mod spans;
mod tally;
mod variation;

pub use consistency::{ConsistencyCheck, MarkCount, Marked, Occurrence, Surface, Surfaces};
pub use gold::{GoldPart, MEASURE_SHARE, gold_part, items_for_half_width};
pub use interval::{effective_count, effective_of_clusters, f1_interval, normal_interval, wilson};
pub use paired::accuracy_difference;
pub use sets::SetTally;
pub use tally::{Bin, Tally};
pub use variation::{Variation, Variations};
