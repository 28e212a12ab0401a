//! Leases, answers, what is taken back.

use std::collections::BTreeSet;

use postil_core::ledger::{Access, Ledger};
use postil_core::{AnnotatorKind, Answer};
use serde_json::{Value, json};

use crate::client::uuid;
use crate::support::{Project, ids};

fn answer(number: u64, item: &str, queue: &str, label: &str) -> Value {
    json!({ "id": uuid(number), "item": item, "queue": queue, "status": "answered", "millis": 1000, "actions": 2,
            "answer": { "kind": "class", "label": label } })
}

#[test]
fn an_answer_is_on_disk_once_however_often_it_is_sent() {
    let project = Project::tickets(5);
    {
        let server = project.serve();
        let mut owner = server.owner();
        let leased = owner.post("/api/lease", &json!({ "queue": "all", "count": 3 }));
        assert_eq!(ids(&leased), ["t0", "t1", "t2"]);
        let first = owner.post("/api/answer", &answer(1, "t0", "all", "bug"));
        let again = owner.post("/api/answer", &answer(1, "t0", "all", "bug"));
        assert_eq!((first["again"].as_bool(), again["again"].as_bool()), (Some(false), Some(true)));
        assert_eq!(first["seq"], again["seq"]);
        assert_eq!(first["late"], json!(false));
        assert_eq!(first["queues"], json!([{ "name": "all", "done": 1, "remaining": 4 }]));
    }
    // Another server, as after a crash: the same id is still the same answer.
    let server = project.serve();
    let mut owner = server.owner();
    assert_eq!(owner.post("/api/answer", &answer(1, "t0", "all", "bug"))["again"], json!(true));
    assert_eq!(owner.get("/api/history")["entries"].as_array().unwrap().len(), 1);
    assert_eq!(ids(&owner.post("/api/lease", &json!({ "queue": "all", "count": 9 }))), ["t1", "t2", "t3", "t4"]);
    drop(server);
    let ledger = Ledger::open(project.path("ledger"), Access::Read).unwrap();
    let people = ledger.annotators().unwrap();
    assert_eq!(people.len(), 1);
    assert_eq!(people[0].identity.kind, AnnotatorKind::Person);
    let rows = ledger.history(people[0].identity.version).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].1.answer, Answer::class("bug"));
    assert_eq!(rows[0].1.cost.person_millis, 1000);
}

#[test]
fn nobody_gets_what_another_holds_and_leases_survive_a_page_that_forgets() {
    let project = Project::tickets(40);
    let server = project.serve();
    let mut seen = BTreeSet::new();
    let mut clients: Vec<_> = (0..4).map(|number| server.person(&format!("p{number}"), "annotate")).collect();
    for client in &mut clients {
        for item in ids(&client.post("/api/lease", &json!({ "queue": "all", "count": 5 }))) {
            assert!(seen.insert(item));
        }
    }
    assert_eq!(seen.len(), 20);
    let first = ids(&clients[0].post("/api/lease", &json!({ "queue": "all", "count": 5, "resume": true })));
    assert_eq!(first, ["t0", "t1", "t2", "t3", "t4"]);
    let more = clients[0].post("/api/lease", &json!({ "queue": "all", "count": 2, "have": ["t1", "t9", "nothing"] }));
    assert_eq!(more["lost"], json!(["t9", "nothing"]));
    assert_eq!(ids(&more), ["t20", "t21"]);
}

#[test]
fn overlap_asks_several_people_and_they_do_not_see_each_other() {
    let project = Project::tickets(3);
    let server = project.serve_as(postil_review::Serving { overlap: 2, ..postil_review::Serving::default() });
    let (mut ann, mut bob, mut cleo) =
        (server.person("ann", "annotate"), server.person("bob", "annotate"), server.person("cleo", "annotate"));
    let lease = json!({ "queue": "all", "count": 1 });
    for client in [&mut ann, &mut bob] {
        assert_eq!(ids(&client.post("/api/lease", &lease)), ["t0"]);
    }
    assert_eq!(ids(&cleo.post("/api/lease", &lease)), ["t1"]);
    ann.post("/api/answer", &answer(1, "t0", "all", "bug"));
    let saved = bob.post("/api/answer", &answer(2, "t0", "all", "praise"));
    assert_eq!(saved["queues"][0]["remaining"], json!(2));
    for (number, item) in [(20, "t1"), (30, "t2")] {
        ann.post("/api/answer", &answer(number, item, "all", ["bug", "praise"][number as usize / 30]));
        bob.post("/api/answer", &answer(number + 1, item, "all", ["bug", "praise"][number as usize / 30]));
    }
    let live = ann.get("/api/live");
    assert_eq!(live["people"].as_array().unwrap().len(), 1);
    assert!(!live.to_string().contains("bob"));
    assert_eq!(live["agreement"]["state"], json!("known"), "{live}");
    let mut owner = server.owner();
    let disputed = owner.post("/api/lease", &json!({ "queue": "disagreement", "count": 5 }));
    assert_eq!(ids(&disputed), ["t0"]);
    let voices = disputed["work"][0]["answers"].as_array().unwrap();
    assert_eq!(voices.iter().map(|voice| voice["by"].as_str().unwrap()).collect::<Vec<_>>(), ["ann", "bob"]);
    let mut decision = answer(3, "t0", "disagreement", "bug");
    decision["note"] = json!("irony");
    assert_eq!(
        owner.post("/api/answer", &decision)["queues"][0],
        json!({ "name": "disagreement", "done": 1, "remaining": 0 })
    );
    assert_eq!(ids(&owner.post("/api/lease", &json!({ "queue": "disagreement", "count": 5 }))), Vec::<String>::new());
    let undone = owner.post("/api/undo", &json!({ "id": uuid(4) }));
    assert_eq!(undone["work"]["previous"]["note"], json!("irony"));
    assert_eq!(ids(&owner.post("/api/lease", &json!({ "queue": "disagreement", "count": 5, "resume": true }))), ["t0"]);
}

#[test]
fn undo_goes_to_any_depth_and_is_only_ever_added() {
    let project = Project::tickets(6);
    {
        let server = project.serve();
        let mut owner = server.owner();
        owner.post("/api/lease", &json!({ "queue": "all", "count": 6 }));
        for (number, label) in [(1, "bug"), (2, "praise"), (3, "bug")] {
            owner.post("/api/answer", &answer(number, &format!("t{}", number - 1), "all", label));
        }
        // The first item once more, then back through all of it.
        owner.post("/api/answer", &answer(4, "t0", "history", "praise"));
        let undone = owner.post("/api/undo", &json!({ "id": uuid(11) }));
        assert_eq!((undone["undone"].clone(), undone["undo"].clone()), (json!(uuid(4)), json!(3)));
        assert_eq!(undone["work"]["previous"]["answer"], json!({ "kind": "class", "label": "praise" }));
        let same = owner.post("/api/undo", &json!({ "id": uuid(11) }));
        assert_eq!((same["undone"].clone(), same["seq"].clone()), (undone["undone"].clone(), undone["seq"].clone()));
        assert_eq!(owner.post("/api/undo", &json!({ "id": uuid(12) }))["undone"], json!(uuid(3)));
        assert_eq!(owner.post("/api/undo", &json!({ "id": uuid(13), "answer": uuid(1) }))["undone"], json!(uuid(1)));
        assert_eq!(owner.post("/api/undo", &json!({ "id": uuid(14) }))["undone"], json!(uuid(2)));
        assert_eq!(owner.try_post("/api/undo", &json!({ "id": uuid(15) })).0, 404);
        let entries = owner.get("/api/history");
        let counts: Vec<bool> =
            entries["entries"].as_array().unwrap().iter().map(|entry| entry["counts"].as_bool().unwrap()).collect();
        assert_eq!(counts, [false; 4]);
        owner.post("/api/answer", &answer(5, "t2", "all", "praise"));
    }
    let ledger = Ledger::open(project.path("ledger"), Access::Read).unwrap();
    let version = ledger.annotators().unwrap()[0].identity.version;
    assert_eq!(ledger.history(version).unwrap().len(), 9);
    let counting = ledger.snapshot(&[version]).unwrap().annotations(version).unwrap();
    let said: Vec<(&str, &Answer)> = counting.iter().map(|row| (&*row.item, &row.answer)).collect();
    let praise = Answer::class("praise");
    assert_eq!(said.iter().filter(|(_, answer)| **answer != Answer::Abstain).collect::<Vec<_>>(), [&("t2", &praise)]);
    drop(ledger);
    let server = project.serve();
    let mut owner = server.owner();
    assert_eq!(owner.get("/api/session")["settings"]["undo"], json!(1));
    let open = ids(&owner.post("/api/lease", &json!({ "queue": "all", "count": 9 })));
    assert_eq!(open, ["t0", "t1", "t3", "t4", "t5"]);
}

#[test]
fn history_comes_in_pages_and_tells_what_counts() {
    let project = Project::tickets(30);
    let server = project.serve();
    let mut owner = server.owner();
    for number in 0..25 {
        let mut said = answer(number, &format!("t{number}"), "all", "bug");
        if number % 5 == 0 {
            said["status"] = json!("flagged");
            said["note"] = json!("<script>alert(1)</script>");
        }
        owner.post("/api/answer", &said);
    }
    let page = owner.get("/api/history?limit=10");
    let entries = page["entries"].as_array().unwrap();
    assert_eq!((entries.len(), entries[0]["item"].as_str()), (10, Some("t24")));
    let next = owner.get(&format!("/api/history?limit=20&before={}", page["next"]));
    assert_eq!((next["entries"].as_array().unwrap().len(), &next["next"]), (15, &Value::Null));
    assert_eq!(owner.get("/api/history?only=flagged")["entries"].as_array().unwrap().len(), 5);
}

#[test]
fn wrong_answers_are_refused_with_what_was_expected() {
    let project = Project::tickets(2);
    let server = project.serve();
    let mut owner = server.owner();
    let cases = [
        (answer(1, "t0", "all", "bugs"), 422, "expected one of `bug`, `praise`"),
        (answer(1, "missing", "all", "bug"), 404, "expected an item"),
        (json!({ "id": uuid(1), "item": "t0", "queue": "all", "status": "answered" }), 422, "expected an answer"),
        (json!({ "id": "x", "item": "t0", "queue": "all", "status": "skipped" }), 400, "expected a UUID"),
        (json!({ "id": uuid(1), "item": "t0", "queue": "nowhere", "status": "skipped" }), 400, "nowhere"),
        (
            json!({ "id": uuid(1), "item": "t0", "queue": "all", "status": "answered",
                 "answer": { "kind": "spans", "spans": [] } }),
            422,
            "found spans",
        ),
        (
            json!({ "id": uuid(1), "item": "t0", "queue": "all", "status": "skipped", "note": "x".repeat(10_001) }),
            413,
            "note",
        ),
    ];
    for (body, status, message) in cases {
        let (found, reply) = owner.try_post("/api/answer", &body);
        assert_eq!(found, status, "{body}: {reply}");
        assert!(reply["error"]["message"].as_str().unwrap().contains(message), "{reply}");
    }
    assert_eq!(owner.get("/api/history")["entries"], json!([]));
}
