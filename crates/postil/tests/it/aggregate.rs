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
