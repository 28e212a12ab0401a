//! Plain maximum-likelihood Dawid-Skene in double precision, for comparison with other implementations.

use super::em::{self, Emission, Stop};
use super::emission::{ClassPrior, Confusion, OneCoin};
use super::majority;
use super::sweep::{Sweep, Table, counts_given};
use super::weighted::{self, Ties};
use crate::error::{Error, Result};
use crate::votes::{Gold, Votes};

/// The result of [`dawid_skene_reference`].
#[derive(Clone, Debug)]
pub struct Reference {
    /// The posteriors, `classes` numbers per decision.
    pub posterior: Vec<f64>,
    /// The class prior.
    pub prior: Vec<f64>,
    /// The confusion matrices: `[annotator][truth][answer]`, flat.
    pub confusion: Vec<f64>,
    /// The log-likelihood before each sweep.
    pub objective: Vec<f64>,
}

/// Dawid and Skene (1979) without priors, without acceleration and without a stopping rule: vote shares, then so many
/// rounds of posteriors after tables, counts clipped at 1e-10.
///
/// Without priors the posteriors are badly over-confident; [`super::fit`] is the one to use. This one exists so that
/// its numbers can be held against those of other programs, digit by digit.
pub fn dawid_skene_reference(votes: &Votes, sweeps: usize) -> Result<Reference> {
    let added = vec![0.0; Table::new(votes).rows.len()];
    let mut emission = Confusion { class_prior: ClassPrior::Estimated(0.0), added, least: 1e-10, silence: None };
    plain(votes, sweeps, &mut emission)
}

/// One-coin Dawid and Skene without priors, without acceleration and without a stopping rule: vote shares, then so many
/// rounds of posteriors after accuracies, which are clipped at 1e-10 and 1 - 1e-10.
pub fn one_coin_reference(votes: &Votes, sweeps: usize) -> Result<Reference> {
    plain(votes, sweeps, &mut OneCoin { class_prior: ClassPrior::Estimated(0.0), added: (0.0, 0.0) })
}

fn plain(votes: &Votes, sweeps: usize, emission: &mut dyn Emission) -> Result<Reference> {
    let classes = votes.classes();
    if classes == 0 {
        return Err(Error::task("expected at least one class, found none"));
    }
    let gold = Gold::none();
    let sweep = Sweep { gold: &gold, silent: false, single: false };
    let prior = majority::prior(votes);
    let first = counts_given(votes, &majority::posterior::<f64>(votes, &prior, 0.0), false);
    let stop = Stop { sweeps: sweeps.saturating_sub(1), tolerance: None };
    let fitted = em::fit(votes, &sweep, emission, first, stop);
    let posterior = sweep.posterior_f64(votes, &fitted.table);
    let mut confusion = Vec::with_capacity(votes.annotators() * classes * classes);
    for annotator in 0..votes.annotators() {
        for truth in 0..classes {
            confusion.extend((0..classes).map(|label| fitted.table.row(annotator * classes + label)[truth].exp()));
        }
    }
    let prior = fitted.table.base[..classes].iter().map(|log| log.exp()).collect();
    Ok(Reference { posterior, prior, confusion, objective: fitted.objective })
}

/// Wawa as crowd-kit 1.4.2 has it, where a tie is the first class's: each annotator's skill, and the weighted vote
/// shares, `classes` numbers per decision.
pub fn wawa_reference(votes: &Votes) -> (Vec<f64>, Vec<f64>) {
    let skills = weighted::wawa(votes, Ties::First);
    let shares = weighted::shares(votes, &skills, &majority::prior(votes), 0.0);
    (skills, shares)
}

/// Zero-based skill as crowd-kit 1.4.2 has it, where a tie is the first class's: each annotator's skill, and the weighted
/// vote shares, `classes` numbers per decision.
pub fn zero_based_skill_reference(votes: &Votes) -> (Vec<f64>, Vec<f64>) {
    let skills = weighted::zero_based(votes, Ties::First);
    let shares = weighted::shares(votes, &skills, &majority::prior(votes), 0.0);
    (skills, shares)
}

/// The share of each class among each decision's votes, not smoothed; the shares over all decisions where nobody voted.
pub fn vote_shares(votes: &Votes) -> Vec<f64> {
    majority::posterior(votes, &majority::prior(votes), 0.0)
}
