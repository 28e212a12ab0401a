//! Making probabilities as sure as they are right.

use rayon::prelude::*;

use super::{Encoded, Lattice, Layout, Links, Target, TypedSpan, Weights};
use crate::error::Result;

/// The temperature under which sentences with known labels are likeliest, for weights from whatever training: a
/// perceptron's scores, or a random field's that has learnt its sentences too well. The sentences must not have been
/// trained on. Sentences whose target is not a hard one, or has probability zero, are left out; 1 without any.
///
/// What counts is how well the confidence of the decoded spans tells those that are right from those that are not
/// (log-loss); of single labels where there are no spans. Found by golden section between 1/20 and 200.
pub fn fit_temperature(weights: &Weights, layout: Layout, encoded: &Encoded, targets: &[Target]) -> Result<f64> {
    let constraints = layout.constraints();
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
    let links = Links::new(weights, &constraints)?;
    if known.is_empty() {
        return Ok(1.0);
    }
    // Which spans are decoded, and which of them are right, does not depend on the temperature.
    let judged: Vec<Vec<(TypedSpan, bool)>> = known
        .par_iter()
        .map(|(states, sequence)| {
            let (mut best, truth) = (Vec::new(), layout.spans(sequence));
            links.best(states, &mut best);
            layout.spans(&best).into_iter().map(|span| (span, truth.binary_search(&span).is_ok())).collect()
        })
        .collect();
    if judged.iter().all(Vec::is_empty) {
        return Ok(1.0);
    }
    let loss = |temperature: f64| -> f64 {
        let Ok(links) = links.clone().with_temperature(temperature) else { return f64::INFINITY };
        let each: Vec<f64> = known
            .par_iter()
            .zip(&judged)
            .map(|((states, _), judged)| {
                let Some(lattice) = Lattice::of(&links, states) else { return 0.0 };
                let each = judged.iter().map(|&(span, right)| {
                    let sure = lattice.span(&links, layout, span);
                    -(if right { sure } else { 1.0 - sure }).max(1e-12).ln()
                });
                each.sum::<f64>()
            })
            .collect();
        // A pull towards 1 worth half a span keeps a few spans that are all right from asking for certainty.
        each.iter().sum::<f64>() + 0.5 * temperature.ln().powi(2)
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
