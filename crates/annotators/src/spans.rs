//! What annotators of spans share.

use std::borrow::Cow;
use std::ops::Range;

use postil_core::text::{OffsetUnit, Offsets, Token, Tokenizer};
use postil_core::{ItemBatch, Name, Span};
use serde::{Deserialize, Serialize};

/// What an annotator says about the text that it leaves alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    /// Nothing: it knows what it found and not what it missed. The default of lists and programs.
    Abstain,
    /// That there is no span: it looked everywhere. The default of people, models and stored answers.
    #[default]
    Outside,
}

impl Silence {
    /// The answer of an annotator that found these spans.
    pub(crate) fn answer(self, spans: Vec<Span>) -> postil_core::Answer {
        if spans.is_empty() && self == Self::Abstain {
            return postil_core::Answer::Abstain;
        }
        postil_core::Answer::spans(spans)
    }
}

/// The tokens of an item's text: those that came with it, or the tokenizer's.
pub(crate) fn tokens_of(items: &ItemBatch, row: usize, tokenizer: Tokenizer) -> Cow<'_, [Token]> {
    items.tokens(row).map_or_else(|| Cow::Owned(tokenizer.tokenize(items.text(row))), Cow::Borrowed)
}

/// The span of some bytes of a text, which lie between characters.
pub(crate) fn span_of_bytes(offsets: &Offsets<'_>, bytes: Range<usize>, label: Name) -> Span {
    let position = |byte| offsets.position_of(OffsetUnit::CodePoints, byte).unwrap_or(0);
    Span { start: position(bytes.start), end: position(bytes.end), label, quote: offsets.text()[bytes].to_owned() }
}

/// The span of some code points of a text; `None` if the text has no such places or they are the same.
pub(crate) fn span_of_points(offsets: &Offsets<'_>, start: u32, end: u32, label: Name) -> Option<Span> {
    let byte = |position| offsets.byte_of(OffsetUnit::CodePoints, position);
    let (first, last) = (byte(start)?, byte(end)?);
    (start < end).then(|| Span { start, end, label, quote: offsets.text()[first..last].to_owned() })
}
