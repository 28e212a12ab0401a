//! How well a model of what is meant explains the labels that were given.

use super::noise::Evidence;

/// Powers that probabilities are raised to before the labels' errors are added: those that were fitted to noisy labels
/// are flat, as if the model and not the labels were in doubt.
const SHARPER: [f32; 4] = [1.0, 2.0, 4.0, 8.0];
/// Steps of expectation-maximisation.
const STEPS: usize = 8;

/// For every label, the negative logarithm of its probability when the class that is meant comes from the model and the
/// given one from the class that is meant, by a table fitted on the labels of the other folds.
///
/// A model of the truth is judged fairly by wrong labels only in this way: against the labels themselves, a model that
/// has learnt the errors along with the rest is the better one. The table keeps what a class is mostly given as; it
/// supposes that errors depend on the meant class alone.
pub(crate) fn explained(evidence: &Evidence, folds: &[u8]) -> Vec<f64> {
    let classes = evidence.classes;
    let count = folds.iter().copied().max().map_or(0, |last| usize::from(last) + 1);
    let sharpened: Vec<Vec<f32>> = SHARPER
        .iter()
        .map(|&power| {
            let mut believed = evidence.believed.to_vec();
            for row in believed.chunks_exact_mut(classes) {
                row.iter_mut().for_each(|share| *share = share.max(1e-6).powf(power));
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|share| *share /= sum);
            }
            believed
        })
        .collect();
    let mut losses = vec![0.0; folds.len()];
    for fold in 0..count as u8 {
        let mut best: Option<(f64, &Vec<f32>, Vec<f64>)> = None;
        for believed in &sharpened {
            let sharp = Evidence { stated: evidence.stated, believed, classes };
            let (table, loss) = fit(&sharp, |text| folds[text] != fold);
            if best.as_ref().is_none_or(|best| loss < best.0) {
                best = Some((loss, believed, table));
            }
        }
        let Some((_, believed, table)) = best else { continue };
        let sharp = Evidence { stated: evidence.stated, believed, classes };
        for (text, (stated, believed)) in sharp.rows().enumerate() {
            if folds[text] == fold {
                losses[text] = loss(stated, believed, &table);
            }
        }
    }
    losses
}

/// The table, `given` by rows: how likely each class is given so where it is meant; and the loss before the last step.
fn fit(evidence: &Evidence, mut counts: impl FnMut(usize) -> bool) -> (Vec<f64>, f64) {
    let classes = evidence.classes;
    let even = 0.2 / (classes - 1) as f64;
    let mut table: Vec<f64> =
        (0..classes * classes).map(|at| if at / classes == at % classes { 0.8 } else { even }).collect();
    let prior = table.clone();
    let mut mean = f64::MAX;
    for _ in 0..STEPS {
        // Two labels' worth of doubt for every class.
        let mut sums: Vec<f64> = prior.iter().map(|share| 2.0 * share).collect();
        let (mut total, mut number) = (0.0, 0.0);
        for (text, (stated, believed)) in evidence.rows().enumerate() {
            if !counts(text) {
                continue;
            }
            for given in (0..classes).filter(|&given| stated[given] > 0.0) {
                let row = &table[given * classes..][..classes];
                let chance: f64 = row.iter().zip(believed).map(|(share, &b)| share * f64::from(b)).sum();
                total -= f64::from(stated[given]) * chance.max(1e-12).ln();
                let factor = f64::from(stated[given]) / chance.max(1e-12);
                let sums = &mut sums[given * classes..][..classes];
                for ((sum, share), &belief) in sums.iter_mut().zip(row).zip(believed) {
                    *sum += factor * share * f64::from(belief);
                }
            }
            number += 1.0;
        }
        mean = total / f64::max(number, 1.0);
        for meant in 0..classes {
            let column: f64 = (0..classes).map(|given| sums[given * classes + meant]).sum();
            for given in 0..classes {
                table[given * classes + meant] = sums[given * classes + meant] / column;
            }
        }
    }
    (table, mean)
}

fn loss(stated: &[f32], believed: &[f32], table: &[f64]) -> f64 {
    let classes = stated.len();
    (0..classes)
        .filter(|&given| stated[given] > 0.0)
        .map(|given| {
            let row = &table[given * classes..][..classes];
            let chance: f64 = row.iter().zip(believed).map(|(share, &belief)| share * f64::from(belief)).sum();
            -f64::from(stated[given]) * chance.max(1e-12).ln()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Labels of three classes; two in five of class 0 are given as class 1.
    #[test]
    fn a_model_of_the_truth_explains_wrong_labels_better_than_one_that_learnt_their_errors_half() {
        let mut random = Random::new(5);
        let (mut stated, mut truth, mut muddled, mut folds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for text in 0..900 {
            let meant = text % 3;
            let given = if meant == 0 && random.below(5) < 2 { 1 } else { meant };
            stated.extend((0..3).map(|class| f32::from(u8::from(class == given))));
            truth.extend((0..3).map(|class| if class == meant { 0.9 } else { 0.05 }));
            muddled.extend((0..3).map(|class| match (meant, class) {
                (0, 0) => 0.5,
                (0, 1) => 0.45,
                (1, 0) => 0.3,
                (1, 1) => 0.65,
                _ if class == meant => 0.9,
                _ => 0.05,
            }));
            folds.push((text % 5) as u8);
        }
        let mean = |believed: &[f32]| {
            let losses = explained(&Evidence { stated: &stated, believed, classes: 3 }, &folds);
            losses.iter().sum::<f64>() / losses.len() as f64
        };
        // A third of the labels is drawn with 0.6 to 0.4: no model explains them better than 0.673 / 3.
        assert!(mean(&truth) < 0.27 && mean(&truth) + 0.02 < mean(&muddled), "{} {}", mean(&truth), mean(&muddled));
    }
}
