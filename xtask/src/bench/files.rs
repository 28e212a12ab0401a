//! Benches of the command on files.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use postil_core::Random;
use serde_json::{Value, json};

use super::{build, release, report, usage_of};

/// Where shared data lies, as for the tests.
pub(super) fn data() -> PathBuf {
    std::env::var_os("POSTIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from)
}

/// A text data set: the AG News sample if it is there, generated text otherwise.
struct Texts {
    name: &'static str,
    train: PathBuf,
    test: PathBuf,
}

fn texts(folder: &Path) -> Result<Texts> {
    let real = data().join("text/agnews");
    if real.join("train.csv.gz").exists() {
        return Ok(Texts { name: "AG News", train: real.join("train.csv.gz"), test: real.join("test.csv") });
    }
    eprintln!("no shared data at {}: using generated text", data().display());
    let made = Texts { name: "generated", train: folder.join("train.csv"), test: folder.join("test.csv") };
    fs::write(&made.train, generated(10_000, 1))?;
    fs::write(&made.test, generated(7_600, 2))?;
    Ok(made)
}

/// Texts of 40 words from four overlapping vocabularies.
fn generated(rows: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut out = String::from("text,label\n");
    for _ in 0..rows {
        let class = random.below(4);
        for _ in 0..40 {
            // Squaring makes low numbers frequent, as in language.
            let rank = (random.unit() * random.unit() * 20_000.0) as usize;
            let word = if random.below(5) == 0 { rank * 4 + class } else { rank * 7 };
            let _ = write!(out, "w{word} ");
        }
        let _ = writeln!(out, ",c{class}");
    }
    out
}

pub(super) fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path is not UTF-8")
}

/// Training the text classifier.
pub(super) fn text_train() -> Result<()> {
    build(&["--package", "postil"])?;
    let folder = tempfile::tempdir()?;
    let texts = texts(folder.path())?;
    let model = folder.path().join("m.postil");
    let arguments = ["--threads", "1", "train", path(&texts.train)?, "-o", path(&model)?, "--json"];
    let usage = usage_of(&release("postil"), &arguments)?;
    let outcome: Value = serde_json::from_str(&usage.output)?;
    let rows = outcome["texts"].as_u64().context("no number of texts")?;
    report(
        rows,
        &usage,
        json!({ "data": texts.name, "bytes": outcome["bytes"], "out_of_fold": outcome["out_of_fold"] }),
    );
    Ok(())
}

/// Predicting: the test texts over and over, as one file of at least 64 MB, from raw text to a scored table.
pub(super) fn text_predict() -> Result<()> {
    build(&["--package", "postil"])?;
    let folder = tempfile::tempdir()?;
    let texts = texts(folder.path())?;
    let model = folder.path().join("m.postil");
    usage_of(&release("postil"), &["train", path(&texts.train)?, "-o", path(&model)?, "--json"])?;
    let test = fs::read_to_string(&texts.test)?;
    let (header, rows) = test.split_once('\n').context("the test texts have no header")?;
    let copies = (64 << 20) / rows.len() + 1;
    let large = folder.path().join("large.csv");
    fs::write(&large, format!("{header}\n{}", rows.repeat(copies)))?;
    let arguments = ["--threads", "1", "predict", path(&model)?, path(&large)?, "--label", "label", "--json"];
    let usage = usage_of(&release("postil"), &arguments)?;
    let outcome: Value = serde_json::from_str(&usage.output)?;
    let megabytes = fs::metadata(&large)?.len() as f64 / 1e6;
    let more = json!({
        "data": texts.name,
        "mb_per_second": (megabytes / usage.cpu_seconds).round(),
        "accuracy": outcome["scores"]["accuracy"],
    });
    report(outcome["rows"].as_u64().context("no number of rows")?, &usage, more);
    Ok(())
}

/// Ten thousand items through one local annotator, consensus and output.
pub(super) fn ten_thousand() -> Result<()> {
    const ITEMS: usize = 10_000;
    build(&["--package", "postil"])?;
    let folder = tempfile::tempdir()?;
    let project = folder.path();
    let mut items = String::from("id,text\n");
    let mut random = Random::new(3);
    for item in 0..ITEMS {
        let words: Vec<String> = (0..12).map(|_| format!("w{}", random.below(5_000))).collect();
        let _ = writeln!(items, "i{item},{}", words.join(" "));
    }
    fs::write(project.join("items.csv"), items)?;
    for (label, from) in [("low", 0), ("high", 2_500)] {
        let list: Vec<String> = (from..from + 400).map(|word| format!("w{word}")).collect();
        fs::write(project.join(format!("{label}.txt")), list.join("\n"))?;
    }
    fs::write(
        project.join("postil.toml"),
        "[task]\nkind = \"classify\"\nlabels = [\"low\", \"high\"]\n\
         [data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\n\
         [[annotator]]\nname = \"words\"\nkind = \"list\"\nlists = { low = \"low.txt\", high = \"high.txt\" }\n\
         [student]\ntrain = false\n",
    )?;
    let usage = usage_of(&release("postil"), &["run", path(project)?, "--json"])?;
    let outcome: Value = serde_json::from_str(&usage.output)?;
    ensure!(outcome["items"]["count"] == ITEMS, "expected {ITEMS} items, found {}", outcome["items"]["count"]);
    report(
        ITEMS as u64,
        &usage,
        json!({ "answered": ITEMS as u64 - outcome["items"]["unanswered"].as_u64().unwrap_or(0) }),
    );
    Ok(())
}
