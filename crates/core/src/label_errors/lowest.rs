//! The lowest values of a stream.

/// Keeps the `keep` lowest values with their items, and those tied with the highest of them, in memory for about twice
/// as many.
#[derive(Clone, Debug)]
pub(super) struct Lowest {
    keep: usize,
    entries: Vec<(f64, u32)>,
    cut: f64,
    /// When the entries are next thinned out.
    full: usize,
}

impl Lowest {
    pub(super) fn new(keep: usize) -> Self {
        Self { keep, entries: Vec::new(), cut: f64::INFINITY, full: 2 * keep + 64 }
    }

    #[inline]
    pub(super) fn push(&mut self, value: f64, item: u32) {
        if value <= self.cut && self.keep > 0 {
            self.entries.push((value, item));
            if self.entries.len() >= self.full {
                self.thin();
            }
        }
    }

    fn thin(&mut self) {
        if self.entries.len() > self.keep {
            let (_, &mut (cut, _), _) = self.entries.select_nth_unstable_by(self.keep - 1, |l, r| l.0.total_cmp(&r.0));
            self.cut = cut;
            self.entries.retain(|entry| entry.0 <= cut);
        }
        // Ties may leave more than was asked for; the next thinning waits until there are twice as many.
        self.full = 2 * self.entries.len().max(self.keep) + 64;
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.cut = self.cut.min(other.cut);
        if self.keep > 0 {
            self.entries.extend(other.entries);
            self.thin();
        }
        self
    }

    /// The entries in ascending order, ties by item: at least `keep` if there were so many, more if the last are tied.
    pub(super) fn sorted(mut self) -> Vec<(f64, u32)> {
        if self.keep == 0 {
            return Vec::new();
        }
        self.thin();
        self.entries.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn any_split_gives_what_sorting_gives() {
        let mut random = Random::new(5);
        let values: Vec<f64> = (0..5000).map(|_| (random.unit() * 300.0).floor()).collect();
        for keep in [0, 1, 10, 700, 6000] {
            let mut parts = [Lowest::new(keep), Lowest::new(keep)];
            for (item, &value) in values.iter().enumerate() {
                parts[item % 3 / 2].push(value, item as u32);
            }
            let [left, right] = parts;
            let found = left.merge(right).sorted();
            let mut all: Vec<(f64, u32)> =
                values.iter().enumerate().map(|(item, &value)| (value, item as u32)).collect();
            all.sort_by(|l, r| l.0.total_cmp(&r.0));
            let cut = if keep == 0 { f64::NEG_INFINITY } else { all[keep.min(all.len()) - 1].0 };
            all.retain(|entry| entry.0 <= cut);
            assert_eq!(found, all, "{keep}");
        }
    }
}
