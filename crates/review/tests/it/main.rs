//! The server as a browser sees it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod kinds;
mod people;
mod queues;
mod same;
mod security;
mod slow;
mod support;
mod work;
