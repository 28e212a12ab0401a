//! Benches of taggers: CoNLL-2003 where it is at hand, generated sentences otherwise.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use postil_core::Random;
use serde_json::{Value, json};

use super::files::{data, path};
use super::{Usage, build, release, report, usage_of};

/// Training, tuning and test sentences with a token per line, and a folder of lists if there is one.
struct Corpus {
    name: &'static str,
    train: PathBuf,
    tests: Vec<(&'static str, PathBuf)>,
    lists: Option<PathBuf>,
}

fn corpus(folder: &Path) -> Result<Corpus> {
    let real = data().join("ner/conll2003");
    if real.join("eng.testa").exists() {
        return Ok(Corpus {
            name: "CoNLL-2003",
            train: real.join("eng.train.gz"),
            tests: vec![("dev", real.join("eng.testa")), ("test", real.join("eng.testb"))],
            lists: Some(data().join("ner/gazetteers")),
        });
    }
    eprintln!("no shared data at {}: using generated sentences", data().display());
    let made = Corpus {
        name: "generated",
        train: folder.join("train.conll"),
        tests: vec![("test", folder.join("test.conll"))],
        lists: None,
    };
    fs::write(&made.train, generated(10_000, 1))?;
    fs::write(&made.tests[0].1, generated(3_000, 2))?;
    Ok(made)
}

/// Sentences in which capitalised words of a range, or words after a cue, are names.
fn generated(sentences: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut out = String::new();
    for _ in 0..sentences {
        for _ in 0..4 + random.below(20) {
            let word = (random.unit() * random.unit() * 5_000.0) as usize;
            let _ = match random.below(8) {
                0 => writeln!(out, "N{word}\tB-NAME\nN{}\tI-NAME", word / 3),
                1 => writeln!(out, "at\tO\nP{}\tB-PLACE", word % 900),
                _ => writeln!(out, "w{word}\tO"),
            };
        }
        out.push('\n');
    }
    out
}

/// Trains with the command; gives what it printed and what it cost.
fn train(corpus: &Corpus, model: &Path, more: &[&str]) -> Result<(Value, Usage)> {
    let mut arguments = vec!["--threads", "1", "train", path(&corpus.train)?, "--task", "spans", "--format", "conll"];
    arguments.extend(["-o", path(model)?, "--json"]);
    arguments.extend(more);
    let usage = usage_of(&release("postil"), &arguments)?;
    Ok((serde_json::from_str(&usage.output)?, usage))
}

/// F1 and token accuracy of a model on a file.
fn quality(model: &Path, gold: &Path, folder: &Path) -> Result<Value> {
    let predicted = folder.join("predicted.conll");
    let postil = release("postil");
    let tag = ["predict", path(model)?, path(gold)?, "--format", "conll", "-o", path(&predicted)?, "--json"];
    usage_of(&postil, &tag)?;
    let usage = usage_of(&postil, &["evaluate", path(gold)?, path(&predicted)?, "--format", "conll", "--json"])?;
    let outcome: Value = serde_json::from_str(&usage.output)?;
    Ok(json!({ "f1": outcome["f1"], "token_accuracy": outcome["token_accuracy"] }))
}

/// Training a tagger with lists, and one of at most a megabyte without.
pub(super) fn tagger_train() -> Result<()> {
    build(&["--package", "postil"])?;
    let folder = tempfile::tempdir()?;
    let corpus = corpus(folder.path())?;
    let model = folder.path().join("m.postil");
    let lists = corpus.lists.as_deref().map(path).transpose()?;
    let more: Vec<&str> = lists.map_or(Vec::new(), |lists| vec!["--lists", lists]);
    let (outcome, usage) = train(&corpus, &model, &more)?;
    let mut found = serde_json::Map::new();
    for (name, test) in &corpus.tests {
        found.insert((*name).to_owned(), quality(&model, test, folder.path())?);
    }
    let small = folder.path().join("small.postil");
    let (small_outcome, small_usage) = train(&corpus, &small, &["--max-bytes", "1000000"])?;
    let mut small_found = serde_json::Map::new();
    for (name, test) in &corpus.tests {
        small_found.insert((*name).to_owned(), quality(&small, test, folder.path())?);
    }
    let tokens = outcome["training"]["tokens"].as_u64().context("no number of tokens")?;
    let more = json!({
        "data": corpus.name,
        "bytes": outcome["bytes"],
        "measured": found,
        "small": { "bytes": small_outcome["bytes"], "cpu_seconds": small_usage.cpu_seconds, "measured": small_found },
        "peers": peers(&corpus),
    });
    report(tokens, &usage, more);
    Ok(())
}

/// Predicting: the test sentences over and over, as one file of at least 32 MB, from the file to tags in a file.
pub(super) fn tagger_predict() -> Result<()> {
    build(&["--package", "postil"])?;
    let folder = tempfile::tempdir()?;
    let corpus = corpus(folder.path())?;
    let model = folder.path().join("m.postil");
    let lists = corpus.lists.as_deref().map(path).transpose()?;
    train(&corpus, &model, &lists.map_or(Vec::new(), |lists| vec!["--lists", lists]))?;
    let (_, test) = corpus.tests.last().context("a test")?;
    let text = fs::read_to_string(test)?;
    let large = folder.path().join("large.conll");
    fs::write(&large, text.repeat((32 << 20) / text.len() + 1))?;
    let predicted = folder.path().join("predicted.conll");
    let arguments = ["--threads", "1", "predict", path(&model)?, path(&large)?, "--format", "conll"];
    let usage = usage_of(&release("postil"), &[&arguments[..], &["-o", path(&predicted)?, "--json"]].concat())?;
    let outcome: Value = serde_json::from_str(&usage.output)?;
    let tokens = outcome["tokens"].as_u64().context("no number of tokens")?;
    let more = json!({
        "data": corpus.name,
        "mb_per_second": (fs::metadata(&large)?.len() as f64 / 1e6 / usage.cpu_seconds).round(),
        "f1": quality(&model, test, folder.path())?["f1"],
        "peers": peers(&corpus),
    });
    report(tokens, &usage, more);
    Ok(())
}

/// Programs that train taggers, by the package that brings them: what they print about themselves on the same files.
const PEERS: [(&str, &str, &str); 2] = [
    ("CRFsuite", "python-crfsuite", concat!(include_str!("peers/columns.py"), include_str!("peers/crfsuite.py"))),
    ("spaCy", "spacy", concat!(include_str!("peers/columns.py"), include_str!("peers/spacy.py"))),
];

/// Each peer trains on the training file and tags the others, on one thread; null for one that cannot be had.
fn peers(corpus: &Corpus) -> Value {
    let mut outcomes = serde_json::Map::new();
    for (name, package, script) in PEERS {
        let outcome = python_with(package).and_then(|python| ask(&python, script, corpus));
        let outcome = outcome.unwrap_or_else(|reason| {
            eprintln!("{name} WAS NOT RUN: {reason:#}");
            Value::Null
        });
        outcomes.insert(name.to_owned(), outcome);
    }
    Value::Object(outcomes)
}

/// What a script prints about the files, one JSON object.
fn ask(python: &Path, script: &str, corpus: &Corpus) -> Result<Value> {
    let files = std::iter::once(&corpus.train).chain(corpus.tests.iter().map(|(_, test)| test));
    let output = Command::new(python)
        .args(["-c", script])
        .args(files)
        .env("OMP_NUM_THREADS", "1")
        .env("OPENBLAS_NUM_THREADS", "1")
        .output()
        .context("it cannot be started")?;
    ensure!(output.status.success(), "it failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(serde_json::from_str(text.trim().lines().last().unwrap_or_default())?)
}

/// A Python that has a package: that of `POSTIL_PEERS`, or one in the folder for temporary files, made at the first call.
fn python_with(package: &str) -> Result<PathBuf> {
    if let Some(python) = std::env::var_os("POSTIL_PEERS") {
        return Ok(python.into());
    }
    let folder = std::env::temp_dir().join("postil-peers").join(package);
    let python = folder.join("bin/python");
    if !folder.join("complete").exists() {
        let done = |command: &mut Command| -> Result<()> {
            let output = command.output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
            Ok(())
        };
        done(Command::new("python3").args(["-m", "venv"]).arg(&folder)).context("no environment for Python")?;
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))
            .with_context(|| format!("{package} cannot be installed"))?;
        fs::write(folder.join("complete"), "")?;
    }
    Ok(python)
}
