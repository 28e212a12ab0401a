//! Whether an answer is one to the question that was put, and the form in which it is kept.

use postil_core::record::RecordSchema;
use postil_core::text::{OffsetUnit, Offsets, Tokenizer};
use postil_core::{Answer, Error, Link, LinkKind, Name, Preference, Result, Span, Task, TaskKind};

use crate::Workplace;
use crate::items::Stored;
use crate::wire::{Evidence, Quote};

/// The longest note, in code points.
pub(crate) const LONGEST_NOTE: usize = 10_000;

/// What an answer is checked against.
pub(crate) struct Question<'q> {
    pub(crate) task: &'q Task,
    pub(crate) overlapping: bool,
    pub(crate) links: &'q [LinkKind],
    pub(crate) ties: bool,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) item: &'q Stored,
}

impl<'q> Question<'q> {
    /// The question of a workplace about an item.
    pub(crate) fn of(place: &'q Workplace, item: &'q Stored) -> Self {
        Self {
            task: &place.task,
            overlapping: place.overlapping,
            links: &place.links,
            ties: place.ties,
            tokenizer: place.columns.tokenizer,
            item,
        }
    }

    /// Checks an answer: its kind, its labels, its places against the text. Sets come back in class order, spans in the
    /// order of the text.
    pub(crate) fn accept(&self, answer: Answer) -> Result<Answer> {
        if matches!(answer, Answer::Abstain | Answer::Candidates { .. } | Answer::Distribution { .. }) {
            return Err(Error::task(format!("expected an answer of a person, found {}", answer.kind_name())));
        }
        self.task.accept(&answer)?;
        Ok(match answer {
            Answer::Class { label } => match self.task.kind {
                TaskKind::Multilabel => Answer::Set { labels: vec![label] },
                TaskKind::Ordinal => Answer::Ordinal { label, score: None },
                _ => Answer::Class { label },
            },
            Answer::Set { mut labels } => {
                labels.sort_by_key(|label| self.task.labels.class(label));
                labels.dedup();
                Answer::Set { labels }
            }
            Answer::Tags { tags } => {
                let tokens = self.item.tokens(self.tokenizer).len();
                if tags.len() != tokens {
                    return Err(Error::task(format!("expected {tokens} tags, one per token, found {}", tags.len())));
                }
                Answer::Tags { tags }
            }
            Answer::Spans { spans, links } => {
                let before = spans.clone();
                let spans = self.spans(spans)?;
                let links = self.links(links, &before, &spans)?;
                Answer::Spans { spans, links }
            }
            Answer::Preference { choice, .. } => {
                if choice == Preference::Tie && !self.ties {
                    return Err(Error::task("expected `left` or `right`, found `tie`")
                        .hint("in this project one of both must be chosen"));
                }
                Answer::Preference { choice, orders: None }
            }
            Answer::Record { mut fields, evidence, .. } => {
                // Equal values are written the same way, whoever gave them.
                let known = self.task.labels.schema().map_or(&[][..], RecordSchema::fields);
                if let Some(name) = fields.keys().find(|name| !known.iter().any(|field| *field.name == ***name)) {
                    return Err(Error::task(format!("expected a field of the schema, found `{name}`")));
                }
                for field in known {
                    let wrong = |reason| Error::task(format!("field `{}`: {reason}", field.name));
                    match fields.get_mut(&*field.name).filter(|value| !value.is_null()) {
                        Some(value) => *value = field.kind.read(value).map_err(wrong)?,
                        None if field.nullable => {}
                        None => return Err(wrong("expected a value, found none".to_owned())),
                    }
                }
                Answer::Record { fields, evidence: self.quoted(evidence)?, rejected: Vec::new() }
            }
            other => other,
        })
    }

    /// Quotes that stand where they say; those of different fields may overlap.
    fn quoted(&self, spans: Vec<Span>) -> Result<Vec<Span>> {
        let offsets = Offsets::new(self.item.text());
        for span in &spans {
            quoted(self.item.text(), &offsets, span.start, span.end, &span.quote)?;
        }
        Ok(spans)
    }

    fn spans(&self, mut spans: Vec<Span>) -> Result<Vec<Span>> {
        let offsets = Offsets::new(self.item.text());
        for span in &spans {
            self.task.labels.expect(&span.label)?;
            quoted(self.item.text(), &offsets, span.start, span.end, &span.quote)?;
        }
        let labels = &self.task.labels;
        spans.sort_by_key(|span| (span.start, span.end, labels.class(&span.label)));
        spans.dedup();
        for (place, span) in spans.iter().enumerate() {
            let overlap = spans[..place]
                .iter()
                .find(|other| other.end > span.start && (!self.overlapping || other.label == span.label));
            if let Some(other) = overlap {
                return Err(Error::task(format!(
                    "expected spans that do not overlap, found `{}` ({}-{}) and `{}` ({}-{})",
                    other.quote, other.start, other.end, span.quote, span.start, span.end
                ))
                .hint(if self.overlapping {
                    "spans of the same label may not overlap"
                } else {
                    "`task.overlapping = true` allows it for different labels"
                }));
            }
        }
        Ok(spans)
    }

    /// Checks links, and turns them from places among the spans as they were given to places among those in order.
    fn links(&self, links: Vec<Link>, before: &[Span], spans: &[Span]) -> Result<Vec<Link>> {
        let place = |link: u32| {
            let span = before.get(link as usize);
            let place = span.and_then(|span| spans.iter().position(|other| other == span));
            place.map(|place| place as u32).ok_or_else(|| {
                Error::task(format!("expected a link between the {} spans, found span {link}", before.len()))
            })
        };
        let mut placed = Vec::with_capacity(links.len());
        for Link { from, to, kind } in links {
            let known = self.links.iter().find(|one| one.kind == kind).ok_or_else(|| {
                let kinds: Vec<String> = self.links.iter().map(|one| format!("`{}`", one.kind)).collect();
                let kinds =
                    if kinds.is_empty() { "no links".to_owned() } else { format!("one of {}", kinds.join(", ")) };
                Error::task(format!("expected {kinds}, found a link `{kind}`"))
                    .hint("`task.links` in the project file names the kinds")
            })?;
            let (from, to) = (place(from)?, place(to)?);
            let label = |place: u32| &*spans[place as usize].label;
            if from == to || !known.joins(label(from), label(to)) {
                return Err(Error::task(format!(
                    "expected spans that a link `{kind}` may join, found `{}` and `{}`",
                    label(from),
                    label(to)
                )));
            }
            placed.push(Link { from, to, kind });
        }
        placed.sort();
        placed.dedup();
        Ok(placed)
    }

    /// Checks an answer with the quotes that show it; a record keeps them.
    pub(crate) fn accept_with(&self, answer: Option<Answer>, evidence: Option<&Evidence>) -> Result<Option<Answer>> {
        let mut answer = answer.map(|answer| self.accept(answer)).transpose()?;
        if let Some(evidence) = evidence {
            let spans = self.evidence(evidence)?;
            if let Some(Answer::Record { evidence, .. }) = &mut answer {
                *evidence = spans;
            }
        }
        Ok(answer)
    }

    /// Checks that quotes stand where they are said to stand, and gives those of each field of a record.
    fn evidence(&self, evidence: &Evidence) -> Result<Vec<Span>> {
        // What stands for a part of a field stands for the field.
        let field = |path: &str| Name::from(path.split('/').next().unwrap_or(path));
        let span = |(path, one): (&String, &Quote)| Span {
            start: one.start,
            end: one.end,
            label: field(path),
            quote: one.quote.clone(),
        };
        self.quoted(evidence.iter().flat_map(|(path, all)| all.iter().map(move |one| (path, one))).map(span).collect())
    }
}

fn quoted(text: &str, offsets: &Offsets<'_>, start: u32, end: u32, quote: &str) -> Result<()> {
    let byte = |place| offsets.byte_of(OffsetUnit::CodePoints, place);
    let (Some(from), Some(to)) = (byte(start), byte(end)) else {
        return Err(Error::task(format!(
            "expected places within the text of {} code points, found {start}-{end}",
            offsets.len(OffsetUnit::CodePoints)
        )));
    };
    if from >= to {
        return Err(Error::task(format!("expected a start before the end, found {start}-{end}")));
    }
    if &text[from..to] != quote {
        return Err(Error::task(format!(
            "expected the text's own words at {start}-{end}, `{}`, found `{quote}`",
            &text[from..to]
        ))
        .hint("places are Unicode code points, not UTF-16 units"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use postil_core::LabelSet;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn ask<T>(kind: TaskKind, text: &str, schema: Option<&Value>, then: impl FnOnce(&Question<'_>) -> T) -> T {
        let labels = match schema {
            Some(schema) => LabelSet::of_fields(RecordSchema::parse(&schema.to_string()).unwrap()).unwrap(),
            None => LabelSet::flat(["a", "b"]).unwrap(),
        };
        let task = Task { kind, labels, guidelines: None };
        let item: Stored = serde_json::from_value(json!({ "id": "i", "text": text })).unwrap();
        let tokenizer = Tokenizer::Words;
        then(&Question { task: &task, overlapping: false, links: &[], ties: false, tokenizer, item: &item })
    }

    fn span(start: u32, end: u32, quote: &str) -> Span {
        Span { start, end, label: "a".into(), quote: quote.to_owned() }
    }

    #[test]
    fn spans_are_held_against_the_text_in_code_points() {
        let text = "👩‍👩‍👧 é שלום b";
        ask(TaskKind::Spans, text, None, |question| {
            let kept = question.accept(Answer::spans(vec![span(8, 12, "שלום"), span(0, 5, "👩‍👩‍👧")]));
            let expected = Answer::spans(vec![span(0, 5, "👩‍👩‍👧"), span(8, 12, "שלום")]);
            assert_eq!(kept.unwrap(), expected);
            for wrong in [span(9, 13, "שלום"), span(3, 3, ""), span(0, 99, "x"), span(4, 2, "x")] {
                assert!(question.accept(Answer::spans(vec![wrong])).unwrap_err().is_task());
            }
            let overlapping = vec![span(0, 5, "👩‍👩‍👧"), span(4, 5, "👧")];
            assert!(question.accept(Answer::spans(overlapping)).unwrap_err().to_string().contains("overlap"));
        });
    }

    #[test]
    fn tags_are_one_per_token_and_labels_are_those_of_the_task() {
        ask(TaskKind::Tag, "yaar party", None, |question| {
            let tags = |tags: &[&str]| Answer::Tags { tags: tags.iter().map(|&tag| tag.into()).collect() };
            assert!(question.accept(tags(&["a", "b"])).is_ok());
            assert!(question.accept(tags(&["a"])).is_err() && question.accept(tags(&["a", "c"])).is_err());
        });
        ask(TaskKind::Multilabel, "x", None, |question| {
            let set = Answer::Set { labels: vec!["b".into(), "a".into(), "b".into()] };
            assert_eq!(question.accept(set).unwrap(), Answer::Set { labels: vec!["a".into(), "b".into()] });
            assert!(question.accept(Answer::Abstain).is_err());
        });
    }

    #[test]
    fn records_fit_their_schema() {
        let schema = json!({ "type": "object", "required": ["price"], "additionalProperties": false, "properties": {
            "price": { "type": ["number", "null"], "minimum": 0 }, "unit": { "enum": ["EUR", "USD"] },
            "lines": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } } } });
        ask(TaskKind::Extract, "x", Some(&schema), |question| {
            let record = |value: Value| Answer::Record {
                fields: value.as_object().unwrap().clone(),
                evidence: Vec::new(),
                rejected: Vec::new(),
            };
            for right in [
                json!({ "price": 3.5, "lines": [{ "n": 2 }] }),
                json!({ "price": null }),
                json!({}),
                json!({ "unit": null, "lines": [] }),
            ] {
                assert!(question.accept(record(right.clone())).is_ok(), "{right}");
            }
            // What somebody writes is kept in the one way in which values are compared.
            let Ok(Answer::Record { fields, .. }) =
                question.accept(record(json!({ "price": "1,250.0 €", "unit": "eur" })))
            else {
                panic!("a number in words of people, and a choice without its capitals");
            };
            assert_eq!(Value::Object(fields), json!({ "price": 1250, "unit": "EUR" }));
            for wrong in [
                json!({ "price": "three" }),
                json!({ "price": -1 }),
                json!({ "price": null, "unit": "GBP" }),
                json!({ "price": 1, "more": 1 }),
                json!({ "price": 1, "lines": [{ "n": 1.5 }] }),
                json!({ "price": 1, "lines": [{ "m": 1 }] }),
            ] {
                assert!(question.accept(record(wrong.clone())).is_err(), "{wrong}");
            }
        });
    }

    proptest! {
        #[test]
        fn whatever_places_are_sent_nothing_panics(text in "\\PC{0,20}", start: u32, end in 0_u32..30, quote in "\\PC{0,4}") {
            ask(TaskKind::Spans, &text, None, |question| {
                let _ = question.accept(Answer::spans(vec![span(start % 30, end, &quote)]));
            });
        }
    }
}
