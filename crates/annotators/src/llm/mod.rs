//! Language models over HTTP.
//!
//! ```text
//! item ──template──▶ requests ──engine──▶ journal ──▶ replies ──▶ what was said ──▶ annotation
//! ```
//!
//! [`LlmAnnotator`] knows one model's prompt: it turns an item into [`Request`]s, whose bytes are all that is sent, and
//! replies into an annotation. [`Engine`] sends requests under the limits of the endpoint and the cap of the budget, and
//! keeps each reply before it is read, so that no reply is ever bought twice: the same request is answered from the
//! [`Journal`](postil_core::ledger::Journal) for ever.

mod annotator;
mod apart;
mod ask;
mod batch;
mod chat;
mod decision;
mod engine;
mod fields;
mod http;
mod limiter;
mod object;
mod pairs;
mod probe;
pub(crate) mod quotes;
mod recording;
mod said;
mod shown;
mod spec;
mod template;
mod wire;

pub use annotator::LlmAnnotator;
pub use ask::{Request, Words};
pub use batch::Batches;
pub use engine::{Cap, Engine, Tally};
pub use pairs::PAIRS_PROMPT;
pub use probe::{Capabilities, PROBES, probe};
pub use recording::Recording;
pub use shown::{DemonstrationSpec, Origin, Pool, Right};
pub use spec::{Ask, Dialect, LlmSpec, Price, Tokens};
pub use template::DEFAULT as DEFAULT_PROMPT;
