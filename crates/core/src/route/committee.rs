//! The same sources for every item.

use super::belief::likeliest;
use super::state::{Asked, State};
use crate::task::Class;

/// A fixed set of sources.
#[derive(Clone, Debug)]
pub(super) struct Committee {
    pub(super) members: Vec<u32>,
    /// Whether answers are weighed by the members' records; otherwise heads are counted.
    pub(super) weighed: bool,
}

impl Committee {
    pub(super) fn wanted(&self, state: &State) -> Vec<(u32, u32)> {
        ensemble(state, &self.members)
    }

    pub(super) fn labels(&self, state: &State, rows: &[Vec<f64>]) -> Vec<Class> {
        let label = |(decision, row): (u32, &Vec<f64>)| {
            if self.weighed { likeliest(row) } else { plurality(state, decision, &self.members, row) }
        };
        state.all().zip(rows).map(label).collect()
    }
}

/// Members of an ensemble that have not been asked, by decision. All members of one decision stand together, so that
/// money that runs out leaves few decisions half answered.
pub(super) fn ensemble(state: &State, members: &[u32]) -> Vec<(u32, u32)> {
    let of = |decision| {
        members
            .iter()
            .filter(move |&&source| state.find(decision, source).is_none())
            .map(move |&source| (decision, source))
    };
    state.all().flat_map(of).collect()
}

/// Answers per class of some sources.
pub(super) fn heads(state: &State, decision: u32, members: &[u32]) -> Vec<f64> {
    let mut heads = vec![0.0; state.classes()];
    for class in members.iter().filter_map(|&source| state.find(decision, source).and_then(Asked::label)) {
        heads[usize::from(class)] += 1.0;
    }
    heads
}

/// The most frequent class; among equals the likeliest.
pub(super) fn plurality(state: &State, decision: u32, members: &[u32], row: &[f64]) -> Class {
    let heads = heads(state, decision, members);
    let top = heads.iter().copied().fold(0.0, f64::max);
    let tied: Vec<f64> = heads.iter().zip(row).map(|(&count, &p)| if count == top { p } else { -1.0 }).collect();
    likeliest(&tied)
}
