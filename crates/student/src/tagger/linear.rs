//! Layers without a chain: a score for every token, or a label for every sentence.

use super::perceptron::{add_rows, stride_for};
use crate::chain::Encoded;
use crate::random::Random;

/// Something to learn: a run of tokens whose features add up, and the share of every lane.
pub(crate) struct Example {
    pub(crate) tokens: std::ops::Range<usize>,
    pub(crate) goal: Vec<f32>,
    pub(crate) weight: f32,
}

/// What was learnt.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) stride: usize,
    pub(crate) states: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearPlan {
    pub(crate) epochs: usize,
    pub(crate) rate: f32,
    /// The penalty on squared weights, per example that has the feature.
    pub(crate) decay: f32,
    pub(crate) seed: u64,
}

/// Logistic regression with one step length per weight (AdaGrad), the weights averaged over the second half of training.
/// With one lane the goal is a probability of its own, with more they exclude each other.
pub(crate) fn train(encoded: &Encoded, slots: usize, lanes: usize, examples: &[Example], plan: LinearPlan) -> Linear {
    let stride = stride_for(lanes);
    let size = slots * stride;
    let (mut states, mut squares, mut behind) = (vec![0.0f32; size], vec![1e-6f32; size], vec![0.0f32; size]);
    let mut bias = vec![0.0f32; stride];
    let mut bias_squares = vec![1e-6f32; stride];
    let mut order: Vec<u32> = (0..examples.len() as u32).filter(|&at| examples[at as usize].weight > 0.0).collect();
    let mut random = Random::new(plan.seed);
    let total = (plan.epochs * order.len()).max(1) as f32;
    let (mut sums, mut step) = (vec![0.0f32; stride], 0usize);
    for _ in 0..plan.epochs {
        random.shuffle(&mut order);
        for &at in &order {
            let example = &examples[at as usize];
            let scale = share_of(example.tokens.len());
            sums.fill(0.0);
            for token in example.tokens.clone() {
                add_rows(&states, stride, encoded.token(token), &mut sums);
            }
            sums.iter_mut().zip(&bias).for_each(|(sum, bias)| *sum = *sum * scale + bias);
            probabilities(&mut sums[..lanes]);
            // Steps of the first half count with nothing, later ones with the share of the second half that is left.
            let late = ((step as f32 / total - 0.5) * 2.0).max(0.0);
            for lane in 0..lanes {
                let slope = (sums[lane] - example.goal[lane]) * example.weight;
                bias_squares[lane] += slope * slope;
                bias[lane] -= plan.rate * slope / bias_squares[lane].sqrt();
                let slope = slope * scale;
                for token in example.tokens.clone() {
                    for &slot in encoded.token(token) {
                        let at = slot as usize * stride + lane;
                        let slope = slope + plan.decay * states[at];
                        squares[at] += slope * slope;
                        let change = plan.rate * slope / squares[at].sqrt();
                        states[at] -= change;
                        behind[at] -= late * change;
                    }
                }
            }
            step += 1;
        }
    }
    states.iter_mut().zip(&behind).for_each(|(weight, behind)| *weight -= behind);
    bias.truncate(lanes);
    Linear { stride, states, bias }
}

/// How much each token counts in a run of so many.
#[inline(always)]
pub(crate) fn share_of(tokens: usize) -> f32 {
    if tokens <= 1 { 1.0 } else { 1.0 / (tokens as f32).sqrt() }
}

/// Turns scores into probabilities: of one lane by itself, of several among each other.
pub(crate) fn probabilities(scores: &mut [f32]) {
    if let [score] = scores {
        *score = 1.0 / (1.0 + (-score.clamp(-60.0, 60.0)).exp());
        return;
    }
    let most = scores.iter().fold(f32::MIN, |most, &score| most.max(score));
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - most).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

impl Linear {
    /// The scores of a run of tokens, one per lane, before they become probabilities.
    pub(crate) fn score(&self, encoded: &Encoded, tokens: std::ops::Range<usize>) -> Vec<f32> {
        let mut sums = vec![0.0; self.stride];
        let scale = share_of(tokens.len());
        for token in tokens {
            add_rows(&self.states, self.stride, encoded.token(token), &mut sums);
        }
        sums.truncate(self.bias.len());
        sums.iter_mut().zip(&self.bias).for_each(|(sum, bias)| *sum = *sum * scale + bias);
        sums
    }
}
