//! The hidden Markov model: chain and emissions by expectation maximisation.

use rayon::prelude::*;

use super::chain::{Chain, ChainCounts, Lattice};
use super::emission::{Emission, Pull, Tables};
use super::input::{Scope, Sequences, TokenSpan};
use super::{GoldItem, Settings};

/// Parts of the items that are counted by themselves; fixed, and added up in order, so that sums do not depend on threads.
const PARTS: usize = 8;

/// How the model is fitted, by who mostly speaks. Measured on ner_mturk, two annotators per type of Broad Twitter, three
/// of QueryNER, and fourteen lists and programs on the development part of CoNLL-2003.
struct Habits {
    /// The exponent on annotators' probabilities: people err on the same things, and 0.7 does better than 1 in F1 and in
    /// Brier score (ner_mturk: .778 and .169 against .768 and .197).
    weight: f64,
    /// How much words count.
    words: f64,
    /// Sweeps after the first tables. Each draws lists and programs further from what they are to what explains their
    /// overlaps best (F1 .586 with none, .530 with one, .508 with eight); people hardly change after a few.
    sweeps: usize,
    /// How much all that is known counts beside all that is guessed, so that a hundred sentences keep thousands from
    /// drifting.
    known: f64,
}

impl Habits {
    fn of(sequences: &Sequences) -> Self {
        if sequences.mostly_programs() {
            Self { weight: 1.0, words: 0.0, sweeps: 0, known: 0.3 }
        } else {
            Self { weight: 0.7, words: 0.3, sweeps: 8, known: 1.0 }
        }
    }
}

/// A fitted model.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) chain: Chain,
    pub(super) emission: Emission,
    /// What words say, where they are known: logarithms per token and label, outside, then begin and inside of each type.
    evidence: Vec<f32>,
    /// The log-likelihood before each sweep.
    pub(super) objective: Vec<f64>,
    pub(super) converged: bool,
}

/// Expected counts of everything.
struct Counts {
    chain: ChainCounts,
    tables: Tables,
    /// The same of items whose spans are known.
    known: (ChainCounts, Tables),
    log_likelihood: f64,
    /// The probabilities of labels of every token, if words are known.
    posterior: Vec<f32>,
}

impl Model {
    /// Fits the model to what was said, with the spans of some items known.
    pub(super) fn fit(sequences: &Sequences, gold: &[GoldItem], settings: &Settings) -> Self {
        let habits = Habits::of(sequences);
        let pull = Pull { common: 10.0, habit: 10.0 };
        let empty = Tables::new(sequences);
        let known = by_item(sequences, gold);
        let first = Emission::new(sequences, &empty, pull, habits.weight);
        let guess = |item: usize, said: &mut Vec<f64>| first_guess(sequences, item, said);
        let counts = expect(sequences, &known, guess, None, &first, habits.known);
        let mut model = Self {
            chain: counts.chain.chain(),
            emission: Emission::new(sequences, &counts.tables, pull, habits.weight),
            evidence: Vec::new(),
            objective: Vec::new(),
            converged: false,
        };
        let with_words = sequences.context.covers(sequences.all_tokens()) && habits.words > 0.0;
        let labels = 1 + 2 * sequences.types();
        let mut last = Vec::new();
        for _ in 0..settings.sweeps.unwrap_or(habits.sweeps) {
            let emission = &model.emission;
            let said = |item: usize, said: &mut Vec<f64>| emission.said(sequences, item, said);
            let counts = expect(sequences, &known, said, Some(&model.chain), emission, habits.known);
            last = counts.posterior;
            let before = model.objective.last().copied();
            model.objective.push(counts.log_likelihood);
            model.chain = counts.chain.chain();
            model.emission = Emission::new(sequences, &counts.tables, pull, habits.weight);
            let gain = before.map_or(f64::INFINITY, |before| counts.log_likelihood - before);
            if gain.abs() < settings.tolerance * sequences.all_tokens().max(1) as f64 {
                model.converged = true;
                break;
            }
        }
        if with_words && !last.is_empty() {
            // Words are heard once, from what annotators alone make of them: evidence that fed on itself would run away.
            let counted = sequences.context.counted(&last, labels);
            model.evidence = sequences.context.evidence(&last, &counted, habits.words);
        }
        model
    }

    /// Fills a lattice with what is known about an item.
    pub(super) fn lattice(
        &self,
        sequences: &Sequences,
        item: usize,
        said: &mut Vec<f64>,
        lattice: &mut Lattice,
    ) -> bool {
        self.emission.said(sequences, item, said);
        add_words(sequences, item, &self.evidence, said);
        lattice.fill(&self.chain, said)
    }
}

/// Adds what the words of an item say.
fn add_words(sequences: &Sequences, item: usize, evidence: &[f32], said: &mut [f64]) {
    if evidence.is_empty() {
        return;
    }
    let (states, labels) = (sequences.states(), 1 + 2 * sequences.types());
    let rows = evidence[sequences.tokens(item).start * labels..].chunks_exact(labels);
    for (said, words) in said.chunks_exact_mut(states).zip(rows) {
        said.iter_mut().zip(words).for_each(|(said, words)| *said += f64::from(*words));
        said[states - 1] += f64::from(words[0]);
    }
}

/// The known spans of each item.
fn by_item<'g>(sequences: &Sequences, gold: &'g [GoldItem]) -> Vec<Option<&'g [TokenSpan]>> {
    let mut known = vec![None; sequences.items()];
    for one in gold {
        known[one.item as usize] = Some(one.spans.as_slice());
    }
    known
}

/// Forbids every state but the known ones.
fn fix(spans: &[TokenSpan], states: usize, said: &mut [f64]) {
    let tokens = said.len() / states;
    let mut known = vec![0; tokens];
    for span in spans {
        for token in span.start..span.end {
            known[token as usize] = 1 + 2 * usize::from(span.class) + usize::from(token > span.start);
        }
    }
    for span in spans {
        if let Some(after) = known.get_mut(span.end as usize).filter(|after| **after == 0) {
            *after = states - 1;
        }
    }
    for (row, known) in said.chunks_exact_mut(states).zip(known) {
        row.iter_mut().enumerate().filter(|(state, _)| *state != known).for_each(|(_, log)| *log = f64::NEG_INFINITY);
    }
}

fn expect(
    sequences: &Sequences,
    known: &[Option<&[TokenSpan]>],
    said_of: impl Fn(usize, &mut Vec<f64>) + Sync,
    chain: Option<&Chain>,
    emission: &Emission,
    known_mass: f64,
) -> Counts {
    let flat = ChainCounts::new(sequences.types()).chain();
    let chain = chain.unwrap_or(&flat);
    let labels = 1 + 2 * sequences.types();
    let with_words = sequences.context.covers(sequences.all_tokens());
    let parts: Vec<Counts> = (0..PARTS)
        .into_par_iter()
        .map(|part| {
            let mut counts = Counts {
                chain: ChainCounts::new(sequences.types()),
                tables: Tables::new(sequences),
                known: (ChainCounts::new(sequences.types()), Tables::new(sequences)),
                log_likelihood: 0.0,
                posterior: Vec::new(),
            };
            let (mut said, mut lattice) = (Vec::new(), Lattice::default());
            for item in (part..sequences.items()).step_by(PARTS) {
                said_of(item, &mut said);
                if let Some(spans) = known[item] {
                    fix(spans, sequences.states(), &mut said);
                }
                let possible = !said.is_empty() && lattice.fill(chain, &said);
                if with_words {
                    for token in 0..sequences.tokens(item).len() {
                        let share = |label: usize| if possible { lattice.state(token, label) as f32 } else { 0.0 };
                        counts.posterior.extend((0..labels).map(share));
                    }
                }
                if possible {
                    counts.log_likelihood += lattice.log_likelihood;
                    let (chains, tables) = match known[item] {
                        Some(_) => (&mut counts.known.0, &mut counts.known.1),
                        None => (&mut counts.chain, &mut counts.tables),
                    };
                    lattice.count(chain, chains);
                    emission.count(sequences, item, &lattice, tables);
                }
            }
            counts
        })
        .collect();
    let mut posterior = vec![0f32; if with_words { sequences.all_tokens() * labels } else { 0 }];
    if with_words {
        for (place, part) in parts.iter().enumerate() {
            let mut rows = part.posterior.as_slice();
            for item in (place..sequences.items()).step_by(PARTS) {
                let tokens = sequences.tokens(item);
                let (row, rest) = rows.split_at(tokens.len() * labels);
                posterior[tokens.start * labels..tokens.end * labels].copy_from_slice(row);
                rows = rest;
            }
        }
    }
    let mut parts = parts.into_iter();
    let mut sum = parts.next().expect("there are eight parts");
    for part in parts {
        sum.chain.merge(&part.chain, 1.0);
        sum.tables.merge(&part.tables, 1.0);
        sum.known.0.merge(&part.known.0, 1.0);
        sum.known.1.merge(&part.known.1, 1.0);
        sum.log_likelihood += part.log_likelihood;
    }
    sum.posterior = posterior;
    let count = known.iter().flatten().count();
    if count > 0 {
        let times = (known_mass * (sequences.items() - count) as f64 / count as f64).max(1.0);
        sum.chain.merge(&sum.known.0, times);
        sum.tables.merge(&sum.known.1, times);
    }
    sum
}

/// Logarithms of vote shares, as emissions of a first sweep. Among people a silent one votes for outside; against lists and
/// programs, whose silence says little, one voice wins.
fn first_guess(sequences: &Sequences, item: usize, said: &mut Vec<f64>) {
    let (states, tokens) = (sequences.states(), sequences.tokens(item).len());
    let mut votes = vec![0.0; tokens * states];
    let mut spoken = vec![0.0; tokens];
    let mut people = 0.0;
    for statement in sequences.statements(item) {
        let counts = !matches!(sequences.voters()[statement.voter as usize].scope, Scope::None);
        people += f64::from(u8::from(counts));
        for claim in statement.claims {
            let breadth = sequences.breadth(claim.what).max(1) as f64;
            for token in claim.start..claim.end {
                spoken[token as usize] += if counts { 1.0 } else { 0.0 };
                let row = &mut votes[token as usize * states..][..states];
                if claim.what == sequences.nothing() {
                    row[0] += 1.0;
                }
                let late = usize::from(token > claim.start);
                sequences.each_member(claim.what, |class| row[1 + 2 * class + late] += 1.0 / breadth);
            }
        }
    }
    said.clear();
    for (row, spoken) in votes.chunks_exact_mut(states).zip(spoken) {
        let any: f64 = row[1..states - 1].iter().sum();
        row[0] += people - spoken;
        if people == 0.0 {
            row[0] += 3f64.powf(-any);
        }
        row[states - 1] = row[0];
        let sum: f64 = row[..states - 1].iter().sum();
        said.extend(row.iter().map(|votes| ((votes + 0.02) / (sum + 0.02 * states as f64)).ln()));
    }
}
