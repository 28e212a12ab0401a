//! Choices that cover a set of vectors: k-center, typical items, facility location.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::clusters::{Clusters, k_means};
use super::vectors::{UnitVectors, product};
use crate::random::Random;

/// Chooses again and again the vector that is farthest from all chosen ones, the first being the nearest to the mean
/// (Sener and Savarese 2018). No choice of as many has less than half its largest distance of a vector to the
/// nearest chosen one. Outliers come first, which is what covering means; where that hurts, use [`typical`].
///
/// Cost: `vectors * count * width`.
pub fn k_center(vectors: &UnitVectors, count: usize) -> Vec<usize> {
    if vectors.is_empty() || count == 0 {
        return Vec::new();
    }
    let mean = mean(vectors);
    let first = best(vectors.len(), |at| product(vectors.row(at), &mean));
    let mut nearest = vec![f32::NEG_INFINITY; vectors.len()];
    let (mut chosen, mut taken) = (vec![first], vec![false; vectors.len()]);
    taken[first] = true;
    while chosen.len() < count.min(vectors.len()) {
        let last = vectors.row(chosen[chosen.len() - 1]);
        nearest.par_iter_mut().with_min_len(512).enumerate().for_each(|(at, nearest)| {
            *nearest = nearest.max(product(vectors.row(at), last));
        });
        let next = best(vectors.len(), |at| if taken[at] { f32::NEG_INFINITY } else { -nearest[at] });
        taken[next] = true;
        chosen.push(next);
    }
    chosen
}

/// Groups the vectors by k-means into as many groups as are to be chosen and takes the most typical of every group,
/// the one with the smallest mean distance to its 20 nearest in the group (TypiClust, Hacohen et al. 2022,
/// <https://arxiv.org/abs/2202.02794>), the largest group first. Meant for very few labels; where more than 500 are
/// wanted there are 500 groups, and they are gone round.
pub fn typical(vectors: &UnitVectors, count: usize, seed: u64) -> Vec<usize> {
    const MOST_GROUPS: usize = 500;
    const NEAR: usize = 20;
    let count = count.min(vectors.len());
    let clusters = k_means(vectors, count.min(MOST_GROUPS), seed);
    let mut members = clusters.members();
    members.sort_by(|left, right| right.len().cmp(&left.len()).then(left.first().cmp(&right.first())));
    let ranked: Vec<Vec<u32>> = members
        .par_iter()
        .map(|group| {
            let inside = vectors.gathered(group);
            let near = super::Neighbours::find(&inside, NEAR);
            let mut ranked: Vec<(f64, u32)> = group
                .iter()
                .enumerate()
                .map(|(place, &at)| {
                    let cosines = if near.is_empty() { &[] } else { near.of_vector(place).1 };
                    let distance = cosines.iter().map(|&c| f64::from(2.0 - 2.0 * c).max(0.0).sqrt()).sum::<f64>();
                    (distance / cosines.len().max(1) as f64, at)
                })
                .collect();
            ranked.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
            ranked.into_iter().map(|pair| pair.1).collect()
        })
        .collect();
    let mut chosen = Vec::with_capacity(count);
    for round in 0.. {
        let before = chosen.len();
        let next = ranked.iter().filter_map(|group| group.get(round)).map(|&at| at as usize);
        chosen.extend(next.take(count - before));
        if chosen.len() == before || chosen.len() == count {
            break;
        }
    }
    chosen
}

/// The vectors nearest to the middles of as many groups as are to be chosen, the largest group first.
pub fn representatives(vectors: &UnitVectors, count: usize, seed: u64) -> Vec<usize> {
    let clusters: Clusters = k_means(vectors, count, seed);
    clusters.representatives()
}

/// Up to so many vectors all may be chosen and all are served.
const SERVED: usize = 4_000;
/// Otherwise so many may be chosen.
const OFFERED: usize = 1_500;

/// Chooses the vectors that maximise the sum, over all vectors, of the cosine with the nearest chosen one (facility
/// location; Nemhauser, Wolsey and Fisher 1978), greedily and lazily, so within `1 - 1/e` of the best. Negative cosines
/// count as none. Of equals the earlier is taken.
///
/// Above 4,000 vectors a random 4,000 are served and 1,500 of them may be chosen: the objective is a mean, which a sample
/// knows well.
pub fn facility_location(vectors: &UnitVectors, count: usize, seed: u64) -> Vec<usize> {
    let mut random = Random::for_purpose(seed, "facility location");
    let served: Vec<usize> = random.sample(vectors.len(), SERVED);
    let offered: Vec<usize> = if served.len() == vectors.len() {
        served.clone()
    } else {
        random.sample(served.len(), OFFERED.max(count)).into_iter().map(|place| served[place]).collect()
    };
    let customers = vectors.gathered(&served.iter().map(|&at| at as u32).collect::<Vec<_>>());
    let panels = customers.panels();
    let near: Vec<Vec<f32>> = offered
        .par_chunks(48)
        .flat_map_iter(|chunk| {
            let rows: Vec<f32> = chunk.iter().flat_map(|&at| vectors.row(at).iter().copied()).collect();
            let mut products = Vec::new();
            panels.products(&rows, &mut products);
            products.chunks_exact(panels.stride()).map(|row| row[..served.len()].to_vec()).collect::<Vec<_>>()
        })
        .collect();
    let mut best = vec![0.0f32; served.len()];
    let gain = |best: &[f32], row: &[f32]| -> f64 {
        row.iter().zip(best).map(|(&cosine, &best)| f64::from((cosine - best).max(0.0))).sum()
    };
    let mut heap: BinaryHeap<Offer> =
        near.iter().enumerate().map(|(place, row)| Offer { gain: gain(&best, row), place, round: 0 }).collect();
    let mut chosen = Vec::new();
    while chosen.len() < count.min(offered.len()) {
        let Some(offer) = heap.pop() else { break };
        if offer.round == chosen.len() {
            best.iter_mut().zip(&near[offer.place]).for_each(|(best, &cosine)| *best = best.max(cosine));
            chosen.push(offered[offer.place]);
        } else {
            heap.push(Offer { gain: gain(&best, &near[offer.place]), round: chosen.len(), ..offer });
        }
    }
    chosen
}

struct Offer {
    gain: f64,
    place: usize,
    round: usize,
}

impl PartialEq for Offer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Offer {}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn mean(vectors: &UnitVectors) -> Vec<f32> {
    let mut mean = vec![0.0f32; vectors.width()];
    for at in 0..vectors.len() {
        mean.iter_mut().zip(vectors.row(at)).for_each(|(mean, value)| *mean += value);
    }
    mean
}

/// The position of the largest value, the first of equals.
fn best(count: usize, value: impl Fn(usize) -> f32) -> usize {
    let (mut best, mut most) = (0, f32::NEG_INFINITY);
    for at in 0..count {
        let value = value(at);
        if value > most {
            (best, most) = (at, value);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::vectors::tests::clouds;
    use super::*;

    #[test]
    fn k_center_as_the_definition_says() {
        for (size, count, seed) in [(1, 3, 1), (30, 7, 2), (80, 80, 3), (50, 0, 4)] {
            let vectors = clouds(size, 5, 3, seed);
            let found = k_center(&vectors, count);
            assert_eq!(found.len(), count.min(size));
            for turn in 1..found.len() {
                let distance = |at: usize| {
                    found[..turn].iter().map(|&c| product(vectors.row(at), vectors.row(c))).fold(f32::MIN, f32::max)
                };
                let farthest =
                    (0..size).filter(|at| !found[..turn].contains(at)).map(distance).fold(f32::MAX, f32::min);
                assert_eq!(distance(found[turn]), farthest);
            }
        }
    }

    #[test]
    fn facility_location_as_the_patient_greedy_choice() {
        for seed in 0..5 {
            let vectors = clouds(60, 6, 5, seed);
            let objective = |chosen: &[usize]| -> f64 {
                (0..60)
                    .map(|at| {
                        let near = |c: &usize| product(vectors.row(at), vectors.row(*c)).max(0.0);
                        f64::from(chosen.iter().map(near).fold(0.0, f32::max))
                    })
                    .sum()
            };
            let mut slow: Vec<usize> = Vec::new();
            for _ in 0..9 {
                let with = |at: usize| objective(&[slow.as_slice(), &[at]].concat());
                let next = (0..60)
                    .filter(|at| !slow.contains(at))
                    .max_by(|&left, &right| with(left).total_cmp(&with(right)).then(right.cmp(&left)));
                slow.extend(next);
            }
            let found = facility_location(&vectors, 9, seed);
            // Sums in another order may differ in the last digits; what they reach may not.
            assert!((objective(&found) - objective(&slow)).abs() < 1e-3, "{found:?} {slow:?}");
        }
    }

    #[test]
    fn typical_items_lie_in_different_groups_and_in_their_midst() {
        let vectors = clouds(300, 20, 4, 3);
        let clusters = k_means(&vectors, 4, 9);
        let found = typical(&vectors, 4, 9);
        let mut groups: Vec<u32> = found.iter().map(|&at| clusters.of[at]).collect();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups.len(), 4);
        for &at in &found {
            let own: Vec<f32> =
                (0..300).filter(|&o| clusters.of[o] == clusters.of[at]).map(|o| clusters.cosines[o]).collect();
            let better = own.iter().filter(|&&cosine| cosine > clusters.cosines[at]).count();
            assert!(better * 2 < own.len(), "{better} of {}", own.len());
        }
        assert_eq!(typical(&vectors, 1_000, 1).len(), 300);
        assert_eq!(representatives(&vectors, 4, 9).len(), 4);
        assert!(typical(&vectors, 0, 1).is_empty());
    }
}
