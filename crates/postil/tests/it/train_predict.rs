//! `postil train` and `postil predict`.

use std::fmt::Write;

use crate::support::{Folder, shared, value};

fn rows(separator: char, several: bool) -> String {
    let mut out = format!("text{separator}label\n");
    for row in 0..240 {
        let (fruit, bread) = (row % 3 != 0, row % 3 != 1);
        let text = [if fruit { "apple pear" } else { "" }, if bread { "roll loaf" } else { "" }].join(" ");
        let label = match (fruit, bread, several) {
            (true, true, true) => "fruit|bakery",
            (true, _, _) => "fruit",
            _ => "bakery",
        };
        let _ = writeln!(out, "{text} number {row}{separator}{label}");
    }
    out
}

#[test]
fn a_model_learns_is_saved_and_scores() {
    let folder = Folder::new();
    folder.write("data.csv", rows(',', false));
    let trained = folder.json(&["train", "data.csv", "-o", "m.postil", "--json"]);
    assert_eq!(trained["labels"], serde_json::json!(["bakery", "fruit"]));
    let scored = folder.json(&["predict", "m.postil", "data.csv", "--label", "label", "--json"]);
    assert!(value(&scored["scores"]["accuracy"]) > 0.95, "{scored}");
    for figure in ["macro_F1", "log_loss", "calibration_error"] {
        value(&scored["scores"][figure]);
    }
    let out = folder.ok(&["predict", "m.postil", "data.csv", "--probabilities"]);
    assert_eq!(out.lines().next(), Some("text,label,predicted,confidence,p_bakery,p_fruit"));
    assert_eq!(out.lines().count(), 241);
}

#[test]
fn several_labels_soft_labels_and_candidates() {
    let folder = Folder::new();
    folder.write("several.tsv", rows('\t', true));
    folder.ok(&["train", "several.tsv", "--kind", "multilabel", "-o", "m.postil"]);
    let scored = folder.json(&["predict", "m.postil", "several.tsv", "--label", "label", "--json"]);
    assert!(value(&scored["scores"]["micro_F1"]) > 0.9, "{scored}");

    let mut soft = String::from("text,p_fruit,p_bakery\n");
    for row in 0..100 {
        let (word, p) = if row % 2 == 0 { ("apple", 0.8) } else { ("loaf", 0.1) };
        let _ = writeln!(soft, "{word} {row},{p},{}", 1.0 - p);
    }
    folder.write("soft.csv", soft);
    folder.ok(&["train", "soft.csv", "--soft", "p_", "-o", "soft.postil"]);
    folder.write("new.csv", "text\napple\nloaf\n");
    let out = folder.ok(&["predict", "soft.postil", "new.csv"]);
    assert!(out.contains("apple,fruit,") && out.contains("loaf,bakery,"), "{out}");

    folder.write("candidates.csv", rows(',', true));
    folder.ok(&["train", "candidates.csv", "--candidates", "-o", "candidates.postil"]);
}

#[test]
fn mistakes_are_named() {
    let folder = Folder::new();
    folder.write("data.csv", rows(',', false));
    assert!(folder.fails(2, &["train", "data.csv", "--text", "body"]).contains("`body`"));
    assert!(folder.fails(2, &["train", "data.csv", "--kind", "ordinal"]).contains("--labels"));
    folder.write("empty.csv", "text,label\n");
    folder.fails(2, &["train", "empty.csv"]);
}

#[test]
fn real_questions_are_classified_as_well_as_by_the_best_linear_models() {
    let Some(set) = shared("text/trec6") else { return };
    let folder = Folder::new();
    let (train, test) = (set.join("train.csv"), set.join("test.csv"));
    let trained = folder.json(&["train", train.to_str().unwrap(), "-o", "m.postil", "--json"]);
    assert!(trained["bytes"].as_u64().unwrap() <= 4_000_000);
    let scored = folder.json(&["predict", "m.postil", test.to_str().unwrap(), "--label", "label", "--json"]);
    assert!(value(&scored["scores"]["accuracy"]) >= 0.90, "{scored}");
}

/// Texts in which one name is a place in some and a person, with half a doubt, in others.
fn doubtful(count: usize, sure: &str) -> String {
    let mut out = String::new();
    for at in 0..count {
        let (label, sure) = if at % 2 == 0 { ("PLACE", "1.0") } else { ("PERSON", sure) };
        let weight = at % 2;
        let _ = writeln!(
            out,
            r#"{{"id":"{at}","text":"we saw Orin today {at}","weight":{weight},"spans":[{{"start":7,"end":11,"label":"{label}","confidence":{sure}}}]}}"#
        );
    }
    out
}

#[test]
fn spans_teach_as_much_as_they_are_sure() {
    let folder = Folder::new();
    folder.write("new.jsonl", "{\"id\":\"n\",\"text\":\"we saw Orin today\"}\n");
    let label = |more: &[&str], sure: &str| {
        folder.write("data.jsonl", doubtful(80, sure));
        folder.ok(&[&["train", "data.jsonl", "--task", "spans", "-o", "m.postil"], more].concat());
        let line = folder.ok(&["predict", "m.postil", "new.jsonl", "--confidence"]);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(line["spans"][0]["confidence"].is_number(), "{line}");
        line["spans"][0]["label"].as_str().unwrap().to_owned()
    };
    assert_eq!(label(&[], "0.3"), "PLACE");
    // Only the texts that speak of a person weigh anything.
    assert_eq!(label(&["--certain", "--weight", "weight"], "0.6"), "PERSON");
    let error = folder.fails(2, &["train", "data.jsonl", "--task", "spans", "--weight", "mass"]);
    assert!(error.contains("expected a number of at least 0 in `mass`, found none"), "{error}");
}

#[test]
fn tags_are_the_same_on_any_number_of_threads() {
    let folder = Folder::new();
    let mut train = String::new();
    let mut large = String::new();
    for at in 0..6000 {
        let line = format!("Ann{}\tB-PER\nleft\tO\nOslo\tB-LOC\n{at}\tO\n\n", at % 7);
        if at < 100 {
            train.push_str(&line);
        }
        if at % 10 == 0 {
            large.push_str("-DOCSTART-\tO\n\n");
        }
        large.push_str(&line.replace("\tB-LOC", "\tI-X").repeat(5));
    }
    folder.write("train.conll", train);
    folder.write("large.conll", large);
    folder.ok(&["train", "train.conll", "--task", "spans", "-o", "m.postil"]);
    for threads in ["1", "2", "3"] {
        let out = format!("{threads}.conll");
        folder.ok(&["--threads", threads, "predict", "m.postil", "large.conll", "-o", &out]);
        let lines = format!("{threads}.jsonl");
        folder.ok(&["--threads", threads, "predict", "m.postil", "large.conll", "-o", &lines, "--confidence"]);
    }
    let first = folder.read("1.conll");
    assert_eq!(first.lines().filter(|line| line.ends_with("B-PER")).count(), 30_000);
    for other in ["2", "3"] {
        assert!(first == folder.read(&format!("{other}.conll")));
        assert!(folder.read("1.jsonl") == folder.read(&format!("{other}.jsonl")));
    }
}
