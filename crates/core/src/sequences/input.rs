//! What was said about token sequences, in flat arrays.

use std::collections::HashMap;
use std::ops::Range;

use super::context::Context;
use crate::error::{Error, Result};
use crate::task::Class;

/// A stretch of tokens with a type: positions within the item, end-exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct TokenSpan {
    /// The first token.
    pub start: u32,
    /// One past the last token.
    pub end: u32,
    /// The type.
    pub class: Class,
}

/// What an annotator says about a stretch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// It is a span of this type.
    Type(Class),
    /// It is a span of one of these types, such as "some entity" or an ambiguous entry of a list.
    OneOf(Vec<Class>),
    /// No token of it is in any span.
    Nothing,
}

/// One stretch an annotator speaks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The first token.
    pub start: u32,
    /// One past the last token.
    pub end: u32,
    /// What it is.
    pub what: What,
}

impl Claim {
    /// A span of one type.
    pub const fn new(start: u32, end: u32, class: Class) -> Self {
        Self { start, end, what: What::Type(class) }
    }
}

/// What an annotator's silence on a token of an item it spoke about means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Silence {
    /// It looked for spans of every type and found none there: people and models.
    #[default]
    Outside,
    /// It looked for these types alone.
    Lacks(Vec<Class>),
    /// Little: lists and programs know some spans and miss others. How much they miss is learnt.
    Misses,
}

/// How far silence reaches, after types were sorted and checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    All,
    Some(Vec<Class>),
    None,
}

/// One stretch, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) start: u32,
    pub(super) end: u32,
    /// A type; [`Sequences::nothing`]; or beyond that a set.
    pub(super) what: u32,
}

/// Who speaks in which role: an annotator that looks for persons in one job and for places in another is two voters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Voter {
    pub(super) annotator: u32,
    pub(super) scope: Scope,
}

impl Voter {
    /// Whether it might claim spans of this type. Lists and programs are judged by all there is.
    pub(super) fn looks_for(&self, class: Class) -> bool {
        match &self.scope {
            Scope::All | Scope::None => true,
            Scope::Some(types) => types.contains(&class),
        }
    }
}

/// One annotator's word on one item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement<'a> {
    pub(super) voter: u32,
    pub(super) claims: &'a [Packed],
}

/// Items of tokens and what annotators said about them. Built by [`SequencesBuilder`]; immutable. Memory is linear
/// in items, statements and claims, and in tokens where words are given; silence costs nothing.
#[derive(Clone, Debug)]
pub struct Sequences {
    types: usize,
    annotators: usize,
    tokens: Vec<usize>,
    of_item: Vec<u32>,
    voter_of: Vec<u32>,
    of_statement: Vec<u32>,
    claims: Vec<Packed>,
    voters: Vec<Voter>,
    sets: Vec<Vec<Class>>,
    overlaps: usize,
    pub(super) context: Context,
}

/// Collects items in order and, for each, what annotators said.
///
/// ```
/// use postil_core::sequences::{Claim, SequencesBuilder, Silence};
///
/// let mut builder = SequencesBuilder::new(2);
/// builder.item(5);
/// builder.say(0, &[Claim::new(0, 2, 1)], &Silence::Outside)?;
/// builder.say(1, &[], &Silence::Outside)?;
/// let sequences = builder.build();
/// assert_eq!((sequences.items(), sequences.annotators()), (1, 2));
/// # Ok::<(), postil_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SequencesBuilder {
    made: Sequences,
    voters: HashMap<Voter, u32>,
    sets: HashMap<Vec<Class>, u32>,
}

impl SequencesBuilder {
    /// A builder for so many types of spans.
    pub fn new(types: usize) -> Self {
        let made = Sequences {
            types,
            annotators: 0,
            tokens: vec![0],
            of_item: vec![0],
            voter_of: Vec::new(),
            of_statement: vec![0],
            claims: Vec::new(),
            voters: Vec::new(),
            sets: Vec::new(),
            overlaps: 0,
            context: Context::default(),
        };
        Self { made, voters: HashMap::new(), sets: HashMap::new() }
    }

    /// Begins the next item, of so many tokens, and returns its position.
    pub fn item(&mut self, tokens: u32) -> u32 {
        let last = self.made.tokens[self.made.tokens.len() - 1];
        self.made.tokens.push(last + tokens as usize);
        self.made.of_item.push(self.made.voter_of.len() as u32);
        self.made.tokens.len() as u32 - 2
    }

    /// Begins the next item with its words. Where the words of all items are known, what annotators said about the same
    /// words elsewhere is evidence, too.
    pub fn item_of_words<W: AsRef<str>>(&mut self, words: &[W]) -> u32 {
        self.made.context.push(words);
        self.item(words.len() as u32)
    }

    /// Says what an annotator said about the item that was begun last. An annotator about whom nothing is said abstains.
    /// Where claims of one annotator overlap, the longer stands, then the earlier; those that fell are counted.
    ///
    /// # Errors
    /// No item, a claim of no tokens or beyond the item, a type that does not exist, an empty set of types.
    pub fn say(&mut self, annotator: u32, claims: &[Claim], silence: &Silence) -> Result<()> {
        let made = &mut self.made;
        let items = made.tokens.len() - 1;
        if items == 0 {
            return Err(Error::input("expected an item before an annotator speaks, found none"));
        }
        let length = made.tokens[items] - made.tokens[items - 1];
        let types = made.types;
        let check = |classes: &[Class]| -> Result<Vec<Class>> {
            let mut sorted = classes.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            match sorted.last() {
                None => Err(Error::input("expected at least one type, found an empty set")),
                Some(&last) if usize::from(last) >= types => {
                    Err(Error::input(format!("expected types below {types}, found {last}")))
                }
                Some(_) => Ok(sorted),
            }
        };
        let mut packed = Vec::with_capacity(claims.len());
        for claim in claims {
            if claim.start >= claim.end || claim.end as usize > length {
                return Err(Error::input(format!(
                    "expected a stretch of at least one of {length} tokens, found {}..{}",
                    claim.start, claim.end
                )));
            }
            let what = match &claim.what {
                What::Nothing => types as u32,
                What::Type(class) => u32::from(check(&[*class])?[0]),
                What::OneOf(classes) => {
                    let set = check(classes)?;
                    if let [only] = set[..] {
                        u32::from(only)
                    } else {
                        let next = self.sets.len() as u32;
                        let place = *self.sets.entry(set.clone()).or_insert_with(|| {
                            made.sets.push(set);
                            next
                        });
                        types as u32 + 1 + place
                    }
                }
            };
            packed.push(Packed { start: claim.start, end: claim.end, what });
        }
        packed.sort_by_key(|claim| (std::cmp::Reverse(claim.end - claim.start), claim.start));
        let mut kept: Vec<Packed> = Vec::with_capacity(packed.len());
        for claim in packed {
            if kept.iter().any(|other| claim.start < other.end && other.start < claim.end) {
                made.overlaps += 1;
            } else {
                kept.push(claim);
            }
        }
        kept.sort_unstable_by_key(|claim| claim.start);
        let scope = match silence {
            Silence::Outside => Scope::All,
            Silence::Lacks(classes) => Scope::Some(check(classes)?),
            Silence::Misses => Scope::None,
        };
        let voter = Voter { annotator, scope };
        let next = self.voters.len() as u32;
        let place = *self.voters.entry(voter.clone()).or_insert_with(|| {
            made.voters.push(voter);
            next
        });
        made.annotators = made.annotators.max(annotator as usize + 1);
        made.voter_of.push(place);
        made.claims.extend(kept);
        made.of_statement.push(made.claims.len() as u32);
        made.of_item[items] = made.voter_of.len() as u32;
        Ok(())
    }

    /// Ends the collection.
    pub fn build(self) -> Sequences {
        self.made
    }
}

impl Sequences {
    /// How many types of spans there are.
    pub const fn types(&self) -> usize {
        self.types
    }

    /// How many annotators there are: one more than the greatest that spoke.
    pub const fn annotators(&self) -> usize {
        self.annotators
    }

    /// How many items there are.
    pub fn items(&self) -> usize {
        self.tokens.len() - 1
    }

    /// The tokens of an item, counted through all items.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn tokens(&self, item: usize) -> Range<usize> {
        self.tokens[item]..self.tokens[item + 1]
    }

    /// How many tokens all items have.
    pub fn all_tokens(&self) -> usize {
        self.tokens[self.tokens.len() - 1]
    }

    /// How many claims were left out because they overlapped another of the same annotator.
    pub const fn overlaps(&self) -> usize {
        self.overlaps
    }

    /// How many states the hidden chain has: outside, begin and inside of every type, and outside right after a span.
    pub(super) const fn states(&self) -> usize {
        2 + 2 * self.types
    }

    /// The code of "no span here".
    pub(super) const fn nothing(&self) -> u32 {
        self.types as u32
    }

    /// The types a set stands for; none for other codes.
    fn members(&self, what: u32) -> &[Class] {
        match (what as usize).checked_sub(self.types + 1) {
            Some(set) => &self.sets[set],
            None => &[],
        }
    }

    /// Calls `visit` with every type a code may stand for.
    pub(super) fn each_member(&self, what: u32, mut visit: impl FnMut(usize)) {
        if (what as usize) < self.types {
            visit(what as usize);
        } else {
            for &class in self.members(what) {
                visit(usize::from(class));
            }
        }
    }

    /// How many types a code may stand for.
    pub(super) fn breadth(&self, what: u32) -> usize {
        if (what as usize) < self.types { 1 } else { self.members(what).len() }
    }

    pub(super) fn voters(&self) -> &[Voter] {
        &self.voters
    }

    pub(super) fn statements(&self, item: usize) -> impl ExactSizeIterator<Item = Statement<'_>> + Clone {
        let range = self.of_item[item] as usize..self.of_item[item + 1] as usize;
        range.map(|place| Statement {
            voter: self.voter_of[place],
            claims: &self.claims[self.of_statement[place] as usize..self.of_statement[place + 1] as usize],
        })
    }

    /// Whether most of what was said was said by lists and programs.
    pub(super) fn mostly_programs(&self) -> bool {
        let programs = self.voter_of.iter().filter(|&&voter| self.voters[voter as usize].scope == Scope::None).count();
        2 * programs > self.voter_of.len()
    }

    /// How many annotators look for spans wherever they speak.
    pub(super) fn people(&self) -> usize {
        let mut people: Vec<u32> =
            self.voters.iter().filter(|one| one.scope != Scope::None).map(|one| one.annotator).collect();
        people.sort_unstable();
        people.dedup();
        people.len()
    }

    /// How many claims there are.
    pub(super) fn claims(&self) -> usize {
        self.claims.len()
    }
}
