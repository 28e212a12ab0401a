//! Trains a conditional random field on CoNLL-2003 with plain features and prints entity F1, time, and how well the
//! confidence of spans fits: in each band of confidence, the mean against the share that is right, and the expected
//! calibration error.
//!
//! `POSTIL_DATA=... cargo run --release -p postil-student --example chain_conll -- [adagrad|lbfgs] [epochs or steps]
//! [rate] [l2] [l1]`
//!
//! With `BELIEFS=FILE`, writes what the model believes about the development and test sentences, one JSON line each, for
//! the example `span_errors` of the engine.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints its result and stops at bad files")]

use std::fmt::Write as _;
use std::io::Read;
use std::time::Instant;

use postil_student::chain::{
    Encoded, Lattice, Layout, Links, Optimiser, Target, Trainer, TypedSpan, Weights, fit_temperature,
};

const TYPES: [&str; 4] = ["LOC", "MISC", "ORG", "PER"];
const SLOTS: usize = 1 << 21;

/// Words and spans of each sentence.
fn read(path: &str) -> Vec<(Vec<String>, Vec<TypedSpan>)> {
    let mut text = String::new();
    if std::path::Path::new(path).exists() {
        text = std::fs::read_to_string(path).unwrap();
    } else {
        let file = std::fs::File::open(format!("{path}.gz")).unwrap();
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    }
    let mut sentences = Vec::new();
    for block in text.replace('\r', "").split("\n\n") {
        let (mut words, mut spans): (Vec<String>, Vec<TypedSpan>) = (Vec::new(), Vec::new());
        let mut before = "O";
        for line in block.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.is_empty() || fields[0] == "-DOCSTART-" {
                continue;
            }
            let (tag, at) = (fields[fields.len() - 1], words.len() as u32);
            if let Some((prefix, name)) = tag.split_once('-') {
                let class = TYPES.iter().position(|known| *known == name).unwrap() as u16;
                let follows = before.ends_with(name) && before != "O" && prefix == "I";
                match spans.last_mut() {
                    Some(open) if follows => open.end += 1,
                    _ => spans.push(TypedSpan { start: at, end: at + 1, class }),
                }
            }
            before = tag;
            words.push(fields[0].to_owned());
        }
        if !words.is_empty() {
            sentences.push((words, spans));
        }
    }
    sentences
}

fn shape(word: &str) -> (String, String) {
    let kind = |c: char| match c {
        c if c.is_uppercase() => 'X',
        c if c.is_alphabetic() => 'x',
        c if c.is_numeric() => 'd',
        c => c,
    };
    let full: String = word.chars().map(kind).collect();
    let mut short = full.clone().chars().collect::<Vec<_>>();
    short.dedup();
    (full, short.into_iter().collect())
}

fn hash(template: u8, parts: &[&str]) -> u32 {
    let mut state = 0xcbf2_9ce4_8422_2325u64 ^ u64::from(template).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        for &byte in part.as_bytes().iter().chain(&[1]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    state ^= state >> 32;
    (state.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 43) as u32 % SLOTS as u32
}

fn encode(sentences: &[(Vec<String>, Vec<TypedSpan>)]) -> Encoded {
    let mut encoded = Encoded::new();
    for (words, _) in sentences {
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let shapes: Vec<(String, String)> = words.iter().map(|word| shape(word)).collect();
        let capitals = words.iter().all(|word| !word.chars().any(char::is_lowercase));
        for at in 0..words.len() {
            let mut push = |template: u8, parts: &[&str]| encoded.push_slot(hash(template, parts));
            let near = |offset: isize| at.checked_add_signed(offset).filter(|&at| at < words.len());
            let word_at = |offset: isize| near(offset).map_or("<>", |at| lower[at].as_str());
            let shape_at = |offset: isize| near(offset).map_or("<>", |at| shapes[at].1.as_str());
            push(0, &[]);
            push(1, &[&words[at]]);
            push(2, &[&lower[at]]);
            let letters: Vec<char> = words[at].chars().collect();
            for length in 1..=4.min(letters.len()) {
                push(2 + length as u8, &[&letters[..length].iter().collect::<String>()]);
                push(6 + length as u8, &[&letters[letters.len() - length..].iter().collect::<String>()]);
            }
            push(11, &[&shapes[at].0]);
            push(12, &[&shapes[at].1]);
            for (place, offset) in [-2, -1, 1, 2].into_iter().enumerate() {
                push(13 + place as u8, &[word_at(offset)]);
                push(17 + place as u8, &[shape_at(offset)]);
            }
            push(21, &[word_at(-1), &lower[at]]);
            push(22, &[&lower[at], word_at(1)]);
            push(23, &[word_at(-1), word_at(1)]);
            push(24, &[word_at(-2), word_at(-1)]);
            push(25, &[word_at(1), word_at(2)]);
            push(26, &[shape_at(-1), shape_at(0)]);
            push(27, &[shape_at(0), shape_at(1)]);
            push(28, &[shape_at(-1), shape_at(0), shape_at(1)]);
            push(29, &[word_at(-1), shape_at(0)]);
            push(30, &[shape_at(0), word_at(1)]);
            push(31, &[if capitals { "all" } else { "" }, shape_at(0)]);
            push(32, &[if capitals { "all" } else { "" }, &lower[at]]);
            push(33, &[if at == 0 { "first" } else { "" }, shape_at(0)]);
            encoded.end_token();
        }
        encoded.end_sentence();
    }
    encoded
}

/// Entity F1, and confidence and correctness of every predicted span.
fn judge(
    weights: &Weights,
    layout: Layout,
    temperature: f64,
    encoded: &Encoded,
    sentences: &[(Vec<String>, Vec<TypedSpan>)],
) -> (f64, Vec<(f64, bool)>) {
    let links = Links::new(weights, &layout.constraints()).unwrap().with_temperature(temperature).unwrap();
    let (mut states, mut best) = (Vec::new(), Vec::new());
    let (mut right, mut given, mut gold, mut judged) = (0, 0, 0, Vec::new());
    for (sentence, (_, truth)) in sentences.iter().enumerate() {
        weights.score(encoded, sentence, &mut states);
        links.best(&states, &mut best);
        let lattice = Lattice::of(&links, &states).unwrap();
        let spans = layout.spans(&best);
        for span in &spans {
            let hit = truth.contains(span);
            right += usize::from(hit);
            judged.push((lattice.span(&links, layout, *span), hit));
        }
        (given, gold) = (given + spans.len(), gold + truth.len());
    }
    (200.0 * f64::from(right as u32) / (given + gold) as f64, judged)
}

/// The expected calibration error over ten bands, and the bands.
fn calibration(judged: &[(f64, bool)]) -> (f64, String) {
    let (mut error, mut text) = (0.0, String::new());
    for band in 0..10 {
        let within: Vec<&(f64, bool)> = judged.iter().filter(|(p, _)| ((p * 10.0) as usize).min(9) == band).collect();
        if within.is_empty() {
            continue;
        }
        let count = within.len() as f64;
        let confidence = within.iter().map(|(p, _)| p).sum::<f64>() / count;
        let right = within.iter().filter(|(_, hit)| *hit).count() as f64 / count;
        error += (confidence - right).abs() * count / judged.len() as f64;
        write!(text, "  {confidence:.2}:{right:.2} ({count})").unwrap();
    }
    (error, text)
}

/// Given and believed spans with their probabilities, a line per sentence.
fn beliefs(
    weights: &Weights,
    layout: Layout,
    encoded: &Encoded,
    sentences: &[(Vec<String>, Vec<TypedSpan>)],
    part: &str,
) -> String {
    let links = Links::new(weights, &layout.constraints()).unwrap();
    let (mut states, mut best, mut text) = (Vec::new(), Vec::new(), String::new());
    for (sentence, (words, truth)) in sentences.iter().enumerate() {
        weights.score(encoded, sentence, &mut states);
        links.best(&states, &mut best);
        let lattice = Lattice::of(&links, &states).unwrap();
        let sure = |span: &TypedSpan| {
            let probability = lattice.span(&links, layout, *span);
            serde_json::json!([span.start, span.end, TYPES[usize::from(span.class)], probability])
        };
        let given: Vec<_> = truth.iter().map(sure).collect();
        let believed: Vec<_> = layout.spans(&best).iter().map(sure).collect();
        text += &serde_json::json!({"part": part, "words": words, "given": given, "believed": believed}).to_string();
        text.push('\n');
    }
    text
}

fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, otherwise: f64| arguments.get(place).map_or(otherwise, |text| text.parse().unwrap());
    let optimiser = match arguments.first().map(String::as_str) {
        Some("lbfgs") => Optimiser::Lbfgs { steps: number(1, 150.0) as usize, fall: 1e-4 },
        _ => Optimiser::Adagrad { epochs: number(1, 10.0) as usize, rate: number(2, 0.07) },
    };
    let trainer = Trainer { optimiser, l2: number(3, 0.01), l1: number(4, 0.0), ..Trainer::default() };
    let folder = std::env::var("POSTIL_DATA").unwrap_or_else(|_| "../shared/data".into()) + "/ner/conll2003";
    let [train, dev, test] = ["eng.train", "eng.testa", "eng.testb"].map(|name| read(&format!("{folder}/{name}")));
    let layout = Layout::Bilou { types: 4 };
    let encoded = encode(&train);
    let targets: Vec<Target> =
        train.iter().map(|(words, spans)| Target::Hard(layout.labels_of(spans, words.len()))).collect();
    println!("{} sentences, {} tokens, {} features", encoded.sentences(), encoded.tokens(), encoded.features());
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let fitted = trainer.fit(&encoded, &targets, None, &layout.constraints(), SLOTS).unwrap();
    let losses: Vec<String> = fitted.progress.losses.iter().map(|loss| format!("{loss:.0}")).collect();
    println!("{trainer:?}");
    println!("losses {}", losses.join(" "));
    println!(
        "trained in {:.1} s ({:.1} CPU), {:.0} weights",
        start.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        fitted.weights.density() * fitted.weights.state.len() as f64
    );
    let (dev_encoded, test_encoded) = (encode(&dev), encode(&test));
    if let Some(file) = std::env::var_os("BELIEFS") {
        let parts = [("eng.testa", &dev_encoded, &dev), ("eng.testb", &test_encoded, &test)];
        let lines = parts.map(|(part, encoded, sentences)| beliefs(&fitted.weights, layout, encoded, sentences, part));
        std::fs::write(file, lines.concat()).unwrap();
    }
    let dev_targets: Vec<Target> =
        dev.iter().map(|(words, spans)| Target::Hard(layout.labels_of(spans, words.len()))).collect();
    // Even sentences fit the temperature, all are judged; the test set has seen neither.
    let half: Vec<usize> = (0..dev.len()).step_by(2).collect();
    let half_targets: Vec<Target> = half.iter().map(|&place| dev_targets[place].clone()).collect();
    let temperature = fit_temperature(&fitted.weights, layout, &dev_encoded.select(&half), &half_targets).unwrap();
    for temperature in [1.0, temperature] {
        for (name, encoded, sentences) in [("dev", &dev_encoded, &dev), ("test", &test_encoded, &test)] {
            let (f1, judged) = judge(&fitted.weights, layout, temperature, encoded, sentences);
            let (error, bands) = calibration(&judged);
            println!("{name}: F1 {f1:.2}, temperature {temperature:.2}, span ECE {error:.4}{bands}");
        }
    }
}
