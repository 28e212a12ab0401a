//! What goes wrong, and when.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};

use crate::question::Digest;

/// Something that goes wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The answer comes, late: after a time between the two, which the request's digest decides.
    Latency(Duration, Duration),
    /// 429, come again.
    Throttle(RetryAfter),
    /// 429 with the code `insufficient_quota`: no use to come again.
    Quota,
    /// Another status with an error object, such as 500, 502, 503, 529, 401, 404 or 413.
    Status(u16),
    /// 400: the prompt is longer than the model's context.
    ContextTooLong,
    /// No answer until the client gives up.
    Hang,
    /// The connection ends before the answer.
    CutBefore,
    /// The connection ends in the middle of the answer.
    CutMiddle,
    /// A page of HTML with status 200.
    HtmlPage,
    /// A body that ends in the middle of its JSON, under a correct `Content-Length`.
    TruncatedJson,
    /// A body that is no JSON.
    MalformedJson,
    /// A message whose content is no JSON: single quotation marks and no closing brace.
    MalformedContent,
    /// `message.refusal` in a chat, one refused question in a decision.
    Refusal,
    /// `finish_reason: content_filter` and no content.
    ContentFilter,
    /// `logprobs: null` though asked for.
    NoLogprobs,
    /// White space until the token limit, `finish_reason: length`.
    Whitespace,
    /// A `<think>` block before the answer.
    Think,
    /// An answer that is none of the options.
    UnknownLabel,
    /// No `usage`.
    NoUsage,
}

/// How a throttled client is told when to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// It is not.
    Unsaid,
    /// `Retry-After` in seconds.
    Seconds(u64),
    /// `Retry-After` as an HTTP date so many seconds ahead.
    Date(u64),
    /// `retry-after-ms`, and `Retry-After` in seconds rounded up.
    Milliseconds(u64),
}

/// Names of the faults without an argument.
const NAMES: &[(&str, Fault)] = &[
    ("quota", Fault::Quota),
    ("context-too-long", Fault::ContextTooLong),
    ("hang", Fault::Hang),
    ("cut-before", Fault::CutBefore),
    ("cut-middle", Fault::CutMiddle),
    ("html", Fault::HtmlPage),
    ("truncated-json", Fault::TruncatedJson),
    ("malformed-json", Fault::MalformedJson),
    ("malformed-content", Fault::MalformedContent),
    ("refusal", Fault::Refusal),
    ("content-filter", Fault::ContentFilter),
    ("no-logprobs", Fault::NoLogprobs),
    ("whitespace", Fault::Whitespace),
    ("think", Fault::Think),
    ("unknown-label", Fault::UnknownLabel),
    ("no-usage", Fault::NoUsage),
];

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(..) => formatter.write_str("latency"),
            Self::Throttle(_) => formatter.write_str("429"),
            Self::Status(status) => write!(formatter, "{status}"),
            other => {
                let name = NAMES.iter().find(|(_, fault)| fault == other).map_or("", |(name, _)| name);
                formatter.write_str(name)
            }
        }
    }
}

/// A fault and the requests it meets: all conditions must hold.
///
/// As text: `NAME[=ARGUMENT]`, then any of `:SHARE` (of requests), `@FROM-TO` (numbers of requests, from 0) and `#N` (only
/// the first N attempts of one request). Names are those of the variants in small letters, or a status. Arguments:
/// `latency=20ms`, `latency=5ms-40ms`, `429=2s`, `429=date2s`, `429=250ms`.
///
/// ```
/// use postil_mimic::{Fault, RetryAfter, Rule};
/// let rule: Rule = "429=2s:0.1#1".parse().unwrap();
/// assert_eq!(rule, Rule::new(Fault::Throttle(RetryAfter::Seconds(2))).share(0.1).first_attempts(1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub(crate) fault: Fault,
    share: f64,
    requests: Option<RangeInclusive<u64>>,
    attempts: Option<u32>,
    containing: Option<String>,
}

impl Rule {
    /// The fault at every request.
    pub fn new(fault: Fault) -> Self {
        Self { fault, share: 1.0, requests: None, attempts: None, containing: None }
    }

    /// At this share of requests, chosen by their digests and attempts.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// At the requests with these numbers, in the order of their arrival from 0.
    #[must_use]
    pub fn requests(mut self, numbers: RangeInclusive<u64>) -> Self {
        self.requests = Some(numbers);
        self
    }

    /// At the first attempts of a request only: the next one goes through.
    #[must_use]
    pub fn first_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// At requests whose body has these words.
    #[must_use]
    pub fn containing(mut self, words: impl Into<String>) -> Self {
        self.containing = Some(words.into());
        self
    }

    /// Whether the fault meets a request; `place` tells rules apart, so that their chances are independent.
    pub(crate) fn meets(&self, request: &Met<'_>, seed: u64, place: usize) -> bool {
        let purpose = (place as u64) << 32 | u64::from(request.attempt);
        self.requests.as_ref().is_none_or(|numbers| numbers.contains(&request.number))
            && self.attempts.is_none_or(|attempts| request.attempt < attempts)
            && (self.share >= 1.0 || request.digest.unit(seed, purpose) < self.share)
            && self.containing.as_ref().is_none_or(|words| {
                let (body, words) = (request.body, words.as_bytes());
                words.is_empty() || body.windows(words.len()).any(|window| window == words)
            })
    }
}

/// A request as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met<'a> {
    pub(crate) number: u64,
    pub(crate) digest: Digest,
    pub(crate) attempt: u32,
    pub(crate) body: &'a [u8],
}

/// What the rules make of a request: how long it waits, and the first fault that is no latency.
pub(crate) fn decide<'a>(rules: &'a [Rule], request: &Met<'_>, seed: u64) -> (Duration, Option<&'a Fault>) {
    let mut wait = Duration::ZERO;
    let mut met = None;
    for (place, rule) in rules.iter().enumerate() {
        let latency = matches!(rule.fault, Fault::Latency(..));
        if (met.is_some() && !latency) || !rule.meets(request, seed, place) {
            continue;
        }
        match &rule.fault {
            Fault::Latency(least, most) => {
                let unit = request.digest.unit(!seed, (place as u64) << 32 | u64::from(request.attempt));
                wait += *least + most.saturating_sub(*least).mul_f64(unit);
            }
            fault => met = Some(fault),
        }
    }
    (wait, met)
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let end = text.find([':', '@', '#']).unwrap_or(text.len());
        let (head, mut rest) = text.split_at(end);
        let mut rule = Self::new(fault(head).with_context(|| format!("fault {text:?}"))?);
        while let Some(sign) = rest.chars().next() {
            let end = rest[1..].find([':', '@', '#']).map_or(rest.len(), |end| end + 1);
            let value = &rest[1..end];
            let wrong = || format!("fault {text:?}: expected a number after {sign:?}, found {value:?}");
            rule = match sign {
                ':' => rule.share(value.parse().with_context(wrong)?),
                '#' => rule.first_attempts(value.parse().with_context(wrong)?),
                _ => {
                    let (from, to) = value.split_once('-').unwrap_or((value, value));
                    rule.requests(from.parse().with_context(wrong)?..=to.parse().with_context(wrong)?)
                }
            };
            rest = &rest[end..];
        }
        Ok(rule)
    }
}

fn fault(head: &str) -> Result<Fault> {
    let (name, argument) = head.split_once('=').map_or((head, None), |(name, argument)| (name, Some(argument)));
    match (name, argument) {
        ("latency", Some(argument)) => {
            let (least, most) = argument.split_once('-').unwrap_or((argument, argument));
            let [least, most] = [duration(least)?, duration(most)?];
            Ok(Fault::Latency(least, most))
        }
        ("429" | "throttle", None) => Ok(Fault::Throttle(RetryAfter::Unsaid)),
        ("429" | "throttle", Some(argument)) => {
            Ok(Fault::Throttle(if let Some(date) = argument.strip_prefix("date") {
                RetryAfter::Date(duration(date)?.as_secs())
            } else if argument.ends_with("ms") {
                RetryAfter::Milliseconds(duration(argument)?.as_millis() as u64)
            } else {
                RetryAfter::Seconds(duration(argument)?.as_secs())
            }))
        }
        (name, None) => {
            if let Some((_, fault)) = NAMES.iter().find(|(known, _)| *known == name) {
                return Ok(fault.clone());
            }
            if let Ok(status @ 400..=599) = name.parse() {
                return Ok(Fault::Status(status));
            }
            let known: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            bail!("expected latency=TIME, 429, a status or one of {}, found {name:?}", known.join(", "))
        }
        (name, Some(argument)) => bail!("{name:?} takes no argument, found {argument:?}"),
    }
}

fn duration(text: &str) -> Result<Duration> {
    let wrong = || format!("expected a time such as 20ms or 2s, found {text:?}");
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').with_context(wrong)?, 1.0),
    };
    let seconds = number.parse::<f64>().with_context(wrong)? * unit;
    Duration::try_from_secs_f64(seconds).with_context(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_from_text() {
        let milliseconds = Duration::from_millis;
        let cases = [
            ("latency=20ms", Rule::new(Fault::Latency(milliseconds(20), milliseconds(20)))),
            ("latency=5ms-1.5s:0.5", Rule::new(Fault::Latency(milliseconds(5), milliseconds(1500))).share(0.5)),
            ("429", Rule::new(Fault::Throttle(RetryAfter::Unsaid))),
            ("429=date3s@7", Rule::new(Fault::Throttle(RetryAfter::Date(3))).requests(7..=7)),
            ("429=250ms", Rule::new(Fault::Throttle(RetryAfter::Milliseconds(250)))),
            ("529:0.25#2", Rule::new(Fault::Status(529)).share(0.25).first_attempts(2)),
            ("cut-middle@3-5#1:0.5", Rule::new(Fault::CutMiddle).requests(3..=5).first_attempts(1).share(0.5)),
        ];
        for (text, rule) in cases {
            assert_eq!(text.parse::<Rule>().unwrap(), rule, "{text}");
        }
        for (name, fault) in NAMES {
            assert_eq!(name.parse::<Rule>().unwrap().fault, *fault);
            assert_eq!(fault.to_string(), *name);
        }
        for text in ["", "nonsense", "latency", "latency=3", "hang=2s", "429:x", "42", "hang@a-b"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }

    #[test]
    fn faults_meet_their_share_and_again_the_same() {
        let rules =
            ["500:0.2".parse().unwrap(), "hang:0.5".parse().unwrap(), "latency=0ms-10ms".parse::<Rule>().unwrap()];
        let mut counts = [0, 0];
        for number in 0..4000_u64 {
            let body = number.to_le_bytes();
            let request = Met { number, digest: Digest::of(&body), attempt: 0, body: &body };
            let (wait, fault) = decide(&rules, &request, 1);
            assert!(wait <= Duration::from_millis(10));
            assert_eq!((wait, fault), decide(&rules, &request, 1));
            match fault {
                Some(Fault::Status(500)) => counts[0] += 1,
                Some(Fault::Hang) => counts[1] += 1,
                _ => {}
            }
        }
        // Expected 800 and 1600, with standard deviations of 25 and 31.
        assert!((700..900).contains(&counts[0]) && (1480..1720).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn attempts_have_chances_of_their_own() {
        let rule: Rule = "500:0.5".parse().unwrap();
        let digest = Digest::of(b"x");
        let met = |attempt| rule.meets(&Met { number: 0, digest, attempt, body: b"x" }, 3, 0);
        let hits = (0..200).filter(|&attempt| met(attempt)).count();
        assert!((60..140).contains(&hits), "{hits}");
    }
}
