//! Connections: many requests on one, sent ahead, in pieces, in chunks; the log as a file and over HTTP.

use std::io::Write;
use std::sync::Barrier;
use std::thread;

use postil_mimic::{Behaviour, MadeUp, Question, Reply, Server};
use serde_json::{Value, json};

use crate::client::{CHAT, Client, chat, get, post, said};

fn echo(question: &Question<'_>) -> Reply {
    Reply::Text(question.item.unwrap_or_default().into())
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let server = Server::start(Behaviour::new(echo));
    let mut client = Client::new(&server);
    for number in 0..50 {
        client.send("POST", CHAT, "", chat(&format!("item {number}"), "", json!({})).to_string().as_bytes());
    }
    for number in 0..50 {
        assert_eq!(said(&client.receive().unwrap()), format!("item {number}"));
    }
    assert_eq!(server.counters().connections, 1);
}

#[test]
fn requests_may_come_in_pieces_and_chunks() {
    let server = Server::start(Behaviour::new(echo));
    let mut client = Client::new(&server);
    let body = chat("wörds", "", json!({})).to_string();
    let whole = format!("POST {CHAT} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for piece in whole.as_bytes().chunks(7) {
        client.0.write_all(piece).unwrap();
    }
    assert_eq!(said(&client.receive().unwrap()), "wörds");
    let mut chunked = format!("POST {CHAT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.as_bytes().chunks(30) {
        chunked.extend(format!("{:x};x=y\r\n", chunk.len()).into_bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\nTrailer: x\r\n\r\n");
    client.0.write_all(&[chunked.clone(), chunked].concat()).unwrap();
    for _ in 0..2 {
        assert_eq!(said(&client.receive().unwrap()), "wörds");
    }
    client.0.write_all(b"nonsense\r\n\r\n").unwrap();
    assert_eq!(client.receive().unwrap().status, 400);
    assert!(client.receive().is_none());
}

#[test]
fn connections_close_when_asked() {
    let server = Server::start(Behaviour::new(echo));
    let mut client = Client::new(&server);
    client.send("POST", CHAT, "Connection: close\r\n", chat("x", "", json!({})).to_string().as_bytes());
    assert_eq!(client.receive().unwrap().header("connection"), Some("close"));
    assert!(client.receive().is_none());
}

#[test]
fn many_clients_are_served_at_once_and_logged_in_order() {
    let server = Server::start(Behaviour::new(MadeUp::default()));
    let (clients, each) = (8, 40);
    let start = Barrier::new(clients);
    thread::scope(|scope| {
        for who in 0..clients {
            let (server, start) = (&server, &start);
            scope.spawn(move || {
                let mut client = Client::new(server);
                start.wait();
                for item in 0..each {
                    let body = chat(&format!("{who} {item}"), "A. yes\nB. no", json!({ "max_tokens": 1 }));
                    assert_eq!(client.post(CHAT, &body).unwrap().status, 200);
                }
            });
        }
    });
    let log = server.log();
    assert_eq!(log.len(), clients * each);
    assert!(log.iter().enumerate().all(|(number, entry)| entry.number == number as u64 && entry.written));
    let counters = server.counters();
    assert_eq!((counters.requests, counters.distinct, counters.written), (320, 320, 320));
}

#[test]
fn the_log_is_a_file_too_and_says_who_died_with_a_reply_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut behaviour = Behaviour::new(echo);
    behaviour.log_file = Some(path.clone());
    let server = Server::start(behaviour);
    let mut reader = Client::new(&server);
    assert_eq!(reader.post(CHAT, &chat("read", "", json!({}))).unwrap().status, 200);
    drop(reader);
    let mut hasty = Client::new(&server);
    hasty.send("POST", CHAT, "", chat("unread", "", json!({})).to_string().as_bytes());
    // Once the reply waits at this end, closing with it unread breaks the connection.
    assert_eq!(hasty.0.peek(&mut [0]).unwrap(), 1);
    drop(hasty);
    let ended = loop {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ended: Vec<_> = lines.iter().filter(|line| line["how"].is_string()).cloned().collect();
        if ended.len() == 2 {
            assert_eq!(lines.iter().filter(|line| line["written"] == true).count(), 2);
            break ended;
        }
        thread::yield_now();
    };
    let how = |last: u64| ended.iter().find(|line| line["last"] == last).unwrap()["how"].clone();
    assert_eq!((how(0), how(1)), (json!("closed"), json!("broken")));
    let log = server.log();
    assert_eq!((log[0].unread, log[1].unread), (false, true));
}

#[test]
fn a_reply_written_after_the_client_has_gone_is_unread() {
    let latency = "latency=200ms".parse().unwrap();
    let server = Server::start(Behaviour::new(echo).fault(latency));
    let mut client = Client::new(&server);
    client.send("POST", CHAT, "", chat("x", "", json!({})).to_string().as_bytes());
    drop(client);
    while !server.log().iter().any(|entry| entry.unread) {
        thread::yield_now();
    }
    let patient = post(&server, CHAT, &chat("y", "", json!({})));
    assert_eq!(said(&patient), "y");
    assert_eq!(server.log().iter().filter(|entry| entry.unread).count(), 1);
}

#[test]
fn the_log_is_served_and_reset() {
    let server = Server::start(Behaviour::new(echo));
    post(&server, CHAT, &chat("x", "", json!({})));
    let log = get(&server, "/log").text();
    let entry: Value = serde_json::from_str(log.trim_end()).unwrap();
    assert_eq!((&entry["item"], &entry["reply"], &entry["written"]), (&json!("x"), &json!("x"), &json!(true)));
    assert_eq!(entry["digest"], server.log()[0].digest.to_string());
    assert_eq!(post(&server, "/reset", &json!({})).status, 200);
    assert_eq!((get(&server, "/log").text().as_str(), server.counters().requests), ("", 0));
    post(&server, CHAT, &chat("x", "", json!({})));
    assert_eq!((server.log()[0].number, server.log()[0].attempt), (0, 0));
}
