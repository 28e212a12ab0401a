//! The table of two annotators' answers about the items they have in common, and its coefficients.

use crate::audit::{normal_interval, wilson};
use crate::measured::Measured;
use crate::task::Class;

/// How disagreements weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weights {
    /// All alike.
    Plain,
    /// By the steps between the classes.
    Linear,
    /// By their square.
    Quadratic,
}

impl Weights {
    fn of(self, one: usize, other: usize) -> f64 {
        let steps = one.abs_diff(other) as f64;
        match self {
            Self::Plain => f64::from(steps > 0.0),
            Self::Linear => steps,
            Self::Quadratic => steps * steps,
        }
    }
}

/// Whose shares make chance agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chance {
    /// Each annotator's own: Cohen.
    Own,
    /// Both annotators' together: Scott.
    Pooled,
}

/// An estimate, the variance that items bring, and the disagreement by chance that it is measured against; or why there
/// is none.
pub(super) type Estimate = Result<(f64, f64, f64), &'static str>;

pub(super) const NOTHING_SHARED: &str = "the two annotators have no item in common";
const ONE_CLASS: &str = "both annotators gave one and the same label throughout, so chance alone agrees as often";
const ONE_LABEL: &str = "there is one label, so nothing can be disagreed about";

/// How often the first annotator said one class and the second another, about one item. Only cells that occur.
pub(super) struct PairTable {
    /// The number of classes of the task.
    classes: usize,
    cells: Vec<(Class, Class, u64)>,
}

impl PairTable {
    /// A table from cells in any order, each at most once.
    pub(super) fn new(classes: usize, mut cells: Vec<(Class, Class, u64)>) -> Self {
        cells.sort_unstable();
        Self { classes, cells }
    }

    pub(super) fn counts(&self) -> Vec<u64> {
        self.cells.iter().map(|cell| cell.2).collect()
    }

    /// The same cells with other counts.
    pub(super) fn with(&self, counts: &[u64]) -> Self {
        let cells = self.cells.iter().zip(counts).map(|(&(one, other, _), &count)| (one, other, count)).collect();
        Self { classes: self.classes, cells }
    }

    pub(super) fn shared(&self) -> u64 {
        self.cells.iter().map(|cell| cell.2).sum()
    }

    pub(super) fn equal(&self) -> u64 {
        self.cells.iter().filter(|cell| cell.0 == cell.1).map(|cell| cell.2).sum()
    }

    /// Shares of the classes the first and the second annotator gave, over the classes that occur, with their numbers.
    fn margins(&self) -> (Vec<usize>, Vec<f64>, Vec<f64>) {
        let mut classes: Vec<usize> = self.cells.iter().flat_map(|cell| [cell.0.into(), cell.1.into()]).collect();
        classes.sort_unstable();
        classes.dedup();
        let (mut first, mut second) = (vec![0.0; classes.len()], vec![0.0; classes.len()]);
        let total = self.shared() as f64;
        for &(one, other, count) in &self.cells {
            first[place(&classes, one)] += count as f64 / total;
            second[place(&classes, other)] += count as f64 / total;
        }
        (classes, first, second)
    }

    /// Kappa, `1 - A / B` with the observed and the expected weighted disagreement A and B, and its variance by the delta
    /// method: the derivative for a share of cell (i, j) is `-(w_ij - A) / B + A (e_i + f_j - 2 B) / B^2`, where `e_i` and
    /// `f_j` are the expected disagreements of row i and column j (Fleiss, Cohen and Everitt 1969 for Cohen's).
    pub(super) fn kappa(&self, weights: Weights, chance: Chance) -> Estimate {
        let shared = self.shared() as f64;
        if shared == 0.0 {
            return Err(NOTHING_SHARED);
        }
        let (classes, mut first, mut second) = self.margins();
        if chance == Chance::Pooled {
            for (one, other) in first.iter_mut().zip(&mut second) {
                let mean = f64::midpoint(*one, *other);
                (*one, *other) = (mean, mean);
            }
        }
        let expected = |margin: &[f64]| -> Vec<f64> {
            if weights == Weights::Plain {
                return margin.iter().map(|share| 1.0 - share).collect();
            }
            let sum =
                |class: usize| classes.iter().zip(margin).map(|(&other, share)| weights.of(class, other) * share).sum();
            classes.iter().map(|&class| sum(class)).collect()
        };
        let (rows, columns) = (expected(&second), expected(&first));
        let by_chance: f64 = first.iter().zip(&rows).map(|(share, distance)| share * distance).sum();
        if by_chance <= 1e-12 {
            return Err(ONE_CLASS);
        }
        let cell = |&(one, other, count): &(Class, Class, u64)| {
            (weights.of(one.into(), other.into()), place(&classes, one), place(&classes, other), count as f64 / shared)
        };
        let apart: f64 = self.cells.iter().map(cell).map(|(weight, _, _, share)| weight * share).sum();
        let variance: f64 = self
            .cells
            .iter()
            .map(cell)
            .map(|(weight, row, column, share)| {
                let (row, column) = match chance {
                    Chance::Own => (rows[row], columns[column]),
                    // A change of either answer moves both margins by half.
                    Chance::Pooled => (rows[row], rows[column]),
                };
                let slope =
                    -(weight - apart) / by_chance + apart * (row + column - 2.0 * by_chance) / by_chance.powi(2);
                share * slope * slope
            })
            .sum();
        Ok((1.0 - apart / by_chance, variance / shared, by_chance))
    }

    /// Gwet's AC1 with its variance by the delta method.
    pub(super) fn ac1(&self) -> Estimate {
        let shared = self.shared() as f64;
        if shared == 0.0 {
            return Err(NOTHING_SHARED);
        }
        if self.classes < 2 {
            return Err(ONE_LABEL);
        }
        let others = self.classes as f64 - 1.0;
        let (classes, first, second) = self.margins();
        let mean: Vec<f64> = first.iter().zip(&second).map(|(one, other)| (one + other) / 2.0).collect();
        let by_chance = mean.iter().map(|share| share * (1.0 - share)).sum::<f64>() / others;
        let equal = self.equal() as f64 / shared;
        let centre: f64 = mean.iter().map(|share| share * (1.0 - 2.0 * share)).sum();
        let room = 1.0 - by_chance;
        let variance: f64 = self
            .cells
            .iter()
            .map(|&(one, other, count)| {
                let slope = |class: Class| 1.0 - 2.0 * mean[place(&classes, class)];
                let chance = (slope(one).midpoint(slope(other)) - centre) / others;
                let same = f64::from(one == other);
                let derivative = ((same - equal) * room - (1.0 - equal) * chance) / (room * room);
                count as f64 / shared * derivative * derivative
            })
            .sum();
        Ok(((equal - by_chance) / room, variance / shared, room))
    }

    /// The share of equal answers with its Wilson interval.
    pub(super) fn observed(&self) -> Measured {
        let shared = self.shared();
        if shared == 0 {
            return Measured::unknown(NOTHING_SHARED);
        }
        let share = self.equal() as f64 / shared as f64;
        Measured::known(share, wilson(share, shared as f64), basis(shared))
    }

    /// A figure with its normal interval. Where the items show no variance, which few items of perfect agreement do, the
    /// Wilson interval of the observed agreement is carried through the correction for chance instead.
    pub(super) fn measured(&self, estimate: Estimate) -> Measured {
        let (value, variance, chance) = match estimate {
            Ok(found) => found,
            Err(reason) => return Measured::unknown(reason),
        };
        let shared = self.shared();
        let equal = self.equal() as f64 / shared as f64;
        Measured::known(value, bounds(value, variance, (equal, chance), shared as f64), basis(shared))
    }
}

fn basis(shared: u64) -> String {
    format!("{shared} shared items")
}

fn place(classes: &[usize], class: Class) -> usize {
    // Every class of a cell is in the list made from the cells.
    classes.partition_point(|&other| other < usize::from(class))
}

/// The interval of a chance-corrected figure from its variance, or from the observed agreement where that is nil.
pub(super) fn bounds(value: f64, variance: f64, (equal, chance): (f64, f64), count: f64) -> (f64, f64) {
    if variance <= 1e-18 {
        return widened(value, (equal, chance), count);
    }
    let (low, high) = normal_interval(value, variance.sqrt());
    (low.max(-1.0).min(value), high.min(1.0).max(value))
}

/// The Wilson interval of the observed agreement, carried through the line from `(equal, value)` to `(1, 1)` on which the
/// figure lies when chance is held fast. Where agreement is perfect, the disagreement by chance tells the slope.
pub(super) fn widened(value: f64, (equal, chance): (f64, f64), count: f64) -> (f64, f64) {
    let slope = if equal < 1.0 { (1.0 - value) / (1.0 - equal) } else { 1.0 / chance.max(1e-9) };
    let (low, high) = wilson(equal, count);
    ((1.0 - slope * (1.0 - low)).max(-1.0).min(value), (1.0 - slope * (1.0 - high)).min(1.0).max(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_table_gives_its_kappa_and_standard_error() {
        // Fleiss, Levin and Paik 2003, table 18.1: kappa 0.676, standard error 0.088 (equation 18.15).
        let cells = vec![(0, 0, 75), (0, 1, 1), (0, 2, 4), (1, 0, 5), (1, 1, 4), (1, 2, 1), (2, 2, 10)];
        let (kappa, variance, _) = PairTable::new(3, cells).kappa(Weights::Plain, Chance::Own).unwrap();
        assert!((kappa - 0.676).abs() < 5e-4 && (variance.sqrt() - 0.088).abs() < 5e-4, "{kappa} {variance}");
    }

    #[test]
    fn variances_are_those_of_a_jackknife() {
        let table = PairTable::new(3, vec![(0, 0, 40), (0, 1, 7), (1, 0, 3), (1, 1, 20), (1, 2, 9), (2, 2, 31)]);
        let plain = |table: &PairTable, which: usize| match which {
            0 => table.kappa(Weights::Linear, Chance::Own).unwrap(),
            1 => table.kappa(Weights::Plain, Chance::Pooled).unwrap(),
            2 => table.kappa(Weights::Quadratic, Chance::Pooled).unwrap(),
            _ => table.ac1().unwrap(),
        };
        for which in 0..4 {
            let counts = table.counts();
            let total: u64 = counts.iter().sum();
            let without: Vec<(f64, f64)> = (0..counts.len())
                .map(|cell| {
                    let mut counts = counts.clone();
                    counts[cell] -= 1;
                    (counts[cell] as f64 + 1.0, plain(&table.with(&counts), which).0)
                })
                .collect();
            let mean = without.iter().map(|(count, value)| count * value).sum::<f64>() / total as f64;
            let jackknife = without.iter().map(|(count, value)| count * (value - mean).powi(2)).sum::<f64>()
                * (total as f64 - 1.0)
                / total as f64;
            let (_, variance, _) = plain(&table, which);
            assert!((variance / jackknife - 1.0).abs() < 0.05, "{which}: {variance} {jackknife}");
        }
    }

    #[test]
    fn what_is_not_known_is_said() {
        let one = PairTable::new(2, vec![(1, 1, 9)]);
        assert!(one.kappa(Weights::Plain, Chance::Own).is_err());
        assert_eq!(one.ac1().unwrap().0, 1.0);
        let Measured::Known { value, low, .. } = one.measured(one.ac1()) else { panic!() };
        assert!(value == 1.0 && low < 0.75, "nine equal answers are not certainty: {low}");
        assert!(PairTable::new(2, Vec::new()).observed().value().is_none());
        assert!(PairTable::new(1, vec![(0, 0, 3)]).ac1().is_err());
    }
}
