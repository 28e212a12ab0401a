//! Every format on the same hard documents, and on files made to break it.

mod examples;
mod links;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::answer::Span;
use crate::document::{Document, Layer};
use crate::error::Result;
use crate::task::Name;
use crate::text::{Named, OffsetUnit, Offsets, Scheme, Tokenizer};

/// A span of a text by code points.
fn span(text: &str, start: u32, end: u32, label: &str) -> Span {
    let offsets = Offsets::new(text);
    let byte = |place| offsets.byte_of(OffsetUnit::CodePoints, place).unwrap();
    Span { start, end, label: label.into(), quote: text[byte(start)..byte(end)].to_owned() }
}

/// The span of the first occurrence of a string.
fn found(text: &str, quote: &str, label: &str) -> Span {
    let start = text[..text.find(quote).unwrap()].chars().count() as u32;
    span(text, start, start + quote.chars().count() as u32, label)
}

/// Texts with everything that has ever shifted an offset.
fn hard_documents() -> Vec<Document> {
    let cases: [(&str, &[&str]); 9] = [
        ("Ann flew to Oslo 🚀 and São Paulo today.", &["Ann", "Oslo", "São Paulo"]),
        ("👩‍👩‍👧 met Zoe\u{308} in 🇳🇴 Bodø", &["👩‍👩‍👧", "Zoe\u{308}", "Bodø"]),
        ("first line\r\nsecond line\r\n  third, Oslo", &["line", "Oslo"]),
        ("שלום Tel Aviv עולם", &["שלום", "Tel Aviv"]),
        ("東京都に行った。大阪も。", &["東京都", "大阪"]),
        ("  leading and trailing \t Oslo \u{a0}\u{2028} ", &["Oslo"]),
        ("Bank of New York City", &["Bank of New York", "New York City"]),
        ("nothing here", &[]),
        ("e\u{301}\u{323}", &["e\u{301}\u{323}"]),
    ];
    cases
        .iter()
        .enumerate()
        .map(|(number, (text, quotes))| {
            let mut document = Document::from_text(format!("d{number}"), *text);
            document.spans =
                quotes.iter().enumerate().map(|(place, quote)| found(text, quote, ["PER", "LOC"][place % 2])).collect();
            document
        })
        .collect()
}

/// Writes documents and reads them back.
fn round_trip(
    documents: &[Document],
    format: Format,
    options: WriteOptions,
) -> (Vec<Document>, WriteReport, ReadReport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut writer = DocumentWriter::create(&path, format, &options).unwrap();
    for document in documents {
        writer.write(document).unwrap();
    }
    let written = writer.finish().unwrap();
    let (read, report) = read_all(&path, Some(format)).unwrap();
    (read, written, report)
}

fn read_all(path: &Path, format: Option<Format>) -> Result<(Vec<Document>, ReadReport)> {
    let mut reader = DocumentReader::open(path, &ReadOptions { format, ..ReadOptions::default() })?;
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document()? {
        documents.push(document);
    }
    Ok((documents, reader.report().clone()))
}

fn read_text(content: impl AsRef<[u8]>, format: Option<Format>) -> Result<(Vec<Document>, ReadReport)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, content).unwrap();
    read_all(&path, format)
}

fn sorted(spans: &[Span]) -> Vec<Span> {
    let mut spans = spans.to_vec();
    spans.sort_by(|left, right| (left.start, left.end, &left.label).cmp(&(right.start, right.end, &right.label)));
    spans
}

#[test]
fn hard_documents_survive_the_formats_that_hold_text() {
    for format in [Format::Jsonl, Format::Prodigy, Format::Doccano, Format::LabelStudio, Format::Spacy, Format::Brat] {
        let documents = hard_documents();
        let (read, written, report) = round_trip(&documents, format, WriteOptions::default());
        assert_eq!(read.len(), documents.len(), "{format}: {report:?}");
        for (before, after) in documents.iter().zip(&read) {
            assert_eq!(after.text, before.text, "{format}");
            assert_eq!(sorted(&after.spans), sorted(&before.spans), "{format}");
            if format != Format::Spacy {
                assert_eq!(after.id, before.id, "{format}");
            }
        }
        assert_eq!(written.spans, documents.iter().map(|document| document.spans.len() as u64).sum::<u64>());
        assert_eq!(report.remarks.count(RemarkKind::RefusedRow), 0, "{format}");
        let lost: Vec<_> = written.remarks.list().iter().filter(|remark| remark.effect == Effect::Lost).collect();
        assert!(lost.is_empty() || format == Format::Spacy, "{format}: {lost:?}");
    }
}

#[test]
fn hard_documents_survive_columns_with_comments_but_for_overlaps() {
    let options = WriteOptions { comments: true, ..WriteOptions::default() };
    for format in [Format::Conll, Format::Conllu] {
        let documents = hard_documents();
        let (read, written, report) = round_trip(&documents, format, options);
        assert_eq!(read.len(), documents.len(), "{format}");
        assert_eq!(written.remarks.count(RemarkKind::OverlappingSpan), 1, "{format}");
        for (before, after) in documents.iter().zip(&read) {
            assert_eq!(after.text, before.text, "{format}");
            assert_eq!(after.id, before.id, "{format}");
            let mut tokens = before.clone();
            tokens.tokenize(Tokenizer::Words);
            assert_eq!(after.tokens, tokens.tokens, "{format}");
            if before.spans.len() != after.spans.len() {
                assert_eq!(before.text, "Bank of New York City");
            }
        }
        assert_eq!(report.remarks.count(RemarkKind::TextDiffers), 0, "{format}: {report:?}");
        assert_eq!(report.spans, written.spans, "{format}");
    }
}

#[test]
fn what_a_format_cannot_hold_is_listed() {
    let mut document = Document::from_text("a/b", "Ann met Bob");
    document.tokenize(Tokenizer::Words);
    document.spans = vec![span("Ann met Bob", 0, 2, "PER"), span("Ann met Bob", 3, 4, "GAP")];
    document.labels = vec!["x".into(), "y".into()];
    document.layers = vec![Layer { name: "mood".into(), tags: vec!["a".into(), "b".into(), "c".into()] }];
    document.meta.insert("source".to_owned(), "web".into());
    let expected: [(Format, &[RemarkKind]); 9] = [
        (Format::Jsonl, &[]),
        (
            Format::Conll,
            &[
                RemarkKind::SpanWithoutToken,
                RemarkKind::LabelsDropped,
                RemarkKind::MetadataDropped,
                RemarkKind::IdDropped,
                RemarkKind::SnappedSpan,
            ],
        ),
        (
            Format::Conllu,
            &[
                RemarkKind::SpanWithoutToken,
                RemarkKind::LabelsDropped,
                RemarkKind::MetadataDropped,
                RemarkKind::SnappedSpan,
            ],
        ),
        (Format::Prodigy, &[RemarkKind::LayersDropped]),
        (Format::Doccano, &[RemarkKind::LayersDropped, RemarkKind::TokensDropped]),
        (Format::LabelStudio, &[RemarkKind::LayersDropped, RemarkKind::TokensDropped]),
        (
            Format::Spacy,
            &[RemarkKind::LayersDropped, RemarkKind::TokensDropped, RemarkKind::MetadataDropped, RemarkKind::IdDropped],
        ),
        (
            Format::Brat,
            &[RemarkKind::LabelsDropped, RemarkKind::TokensDropped, RemarkKind::MetadataDropped, RemarkKind::ChangedId],
        ),
        (
            Format::Slots,
            &[
                RemarkKind::SpanWithoutToken,
                RemarkKind::LabelsCut,
                RemarkKind::LayersDropped,
                RemarkKind::MetadataDropped,
                RemarkKind::IdDropped,
                RemarkKind::SnappedSpan,
            ],
        ),
    ];
    for (format, kinds) in expected {
        let (_, written, _) = round_trip(std::slice::from_ref(&document), format, WriteOptions::default());
        let found: Vec<RemarkKind> = written.remarks.list().iter().map(|remark| remark.kind).collect();
        assert_eq!(found, kinds, "{format}");
    }
}

#[test]
fn metadata_answers_and_layers_survive_where_they_can() {
    let mut document = Document::from_tokens("d", &[vec!["Ann", "left"], vec!["Why", "?"]]).unwrap();
    document.spans = vec![span(&document.text, 0, 3, "PER")];
    document.labels = vec!["news".into()];
    document.layers = vec![Layer { name: "pos".into(), tags: ["NNP", "VBD", "WRB", "."].map(Into::into).to_vec() }];
    document.meta.insert("source".to_owned(), serde_json::json!({"page": 3, "tags": [1.50, "x"]}));
    document.meta.insert("answer".to_owned(), "reject".into());
    let (read, ..) = round_trip(&[document.clone()], Format::Jsonl, WriteOptions::default());
    assert_eq!(read, [document.clone()]);
    let (read, ..) = round_trip(&[document.clone()], Format::Prodigy, WriteOptions::default());
    assert_eq!(read[0].meta, document.meta);
    assert_eq!((&read[0].tokens, &read[0].labels), (&document.tokens, &document.labels));
    let pair = [document.clone(), Document::from_text("e", "accepted")];
    let (read, written, _) = round_trip(&pair, Format::Doccano, WriteOptions::default());
    assert_eq!((read.len(), written.remarks.count(RemarkKind::NotAccepted)), (1, 1));
    document.meta.insert("answer".to_owned(), "ignore".into());
    let (read, ..) = round_trip(&[document.clone()], Format::LabelStudio, WriteOptions::default());
    assert_eq!(read[0].meta["answer"], "ignore");
    assert_eq!(read[0].meta["source"], document.meta["source"]);
    document.meta.clear();
    let (read, ..) = round_trip(&[document.clone()], Format::Conll, WriteOptions::default());
    assert_eq!((&read[0].layers, &read[0].sentences), (&document.layers, &document.sentences));
}

fn any_text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        4 => "[a-zA-Z]{1,6}",
        2 => Just(" ".to_owned()),
        1 => proptest::sample::select(vec![
            "🚀", "👩‍👩‍👧", "e\u{301}", "\r\n", "\n", "\t", "שלום", "東京", "  ", "\u{a0}", "|", "\\", "\"", "#", "=", "-", "\u{2028}", "\u{feff}", "_",
        ]).prop_map(str::to_owned),
        1 => "\\PC",
    ];
    proptest::collection::vec(pieces, 0..20).prop_map(|pieces| pieces.concat())
}

fn any_document() -> impl Strategy<Value = Document> {
    (any_text(), proptest::collection::vec((any::<u32>(), any::<u32>(), 0..3_usize), 0..5)).prop_map(
        |(text, places)| {
            let length = text.chars().count() as u32;
            let mut document = Document::from_text("", text);
            if length > 0 {
                for (start, end, label) in places {
                    let start = start % length;
                    let end = start + 1 + end % (length - start);
                    document.spans.push(span(&document.text, start, end, ["PER", "LOC", "a b"][label]));
                }
            }
            document
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_with_any_spans_survives(documents in proptest::collection::vec(any_document(), 1..4)) {
        for format in [Format::Jsonl, Format::Prodigy, Format::Doccano, Format::LabelStudio, Format::Spacy] {
            let (read, _, report) = round_trip(&documents, format, WriteOptions::default());
            prop_assert_eq!(read.len(), documents.len(), "{}: {:?}", format, report);
            for (before, after) in documents.iter().zip(&read) {
                prop_assert_eq!(&after.text, &before.text, "{}", format);
                let expected = sorted(&before.spans);
                if format == Format::Spacy {
                    // Where nothing is quoted, the unit of places beyond the end of a wider unit is unknown.
                    prop_assert_eq!(after.spans.len(), before.spans.len());
                }
                prop_assert_eq!(sorted(&after.spans), expected, "{}", format);
            }
        }
    }

    #[test]
    fn any_text_survives_brat(document in any_document()) {
        let mut document = document;
        for span in &mut document.spans {
            span.label = span.label.replace(' ', "_").into();
        }
        let (read, ..) = round_trip(std::slice::from_ref(&document), Format::Brat, WriteOptions::default());
        prop_assert_eq!(&read[0].text, &document.text);
        prop_assert_eq!(sorted(&read[0].spans), sorted(&document.spans));
    }

    #[test]
    fn any_text_survives_columns_but_for_what_is_listed(documents in proptest::collection::vec(any_document(), 1..4), scheme in proptest::sample::select(Scheme::ALL.to_vec())) {
        let options = WriteOptions { comments: true, scheme, ..WriteOptions::default() };
        for format in [Format::Conll, Format::Conllu] {
            if documents.iter().all(|document| Tokenizer::Words.tokenize(&document.text).is_empty()) {
                continue;
            }
            let (read, written, report) = round_trip(&documents, format, options);
            let kept: Vec<_> = documents.iter().filter(|document| !Tokenizer::Words.tokenize(&document.text).is_empty()).collect();
            prop_assert_eq!(read.len(), kept.len(), "{}: {:?}", format, report);
            prop_assert_eq!(written.remarks.count(RemarkKind::EmptyDocument), (documents.len() - kept.len()) as u64);
            for (before, after) in kept.iter().zip(&read) {
                prop_assert_eq!(&after.text, &before.text, "{}", format);
                prop_assert_eq!(report.remarks.count(RemarkKind::BrokenTag), 0, "{}", format);
                if scheme != Scheme::Io {
                    let aligned = crate::text::align(&before.text, &after.tokens, &before.spans);
                    let offsets = Offsets::new(&before.text);
                    // Tags cannot go on over the end of a sentence.
                    let cut = |run: &Named<Name>| {
                        let inside = after.sentences.iter().copied().filter(|end| (run.start + 1..run.end).contains(end));
                        let ends: Vec<u32> = inside.chain([run.end]).collect();
                        let starts = [run.start].into_iter().chain(ends.clone());
                        starts.zip(ends.clone()).map(|(start, end)| Named { start, end, label: run.label.clone() }).collect::<Vec<_>>()
                    };
                    let pieces: Vec<Named<Name>> = aligned.flat.iter().flat_map(cut).collect();
                    prop_assert!(pieces.len() == aligned.flat.len() || written.remarks.count(RemarkKind::CutSpan) > 0);
                    let expected: Vec<Span> = pieces.iter().map(|run| crate::text::quote(&offsets, &after.tokens, run)).collect();
                    prop_assert_eq!(&after.spans, &expected, "{}", format);
                }
            }
        }
    }
}

/// A small valid file of every format.
fn small_files() -> Vec<(Format, String)> {
    let mut files = vec![
        (Format::Conll, "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\nAnn NNP I-NP I-PER\n".to_owned()),
        (Format::Conll, "0\tOn\tO\n1\tBodø\tB-LOC\n\n0\tHer\tO\n".to_owned()),
        (
            Format::Conllu,
            "# newdoc id = d\n# text = al Oslo\n1-2\tal\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\ta\tADP\t_\t_\t0\troot\t_\t_\n\
             2\tel\tel\tDET\t_\t_\t1\tdet\t_\t_\n3\tOslo\tOslo\tPROPN\t_\t_\t1\tobj\t_\tSpaceAfter=No|NER=B-LOC\n\
             3.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n\n"
                .to_owned(),
        ),
        (
            Format::Jsonl,
            "{\"id\":\"1\",\"text\":\"Zoë 🚀 Oslo\",\"spans\":[{\"start\":6,\"end\":10,\"label\":\"LOC\",\"quote\":\"Oslo\"}],\
             \"tokens\":[[0,3],[4,5],[6,10]],\"sentences\":[3],\"layers\":{\"pos\":[\"a\",\"b\",\"c\"]},\"labels\":[\"x\"],\
             \"meta\":{\"k\":1}}\n{\"tokens\":[\"Ann\",\"left\"],\"tags\":[\"B-PER\",\"O\"]}\n"
                .to_owned(),
        ),
        (
            Format::Spacy,
            "[[\"Ann in Oslo\", {\"entities\": [[7, 11, \"LOC\"]], \"cats\": {\"a\": 0.7}}],\n [\"x\", {\"entities\": []}]]"
                .to_owned(),
        ),
        (
            Format::Doccano,
            "{\"id\":4,\"text\":\"Ann flew to Oslo\",\"label\":[[12,16,\"CITY\"]],\"Comments\":[]}\n\
             {\"text\":\"Ann joined Acme.\",\"entities\":[{\"id\":0,\"start_offset\":0,\"end_offset\":3,\"label\":\"PER\"}],\
             \"relations\":[]}\n"
                .to_owned(),
        ),
        (
            Format::Prodigy,
            "{\"text\":\"Ann in Oslo\",\"tokens\":[{\"text\":\"Ann\",\"start\":0,\"end\":3,\"id\":0,\"ws\":true},\
             {\"text\":\"in\",\"start\":4,\"end\":6,\"id\":1,\"ws\":true},{\"text\":\"Oslo\",\"start\":7,\"end\":11,\"id\":2,\
             \"ws\":false}],\"spans\":[{\"start\":7,\"end\":11,\"token_start\":2,\"token_end\":2,\"label\":\"LOC\"}],\
             \"_task_hash\":-3,\"_annotator_id\":\"a\",\"answer\":\"accept\"}\n"
                .to_owned(),
        ),
        (
            Format::LabelStudio,
            "[{\"id\": 7, \"data\": {\"text\": \"Ann 🚀 Oslo\"}, \"annotations\": [{\"id\": 3, \"was_cancelled\": false,\n\
             \"result\": [{\"id\": \"a\", \"type\": \"labels\", \"from_name\": \"ner\", \"to_name\": \"text\",\n\
             \"value\": {\"start\": 7, \"end\": 11, \"text\": \"Oslo\", \"labels\": [\"CITY\"]}},\n\
             {\"type\": \"choices\", \"value\": {\"choices\": [\"x\"]}}]}], \"predictions\": []},\n{\"text\": \"bare\"}]"
                .to_owned(),
        ),
    ];
    files.push((Format::Conll, "# id = 1\n# text = Ann!\nAnn\tB-PER\n!\tO\n\n".to_owned()));
    files
}

const DAMAGE: &[u8] = b"\t\n\r \"\\{}[]:,-#=0917\xFF\x00\xC3IBOLUES";

#[test]
fn damaged_files_are_refused_or_read_and_never_panic() {
    let mut random = crate::Random::new(11);
    for (format, file) in small_files() {
        let (documents, report) = read_text(&file, Some(format)).unwrap();
        assert!(!documents.is_empty() && report.remarks.count(RemarkKind::RefusedRow) == 0, "{format}: {report:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        for _ in 0..400 {
            let mut bytes = file.clone().into_bytes();
            for _ in 0..=random.below(4) {
                if bytes.is_empty() {
                    break;
                }
                let at = random.below(bytes.len());
                match random.below(5) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes.truncate(at),
                    2 => drop(bytes.remove(at)),
                    3 => bytes.insert(at, DAMAGE[random.below(DAMAGE.len())]),
                    _ => {
                        let end = (at + random.below(12)).min(bytes.len());
                        let part = bytes[at..end].to_vec();
                        bytes.splice(at..at, part);
                    }
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            for format in [Some(format), None] {
                if let Ok((documents, _)) = read_all(&path, format) {
                    for document in documents {
                        check(&document);
                    }
                }
            }
        }
    }
}

/// Whatever a reader gives out holds together.
fn check(document: &Document) {
    let offsets = Offsets::new(&document.text);
    for span in &document.spans {
        let byte = |place| offsets.byte_of(OffsetUnit::CodePoints, place).unwrap();
        assert_eq!(document.text[byte(span.start)..byte(span.end)], span.quote);
        assert!(span.start < span.end);
    }
    let mut end = 0;
    for token in &document.tokens {
        assert!(token.start >= end && token.end > token.start, "{document:?}");
        assert!(
            document.text.is_char_boundary(token.start as usize) && document.text.is_char_boundary(token.end as usize)
        );
        end = token.end;
    }
    for layer in &document.layers {
        assert_eq!(layer.tags.len(), document.tokens.len());
    }
    assert!(document.sentences.last().is_none_or(|last| *last as usize == document.tokens.len()));
}

#[test]
fn layers_beyond_the_columns_of_conllu_survive_in_misc() {
    let text = "# sent_id = s1\n# text = wesh bro, ça va\n\
        1\twesh\twesh\tINTJ\t_\t_\t0\troot\t_\tLang=ar|Gloss=what\\sup\n\
        2\tbro\tbro\tNOUN\t_\t_\t1\tvocative\t_\tLang=en|SpaceAfter=No\n\
        3\t,\t,\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\
        4\tça\tcela\tPRON\t_\t_\t5\tnsubj\t_\tLang=fr\n\
        5\tva\taller\tVERB\t_\t_\t1\tparataxis\t_\tLang=fr\n\n";
    let (documents, _) = read_text(text, Some(Format::Conllu)).unwrap();
    let layer = |document: &Document, name: &str| -> Vec<String> {
        let layer = document.layers.iter().find(|layer| &*layer.name == name).unwrap();
        layer.tags.iter().map(ToString::to_string).collect()
    };
    assert_eq!(layer(&documents[0], "Lang"), ["ar", "en", "_", "fr", "fr"]);
    assert_eq!(layer(&documents[0], "Gloss"), ["what up", "_", "_", "_", "_"]);
    let (read, written, _) = round_trip(&documents, Format::Conllu, WriteOptions::default());
    assert_eq!(read, documents);
    assert_eq!(written.remarks.count(RemarkKind::LayersDropped), 0);
    // What MISC cannot name is told.
    let mut odd = documents;
    odd[0].layers.push(Layer { name: "a|b".into(), tags: vec!["x".into(); 5] });
    let (_, written, _) = round_trip(&odd, Format::Conllu, WriteOptions::default());
    assert_eq!(written.remarks.count(RemarkKind::LayersDropped), 1);
}

#[test]
fn brat_files_survive_damage() {
    let folder = tempfile::tempdir().unwrap();
    let text = "Ann met\nBob in Oslo 🚀.";
    let annotations = "T1\tPER 0 3\tAnn\nT2\tPER 8 11\tBob\nT3\tLOC 15 19\tOslo\nT4\tX 0 3;8 11\tAnn Bob\nR1\tKnows Arg1:T1 Arg2:T2\n#1\tNote T1\tx\n";
    std::fs::write(folder.path().join("a.txt"), text).unwrap();
    let path = folder.path().join("a.ann");
    std::fs::write(&path, annotations).unwrap();
    let (documents, report) = read_all(folder.path(), None).unwrap();
    assert_eq!(documents[0].spans.len(), 3);
    assert_eq!(report.remarks.count(RemarkKind::DiscontinuousSpan), 1);
    assert_eq!(report.remarks.count(RemarkKind::OtherLine), 2);
    let (again, ..) = round_trip(&documents, Format::Brat, WriteOptions::default());
    assert_eq!(again, documents);
    let mut random = crate::Random::new(5);
    for _ in 0..500 {
        let mut bytes = annotations.as_bytes().to_vec();
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] ^= 1 << random.below(7),
            1 => bytes.truncate(at),
            _ => drop(bytes.remove(at)),
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok((documents, _)) = read_all(folder.path(), None) {
            documents.iter().for_each(check);
        }
    }
}

#[test]
fn confidences_of_spans_are_kept() {
    let mut document = Document::from_text("d", "Ann flew to Oslo");
    document.spans = vec![found(&document.text, "Ann", "PER"), found(&document.text, "Oslo", "LOC")];
    document.confidences = vec![0.25, 1.0];
    let (read, ..) = round_trip(&[document.clone()], Format::Jsonl, WriteOptions::default());
    assert_eq!(read, [document]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    let line = |sure: &str| {
        let spans =
            format!(r#"[{{"start":2,"end":2,"label":"A","confidence":0.5}},{{"start":0,"end":3,"label":"A"{sure}}}]"#);
        std::fs::write(&path, format!("{{\"text\":\"Ann left\",\"spans\":{spans}}}\n")).unwrap();
        read_all(&path, Some(Format::Jsonl))
    };
    // Those of empty spans go with them, and a span that says nothing is certain.
    let (read, _) = line("").unwrap();
    assert_eq!((read[0].spans.len(), read[0].confidences.as_slice()), (1, [1.0].as_slice()));
    let error = line(r#","confidence":1.5"#).unwrap_err().to_string();
    assert!(error.contains("expected a `confidence` from 0 to 1, found 1.5"), "{error}");
}

#[test]
fn without_tags_columns_give_tokens_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.conll");
    std::fs::write(&path, "# id = a\nAnn NNP B-PER\nleft VBD O\n\n# id = a\nOslo NNP X-LOC\n").unwrap();
    let options = ReadOptions { tags: false, distinct_ids: false, ..ReadOptions::default() };
    let mut reader = DocumentReader::open(&path, &options).unwrap();
    let mut words = Vec::new();
    while let Some(document) = reader.next_document().unwrap() {
        assert_eq!((&*document.id, document.spans.len(), document.layers.len()), ("a", 0, 0));
        words.extend(document.words().map(str::to_owned));
    }
    assert_eq!(words, ["Ann", "left", "Oslo"]);
    assert_eq!(reader.report().remarks.count(RemarkKind::BrokenTag), 0);
    assert_eq!(reader.report().remarks.count(RemarkKind::RepeatedId), 0);
}
