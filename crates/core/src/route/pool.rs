//! Who can be asked at what price, and tables of what they said.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::task::Class;

/// Codes of replies beyond the classes.
pub(super) const NOTHING: u16 = u16::MAX - 1;
pub(super) const MISSING: u16 = u16::MAX;

/// Somebody who can be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name, unlike every other in the pool.
    pub name: String,
    /// Money per answer, in the currency of all prices and budgets.
    pub price: f64,
    /// Whether it is a person.
    pub person: bool,
    /// The model it is a prompt, a sample or a setting of; sources of one model are tried together as an ensemble.
    pub model: String,
}

impl Source {
    /// A machine that is a model of its own.
    pub fn machine(name: &str, price: f64) -> Self {
        Self { name: name.to_owned(), price, person: false, model: name.to_owned() }
    }

    /// A person.
    pub fn person(name: &str, price: f64) -> Self {
        Self { person: true, ..Self::machine(name, price) }
    }
}

/// Everybody who can be asked, in the order of their names: no result depends on the order in which they were given.
#[derive(Clone, Debug)]
pub struct Pool(Arc<[Source]>);

impl Pool {
    /// Checks and orders sources.
    ///
    /// # Errors
    /// No source, a name twice, a price that is negative or no number.
    pub fn new(mut sources: Vec<Source>) -> Result<Self> {
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        if sources.is_empty() {
            return Err(Error::input("expected at least one annotator, found none"));
        }
        if let Some(pair) = sources.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Error::input(format!("expected every annotator once, found `{}` twice", pair[0].name)));
        }
        if let Some(source) = sources.iter().find(|source| !(source.price >= 0.0 && source.price.is_finite())) {
            return Err(Error::input(format!(
                "expected a price of at least 0 for `{}`, found {}",
                source.name, source.price
            )));
        }
        Ok(Self(sources.into()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody; never so.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is no such source.
    pub fn source(&self, number: u32) -> &Source {
        &self.0[number as usize]
    }

    /// All, in the order of their names.
    pub fn sources(&self) -> &[Source] {
        &self.0
    }

    /// The number of a name.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.0.binary_search_by(|source| source.name.as_str().cmp(name)).ok().map(|place| place as u32)
    }

    pub(super) fn price(&self, number: u32) -> f64 {
        self.0[number as usize].price
    }
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A label. It is paid for.
    Label(Class),
    /// An abstention, a refusal, an answer that could not be read. It is paid for, too.
    Nothing,
    /// The source could not be asked about this item. That costs nothing.
    Missing,
}

impl Reply {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Label(class) => class,
            Self::Nothing => NOTHING,
            Self::Missing => MISSING,
        }
    }
}

/// Stored replies: decisions x sources. Two bytes a cell, six with confidences.
#[derive(Clone, Debug)]
pub struct Stored {
    pool: Pool,
    classes: usize,
    keys: Vec<u64>,
    codes: Vec<u16>,
    confidence: Option<Vec<f32>>,
}

impl Stored {
    /// A table without replies. `keys` has a number per decision, made from the identity of its item, that breaks ties.
    pub fn new(pool: Pool, classes: usize, keys: Vec<u64>) -> Self {
        let codes = vec![MISSING; keys.len() * pool.len()];
        Self { pool, classes, keys, codes, confidence: None }
    }

    /// Sets what a source said about a decision, and how confident it was, from 0 to 1.
    ///
    /// # Errors
    /// A decision, source or class that does not exist, a confidence outside 0 to 1.
    pub fn set(&mut self, decision: u32, source: u32, reply: Reply, confidence: Option<f64>) -> Result<()> {
        check(&self.pool, self.classes, self.keys.len(), decision, source, reply, confidence)?;
        let place = decision as usize * self.pool.len() + source as usize;
        self.codes[place] = reply.code();
        if let Some(value) = confidence {
            let length = self.codes.len();
            self.confidence.get_or_insert_with(|| vec![f32::NAN; length])[place] = value as f32;
        }
        Ok(())
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

    /// The number that breaks each decision's ties.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// What a source said about a decision.
    ///
    /// # Panics
    /// If there is no such decision or source.
    pub fn reply(&self, decision: u32, source: u32) -> (Reply, Option<f64>) {
        let place = decision as usize * self.pool.len() + source as usize;
        let reply = match self.codes[place] {
            MISSING => Reply::Missing,
            NOTHING => Reply::Nothing,
            class => Reply::Label(class),
        };
        (reply, Some(f64::from(self.confidence_at(decision, source))).filter(|value| !value.is_nan()))
    }

    pub(super) fn code(&self, decision: u32, source: u32) -> u16 {
        self.codes[decision as usize * self.pool.len() + source as usize]
    }

    pub(super) fn confidence_at(&self, decision: u32, source: u32) -> f32 {
        let place = decision as usize * self.pool.len() + source as usize;
        self.confidence.as_ref().map_or(f32::NAN, |all| all[place])
    }
}

pub(super) fn check(
    pool: &Pool,
    classes: usize,
    decisions: usize,
    decision: u32,
    source: u32,
    reply: Reply,
    confidence: Option<f64>,
) -> Result<()> {
    let class = match reply {
        Reply::Label(class) => usize::from(class),
        Reply::Nothing | Reply::Missing => 0,
    };
    if decision as usize >= decisions || source as usize >= pool.len() || class >= classes || class >= NOTHING as usize
    {
        return Err(Error::input(format!(
            "expected decisions below {decisions}, annotators below {} and classes below {classes}, found {decision}, \
             {source} and {class}",
            pool.len()
        )));
    }
    match confidence.filter(|value| !(0.0..=1.0).contains(value)) {
        Some(value) => Err(Error::input(format!("expected a confidence from 0 to 1, found {value}"))),
        None => Ok(()),
    }
}
