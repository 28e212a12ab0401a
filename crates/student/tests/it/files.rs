//! Model files: round trips, notes, and damage of every sort.

use std::sync::LazyLock;

use postil_student::text::{Head, Scratch, Target, TextModel, Trainer};
use proptest::prelude::*;

use crate::data::{slices, topics};

static MODEL: LazyLock<TextModel> = LazyLock::new(|| {
    let (texts, classes) = topics(60, 1);
    let targets: Vec<Target> = classes.iter().map(|&class| Target::Hard(class)).collect();
    Trainer::new(["billing", "bug", "praise"], Head::Softmax)
        .unwrap()
        .fit(&slices(&texts), &targets, None)
        .unwrap()
        .model
});

#[test]
fn a_saved_model_predicts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.postil");
    let notes = serde_json::json!({"accuracy": {"value": 0.91, "low": 0.87, "high": 0.94}});
    let noted = MODEL.with_notes(notes.clone()).unwrap();
    noted.save(&path).unwrap();
    noted.save(&path).unwrap();
    let loaded = TextModel::load(&path).unwrap();
    assert_eq!(loaded.as_bytes(), noted.as_bytes());
    assert_eq!(loaded.description().notes, notes);
    assert_eq!(loaded.description().training, MODEL.description().training);
    let (texts, _) = topics(40, 2);
    assert_eq!(loaded.predict_batch(&texts), MODEL.predict_batch(&texts));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn errors_name_the_file_and_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.postil");
    let good = MODEL.as_bytes();
    let mut newer = good.to_vec();
    newer[8] = 9;
    let mut flipped = good.to_vec();
    flipped[good.len() / 2] ^= 1;
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("newer", newer, "found format 9"),
        ("flipped", flipped, "checksum"),
        ("short", good[..good.len() - 1].to_vec(), "bytes, found"),
        ("foreign", b"text,label\nhello,greeting\n".to_vec(), "something else"),
        ("empty", Vec::new(), "something else"),
    ];
    for (name, bytes, expected) in cases {
        std::fs::write(&path, bytes).unwrap();
        let error = TextModel::load(&path).unwrap_err();
        assert_eq!(error.is_newer_format(), name == "newer");
        assert_eq!(error.is_damaged(), name != "newer");
        assert!(error.to_string().contains(expected) && error.to_string().contains("m.postil"), "{name}: {error}");
    }
    assert!(TextModel::load(folder.path().join("none")).unwrap_err().is_io());
    assert!(TextModel::load(folder.path()).unwrap_err().is_io());
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
    let Ok(model) = TextModel::from_vec(bytes) else { return false };
    let mut row = vec![0.0; model.labels().len()];
    for text in ["my invoice was wrong again", "", "crash crash émoji 🙂 loginbutton"] {
        model.predict_into(text, &mut Scratch::default(), &mut row);
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_flip_or_cut_goes_unnoticed(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let good = MODEL.as_bytes();
        let mut flipped = good.to_vec();
        flipped[at.index(good.len())] ^= 1 << bit;
        prop_assert!(TextModel::from_vec(flipped).is_err());
        prop_assert!(TextModel::from_vec(good[..cut.index(good.len())].to_vec()).is_err());
    }

    #[test]
    fn forged_files_never_panic(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6), cut in prop::option::of(any::<prop::sample::Index>())) {
        let mut bytes = MODEL.as_bytes().to_vec();
        for (at, value, early) in at {
            let end = if early { 200 } else { bytes.len() };
            let at = at.index(end);
            if at >= 12 {
                bytes[at] = value;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(96.max(cut.index(bytes.len())));
        }
        use_it(resealed(bytes));
    }

    #[test]
    fn any_text_gets_probabilities(text in any::<String>()) {
        let row = MODEL.predict_batch(&[text]);
        prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4 && row.iter().all(|share| (0.0..=1.0).contains(share)));
    }

    #[test]
    fn noise_is_no_model(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!use_it(bytes));
    }
}
