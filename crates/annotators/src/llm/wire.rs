//! One request at a time: written down, sent, tried again, kept.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use postil_core::ledger::{Call, Journal, Reply, Spent};
use postil_core::{Cost, Digest, Error, Random, Result, Status};

use super::ask::Request;
use super::chat;
use super::engine::{Cap, Tally};
use super::http::{End, Endpoint};
use super::limiter::{Limiter, Turn};
use super::recording::Recording;
use super::spec::{LlmSpec, billed};

/// Attempts at one request.
const ATTEMPTS: u32 = 8;
/// Requests in a row that all failed, after which nobody believes that the next one will not.
const FAILURES: u32 = 40;
/// The same two numbers for an endpoint to which no connection was ever made: most likely it does not run.
const FIRST_ATTEMPTS: u32 = 3;
const FIRST_FAILURES: u32 = 2;

/// What a request brought.
pub(super) enum Got {
    Reply(Reply),
    Nothing { status: Status, reason: String },
}

/// The way to one model: its endpoint, its limits, the journal and the cap.
pub(super) struct Wire<'a> {
    pub(super) spec: &'a LlmSpec,
    pub(super) version: Digest,
    pub(super) endpoint: &'a Endpoint,
    pub(super) limiter: &'a RefCell<Limiter>,
    pub(super) journal: &'a RefCell<Journal>,
    pub(super) recording: Option<&'a Recording>,
    pub(super) cap: Cap,
    pub(super) at_millis: &'a dyn Fn() -> i64,
    pub(super) tally: RefCell<Tally>,
    /// Requests that failed in a row.
    pub(super) failures: RefCell<u32>,
    /// Whether the endpoint was ever reached.
    pub(super) reached: Cell<bool>,
}

impl Wire<'_> {
    /// Writes a request down, before it is sent.
    pub(super) fn begin(&self, key: Digest, worst: Cost) -> Result<Call> {
        self.journal.borrow_mut().begin(key, self.version, worst, (self.at_millis)())
    }

    /// What is there without asking: an earlier reply, or that of a recording.
    pub(super) fn kept(&self, key: Digest) -> Result<Option<Got>> {
        let kept = self.journal.borrow().reply(key)?;
        let Some(recording) = self.recording else {
            self.tally.borrow_mut().kept += u64::from(kept.is_some());
            return Ok(kept.map(Got::Reply));
        };
        Ok(Some(match kept.or_else(|| recording.reply(key).cloned()) {
            Some(reply) => {
                self.tally.borrow_mut().kept += 1;
                Got::Reply(reply)
            }
            None => Got::Nothing { status: Status::Failed, reason: "the recording has no such request".to_owned() },
        }))
    }

    /// Whether the cap has room for this much more.
    pub(super) fn affords(&self, worst: Cost) -> bool {
        self.cap.allows(self.spent(), worst)
    }

    fn spent(&self) -> Spent {
        self.journal.borrow().spent()
    }

    /// Sends one request until it is answered, hopeless, or out of time.
    pub(super) async fn call(&self, request: Request, mut call: Call) -> Result<Got> {
        let spec = self.spec;
        let begun = Instant::now();
        let reserved = request.reserved();
        let worst = request.tokens.worst(spec.price);
        let mut jitter = Random::for_purpose(request.key.to_u64(), "retries");
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.tally.borrow_mut().sent += 1;
            let end = self.endpoint.send(request.body.clone()).await;
            let now = (self.at_millis)();
            let unreached = matches!(end, End::Again { unreached: true, .. });
            self.reached.set(self.reached.get() || !unreached);
            let (reason, pause) = match end {
                End::Reply(body) => {
                    let usage = chat::usage(&body);
                    let cost = usage.map_or(worst, |(input, output)| billed(spec.price, input, output));
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
                    return Err(named(&error, &spec.name));
                }
                End::Never(reason) => {
                    self.journal.borrow_mut().release(call, now)?;
                    self.limiter.borrow_mut().ended();
                    self.failed(&reason)?;
                    return Ok(Got::Nothing { status: Status::Failed, reason });
                }
                End::Again { reason, billed, too_much, pause, .. } => {
                    let mut limiter = self.limiter.borrow_mut();
                    if too_much {
                        limiter.too_much(pause, Instant::now());
                    } else {
                        limiter.ended();
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
            let most = if self.reached.get() { ATTEMPTS } else { FIRST_ATTEMPTS };
            if attempt >= most || late {
                self.failed(&reason)?;
                return Ok(Got::Nothing { status: Status::Failed, reason });
            }
            self.tally.borrow_mut().retries += 1;
            tokio::time::sleep(wait).await;
            while let Some(time) = self.must_wait(reserved) {
                tokio::time::sleep(time).await;
            }
            if !self.affords(worst) {
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
        let most = if self.reached.get() { FAILURES } else { FIRST_FAILURES };
        if *failures < most {
            return Ok(());
        }
        let message = format!("{most} requests in a row failed, the last one with: {reason}");
        Err(named(&Error::unavailable(message), &self.spec.name)
            .hint("all replies so far are kept: run again when the endpoint answers"))
    }
}

/// Full jitter: anything up to a bound that doubles with each attempt.
fn backoff(attempt: u32, random: &mut Random) -> Duration {
    let most = (0.25 * f64::from(1u32 << attempt.min(8))).min(60.0);
    Duration::from_secs_f64(random.unit() * most)
}

fn named(error: &Error, annotator: &str) -> Error {
    let hint = error.advice().map(str::to_owned);
    let named = Error::task(format!("annotator `{annotator}`: {error}"));
    match hint {
        Some(hint) => named.hint(hint),
        None => named,
    }
}
