//! What every annotator promises, checked on each of them.

use postil_annotators::{Annotator, AnnotatorSpec};
use postil_core::{Cost, Digest, ItemBatch, LabelSet, TaskKind};

use crate::support::{Project, items, message};

struct Case {
    spec: &'static str,
    /// A file, its text, and another text that means something else.
    file: (&'static str, &'static str, &'static str),
    /// The same meaning in other words.
    same: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        spec: r#"{"kind": "program", "name": "a", "path": "p.star"}"#,
        file: (
            "p.star",
            "def label(item): return 'bug' if 'b' in item.text else None",
            "def label(item): return 'bug' if 'c' in item.text else None",
        ),
        same: "def label(item): return 'bug' if 'b' in item.text else None",
    },
    Case {
        spec: r#"{"kind": "program", "name": "a", "path": "p.star"}"#,
        file: (
            "p.star",
            "def labels(items): return ['bug' if 'b' in item.text else None for item in items]",
            "def labels(items): return [None for item in items]",
        ),
        same: "\u{feff}def labels(items): return ['bug' if 'b' in item.text else None for item in items]",
    },
    Case {
        spec: r#"{"kind": "list", "name": "a", "lists": {"bug": "l.txt"}}"#,
        file: ("l.txt", "b\nfault\t2\n", "b\nfault\t3\n"),
        same: "# comment\r\nfault\t2.0\r\nb\r\nb\r\n",
    },
    Case {
        spec: r#"{"kind": "replay", "name": "a", "path": "r.csv"}"#,
        file: ("r.csv", "item,annotator,label\n1,x,bug\n2,x,praise\n", "item,annotator,label\n1,x,bug\n2,x,bug\n"),
        same: "annotator,item,comment,label\nx,1,,bug\nx,2,,praise\n",
    },
];

fn annotator(case: &Case, text: &str) -> (Project, Box<dyn Annotator>) {
    let project = Project::new(TaskKind::Classify).with(case.file.0, text);
    let annotator = project.one(case.spec);
    (project, annotator)
}

fn version(case: &Case, text: &str) -> Digest {
    annotator(case, text).1.identity().version
}

#[test]
fn batches_of_any_kind_are_answered_in_order_and_free() {
    for case in &CASES {
        let (_project, mut annotator) = annotator(case, case.file.1);
        assert!(annotator.annotate(&items(&[])).unwrap().is_empty());
        let batch = items(&["a b c", "", "👍\u{200d}b 東京", "\0\r\n\t", "b b b"]);
        assert_eq!(annotator.price(&batch), Cost::default());
        let annotations = annotator.annotate(&batch).unwrap();
        let order: Vec<&str> = annotations.iter().map(|annotation| &*annotation.item).collect();
        assert!(order.is_sorted(), "{order:?}");
        for annotation in &annotations {
            assert_eq!(annotation.annotator, annotator.identity().version);
            assert_eq!(annotation.at_millis, 0);
            let row = annotation.item.parse::<usize>().unwrap() - 1;
            assert_eq!(annotation.content, batch.digest(row));
        }
        assert_eq!(annotator.annotate(&batch).unwrap(), annotations, "asked twice");
        // In other batches, and in another order, every item gets the same.
        let turned = batch.select(&[4, 0, 2]).unwrap();
        for annotation in annotator.annotate(&turned).unwrap() {
            assert!(annotations.contains(&annotation));
        }
    }
}

#[test]
fn the_version_changes_when_and_only_when_an_answer_can() {
    for case in &CASES {
        let (_, before, other) = case.file;
        assert_eq!(version(case, before), version(case, before));
        assert_eq!(version(case, before), version(case, case.same), "{}", case.spec);
        assert_ne!(version(case, before), version(case, other), "{}", case.spec);
        let mut project = Project::new(TaskKind::Classify).with(case.file.0, before);
        project.task.guidelines = Some("read by nobody here".into());
        assert_eq!(project.one(case.spec).identity().version, version(case, before));
        let renamed = case.spec.replace(r#""name": "a""#, r#""name": "b""#);
        assert_eq!(project.one(&renamed).identity().version, version(case, before));
        project.task.kind = TaskKind::Multilabel;
        assert_ne!(project.one(case.spec).identity().version, version(case, before));
    }
    // Programs and joint lists see all labels: another label is another question.
    for case in &CASES[..3] {
        let mut project = Project::new(TaskKind::Classify).with(case.file.0, case.file.1);
        project.task.labels = LabelSet::flat(["bug", "billing", "praise", "other"]).unwrap();
        assert_ne!(project.one(case.spec).identity().version, version(case, case.file.1));
    }
}

#[test]
fn entries_are_read_strictly_and_people_are_asked_elsewhere() {
    let bad = [
        r#"{"kind": "program", "name": "a", "path": "x", "limit": {}}"#,
        r#"{"kind": "program", "name": "a", "path": "x", "limits": {"memory": 1}}"#,
        r#"{"kind": "list", "name": "a", "lists": {"bug": {"path": "x", "cases": "exact"}}}"#,
        r#"{"kind": "list", "name": "a", "lists": {"bug": "x"}, "case": "lower"}"#,
        r#"{"kind": "replay", "name": "a", "path": "x", "columns": {"items": "id"}}"#,
        r#"{"kind": "oracle", "name": "a"}"#,
        r#"{"kind": "llm", "name": "a", "endpoint": "http://localhost", "model": "m", "price": {"input": 0.1}}"#,
        r#"{"kind": "llm", "name": "a", "endpoint": "http://localhost", "model": "m", "api_key": "secret"}"#,
    ];
    for spec in bad {
        assert!(serde_json::from_str::<AnnotatorSpec>(spec).is_err(), "{spec}");
    }
    let project = Project::new(TaskKind::Classify);
    assert!(project.open(r#"{"kind": "person", "name": "ann"}"#).unwrap().is_empty());
    assert!(serde_json::from_str::<AnnotatorSpec>(r#"{"kind": "person", "name": "ann", "model": "x"}"#).is_err());
    let pairs = Project::new(TaskKind::Pairs).with("l.txt", "x");
    assert!(message(pairs.open(CASES[2].spec)).contains("a pair has two"));
    let low = Project::new(TaskKind::Classify).with("p.star", "");
    let spec = r#"{"kind": "program", "name": "a", "path": "p.star", "limits": {"memory_mb": 1}}"#;
    assert!(message(low.open(spec)).contains("at least 16 MB"));
    let _: ItemBatch = items(&[]);
}
