//! The files that `postil aggregate` writes.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::Measured;
use postil_core::consensus::Consensus;
use postil_core::items::AnswerTable;
use postil_core::table::TableWriter;
use postil_core::votes::Votes;

/// The fused labels with a probability per label.
pub(super) fn labels(path: &Path, answers: &AnswerTable, votes: &Votes, consensus: &Consensus) -> anyhow::Result<()> {
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
        let label = |decision: usize| usize::from(consensus.labels[decision]);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(&items[rows.clone()])),
            Arc::new(StringArray::from_iter_values(rows.clone().map(|decision| &answers.labels[label(decision)]))),
            Arc::new(Float32Array::from_iter_values(
                rows.clone().map(|decision| consensus.posterior[decision * classes + label(decision)]),
            )),
            Arc::new(UInt32Array::from_iter_values(rows.clone().map(|decision| votes.support(decision) as u32))),
            Arc::new(
                rows.clone()
                    .map(|decision| Some(consensus.tied.binary_search(&(decision as u32)).is_ok()))
                    .collect::<BooleanArray>(),
            ),
        ];
        for class in 0..classes {
            let values = rows.clone().map(|decision| consensus.posterior[decision * classes + class]);
            columns.push(Arc::new(Float32Array::from_iter_values(values)));
        }
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(writer.finish()?)
}

/// What was learnt about the annotators.
pub(super) fn annotators(path: &Path, answers: &AnswerTable, consensus: &Consensus) -> anyhow::Result<()> {
    let measured = |figure: &Measured, part: fn(&Measured) -> Option<f64>| part(figure).map(|value| value as f32);
    let low = |figure: &Measured| if let Measured::Known { low, .. } = figure { Some(*low) } else { None };
    let high = |figure: &Measured| if let Measured::Known { high, .. } = figure { Some(*high) } else { None };
    let column = |part: fn(&Measured) -> Option<f64>| -> ArrayRef {
        Arc::new(consensus.annotators.iter().map(|one| measured(&one.accuracy, part)).collect::<Float32Array>())
    };
    let schema = Arc::new(Schema::new(vec![
        Field::new("annotator", DataType::Utf8, false),
        Field::new("answers", DataType::Float32, false),
        Field::new("coverage", DataType::Float32, false),
        Field::new("accuracy", DataType::Float32, true),
        Field::new("accuracy_low", DataType::Float32, true),
        Field::new("accuracy_high", DataType::Float32, true),
        Field::new("favourite", DataType::Utf8, false),
        Field::new("favourite_share", DataType::Float32, false),
        Field::new("near_constant", DataType::Boolean, false),
    ]));
    let all = &consensus.annotators;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(answers.annotators.iter())),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|one| one.answers as f32))),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|one| one.coverage as f32))),
        column(Measured::value),
        column(low),
        column(high),
        Arc::new(StringArray::from_iter_values(all.iter().map(|one| &answers.labels[usize::from(one.favourite.0)]))),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|one| one.favourite.1 as f32))),
        Arc::new(all.iter().map(|one| Some(one.near_constant)).collect::<BooleanArray>()),
    ];
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}
