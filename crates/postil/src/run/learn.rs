//! The student: trained on the consensus, it labels what no annotator answered and speaks up where annotators err.

use std::collections::HashMap;

use postil_core::audit::GoldPart;
use postil_core::{Error, Result, Task, TaskKind};
use postil_student::tagger::FittedTagger;
use postil_student::text::{Certain, Fitted, Head, Target, Teaching, TextOptions, Trainer};

use super::Watch;
use super::annotate::open_items;
use super::decisions::Decisions;
use super::gold::Gold;
use super::items::Items;
use crate::project::Project;

/// More items than this are not trained on: the gain is small and the time is not.
const MOST: usize = 200_000;
/// Fewer items than this give no model worth having.
const LEAST: usize = 20;

/// What the consensus says about the decisions of the run.
pub(super) struct Believed<'a> {
    /// Probabilities: `classes` per decision, decisions of one item side by side.
    pub posterior: &'a [f32],
    /// Votes per decision.
    pub support: &'a [u32],
    /// How decisions lie on items.
    pub decisions: &'a Decisions,
}

/// A model of either kind.
pub(super) enum Student {
    /// Of whole texts, and how it was taught.
    Text(Box<Fitted>, Teaching),
    /// Of their tokens.
    Tagger(Box<FittedTagger>),
}

impl Student {
    /// The model's bytes with these notes inside.
    pub(super) fn bytes(&self, notes: serde_json::Value) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Text(fitted, _) => fitted.model.with_notes(notes).map_err(student_error)?.as_bytes().to_vec(),
            Self::Tagger(fitted) => fitted.model.with_notes(notes).map_err(student_error)?.as_bytes().to_vec(),
        })
    }

    /// The settings that training chose, in words.
    pub(super) fn settings(&self) -> String {
        match self {
            Self::Text(fitted, teaching) => {
                let training = &fitted.report;
                let mut parts: Vec<&str> = training.parts.iter().map(|part| part.model.as_str()).collect();
                parts.dedup();
                let features = if training.characters {
                    "words, word pairs and character n-grams"
                } else {
                    "words and word pairs"
                };
                format!("{features}; {}; {}", parts.join(" + "), teaching.words())
            }
            Self::Tagger(fitted) => tagger_settings(fitted),
        }
    }
}

/// The settings of a tagger, in words.
pub(super) fn tagger_settings(fitted: &FittedTagger) -> String {
    let report = &fitted.report;
    format!("averaged perceptron over tokens; {} features kept of {}", report.kept_features, report.features)
}

/// A trained student and what it says about every item.
pub(super) struct Learned {
    /// The model and what training knows.
    pub student: Student,
    /// One probability per decision and class, for items it has learned from by models that have not seen them; in a
    /// multi-label task one per decision, of yes.
    pub probabilities: Vec<f32>,
    /// Whether the probabilities are of yes alone.
    pub of_yes: bool,
    /// How many items it has learned from.
    pub trained_on: usize,
}

/// How the labels of a task relate, in the student's words.
pub(super) const fn head(kind: TaskKind) -> Head {
    match kind {
        TaskKind::Multilabel => Head::Multilabel,
        TaskKind::Ordinal => Head::Ordinal,
        _ => Head::Softmax,
    }
}

/// Trains the student on all items that somebody answered, except the gold that only measures; fitting gold counts as
/// certain. `Ok(Err(reason))` if there is too little to learn from.
pub(super) fn learn(
    project: &Project,
    items: &Items,
    believed: &Believed<'_>,
    gold: &Gold,
    watch: &dyn Watch,
) -> Result<std::result::Result<Learned, String>> {
    let task = &project.task;
    let measuring: Vec<u32> = gold.part(GoldPart::Measure).map(|gold| gold.position).collect();
    let certain: HashMap<u32, Vec<u16>> =
        gold.part(GoldPart::Fit).map(|gold| (gold.position, gold.classes(task))).collect();
    let mut chosen: Vec<u32> = (0..items.len() as u32)
        .filter(|position| {
            let decisions = believed.decisions.of(*position as usize);
            let answered = believed.support[decisions].iter().any(|&votes| votes > 0);
            (answered || certain.contains_key(position)) && measuring.binary_search(position).is_err()
        })
        .collect();
    if chosen.len() > MOST {
        // The digest is as good as a draw, and does not move with the order of the file.
        chosen.sort_by_key(|&position| (items.digest(position as usize), position));
        chosen.truncate(MOST);
        chosen.sort_unstable();
    }
    if chosen.len() < LEAST {
        return Ok(Err(format!("no model was trained: {} items have an answer, {LEAST} are the least", chosen.len())));
    }
    let targets: Vec<Target> = chosen
        .iter()
        .map(|&position| match certain.get(&position) {
            Some(classes) => known(task, classes),
            None => target(task, believed, position as usize),
        })
        .collect();
    watch.stage("reading for training", Some(items.len() as u64));
    let texts = texts_of(project, items, &chosen, watch)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let known: Vec<Certain> = gold
        .part(GoldPart::Fit)
        .filter_map(|gold| {
            let row = chosen.binary_search(&gold.position).ok()?;
            Some(Certain { row, class: *gold.classes(task).first()?, weight: gold.weight })
        })
        .collect();
    let trained = (|| {
        let trainer = Trainer::new(task.labels.names().map(ToString::to_string), head(task.kind))?
            .with_options(TextOptions::new().seed(project.seed));
        let teaching = match project.teaching {
            Some(way) if task.kind != TaskKind::Multilabel => {
                Teaching { way, reason: "as the project says".to_owned() }
            }
            _ => {
                watch.stage("choosing what the student is told", None);
                trainer.choose_distillation(&texts, &targets, &known)?
            }
        };
        watch.stage("training", None);
        Ok((trainer.distil(&texts, &targets, teaching.way)?, teaching))
    })();
    let (fitted, teaching) = match trained {
        Ok(trained) => trained,
        Err(error) if postil_student::Error::is_input(&error) => {
            return Ok(Err(format!("no model was trained: {error}")));
        }
        Err(error) => return Err(student_error(error)),
    };
    let labels = task.labels.len();
    let mut probabilities = vec![0.0; items.len() * labels];
    let mut learned_from = vec![false; items.len()];
    for (row, &position) in chosen.iter().enumerate() {
        learned_from[position as usize] = true;
        let from = &fitted.out_of_fold[row * labels..(row + 1) * labels];
        probabilities[position as usize * labels..(position as usize + 1) * labels].copy_from_slice(from);
    }
    predict_rest(project, items, &fitted, &learned_from, &mut probabilities, watch)?;
    let of_yes = task.kind == TaskKind::Multilabel;
    Ok(Ok(Learned {
        student: Student::Text(Box::new(fitted), teaching),
        probabilities,
        of_yes,
        trained_on: chosen.len(),
    }))
}

/// Keeps the student's advice when its error becomes the engine's.
pub(super) fn student_error(error: postil_student::Error) -> Error {
    let mut kept = Error::input(error.to_string());
    if let Some(advice) = error.advice() {
        kept = kept.hint(advice);
    }
    kept.because(error)
}

fn known(task: &Task, classes: &[u16]) -> Target {
    if task.kind == TaskKind::Multilabel { Target::Set(classes.to_vec()) } else { Target::Hard(classes[0]) }
}

fn target(task: &Task, believed: &Believed<'_>, position: usize) -> Target {
    let decisions = believed.decisions.of(position);
    let classes = believed.decisions.classes();
    let row = &believed.posterior[decisions.start * classes..decisions.end * classes];
    if task.kind == TaskKind::Multilabel {
        Target::Soft(row.iter().skip(1).step_by(2).copied().collect())
    } else {
        Target::Soft(row.to_vec())
    }
}

/// The texts at these ascending positions.
pub(super) fn texts_of(project: &Project, items: &Items, positions: &[u32], watch: &dyn Watch) -> Result<Vec<String>> {
    let mut texts = Vec::with_capacity(positions.len());
    let mut offset = 0;
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        while let Some(&position) = positions.get(texts.len()) {
            let Some(row) = (position as usize).checked_sub(offset).filter(|&row| row < batch.len()) else { break };
            unchanged(items, position as usize, batch.digest(row))?;
            texts.push(batch.text(row).to_owned());
        }
        offset += batch.len();
        watch.advance(batch.len() as u64);
        if texts.len() == positions.len() {
            break;
        }
        if watch.stopped() {
            return Err(Error::cancelled());
        }
    }
    if texts.len() < positions.len() {
        return Err(changed());
    }
    Ok(texts)
}

fn predict_rest(
    project: &Project,
    items: &Items,
    fitted: &Fitted,
    learned_from: &[bool],
    probabilities: &mut [f32],
    watch: &dyn Watch,
) -> Result<()> {
    if learned_from.iter().all(|&known| known) {
        return Ok(());
    }
    let labels = fitted.model.labels().len();
    watch.stage("predicting", Some(items.len() as u64));
    let mut offset = 0;
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        if offset + batch.len() > items.len() {
            return Err(changed());
        }
        let rows: Vec<usize> = (0..batch.len()).filter(|row| !learned_from[offset + row]).collect();
        let texts: Vec<&str> = rows.iter().map(|&row| batch.text(row)).collect();
        let predicted = fitted.model.predict_batch(&texts);
        for (place, &row) in rows.iter().enumerate() {
            unchanged(items, offset + row, batch.digest(row))?;
            let to = (offset + row) * labels;
            probabilities[to..to + labels].copy_from_slice(&predicted[place * labels..(place + 1) * labels]);
        }
        offset += batch.len();
        watch.advance(batch.len() as u64);
        if watch.stopped() {
            return Err(Error::cancelled());
        }
    }
    if offset < items.len() { Err(changed()) } else { Ok(()) }
}

fn unchanged(items: &Items, position: usize, digest: postil_core::Digest) -> Result<()> {
    if items.digest(position) == digest { Ok(()) } else { Err(changed().for_item(items.id(position))) }
}

fn changed() -> Error {
    Error::input("the items changed while they were being read").hint("run again: what was annotated is kept")
}
