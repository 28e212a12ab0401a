//! A tiny client.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use postil_mimic::Server;
use serde_json::{Value, json};

/// A response.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A connection.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn new(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        // Only a broken server is silent for so long.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.0.write_all(&[head.as_bytes(), body].concat()).unwrap();
    }

    /// Reads a response; `None` if the connection ends before it is whole.
    pub(crate) fn receive(&mut self) -> Option<Got> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut got = Got { status, head, body: Vec::new() };
        let length: usize = got.header("content-length").unwrap().parse().unwrap();
        for _ in 0..length {
            got.body.push(self.byte()?);
        }
        Some(got)
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => None,
            Ok(_) => Some(byte[0]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Option<Got> {
        self.send("POST", path, "", body.to_string().as_bytes());
        self.receive()
    }
}

/// One request on a connection of its own.
pub(crate) fn post(server: &Server, path: &str, body: &Value) -> Got {
    Client::new(server).post(path, body).expect("the whole answer")
}

pub(crate) fn get(server: &Server, path: &str) -> Got {
    let mut client = Client::new(server);
    client.send("GET", path, "", b"");
    client.receive().expect("the whole answer")
}

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// A chat request about an item; `after` follows the closing fence.
pub(crate) fn chat(item: &str, after: &str, more: Value) -> Value {
    let fence = "=== 00aa11bb22cc ===";
    let prompt = format!("Which label fits the text between the lines?\n{fence}\n{item}\n{fence}\n{after}");
    let messages = json!([{ "role": "system", "content": "You label texts." }, { "role": "user", "content": prompt }]);
    with(json!({ "model": "m", "messages": messages }), more)
}

pub(crate) fn with(mut body: Value, more: Value) -> Value {
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

pub(crate) fn schema(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({
        "type": "object", "required": required, "additionalProperties": false, "properties": properties.clone(),
    });
    json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a", "strict": true, "schema": schema } } })
}

pub(crate) fn message(got: &Got) -> Value {
    got.json()["choices"][0]["message"].clone()
}

pub(crate) fn said(got: &Got) -> String {
    message(got)["content"].as_str().unwrap().to_owned()
}
