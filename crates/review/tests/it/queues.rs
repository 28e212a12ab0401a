//! Blind gold, suggestions, doubt, and what they do to people.

use std::sync::Arc;

use arrow_array::{Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::items::PairColumns;
use postil_core::ledger::{Access, Ledger};
use postil_core::table::TableWriter;
use postil_core::{Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Digest, Preference, Status, TaskKind};
use postil_review::Serving;
use serde_json::{Value, json};

use crate::client::{Client, uuid};
use crate::support::{Project, ids};

/// Writes labels as a run does: every third item is less certain than the others.
fn run(project: &Project, count: usize) {
    std::fs::create_dir_all(project.path("out")).unwrap();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("confidence", DataType::Float32, false),
        Field::new("source", DataType::Utf8, false),
    ]));
    let sure = |number: usize| if number.is_multiple_of(3) { 0.5 + number as f32 / 1000.0 } else { 0.9 };
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from_iter_values((0..count).map(|number| format!("t{number}")))),
            Arc::new(StringArray::from_iter_values((0..count).map(|_| "bug"))),
            Arc::new(Float32Array::from_iter_values((0..count).map(sure))),
            Arc::new(StringArray::from_iter_values((0..count).map(|_| "consensus"))),
        ],
    );
    let mut writer = TableWriter::create(project.path("out/labels.parquet"), schema, None).unwrap();
    writer.write(&batch.unwrap()).unwrap();
    writer.finish().unwrap();
    let report = json!({
        "headline": { "metric": "accuracy", "value": { "state": "unknown", "reason": "no gold" } },
        "cost": { "money": 1.5 },
        "trust": { "errors": { "known": { "suspects": [
            { "id": "t5", "given": "bug", "suggested": "praise", "probability": 0.8 }] } } },
        "doubtful": [{ "id": "t6", "reason": "the annotators disagree" }],
    });
    std::fs::write(project.path("out/report.json"), report.to_string()).unwrap();
}

/// Waits until the last run has been read.
fn ready(client: &mut Client) {
    for _ in 0..500 {
        let session = client.get("/api/session");
        let queues = session["queues"].as_array().unwrap();
        if queues.iter().any(|queue| queue["name"] == "assisted" && queue["remaining"].as_u64() > Some(0)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the last run was never read");
}

fn say(client: &mut Client, number: u64, item: &str, queue: &str, label: &str) -> Value {
    let body = json!({ "id": uuid(number), "item": item, "queue": queue, "status": "answered",
        "answer": { "kind": "class", "label": label }, "millis": 500, "actions": 1 });
    client.post("/api/answer", &body)
}

#[test]
fn blind_gold_is_drawn_with_its_probability_and_shows_nothing() {
    let project = Project::tickets(200);
    run(&project, 200);
    let server = project.serve();
    let mut owner = server.owner();
    ready(&mut owner);
    let empty = owner.post("/api/lease", &json!({ "queue": "gold" }));
    assert!(empty["empty"].as_str().unwrap().contains("postil draw"), "{empty}");
    assert_eq!(owner.post("/api/draw", &json!({ "count": 50 }))["drawn"], json!(50));
    let gold = owner.post("/api/lease", &json!({ "queue": "gold", "count": 50 }));
    let drawn = ids(&gold);
    assert_eq!(drawn.len(), 50);
    for work in gold["work"].as_array().unwrap() {
        assert_eq!((&work["suggestion"], &work["answers"]), (&Value::Null, &Value::Null));
        assert!(work["reason"].as_str().unwrap().contains("0.2500"), "{work}");
    }
    // Gold comes by no other way, and not even its own person gets a suggestion for it.
    for queue in ["all", "assisted", "doubtful"] {
        let mut others = Vec::new();
        loop {
            let further = ids(&owner.post("/api/lease", &json!({ "queue": queue, "count": 50, "have": [] })));
            if further.is_empty() {
                break;
            }
            others.extend(further);
        }
        assert!(others.iter().all(|item| !drawn.contains(item)), "{queue}");
    }
    let opened = owner.post("/api/lease", &json!({ "queue": "doubtful", "item": drawn[0] }));
    assert_eq!(opened["work"][0]["suggestion"], Value::Null);
    say(&mut owner, 1, &drawn[0], "gold", "bug");
    let claimed = json!({ "id": uuid(2), "item": drawn[1], "queue": "gold", "status": "answered", "shown": true,
        "answer": { "kind": "class", "label": "bug" } });
    assert_eq!(owner.try_post("/api/answer", &claimed).0, 409);
    let (status, refused) = owner.try_post("/api/examples", &json!({ "item": drawn[0], "label": "bug" }));
    assert_eq!(status, 409, "{refused}");
    drop(server);
    let ledger = Ledger::open(project.path("ledger"), Access::Read).unwrap();
    let people = ledger.annotators().unwrap();
    let gold = people.iter().find(|one| one.config["review"] == "gold").unwrap();
    let rows = ledger.history(gold.identity.version).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].1.inclusion_probability, rows[0].1.suggestion_shown), (Some(0.25), false));
}

#[test]
fn assisted_answers_record_that_a_suggestion_was_shown_whatever_the_page_says() {
    let project = Project::tickets(60);
    run(&project, 60);
    let server = project.serve();
    let mut owner = server.owner();
    ready(&mut owner);
    let leased = owner.post("/api/lease", &json!({ "queue": "assisted", "count": 20 }));
    let suggestion = &leased["work"][1]["suggestion"];
    assert_eq!(suggestion["answer"], json!({ "kind": "class", "label": "bug" }));
    assert_eq!((suggestion["source"].as_str(), suggestion["confidence"].as_f64()), (Some("consensus"), Some(0.9)));
    for (number, item) in ids(&leased).iter().enumerate() {
        say(&mut owner, 100 + number as u64, item, "assisted", if number < 18 { "bug" } else { "praise" });
    }
    for (number, item) in ids(&owner.post("/api/lease", &json!({ "queue": "all", "count": 20 }))).iter().enumerate() {
        say(&mut owner, 200 + number as u64, item, "all", if number < 10 { "bug" } else { "praise" });
    }
    let history = owner.get("/api/history?limit=40");
    let shown = history["entries"].as_array().unwrap().iter().filter(|entry| entry["shown"] == json!(true)).count();
    assert_eq!(shown, 20);
    let anchoring = &owner.get("/api/live")["anchoring"];
    assert_eq!(anchoring["assisted"]["value"], json!(0.9));
    assert_eq!(anchoring["blind"]["value"], json!(0.5));
    let (low, high) =
        (anchoring["difference"]["low"].as_f64().unwrap(), anchoring["difference"]["high"].as_f64().unwrap());
    assert!(low > 0.0 && low < 0.4 && high > 0.4, "{anchoring}");
}

#[test]
fn doubt_comes_first_and_suspects_say_why() {
    let project = Project::tickets(30);
    run(&project, 30);
    let server = project.serve();
    let mut owner = server.owner();
    ready(&mut owner);
    let leased = owner.post("/api/lease", &json!({ "queue": "doubtful", "count": 3 }));
    assert_eq!(ids(&leased), ["t0", "t3", "t6"]);
    assert!(leased["work"][0]["reason"].as_str().unwrap().contains("0.50"), "{leased}");
    let suspects = owner.post("/api/lease", &json!({ "queue": "suspects", "count": 5 }));
    assert_eq!(ids(&suspects), ["t5", "t6"]);
    assert!(suspects["work"][0]["reason"].as_str().unwrap().contains("probably praise"), "{suspects}");
    assert_eq!(suspects["work"][0]["answers"][0]["kind"], json!("consensus"));
}

#[test]
fn a_model_learns_from_people_and_fills_the_doubtful_queue_without_a_run() {
    let words = ["crash error broken", "great thanks lovely"];
    let items: Vec<Value> = (0..120)
        .map(|number| json!({ "id": format!("t{number}"), "text": format!("{} number {number}", words[number % 2]) }))
        .collect();
    let project = Project::new(postil_core::TaskKind::Classify, &["bug", "praise"], &items);
    let server = project.serve();
    let mut owner = server.owner();
    assert_eq!(ids(&owner.post("/api/lease", &json!({ "queue": "doubtful", "count": 1 }))), Vec::<String>::new());
    for number in 0..40 {
        say(&mut owner, number, &format!("t{number}"), "all", if number % 2 == 0 { "bug" } else { "praise" });
    }
    let held = ids(&owner.post("/api/lease", &json!({ "queue": "all", "count": 5 })));
    let mut live = Value::Null;
    for _ in 0..600 {
        live = owner.get("/api/live");
        if live["curve"].as_array().is_some_and(|curve| !curve.is_empty()) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(live["training"]["labels"], json!(40), "{live}");
    assert_eq!(live["curve"][0]["accuracy"]["value"], json!(1.0), "{live}");
    let doubtful = owner.post("/api/lease", &json!({ "queue": "doubtful", "count": 50 }));
    assert!(ids(&doubtful).iter().all(|item| !held.contains(item)));
    let right = doubtful["work"].as_array().unwrap().iter().filter(|work| {
        let even = work["item"].as_str().unwrap()[1..].parse::<u32>().unwrap().is_multiple_of(2);
        work["suggestion"]["answer"]["label"] == json!(if even { "bug" } else { "praise" })
    });
    assert_eq!(right.count(), 50);
}

/// Puts answers of a machine into a project's ledger, as a run does.
fn machine_said(project: &Project, name: &str, kind: AnnotatorKind, version: &str, said: &[(&str, Option<Answer>)]) {
    let ledger = Ledger::open(project.path("ledger"), Access::Write).unwrap();
    let identity = AnnotatorIdentity { name: name.into(), kind, version: Digest::of(version.as_bytes()) };
    ledger.register(&identity, &json!({ "version": version }), 1).unwrap();
    for (item, answer) in said {
        let status = if answer.is_some() { Status::Ok } else { Status::Abstained };
        let answer = answer.clone().unwrap_or(Answer::Abstain);
        let confidence = (status == Status::Ok).then_some(0.75);
        let evidence = Some("it matched".to_owned());
        let annotation = Annotation::new((*item).into(), Digest::of(b"text"), identity.version, answer);
        let annotation = Annotation { status, confidence, evidence, ..annotation };
        if kind.is_dear() {
            ledger.append_one(annotation).unwrap();
        } else {
            ledger.append_bulk(vec![annotation]).unwrap();
        }
    }
    ledger.close().unwrap();
}

#[test]
fn machines_stand_beside_people_where_they_differ_and_never_on_gold() {
    let project = Project::tickets(40);
    let (bug, praise) = (Answer::class("bug"), Answer::class("praise"));
    // An older version of the list no longer speaks; of the model one answer is that it has none.
    machine_said(&project, "words", AnnotatorKind::List, "words 1", &[("t0", Some(praise.clone()))]);
    machine_said(&project, "words", AnnotatorKind::List, "words 2", &[("t0", Some(bug.clone()))]);
    machine_said(&project, "a model", AnnotatorKind::Model, "model", &[("t0", Some(praise)), ("t1", None)]);
    run(&project, 40);
    let all: Vec<(&str, Option<Answer>)> = vec![("t2", Some(bug))];
    machine_said(&project, "program", AnnotatorKind::Program, "program", &all);
    let server = project.serve_as(Serving { overlap: 2, ..Serving::default() });
    let mut owner = server.owner();
    ready(&mut owner);
    let mut people = [server.person("ann", "annotate"), server.person("bob", "annotate")];
    for item in 0..3 {
        for (who, person) in people.iter_mut().enumerate() {
            say(person, 10 * item + who as u64, &format!("t{item}"), "all", ["bug", "praise"][who]);
        }
    }
    let leased = owner.post("/api/lease", &json!({ "queue": "disagreement", "count": 5 }));
    assert_eq!(ids(&leased), ["t0", "t1", "t2"]);
    let voices = |work: &Value| -> Vec<(String, String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let voice = |voice: &Value| {
            (text(&voice["by"]), text(&voice["kind"]), text(&voice["status"]), text(&voice["answer"]["label"]))
        };
        work["answers"].as_array().unwrap().iter().map(voice).collect()
    };
    let told = |rows: &[[&str; 4]]| -> Vec<(String, String, String, String)> {
        rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned(), row[2].to_owned(), row[3].to_owned())).collect()
    };
    let people = [["ann", "person", "answered", "bug"], ["bob", "person", "answered", "praise"]];
    let last = ["consensus (last run)", "consensus", "answered", "bug"];
    let expected = [
        vec![["a model", "model", "answered", "praise"], ["words", "list", "answered", "bug"], last],
        vec![["a model", "model", "skipped", "-"], last],
        vec![["program", "program", "answered", "bug"], last],
    ];
    for (work, machines) in leased["work"].as_array().unwrap().iter().zip(expected) {
        assert_eq!(voices(work), told(&[people.to_vec(), machines].concat()), "{work}");
    }
    let first = &leased["work"][0]["answers"][2];
    assert_eq!((first["confidence"].as_f64(), first["note"].as_str()), (Some(0.75), Some("it matched")), "{first}");
    // Deciding does not make a machine's answer one of a person.
    say(&mut owner, 100, "t0", "disagreement", "praise");
    let opened = owner.post("/api/lease", &json!({ "queue": "disagreement", "item": "t0" }));
    let deciding = ["me", "person", "answered", "praise"];
    let all = [people.to_vec(), vec![deciding, ["a model", "model", "answered", "praise"]]].concat();
    assert_eq!(voices(&opened["work"][0])[..4], told(&all));
    // On blind gold people stand alone, whoever else has spoken.
    owner.post("/api/draw", &json!({ "count": 40 }));
    let gold = owner.post("/api/lease", &json!({ "queue": "disagreement", "item": "t1" }));
    assert_eq!(voices(&gold["work"][0]), told(&people), "{gold}");
}

#[test]
fn machines_preferences_are_turned_as_the_sides_are() {
    let items: Vec<Value> = (0..30)
        .map(|number| json!({ "id": format!("t{number}"), "left": format!("good {number}"), "right": "poor" }))
        .collect();
    let mut project = Project::new(TaskKind::Pairs, &["left", "right", "tie"], &items);
    project.place.columns.text = String::new();
    project.place.columns.sides = Some(PairColumns { left: "left".to_owned(), right: "right".to_owned() });
    let names: Vec<String> = (0..30).map(|number| format!("t{number}")).collect();
    let left = || Some(Answer::Preference { choice: Preference::Left, orders: None });
    let said: Vec<(&str, Option<Answer>)> = names.iter().map(|name| (&**name, left())).collect();
    machine_said(&project, "judge", AnnotatorKind::Model, "judge", &said);
    let server = project.serve_as(Serving { overlap: 2, ..Serving::default() });
    for (who, name) in ["ann", "bob"].into_iter().enumerate() {
        let mut person = server.person(name, "annotate");
        let leased = person.post("/api/lease", &json!({ "queue": "all", "count": 30 }));
        for (number, work) in leased["work"].as_array().unwrap().iter().enumerate() {
            // Ann takes the good one, Bob the other, wherever they stand.
            let good = work["content"]["left"].as_str().unwrap().starts_with("good");
            let choice = if good == (who == 0) { "left" } else { "right" };
            let body = json!({ "id": uuid((100 * who + number) as u64), "item": work["item"], "queue": "all",
                "status": "answered", "answer": { "kind": "preference", "choice": choice } });
            person.post("/api/answer", &body);
        }
    }
    let leased = server.owner().post("/api/lease", &json!({ "queue": "disagreement", "count": 30 }));
    let (mut turned, mut straight) = (0, 0);
    for work in leased["work"].as_array().unwrap() {
        let good = if work["content"]["left"].as_str().unwrap().starts_with("good") { "left" } else { "right" };
        *(if good == "left" { &mut straight } else { &mut turned }) += 1;
        let voices = work["answers"].as_array().unwrap();
        let of = |name: &str| {
            let voice = voices.iter().find(|voice| voice["by"] == name).unwrap();
            voice["answer"]["choice"].as_str().unwrap().to_owned()
        };
        assert_eq!((of("ann"), of("judge")), (good.to_owned(), good.to_owned()), "{work}");
        assert_ne!(of("bob"), good);
    }
    assert!(turned > 5 && straight > 5, "{turned} turned, {straight} not");
}

/// Answers that come all at once, so that a model never learns from a part of them.
fn take_over(client: &mut Client, answers: &[(String, Value)]) {
    let lines: Vec<String> = answers
        .iter()
        .map(|(item, said)| json!({ "item": item, "annotator": "zoe", "status": "answered", "said": said }).to_string())
        .collect();
    let taken = client.ask("POST", "/api/import?format=jsonl", lines.join("\n").as_bytes()).unwrap().json();
    assert_eq!(taken["answers"], json!(answers.len()), "{taken}");
}

/// Waits until a model of so many answers has been trained.
fn trained(client: &mut Client, answers: u64) -> Value {
    for _ in 0..600 {
        let live = client.get("/api/live");
        if live["training"]["labels"].as_u64() >= Some(answers) {
            return live;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("no model has been trained: {}", client.get("/api/live"));
}

/// A place in code points and its label.
type Place = (u32, u32, &'static str);

/// Texts with the places of a name and, in every third, of a place, in code points.
fn letters(count: usize) -> Vec<(Value, Vec<Place>)> {
    let (names, places) = (["Ann", "Bob", "Zoë", "Cleo", "Dan"], ["Oslo", "Bergen", "Rome", "Kyoto"]);
    (0..count)
        .map(|number| {
            let (name, place) = (names[number % 5], places[number % 4]);
            let (mut text, length) = (format!("🚀 {name} wrote {number} letters"), name.chars().count() as u32);
            let mut spans = vec![(2, 2 + length, "PER")];
            if number % 3 == 0 {
                text.push_str(" from ");
                let start = text.chars().count() as u32;
                text.push_str(place);
                spans.push((start, start + place.len() as u32, "CITY"));
            }
            (json!({ "id": format!("t{number}"), "text": text }), spans)
        })
        .collect()
}

fn spans_of(text: &Value, spans: &[Place]) -> Value {
    let letters: Vec<char> = text["text"].as_str().unwrap().chars().collect();
    let one = |&(start, end, label): &Place| {
        let quote: String = letters[start as usize..end as usize].iter().collect();
        json!({ "start": start, "end": end, "label": label, "quote": quote })
    };
    json!({ "kind": "spans", "spans": spans.iter().map(one).collect::<Vec<_>>() })
}

#[test]
fn a_tagger_learns_spans_from_people_and_is_held_to_what_it_has_not_seen() {
    let letters = letters(160);
    let items: Vec<Value> = letters.iter().map(|(text, _)| text.clone()).collect();
    let mut curves = Vec::new();
    for overlapping in [false, false, true] {
        let mut project = Project::new(TaskKind::Spans, &["PER", "CITY"], &items);
        project.place.overlapping = overlapping;
        let server = project.serve();
        let mut owner = server.owner();
        let said =
            letters[..60].iter().map(|(text, spans)| (text["id"].as_str().unwrap().to_owned(), spans_of(text, spans)));
        take_over(&mut owner, &said.collect::<Vec<_>>());
        let held = ids(&owner.post("/api/lease", &json!({ "queue": "all", "count": 5 })));
        let live = trained(&mut owner, 60);
        assert_eq!(live["training"]["measure"], json!("f1 of spans"));
        let point = live["curve"].as_array().unwrap().last().unwrap().clone();
        let figure = &point["accuracy"];
        let basis = figure["basis"].as_str().unwrap();
        assert!(figure["value"].as_f64() > Some(0.9), "{live}");
        assert!(figure["low"].as_f64() <= figure["value"].as_f64() && figure["low"].as_f64() > Some(0.5), "{live}");
        assert!(basis.contains("80 spans in 60 answers") && basis.contains("had not seen"), "{basis}");
        curves.push(point.clone());
        let doubtful = owner.post("/api/lease", &json!({ "queue": "doubtful", "count": 50 }));
        let work = doubtful["work"].as_array().unwrap();
        assert_eq!(work.len(), 50);
        assert!(ids(&doubtful).iter().all(|item| !held.contains(item)), "nobody's item is taken away");
        let (mut right, mut before) = (0, 0.0);
        for one in work {
            let number: usize = one["item"].as_str().unwrap()[1..].parse().unwrap();
            let suggestion = &one["suggestion"];
            right += usize::from(suggestion["answer"] == spans_of(&letters[number].0, &letters[number].1));
            assert_eq!(suggestion["source"], json!("model"));
            let all: Vec<f64> =
                suggestion["confidences"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
            let sure = suggestion["confidence"].as_f64().unwrap();
            assert_eq!(all.len(), suggestion["answer"]["spans"].as_array().unwrap().len());
            assert_eq!(sure, all.iter().copied().fold(1.0, f64::min), "the least certain span makes a text doubtful");
            assert!(sure >= before, "the least certain text comes first");
            before = sure;
            let expected = format!("a model of 60 answers is not sure: {sure:.2}");
            assert_eq!(one["reason"], json!(expected));
        }
        assert!(right >= 45, "{right} of 50");
    }
    // The same answers, in the same order, give the same model.
    assert_eq!(curves[0], curves[1]);
}

#[test]
fn a_tagger_learns_tags_also_where_words_were_left_open_and_blind_gold_measures_it() {
    let words = [("yaar", "hi"), ("party", "en"), ("kal", "hi"), ("meeting", "en"), ("hai", "hi"), ("please", "en")];
    let text = |number: usize| -> Vec<(&str, &str)> { (0..5).map(|at| words[(number * (at + 2) + at) % 6]).collect() };
    let items: Vec<Value> = (0..150)
        .map(|number| {
            let words: Vec<&str> = text(number).iter().map(|(word, _)| *word).collect();
            json!({ "id": format!("t{number}"), "text": words.join(" ") })
        })
        .collect();
    let project = Project::new(TaskKind::Tag, &["hi", "en"], &items);
    let server = project.serve();
    let mut owner = server.owner();
    let answer = |number: usize, open: bool| {
        let all = text(number);
        if !open {
            return json!({ "kind": "tags", "tags": all.iter().map(|(_, tag)| *tag).collect::<Vec<_>>() });
        }
        // The second word is left open, which the page sends as spans.
        let mut start = 0;
        let spans = all.iter().map(|(word, tag)| {
            let one = json!({ "start": start, "end": start + word.len(), "label": tag, "quote": word });
            start += word.len() + 1;
            one
        });
        json!({ "kind": "spans", "spans": spans.enumerate().filter(|(at, _)| *at != 1).map(|(_, one)| one).collect::<Vec<_>>() })
    };
    owner.post("/api/draw", &json!({ "count": 30 }));
    let gold = ids(&owner.post("/api/lease", &json!({ "queue": "gold", "count": 50 })));
    let of = |item: &str| item[1..].parse::<usize>().unwrap();
    let rest: Vec<String> = (0..150).map(|at| format!("t{at}")).filter(|item| !gold.contains(item)).collect();
    let said = |items: &[String], open: &dyn Fn(usize) -> bool| -> Vec<(String, Value)> {
        items.iter().enumerate().map(|(place, item)| (item.clone(), answer(of(item), open(place)))).collect()
    };
    take_over(&mut owner, &said(&rest[..50], &|place| place % 2 == 0));
    let live = trained(&mut owner, 50);
    assert_eq!(live["training"]["measure"], json!("accuracy of tokens"));
    let figure = &live["curve"][live["curve"].as_array().unwrap().len() - 1]["accuracy"];
    assert!(figure["basis"].as_str().unwrap().starts_with("225 tokens of 50 answers"), "{figure}");
    assert!(figure["value"].as_f64() > Some(0.95), "{figure}");
    for (number, item) in gold.iter().enumerate() {
        let body = json!({ "id": uuid(number as u64), "item": item, "queue": "gold", "status": "answered",
            "answer": answer(of(item), false) });
        owner.post("/api/answer", &body);
    }
    take_over(&mut owner, &said(&rest[50..60], &|_| false));
    let live = trained(&mut owner, 60);
    let figure = &live["curve"][live["curve"].as_array().unwrap().len() - 1]["accuracy"];
    assert_eq!(figure["basis"], json!("150 tokens of 30 blind gold items of people"), "{live}");
    assert!(figure["value"].as_f64() > Some(0.95) && figure["low"].as_f64() > Some(0.8), "{figure}");
    let assisted = owner.post("/api/lease", &json!({ "queue": "assisted", "count": 20 }));
    for work in assisted["work"].as_array().unwrap() {
        let at = of(work["item"].as_str().unwrap());
        assert_eq!(work["suggestion"]["answer"], answer(at, false), "{work}");
        assert_eq!(work["suggestion"]["confidences"].as_array().unwrap().len(), 5);
        assert!(!gold.contains(&work["item"].as_str().unwrap().to_owned()));
    }
}
