//! `postil agree` on small tables, on bad ones, and on real answers.

use crate::support::{Folder, shared, value};

const SMALL: &str =
    "item,annotator,label\n1,a,x\n1,b,x\n2,a,y\n2,b,x\n3,a,y\n3,b,y\n4,a,x\n4,b,x\n5,a,y\n5,b,y\n6,a,x\n";

fn table(rows: &[&str]) -> Folder {
    let folder = Folder::new();
    folder.write("answers.csv", format!("item,annotator,label\n{}\n", rows.join("\n")));
    folder
}

#[test]
fn agreement_is_told_in_figures_and_in_words() {
    let folder = Folder::new();
    folder.write("answers.csv", SMALL);
    let found = folder.json(&["agree", "answers.csv", "--json", "-o", "pairs.csv"]);
    assert!((value(&found["coefficients"]["observed"]) - 0.8).abs() < 1e-12);
    assert!((value(&found["coefficients"]["cohen_kappa"]) - 0.615_384_6).abs() < 1e-6, "{found}");
    assert_eq!((&found["items"], &found["items_compared"]), (&6.into(), &5.into()));
    assert!(folder.read("pairs.csv").starts_with("first,second,shared_items,observed,observed_low"));
    let text = folder.ok(&["agree", "answers.csv"]);
    assert!(text.contains("Krippendorff's alpha, nominal") && text.contains("Alpha is 0."), "{text}");
    assert!(text.contains("1 of 6 items have one answer"), "{text}");
    assert!(text.contains("items carry the figures"), "{text}");
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let folder = Folder::new();
    folder.write("answers.csv", SMALL);
    let one = folder.ok(&["agree", "answers.csv", "--json", "--threads", "1"]);
    assert_eq!(one, folder.ok(&["agree", "answers.csv", "--json", "--threads", "4"]));
    assert_ne!(one, folder.ok(&["agree", "answers.csv", "--json", "--seed", "7"]));
}

#[test]
fn levels_need_labels_that_have_them() {
    let folder = table(&["1,a,10", "1,b,9", "2,a,2", "2,b,2", "3,a,10", "3,b,10"]);
    // By number 2 < 9 < 10, by name 10 < 2 < 9.
    let found = folder.json(&["agree", "answers.csv", "--level", "ordinal", "--json"]);
    assert_eq!(found["labels"], serde_json::json!(["2", "9", "10"]));
    assert!(value(&found["coefficients"]["cohen_quadratic"]) > value(&found["coefficients"]["cohen_kappa"]));
    assert!(
        value(&folder.json(&["agree", "answers.csv", "--level", "interval", "--json"])["coefficients"]["alpha"]) > 0.9
    );
    folder.ok(&["agree", "answers.csv", "--level", "ratio"]);

    let folder = table(&["1,a,low", "1,b,mid", "2,a,high", "2,b,high"]);
    assert!(folder.fails(2, &["agree", "answers.csv", "--level", "interval"]).contains("found `high`"));
    assert!(folder.fails(2, &["agree", "answers.csv", "--level", "ordinal"]).contains("--labels"));
    let ordered = ["agree", "answers.csv", "--level", "ordinal", "--labels", "low,mid,high", "--json"];
    assert_eq!(folder.json(&ordered)["level"], "ordinal");
    let folder = table(&["1,a,-1", "1,b,2"]);
    assert!(folder.fails(2, &["agree", "answers.csv", "--level", "ratio"]).contains("-1"));
}

#[test]
fn what_is_undefined_is_said_and_never_one() {
    for (rows, reason) in [
        (vec!["1,a,x", "2,a,y", "3,a,x"], "no item has two answers"),
        (vec!["1,a,x", "2,b,y"], "no item has two answers"),
        (vec!["1,a,x", "1,b,x", "2,a,x", "2,b,x"], "of one label"),
        (vec!["1,a,x", "1,b,y"], "one item alone"),
    ] {
        let folder = table(&rows);
        let found = folder.json(&["agree", "answers.csv", "--json"]);
        let alpha = &found["coefficients"]["alpha"];
        assert_eq!(alpha["state"], "unknown", "{rows:?}");
        assert!(alpha["reason"].as_str().unwrap().contains(reason), "{rows:?}: {alpha}");
        let text = folder.ok(&["agree", "answers.csv"]);
        assert!(text.contains("cannot be known") && !text.contains("NaN"), "{text}");
    }
}

#[test]
fn repeats_variants_and_bad_rows_are_counted() {
    let folder = table(&["1,a,x", "1,a,y", "1,b,x", "2,a,X", "2,b,x ", "3,a,", "3,b,y", ",a,x"]);
    let output = folder.postil(&["agree", "answers.csv", "--json"]).output().unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("differ in case or white space") && notes.contains("\"X\""), "{notes}");
    assert!(notes.contains("1 rows could not be read") && notes.contains("1 answers are blank"), "{notes}");
    let found = folder.json(&["agree", "answers.csv", "--json"]);
    assert_eq!((&found["repeated_answers"], &found["put_aside"]), (&1.into(), &1.into()));
    assert_eq!(found["labels"].as_array().unwrap().len(), 4, "variants are kept apart");
    let all = folder.json(&["agree", "answers.csv", "--repeats", "all", "--json"]);
    assert_eq!((&all["repeated_answers"], &all["put_aside"]), (&1.into(), &0.into()));

    assert!(folder.fails(2, &["agree", "answers.csv", "--annotator", "who"]).contains("`who`"));
    assert!(folder.fails(2, &["agree", "answers.csv", "--json", "-o", "-"]).contains("standard output"));
    let folder = Folder::new();
    folder.write("answers.csv", "item,annotator,label\n1,a,\n");
    assert!(folder.fails(2, &["agree", "answers.csv"]).contains("found none"));
}

#[test]
fn real_answers_with_a_prevalent_label_are_explained() {
    let Some(set) = shared("crowd/hs_brexit") else { return };
    let folder = Folder::new();
    let answers = set.join("answers.csv");
    let found = folder.json(&["agree", answers.to_str().unwrap(), "--json"]);
    assert!((value(&found["coefficients"]["alpha"]) - 0.347_461_932_977_335_63).abs() < 1e-9);
    assert!((value(&found["coefficients"]["randolph_kappa"]) - 0.706_071_428_571_428_6).abs() < 1e-9);
    assert_eq!(found["verdict"], "prevalence", "{}", found["meaning"]);
    assert!(found["warnings"][0].as_str().unwrap().contains("87 % of the answers are `0`"), "{}", found["warnings"]);
}
