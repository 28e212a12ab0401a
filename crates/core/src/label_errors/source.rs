//! Labels and probabilities as they are given: borrowed, checked, read in blocks.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::task::Class;

/// Stands where an item has no label.
pub const NO_LABEL: Class = Class::MAX;

/// Rows that one task works on.
const BLOCK: usize = 16_384;

/// Sums this close to one are one: what single precision leaves of them.
const ALIKE: f64 = 1e-5;

/// Sums this close to one may be rounding.
const ROUNDING: f64 = 1e-3;

/// Probabilities of every class for every item, borrowed, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Probabilities<'a> {
    values: Values<'a>,
    classes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Values<'a> {
    Single(&'a [f32]),
    Double(&'a [f64]),
}

impl<'a> Probabilities<'a> {
    /// Probabilities in single precision, `classes` per item.
    pub fn single(values: &'a [f32], classes: usize) -> Result<Self> {
        Self::of(Values::Single(values), values.len(), classes)
    }

    /// Probabilities in double precision, `classes` per item.
    pub fn double(values: &'a [f64], classes: usize) -> Result<Self> {
        Self::of(Values::Double(values), values.len(), classes)
    }

    fn of(values: Values<'a>, length: usize, classes: usize) -> Result<Self> {
        if classes == 0 || classes > usize::from(NO_LABEL) {
            return Err(Error::input(format!("expected 1 to {NO_LABEL} classes, found {classes}")));
        }
        if !length.is_multiple_of(classes) {
            return Err(Error::input(format!(
                "expected {classes} probabilities per item, found {length} in all, which leaves {}",
                length % classes
            )));
        }
        Ok(Self { values, classes })
    }

    /// How many classes.
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// How many rows.
    pub const fn rows(&self) -> usize {
        match self.values {
            Values::Single(values) => values.len() / self.classes,
            Values::Double(values) => values.len() / self.classes,
        }
    }

    /// One probability.
    ///
    /// # Panics
    /// If there is no such row or class.
    pub fn value(&self, row: usize, class: usize) -> f64 {
        self.at(row, class)
    }

    /// The likeliest class of a row, the first of equals.
    pub fn likeliest(&self, row: usize) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for class in 0..self.classes {
            let value = self.at(row, class);
            if value > best.1 {
                best = (class, value);
            }
        }
        best.0
    }

    /// Whether all rows are probabilities that sum to one, up to rounding.
    ///
    /// # Errors
    /// The first row that is not, and what is wrong with it.
    pub fn sound(&self) -> Result<()> {
        for row in 0..self.rows() {
            let total: f64 = (0..self.classes).map(|class| self.at(row, class)).sum();
            let fine = (0..self.classes).all(|class| (0.0..=1.0 + ROUNDING).contains(&self.at(row, class)));
            if !fine || (total - 1.0).abs() > ROUNDING {
                return Err(unsound(*self, row, total));
            }
        }
        Ok(())
    }

    fn at(&self, row: usize, class: usize) -> f64 {
        match self.values {
            Values::Single(values) => f64::from(values[row * self.classes + class]),
            Values::Double(values) => values[row * self.classes + class],
        }
    }

    #[inline]
    fn visit(&self, rows: Range<usize>, scaled: bool, mut each: impl FnMut(usize, &[f64])) {
        let classes = self.classes;
        match self.values {
            Values::Double(values) if !scaled => {
                let values = &values[rows.start * classes..rows.end * classes];
                for (row, values) in rows.zip(values.chunks_exact(classes)) {
                    each(row, values);
                }
            }
            Values::Double(values) => {
                let mut buffer = vec![0.0; classes];
                for row in rows {
                    let values = &values[row * classes..][..classes];
                    let total: f64 = values.iter().sum();
                    buffer.iter_mut().zip(values).for_each(|(to, from)| *to = from / total);
                    each(row, &buffer);
                }
            }
            Values::Single(values) => {
                let mut buffer = vec![0.0; classes];
                for row in rows {
                    let values = &values[row * classes..][..classes];
                    buffer.iter_mut().zip(values).for_each(|(to, &from)| *to = f64::from(from));
                    if scaled {
                        let total: f64 = buffer.iter().sum();
                        for value in &mut buffer {
                            *value /= total;
                        }
                    }
                    each(row, &buffer);
                }
            }
        }
    }
}

/// What to do with rows that do not sum to one. Sums within `1e-5` are taken for one: that is what single precision
/// leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sums {
    /// They are an error.
    #[default]
    Exact,
    /// Rows within `1e-3`, which is what rounding does, are scaled and counted; others are an error.
    Renormalise,
}

/// What was seen while checking.
#[derive(Clone, Debug, Default)]
pub(super) struct Check {
    pub(super) unlabelled: usize,
    pub(super) renormalised: usize,
    pub(super) constant: Vec<Class>,
}

/// Labelled rows of probabilities.
pub(super) trait Source: Sync {
    /// Rows, labelled or not.
    fn len(&self) -> usize;
    fn classes(&self) -> usize;
    /// Hands over row number, given class and probabilities of the labelled rows in a range.
    fn visit(&self, rows: Range<usize>, each: impl FnMut(usize, usize, &[f64]));
    /// What was found wrong while the source was checked.
    fn check(&self) -> Check;

    /// Maps blocks of rows in parallel and hands the results back in the order of the blocks.
    fn blocks<T: Send>(&self, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let blocks = self.len().div_ceil(BLOCK);
        (0..blocks).into_par_iter().map(|block| work(block * BLOCK..((block + 1) * BLOCK).min(self.len()))).collect()
    }

    /// Folds blocks of rows into as few accumulators as the threads allow, and those into one. Only for work whose
    /// result does not depend on the order.
    fn gather<T: Send>(
        &self,
        new: impl Fn() -> T + Sync + Send,
        work: impl Fn(&mut T, Range<usize>) + Sync + Send,
        merge: impl Fn(T, T) -> T + Sync + Send,
    ) -> T {
        let blocks = self.len().div_ceil(BLOCK);
        (0..blocks)
            .into_par_iter()
            .with_min_len(blocks.div_ceil(4 * rayon::current_num_threads()).max(1))
            .fold(&new, |mut kept, block| {
                work(&mut kept, block * BLOCK..((block + 1) * BLOCK).min(self.len()));
                kept
            })
            .reduce(&new, merge)
    }
}

/// One given class per row.
pub(super) struct Given<'a> {
    labels: &'a [Class],
    probabilities: Probabilities<'a>,
    scaled: bool,
    check: Check,
}

impl<'a> Given<'a> {
    pub(super) fn new(labels: &'a [Class], probabilities: Probabilities<'a>, sums: Sums) -> Result<Self> {
        let (rows, classes) = (probabilities.rows(), probabilities.classes());
        if labels.len() != rows {
            return Err(Error::input(format!(
                "expected one label per row of probabilities ({rows}), found {}",
                labels.len()
            )));
        }
        if let Some(row) = labels.iter().position(|&label| label != NO_LABEL && usize::from(label) >= classes) {
            return Err(Error::input(format!(
                "expected labels below {classes}, found {} at row {}",
                labels[row],
                row + 1
            )));
        }
        let unlabelled = labels.iter().filter(|&&label| label == NO_LABEL).count();
        if unlabelled == rows {
            return Err(Error::input("expected at least one item with a label, found none"));
        }
        let mut source = Self { labels, probabilities, scaled: false, check: Check::default() };
        let blocks = source.blocks(|rows| {
            let (mut off, mut bad) = (0usize, None);
            let mut low = vec![f64::INFINITY; classes];
            let mut high = vec![f64::NEG_INFINITY; classes];
            source.visit(rows, |row, _, values| {
                let mut total = 0.0;
                let mut fine = true;
                for ((&value, low), high) in values.iter().zip(&mut low).zip(&mut high) {
                    fine &= (0.0..=1.0 + ROUNDING).contains(&value);
                    total += value;
                    *low = if value < *low { value } else { *low };
                    *high = if value > *high { value } else { *high };
                }
                let away = (total - 1.0).abs();
                if away > ALIKE || !fine {
                    off += 1;
                    if bad.is_none() && (!fine || sums == Sums::Exact || away.is_nan() || away > ROUNDING) {
                        bad = Some((row, total));
                    }
                }
            });
            (off, bad, low, high)
        });
        let mut range = vec![(f64::INFINITY, f64::NEG_INFINITY); classes];
        let mut off = 0;
        for (count, bad, low, high) in blocks {
            if let Some((row, total)) = bad {
                return Err(unsound(probabilities, row, total));
            }
            off += count;
            for ((range, low), high) in range.iter_mut().zip(low).zip(high) {
                *range = (range.0.min(low), range.1.max(high));
            }
        }
        let constant = |class: &usize| rows - unlabelled > 1 && range[*class].0 == range[*class].1 && classes > 1;
        let constant = (0..classes).filter(constant).map(|class| class as Class).collect();
        source.scaled = off > 0;
        source.check = Check { unlabelled, renormalised: off, constant };
        Ok(source)
    }
}

fn unsound(probabilities: Probabilities<'_>, row: usize, total: f64) -> Error {
    for class in 0..probabilities.classes() {
        let value = probabilities.at(row, class);
        if !(0.0..=1.0 + ROUNDING).contains(&value) {
            return Error::input(format!(
                "expected probabilities from 0 to 1, found {value} at row {}, class {class}",
                row + 1
            ));
        }
    }
    let error = Error::input(format!(
        "expected probabilities that sum to 1, found a sum of {} at row {}",
        (total * 1e6).round() / 1e6,
        row + 1
    ));
    if (total - 1.0).abs() <= ROUNDING {
        error.hint("if that is rounding, allow it: `--renormalise`")
    } else {
        error.hint("one column per class is needed, and nothing but probabilities in them")
    }
}

impl Source for Given<'_> {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn classes(&self) -> usize {
        self.probabilities.classes()
    }

    #[inline]
    fn visit(&self, rows: Range<usize>, mut each: impl FnMut(usize, usize, &[f64])) {
        self.probabilities.visit(rows, self.scaled, |row, values| {
            let given = self.labels[row];
            if given != NO_LABEL {
                each(row, usize::from(given), values);
            }
        });
    }

    fn check(&self) -> Check {
        self.check.clone()
    }
}
