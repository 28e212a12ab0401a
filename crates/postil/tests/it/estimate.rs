//! `postil estimate` on small tables, on bad ones, on stored answers and on a project.

use std::fmt::Write;

use serde_json::Value;

use crate::support::{Folder, shared, value};

/// A table of 600 rows in which the machine says `yes` too often in group b; gold on every third row.
fn table() -> String {
    let mut text = "id,group,x,machine,person,pi\n".to_owned();
    for row in 0..600u32 {
        let group = if row.is_multiple_of(2) { "a" } else { "b" };
        let x = f64::from(row * 7919 % 600) / 600.0;
        let truth = f64::from(row * 104_729 % 1000) / 1000.0 < 0.2 + 0.4 * x;
        let wrong = group == "b" && (row * 31 % 10) < 4;
        let machine = if truth || wrong { "yes" } else { "no" };
        let gold = row.is_multiple_of(3);
        let person = if !gold {
            ""
        } else if truth {
            "yes"
        } else {
            "no"
        };
        let pi = if gold { "0.3333333" } else { "" };
        let _ = writeln!(text, "{row},{group},{x},{machine},{person},{pi}");
    }
    text
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("table.csv", table());
    folder
}

const COLUMNS: [&str; 4] = ["--surrogate", "machine", "--gold", "person"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["estimate", "table.csv"];
    arguments.extend(COLUMNS);
    arguments.extend(more);
    arguments
}

fn terms(result: &Value, number: usize) -> Vec<(String, &Value)> {
    let terms = result["estimates"][number]["terms"].as_array().unwrap();
    terms.iter().map(|term| (term["name"].as_str().unwrap().to_owned(), term)).collect()
}

#[test]
fn shares_and_groups_stand_beside_what_the_machine_alone_says() {
    let folder = folder();
    let result = folder.json(&with(&["--probability", "pi", "--by", "group", "--json"]));
    let shares = terms(&result, 0);
    assert_eq!(shares.iter().map(|term| term.0.as_str()).collect::<Vec<_>>(), ["no", "yes"]);
    let (honest, naive) = (value(&shares[1].1["estimate"]), value(&shares[1].1["naive"]));
    assert!((honest - 0.4).abs() < 0.08 && naive > honest + 0.05, "{honest} {naive}");
    let groups = terms(&result, 1);
    assert_eq!(groups.iter().map(|term| term.0.as_str()).collect::<Vec<_>>(), ["group[a]", "group[b]"]);
    let difference = terms(&result, 2);
    assert_eq!(difference.len(), 1);
    let gap = value(&groups[1].1["estimate"]) - value(&groups[0].1["estimate"]);
    assert!((value(&difference[0].1["estimate"]) - gap).abs() < 0.03);
    assert!(value(&difference[0].1["naive"]) > gap + 0.1, "the machine invents a difference");
    let text = folder.ok(&with(&["--probability", "pi", "-o", "out.csv"]));
    assert!(text.contains("surrogate alone") && text.contains("gold alone"), "{text}");
    assert!(folder.read("out.csv").starts_with("what,term,error,estimate,estimate_low"), "{}", folder.read("out.csv"));
}

#[test]
fn regressions_by_every_method_agree_and_do_not_depend_on_threads() {
    let folder = folder();
    let formula = ["--formula", "person ~ x + group", "--random-sample", "--json"];
    let dsl = folder.json(&with(&formula));
    let slope = value(&terms(&dsl, 0)[1].1["estimate"]);
    for method in ["ppi", "ppi++"] {
        let mut arguments = with(&formula);
        arguments.extend(["--method", method]);
        let other = folder.json(&arguments);
        let error = terms(&other, 0)[1].1["error"].as_f64().unwrap();
        assert!((value(&terms(&other, 0)[1].1["estimate"]) - slope).abs() < 2.0 * error, "{method}");
    }
    let mut logistic = with(&formula);
    logistic.extend(["--family", "logistic"]);
    assert_eq!(terms(&folder.json(&logistic), 0)[0].0, "(intercept)");
    let mut one = vec!["--threads", "1"];
    one.extend(with(&formula));
    assert_eq!(folder.json(&one), dsl);
    let mut numbers = with(&["--random-sample", "--family", "quantile", "--json"]);
    numbers[3] = "group";
    let message = folder.fails(2, &numbers);
    assert!(message.contains("no label in common"), "{message}");
}

#[test]
fn a_sample_of_unknown_design_is_refused_with_the_reason() {
    let folder = folder();
    let message = folder.fails(2, &with(&[]));
    assert!(message.contains("--random-sample") && message.contains("by hand"), "{message}");
    assert!(folder.fails(2, &with(&["--probability", "x"])).contains("above 0 and at most 1"));
    assert!(folder.fails(2, &with(&["--probability", "group"])).contains("expected a probability in row 1"));
    folder.write("half.csv", table().replace(",0.3333333", ",1.5"));
    let mut arguments = with(&["--probability", "pi"]);
    arguments[1] = "half.csv";
    assert!(folder.fails(2, &arguments).contains("found 1.5"));
}

#[test]
fn columns_formulas_and_labels_that_do_not_fit_are_named() {
    let folder = folder();
    let random = |formula: &str| folder.fails(2, &with(&["--random-sample", "--formula", formula]));
    assert!(random("person ~ y").contains("`y`"));
    assert!(random("person ~ x +").contains("formula"));
    assert!(random("x ~ group").contains("expected the predicted column"));
    assert!(folder.fails(2, &["estimate"]).contains("expected a table"));
    assert!(folder.fails(2, &["estimate", "table.csv", "--random-sample"]).contains("--surrogate"));
    folder.write("none.csv", "machine,person\na,\nb,\n");
    let message =
        folder.fails(2, &["estimate", "none.csv", "--surrogate", "machine", "--gold", "person", "--random-sample"]);
    assert!(message.contains("expected gold in column `person`"), "{message}");
    folder.write("other.csv", "machine,person\na,c\nb,d\na,\n");
    let message =
        folder.fails(2, &["estimate", "other.csv", "--surrogate", "machine", "--gold", "person", "--random-sample"]);
    assert!(message.contains("no label in common"), "{message}");
}

#[test]
fn separation_constant_columns_and_one_class_have_defined_results() {
    let folder = Folder::new();
    let mut text = "x,same,double,machine,person\n".to_owned();
    for row in 0..200u32 {
        let label = u32::from(row >= 100);
        let person = if row.is_multiple_of(2) { label.to_string() } else { String::new() };
        let _ = writeln!(text, "{row},7,{},{label},{person}", 2 * row);
    }
    folder.write("table.csv", text);
    let result = folder.json(&with(&["--random-sample", "--formula", "person ~ x", "--family", "logistic", "--json"]));
    for (_, term) in terms(&result, 0) {
        for part in ["naive", "gold_only"] {
            assert!(term[part]["reason"].as_str().unwrap().contains("separate"), "{term}");
        }
    }
    let result = folder.json(&with(&["--random-sample", "--formula", "person ~ x + same + double", "--json"]));
    let found = terms(&result, 0);
    assert_eq!(found[1].1["estimate"]["state"], "known");
    for place in [2, 3] {
        assert!(found[place].1["estimate"]["reason"].as_str().unwrap().contains("combination"), "{:?}", found[place]);
    }
    folder.write("one.csv", "machine,person\n".to_owned() + &"a,a\na,\n".repeat(50));
    let result = folder.json(&[
        "estimate",
        "one.csv",
        "--surrogate",
        "machine",
        "--gold",
        "person",
        "--random-sample",
        "--json",
    ]);
    assert!((value(&terms(&result, 0)[0].1["estimate"]) - 1.0).abs() < 1e-4);
    assert!(result["estimates"][0]["notes"][0].as_str().unwrap().contains("cannot be excluded"), "{result}");
}

#[test]
fn machines_are_tested_against_humans() {
    let Some(set) = shared("llm/alttest-wax") else { return };
    let folder = Folder::new();
    let (answers, humans) = (set.join("annotations.csv"), set.join("human.csv"));
    let mut arguments = vec!["estimate", "alt-test", answers.to_str().unwrap(), "--humans", humans.to_str().unwrap()];
    arguments.extend(["--epsilon", "0.1", "--json"]);
    let result = folder.json(&arguments);
    let gemini = result["machines"].as_array().unwrap().iter().find(|one| one["machine"] == "gemini_pro").unwrap();
    assert!((gemini["winning_rate"].as_f64().unwrap() - 0.5).abs() < 1e-9);
    assert!((value(&gemini["advantage"]) - 0.737_148_232_999_707).abs() < 1e-9);
    arguments.truncate(5);
    let text = folder.ok(&arguments);
    assert!(text.contains("four times in five") && text.contains("may replace"), "{text}");
    arguments.truncate(3);
    assert!(folder.fails(2, &arguments).contains("--humans"));
    arguments.extend(["--humans", humans.to_str().unwrap(), "--scoring", "neg-rmse"]);
    assert!(folder.fails(2, &arguments).contains("expected a number as label"));
}

#[test]
fn too_little_overlap_is_not_testable() {
    let folder = Folder::new();
    folder.write("all.csv", "item,annotator,label\n1,ann,x\n1,bob,x\n1,llm:a,x\n1,llm:a,y\n2,ann,y\n2,llm:a,\n");
    let text = folder.ok(&["estimate", "alt-test", "all.csv", "--candidate", "llm:*"]);
    assert!(text.contains("not testable"), "{text}");
    let result = folder.json(&["estimate", "alt-test", "all.csv", "--candidate", "llm:*", "--json"]);
    assert_eq!((&result["repeated_answers"], &result["blank_answers"]), (&1.into(), &1.into()));
    assert!(folder.fails(2, &["estimate", "alt-test", "all.csv", "--candidate", "gpt"]).contains("`gpt`"));
}

/// 1,000 labels whose confidence is what it says, and gold on 250 of them.
fn labels(folder: &Folder) {
    let mut labels = "item,label,confidence,p_x,p_y\n".to_owned();
    let mut gold = "item,label,inclusion_probability\n".to_owned();
    for item in 0..1000u32 {
        let p = 0.5 + f64::from(item * 7919 % 1000) / 2000.0;
        let _ = writeln!(labels, "i{item},x,{p},{p},{}", 1.0 - p);
        if item.is_multiple_of(4) {
            let right = f64::from(item * 104_729 % 997) / 997.0 < p;
            let _ = writeln!(gold, "i{item},{},0.25", if right { "x" } else { "y" });
        }
    }
    folder.write("labels.csv", labels);
    folder.write("gold.csv", gold);
}

#[test]
fn a_promise_is_made_or_said_to_be_out_of_reach() {
    let folder = Folder::new();
    labels(&folder);
    let arguments =
        ["estimate", "promise", "labels.csv", "--gold", "gold.csv", "--risk", "0.2", "-o", "out.csv", "--json"];
    let result = folder.json(&arguments);
    let threshold = result["threshold"].as_f64().unwrap();
    assert!((0.5..0.9).contains(&threshold), "{threshold}");
    let accepted = folder.read("out.csv").lines().filter(|line| line.ends_with("true")).count() as u64;
    assert_eq!(result["accepted"].as_u64().unwrap(), accepted);
    assert!(result["curve"].as_array().unwrap().len() > 50);
    let text = folder.ok(&["estimate", "promise", "labels.csv", "--gold", "gold.csv", "--risk", "0.001"]);
    assert!(text.contains("cannot be promised"), "{text}");
    folder.write("plain.csv", folder.read("gold.csv").replace(",0.25", "").replace(",inclusion_probability", ""));
    let without = ["estimate", "promise", "labels.csv", "--gold", "plain.csv"];
    assert!(folder.fails(2, &without).contains("--random-sample"));
    folder.ok(&["estimate", "promise", "labels.csv", "--gold", "plain.csv", "--random-sample"]);
    assert!(folder.fails(2, &["estimate", "promise", "gold.csv", "--gold", "gold.csv"]).contains("confidence"));
}

#[test]
fn label_sets_hold_what_they_should() {
    let folder = Folder::new();
    labels(&folder);
    let arguments = ["estimate", "sets", "labels.csv", "--gold", "gold.csv", "-o", "sets.csv", "--json"];
    let result = folder.json(&arguments);
    assert_eq!(
        result["sets"]["sizes"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap()).sum::<u64>(),
        1000
    );
    assert!(value(&result["calibration"]["error"]) < 0.15);
    assert!(folder.read("sets.csv").contains("x|y,2"));
    assert!(
        folder.ok(&["estimate", "sets", "labels.csv", "--gold", "gold.csv", "--per-class"]).contains("in every class")
    );
    folder.write("odd.csv", folder.read("gold.csv").replacen(",y,", ",z,", 1));
    assert!(folder.fails(2, &["estimate", "sets", "labels.csv", "--gold", "odd.csv"]).contains("expected gold among"));
}

#[test]
fn gold_is_planned_before_it_is_bought() {
    let folder = Folder::new();
    let text = folder.ok(&["estimate", "plan"]);
    assert!(text.contains("gold labels needed") && text.contains("59"), "{text}");
    let result = folder.json(&["estimate", "plan", "--share", "0.5", "--population", "1000", "--json"]);
    assert_eq!(result["questions"][0]["items"], 278);
    folder.fails(2, &["estimate", "plan", "--confidence", "2"]);
}

#[test]
fn a_project_uses_the_draw_on_record() {
    let folder = Folder::tickets();
    let message = folder.fails(2, &["estimate", "."]);
    assert!(message.contains("postil run"), "{message}");
    folder.ok(&["run", "."]);
    let result = folder.json(&["estimate", ".", "--json"]);
    let shares = terms(&result, 0);
    let sum: f64 = shares.iter().map(|term| value(&term.1["estimate"])).sum();
    assert!((sum - 1.0).abs() < 0.05, "{sum}");
    let gold = folder.read("gold.csv").replace(",inclusion_probability", "").replace(",0.182039", "");
    folder.write("gold.csv", gold);
    let message = folder.fails(2, &["estimate", "."]);
    assert!(message.contains("postil draw"), "{message}");
    folder.ok(&["estimate", ".", "--random-sample"]);
    assert!(folder.fails(2, &["estimate", ".", "--gold", "x", "--surrogate", "y"]).contains("with a project"));
}
