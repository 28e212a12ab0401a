//! Label errors where an item may have any number of labels: one question per label.

use std::ops::Range;

use serde::Serialize;

use super::source::{Check, Source};
use super::{ConfidentJoint, Settings, joint, report};
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::task::Class;

/// One label that is probably missing or probably one too many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SetIssue {
    /// The position of the item.
    pub item: u32,
    /// The label.
    pub label: Class,
    /// Whether the item has it; if it has, it is probably one too many.
    pub given: bool,
    /// The quality by the rank asked for; lower is worse.
    pub score: f64,
    /// The estimated probability that this is wrong.
    pub error_probability: f64,
}

/// What was found over all labels.
#[derive(Clone, Debug, Serialize)]
pub struct SetIssues {
    /// Per label its counts, with `0` for without and `1` for with it.
    pub joints: Vec<ConfidentJoint>,
    /// Per label the number of wrong decisions.
    pub estimated: Vec<Measured>,
    /// The decisions that are probably wrong, over all labels, worst first.
    pub issues: Vec<SetIssue>,
    /// The items with at least one, by their worst.
    pub items: Vec<u32>,
}

struct Column<'a> {
    given: &'a [bool],
    probabilities: &'a [f32],
    labels: usize,
    label: usize,
}

impl Source for Column<'_> {
    fn len(&self) -> usize {
        self.given.len() / self.labels
    }

    fn classes(&self) -> usize {
        2
    }

    #[inline]
    fn visit(&self, rows: Range<usize>, mut each: impl FnMut(usize, usize, &[f64])) {
        for row in rows {
            let place = row * self.labels + self.label;
            let p = f64::from(self.probabilities[place]);
            each(row, usize::from(self.given[place]), &[1.0 - p, p]);
        }
    }

    fn check(&self) -> Check {
        Check::default()
    }
}

/// Finds labels that are probably missing or too many: [`find`](super::find) for each label on its own, on one
/// borrowed table of `labels` values per item. A budget is spent over all labels together.
///
/// # Errors
/// Tables of different size, or probabilities outside 0 to 1.
pub fn find_sets(given: &[bool], probabilities: &[f32], labels: usize, settings: &Settings) -> Result<SetIssues> {
    if labels == 0 || given.len() != probabilities.len() || !given.len().is_multiple_of(labels) || given.is_empty() {
        return Err(Error::input(format!(
            "expected {labels} labels and probabilities for every item, found {} and {}",
            given.len(),
            probabilities.len()
        )));
    }
    if let Some(place) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(Error::input(format!(
            "expected probabilities from 0 to 1, found {} at row {}, label {}",
            probabilities[place],
            place / labels + 1,
            place % labels
        )));
    }
    let mut found = SetIssues { joints: Vec::new(), estimated: Vec::new(), issues: Vec::new(), items: Vec::new() };
    for label in 0..labels {
        let source = Column { given, probabilities, labels, label };
        let one = report(&source, joint::count(&source, None)?, settings);
        found.issues.extend(one.issues.iter().map(|issue| SetIssue {
            item: issue.item,
            label: label as Class,
            given: issue.given == 1,
            score: issue.score,
            error_probability: issue.error_probability,
        }));
        found.joints.push(one.joint);
        found.estimated.push(one.estimated);
    }
    found.issues.sort_by(|l, r| l.score.total_cmp(&r.score).then((l.item, l.label).cmp(&(r.item, r.label))));
    if let Some(budget) = settings.budget {
        found.issues.truncate(budget);
    }
    let mut seen = std::collections::BTreeSet::new();
    found.items = found.issues.iter().map(|issue| issue.item).filter(|&item| seen.insert(item)).collect();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_missing_and_a_spurious_label_come_first() {
        let mut random = Random::new(3);
        let (mut given, mut probabilities) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            for _ in 0..3 {
                let has = random.unit() < 0.4;
                given.push(has);
                probabilities.push(if has { 0.7 + 0.29 * random.unit() } else { 0.3 * random.unit() } as f32);
            }
        }
        (given[5], probabilities[5]) = (false, 0.99);
        (given[301], probabilities[301]) = (true, 0.001);
        let found = find_sets(&given, &probabilities, 3, &Settings::default()).unwrap();
        let first: Vec<(u32, Class, bool)> =
            found.issues.iter().take(2).map(|issue| (issue.item, issue.label, issue.given)).collect();
        assert_eq!(first, [(100, 1, true), (1, 2, false)]);
        assert_eq!(&found.items[..2], [100, 1]);
        assert!(find_sets(&given, &[1.5; 900], 3, &Settings::default()).unwrap_err().to_string().contains("1.5"));
        assert!(find_sets(&given, &probabilities[1..], 3, &Settings::default()).is_err());
    }
}
