//! The files that `postil aggregate` writes.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::consensus::Consensus;
use postil_core::items::AnswerTable;
use postil_core::table::TableWriter;
use postil_core::votes::Votes;
use postil_core::{Class, Measured};

/// The fused labels with a probability per label.
///
/// `fused` are the label of each item, `classes` probabilities per item, and the tied items in ascending order.
pub(super) fn labels(
    path: &Path,
    answers: &AnswerTable,
    votes: &Votes,
    fused: (&[Class], &[f32], &[u32]),
) -> anyhow::Result<()> {
    let (labels, posterior, tied) = fused;
    let classes = answers.labels.len();
    let mut fields = vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("confidence", DataType::Float32, false),
        Field::new("votes", DataType::UInt32, false),
        Field::new("tie", DataType::Boolean, false),
    ];
    fields.extend(answers.labels.iter().map(|label| Field::new(format!("p_{label}"), DataType::Float32, false)));
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let items: Vec<&str> = answers.items.iter().collect();
    for start in (0..items.len()).step_by(65_536) {
        let rows = start..(start + 65_536).min(items.len());
        let label = |decision: usize| usize::from(labels[decision]);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(&items[rows.clone()])),
            Arc::new(StringArray::from_iter_values(rows.clone().map(|decision| &answers.labels[label(decision)]))),
            Arc::new(Float32Array::from_iter_values(
                rows.clone().map(|decision| posterior[decision * classes + label(decision)]),
            )),
            Arc::new(UInt32Array::from_iter_values(rows.clone().map(|decision| votes.support(decision) as u32))),
            Arc::new(
                rows.clone()
                    .map(|decision| Some(tied.binary_search(&(decision as u32)).is_ok()))
                    .collect::<BooleanArray>(),
            ),
        ];
        for class in 0..classes {
            let values = rows.clone().map(|decision| posterior[decision * classes + class]);
            columns.push(Arc::new(Float32Array::from_iter_values(values)));
        }
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(writer.finish()?)
}

/// What was learnt about the annotators.
pub(super) fn annotators(path: &Path, answers: &AnswerTable, consensus: &Consensus) -> anyhow::Result<()> {
    let all = &consensus.annotators;
    let number = |name, values: Vec<f32>| (Field::new(name, DataType::Float32, false), float(values));
    let favourites = all.iter().map(|one| &answers.labels[usize::from(one.favourite.0)]);
    let mut columns = vec![
        names(answers),
        number("answers", all.iter().map(|one| one.answers as f32).collect()),
        number("coverage", all.iter().map(|one| one.coverage as f32).collect()),
    ];
    columns.extend(accuracy(&all.iter().map(|one| &one.accuracy).collect::<Vec<_>>()));
    columns.extend([
        (
            Field::new("favourite", DataType::Utf8, false),
            Arc::new(StringArray::from_iter_values(favourites)) as ArrayRef,
        ),
        number("favourite_share", all.iter().map(|one| one.favourite.1 as f32).collect()),
        (
            Field::new("near_constant", DataType::Boolean, false),
            Arc::new(all.iter().map(|one| Some(one.near_constant)).collect::<BooleanArray>()),
        ),
    ]);
    one_batch(path, columns)
}

/// The annotators' accuracy, and how a method rates them.
pub(super) fn rated(
    path: &Path,
    answers: &AnswerTable,
    accuracies: &[Measured],
    ratings: &[(&'static str, Vec<Option<f64>>)],
) -> anyhow::Result<()> {
    let mut columns = vec![names(answers)];
    columns.extend(accuracy(&accuracies.iter().collect::<Vec<_>>()));
    columns.extend(ratings.iter().map(|(name, values)| {
        let values = values.iter().map(|value| value.map(|value| value as f32)).collect::<Float32Array>();
        (Field::new(*name, DataType::Float32, true), Arc::new(values) as ArrayRef)
    }));
    one_batch(path, columns)
}

type Column = (Field, ArrayRef);

fn names(answers: &AnswerTable) -> Column {
    let names = StringArray::from_iter_values(answers.annotators.iter());
    (Field::new("annotator", DataType::Utf8, false), Arc::new(names))
}

fn float(values: Vec<f32>) -> ArrayRef {
    Arc::new(Float32Array::from(values))
}

/// Value and ends of measured accuracies.
fn accuracy(figures: &[&Measured]) -> [Column; 3] {
    let ends = |figure: &Measured| match figure {
        Measured::Known { value, low, high, .. } => [Some(*value), Some(*low), Some(*high)],
        Measured::Unknown { .. } => [None; 3],
    };
    [("accuracy", 0), ("accuracy_low", 1), ("accuracy_high", 2)].map(|(name, place)| {
        let values = figures.iter().map(|figure| ends(figure)[place].map(|end| end as f32));
        (Field::new(name, DataType::Float32, true), Arc::new(values.collect::<Float32Array>()) as ArrayRef)
    })
}

fn one_batch(path: &Path, columns: Vec<Column>) -> anyhow::Result<()> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}
