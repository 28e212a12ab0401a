//! Training data with the slots that occur numbered without gaps.

use super::{Encoded, Target};

/// Sentences whose slots are numbered by frequency, most frequent first, so that the rows that are read most lie together.
pub(super) struct Prepared<'a> {
    pub(super) encoded: Encoded,
    pub(super) targets: &'a [Target],
    pub(super) weights: Option<&'a [f32]>,
    /// The old slot of each new one.
    pub(super) slots: Vec<u32>,
}

impl<'a> Prepared<'a> {
    /// Keeps the slots that occur at least `least` times.
    pub(super) fn new(encoded: &Encoded, targets: &'a [Target], weights: Option<&'a [f32]>, least: u32) -> Self {
        let mut counts = vec![0u32; encoded.slots()];
        for &slot in encoded.all_slots() {
            counts[slot as usize] = counts[slot as usize].saturating_add(1);
        }
        let mut slots: Vec<u32> =
            (0..counts.len() as u32).filter(|&slot| counts[slot as usize] >= least.max(1)).collect();
        slots.sort_by_key(|&slot| (std::cmp::Reverse(counts[slot as usize]), slot));
        let mut place = vec![u32::MAX; counts.len()];
        for (new, &old) in slots.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        Self { encoded: encoded.renumbered(&place), targets, weights, slots }
    }

    pub(super) fn weight(&self, sentence: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[sentence]))
    }
}
