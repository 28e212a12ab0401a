//! Two annotators on the same items.

use super::interval::Z;
use crate::measured::Measured;

/// The difference of two accuracies on the same items: that of the second less that of the first, each item with its
/// weight and whether either was right.
///
/// With equal weights the interval is that of Agresti and Min (2005, <https://doi.org/10.1002/sim.1781>), Wald's with half
/// an item added to each cell of the two-by-two table, which keeps its level in small samples. Weights enter as in a
/// ratio estimator. Assumes that items are independent.
pub fn accuracy_difference(items: &[(f64, bool, bool)], basis: &str) -> Measured {
    let total: f64 = items.iter().map(|item| item.0).sum();
    if items.len() < 2 || total <= 0.0 {
        return Measured::unknown("fewer than two gold items were answered by both");
    }
    let mean_weight = total / items.len() as f64;
    let step = |first: bool, second: bool| f64::from(u8::from(second)) - f64::from(u8::from(first));
    let difference = items.iter().map(|&(weight, first, second)| weight * step(first, second)).sum::<f64>() / total;
    // Half an item of mean weight in each of the four cells.
    let padded = total + 2.0 * mean_weight;
    let centre = difference * total / padded;
    let spread = |weight: f64, value: f64| (weight * (value - centre)).powi(2);
    let mut sum: f64 = items.iter().map(|&(weight, first, second)| spread(weight, step(first, second))).sum();
    for value in [-1.0, 0.0, 0.0, 1.0] {
        // Half an item: its weight is that of an item, its count a half.
        sum += 0.5 * spread(mean_weight, value);
    }
    let half_width = Z * sum.sqrt() / padded;
    let interval = ((centre - half_width).clamp(-1.0, difference), (centre + half_width).clamp(difference, 1.0));
    Measured::known(difference, interval, basis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(both: usize, first: usize, second: usize, none: usize) -> Vec<(f64, bool, bool)> {
        let mut items = vec![(1.0, true, true); both];
        items.extend(vec![(1.0, true, false); first]);
        items.extend(vec![(1.0, false, true); second]);
        items.extend(vec![(1.0, false, false); none]);
        items
    }

    #[test]
    fn it_is_the_interval_of_agresti_and_min() {
        // By hand: b = 5.5, c = 15.5 of n = 102; 10/102 +- 1.96 sqrt(21 - 100/102) / 102.
        let Measured::Known { value, low, high, .. } = accuracy_difference(&table(60, 5, 15, 20), "100 items") else {
            panic!("known")
        };
        let half = Z * (21.0_f64 - 100.0 / 102.0).sqrt() / 102.0;
        assert!((value - 0.1).abs() < 1e-12);
        assert!((low - (10.0 / 102.0 - half)).abs() < 1e-12 && (high - (10.0 / 102.0 + half)).abs() < 1e-12);
    }

    #[test]
    fn no_difference_still_has_an_interval_and_nothing_is_unknown() {
        let Measured::Known { low, high, .. } = accuracy_difference(&table(30, 0, 0, 0), "") else { panic!("known") };
        assert!(low < 0.0 && high > 0.0);
        assert_eq!(accuracy_difference(&[], "").value(), None);
    }
}
