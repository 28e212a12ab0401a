//! Records as they are asked for: each value with the words of the text that say so.

use postil_core::record::{FieldKind, RecordSchema, or_null};
use serde_json::{Map, Value, json};

/// The fields in words.
pub(super) fn words(schema: &RecordSchema) -> String {
    let fields: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| {
            let name = Value::from(&*field.name);
            let absent = if field.nullable { ", or null if the text does not say" } else { "" };
            match &field.kind {
                FieldKind::List(inner) => {
                    format!("{name}: [{{\"value\": {}, \"quote\": a quote}}, ...]{absent}", inner.words())
                }
                kind => format!("{name}: {{\"value\": {}{absent}, \"quote\": a quote{absent}}}", kind.words()),
            }
        })
        .collect();
    format!("{{{}}}", fields.join(", "))
}

/// The fields as a schema that a reply is held to.
pub(super) fn schema(record: &RecordSchema) -> Value {
    let pair = |value: Value, quote: Value| {
        json!({ "type": "object", "properties": { "value": value, "quote": quote }, "required": ["value", "quote"],
            "additionalProperties": false })
    };
    let text = || json!({ "type": "string" });
    let fields: Map<String, Value> = record
        .fields()
        .iter()
        .map(|field| {
            let schema = match &field.kind {
                FieldKind::List(inner) => json!({ "type": "array", "items": pair(inner.schema(), text()) }),
                kind if field.nullable => pair(or_null(kind.schema()), or_null(text())),
                kind => pair(kind.schema(), text()),
            };
            let schema = if field.nullable && schema["type"] == "array" { or_null(schema) } else { schema };
            (field.name.to_string(), schema)
        })
        .collect();
    let required: Vec<&str> = record.fields().iter().map(|field| &*field.name).collect();
    json!({ "type": "object", "properties": fields, "required": required, "additionalProperties": false })
}
