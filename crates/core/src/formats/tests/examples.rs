//! What each tool writes, read as it means it.

use serde_json::json;

use super::{read_all, read_text};
use crate::answer::Link;
use crate::document::Document;
use crate::formats::{Annotations, DocumentReader, Format, ReadOptions, RemarkKind};
use crate::text::{OffsetUnit, Scheme};

/// The spans as label and quote.
fn marked(document: &Document) -> Vec<(&str, &str)> {
    document.spans.iter().map(|span| (&*span.label, span.quote.as_str())).collect()
}

fn read_with(content: &str, options: &ReadOptions) -> (Vec<Document>, crate::formats::ReadReport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, content).unwrap();
    let mut reader = DocumentReader::open(&path, options).unwrap();
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document().unwrap() {
        documents.push(document);
    }
    (documents, reader.report().clone())
}

const TASK: &str = r#"[{"id": 5, "data": {"body": "Zoë 🚀 met Ann", "page": 3}, "annotations": [
 {"id": 1, "completed_by": 2, "was_cancelled": true, "result": []},
 {"id": 2, "completed_by": {"email": "k@x"}, "lead_time": 4.25, "result": [
  {"id": "r1", "type": "labels", "value": {"start": 0, "end": 3, "text": "Zoë", "labels": ["PER", "STAR"]}},
  {"id": "r2", "type": "labels", "value": {"start": 11, "end": 14, "text": "Ann", "labels": ["PER"]}},
  {"type": "relation", "from_id": "r1", "to_id": "r2", "direction": "right", "labels": ["met"]},
  {"id": "r3", "type": "choices", "value": {"choices": ["news"]}}]}],
 "predictions": [{"model_version": "m", "score": 0.5, "result": [
  {"id": "p", "type": "labels", "value": {"start": 7, "end": 10, "text": "met", "labels": ["VERB"]}}]}]}]"#;

#[test]
fn label_studio_tasks_have_annotations_and_predictions() {
    let (documents, report) = read_with(TASK, &ReadOptions::default());
    assert_eq!(report.format, Format::LabelStudio);
    assert_eq!(marked(&documents[0]), [("PER", "Zoë"), ("STAR", "Zoë"), ("PER", "Ann")]);
    assert_eq!((documents[0].spans[2].start, &*documents[0].labels[0]), (10, "news"));
    assert_eq!(documents[0].meta["page"], 3);
    assert_eq!(documents[0].meta["annotation"]["lead_time"].to_string(), "4.25");
    // A region of two labels is two spans, of which the first is linked.
    assert_eq!(documents[0].links, [Link { from: 0, to: 2, kind: "met".into() }]);
    let counts = [RemarkKind::OffsetsUtf16, RemarkKind::OtherAnnotation, RemarkKind::OtherLine];
    assert_eq!(counts.map(|kind| report.remarks.count(kind)), [1, 1, 0]);

    let (documents, _) = read_with(TASK, &ReadOptions { annotations: Annotations::All, ..ReadOptions::default() });
    assert_eq!(documents.iter().map(|document| document.spans.len()).collect::<Vec<_>>(), [0, 3]);
    assert_eq!((&documents[0].meta["answer"], &*documents[1].id), (&json!("ignore"), "5"));
    let options = ReadOptions { annotations: Annotations::Predictions, ..ReadOptions::default() };
    assert_eq!(marked(&read_with(TASK, &options).0[0]), [("VERB", "met")]);

    let in_code_points = TASK.replace("\"start\": 11, \"end\": 14", "\"start\": 10, \"end\": 13");
    let (documents, report) = read_with(&in_code_points, &ReadOptions::default());
    assert_eq!(documents[0].spans[2].start, 10);
    assert_eq!(report.remarks.count(RemarkKind::OffsetsCodePoints), 1);
}

#[test]
fn prodigy_answers_hashes_and_choices_are_kept() {
    let rows = [
        r#"{"text":"Ann in Oslo","spans":[{"start":7,"end":11,"label":"LOC"}],"_input_hash":-14,"_task_hash":88,"_annotator_id":"a","answer":"reject"}"#,
        r#"{"text":"Ann in Oslo","spans":[],"_input_hash":-14,"_task_hash":88,"_annotator_id":"a","answer":"accept"}"#,
        r#"{"text":"good","options":[{"id":"POS","text":"+"}],"accept":["POS"],"answer":"accept"}"#,
        r#"{"text":"good","label":"POS","answer":"ignore"}"#,
        r#"{"text":"a b","tokens":[{"text":"a","start":0,"end":1,"id":0},{"text":"b","start":2,"end":3,"id":1}],"spans":[{"start":2,"end":3,"token_start":1,"token_end":4,"label":"X"}]}"#,
    ];
    let (documents, report) = read_text(rows.join("\n"), Some(Format::Prodigy)).unwrap();
    assert_eq!(documents.len(), 4);
    assert_eq!((&documents[0].meta["answer"], &documents[0].meta["_task_hash"]), (&json!("reject"), &json!(88)));
    assert_eq!((&*documents[2].labels[0], &*documents[3].labels[0]), ("POS", "POS"));
    assert_eq!(report.remarks.count(RemarkKind::RepeatedAnswer), 1);
    let refused = report.remarks.list().iter().find(|remark| remark.kind == RemarkKind::RefusedRow).unwrap();
    assert!(refused.first[0].detail.contains("within 2 tokens, found 1 to 4"), "{refused:?}");
}

#[test]
fn doccano_and_spacy_rows_come_in_many_shapes() {
    let rows = [
        r#"{"id":4,"text":"Ann flew to Oslo","label":[[12,16,"CITY"],[0,3,"PER"]],"Comments":["x"]}"#,
        r#"{"text":"Great price.","labels":["positive"]}"#,
        r#"{"text":"Fly to Oslo","entities":[[7,11,"CITY"]],"cats":["book"]}"#,
        r#"{"text":"Ann joined Acme.","entities":[{"id":7,"start_offset":0,"end_offset":3,"label":"PER"},{"id":9,"start_offset":11,"end_offset":15,"label":"ORG"}],"relations":[{"from_id":7,"to_id":9,"type":"in"}]}"#,
    ];
    let (documents, report) = read_text(rows.join("\n"), None).unwrap();
    assert_eq!(report.format, Format::Doccano);
    assert_eq!(marked(&documents[0]), [("CITY", "Oslo"), ("PER", "Ann")]);
    assert_eq!((&*documents[0].id, &documents[0].meta["Comments"]), ("4", &json!(["x"])));
    assert_eq!((&*documents[1].labels[0], &*documents[2].labels[0]), ("positive", "book"));
    assert_eq!(documents[3].meta["entity_ids"], json!([7, 9]));
    let (again, ..) = super::round_trip(&documents, Format::Doccano, crate::formats::WriteOptions::default());
    assert_eq!(again[3], documents[3]);

    let spacy = r#"["Ann in Oslo", {"entities": [[7, 11, "LOC"]], "cats": {"a": 0.75, "b": 0.0}}]"#;
    let (documents, report) = read_text(spacy, None).unwrap();
    assert_eq!((marked(&documents[0]), &*documents[0].labels[0]), (vec![("LOC", "Oslo")], "a"));
    assert_eq!(report.remarks.count(RemarkKind::WeightedLabels), 1);
}

#[test]
fn conll_files_come_in_many_layouts() {
    type Case<'c> = (&'c str, Scheme, &'c [(&'c str, &'c str)]);
    let cases: [Case<'_>; 5] = [
        ("EU NNP I-NP I-ORG\nsaid VBD I-VP O\n", Scheme::Iob1, &[("ORG", "EU")]),
        ("New\tB-LOC\nYork\tI-LOC\nBonn\tB-LOC\n", Scheme::Bio, &[("LOC", "New York"), ("LOC", "Bonn")]),
        ("New\tB-LOC\nYork\tL-LOC\nBonn\tU-LOC\n", Scheme::Bilou, &[("LOC", "New York"), ("LOC", "Bonn")]),
        ("New B-LOC\nYork E-LOC\nBonn S-LOC\n", Scheme::Bioes, &[("LOC", "New York"), ("LOC", "Bonn")]),
        ("0\tIn\tO\n1\tBonn\tB-LOC\n\n0\tOslo\tB-LOC\n", Scheme::Bio, &[("LOC", "Bonn")]),
    ];
    for (text, scheme, expected) in cases {
        let (documents, report) = read_text(text, Some(Format::Conll)).unwrap();
        assert_eq!(report.scheme, Some(scheme), "{text}");
        assert_eq!(marked(&documents[0]), expected, "{text}");
        assert_eq!(report.remarks.count(RemarkKind::BrokenTag), 0, "{text}");
    }
    let (documents, _) = read_text("EU NNP I-NP I-ORG\nsaid VBD I-VP O\n", None).unwrap();
    assert_eq!(documents[0].layers.iter().map(|layer| &*layer.name).collect::<Vec<_>>(), ["pos", "chunk"]);
    let options = ReadOptions { tag_column: crate::formats::Column::Number(2), ..ReadOptions::default() };
    let (documents, report) = read_with("hai\tHI\t1\nok\tEN\t2\n", &options);
    assert_eq!((report.scheme, &*documents[0].layers[1].name), (None, "tag"));
    assert_eq!(documents[0].layers[1].tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["HI", "EN"]);
    let marked_documents = "a O\n\n-DOCSTART- -X-\n\nb O\n\nc O\n\n-DOCSTART- -X-\n\nd O\n";
    let (documents, _) = read_text(marked_documents, None).unwrap();
    assert_eq!(documents.iter().map(|document| document.text.as_str()).collect::<Vec<_>>(), ["a", "b\nc", "d"]);
}

#[test]
fn conllu_words_and_spaces_make_the_text() {
    let text = "# newdoc id = d1\n# sent_id = s1\n# text = Vámonos al mar.\n\
        1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_\n1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n\
        3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_\n3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_\n4\tl\tel\tDET\t_\t_\t5\tdet\t_\t_\n\
        5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\tSpaceAfter=No|NER=B-SEA\n6\t.\t.\tPUNCT\t_\t_\t1\tpunct\t_\t_\n6.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n\n";
    let (documents, report) = read_text(text, None).unwrap();
    let document = &documents[0];
    assert_eq!((document.text.as_str(), &*document.id), ("Vámonos al mar.", "d1"));
    assert_eq!(document.words().collect::<Vec<_>>(), ["Vámonos", "a", "l", "mar", "."]);
    assert_eq!(marked(document), [("SEA", "mar")]);
    assert_eq!((report.remarks.count(RemarkKind::JoinedWords), report.remarks.count(RemarkKind::EmptyNode)), (1, 1));
    for (bad, expected) in [
        ("1\ta\t_\t_\t_\t_\t_\t_\t_\t_\nx\tb\t_\t_\t_\t_\t_\t_\t_\t_\n", "input:2: expected a token's number"),
        ("1-9\ta\t_\t_\t_\t_\t_\t_\t_\t_\n1\tb\t_\t_\t_\t_\t_\t_\t_\t_\n", "input:1: expected a range"),
        ("a\tb\n", "expected 10 columns"),
    ] {
        let error = read_text(bad, Some(Format::Conllu)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn plain_rows_take_tokens_tags_and_named_units() {
    let (documents, _) = read_text(r#"{"tokens":["Zoë","ran"],"ner_tags":["U-PER","O"]}"#, None).unwrap();
    assert_eq!((documents[0].text.as_str(), marked(&documents[0])), ("Zoë ran", vec![("PER", "Zoë")]));
    let (documents, _) =
        read_text(r#"{"text":" Zoë  ran","tokens":["Zoë","ran"],"tags":["B-PER","O"]}"#, None).unwrap();
    assert_eq!((documents[0].spans[0].start, documents[0].spans[0].end), (1, 4));
    let bytes = r#"{"text":"Zoë ran","spans":[{"start":5,"end":8,"label":"X"}]}"#;
    let options = ReadOptions { unit: Some(OffsetUnit::Bytes), ..ReadOptions::default() };
    assert_eq!(marked(&read_with(bytes, &options).0[0]), [("X", "ran")]);
    let rows = "{\"id\":\"a\",\"text\":\"x\",\"spans\":[]}\n".repeat(3);
    let ids: Vec<String> = read_text(rows, None).unwrap().0.iter().map(|document| document.id.to_string()).collect();
    assert_eq!(ids, ["a", "a#2", "a#3"]);
}

#[test]
fn queries_have_slots_and_an_intent() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("seq.in", "fly to oslo\nhi\n");
    write("seq.out", "O O B-city\nO\n");
    write("label", "book\ngreet\n");
    let (documents, report) = read_all(folder.path(), None).unwrap();
    assert_eq!((report.format, documents.len()), (Format::Slots, 2));
    assert_eq!((marked(&documents[0]), &*documents[1].labels[0]), (vec![("city", "oslo")], "greet"));
    write("seq.out", "O B-city\nO\n");
    assert!(read_all(folder.path(), None).unwrap_err().to_string().contains("seq.out:1: expected 3 tags"));
    write("seq.out", "O O B-city\n");
    assert!(read_all(folder.path(), None).unwrap_err().to_string().contains("as many lines"));
}
