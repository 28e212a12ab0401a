//! The confident joint: how often each class is given where the model is confident of each other one.

use serde::Serialize;

use super::belief::Doubts;
use super::source::{Check, Source};
use crate::audit::wilson;
use crate::error::{Error, Result};
use crate::measured::Measured;

/// The least threshold of a class that has examples.
const LEAST: f64 = 2e-6;
/// The threshold of a class that has none: no probability reaches it.
const NEVER: f64 = 2.0;
/// Comparisons of probabilities allow for rounding.
pub(super) const ALIKE: f64 = 1e-6;

/// Counts and rates over pairs of a given and a meant class. Matrices have `classes x classes` entries by rows; the row
/// is the given class unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfidentJoint {
    /// How many classes.
    pub classes: usize,
    /// How many items are given each class.
    pub given: Vec<u64>,
    /// The mean probability of each class among the items that are given it, which an item has to reach for the model
    /// to count as confident; 2, which none reaches, for a class without items.
    pub thresholds: Vec<f64>,
    /// The number of items given the row's class of which the model is confident that they are of the column's; at
    /// least 1 on the diagonal.
    pub raw: Vec<u64>,
    /// The same, scaled so that rows sum to the number of items given the class, in whole numbers.
    pub calibrated: Vec<u64>,
    /// The calibrated counts as shares of all items.
    pub joint: Vec<f64>,
    /// The share of each given class (row) among the items of each true class (column); columns sum to one, or to zero
    /// for a class that is never meant.
    pub noise_matrix: Vec<f64>,
    /// The share of each true class (row) among the items given each class (column); columns sum to one, or to zero
    /// for a class that is never given.
    pub inverse_noise_matrix: Vec<f64>,
    /// The share of each true class.
    pub prior: Vec<f64>,
    /// The items of which the model is confident that they are of another class than the given, per given class.
    pub confident_errors: Vec<u64>,
    /// The items of which the model is confident of no class.
    pub unsure: u64,
}

/// What two passes over the probabilities give.
pub(super) struct Counted {
    pub(super) joint: ConfidentJoint,
    pub(super) doubts: Doubts,
    pub(super) check: Check,
}

impl ConfidentJoint {
    /// The length of the default list: all items of which the model is confident that they are of another class.
    pub fn confident(&self) -> u64 {
        self.confident_errors.iter().sum()
    }

    /// The items that the calibrated counts put off the diagonal.
    pub fn off_diagonal(&self) -> u64 {
        let all: u64 = self.calibrated.iter().sum();
        all - (0..self.classes).map(|class| self.calibrated[class * (self.classes + 1)]).sum::<u64>()
    }

    /// The estimated number of wrong labels: halfway between the items of which the model is confident that they are
    /// wrong and the number that its calibrated counts come to. The first leaves out what the model is not sure of, the
    /// second takes the unsure for alike; the interval spans both, each with its sampling error.
    pub fn estimated_errors(&self) -> Measured {
        let items: u64 = self.given.iter().sum();
        if self.given.iter().filter(|&&count| count > 0).count() < 2 {
            return Measured::unknown("all labels are of one class: a model of them cannot disagree");
        }
        if items == self.unsure {
            return Measured::unknown("the model is confident of no item: its probabilities say nothing");
        }
        let count = items as f64;
        let (sure, calibrated) = (self.confident() as f64 / count, self.off_diagonal() as f64 / count);
        let (least, most) = (sure.min(calibrated), sure.max(calibrated));
        // The calibrated share rests on the confident items alone.
        let confident = (items - self.unsure) as f64;
        let (low, high) = (wilson(least, count).0, wilson(most, confident).1);
        Measured::known(
            f64::midpoint(least, most) * count,
            (low * count, high * count),
            format!(
                "{items} labels against out-of-sample probabilities, between {} of which the model is confident and {} \
                 by its calibrated counts; no label was checked",
                self.confident(),
                self.off_diagonal()
            ),
        )
    }

    /// The lower and the upper estimate of the share of wrong labels among those of a class.
    pub(super) fn rates(&self, class: usize) -> (f64, f64) {
        let given = self.given[class];
        if given == 0 {
            return (0.0, 0.0);
        }
        let sure = self.confident_errors[class] as f64 / given as f64;
        let calibrated = 1.0 - self.calibrated[class * (self.classes + 1)] as f64 / given as f64;
        (sure.min(calibrated), sure.max(calibrated))
    }
}

/// The place of the greatest value, the first of equals.
#[inline]
pub(super) fn greatest(values: &[f64]) -> usize {
    let mut best = 0;
    for (place, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = place;
        }
    }
    best
}

/// Whether the given class is not the likeliest, allowing for rounding in favour of the given one.
#[inline]
pub(super) fn disagrees(values: &[f64], given: usize) -> bool {
    let own = values[given] + ALIKE;
    values.iter().enumerate().any(|(class, &value)| class != given && (value > own || (value == own && class < given)))
}

/// The class of which the model is confident: the only one that reaches its threshold; the likeliest of all if several
/// do; none if none does.
#[inline]
pub(super) fn confident_class(values: &[f64], thresholds: &[f64]) -> Option<usize> {
    let mut only = None;
    for (class, (&value, &threshold)) in values.iter().zip(thresholds).enumerate() {
        if value >= threshold - ALIKE {
            if only.is_some() {
                return Some(greatest(values));
            }
            only = Some(class);
        }
    }
    only
}

/// The thresholds, then the counts.
pub(super) fn count<S: Source>(source: &S, counts: Option<&[u64]>) -> Result<Counted> {
    let classes = source.classes();
    let (given, thresholds) = thresholds(source);
    let blocks = source.blocks(|rows| {
        let mut raw = vec![0u64; classes * classes];
        let mut errors = vec![0u64; classes];
        let mut unsure = 0;
        let mut doubts = Doubts::new(classes);
        source.visit(rows, |_, given, values| {
            doubts.add(given, values[given]);
            match confident_class(values, &thresholds) {
                None => unsure += 1,
                Some(class) => {
                    raw[given * classes + class] += 1;
                    errors[given] += u64::from(class != given && disagrees(values, given));
                }
            }
        });
        (raw, errors, unsure, doubts)
    });
    let mut raw = vec![0; classes * classes];
    let mut confident_errors = vec![0; classes];
    let mut unsure = 0;
    let mut doubts = Doubts::new(classes);
    for (block, errors, few, doubt) in blocks {
        raw.iter_mut().zip(block).for_each(|(to, from)| *to += from);
        confident_errors.iter_mut().zip(errors).for_each(|(to, from)| *to += from);
        unsure += few;
        doubts.merge(&doubt);
    }
    for class in 0..classes {
        let cell = &mut raw[class * (classes + 1)];
        *cell = (*cell).max(1);
    }
    let calibrated = match counts {
        None => calibrate(&raw, &given),
        Some(counts) => checked(counts, &given)?,
    };
    let total = calibrated.iter().sum::<u64>().max(1) as f64;
    let joint: Vec<f64> = calibrated.iter().map(|&count| count as f64 / total).collect();
    let row = |class: usize| joint[class * classes..][..classes].iter().sum::<f64>();
    let column = |class: usize| joint.iter().skip(class).step_by(classes).sum::<f64>();
    let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
    let prior: Vec<f64> = (0..classes).map(column).collect();
    let rows: Vec<f64> = (0..classes).map(row).collect();
    let noise_matrix = joint.iter().enumerate().map(|(cell, &part)| share(part, prior[cell % classes])).collect();
    let transposed = |cell: usize| (cell % classes, cell / classes);
    let inverse_noise_matrix = (0..classes * classes)
        .map(transposed)
        .map(|(given, meant)| share(joint[given * classes + meant], rows[given]))
        .collect();
    let joint = ConfidentJoint {
        classes,
        given,
        thresholds,
        raw,
        calibrated,
        joint,
        noise_matrix,
        inverse_noise_matrix,
        prior,
        confident_errors,
        unsure,
    };
    Ok(Counted { joint, doubts, check: source.check() })
}

fn thresholds<S: Source>(source: &S) -> (Vec<u64>, Vec<f64>) {
    let classes = source.classes();
    let blocks = source.blocks(|rows| {
        let mut sums = vec![(0u64, 0.0); classes];
        source.visit(rows, |_, given, values| {
            let (count, sum) = &mut sums[given];
            *count += 1;
            *sum += values[given];
        });
        sums
    });
    let mut sums = vec![(0u64, 0.0); classes];
    for block in blocks {
        for (to, from) in sums.iter_mut().zip(block) {
            *to = (to.0 + from.0, to.1 + from.1);
        }
    }
    let threshold = |(count, sum): (u64, f64)| if count == 0 { NEVER } else { (sum / count as f64).max(LEAST) };
    (sums.iter().map(|sum| sum.0).collect(), sums.into_iter().map(threshold).collect())
}

/// Scales rows to the class counts and the whole to the number of items, and rounds each row so that its sum stays.
fn calibrate(raw: &[u64], given: &[u64]) -> Vec<u64> {
    let classes = given.len();
    let mut scaled = Vec::with_capacity(raw.len());
    for (row, &count) in raw.chunks_exact(classes).zip(given) {
        let total = row.iter().sum::<u64>() as f64;
        scaled.extend(row.iter().map(|&cell| cell as f64 / total * count as f64));
    }
    let (total, items) = (scaled.iter().sum::<f64>(), given.iter().sum::<u64>() as f64);
    for cell in &mut scaled {
        *cell = if total > 0.0 { *cell / total * items } else { 0.0 };
    }
    let mut counts = Vec::with_capacity(raw.len());
    for row in scaled.chunks_exact(classes) {
        counts.extend(rounded(row));
    }
    counts
}

/// Whole numbers near these whose sum is theirs, rounded.
///
/// Halves go to the even neighbour. What is lacking goes to the cells that lost most, what is too much comes from the
/// cells that gained most. Cells that are exactly alike: the last gains first, the first loses first. The reference
/// leaves that to the sorting routine of its numerical library, whose order among equals changes with the vector
/// instructions of the processor; without those it is the one here.
fn rounded(row: &[f64]) -> Vec<u64> {
    let mut whole: Vec<f64> = row.iter().map(|cell| cell.round_ties_even()).collect();
    let wanted = row.iter().sum::<f64>().round_ties_even();
    loop {
        let difference = wanted - whole.iter().sum::<f64>();
        if difference.abs() < 0.5 {
            break;
        }
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&left, &right| (row[left] - whole[left]).total_cmp(&(row[right] - whole[right])));
        if difference > 0.0 {
            order.reverse();
        }
        for &cell in order.iter().take(difference.abs() as usize) {
            whole[cell] += difference.signum();
        }
    }
    whole.iter().map(|&cell| cell.max(0.0) as u64).collect()
}

fn checked(counts: &[u64], given: &[u64]) -> Result<Vec<u64>> {
    let classes = given.len();
    if counts.len() != classes * classes {
        return Err(Error::task(format!("expected {} calibrated counts, found {}", classes * classes, counts.len())));
    }
    for (class, (row, &count)) in counts.chunks_exact(classes).zip(given).enumerate() {
        let sum: u64 = row.iter().sum();
        if sum != count {
            return Err(Error::task(format!(
                "expected the calibrated counts of class {class} to sum to its {count} items, found {sum}"
            )));
        }
    }
    Ok(counts.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_sums() {
        assert_eq!(rounded(&[1.5, 2.5, 3.0]), [2, 2, 3]);
        assert_eq!(rounded(&[0.4, 0.4, 0.2]), [0, 1, 0]);
        assert_eq!(rounded(&[0.6, 0.6, 0.8]), [0, 1, 1]);
        assert_eq!(rounded(&[0.0, 0.0]), [0, 0]);
    }

    #[test]
    fn several_confident_classes_ask_for_the_likeliest_of_all() {
        assert_eq!(confident_class(&[0.45, 0.3, 0.25], &[0.9, 0.3, 0.2]), Some(0));
        assert_eq!(confident_class(&[0.45, 0.3, 0.25], &[0.9, 0.3, 0.3]), Some(1));
        assert_eq!(confident_class(&[0.45, 0.3, 0.25], &[0.9, 0.9, 0.9]), None);
    }
}
