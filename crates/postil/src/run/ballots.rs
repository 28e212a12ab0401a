//! From a ledger snapshot to votes over decisions.
//!
//! In a single-label task an item is one decision. In a multi-label task every pair of item and label is one, with the
//! classes no and yes. A set answers every label; a single label answers only itself, because a one-sided source that
//! names one label has not looked at the others.

use std::collections::BTreeMap;

use postil_core::ledger::{Detail, Snapshot};
use postil_core::votes::{Votes, VotesBuilder};
use postil_core::{Answer, Class, Cost, Digest, Result, Status, Task, TaskKind};

use super::items::Items;

/// What one annotator did, counted over the items of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    /// Answers by status, in the order of [`Status::ALL`].
    pub statuses: [u64; Status::ALL.len()],
    /// How often each label was named.
    pub labels: BTreeMap<Class, u64>,
    /// What it cost.
    pub cost: Cost,
}

/// The votes of a snapshot and what each annotator did.
pub(super) struct Ballots {
    /// The votes.
    pub votes: Votes,
    /// One per annotator, in the order given.
    pub activities: Vec<Activity>,
    /// Annotations read.
    pub annotations: u64,
}

/// The number of decisions per item.
pub(super) fn decisions_per_item(task: &Task) -> usize {
    if task.kind == TaskKind::Multilabel { task.labels.len() } else { 1 }
}

/// The number of classes of one decision.
pub(super) fn classes_per_decision(task: &Task) -> usize {
    if task.kind == TaskKind::Multilabel { 2 } else { task.labels.len() }
}

/// What an answer says about the decisions of its item.
pub(super) enum Ballot {
    Nothing,
    One(Class),
    Shares(Vec<(Class, f64)>),
    Label(Class),
    Labels(Vec<Class>),
}

/// Reads the votes of these annotators on these items; annotations of other items are passed over.
pub(super) fn read(
    snapshot: &Snapshot,
    annotators: &[Digest],
    task: &Task,
    items: &Items,
    seed: u64,
) -> Result<Ballots> {
    let per_item = decisions_per_item(task);
    let keys = (0..items.len() * per_item)
        .map(|decision| items.digest(decision / per_item).to_u64() ^ seed ^ (decision % per_item) as u64)
        .collect();
    let mut builder = VotesBuilder::new(classes_per_decision(task)).keys(keys);
    if per_item > 1 {
        builder = builder.strata((0..items.len() * per_item).map(|decision| (decision % per_item) as u16).collect());
    }
    let mut activities = Vec::with_capacity(annotators.len());
    let mut annotations = 0;
    // Batches about the same items come one after the other: their positions are looked up once.
    let mut looked_up = (None, Vec::new());
    for (column, annotator) in annotators.iter().enumerate() {
        let mut activity = Activity::default();
        snapshot.scan_of(*annotator, Detail::Full, |batch| {
            if looked_up.0 != Some(batch.items_identity()) {
                let positions = batch.items().iter().zip(batch.contents());
                looked_up.1 = positions.map(|(id, digest)| items.position(id.unwrap_or(""), *digest)).collect();
                looked_up.0 = Some(batch.items_identity());
            }
            let ballots = batch.answers().iter().map(|answer| ballot(answer, task)).collect::<Result<Vec<Ballot>>>()?;
            for (row, position) in looked_up.1.iter().enumerate() {
                let Some(position) = *position else { continue };
                annotations += 1;
                let status = batch.status(row);
                activity.statuses[usize::from(status.code())] += 1;
                activity.cost = activity.cost + batch.cost(row);
                if status != Status::Ok {
                    continue;
                }
                let ballot = &ballots[batch.answer_codes()[row] as usize];
                cast(&mut builder, &mut activity, ballot, position, column as u32, task)?;
            }
            Ok(())
        })?;
        activities.push(activity);
    }
    let votes = builder.build(items.len() * per_item, annotators.len())?;
    Ok(Ballots { votes, activities, annotations })
}

pub(super) fn ballot(answer: &Answer, task: &Task) -> Result<Ballot> {
    let classes = |labels: &[postil_core::Name]| {
        labels.iter().map(|label| task.labels.expect(label)).collect::<Result<Vec<Class>>>()
    };
    Ok(match (answer, task.kind) {
        (Answer::Class { label }, TaskKind::Multilabel) => Ballot::Label(task.labels.expect(label)?),
        (Answer::Set { labels }, TaskKind::Multilabel) => Ballot::Labels(classes(labels)?),
        (Answer::Class { label } | Answer::Ordinal { label, .. }, _) => Ballot::One(task.labels.expect(label)?),
        (Answer::Candidates { labels }, _) => {
            let classes = classes(labels)?;
            let share = 1.0 / classes.len().max(1) as f64;
            Ballot::Shares(classes.into_iter().map(|class| (class, share)).collect())
        }
        (Answer::Distribution { weights }, _) => Ballot::Shares(
            weights
                .iter()
                .map(|(label, weight)| Ok((task.labels.expect(label)?, *weight)))
                .collect::<Result<Vec<(Class, f64)>>>()?,
        ),
        _ => Ballot::Nothing,
    })
}

fn cast(
    builder: &mut VotesBuilder,
    activity: &mut Activity,
    ballot: &Ballot,
    position: u32,
    column: u32,
    task: &Task,
) -> Result<()> {
    let labels = task.labels.len() as u32;
    match ballot {
        Ballot::Nothing => Ok(()),
        Ballot::One(class) => {
            *activity.labels.entry(*class).or_default() += 1;
            builder.push(position, column, *class)
        }
        Ballot::Shares(shares) => {
            if let Some((class, _)) =
                shares.iter().max_by(|left, right| left.1.total_cmp(&right.1).then(right.0.cmp(&left.0)))
            {
                *activity.labels.entry(*class).or_default() += 1;
            }
            builder.push_soft(position, column, shares)
        }
        Ballot::Label(label) => {
            *activity.labels.entry(*label).or_default() += 1;
            builder.push(position * labels + u32::from(*label), column, 1)
        }
        Ballot::Labels(given) => {
            for label in 0..labels {
                let applies = given.contains(&(label as Class));
                if applies {
                    *activity.labels.entry(label as Class).or_default() += 1;
                }
                builder.push(position * labels + label, column, Class::from(applies))?;
            }
            Ok(())
        }
    }
}
