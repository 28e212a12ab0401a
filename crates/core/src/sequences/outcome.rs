//! From probabilities to spans, with what a reader should know about them and about who said what.

use rayon::prelude::*;
use serde::Serialize;

use super::chain::{Chain, Lattice};
use super::hmm::Model;
use super::input::{Sequences, TokenSpan};
use super::majority::{self, Voted};
use super::tokens::{self, ByToken};
use super::{GoldItem, Method, Settings};
use crate::audit::wilson;
use crate::consensus;
use crate::error::Result;
use crate::measured::Measured;

/// A span with its probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConsensusSpan {
    /// The item.
    pub item: u32,
    /// Where, and of which type.
    #[serde(flatten)]
    pub span: TokenSpan,
    /// The probability that there is exactly this span with this type.
    pub probability: f32,
}

/// A span that it would pay to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Doubt {
    /// The span.
    #[serde(flatten)]
    pub span: ConsensusSpan,
    /// Whether it is among the consensus spans.
    pub chosen: bool,
    /// Who spoke about a token of it: the annotator, the stretch, and the types it might be; none for "no span here".
    pub said: Vec<(u32, u32, u32, Vec<u16>)>,
    /// Those who looked and saw nothing there.
    pub silent: Vec<u32>,
}

/// Precision and recall, as the consensus sees them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// How many spans were claimed.
    pub claims: u64,
    /// The expected share of claims that are exactly right.
    pub precision: Measured,
    /// The expected share of spans, on the items it spoke about, that it claims exactly.
    pub recall: Measured,
}

/// What the consensus says about one annotator. Its own words are among the evidence, so figures lean upwards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnnotatorQuality {
    /// How many items it spoke about.
    pub items: u64,
    /// Over all types it looked for.
    pub all: Quality,
    /// By type.
    pub types: Vec<Quality>,
}

/// Consensus spans and all that belongs to them.
#[derive(Clone, Debug)]
pub struct SequenceConsensus {
    /// How it was made.
    pub method: Method,
    /// The number of types.
    pub types: usize,
    /// The spans, in order of item and place; none overlap.
    pub spans: Vec<ConsensusSpan>,
    /// Every span that somebody claimed or that is in the consensus, in order of item and place.
    pub candidates: Vec<ConsensusSpan>,
    /// The probabilities of labels, `1 + 4 x types` numbers per token of all items: outside; then begin, inside, last and
    /// unit of each type.
    pub labels: Vec<f32>,
    /// The expected number of spans.
    pub expected: f64,
    /// The probability above which spans were taken: the one that promises the highest F1.
    pub threshold: f64,
    /// Each annotator.
    pub annotators: Vec<AnnotatorQuality>,
    /// The objective before each sweep, where there are sweeps.
    pub objective: Vec<f64>,
    /// Whether the sweeps settled.
    pub converged: bool,
    /// Why the method did what it did.
    pub reason: String,
}

/// What one item comes to.
struct Made {
    candidates: Vec<(TokenSpan, f32)>,
    labels: Vec<f32>,
    /// The expected number of spans of each type.
    expected: Vec<f64>,
}

/// Where probabilities come from.
enum Source {
    Votes,
    Tokens(ByToken),
    Model(Box<Model>),
}

pub(super) fn make(
    sequences: &Sequences,
    gold: &[GoldItem],
    method: Method,
    settings: &Settings,
) -> Result<SequenceConsensus> {
    let (used, reason) = match method {
        Method::Automatic => super::choose::choose(sequences, gold, settings)?,
        other => (other, "asked for".to_owned()),
    };
    let mut objective = Vec::new();
    let mut converged = true;
    let source = match used {
        Method::Majority => Source::Votes,
        Method::TokenMajority => Source::Tokens(tokens::fit(sequences, gold, consensus::Method::Majority, settings)?),
        Method::TokenDawidSkene => {
            Source::Tokens(tokens::fit(sequences, gold, consensus::Method::DawidSkene, settings)?)
        }
        Method::Hmm | Method::Automatic => {
            let model = Model::fit(sequences, gold, settings);
            objective.clone_from(&model.objective);
            converged = model.converged;
            Source::Model(Box::new(model))
        }
    };
    let made: Vec<Made> = (0..sequences.items())
        .into_par_iter()
        .map_init(
            || (Vec::new(), Lattice::default()),
            |(said, lattice), item| {
                let voted = majority::votes(sequences, item);
                match &source {
                    Source::Votes => from_votes(sequences, item, &voted),
                    Source::Tokens(by_token) => {
                        let possible = by_token.lattice(sequences, item, said, lattice);
                        from_lattice(sequences, item, &voted, possible.then_some((&by_token.chain, &*lattice)))
                    }
                    Source::Model(model) => {
                        let possible = model.lattice(sequences, item, said, lattice);
                        from_lattice(sequences, item, &voted, possible.then_some((&model.chain, &*lattice)))
                    }
                }
            },
        )
        .collect();
    let expected: f64 = made.iter().flat_map(|made| &made.expected).sum();
    let threshold = if used == Method::Majority { 0.5 } else { best_threshold(&made, expected) };
    let mut consensus = SequenceConsensus {
        method: used,
        types: sequences.types(),
        spans: Vec::new(),
        candidates: Vec::new(),
        labels: Vec::with_capacity(sequences.all_tokens() * (1 + 4 * sequences.types())),
        expected,
        threshold,
        annotators: Vec::new(),
        objective,
        converged,
        reason,
    };
    consensus.annotators = judge(sequences, &made);
    for (item, made) in made.into_iter().enumerate() {
        let item = item as u32;
        let full = |&(span, probability): &(TokenSpan, f32)| ConsensusSpan { item, span, probability };
        consensus
            .spans
            .extend(select(&made.candidates, threshold).into_iter().map(|place| full(&made.candidates[place])));
        consensus.candidates.extend(made.candidates.iter().map(full));
        consensus.labels.extend(made.labels);
    }
    Ok(consensus)
}

impl SequenceConsensus {
    /// The spans of an item.
    pub fn of_item(&self, item: u32) -> &[ConsensusSpan] {
        let begin = self.spans.partition_point(|span| span.item < item);
        let end = self.spans.partition_point(|span| span.item <= item);
        &self.spans[begin..end]
    }

    /// The probability that a token, counted through all items, lies in some span.
    pub fn inside(&self, token: usize) -> f32 {
        1.0 - self.labels[token * (1 + 4 * self.types)]
    }

    /// The spans it would pay most to look at: those whose probability is nearest to one half, at most `count`, with what
    /// each annotator said.
    pub fn doubtful(&self, sequences: &Sequences, count: usize) -> Vec<Doubt> {
        let mut order: Vec<&ConsensusSpan> = self.candidates.iter().collect();
        let doubt = |span: &ConsensusSpan| (span.probability - 0.5).abs();
        order.sort_by(|left, right| {
            doubt(left).total_cmp(&doubt(right)).then((left.item, left.span).cmp(&(right.item, right.span)))
        });
        order.truncate(count);
        order
            .into_iter()
            .map(|&one| {
                let (mut said, mut silent) = (Vec::new(), Vec::new());
                for statement in sequences.statements(one.item as usize) {
                    let voter = &sequences.voters()[statement.voter as usize];
                    let before = said.len();
                    for claim in statement.claims {
                        if claim.start < one.span.end && one.span.start < claim.end {
                            let mut types = Vec::new();
                            sequences.each_member(claim.what, |class| types.push(class as u16));
                            said.push((voter.annotator, claim.start, claim.end, types));
                        }
                    }
                    if said.len() == before && voter.looks_for(one.span.class) {
                        silent.push(voter.annotator);
                    }
                }
                let same = |other: &ConsensusSpan| (other.item, other.span).cmp(&(one.item, one.span));
                Doubt { span: one, chosen: self.spans.binary_search_by(same).is_ok(), said, silent }
            })
            .collect()
    }
}

/// Probabilities from shares of votes.
fn from_votes(sequences: &Sequences, item: usize, voted: &[Voted]) -> Made {
    let types = sequences.types();
    let tokens = sequences.tokens(item).len();
    let width = 1 + 4 * types;
    let mut labels = vec![0f32; tokens * width];
    let mut expected = vec![0.0; types];
    let mut candidates = Vec::with_capacity(voted.len());
    let chosen = majority::spans(voted);
    for one in voted {
        let share = (one.votes / one.of.max(1.0)).min(1.0);
        let span = one.span;
        expected[usize::from(span.class)] += share;
        // Majority wants more than half; a half is not.
        let probability = if chosen.contains(&span) { share } else { share.min(0.5) };
        candidates.push((span, probability as f32));
        for token in span.start..span.end {
            labels[token as usize * width + label(span, token)] += share as f32;
        }
    }
    for row in labels.chunks_exact_mut(width) {
        let sum: f32 = row.iter().sum();
        if sum > 1.0 {
            for share in &mut *row {
                *share /= sum;
            }
        }
        row[0] = (1.0 - sum).max(0.0);
    }
    Made { candidates, labels, expected }
}

/// The label of a token of a span: begin, inside, last or unit.
fn label(span: TokenSpan, token: u32) -> usize {
    let role = match (token == span.start, token + 1 == span.end) {
        (true, true) => 3,
        (true, false) => 0,
        (false, false) => 1,
        (false, true) => 2,
    };
    1 + 4 * usize::from(span.class) + role
}

fn from_lattice(sequences: &Sequences, item: usize, voted: &[Voted], lattice: Option<(&Chain, &Lattice)>) -> Made {
    let types = sequences.types();
    let width = 1 + 4 * types;
    let Some((chain, lattice)) = lattice else {
        // Only an item of no tokens, or one where nothing is possible.
        let mut labels = vec![0.0; sequences.tokens(item).len() * width];
        labels.iter_mut().step_by(width).for_each(|outside| *outside = 1.0);
        return Made { candidates: Vec::new(), labels, expected: vec![0.0; types] };
    };
    let mut best = Vec::new();
    // Where nobody spoke and no words are known, there is nothing to find.
    if sequences.statements(item).len() > 0 || sequences.context.covers(sequences.all_tokens()) {
        lattice.best(chain, &mut best);
    }
    best.extend(voted.iter().map(|one| one.span));
    best.sort_unstable();
    best.dedup();
    let candidates = best.into_iter().map(|span| (span, lattice.span(chain, span) as f32)).collect();
    let mut labels = vec![0f32; lattice.tokens() * width];
    let mut expected = vec![0.0; types];
    for (token, row) in labels.chunks_exact_mut(width).enumerate() {
        for class in 0..types {
            let [begin, inside] = [1, 2].map(|role| lattice.state(token, role + 2 * class));
            expected[class] += begin;
            let first_on = lattice.goes_on(chain, token, class, false).min(begin);
            let later_on = lattice.goes_on(chain, token, class, true).min(inside);
            let four = [first_on, later_on, inside - later_on, begin - first_on];
            row[1 + 4 * class..][..4].iter_mut().zip(four).for_each(|(share, value)| *share = value as f32);
        }
        let spans: f32 = row[1..].iter().sum();
        row[0] = (1.0 - spans).max(0.0);
        let sum = row[0] + spans;
        for share in row {
            *share /= sum;
        }
    }
    Made { candidates, labels, expected }
}

/// The candidates, none overlapping, with the greatest sum of what their probability exceeds the threshold by: weighted
/// interval scheduling.
fn select(candidates: &[(TokenSpan, f32)], threshold: f64) -> Vec<usize> {
    let mut able: Vec<usize> =
        (0..candidates.len()).filter(|&place| f64::from(candidates[place].1) > threshold).collect();
    able.sort_by_key(|&place| (candidates[place].0.end, candidates[place].0));
    // The best among the first so many, and what was taken last for it.
    let mut best: Vec<(f64, Option<usize>)> = vec![(0.0, None)];
    for (place, &candidate) in able.iter().enumerate() {
        let (span, probability) = candidates[candidate];
        let before = able[..place].partition_point(|&other| candidates[other].0.end <= span.start);
        let with = best[before].0 + f64::from(probability) - threshold;
        let without = best[place].0;
        best.push(if with > without { (with, Some(before)) } else { (without, None) });
    }
    let mut chosen = Vec::new();
    let mut at = able.len();
    while at > 0 {
        match best[at].1 {
            Some(before) => {
                chosen.push(able[at - 1]);
                at = before;
            }
            None => at -= 1,
        }
    }
    chosen.sort_by_key(|&place| candidates[place].0);
    chosen
}

/// The threshold under which the chosen spans have the greatest expected F1, if the probabilities are right:
/// `2 sum p / (chosen + expected number of spans)`.
fn best_threshold(made: &[Made], expected: f64) -> f64 {
    let (mut best, mut found) = (0.5, -1.0);
    for step in 4..=12 {
        let threshold = 0.05 * f64::from(step);
        let sums: Vec<(f64, usize)> = made
            .par_iter()
            .map(|made| {
                let chosen = select(&made.candidates, threshold);
                (chosen.iter().map(|&place| f64::from(made.candidates[place].1)).sum(), chosen.len())
            })
            .collect();
        let right: f64 = sums.iter().map(|(right, _)| right).sum();
        let count: usize = sums.iter().map(|(_, count)| count).sum();
        let f1 = 2.0 * right / (count as f64 + expected).max(1e-9);
        if f1 > found {
            (best, found) = (threshold, f1);
        }
    }
    best
}

/// Precision and recall of every annotator, with what the consensus expects for truth.
fn judge(sequences: &Sequences, made: &[Made]) -> Vec<AnnotatorQuality> {
    let types = sequences.types();
    let (annotators, width) = (sequences.annotators(), types + 1);
    // Claims, those right, and spans there were to find, by annotator and type; all types last.
    let mut claims = vec![0.0; annotators * width];
    let mut right = vec![0.0; annotators * width];
    let mut there = vec![0.0; annotators * width];
    let mut items = vec![0; annotators];
    for (item, made) in made.iter().enumerate() {
        let probability = |span: TokenSpan| {
            let found = made.candidates.binary_search_by(|(other, _)| other.cmp(&span));
            found.map_or(0.0, |place| f64::from(made.candidates[place].1))
        };
        for statement in sequences.statements(item) {
            let voter = &sequences.voters()[statement.voter as usize];
            let row = voter.annotator as usize * width;
            items[voter.annotator as usize] += 1;
            for class in (0..types).filter(|&class| voter.looks_for(class as u16)) {
                there[row + class] += made.expected[class];
                there[row + types] += made.expected[class];
            }
            for claim in statement.claims {
                let breadth = sequences.breadth(claim.what) as f64;
                let mut any = 0.0;
                sequences.each_member(claim.what, |class| {
                    let likely = probability(TokenSpan { start: claim.start, end: claim.end, class: class as u16 });
                    any += likely;
                    claims[row + class] += 1.0 / breadth;
                    right[row + class] += if breadth == 1.0 { likely } else { likely / breadth };
                });
                if breadth > 0.0 {
                    claims[row + types] += 1.0;
                    right[row + types] += any.min(1.0);
                }
            }
        }
    }
    let quality = |place: usize| Quality {
        claims: claims[place].round() as u64,
        precision: share(right[place], claims[place], "claimed spans against the consensus", "it claims none"),
        recall: share(right[place], there[place], "spans the consensus expects", "there are none to find"),
    };
    (0..annotators)
        .map(|annotator| AnnotatorQuality {
            items: items[annotator],
            all: quality(annotator * width + types),
            types: (0..types).map(|class| quality(annotator * width + class)).collect(),
        })
        .collect()
}

/// A share with its Wilson interval.
fn share(hits: f64, count: f64, basis: &str, otherwise: &str) -> Measured {
    if count < 1e-9 {
        return Measured::unknown(otherwise);
    }
    let share = (hits / count).clamp(0.0, 1.0);
    Measured::known(share, wilson(share, count), format!("{count:.0} {basis}"))
}
