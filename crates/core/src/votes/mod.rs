//! Votes: who said which class about which decision, sparse, in the form every aggregator reads.
//!
//! A decision is the smallest thing two annotators can agree or disagree on; an abstention is the absence of a vote.
//! One vote takes four bytes: `annotator * classes + class`, which is also the row of every per-annotator table, so a
//! sweep over five million votes reads twenty megabytes.

mod builder;
mod gold;

use std::ops::Range;

pub use builder::{Repeats, VotesBuilder};
pub use gold::{Gold, GoldEntry};

use crate::task::Class;

/// Decisions x annotators -> class, grouped by decision. Built by [`VotesBuilder`]; immutable.
///
/// Within a decision the votes stand in annotator order, so the order of the rows in a file changes no result.
#[derive(Clone, Debug)]
pub struct Votes {
    /// Where each decision's votes begin; one more than there are decisions.
    offsets: Vec<u32>,
    /// `annotator * classes + class` of every vote.
    codes: Vec<u32>,
    /// The weight of every vote, when any differs from one.
    weights: Option<Vec<f32>>,
    /// A number per decision that breaks ties, from the identity of the item.
    keys: Option<Vec<u64>>,
    /// The stratum of each decision, when decisions differ in what to expect beforehand.
    strata: Option<Vec<u16>>,
    classes: u32,
    /// `2^64 / classes`, rounded up, wrapping.
    reciprocal: u64,
    annotators: u32,
    repeated: usize,
    dropped: usize,
}

/// One vote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// Who.
    pub annotator: u32,
    /// What.
    pub class: Class,
    /// How much of one answer: 1, or a share when an answer names several classes.
    pub weight: f32,
}

/// The votes of every annotator, for those who need them by column: positions into the votes, grouped by annotator.
#[derive(Clone, Debug)]
pub struct AnnotatorIndex {
    offsets: Vec<u32>,
    decisions: Vec<u32>,
    classes: Vec<Class>,
}

impl Votes {
    /// How many decisions there are, with or without votes.
    pub fn decisions(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many annotators there are, with or without votes.
    pub fn annotators(&self) -> usize {
        self.annotators as usize
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes as usize
    }

    /// How many votes there are.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether nobody said anything.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// How many answers were not the first of their annotator about their decision.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// How many of the repeated answers the policy put aside.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The votes about one decision, in annotator order.
    ///
    /// # Panics
    /// If there is no such decision.
    pub fn of(&self, decision: usize) -> impl ExactSizeIterator<Item = Vote> + '_ {
        self.range(decision).map(|place| self.at(place))
    }

    /// How many votes a decision has.
    pub fn support(&self, decision: usize) -> usize {
        self.range(decision).len()
    }

    /// The number that breaks this decision's ties.
    pub fn key(&self, decision: usize) -> u64 {
        match &self.keys {
            Some(keys) => keys[decision],
            None => decision as u64,
        }
    }

    /// The stratum of each decision, if there are any: the label that a yes or no is about, in a task with several labels
    /// per item.
    pub fn strata(&self) -> Option<&[u16]> {
        self.strata.as_deref()
    }

    /// The votes by annotator. Takes time and memory in proportion to the votes.
    pub fn by_annotator(&self) -> AnnotatorIndex {
        let mut offsets = vec![0u32; self.annotators() + 1];
        for &code in &self.codes {
            offsets[(code / self.classes) as usize + 1] += 1;
        }
        for annotator in 1..offsets.len() {
            offsets[annotator] += offsets[annotator - 1];
        }
        let mut next = offsets.clone();
        let mut decisions = vec![0; self.len()];
        let mut classes = vec![0; self.len()];
        for decision in 0..self.decisions() {
            for vote in self.of(decision) {
                let place = &mut next[vote.annotator as usize];
                decisions[*place as usize] = decision as u32;
                classes[*place as usize] = vote.class;
                *place += 1;
            }
        }
        AnnotatorIndex { offsets, decisions, classes }
    }

    /// The votes about some decisions alone, renumbered in the order given.
    #[must_use]
    pub fn select(&self, decisions: &[u32]) -> Self {
        self.filtered(decisions.iter().copied(), |_, _| true)
    }

    /// All decisions, with only the votes for which `keep(decision, vote)` holds.
    #[must_use]
    pub fn retain(&self, keep: impl FnMut(usize, Vote) -> bool) -> Self {
        self.filtered(0..self.decisions() as u32, keep)
    }

    /// The same votes with other weights, each made from all votes about the decision and the vote itself.
    #[must_use]
    pub fn reweighed(&self, mut weight: impl FnMut(&[Vote], Vote) -> f32) -> Self {
        let mut weights = Vec::with_capacity(self.len());
        let mut all = Vec::new();
        for decision in 0..self.decisions() {
            all.clear();
            all.extend(self.of(decision));
            weights.extend(all.iter().map(|&vote| weight(&all, vote)));
        }
        Self { weights: Some(weights), ..self.clone() }
    }

    /// The same votes and, for each stratum, one more annotator that says the first class wherever it stands: what is
    /// learnt about its answers is what to expect of the stratum.
    pub(crate) fn with_strata_as_annotators(&self) -> Option<Self> {
        let strata = self.strata.as_ref()?;
        let count = strata.iter().max().map_or(0, |&greatest| u32::from(greatest) + 1);
        let (mut offsets, mut codes) = (vec![0], Vec::with_capacity(self.len() + self.decisions()));
        let mut weights = self.weights.as_ref().map(|_| Vec::new());
        for (decision, &stratum) in strata.iter().enumerate() {
            let range = self.range(decision);
            // What nobody voted on stays without votes.
            if !range.is_empty() {
                codes.extend_from_slice(&self.codes[range.clone()]);
                codes.push((self.annotators + u32::from(stratum)) * self.classes);
                if let (Some(into), Some(from)) = (&mut weights, &self.weights) {
                    into.extend_from_slice(&from[range]);
                    into.push(1.0);
                }
            }
            offsets.push(codes.len() as u32);
        }
        Some(Self { offsets, codes, weights, annotators: self.annotators + count, strata: None, ..self.clone() })
    }

    fn filtered(&self, decisions: impl Iterator<Item = u32>, mut keep: impl FnMut(usize, Vote) -> bool) -> Self {
        let mut offsets = vec![0];
        let mut codes = Vec::new();
        let mut weights = self.weights.as_ref().map(|_| Vec::new());
        let mut keys = Vec::new();
        let mut strata = self.strata.as_ref().map(|_| Vec::new());
        for decision in decisions {
            let decision = decision as usize;
            for place in self.range(decision) {
                let vote = self.at(place);
                if keep(decision, vote) {
                    codes.push(self.codes[place]);
                    if let Some(weights) = &mut weights {
                        weights.push(vote.weight);
                    }
                }
            }
            offsets.push(codes.len() as u32);
            keys.push(self.key(decision));
            if let (Some(strata), Some(all)) = (&mut strata, &self.strata) {
                strata.push(all[decision]);
            }
        }
        let weights = weights.filter(|weights| weights.iter().any(|&weight| weight != 1.0));
        Self { offsets, codes, weights, keys: Some(keys), strata, repeated: 0, dropped: 0, ..*self }
    }

    /// Where the votes of a decision lie.
    pub(crate) fn range(&self, decision: usize) -> Range<usize> {
        self.offsets[decision] as usize..self.offsets[decision + 1] as usize
    }

    pub(crate) fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    pub(crate) fn codes(&self) -> &[u32] {
        &self.codes
    }

    pub(crate) fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// The class of a vote code: `code % classes`, by multiplication (Lemire, Kaser and Kurz 2019,
    /// <https://doi.org/10.1002/spe.2689>), which is exact and takes a quarter of a division's time.
    #[inline]
    pub(crate) fn class_of(&self, code: u32) -> usize {
        let fraction = self.reciprocal.wrapping_mul(u64::from(code));
        ((u128::from(fraction) * u128::from(self.classes)) >> 64) as usize
    }

    /// The weight of the vote at a place.
    pub(crate) fn weight(&self, place: usize) -> f32 {
        self.weights.as_ref().map_or(1.0, |weights| weights[place])
    }

    fn at(&self, place: usize) -> Vote {
        let code = self.codes[place];
        Vote { annotator: code / self.classes, class: self.class_of(code) as Class, weight: self.weight(place) }
    }
}

impl AnnotatorIndex {
    /// The decisions an annotator voted on and the classes it gave, in decision order.
    pub fn of(&self, annotator: usize) -> impl ExactSizeIterator<Item = (u32, Class)> + '_ {
        let range = self.offsets[annotator] as usize..self.offsets[annotator + 1] as usize;
        self.decisions[range.clone()].iter().copied().zip(self.classes[range].iter().copied())
    }
}
