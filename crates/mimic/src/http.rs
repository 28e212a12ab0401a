//! As much of HTTP/1.1 as a server of answers needs: requests one after the other on a connection, with a length or in
//! chunks; what follows a request stays for the next.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::respond::Response;

/// The longest head and the longest body, in bytes. Batch files may have 200 MB.
const LONGEST_HEAD: usize = 64 << 10;
const LONGEST_BODY: usize = 256 << 20;

/// A request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without a query.
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    /// Whether the client wants the connection closed.
    pub(crate) close: bool,
    pub(crate) body: Vec<u8>,
}

/// How reading a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client closed its side, having read everything it was sent.
    Closed,
    /// The connection broke. A client that dies with unread bytes, or is sent bytes after its death, breaks it.
    Broken,
    /// The bytes were no request.
    Malformed(&'static str),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// A connection with what was read ahead.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the unread part of the buffer starts.
    start: usize,
    out: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(16 << 10), start: 0, out: Vec::new() }
    }

    fn fill(&mut self) -> Result<(), End> {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        let length = self.buffer.len();
        self.buffer.resize(length + (16 << 10), 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        if read? > 0 {
            return Ok(());
        }
        // What was written after the client had closed its side was answered by a reset. Reading does not tell, since
        // the end came first; the socket's pending error does.
        match self.stream.take_error() {
            Ok(None) => Err(End::Closed),
            Ok(Some(_)) | Err(_) => Err(End::Broken),
        }
    }

    /// The unread part of the buffer, once it has so many bytes.
    fn ahead(&mut self, bytes: usize) -> Result<&[u8], End> {
        while self.buffer.len() - self.start < bytes {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..])
    }

    /// The place after the first `end` in the unread part, looked for from `from` on.
    fn find(&mut self, end: &[u8], most: usize) -> Result<usize, End> {
        let mut from = 0;
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(at) = unread[from..].windows(end.len()).position(|window| window == end) {
                return Ok(from + at + end.len());
            }
            if unread.len() > most {
                return Err(End::Malformed("a head or a chunk line is too long"));
            }
            from = unread.len().saturating_sub(end.len() - 1);
            self.fill()?;
        }
    }

    /// Reads the next request.
    pub(crate) fn request(&mut self) -> Result<Request, End> {
        let end = self.find(b"\r\n\r\n", LONGEST_HEAD)?;
        let head = &self.buffer[self.start..self.start + end];
        let head = std::str::from_utf8(head).map_err(|_| End::Malformed("the head is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(End::Malformed("expected METHOD TARGET VERSION"));
        };
        let path = target.split('?').next().unwrap_or_default();
        let mut request = Request { method: method.into(), path: path.into(), ..Request::default() };
        request.close = version == "HTTP/1.0";
        let (mut length, mut chunked, mut expects) = (0, false, false);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(End::Malformed("a header has no colon"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| End::Malformed("the length is no number"))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("authorization") {
                request.authorization = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("content-type") {
                request.content_type = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("connection") {
                request.close |= value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("expect") {
                expects = value.eq_ignore_ascii_case("100-continue");
            }
        }
        self.start += end;
        if expects {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if chunked {
            self.chunks(&mut request.body)?;
        } else if length > LONGEST_BODY {
            return Err(End::Malformed("the body is too long"));
        } else {
            request.body.extend_from_slice(&self.ahead(length)?[..length]);
            self.start += length;
        }
        if self.start > 1 << 20 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        Ok(request)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> Result<(), End> {
        loop {
            let end = self.find(b"\r\n", LONGEST_HEAD)?;
            let line = &self.buffer[self.start..self.start + end - 2];
            let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let length =
                std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
            let length = length.ok_or(End::Malformed("expected the length of a chunk"))?;
            if body.len().saturating_add(length) > LONGEST_BODY {
                return Err(End::Malformed("the body is too long"));
            }
            self.start += end;
            if length == 0 {
                // Trailers end in an empty line.
                while self.find(b"\r\n", LONGEST_HEAD)? > 2 {
                    self.start += self.find(b"\r\n", LONGEST_HEAD)?;
                }
                self.start += 2;
                return Ok(());
            }
            body.extend_from_slice(&self.ahead(length + 2)?[..length]);
            self.start += length + 2;
        }
    }

    /// Writes a response, or only so much of it; whether all bytes that were meant to go could be handed over.
    pub(crate) fn write(&mut self, response: &Response, most: Option<usize>, close: bool) -> bool {
        let out = &mut self.out;
        out.clear();
        // Writing to memory does not fail.
        let _ = write!(
            out,
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            response.status,
            reason(response.status),
            response.content_type,
            response.body.len()
        );
        for (name, value) in &response.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        if close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&response.body);
        let bytes = most.unwrap_or(out.len()).min(out.len());
        self.stream.write_all(&out[..bytes]).is_ok()
    }

    /// Waits until the client gives the connection up.
    pub(crate) fn wait_for_end(&mut self) -> End {
        let mut byte = [0; 1024];
        loop {
            match self.stream.read(&mut byte) {
                Ok(0) => return End::Closed,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return End::Broken,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        529 => "Site Is Overloaded",
        _ => "Status",
    }
}

/// The date of HTTP so many seconds from now.
pub(crate) fn date_ahead(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(now + seconds)
}

/// A time as an HTTP date.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    // Years that start in March put the leap day last (Howard Hinnant's calendar algorithms).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + u64::from(month >= 10);
    let names = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", names[month as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // As printed by `date -u -d @SECONDS`.
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date(1_795_785_753), "Fri, 27 Nov 2026 13:22:33 GMT");
        assert_eq!(date(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
    }
}
