//! Stored answers, as they are and as they should not be.

use postil_core::{Status, TaskKind};

use crate::support::{Project, briefs, items, message, names};

#[test]
fn each_annotator_of_the_file_answers_for_itself() {
    let project = Project::new(TaskKind::Classify).with(
        "answers.csv",
        "item,annotator,label,confidence\r\n2,ann,bug,0.9\r\n1,bob,praise,\r\n1,ann,\"\",\r\n2,ann,praise,0.2\r\n\
         9,ann,bug,\r\n3,bob,spam,\r\n4,bob,bug,1.5\r\n",
    );
    let mut annotators = project.open(r#"{"kind": "replay", "name": "crowd", "path": "answers.csv"}"#).unwrap();
    assert_eq!(names(&annotators), ["crowd/ann", "crowd/bob"]);
    let batch = items(&["a", "b", "c", "d", "e"]);
    let ann = annotators[0].annotate(&batch).unwrap();
    assert_eq!(briefs(&ann), ["refused", "bug", "praise"], "item order, then the file's order");
    assert_eq!(ann[0].evidence.as_deref(), Some("answers.csv:4: the label is blank"));
    assert_eq!((ann[1].confidence, ann[2].confidence), (Some(0.9), Some(0.2)));
    assert_eq!(
        annotators[0].warnings(),
        ["1 of 4 stored answers of `crowd/ann` are about items that were not among the data"]
    );
    let bob = annotators[1].annotate(&batch).unwrap();
    assert_eq!(briefs(&bob), ["praise", "malformed", "malformed"]);
    assert!(bob[1].evidence.as_deref().unwrap().starts_with("answers.csv:7: expected one of"), "{bob:?}");
    assert!(bob[2].evidence.as_deref().unwrap().contains("between 0 and 1, found `1.5`"), "{bob:?}");
    assert!(annotators[1].warnings().is_empty());
}

#[test]
fn columns_and_separators_are_the_users() {
    let project = Project::new(TaskKind::Multilabel)
        .with("a.tsv", "comment\tid\tanswer\nx\t1\tbug; praise;bug\ny\t2\t;\nz\t3\t \n");
    let mut replay = project.one(
        r#"{"kind": "replay", "name": "old", "path": "a.tsv", "separator": ";", "columns": {"item": "id", "label": "answer"}}"#,
    );
    assert_eq!(&*replay.identity().name, "old");
    let annotations = replay.annotate(&items(&["a", "b", "c"])).unwrap();
    assert_eq!(briefs(&annotations), ["{bug,praise}", "{}", "refused"]);
    assert_eq!(annotations[1].status, Status::Ok);
}

#[test]
fn every_format_is_read_and_bad_rows_are_counted() {
    let project = Project::new(TaskKind::Classify)
        .with("a.jsonl", "{\"item\": 1, \"annotator\": \"x\", \"label\": \"bug\"}\n{broken\n{\"item\": 2, \"annotator\": \"x\", \"label\": null, \"confidence\": 0.5}\n{\"annotator\": \"x\", \"label\": \"bug\"}\n");
    let mut replay = project.one(r#"{"kind": "replay", "name": "r", "path": "a.jsonl"}"#);
    let annotations = replay.annotate(&items(&["a", "b"])).unwrap();
    assert_eq!(briefs(&annotations), ["bug", "refused"]);
    assert_eq!(annotations[1].evidence.as_deref(), Some("a.jsonl:3: the label is blank"));
    let warnings = replay.warnings();
    assert!(
        warnings[0].starts_with("rows of stored answers that could not be read: 2, the first: a.jsonl:4: "),
        "{warnings:?}"
    );
}

#[test]
fn bad_files_are_named() {
    let project = Project::new(TaskKind::Classify)
        .with("no.csv", "item,who,label\n1,a,bug\n")
        .with("empty.csv", "")
        .with("header.csv", "item,annotator,label\n");
    let open = |path: &str, columns: &str| {
        message(
            project.open(&format!(r#"{{"kind": "replay", "name": "r", "path": "{path}", "columns": {{{columns}}}}}"#)),
        )
    };
    assert!(open("no.csv", r#""label": "answer""#).contains("expected a column `answer`"));
    assert!(open("no.csv", r#""annotator": "by""#).contains("expected a column `by`, found `item`, `who`, `label`"));
    assert!(open("empty.csv", "").starts_with("empty.csv"));
    assert!(open("header.csv", "").contains("expected at least one answer, found none"));
    assert!(open("none.csv", "").starts_with("none.csv"));
}
