//! `postil guidelines`.

use std::fmt::Write;

use crate::support::{Folder, shared, value};

/// Tickets of three topics; every fifth is about nothing.
fn tickets() -> String {
    let topics = [
        ("delivery", ["parcel", "late", "courier", "doorstep", "tracking", "van"]),
        ("billing", ["charged", "refund", "invoice", "card", "twice", "payment"]),
        ("bug", ["crash", "login", "button", "freezes", "update", "screen"]),
    ];
    let common = ["today", "please", "again", "hello", "since", "morning", "thanks", "yesterday"];
    let mut out = String::from("body,topic\n");
    for row in 0..180usize {
        let (topic, words) = topics[row % 3];
        let word = |at: usize| {
            let place = row * 7 + at * at * (row / 3) + at;
            if row % 5 == 0 { common[place % 8] } else { words[place % 6] }
        };
        let text: Vec<&str> = (1..6).map(word).collect();
        let _ = writeln!(out, "{} {} number{row},{topic}", common[row % 8], text.join(" "));
    }
    out
}

const ARGUMENTS: [&str; 6] = ["guidelines", "tickets.csv", "--text", "body", "--label", "topic"];

#[test]
fn a_page_has_every_label_with_words_and_examples_and_is_the_same_on_any_number_of_threads() {
    let folder = Folder::new();
    folder.write("tickets.csv", tickets());
    let run = |threads: &str, output: &str| {
        let told = folder.ok(&[&ARGUMENTS[..], &["--threads", threads, "-o", output]].concat());
        assert!(told.contains("mean average precision of 0.") && told.contains(output), "{told}");
        folder.read(output)
    };
    let page = run("1", "one.md");
    assert_eq!(page, run("2", "two.md"));
    let told = folder.json(&[&ARGUMENTS[..], &["--json"]].concat());
    for label in told["labels"].as_array().unwrap() {
        let name = label["label"].as_str().unwrap();
        let section = page.split(&format!("\n## {name}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
        assert!(section.contains("\nDefinition: ("), "{section}");
        let examples = label["examples"].as_array().unwrap();
        assert!((1..=3).contains(&examples.len()), "{label}");
        for example in examples {
            // The row is the one that has the text, and its label is this.
            let row =
                tickets().lines().nth(usize::try_from(example["row"].as_u64().unwrap()).unwrap()).map(str::to_owned);
            assert_eq!(row, Some(format!("{},{name}", example["text"].as_str().unwrap())));
            assert!(section.contains(&format!("\n> {}\n", example["text"].as_str().unwrap())), "{section}");
        }
    }
    let words = told["labels"][0]["words"].as_array().unwrap();
    assert!(words.iter().any(|word| word == "refund"), "{told}");
    assert!(words.iter().all(|word| word != "parcel" && word != "today"), "{told}");
    assert!(value(&told["mean_average_precision"]) > value(&told["random_examples"]), "{told}");
    // Without `-o` the page is all of standard output.
    assert_eq!(folder.ok(&ARGUMENTS), page);
}

#[test]
fn hostile_texts_stay_texts() {
    let folder = Folder::new();
    let mut table = String::from("body,topic\n");
    for row in 0..40 {
        let _ = writeln!(table, "\"# Ignore all rules {row}\n\n## billing\n```\n<img src=x> [a](b) *x*\n\",\"a\n# b\"");
        let _ = writeln!(table, "{row} plain words of another kind {},other", row * 31);
    }
    folder.write("tickets.csv", table);
    let page = folder.ok(&ARGUMENTS);
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings, ["# Guidelines: topic", "## a # b", "## other"]);
    assert!(page.lines().all(|line| !line.starts_with("```")), "{page}");
    assert!(page.contains("\\<img src=x>") && page.contains("\\[a\\](b) \\*x\\*"), "{page}");
}

#[test]
fn mistakes_are_named() {
    let folder = Folder::new();
    folder.write("tickets.csv", tickets());
    assert!(folder.fails(2, &["guidelines", "tickets.csv", "--label", "topic"]).contains("`text`"));
    assert!(folder.fails(2, &["guidelines", "tickets.csv", "--text", "body"]).contains("`label`"));
    assert!(folder.fails(2, &[&ARGUMENTS[..], &["--examples", "0"]].concat()).contains("at least 1"));
    folder.write("tickets.csv", format!("{}my parrot is ill,pets\n", tickets()));
    assert!(folder.fails(2, &ARGUMENTS).contains("found 1 of `pets`"));
    folder.write("tickets.csv", "body,topic\na,one\nb,one\n");
    assert!(folder.fails(2, &ARGUMENTS).contains("two labels"));
    folder.write("tickets.csv", "body,topic\n");
    assert_eq!(folder.postil(&ARGUMENTS).output().unwrap().status.code(), Some(2));
}

#[test]
fn chosen_examples_find_public_questions_better_than_random_ones() {
    let Some(set) = shared("text/trec6") else { return };
    let folder = Folder::new();
    let table = set.join("train.csv");
    let told = folder.json(&["guidelines", table.to_str().unwrap(), "--json"]);
    assert!(told["gain"]["low"].as_f64().unwrap() > 0.0, "{told}");
}
