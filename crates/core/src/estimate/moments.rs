//! Solving moment conditions over rows of which some are known in two versions, and their sandwich variance.

use rayon::prelude::*;

use super::algebra::{cholesky, dot, independent, inverse, sandwich, solve_definite, times};
use super::design::Matrix;

/// The estimating function: `x (y - mean(x'theta))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// `mean(z) = z`: least squares.
    Identity,
    /// `mean(z) = 1 / (1 + exp(-z))`: logistic regression.
    Logistic,
}

impl Link {
    /// The mean and its derivative.
    #[inline]
    pub(super) fn mean(self, z: f64) -> (f64, f64) {
        match self {
            Self::Identity => (z, 1.0),
            Self::Logistic => {
                // The exponential of a negative number cannot overflow.
                let small = (-z.abs()).exp();
                let share = 1.0 / (1.0 + small);
                let mean = if z >= 0.0 { share } else { small * share };
                (mean, small * share * share)
            }
        }
    }
}

/// The second, gold version of some rows.
pub(super) struct Second<'a> {
    /// For each row its place here, or `u32::MAX`.
    pub(super) place: &'a [u32],
    pub(super) x: &'a Matrix,
    pub(super) y: &'a [f64],
    /// What the second version counts for: `R / pi`; the first then counts for one minus that.
    pub(super) weight: &'a [f64],
}

/// A regression whose columns are standardised already.
pub(super) struct Problem<'a> {
    pub(super) x: &'a Matrix,
    pub(super) y: &'a [f64],
    /// The weight of each row; one if there are none.
    pub(super) weight: Option<&'a [f64]>,
    pub(super) second: Option<Second<'a>>,
    /// Rows of one cluster have one number, below the number of rows.
    pub(super) clusters: Option<&'a [u32]>,
    pub(super) link: Link,
}

/// A solution on the standardised scale.
#[derive(Clone, Debug)]
pub(super) struct Solution {
    pub(super) theta: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    /// The part of the covariance that falls as gold labels are added.
    pub(super) gold_part: Vec<f64>,
}

/// Rows whose sums are made by one thread. The split depends on nothing but the number of rows, so that sums are the
/// same on any number of threads; large matrices get few blocks to keep memory small.
fn block(rows: usize, columns: usize) -> usize {
    let least = if columns > 64 { rows.div_ceil(32) } else { rows.div_ceil(256) };
    least.max(2048)
}

struct Sums {
    gradient: Vec<f64>,
    jacobian: Vec<f64>,
}

impl Problem<'_> {
    fn rows(&self) -> usize {
        self.y.len()
    }

    /// Calls `each` with the two versions of a row: its values, outcome and weight.
    #[inline]
    fn versions(&self, row: usize, mut each: impl FnMut(&[f64], f64, f64)) {
        let weight = self.weight.map_or(1.0, |weight| weight[row]);
        match &self.second {
            Some(second) if second.place[row] != u32::MAX => {
                let place = second.place[row] as usize;
                let share = second.weight[place];
                if share != 1.0 {
                    each(self.x.row(row), self.y[row], weight * (1.0 - share));
                }
                each(second.x.row(place), second.y[place], weight * share);
            }
            _ => each(self.x.row(row), self.y[row], weight),
        }
    }

    /// The sums of the estimating function and of its negative derivative.
    fn sums(&self, theta: &[f64]) -> Sums {
        let size = theta.len();
        let step = block(self.rows(), size);
        let parts: Vec<Sums> = (0..self.rows().div_ceil(step))
            .into_par_iter()
            .map(|number| {
                let mut sums = Sums { gradient: vec![0.0; size], jacobian: vec![0.0; size * size] };
                for row in number * step..((number + 1) * step).min(self.rows()) {
                    self.versions(row, |x, y, weight| {
                        let (mean, slope) = self.link.mean(dot(x, theta));
                        let residual = weight * (y - mean);
                        let curve = weight * slope;
                        for (i, &value) in x.iter().enumerate() {
                            sums.gradient[i] += residual * value;
                            let scaled = curve * value;
                            for (to, &other) in sums.jacobian[i * size..=i * size + i].iter_mut().zip(x) {
                                *to += scaled * other;
                            }
                        }
                    });
                }
                sums
            })
            .collect();
        let mut total = Sums { gradient: vec![0.0; size], jacobian: vec![0.0; size * size] };
        for part in parts {
            add(&mut total.gradient, &part.gradient);
            add(&mut total.jacobian, &part.jacobian);
        }
        for i in 0..size {
            for j in 0..i {
                total.jacobian[j * size + i] = total.jacobian[i * size + j];
            }
        }
        total
    }

    /// The moments of the estimating function at a solution: all, and the part that gold adds.
    fn spread(&self, theta: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let size = theta.len();
        let step = block(self.rows(), size);
        let parts: Vec<(Vec<f64>, Vec<f64>)> = (0..self.rows().div_ceil(step))
            .into_par_iter()
            .map(|number| {
                let mut all = vec![0.0; size * size];
                let mut gold = vec![0.0; size * size];
                let mut score = vec![0.0; size];
                for row in number * step..((number + 1) * step).min(self.rows()) {
                    self.score(row, theta, &mut score);
                    if self.clusters.is_none() {
                        outer(&mut all, &score);
                    }
                    if self.gold_difference(row, theta, &mut score) {
                        outer(&mut gold, &score);
                    }
                }
                (all, gold)
            })
            .collect();
        let (mut all, mut gold) = (vec![0.0; size * size], vec![0.0; size * size]);
        for (part_all, part_gold) in parts {
            add(&mut all, &part_all);
            add(&mut gold, &part_gold);
        }
        if let Some(clusters) = self.clusters {
            let groups = clusters.iter().max().map_or(0, |&most| most as usize + 1);
            let mut totals = vec![0.0; groups * size];
            let mut score = vec![0.0; size];
            for (row, &cluster) in clusters.iter().enumerate() {
                self.score(row, theta, &mut score);
                add(&mut totals[cluster as usize * size..][..size], &score);
            }
            for total in totals.chunks_exact(size) {
                outer(&mut all, total);
            }
            // With few clusters the plain sum is too small on average.
            let correction = groups as f64 / (groups as f64 - 1.0).max(1.0);
            for value in &mut all {
                *value *= correction;
            }
        }
        (all, gold)
    }

    fn score(&self, row: usize, theta: &[f64], score: &mut [f64]) {
        score.fill(0.0);
        self.versions(row, |x, y, weight| {
            let residual = weight * (y - self.link.mean(dot(x, theta)).0);
            for (to, value) in score.iter_mut().zip(x) {
                *to += residual * value;
            }
        });
    }

    /// `R / pi` times the difference between the two versions; false where there is no second one.
    fn gold_difference(&self, row: usize, theta: &[f64], score: &mut [f64]) -> bool {
        let Some(second) = self.second.as_ref().filter(|second| second.place[row] != u32::MAX) else { return false };
        let place = second.place[row] as usize;
        let residual = |x: &[f64], y: f64| y - self.link.mean(dot(x, theta)).0;
        let (first_x, second_x) = (self.x.row(row), second.x.row(place));
        let (a, b) = (residual(first_x, self.y[row]), residual(second_x, second.y[place]));
        let weight = second.weight[place] * self.weight.map_or(1.0, |weight| weight[row]);
        for (index, to) in score.iter_mut().enumerate() {
            *to = weight * (b * second_x[index] - a * first_x[index]);
        }
        true
    }

    /// Solves the moment conditions.
    ///
    /// # Errors
    /// A sentence that says why there is no finite or no unique solution.
    pub(super) fn solve(&self) -> Result<Solution, String> {
        let size = self.x.columns;
        let theta = match self.link {
            Link::Identity => {
                let sums = self.sums(&vec![0.0; size]);
                solve_definite(&sums.jacobian, &sums.gradient)
                    .or_else(|| inverse(&sums.jacobian, size).map(|inverted| times(&inverted, &sums.gradient)))
                    .ok_or("the columns depend on each other among these rows, so no single answer fits")?
            }
            Link::Logistic => self.newton()?,
        };
        let sums = self.sums(&theta);
        let bread = inverse(&sums.jacobian, size)
            .ok_or("the columns depend on each other among these rows, so no single answer fits")?;
        let (all, gold) = self.spread(&theta);
        let solution =
            Solution { covariance: sandwich(&bread, &all, size), gold_part: sandwich(&bread, &gold, size), theta };
        if solution.theta.iter().chain(&solution.covariance).all(|value| value.is_finite()) {
            Ok(solution)
        } else {
            Err("the numbers are too large to compute with".to_owned())
        }
    }

    /// Newton's method on the moment conditions, each step shortened until the conditions come closer to zero; where
    /// the derivative is indefinite (rare gold with large weights), steps of Levenberg and Marquardt.
    fn newton(&self) -> Result<Vec<f64>, String> {
        const SEPARATED: &str = "the columns separate the two outcomes perfectly (or nearly so), so the coefficients \
                                 grow without end: no finite value fits";
        let size = self.x.columns;
        let mut theta = vec![0.0; size];
        let mut sums = self.sums(&theta);
        let start = cholesky(&sums.jacobian, size).map(|(_, pivots)| pivots);
        let norm = |gradient: &[f64]| dot(gradient, gradient);
        let total = self.rows() as f64;
        for _ in 0..200 {
            let here = norm(&sums.gradient);
            let mut step = solve_definite(&sums.jacobian, &sums.gradient);
            let mut damping = 0.0;
            let mut moved = false;
            let mut shorter = 1.0;
            for _ in 0..60 {
                let Some(direction) = &step else {
                    damping = if damping == 0.0 { 1e-8 * trace(&sums.jacobian, size).powi(2) } else { damping * 10.0 };
                    step = marquardt(&sums, damping);
                    continue;
                };
                let trial: Vec<f64> = theta.iter().zip(direction).map(|(value, by)| value + shorter * by).collect();
                let next = self.sums(&trial);
                if norm(&next.gradient) < here {
                    theta = trial;
                    sums = next;
                    moved = true;
                    break;
                }
                shorter *= 0.5;
                if shorter < 1e-4 {
                    shorter = 1.0;
                    damping = if damping == 0.0 { 1e-8 * trace(&sums.jacobian, size).powi(2) } else { damping * 100.0 };
                    step = marquardt(&sums, damping);
                }
            }
            let largest = sums.gradient.iter().fold(0.0f64, |top, value| top.max(value.abs()));
            if largest <= 1e-13 * total || (!moved && largest <= 1e-9 * total) {
                // Under separation the conditions fade together with the curvature.
                let flat = match (&start, cholesky(&sums.jacobian, size)) {
                    (Some(start), Some((_, pivots))) => pivots.iter().zip(start).any(|(now, then)| *now < 1e-6 * then),
                    (_, None) => inverse(&sums.jacobian, size).is_none(),
                    (None, Some(_)) => false,
                };
                return if flat { Err(SEPARATED.to_owned()) } else { Ok(theta) };
            }
            if theta.iter().any(|value| value.abs() > 200.0) {
                return Err(SEPARATED.to_owned());
            }
            if !moved {
                break;
            }
        }
        Err("no coefficients satisfy the equations: there is too little gold for so many columns, or the gold \
             contradicts the surrogate too strongly"
            .to_owned())
    }
}

/// `(J'J + damping I)^-1 J' g`.
fn marquardt(sums: &Sums, damping: f64) -> Option<Vec<f64>> {
    let size = sums.gradient.len();
    // The derivative is symmetric.
    let mut square = super::algebra::product(&sums.jacobian, &sums.jacobian, size);
    for place in 0..size {
        square[place * size + place] += damping.max(1e-300);
    }
    solve_definite(&square, &times(&sums.jacobian, &sums.gradient))
}

fn trace(matrix: &[f64], size: usize) -> f64 {
    (0..size).map(|place| matrix[place * size + place].abs()).sum::<f64>() / size as f64
}

fn add(to: &mut [f64], from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// Adds the outer product of a vector with itself.
fn outer(to: &mut [f64], vector: &[f64]) {
    for (row, &value) in to.chunks_exact_mut(vector.len()).zip(vector) {
        for (to, &other) in row.iter_mut().zip(vector) {
            *to += value * other;
        }
    }
}

/// How columns were centred and scaled, and the way back.
#[derive(Clone, Debug)]
pub(super) struct Scaling {
    centre: Vec<f64>,
    scale: Vec<f64>,
    intercept: Option<usize>,
}

impl Scaling {
    /// The scaling of these columns, and which of them are worth keeping: those that are no combination of those before
    /// them. With an intercept columns are centred, without one only scaled.
    pub(super) fn of(matrix: &Matrix, intercept: Option<usize>) -> (Self, Vec<bool>) {
        let (rows, size) = (matrix.rows().max(1), matrix.columns);
        let mut centre = vec![0.0; size];
        if intercept.is_some() {
            for row in matrix.values.chunks_exact(size) {
                add(&mut centre, row);
            }
            for value in &mut centre {
                *value /= rows as f64;
            }
        }
        if let Some(place) = intercept {
            centre[place] = 0.0;
        }
        let mut scale = vec![0.0; size];
        let mut magnitude = vec![0.0f64; size];
        for row in matrix.values.chunks_exact(size) {
            for (place, value) in row.iter().enumerate() {
                scale[place] += (value - centre[place]).powi(2);
                magnitude[place] = magnitude[place].max(value.abs());
            }
        }
        for (place, scale) in scale.iter_mut().enumerate() {
            *scale = (*scale / rows as f64).sqrt();
            // What is left of a constant after centring is rounding.
            if scale.is_nan() || *scale <= 1e-11 * magnitude[place] {
                *scale = 0.0;
            }
        }
        let scaling = Self { centre, scale, intercept };
        let gram = scaling.gram(matrix);
        let keep = independent(&gram, size);
        (scaling, keep)
    }

    fn gram(&self, matrix: &Matrix) -> Vec<f64> {
        let size = matrix.columns;
        let step = block(matrix.rows(), size);
        let parts: Vec<Vec<f64>> = matrix
            .values
            .par_chunks(step * size)
            .map(|rows| {
                let mut gram = vec![0.0; size * size];
                let mut scaled = vec![0.0; size];
                for row in rows.chunks_exact(size) {
                    for (place, to) in scaled.iter_mut().enumerate() {
                        *to = self.value(place, row[place]);
                    }
                    outer(&mut gram, &scaled);
                }
                gram
            })
            .collect();
        let mut gram = vec![0.0; size * size];
        for part in parts {
            add(&mut gram, &part);
        }
        gram
    }

    fn value(&self, place: usize, value: f64) -> f64 {
        if self.scale[place] == 0.0 { 0.0 } else { (value - self.centre[place]) / self.scale[place] }
    }

    /// The kept columns, scaled.
    pub(super) fn apply(&self, matrix: &Matrix, keep: &[bool]) -> Matrix {
        let columns = keep.iter().filter(|keep| **keep).count();
        let mut values = Vec::with_capacity(matrix.rows() * columns);
        for row in matrix.values.chunks_exact(matrix.columns) {
            for place in (0..matrix.columns).filter(|&place| keep[place]) {
                values.push(self.value(place, row[place]));
            }
        }
        Matrix { columns, values }
    }

    /// The matrix that takes kept, scaled coefficients to those of the original columns.
    pub(super) fn back(&self, keep: &[bool]) -> Vec<f64> {
        let kept: Vec<usize> = (0..keep.len()).filter(|&place| keep[place]).collect();
        let size = kept.len();
        let mut back = vec![0.0; size * size];
        for (place, &column) in kept.iter().enumerate() {
            back[place * size + place] = 1.0 / self.scale[column];
        }
        if let Some(intercept) = self.intercept.and_then(|column| kept.iter().position(|&kept| kept == column)) {
            let unit = self.scale[kept[intercept]];
            for (place, &column) in kept.iter().enumerate().filter(|(place, _)| *place != intercept) {
                back[intercept * size + place] = -self.centre[column] / self.scale[column] / unit;
            }
        }
        back
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn problem<'a>(x: &'a Matrix, y: &'a [f64], link: Link) -> Problem<'a> {
        Problem { x, y, weight: None, second: None, clusters: None, link }
    }

    #[test]
    fn a_logistic_regression_has_zero_moments_and_the_textbook_variance() {
        let mut random = Random::new(4);
        let values: Vec<f64> = (0..600).map(|place| if place % 2 == 0 { 1.0 } else { random.normal() }).collect();
        let x = Matrix { columns: 2, values };
        let y: Vec<f64> = (0..300)
            .map(|row| f64::from(u8::from(random.unit() < Link::Logistic.mean(0.3 + 0.8 * x.row(row)[1]).0)))
            .collect();
        let solved = problem(&x, &y, Link::Logistic).solve().unwrap();
        let sums = problem(&x, &y, Link::Logistic).sums(&solved.theta);
        assert!(sums.gradient.iter().all(|value| value.abs() < 1e-9), "{:?}", sums.gradient);
        let plain = inverse(&sums.jacobian, 2).unwrap();
        assert!((solved.covariance[3] / plain[3] - 1.0).abs() < 0.2, "robust and plain agree when the model holds");
    }

    #[test]
    fn separation_is_said() {
        let x = Matrix { columns: 2, values: (0..40).flat_map(|row| [1.0, f64::from(row) - 19.5]).collect() };
        let y: Vec<f64> = (0..40).map(|row| f64::from(u8::from(row >= 20))).collect();
        assert!(problem(&x, &y, Link::Logistic).solve().unwrap_err().contains("separate"));
        let constant = vec![1.0; 40];
        assert!(problem(&x, &constant, Link::Logistic).solve().unwrap_err().contains("separate"));
    }

    #[test]
    fn scaling_comes_back() {
        let mut random = Random::new(9);
        let values: Vec<f64> =
            (0..200).flat_map(|_| [1.0, 1e6 + random.normal(), 5.0, 1e-6 * random.normal()]).collect();
        let x = Matrix { columns: 4, values };
        let y: Vec<f64> = (0..200).map(|row| 2.0 + 3.0 * (x.row(row)[1] - 1e6) - 4e6 * x.row(row)[3]).collect();
        let (scaling, keep) = Scaling::of(&x, Some(0));
        assert_eq!(keep, [true, true, false, true], "the constant column is left out");
        let scaled = scaling.apply(&x, &keep);
        let solved = problem(&scaled, &y, Link::Identity).solve().unwrap();
        let theta = times(&scaling.back(&keep), &solved.theta);
        assert!((theta[1] - 3.0).abs() < 1e-6 && (theta[2] / -4e6 - 1.0).abs() < 1e-6, "{theta:?}");
    }
}
