//! IDEAL: items whose labels would spread farthest to others.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::neighbours::Neighbours;
use crate::random::Random;

/// Chooses the vectors from which the most others are reached, when every vector passes on to each of its neighbours
/// with a probability in proportion to their cosine, one passing on in all (the independent cascade of IDEAL, Zhang et
/// al. 2024, <https://arxiv.org/abs/2310.10873>; 10 neighbours and 10 cascades there).
///
/// The cascades are drawn once and kept, which leaves the expected reach what it is, makes it a submodular count and lets
/// the greedy choice be lazy (Leskovec et al. 2007): what a vector would add can only shrink, so few are looked at
/// again. The choice is within `1 - 1/e` of the best for these cascades. The published program takes the first vector
/// for its first seed; here the first is chosen like the others. Of equals the earlier is taken.
pub fn influence(neighbours: &Neighbours, count: usize, cascades: usize, seed: u64) -> Vec<usize> {
    let size = neighbours.len();
    let worlds = draw(neighbours, cascades.max(1), seed);
    let mut reached = vec![vec![false; size]; worlds.len()];
    let mut walk = Walk { stamp: vec![0; size], now: 0, queue: Vec::new() };
    let mut heap: BinaryHeap<Offer> =
        (0..size).map(|at| Offer { gain: walk.gain(&worlds, &reached, at), at, round: 0 }).collect();
    let mut chosen = Vec::with_capacity(count.min(size));
    while chosen.len() < count.min(size) {
        let Some(offer) = heap.pop() else { break };
        if offer.round == chosen.len() {
            walk.mark(&worlds, &mut reached, offer.at);
            chosen.push(offer.at);
        } else {
            let gain = walk.gain(&worlds, &reached, offer.at);
            heap.push(Offer { gain, round: chosen.len(), ..offer });
        }
    }
    chosen
}

/// The edges that pass on in one cascade, by where they begin.
struct World {
    starts: Vec<u32>,
    ends: Vec<u32>,
}

fn draw(neighbours: &Neighbours, cascades: usize, seed: u64) -> Vec<World> {
    let mut random = Random::for_purpose(seed, "cascades");
    (0..cascades)
        .map(|_| {
            let (mut starts, mut ends) = (vec![0], Vec::new());
            for at in 0..neighbours.len() {
                let (ids, cosines) = neighbours.of_vector(at);
                let total: f64 = cosines.iter().map(|&cosine| f64::from(cosine.max(0.0))).sum();
                for (&id, &cosine) in ids.iter().zip(cosines) {
                    // A draw for every edge, whatever its weight, so that one edge does not move the others' luck.
                    let luck = random.unit();
                    if total > 0.0 && luck < f64::from(cosine.max(0.0)) / total {
                        ends.push(id);
                    }
                }
                starts.push(ends.len() as u32);
            }
            World { starts, ends }
        })
        .collect()
}

struct Walk {
    stamp: Vec<u32>,
    now: u32,
    queue: Vec<u32>,
}

impl Walk {
    /// How many vectors, over all cascades, are reached from here and not yet.
    fn gain(&mut self, worlds: &[World], reached: &[Vec<bool>], from: usize) -> usize {
        worlds.iter().zip(reached).map(|(world, reached)| self.visit(world, reached, from).len()).sum()
    }

    fn mark(&mut self, worlds: &[World], reached: &mut [Vec<bool>], from: usize) {
        for (world, reached) in worlds.iter().zip(reached) {
            for at in self.visit(world, reached, from).to_vec() {
                reached[at as usize] = true;
            }
        }
    }

    fn visit(&mut self, world: &World, reached: &[bool], from: usize) -> &[u32] {
        self.queue.clear();
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamp.fill(0);
            self.now = 1;
        }
        if !reached[from] {
            self.queue.push(from as u32);
            self.stamp[from] = self.now;
        }
        let mut next = 0;
        while next < self.queue.len() {
            let at = self.queue[next] as usize;
            next += 1;
            for &end in &world.ends[world.starts[at] as usize..world.starts[at + 1] as usize] {
                let end = end as usize;
                // What lies behind a vector that is reached is reached, too.
                if !reached[end] && self.stamp[end] != self.now {
                    self.stamp[end] = self.now;
                    self.queue.push(end as u32);
                }
            }
        }
        &self.queue
    }
}

/// What a vector would add, as known in some round.
#[derive(PartialEq, Eq)]
struct Offer {
    gain: usize,
    at: usize,
    round: usize,
}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.cmp(&other.gain).then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::tests::clouds;
    use super::*;

    /// Greedy choice with all reaches counted anew, by repeated passes over all edges.
    fn slow(neighbours: &Neighbours, count: usize, cascades: usize, seed: u64) -> Vec<usize> {
        let worlds = draw(neighbours, cascades, seed);
        let size = neighbours.len();
        let reach = |seeds: &[usize]| -> usize {
            worlds
                .iter()
                .map(|world| {
                    let mut reached = vec![false; size];
                    seeds.iter().for_each(|&seed| reached[seed] = true);
                    loop {
                        let before = reached.clone();
                        for at in 0..size {
                            if reached[at] {
                                let range = world.starts[at] as usize..world.starts[at + 1] as usize;
                                world.ends[range].iter().for_each(|&end| reached[end as usize] = true);
                            }
                        }
                        if reached == before {
                            return reached.iter().filter(|&&reached| reached).count();
                        }
                    }
                })
                .sum()
        };
        let mut chosen: Vec<usize> = Vec::new();
        for _ in 0..count.min(size) {
            let with = |at: usize| [chosen.as_slice(), &[at]].concat();
            let best = (0..size)
                .filter(|at| !chosen.contains(at))
                .max_by(|&left, &right| reach(&with(left)).cmp(&reach(&with(right))).then(right.cmp(&left)));
            chosen.extend(best);
        }
        chosen
    }

    #[test]
    fn lazy_is_as_good_as_patient() {
        for seed in 0..6 {
            let neighbours = Neighbours::exact(&clouds(40, 3, 4, seed), 5);
            assert_eq!(influence(&neighbours, 8, 4, seed), slow(&neighbours, 8, 4, seed));
        }
    }
}
