//! One table through every format.
#![allow(clippy::unwrap_used, clippy::format_push_string)]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use postil_core::ItemBatch;
use postil_core::items::{ItemOptions, ItemSource};
use postil_core::table::{TableOptions, TableReader, TableWriter};
use proptest::prelude::*;

fn items(path: &std::path::Path) -> (Vec<ItemBatch>, ItemSource) {
    let mut source =
        ItemSource::open(path, ItemOptions { id: Some("id".to_owned()), ..ItemOptions::new("text") }).unwrap();
    let batches = (&mut source).map(|batch| batch.unwrap()).collect();
    (batches, source)
}

#[test]
fn every_format_gives_the_same_items() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["a, \"b\"", "line\nend\r\n", "", " \u{1F642}\u{200D} ", "\0", "\r", "plain", "\u{FEFF}x", "1;2\t3|4"];
    let ids: Vec<String> = (1..=texts.len()).map(|id| id.to_string()).collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("a|b", DataType::Int64, false),
    ]));
    let numbers = Int64Array::from_iter_values(0..texts.len() as i64);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(ids)), Arc::new(StringArray::from(texts.to_vec())), Arc::new(numbers)];
    let rows = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut digests = None;
    for ending in ["csv", "tsv", "jsonl", "parquet", "csv.gz", "csv.zst", "tsv.zst", "jsonl.gz"] {
        let path = folder.path().join(format!("a.{ending}"));
        let mut writer = TableWriter::create(&path, schema.clone(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.finish().unwrap();
        let (batches, source) = items(&path);
        assert_eq!(source.report().bad_rows, 0, "{ending}: {:?}", source.report());
        let batch = &batches[0];
        let found: Vec<&str> = (0..batch.len()).map(|row| batch.text(row)).collect();
        assert_eq!(found, texts, "{ending}");
        assert_eq!(batch.field(3, "a|b").as_deref(), Some("3"), "{ending}");
        let expected = digests.get_or_insert_with(|| batch.digests().to_vec());
        assert_eq!(batch.digests(), expected.as_slice(), "{ending}: content is recognised across formats");
    }
}

#[test]
fn keys_that_appear_late_join_the_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let lines = ["{\"id\":1,\"text\":\"a\"}", "{\"text\":\"b\",\"id\":2,\"late\":\"x\"}", "{\"id\":3,\"text\":\"c\"}"];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let options = TableOptions { batch_rows: 1, ..TableOptions::default() };
    let mut table = TableReader::open(&path, &options).unwrap();
    let mut widths = Vec::new();
    while let Some(chunk) = table.next_chunk().unwrap() {
        widths.push(chunk.batch.num_columns());
    }
    assert_eq!(widths, [2, 3, 3]);
    assert_eq!(table.columns(), ["id", "text", "late"]);
}

#[test]
fn parquet_strings_of_every_kind_are_read_and_nulls_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let classes = r#"{"info":{"features":{"label":{"names":["neg","pos"],"_type":"ClassLabel"}}}}"#;
    let schema = Arc::new(
        Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("text", DataType::LargeUtf8, true),
            Field::new("view", DataType::Utf8View, true),
            Field::new("label", DataType::Int64, true),
        ])
        .with_metadata([("huggingface".to_owned(), classes.to_owned())].into()),
    );
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![7, 8, 9])),
        Arc::new(LargeStringArray::from(vec![Some("x"), None, Some("z")])),
        Arc::new(StringViewArray::from(vec![Some("v"), None, Some("w")])),
        Arc::new(Int64Array::from(vec![1, 0, -1])),
    ];
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), schema.clone(), None).unwrap();
    writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    writer.close().unwrap();
    let side = folder.path().join("side.jsonl");
    let options = ItemOptions { id: Some("id".to_owned()), side_file: Some(side.clone()), ..ItemOptions::new("text") };
    let mut source = ItemSource::open(&path, options).unwrap();
    let batch = source.next().unwrap().unwrap();
    assert_eq!((batch.id(0), batch.text(0), batch.line(1)), ("7", "x", 3));
    assert_eq!((batch.field(0, "label").as_deref(), batch.field(1, "label")), (Some("pos"), None));
    assert_eq!(batch.field(1, "view").as_deref(), Some("w"));
    assert!(source.next().is_none());
    assert_eq!(source.report().first_bad[0].line, 2);
    let aside: serde_json::Value = serde_json::from_str(std::fs::read_to_string(side).unwrap().trim()).unwrap();
    assert_eq!(aside["raw"], r#"{"id":8,"text":null,"view":null,"label":"neg"}"#);
}

/// The rows of a well-formed CSV as `csv-core` reads them.
fn csv_core_rows(mut input: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv_core::Reader::new();
    let (mut rows, mut output, mut ends) = (Vec::new(), vec![0; 1 << 16], vec![0; 64]);
    let (mut written, mut fields) = (0, 0);
    loop {
        let (outcome, used, wrote, ended) = reader.read_record(input, &mut output[written..], &mut ends[fields..]);
        input = &input[used..];
        (written, fields) = (written + wrote, fields + ended);
        match outcome {
            csv_core::ReadRecordResult::End => return rows,
            csv_core::ReadRecordResult::Record => {
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let field = |(start, &end): (usize, &usize)| String::from_utf8(output[start..end].to_vec()).unwrap();
                rows.push(starts.zip(&ends[..fields]).map(field).collect());
                (written, fields) = (0, 0);
            }
            csv_core::ReadRecordResult::InputEmpty => {}
            _ => panic!("the buffers are long enough"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Well-formed rows, quoted and unquoted at random, are what `csv-core` takes them for.
    #[test]
    fn well_formed_rows_are_those_of_csv_core(
        fields in prop::collection::vec(("[a-c ,\n\"\u{e9}]{0,4}|[a-z]{60,70}", any::<bool>()), 3..90),
        line_end in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let mut text = format!("a,b,c{line_end}");
        for row in fields.as_chunks::<3>().0 {
            for (index, (value, quoted)) in row.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                if *quoted || value.contains([',', '\n', '"']) {
                    text.push_str(&format!("\"{}\"", value.replace('"', "\"\"")));
                } else {
                    text.push_str(value);
                }
            }
            text.push_str(line_end);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, &text).unwrap();
        let mut table = TableReader::open(&path, &TableOptions { batch_rows: 7, ..TableOptions::default() }).unwrap();
        let mut rows = vec![table.columns().to_vec()];
        while let Some(chunk) = table.next_chunk().unwrap() {
            prop_assert!(chunk.bad.is_empty(), "{:?}", chunk.bad);
            for row in 0..chunk.batch.num_rows() {
                let value = |column: &ArrayRef| column.as_string::<i32>().value(row).to_owned();
                rows.push(chunk.batch.columns().iter().map(value).collect());
            }
        }
        prop_assert_eq!(rows, csv_core_rows(text.as_bytes()));
    }
}
