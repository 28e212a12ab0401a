//! The best label sequence of a sentence, fast: spans are decoded over the pairs of labels that may follow each other and
//! over no others, so that an invalid sequence cannot come out.
//!
//! Inside, the labels of spans are ordered last, unit, outside, begin, inside, each by type. What may end a span or stand
//! outside is then one run of lanes, and so is what may follow it.
#![expect(unsafe_code, reason = "calling a function compiled for instructions that were just detected")]

use crate::chain::{Layout, Weights};

/// Weights of pairs of labels, of beginnings and of ends, arranged for decoding.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub(crate) layout: Layout,
    /// The label of each lane.
    pub(crate) labels: Vec<u16>,
    /// The lane of each label.
    pub(crate) lane_of: Vec<u16>,
    pub(crate) start: Vec<f32>,
    pub(crate) end: Vec<f32>,
    /// `pairs[from * lanes + to]`, by lanes.
    pub(crate) pairs: Vec<f32>,
    /// The pairs of the dense block, padded rows: `block[from * width + to]`.
    block: Vec<f32>,
    width: usize,
    /// The least and the greatest weight in the block.
    bounds: (f32, f32),
}

/// Room for decoding.
#[derive(Debug, Default)]
pub(crate) struct Trellis {
    last: Vec<f32>,
    now: Vec<f32>,
    best: Vec<f32>,
    from: Vec<u32>,
    back: Vec<u16>,
}

impl Decoder {
    /// A decoder with weights of zero.
    pub(crate) fn new(layout: Layout) -> Self {
        let count = layout.labels();
        let labels: Vec<u16> = match layout {
            Layout::Bilou { types } => {
                let of = |role: u16| (0..types as u16).map(move |class| 1 + 4 * class + role);
                of(2).chain(of(3)).chain(std::iter::once(0)).chain(of(0)).chain(of(1)).collect()
            }
            _ => (0..count as u16).collect(),
        };
        let mut lane_of = vec![0; count];
        for (lane, &label) in labels.iter().enumerate() {
            lane_of[usize::from(label)] = lane as u16;
        }
        let dense = match layout {
            Layout::Bilou { types } => 2 * types + 1,
            _ => count,
        };
        let width = dense.next_multiple_of(8);
        Self {
            layout,
            labels,
            lane_of,
            start: vec![0.0; count],
            end: vec![0.0; count],
            pairs: vec![0.0; count * count],
            block: vec![f32::MIN; dense * width],
            width,
            bounds: (0.0, 0.0),
        }
    }

    /// How many labels there are.
    pub(crate) fn lanes(&self) -> usize {
        self.labels.len()
    }

    /// The first lane of the dense block's targets, and how many lanes it has.
    fn dense(&self) -> (usize, usize) {
        match self.layout {
            Layout::Bilou { types } => (types, 2 * types + 1),
            _ => (0, self.lanes()),
        }
    }

    /// Takes over changes of `pairs`.
    pub(crate) fn arrange(&mut self) {
        let (first, dense) = self.dense();
        let lanes = self.lanes();
        for from in 0..dense {
            for to in 0..dense {
                self.block[from * self.width + to] = self.pairs[from * lanes + first + to];
            }
        }
        let pairs = (0..dense).flat_map(|from| &self.block[from * self.width..][..dense]);
        self.bounds = pairs.fold((0.0, 0.0), |(least, most), &pair| (pair.min(least), pair.max(most)));
    }

    /// Changes the weight of a pair of lanes.
    pub(crate) fn add_pair(&mut self, from: usize, to: usize, change: f32) {
        let lanes = self.lanes();
        self.pairs[from * lanes + to] += change;
        let (first, dense) = self.dense();
        if from < dense && (first..first + dense).contains(&to) {
            let pair = self.pairs[from * lanes + to];
            self.block[from * self.width + to - first] = pair;
            self.bounds = (pair.min(self.bounds.0), pair.max(self.bounds.1));
        }
    }

    /// The best sequence of lanes for rows of scores, `stride` numbers apart, of which the first lanes are used.
    pub(crate) fn best(&self, states: &[f32], stride: usize, tokens: usize, room: &mut Trellis, lanes: &mut Vec<u16>) {
        lanes.clear();
        if tokens == 0 {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the instructions the function was compiled for are there.
            unsafe { self.forward_avx2(states, stride, tokens, room) };
            self.backward(tokens, room, lanes);
            return;
        }
        self.forward(states, stride, tokens, room);
        self.backward(tokens, room, lanes);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn forward_avx2(&self, states: &[f32], stride: usize, tokens: usize, room: &mut Trellis) {
        self.forward(states, stride, tokens, room);
    }

    #[inline(always)]
    fn forward(&self, states: &[f32], stride: usize, tokens: usize, room: &mut Trellis) {
        let lanes = self.lanes();
        let (first, dense) = self.dense();
        let Trellis { last, now, best, from, back } = room;
        last.clear();
        last.resize(lanes, f32::MIN);
        now.clear();
        now.resize(lanes, f32::MIN);
        best.resize(self.width, 0.0);
        from.resize(self.width, 0);
        back.clear();
        back.resize(tokens * lanes, 0);
        for lane in first..first + dense {
            last[lane] = self.start[lane] + states[lane];
        }
        for token in 1..tokens {
            let states = &states[token * stride..][..lanes];
            let back = &mut back[token * lanes..][..lanes];
            best.fill(f32::MIN);
            from.fill(0);
            let greatest = last[..dense].iter().fold(f32::MIN, |most, score| if *score > most { *score } else { most });
            for (source, &score) in last[..dense].iter().enumerate() {
                // With its best pair it would lie behind the greatest with its worst.
                if score + self.bounds.1 < greatest + self.bounds.0 {
                    continue;
                }
                let row = &self.block[source * self.width..][..self.width];
                for ((best, from), &pair) in best.iter_mut().zip(from.iter_mut()).zip(row) {
                    let value = score + pair;
                    let better = value > *best;
                    *best = if better { value } else { *best };
                    *from = if better { source as u32 } else { *from };
                }
            }
            for lane in 0..dense {
                now[first + lane] = best[lane] + states[first + lane];
                back[first + lane] = from[lane] as u16;
            }
            if let Layout::Bilou { types } = self.layout {
                let (begin, inside) = (2 * types + 1, 3 * types + 1);
                for class in 0..types {
                    let (begin, inside) = (begin + class, inside + class);
                    for to in [class, inside] {
                        let by_begin = last[begin] + self.pairs[begin * lanes + to];
                        let by_inside = last[inside] + self.pairs[inside * lanes + to];
                        let better = by_inside > by_begin;
                        now[to] = if better { by_inside } else { by_begin } + states[to];
                        back[to] = if better { inside } else { begin } as u16;
                    }
                }
            }
            std::mem::swap(last, now);
        }
    }

    fn backward(&self, tokens: usize, room: &Trellis, lanes: &mut Vec<u16>) {
        let count = self.lanes();
        let closing = match self.layout {
            Layout::Bilou { types } => 2 * types + 1,
            _ => count,
        };
        let mut best = (f32::NEG_INFINITY, 0);
        for lane in 0..closing {
            let score = room.last[lane] + self.end[lane];
            if score > best.0 {
                best = (score, lane);
            }
        }
        lanes.resize(tokens, 0);
        let mut lane = best.1;
        for token in (0..tokens).rev() {
            lanes[token] = lane as u16;
            lane = usize::from(room.back[token * count + lane]);
        }
    }

    /// Takes over the weights of a chain, whose labels are numbered by the layout.
    pub(crate) fn set(&mut self, weights: &Weights) {
        let count = self.lanes();
        for lane in 0..count {
            let label = usize::from(self.labels[lane]);
            self.start[lane] = weights.start[label];
            self.end[lane] = weights.end[label];
            for to in 0..count {
                self.pairs[lane * count + to] = weights.transition[label * count + usize::from(self.labels[to])];
            }
        }
        self.arrange();
    }

    /// The weights of pairs, beginnings and ends in the numbering of the layout, without states.
    pub(crate) fn weights(&self) -> Weights {
        let count = self.lanes();
        let mut weights = Weights::zeros(0, count);
        for lane in 0..count {
            let label = usize::from(self.labels[lane]);
            weights.start[label] = self.start[lane];
            weights.end[label] = self.end[lane];
            for to in 0..count {
                weights.transition[label * count + usize::from(self.labels[to])] = self.pairs[lane * count + to];
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_best_sequence_is_found_among_all() {
        let mut dice = Random::new(5);
        let mut number = move || (dice.below(2000) as f32 - 1000.0) / 100.0;
        for layout in [Layout::Bilou { types: 1 }, Layout::Bilou { types: 2 }, Layout::Plain { labels: 3 }] {
            let constraints = layout.constraints();
            let mut decoder = Decoder::new(layout);
            let count = decoder.lanes();
            for _ in 0..30 {
                decoder.start.iter_mut().for_each(|weight| *weight = number());
                decoder.end.iter_mut().for_each(|weight| *weight = number());
                decoder.pairs.iter_mut().for_each(|weight| *weight = number());
                decoder.arrange();
                let tokens = 4;
                let states: Vec<f32> = (0..tokens * count).map(|_| number()).collect();
                let mut lanes = Vec::new();
                decoder.best(&states, count, tokens, &mut Trellis::default(), &mut lanes);
                let score = |lanes: &[usize]| {
                    let states: f32 = lanes.iter().enumerate().map(|(token, lane)| states[token * count + lane]).sum();
                    let pairs: f32 = lanes.windows(2).map(|pair| decoder.pairs[pair[0] * count + pair[1]]).sum();
                    states + pairs + decoder.start[lanes[0]] + decoder.end[lanes[tokens - 1]]
                };
                let mut most = f32::MIN;
                for code in 0..count.pow(tokens as u32) {
                    let lanes: Vec<usize> = (0..tokens).map(|place| code / count.pow(place as u32) % count).collect();
                    let labels: Vec<u16> = lanes.iter().map(|&lane| decoder.labels[lane]).collect();
                    if constraints.allow(&labels) {
                        most = most.max(score(&lanes));
                    }
                }
                let labels: Vec<u16> = lanes.iter().map(|&lane| decoder.labels[usize::from(lane)]).collect();
                assert!(constraints.allow(&labels), "{layout:?} {labels:?}");
                let found: Vec<usize> = lanes.iter().map(|&lane| usize::from(lane)).collect();
                assert!((score(&found) - most).abs() < 1e-3, "{layout:?}");
            }
        }
    }
}
