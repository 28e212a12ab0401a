//! Asking: requests in order, never more than limits and budget allow, every reply kept before it is read.
//!
//! Requests are written down in the order of the items, each with its worst cost. Where the cap leaves no room the engine
//! waits for replies, whose true cost is lower, and stops only when nothing is on its way: so where a run stops does not
//! depend on how fast replies came.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use postil_core::ledger::{Call, Journal, Spent};
use postil_core::{Annotation, Cost, Digest, Error, ItemBatch, Result};

use super::annotator::LlmAnnotator;
use super::ask::{Request, Words};
use super::chat;
use super::http::Endpoint;
use super::limiter::{Limiter, Turn};
use super::recording::Recording;
use super::said::Said;
use super::spec::{Dialect, LlmSpec};
use super::wire::{Got, Wire};

/// The most that may be spent in a project, ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// Money, in millionths of the project's currency.
    pub money_micros: Option<u64>,
    /// Tokens, sent and received.
    pub tokens: Option<u64>,
}

impl Cap {
    pub(super) fn allows(self, spent: Spent, further: Cost) -> bool {
        let total = spent.total() + further;
        self.money_micros.is_none_or(|cap| total.money_micros <= cap)
            && self.tokens.is_none_or(|cap| total.input_tokens + total.output_tokens <= cap)
    }
}

/// What happened while asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that were sent, each attempt counted.
    pub sent: u64,
    /// Replies that came.
    pub replies: u64,
    /// Replies that were there from an earlier run, and cost nothing now.
    pub kept: u64,
    /// Attempts that failed and were tried again.
    pub retries: u64,
    /// Replies that could not be read as they were asked for and could be read all the same.
    pub repaired: u64,
    /// Quotes that are not in their text.
    pub not_in_text: u64,
    /// Spans that were left out because a longer one, or one of an earlier label, stands there.
    pub displaced: u64,
    /// Letters without the probabilities that were asked for.
    pub without_probability: u64,
    /// Replies without a bill, which count with their worst cost.
    pub without_usage: u64,
    /// Items by how they ended.
    pub ended: BTreeMap<&'static str, u64>,
    /// The models that truly answered.
    pub models: BTreeSet<String>,
    /// Whether the cap left no room for the next request.
    pub cap_reached: bool,
    /// The first reply or failure that gave no answer, in words.
    pub first_failure: Option<String>,
}

impl Tally {
    /// Adds what happened later.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.replies += other.replies;
        self.kept += other.kept;
        self.retries += other.retries;
        self.repaired += other.repaired;
        self.not_in_text += other.not_in_text;
        self.displaced += other.displaced;
        self.without_probability += other.without_probability;
        self.without_usage += other.without_usage;
        other.ended.into_iter().for_each(|(name, count)| *self.ended.entry(name).or_default() += count);
        self.models.extend(other.models);
        self.cap_reached |= other.cap_reached;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

/// Sends the requests of annotators and keeps their replies.
pub struct Engine {
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) journal: RefCell<Journal>,
    pub(super) cap: Cap,
    recording: Option<Recording>,
    endpoints: HashMap<(String, Option<String>, Dialect), Rc<Endpoint>>,
    limiters: HashMap<(String, Option<String>), Rc<RefCell<Limiter>>>,
}

/// One item whose requests are on their way.
struct Row {
    number: usize,
    requests: Vec<Request>,
    said: Vec<Option<Said>>,
    repeated: Vec<bool>,
    cost: Cost,
}

impl Engine {
    /// An engine over a journal, under a cap that counts everything ever spent in it. With a recording nothing is sent:
    /// what is neither in the journal nor in the recording fails.
    pub fn new(journal: Journal, cap: Cap, recording: Option<Recording>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            // A reply is written down before the next connection is read: what dies with the process is then all but nothing.
            .event_interval(1)
            .enable_time()
            .build()
            .map_err(|error| Error::io("no connections can be made", error))?;
        let (endpoints, limiters) = (HashMap::new(), HashMap::new());
        Ok(Self { runtime, journal: RefCell::new(journal), cap, recording, endpoints, limiters })
    }

    /// What was spent so far, in this run and before.
    pub fn spent(&self) -> Spent {
        self.journal.borrow().spent()
    }

    /// The journal, with every reply in it.
    pub fn into_journal(self) -> Journal {
        self.journal.into_inner()
    }

    /// Asks about some rows of a batch. Annotations come back in the order of the rows; a row is missing where the cap or
    /// the user stopped it, and its replies, if some came, wait in the journal.
    ///
    /// # Errors
    /// The endpoint cannot be asked at all; a reply cannot be kept. What was kept before stays.
    pub fn ask(
        &mut self,
        annotator: &LlmAnnotator,
        items: &ItemBatch,
        rows: &[usize],
        at_millis: &dyn Fn() -> i64,
        watch: &dyn Fn(u64) -> bool,
    ) -> Result<(Vec<Annotation>, Tally)> {
        let (endpoint, limiter) = self.way(annotator.spec())?;
        let wire = self.wire(annotator.spec(), annotator.identity().version, &endpoint, &limiter, at_millis);
        let session = Session { annotator, items, wire };
        let annotations = self.runtime.block_on(session.run(rows, watch))?;
        self.journal.borrow().sync()?;
        Ok((annotations, session.wire.tally.into_inner()))
    }

    /// Sends one chat of a system's and a user's words and gives the model's words back, under the same limits and cap;
    /// from the journal if it was sent before. `None` where the cap leaves no room.
    ///
    /// # Errors
    /// The endpoint cannot be asked; no words came.
    pub fn write(
        &mut self,
        spec: &LlmSpec,
        words: &Words<'_>,
        at_millis: &dyn Fn() -> i64,
    ) -> Result<Option<(String, Cost)>> {
        let request = words.request(spec);
        let (endpoint, limiter) = self.way(spec)?;
        let wire = self.wire(spec, request.key, &endpoint, &limiter, at_millis);
        let got = if let Some(got) = wire.kept(request.key)? {
            got
        } else {
            let worst = request.tokens.worst(spec.price);
            if !wire.affords(worst) {
                return Ok(None);
            }
            let call = wire.begin(request.key, worst)?;
            limiter.borrow_mut().start(request.reserved());
            self.runtime.block_on(wire.call(request, call))?
        };
        self.journal.borrow().sync()?;
        match got {
            Got::Reply(reply) => match chat::words(&reply.body) {
                Some(words) => Ok(Some((words, reply.cost))),
                None => Err(Error::unavailable(format!(
                    "annotator `{}`: expected words in the reply, found none",
                    spec.name
                ))),
            },
            Got::Nothing { reason, .. } => Err(Error::unavailable(format!("annotator `{}`: {reason}", spec.name))),
        }
    }

    /// The endpoint and the limiter of an entry, made when they are first needed.
    pub(super) fn way(&mut self, spec: &LlmSpec) -> Result<(Rc<Endpoint>, Rc<RefCell<Limiter>>)> {
        if self.cap.money_micros.is_some() && spec.price.is_none() {
            return Err(Error::task(format!(
                "annotator `{}`: expected a price, since `budget.money` is a cap, found none",
                spec.name
            ))
            .hint(
                "add `price = { input = ..., output = ... }` per million tokens (0 where it is free), or cap tokens \
                 with `budget.tokens`",
            ));
        }
        let (address, key) = (spec.endpoint.clone(), spec.key.clone());
        let name = (address.clone(), key.clone(), spec.dialect);
        let endpoint = if let Some(endpoint) = self.endpoints.get(&name) {
            endpoint.clone()
        } else {
            let _runtime = self.runtime.enter();
            let endpoint = Rc::new(Endpoint::new(spec, self.recording.is_some())?);
            self.endpoints.insert(name, endpoint.clone());
            endpoint
        };
        let limiter = self
            .limiters
            .entry((address, key))
            .or_insert_with(|| Rc::new(RefCell::new(Limiter::new(spec, Instant::now()))));
        Ok((endpoint, limiter.clone()))
    }

    fn wire<'a>(
        &'a self,
        spec: &'a LlmSpec,
        version: Digest,
        endpoint: &'a Endpoint,
        limiter: &'a RefCell<Limiter>,
        at_millis: &'a dyn Fn() -> i64,
    ) -> Wire<'a> {
        Wire {
            spec,
            version,
            endpoint,
            limiter,
            journal: &self.journal,
            recording: self.recording.as_ref(),
            cap: self.cap,
            at_millis,
            tally: RefCell::default(),
            failures: RefCell::default(),
            reached: Cell::new(false),
        }
    }
}

/// One call of [`Engine::ask`].
struct Session<'a> {
    annotator: &'a LlmAnnotator,
    items: &'a ItemBatch,
    wire: Wire<'a>,
}

/// The next thing to do.
enum Next {
    Send(usize, usize, Call),
    Wait(Option<Duration>),
    End,
}

impl Session<'_> {
    async fn run(&self, rows: &[usize], watch: &dyn Fn(u64) -> bool) -> Result<Vec<Annotation>> {
        let mut coming = rows.iter().copied();
        let mut open: HashMap<usize, Row> = HashMap::new();
        let mut queue: VecDeque<(usize, usize)> = VecDeque::new();
        let mut running = FuturesUnordered::new();
        let mut annotations = Vec::with_capacity(rows.len());
        let mut ending = false;
        loop {
            let mut pause = None;
            while !ending {
                if watch(0) {
                    ending = true;
                    break;
                }
                match self.next(&mut coming, &mut open, &mut queue, running.is_empty(), &mut annotations, watch)? {
                    Next::Send(row, place, call) => {
                        let request = open[&row].requests[place].clone();
                        running.push(async move { (row, place, self.wire.call(request, call).await) });
                    }
                    Next::Wait(time) => {
                        pause = time;
                        break;
                    }
                    Next::End => ending = true,
                }
            }
            if running.is_empty() {
                match pause {
                    _ if ending => break,
                    Some(time) => tokio::time::sleep(time).await,
                    None => break,
                }
                continue;
            }
            let ended = match pause {
                Some(time) => tokio::time::timeout(time, running.next()).await.unwrap_or(None),
                None => running.next().await,
            };
            if let Some((row, place, got)) = ended {
                self.hear(row, place, got?, &mut open, &mut queue, &mut annotations, watch);
            }
        }
        annotations.sort_by_key(|(row, _)| *row);
        let annotations: Vec<Annotation> = annotations.into_iter().map(|(_, annotation)| annotation).collect();
        let mut tally = self.wire.tally.borrow_mut();
        for annotation in &annotations {
            *tally.ended.entry(annotation.status.name()).or_default() += 1;
        }
        Ok(annotations)
    }

    /// Finds the next request that must be sent, answering from the journal what is there.
    fn next(
        &self,
        coming: &mut impl Iterator<Item = usize>,
        open: &mut HashMap<usize, Row>,
        queue: &mut VecDeque<(usize, usize)>,
        idle: bool,
        annotations: &mut Vec<(usize, Annotation)>,
        watch: &dyn Fn(u64) -> bool,
    ) -> Result<Next> {
        loop {
            let Some(&(row, place)) = queue.front() else {
                let Some(row) = coming.next() else { return Ok(if idle { Next::End } else { Next::Wait(None) }) };
                let requests = self.annotator.requests(self.items.text(row));
                queue.extend((0..requests.len()).map(|place| (row, place)));
                let (said, repeated) = (vec![None; requests.len()], vec![false; requests.len()]);
                open.insert(row, Row { number: row, requests, said, repeated, cost: Cost::default() });
                continue;
            };
            let request = &open[&row].requests[place];
            if let Some(got) = self.wire.kept(request.key)? {
                queue.pop_front();
                self.hear(row, place, got, open, queue, annotations, watch);
                continue;
            }
            if self.wire.spec.batch {
                // Its replies come with a batch; what is half there waits in the journal.
                queue.retain(|(other, _)| *other != row);
                open.remove(&row);
                continue;
            }
            let reserved = request.reserved();
            match self.wire.limiter.borrow_mut().turn(reserved, Instant::now()) {
                Turn::Later => return Ok(Next::Wait(None)),
                Turn::After(time) => return Ok(Next::Wait(Some(time))),
                Turn::Now => {}
            }
            let worst = request.tokens.worst(self.wire.spec.price);
            if !self.wire.affords(worst) {
                if idle {
                    self.wire.tally.borrow_mut().cap_reached = true;
                    return Ok(Next::End);
                }
                return Ok(Next::Wait(None));
            }
            let call = self.wire.begin(request.key, worst)?;
            self.wire.limiter.borrow_mut().start(reserved);
            queue.pop_front();
            return Ok(Next::Send(row, place, call));
        }
    }

    /// Understands what a request brought, and ends the item when it was the last.
    #[expect(clippy::too_many_arguments, reason = "the parts of one loop")]
    fn hear(
        &self,
        row: usize,
        place: usize,
        got: Got,
        open: &mut HashMap<usize, Row>,
        queue: &mut VecDeque<(usize, usize)>,
        annotations: &mut Vec<(usize, Annotation)>,
        watch: &dyn Fn(u64) -> bool,
    ) {
        let entry = open.get_mut(&row).expect("an item is open until its last request has ended");
        let text = self.items.text(row);
        let mut tally = self.wire.tally.borrow_mut();
        let said = match got {
            Got::Nothing { status, reason } => Said::without(status, reason),
            Got::Reply(reply) => {
                entry.cost = entry.cost + reply.cost;
                let said = self.annotator.hear(&entry.requests[place], text, &reply.body);
                tally.repaired += u64::from(said.repaired);
                tally.not_in_text += u64::from(said.not_in_text);
                tally.without_usage += u64::from(said.usage.is_none());
                if let Some(model) = &said.model
                    && !tally.models.contains(model)
                {
                    tally.models.insert(model.clone());
                }
                said
            }
        };
        if said.failure.is_some() && tally.first_failure.is_none() {
            tally.first_failure = Some(said.words.clone());
        }
        if !entry.repeated[place]
            && !self.wire.spec.batch
            && let Some(again) = self.annotator.again(&entry.requests[place], text, &said)
        {
            entry.repeated[place] = true;
            entry.requests[place] = again;
            queue.push_front((row, place));
            return;
        }
        let letter = matches!(self.annotator.ask(), super::Ask::Letter | super::Ask::Decision);
        if letter && said.failure.is_none() && said.distribution.is_none() && said.yes.is_none() && said.each.is_none()
        {
            tally.without_probability += 1;
        }
        entry.said[place] = Some(said);
        if entry.said.iter().all(Option::is_some) {
            let Row { number: row, said, cost, .. } = open.remove(&row).expect("it is there");
            let said: Vec<Said> = said.into_iter().flatten().collect();
            let (mut annotation, displaced) = self.annotator.annotation(self.items, row, &said, cost);
            tally.displaced += displaced;
            annotation.at_millis = (self.wire.at_millis)();
            annotations.push((row, annotation));
            watch(1);
        }
    }
}
