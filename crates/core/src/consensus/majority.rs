//! Counting votes.

use rayon::prelude::*;

use super::float::Float;
use crate::votes::Votes;

/// Votes, spread like the class prior, that are added to each decision's to turn shares into probabilities.
pub(crate) const SMOOTHING: f64 = 1.0;

/// Decisions that one task works on.
const BLOCK: usize = 8192;

/// The share of each class among the decisions, each counted by its vote shares; even when nobody voted.
pub(crate) fn prior(votes: &Votes) -> Vec<f64> {
    let classes = votes.classes();
    let parts: Vec<Vec<f64>> = (0..votes.decisions().div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let mut sums = vec![0.0; classes];
            for decision in block * BLOCK..((block + 1) * BLOCK).min(votes.decisions()) {
                let range = votes.range(decision);
                let scale = 1.0 / total(votes, decision);
                for place in range {
                    sums[votes.class_of(votes.codes()[place])] += scale * f64::from(votes.weight(place));
                }
            }
            sums
        })
        .collect();
    let mut sums = vec![1e-9; classes];
    for part in parts {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
    let total: f64 = sums.iter().sum();
    sums.into_iter().map(|sum| sum / total).collect()
}

/// The weight of one decision's votes together.
pub(crate) fn total(votes: &Votes, decision: usize) -> f64 {
    let range = votes.range(decision);
    match votes.weights() {
        None => range.len() as f64,
        Some(weights) => weights[range].iter().copied().map(f64::from).sum(),
    }
}

/// One decision's vote shares, with `smoothing` votes spread as in `prior` added; `prior` itself where nobody voted.
pub(crate) fn shares<F: Float>(votes: &Votes, decision: usize, prior: &[F], smoothing: f64, row: &mut [F]) {
    let range = votes.range(decision);
    if range.is_empty() {
        row.copy_from_slice(prior);
        return;
    }
    row.fill(F::default());
    let scale = F::from_f64(total(votes, decision) + smoothing).reciprocal();
    for place in range {
        row[votes.class_of(votes.codes()[place])] += F::from_f32(votes.weight(place));
    }
    let smoothing = F::from_f64(smoothing);
    for (share, &prior) in row.iter_mut().zip(prior) {
        *share = (*share + smoothing * prior) * scale;
    }
}

/// All decisions' vote shares, `classes` numbers each.
pub(crate) fn posterior<F: Float>(votes: &Votes, prior: &[f64], smoothing: f64) -> Vec<F> {
    let classes = votes.classes();
    let prior: Vec<F> = prior.iter().map(|&share| F::from_f64(share)).collect();
    let mut posterior = vec![F::default(); votes.decisions() * classes];
    posterior.par_chunks_mut(BLOCK * classes).enumerate().for_each(|(block, out)| {
        for (place, row) in out.chunks_exact_mut(classes).enumerate() {
            shares(votes, block * BLOCK + place, &prior, smoothing, row);
        }
    });
    posterior
}
