//! How wrong given labels are, judged by probabilities of models that have not seen them.

/// Probabilities below this count as this.
const LEAST: f32 = 1e-4;

/// What a model that has not seen the items says about them beside what their labels say.
pub(crate) struct Evidence<'a> {
    /// What the labels say: a distribution per item.
    pub(crate) stated: &'a [f32],
    /// What the model says: a distribution per item.
    pub(crate) believed: &'a [f32],
    /// The number of classes.
    pub(crate) classes: usize,
}

impl Evidence<'_> {
    /// The pairs of rows, stated and believed.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.stated.chunks_exact(self.classes).zip(self.believed.chunks_exact(self.classes))
    }

    /// How far the model is from each label: the divergence in nats, which is `-ln p` for a certain label.
    pub(crate) fn losses(&self) -> Vec<f64> {
        self.rows()
            .map(|(stated, believed)| {
                stated
                    .iter()
                    .zip(believed)
                    .filter(|(share, _)| **share > 0.0)
                    .map(|(&share, &belief)| f64::from(share) * f64::from(share / belief.max(LEAST)).ln())
                    .sum()
            })
            .collect()
    }
}

/// For every loss, the probability that it belongs to the lower of two normal distributions that mix to all of them, by
/// expectation-maximisation on losses scaled to [0, 1] (the noise filter of FreeAL, Xiao et al. 2023, and DivideMix,
/// Li et al. 2020).
///
/// It supposes that right and wrong labels make two heaps. Where all losses are alike, all are taken for right.
pub(crate) fn mixture(losses: &[f64]) -> Vec<f32> {
    let (low, high) = losses.iter().fold((f64::MAX, f64::MIN), |(low, high), &loss| (low.min(loss), high.max(loss)));
    if losses.is_empty() || high - low < 1e-9 {
        return vec![1.0; losses.len()];
    }
    let scaled: Vec<f64> = losses.iter().map(|loss| (loss - low) / (high - low)).collect();
    // Keeps a heap from collapsing to a point; the constant of the reference program.
    const FLOOR: f64 = 5e-4;
    let (mut mean, mut variance, mut share) = ([0.1, 0.8], [0.04, 0.04], [0.7, 0.3]);
    let mut lower = vec![0.0f64; scaled.len()];
    for _ in 0..50 {
        let mut sums = [(0.0, 0.0, 0.0); 2];
        for (chance, &x) in lower.iter_mut().zip(&scaled) {
            let density = [0, 1].map(|heap| {
                let distance: f64 = x - mean[heap];
                f64::ln(share[heap]) - 0.5 * f64::ln(variance[heap]) - 0.5 * distance * distance / variance[heap]
            });
            *chance = 1.0 / (1.0 + (density[1] - density[0]).exp());
            for (sum, weight) in sums.iter_mut().zip([*chance, 1.0 - *chance]) {
                *sum = (sum.0 + weight, sum.1 + weight * x, sum.2 + weight * x * x);
            }
        }
        let before = mean;
        for heap in 0..2 {
            let (total, first, second) = sums[heap];
            if total < 1e-6 {
                continue;
            }
            share[heap] = (total / scaled.len() as f64).clamp(1e-6, 1.0);
            mean[heap] = first / total;
            variance[heap] = (second / total - mean[heap] * mean[heap]).max(0.0) + FLOOR;
        }
        if (mean[0] - before[0]).abs() + (mean[1] - before[1]).abs() < 1e-6 {
            break;
        }
    }
    let flip = mean[0] > mean[1];
    lower.iter().map(|&chance| if flip { 1.0 - chance as f32 } else { chance as f32 }).collect()
}

/// How labels go wrong: the table of confident learning (Northcutt, Jiang and Chuang 2021).
pub(crate) struct Confusions {
    /// `given[c]` times the probability that `y` is meant, `classes x classes`, `y` by rows, scaled so that a row sums
    /// to one: how likely label `c` is given where `y` is meant.
    pub(crate) given_meant: Vec<f64>,
    /// Per class, the mean probability of the class among the items labelled with it.
    pub(crate) thresholds: Vec<f32>,
    /// Per class, the share of its labels that are wrong.
    pub(crate) wrong: Vec<f64>,
    /// The share of all labels that is wrong.
    pub(crate) rate: f64,
}

/// Counts, for every pair of classes, the labels of the one of which the model is confident that the other is meant.
///
/// It supposes that errors depend on the meant class alone. A model that is seldom sure finds few.
pub(crate) fn confusions(evidence: &Evidence) -> Confusions {
    let classes = evidence.classes;
    let mut totals = vec![(0.0f64, 0.0f64); classes];
    for (stated, believed) in evidence.rows() {
        for class in 0..classes {
            totals[class].0 += f64::from(stated[class]);
            totals[class].1 += f64::from(stated[class] * believed[class]);
        }
    }
    let thresholds: Vec<f32> =
        totals.iter().map(|&(count, sum)| if count > 0.0 { (sum / count) as f32 } else { 1.0 }).collect();
    let mut counts = vec![0.0f64; classes * classes];
    for (stated, believed) in evidence.rows() {
        let confident = (0..classes)
            .filter(|&class| believed[class] >= thresholds[class])
            .max_by(|&a, &b| believed[a].total_cmp(&believed[b]).then(b.cmp(&a)));
        if let Some(meant) = confident {
            for given in 0..classes {
                counts[given * classes + meant] += f64::from(stated[given]);
            }
        }
    }
    // As many labels of a class as there are, whatever share of them the model was sure of.
    let mut joint = vec![0.0f64; classes * classes];
    let mut wrong = vec![0.0; classes];
    let all: f64 = totals.iter().map(|total| total.0).sum();
    for given in 0..classes {
        let row = &counts[given * classes..][..classes];
        let sum: f64 = row.iter().sum();
        for meant in 0..classes {
            let share = if sum > 0.0 { row[meant] / sum } else { f64::from(u8::from(given == meant)) };
            joint[given * classes + meant] = share * totals[given].0;
            if given != meant {
                wrong[given] += share;
            }
        }
    }
    let rate = (0..classes).map(|class| wrong[class] * totals[class].0).sum::<f64>() / all.max(1e-12);
    let mut given_meant = vec![0.0; classes * classes];
    for meant in 0..classes {
        // One label's worth of doubt, so that nothing is impossible; a class that is never meant is given rightly.
        let column: f64 = (0..classes).map(|given| joint[given * classes + meant]).sum();
        for given in 0..classes {
            let prior = if given == meant { 0.8 } else { 0.2 / (classes - 1) as f64 };
            given_meant[meant * classes + given] = (joint[given * classes + meant] + prior) / (column + 1.0);
        }
    }
    Confusions { given_meant, thresholds, wrong, rate }
}

/// What is meant, for a model that predicts which labels are given: the distribution over meant classes that explains its
/// predictions best through the confusions, by a few multiplicative steps (Richardson 1972, Lucy 1974).
pub(crate) fn unfold(predicted: &[f32], confusions: &Confusions, meant: &mut [f64]) {
    let classes = predicted.len();
    meant.iter_mut().zip(predicted).for_each(|(meant, &share)| *meant = f64::from(share.max(LEAST)));
    let mut ratios = vec![0.0; classes];
    for _ in 0..8 {
        for given in 0..classes {
            let expected: f64 =
                (0..classes).map(|class| meant[class] * confusions.given_meant[class * classes + given]).sum();
            ratios[given] = f64::from(predicted[given]) / expected.max(1e-12);
        }
        for class in 0..classes {
            let row = &confusions.given_meant[class * classes..][..classes];
            meant[class] *= row.iter().zip(&ratios).map(|(chance, ratio)| chance * ratio).sum::<f64>();
        }
    }
    let sum: f64 = meant.iter().sum::<f64>().max(1e-12);
    meant.iter_mut().for_each(|share| *share /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn two_heaps_of_losses_come_apart() {
        let mut random = Random::new(4);
        let mut losses: Vec<f64> = (0..300).map(|_| 0.1 + random.below(100) as f64 / 500.0).collect();
        losses.extend((0..100).map(|_| 2.0 + random.below(100) as f64 / 100.0));
        let right = mixture(&losses);
        assert!(right[..300].iter().all(|chance| *chance > 0.9) && right[300..].iter().all(|chance| *chance < 0.1));
        assert!(mixture(&[0.5; 9]).iter().all(|chance| *chance == 1.0));
        assert!(mixture(&[]).is_empty());
    }

    /// 400 labels of two classes; a fifth of the labels of class 0 are class 1 in truth, as a sure model sees.
    fn planted() -> (Vec<f32>, Vec<f32>) {
        let (mut stated, mut believed) = (Vec::new(), Vec::new());
        for item in 0..400 {
            let given = item % 2;
            let meant = if given == 0 && item % 10 == 0 { 1 } else { given };
            stated.extend(if given == 0 { [1.0, 0.0] } else { [0.0, 1.0] });
            believed.extend(if meant == 0 { [0.95, 0.05] } else { [0.05, 0.95] });
        }
        (stated, believed)
    }

    #[test]
    fn the_share_of_wrong_labels_is_found_by_class() {
        let (stated, believed) = planted();
        let found = confusions(&Evidence { stated: &stated, believed: &believed, classes: 2 });
        assert!((found.wrong[0] - 0.2).abs() < 0.01 && found.wrong[1] < 0.01, "{:?}", found.wrong);
        assert!((found.rate - 0.1).abs() < 0.01);
        // Of 240 items that mean class 1, 40 were given label 0.
        assert!((found.given_meant[2] - 40.0 / 240.0).abs() < 0.01, "{:?}", found.given_meant);
    }

    #[test]
    fn unfolding_undoes_the_confusions() {
        let confusions = Confusions {
            given_meant: vec![0.7, 0.3, 0.1, 0.9],
            thresholds: vec![0.5; 2],
            wrong: vec![0.0; 2],
            rate: 0.0,
        };
        let mut meant = [0.0; 2];
        // A surely meant class 0 is predicted as 0.7 to 0.3.
        unfold(&[0.7, 0.3], &confusions, &mut meant);
        assert!(meant[0] > 0.93, "{meant:?}");
        assert!((meant.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
