//! Nasty inputs: a table of files and of what has to come out of them.
#![allow(clippy::unwrap_used, clippy::format_push_string)]

use std::io::Write;
use std::path::Path;

use postil_core::items::{ItemOptions, ItemSource};
use postil_core::{Digest, Error};
use proptest::prelude::*;

/// What reading a file gave.
struct Outcome {
    items: Vec<(u64, String, String)>,
    bad: Vec<(u64, String)>,
    error: Option<Error>,
    source: Option<ItemSource>,
}

fn read_with(folder: &Path, name: &str, content: &[u8], options: ItemOptions) -> Outcome {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    let mut outcome = Outcome { items: Vec::new(), bad: Vec::new(), error: None, source: None };
    let mut source = match ItemSource::open(&path, options) {
        Ok(source) => source,
        Err(error) => return Outcome { error: Some(error), ..outcome },
    };
    for batch in &mut source {
        match batch {
            Ok(batch) => {
                let rows = 0..batch.len();
                outcome
                    .items
                    .extend(rows.map(|row| (batch.line(row), batch.id(row).to_owned(), batch.text(row).to_owned())));
            }
            Err(error) => outcome.error = Some(error),
        }
    }
    let report = source.report();
    outcome.bad = report.first_bad.iter().map(|fault| (fault.line, fault.reason.clone())).collect();
    assert_eq!(report.items, outcome.items.len() as u64);
    outcome.source = Some(source);
    outcome
}

fn with_id() -> ItemOptions {
    ItemOptions { id: Some("id".to_owned()), ..ItemOptions::new("text") }
}

/// A case: its name, the file's name and bytes, the items that come out as `(line, id, text)`, and the lines of bad rows
/// with a part of each reason.
type Case<'a> = (&'a str, &'a str, &'a [u8], &'a [(u64, &'a str, &'a str)], &'a [(u64, &'a str)]);

const CASES: &[Case<'_>] = &[
    ("plain", "a.csv", b"id,text\n1,one\n2,two\n", &[(2, "1", "one"), (3, "2", "two")], &[]),
    ("no last line end", "a.csv", b"id,text\n1,one", &[(2, "1", "one")], &[]),
    ("no last line end, quoted", "a.csv", b"id,text\n1,\"one\"", &[(2, "1", "one")], &[]),
    ("crlf", "a.csv", b"id,text\r\n1,one\r\n2,\"two\"\r\n", &[(2, "1", "one"), (3, "2", "two")], &[]),
    ("lone cr", "a.csv", b"id,text\r1,one\r2,\"tw\ro\"\r3,x\r", &[(2, "1", "one"), (3, "2", "tw\ro"), (5, "3", "x")], &[]),
    ("cr inside a line of an lf file", "a.csv", b"id,text\n1,o\rne\n", &[(2, "1", "o\rne")], &[]),
    ("bom", "a.csv", b"\xEF\xBB\xBFid,text\n1,one\n", &[(2, "1", "one")], &[]),
    ("bom before a quote", "a.csv", b"\xEF\xBB\xBF\"id\",text\n1,one\n", &[(2, "1", "one")], &[]),
    ("quotes in quotes", "a.csv", b"id,text\n1,\"say \"\"hi\"\"\"\n2,\"\"\"\"\n", &[(2, "1", "say \"hi\""), (3, "2", "\"")], &[]),
    ("quotes in an unquoted field", "a.csv", b"id,text\n1,5\" disk\n", &[(2, "1", "5\" disk")], &[]),
    (
        "line ends in quotes, and lines counted on",
        "a.csv",
        b"id,text\n1,\"a\nb\r\nc\"\n2,x,y\n3,z\n",
        &[(2, "1", "a\nb\r\nc"), (6, "3", "z")],
        &[(5, "expected 2 fields, found 3")],
    ),
    ("empty fields", "a.csv", b"id,text,more\n1,,\n2,\"\",x\n", &[(2, "1", ""), (3, "2", "")], &[]),
    ("blank lines", "a.csv", b"\n\nid,text\n\n1,one\n\r\n2,two\n\n", &[(5, "1", "one"), (7, "2", "two")], &[]),
    ("emoji", "a.csv", "id,text\n1,\u{1F469}\u{200D}\u{1F680} e\u{301}\n".as_bytes(), &[(2, "1", "\u{1F469}\u{200D}\u{1F680} e\u{301}")], &[]),
    ("nul", "a.csv", b"id,text\n1,a\0b\n", &[(2, "1", "a\0b")], &[]),
    ("white space is kept", "a.csv", b"id,text\n1,  a\t \n", &[(2, "1", "  a\t ")], &[]),
    ("trailing delimiter", "a.csv", b"id,text\n1,one,\n2,two\n", &[(2, "1", "one"), (3, "2", "two")], &[]),
    ("trailing delimiter throughout", "a.csv", b"id,text,\n1,one,\n", &[(2, "1", "one")], &[]),
    ("semicolons", "a.csv", b"id;text\n1;one, two\n2;three, four\n", &[(2, "1", "one, two"), (3, "2", "three, four")], &[]),
    ("tabs in .csv", "a.csv", b"id\ttext\n1\tone, two\n", &[(2, "1", "one, two")], &[]),
    ("tsv", "a.tsv", b"id\ttext\n1\ta,b;c\n2\t\"a\tb\"\n", &[(2, "1", "a,b;c"), (3, "2", "a\tb")], &[]),
    ("unknown ending, csv", "a.dat", b"id,text\n1,one\n", &[(2, "1", "one")], &[]),
    ("unknown ending, json", "a.dat", b"{\"id\":1,\"text\":\"one\"}\n", &[(1, "1", "one")], &[]),
    ("header only", "a.csv", b"id,text\n", &[], &[]),
    (
        "wrong number of fields",
        "a.csv",
        b"id,text\n1,one\n2\n3,a,b\n4,four\n5,five\n6,six\n",
        &[(2, "1", "one"), (5, "4", "four"), (6, "5", "five"), (7, "6", "six")],
        &[(3, "expected 2 fields, found 1"), (4, "expected 2 fields, found 3 (is a field with commas in it not quoted?)")],
    ),
    (
        "a quote that never closes costs its line",
        "a.csv",
        b"id,text\n1,one\n2,\"two\n3,three\n4,four\n",
        &[(2, "1", "one"), (4, "3", "three"), (5, "4", "four")],
        &[(3, "the quote that opens on line 3, byte column 3 is never closed")],
    ),
    (
        "a stray quote before a quoted field costs its line",
        "a.csv",
        b"id,text\n1,\"one\n2,two\n3,\"three, four\"\n4,x\n",
        &[(3, "2", "two"), (4, "3", "three, four"), (5, "4", "x")],
        &[(2, "opens on line 2 meets text after a quote on line 4, byte column 4")],
    ),
    (
        "text after a closing quote",
        "a.csv",
        b"id,text\n1,\"a\"b\n2,\"He said \"hi\" to, me\"\n3,ok\n4,ok!\n5,!\n",
        &[(4, "3", "ok"), (5, "4", "ok!"), (6, "5", "!")],
        &[(2, "found text at byte column 6"), (3, "found text at byte column 13")],
    ),
    (
        "latin-1",
        "a.csv",
        b"id,text\n1,one\n2,caf\xE9 noir\n3,\"x\ny\xFF\"\n4,four\n5,5\n",
        &[(2, "1", "one"), (6, "4", "four"), (7, "5", "5")],
        &[(3, "0xE9 at line 3, byte column 6 (`\u{e9}` in Windows-1252"), (4, "0xFF at line 5, byte column 2")],
    ),
    (
        "ids",
        "a.csv",
        b"id,text\n1,one\n1,one\n1,other\n ,blank\n2,one\n3,x\n",
        &[(2, "1", "one"), (6, "2", "one"), (7, "3", "x")],
        &[(4, "found `1` again with different content"), (5, "expected an id in `id`")],
    ),
    ("json", "a.jsonl", b"{\"id\":\"1\",\"text\":\"a\\n\\u00e9\"}\r\n\n{\"text\":\"b\",\"id\":2}", &[(1, "1", "a\n\u{e9}"), (3, "2", "b")], &[]),
    ("numbers as text", "a.jsonl", b"{\"id\":1,\"text\":12345678901234567890.10}\n", &[(1, "1", "12345678901234567890.10")], &[]),
    (
        "broken json",
        "a.jsonl",
        b"{\"id\":1,\"text\":\"a\"}\n{\"id\":2,\"text\":\n{\"id\":3}\n{\"id\":4,\"text\":null}\n{\"id\":5,\"text\":[\"x\"]}\n\
          {\"id\":6,\"text\":true}\n{\"id\":7,\"text\":\"caf\xE9 x\"}\n[]\n{\"id\":8,\"text\":\"\\ud800\"}\n\
          {\"id\":9,\"id\":9,\"text\":\"x\"}\n{\"id\":10,\"text\":\"z\"}\n{\"id\":11,\"text\":\"z\"}\n{\"id\":12,\"text\":\"z\"}\n",
        &[(1, "1", "a"), (11, "10", "z"), (12, "11", "z"), (13, "12", "z")],
        &[
            (2, "expected a value, found the end of the line"),
            (3, "expected a text in `text`, found nothing"),
            (4, "expected a text in `text`, found nothing"),
            (5, "expected a string or a number in `text`, found `[\"x\"]`"),
            (6, "expected a string or a number in `text`, found `true`"),
            (7, "0xE9 at line 7"),
            (8, "expected a JSON object"),
            (9, "expected valid JSON"),
            (10, "found `id` twice"),
        ],
    ),
];

fn check(outcome: &Outcome, name: &str, items: &[(u64, &str, &str)], bad: &[(u64, &str)]) {
    assert!(outcome.error.is_none(), "{name}: {:?}", outcome.error);
    let found: Vec<_> = outcome.items.iter().map(|(line, id, text)| (*line, id.as_str(), text.as_str())).collect();
    assert_eq!(found, items, "{name}");
    let lines: Vec<u64> = outcome.bad.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), "{name}: {:?}", outcome.bad);
    for ((_, found), (_, expected)) in outcome.bad.iter().zip(bad) {
        assert!(found.contains(expected), "{name}: {found}");
    }
}

#[test]
fn nasty_files_give_their_items_and_their_bad_rows() {
    let folder = tempfile::tempdir().unwrap();
    for (name, file, content, items, bad) in CASES {
        check(&read_with(folder.path(), file, content, with_id()), name, items, bad);
        // The same through compression and in small batches.
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(content).unwrap();
        let options = ItemOptions { batch_rows: 2, ..with_id() };
        check(
            &read_with(folder.path(), &format!("{file}.gz"), &gzip.finish().unwrap(), options.clone()),
            name,
            items,
            bad,
        );
        let zstd = zstd::encode_all(*content, 1).unwrap();
        check(&read_with(folder.path(), &format!("z-{file}"), &zstd, options), name, items, bad);
    }
}

#[test]
fn files_that_are_no_tables_are_refused_by_name() {
    let utf16: Vec<u8> = "id,text\n1,one\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [&[0xFF, 0xFE], utf16.as_slice()].concat();
    let latin: Vec<u8> = [b"id,text\n".as_slice(), &b"1,\xE9t\xE9\n".repeat(12)].concat();
    let wrong_delimiter = [b"id,text\n".as_slice(), &b"1;2\n".repeat(3000)].concat();
    let list: &[u8] = b"[{\"id\":1,\"text\":\"x\"}]";
    let cases: [(&str, &[u8], &str, &str); 14] = [
        ("a.csv", b"", "the file is empty", "column names"),
        ("a.csv", b"\n\n", "found blank lines", "column names"),
        ("a.jsonl", b"", "the file is empty", "column names"),
        ("a.csv", &utf16, "found UTF-16LE", "iconv -f UTF-16LE"),
        ("a.csv", &with_mark, "found UTF-16LE", "iconv -f UTF-16LE"),
        ("a.csv", b"id,text,id\n1,2,3\n", "found `id` as columns 1 and 3", "rename"),
        (
            "a.csv",
            b"id,Texts\n1,2\n",
            "expected the text column `text`, found the columns `id`, `Texts`",
            "nearest name is `Texts`",
        ),
        ("a.csv", b"id,text,x\"\n1,\"a\"b,2\n2,\"b\"c,3\n", "2 of the first 2 rows cannot be used", "quotes"),
        ("a.csv", &latin, "12 of the first 12 rows cannot be used", "convert the file to UTF-8"),
        ("a.csv", &wrong_delimiter, "1000 of the first 1000 rows", "delimiter"),
        ("a.json", list, "found a list", "jq -c"),
        ("a.jsonl", b"{\n\"id\":1,\n\"text\":\"x\"\n}\n", "cannot be used", "one JSON object"),
        ("a.csv", b"PK\x03\x04xxxx", "a ZIP archive or an Excel workbook", "save the sheet"),
        ("a.parquet", b"id,text\n", "expected a Parquet file", "file name"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (file, content, message, hint) in cases {
        let outcome = read_with(folder.path(), file, content, with_id());
        let Some(error) = outcome.error else { panic!("expected an error with `{message}`") };
        assert!(error.is_input() && error.to_string().contains(message), "{error}");
        assert!(error.to_string().starts_with(&folder.path().join(file).display().to_string()), "{error}");
        assert!(error.advice().unwrap_or_default().contains(hint), "{error:?}");
        assert!(outcome.items.is_empty(), "{message}");
    }
    let missing = ItemSource::open(folder.path().join("missing.csv"), with_id()).err().unwrap();
    assert!(missing.to_string().contains("could not open"), "{missing}");
    let directory = ItemSource::open(folder.path(), with_id()).err().unwrap();
    assert!(directory.to_string().contains("could not read"), "{directory}");
}

#[test]
fn a_damaged_compressed_file_is_an_error_after_the_rows_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("id,text\n");
    (0..200_000).for_each(|row| text.push_str(&format!("{row},{:x}\n", row * 7919 % 100_003)));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let outcome = read_with(folder.path(), "a.csv.gz", &whole[..whole.len() / 2], with_id());
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("a.csv.gz:") && error.contains("could not read on"), "{error}");
    assert!(outcome.items.len() > 10_000 && outcome.items.len() < 200_000);
}

#[test]
fn bad_rows_are_put_aside_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let side = folder.path().join("rejected.jsonl");
    let content = b"id,text\n1,one\n2\n3,\xE9\n3,\"a\"\"b\"\n3,other\n4,x\n5,y\n";
    let options = || ItemOptions { side_file: Some(side.clone()), ..with_id() };
    let outcome = read_with(folder.path(), "a.csv", content, options());
    assert_eq!(outcome.source.unwrap().report().side_file.as_deref(), Some(side.as_path()));
    let rows: Vec<serde_json::Value> =
        std::fs::read_to_string(&side).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let parts: Vec<_> = rows.iter().map(|row| (row["line"].as_u64().unwrap(), row["raw"].as_str().unwrap())).collect();
    assert_eq!(parts, [(3, "2"), (4, "3,\u{FFFD}"), (6, "3,other")]);
    assert_eq!(rows[1]["raw_hex"], "332ce9");
    assert!(rows[0]["raw_hex"].is_null() && rows[0]["file"].as_str().unwrap().ends_with("a.csv"));
    // A clean run leaves no old side file behind.
    read_with(folder.path(), "a.csv", b"id,text\n1,one\n", options());
    assert!(!side.exists());
    let strict = read_with(folder.path(), "a.csv", content, ItemOptions { strict: true, ..options() });
    assert!(strict.error.unwrap().to_string().ends_with("a.csv:3: expected 2 fields, found 1"));
}

#[test]
fn without_an_id_column_content_names_an_item() {
    let folder = tempfile::tempdir().unwrap();
    let read = |content: &[u8]| read_with(folder.path(), "a.csv", content, ItemOptions::new("text"));
    let outcome = read(b"text,more\nx,1\nx,2\nx,1\n");
    assert_eq!(outcome.source.as_ref().unwrap().report().repeated_rows, 1);
    let parts: [&[u8]; 3] = [b"x", b"more", b"1"];
    assert_eq!(outcome.items[0].1, Digest::of_parts(parts).to_string());
    let ids = |outcome: &Outcome| outcome.items.iter().map(|(_, id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&outcome), ids(&read(b"more,text\n1,x\n2,x\n")), "the order of columns does not count");
    assert_ne!(ids(&outcome)[..1], ids(&read(b"text,more\nx,3\n"))[..]);
    let same_content = read_with(folder.path(), "b.csv", b"id,text\n1,x\n2,x\n3,\n", with_id()).source.unwrap();
    assert_eq!((same_content.report().duplicate_contents, same_content.report().empty_texts), (1, 1));
}

#[test]
fn rows_beyond_the_longest_are_put_aside_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for (file, before, after) in
        [("a.csv", "1,", "\n2,two\n3,x\n"), ("a.jsonl", "{\"id\":1,\"text\":\"", "\"}\n{\"id\":2,\"text\":\"two\"}\n")]
    {
        let path = folder.path().join(file);
        let mut out = std::fs::File::create(&path).unwrap();
        let header = if file == "a.csv" { "id,text\n0,zero\n" } else { "{\"id\":0,\"text\":\"zero\"}\n" };
        out.write_all(header.as_bytes()).unwrap();
        out.write_all(before.as_bytes()).unwrap();
        let block = vec![b'x'; 1 << 20];
        (0..140).for_each(|_| out.write_all(&block).unwrap());
        out.write_all(after.as_bytes()).unwrap();
        drop(out);
        let mut source = ItemSource::open(&path, with_id()).unwrap();
        let read: usize = (&mut source).map(|batch| batch.unwrap().len()).sum();
        let report = source.report();
        assert_eq!((report.bad_rows, read), (1, if file == "a.csv" { 3 } else { 2 }), "{report:?}");
        assert!(report.first_bad[0].reason.contains("at most 64 MiB"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the bytes, reading ends without a panic, and every row is an item, a repeat or bad.
    #[test]
    fn arbitrary_bytes_never_panic(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(b"\"".to_vec()), Just(b",".to_vec()), Just(b"\n".to_vec()), Just(b"\r".to_vec()), Just(b"{".to_vec()),
                Just(b"\"\"".to_vec()), Just(b":".to_vec()), Just(b"}".to_vec()), Just(b"x,y".to_vec()), Just(b"{\"text\":\"".to_vec()),
                prop::collection::vec(any::<u8>(), 0..6),
            ],
            0..60,
        ),
        header in prop_oneof![Just("id,text\n"), Just("id,text\r"), Just(""), Just("{\"id\":1,\"text\":\"a\"}\n")],
        ending in prop_oneof![Just("csv"), Just("tsv"), Just("jsonl"), Just("dat"), Just("parquet"), Just("csv.gz")],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let content = [header.as_bytes(), &pieces.concat()].concat();
        let outcome = read_with(folder.path(), &format!("a.{ending}"), &content, with_id());
        if let (Some(source), None) = (&outcome.source, &outcome.error) {
            let report = source.report();
            prop_assert_eq!(report.rows_read, report.items + report.bad_rows + report.repeated_rows);
        }
    }
}
