//! Writing tables: whole or not at all, the same bytes every time, and back again unchanged.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::table::{Format, TableOptions, TableReader, TableWriter};
use proptest::prelude::*;

fn strings(columns: &[(&str, Vec<Option<String>>)]) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let arrays = columns.iter().map(|(_, values)| Arc::new(StringArray::from(values.clone())) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

#[test]
fn nothing_has_the_name_before_the_table_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let rows = strings(&[("a", vec![Some("x".to_owned())])]);
    for ending in ["csv", "parquet", "jsonl.zst"] {
        let path = folder.path().join(format!("out.{ending}"));
        std::fs::write(&path, "old").unwrap();
        let mut writer = TableWriter::create(&path, rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the partial file is gone");
        std::fs::remove_file(&path).unwrap();
    }
    assert!(TableWriter::create(folder.path().join("out.xls"), rows.schema(), None).is_err());
    let mut writer = TableWriter::create(folder.path().join("out.csv"), rows.schema(), None).unwrap();
    assert!(writer.write(&strings(&[("b", vec![None])])).is_err(), "another schema is refused");
}

#[test]
fn bytes_depend_on_the_rows_and_not_on_how_they_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<Option<String>> = (0..40_000).map(|i| Some(format!("v{}", i * 31 % 977))).collect();
    let rows = strings(&[("a", values.clone()), ("b", values)]);
    for ending in ["csv.gz", "tsv.zst", "jsonl", "parquet"] {
        let write = |name: &str, step: usize| {
            let path = folder.path().join(format!("{name}.{ending}"));
            let mut writer = TableWriter::create(&path, rows.schema(), None).unwrap();
            for start in (0..rows.num_rows()).step_by(step) {
                writer.write(&rows.slice(start, step.min(rows.num_rows() - start))).unwrap();
            }
            writer.finish().unwrap();
            std::fs::read(path).unwrap()
        };
        let whole = write("whole", 40_000);
        assert!(whole == write("slices", 777) && whole == write("again", 40_000), "{ending}");
    }
}

#[test]
fn numbers_lists_and_nulls_have_one_form() {
    let folder = tempfile::tempdir().unwrap();
    let mut lists = ListBuilder::new(Float32Builder::new());
    lists.append_value([Some(0.1), Some(0.9)]);
    lists.append_null();
    let lists = lists.finish();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("p", Arc::new(Float64Array::from(vec![0.1 + 0.2, f64::NAN]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("all", Arc::new(lists)),
        ("s", Arc::new(StringArray::from(vec![Some("\"\u{1}\\"), None]))),
    ];
    let rows =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let write = |name: &str, format| {
        let path = folder.path().join(name);
        let mut writer = TableWriter::create(&path, rows.schema(), format).unwrap();
        writer.write(&rows).unwrap();
        writer.finish().unwrap();
        std::fs::read_to_string(path).unwrap()
    };
    assert_eq!(write("a.csv", None), "p,ok,all,s\n0.30000000000000004,true,\"[0.1,0.9]\",\"\"\"\u{1}\\\"\nNaN,,,\n");
    assert_eq!(
        write("a.out", Some(Format::Jsonl)),
        "{\"p\":0.30000000000000004,\"ok\":true,\"all\":[0.1,0.9],\"s\":\"\\\"\\u0001\\\\\"}\n\
         {\"p\":null,\"ok\":null,\"all\":null,\"s\":null}\n"
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("a.csv");
    let error = TableWriter::create(&path, strings(&[("a", vec![])]).schema(), None).err().unwrap();
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    assert!(error.to_string().contains("could not write") && !error.is_broken_pipe(), "{error}");
}

/// Any text, with what breaks tables made likely.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ]{0,5}",
        1 => Just("\"".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => Just(",".to_owned()),
        1 => Just("\t".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("\r".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\u{1F469}\u{200D}\u{1F680}".to_owned()),
        1 => Just("\0\u{1}\u{FEFF}".to_owned()),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is written is read back, character for character; where a format has nulls, nulls too.
    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::vec((text(), prop::option::of(text())), 1..12),
        wide in any::<bool>(),
        ending in prop_oneof![Just("csv"), Just("tsv"), Just("jsonl"), Just("parquet"), Just("csv.gz"), Just("jsonl.zst")],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("a.{ending}"));
        let mut columns = vec![("text", rows.iter().map(|(text, _)| Some(text.clone())).collect::<Vec<_>>())];
        if wide {
            columns.push(("m,o;r\"e\n", rows.iter().map(|(_, more)| more.clone()).collect()));
        }
        let written = strings(&columns);
        let mut writer = TableWriter::create(&path, written.schema(), None).unwrap();
        writer.write(&written).unwrap();
        writer.finish().unwrap();
        let mut table = TableReader::open(&path, &TableOptions::default()).unwrap();
        prop_assert_eq!(table.columns().len(), columns.len());
        let chunk = table.next_chunk().unwrap().unwrap();
        prop_assert!(chunk.bad.is_empty(), "{:?}", chunk.bad);
        prop_assert_eq!(chunk.batch.num_rows(), rows.len());
        let keeps_nulls = ending.starts_with("jsonl") || ending == "parquet";
        for (column, (_, values)) in chunk.batch.columns().iter().zip(&columns) {
            let column = column.as_string::<i32>();
            for (row, value) in values.iter().enumerate() {
                let found = column.is_valid(row).then(|| column.value(row));
                let expected = if keeps_nulls { value.as_deref() } else { Some(value.as_deref().unwrap_or_default()) };
                prop_assert_eq!(found, expected);
            }
        }
        prop_assert!(table.next_chunk().unwrap().is_none());
    }
}
