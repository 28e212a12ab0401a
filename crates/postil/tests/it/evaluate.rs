//! `postil evaluate` against figures of conlleval and seqeval, on tags, layers, spans and ranks, and on bad input.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Folder, shared, value};

/// Sentences of gold and predicted tags, some of them broken. The figures below were computed on them with a
/// transcription of conlleval's rules in another language, and with seqeval 1.2.2.
const TAGS: [(&str, &str); 12] = [
    ("B-ORG I-ORG I-ORG I-ORG", "B-ORG I-ORG I-ORG I-ORG"),
    ("B-LOC I-LOC I-LOC I-LOC", "O I-LOC I-LOC I-LOC"),
    ("B-LOC B-ORG O O", "B-LOC B-ORG O O"),
    ("B-LOC I-LOC O O", "B-LOC I-LOC I-PER O"),
    ("O B-LOC I-LOC I-LOC I-LOC", "I-PER B-LOC O I-LOC I-LOC"),
    ("B-LOC B-PER O B-LOC O B-LOC I-LOC", "B-LOC B-PER O B-LOC O O I-LOC"),
    ("O B-PER I-PER O B-PER", "B-ORG I-PER I-PER O I-PER"),
    ("O O B-ORG B-PER I-PER", "B-LOC I-PER B-ORG B-PER I-PER"),
    ("B-LOC I-LOC O", "B-LOC O O"),
    ("B-PER I-PER I-PER B-ORG", "B-PER O I-PER B-ORG"),
    ("O B-ORG I-ORG O B-PER", "O B-LOC I-ORG B-LOC B-LOC"),
    ("B-PER I-PER I-PER I-PER I-PER I-PER O B-PER O", "B-PER I-LOC I-PER I-PER I-PER I-PER O B-PER B-PER"),
];

fn column(tags: impl Iterator<Item = &'static str>) -> String {
    let mut text = String::new();
    for tags in tags {
        for (place, tag) in tags.split(' ').enumerate() {
            let _ = writeln!(text, "w{place} {tag}");
        }
        text.push('\n');
    }
    text
}

fn tags() -> Folder {
    let folder = Folder::new();
    folder.write("gold.conll", column(TAGS.iter().map(|pair| pair.0)));
    folder.write("pred.conll", column(TAGS.iter().map(|pair| pair.1)));
    folder
}

fn close(figure: &Value, expected: f64) {
    assert!((value(figure) - expected).abs() < 1e-12, "{figure}, expected {expected}");
}

#[test]
fn figures_are_those_of_conlleval() {
    let folder = tags();
    let found = folder.json(&["evaluate", "gold.conll", "pred.conll", "--json"]);
    close(&found["precision"], 0.393_939_393_939_393_9);
    close(&found["recall"], 0.619_047_619_047_619_1);
    close(&found["f1"], 0.481_481_481_481_481_45);
    close(&found["token_accuracy"], 0.711_864_406_779_661);
    let expected = [
        ("LOC", 0.285_714_285_714_285_7, 0.5, 0.363_636_363_636_363_65),
        ("ORG", 0.666_666_666_666_666_6, 0.8, 0.727_272_727_272_727_2),
        ("PER", 0.384_615_384_615_384_64, 0.625, 0.476_190_476_190_476_2),
    ];
    for (row, (label, precision, recall, f1)) in found["types"].as_array().unwrap().iter().zip(expected) {
        assert_eq!(row["label"], label);
        close(&row["precision"], precision);
        close(&row["recall"], recall);
        close(&row["f1"], f1);
    }
    let macro_f1 = expected.iter().map(|row| row.3).sum::<f64>() / 3.0;
    close(&found["macro_f1"], macro_f1);
    assert_eq!(found["sentences"], 12);
    assert_eq!(found["predicted_file"]["broken_tags"], 12, "{found}");
}

#[test]
fn strict_reading_is_that_of_seqeval() {
    let folder = tags();
    let found = folder.json(&["evaluate", "gold.conll", "pred.conll", "--tags", "strict", "--json"]);
    for key in ["precision", "recall", "f1"] {
        close(&found[key], 0.523_809_523_809_523_8);
    }
    assert!(found["tags"].as_str().unwrap().starts_with("strict"));
    let text = folder.ok(&["evaluate", "gold.conll", "pred.conll"]);
    assert!(text.contains("lenient: as conlleval reads them") && text.contains("12 broken tags"), "{text}");
    assert!(text.contains("bootstrap over 12 sentences"), "{text}");
}

#[test]
fn the_same_bytes_again_and_other_intervals_for_another_seed() {
    let folder = tags();
    let command = ["evaluate", "gold.conll", "pred.conll", "--json"];
    let one = folder.ok(&command);
    assert_eq!(one, folder.ok(&[&command[..], &["--threads", "1"]].concat()));
    assert_ne!(one, folder.ok(&[&command[..], &["--seed", "3"]].concat()));
}

#[test]
fn formats_may_differ_as_long_as_the_texts_agree() {
    let folder = tags();
    for (name, format) in [("pred.jsonl", "jsonl"), ("pred.json", "label-studio"), ("pred", "brat")] {
        folder.ok(&["convert", "pred.conll", "--to", "jsonl", "-o", "numbered.jsonl"]);
        folder.ok(&["convert", "numbered.jsonl", "--to", format, "-o", name]);
        folder.ok(&["convert", "gold.conll", "--to", "jsonl", "-o", "gold.jsonl"]);
        let found = folder.json(&["evaluate", "gold.jsonl", name, "--json"]);
        close(&found["f1"], 0.481_481_481_481_481_45);
        assert_eq!(found["documents"], 12);
    }
}

#[test]
fn documents_are_matched_by_id_in_any_order() {
    let folder = Folder::new();
    let row = |id: &str, span: &str| format!("{{\"id\":\"{id}\",\"text\":\"Ann met Bob\",\"spans\":[{span}]}}\n");
    let (ann, bob) = ("{\"start\":0,\"end\":3,\"label\":\"PER\"}", "{\"start\":8,\"end\":11,\"label\":\"PER\"}");
    folder.write("gold.jsonl", [row("a", ann), row("b", bob), row("c", "")].concat());
    folder.write("pred.jsonl", [row("x", ann), row("c", ""), row("b", bob), row("a", bob)].concat());
    let found = folder.json(&["evaluate", "gold.jsonl", "pred.jsonl", "--json"]);
    close(&found["f1"], 0.5);
    assert_eq!((&found["documents"], &found["unscored_predictions"]), (&3.into(), &1.into()));
    folder.write("pred.jsonl", row("a", ann));
    let message = folder.fails(2, &["evaluate", "gold.jsonl", "pred.jsonl"]);
    assert!(message.contains("expected a prediction for every gold document, found none for 2"), "{message}");
    folder.write("pred.jsonl", row("a", ann).replace("Bob", "Rob"));
    folder.write("gold.jsonl", row("a", ann));
    let message = folder.fails(2, &["evaluate", "gold.jsonl", "pred.jsonl"]);
    assert!(message.contains("from character 8 on") && message.contains("item `a`"), "{message}");
}

#[test]
fn a_layer_is_scored_tag_by_tag() {
    let folder = Folder::new();
    folder.write("gold.tsv", "Ann\tNNP\tB-PER\nran\tVBD\tO\n\nGo\tVB\tO\n!\t.\tO\n");
    folder.write("pred.tsv", "Ann\tNNP\tO\nran\tVBZ\tO\n\nGo\tVB\tO\n!\t.\tO\n");
    let found = folder.json(&["evaluate", "gold.tsv", "pred.tsv", "--layer", "2", "--json"]);
    close(&found["token_accuracy"], 0.75);
    close(&found["f1"], 0.75);
    assert_eq!(found["confusions"]["mistaken"][0]["predicted"], "VBZ");
    folder.write("hi.tsv", "hai\tHI\nthe\tEN\n\nok\tEN\n");
    let found = folder.json(&["evaluate", "hi.tsv", "hi.tsv", "--json"]);
    close(&found["token_accuracy"], 1.0);
    assert!(found["token_accuracy"]["low"].as_f64().unwrap() < 0.9, "three tokens prove little: {found}");
}

#[test]
fn ranks_are_scored_by_match() {
    let folder = Folder::new();
    folder.write("gold.tsv", "a\t0.9\nb\t0.1\nc\t0.5\n\nd\t0.2\ne\t0.7\n");
    folder.write("pred.tsv", "a\t0.5\nb\t0.9\nc\t0.1\n\nd\t0.1\ne\t0.3\n");
    let found = folder.json(&["evaluate", "gold.tsv", "pred.tsv", "--scores", "2", "--json"]);
    close(&found["matches"][0], 0.5);
    close(&found["matches"][1], 0.75);
    folder.write("pred.tsv", "a\t0.5\nb\tx\nc\t0.1\n\nd\t0.1\ne\t0.3\n");
    assert!(
        folder
            .fails(2, &["evaluate", "gold.tsv", "pred.tsv", "--scores", "2"])
            .contains("pred.tsv:2: expected a number")
    );
}

#[test]
fn files_that_do_not_fit_are_refused_with_both_places() {
    let folder = Folder::new();
    folder.write("gold.conll", "Ann B-PER\nran O\n\nGo O\n");
    let cases = [
        ("Ann B-PER\nrun O\n\nGo O\n", "pred.conll:2: expected the token `ran` as at gold.conll:2, found `run`"),
        ("Ann B-PER\n\nGo O\n", "pred.conll:1: expected a sentence of 2 tokens as at gold.conll:1, found 1"),
        ("Ann B-PER\nran O\n", "pred.conll: expected the sentence at gold.conll:4, found the end after 1 sentences"),
        ("Ann B-PER\nran\n\nGo O\n", "pred.conll:2: expected 2 columns, found 1"),
    ];
    for (pred, expected) in cases {
        folder.write("pred.conll", pred);
        let message = folder.fails(2, &["evaluate", "gold.conll", "pred.conll", "--format", "conll"]);
        assert!(message.contains(expected), "{message}");
    }
    folder.write("pred.conll", "Ann B-PER\nran O\n\nGo O\n");
    assert!(folder.fails(2, &["evaluate", "gold.conll", "pred.conll", "--by", "documents"]).contains("-DOCSTART-"));
    assert!(
        folder.fails(2, &["evaluate", "gold.conll", "pred.conll", "--column", "7"]).contains("a column 7, found 2")
    );
}

#[test]
fn real_gold_against_itself_is_right_and_counted() {
    let Some(data) = shared("ner/conll2003") else { return };
    let gold = data.join("eng.testb");
    let gold = gold.to_str().unwrap();
    let found = Folder::new().json(&["evaluate", gold, gold, "--json"]);
    close(&found["f1"], 1.0);
    assert_eq!((&found["sentences"], &found["documents"]), (&3453.into(), &231.into()));
    assert_eq!((found["gold"].as_f64(), found["tokens"].as_f64()), (Some(5648.0), Some(46435.0)));
    assert_eq!(found["gold_file"]["scheme"], "iob1");
}
