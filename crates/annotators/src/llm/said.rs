//! What a reply says, before it becomes an annotation.

use std::collections::HashMap;

use postil_core::{Answer, Class, Span, Status, Task};

/// One reply, understood or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    /// How it ended, where there is no answer.
    pub(super) failure: Option<Status>,
    /// The answer.
    pub(super) heard: Option<Heard>,
    /// A share per class of the task.
    pub(super) distribution: Option<Vec<f32>>,
    /// The probability that this label applies.
    pub(super) yes: Option<(Class, f32)>,
    /// Probabilities per label, each on its own.
    pub(super) each: Option<Vec<f32>>,
    /// The model's own number.
    pub(super) confidence: Option<f32>,
    /// The probability of everything that is no answer.
    pub(super) other: f32,
    /// What it said in words, or why it said nothing.
    pub(super) words: String,
    /// Whether the reply was not of the shape that was asked for and could be read all the same.
    pub(super) repaired: bool,
    /// Further answers in the same reply.
    pub(super) others: Vec<Self>,
    /// Of a pair: whether the right one was shown first.
    pub(super) swapped: bool,
    /// Quotes that are not in the text.
    pub(super) not_in_text: u32,
    /// The tokens that were billed, sent and received.
    pub(super) usage: Option<(u64, u64)>,
    /// The model that truly answered.
    pub(super) model: Option<String>,
}

/// An answer in classes of the task.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Class(Class),
    /// Whether one of several labels applies.
    Applies(Class, bool),
    Labels(Vec<Class>),
    Candidates(Vec<Class>),
    /// A place on the scale.
    Score(f64),
    Spans(Vec<Span>),
    /// All stretches of one label.
    OfLabel(Class, Vec<Span>),
    /// Fields of a record.
    Record(Answer),
}

impl Said {
    pub(super) fn without(status: Status, words: impl Into<String>) -> Self {
        Self { failure: Some(status), words: words.into(), ..Self::default() }
    }

    pub(super) fn malformed(words: impl Into<String>) -> Self {
        Self::without(Status::Malformed, words)
    }
}

/// What is needed to understand a reply: the labels, and the text it is about.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) task: &'a Task,
    pub(super) folded: &'a HashMap<String, Option<Class>>,
    pub(super) text: &'a str,
}

impl Reader<'_> {
    pub(super) fn classes(&self) -> usize {
        self.task.labels.len()
    }

    /// The class of a label as a model writes it: exactly, or with other case, spaces and signs where that leaves no doubt.
    /// The flag says that it was not exact. Never the nearest label.
    pub(super) fn class(&self, label: &str) -> Option<(Class, bool)> {
        if let Some(class) = self.task.labels.class(label) {
            return Some((class, false));
        }
        self.folded.get(&fold(label)).copied().flatten().map(|class| (class, true))
    }
}

/// Labels by their folded names; `None` where two labels fold to one.
pub(super) fn folded(task: &Task) -> HashMap<String, Option<Class>> {
    let mut names: HashMap<String, Option<Class>> = HashMap::new();
    for (class, name) in task.labels.names().enumerate() {
        names.entry(fold(name)).and_modify(|known| *known = None).or_insert(Some(class as Class));
    }
    names
}

/// Letters and digits alone, in lower case; a name of nothing but signs stays as it is.
fn fold(name: &str) -> String {
    let bare: String = name.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if bare.is_empty() { name.trim().to_owned() } else { bare }
}
