//! The engine behind Postil: items, answers, the append-only ledger, votes, consensus and measurement.
//!
//! Everything downstream of the ledger is a pure function of a snapshot and a seed. Modules stand in the order the data
//! flows:
//!
//! ```text
//! items -> (annotators) -> ledger -> votes -> consensus -> audit
//! ```

pub mod agreement;
pub mod alt_test;
pub mod annotation;
pub mod answer;
pub mod audit;
pub mod consensus;
pub mod crowdlab;
mod distribution;
pub mod document;
pub mod error;
pub mod estimate;
pub mod formats;
pub mod guarantee;
pub mod hash;
pub mod item;
pub mod items;
pub mod label_errors;
pub mod ledger;
mod link_kind;
pub mod measured;
mod number;
pub mod pairs;
mod part;
pub mod perspective;
pub mod random;
pub mod record;
pub mod redundancy;
pub mod route;
pub mod select;
pub mod sequences;
mod span_label;
pub mod table;
pub mod task;
pub mod text;
pub mod votes;

pub use annotation::{Annotation, AnnotatorIdentity, AnnotatorKind, Cost, Status};
pub use answer::{Answer, Link, Preference, Rejected, Span};
pub use document::{Document, Layer};
pub use error::{Error, Result};
pub use hash::Digest;
pub use item::{Content, Item, ItemId};
pub use items::ItemBatch;
pub use ledger::{Ledger, Snapshot};
pub use link_kind::LinkKind;
pub use measured::Measured;
pub use part::TextPart;
pub use random::Random;
pub use span_label::{ANY_LABEL, NO_LABEL, SpanLabel};
pub use task::{Class, Label, LabelSet, Name, Task, TaskKind};
