//! Bradley-Terry and Davidson by Newton's method.
//!
//! With strengths s, an advantage of the left side b and d = s_left - s_right + b, Bradley and Terry have P(left) =
//! logistic(d); a tie adds half of either outcome. Davidson has P(left), P(right), P(tie) in the proportions exp(d/2),
//! exp(-d/2), nu. Both log-likelihoods are concave in (s, b, ln nu), so Newton's method with halving finds the maximum.

use super::dense::{Cholesky, Symmetric};
use super::{Comparisons, Fitted, Method, Outcome, Settings, ln_logistic, logistic};
use crate::error::{Error, Result};

/// The same comparison made several times.
struct Group {
    left: usize,
    right: usize,
    wins: [f64; 3],
}

/// What the model has of numbers to learn and where they stand: strengths, then the advantage, then `ln nu`.
struct Shape {
    contestants: usize,
    advantage: Option<usize>,
    ties: Option<usize>,
    size: usize,
    added: f64,
}

pub(super) fn fit(comparisons: &Comparisons, settings: &Settings) -> Result<Fitted> {
    let groups = grouped(comparisons);
    let contestants = comparisons.contestants();
    let mut size = contestants;
    let mut next = |wanted: bool| {
        wanted.then(|| {
            size += 1;
            size - 1
        })
    };
    let advantage = next(settings.position);
    let has_ties = groups.iter().any(|group| group.wins[2] > 0.0);
    let ties = next(settings.method == Method::Davidson && has_ties);
    let shape = Shape { contestants, advantage, ties, size, added: settings.added };

    let mut x = vec![0.0; size];
    let (mut value, mut gradient, mut curvature) = shape.look(&groups, &x);
    let mut converged = false;
    for _ in 0..100 {
        let length = gradient.iter().map(|part| part * part).sum::<f64>().sqrt();
        if length < 1e-9 {
            converged = true;
            break;
        }
        let Some(step) = curvature.cholesky().map(|cholesky| cholesky.solve(&gradient)) else {
            return Err(singular());
        };
        let mut scale = 1.0;
        let moved = loop {
            let next: Vec<f64> = x.iter().zip(&step).map(|(at, step)| at + scale * step).collect();
            let found = shape.look(&groups, &next);
            if found.0 >= value - 1e-12 * value.abs() {
                break Some((next, found));
            }
            scale *= 0.5;
            if scale < 1e-10 {
                break None;
            }
        };
        let Some((next, found)) = moved else {
            curvature = shape.look(&groups, &x).2;
            break;
        };
        x = next;
        (value, gradient, curvature) = found;
    }
    let length = gradient.iter().map(|part| part * part).sum::<f64>().sqrt();
    let cholesky = curvature.cholesky().ok_or_else(singular)?;
    Ok(finish(&shape, &groups, &x, &cholesky, length, converged || length < 1e-6))
}

fn singular() -> Error {
    Error::input("expected comparisons that settle every strength, found some that leave one open")
        .hint("add a fraction of a win and a loss for each")
}

fn grouped(comparisons: &Comparisons) -> Vec<Group> {
    let mut rows = comparisons.rows().to_vec();
    rows.sort_unstable_by_key(|row| (row.left, row.right));
    rows.chunk_by(|one, other| (one.left, one.right) == (other.left, other.right))
        .map(|run| {
            let mut wins = [0.0; 3];
            for row in run {
                wins[row.outcome as usize] += 1.0;
            }
            Group { left: run[0].left as usize, right: run[0].right as usize, wins }
        })
        .collect()
}

impl Shape {
    /// The difference of two contestants, with the advantage of the left side.
    fn difference(&self, group: &Group, x: &[f64]) -> f64 {
        x[group.left] - x[group.right] + self.advantage.map_or(0.0, |place| x[place])
    }

    /// The log-likelihood of one comparison, its first and second derivatives by the difference, by `ln nu` and mixed.
    fn one(wins: [f64; 3], difference: f64, nu: Option<f64>) -> (f64, [f64; 2], [f64; 3]) {
        let [left, right, tie] = wins;
        let total = left + right + tie;
        let Some(nu) = nu else {
            // A tie is half a win for each side.
            let (left, right) = (left + tie / 2.0, right + tie / 2.0);
            let chance = logistic(difference);
            let value = left * ln_logistic(difference) + right * ln_logistic(-difference);
            return (value, [left - total * chance, 0.0], [total * chance * (1.0 - chance), 0.0, 0.0]);
        };
        let highest = (difference / 2.0).abs().max(nu);
        let parts = [difference / 2.0, -difference / 2.0, nu].map(|part| (part - highest).exp());
        let sum: f64 = parts.iter().sum();
        let [p, q, t] = parts.map(|part| part / sum);
        let logs = [difference / 2.0, -difference / 2.0, nu].map(|part| part - highest - sum.ln());
        let value = left * logs[0] + right * logs[1] + tie * logs[2];
        // d/d difference of the score (1/2, -1/2, 0) has mean (p - q) / 2 and variance (p + q - (p - q)^2) / 4.
        let slope = (left - right) / 2.0 - total * (p - q) / 2.0;
        let bend = total * (p + q - (p - q).powi(2)) / 4.0;
        (value, [slope, tie - total * t], [bend, total * t * (1.0 - t), -total * t * (p - q) / 2.0])
    }

    /// The log-likelihood with what is added, its gradient, and its curvature with the sign turned. Strengths are held to
    /// mean zero by a term that changes nothing else.
    fn look(&self, groups: &[Group], x: &[f64]) -> (f64, Vec<f64>, Symmetric) {
        let mut value = 0.0;
        let mut gradient = vec![0.0; self.size];
        let mut curvature = Symmetric::zeros(self.size);
        let nu = self.ties.map(|place| x[place]);
        for group in groups {
            let (one, first, second) = Self::one(group.wins, self.difference(group, x), nu);
            value += one;
            let signs = [Some((group.left, 1.0)), Some((group.right, -1.0)), self.advantage.map(|place| (place, 1.0))];
            for &(row, sign) in signs.iter().flatten() {
                gradient[row] += sign * first[0];
                for &(column, other) in signs.iter().flatten() {
                    curvature.add(row, column, sign * other * second[0]);
                }
                if let Some(place) = self.ties {
                    curvature.add(row, place, sign * second[2]);
                    curvature.add(place, row, sign * second[2]);
                }
            }
            if let Some(place) = self.ties {
                gradient[place] += first[1];
                curvature.add(place, place, second[1]);
            }
        }
        for (contestant, &strength) in x[..self.contestants].iter().enumerate() {
            let chance = logistic(strength);
            value += self.added * (ln_logistic(strength) + ln_logistic(-strength));
            gradient[contestant] += self.added * (1.0 - 2.0 * chance);
            curvature.add(contestant, contestant, 2.0 * self.added * chance * (1.0 - chance));
        }
        if self.added == 0.0 {
            // Contestants in nobody's comparison keep strength zero, and the mean of all is held at zero.
            let mean = x[..self.contestants].iter().sum::<f64>() / self.contestants as f64;
            value -= 0.5 * self.contestants as f64 * mean * mean;
            for (row, slope) in gradient[..self.contestants].iter_mut().enumerate() {
                *slope -= mean;
                for column in 0..self.contestants {
                    curvature.add(row, column, 1.0 / self.contestants as f64);
                }
                if curvature.values[row * self.size + row] <= 1.0 / self.contestants as f64 {
                    curvature.add(row, row, 1.0);
                }
            }
        }
        for place in [self.advantage, self.ties].into_iter().flatten() {
            // A hundredth keeps them finite when one side always wins or every comparison is a tie, and moves little else.
            let slack = 0.01;
            value -= 0.5 * slack * x[place] * x[place];
            gradient[place] -= slack * x[place];
            curvature.add(place, place, slack);
        }
        (value, gradient, curvature)
    }
}

fn finish(shape: &Shape, groups: &[Group], x: &[f64], cholesky: &Cholesky, gradient: f64, converged: bool) -> Fitted {
    let (number, size) = (shape.contestants, shape.size);
    let inverse = cholesky.inverse();
    let nu = shape.ties.map(|place| x[place]);
    let log_likelihood = groups.iter().map(|group| Shape::one(group.wins, shape.difference(group, x), nu).0).sum();
    let mean = x[..number].iter().sum::<f64>() / number as f64;
    let rows: Vec<f64> =
        (0..number).map(|row| inverse[row * size..][..number].iter().sum::<f64>() / number as f64).collect();
    let all = rows.iter().sum::<f64>() / number as f64;
    // Strengths are given relative to their mean, so their variances are too.
    let variances = (0..number).map(|row| (inverse[row * size + row] - 2.0 * rows[row] + all).max(0.0)).collect();
    let extra = |place: Option<usize>| place.map(|place| (x[place], inverse[place * size + place]));
    Fitted {
        strengths: x[..number].iter().map(|strength| strength - mean).collect(),
        variances: Some(variances),
        advantage: extra(shape.advantage),
        ties: extra(shape.ties),
        annotators: Vec::new(),
        log_likelihood,
        gradient,
        converged,
    }
}

/// Keeps the order of [`Outcome`] and of the counts of a group together.
const _: () = assert!(Outcome::Left as usize == 0 && Outcome::Right as usize == 1 && Outcome::Tie as usize == 2);
