//! Benches of consensus on generated answers, inside this process; and of crowd-kit on the same answers where the
//! environment variable POSTIL_PEERS names a Python that has it.

use anyhow::Result;
use postil_core::Random;
use postil_core::consensus::{Duplicates, Method, Settings, fit};
use postil_core::votes::{Gold, VotesBuilder};
use serde_json::json;

use super::inside::{cpu_seconds, peak_mb, peer, peers};
use super::round;

const ITEMS: usize = 1_000_000;
const ANNOTATORS: usize = 1_000;
const CLASSES: usize = 10;
const ANSWERS_PER_ITEM: usize = 5;

/// Five million answers of a thousand annotators, right between 45 and 95 % of the time, and the truth.
fn answers() -> (Vec<[u32; 3]>, Vec<u16>) {
    let mut random = Random::new(7);
    let skill: Vec<f64> = (0..ANNOTATORS).map(|_| 0.45 + 0.5 * random.unit()).collect();
    let mut answers = Vec::with_capacity(ITEMS * ANSWERS_PER_ITEM);
    let mut truth = Vec::with_capacity(ITEMS);
    for item in 0..ITEMS {
        let class = random.below(CLASSES);
        truth.push(class as u16);
        let first = random.below(ANNOTATORS);
        for answer in 0..ANSWERS_PER_ITEM {
            let annotator = (first + answer * 197) % ANNOTATORS;
            let said = if random.unit() < skill[annotator] { class } else { random.below(CLASSES) };
            answers.push([item as u32, annotator as u32, said as u32]);
        }
    }
    (answers, truth)
}

const CROWD_KIT: &str = "
import json, resource, sys, time
import numpy as np, pandas as pd
import crowdkit.aggregation as methods
folder = sys.argv[1]
name = open(folder + '/method').read()
answers = np.fromfile(folder + '/answers', dtype=np.uint32).reshape(-1, 3)
frame = pd.DataFrame({'task': answers[:, 0], 'worker': answers[:, 1], 'label': answers[:, 2]})
start = time.process_time()
found = getattr(methods, name)().fit_predict(frame)
print(json.dumps({'rows': len(frame), 'cpu_seconds': time.process_time() - start,
                  'rows_per_second': len(frame) / (time.process_time() - start),
                  'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
";

/// Measures a method, and crowd-kit's of this name on the first so many answers.
fn measure(method: Method, theirs: &str, rows: usize) -> Result<()> {
    let (answers, truth) = answers();
    let folder = tempfile::tempdir()?;
    if peers() {
        let bytes: Vec<u8> = answers.iter().take(rows).flatten().flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(folder.path().join("answers"), bytes)?;
        std::fs::write(folder.path().join("method"), theirs)?;
    }
    let mut builder = VotesBuilder::new(CLASSES).with_capacity(answers.len());
    for &[item, annotator, class] in &answers {
        builder.push(item, annotator, class as u16)?;
    }
    drop(answers);
    let votes = builder.build(ITEMS, ANNOTATORS)?;
    let before = cpu_seconds()?;
    let start = std::time::Instant::now();
    let settings = Settings { calibrate: false, duplicates: Duplicates::Keep, ..Settings::default() };
    let fitted = fit(&votes, &Gold::none(), method, &settings)?;
    let cpu = cpu_seconds()? - before;
    let wall = start.elapsed().as_secs_f64();
    let right = truth.iter().zip(&fitted.labels).filter(|(truth, label)| truth == label).count();
    let sweeps = fitted.objective.len().max(1);
    let peak = peak_mb()?;
    let peer = peer("crowd-kit", CROWD_KIT, folder.path())?;
    println!(
        "{}",
        json!({
            "rows": votes.len(),
            "cpu_seconds": round(cpu),
            "rows_per_second": (votes.len() as f64 / cpu).round(),
            "peak_mb": peak,
            "wall_seconds": round(wall),
            "classes": CLASSES,
            "sweeps": sweeps,
            "rows_times_sweeps_per_second": ((votes.len() * sweeps) as f64 / cpu).round(),
            "right": right as f64 / truth.len() as f64,
            "warnings": fitted.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "crowd_kit": peer,
        })
    );
    Ok(())
}

/// Majority vote from memory.
pub(super) fn majority() -> Result<()> {
    measure(Method::Majority, "MajorityVote", usize::MAX)
}

/// Dawid-Skene to convergence from memory.
pub(super) fn dawid_skene() -> Result<()> {
    measure(Method::DawidSkene, "DawidSkene", usize::MAX)
}

/// GLAD to convergence from memory; crowd-kit would take hours on all of it.
pub(super) fn glad() -> Result<()> {
    measure(Method::Glad, "GLAD", 5_000)
}

/// MACE to convergence from memory; crowd-kit would take hours on all of it.
pub(super) fn mace() -> Result<()> {
    measure(Method::Mace, "MACE", 5_000)
}
