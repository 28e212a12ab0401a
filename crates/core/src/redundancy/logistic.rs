//! A small logistic regression with one random intercept per annotator.

/// Features of a state, the first of which is 1.
pub(super) const FEATURES: usize = 7;

/// The penalty on coefficients, and on intercepts: the inverse variance of each around zero.
const RIDGE: f64 = 1.0;
const INTERCEPT: f64 = 4.0;

/// One observation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    pub(super) features: [f64; FEATURES],
    pub(super) annotator: u32,
    pub(super) disagrees: bool,
}

/// The fitted risk.
#[derive(Clone, Debug)]
pub(super) struct Risk {
    coefficients: [f64; FEATURES],
    intercepts: Vec<f64>,
}

impl Risk {
    /// The probability of disagreement; of the typical annotator if none is named.
    pub(super) fn of(&self, features: &[f64; FEATURES], annotator: Option<u32>) -> f64 {
        let own = annotator.map_or(0.0, |annotator| self.intercepts[annotator as usize]);
        logistic(dot(&self.coefficients, features) + own)
    }

    /// Fits by turns: a Newton step in the coefficients, then one in every intercept, each on the penalised likelihood,
    /// which is concave.
    pub(super) fn fit(observations: &[Observation], annotators: usize) -> Self {
        let mut risk = Self { coefficients: [0.0; FEATURES], intercepts: vec![0.0; annotators] };
        for _ in 0..25 {
            let mut gradient = [0.0; FEATURES];
            let mut hessian = [[0.0; FEATURES]; FEATURES];
            for place in 0..FEATURES {
                // The constant goes free but for a trace that keeps the system solvable.
                let penalty = if place == 0 { 1e-3 } else { RIDGE };
                gradient[place] = -penalty * risk.coefficients[place];
                hessian[place][place] = penalty;
            }
            for one in observations {
                let p = risk.of(&one.features, Some(one.annotator));
                let (residual, weight) = (f64::from(u8::from(one.disagrees)) - p, p * (1.0 - p));
                for (row, &value) in one.features.iter().enumerate() {
                    gradient[row] += residual * value;
                    for (column, &other) in one.features.iter().enumerate().take(row + 1) {
                        hessian[row][column] += weight * value * other;
                    }
                }
            }
            let step = solve(hessian, gradient);
            let size = step.iter().map(|part| part.abs()).fold(0.0, f64::max);
            // A step beyond this is a sign of separation; it is taken in parts.
            let scale = if size > 2.0 { 2.0 / size } else { 1.0 };
            risk.coefficients.iter_mut().zip(step).for_each(|(to, part)| *to += scale * part);
            let mut sums = vec![(0.0, 0.0); annotators];
            for one in observations {
                let p = risk.of(&one.features, Some(one.annotator));
                let (gradient, weight) = &mut sums[one.annotator as usize];
                *gradient += f64::from(u8::from(one.disagrees)) - p;
                *weight += p * (1.0 - p);
            }
            let mut moved: f64 = size * scale;
            for (intercept, (gradient, weight)) in risk.intercepts.iter_mut().zip(sums) {
                let step = ((gradient - INTERCEPT * *intercept) / (weight + INTERCEPT)).clamp(-1.0, 1.0);
                *intercept += step;
                moved = moved.max(step.abs());
            }
            if moved < 1e-6 {
                break;
            }
        }
        risk
    }
}

fn dot(left: &[f64; FEATURES], right: &[f64; FEATURES]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

pub(super) fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// Solves a positive definite system, of which the lower half is given, by Cholesky's decomposition.
fn solve(mut matrix: [[f64; FEATURES]; FEATURES], mut right: [f64; FEATURES]) -> [f64; FEATURES] {
    for row in 0..FEATURES {
        for column in 0..=row {
            let done: f64 = (0..column).map(|k| matrix[row][k] * matrix[column][k]).sum();
            let rest = matrix[row][column] - done;
            matrix[row][column] = if row == column { rest.max(1e-12).sqrt() } else { rest / matrix[column][column] };
        }
    }
    for row in 0..FEATURES {
        let done: f64 = (0..row).map(|k| matrix[row][k] * right[k]).sum();
        right[row] = (right[row] - done) / matrix[row][row];
    }
    for row in (0..FEATURES).rev() {
        let done: f64 = (row + 1..FEATURES).map(|k| matrix[k][row] * right[k]).sum();
        right[row] = (right[row] - done) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn coefficients_and_intercepts_are_recovered() {
        let mut random = Random::new(4);
        let intercepts = [-1.0, 0.0, 1.0];
        let observations: Vec<Observation> = (0..6000)
            .map(|number| {
                let mut features = [0.0; FEATURES];
                features[0] = 1.0;
                features[1] = random.normal();
                let annotator = number % 3;
                let p = logistic(-1.0 + 0.8 * features[1] + intercepts[annotator]);
                Observation { features, annotator: annotator as u32, disagrees: random.unit() < p }
            })
            .collect();
        let risk = Risk::fit(&observations, 3);
        assert!((risk.coefficients[1] - 0.8).abs() < 0.1, "{risk:?}");
        // A little of the constant may sit in the intercepts.
        let whole = risk.intercepts.iter().map(|own| own + risk.coefficients[0]);
        assert!(whole.zip(intercepts).all(|(found, truth)| (found - (truth - 1.0)).abs() < 0.15), "{risk:?}");
    }

    #[test]
    fn separated_and_empty_data_stay_finite() {
        let mut features = [0.0; FEATURES];
        features[0] = 1.0;
        let all = vec![Observation { features, annotator: 0, disagrees: false }; 50];
        let risk = Risk::fit(&all, 1).of(&features, Some(0));
        assert!(risk.is_finite() && risk < 0.05, "{risk}");
        assert_eq!(Risk::fit(&[], 2).of(&features, None), 0.5);
    }
}
