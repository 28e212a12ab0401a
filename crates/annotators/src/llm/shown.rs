//! Demonstrations in prompts: labelled texts shown beside an item, chosen for it.

use std::path::{Path, PathBuf};

use postil_core::{Class, Digest, Error, LabelSet, Result, Task, TaskKind};
use serde::{Deserialize, Serialize};

use super::annotator::read_examples;
use super::spec::{Dialect, LlmSpec};
use super::template::fenced;
use crate::demonstrations::{Demonstrations, Method, Options};

/// `[annotator.demonstrations]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DemonstrationSpec {
    /// How they are chosen.
    #[serde(default)]
    pub choose: Method,
    /// How many an item gets.
    #[serde(default = "five")]
    pub count: usize,
    /// Where they come from.
    #[serde(default)]
    pub from: Origin,
    /// Whether every label gets an even share of the places.
    #[serde(default)]
    pub balanced: bool,
    /// How often the model is asked again, where they come from a student.
    #[serde(default = "one")]
    pub rounds: u32,
    /// The largest share of the items about which it is asked again in a round, where they come from a student.
    #[serde(default = "quarter")]
    pub share: f64,
}

const fn five() -> usize {
    5
}

const fn one() -> u32 {
    1
}

const fn quarter() -> f64 {
    0.25
}

/// Where demonstrations come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum Origin {
    /// The project's gold, as far as it fits; the part that measures is never shown.
    #[default]
    Gold,
    /// The model's own answers, as far as a student agrees: the model answers everything without demonstrations first.
    Student,
    /// A table with `text` and `label`.
    Table(PathBuf),
}

impl From<String> for Origin {
    fn from(name: String) -> Self {
        match name.as_str() {
            "gold" => Self::Gold,
            "student" => Self::Student,
            _ => Self::Table(name.into()),
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Gold => "gold".to_owned(),
            Origin::Student => "student".to_owned(),
            Origin::Table(path) => path.display().to_string(),
        }
    }
}

impl DemonstrationSpec {
    /// An error where they contradict the entry, the task or each other.
    pub(super) fn check(&self, spec: &LlmSpec, task: &Task) -> Result<()> {
        let wrong = |message: &str| Error::task(format!("annotator `{}`: {message}", spec.name));
        if spec.dialect != Dialect::Chat {
            return Err(wrong("expected the dialect `chat` beside demonstrations")
                .hint("decision models read one text and no examples"));
        }
        if !matches!(task.kind, TaskKind::Classify | TaskKind::Ordinal) {
            return Err(wrong("expected a task with one label per item beside demonstrations"));
        }
        if self.count == 0 || self.count > 100 {
            return Err(wrong(&format!("expected 1 to 100 demonstrations, found {}", self.count)));
        }
        if self.from == Origin::Student {
            if !(1..=10).contains(&self.rounds) {
                return Err(wrong(&format!("expected `rounds` from 1 to 10, found {}", self.rounds)));
            }
            if !(self.share > 0.0 && self.share <= 1.0) {
                return Err(wrong(&format!("expected `share` above 0 and at most 1, found {}", self.share)));
            }
            if spec.batch {
                return Err(wrong("demonstrations from a student do not go with `batch`")
                    .hint("each round waits for the one before it"));
            }
        } else if self.rounds != one() || self.share != quarter() {
            return Err(wrong("`rounds` and `share` go with demonstrations from a student"));
        }
        Ok(())
    }
}

/// Labelled texts that demonstrations are chosen from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The texts.
    pub texts: Vec<String>,
    /// The label of each.
    pub labels: Vec<Class>,
}

impl Pool {
    /// Reads a table with `text` and `label`.
    ///
    /// # Errors
    /// A file that cannot be read; a label that the task does not have.
    pub fn read(path: &Path, task: &Task) -> Result<Self> {
        let mut pool = Self::default();
        for example in read_examples(path, task)? {
            pool.labels.push(task.labels.expect(&example.label)?);
            pool.texts.push(example.text);
        }
        Ok(pool)
    }
}

/// A pool with the way to choose from it.
#[derive(Debug)]
pub(super) struct Shown {
    chooser: Demonstrations,
    pool: Pool,
    /// Everything that can change a choice.
    pub(super) digest: Digest,
}

impl Shown {
    pub(super) fn new(spec: &DemonstrationSpec, pool: Pool, labels: &LabelSet) -> Result<Self> {
        let options = Options::new(spec.count).method(spec.choose).balanced(spec.balanced);
        let chooser = Demonstrations::new(&pool.texts, &pool.labels, options)?;
        let settings = serde_json::json!([spec.choose, spec.count, spec.balanced]).to_string();
        let names = pool.labels.iter().map(|&class| labels.name(class).as_bytes());
        let rows = pool.texts.iter().map(String::as_bytes).zip(names).flat_map(|(text, label)| [text, label]);
        let digest = Digest::of_parts([b"demonstrations 1".as_slice(), settings.as_bytes()].into_iter().chain(rows));
        Ok(Self { chooser, pool, digest })
    }

    /// What is shown beside a text, the likest last, where a model minds it most.
    pub(super) fn beside(&self, text: &str) -> Vec<(&str, Class)> {
        let chosen = self.chooser.for_item(text);
        chosen.iter().rev().map(|one| (self.pool.texts[one.index].as_str(), one.label)).collect()
    }
}

/// Demonstrations as they stand in a prompt, each with the answer that would have been right; nothing without any.
pub(super) fn in_words(shown: &[(&str, Class)], answer: &dyn Fn(Class) -> String) -> String {
    if shown.is_empty() {
        return String::new();
    }
    let each: Vec<String> =
        shown.iter().map(|&(text, class)| format!("{}\nAnswer: {}", fenced(text), answer(class))).collect();
    format!("Texts that have been labelled, each between two equal lines:\n\n{}", each.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_fenced_and_the_likest_stands_last() {
        let labels = LabelSet::flat(["bug", "praise"]).unwrap();
        let pool = Pool {
            texts: ["it crashes at login", "I like the colours", "a crash at login again", "so lovely"]
                .map(str::to_owned)
                .to_vec(),
            labels: vec![0, 1, 0, 1],
        };
        let spec: DemonstrationSpec = serde_json::from_str("{\"count\": 2}").unwrap();
        let shown = Shown::new(&spec, pool.clone(), &labels).unwrap();
        let beside = shown.beside("the page shows a crash after every login since monday");
        assert_eq!(beside.last().unwrap().0, "a crash at login again");
        let words = in_words(&beside, &|class| format!("<{class}>"));
        assert_eq!(words.matches("=== ").count(), 4, "{words}");
        assert!(words.ends_with("Answer: <0>"), "{words}");
        assert_eq!(in_words(&[], &|_| String::new()), "");
        // A pool of other texts, labels or settings is another one.
        let other = Pool { labels: vec![0, 1, 1, 1], ..pool.clone() };
        let balanced = DemonstrationSpec { balanced: true, ..spec.clone() };
        assert_ne!(Shown::new(&spec, other, &labels).unwrap().digest, shown.digest);
        assert_ne!(Shown::new(&balanced, pool.clone(), &labels).unwrap().digest, shown.digest);
        assert_eq!(Shown::new(&spec, pool, &labels).unwrap().digest, shown.digest);
    }

    #[test]
    fn an_origin_is_a_word_or_a_file() {
        let of = |text: &str| serde_json::from_str::<DemonstrationSpec>(text).unwrap().from;
        assert_eq!(of("{}"), Origin::Gold);
        assert_eq!(of("{\"from\": \"student\"}"), Origin::Student);
        assert_eq!(of("{\"from\": \"shown.csv\"}"), Origin::Table("shown.csv".into()));
    }
}
