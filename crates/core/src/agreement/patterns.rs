//! Items grouped by how often each class was said about them.

use std::collections::HashMap;

use super::Scale;
use crate::task::Class;
use crate::votes::Votes;

/// The distinct patterns of class counts, and how many items have each.
pub(super) struct Patterns {
    pub(super) classes: usize,
    offsets: Vec<u32>,
    /// Class and count, in class order.
    cells: Vec<(Class, u32)>,
    /// Answers per item.
    sizes: Vec<u32>,
    /// Items per pattern.
    pub(super) counts: Vec<u64>,
}

/// What the coefficients need of any set of items. Sums over classes are vectors; `paired` sums run over items with two
/// answers or more.
pub(super) struct Sums {
    /// All items with an answer.
    pub(super) items: f64,
    /// Those with two or more.
    pub(super) compared: f64,
    /// The share of equal pairs of answers.
    pub(super) agree: f64,
    /// Shares of the item's answers.
    pub(super) shares: Vec<f64>,
    /// Answers on compared items.
    pub(super) paired: Vec<f64>,
    /// `c (n - c) / (n - 1)`: disagreements with the class, as coincidences.
    pub(super) apart: Vec<f64>,
    /// `c (c - 1)`: ordered pairs of answers that both name the class.
    pub(super) both: Vec<f64>,
    /// `c (n - 1)`: ordered pairs of which the first names it.
    pub(super) chances: Vec<f64>,
    /// The observed disagreement at the level of measurement, as coincidences; for names that of `apart`.
    pub(super) distance: f64,
}

impl Patterns {
    pub(super) fn of(votes: &Votes) -> Self {
        let mut found: HashMap<Box<[Class]>, u64> = HashMap::new();
        let mut said: Vec<Class> = Vec::new();
        for decision in 0..votes.decisions() {
            said.clear();
            said.extend(votes.of(decision).map(|vote| vote.class));
            if said.is_empty() {
                continue;
            }
            said.sort_unstable();
            match found.get_mut(said.as_slice()) {
                Some(count) => *count += 1,
                None => drop(found.insert(said.as_slice().into(), 1)),
            }
        }
        let mut sorted: Vec<(Box<[Class]>, u64)> = found.into_iter().collect();
        sorted.sort_unstable();
        let mut patterns = Self {
            classes: votes.classes(),
            offsets: vec![0],
            cells: Vec::new(),
            sizes: Vec::new(),
            counts: Vec::new(),
        };
        for (said, count) in sorted {
            for run in said.chunk_by(|left, right| left == right) {
                patterns.cells.push((run[0], run.len() as u32));
            }
            patterns.offsets.push(patterns.cells.len() as u32);
            patterns.sizes.push(said.len() as u32);
            patterns.counts.push(count);
        }
        patterns
    }

    /// Items with an answer.
    pub(super) fn items(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Items with two answers or more.
    pub(super) fn compared(&self) -> u64 {
        self.counts.iter().zip(&self.sizes).filter(|(_, size)| **size > 1).map(|(count, _)| count).sum()
    }

    /// The fewest and the most answers of an item.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let least = self.sizes.iter().min().copied().unwrap_or_default();
        (least as usize, self.sizes.iter().max().copied().unwrap_or_default() as usize)
    }

    /// How many answers name each class.
    pub(super) fn answers(&self) -> Vec<u64> {
        let mut answers = vec![0; self.classes];
        for (pattern, count) in self.counts.iter().enumerate() {
            for &(class, times) in self.cells(pattern) {
                answers[usize::from(class)] += count * u64::from(times);
            }
        }
        answers
    }

    fn cells(&self, pattern: usize) -> &[(Class, u32)] {
        &self.cells[self.offsets[pattern] as usize..self.offsets[pattern + 1] as usize]
    }

    /// The sums over items where each pattern occurs so often. `distances` are those of [`Patterns::distances`].
    pub(super) fn sums(&self, counts: &[u64], scale: &Scale, distances: &[f64]) -> Sums {
        let zeros = || vec![0.0; self.classes];
        let mut sums = Sums {
            items: 0.0,
            compared: 0.0,
            agree: 0.0,
            shares: zeros(),
            paired: zeros(),
            apart: zeros(),
            both: zeros(),
            chances: zeros(),
            distance: 0.0,
        };
        for (pattern, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (weight, size) = (count as f64, f64::from(self.sizes[pattern]));
            sums.items += weight;
            if size < 2.0 {
                for &(class, times) in self.cells(pattern) {
                    sums.shares[usize::from(class)] += weight * f64::from(times) / size;
                }
                continue;
            }
            sums.compared += weight;
            let mut equal = 0.0;
            for &(class, times) in self.cells(pattern) {
                let (class, times) = (usize::from(class), f64::from(times));
                sums.shares[class] += weight * times / size;
                sums.paired[class] += weight * times;
                sums.apart[class] += weight * times * (size - times) / (size - 1.0);
                sums.both[class] += weight * times * (times - 1.0);
                sums.chances[class] += weight * times * (size - 1.0);
                equal += times * (times - 1.0);
            }
            sums.agree += weight * equal / (size * (size - 1.0));
            if let Some(distance) = distances.get(pattern) {
                sums.distance += weight * distance;
            }
        }
        match scale {
            Scale::Nominal => sums.distance = sums.apart.iter().sum(),
            Scale::Ordinal => {
                // Ranks depend on all answers of the replicate, so their distances can only be taken now.
                let ranks = ranks(&sums.paired);
                for (pattern, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                    sums.distance += count as f64 * self.spread(pattern, &ranks);
                }
            }
            Scale::Interval(_) | Scale::Ratio(_) => {}
        }
        sums
    }

    /// The disagreement within an item of each pattern, for scales where it depends on the item alone; empty for others.
    pub(super) fn distances(&self, scale: &Scale) -> Vec<f64> {
        match scale {
            Scale::Nominal | Scale::Ordinal => Vec::new(),
            Scale::Interval(values) => (0..self.counts.len()).map(|pattern| self.spread(pattern, values)).collect(),
            Scale::Ratio(values) => (0..self.counts.len())
                .map(|pattern| {
                    let mut sum = 0.0;
                    for &(one, times) in self.cells(pattern) {
                        for &(other, others) in self.cells(pattern) {
                            let distance = ratio(values[usize::from(one)], values[usize::from(other)]);
                            sum += f64::from(times) * f64::from(others) * distance;
                        }
                    }
                    sum / f64::from(self.sizes[pattern].max(2) - 1)
                })
                .collect(),
        }
    }

    /// The sum over ordered pairs of answers of their squared difference, over one less than the answers:
    /// `2 (n sum c v^2 - (sum c v)^2) / (n - 1)`, taken about the mean so that large values lose no digits.
    fn spread(&self, pattern: usize, values: &[f64]) -> f64 {
        let size = f64::from(self.sizes[pattern]);
        if size < 2.0 {
            return 0.0;
        }
        let cells = || self.cells(pattern).iter().map(|&(class, times)| (values[usize::from(class)], f64::from(times)));
        let mean = cells().map(|(value, times)| times * value).sum::<f64>() / size;
        2.0 * size * cells().map(|(value, times)| times * (value - mean).powi(2)).sum::<f64>() / (size - 1.0)
    }
}

/// The middle rank of each class among these numbers of answers. The ordinal distance of Krippendorff, all answers from
/// one class to the other with half of each end, is the difference of these.
pub(super) fn ranks(paired: &[f64]) -> Vec<f64> {
    let mut below = 0.0;
    paired
        .iter()
        .map(|count| {
            let rank = below + count / 2.0;
            below += count;
            rank
        })
        .collect()
}

/// The distance on a ratio scale; two zeros are equal.
pub(super) fn ratio(one: f64, other: f64) -> f64 {
    if one + other > 0.0 { ((one - other) / (one + other)).powi(2) } else { 0.0 }
}
