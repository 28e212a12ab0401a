//! From a ledger snapshot to what every annotator says about the tokens of every item.

use std::collections::BTreeMap;

use postil_annotators as annotators;
use postil_core::ledger::{Detail, Snapshot};
use postil_core::sequences::{Claim, Silence, What};
use postil_core::text::{Misaligned, Problem, align};
use postil_core::{AnnotatorIdentity, Answer, Class, Document, Result, Span, SpanLabel, Status, Task};

use super::super::ballots::Activity;
use super::super::items::Items;

/// What was said, on tokens, and what each annotator did.
pub(super) struct Claims {
    /// Item by item: annotator and claims.
    pub said: Vec<Vec<(u32, Vec<Claim>)>>,
    /// One per annotator, in the order given.
    pub activities: Vec<Activity>,
    /// Annotations read.
    pub annotations: u64,
    /// Items about which at least one annotator said something.
    pub answered: Vec<bool>,
    /// Spans that are not on tokens as they were given, by annotator: widened, and left out.
    pub misaligned: Vec<(u64, u64)>,
    /// The first of them.
    pub first_misaligned: Vec<(usize, u32, Misaligned)>,
}

/// How many misaligned spans are kept to be shown.
const SHOWN: usize = 10;

/// What an annotator's silence on a token means to the aggregators.
pub(super) const fn silence(silence: annotators::Silence) -> Silence {
    match silence {
        annotators::Silence::Abstain => Silence::Misses,
        annotators::Silence::Outside => Silence::Outside,
    }
}

/// Reads what these annotators said about these items.
pub(super) fn read(
    snapshot: &Snapshot,
    identities: &[AnnotatorIdentity],
    task: &Task,
    items: &Items,
    documents: &[Document],
) -> Result<Claims> {
    let mut claims: Vec<Vec<(u32, Vec<Claim>)>> = vec![Vec::new(); documents.len()];
    let mut found = Claims {
        said: Vec::new(),
        activities: Vec::with_capacity(identities.len()),
        annotations: 0,
        answered: vec![false; documents.len()],
        misaligned: vec![(0, 0); identities.len()],
        first_misaligned: Vec::new(),
    };
    for (column, identity) in identities.iter().enumerate() {
        let mut activity = Activity { labels: BTreeMap::new(), ..Activity::default() };
        snapshot.scan_of(identity.version, Detail::Full, |batch| {
            for (row, (id, digest)) in batch.items().iter().zip(batch.contents()).enumerate() {
                let Some(position) = items.position(id.unwrap_or(""), *digest) else { continue };
                found.annotations += 1;
                let status = batch.status(row);
                activity.statuses[usize::from(status.code())] += 1;
                activity.cost = activity.cost + batch.cost(row);
                let answer = &batch.answers()[batch.answer_codes()[row] as usize];
                let (Status::Ok, Answer::Spans { spans, .. }) = (status, answer) else { continue };
                let document = &documents[position as usize];
                let said = place(&mut found, column, position, document, spans, task, &mut activity)?;
                found.answered[position as usize] = true;
                claims[position as usize].push((column as u32, said));
            }
            Ok(())
        })?;
        found.activities.push(activity);
    }
    found.said = claims;
    Ok(found)
}

/// An annotator's spans on the tokens of a document.
fn place(
    found: &mut Claims,
    column: usize,
    position: u32,
    document: &Document,
    spans: &[Span],
    task: &Task,
    activity: &mut Activity,
) -> Result<Vec<Claim>> {
    let aligned = align(&document.text, &document.tokens, spans);
    for remark in aligned.remarks {
        match remark.problem {
            // The consensus decides between overlapping claims by itself.
            Problem::Overlaps => continue,
            Problem::Snapped => found.misaligned[column].0 += 1,
            _ => found.misaligned[column].1 += 1,
        }
        if found.first_misaligned.len() < SHOWN {
            found.first_misaligned.push((column, position, remark));
        }
    }
    aligned
        .all
        .iter()
        .map(|span| {
            let what = what(&span.label, task)?;
            match &what {
                What::Type(class) => *activity.labels.entry(*class).or_default() += 1,
                What::OneOf(classes) => {
                    classes.iter().for_each(|class| *activity.labels.entry(*class).or_default() += 1);
                }
                What::Nothing => {}
            }
            Ok(Claim { start: span.start, end: span.end, what })
        })
        .collect()
}

/// What a span's label claims.
fn what(label: &str, task: &Task) -> Result<What> {
    Ok(match task.labels.span_label(label) {
        Some(SpanLabel::One(class)) => What::Type(class),
        Some(SpanLabel::OneOf(classes)) => What::OneOf(classes),
        Some(SpanLabel::Any) => What::OneOf((0..task.labels.len() as Class).collect()),
        Some(SpanLabel::Nothing) => What::Nothing,
        None => What::Type(task.labels.expect(label)?),
    })
}
