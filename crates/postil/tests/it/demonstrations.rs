//! `postil demonstrations`.

use std::fmt::Write;

use serde_json::Value;

use crate::support::{Folder, shared, value};

fn pool() -> String {
    let mut out = String::from("text,label\n");
    for row in 0..60 {
        let (words, label) = match row % 3 {
            0 => ("the parcel is late and the courier lost it", "delivery"),
            1 => ("my card was charged twice for one invoice", "billing"),
            _ => ("the login button crashes after the update", "bug"),
        };
        let _ = writeln!(out, "case {row} {}: {words} {}{row},{label}", row * 7919, "number ".repeat(row % 5));
    }
    out
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn items_get_their_nearest_and_never_themselves() {
    let folder = Folder::new();
    folder.write("pool.csv", "text,label\nwhere is my parcel,delivery\nWhere is my parcel?,delivery\nthe parcel is late again,delivery\nmy card was charged twice,billing\nrefund my card,billing\n");
    folder.write("items.csv", "text\nwhere is my parcel\nthe card was refunded\n");
    let found = lines(&folder.ok(&["demonstrations", "pool.csv", "items.csv", "--k", "2"]));
    assert_eq!(found.len(), 2);
    let rows = |at: usize| -> Vec<u64> {
        found[at]["demonstrations"].as_array().unwrap().iter().map(|shown| shown["row"].as_u64().unwrap()).collect()
    };
    // Rows 1 and 2 are the first item itself.
    assert_eq!(rows(0)[0], 3);
    assert!(!rows(0).contains(&1) && !rows(0).contains(&2));
    assert_eq!(found[1]["demonstrations"][0]["label"], "billing");
}

#[test]
fn every_method_writes_the_same_lines_on_any_number_of_threads() {
    let folder = Folder::new();
    folder.write("pool.csv", pool());
    for method in ["nearest", "fixed", "diverse", "facility", "vote-k"] {
        let run = |threads: &str, output: &str| {
            folder.ok(&[
                "demonstrations",
                "pool.csv",
                "pool.csv",
                "--k",
                "3",
                "--method",
                method,
                "--balanced",
                "--containment",
                "2",
                "-o",
                output,
                "--threads",
                threads,
            ]);
            folder.read(output)
        };
        let one = run("1", "one.jsonl");
        assert_eq!(one, run("2", "two.jsonl"), "{method}");
        for line in lines(&one) {
            let shown = line["demonstrations"].as_array().unwrap();
            let mut labels: Vec<&str> = shown.iter().map(|shown| shown["label"].as_str().unwrap()).collect();
            labels.sort_unstable();
            assert_eq!(labels, ["billing", "bug", "delivery"], "{method}");
            assert!(shown.iter().all(|shown| shown["row"] != line["row"]), "{method}");
        }
    }
}

#[test]
fn mistakes_are_named() {
    let folder = Folder::new();
    folder.write("pool.csv", pool());
    folder.write("empty.csv", "text,label\n");
    assert!(folder.fails(2, &["demonstrations", "pool.csv", "pool.csv", "--label", "topic"]).contains("`topic`"));
    assert!(folder.fails(2, &["demonstrations", "empty.csv", "pool.csv"]).contains("empty.csv"));
    assert!(folder.fails(2, &["demonstrations", "pool.csv", "pool.csv", "--k", "0"]).contains("at least 1"));
}

#[test]
fn neighbours_of_public_questions_predict_their_labels() {
    let Some(set) = shared("text/trec6") else { return };
    let folder = Folder::new();
    let (train, test) = (set.join("train.csv"), set.join("test.csv"));
    let (train, test) = (train.to_str().unwrap(), test.to_str().unwrap());
    let told = folder.json(&["demonstrations", train, test, "--truth", "label", "--json"]);
    assert!(value(&told["vote_accuracy"]) > 0.75, "{told}");
}
