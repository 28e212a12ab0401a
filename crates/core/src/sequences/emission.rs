//! What annotators say given the truth: tables per voter, drawn to each other.
//!
//! A voter's words on a sentence are read from left to right. Where it is outside of its own spans it is silent, says
//! "nothing here", or begins a span of some type; where it is inside it stops, goes on, or begins another. So a missed
//! span of five tokens is one miss and a wrong type one confusion, not five: given the truth, tokens are independent only
//! once the voter's own last word is known (as in Bayesian sequence combination, Simpson and Gurevych 2019,
//! <https://arxiv.org/abs/1811.00780>). Whether it begins depends on the true state, the type it names on the
//! true type, and going on on whether the truth is outside, begins, goes on or has just ended.

use super::chain::{Lattice, normalise};
use super::input::{Scope, Sequences, Statement};

/// Symbols of a voter that is outside.
const SILENT: usize = 0;
const NOTHING: usize = 1;
const BEGIN: usize = 2;

/// Symbols of a voter that is inside.
const STOP: usize = 0;
const GO_ON: usize = 1;
const ANEW: usize = 2;

/// Expected counts, or probabilities, of all voters.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    types: usize,
    /// `voter x state x symbol` outside of its spans.
    open: Vec<f64>,
    /// `voter x (outside or true type) x named type`, where it begins one.
    named: Vec<f64>,
    /// `voter x role x symbol` inside of its spans.
    within: Vec<f64>,
}

/// How one voter's numbers lie in a [`Tables`].
impl Tables {
    pub(super) fn new(sequences: &Sequences) -> Self {
        Self::sized(sequences.types(), sequences.voters().len())
    }

    fn sized(types: usize, voters: usize) -> Self {
        let rows = (2 + 2 * types) * 3;
        Self {
            types,
            open: vec![0.0; voters * rows],
            named: vec![0.0; voters * (types + 1) * types],
            within: vec![0.0; voters * 12],
        }
    }

    const fn states(&self) -> usize {
        2 + 2 * self.types
    }

    const fn open_at(&self, voter: usize, state: usize) -> usize {
        (voter * self.states() + state) * 3
    }

    /// Where the types a voter names are, given the true state.
    const fn named_at(&self, voter: usize, state: usize) -> usize {
        let row = match role(state, self.states()) {
            Role::Outside | Role::After => 0,
            Role::Begin | Role::Inside => state.div_ceil(2),
        };
        (voter * (self.types + 1) + row) * self.types
    }

    const fn within_at(&self, voter: usize, state: usize) -> usize {
        voter * 12 + role(state, self.states()) as usize * 3
    }

    /// Adds `times` other counts.
    pub(super) fn merge(&mut self, other: &Self, times: f64) {
        let add = |into: &mut [f64], from: &[f64]| {
            into.iter_mut().zip(from).for_each(|(into, from)| *into += times * from);
        };
        add(&mut self.open, &other.open);
        add(&mut self.named, &other.named);
        add(&mut self.within, &other.within);
    }
}

/// What a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Outside,
    Begin,
    Inside,
    /// Outside, right after a span.
    After,
}

const fn role(state: usize, states: usize) -> Role {
    match (state, state % 2) {
        (0, _) => Role::Outside,
        _ if state + 1 == states => Role::After,
        (_, 1) => Role::Begin,
        _ => Role::Inside,
    }
}

/// How strongly voters are drawn to what voters of their kind have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pull {
    /// In counts per row, for people and models.
    pub(super) common: f64,
    /// For lists and programs, to their own habits.
    pub(super) habit: f64,
}

/// Probabilities and their logarithms, and how much each voter counts.
#[derive(Clone, Debug)]
pub(super) struct Emission {
    tables: Tables,
    open_log: Vec<f64>,
    within_log: Vec<f64>,
    /// The exponent on everybody's probabilities.
    weight: f64,
}

impl Emission {
    /// Probabilities from expected counts.
    pub(super) fn new(sequences: &Sequences, counts: &Tables, pull: Pull, weight: f64) -> Self {
        let mut counts = counts.clone();
        let (types, states) = (counts.types, counts.states());
        for rows in counts.open.chunks_exact_mut(states * 3) {
            // A voter that is outside does not know whether a span has just ended.
            let (first, last) = rows.split_at_mut((states - 1) * 3);
            first[..3].iter_mut().zip(&mut *last).for_each(|(into, from)| *into += *from);
            last.copy_from_slice(&first[..3]);
        }
        let common = common(sequences, &counts);
        let mut tables = counts.clone();
        for (voter, one) in sequences.voters().iter().enumerate() {
            let habit = matches!(one.scope, Scope::None).then(|| habits(&counts, voter));
            let (mean, pull) = habit.as_ref().map_or((&common, pull.common), |habit| (habit, pull.habit));
            // A type the voter does not look for is outside to it.
            let blind = |class: usize| matches!(&one.scope, Scope::Some(seen) if !seen.contains(&(class as u16)));
            for state in 0..states {
                let inner = matches!(role(state, states), Role::Begin | Role::Inside);
                let from = if inner && blind((state - 1) / 2) { 0 } else { state };
                let (at, mean_at) = (tables.open_at(voter, state), mean.open_at(0, from));
                draw(&mut tables.open[at..at + 3], &mean.open[mean_at..mean_at + 3], pull);
                let at = tables.within_at(voter, state);
                if matches!(state, 0..=2) || state + 1 == states {
                    let mean_at = common.within_at(0, state);
                    draw(&mut tables.within[at..at + 3], &common.within[mean_at..mean_at + 3], pull);
                }
            }
            for row in 0..=types {
                let at = (voter * (types + 1) + row) * types;
                draw(&mut tables.named[at..at + types], &mean.named[row * types..][..types], pull);
            }
        }
        let logs = |values: &[f64]| values.iter().map(|&value| value.max(1e-12).ln()).collect();
        Self { open_log: logs(&tables.open), within_log: logs(&tables.within), tables, weight }
    }

    /// Writes the logarithm of what was said on an item given each state, `tokens x states`.
    pub(super) fn said(&self, sequences: &Sequences, item: usize, said: &mut Vec<f64>) {
        let (states, tokens) = (self.tables.states(), sequences.tokens(item).len());
        let mut silent = vec![0.0; states];
        for statement in sequences.statements(item) {
            let voter = statement.voter as usize;
            for (state, silent) in silent.iter_mut().enumerate() {
                *silent += self.weight * self.open_log[self.tables.open_at(voter, state) + SILENT];
            }
        }
        said.clear();
        (0..tokens).for_each(|_| said.extend_from_slice(&silent));
        for statement in sequences.statements(item) {
            let voter = statement.voter as usize;
            read(sequences, statement, tokens, |token, word| {
                let row = &mut said[token as usize * states..][..states];
                for (state, log) in row.iter_mut().enumerate() {
                    let silent = self.open_log[self.tables.open_at(voter, state) + SILENT];
                    *log += self.weight * (self.word(sequences, voter, state, word) - silent);
                }
            });
        }
    }

    fn word(&self, sequences: &Sequences, voter: usize, state: usize, word: Word) -> f64 {
        let open = self.tables.open_at(voter, state);
        let within = self.tables.within_at(voter, state);
        let named = |what: u32| self.names(sequences, voter, state, what).max(1e-12).ln();
        match word {
            Word::Nothing => self.open_log[open + NOTHING],
            Word::Begin(what) => self.open_log[open + BEGIN] + named(what),
            Word::Anew(what) => self.within_log[within + ANEW] + named(what),
            Word::GoOn => self.within_log[within + GO_ON],
            Word::Stop => self.within_log[within + STOP],
        }
    }

    /// The probability that a voter that begins a span names one of these types.
    fn names(&self, sequences: &Sequences, voter: usize, state: usize, what: u32) -> f64 {
        let at = self.tables.named_at(voter, state);
        let mut sum = 0.0;
        sequences.each_member(what, |class| sum += self.tables.named[at + class]);
        sum
    }

    /// Adds expected counts of what was said on an item.
    pub(super) fn count(&self, sequences: &Sequences, item: usize, lattice: &Lattice, counts: &mut Tables) {
        let (states, tokens) = (counts.states(), lattice.tokens());
        let mut total = vec![0.0; states];
        for token in 0..tokens {
            (0..states).for_each(|state| total[state] += lattice.state(token, state));
        }
        for statement in sequences.statements(item) {
            let voter = statement.voter as usize;
            for (state, total) in total.iter().enumerate() {
                let at = counts.open_at(voter, state) + SILENT;
                counts.open[at] += total;
            }
            read(sequences, statement, tokens, |token, word| {
                for state in 0..states {
                    let share = lattice.state(token as usize, state);
                    let (open, within) = (counts.open_at(voter, state), counts.within_at(voter, state));
                    counts.open[open + SILENT] = (counts.open[open + SILENT] - share).max(0.0);
                    match word {
                        Word::Nothing => counts.open[open + NOTHING] += share,
                        Word::Begin(_) => counts.open[open + BEGIN] += share,
                        Word::Anew(_) => counts.within[within + ANEW] += share,
                        Word::GoOn => counts.within[within + GO_ON] += share,
                        Word::Stop => counts.within[within + STOP] += share,
                    }
                    if let Word::Begin(what) | Word::Anew(what) = word {
                        let any = self.names(sequences, voter, state, what).max(1e-12);
                        let at = counts.named_at(voter, state);
                        sequences.each_member(what, |class| {
                            counts.named[at + class] += share * self.tables.named[at + class] / any;
                        });
                    }
                }
            });
        }
    }
}

/// Draws a row of counts to a mean row by so many counts, and scales it.
fn draw(row: &mut [f64], mean: &[f64], pull: f64) {
    row.iter_mut().zip(mean).for_each(|(cell, mean)| *cell += pull * mean);
    normalise(row);
}

/// What a voter says at a token, other than being silent outside of its spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Begin(u32),
    Anew(u32),
    GoOn,
    Stop,
}

/// Calls `visit` with every token at which a voter is not simply silent.
fn read(sequences: &Sequences, statement: Statement<'_>, tokens: usize, mut visit: impl FnMut(u32, Word)) {
    let nothing = sequences.nothing();
    let claims = statement.claims;
    for (place, claim) in claims.iter().enumerate() {
        if claim.what == nothing {
            (claim.start..claim.end).for_each(|token| visit(token, Word::Nothing));
            continue;
        }
        let follows = place > 0 && claims[place - 1].end == claim.start && claims[place - 1].what != nothing;
        visit(claim.start, if follows { Word::Anew(claim.what) } else { Word::Begin(claim.what) });
        (claim.start + 1..claim.end).for_each(|token| visit(token, Word::GoOn));
        let next = claims.get(place + 1).is_some_and(|next| next.start == claim.end);
        if !next && (claim.end as usize) < tokens {
            visit(claim.end, Word::Stop);
        }
    }
}

/// What voters do in general, as probabilities: people and models mostly see what is there, and lists and programs mostly
/// miss it. Rows are in the order of [`Role`].
const OPEN: [[f64; 3]; 4] = [[0.97, 0.01, 0.02], [0.3, 0.01, 0.69], [0.75, 0.02, 0.23], [0.97, 0.01, 0.02]];
const OPEN_PROGRAM: [[f64; 3]; 4] =
    [[0.995, 0.001, 0.004], [0.6, 0.001, 0.4], [0.9, 0.001, 0.1], [0.995, 0.001, 0.004]];
const WITHIN: [[f64; 3]; 4] = [[0.45, 0.5, 0.05], [0.35, 0.4, 0.25], [0.1, 0.88, 0.02], [0.85, 0.1, 0.05]];

/// The mean rows of people and models, each drawn to the mean over types.
fn common(sequences: &Sequences, counts: &Tables) -> Tables {
    let (types, states) = (counts.types, counts.states());
    let mut mean = Tables::sized(types, 1);
    for (voter, one) in sequences.voters().iter().enumerate() {
        let add = |into: &mut [f64], from: &[f64]| into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        if !matches!(one.scope, Scope::None) {
            let (rows, cells) = (states * 3, (types + 1) * types);
            add(&mut mean.open, &counts.open[voter * rows..][..rows]);
            add(&mut mean.named, &counts.named[voter * cells..][..cells]);
        }
        add(&mut mean.within, &counts.within[voter * 12..][..12]);
    }
    let mut by_role = OPEN.map(|row| row.map(|share| 20.0 * share));
    for (state, row) in mean.open.chunks_exact(3).enumerate() {
        let sums = &mut by_role[role(state, states) as usize];
        sums.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
    }
    for row in &mut by_role {
        normalise(row);
    }
    for (state, row) in mean.open.chunks_exact_mut(3).enumerate() {
        draw(row, &by_role[role(state, states) as usize], 10.0);
    }
    // The right type and the others, whatever the type.
    let (mut right, mut wrong) = (18.0, 2.0);
    let (outside, typed) = mean.named.split_at_mut(types);
    for (class, row) in typed.chunks_exact(types).enumerate() {
        right += row[class];
        wrong += row.iter().sum::<f64>() - row[class];
    }
    let sum = right + wrong;
    let even = 1.0 / types as f64;
    for (class, row) in typed.chunks_exact_mut(types).enumerate() {
        let others = wrong / sum / (types.max(2) - 1) as f64;
        let general: Vec<f64> = (0..types).map(|named| if named == class { right / sum } else { others }).collect();
        draw(row, &general, 10.0);
    }
    draw(outside, &vec![even; types], 5.0);
    for (row, general) in mean.within.chunks_exact_mut(3).zip(WITHIN) {
        draw(row, &general, 5.0);
    }
    mean
}

/// What to expect of a list or program: it finds spans of the types it names at one rate, and mostly names the right type
/// if that is one of its types, and else what it mostly names.
fn habits(counts: &Tables, voter: usize) -> Tables {
    let (types, states) = (counts.types, counts.states());
    let mut mean = Tables::sized(types, 1);
    let named = &counts.named[voter * (types + 1) * types..][..(types + 1) * types];
    let mut habit = vec![0.0; types];
    for row in named.chunks_exact(types) {
        habit.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
    }
    let all: f64 = habit.iter().sum();
    for sum in &mut habit {
        *sum = if all > 0.0 { *sum / all } else { 1.0 / types as f64 };
    }
    // Who has said nothing tells nothing by being silent.
    let own = |class: usize| all > 0.0 && habit[class] >= 0.02;
    // States of types that it never names are like outside to it.
    let kind = |state: usize| match role(state, states) {
        Role::Begin | Role::Inside if !own((state - 1) / 2) => Role::Outside as usize,
        role => role as usize,
    };
    let mut by_kind = OPEN_PROGRAM.map(|row| row.map(|share| 10.0 * share));
    let rows = &counts.open[voter * states * 3..][..states * 3];
    for (state, row) in rows.chunks_exact(3).enumerate() {
        by_kind[kind(state)].iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
    }
    for row in &mut by_kind {
        normalise(row);
    }
    for (state, row) in mean.open.chunks_exact_mut(3).enumerate() {
        row.copy_from_slice(&by_kind[kind(state)]);
    }
    for (place, row) in mean.named.chunks_exact_mut(types).enumerate() {
        let right = place.checked_sub(1).filter(|&class| own(class));
        for (class, cell) in row.iter_mut().enumerate() {
            let exact = f64::from(u8::from(right == Some(class)));
            *cell = if right.is_some() { 0.8 * exact + 0.2 * habit[class] } else { habit[class] };
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::super::input::{Claim, SequencesBuilder, Silence, What};
    use super::*;

    #[test]
    fn words_are_read_from_left_to_right() {
        let mut builder = SequencesBuilder::new(2);
        builder.item(8);
        let nothing = Claim { start: 6, end: 7, what: What::Nothing };
        builder.say(0, &[Claim::new(1, 3, 0), Claim::new(3, 4, 1), nothing], &Silence::Outside).unwrap();
        let sequences = builder.build();
        let mut words = Vec::new();
        read(&sequences, sequences.statements(0).next().unwrap(), 8, |token, word| words.push((token, word)));
        let expected = [(1, Word::Begin(0)), (2, Word::GoOn), (3, Word::Anew(1)), (4, Word::Stop), (6, Word::Nothing)];
        assert_eq!(words, expected);
    }
}
