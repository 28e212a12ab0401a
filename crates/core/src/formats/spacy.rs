//! spaCy's training examples: a text and its annotations.

use serde_json::{Map, Value, json};

use super::doccano::{categories, triples};
use super::json::{Row, kind, list, span_of};
use super::plain::triple;
use super::writer::{Out, flat_spans};
use crate::document::Document;
use crate::text::OffsetUnit;

/// The key of overlapping spans, as spaCy's span categoriser has it.
const SPAN_KEY: &str = "sc";

pub(super) fn read(pair: Vec<Value>, row: &mut Row<'_>) -> Result<Document, String> {
    let found = pair.len();
    let mut parts = pair.into_iter();
    let (Some(Value::String(text)), Some(annotations), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("expected a text and its annotations, found a list of {found}"));
    };
    let mut annotations = match annotations {
        Value::Object(annotations) => annotations,
        other => return Err(format!("expected annotations as an object, found {}", kind(&other))),
    };
    let mut document = Document { text, ..Document::default() };
    let mut raw = Vec::new();
    // Where all spans stand under a key, the entities are those of them that do not overlap.
    let keyed = match annotations.get_mut("spans") {
        Some(Value::Object(keys)) => keys.shift_remove(SPAN_KEY),
        _ => None,
    };
    if annotations.get("spans").and_then(Value::as_object).is_some_and(Map::is_empty) {
        annotations.shift_remove("spans");
    }
    let entities = annotations.shift_remove("entities");
    for entity in list(keyed.or(entities).unwrap_or(Value::Null), "entities")? {
        raw.push(match &entity {
            Value::Array(parts) => triple(parts)?,
            Value::Object(object) => span_of(object, "start", "end", &["text"])?,
            other => return Err(format!("expected an entity, found {}", kind(other))),
        });
    }
    row.settle(&mut document, raw, &OffsetUnit::ALL)?;
    match annotations.shift_remove("cats") {
        Some(Value::Object(weights)) => categories(&mut document, &weights, row)?,
        Some(other) => return Err(format!("expected `cats` as an object, found {}", kind(&other))),
        None => {}
    }
    document.meta = annotations;
    Ok(document)
}

pub(super) fn write(document: &Document, out: &mut Out<'_>) -> Value {
    let mut annotations = Map::new();
    let flat = flat_spans(&document.spans);
    let overlaps = flat.len() < document.spans.len();
    annotations.insert("entities".to_owned(), triples(flat));
    if overlaps {
        annotations.insert("spans".to_owned(), json!({ SPAN_KEY: triples(document.spans.iter().collect()) }));
    }
    if !document.labels.is_empty() {
        let weights = document.labels.iter().map(|label| (label.to_string(), json!(1.0)));
        annotations.insert("cats".to_owned(), Value::Object(weights.collect()));
    }
    out.drops_id(document);
    out.drops_meta(document, &[]);
    json!([document.text, annotations])
}
