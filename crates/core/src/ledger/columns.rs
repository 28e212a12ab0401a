//! Annotations of one annotator in columns: what segments hold, what a bulk buffer collects, what a scan shows.

use std::sync::Arc;

use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;

use super::fingerprint::FoldMap;
use crate::annotation::{Annotation, Cost, Status};
use crate::answer::Answer;
use crate::error::{Error, Result};
use crate::hash::Digest;

/// The code of a row without a text.
pub(super) const NONE: u32 = u32::MAX;

/// Which items, in which order. Annotators that saw the same items share one block of them.
#[derive(Debug)]
pub(super) struct Items {
    /// The digest of all ids and contents in order.
    pub(super) identity: Digest,
    pub(super) ids: StringArray,
    pub(super) contents: Vec<Digest>,
}

impl Items {
    pub(super) fn new(ids: StringArray, contents: Vec<Digest>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(contents.len() as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(ids.value_data().len() + 24 * contents.len());
        for (id, content) in ids.iter().flatten().zip(&contents) {
            bytes.extend_from_slice(&(id.len() as u64).to_le_bytes());
            bytes.extend_from_slice(id.as_bytes());
            bytes.extend_from_slice(content.as_bytes());
        }
        hasher.update(&bytes);
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self { identity: Digest::from_bytes(short), ids, contents }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = u128> {
        (0..self.contents.len()).map(|row| super::fingerprint::key(self.ids.value(row), self.contents[row]))
    }
}

/// Texts that repeat, and per row the number of its text or [`NONE`]. Without codes, no row has a text.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) codes: Vec<u32>,
    pub(super) texts: Vec<Arc<str>>,
}

impl Texts {
    pub(super) fn get(&self, row: usize) -> Option<&Arc<str>> {
        self.texts.get(*self.codes.get(row)? as usize)
    }
}

/// The answers of one annotator, beside [`Items`] of the same length.
///
/// Columns after `statuses` are empty when every row holds the default; most annotators leave most of them so.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) answers: Texts,
    pub(super) statuses: Vec<u8>,
    pub(super) confidences: Vec<Option<f32>>,
    /// The labels of each distribution as a JSON list.
    pub(super) labels: Texts,
    /// Where each row's weights end in `weights`; as long as `labels.codes`.
    pub(super) weight_ends: Vec<u32>,
    pub(super) weights: Vec<f32>,
    pub(super) evidence: Texts,
    pub(super) costs: Vec<Cost>,
    pub(super) at_millis: Vec<i64>,
    pub(super) seeds: Vec<u64>,
    pub(super) suggestions: Vec<bool>,
    pub(super) inclusions: Vec<Option<f64>>,
}

impl Columns {
    pub(super) fn weights(&self, row: usize) -> Option<&[f32]> {
        self.labels.get(row)?;
        let start = if row == 0 { 0 } else { self.weight_ends[row - 1] as usize };
        Some(&self.weights[start..self.weight_ends[row] as usize])
    }

    /// Only the rows at these places, in this order.
    pub(super) fn select(&self, rows: &[u32]) -> Self {
        fn pick<T: Copy>(column: &[T], rows: &[u32]) -> Vec<T> {
            if column.is_empty() { Vec::new() } else { rows.iter().map(|&row| column[row as usize]).collect() }
        }
        let texts = |texts: &Texts| Texts { codes: pick(&texts.codes, rows), texts: texts.texts.clone() };
        let mut weights = Vec::new();
        let mut weight_ends = Vec::new();
        if !self.labels.codes.is_empty() {
            for &row in rows {
                weights.extend_from_slice(self.weights(row as usize).unwrap_or_default());
                weight_ends.push(weights.len() as u32);
            }
        }
        Self {
            answers: texts(&self.answers),
            statuses: pick(&self.statuses, rows),
            confidences: pick(&self.confidences, rows),
            labels: texts(&self.labels),
            weight_ends,
            weights,
            evidence: texts(&self.evidence),
            costs: pick(&self.costs, rows),
            at_millis: pick(&self.at_millis, rows),
            seeds: pick(&self.seeds, rows),
            suggestions: pick(&self.suggestions, rows),
            inclusions: pick(&self.inclusions, rows),
        }
    }
}

/// Numbers texts in the order of their first appearance.
#[derive(Default)]
struct Interner {
    codes: FoldMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    bytes: usize,
}

impl Interner {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.codes.get(text) {
            return code;
        }
        let (text, code): (Arc<str>, u32) = (text.into(), self.texts.len() as u32);
        self.bytes += text.len();
        self.texts.push(text.clone());
        self.codes.insert(text, code);
        code
    }
}

/// One row whose texts have been numbered already.
pub(super) struct Row<'a> {
    pub(super) item: &'a str,
    pub(super) content: Digest,
    pub(super) answer: u32,
    pub(super) status: u8,
    pub(super) confidence: Option<f32>,
    pub(super) distribution: Option<(u32, &'a [f32])>,
    pub(super) evidence: u32,
    pub(super) cost: Cost,
    pub(super) at_millis: i64,
    pub(super) seed: u64,
    pub(super) suggestion_shown: bool,
    pub(super) inclusion_probability: Option<f64>,
}

/// Collects rows into [`Items`] and [`Columns`].
#[derive(Default)]
pub(super) struct ColumnsBuilder {
    ids: StringBuilder,
    contents: Vec<Digest>,
    columns: Columns,
    answers: Interner,
    labels: Interner,
    evidence: Interner,
    classes: FoldMap<Arc<str>, u32>,
    abstention: Option<u32>,
    scratch: Vec<f32>,
}

/// Appends to a column that stays empty as long as all its values are the default.
fn push<T: Copy + PartialEq>(column: &mut Vec<T>, rows_before: usize, value: T, default: T) {
    if column.is_empty() {
        if value == default {
            return;
        }
        column.resize(rows_before, default);
    }
    column.push(value);
}

impl ColumnsBuilder {
    pub(super) fn len(&self) -> usize {
        self.contents.len()
    }

    /// About how many bytes of text and weights are held.
    pub(super) fn bytes(&self) -> usize {
        self.ids.values_slice().len()
            + self.answers.bytes
            + self.labels.bytes
            + self.evidence.bytes
            + 4 * self.columns.weights.len()
    }

    /// The number of an answer. A class, the common case, is found by its label without writing it as JSON.
    fn answer_code(&mut self, answer: &Answer) -> u32 {
        match answer {
            Answer::Class { label } => {
                if let Some(&code) = self.classes.get(label) {
                    return code;
                }
                let code = self.answers.code(&answer_text(answer));
                self.classes.insert(label.clone(), code);
                code
            }
            Answer::Abstain => match self.abstention {
                Some(code) => code,
                None => *self.abstention.insert(self.answers.code(&answer_text(answer))),
            },
            _ => self.answers.code(&answer_text(answer)),
        }
    }

    pub(super) fn answer_text_code(&mut self, text: &str) -> u32 {
        self.answers.code(text)
    }

    pub(super) fn evidence_code(&mut self, text: Option<&str>) -> u32 {
        text.map_or(NONE, |text| self.evidence.code(text))
    }

    pub(super) fn labels_code(&mut self, text: &str) -> u32 {
        self.labels.code(text)
    }

    /// The stored text of a numbered answer.
    pub(super) fn answer_text(&self, code: u32) -> &str {
        &self.answers.texts[code as usize]
    }

    /// Adds an annotation and returns the numbers of its answer and its evidence.
    pub(super) fn push(&mut self, annotation: &Annotation) -> (u32, u32) {
        let answer = self.answer_code(&annotation.answer);
        let evidence = self.evidence_code(annotation.evidence.as_deref());
        let mut weights = std::mem::take(&mut self.scratch);
        weights.clear();
        let labels = annotation.distribution.as_ref().map(|distribution| {
            weights.extend(distribution.iter().map(|(_, weight)| *weight));
            self.labels.code(&labels_text(distribution.iter().map(|(label, _)| label.as_ref())))
        });
        self.push_row(&Row {
            item: &annotation.item,
            content: annotation.content,
            answer,
            status: annotation.status.code(),
            confidence: annotation.confidence,
            distribution: labels.map(|labels| (labels, weights.as_slice())),
            evidence,
            cost: annotation.cost,
            at_millis: annotation.at_millis,
            seed: annotation.seed,
            suggestion_shown: annotation.suggestion_shown,
            inclusion_probability: annotation.inclusion_probability,
        });
        self.scratch = weights;
        (answer, evidence)
    }

    pub(super) fn push_row(&mut self, row: &Row<'_>) {
        let before = self.contents.len();
        self.ids.append_value(row.item);
        self.contents.push(row.content);
        let columns = &mut self.columns;
        columns.answers.codes.push(row.answer);
        columns.statuses.push(row.status);
        push(&mut columns.confidences, before, row.confidence, None);
        let (labels, weights) = row.distribution.unwrap_or((NONE, &[]));
        push(&mut columns.labels.codes, before, labels, NONE);
        columns.weights.extend_from_slice(weights);
        push(&mut columns.weight_ends, before, columns.weights.len() as u32, 0);
        // A first distribution without any label leaves no weight behind, and still has an end.
        columns.weight_ends.resize(columns.labels.codes.len(), columns.weights.len() as u32);
        push(&mut columns.evidence.codes, before, row.evidence, NONE);
        push(&mut columns.costs, before, row.cost, Cost::default());
        push(&mut columns.at_millis, before, row.at_millis, 0);
        push(&mut columns.seeds, before, row.seed, 0);
        push(&mut columns.suggestions, before, row.suggestion_shown, false);
        push(&mut columns.inclusions, before, row.inclusion_probability, None);
    }

    pub(super) fn finish(mut self) -> (Items, Columns) {
        self.columns.answers.texts = self.answers.texts;
        self.columns.labels.texts = self.labels.texts;
        self.columns.evidence.texts = self.evidence.texts;
        (Items::new(self.ids.finish(), self.contents), self.columns)
    }
}

/// An answer as it is stored.
pub(super) fn answer_text(answer: &Answer) -> String {
    serde_json::to_string(answer).expect("answers have text keys and finite numbers, which JSON can hold")
}

/// The labels of a distribution as they are stored.
pub(super) fn labels_text<'a>(labels: impl Iterator<Item = &'a str>) -> String {
    serde_json::to_string(&labels.collect::<Vec<_>>()).expect("a list of texts is always JSON")
}

/// Refuses what no store could give back unchanged, or what contradicts itself.
pub(super) fn check(annotation: &Annotation) -> Result<()> {
    const LONGEST: usize = 64 << 20;
    let refuse = |message: String| Err(Error::ledger(message).for_item(annotation.item.as_ref()));
    if (annotation.status == Status::Ok) == matches!(annotation.answer, Answer::Abstain) {
        return refuse(format!(
            "expected an answer exactly when the status is `ok`, found {} with status `{}`",
            annotation.answer.kind_name(),
            annotation.status.name()
        ));
    }
    if let Some(confidence) = annotation.confidence
        && !(0.0..=1.0).contains(&confidence)
    {
        return refuse(format!("expected a confidence between 0 and 1, found {confidence}"));
    }
    if let Some(probability) = annotation.inclusion_probability
        && !(probability > 0.0 && probability <= 1.0)
    {
        return refuse(format!("expected an inclusion probability above 0 and at most 1, found {probability}"));
    }
    let given = annotation.distribution.iter().flatten().map(|(_, weight)| f64::from(*weight));
    let (weights, score): (&[(Arc<str>, f64)], _) = match &annotation.answer {
        Answer::Distribution { weights } => (weights, None),
        Answer::Ordinal { score, .. } => (&[], *score),
        _ => (&[], None),
    };
    let mut numbers = given.chain(weights.iter().map(|(_, weight)| *weight)).chain(score);
    if let Some(number) = numbers.find(|number| !number.is_finite()) {
        return refuse(format!("expected finite weights and scores, found {number}"));
    }
    if annotation.item.len().max(annotation.evidence.as_ref().map_or(0, String::len)) > LONGEST {
        return refuse(format!("expected an id and evidence of at most {LONGEST} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(answer: Answer) -> Annotation {
        Annotation::new("i".into(), Digest::of(b"i"), Digest::of(b"a"), answer)
    }

    #[test]
    fn defaults_take_no_room_and_a_late_value_fills_up() {
        let mut builder = ColumnsBuilder::default();
        builder.push(&annotation(Answer::class("a")));
        builder.push(&annotation(Answer::class("a")));
        builder.push(&Annotation { confidence: Some(0.5), ..annotation(Answer::class("b")) });
        builder.push(&Annotation { distribution: Some(vec![]), ..annotation(Answer::Abstain) });
        let (items, columns) = builder.finish();
        assert_eq!(items.contents.len(), 4);
        assert_eq!(columns.answers.codes, [0, 0, 1, 2]);
        assert_eq!(columns.confidences, [None, None, Some(0.5), None]);
        assert!(columns.costs.is_empty() && columns.evidence.codes.is_empty());
        assert_eq!((columns.weights(2), columns.weights(3)), (None, Some([].as_slice())));
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(check(&annotation(Answer::class("a"))).is_ok());
        let bad = [
            Annotation { status: Status::Failed, ..annotation(Answer::class("a")) },
            Annotation { status: Status::Ok, ..annotation(Answer::Abstain) },
            Annotation { confidence: Some(f32::NAN), ..annotation(Answer::class("a")) },
            Annotation { inclusion_probability: Some(0.0), ..annotation(Answer::class("a")) },
            Annotation { distribution: Some(vec![("a".into(), f32::INFINITY)]), ..annotation(Answer::class("a")) },
            annotation(Answer::Distribution { weights: vec![("a".into(), f64::NAN)] }),
            annotation(Answer::Ordinal { label: "a".into(), score: Some(f64::INFINITY) }),
        ];
        for annotation in bad {
            assert!(check(&annotation).unwrap_err().is_ledger(), "{annotation:?}");
        }
    }
}
