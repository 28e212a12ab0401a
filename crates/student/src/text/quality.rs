//! How good probabilities are against targets: accuracy, cross-entropy and calibration.

use serde::{Deserialize, Serialize};

use super::stack::cross_entropy;
use super::target::{Head, Targets};

/// Figures of predicted probabilities on texts that the model has not seen in training. They are estimates that chose
/// the settings, not a measurement for a certificate: for that, keep labels aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The share of decisions where the most probable class leads the target; for multi-label tasks, of labels decided
    /// rightly at their thresholds.
    pub accuracy: f64,
    /// The mean cross-entropy against the targets, in nats; summed over labels for multi-label tasks.
    pub log_loss: f64,
    /// The expected calibration error of the predicted class (of every label for multi-label tasks), in 15 equal bins.
    pub calibration_error: f64,
}

/// Measures `probabilities` (`classes` per item of `items`) against the targets.
pub(crate) fn quality(
    probabilities: &[f32],
    items: &[u32],
    targets: &Targets,
    head: Head,
    thresholds: &[f32],
) -> Quality {
    let classes = targets.classes();
    let multilabel = head == Head::Multilabel;
    let mut goal = vec![0.0; classes];
    let mut bins = [(0.0f64, 0.0f64); 15];
    let (mut right, mut loss, mut total, mut decisions) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
    let mut count = |confidence: f32, hit: f64, importance: f64| {
        let bin = &mut bins[((confidence * 15.0) as usize).min(14)];
        bin.0 += importance * f64::from(confidence);
        bin.1 += importance * hit;
        decisions += importance;
    };
    for (place, &item) in items.iter().enumerate() {
        let shares = &probabilities[place * classes..][..classes];
        let importance = f64::from(targets.importance(item as usize));
        let logs: Vec<f32> = shares.iter().map(|share| share.max(1e-9).ln()).collect();
        targets.refined(item as usize, &logs, &mut goal);
        loss += importance * cross_entropy(multilabel, &goal, shares);
        total += importance;
        if multilabel {
            for class in 0..classes {
                let yes = shares[class] >= thresholds[class];
                right += importance * f64::from(u8::from(yes == (goal[class] >= 0.5))) / classes as f64;
                count(shares[class], f64::from(goal[class]), importance);
            }
        } else {
            let best = largest(shares);
            let hit = f64::from(u8::from(goal[best] >= goal[largest(&goal)]));
            right += importance * hit;
            count(shares[best], f64::from(goal[best]), importance);
        }
    }
    let total = total.max(1e-12);
    Quality {
        accuracy: right / total,
        log_loss: loss / total,
        calibration_error: bins.iter().map(|bin| (bin.0 - bin.1).abs()).sum::<f64>() / decisions.max(1e-12),
    }
}

/// The position of the largest value, the first of equals.
pub(crate) fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// The threshold per label that gives the best F1 on the given probabilities; one half where fewer than five positive
/// or negative texts make the choice a matter of luck.
pub(crate) fn thresholds(probabilities: &[f32], items: &[u32], targets: &Targets) -> Vec<f32> {
    let classes = targets.classes();
    let mut goals = vec![0.0f32; items.len() * classes];
    for (goal, &item) in goals.chunks_exact_mut(classes).zip(items) {
        targets.stated(item as usize, goal);
    }
    (0..classes)
        .map(|class| {
            let mut cases: Vec<(f32, f64)> = (0..items.len())
                .map(|place| (probabilities[place * classes + class], f64::from(goals[place * classes + class])))
                .collect();
            cases.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
            let positives: f64 = cases.iter().map(|case| case.1).sum();
            if positives < 5.0 || items.len() as f64 - positives < 5.0 {
                return 0.5;
            }
            let (mut hits, mut best, mut threshold) = (0.0, 0.0, 0.5);
            for (taken, case) in cases.iter().enumerate() {
                hits += case.1;
                let next = cases.get(taken + 1).map_or(0.0, |next| next.0);
                let score = 2.0 * hits / (positives + taken as f64 + 1.0);
                if next < case.0 && score > best {
                    (best, threshold) = (score, f32::midpoint(case.0, next));
                }
            }
            threshold.clamp(0.02, 0.98)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::target::Target;
    use super::*;

    #[test]
    fn figures_of_a_small_case() {
        let truth = [Target::Hard(0), Target::Hard(1)];
        let targets = Targets::new(&truth, None, None, 2, Head::Softmax, 0.0).unwrap();
        let found = quality(&[0.9, 0.1, 0.6, 0.4], &[0, 1], &targets, Head::Softmax, &[]);
        assert_eq!(found.accuracy, 0.5);
        assert!((found.log_loss - (-(0.9f64.ln()) - 0.4f64.ln()) / 2.0).abs() < 1e-6);
        assert!((found.calibration_error - f64::midpoint(0.1, 0.6)).abs() < 1e-6);
    }

    #[test]
    fn the_threshold_separates_what_can_be_separated() {
        let truth: Vec<Target> =
            (0..20).map(|item| if item < 8 { Target::Set(vec![0]) } else { Target::Set(vec![]) }).collect();
        let targets = Targets::new(&truth, None, None, 1, Head::Multilabel, 0.0).unwrap();
        let shares: Vec<f32> = (0..20).map(|item| if item < 8 { 0.3 } else { 0.1 }).collect();
        let items: Vec<u32> = (0..20).collect();
        let found = thresholds(&shares, &items, &targets);
        assert!((found[0] - 0.2).abs() < 1e-6);
    }
}
