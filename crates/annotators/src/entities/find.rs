//! Finding entries in texts.

use std::ops::Range;

use postil_core::text::{Token, Tokenizer};
use postil_core::{Name, Result};

use super::build::{BuildReport, Built, Layer, build};
use super::case;
use super::list::EntityList;
use super::near::NearScratch;
use super::policy::Policy;
use super::resolve::{Claim, Claims};
use super::surfaces::Origin;
use super::units::{Unit, joins_apostrophe, read, renumber};
use super::walk::Walks;
use crate::list::Case;

/// Lists, ready to be looked for in texts.
///
/// Matching is on the tokens of [`Tokenizer::Words`], so an entry never ends inside a word. Of entries that overlap in
/// the text the one with more tokens counts, then the one that stands there with fewer other letters (see `fuzzy` among the
/// switches), then the one of higher priority, then the one further left. Where several
/// lists have the same stretch, those of the highest priority count; if they differ in their label, the label is left
/// open between them.
///
/// Cost: time in proportion to the text, hardly more for a million entries than for a thousand; memory of about 50
/// bytes an entry, twice that while building.
#[derive(Debug)]
pub struct EntityMatcher {
    built: Built,
}

/// Tokens and sentences that came with a text.
#[derive(Clone, Copy, Debug)]
pub struct Given<'t> {
    /// The tokens. A match begins and ends where they do.
    pub tokens: &'t [Token],
    /// For each sentence the number of the token behind it; no match crosses the end of a sentence. Empty: not known.
    pub sentences: &'t [u32],
}

/// Where a match comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The number of the list.
    pub list: u16,
    pub(super) surface: u32,
}

/// A stretch of text that is in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'s> {
    /// The bytes of the text.
    pub bytes: Range<usize>,
    /// The tokens: the given ones, or else those of [`Tokenizer::Words`].
    pub tokens: Range<u32>,
    /// The labels that are possible, each once, in the order of the lists; numbers into [`EntityMatcher::labels`].
    pub labels: &'s [u16],
    /// Every list that has it, those of the highest priority first.
    pub sources: &'s [Source],
}

/// Room for the work on a text, to be used again for the next.
#[derive(Debug, Default)]
pub struct Scratch {
    units: Vec<Unit>,
    text: String,
    walks: Walks,
    near: NearScratch,
    claims: Claims,
    pub(super) compare: Compare,
}

/// Room for comparing a spelling with a stretch of text.
#[derive(Debug, Default)]
pub(super) struct Compare {
    tokens: Vec<Token>,
    forms: (String, String),
}

impl EntityMatcher {
    /// Builds the tries.
    ///
    /// # Errors
    /// More than 65,535 lists, two billion spellings or two gigabytes of names.
    pub fn new(lists: &[(&EntityList, Policy)]) -> Result<Self> {
        Ok(Self { built: build(lists)? })
    }

    /// The labels of the lists, each once.
    pub fn labels(&self) -> &[Name] {
        &self.built.labels
    }

    /// What to call each list, and what became of its entries.
    pub fn lists(&self) -> impl ExactSizeIterator<Item = (&str, &BuildReport)> {
        self.built.lists.iter().map(|list| (list.name.as_str(), &list.report))
    }

    /// The name of a list.
    pub fn list_name(&self, list: u16) -> &str {
        &self.built.lists[usize::from(list)].name
    }

    /// The number of a list's label.
    pub fn list_label(&self, list: u16) -> u16 {
        self.built.lists[usize::from(list)].label
    }

    /// The entry behind a match, and how it is spelt in the list if that is not its name.
    pub fn entry(&self, source: Source) -> (&str, Option<(&str, Origin)>) {
        let surfaces = &self.built.surfaces;
        let (name, origin) = surfaces.name(source.surface);
        let other = (origin != Origin::Name).then(|| (surfaces.text(source.surface), origin));
        (surfaces.text(name), other)
    }

    /// The memory that tries and names take, in bytes.
    pub fn bytes(&self) -> usize {
        self.built.surfaces.bytes() + self.built.layers.iter().map(Layer::bytes).sum::<usize>()
    }

    /// Calls `visitor` for every match, from left to right; they do not overlap.
    pub fn visit(
        &self,
        text: &str,
        given: Option<Given<'_>>,
        scratch: &mut Scratch,
        mut visitor: impl FnMut(&Found<'_>),
    ) {
        let Scratch { units, text: room, walks, near, claims, compare } = scratch;
        claims.clear();
        let mut mixed = self.built.layers.len() > 1;
        for (number, layer) in self.built.layers.iter().enumerate() {
            if number == 0 {
                read(text, &layer.rules, units, room);
            } else {
                renumber(text, &layer.rules, units, room);
            }
            walks.take(number as u16, layer, text, units, claims.room());
            if let Some(index) = &layer.near {
                index.take(number as u16, &layer.rules, text, units, near, claims.room());
                mixed = true;
            }
        }
        let reader = Reader { built: &self.built, text, units, given };
        claims.settle(mixed, &reader, compare, &mut visitor);
    }

    /// All matches of a text: bytes, labels and sources.
    pub fn find(&self, text: &str) -> Vec<(Range<usize>, Vec<Name>, Vec<Source>)> {
        let mut found = Vec::new();
        self.visit(text, None, &mut Scratch::default(), |one| {
            let labels = one.labels.iter().map(|&label| self.built.labels[usize::from(label)].clone()).collect();
            found.push((one.bytes.clone(), labels, one.sources.to_vec()));
        });
        found
    }
}

/// A text in which claims are checked.
pub(super) struct Reader<'t> {
    pub(super) built: &'t Built,
    text: &'t str,
    units: &'t [Unit],
    given: Option<Given<'t>>,
}

impl Reader<'_> {
    fn bytes(&self, claim: &Claim) -> Range<usize> {
        let (first, last) = (claim.start as usize, claim.end as usize - 1);
        self.units[first].token.start as usize..self.units[last].token.end as usize
    }

    /// Where a claim stands, in bytes and tokens; `None` if its borders are not those of given tokens, or if a sentence
    /// or a paragraph ends inside. `possessive`: an `'s` may follow inside the last given token.
    pub(super) fn place(&self, claim: &Claim, possessive: bool) -> Option<(Range<usize>, Range<u32>)> {
        let bytes = self.bytes(claim);
        let Some(Given { tokens, sentences }) = self.given else {
            let paragraph = claim.end - claim.start > 1 && has_blank_line(&self.text[bytes.clone()]);
            return (!paragraph).then_some((bytes, claim.start..claim.end));
        };
        let first = tokens.binary_search_by_key(&(bytes.start as u32), |token| token.start).ok()?;
        let last = first + tokens[first..].partition_point(|token| (token.end as usize) < bytes.end);
        let end = tokens.get(last)?.end as usize;
        let rest = &self.text[bytes.end..end];
        if !(rest.is_empty()
            || possessive && matches!(rest, "'s" | "\u{2019}s" | "'S" | "\u{2019}S" | "'" | "\u{2019}"))
        {
            return None;
        }
        let sentence = |token: usize| sentences.partition_point(|&end| end as usize <= token);
        if sentence(first) != sentence(last) {
            return None;
        }
        Some((bytes.start..end, first as u32..last as u32 + 1))
    }

    /// Whether a surface really is what stands there, as its list's switches have it.
    pub(super) fn accepts(&self, claim: &Claim, surface: u32, compare: &mut Compare) -> bool {
        let surfaces = &self.built.surfaces;
        let list = &self.built.lists[usize::from(surfaces.list(surface))];
        let (spelling, there) = (surfaces.text(surface), &self.text[self.bytes(claim)]);
        let policy = &list.policy;
        let single = claim.end - claim.start == 1;
        if spelling == there {
            return !(single && policy.all_caps && case::is_capitals(there) && self.is_lost_in_capitals(claim, policy));
        }
        let rules = &self.built.layers[usize::from(claim.layer)].rules;
        if spelling.len() == there.len()
            && rules.is_plain()
            && spelling.is_ascii()
            && there.eq_ignore_ascii_case(spelling)
        {
            // Equal numbers and equal letters: the tokens are the same, and only their case can differ.
            return surfaces.has_any_case(surface)
                || if policy.all_caps && case::is_capitals(there) && self.is_all_capitals_around(claim) {
                    !(single && self.is_lost_in_capitals(claim, policy))
                } else {
                    case::fits_ascii(policy.case, single, spelling.as_bytes(), there.as_bytes())
                };
        }
        let Compare { tokens, forms } = compare;
        tokens.clear();
        spelling_tokens(spelling, |token| {
            if !rules.skips(token.of(spelling)) {
                tokens.push(token);
            }
        });
        let units = &self.units[claim.start as usize..claim.end as usize];
        let mut stands = units.iter().map(|unit| unit.token.of(self.text)).filter(|token| !rules.skips(token));
        let same =
            tokens.iter().all(|token| stands.next().is_some_and(|there| rules.same(token.of(spelling), there, forms)));
        if !same || stands.next().is_some() {
            return false;
        }
        if surfaces.has_any_case(surface) {
            return true;
        }
        let pairs = || {
            let stands = units.iter().map(|unit| unit.token.of(self.text)).filter(|token| !rules.skips(token));
            tokens.iter().map(|token| token.of(spelling)).zip(stands)
        };
        if policy.all_caps && case::is_capitals(there) && self.is_all_capitals_around(claim) {
            return !(single && self.is_lost_in_capitals(claim, policy));
        }
        case::fits(policy.case, tokens.len() == 1, pairs())
    }

    /// Whether a surface that differs in a few letters may be meant, as far as case goes.
    pub(super) fn accepts_near(&self, claim: &Claim, surface: u32) -> bool {
        let surfaces = &self.built.surfaces;
        let policy = &self.built.lists[usize::from(surfaces.list(surface))].policy;
        let (spelling, there) = (surfaces.text(surface), &self.text[self.bytes(claim)]);
        if surfaces.has_any_case(surface) || policy.case == Case::Ignore {
            return true;
        }
        if policy.all_caps && case::is_capitals(there) && self.is_all_capitals_around(claim) {
            return true;
        }
        let rules = &self.built.layers[usize::from(claim.layer)].rules;
        let mut listed = Vec::new();
        spelling_tokens(spelling, |token| listed.push(token.of(spelling)));
        let units = &self.units[claim.start as usize..claim.end as usize];
        let stands = units.iter().map(|unit| unit.token.of(self.text)).filter(|token| !rules.skips(token));
        // Letters have moved, so no more than the first of each word can be compared.
        case::fits(Case::Smart, false, listed.into_iter().filter(|token| !rules.skips(token)).zip(stands))
    }

    /// Whether a single word in text of nothing but capitals may as well be a common word.
    fn is_lost_in_capitals(&self, claim: &Claim, policy: &Policy) -> bool {
        let folded = super::words::folded(&self.text[self.bytes(claim)]);
        (super::words::StopWords::is_common(&folded) || policy.stop.contains(&folded))
            && self.is_all_capitals_around(claim)
    }

    /// Whether the words around a claim, in its sentence and on its line, are all capitals: at least three of two letters or more.
    fn is_all_capitals_around(&self, claim: &Claim) -> bool {
        const REACH: usize = 8;
        let (first, last) = (claim.start as usize, claim.end as usize);
        let line = |from: usize, to: usize| !self.text[from..to].contains('\n');
        let ends = |unit: &Unit| matches!(unit.token.of(self.text), "." | "!" | "?");
        let mut words = 0;
        let mut look = |unit: &Unit| {
            let token = unit.token.of(self.text);
            if token.chars().any(char::is_lowercase) {
                return false;
            }
            words += usize::from(token.chars().filter(|letter| letter.is_uppercase()).count() > 1);
            true
        };
        for unit in self.units[..first].iter().rev().take(REACH) {
            if ends(unit) || !line(unit.token.end as usize, self.units[first].token.start as usize) {
                break;
            }
            if !look(unit) {
                return false;
            }
        }
        for unit in self.units[last..].iter().take(REACH) {
            if ends(unit) || !line(self.units[last - 1].token.end as usize, unit.token.start as usize) {
                break;
            }
            if !look(unit) {
                return false;
            }
        }
        words + (last - first) >= 3
    }
}

/// The tokens of a spelling, joined as those of a text are.
fn spelling_tokens(spelling: &str, mut visitor: impl FnMut(Token)) {
    let mut waiting: Option<Token> = None;
    Tokenizer::Words.visit(spelling, |token| {
        if let Some(before) = waiting {
            if joins_apostrophe(spelling, before, token) {
                waiting = Some(Token { start: before.start, end: token.end });
                return;
            }
            visitor(before);
        }
        waiting = Some(token);
    });
    if let Some(last) = waiting {
        visitor(last);
    }
}

/// Whether there is a line of white space inside.
fn has_blank_line(text: &str) -> bool {
    let Some((_, rest)) = text.split_once('\n') else { return false };
    rest.split('\n').rev().skip(1).any(|line| line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_line_ends_a_paragraph() {
        assert!(has_blank_line("New\n \r\nYork"));
        assert!(!has_blank_line("New\r\n  York"));
        assert!(!has_blank_line("New York"));
    }
}
