//! How far predicted distributions lie from those of people: the measures of the LeWiDi shared tasks
//! (<https://le-wi-di.github.io>).

use serde::Serialize;

use super::distributions::{Distributions, entropy};
use super::interval::mean;
use crate::audit::normal_interval;
use crate::error::{Error, Result};
use crate::measured::Measured;

/// Probabilities below this count as this in cross-entropy, so that one wrong certainty does not decide a mean alone.
const LEAST: f64 = 1e-12;

/// Distances between predicted and target distributions, averaged over items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SoftMetrics {
    /// Items with both distributions.
    pub items: usize,
    /// Items that lack one of them.
    pub left_out: usize,
    /// `-sum target ln predicted` in nats; lower is better, the target's own entropy is the least.
    pub cross_entropy: Measured,
    /// The sum of absolute differences, 0 to 2.
    pub manhattan: Measured,
    /// The mean number of steps that mass has to move along the classes, for classes with an order.
    pub wasserstein: Measured,
    /// The Jensen-Shannon divergence in bits, 0 to 1.
    pub jensen_shannon: Measured,
    /// The correlation of the entropies: whether the prediction is unsure where people differ.
    pub entropy_correlation: Measured,
    /// The share of items whose likeliest class is the target's (any of them when it is tied).
    pub same_label: Measured,
}

/// Compares distributions item by item. Intervals are normal, from the variance between items.
///
/// # Errors
/// Distributions of other classes or other items.
pub fn compare(predicted: &Distributions, target: &Distributions, ordered: bool) -> Result<SoftMetrics> {
    if (predicted.classes(), predicted.items()) != (target.classes(), target.items()) {
        return Err(Error::input(format!(
            "expected distributions of {} items over {} classes, found {} over {}",
            target.items(),
            target.classes(),
            predicted.items(),
            predicted.classes()
        )));
    }
    let both: Vec<(&[f64], &[f64])> =
        (0..target.items()).filter_map(|item| predicted.of(item).zip(target.of(item))).collect();
    let basis = format!("{} items", both.len());
    let over = |distance: &dyn Fn(&[f64], &[f64]) -> f64, bounds: (f64, f64)| {
        let values: Vec<f64> = both.iter().map(|(found, wanted)| distance(found, wanted)).collect();
        mean(&values, bounds, basis.clone())
    };
    let steps = target.classes().saturating_sub(1) as f64;
    Ok(SoftMetrics {
        items: both.len(),
        left_out: target.items() - both.len(),
        cross_entropy: over(&cross_entropy, (0.0, -LEAST.ln())),
        manhattan: over(&manhattan, (0.0, 2.0)),
        wasserstein: if ordered && steps > 0.0 {
            over(&wasserstein, (0.0, steps))
        } else {
            Measured::unknown("the classes have no order")
        },
        jensen_shannon: over(&jensen_shannon, (0.0, 1.0)),
        entropy_correlation: correlation(&both, &basis),
        same_label: over(&same_label, (0.0, 1.0)),
    })
}

fn cross_entropy(found: &[f64], wanted: &[f64]) -> f64 {
    -found.iter().zip(wanted).map(|(found, wanted)| wanted * found.max(LEAST).ln()).sum::<f64>() + 0.0
}

/// The sum of absolute differences, 0 to 2.
pub fn manhattan(found: &[f64], wanted: &[f64]) -> f64 {
    found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs()).sum()
}

/// The Wasserstein-1 distance of classes in a row, one step apart: the sum over cuts of the difference of what lies below.
pub fn wasserstein(found: &[f64], wanted: &[f64]) -> f64 {
    let mut below = 0.0;
    let mut sum = 0.0;
    for (found, wanted) in found.iter().zip(wanted) {
        below += found - wanted;
        sum += f64::abs(below);
    }
    // The last cut has everything below it, and differs from zero by rounding alone.
    sum - f64::abs(below)
}

/// The Jensen-Shannon divergence in bits, 0 to 1.
pub fn jensen_shannon(found: &[f64], wanted: &[f64]) -> f64 {
    let part = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
    let sum: f64 = found
        .iter()
        .zip(wanted)
        .map(|(&found, &wanted)| {
            let middle = f64::midpoint(found, wanted);
            part(found, middle) + part(wanted, middle)
        })
        .sum();
    (sum / 2.0).clamp(0.0, 1.0)
}

fn same_label(found: &[f64], wanted: &[f64]) -> f64 {
    let top = wanted.iter().copied().fold(0.0, f64::max);
    let label = (0..found.len()).fold(0, |best, class| if found[class] > found[best] { class } else { best });
    f64::from(wanted.get(label).is_some_and(|share| *share >= top - 1e-9))
}

/// Pearson's correlation of the entropies with Fisher's interval.
fn correlation(both: &[(&[f64], &[f64])], basis: &str) -> Measured {
    let count = both.len() as f64;
    if both.len() < 4 {
        return Measured::unknown("a correlation needs four items or more");
    }
    let pairs: Vec<(f64, f64)> = both.iter().map(|(found, wanted)| (entropy(found), entropy(wanted))).collect();
    let (x, y) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0 / count, sum.1 + pair.1 / count));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (one, other) in &pairs {
        xx += (one - x).powi(2);
        yy += (other - y).powi(2);
        xy += (one - x) * (other - y);
    }
    if xx <= 1e-12 * count || yy <= 1e-12 * count {
        return Measured::unknown("one side is equally sure of every item");
    }
    let value = (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0);
    let turned = value.clamp(-1.0 + 1e-12, 1.0 - 1e-12).atanh();
    let (low, high) = normal_interval(turned, 1.0 / (count - 3.0).sqrt());
    Measured::known(value, (low.tanh().min(value), high.tanh().max(value)), basis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_what_they_should_be() {
        let (one, other) = ([0.5, 0.5, 0.0], [0.0, 0.25, 0.75]);
        assert!((manhattan(&one, &other) - 1.5).abs() < 1e-12);
        assert!((wasserstein(&one, &other) - 1.25).abs() < 1e-12);
        assert!((jensen_shannon(&[1.0, 0.0], &[0.0, 1.0]) - 1.0).abs() < 1e-12);
        assert_eq!(jensen_shannon(&one, &one), 0.0);
        assert!((cross_entropy(&[0.5, 0.5], &[1.0, 0.0]) - 2f64.ln()).abs() < 1e-12);
        assert_eq!(same_label(&[0.6, 0.4], &[0.5, 0.5]), 1.0);
    }

    #[test]
    fn a_sure_wrong_prediction_is_bounded_and_undefined_ones_are_said() {
        let rows = |first: f64| vec![Some(vec![first, 1.0 - first]); 5];
        let sure = Distributions::from_rows(2, &rows(1.0)).unwrap();
        let wrong = Distributions::from_rows(2, &rows(0.0)).unwrap();
        let found = compare(&sure, &wrong, true).unwrap();
        assert!((found.cross_entropy.value().unwrap() - 1e12f64.ln()).abs() < 1e-9);
        assert!(found.entropy_correlation.value().is_none());
        let Measured::Known { value, low, .. } = found.manhattan else { panic!() };
        assert!(value == 2.0 && low < 1.9, "five items do not make certain: {low}");
        assert_eq!(found.wasserstein.value(), Some(1.0));
        assert!(compare(&sure, &Distributions::from_rows(2, &[None]).unwrap(), false).is_err());
        assert!(Distributions::from_rows(2, &[Some(vec![0.6, 0.6])]).is_err());
        assert!(Distributions::from_rows(2, &[Some(vec![1.2, -0.2])]).is_err());
    }
}
