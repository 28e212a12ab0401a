//! `postil agree --simulate` and the soft labels of `postil aggregate`.

use crate::support::{Folder, shared, value};

fn answers() -> String {
    let mut lines = vec!["item,annotator,label".to_owned()];
    for item in 0..40 {
        for (annotator, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            // The last one turns every third answer round.
            let label = if (item % 2 == 0) == (annotator == 3 && item % 3 == 0) { "no" } else { "yes" };
            lines.push(format!("{item},{name},{label}"));
        }
    }
    lines.join("\n")
}

#[test]
fn fewer_answers_are_compared_with_all_and_with_the_truth() {
    let folder = Folder::new();
    folder.write("answers.csv", answers());
    let truth: Vec<String> =
        (0..40).map(|item| format!("{item},{}", if item % 2 == 0 { "yes" } else { "no" })).collect();
    folder.write("truth.csv", format!("item,label\n{}\n99,yes\n", truth.join("\n")));
    let base = ["agree", "answers.csv", "--simulate", "--draws", "5", "--annotator-choice"];
    let found = folder.json(&[base.as_slice(), &["--truth", "truth.csv", "--json"]].concat());
    let rows = found["simulation"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(value(&rows[0]["right_by_majority"]) < value(&rows[3]["right_by_majority"]));
    assert_eq!(value(&rows[3]["kept_by_majority"]), 1.0);
    assert_eq!(found["held_out"]["answers"], 160);
    assert!(found["annotator_choice"]["recommended"].is_string());
    let text = folder.ok(&base);
    for part in ["answers per item", "predicting each annotator", "who should answer next"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("vote right") && !text.contains("NaN"), "no truth was given: {text}");
    assert_eq!(
        folder.ok(&[base.as_slice(), &["--threads", "1"]].concat()),
        folder.ok(&[base.as_slice(), &["--threads", "3"]].concat())
    );
}

#[test]
fn what_cannot_be_simulated_is_an_error() {
    let folder = Folder::new();
    folder.write("answers.csv", "item,annotator,label\n1,a,x\n2,b,y\n");
    assert!(folder.fails(2, &["agree", "answers.csv", "--simulate"]).contains("two answers or more"));
    folder.write("answers.csv", answers());
    folder.write("truth.csv", "item,label\n900,yes\n");
    let message = folder.fails(2, &["agree", "answers.csv", "--simulate", "--truth", "truth.csv"]);
    assert!(message.contains("truth.csv") && message.contains("found none"), "{message}");
    assert!(folder.fails(2, &["agree", "answers.csv", "--simulate", "--draws", "1"]).contains("two draws"));
    assert!(folder.fails(2, &["agree", "answers.csv", "--truth", "truth.csv"]).contains("--simulate"));
}

#[test]
fn shares_of_votes_are_written_and_measured() {
    let folder = Folder::new();
    folder.write("answers.csv", "item,annotator,label\n1,a,0\n1,b,1\n2,a,0\n2,b,0\n3,a,1\n3,b,\n4,a,\n");
    folder.write("soft.csv", "item,p0,p1\n1,0.5,0.5\n2,0.9,0.1\n3,,\n7,1,0\n");
    let arguments =
        ["aggregate", "answers.csv", "--method", "majority", "--soft", "shares.csv", "--soft-truth", "soft.csv"];
    let found = folder.json(&[arguments.as_slice(), &["--json"]].concat());
    let shares = folder.read("shares.csv");
    let lines: Vec<&str> = shares.lines().collect();
    assert_eq!(lines[0], "item,p_0,p_1,n,entropy");
    assert!(lines[1].starts_with("1,0.5,0.5,2") && lines[4].starts_with("4,,,0"), "{shares}");
    let raw = &found["soft_truth"]["shares"];
    assert_eq!((&raw["items"], &raw["left_out"]), (&2.into(), &2.into()));
    assert!((value(&raw["manhattan"]) - 0.1).abs() < 1e-9 && (value(&raw["wasserstein"]) - 0.05).abs() < 1e-9);
    assert_eq!(raw["entropy_correlation"]["state"], "unknown");
    assert!(folder.ok(&arguments).contains("shares of the votes"));

    folder.write("soft.csv", "item,p0\n1,1\n");
    assert!(folder.fails(2, &arguments).contains("`p_1`"));
    folder.write("soft.csv", "item,p0,p1\n1,0.5,0.6\n");
    assert!(folder.fails(2, &arguments).contains("soft.csv:2"));
    folder.write("soft.csv", "item,p0,p1\n1,0.5,half\n");
    assert!(folder.fails(2, &arguments).contains("`half`"));
    folder.write("soft.csv", "item,p0,p1\n1,1,0\n1,0,1\n");
    assert!(folder.fails(2, &arguments).contains("found a second"));
}

#[test]
fn the_shares_of_real_answers_are_those_of_the_shared_task() {
    let Some(set) = shared("crowd/hs_brexit") else { return };
    let folder = Folder::new();
    let (answers, soft) = (set.join("answers.csv"), set.join("soft.csv"));
    let found = folder.json(&[
        "aggregate",
        answers.to_str().unwrap(),
        "--method",
        "dawid-skene",
        "--soft-truth",
        soft.to_str().unwrap(),
        "--json",
    ]);
    let (shares, posterior) = (&found["soft_truth"]["shares"], &found["soft_truth"]["posterior"]);
    // The target is rounded to two digits.
    assert!(value(&shares["manhattan"]) < 5e-3, "{shares}");
    assert!(value(&posterior["manhattan"]) > 0.1, "a consensus is not the spread of opinions: {posterior}");
}
