//! Every kind of task from the question to the export and back.

use postil_core::items::PairColumns;
use postil_core::record::RecordSchema;
use postil_core::{LabelSet, TaskKind};
use serde_json::{Value, json};

use crate::client::uuid;
use crate::support::Project;

/// Answers one item and takes the answers out in every form that can hold them.
fn through(project: &Project, item: &str, answer: &Value) -> (Value, Value) {
    let server = project.serve();
    let mut owner = server.owner();
    let leased = owner.post("/api/lease", &json!({ "queue": "all", "count": 50 }));
    let work = leased["work"].as_array().unwrap().iter().find(|work| work["item"] == json!(item)).unwrap().clone();
    let body = json!({ "id": uuid(1), "item": item, "queue": "all", "status": "answered", "answer": answer });
    owner.post("/api/answer", &body);
    let again = owner.post("/api/lease", &json!({ "queue": "history", "item": item }));
    assert_eq!(&again["work"][0]["previous"]["answer"], answer);
    let lines = owner.ask("GET", "/api/export?format=jsonl", b"").unwrap();
    assert_eq!(lines.status, 200);
    let line: Value = serde_json::from_slice(&lines.body).unwrap();
    (work, line)
}

#[test]
fn sets_and_scales() {
    let items = [json!({ "id": "i", "text": "x", "label": "secret", "channel": "mail" })];
    let project = Project::new(TaskKind::Multilabel, &["bug", "praise"], &items);
    let set = json!({ "kind": "set", "labels": ["bug", "praise"] });
    let (work, line) = through(&project, "i", &set);
    assert_eq!(work["content"], json!({ "kind": "text", "text": "x" }));
    assert_eq!(work["context"]["channel"], json!("mail"));
    assert_eq!(line["said"], set);
    let project = Project::new(TaskKind::Ordinal, &["low", "high"], &items);
    through(&project, "i", &json!({ "kind": "ordinal", "label": "high" }));
}

#[test]
fn spans_over_emoji_marks_and_scripts_keep_their_places() {
    let text = "👩‍👩‍👧 loves e\u{301}clairs in תל אביב 🚀";
    let project = Project::new(TaskKind::Spans, &["FOOD", "CITY"], &[json!({ "id": "d", "text": text })]);
    let place = |word: &str| {
        let start = text[..text.find(word).unwrap()].chars().count();
        (start, start + word.chars().count())
    };
    let span = |word: &str, label: &str| {
        let (start, end) = place(word);
        json!({ "start": start, "end": end, "label": label, "quote": word })
    };
    let answer = json!({ "kind": "spans", "spans": [span("e\u{301}clairs", "FOOD"), span("תל אביב", "CITY")] });
    let (work, line) = through(&project, "d", &answer);
    let tokens = work["content"]["tokens"].as_array().unwrap();
    let (start, end) = place("e\u{301}clairs");
    assert!(tokens.contains(&json!([start, end])), "{work}");
    assert_eq!(line["said"], answer);
    let server = project.serve();
    let mut owner = server.owner();
    for format in ["label-studio", "doccano", "prodigy"] {
        let file = owner.ask("GET", &format!("/api/export?format={format}"), b"").unwrap();
        assert_eq!(file.status, 200, "{format}");
        let fresh = Project::new(TaskKind::Spans, &["FOOD", "CITY"], &[json!({ "id": "d", "text": text })]);
        let taker = fresh.serve();
        let mut other = taker.owner();
        let path = format!("/api/import?format={format}&person=zoe");
        let taken = other.ask("POST", &path, &file.body).unwrap().json();
        assert_eq!((&taken["answers"], &taken["refused"]), (&json!(1), &json!(0)), "{format}: {taken}");
        let again = other.ask("POST", &path, &file.body).unwrap().json();
        assert_eq!((&again["answers"], &again["known"]), (&json!(0), &json!(1)), "{format}: {again}");
        let back = other.ask("GET", "/api/export?format=jsonl", b"").unwrap().json();
        assert_eq!(back["said"], answer, "{format}");
    }
}

#[test]
fn tags_are_given_on_the_tokens_that_are_shown() {
    let project = Project::new(TaskKind::Tag, &["hi", "en"], &[json!({ "id": "s", "text": "yaar party kal" })]);
    let tags = json!({ "kind": "tags", "tags": ["hi", "en", "hi"] });
    let (work, line) = through(&project, "s", &tags);
    assert_eq!(work["content"]["tokens"], json!([[0, 4], [5, 10], [11, 14]]));
    assert_eq!(line["said"], tags);
}

#[test]
fn the_order_of_a_pair_is_drawn_recorded_and_undone_in_what_is_stored() {
    let items: Vec<Value> = (0..40)
        .map(|number| json!({ "id": format!("q{number}"), "text": "why", "a": format!("A{number}"), "b": format!("B{number}") }))
        .collect();
    let mut project = Project::new(TaskKind::Pairs, &["left", "right", "tie"], &items);
    project.place.columns.text = "text".to_owned();
    project.place.columns.sides = Some(PairColumns { left: "a".to_owned(), right: "b".to_owned() });
    let server = project.serve();
    let mut owner = server.owner();
    let leased = owner.post("/api/lease", &json!({ "queue": "all", "count": 40 }));
    let mut swapped = 0;
    for (number, work) in leased["work"].as_array().unwrap().iter().enumerate() {
        let content = &work["content"];
        assert_eq!(content["prompt"], json!("why"));
        // Always for A, wherever it stands.
        let left = content["left"].as_str().unwrap().starts_with('A');
        swapped += u32::from(!left);
        let answer = json!({ "kind": "preference", "choice": if left { "left" } else { "right" } });
        let body = json!({ "id": uuid(number as u64), "item": work["item"], "queue": "all", "status": "answered", "answer": answer });
        owner.post("/api/answer", &body);
        let again = owner.post("/api/lease", &json!({ "queue": "history", "item": work["item"] }));
        assert_eq!(again["work"][0]["previous"]["answer"], answer);
        assert_eq!(&again["work"][0]["content"], content, "the order stays the same");
    }
    assert!((8..=32).contains(&swapped), "{swapped} of 40 swapped");
    let lines = String::from_utf8(owner.ask("GET", "/api/export?format=jsonl", b"").unwrap().body).unwrap();
    assert_eq!(lines.matches(r#""choice":"left""#).count(), 40);
}

#[test]
fn records_are_held_against_their_schema_and_the_text() {
    let mut project =
        Project::new(TaskKind::Extract, &["price"], &[json!({ "id": "r", "text": "Only for 120 euros!" })]);
    let schema = json!({ "type": "object", "required": ["price"], "properties": { "price": { "type": "number" } } });
    project.place.task.labels = LabelSet::of_fields(RecordSchema::parse(&schema.to_string()).unwrap()).unwrap();
    project.place.schema = Some(schema);
    let server = project.serve();
    let mut owner = server.owner();
    assert_eq!(owner.get("/api/session")["task"]["schema"]["required"], json!(["price"]));
    let body = |fields: Value, quote: &str| {
        json!({ "id": uuid(1), "item": "r", "queue": "all", "status": "answered",
            "answer": { "kind": "record", "fields": fields },
            "evidence": { "price": [{ "start": 9, "end": 12, "quote": quote }] } })
    };
    for wrong in [json!({ "price": "a lot" }), json!({ "price": null }), json!({}), json!({ "price": 1, "more": 1 })] {
        assert_eq!(owner.try_post("/api/answer", &body(wrong, "120")).0, 422);
    }
    assert_eq!(owner.try_post("/api/answer", &body(json!({ "price": 120 }), "12")).0, 422);
    owner.post("/api/answer", &body(json!({ "price": 120 }), "120"));
    let again = owner.post("/api/lease", &json!({ "queue": "history", "item": "r" }));
    assert_eq!(again["work"][0]["previous"]["evidence"]["price"][0]["quote"], json!("120"));
}

#[test]
fn projects_of_other_tools_are_taken_over_with_their_people() {
    let texts = ["It crashes 💥 always", "Lovely app", "Meh"];
    let items: Vec<Value> =
        texts.iter().enumerate().map(|(number, text)| json!({ "id": format!("t{number}"), "text": text })).collect();
    let project = Project::new(TaskKind::Classify, &["bug", "praise"], &items);
    let server = project.serve();
    let mut owner = server.owner();
    let choice = |label: &str| json!([{ "from_name": "choice", "to_name": "text", "type": "choices", "value": { "choices": [label] } }]);
    let studio = json!([
        { "id": 1, "data": { "text": texts[0] }, "annotations": [
            { "id": 1, "completed_by": { "id": 3, "email": "ann@example.org" }, "lead_time": 4.5, "result": choice("bug") },
            { "id": 2, "completed_by": 9, "result": choice("praise") }] },
        { "id": 2, "data": { "text": "not one of ours" }, "annotations": [{ "id": 3, "completed_by": 9, "result": choice("bug") }] },
        { "id": 3, "data": { "text": texts[2] }, "annotations": [{ "id": 4, "completed_by": 9, "was_cancelled": true, "result": [] }] },
        { "id": 4, "data": { "text": texts[1] }, "annotations": [{ "id": 5, "completed_by": 9, "result": choice("what") }] },
    ]);
    let taken = owner.ask("POST", "/api/import?format=auto", studio.to_string().as_bytes()).unwrap().json();
    assert_eq!(taken["people"], json!(["ann@example.org", "annotator 9"]), "{taken}");
    assert_eq!(
        (&taken["answers"], &taken["unmatched"], &taken["refused"]),
        (&json!(3), &json!(1), &json!(1)),
        "{taken}"
    );
    assert!(taken["remarks"].to_string().contains("found `what`"), "{taken}");
    let prodigy = format!(
        "{}\n{}\n",
        json!({ "text": texts[1], "label": "praise", "answer": "accept", "_annotator_id": "set-bob" }),
        json!({ "text": texts[2], "label": "praise", "answer": "reject", "_annotator_id": "set-bob" }),
    );
    let taken = owner.ask("POST", "/api/import?format=prodigy", prodigy.as_bytes()).unwrap().json();
    assert_eq!((&taken["answers"], &taken["people"]), (&json!(2), &json!(["set-bob"])), "{taken}");
    // Two people differ on the first item, and nobody has to answer what is answered.
    let disputed = owner.post("/api/lease", &json!({ "queue": "disagreement", "count": 5 }));
    assert_eq!(disputed["work"].as_array().unwrap().len(), 1);
    let exported = owner.ask("GET", "/api/export?format=label-studio", b"").unwrap().json();
    let annotations: Vec<usize> =
        exported.as_array().unwrap().iter().map(|task| task["annotations"].as_array().unwrap().len()).collect();
    assert_eq!(annotations, [2, 1, 2]);
    let table = String::from_utf8(owner.ask("GET", "/api/export?format=csv", b"").unwrap().body).unwrap();
    assert!(table.contains("t0,ann@example.org,bug,answered"), "{table}");
    assert_eq!(owner.ask("POST", "/api/import?format=conll", b"").unwrap().status, 422);
    assert_eq!(owner.ask("GET", "/api/export?format=../../etc", b"").unwrap().status, 422);
}
