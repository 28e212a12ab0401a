//! A project's stored answers one by one, for those who replay them.

use std::collections::HashMap;

use arrow_array::Array;
use postil_core::ledger::{Access, Detail, Ledger};
use postil_core::{AnnotatorKind, Class, Digest, Error, Result, Status, TaskKind};

use super::ballots::{self, Ballot};
use super::gold::GoldFile;
use super::items::Items;
use super::{GOLD, drawn_probabilities, open_items};
use crate::project::Project;

/// One answer.
#[derive(Clone, Copy, Debug)]
pub struct StoredAnswer {
    /// The item's position.
    pub item: u32,
    /// The annotator's position.
    pub annotator: u32,
    /// The label; of an answer that names several the one with the most weight. `None` for an abstention, a refusal or
    /// a reply that could not be read.
    pub label: Option<Class>,
    /// How sure the annotator was.
    pub confidence: Option<f32>,
    /// What it cost.
    pub money: f64,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct StoredAnswers {
    /// Ids of the items, in the source's order.
    pub items: Vec<String>,
    /// Names of the annotators, and whether each is a person. Of several versions of one annotator the latest.
    pub annotators: Vec<(String, bool)>,
    /// The answers.
    pub answers: Vec<StoredAnswer>,
    /// Gold: item, class and, if it is known, the probability with which the item was drawn.
    pub gold: Vec<(u32, Class, Option<f64>)>,
}

/// Reads the answers in a project's ledger about the items it has now, and its gold. Nothing is asked or written.
///
/// # Errors
/// A task without one label per item, items or a ledger that cannot be read.
pub fn stored_answers(project: &Project) -> Result<StoredAnswers> {
    let task = &project.task;
    if !matches!(task.kind, TaskKind::Classify | TaskKind::Ordinal) {
        return Err(Error::unavailable(format!(
            "answers of a project of kind `{}` cannot yet be replayed one by one",
            task.kind.name()
        ))
        .hint("export its answers as a table with item, annotator and label"));
    }
    let mut items = Items::default();
    for batch in open_items(project, false, None)? {
        items.add(&batch?);
    }
    let ledger = Ledger::open(project.ledger(), Access::Read)?;
    // They come in the order in which they were registered, which no clock can turn round.
    let mut latest: HashMap<String, (Digest, bool)> = HashMap::new();
    for one in ledger.annotators()? {
        let identity = &one.identity;
        if &*identity.name != GOLD {
            latest.insert(identity.name.to_string(), (identity.version, identity.kind == AnnotatorKind::Person));
        }
    }
    let mut named: Vec<(String, Digest, bool)> =
        latest.into_iter().map(|(name, (version, person))| (name, version, person)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let snapshot = ledger.snapshot(&named.iter().map(|one| one.1).collect::<Vec<_>>())?;
    let mut answers = Vec::new();
    for (annotator, (_, version, _)) in named.iter().enumerate() {
        snapshot.scan_of(*version, Detail::Full, |batch| {
            let ballots =
                batch.answers().iter().map(|answer| ballots::ballot(answer, task)).collect::<Result<Vec<Ballot>>>()?;
            for row in 0..batch.len() {
                let id = if batch.items().is_valid(row) { batch.items().value(row) } else { "" };
                let Some(item) = items.position(id, batch.contents()[row]) else { continue };
                let label = match &ballots[batch.answer_codes()[row] as usize] {
                    Ballot::One(class) if batch.status(row) == Status::Ok => Some(*class),
                    Ballot::Shares(shares) if batch.status(row) == Status::Ok => shares
                        .iter()
                        .max_by(|left, right| left.1.total_cmp(&right.1).then(right.0.cmp(&left.0)))
                        .map(|one| one.0),
                    _ => None,
                };
                let money = batch.cost(row).money_micros as f64 * 1e-6;
                let confidence = batch.confidences().get(row).copied().flatten();
                answers.push(StoredAnswer { item, annotator: annotator as u32, label, confidence, money });
            }
            Ok(())
        })?;
    }
    let drawn = drawn_probabilities(&ledger.draws(GOLD)?);
    let by_id = items.by_id();
    let gold = GoldFile::read(project)?
        .labels
        .into_iter()
        .filter_map(|one| {
            let probability = one.probability.or_else(|| drawn.get(&one.item).copied());
            Some((*by_id.get(one.item.as_str())?, one.class()?, probability))
        })
        .collect();
    Ok(StoredAnswers {
        items: (0..items.len()).map(|position| items.id(position).to_owned()).collect(),
        annotators: named.into_iter().map(|(name, _, person)| (name, person)).collect(),
        answers,
        gold,
    })
}
