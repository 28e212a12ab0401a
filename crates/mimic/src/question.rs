//! A question as an answerer sees it, and what it may reply.

use std::fmt;

use serde_json::Value;

/// The digest of a request's body: the first sixteen bytes of its BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Self(short)
    }

    /// A number in [0, 1) that depends on the digest, a seed and a purpose, and on nothing else.
    pub fn unit(self, seed: u64, purpose: u64) -> f64 {
        let [low, high] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&self.0[at..at + 8]);
            u64::from_le_bytes(half)
        });
        let mut mixed = low ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for add in [high, purpose.wrapping_add(1)] {
            // The finisher of SplitMix64: every bit of the input reaches every bit of the output.
            mixed = mixed.wrapping_add(add).wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
        }
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One question about one item.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The model asked, as the request names it.
    pub model: &'a str,
    /// The item's text, if the prompt has one between fence lines.
    pub item: Option<&'a str>,
    /// The text that the model reads last: the last user message, the state or the input.
    pub prompt: &'a str,
    /// The question's name in the decision dialects; in a chat the label in backticks that stands between the item and
    /// the choices after the word `label`, if there is one; `label` elsewhere.
    pub name: &'a str,
    /// What kind of answer is wanted.
    pub asked: Asked<'a>,
    /// Which of the samples of this request, from 0; a request's `seed` is added to it.
    pub sample: u64,
    /// How often this very request came before.
    pub attempt: u32,
    /// The digest of the request's body.
    pub digest: Digest,
    /// The whole request.
    pub body: &'a Value,
}

/// The kind of answer a question wants. Options come in the order of the request.
#[derive(Clone, Debug)]
pub enum Asked<'a> {
    /// A letter that stands for one of the choices of the prompt, each with its definition if it has one.
    Letter(Vec<&'a str>),
    /// One of the labels of a JSON schema, or of a choice question.
    Label(Vec<&'a str>),
    /// Any number of labels.
    Labels(Vec<&'a str>),
    /// All labels that are plausible.
    Candidates(Vec<&'a str>),
    /// Quotes from the item, each with one of the labels; only one where the prompt asks about that label by itself.
    Spans(Vec<&'a str>),
    /// An object of this schema.
    Record(&'a Value),
    /// Whether something is so.
    Predicate,
    /// One of ordered levels.
    Score(Vec<&'a str>),
    /// Words.
    Text,
}

impl<'a> Asked<'a> {
    /// The options, if the kind has any.
    pub fn options(&self) -> &[&'a str] {
        match self {
            Self::Letter(options)
            | Self::Label(options)
            | Self::Labels(options)
            | Self::Candidates(options)
            | Self::Spans(options)
            | Self::Score(options) => options,
            Self::Record(_) | Self::Predicate | Self::Text => &[],
        }
    }
}

/// What an answerer says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// One label. Without a confidence it counts as 0.9. A label that is not among the options is said all the same.
    Label(String, Option<f64>),
    /// A probability for each label named; what is missing to 1 falls on words that are no option.
    Distribution(Vec<(String, f64)>),
    /// Several labels, each with its probability.
    Labels(Vec<(String, f64)>),
    /// Quotes and their labels.
    Spans(Vec<(String, String)>),
    /// An object for a record schema.
    Record(Value),
    /// The probability of a predicate.
    Probability(f64),
    /// The content of the message, word for word.
    Text(String),
    /// The model declines, in these words.
    Refusal(String),
}

/// Whoever answers. Closures do.
pub trait Answers: Send + Sync {
    /// The answer to a question. The same question must get the same answer whichever thread asks.
    fn answer(&self, question: &Question<'_>) -> Reply;

    /// The models there are; `None` where any name will do.
    fn models(&self) -> Option<Vec<String>> {
        None
    }
}

impl<F: Fn(&Question<'_>) -> Reply + Send + Sync> Answers for F {
    fn answer(&self, question: &Question<'_>) -> Reply {
        self(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_spread_evenly_and_do_not_hang_together() {
        let mut sums = [0.0; 3];
        let mut product = 0.0;
        let n = 4000;
        for i in 0_u32..n {
            let digest = Digest::of(&i.to_le_bytes());
            let units = [digest.unit(1, 0), digest.unit(1, 1), digest.unit(2, 0)];
            assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
            for (sum, unit) in sums.iter_mut().zip(units) {
                *sum += unit;
            }
            product += (units[0] - 0.5) * (units[1] - 0.5);
        }
        // The standard error of a mean is 0.0046, that of the covariance 0.0013.
        assert!(sums.iter().all(|sum| (sum / f64::from(n) - 0.5).abs() < 0.02), "{sums:?}");
        assert!((product / f64::from(n)).abs() < 0.006);
    }
}
