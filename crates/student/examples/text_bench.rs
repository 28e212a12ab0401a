//! Trains on one CSV file, tests on another, and prints what came out: quality, calibration, cost, speed and size.
//!
//! ```sh
//! cargo run --release -p postil-student --example text_bench -- train.csv.gz test.csv [--ordinal] [--first N] [--verbose]
//! ```
//!
//! The files have columns `text` and `label`, or `text` and `votes_NAME` columns, whose counts become soft labels with
//! `--votes`.

use std::io::Read;
use std::time::Instant;

use postil_student::text::{Head, Scratch, Target, TextModel, Trainer};

type Failure = Box<dyn std::error::Error>;

/// The rows of a CSV file, the header first.
fn read(path: &str) -> Result<Vec<Vec<String>>, Failure> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    if std::path::Path::new(path).extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes)?;
    } else {
        std::io::BufReader::new(file).read_to_end(&mut bytes)?;
    }
    let text = String::from_utf8_lossy(&bytes);
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

fn column(rows: &[Vec<String>], name: &str) -> Result<usize, Failure> {
    rows[0].iter().position(|field| field == name).ok_or_else(|| format!("no column `{name}`").into())
}

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

#[expect(clippy::print_stdout, reason = "a command's output")]
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let files: Vec<&String> = arguments.iter().filter(|argument| argument.contains(".csv")).collect();
    let [train, test] = files[..] else { return Err("give a training and a test file".into()) };
    let first = arguments.iter().skip_while(|argument| *argument != "--first").nth(1);
    let (mut train, test) = (read(train)?, read(test)?);
    if let Some(count) = first {
        train.truncate(count.parse::<usize>()? + 1);
    }
    let (text_column, label_column) = (column(&train, "text")?, column(&train, "label")?);
    let mut labels: Vec<String> = train[1..].iter().map(|row| row[label_column].clone()).collect();
    labels.sort();
    labels.dedup();
    let texts: Vec<&str> = train[1..].iter().map(|row| row[text_column].as_str()).collect();
    let class = |name: &String| labels.binary_search(name).ok().map(|class| class as u16);
    let votes: Vec<usize> =
        (0..train[0].len()).filter(|&at| flag("--votes") && train[0][at].starts_with("votes_")).collect();
    let targets: Vec<Target> = train[1..]
        .iter()
        .map(|row| match class(&row[label_column]) {
            _ if !votes.is_empty() => Target::Soft(votes.iter().map(|&at| row[at].parse().unwrap_or(0.0)).collect()),
            found => Target::Hard(found.unwrap_or(0)),
        })
        .collect();

    let head = if flag("--ordinal") { Head::Ordinal } else { Head::Softmax };
    let (clock, cpu) = (Instant::now(), cpu_seconds());
    let fitted = Trainer::new(labels.clone(), head)?.fit(&texts, &targets, None)?;
    let (wall, cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let model = TextModel::from_vec(fitted.model.as_bytes().to_vec())?;
    let report = &fitted.report;
    println!("trained on {} texts, {} labels: {cpu:.1} CPU s, {wall:.1} s", texts.len(), labels.len());
    if flag("--verbose") {
        for trial in &report.trials {
            let Quality { accuracy, log_loss, .. } = &trial.quality;
            println!(
                "  {} C={} characters={}: {accuracy:.4} {log_loss:.4}",
                trial.model, trial.strength, trial.characters
            );
        }
    }
    for part in &report.parts {
        println!(
            "  {:.2} x {} (C {}): alone {:.4}, log-loss {:.4}",
            part.weight, part.model, part.strength, part.alone.accuracy, part.alone.log_loss
        );
    }
    let Quality { accuracy, log_loss, calibration_error } = &report.out_of_fold;
    println!("  out of fold: accuracy {accuracy:.4}, log-loss {log_loss:.4}, ECE {calibration_error:.4}");
    println!(
        "  features {} kept {}, characters {}, file {:.2} MB",
        report.features,
        report.kept,
        report.characters,
        model.as_bytes().len() as f64 / 1e6
    );

    let texts: Vec<&str> = test[1..].iter().map(|row| row[text_column].as_str()).collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let gold: Vec<Option<u16>> = test[1..].iter().map(|row| class(&row[label_column])).collect();
    let all = model.predict_batch(&texts);
    score(&model, &all, &gold);

    let mut scratch = Scratch::default();
    let mut row = vec![0.0; labels.len()];
    let mut best = f64::MAX;
    let clock = Instant::now();
    while clock.elapsed().as_secs_f64() < 2.0 {
        let start = thread_seconds();
        let repeats = 1 + 5_000_000 / bytes.max(1);
        for _ in 0..repeats {
            for text in &texts {
                model.predict_into(std::hint::black_box(text), &mut scratch, &mut row);
                std::hint::black_box(&row);
            }
        }
        best = best.min((thread_seconds() - start) / repeats as f64);
    }
    println!("  predict, one thread: {:.0} texts/s, {:.1} MB/s", texts.len() as f64 / best, bytes as f64 / 1e6 / best);
    Ok(())
}

use postil_student::text::Quality;

#[expect(clippy::print_stdout, reason = "a command's output")]
fn score(model: &TextModel, all: &[f32], gold: &[Option<u16>]) {
    let classes = model.labels().len();
    let (mut right, mut loss, mut distance, mut median_right, mut median_distance) = (0.0f64, 0.0f64, 0.0, 0.0, 0.0);
    let mut bins = [(0.0f64, 0.0f64); 15];
    for (row, gold) in all.chunks_exact(classes).zip(gold) {
        let best = model.most_probable(row);
        let hit = f64::from(u8::from(Some(best) == *gold));
        right += hit;
        let share = gold.map_or(0.0, |gold| row[usize::from(gold)]);
        loss -= f64::from(share.max(1e-7)).ln();
        let confidence = row[usize::from(best)];
        let bin = &mut bins[((confidence * 15.0) as usize).min(14)];
        *bin = (bin.0 + f64::from(confidence), bin.1 + hit);
        if let Some(gold) = *gold {
            let median = model.median(row);
            distance += f64::from(best.abs_diff(gold));
            median_right += f64::from(u8::from(median == gold));
            median_distance += f64::from(median.abs_diff(gold));
        }
    }
    let count = gold.len() as f64;
    println!(
        "  TEST: accuracy {:.4}, log-loss {:.4}, ECE {:.4}",
        right / count,
        loss / count,
        bins.iter().map(|bin| (bin.0 - bin.1).abs()).sum::<f64>() / count
    );
    if model.head() == Head::Ordinal {
        println!(
            "  ordered: mean distance {:.4}; by median: accuracy {:.4}, mean distance {:.4}",
            distance / count,
            median_right / count,
            median_distance / count
        );
    }
}
