//! Dawid and Skene with a prior that the annotators make together.

use super::em::Emission;
use super::emission::{ClassPrior, Confusion};
use super::sweep::{Counts, Table};
use crate::votes::Votes;

/// Every annotator's confusion matrix is drawn to the one that all annotators' answers make together, which is counted
/// anew in each sweep; so the objective may fall, and the iteration may stop a little later for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pooled {
    pub(crate) class_prior: ClassPrior,
    /// How many answers per true class the pooled matrix is worth; at most 4, because a strong one empties classes.
    pub(crate) strength: f64,
}

impl Emission for Pooled {
    fn maximise(&mut self, votes: &Votes, counts: &Counts, table: &mut Table) -> f64 {
        let (classes, lanes) = (table.classes, table.lanes);
        let size = classes * lanes;
        let mut pooled = vec![0.0; size];
        for rows in counts.rows.chunks_exact(size).take(votes.annotators()) {
            for (sum, value) in pooled.iter_mut().zip(rows) {
                *sum += value;
            }
        }
        for truth in 0..classes {
            let total: f64 = (0..classes).map(|label| pooled[label * lanes + truth]).sum();
            for label in 0..classes {
                // One right answer and one that is any, for classes nobody has met.
                let added = f64::from(u8::from(label == truth)) + 1.0 / classes as f64;
                let cell = &mut pooled[label * lanes + truth];
                *cell = self.strength * (*cell + added) / (total + 2.0);
            }
        }
        let added = pooled.iter().copied().cycle().take(counts.rows.len()).collect();
        let mut confusion = Confusion { class_prior: self.class_prior, added, least: 1e-10, silence: None };
        confusion.maximise(votes, counts, table)
    }

    fn ascends(&self) -> bool {
        false
    }
}
