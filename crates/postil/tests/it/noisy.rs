//! `postil train --noisy`.

use std::fmt::Write;

use crate::support::{Folder, value};

/// Texts of three subjects; two in five of the first subject carry the second's label. The truth beside them.
fn tables() -> (String, String) {
    let subjects = [
        ["parcel", "late", "courier", "doorstep", "tracking"],
        ["charged", "refund", "invoice", "card", "payment"],
        ["crash", "login", "button", "freezes", "screen"],
    ];
    let labels = ["delivery", "billing", "bug"];
    let (mut given, mut gold) = (String::from("text,label\n"), String::from("text,label\n"));
    let mut state = 1u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % bound
    };
    for row in 0..600 {
        let class = row % 3;
        let words: Vec<&str> = (0..5).map(|_| subjects[class][below(5)]).collect();
        let text = format!("{} number {row}", words.join(" "));
        let said = if class == 0 && below(10) < 4 { 1 } else { class };
        let _ = writeln!(given, "{text},{}", labels[said]);
        if row % 2 == 0 {
            let _ = writeln!(gold, "{text},{}", labels[class]);
        }
    }
    (given, gold)
}

#[test]
fn a_remedy_is_rehearsed_chosen_and_measured_on_gold() {
    let folder = Folder::new();
    let (given, gold) = tables();
    folder.write("data.csv", given);
    folder.write("gold.csv", gold);
    let run = |threads: &str, output: &str| {
        folder.json(&[
            "train",
            "data.csv",
            "--noisy",
            "--gold",
            "gold.csv",
            "-o",
            output,
            "--json",
            "--threads",
            threads,
        ])
    };
    let mut told = run("1", "one.postil");
    let noisy = &told["noisy"];
    assert_eq!(noisy["rehearsal"].as_array().unwrap().len(), 6, "{noisy}");
    assert!((0.05..0.25).contains(&noisy["taken_for_wrong"].as_f64().unwrap()), "{noisy}");
    assert!(value(&noisy["gold_accuracy"]) > 0.9, "{noisy}");
    let mut again = run("2", "two.postil");
    (told["model"], again["model"]) = (serde_json::Value::Null, serde_json::Value::Null);
    assert_eq!(told, again);
    assert!(std::fs::read(folder.path("one.postil")).unwrap() == std::fs::read(folder.path("two.postil")).unwrap());
}

#[test]
fn a_remedy_can_be_asked_for_and_mistakes_are_named() {
    let folder = Folder::new();
    let (given, gold) = tables();
    folder.write("data.csv", given);
    folder.write("gold.csv", gold.replace("billing", "money"));
    folder.write("other.csv", "text,label\nsomething else,bug\n");
    let told = folder.json(&["train", "data.csv", "--noisy", "--remedy", "posterior", "-o", "m.postil", "--json"]);
    assert_eq!(told["noisy"]["remedy"], "posterior");
    assert!(folder.fails(2, &["train", "data.csv", "--noisy", "--gold", "gold.csv"]).contains("`money`"));
    assert!(
        folder.fails(2, &["train", "data.csv", "--noisy", "--gold", "other.csv"]).contains("among the training texts")
    );
    folder.fails(2, &["train", "data.csv", "--gold", "gold.csv"]);
    assert!(folder.fails(2, &["train", "data.csv", "--noisy", "--task", "multilabel"]).contains("multi-label"));
}
