//! Recognising a format by a name and a first look.

use std::path::Path;

use serde_json::Value;

use super::Format;

pub(super) fn detect(path: &Path, head: &[u8]) -> Option<Format> {
    if path.is_dir() {
        return Some(detect_folder(path));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ending == "ann" || (ending == "txt" && path.with_extension("ann").exists()) {
        return Some(Format::Brat);
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or(""),
    };
    let text = text.trim_start();
    match text.as_bytes().first() {
        Some(b'{') => Some(detect_object(text)),
        Some(b'[') => {
            let inner = text[1..].trim_start();
            match inner.as_bytes().first() {
                Some(b'{') => Some(detect_object(inner)),
                Some(b']') => Some(Format::LabelStudio),
                Some(b'"' | b'[') => Some(Format::Spacy),
                _ => None,
            }
        }
        None => None,
        Some(_) => detect_columns(ending, text),
    }
}

fn detect_folder(path: &Path) -> Format {
    if path.join("seq.in").exists() {
        return Format::Slots;
    }
    Format::Brat
}

/// Ten columns between tabs with a number first, or four with `SpaceAfter=No` or `_` last, are CoNLL-U.
fn detect_columns(ending: &str, text: &str) -> Option<Format> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).take(50);
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    let whole = &rows[..rows.len().saturating_sub(usize::from(rows.len() > 1))];
    let all = |fits: &dyn Fn(&[&str]) -> bool| !whole.is_empty() && whole.iter().all(|row| fits(row));
    let first_is_number = |row: &[&str]| row[0].bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    if all(&|row| row.len() == 10 && first_is_number(row)) {
        return Some(Format::Conllu);
    }
    let spacing = |last: &str| last == "_" || last.split('|').any(|note| note.starts_with("SpaceAfter="));
    if all(&|row| row.len() == 4 && spacing(row[3])) {
        return Some(Format::Conllu);
    }
    if text.lines().next().is_some_and(super::wikiner::is_sentence) {
        return Some(Format::Wikiner);
    }
    let columns = |line: &str| line.split_ascii_whitespace().count();
    let known = matches!(ending, "conll" | "conll03" | "bio" | "iob" | "iob2" | "bilou" | "bioes" | "ner" | "tags");
    // Running text has lines of any length; a file of tokens has the same few columns in most.
    let counts: Vec<usize> =
        text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).take(50).map(columns).collect();
    let first = counts.first().copied().unwrap_or(0);
    let alike = counts.iter().filter(|count| **count == first).count();
    let tabs = rows.first().is_some_and(|row| row.len() > 1);
    (known || tabs || (first >= 2 && alike * 10 >= counts.len() * 9)).then_some(Format::Conll)
}

/// The format of an object, by its keys; where the first line is cut, by the keys that stand in it.
fn detect_object(text: &str) -> Format {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    if let Some(Ok(Value::Object(object))) = values.next() {
        let has = |key: &str| object.contains_key(key);
        let first_span = |key: &str| object.get(key).and_then(Value::as_array).and_then(|list| list.first());
        // Prodigy's own `label` is a word; whoever wrote a list may have an `answer` in the metadata.
        let lists = ["label", "labels", "entities"].iter().any(|key| object.get(*key).is_some_and(Value::is_array));
        if has("_task_hash") || has("_input_hash") || (has("answer") && !lists && (has("text") || has("spans"))) {
            return Format::Prodigy;
        }
        if has("annotations") || has("predictions") || object.get("data").is_some_and(Value::is_object) {
            return Format::LabelStudio;
        }
        if first_span("tokens").is_some_and(Value::is_object)
            || first_span("spans").is_some_and(|span| span.get("token_start").is_some())
        {
            return Format::Prodigy;
        }
        if has("spans") || has("tokens") || has("tags") {
            return Format::Jsonl;
        }
        return if lists || has("cats") { Format::Doccano } else { Format::Jsonl };
    }
    let line = text;
    let has = |key: &str| line.contains(key);
    if has("\"_task_hash\"") || has("\"_input_hash\"") || has("\"token_start\"") {
        Format::Prodigy
    } else if has("\"annotations\"") || has("\"predictions\"") {
        Format::LabelStudio
    } else if has("\"spans\"") || has("\"tokens\"") {
        Format::Jsonl
    } else if has("\"entities\"") || has("\"label\"") {
        Format::Doccano
    } else {
        Format::Jsonl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_first_bytes() {
        let cases: [(&str, &str, Option<Format>); 22] = [
            ("eng.testb", "-DOCSTART- -X- -X- O\n\nSOCCER NN I-NP O\n- : O O\n", Some(Format::Conll)),
            ("x", "Oslo\tB-LOC\n\n", Some(Format::Conll)),
            ("a.conllu", "# sent_id = 1\n1\tAnn\tAnn\tPROPN\t_\t_\t0\troot\t_\t_\n\n", Some(Format::Conllu)),
            ("a.tsv", "# text = Go!\nGo\tVERB\tVB\tSpaceAfter=No\n!\tPUNCT\t.\t_\n\n", Some(Format::Conllu)),
            ("a.jsonl", "{\"text\":\"x\",\"_task_hash\":1,\"answer\":\"accept\"}\n", Some(Format::Prodigy)),
            ("a.jsonl", "{\"text\":\"x\",\"tokens\":[{\"text\":\"x\"}]}\n", Some(Format::Prodigy)),
            ("a.jsonl", "{\"text\":\"x\",\"label\":[[0,1,\"A\"]]}\n", Some(Format::Doccano)),
            ("a.jsonl", "{\"text\":\"x\",\"entities\":[]}\n", Some(Format::Doccano)),
            ("a.jsonl", "{\"text\":\"x\",\"label\":[],\"answer\":\"accept\"}\n", Some(Format::Doccano)),
            ("a.jsonl", "{\"text\":\"x\",\"label\":\"A\",\"answer\":\"accept\"}\n", Some(Format::Prodigy)),
            ("a.jsonl", "{\"id\":\"1\",\"text\":\"x\",\"spans\":[]}\n", Some(Format::Jsonl)),
            ("a.jsonl", "{\"id\":\"1\",\"text\":\"x\"}\n", Some(Format::Jsonl)),
            ("a.json", "[{\"id\":7,\"data\":{\"text\":\"x\"},\"annotations\":[]}]", Some(Format::LabelStudio)),
            ("a.json", "[\n [\"x\", {\"entities\": []}]]", Some(Format::Spacy)),
            ("a.jsonl", "[\"x\", {\"entities\": []}]\n", Some(Format::Spacy)),
            ("a.ann", "T1\tX 0 1\tx\n", Some(Format::Brat)),
            ("notes.txt", "This is a letter.\nIt has lines of several lengths, as letters do.\nYours\n", None),
            ("aij-wikiner-fr-wp3", "\nIl|PRO:PER|O vit|VER|O à|PRP|O Oslo|NAM|I-LOC\n\n", Some(Format::Wikiner)),
            ("x", "a|b c|d e|f\n", Some(Format::Conll)),
            ("x", "[1, 2]", None),
            ("x", "", None),
            (
                "a.jsonl",
                "{\"text\": \"cut off before its end\", \"spans\": [{\"token_start\": 1, ",
                Some(Format::Prodigy),
            ),
        ];
        for (name, head, format) in cases {
            assert_eq!(detect(Path::new(name), head.as_bytes()), format, "{name}: {head}");
        }
    }
}
