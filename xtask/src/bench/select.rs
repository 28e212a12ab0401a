//! Vote-k on generated vectors as wide as those of a small sentence encoder, inside this process: from vectors to the
//! choice, the search for neighbours included.

use anyhow::Result;
use postil_core::Random;
use postil_core::select::{Neighbours, UnitVectors, vote_k};
use serde_json::json;

use super::inside::{best, cpu_seconds, peak_mb};
use super::round;

const WIDTH: usize = 384;
/// How many neighbours each vector votes for, as in the paper.
const VOTES: usize = 150;
const CHOSEN: usize = 50;

/// Vectors in 200 clouds, about as near to their middle (cosine .7) as texts of one subject.
fn vectors(count: usize) -> Result<UnitVectors> {
    let mut random = Random::new(3);
    let middles: Vec<f32> = (0..200 * WIDTH).map(|_| random.normal() as f32).collect();
    let mut values = Vec::with_capacity(count * WIDTH);
    for _ in 0..count {
        let middle = &middles[random.below(200) * WIDTH..][..WIDTH];
        values.extend(middle.iter().map(|value| value + random.normal() as f32));
    }
    Ok(UnitVectors::new(&values, WIDTH)?)
}

pub(super) fn vote_k_bench() -> Result<()> {
    let small = vectors(3_000)?;
    let (small_cpu, _) = best(|| Ok(vote_k(&Neighbours::find(&small, VOTES), CHOSEN)))?;
    let large = vectors(50_000)?;
    let before = cpu_seconds()?;
    let neighbours = Neighbours::find(&large, VOTES);
    let search = cpu_seconds()? - before;
    let chosen = vote_k(&neighbours, CHOSEN);
    let cpu = cpu_seconds()? - before;
    println!(
        "{}",
        json!({
            "rows": large.len(),
            "cpu_seconds": round(cpu),
            "rows_per_second": (large.len() as f64 / cpu).round(),
            "peak_mb": peak_mb()?,
            "neighbours_cpu_seconds": round(search),
            "chosen": chosen.len(),
            "cpu_seconds_of_3000": round(small_cpu),
        })
    );
    Ok(())
}
