//! The methods, and what each makes of votes and gold.

use super::Settings;
use super::em::{self, Emission, Stop};
use super::emission::{ClassPrior, Confusion, OneCoin, added_by_habit, said};
use super::float::Float;
use super::ordered::Ordered;
use super::pooled::Pooled;
use super::stratified::Stratified;
use super::sweep::{Counts, Sweep, Table, counts_given, lanes_for};
use super::variational::{Bayesian, Competence};
use super::weighted::{self, Ties};
use super::{glad, majority};
use crate::error::{Error, Result};
use crate::votes::{Gold, Votes};

/// A way to make one posterior out of several votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// The most frequent class; the posterior is the share of the votes, smoothed.
    Majority,
    /// Votes weighted by how often their annotator agrees with majority (worker agreement with aggregate).
    Wawa,
    /// Votes weighted by how often their annotator agrees with the weighted vote itself.
    ZeroBasedSkill,
    /// Each annotator has one accuracy, learnt without gold or with it.
    OneCoin,
    /// Each annotator has a confusion matrix: Dawid and Skene, maximum a posteriori.
    DawidSkene,
    /// The same with all classes alike beforehand, for sparse one-sided programs, where an estimated class prior lets
    /// classes empty.
    UniformDawidSkene,
    /// Dawid and Skene where annotators with few answers are taken to be like the others.
    PooledDawidSkene,
    /// Dawid and Skene with a distribution over every confusion matrix (independent Bayesian classifier combination).
    Ibcc,
    /// Each annotator knows, or says what it always says.
    Mace,
    /// Each annotator has one skill and each item is more or less hard.
    Glad,
    /// For classes in order: near misses are likelier than far ones.
    Ordered,
    /// Dawid and Skene where silence speaks too: whether an annotator answers depends on the class. For programs that
    /// see every item, never for people who are handed some.
    SilentDawidSkene,
    /// Naive Bayes with rates counted on gold alone.
    LogOdds,
    /// The same where silence speaks too.
    SilentLogOdds,
    /// The best of the others, or a mixture of them, by how well they predict gold or hidden answers.
    Automatic,
}

impl Method {
    /// Every method, the automatic one last.
    pub const ALL: [Self; 15] = [
        Self::Majority,
        Self::Wawa,
        Self::ZeroBasedSkill,
        Self::OneCoin,
        Self::DawidSkene,
        Self::UniformDawidSkene,
        Self::PooledDawidSkene,
        Self::Ibcc,
        Self::Mace,
        Self::Glad,
        Self::Ordered,
        Self::SilentDawidSkene,
        Self::LogOdds,
        Self::SilentLogOdds,
        Self::Automatic,
    ];

    /// The name on the command line and in project files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Wawa => "wawa",
            Self::ZeroBasedSkill => "zero-based-skill",
            Self::OneCoin => "one-coin",
            Self::DawidSkene => "dawid-skene",
            Self::UniformDawidSkene => "uniform-dawid-skene",
            Self::PooledDawidSkene => "pooled-dawid-skene",
            Self::Ibcc => "ibcc",
            Self::Mace => "mace",
            Self::Glad => "glad",
            Self::Ordered => "ordered",
            Self::SilentDawidSkene => "silent-dawid-skene",
            Self::LogOdds => "log-odds",
            Self::SilentLogOdds => "silent-log-odds",
            Self::Automatic => "auto",
        }
    }

    /// The method of a name.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(|method| format!("`{}`", method.name())).join(", ");
            Error::task(format!("expected one of {names}, found `{name}`"))
        })
    }

    /// Whether the method learns from gold alone and is nothing without it.
    pub const fn needs_gold(self) -> bool {
        matches!(self, Self::LogOdds | Self::SilentLogOdds)
    }
}

/// Right and wrong answers added to each annotator's, with one accuracy per annotator.
const ONE_COIN: (f64, f64) = (2.0, 1.0);

/// Answers added to each row of a confusion matrix that is learnt from all votes.
const CONFUSION: f64 = 2.0;

/// Answers added to each row of a confusion matrix that is learnt from gold alone.
const LOG_ODDS: f64 = 10.0;

/// Answers added to each row of a confusion matrix from the matrix of all annotators together. More than four can
/// empty a class.
const POOLED: f64 = 4.0;

/// Decisions added per class to the rate at which an annotator answers.
const SILENCE: f64 = 10.0;

/// What a method makes of votes.
#[derive(Clone, Debug)]
pub(crate) struct Estimate {
    /// `classes` numbers per decision.
    pub(crate) posterior: Vec<f32>,
    /// The class prior.
    pub(crate) prior: Vec<f64>,
    /// The value of the objective at each sweep, for iterative methods.
    pub(crate) objective: Vec<f64>,
    pub(crate) converged: bool,
}

/// Runs one method, which must not be [`Method::Automatic`], from vote shares.
pub(crate) fn estimate(votes: &Votes, gold: &Gold, method: Method, settings: &Settings) -> Estimate {
    estimate_from(votes, gold, method, settings, None)
}

/// Runs one method, which must not be [`Method::Automatic`]. Methods that iterate begin with the posteriors given, if
/// any: those of the first decisions, `classes` numbers each.
pub(crate) fn estimate_from(
    votes: &Votes,
    gold: &Gold,
    method: Method,
    settings: &Settings,
    start: Option<&[f32]>,
) -> Estimate {
    let single = votes.len() * votes.classes() > SINGLE_ABOVE;
    let sweep = Sweep { gold, silent: method == Method::SilentDawidSkene, single };
    let stop = Stop { sweeps: settings.sweeps, tolerance: Some(settings.tolerance) };
    match method {
        Method::Majority | Method::Automatic => {
            let prior = majority::prior(votes);
            let posterior = majority::posterior(votes, &prior, majority::SMOOTHING);
            Estimate { posterior, prior, objective: Vec::new(), converged: true }
        }
        Method::OneCoin => {
            let mut emission = OneCoin { class_prior: ClassPrior::Uniform, added: ONE_COIN };
            iterate(votes, &sweep, &mut emission, first_guess(votes, &sweep, start), stop)
        }
        Method::Wawa | Method::ZeroBasedSkill => {
            let skills = match method {
                Method::Wawa => weighted::wawa(votes, Ties::Shared),
                _ => weighted::zero_based(votes, Ties::Shared),
            };
            let prior = majority::prior(votes);
            let shares = weighted::shares(votes, &skills, &prior, majority::SMOOTHING);
            let posterior = shares.into_iter().map(|share| share as f32).collect();
            Estimate { posterior, prior, objective: Vec::new(), converged: true }
        }
        Method::PooledDawidSkene => {
            let mut emission = Pooled { class_prior: ClassPrior::Estimated(1.0), strength: POOLED };
            iterate(votes, &sweep, &mut emission, first_guess(votes, &sweep, start), stop)
        }
        Method::Ibcc => {
            let first = first_guess(votes, &sweep, start);
            let added = added_by_habit(votes, &first, &said(votes), CONFUSION);
            let mut emission = Bayesian { added, class_prior: 1.0 };
            iterate(votes, &sweep, &mut emission, first, stop)
        }
        Method::Mace => iterate(votes, &sweep, &mut Competence, first_guess(votes, &sweep, start), stop),
        Method::Glad => glad::estimate(votes, gold, settings),
        Method::Ordered => {
            let mut emission = Ordered::new(votes, ClassPrior::Estimated(1.0));
            iterate(votes, &sweep, &mut emission, first_guess(votes, &sweep, start), stop)
        }
        Method::DawidSkene | Method::UniformDawidSkene | Method::SilentDawidSkene => {
            let first = first_guess(votes, &sweep, start);
            let added = added_by_habit(votes, &first, &said(votes), CONFUSION);
            let class_prior = match method {
                Method::UniformDawidSkene => ClassPrior::Uniform,
                _ => ClassPrior::Estimated(1.0),
            };
            let silence = sweep.silent.then_some(SILENCE);
            let mut emission = Confusion { class_prior, added, least: 1e-10, silence };
            iterate(votes, &sweep, &mut emission, first, stop)
        }
        Method::LogOdds | Method::SilentLogOdds => {
            let counts = gold_counts(votes, gold);
            let added = added_by_habit(votes, &counts, &said(votes), LOG_ODDS);
            let silence = (method == Method::SilentLogOdds).then_some(SILENCE);
            let mut emission = Confusion { class_prior: ClassPrior::Estimated(1.0), added, least: 1e-10, silence };
            let mut table = Table::new(votes);
            emission.maximise(votes, &counts, &mut table);
            let none = Gold::none();
            let sweep = Sweep { gold: &none, ..sweep };
            let posterior = sweep.posterior(votes, &table);
            Estimate {
                posterior,
                prior: shares(&counts.totals[..votes.classes()]),
                objective: Vec::new(),
                converged: true,
            }
        }
    }
}

/// Votes x classes above which sweeps run in single precision.
const SINGLE_ABOVE: usize = 4_000_000;

fn iterate(votes: &Votes, sweep: &Sweep<'_>, emission: &mut dyn Emission, first: Counts, stop: Stop) -> Estimate {
    let none = Gold::none();
    // Where silence speaks, a stratum's silence about other strata would be heard too.
    let stratified = if sweep.silent { None } else { votes.with_strata_as_annotators() };
    let (fitted, posterior) = if let Some(stratified) = stratified {
        let lanes = first.lanes;
        let mut first = first;
        first.rows.resize(stratified.annotators() * votes.classes() * lanes, 0.0);
        let mut emission = Stratified { inner: emission, votes };
        let fitted = em::fit(&stratified, sweep, &mut emission, first, stop);
        let posterior = Sweep { gold: &none, ..*sweep }.posterior(&stratified, &fitted.table);
        (fitted, posterior)
    } else {
        let fitted = em::fit(votes, sweep, emission, first, stop);
        let posterior = Sweep { gold: &none, ..*sweep }.posterior(votes, &fitted.table);
        (fitted, posterior)
    };
    Estimate {
        posterior,
        prior: shares(&fitted.counts.totals[..votes.classes()]),
        objective: fitted.objective,
        converged: fitted.converged,
    }
}

/// Shares with one decision per class added.
fn shares(totals: &[f64]) -> Vec<f64> {
    let sum: f64 = totals.iter().map(|total| total + 1.0).sum();
    totals.iter().map(|total| (total + 1.0) / sum).collect()
}

/// The counts that vote shares give, with known posteriors and gold in their place.
fn first_guess(votes: &Votes, sweep: &Sweep<'_>, start: Option<&[f32]>) -> Counts {
    fn guess<F: Float>(votes: &Votes, sweep: &Sweep<'_>, start: Option<&[f32]>) -> Counts {
        let classes = votes.classes();
        let mut posterior = majority::posterior::<F>(votes, &majority::prior(votes), 0.0);
        let known = start.unwrap_or_default().chunks_exact(classes).zip(posterior.chunks_exact_mut(classes));
        for (decision, (from, into)) in known.enumerate() {
            if votes.support(decision) > 0 {
                into.iter_mut().zip(from).for_each(|(into, &from)| *into = F::from_f32(from));
            }
        }
        for entry in sweep.gold.entries() {
            let row = &mut posterior[entry.decision as usize * classes..][..classes];
            row.fill(F::default());
            row[usize::from(entry.class)] = F::ONE;
        }
        counts_given(votes, &posterior, sweep.silent)
    }
    if sweep.single { guess::<f32>(votes, sweep, start) } else { guess::<f64>(votes, sweep, start) }
}

/// The counts of gold decisions alone.
fn gold_counts(votes: &Votes, gold: &Gold) -> Counts {
    let (classes, lanes) = (votes.classes(), lanes_for(votes.classes()));
    let mut counts = Counts {
        lanes,
        rows: vec![0.0; votes.annotators() * classes * lanes],
        totals: vec![0.0; lanes],
        log_likelihood: f64::NAN,
    };
    for (entry, weight) in gold.entries().iter().zip(gold.weights()) {
        let truth = usize::from(entry.class);
        counts.totals[truth] += weight;
        for place in votes.range(entry.decision as usize) {
            counts.rows[votes.codes()[place] as usize * lanes + truth] += weight * f64::from(votes.weight(place));
        }
    }
    counts
}
