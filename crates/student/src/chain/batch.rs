//! Training by the gradient of the whole data.

use rayon::prelude::*;

use super::lattice::Pairs;
use super::lbfgs::{self, Stop};
use super::links::Links;
use super::prepare::Prepared;
use super::target::{Scratch, loss};
use super::train::{Progress, Trainer};
use super::{Constraints, Weights};
use crate::error::Result;

/// Parts of the data that have a gradient of their own. Fixed, and added up in order, so that sums do not depend on the
/// number of threads.
const SHARDS: usize = 8;

/// The weights that training may move: those of slots with the labels that targets name beside them, as in CRFsuite.
struct Columns {
    /// Where each slot's columns begin.
    offsets: Vec<u32>,
    labels: Vec<u16>,
    /// How many labels there are in all.
    count: usize,
}

impl Columns {
    fn new(data: &Prepared<'_>, count: usize) -> Self {
        let mut present = vec![false; data.slots.len() * count];
        for (sentence, target) in data.targets.iter().enumerate() {
            let begin = data.encoded.sentence(sentence).start;
            target.possible(count, |token, label| {
                for &slot in data.encoded.token(begin + token) {
                    present[slot as usize * count + label] = true;
                }
            });
        }
        let (mut offsets, mut labels) = (vec![0], Vec::new());
        for row in present.chunks_exact(count) {
            labels.extend((0..count as u16).filter(|&label| row[usize::from(label)]));
            offsets.push(labels.len() as u32);
        }
        Self { offsets, labels, count }
    }

    /// The columns of a slot: positions among the weights, and labels.
    #[inline]
    fn of(&self, slot: u32) -> (usize, &[u16]) {
        let (begin, end) = (self.offsets[slot as usize] as usize, self.offsets[slot as usize + 1] as usize);
        (begin, &self.labels[begin..end])
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    /// The full weights behind `x`: states first, then transitions, starts and ends.
    fn unpack(&self, x: &[f64], with_states: bool) -> Weights {
        let count = self.count;
        let mut weights = Weights::zeros(if with_states { self.offsets.len() - 1 } else { 0 }, count);
        if with_states {
            for slot in 0..self.offsets.len() - 1 {
                let (begin, labels) = self.of(slot as u32);
                for (place, &label) in labels.iter().enumerate() {
                    weights.state[slot * count + usize::from(label)] = x[begin + place] as f32;
                }
            }
        }
        let rest = &x[self.len()..];
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        weights.transition = narrow(&rest[..count * count]);
        weights.start = narrow(&rest[count * count..][..count]);
        weights.end = narrow(&rest[count * (count + 1)..]);
        weights
    }
}

/// The sums of one shard.
struct Shard {
    gradient: Vec<f64>,
    pairs: Pairs,
    value: f64,
    inside: f64,
}

pub(super) fn fit(
    data: &Prepared<'_>,
    constraints: &Constraints,
    trainer: &Trainer,
    stop: Stop,
) -> Result<(Weights, Progress)> {
    let labels = constraints.labels;
    let columns = Columns::new(data, labels);
    let size = columns.len() + labels * (labels + 2);
    let tokens = data.encoded.tokens().max(1) as f64;
    // Constraints were checked with the first weights; later ones differ in value only.
    Links::new(&columns.unpack(&vec![0.0; size], false), constraints)?;
    let mut failed = None;
    let mut evaluate = |x: &[f64], gradient: &mut [f64]| -> f64 {
        let links = match Links::new(&columns.unpack(x, false), constraints) {
            Ok(links) => links,
            Err(error) => {
                failed = Some(error);
                return f64::INFINITY;
            }
        };
        let run = |slope: f64, inside_only: bool| -> Vec<Shard> {
            (0..SHARDS)
                .into_par_iter()
                .map(|shard| sums(data, &columns, &links, x, shard, slope, inside_only))
                .collect()
        };
        let (mut extra, mut slope) = (0.0, 0.0);
        if let Some(ratio) = trainer.ratio {
            // The prior is about all tokens together, so their expectation comes first.
            let inside: f64 = run(0.0, true).iter().map(|shard| shard.inside).sum();
            (extra, slope) = ratio.loss(inside / tokens);
        }
        let shards = run(slope, false);
        let mut value = extra * tokens;
        gradient.fill(0.0);
        let mut pairs = Pairs::new(labels);
        for shard in &shards {
            value += shard.value;
            gradient.iter_mut().zip(&shard.gradient).for_each(|(into, from)| *into += from);
            pairs.merge(&shard.pairs);
        }
        pairs.finish(&links);
        let rest = [&pairs.transition, &pairs.start, &pairs.end].into_iter().flatten();
        gradient[columns.len()..].iter_mut().zip(rest).for_each(|(into, from)| *into = *from);
        let mut square = 0.0;
        for (into, at) in gradient.iter_mut().zip(x) {
            *into += 2.0 * trainer.l2 * at;
            square += at * at;
        }
        value + trainer.l2 * square
    };
    let found = lbfgs::minimise(vec![0.0; size], trainer.l1, stop, &mut evaluate);
    if let Some(error) = failed {
        return Err(error);
    }
    let progress = Progress { losses: found.values, converged: found.converged, ..Progress::default() };
    Ok((columns.unpack(&found.x, true), progress))
}

/// Loss and gradient of every eighth sentence.
fn sums(
    data: &Prepared<'_>,
    columns: &Columns,
    links: &Links,
    x: &[f64],
    shard: usize,
    slope: f64,
    inside_only: bool,
) -> Shard {
    let labels = columns.count;
    let size = if inside_only { 0 } else { columns.len() };
    let mut sums = Shard { gradient: vec![0.0; size], pairs: Pairs::new(labels), value: 0.0, inside: 0.0 };
    let (mut scratch, mut scores, mut states) = (Scratch::default(), Vec::new(), Vec::new());
    let mut row = vec![0.0; labels];
    for sentence in (shard..data.encoded.sentences()).step_by(SHARDS) {
        let weight = data.weight(sentence);
        scores.clear();
        for token in data.encoded.sentence(sentence) {
            row.fill(0.0);
            for &slot in data.encoded.token(token) {
                let (begin, labels) = columns.of(slot);
                for (&weight, &label) in x[begin..].iter().zip(labels) {
                    row[usize::from(label)] += weight;
                }
            }
            scores.extend(row.iter().map(|&score| score as f32));
        }
        if inside_only {
            if scratch.lattice.fill(links, &scores, None) {
                let tokens = 0..scratch.lattice.tokens();
                sums.inside += weight * tokens.map(|token| scratch.lattice.inside(token)).sum::<f64>();
            }
            continue;
        }
        if weight == 0.0 {
            continue;
        }
        let target = &data.targets[sentence];
        let ratio = slope * weight;
        let found = loss(links, &scores, target, weight, ratio, &mut scratch, &mut states, &mut sums.pairs);
        sums.value += found.value;
        for (row, token) in states.chunks_exact(labels).zip(data.encoded.sentence(sentence)) {
            if row.iter().all(|slope| slope.abs() < 1e-9) {
                continue;
            }
            for &slot in data.encoded.token(token) {
                let (begin, labels) = columns.of(slot);
                for (into, &label) in sums.gradient[begin..].iter_mut().zip(labels) {
                    *into += row[usize::from(label)];
                }
            }
        }
    }
    sums
}
