//! Lists, programs and stored answers in tasks about spans and tags.

use postil_annotators::{Annotator, AnnotatorSpec, Settings, Silence, open};
use postil_core::{Annotation, Answer, ItemBatch, LabelSet, Status, Task, TaskKind};
use serde::Deserialize;

use crate::support::worker;

fn settings() -> Settings {
    Settings::new(worker(), 2)
}

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) {
        self.write_bytes(name, text.as_bytes());
    }

    fn write_bytes(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn try_open(&self, entry: &str, task: &Task, settings: &Settings) -> Result<Vec<Box<dyn Annotator>>, String> {
        let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
        let spec = AnnotatorSpec::deserialize(entry).map_err(|error| error.to_string())?;
        open(&spec, task, self.0.path(), settings).map_err(|error| match error.advice() {
            Some(advice) => format!("{error} ({advice})"),
            None => error.to_string(),
        })
    }

    fn open(&self, entry: &str, task: &Task) -> Vec<Box<dyn Annotator>> {
        self.open_with(entry, task, &settings())
    }

    fn open_with(&self, entry: &str, task: &Task, settings: &Settings) -> Vec<Box<dyn Annotator>> {
        self.try_open(entry, task, settings).unwrap()
    }

    fn refuse(&self, entry: &str, task: &Task) -> String {
        match self.try_open(entry, task, &settings()) {
            Ok(_) => panic!("expected an error"),
            Err(error) => error,
        }
    }
}

fn task() -> Task {
    Task { kind: TaskKind::Spans, labels: LabelSet::flat(["PER", "LOC", "ORG"]).unwrap(), guidelines: None }
}

/// `quote/label` of every span, or the status.
fn said(annotation: &Annotation) -> Vec<String> {
    match &annotation.answer {
        Answer::Spans { spans, .. } => {
            spans.iter().map(|span| format!("{}/{}@{}", span.quote, span.label, span.start)).collect()
        }
        Answer::Abstain => vec![annotation.status.name().to_owned()],
        other => panic!("expected spans, found {other:?}"),
    }
}

const TEXT: &str = "🚀 Zoë Ott of Oslo met Paris Ltd. in Paris.";

#[test]
fn lists_mark_names_and_leave_open_what_they_cannot_tell() {
    let project = Project::new();
    project.write("people.txt", "\u{feff}Zoë Ott\n# a comment\n\nParis\t0\n");
    project.write("places.json", r#"["Oslo", "Paris"]"#);
    project.write("firms.csv", "name,alias\nParis Limited,Paris Ltd\n");
    let mut annotators = project.open(
        r#"{"kind": "list", "name": "names", "lists": {"PER": "people.txt", "LOC": {"path": "places.json", "case": "exact"},
            "ORG": ["firms.csv"]}}"#,
        &task(),
    );
    assert_eq!(annotators.len(), 1);
    assert_eq!(annotators[0].silence(), Silence::Abstain);
    let items = ItemBatch::from_texts([("1", TEXT), ("2", "nothing here")]);
    let annotations = annotators[0].annotate(&items).unwrap();
    assert_eq!(said(&annotations[0]), ["Zoë Ott/PER@2", "Oslo/LOC@13", "Paris Ltd./ORG@22", "Paris/PER|LOC@36"]);
    assert_eq!(said(&annotations[1]), ["abstained"]);
    let evidence = annotations[0].evidence.as_deref().unwrap();
    assert!(evidence.contains("PER: Zoë Ott (people.txt)"), "{evidence}");
    assert!(evidence.contains("firms.csv: Paris Limited, other name"), "{evidence}");
    annotations.iter().for_each(|annotation| task().accept(&annotation.answer).unwrap());
}

#[test]
fn a_list_that_looked_everywhere_says_so() {
    let project = Project::new();
    project.write("places.txt", "Oslo\n");
    let entry = r#"{"kind": "list", "name": "places", "lists": {"LOC": "places.txt"}, "silence": "outside"}"#;
    let mut annotators = project.open(entry, &task());
    let annotations = annotators[0].annotate(&ItemBatch::from_texts([("1", "nothing")])).unwrap();
    assert_eq!(annotations[0].answer, Answer::spans(vec![]));
    assert_eq!((annotations[0].status, annotators[0].silence()), (Status::Ok, Silence::Outside));
}

#[test]
fn switches_come_from_the_list_then_from_the_entry() {
    let project = Project::new();
    project.write("a.txt", "São Paulo\nLima\n");
    project.write("b.txt", "Bogotá\n");
    let entry = r#"{"kind": "list", "name": "x", "matching": {"accents": "fold"}, "case": "ignore", "separate": true,
        "lists": {"LOC": [{"path": "a.txt", "skip": ["lima"]}], "ORG": {"path": "b.txt", "accents": "keep"}}}"#;
    let mut annotators = project.open(entry, &task());
    let names: Vec<String> = annotators.iter().map(|annotator| annotator.identity().name.to_string()).collect();
    assert_eq!(names, ["x/LOC", "x/ORG"]);
    let items = ItemBatch::from_texts([("1", "sao paulo, Lima, Bogota, bogotá")]);
    assert_eq!(said(&annotators[0].annotate(&items).unwrap()[0]), ["sao paulo/LOC@0"]);
    assert_eq!(said(&annotators[1].annotate(&items).unwrap()[0]), ["bogotá/ORG@25"]);
}

#[test]
fn wrong_entries_are_refused_with_the_reason() {
    let project = Project::new();
    project.write("a.txt", "Oslo\n");
    project.write("blank.txt", " \n# x\n");
    project.write("nolabel.jsonl", "{\"name\": \"x\"}\n");
    let cases = [
        (r#"{"LOC": {"path": "a.txt", "csae": "exact"}}"#, "csae"),
        (r#"{"CITY": "a.txt"}"#, "CITY"),
        (r#"{"LOC": "blank.txt"}"#, "expected at least one name"),
        (r#"{"LOC": "missing.txt"}"#, "missing.txt"),
        (r#"{"LOC": {"path": "a.txt", "stop": "fr"}}"#, "stop words are `en`, `es` or a file"),
    ];
    for (lists, expected) in cases {
        let error = project.refuse(&format!(r#"{{"kind": "list", "name": "x", "lists": {lists}}}"#), &task());
        assert!(error.contains(expected), "{lists}: {error}");
    }
    let error = project.refuse(r#"{"kind": "list", "name": "x", "path": "nolabel.jsonl"}"#, &task());
    assert!(error.contains("expected a label for every entry"), "{error}");
    let classify = Task { kind: TaskKind::Classify, ..task() };
    let entry = r#"{"kind": "list", "name": "x", "lists": {"LOC": {"path": "a.txt", "accents": "fold"}}}"#;
    assert!(project.refuse(entry, &classify).contains("settings for spans"));
}

#[test]
fn what_a_list_cannot_use_is_told() {
    let project = Project::new();
    project.write_bytes("a.txt", b"Oslo\n-\nx\tcity\n\xff\xfe\nRoma\t3\nq\n");
    let annotators = project.open(r#"{"kind": "list", "name": "x", "lists": {"LOC": "a.txt"}}"#, &task());
    let warnings = annotators[0].warnings().join("\n");
    assert!(warnings.contains("a.txt: 2 entries could not be read, the first: line 3: a tab"), "{warnings}");
    assert!(warnings.contains("1 entries are not looked for, no letter and no digit in it: `-`"), "{warnings}");
    assert!(warnings.contains("too few characters: `q`"), "{warnings}");
}

#[test]
fn lists_are_read_from_every_form() {
    let project = Project::new();
    project
        .write("by_label.json", r#"{"PER": ["Ann", {"name": "Bob Ott", "aliases": ["Bobby"]}], "LOC": ["Oslo", 3]}"#);
    project.write(
        "patterns.jsonl",
        "{\"label\": \"PER\", \"pattern\": \"Ann\"}\n{\"label\": \"LOC\", \"pattern\": [{\"LOWER\": \"new\"}, {\"LOWER\": \
         \"york\"}]}\n{\"label\": \"LOC\", \"pattern\": [{\"POS\": \"NOUN\"}]}\n",
    );
    project.write("table.tsv", "label\tname\tpriority\nPER\tAnn\t2\nLOC\tAnn\t1\nLOC\tOslo\t\n");
    let text = "Ann, Bobby, OSLO, New York";
    let cases: [(&str, &[&str]); 3] = [
        ("by_label.json", &["Ann/PER@0", "Bobby/PER@5", "OSLO/LOC@12"]),
        ("patterns.jsonl", &["Ann/PER@0", "New York/LOC@18"]),
        ("table.tsv", &["Ann/PER@0", "OSLO/LOC@12"]),
    ];
    for (file, expected) in cases {
        let entry = format!(r#"{{"kind": "list", "name": "x", "path": "{file}"}}"#);
        let mut annotators = project.open(&entry, &task());
        let annotations = annotators[0].annotate(&ItemBatch::from_texts([("1", text)])).unwrap();
        assert_eq!(said(&annotations[0]), expected, "{file}");
    }
    let entry = r#"{"kind": "list", "name": "x", "lists": {"ORG": {"path": "by_label.json", "only": "LOC"}}}"#;
    let mut annotators = project.open(entry, &task());
    assert_eq!(said(&annotators[0].annotate(&ItemBatch::from_texts([("1", text)])).unwrap()[0]), ["OSLO/ORG@12"]);
}

#[test]
fn programs_return_spans_and_tags() {
    let project = Project::new();
    project.write(
        "p.star",
        r#"
def spans_title(item):
    return [(s, e, "PER") for s, e in find_all(r"\b[A-Z]\w+ Ott\b", item.text)]

def spans_firm(item):
    t = item.tokens
    return [span(t, i - 1, i + 1, "ORG") for i in range(1, len(t)) if t[i].text == "Ltd." and t[i - 1].is_title]

def spans_some(item):
    return [(2, 5, ["PER", "ORG"]), (13, 17, "*"), (0, 1, "O"), (13, 17, "LOC|ORG")]

def tags_place(item):
    return ["B-LOC" if token.text in ["Oslo", "Paris"] else None for token in item.tokens]

def tags_all(item):
    return ["LOC" if token.shape == "Xx" and not token.sentence_start and token.text == "Oslo" else "O" for token in item.tokens]

def spans_none(item):
    return None
"#,
    );
    let mut annotators = project.open(r#"{"kind": "program", "name": "p", "path": "p.star"}"#, &task());
    let items = ItemBatch::from_texts([("1", TEXT)]);
    let answers: Vec<(String, Vec<String>)> = annotators
        .iter_mut()
        .map(|annotator| {
            let annotations = annotator.annotate(&items).unwrap();
            task().accept(&annotations[0].answer).unwrap();
            (annotator.identity().name.to_string(), said(&annotations[0]))
        })
        .collect();
    let expected: [(&str, &[&str]); 6] = [
        ("p/all", &["🚀 Zoë Ott of/O@0", "Oslo/LOC@13", "met Paris Ltd. in Paris./O@18"]),
        ("p/firm", &["Paris Ltd./ORG@22"]),
        ("p/none", &["abstained"]),
        ("p/place", &["Oslo/LOC@13", "Paris/LOC@22", "Paris/LOC@36"]),
        ("p/some", &["🚀/O@0", "Zoë/PER|ORG@2", "Oslo/*@13", "Oslo/LOC|ORG@13"]),
        ("p/title", &["Zoë Ott/PER@2"]),
    ];
    assert_eq!(answers.len(), expected.len());
    for ((name, spans), (expected_name, expected_spans)) in answers.iter().zip(expected) {
        assert_eq!(
            (name.as_str(), spans.iter().map(String::as_str).collect::<Vec<_>>()),
            (expected_name, expected_spans.to_vec())
        );
    }
}

#[test]
fn what_a_program_gets_wrong_is_malformed_with_its_reason() {
    let project = Project::new();
    let cases = [
        ("return [(0, 99, 'PER')]", "within the 6 of the text, found 0 to 99"),
        ("return [(3, 3, 'PER')]", "at least one character"),
        ("return [(-1, 3, 'PER')]", "whole numbers"),
        ("return [(0, 3)]", "expected a span (start, end, label)"),
        ("return [(0, 3, 'per')]", "expected one of `PER`, `LOC`, `ORG`, found `per`"),
        ("return 'PER'", "expected a list of spans"),
        ("return [span(item.tokens, 1, 1, 'PER')]", "0 <= first < last <= 1"),
    ];
    for (body, expected) in cases {
        project.write("p.star", &format!("def spans(item):\n    {body}\n"));
        let mut annotators = project.open(r#"{"kind": "program", "name": "p", "path": "p.star"}"#, &task());
        let annotations = annotators[0].annotate(&ItemBatch::from_texts([("1", "people")])).unwrap();
        let evidence = annotations[0].evidence.as_deref().unwrap_or_default();
        assert!(evidence.contains(expected) && evidence.contains("p.star:2"), "{body}: {evidence}");
    }
    project.write("p.star", "def tags(item):\n    return ['O']\n");
    let mut annotators = project.open(r#"{"kind": "program", "name": "p", "path": "p.star"}"#, &task());
    let annotations = annotators[0].annotate(&ItemBatch::from_texts([("1", "two words")])).unwrap();
    assert!(annotations[0].evidence.as_deref().unwrap().contains("expected 2 tags, one per token, found 1"));
    project.write("p.star", "def label(item):\n    return None\n");
    assert!(project.refuse(r#"{"kind": "program", "name": "p", "path": "p.star"}"#, &task()).contains("`spans(item)`"));
}

#[test]
fn stored_spans_are_read_from_a_cell_or_from_rows() {
    let project = Project::new();
    project.write(
        "cells.jsonl",
        "{\"item\": \"1\", \"annotator\": \"a\", \"spans\": [{\"start\": 2, \"end\": 9, \"label\": \"PER\", \"text\": \"Zoë \
         Ott\"}, [13, 17, \"LOC\"]]}\n{\"item\": \"1\", \"annotator\": \"b\", \"spans\": []}\n{\"item\": \"9\", \
         \"annotator\": \"a\", \"spans\": []}\n",
    );
    let mut annotators = project.open(r#"{"kind": "replay", "name": "r", "path": "cells.jsonl"}"#, &task());
    let items = ItemBatch::from_texts([("1", TEXT)]);
    assert_eq!(said(&annotators[0].annotate(&items).unwrap()[0]), ["Zoë Ott/PER@2", "Oslo/LOC@13"]);
    assert_eq!(annotators[1].annotate(&items).unwrap()[0].answer, Answer::spans(vec![]));
    assert_eq!(annotators[0].silence(), Silence::Outside);
    assert!(annotators[0].warnings()[0].contains("1 of 2 stored answers"));

    project.write("rows.csv", "item,start,end,label,quote\n1,2,9,PER,Zoë Ott\n1,13,17,LOC,\n2,,,,\n3,0,3,PER,Ann\n");
    let mut annotators = project.open(r#"{"kind": "replay", "name": "r", "path": "rows.csv"}"#, &task());
    let items = ItemBatch::from_texts([("1", TEXT), ("2", "x"), ("3", "Bob")]);
    let annotations = annotators[0].annotate(&items).unwrap();
    assert_eq!(said(&annotations[0]), ["Zoë Ott/PER@2", "Oslo/LOC@13"]);
    assert_eq!(annotations[1].answer, Answer::spans(vec![]));
    assert_eq!(annotations[2].status, Status::Malformed);
    assert!(
        annotations[2]
            .evidence
            .as_deref()
            .unwrap()
            .contains("rows.csv:5: expected `Ann` at 0 to 3 of `3`, found `Bob`")
    );
}

#[test]
fn the_tokenizer_of_the_settings_bounds_matches_and_tags() {
    let project = Project::new();
    project.write("places.txt", "Oslo\n");
    project.write("p.star", "def tags(item):\n    return ['B-LOC' for token in item.tokens]\n");
    let settings = settings().with_tokenizer(postil_core::text::Tokenizer::Whitespace);
    let items = ItemBatch::from_texts([("1", "Oslo-based Oslo")]);
    let list = r#"{"kind": "list", "name": "x", "lists": {"LOC": "places.txt"}}"#;
    let mut annotators = project.open_with(list, &task(), &settings);
    assert_eq!(said(&annotators[0].annotate(&items).unwrap()[0]), ["Oslo/LOC@11"]);
    let program = r#"{"kind": "program", "name": "p", "path": "p.star"}"#;
    let mut annotators = project.open_with(program, &task(), &settings);
    assert_eq!(said(&annotators[0].annotate(&items).unwrap()[0]), ["Oslo-based/LOC@0", "Oslo/LOC@11"]);
}

#[test]
fn a_tag_task_gets_a_span_for_every_tagged_token() {
    let project = Project::new();
    project
        .write("p.star", "def tags(item):\n    return ['PER' if token.is_title else None for token in item.tokens]\n");
    let task = Task { kind: TaskKind::Tag, ..task() };
    let mut annotators = project.open(r#"{"kind": "program", "name": "p", "path": "p.star"}"#, &task);
    let annotations = annotators[0].annotate(&ItemBatch::from_texts([("1", "Ann Ott left")])).unwrap();
    assert_eq!(said(&annotations[0]), ["Ann/PER@0", "Ott/PER@4"]);
    task.accept(&annotations[0].answer).unwrap();
}

#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    let project = Project::new();
    project.write("places.txt", "Oslo\nNew York\n");
    let texts: Vec<(String, String)> =
        (0..600).map(|number| (number.to_string(), format!("{number} in Oslo and New York {number}"))).collect();
    let items = ItemBatch::from_texts(texts.iter().map(|(id, text)| (id.as_str(), text.as_str())));
    let entry = r#"{"kind": "list", "name": "x", "lists": {"LOC": "places.txt"}}"#;
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| project.open(entry, &task())[0].annotate(&items).unwrap())
    };
    assert_eq!(with(1), with(2));
}
