//! Some items to an expert, the others to machines.

use super::belief::{Belief, likeliest};
use super::committee::{ensemble, heads, plurality};
use super::plan::unasked;
use super::state::{Asked, State};
use crate::random::Random;
use crate::task::Class;

/// Items drawn at random go to the expert.
#[derive(Clone, Debug)]
pub(super) struct RandomSplit {
    pub(super) machine: u32,
    pub(super) expert: Vec<u32>,
    pub(super) share: f64,
    pub(super) seed: u64,
}

impl RandomSplit {
    /// The items with the lowest random numbers, made from the seed and the item itself.
    fn drawn(&self, state: &State) -> Vec<bool> {
        let number =
            |decision: u32| Random::new(state.key(decision) ^ self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next();
        let mut order: Vec<u32> = state.all().collect();
        order.sort_by_key(|&decision| (number(decision), decision));
        let mut drawn = vec![false; order.len()];
        order[..part(order.len(), self.share)].iter().for_each(|&decision| drawn[decision as usize] = true);
        drawn
    }

    pub(super) fn wanted(&self, state: &State) -> Vec<(u32, u32)> {
        let drawn = self.drawn(state);
        let mut wanted = Vec::new();
        for decision in state.all() {
            let lineup: &[u32] = if drawn[decision as usize] { &self.expert } else { &[] };
            let source = state.available(decision, lineup).unwrap_or(self.machine);
            if state.find(decision, source).is_none() {
                wanted.push((decision, source));
            }
        }
        // Whatever happens, the machine's items come first: they are many and cheap.
        wanted.sort_by_key(|&(decision, source)| (source != self.machine, decision));
        wanted
    }

    /// Whose answer counts.
    pub(super) fn source(&self, state: &State, decision: u32) -> Option<u32> {
        let asked = state.asked(decision);
        let expert = self
            .expert
            .iter()
            .copied()
            .find(|&source| asked.iter().any(|one| one.source == source && one.label().is_some()));
        expert.or(Some(self.machine))
    }
}

/// What tells the items that go to the expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The entropy of the ensemble's answers.
    Entropy,
    /// One minus the posterior of the likeliest class, from the records and confidences of the ensemble.
    Confidence,
}

/// Items the ensemble is least sure about go to the expert.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) ensemble: Vec<u32>,
    pub(super) signal: Signal,
    pub(super) expert: Vec<u32>,
    pub(super) share: f64,
}

impl Split {
    pub(super) fn wanted(&self, state: &State, belief: &Belief) -> Vec<(u32, u32)> {
        let open = ensemble(state, &self.ensemble);
        if !open.is_empty() || self.expert.is_empty() {
            return open;
        }
        let doubt: Vec<f64> = state.all().map(|decision| self.doubt(state, belief, decision)).collect();
        let mut order: Vec<u32> = state.all().collect();
        order.sort_by(|&a, &b| {
            doubt[b as usize].total_cmp(&doubt[a as usize]).then(state.key(a).cmp(&state.key(b))).then(a.cmp(&b))
        });
        order.truncate(part(order.len(), self.share));
        order.into_iter().filter_map(|decision| Some((decision, unasked(state, decision, &self.expert)?))).collect()
    }

    fn doubt(&self, state: &State, belief: &Belief, decision: u32) -> f64 {
        match self.signal {
            Signal::Entropy => entropy(&heads(state, decision, &self.ensemble)),
            Signal::Confidence => {
                let own: Vec<Asked> =
                    self.ensemble.iter().filter_map(|&source| state.find(decision, source)).copied().collect();
                if own.iter().all(|one| one.label().is_none()) {
                    return 1.0;
                }
                1.0 - belief.posterior(&own).into_iter().fold(0.0, f64::max)
            }
        }
    }

    pub(super) fn labels(&self, state: &State, rows: &[Vec<f64>]) -> Vec<Class> {
        let label = |(decision, row): (u32, &Vec<f64>)| {
            let expert = self.expert.iter().find_map(|&source| state.find(decision, source).and_then(Asked::label));
            expert.unwrap_or_else(|| match self.signal {
                Signal::Entropy => plurality(state, decision, &self.ensemble, row),
                Signal::Confidence => likeliest(row),
            })
        };
        state.all().zip(rows).map(label).collect()
    }
}

/// The entropy of counts in bits; that of a fair choice among all classes if there are none.
pub(super) fn entropy(heads: &[f64]) -> f64 {
    let total: f64 = heads.iter().sum();
    if total <= 0.0 {
        return (heads.len() as f64).log2();
    }
    -heads.iter().filter(|&&count| count > 0.0).map(|count| count / total * (count / total).log2()).sum::<f64>()
}

/// How many of some items a share is, rounded down: money that is not there cannot be spent.
pub(super) fn part(items: usize, share: f64) -> usize {
    ((items as f64 * share.clamp(0.0, 1.0) + 1e-9).floor() as usize).min(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_shares() {
        assert!((entropy(&[1.0, 1.0]) - 1.0).abs() < 1e-12);
        assert!((entropy(&[3.0, 1.0]) - 0.811_278).abs() < 1e-6);
        assert_eq!(entropy(&[5.0, 0.0, 0.0]), 0.0);
        assert!((entropy(&[0.0; 4]) - 2.0).abs() < 1e-12);
        assert_eq!((part(10, 0.29), part(10, 0.3), part(10, 7.0)), (2, 3, 10));
    }
}
