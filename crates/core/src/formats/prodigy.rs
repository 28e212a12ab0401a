//! Prodigy's JSON lines.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::json::{Row, kind, list, position, span_of, string, take_id};
use super::plain::token_places;
use super::remarks::RemarkKind;
use super::settle::{RawSpan, exact, settle};
use super::writer::ANSWER;
use crate::document::Document;
use crate::hash::Digest;
use crate::text::{OffsetUnit, Token};

/// The answers seen so far, by task and annotator.
#[derive(Default)]
pub(super) struct Memory(HashSet<u64>);

/// Reads a task. Everything but text, tokens, spans and labels stays in the metadata, the answer and the hashes too.
pub(super) fn read(mut object: Map<String, Value>, row: &mut Row<'_>, memory: &mut Memory) -> Result<Document, String> {
    let mut document =
        Document { id: take_id(&mut object, "id")?, text: row.take_text(&mut object)?, ..Document::default() };
    if let Some(task) = object.get("_task_hash") {
        let annotator =
            ["_annotator_id", "_session_id"].iter().find_map(|key| object.get(*key)).and_then(Value::as_str);
        let annotator = annotator.unwrap_or("");
        let key = Digest::of_parts([task.to_string().as_bytes(), annotator.as_bytes()]).to_u64();
        if !memory.0.insert(key) {
            let detail = || format!("task {task} by `{annotator}`");
            row.report.remarks.add(RemarkKind::RepeatedAnswer, &row.name, row.line, detail);
        }
    }
    let mut units = OffsetUnit::ALL.to_vec();
    if let Some(tokens) = object.shift_remove("tokens") {
        let unit = place_tokens(&mut document, tokens, row.options.unit)?;
        units.retain(|other| *other != unit);
        units.insert(0, unit);
    }
    if let Some(spans) = object.shift_remove("spans") {
        let spans = list(spans, "spans")?;
        let mut raw = Vec::with_capacity(spans.len());
        for span in &spans {
            let Value::Object(span) = span else { return Err(format!("expected a span, found {}", kind(span))) };
            check_tokens(span, &document)?;
            raw.push(span_of(span, "start", "end", &["text", "quote"])?);
        }
        row.settle(&mut document, raw, &units)?;
    }
    match object.shift_remove("accept") {
        Some(Value::Array(labels)) => {
            for label in &labels {
                document.labels.push(string(label, "a label")?);
            }
        }
        Some(other) => return Err(format!("expected a list in `accept`, found {}", kind(&other))),
        None => {}
    }
    if let Some(Value::String(label)) = object.get("label") {
        document.labels.push(label.as_str().into());
        object.shift_remove("label");
    }
    document.meta = object;
    Ok(document)
}

/// The tokens, in whatever unit their texts are found in.
fn place_tokens(document: &mut Document, tokens: Value, only: Option<OffsetUnit>) -> Result<OffsetUnit, String> {
    let tokens = list(tokens, "tokens")?;
    let raw = tokens
        .iter()
        .map(|token| {
            let quote = token.get("text").and_then(Value::as_str).map(str::to_owned);
            let (start, end) = (position(token.get("start"), "start")?, position(token.get("end"), "end")?);
            Ok(RawSpan { start, end, label: "token".into(), quote })
        })
        .collect::<Result<Vec<_>, String>>()?;
    let units = only.map_or(OffsetUnit::ALL.to_vec(), |unit| vec![unit]);
    let settled = settle(&document.text, raw, &units, exact)?;
    let offsets = crate::text::Offsets::new(&document.text);
    let byte = |place| offsets.byte_of(OffsetUnit::CodePoints, place).unwrap_or(0) as u32;
    let tokens: Vec<Token> =
        settled.spans.iter().map(|token| Token { start: byte(token.start), end: byte(token.end) }).collect();
    if tokens.windows(2).any(|pair| pair[1].start < pair[0].end) {
        return Err("expected tokens in the order of the text, found overlapping ones".to_owned());
    }
    document.tokens = tokens;
    Ok(settled.unit.or(only).unwrap_or_default())
}

/// `token_end` is inclusive, so it is the position of a token.
fn check_tokens(span: &Map<String, Value>, document: &Document) -> Result<(), String> {
    let (Some(first), Some(last)) = (span.get("token_start"), span.get("token_end")) else { return Ok(()) };
    if document.tokens.is_empty() || first.is_null() || last.is_null() {
        return Ok(());
    }
    let (first, last) = (position(Some(first), "token_start")?, position(Some(last), "token_end")?);
    let tokens = document.tokens.len() as u64;
    if first > last || last >= tokens {
        return Err(format!("expected `token_start` to `token_end` within {tokens} tokens, found {first} to {last}"));
    }
    Ok(())
}

pub(super) fn write(document: &Document) -> Value {
    let mut object = Map::new();
    if !document.id.is_empty() {
        object.insert("id".to_owned(), (&*document.id).into());
    }
    object.insert("text".to_owned(), document.text.as_str().into());
    let places = token_places(document);
    if !places.is_empty() {
        let tokens = places.iter().enumerate().map(|(id, &(start, end))| {
            let token = document.tokens[id];
            let next = document.tokens.get(id + 1).map_or(document.text.len(), |next| next.start as usize);
            let space = &document.text[token.end as usize..next];
            let text = token.of(&document.text);
            json!({ "text": text, "start": start, "end": end, "id": id, "ws": !space.is_empty() })
        });
        object.insert("tokens".to_owned(), tokens.collect());
    }
    let spans = document.spans.iter().map(|span| {
        let mut object = Map::new();
        object.insert("start".to_owned(), span.start.into());
        object.insert("end".to_owned(), span.end.into());
        let first = places.partition_point(|place| place.1 <= span.start);
        let last = places.partition_point(|place| place.0 < span.end);
        if first < last {
            object.insert("token_start".to_owned(), first.into());
            object.insert("token_end".to_owned(), (last - 1).into());
        }
        object.insert("label".to_owned(), (&*span.label).into());
        object.insert("text".to_owned(), span.quote.as_str().into());
        Value::Object(object)
    });
    object.insert("spans".to_owned(), spans.collect());
    let labels = document.labels.iter().map(|label| Value::from(&**label));
    if document.labels.len() == 1 && !document.meta.contains_key("options") {
        object.extend(labels.map(|label| ("label".to_owned(), label)));
    } else if !document.labels.is_empty() {
        object.insert("accept".to_owned(), labels.collect());
    }
    for (key, value) in &document.meta {
        object.entry(key.as_str()).or_insert_with(|| value.clone());
    }
    match document.meta.get(ANSWER).and_then(Value::as_str) {
        Some("missing") => drop(object.shift_remove(ANSWER)),
        Some(_) => {}
        None => drop(object.insert(ANSWER.to_owned(), "accept".into())),
    }
    Value::Object(object)
}
