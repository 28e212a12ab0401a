//! Decoding: the best sequence and the best few.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::lattice::FAINTEST;
use super::{Constraints, Weights};
use crate::error::{Error, Result};

/// What joins labels: pair, start and end weights together with what may occur, ready for decoding sentences.
///
/// State scores come as `tokens x labels` numbers, from [`Weights::score`] or from elsewhere.
#[derive(Clone, Debug)]
pub struct Links {
    labels: usize,
    /// Minus infinity where forbidden.
    start: Vec<f32>,
    end: Vec<f32>,
    transition: Vec<f32>,
    /// Where each label's followers begin in `followers`.
    offsets: Vec<u32>,
    followers: Vec<u16>,
    factor: f64,
    pub(super) tables: Tables,
}

/// Exponentials of the scaled weights; zero where forbidden.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) start: Vec<f64>,
    pub(super) end: Vec<f64>,
    pub(super) transition: Vec<f64>,
    /// What was taken off every start, end and transition weight before.
    pub(super) shifts: [f64; 3],
    /// Whether no two weights that may occur lie so far apart that products of exponentials might vanish.
    pub(super) close: bool,
}

impl Links {
    /// Joins weights and constraints.
    ///
    /// # Errors
    /// Different numbers of labels, no label, more than 65,535, or weights that are not finite.
    pub fn new(weights: &Weights, constraints: &Constraints) -> Result<Self> {
        let labels = weights.labels;
        if labels == 0 || labels > usize::from(u16::MAX) {
            return Err(Error::setting(format!("expected between 1 and 65535 labels, found {labels}")));
        }
        let sizes = [weights.start.len(), weights.end.len(), constraints.starts.len(), constraints.ends.len()];
        let squares = [weights.transition.len(), constraints.transitions.len()];
        if sizes.iter().any(|&size| size != labels) || squares.iter().any(|&size| size != labels * labels) {
            return Err(Error::setting(format!(
                "expected weights and constraints for {labels} labels, found sizes {sizes:?} and {squares:?}"
            )));
        }
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !(finite(&weights.start) && finite(&weights.end) && finite(&weights.transition)) {
            return Err(Error::setting("expected finite weights, found one that is not"));
        }
        let masked = |values: &[f32], allowed: &[bool]| -> Vec<f32> {
            values.iter().zip(allowed).map(|(&value, &may)| if may { value } else { f32::NEG_INFINITY }).collect()
        };
        let transition = masked(&weights.transition, &constraints.transitions);
        let (mut offsets, mut followers) = (vec![0], Vec::new());
        for row in transition.chunks_exact(labels) {
            followers.extend((0..labels as u16).filter(|&to| row[usize::from(to)] > f32::NEG_INFINITY));
            offsets.push(followers.len() as u32);
        }
        let start = masked(&weights.start, &constraints.starts);
        let end = masked(&weights.end, &constraints.ends);
        let tables = Tables::new(&start, &end, &transition, 1.0);
        Ok(Self { labels, start, end, transition, offsets, followers, factor: 1.0, tables })
    }

    /// The same links for probabilities under another temperature: all scores, those of states included, are divided by
    /// it. Decoding is not affected.
    ///
    /// # Errors
    /// A temperature that is not positive and finite.
    pub fn with_temperature(mut self, temperature: f64) -> Result<Self> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::setting(format!("expected a positive temperature, found {temperature}")));
        }
        self.factor = 1.0 / temperature;
        self.tables = Tables::new(&self.start, &self.end, &self.transition, self.factor);
        Ok(self)
    }

    /// How many labels there are.
    pub const fn labels(&self) -> usize {
        self.labels
    }

    /// One over the temperature.
    pub(super) const fn factor(&self) -> f64 {
        self.factor
    }

    pub(super) fn followers(&self, label: usize) -> &[u16] {
        &self.followers[self.offsets[label] as usize..self.offsets[label + 1] as usize]
    }

    pub(super) fn start(&self, label: usize) -> f32 {
        self.start[label]
    }

    pub(super) fn end(&self, label: usize) -> f32 {
        self.end[label]
    }

    pub(super) fn transition(&self, from: usize, to: usize) -> f32 {
        self.transition[from * self.labels + to]
    }

    /// The score of a sequence, before temperature; minus infinity if it may not occur.
    ///
    /// # Panics
    /// If there are not as many labels as tokens.
    pub fn score(&self, states: &[f32], sequence: &[u16]) -> f64 {
        assert_eq!(states.len(), sequence.len() * self.labels, "one label per token");
        let mut score = 0.0;
        let mut before = None;
        for (&label, row) in sequence.iter().zip(states.chunks_exact(self.labels)) {
            let label = usize::from(label);
            score += f64::from(row[label])
                + f64::from(before.map_or(self.start[label], |before| self.transition(before, label)));
            before = Some(label);
        }
        score + before.map_or(0.0, |last| f64::from(self.end[last]))
    }

    /// Writes the best sequence (Viterbi) and returns its score; `None` if no sequence may occur. Among equals the one
    /// with the lower labels, seen from the end, wins.
    pub fn best(&self, states: &[f32], sequence: &mut Vec<u16>) -> Option<f32> {
        let labels = self.labels;
        let tokens = states.len() / labels;
        sequence.clear();
        if tokens == 0 {
            return Some(0.0);
        }
        let mut scores: Vec<f32> =
            states[..labels].iter().zip(&self.start).map(|(state, start)| state + start).collect();
        let mut next = vec![f32::NEG_INFINITY; labels];
        let mut back = vec![0u16; tokens * labels];
        for (token, row) in states.chunks_exact(labels).enumerate().skip(1) {
            next.fill(f32::NEG_INFINITY);
            let back = &mut back[token * labels..][..labels];
            for (from, &score) in scores.iter().enumerate() {
                if score == f32::NEG_INFINITY {
                    continue;
                }
                let transition = &self.transition[from * labels..][..labels];
                let followers = self.followers(from);
                if followers.len() * 3 < labels {
                    for &to in followers {
                        let to = usize::from(to);
                        let candidate = score + transition[to];
                        if candidate > next[to] {
                            (next[to], back[to]) = (candidate, from as u16);
                        }
                    }
                } else {
                    for ((next, back), &weight) in next.iter_mut().zip(&mut *back).zip(transition) {
                        let candidate = score + weight;
                        *back = if candidate > *next { from as u16 } else { *back };
                        *next = if candidate > *next { candidate } else { *next };
                    }
                }
            }
            for ((score, next), state) in scores.iter_mut().zip(&next).zip(row) {
                *score = next + state;
            }
        }
        scores.iter_mut().zip(&self.end).for_each(|(score, end)| *score += end);
        let mut label = (1..labels).fold(0, |best, label| if scores[label] > scores[best] { label } else { best });
        let found = scores[label];
        if found == f32::NEG_INFINITY {
            return None;
        }
        sequence.resize(tokens, 0);
        for token in (0..tokens).rev() {
            sequence[token] = label as u16;
            label = usize::from(back[token * labels + label]);
        }
        Some(found)
    }

    /// The best sequences with their scores, best first, at most `count`, fewer if fewer may occur.
    ///
    /// Sequences are grown from their ends; what the best beginning will add is known exactly from a forward pass, so
    /// they come out in order (Soong and Huang 1991). Time in proportion to `count x tokens x labels` when scores differ.
    pub fn n_best(&self, states: &[f32], count: usize) -> Vec<(f64, Vec<u16>)> {
        let labels = self.labels;
        let tokens = states.len() / labels;
        if count == 0 {
            return Vec::new();
        }
        if tokens == 0 {
            return vec![(0.0, Vec::new())];
        }
        // The best score of any beginning that ends with this label at this token.
        let mut ahead = vec![f64::NEG_INFINITY; tokens * labels];
        for label in 0..labels {
            ahead[label] = f64::from(self.start[label]) + f64::from(states[label]);
        }
        for token in 1..tokens {
            let (done, now) = ahead.split_at_mut(token * labels);
            for from in 0..labels {
                let score = done[(token - 1) * labels + from];
                for &to in self.followers(from) {
                    let to = usize::from(to);
                    now[to] = now[to].max(score + f64::from(self.transition(from, to)));
                }
            }
            for (label, now) in now[..labels].iter_mut().enumerate() {
                *now += f64::from(states[token * labels + label]);
            }
        }
        let mut nodes: Vec<Node> = Vec::new();
        let mut open = BinaryHeap::new();
        let add = |nodes: &mut Vec<Node>, open: &mut BinaryHeap<Open>, token: usize, label: usize, behind, next| {
            let total = ahead[token * labels + label] + behind;
            if total > f64::NEG_INFINITY {
                open.push(Open { total, node: nodes.len() });
                nodes.push(Node { token, label: label as u16, behind, next });
            }
        };
        for label in 0..labels {
            add(&mut nodes, &mut open, tokens - 1, label, f64::from(self.end[label]), usize::MAX);
        }
        let mut found = Vec::new();
        while let Some(Open { total, node }) = open.pop() {
            let Node { token, label, behind, .. } = nodes[node];
            if token == 0 {
                let mut sequence = Vec::with_capacity(tokens);
                let mut at = node;
                while at != usize::MAX {
                    sequence.push(nodes[at].label);
                    at = nodes[at].next;
                }
                found.push((total, sequence));
                if found.len() == count {
                    break;
                }
                continue;
            }
            let label = usize::from(label);
            let behind = behind + f64::from(states[token * labels + label]);
            for from in 0..labels {
                let weight = f64::from(self.transition(from, label));
                add(&mut nodes, &mut open, token - 1, from, behind + weight, node);
            }
        }
        found
    }
}

/// The end of a sequence, from `token` on.
#[derive(Clone, Copy)]
struct Node {
    token: usize,
    label: u16,
    /// The score of all that comes after this token, the transition to it included.
    behind: f64,
    next: usize,
}

/// What can at best become of a node.
struct Open {
    total: f64,
    node: usize,
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.total.total_cmp(&other.total).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

impl Tables {
    fn new(start: &[f32], end: &[f32], transition: &[f32], factor: f64) -> Self {
        let mut close = true;
        let mut table = |values: &[f32]| {
            let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let top = if top.is_finite() { f64::from(top) * factor } else { 0.0 };
            let below = values.iter().map(|&value| f64::from(value) * factor - top);
            close &= below.clone().all(|below| below == f64::NEG_INFINITY || below >= FAINTEST);
            (below.map(f64::exp).collect(), top)
        };
        let ((start, one), (end, two), (transition, three)) = (table(start), table(end), table(transition));
        Self { start, end, transition, shifts: [one, two, three], close }
    }
}
