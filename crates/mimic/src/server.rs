//! The server: a listener, a thread for each connection, one request after the other on each.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::batch::Batches;
use crate::behaviour::{Behaviour, RateLimit};
use crate::fault::{Fault, Met, RetryAfter, decide};
use crate::http::{Connection, End, Request};
use crate::log::{Arrival, Counters, Entry, Log, Ticket};
use crate::respond::{Asking, Response, closed, dialect, failed, respond, retry_after};

/// How long a stopping server waits for its connections.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server. It stops when dropped.
pub struct Server {
    inner: Arc<Inner>,
    address: SocketAddr,
    listener: Option<JoinHandle<()>>,
}

struct Inner {
    behaviour: Behaviour,
    log: Log,
    batches: Batches,
    bucket: Mutex<Option<Bucket>>,
    open: Mutex<Open>,
    changed: Condvar,
}

/// Connections that are open, for stopping them.
#[derive(Default)]
struct Open {
    stopping: bool,
    streams: HashMap<u64, TcpStream>,
    made: u64,
}

/// The bucket of a rate limit.
struct Bucket {
    limit: RateLimit,
    full: f64,
    since: Instant,
}

impl Bucket {
    /// Takes a request out, or says how long until there is one.
    fn take(&mut self) -> Result<f64, Duration> {
        let now = Instant::now();
        let per_second = self.limit.requests_per_minute / 60.0;
        self.full += now.duration_since(self.since).as_secs_f64() * per_second;
        self.full = self.full.min(self.limit.burst.max(1.0));
        self.since = now;
        if self.full >= 1.0 {
            self.full -= 1.0;
            return Ok(self.full);
        }
        let wait = Duration::try_from_secs_f64((1.0 - self.full) / per_second);
        Err(wait.unwrap_or(Duration::MAX))
    }
}

impl Server {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// Without a free port, or if the log file cannot be opened.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_on(0, behaviour).expect("a port of the loopback interface and the log file are to be had")
    }

    /// Starts a server on a port of the loopback interface; 0 takes a free one.
    pub fn start_on(port: u16, mut behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("port {port}"))?;
        let address = listener.local_addr()?;
        behaviour.models = behaviour.known_models();
        let log = Log::new(behaviour.keep_log, behaviour.log_file.as_deref())?;
        let bucket = behaviour.rate.map(|limit| Bucket { limit, full: limit.burst.max(1.0), since: Instant::now() });
        let inner = Arc::new(Inner {
            behaviour,
            log,
            batches: Batches::default(),
            bucket: Mutex::new(bucket),
            open: Mutex::default(),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&inner);
        let listener = thread::Builder::new().name("listener".into()).spawn(move || listen(&listener, &shared))?;
        Ok(Self { inner, address, listener: Some(listener) })
    }

    /// The base of all routes, such as `http://127.0.0.1:4711/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request that was answered, in the order of arrival. Replies that are being written are waited for; requests
    /// that hang appear when their client has given up.
    pub fn log(&self) -> Vec<Entry> {
        self.inner.log.entries()
    }

    /// Sums over all requests.
    pub fn counters(&self) -> Counters {
        self.inner.log.counters()
    }

    /// Forgets the log, the counters and how often each request came.
    pub fn reset(&self) {
        self.inner.log.reset();
    }

    /// Waits until the server stops, which it does not by itself.
    pub fn wait(mut self) {
        if let Some(listener) = self.listener.take() {
            // A listener that panicked has said so on standard error.
            let _ = listener.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        {
            let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.stopping = true;
            for stream in open.streams.values() {
                // It may have been closed by the other side.
                let _ = stream.shutdown(Shutdown::Both);
            }
            self.inner.changed.notify_all();
        }
        // The listener waits in the kernel; a connection wakes it.
        if TcpStream::connect(self.address).is_ok() {
            let _ = listener.join();
        }
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.inner.changed.wait_timeout_while(open, PATIENCE, |open| !open.streams.is_empty());
    }
}

fn listen(listener: &TcpListener, inner: &Arc<Inner>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of file descriptors, most likely: wait for connections to end.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let number = {
            let mut open = inner.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.stopping {
                return;
            }
            let Ok(copy) = stream.try_clone() else { continue };
            let number = open.made;
            open.made += 1;
            open.streams.insert(number, copy);
            number
        };
        inner.log.connected();
        let shared = Arc::clone(inner);
        let spawned = thread::Builder::new().stack_size(512 << 10).spawn(move || {
            serve(&shared, number, stream);
            shared.close(number);
        });
        if spawned.is_err() {
            inner.close(number);
        }
    }
}

/// What comes of a request on its connection.
enum Served {
    /// The connection goes on.
    On(Option<Ticket>),
    /// The server closes it.
    Over,
    /// The client has closed it.
    Ended(Option<Ticket>, &'static str),
}

fn serve(inner: &Inner, number: u64, stream: TcpStream) {
    // Answers are small and each is awaited.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut connection = Connection::new(stream);
    let mut last: Option<Ticket> = None;
    let how = loop {
        match connection.request() {
            Ok(request) => match inner.serve(number, &request, &mut connection) {
                Served::On(ticket) => last = ticket.or(last),
                Served::Over => return,
                Served::Ended(ticket, how) => {
                    last = ticket.or(last);
                    break how;
                }
            },
            Err(End::Closed) => break "closed",
            Err(End::Broken) => break "broken",
            Err(End::Malformed(what)) => {
                connection.write(&Response::error(400, "malformed_request", what), None, true);
                return;
            }
        }
    };
    if let Some(last) = last.filter(|_| !inner.stopping()) {
        inner.log.ended(number, &last, how);
    }
}

impl Inner {
    fn stopping(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).stopping
    }

    fn close(&self, number: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = open.streams.remove(&number) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    /// Waits; whether the server still runs afterwards.
    fn wait(&self, time: Duration) -> bool {
        if time.is_zero() {
            return true;
        }
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(open, time, |open| !open.stopping);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    fn serve(&self, number: u64, request: &Request, connection: &mut Connection) -> Served {
        if let Some(response) = self.own(request) {
            let written = connection.write(&response, None, request.close);
            return if written && !request.close { Served::On(None) } else { Served::Over };
        }
        let arrival = self.log.arrive(&request.path, &request.body);
        let met = Met { number: arrival.number, digest: arrival.digest, attempt: arrival.attempt, body: &request.body };
        let (wait, fault) = decide(&self.behaviour.faults, &met, self.behaviour.seed);
        let stopped = self.admit(request, arrival);
        if !self.wait(wait) {
            self.log.leave();
            return Served::Over;
        }
        let fault = if stopped.is_some() { None } else { fault };
        let name = fault.map(Fault::to_string);
        let entry = |response: &Response, status: u16| {
            let mut entry = response.note.clone().entry(arrival, Some(number), &request.path, status);
            entry.fault.clone_from(&name);
            entry
        };
        let response = match stopped {
            Some(response) => response,
            None => self.respond(request, arrival, fault),
        };
        match fault {
            Some(Fault::Hang) => {
                let end = connection.wait_for_end();
                let ticket = self.log.done(self.log.ready(entry(&response, 0)), false);
                Served::Ended(Some(ticket), if matches!(end, End::Closed) { "closed" } else { "broken" })
            }
            Some(Fault::CutBefore) => {
                self.log.done(self.log.ready(entry(&response, 0)), false);
                Served::Over
            }
            Some(Fault::CutMiddle) => {
                let ticket = self.log.ready(entry(&response, response.status));
                // The head of the message has some 90 bytes: half of the body goes out with it.
                connection.write(&response, Some(90 + response.body.len() / 2), false);
                self.log.done(ticket, false);
                Served::Over
            }
            _ => {
                let ticket = self.log.ready(entry(&response, response.status));
                let written = connection.write(&response, None, request.close);
                let ticket = self.log.done(ticket, written);
                match (written, request.close) {
                    (false, _) => Served::Ended(Some(ticket), "broken"),
                    (true, true) => Served::Over,
                    (true, false) => Served::On(Some(ticket)),
                }
            }
        }
    }

    /// Routes for the test itself: they are not logged and meet no faults.
    fn own(&self, request: &Request) -> Option<Response> {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/log") => Some(Response::text("application/jsonl", self.log.lines())),
            ("GET", "/counters") => Some(Response::json(&self.log.counters_json())),
            ("POST", "/reset") => {
                self.log.reset();
                Some(Response::json(&json!({ "reset": true })))
            }
            _ => None,
        }
    }

    /// An answer that the request gets whatever it asks: a wrong key, too many requests.
    fn admit(&self, request: &Request, arrival: Arrival) -> Option<Response> {
        if let Some(key) = &self.behaviour.key {
            let given = request.authorization.as_deref().and_then(|given| given.strip_prefix("Bearer "));
            if given != Some(key) {
                return Some(failed(401));
            }
        }
        if self.behaviour.most_at_once.is_some_and(|most| arrival.at_once > most as u64) {
            return Some(Response { headers: retry_after(RetryAfter::Unsaid), ..failed(429) });
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = bucket.as_mut()?.take().err()?;
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        Some(Response { headers: retry_after(RetryAfter::Milliseconds(milliseconds)), ..failed(429) })
    }

    fn respond(&self, request: &Request, arrival: Arrival, fault: Option<&Fault>) -> Response {
        let model = dialect(&self.behaviour, &request.path).is_some();
        if model && request.method == "POST" {
            let (digest, attempt) = (arrival.digest, arrival.attempt);
            let asking = Asking { path: &request.path, body: &request.body, digest, attempt, fault };
            return respond(&self.behaviour, &asking);
        }
        if let Some(Fault::Status(status)) = fault {
            return failed(*status);
        }
        if let Some(Fault::Throttle(retry)) = fault {
            return Response { headers: retry_after(*retry), ..failed(429) };
        }
        if model {
            return Response::error(405, "method_not_allowed", "this route takes POST");
        }
        if request.path == "/v1/models" && request.method == "GET" {
            return self.models();
        }
        let batch = request.path.starts_with("/v1/files") || request.path.starts_with("/v1/batches");
        if batch && let Some(response) = closed(self.behaviour.capabilities.batches) {
            return response;
        }
        let routed = self.batches.route(&self.behaviour, &self.log, request);
        routed.unwrap_or_else(|| Response::error(404, "not_found", &format!("there is no route {}", request.path)))
    }

    fn models(&self) -> Response {
        let models = self.behaviour.models.iter().flatten();
        let list = models.map(|id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "mimic" }));
        Response::json(&json!({ "object": "list", "data": Value::Array(list.collect()) }))
    }
}
