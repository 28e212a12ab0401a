//! Guidelines, links, the live view, minutes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::client::uuid;
use crate::support::{Project, ids};

#[test]
fn guidelines_grow_by_examples_and_remember_their_versions() {
    let project = Project::tickets(3);
    let server = project.serve();
    let mut owner = server.owner();
    let none = owner.get("/api/guidelines");
    assert_eq!((&none["version"], &none["markdown"]), (&json!(null), &json!("")));
    let shown = owner.post("/api/examples", &json!({ "item": "t1", "label": "bug", "note": "<b>even</b>\nso" }));
    assert!(shown["markdown"].as_str().unwrap().contains("- `bug`: \"ticket 1\" (<b>even</b> so)"), "{shown}");
    assert!(shown["html"].as_str().unwrap().contains("&lt;b&gt;even&lt;/b&gt;"), "{shown}");
    assert_eq!(shown["examples"], json!([{ "label": "bug", "text": "ticket 1", "note": "<b>even</b> so" }]));
    assert_eq!(std::fs::read_to_string(project.path("guidelines.md")).unwrap(), shown["markdown"].as_str().unwrap());
    let file = std::fs::read_to_string(project.path("postil.toml")).unwrap();
    assert!(file.starts_with("[task]\nguidelines = \"guidelines.md\"\n"), "{file}");
    std::fs::write(project.path("guidelines.md"), "# New\n").unwrap();
    let edited = owner.get("/api/guidelines");
    assert_eq!(edited["versions"].as_array().unwrap().len(), 2);
    assert_eq!(edited["versions"][0]["why"], json!("edited in the file"));
    assert_eq!(owner.get("/api/session")["guidelines"], edited["version"]);
    let (status, refused) =
        owner.try_post("/api/examples", &json!({ "item": "t1", "label": "bug", "text": "no piece" }));
    assert_eq!(status, 422, "{refused}");
}

#[test]
fn minutes_are_counted_and_end_the_work() {
    let mut project = Project::tickets(9);
    project.place.person_minutes = Some(0.1);
    let server = project.serve();
    let mut owner = server.owner();
    let leased = ids(&owner.post("/api/lease", &json!({ "queue": "all", "count": 2 })));
    for (number, item) in leased.iter().enumerate() {
        let body = json!({ "id": uuid(number as u64), "item": item, "queue": "all", "status": "answered",
            "answer": { "kind": "class", "label": "bug" }, "millis": 4000 });
        owner.post("/api/answer", &body);
    }
    let over = owner.post("/api/lease", &json!({ "queue": "all", "count": 2 }));
    assert!(over["empty"].as_str().unwrap().contains("budget.person_minutes"), "{over}");
    let live = owner.get("/api/live");
    assert_eq!(live["budget"]["left_minutes"], json!(0.0));
    let row = &live["people"][0];
    assert_eq!((&row["answers"], &row["median_seconds"]), (&json!(2), &json!(4.0)));
    assert_eq!(row["recent"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), 2);
}

#[test]
fn a_page_that_listens_hears_of_changes() {
    let project = Project::tickets(3);
    let server = project.serve();
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!("GET /api/live HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap).filter(|line| line.starts_with("data: "));
    let answered = |line: String| serde_json::from_str::<serde_json::Value>(&line[6..]).unwrap()["answered"].clone();
    assert_eq!(answered(lines.next().unwrap()), json!(0));
    let body = json!({ "id": uuid(1), "item": "t0", "queue": "all", "status": "answered",
        "answer": { "kind": "class", "label": "bug" } });
    server.owner().post("/api/answer", &body);
    assert!(lines.map(answered).any(|count| count == json!(1)));
}
