//! The example of programs that ask lists, on reports written for this test: sentences drawn as gold, whole reports fused.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Folder, copy, value};

const GIVEN: [&str; 6] = ["Anna", "Hugo", "Greta", "Emil", "Clara", "Otto"];
const FAMILY: [&str; 7] = ["Lindqvist", "Okafor", "Marchetti", "Sandoval", "Petersen", "Novak", "Ferreira"];
const TOWNS: [(&str, &str); 5] =
    [("BERGEN", "Norway"), ("PORTO", "Portugal"), ("LYON", "France"), ("GRAZ", "Austria"), ("TURKU", "Finland")];

/// A text that grows by words and spans.
#[derive(Default)]
struct Report {
    text: String,
    spans: Vec<Value>,
}

impl Report {
    fn say(&mut self, words: &str) -> &mut Self {
        self.text.push_str(words);
        self
    }

    fn name(&mut self, words: &str, label: &str) -> &mut Self {
        let start = self.text.len();
        self.spans.push(json!({ "start": start, "end": start + words.len(), "label": label, "quote": words }));
        self.say(words)
    }
}

/// Sixty reports: a headline, a line of place and date, and who said what.
fn reports() -> Vec<Report> {
    let report = |number: usize| {
        let (given, family) = (GIVEN[number % 6], FAMILY[number % 7]);
        let (town, country) = TOWNS[number % 5];
        let mut report = Report::default();
        report.say("Ministers talk about ").say(["fish", "wool", "rain"][number % 3]).say(" .\n");
        report.name(town, "LOC").say(" , ").name(country, "LOC").say(" 1996-08-22\n");
        report.name(&format!("{given} {family}"), "PER").say(" , 47 , said on Monday that prices may fall .\n");
        report.say("Later ").name(family, "PER").say(" met owners of ").name(&format!("{family} Holdings Ltd"), "ORG");
        report.say(" in ").name(country, "LOC").say(" .\n");
        report.say("Nothing else was agreed , officials said .");
        report
    };
    (0..60).map(report).collect()
}

fn newswire() -> Folder {
    let folder = Folder::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/newswire");
    copy(&example.join("programs"), &folder.path("programs"));
    folder.write("data/gazetteers/firstnames-all.txt", GIVEN.join("\n"));
    folder.write("data/gazetteers/surnames-all.txt", FAMILY.join("\n"));
    let countries: String = TOWNS.iter().fold("name.common,demonyms.eng.m\n".to_owned(), |mut table, (_, country)| {
        let _ = writeln!(table, "{country},{country}er");
        table
    });
    folder.write("data/countries.csv", countries);
    folder.write(
        "postil.toml",
        r#"
[task]
kind = "spans"
labels = ["PER", "LOC", "ORG", "MISC"]
[data]
items = "data/newswire.jsonl"
id = "id"
text = "text"
tokenizer = "whitespace"
gold = "data/gold.jsonl"
[[annotator]]
name = "rules"
kind = "program"
path = "programs"
[annotator.lists]
given = "data/gazetteers/firstnames-all.txt"
family = "data/gazetteers/surnames-all.txt"
countries = { path = "data/countries.csv", columns = { name = "name.common" } }
demonyms = { path = "data/countries.csv", columns = { name = "demonyms.eng.m" } }
cities = { path = "data/countries.csv", columns = { name = "name.common" } }
"#,
    );
    let (mut items, mut truth) = (String::new(), String::new());
    for (number, report) in reports().into_iter().enumerate() {
        let _ = writeln!(items, "{}", json!({ "id": format!("r{number}"), "text": report.text }));
        let _ =
            writeln!(truth, "{}", json!({ "id": format!("r{number}"), "text": report.text, "spans": report.spans }));
    }
    folder.write("data/newswire.jsonl", items);
    folder.write("truth.jsonl", truth);
    folder
}

#[test]
fn sentences_are_drawn_with_their_spans_and_measure_whole_reports() {
    let folder = newswire();
    let drawn =
        folder.json(&["draw", "90", ".", "--sentences", "--from", "truth.jsonl", "-o", "data/gold.jsonl", "--json"]);
    assert_eq!((drawn["drawn"].as_u64(), drawn["of"].as_u64()), (Some(90), Some(300)));
    for line in folder.read("data/gold.jsonl").lines() {
        let sentence: Value = serde_json::from_str(line).unwrap();
        assert!((value_of(&sentence, "inclusion_probability") - 0.3).abs() < 1e-9);
        for span in sentence["spans"].as_array().unwrap() {
            assert!(value_of(span, "start") >= value_of(&sentence, "start"));
            assert!(value_of(span, "end") <= value_of(&sentence, "end"));
        }
    }
    let report = folder.json(&["--threads", "1", "run", ".", "--json"]);
    assert_eq!(report["gold"]["total"], 90);
    let f1 = value(&report["headline"]["value"]);
    assert!(f1 > 0.85, "F1 {f1}");
    let written = folder.read("out/labels.jsonl");
    let parts = written.lines().filter(|line| line.contains("\"measures\"")).count();
    assert!(parts > 30, "{parts} reports show the gold of their sentences");
    let files = folder.files("out");
    folder.ok(&["--threads", "2", "run", ".", "--fresh"]);
    assert_eq!(files, folder.files("out"), "computing everything again on two threads gives the same bytes");
    // Who is measured on part of a text is not measured on the rest of it.
    let whole = folder.json(&["evaluate", "truth.jsonl", "out/labels.jsonl", "--json"]);
    assert!((value(&whole["f1"]) - f1).abs() < 0.1, "{whole}");
}

fn value_of(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap()
}

#[test]
fn gold_of_parts_that_overlap_or_lie_outside_is_refused() {
    let folder = newswire();
    let line = |start: u32, end: u32, span: (u32, u32)| {
        let spans = json!([{ "start": span.0, "end": span.1, "label": "LOC" }]);
        json!({ "id": "r0", "start": start, "end": end, "spans": spans }).to_string()
    };
    for (gold, expected) in [
        (line(28, 56, (0, 5)), "gold spans within the part"),
        (line(28, 99999, (28, 34)), "a part within the item's text"),
        (line(56, 28, (28, 34)), "`start` before `end`"),
        (format!("{}\n{}", line(28, 56, (28, 34)), line(28, 34, (28, 34))), "two that overlap"),
    ] {
        folder.write("data/gold.jsonl", gold);
        let error = folder.fails(2, &["run", "."]);
        assert!(error.contains(expected) && error.contains("r0"), "{expected}: {error}");
    }
}

#[test]
fn lists_of_programs_are_entries_alone() {
    let folder = newswire();
    folder.write("data/gold.jsonl", "");
    let project = folder.read("postil.toml").replace(
        "given = \"data/gazetteers/firstnames-all.txt\"",
        "given = { path = \"data/gazetteers/firstnames-all.txt\", min_chars = 3 }",
    );
    folder.write("postil.toml", project);
    let error = folder.fails(2, &["run", "."]);
    assert!(error.contains("`path`, `columns` and `only` of the list `given`"), "{error}");
}
