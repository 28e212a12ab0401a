//! Decisions whose class is known.

use crate::error::{Error, Result};
use crate::task::Class;

/// A decision whose class an expert gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoldEntry {
    /// The decision.
    pub decision: u32,
    /// Its class.
    pub class: Class,
    /// The probability with which it was drawn, when it was drawn at random with unequal chances.
    pub inclusion: Option<f64>,
}

/// The known decisions, at most one class each, in decision order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gold {
    entries: Vec<GoldEntry>,
}

impl Gold {
    /// Checks and orders entries. An entry that says the same as another is dropped; one that contradicts another is
    /// an error.
    pub fn new(mut entries: Vec<GoldEntry>) -> Result<Self> {
        entries.sort_by_key(|entry| entry.decision);
        for pair in entries.windows(2) {
            if pair[0].decision == pair[1].decision && pair[0].class != pair[1].class {
                return Err(Error::input(format!(
                    "decision {} has two gold classes, {} and {}",
                    pair[0].decision, pair[0].class, pair[1].class
                ))
                .hint("settle the disagreement before the gold is used"));
            }
        }
        if let Some(entry) = entries.iter().find(|entry| entry.inclusion.is_some_and(|p| !(p > 0.0 && p <= 1.0))) {
            return Err(Error::input(format!(
                "expected an inclusion probability above 0 and at most 1, found {:?}",
                entry.inclusion.unwrap_or_default()
            )));
        }
        entries.dedup_by_key(|entry| entry.decision);
        Ok(Self { entries })
    }

    /// Gold from decisions and classes alone.
    pub fn of(pairs: impl IntoIterator<Item = (u32, Class)>) -> Result<Self> {
        Self::new(pairs.into_iter().map(|(decision, class)| GoldEntry { decision, class, inclusion: None }).collect())
    }

    /// No gold.
    pub fn none() -> Self {
        Self::default()
    }

    /// How many decisions are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in decision order.
    pub fn entries(&self) -> &[GoldEntry] {
        &self.entries
    }

    /// The class of a decision, if it is known.
    pub fn class(&self, decision: u32) -> Option<Class> {
        let place = self.entries.binary_search_by_key(&decision, |entry| entry.decision).ok()?;
        Some(self.entries[place].class)
    }

    /// The weight of each entry in a mean over the population: inverse inclusion probabilities, scaled to mean one.
    pub fn weights(&self) -> Vec<f64> {
        let raw: Vec<f64> = self.entries.iter().map(|entry| 1.0 / entry.inclusion.unwrap_or(1.0)).collect();
        let mean = raw.iter().sum::<f64>() / raw.len().max(1) as f64;
        raw.into_iter().map(|weight| weight / mean).collect()
    }

    /// The entries for which `keep` holds.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&GoldEntry) -> bool) -> Self {
        Self { entries: self.entries.iter().filter(|entry| keep(entry)).copied().collect() }
    }

    /// Fails if an entry points outside the decisions or classes.
    pub(crate) fn check(&self, decisions: usize, classes: usize) -> Result<()> {
        match self
            .entries
            .iter()
            .find(|entry| entry.decision as usize >= decisions || usize::from(entry.class) >= classes)
        {
            None => Ok(()),
            Some(entry) => Err(Error::input(format!(
                "expected gold for decisions below {decisions} and classes below {classes}, found decision {} of class {}",
                entry.decision, entry.class
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused_and_repetitions_are_not() {
        assert!(Gold::of([(3, 1), (3, 0)]).unwrap_err().to_string().contains("two gold classes"));
        let gold = Gold::of([(3, 1), (1, 0), (3, 1)]).unwrap();
        assert_eq!((gold.len(), gold.class(3), gold.class(2)), (2, Some(1), None));
        assert!(gold.check(4, 2).is_ok() && gold.check(3, 2).is_err() && gold.check(4, 1).is_err());
    }

    #[test]
    fn weights_undo_unequal_chances() {
        let entry = |decision, inclusion| GoldEntry { decision, class: 0, inclusion: Some(inclusion) };
        let gold = Gold::new(vec![entry(0, 0.5), entry(1, 0.1)]).unwrap();
        let weights = gold.weights();
        assert!((weights[1] / weights[0] - 5.0).abs() < 1e-12 && (weights.iter().sum::<f64>() - 2.0).abs() < 1e-12);
        assert!(Gold::new(vec![entry(0, 0.0)]).is_err());
    }
}
