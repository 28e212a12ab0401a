//! Predicting gold from the surrogate out of fold: the `g` of design-based supervised learning.

use rayon::prelude::*;

use super::algebra::{dot, solve_definite};
use super::design::Matrix;
use super::moments::Link;
use crate::random::Random;

/// Fewer labelled rows than this teach nothing: the surrogate itself is the prediction.
const LEAST: usize = 20;
/// The weight of the penalty, in labelled rows.
const PENALTY: f64 = 1.0;

/// Which fold every row belongs to: clusters are dealt out at random, so that rows of one cluster stay together.
pub(super) fn folds(rows: usize, clusters: Option<&[u32]>, folds: usize, seed: u64, split: usize) -> Vec<u16> {
    let groups = clusters.map_or(rows, |clusters| clusters.iter().max().map_or(0, |&most| most as usize + 1));
    let mut order: Vec<u32> = (0..groups as u32).collect();
    Random::for_purpose(seed, &format!("estimate split {split}")).shuffle(&mut order);
    let mut of_group = vec![0u16; groups];
    for (position, &group) in order.iter().enumerate() {
        of_group[group as usize] = (position % folds) as u16;
    }
    match clusters {
        None => of_group,
        Some(clusters) => clusters.iter().map(|&cluster| of_group[cluster as usize]).collect(),
    }
}

/// Predictions of a target for all rows, each by a ridge regression (logistic for targets of 0 and 1) on the labelled
/// rows of the other folds. `None` if there is too little gold to learn from.
///
/// `features` has one row per row of the table, the first column being ones, the others standardised.
pub(super) fn predict(features: &Matrix, rows: &[u32], target: &[f64], fold: &[u16], folds: usize) -> Option<Vec<f64>> {
    if rows.len() < LEAST {
        return None;
    }
    let binary = target.iter().all(|&value| value == 0.0 || value == 1.0);
    let link = if binary { Link::Logistic } else { Link::Identity };
    let models: Vec<Vec<f64>> = (0..folds as u16)
        .into_par_iter()
        .map(|out| {
            let training: Vec<usize> = (0..rows.len()).filter(|&place| fold[rows[place] as usize] != out).collect();
            ridge(features, rows, target, &training, link)
        })
        .collect();
    Some(
        (0..features.rows())
            .into_par_iter()
            .with_min_len(4096)
            .map(|row| link.mean(dot(features.row(row), &models[usize::from(fold[row])])).0)
            .collect(),
    )
}

/// A ridge regression on some labelled rows; the intercept is not penalised but by a trace.
fn ridge(features: &Matrix, rows: &[u32], target: &[f64], training: &[usize], link: Link) -> Vec<f64> {
    let size = features.columns;
    let mut theta = vec![0.0; size];
    if training.is_empty() {
        return theta;
    }
    let penalty = |place: usize| if place == 0 { 1e-3 } else { PENALTY };
    // The loss is convex and penalised, so a dozen Newton steps from zero settle it.
    for _ in 0..if link == Link::Identity { 1 } else { 25 } {
        let mut gradient = vec![0.0; size];
        let mut curve = vec![0.0; size * size];
        for &place in training {
            let x = features.row(rows[place] as usize);
            let (mean, slope) = link.mean(dot(x, &theta));
            for i in 0..size {
                gradient[i] += (target[place] - mean) * x[i];
                for j in 0..size {
                    curve[i * size + j] += slope * x[i] * x[j];
                }
            }
        }
        for place in 0..size {
            gradient[place] -= penalty(place) * theta[place];
            curve[place * size + place] += penalty(place);
        }
        let Some(step) = solve_definite(&curve, &gradient) else { break };
        let longest = step.iter().fold(0.0f64, |top, value| top.max(value.abs()));
        // A step is never allowed to overshoot into the flat ends of the curve.
        let shorter = if link == Link::Logistic { (2.0 / longest.max(1e-300)).min(1.0) } else { 1.0 };
        for (value, by) in theta.iter_mut().zip(&step) {
            *value += shorter * by;
        }
        if longest < 1e-10 {
            break;
        }
    }
    theta
}

/// Puts a column of ones first and scales the others to mean 0 and variance 1; a constant column becomes zeros.
pub(super) fn standardised(columns: &[&[f64]], rows: usize) -> Matrix {
    let size = columns.len() + 1;
    let mut values = vec![0.0; rows * size];
    for row in values.chunks_exact_mut(size) {
        row[0] = 1.0;
    }
    for (place, column) in columns.iter().enumerate() {
        let mean = column.iter().sum::<f64>() / rows.max(1) as f64;
        let spread = (column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows.max(1) as f64).sqrt();
        if spread > 1e-12 * mean.abs() {
            for (row, value) in column.iter().enumerate() {
                values[row * size + place + 1] = (value - mean) / spread;
            }
        }
    }
    Matrix { columns: size, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_stay_together_and_folds_are_even() {
        let clusters: Vec<u32> = (0..1000).map(|row| row / 4).collect();
        let fold = folds(1000, Some(&clusters), 5, 1, 0);
        assert!(fold.chunks(4).all(|chunk| chunk.iter().all(|one| *one == chunk[0])));
        for number in 0..5 {
            assert_eq!(fold.iter().filter(|one| **one == number).count(), 200);
        }
        assert_ne!(fold, folds(1000, Some(&clusters), 5, 1, 1));
    }

    #[test]
    fn predictions_are_out_of_fold() {
        // The target is noise: an out-of-fold prediction knows nothing about it.
        let mut random = Random::new(2);
        let noise: Vec<f64> = (0..400).map(|_| random.normal()).collect();
        let columns: Vec<Vec<f64>> = (0..100).map(|_| (0..400).map(|_| random.normal()).collect()).collect();
        let features = standardised(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>(), 400);
        let rows: Vec<u32> = (0..400).collect();
        let fold = folds(400, None, 5, 3, 0);
        let predicted = predict(&features, &rows, &noise, &fold, 5).unwrap();
        let correlation = dot(&predicted, &noise) / (dot(&predicted, &predicted) * dot(&noise, &noise)).sqrt();
        assert!(correlation.abs() < 0.15, "{correlation}");
        assert!(predict(&features, &rows[..5], &noise[..5], &fold, 5).is_none());
    }
}
