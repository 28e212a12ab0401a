//! From a ledger snapshot to what was said about every field.

use arrow_array::Array;
use postil_core::ledger::{Detail, Snapshot};
use postil_core::record::{RecordSchema, Said};
use postil_core::{Answer, Digest, Result, Span, Status};
use serde_json::Value;

use super::super::ballots::Activity;
use super::super::items::Items;

/// How an annotator fared on one field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldCounts {
    /// Items about whose field it said something that could be used.
    pub(super) answered: u64,
    /// Of these, that the text does not say.
    pub(super) absent: u64,
    /// Values whose quote is not in the text.
    pub(super) not_in_text: u64,
    /// Values that the field may not hold.
    pub(super) unusable: u64,
}

/// What was said, by decision: item after item, field after field.
pub(super) struct Claims {
    pub(super) said: Vec<Said>,
    /// The values that were named, by their number.
    pub(super) values: Vec<Vec<Value>>,
    /// Where annotators saw them.
    pub(super) evidence: Vec<Vec<(u32, Vec<Span>)>>,
    pub(super) activities: Vec<Activity>,
    /// By annotator and field.
    pub(super) counts: Vec<Vec<FieldCounts>>,
    pub(super) annotations: u64,
}

impl Claims {
    /// Reads what these annotators said about these items.
    pub(super) fn read(
        snapshot: &Snapshot,
        annotators: &[Digest],
        schema: &RecordSchema,
        items: &Items,
    ) -> Result<Self> {
        let fields = schema.fields();
        let decisions = items.len() * fields.len();
        let mut claims = Self {
            said: vec![Said::new(); decisions],
            values: vec![Vec::new(); decisions],
            evidence: vec![Vec::new(); decisions],
            activities: Vec::new(),
            counts: vec![vec![FieldCounts::default(); fields.len()]; annotators.len()],
            annotations: 0,
        };
        for (annotator, version) in annotators.iter().enumerate() {
            let mut activity = Activity::default();
            snapshot.scan_of(*version, Detail::Full, |batch| {
                for row in 0..batch.len() {
                    let id = if batch.items().is_valid(row) { batch.items().value(row) } else { "" };
                    let Some(position) = items.position(id, batch.contents()[row]) else { continue };
                    claims.annotations += 1;
                    activity.statuses[usize::from(batch.status(row).code())] += 1;
                    activity.cost = activity.cost + batch.cost(row);
                    if batch.status(row) == Status::Ok {
                        claims.add(annotator as u32, position as usize * fields.len(), batch.answer(row), schema);
                    }
                }
                Ok(())
            })?;
            claims.activities.push(activity);
        }
        Ok(claims)
    }

    fn add(&mut self, annotator: u32, first: usize, answer: &Answer, schema: &RecordSchema) {
        let Answer::Record { fields, evidence, rejected } = answer else { return };
        for (place, field) in schema.fields().iter().enumerate() {
            let counts = &mut self.counts[annotator as usize][place];
            for refused in rejected.iter().filter(|refused| refused.field == field.name) {
                counts.not_in_text += u64::from(refused.not_in_text);
                counts.unusable += u64::from(!refused.not_in_text);
            }
            let Some(value) = fields.get(&*field.name) else { continue };
            counts.answered += 1;
            counts.absent += u64::from(value.is_null());
            let decision = first + place;
            let known = &mut self.values[decision];
            let number = known.iter().position(|one| one == value).unwrap_or_else(|| {
                known.push(value.clone());
                known.len() - 1
            });
            // Of several records of one annotator the last counts.
            self.said[decision].retain(|one| one.0 != annotator);
            self.said[decision].push((annotator, number as u32));
            let spans: Vec<Span> = evidence.iter().filter(|span| span.label == field.name).cloned().collect();
            self.evidence[decision].retain(|one| one.0 != annotator);
            if !spans.is_empty() {
                self.evidence[decision].push((annotator, spans));
            }
        }
    }

    /// Where the first annotator that named a value saw it.
    pub(super) fn places(&self, decision: usize, value: u32) -> &[Span] {
        let named = |annotator: u32| self.said[decision].contains(&(annotator, value));
        self.evidence[decision].iter().find(|(annotator, _)| named(*annotator)).map_or(&[], |(_, spans)| spans)
    }
}
