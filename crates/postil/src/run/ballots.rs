//! From a ledger snapshot to votes over decisions.
//!
//! In a multi-label task a set answers every label; a single label answers only itself, because a one-sided source that
//! names one label has not looked at the others. In a task of tags an answer is about the tokens that it names, and a span
//! of several tokens says the same of each.

use std::collections::BTreeMap;

use postil_core::ledger::{Detail, Snapshot};
use postil_core::text::align;
use postil_core::votes::{Votes, VotesBuilder};
use postil_core::{AnnotatorIdentity, Answer, Class, Cost, Document, Result, Span, SpanLabel, Status, Task, TaskKind};

use super::confidence::Confidences;
use super::decisions::Decisions;
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
    /// The votes, as they were cast.
    pub votes: Votes,
    /// The same with probabilities in the place of certainty, where confidences were found to tell something.
    believed: Option<Votes>,
    /// One per annotator, in the order given.
    pub activities: Vec<Activity>,
    /// Annotations read.
    pub annotations: u64,
    /// Spans that were answered about tokens and hold none.
    pub misplaced: u64,
}

impl Ballots {
    /// The votes that consensus reads.
    pub(super) fn believed(&self) -> &Votes {
        self.believed.as_ref().unwrap_or(&self.votes)
    }
}

/// What an answer says about the decisions of its item.
pub(super) enum Ballot {
    Nothing,
    One(Class),
    Shares(Vec<(Class, f64)>),
    Label(Class),
    Labels(Vec<Class>),
    Tags(Vec<Class>),
    Spans(Vec<(Span, Vec<Class>)>),
}

/// Reads the votes of these annotators on these items; annotations of other items are passed over.
pub(super) fn read(
    snapshot: &Snapshot,
    annotators: &[AnnotatorIdentity],
    task: &Task,
    items: &Items,
    (decisions, documents): (&Decisions, &[Document]),
    confidences: &Confidences,
    seed: u64,
) -> Result<Ballots> {
    let places = || (0..items.len()).flat_map(|item| (0..decisions.of(item).len()).map(move |place| (item, place)));
    let keys = places().map(|(item, place)| items.digest(item).to_u64() ^ seed ^ place as u64).collect();
    let mut builder = VotesBuilder::new(decisions.classes()).keys(keys);
    if task.kind == TaskKind::Multilabel {
        builder = builder.strata(places().map(|(_, place)| place as u16).collect());
    }
    let mut soft = (0..annotators.len()).any(|column| confidences.is_believed(column)).then(|| builder.clone());
    let mut activities = Vec::with_capacity(annotators.len());
    let (mut annotations, mut misplaced) = (0, 0);
    // Batches about the same items come one after the other: their positions are looked up once.
    let mut looked_up = (None, Vec::new());
    for (column, annotator) in annotators.iter().enumerate() {
        let mut activity = Activity::default();
        snapshot.scan_of(annotator.version, Detail::Full, |batch| {
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
                match ballot {
                    Ballot::Tags(_) | Ballot::Spans(_) => {
                        let first = decisions.of(position as usize).start as u32;
                        let document = &documents[position as usize];
                        let cast = cast_tokens(&mut builder, &mut activity, ballot, document, first, column as u32)?;
                        misplaced += cast;
                    }
                    _ => {
                        cast(&mut builder, &mut activity, ballot, position, column as u32, task)?;
                        let Some(soft) = &mut soft else { continue };
                        let parts = confidences.believed(column, batch, row, task)?;
                        if parts.is_empty() {
                            cast(soft, &mut Activity::default(), ballot, position, column as u32, task)?;
                        }
                        for (offset, class, right) in parts {
                            let decision = decisions.of(position as usize).start + offset;
                            let shares = [(class, right), (1 - class, 1.0 - right)];
                            soft.push_soft(decision as u32, column as u32, &shares)?;
                        }
                    }
                }
            }
            Ok(())
        })?;
        activities.push(activity);
    }
    let votes = builder.build(decisions.len(), annotators.len())?;
    let believed = soft.map(|soft| soft.build(decisions.len(), annotators.len())).transpose()?;
    Ok(Ballots { votes, believed, activities, annotations, misplaced })
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
        // Where a side must be chosen, neither says nothing.
        (Answer::Preference { choice, .. }, _) => task.labels.class(choice.name()).map_or(Ballot::Nothing, Ballot::One),
        (Answer::Tags { tags }, TaskKind::Tag) => Ballot::Tags(classes(tags)?),
        (Answer::Spans { spans, .. }, TaskKind::Tag) => Ballot::Spans(
            spans
                .iter()
                .map(|span| {
                    let classes = match task.labels.span_label(&span.label) {
                        Some(SpanLabel::One(class)) => vec![class],
                        Some(SpanLabel::OneOf(classes)) => classes,
                        // That a token has some tag is known before.
                        Some(SpanLabel::Any | SpanLabel::Nothing) => Vec::new(),
                        None => vec![task.labels.expect(&span.label)?],
                    };
                    Ok((span.clone(), classes))
                })
                .collect::<Result<_>>()?,
        ),
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
        Ballot::Nothing | Ballot::Tags(_) | Ballot::Spans(_) => Ok(()),
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

/// Votes about the tokens of an item, whose first decision is given; the number of spans that hold no token.
fn cast_tokens(
    builder: &mut VotesBuilder,
    activity: &mut Activity,
    ballot: &Ballot,
    document: &Document,
    first: u32,
    column: u32,
) -> Result<u64> {
    match ballot {
        Ballot::Tags(tags) if tags.len() == document.tokens.len() => {
            for (decision, &class) in (first..).zip(tags) {
                *activity.labels.entry(class).or_default() += 1;
                builder.push(decision, column, class)?;
            }
            Ok(0)
        }
        Ballot::Spans(spans) => {
            let given: Vec<Span> = spans.iter().map(|(span, _)| span.clone()).collect();
            let mut left_out = 0;
            let mut said: Vec<Vec<Class>> = vec![Vec::new(); document.tokens.len()];
            for (span, (_, classes)) in given.iter().zip(spans) {
                let aligned = align(&document.text, &document.tokens, std::slice::from_ref(span));
                left_out += u64::from(aligned.all.is_empty());
                for place in aligned.all.iter().flat_map(|span| span.start..span.end) {
                    let said = &mut said[place as usize];
                    said.extend(classes.iter().filter(|class| !said.contains(class)).copied().collect::<Vec<_>>());
                }
            }
            for (decision, said) in (first..).zip(said) {
                for class in &said {
                    *activity.labels.entry(*class).or_default() += 1;
                }
                match said.as_slice() {
                    [] => {}
                    [class] => builder.push(decision, column, *class)?,
                    several => {
                        let share = 1.0 / several.len() as f64;
                        let shares: Vec<(Class, f64)> = several.iter().map(|&class| (class, share)).collect();
                        builder.push_soft(decision, column, &shares)?;
                    }
                }
            }
            Ok(left_out)
        }
        _ => Ok(1),
    }
}
