//! Benches of consensus on generated answers, inside this process.

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use postil_core::Random;
use postil_core::consensus::{Duplicates, Method, Settings, fit};
use postil_core::votes::{Gold, Votes, VotesBuilder};
use serde_json::{Value, json};

const ITEMS: usize = 1_000_000;
const ANNOTATORS: usize = 1_000;
const CLASSES: usize = 10;
const ANSWERS_PER_ITEM: usize = 5;

/// Five million answers of a thousand annotators, right between 45 and 95 % of the time.
fn votes() -> Result<(Votes, Vec<u16>)> {
    let mut random = Random::new(7);
    let skill: Vec<f64> = (0..ANNOTATORS).map(|_| 0.45 + 0.5 * random.unit()).collect();
    let mut builder = VotesBuilder::new(CLASSES).with_capacity(ITEMS * ANSWERS_PER_ITEM);
    let mut truth = Vec::with_capacity(ITEMS);
    for item in 0..ITEMS {
        let class = random.below(CLASSES);
        truth.push(class as u16);
        let first = random.below(ANNOTATORS);
        for answer in 0..ANSWERS_PER_ITEM {
            let annotator = (first + answer * 197) % ANNOTATORS;
            let said = if random.unit() < skill[annotator] { class } else { random.below(CLASSES) };
            builder.push(item as u32, annotator as u32, said as u16)?;
        }
    }
    Ok((builder.build(ITEMS, ANNOTATORS)?, truth))
}

fn cpu_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn measure(method: Method) -> Result<()> {
    let (votes, truth) = votes()?;
    let before = cpu_seconds()?;
    let start = std::time::Instant::now();
    let settings = Settings { calibrate: false, duplicates: Duplicates::Keep, ..Settings::default() };
    let fitted = fit(&votes, &Gold::none(), method, &settings)?;
    let cpu = cpu_seconds()? - before;
    let wall = start.elapsed().as_secs_f64();
    let right = truth.iter().zip(&fitted.labels).filter(|(truth, label)| truth == label).count();
    let sweeps = fitted.objective.len().max(1);
    let rows = votes.len();
    let mut line = json!({
        "rows": rows,
        "cpu_seconds": (cpu * 1000.0).round() / 1000.0,
        "rows_per_second": (rows as f64 / cpu).round(),
        "peak_mb": (getrusage(UsageWho::RUSAGE_SELF)?.max_rss() as f64 / 1024.0).round(),
        "wall_seconds": (wall * 1000.0).round() / 1000.0,
        "classes": CLASSES,
        "sweeps": sweeps,
        "rows_times_sweeps_per_second": ((rows * sweeps) as f64 / cpu).round(),
        "right": right as f64 / truth.len() as f64,
    });
    if let Some(line) = line.as_object_mut() {
        line.insert("warnings".to_owned(), Value::from(fitted.warnings.len()));
    }
    println!("{line}");
    Ok(())
}

/// Majority vote from memory.
pub(super) fn majority() -> Result<()> {
    measure(Method::Majority)
}

/// GLAD to convergence from memory.
pub(super) fn glad() -> Result<()> {
    measure(Method::Glad)
}

/// MACE to convergence from memory.
pub(super) fn mace() -> Result<()> {
    measure(Method::Mace)
}

/// Dawid-Skene to convergence from memory.
pub(super) fn dawid_skene() -> Result<()> {
    measure(Method::DawidSkene)
}
