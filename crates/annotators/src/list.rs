//! Keyword and phrase lists per label.

mod read;
mod sources;
mod spans;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Cost, Digest, Error, ItemBatch, Name, Result, Task, TaskKind,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::entities::{ListColumns, Switches};
use crate::words::{Phrase, PhraseMatcher};
use crate::{Annotator, Silence};

pub use sources::{ListFile, ListSources};
pub(crate) use spans::SpanListAnnotator;

/// Raised when the way of matching changes, so that stored answers are not mistaken for what the new way would say.
const MATCHING: &[u8] = b"list matching 1";
/// How many phrases an annotation's evidence names.
const SHOWN_PHRASES: usize = 5;
/// Fewer items than this are not worth another thread.
const ITEMS_PER_THREAD: usize = 256;

/// Phrases per label, found at word borders.
///
/// In tasks about spans and tags the lists hold names, and every stretch of text that is one becomes a span; see
/// [`entities`](crate::entities) for the files, the switches and the matching. What follows is about labels of whole
/// texts.
///
/// * Word characters are those of `\w` in a regular expression. A border lies between two characters unless both are
///   word characters, so `cat` is never found in `concatenate`, and a phrase that ends in punctuation, such as `c++`,
///   ends there.
/// * Between characters of scripts written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) there is always a
///   border, except before a dependent mark: `東京` is found in `東京都`.
/// * A run of white space in the text, line breaks included, counts as one space; curly apostrophes count as straight.
/// * Ignoring case follows Unicode: `straße` finds `STRASSE`. Composed and decomposed letters differ.
/// * Of phrases that start at one place the longest counts, and occurrences do not overlap: `credit card` is not also
///   `credit`, in whichever list that is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSpec {
    /// The name in the project.
    pub name: String,
    /// A text file per label: one phrase per line, optionally a tab and a weight; `#` starts a comment line.
    #[serde(default)]
    pub lists: BTreeMap<String, ListSources>,
    /// Instead of `lists`: a CSV with the columns `label`, `phrase` and optionally `weight`.
    pub path: Option<PathBuf>,
    /// What case means, unless a list says otherwise [default: `ignore`; in tasks about spans `smart`].
    pub case: Option<Case>,
    /// In a multi-label task, and with `separate`: the summed weight from which a label is given.
    #[serde(default = "one")]
    pub threshold: f64,
    /// One annotator per label, `name/label`, that says its label or nothing.
    #[serde(default)]
    pub separate: bool,
    /// In tasks about spans and tags: the switches of all lists, unless a list has its own.
    #[serde(default)]
    pub matching: Switches,
    /// In such tasks: what the columns of tables and the keys of JSON objects are called.
    #[serde(default)]
    pub columns: ListColumns,
    /// In such tasks: what it means that the lists have nothing [default: `abstain`].
    pub silence: Option<Silence>,
}

const fn one() -> f64 {
    1.0
}

/// What the case of letters means to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Upper and lower case are the same.
    #[default]
    Ignore,
    /// Every letter must have the case it has in the list.
    Exact,
    /// Exact for phrases with an upper-case letter, ignored for the others.
    Smart,
}

impl Case {
    fn is_exact_for(self, phrase: &str) -> bool {
        match self {
            Self::Ignore => false,
            Self::Exact => true,
            Self::Smart => phrase.chars().any(char::is_uppercase),
        }
    }
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    class: usize,
    phrase: Phrase,
    weight: f64,
}

/// An annotator that answers by the phrases it finds.
///
/// Each phrase counts once per item with its weight, however often it occurs. One label is asked for: the label with
/// the largest sum; labels that tie are [`Answer::Candidates`], and a tie of all labels says nothing and is an
/// abstention. Several are asked for: the labels whose sum reaches the threshold. No phrase at all is an abstention,
/// since a list knows what it found and not what it missed.
pub struct ListAnnotator {
    identity: AnnotatorIdentity,
    matcher: PhraseMatcher,
    entries: Vec<Entry>,
    labels: Vec<Name>,
    kind: TaskKind,
    /// With `separate`, the one label that this annotator gives.
    only: Option<usize>,
    threshold: f64,
    warnings: Vec<String>,
}

impl ListAnnotator {
    /// Reads the lists of an entry and builds its annotators: one, or with `separate` one per label that has a list.
    ///
    /// # Errors
    /// A file that cannot be read, an empty list, a bad weight (with file and line), a label that the task does not
    /// have.
    pub fn open(spec: &ListSpec, task: &Task, folder: &Path) -> Result<Vec<Self>> {
        if !spec.threshold.is_finite() || spec.threshold <= 0.0 {
            return Err(Error::task(format!("expected a positive `threshold`, found {}", spec.threshold)));
        }
        spec.refuse_switches()?;
        let entries = read::entries(spec, task, folder)?;
        if !spec.separate {
            return Ok(vec![Self::new(spec, &spec.name, entries, None, task)?]);
        }
        let mut annotators = Vec::new();
        for (class, label) in task.labels.names().enumerate() {
            let own: Vec<Entry> = entries.iter().filter(|entry| entry.class == class).cloned().collect();
            if !own.is_empty() {
                annotators.push(Self::new(spec, &format!("{}/{label}", spec.name), own, Some(class), task)?);
            }
        }
        Ok(annotators)
    }

    fn new(spec: &ListSpec, name: &str, entries: Vec<Entry>, only: Option<usize>, task: &Task) -> Result<Self> {
        let labels: Vec<Name> = task.labels.names().cloned().collect();
        let mut warnings = Vec::new();
        let entries = merge(entries, &labels, &mut warnings);
        let phrases: Vec<Phrase> = entries.iter().map(|entry| entry.phrase.clone()).collect();
        let matcher = PhraseMatcher::new(&phrases).map_err(Error::input)?;
        let identity = AnnotatorIdentity {
            name: name.into(),
            kind: AnnotatorKind::List,
            version: version(&entries, &labels, task.kind, only, spec.threshold),
        };
        Ok(Self { identity, matcher, entries, labels, kind: task.kind, only, threshold: spec.threshold, warnings })
    }

    fn annotation(&self, items: &ItemBatch, row: usize) -> Annotation {
        let mut found: Vec<usize> = Vec::new();
        self.matcher.visit(items.text(row), |_, entry| {
            if !found.contains(&entry) {
                found.push(entry);
            }
            ControlFlow::Continue(())
        });
        let mut annotation =
            Annotation::new(items.id(row).into(), items.digest(row), self.identity.version, self.answer(&found));
        if !found.is_empty() {
            annotation.evidence = Some(self.evidence(&found));
        }
        annotation
    }

    fn answer(&self, found: &[usize]) -> Answer {
        let mut weights = vec![0.0; self.labels.len()];
        for &entry in found {
            weights[self.entries[entry].class] += self.entries[entry].weight;
        }
        let best = weights.iter().copied().fold(0.0, f64::max);
        if best == 0.0 {
            return Answer::Abstain;
        }
        if let Some(class) = self.only {
            return if best >= self.threshold {
                Answer::Class { label: self.labels[class].clone() }
            } else {
                Answer::Abstain
            };
        }
        let several = self.kind == TaskKind::Multilabel;
        // Sums of the same weights in another order may differ in the last bits; that is still a tie.
        let bar = if several { self.threshold } else { best * (1.0 - 1e-12) };
        let mut chosen: Vec<Name> = weights
            .iter()
            .zip(&self.labels)
            .filter(|&(&weight, _)| weight >= bar)
            .map(|(_, label)| label.clone())
            .collect();
        match (several, chosen.len()) {
            (true, 0) => Answer::Abstain,
            (true, _) => Answer::Set { labels: chosen },
            (false, 1) => Answer::Class { label: chosen.swap_remove(0) },
            (false, tied) if tied == self.labels.len() => Answer::Abstain,
            (false, _) => Answer::Candidates { labels: chosen },
        }
    }

    fn evidence(&self, found: &[usize]) -> String {
        let mut shown: Vec<String> = found
            .iter()
            .take(SHOWN_PHRASES)
            .map(|&entry| {
                let Entry { class, phrase, .. } = &self.entries[entry];
                format!("{}: {}", self.labels[*class], shorten(&phrase.text))
            })
            .collect();
        if found.len() > SHOWN_PHRASES {
            shown.push(format!("and {} more", found.len() - SHOWN_PHRASES));
        }
        shown.join("; ")
    }
}

impl Annotator for ListAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let this = &*self;
        Ok((0..items.len())
            .into_par_iter()
            .with_min_len(ITEMS_PER_THREAD)
            .map(|row| this.annotation(items, row))
            .collect())
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

/// Joins repeated lines of one label (the larger weight stands) and notes phrases that stand for several labels.
fn merge(entries: Vec<Entry>, labels: &[Name], warnings: &mut Vec<String>) -> Vec<Entry> {
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut places: std::collections::HashMap<(String, bool), Vec<usize>> = std::collections::HashMap::new();
    for entry in entries {
        let key = if entry.phrase.exact { entry.phrase.text.clone() } else { entry.phrase.text.to_lowercase() };
        let same = places.entry((key, entry.phrase.exact)).or_default();
        if let Some(&place) = same.iter().find(|&&place| merged[place].class == entry.class) {
            merged[place].weight = merged[place].weight.max(entry.weight);
            continue;
        }
        if let Some(&other) = same.first() {
            warnings.push(format!(
                "the phrase `{}` is in the lists of both `{}` and `{}`, and so decides nothing between them",
                shorten(&entry.phrase.text),
                labels[merged[other].class],
                labels[entry.class]
            ));
        }
        same.push(merged.len());
        merged.push(entry);
    }
    merged
}

fn version(entries: &[Entry], labels: &[Name], kind: TaskKind, only: Option<usize>, threshold: f64) -> Digest {
    let mut parts: Vec<Vec<u8>> = vec![MATCHING.to_vec(), kind.name().into()];
    if only.is_some() || kind == TaskKind::Multilabel {
        parts.push(threshold.to_le_bytes().to_vec());
    }
    if only.is_none() {
        // Which labels a tie is among depends on all of them; a one-sided list knows its own only.
        parts.extend(labels.iter().map(|label| label.as_bytes().to_vec()));
    }
    // The order of the lines is not part of the answer, so it is not part of the version.
    let mut lines: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| {
            let parts: [&[u8]; 4] = [
                labels[entry.class].as_bytes(),
                entry.phrase.text.as_bytes(),
                &entry.weight.to_le_bytes(),
                &[u8::from(entry.phrase.exact)],
            ];
            Digest::of_parts(parts).as_bytes().to_vec()
        })
        .collect();
    lines.sort_unstable();
    parts.extend(lines);
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

fn shorten(phrase: &str) -> String {
    match phrase.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &phrase[..end]),
        None => phrase.to_owned(),
    }
}
