//! Replicates of a sample, kept as sums.

use crate::hash::Digest;
use crate::random::Random;

/// How many replicates stand behind an interval.
pub(super) const REPLICATES: usize = 1000;

/// Where the distribution function of a Poisson variable of mean 1 passes each count, in 65,536ths.
const STEPS: [u16; 8] = [24_109, 48_219, 60_274, 64_292, 65_297, 65_498, 65_531, 65_535];

/// The same sums over every replicate.
#[derive(Clone, Debug, Default)]
pub(super) struct Replicates {
    /// Each column's sum in each replicate; empty while it is zero in all.
    columns: Vec<Vec<f64>>,
    /// The cluster being filled, its weight in each replicate, and its sums so far.
    open: Option<(u64, Vec<(usize, f64)>)>,
    clusters: u64,
}

impl Replicates {
    /// Adds to sums of a cluster. Clusters come one after the other.
    pub(super) fn add(&mut self, seed: u64, cluster: u64, column: usize, value: f64) {
        if value == 0.0 && self.open.as_ref().is_some_and(|(open, _)| *open == cluster) {
            return;
        }
        match &mut self.open {
            Some((open, sums)) if *open == cluster => match sums.iter_mut().find(|(known, _)| *known == column) {
                Some((_, sum)) => *sum += value,
                None => sums.push((column, value)),
            },
            _ => {
                self.close(seed);
                self.open = Some((cluster, vec![(column, value)]));
            }
        }
    }

    /// Draws the open cluster's weights and adds it to every replicate.
    pub(super) fn close(&mut self, seed: u64) {
        let Some((cluster, sums)) = self.open.take() else { return };
        self.clusters += 1;
        let weights = weights(seed, cluster);
        for (column, value) in sums {
            if value == 0.0 {
                continue;
            }
            if self.columns.len() <= column {
                self.columns.resize(column + 1, Vec::new());
            }
            let sums = &mut self.columns[column];
            if sums.is_empty() {
                sums.resize(REPLICATES, 0.0);
            }
            for (sum, weight) in sums.iter_mut().zip(&weights) {
                *sum += value * weight;
            }
        }
    }

    /// How many clusters there are, once all are closed.
    pub(super) const fn clusters(&self) -> u64 {
        self.clusters
    }

    /// A column's sum in every replicate; nothing if it is zero in all.
    pub(super) fn column(&self, column: usize) -> &[f64] {
        self.columns.get(column).map_or(&[], Vec::as_slice)
    }

    /// Adds the closed clusters of another part, whose columns are found at other places here.
    pub(super) fn merge(&mut self, other: &Self, place: impl Fn(usize) -> usize) {
        self.clusters += other.clusters;
        for (column, theirs) in other.columns.iter().enumerate().filter(|(_, sums)| !sums.is_empty()) {
            let column = place(column);
            if self.columns.len() <= column {
                self.columns.resize(column + 1, Vec::new());
            }
            let mine = &mut self.columns[column];
            mine.resize(REPLICATES, 0.0);
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
    }

    /// The middle 95 % of a figure of the replicates' sums, of those where it is known.
    pub(super) fn interval(&self, figure: impl Fn(usize) -> Option<f64>) -> Option<(f64, f64)> {
        let mut values: Vec<f64> = (0..REPLICATES).filter_map(figure).collect();
        if self.clusters < 2 || values.len() < REPLICATES / 2 {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Some((at(0.025), at(0.975)))
    }
}

/// A cluster's weight in each replicate: Poisson with mean 1, four draws out of every 64 random bits.
fn weights(seed: u64, cluster: u64) -> Vec<f64> {
    let digest = Digest::of_parts([seed.to_le_bytes().as_slice(), b"spans", cluster.to_le_bytes().as_slice()]);
    let mut random = Random::new(digest.to_u64());
    let mut weights = Vec::with_capacity(REPLICATES);
    while weights.len() < REPLICATES {
        let mut bits = random.next();
        for _ in 0..4 {
            let draw = bits as u16;
            bits >>= 16;
            weights.push(f64::from(STEPS.iter().map(|step| u8::from(draw >= *step)).sum::<u8>()));
        }
    }
    weights.truncate(REPLICATES);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_poisson_with_mean_one() {
        let (mut sum, mut square, mut zeros, count) = (0.0, 0.0, 0, 200);
        for cluster in 0..count {
            let weights = weights(3, cluster);
            assert_eq!(weights.len(), REPLICATES);
            sum += weights.iter().sum::<f64>();
            square += weights.iter().map(|weight| weight * weight).sum::<f64>();
            zeros += weights.iter().filter(|weight| **weight == 0.0).count();
        }
        let draws = count as f64 * REPLICATES as f64;
        let mean = sum / draws;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((square / draws - mean * mean - 1.0).abs() < 0.03);
        assert!((zeros as f64 / draws - (-1.0_f64).exp()).abs() < 0.005);
    }
}
