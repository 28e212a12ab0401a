//! Coverage by simulation: intervals hold the truth as often as they say, where the surrogate at face value does not.

use postil_core::estimate::{Family, Formula, Frame, Pair, Sampling, Settings, Table, Values, regress};
use postil_core::{Measured, Random};
use rayon::prelude::*;

const REPLICATES: u64 = 1000;
const ROWS: usize = 1000;

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// One sample: a covariate, a binary outcome that depends on it, and a surrogate that is right in 85 % of the cases and
/// errs with the covariate; gold with chances that depend on the surrogate.
fn sample(seed: u64) -> Table {
    let mut random = Random::for_purpose(seed, "coverage");
    let (mut x, mut said, mut gold, mut chance) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROWS {
        let covariate = random.normal();
        let truth = random.unit() < sigmoid(-0.5 + 0.7 * covariate);
        let error = if truth { 0.22 * sigmoid(-2.0 * covariate) } else { 0.36 * sigmoid(2.0 * covariate) };
        let surrogate = truth != (random.unit() < error);
        let pi = if surrogate { 0.35 } else { 0.2 };
        x.push(covariate);
        said.push(f64::from(u8::from(surrogate)));
        chance.push(pi);
        gold.push(if random.unit() < pi { f64::from(u8::from(truth)) } else { f64::NAN });
    }
    let mut frame = Frame::default();
    frame.push("x", Values::Numbers(x)).unwrap();
    frame.push("said", Values::Numbers(said)).unwrap();
    frame.push("y", Values::Numbers(gold)).unwrap();
    let pairs = vec![Pair { gold: "y".into(), surrogate: "said".into() }];
    Table { frame, pairs, sampling: Sampling::Known(chance), cluster: None }
}

/// The truth: the coefficients that an endless sample without errors gives.
fn truth(formula: &str, family: &Family) -> Vec<f64> {
    // Gauss-Hermite would do; a fine grid over the covariate is plain to see.
    let grid: Vec<(f64, f64)> = (-6000..=6000)
        .map(|step| {
            let x = f64::from(step) / 1000.0;
            (x, (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt() / 1000.0)
        })
        .collect();
    let share = |x: f64| sigmoid(-0.5 + 0.7 * x);
    match (formula, family) {
        (_, Family::Logistic) => vec![-0.5, 0.7],
        ("y ~ 1", _) => vec![grid.iter().map(|(x, weight)| weight * share(*x)).sum()],
        _ => vec![
            grid.iter().map(|(x, weight)| weight * share(*x)).sum(),
            grid.iter().map(|(x, weight)| weight * x * share(*x)).sum(),
        ],
    }
}

fn holds(figure: &Measured, truth: f64) -> bool {
    matches!(figure, Measured::Known { low, high, .. } if *low <= truth && truth <= *high)
}

#[expect(clippy::print_stdout, reason = "the coverage is worth reading")]
fn covers(formula: &str, family: Family) {
    let parsed = Formula::parse(formula).unwrap();
    let truth = truth(formula, &family);
    let settings = Settings { family, splits: 1, folds: 3, ..Settings::default() };
    let hits: Vec<Vec<[bool; 3]>> = (0..REPLICATES)
        .into_par_iter()
        .map(|seed| {
            let found = regress(&sample(seed), &parsed, &settings).unwrap();
            found
                .terms
                .iter()
                .zip(&truth)
                .map(|(term, &truth)| {
                    [holds(&term.estimate, truth), holds(&term.naive, truth), holds(&term.gold_only, truth)]
                })
                .collect()
        })
        .collect();
    for term in 0..truth.len() {
        let share =
            |which: usize| hits.iter().filter(|replicate| replicate[term][which]).count() as f64 / REPLICATES as f64;
        let (valid, naive, gold) = (share(0), share(1), share(2));
        println!("{formula} term {term}: {valid:.4}, naive {naive:.4}, gold only {gold:.4}");
        assert!((valid - 0.95).abs() <= 0.01, "{formula} term {term}: {valid}");
        assert!(naive < 0.6, "{formula} term {term}: naive {naive}");
    }
}

#[test]
fn the_interval_of_a_mean_covers() {
    covers("y ~ 1", Family::Linear);
}

#[test]
fn the_intervals_of_a_linear_regression_cover() {
    covers("y ~ x", Family::Linear);
}

#[test]
fn the_intervals_of_a_logistic_regression_cover() {
    covers("y ~ x", Family::Logistic);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (table, formula) = (sample(3), Formula::parse("y ~ x").unwrap());
    let settings = Settings { family: Family::Logistic, ..Settings::default() };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| regress(&table, &formula, &settings).unwrap())
    };
    assert_eq!(serde_json::to_string(&on(1)).unwrap(), serde_json::to_string(&on(4)).unwrap());
}

#[test]
fn clusters_widen_the_interval() {
    // Every row eight times: the same information, and eight times too much for who does not know it.
    let once = sample(11);
    let rows: Vec<u32> = (0..ROWS as u32).flat_map(|row| [row; 8]).collect();
    let mut frame = once.frame.select(&rows);
    frame.push("who", Values::Numbers(rows.iter().map(|row| f64::from(*row)).collect())).unwrap();
    let Sampling::Known(chance) = &once.sampling else { panic!() };
    let chance = rows.iter().map(|&row| chance[row as usize]).collect();
    let mut many = Table { frame, sampling: Sampling::Known(chance), ..once.clone() };
    let formula = Formula::parse("y ~ x").unwrap();
    let settings = Settings { prediction: postil_core::estimate::Prediction::Surrogate, ..Settings::default() };
    let error = |table: &Table| regress(table, &formula, &settings).unwrap().terms[1].error.unwrap();
    let (honest, fooled) = (error(&once), error(&many));
    many.cluster = Some("who".into());
    assert!((fooled * 8f64.sqrt() / honest - 1.0).abs() < 1e-9);
    assert!((error(&many) / honest - 1.0).abs() < 1e-3);
}
