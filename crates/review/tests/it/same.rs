//! The same words, marked in different ways, changed together and taken back together.

use postil_core::TaskKind;
use serde_json::{Value, json};

use crate::client::{Client, uuid};
use crate::support::Project;

/// Id, text, and its marks by their words.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const TEXTS: [Row; 6] = [
    ("d0", "He flew to Oslo today. Oslo was cold.", &[("Oslo", "CITY")]),
    ("d1", "She left Oslo today.", &[]),
    ("d2", "The Oslo Post closed.", &[("Oslo Post", "PAPER")]),
    ("d3", "Back in Oslo Ann slept.", &[("Oslo Ann", "CITY")]),
    ("d4", "To Oslo!", &[("Oslo", "PAPER")]),
    ("d5", "From Oslo, measured.", &[("Oslo", "PAPER")]),
];

fn span(text: &str, words: &str, label: &str) -> Value {
    let start = text[..text.find(words).unwrap()].chars().count();
    json!({ "start": start, "end": start + words.chars().count(), "label": label, "quote": words, "confidence": 0.9 })
}

/// Texts that a run has marked; `d5` is blind gold.
fn project() -> Project {
    let items: Vec<Value> = TEXTS.iter().map(|(id, text, _)| json!({ "id": id, "text": text })).collect();
    let mut project = Project::new(TaskKind::Spans, &["CITY", "PAPER"], &items);
    let lines = TEXTS.iter().map(|(id, text, marks)| {
        let spans: Vec<Value> = marks.iter().map(|(words, label)| span(text, words, label)).collect();
        json!({ "id": id, "text": text, "spans": spans }).to_string()
    });
    let out = project.path("out");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("labels.jsonl"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    project.place.known_gold = vec![("d5".to_owned(), None)];
    project
}

fn surfaces(client: &mut Client) -> Value {
    client.post("/api/same", &json!({ "fresh": true }))
}

fn marks(found: &Value) -> Vec<(String, u64)> {
    let name = |marked: &Value| marked["label"].as_str().map_or_else(|| marked["kind"].to_string(), str::to_owned);
    let marks = found["marks"].as_array().unwrap().iter();
    marks.map(|mark| (name(&mark["marked"]), mark["count"].as_u64().unwrap())).collect()
}

fn counts(client: &mut Client) -> Vec<(String, u64)> {
    let mut counts = marks(&client.post("/api/same/occurrences", &json!({ "words": "Oslo" })));
    counts.sort();
    counts
}

#[test]
fn words_are_marked_alike_and_as_before_again() {
    let project = project();
    let server = project.serve();
    let mut reviewer = server.person("ann", "review");
    let found = surfaces(&mut reviewer);
    let oslo = found["surfaces"].as_array().unwrap().iter().find(|one| one["words"] == "Oslo").unwrap();
    // Five occurrences and one within a longer mark; the gold item is not among them.
    assert_eq!((&oslo["occurrences"], &oslo["within"]), (&json!(4), &json!(2)), "{oslo}");
    let before = vec![("\"nothing\"".to_owned(), 2), ("CITY".to_owned(), 1), ("PAPER".to_owned(), 1)];
    assert_eq!(counts(&mut reviewer), before);
    let shown = reviewer.post("/api/same/occurrences", &json!({ "words": "Oslo", "marked": "(nothing)", "limit": 1 }));
    assert_eq!((&shown["total"], shown["occurrences"].as_array().unwrap().len()), (&json!(2), 1));
    let line = &shown["occurrences"][0];
    assert_eq!((&line["before"], &line["here"]), (&json!("He flew to Oslo today. "), &json!("Oslo")));
    let mut change = json!({
        "id": uuid(1), "words": "Oslo", "label": "CITY", "marked": ["(nothing)"],
        "places": [{ "item": "d4", "start": 3, "end": 7 }, { "item": "d5", "start": 5, "end": 9 }],
        "reason": "the city", "preview": true, "millis": 9000
    });
    let would = reviewer.post("/api/same/change", &change);
    assert_eq!((&would["items"], &would["marks"], &would["already"]), (&json!(3), &json!(3), &json!(0)), "{would}");
    assert_eq!(counts(&mut reviewer), before, "a preview changes nothing");
    change["preview"] = json!(false);
    let done = reviewer.post("/api/same/change", &change);
    assert_eq!((&done["items"], &done["again"]), (&json!(3), &json!(false)));
    assert_eq!(done["queues"][0]["done"], json!(3));
    assert_eq!(reviewer.post("/api/same/change", &change)["again"], json!(true), "sent twice, done once");
    assert_eq!(counts(&mut reviewer), [("CITY".to_owned(), 4)]);
    // One decision for each item, with the reason, on disk.
    let lines = reviewer.ask("GET", "/api/export?format=jsonl", b"").unwrap().body;
    let lines: Vec<Value> =
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let items: Vec<&str> = lines.iter().map(|line| line["item"].as_str().unwrap()).collect();
    assert_eq!(items, ["d0", "d1", "d4"]);
    assert!(lines.iter().all(|line| line["note"] == "the city" && line["decides"] == json!(true)));
    assert_eq!(lines[0]["said"]["spans"].as_array().unwrap().len(), 2);
    let log = reviewer.ask("GET", "/api/same/log", b"").unwrap().json();
    assert_eq!((&log[0]["items"], &log[0]["undone"], &log[0]["by"]), (&json!(3), &json!(false), &json!("ann")));
    let was: Vec<&Value> = log[0]["differences"].as_array().unwrap().iter().map(|one| &one["was"]).collect();
    assert_eq!((was[0], &was[2][0]["label"]), (&json!([]), &json!("PAPER")));
    // It is still known after the server has ended, and only its author takes it back.
    drop(server);
    let server = project.serve();
    let mut owner = server.owner();
    let body = json!({ "id": uuid(2), "change": uuid(1) }).to_string();
    assert_eq!(owner.ask("POST", "/api/same/undo", body.as_bytes()).unwrap().status, 404);
    let mut reviewer = server.person("ann", "review");
    surfaces(&mut reviewer);
    let back = reviewer.post("/api/same/undo", &json!({ "id": uuid(3), "change": uuid(1) }));
    assert_eq!(back["items"], json!(3));
    let found = surfaces(&mut reviewer);
    assert!(found["surfaces"].as_array().unwrap().iter().any(|one| one["words"] == "Oslo"));
    assert_eq!(counts(&mut reviewer), before);
    assert_eq!(reviewer.ask("GET", "/api/same/log", b"").unwrap().json()[0]["undone"], json!(true));
    let again = reviewer.post("/api/same/undo", &json!({ "id": uuid(4), "change": uuid(1) }));
    assert_eq!(again["items"], json!(0));
}

#[test]
fn tags_have_such_a_page_and_other_tasks_say_no() {
    let items: Vec<Value> =
        ["the run", "the run"].iter().zip(["a", "b"]).map(|(text, id)| json!({ "id": id, "text": text })).collect();
    let mut project = Project::new(TaskKind::Tag, &["DT", "NN", "VB"], &items);
    project.place.layer = Some("pos".to_owned());
    let server = project.serve();
    let mut owner = server.owner();
    let session = owner.ask("GET", "/api/session", b"").unwrap().json();
    assert!(session["queues"].as_array().unwrap().iter().any(|queue| queue["name"] == "same"));
    assert!(surfaces(&mut owner)["empty"].as_str().unwrap().contains("nothing is marked yet"));
    for (id, item, tags) in [(1, "a", ["DT", "NN"]), (2, "b", ["DT", "VB"])] {
        let answer = json!({ "kind": "tags", "tags": tags });
        owner.post(
            "/api/answer",
            &json!({ "id": uuid(id), "item": item, "queue": "all", "status": "answered", "answer": answer }),
        );
    }
    let found = surfaces(&mut owner);
    assert_eq!((&found["total"], &found["surfaces"][0]["same_context"]), (&json!(1), &json!(1)));
    let change = json!({ "id": uuid(3), "words": "run", "label": "NN", "marked": ["VB"] });
    assert_eq!(owner.post("/api/same/change", &change)["items"], json!(1));
    let none = json!({ "id": uuid(4), "words": "run", "marked": ["NN"] }).to_string();
    assert_eq!(owner.ask("POST", "/api/same/change", none.as_bytes()).unwrap().status, 422);
    assert_eq!(surfaces(&mut owner)["total"], json!(0));
    let gone = json!({ "words": "run" }).to_string();
    assert_eq!(owner.ask("POST", "/api/same/occurrences", gone.as_bytes()).unwrap().status, 404);
    let tickets = Project::tickets(2);
    let server = tickets.serve();
    assert_eq!(server.owner().ask("POST", "/api/same", b"{}").unwrap().status, 409);
    let session = server.owner().ask("GET", "/api/session", b"").unwrap().json();
    assert!(session["queues"].as_array().unwrap().iter().all(|queue| queue["name"] != "same"));
}
