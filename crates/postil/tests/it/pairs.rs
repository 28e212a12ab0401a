//! `postil aggregate` on comparisons in pairs.

use crate::support::{Folder, shared, value};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("pairs.csv", "item,left,right\n1,tea,milk\n2,milk,water\n3,water,tea\n");
    folder.write(
        "answers.csv",
        "item,annotator,label\n1,a,left\n1,b,left\n2,a,left\n2,b,tie\n3,a,right\n3,b,right\n3,c,right\n",
    );
    folder
}

#[test]
fn comparisons_become_a_ranking() {
    let folder = folder();
    for method in ["auto", "bradley-terry", "davidson", "noisy-bradley-terry"] {
        let arguments = ["aggregate", "answers.csv", "--pairs", "pairs.csv", "--method", method];
        let outputs = ["--json", "-o", "ranking.csv", "--annotators", "annotators.csv"];
        let found = folder.json(&[arguments.as_slice(), &outputs].concat());
        let names: Vec<&str> =
            found["ranking"].as_array().unwrap().iter().map(|one| one["contestant"].as_str().unwrap()).collect();
        assert_eq!(names, ["tea", "milk", "water"], "{method}");
        assert_eq!((&found["comparisons"], &found["ties"]), (&7.into(), &1.into()));
        assert!((value(&found["left_wins"]) - 0.5).abs() < 1e-9);
        assert_eq!(
            found["annotator_judgements"][0]["reliability"]["state"] == "known",
            method == "noisy-bradley-terry"
        );
        assert!(folder.read("ranking.csv").starts_with("rank,contestant,strength,strength_low"));
        assert!(folder.read("annotators.csv").contains("\na,3,"), "{}", folder.read("annotators.csv"));
        let text = folder.ok(&arguments);
        assert!(text.contains("1 tea") && text.contains("left wins") && !text.contains("NaN"), "{text}");
    }
}

#[test]
fn the_contestants_may_stand_in_the_comparisons() {
    let folder = Folder::new();
    folder.write("c.csv", "annotator,left,right,label\na,x,y,x\na,y,x,right\nb,x,y,left\nb,x,y,z\nb,x,x,left\n");
    let output = folder.postil(&["aggregate", "c.csv", "--method", "bradley-terry", "--json"]).output().unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("2 comparisons could not be read") && notes.contains("c.csv:5"), "{notes}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["comparisons"], &found["ranking"][0]["contestant"]), (&3.into(), &"x".into()));
    assert!(found["warnings"][0].as_str().unwrap().contains("only won or only lost"), "{found}");
}

#[test]
fn bad_comparisons_are_told() {
    let folder = folder();
    let fails = |arguments: &[&str]| folder.fails(2, &[&["aggregate", "answers.csv"], arguments].concat());
    assert!(fails(&["--method", "bradley-terry"]).contains("`left`"));
    assert!(fails(&["--pairs", "pairs.csv", "--method", "dawid-skene"]).contains("bradley-terry"));
    assert!(fails(&["--pairs", "pairs.csv", "--gold", "answers.csv"]).contains("--gold"));
    assert!(fails(&["--method", "elo"]).contains("bradley-terry"));
    folder.write("pairs.csv", "item,left,right\n1,tea,tea\n");
    assert!(fails(&["--pairs", "pairs.csv"]).contains("pairs.csv:2"));
    folder.write("pairs.csv", "item,left,right\n1,tea,milk\n1,tea,water\n");
    assert!(fails(&["--pairs", "pairs.csv"]).contains("one pair per item"));
    folder.write("pairs.csv", "item,left,right\n9,tea,milk\n");
    assert!(fails(&["--pairs", "pairs.csv"]).contains("at least one comparison"));
    // Two groups that never met, and a repeated answer.
    folder.write("pairs.csv", "item,left,right\n1,tea,milk\n2,rice,bread\n");
    folder.write("answers.csv", "item,annotator,label\n1,a,left\n1,a,right\n2,a,tie\n");
    let found = folder.json(&["aggregate", "answers.csv", "--pairs", "pairs.csv", "--json"]);
    assert_eq!((&found["groups"], &found["repeated"]), (&2.into(), &1.into()));
    assert!(found["warnings"][0].as_str().unwrap().contains("never compared"), "{found}");
    let first = folder.json(&["aggregate", "answers.csv", "--pairs", "pairs.csv", "--repeats", "first", "--json"]);
    assert_eq!(first["comparisons"], 2);
}

#[test]
fn real_comparisons_show_that_the_left_one_is_favoured() {
    let Some(set) = shared("crowd/llmfao_pairs") else { return };
    let folder = Folder::new();
    let (answers, pairs) = (set.join("answers.csv"), set.join("pairs.csv"));
    let found = folder.json(&["aggregate", answers.to_str().unwrap(), "--pairs", pairs.to_str().unwrap(), "--json"]);
    assert_eq!((&found["comparisons"], &found["ties"]), (&13_209.into(), &3_731.into()));
    assert!((value(&found["left_wins"]) - 5206.0 / 9478.0).abs() < 1e-9);
    assert_eq!((&found["groups"], found["converged"].as_bool()), (&1.into(), Some(true)));
}
