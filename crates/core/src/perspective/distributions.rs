//! The label shares of items.

use crate::error::{Error, Result};
use crate::votes::Votes;

/// A distribution over the classes per item, or none where nothing is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Distributions {
    classes: usize,
    shares: Vec<f64>,
    /// The answers behind each; zero where there is no distribution.
    support: Vec<f64>,
}

impl Distributions {
    /// The shares of the votes. With `smoothing` above zero so many answers, spread as all votes are, are added to each
    /// item, which shrinks items with few answers towards the whole; items without votes then have that distribution.
    pub fn of_votes(votes: &Votes, smoothing: f64) -> Self {
        let classes = votes.classes();
        let mut pooled = vec![0.0; classes];
        let mut shares = vec![0.0; votes.decisions() * classes];
        let mut support = Vec::with_capacity(votes.decisions());
        for (decision, row) in shares.chunks_exact_mut(classes.max(1)).enumerate() {
            for vote in votes.of(decision) {
                row[usize::from(vote.class)] += f64::from(vote.weight);
                pooled[usize::from(vote.class)] += f64::from(vote.weight);
            }
            support.push(row.iter().sum());
        }
        let all: f64 = pooled.iter().sum();
        let smoothing = if all > 0.0 { smoothing.max(0.0) } else { 0.0 };
        for (row, support) in shares.chunks_exact_mut(classes.max(1)).zip(&mut support) {
            let total = *support + smoothing;
            if total > 0.0 {
                for (share, pooled) in row.iter_mut().zip(&pooled) {
                    *share = (*share + smoothing * pooled / all.max(f64::MIN_POSITIVE)) / total;
                }
                *support = total;
            }
        }
        Self { classes, shares, support }
    }

    /// Distributions given as rows of `classes` shares, one row per item, `None` where nothing is known.
    ///
    /// # Errors
    /// A row of another length, shares that are negative or not finite, or whose sum is not one within 1 %. Sums within
    /// that are set right.
    pub fn from_rows(classes: usize, rows: &[Option<Vec<f64>>]) -> Result<Self> {
        let mut found = Self { classes, shares: vec![0.0; classes * rows.len()], support: vec![0.0; rows.len()] };
        for (place, row) in rows.iter().enumerate() {
            let Some(row) = row else { continue };
            let total: f64 = row.iter().sum();
            let fits = row.len() == classes && row.iter().all(|share| share.is_finite() && *share >= 0.0);
            if !fits || (total - 1.0).abs() > 0.01 {
                return Err(Error::input(format!(
                    "expected {classes} probabilities that sum to one, found {row:?} with the sum {total:.4} in row {}",
                    place + 1
                )));
            }
            for (to, share) in found.shares[place * classes..][..classes].iter_mut().zip(row) {
                *to = share / total;
            }
            found.support[place] = 1.0;
        }
        Ok(found)
    }

    /// Distributions from posteriors, `classes` numbers per item.
    pub fn of_posterior(classes: usize, posterior: &[f32]) -> Self {
        let items = posterior.len() / classes.max(1);
        let mut shares: Vec<f64> = posterior.iter().copied().map(f64::from).collect();
        for row in shares.chunks_exact_mut(classes.max(1)) {
            let total: f64 = row.iter().sum();
            for share in row.iter_mut() {
                *share /= total.max(f64::MIN_POSITIVE);
            }
        }
        Self { classes, shares, support: vec![1.0; items] }
    }

    /// How many classes there are.
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// How many items there are, with or without a distribution.
    pub const fn items(&self) -> usize {
        self.support.len()
    }

    /// One item's distribution, if it has one.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn of(&self, item: usize) -> Option<&[f64]> {
        (self.support[item] > 0.0).then(|| &self.shares[item * self.classes..][..self.classes])
    }

    /// The answers behind one item's distribution, with what smoothing added.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn support(&self, item: usize) -> f64 {
        self.support[item]
    }

    /// The entropy of one item's distribution in nats: 0 where all agree, `ln classes` where all classes are alike. `None`
    /// without a distribution.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn entropy(&self, item: usize) -> Option<f64> {
        self.of(item).map(entropy)
    }
}

pub(super) fn entropy(shares: &[f64]) -> f64 {
    // Adding zero turns the negative zero of a sure distribution into a plain one.
    -shares.iter().filter(|share| **share > 0.0).map(|share| share * share.ln()).sum::<f64>() + 0.0
}
