//! Any bytes as any format: the readers may refuse them, and never panic; what they give out holds together.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postil_core::formats::{DocumentReader, Format, ReadOptions};
use postil_core::text::{OffsetUnit, Offsets};

const FORMATS: [Option<Format>; 8] = [
    None,
    Some(Format::Jsonl),
    Some(Format::Conll),
    Some(Format::Conllu),
    Some(Format::Prodigy),
    Some(Format::Doccano),
    Some(Format::LabelStudio),
    Some(Format::Spacy),
];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("input");
    std::fs::write(&path, content).expect("a temporary file");
    let format = FORMATS[usize::from(choice) % FORMATS.len()];
    let Ok(mut reader) = DocumentReader::open(&path, &ReadOptions { format, ..ReadOptions::default() }) else { return };
    while let Ok(Some(document)) = reader.next_document() {
        let offsets = Offsets::new(&document.text);
        for span in &document.spans {
            let byte = |place| offsets.byte_of(OffsetUnit::CodePoints, place).expect("a span lies within its text");
            assert_eq!(document.text[byte(span.start)..byte(span.end)], span.quote);
        }
        for layer in &document.layers {
            assert_eq!(layer.tags.len(), document.tokens.len());
        }
    }
});
