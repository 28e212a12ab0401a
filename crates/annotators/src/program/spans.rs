//! From what `spans(item)` and `tags(item)` returned to spans.

use postil_core::text::{Scheme, Token, Tokenizer, read_tags};
use postil_core::{LabelSet, SpanLabel, TaskKind};
use starlark::values::list::ListRef;
use starlark::values::tuple::TupleRef;
use starlark::values::{Heap, Value};

use super::answer::clip;
use super::wire::{Form, ItemText, Reply, SpanReply};

/// What a program has to know to speak of spans.
pub(super) struct SpanReader {
    labels: LabelSet,
    kind: TaskKind,
    tokenizer: Tokenizer,
}

impl SpanReader {
    pub(super) fn new(names: &[&str], kind: TaskKind, tokenizer: Tokenizer) -> Option<Self> {
        Some(Self { labels: LabelSet::flat(names).ok()?, kind, tokenizer })
    }

    pub(super) const fn tokenizer(&self) -> Tokenizer {
        self.tokenizer
    }

    /// Reads what a function returned for a text; the error says what does not fit.
    pub(super) fn read<'v>(
        &self,
        form: Form,
        value: Value<'v>,
        heap: Heap<'v>,
        item: &ItemText<'_>,
    ) -> Result<Reply, String> {
        if value.is_none() {
            return Ok(Reply::Abstain);
        }
        if !matches!(value.get_type(), "list" | "tuple" | "set") {
            let wanted = if form == Form::Tags { "tags, one per token," } else { "spans (start, end, label)" };
            return Err(format!(
                "expected a list of {wanted} or None, found {} ({})",
                clip(&value.to_repr()),
                value.get_type()
            ));
        }
        let values = value.iterate(heap).map_err(|error| error.without_diagnostic().to_string())?;
        if form == Form::Tags { self.tags(values, item) } else { self.spans(values, heap, item.text) }
    }

    fn spans<'v>(&self, values: impl Iterator<Item = Value<'v>>, heap: Heap<'v>, text: &str) -> Result<Reply, String> {
        let mut length = None;
        let mut spans = Vec::new();
        for value in values {
            let parts = TupleRef::from_value(value)
                .map(TupleRef::content)
                .or_else(|| ListRef::from_value(value).map(ListRef::content));
            let Some(&[start, end, label]) = parts else {
                return Err(format!("expected a span (start, end, label), found {}", clip(&value.to_repr())));
            };
            let length = *length
                .get_or_insert_with(|| if text.is_ascii() { text.len() as u32 } else { text.chars().count() as u32 });
            let place = |value: Value<'v>| value.unpack_i32().and_then(|place| u32::try_from(place).ok());
            let (Some(start), Some(end)) = (place(start), place(end)) else {
                return Err(format!("expected start and end as whole numbers, found {}", clip(&value.to_repr())));
            };
            if start >= end || end > length {
                return Err(format!(
                    "expected a span of at least one character within the {length} of the text, found {start} to {end}"
                ));
            }
            spans.push(SpanReply { start, end, label: self.label(label, heap)? });
        }
        spans.sort_by_key(|span| (span.start, span.end));
        Ok(Reply::Spans(spans))
    }

    /// A label, `O`, `*`, labels with bars between, or a list of labels.
    fn label<'v>(&self, value: Value<'v>, heap: Heap<'v>) -> Result<SpanLabel, String> {
        if let Some(name) = value.unpack_str() {
            return self.named(name);
        }
        if !matches!(value.get_type(), "list" | "tuple" | "set") {
            return Err(format!("expected a label or a list of labels, found {}", clip(&value.to_repr())));
        }
        let mut classes = Vec::new();
        for name in value.iterate(heap).map_err(|error| error.without_diagnostic().to_string())? {
            let name = name.unpack_str().ok_or_else(|| format!("expected a label, found {}", name.get_type()))?;
            classes.push(self.labels.expect(name).map_err(|error| error.to_string())?);
        }
        if classes.is_empty() {
            return Err("expected at least one label of a span, found none".to_owned());
        }
        Ok(self.labels.one_of(classes))
    }

    fn named(&self, name: &str) -> Result<SpanLabel, String> {
        self.labels.span_label(name).ok_or_else(|| {
            let error = self.labels.expect(name).err().map_or_else(String::new, |error| error.to_string());
            format!("{error}; `O` says that there is no span, `*` that there is some")
        })
    }

    /// Tags, one per token: `None` or an empty text where the function says nothing.
    fn tags<'v>(&self, values: impl Iterator<Item = Value<'v>>, item: &ItemText<'_>) -> Result<Reply, String> {
        let tokens = item.tokens(self.tokenizer);
        let mut tags: Vec<String> = Vec::with_capacity(tokens.len());
        for value in values {
            match value.unpack_str() {
                Some(tag) => tags.push(self.tag(tag)?),
                None if value.is_none() => tags.push(String::new()),
                None => return Err(format!("expected a tag or None, found {}", value.get_type())),
            }
        }
        if tags.len() != tokens.len() {
            return Err(format!("expected {} tags, one per token, found {}", tokens.len(), tags.len()));
        }
        let positions = positions(item.text, &tokens);
        let mut spans = Vec::new();
        if self.kind == TaskKind::Tag {
            for (tag, &(start, end)) in tags.iter().zip(&positions).filter(|(tag, _)| !tag.is_empty()) {
                spans.push(SpanReply { start, end, label: self.named(tag)? });
            }
            return Ok(if spans.is_empty() { Reply::Abstain } else { Reply::Spans(spans) });
        }
        let mut first = 0;
        for run in tags.chunk_by(|left, right| left.is_empty() == right.is_empty()) {
            if !run[0].is_empty() {
                let written: Vec<&str> = run.iter().map(String::as_str).collect();
                let mut add = |start: usize, end: usize, label| {
                    let (start, end) = (positions[first + start].0, positions[first + end - 1].1);
                    spans.push(SpanReply { start, end, label });
                };
                let mut behind = 0;
                for span in read_tags(&written, Scheme::Bio).spans {
                    let (start, end) = (span.start as usize, span.end as usize);
                    if behind < start {
                        add(behind, start, SpanLabel::Nothing);
                    }
                    add(start, end, self.named(span.label)?);
                    behind = end;
                }
                if behind < run.len() {
                    add(behind, run.len(), SpanLabel::Nothing);
                }
            }
            first += run.len();
        }
        Ok(if spans.is_empty() { Reply::Abstain } else { Reply::Spans(spans) })
    }

    /// A tag in the form `B-LABEL`, `I-LABEL` and so on, `O`, or nothing; a label alone is the inside of a span.
    fn tag(&self, tag: &str) -> Result<String, String> {
        if tag.is_empty() || self.kind == TaskKind::Tag || tag == "O" {
            return Ok(tag.to_owned());
        }
        if self.labels.span_label(tag).is_some() {
            return Ok(format!("I-{tag}"));
        }
        match tag.split_once('-') {
            Some(("B" | "I" | "L" | "U" | "E" | "S", label)) => self.named(label).map(|_| tag.to_owned()),
            _ => self.named(tag).map(|_| tag.to_owned()),
        }
    }
}

/// The code points of each token.
pub(super) fn positions(text: &str, tokens: &[Token]) -> Vec<(u32, u32)> {
    if text.is_ascii() {
        return tokens.iter().map(|token| (token.start, token.end)).collect();
    }
    let (mut byte, mut point) = (0, 0);
    let mut to = |next: u32| {
        point += text[byte..next as usize].chars().count() as u32;
        byte = next as usize;
        point
    };
    tokens.iter().map(|token| (to(token.start), to(token.end))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_tokens_are_code_points() {
        let text = "🚀 Zoë flew";
        let tokens = Tokenizer::Words.tokenize(text);
        assert_eq!(positions(text, &tokens), [(0, 1), (2, 5), (6, 10)]);
    }
}
