//! What the confidences and the disagreement of language models are worth, and what the order of options does to judges,
//! on stored answers.
//!
//! `cargo run --release -p postil-core --example confidence_table`, where the folder in `POSTIL_DATA` (by default
//! `../shared/data`) holds `llm/SET/`. Ten times 200 gold labels, or four tenths of all if that is less, drawn at random
//! fit the calibration; the others measure. A calibrated confidence changes the order of answers only where labels
//! differ in how far they can be trusted.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints a table")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use postil_core::Random;
use postil_core::guarantee::{GoldCheck, PromiseSettings, promise};
use postil_core::items::{AnswerOptions, AnswerTable, read_answers, read_truth};
use postil_core::route::{ConfidenceMap, discrimination, position_bias};
use postil_core::{Class, Measured};

const DRAWS: u64 = 10;
const FIT: usize = 200;

/// Confidence, label, whether it is right.
type Seen = (f64, Class, bool);

fn file(folder: &Path, name: &str) -> PathBuf {
    let packed = folder.join(format!("{name}.gz"));
    if packed.exists() { packed } else { folder.join(name) }
}

fn read(folder: &Path) -> (AnswerTable, HashMap<u32, Class>) {
    let options = AnswerOptions::default();
    let answers = read_answers(file(folder, "annotations.csv"), &options).unwrap();
    let truth = read_truth(file(folder, "truth.csv"), &options).unwrap();
    let mut known = HashMap::new();
    for (place, item) in truth.items.iter().enumerate() {
        let label = &truth.labels[usize::from(truth.label[place])];
        let class = answers.labels.iter().position(|other| other == label);
        if let Some(decision) = answers.items.find(item) {
            // A label that nobody gave is a truth that nobody can reach.
            known.insert(decision, class.map_or(Class::MAX, |class| class as Class));
        }
    }
    (answers, known)
}

/// Verbalised confidences of one annotator.
fn stated(answers: &AnswerTable, truth: &HashMap<u32, Class>) -> Vec<Seen> {
    let confidence = answers.confidence.as_ref().unwrap();
    (0..answers.label.len())
        .filter(|&place| !confidence[place].is_nan())
        .filter_map(|place| {
            let label = answers.label[place];
            Some((f64::from(confidence[place]), label, *truth.get(&answers.item[place])? == label))
        })
        .collect()
}

/// One minus the entropy of a model's answers under several prompts, in units of the largest, and their plurality.
fn agreement(answers: &AnswerTable, truth: &HashMap<u32, Class>, model: &str) -> Vec<Seen> {
    let classes = answers.labels.len();
    let mut heads = vec![vec![0.0f64; classes]; answers.items.len()];
    for (place, &item) in answers.item.iter().enumerate() {
        if answers.annotators.get(answers.annotator[place]).split('@').next() == Some(model) {
            heads[item as usize][usize::from(answers.label[place])] += 1.0;
        }
    }
    let one = |(item, heads): (usize, &Vec<f64>)| {
        let total: f64 = heads.iter().sum();
        let class = *truth.get(&(item as u32))?;
        if total == 0.0 {
            return None;
        }
        let entropy: f64 = heads.iter().filter(|&&n| n > 0.0).map(|n| -n / total * (n / total).ln()).sum();
        let top = (1..classes).fold(0, |best, class| if heads[class] > heads[best] { class } else { best });
        Some((1.0 - entropy / (classes as f64).ln(), top as Class, top as Class == class))
    };
    heads.iter().enumerate().filter_map(one).collect()
}

/// The expected calibration error over fifteen bins with the same number of answers.
fn calibration_error(scores: &[f64], right: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let bin = |number: usize| {
        let part = &order[number * order.len() / 15..(number + 1) * order.len() / 15];
        part.iter().map(|&one| scores[one] - f64::from(u8::from(right[one]))).sum::<f64>().abs()
    };
    (0..15).map(bin).sum::<f64>() / scores.len() as f64
}

fn middle(figures: &[Measured]) -> String {
    let mean = |of: &dyn Fn(&Measured) -> f64| figures.iter().map(of).sum::<f64>() / figures.len() as f64;
    let part = |figure: &Measured, which: usize| match figure {
        Measured::Known { value, low, high, .. } => [*value, *low, *high][which],
        Measured::Unknown { .. } => f64::NAN,
    };
    format!("{:.3} [{:.3}, {:.3}]", mean(&|one| part(one, 0)), mean(&|one| part(one, 1)), mean(&|one| part(one, 2)))
}

fn show(name: &str, seen: &[Seen], classes: usize) {
    let fit = FIT.min(seen.len() * 4 / 10);
    let (mut before, mut after, mut errors, mut calibrated) = (Vec::new(), Vec::new(), 0.0, 0.0);
    let (mut promised, mut share, mut broken) = (0, 0.0, 0);
    let mut above = Vec::new();
    for draw in 0..DRAWS {
        let chosen = Random::for_purpose(draw, name).sample(seen.len(), fit);
        let mut fits = vec![false; seen.len()];
        chosen.iter().for_each(|&place| fits[place] = true);
        let part: Vec<Seen> = chosen.iter().map(|&place| seen[place]).collect();
        let map = ConfidenceMap::fit(&part, classes).unwrap();
        let rest: Vec<Seen> = (0..seen.len()).filter(|&place| !fits[place]).map(|place| seen[place]).collect();
        let right: Vec<bool> = rest.iter().map(|one| one.2).collect();
        let raw: Vec<f64> = rest.iter().map(|one| one.0).collect();
        let mapped: Vec<f64> = rest.iter().map(|one| map.right(one.0, one.1)).collect();
        before.push(discrimination(&raw, &right, draw).unwrap());
        after.push(discrimination(&mapped, &right, draw).unwrap());
        errors += calibration_error(&raw, &right) / DRAWS as f64;
        calibrated += calibration_error(&mapped, &right) / DRAWS as f64;
        // Half of the gold fits the map, the other half proves a threshold on everything else.
        let (learn, prove) = chosen.split_at(fit / 2);
        let learnt: Vec<Seen> = learn.iter().map(|&place| seen[place]).collect();
        let Some(map) = ConfidenceMap::fit(&learnt, classes) else { continue };
        let others: Vec<usize> = (0..seen.len()).filter(|place| !learn.contains(place)).collect();
        let sure: Vec<f64> = others.iter().map(|&place| map.right(seen[place].0, seen[place].1)).collect();
        let checks: Vec<GoldCheck> = others
            .iter()
            .enumerate()
            .filter(|(_, place)| prove.contains(place))
            .map(|(item, &place)| GoldCheck { item: item as u32, wrong: !seen[place].2, probability: None })
            .collect();
        let found = promise(&sure, &checks, &PromiseSettings { risk: 0.15, confidence: 0.9 }).unwrap();
        if let Some(threshold) = found.threshold {
            promised += 1;
            share += found.accepted as f64 / others.len() as f64;
            let kept: Vec<bool> =
                (0..others.len()).filter(|&item| sure[item] >= threshold).map(|item| !seen[others[item]].2).collect();
            let wrong = kept.iter().filter(|wrong| **wrong).count() as f64;
            broken += usize::from(wrong > 0.15 * kept.len() as f64);
            let error = wrong / kept.len() as f64;
            above.push(Measured::known(error, postil_core::audit::wilson(error, kept.len() as f64), "accepted"));
        }
    }
    println!(
        "{name:<26} {:>5} answers  right {:.3}  AUROC {}  calibrated {}  ECE {errors:.3}  calibrated {calibrated:.3}",
        seen.len(),
        seen.iter().filter(|one| one.2).count() as f64 / seen.len() as f64,
        middle(&before),
        middle(&after),
    );
    if promised > 0 {
        println!(
            "{:<26} at most 15 % wrong promised in {promised} of {DRAWS} draws for {:.2} of the answers; error above the \
             threshold {}; {broken} broken",
            "",
            share / f64::from(promised),
            middle(&above)
        );
    } else {
        println!("{:<26} at most 15 % wrong cannot be promised in any of {DRAWS} draws", "");
    }
}

fn judges(root: &Path) {
    let (answers, truth) = read(&root.join("llmbar"));
    let mut by: HashMap<&str, HashMap<u32, Class>> = HashMap::new();
    for (place, &item) in answers.item.iter().enumerate() {
        by.entry(answers.annotators.get(answers.annotator[place])).or_default().insert(item, answers.label[place]);
    }
    let items: Vec<u32> =
        (0..answers.items.len() as u32).filter(|item| truth.get(item).is_some_and(|&c| c < 2)).collect();
    let known: Vec<Class> = items.iter().map(|item| truth[item]).collect();
    println!(
        "\njudge                        pairs  flips                  first  once                   both, ties a half      decided"
    );
    let mut names: Vec<&str> = by.keys().filter_map(|name| name.strip_suffix("|AB")).collect();
    names.sort_unstable();
    let mut models: HashMap<&str, (f64, f64, f64, f64, f64)> = HashMap::new();
    for name in names {
        let side = |order: &str| -> Vec<Option<Class>> {
            let said = by.get(format!("{name}|{order}").as_str());
            items.iter().map(|item| said.and_then(|said| said.get(item)).copied().filter(|&c| c < 2)).collect()
        };
        let found = position_bias(&side("AB"), &side("BA"), &known).unwrap();
        let (Some(flips), Some(once), Some(both)) = (found.flips.value(), found.once.value(), found.both.value())
        else {
            continue;
        };
        println!(
            "{name:<28} {:>5}  {}  {:.2}  {}  {}  {}",
            found.pairs,
            found.flips.brief(),
            found.first.value().unwrap_or(0.5),
            found.once.brief(),
            found.both.brief(),
            found.decided.brief()
        );
        let model =
            ["ChatGPT-0301", "GPT-4", "ChatGPT", "LLaMA2", "PaLM2", "Falcon"].into_iter().find(|m| name.starts_with(m));
        let sum = models.entry(model.unwrap_or("other")).or_default();
        let decided = found.decided.value().unwrap_or(0.5);
        *sum = (sum.0 + 1.0, sum.1 + flips, sum.2 + once, sum.3 + both, sum.4 + decided);
    }
    let mut models: Vec<_> = models.into_iter().collect();
    models.sort_by(|a, b| a.0.cmp(b.0));
    println!("\nmean over strategies");
    for (model, (count, flips, once, both, decided)) in models {
        println!(
            "{model:<14} {count:>3} strategies  flips {:.3}  right asking once {:.3}, in both orders {:.3}, where decided {:.3}",
            flips / count,
            once / count,
            both / count,
            decided / count
        );
    }
}

fn main() {
    let root =
        std::env::var_os("POSTIL_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from).join("llm");
    for set in ["uiuc-mrpc", "uiuc-global-warming", "uiuc-implicit-hate", "uiuc-persuasion", "uiuc-mtbench"] {
        let (answers, truth) = read(&root.join(set));
        show(set, &stated(&answers, &truth), answers.labels.len());
    }
    let (answers, truth) = read(&root.join("vaccine-stance-crowd-llm"));
    for model in ["gpt", "llama70b", "llama8b", "mistral", "mixtral"] {
        show(&format!("vaccine {model}"), &agreement(&answers, &truth, model), answers.labels.len());
    }
    judges(&root);
}
