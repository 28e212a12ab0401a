//! From learnt weights to the table that predicts: small numbers, and only those that matter most for their bytes.

use super::buckets::{self, bucket_of, fingerprint};
use super::features::TEMPLATES;
use crate::error::Result;

/// The weights of one layer while training: rows per slot.
pub(crate) struct LayerRows<'a> {
    pub(crate) states: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) lanes: usize,
}

/// What the rows belong to.
pub(crate) struct Features<'a> {
    pub(crate) keys: &'a [u64],
    pub(crate) templates: &'a [u8],
    pub(crate) counts: &'a [u32],
}

/// The weights that are kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Slots in the order of their buckets.
    pub(crate) slots: Vec<u32>,
    /// Where the weights of each slot begin, and their number.
    pub(crate) starts: Vec<u32>,
    /// Lane among all layers, and the weight in units of its scale.
    pub(crate) weights: Vec<(u16, i8)>,
    /// What a unit of each template is worth.
    pub(crate) scales: Vec<f32>,
    /// What the weights of each layer are multiplied with in the end.
    pub(crate) factors: Vec<f32>,
    /// How many weights there were.
    pub(crate) all: usize,
    /// How many buckets the table has.
    pub(crate) buckets: usize,
}

/// Bytes of a feature apart from its weights: fingerprint, count, and its share of the bucket.
const ROW_BYTES: usize = 4;
/// How much the frequency of a feature counts. A quarter did best among 0, 1/8, 1/4, 1/2, 3/4 and 1: with 150 kB for
/// CoNLL-2003, 91.1 F1 on the development part, against 90.9 for 0, 90.7 for 1/2 and 90.0 for 1.
const OFTEN: f32 = 0.25;
/// Features per bucket.
const FILL: usize = 3;

/// Quantises the weights and drops those that matter least until the rest fits `budget` bytes.
///
/// What a weight matters is its size times a power of how often its feature occurs. A feature whose last weight goes takes its own bytes with it.
pub(crate) fn prune(layers: &[LayerRows], features: &Features, budget: usize) -> Kept {
    let slots = features.keys.len();
    let lanes: usize = layers.iter().map(|layer| layer.lanes).sum();
    let weight_bytes = if lanes > 256 { 3 } else { 2 };
    let factors: Vec<f32> = layers.iter().map(root_mean_square).collect();
    let mut most = vec![0.0f32; TEMPLATES];
    for (layer, factor) in layers.iter().zip(&factors) {
        for (slot, row) in layer.states.chunks_exact(layer.stride).enumerate() {
            let most = &mut most[usize::from(features.templates[slot])];
            for weight in &row[..layer.lanes] {
                *most = most.max((weight / factor).abs());
            }
        }
    }
    let scales: Vec<f32> = most.iter().map(|most| if *most > 0.0 { most / 127.0 } else { 0.0 }).collect();
    let quantised = |slot: usize, visit: &mut dyn FnMut(usize, i8, f32)| {
        let scale = scales[usize::from(features.templates[slot])];
        if scale <= 0.0 {
            return;
        }
        let often = (features.counts[slot] as f32).powf(OFTEN) * scale;
        let mut first = 0;
        for (layer, factor) in layers.iter().zip(&factors) {
            let row = &layer.states[slot * layer.stride..][..layer.lanes];
            for (lane, weight) in row.iter().enumerate() {
                let units = (weight / factor / scale).round().clamp(-127.0, 127.0) as i8;
                if units != 0 {
                    visit(first + lane, units, often * f32::from(units).abs());
                }
            }
            first += layer.lanes;
        }
    };
    // What every weight matters, and where the weights of each slot end.
    let (mut matters, mut ends) = (Vec::new(), Vec::with_capacity(slots));
    for slot in 0..slots {
        quantised(slot, &mut |_, _, matter| matters.push(matter));
        ends.push(matters.len());
    }
    let size_at = |least: f32| {
        let (mut bytes, mut start) = (0, 0);
        for &end in &ends {
            let kept = matters[start..end].iter().filter(|matter| **matter >= least).count();
            bytes += if kept > 0 { ROW_BYTES + weight_bytes * kept } else { 0 };
            start = end;
        }
        bytes
    };
    let all = matters.len();
    let whole = size_at(0.0);
    let mut least = 0.0f32;
    if whole > budget {
        let (mut low, mut high) = (1e-6f32, 1e6f32);
        for _ in 0..24 {
            let middle = (low * high).sqrt();
            if size_at(middle) > budget { low = middle } else { high = middle }
        }
        least = high;
    }
    let mut kept: Vec<(u32, Vec<(u16, i8)>)> = Vec::new();
    for slot in 0..slots {
        let mut weights = Vec::new();
        quantised(slot, &mut |lane, units, matter| {
            if matter >= least {
                weights.push((lane as u16, units));
            }
        });
        if !weights.is_empty() {
            kept.push((slot as u32, weights));
        }
    }
    let count = bucket_count(kept.len());
    kept.sort_by_key(|(slot, _)| {
        let key = features.keys[*slot as usize];
        (bucket_of(key, count), fingerprint(key), key)
    });
    let mut result =
        Kept { slots: Vec::new(), starts: vec![0], weights: Vec::new(), scales, factors, all, buckets: count };
    let mut last = None;
    for (slot, weights) in kept {
        let key = features.keys[slot as usize];
        let place = (bucket_of(key, count), fingerprint(key));
        // Two features that look the same to the table: the second could never be found.
        if last == Some(place) {
            continue;
        }
        last = Some(place);
        result.slots.push(slot);
        result.weights.extend(weights);
        result.starts.push(result.weights.len() as u32);
    }
    result
}

fn bucket_count(features: usize) -> usize {
    features / FILL + 1
}

fn root_mean_square(layer: &LayerRows) -> f32 {
    let (mut sum, mut count) = (0.0f64, 0usize);
    for row in layer.states.chunks_exact(layer.stride) {
        for weight in row[..layer.lanes].iter().filter(|weight| **weight != 0.0) {
            sum += f64::from(*weight) * f64::from(*weight);
            count += 1;
        }
    }
    if count == 0 || sum <= 0.0 { 1.0 } else { (sum / count as f64).sqrt() as f32 }
}

impl Kept {
    /// The features and their weights.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &[(u16, i8)])> {
        self.slots
            .iter()
            .enumerate()
            .map(|(at, &slot)| (slot, &self.weights[self.starts[at] as usize..self.starts[at + 1] as usize]))
    }

    /// The kept weights as they were while training: what the model will make of each layer.
    pub(crate) fn spread(&self, layers: &[LayerRows], templates: &[u8]) -> Vec<Vec<f32>> {
        let mut places = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            places.extend((0..layer.lanes).map(|lane| (at, lane)));
        }
        let mut spread: Vec<Vec<f32>> = layers.iter().map(|layer| vec![0.0; layer.states.len()]).collect();
        for (slot, weights) in self.rows() {
            let scale = self.scales[usize::from(templates[slot as usize])];
            for &(lane, units) in weights {
                let (layer, lane) = places[usize::from(lane)];
                spread[layer][slot as usize * layers[layer].stride + lane] =
                    f32::from(units) * scale * self.factors[layer];
            }
        }
        spread
    }

    /// The table of the model file.
    ///
    /// A bucket holds the number of its features, their fingerprints, how many weights each has, and the weights: lane (one
    /// byte, or two if there are more than 256 lanes) and number.
    pub(crate) fn write(&self, keys: &[u64], lanes: usize) -> Result<Vec<u8>> {
        let sorted: Vec<u64> = self.slots.iter().map(|&slot| keys[slot as usize]).collect();
        buckets::write(&sorted, self.buckets, |range, blob| {
            // A bucket of more than 255 features needs more luck than there is.
            let range = range.start..range.end.min(range.start + 255);
            blob.push(range.len() as u8);
            sorted[range.clone()].iter().for_each(|&key| blob.extend_from_slice(&fingerprint(key).to_le_bytes()));
            for at in range.clone() {
                let count = self.starts[at + 1] - self.starts[at];
                if lanes > 256 {
                    blob.extend_from_slice(&(count as u16).to_le_bytes());
                } else {
                    // 256 weights in 256 lanes are written as 255: the last is the smallest loss.
                    blob.push(count.min(255) as u8);
                }
            }
            for at in range {
                let weights = &self.weights[self.starts[at] as usize..self.starts[at + 1] as usize];
                let most = if lanes > 256 { weights.len() } else { 255 };
                for &(lane, units) in weights.iter().take(most) {
                    blob.extend_from_slice(&lane.to_le_bytes()[..=usize::from(lanes > 256)]);
                    blob.push(units as u8);
                }
            }
        })
    }
}
