//! `postil audit` and the methods of `postil aggregate` that take a model, on small tables and on real answers.

use std::fmt::Write;

use crate::support::{Folder, shared, value};

/// Forty labels over two kinds, two of them wrong, and probabilities that know it.
fn small() -> Folder {
    let folder = Folder::new();
    let (mut labels, mut probs) = ("item,label\n".to_owned(), "item,p_cat,p_dog\n".to_owned());
    for item in 0..40 {
        let cat = item % 2 == 0;
        let sure = 0.80 + 0.004 * f64::from(item);
        let wrong = item == 10 || item == 31;
        writeln!(labels, "i{item},{}", if cat == wrong { "dog" } else { "cat" }).unwrap();
        let p = if cat { sure } else { 1.0 - sure };
        writeln!(probs, "i{item},{p:.3},{:.3}", 1.0 - p).unwrap();
    }
    folder.write("labels.csv", labels);
    folder.write("probs.csv", probs);
    folder
}

#[test]
fn wrong_labels_come_first_with_an_estimate_and_a_list() {
    let folder = small();
    let found = folder.json(&["audit", "labels.csv", "--probs", "probs.csv", "-o", "issues.csv", "--json"]);
    let items: Vec<&str> =
        found["issues"].as_array().unwrap().iter().map(|one| one["item"].as_str().unwrap()).collect();
    assert_eq!(items, ["i31", "i10"]);
    assert!((1.0..=6.0).contains(&value(&found["estimated_errors"])));
    assert_eq!(found["depths"][0]["checked"], serde_json::Value::Null);
    let list = folder.read("issues.csv");
    let mut lines = list.lines();
    assert!(lines.next().unwrap().starts_with("item,given,suggested,score,confidence,margin,error_probability"));
    assert!(lines.next().unwrap().starts_with("i31,cat,dog,"), "{list}");

    // People's verdicts replace the model's opinion.
    folder.write("checked.csv", "item,is_error\ni31,true\ni10,no\nelsewhere,1\n");
    let found = folder.json(&["audit", "labels.csv", "--probs", "probs.csv", "--checked", "checked.csv", "--json"]);
    assert_eq!(value(&found["depths"][0]["checked"]), 0.5);

    let shown = folder.ok(&["audit", "labels.csv", "--probs", "probs.csv"]);
    assert!(
        shown.contains("wrong labels: ") && shown.contains("cat -> dog") && shown.contains("nobody has checked"),
        "{shown}"
    );

    // Every filter and rank can be asked for, on any number of threads with the same bytes.
    for filter in [
        "both",
        "prune-by-class",
        "prune_by_noise_rate",
        "confident-learning",
        "predicted_neq_given",
        "low-normalised-margin",
    ] {
        let run = |threads: &str| {
            folder.ok(&[
                "audit",
                "labels.csv",
                "--probs",
                "probs.csv",
                "--filter",
                filter,
                "--json",
                "--threads",
                threads,
            ])
        };
        assert_eq!(run("1"), run("3"), "{filter}");
    }
    for rank in ["normalised-margin", "confidence-weighted-entropy"] {
        let found = folder.json(&[
            "audit",
            "labels.csv",
            "--probs",
            "probs.csv",
            "--rank",
            rank,
            "--adjust",
            "--budget",
            "5",
            "--json",
        ]);
        assert_eq!(found["issues"].as_array().unwrap().len(), 5, "{rank}");
    }
}

#[test]
fn a_budget_is_spent_by_distance_in_a_tree_and_compared() {
    let folder = Folder::new();
    // oak for pine is near, oak for cat is far; the truth tells which orders find more.
    folder.write("labels.csv", "item,label\na,oak\nb,oak\nc,pine\nd,cat\ne,pine\nf,cat\ng,oak\n");
    folder.write(
        "probs.csv",
        "item,p_cat,p_oak,p_pine\na,0.05,0.9,0.05\nb,0.1,0.2,0.7\nc,0.8,0.1,0.1\nd,0.9,0.05,0.05\ne,0.1,0.1,0.8\nf,0.8,0.1,0.1\ng,0.5,0.3,0.2\n",
    );
    folder.write("labels.tree", "animal\n  cat\nplant\n  oak\n  pine\n");
    folder.write("truth.csv", "item,label\na,oak\nb,pine\nc,pine\nd,cat\ne,pine\nf,cat\ng,oak\n");
    let base =
        ["audit", "labels.csv", "--probs", "probs.csv", "--hierarchy", "labels.tree", "--truth", "truth.csv", "--json"];
    let run = |more: &[&str]| folder.json(&[&base[..], more].concat());
    let first = |found: &serde_json::Value| found["issues"][0]["item"].as_str().unwrap().to_owned();
    let far = run(&["--budget", "1", "--rank", "far-first"]);
    assert_eq!((first(&far).as_str(), &far["issues"][0]["distance"]), ("c", &4.into()));
    assert_eq!(first(&run(&["--budget", "1", "--rank", "near-first"])), "b");
    let yields = far["yields"].as_array().unwrap();
    let errors = |order: &str| yields.iter().find(|one| one["order"] == order).unwrap()["errors"].as_f64().unwrap();
    assert_eq!((errors("near-first"), errors("far-first")), (1.0, 0.0));
    assert!((errors("random") - 1.0 / 7.0).abs() < 1e-12);
    folder.write("tree.csv", "label,parent\ncat,animal\noak,plant\npine,plant\n");
    let table = folder.json(&[
        "audit",
        "labels.csv",
        "--probs",
        "probs.csv",
        "--hierarchy",
        "tree.csv",
        "--rank",
        "far-first",
        "--budget",
        "1",
        "--json",
    ]);
    assert_eq!(first(&table), "c");

    let message = folder.fails(2, &["audit", "labels.csv", "--probs", "probs.csv", "--rank", "far-first"]);
    assert!(message.contains("--hierarchy"), "{message}");
    folder.write("short.csv", "label,parent\ncat,animal\noak,plant\n");
    let message = folder.fails(2, &["audit", "labels.csv", "--probs", "probs.csv", "--hierarchy", "short.csv"]);
    assert!(message.contains("short.csv") && message.contains("`pine`"), "{message}");
}

#[test]
fn judges_flag_labels_and_plan_a_check() {
    let folder = Folder::new();
    let (mut labels, mut answers) = ("item,label\n".to_owned(), "item,annotator,label,confidence\n".to_owned());
    for item in 0..60 {
        writeln!(labels, "i{item},yes").unwrap();
        for judge in ["m1", "m2", "m3"] {
            let against = item == 7 || (item == 8 && judge == "m1");
            writeln!(answers, "i{item},{judge},{},0.9", if against { "no" } else { "yes" }).unwrap();
        }
    }
    folder.write("labels.csv", labels);
    folder.write("judges.csv", answers);
    let found = folder.json(&["audit", "labels.csv", "--judges", "judges.csv", "-o", "flagged.csv", "--json"]);
    assert_eq!((&found["flagged"][0]["item"], &found["flagged"][0]["suggested"]), (&"i7".into(), &"no".into()));
    assert_eq!(found["error_rate"]["state"], "unknown");
    let drawn: Vec<&str> = found["to_check"].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
    assert!(drawn.contains(&"i7") && drawn.contains(&"i8") && drawn.len() < 60, "{drawn:?}");
    assert_eq!(folder.read("flagged.csv").matches(",true").count(), drawn.len());
    let mut checked = "item,is_error\n".to_owned();
    for item in &drawn {
        writeln!(checked, "{item},{}", u8::from(*item == "i7")).unwrap();
    }
    folder.write("checked.csv", checked);
    let found = folder.json(&["audit", "labels.csv", "--judges", "judges.csv", "--checked", "checked.csv", "--json"]);
    assert!((value(&found["error_rate"]) - 1.0 / 60.0).abs() < 1e-9);
}

#[test]
fn missing_and_spurious_labels_of_sets_are_found() {
    let folder = Folder::new();
    let (mut labels, mut probs) = ("item,label\n".to_owned(), "item,p_a,p_b\n".to_owned());
    for item in 0..40 {
        let (a, b) = (item % 2 == 0, item % 3 == 0);
        let cell = match (a, b) {
            _ if item == 6 => "a",
            (true, true) => "a|b",
            (true, false) => "a",
            (false, true) => "b",
            _ => "[]",
        };
        writeln!(labels, "i{item},{cell}").unwrap();
        let p = |has: bool| if has { 0.9 } else { 0.1 };
        writeln!(probs, "i{item},{},{}", p(a), p(b)).unwrap();
    }
    folder.write("labels.csv", labels);
    folder.write("probs.csv", probs);
    let found =
        folder.json(&["audit", "labels.csv", "--probs", "probs.csv", "--multilabel", "--budget", "1", "--json"]);
    let first = &found["issues"][0];
    assert_eq!((&first["item"], &first["label"], &first["change"]), (&"i6".into(), &"b".into(), &"add".into()));
}

#[test]
fn bad_files_are_refused_by_name() {
    let folder = small();
    let fails = |arguments: &[&str], parts: &[&str]| {
        let message = folder.fails(2, &[&["audit"], arguments].concat());
        assert!(parts.iter().all(|part| message.contains(part)), "{arguments:?}: {message}");
    };
    fails(&["labels.csv"], &["--probs", "--text"]);
    fails(&["labels.csv", "--probs", "probs.csv", "--filter", "x"], &["`low-self-confidence`", "`x`"]);
    fails(&["labels.csv", "--probs", "probs.csv", "--rank", "x"], &["`self-confidence`"]);
    fails(&["labels.csv", "--probs", "probs.csv", "--json", "-o", "-"], &["standard output"]);
    fails(&["labels.csv", "--probs", "probs.csv", "--judges", "probs.csv"], &["both"]);

    folder.write("other.csv", "item,p_cat,p_cow\ni1,0.5,0.5\n");
    fails(&["labels.csv", "--probs", "other.csv"], &["other.csv", "`p_dog`"]);
    folder.write("words.csv", "item,p_cat,p_dog\ni0,much,0.5\n");
    fails(&["labels.csv", "--probs", "words.csv"], &["words.csv:2", "`much`", "i0"]);
    folder.write("twice.csv", "item,p_cat,p_dog\ni0,0.4,0.6\ni0,0.5,0.5\n");
    fails(&["labels.csv", "--probs", "twice.csv"], &["twice.csv:3", "another"]);
    folder.write("strange.csv", "item,p_cat,p_dog\nx,0.4,0.6\n");
    fails(&["labels.csv", "--probs", "strange.csv"], &["strange.csv", "called alike"]);
    folder.write("none.csv", "item,p_cat,p_dog\n");
    fails(&["labels.csv", "--probs", "none.csv"], &["none.csv"]);
    folder.write("blank.csv", "item,label\ni1,\n");
    fails(&["blank.csv", "--probs", "probs.csv"], &["blank.csv", "found none"]);
    folder.write("said.csv", "item,is_error\ni1,perhaps\n");
    fails(&["labels.csv", "--probs", "probs.csv", "--checked", "said.csv"], &["said.csv", "`perhaps`", "i1"]);

    // Sums: rounding only when asked for, anything else never.
    let rounded = folder.read("probs.csv").replace("i0,0.800,0.200", "i0,0.8004,0.2");
    folder.write("rounded.csv", &rounded);
    fails(&["labels.csv", "--probs", "rounded.csv"], &["rounded.csv", "1.0004", "--renormalise"]);
    let found = folder.json(&["audit", "labels.csv", "--probs", "rounded.csv", "--renormalise", "--json"]);
    assert_eq!(found["renormalised"], 1);
    folder.write("half.csv", rounded.replace("0.8004", "0.3"));
    fails(&["labels.csv", "--probs", "half.csv", "--renormalise"], &["half.csv", "0.5"]);

    // Items without probabilities are counted, rows that contradict each other put aside.
    folder.write("more.csv", format!("{}new,cat\ni1,cat\n", folder.read("labels.csv")));
    let found = folder.json(&["audit", "more.csv", "--probs", "probs.csv", "--json"]);
    assert_eq!(
        (&found["without_probabilities"], &found["bad_rows"], &found["items"]),
        (&1.into(), &1.into(), &40.into())
    );

    // One class only, and probabilities that are all the same: said, not guessed.
    folder.write("one.csv", "item,label\ni0,cat\ni2,cat\n");
    let found = folder.json(&["audit", "one.csv", "--probs", "probs.csv", "--json"]);
    assert_eq!((&found["estimated_errors"]["state"], &found["absent_labels"][0]), (&"unknown".into(), &"dog".into()));
    let flat: String = (0..40).fold("item,p_cat,p_dog\n".to_owned(), |text, item| text + &format!("i{item},0.5,0.5\n"));
    folder.write("flat.csv", flat);
    let found = folder.json(&["audit", "labels.csv", "--probs", "flat.csv", "--json"]);
    assert_eq!(found["constant_labels"].as_array().unwrap().len(), 2);
    assert!(found["issues"].as_array().unwrap().is_empty());
}

#[test]
fn a_model_is_trained_where_there_are_texts() {
    let folder = Folder::new();
    let mut rows = "id,text,label\n".to_owned();
    for item in 0..200 {
        let sport = item % 2 == 0;
        let words = if sport { ["goal", "match", "team", "coach"] } else { ["vote", "law", "party", "minister"] };
        let wrong = item == 20 || item == 33;
        let label = if sport == wrong { "politics" } else { "sport" };
        writeln!(rows, "t{item},the {} and the {} number {item},{label}", words[item % 4], words[(item / 4) % 4])
            .unwrap();
    }
    folder.write("texts.csv", rows);
    let found = folder.json(&["audit", "texts.csv", "--text", "text", "--budget", "2", "--json"]);
    let mut items: Vec<&str> =
        found["issues"].as_array().unwrap().iter().map(|one| one["item"].as_str().unwrap()).collect();
    items.sort_unstable();
    assert_eq!(items, ["t20", "t33"]);
    assert!(folder.fails(2, &["audit", "texts.csv", "--text", "body"]).contains("`body`"));
    assert!(folder.fails(2, &["audit", "-", "--text", "text"]).contains("twice"));
}

#[test]
fn answers_that_are_not_worth_buying_are_named() {
    let Some(set) = shared("crowd/rte") else { return };
    let folder = Folder::new();
    let (answers, truth) = (set.join("answers.csv"), set.join("truth.csv"));
    let arguments = [
        "audit",
        answers.to_str().unwrap(),
        "--redundancy",
        "--truth",
        truth.to_str().unwrap(),
        "-o",
        "buy.csv",
        "--json",
    ];
    let found = folder.json(&arguments);
    let of = |name: &str| found["rules"].as_array().unwrap().iter().find(|one| one["rule"] == name).unwrap().clone();
    let best = of(found["best"].as_str().unwrap());
    assert!(best["saved"].as_f64().unwrap() > 0.2, "{best}");
    assert_eq!(value(&of("decided")["agreement"]), 1.0);
    assert!(value(&best["agreement"]) > value(&of("random")["agreement"]), "{best}");
    let buy = folder.read("buy.csv");
    assert_eq!(buy.lines().count(), 801);
    assert!(buy.starts_with("item,answers,label,confidence,risk,buy\n"));

    folder.write("labels.csv", "item,label\n1,a\n");
    assert!(folder.fails(2, &["audit", "labels.csv", "--redundancy"]).contains("annotator"));
    assert!(folder.fails(2, &["audit", "labels.csv", "--redundancy", "--probs", "x.csv"]).contains("--probs"));
    let message = folder.fails(2, &["audit", answers.to_str().unwrap(), "--redundancy", "--target-loss", "2"]);
    assert!(message.contains("target loss"), "{message}");
}

#[test]
fn annotators_and_a_model_are_fused() {
    let folder = Folder::new();
    let (mut answers, mut probs) = ("item,annotator,label\n".to_owned(), "item,p_x,p_y\n".to_owned());
    for item in 0..30 {
        let x = item % 2 == 0;
        for (number, annotator) in ["a", "b"].into_iter().enumerate() {
            let wrong = number == 1 && item % 5 == 0;
            writeln!(answers, "{item},{annotator},{}", if x == wrong { "y" } else { "x" }).unwrap();
        }
        writeln!(probs, "{item},{},{}", if x { 0.8 } else { 0.2 }, if x { 0.2 } else { 0.8 }).unwrap();
    }
    folder.write("answers.csv", answers);
    folder.write("probs.csv", &probs);
    let truth: String = (0..30).fold("item,label\n".to_owned(), |text, item| {
        text + &format!("{item},{}\n", if item % 2 == 0 { "x" } else { "y" })
    });
    folder.write("truth.csv", truth);
    for method in ["crowdlab", "crowdlab-strict", "model-dawid-skene"] {
        let arguments = [
            "aggregate",
            "answers.csv",
            "--method",
            method,
            "--probs",
            "probs.csv",
            "--truth",
            "truth.csv",
            "-o",
            "out.csv",
            "--annotators",
            "who.csv",
            "--json",
        ];
        let found = folder.json(&arguments);
        assert_eq!(value(&found["truth"]["accuracy"]), 1.0, "{method}: {found}");
        assert_eq!(found["method"], method);
        assert!(folder.read("out.csv").starts_with("item,label,confidence,votes,tie,p_x,p_y\n0,x,"), "{method}");
        assert_eq!(folder.read("who.csv").lines().count(), 3);
        assert!(folder.fails(2, &["aggregate", "answers.csv", "--method", method]).contains("--probs"));
    }
    // Several models are an ensemble for one method and an error for the other.
    let two = ["--probs", "probs.csv", "--probs", "probs.csv"];
    assert!(
        folder.ok(&[&["aggregate", "answers.csv", "--method", "crowdlab"], &two[..]].concat()).contains("2 models")
    );
    assert!(
        folder
            .fails(2, &[&["aggregate", "answers.csv", "--method", "model-dawid-skene"], &two[..]].concat())
            .contains("one model")
    );
    assert!(folder.fails(2, &["aggregate", "answers.csv", "--probs", "probs.csv"]).contains("crowdlab"));
    folder.write("short.csv", probs.lines().take(5).collect::<Vec<_>>().join("\n"));
    let message = folder.fails(2, &["aggregate", "answers.csv", "--method", "crowdlab", "--probs", "short.csv"]);
    assert!(message.contains("short.csv") && message.contains("26 items"), "{message}");
    folder.write("wide.csv", "item,p_x,p_y,p_z\n0,0.2,0.3,0.5\n");
    let message = folder.fails(2, &["aggregate", "answers.csv", "--method", "crowdlab", "--probs", "wide.csv"]);
    assert!(message.contains("`z`") && message.contains("--labels"), "{message}");
}
