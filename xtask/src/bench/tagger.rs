//! Benches of taggers: CoNLL-2003 where it is at hand, generated sentences otherwise.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use postil_core::Random;
use serde_json::{Value, json};

use super::files::{data, path};
use super::inside::peer;
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
        "peer": crfsuite(&corpus, folder.path())?,
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
    });
    report(tokens, &usage, more);
    Ok(())
}

/// CRFsuite with a rich template on the same sentences: CPU seconds of training and tokens per second of prediction.
fn crfsuite(corpus: &Corpus, folder: &Path) -> Result<Value> {
    const SCRIPT: &str = r#"
import gzip, json, os, sys, time
import pycrfsuite
def read(name):
    sentences, words, tags = [], [], []
    packed = os.path.exists(name + ".gz")
    for line in gzip.open(name + ".gz", "rt", encoding="utf-8") if packed else open(name, encoding="utf-8"):
        parts = line.split()
        if not parts or parts[0] == "-DOCSTART-":
            if words: sentences.append((words, tags))
            words, tags = [], []
        else:
            words.append(parts[0]); tags.append(parts[-1])
    if words: sentences.append((words, tags))
    return sentences
def shape(word):
    kinds = "".join("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word)
    short = "".join(c for i, c in enumerate(kinds) if i == 0 or kinds[i - 1] != c)
    return kinds, short
def features(words):
    lower = [word.lower() for word in words]; shapes = [shape(word) for word in words]
    rows = []
    for i, word in enumerate(words):
        row = ["b", "w=" + word, "l=" + lower[i], "s=" + shapes[i][0], "c=" + shapes[i][1]]
        row += [f"p{n}={word[:n]}" for n in range(1, 5)] + [f"e{n}={word[-n:]}" for n in range(1, 5)]
        for d in (-2, -1, 1, 2):
            j = i + d
            row += [f"{d}l={lower[j]}", f"{d}c={shapes[j][1]}"] if 0 <= j < len(words) else [f"{d}none"]
        for a, b in ((-1, 0), (0, 1), (-1, 1), (-2, -1), (1, 2)):
            if 0 <= i + a and i + b < len(words) and 0 <= i + b: row.append(f"{a}{b}={lower[i + a]}|{lower[i + b]}")
        rows.append(row)
    return rows
train, test = read(sys.argv[1] + "/train.txt"), read(sys.argv[1] + "/test.txt")
start = time.process_time()
trainer = pycrfsuite.Trainer(verbose=False)
for words, tags in train: trainer.append(features(words), tags)
trainer.set_params({"c1": 0.05, "c2": 0.05, "max_iterations": 150, "feature.possible_transitions": True})
trainer.train(sys.argv[1] + "/peer.crf")
seconds = time.process_time() - start
tagger = pycrfsuite.Tagger(); tagger.open(sys.argv[1] + "/peer.crf")
start = time.process_time()
found = [tagger.tag(features(words)) for words, _ in test]
speed = sum(len(tags) for tags in found) / (time.process_time() - start)
def spans(tags):
    result, start, kind = set(), None, None
    for i, tag in enumerate(list(tags) + ["O"]):
        head, _, label = tag.partition("-")
        if start is not None and (head == "O" or head == "B" or label != kind):
            result.add((start, i, kind)); start = None
        if head != "O" and start is None: start, kind = i, label
    return result
right = gold = given = 0
for (_, truth), tags in zip(test, found):
    t, g = spans(truth), spans(tags)
    right += len(t & g); gold += len(t); given += len(g)
print(json.dumps({"name": "CRFsuite", "cpu_seconds": seconds, "tokens_per_second": speed, "f1": 2 * right / (gold + given),
    "bytes": os.path.getsize(sys.argv[1] + "/peer.crf")}))
"#;
    let (_, test) = corpus.tests.last().context("a test")?;
    let packed = corpus.train.extension().is_some_and(|ending| ending == "gz");
    fs::copy(&corpus.train, folder.join(if packed { "train.txt.gz" } else { "train.txt" }))?;
    fs::copy(test, folder.join("test.txt"))?;
    peer("CRFsuite", SCRIPT, folder)
}
