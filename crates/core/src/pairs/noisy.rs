//! Bradley-Terry with annotators who do not always judge.
//!
//! Annotator a judges by strength with chance g = logistic(r_a) and otherwise by side, left with chance logistic(q_a):
//! P(left) = g logistic(s_left - s_right) + (1 - g) logistic(q_a). This is the model of Bugakova, Fedorova, Gusev and
//! Drutsa 2019 (<https://arxiv.org/abs/1905.12401>), close to that of Chen et al. 2013
//! (<https://doi.org/10.1145/2433396.2433420>), whose unreliable annotators turn the answer round. The likelihood is not
//! concave; the search starts from equal annotators who mostly judge, and priors of a few comparisons hold it there where
//! an annotator says little.

use super::dense::Symmetric;
use super::lbfgs::minimise;
use super::{Comparison, Comparisons, Fitted, Outcome, Settings, ln_logistic, logistic};

/// Comparisons judged and not judged by strength that are added for each annotator.
const JUDGED: (f64, f64) = (4.0, 1.0);
/// Comparisons said left and right by side that are added for each annotator.
const SIDES: f64 = 2.0;
/// Numbers to learn up to which the curvature is worked out.
const MOST_CURVED: usize = 1500;

/// The objective of the noisy model, for those who want to look at it: the log-likelihood and what is added to it.
///
/// The numbers are the strengths of all contestants, then every annotator's leaning `q`, then every annotator's
/// reliability `r`, the last two as log odds.
#[derive(Clone, Debug)]
pub struct NoisyModel<'a> {
    rows: &'a [Comparison],
    contestants: usize,
    annotators: usize,
    /// Wins and losses against an average contestant, judged and not judged, said left and said right.
    added: (f64, (f64, f64), f64),
}

impl<'a> NoisyModel<'a> {
    /// The model that [`rank`](super::rank) fits, with so many wins and losses added per contestant.
    pub fn new(comparisons: &'a Comparisons, added: f64) -> Self {
        Self { added: (added, JUDGED, SIDES), ..Self::likelihood(comparisons) }
    }

    /// The likelihood alone.
    pub fn likelihood(comparisons: &'a Comparisons) -> Self {
        Self {
            rows: comparisons.rows(),
            contestants: comparisons.contestants(),
            annotators: comparisons.annotators(),
            added: (0.0, (0.0, 0.0), 0.0),
        }
    }

    /// How many numbers there are.
    pub const fn parameters(&self) -> usize {
        self.contestants + 2 * self.annotators
    }

    /// The objective, and its gradient written to `gradient`. A tie counts half for either side.
    ///
    /// # Panics
    /// If there are not as many numbers as [`parameters`](Self::parameters) says.
    pub fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        assert!(x.len() == self.parameters() && gradient.len() == x.len(), "as many numbers as the model has");
        gradient.fill(0.0);
        let mut value = 0.0;
        for row in self.rows {
            let (left, right) = (row.left as usize, row.right as usize);
            let (side, trust) = self.places(row.annotator as usize);
            let difference = x[left] - x[right];
            let (by_strength, by_side, judged) = (logistic(difference), logistic(x[side]), logistic(x[trust]));
            for (weight, sign) in sides(row.outcome) {
                if weight == 0.0 {
                    continue;
                }
                let said = |chance: f64| if sign > 0.0 { chance } else { 1.0 - chance };
                let chance = judged * said(by_strength) + (1.0 - judged) * said(by_side);
                value += weight * chance.max(f64::MIN_POSITIVE).ln();
                let scale = weight / chance.max(f64::MIN_POSITIVE);
                let slope = scale * sign * judged * by_strength * (1.0 - by_strength);
                gradient[left] += slope;
                gradient[right] -= slope;
                gradient[side] += scale * sign * (1.0 - judged) * by_side * (1.0 - by_side);
                gradient[trust] += scale * judged * (1.0 - judged) * (said(by_strength) - said(by_side));
            }
        }
        let mut add = |place: usize, (high, low): (f64, f64)| {
            value += high * ln_logistic(x[place]) + low * ln_logistic(-x[place]);
            gradient[place] += high - (high + low) * logistic(x[place]);
        };
        let (wins, judged, sides) = self.added;
        (0..self.contestants).for_each(|place| add(place, (wins, wins)));
        for annotator in 0..self.annotators {
            let (side, trust) = self.places(annotator);
            add(side, (sides, sides));
            add(trust, judged);
        }
        value
    }

    /// Where an annotator's leaning and reliability stand.
    const fn places(&self, annotator: usize) -> (usize, usize) {
        (self.contestants + annotator, self.contestants + self.annotators + annotator)
    }

    /// The curvature with the sign turned, by differences of the gradient.
    fn curvature(&self, x: &[f64]) -> Symmetric {
        let size = x.len();
        let mut table = Symmetric::zeros(size);
        let (mut at, mut above, mut below) = (x.to_vec(), vec![0.0; size], vec![0.0; size]);
        let step = 1e-4;
        for column in 0..size {
            at[column] = x[column] + step;
            self.evaluate(&at, &mut above);
            at[column] = x[column] - step;
            self.evaluate(&at, &mut below);
            at[column] = x[column];
            for row in 0..size {
                let bend = (below[row] - above[row]) / (4.0 * step);
                table.add(row, column, bend);
                table.add(column, row, bend);
            }
        }
        table
    }
}

/// How much of an answer is for the left and for the right.
fn sides(outcome: Outcome) -> [(f64, f64); 2] {
    let left = match outcome {
        Outcome::Left => 1.0,
        Outcome::Right => 0.0,
        Outcome::Tie => 0.5,
    };
    [(left, 1.0), (1.0 - left, -1.0)]
}

pub(super) fn fit(comparisons: &Comparisons, settings: &Settings) -> Fitted {
    // Without anything added the strengths float; a trace holds them without moving the result.
    let model = NoisyModel::new(comparisons, settings.added.max(1e-6));
    let (contestants, annotators) = (comparisons.contestants(), comparisons.annotators());
    let mut start = vec![0.0; model.parameters()];
    start[contestants + annotators..].fill(1.5);
    let turned = |x: &[f64], gradient: &mut [f64]| {
        let value = model.evaluate(x, gradient);
        for part in gradient.iter_mut() {
            *part = -*part;
        }
        -value
    };
    let found = minimise(start, turned, 2000, 1e-6);
    let x = found.x;
    let inverse =
        (x.len() <= MOST_CURVED).then(|| model.curvature(&x).cholesky()).flatten().map(|cholesky| cholesky.inverse());
    let size = x.len();
    let number = contestants as f64;
    let mean = x[..contestants].iter().sum::<f64>() / number;
    let variances = inverse.as_ref().map(|inverse| {
        let rows: Vec<f64> =
            (0..contestants).map(|row| inverse[row * size..][..contestants].iter().sum::<f64>() / number).collect();
        let all = rows.iter().sum::<f64>() / number;
        (0..contestants).map(|row| (inverse[row * size + row] - 2.0 * rows[row] + all).max(0.0)).collect()
    });
    let variance = |place: usize| inverse.as_ref().map_or(f64::INFINITY, |inverse| inverse[place * size + place]);
    let annotators = (0..annotators)
        .map(|annotator| {
            let (side, trust) = model.places(annotator);
            [(x[trust], variance(trust)), (x[side], variance(side))]
        })
        .collect();
    let log_likelihood = NoisyModel::likelihood(comparisons).evaluate(&x, &mut vec![0.0; size]);
    Fitted {
        strengths: x[..contestants].iter().map(|strength| strength - mean).collect(),
        variances,
        advantage: None,
        ties: None,
        annotators,
        log_likelihood,
        gradient: found.gradient,
        converged: found.converged,
    }
}
