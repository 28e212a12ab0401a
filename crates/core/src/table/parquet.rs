//! Parquet as Arrow batches in which every kind of string is one kind of string.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::read::{Chunk, RawRows, TableOptions};
use crate::error::{Error, Result};

/// Rows of a Parquet file.
///
/// Large strings, string views and dictionaries of strings become plain strings. Integer columns that Hugging Face's
/// `datasets` marks as class labels become the names of the classes, and its missing label -1 a null. Other types stay.
pub(super) struct ParquetReader {
    rows: ParquetRecordBatchReader,
    columns: Vec<String>,
    class_names: HashMap<String, Vec<String>>,
    next_row: u64,
}

impl ParquetReader {
    pub(super) fn new(file: File, options: &TableOptions) -> Result<Self> {
        let damaged = |error| Error::input("the Parquet file cannot be read").because(error).hint("is it complete?");
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
        let schema = builder.schema().clone();
        let columns: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        for (index, name) in columns.iter().enumerate() {
            if columns[..index].contains(name) {
                return Err(Error::input(format!("expected distinct column names, found `{name}` twice")));
            }
        }
        let class_names = class_names(&schema);
        let wanted = (0..columns.len())
            .filter(|&index| options.only.as_ref().is_none_or(|only| only.contains(&columns[index])))
            .collect::<Vec<_>>();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let rows = builder.with_projection(mask).with_batch_size(options.batch_rows).build().map_err(damaged)?;
        Ok(Self { rows, columns, class_names, next_row: 1 })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let Some(batch) = self.rows.next() else { return Ok(None) };
        let row = self.next_row;
        let damaged = |error: ArrowError| {
            Error::input(format!("the Parquet file cannot be read on from row {row}: {error}")).because(error)
        };
        let batch = self.plain(&batch.map_err(damaged)?).map_err(damaged)?;
        self.next_row += batch.num_rows() as u64;
        let lines = (row..self.next_row).collect();
        Ok(Some(Chunk { batch, lines, bad: Vec::new(), raw: RawRows::default() }))
    }

    fn plain(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let array: ArrayRef = match self.class_names.get(field.name()) {
                Some(names) => Arc::new(named(array, names)),
                None if is_string(field.data_type()) => arrow_cast::cast(array, &DataType::Utf8)?,
                None => array.clone(),
            };
            fields.push(Field::new(field.name(), array.data_type().clone(), true));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }
}

fn is_string(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_string(values),
        _ => false,
    }
}

/// The class names of integer columns, from the metadata that `datasets` writes.
fn class_names(schema: &SchemaRef) -> HashMap<String, Vec<String>> {
    let parse = |text: &String| serde_json::from_str::<serde_json::Value>(text).ok();
    let Some(described) = schema.metadata().get("huggingface").and_then(parse) else { return HashMap::new() };
    let Some(features) = described.pointer("/info/features").and_then(|features| features.as_object()) else {
        return HashMap::new();
    };
    let names_of = |feature: &serde_json::Value| {
        let names = feature.get("names").filter(|_| feature["_type"] == "ClassLabel")?.as_array()?;
        names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    };
    let is_integer = |name: &str| schema.field_with_name(name).is_ok_and(|field| *field.data_type() == DataType::Int64);
    let named = features.iter().filter(|(name, _)| is_integer(name));
    named.filter_map(|(name, feature)| Some((name.clone(), names_of(feature)?))).collect()
}

/// Integers as class names; what is no class stays a number in digits, and -1 is a null.
fn named(array: &ArrayRef, names: &[String]) -> StringArray {
    let Some(numbers) = array.as_primitive_opt::<Int64Type>() else { return StringArray::new_null(array.len()) };
    let name = |number: i64| match usize::try_from(number) {
        Ok(index) => Some(names.get(index).cloned().unwrap_or_else(|| number.to_string())),
        Err(_) if number == -1 => None,
        Err(_) => Some(number.to_string()),
    };
    numbers.iter().map(|number| number.and_then(name)).collect()
}
