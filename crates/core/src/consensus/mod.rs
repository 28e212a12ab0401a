//! Consensus: one posterior per decision and a reliability per annotator, from votes and, where there is some, gold.
//!
//! ```
//! use postil_core::consensus::{Method, Settings, fit};
//! use postil_core::votes::{Gold, VotesBuilder};
//!
//! let mut builder = VotesBuilder::new(2);
//! for (decision, annotator, class) in [(0, 0, 1), (0, 1, 1), (0, 2, 0), (1, 0, 0), (1, 1, 0)] {
//!     builder.push(decision, annotator, class)?;
//! }
//! let votes = builder.build(2, 3)?;
//! let consensus = fit(&votes, &Gold::none(), Method::Majority, &Settings::default())?;
//! assert_eq!(consensus.labels, [1, 0]);
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! Every method whose score is a sum over votes runs on one loop over the votes, `sweep`; a method is an `emission`:
//! what annotators' answers say about the truth, given expected counts.
//!
//! ```text
//! votes, gold -> method (em: sweep <-> emission) -> posteriors -> assess -> temperature, choice -> outcome
//! ```

mod assess;
mod choose;
mod duplicates;
mod em;
mod emission;
mod float;
mod glad;
mod majority;
mod method;
mod ordered;
mod outcome;
mod pooled;
mod reference;
mod reliability;
mod special;
mod stratified;
mod sweep;
pub(crate) mod temperature;
mod variational;
mod weighted;
mod wide;

pub use choose::{Basis, Candidate, Choice, ENOUGH_GOLD};
pub use duplicates::{NearDuplicate, discounted, near_duplicates};
pub use method::Method;
pub use outcome::{Consensus, Warning};
pub use reference::{
    Reference, dawid_skene_reference, one_coin_reference, vote_shares, wawa_reference, zero_based_skill_reference,
};
pub use reliability::{Reliability, accuracy_by};

use crate::error::{Error, Result};
use crate::votes::{Gold, Votes};

/// What happens to a unanimous decision (two or more votes, all equal) that the method would label otherwise. It is
/// counted and listed in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unanimous {
    /// The method's label stands.
    #[default]
    Flag,
    /// The voters' label stands, with the smoothed shares of the votes for a posterior.
    Keep,
}

/// How a consensus is made. The defaults are those that did best over the sets the project measures itself on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Draws what is left to chance: ties, folds, hidden answers.
    pub seed: u64,
    /// At most so many sweeps.
    pub sweeps: usize,
    /// Stop after two sweeps in a row that gain less than this per vote.
    pub tolerance: f64,
    /// Whether posteriors are scaled to be as sure as they are right: on gold if there are [`ENOUGH_GOLD`] items, else
    /// on hidden answers, where they are only ever made less sure.
    pub calibrate: bool,
    /// What happens to unanimous decisions that would be overturned.
    pub unanimous: Unanimous,
    /// Whether the classes stand in order.
    pub order: Order,
    /// What happens to annotators that repeat each other.
    pub duplicates: Duplicates,
}

/// Whether the classes stand in order, so that near misses are likelier than far ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// They do not, or nobody knows.
    #[default]
    None,
    /// They may, as whole numbers do. Gold can show it; hidden answers cannot.
    Possible,
    /// They do.
    Given,
}

/// What happens to the votes of near-duplicate annotators, such as two prompts of one model; see [`near_duplicates`].
/// [`Method::Majority`] counts heads in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// They share a vote, and are listed among the warnings.
    #[default]
    Discount,
    /// Each counts in full; they are not looked for.
    Keep,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            sweeps: 100,
            tolerance: 1e-6,
            calibrate: true,
            unanimous: Unanimous::Flag,
            order: Order::None,
            duplicates: Duplicates::Discount,
        }
    }
}

/// Makes one posterior per decision out of all votes about it.
///
/// Gold decisions are taken as known while annotators are learnt, and their posteriors are then made from their votes
/// like all others; [`Consensus::with_gold`] puts the gold class in their place. Same votes, gold, method and settings
/// give the same bytes on any number of threads.
///
/// Time is votes x classes x sweeps; memory is four bytes per vote, four per decision and class, and three tables of
/// annotators x classes x classes.
///
/// # Errors
/// No classes, gold about decisions or classes that do not exist, or a method that needs gold without any.
pub fn fit(votes: &Votes, gold: &Gold, method: Method, settings: &Settings) -> Result<Consensus> {
    fit_from(None, votes, gold, method, settings)
}

/// Makes a consensus again after answers, decisions or annotators were added, starting where the last one ended: its
/// decisions and classes must be the first of the new ones.
///
/// Iterations need fewer sweeps. Temperatures, and the automatic method's shares, are taken over from the last consensus
/// rather than assessed again, which saves most of the time; make a new one with [`fit`] once the answers have changed by
/// more than some. Where the likelihood has several maxima the result can differ from a new one's.
///
/// # Errors
/// Those of [`fit`], or a consensus of other classes or of more decisions.
pub fn refit(last: &Consensus, votes: &Votes, gold: &Gold, method: Method, settings: &Settings) -> Result<Consensus> {
    if last.classes != votes.classes() || last.labels.len() > votes.decisions() {
        return Err(Error::task(format!(
            "expected a consensus of {} classes and at most {} decisions to go on from, found one of {} and {}",
            votes.classes(),
            votes.decisions(),
            last.classes,
            last.labels.len()
        )));
    }
    fit_from(Some(last), votes, gold, method, settings)
}

fn fit_from(
    last: Option<&Consensus>,
    votes: &Votes,
    gold: &Gold,
    method: Method,
    settings: &Settings,
) -> Result<Consensus> {
    if votes.classes() == 0 {
        return Err(Error::task("expected at least one class, found none"));
    }
    gold.check(votes.decisions(), votes.classes())?;
    if method.needs_gold() && gold.is_empty() {
        return Err(Error::task(format!("`{}` learns from gold, and there is none", method.name()))
            .hint("give gold, or use a method that learns from the votes alone"));
    }
    let mut warnings = Vec::new();
    // Majority counts heads, whoever they belong to.
    let look = settings.duplicates == Duplicates::Discount && method != Method::Majority;
    let twins = if look { near_duplicates(votes, settings) } else { Vec::new() };
    let lighter;
    let mut votes = votes;
    if !twins.is_empty() {
        lighter = discounted(votes, &twins);
        votes = &lighter;
        warnings.push(Warning::NearDuplicates { pairs: twins });
    }
    if !gold.is_empty() && gold.len() < ENOUGH_GOLD {
        warnings.push(Warning::LittleGold { found: gold.len(), enough: ENOUGH_GOLD });
    }
    if method == Method::Automatic {
        let (posterior, prior, choice) = match last.and_then(|last| Some((last, last.choice.as_ref()?))) {
            Some((last, choice)) => {
                let (posterior, prior) = choose::mix(votes, gold, settings, choice, Some(&last.posterior));
                (posterior, prior, choice.clone())
            }
            None => choose::automatic(votes, gold, settings),
        };
        let made = outcome::Made {
            method,
            posterior,
            prior,
            objective: Vec::new(),
            temperature: 1.0,
            choice: Some(choice),
            warnings,
        };
        return Ok(outcome::finish(votes, gold, settings, made));
    }

    let start = last.map(|last| last.posterior.as_slice());
    let mut estimate = method::estimate_from(votes, gold, method, settings, start);
    if !estimate.converged {
        warnings.push(Warning::NotConverged { sweeps: estimate.objective.len() });
    }
    let mut factor = 1.0;
    if settings.calibrate && !votes.is_empty() {
        match last.filter(|last| last.method == method) {
            Some(last) => factor = 1.0 / last.temperature,
            None => match choose::assess(votes, gold, &[method], settings).1.first() {
                Some(assessment) => factor = assessment.factor,
                None => warnings.push(Warning::NotCalibrated),
            },
        }
        temperature::apply_all(&mut estimate.posterior, votes.classes(), factor);
    }
    let made = outcome::Made {
        method,
        posterior: estimate.posterior,
        prior: estimate.prior,
        objective: estimate.objective,
        temperature: 1.0 / factor,
        choice: None,
        warnings,
    };
    Ok(outcome::finish(votes, gold, settings, made))
}
