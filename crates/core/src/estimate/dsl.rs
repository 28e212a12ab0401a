//! Design-based supervised learning.

use super::algebra::{sandwich, times};
use super::design::Matrix;
use super::fits::{Fit, beside, median, power, square};
use super::formula::Formula;
use super::moments::{Link, Problem, Scaling, Second};
use super::predictions::{face_matrix, features, gold_matrix, predicted_matrix, predictions};
use super::prepare::{Prepared, Table};
use super::result::{Estimates, Term, figure, sentence};
use crate::distribution::student_quantile;
use crate::error::{Error, Result};
use crate::measured::Measured;

/// What is estimated.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Family {
    /// A linear regression (least squares); of an intercept alone it is a mean. An outcome of classes becomes the
    /// indicator of one class.
    #[default]
    Linear,
    /// A logistic regression of a binary outcome.
    Logistic,
}

/// Where the prediction of the gold comes from. Any choice gives valid intervals; a better one gives narrower ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Prediction {
    /// A ridge regression of gold on surrogate and covariates, each row predicted by a model that has not seen it.
    #[default]
    CrossFitted,
    /// The surrogate as it is.
    Surrogate,
    /// Predictions for every row of the table, for a single predicted column with one dimension. They must not have
    /// been learnt from the row's own gold.
    Given(Vec<f64>),
}

/// How an estimate is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is estimated.
    pub family: Family,
    /// The class of the outcome that counts as 1; by default the last of two, in sorted order.
    pub positive: Option<String>,
    /// Where predictions come from.
    pub prediction: Prediction,
    /// Into how many parts the data are dealt for cross-fitting.
    pub folds: usize,
    /// How often that is repeated; estimates are combined by their median.
    pub splits: usize,
    /// The level of the intervals.
    pub level: f64,
    /// Draws the folds.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            family: Family::Linear,
            positive: None,
            prediction: Prediction::CrossFitted,
            folds: 5,
            splits: 10,
            level: 0.95,
            seed: 0,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<()> {
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::task(format!("expected a level between 0 and 1, found {}", self.level)));
        }
        if self.folds < 2 || self.splits < 1 {
            return Err(Error::task("expected at least 2 folds and 1 split"));
        }
        Ok(())
    }
}

/// Regressions with outcomes or covariates (or both) that a machine predicted everywhere and people labelled on a
/// sample with known probabilities: valid whatever the machine gets wrong.
///
/// For every row the estimating function `m` is evaluated at the prediction and, where there is gold, corrected:
/// `m(predicted) + R/pi (m(gold) - m(predicted))`, whose mean equals that of `m(gold)` for any prediction. The moment
/// conditions are solved by least squares or Newton's method; variances are HC0 sandwiches, summed within clusters if
/// there are any; the splits are combined by the median rule (Egami, Hinck, Stewart, Wei, NeurIPS 2023,
/// <https://arxiv.org/abs/2306.04746>). Assumes that gold rows were drawn with the probabilities given and that rows
/// (or clusters) are independent; where gold was chosen otherwise, nothing here holds.
///
/// Time is rows x columns squared x splits; memory is two copies of the matrix.
///
/// # Errors
/// Unknown columns, no or too little gold, probabilities outside (0, 1], an outcome that does not suit the family.
/// What cannot be estimated for another reason (dependent columns, perfect separation) is unknown in the result.
pub fn regress(table: &Table, formula: &Formula, settings: &Settings) -> Result<Estimates> {
    settings.check()?;
    let prepared = Prepared::new(table, formula)?;
    let dimension = outcome_dimension(&prepared, settings)?;
    fit_outcome(&prepared, formula, settings, dimension)
}

/// The share of every class of an outcome, each as the mean of its indicator; a mean if the outcome is a number.
///
/// # Errors
/// As [`regress`].
pub fn shares(table: &Table, outcome: &str, settings: &Settings) -> Result<Estimates> {
    settings.check()?;
    let formula = Formula::mean(outcome);
    let prepared = Prepared::new(table, &formula)?;
    let names = prepared.outcome.clone();
    let mut all: Option<Estimates> = None;
    for (dimension, name) in names.iter().enumerate() {
        let mut one = fit_outcome(&prepared, &formula, settings, dimension)?;
        one.terms[0].name = if name.is_empty() { format!("mean of {}", formula.outcome) } else { name.clone() };
        match &mut all {
            None => all = Some(one),
            Some(all) => {
                all.terms.append(&mut one.terms);
                all.notes.extend(one.notes);
                for (power, more) in all.power.iter_mut().zip(one.power) {
                    power.errors.extend(more.errors);
                }
            }
        }
    }
    let mut all = all.ok_or_else(|| Error::input("expected an outcome with at least one class, found none"))?;
    all.notes.dedup();
    // Shares are estimated one by one.
    all.covariance = (0..all.terms.len())
        .map(|row| {
            let square = all.terms[row].error.map(|error| error * error);
            (0..all.terms.len()).map(|column| if row == column { square } else { None }).collect()
        })
        .collect();
    all.what = if names.len() > 1 { "the share of each class".to_owned() } else { "a mean".to_owned() };
    all.sentence = sentence(&all.terms);
    Ok(all)
}

/// Which dimension of the outcome is the number to explain.
pub(super) fn outcome_dimension(prepared: &Prepared, settings: &Settings) -> Result<usize> {
    let names = &prepared.outcome;
    let listed = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let dimension = match &settings.positive {
        _ if names.len() == 1 && names[0].is_empty() => 0,
        Some(positive) => names.iter().position(|name| name == positive).ok_or_else(|| {
            Error::task(format!("expected one of {} as the class that counts, found `{positive}`", listed()))
        })?,
        None if names.len() == 2 => 1,
        None if names.len() == 1 => 0,
        None => {
            return Err(Error::task(format!("expected an outcome of numbers or two classes, found {}", listed()))
                .hint("name the class that counts as 1; all others count as 0"));
        }
    };
    if settings.family == Family::Logistic {
        let last = prepared.last();
        let outside =
            last.gold[dimension].iter().chain(&last.face[dimension]).find(|value| !(0.0..=1.0).contains(*value));
        if let Some(value) = outside {
            return Err(Error::input(format!(
                "expected an outcome between 0 and 1 for a logistic regression, found {value}"
            ))
            .hint("a linear regression takes any numbers"));
        }
    }
    Ok(dimension)
}

fn fit_outcome(prepared: &Prepared, formula: &Formula, settings: &Settings, dimension: usize) -> Result<Estimates> {
    let link = match settings.family {
        Family::Linear => Link::Identity,
        Family::Logistic => Link::Logistic,
    };
    let columns = prepared.design.planned.len();
    let gold_y = prepared.last().gold[dimension].clone();
    let gold_x = gold_matrix(prepared);
    let (naive, gold_only) = beside(prepared, dimension, link, &gold_x);
    let features = features(prepared);
    let splits = if settings.prediction == Prediction::CrossFitted { settings.splits } else { 1 };
    let fixed_x = (!prepared.covariates_predicted()).then(|| face_matrix(prepared));
    let mut scaled: Option<(Scaling, Vec<bool>, Matrix)> = None;
    let mut fixed_scaled: Option<Matrix> = None;
    let mut fits = Vec::new();
    let mut failure = None;
    let mut too_little = false;
    for split in 0..splits {
        let predictions = predictions(prepared, settings, &features, dimension, split, &mut too_little)?;
        let own;
        let x = if let Some(x) = &fixed_x {
            x
        } else {
            own = predicted_matrix(prepared, &predictions);
            &own
        };
        let (scaling, keep, gold) = scaled.get_or_insert_with(|| {
            // A column counts as dependent only if it is so in both versions of the data.
            let (scaling, keep) = if fixed_x.is_some() {
                Scaling::of(x, prepared.intercept)
            } else {
                let mut both = x.clone();
                both.values.extend_from_slice(&gold_x.values);
                Scaling::of(&both, prepared.intercept)
            };
            let gold = scaling.apply(&gold_x, &keep);
            (scaling, keep, gold)
        });
        let moved;
        let scaled_x = if fixed_x.is_some() {
            &*fixed_scaled.get_or_insert_with(|| scaling.apply(x, keep))
        } else {
            moved = scaling.apply(x, keep);
            &moved
        };
        let y = &predictions[predictions.len() - 1][0];
        let second = Second { place: &prepared.place, x: gold, y: &gold_y, weight: &prepared.weight };
        let problem = Problem {
            x: scaled_x,
            y,
            weight: None,
            second: Some(second),
            clusters: prepared.clusters.as_deref(),
            link,
        };
        match problem.solve() {
            Ok(solution) => {
                let back = scaling.back(keep);
                let size = scaled_x.columns;
                fits.push(Fit {
                    keep: keep.clone(),
                    theta: times(&back, &solution.theta),
                    covariance: sandwich(&back, &solution.covariance, size),
                    gold_part: sandwich(&back, &solution.gold_part, size),
                });
            }
            Err(reason) => failure = Some(reason),
        }
        if too_little {
            break;
        }
    }
    let mut notes = prepared.notes.clone();
    if too_little {
        notes.push("too few gold labels to learn a prediction from: the surrogate is used as it is".to_owned());
    }
    few_differences(prepared, dimension, &mut notes);
    let failed = splits - fits.len();
    if failed > 0 && !fits.is_empty() && !too_little {
        notes.push(format!("{failed} of {splits} splits had no solution and do not count"));
    }
    let combined = if fits.len() * 2 > splits || (too_little && !fits.is_empty()) { Some(median(&fits)) } else { None };
    let basis =
        format!("{} rows, {} of them with gold drawn with known probability", prepared.rows, prepared.labelled.len());
    let failure = failure.unwrap_or_default();
    let freedom = freedom(prepared, combined.as_ref().map_or(columns, |fit| fit.theta.len()));
    let critical = student_quantile(0.5 + settings.level / 2.0, freedom);
    let terms: Vec<Term> = (0..columns)
        .map(|column| {
            let name = prepared.design.planned[column].name.clone();
            let (estimate, error) = match &combined {
                None => (Measured::unknown(failure.clone()), None),
                Some(fit) => match fit.value(column) {
                    Some((value, error)) => (figure(value, error, critical, settings.level, &basis), Some(error)),
                    None => (Measured::unknown(DEPENDENT), None),
                },
            };
            let side = |fit: &Result<Fit, String>, basis: &str, critical: f64| match fit {
                Err(reason) => Measured::unknown(reason.clone()),
                Ok(fit) => match fit.value(column) {
                    Some((value, error)) => figure(value, error, critical, settings.level, basis),
                    None => Measured::unknown(DEPENDENT),
                },
            };
            let naive_basis = format!("{} surrogate labels taken at face value", prepared.rows);
            let gold_basis = format!("{} gold labels alone", prepared.labelled.len());
            let normal = crate::distribution::normal_quantile(0.5 + settings.level / 2.0);
            Term {
                name,
                estimate,
                error,
                naive: side(&naive, &naive_basis, normal),
                gold_only: side(&gold_only, &gold_basis, critical),
            }
        })
        .collect();
    Ok(Estimates {
        method: "design-based supervised learning".to_owned(),
        what: what(settings, formula, &prepared.outcome, dimension),
        rows: prepared.rows,
        labelled: prepared.labelled.len(),
        left_out: prepared.left_out,
        covariance: combined.as_ref().map_or_else(Vec::new, |fit| square(fit, columns)),
        power: combined.as_ref().map_or_else(Vec::new, |fit| power(fit, columns, prepared.labelled.len())),
        lambda: None,
        sentence: sentence(&terms),
        notes,
        terms,
    })
}

/// Why a column has no coefficient.
pub(super) const DEPENDENT: &str =
    "the column is constant or a combination of the columns before it, so its effect cannot be told apart from theirs";

/// The words for what is estimated.
pub(super) fn what(settings: &Settings, formula: &Formula, outcome: &[String], dimension: usize) -> String {
    let family = match settings.family {
        Family::Linear if formula.terms.is_empty() => "mean",
        Family::Linear => "linear regression",
        Family::Logistic => "logistic regression",
    };
    match outcome.get(dimension).filter(|name| !name.is_empty()) {
        Some(class) => format!("{family} of `{}` being `{class}`", formula.outcome),
        None => format!("{family} of `{}`", formula.outcome),
    }
}

/// Degrees of freedom: independent gold units less the columns, or less one when units are clusters.
pub(super) fn freedom(prepared: &Prepared, columns: usize) -> f64 {
    let lost = if prepared.clusters.is_some() { 1 } else { columns };
    prepared.gold_units().saturating_sub(lost).max(1) as f64
}

/// With next to no difference between gold and surrogate the normal interval is too sure.
fn few_differences(prepared: &Prepared, dimension: usize, notes: &mut Vec<String>) {
    let last = prepared.last();
    let binary = last.gold[dimension].iter().all(|value| *value == 0.0 || *value == 1.0);
    let differing = prepared
        .labelled
        .iter()
        .zip(&last.gold[dimension])
        .filter(|(row, gold)| (last.face[dimension][**row as usize] - **gold).abs() > 0.5)
        .count();
    if binary && differing < 5 && !prepared.covariates_predicted() {
        let bound = crate::distribution::binomial_upper(differing as u64, prepared.labelled.len() as u64, 0.05);
        notes.push(format!(
            "only {differing} of {} gold labels differ from the surrogate: the interval may be too narrow, since up to \
             {:.1} % differences cannot be excluded",
            prepared.labelled.len(),
            100.0 * bound
        ));
    }
}
