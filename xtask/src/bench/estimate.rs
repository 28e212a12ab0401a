//! The bench of design-based supervised learning on a generated table, inside this process.

use anyhow::Result;
use postil_core::Random;
use postil_core::estimate::{Family, Formula, Frame, Pair, Sampling, Settings, Table, Values, regress};
use serde_json::json;

use super::inside::{cpu_seconds, peak_mb};
use super::round;

const ROWS: usize = 1_000_000;
const GOLD: f64 = 2_000.0;

/// A million rows with a number, a group of five and a surrogate that is right in 85 % of the cases.
fn table() -> Result<Table> {
    let mut random = Random::new(7);
    let pi = GOLD / ROWS as f64;
    let (mut x, mut groups, mut said, mut gold) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROWS {
        let covariate = random.normal();
        let group = random.below(5) as u32;
        let truth = random.unit() < 1.0 / (1.0 + (0.5 - 0.7 * covariate - 0.2 * f64::from(group)).exp());
        let surrogate = truth != (random.unit() < 0.15);
        x.push(covariate);
        groups.push(group);
        said.push(f64::from(u8::from(surrogate)));
        gold.push(if random.unit() < pi { f64::from(u8::from(truth)) } else { f64::NAN });
    }
    let mut frame = Frame::default();
    frame.push("x", Values::Numbers(x))?;
    let levels = (0..5).map(|group| format!("g{group}")).collect();
    frame.push("group", Values::Classes { levels, codes: groups })?;
    frame.push("said", Values::Numbers(said))?;
    frame.push("y", Values::Numbers(gold))?;
    let pairs = vec![Pair { gold: "y".into(), surrogate: "said".into() }];
    Ok(Table { frame, pairs, sampling: Sampling::Known(vec![pi; ROWS]), cluster: None })
}

/// Logistic regression on six columns, five folds, ten splits.
pub(super) fn dsl() -> Result<()> {
    let table = table()?;
    let before = cpu_seconds()?;
    let start = std::time::Instant::now();
    let settings = Settings { family: Family::Logistic, ..Settings::default() };
    let found = regress(&table, &Formula::parse("y ~ x + group")?, &settings)?;
    let cpu = cpu_seconds()? - before;
    let wall = start.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "rows": ROWS,
            "cpu_seconds": round(cpu),
            "rows_per_second": (ROWS as f64 / cpu).round(),
            "peak_mb": peak_mb()?,
            "wall_seconds": round(wall),
            "gold": found.labelled,
            "columns": found.terms.len(),
            "splits": settings.splits,
            "slope": found.terms[1].estimate.value(),
            "slope_error": found.terms[1].error,
        })
    );
    Ok(())
}
