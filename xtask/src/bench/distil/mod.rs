//! What students make of labels by language models, on texts with stored answers and their truth.
//!
//! For every set and teacher a student is taught in every way, five times: two thirds of the texts, drawn anew each
//! time, teach, and the others measure (film reviews have texts of their own for that). Differences are paired text by
//! text; their intervals are normal ones over texts.

mod arms;
mod sets;

use std::collections::BTreeMap;

use anyhow::Result;
use postil_core::{Class, Random};
use postil_student::text::{Head, Target, TextOptions, Trainer};
use serde_json::{Value, json};

use self::arms::{Arm, Lesson};
use self::sets::{Beliefs, Set};
use super::inside::{cpu_seconds, peak_mb};
use super::round;

/// Draws of the texts that teach.
const SEEDS: u64 = 5;

/// Which texts teach and which measure.
struct Split {
    train: Vec<usize>,
    test: Vec<usize>,
}

/// How often each measured text was labelled rightly, of how many times.
type Hits = BTreeMap<usize, (f64, f64)>;

/// What the students of one arm reach.
#[derive(Clone, Default)]
struct Reached {
    hits: Hits,
    loss: f64,
}

/// `cargo xtask bench distil`; the environment variable `POSTIL_SETS` names beginnings of sets, separated by commas.
pub(super) fn distil() -> Result<()> {
    let only = std::env::var("POSTIL_SETS").unwrap_or_default();
    let before = cpu_seconds()?;
    let mut lines = Vec::new();
    for name in sets::names()? {
        if only.split(',').any(|start| name.starts_with(start)) {
            lines.extend(measure(&Set::read(&name)?)?);
        }
    }
    let means = means(&lines);
    for (kind, arms) in &means {
        for (arm, values) in arms {
            let count = values.len() as f64;
            println!("mean over {count} sets, {kind}: {arm} {:.4}", values.iter().sum::<f64>() / count);
        }
    }
    let means: BTreeMap<_, BTreeMap<_, _>> = means
        .into_iter()
        .map(|(kind, arms)| {
            let mean = |values: Vec<f64>| round(values.iter().sum::<f64>() / values.len() as f64 * 10.0) / 10.0;
            (kind, arms.into_iter().map(|(arm, values)| (arm, mean(values))).collect())
        })
        .collect();
    let cpu = cpu_seconds()? - before;
    println!(
        "{}",
        json!({ "rows": lines.len(), "cpu_seconds": round(cpu), "rows_per_second": round(lines.len() as f64 / cpu),
            "peak_mb": peak_mb()?, "mean_accuracy": means, "sets": lines })
    );
    Ok(())
}

/// Accuracies by kind of teacher and arm, of all sets.
fn means(lines: &[Value]) -> BTreeMap<String, BTreeMap<String, Vec<f64>>> {
    let mut means: BTreeMap<String, BTreeMap<String, Vec<f64>>> = BTreeMap::new();
    for line in lines {
        let kind = means.entry(line["teacher"].as_str().unwrap_or_default().to_owned()).or_default();
        for arm in line["arms"].as_array().into_iter().flatten() {
            let name = arm["arm"].as_str().unwrap_or_default().to_owned();
            kind.entry(name).or_default().extend(arm["accuracy"].as_f64());
        }
        kind.entry("gold".to_owned()).or_default().extend(line["gold"].as_f64());
    }
    means
}

fn measure(set: &Set) -> Result<Vec<Value>> {
    let splits: Vec<Split> = (0..SEEDS).map(|seed| split(set, seed)).collect();
    let truth: Beliefs = set.truth.iter().map(|&class| Some(one_hot(class, set.labels.len()))).collect();
    let gold = taught(set, &splits, &truth, Arm::USUAL)?;
    println!(
        "{}: {} texts, {} labels; student of gold {:.4}",
        set.name,
        set.texts.len(),
        set.labels.len(),
        accuracy(&gold.hits)
    );
    let mut lines = Vec::new();
    for teacher in set.teachers()? {
        let answered: Vec<(&Vec<f32>, Class)> =
            teacher.beliefs.iter().zip(&set.truth).filter_map(|(row, &class)| Some((row.as_ref()?, class))).collect();
        let right = answered.iter().filter(|(row, class)| best(row) == *class).count();
        let of_teacher = right as f64 / answered.len() as f64;
        println!("  {} ({}): right about {of_teacher:.4} of {}", teacher.kind, teacher.of, answered.len());
        let usual = taught(set, &splits, &teacher.beliefs, Arm::USUAL)?;
        let mut arms = Vec::new();
        for arm in Arm::ALL {
            if !arm.suits(&teacher.beliefs) {
                continue;
            }
            let start = cpu_seconds()?;
            let own = if arm == Arm::USUAL { usual.clone() } else { taught(set, &splits, &teacher.beliefs, arm)? };
            let (gain, half) = paired(&own.hits, &usual.hits);
            let (behind, behind_half) = paired(&own.hits, &gold.hits);
            let loss = own.loss / own.hits.values().map(|hits| hits.1).sum::<f64>();
            println!(
                "    {:<11} {:.4}  to the usual way {gain:+.4} +-{half:.4}  to gold {behind:+.4} +-{behind_half:.4}  \
                 log-loss {loss:.3}",
                arm.name(),
                accuracy(&own.hits)
            );
            let four = |value: f64| round(value * 10.0) / 10.0;
            arms.push(json!({ "arm": arm.name(), "accuracy": four(accuracy(&own.hits)),
                "to_usual": [four(gain), four(half)], "to_gold": [four(behind), four(behind_half)],
                "log_loss": round(loss), "cpu_seconds": round(cpu_seconds()? - start) }));
        }
        lines.push(json!({ "set": set.name, "texts": set.texts.len(), "teacher": teacher.kind,
            "teacher_accuracy": round(of_teacher), "gold": round(accuracy(&gold.hits)), "arms": arms }));
    }
    Ok(lines)
}

fn split(set: &Set, seed: u64) -> Split {
    let mut order: Vec<usize> = (0..set.texts.len()).collect();
    Random::for_purpose(seed, "distil").shuffle(&mut order);
    let held = if set.apart.is_some() { 0 } else { order.len() / 3 };
    let mut train = order.split_off(held);
    train.sort_unstable();
    Split { train, test: order }
}

/// Students of one arm, measured.
fn taught(set: &Set, splits: &[Split], beliefs: &Beliefs, arm: Arm) -> Result<Reached> {
    let mut reached = Reached::default();
    let classes = set.labels.len();
    for (seed, split) in splits.iter().enumerate() {
        let train: Vec<usize> = split.train.iter().copied().filter(|&item| beliefs[item].is_some()).collect();
        let texts: Vec<&str> = train.iter().map(|&item| set.texts[item].as_str()).collect();
        let rows = train.iter().filter_map(|&item| beliefs[item].clone());
        let targets: Vec<Target> = rows.map(Target::Soft).collect();
        let truth: Vec<Class> = train.iter().map(|&item| set.truth[item]).collect();
        let options = TextOptions::new().seed(seed as u64);
        let trainer = Trainer::new(set.labels.clone(), Head::Softmax)?.with_options(options);
        let fitted = arm.teach(&trainer, &Lesson { texts: &texts, targets: &targets, truth: &truth })?;
        let (tested, truth): (Vec<&str>, Vec<Class>) = match &set.apart {
            Some((texts, classes)) => (texts.iter().map(String::as_str).collect(), classes.clone()),
            None => split.test.iter().map(|&item| (set.texts[item].as_str(), set.truth[item])).unzip(),
        };
        let predicted = fitted.model.predict_batch(&tested);
        for (place, (row, &truth)) in predicted.chunks_exact(classes).zip(&truth).enumerate() {
            let item = split.test.get(place).copied().unwrap_or(place);
            let hits = reached.hits.entry(item).or_default();
            *hits = (hits.0 + f64::from(u8::from(best(row) == truth)), hits.1 + 1.0);
            reached.loss -= f64::from(row[usize::from(truth)].max(1e-6)).ln();
        }
    }
    Ok(reached)
}

fn one_hot(class: Class, classes: usize) -> Vec<f32> {
    (0..classes).map(|one| f32::from(u8::from(one == usize::from(class)))).collect()
}

/// The place of the largest value, the first of equals.
fn best(row: &[f32]) -> Class {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a))).unwrap_or(0) as Class
}

fn accuracy(hits: &Hits) -> f64 {
    let (right, all) = hits.values().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    right / all
}

/// The difference of two accuracies on the same texts and half of its 95 % interval.
fn paired(one: &Hits, other: &Hits) -> (f64, f64) {
    let (count, all) = (one.len() as f64, one.values().map(|hits| hits.1).sum::<f64>());
    let mean = accuracy(one) - accuracy(other);
    let off = |(item, own): (&usize, &(f64, f64))| (own.0 - other[item].0 - mean * own.1) * count / all;
    let square: f64 = one.iter().map(|pair| off(pair).powi(2)).sum();
    (mean, 1.96 * square.sqrt() / count)
}
