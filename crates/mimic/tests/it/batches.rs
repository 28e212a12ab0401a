//! Batches: uploads, statuses that advance, rows that fail, output out of order.

use postil_mimic::{BatchCourse, Behaviour, Fault, Question, Reply, Rule, Server};
use serde_json::{Value, json};

use crate::client::{CHAT, Client, chat, get, post};

fn echo(question: &Question<'_>) -> Reply {
    Reply::Text(question.item.unwrap_or_default().into())
}

fn input(rows: usize) -> String {
    let row = |row: usize| {
        let body = chat(&format!("item {row}"), "", json!({}));
        format!("{}\n", json!({ "custom_id": format!("row-{row}"), "method": "POST", "url": CHAT, "body": body }))
    };
    (0..rows).map(row).collect()
}

fn upload(server: &Server, text: &str) -> String {
    let form = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--xyz\r\nContent-Disposition: \
         form-data; name=\"file\"; filename=\"in.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n{text}\r\n--xyz--\r\n"
    );
    let mut client = Client::new(server);
    client.send("POST", "/v1/files", "Content-Type: multipart/form-data; boundary=xyz\r\n", form.as_bytes());
    let file = client.receive().unwrap().json();
    assert_eq!(
        (&file["purpose"], &file["filename"], &file["bytes"]),
        (&json!("batch"), &json!("in.jsonl"), &json!(text.len()))
    );
    file["id"].as_str().unwrap().to_owned()
}

fn create(server: &Server, file: &str) -> Value {
    let body =
        json!({ "input_file_id": file, "endpoint": CHAT, "completion_window": "24h", "metadata": { "run": "7" } });
    let got = post(server, "/v1/batches", &body);
    assert_eq!(got.status, 200, "{}", got.text());
    got.json()
}

/// Looks until the batch is over: the statuses seen and the last look.
fn watch(server: &Server, batch: &Value) -> (Vec<String>, Value) {
    let mut statuses = vec![batch["status"].as_str().unwrap().to_owned()];
    loop {
        let look = get(server, &format!("/v1/batches/{}", batch["id"].as_str().unwrap())).json();
        statuses.push(look["status"].as_str().unwrap().to_owned());
        if !["validating", "in_progress", "finalizing"].contains(&statuses.last().unwrap().as_str()) {
            return (statuses, look);
        }
        assert!(look["output_file_id"].is_null());
    }
}

fn lines(server: &Server, file: &Value) -> Vec<Value> {
    let text = get(server, &format!("/v1/files/{}/content", file.as_str().unwrap())).text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_batch_runs_to_its_end() {
    // The upload and the batch are requests 0 and 1, then come the rows.
    let rules = vec![Rule::new(Fault::Status(500)).requests(5..=5), Rule::new(Fault::Hang).requests(7..=7)];
    let mut behaviour = Behaviour::new(echo);
    behaviour.faults = rules;
    let server = Server::start(behaviour);
    let batch = create(&server, &upload(&server, &input(20)));
    let (statuses, last) = watch(&server, &batch);
    assert_eq!(statuses, ["validating", "in_progress", "in_progress", "finalizing", "completed"]);
    assert_eq!(last["request_counts"], json!({ "total": 20, "completed": 18, "failed": 2 }));
    assert_eq!(last["metadata"]["run"], "7");
    let output = lines(&server, &last["output_file_id"]);
    let order: Vec<&str> = output.iter().map(|line| line["custom_id"].as_str().unwrap()).collect();
    assert_eq!(order.len(), 18);
    assert!(!order.is_sorted_by_key(|id| id[4..].parse::<u32>().unwrap()), "{order:?}");
    for line in &output {
        let said = line["response"]["body"]["choices"][0]["message"]["content"].as_str().unwrap();
        assert_eq!(said.replace("item ", "row-"), line["custom_id"].as_str().unwrap());
        assert_eq!((&line["response"]["status_code"], &line["error"]), (&json!(200), &Value::Null));
    }
    let mut failed = lines(&server, &last["error_file_id"]);
    failed.sort_by_key(|line| line["custom_id"].to_string());
    assert_eq!((&failed[0]["custom_id"], &failed[0]["response"]["status_code"]), (&json!("row-3"), &json!(500)));
    assert_eq!((&failed[1]["custom_id"], &failed[1]["response"]), (&json!("row-5"), &Value::Null));
    assert!(failed[1]["error"]["code"].is_string());
    let rows = server.log().into_iter().filter(|entry| entry.connection.is_none()).count();
    assert_eq!(rows, 20);
    let list = get(&server, "/v1/batches").json();
    assert_eq!(list["data"][0]["id"], batch["id"]);
}

#[test]
fn files_with_mistakes_fail() {
    let server = Server::start(Behaviour::new(echo));
    let text = format!("{}not json\n{}", input(1), input(1));
    let (statuses, last) = watch(&server, &create(&server, &upload(&server, &text)));
    assert_eq!(statuses, ["validating", "failed"]);
    let codes: Vec<_> = last["errors"]["data"].as_array().unwrap().iter().map(|error| error["code"].clone()).collect();
    assert_eq!(codes, ["invalid_json_line", "duplicate_custom_id"]);
    assert!(server.log().iter().all(|entry| entry.connection.is_some()), "no row was answered");
}

#[test]
fn batches_expire_and_are_cancelled() {
    let mut behaviour = Behaviour::new(echo);
    behaviour.batches = BatchCourse { looks: 0, expires: true };
    let server = Server::start(behaviour);
    let (statuses, last) = watch(&server, &create(&server, &upload(&server, &input(10))));
    assert_eq!(statuses, ["validating", "finalizing", "expired"]);
    assert_eq!(lines(&server, &last["output_file_id"]).len(), 5);
    assert_eq!(lines(&server, &last["error_file_id"])[0]["error"]["code"], "batch_expired");

    let server = Server::start(Behaviour::new(echo));
    let batch = create(&server, &upload(&server, &input(2)));
    let path = format!("/v1/batches/{}/cancel", batch["id"].as_str().unwrap());
    assert_eq!(post(&server, &path, &json!({})).json()["status"], "cancelled");
    assert_eq!(watch(&server, &batch).0, ["validating", "cancelled"]);
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = Server::start(Behaviour::new(echo));
    for path in ["/v1/files/file-9", "/v1/files/file-9/content", "/v1/batches/batch_9"] {
        assert_eq!(get(&server, path).status, 404);
    }
    let body = json!({ "input_file_id": "file-9", "endpoint": CHAT, "completion_window": "24h" });
    assert_eq!(post(&server, "/v1/batches", &body).status, 404);
    let mut client = Client::new(&server);
    client.send("POST", "/v1/files", "Content-Type: application/jsonl\r\n", input(3).as_bytes());
    let raw = client.receive().unwrap().json();
    assert_eq!(raw["bytes"], input(3).len());
}
