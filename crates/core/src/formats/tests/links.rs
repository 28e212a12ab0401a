//! Links between spans, through every format that has them.

use super::super::{DocumentReader, DocumentWriter, Effect, Format, ReadOptions, RemarkKind, WriteOptions};
use crate::answer::{Link, Span};
use crate::document::Document;

fn span(text: &str, words: &str, label: &str) -> Span {
    let start = text[..text.find(words).unwrap()].chars().count() as u32;
    Span { start, end: start + words.chars().count() as u32, label: label.into(), quote: words.to_owned() }
}

fn linked() -> Document {
    let text = "🔥 Cell A ran at 600 °C.\nIt gave 2 W.";
    let spans = vec![
        span(text, "ran", "RUN"),
        span(text, "Cell A", "DEVICE"),
        span(text, "600 °C", "VALUE"),
        span(text, "2 W", "VALUE"),
    ];
    let links = [(0, 1, "device"), (0, 2, "temperature"), (0, 3, "power"), (2, 3, "gives")];
    let links = links.map(|(from, to, kind)| Link { from, to, kind: kind.into() }).to_vec();
    Document { spans, links, ..Document::from_text("d", text) }
}

fn through(document: &Document, format: Format) -> (Document, Vec<(RemarkKind, Effect)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    let mut writer = DocumentWriter::create(&path, format, &WriteOptions::default()).unwrap();
    writer.write(document).unwrap();
    let report = writer.finish().unwrap();
    let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
    let mut reader = DocumentReader::open(&path, &options).unwrap();
    let read = reader.next_document().unwrap().unwrap();
    (read, report.remarks.list().iter().map(|remark| (remark.kind, remark.effect)).collect())
}

/// The links with the words at both ends.
fn words(document: &Document) -> Vec<(&str, &str, &str)> {
    let quote = |place: u32| document.spans[place as usize].quote.as_str();
    document.links.iter().map(|link| (quote(link.from), &*link.kind, quote(link.to))).collect()
}

#[test]
fn links_go_through_every_format_that_has_them_and_are_missed_in_others() {
    let document = linked();
    for format in Format::ALL {
        let (read, remarks) = through(&document, format);
        let lost = remarks.contains(&(RemarkKind::LinksDropped, Effect::Lost));
        match format {
            Format::Jsonl | Format::Brat | Format::Doccano | Format::LabelStudio => {
                assert_eq!(words(&read), words(&document), "{format}");
                assert!(!lost, "{format}: {remarks:?}");
                // And again, with what the first round has kept as metadata.
                assert_eq!(words(&through(&read, format).0), words(&document), "{format}");
            }
            _ => assert!(lost && read.links.is_empty(), "{format}: {remarks:?}"),
        }
    }
}

fn brat(text: &str, annotations: &str) -> (Document, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), text).unwrap();
    std::fs::write(folder.path().join("a.ann"), annotations).unwrap();
    let mut reader = DocumentReader::open(folder.path(), &ReadOptions::default()).unwrap();
    let document = reader.next_document().unwrap().unwrap();
    let out = folder.path().join("out");
    let mut writer = DocumentWriter::create(&out, Format::Brat, &WriteOptions::default()).unwrap();
    writer.write(&document).unwrap();
    writer.finish().unwrap();
    (document, std::fs::read_to_string(out.join("a.ann")).unwrap())
}

#[test]
fn relations_and_events_of_brat_are_links_and_stay_what_they_are() {
    let annotations = "T3\tRun 6 9\tran\nT1\tDevice 0 5\tCell A\nT7\tValue 13 16\t600\n\
                       R1\ttemperature Arg1:T3 Arg2:T7\nE1\tRun:T3 Device:T1 Value2:T7\nA1\tCertain E1\n";
    let annotations = annotations.replace("0 5\tCell A", "0 5\tCells");
    let (document, written) = brat("Cells ran at 600.", &annotations);
    let mut links = words(&document);
    links.sort_unstable();
    assert_eq!(links, [("ran", "Device", "Cells"), ("ran", "Value", "600"), ("ran", "temperature", "600")]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&written), sorted(&annotations), "an event is not written a second time as a relation");
    // A relation that leads nowhere is kept as a line.
    let (document, written) = brat("Cells ran", "T1\tDevice 0 5\tCells\nR4\tof Arg1:T1 Arg2:T9\n");
    assert!(document.links.is_empty() && written.ends_with("R4\tof Arg1:T1 Arg2:T9\n"), "{written}");
}

#[test]
fn a_link_to_nothing_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let rows = [
        r#"{"text":"ab","spans":[{"start":0,"end":1,"label":"X"}],"links":[{"from":0,"to":1,"kind":"k"}]}"#,
        r#"{"text":"ab","spans":[{"start":0,"end":0,"label":"X"},{"start":1,"end":2,"label":"X"}],"links":[{"from":0,"to":1,"kind":"k"},{"from":1,"to":1,"kind":"k"}]}"#,
    ];
    std::fs::write(file.path(), rows.join("\n")).unwrap();
    let mut reader = DocumentReader::open(file.path(), &ReadOptions::default()).unwrap();
    let document = reader.next_document().unwrap().unwrap();
    assert_eq!(document.links, [Link { from: 0, to: 0, kind: "k".into() }], "a link of an empty span goes with it");
    let remark = &reader.report().remarks.list()[0];
    assert_eq!(remark.kind, RemarkKind::RefusedRow);
    assert!(remark.first[0].detail.contains("found `to` 1"), "{remark:?}");
}
