//! One pass over all votes: posteriors from a table of log-likelihoods, and expected counts from the posteriors.
//!
//! Every method whose score is a sum over votes runs on this one loop. For decision `i` with votes `v`,
//! `T_i[j] = softmax_j(base[j] + sum_v weight_v * rows[code_v][j])`, and the pass returns
//! `counts[code][j] = sum over votes with that code of weight_v * T_i[j]`, the sum of `T_i`, and
//! `sum_i logsumexp(..)`, the log-likelihood. A code is `annotator * classes + class`, so each vote reads and adds one
//! contiguous row.
//!
//! Decisions are cut into blocks whose number depends on the data alone; blocks run in parallel and are added up in
//! order, so the result has the same bits on any number of threads.

#![expect(clippy::inline_always, reason = "loops become vector code only if all they call is part of them")]

use std::ops::Range;

use rayon::prelude::*;

use super::float::Float;
use crate::votes::{Gold, GoldEntry, Votes};

/// A log-likelihood per vote code and class, padded to whole vectors.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Classes.
    pub(crate) classes: usize,
    /// Numbers per row: the classes, rounded up.
    pub(crate) lanes: usize,
    /// What every decision starts from: the logarithm of the class prior, for most methods.
    pub(crate) base: Vec<f64>,
    /// One row per vote code.
    pub(crate) rows: Vec<f64>,
}

/// Expected counts, in the layout of [`Table`].
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) lanes: usize,
    pub(crate) rows: Vec<f64>,
    /// The sum of the posteriors.
    pub(crate) totals: Vec<f64>,
    /// The log-likelihood of the votes under the table that the posteriors came from.
    pub(crate) log_likelihood: f64,
}

/// The numbers per row for so many classes: a power of two up to 16, then whole groups of 16.
pub(crate) fn lanes_for(classes: usize) -> usize {
    if classes <= 16 { classes.next_power_of_two().max(2) } else { classes.div_ceil(16) * 16 }
}

impl Table {
    /// A table of zeros.
    pub(crate) fn new(votes: &Votes) -> Self {
        let classes = votes.classes();
        let lanes = lanes_for(classes);
        let mut base = vec![0.0; lanes];
        base[classes..].fill(f64::NOWHERE);
        Self { classes, lanes, base, rows: vec![0.0; votes.annotators() * classes * lanes] }
    }

    /// The row of a code, without the padding.
    pub(crate) fn row(&self, code: usize) -> &[f64] {
        &self.rows[code * self.lanes..][..self.classes]
    }
}

impl Counts {
    pub(crate) fn row(&self, code: usize, classes: usize) -> &[f64] {
        &self.rows[code * self.lanes..][..classes]
    }
}

/// What a pass covers besides the votes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep<'a> {
    /// Decisions whose posterior is fixed.
    pub(crate) gold: &'a Gold,
    /// Whether decisions without votes count in the totals and the likelihood.
    pub(crate) silent: bool,
    /// Whether single precision is enough.
    pub(crate) single: bool,
}

impl Sweep<'_> {
    /// The counts that the posteriors of this table give.
    pub(crate) fn counts(&self, votes: &Votes, table: &Table) -> Counts {
        if self.single { self.counts_in::<f32>(votes, table) } else { self.counts_in::<f64>(votes, table) }
    }

    fn counts_in<F: Float>(&self, votes: &Votes, table: &Table) -> Counts {
        let cast = Cast::<F>::of(table);
        add_blocks(votes, table.lanes, |range, part: &mut Part<F>| {
            dispatch(Pass { sweep: self, votes, table: &cast, range, part, write: None });
        })
    }

    /// The posteriors of this table, `classes` numbers per decision.
    pub(crate) fn posterior(&self, votes: &Votes, table: &Table) -> Vec<f32> {
        if self.single {
            self.posterior_as::<f32, f32>(votes, table)
        } else {
            self.posterior_as::<f64, f32>(votes, table)
        }
    }

    /// The posteriors in double precision.
    pub(crate) fn posterior_f64(&self, votes: &Votes, table: &Table) -> Vec<f64> {
        self.posterior_as::<f64, f64>(votes, table)
    }

    fn posterior_as<F: Float, O: Float>(&self, votes: &Votes, table: &Table) -> Vec<O> {
        let cast = Cast::<F>::of(table);
        let mut posterior = vec![O::default(); votes.decisions() * table.classes];
        let size = 4096;
        posterior.par_chunks_mut(size * table.classes).enumerate().for_each(|(block, out)| {
            let start = block * size;
            let range = start..start + out.len() / table.classes;
            let mut part = Part::new(0, table.lanes);
            let mut write = |decision: usize, row: &[F]| {
                let into = &mut out[(decision - start) * table.classes..][..table.classes];
                for (to, &from) in into.iter_mut().zip(row) {
                    *to = O::from_f64(from.to_f64());
                }
            };
            dispatch(Pass { sweep: self, votes, table: &cast, range, part: &mut part, write: Some(&mut write) });
        });
        posterior
    }
}

/// One block's work.
struct Pass<'a, F> {
    sweep: &'a Sweep<'a>,
    votes: &'a Votes,
    table: &'a Cast<F>,
    range: Range<usize>,
    part: &'a mut Part<F>,
    /// Where posteriors go when they are wanted rather than counts.
    write: Option<Write<'a, F>>,
}

/// Runs the loop that is compiled for the processor and the width of a group of lanes.
fn dispatch<F: Float>(pass: Pass<'_, F>) {
    super::wide::run(
        pass,
        #[inline(always)]
        |pass| match pass.table.lanes {
            2 => pass.run::<2>(),
            4 => pass.run::<4>(),
            _ => pass.run::<8>(),
        },
    );
}

impl<F: Float> Pass<'_, F> {
    /// Lanes are handled in groups of `W`, with the number of groups left open: with both known, the compiler takes
    /// rows apart into single numbers and does not find its way back to vectors.
    #[inline(always)]
    fn run<const W: usize>(self) {
        let Self { sweep, votes, table, range, part, mut write } = self;
        let lanes = table.lanes;
        let mut gold = gold_from(sweep.gold, range.start).iter().peekable();
        let (offsets, codes, weights) = (votes.offsets(), votes.codes(), votes.weights());
        let rows = table.rows.as_slice();
        let counts = part.rows.as_mut_slice();
        let mut scratch = Aligned::zeros(lanes);
        let scores = scratch.as_mut_slice();
        // Each denominator lies between 1 and the number of lanes: their product is taken, and its logarithm only
        // now and then.
        let mut product = 1.0f64;
        let mut log_likelihood = 0.0;
        for decision in range {
            let places = offsets[decision] as usize..offsets[decision + 1] as usize;
            scores.copy_from_slice(&table.base);
            let codes = &codes[places.clone()];
            let weights = weights.map(|weights| &weights[places]);
            match weights {
                None => {
                    for &code in codes {
                        add::<F, W>(scores, &rows[code as usize * lanes..][..lanes]);
                    }
                }
                Some(weights) => {
                    for (&code, &weight) in codes.iter().zip(weights) {
                        add_times::<F, W>(scores, &rows[code as usize * lanes..][..lanes], F::from_f32(weight));
                    }
                }
            }
            let known = gold.next_if(|entry| entry.decision as usize == decision);
            let counted = sweep.silent || known.is_some() || !codes.is_empty();
            let offset;
            if let Some(entry) = known {
                offset = scores[usize::from(entry.class)].to_f64();
                scores.fill(F::default());
                scores[usize::from(entry.class)] = F::ONE;
            } else {
                let greatest = greatest::<F, W>(scores);
                for group in scores.as_chunks_mut::<W>().0 {
                    for lane in group {
                        *lane = (*lane - greatest).exp();
                    }
                }
                let sum = sum::<F, W>(scores);
                let scale = sum.reciprocal();
                for group in scores.as_chunks_mut::<W>().0 {
                    for lane in group {
                        *lane = *lane * scale;
                    }
                }
                offset = greatest.to_f64();
                if counted {
                    product *= sum.to_f64();
                }
            }
            if let Some(write) = &mut write {
                write(decision, scores);
                continue;
            }
            if !counted {
                continue;
            }
            log_likelihood += offset;
            if product > 1e250 {
                log_likelihood += product.ln();
                product = 1.0;
            }
            spread::<F, W>(counts, codes, weights, scores);
            for (total, &score) in part.totals.iter_mut().zip(&*scores) {
                *total += score.to_f64();
            }
        }
        part.log_likelihood += log_likelihood + product.ln();
    }
}

/// Adds one decision's posterior to the rows of its votes.
#[inline(always)]
fn spread<F: Float, const W: usize>(counts: &mut [F], codes: &[u32], weights: Option<&[f32]>, shares: &[F]) {
    let lanes = shares.len();
    match weights {
        None => {
            for &code in codes {
                add::<F, W>(&mut counts[code as usize * lanes..][..lanes], shares);
            }
        }
        Some(weights) => {
            for (&code, &weight) in codes.iter().zip(weights) {
                add_times::<F, W>(&mut counts[code as usize * lanes..][..lanes], shares, F::from_f32(weight));
            }
        }
    }
}

/// Cuts the decisions into blocks, counts each, and adds the counts up in order. At most one block's counts per thread
/// are alive beside the total.
fn add_blocks<F: Float>(votes: &Votes, lanes: usize, count: impl Fn(Range<usize>, &mut Part<F>) + Sync) -> Counts {
    let rows = votes.annotators() * votes.classes() * lanes;
    let blocks = blocks(votes, rows);
    let size = votes.decisions().div_ceil(blocks);
    let mut total = Counts { lanes, rows: vec![0.0; rows], totals: vec![0.0; lanes], log_likelihood: 0.0 };
    let places: Vec<usize> = (0..blocks).collect();
    for places in places.chunks(rayon::current_num_threads().max(1)) {
        let parts: Vec<Part<F>> = places
            .par_iter()
            .map(|&block| {
                let range = (block * size).min(votes.decisions())..((block + 1) * size).min(votes.decisions());
                let mut part = Part::new(rows, lanes);
                count(range, &mut part);
                part
            })
            .collect();
        for part in &parts {
            part.add_to(&mut total);
        }
    }
    total
}

/// The counts that given posteriors make, `classes` numbers per decision. Decisions without votes count in the totals
/// if `silent`.
pub(crate) fn counts_given<F: Float>(votes: &Votes, posterior: &[F], silent: bool) -> Counts {
    let classes = votes.classes();
    let lanes = lanes_for(classes);
    let mut counts = add_blocks(votes, lanes, |range, part: &mut Part<F>| {
        super::wide::run(
            Given { votes, posterior, range, part, silent },
            #[inline(always)]
            |given| match lanes {
                2 => given.run::<2>(lanes),
                4 => given.run::<4>(lanes),
                _ => given.run::<8>(lanes),
            },
        );
    });
    counts.log_likelihood = f64::NAN;
    counts
}

/// One block's work when the posteriors are given.
struct Given<'a, F> {
    votes: &'a Votes,
    posterior: &'a [F],
    range: Range<usize>,
    part: &'a mut Part<F>,
    silent: bool,
}

impl<F: Float> Given<'_, F> {
    #[inline(always)]
    fn run<const W: usize>(self, lanes: usize) {
        let mut scratch = Aligned::zeros(lanes);
        let shares = scratch.as_mut_slice();
        let classes = self.votes.classes();
        let (offsets, codes, weights) = (self.votes.offsets(), self.votes.codes(), self.votes.weights());
        let counts = self.part.rows.as_mut_slice();
        for decision in self.range {
            let places = offsets[decision] as usize..offsets[decision + 1] as usize;
            if places.is_empty() && !self.silent {
                continue;
            }
            shares[..classes].copy_from_slice(&self.posterior[decision * classes..][..classes]);
            spread::<F, W>(counts, &codes[places.clone()], weights.map(|weights| &weights[places]), shares);
            for (total, &share) in self.part.totals.iter_mut().zip(&*shares) {
                *total += share.to_f64();
            }
        }
    }
}

type Write<'a, F> = &'a mut dyn FnMut(usize, &[F]);

/// Numbers that begin on a cache line, so that a row of up to 64 bytes touches one line only.
struct Aligned<F> {
    values: Vec<F>,
    start: usize,
    length: usize,
}

impl<F: Float> Aligned<F> {
    fn zeros(length: usize) -> Self {
        let values = vec![F::default(); length + 16];
        let start = values.as_ptr().align_offset(64).min(16);
        Self { values, start, length }
    }

    fn as_slice(&self) -> &[F] {
        &self.values[self.start..][..self.length]
    }

    fn as_mut_slice(&mut self) -> &mut [F] {
        &mut self.values[self.start..][..self.length]
    }
}

/// A table in the precision of the pass.
struct Cast<F> {
    lanes: usize,
    base: Vec<F>,
    rows: Aligned<F>,
}

impl<F: Float> Cast<F> {
    fn of(table: &Table) -> Self {
        let mut rows = Aligned::zeros(table.rows.len());
        for (to, &from) in rows.as_mut_slice().iter_mut().zip(&table.rows) {
            *to = F::from_f64(from);
        }
        Self { lanes: table.lanes, base: table.base.iter().map(|&value| F::from_f64(value)).collect(), rows }
    }
}

/// The counts of one block.
struct Part<F> {
    rows: Aligned<F>,
    totals: Vec<f64>,
    log_likelihood: f64,
}

impl<F: Float> Part<F> {
    fn new(rows: usize, lanes: usize) -> Self {
        Self { rows: Aligned::zeros(rows), totals: vec![0.0; lanes], log_likelihood: 0.0 }
    }

    fn add_to(&self, total: &mut Counts) {
        for (sum, part) in total.rows.iter_mut().zip(self.rows.as_slice()) {
            *sum += part.to_f64();
        }
        for (sum, part) in total.totals.iter_mut().zip(&self.totals) {
            *sum += part;
        }
        total.log_likelihood += self.log_likelihood;
    }
}

/// How many blocks the decisions are cut into: more for more votes, few when the counts of a block would be as large as
/// the votes themselves.
fn blocks(votes: &Votes, rows: usize) -> usize {
    (votes.len() * 4 / rows.max(1)).min(votes.decisions() / 2048).clamp(1, 64)
}

fn gold_from(gold: &Gold, start: usize) -> &[GoldEntry] {
    let entries = gold.entries();
    &entries[entries.partition_point(|entry| (entry.decision as usize) < start)..]
}

/// Adds a row. Each group is copied out, added, and copied back, so that the compiler need not prove that the two rows
/// lie apart.
#[inline(always)]
fn add<F: Float, const W: usize>(into: &mut [F], from: &[F]) {
    for (into, from) in into.as_chunks_mut::<W>().0.iter_mut().zip(from.as_chunks::<W>().0) {
        let (mut sums, values) = (*into, *from);
        for lane in 0..W {
            sums[lane] += values[lane];
        }
        *into = sums;
    }
}

/// Adds a row, times a weight.
#[inline(always)]
fn add_times<F: Float, const W: usize>(into: &mut [F], from: &[F], weight: F) {
    for (into, from) in into.as_chunks_mut::<W>().0.iter_mut().zip(from.as_chunks::<W>().0) {
        let (mut sums, values) = (*into, *from);
        for lane in 0..W {
            sums[lane] += weight * values[lane];
        }
        *into = sums;
    }
}

#[inline(always)]
fn greatest<F: Float, const W: usize>(row: &[F]) -> F {
    fold::<F, W>(
        row,
        #[inline(always)]
        |left, right| if left > right { left } else { right },
    )
}

#[inline(always)]
fn sum<F: Float, const W: usize>(row: &[F]) -> F {
    fold::<F, W>(
        row,
        #[inline(always)]
        |left, right| left + right,
    )
}

/// Combines group by group, then the lanes of the last group pairwise: an order that vectors can follow.
#[inline(always)]
fn fold<F: Float, const W: usize>(row: &[F], combine: impl Fn(F, F) -> F) -> F {
    let groups = row.as_chunks::<W>().0;
    let mut lanes = groups[0];
    for group in &groups[1..] {
        for lane in 0..W {
            lanes[lane] = combine(lanes[lane], group[lane]);
        }
    }
    let mut width = W / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = combine(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}
