//! What annotators say given the truth: tables per voter, drawn to each other.
//!
//! A voter's words on a sentence are read from left to right. Where it is outside of its own spans it is silent, says
//! "nothing here", or begins a span of some type; where it is inside it stops, goes on, or begins another. So a missed
//! span of five tokens is one miss and a wrong type one confusion, not five: given the truth, tokens are independent only
//! once the voter's own last word is known (as in Bayesian sequence combination, Simpson and Gurevych 2019,
//! <https://arxiv.org/abs/1811.00780>). Beginnings depend on the true state, types included; going on depends on whether
//! the truth is outside, begins or goes on.

use super::chain::{Lattice, normalise};
use super::input::{Scope, Sequences, Statement};

/// Symbols of a voter that is outside: silent, "nothing here", and beyond that the types.
const SILENT: usize = 0;
const NOTHING: usize = 1;
const FIRST_TYPE: usize = 2;

/// Symbols of a voter that is inside.
const STOP: usize = 0;
const GO_ON: usize = 1;
const ANEW: usize = 2;

/// Expected counts, or probabilities, of all voters.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    states: usize,
    width: usize,
    /// `voter x state x symbol` outside of its spans.
    open: Vec<f64>,
    /// `voter x (outside, begin, inside) x symbol` inside of its spans.
    within: Vec<f64>,
}

impl Tables {
    pub(super) fn new(sequences: &Sequences) -> Self {
        let (states, width) = (sequences.states(), FIRST_TYPE + sequences.types());
        let voters = sequences.voters().len();
        Self { states, width, open: vec![0.0; voters * states * width], within: vec![0.0; voters * 9] }
    }

    fn open(&self, voter: usize, state: usize) -> &[f64] {
        &self.open[(voter * self.states + state) * self.width..][..self.width]
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let add = |into: &mut [f64], from: &[f64]| into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        add(&mut self.open, &other.open);
        add(&mut self.within, &other.within);
    }
}

/// Outside, begin or inside.
const fn role(state: usize) -> usize {
    match (state, state % 2) {
        (0, _) => 0,
        (_, 1) => 1,
        _ => 2,
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
    /// The exponent on each voter's probabilities.
    pub(super) weights: Vec<f64>,
}

impl Emission {
    /// Probabilities from expected counts.
    pub(super) fn new(sequences: &Sequences, counts: &Tables, pull: Pull, weights: Vec<f64>) -> Self {
        let mut tables = counts.clone();
        let (states, width) = (counts.states, counts.width);
        let voters = sequences.voters();
        // Voters of one kind share what they have in common.
        let common = common(sequences, counts);
        for (voter, one) in voters.iter().enumerate() {
            let habit = matches!(one.scope, Scope::None).then(|| habits(counts, voter));
            for state in 0..states {
                let row = &mut tables.open[(voter * states + state) * width..][..width];
                match &habit {
                    Some(habit) => {
                        row.iter_mut().zip(&habit[state * width..]).for_each(|(cell, mean)| *cell += pull.habit * mean);
                    }
                    None => {
                        // A type the voter does not look for is outside to it.
                        let blind = matches!(&one.scope, Scope::Some(seen) if state > 0 && !seen.contains(&(((state - 1) / 2) as u16)));
                        let from = if blind { 0 } else { state };
                        let mean = &common.open[from * width..][..width];
                        row.iter_mut().zip(mean).for_each(|(cell, mean)| *cell += pull.common * mean);
                    }
                }
                normalise(row);
            }
            for role in 0..3 {
                let row = &mut tables.within[voter * 9 + role * 3..][..3];
                let mean = &common.within[role * 3..][..3];
                row.iter_mut().zip(mean).for_each(|(cell, mean)| *cell += pull.common * mean);
                normalise(row);
            }
        }
        let logs = |values: &[f64]| values.iter().map(|&value| value.max(1e-12).ln()).collect();
        Self { open_log: logs(&tables.open), within_log: logs(&tables.within), tables, weights }
    }

    /// Writes the logarithm of what was said on an item given each state, `tokens x states`.
    pub(super) fn said(&self, sequences: &Sequences, item: usize, said: &mut Vec<f64>) {
        let (states, tokens) = (self.tables.states, sequences.tokens(item).len());
        let mut silent = vec![0.0; states];
        for statement in sequences.statements(item) {
            let voter = statement.voter as usize;
            for (state, silent) in silent.iter_mut().enumerate() {
                *silent += self.weights[voter] * self.open_log[(voter * states + state) * self.tables.width + SILENT];
            }
        }
        said.clear();
        (0..tokens).for_each(|_| said.extend_from_slice(&silent));
        for statement in sequences.statements(item) {
            let voter = statement.voter as usize;
            let weight = self.weights[voter];
            read(sequences, statement, tokens, |token, word| {
                let row = &mut said[token as usize * states..][..states];
                for (state, log) in row.iter_mut().enumerate() {
                    let silent = self.open_log[(voter * states + state) * self.tables.width + SILENT];
                    *log += weight * (self.word(sequences, voter, state, word) - silent);
                }
            });
        }
    }

    fn word(&self, sequences: &Sequences, voter: usize, state: usize, word: Word) -> f64 {
        let open = (voter * self.tables.states + state) * self.tables.width;
        let within = voter * 9 + role(state) * 3;
        match word {
            Word::Nothing => self.open_log[open + NOTHING],
            Word::Begin(what) => self.begin(sequences, voter, state, what).max(1e-12).ln(),
            Word::Anew(what) => {
                let row = self.tables.open(voter, state);
                let any: f64 = row[FIRST_TYPE..].iter().sum();
                let share = self.begin(sequences, voter, state, what) / any.max(1e-12);
                self.within_log[within + ANEW] + share.max(1e-12).ln()
            }
            Word::GoOn(what) => {
                let mut log = self.within_log[within + GO_ON];
                if role(state) == 1 {
                    // The voter began too early; its type speaks where the truth begins.
                    let share = |state: usize| {
                        let row = self.tables.open(voter, state);
                        let any: f64 = row[FIRST_TYPE..].iter().sum();
                        (self.begin(sequences, voter, state, what) / any.max(1e-12)).max(1e-3)
                    };
                    log += (share(state) / share(0)).ln();
                }
                log
            }
            Word::Stop => self.within_log[within + STOP],
        }
    }

    /// The probability that a voter begins a span of one of these types.
    fn begin(&self, sequences: &Sequences, voter: usize, state: usize, what: u32) -> f64 {
        let row = self.tables.open(voter, state);
        let mut sum = 0.0;
        sequences.each_member(what, |class| sum += row[FIRST_TYPE + class]);
        sum
    }

    /// Adds expected counts of what was said on an item.
    pub(super) fn count(&self, sequences: &Sequences, item: usize, lattice: &Lattice, counts: &mut Tables) {
        let (states, width, tokens) = (counts.states, counts.width, lattice.tokens());
        let mut total = vec![0.0; states];
        for token in 0..tokens {
            (0..states).for_each(|state| total[state] += lattice.state(token, state));
        }
        for statement in sequences.statements(item) {
            let voter = statement.voter as usize;
            for (state, total) in total.iter().enumerate() {
                counts.open[(voter * states + state) * width + SILENT] += total;
            }
            read(sequences, statement, tokens, |token, word| {
                for state in 0..states {
                    let share = lattice.state(token as usize, state);
                    let open = (voter * states + state) * width;
                    let within = voter * 9 + role(state) * 3;
                    let silent = &mut counts.open[open + SILENT];
                    *silent = (*silent - share).max(0.0);
                    let mut began = |what: u32, share: f64| {
                        let any = self.begin(sequences, voter, state, what).max(1e-12);
                        let row = self.tables.open(voter, state);
                        let breadth = sequences.breadth(what) as f64;
                        sequences.each_member(what, |class| {
                            let part = if breadth == 1.0 { 1.0 } else { row[FIRST_TYPE + class] / any };
                            counts.open[open + FIRST_TYPE + class] += share * part;
                        });
                    };
                    match word {
                        Word::Nothing => counts.open[open + NOTHING] += share,
                        Word::Begin(what) => began(what, share),
                        Word::Anew(_) => counts.within[within + ANEW] += share,
                        Word::GoOn(_) => counts.within[within + GO_ON] += share,
                        Word::Stop => counts.within[within + STOP] += share,
                    }
                }
            });
        }
    }
}

/// What a voter says at a token, other than being silent outside of its spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Begin(u32),
    Anew(u32),
    GoOn(u32),
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
        (claim.start + 1..claim.end).for_each(|token| visit(token, Word::GoOn(claim.what)));
        let next = claims.get(place + 1).is_some_and(|next| next.start == claim.end);
        if !next && (claim.end as usize) < tokens {
            visit(claim.end, Word::Stop);
        }
    }
}

/// One table for all voters whose silence means something.
struct Common {
    open: Vec<f64>,
    within: Vec<f64>,
}

/// The mean rows of people and models, smoothed by what annotators do in general: mostly say the truth, and else be silent
/// more often than wrong. Types without examples take the average of the others.
fn common(sequences: &Sequences, counts: &Tables) -> Common {
    let (states, width) = (counts.states, counts.width);
    let types = width - FIRST_TYPE;
    let mut open = vec![0.0; states * width];
    let mut within = vec![0.0; 9];
    for (voter, one) in sequences.voters().iter().enumerate() {
        let looked = matches!(one.scope, Scope::All | Scope::Some(_));
        if looked {
            for (into, from) in open.iter_mut().zip(&counts.open[voter * states * width..][..states * width]) {
                *into += from;
            }
        }
        within.iter_mut().zip(&counts.within[voter * 9..][..9]).for_each(|(into, from)| *into += from);
    }
    // By role: silent, nothing, right type, a given wrong type.
    let mut by_role = [[0.0f64; 4]; 3];
    for state in 0..states {
        let row = &open[state * width..][..width];
        let sums = &mut by_role[role(state)];
        sums[0] += row[SILENT];
        sums[1] += row[NOTHING];
        for (class, count) in row[FIRST_TYPE..].iter().enumerate() {
            sums[if state > 0 && class == (state - 1) / 2 { 2 } else { 3 }] += count;
        }
    }
    let general = [[0.97, 0.01, 0.0, 0.02], [0.3, 0.01, 0.6, 0.09], [0.75, 0.02, 0.18, 0.05]];
    for (sums, general) in by_role.iter_mut().zip(general) {
        sums.iter_mut().zip(general).for_each(|(sum, general)| *sum += 20.0 * general);
        normalise(sums);
    }
    for state in 0..states {
        let [silent, nothing, right, wrong] = by_role[role(state)];
        let others = if state == 0 { types } else { types - 1 };
        let row = &mut open[state * width..][..width];
        row[SILENT] += 10.0 * silent;
        row[NOTHING] += 10.0 * nothing;
        for (class, cell) in row[FIRST_TYPE..].iter_mut().enumerate() {
            let is_right = state > 0 && class == (state - 1) / 2;
            *cell += 10.0 * if is_right { right } else { wrong / others.max(1) as f64 };
        }
        normalise(row);
    }
    let general = [[0.6, 0.35, 0.05], [0.35, 0.4, 0.25], [0.1, 0.88, 0.02]];
    for (row, general) in within.chunks_exact_mut(3).zip(general) {
        row.iter_mut().zip(general).for_each(|(cell, general)| *cell += 5.0 * general);
        normalise(row);
    }
    Common { open, within }
}

/// What to expect of a list or program: it finds spans of the types it names at one rate, and where it speaks of a state
/// at all, mostly tells the right type if it is one of its types, and else says what it mostly says.
fn habits(counts: &Tables, voter: usize) -> Vec<f64> {
    let (states, width) = (counts.states, counts.width);
    let types = width - FIRST_TYPE;
    let rows = &counts.open[voter * states * width..][..states * width];
    let mut habit = vec![0.0; types];
    // Silent, nothing, any type: by role, and for beginnings by whether the type is one of its own.
    let mut sums = [[0.0f64; 3]; 4];
    for row in rows.chunks_exact(width) {
        habit.iter_mut().zip(&row[FIRST_TYPE..]).for_each(|(sum, count)| *sum += count);
    }
    let all: f64 = habit.iter().sum();
    habit.iter_mut().for_each(|sum| *sum = if all > 0.0 { *sum / all } else { 1.0 / types as f64 });
    let own = |class: usize| habit[class] >= 0.02;
    let kind = |state: usize| match role(state) {
        0 => 0,
        1 if own((state - 1) / 2) => 1,
        2 if own((state - 1) / 2) => 2,
        _ => 3,
    };
    for (state, row) in rows.chunks_exact(width).enumerate() {
        let sums = &mut sums[kind(state)];
        sums[0] += row[SILENT];
        sums[1] += row[NOTHING];
        sums[2] += row[FIRST_TYPE..].iter().sum::<f64>();
    }
    let general = [[0.995, 0.001, 0.004], [0.6, 0.001, 0.4], [0.9, 0.001, 0.1], [0.97, 0.001, 0.03]];
    for (sums, general) in sums.iter_mut().zip(general) {
        sums.iter_mut().zip(general).for_each(|(sum, general)| *sum += 10.0 * general);
        normalise(sums);
    }
    let mut mean = vec![0.0; states * width];
    for (state, row) in mean.chunks_exact_mut(width).enumerate() {
        let [silent, nothing, any] = sums[kind(state)];
        row[SILENT] = silent;
        row[NOTHING] = nothing;
        let right = (state > 0).then(|| (state - 1) / 2).filter(|&class| own(class));
        for (class, cell) in row[FIRST_TYPE..].iter_mut().enumerate() {
            let share = match right {
                Some(right) => 0.8 * f64::from(u8::from(class == right)) + 0.2 * habit[class],
                None => habit[class],
            };
            *cell = any * share;
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
        let expected =
            [(1, Word::Begin(0)), (2, Word::GoOn(0)), (3, Word::Anew(1)), (4, Word::Stop), (6, Word::Nothing)];
        assert_eq!(words, expected);
    }
}
