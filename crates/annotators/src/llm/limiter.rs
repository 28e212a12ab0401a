//! How fast an endpoint is asked: requests and tokens a minute, and requests at the same time.

use std::time::{Duration, Instant};

use super::spec::LlmSpec;

/// One limiter per endpoint and key, shared by all annotators behind it.
///
/// The number of requests at the same time begins low and grows with every reply, by one at first and by one per round
/// after the first throttling; a throttled request halves it. Times are monotonic, so a clock that jumps changes nothing.
#[derive(Debug)]
pub(super) struct Limiter {
    most: f64,
    limit: f64,
    active: u32,
    /// Whether the endpoint has ever said that it was too much.
    throttled: bool,
    paused_until: Option<Instant>,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// Holds what five seconds bring, and at least one request or `least` tokens.
    fn new(per_minute: f64, least: f64, now: Instant) -> Self {
        let per_second = per_minute / 60.0;
        let most = (per_second * 5.0).max(least);
        Self { per_second, most, level: most, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.most);
        self.at = now;
    }

    /// How long until so much is there. More than the bucket holds waits for a full one.
    fn wait(&self, amount: f64) -> Option<Duration> {
        let short = amount.min(self.most) - self.level;
        (short > 1e-9).then(|| Duration::from_secs_f64(short / self.per_second))
    }
}

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// Not before so much time has passed.
    After(Duration),
    /// Not before another request has ended.
    Later,
}

impl Limiter {
    pub(super) fn new(spec: &LlmSpec, now: Instant) -> Self {
        let most = f64::from(spec.concurrency);
        Self {
            most,
            limit: most.min(4.0),
            active: 0,
            throttled: false,
            paused_until: None,
            requests: spec.requests_per_minute.map(|rate| Bucket::new(rate, 1.0, now)),
            tokens: spec.tokens_per_minute.map(|rate| Bucket::new(rate, 1.0, now)),
        }
    }

    /// Whether a request of so many tokens may be sent.
    pub(super) fn turn(&mut self, tokens: u64, now: Instant) -> Turn {
        if f64::from(self.active) + 1.0 > self.limit.max(1.0) {
            return Turn::Later;
        }
        let mut wait = self.paused_until.map(|until| until.saturating_duration_since(now)).unwrap_or_default();
        for (bucket, amount) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens as f64)] {
            if let Some(bucket) = bucket {
                bucket.refill(now);
                wait = wait.max(bucket.wait(amount).unwrap_or_default());
            }
        }
        if wait.is_zero() { Turn::Now } else { Turn::After(wait) }
    }

    /// A request of so many tokens is sent.
    pub(super) fn start(&mut self, tokens: u64) {
        self.active += 1;
        for (bucket, amount) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens as f64)] {
            if let Some(bucket) = bucket {
                bucket.level -= amount;
            }
        }
    }

    /// A request was answered, and used this many fewer tokens than were taken for it.
    pub(super) fn answered(&mut self, unused: u64) {
        self.active -= 1;
        let step = if self.throttled { 1.0 / self.limit } else { 1.0 };
        self.limit = (self.limit + step).min(self.most);
        if let Some(bucket) = &mut self.tokens {
            bucket.level = (bucket.level + unused as f64).min(bucket.most);
        }
    }

    /// A request ended in another way.
    pub(super) fn ended(&mut self) {
        self.active -= 1;
    }

    /// The endpoint says that it is too much, and perhaps for how long.
    pub(super) fn too_much(&mut self, pause: Option<Duration>, now: Instant) {
        self.active -= 1;
        self.throttled = true;
        self.limit = (self.limit / 2.0).max(1.0);
        if let Some(pause) = pause {
            let until = now + pause;
            self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(settings: &str, now: Instant) -> Limiter {
        let text = format!(r#"{{"name": "m", "endpoint": "http://x/v1", "model": "m"{settings}}}"#);
        Limiter::new(&serde_json::from_str(&text).unwrap(), now)
    }

    #[test]
    fn it_grows_slowly_and_shrinks_at_once() {
        let now = Instant::now();
        let mut limiter = limiter(r#", "concurrency": 16"#, now);
        let fill = |limiter: &mut Limiter| {
            let mut sent = 0;
            while limiter.turn(1, now) == Turn::Now {
                limiter.start(1);
                sent += 1;
            }
            sent
        };
        assert_eq!(fill(&mut limiter), 4);
        (0..4).for_each(|_| limiter.answered(0));
        assert_eq!(fill(&mut limiter), 8);
        limiter.too_much(None, now);
        (0..7).for_each(|_| limiter.ended());
        assert_eq!(fill(&mut limiter), 4);
        limiter.answered(0);
        (0..3).for_each(|_| limiter.ended());
        assert_eq!(fill(&mut limiter), 4, "one reply in four is a quarter of a place");
    }

    #[test]
    fn rates_and_pauses_hold_requests_back() {
        let now = Instant::now();
        let mut limiter = limiter(r#", "requests_per_minute": 12, "tokens_per_minute": 6000"#, now);
        assert_eq!(limiter.turn(100, now), Turn::Now);
        limiter.start(100);
        limiter.answered(0);
        assert_eq!(limiter.turn(100, now), Turn::After(Duration::from_secs(5)));
        let later = now + Duration::from_secs(5);
        assert_eq!(limiter.turn(100, later), Turn::Now);
        limiter.start(100);
        limiter.too_much(Some(Duration::from_secs(30)), later);
        assert_eq!(limiter.turn(1, later), Turn::After(Duration::from_secs(30)));
        // A request of more tokens than the bucket holds goes out when the bucket is full, not never.
        let much_later = later + Duration::from_secs(100);
        assert_eq!(limiter.turn(1_000_000, much_later), Turn::Now);
    }
}
