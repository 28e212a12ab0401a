//! Following the tries along a text, level by level.
//!
//! One walk after the other would wait for memory at every step, since in a trie of a million names hardly any slot is
//! near at hand. So all walks of a stretch of text take their first step together, then those that are left take the
//! second: the steps of a level know nothing of each other, and the processor has a dozen of them under way at once. What
//! turns most of them away, a sieve, costs no branch that could be guessed wrongly.

use super::build::Layer;
use super::fold::SKIPPED;
use super::resolve::Claim;
use super::table::Path;
use super::units::Unit;

/// Tokens whose walks go together; their steps stay in the nearest cache.
const TOGETHER: usize = 1024;

/// Room for walks.
#[derive(Debug, Default)]
pub(super) struct Walks {
    steps: Vec<Step>,
    slots: Vec<u64>,
    next: Vec<Step>,
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug)]
struct Step {
    path: Path,
    start: u32,
    last: u32,
}

impl Walks {
    /// Claims every path of the trie that stands in the text and ends at a surface, by start and end.
    pub(super) fn take(&mut self, number: u16, layer: &Layer, text: &str, units: &[Unit], claims: &mut Vec<Claim>) {
        let mut first = 0;
        while first < units.len() {
            let end = units.len().min(first + TOGETHER);
            let before = claims.len();
            self.begin(layer, text, units, first..end);
            let mut levels = 0;
            while !self.steps.is_empty() {
                let known = claims.len();
                self.step(number, layer, units, claims);
                levels += usize::from(claims.len() > known);
            }
            if levels > 1 {
                claims[before..].sort_unstable_by_key(|claim| u64::from(claim.start) << 32 | u64::from(claim.end));
            }
            first = end;
        }
    }

    /// Begins a walk at each token with which a path may begin.
    #[inline]
    fn begin(&mut self, layer: &Layer, text: &str, units: &[Unit], range: std::ops::Range<usize>) {
        let bytes = text.as_bytes();
        let table = &layer.table;
        self.steps.resize(range.len(), Step { path: Path::first(0), start: 0, last: 0 });
        let mut count = 0;
        for (unit, start) in units[range.clone()].iter().zip(range.start as u32..) {
            let small = bytes[unit.token.start as usize].is_ascii_lowercase();
            self.steps[count] = Step { path: Path::first(unit.key), start, last: start };
            count += usize::from(table.may_begin(unit.key, small)) & usize::from(unit.key != SKIPPED);
        }
        self.steps.truncate(count);
    }

    /// Takes one step with every walk.
    #[inline]
    fn step(&mut self, number: u16, layer: &Layer, units: &[Unit], claims: &mut Vec<Claim>) {
        let table = &layer.table;
        self.slots.clear();
        self.slots.extend(self.steps.iter().map(|step| table.home(step.path)));
        self.next.clear();
        for (step, slot) in self.steps.iter().zip(&self.slots) {
            let Some(node) = table.node(step.path, *slot) else { continue };
            if let Some(surface) = node.surface() {
                claims.push(Claim { start: step.start, end: step.last + 1, surface, layer: number, changes: 0 });
            }
            if !node.goes_on() {
                continue;
            }
            let mut last = step.last as usize + 1;
            while units.get(last).is_some_and(|unit| unit.key == SKIPPED) {
                last += 1;
            }
            let Some(unit) = units.get(last) else { continue };
            self.next.push(Step { path: step.path.then(unit.key), start: step.start, last: last as u32 });
        }
        let mut count = 0;
        for place in 0..self.next.len() {
            let step = self.next[place];
            self.next[count] = step;
            count += usize::from(table.may_go_on(step.path));
        }
        self.next.truncate(count);
        std::mem::swap(&mut self.steps, &mut self.next);
    }
}
