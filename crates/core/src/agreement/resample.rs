//! Drawing items anew, as counts of their patterns.

use rayon::prelude::*;

use crate::random::Random;

/// The values of each figure in each replicate, NaN where it is undefined there.
pub(super) struct Replicates {
    pub(super) number: usize,
    /// By figure, sorted, undefined ones left out.
    values: Vec<Vec<f64>>,
}

impl Replicates {
    /// Draws `sum(counts)` items with replacement `number` times and works out `figures` on each.
    pub(super) fn draw(
        counts: &[u64],
        number: usize,
        seed: u64,
        purpose: &str,
        figures: impl Fn(&[u64]) -> Vec<f64> + Sync,
    ) -> Self {
        let drawer = Drawer::new(counts);
        let rows: Vec<Vec<f64>> = (0..number)
            .into_par_iter()
            .map_init(
                || vec![0; counts.len()],
                |drawn, replicate| {
                    let mut random = Random::for_purpose(seed, &format!("{purpose} {replicate}"));
                    drawer.draw(&mut random, drawn);
                    figures(drawn)
                },
            )
            .collect();
        let width = rows.first().map_or(0, Vec::len);
        let values = (0..width)
            .map(|figure| {
                let mut values: Vec<f64> = rows.iter().map(|row| row[figure]).filter(|value| !value.is_nan()).collect();
                values.sort_unstable_by(f64::total_cmp);
                values
            })
            .collect();
        Self { number, values }
    }

    /// In how many replicates a figure was undefined.
    pub(super) fn undefined(&self, figure: usize) -> usize {
        self.number - self.values.get(figure).map_or(0, Vec::len)
    }

    /// What the interval of a figure rests on.
    pub(super) fn basis(&self, items: &str, figure: usize) -> String {
        match self.undefined(figure) {
            0 => format!("{} resamples of {items}", self.number),
            undefined => format!("{} resamples of {items}, {undefined} of them undefined", self.number),
        }
    }

    /// The middle 95 % of a figure, `None` if it was undefined in more than half of the replicates.
    pub(super) fn interval(&self, figure: usize) -> Option<(f64, f64)> {
        let values = self.values.get(figure)?;
        if values.is_empty() || values.len() * 2 < self.number {
            return None;
        }
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Some((at(0.025), at(0.975)))
    }
}

/// Draws from fixed counts with replacement.
struct Drawer<'a> {
    counts: &'a [u64],
    total: u64,
    /// The pattern of each item, where drawing items one by one is less work than drawing a number per pattern.
    each: Option<Vec<u32>>,
}

impl<'a> Drawer<'a> {
    fn new(counts: &'a [u64]) -> Self {
        let total: u64 = counts.iter().sum();
        let each = (total < 16 * counts.len() as u64).then(|| {
            let patterns = counts.iter().enumerate();
            patterns.flat_map(|(pattern, &count)| (0..count).map(move |_| pattern as u32)).collect()
        });
        Self { counts, total, each }
    }

    fn draw(&self, random: &mut Random, drawn: &mut [u64]) {
        if let Some(each) = &self.each {
            drawn.fill(0);
            for _ in 0..self.total {
                drawn[each[random.below(each.len())] as usize] += 1;
            }
            return;
        }
        // A multinomial as a chain of binomials.
        let (mut left, mut weight) = (self.total, self.total);
        for (to, &count) in drawn.iter_mut().zip(self.counts) {
            *to = if count >= weight { left } else { binomial(random, left, count as f64 / weight as f64) };
            left -= *to;
            weight -= count;
        }
    }
}

/// A binomial number: by inversion where few successes are expected, else by the transformed rejection of Hörmann 1993
/// (BTRS, <https://doi.org/10.1080/00949659308811496>).
fn binomial(random: &mut Random, trials: u64, chance: f64) -> u64 {
    if trials == 0 || chance <= 0.0 {
        return 0;
    }
    if chance > 0.5 {
        return trials - binomial(random, trials, 1.0 - chance);
    }
    let n = trials as f64;
    let (odds, mean) = (chance / (1.0 - chance), n * chance);
    if mean < 10.0 {
        let (mut mass, mut left, mut successes) = ((n * (-chance).ln_1p()).exp(), random.unit(), 0.0);
        while left > mass && successes < n {
            left -= mass;
            successes += 1.0;
            mass *= odds * (n - successes + 1.0) / successes;
        }
        return successes as u64;
    }
    let spread = (mean * (1.0 - chance)).sqrt();
    let b = 1.15 + 2.53 * spread;
    let a = -0.0873 + 0.0248 * b + 0.01 * chance;
    let squeeze = 0.92 - 4.2 / b;
    let alpha = (2.83 + 5.1 / b) * spread;
    let mode = ((n + 1.0) * chance).floor();
    let top = ln_factorial(mode) + ln_factorial(n - mode);
    loop {
        let (u, v) = (random.unit() - 0.5, random.unit());
        let edge = 0.5 - u.abs();
        let successes = ((2.0 * a / edge + b) * u + mean + 0.5).floor();
        if successes < 0.0 || successes > n {
            continue;
        }
        if edge >= 0.07 && v <= squeeze {
            return successes as u64;
        }
        let height = (v * alpha / (a / (edge * edge) + b)).ln();
        if height <= top - ln_factorial(successes) - ln_factorial(n - successes) + (successes - mode) * odds.ln() {
            return successes as u64;
        }
    }
}

/// `ln n!` by Stirling's series, from 10 upwards exact to twelve digits.
fn ln_factorial(n: f64) -> f64 {
    if n < 10.0 {
        return (2..=n as u64).map(|factor| (factor as f64).ln()).sum();
    }
    let x = n + 1.0;
    let square = 1.0 / (x * x);
    (x - 0.5) * x.ln() - x
        + 0.5 * std::f64::consts::TAU.ln()
        + (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomials_have_their_mean_and_variance() {
        for (trials, chance) in [(5, 0.3), (40, 0.9), (1000, 0.004), (1000, 0.2), (100_000, 0.7)] {
            let mut random = Random::new(11);
            let draws: Vec<f64> = (0..20_000).map(|_| binomial(&mut random, trials, chance) as f64).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let (expected, spread) = (trials as f64 * chance, trials as f64 * chance * (1.0 - chance));
            assert!((mean - expected).abs() < 4.0 * (spread / 20_000.0).sqrt(), "{trials} {chance}: mean {mean}");
            assert!((variance / spread - 1.0).abs() < 0.05, "{trials} {chance}: variance {variance}");
            assert!(draws.iter().all(|&draw| (0.0..=trials as f64).contains(&draw)));
        }
    }

    #[test]
    fn factorials_are_right_on_both_sides_of_ten() {
        for n in [0u64, 1, 9, 10, 11, 50] {
            let exact: f64 = (1..=n).map(|factor| (factor as f64).ln()).sum();
            assert!((ln_factorial(n as f64) - exact).abs() < 1e-10, "{n}");
        }
    }

    #[test]
    fn drawn_counts_sum_to_the_items_either_way() {
        for counts in [vec![1, 2, 0, 3], vec![5000, 1, 300, 0]] {
            let drawer = Drawer::new(&counts);
            let (mut drawn, mut mean) = (vec![9; counts.len()], vec![0.0; counts.len()]);
            let mut random = Random::new(1);
            for _ in 0..4000 {
                drawer.draw(&mut random, &mut drawn);
                assert_eq!(drawn.iter().sum::<u64>(), counts.iter().sum::<u64>());
                for (mean, &drawn) in mean.iter_mut().zip(&drawn) {
                    *mean += drawn as f64 / 4000.0;
                }
            }
            for (mean, &count) in mean.iter().zip(&counts) {
                assert!((mean - count as f64).abs() <= 5.0 * (count as f64 / 4000.0).sqrt(), "{mean} {count}");
            }
        }
    }
}
