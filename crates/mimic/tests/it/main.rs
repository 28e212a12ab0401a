//! The server as its clients see it, over real connections.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    reason = "a test may fail by panicking and says when it skips; requests are written as literals"
)]

mod batches;
mod chat;
mod client;
mod connections;
mod decisions;
mod faults;
mod stored;
