//! Predicting labels of whole texts.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::Error;
use postil_core::audit::{SetTally, Tally};
use postil_core::table::{TableOptions, TableReader, TableWriter};
use postil_student::text::{Head, TextModel};
use serde_json::json;

use super::super::input::{SEPARATOR, several, text_column};
use super::super::output::{Voice, count, remark, say, say_json};
use super::super::progress::Progress;
use super::Arguments;
use crate::run::Watch;
use crate::score::{Score, decide};

/// Column names that predictions are written under.
const PREDICTED: &str = "predicted";
const CONFIDENCE: &str = "confidence";

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let model = TextModel::load(&arguments.model)?;
    let mut table =
        TableReader::open(&arguments.data, &TableOptions { batch_rows: 65_536, ..TableOptions::default() })?;
    let file = table.name().to_path_buf();
    let output = match &arguments.output {
        Some(output) => Some(output.clone()),
        None if arguments.label.is_some() || arguments.json => None,
        None => Some(PathBuf::from("-")),
    };
    let voice = Voice::new(output.as_deref(), arguments.json)?;
    let mut scorer = arguments.label.as_ref().map(|column| Scorer::new(&model, column));
    let mut writer: Option<TableWriter> = None;
    let progress = Progress::new();
    progress.stage("predicting", None);
    let (mut rows, mut bad) = (0_u64, 0_u64);
    while let Some(chunk) = table.next_chunk()? {
        for row in &chunk.bad {
            if bad == 0 {
                remark(&format!(
                    "note: {}:{}: {} (further bad rows are only counted)",
                    file.display(),
                    row.line,
                    row.reason
                ));
            }
            bad += 1;
        }
        let batch = &chunk.batch;
        let texts = text_column(batch, arguments.reading.text()).map_err(|error| error.in_file(&file))?;
        let texts: Vec<&str> = texts.iter().map(|text| text.unwrap_or("")).collect();
        let probabilities = model.predict_batch(&texts);
        if let Some(scorer) = &mut scorer {
            scorer.add(batch, &probabilities, &chunk.lines).map_err(|error| error.in_file(&file))?;
        }
        if let Some(output) = &output {
            let predicted = with_predictions(batch, &model, &probabilities, arguments.probabilities)?;
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(TableWriter::create(output, predicted.schema(), None)?),
            };
            writer.write(&predicted)?;
        }
        rows += batch.num_rows() as u64;
        progress.advance(batch.num_rows() as u64);
        if progress.stopped() {
            progress.finish();
            anyhow::bail!(Error::cancelled());
        }
    }
    progress.finish();
    if let Some(writer) = writer {
        writer.finish()?;
    }
    let figures = scorer.as_ref().map_or_else(Vec::new, |scorer| {
        scorer.score.figures(&format!("{} labelled rows of {}", count(scorer.score.count()), file.display()))
    });
    let unknown = scorer.as_ref().map_or(0, |scorer| scorer.unknown);
    if arguments.json {
        let measured: serde_json::Map<String, serde_json::Value> = figures
            .iter()
            .map(|figure| Ok((figure.name.replace([' ', '-'], "_"), serde_json::to_value(&figure.value)?)))
            .collect::<anyhow::Result<_>>()?;
        return say_json(&json!({
            "model": arguments.model,
            "rows": rows,
            "bad_rows": bad,
            "labels": model.labels(),
            "unknown_labels": unknown,
            "unlabelled": scorer.as_ref().map_or(0, |scorer| scorer.unlabelled),
            "scores": measured,
            "output": output,
        }));
    }
    if bad > 0 {
        remark(&format!("note: {} rows could not be read and were left out", count(bad)));
    }
    if unknown > 0 {
        remark(&format!(
            "note: {} rows have a label that the model does not know; they count as wrong",
            count(unknown)
        ));
    }
    if scorer.is_some() {
        for figure in &figures {
            voice.say(&format!("{:<18} {}", figure.name, figure.value.brief()))?;
        }
        voice.say(&format!(
            "(95 % intervals, {} labelled rows)",
            count(scorer.as_ref().map_or(0, |scorer| scorer.score.count()))
        ))?;
    }
    if let Some(output) = output.filter(|output| output.as_os_str() != "-") {
        say(&format!("{} rows written to {}", count(rows), output.display()))?;
    }
    Ok(())
}

/// Adds the columns of predictions; columns of the same names are replaced.
fn with_predictions(
    batch: &RecordBatch,
    model: &TextModel,
    probabilities: &[f32],
    all: bool,
) -> anyhow::Result<RecordBatch> {
    let labels = model.labels();
    let rows = || probabilities.chunks_exact(labels.len());
    let mut added: Vec<(String, ArrayRef)> = Vec::new();
    if model.head() == Head::Multilabel {
        let sets = rows().map(|row| {
            let applying: Vec<&str> = model.applying(row).map(|label| labels[usize::from(label)].as_str()).collect();
            applying.join(&SEPARATOR.to_string())
        });
        added.push((PREDICTED.to_owned(), Arc::new(StringArray::from_iter_values(sets))));
    } else {
        let classes: Vec<usize> = rows().map(|row| usize::from(decide(row))).collect();
        let names = classes.iter().map(|&class| labels[class].as_str());
        added.push((PREDICTED.to_owned(), Arc::new(StringArray::from_iter_values(names))));
        let sure = rows().zip(&classes).map(|(row, &class)| row[class]);
        added.push((CONFIDENCE.to_owned(), Arc::new(Float32Array::from_iter_values(sure))));
    }
    if all || model.head() == Head::Multilabel {
        for (column, label) in labels.iter().enumerate() {
            let values = Float32Array::from_iter_values(rows().map(|row| row[column]));
            added.push((format!("p_{label}"), Arc::new(values)));
        }
    }
    let schema = batch.schema_ref();
    let (mut fields, mut columns): (Vec<Arc<Field>>, Vec<ArrayRef>) = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| added.iter().all(|(name, _)| name != field.name()))
        .map(|(field, column)| (field.clone(), column.clone()))
        .unzip();
    for (name, column) in added {
        let kind = if name == PREDICTED { DataType::Utf8 } else { DataType::Float32 };
        fields.push(Arc::new(Field::new(name, kind, false)));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Compares predictions with a column of labels.
struct Scorer<'a> {
    model: &'a TextModel,
    column: &'a str,
    score: Score,
    unknown: u64,
    unlabelled: u64,
}

impl<'a> Scorer<'a> {
    fn new(model: &'a TextModel, column: &'a str) -> Self {
        let labels = model.labels().len();
        let score = match model.head() {
            Head::Multilabel => Score::Sets(SetTally::new(labels)),
            // One class more than the model has: labels that it does not know.
            head => Score::Single(Tally::new(labels + 1), head == Head::Ordinal),
        };
        Self { model, column, score, unknown: 0, unlabelled: 0 }
    }

    fn add(&mut self, batch: &RecordBatch, probabilities: &[f32], lines: &[u64]) -> postil_core::Result<()> {
        let labels = self.model.labels();
        let position: std::collections::HashMap<&str, u16> =
            labels.iter().enumerate().map(|(class, label)| (label.as_str(), class as u16)).collect();
        let truths = text_column(batch, self.column)?;
        let mut row_with_unknown = vec![0.0; labels.len() + 1];
        for (index, row) in probabilities.chunks_exact(labels.len()).enumerate() {
            let truth = truths.value(index);
            match &mut self.score {
                Score::Single(tally, _) => {
                    if truth.is_empty() {
                        self.unlabelled += 1;
                        continue;
                    }
                    let class = position.get(truth).copied().unwrap_or_else(|| {
                        self.unknown += 1;
                        labels.len() as u16
                    });
                    row_with_unknown[..labels.len()].copy_from_slice(row);
                    tally.add(class, decide(row), Some(&row_with_unknown), 1.0);
                }
                Score::Sets(tally) => {
                    let mut applies = vec![false; labels.len()];
                    for label in several(truth).map_err(|error| error.at_line(lines[index]))? {
                        match position.get(label.as_str()) {
                            Some(&class) => applies[usize::from(class)] = true,
                            None => self.unknown += 1,
                        }
                    }
                    let mut given = vec![false; labels.len()];
                    self.model.applying(row).for_each(|class| given[usize::from(class)] = true);
                    tally.add(&applies, &given, 1.0);
                }
                // A classifier of texts has no tags.
                Score::Tokens(_) => {}
            }
        }
        Ok(())
    }
}
