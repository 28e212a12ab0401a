//! One number from a checklist: the probabilities of yes to a few questions about an item, and what they are worth.
//!
//! The plain mean takes all questions as worth the same. Where people have graded some items, [`learn`] gives each question a
//! weight: a ridge regression whose penalty draws all weights to their mean, so that with little gold it is the plain mean
//! on another scale. RocketEval (Wei et al. 2025) reweights by small random trees averaged with the mean; the aim is the
//! same, and weights can be read. [`compared`] says whether they foretell grades better than the mean does.
//!
//! ```
//! use postil_core::checklist::{compared, learn};
//!
//! // The first question decides the grade, the second is noise.
//! let said: Vec<Vec<f64>> = (0..60).map(|item| vec![f64::from(item % 2), f64::from(item / 2 % 3) / 2.0]).collect();
//! let grades: Vec<f64> = said.iter().map(|said| 1.0 + 3.0 * said[0]).collect();
//! assert!(compared(&said, &grades, 7)?.gain > 0.5);
//! let weights = learn(&said, &grades)?;
//! assert!((weights.score(&said[1]) - grades[1]).abs() < 0.1);
//! # Ok::<(), postil_core::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::pairs::dense::Symmetric;
use crate::random::Random;

/// Penalties that are tried, the strongest first: a tie goes to the plainer weights.
const PENALTIES: [f64; 7] = [1000.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.1];
/// Folds of a comparison.
const FOLDS: usize = 5;

/// What each question is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// The grade of an item of which every question is denied.
    pub intercept: f64,
    /// What a yes adds, question by question.
    pub weights: Vec<f64>,
}

impl Weights {
    /// The score of an item by its probabilities of yes.
    pub fn score(&self, said: &[f64]) -> f64 {
        self.intercept + self.weights.iter().zip(said).map(|(weight, said)| weight * said).sum::<f64>()
    }
}

/// How weights compare with the plain mean, on items that neither was learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// By how much the mean squared error is less with weights.
    pub gain: f64,
    /// The standard error of that, over items.
    pub error: f64,
    /// The mean squared error of the plain mean, put on the scale of the grades.
    pub of_mean: f64,
}

impl Comparison {
    /// Whether the weights are better by more than a standard error.
    pub fn favours_weights(&self) -> bool {
        self.gain > self.error && self.gain > 0.0
    }
}

/// Learns what each question is worth from graded items; the penalty is chosen by the error on items left out one by one.
///
/// Cost: a few decompositions of a table as wide as there are questions.
///
/// # Errors
/// Fewer than 3 items, items of several widths, or numbers that are none.
pub fn learn(said: &[Vec<f64>], grades: &[f64]) -> Result<Weights> {
    check(said, grades)?;
    let all: Vec<usize> = (0..said.len()).collect();
    let mut best: Option<(f64, Weights)> = None;
    for penalty in PENALTIES {
        if let Some((error, weights)) = ridge(said, grades, &all, Some(penalty))
            && best.as_ref().is_none_or(|(least, _)| error < least * (1.0 - 1e-9))
        {
            best = Some((error, weights));
        }
    }
    best.map(|(_, weights)| weights).ok_or_else(|| Error::input("the grades allow no weights"))
}

/// Compares learnt weights with the plain mean of the same items, five-fold; both are put on the scale of the grades by
/// what the other folds say.
///
/// # Errors
/// As of [`learn`]; fewer than ten items.
pub fn compared(said: &[Vec<f64>], grades: &[f64], seed: u64) -> Result<Comparison> {
    check(said, grades)?;
    let count = said.len();
    if count < 2 * FOLDS {
        return Err(Error::input(format!("expected at least {} graded items, found {count}", 2 * FOLDS)));
    }
    let mut order: Vec<usize> = (0..count).collect();
    Random::for_purpose(seed, "checklist").shuffle(&mut order);
    let mut gains = Vec::with_capacity(count);
    let mut of_mean = 0.0;
    for fold in 0..FOLDS {
        let (out, rest): (Vec<_>, Vec<_>) = order.iter().enumerate().partition(|(place, _)| place % FOLDS == fold);
        let [out, rest] = [out, rest].map(|part| part.into_iter().map(|(_, &item)| item).collect::<Vec<usize>>());
        let pick = |from: &[f64]| rest.iter().map(|&item| from[item]).collect::<Vec<f64>>();
        let rest_said: Vec<Vec<f64>> = rest.iter().map(|&item| said[item].clone()).collect();
        let weights = learn(&rest_said, &pick(grades))?;
        let plain = ridge(said, grades, &rest, None).map(|(_, plain)| plain);
        let plain = plain.ok_or_else(|| Error::input("the grades allow no scale for the mean"))?;
        for item in out {
            let loss = |by: &Weights| (by.score(&said[item]) - grades[item]).powi(2);
            of_mean += loss(&plain) / count as f64;
            gains.push(loss(&plain) - loss(&weights));
        }
    }
    let gain = gains.iter().sum::<f64>() / count as f64;
    let variance = gains.iter().map(|one| (one - gain).powi(2)).sum::<f64>() / (count - 1) as f64;
    Ok(Comparison { gain, error: (variance / count as f64).sqrt(), of_mean })
}

/// The rank correlation of two lists (Spearman), ties at their mean ranks, with the 95 % interval of Bonett and Wright
/// (2000); `None` for fewer than 5 pairs or where one list does not vary.
pub fn spearman(left: &[f64], right: &[f64]) -> Option<(f64, (f64, f64))> {
    let count = left.len().min(right.len());
    if count < 5 {
        return None;
    }
    let [left, right] = [ranks(&left[..count]), ranks(&right[..count])];
    let middle = f64::midpoint(count as f64, 1.0);
    let product = |one: &[f64], other: &[f64]| {
        one.iter().zip(other).map(|(one, other)| (one - middle) * (other - middle)).sum::<f64>()
    };
    let spread = (product(&left, &left) * product(&right, &right)).sqrt();
    if spread <= 0.0 {
        return None;
    }
    let rho = (product(&left, &right) / spread).clamp(-1.0, 1.0);
    let error = ((1.0 + rho * rho / 2.0) / (count as f64 - 3.0)).sqrt();
    let centre = rho.clamp(-1.0 + 1e-12, 1.0 - 1e-12).atanh();
    let end = |sign: f64| (centre + sign * 1.959_963_984_540_054 * error).tanh();
    Some((rho, (end(-1.0), end(1.0))))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&left, &right| values[left].total_cmp(&values[right]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&left, &right| values[left].total_cmp(&values[right]).is_eq()) {
        tied.iter().for_each(|&place| ranks[place] = before as f64 + f64::midpoint(tied.len() as f64, 1.0));
        before += tied.len();
    }
    ranks
}

fn check(said: &[Vec<f64>], grades: &[f64]) -> Result<()> {
    let width = said.first().map_or(0, Vec::len);
    if said.len() < 3 || said.len() != grades.len() || width == 0 {
        return Err(Error::input(format!(
            "expected at least 3 items with a grade and an answer to every question each, found {} and {} grades",
            said.len(),
            grades.len()
        )));
    }
    if said.iter().any(|one| one.len() != width || one.iter().any(|share| !share.is_finite()))
        || grades.iter().any(|grade| !grade.is_finite())
    {
        return Err(Error::input("expected a number for every question of every item, and a number as its grade"));
    }
    Ok(())
}

/// Weights of some items under a penalty on how far questions are from their mean, with the mean squared error on items
/// left out one by one; without a penalty the plain mean alone, on the scale of the grades.
fn ridge(said: &[Vec<f64>], grades: &[f64], items: &[usize], penalty: Option<f64>) -> Option<(f64, Weights)> {
    let questions = said[0].len();
    // A constant, the mean, and how far each question is from it.
    let features = |item: usize| {
        let mean = said[item].iter().sum::<f64>() / questions as f64;
        let own = said[item].iter().map(move |share| share - mean);
        let own = own.take(if penalty.is_some() { questions } else { 0 });
        [1.0, mean].into_iter().chain(own).collect::<Vec<f64>>()
    };
    let rows: Vec<Vec<f64>> = items.iter().map(|&item| features(item)).collect();
    let width = rows.first()?.len();
    let mut table = Symmetric::zeros(width);
    let mut right = vec![0.0; width];
    for (row, &item) in rows.iter().zip(items) {
        for (one, left) in row.iter().enumerate() {
            right[one] += left * grades[item];
            row.iter().enumerate().for_each(|(other, value)| table.add(one, other, left * value));
        }
    }
    for place in 0..width {
        // Items of one and the same mean would leave its weight open.
        table.add(place, place, if place < 2 { 1e-6 } else { penalty.unwrap_or(0.0) });
    }
    let solved = table.cholesky()?;
    let found = solved.solve(&right);
    let dot = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(one, other)| one * other).sum::<f64>();
    let mut error = 0.0;
    for (row, &item) in rows.iter().zip(items) {
        let leverage = dot(row, &solved.solve(row)).min(1.0 - 1e-9);
        error += ((grades[item] - dot(row, &found)) / (1.0 - leverage)).powi(2) / items.len() as f64;
    }
    let own = &found[2..];
    let middle = own.iter().sum::<f64>() / questions as f64;
    let share = found[1] / questions as f64;
    let weights = (0..questions).map(|place| share + own.get(place).map_or(0.0, |one| one - middle)).collect();
    Some((error, Weights { intercept: found[0], weights }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers to four questions, and grades by given weights with noise.
    fn graded(count: usize, weights: [f64; 4], noise: f64, seed: u64) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut random = Random::for_purpose(seed, "graded");
        let said: Vec<Vec<f64>> = (0..count).map(|_| (0..4).map(|_| random.unit()).collect()).collect();
        let grades = said
            .iter()
            .map(|said| {
                let sum: f64 = said.iter().zip(weights).map(|(said, weight)| said * weight).sum();
                1.0 + sum + noise * (random.unit() + random.unit() - 1.0)
            })
            .collect();
        (said, grades)
    }

    #[test]
    fn weights_are_found_where_questions_differ_and_left_where_they_do_not() {
        let truth = [3.0, 0.0, 1.0, 0.0];
        let (said, grades) = graded(80, truth, 0.5, 1);
        let weights = learn(&said, &grades).unwrap();
        for (found, truth) in weights.weights.iter().zip(truth) {
            assert!((found - truth).abs() < 0.5, "{weights:?}");
        }
        assert!(compared(&said, &grades, 1).unwrap().favours_weights());
        // Equal questions: over many draws the weights are seldom taken, and never do much.
        let mut taken = 0;
        for seed in 0..40 {
            let (said, grades) = graded(40, [1.0; 4], 2.0, seed);
            let compared = compared(&said, &grades, seed).unwrap();
            taken += usize::from(compared.favours_weights());
            assert!(compared.gain < 0.2 * compared.of_mean, "{compared:?}");
        }
        assert!(taken <= 8, "{taken} of 40");
    }

    #[test]
    fn errors_of_items_left_out_are_those_of_leaving_them_out() {
        let (said, grades) = graded(12, [2.0, 0.0, 1.0, 0.5], 0.3, 3);
        let all: Vec<usize> = (0..12).collect();
        let (quick, _) = ridge(&said, &grades, &all, Some(1.0)).unwrap();
        let slow: f64 = (0..12)
            .map(|out| {
                let rest: Vec<usize> = (0..12).filter(|&item| item != out).collect();
                let (_, weights) = ridge(&said, &grades, &rest, Some(1.0)).unwrap();
                (weights.score(&said[out]) - grades[out]).powi(2) / 12.0
            })
            .sum();
        assert!((quick - slow).abs() < 1e-4 * slow, "{quick} {slow}");
    }

    #[test]
    fn ranks_correlate_with_ties_and_an_interval() {
        let (rho, (low, high)) = spearman(&[1.0, 2.0, 2.0, 3.0, 4.0, 5.0], &[1.0, 2.0, 3.0, 3.0, 5.0, 4.0]).unwrap();
        // By the formula of Pearson over mean ranks 1 2.5 2.5 4 5 6 and 1 2 3.5 3.5 6 5.
        assert!((rho - 15.25 / 17.0).abs() < 1e-12, "{rho}");
        assert!(low < rho && rho < high && high < 1.0);
        let rising: Vec<f64> = (0..20).map(f64::from).collect();
        let (rho, (low, high)) = spearman(&rising, &rising).unwrap();
        assert!(rho > 0.999_999 && low > 0.99 && high <= 1.0, "{rho} {low} {high}");
        assert_eq!(spearman(&rising, &[1.0; 20]), None);
        assert_eq!(spearman(&rising[..4], &rising[..4]), None);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_refused() {
        assert!(learn(&[vec![0.5], vec![0.5]], &[1.0, 2.0]).is_err());
        assert!(learn(&[vec![0.5], vec![0.5], vec![0.1, 0.2]], &[1.0, 2.0, 3.0]).is_err());
        assert!(learn(&[vec![0.5], vec![f64::NAN], vec![0.1]], &[1.0, 2.0, 3.0]).is_err());
        assert!(compared(&vec![vec![0.5]; 9], &[1.0; 9], 0).is_err());
        // Nothing varies: the mean grade is all that is left.
        let weights = learn(&vec![vec![0.5, 0.5]; 12], &[2.0; 12]).unwrap();
        assert!((weights.score(&[0.5, 0.5]) - 2.0).abs() < 1e-3, "{weights:?}");
    }
}
