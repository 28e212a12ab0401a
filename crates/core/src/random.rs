//! Seeded randomness with a fixed sequence on every platform and in every version.
//!
//! The generator is part of the project's contract: a stored seed must draw the same items years later, so it is
//! written out here and pinned by a test rather than taken from a library that may change its streams.

use crate::hash::Digest;

/// The SplitMix64 generator (Steele, Lea and Flood 2014, <https://doi.org/10.1145/2660193.2660195>): 64 bits of state,
/// passes BigCrush, and any two seeds give unrelated streams. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with the stream of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator whose stream depends on the seed and on what it is for, so that two uses of one seed are unrelated.
    pub fn for_purpose(seed: u64, purpose: &str) -> Self {
        Self(Digest::of_parts([seed.to_le_bytes().as_slice(), purpose.as_bytes()]).to_u64())
    }

    /// The next 64 random bits.
    #[expect(clippy::should_implement_trait, reason = "an endless generator is not an iterator to collect")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A uniform number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A uniform index below `bound`, which must be positive. The bias of the multiplication is below `bound / 2^64`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A standard normal number (the polar method of Marsaglia and Bray 1964).
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// A Gamma number with this shape and scale 1 (Marsaglia and Tsang 2000, <https://doi.org/10.1145/358407.358414>);
    /// zero for a shape of zero or less.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape <= 0.0 {
            return 0.0;
        }
        if shape < 1.0 {
            let uniform = self.unit().max(f64::MIN_POSITIVE);
            return self.gamma(shape + 1.0) * uniform.powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }

    /// A simple random sample of `count` indices below `population`, in ascending order; all of them if there are not
    /// more than `count`.
    pub fn sample(&mut self, population: usize, count: usize) -> Vec<usize> {
        let mut chosen: Vec<usize> = (0..population).collect();
        let count = count.min(population);
        for place in 0..count {
            let other = place + self.below(population - place);
            chosen.swap(place, other);
        }
        chosen.truncate(count);
        chosen.sort_unstable();
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn gamma_has_its_mean_and_variance() {
        for shape in [0.5, 1.0, 7.0] {
            let mut random = Random::new(3);
            let draws: Vec<f64> = (0..40_000).map(|_| random.gamma(shape)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            assert!((mean / shape - 1.0).abs() < 0.03, "shape {shape}: mean {mean}");
            assert!((variance / shape - 1.0).abs() < 0.06, "shape {shape}: variance {variance}");
        }
    }

    #[test]
    fn samples_are_sorted_distinct_and_even() {
        let mut hits = [0usize; 20];
        for seed in 0..4000 {
            let sample = Random::for_purpose(seed, "test").sample(20, 5);
            assert_eq!(sample.len(), 5);
            assert!(sample.windows(2).all(|pair| pair[0] < pair[1]));
            for index in sample {
                hits[index] += 1;
            }
        }
        assert!(hits.iter().all(|&count| (850..1150).contains(&count)), "{hits:?}");
    }
}
