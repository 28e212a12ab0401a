//! How a server behaves: who answers, what it can do, what goes wrong.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::fault::Rule;
use crate::question::Answers;

/// Everything that a server is told. Start from [`Behaviour::new`] and change what the test is about.
#[derive(Clone)]
pub struct Behaviour {
    /// Who answers.
    pub answers: Arc<dyn Answers>,
    /// What the server can do.
    pub capabilities: Capabilities,
    /// What goes wrong. Of several rules that meet a request the first counts; latencies add up.
    pub faults: Vec<Rule>,
    /// Decides, with a request's digest and attempt, which faults it meets and what samples say.
    pub seed: u64,
    /// The bearer key that is expected; 401 without it.
    pub key: Option<String>,
    /// The models there are, 404 for others; `None` takes those of the answerer.
    pub models: Option<Vec<String>>,
    /// How long a prompt may be.
    pub context: Context,
    /// How many requests a minute are served, 429 beyond.
    pub rate: Option<RateLimit>,
    /// How many requests may be in service at once, 429 beyond.
    pub most_at_once: Option<usize>,
    /// How batches proceed.
    pub batches: BatchCourse,
    /// Whether entries of the log are kept in memory. The counters always are.
    pub keep_log: bool,
    /// A file that gets a line for each entry at once, and one for each connection that ends.
    pub log_file: Option<PathBuf>,
}

impl Behaviour {
    /// A server that can do everything and makes no mistakes.
    pub fn new(answers: impl Answers + 'static) -> Self {
        Self {
            answers: Arc::new(answers),
            capabilities: Capabilities::default(),
            faults: Vec::new(),
            seed: 0,
            key: None,
            models: None,
            context: Context::Unlimited,
            rate: None,
            most_at_once: None,
            batches: BatchCourse::default(),
            keep_log: true,
            log_file: None,
        }
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, rule: Rule) -> Self {
        self.faults.push(rule);
        self
    }

    /// With these capabilities.
    #[must_use]
    pub fn capable(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    pub(crate) fn known_models(&self) -> Option<Vec<String>> {
        self.models.clone().or_else(|| self.answers.models())
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Behaviour")
            .field("capabilities", &self.capabilities)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// What a server can do. The default is everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Log-probabilities of tokens.
    pub logprobs: Logprobs,
    /// Whether `n` is honoured; otherwise there is one answer and no word about it.
    pub samples: bool,
    /// What becomes of a JSON schema.
    pub schema: Schema,
    /// Which names of the token limit are taken.
    pub token_limit: TokenLimit,
    /// Whether equal requests at a temperature get equal samples.
    pub reproducible: bool,
    /// Whether the model thinks before it answers, and where its thoughts go.
    pub thinking: Thinking,
    /// `/v1/chat/completions`.
    pub chat: Dialect,
    /// `/v1/systemone`.
    pub system_one: Dialect,
    /// `/v1/decisions`.
    pub decisions: Dialect,
    /// `/v1/files` and `/v1/batches`.
    pub batches: Dialect,
    /// The most options of a choice question, 422 beyond.
    pub most_options: usize,
    /// The most questions of a decision request, 422 beyond.
    pub most_questions: usize,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            logprobs: Logprobs::Given,
            samples: true,
            schema: Schema::Kept,
            token_limit: TokenLimit::Either,
            reproducible: true,
            thinking: Thinking::Off,
            chat: Dialect::On,
            system_one: Dialect::On,
            decisions: Dialect::On,
            batches: Dialect::On,
            most_options: 255,
            most_questions: 400,
        }
    }
}

/// What a server does when asked for log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logprobs {
    /// It gives them.
    Given,
    /// `logprobs: null`.
    Null,
    /// No such field.
    Missing,
    /// 400.
    Refused,
}

/// What a server does with a JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Keeps to it.
    Kept,
    /// Ignores it: JSON inside a fence of backticks.
    Fenced,
    /// Ignores it: JSON among words.
    Prose,
    /// Ignores it: the bare label where there is one, JSON among words otherwise.
    Bare,
    /// 400.
    Refused,
}

/// Which names of the token limit a server takes; 400 for the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimit {
    /// Both.
    Either,
    /// `max_completion_tokens` only.
    Completion,
    /// `max_tokens` only.
    Plain,
}

/// Where a model's thoughts go. `chat_template_kwargs: {"enable_thinking": false}` turns them off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// There are none.
    Off,
    /// A `<think>` block at the head of the content.
    Content,
    /// `reasoning_content`. They still count against the token limit.
    Field,
}

/// Whether a route exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// It does.
    On,
    /// 404.
    NotFound,
    /// 501.
    NotImplemented,
}

/// What becomes of long prompts, counted in tokens of four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Any length is served.
    Unlimited,
    /// 400 beyond.
    Refused(u64),
    /// The head of the last message is lost beyond, without a word.
    Truncated(u64),
}

/// A limit on requests: a bucket that holds `burst` requests and fills at the rate given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests a minute.
    pub requests_per_minute: f64,
    /// Requests that may come at once after a pause; at least 1.
    pub burst: f64,
}

/// How batches proceed: no clock, a step at each look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCourse {
    /// How often `in_progress` is seen before the batch is done.
    pub looks: u32,
    /// Whether it expires instead of completing, with the first half of its rows answered.
    pub expires: bool,
}

impl Default for BatchCourse {
    fn default() -> Self {
        Self { looks: 2, expires: false }
    }
}
