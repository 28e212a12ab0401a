//! Label errors: which given labels are probably wrong, how many there are, and in what order to look at them.
//!
//! Confident learning (Northcutt, Jiang and Chuang 2021, <https://arxiv.org/abs/1911.00068>) counts how often a model
//! that has not seen an item is confident of a class other than the given one. It assumes that errors depend on the
//! true class alone and that the model is about as sure of every item of a class; where a class is rare or the model
//! weak it finds little, and says nothing about errors the model shares. So every list carries an estimate of its
//! precision, and a small human check ([`precision_at`]) replaces the model's own opinion.
//!
//! ```
//! use postil_core::label_errors::{Probabilities, Settings, find};
//!
//! let labels = [0, 0, 0, 1, 1, 1];
//! let rows = [0.9, 0.1, 0.8, 0.2, 0.03, 0.97, 0.1, 0.9, 0.2, 0.8, 0.2, 0.8];
//! let found = find(&labels, Probabilities::double(&rows, 2)?, &Settings::default())?;
//! assert_eq!(found.issues[0].item, 2);
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! ```text
//! labels, probabilities -> source (checked, borrowed) -> joint (two passes) -> filter (one pass) -> ranked issues
//!                                                          joint -> belief -> estimated number, precision at depth
//! ```

mod belief;
mod budget;
mod depth;
mod filter;
mod hierarchy;
mod joint;
mod judges;
mod lowest;
mod multilabel;
mod score;
mod source;

use serde::Serialize;

pub use budget::{Candidate, Order, Yield, candidates, order, yields};
pub use depth::{Checked, Depth, depths_for, precision_at};
pub use filter::Filter;
pub use hierarchy::Hierarchy;
pub use joint::ConfidentJoint;
pub use judges::{CheckPlan, JudgeSettings, Judged, JudgedItem, Stratum, judge};
pub use multilabel::{SetIssue, SetIssues, find_sets};
pub use score::{Rank, quality};
pub use source::{NO_LABEL, Probabilities, Sums};

use crate::error::Result;
use crate::measured::Measured;
use crate::task::Class;
use belief::Belief;
use source::{Given, Source};

/// What to look for, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Which items make the list.
    pub filter: Filter,
    /// In what order they stand.
    pub rank: Rank,
    /// Whether scores are made comparable between classes of different confidence, by taking each class's mean
    /// confidence off first.
    pub adjusted: bool,
    /// So many items, the worst by the rank, in place of those that the filter chooses.
    pub budget: Option<usize>,
    /// What to do with probabilities that do not sum to one.
    pub sums: Sums,
    /// The calibrated counts to prune by, in place of those that are estimated: `classes x classes`, given labels by
    /// rows.
    pub counts: Option<Vec<u64>>,
}

impl Default for Settings {
    /// The lowest self-confidence, as many as are estimated to be wrong. At equal length it finds more errors than
    /// every other filter on all sets this was measured on.
    fn default() -> Self {
        Self {
            filter: Filter::LowSelfConfidence,
            rank: Rank::SelfConfidence,
            adjusted: false,
            budget: None,
            sums: Sums::Exact,
            counts: None,
        }
    }
}

/// One given label that is probably wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Issue {
    /// The position of the item.
    pub item: u32,
    /// Its label.
    pub given: Class,
    /// The likeliest other class.
    pub suggested: Class,
    /// The quality of the label by the rank asked for; lower is worse.
    pub score: f64,
    /// The probability of the given label, as the model has it.
    pub confidence: f64,
    /// How much likelier the suggested class is than the given one; negative if it is not.
    pub margin: f64,
    /// The estimated probability that the label is wrong: the model's doubt, shifted class by class until it sums to the
    /// number of errors that the joint estimates.
    pub error_probability: f64,
    /// The same for the smaller and the larger of the two estimates of that number.
    pub error_bounds: (f64, f64),
}

/// Two classes that are given for each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConfusedPair {
    /// The class that is given.
    pub given: Class,
    /// The class that is meant.
    pub meant: Class,
    /// The estimated number of such labels.
    pub count: u64,
    /// Their share of the labels of the given class.
    pub share: f64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct LabelErrors {
    /// The items looked at, those with a label.
    pub items: usize,
    /// Items without a label, which were left out.
    pub unlabelled: usize,
    /// Rows whose probabilities were made to sum to one.
    pub renormalised: usize,
    /// Classes whose probability is the same in every row: the model knows nothing about them.
    pub constant: Vec<Class>,
    /// Classes that no item has; no error can be found among their labels.
    pub absent: Vec<Class>,
    /// The counts behind it all.
    pub joint: ConfidentJoint,
    /// The number of wrong labels.
    pub estimated: Measured,
    /// The pairs that are confused most, most frequent first.
    pub pairs: Vec<ConfusedPair>,
    /// The labels that are probably wrong, the worst first.
    pub issues: Vec<Issue>,
}

/// Finds the labels that are probably wrong.
///
/// `labels` has one class per row of the probabilities, [`NO_LABEL`] where there is none. The probabilities must come
/// from models that have not seen the item, or the list is worthless; this cannot be checked. Three passes over the
/// borrowed probabilities; beside them memory for the classes squared and the list. The same input gives the same bytes
/// on any number of threads.
///
/// # Errors
/// Labels beyond the classes, a number of labels other than that of the rows, probabilities that are negative, not
/// finite, or do not sum to one (see [`Sums`]), or no label at all.
pub fn find(labels: &[Class], probabilities: Probabilities<'_>, settings: &Settings) -> Result<LabelErrors> {
    let source = Given::new(labels, probabilities, settings.sums)?;
    let counts = joint::count(&source, settings.counts.as_deref())?;
    Ok(report(&source, counts, settings))
}

/// The confused pairs that are kept.
const PAIRS: usize = 50;

fn report<S: Source>(source: &S, found: joint::Counted, settings: &Settings) -> LabelErrors {
    let joint::Counted { joint, doubts, check } = found;
    let belief = Belief::new(&joint, &doubts);
    let issues = filter::apply(source, &joint, &belief, settings);
    let classes = joint.classes;
    let mut pairs: Vec<ConfusedPair> = (0..classes * classes)
        .filter(|cell| cell / classes != cell % classes && joint.calibrated[*cell] > 0)
        .map(|cell| {
            let (given, count) = (cell / classes, joint.calibrated[cell]);
            let share = count as f64 / joint.given[given].max(1) as f64;
            ConfusedPair { given: given as Class, meant: (cell % classes) as Class, count, share }
        })
        .collect();
    pairs.sort_by_key(|pair| (std::cmp::Reverse(pair.count), pair.given, pair.meant));
    pairs.truncate(PAIRS);
    let absent = (0..classes).filter(|&class| joint.given[class] == 0).map(|class| class as Class).collect();
    LabelErrors {
        items: joint.given.iter().sum::<u64>() as usize,
        unlabelled: check.unlabelled,
        renormalised: check.renormalised,
        constant: check.constant,
        absent,
        estimated: joint.estimated_errors(),
        pairs,
        issues,
        joint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Noisy labels over three classes and a model that sees through the noise.
    fn noisy(items: usize) -> (Vec<Class>, Vec<Class>, Vec<f64>) {
        let mut random = Random::new(11);
        let (mut given, mut truth, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..items {
            let class = random.below(3);
            truth.push(class as Class);
            given.push(if random.unit() < 0.1 { (class + 1) % 3 } else { class } as Class);
            let mut row: Vec<f64> =
                (0..3).map(|k| random.gamma(0.6) + if k == class { 1.5 * random.gamma(2.0) } else { 0.0 }).collect();
            let total: f64 = row.iter().sum();
            for p in &mut row {
                *p /= total;
            }
            rows.extend(row);
        }
        (given, truth, rows)
    }

    #[test]
    fn planted_errors_are_found_and_counted() {
        let (given, truth, rows) = noisy(5000);
        let found = find(&given, Probabilities::double(&rows, 3).unwrap(), &Settings::default()).unwrap();
        let wrong = given.iter().zip(&truth).filter(|(g, t)| g != t).count() as f64;
        let Measured::Known { low, high, .. } = found.estimated else { panic!("{:?}", found.estimated) };
        assert!(low <= wrong && wrong <= high, "{wrong} outside {low}..{high}");
        let hits = found.issues.iter().filter(|issue| given[issue.item as usize] != truth[issue.item as usize]).count();
        assert!(hits as f64 > 0.6 * found.issues.len() as f64, "{hits} of {}", found.issues.len());
        assert!(found.issues.windows(2).all(|pair| pair[0].score <= pair[1].score));
        let expected: f64 = found.issues.iter().map(|issue| issue.error_probability).sum();
        assert!((expected - hits as f64).abs() < 0.3 * hits as f64, "expected {expected}, were {hits}");
    }

    #[test]
    fn single_and_double_precision_agree_and_so_do_thread_counts() {
        let (given, _, rows) = noisy(40_000);
        let single: Vec<f32> = rows.iter().map(|&p| p as f32).collect();
        for filter in Filter::ALL {
            let settings = Settings { filter, ..Settings::default() };
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| find(&given, Probabilities::double(&rows, 3).unwrap(), &settings).unwrap())
            };
            let (one, four) = (run(1), run(4));
            assert_eq!(one.issues, four.issues, "{filter:?}");
            assert_eq!(one.joint, four.joint);
            let other = find(&given, Probabilities::single(&single, 3).unwrap(), &settings).unwrap();
            let difference = other.issues.len().abs_diff(one.issues.len());
            assert!(difference <= 2, "{filter:?}: {difference}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_what_is_odd_is_told() {
        let find = |labels: &[Class], rows: &[f64], settings: &Settings| {
            find(labels, Probabilities::double(rows, 2).unwrap(), settings)
        };
        let plain = Settings::default();
        let message = |result: Result<LabelErrors>| result.unwrap_err().to_string();
        assert!(message(find(&[0, 2], &[0.5, 0.5, 0.5, 0.5], &plain)).contains("row 2"));
        assert!(message(find(&[0], &[0.5, 0.5, 0.5, 0.5], &plain)).contains("found 1"));
        assert!(message(find(&[0, 1], &[0.5, 0.6, 0.5, 0.5], &plain)).contains("1.1"));
        assert!(message(find(&[0, 1], &[0.5, 0.5, f64::NAN, 0.5], &plain)).contains("NaN"));
        assert!(message(find(&[0, 1], &[-0.5, 1.5, 0.5, 0.5], &plain)).contains("-0.5"));
        assert!(message(find(&[NO_LABEL], &[0.5, 0.5], &plain)).contains("label"));
        assert!(message(find(&[], &[], &plain)).contains("label"));
        assert!(Probabilities::double(&[0.5; 3], 2).is_err() && Probabilities::double(&[], 0).is_err());

        // Rounding is an error unless asked for, and then counted; anything more stays an error.
        let rounded = [0.5004, 0.5, 0.5, 0.5];
        assert!(find(&[0, 1], &rounded, &plain).is_err());
        let lenient = Settings { sums: Sums::Renormalise, ..Settings::default() };
        assert_eq!(find(&[0, 1], &rounded, &lenient).unwrap().renormalised, 1);
        assert!(find(&[0, 1], &[0.6, 0.5, 0.5, 0.5], &lenient).is_err());

        // Constant probabilities and an absent class: nothing is found, and it is said.
        let found = find(&[0, 0, 0, NO_LABEL], &[0.5; 8], &plain).unwrap();
        assert_eq!(
            (found.unlabelled, found.constant.as_slice(), found.absent.as_slice()),
            (1, [0, 1].as_slice(), [1].as_slice())
        );
        assert!(found.issues.is_empty(), "{:?}", found.issues);
    }

    #[test]
    fn certain_rows_give_numbers_and_never_nan() {
        let rows = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        for rank in Rank::ALL {
            for adjusted in [false, true] {
                for filter in Filter::ALL {
                    let settings = Settings { filter, rank, adjusted, ..Settings::default() };
                    let found = find(&[0, 0, 1, 1], Probabilities::double(&rows, 2).unwrap(), &settings).unwrap();
                    assert!(
                        found.issues.iter().all(|issue| issue.score.is_finite() && issue.error_probability.is_finite())
                    );
                }
            }
        }
        // One class only.
        let found = find(&[0, 0], Probabilities::double(&[1.0, 1.0], 1).unwrap(), &Settings::default()).unwrap();
        assert!(found.issues.is_empty());
    }

    #[test]
    fn a_budget_takes_the_worst_whatever_the_estimate() {
        let (given, _, rows) = noisy(500);
        for budget in [0, 7, 500, 900] {
            let settings = Settings { budget: Some(budget), ..Settings::default() };
            let found = find(&given, Probabilities::double(&rows, 3).unwrap(), &settings).unwrap();
            assert_eq!(found.issues.len(), budget.min(500));
        }
    }
}
