//! What is known about the labels of a sentence, and what a model's probabilities lose by it.

use super::lattice::{Lattice, Pairs};
use super::links::Links;
use super::{Constraints, Encoded};
use crate::error::{Error, Result};

/// What is known about the labels of one sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The label of each token. The loss is minus the logarithm of the sequence's probability.
    Hard(Vec<u16>),
    /// A distribution over labels for each token, `tokens x labels` numbers; rows are scaled to sum to one. The loss is
    /// the cross-entropy of the marginals, `-sum_i sum_l q_i(l) log p(y_i = l)`.
    Soft(Vec<f32>),
    /// The labels that each token may have, `tokens x labels`. The loss is minus the logarithm of the probability of all
    /// sequences that agree (Tsuboi et al. 2008).
    Allowed(Vec<bool>),
}

impl Target {
    /// A partial target from the set of allowed labels of each token.
    pub fn allowed<'a>(sets: impl IntoIterator<Item = &'a [u16]>, labels: usize) -> Self {
        let mut mask = Vec::new();
        for set in sets {
            let begin = mask.len();
            mask.resize(begin + labels, false);
            for &label in set {
                if usize::from(label) < labels {
                    mask[begin + usize::from(label)] = true;
                }
            }
        }
        Self::Allowed(mask)
    }

    /// Checks the shape and the numbers; rows of distributions are scaled.
    pub(super) fn check(&self, tokens: usize, constraints: &Constraints) -> Result<()> {
        let labels = constraints.labels;
        let expect = |found: usize, expected: usize| {
            if found == expected {
                return Ok(());
            }
            Err(Error::input(format!("expected a target of {expected} numbers for {tokens} tokens, found {found}")))
        };
        match self {
            Self::Hard(sequence) => {
                expect(sequence.len(), tokens)?;
                if let Some(label) = sequence.iter().find(|&&label| usize::from(label) >= labels) {
                    return Err(Error::input(format!("expected labels below {labels}, found {label}")));
                }
                if !constraints.allow(sequence) {
                    return Err(Error::input(format!("the label sequence {sequence:?} breaks the constraints"))
                        .hint("read its spans leniently and write them again"));
                }
            }
            Self::Soft(rows) => {
                expect(rows.len(), tokens * labels)?;
                for (token, row) in rows.chunks_exact(labels).enumerate() {
                    let sum: f32 = row.iter().sum();
                    if row.iter().any(|&share| share < 0.0) || !(sum > 0.0 && sum.is_finite()) {
                        return Err(Error::input(format!(
                            "expected weights that are not negative with a positive sum at token {token}, found {row:?}"
                        )));
                    }
                }
            }
            Self::Allowed(mask) => {
                expect(mask.len(), tokens * labels)?;
                if let Some(token) = mask.chunks_exact(labels).position(|row| !row.contains(&true)) {
                    return Err(Error::input(format!("expected an allowed label at token {token}, found none")));
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` for every token and label the target speaks for; a label outside gets no weight of its own.
    pub(super) fn possible(&self, labels: usize, mut visit: impl FnMut(usize, usize)) {
        match self {
            Self::Hard(sequence) => {
                sequence.iter().enumerate().for_each(|(token, &label)| visit(token, usize::from(label)));
            }
            Self::Soft(rows) => rows
                .iter()
                .enumerate()
                .filter(|&(_, &share)| share > 1e-3)
                .for_each(|(at, _)| visit(at / labels, at % labels)),
            Self::Allowed(mask) => {
                mask.iter().enumerate().filter(|&(_, &may)| may).for_each(|(at, _)| visit(at / labels, at % labels));
            }
        }
    }
}

/// A prior on how many tokens lie in entities, for targets that say where entities are but hardly ever where none are
/// (Effland and Collins 2021, <https://arxiv.org/abs/2104.04165>): the loss per token is `weight x max(0, |share - expected
/// share of tokens| - slack)`. Label 0 is outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntityRatio {
    /// The share of tokens in entities.
    pub share: f64,
    /// By how much it may be missed for nothing.
    pub slack: f64,
    /// What a miss costs, per token.
    pub weight: f64,
}

impl Default for EntityRatio {
    /// The published values, which suit news.
    fn default() -> Self {
        Self { share: 0.15, slack: 0.05, weight: 10.0 }
    }
}

impl EntityRatio {
    /// The loss per token at this expected share, and its derivative.
    pub(super) fn loss(self, share: f64) -> (f64, f64) {
        let over = share - self.share;
        let miss = over.abs() - self.slack;
        if miss > 0.0 { (self.weight * miss, self.weight * over.signum()) } else { (0.0, 0.0) }
    }
}

/// Buffers for the loss of one sentence after another.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) lattice: Lattice,
    masked: Lattice,
    value: Vec<f64>,
}

/// What one sentence adds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    pub(super) value: f64,
    /// The expected number of tokens in entities.
    pub(super) inside: f64,
}

/// The loss of a sentence, with its gradient added to `states` (overwritten) and `pairs`. `ratio` is the derivative of the
/// prior's loss with respect to the expected number of tokens in entities. A sentence in which no sequence agrees with the
/// target adds nothing.
#[expect(clippy::too_many_arguments, reason = "buffers are handed in so that nothing is allocated per sentence")]
pub(super) fn loss(
    links: &Links,
    scores: &[f32],
    target: &Target,
    weight: f64,
    ratio: f64,
    scratch: &mut Scratch,
    states: &mut Vec<f64>,
    pairs: &mut Pairs,
) -> Loss {
    let labels = links.labels();
    states.clear();
    states.resize(scores.len(), 0.0);
    let Scratch { lattice, masked, value } = scratch;
    if scores.is_empty() || !lattice.fill(links, scores, None) {
        return Loss::default();
    }
    let mut found = Loss::default();
    for token in 0..lattice.tokens() {
        found.inside += lattice.inside(token);
    }
    match target {
        Target::Hard(sequence) => {
            lattice.expect(weight, states, pairs, links);
            for (token, &label) in sequence.iter().enumerate() {
                states[token * labels + usize::from(label)] -= weight;
            }
            pairs.observe(-weight, sequence);
            found.value = weight * (lattice.log_partition() - links.score(scores, sequence));
        }
        Target::Allowed(mask) => {
            if !masked.fill(links, scores, Some(mask)) {
                return found;
            }
            lattice.expect(weight, states, pairs, links);
            masked.expect(-weight, states, pairs, links);
            found.value = weight * (lattice.log_partition() - masked.log_partition());
        }
        Target::Soft(rows) => {
            value.clear();
            value.resize(scores.len(), 0.0);
            for (token, row) in rows.chunks_exact(labels).enumerate() {
                let sum: f64 = row.iter().map(|&share| f64::from(share)).sum();
                for (label, &share) in row.iter().enumerate().filter(|&(_, &share)| share > 0.0) {
                    let share = f64::from(share) / sum;
                    let likely = lattice.token(token, label).max(1e-10);
                    found.value -= weight * share * likely.ln();
                    value[token * labels + label] = share / likely;
                }
            }
            lattice.covary(value, -weight, states, pairs, links);
        }
    }
    if ratio != 0.0 {
        value.clear();
        value.extend((0..scores.len()).map(|at| f64::from(u8::from(at % labels > 0))));
        lattice.covary(value, ratio, states, pairs, links);
    }
    found
}

/// Checks that there is a target, and a weight if any, for every sentence.
pub(super) fn check_all(
    encoded: &Encoded,
    targets: &[Target],
    weights: Option<&[f32]>,
    constraints: &Constraints,
) -> Result<()> {
    if targets.len() != encoded.sentences() {
        let (expected, found) = (encoded.sentences(), targets.len());
        return Err(Error::input(format!("expected one target per sentence ({expected}), found {found}")));
    }
    if encoded.tokens() == 0 {
        return Err(Error::input("expected at least one token to learn from, found none"));
    }
    if let Some(weights) = weights {
        if weights.len() != targets.len() {
            let (expected, found) = (targets.len(), weights.len());
            return Err(Error::input(format!("expected one weight per sentence ({expected}), found {found}")));
        }
        if let Some(place) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(
                Error::input(format!("expected a weight of zero or more, found {}", weights[place])).for_item(place)
            );
        }
    }
    for (sentence, target) in targets.iter().enumerate() {
        target.check(encoded.sentence(sentence).len(), constraints).map_err(|error| error.for_item(sentence))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Layout, Weights};
    use super::*;
    use crate::random::Random;

    fn normal(random: &mut Random) -> f32 {
        (0..6).map(|_| random.below(1000) as f32 / 1000.0 - 0.5).sum::<f32>() * 1.5
    }

    /// Every gradient is what differences of the loss say, for every kind of target, with and without the prior.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut random = Random::new(5);
        let layout = Layout::Bio { types: 1 };
        let (constraints, labels) = (layout.constraints(), layout.labels());
        for tokens in [1, 2, 5] {
            let scores: Vec<f32> = (0..tokens * labels).map(|_| normal(&mut random)).collect();
            let mut weights = Weights::zeros(0, labels);
            for weight in weights.transition.iter_mut().chain(&mut weights.start).chain(&mut weights.end) {
                *weight = normal(&mut random);
            }
            let hard: Vec<u16> = [0, 1, 2, 2, 1].into_iter().take(tokens).collect();
            let soft =
                (0..tokens * labels).map(|at| if at == 2 { 0.0 } else { random.below(9) as f32 + 0.5 }).collect();
            let mask = (0..tokens * labels).map(|at| at % labels == 0 || random.below(2) == 0).collect();
            for target in [Target::Hard(hard), Target::Soft(soft), Target::Allowed(mask)] {
                for ratio in [0.0, 0.7] {
                    // Sum of the loss and of `ratio` times the expected number of tokens in entities.
                    let value = |weights: &Weights, scores: &[f32]| {
                        let links = Links::new(weights, &constraints).unwrap();
                        let (mut states, mut pairs) = (Vec::new(), Pairs::new(labels));
                        let scratch = &mut Scratch::default();
                        let found = loss(&links, scores, &target, 1.5, 0.0, scratch, &mut states, &mut pairs);
                        found.value + ratio * found.inside
                    };
                    let links = Links::new(&weights, &constraints).unwrap();
                    let (mut states, mut pairs) = (Vec::new(), Pairs::new(labels));
                    let scratch = &mut Scratch::default();
                    loss(&links, &scores, &target, 1.5, ratio, scratch, &mut states, &mut pairs);
                    pairs.finish(&links);
                    let step = 0.01f32;
                    let near = |found: f64, expected: f64, what: &str| {
                        assert!((found - expected).abs() < 2e-3, "{what}: {found} {expected} {target:?} {ratio}");
                    };
                    for at in 0..scores.len() {
                        let moved = |by: f32| {
                            let mut scores = scores.clone();
                            scores[at] += by;
                            value(&weights, &scores)
                        };
                        near(states[at], (moved(step) - moved(-step)) / (2.0 * f64::from(step)), "state");
                    }
                    for at in 0..labels * (labels + 2) {
                        let moved = |by: f32| {
                            let mut weights = weights.clone();
                            let Weights { transition, start, end, .. } = &mut weights;
                            *transition.iter_mut().chain(start).chain(end).nth(at).unwrap() += by;
                            value(&weights, &scores)
                        };
                        let found = pairs.transition.iter().chain(&pairs.start).chain(&pairs.end).nth(at).unwrap();
                        let expected = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                        near(*found, expected, "link");
                    }
                }
            }
        }
    }
}
