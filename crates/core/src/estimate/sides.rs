//! Labelled and unlabelled rows side by side: the moments that prediction-powered inference is made of.

use super::algebra::{dot, inverse, sandwich, times};
use super::design::Matrix;
use super::dsl::DEPENDENT;
use super::fits::Fit;
use super::moments::{Link, Problem, Scaling};
use super::ppi::Lambda;
use super::prepare::Prepared;
use crate::error::{Error, Result};
use crate::measured::Measured;

/// Labelled and unlabelled rows apart.
#[derive(Clone)]
pub(super) struct Sides {
    pub(super) labelled: Vec<usize>,
    pub(super) others: Vec<usize>,
    pub(super) gold: Vec<f64>,
    pub(super) surrogate: Vec<f64>,
    pub(super) unlabelled: Vec<f64>,
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// The variance with the number of values as divisor.
fn variance(values: &[f64]) -> f64 {
    let centre = mean(values.iter().copied());
    mean(values.iter().map(|value| (value - centre).powi(2)))
}

impl Sides {
    pub(super) fn new(prepared: &Prepared, dimension: usize) -> Self {
        let last = prepared.last();
        let face = &last.face[dimension];
        let labelled: Vec<usize> = prepared.labelled.iter().map(|&row| row as usize).collect();
        let others: Vec<usize> = (0..prepared.rows).filter(|&row| prepared.place[row] == u32::MAX).collect();
        Self {
            gold: last.gold[dimension].clone(),
            surrogate: labelled.iter().map(|&row| face[row]).collect(),
            unlabelled: others.iter().map(|&row| face[row]).collect(),
            labelled,
            others,
        }
    }

    /// Value, error and weight of a mean.
    pub(super) fn mean(&self, lambda: Lambda, strata: Option<&[u32]>) -> Result<(f64, f64, f64)> {
        let Some(strata) = strata else { return Ok(self.mean_of(lambda)) };
        let groups = strata.iter().max().map_or(0, |&most| most as usize + 1);
        let (mut value, mut square, mut weights) = (0.0, 0.0, 0.0);
        for group in 0..groups {
            let of = |rows: &[usize]| -> Vec<usize> {
                (0..rows.len()).filter(|&place| strata[rows[place]] as usize == group).collect()
            };
            let (labelled, others) = (of(&self.labelled), of(&self.others));
            let share = (labelled.len() + others.len()) as f64 / strata.len() as f64;
            if share == 0.0 {
                continue;
            }
            if labelled.len() < 2 {
                return Err(Error::input("expected at least 2 gold labels in every stratum, found fewer in one"));
            }
            let part = Self {
                gold: labelled.iter().map(|&place| self.gold[place]).collect(),
                surrogate: labelled.iter().map(|&place| self.surrogate[place]).collect(),
                unlabelled: others.iter().map(|&place| self.unlabelled[place]).collect(),
                labelled: labelled.iter().map(|&place| self.labelled[place]).collect(),
                others: others.iter().map(|&place| self.others[place]).collect(),
            };
            let (mean, error, weight) = part.mean_of(lambda);
            // A stratum that is labelled throughout is known.
            let error = if others.is_empty() { 0.0 } else { error };
            value += share * mean;
            square += (share * error).powi(2);
            weights += share * weight;
        }
        Ok((value, square.sqrt(), weights))
    }

    fn mean_of(&self, lambda: Lambda) -> (f64, f64, f64) {
        let (n, big) = (self.gold.len() as f64, self.unlabelled.len() as f64);
        let lambda = match lambda {
            Lambda::Fixed(lambda) => lambda,
            Lambda::Tuned { .. } => {
                let (gold, said) = (mean(self.gold.iter().copied()), mean(self.surrogate.iter().copied()));
                let covariance = mean(self.gold.iter().zip(&self.surrogate).map(|(y, h)| (y - gold) * (h - said)));
                let mut pooled = self.surrogate.clone();
                pooled.extend_from_slice(&self.unlabelled);
                let spread = variance(&pooled) * (n + big) / (n + big - 1.0);
                if spread > 0.0 && big > 0.0 { (covariance / ((1.0 + n / big) * spread)).clamp(0.0, 1.0) } else { 0.0 }
            }
        };
        let lambda = if big == 0.0 { 0.0 } else { lambda };
        let rectified: Vec<f64> = self.gold.iter().zip(&self.surrogate).map(|(y, h)| y - lambda * h).collect();
        let value = lambda * mean(self.unlabelled.iter().copied()) + mean(rectified.iter().copied());
        let far = if big > 0.0 { lambda * lambda * variance(&self.unlabelled) / big } else { 0.0 };
        (value, (far + variance(&rectified) / n).sqrt(), lambda)
    }

    /// Coefficients with their covariance, or why there are none, and the weight.
    pub(super) fn regression(
        &self,
        x: &Matrix,
        link: Link,
        lambda: Lambda,
        intercept: Option<usize>,
    ) -> (Result<Fit, String>, f64) {
        let (scaling, keep) = Scaling::of(x, intercept);
        let scaled = scaling.apply(x, &keep);
        let back = scaling.back(&keep);
        let (mut current, rounds) = match lambda {
            Lambda::Fixed(lambda) => (lambda, 0),
            Lambda::Tuned { rounds } => (1.0, rounds.max(1)),
        };
        if self.others.is_empty() {
            current = 0.0;
        }
        let mut fit = || -> Result<Fit, String> {
            let mut tuned = 0;
            loop {
                let solved = self.point(&scaled, link, current);
                if tuned < rounds && !self.others.is_empty() {
                    // Where a weight of 1 has no solution, half of it may.
                    let theta = match solved {
                        Ok(theta) => theta,
                        Err(reason) if current < 0.01 => return Err(reason),
                        Err(_) => {
                            current *= 0.5;
                            continue;
                        }
                    };
                    current = self.stats(&scaled, link, &theta, true)?.tuned(&back);
                    tuned += 1;
                    continue;
                }
                let theta = solved?;
                let covariance = self.stats(&scaled, link, &theta, current != 0.0)?.covariance(current);
                return Ok(Fit {
                    keep: keep.clone(),
                    theta: times(&back, &theta),
                    covariance: sandwich(&back, &covariance, theta.len()),
                    gold_part: Vec::new(),
                });
            }
        };
        let fit = fit();
        (fit, current)
    }

    fn rows_of(x: &Matrix, rows: &[usize]) -> Matrix {
        let mut values = Vec::with_capacity(rows.len() * x.columns);
        for &row in rows {
            values.extend_from_slice(x.row(row));
        }
        Matrix { columns: x.columns, values }
    }

    fn point(&self, x: &Matrix, link: Link, lambda: f64) -> Result<Vec<f64>, String> {
        let near = Self::rows_of(x, &self.labelled);
        let solve = |x: &Matrix, y: &[f64], weight: Option<&[f64]>| {
            Problem { x, y, weight, second: None, clusters: None, link }.solve().map(|solution| solution.theta)
        };
        if link == Link::Identity {
            let rectified: Vec<f64> = self.gold.iter().zip(&self.surrogate).map(|(y, h)| y - lambda * h).collect();
            let mut theta = solve(&near, &rectified, None)?;
            if lambda != 0.0 {
                let far = solve(&Self::rows_of(x, &self.others), &self.unlabelled, None)?;
                theta.iter_mut().zip(far).for_each(|(value, far)| *value += lambda * far);
            }
            return Ok(theta);
        }
        let (n, big) = (self.gold.len() as f64, self.unlabelled.len().max(1) as f64);
        let total = n + big;
        let mut values = Self::rows_of(x, &self.others).values;
        values.extend_from_slice(&near.values);
        values.extend_from_slice(&near.values);
        let mut y = self.unlabelled.clone();
        y.extend_from_slice(&self.gold);
        y.extend_from_slice(&self.surrogate);
        let mut weight = vec![lambda * total / big; self.unlabelled.len()];
        weight.resize(weight.len() + self.gold.len(), total / n);
        weight.resize(weight.len() + self.gold.len(), -lambda * total / n);
        solve(&Matrix { columns: x.columns, values }, &y, Some(&weight))
    }

    fn stats(&self, x: &Matrix, link: Link, theta: &[f64], use_far: bool) -> Result<Stats, String> {
        let size = theta.len();
        let mut stats = Stats {
            near: Spread::new(2 * size),
            far: Spread::new(size),
            pooled: Spread::new(size),
            bread: Vec::new(),
            size,
        };
        let mut curve = vec![0.0; size * size];
        let mut counted = 0.0;
        let mut joint = vec![0.0; 2 * size];
        let mut add_curve = |x: &[f64], slope: f64| {
            counted += 1.0;
            for i in 0..size {
                for j in 0..size {
                    curve[i * size + j] += slope * x[i] * x[j];
                }
            }
        };
        for (place, &row) in self.labelled.iter().enumerate() {
            let x = x.row(row);
            let (mean, slope) = link.mean(dot(x, theta));
            for i in 0..size {
                joint[i] = (mean - self.gold[place]) * x[i];
                joint[size + i] = (mean - self.surrogate[place]) * x[i];
            }
            stats.near.add(&joint);
            stats.pooled.add(&joint[size..]);
            add_curve(x, slope);
        }
        if use_far {
            for (place, &row) in self.others.iter().enumerate() {
                let x = x.row(row);
                let (mean, slope) = link.mean(dot(x, theta));
                for i in 0..size {
                    joint[i] = (mean - self.unlabelled[place]) * x[i];
                }
                stats.far.add(&joint[..size]);
                stats.pooled.add(&joint[..size]);
                add_curve(x, slope);
            }
        }
        for value in &mut curve {
            *value /= counted;
        }
        stats.bread = inverse(&curve, size).ok_or_else(|| DEPENDENT.to_owned())?;
        Ok(stats)
    }

    pub(super) fn quantile(
        &self,
        share: f64,
        lambda: Lambda,
        critical: f64,
        level: f64,
        prepared: &Prepared,
    ) -> (Measured, Option<f64>, f64) {
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let far = sorted(&self.unlabelled);
        let below =
            |values: &[f64], at: f64| values.partition_point(|value| *value <= at) as f64 / values.len().max(1) as f64;
        let mut candidates = sorted(&self.gold);
        candidates.extend(sorted(&self.surrogate));
        candidates.extend_from_slice(&far);
        candidates.sort_unstable_by(f64::total_cmp);
        candidates.dedup();
        let indicator = |values: &[f64], at: f64| -> Vec<f64> {
            values.iter().map(|value| f64::from(u8::from(*value <= at))).collect()
        };
        // The corrected share below a point, with its error.
        let at = |point: f64, lambda: f64| {
            let rectified: Vec<f64> = indicator(&self.gold, point)
                .iter()
                .zip(indicator(&self.surrogate, point))
                .map(|(y, h)| y - lambda * h)
                .collect();
            let q = below(&far, point);
            let big = far.len().max(1) as f64;
            let value = lambda * q + mean(rectified.iter().copied());
            let square = lambda * lambda * q * (1.0 - q) / big + variance(&rectified) / self.gold.len() as f64;
            (value, square.sqrt())
        };
        let lambda = match lambda {
            _ if far.is_empty() => 0.0,
            Lambda::Fixed(lambda) => lambda,
            Lambda::Tuned { .. } => {
                // The weight that suits the indicator at the gold's own quantile.
                let gold = sorted(&self.gold);
                let point = gold[((gold.len() as f64 * share) as usize).min(gold.len() - 1)];
                let indicators = Self {
                    gold: indicator(&self.gold, point),
                    surrogate: indicator(&self.surrogate, point),
                    unlabelled: indicator(&self.unlabelled, point),
                    ..self.clone()
                };
                indicators.mean_of(Lambda::Tuned { rounds: 1 }).2
            }
        };
        // Distribution functions are nearly monotone, so a coarse grid first, then every candidate around it, would save
        // time; there are rarely enough distinct values to need it.
        let step = candidates.len().div_ceil(20_000).max(1);
        let (mut best, mut low, mut high) = ((f64::INFINITY, 0.0, 0.0), None, None);
        for &point in candidates.iter().step_by(step) {
            let (value, error) = at(point, lambda);
            if (value - share).abs() < best.0 {
                best = ((value - share).abs(), point, error);
            }
            if (value - share).abs() <= critical * error {
                low = low.or(Some(point));
                high = Some(point);
            }
        }
        let value = best.1;
        let (low, high) = (low.unwrap_or(value).min(value), high.unwrap_or(value).max(value));
        let basis = format!("{} rows, {} of them with gold", prepared.rows, self.gold.len());
        (Measured::Known { value, low, high, level, basis }, Some((high - low) / (2.0 * critical)), lambda)
    }
}

/// Sums from which a covariance is made.
struct Spread {
    count: f64,
    sum: Vec<f64>,
    outer: Vec<f64>,
}

impl Spread {
    fn new(size: usize) -> Self {
        Self { count: 0.0, sum: vec![0.0; size], outer: vec![0.0; size * size] }
    }

    fn add(&mut self, vector: &[f64]) {
        self.count += 1.0;
        let size = vector.len();
        for i in 0..size {
            self.sum[i] += vector[i];
            for j in 0..size {
                self.outer[i * size + j] += vector[i] * vector[j];
            }
        }
    }

    /// The covariance of two entries, with one less than the count as divisor.
    fn covariance(&self, i: usize, j: usize) -> f64 {
        let size = self.sum.len();
        (self.outer[i * size + j] - self.sum[i] * self.sum[j] / self.count.max(1.0)) / (self.count - 1.0).max(1.0)
    }
}

/// Moments of the gradients of gold and surrogate.
struct Stats {
    near: Spread,
    far: Spread,
    pooled: Spread,
    bread: Vec<f64>,
    size: usize,
}

impl Stats {
    fn filled(&self, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        (0..self.size * self.size).map(|place| value(place / self.size, place % self.size)).collect()
    }

    /// The weight that makes the summed variance of the coefficients least.
    fn tuned(&self, back: &[f64]) -> f64 {
        let (n, big, size) = (self.near.count, self.far.count, self.size);
        let divisor = (n - 1.0).max(1.0) / n;
        let cross =
            self.filled(|i, j| divisor * (self.near.covariance(i, size + j) + self.near.covariance(size + i, j)));
        let pooled = self.filled(|i, j| self.pooled.covariance(i, j));
        let trace = |inner: &[f64]| {
            let outer = sandwich(back, &sandwich(&self.bread, inner, size), size);
            (0..size).map(|place| outer[place * (size + 1)]).sum::<f64>()
        };
        let below = 2.0 * (1.0 + n / big) * trace(&pooled);
        if below > 0.0 { (trace(&cross) / below).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The covariance of the coefficients.
    fn covariance(&self, lambda: f64) -> Vec<f64> {
        let (n, big, size) = (self.near.count, self.far.count.max(1.0), self.size);
        let inner = self.filled(|i, j| {
            let near = self.near.covariance(i, j)
                - lambda * (self.near.covariance(i, size + j) + self.near.covariance(size + i, j))
                + lambda * lambda * self.near.covariance(size + i, size + j);
            let far = if lambda == 0.0 { 0.0 } else { lambda * lambda * self.far.covariance(i, j) };
            (near + n / big * far) / n
        });
        sandwich(&self.bread, &inner, size)
    }
}
