//! From silver to gold: `postil audit --consistency`, WikiNER's format, and the errors by kind.

use serde_json::json;

use crate::support::Folder;

const SILVER: &str = "\
Oslo|NNP|I-LOC is|VBZ|O calm|JJ|O .|.|O
The|DT|O mayor|NN|O of|IN|O Oslo|NNP|I-LOC resigned|VBD|O .|.|O
He|PRP|O left|VBD|O Oslo|NNP|O .|.|O
New|NNP|I-LOC York|NNP|I-LOC Post|NNP|O closed|VBD|O .|.|O
The|DT|O New|NNP|I-ORG York|NNP|I-ORG Post|NNP|I-ORG closed|VBN|O .|.|O
";

#[test]
fn words_that_are_marked_here_and_not_there_come_out_with_their_places() {
    let folder = Folder::new();
    folder.write("silver.wikiner", SILVER);
    let found = folder.json(&["audit", "silver.wikiner", "--consistency", "--json", "-o", "list.csv"]);
    assert_eq!((&found["documents"], &found["inconsistent"]), (&json!(5), &json!(2)));
    let surfaces = found["surfaces"].as_array().unwrap();
    let of = |words: &str| surfaces.iter().find(|surface| surface["words"] == words).unwrap();
    let label = |label: &str, count: u32| json!({ "marked": { "kind": "label", "label": label }, "count": count });
    let nothing = json!({ "marked": { "kind": "nothing" }, "count": 1 });
    assert_eq!(of("Oslo")["marks"], json!([label("LOC", 2), nothing]));
    // Whole here, in part there; `New York` within `New York Post` is no contradiction.
    assert_eq!(of("New York Post")["marks"], json!([label("ORG", 1), { "marked": { "kind": "part" }, "count": 1 }]));
    let list = folder.read("list.csv");
    assert_eq!(list.lines().count(), 1 + 3 + 2, "{list}");
    assert!(list.contains("\"LOC 2, (nothing) 1\",3,8,12,(nothing),He left,Oslo,."), "{list}");
    let words = folder.ok(&["audit", "silver.wikiner", "--consistency"]);
    assert!(words.contains("2 of 3 sequences of words"), "{words}");
}

#[test]
fn tags_and_tokens_are_checked_too() {
    let folder = Folder::new();
    folder.write("silver.wikiner", SILVER);
    let found = folder.json(&["audit", "silver.wikiner", "--consistency", "--layer", "pos", "--json"]);
    let surfaces = found["surfaces"].as_array().unwrap();
    assert_eq!(surfaces.len(), 1);
    assert_eq!((&surfaces[0]["words"], &surfaces[0]["same_context"]), (&json!("closed"), &json!(1)));
    folder.write(
        "a.conllu",
        "# text = It's it's.\n1\tIt\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n2\t's\t_\t_\t_\t_\t_\t_\t_\t_\n\
         3\tit's\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n4\t.\t_\t_\t_\t_\t_\t_\t_\t_\n\n\
         # text = It's it.\n1\tIt's\t_\t_\t_\t_\t_\t_\t_\t_\n2\tit\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n\
         3\t.\t_\t_\t_\t_\t_\t_\t_\t_\n\n",
    );
    let found = folder.json(&["audit", "a.conllu", "--consistency", "--layer", "tokens", "--json"]);
    assert_eq!(found["surfaces"][0]["words"], "It's");
    let marks = &found["surfaces"][0]["marks"];
    assert_eq!((&marks[0]["marked"]["label"], &marks[1]["marked"]["label"]), (&json!("It's"), &json!("It|'s")));
    let error = folder.fails(2, &["audit", "silver.wikiner", "--consistency", "--layer", "case"]);
    assert!(error.contains("expected the layer `case`, found pos, tokens"), "{error}");
    let error = folder.fails(2, &["audit", "silver.wikiner", "--ignore-case"]);
    assert!(error.contains("--consistency"), "{error}");
}

#[test]
fn wikiner_goes_to_conll_and_back() {
    let folder = Folder::new();
    folder.write("silver.wikiner", SILVER);
    folder.ok(&["convert", "silver.wikiner", "-o", "silver.conll"]);
    assert!(folder.read("silver.conll").starts_with("Oslo\tNNP\tB-LOC\nis\tVBZ\tO\n"));
    folder.ok(&["convert", "silver.conll", "--to", "wikiner", "--scheme", "iob1", "-o", "back", "--strict"]);
    assert_eq!(folder.read("back"), SILVER);
}

#[test]
fn silver_is_told_from_gold_by_kinds_of_error() {
    let folder = Folder::new();
    folder.write("silver.wikiner", SILVER);
    let gold = SILVER
        .replace("left|VBD|O Oslo|NNP|O", "left|VBD|O Oslo|NNP|I-LOC")
        .replace("New|NNP|I-LOC York|NNP|I-LOC Post|NNP|O", "New|NNP|I-ORG York|NNP|I-ORG Post|NNP|I-ORG")
        .replace("of|IN|O Oslo|NNP|I-LOC", "of|IN|O Oslo|NNP|I-ORG");
    folder.write("gold.wikiner", gold);
    let found = folder.json(&["evaluate", "gold.wikiner", "silver.wikiner", "--json"]);
    let errors = &found["errors"];
    let counts =
        ["missed", "spurious", "wrong_label", "wrong_borders", "both"].map(|kind| errors[kind]["count"].as_f64());
    assert_eq!(counts, [Some(1.0), Some(0.0), Some(1.0), Some(0.0), Some(1.0)]);
    let share = &errors["missed"]["share"];
    assert!(share["low"].as_f64().unwrap() < 0.2 && share["high"].as_f64().unwrap() > 0.2, "{share}");
    let words = folder.ok(&["evaluate", "gold.wikiner", "silver.wikiner"]);
    assert!(words.contains("missed") && words.contains("both wrong") && words.contains("of gold spans"), "{words}");
}
