//! The rows of a run over records: a column per field, and beside it how sure the run was and where the value stands.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use postil_core::record::{Field, FieldKind, RecordSchema};
use postil_core::{Answer, Error, Result};
use serde_json::{Map, Value};

use crate::wire::{Evidence, Quote, Suggestion};

/// Calls `keep` with every record; a record is as certain as its least certain value.
///
/// The quotes of the evidence are empty: who shows them has the text.
pub(super) fn of_table(
    batch: &RecordBatch,
    schema: &RecordSchema,
    mut keep: impl FnMut(&str, Suggestion) -> Result<()>,
) -> Result<()> {
    let ids = batch.column_by_name("id").and_then(|column| column.as_string_opt::<i32>());
    let Some(ids) = ids else {
        return Err(Error::input("expected the column `id` in the last run's records, found none"));
    };
    for row in 0..batch.num_rows() {
        let (mut fields, mut evidence, mut least) = (Map::new(), Evidence::new(), None::<f32>);
        for field in schema.fields() {
            let column = |ending: &str| batch.column_by_name(&format!("{}{ending}", field.name));
            let sure = column("_confidence").and_then(|column| column.as_primitive_opt::<Float32Type>());
            // Without a confidence nobody said anything about the field.
            let Some(sure) = sure.filter(|sure| sure.is_valid(row)).map(|sure| sure.value(row)) else { continue };
            let Some(value) = column("").and_then(|column| value(column.as_ref(), row, &field.kind)) else { continue };
            least = Some(least.map_or(sure, |least| least.min(sure)));
            let places = places(batch, field, row);
            if !places.is_empty() {
                evidence.insert(field.name.to_string(), places);
            }
            fields.insert(field.name.to_string(), value);
        }
        if fields.is_empty() {
            continue;
        }
        let suggestion = Suggestion {
            answer: Answer::Record { fields, evidence: Vec::new(), rejected: Vec::new() },
            source: "the last run".to_owned(),
            confidence: least,
            confidences: None,
            evidence: (!evidence.is_empty()).then_some(evidence),
        };
        keep(ids.value(row), suggestion)?;
    }
    Ok(())
}

/// The value in a cell; `None` if it is empty, which stands for an absent value, as an empty field of the form does, or if
/// the field, as it is now, may not hold it.
fn value(column: &dyn Array, row: usize, kind: &FieldKind) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    let value = match kind {
        FieldKind::Number(_) => Value::from(column.as_primitive_opt::<Float64Type>()?.value(row)),
        FieldKind::Integer(_) => Value::from(column.as_primitive_opt::<Int64Type>()?.value(row)),
        FieldKind::Boolean => Value::from(column.as_boolean_opt()?.value(row)),
        FieldKind::List(_) | FieldKind::Record(_) => {
            serde_json::from_str(column.as_string_opt::<i32>()?.value(row)).ok()?
        }
        FieldKind::Text | FieldKind::Date | FieldKind::OneOf(_) => {
            Value::from(column.as_string_opt::<i32>()?.value(row))
        }
    };
    kind.read(&value).ok()
}

/// Where the value stands: one place in two columns, or several as a list of pairs.
fn places(batch: &RecordBatch, field: &Field, row: usize) -> Vec<Quote> {
    let column = |ending: &str| batch.column_by_name(&format!("{}{ending}", field.name));
    let place = |start: u32, end: u32| Quote { start, end, quote: String::new() };
    if let Some(listed) = column("_places").and_then(|column| column.as_string_opt::<i32>()) {
        let pairs = listed.is_valid(row).then(|| serde_json::from_str::<Vec<(u32, u32)>>(listed.value(row)));
        return pairs.into_iter().flatten().flatten().map(|(start, end)| place(start, end)).collect();
    }
    let bound = |ending: &str| {
        let column = column(ending)?.as_primitive_opt::<UInt32Type>()?;
        column.is_valid(row).then(|| column.value(row))
    };
    bound("_start").zip(bound("_end")).map(|(start, end)| place(start, end)).into_iter().collect()
}
