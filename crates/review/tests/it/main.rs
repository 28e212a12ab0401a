//! The server as a browser sees it.

mod client;
mod kinds;
mod people;
mod queues;
mod security;
mod support;
mod work;
