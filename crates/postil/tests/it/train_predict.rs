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
