//! Entity lists as spaCy's EntityRuler writes them.

use std::path::Path;

use serde_json::Value;

use super::lines::Lines;
use super::remarks::{RemarkKind, Remarks};
use crate::error::{Error, Result};
use crate::table::open::open_text;
use crate::task::Name;

/// One phrase of an entity list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The label of what matches.
    pub label: Name,
    /// The phrase, with single spaces between tokens.
    pub phrase: String,
    /// Whether it matches in any case.
    pub folds_case: bool,
    /// What the phrase is a name of, if that is given.
    pub id: Option<String>,
}

/// Reads patterns, one JSON object per line with `label`, `pattern` and perhaps `id`. A pattern of token attributes is
/// a phrase if every token says nothing but `ORTH`, `TEXT` or `LOWER`; any other is left out and listed.
pub fn read_patterns(path: impl AsRef<Path>) -> Result<(Vec<Pattern>, Remarks)> {
    let mut lines = Lines::new(open_text(path.as_ref())?);
    let (mut patterns, mut remarks) = (Vec::new(), Remarks::default());
    while let Some(line) = lines.next_text()? {
        if line.trim().is_empty() {
            continue;
        }
        let value: Result<Value, _> = serde_json::from_str(line);
        let number = lines.number();
        let Ok(Value::Object(object)) = value else {
            return Err(lines.error("expected a JSON object with `label` and `pattern`, found something else"));
        };
        let (Some(Value::String(label)), Some(pattern)) = (object.get("label"), object.get("pattern")) else {
            return Err(lines.error("expected `label` and `pattern`, found other keys"));
        };
        let id = object.get("id").and_then(Value::as_str).map(str::to_owned);
        match phrase(pattern) {
            Some((phrase, folds_case)) => {
                patterns.push(Pattern { label: label.as_str().into(), phrase, folds_case, id });
            }
            None => remarks.add(RemarkKind::UnreadablePattern, "", number, || pattern.to_string()),
        }
    }
    if patterns.is_empty() {
        return Err(Error::input("expected patterns, found none that is a phrase").in_file(lines.name()));
    }
    Ok((patterns, remarks))
}

fn phrase(pattern: &Value) -> Option<(String, bool)> {
    match pattern {
        Value::String(phrase) if !phrase.trim().is_empty() => Some((phrase.clone(), false)),
        Value::Array(tokens) if !tokens.is_empty() => {
            let mut words = Vec::with_capacity(tokens.len());
            let mut folds = false;
            for token in tokens {
                let token = token.as_object()?;
                let (key, word) = token.iter().next().filter(|_| token.len() == 1)?;
                match key.to_ascii_uppercase().as_str() {
                    "ORTH" | "TEXT" => {}
                    "LOWER" => folds = true,
                    _ => return None,
                }
                words.push(word.as_str()?);
            }
            Some((words.join(" "), folds))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_read_and_other_patterns_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patterns.jsonl");
        std::fs::write(
            &path,
            "{\"label\":\"CITY\",\"pattern\":\"Oslo\",\"id\":\"oslo\"}\n\n\
             {\"label\":\"CITY\",\"pattern\":[{\"LOWER\":\"new\"},{\"LOWER\":\"york\"}]}\n\
             {\"label\":\"DATE\",\"pattern\":[{\"SHAPE\":\"dddd\"}]}\n",
        )
        .unwrap();
        let (patterns, remarks) = read_patterns(&path).unwrap();
        assert_eq!(patterns[0].id.as_deref(), Some("oslo"));
        assert_eq!((patterns[1].phrase.as_str(), patterns[1].folds_case), ("new york", true));
        assert_eq!(remarks.count(RemarkKind::UnreadablePattern), 1);
        std::fs::write(&path, "{\"label\":1}\n").unwrap();
        assert!(read_patterns(&path).unwrap_err().to_string().contains(":1:"));
    }
}
