//! Any bytes as a model: refused or loaded, and a loaded one predicts without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postil_student::tagger::{Document, TaggerModel, TaggerScratch};
use postil_student::text::TextModel;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = TextModel::from_vec(data.to_vec()) {
        let _ = model.predict_batch(&["a text", ""]);
    }
    if let Ok(model) = TaggerModel::from_vec(data.to_vec()) {
        let document = Document { tokens: vec!["Ada", "in", "Oslo"], sentences: vec![3] };
        let _ = model.predict(&document, true, &mut TaggerScratch::default());
    }
});
