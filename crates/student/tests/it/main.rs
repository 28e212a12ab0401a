//! The crate from outside: training, files, prediction, and what happens to damaged input.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail by panicking and says when it skips")]

mod chain;
mod data;
mod files;
mod tagger;
mod tagger_data;
mod tagger_files;
mod training;
