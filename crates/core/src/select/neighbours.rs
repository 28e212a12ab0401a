//! The nearest vectors of every vector.

use rayon::prelude::*;

use super::clusters::k_means;
use super::vectors::{Panels, UnitVectors};

/// For every vector, its nearest others by cosine, the nearest first; of equals the earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    count: usize,
    ids: Vec<u32>,
    cosines: Vec<f32>,
}

/// Up to so many vectors are compared with each other one by one.
pub const EXACT_UP_TO: usize = 8_000;

/// How many rows of products are made at once: what stays in the second cache.
const ROWS: usize = 48;

/// The neighbours of one vector: cosines and numbers.
type Row = Vec<(f32, u32)>;

impl Neighbours {
    /// The `count` nearest others of every vector; all others, if there are not more.
    ///
    /// Up to [`EXACT_UP_TO`] vectors the result is exact, at a cost of all pairs. Above, vectors are grouped by k-means
    /// and compared with those of the 16 groups nearest to their own, about a twentieth of all pairs at 50,000; a few
    /// percent of the neighbours are then missed and farther ones stand in for them. That supposes vectors that
    /// cluster, as those of texts do.
    pub fn find(vectors: &UnitVectors, count: usize) -> Self {
        if vectors.len() <= EXACT_UP_TO { Self::exact(vectors, count) } else { Self::grouped(vectors, count) }
    }

    /// The nearest others by comparison with all.
    pub fn exact(vectors: &UnitVectors, count: usize) -> Self {
        let all: Vec<u32> = (0..vectors.len() as u32).collect();
        let count = count.min(vectors.len().saturating_sub(1));
        let rows = among(vectors, &all, &all, &vectors.panels(), count);
        Self::of(rows, count)
    }

    fn grouped(vectors: &UnitVectors, count: usize) -> Self {
        let count = count.min(vectors.len().saturating_sub(1));
        // Groups large enough that the 16 nearest hold several times as many vectors as are looked for.
        let groups =
            ((vectors.len() as f64).sqrt() as usize).min(vectors.len() * PROBED / (6 * count.max(1))).max(PROBED);
        let clusters = k_means(vectors, groups, 0);
        let members = clusters.members();
        let near = Self::exact(&clusters.centres, PROBED - 1);
        let parts: Vec<Vec<(u32, Row)>> = (0..groups)
            .into_par_iter()
            .map(|group| {
                let mut others = members[group].clone();
                near.of_vector(group).0.iter().for_each(|&near| others.extend(&members[near as usize]));
                others.sort_unstable();
                let panels = vectors.gathered(&others).panels();
                let rows = among(vectors, &members[group], &others, &panels, count);
                members[group].iter().copied().zip(rows).collect()
            })
            .collect();
        let mut rows: Vec<Row> = vec![Vec::new(); vectors.len()];
        for (at, row) in parts.into_iter().flatten() {
            rows[at as usize] = row;
        }
        Self::of(rows, count)
    }

    fn of(rows: Vec<Vec<(f32, u32)>>, count: usize) -> Self {
        let mut neighbours = Self { count, ids: Vec::new(), cosines: Vec::new() };
        for row in rows {
            // A group with too few members leaves places empty; they say "itself" and count for nothing.
            let own = (neighbours.ids.len() / count.max(1)) as u32;
            let missing = count - row.len();
            neighbours.ids.extend(row.iter().map(|&(_, id)| id).chain(std::iter::repeat_n(own, missing)));
            neighbours.cosines.extend(row.iter().map(|&(cosine, _)| cosine).chain(std::iter::repeat_n(-1.0, missing)));
        }
        neighbours
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.ids.len().checked_div(self.count).unwrap_or(0)
    }

    /// Whether nothing has a neighbour.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The neighbours of one vector and their cosines, the nearest first.
    pub fn of_vector(&self, at: usize) -> (&[u32], &[f32]) {
        let range = at * self.count..(at + 1) * self.count;
        let ids = &self.ids[range.clone()];
        let known = ids.iter().position(|&id| id as usize == at).unwrap_or(self.count);
        (&ids[..known], &self.cosines[range][..known])
    }

    /// For every vector, who has it among its neighbours.
    pub(crate) fn inverse(&self) -> (Vec<usize>, Vec<u32>) {
        let mut starts = vec![0usize; self.len() + 1];
        for at in 0..self.len() {
            self.of_vector(at).0.iter().for_each(|&id| starts[id as usize + 1] += 1);
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut voters = vec![0u32; starts.last().copied().unwrap_or(0)];
        for at in 0..self.len() {
            for &id in self.of_vector(at).0 {
                voters[next[id as usize]] = at as u32;
                next[id as usize] += 1;
            }
        }
        (starts, voters)
    }
}

/// With how many groups a group is compared, its own among them.
const PROBED: usize = 16;

/// The nearest `count` of `others` (whose panels these are) for every one of `chosen`.
fn among(vectors: &UnitVectors, chosen: &[u32], others: &[u32], panels: &Panels, count: usize) -> Vec<Vec<(f32, u32)>> {
    let work = |chunk: &[u32]| {
        let rows: Vec<f32> = chunk.iter().flat_map(|&at| vectors.row(at as usize).iter().copied()).collect();
        let (mut products, mut room) = (Vec::new(), Vec::new());
        panels.products(&rows, &mut products);
        chunk
            .iter()
            .zip(products.chunks_exact(panels.stride().max(1)))
            .map(|(&own, row)| largest(&row[..others.len()], others, own, count, &mut room))
            .collect::<Vec<_>>()
    };
    chosen.par_chunks(ROWS).flat_map_iter(work).collect()
}

/// The `count` largest values and whose they are, in falling order. A sample of the values says what need not be looked
/// at: sorting all of them would cost more than computing them.
fn largest(values: &[f32], ids: &[u32], own: u32, count: usize, room: &mut Vec<(f32, u32)>) -> Vec<(f32, u32)> {
    let mut floor = f32::NEG_INFINITY;
    if values.len() > 8 * count && values.len() > 512 {
        let step = values.len() / 256;
        let mut sample: Vec<f32> = values.iter().step_by(step).copied().collect();
        let rank = (count as f64 / values.len() as f64 * sample.len() as f64 * 1.4) as usize + 6;
        if rank < sample.len() {
            floor = *sample.select_nth_unstable_by(rank, |a, b| b.total_cmp(a)).1;
        }
    }
    loop {
        room.clear();
        for (values, ids) in values.chunks(16).zip(ids.chunks(16)) {
            // Without an early end the comparison of sixteen is one instruction.
            #[expect(clippy::needless_bitwise_bool, reason = "a lazy `or` would branch at every value")]
            let any = values.iter().fold(false, |any, &value| any | (value >= floor));
            if any {
                let wanted = |&(&value, &id): &(&f32, &u32)| value >= floor && id != own;
                room.extend(values.iter().zip(ids).filter(wanted).map(|(&value, &id)| (value, id)));
            }
        }
        if room.len() >= count || floor == f32::NEG_INFINITY {
            break;
        }
        floor = f32::NEG_INFINITY;
    }
    let order = |left: &(f32, u32), right: &(f32, u32)| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1));
    if room.len() > count && count > 0 {
        room.select_nth_unstable_by(count - 1, order);
    }
    room.truncate(count);
    room.sort_unstable_by(order);
    room.clone()
}

#[cfg(test)]
mod tests {
    use super::super::vectors::tests::clouds;
    use super::*;

    #[test]
    fn the_nearest_are_those_of_a_full_sort() {
        for (size, width, count) in [(1, 4, 3), (2, 4, 3), (40, 5, 7), (700, 12, 9)] {
            let vectors = clouds(size, width, 3, 5);
            let found = Neighbours::exact(&vectors, count);
            for at in 0..size {
                let mut slow: Vec<(f32, u32)> = (0..size)
                    .filter(|&other| other != at)
                    .map(|other| {
                        let pairs = vectors.row(at).iter().zip(vectors.row(other));
                        (pairs.map(|(a, b)| a * b).sum::<f32>(), other as u32)
                    })
                    .collect();
                slow.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                slow.truncate(count);
                if found.is_empty() {
                    assert!(slow.is_empty());
                    continue;
                }
                let ids: Vec<u32> = slow.iter().map(|pair| pair.1).collect();
                assert_eq!(found.of_vector(at).0, ids, "{size} {at}");
            }
        }
    }

    #[test]
    fn groups_miss_few() {
        let vectors = clouds(3_000, 16, 30, 6);
        let (exact, near) = (Neighbours::exact(&vectors, 10), Neighbours::grouped(&vectors, 10));
        let hits: usize = (0..3_000)
            .map(|at| near.of_vector(at).0.iter().filter(|id| exact.of_vector(at).0.contains(id)).count())
            .sum();
        assert!(hits > 28_500, "{hits} of 30000");
    }
}
