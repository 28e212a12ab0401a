//! CPU seconds and peak memory of one method on generated answers.
//!
//! `cargo run --release -p postil-core --example consensus_speed -- dawid-skene [votes] [classes] [items] [annotators]`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::time::Instant;

use postil_core::consensus::{Method, Settings, fit};
use postil_core::votes::{Gold, VotesBuilder};
use postil_core::{Random, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let method = Method::parse(arguments.first().map_or("dawid-skene", String::as_str))?;
    let number =
        |place: usize, default: usize| arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, classes, items, annotators) =
        (number(1, 5_000_000), number(2, 10), number(3, 1_000_000), number(4, 1_000));

    // Annotators between guessing and nearly always right, with a favourite wrong class each.
    let mut random = Random::new(7);
    let skills: Vec<(f64, usize)> =
        (0..annotators).map(|_| (0.3 + 0.65 * random.unit(), random.below(classes))).collect();
    let truth: Vec<usize> = (0..items).map(|_| random.below(classes)).collect();
    let mut builder = VotesBuilder::new(classes).with_capacity(count);
    let start = cpu_seconds();
    for place in 0..count {
        let item = place % items;
        let annotator = random.below(annotators);
        let (skill, favourite) = skills[annotator];
        let class = match random.unit() {
            chance if chance < skill => truth[item],
            chance if chance < skill + (1.0 - skill) * 0.3 => favourite,
            _ => random.below(classes),
        };
        builder.push(item as u32, annotator as u32, class as u16)?;
    }
    let generated = cpu_seconds();
    let votes = builder.build(items, annotators)?;
    let built = cpu_seconds();
    let clock = Instant::now();
    let settings = Settings { calibrate: false, ..Settings::default() };
    let consensus = fit(&votes, &Gold::none(), method, &settings)?;
    let fitted = cpu_seconds();
    let right = consensus.labels.iter().zip(&truth).filter(|(label, truth)| usize::from(**label) == **truth).count();
    let sweeps = consensus.objective.len();
    println!(
        "{}: accuracy {:.4}, {sweeps} sweeps, generate {:.2} s, build {:.2} s, fit {:.2} CPU s ({:.2} s on the clock), \
         {:.1} M rows x sweeps/s, peak {:.0} MB",
        method.name(),
        right as f64 / items as f64,
        generated - start,
        built - generated,
        fitted - built,
        clock.elapsed().as_secs_f64(),
        (count * sweeps.max(1)) as f64 / 1e6 / (fitted - built),
        peak_mb()
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
