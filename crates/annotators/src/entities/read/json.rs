//! Lists in JSON, read as a stream: a million names never stand in memory twice.

use std::fmt;
use std::io::BufRead;

use postil_core::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Row, Sink};

/// One JSON value: a list, or an object of lists by label.
pub(super) fn whole(input: impl BufRead, sink: &mut Sink<'_>) -> Result<()> {
    let shown = sink.shown;
    let wrong = |error: serde_json::Error| {
        let line = error.line() as u64;
        Error::input(format!("expected JSON, found an error: {error}")).in_file(shown).at_line(line)
    };
    let mut reader = serde_json::Deserializer::from_reader(input);
    reader.deserialize_any(Top(sink)).map_err(wrong)?;
    reader.end().map_err(wrong)
}

/// One JSON object, or text, a line.
pub(super) fn lines(mut input: impl BufRead, sink: &mut Sink<'_>) -> Result<()> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        number += 1;
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| Error::io("cannot be read", error).in_file(sink.shown))? == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            sink.blank += 1;
            continue;
        }
        let place = format!("line {number}");
        match serde_json::from_slice::<Value>(&line) {
            Ok(value) => element(&value, None, &place, sink),
            Err(error) => sink.note_bad(&place, error.to_string()),
        }
    }
}

/// An element: a name, or an object that has one.
fn element(value: &Value, label: Option<&str>, place: &str, sink: &mut Sink<'_>) {
    let object = match value {
        Value::String(name) => {
            sink.add(&Row { name, label, ..Row::default() }, std::iter::empty(), || place.to_owned());
            return;
        }
        Value::Object(object) => object,
        other => {
            sink.note_bad(place, format!("expected a name or an object, found {}", shorten(&other.to_string())));
            return;
        }
    };
    let columns = sink.columns;
    let Some(name) = columns.names().into_iter().find_map(|key| object.get(key)) else {
        sink.note_bad(place, format!("expected a key `name`, found {}", shorten(&value.to_string())));
        return;
    };
    let (name, any_case) = match name {
        Value::String(name) => (name.clone(), false),
        Value::Array(tokens) => match token_pattern(tokens) {
            Ok(pattern) => pattern,
            Err(reason) => return sink.note_bad(place, reason),
        },
        other => {
            sink.note_bad(place, format!("expected a name, found {}", shorten(&other.to_string())));
            return;
        }
    };
    let priority = object.get(columns.priority()).filter(|value| !value.is_null());
    let priority = match priority.map(|value| value.as_i64().and_then(|value| i32::try_from(value).ok())) {
        None => None,
        Some(Some(priority)) => Some(priority),
        Some(None) => return sink.note_bad(place, "expected a whole number as priority"),
    };
    let mut aliases: Vec<&str> = Vec::new();
    for value in columns.aliases().into_iter().filter_map(|key| object.get(key)) {
        match value {
            Value::String(text) => aliases.extend(text.split(columns.separator())),
            Value::Array(values) => aliases.extend(values.iter().filter_map(Value::as_str)),
            _ => {}
        }
    }
    let label = object.get(columns.label()).and_then(Value::as_str).or(label);
    sink.add(&Row { name: &name, label, priority, any_case }, aliases.into_iter(), || place.to_owned());
}

/// A pattern of tokens that stands for one name; whether any of its tokens is in any case.
fn token_pattern(tokens: &[Value]) -> Result<(String, bool), String> {
    let mut name = String::new();
    let mut any_case = false;
    for token in tokens {
        let object = token.as_object().filter(|object| object.len() == 1);
        let Some((key, Value::String(text))) = object.and_then(|object| object.iter().next()) else {
            return Err(format!(
                "expected tokens by `LOWER`, `TEXT` or `ORTH` alone, found {}: patterns that are more than a name \
                 belong into a labelling program",
                shorten(&token.to_string())
            ));
        };
        match key.as_str() {
            "LOWER" => any_case = true,
            "TEXT" | "ORTH" => {}
            other => return Err(format!("expected `LOWER`, `TEXT` or `ORTH`, found `{other}`")),
        }
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(text);
    }
    Ok((name, any_case))
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

struct Top<'s, 'a>(&'s mut Sink<'a>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of names, or an object of lists by label")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let mut number = 0;
        while sequence.next_element_seed(Element { sink: &mut *self.0, label: None, number })?.is_some() {
            number += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(label) = map.next_key::<String>()? {
            map.next_value_seed(Labelled { sink: &mut *self.0, label: &label })?;
        }
        Ok(())
    }
}

/// The list of one label.
struct Labelled<'s, 'a> {
    sink: &'s mut Sink<'a>,
    label: &'s str,
}

impl<'de> DeserializeSeed<'de> for Labelled<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Labelled<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of names for `{}`", self.label)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let mut number = 0;
        loop {
            let seed = Element { sink: &mut *self.sink, label: Some(self.label), number };
            if sequence.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
            number += 1;
        }
    }
}

/// One element of a list.
struct Element<'s, 'a> {
    sink: &'s mut Sink<'a>,
    label: Option<&'s str>,
    number: usize,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Element<'_, '_> {
    fn take(self, value: &Value) {
        let place = match self.label {
            Some(label) => format!("`{label}`, element {}", self.number + 1),
            None => format!("element {}", self.number + 1),
        };
        element(value, self.label, &place, self.sink);
    }
}

impl<'de> Visitor<'de> for Element<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name or an object")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        let number = self.number;
        self.sink.add(&Row { name, label: self.label, ..Row::default() }, std::iter::empty(), || {
            format!("element {}", number + 1)
        });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let value = serde::Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        self.take(&value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<(), A::Error> {
        let value = serde::Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(sequence))?;
        self.take(&value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.take(&Value::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.take(&Value::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.take(&Value::from(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.take(&Value::from(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.take(&Value::from(value));
        Ok(())
    }
}
