//! Annotators on an ordered scale: being one step off is likelier than being three off.

use super::em::Emission;
use super::emission::ClassPrior;
use super::sweep::{Counts, Table};
use crate::votes::Votes;

/// What one annotator's answers are made of.
const FEATURES: usize = 3;

/// The mean and the precision of each feature's weight beforehand: a bonus for the very class, a loss per squared step,
/// and a lean towards higher classes.
const PRIOR: [(f64, f64); FEATURES] = [(1.0, 1.0), (0.5, 4.0), (0.0, 4.0)];

/// The probability of answering `l` when the truth is `z` is proportional to
/// `exp(bonus [l = z] - loss (l - z)^2 + lean (l - z))`, with three numbers per annotator in place of a matrix: few
/// answers are enough, and each says something about the classes next to it.
///
/// Assumes that steps are alike along the scale. The weights of an annotator maximise a concave function, by Newton
/// steps from where they were.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    class_prior: ClassPrior,
    /// The weights of each annotator, kept from sweep to sweep.
    weights: Vec<[f64; FEATURES]>,
}

impl Ordered {
    pub(crate) fn new(votes: &Votes, class_prior: ClassPrior) -> Self {
        let start = PRIOR.map(|(mean, _)| mean);
        Self { class_prior, weights: vec![start; votes.annotators()] }
    }
}

/// The features of answering `label` when the truth is `truth`.
fn features(label: usize, truth: usize) -> [f64; FEATURES] {
    let step = label as f64 - truth as f64;
    [f64::from(u8::from(label == truth)), -step * step, step]
}

fn dot(left: &[f64; FEATURES], right: &[f64; FEATURES]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// The logarithms of the probabilities of all answers to one true class.
fn logarithms(weights: &[f64; FEATURES], truth: usize, out: &mut [f64]) {
    for (label, value) in out.iter_mut().enumerate() {
        *value = dot(weights, &features(label, truth));
    }
    let top = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total = top + out.iter().map(|value| (value - top).exp()).sum::<f64>().ln();
    for value in out {
        *value -= total;
    }
}

fn prior_density(weights: &[f64; FEATURES]) -> f64 {
    weights.iter().zip(PRIOR).map(|(weight, (mean, precision))| -0.5 * precision * (weight - mean).powi(2)).sum()
}

/// Maximises one annotator's expected log-likelihood plus the prior. `count(label, truth)` are its expected answers.
fn maximise(weights: &mut [f64; FEATURES], classes: usize, count: &dyn Fn(usize, usize) -> f64) {
    let mut row = vec![0.0; classes];
    let mut value = |weights: &[f64; FEATURES]| {
        let mut sum = prior_density(weights);
        for truth in 0..classes {
            logarithms(weights, truth, &mut row);
            sum += (0..classes).map(|label| count(label, truth) * row[label]).sum::<f64>();
        }
        sum
    };
    let mut probabilities = vec![0.0; classes];
    let mut here = value(weights);
    for _ in 0..8 {
        let mut slope: [f64; FEATURES] = std::array::from_fn(|f| -PRIOR[f].1 * (weights[f] - PRIOR[f].0));
        let mut curvature = [[0.0; FEATURES]; FEATURES];
        for (feature, row) in curvature.iter_mut().enumerate() {
            row[feature] = PRIOR[feature].1;
        }
        for truth in 0..classes {
            logarithms(weights, truth, &mut probabilities);
            let total: f64 = (0..classes).map(|label| count(label, truth)).sum();
            let mut mean = [0.0; FEATURES];
            for (label, log) in probabilities.iter().enumerate() {
                let (seen, values) = (count(label, truth), features(label, truth));
                for feature in 0..FEATURES {
                    mean[feature] += log.exp() * values[feature];
                    slope[feature] += seen * values[feature];
                }
            }
            for (label, log) in probabilities.iter().enumerate() {
                let values = features(label, truth);
                for (left, row) in curvature.iter_mut().enumerate() {
                    for (right, cell) in row.iter_mut().enumerate() {
                        *cell += total * log.exp() * (values[left] - mean[left]) * (values[right] - mean[right]);
                    }
                }
            }
            for (slope, mean) in slope.iter_mut().zip(mean) {
                *slope -= total * mean;
            }
        }
        let mut step = solve(curvature, slope);
        let mut gained = false;
        for _ in 0..12 {
            let there: [f64; FEATURES] = std::array::from_fn(|feature| weights[feature] + step[feature]);
            let found = value(&there);
            if found >= here {
                gained = found > here + 1e-9 * (here.abs() + 1.0);
                (*weights, here) = (there, found);
                break;
            }
            step = step.map(|step| 0.5 * step);
        }
        if !gained {
            return;
        }
    }
}

/// Solves a positive definite system by elimination.
fn solve(mut matrix: [[f64; FEATURES]; FEATURES], mut right: [f64; FEATURES]) -> [f64; FEATURES] {
    for pivot in 0..FEATURES {
        for row in pivot + 1..FEATURES {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let upper = matrix[pivot];
            for (cell, above) in matrix[row].iter_mut().zip(upper).skip(pivot) {
                *cell -= factor * above;
            }
            right[row] -= factor * right[pivot];
        }
    }
    for pivot in (0..FEATURES).rev() {
        for column in pivot + 1..FEATURES {
            right[pivot] -= matrix[pivot][column] * right[column];
        }
        right[pivot] /= matrix[pivot][pivot];
    }
    right
}

impl Emission for Ordered {
    fn maximise(&mut self, votes: &Votes, counts: &Counts, table: &mut Table) -> f64 {
        let (classes, lanes) = (table.classes, table.lanes);
        let (shares, mut density) = self.class_prior.maximise(counts, classes);
        for (base, share) in table.base.iter_mut().zip(&shares) {
            *base = share.ln();
        }
        let mut row = vec![0.0; classes];
        for annotator in 0..votes.annotators() {
            let weights = &mut self.weights[annotator];
            let start = annotator * classes * lanes;
            maximise(weights, classes, &|label, truth| counts.rows[start + label * lanes + truth]);
            density += prior_density(weights);
            for truth in 0..classes {
                logarithms(weights, truth, &mut row);
                for (label, &value) in row.iter().enumerate() {
                    table.rows[start + label * lanes + truth] = value;
                }
            }
        }
        density
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_where_the_slope_is_level() {
        // An annotator that is right in 60 %, one too high in 30 %, one too low in 10 % of a hundred answers per class.
        let count = |label: usize, truth: usize| match label as i64 - truth as i64 {
            0 => 60.0,
            1 => 30.0,
            -1 => 10.0,
            _ => 0.0,
        };
        let mut weights = PRIOR.map(|(mean, _)| mean);
        maximise(&mut weights, 5, &count);
        assert!(weights[2] > 0.2, "leans upwards: {weights:?}");
        let value = |weights: &[f64; FEATURES]| {
            let mut row = vec![0.0; 5];
            let mut sum = prior_density(weights);
            for truth in 0..5 {
                logarithms(weights, truth, &mut row);
                sum += (0..5).map(|label| count(label, truth) * row[label]).sum::<f64>();
            }
            sum
        };
        for feature in 0..FEATURES {
            let mut moved = [weights, weights];
            moved[0][feature] += 1e-5;
            moved[1][feature] -= 1e-5;
            let slope = (value(&moved[0]) - value(&moved[1])) / 2e-5;
            assert!(slope.abs() < 1e-3, "{feature}: {slope}");
        }
    }
}
