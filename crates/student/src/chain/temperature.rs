//! Making probabilities as sure as they are right.

use rayon::prelude::*;

use super::{Constraints, Encoded, Lattice, Links, Target, Weights};
use crate::error::Result;

/// The temperature under which sentences with known labels are likeliest, for weights from whatever training: a
/// perceptron's scores, or a random field's that has learnt its sentences too well. The sentences must not have been
/// trained on. Sentences whose target is not a hard one, or has probability zero, are left out; 1 without any.
///
/// What counts is the mean logarithm of the marginals of the known labels, which is what token and span probabilities are
/// made of; whole sequences would be ruled by the longest sentences. Found by golden section between 1/20 and 200.
pub fn fit_temperature(
    weights: &Weights,
    constraints: &Constraints,
    encoded: &Encoded,
    targets: &[Target],
) -> Result<f64> {
    let known: Vec<(Vec<f32>, &Vec<u16>)> = targets
        .iter()
        .enumerate()
        .filter_map(|(sentence, target)| match target {
            Target::Hard(sequence) if !sequence.is_empty() && constraints.allow(sequence) => {
                let mut states = Vec::new();
                weights.score(encoded, sentence, &mut states);
                Some((states, sequence))
            }
            _ => None,
        })
        .collect();
    let links = Links::new(weights, constraints)?;
    if known.is_empty() {
        return Ok(1.0);
    }
    let loss = |temperature: f64| -> f64 {
        let Ok(links) = links.clone().with_temperature(temperature) else { return f64::INFINITY };
        let each: Vec<f64> = known
            .par_iter()
            .map(|(states, sequence)| {
                let Some(lattice) = Lattice::of(&links, states) else { return 0.0 };
                let each = sequence.iter().enumerate();
                -each.map(|(token, &label)| lattice.token(token, usize::from(label)).max(1e-12).ln()).sum::<f64>()
            })
            .collect();
        each.iter().sum()
    };
    let shrink = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.05f64.ln(), 200f64.ln());
    let (mut left, mut right) = (high - shrink * (high - low), low + shrink * (high - low));
    let (mut at_left, mut at_right) = (loss(left.exp()), loss(right.exp()));
    for _ in 0..16 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - shrink * (high - low);
            at_left = loss(left.exp());
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + shrink * (high - low);
            at_right = loss(right.exp());
        }
    }
    Ok(f64::midpoint(low, high).exp())
}
