//! One score per item from a checklist: the labels of the task are questions, and what annotators think of each is weighed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::audit::{GoldPart, gold_part};
use postil_core::checklist::{Weights, compared, learn, spearman};
use postil_core::items::{AnswerOptions, read_truth};
use postil_core::ledger::{Detail, Snapshot};
use postil_core::table::TableWriter;
use postil_core::{AnnotatorIdentity, Answer, Digest, Error, Measured, Result, Status};

use super::items::Items;
use crate::project::Project;
use crate::report::{QuestionRow, ScoreSummary};

/// The file of the scores.
pub(super) const SCORES: &str = "scores.csv";
/// Fewer graded items than this are not learnt from.
const LEAST: usize = 30;

/// What people gave items as wholes.
#[derive(Default)]
pub(super) struct Grades {
    of: HashMap<String, f64>,
    /// The digest of all of them.
    pub version: Option<Digest>,
}

impl Grades {
    /// Reads the table that `score.gold` names: an item and a number in each row.
    ///
    /// # Errors
    /// A grade that is no number.
    pub(super) fn read(project: &Project) -> Result<Self> {
        let Some(path) = project.score.as_ref().and_then(|score| score.gold.as_ref()) else {
            return Ok(Self::default());
        };
        let mut options = AnswerOptions { strict: true, ..AnswerOptions::default() };
        options.item.splice(0..0, project.id.clone());
        options.label.splice(0..0, ["score", "grade", "rating"].map(str::to_owned));
        let table = read_truth(path, &options)?;
        let mut grades = Self::default();
        let mut parts = Vec::new();
        for (number, &label) in table.label.iter().enumerate() {
            let (item, text) = (table.items.get(number as u32), &table.labels[usize::from(label)]);
            let grade = text.trim().parse::<f64>().ok().filter(|grade| grade.is_finite()).ok_or_else(|| {
                Error::input(format!("expected a number as the grade, found `{text}`")).in_file(path).for_item(item)
            })?;
            parts.push(format!("{item}\0{grade}"));
            grades.of.insert(item.to_owned(), grade);
        }
        grades.version = Some(Digest::of_parts(parts.iter().map(String::as_bytes)));
        Ok(grades)
    }
}

/// The scores of a run.
pub(super) struct Scored {
    /// What annotators think of every question about an item, on average; none where nobody answered all.
    said: Vec<Option<Vec<f64>>>,
    /// What people gave it.
    grades: Vec<Option<f64>>,
    /// What questions are worth, where that was learnt.
    weights: Option<Weights>,
    /// What the report says.
    pub summary: ScoreSummary,
}

/// Scores every item whose questions were answered; nothing without `[score]`.
pub(super) fn score(
    project: &Project,
    snapshot: &Snapshot,
    identities: &[AnnotatorIdentity],
    items: &Items,
    grades: &Grades,
) -> Result<Option<Scored>> {
    if project.score.is_none() {
        return Ok(None);
    }
    let said = answers(project, snapshot, identities, items)?;
    let of_item: Vec<Option<f64>> = (0..items.len()).map(|item| grades.of.get(items.id(item)).copied()).collect();
    let part = |wanted: GoldPart| -> (Vec<Vec<f64>>, Vec<f64>) {
        (0..items.len())
            .filter(|&item| gold_part(items.id(item), project.seed) == wanted)
            .filter_map(|item| Some((said[item].clone()?, of_item[item]?)))
            .unzip()
    };
    let (fit_said, fit_grades) = part(GoldPart::Fit);
    let (weights, reason) = if fit_said.len() < LEAST {
        let found = fit_said.len();
        (None, format!("the plain mean: weights are learnt from {LEAST} graded items that fit, and there are {found}"))
    } else {
        let compared = compared(&fit_said, &fit_grades, project.seed)?;
        let figures = format!(
            "on {} graded items that fit, five-fold, their mean squared error differs by {:+.3} +- {:.3} (standard error) from \
             the mean's {:.3}",
            fit_said.len(),
            -compared.gain,
            compared.error,
            compared.of_mean
        );
        if compared.favours_weights() {
            (Some(learn(&fit_said, &fit_grades)?), format!("learnt weights: {figures}"))
        } else {
            (None, format!("the plain mean, since weights are not better by more than a standard error: {figures}"))
        }
    };
    let (said_measuring, measuring) = part(GoldPart::Measure);
    let correlation = |score: &dyn Fn(&[f64]) -> f64| {
        let scores: Vec<f64> = said_measuring.iter().map(|said| score(said)).collect();
        let basis = || format!("{} graded items that only measure", measuring.len());
        match spearman(&scores, &measuring) {
            Some((rho, interval)) => Measured::known(rho, interval, basis()),
            None => Measured::unknown(format!("{} are too few, or do not vary", basis())),
        }
    };
    let summary = ScoreSummary {
        scored: said.iter().flatten().count() as u64,
        fitting: fit_said.len() as u64,
        measuring: measuring.len() as u64,
        learned: weights.is_some(),
        reason,
        questions: project
            .task
            .labels
            .names()
            .enumerate()
            .map(|(place, label)| QuestionRow {
                label: label.to_string(),
                weight: weights.as_ref().map(|weights| weights.weights[place]),
            })
            .collect(),
        spearman: correlation(&|said| value(weights.as_ref(), said)),
        spearman_of_mean: correlation(&mean),
    };
    Ok(Some(Scored { said, grades: of_item, weights, summary }))
}

fn mean(said: &[f64]) -> f64 {
    said.iter().sum::<f64>() / said.len() as f64
}

fn value(weights: Option<&Weights>, said: &[f64]) -> f64 {
    weights.map_or_else(|| mean(said), |weights| weights.score(said))
}

/// The mean over annotators of how likely each label is: the probabilities that one states, and yes or no where it
/// states none.
fn answers(
    project: &Project,
    snapshot: &Snapshot,
    identities: &[AnnotatorIdentity],
    items: &Items,
) -> Result<Vec<Option<Vec<f64>>>> {
    let labels = &project.task.labels;
    let mut sums = vec![0.0; items.len() * labels.len()];
    let mut counts = vec![0u32; items.len()];
    for identity in identities {
        snapshot.scan_of(identity.version, Detail::Full, |batch| {
            for row in (0..batch.len()).filter(|&row| batch.status(row) == Status::Ok) {
                let annotation = batch.annotation(row)?;
                let Some(item) = items.position(&annotation.item, annotation.content) else { continue };
                let Answer::Set { labels: given } = &annotation.answer else { continue };
                let own = &mut sums[item as usize * labels.len()..][..labels.len()];
                for (label, sum) in labels.names().zip(own) {
                    let stated = annotation.distribution.as_ref();
                    let stated = stated.and_then(|shares| shares.iter().find(|(name, _)| name == label));
                    *sum += stated.map_or_else(|| f64::from(u8::from(given.contains(label))), |one| f64::from(one.1));
                }
                counts[item as usize] += 1;
            }
            Ok(())
        })?;
    }
    let of_item =
        |(sums, count): (&[f64], &u32)| (*count > 0).then(|| sums.iter().map(|sum| sum / f64::from(*count)).collect());
    Ok(sums.chunks_exact(labels.len()).zip(&counts).map(of_item).collect())
}

/// A row per item: its score, the plain mean, the grade that people gave it, and how likely each label is.
pub(super) fn write(scored: &Scored, project: &Project, items: &Items, path: &Path) -> Result<()> {
    let number = |name: String| Field::new(name, DataType::Float64, true);
    let mut fields = vec![Field::new("id", DataType::Utf8, false)];
    fields.extend(["score", "mean", "grade"].map(|name| number(name.to_owned())));
    fields.extend(project.task.labels.names().map(|label| number(format!("p_{label}"))));
    let schema = Arc::new(Schema::new(fields));
    let of = |value: &dyn Fn(&[f64]) -> f64| -> ArrayRef {
        Arc::new(scored.said.iter().map(|said| said.as_deref().map(value).map(rounded)).collect::<Float64Array>())
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values((0..items.len()).map(|item| items.id(item)))),
        of(&|said| value(scored.weights.as_ref(), said)),
        of(&mean),
        Arc::new(scored.grades.iter().copied().collect::<Float64Array>()),
    ];
    columns.extend((0..project.task.labels.len()).map(|place| of(&|said| said[place])));
    let batch = RecordBatch::try_new(schema.clone(), columns)
        .map_err(|error| Error::input("the scores do not fit their table").because(error))?;
    let mut writer = TableWriter::create(path, schema, None)?;
    writer.write(&batch)?;
    writer.finish()
}

/// To a millionth: probabilities come as short numbers, and further digits would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
