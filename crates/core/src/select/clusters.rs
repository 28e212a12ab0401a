//! Groups of vectors by k-means, and who stands for a group.

use rayon::prelude::*;

use super::vectors::{UnitVectors, product};
use crate::random::Random;

/// Vectors in groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// The middle of every group, of length 1.
    pub centres: UnitVectors,
    /// The group of every vector.
    pub of: Vec<u32>,
    /// The cosine of every vector with the middle of its group.
    pub cosines: Vec<f32>,
}

/// More vectors than this for every group only take part in the last step.
const SAMPLE: usize = 48;
/// Passes over the sample.
const PASSES: usize = 10;

/// Groups unit vectors by spherical k-means (Dhillon and Modha 2001): the middles are those that have the largest sum
/// of cosines with their vectors, as far as ten passes from a start by k-means++ (Arthur and Vassilvitskii 2007) find them.
///
/// The middles are learnt on a random sample of 48 vectors per group, if there are more; at most as many groups as
/// vectors. Cost: `vectors * groups * width` for the last step and about ten times that of the sample.
pub fn k_means(vectors: &UnitVectors, groups: usize, seed: u64) -> Clusters {
    let groups = groups.min(vectors.len());
    let mut random = Random::for_purpose(seed, "k-means");
    if groups == 0 {
        return Clusters { centres: vectors.gathered(&[]), of: Vec::new(), cosines: Vec::new() };
    }
    let sample: Vec<u32> =
        random.sample(vectors.len(), (SAMPLE * groups).max(256)).into_iter().map(|at| at as u32).collect();
    let sampled = vectors.gathered(&sample);
    let mut centres = sampled.gathered(&first_centres(&sampled, groups, &mut random));
    for _ in 0..PASSES {
        let (of, _) = assign(&sampled, &centres);
        let moved = middles(&sampled, &of, &centres);
        let still = moved == centres;
        centres = moved;
        if still {
            break;
        }
    }
    let (of, cosines) = assign(vectors, &centres);
    Clusters { centres, of, cosines }
}

impl Clusters {
    /// The vectors of every group, in ascending order.
    pub fn members(&self) -> Vec<Vec<u32>> {
        let mut members = vec![Vec::new(); self.centres.len()];
        self.of.iter().enumerate().for_each(|(at, &group)| members[group as usize].push(at as u32));
        members
    }

    /// The vector nearest to the middle of every group that has one, the largest group first.
    pub fn representatives(&self) -> Vec<usize> {
        let mut members = self.members();
        members.retain(|group| !group.is_empty());
        members.sort_by(|left, right| right.len().cmp(&left.len()).then(left[0].cmp(&right[0])));
        members
            .iter()
            .filter_map(|group| {
                let nearest = |left: &&u32, right: &&u32| {
                    self.cosines[**left as usize].total_cmp(&self.cosines[**right as usize]).then(right.cmp(left))
                };
                group.iter().max_by(nearest).map(|&at| at as usize)
            })
            .collect()
    }
}

/// k-means++ : each further centre with a probability that grows with the distance to the nearest so far.
fn first_centres(vectors: &UnitVectors, groups: usize, random: &mut Random) -> Vec<u32> {
    let mut centres = vec![random.below(vectors.len()) as u32];
    let mut distance = vec![f64::MAX; vectors.len()];
    while centres.len() < groups {
        let last = vectors.row(centres[centres.len() - 1] as usize);
        distance.par_iter_mut().with_min_len(512).enumerate().for_each(|(at, distance)| {
            *distance = distance.min(f64::from((1.0 - product(vectors.row(at), last)).max(0.0)));
        });
        let total: f64 = distance.iter().sum();
        let mut left = random.unit() * total;
        let next = distance.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        // All vectors lie on centres already: any will do.
        centres.push(next.unwrap_or_else(|| random.below(vectors.len())) as u32);
    }
    centres
}

/// The nearest centre of every vector, and its cosine; of equals the first.
fn assign(vectors: &UnitVectors, centres: &UnitVectors) -> (Vec<u32>, Vec<f32>) {
    let panels = centres.panels();
    let all: Vec<u32> = (0..vectors.len() as u32).collect();
    all.par_chunks(96)
        .flat_map_iter(|chunk| {
            let rows: Vec<f32> = chunk.iter().flat_map(|&at| vectors.row(at as usize).iter().copied()).collect();
            let mut products = Vec::new();
            panels.products(&rows, &mut products);
            let nearest = |row: &[f32]| {
                let mut best = 0;
                for (at, &cosine) in row[..centres.len()].iter().enumerate() {
                    if cosine > row[best] {
                        best = at;
                    }
                }
                (best as u32, row[best])
            };
            products.chunks_exact(panels.stride()).map(nearest).collect::<Vec<_>>()
        })
        .unzip()
}

/// The middle of every group; an empty group keeps its centre.
fn middles(vectors: &UnitVectors, of: &[u32], before: &UnitVectors) -> UnitVectors {
    let width = vectors.width();
    let mut sums = vec![0.0f32; before.len() * width];
    for (at, &group) in of.iter().enumerate() {
        let sum = &mut sums[group as usize * width..][..width];
        sum.iter_mut().zip(vectors.row(at)).for_each(|(sum, value)| *sum += value);
    }
    for (group, sum) in sums.chunks_exact_mut(width).enumerate() {
        if sum.iter().all(|&value| value == 0.0) {
            sum.copy_from_slice(before.row(group));
        }
    }
    // Sums of unit vectors are finite and of the right width.
    UnitVectors::new(&sums, width).unwrap_or_else(|_| before.clone())
}

#[cfg(test)]
mod tests {
    use super::super::vectors::tests::clouds;
    use super::*;

    #[test]
    fn groups_are_found_and_every_vector_is_with_its_nearest_centre() {
        let vectors = clouds(400, 24, 4, 8);
        let found = k_means(&vectors, 4, 1);
        for at in 0..400 {
            let own = product(vectors.row(at), found.centres.row(found.of[at] as usize));
            for centre in 0..4 {
                assert!(product(vectors.row(at), found.centres.row(centre)) <= own + 1e-5);
            }
        }
        assert!(found.cosines.iter().sum::<f32>() / 400.0 > 0.75, "{:?}", found.cosines);
        assert_eq!(found.representatives().len(), 4);
        assert_eq!(found, k_means(&vectors, 4, 1));
        assert_eq!(k_means(&vectors, 1_000, 1).centres.len(), 400);
    }
}
