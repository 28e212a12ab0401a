//! The form of an answer: how it is asked for in words, in a schema, and how long it can get.

use postil_core::TaskKind;
use serde_json::{Map, Value, json};

use super::super::{fields, pairs};
use super::{Asker, Object, Shape, letter};

impl Asker {
    /// The choices and the way to answer, in words.
    pub(super) fn words(&self, shape: &Shape) -> (String, String) {
        let choices = &self.choices;
        let quoted =
            || choices.names.iter().map(|name| Value::from(&**name).to_string()).collect::<Vec<_>>().join(", ");
        let first = if self.settings.reason { "\"reason\": your reasons in a few sentences, " } else { "" };
        match shape {
            Shape::Letters(order) => {
                let lines: Vec<String> = order
                    .iter()
                    .enumerate()
                    .map(|(place, &class)| format!("{}. {}", letter(place), self.choice(class)))
                    .collect();
                (lines.join("\n"), "Answer with the letter of the label and nothing else.".to_owned())
            }
            Shape::YesNo { class, yes_first } => {
                let name = &choices.names[usize::from(*class)];
                let (a, b) = if *yes_first { ("yes", "no") } else { ("no", "yes") };
                let asked = format!("Does the label `{name}` apply to the text?\nA. {a}\nB. {b}");
                (asked, "Answer with the letter and nothing else.".to_owned())
            }
            Shape::Object(Object::Label) => {
                (String::new(), format!("Answer with one JSON object: {{{first}\"label\": one of {}}}.", quoted()))
            }
            Shape::Object(Object::LabelAndNumber) => (
                String::new(),
                format!(
                    "Answer with one JSON object: {{{first}\"label\": one of {}, \"confidence\": how sure you are, from 0 to 100}}.",
                    quoted()
                ),
            ),
            Shape::Object(Object::Candidates) => (
                String::new(),
                format!(
                    "Answer with one JSON object: {{{first}\"candidates\": [the one right label, or all that may be right if you are not sure, from {}]}}.",
                    quoted()
                ),
            ),
            Shape::Object(Object::Labels) => (
                String::new(),
                format!(
                    "Answer with one JSON object: {{{first}\"labels\": [all that apply, or none, from {}]}}.",
                    quoted()
                ),
            ),
            Shape::Object(Object::Spans) if choices.kind == TaskKind::Tag => (
                String::new(),
                format!(
                    "Answer with one JSON object: {{{first}\"spans\": [{{\"quote\": one word of the text, \"label\": one of {}}}, ...]}}, with every word and every sign, in the order of the text.",
                    quoted()
                ),
            ),
            Shape::Object(Object::Spans) => (
                String::new(),
                format!(
                    "Answer with one JSON object: {{{first}\"spans\": [{{\"quote\": the exact words of the text, \"label\": one of {}}}, ...]}}, in the order of the text; an empty list if there are none.",
                    quoted()
                ),
            ),
            Shape::Object(Object::Quotes(class)) => (
                String::new(),
                format!(
                    "Answer with one JSON object: {{{first}\"quotes\": [the exact words of every stretch of the text that deserves the label `{}`, in the order of the text; an empty list if there are none]}}.",
                    choices.names[usize::from(*class)]
                ),
            ),
            Shape::Object(Object::Record) => {
                let fields = choices.schema.as_ref().map(fields::words).unwrap_or_default();
                (
                    String::new(),
                    format!(
                        "Answer with one JSON object: {{{first}\"record\": {fields}}}. A quote is the exact words of the text that say so."
                    ),
                )
            }
            Shape::Object(Object::Side) => {
                let sides = pairs::SHOWN[..choices.names.len()].join("\", \"");
                (
                    String::new(),
                    format!("Answer with one JSON object: {{{first}\"label\": the better one, of \"{sides}\"}}."),
                )
            }
            Shape::Decision => (String::new(), String::new()),
        }
    }

    pub(super) fn response_format(&self, object: Object) -> Value {
        let label = json!({ "type": "string", "enum": self.choices.names });
        let (name, value) = match object {
            Object::Label | Object::LabelAndNumber => ("label", label),
            Object::Candidates => ("candidates", json!({ "type": "array", "items": label })),
            Object::Labels => ("labels", json!({ "type": "array", "items": label })),
            Object::Record => ("record", self.choices.schema.as_ref().map_or(Value::Null, fields::schema)),
            Object::Side => ("label", json!({ "type": "string", "enum": pairs::SHOWN[..self.choices.names.len()] })),
            Object::Quotes(_) => ("quotes", json!({ "type": "array", "items": { "type": "string" } })),
            Object::Spans => (
                "spans",
                json!({ "type": "array", "items": { "type": "object",
                    "properties": { "quote": { "type": "string" }, "label": label },
                    "required": ["quote", "label"], "additionalProperties": false } }),
            ),
        };
        let mut properties = Map::new();
        if self.settings.reason {
            properties.insert("reason".to_owned(), json!({ "type": "string" }));
        }
        properties.insert(name.to_owned(), value);
        if object == Object::LabelAndNumber {
            properties.insert("confidence".to_owned(), json!({ "type": "integer" }));
        }
        let required: Vec<&String> = properties.keys().collect();
        let schema =
            json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false });
        json!({ "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": schema } })
    }

    pub(super) fn most_output(&self, shape: &Shape, text: &str) -> u64 {
        if let Some(most) = self.settings.max_tokens {
            return u64::from(most);
        }
        let longest = self.choices.names.iter().map(String::len).max().unwrap_or(0) as u64;
        let all: u64 = self.choices.names.iter().map(|name| name.len() as u64 + 4).sum();
        let needed = match shape {
            Shape::Letters(_) | Shape::YesNo { .. } => return 1,
            Shape::Decision => return 0,
            Shape::Object(Object::Label | Object::LabelAndNumber | Object::Side) => longest + 32,
            Shape::Object(Object::Candidates | Object::Labels) => all + 32,
            Shape::Object(Object::Record) => all + 64 * self.choices.names.len() as u64 + 64 + text.len() as u64,
            Shape::Object(Object::Spans) if self.choices.kind == TaskKind::Tag => {
                64 + text.len() as u64 + text.split_whitespace().count() as u64 * (longest + 24)
            }
            Shape::Object(Object::Spans) => 64 + text.len() as u64 * 2,
            Shape::Object(Object::Quotes(_)) => 64 + text.len() as u64,
        };
        needed + if self.settings.reason { 512 } else { 0 }
    }
}
