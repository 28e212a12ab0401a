//! Objects in replies: finding them in what models write around them, and reading their fields.

use postil_core::{Answer, Class, Span, Status};
use serde_json::{Map, Value};

use super::ask::Object;
use super::chat::brief;
use super::pairs::class_of;
use super::quotes::locate;
use super::said::{Heard, Reader, Said};

/// Finds the object: the whole reply, what stands in a fence, or the first object in the text. The flag says that it was
/// not the whole reply.
pub(super) fn read(words: &str) -> Result<(Map<String, Value>, bool), String> {
    if let Ok(Value::Object(fields)) = serde_json::from_str(words) {
        return Ok((fields, false));
    }
    for (start, _) in words.match_indices('{').take(20) {
        let mut values = serde_json::Deserializer::from_str(&words[start..]).into_iter::<Value>();
        if let Some(Ok(Value::Object(fields))) = values.next() {
            return Ok((fields, true));
        }
    }
    Err("expected a JSON object, found none".to_owned())
}

/// Reads the fields of an object that was asked for.
pub(super) fn says(reader: &Reader<'_>, object: Object, fields: &Map<String, Value>) -> Said {
    let result = match object {
        Object::Label => one(reader, fields, "label").map(|(class, exact)| (Heard::Class(class), exact)),
        Object::LabelAndNumber => one(reader, fields, "label").map(|(class, exact)| (Heard::Class(class), exact)),
        Object::Side => side(reader, fields).map(|class| (Heard::Class(class), true)),
        Object::Candidates => several(reader, fields, "candidates").and_then(|(classes, exact)| match classes[..] {
            [] => Err("expected at least one candidate, found none".to_owned()),
            [class] => Ok((Heard::Class(class), exact)),
            _ => Ok((Heard::Candidates(classes), exact)),
        }),
        Object::Labels => several(reader, fields, "labels").map(|(classes, exact)| (Heard::Labels(classes), exact)),
        Object::Spans => return spans(reader, fields),
        Object::Quotes(class) => return quotes(reader, class, fields),
        Object::Record => return record(reader, fields),
    };
    let reason = fields.get("reason").and_then(Value::as_str).unwrap_or("").to_owned();
    match result {
        Ok((heard, exact)) => {
            let confidence = (object == Object::LabelAndNumber).then(|| number(fields.get("confidence"))).flatten();
            Said { heard: Some(heard), confidence, words: reason, repaired: !exact, ..Said::default() }
        }
        Err(reason) => Said::malformed(format!("{reason}: {}", brief(&Value::Object(fields.clone()).to_string()))),
    }
}

/// From 0 to 100, as a share.
fn number(value: Option<&Value>) -> Option<f32> {
    let number = match value? {
        Value::String(text) => text.trim().trim_end_matches('%').parse::<f64>().ok()?,
        value => value.as_f64()?,
    };
    (0.0..=100.0).contains(&number).then_some((number / 100.0) as f32)
}

fn one(reader: &Reader<'_>, fields: &Map<String, Value>, name: &str) -> Result<(Class, bool), String> {
    match fields.get(name) {
        Some(Value::String(label)) => class(reader, label),
        Some(Value::Bool(label)) => class(reader, if *label { "true" } else { "false" }),
        Some(Value::Number(label)) => class(reader, &label.to_string()),
        Some(_) => Err(format!("expected text in `{name}`, found something else")),
        None => Err(format!("expected a field `{name}`, found none")),
    }
}

fn side(reader: &Reader<'_>, fields: &Map<String, Value>) -> Result<Class, String> {
    let said = fields.get("label").and_then(Value::as_str).ok_or("expected a field `label`, found none")?;
    class_of(said, reader.classes()).ok_or_else(|| format!("unknown label `{}`", brief(said)))
}

fn several(reader: &Reader<'_>, fields: &Map<String, Value>, name: &str) -> Result<(Vec<Class>, bool), String> {
    let Some(Value::Array(values)) = fields.get(name) else {
        return Err(format!("expected a list in `{name}`, found none"));
    };
    let mut classes = Vec::new();
    let mut exact = true;
    for value in values {
        let Value::String(label) = value else {
            return Err(format!("expected labels in `{name}`, found something else"));
        };
        let (found, as_written) = class(reader, label)?;
        exact &= as_written;
        if !classes.contains(&found) {
            classes.push(found);
        }
    }
    classes.sort_unstable();
    Ok((classes, exact))
}

fn class(reader: &Reader<'_>, label: &str) -> Result<(Class, bool), String> {
    let found = reader.class(label).map(|(class, folded)| (class, !folded));
    found.ok_or_else(|| format!("unknown label `{}`", label.chars().take(80).collect::<String>()))
}

/// Values whose quotes are in the text; a record of which nothing is left is malformed.
fn record(reader: &Reader<'_>, fields: &Map<String, Value>) -> Said {
    let Some(schema) = reader.task.labels.schema() else { return Said::malformed("there is no schema") };
    let inside = fields.get("record").and_then(Value::as_object);
    // Some models leave out the outer object.
    let bare = inside.is_none() && schema.fields().iter().any(|field| fields.contains_key(&*field.name));
    let Some(said) = inside.or(bare.then_some(fields)) else {
        return Said::malformed("expected an object in `record`, found none");
    };
    let answer = crate::records::read(schema, reader.text, said, true);
    let Answer::Record { fields: read, rejected, .. } = &answer else { return Said::malformed("expected a record") };
    let not_in_text = rejected.iter().filter(|one| one.not_in_text).count() as u32;
    if read.is_empty() {
        let why =
            rejected.first().map_or_else(|| "no field".to_owned(), |one| format!("{}: {}", one.field, one.reason));
        return Said {
            not_in_text,
            ..Said::without(Status::Malformed, format!("nothing of the record can be used: {why}"))
        };
    }
    let words = fields.get("reason").and_then(Value::as_str).unwrap_or("").to_owned();
    Said { heard: Some(Heard::Record(answer)), not_in_text, repaired: bare, words, ..Said::default() }
}

/// Quotes that are looked up, each behind the one before.
#[derive(Default)]
struct Gathered {
    found: Vec<Span>,
    missing: u32,
    repaired: bool,
    behind: usize,
}

impl Gathered {
    fn add(&mut self, reader: &Reader<'_>, quote: &str, class: Class) {
        let Some(place) = locate(reader.text, quote, self.behind) else {
            self.missing += 1;
            return;
        };
        self.behind = place.bytes.end;
        self.repaired |= !place.exact;
        let span = place.span(reader.text, reader.task.labels.name(class).clone());
        if !self.found.contains(&span) {
            self.found.push(span);
        }
    }

    /// The stretches in the order of the text, how many quotes are not in it, and whether anything had to be repaired.
    fn ended(mut self) -> (Vec<Span>, u32, bool) {
        self.found.sort_by_key(|span| (span.start, span.end));
        (self.found, self.missing, self.repaired)
    }
}

/// The stretches of one label. What is not in the text is counted and left out; where nothing else was quoted the text
/// has no such stretch, so that one strange word does not cost what was said about the other labels.
fn quotes(reader: &Reader<'_>, class: Class, fields: &Map<String, Value>) -> Said {
    // Some models give each quote with the label.
    let listed = fields.get("quotes").or_else(|| fields.get("spans"));
    let Some(Value::Array(values)) = listed else {
        return Said::malformed("expected a list in `quotes`, found none");
    };
    let mut gathered = Gathered { repaired: fields.get("quotes").is_none(), ..Gathered::default() };
    for value in values {
        let bare = value.as_str();
        let Some(quote) = bare.or_else(|| value.get("quote").and_then(Value::as_str)) else {
            return Said::malformed(format!("expected a quote, found: {}", brief(&value.to_string())));
        };
        gathered.repaired |= bare.is_none();
        gathered.add(reader, quote, class);
    }
    let (found, missing, repaired) = gathered.ended();
    let words = fields.get("reason").and_then(Value::as_str).unwrap_or("").to_owned();
    Said { heard: Some(Heard::OfLabel(class, found)), not_in_text: missing, repaired, words, ..Said::default() }
}

/// Each quote is looked for behind the one before, then from the start; what is not in the text is counted and left out.
fn spans(reader: &Reader<'_>, fields: &Map<String, Value>) -> Said {
    let Some(Value::Array(values)) = fields.get("spans") else {
        return Said::malformed("expected a list in `spans`, found none");
    };
    let mut gathered = Gathered::default();
    for value in values {
        let (Some(quote), Some(label)) =
            (value.get("quote").and_then(Value::as_str), value.get("label").and_then(Value::as_str))
        else {
            return Said::malformed(format!("expected a quote and a label, found: {}", brief(&value.to_string())));
        };
        let (class, exact) = match class(reader, label) {
            Ok(found) => found,
            Err(reason) => return Said::malformed(reason),
        };
        gathered.repaired |= !exact;
        gathered.add(reader, quote, class);
    }
    let (found, missing, repaired) = gathered.ended();
    if found.is_empty() && missing > 0 {
        return Said {
            not_in_text: missing,
            ..Said::without(
                Status::Malformed,
                format!("expected quotes of the text, found {missing} that are not in it"),
            )
        };
    }
    let reason = fields.get("reason").and_then(Value::as_str).unwrap_or("").to_owned();
    Said { heard: Some(Heard::Spans(found)), not_in_text: missing, repaired, words: reason, ..Said::default() }
}
