//! How probable it is that a label is wrong.

use super::joint::ConfidentJoint;

/// Bins of the log-odds of doubt, and the range they cover.
const BINS: usize = 256;
const RANGE: f64 = 12.8;

/// How much the model doubts the given labels: per class a histogram of the log-odds of `1 - P[given]`.
#[derive(Clone, Debug)]
pub(super) struct Doubts {
    counts: Vec<u32>,
}

impl Doubts {
    pub(super) fn new(classes: usize) -> Self {
        Self { counts: vec![0; classes * BINS] }
    }

    #[inline]
    pub(super) fn add(&mut self, given: usize, confidence: f64) {
        self.counts[given * BINS + bin(confidence)] += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(to, from)| *to += from);
    }
}

#[inline]
fn log_odds(confidence: f64) -> f64 {
    let doubt = (1.0 - confidence).clamp(1e-6, 1.0 - 1e-6);
    (doubt / (1.0 - doubt)).ln()
}

#[inline]
fn bin(confidence: f64) -> usize {
    // The log-odds rise with doubt alone, so the cheap single-precision logarithm only moves items between neighbours.
    let doubt = (1.0 - confidence).clamp(1e-6, 1.0 - 1e-6) as f32;
    let odds = f64::from((doubt / (1.0 - doubt)).ln());
    (((odds + RANGE) / (2.0 * RANGE) * BINS as f64) as usize).min(BINS - 1)
}

fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// The model's doubt, shifted so that among the items of each class it sums to the number of errors the joint
/// estimates: once to the mean of the two estimates, once to each.
///
/// The shift keeps the model's order within a class and corrects its level: a model that is unsure of everything does
/// not make everything an error. It assumes that the joint has the number of errors right.
#[derive(Clone, Debug)]
pub(super) struct Belief {
    shifts: Vec<[f64; 3]>,
}

impl Belief {
    pub(super) fn new(joint: &ConfidentJoint, doubts: &Doubts) -> Self {
        let shifts = (0..joint.classes)
            .map(|class| {
                let (low, high) = joint.rates(class);
                let counts = &doubts.counts[class * BINS..][..BINS];
                [f64::midpoint(low, high), low, high].map(|rate| shift(counts, rate))
            })
            .collect();
        Self { shifts }
    }

    /// The probability that a label is wrong, and its bounds.
    pub(super) fn of(&self, given: usize, confidence: f64) -> (f64, (f64, f64)) {
        let odds = log_odds(confidence);
        let [middle, low, high] = self.shifts[given].map(|shift| logistic(odds + shift));
        (middle, (low.min(middle), high.max(middle)))
    }
}

/// The number to add to log-odds so that their mean probability is a rate.
fn shift(counts: &[u32], rate: f64) -> f64 {
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let (mut low, mut high) = (-60.0, 60.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let sum: f64 = counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(bin, &count)| {
                let odds = ((bin as f64 + 0.5) / BINS as f64 * 2.0 - 1.0) * RANGE;
                f64::from(count) * logistic(odds + middle)
            })
            .sum();
        if sum < rate * total { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_doubts_have_the_mean_that_was_asked_for() {
        let mut doubts = Doubts::new(1);
        let confidences: Vec<f64> = (1..1000).map(|place| f64::from(place) / 1000.0).collect();
        for &confidence in &confidences {
            doubts.add(0, confidence);
        }
        for rate in [0.01, 0.2, 0.7] {
            let shift = shift(&doubts.counts, rate);
            let sum: f64 = confidences.iter().map(|&confidence| logistic(log_odds(confidence) + shift)).sum();
            assert!((sum / 999.0 - rate).abs() < 0.002, "{rate}: {}", sum / 999.0);
        }
    }
}
