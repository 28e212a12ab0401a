//! Asking: requests in order, never more than limits and budget allow, every reply kept before it is read.
//!
//! Requests are written down in the order of the items, each with its worst cost. Where the cap leaves no room the engine
//! waits for replies, whose true cost is lower, and stops only when nothing is on its way: so where a run stops does not
//! depend on how fast replies came.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use postil_core::ledger::{Call, Journal, Reply, Spent};
use postil_core::{Annotation, Cost, Digest, Error, ItemBatch, Random, Result, Status};

use super::annotator::LlmAnnotator;
use super::ask::Request;
use super::chat;
use super::http::{End, Endpoint};
use super::limiter::{Limiter, Turn};
use super::said::Said;
use super::spec::{Price, billed};

/// Attempts at one request.
const ATTEMPTS: u32 = 8;
/// Requests in a row that all failed, after which nobody believes that the next one will not.
const FAILURES: u32 = 40;

/// The most that may be spent in a project, ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// Money, in millionths of the project's currency.
    pub money_micros: Option<u64>,
    /// Tokens, sent and received.
    pub tokens: Option<u64>,
}

impl Cap {
    fn allows(self, spent: Spent, further: Cost) -> bool {
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
    runtime: tokio::runtime::Runtime,
    journal: RefCell<Journal>,
    cap: Cap,
    endpoints: HashMap<(String, Option<String>), Rc<Endpoint>>,
    limiters: HashMap<(String, Option<String>), Rc<RefCell<Limiter>>>,
}

/// What a request brought.
enum Got {
    Reply(Reply),
    Nothing { status: Status, reason: String },
}

/// One item whose requests are on their way.
struct Row {
    row: usize,
    requests: Vec<Request>,
    said: Vec<Option<Said>>,
    repeated: Vec<bool>,
    cost: Cost,
}

impl Engine {
    /// An engine over a journal, under a cap that counts everything ever spent in it.
    pub fn new(journal: Journal, cap: Cap) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| Error::io("no connections can be made", error))?;
        Ok(Self { runtime, journal: RefCell::new(journal), cap, endpoints: HashMap::new(), limiters: HashMap::new() })
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
        let spec = annotator.spec();
        if self.cap.money_micros.is_some() && spec.price.is_none() {
            return Err(Error::task(format!("annotator `{}`: expected a price, since `budget.money` is a cap, found none", spec.name))
                .hint("add `price = { input = ..., output = ... }` per million tokens (0 where it is free), or cap tokens with `budget.tokens`"));
        }
        let name = (spec.endpoint.clone(), spec.key.clone());
        let endpoint = match self.endpoints.get(&name) {
            Some(endpoint) => endpoint.clone(),
            None => {
                let guard = self.runtime.enter();
                let endpoint = Rc::new(Endpoint::new(spec)?);
                drop(guard);
                self.endpoints.insert(name.clone(), endpoint.clone());
                endpoint
            }
        };
        let limiter =
            self.limiters.entry(name).or_insert_with(|| Rc::new(RefCell::new(Limiter::new(spec, Instant::now()))));
        let session = Session {
            annotator,
            items,
            endpoint: &endpoint,
            limiter,
            journal: &self.journal,
            cap: self.cap,
            at_millis,
            tally: RefCell::default(),
            failures: RefCell::default(),
        };
        let annotations = self.runtime.block_on(session.run(rows, watch))?;
        self.journal.borrow().sync()?;
        Ok((annotations, session.tally.into_inner()))
    }
}

/// One call of [`Engine::ask`].
struct Session<'a> {
    annotator: &'a LlmAnnotator,
    items: &'a ItemBatch,
    endpoint: &'a Endpoint,
    limiter: &'a RefCell<Limiter>,
    journal: &'a RefCell<Journal>,
    cap: Cap,
    at_millis: &'a dyn Fn() -> i64,
    tally: RefCell<Tally>,
    /// Requests that failed in a row.
    failures: RefCell<u32>,
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
                        running.push(async move { (row, place, self.call(request, call).await) });
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
                self.hear(row, place, got?, &mut open, &mut queue, &mut annotations, watch)?;
            }
        }
        annotations.sort_by_key(|(row, _)| *row);
        let annotations: Vec<Annotation> = annotations.into_iter().map(|(_, annotation)| annotation).collect();
        let mut tally = self.tally.borrow_mut();
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
                open.insert(row, Row { row, requests, said, repeated, cost: Cost::default() });
                continue;
            };
            let request = &open[&row].requests[place];
            let kept = self.journal.borrow().reply(request.key)?;
            if let Some(reply) = kept {
                queue.pop_front();
                self.tally.borrow_mut().kept += 1;
                self.hear(row, place, Got::Reply(reply), open, queue, annotations, watch)?;
                continue;
            }
            let reserved = request.tokens.input + request.tokens.most_output;
            match self.limiter.borrow_mut().turn(reserved, Instant::now()) {
                Turn::Later => return Ok(Next::Wait(None)),
                Turn::After(time) => return Ok(Next::Wait(Some(time))),
                Turn::Now => {}
            }
            let worst = request.tokens.worst(self.annotator.spec().price);
            if !self.cap.allows(self.journal.borrow().spent(), worst) {
                if idle {
                    self.tally.borrow_mut().cap_reached = true;
                    return Ok(Next::End);
                }
                return Ok(Next::Wait(None));
            }
            let call = self.begin(request.key, worst)?;
            self.limiter.borrow_mut().start(reserved);
            queue.pop_front();
            return Ok(Next::Send(row, place, call));
        }
    }

    fn begin(&self, key: Digest, worst: Cost) -> Result<Call> {
        self.journal.borrow_mut().begin(key, self.annotator.identity().version, worst, (self.at_millis)())
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
    ) -> Result<()> {
        let entry = open.get_mut(&row).expect("an item is open until its last request has ended");
        let text = self.items.text(row);
        let mut tally = self.tally.borrow_mut();
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
            && let Some(again) = self.annotator.again(&entry.requests[place], text, &said)
        {
            entry.repeated[place] = true;
            entry.requests[place] = again;
            queue.push_front((row, place));
            return Ok(());
        }
        let letter = matches!(self.annotator.ask(), super::Ask::Letter | super::Ask::Decision);
        if letter && said.failure.is_none() && said.distribution.is_none() && said.yes.is_none() && said.each.is_none()
        {
            tally.without_probability += 1;
        }
        entry.said[place] = Some(said);
        if entry.said.iter().all(Option::is_some) {
            let Row { row, said, cost, .. } = open.remove(&row).expect("it is there");
            let said: Vec<Said> = said.into_iter().flatten().collect();
            let mut annotation = self.annotator.annotation(self.items, row, &said, cost);
            annotation.at_millis = (self.at_millis)();
            annotations.push((row, annotation));
            watch(1);
        }
        Ok(())
    }

    /// Sends one request until it is answered, hopeless, or out of time.
    async fn call(&self, request: Request, mut call: Call) -> Result<Got> {
        let spec = self.annotator.spec();
        let begun = Instant::now();
        let reserved = request.tokens.input + request.tokens.most_output;
        let worst = request.tokens.worst(spec.price);
        let mut jitter = Random::for_purpose(request.key.to_u64(), "retries");
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.tally.borrow_mut().sent += 1;
            let end = self.endpoint.send(request.body.clone()).await;
            let now = (self.at_millis)();
            let (reason, pause) = match end {
                End::Reply(body) => {
                    let usage = chat::usage(&body);
                    let cost = usage.map_or(worst, |(input, output)| true_cost(spec.price, input, output));
                    let unused = reserved.saturating_sub(cost.input_tokens + cost.output_tokens);
                    let reply = Reply { body, cost };
                    self.journal.borrow_mut().settle(call, &reply, now)?;
                    self.limiter.borrow_mut().answered(unused);
                    self.tally.borrow_mut().replies += 1;
                    *self.failures.borrow_mut() = 0;
                    return Ok(Got::Reply(reply));
                }
                End::Stop(error) => {
                    self.journal.borrow_mut().release(call, now)?;
                    self.limiter.borrow_mut().ended();
                    return Err(named(error, &spec.name));
                }
                End::Never(reason) => {
                    self.journal.borrow_mut().release(call, now)?;
                    self.limiter.borrow_mut().ended();
                    self.failed(&reason)?;
                    return Ok(Got::Nothing { status: Status::Failed, reason });
                }
                End::Again { reason, billed, too_much, pause } => {
                    let mut limiter = self.limiter.borrow_mut();
                    if too_much {
                        limiter.too_much(pause, Instant::now())
                    } else {
                        limiter.ended()
                    }
                    drop(limiter);
                    if billed {
                        // It may have been answered and billed all the same: its worst cost stays.
                        drop(call);
                    } else {
                        self.journal.borrow_mut().release(call, now)?;
                    }
                    (reason, pause)
                }
            };
            let wait = pause.unwrap_or_default() + backoff(attempt, &mut jitter);
            let late = begun.elapsed() + wait > Duration::from_secs_f64(spec.deadline_seconds);
            if attempt >= ATTEMPTS || late {
                self.failed(&reason)?;
                return Ok(Got::Nothing { status: Status::Failed, reason });
            }
            self.tally.borrow_mut().retries += 1;
            tokio::time::sleep(wait).await;
            while let Some(time) = self.must_wait(reserved) {
                tokio::time::sleep(time).await;
            }
            if !self.cap.allows(self.journal.borrow().spent(), worst) {
                self.tally.borrow_mut().cap_reached = true;
                return Ok(Got::Nothing {
                    status: Status::Failed,
                    reason: format!("the budget leaves no further try: {reason}"),
                });
            }
            call = self.begin(request.key, worst)?;
            self.limiter.borrow_mut().start(reserved);
        }
    }

    fn must_wait(&self, reserved: u64) -> Option<Duration> {
        match self.limiter.borrow_mut().turn(reserved, Instant::now()) {
            Turn::Now => None,
            Turn::After(time) => Some(time),
            Turn::Later => Some(Duration::from_millis(20)),
        }
    }

    /// Counts a request that was given up. Many in a row mean that the endpoint is the reason, not the items.
    fn failed(&self, reason: &str) -> Result<()> {
        let mut failures = self.failures.borrow_mut();
        *failures += 1;
        if *failures < FAILURES {
            return Ok(());
        }
        let message = format!("{FAILURES} requests in a row failed, the last one with: {reason}");
        Err(named(Error::unavailable(message), &self.annotator.spec().name)
            .hint("all replies so far are kept: run again when the endpoint answers"))
    }
}

fn true_cost(price: Option<Price>, input: u64, output: u64) -> Cost {
    billed(price, input, output)
}

/// Full jitter: anything up to a bound that doubles with each attempt.
fn backoff(attempt: u32, random: &mut Random) -> Duration {
    let most = (0.25 * f64::from(1u32 << attempt.min(8))).min(60.0);
    Duration::from_secs_f64(random.unit() * most)
}

fn named(error: Error, annotator: &str) -> Error {
    let hint = error.advice().map(str::to_owned);
    let named = Error::task(format!("annotator `{annotator}`: {error}"));
    match hint {
        Some(hint) => named.hint(hint),
        None => named,
    }
}
