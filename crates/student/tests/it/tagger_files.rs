//! Files of taggers: round trips, notes, and damage of every sort.

use std::sync::LazyLock;

use postil_student::tagger::{Document, LayerKind, NameList, TaggerModel, TaggerOptions, TaggerScratch, TaggerTrainer};
use proptest::prelude::*;

use crate::tagger_data::{layer, sentences};

static MODEL: LazyLock<TaggerModel> = LazyLock::new(|| {
    let drawn = sentences(60, 1);
    let kinds = [LayerKind::Spans, LayerKind::Scores, LayerKind::Sentences];
    let list = NameList { name: "people".into(), entries: vec!["Anna".into(), "Anna Weber".into(), "Oslo".into()] };
    let options = TaggerOptions::new().lists(vec![list]).word_classes(true).tokenizer("words");
    TaggerTrainer::new(kinds.map(layer).to_vec())
        .unwrap()
        .with_options(options)
        .fit(&drawn.documents(), &drawn.targets(&kinds), None)
        .unwrap()
        .model
});

#[test]
fn a_saved_model_predicts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.postil");
    let notes = serde_json::json!({"f1": {"value": 0.91, "low": 0.87, "high": 0.94}});
    let noted = MODEL.with_notes(notes.clone()).unwrap();
    noted.save(&path).unwrap();
    noted.save(&path).unwrap();
    let loaded = TaggerModel::open(&path).unwrap();
    assert_eq!(loaded.as_bytes(), noted.as_bytes());
    assert_eq!((loaded.notes(), loaded.tokenizer()), (&notes, "words"));
    assert_eq!(loaded.description().training, MODEL.description().training);
    assert_eq!(loaded.layers(), MODEL.layers());
    let drawn = sentences(40, 2);
    let (mut one, mut two) = (TaggerScratch::default(), TaggerScratch::default());
    for document in drawn.documents() {
        assert_eq!(loaded.predict(&document, true, &mut one), MODEL.predict(&document, true, &mut two));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(TaggerModel::recognises(loaded.as_bytes()) && !TaggerModel::recognises(b"POSTILTM"));
}

#[test]
fn errors_name_the_file_and_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.postil");
    let good = MODEL.as_bytes();
    let changed = |at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 9;
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("newer", changed(8), "found format 11"),
        ("flipped", changed(good.len() / 2), "checksum"),
        ("short", good[..good.len() - 1].to_vec(), "bytes, found"),
        ("foreign", b"text,label\nhello,greeting\n".to_vec(), "something else"),
        ("empty", Vec::new(), "something else"),
    ];
    for (name, bytes, expected) in cases {
        std::fs::write(&path, bytes).unwrap();
        let error = TaggerModel::open(&path).unwrap_err();
        assert_eq!(error.is_newer_format(), name == "newer");
        assert_eq!(error.is_damaged(), name != "newer");
        assert!(error.to_string().contains(expected) && error.to_string().contains("m.postil"), "{name}: {error}");
    }
    assert!(TaggerModel::open(folder.path().join("none")).unwrap_err().is_io());
    assert!(TaggerModel::open(folder.path()).unwrap_err().is_io());
    assert!(MODEL.save(folder.path().join("no/such/folder")).unwrap_err().is_io());
}

/// The file with its length and checksum made right again, as only a forger would.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..64]).update(&bytes[96..]);
    let checksum = *hasher.finalize().as_bytes();
    bytes[64..96].copy_from_slice(&checksum);
    bytes
}

fn use_it(bytes: Vec<u8>) -> bool {
    let Ok(model) = TaggerModel::from_vec(bytes) else { return false };
    let mut scratch = TaggerScratch::default();
    let one =
        Document::from_sentences([vec!["Anna", "Weber", "left", "Oslo", "."], vec!["émoji", "🙂", "U.S.", "ANNA"]]);
    for document in [one, Document::default()] {
        model.predict(&document, true, &mut scratch);
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_flip_or_cut_goes_unnoticed(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let good = MODEL.as_bytes();
        let mut flipped = good.to_vec();
        flipped[at.index(good.len())] ^= 1 << bit;
        prop_assert!(TaggerModel::from_vec(flipped).is_err());
        prop_assert!(TaggerModel::from_vec(good[..cut.index(good.len())].to_vec()).is_err());
    }

    #[test]
    fn forged_files_never_panic(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..4), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = MODEL.as_bytes().to_vec();
        for (at, value, place) in at {
            // The header, the metadata, anywhere, the tables at the end.
            let (start, end) = match place {
                0 => (12, 96),
                1 => (96, 400),
                2 => (96, bytes.len()),
                _ => (bytes.len() / 2, bytes.len()),
            };
            bytes[start + at.index(end - start)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(96.max(cut.index(bytes.len())));
        }
        use_it(resealed(bytes));
    }

    #[test]
    fn any_tokens_are_labelled(tokens in prop::collection::vec(any::<String>(), 0..20)) {
        let document = Document::from_sentences([tokens.iter().map(String::as_str).collect::<Vec<_>>()]);
        let predicted = MODEL.predict(&document, true, &mut TaggerScratch::default());
        prop_assert_eq!(predicted.len(), 3);
    }

    #[test]
    fn noise_is_no_model(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!use_it(bytes));
    }
}
