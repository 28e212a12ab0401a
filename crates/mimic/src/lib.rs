//! A server of stored answers that speaks as language model endpoints do, for the tests and benches of clients.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use postil_mimic::{Behaviour, Question, Reply, Server};
//!
//! let server = Server::start(Behaviour::new(|question: &Question<'_>| {
//!     let label = if question.item == Some("It broke again.") { "bug" } else { "praise" };
//!     Reply::Label(label.into(), Some(0.8))
//! }));
//! assert!(server.url().ends_with("/v1"));
//!
//! let prompt = r"=== 0123456789ab ===\nIt broke again.\n=== 0123456789ab ===\nA. praise\nB. bug";
//! let body = format!(r#"{{"model": "m", "max_tokens": 1, "messages": [{{"role": "user", "content": "{prompt}"}}]}}"#);
//! let mut stream = TcpStream::connect(server.address())?;
//! write!(stream, "POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
//! let mut response = String::new();
//! stream.read_to_string(&mut response)?;
//! assert!(response.contains(r#""content":"B""#));
//! assert_eq!(server.log()[0].reply, "bug");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`Behaviour`] says who answers, what the server can do ([`Capabilities`]) and what goes wrong ([`Rule`], [`Fault`]).
//! Who answers is a closure, tables of stored answers ([`Stored`]), or answers made up from the items' texts
//! ([`MadeUp`]); each gets a [`Question`] and gives a [`Reply`], whatever the dialect: chat completions by letter, by
//! JSON schema or in words, System One and decisions, batches. [`Server::log`] tells afterwards what was asked, what
//! was said, and whether it went out whole.
//!
//! Everything but the rate limit and `Retry-After` dates is a function of the requests and a seed: the faults that a
//! request meets depend on its bytes and on how often it came before, never on a clock or on other requests, unless a
//! rule names numbers of requests.
//!
//! The binary `postil-mimic` is the same server as a process of its own, with `GET /log`, `GET /counters` and
//! `POST /reset`.

mod batch;
mod behaviour;
mod chat;
mod decision;
mod distribution;
mod fault;
mod http;
mod log;
mod pieces;
mod prompt;
mod question;
mod respond;
mod server;
mod stored;

pub use behaviour::{
    BatchCourse, Behaviour, Capabilities, Context, Dialect, Logprobs, RateLimit, Schema, Thinking, TokenLimit,
};
pub use fault::{Fault, RetryAfter, Rule};
pub use log::{Counters, Entry};
pub use prompt::{Fenced, choices, fenced, letter};
pub use question::{Answers, Asked, Digest, Question, Reply};
pub use server::Server;
pub use stored::{MadeUp, Stored};
