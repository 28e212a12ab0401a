//! What a scan shows: answers of one annotator about consecutive items, in columns.

use std::sync::Arc;

use arrow_array::StringArray;

use super::columns::{Columns, Items};
use super::fingerprint::{Said, row_digest};
use crate::annotation::{Annotation, Cost, Status};
use crate::answer::Answer;
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::task::Name;

/// Annotations of one annotator in columns.
///
/// Equal answers are stored once: a consumer looks at each of [`answers`](Self::answers) once and then only moves
/// [`answer_codes`](Self::answer_codes), which is what makes ten million votes a second possible.
#[derive(Debug)]
pub struct AnnotationBatch {
    annotator: Digest,
    items: Arc<Items>,
    columns: Columns,
    answers: Vec<Answer>,
}

impl AnnotationBatch {
    pub(super) fn new(annotator: Digest, items: Arc<Items>, columns: Columns) -> Result<Self> {
        let unreadable = |error| Error::ledger("a stored answer cannot be read").because(error);
        let parse = |text: &Arc<str>| serde_json::from_str(text).map_err(unreadable);
        let answers = columns.answers.texts.iter().map(parse).collect::<Result<_>>()?;
        if let Some(status) = columns.statuses.iter().find(|status| Status::from_code(**status).is_none()) {
            return Err(Error::ledger(format!("expected a known status code, found {status}")));
        }
        Ok(Self { annotator, items, columns, answers })
    }

    /// The version of the annotator.
    pub fn annotator(&self) -> Digest {
        self.annotator
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.columns.statuses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of the items.
    pub fn items(&self) -> &StringArray {
        &self.items.ids
    }

    /// The digests of the items' contents.
    pub fn contents(&self) -> &[Digest] {
        &self.items.contents
    }

    /// Equal for two batches of one scan only if they speak of the same items in the same order. A scan shows batches
    /// about the same items one after the other, so that what was worked out about the items can be kept.
    pub fn items_identity(&self) -> Digest {
        self.items.identity
    }

    /// Per row, the position of its answer in [`answers`](Self::answers).
    pub fn answer_codes(&self) -> &[u32] {
        &self.columns.answers.codes
    }

    /// The different answers of this batch. Some may be used by no row.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// The answer of a row.
    pub fn answer(&self, row: usize) -> &Answer {
        &self.answers[self.columns.answers.codes[row] as usize]
    }

    /// Per row, the code of its [`Status`]; always one of [`Status::ALL`].
    pub fn status_codes(&self) -> &[u8] {
        &self.columns.statuses
    }

    /// The status of a row.
    pub fn status(&self, row: usize) -> Status {
        Status::from_code(self.columns.statuses[row]).expect("status codes are checked when a batch is made")
    }

    /// Per row the annotator's own confidence; empty if no row has one.
    pub fn confidences(&self) -> &[Option<f32>] {
        &self.columns.confidences
    }

    /// The distribution of a row.
    pub fn distribution(&self, row: usize) -> Result<Option<Vec<(Name, f32)>>> {
        let (Some(labels), Some(weights)) = (self.columns.labels.get(row), self.columns.weights(row)) else {
            return Ok(None);
        };
        let labels: Vec<Name> = serde_json::from_str(labels)
            .map_err(|error| Error::ledger("stored labels cannot be read").because(error))?;
        if labels.len() != weights.len() {
            return Err(Error::ledger(format!("expected {} weights, found {}", labels.len(), weights.len())));
        }
        Ok(Some(labels.into_iter().zip(weights.iter().copied()).collect()))
    }

    /// Whether a suggested answer was on the screen.
    pub fn suggestion_shown(&self, row: usize) -> bool {
        self.columns.suggestions.get(row).copied().unwrap_or(false)
    }

    /// The probability with which the item was drawn for this annotator.
    pub fn inclusion_probability(&self, row: usize) -> Option<f64> {
        self.columns.inclusions.get(row).copied().flatten()
    }

    /// The evidence of a row. Like cost, time and seed, only read with [`Detail::Full`](super::Detail::Full).
    pub fn evidence(&self, row: usize) -> Option<&str> {
        self.columns.evidence.get(row).map(AsRef::as_ref)
    }

    /// The cost of a row.
    pub fn cost(&self, row: usize) -> Cost {
        self.columns.costs.get(row).copied().unwrap_or_default()
    }

    /// When a row was answered, in milliseconds since 1970 (UTC).
    pub fn at_millis(&self, row: usize) -> i64 {
        self.columns.at_millis.get(row).copied().unwrap_or_default()
    }

    /// The seed of a row.
    pub fn seed(&self, row: usize) -> u64 {
        self.columns.seeds.get(row).copied().unwrap_or_default()
    }

    /// One row as an annotation of its own. Complete only with [`Detail::Full`](super::Detail::Full).
    pub fn annotation(&self, row: usize) -> Result<Annotation> {
        Ok(Annotation {
            item: self.items.ids.value(row).into(),
            content: self.items.contents[row],
            annotator: self.annotator,
            answer: self.answer(row).clone(),
            status: self.status(row),
            distribution: self.distribution(row)?,
            confidence: self.columns.confidences.get(row).copied().flatten(),
            cost: self.cost(row),
            at_millis: self.at_millis(row),
            seed: self.seed(row),
            evidence: self.evidence(row).map(str::to_owned),
            suggestion_shown: self.suggestion_shown(row),
            inclusion_probability: self.inclusion_probability(row),
        })
    }

    pub(super) fn row_digest(&self, row: usize) -> Result<Digest> {
        let said = Said {
            annotator: self.annotator,
            answer: self.columns.answers.get(row).map_or("", AsRef::as_ref),
            status: self.columns.statuses[row],
            confidence: self.columns.confidences.get(row).copied().flatten(),
            distribution: self.distribution(row)?.as_deref(),
            cost: self.cost(row),
            seed: self.seed(row),
            evidence: self.evidence(row),
            suggestion_shown: self.suggestion_shown(row),
            inclusion_probability: self.inclusion_probability(row),
        }
        .digest(&mut Vec::new());
        Ok(row_digest(self.items.ids.value(row), self.items.contents[row], said))
    }
}
