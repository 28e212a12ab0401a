//! What was taken for what.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::task::Name;

/// Gold spans of one label predicted with another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistaken {
    /// The gold label.
    pub gold: Name,
    /// The predicted label.
    pub predicted: Name,
    /// How many, with the same borders.
    pub same_borders: f64,
    /// How many, with other borders.
    pub other_borders: f64,
}

/// Every error by its kind; counts are weighted if the spans were.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Confusions {
    /// Labels taken for others, the most frequent first.
    pub mistaken: Vec<Mistaken>,
    /// Spans of the right label with other borders, by label.
    pub wrong_borders: BTreeMap<Name, f64>,
    /// Gold spans that no prediction touches, or whose prediction stands for another, by label.
    pub missed: BTreeMap<Name, f64>,
    /// Predicted spans that stand for no gold span, by label.
    pub spurious: BTreeMap<Name, f64>,
}

/// Counts by positions of labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    pub(super) mistaken: BTreeMap<(u32, u32), (f64, f64)>,
    pub(super) wrong_borders: BTreeMap<u32, f64>,
    pub(super) missed: BTreeMap<u32, f64>,
    pub(super) spurious: BTreeMap<u32, f64>,
}

impl Errors {
    pub(super) fn merge(&mut self, other: &Self, label: impl Fn(u32) -> u32) {
        for (&(gold, predicted), &(same, borders)) in &other.mistaken {
            let mine = self.mistaken.entry((label(gold), label(predicted))).or_default();
            *mine = (mine.0 + same, mine.1 + borders);
        }
        let parts = [
            (&mut self.wrong_borders, &other.wrong_borders),
            (&mut self.missed, &other.missed),
            (&mut self.spurious, &other.spurious),
        ];
        for (mine, theirs) in parts {
            for (&key, count) in theirs {
                *mine.entry(label(key)).or_default() += count;
            }
        }
    }

    pub(super) fn named(&self, labels: &[Name]) -> Confusions {
        let name = |label: u32| labels[label as usize].clone();
        let by_name =
            |counts: &BTreeMap<u32, f64>| counts.iter().map(|(&label, &count)| (name(label), count)).collect();
        let mut mistaken: Vec<Mistaken> = self
            .mistaken
            .iter()
            .map(|(&(gold, predicted), &(same_borders, other_borders))| Mistaken {
                gold: name(gold),
                predicted: name(predicted),
                same_borders,
                other_borders,
            })
            .collect();
        mistaken.sort_by(|left, right| {
            let total = |mistaken: &Mistaken| mistaken.same_borders + mistaken.other_borders;
            total(right)
                .total_cmp(&total(left))
                .then_with(|| (&left.gold, &left.predicted).cmp(&(&right.gold, &right.predicted)))
        });
        Confusions {
            mistaken,
            wrong_borders: by_name(&self.wrong_borders),
            missed: by_name(&self.missed),
            spurious: by_name(&self.spurious),
        }
    }
}
