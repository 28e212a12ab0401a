//! `postil review`: kill -9 in the midst of the work, and what a run makes of people's answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Folder, csv, value};

#[path = "../../../review/tests/it/client.rs"]
#[expect(dead_code, reason = "the tests of the server use more of it")]
mod client;

use client::{Client, uuid};

/// A server of the real binary, killed when it is dropped.
struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::start_as("ann", folder, arguments)
    }

    fn start_as(name: &str, folder: &Folder, arguments: &[&str]) -> Self {
        let mut all = vec!["review"];
        all.extend(arguments);
        all.extend(["--no-open", "--as", name]);
        let mut child = folder.postil(&all).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("review: http://").unwrap_or_else(|| panic!("{line:?}"));
        Self { address: address.trim_end_matches('/').parse().unwrap(), child }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A class for the item at a place.
fn said(item: &str) -> &'static str {
    ["fruit", "bakery"][item[1..].parse::<usize>().unwrap() % 2]
}

fn body(number: u64, item: &str, queue: &str) -> Value {
    json!({ "id": uuid(number), "item": item, "queue": queue, "status": "answered", "millis": 900, "actions": 1,
        "answer": { "kind": "class", "label": said(item) } })
}

#[test]
fn killed_in_the_midst_of_200_answers_nothing_is_lost_and_nothing_doubled() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..200).map(|row| format!("t{row},text number {row}")).collect();
    folder.write("data.csv", format!("id,text\n{}\n", rows.join("\n")));
    let mut served = Served::start(&folder, &["data.csv", "--labels", "fruit,bakery", "--port", "0"]);
    let project = folder.read("postil.toml");
    assert!(project.contains("labels = [\"fruit\", \"bakery\"]") && project.contains("id = \"id\""), "{project}");
    let port = served.address.port().to_string();
    let mut client = Client::new(served.address);
    let mut acknowledged: BTreeMap<u64, i64> = BTreeMap::new();
    let mut kills = 0;
    for number in 0..200_u64 {
        let item = format!("t{number}");
        let message = body(number, &item, "all").to_string();
        // Kill while a request may be on its way, at another moment each time.
        let killer = (number % 40 == 20).then(|| {
            let child = served.child.id();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(number * 13 % 1500));
                let _ = std::process::Command::new("kill").args(["-9", &child.to_string()]).status();
            })
        });
        let killed = killer.is_some();
        let mut reply = client.ask("POST", "/api/answer", message.as_bytes());
        if let Some(killer) = killer {
            killer.join().unwrap();
            served.child.wait().unwrap();
            kills += 1;
            served = Served::start(&folder, &["data.csv", "--port", &port]);
            // What a page does that has heard nothing: the same again, with the same id.
            reply = client.ask("POST", "/api/answer", message.as_bytes());
            reply = reply.or_else(|_| client.ask("POST", "/api/answer", message.as_bytes()));
        }
        let reply = reply.unwrap();
        assert_eq!(reply.status, 200, "{number} killed: {killed}");
        acknowledged.insert(number, reply.json()["seq"].as_i64().unwrap());
    }
    assert_eq!(kills, 5);
    let history = client.get("/api/history?limit=500");
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 200);
    for entry in entries {
        let item = entry["item"].as_str().unwrap();
        assert_eq!(entry["answer"]["label"], json!(said(item)));
        assert_eq!(Some(&entry["seq"].as_i64().unwrap()), acknowledged.get(&item[1..].parse().unwrap()));
        assert_eq!(entry["counts"], json!(true));
    }
    let session = client.get("/api/session");
    let all = session["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == "all").unwrap();
    assert_eq!((&all["done"], &all["remaining"]), (&json!(200), &json!(0)));
}

#[test]
fn a_run_measures_with_gold_from_the_browser_and_counts_people_among_the_annotators() {
    let folder = Folder::new();
    let words = [["apple", "pear"], ["bread", "roll"]];
    let rows: Vec<String> =
        (0..400).map(|row| format!("t{row},a {} for number {row}", words[row % 2][(row / 2) % 2])).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    folder.write("fruit.txt", "apple\npear\n");
    folder.write("bakery.txt", "bread\n");
    folder.write(
        "postil.toml",
        "[task]\nkind = \"classify\"\nlabels = [\"fruit\", \"bakery\"]\n\
         [data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\n\
         [[annotator]]\nname = \"words\"\nkind = \"list\"\nlists = { fruit = \"fruit.txt\", bakery = \"bakery.txt\" }\n\
         [budget]\nperson_minutes = 30\n",
    );
    folder.ok(&["draw", "60"]);
    {
        let served = Served::start(&folder, &["--port", "0"]);
        let mut client = Client::new(served.address);
        let mut number = 0;
        for queue in ["gold", "all"] {
            for _ in 0..2 {
                let leased = client.post("/api/lease", &json!({ "queue": queue, "count": 30 }));
                for work in leased["work"].as_array().unwrap() {
                    client.post("/api/answer", &body(number, work["item"].as_str().unwrap(), queue));
                    number += 1;
                }
            }
        }
        assert_eq!(number, 120);
        let (status, busy) = (folder.postil(&["run", "."]).output().unwrap().status, "one process writes");
        assert!(!status.success(), "{busy}");
    }
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["gold"]["total"], json!(60), "{}", report["gold"]);
    assert!(report["gold"]["design"].as_str().unwrap().contains("known"), "{}", report["gold"]);
    assert!(value(&report["headline"]["value"]) > 0.9, "{}", report["headline"]);
    let people: Vec<&Value> =
        report["annotators"].as_array().unwrap().iter().filter(|row| row["kind"] == json!("person")).collect();
    assert_eq!(people.len(), 1, "blind gold is no vote: {people:?}");
    assert_eq!((&people[0]["name"], &people[0]["answered"]), (&json!("ann"), &json!(60)));
    assert!(report["cost"]["person_minutes"].as_f64().unwrap() > 0.8, "{}", report["cost"]);
    // The next day: what the run wrote is what people are shown, and gold is still blind.
    let served = Served::start(&folder, &["--port", "0"]);
    let mut client = Client::new(served.address);
    let mut leased = Value::Null;
    for _ in 0..500 {
        leased = client.post("/api/lease", &json!({ "queue": "assisted", "count": 50 }));
        if !leased["work"].as_array().unwrap().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for work in leased["work"].as_array().unwrap() {
        assert_eq!(work["suggestion"]["answer"]["label"], json!(said(work["item"].as_str().unwrap())), "{work}");
    }
    assert_eq!(client.get("/api/live")["quality"]["state"], json!("known"));
}

#[test]
fn spans_from_the_browser_measure_too() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..80).map(|row| format!("t{row},Ann met {} today", ["Bob", "nobody"][row % 2])).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    folder.write("names.txt", "Ann\nBob\n");
    folder.write(
        "postil.toml",
        "[task]\nkind = \"spans\"\nlabels = [\"PER\"]\n[data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\n\
         [[annotator]]\nname = \"names\"\nkind = \"list\"\nlists = { PER = \"names.txt\" }\n",
    );
    folder.ok(&["draw", "40"]);
    {
        let served = Served::start(&folder, &["--port", "0"]);
        let mut client = Client::new(served.address);
        let leased = client.post("/api/lease", &json!({ "queue": "gold", "count": 40 }));
        for (number, work) in leased["work"].as_array().unwrap().iter().enumerate() {
            let mut spans = vec![json!({ "start": 0, "end": 3, "label": "PER", "quote": "Ann" })];
            if work["content"]["text"].as_str().unwrap().contains("Bob") {
                spans.push(json!({ "start": 8, "end": 11, "label": "PER", "quote": "Bob" }));
            }
            let body = json!({ "id": uuid(number as u64), "item": work["item"], "queue": "gold", "status": "answered",
                "answer": { "kind": "spans", "spans": spans } });
            client.post("/api/answer", &body);
        }
    }
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["gold"]["total"], json!(40), "{}", report["gold"]);
    let basis = report["headline"]["value"]["basis"].as_str().unwrap();
    assert!(value(&report["headline"]["value"]) > 0.0 && basis.contains("gold spans"), "{basis}");
}

#[test]
fn tags_from_the_browser_measure_too_and_people_alone_can_be_a_project() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..90).map(|row| format!("t{row},yaar {} kal", ["party", "meeting"][row % 2])).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    let served = Served::start(&folder, &["items.csv", "--kind", "tag", "--labels", "hi,en", "--port", "0"]);
    let mut client = Client::new(served.address);
    client.post("/api/draw", &json!({ "count": 40 }));
    let mut number = 0;
    for (queue, wanted) in [("gold", 40), ("all", 40)] {
        let leased = client.post("/api/lease", &json!({ "queue": queue, "count": wanted }));
        for work in leased["work"].as_array().unwrap() {
            let body = json!({ "id": uuid(number), "item": work["item"], "queue": queue, "status": "answered",
                "answer": { "kind": "tags", "tags": ["hi", "en", "hi"] } });
            client.post("/api/answer", &body);
            number += 1;
        }
    }
    drop(served);
    assert_eq!(number, 80);
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["gold"]["total"], json!(40), "{}", report["gold"]);
    assert_eq!(value(&report["headline"]["value"]), 1.0, "{}", report["headline"]);
}

/// Answers drawn items in the browser, and every item of the file besides.
fn answer_all(folder: &Folder, answer: &dyn Fn(&Value) -> Value) {
    let served = Served::start(folder, &["--port", "0"]);
    let mut client = Client::new(served.address);
    let mut number = 0;
    for queue in ["gold", "all"] {
        loop {
            let leased = client.post("/api/lease", &json!({ "queue": queue, "count": 30 }));
            let work = leased["work"].as_array().unwrap();
            if work.is_empty() {
                break;
            }
            for work in work {
                let mut body = json!({ "id": uuid(number), "item": work["item"], "queue": queue, "status": "answered",
                    "millis": 900, "actions": 1 });
                for (name, value) in answer(work).as_object().unwrap() {
                    body[name] = value.clone();
                }
                client.post("/api/answer", &body);
                number += 1;
            }
        }
    }
}

#[test]
fn pairs_from_the_browser_measure_too_whichever_side_they_were_shown_on() {
    let folder = Folder::new();
    let better = |row: usize| row.is_multiple_of(3);
    let rows: Vec<String> = (0..120)
        .map(|row| {
            let (left, right) = if better(row) { ("good", "poor") } else { ("poor", "good") };
            format!("t{row},{left} {row},{right} {row}")
        })
        .collect();
    folder.write("items.csv", format!("id,left,right\n{}\n", rows.join("\n")));
    folder.write(
        "postil.toml",
        "[task]\nkind = \"pairs\"\n[data]\nitems = \"items.csv\"\nid = \"id\"\n[output]\nformats = [\"csv\"]\n\
         [[annotator]]\nname = \"people\"\nkind = \"person\"\n\
         [[annotator]]\nname = \"stored\"\nkind = \"replay\"\npath = \"stored.csv\"\n",
    );
    // Blind gold is nobody's vote: somebody else has to say what is measured.
    let stored: Vec<String> =
        (0..120).map(|row| format!("t{row},{}", if better(row) { "left" } else { "right" })).collect();
    folder.write("stored.csv", format!("item,label\n{}\n", stored.join("\n")));
    folder.ok(&["draw", "60"]);
    answer_all(&folder, &|work| {
        let left = work["content"]["left"].as_str().unwrap().starts_with("good");
        json!({ "answer": { "kind": "preference", "choice": if left { "left" } else { "right" } } })
    });
    let report = folder.json(&["run", "--json"]);
    assert_eq!(report["gold"]["total"], 60, "{}", report["gold"]);
    assert!((value(&report["headline"]["value"]) - 1.0).abs() < 1e-9, "{}", report["headline"]);
    for line in folder.read("out/labels.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[1], if better(cells[0][1..].parse().unwrap()) { "left" } else { "right" }, "{line}");
    }
}

#[test]
fn records_from_the_browser_measure_too_and_keep_their_quotes() {
    let folder = Folder::new();
    let rows: Vec<String> =
        (0..90).map(|row| format!("t{row},\"🚲 {} sells it for {row}.50\"", name_of(row))).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    folder.write(
        "record.json",
        r#"{"type": "object", "required": ["price"], "properties": {"price": {"type": "number", "minimum": 0},
            "seller": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}"#,
    );
    folder.write(
        "postil.toml",
        "[task]\nkind = \"extract\"\nschema = \"record.json\"\n[data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \
         \"id\"\n[output]\nformats = [\"csv\"]\n[[annotator]]\nname = \"people\"\nkind = \"person\"\n\
         [[annotator]]\nname = \"stored\"\nkind = \"replay\"\npath = \"stored.csv\"\n",
    );
    let stored: Vec<String> =
        (0..90).map(|row| format!("t{row},{row}.50,\"{{\"\"name\"\": \"\"{}\"\"}}\"", name_of(row))).collect();
    folder.write("stored.csv", format!("item,price,seller\n{}\n", stored.join("\n")));
    folder.ok(&["draw", "50"]);
    answer_all(&folder, &|work| {
        let row: usize = work["item"].as_str().unwrap()[1..].parse().unwrap();
        let name = name_of(row);
        json!({
            "answer": { "kind": "record", "fields": { "price": row as f64 + 0.5, "seller": { "name": name } } },
            "evidence": { "seller/name": [{ "start": 2, "end": 2 + name.len(), "quote": name }] },
        })
    });
    let report = folder.json(&["run", "--json"]);
    assert_eq!(report["gold"]["total"], 50, "{}", report["gold"]);
    assert!((value(&report["headline"]["value"]) - 1.0).abs() < 1e-9, "{}", report["headline"]);
    let text = folder.read("out/labels.csv");
    // Votes are about what is no gold; their quotes give the places.
    let votes = text.lines().skip(1).filter(|line| line.contains(",2,5,") || line.contains(",2,6,"));
    assert_eq!(votes.count(), 40, "{text}");
    assert!(text.lines().any(|line| line.contains("7.5") && line.contains("\"\"name\"\":\"\"Bob\"\"")), "{text}");
}

fn name_of(row: usize) -> &'static str {
    ["Ann", "Bob", "Cleo"][row % 3]
}

#[test]
fn records_of_a_run_come_back_as_suggestions_with_the_places_that_prove_them() {
    let folder = Folder::example("invoices");
    let report = folder.json(&["run", "--json"]);
    let written: Vec<Value> =
        folder.read("out/labels.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let served = Served::start(&folder, &["--port", "0"]);
    let mut client = Client::new(served.address);
    // The run is read beside the first requests.
    let leased = (0..200)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            client.post("/api/lease", &json!({ "queue": "doubtful", "count": 12 }))
        })
        .find(|leased| leased["work"].as_array().is_some_and(|work| !work.is_empty()))
        .expect("the run is read within four seconds");
    let work = leased["work"].as_array().unwrap();
    assert_eq!(work.len(), 12, "{leased}");
    // The first is the record with the least certain value, as in the report.
    assert_eq!(work[0]["item"], report["doubtful"][0]["id"]);
    for work in work {
        let row = written.iter().find(|row| row["id"] == work["item"]).unwrap();
        let suggested = &work["suggestion"];
        let fields = suggested["answer"]["fields"].as_object().unwrap();
        assert!(!fields.is_empty(), "{work}");
        for (name, value) in fields {
            if !value.is_array() && !value.is_object() {
                assert_eq!(value, &row[name], "{name} of {work}");
                let place = &suggested["evidence"][name][0];
                assert_eq!(place["start"], row[format!("{name}_start")], "{name} of {work}");
                assert_eq!(place["end"], row[format!("{name}_end")], "{name} of {work}");
            }
        }
    }
}

#[test]
fn what_a_reviewer_decides_is_written_whatever_others_say() {
    // A label that annotators agree on, and one that they do not.
    let folder = Folder::tickets();
    folder.ok(&["run", "."]);
    let gold = folder.read("gold.csv");
    let rows = csv(&folder.path("out/labels.csv"));
    let free = |row: &&Vec<String>| !gold.contains(&format!("\n{},", row[0])) && row[1] != "praise";
    let items: Vec<String> = rows.iter().filter(free).take(3).map(|row| row[0].clone()).collect();
    let served = Served::start(&folder, &["--port", "0"]);
    let mut client = Client::new(served.address);
    for (number, item) in items.iter().enumerate() {
        let answer = json!({ "kind": "class", "label": "praise" });
        client.post(
            "/api/answer",
            &json!({ "id": uuid(number as u64), "item": item, "queue": "disagreement", "status": "answered",
                "answer": answer, "note": "seen by all of us", "millis": 900, "actions": 1 }),
        );
    }
    drop(served);
    // Of two reviewers the later one has the last word.
    let served = Served::start_as("bob", &folder, &["--port", "0"]);
    Client::new(served.address).post(
        "/api/answer",
        &json!({ "id": uuid(10), "item": items[2], "queue": "disagreement", "status": "answered", "millis": 900,
            "answer": { "kind": "class", "label": "safety" }, "actions": 1 }),
    );
    drop(served);
    let report = folder.json(&["run", "--json"]);
    let rows = csv(&folder.path("out/labels.csv"));
    let written = folder.read("out/labels.csv");
    let columns: Vec<&str> = written.lines().next().unwrap().split(',').collect();
    for (item, decided) in items.iter().zip(["praise", "praise", "safety"]) {
        let row = rows.iter().find(|row| row[0] == *item).unwrap();
        let column = |name: &str| &row[columns.iter().position(|column| *column == name).unwrap()];
        assert_eq!((column("label").as_str(), column("source").as_str()), (decided, "decision"), "{row:?}");
        assert!((column("confidence").parse::<f64>().unwrap() - 1.0).abs() < 1e-9, "{row:?}");
    }
    assert_eq!(report["gold"]["total"], 150, "a decision outside blind gold is no gold");

    // Names that are no names, everywhere at once.
    let folder = Folder::example("places");
    folder.ok(&["run", "."]);
    let served = Served::start(&folder, &["--port", "0"]);
    let mut client = Client::new(served.address);
    let found = (0..200)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            client.post("/api/same", &json!({ "fresh": true }))
        })
        .find(|found| found["total"].as_u64() > Some(0));
    let surfaces = found.expect("the run is read within four seconds")["surfaces"].clone();
    let surface = &surfaces[0];
    let words = surface["words"].as_str().unwrap();
    let marked: Vec<&Value> =
        surface["marks"].as_array().unwrap().iter().map(|mark| &mark["marked"]["label"]).collect();
    let marked: Vec<&str> = marked.into_iter().filter_map(Value::as_str).collect();
    let change = json!({ "id": uuid(7), "words": words, "label": null, "marked": marked, "reason": "no place here" });
    let changed = client.post("/api/same/change", &change);
    let differences: Vec<String> =
        changed["differences"].as_array().unwrap().iter().map(|one| one["item"].as_str().unwrap().to_owned()).collect();
    assert!(!differences.is_empty(), "{changed}");
    drop(served);
    folder.ok(&["run", "."]);
    for line in folder.read("out/labels.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if differences.iter().any(|item| row["id"] == item.as_str()) {
            let spans = row["spans"].as_array().unwrap();
            assert!(spans.iter().all(|span| span["quote"] != words), "{words} in {row}");
        }
    }
}

#[test]
fn a_bare_file_is_refused_with_what_is_missing() {
    let folder = Folder::new();
    folder.write("data.csv", "id,text\n1,a\n2,b\n");
    assert!(folder.fails(2, &["review", "data.csv"]).contains("--labels"));
    assert!(folder.fails(2, &["review", "data.csv", "--labels", "a,a"]).contains("listed twice"));
    assert!(folder.fails(2, &["review", "data.csv", "--labels", "a,b", "--text", "body"]).contains("`body`"));
    assert!(folder.fails(2, &["review", "data.csv", "--kind", "extract"]).contains("--schema"));
    assert!(folder.fails(2, &["review", "data.csv", "--kind", "pairs"]).contains("--left"));
    assert!(!folder.path("postil.toml").exists());
    assert!(folder.fails(2, &["review", ".", "--labels", "a,b"]).contains("postil.toml"));
}

#[test]
fn sentences_drawn_for_gold_are_marked_in_the_browser_and_measure() {
    let folder = Folder::new();
    let names = ["Ann", "Bob", "Cleo", "Dan"];
    let rows: Vec<Value> = (0..60)
        .map(|row| {
            let (one, other) = (names[row % 4], names[(row + 1) % 4]);
            json!({ "id": format!("d{row}"), "text":
                format!("🚲 {one} came at {row}. Then {other} left, and nobody said a word. Later {one} met {other} again.") })
        })
        .collect();
    folder.write("items.jsonl", rows.iter().map(|row| row.to_string() + "\n").collect::<String>());
    folder.write("names.txt", "Ann\nBob\nDan\n");
    folder.write(
        "postil.toml",
        "[task]\nkind = \"spans\"\nlabels = [\"PER\"]\n[data]\nitems = \"items.jsonl\"\nid = \"id\"\ntext = \"text\"\n\
         [[annotator]]\nname = \"names\"\nkind = \"list\"\nlists = { PER = \"names.txt\" }\n",
    );
    let drawn = folder.json(&["draw", "45", ".", "--sentences", "-o", "first.jsonl", "--json"]);
    assert_eq!((&drawn["drawn"], &drawn["of"]), (&json!(45), &json!(180)));
    let refused = folder.fails(2, &["draw", "5", "."]);
    assert!(refused.contains("found some of sentences"), "{refused}");
    // A second draw adds to the first, and the probability is that of both together.
    let more = folder.json(&["draw", "45", ".", "--sentences", "-o", "second.jsonl", "--json"]);
    assert_eq!(more["drawn"], json!(45));
    let mut marked = 0;
    {
        let served = Served::start(&folder, &["--port", "0"]);
        let mut client = Client::new(served.address);
        let mut seen = std::collections::BTreeSet::new();
        let mut texts = std::collections::BTreeSet::new();
        loop {
            let leased = client.post("/api/lease", &json!({ "queue": "gold", "count": 20 }));
            let work = leased["work"].as_array().unwrap();
            if work.is_empty() {
                break;
            }
            for work in work {
                let item = work["item"].as_str().unwrap();
                assert!(seen.insert(item.to_owned()), "{item} came twice");
                let whole = item.split_once("#char=").unwrap().0;
                texts.insert(whole.to_owned());
                let sentence = work["content"]["text"].as_str().unwrap();
                let around = &work["around"];
                let text = rows[whole[1..].parse::<usize>().unwrap()]["text"].as_str().unwrap();
                let all = [around["before"].as_str().unwrap(), sentence, around["after"].as_str().unwrap()];
                assert_eq!(all.concat(), text);
                assert!(
                    work["reason"].as_str().unwrap().ends_with("a sentence drawn at random with probability 0.5000")
                );
                let letters: Vec<char> = sentence.chars().collect();
                let mut spans = Vec::new();
                for name in names {
                    let points: Vec<char> = name.chars().collect();
                    for at in 0..letters.len().saturating_sub(points.len()) {
                        if letters[at..].starts_with(&points) {
                            spans.push(json!({ "start": at, "end": at + points.len(), "label": "PER", "quote": name }));
                        }
                    }
                }
                let body = |spans: &[Value]| {
                    json!({ "id": uuid(seen.len() as u64), "item": item, "queue": "gold",
                    "status": "answered", "answer": { "kind": "spans", "spans": spans } })
                };
                // What lies outside the sentence cannot be marked.
                let end = letters.len() as u64;
                let beyond = [json!({ "start": end - 1, "end": end + 1, "label": "PER", "quote": "x" })];
                assert_eq!(client.try_post("/api/answer", &body(&beyond)).0, 422);
                marked += spans.len();
                client.post("/api/answer", &body(&spans));
            }
        }
        assert_eq!(seen.len(), 90);
        // Nobody is shown a text whole in which a sentence is gold, and no draw of whole texts mixes with it.
        let session = client.get("/api/session");
        let count = |name: &str| {
            session["queues"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["remaining"].clone()
        };
        assert_eq!(count("all"), json!(60 - texts.len()));
        assert_eq!(count("gold"), json!(0));
        let leased = client.post("/api/lease", &json!({ "queue": "all", "count": 50 }));
        assert!(leased["work"].as_array().unwrap().iter().all(|work| !texts.contains(work["item"].as_str().unwrap())));
        assert_eq!(client.try_post("/api/draw", &json!({ "count": 2 })).0, 409);
        let example = json!({ "item": texts.first().unwrap(), "label": "PER", "text": "came" });
        assert_eq!(client.try_post("/api/examples", &example).0, 409);
        // After a restart the server knows them by the same names.
        drop(served);
        let served = Served::start(&folder, &["--port", "0"]);
        let history = Client::new(served.address).get("/api/history?limit=5");
        let excerpt = history["entries"][0]["excerpt"].as_str().unwrap();
        assert!(excerpt.len() < 60 && excerpt.ends_with('.'), "{excerpt}");
    }
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["gold"]["total"], json!(90), "{}", report["gold"]);
    assert!(report["gold"]["design"].as_str().unwrap().contains("known"), "{}", report["gold"]);
    let basis = report["headline"]["value"]["basis"].as_str().unwrap();
    // Places count in the sentence on the page and in the whole text in a run: unmoved, nothing would fit.
    assert!(value(&report["headline"]["value"]) > 0.9, "{}", report["headline"]);
    assert!(marked > 100 && basis.contains("gold spans"), "{basis}");
}

#[test]
fn blind_gold_of_tags_counts_for_the_words_that_were_tagged() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..60).map(|row| format!("t{row},yaar {} kal", ["party", "meeting"][row % 2])).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    folder.write("hi.txt", "yaar\nkal\n");
    folder.write("en.txt", "party\n");
    folder.write(
        "postil.toml",
        "[task]\nkind = \"tag\"\nlayer = \"language\"\nlabels = [\"hi\", \"en\"]\n\
         [data]\nitems = \"items.csv\"\nid = \"id\"\ntext = \"text\"\n\
         [[annotator]]\nname = \"words\"\nkind = \"list\"\nlists = { hi = \"hi.txt\", en = \"en.txt\" }\n",
    );
    folder.ok(&["draw", "40"]);
    {
        let served = Served::start(&folder, &["--port", "0"]);
        let mut client = Client::new(served.address);
        let leased = client.post("/api/lease", &json!({ "queue": "gold", "count": 40 }));
        for (number, work) in leased["work"].as_array().unwrap().iter().enumerate() {
            let text = work["content"]["text"].as_str().unwrap();
            let word = text.split(' ').nth(1).unwrap();
            // The last word is left open, and of every other text the first is what the list does not say.
            let first = if number % 2 == 0 { "hi" } else { "en" };
            let spans = json!([{ "start": 0, "end": 4, "label": first, "quote": "yaar" },
                { "start": 5, "end": 5 + word.len(), "label": "en", "quote": word }]);
            let body = json!({ "id": uuid(number as u64), "item": work["item"], "queue": "gold", "status": "answered",
                "answer": { "kind": "spans", "spans": spans } });
            client.post("/api/answer", &body);
        }
    }
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["gold"]["total"], json!(40), "{}", report["gold"]);
    let headline = &report["headline"]["value"];
    // Half of the first words are wrong; of the second, what the list does not know is whatever it is taken for.
    assert!(headline["basis"].as_str().unwrap().contains("token"), "{headline}");
    assert!(value(headline) > 0.2 && value(headline) <= 0.8, "{headline}");
}
