//! The server as its clients see it, over real connections.

mod batches;
mod chat;
mod client;
mod connections;
mod decisions;
mod faults;
mod stored;
