//! The files of a run over records: one row per item, and per field its value, how sure it is, and where it stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow_schema::{DataType, Field as Column, Schema};
use postil_core::record::{Field, FieldKind};
use postil_core::table::TableWriter;
use postil_core::{Digest, Error, Result};
use serde_json::{Value, json};

use super::super::output::{LABELS, write_around};
use super::Findings;
use crate::project::OutputFormat;
use crate::report::Report;

/// Rows written at a time.
const ROWS: usize = 65_536;

pub(super) fn write(findings: &Findings<'_>, report: &Report, key: Digest) -> Result<Vec<PathBuf>> {
    let mut formats = vec![OutputFormat::Parquet];
    formats.extend(findings.project.formats.iter().copied().filter(|format| *format != OutputFormat::Parquet));
    let labels = formats.into_iter().map(|format| format!("{LABELS}.{}", format.ending())).collect();
    let put_aside = findings.annotated.report.bad_rows > 0;
    write_around(findings.project, labels, |path| write_records(findings, path), None, report, put_aside, key)
}

fn columns(field: &Field) -> Vec<Column> {
    let (name, list) = (&field.name, matches!(field.kind, FieldKind::List(_)));
    let kind = match &field.kind {
        FieldKind::Number(_) => DataType::Float64,
        FieldKind::Integer(_) => DataType::Int64,
        FieldKind::Boolean => DataType::Boolean,
        _ => DataType::Utf8,
    };
    let mut columns =
        vec![Column::new(&**name, kind, true), Column::new(format!("{name}_confidence"), DataType::Float32, true)];
    if list {
        columns.push(Column::new(format!("{name}_places"), DataType::Utf8, true));
    } else {
        columns.push(Column::new(format!("{name}_start"), DataType::UInt32, true));
        columns.push(Column::new(format!("{name}_end"), DataType::UInt32, true));
    }
    columns.push(Column::new(format!("{name}_gold"), DataType::Utf8, true));
    columns
}

/// A value as text: text as it is, everything else in JSON.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn write_records(findings: &Findings<'_>, path: &Path) -> Result<()> {
    let fields = findings.schema.fields();
    let mut all = vec![Column::new("id", DataType::Utf8, false)];
    all.extend(fields.iter().flat_map(columns));
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = all.iter().find(|column| !seen.insert(column.name().clone())) {
        return Err(Error::task(format!("two columns of the result would be named `{}`", twice.name())).hint(
            "rename a field of the schema: its name with `_confidence`, `_start`, `_end`, `_places`, `_gold` is taken",
        ));
    }
    let schema = Arc::new(Schema::new(all));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let count = findings.items.len();
    for start in (0..count).step_by(ROWS) {
        let rows = start..(start + ROWS).min(count);
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from_iter_values(rows.clone().map(|item| findings.items.id(item))))];
        for (place, field) in fields.iter().enumerate() {
            let decision = |item: usize| item * fields.len() + place;
            let values = || rows.clone().map(|item| findings.value(decision(item)));
            columns.push(match &field.kind {
                FieldKind::Number(_) => Arc::new(values().map(Value::as_f64).collect::<Float64Array>()),
                FieldKind::Integer(_) => Arc::new(values().map(Value::as_i64).collect::<Int64Array>()),
                FieldKind::Boolean => Arc::new(values().map(Value::as_bool).collect::<BooleanArray>()),
                _ => Arc::new(values().map(text).collect::<StringArray>()),
            });
            let belief = |item: usize| findings.settled.beliefs[decision(item)].as_ref();
            let sure = rows.clone().map(|item| belief(item).map(|belief| belief.probability as f32));
            columns.push(Arc::new(sure.collect::<Float32Array>()));
            let places = |item: usize| {
                belief(item).map_or(&[][..], |belief| findings.claims.places(decision(item), belief.value))
            };
            if matches!(field.kind, FieldKind::List(_)) {
                let listed = rows.clone().map(|item| {
                    let places: Vec<Value> = places(item).iter().map(|span| json!([span.start, span.end])).collect();
                    (!places.is_empty()).then(|| Value::Array(places).to_string())
                });
                columns.push(Arc::new(listed.collect::<StringArray>()));
            } else {
                let first = |item: usize| places(item).first();
                let starts = rows.clone().map(|item| first(item).map(|span| span.start));
                columns.push(Arc::new(starts.collect::<UInt32Array>()));
                let ends = rows.clone().map(|item| first(item).map(|span| span.end));
                columns.push(Arc::new(ends.collect::<UInt32Array>()));
            }
            let gold = rows.clone().map(|item| {
                let record =
                    findings.gold.records.binary_search_by_key(&(item as u32), |record| record.position).ok()?;
                findings.gold.records[record].truth[place]
                    .as_ref()
                    .map(|truth| text(truth).unwrap_or_else(|| "null".to_owned()))
            });
            columns.push(Arc::new(gold.collect::<StringArray>()));
        }
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|error| Error::input("the records do not fit their table").because(error))?;
        writer.write(&batch)?;
    }
    writer.finish()
}
