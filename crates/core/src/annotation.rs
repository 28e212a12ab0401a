//! One answer with everything needed to judge, price and repeat it.

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::hash::Digest;
use crate::item::ItemId;
use crate::task::Name;

/// How an attempt to get an answer ended. Only [`Status::Ok`] carries a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// An answer.
    Ok,
    /// The annotator chose to say nothing.
    Abstained,
    /// Something came back that is not an answer to the question.
    Malformed,
    /// The annotator declined to answer.
    Refused,
    /// Nothing came back: a crash, a limit, a lost connection.
    Failed,
}

impl Status {
    /// All states, in the order of their stored codes.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Abstained, Self::Malformed, Self::Refused, Self::Failed];

    /// The stored code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state of a stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Abstained => "abstained",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What annotators are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnnotatorKind {
    /// A labelling program.
    Program,
    /// A list of words, phrases or entities.
    List,
    /// A language model.
    Llm,
    /// A trained student.
    Model,
    /// A file of stored answers.
    Replay,
    /// A person.
    Person,
}

impl AnnotatorKind {
    /// The name used in project files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::List => "list",
            Self::Llm => "llm",
            Self::Model => "model",
            Self::Replay => "replay",
            Self::Person => "person",
        }
    }

    /// Whether an answer could not be had again for nothing. Dear answers are stored one by one, at once; the others
    /// in bulk, and recomputed if a crash loses the last slice.
    pub const fn is_dear(self) -> bool {
        matches!(self, Self::Llm | Self::Person)
    }
}

/// Who answers: a name and the version of everything that can change its answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AnnotatorIdentity {
    /// The name in the project.
    pub name: Name,
    /// What it is.
    pub kind: AnnotatorKind,
    /// The digest of everything that can change its answers: source, settings, and the task where it reads it.
    pub version: Digest,
}

/// What an answer cost. Adding costs adds every part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Money, in millionths of the project's currency.
    pub money_micros: u64,
    /// A person's time, in milliseconds.
    pub person_millis: u64,
    /// Tokens sent to a language model.
    pub input_tokens: u64,
    /// Tokens received from it.
    pub output_tokens: u64,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            money_micros: self.money_micros + other.money_micros,
            person_millis: self.person_millis + other.person_millis,
            input_tokens: self.input_tokens + other.input_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |total, cost| total + cost)
    }
}

/// One answer of one annotator about one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// The item.
    pub item: ItemId,
    /// The digest of the item's content when it was answered.
    pub content: Digest,
    /// The annotator's version, as registered in the ledger.
    pub annotator: Digest,
    /// What was said; [`Answer::Abstain`] for every status but [`Status::Ok`].
    pub answer: Answer,
    /// How the attempt ended.
    pub status: Status,
    /// The annotator's weight for each label, when it gave one beside its answer.
    pub distribution: Option<Vec<(Name, f32)>>,
    /// The annotator's own confidence in its answer, in `[0, 1]`, uncalibrated.
    pub confidence: Option<f32>,
    /// What it cost.
    pub cost: Cost,
    /// When it was given, in milliseconds since 1970 (UTC). Never part of any result.
    pub at_millis: i64,
    /// The seed it was given with, for annotators that take one.
    pub seed: u64,
    /// Why: the phrase that matched, the quote, the raw reply, or the reason of a failure.
    pub evidence: Option<String>,
    /// Whether a suggested answer was on the screen: such answers are never used as blind gold.
    pub suggestion_shown: bool,
    /// The probability with which the item was drawn for this annotator, when it was drawn at random; it cannot be
    /// reconstructed later.
    pub inclusion_probability: Option<f64>,
}

impl Annotation {
    /// A plain answer without cost, evidence or confidence.
    pub fn new(item: ItemId, content: Digest, annotator: Digest, answer: Answer) -> Self {
        let status = if matches!(answer, Answer::Abstain) { Status::Abstained } else { Status::Ok };
        Self {
            item,
            content,
            annotator,
            answer,
            status,
            distribution: None,
            confidence: None,
            cost: Cost::default(),
            at_millis: 0,
            seed: 0,
            evidence: None,
            suggestion_shown: false,
            inclusion_probability: None,
        }
    }

    /// An attempt that gave no answer, with the reason.
    pub fn without_answer(
        item: ItemId,
        content: Digest,
        annotator: Digest,
        status: Status,
        reason: impl Into<String>,
    ) -> Self {
        Self { status, evidence: Some(reason.into()), ..Self::new(item, content, annotator, Answer::Abstain) }
    }
}
