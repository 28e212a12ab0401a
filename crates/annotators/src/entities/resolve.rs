//! Which of the matches that overlap count.

use super::build::Built;
use super::find::{Compare, Found, Reader, Source};

/// A stretch of tokens that may be an entry, until it is compared with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The first of the surfaces with this form.
    pub(super) surface: u32,
    pub(super) layer: u16,
    /// In how many letters it differs from the entry.
    pub(super) changes: u8,
}

/// Claims whose spellings are brought near together.
const FETCHED: usize = 256;

/// The claims of a text, and room to settle them.
#[derive(Debug, Default)]
pub(super) struct Claims {
    made: Vec<Claim>,
    sources: Vec<Source>,
    checked: Vec<Checked>,
    taken: Vec<bool>,
    labels: Vec<u16>,
}

/// A claim that holds.
#[derive(Clone, Debug)]
struct Checked {
    claim: Claim,
    sources: std::ops::Range<usize>,
    priority: i32,
}

impl Claims {
    pub(super) fn clear(&mut self) {
        self.made.clear();
    }

    /// Where claims are put, in the order of their starts and ends within a layer.
    pub(super) const fn room(&mut self) -> &mut Vec<Claim> {
        &mut self.made
    }

    /// Compares the claims with what stands in the text, decides between those that overlap and hands over what is left,
    /// from left to right. Claims come in the order of their starts unless `mixed`.
    pub(super) fn settle(
        &mut self,
        mixed: bool,
        reader: &Reader<'_>,
        compare: &mut Compare,
        visitor: &mut impl FnMut(&Found<'_>),
    ) {
        let mut claims = std::mem::take(&mut self.made);
        if mixed {
            claims.sort_unstable_by_key(|claim| (claim.start, claim.end, claim.changes, claim.layer, claim.surface));
        }
        let (mut first, mut fetched) = (0, 0);
        while first < claims.len() {
            // A cluster: no claim outside overlaps one inside.
            let mut end = claims[first].end;
            let mut last = first + 1;
            while last < claims.len() && claims[last].start < end {
                end = end.max(claims[last].end);
                last += 1;
            }
            self.sources.clear();
            self.checked.clear();
            if last > fetched {
                let end = claims.len().min(last + FETCHED);
                reader.built.surfaces.fetch(claims[fetched..end].iter().map(|claim| claim.surface));
                fetched = end;
            }
            for claim in &claims[first..last] {
                self.check(*claim, reader, compare);
            }
            self.choose(claims[first].start, end, reader, visitor);
            first = last;
        }
        self.made = claims;
    }

    /// Keeps a claim if at least one surface is what stands there.
    fn check(&mut self, claim: Claim, reader: &Reader<'_>, compare: &mut Compare) {
        let surfaces = &reader.built.surfaces;
        let before = self.sources.len();
        if claim.changes > 0 {
            // A stretch that is an entry as it stands, or is nearer to another, is not this one misspelt.
            let nearer = self.checked.last().is_some_and(|last| {
                (last.claim.start, last.claim.end) == (claim.start, claim.end) && last.claim.changes < claim.changes
            });
            if !nearer && reader.accepts_near(&claim, claim.surface) {
                self.sources.push(Source { list: surfaces.list(claim.surface), surface: claim.surface });
            }
        } else {
            for surface in surfaces.chain(claim.surface) {
                if reader.accepts(&claim, surface, compare) {
                    self.sources.push(Source { list: surfaces.list(surface), surface });
                }
            }
        }
        if self.sources.len() == before {
            return;
        }
        let first = match self.checked.last() {
            // The same stretch, found under other rules.
            Some(last) if (last.claim.start, last.claim.end) == (claim.start, claim.end) => {
                let first = last.sources.start;
                self.checked.pop();
                first
            }
            _ => before,
        };
        let built = reader.built;
        let own = &mut self.sources[first..];
        own.sort_unstable_by_key(|source| (-i64::from(priority(built, *source)), source.list, source.surface));
        let best = priority(built, own[0]);
        self.checked.push(Checked { claim, sources: first..self.sources.len(), priority: best });
    }

    /// Of what holds in the cluster from token `start` to `end`, hands over what stands.
    fn choose(&mut self, start: u32, end: u32, reader: &Reader<'_>, visitor: &mut impl FnMut(&Found<'_>)) {
        if self.checked.len() > 1 {
            self.checked.sort_unstable_by_key(|one| {
                let length = one.claim.end - one.claim.start;
                (std::cmp::Reverse(length), one.claim.changes, std::cmp::Reverse(one.priority), one.claim.start)
            });
            self.taken.clear();
            self.taken.resize((end - start) as usize, false);
        }
        let alone = self.checked.len() == 1;
        let taken = &mut self.taken;
        self.checked.retain(|one| {
            let possessive = self.sources[one.sources.clone()]
                .iter()
                .any(|source| reader.built.lists[usize::from(source.list)].policy.possessive);
            if reader.place(&one.claim, possessive).is_none() {
                return false;
            }
            if alone {
                return true;
            }
            let range = (one.claim.start - start) as usize..(one.claim.end - start) as usize;
            if taken[range.clone()].iter().any(|&taken| taken) {
                return false;
            }
            taken[range].fill(true);
            true
        });
        self.checked.sort_unstable_by_key(|one| one.claim.start);
        for one in &self.checked {
            let sources = &mut self.sources[one.sources.clone()];
            // One surface per list says enough; the earliest is the entry's own name where there is one.
            let kept = keep_first_of_each_list(sources);
            let sources = &sources[..kept];
            self.labels.clear();
            for source in sources.iter().filter(|source| priority(reader.built, **source) == one.priority) {
                let label = reader.built.lists[usize::from(source.list)].label;
                if !self.labels.contains(&label) {
                    self.labels.push(label);
                }
            }
            let possessive =
                sources.iter().any(|source| reader.built.lists[usize::from(source.list)].policy.possessive);
            if let Some((bytes, tokens)) = reader.place(&one.claim, possessive) {
                visitor(&Found { bytes, tokens, labels: &self.labels, sources });
            }
        }
    }
}

fn priority(built: &Built, source: Source) -> i32 {
    built.surfaces.priority(source.surface).unwrap_or(built.lists[usize::from(source.list)].policy.priority)
}

/// Moves the first source of each list to the front; how many there are.
fn keep_first_of_each_list(sources: &mut [Source]) -> usize {
    let mut kept = 0;
    for place in 0..sources.len() {
        let source = sources[place];
        if sources[..kept].iter().all(|other| other.list != source.list) {
            sources[kept] = source;
            kept += 1;
        }
    }
    kept
}
