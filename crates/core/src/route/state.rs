//! All answers so far.

use super::pool::{self, MISSING, NOTHING, Pool, Reply};
use crate::error::Result;
use crate::task::Class;

/// One question that was asked, with what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub(super) source: u32,
    pub(super) code: u16,
    /// NaN if none was given.
    pub(super) confidence: f32,
}

impl Asked {
    /// Who was asked.
    pub const fn source(&self) -> u32 {
        self.source
    }

    /// The label, if there is one.
    pub const fn label(&self) -> Option<Class> {
        if self.code < NOTHING { Some(self.code) } else { None }
    }
}

/// What is known while a run goes on: the replies about every decision and the money spent.
///
/// A plan reads nothing else, so a state that is stored and loaded again goes on where it stopped.
#[derive(Clone, Debug)]
pub struct State {
    pool: Pool,
    classes: usize,
    keys: Vec<u64>,
    asked: Vec<Vec<Asked>>,
    spent: f64,
    confident: bool,
}

impl State {
    /// Nothing asked yet. `keys` has a number per decision, made from the identity of its item, that breaks ties.
    pub fn new(pool: Pool, classes: usize, keys: Vec<u64>) -> Self {
        let asked = vec![Vec::new(); keys.len()];
        Self { pool, classes, keys, asked, spent: 0.0, confident: false }
    }

    /// Adds a reply and its price. A second reply of one source about one decision takes the place of the first, and is
    /// paid for as well.
    ///
    /// # Errors
    /// A decision, source or class that does not exist, a confidence outside 0 to 1.
    pub fn record(&mut self, decision: u32, source: u32, reply: Reply, confidence: Option<f64>) -> Result<()> {
        pool::check(&self.pool, self.classes, self.keys.len(), decision, source, reply, confidence)?;
        self.add(decision, Asked { source, code: reply.code(), confidence: confidence.map_or(f32::NAN, |c| c as f32) });
        Ok(())
    }

    pub(super) fn add(&mut self, decision: u32, one: Asked) {
        if one.code != MISSING {
            self.spent += self.pool.price(one.source);
        }
        self.confident |= !one.confidence.is_nan();
        let asked = &mut self.asked[decision as usize];
        match asked.binary_search_by_key(&one.source, |other| other.source) {
            Ok(place) => asked[place] = one,
            Err(place) => asked.insert(place, one),
        }
    }

    /// The money spent.
    pub fn spent(&self) -> f64 {
        self.spent
    }

    /// The money spent on one decision.
    ///
    /// # Panics
    /// If there is no such decision.
    pub fn spent_on(&self, decision: u32) -> f64 {
        let paid = self.asked(decision).iter().filter(|one| one.code != MISSING);
        paid.map(|one| self.pool.price(one.source)).sum()
    }

    /// Who can be asked.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many decisions there are.
    pub fn decisions(&self) -> usize {
        self.keys.len()
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// What was asked about a decision, in the order of the sources.
    ///
    /// # Panics
    /// If there is no such decision.
    pub fn asked(&self, decision: u32) -> &[Asked] {
        &self.asked[decision as usize]
    }

    /// Whether any reply came with a confidence.
    pub(super) fn confident(&self) -> bool {
        self.confident
    }

    pub(super) fn key(&self, decision: u32) -> u64 {
        self.keys[decision as usize]
    }

    pub(super) fn find(&self, decision: u32, source: u32) -> Option<&Asked> {
        let asked = self.asked(decision);
        asked.binary_search_by_key(&source, |one| one.source).ok().map(|place| &asked[place])
    }

    /// The numbers of all decisions.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.keys.len() as u32
    }

    /// The first source of a line-up that has not been found missing: who is to be asked, or has answered.
    pub(super) fn available(&self, decision: u32, lineup: &[u32]) -> Option<u32> {
        lineup.iter().copied().find(|&source| self.find(decision, source).is_none_or(|one| one.code != MISSING))
    }
}
