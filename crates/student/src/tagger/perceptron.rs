//! The averaged structured perceptron (Collins 2002, <https://aclanthology.org/W02-1001/>).
//!
//! A sentence is decoded with the weights so far; where the result differs from the truth, the weights of the truth's
//! features go up and those of the result's go down. Two changes to the textbook: every wrong label gets a bonus while
//! training, so that the truth has to win by a margin, and the average over all steps is kept by adding to a second
//! table the changes times the share of training that lies behind.
#![expect(unsafe_code, reason = "calling a function compiled for instructions that were just detected")]

use rayon::prelude::*;

use super::viterbi::{Decoder, Trellis};
use crate::chain::{Encoded, Layout, Weights};
use crate::random::Random;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) epochs: usize,
    pub(crate) seed: u64,
    /// The bonus of wrong labels.
    pub(crate) margin: f32,
}

/// What is trained on: sentences of the corpus, the label of every token (in the layout's numbering), and how much each
/// sentence counts.
pub(crate) struct Lesson<'a> {
    pub(crate) encoded: &'a Encoded,
    pub(crate) slots: usize,
    pub(crate) labels: &'a [u16],
    /// Per token the probabilities of its labels; nothing where the label is certain.
    pub(crate) soft: Option<&'a [Vec<(u16, f32)>]>,
    pub(crate) sentences: &'a [u32],
    pub(crate) weights: Option<&'a [f32]>,
    pub(crate) layout: Layout,
}

/// A sentence that stays right is passed over in at most so many rounds. It halves the time and costs nothing: on
/// CoNLL-2003, 93.26 and 88.48 F1 without, 93.15 and 88.40 with it.
const MOST_REST: u8 = 3;

/// A label that is not known.
pub(crate) const UNKNOWN: u16 = u16::MAX;

/// Weights while and after training, rows by lane.
#[derive(Clone, Debug)]
pub(crate) struct Trained {
    pub(crate) decoder: Decoder,
    pub(crate) stride: usize,
    /// `states[slot * stride + lane]`.
    pub(crate) states: Vec<f32>,
    /// How many epochs it took, and the share of sentences that were wrong in the last.
    pub(crate) epochs: usize,
    pub(crate) wrong: f64,
}

/// The lanes of a row, padded for vector instructions.
pub(crate) const fn stride_for(lanes: usize) -> usize {
    match lanes {
        0..=4 => 4,
        _ => lanes.next_multiple_of(8),
    }
}

pub(crate) fn train(lesson: &Lesson, plan: Plan) -> Trained {
    let mut decoder = Decoder::new(lesson.layout);
    let lanes = decoder.lanes();
    let stride = stride_for(lanes);
    let mut states = vec![0.0f32; lesson.slots * stride];
    let mut behind = vec![0.0f32; lesson.slots * stride];
    let mut behind_decoder = decoder.clone();
    let gold: Vec<u16> = lesson
        .labels
        .iter()
        .map(|&label| if label == UNKNOWN { UNKNOWN } else { decoder.lane_of[usize::from(label)] })
        .collect();
    let mut order: Vec<u32> = lesson
        .sentences
        .iter()
        .copied()
        .filter(|&sentence| {
            let tokens = lesson.encoded.sentence(sentence as usize);
            !tokens.is_empty() && gold[tokens].iter().all(|&lane| lane != UNKNOWN)
        })
        .collect();
    let lane_of = decoder.lane_of.clone();
    let mut random = Random::new(plan.seed);
    let (mut trellis, mut found, mut rows, mut gains) = (Trellis::default(), Vec::new(), Vec::new(), Vec::new());
    let total = (plan.epochs * order.len()).max(1) as f32;
    // How often each sentence was right in a row, and how many rounds it may rest.
    let mut rest = vec![(0u8, 0u8); lesson.encoded.sentences()];
    let (mut step, mut epochs, mut wrong) = (0usize, 0, 0.0);
    for _ in 0..plan.epochs {
        random.shuffle(&mut order);
        let mut errors = 0usize;
        for &sentence in &order {
            step += 1;
            let rest = &mut rest[sentence as usize];
            if rest.1 > 0 {
                rest.1 -= 1;
                continue;
            }
            let tokens = lesson.encoded.sentence(sentence as usize);
            let gold = &gold[tokens.clone()];
            rows.clear();
            rows.resize(tokens.len() * stride, 0.0);
            for (row, token) in rows.chunks_exact_mut(stride).zip(tokens.clone()) {
                add_rows(&states, stride, lesson.encoded.token(token), row);
            }
            let shares = Shares { soft: lesson.soft.map(|soft| &soft[tokens.clone()]), gold, lane_of: &lane_of };
            if plan.margin > 0.0 {
                for (place, row) in rows.chunks_exact_mut(stride).enumerate() {
                    shares.each(place, |lane, share| row[lane] -= plan.margin * share);
                }
            }
            decoder.best(&rows, stride, tokens.len(), &mut trellis, &mut found);
            gains.clear();
            gains.extend((0..gold.len()).map(|place| shares.gain(place, found[place])));
            if gains.iter().all(|gain| *gain == 0.0) {
                // Who was right so often will be right again.
                rest.0 = (rest.0 + 1).min(MOST_REST);
                rest.1 = rest.0;
            } else {
                errors += 1;
                *rest = (0, 0);
                let importance = lesson.weights.map_or(1.0, |weights| weights[sentence as usize]);
                let late = importance * step as f32 / total;
                correct(&mut decoder, gold, &found, &gains, importance);
                correct(&mut behind_decoder, gold, &found, &gains, late);
                for (place, token) in tokens.enumerate() {
                    let (up, down) = (usize::from(gold[place]), usize::from(found[place]));
                    let (importance, late) = (importance * gains[place], late * gains[place]);
                    if importance == 0.0 {
                        continue;
                    }
                    for &slot in lesson.encoded.token(token) {
                        let row = slot as usize * stride;
                        states[row + up] += importance;
                        states[row + down] -= importance;
                        behind[row + up] += late;
                        behind[row + down] -= late;
                    }
                }
            }
        }
        epochs += 1;
        wrong = errors as f64 / order.len().max(1) as f64;
        decoder.arrange();
        if wrong < 0.001 {
            break;
        }
    }
    // After `step` of `total` steps: the mean of the weights is what they are, less what came late.
    let share = total / step.max(1) as f32;
    states.iter_mut().zip(&behind).for_each(|(weight, behind)| *weight -= behind * share);
    let average = |weights: &mut [f32], behind: &[f32]| {
        weights.iter_mut().zip(behind).for_each(|(weight, behind)| *weight -= behind * share);
    };
    average(&mut decoder.start, &behind_decoder.start);
    average(&mut decoder.end, &behind_decoder.end);
    average(&mut decoder.pairs, &behind_decoder.pairs);
    decoder.arrange();
    Trained { decoder, stride, states, epochs, wrong }
}

/// Trains several times in different orders and takes the mean of the weights.
pub(crate) fn train_committee(lesson: &Lesson, plan: Plan, members: usize) -> Trained {
    let trained: Vec<Trained> = (0..members.max(1) as u64)
        .into_par_iter()
        .map(|member| train(lesson, Plan { seed: plan.seed ^ member.wrapping_mul(0x9e37_79b9_7f4a_7c15), ..plan }))
        .collect();
    mean(trained).unwrap_or_else(|| train(lesson, plan))
}

/// The mean of the weights; `None` of none.
pub(crate) fn mean(trained: Vec<Trained>) -> Option<Trained> {
    let share = 1.0 / trained.len() as f32;
    let mut members = trained.into_iter();
    let mut mean = members.next()?;
    for other in members {
        let pairs = [
            (&mut mean.states, &other.states),
            (&mut mean.decoder.start, &other.decoder.start),
            (&mut mean.decoder.end, &other.decoder.end),
            (&mut mean.decoder.pairs, &other.decoder.pairs),
        ];
        for (sum, other) in pairs {
            sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        mean.epochs = mean.epochs.max(other.epochs);
        mean.wrong = mean.wrong.max(other.wrong);
    }
    let Trained { states, decoder, .. } = &mut mean;
    for weights in [states, &mut decoder.start, &mut decoder.end, &mut decoder.pairs] {
        weights.iter_mut().for_each(|weight| *weight *= share);
    }
    mean.decoder.arrange();
    Some(mean)
}

/// Moves the weights of beginnings, ends and pairs from what was found to the truth, each by what is gained there.
fn correct(decoder: &mut Decoder, gold: &[u16], found: &[u16], gains: &[f32], change: f32) {
    let ends = |lanes: &[u16]| (usize::from(lanes[0]), usize::from(lanes[lanes.len() - 1]));
    let (up, down) = (ends(gold), ends(found));
    let (first, last) = (change * gains[0], change * gains[gains.len() - 1]);
    decoder.start[up.0] += first;
    decoder.start[down.0] -= first;
    decoder.end[up.1] += last;
    decoder.end[down.1] -= last;
    for ((up, down), gains) in gold.windows(2).zip(found.windows(2)).zip(gains.windows(2)) {
        let change = change * gains[0].max(gains[1]);
        if up != down && change != 0.0 {
            decoder.add_pair(usize::from(up[0]), usize::from(up[1]), change);
            decoder.add_pair(usize::from(down[0]), usize::from(down[1]), -change);
        }
    }
}

/// What is known about the labels of a sentence's tokens.
struct Shares<'a> {
    soft: Option<&'a [Vec<(u16, f32)>]>,
    /// The likeliest lanes.
    gold: &'a [u16],
    lane_of: &'a [u16],
}

impl Shares<'_> {
    /// Gives every lane that a token may have, with its probability.
    #[inline(always)]
    fn each(&self, place: usize, mut lane: impl FnMut(usize, f32)) {
        match self.soft.map(|soft| soft[place].as_slice()) {
            None | Some([]) => lane(usize::from(self.gold[place]), 1.0),
            Some(shares) => {
                shares.iter().for_each(|&(label, share)| lane(usize::from(self.lane_of[usize::from(label)]), share));
            }
        }
    }

    /// How much likelier the likeliest lane of a token is than the one that was found: what the expected number of right
    /// tokens would gain. Zero where they are the same, or the one that was found is as likely.
    #[inline(always)]
    fn gain(&self, place: usize, found: u16) -> f32 {
        if found == self.gold[place] {
            return 0.0;
        }
        let mut gain = 0.0;
        self.each(place, |lane, share| {
            if lane == usize::from(self.gold[place]) {
                gain += share;
            } else if lane == usize::from(found) {
                gain -= share;
            }
        });
        gain.max(0.0)
    }
}

impl Trained {
    /// The best labels of a sentence in the layout's numbering.
    pub(crate) fn decode(&self, encoded: &Encoded, sentence: usize, room: &mut Room) -> Vec<u16> {
        let tokens = encoded.sentence(sentence);
        room.rows.clear();
        room.rows.resize(tokens.len() * self.stride, 0.0);
        for (row, token) in room.rows.chunks_exact_mut(self.stride).zip(tokens.clone()) {
            add_rows(&self.states, self.stride, encoded.token(token), row);
        }
        self.decoder.best(&room.rows, self.stride, tokens.len(), &mut room.trellis, &mut room.lanes);
        room.lanes.iter().map(|&lane| self.decoder.labels[usize::from(lane)]).collect()
    }

    /// The same as weights of a chain, numbered by the layout.
    pub(crate) fn weights(&self) -> Weights {
        let lanes = self.decoder.lanes();
        let mut weights = self.decoder.weights();
        weights.state = vec![0.0; self.states.len() / self.stride * lanes];
        for (row, states) in weights.state.chunks_exact_mut(lanes).zip(self.states.chunks_exact(self.stride)) {
            for (lane, &label) in self.decoder.labels.iter().enumerate() {
                row[usize::from(label)] = states[lane];
            }
        }
        weights
    }

    /// From the weights of a chain.
    pub(crate) fn from_weights(layout: Layout, weights: &Weights) -> Self {
        let mut decoder = Decoder::new(layout);
        decoder.set(weights);
        let lanes = decoder.lanes();
        let stride = stride_for(lanes);
        let mut states = vec![0.0; weights.slots() * stride];
        for (states, row) in states.chunks_exact_mut(stride).zip(weights.state.chunks_exact(lanes)) {
            for (lane, &label) in decoder.labels.iter().enumerate() {
                states[lane] = row[usize::from(label)];
            }
        }
        Self { decoder, stride, states, epochs: 0, wrong: 0.0 }
    }
}

/// Room for decoding with trained weights.
#[derive(Debug, Default)]
pub(crate) struct Room {
    rows: Vec<f32>,
    trellis: Trellis,
    lanes: Vec<u16>,
}

/// Adds the rows of some slots to `sum`. Slots beyond the table add nothing.
pub(crate) fn add_rows(states: &[f32], stride: usize, slots: &[u32], sum: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the instructions the function was compiled for are there.
        return unsafe { add_rows_avx2(states, stride, slots, sum) };
    }
    add_rows_plain(states, stride, slots, sum);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_rows_avx2(states: &[f32], stride: usize, slots: &[u32], sum: &mut [f32]) {
    add_rows_plain(states, stride, slots, sum);
}

#[inline(always)]
fn add_rows_plain(states: &[f32], stride: usize, slots: &[u32], sum: &mut [f32]) {
    match stride {
        4 => add_fixed::<4>(states, slots, sum),
        8 => add_fixed::<8>(states, slots, sum),
        16 => add_fixed::<16>(states, slots, sum),
        24 => add_fixed::<24>(states, slots, sum),
        _ => {
            for &slot in slots {
                if let Some(row) = states.get(slot as usize * stride..(slot as usize + 1) * stride) {
                    for (sum, row) in sum.chunks_exact_mut(8).zip(row.chunks_exact(8)) {
                        for (sum, weight) in sum.iter_mut().zip(row) {
                            *sum += weight;
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add_fixed<const LANES: usize>(states: &[f32], slots: &[u32], sum: &mut [f32]) {
    let (rows, _) = states.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    sums.copy_from_slice(&sum[..LANES]);
    for &slot in slots {
        if let Some(row) = rows.get(slot as usize) {
            for lane in 0..LANES {
                sums[lane] += row[lane];
            }
        }
    }
    sum[..LANES].copy_from_slice(&sums);
}
