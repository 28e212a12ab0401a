//! Parquet files of items and of answers: immutable, checked by digest, complete or absent.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, FixedSizeBinaryBuilder, Float32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, UInt8Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    UInt8Array, UInt64Array,
};
use arrow_schema::{Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::columns::{Columns, Items, NONE, Texts};
use super::schema::damaged;
use crate::annotation::Cost;
use crate::error::{Error, Result};
use crate::hash::Digest;

/// Ends the names of files that are not complete yet.
pub(super) const UNFINISHED: &str = ".unfinished";

/// A file as it is registered in SQLite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) file: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) checksum: Digest,
}

/// How much of a segment a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What votes are made of: everything but evidence, cost, time and seed.
    Votes,
    /// Every field.
    Full,
}

fn encode(columns: Vec<(&'static str, ArrayRef)>) -> Result<Vec<u8>> {
    let fail = |error| Error::ledger("a segment could not be encoded").because(error);
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), array.null_count() > 0))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| Error::ledger("a segment could not be encoded").because(error))?;
    let compression = Compression::ZSTD(ZstdLevel::try_new(1).map_err(fail)?);
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_page_size_limit(64 << 20)
        .set_column_dictionary_enabled(ColumnPath::from("item"), false)
        .set_column_dictionary_enabled(ColumnPath::from("content"), false)
        // Digests do not compress.
        .set_column_compression(ColumnPath::from("content"), Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(None)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).map_err(fail)?;
    writer.write(&batch).map_err(fail)?;
    writer.into_inner().map_err(fail)
}

/// Writes the bytes under a name made of their own digest, so that a file left behind by a crash is either the same or
/// never looked at, and returns when they are on disk.
fn store(folder: &Path, prefix: &str, rows: usize, bytes: &[u8]) -> Result<Stored> {
    let checksum = Digest::of(bytes);
    let file = format!("{prefix}-{checksum}.parquet");
    let unfinished = folder.join(format!("{file}{UNFINISHED}"));
    let fail = |error| {
        Error::io("a segment could not be written", error)
            .in_file(folder.join(&file))
            .hint("check that the disk has space and the folder may be written; then run again")
    };
    let mut out = File::create(&unfinished).map_err(fail)?;
    out.write_all(bytes).and_then(|()| out.sync_all()).map_err(fail)?;
    drop(out);
    std::fs::rename(&unfinished, folder.join(&file)).map_err(fail)?;
    Ok(Stored { file, rows: rows as u64, bytes: bytes.len() as u64, checksum })
}

/// Makes the names of new files durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::io("the folder could not be written to disk", error).in_file(folder))
}

pub(super) fn write_items(folder: &Path, items: &Items) -> Result<Stored> {
    let mut contents = FixedSizeBinaryBuilder::with_capacity(items.contents.len(), 16);
    for content in &items.contents {
        contents
            .append_value(content.as_bytes())
            .map_err(|error| Error::ledger("a segment could not be encoded").because(error))?;
    }
    let bytes = encode(vec![("item", Arc::new(items.ids.clone())), ("content", Arc::new(contents.finish()))])?;
    store(folder, "items", items.contents.len(), &bytes)
}

fn dictionary(texts: &Texts) -> Result<ArrayRef> {
    let codes: Int32Array = texts.codes.iter().map(|&code| (code != NONE).then_some(code as i32)).collect();
    let values = StringArray::from_iter_values(texts.texts.iter());
    let array = DictionaryArray::try_new(codes, Arc::new(values))
        .map_err(|error| Error::ledger("a segment could not be encoded").because(error))?;
    Ok(Arc::new(array))
}

pub(super) fn write_columns(folder: &Path, annotator: Digest, columns: &Columns) -> Result<Stored> {
    let mut arrays: Vec<(&'static str, ArrayRef)> = vec![
        ("answer", dictionary(&columns.answers)?),
        ("status", Arc::new(UInt8Array::from(columns.statuses.clone()))),
    ];
    if !columns.confidences.is_empty() {
        arrays.push(("confidence", Arc::new(Float32Array::from(columns.confidences.clone()))));
    }
    if !columns.labels.codes.is_empty() {
        let mut weights = ListBuilder::new(Float32Builder::with_capacity(columns.weights.len()));
        for row in 0..columns.statuses.len() {
            weights.values().append_slice(columns.weights(row).unwrap_or_default());
            weights.append(true);
        }
        arrays.push(("distribution_labels", dictionary(&columns.labels)?));
        arrays.push(("distribution_weights", Arc::new(weights.finish())));
    }
    if !columns.evidence.codes.is_empty() {
        arrays.push(("evidence", dictionary(&columns.evidence)?));
    }
    for (name, part) in COSTS {
        if columns.costs.iter().any(|cost| *part(&mut cost.clone()) != 0) {
            let values: Vec<u64> = columns.costs.iter().map(|cost| *part(&mut cost.clone())).collect();
            arrays.push((name, Arc::new(UInt64Array::from(values))));
        }
    }
    if !columns.at_millis.is_empty() {
        arrays.push(("at_millis", Arc::new(Int64Array::from(columns.at_millis.clone()))));
    }
    if !columns.seeds.is_empty() {
        arrays.push(("seed", Arc::new(UInt64Array::from(columns.seeds.clone()))));
    }
    if !columns.suggestions.is_empty() {
        let mut shown = BooleanBuilder::with_capacity(columns.suggestions.len());
        shown.append_slice(&columns.suggestions);
        arrays.push(("suggestion_shown", Arc::new(shown.finish())));
    }
    if !columns.inclusions.is_empty() {
        arrays.push(("inclusion_probability", Arc::new(Float64Array::from(columns.inclusions.clone()))));
    }
    store(folder, &annotator.short(), columns.statuses.len(), &encode(arrays)?)
}

type CostPart = fn(&mut Cost) -> &mut u64;

/// The parts of a cost with the names of their columns.
const COSTS: [(&str, CostPart); 4] = [
    ("money_micros", |cost| &mut cost.money_micros),
    ("person_millis", |cost| &mut cost.person_millis),
    ("input_tokens", |cost| &mut cost.input_tokens),
    ("output_tokens", |cost| &mut cost.output_tokens),
];

/// Reads a registered file as one batch, after checking that it is the one that was registered.
fn load(folder: &Path, stored: &Stored, skip: &[&str]) -> Result<RecordBatch> {
    let path = folder.join(&stored.file);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged(&path, "expected a segment file, found none"));
        }
        Err(error) => return Err(Error::io("a segment cannot be read", error).in_file(path)),
    };
    if bytes.len() as u64 != stored.bytes {
        return Err(damaged(&path, &format!("expected a segment of {} bytes, found {}", stored.bytes, bytes.len())));
    }
    let checksum = Digest::of(&bytes);
    if checksum != stored.checksum {
        return Err(damaged(&path, &format!("expected the checksum {}, found {checksum}", stored.checksum)));
    }
    let fail = |error| damaged(&path, "a segment cannot be decoded").because(error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).map_err(fail)?;
    let wanted: Vec<usize> = (0..builder.schema().fields().len())
        .filter(|&column| !skip.contains(&builder.schema().field(column).name().as_str()))
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let mut reader =
        builder.with_projection(mask).with_batch_size(stored.rows.max(1) as usize).build().map_err(fail)?;
    match reader.next() {
        Some(Ok(batch)) if batch.num_rows() as u64 == stored.rows => Ok(batch),
        Some(Err(error)) => Err(damaged(&path, "a segment cannot be decoded").because(error)),
        _ => Err(damaged(&path, &format!("expected {} rows in a segment", stored.rows))),
    }
}

fn unexpected(folder: &Path, stored: &Stored, column: &str) -> Error {
    damaged(&folder.join(&stored.file), &format!("column `{column}` is missing or of another type"))
}

pub(super) fn read_items(folder: &Path, stored: &Stored) -> Result<Items> {
    let batch = load(folder, stored, &[])?;
    let ids = batch.column_by_name("item").and_then(|column| column.as_string_opt::<i32>());
    let contents = batch.column_by_name("content").and_then(|column| column.as_fixed_size_binary_opt());
    let (Some(ids), Some(contents)) = (ids, contents) else { return Err(unexpected(folder, stored, "item")) };
    if contents.value_length() != 16 {
        return Err(unexpected(folder, stored, "content"));
    }
    let contents = (0..contents.len())
        .map(|row| Digest::from_bytes(contents.value(row).try_into().expect("a value of 16 bytes")))
        .collect();
    // The identity is in the registry already, under a checksum of these same bytes.
    Ok(Items { identity: stored.checksum, ids: ids.clone(), contents })
}

fn texts(array: &dyn Array) -> Option<Texts> {
    let dictionary = array.as_dictionary_opt::<Int32Type>()?;
    let values = dictionary.values().as_string_opt::<i32>()?;
    let count = values.len() as i32;
    let keys = dictionary.keys();
    let codes: Vec<u32> = if keys.null_count() == 0 {
        keys.values().iter().map(|&code| code as u32).collect()
    } else {
        keys.iter().map(|code| code.map_or(NONE, |code| code as u32)).collect()
    };
    let known = keys.iter().flatten().all(|code| (0..count).contains(&code));
    known.then(|| Texts { codes, texts: values.iter().map(|text| text.unwrap_or_default().into()).collect() })
}

pub(super) fn read_columns(folder: &Path, stored: &Stored, detail: Detail) -> Result<Columns> {
    let skip: &[&str] = match detail {
        Detail::Full => &[],
        Detail::Votes => {
            &["evidence", "money_micros", "person_millis", "input_tokens", "output_tokens", "at_millis", "seed"]
        }
    };
    let batch = load(folder, stored, skip)?;
    let mut columns = Columns::default();
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let name = field.name().as_str();
        let filled = fill(&mut columns, name, array, batch.num_rows());
        filled.ok_or_else(|| unexpected(folder, stored, name))?;
    }
    let rows = batch.num_rows();
    if columns.answers.codes.len() != rows || columns.answers.codes.contains(&NONE) || columns.statuses.len() != rows {
        return Err(unexpected(folder, stored, "answer"));
    }
    if columns.labels.codes.len() != columns.weight_ends.len() {
        return Err(unexpected(folder, stored, "distribution_weights"));
    }
    Ok(columns)
}

fn fill(columns: &mut Columns, name: &str, array: &ArrayRef, rows: usize) -> Option<()> {
    match name {
        "answer" => columns.answers = texts(array)?,
        "status" => columns.statuses = array.as_primitive_opt::<UInt8Type>()?.values().to_vec(),
        "confidence" => columns.confidences = array.as_primitive_opt::<Float32Type>()?.iter().collect(),
        "distribution_labels" => columns.labels = texts(array)?,
        "distribution_weights" => {
            let lists = array.as_list_opt::<i32>()?;
            let start = *lists.value_offsets().first()?;
            columns.weight_ends = lists.value_offsets()[1..].iter().map(|end| (end - start) as u32).collect();
            let values = lists.values().as_primitive_opt::<Float32Type>()?;
            columns.weights = values.values()[start as usize..].to_vec();
        }
        "evidence" => columns.evidence = texts(array)?,
        "at_millis" => columns.at_millis = array.as_primitive_opt::<Int64Type>()?.values().to_vec(),
        "seed" => columns.seeds = array.as_primitive_opt::<UInt64Type>()?.values().to_vec(),
        "suggestion_shown" => {
            columns.suggestions = array.as_boolean_opt()?.iter().map(|shown| shown == Some(true)).collect();
        }
        "inclusion_probability" => columns.inclusions = array.as_primitive_opt::<Float64Type>()?.iter().collect(),
        _ => {
            let (_, part) = COSTS.iter().find(|(cost, _)| *cost == name)?;
            columns.costs.resize(rows, Cost::default());
            for (cost, value) in columns.costs.iter_mut().zip(array.as_primitive_opt::<UInt64Type>()?.values()) {
                *part(cost) = *value;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::Annotation;
    use crate::answer::Answer;

    #[test]
    fn a_segment_gives_back_its_columns_and_refuses_a_changed_byte() {
        let folder = tempfile::tempdir().unwrap();
        let annotator = Digest::of(b"annotator");
        let mut builder = super::super::columns::ColumnsBuilder::default();
        for row in 0..1000_u32 {
            let id = format!("item-{row}");
            let mut annotation = Annotation::new(
                id.as_str().into(),
                Digest::of(id.as_bytes()),
                annotator,
                Answer::class(if row % 3 == 0 { "bug" } else { "praise" }),
            );
            annotation.evidence = (row % 5 == 0).then(|| format!("because {row}"));
            annotation.distribution = (row % 2 == 0).then(|| vec![("bug".into(), 0.1), ("praise".into(), 0.9)]);
            annotation.cost.input_tokens = u64::from(row);
            builder.push(&annotation);
        }
        let (items, columns) = builder.finish();
        let (stored_items, stored) =
            (write_items(folder.path(), &items).unwrap(), write_columns(folder.path(), annotator, &columns).unwrap());
        let read = read_items(folder.path(), &stored_items).unwrap();
        assert_eq!((&read.ids, &read.contents), (&items.ids, &items.contents));
        let read = read_columns(folder.path(), &stored, Detail::Full).unwrap();
        for row in [0, 1, 2, 500, 999] {
            assert_eq!(read.answers.get(row), columns.answers.get(row));
            assert_eq!(read.evidence.get(row), columns.evidence.get(row));
            assert_eq!(read.weights(row), columns.weights(row));
            assert_eq!(read.costs[row], columns.costs[row]);
        }
        assert!(read_columns(folder.path(), &stored, Detail::Votes).unwrap().evidence.codes.is_empty());

        let path = folder.path().join(&stored.file);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = read_columns(folder.path(), &stored, Detail::Full).unwrap_err();
        assert!(error.to_string().contains(&stored.file) && error.to_string().contains("checksum"), "{error}");
        bytes.truncate(middle);
        std::fs::write(&path, &bytes).unwrap();
        assert!(read_columns(folder.path(), &stored, Detail::Full).unwrap_err().to_string().contains("bytes"));
        std::fs::remove_file(&path).unwrap();
        assert!(read_columns(folder.path(), &stored, Detail::Full).unwrap_err().to_string().contains("found none"));
    }
}
