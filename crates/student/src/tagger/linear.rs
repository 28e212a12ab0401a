//! Layers of scores: a logistic regression per token. Also what layers without a chain have in common.

use super::perceptron::{add_rows, stride_for};
use crate::chain::Encoded;
use crate::random::Random;

/// Something to learn: a token, and the score it should have.
pub(crate) struct Example {
    pub(crate) token: usize,
    pub(crate) goal: f32,
    pub(crate) weight: f32,
}

/// What was learnt about tokens or sentences without a chain.
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
pub(crate) fn train(encoded: &Encoded, slots: usize, examples: &[Example], plan: LinearPlan) -> Linear {
    let stride = stride_for(1);
    let size = slots * stride;
    let (mut states, mut squares, mut behind) = (vec![0.0f32; size], vec![1e-6f32; size], vec![0.0f32; size]);
    let mut bias = vec![0.0f32; stride];
    let mut bias_squares = 1e-6f32;
    let mut order: Vec<u32> = (0..examples.len() as u32).filter(|&at| examples[at as usize].weight > 0.0).collect();
    let mut random = Random::new(plan.seed);
    let total = (plan.epochs * order.len()).max(1) as f32;
    let (mut sums, mut step) = (vec![0.0f32; stride], 0usize);
    for _ in 0..plan.epochs {
        random.shuffle(&mut order);
        for &at in &order {
            let example = &examples[at as usize];
            sums.fill(0.0);
            add_rows(&states, stride, encoded.token(example.token), &mut sums);
            sums.iter_mut().zip(&bias).for_each(|(sum, bias)| *sum += bias);
            probabilities(&mut sums[..1]);
            // Steps of the first half count with nothing, later ones with the share of the second half that is left.
            let late = ((step as f32 / total - 0.5) * 2.0).max(0.0);
            let slope = (sums[0] - example.goal) * example.weight;
            bias_squares += slope * slope;
            bias[0] -= plan.rate * slope / bias_squares.sqrt();
            for &slot in encoded.token(example.token) {
                let at = slot as usize * stride;
                let slope = slope + plan.decay * states[at];
                squares[at] += slope * slope;
                let change = plan.rate * slope / squares[at].sqrt();
                states[at] -= change;
                behind[at] -= late * change;
            }
            step += 1;
        }
    }
    states.iter_mut().zip(&behind).for_each(|(weight, behind)| *weight -= behind);
    bias.truncate(1);
    Linear { stride, states, bias }
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
        for token in tokens {
            add_rows(&self.states, self.stride, encoded.token(token), &mut sums);
        }
        sums.truncate(self.bias.len());
        sums.iter_mut().zip(&self.bias).for_each(|(sum, bias)| *sum += bias);
        sums
    }
}
