//! From what somebody says about the fields of a record to an answer: values checked, quotes found in the text.

use std::path::Path;

use postil_core::record::{Field, FieldKind, RecordSchema};
use postil_core::{Answer, Error, Rejected, Result, Span};
use serde_json::{Map, Value};

use crate::llm::quotes::locate;
use crate::replay::table::Table;

/// Reads a record about a text. A field is a value, or an object with `value` and `quote`; a list holds such.
///
/// With `quoted`, a value without a quote is refused, as is one whose quote is not in the text; without, a quote may be
/// missing. Fields that are not there are fields about which nothing is said.
pub(crate) fn read(schema: &RecordSchema, text: &str, said: &Map<String, Value>, quoted: bool) -> Answer {
    let mut reading = Reading { text, quoted, evidence: Vec::new() };
    let (mut fields, mut rejected) = (Map::new(), Vec::new());
    for field in schema.fields() {
        let Some(value) = said.get(&*field.name) else { continue };
        let before = reading.evidence.len();
        match reading.field(field, value, &mut rejected) {
            Ok(value) => {
                fields.insert(field.name.to_string(), value);
            }
            Err((not_in_text, reason)) => {
                reading.evidence.truncate(before);
                rejected.push(Rejected { field: field.name.clone(), not_in_text, reason });
            }
        }
    }
    for name in said.keys().filter(|name| !schema.fields().iter().any(|field| *field.name == ***name)) {
        let reason = "the record has no such field".to_owned();
        rejected.push(Rejected { field: name.as_str().into(), not_in_text: false, reason });
    }
    Answer::Record { fields, evidence: reading.evidence, rejected }
}

struct Reading<'a> {
    text: &'a str,
    quoted: bool,
    evidence: Vec<Span>,
}

/// Whether a quote is the reason, and the reason.
type Refusal = (bool, String);

impl Reading<'_> {
    fn field(
        &mut self,
        field: &Field,
        said: &Value,
        rejected: &mut Vec<Rejected>,
    ) -> std::result::Result<Value, Refusal> {
        let absent = said.is_null() || said.get("value").is_some_and(Value::is_null);
        if absent && field.nullable {
            return Ok(Value::Null);
        }
        if absent {
            return Err((false, "expected a value, found null".to_owned()));
        }
        let FieldKind::List(inner) = &field.kind else { return self.value(field, &field.kind, said) };
        let elements = said.as_array().or_else(|| said.get("value").and_then(Value::as_array));
        let elements = elements.ok_or_else(|| (false, format!("expected a list, found `{}`", brief(said))))?;
        let mut values = Vec::new();
        let mut last = None;
        for element in elements {
            match self.value(field, inner, element) {
                Ok(value) => values.push(value),
                Err((not_in_text, reason)) => {
                    last = Some((not_in_text, reason.clone()));
                    rejected.push(Rejected { field: field.name.clone(), not_in_text, reason });
                }
            }
        }
        if values.is_empty()
            && let Some(last) = last
        {
            // What is left of the list would say that there is nothing.
            rejected.pop();
            return Err(last);
        }
        field.kind.read(&Value::Array(values)).map_err(|reason| (false, reason))
    }

    fn value(&mut self, field: &Field, kind: &FieldKind, said: &Value) -> std::result::Result<Value, Refusal> {
        // Fields of its own may come bare; then nothing but they can be in the object.
        let bare = |object: &&Map<String, Value>| {
            matches!(kind, FieldKind::Record(_)) && object.keys().any(|key| key != "value" && key != "quote")
        };
        let (value, quote) = match said.as_object().filter(|object| !bare(object)) {
            Some(object) => (object.get("value").unwrap_or(&Value::Null), object.get("quote").and_then(Value::as_str)),
            None => (said, None),
        };
        let value = kind.read(value).map_err(|reason| (false, reason))?;
        let quote = quote.filter(|quote| !quote.trim().is_empty());
        match quote.map(|quote| (quote, locate(self.text, quote, 0))) {
            Some((_, Some(place))) => self.evidence.push(place.span(self.text, field.name.clone())),
            Some((quote, None)) => {
                let quote: String = quote.chars().take(80).collect();
                return Err((true, format!("the quote `{quote}` is not in the text")));
            }
            None if self.quoted => return Err((true, "there is no quote".to_owned())),
            None => {}
        }
        Ok(value)
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

/// A record of a table.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// The item's id.
    pub item: String,
    /// Who gave it; empty if the table does not say.
    pub annotator: String,
    /// The line.
    pub line: u64,
    /// The probability with which the item was drawn, if the table says.
    pub probability: Option<f64>,
    /// The fields as they stand there; an empty cell is null.
    pub fields: Map<String, Value>,
}

/// Reads records from a table: a column `item` (or the one named), a column per field or one named `record` with JSON
/// objects, and perhaps `annotator` and `inclusion_probability`. Columns that are no fields are passed over.
///
/// # Errors
/// A table that cannot be read, without an item column or without any field; a record that is no JSON object.
pub fn read_records(path: &Path, shown: &Path, item: &str, schema: &RecordSchema) -> Result<Vec<StoredRecord>> {
    let names: Vec<&str> = schema.fields().iter().map(|field| &*field.name).collect();
    let mut welcome = vec!["annotator", "inclusion_probability", "record"];
    welcome.extend(names.iter().filter(|name| **name != item));
    let json: Vec<&str> = names.iter().copied().chain(["record"]).collect();
    let table = Table::open_with(path, shown, &[item], &welcome, &json)?;
    let whole = table.has("record") && !names.contains(&"record");
    let present: Vec<&str> = names.iter().copied().filter(|name| table.has(name)).collect();
    if !whole && present.is_empty() {
        return Err(Error::input(format!(
            "expected a column per field (`{}`) or one named `record`",
            names.join("`, `")
        ))
        .in_file(shown)
        .at_line(1));
    }
    let mut columns = vec![item, "annotator", "inclusion_probability", "record"];
    columns.extend(&present);
    let mut records = Vec::new();
    let mut first_bad = None;
    table.each(
        &columns,
        |row| {
            let wrong = |what: String| Error::input(what).in_file(shown).at_line(row.line);
            let mut fields = Map::new();
            if whole {
                fields = serde_json::from_str(row.value(3))
                    .map_err(|error| wrong(format!("expected a JSON object in `record`: {error}")))?;
            } else {
                for (place, name) in present.iter().enumerate() {
                    let field = schema.fields().iter().find(|field| *field.name == **name);
                    fields.insert((*name).to_owned(), cell(field.map(|field| &field.kind), row.value(4 + place)));
                }
            }
            let probability = row.value(2).trim().parse::<f64>().ok();
            if probability.is_some_and(|probability| !(probability > 0.0 && probability <= 1.0)) {
                return Err(wrong(format!("expected an inclusion probability above 0, found {}", row.value(2))));
            }
            let (item, annotator) = (row.value(0).to_owned(), row.value(1).to_owned());
            records.push(StoredRecord { item, annotator, line: row.line, probability, fields });
            Ok(())
        },
        |line, reason| {
            first_bad.get_or_insert_with(|| Error::input(reason.to_owned()).in_file(shown).at_line(line));
            Ok(())
        },
    )?;
    first_bad.map_or(Ok(records), Err)
}

/// A cell as a value: lists and objects in JSON, everything else as the text that it is.
fn cell(kind: Option<&FieldKind>, text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Null;
    }
    let list = matches!(kind, Some(FieldKind::List(_)));
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() || value.is_array() => value,
        Ok(Value::Null) => Value::Null,
        _ if list => Value::Array(text.split('|').map(|part| Value::from(part.trim())).collect()),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> RecordSchema {
        RecordSchema::parse(
            r#"{"type": "object", "required": ["who", "sum", "items"], "properties": {"who": {"type": "string"},
            "sum": {"type": "number"}, "items": {"type": "array", "items": {"type": "string"}}, "due": {"type": "string", "format": "date"}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn values_need_a_quote_of_the_text() {
        let text = "🚀 Ann owes 1,200 for tea and milk.";
        let said = json!({
            "who": {"value": "Ann", "quote": "Ann"},
            "sum": {"value": "1,200", "quote": "1,300"},
            "items": [{"value": "tea", "quote": "tea"}, {"value": "milk", "quote": "milk and"}],
            "due": {"value": null, "quote": null},
            "other": 1
        });
        let answer = read(&schema(), text, said.as_object().unwrap(), true);
        let Answer::Record { fields, evidence, rejected } = answer else { panic!() };
        assert_eq!(Value::Object(fields), json!({"who": "Ann", "items": ["tea"], "due": null}));
        let places: Vec<(u32, u32, &str)> = evidence.iter().map(|span| (span.start, span.end, &*span.label)).collect();
        assert_eq!(places, [(2, 5, "who"), (21, 24, "items")]);
        let why: Vec<(&str, bool)> = rejected.iter().map(|one| (&*one.field, one.not_in_text)).collect();
        assert_eq!(why, [("sum", true), ("items", true), ("other", false)]);
    }

    #[test]
    fn who_need_not_quote_may_leave_it_out() {
        let said = json!({"who": "Ann", "sum": {"value": 3}, "items": [], "due": "tomorrow"});
        let Answer::Record { fields, rejected, .. } = read(&schema(), "", said.as_object().unwrap(), false) else {
            panic!()
        };
        assert_eq!(Value::Object(fields), json!({"who": "Ann", "sum": 3, "items": []}));
        assert_eq!(rejected.len(), 1);
        let quoted = read(&schema(), "Ann", said.as_object().unwrap(), true);
        let Answer::Record { fields, .. } = quoted else { panic!() };
        assert_eq!(fields.len(), 1, "an empty list needs no quote");
    }
}
