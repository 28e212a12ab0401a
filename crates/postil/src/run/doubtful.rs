//! The items that a person should read first.

use postil_core::items::PairText;
use postil_core::{Class, Result, TaskKind};

use super::Watch;
use super::learn::texts_of;
use super::summary::{Findings, join_labels};
use crate::report::DoubtfulItem;

/// The doubtful items shown.
const DOUBTFUL: usize = 20;
/// The characters of a text shown.
const EXCERPT: usize = 400;

/// The items, gold aside, whose labels are least certain.
pub(super) fn doubtful(findings: &Findings<'_>, watch: &dyn Watch) -> Result<Vec<DoubtfulItem>> {
    let known: std::collections::HashSet<u32> = findings.gold.labels.iter().map(|gold| gold.position).collect();
    let free = (0..findings.items() as u32).filter(|position| !known.contains(position));
    let order = least_certain(free.map(|position| (findings.confidence_of(position as usize), position)), DOUBTFUL);
    let mut positions: Vec<u32> = order.iter().map(|&(_, position)| position).collect();
    positions.sort_unstable();
    let texts = texts_of(findings.project, &findings.annotated.items, &positions, watch)?;
    order
        .iter()
        .map(|&(_, position)| {
            let text = positions.binary_search(&position).map_or("", |place| &texts[place]);
            Ok(doubtful_item(findings, position as usize, text))
        })
        .collect()
}

/// The so many that are least certain, the least certain first; of equals the earlier.
pub(super) fn least_certain(all: impl Iterator<Item = (f32, u32)>, count: usize) -> Vec<(f32, u32)> {
    let by_doubt = |left: &(f32, u32), right: &(f32, u32)| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1));
    let mut order: Vec<(f32, u32)> = all.collect();
    if count < order.len() {
        order.select_nth_unstable_by(count, by_doubt);
        order.truncate(count);
    }
    order.sort_unstable_by(by_doubt);
    order
}

fn doubtful_item(findings: &Findings<'_>, item: usize, text: &str) -> DoubtfulItem {
    let (task, labels, votes) = (&findings.project.task, findings.labels, &findings.ballots.votes);
    let several = task.kind == TaskKind::Multilabel;
    let decisions = findings.decisions.of(item);
    let mut posterior: Vec<(String, f64)> = (0..task.labels.len())
        .map(|class| {
            let probability = if several { labels.of(decisions.start + class)[1] } else { labels.of(item)[class] };
            (task.labels.name(class as Class).to_string(), f64::from(probability))
        })
        .collect();
    posterior.sort_by(|left, right| right.1.total_cmp(&left.1));
    posterior.truncate(3);
    let mut answers: Vec<(String, String)> = Vec::new();
    for (column, identity) in findings.annotated.identities.iter().enumerate() {
        let mut said: Option<Vec<&str>> = None;
        for (place, decision) in decisions.clone().enumerate() {
            for vote in votes.of(decision).filter(|vote| vote.annotator as usize == column) {
                let said = said.get_or_insert_with(Vec::new);
                if !several {
                    said.push(task.labels.name(vote.class));
                } else if vote.class == 1 {
                    said.push(task.labels.name(place as Class));
                }
            }
        }
        if let Some(said) = said {
            let said =
                if said.is_empty() { "none".to_owned() } else { said.join(if several { " | " } else { " or " }) };
            answers.push((identity.name.to_string(), said));
        }
    }
    let answered = answers.len();
    if let Ok(learned) = findings.learned {
        let row = &learned.probabilities[item * task.labels.len()..(item + 1) * task.labels.len()];
        let said = if several {
            let applying: Vec<Class> =
                (0..row.len()).filter(|&label| row[label] >= 0.5).map(|label| label as Class).collect();
            join_labels(task, &applying)
        } else {
            let class = crate::score::decide(row);
            format!("{} ({:.2})", task.labels.name(class), row[usize::from(class)])
        };
        answers.push(("student".to_owned(), said));
    }
    let distinct: std::collections::BTreeSet<&String> = answers.iter().take(answered).map(|(_, said)| said).collect();
    let reason = match (answered, distinct.len()) {
        (0, _) => "no annotator answered",
        (1, _) => "a single answer",
        (_, 1) => "the annotators agree, the model does not",
        _ => "the annotators disagree",
    };
    let text = if task.kind == TaskKind::Pairs { &PairText::read(text).plain() } else { text };
    let mut excerpt: String = text.chars().take(EXCERPT).collect();
    if text.chars().nth(EXCERPT).is_some() {
        excerpt.push('…');
    }
    DoubtfulItem {
        id: findings.annotated.items.id(item).to_owned(),
        field: None,
        text: excerpt,
        spans: Vec::new(),
        label: findings.label_of(item),
        posterior,
        answers,
        reason: reason.to_owned(),
    }
}
