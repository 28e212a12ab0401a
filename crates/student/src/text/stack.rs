//! Weights for adding up the scores of several models, fitted on texts that the models have not seen.
//!
//! The weights minimise the cross-entropy of the sum, so they choose between models and set the temperature at once;
//! models over one set of features add up to one table of weights, and the sum costs nothing at prediction.

use super::solver::exp;
use super::target::Targets;

/// Scores of one model for the items of a list: `classes` per item.
pub(crate) type Scores = Vec<f32>;

/// Scores of all models with what they should say.
pub(crate) struct Stack<'a> {
    pub(crate) models: &'a [&'a Scores],
    pub(crate) items: &'a [u32],
    pub(crate) targets: &'a Targets<'a>,
    pub(crate) multilabel: bool,
}

/// The mean cross-entropy, its gradient and its curvature.
struct Quadratic {
    value: f64,
    slope: Vec<f64>,
    curvature: Vec<f64>,
}

impl Stack<'_> {
    /// Non-negative weights, one per model. Newton's method with the bounds kept by coordinate descent on each
    /// quadratic model, and halved steps until the objective falls.
    pub(crate) fn fit(&self) -> Vec<f64> {
        let count = self.models.len();
        let mut weights = vec![1.0 / count as f64; count];
        let mut here = self.evaluate(&weights);
        for _ in 0..30 {
            let goal = bounded_minimum(&here, &weights);
            let mut share = 1.0;
            let mut improved = false;
            for _ in 0..12 {
                let trial: Vec<f64> = weights.iter().zip(&goal).map(|(from, to)| from + share * (to - from)).collect();
                let there = self.evaluate(&trial);
                if there.value < here.value - 1e-9 {
                    improved = here.value - there.value > 1e-7;
                    (weights, here) = (trial, there);
                    break;
                }
                share *= 0.5;
            }
            if !improved {
                break;
            }
        }
        weights
    }

    /// The summed scores of one item.
    fn sum(&self, place: usize, classes: usize, weights: &[f64], sum: &mut [f32]) {
        sum.fill(0.0);
        for (scores, &weight) in self.models.iter().zip(weights) {
            let row = &scores[place * classes..][..classes];
            sum.iter_mut().zip(row).for_each(|(sum, score)| *sum += weight as f32 * score);
        }
    }

    fn evaluate(&self, weights: &[f64]) -> Quadratic {
        let (count, classes) = (self.models.len(), self.targets.classes());
        let mut result = Quadratic { value: 0.0, slope: vec![0.0; count], curvature: vec![0.0; count * count] };
        let (mut sum, mut goal, mut shares) = (vec![0.0f32; classes], vec![0.0f32; classes], vec![0.0f32; classes]);
        let mut means = vec![0.0f64; count];
        let mut total = 0.0f64;
        for (place, &item) in self.items.iter().enumerate() {
            let importance = f64::from(self.targets.importance(item as usize));
            if importance == 0.0 {
                continue;
            }
            total += importance;
            self.sum(place, classes, weights, &mut sum);
            self.targets.refined(item as usize, &sum, &mut goal);
            shares.copy_from_slice(&sum);
            probabilities(self.multilabel, &mut shares);
            result.value += importance * cross_entropy(self.multilabel, &goal, &shares);
            for (model, scores) in self.models.iter().enumerate() {
                let row = &scores[place * classes..][..classes];
                let errors = shares.iter().zip(&goal).zip(row);
                result.slope[model] +=
                    importance * errors.map(|((share, goal), score)| f64::from((share - goal) * score)).sum::<f64>();
                means[model] = row.iter().zip(&shares).map(|(score, share)| f64::from(score * share)).sum();
            }
            for left in 0..count {
                let left_row = &self.models[left][place * classes..][..classes];
                for right in 0..=left {
                    let right_row = &self.models[right][place * classes..][..classes];
                    let products = left_row.iter().zip(right_row).zip(&shares);
                    let spread: f64 = if self.multilabel {
                        products.map(|((a, b), p)| f64::from(a * b * p * (1.0 - p))).sum()
                    } else {
                        products.map(|((a, b), p)| f64::from(a * b * p)).sum::<f64>() - means[left] * means[right]
                    };
                    result.curvature[left * count + right] += importance * spread;
                }
            }
        }
        for left in 0..count {
            result.slope[left] /= total;
            for right in 0..=left {
                result.curvature[left * count + right] /= total;
                result.curvature[right * count + left] = result.curvature[left * count + right];
            }
        }
        result.value /= total;
        result
    }
}

/// The minimum of the quadratic model over non-negative weights.
fn bounded_minimum(model: &Quadratic, from: &[f64]) -> Vec<f64> {
    let count = from.len();
    let trace: f64 = (0..count).map(|at| model.curvature[at * count + at]).sum();
    let ridge = 1e-4 * trace / count as f64 + 1e-12;
    let mut weights = from.to_vec();
    for _ in 0..200 {
        for at in 0..count {
            let mut slope = model.slope[at];
            for other in 0..count {
                slope += model.curvature[at * count + other] * (weights[other] - from[other]);
            }
            slope += ridge * (weights[at] - from[at]);
            weights[at] = (weights[at] - slope / (model.curvature[at * count + at] + ridge)).max(0.0);
        }
    }
    weights
}

/// Turns scores into probabilities in place: a softmax, or a sigmoid each.
#[inline(always)]
pub(crate) fn probabilities(multilabel: bool, scores: &mut [f32]) {
    if multilabel {
        scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + exp(-*score)));
        return;
    }
    let most = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = exp(*score - most);
        sum += *score;
    }
    let inverse = 1.0 / sum;
    scores.iter_mut().for_each(|score| *score *= inverse);
}

/// The cross-entropy of one item; probabilities below 1e-7 count as 1e-7.
pub(crate) fn cross_entropy(multilabel: bool, goal: &[f32], shares: &[f32]) -> f64 {
    goal.iter()
        .zip(shares)
        .map(|(&goal, &share)| {
            let yes = if goal > 0.0 { -f64::from(goal) * f64::from(share).max(1e-7).ln() } else { 0.0 };
            let no = if multilabel && goal < 1.0 {
                -f64::from(1.0 - goal) * f64::from(1.0 - share).max(1e-7).ln()
            } else {
                0.0
            };
            yes + no
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::target::{Head, Target};
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_useful_model_gets_the_weight_and_noise_gets_none() {
        let mut random = Random::new(11);
        let truth: Vec<Target> = (0..600).map(|_| Target::Hard(random.below(3) as u16)).collect();
        let (mut good, mut noise) = (Vec::new(), Vec::new());
        for target in &truth {
            let Target::Hard(class) = target else { unreachable!() };
            for lane in 0..3 {
                let chance = random.below(1000) as f32 / 500.0;
                good.push(if lane == *class as usize { 1.0 } else { 0.0 } + chance);
                noise.push(random.below(1000) as f32 / 500.0);
            }
        }
        let targets = Targets::new(&truth, None, None, 3, Head::Softmax, 0.0).unwrap();
        let items: Vec<u32> = (0..600).collect();
        let stack = Stack { models: &[&good, &noise], items: &items, targets: &targets, multilabel: false };
        let weights = stack.fit();
        assert!(weights[0] > 1.0 && weights[1] < 0.1 * weights[0], "{weights:?}");
        let best = stack.evaluate(&weights).value;
        for other in [[weights[0] * 1.1, weights[1]], [weights[0] * 0.9, weights[1]], [weights[0], weights[1] + 0.1]] {
            assert!(stack.evaluate(&other).value >= best - 1e-6);
        }
    }
}
