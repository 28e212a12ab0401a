//! `postil convert` and `postil import`: every pair of formats, what is lost, and input that is broken.

use serde_json::Value;

use crate::support::Folder;

const DOCUMENTS: &str = "{\"id\":\"a\",\"text\":\"Ann flew to São Paulo 🚀 and Oslo.\",\"spans\":[\
{\"start\":0,\"end\":3,\"label\":\"PER\",\"quote\":\"Ann\"},{\"start\":12,\"end\":21,\"label\":\"LOC\",\"quote\":\"São Paulo\"},\
{\"start\":28,\"end\":32,\"label\":\"LOC\",\"quote\":\"Oslo\"}]}\n\
{\"id\":\"b\",\"text\":\"שלום Zoe\u{308}\\r\\n東京\",\"spans\":[{\"start\":5,\"end\":9,\"label\":\"PER\",\"quote\":\"Zoe\u{308}\"}]}\n\
{\"id\":\"c\",\"text\":\"nobody\",\"spans\":[]}\n";

fn remark<'r>(report: &'r Value, side: &str, kind: &str) -> Option<&'r Value> {
    report[side]["remarks"].as_array().unwrap().iter().find(|remark| remark["kind"] == kind)
}

#[test]
fn every_format_converts_to_every_other() {
    let folder = Folder::new();
    folder.write("a.jsonl", DOCUMENTS);
    let formats = ["jsonl", "conll", "conllu", "prodigy", "doccano", "label-studio", "spacy", "brat", "slots"];
    for from in formats {
        let first = format!("first-{from}");
        folder.ok(&["convert", "a.jsonl", "--to", from, "-o", &first, "--comments"]);
        for to in formats {
            let second = format!("second-{from}-{to}");
            let report =
                folder.json(&["convert", &first, "--from", from, "--to", to, "-o", &second, "--comments", "--json"]);
            assert_eq!(report["written"]["spans"], 4, "{from} to {to}: {report}");
            let back = format!("back-{from}-{to}.jsonl");
            let report = folder.json(&["convert", &second, "--from", to, "--to", "jsonl", "-o", &back, "--json"]);
            assert_eq!(report["read"]["documents"], 3, "{from} to {to}: {report}");
            let text = folder.read(&back);
            let quotes: Vec<String> = text
                .lines()
                .flat_map(|line| {
                    let row: Value = serde_json::from_str(line).unwrap();
                    let spans = row["spans"].as_array().unwrap().clone();
                    spans.into_iter().map(|span| span["quote"].as_str().unwrap().to_owned())
                })
                .collect();
            assert_eq!(quotes, ["Ann", "São Paulo", "Oslo", "Zoe\u{308}"], "{from} to {to}");
        }
    }
}

#[test]
fn formats_are_recognised_and_losses_listed() {
    let folder = Folder::new();
    folder.write(
        "ls.json",
        r#"[{"id": 7, "data": {"text": "🚀 Ann in Oslo"}, "annotations": [{"id": 1, "result": [
        {"id": "x", "type": "labels", "value": {"start": 3, "end": 6, "text": "Ann", "labels": ["PER"]}},
        {"id": "y", "type": "labels", "value": {"start": 3, "end": 14, "text": "Ann in Oslo", "labels": ["EVENT"]}}]},
        {"id": 2, "result": []}]},
        {"id": 8, "data": {"text": "skipped"}, "annotations": [{"id": 3, "was_cancelled": true, "result": []}]}]"#,
    );
    let report = folder.json(&["convert", "ls.json", "--to", "conll", "-o", "x.conll", "--json"]);
    assert_eq!(report["read"]["format"], "label-studio");
    assert_eq!(remark(&report, "read", "offsets_utf16").unwrap()["count"], 1);
    assert_eq!(remark(&report, "read", "other_annotation").unwrap()["effect"], "lost");
    let overlap = remark(&report, "written", "overlapping_span").unwrap();
    assert!(overlap["first"][0]["detail"].as_str().unwrap().contains("\"Ann\" at 2 to 5 (`PER`)"), "{overlap}");
    assert_eq!(remark(&report, "written", "not_accepted").unwrap()["count"], 1);
    assert_eq!(report["lossless"], false);
    assert_eq!(folder.read("x.conll"), "🚀\tO\nAnn\tB-EVENT\nin\tI-EVENT\nOslo\tI-EVENT\n\n");
    let text = folder.ok(&["convert", "ls.json", "--to", "conll", "-o", "x.conll"]);
    assert!(text.contains("lost in writing: 1 spans overlap a longer one"), "{text}");
    let message = folder.fails(2, &["convert", "ls.json", "--to", "conll", "-o", "strict.conll", "--strict"]);
    assert!(message.contains("expected nothing to be lost"), "{message}");
    assert!(!folder.path("strict.conll").exists());
    folder.ok(&["convert", "ls.json", "--to", "label-studio", "-o", "again.json"]);
    assert!(folder.read("again.xml").contains("<Label value=\"EVENT\"/>"));
    let again: Value = serde_json::from_str(&folder.read("again.json")).unwrap();
    assert_eq!(again[0]["annotations"][0]["result"][0]["value"]["start"], 3);
    assert_eq!(again[1]["annotations"][0]["was_cancelled"], true);
}

#[test]
fn streams_are_read_and_written_compressed_and_through_pipes() {
    let folder = Folder::new();
    folder.write("a.jsonl", DOCUMENTS);
    folder.ok(&["convert", "a.jsonl", "-o", "a.conll.gz", "--comments"]);
    folder.ok(&["convert", "a.conll.gz", "-o", "b.jsonl.zst"]);
    let piped = folder.ok(&["convert", "b.jsonl.zst", "--to", "doccano"]);
    assert!(piped.contains("[12,21,\"LOC\"]"), "{piped}");
    let mut child = folder.postil(&["convert", "-", "--to", "conll"]);
    child.stdin(std::fs::File::open(folder.path("a.jsonl")).unwrap());
    let output = child.output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("Ann\tB-PER\n"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("standard input: jsonl, 3 documents"));
}

#[test]
fn broken_input_is_refused_by_its_place_or_repaired_and_listed() {
    let folder = Folder::new();
    // Content, exit code, and what must be said.
    let cases: [(&str, &[u8], i32, &str); 17] = [
        ("a.conll", b"EU NNP I-NP I-ORG\nrejects VBZ O\n", 2, "a.conll:2: expected 4 columns, found 3"),
        ("a.conll", b"a B-PER\nb I-LOC\n", 0, "line 2: `I-LOC`"),
        ("a.conll", b"a O\nb \xFFO\n", 2, "a.conll:2: expected UTF-8"),
        ("a.conll", b"\xEF\xBB\xBFa B-PER\r\nb O\r\n", 0, "1 byte order mark"),
        ("a.conll", b"\tO\nb\tO\n", 2, "a.conll:1: expected a token"),
        (
            "a.jsonl",
            b"{\"text\":\"abc\",\"spans\":[{\"start\":1,\"end\":9,\"label\":\"X\"}]}\n",
            2,
            "within the text of 3",
        ),
        (
            "a.jsonl",
            b"{\"text\":\"abc\",\"spans\":[{\"start\":2,\"end\":2,\"label\":\"X\"}]}\n",
            0,
            "1 spans are empty",
        ),
        (
            "a.jsonl",
            b"{\"text\":\"abc\",\"spans\":[{\"start\":0,\"end\":2,\"label\":\"X\",\"quote\":\"zz\"}]}\n",
            2,
            "expected \"zz\"",
        ),
        (
            "a.jsonl",
            b"{\"id\":1,\"text\":\"a\",\"spans\":[]}\n{\"id\":1,\"text\":\"b\",\"spans\":[]}\n",
            0,
            "an id that was used before",
        ),
        ("a.jsonl", b"{\"text\":\"a\",\"spans\":[]}\n{\"text\":\"b\",\n", 0, "first: line 2: expected JSON"),
        (
            "a.jsonl",
            b"{\"text\":\"a\",\"spans\":[]}\n{\"text\":\"\xC3(\",\"spans\":[]}\n",
            0,
            "first: line 2: expected UTF-8",
        ),
        ("a.jsonl", b"{\"spans\":[]}\n", 2, "expected the field `text`"),
        ("a.jsonl", b"{\"tokens\":[\"a\",\"b\"],\"tags\":[\"O\"]}\n", 2, "expected 2 tags"),
        (
            "a.json",
            b"[{\"data\":{\"text\":\"a\"},\"annotations\":[]},\n{\"data\":{\"text\":\"b",
            2,
            "a.json:2: expected the end of the element",
        ),
        ("a.json", b"[{\"data\":{\"text\":\"a\"},\"annotations\":[]}\n", 2, "expected `]`"),
        (
            "a.txt",
            b"Dear Sir,\nI write to you today because nothing here is a token with a tag.\nYours truly\n",
            2,
            "known format",
        ),
        ("a.conll", b"  \n\n", 2, "found an empty file"),
    ];
    for (name, content, code, said) in cases {
        folder.write(name, content);
        let output = folder.postil(&["convert", name, "--to", "jsonl", "-o", "out.jsonl"]).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{name} {}: {text}", String::from_utf8_lossy(content));
        assert!(text.contains(said), "{}: expected {said}, found {text}", String::from_utf8_lossy(content));
    }
    folder.write("a.jsonl", "{\"text\":\"abc\",\"spans\":[{\"start\":1,\"end\":9,\"label\":\"X\"}]}\n");
    let message = folder.fails(2, &["convert", "a.jsonl", "--to", "conll", "-o", "x.conll", "--strict"]);
    assert!(message.contains("a.jsonl:1: expected spans within the text"), "{message}");
    folder.fails(1, &["convert", "missing.conll", "--to", "jsonl"]);
    folder.write("a.jsonl", DOCUMENTS);
    assert!(folder.fails(2, &["convert", "a.jsonl", "-o", "x.unknown"]).contains("expected a format to write"));
    assert!(folder.fails(2, &["convert", "a.jsonl", "--to", "brat"]).contains("expected a folder"));
}

#[test]
fn a_sentence_of_a_megabyte_is_one_sentence() {
    let folder = Folder::new();
    let words = "word O\n".repeat(150_000);
    folder.write("long.conll", format!("Oslo B-LOC\n{words}\n"));
    let report = folder.json(&["convert", "long.conll", "--to", "jsonl", "-o", "x.jsonl", "--json"]);
    assert_eq!((&report["read"]["sentences"], &report["read"]["tokens"]), (&1.into(), &150_001.into()));
    let found = folder.json(&["evaluate", "long.conll", "long.conll", "--json"]);
    assert_eq!(found["f1"]["value"], 1.0);
}

#[test]
fn an_import_makes_the_files_of_a_project() {
    let folder = Folder::new();
    folder.write(
        "x.jsonl",
        "{\"text\":\"Ann in Oslo\",\"spans\":[{\"start\":7,\"end\":11,\"label\":\"LOC\"}],\"answer\":\"accept\",\"_task_hash\":1}\n\
         {\"text\":\"Bob\",\"spans\":[{\"start\":0,\"end\":3,\"label\":\"LOC\"}],\"answer\":\"reject\",\"_task_hash\":2}\n",
    );
    let report = folder.json(&["import", "x.jsonl", "--project", "p", "--json"]);
    assert_eq!((&report["read"]["format"], &report["gold_documents"]), (&"prodigy".into(), &1.into()));
    assert_eq!(
        folder.read("p/gold.jsonl"),
        "{\"id\":\"1\",\"spans\":[{\"start\":7,\"end\":11,\"label\":\"LOC\",\"quote\":\"Oslo\"}]}\n"
    );
    let items = folder.read("p/items.jsonl");
    assert_eq!(items.lines().count(), 2);
    assert!(items.starts_with("{\"id\":\"1\",\"text\":\"Ann in Oslo\""), "{items}");
    assert!(folder.read("p/postil.toml").contains("labels = [\"LOC\"]"));
    assert!(folder.fails(2, &["import", "x.jsonl", "--project", "p"]).contains("found the file"));
    let text = folder.ok(&["import", "x.jsonl", "-o", "all.jsonl"]);
    assert!(text.contains("written: all.jsonl (jsonl, 2 documents)"), "{text}");
    assert!(folder.read("all.jsonl").contains("\"_task_hash\":2"));
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let folder = Folder::new();
    folder.write("a.jsonl", DOCUMENTS);
    let one = folder.ok(&["convert", "a.jsonl", "--to", "prodigy", "--threads", "1"]);
    assert_eq!(one, folder.ok(&["convert", "a.jsonl", "--to", "prodigy", "--threads", "2"]));
}
