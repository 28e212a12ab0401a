//! Means over items and over clusters of answers, with their intervals.

use crate::audit::{normal_interval, wilson};
use crate::measured::Measured;

/// A mean and its standard error from independent values; `None` without values.
pub(super) fn mean_and_error(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = if values.len() > 1 { (squares / (count - 1.0) / count).sqrt() } else { f64::INFINITY };
    Some((mean, error))
}

/// The mean of independent values that lie between `low` and `high`. Where they show no variety, the interval is that of
/// Wilson for the place of the mean between the bounds.
pub(super) fn mean(values: &[f64], (low, high): (f64, f64), basis: String) -> Measured {
    match mean_and_error(values) {
        None => Measured::unknown("there is nothing to take the mean of"),
        Some((mean, error)) => within(mean, error, values.len() as f64, (low, high), basis),
    }
}

/// A mean with its standard error, kept between bounds.
pub(super) fn within(mean: f64, error: f64, count: f64, (low, high): (f64, f64), basis: String) -> Measured {
    if error > 1e-12 && error.is_finite() {
        let (below, above) = normal_interval(mean, error);
        return Measured::known(mean, (below.max(low).min(mean), above.min(high).max(mean)), basis);
    }
    if !high.is_finite() {
        return Measured::unknown("the values show no variety, so their mean has no interval");
    }
    let place = ((mean - low) / (high - low)).clamp(0.0, 1.0);
    let (below, above) = wilson(place, count);
    let back = |place: f64| low + place * (high - low);
    Measured::known(mean, (back(below).min(mean), back(above).max(mean)), basis)
}

/// The ratio of summed values to summed counts over clusters that are independent of each other, and its standard error.
pub(super) fn ratio(clusters: impl Iterator<Item = (f64, f64)> + Clone) -> Option<(f64, f64)> {
    let (sum, count) = clusters.clone().fold((0.0, 0.0), |total, one| (total.0 + one.0, total.1 + one.1));
    if count <= 0.0 {
        return None;
    }
    let ratio = sum / count;
    let (squares, number) = clusters
        .filter(|cluster| cluster.1 > 0.0)
        .fold((0.0, 0.0f64), |total, one| (total.0 + (one.0 - ratio * one.1).powi(2), total.1 + 1.0));
    let error = if number > 1.0 { (squares * number / (number - 1.0)).sqrt() / count } else { f64::INFINITY };
    Some((ratio, error))
}
