//! Trains taggers on the shared sets, evaluates them as conlleval does, and prints one JSON line per set and part.
//!
//! ```sh
//! cargo run --release -p postil-student --example tagger_bench -- [SET ...] [--max-bytes N] [--no-lists]
//!     [--no-classes] [--crf] [--members N] [--epochs N] [--layer N] [--seed N] [--no-speed]
//! ```
//!
//! Sets: conll2003, conll2003-pos (two layers in one file; `--layer` takes one of them alone), ewt, hinglid, emphasis, snips, atis, wnut17, bc5cdr. Training and prediction are measured in
//! processor time; tokens per second are the best of five runs on one thread, without and with confidence.

mod sets;

use std::hint::black_box;

use postil_student::chain::{Layout, TypedSpan};
use postil_student::tagger::{
    Algorithm, Counts, Document, FittedTagger, Layer, LayerPrediction, LayerTarget, TaggerModel, TaggerOptions,
    TaggerScratch, TaggerTrainer,
};
use serde_json::{Map, Value, json};
use sets::{Failure, NAMES, Part, documents};

/// Processor time of the process so far, in seconds, where the system tells.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Processor time of this thread, in seconds.
fn thread_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let value = self.0.iter().skip_while(|argument| *argument != name).nth(1);
        value
            .map(|value| value.parse().map_err(|_| format!("{name}: expected a number, found {value}").into()))
            .transpose()
    }
}

#[expect(clippy::print_stdout, reason = "a command's output")]
fn main() -> Result<(), Failure> {
    let arguments = Arguments(std::env::args().skip(1).collect());
    let mut chosen: Vec<&str> = NAMES.into_iter().filter(|name| arguments.flag(name)).collect();
    if chosen.is_empty() {
        chosen = NAMES.to_vec();
    }
    for name in chosen {
        let mut set = sets::read(name)?;
        let mut options = TaggerOptions::new();
        if !arguments.flag("--no-lists") {
            options = options.lists(set.lists);
        }
        if let Some(bytes) = arguments.number("--max-bytes")? {
            options = options.max_bytes(bytes as usize);
        }
        if let Some(epochs) = arguments.number("--epochs")? {
            options = options.epochs(epochs as usize);
        }
        if let Some(members) = arguments.number("--members")? {
            options = options.members(members as usize);
        }
        if arguments.flag("--no-classes") {
            options = options.word_classes(false);
        }
        if arguments.flag("--crf") {
            options = options.algorithm(Algorithm::Crf);
        }
        options = options.seed(arguments.number("--seed")?.unwrap_or(0));
        let (train, unlabelled) = (documents(&set.train.texts), documents(&set.unlabelled.texts));
        let (layers, targets) = choose_layer(&arguments, set.layers, &mut set.tests, set.train.targets)?;
        let trainer = TaggerTrainer::new(layers)?.with_options(options).with_unlabelled(&unlabelled);
        let start = cpu_seconds();
        let fitted = trainer.fit(&train, &targets, None)?;
        let seconds = cpu_seconds() - start;
        println!("{}", json!({"set": name, "training": training(&fitted, seconds)}));
        for test in &set.tests {
            let mut line = evaluate(&fitted.model, test);
            line.insert("set".into(), name.into());
            line.insert("bytes".into(), fitted.report.bytes.into());
            line.insert("train_cpu_seconds".into(), round(seconds, 2));
            if !arguments.flag("--no-speed") {
                speed(&fitted.model, &documents(&test.texts), &mut line);
            }
            println!("{}", Value::Object(line));
        }
    }
    Ok(())
}

/// All layers with the targets of training, or the one that was asked for.
fn choose_layer(
    arguments: &Arguments,
    layers: Vec<Layer>,
    tests: &mut [Part],
    targets: Vec<Vec<LayerTarget>>,
) -> Result<(Vec<Layer>, Vec<Vec<LayerTarget>>), Failure> {
    let Some(wanted) = arguments.number("--layer")? else { return Ok((layers, targets)) };
    let wanted = wanted as usize;
    let layer = layers.get(wanted).cloned().ok_or("--layer: no such layer")?;
    let only = |targets: Vec<Vec<LayerTarget>>| -> Vec<Vec<LayerTarget>> {
        targets.into_iter().map(|mut targets| vec![targets.swap_remove(wanted)]).collect()
    };
    for test in tests {
        test.targets = only(std::mem::take(&mut test.targets));
    }
    Ok((vec![layer], only(targets)))
}

fn round(value: f64, digits: i32) -> Value {
    let unit = 10f64.powi(digits);
    json!((value * unit).round() / unit)
}

/// What training did.
fn training(fitted: &FittedTagger, seconds: f64) -> Value {
    let report = &fitted.report;
    let quality = report.quality.iter().map(|quality| {
        json!({
            "layer": quality.layer, "temperature": round(quality.temperature, 2),
            "learnt": figures(&quality.learnt), "pruned": figures(&quality.pruned),
        })
    });
    json!({
        "cpu_seconds": round(seconds, 2), "features": [report.features, report.kept_features],
        "weights": [report.weights, report.kept_weights], "epochs": report.epochs, "bytes": report.bytes,
        "list_entries": report.list_entries, "lists_left_out": report.lists_left_out, "classed_words": report.classed_words,
        "held_out": quality.collect::<Vec<_>>(),
    })
}

fn figures(reached: &postil_student::tagger::Reached) -> Value {
    json!({
        "f1": round(reached.spans.f1(), 4), "accuracy": round(reached.right as f64 / reached.all.max(1) as f64, 4),
        "squared_error": round(reached.squared_error, 4),
    })
}

/// How often predictions of about the same confidence are right.
#[derive(Default)]
struct Calibration([(f64, f64); 15], usize);

impl Calibration {
    fn add(&mut self, confidence: Option<f32>, right: bool) {
        let confidence = f64::from(confidence.unwrap_or(0.0));
        let bin = &mut self.0[((confidence * 15.0) as usize).min(14)];
        *bin = (bin.0 + confidence, bin.1 + f64::from(u8::from(right)));
        self.1 += 1;
    }

    fn error(&self) -> f64 {
        self.0.iter().map(|bin| (bin.0 - bin.1).abs()).sum::<f64>() / self.1.max(1) as f64
    }
}

/// The quality of a model on a part.
fn evaluate(model: &TaggerModel, part: &Part) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("part".into(), part.name.into());
    let mut scratch = TaggerScratch::default();
    let documents = documents(&part.texts);
    let predictions: Vec<Vec<LayerPrediction>> =
        documents.iter().map(|document| model.predict(document, true, &mut scratch)).collect();
    for (at, layer) in model.layers().iter().enumerate() {
        let (mut counts, mut right, mut all) = (Counts::default(), 0, 0);
        let (mut sure, mut matched) = (Calibration::default(), [0.0; 4]);
        for ((predicted, targets), document) in predictions.iter().zip(&part.targets).zip(&documents) {
            match (&predicted[at], &targets[at]) {
                (LayerPrediction::Spans(found), LayerTarget::Spans(gold)) => {
                    found.iter().for_each(|found| sure.add(found.confidence, gold.contains(&found.span)));
                    let found: Vec<TypedSpan> = found.iter().map(|found| found.span).collect();
                    counts.add(gold, &found);
                    // Tokens count as in BIO tags.
                    let layout = Layout::Bio { types: layer.labels.len() };
                    let tokens = document.tokens.len();
                    let pair = (layout.labels_of(gold, tokens), layout.labels_of(&found, tokens));
                    right += pair.0.iter().zip(&pair.1).filter(|(gold, found)| gold == found).count();
                    all += tokens;
                }
                (LayerPrediction::Tags(found), LayerTarget::Tags(gold))
                | (LayerPrediction::Sentences(found), LayerTarget::Sentences(gold)) => {
                    for (found, gold) in found.iter().zip(gold) {
                        sure.add(found.confidence, found.class == *gold);
                        right += usize::from(found.class == *gold);
                        all += 1;
                    }
                }
                (LayerPrediction::Scores(found), LayerTarget::Scores(gold)) => {
                    (1..=4).for_each(|most| matched[most - 1] += matching(found, gold, most));
                }
                _ => {}
            }
        }
        let value = match &part.targets[0][at] {
            LayerTarget::Scores(_) => {
                let each = matched.map(|sum| round(sum / documents.len() as f64, 4));
                json!({"match": each, "mean_match": round(matched.iter().sum::<f64>() / 4.0 / documents.len() as f64, 4)})
            }
            LayerTarget::Spans(_) => json!({
                "f1": round(counts.f1(), 4), "precision": round(counts.precision(), 4),
                "recall": round(counts.recall(), 4), "token_accuracy": round(right as f64 / all as f64, 4),
                "calibration_error": round(sure.error(), 4),
            }),
            _ => json!({"accuracy": round(right as f64 / all as f64, 4), "calibration_error": round(sure.error(), 4)}),
        };
        line.insert(layer.name.clone(), value);
    }
    line
}

/// How many of the `most` words that should be emphasised most are among the first `most` predicted, as a share; of
/// equals at the border any will do.
fn matching(found: &[f32], gold: &[f32], most: usize) -> f64 {
    let best = |scores: &[f32]| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&left, &right| scores[right].total_cmp(&scores[left]).then(left.cmp(&right)));
        order.truncate(most);
        order
    };
    let Some(&border) = best(gold).last() else { return 0.0 };
    let hits = best(found).into_iter().filter(|&at| gold[at] >= gold[border]).count();
    hits as f64 / most.min(gold.len()) as f64
}

/// Tokens per second of one thread.
fn speed(model: &TaggerModel, documents: &[Document], line: &mut Map<String, Value>) {
    let tokens: usize = documents.iter().map(|document| document.tokens.len()).sum();
    let mut scratch = TaggerScratch::default();
    for (name, confidence) in [("tokens_per_second", false), ("tokens_per_second_with_confidence", true)] {
        let mut best = f64::MAX;
        // The clock of threads is coarse: short sets are predicted several times in a row.
        let repeats = 1 + 100_000 / tokens.max(1);
        for _ in 0..5 {
            let start = thread_seconds();
            for document in (0..repeats).flat_map(|_| documents) {
                black_box(model.predict(black_box(document), confidence, &mut scratch));
            }
            best = best.min((thread_seconds() - start) / repeats as f64);
        }
        line.insert(name.into(), round(tokens as f64 / best, 0));
    }
}
