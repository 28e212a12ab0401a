//! Real stored answers over HTTP, and the server as a process.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use postil_mimic::{Behaviour, Server, Stored};
use serde_json::{Value, json};

use crate::client::{CHAT, Client, chat, message, said, schema, with};

fn set(name: &str) -> Option<[PathBuf; 2]> {
    let data = std::env::var_os("POSTIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = data.join("llm").join(name);
    if !folder.is_dir() {
        eprintln!("SKIPPED: no shared data at {}", folder.display());
        return None;
    }
    Some(["items.csv", "annotations.csv"].map(|name| folder.join(name)))
}

/// The fields of a file that quotes none of those it is read for.
fn fields(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|row| row.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn every_stored_confidence_comes_back_by_letter() {
    let Some([items, annotations]) = set("uiuc-mrpc") else { return };
    let rows = fields(&annotations);
    let server = Server::start(Behaviour::new(Stored::read(&[(items, annotations)]).unwrap()));
    let mut client = Client::new(&server);
    let mut seen = 0;
    for row in rows.iter().step_by(5) {
        let usual = json!({ "model": row[1], "max_tokens": 1, "logprobs": true, "top_logprobs": 20 });
        let got = client.post(CHAT, &chat(&row[0], "A. 0: not the same\nB. 1: the same", usual)).unwrap();
        let letter = if row[2] == "0" { "A" } else { "B" };
        assert_eq!(said(&got), letter);
        let (mut mass, mut total) = (0.0, 0.0);
        for token in got.json()["choices"][0]["logprobs"]["content"][0]["top_logprobs"].as_array().unwrap() {
            let text = token["token"].as_str().unwrap().trim().to_ascii_uppercase();
            let probability = token["logprob"].as_f64().unwrap().exp();
            if text == "A" || text == "B" {
                total += probability;
            }
            if text == letter {
                mass += probability;
            }
        }
        assert!((mass / total - row[3].parse::<f64>().unwrap()).abs() < 1e-9, "{row:?}");
        seen += 1;
    }
    assert!(seen > 700);
}

#[test]
fn every_model_gives_its_stored_labels() {
    let Some([items, annotations]) = set("css-emotion") else { return };
    // Its texts hold no quotation marks, commas or breaks.
    let texts: HashMap<String, String> =
        fields(&items).into_iter().filter(|row| row.len() == 2).map(|row| (row[0].clone(), row[1].clone())).collect();
    let rows = fields(&annotations);
    let server = Server::start(Behaviour::new(Stored::read(&[(items, annotations)]).unwrap()));
    let mut client = Client::new(&server);
    let labels = schema(json!({ "label": { "type": "string", "enum": ["A", "B", "C", "D", "E", "F"] } }));
    let (mut seen, mut refused) = (0, 0);
    let rows = rows.iter().filter(|row| texts.contains_key(&row[0])).step_by(7);
    for row in rows {
        let body = chat(&texts[&row[0]], "", with(labels.clone(), json!({ "model": row[1] })));
        let got = client.post(CHAT, &body).unwrap();
        assert_eq!(got.status, 200, "{row:?}");
        if row[2].is_empty() {
            assert!(message(&got)["refusal"].is_string(), "{row:?}");
            refused += 1;
        } else {
            assert_eq!(said(&got), json!({ "label": row[2] }).to_string(), "{row:?}");
        }
        seen += 1;
    }
    assert!(seen > 500 && refused > 0, "{seen} {refused}");
}

#[test]
fn sets_are_asked_label_by_label() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["items.csv", "annotations.csv"].map(|name| folder.path().join(name));
    fs::write(&paths[0], "item,text\n1,one\n").unwrap();
    fs::write(&paths[1], "item,annotator,label\n1,m,a\n1,m,c\n").unwrap();
    let [items, annotations] = paths;
    let server = Server::start(Behaviour::new(Stored::read(&[(items, annotations)]).unwrap()));
    let letters = ["a", "b", "c"].map(|label| {
        let after = format!("Does the label `{label}` apply to the text?\nA. no\nB. yes");
        said(&crate::client::post(&server, CHAT, &chat("one", &after, json!({ "max_tokens": 1 }))))
    });
    assert_eq!(letters, ["B", "A", "B"]);
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_binary_serves_tables_with_faults_and_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["items.csv", "annotations.csv", "log.jsonl"].map(|name| folder.path().join(name));
    fs::write(&paths[0], "item,text\n1,\"one, two\"\n").unwrap();
    fs::write(&paths[1], "item,annotator,label,confidence\n1,m,yes,0.75\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postil-mimic"));
    command.arg("--answers").args(&paths[..2]).args(["--print-url", "--faults", "503#1", "--log"]).arg(&paths[2]);
    let mut process = Process(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut url = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
    let mut client = Client(TcpStream::connect(address).unwrap());
    let body = chat("one, two", "A. no\nB. yes", json!({ "max_tokens": 1 }));
    assert_eq!(client.post(CHAT, &body).unwrap().status, 503);
    assert_eq!(said(&client.post(CHAT, &body).unwrap()), "B");
    assert_eq!(client.post(CHAT, &with(body, json!({ "model": "other" }))).unwrap().status, 503);
    client.send("GET", "/v1/models", "", b"");
    let _ = client.receive().unwrap();
    client.send("GET", "/counters", "", b"");
    let counters = client.receive().unwrap().json();
    assert_eq!((&counters["requests"], &counters["faults"]["503"]), (&json!(4), &json!(3)));
    let lines = fs::read_to_string(&paths[2]).unwrap();
    let second: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&second["attempt"], &second["status"], &second["reply"]), (&json!(1), &json!(200), &json!("yes")));
    let refused = Command::new(env!("CARGO_BIN_EXE_postil-mimic")).stderr(Stdio::null()).status().unwrap();
    assert!(!refused.success());
}
