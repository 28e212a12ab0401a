//! Vote-k: items that many others are near to, and that are not near to each other.

use super::neighbours::Neighbours;

/// The weight of a vote of somebody who has none of its neighbours chosen yet, in whole numbers, so that sums are exact
/// and ties are ties. Every chosen neighbour divides it by ten.
const WHOLE: u64 = 1_000_000_000_000;

/// Every vector votes for its nearest neighbours; whoever has the most votes is chosen, and the voters of the chosen
/// count a tenth from then on (Su et al. 2023, <https://arxiv.org/abs/2209.01975>, fast vote-k; 150 neighbours there).
///
/// Returns `count` positions in the order of choice, or all. Of equals the earlier is taken. The scores are kept up to
/// date vote by vote, so a choice costs the votes that it changes, not all of them.
pub fn vote_k(neighbours: &Neighbours, count: usize) -> Vec<usize> {
    let mut election = Election::new(neighbours);
    (0..count.min(neighbours.len())).filter_map(|_| election.elect(None)).collect()
}

/// The same with a model's confidence (full vote-k): after the vectors of `first`, which served as demonstrations, the
/// others are sorted by confidence and cut into as many equal bins as are still to be chosen; the best vote of every
/// bin is taken, so that sure and unsure items are chosen alike.
///
/// Returns `first`, then the others, `count` in all. `confidence` has a value for every vector; those of `first` do not
/// matter. Bins that have nothing left to choose are passed over.
pub fn vote_k_by_confidence(neighbours: &Neighbours, first: &[usize], confidence: &[f32], count: usize) -> Vec<usize> {
    let mut election = Election::new(neighbours);
    let mut chosen: Vec<usize> = Vec::new();
    for &at in first.iter().filter(|&&at| at < neighbours.len()) {
        if !election.chosen[at] && chosen.len() < count {
            election.take(at);
            chosen.push(at);
        }
    }
    let mut rest: Vec<usize> = (0..neighbours.len()).filter(|&at| !election.chosen[at]).collect();
    let value = |at: usize| confidence.get(at).copied().unwrap_or(0.0);
    rest.sort_by(|&left, &right| value(left).total_cmp(&value(right)).then(left.cmp(&right)));
    let bins = (count.min(neighbours.len()) - chosen.len()).max(1);
    for bin in 0..bins {
        let from = rest.len() * bin / bins;
        let to = rest.len() * (bin + 1) / bins;
        chosen.extend(election.elect(Some(&rest[from..to])));
    }
    chosen
}

/// Votes and what they count by now.
struct Election<'a> {
    neighbours: &'a Neighbours,
    starts: Vec<usize>,
    voters: Vec<u32>,
    weight: Vec<u64>,
    score: Vec<u64>,
    chosen: Vec<bool>,
}

impl<'a> Election<'a> {
    fn new(neighbours: &'a Neighbours) -> Self {
        let (starts, voters) = neighbours.inverse();
        let score = starts.windows(2).map(|range| (range[1] - range[0]) as u64 * WHOLE).collect();
        let count = neighbours.len();
        Self { neighbours, starts, voters, weight: vec![WHOLE; count], score, chosen: vec![false; count] }
    }

    fn elect(&mut self, among: Option<&[usize]>) -> Option<usize> {
        let better = |best: Option<usize>, at: usize| match best {
            Some(best) if self.score[at] <= self.score[best] => Some(best),
            _ => Some(at),
        };
        let free = |at: &usize| !self.chosen[*at];
        let best = match among {
            None => (0..self.score.len()).filter(free).fold(None, better),
            Some(among) => {
                let mut among: Vec<usize> = among.iter().copied().filter(free).collect();
                among.sort_unstable();
                among.into_iter().fold(None, better)
            }
        };
        if let Some(best) = best {
            self.take(best);
        }
        best
    }

    /// Chooses one: its own vote no longer counts, those of its voters count a tenth.
    fn take(&mut self, at: usize) {
        self.chosen[at] = true;
        self.change(at, 0);
        for place in self.starts[at]..self.starts[at + 1] {
            let voter = self.voters[place] as usize;
            self.change(voter, self.weight[voter] / 10);
        }
    }

    fn change(&mut self, voter: usize, weight: u64) {
        let loss = self.weight[voter] - weight;
        if loss > 0 {
            self.weight[voter] = weight;
            for &id in self.neighbours.of_vector(voter).0 {
                self.score[id as usize] -= loss;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vectors::tests::clouds;
    use super::*;

    /// The definition, word for word, with every score summed anew for every choice.
    fn slow(neighbours: &Neighbours, count: usize) -> Vec<usize> {
        let size = neighbours.len();
        let (mut chosen, mut times) = (Vec::new(), vec![0u32; size]);
        for _ in 0..count.min(size) {
            let score = |candidate: usize| -> u64 {
                (0..size)
                    .filter(|voter| !chosen.contains(voter))
                    .filter(|&voter| neighbours.of_vector(voter).0.contains(&(candidate as u32)))
                    .map(|voter| WHOLE / 10u64.pow(times[voter].min(13)))
                    .sum()
            };
            let best = (0..size)
                .filter(|at| !chosen.contains(at))
                .map(|at| (score(at), at))
                .max_by(|left, right| left.0.cmp(&right.0).then(right.1.cmp(&left.1)));
            let Some((_, best)) = best else { break };
            chosen.push(best);
            #[expect(clippy::needless_range_loop, reason = "the obvious way")]
            for voter in 0..size {
                if neighbours.of_vector(voter).0.contains(&(best as u32)) {
                    times[voter] += 1;
                }
            }
        }
        chosen
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn as_the_definition_says(size in 2usize..60, width in 1usize..6, near in 1usize..12, count in 0usize..20, seed in 0u64..1000) {
            let neighbours = Neighbours::exact(&clouds(size, width, 3, seed), near);
            prop_assert_eq!(vote_k(&neighbours, count), slow(&neighbours, count));
        }
    }

    #[test]
    fn confidence_spreads_the_choice() {
        let neighbours = Neighbours::exact(&clouds(100, 4, 3, 2), 10);
        let confidence: Vec<f32> = (0..100).map(|at| at as f32).collect();
        let chosen = vote_k_by_confidence(&neighbours, &[7, 7, 300], &confidence, 11);
        assert_eq!(chosen.len(), 11);
        assert_eq!(chosen[0], 7);
        for bin in 0..10 {
            // Ten bins of 99 values in order, the first of which lacks the one taken.
            let inside = chosen[1..].iter().filter(|&&at| at / 10 == bin).count();
            assert!((0..=2).contains(&inside), "{chosen:?}");
        }
        let mut distinct = chosen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 11);
        assert_eq!(vote_k_by_confidence(&neighbours, &[], &confidence, 200).len(), 100);
    }
}
