//! Text, its tokens and the places in it.
//!
//! A span of text is the truth; tags per token are derived from it. Places are Unicode code points in every file and
//! interface, bytes inside; the text itself is never altered.
//!
//! ```
//! use postil_core::text::{Scheme, Tokenizer, align, write_tags};
//! use postil_core::{Name, Span};
//!
//! let text = "Ann flew to São Paulo.";
//! let tokens = Tokenizer::Words.tokenize(text);
//! let spans = [Span { start: 12, end: 21, label: Name::from("LOC"), quote: "São Paulo".into() }];
//! let aligned = align(text, &tokens, &spans);
//! assert!(aligned.remarks.is_empty());
//! let tags = write_tags(&aligned.flat, tokens.len(), Scheme::Bio);
//! assert_eq!(tags, ["O", "O", "O", "B-LOC", "I-LOC", "O"]);
//! ```

mod align;
mod characters;
mod offsets;
mod sentences;
mod tags;
mod tokens;

pub use align::{Aligned, Misaligned, Problem, align, quote};
pub use offsets::{OffsetUnit, Offsets};
pub use sentences::{LONGEST_SENTENCE, sentences};
pub(crate) use tags::write_heads;
pub use tags::{Named, Reading, Repair, Scheme, detect, read_tags, write_tags};
pub use tokens::{Token, Tokenizer};
