//! Annotated text from format to format: speed, and whether memory grows with the file.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use postil_core::Random;
use serde_json::{Value, json};

use super::{Usage, build, release, report, usage_of};

/// The steps, each reading what the one before wrote.
const STEPS: [(&str, &str); 4] =
    [("jsonl", "b.jsonl"), ("label-studio", "c.json"), ("prodigy", "d.jsonl"), ("conll", "e.conll")];

/// A file of this size through four formats, and a tenth of it for the memory.
pub(super) fn convert() -> Result<()> {
    const MEGABYTES: usize = 200;
    build(&["--package", "postil"])?;
    let folder = tempfile::tempdir()?;
    let small = chain(folder.path(), MEGABYTES / 10)?;
    let large = chain(folder.path(), MEGABYTES)?;
    let steps: Vec<Value> = small
        .iter()
        .zip(&large)
        .map(|(small, large)| {
            json!({
                "step": large.name,
                "mb": large.megabytes.round(),
                "mb_per_second": (large.megabytes / large.usage.cpu_seconds).round(),
                "peak_mb": large.usage.peak_mb.round(),
                "peak_mb_of_a_tenth": small.usage.peak_mb.round(),
            })
        })
        .collect();
    let first = large.first().context("there is a first step")?;
    let more = json!({ "mb_per_second": (first.megabytes / first.usage.cpu_seconds).round(), "steps": steps });
    report(first.documents, &first.usage, more);
    Ok(())
}

struct Step {
    name: String,
    megabytes: f64,
    documents: u64,
    usage: Usage,
}

fn chain(folder: &Path, megabytes: usize) -> Result<Vec<Step>> {
    let mut from = ("conll", folder.join("a.conll"));
    generate(&from.1, megabytes << 20)?;
    let mut steps = Vec::new();
    let mut spans = None;
    for (to, name) in STEPS {
        let output = folder.join(name);
        let path = |path: &Path| path.to_str().map(str::to_owned).context("a path is not UTF-8");
        let (input, written) = (path(&from.1)?, path(&output)?);
        let arguments = ["--threads", "1", "convert", &input, "--from", from.0, "--to", to, "-o", &written, "--json"];
        let usage = usage_of(&release("postil"), &arguments)?;
        let outcome: Value = serde_json::from_str(&usage.output)?;
        let found = outcome["written"]["spans"].as_u64();
        ensure!(spans.is_none_or(|before| Some(before) == found), "spans were lost on the way to {to}");
        spans = found;
        steps.push(Step {
            name: format!("{} to {to}", from.0),
            megabytes: fs::metadata(&from.1)?.len() as f64 / 1e6,
            documents: outcome["read"]["documents"].as_u64().context("no number of documents")?,
            usage,
        });
        fs::remove_file(&from.1)?;
        from = (to, output);
    }
    fs::remove_file(&from.1)?;
    Ok(steps)
}

/// Sentences of about twenty words, some accented, a span in most of them.
fn generate(path: &Path, bytes: usize) -> Result<()> {
    let mut random = Random::new(5);
    let mut out = BufWriter::new(File::create(path)?);
    let mut written = 0;
    let mut sentence = String::new();
    while written < bytes {
        sentence.clear();
        let mut left = 0;
        for _ in 0..10 + random.below(20) {
            // Squaring makes low numbers frequent, as in language.
            let word = (random.unit() * random.unit() * 30_000.0) as usize;
            let head = if left > 0 {
                left -= 1;
                "I-PLACE"
            } else if random.below(12) == 0 {
                left = random.below(3);
                "B-PLACE"
            } else {
                "O"
            };
            let letter = if word.is_multiple_of(37) { "é" } else { "w" };
            let _ = writeln!(sentence, "{letter}{word}\t{head}");
        }
        sentence.push('\n');
        out.write_all(sentence.as_bytes())?;
        written += sentence.len();
    }
    out.flush()?;
    Ok(())
}
