//! The schema of a record: the part of JSON Schema that says what a field may hold.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::task::Name;

/// What a field may hold.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A day, as `2026-11-28`.
    Date,
    /// A number.
    Number(Bounds),
    /// A number without a fraction.
    Integer(Bounds),
    /// Yes or no.
    Boolean,
    /// One of these.
    OneOf(Vec<String>),
    /// Any number of values of one kind, each once and in no order.
    List(Box<FieldKind>),
    /// Fields of its own, which count as one value.
    Record(Vec<Field>),
}

/// The least and the greatest that a number may be, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// `minimum`
    pub least: Option<f64>,
    /// `maximum`
    pub greatest: Option<f64>,
}

impl Bounds {
    /// Whether a number lies within.
    pub fn hold(self, number: f64) -> bool {
        self.least.is_none_or(|least| number >= least) && self.greatest.is_none_or(|greatest| number <= greatest)
    }

    /// ` of at least 0 and at most 10`, or nothing.
    pub(super) fn words(self) -> String {
        match (self.least, self.greatest) {
            (None, None) => String::new(),
            (Some(least), None) => format!(" of at least {least}"),
            (None, Some(greatest)) => format!(" of at most {greatest}"),
            (Some(least), Some(greatest)) => format!(" of at least {least} and at most {greatest}"),
        }
    }

    fn read(field: &Map<String, Value>) -> std::result::Result<Self, String> {
        let bound = |word: &str| match field.get(word) {
            None => Ok(None),
            Some(value) => {
                value.as_f64().map(Some).ok_or_else(|| format!("expected a number in `{word}`, found `{value}`"))
            }
        };
        Ok(Self { least: bound("minimum")?, greatest: bound("maximum")? })
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// What it may hold.
    pub kind: FieldKind,
    /// Whether it may be absent: the text does not say.
    pub nullable: bool,
    /// One sentence for annotators.
    pub description: Option<String>,
}

/// The fields of a record, in the order of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordSchema {
    fields: Vec<Field>,
    digest: Digest,
}

/// Words of a schema that say nothing about values.
const REMARKS: [&str; 7] = ["$schema", "$id", "$comment", "title", "description", "examples", "default"];

/// Words of a schema that say what an object holds.
const OF_OBJECTS: [&str; 3] = ["properties", "required", "additionalProperties"];

impl RecordSchema {
    /// Reads a JSON schema: an object whose properties are of the types string (with `enum`, or with the format `date`),
    /// number, integer (with `minimum` and `maximum`), boolean, an object of such, or a list of these. A type beside `null`, or a property that is not required, may be
    /// absent. Fields are in the order of `required`, then of their names.
    ///
    /// # Errors
    /// Text that is no JSON, and every part of JSON Schema beyond this: what is not checked must not look as if it were.
    pub fn parse(text: &str) -> Result<Self> {
        let schema: Value = serde_json::from_str(text)
            .map_err(|error| Error::task(format!("expected a JSON schema: {error}")).at_line(error.line() as u64))?;
        let wrong = |what: String| {
            Error::task(what).hint(
            "a record is an object with `properties` of the types string, number, integer, boolean, object, or array of these",
        )
        };
        let object = schema.as_object().filter(|object| object.get("type") == Some(&json!("object")));
        let object = object.ok_or_else(|| wrong("expected a schema of the type `object`".to_owned()))?;
        for word in object.keys() {
            let known: Vec<&str> = std::iter::once("type").chain(OF_OBJECTS).collect();
            if !known.contains(&word.as_str()) && !REMARKS.contains(&word.as_str()) {
                return Err(wrong(format!("expected one of `{}`, found `{word}`", known.join("`, `"))));
            }
        }
        let fields = fields(object).map_err(wrong)?;
        // Two texts of one meaning are one schema: key order and white space do not count.
        let meaning = format!("{fields:?}");
        Ok(Self { fields, digest: Digest::of(meaning.as_bytes()) })
    }

    /// The fields.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The digest of its meaning.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// The properties of an object, those that are required first and in that order, then by name.
fn fields(object: &Map<String, Value>) -> std::result::Result<Vec<Field>, String> {
    let properties = object.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty());
    let properties = properties.ok_or("expected `properties`, found none")?;
    let required: Vec<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(missing) = required.iter().find(|name| !properties.contains_key(**name)) {
        return Err(format!("`required` names `{missing}`, which is no property"));
    }
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| (required.iter().position(|one| one == name).unwrap_or(usize::MAX), (*name).clone()));
    let field = |name: &String| {
        let field = properties[name].as_object().ok_or_else(|| format!("field `{name}`: expected an object"))?;
        let (kind, null) = kind(field).map_err(|reason| format!("field `{name}`: {reason}"))?;
        Ok(Field {
            name: Name::from(name.as_str()),
            kind,
            nullable: null || !required.contains(&name.as_str()),
            description: field.get("description").and_then(Value::as_str).map(str::to_owned),
        })
    };
    names.into_iter().map(field).collect()
}

/// The kind of a property, and whether it may be null.
fn kind(field: &Map<String, Value>) -> std::result::Result<(FieldKind, bool), String> {
    for word in field.keys() {
        let known = ["type", "enum", "items", "format", "minimum", "maximum"];
        let known = known.iter().chain(&OF_OBJECTS).copied().collect::<Vec<_>>();
        if !known.contains(&word.as_str()) && !REMARKS.contains(&word.as_str()) {
            return Err(format!("`{word}` is not checked by Postil: leave it out"));
        }
    }
    let (mut types, mut null) = (Vec::new(), false);
    let named = match field.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for name in named {
        if name == "null" { null = true } else { types.push(name) }
    }
    let choices = match field.get("enum") {
        None => None,
        Some(Value::Array(all)) => {
            null |= all.contains(&Value::Null);
            let texts: Option<Vec<String>> =
                all.iter().filter(|one| !one.is_null()).map(|one| one.as_str().map(str::to_owned)).collect();
            Some(texts.filter(|texts| !texts.is_empty()).ok_or("expected texts in `enum`")?)
        }
        Some(_) => return Err("expected a list in `enum`".to_owned()),
    };
    let format = field.get("format").map(|format| format.as_str().unwrap_or(""));
    if format.is_some_and(|format| format != "date" || types != ["string"]) {
        return Err(format!("expected the format `date` of a string, found `{}`", format.unwrap_or_default()));
    }
    let kind = match (types.as_slice(), choices) {
        (["string"] | [], Some(choices)) => FieldKind::OneOf(choices),
        (_, Some(_)) => return Err("`enum` goes with the type `string`".to_owned()),
        (["string"], None) if format.is_some() => FieldKind::Date,
        (["string"], None) => FieldKind::Text,
        (["number"], None) => FieldKind::Number(Bounds::read(field)?),
        (["integer"], None) => FieldKind::Integer(Bounds::read(field)?),
        (["object"], None) if field.contains_key("properties") => FieldKind::Record(fields(field)?),
        (["boolean"], None) => FieldKind::Boolean,
        (["array"], None) => {
            let items = field.get("items").and_then(Value::as_object).ok_or("expected `items` of a list")?;
            match self::kind(items)? {
                (FieldKind::List(_), _) => return Err("a list of lists is not available".to_owned()),
                (_, true) => return Err("a list of what may be null is not available".to_owned()),
                (inner, false) => FieldKind::List(Box::new(inner)),
            }
        }
        ([], None) => return Err("expected a `type`".to_owned()),
        (types, None) => return Err(format!("expected one type and perhaps `null`, found `{}`", types.join("`, `"))),
    };
    let belongs = [
        (&["items"][..], matches!(kind, FieldKind::List(_)), "array"),
        (&["minimum", "maximum"], matches!(kind, FieldKind::Number(_) | FieldKind::Integer(_)), "number"),
        (&OF_OBJECTS, matches!(kind, FieldKind::Record(_)), "object"),
    ];
    for (words, fits, with) in belongs {
        if let Some(word) = words.iter().find(|word| !fits && field.contains_key(**word)) {
            return Err(format!("`{word}` goes with the type `{with}`"));
        }
    }
    Ok((kind, null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_checked_is_refused_by_name() {
        let field = |field: &str| {
            RecordSchema::parse(&format!(r#"{{"type": "object", "properties": {{"a": {field}}}}}"#))
                .map(|schema| schema.fields()[0].kind.clone())
                .map_err(|error| error.to_string())
        };
        assert_eq!(field(r#"{"type": ["string", "null"], "description": "x"}"#), Ok(FieldKind::Text));
        assert_eq!(field(r#"{"enum": ["a", null]}"#), Ok(FieldKind::OneOf(vec!["a".to_owned()])));
        let list = FieldKind::List(Box::new(FieldKind::Date));
        assert_eq!(field(r#"{"type": "array", "items": {"type": "string", "format": "date"}}"#), Ok(list));
        let bounds = Bounds { least: Some(0.0), greatest: None };
        assert_eq!(field(r#"{"type": "number", "minimum": 0}"#), Ok(FieldKind::Number(bounds)));
        let nested = field(r#"{"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}"#);
        let inner = Field { name: "b".into(), kind: FieldKind::Text, nullable: false, description: None };
        assert_eq!(nested, Ok(FieldKind::Record(vec![inner])));
        for (bad, word) in [
            (r#"{"type": "string", "pattern": "x"}"#, "pattern"),
            (r#"{"type": ["string", "number"]}"#, "one type"),
            (r#"{"type": "object"}"#, "one type"),
            (r#"{"type": "string", "format": "email"}"#, "email"),
            (r#"{"type": "number", "enum": ["a"]}"#, "enum"),
            (r#"{"type": "array"}"#, "items"),
            (r#"{"type": "string", "minimum": 1}"#, "minimum"),
            (r#"{"type": "number", "maximum": "1"}"#, "maximum"),
            (r#"{"type": "string", "properties": {}}"#, "properties"),
            (r#"{"type": "object", "properties": {"b": {"type": "string", "pattern": "x"}}}"#, "pattern"),
            ("{}", "type"),
        ] {
            assert!(field(bad).unwrap_err().contains(word), "{bad}: {:?}", field(bad));
        }
        assert!(RecordSchema::parse("[]").is_err() && RecordSchema::parse("{").is_err());
        let schema = RecordSchema::parse(
            r#"{"type":"object","required":["b","a"],"properties":{"a":{"type":"number"},"b":{"type":"number"},"c":{"type":"number"}}}"#,
        )
        .unwrap();
        let found: Vec<(&str, bool)> = schema.fields().iter().map(|field| (&*field.name, field.nullable)).collect();
        assert_eq!(found, [("b", false), ("a", false), ("c", true)]);
    }
}
