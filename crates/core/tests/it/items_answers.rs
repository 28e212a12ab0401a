//! Tables of answers and of truth.
#![allow(clippy::unwrap_used)]

use postil_core::items::{AnswerOptions, read_answers, read_truth};

fn write(name: &str, content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

#[test]
fn answers_become_numbers_in_every_text_format() {
    let csv = "item,annotator,label,confidence,note\nb,w1,spam,0.5,x\nb,w2,ham,,\na,w1, ,1,\nc,w2,spam ,0.25,\n";
    let jsonl = "{\"item\":\"b\",\"annotator\":\"w1\",\"label\":\"spam\",\"confidence\":0.5}\n\
                 {\"item\":\"b\",\"annotator\":\"w2\",\"label\":\"ham\"}\n{\"item\":\"a\",\"annotator\":\"w1\",\"label\":null}\n\
                 {\"item\":\"c\",\"annotator\":\"w2\",\"label\":\"spam \",\"confidence\":0.25}\n";
    for (name, content) in [("a.csv", csv), ("a.tsv", &csv.replace(',', "\t")), ("a.jsonl", jsonl)] {
        let (_folder, path) = write(name, content);
        let table = read_answers(&path, &AnswerOptions::default()).unwrap();
        assert_eq!(table.items.iter().collect::<Vec<_>>(), ["b", "a", "c"], "{name}");
        assert_eq!(table.annotators.iter().collect::<Vec<_>>(), ["w1", "w2"], "{name}");
        let labels: Vec<&str> = table.labels.iter().map(|label| &**label).collect();
        assert_eq!(labels, ["ham", "spam", "spam "], "{name}");
        assert_eq!(table.item, [0, 0, 2], "{name}");
        assert_eq!(table.annotator, [0, 1, 1], "{name}");
        assert_eq!(table.label, [1, 0, 2], "{name}");
        let confidence = table.confidence.unwrap();
        assert_eq!((confidence[0], confidence[2]), (0.5, 0.25), "{name}");
        assert!(confidence[1].is_nan(), "{name}");
        assert_eq!(table.refusals, [1, 0], "{name}");
        assert_eq!(table.report.blank_labels, 1, "{name}");
        assert_eq!(table.report.label_variants, [["spam", "spam "]], "{name}");
    }
}

#[test]
fn bad_answers_are_named_and_leave_no_trace() {
    let (_folder, path) = write(
        "a.csv",
        "id,worker,answer,confidence\n1,w,yes,\n,w,yes,\n2,,yes,\n3,w,yes,2\n4,w,maybe,\n5,w,no,\n6,w,no,\n7,w,no,\n8,w,no,1\n",
    );
    let labels = Some(vec!["yes".into(), "no".into()]);
    let table = read_answers(&path, &AnswerOptions { labels: labels.clone(), ..AnswerOptions::default() }).unwrap();
    assert_eq!(table.items.iter().collect::<Vec<_>>(), ["1", "5", "6", "7", "8"]);
    assert_eq!(table.label, [0, 1, 1, 1, 1], "labels keep the order given");
    let faults: Vec<_> = table.report.first_bad.iter().map(|fault| (fault.line, fault.reason.as_str())).collect();
    assert_eq!(
        faults,
        [
            (3, "expected an item, found nothing"),
            (4, "expected an annotator, found nothing"),
            (5, "expected confidence from 0 to 1, found `2`"),
            (6, "expected one of the 2 labels of the task, found `maybe`"),
        ]
    );
    let strict = AnswerOptions { strict: true, labels, ..AnswerOptions::default() };
    assert!(read_answers(&path, &strict).unwrap_err().to_string().contains("a.csv:3: expected an item"));
    let (_folder, path) = write("b.csv", "thing,annotator,lable\n1,2,3\n");
    let error = read_answers(&path, &AnswerOptions::default()).unwrap_err();
    assert!(error.to_string().contains("expected the item column one of `item`, `item_id`, `id`"), "{error}");
    assert!(error.to_string().contains("found the columns `thing`, `annotator`, `lable`"), "{error}");
}

#[test]
fn truth_holds_one_label_per_item() {
    let (_folder, path) = write(
        "gold.csv",
        "id,gold,inclusion_probability\na,x,0.1\nb,y,\na,x,0.1\nb,x,0.1\nc,,0.1\nd,y,0\ne,y,1\nf,y,1\ng,y,1\n",
    );
    let table = read_truth(&path, &AnswerOptions::default()).unwrap();
    assert_eq!(table.items.iter().collect::<Vec<_>>(), ["a", "b", "e", "f", "g"]);
    assert_eq!(table.label, [0, 1, 1, 1, 1]);
    let probability = table.probability.unwrap();
    assert!(probability[0] == 0.1 && probability[1].is_nan() && probability[2] == 1.0);
    assert_eq!((table.repeated_rows, table.report.blank_labels), (1, 1));
    let lines: Vec<u64> = table.report.first_bad.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [5, 7]);
    assert!(table.report.first_bad[0].reason.contains("found another for `b`"));
}

#[test]
fn real_answer_tables_are_read_whole() {
    let Some(data) = crate::shared::data_with(".") else { return };
    for name in ["crowd/dog/answers.csv", "llm/css-raop/annotations.csv", "crowd/fact_eval/answers.csv.gz"] {
        let table = read_answers(data.join(name), &AnswerOptions::default()).unwrap();
        assert_eq!(table.report.bad_rows, 0, "{name}: {:?}", table.report);
        assert_eq!(table.label.len() as u64 + table.report.blank_labels, table.report.rows_read, "{name}");
        assert!(table.label.len() > 1000, "{name}");
    }
}
