//! A browser's part, spoken by hand: one connection, requests one after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.status, String::from_utf8_lossy(&self.body)))
    }
}

/// Somebody who asks.
pub(crate) struct Client {
    address: SocketAddr,
    token: Option<String>,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// The local owner.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, token: None, connection: None }
    }

    /// Somebody with a token.
    pub(crate) fn with_token(address: SocketAddr, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::new(address) }
    }

    /// Sends a request with exactly these headers beside its length; an error if the server is not there.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        let outcome = self.exchange(method, path, headers, body);
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Reply> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_mins(2)))?;
            self.connection = Some(BufReader::new(stream));
        }
        let connection = self.connection.as_mut().expect("made above");
        let mut request = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            for part in [name, ": ", value, "\r\n"] {
                request.push_str(part);
            }
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        connection.get_mut().write_all(&bytes)?;
        let mut line = String::new();
        let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        if connection.read_line(&mut line)? == 0 {
            return Err(gone());
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(gone)?;
        let mut found = Vec::new();
        loop {
            line.clear();
            if connection.read_line(&mut line)? == 0 {
                return Err(gone());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            found.push((name.to_owned(), value.to_owned()));
        }
        let mut reply = Reply { status, headers: found, body: Vec::new() };
        if let Some(length) = reply.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
            reply.body = vec![0; length];
            connection.read_exact(&mut reply.body)?;
        }
        if reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.connection = None;
        }
        Ok(reply)
    }

    /// As our own page asks.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Reply> {
        let host = self.address.to_string();
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Host", host.as_str()), ("X-Postil", "1")];
        headers.extend(token.as_deref().map(|token| ("Authorization", token)));
        self.send(method, path, &headers, body)
    }

    /// Reads, and expects success.
    pub(crate) fn get(&mut self, path: &str) -> Value {
        let reply = self.ask("GET", path, b"").expect("the server is there");
        assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }

    /// Sends, and expects success.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Value {
        let (status, reply) = self.try_post(path, body);
        assert_eq!(status, 200, "{path} {body}: {reply}");
        reply
    }

    /// Sends, whatever comes of it.
    pub(crate) fn try_post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let reply = self.ask("POST", path, body.to_string().as_bytes()).expect("the server is there");
        (reply.status, reply.json())
    }
}

/// A UUID made of a number.
pub(crate) fn uuid(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}
