//! Clients that keep a connection and give nothing, or take nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use postil_review::Serving;
use serde_json::{Value, json};

use crate::support::{Project, Running};

const PATIENCE: Duration = Duration::from_millis(400);
/// By then the server must have given up, and no test waits longer.
const LONGEST: Duration = Duration::from_secs(20);

fn serve(project: &Project) -> Running {
    project.serve_as(Serving { patience: PATIENCE, ..Serving::default() })
}

fn connect(server: &Running) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    stream
}

/// What a read says: bytes, nothing yet, or that the server has ended it.
enum Heard {
    Bytes,
    Nothing,
    End,
}

fn hear(stream: &mut TcpStream, into: &mut Vec<u8>) -> Heard {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(0) => Heard::End,
        Ok(length) => {
            into.extend_from_slice(&piece[..length]);
            Heard::Bytes
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Heard::Nothing,
        Err(_) => Heard::End,
    }
}

/// Sends a byte every 50 milliseconds until the server ends the connection; what it said, and how long it took.
fn drip(stream: &mut TcpStream, bytes: impl Iterator<Item = u8>) -> (Vec<u8>, Duration) {
    let (begun, mut heard) = (Instant::now(), Vec::new());
    for byte in bytes {
        let sent = stream.write_all(&[byte]);
        if sent.is_err() || matches!(hear(stream, &mut heard), Heard::End) {
            return (heard, begun.elapsed());
        }
        assert!(begun.elapsed() < LONGEST, "the server is still listening: {}", String::from_utf8_lossy(&heard));
    }
    panic!("the server took all of it");
}

/// Others are served all the while.
fn is_served(server: &Running) {
    let begun = Instant::now();
    server.owner().get("/api/session");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_head_that_comes_byte_by_byte_is_dropped() {
    let project = Project::tickets(3);
    let server = serve(&project);
    let mut stream = connect(&server);
    stream.write_all(format!("GET /api/session HTTP/1.1\r\nHost: {}\r\nX-Slow: ", server.address).as_bytes()).unwrap();
    let (_, took) = drip(&mut stream, std::iter::repeat_n(b'a', 10_000));
    assert!(took >= PATIENCE / 2 && took < LONGEST, "{took:?}");
    // A connection on which nothing at all is said goes as well.
    let (mut silent, begun) = (connect(&server), Instant::now());
    while !matches!(hear(&mut silent, &mut Vec::new()), Heard::End) {
        assert!(begun.elapsed() < LONGEST);
    }
    is_served(&server);
}

#[test]
fn a_body_that_comes_byte_by_byte_is_refused_and_changes_nothing() {
    let project = Project::tickets(3);
    let server = serve(&project);
    let body = json!({ "id": crate::client::uuid(1), "item": "t0", "queue": "all", "status": "answered",
        "answer": { "kind": "class", "label": "bug" }, "note": "n".repeat(9000) })
    .to_string();
    for path in ["/api/answer", "/api/import?format=jsonl"] {
        let mut stream = connect(&server);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nX-Postil: 1\r\nContent-Length: {}\r\n\r\n",
            server.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let (heard, took) = drip(&mut stream, body.bytes());
        assert!(took >= PATIENCE, "{path}: {took:?}");
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408"), "{path}: {heard}");
    }
    assert_eq!(server.owner().get("/api/history")["entries"], json!([]));
    // One that comes in two pieces is no slow one.
    let mut stream = connect(&server);
    let head = format!(
        "POST /api/answer HTTP/1.1\r\nHost: {}\r\nX-Postil: 1\r\nContent-Length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..100]).unwrap();
    std::thread::sleep(PATIENCE / 4);
    stream.write_all(&body.as_bytes()[100..]).unwrap();
    let (begun, mut heard) = (Instant::now(), Vec::new());
    while !matches!(hear(&mut stream, &mut heard), Heard::Bytes) {
        assert!(begun.elapsed() < LONGEST);
    }
    assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard));
}

#[test]
fn whoever_does_not_read_what_was_asked_for_is_dropped() {
    let items: Vec<Value> = (0..200)
        .map(|number| json!({ "id": format!("t{number}"), "text": format!("{number} {}", "long ".repeat(20_000)) }))
        .collect();
    let project = Project::new(postil_core::TaskKind::Classify, &["bug", "praise"], &items);
    let server = serve(&project);
    let mut owner = server.owner();
    let lines: Vec<String> = (0..200)
        .map(|number| {
            json!({ "item": format!("t{number}"), "annotator": "zoe", "status": "answered",
                "said": { "kind": "class", "label": "bug" } })
            .to_string()
        })
        .collect();
    let taken = owner.ask("POST", "/api/import?format=jsonl", lines.join("\n").as_bytes()).unwrap().json();
    assert_eq!(taken["answers"], json!(200), "{taken}");
    // The export carries the texts: 20 MB, more than any socket keeps.
    let mut stream = connect(&server);
    let head = format!("GET /api/export?format=jsonl HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).unwrap();
    let mut heard = Vec::new();
    let begun = Instant::now();
    while !matches!(hear(&mut stream, &mut heard), Heard::Bytes) {
        assert!(begun.elapsed() < LONGEST, "the export has begun");
    }
    std::thread::sleep(3 * PATIENCE);
    is_served(&server);
    // What was on its way may still come; the rest does not.
    let begun = Instant::now();
    while !matches!(hear(&mut stream, &mut heard), Heard::End) {
        assert!(begun.elapsed() < LONGEST);
    }
    let words = String::from_utf8_lossy(&heard[..heard.len().min(2000)]).to_lowercase();
    let length = words.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()).unwrap().to_owned();
    let length: usize = length.parse().unwrap();
    assert!(length > 19_000_000 && heard.len() < length, "{} of {length} bytes came", heard.len());
    // Whoever reads slowly, but reads, gets all of it.
    let mut stream = connect(&server);
    stream.write_all(head.as_bytes()).unwrap();
    let (mut heard, mut pauses, begun) = (Vec::new(), 0, Instant::now());
    while heard.len() < length {
        match hear(&mut stream, &mut heard) {
            Heard::End => panic!("ended after {} of {length} bytes", heard.len()),
            Heard::Nothing => assert!(begun.elapsed() < LONGEST),
            Heard::Bytes if heard.len() / 2_000_000 > pauses => {
                pauses += 1;
                std::thread::sleep(PATIENCE / 5);
            }
            Heard::Bytes => {}
        }
    }
    assert!(pauses >= 9);
}
