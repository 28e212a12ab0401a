//! Values of fields: checked, and written in one way.

use serde_json::{Number, Value, json};

use super::{Bounds, Field, FieldKind};

impl FieldKind {
    /// Reads a value and writes it in the one way in which values are compared.
    ///
    /// Text: white space at the ends is left out and single within. Numbers: also as text, with commas between groups of
    /// three digits, white space around, and one currency sign before or behind. Integers: a fraction of zero is none. Booleans: also
    /// `yes`, `no`, `true`, `false` in any case. Choices: exactly, or with other case, spaces and signs where that leaves
    /// no doubt. Dates: `2026-11-28` alone, since 11/12 is two days. Lists: sorted, each value once. Records: field by
    /// field in the order of the schema, with null where one is absent.
    ///
    /// # Errors
    /// What was expected and what was found, in words.
    pub fn read(&self, value: &Value) -> Result<Value, String> {
        let expected = |what: &str| format!("expected {what}, found {}", brief(value));
        match self {
            Self::Text => match value {
                Value::String(text) => Some(folded(text)).filter(|text| !text.is_empty()).map(Value::from),
                Value::Number(number) => Some(Value::from(number.to_string())),
                _ => None,
            }
            .ok_or_else(|| expected("text")),
            Self::Date => {
                let text = value.as_str().map(str::trim).filter(|text| is_date(text));
                text.map(Value::from).ok_or_else(|| expected("a date such as 2026-11-28"))
            }
            Self::Number(bounds) => {
                let within = number(value).filter(|&number| bounds.hold(number));
                within.map(plain).ok_or_else(|| expected(&self.words()))
            }
            Self::Integer(bounds) => {
                let whole = number(value).filter(|number| number.fract() == 0.0 && number.abs() < 9e15);
                let within = whole.filter(|&number| bounds.hold(number));
                within.map(|number| json!(number as i64)).ok_or_else(|| expected(&self.words()))
            }
            Self::Boolean => match value {
                Value::Bool(flag) => Some(*flag),
                Value::String(text) => match text.trim().to_lowercase().as_str() {
                    "yes" | "true" => Some(true),
                    "no" | "false" => Some(false),
                    _ => None,
                },
                _ => None,
            }
            .map(Value::from)
            .ok_or_else(|| expected("true or false")),
            Self::OneOf(choices) => {
                let text = value.as_str().unwrap_or_default();
                let exact = choices.iter().find(|choice| *choice == text);
                let found = exact.or_else(|| {
                    let mut near = choices.iter().filter(|choice| bare(choice) == bare(text) && !bare(text).is_empty());
                    near.next().filter(|_| near.next().is_none())
                });
                found
                    .map(|choice| Value::from(choice.as_str()))
                    .ok_or_else(|| expected(&format!("one of `{}`", choices.join("`, `"))))
            }
            Self::List(inner) => {
                let values = value.as_array().ok_or_else(|| expected("a list"))?;
                let mut read = values.iter().map(|value| inner.read(value)).collect::<Result<Vec<Value>, String>>()?;
                read.sort_by_key(ToString::to_string);
                read.dedup();
                Ok(Value::Array(read))
            }
            Self::Record(fields) => {
                let said = value.as_object().ok_or_else(|| expected("an object"))?;
                if let Some(unknown) = said.keys().find(|name| !fields.iter().any(|field| *field.name == ***name)) {
                    return Err(format!("there is no field `{unknown}`"));
                }
                let of = |field: &Field| match said.get(&*field.name).filter(|value| !value.is_null()) {
                    Some(value) => field.kind.read(value).map_err(|reason| format!("field `{}`: {reason}", field.name)),
                    None if field.nullable => Ok(Value::Null),
                    None => Err(format!("field `{}`: expected a value, found none", field.name)),
                };
                let read = fields.iter().map(|field| Ok((field.name.to_string(), of(field)?)));
                Ok(Value::Object(read.collect::<Result<_, String>>()?))
            }
        }
    }

    /// How many values can be told apart; `None` where there is no end of them.
    pub fn values(&self) -> Option<usize> {
        match self {
            Self::Boolean => Some(2),
            Self::OneOf(choices) => Some(choices.len()),
            _ => None,
        }
    }

    /// The JSON schema of a value.
    pub fn schema(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Date => json!({ "type": "string", "format": "date" }),
            Self::Number(bounds) => bounded("number", *bounds),
            Self::Integer(bounds) => bounded("integer", *bounds),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::OneOf(choices) => json!({ "type": "string", "enum": choices }),
            Self::List(inner) => json!({ "type": "array", "items": inner.schema() }),
            Self::Record(fields) => {
                let properties = fields.iter().map(|field| {
                    let mut schema = field.kind.schema();
                    if field.nullable {
                        schema = or_null(schema);
                    }
                    (field.name.to_string(), schema)
                });
                let required: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
                json!({ "type": "object", "properties": properties.collect::<serde_json::Map<_, _>>(), "required": required,
                    "additionalProperties": false })
            }
        }
    }

    /// In words, for prompts.
    pub fn words(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Date => "a date such as 2026-11-28".to_owned(),
            Self::Number(bounds) => format!("a number{}", bounds.words()),
            Self::Integer(bounds) => format!("a whole number{}", bounds.words()),
            Self::Boolean => "true or false".to_owned(),
            Self::OneOf(choices) => {
                let quoted: Vec<String> =
                    choices.iter().map(|choice| Value::from(choice.as_str()).to_string()).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::List(inner) => format!("a list, each {}", inner.words()),
            Self::Record(fields) => {
                let absent = |field: &Field| if field.nullable { ", or null if the text does not say" } else { "" };
                let each = fields
                    .iter()
                    .map(|field| format!("{}: {}{}", Value::from(&*field.name), field.kind.words(), absent(field)));
                format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The same schema for a value that may be null.
pub fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    if let Some(choices) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        choices.push(Value::Null);
    }
    schema
}

fn bounded(kind: &str, bounds: Bounds) -> Value {
    let mut schema = json!({ "type": kind });
    for (word, bound) in [("minimum", bounds.least), ("maximum", bounds.greatest)] {
        if let Some(bound) = bound {
            schema[word] = plain(bound);
        }
    }
    schema
}

fn brief(value: &Value) -> String {
    let text: String = value.to_string().chars().take(80).collect();
    format!("`{text}`")
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn bare(text: &str) -> String {
    text.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A whole number as it is written without a fraction, so that 3 and 3.0 are one value.
fn plain(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return json!(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn number(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64().filter(|number| number.is_finite()),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    let currency = |sign: char| "$€£¥₹₩₽₺".contains(sign);
    let text = text.strip_prefix(currency).or_else(|| text.strip_suffix(currency)).unwrap_or(text).trim();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let mut groups = whole.trim_start_matches(['-', '+']).split(',');
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    // A comma stands between thousands or it is something else, such as a fraction: then nothing is guessed.
    let grouped = rest.is_empty() || (first.len() <= 3 && rest.iter().all(|group| group.len() == 3));
    let digits = text.chars().all(|sign| sign.is_ascii_digit() || ",.-+eE".contains(sign));
    if !grouped || !digits || text.split_once('.').is_some_and(|(_, behind)| behind.contains(',')) {
        return None;
    }
    text.replace(',', "").parse::<f64>().ok().filter(|number| number.is_finite())
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return false;
    }
    let (year, month, day): (u32, u32, u32) =
        (year.parse().unwrap_or(0), month.parse().unwrap_or(0), day.parse().unwrap_or(0));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: Bounds = Bounds { least: None, greatest: None };
    const NUMBER: FieldKind = FieldKind::Number(ANY);
    const INTEGER: FieldKind = FieldKind::Integer(ANY);

    #[test]
    fn values_are_written_in_one_way_or_refused() {
        let choices = FieldKind::OneOf(vec!["net 30".to_owned(), "Net-60".to_owned()]);
        let list = FieldKind::List(Box::new(FieldKind::Text));
        let some = FieldKind::Number(Bounds { least: Some(1.0), greatest: Some(10.0) });
        let field =
            |name: &str, kind: FieldKind, nullable| Field { name: name.into(), kind, nullable, description: None };
        let record = FieldKind::Record(vec![field("who", FieldKind::Text, false), field("n", some.clone(), true)]);
        for (kind, given, read) in [
            (&FieldKind::Text, json!("  a \n b "), Some(json!("a b"))),
            (&FieldKind::Text, json!(""), None),
            (&FieldKind::Text, json!(12), Some(json!("12"))),
            (&NUMBER, json!(3.0), Some(json!(3))),
            (&NUMBER, json!("$1,250.50"), Some(json!(1250.5))),
            (&NUMBER, json!("12 €"), Some(json!(12))),
            (&NUMBER, json!("1,5"), None),
            (&NUMBER, json!("1.250,50"), None),
            (&NUMBER, json!("inf"), None),
            (&INTEGER, json!("7.0"), Some(json!(7))),
            (&INTEGER, json!(7.5), None),
            (&FieldKind::Boolean, json!("Yes"), Some(json!(true))),
            (&FieldKind::Boolean, json!(1), None),
            (&choices, json!("NET 60"), Some(json!("Net-60"))),
            (&choices, json!("net"), None),
            (&FieldKind::Date, json!("2024-02-29"), Some(json!("2024-02-29"))),
            (&FieldKind::Date, json!("2023-02-29"), None),
            (&FieldKind::Date, json!("02/03/2024"), None),
            (&list, json!(["b", "a", "b"]), Some(json!(["a", "b"]))),
            (&list, json!("a"), None),
            (&some, json!("7"), Some(json!(7))),
            (&some, json!(0), None),
            (&some, json!(10.5), None),
            (&record, json!({ "n": "7", "who": " Ann " }), Some(json!({ "who": "Ann", "n": 7 }))),
            (&record, json!({ "who": "Ann" }), Some(json!({ "who": "Ann", "n": null }))),
            (&record, json!({ "n": 7 }), None),
            (&record, json!({ "who": "Ann", "n": 0 }), None),
            (&record, json!({ "who": "Ann", "more": 1 }), None),
            (&record, json!("Ann"), None),
        ] {
            assert_eq!(kind.read(&given).ok(), read, "{kind:?} {given}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_is_read_as_itself(text in ".{0,20}", number in proptest::num::f64::NORMAL) {
            for (kind, value) in [
                (FieldKind::Text, json!(text)),
                (NUMBER, json!(number)),
                (INTEGER, json!(number.trunc())),
                (FieldKind::Boolean, json!(text)),
                (FieldKind::List(Box::new(FieldKind::Text)), json!([text, "b"])),
            ] {
                if let Ok(read) = kind.read(&value) {
                    prop_assert_eq!(kind.read(&read), Ok(read.clone()));
                }
            }
        }
    }
}
