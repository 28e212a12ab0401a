//! Links from cheap to strong, each with a promised error.

use super::belief::Belief;
use super::state::State;
use crate::guarantee::{GoldCheck, PromiseSettings, promise};
use crate::task::Class;

/// A cascade of sources.
#[derive(Clone, Debug)]
pub(super) struct Cascade {
    pub(super) links: Vec<u32>,
    pub(super) promise: PromiseSettings,
    /// Gold that proves thresholds, which no record was learnt from: class by the key of the item.
    pub(super) proof: Vec<(u64, Class)>,
}

impl Cascade {
    /// The next link's items, or nothing.
    ///
    /// At each link the confidence is the posterior of the likeliest class given all answers so far. Items at or above the
    /// threshold of [`promise`] are accepted, with the error promised for the items that reached this link; the rest goes
    /// on. The last link takes what comes.
    pub(super) fn wanted(&self, state: &State, belief: &Belief) -> Vec<(u32, u32)> {
        let mut items: Vec<u32> = state.all().collect();
        for (number, &source) in self.links.iter().enumerate() {
            let open: Vec<(u32, u32)> =
                items.iter().filter(|&&item| state.find(item, source).is_none()).map(|&item| (item, source)).collect();
            if !open.is_empty() {
                return open;
            }
            if number + 1 < self.links.len() {
                items = self.doubtful(state, belief, &items, &self.links[..=number]);
            }
        }
        Vec::new()
    }

    /// The items that no threshold accepts, the least sure first.
    fn doubtful(&self, state: &State, belief: &Belief, items: &[u32], links: &[u32]) -> Vec<u32> {
        let sure: Vec<(f64, Class)> = items
            .iter()
            .map(|&item| {
                let so_far: Vec<_> = links.iter().filter_map(|&source| state.find(item, source)).copied().collect();
                if so_far.iter().all(|one| one.label().is_none()) {
                    return (0.0, 0);
                }
                let row = belief.posterior(&so_far);
                let class = super::belief::likeliest(&row);
                (row[usize::from(class)], class)
            })
            .collect();
        let confidences: Vec<f64> = sure.iter().map(|one| one.0).collect();
        let mut checks = Vec::new();
        for (place, &item) in items.iter().enumerate() {
            if let Ok(found) = self.proof.binary_search_by_key(&state.key(item), |one| one.0) {
                let wrong = self.proof[found].1 != sure[place].1;
                checks.push(GoldCheck { item: place as u32, wrong, probability: None });
            }
        }
        // Whatever cannot be proved is not accepted.
        let threshold = promise(&confidences, &checks, &self.promise).ok().and_then(|made| made.threshold);
        let mut rest: Vec<usize> = (0..items.len())
            .filter(|&place| threshold.is_none_or(|threshold| confidences[place] < threshold))
            .collect();
        rest.sort_by(|&a, &b| {
            let key = |place: usize| (state.key(items[place]), items[place]);
            confidences[a].total_cmp(&confidences[b]).then(key(a).cmp(&key(b)))
        });
        rest.into_iter().map(|place| items[place]).collect()
    }
}
