//! Demonstrations in prompts: labelled texts shown beside an item, chosen for it.

use std::path::{Path, PathBuf};

use postil_core::{Class, Digest, Error, LabelSet, Result, Task, TaskKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::annotator::read_examples;
use super::quotes::locate;
use super::spec::{Dialect, LlmSpec};
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
        let one_label = matches!(task.kind, TaskKind::Classify | TaskKind::Ordinal);
        if task.kind == TaskKind::Extract {
            return Err(wrong("demonstrations do not go with records").hint(
                "an answer to be shown quotes the words of the text for every value, and gold records have no quotes: \
                 name `examples` instead",
            ));
        }
        if self.balanced && !one_label && task.kind != TaskKind::Pairs {
            return Err(wrong("`balanced` goes with one label per item"));
        }
        if self.from == Origin::Student && !one_label {
            return Err(wrong("demonstrations from a student go with tasks of one label per item"));
        }
        if matches!(self.from, Origin::Table(_)) && task.kind == TaskKind::Pairs {
            return Err(wrong("demonstrations of pairs come from gold"));
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

/// What is right about a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// Its label; of a pair the better side.
    Class(Class),
    /// All labels that apply, in ascending order.
    Set(Vec<Class>),
    /// Stretches of it word by word, each with its label, in the order of the text; with tags every token.
    Marks(Vec<(String, Class)>),
}

/// Labelled texts that demonstrations are chosen from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The texts.
    pub texts: Vec<String>,
    /// What is right about each.
    pub answers: Vec<Right>,
}

impl Pool {
    /// Reads a table with `text` and `label`: one label, labels as `a|b` or a JSON list of them, or a JSON list of
    /// `{"quote": ..., "label": ...}`, whatever the task asks for.
    ///
    /// # Errors
    /// A file that cannot be read; a label that the task does not have; a quote that is not in its text.
    pub fn read(path: &Path, task: &Task) -> Result<Self> {
        let mut pool = Self::default();
        for example in read_examples(path, task)? {
            let right = right_of(&example.text, &example.label, task).map_err(|error| error.in_file(path))?;
            pool.answers.push(right);
            pool.texts.push(example.text);
        }
        Ok(pool)
    }
}

/// What a cell of a table says is right.
fn right_of(text: &str, label: &str, task: &Task) -> Result<Right> {
    let list = |what: &str| {
        serde_json::from_str::<Vec<Value>>(label).map_err(|error| {
            Error::input(format!("expected a JSON list of {what} in `label`, found `{label}`")).because(error)
        })
    };
    match task.kind {
        TaskKind::Multilabel => {
            let names = if label.trim_start().starts_with('[') {
                list("labels")?.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
            } else {
                label.split('|').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect::<Vec<_>>()
            };
            let mut classes = names.iter().map(|name| task.labels.expect(name)).collect::<Result<Vec<Class>>>()?;
            classes.sort_unstable();
            classes.dedup();
            Ok(Right::Set(classes))
        }
        TaskKind::Spans | TaskKind::Tag => {
            let mut behind = 0;
            let marks = list("objects with `quote` and `label`")?.into_iter().map(|mark| {
                let part = |name: &str| mark[name].as_str().unwrap_or_default();
                let place = locate(text, part("quote"), behind).ok_or_else(|| {
                    Error::input(format!("expected a quote of the text `{text}`, found `{}`", part("quote")))
                })?;
                behind = place.bytes.end;
                Ok((text[place.bytes].to_owned(), task.labels.expect(part("label"))?))
            });
            Ok(Right::Marks(marks.collect::<Result<Vec<_>>>()?))
        }
        _ => Ok(Right::Class(task.labels.expect(label)?)),
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
        let classes: Vec<Class> =
            pool.answers.iter().map(|right| if let Right::Class(class) = right { *class } else { 0 }).collect();
        let chooser = Demonstrations::new(&pool.texts, &classes, options)?;
        let settings = serde_json::json!([spec.choose, spec.count, spec.balanced]).to_string();
        let name = |class: Class| labels.name(class).to_string();
        let rights: Vec<String> = pool
            .answers
            .iter()
            .map(|right| match right {
                Right::Class(class) => name(*class),
                Right::Set(classes) => json!(classes.iter().copied().map(name).collect::<Vec<_>>()).to_string(),
                Right::Marks(marks) => {
                    json!(marks.iter().map(|(quote, class)| (quote, name(*class))).collect::<Vec<_>>()).to_string()
                }
            })
            .collect();
        let rows = pool.texts.iter().zip(&rights).flat_map(|(text, right)| [text.as_bytes(), right.as_bytes()]);
        let digest = Digest::of_parts([b"demonstrations 1".as_slice(), settings.as_bytes()].into_iter().chain(rows));
        Ok(Self { chooser, pool, digest })
    }

    /// What is shown beside a text, the likest last, where a model minds it most.
    pub(super) fn beside(&self, text: &str) -> Vec<(&str, &Right)> {
        let chosen = self.chooser.for_item(text);
        chosen.iter().rev().map(|one| (self.pool.texts[one.index].as_str(), &self.pool.answers[one.index])).collect()
    }
}

/// Demonstrations as they stand in a prompt, each fenced and with the answer that would have been right; nothing without
/// any.
pub(super) fn in_words(
    shown: &[(&str, &Right)],
    fenced: &dyn Fn(&str) -> String,
    answer: &dyn Fn(&Right) -> String,
) -> String {
    if shown.is_empty() {
        return String::new();
    }
    let each: Vec<String> =
        shown.iter().map(|(text, right)| format!("{}\nAnswer: {}", fenced(text), answer(right))).collect();
    format!("Texts that have been labelled, each between two equal lines:\n\n{}", each.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::super::template::fenced;
    use super::*;

    #[test]
    fn what_is_shown_is_fenced_and_the_likest_stands_last() {
        let labels = LabelSet::flat(["bug", "praise"]).unwrap();
        let pool = Pool {
            texts: ["it crashes at login", "I like the colours", "a crash at login again", "so lovely"]
                .map(str::to_owned)
                .to_vec(),
            answers: [0, 1, 0, 1].map(Right::Class).to_vec(),
        };
        let spec: DemonstrationSpec = serde_json::from_str("{\"count\": 2}").unwrap();
        let shown = Shown::new(&spec, pool.clone(), &labels).unwrap();
        let beside = shown.beside("the page shows a crash after every login since monday");
        assert_eq!(beside.last().unwrap().0, "a crash at login again");
        let words = in_words(&beside, &fenced, &|right| format!("<{right:?}>"));
        assert_eq!(words.matches("=== ").count(), 4, "{words}");
        assert!(words.ends_with("Answer: <Class(0)>"), "{words}");
        assert_eq!(in_words(&[], &fenced, &|_| String::new()), "");
        // A pool of other texts, labels or settings is another one.
        let other = Pool { answers: [0, 1, 1, 1].map(Right::Class).to_vec(), ..pool.clone() };
        let balanced = DemonstrationSpec { balanced: true, ..spec.clone() };
        assert_ne!(Shown::new(&spec, other, &labels).unwrap().digest, shown.digest);
        assert_ne!(Shown::new(&balanced, pool.clone(), &labels).unwrap().digest, shown.digest);
        assert_eq!(Shown::new(&spec, pool, &labels).unwrap().digest, shown.digest);
    }

    #[test]
    fn a_cell_says_what_is_right_in_the_way_of_its_task() {
        let labels = LabelSet::flat(["dish", "tool"]).unwrap();
        let of = |kind, label: &str| {
            right_of("a pan of onion soup", label, &Task { kind, labels: labels.clone(), guidelines: None })
        };
        assert_eq!(of(TaskKind::Classify, "tool").unwrap(), Right::Class(1));
        assert_eq!(of(TaskKind::Multilabel, "tool|dish").unwrap(), Right::Set(vec![0, 1]));
        assert_eq!(of(TaskKind::Multilabel, "[]").unwrap(), Right::Set(Vec::new()));
        let marks = r#"[{"quote": "pan", "label": "tool"}, {"quote": "onion soup", "label": "dish"}]"#;
        let right = Right::Marks(vec![("pan".to_owned(), 1), ("onion soup".to_owned(), 0)]);
        assert_eq!(of(TaskKind::Spans, marks).unwrap(), right);
        for wrong in ["dish", r#"[{"quote": "pie", "label": "dish"}]"#, r#"[{"quote": "pan", "label": "thing"}]"#] {
            assert!(of(TaskKind::Spans, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_a_word_or_a_file() {
        let of = |text: &str| serde_json::from_str::<DemonstrationSpec>(text).unwrap().from;
        assert_eq!(of("{}"), Origin::Gold);
        assert_eq!(of("{\"from\": \"student\"}"), Origin::Student);
        assert_eq!(of("{\"from\": \"shown.csv\"}"), Origin::Table("shown.csv".into()));
    }
}
