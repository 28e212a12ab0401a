//! What the report says about each annotator.

use postil_core::audit::{GoldPart, effective_of_clusters, wilson};
use postil_core::{Class, Measured, Status, Task, TaskKind};

use super::summary::Findings;
use crate::report::AnnotatorRow;

/// Votes of one annotator, counted once over all decisions.
#[derive(Clone, Default)]
struct Record {
    decisions: u64,
    agreeing: u64,
    shared: u64,
    contradicted: u64,
    /// What it said of gold, by item: right, and all.
    gold: Vec<(u64, u64)>,
}

pub(super) fn annotators(findings: &Findings<'_>) -> Vec<AnnotatorRow> {
    let votes = &findings.ballots.votes;
    let mut truth = std::collections::HashMap::new();
    for (number, gold) in findings.gold.part(GoldPart::Measure).enumerate() {
        truth.extend(gold.truths(findings.decisions).map(|(decision, class)| (decision, (number, class))));
    }
    let mut records = vec![Record::default(); findings.annotated.identities.len()];
    for decision in 0..votes.decisions() {
        let ballots: Vec<(u32, Class)> = leading(votes.of(decision));
        for &(annotator, class) in &ballots {
            let record = &mut records[annotator as usize];
            record.decisions += 1;
            record.agreeing += u64::from(class == findings.labels.given[decision]);
            record.shared += u64::from(ballots.iter().any(|other| other.0 != annotator));
            record.contradicted += u64::from(ballots.iter().any(|other| other.0 != annotator && other.1 != class));
            if let Some((number, truth)) = truth.get(&decision) {
                if record.gold.len() <= *number {
                    record.gold.resize(number + 1, (0, 0));
                }
                record.gold[*number].0 += u64::from(*truth == class);
                record.gold[*number].1 += 1;
            }
        }
    }
    let task = &findings.project.task;
    findings
        .annotated
        .identities
        .iter()
        .zip(&findings.ballots.activities)
        .zip(records)
        .enumerate()
        .map(|(column, ((identity, activity), record))| {
            let share = |part: u64| if record.decisions > 0 { part as f64 / record.decisions as f64 } else { 0.0 };
            let status = |status: Status| activity.statuses[usize::from(status.code())];
            let mut labels: Vec<(String, u64)> =
                activity.labels.iter().map(|(&class, &count)| (task.labels.name(class).to_string(), count)).collect();
            labels.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
            let answered = status(Status::Ok);
            let accuracy = accuracy(&record, task);
            AnnotatorRow {
                name: identity.name.to_string(),
                kind: identity.kind.name().to_owned(),
                version: identity.version.short(),
                answered,
                coverage: answered as f64 / findings.items().max(1) as f64,
                abstained: status(Status::Abstained),
                malformed: status(Status::Malformed),
                refused: status(Status::Refused),
                failed: status(Status::Failed),
                agreement: share(record.agreeing),
                overlap: share(record.shared),
                conflict: share(record.contradicted),
                money: activity.cost.money_micros as f64 / 1e6,
                flags: flags(answered, findings.items(), &labels, &accuracy, task),
                accuracy,
                confidence: findings.confidences.summary(
                    column,
                    findings.annotated.routes.get(&identity.version).copied(),
                    findings.project.seed,
                ),
                labels,
            }
        })
        .collect()
}

/// How often an annotator is right on the measuring gold.
fn accuracy(record: &Record, task: &Task) -> Measured {
    let spoken: Vec<(f64, f64)> =
        record.gold.iter().filter(|(_, all)| *all > 0).map(|&(right, all)| (right as f64, all as f64)).collect();
    let (right, all): (f64, f64) = spoken.iter().fold((0.0, 0.0), |sums, one| (sums.0 + one.0, sums.1 + one.1));
    if all == 0.0 {
        return Measured::unknown("it answered no measuring gold item");
    }
    let share = right / all;
    if task.kind == TaskKind::Tag {
        let basis = format!("its tags of {all} tokens in {} of the measuring gold items", spoken.len());
        return Measured::known(share, wilson(share, effective_of_clusters(&spoken)), basis);
    }
    Measured::known(share, wilson(share, all), format!("its answers on {all} of the measuring gold items"))
}

/// The class each annotator gives most weight on one decision.
fn leading(votes: impl Iterator<Item = postil_core::votes::Vote>) -> Vec<(u32, Class)> {
    let mut leading: Vec<(u32, Class, f32)> = Vec::new();
    for vote in votes {
        match leading.iter_mut().find(|known| known.0 == vote.annotator) {
            Some(known) if vote.weight > known.2 => (known.1, known.2) = (vote.class, vote.weight),
            Some(_) => {}
            None => leading.push((vote.annotator, vote.class, vote.weight)),
        }
    }
    leading.into_iter().map(|(annotator, class, _)| (annotator, class)).collect()
}

fn flags(answered: u64, items: usize, labels: &[(String, u64)], accuracy: &Measured, task: &Task) -> Vec<String> {
    let mut flags = Vec::new();
    if answered == 0 {
        flags.push("never answered".to_owned());
    }
    // A one-sided rule that speaks rarely is meant to be constant; one that speaks about most items says nothing.
    if let Some((label, count)) = labels.first()
        && answered >= 20
        && *count as f64 >= 0.95 * answered as f64
        && answered as f64 > 0.5 * items as f64
    {
        flags.push(format!("nearly always says `{label}`"));
    }
    let chance = if task.kind == TaskKind::Multilabel { 0.5 } else { 1.0 / task.labels.len() as f64 };
    if let Measured::Known { high, .. } = accuracy
        && *high < chance
    {
        flags.push("worse than guessing".to_owned());
    }
    flags
}
