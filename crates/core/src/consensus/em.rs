//! Expectation-maximisation over models whose score is a sum over votes.

use super::sweep::{Counts, Sweep, Table};
use crate::votes::Votes;

/// How an annotator's answers follow from the truth: the maximisation step of one family of models.
pub(crate) trait Emission: Sync {
    /// Sets the table that maximises the expected log-likelihood of `counts` plus the logarithm of the prior, and
    /// returns the latter at the new table.
    fn maximise(&mut self, votes: &Votes, counts: &Counts, table: &mut Table) -> f64;

    /// Whether each step raises the objective, as it does wherever the prior stays what it is.
    fn ascends(&self) -> bool {
        true
    }
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// At most so many sweeps.
    pub(crate) sweeps: usize,
    /// Stop after two sweeps in a row that gain less than this per vote; never, if `None`.
    pub(crate) tolerance: Option<f64>,
}

/// A fitted model.
#[derive(Clone, Debug)]
pub(crate) struct Fitted {
    pub(crate) table: Table,
    /// The counts that the table was fitted to.
    pub(crate) counts: Counts,
    /// The log-likelihood plus the logarithm of the prior, before each sweep.
    pub(crate) objective: Vec<f64>,
    pub(crate) converged: bool,
}

/// Alternates between posteriors and tables, from the counts of a first guess.
///
/// The objective cannot fall; in a debug build that is asserted, up to rounding.
pub(crate) fn fit(votes: &Votes, sweep: &Sweep<'_>, emission: &mut dyn Emission, first: Counts, stop: Stop) -> Fitted {
    let mut table = Table::new(votes);
    let mut prior = emission.maximise(votes, &first, &mut table);
    let mut counts = first;
    let mut objective: Vec<f64> = Vec::new();
    let mut small_gains = 0;
    for _ in 0..stop.sweeps {
        counts = sweep.counts(votes, &table);
        let value = counts.log_likelihood + prior;
        if let Some(&before) = objective.last() {
            let rounding = if sweep.single { 1e-6 } else { 1e-10 } * (value.abs() + 1.0);
            debug_assert!(
                !emission.ascends() || value >= before - rounding,
                "the objective fell from {before} to {value}"
            );
            let gain = (value - before) / votes.len().max(1) as f64;
            small_gains = if stop.tolerance.is_some_and(|tolerance| gain < tolerance) { small_gains + 1 } else { 0 };
        }
        objective.push(value);
        prior = emission.maximise(votes, &counts, &mut table);
        if small_gains >= 2 {
            return Fitted { table, counts, objective, converged: true };
        }
    }
    Fitted { table, counts, objective, converged: stop.tolerance.is_none() }
}
