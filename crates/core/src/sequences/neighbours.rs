//! What the labels of neighbouring tokens say about each other.

use std::ops::Range;

use crate::task::Class;

/// Rounds of Baum and Welch's algorithm; steps between labels settle at once.
const ROUNDS: usize = 5;
/// How many unseen steps every label has beside those counted, spread as labels are.
const PRIOR: f64 = 5.0;

/// How labels follow each other: a hidden Markov model over plain labels.
///
/// The posteriors of tokens taken one by one, as a consensus of votes gives them, are read as evidence: each is divided by
/// the prior, and tokens without votes say nothing. The steps from label to label are learnt from these sequences alone
/// (Rabiner 1989). It assumes that a label depends on its two neighbours only, and that annotators err token by token.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    classes: usize,
    prior: Vec<f64>,
    /// `steps[from * classes + to]`, each row summing to one.
    steps: Vec<f64>,
}

/// Room for one sequence.
#[derive(Default)]
struct Room {
    evidence: Vec<f64>,
    forward: Vec<f64>,
    backward: Vec<f64>,
}

impl Neighbours {
    /// Learns the steps. `posterior` has a row of `classes` numbers per token, `known` says whether anything was said of a
    /// token, `sequences` are the texts.
    ///
    /// Costs a handful of passes of `tokens x classes x classes`.
    pub fn learn(posterior: &[f32], known: &[bool], classes: usize, sequences: &[Range<usize>]) -> Self {
        let mut prior = vec![1.0; classes];
        for (row, _) in posterior.chunks_exact(classes).zip(known).filter(|(_, known)| **known) {
            prior.iter_mut().zip(row).for_each(|(sum, &share)| *sum += f64::from(share));
        }
        let total: f64 = prior.iter().sum();
        prior.iter_mut().for_each(|share| *share /= total);
        let steps = (0..classes).flat_map(|_| prior.clone()).collect();
        let mut chain = Self { classes, prior, steps };
        let mut room = Room::default();
        for _ in 0..ROUNDS {
            let mut counts: Vec<f64> =
                (0..classes).flat_map(|_| chain.prior.iter().map(|share| PRIOR * share)).collect();
            for sequence in sequences {
                chain.pass(posterior, known, sequence, &mut room);
                chain.count(sequence.len(), &room, &mut counts);
            }
            for row in counts.chunks_exact_mut(classes) {
                let total: f64 = row.iter().sum();
                row.iter_mut().for_each(|count| *count /= total);
            }
            chain.steps = counts;
        }
        chain
    }

    /// The posterior of every token given its whole sequence.
    pub fn read(&self, posterior: &[f32], known: &[bool], sequences: &[Range<usize>]) -> Vec<f32> {
        let mut found = posterior.to_vec();
        let mut room = Room::default();
        for sequence in sequences {
            self.pass(posterior, known, sequence, &mut room);
            let rows = found[sequence.start * self.classes..sequence.end * self.classes].chunks_exact_mut(self.classes);
            for (token, row) in rows.enumerate() {
                let place = token * self.classes..(token + 1) * self.classes;
                let both = || room.forward[place.clone()].iter().zip(&room.backward[place.clone()]);
                let total: f64 = both().map(|(forward, backward)| forward * backward).sum();
                for (share, (forward, backward)) in row.iter_mut().zip(both()) {
                    *share = (forward * backward / total) as f32;
                }
            }
        }
        found
    }

    /// The likeliest step from a label to another.
    pub fn step(&self, from: Class, to: Class) -> f64 {
        self.steps[usize::from(from) * self.classes + usize::from(to)]
    }

    /// Forward and backward through one sequence, every row scaled to sum to one.
    fn pass(&self, posterior: &[f32], known: &[bool], sequence: &Range<usize>, room: &mut Room) {
        let (classes, length) = (self.classes, sequence.len());
        room.evidence.clear();
        for token in sequence.clone() {
            let row = &posterior[token * classes..(token + 1) * classes];
            let one = |(&share, &prior): (&f32, &f64)| {
                // A consensus is never so sure that neighbours could not say otherwise.
                if known[token] { (f64::from(share).max(1e-6)) / prior } else { 1.0 }
            };
            room.evidence.extend(row.iter().zip(&self.prior).map(one));
        }
        room.forward.clear();
        room.forward.resize(length * classes, 0.0);
        room.backward.clear();
        room.backward.resize(length * classes, 1.0);
        for token in 0..length {
            let (before, here) = room.forward.split_at_mut(token * classes);
            let here = &mut here[..classes];
            for (to, share) in here.iter_mut().enumerate() {
                let reach = match token {
                    0 => self.prior[to],
                    _ => (0..classes)
                        .map(|from| before[(token - 1) * classes + from] * self.steps[from * classes + to])
                        .sum(),
                };
                *share = reach * room.evidence[token * classes + to];
            }
            scale(here);
        }
        for token in (0..length.saturating_sub(1)).rev() {
            let (here, next) = room.backward.split_at_mut((token + 1) * classes);
            let here = &mut here[token * classes..];
            for (from, share) in here.iter_mut().enumerate() {
                *share = (0..classes)
                    .map(|to| self.steps[from * classes + to] * room.evidence[(token + 1) * classes + to] * next[to])
                    .sum();
            }
            scale(here);
        }
    }

    /// Adds the expected steps of a sequence that was just passed.
    fn count(&self, length: usize, room: &Room, counts: &mut [f64]) {
        let classes = self.classes;
        let mut steps = vec![0.0; classes * classes];
        for token in 1..length {
            let mut total = 0.0;
            for from in 0..classes {
                for to in 0..classes {
                    let step = room.forward[(token - 1) * classes + from]
                        * self.steps[from * classes + to]
                        * room.evidence[token * classes + to]
                        * room.backward[token * classes + to];
                    steps[from * classes + to] = step;
                    total += step;
                }
            }
            if total > 0.0 {
                counts.iter_mut().zip(&steps).for_each(|(count, step)| *count += step / total);
            }
        }
    }
}

fn scale(row: &mut [f64]) {
    let total: f64 = row.iter().sum();
    if total > 0.0 {
        row.iter_mut().for_each(|share| *share /= total);
    } else {
        let even = 1.0 / row.len() as f64;
        row.fill(even);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_token_takes_the_label_of_its_run() {
        // Runs of five equal labels; every fifth token says nothing.
        let classes = 2;
        let (mut posterior, mut known, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        for token in 0..400 {
            let label = (token / 5) % 2;
            let silent = token % 5 == 2;
            let sure: f32 = if label == 0 { 0.9 } else { 0.1 };
            posterior.extend(if silent { [0.5, 0.5] } else { [sure, 1.0 - sure] });
            known.push(!silent);
            truth.push(label);
        }
        let sequences = [0..200, 200..200, 200..400];
        let chain = Neighbours::learn(&posterior, &known, classes, &sequences);
        assert!(chain.step(0, 0) > 0.7 && chain.step(1, 1) > 0.7, "{chain:?}");
        let found = chain.read(&posterior, &known, &sequences);
        for (token, row) in found.chunks_exact(classes).enumerate() {
            assert!((row[0] + row[1] - 1.0).abs() < 1e-5);
            assert!(row[truth[token]] > 0.8, "token {token}: {row:?}");
        }
    }

    #[test]
    fn where_labels_do_not_depend_on_their_neighbours_little_changes() {
        let classes = 3;
        let mut random = crate::random::Random::new(7);
        let mut posterior = Vec::new();
        for _ in 0..900 {
            let label = (random.next() % 3) as usize;
            posterior.extend((0..classes).map(|class| if class == label { 0.8 } else { 0.1_f32 }));
        }
        let known = vec![true; 900];
        let sequences: Vec<Range<usize>> = (0..90).map(|text| text * 10..text * 10 + 10).collect();
        let chain = Neighbours::learn(&posterior, &known, classes, &sequences);
        let found = chain.read(&posterior, &known, &sequences);
        let far = found.iter().zip(&posterior).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(far < 0.15, "{far}");
    }
}
