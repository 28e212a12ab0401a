//! A plan: what to ask next given the answers so far, and what they come to.

use std::sync::Arc;

use super::belief::{Belief, likeliest};
use super::cascade::Cascade;
use super::chain::Chain;
use super::committee::Committee;
use super::policy::Policy;
use super::pool::Stored;
use super::split::{RandomSplit, Split};
use super::state::{Asked, State};
use super::value::Value;
use crate::task::Class;

/// One question to put to one source. Requests of one batch are independent: they can be put at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// About what.
    pub decision: u32,
    /// To whom.
    pub source: u32,
    /// What it costs.
    pub price: f64,
}

/// Labels from the answers so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdicts {
    /// Per decision its label.
    pub labels: Vec<Class>,
    /// Per decision the probability of each class, `classes` numbers each, that sum to one. It comes from the records of
    /// those who answered; under some policies the label is not the likeliest class.
    pub posterior: Vec<f32>,
}

/// How a policy goes about it, with everything settled.
#[derive(Clone, Debug)]
pub(super) enum Course {
    /// The first of the line-up that can be asked.
    Single {
        lineup: Vec<u32>,
    },
    Committee(Committee),
    RandomSplit(RandomSplit),
    Split(Split),
    Chain(Chain),
    Cascade(Cascade),
    Value(Value),
}

/// A policy with everything settled: whom to ask, in which order, how many items to forward. Made by
/// [`Fit::plan`](super::Fit::plan).
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) policy: Policy,
    pub(super) course: Course,
    pub(super) belief: Arc<Belief>,
    pub(super) description: String,
}

impl Plan {
    /// The policy; for [`Policy::Auto`] the one that was chosen.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Who is asked, in words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What is known about the sources.
    pub fn belief(&self) -> &Belief {
        &self.belief
    }

    /// The next questions, the most urgent first: at most `most`, and no more than what is left of `budget` can pay for
    /// if all are answered. Empty once the plan is carried out or the money spent.
    ///
    /// Every request must be recorded in the state, with [`Reply::Missing`](super::Reply::Missing) if the source cannot be
    /// asked, or it will be asked for again. Plans in stages (chain, cascade, splits by uncertainty) hand out a stage once
    /// the one before is answered for all decisions.
    pub fn next(&self, state: &State, budget: f64, most: usize) -> Vec<Request> {
        let wanted = match &self.course {
            Course::Single { lineup } => {
                state.all().filter_map(|decision| Some((decision, unasked(state, decision, lineup)?))).collect()
            }
            Course::Committee(committee) => committee.wanted(state),
            Course::RandomSplit(split) => split.wanted(state),
            Course::Split(split) => split.wanted(state, &self.belief),
            Course::Chain(chain) => chain.wanted(state, &self.belief),
            Course::Cascade(cascade) => cascade.wanted(state, &self.belief),
            Course::Value(value) => value.wanted(state, &self.belief),
        };
        let mut spent = state.spent();
        // A sum of prices may differ from their product with a count in the last bits.
        let limit = budget * (1.0 + 1e-12);
        let mut requests = Vec::new();
        for (decision, source) in wanted {
            let price = state.pool().price(source);
            if requests.len() == most {
                break;
            }
            if spent + price <= limit {
                spent += price;
                requests.push(Request { decision, source, price });
            }
        }
        requests
    }

    /// The labels that the answers so far come to. Decisions about which nobody answered get the most frequent class.
    pub fn verdicts(&self, state: &State) -> Verdicts {
        let rows: Vec<Vec<f64>> = state.all().map(|decision| self.belief.posterior(state.asked(decision))).collect();
        let said = |decision: u32, source: u32| state.find(decision, source).and_then(Asked::label);
        let or = |decision: u32, label: Option<Class>| label.unwrap_or_else(|| likeliest(&rows[decision as usize]));
        let labels = match &self.course {
            Course::Single { lineup } => state
                .all()
                .map(|decision| {
                    or(decision, state.available(decision, lineup).and_then(|source| said(decision, source)))
                })
                .collect(),
            Course::Committee(committee) => committee.labels(state, &rows),
            Course::RandomSplit(split) => state
                .all()
                .map(|decision| or(decision, split.source(state, decision).and_then(|s| said(decision, s))))
                .collect(),
            Course::Split(split) => split.labels(state, &rows),
            Course::Chain(chain) => {
                let found = chain.labels(state, &self.belief);
                state.all().zip(found).map(|(decision, label)| or(decision, label)).collect()
            }
            Course::Cascade(_) | Course::Value(_) => rows.iter().map(|row| likeliest(row)).collect(),
        };
        Verdicts { labels, posterior: rows.into_iter().flatten().map(|value| value as f32).collect() }
    }
}

/// The first of a line-up that can be asked, unless it has been.
pub(super) fn unasked(state: &State, decision: u32, lineup: &[u32]) -> Option<u32> {
    state.available(decision, lineup).filter(|&source| state.find(decision, source).is_none())
}

/// What came of carrying out a plan.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The labels.
    pub verdicts: Verdicts,
    /// Money spent, per decision.
    pub spent: Vec<f64>,
    /// Whether a person answered, per decision.
    pub person: Vec<bool>,
    /// Answers in all.
    pub answers: usize,
}

/// Carries out a plan on stored replies about some decisions, spending at most `budget`: [`Plan::next`] until there is
/// nothing left to ask.
pub fn replay(plan: &Plan, stored: &Stored, decisions: &[u32], budget: f64) -> Outcome {
    let keys = decisions.iter().map(|&decision| stored.keys()[decision as usize]).collect();
    let mut state = State::new(stored.pool().clone(), stored.classes(), keys);
    loop {
        let batch = plan.next(&state, budget, usize::MAX);
        if batch.is_empty() {
            break;
        }
        for Request { decision, source, .. } in batch {
            let of = decisions[decision as usize];
            let one = Asked { source, code: stored.code(of, source), confidence: stored.confidence_at(of, source) };
            state.add(decision, one);
        }
    }
    let paid = |decision: u32| state.asked(decision).iter().filter(|one| one.code != super::pool::MISSING);
    Outcome {
        verdicts: plan.verdicts(&state),
        spent: state.all().map(|decision| state.spent_on(decision)).collect(),
        person: state.all().map(|decision| paid(decision).any(|one| state.pool().source(one.source).person)).collect(),
        answers: state.all().map(|decision| paid(decision).count()).sum(),
    }
}
