//! Temperature scaling: sharpening or flattening posteriors until they are as sure as they are right.

use rayon::prelude::*;

/// The sharpest and the flattest that a posterior may be made, as the factor on its logarithms. Fifty gold items can
/// ask for more by accident.
const SHARPEST: f64 = 3.0;
const FLATTEST: f64 = 1.0 / 40.0;

/// Logarithms below this carry no more information in single precision.
const FLOOR: f64 = 1e-30;

/// One posterior with its true class and its weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) row: &'a [f32],
    pub(crate) class: usize,
    pub(crate) weight: f64,
}

/// The factor on the logarithms (one over the temperature) under which the known classes are likeliest, within what a
/// handful of items may ask for.
///
/// A pull towards 1, worth some items, keeps a few items that all agree from asking for certainty.
pub(crate) fn fit<'a>(known: impl Iterator<Item = Known<'a>>, pull: f64) -> f64 {
    likeliest_factor(known, pull, (FLATTEST, SHARPEST))
}

/// The factor between two bounds under which the known classes are likeliest; 1 without any.
///
/// The loss is convex in the factor, so its derivative is bisected.
pub(crate) fn likeliest_factor<'a>(
    known: impl Iterator<Item = Known<'a>>,
    pull: f64,
    (flattest, sharpest): (f64, f64),
) -> f64 {
    let known: Vec<(Vec<f64>, usize, f64)> =
        known.map(|known| (known.row.iter().map(|&p| log(p)).collect(), known.class, known.weight)).collect();
    if known.is_empty() {
        return 1.0;
    }
    let slope = |factor: f64| {
        let mut sum = pull * factor.ln() / factor;
        for (logs, class, weight) in &known {
            let (mut total, mut mean) = (0.0, 0.0);
            let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for log in logs {
                let share = (factor * (log - top)).exp();
                total += share;
                mean += share * log;
            }
            sum += weight * (mean / total - logs[*class]);
        }
        sum
    };
    let (mut low, mut high) = (flattest.ln(), sharpest.ln());
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if slope(middle.exp()) > 0.0 { high = middle } else { low = middle }
    }
    f64::midpoint(low, high).exp()
}

/// The factor that minimises any loss with one valley, by golden section.
pub(crate) fn search(loss: impl Fn(f64) -> f64) -> f64 {
    let shrink = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (FLATTEST.ln(), SHARPEST.ln());
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
    f64::midpoint(low, high).exp()
}

/// Applies a factor to one posterior.
pub(crate) fn apply(row: &[f32], factor: f64, out: &mut [f64]) {
    let mut top = f64::NEG_INFINITY;
    for (to, &from) in out.iter_mut().zip(row) {
        *to = factor * log(from);
        top = top.max(*to);
    }
    let mut total = 0.0;
    for value in out.iter_mut() {
        *value = (*value - top).exp();
        total += *value;
    }
    for value in out {
        *value /= total;
    }
}

/// Applies a factor to all posteriors.
pub(crate) fn apply_all(posterior: &mut [f32], classes: usize, factor: f64) {
    if factor == 1.0 {
        return;
    }
    posterior.par_chunks_mut(4096 * classes).for_each(|block| {
        let mut out = vec![0.0; classes];
        for row in block.chunks_exact_mut(classes) {
            apply(row, factor, &mut out);
            for (to, &from) in row.iter_mut().zip(&out) {
                *to = from as f32;
            }
        }
    });
}

fn log(share: f32) -> f64 {
    f64::from(share).max(FLOOR).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overconfident_posterior_is_flattened_to_its_accuracy() {
        // Says 0.99, is right in 7 of 10 cases: the factor makes it say 0.7, but for the weak pull.
        let row = [0.99f32, 0.01];
        let factor =
            fit((0..1000).map(|place| Known { row: &row, class: usize::from(place % 10 >= 7), weight: 1.0 }), 2.0);
        let mut out = [0.0; 2];
        apply(&row, factor, &mut out);
        assert!((out[0] - 0.7).abs() < 0.01, "{factor} {out:?}");
    }

    #[test]
    fn a_few_items_that_agree_do_not_ask_for_certainty() {
        let row = [0.8f32, 0.2];
        let known = |count: usize| fit((0..count).map(|_| Known { row: &row, class: 0, weight: 1.0 }), 2.0);
        assert!(known(3) < 1.5 && known(0) == 1.0 && known(100_000) <= SHARPEST);
    }

    #[test]
    fn the_search_finds_the_valley() {
        assert!((search(|factor| (factor - 0.4).powi(2)) - 0.4).abs() < 0.01);
    }
}
