//! `postil simulate`.

use crate::support::{Folder, shared, value};

/// Three machines, of which the strong one is right except on every twelfth item, and two people who know.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut answers = vec!["item,annotator,label,confidence".to_owned()];
    let (mut gold, mut people) = (vec!["item,label".to_owned()], vec!["item,annotator,label".to_owned()]);
    for item in 0..240u32 {
        let truth = if item % 2 == 0 { "yes" } else { "no" };
        let other = if item % 2 == 0 { "no" } else { "yes" };
        let noise = |salt: u32, of: u32| (item.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 7) % of == 0;
        for (name, wrong) in [("small@a", noise(1, 3)), ("small@b", noise(2, 3)), ("strong", noise(3, 12))] {
            let label = if wrong { other } else { truth };
            answers.push(format!("{item},{name},{label},{}", if wrong { 0.6 } else { 0.8 }));
        }
        gold.push(format!("{item},{truth}"));
        people.push(format!("{item},{},{truth}", ["ada", "bob", "cleo"][item as usize % 3]));
        people.push(format!("{item},{},{truth}", ["ada", "bob", "cleo"][(item as usize + 1) % 3]));
    }
    answers.push("0,silent,,".to_owned());
    folder.write("answers.csv", answers.join("\n"));
    folder.write("gold.csv", gold.join("\n"));
    folder.write("people.csv", people.join("\n"));
    folder.write("prices.csv", "annotator,price\nsmall,0.1\nstrong,2\nsilent,1\npeople,30\n");
    folder
}

const BASE: [&str; 8] = ["simulate", "answers.csv", "--gold", "gold.csv", "--draws", "2", "--fit", "60"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [&BASE, more].concat()
}

#[test]
fn cost_is_drawn_against_quality() {
    let folder = folder();
    let found = folder.json(&with(&["--prices", "prices.csv", "-o", "curve.html", "--json"]));
    assert_eq!(
        (found["decisions"].as_u64(), found["gold"].as_u64(), found["fit"].as_u64()),
        (Some(240), Some(240), Some(60))
    );
    let points = found["points"].as_array().unwrap();
    for name in ["single", "majority", "random-split", "committee", "chain", "confidence", "cascade", "value", "auto"] {
        assert!(points.iter().any(|point| point["policy"] == name), "{name}");
    }
    for point in points {
        let budget = point["budget"].as_f64().unwrap();
        // The mean is over gold items that measure; the budget holds over all.
        assert!(value(&point["cost"]) <= budget * 1.2 + 1e-9, "{point}");
        assert!(value(&point["quality"]) <= 1.0);
    }
    let best = points.iter().filter(|point| point["policy"] == "auto").map(|point| value(&point["quality"]));
    assert!(best.fold(0.0, f64::max) > 0.85);
    let page = folder.read("curve.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("r-auto") && page.contains("Content-Security-Policy"));
    assert!(
        !page.contains("<script") && !page.contains("NaN") && !page.contains("http://") && !page.contains("https://")
    );

    let text = folder.ok(&with(&["--prices", "prices.csv"]));
    for part in ["240 items", "random-split", "what `auto` saves at equal quality", "majority of all machines"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(
        folder.ok(&with(&["--prices", "prices.csv", "--threads", "1"])),
        folder.ok(&with(&["--prices", "prices.csv", "--threads", "3"]))
    );
}

#[test]
fn people_are_asked_for_money() {
    let folder = folder();
    let more =
        ["--prices", "prices.csv", "--people", "people.csv", "--policies", "single,value", "--budgets", "240,7200"];
    let found = folder.json(&with(&[&more[..], &["--json"]].concat()));
    let alone: Vec<&str> = found["alone"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(alone, ["people#1", "people#2", "silent", "small@a", "small@b", "strong"]);
    let points = found["points"].as_array().unwrap();
    let single: Vec<&serde_json::Value> = points.iter().filter(|point| point["policy"] == "single").collect();
    // With 30 an item a person answers everything; with 1 an item the small ones do.
    assert_eq!((single[0]["people"].as_f64(), single[1]["people"].as_f64()), (Some(0.0), Some(1.0)));
    assert_eq!(value(&single[1]["quality"]), 1.0);
    let message = folder.fails(2, &with(&["--people", "people.csv"]));
    assert!(message.contains("price of a person") && message.contains("--person-price"), "{message}");
    assert!(folder.fails(2, &with(&["--people", "zzz"])).contains("`zzz`"));
    folder.ok(&with(&["--people", "strong", "--person-price", "9", "--policies", "value"]));
}

#[test]
fn a_projects_ledger_is_replayed() {
    let folder = Folder::tickets();
    folder.ok(&["run", "."]);
    let before = folder.files("ledger/segments");
    let text = folder.ok(&["simulate", ".", "--draws", "1", "--policies", "single,majority,value"]);
    assert!(
        text.contains("824 items, 16 annotators, 150 gold labels") && text.contains("no prices are known"),
        "{text}"
    );
    assert_eq!(before.keys().collect::<Vec<_>>(), folder.files("ledger/segments").keys().collect::<Vec<_>>());
}

#[test]
fn bad_input_says_what_to_do() {
    let folder = folder();
    assert!(folder.fails(2, &["simulate", "answers.csv"]).contains("--gold"));
    assert!(folder.fails(2, &with(&["--policies", "magic"])).contains("`magic`"));
    folder.write("few.csv", "item,label\n1,no\n2,yes\n");
    let message = folder.fails(2, &["simulate", "answers.csv", "--gold", "few.csv"]);
    assert!(message.contains("at least 50") && message.contains("found 2"), "{message}");
    folder.write("prices.csv", "annotator,price\nsmall,0.1\nstrong,-2\n");
    assert!(
        folder.fails(2, &with(&["--prices", "prices.csv"])).contains("prices.csv:3: expected a price of at least 0")
    );
    folder.write("prices.csv", "annotator,price\nsmall,0.1\n");
    let message = folder.fails(2, &with(&["--prices", "prices.csv"]));
    assert!(message.contains("found none for `s"), "{message}");
    assert!(folder.fails(2, &with(&["--budgets", "0.001"])).contains("expected a budget"));
    assert!(folder.fails(2, &with(&["-o", "-"])).contains("file for the page"));
}

#[test]
fn stored_answers_of_language_models_are_replayed() {
    let Some(set) = shared("llm/css-flute") else { return };
    let folder = Folder::new();
    let path = |name: &str| set.join(name).to_str().unwrap().to_owned();
    let (answers, truth) = (path("annotations.csv"), path("truth.csv"));
    let found =
        folder.json(&["simulate", &answers, "--gold", &truth, "--draws", "1", "--policies", "single,value", "--json"]);
    assert_eq!(found["decisions"], 500);
    assert!(found["points"].as_array().unwrap().iter().any(|point| value(&point["quality"]) > 0.55));
}
