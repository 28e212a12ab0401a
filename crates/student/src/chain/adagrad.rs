//! Training by small steps with a step length of its own for every weight.

use rayon::prelude::*;

use super::lattice::Pairs;
use super::links::Links;
use super::prepare::Prepared;
use super::target::{EntityRatio, Scratch, loss};
use super::train::{Progress, Trainer};
use super::{Constraints, Weights};
use crate::error::Result;
use crate::random::Random;

/// Sentences whose gradients are taken with the same weights. They may be taken in parallel; steps are made in order.
const BATCH: usize = 16;

/// Gradients smaller than this are not worth a step.
const NEGLIGIBLE: f32 = 1e-4;

/// One gradient of a batch.
#[derive(Default)]
struct Part {
    scratch: Scratch,
    scores: Vec<f32>,
    states: Vec<f64>,
    pairs: Option<Pairs>,
    value: f64,
    inside: f64,
}

/// Weights and the squared gradients each has seen (Duchi, Hazan and Singer 2011).
struct Table {
    values: Vec<f32>,
    squares: Vec<f32>,
}

impl Table {
    fn new(size: usize) -> Self {
        Self { values: vec![0.0; size], squares: vec![0.0; size] }
    }

    /// One step against a gradient over weights that lie side by side.
    #[inline]
    fn step(&mut self, begin: usize, gradient: &[f32], rate: f32) {
        let values = &mut self.values[begin..begin + gradient.len()];
        let squares = &mut self.squares[begin..begin + gradient.len()];
        for ((value, square), &slope) in values.iter_mut().zip(squares).zip(gradient) {
            *square += slope * slope;
            *value -= rate * slope / (square.sqrt() + 1e-6);
        }
    }

    /// The proximal step of the penalties, once per round over the data.
    fn shrink(&mut self, l1: f64, l2: f64, rate: f64) {
        for (value, square) in self.values.iter_mut().zip(&self.squares) {
            if *value != 0.0 {
                let length = (rate / (f64::from(*square).sqrt() + 1e-6)) as f32;
                let smaller = (value.abs() - length * l1 as f32).max(0.0) / (1.0 + 2.0 * l2 as f32 * length);
                *value = smaller.copysign(*value);
            }
        }
    }
}

pub(super) fn fit(
    data: &Prepared<'_>,
    constraints: &Constraints,
    trainer: &Trainer,
    epochs: usize,
    rate: f64,
) -> Result<(Weights, Progress)> {
    let labels = constraints.labels;
    let stride = labels.next_multiple_of(4);
    let mut states = Table::new(data.slots.len() * stride);
    let mut links_table = Table::new(labels * (labels + 2));
    let mut order: Vec<usize> = (0..data.encoded.sentences()).filter(|&one| data.weight(one) > 0.0).collect();
    let mut random = Random::new(trainer.seed ^ 0x5eed_c4a1);
    let mut parts: Vec<Part> = (0..BATCH).map(|_| Part::default()).collect();
    let mut progress = Progress::default();
    let mut gradient = vec![0f32; stride];
    // The expected share of tokens in entities, over about a hundred batches.
    let mut share: Option<f64> = None;
    for _ in 0..epochs {
        random.shuffle(&mut order);
        let mut total = 0.0;
        for batch in order.chunks(BATCH) {
            let weights = joined(&links_table, labels);
            let links = Links::new(&weights, constraints)?;
            let slope = trainer.ratio.zip(share).map_or(0.0, |(ratio, share): (EntityRatio, f64)| ratio.loss(share).1);
            parts[..batch.len()].par_iter_mut().zip(batch).for_each(|(part, &sentence)| {
                score(data, sentence, &states.values, labels, stride, &mut part.scores);
                let mut pairs = Pairs::new(labels);
                let weight = data.weight(sentence);
                let found = loss(
                    &links,
                    &part.scores,
                    &data.targets[sentence],
                    weight,
                    slope * weight,
                    &mut part.scratch,
                    &mut part.states,
                    &mut pairs,
                );
                pairs.finish(&links);
                (part.value, part.inside) = (found.value, found.inside);
                part.pairs = Some(pairs);
            });
            let (mut inside, mut tokens) = (0.0, 0);
            for (part, &sentence) in parts.iter().zip(batch) {
                total += part.value;
                inside += part.inside;
                tokens += data.encoded.sentence(sentence).len();
                for (row, token) in part.states.chunks_exact(labels).zip(data.encoded.sentence(sentence)) {
                    let mut greatest = 0f32;
                    for (into, &slope) in gradient.iter_mut().zip(row) {
                        *into = slope as f32;
                        greatest = greatest.max(into.abs());
                    }
                    if greatest > NEGLIGIBLE {
                        for &slot in data.encoded.token(token) {
                            states.step(slot as usize * stride, &gradient, rate as f32);
                        }
                    }
                }
            }
            if tokens > 0 {
                let now = inside / tokens as f64;
                share = Some(share.map_or(now, |share| 0.99 * share + 0.01 * now));
            }
            let mut sum = Pairs::new(labels);
            parts[..batch.len()].iter().filter_map(|part| part.pairs.as_ref()).for_each(|pairs| sum.merge(pairs));
            let flat: Vec<f32> =
                [&sum.transition, &sum.start, &sum.end].into_iter().flatten().map(|&slope| slope as f32).collect();
            links_table.step(0, &flat, rate as f32);
        }
        states.shrink(trainer.l1, trainer.l2, rate);
        links_table.shrink(0.0, trainer.l2, rate);
        progress.losses.push(total);
    }
    let mut weights = joined(&links_table, labels);
    weights.state = states.values.chunks_exact(stride).flat_map(|row| row[..labels].iter().copied()).collect();
    progress.converged = true;
    Ok((weights, progress))
}

fn joined(table: &Table, labels: usize) -> Weights {
    let (transition, ends) = table.values.split_at(labels * labels);
    let (start, end) = ends.split_at(labels);
    Weights { labels, state: Vec::new(), transition: transition.to_vec(), start: start.to_vec(), end: end.to_vec() }
}

/// State scores from rows that are padded to a multiple of four.
fn score(data: &Prepared<'_>, sentence: usize, values: &[f32], labels: usize, stride: usize, scores: &mut Vec<f32>) {
    scores.clear();
    let mut row = vec![0f32; stride];
    for token in data.encoded.sentence(sentence) {
        row.fill(0.0);
        for &slot in data.encoded.token(token) {
            let weights = &values[slot as usize * stride..][..stride];
            let fours = row.as_chunks_mut::<4>().0.iter_mut().zip(weights.as_chunks::<4>().0);
            for (row, weights) in fours {
                for lane in 0..4 {
                    row[lane] += weights[lane];
                }
            }
        }
        scores.extend_from_slice(&row[..labels]);
    }
}
