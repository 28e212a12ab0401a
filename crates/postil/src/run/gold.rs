//! Gold labels: from a file, on the positions of the run's items, split into what fits and what only measures.

use std::collections::{HashMap, HashSet};

use postil_core::audit::{GoldPart, gold_part};
use postil_core::items::{AnswerOptions, read_truth};
use postil_core::ledger::Ledger;
use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Class, Digest, Document, Error, Name, Result, Task, TaskKind,
};

use super::decisions::Decisions;
use super::items::Items;
use super::people::Agreed;
use super::tags::gold::Tagged;
use super::{GOLD, tags};
use crate::project::Project;

/// The truth of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldLabel {
    /// The item's id.
    pub item: String,
    /// What applies.
    pub truth: Truth,
    /// The probability with which the item was drawn, if the file says.
    pub probability: Option<f64>,
}

/// What gold says about an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// The classes that apply: exactly one unless the task is multi-label.
    Classes(Vec<Class>),
    /// A tag per token.
    Tags(Tagged),
}

impl GoldLabel {
    /// The class of the item, in a task of one label per item.
    pub fn class(&self) -> Option<Class> {
        self.classes().first().copied()
    }

    /// The classes of the item; none in a task of tags.
    pub fn classes(&self) -> &[Class] {
        match &self.truth {
            Truth::Classes(classes) => classes,
            Truth::Tags(_) => &[],
        }
    }
}

/// A gold file.
#[derive(Clone, Debug, Default)]
pub struct GoldFile {
    /// The labels, in the file's order.
    pub labels: Vec<GoldLabel>,
    /// The digest of all of them, which is the version of the annotator that gave them.
    pub version: Option<Digest>,
    /// Rows that could not be used, in a sentence each.
    pub faults: Vec<String>,
}

impl GoldFile {
    /// Reads a table with item, label and, optionally, inclusion probability.
    ///
    /// In a multi-label task the label is `a|b`, a JSON list, or `[]` when none applies. Labels that the task does not
    /// have are an error: gold is too dear to be dropped in silence.
    pub fn read(project: &Project) -> Result<Self> {
        let Some(path) = &project.gold else { return Ok(Self::default()) };
        let task = &project.task;
        if task.kind == TaskKind::Tag {
            return tags::gold::read(project, path);
        }
        let mut options = AnswerOptions { strict: true, ..AnswerOptions::default() };
        // The project's own names come first, so that a gold column in the items' own file is found.
        options.item.splice(0..0, project.id.clone());
        if let Some(label) = &project.gold_label {
            options.label = vec![label.clone()];
        }
        let table = read_truth(path, &options)?;
        let sets = table
            .labels
            .iter()
            .map(|label| classes(label, task).map_err(|error| error.in_file(path)))
            .collect::<Result<Vec<_>>>()?;
        let mut labels = Vec::with_capacity(table.label.len());
        for (number, &label) in table.label.iter().enumerate() {
            let probability = table.probability.as_ref().map(|all| f64::from(all[number])).filter(|p| !p.is_nan());
            if probability.is_some_and(|probability| probability <= 0.0) {
                return Err(Error::input("expected an inclusion probability above 0, found 0")
                    .in_file(path)
                    .for_item(table.items.get(number as u32)));
            }
            labels.push(GoldLabel {
                item: table.items.get(number as u32).to_owned(),
                truth: Truth::Classes(sets[usize::from(label)].clone()),
                probability,
            });
        }
        let mut faults = Vec::new();
        if table.report.blank_labels > 0 {
            faults.push(format!("{} gold rows have no label yet", table.report.blank_labels));
        }
        Ok(Self::new(labels, faults))
    }

    /// Adds what people said blindly in the browser about items that the file does not name.
    pub(super) fn add_people(&mut self, (agreed, faults): (Vec<Agreed>, Vec<String>), task: &Task) -> Result<()> {
        if agreed.is_empty() && faults.is_empty() {
            return Ok(());
        }
        let known: HashSet<String> = self.labels.iter().map(|gold| gold.item.clone()).collect();
        let mut labels = std::mem::take(&mut self.labels);
        for Agreed { item, answer, .. } in agreed.into_iter().filter(|one| !known.contains(&one.item)) {
            let side =
                if let Answer::Preference { choice, .. } = &answer { Some(Name::from(choice.name())) } else { None };
            let named = answer.labels().chain(&side).map(|label| task.labels.expect(label));
            let mut classes = named.collect::<Result<Vec<Class>>>().map_err(|error| error.for_item(item.as_str()))?;
            let truth = match answer {
                Answer::Tags { .. } => Truth::Tags(Tagged::all(&item, classes)),
                // Some tokens were left open on purpose.
                Answer::Spans { spans, .. } => {
                    let starts = spans.iter().map(|span| span.start);
                    Truth::Tags(Tagged::some(&item, starts.zip(classes).collect()))
                }
                _ => {
                    classes.sort_unstable();
                    classes.dedup();
                    Truth::Classes(classes)
                }
            };
            labels.push(GoldLabel { item, truth, probability: None });
        }
        let faults = std::mem::take(&mut self.faults).into_iter().chain(faults).collect();
        *self = Self::new(labels, faults);
        Ok(())
    }

    /// A file of these labels; their digest is the version.
    pub(super) fn new(labels: Vec<GoldLabel>, faults: Vec<String>) -> Self {
        let parts: Vec<String> = labels
            .iter()
            .map(|gold| match &gold.truth {
                Truth::Classes(classes) => format!("{}\0{classes:?}\0{:?}", gold.item, gold.probability),
                Truth::Tags(tagged) => format!("{}\0{}\0{:?}", gold.item, tagged.said(), gold.probability),
            })
            .collect();
        let version = Digest::of_parts(parts.iter().map(String::as_bytes));
        Self { labels, version: Some(version), faults }
    }
}

fn classes(label: &str, task: &Task) -> Result<Vec<Class>> {
    if task.kind != TaskKind::Multilabel {
        return Ok(vec![task.labels.expect(label)?]);
    }
    let names: Vec<String> = if label.trim_start().starts_with('[') {
        serde_json::from_str(label)
            .map_err(|error| Error::input(format!("expected a JSON list of labels, found `{label}`")).because(error))?
    } else {
        label.split('|').map(|name| name.trim().to_owned()).collect()
    };
    let mut classes = names.iter().map(|name| task.labels.expect(name)).collect::<Result<Vec<Class>>>()?;
    classes.sort_unstable();
    classes.dedup();
    Ok(classes)
}

/// A gold label on an item of the run.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// The item's position.
    pub position: u32,
    /// The true class of each of its decisions, where gold says one.
    pub truth: Vec<Option<Class>>,
    /// Whether it fits or measures.
    pub part: GoldPart,
    /// One over the inclusion probability, or 1.
    pub weight: f64,
}

impl Placed {
    /// The labels of the whole item that apply.
    pub(super) fn classes(&self, task: &Task) -> Vec<Class> {
        match task.kind {
            TaskKind::Multilabel => {
                (0..).zip(&self.truth).filter(|(_, truth)| **truth == Some(1)).map(|(label, _)| label).collect()
            }
            TaskKind::Tag => Vec::new(),
            _ => self.truth.iter().filter_map(|truth| *truth).collect(),
        }
    }

    /// The decisions whose truth is known, with it.
    pub(super) fn truths(&self, decisions: &Decisions) -> impl Iterator<Item = (usize, Class)> + '_ {
        let decisions = decisions.of(self.position as usize);
        decisions.zip(&self.truth).filter_map(|(decision, truth)| Some((decision, (*truth)?)))
    }

    /// The answer that the ledger keeps.
    fn answer(&self, task: &Task, documents: &[Document]) -> Answer {
        let name = |class: Class| Name::clone(task.labels.name(class));
        let one = || self.classes(task).first().map_or_else(|| Name::from(""), |&class| name(class));
        match task.kind {
            TaskKind::Multilabel => Answer::Set { labels: self.classes(task).into_iter().map(name).collect() },
            TaskKind::Ordinal => Answer::Ordinal { label: one(), score: None },
            TaskKind::Tag => tags::gold::answer(&documents[self.position as usize], &self.truth, name),
            kind => Answer::of_label(kind, one()),
        }
    }
}

/// How the gold sample was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Design {
    /// Every label has a known inclusion probability.
    Recorded,
    /// No probability is known: taken as a simple random sample.
    Assumed,
}

impl Design {
    /// The basis of a figure that rests on so many measuring items.
    pub(super) fn basis(self, measuring: usize) -> String {
        match self {
            Self::Recorded => format!("{measuring} blind gold items drawn at random with known probability"),
            Self::Assumed => {
                format!("{measuring} gold items, taken as drawn at random (no inclusion probabilities are on record)")
            }
        }
    }
}

/// The gold labels of the run's items.
#[derive(Clone, Debug)]
pub(super) struct Gold {
    /// In the order of the items.
    pub labels: Vec<Placed>,
    /// How they were drawn.
    pub design: Design,
    /// Labels of items that were not read.
    pub unmatched: u64,
}

impl Gold {
    /// Finds the items of gold labels. `drawn` holds the inclusion probabilities on record in the ledger, by id; those
    /// of the file win.
    ///
    /// # Errors
    /// Tags that are not those of an item's tokens.
    pub(super) fn place(
        project: &Project,
        file: &GoldFile,
        items: &Items,
        documents: &[Document],
        drawn: &HashMap<String, f64>,
    ) -> Result<Self> {
        let seed = project.seed;
        let by_id = items.by_id();
        let mut labels = Vec::new();
        let mut unmatched = 0;
        let mut design = Design::Recorded;
        for gold in &file.labels {
            let Some(&position) = by_id.get(gold.item.as_str()) else {
                unmatched += 1;
                continue;
            };
            let probability = gold.probability.or_else(|| drawn.get(&gold.item).copied());
            if probability.is_none() {
                design = Design::Assumed;
            }
            labels.push(Placed {
                position,
                truth: match &gold.truth {
                    Truth::Tags(tagged) => tagged.on(&documents[position as usize], project)?,
                    Truth::Classes(classes) if project.task.kind == TaskKind::Multilabel => {
                        (0..project.task.labels.len())
                            .map(|label| Some(Class::from(classes.contains(&(label as Class)))))
                            .collect()
                    }
                    Truth::Classes(classes) => vec![classes.first().copied()],
                },
                part: gold_part(&gold.item, seed),
                weight: 1.0 / probability.unwrap_or(1.0),
            });
        }
        if design == Design::Assumed {
            // A mixture of known and unknown probabilities has no valid weights.
            for gold in &mut labels {
                gold.weight = 1.0;
            }
        }
        labels.sort_by_key(|gold| gold.position);
        Ok(Self { labels, design, unmatched })
    }

    /// Puts the labels into the ledger as the answers of an annotator of their own.
    pub(super) fn keep(
        &self,
        project: &Project,
        ledger: &Ledger,
        version: Option<Digest>,
        items: &Items,
        documents: &[Document],
        now_millis: i64,
    ) -> Result<Option<Digest>> {
        let answers =
            self.labels.iter().map(|gold| (gold.position, gold.weight, gold.answer(&project.task, documents)));
        keep(ledger, version, items, answers, now_millis)
    }

    /// The labels of one part.
    pub(super) fn part(&self, part: GoldPart) -> impl Iterator<Item = &Placed> {
        self.labels.iter().filter(move |gold| gold.part == part)
    }

    /// The basis of every figure that rests on the measuring part.
    pub(super) fn basis(&self) -> String {
        self.design.basis(self.part(GoldPart::Measure).count())
    }
}

/// Puts gold answers into the ledger: positions, weights and answers.
pub(super) fn keep(
    ledger: &Ledger,
    version: Option<Digest>,
    items: &Items,
    answers: impl Iterator<Item = (u32, f64, Answer)>,
    now_millis: i64,
) -> Result<Option<Digest>> {
    let Some(version) = version else { return Ok(None) };
    let identity = AnnotatorIdentity { name: Name::from(GOLD), kind: AnnotatorKind::Person, version };
    ledger.register(&identity, &serde_json::Value::Null, now_millis)?;
    let done = ledger.done(version)?;
    let annotations = answers
        .map(|(position, weight, answer)| (position as usize, weight, answer))
        .filter(|(position, ..)| !done.contains(items.id(*position), items.digest(*position)))
        .map(|(position, weight, answer)| Annotation {
            at_millis: now_millis,
            inclusion_probability: Some(1.0 / weight).filter(|&probability| probability < 1.0),
            ..Annotation::new(items.id(position).into(), items.digest(position), version, answer)
        })
        .collect();
    ledger.append(annotations)?;
    Ok(Some(version))
}
