//! Tokens, as a labelling program sees them.

use std::fmt;

use allocative::Allocative;
use postil_core::text::{Token, sentences};
use starlark::any::ProvidesStaticType;
use starlark::values::tuple::AllocTuple;
use starlark::values::{
    Heap, NoSerialize, StarlarkPagablePanic, StarlarkValue, Trace, Value, ValueLike, starlark_value,
};

use super::spans::positions;

/// A token: `text`, `start` and `end` in code points, `index`, `lower`, `shape`, `is_title`, `is_upper`, `is_lower`,
/// `is_digit`, `is_alpha`, `sentence_start`.
#[derive(Debug, Trace, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(super) struct TokenValue<'v> {
    text: Value<'v>,
    start: i32,
    end: i32,
    index: i32,
    begins: bool,
}

/// The tokens of a text as a tuple.
pub(super) fn token_values<'v>(text: &str, tokens: &[Token], heap: Heap<'v>) -> Value<'v> {
    let mut begins = vec![false; tokens.len()];
    for sentence in sentences(text, tokens) {
        begins[sentence.start] = true;
    }
    let places = positions(text, tokens);
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let values: Vec<Value<'v>> = tokens
        .iter()
        .zip(places)
        .enumerate()
        .map(|(index, (token, (start, end)))| {
            heap.alloc_complex_no_freeze(TokenValue {
                text: heap.alloc(token.of(text)),
                start: number(start),
                end: number(end),
                index: number(index as u32),
                begins: begins[index],
            })
        })
        .collect();
    heap.alloc(AllocTuple(values))
}

/// The code points from one token up to another.
pub(super) fn stretch(tokens: &[Value<'_>], first: i32, last: i32) -> Result<(i32, i32), String> {
    let token = |place: i32| tokens.get(usize::try_from(place).ok()?)?.downcast_ref::<TokenValue<'_>>();
    match (token(first), last.checked_sub(1).and_then(token)) {
        (Some(start), Some(end)) if first < last => Ok((start.start, end.end)),
        _ => Err(format!(
            "expected `span(item.tokens, first, last, label)` with 0 <= first < last <= {}, found {first} and {last}",
            tokens.len()
        )),
    }
}

/// Letters as X and x, digits as d, runs written once: `McDonald's` is `XxXx'x`.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut before = None;
    for character in text.chars() {
        let kind = match character {
            _ if character.is_uppercase() => 'X',
            _ if character.is_alphabetic() => 'x',
            _ if character.is_numeric() => 'd',
            other => other,
        };
        if before != Some(kind) {
            shape.push(kind);
        }
        before = Some(kind);
    }
    shape
}

/// Whether the first letter is a capital and some letter behind it is small, or it is the only one.
fn is_title(text: &str) -> bool {
    let mut letters = text.chars().filter(|character| character.is_alphabetic());
    letters.next().is_some_and(char::is_uppercase) && {
        let mut rest = letters.peekable();
        rest.peek().is_none() || rest.any(char::is_lowercase)
    }
}

impl fmt::Display for TokenValue<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "token({})", self.text)
    }
}

#[starlark_value(type = "token")]
impl<'v> StarlarkValue<'v> for TokenValue<'v> {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let text = || self.text.unpack_str().unwrap_or_default();
        let letters = || text().chars().filter(|character| character.is_alphabetic());
        Some(match attribute {
            "text" => self.text,
            "start" => heap.alloc(self.start),
            "end" => heap.alloc(self.end),
            "index" => heap.alloc(self.index),
            "lower" => heap.alloc(text().to_lowercase()),
            "shape" => heap.alloc(shape(text())),
            "is_title" => Value::new_bool(is_title(text())),
            "is_upper" => Value::new_bool(letters().next().is_some() && letters().all(char::is_uppercase)),
            "is_lower" => Value::new_bool(letters().next().is_some() && letters().all(char::is_lowercase)),
            "is_digit" => Value::new_bool(text().chars().all(char::is_numeric)),
            "is_alpha" => Value::new_bool(text().chars().all(char::is_alphabetic)),
            "sentence_start" => Value::new_bool(self.begins),
            _ => return None,
        })
    }

    fn dir_attr(&self) -> Vec<String> {
        [
            "end",
            "index",
            "is_alpha",
            "is_digit",
            "is_lower",
            "is_title",
            "is_upper",
            "lower",
            "sentence_start",
            "shape",
            "start",
            "text",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_titles() {
        for (text, expected, title) in [
            ("McDonald's", "XxXx'x", true),
            ("U.S.", "X.X.", false),
            ("3,14", "d,d", false),
            ("A", "X", true),
            ("éa", "x", false),
        ] {
            assert_eq!((shape(text).as_str(), is_title(text)), (expected, title), "{text}");
        }
    }
}
