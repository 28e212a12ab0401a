//! Process tests of the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aggregate;
mod agree;
mod audit;
mod bad_input;
mod crash;
mod estimate;
mod evaluate;
mod first_steps;
mod formats;
mod lists;
mod newswire;
mod pairs;
mod places;
mod report;
mod simulate;
mod support;
mod tickets;
mod train_predict;
