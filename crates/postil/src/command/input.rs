//! What several commands read alike.

use anyhow::anyhow;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use postil_core::items::{AnswerOptions, AnswerReport};
use postil_core::{Error, Result};

use super::output::{count, remark};

/// Separates labels in a cell with several.
pub(super) const SEPARATOR: char = '|';

/// One column as text; numbers are written out, nulls are empty.
pub(crate) fn text_column(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch.column_by_name(name).ok_or_else(|| {
        let columns = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|field| format!("`{}`", field.name()))
            .collect::<Vec<_>>()
            .join(", ");
        Error::input(format!("expected a column `{name}`, found {columns}"))
    })?;
    as_text(column, name)
}

fn as_text(column: &ArrayRef, name: &str) -> Result<StringArray> {
    if let Some(text) = column.as_string_opt::<i32>() {
        return Ok(if text.null_count() == 0 {
            text.clone()
        } else {
            StringArray::from_iter_values(text.iter().map(|value| value.unwrap_or("")))
        });
    }
    let options = arrow_cast::display::FormatOptions::default();
    let formatter = arrow_cast::display::ArrayFormatter::try_new(column, &options)
        .map_err(|error| Error::input(format!("column `{name}` cannot be read as text")).because(error))?;
    Ok(StringArray::from_iter_values((0..column.len()).map(|row| formatter.value(row).to_string())))
}

/// The labels of a cell with several: `a|b`, or a JSON list.
pub(super) fn several(cell: &str) -> Result<Vec<String>> {
    let cell = cell.trim();
    if cell.starts_with('[') {
        return serde_json::from_str(cell)
            .map_err(|error| Error::input(format!("expected a JSON list of labels, found `{cell}`")).because(error));
    }
    Ok(cell.split(SEPARATOR).map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect())
}

/// The labels of an option such as `--labels low,mid,high`.
pub(super) fn listed(labels: &str) -> anyhow::Result<Vec<String>> {
    let labels: Vec<String> = labels.split(',').map(|label| label.trim().to_owned()).collect();
    if labels.iter().any(String::is_empty) {
        return Err(anyhow!(Error::task("expected labels separated by commas, found an empty one")));
    }
    Ok(labels)
}

/// Says what a reader left out or found odd; `blank` is what rows without a label are.
pub(super) fn tell(report: &AnswerReport, blank: &str) {
    for (number, what) in [(report.bad_rows, "rows could not be read and were left out"), (report.blank_labels, blank)]
    {
        if number > 0 {
            remark(&format!("note: {} {what}", count(number)));
        }
    }
    if let Some(fault) = report.first_bad.first() {
        remark(&format!("note: the first is line {}: {}", fault.line, fault.reason));
    }
    for variants in &report.label_variants {
        remark(&format!("note: these labels differ in case or white space alone and are kept apart: {variants:?}"));
    }
}

/// What blank answers are.
pub(super) const REFUSALS: &str = "answers are blank: refusals, which are no votes";

/// Reads tables of answers and truth with these columns, where they are given.
pub(super) fn answer_options(
    item: Option<&str>,
    annotator: Option<&str>,
    label: Option<&str>,
    labels: Option<Vec<String>>,
) -> AnswerOptions {
    let mut options = AnswerOptions::default();
    let only = |name: &str| vec![name.to_owned()];
    if let Some(item) = item {
        options.item = only(item);
    }
    if let Some(annotator) = annotator {
        options.annotator = only(annotator);
    }
    if let Some(label) = label {
        options.label = only(label);
    }
    options.labels = labels.map(|labels| labels.iter().map(|label| label.as_str().into()).collect());
    options
}
