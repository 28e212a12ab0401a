//! How often promises are broken: over 200 draws of gold, on stored answers of language models, the share of draws after
//! which more of the accepted labels are wrong than was promised.
//!
//! `cargo run --release -p postil-core --example promise_table [DRAWS [DATA]]`, where DATA holds `llm/SET/` with answers
//! and truth (by default the folder in `POSTIL_DATA`). Of a promise that is broken in exactly 5 % of draws, 200 draws
//! show more than 5 % about half of the time: more draws tell.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints a table")]

use std::path::{Path, PathBuf};

use postil_core::consensus::{self, Method};
use postil_core::guarantee::{GoldCheck, PromiseSettings, promise};
use postil_core::items::{AnswerOptions, read_answers, read_truth};
use postil_core::votes::{Gold, VotesBuilder};
use postil_core::{Digest, Random};
use rayon::prelude::*;

/// Confidence, whether the label is wrong.
type Known = Vec<(f64, bool)>;

fn file(folder: &Path, name: &str) -> PathBuf {
    let packed = folder.join(format!("{name}.gz"));
    if packed.exists() { packed } else { folder.join(name) }
}

/// One model with its own confidence, or the consensus of several.
fn load(folder: &Path, own: bool) -> Known {
    let options = AnswerOptions::default();
    let answers = read_answers(file(folder, "annotations.csv"), &options).unwrap();
    let truth = read_truth(file(folder, "truth.csv"), &options).unwrap();
    let truth_of =
        |item: &str| truth.items.find(item).map(|place| &truth.labels[usize::from(truth.label[place as usize])]);
    if own {
        let confidence = answers.confidence.as_ref().unwrap();
        return (0..answers.label.len())
            .filter(|&place| !confidence[place].is_nan())
            .filter_map(|place| {
                let right = truth_of(answers.items.get(answers.item[place]))?;
                Some((f64::from(confidence[place]), answers.labels[usize::from(answers.label[place])] != *right))
            })
            .collect();
    }
    let keys = answers.items.iter().map(|item| Digest::of(item.as_bytes()).to_u64()).collect();
    let mut builder = VotesBuilder::new(answers.labels.len()).keys(keys);
    for ((&item, &annotator), &label) in answers.item.iter().zip(&answers.annotator).zip(&answers.label) {
        builder.push(item, annotator, label).unwrap();
    }
    let votes = builder.build(answers.items.len(), answers.annotators.len()).unwrap();
    let fused = consensus::fit(&votes, &Gold::none(), Method::Automatic, &consensus::Settings::default()).unwrap();
    let classes = answers.labels.len();
    answers
        .items
        .iter()
        .enumerate()
        .filter_map(|(item, name)| {
            let label = usize::from(fused.labels[item]);
            let confidence = f64::from(fused.posterior[item * classes + label]);
            Some((confidence, answers.labels[label] != *truth_of(name)?))
        })
        .collect()
}

/// Confidences that say how likely the label is, roughly.
fn simulated(items: usize) -> Known {
    let mut random = Random::new(5);
    (0..items)
        .map(|_| {
            let confidence = 1.0 - 0.5 * random.unit().powi(2);
            (confidence, random.unit() < 0.8 * (1.0 - confidence))
        })
        .collect()
}

/// How gold is drawn.
#[derive(Clone, Copy)]
enum Draw {
    /// At random.
    Simple(usize),
    /// Three times as often among the less sure half, independently.
    Unequal(usize),
}

fn draw(known: &Known, how: Draw, seed: u64) -> Vec<GoldCheck> {
    let check = |item: usize, probability| GoldCheck { item: item as u32, wrong: known[item].1, probability };
    let mut random = Random::for_purpose(seed, "promise table");
    match how {
        Draw::Simple(count) => random.sample(known.len(), count).into_iter().map(|item| check(item, None)).collect(),
        Draw::Unequal(count) => {
            let mut sorted: Vec<f64> = known.iter().map(|one| one.0).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let middle = sorted[sorted.len() / 2];
            let base = count as f64 / known.len() as f64;
            let chance = |confidence: f64| (base * if confidence < middle { 1.5 } else { 0.5 }).min(1.0);
            (0..known.len())
                .filter_map(|item| {
                    let pi = chance(known[item].0);
                    (random.unit() < pi).then(|| check(item, Some(pi)))
                })
                .collect()
        }
    }
}

fn row(name: &str, known: &Known, risk: f64, how: Draw, draws: u64) -> f64 {
    let confidences: Vec<f64> = known.iter().map(|one| one.0).collect();
    let results: Vec<Option<(f64, bool)>> = (0..draws)
        .into_par_iter()
        .map(|seed| {
            let gold = draw(known, how, seed);
            let found = promise(&confidences, &gold, &PromiseSettings { risk, confidence: 0.95 }).unwrap();
            let threshold = found.threshold?;
            let wrong = known.iter().filter(|one| one.0 >= threshold && one.1).count() as f64;
            Some((found.accepted as f64 / known.len() as f64, wrong > risk * found.accepted as f64))
        })
        .collect();
    let made: Vec<&(f64, bool)> = results.iter().flatten().collect();
    let broken = made.iter().filter(|one| one.1).count() as f64 / draws as f64;
    let share = made.iter().fold(0.0, |sum, one| sum + one.0) / made.len().max(1) as f64;
    let errors = known.iter().filter(|one| one.1).count() as f64 / known.len() as f64;
    let (kind, gold) = match how {
        Draw::Simple(count) => ("simple", count),
        Draw::Unequal(count) => ("unequal", count),
    };
    println!(
        "{name:<26} {:>6} {:>7.1} {:>7.0} {kind:>8} {gold:>6} {:>7.1} {:>9.1} {:>8.1}",
        known.len(),
        100.0 * errors,
        100.0 * risk,
        100.0 * made.len() as f64 / draws as f64,
        100.0 * share,
        100.0 * broken
    );
    broken
}

fn main() {
    let data = std::env::args().nth(2).or_else(|| std::env::var("POSTIL_DATA").ok());
    let draws = std::env::args().nth(1).map_or(200, |draws| draws.parse().unwrap());
    let data = PathBuf::from(data.unwrap_or_else(|| "../shared/data".to_owned())).join("llm");
    println!(
        "{:<26} {:>6} {:>7} {:>7} {:>8} {:>6} {:>7} {:>9} {:>8}",
        "set", "items", "wrong %", "risk %", "draw", "gold", "made %", "accepted %", "broken %"
    );
    let (mut worst, mut total, mut rows) = (0.0f64, 0.0, 0.0);
    let sets = [
        ("uiuc-mrpc", true),
        ("uiuc-global-warming", true),
        ("uiuc-implicit-hate", true),
        ("uiuc-persuasion", true),
        ("css-emotion", false),
        ("css-semeval-stance", false),
        ("css-flute", false),
        ("css-wiki-politeness", false),
        ("css-ibc", false),
        ("css-mrf", false),
        ("babe-media-bias", false),
    ];
    let mut all: Vec<(String, Known)> =
        sets.iter().map(|&(name, own)| (name.to_owned(), load(&data.join(name), own))).collect();
    all.push(("simulated".to_owned(), simulated(20_000)));
    for (name, known) in &all {
        // A promise near what the labels are worth tempts a test most.
        let errors = known.iter().filter(|one| one.1).count() as f64 / known.len() as f64;
        let near = ((errors * 0.8 * 20.0).round() / 20.0).clamp(0.05, 0.9);
        let mut risks = vec![0.05, near];
        risks.dedup();
        for risk in risks {
            for gold in [100, 250] {
                for how in [Draw::Simple(gold), Draw::Unequal(gold)] {
                    let broken = row(name, known, risk, how, draws);
                    worst = worst.max(broken);
                    total += broken;
                    rows += 1.0;
                }
            }
        }
    }
    println!(
        "broken: {:.2} % of all draws, {:.2} % in the worst row; promised at most 5 %",
        100.0 * total / rows,
        100.0 * worst
    );
}
