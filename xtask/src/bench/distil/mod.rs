//! What students make of labels by language models.

mod sets;

use anyhow::Result;
use postil_core::{Class, Random};
use postil_student::text::{Distillation, Head, Target, TextOptions, Trainer};
use sets::Set;
use serde_json::json;

use super::inside::{cpu_seconds, peak_mb};

const SEEDS: u64 = 5;

pub(super) fn distil() -> Result<()> {
    let only = std::env::var("POSTIL_SETS").ok();
    let before = cpu_seconds()?;
    for name in sets::names()? {
        if only.as_ref().is_some_and(|only| !only.split(',').any(|one| name.starts_with(one))) { continue; }
        let set = Set::read(&name)?;
        measure(&set)?;
    }
    println!("{}", json!({ "cpu_seconds": cpu_seconds()? - before, "peak_mb": peak_mb()? }));
    Ok(())
}

struct Split { train: Vec<usize>, test: Vec<usize> }

fn measure(set: &Set) -> Result<()> {
    let splits: Vec<Split> = (0..SEEDS).map(|seed| {
        let mut order: Vec<usize> = (0..set.texts.len()).collect();
        Random::for_purpose(seed, "distil").shuffle(&mut order);
        if set.apart.is_some() { return Split { train: order, test: Vec::new() }; }
        let held = order.len() / 3;
        let test = order[..held].to_vec();
        let mut train = order[held..].to_vec();
        train.sort_unstable();
        Split { train, test }
    }).collect();
    let gold = run(set, &splits, &|item| Some(one_hot(set.truth[item], set.labels.len())), Distillation::Hard)?;
    println!("{}: {} texts, {} labels; gold student {:.4}", set.name, set.texts.len(), set.labels.len(), gold.accuracy());
    for (teacher, models) in set.teachers() {
        let beliefs = set.beliefs(&models, 0)?;
        let right = beliefs.iter().zip(&set.truth).filter(|(b, t)| b.as_ref().is_some_and(|b| best(b) == **t)).count();
        let answered = beliefs.iter().filter(|b| b.is_some()).count();
        println!("  {teacher} ({} models): {answered} answered, teacher {:.4}", models.len(), right as f64 / answered as f64);
        let soft = run(set, &splits, &|item| beliefs[item].clone(), Distillation::Soft)?;
        for way in Distillation::ALL {
            let start = cpu_seconds()?;
            let own = if way == Distillation::Soft { soft.clone() } else { run(set, &splits, &|item| beliefs[item].clone(), way)? };
            let (d, half) = paired(&own, &soft);
            let (g, ghalf) = paired(&own, &gold);
            println!("    {:<12} {:.4}  vs soft {d:+.4} +-{half:.4}  vs gold {g:+.4} +-{ghalf:.4}  loss {:.4} cpu {:.1}", way.name(), own.accuracy(), own.loss / own.count, cpu_seconds()? - start);
        }
    }
    Ok(())
}

#[derive(Clone, Default)]
struct Outcome { hits: std::collections::BTreeMap<usize, (f64, f64)>, loss: f64, count: f64 }

impl Outcome {
    fn accuracy(&self) -> f64 {
        let (h, n) = self.hits.values().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        h / n
    }
}

fn run(set: &Set, splits: &[Split], belief: &dyn Fn(usize) -> Option<Vec<f32>>, way: Distillation) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let classes = set.labels.len();
    for (seed, split) in splits.iter().enumerate() {
        let train: Vec<usize> = split.train.iter().copied().filter(|&item| belief(item).is_some()).collect();
        let texts: Vec<&str> = train.iter().map(|&item| set.texts[item].as_str()).collect();
        let targets: Vec<Target> = train.iter().map(|&item| Target::Soft(belief(item).unwrap_or_default())).collect();
        let trainer = Trainer::new(set.labels.clone(), Head::Softmax)?.with_options(TextOptions::new().seed(seed as u64));
        let fitted = trainer.distil(&texts, &targets, way)?;
        let (tested, truth): (Vec<&str>, Vec<Class>) = match &set.apart {
            Some((texts, classes)) => (texts.iter().map(String::as_str).collect(), classes.clone()),
            None => split.test.iter().map(|&item| (set.texts[item].as_str(), set.truth[item])).unzip(),
        };
        let predicted = fitted.model.predict_batch(&tested);
        for (place, (row, &truth)) in predicted.chunks_exact(classes).zip(&truth).enumerate() {
            let item = split.test.get(place).copied().unwrap_or(place);
            let entry = outcome.hits.entry(item).or_default();
            entry.0 += f64::from(u8::from(best(row) == truth));
            entry.1 += 1.0;
            outcome.loss -= f64::from(row[usize::from(truth)].max(1e-7)).ln();
            outcome.count += 1.0;
        }
    }
    Ok(outcome)
}

fn one_hot(class: Class, classes: usize) -> Vec<f32> {
    (0..classes).map(|one| f32::from(u8::from(one == usize::from(class)))).collect()
}

fn best(row: &[f32]) -> Class {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a))).unwrap_or(0) as Class
}

fn paired(one: &Outcome, other: &Outcome) -> (f64, f64) {
    let total: f64 = one.hits.values().map(|h| h.1).sum();
    let mean = one.accuracy() - other.accuracy();
    let n = one.hits.len() as f64;
    let square: f64 = one.hits.iter().map(|(item, a)| { let b = other.hits[item]; ((a.0 - b.0 - mean * a.1) * n / total).powi(2) }).sum();
    (mean, 1.96 * square.sqrt() / n)
}
