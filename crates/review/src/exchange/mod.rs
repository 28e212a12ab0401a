//! Answers from other tools and for them.

mod incoming;
mod outgoing;

use postil_core::Answer;
use postil_core::formats::Format;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};
use crate::wire::{Evidence, Said};

/// A line of Postil's own form.
#[derive(Serialize, Deserialize)]
struct Line {
    item: String,
    annotator: String,
    status: Said,
    said: Option<Answer>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    evidence: Option<Evidence>,
    #[serde(default)]
    decides: bool,
    #[serde(default)]
    at_millis: i64,
    #[serde(default)]
    millis: u64,
    #[serde(default)]
    suggestion_shown: bool,
    #[serde(default)]
    inclusion_probability: Option<f64>,
    #[serde(default)]
    text: String,
}

/// The format of another tool that has this name on the page.
fn known_format(name: &str) -> Outcome<Format> {
    let known = matches!(name, "label-studio" | "doccano" | "prodigy").then(|| Format::from_name(name)).flatten();
    known.ok_or_else(|| {
        Failure::invalid(format!("expected one of `label-studio`, `doccano`, `prodigy`, `jsonl`, found `{name}`"))
    })
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::unavailable(format!("what was sent cannot be read: {error}"))
}

fn unwritable(error: &std::io::Error) -> Failure {
    Failure::unavailable(format!("the file cannot be written: {error}"))
}
