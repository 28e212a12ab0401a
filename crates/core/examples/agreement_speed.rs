//! CPU seconds and peak memory of measuring agreement on generated answers; ends in one JSON line.
//!
//! `cargo run --release -p postil-core --example agreement_speed -- [answers] [classes] [items] [annotators]`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::time::Instant;

use postil_core::agreement::{Settings, measure};
use postil_core::votes::VotesBuilder;
use postil_core::{Random, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |place: usize, default: usize| arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, classes, items, annotators) =
        (number(0, 5_000_000), number(1, 10), number(2, 1_000_000), number(3, 1_000));
    let mut random = Random::new(7);
    let skills: Vec<f64> = (0..annotators).map(|_| 0.45 + 0.5 * random.unit()).collect();
    let truth: Vec<usize> = (0..items).map(|_| random.below(classes)).collect();
    let mut builder = VotesBuilder::new(classes).with_capacity(count);
    for place in 0..count {
        let (item, annotator) = (place % items, random.below(annotators));
        let class = if random.unit() < skills[annotator] { truth[item] } else { random.below(classes) };
        builder.push(item as u32, annotator as u32, class as u16)?;
    }
    let votes = builder.build(items, annotators)?;
    let (before, clock) = (cpu_seconds(), Instant::now());
    let found = measure(&votes, &Settings::default())?;
    let (cpu, wall) = (cpu_seconds() - before, clock.elapsed().as_secs_f64());
    println!("alpha {}; {} pairs of annotators", found.coefficients.alpha, found.all_pairs);
    println!(
        "{}",
        serde_json::json!({
            "rows": count,
            "cpu_seconds": (cpu * 1000.0).round() / 1000.0,
            "wall_seconds": (wall * 1000.0).round() / 1000.0,
            "rows_per_second": (count as f64 / cpu.max(0.01)).round(),
            "peak_mb": peak_mb().round(),
            "replicates": found.replicates,
            "pairs": found.all_pairs,
        })
    );
    Ok(())
}

/// User and system seconds of this process, from `/proc`; zero where there is none.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// The most memory this process has held, from `/proc`; zero where there is none.
fn peak_mb() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
