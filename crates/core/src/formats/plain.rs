//! Postil's own JSON lines.

use serde_json::{Map, Value, json};

use super::build::{Builder, Names, place_words};
use super::json::{Row, kind, list, position, span_of, string, take_id};
use super::remarks::RemarkKind;
use super::settle::{RawSpan, places_of};
use super::writer::Out;
use crate::answer::{Link, Span};
use crate::document::{Document, Layer};
use crate::text::{OffsetUnit, Offsets, Scheme, Token, detect};

pub(super) fn read(mut object: Map<String, Value>, row: &mut Row<'_>) -> Result<Document, String> {
    let id = take_id(&mut object, "id")?;
    let tags = ["tags", "ner_tags"].iter().find_map(|key| object.shift_remove(*key));
    let field = row.options.text_field.as_deref().unwrap_or("text");
    let mut document = match (object.shift_remove("tokens"), object.contains_key(field)) {
        (Some(tokens), has_text) if holds_strings(&tokens) => {
            let words = names(tokens, "tokens")?;
            let text = if has_text { Some(row.take_text(&mut object)?) } else { None };
            from_words(&words, text, tags, row)?
        }
        (tokens, _) => {
            let text = row.take_text(&mut object)?;
            let mut document = Document { text, ..Document::default() };
            document.tokens = tokens.map_or(Ok(Vec::new()), |tokens| places(&document.text, tokens))?;
            if let Some(tags) = tags {
                return Err(format!("expected `tokens` as strings beside tags, found {} alone", kind(&tags)));
            }
            document
        }
    };
    document.id = id;
    if let Some(sentences) = object.shift_remove("sentences") {
        document.sentences = ends(sentences, document.tokens.len())?;
    }
    if let Some(layers) = object.shift_remove("layers") {
        let Value::Object(layers) = layers else {
            return Err(format!("expected an object of layers, found {}", kind(&layers)));
        };
        for (name, tags) in layers {
            let tags = names(tags, "tags")?;
            if tags.len() != document.tokens.len() {
                let tokens = document.tokens.len();
                return Err(format!(
                    "expected {tokens} tags in the layer `{name}`, one per token, found {}",
                    tags.len()
                ));
            }
            let tags = tags.iter().map(|tag| tag.as_str().into()).collect();
            document.layers.push(Layer { name: name.into(), tags });
        }
    }
    for key in ["labels", "label"] {
        match object.shift_remove(key) {
            Some(Value::Array(labels)) => {
                for label in &labels {
                    document.labels.push(string(label, "a label")?);
                }
            }
            Some(Value::String(label)) => document.labels.push(label.into()),
            None | Some(Value::Null) => {}
            Some(other) => return Err(format!("expected labels in `{key}`, found {}", kind(&other))),
        }
    }
    if let Some(spans) = object.shift_remove("spans") {
        let spans = list(spans, "spans")?;
        let raw = spans
            .iter()
            .map(|span| match span {
                Value::Object(span) => span_of(span, "start", "end", &["quote", "text"]),
                Value::Array(parts) => triple(parts),
                other => Err(format!("expected a span as an object, found {}", kind(other))),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let before = std::mem::take(&mut document.spans);
        if spans.iter().any(|span| span.get("confidence").is_some()) {
            document.confidences = vec![1.0; before.len()];
            for (span, raw) in spans.iter().zip(&raw) {
                let sure = confidence(span.get("confidence"))?;
                // Empty spans are left out.
                document.confidences.extend((raw.start != raw.end).then_some(sure));
            }
        }
        let places = places_of(&raw);
        row.settle(&mut document, raw, &OffsetUnit::ALL)?;
        let first = before.len() as u32;
        document.spans.splice(0..0, before);
        if let Some(links) = object.shift_remove("links") {
            for link in list(links, "links")? {
                let end = |key: &str| -> Result<Option<u32>, String> {
                    let place = position(link.get(key), key)?;
                    places.get(place as usize).copied().ok_or_else(|| {
                        format!("expected a link between the {} spans, found `{key}` {place}", places.len())
                    })
                };
                let kind = string(link.get("kind").unwrap_or(&Value::Null), "a `kind` of link")?;
                // A link of an empty span goes with it.
                if let (Some(from), Some(to)) = (end("from")?, end("to")?) {
                    document.links.push(Link { from: first + from, to: first + to, kind });
                }
            }
        }
    }
    match object.shift_remove("meta") {
        Some(Value::Object(meta)) => document.meta = meta,
        Some(other) => drop(document.meta.insert("meta".to_owned(), other)),
        None => {}
    }
    for (key, value) in object {
        document.meta.entry(key).or_insert(value);
    }
    Ok(document)
}

/// A span as start, end and label.
pub(super) fn triple(parts: &[Value]) -> Result<RawSpan, String> {
    let [start, end, label, ..] = parts else {
        return Err(format!("expected a span as start, end and label, found {} parts", parts.len()));
    };
    Ok(RawSpan {
        start: position(Some(start), "start")?,
        end: position(Some(end), "end")?,
        label: string(label, "a label")?,
        quote: None,
    })
}

/// How sure the source is of a span: wholly where it does not say.
fn confidence(value: Option<&Value>) -> Result<f32, String> {
    match value {
        None | Some(Value::Null) => Ok(1.0),
        Some(value) => value
            .as_f64()
            .filter(|sure| (0.0..=1.0).contains(sure))
            .map(|sure| sure as f32)
            .ok_or_else(|| format!("expected a `confidence` from 0 to 1, found {value}")),
    }
}

fn holds_strings(tokens: &Value) -> bool {
    tokens.as_array().and_then(|list| list.first()).is_some_and(Value::is_string)
}

fn names(value: Value, what: &str) -> Result<Vec<String>, String> {
    list(value, what)?
        .into_iter()
        .map(|value| match value {
            Value::String(text) => Ok(text),
            other => Err(format!("expected {what} as strings, found {}", kind(&other))),
        })
        .collect()
}

/// A document of words, with the text they come from, if it is known, and tags, if there are any.
fn from_words(
    words: &[String],
    text: Option<String>,
    tags: Option<Value>,
    row: &mut Row<'_>,
) -> Result<Document, String> {
    let mut builder = Builder::default();
    let mut known = Names::default();
    for word in words {
        if word.is_empty() {
            return Err("expected tokens, found an empty one".to_owned());
        }
        builder.spaced_token(word)?;
    }
    if let Some(tags) = tags {
        let tags = names(tags, "tags")?;
        if tags.len() != words.len() {
            return Err(format!("expected {} tags, one per token, found {}", words.len(), tags.len()));
        }
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let scheme = match row.options.scheme.unwrap_or_else(|| detect([&tags])) {
            Scheme::Io => Scheme::Iob1,
            scheme => scheme,
        };
        for repair in builder.tags(&tags, scheme, &mut known) {
            let detail = || format!("`{}`: {}", repair.tag, repair.what);
            row.report.remarks.add(RemarkKind::BrokenTag, &row.name, row.line, detail);
        }
    }
    match text {
        Some(text) if !builder.place_on(&text) => Err("expected tokens that make up the text, found others".to_owned()),
        Some(_) => Ok(builder.finish(&mut known)),
        None => {
            row.report.remarks.add(RemarkKind::TextFromTokens, &row.name, row.line, String::new);
            Ok(builder.finish(&mut known))
        }
    }
}

/// Tokens as pairs of places in code points.
fn places(text: &str, tokens: Value) -> Result<Vec<Token>, String> {
    let offsets = Offsets::new(text);
    let mut end_before = 0;
    list(tokens, "tokens")?
        .iter()
        .map(|token| {
            let pair = match token {
                Value::Array(pair) if pair.len() == 2 => (Some(&pair[0]), Some(&pair[1])),
                Value::Object(object) => (object.get("start"), object.get("end")),
                other => return Err(format!("expected a token as a pair of places, found {}", kind(other))),
            };
            let (start, end) = (position(pair.0, "start")?, position(pair.1, "end")?);
            let byte = |place: u64| offsets.byte_of(OffsetUnit::CodePoints, u32::try_from(place).ok()?);
            match (byte(start), byte(end)) {
                (Some(from), Some(to)) if from < to && from >= end_before => {
                    end_before = to;
                    Ok(Token { start: from as u32, end: to as u32 })
                }
                _ => Err(format!("expected tokens in the order of the text and within it, found {start} to {end}")),
            }
        })
        .collect()
}

/// The tokens of a text, given as JSON: strings in the order of the text, or pairs of places in code points.
///
/// # Errors
/// It is neither, or they do not make up the text.
pub fn given_tokens(text: &str, json: &str) -> Result<Vec<Token>, String> {
    let value: Value =
        serde_json::from_str(json).map_err(|error| format!("expected tokens as a JSON list: {error}"))?;
    if !holds_strings(&value) {
        return places(text, value);
    }
    let words = names(value, "tokens")?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    place_words(text, &words).ok_or_else(|| "expected tokens that make up the text, found others".to_owned())
}

/// Ends of sentences: ascending, the last that of the last token.
fn ends(sentences: Value, tokens: usize) -> Result<Vec<u32>, String> {
    let mut last = 0;
    let ends = list(sentences, "ends of sentences")?
        .iter()
        .map(|end| {
            let end = position(Some(end), "sentences")?;
            if end <= last || end > tokens as u64 {
                return Err(format!("expected sentences that end after {last} and by {tokens}, found {end}"));
            }
            last = end;
            Ok(end as u32)
        })
        .collect::<Result<Vec<u32>, String>>()?;
    if last as usize == tokens {
        Ok(ends)
    } else {
        Err(format!("expected the last sentence to end at {tokens}, found {last}"))
    }
}

pub(super) fn write(document: &Document, out: &Out<'_>) -> Value {
    let mut object = Map::new();
    let id = if document.id.is_empty() { out.name.as_str() } else { &*document.id };
    object.insert("id".to_owned(), id.into());
    object.insert("text".to_owned(), document.text.as_str().into());
    let mut spans: Vec<Value> = document.spans.iter().map(span).collect();
    for (span, sure) in spans.iter_mut().zip(&document.confidences) {
        span["confidence"] = json!((f64::from(*sure) * 1e6).round() / 1e6);
    }
    object.insert("spans".to_owned(), spans.into());
    if !document.links.is_empty() {
        let links = document.links.iter().map(|link| json!({ "from": link.from, "to": link.to, "kind": &*link.kind }));
        object.insert("links".to_owned(), links.collect());
    }
    if !document.tokens.is_empty() {
        object.insert(
            "tokens".to_owned(),
            token_places(document).into_iter().map(|(start, end)| json!([start, end])).collect(),
        );
        if document.sentences.len() > 1 {
            object.insert("sentences".to_owned(), document.sentences.iter().copied().map(Value::from).collect());
        }
    }
    if !document.layers.is_empty() {
        let layers = document
            .layers
            .iter()
            .map(|layer| (layer.name.to_string(), layer.tags.iter().map(|tag| Value::from(&**tag)).collect::<Value>()));
        object.insert("layers".to_owned(), Value::Object(layers.collect()));
    }
    if !document.labels.is_empty() {
        object.insert("labels".to_owned(), document.labels.iter().map(|label| Value::from(&**label)).collect());
    }
    if !document.meta.is_empty() {
        object.insert("meta".to_owned(), Value::Object(document.meta.clone()));
    }
    Value::Object(object)
}

/// A span as an object with its quote.
pub(super) fn span(span: &Span) -> Value {
    json!({ "start": span.start, "end": span.end, "label": &*span.label, "quote": span.quote })
}

/// The tokens' places in code points.
pub(super) fn token_places(document: &Document) -> Vec<(u32, u32)> {
    if document.text.is_ascii() {
        return document.tokens.iter().map(|token| (token.start, token.end)).collect();
    }
    // Tokens stand in the order of the text, so one walk over it is enough.
    let (mut byte, mut point) = (0_usize, 0_u32);
    let mut advance = |to: u32| {
        let to = to as usize;
        if to < byte {
            (byte, point) = (0, 0);
        }
        point += document.text[byte..to].chars().count() as u32;
        byte = to;
        point
    };
    document.tokens.iter().map(|token| (advance(token.start), advance(token.end))).collect()
}
