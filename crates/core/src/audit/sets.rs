//! Figures of a multi-label task.

use crate::audit::interval::{Z, effective_count, f1_interval, wilson};
use crate::measured::Measured;
use crate::task::Class;

/// Truth against labels over gold items that may have any number of labels.
///
/// Keeps two bits per item and label, because errors within an item go together and the intervals have to resample
/// items, not labels.
#[derive(Clone, Debug)]
pub struct SetTally {
    labels: usize,
    truths: Vec<bool>,
    givens: Vec<bool>,
    weights: Vec<f64>,
}

impl SetTally {
    /// An empty tally over this many labels.
    pub fn new(labels: usize) -> Self {
        Self { labels, truths: Vec::new(), givens: Vec::new(), weights: Vec::new() }
    }

    /// Counts one item: for every label whether it truly applies and whether it was given.
    pub fn add(&mut self, truth: &[bool], given: &[bool], weight: f64) {
        self.truths.extend_from_slice(&truth[..self.labels]);
        self.givens.extend_from_slice(&given[..self.labels]);
        self.weights.push(weight);
    }

    /// Adds what another tally over the same labels counted.
    pub fn merge(&mut self, other: &Self) {
        self.truths.extend_from_slice(&other.truths);
        self.givens.extend_from_slice(&other.givens);
        self.weights.extend_from_slice(&other.weights);
    }

    /// How many items were counted.
    pub fn count(&self) -> u64 {
        self.weights.len() as u64
    }

    /// How many measured items truly have this label.
    pub fn support(&self, label: Class) -> u64 {
        self.truths.iter().skip(usize::from(label)).step_by(self.labels).filter(|&&truth| truth).count() as u64
    }

    /// The share of items whose whole set is right.
    pub fn subset_accuracy(&self, basis: &str) -> Measured {
        if self.weights.is_empty() {
            return Measured::unknown("no item was measured");
        }
        let (mut right, mut all, mut square) = (0.0, 0.0, 0.0);
        for ((truth, given), weight) in self.rows() {
            all += weight;
            square += weight * weight;
            right += if truth == given { weight } else { 0.0 };
        }
        Measured::known(right / all, wilson(right / all, effective_count(all, square)), basis)
    }

    /// F1 over all labels together.
    pub fn micro_f1(&self, basis: &str) -> Measured {
        let totals: Vec<[f64; 2]> = self
            .rows()
            .map(|((truth, given), _)| {
                let hits = truth.iter().zip(given).filter(|&(&t, &g)| t && g).count() as f64;
                let sizes = truth.iter().chain(given).filter(|&&is| is).count() as f64;
                [2.0 * hits, sizes]
            })
            .collect();
        self.ratio(&totals, basis)
    }

    /// The mean F1 of the labels that occur as truth or were given.
    pub fn macro_f1(&self, basis: &str) -> Measured {
        let mut influence = vec![0.0; self.weights.len()];
        let (mut sum, mut occurring) = (0.0, 0.0);
        for label in 0..self.labels {
            let (hits, sizes) = self.counts(label);
            if sizes == 0.0 {
                continue;
            }
            let f1 = 2.0 * hits / sizes;
            sum += f1;
            occurring += 1.0;
            for (item, influence) in influence.iter_mut().enumerate() {
                let (truth, given) = (self.truths[item * self.labels + label], self.givens[item * self.labels + label]);
                let hit = f64::from(u8::from(truth && given));
                let size = f64::from(u8::from(truth)) + f64::from(u8::from(given));
                *influence += self.weights[item] * (2.0 * hit - f1 * size) / sizes;
            }
        }
        if occurring == 0.0 {
            return Measured::unknown("no measured item has or was given any label");
        }
        let error = influence.iter().map(|value| value * value).sum::<f64>().sqrt() / occurring;
        self.with_error(sum / occurring, error, basis)
    }

    /// Of the items given this label, the share that truly have it.
    pub fn precision(&self, label: Class, basis: &str) -> Measured {
        self.share(label, |_, given| given, "no measured item was given this label", basis)
    }

    /// Of the items that truly have this label, the share that was given it.
    pub fn recall(&self, label: Class, basis: &str) -> Measured {
        self.share(label, |truth, _| truth, "no measured item truly has this label", basis)
    }

    /// The F1 of one label.
    pub fn f1(&self, label: Class, basis: &str) -> Measured {
        let (hits, sizes) = self.counts(usize::from(label));
        let either = sizes - hits;
        let mut square = 0.0;
        for ((truth, given), weight) in self.rows() {
            square += if truth[usize::from(label)] || given[usize::from(label)] { weight * weight } else { 0.0 };
        }
        match f1_interval(hits, either - hits, effective_count(either, square)) {
            Some((f1, interval)) => Measured::known(f1, interval, basis),
            None => Measured::unknown("no measured item has this label"),
        }
    }

    fn rows(&self) -> impl Iterator<Item = ((&[bool], &[bool]), f64)> {
        let pairs = self.truths.chunks_exact(self.labels).zip(self.givens.chunks_exact(self.labels));
        pairs.zip(self.weights.iter().copied())
    }

    /// Weighted hits, and truths plus givens, of one label.
    fn counts(&self, label: usize) -> (f64, f64) {
        let (mut hits, mut sizes) = (0.0, 0.0);
        for ((truth, given), weight) in self.rows() {
            hits += if truth[label] && given[label] { weight } else { 0.0 };
            sizes += weight * (f64::from(u8::from(truth[label])) + f64::from(u8::from(given[label])));
        }
        (hits, sizes)
    }

    fn share(&self, label: Class, belongs: impl Fn(bool, bool) -> bool, empty: &str, basis: &str) -> Measured {
        let label = usize::from(label);
        let (mut hits, mut all, mut square) = (0.0, 0.0, 0.0);
        for ((truth, given), weight) in self.rows().filter(|((truth, given), _)| belongs(truth[label], given[label])) {
            all += weight;
            square += weight * weight;
            hits += if truth[label] && given[label] { weight } else { 0.0 };
        }
        if all == 0.0 {
            return Measured::unknown(empty);
        }
        Measured::known(hits / all, wilson(hits / all, effective_count(all, square)), basis)
    }

    /// A ratio of sums over items, with its linearised error.
    fn ratio(&self, totals: &[[f64; 2]], basis: &str) -> Measured {
        let sums = totals
            .iter()
            .zip(&self.weights)
            .fold([0.0; 2], |sum, (total, weight)| [sum[0] + weight * total[0], sum[1] + weight * total[1]]);
        if sums[1] == 0.0 {
            return Measured::unknown("no measured item has or was given any label");
        }
        let value = sums[0] / sums[1];
        let scatter: f64 = totals
            .iter()
            .zip(&self.weights)
            .map(|(total, weight)| (weight * (total[0] - value * total[1])).powi(2))
            .sum();
        self.with_error(value, scatter.sqrt() / sums[1], basis)
    }

    /// An interval on the logit scale, where it cannot leave `[0, 1]`. At 0 and 1, where the error vanishes, the
    /// Wilson interval over items stands in.
    fn with_error(&self, value: f64, error: f64, basis: &str) -> Measured {
        let spread = value * (1.0 - value);
        if error == 0.0 || spread == 0.0 {
            let square: f64 = self.weights.iter().map(|weight| weight * weight).sum();
            let count = effective_count(self.weights.iter().sum(), square);
            return Measured::known(value, wilson(value, count), basis);
        }
        let centre = (value / (1.0 - value)).ln();
        let at = |shift: f64| 1.0 / (1.0 + (-(centre + shift * error / spread)).exp());
        Measured::known(value, (at(-Z), at(Z)), basis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_match_hand_counts() {
        let mut tally = SetTally::new(2);
        tally.add(&[true, false], &[true, false], 1.0);
        tally.add(&[true, true], &[true, false], 1.0);
        tally.add(&[false, true], &[true, true], 1.0);
        tally.add(&[false, false], &[false, false], 1.0);
        assert_eq!(tally.subset_accuracy("").value(), Some(0.5));
        assert!((tally.micro_f1("").value().unwrap() - 6.0 / 8.0).abs() < 1e-12);
        assert!((tally.macro_f1("").value().unwrap() - f64::midpoint(0.8, 2.0 / 3.0)).abs() < 1e-12);
        assert!((tally.f1(0, "").value().unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(tally.support(1), 2);
        let Measured::Known { low, high, .. } = tally.micro_f1("") else { panic!("expected a figure") };
        assert!(low < 0.6 && high > 0.8, "[{low}, {high}]");
    }

    #[test]
    fn perfect_sets_keep_an_interval() {
        let mut tally = SetTally::new(1);
        (0..10).for_each(|_| tally.add(&[true], &[true], 1.0));
        let Measured::Known { value, low, .. } = tally.micro_f1("") else { panic!("expected a figure") };
        assert!(value == 1.0 && low < 0.8, "{value} {low}");
    }
}
