//! `postil match` and `postil lists`.

use std::fmt::Write;

use crate::support::{Folder, value};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("people.txt", "Ada Lovelace\nGrace Hopper\nParis Ott\n\n-\nq\n");
    folder.write("places.csv", "name,alias\nSão Paulo,Sampa\nOslo,\nParis,\n");
    folder
}

#[test]
fn names_are_marked_in_a_table_and_written_in_any_format() {
    let folder = folder();
    folder.write("texts.csv", "id,text\na,\"🚀 Ada Lovelace in Oslo\"\nb,nothing\nc,Paris and Sampa\n");
    let lists = ["--list", "PER=people.txt", "--list", "LOC=places.csv"];
    let mut arguments = vec!["match", "texts.csv", "-o", "out.jsonl", "--json"];
    arguments.extend(lists);
    let found = folder.json(&arguments);
    assert_eq!((&found["documents"], &found["spans"], &found["ambiguous"]), (&3.into(), &4.into(), &0.into()));
    assert_eq!(found["labels"], serde_json::json!({"LOC": 3, "PER": 1}));
    assert_eq!(found["lists"][0]["left_out"]["too few characters"]["first"], serde_json::json!(["q"]));
    assert_eq!(found["lists"][1]["other_names"], 1);
    let written = folder.read("out.jsonl");
    assert!(
        written.starts_with(r#"{"id":"a","text":"🚀 Ada Lovelace in Oslo","spans":[{"start":2,"end":14,"#),
        "{written}"
    );
    let mut arguments = vec!["match", "texts.csv", "-o", "out.conll"];
    arguments.extend(lists);
    let text = folder.ok(&arguments);
    assert!(text.contains("4 spans in 3 documents") && text.contains("written: out.conll"), "{text}");
    assert!(folder.read("out.conll").contains("Ada\tB-PER\nLovelace\tI-PER\nin\tO\nOslo\tB-LOC\n"));
}

#[test]
fn matches_keep_to_the_tokens_of_a_file_with_tokens() {
    let folder = folder();
    folder.write("in.conll", "Oslo-based O\nOslo O\n's O\n\nAda O\n\nLovelace O\n\n");
    folder.ok(&["match", "in.conll", "--list", "LOC=places.csv", "--list", "PER=people.txt", "-o", "out.conll"]);
    assert!(folder.read("out.conll").starts_with("Oslo-based\tO\nOslo\tB-LOC\n's\tO\n\nAda\tO\n\nLovelace\tO\n"));
}

#[test]
fn switches_and_ambiguity_can_be_chosen() {
    let folder = folder();
    folder.write("more.txt", "Oslo\n");
    folder.write("t.txt", "oslo sao paulo\n\nLovelace\n");
    let base =
        ["match", "t.txt", "--json", "--list", "LOC=places.csv", "--list", "ORG=more.txt", "--list", "PER=people.txt"];
    let with = |more: &[&str]| folder.json(&base.iter().chain(more).copied().collect::<Vec<_>>());
    assert_eq!(with(&[])["spans"], 0);
    let found = with(&["--case", "ignore", "--accents", "fold", "--parts", "last"]);
    assert_eq!(found["labels"], serde_json::json!({"LOC": 1, "LOC|ORG": 1, "PER": 1}));
    assert_eq!(found["ambiguous"], 1);
    assert_eq!(with(&["--case", "ignore", "--drop-ambiguous"])["spans"], 0);
}

#[test]
fn bad_lists_are_refused_by_place_and_reason() {
    let folder = folder();
    folder.write("t.txt", "x\n");
    let cases: [(i32, &[&str], &str); 4] = [
        (2, &[], "expected at least one list"),
        (1, &["--list", "LOC=none.txt"], "none.txt"),
        (2, &["--list", "people.txt"], "expected a label for every entry"),
        (2, &["--lists", "t.txt"], "t.txt"),
    ];
    for (code, more, expected) in cases {
        let mut arguments = vec!["match", "t.txt"];
        arguments.extend(more);
        let said = folder.fails(code, &arguments);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
}

#[test]
fn switches_are_tuned_on_gold_and_come_back_as_settings() {
    let folder = folder();
    folder.write("people.txt", "Ada Lovelace\nGrace Hopper\nWill\nMay\n");
    let mut gold = String::new();
    for number in 0..12 {
        gold.push_str("Then O\nLovelace B-PER\nmet O\nHopper B-PER\nin O\nSao B-LOC\nPaulo I-LOC\n\n");
        gold.push_str(&format!("Will O\nyou O\ncome O\nin O\nMay O\n{number} O\n?\tO\n\n").replace('\t', " "));
    }
    folder.write("gold.conll", gold);
    let arguments = [
        "lists",
        "tune",
        "--gold",
        "gold.conll",
        "--list",
        "PER=people.txt",
        "--list",
        "LOC=places.csv",
        "--json",
        "-o",
        "tuned.toml",
    ];
    let found = folder.json(&arguments);
    assert_eq!(found["measured_by"], "cross-validation");
    assert!(value(&found["before"]["f1"]) < 0.1, "{found}");
    assert!(value(&found["after"]["f1"]) > 0.9, "{found}");
    assert_eq!(found, folder.json(&[&arguments[..], &["--threads", "2"]].concat()), "the same on two threads");
    let settings = folder.read("tuned.toml");
    assert!(settings.contains("[[annotator.lists.\"PER\"]]\npath = \"people.txt\"\n"), "{settings}");
    assert!(settings.contains("accents = \"fold\""), "{settings}");
    let again = folder.json(&["match", "gold.conll", "--lists", "tuned.toml", "--json"]);
    assert_eq!(again["labels"], serde_json::json!({"LOC": 12, "PER": 24}));
    let text = folder.ok(&["lists", "tune", "--gold", "gold.conll", "--list", "LOC=places.csv"]);
    for part in ["before", "after", "accents = fold", "names that are missed most often", "[[annotator]]"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn marked_names_are_carried_further() {
    let folder = Folder::new();
    folder
        .write("in.conll", "-DOCSTART- O\n\nAda B-PER\nOtt I-PER\nmet O\n\nOtt O\nleft O\n\n-DOCSTART- O\n\nOtt O\n\n");
    let found = folder.json(&["lists", "propagate", "in.conll", "-o", "out.conll", "--person", "PER", "--json"]);
    assert_eq!((&found["spans_before"], &found["added"]), (&1.into(), &1.into()));
    assert!(folder.read("out.conll").contains("Ott\tB-PER\nleft\tO"), "{}", folder.read("out.conll"));
    folder.ok(&["lists", "propagate", "in.conll", "-o", "out.jsonl", "--oversample", "0.5"]);
    assert!(folder.read("out.jsonl").contains("\"weight\""));
    folder.ok(&["train", "out.jsonl", "--task", "spans", "--weight", "weight", "-o", "m.postil"]);
    let said = folder.fails(2, &["train", "out.jsonl", "--task", "spans", "--weight", "mass", "-o", "m.postil"]);
    assert!(said.contains("`mass`"), "{said}");
}

#[test]
fn misspelt_names_and_files_of_names_are_switches() {
    let folder = folder();
    folder.write("t.txt", "Ada Lovelacce met Grace Hopper\n\nin Oslo\n");
    folder.write("only.txt", "\u{FEFF}ada lovelace\nOslo\n");
    folder.write("except.txt", "OSLO\n");
    let base = ["match", "t.txt", "--json", "--list", "PER=people.txt", "--list", "LOC=places.csv"];
    let labels = |more: &[&str]| folder.json(&[&base[..], more].concat())["labels"].clone();
    assert_eq!(labels(&[]), serde_json::json!({"LOC": 1, "PER": 1}));
    assert_eq!(labels(&["--fuzzy", "90"]), serde_json::json!({"LOC": 1, "PER": 2}));
    assert_eq!(labels(&["--fuzzy", "90", "--only-names", "only.txt"]), serde_json::json!({"LOC": 1, "PER": 1}));
    assert_eq!(labels(&["--except-names", "except.txt"]), serde_json::json!({"PER": 1}));
    let said = folder.fails(2, &[&base[..], &["--fuzzy", "20"]].concat());
    assert!(said.contains("50..=100"), "{said}");
    let said = folder.fails(1, &[&base[..], &["--only-names", "none.txt"]].concat());
    assert!(said.contains("none.txt"), "{said}");
}

#[test]
fn proposed_entries_join_a_list_once_somebody_accepts_them() {
    let folder = folder();
    folder.write("places.txt", "Oslo\nBergen\nPorto\n");
    folder.write("names.txt", "Ada Lovelace\nGrace Hopper\n");
    let mut texts = String::from("id,text\n");
    for (row, place) in ["Oslo", "Bergen", "Porto", "Tromsø", "Tromsø"].iter().enumerate() {
        writeln!(texts, "{row},\"Then we flew to {place} by plane, and Grace Hopper waved.\"").unwrap();
    }
    folder.write("texts.csv", texts);
    let lists = ["--list", "place=places.txt", "--list", "person=names.txt"];
    let said = folder.ok(&[&["lists", "propose", "texts.csv", "-o", "new.csv"][..], &lists].concat());
    assert!(said.contains("only a person can tell"), "{said}");
    let table = folder.read("new.csv");
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("entry,label,count,reason,example,accept"));
    let line = lines.next().unwrap();
    assert!(line.starts_with("Tromsø,place,2,") && line.contains("flew to [Tromsø] by plane"), "{table}");
    let found = folder.json(&[&["lists", "propose", "texts.csv", "--json"][..], &lists].concat());
    assert_eq!(found["proposals"][0]["entry"], "Tromsø");
    let with_new = ["match", "texts.csv", "--json", "--list", "new.csv"];
    let said = folder.fails(2, &with_new);
    assert!(said.contains("write `yes` into the column `accept`"), "{said}");
    folder.write("new.csv", table.replace(line, &format!("{line}yes")));
    assert_eq!(folder.json(&with_new)["labels"], serde_json::json!({"place": 2}));
    folder.write("new.csv", table.replace(line, &format!("{line}perhaps")));
    let said = folder.fails(2, &with_new);
    assert!(said.contains("line 2: expected `yes` or `no` in `accept`, found `perhaps`"), "{said}");
    let said = folder.fails(2, &[&["lists", "propose", "texts.csv", "--least", "9"][..], &lists].concat());
    assert!(said.contains("--least"), "{said}");
}

#[test]
fn long_lists_long_sentences_and_odd_lines_are_read_and_counted() {
    let folder = Folder::new();
    let mut names = String::new();
    for number in 0..100_000 {
        writeln!(names, "Name{number} Sen\n\n  ").unwrap();
    }
    names.push_str("Tab\tnot a number\nOslo\t3\n");
    folder.write("names.txt", names);
    let sentence = "word ".repeat(200_000);
    folder.write("t.jsonl", format!("{{\"id\":\"a\",\"text\":\"{sentence}Name77 Sen in Oslo\",\"spans\":[]}}\n"));
    let found = folder.json(&["match", "t.jsonl", "--list", "PER=names.txt", "--json"]);
    let list = &found["lists"][0];
    assert_eq!((&found["spans"], &list["entries"]), (&2.into(), &100_001.into()), "{list}");
    assert_eq!((&list["blank"], &list["unreadable"]), (&200_000.into(), &1.into()));
    assert!(list["first_unreadable"][0].as_str().unwrap().contains("line 300001: a tab in"), "{list}");
    // A token that holds a tab cannot stand in a file with a token per line as it is, and that is told.
    folder.write("tab.jsonl", "{\"id\":\"a\",\"tokens\":[\"a\\tb\",\"Oslo\"],\"tags\":[\"O\",\"O\"]}\n");
    let said = folder.ok(&["convert", "tab.jsonl", "--to", "conll", "-o", "out.conll"]);
    assert!(said.contains("1 tokens hold tabs or line breaks"), "{said}");
    assert_eq!(folder.read("out.conll"), "a_b\tO\nOslo\tO\n\n");
}
