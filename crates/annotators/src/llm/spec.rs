//! The `[[annotator]]` entry of a language model.

use std::path::PathBuf;

use postil_core::{Cost, Error, Result, Task, TaskKind};
use serde::{Deserialize, Serialize};

use super::probe::Capabilities;
use super::shown::DemonstrationSpec;

/// A language model behind HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "settings as a project file has them")]
pub struct LlmSpec {
    /// The name in the project.
    pub name: String,
    /// The address up to and with the version, such as `http://localhost:8000/v1`.
    pub endpoint: String,
    /// The model's name at that endpoint.
    pub model: String,
    /// What the endpoint speaks.
    #[serde(default)]
    pub dialect: Dialect,
    /// Asked only about items that everybody before it in the project leaves uncertain: whose most probable label has less
    /// than this probability, or that nobody answered.
    #[serde(default)]
    pub only_below: Option<f64>,
    /// How the answer is asked for; without it, the way that the dialect, the task and the number of labels allow.
    #[serde(default)]
    pub ask: Option<Ask>,
    /// The environment variable that holds the key, if the endpoint wants one.
    #[serde(default)]
    pub key: Option<String>,
    /// The price in the project's currency per million tokens.
    #[serde(default)]
    pub price: Option<Price>,
    /// The prompt's file; without it, Postil's own prompt.
    #[serde(default)]
    pub prompt: Option<PathBuf>,
    /// Further prompts whose answers are averaged with the first.
    #[serde(default)]
    pub variants: Vec<PathBuf>,
    /// Fixed examples: a table with `text` and `label`.
    #[serde(default)]
    pub examples: Option<PathBuf>,
    /// Labelled texts that are chosen for each item.
    #[serde(default)]
    pub demonstrations: Option<DemonstrationSpec>,
    /// How often each prompt is asked, where `ask` is `samples`.
    #[serde(default = "five")]
    pub samples: u32,
    /// Whether each prompt is asked a second time with the choices in reverse order, which halves position bias; without
    /// it, pairs are and everything else is not.
    #[serde(default)]
    pub both_orders: Option<bool>,
    /// Whether the model may name several labels when it is not sure.
    #[serde(default)]
    pub candidates: bool,
    /// In a task of spans: whether the model is asked about every label by itself, with that label's definition and its
    /// section of the guidelines.
    #[serde(default)]
    pub one_label_per_request: bool,
    /// Whether the model thinks in words before it answers.
    #[serde(default)]
    pub reason: bool,
    /// The temperature; without it 0, and 0.7 for samples.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// The most tokens of a reply; without it, what the answer needs.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Whether the endpoint wants `max_completion_tokens` instead of `max_tokens`.
    #[serde(default)]
    pub max_completion_tokens: bool,
    /// Further fields for every request, sent as they are.
    #[serde(default)]
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Texts of the project that are shown to the model once more with an instruction to give another label, to see how
    /// often it obeys. They are never part of a result.
    #[serde(default)]
    pub canaries: u32,
    /// Whether requests go out in batches, which take up to a day and often cost half: a run hands them over, and a later
    /// run collects them.
    #[serde(default)]
    pub batch: bool,
    /// The most requests at the same time.
    #[serde(default = "thirty_two")]
    pub concurrency: u32,
    /// The most requests a minute.
    #[serde(default)]
    pub requests_per_minute: Option<f64>,
    /// The most tokens a minute, sent and received.
    #[serde(default)]
    pub tokens_per_minute: Option<f64>,
    /// Seconds to wait for one reply.
    #[serde(default = "sixty")]
    pub timeout_seconds: f64,
    /// Seconds after which a request that keeps failing is given up.
    #[serde(default = "six_hundred")]
    pub deadline_seconds: f64,
}

const fn five() -> u32 {
    5
}

const fn thirty_two() -> u32 {
    32
}

const fn sixty() -> f64 {
    60.0
}

const fn six_hundred() -> f64 {
    600.0
}

/// What an endpoint speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `chat/completions`, the most common.
    #[default]
    Chat,
    /// `systemone`: a decision model that gives every answer a probability.
    SystemOne,
    /// `decisions`: the same in another shape.
    Decisions,
}

impl Dialect {
    /// The path behind the endpoint.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::SystemOne => "systemone",
            Self::Decisions => "decisions",
        }
    }

    /// The name used in project files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::SystemOne => "systemone",
            Self::Decisions => "decisions",
        }
    }
}

/// How an answer is asked for, and with it where a probability comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// The probability of each answer, from a decision model.
    Decision,
    /// One letter, with the probabilities of all letters at that place. With several labels per item, one yes or no per
    /// label.
    Letter,
    /// An object of a fixed shape; no probability.
    Json,
    /// An object, asked for several times; the share of each answer.
    Samples,
    /// An object with the label and a number from 0 to 100. Weak: such numbers hardly tell right from wrong.
    Verbal,
}

impl Ask {
    /// The name used in project files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Letter => "letter",
            Self::Json => "json",
            Self::Samples => "samples",
            Self::Verbal => "verbal",
        }
    }

    /// Where its probability comes from, in words.
    pub const fn basis(self) -> &'static str {
        match self {
            Self::Decision => "probabilities of a decision model",
            Self::Letter => "probabilities of one letter",
            Self::Json => "no probability",
            Self::Samples => "shares of repeated answers",
            Self::Verbal => "the model's own number, which is weak",
        }
    }
}

/// More letters than this cannot be told apart in one reply: servers list twenty tokens.
pub(super) const MOST_LETTERS: usize = 20;

/// A price per million tokens, in the project's currency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Per million tokens sent.
    pub input: f64,
    /// Per million tokens received.
    pub output: f64,
}

impl Price {
    /// The cost of so many tokens, rounded up to a millionth of the currency.
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> u64 {
        (self.input * input_tokens as f64 + self.output * output_tokens as f64).ceil() as u64
    }
}

impl LlmSpec {
    /// How this model is asked about this task; letters only where nothing speaks against their probabilities.
    ///
    /// # Errors
    /// Settings that contradict each other or the task.
    pub(super) fn ask_about(&self, task: &Task, known: Option<&Capabilities>) -> Result<Ask> {
        let wrong = |message: String| Error::task(format!("annotator `{}`: {message}", self.name));
        let whole_items =
            matches!(task.kind, TaskKind::Classify | TaskKind::Ordinal | TaskKind::Multilabel | TaskKind::Pairs);
        let quotes = matches!(task.kind, TaskKind::Spans | TaskKind::Extract | TaskKind::Tag);
        let decides = self.dialect != Dialect::Chat;
        let usual = match (decides, task.kind) {
            (true, _) => Ask::Decision,
            (false, TaskKind::Spans | TaskKind::Extract | TaskKind::Tag) => Ask::Json,
            (false, _) if self.candidates || self.reason => Ask::Json,
            (false, _) if known.is_some_and(|known| known.logprobs == Some(false)) => Ask::Json,
            (false, TaskKind::Multilabel) => Ask::Letter,
            (false, _) if task.labels.len() <= MOST_LETTERS => Ask::Letter,
            (false, _) => Ask::Json,
        };
        let ask = self.ask.unwrap_or(usual);
        if decides != (ask == Ask::Decision) {
            return Err(wrong(format!(
                "`ask = \"{}\"` does not go with the dialect `{}`",
                ask.name(),
                self.dialect.name()
            )));
        }
        if quotes && ask != Ask::Json {
            return Err(wrong(format!("expected `ask = \"json\"` for {} tasks, found `{}`", task.kind, ask.name()))
                .hint("answers are quoted from the text, which only a chat model does"));
        }
        if ask == Ask::Letter && task.kind != TaskKind::Multilabel && task.labels.len() > MOST_LETTERS {
            return Err(wrong(format!(
                "expected at most {MOST_LETTERS} labels for `ask = \"letter\"`, found {}",
                task.labels.len()
            ))
            .hint("use `ask = \"json\"` or `ask = \"samples\"`"));
        }
        if self.candidates
            && (!matches!(ask, Ask::Json) || !matches!(task.kind, TaskKind::Classify | TaskKind::Ordinal))
        {
            return Err(wrong("`candidates` goes with `ask = \"json\"` and one label per item".to_owned()));
        }
        if self.one_label_per_request {
            if task.kind != TaskKind::Spans {
                return Err(wrong(format!(
                    "`one_label_per_request` goes with spans, and this is a `{}` task",
                    task.kind
                )));
            }
            if self.examples.is_some() {
                return Err(wrong("`examples` does not go with `one_label_per_request`".to_owned()).hint(
                    "its answers name all labels; `[annotator.demonstrations]` shows those of the label asked for",
                ));
            }
        }
        if task.kind == TaskKind::Pairs && ask == Ask::Verbal {
            return Err(wrong("`ask = \"verbal\"` does not go with pairs".to_owned()));
        }
        if self.reason && matches!(ask, Ask::Letter | Ask::Decision) {
            return Err(wrong(format!("`reason` does not go with `ask = \"{}\"`", ask.name()))
                .hint("a model that thinks in words first has no single letter: use `json` or `samples`"));
        }
        for (name, value) in [
            ("concurrency", f64::from(self.concurrency)),
            ("samples", f64::from(self.samples)),
            ("timeout_seconds", self.timeout_seconds),
            ("deadline_seconds", self.deadline_seconds),
            ("requests_per_minute", self.requests_per_minute.unwrap_or(1.0)),
            ("tokens_per_minute", self.tokens_per_minute.unwrap_or(1.0)),
        ] {
            if !(value > 0.0 && value < 1e9) {
                return Err(wrong(format!("expected `{name}` above 0, found {value}")));
            }
        }
        if let Some(demonstrations) = &self.demonstrations {
            demonstrations.check(self, task)?;
        }
        if self.canaries > 0 && (task.kind == TaskKind::Pairs || !whole_items) {
            return Err(wrong(format!(
                "`canaries` goes with labels of whole texts, and this is a `{}` task",
                task.kind
            )));
        }
        if self.canaries > 0 && self.batch {
            return Err(wrong("`canaries` does not go with `batch`".to_owned()));
        }
        if self.batch && self.dialect != Dialect::Chat {
            return Err(wrong("`batch` goes with the dialect `chat`".to_owned()));
        }
        if let Some(below) = self.only_below {
            if !(below > 0.0 && below <= 1.0) {
                return Err(wrong(format!("expected `only_below` above 0 and at most 1, found {below}")));
            }
            if !whole_items {
                return Err(wrong("`only_below` goes with tasks about whole items".to_owned()));
            }
        }
        if let Some(price) = self.price
            && !(price.input >= 0.0 && price.output >= 0.0 && price.input < 1e9 && price.output < 1e9)
        {
            return Err(wrong("expected a price of zero or more per million tokens".to_owned()));
        }
        Ok(ask)
    }
}

/// Tokens of a request: what is expected, and what can at most be billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Sent, as expected.
    pub input: u64,
    /// Received, as expected.
    pub output: u64,
    /// Sent at most: a token of text is at least one byte, and chat templates add a little.
    pub most_input: u64,
    /// Received at most.
    pub most_output: u64,
}

impl Tokens {
    /// The worst that can be billed.
    pub fn worst(self, price: Option<Price>) -> Cost {
        billed(price, self.most_input, self.most_output)
    }

    /// What will probably be billed.
    pub fn expected(self, price: Option<Price>) -> Cost {
        billed(price, self.input, self.output)
    }
}

pub(super) fn billed(price: Option<Price>, input_tokens: u64, output_tokens: u64) -> Cost {
    let money_micros = price.map_or(0, |price| price.cost(input_tokens, output_tokens));
    Cost { money_micros, person_millis: 0, input_tokens, output_tokens }
}
