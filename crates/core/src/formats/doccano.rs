//! doccano's JSON lines, and spaCy's objects, which are alike.

use serde_json::{Map, Value, json};

use super::json::{Row, kind, position, span_of, string, take_id};
use super::plain::triple;
use super::remarks::RemarkKind;
use super::settle::{RawSpan, places_of};
use super::writer::Out;
use crate::answer::{Link, Span};
use crate::document::Document;
use crate::text::OffsetUnit;

/// Keys with a meaning, which metadata cannot have.
const KEYS: [&str; 7] = ["id", "text", "label", "labels", "entities", "cats", "spans"];
/// Where the ids of entities that relations refer to are kept.
const ENTITY_IDS: &str = "entity_ids";

pub(super) fn read(mut object: Map<String, Value>, row: &mut Row<'_>) -> Result<Document, String> {
    let id = take_id(&mut object, "id")?;
    let text = row.take_text(&mut object)?;
    let mut document = Document { id, text, ..Document::default() };
    let mut raw = Vec::new();
    let mut ids = Vec::new();
    for key in ["label", "labels", "entities", "spans", "cats"] {
        match object.shift_remove(key) {
            None | Some(Value::Null) => {}
            Some(Value::Array(list)) => {
                for entry in &list {
                    match entry {
                        Value::String(label) => document.labels.push(label.as_str().into()),
                        Value::Array(parts) => raw.push(triple(parts)?),
                        Value::Object(entity) => {
                            raw.push(entity_of(entity)?);
                            ids.extend(entity.get("id").cloned());
                        }
                        other => return Err(format!("expected labels or spans in `{key}`, found {}", kind(other))),
                    }
                }
            }
            Some(Value::Object(weights)) if key == "cats" => categories(&mut document, &weights, row)?,
            Some(label @ Value::String(_)) => document.labels.push(string(&label, "a label")?),
            Some(Value::Number(label)) => document.labels.push(label.to_string().into()),
            Some(other) => return Err(format!("expected labels or spans in `{key}`, found {}", kind(&other))),
        }
    }
    let places = places_of(&raw);
    row.settle(&mut document, raw, &OffsetUnit::ALL)?;
    if ids.len() == places.len()
        && let Some(Value::Array(relations)) = object.get("relations")
    {
        let place = |id: Option<&Value>| places[ids.iter().position(|one| Some(one) == id)?];
        let link = |relation: &Value| {
            let kind = relation.get("type").or_else(|| relation.get("label"))?.as_str()?;
            Some(Link { from: place(relation.get("from_id"))?, to: place(relation.get("to_id"))?, kind: kind.into() })
        };
        let links: Vec<Option<Link>> = relations.iter().map(link).collect();
        let rest: Vec<Value> =
            relations.iter().zip(&links).filter(|(_, link)| link.is_none()).map(|(one, _)| one.clone()).collect();
        document.links = links.into_iter().flatten().collect();
        object.shift_remove("relations");
        if !rest.is_empty() {
            object.insert("relations".to_owned(), Value::Array(rest));
        }
        let ids: Vec<Value> =
            ids.into_iter().zip(&places).filter(|(_, place)| place.is_some()).map(|(id, _)| id).collect();
        object.insert(ENTITY_IDS.to_owned(), Value::Array(ids));
    }
    document.meta = object;
    Ok(document)
}

fn entity_of(entity: &Map<String, Value>) -> Result<RawSpan, String> {
    if entity.contains_key("start_offset") {
        return span_of(entity, "start_offset", "end_offset", &["text"]);
    }
    position(entity.get("start"), "start_offset")?;
    span_of(entity, "start", "end", &["text", "quote"])
}

/// spaCy's categories: a weight for each.
pub(super) fn categories(
    document: &mut Document,
    weights: &Map<String, Value>,
    row: &mut Row<'_>,
) -> Result<(), String> {
    let mut graded = false;
    for (label, weight) in weights {
        let weight = match weight {
            Value::Bool(holds) => f64::from(u8::from(*holds)),
            other => other.as_f64().ok_or_else(|| format!("expected a weight for `{label}`, found {}", kind(other)))?,
        };
        graded |= weight != 0.0 && weight != 1.0;
        if weight >= 0.5 {
            document.labels.push(label.as_str().into());
        }
    }
    if graded {
        let name = if document.id.is_empty() { row.name.as_str() } else { &*document.id };
        row.report.remarks.add(RemarkKind::WeightedLabels, name, row.line, || Value::from(weights.clone()).to_string());
    }
    Ok(())
}

pub(super) fn write(document: &Document, out: &mut Out<'_>) -> Value {
    let mut object = Map::new();
    if !document.id.is_empty() {
        object.insert("id".to_owned(), number_or_string(&document.id));
    }
    object.insert("text".to_owned(), document.text.as_str().into());
    let ids = document.meta.get(ENTITY_IDS).and_then(Value::as_array).filter(|ids| ids.len() == document.spans.len());
    let numbered: Vec<Value> = (1..=document.spans.len()).map(Value::from).collect();
    let ids = ids.or_else(|| (!document.links.is_empty()).then_some(&numbered));
    if let Some(ids) = ids {
        let entities = document.spans.iter().zip(ids).map(
            |(span, id)| json!({ "id": id, "label": &*span.label, "start_offset": span.start, "end_offset": span.end }),
        );
        object.insert("entities".to_owned(), entities.collect());
    } else if document.spans.is_empty() && !document.labels.is_empty() {
        object.insert("label".to_owned(), document.labels.iter().map(|label| Value::from(&**label)).collect());
    } else {
        object.insert("label".to_owned(), triples(document.spans.iter().collect()));
    }
    if let (Some(ids), false) = (ids, document.links.is_empty()) {
        let mut relations: Vec<Value> =
            document.meta.get("relations").and_then(Value::as_array).cloned().unwrap_or_default();
        let first = relations.iter().filter_map(|one| one.get("id")?.as_u64()).max().map_or(0, |last| last + 1);
        relations.extend((first..).zip(&document.links).map(|(id, link)| {
            let (from, to) = (&ids[link.from as usize], &ids[link.to as usize]);
            json!({ "id": id, "from_id": from, "to_id": to, "type": &*link.kind })
        }));
        object.insert("relations".to_owned(), relations.into());
    }
    if !document.labels.is_empty() && !document.spans.is_empty() {
        object.insert("cats".to_owned(), document.labels.iter().map(|label| Value::from(&**label)).collect());
    }
    let mut clashes = Vec::new();
    for (key, value) in &document.meta {
        if KEYS.contains(&key.as_str()) {
            clashes.push(key.as_str());
        } else if !(object.contains_key(key) || ids.is_some() && key == ENTITY_IDS) {
            object.insert(key.clone(), value.clone());
        }
    }
    if !clashes.is_empty() {
        out.remark(RemarkKind::MetadataDropped, || clashes.join(", "));
    }
    Value::Object(object)
}

/// Spans as start, end and label, in the order of the text.
pub(super) fn triples(mut spans: Vec<&Span>) -> Value {
    spans.sort_by_key(|span| (span.start, span.end));
    spans.into_iter().map(|span| json!([span.start, span.end, &*span.label])).collect()
}

/// An id as a number, if it is one and nothing is lost by it.
pub(super) fn number_or_string(id: &str) -> Value {
    match id.parse::<u64>() {
        Ok(number) if number.to_string() == id => number.into(),
        _ => id.into(),
    }
}
