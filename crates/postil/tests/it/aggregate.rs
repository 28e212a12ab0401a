//! `postil aggregate` on small tables and on real answers.

use crate::support::{Folder, shared, value};

#[test]
fn answers_become_labels_with_probabilities() {
    let folder = Folder::new();
    folder.write("answers.csv", "item,annotator,label\n1,a,x\n1,b,x\n1,c,y\n2,a,y\n2,b,y\n2,c,\n3,a,x\n3,b,y\n");
    let result = folder.json(&["aggregate", "answers.csv", "--method", "majority", "-o", "out.csv", "--json"]);
    assert_eq!((&result["items"], &result["annotators"], &result["ties"]), (&3.into(), &3.into(), &1.into()));
    let out = folder.read("out.csv");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "item,label,confidence,votes,tie,p_x,p_y");
    assert!(lines[1].starts_with("1,x,") && lines[2].starts_with("2,y,") && lines[3].contains(",true,"), "{out}");
    assert!(folder.fails(2, &["aggregate", "answers.csv", "--method", "log-odds"]).contains("--gold"));
    assert!(folder.fails(2, &["aggregate", "answers.csv", "--label", "nothing"]).contains("`nothing`"));
}

/// Repeats, an annotator nobody meets, refusals only, labels that differ in case, gold about an item without answers.
#[test]
fn every_method_stands_answers_as_people_send_them() {
    let folder = Folder::new();
    let mut rows = vec!["item,annotator,label".to_owned()];
    for item in 0..40 {
        for annotator in ["a", "b", "c"] {
            let label = if (item + usize::from(annotator == "b")) % 3 == 0 { "Spam" } else { "spam" };
            rows.push(format!("i{item},{annotator},{label}"));
        }
        rows.push(format!("i{item},a,spam"));
    }
    rows.extend(["alone,hermit,ham", "silent,a,"].map(str::to_owned));
    folder.write("answers.csv", rows.join("\n"));
    let gold: Vec<String> = (0..35).map(|item| format!("i{item},spam")).collect();
    folder.write("gold.csv", format!("item,label\nabsent,spam\n{}", gold.join("\n")));
    for method in postil_core::consensus::Method::ALL {
        let run = |gold: &[&str]| {
            let arguments = ["aggregate", "answers.csv", "--method", method.name(), "--json"];
            folder.postil(&[&arguments[..], gold].concat()).output().unwrap()
        };
        for gold in [&[][..], &["--gold", "gold.csv"][..]] {
            let output = run(gold);
            let said = String::from_utf8_lossy(&output.stderr);
            if gold.is_empty() && method.needs_gold() {
                assert_eq!(output.status.code(), Some(2), "{}: {said}", method.name());
                assert!(said.contains("--gold"), "{said}");
                continue;
            }
            assert!(output.status.success(), "{}: {said}", method.name());
            assert!(said.contains("differ in case or white space alone"), "{said}");
            assert!(gold.is_empty() || said.contains("1 items of the gold have no answers"), "{said}");
            let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((found["items"].as_u64(), found["repeated_answers"].as_u64()), (Some(42), Some(40)));
            assert!(!String::from_utf8_lossy(&output.stdout).contains("NaN"));
        }
    }
}

#[test]
fn dawid_skene_beats_majority_on_real_biased_answers() {
    let Some(set) = shared("crowd/bluebird") else { return };
    let folder = Folder::new();
    let (answers, truth) = (set.join("answers.csv"), set.join("truth.csv"));
    let accuracy = |method: &str| {
        let arguments =
            ["aggregate", answers.to_str().unwrap(), "--method", method, "--truth", truth.to_str().unwrap(), "--json"];
        value(&folder.json(&arguments)["truth"]["accuracy"])
    };
    let (majority, dawid_skene, automatic) = (accuracy("majority"), accuracy("dawid-skene"), accuracy("auto"));
    assert!(dawid_skene > majority + 0.08, "{dawid_skene} against {majority}");
    // Without gold no method is trusted alone, so the mixture stays below the best and above the vote.
    assert!(automatic > majority, "{automatic} against {majority}");
}
