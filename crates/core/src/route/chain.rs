//! Links from cheap to strong, and a vote by rank of confidence.

use super::belief::Belief;
use super::pool::MISSING;
use super::split::part;
use super::state::{Asked, State};
use crate::task::Class;

/// A chain of sources.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) links: Vec<u32>,
    /// The share of its items that each link forwards to the next.
    pub(super) forwarded: f64,
}

/// The items of one link with their confidences, the surest first.
type Ranked = Vec<(u32, f64)>;

impl Chain {
    /// What one link has seen, in order of confidence; `None` while it has not seen all.
    ///
    /// The confidence is the link's own, if it gives one: only ranks matter, so it need not be a probability. Otherwise it
    /// is what the answers so far, this one among them, make of this link's label: agreement with earlier links raises it.
    fn rank(&self, state: &State, belief: &Belief, link: usize, items: &[u32]) -> Option<Ranked> {
        let source = self.links[link];
        let confidence = |&decision: &u32| {
            let own = state.find(decision, source)?;
            let Some(label) = own.label() else { return Some((decision, -1.0)) };
            if !own.confidence.is_nan() {
                return Some((decision, f64::from(own.confidence)));
            }
            let so_far: Vec<Asked> =
                self.links[..=link].iter().filter_map(|&source| state.find(decision, source)).copied().collect();
            Some((decision, belief.posterior(&so_far)[usize::from(label)]))
        };
        let mut ranked: Ranked = items.iter().map(confidence).collect::<Option<_>>()?;
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(state.key(a.0).cmp(&state.key(b.0))).then(a.0.cmp(&b.0)));
        Some(ranked)
    }

    /// The links that have seen all their items, ranked, and the items that wait for the next.
    fn stages(&self, state: &State, belief: &Belief) -> (Vec<Ranked>, Vec<u32>) {
        let mut items: Vec<u32> = state.all().collect();
        let mut stages = Vec::new();
        for link in 0..self.links.len() {
            let Some(ranked) = self.rank(state, belief, link, &items) else { break };
            let kept = ranked.len() - part(ranked.len(), self.forwarded);
            items = ranked[kept..].iter().rev().map(|one| one.0).collect();
            stages.push(ranked);
        }
        (stages, items)
    }

    pub(super) fn wanted(&self, state: &State, belief: &Belief) -> Vec<(u32, u32)> {
        let (stages, items) = self.stages(state, belief);
        let Some(&source) = self.links.get(stages.len()) else { return Vec::new() };
        items.into_iter().filter(|&item| state.find(item, source).is_none()).map(|item| (item, source)).collect()
    }

    /// The label of the link whose confidence ranks highest among the items it saw, as a share of them; equal confidences
    /// share the mean of their ranks. A link that the money did not last for has the last word on what it answered.
    pub(super) fn labels(&self, state: &State, belief: &Belief) -> Vec<Option<Class>> {
        let (stages, _) = self.stages(state, belief);
        let mut best = vec![(0.0, None); state.decisions()];
        for (link, ranked) in stages.iter().enumerate() {
            let mut start = 0;
            while start < ranked.len() {
                let equal = ranked[start..].iter().take_while(|one| one.1 == ranked[start].1).count();
                // From 1 for the surest to near 0.
                let rank = 1.0 - (start as f64 + 0.5 * (equal as f64 - 1.0)) / ranked.len() as f64;
                for &(decision, _) in &ranked[start..start + equal] {
                    let label = state.find(decision, self.links[link]).and_then(Asked::label);
                    let place = &mut best[decision as usize];
                    if label.is_some() && rank >= place.0 {
                        *place = (rank, label);
                    }
                }
                start += equal;
            }
        }
        // A link that the money did not last for has answered some of its items all the same.
        if let Some(&source) = self.links.get(stages.len()) {
            for (decision, place) in best.iter_mut().enumerate() {
                let late = state.find(decision as u32, source).filter(|one| one.code != MISSING).and_then(Asked::label);
                if late.is_some() {
                    *place = (1.0, late);
                }
            }
        }
        best.into_iter().map(|(_, label)| label).collect()
    }
}
