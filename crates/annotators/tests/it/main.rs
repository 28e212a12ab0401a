//! Tests of the annotators from outside, with real worker processes.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail by panicking and says when it skips")]

mod conformance;
mod damaged;
mod hostile;
mod list;
mod model;
mod program;
mod replay;
mod spans;
mod support;
