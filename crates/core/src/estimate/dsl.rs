//! Design-based supervised learning.

use super::algebra::{sandwich, times};
use super::crossfit::{folds, predict, standardised};
use super::design::Matrix;
use super::formula::Formula;
use super::moments::{Link, Problem, Scaling, Second};
use super::prepare::{Prepared, Table};
use super::result::{Estimates, Power, Term, figure, sentence};
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

/// Coefficients and their covariance on the scale of the columns; `None` for columns that depend on others.
pub(super) struct Fit {
    pub(super) keep: Vec<bool>,
    pub(super) theta: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    pub(super) gold_part: Vec<f64>,
}

impl Fit {
    fn place(&self, column: usize) -> Option<usize> {
        self.keep[column].then(|| self.keep[..column].iter().filter(|keep| **keep).count())
    }

    pub(super) fn value(&self, column: usize) -> Option<(f64, f64)> {
        let place = self.place(column)?;
        let size = self.theta.len();
        Some((self.theta[place], self.covariance[place * size + place].max(0.0).sqrt()))
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

/// The matrix with the surrogate at face value.
pub(super) fn face_matrix(prepared: &Prepared) -> Matrix {
    prepared.design.matrix(0..prepared.rows, &|_, _, _, _| None)
}

fn predicted_matrix(prepared: &Prepared, predictions: &[Vec<Vec<f64>>]) -> Matrix {
    prepared.design.matrix(0..prepared.rows, &|variable, dimension, row, _| {
        let number = prepared.predicted.iter().position(|one| one.variable == Some(variable))?;
        Some(predictions[number][dimension][row])
    })
}

/// The matrix of the labelled rows with gold values.
pub(super) fn gold_matrix(prepared: &Prepared) -> Matrix {
    prepared.design.matrix(prepared.labelled.iter().map(|&row| row as usize), &|variable, dimension, _, position| {
        let number = prepared.predicted.iter().position(|one| one.variable == Some(variable))?;
        Some(prepared.predicted[number].gold[dimension][position])
    })
}

/// What predictions are made from: all surrogates and all known covariates.
fn features(prepared: &Prepared) -> Matrix {
    let mut columns: Vec<&[f64]> = Vec::new();
    for predicted in &prepared.predicted {
        // One of two indicators says it all.
        let skip = usize::from(predicted.face.len() > 1);
        columns.extend(predicted.face.iter().skip(skip).map(Vec::as_slice));
    }
    for (number, variable) in prepared.design.variables.iter().enumerate() {
        if prepared.predicted.iter().all(|predicted| predicted.variable != Some(number)) {
            let skip = usize::from(variable.values.len() > 1);
            columns.extend(variable.values.iter().skip(skip).map(Vec::as_slice));
        }
    }
    standardised(&columns, prepared.rows)
}

/// Predictions of every predicted variable, per dimension; of the outcome the chosen dimension alone.
fn predictions(
    prepared: &Prepared,
    settings: &Settings,
    features: &Matrix,
    dimension: usize,
    split: usize,
    too_little: &mut bool,
) -> Result<Vec<Vec<Vec<f64>>>> {
    let last = prepared.predicted.len() - 1;
    let face = |number: usize, dimension: usize| prepared.predicted[number].face[dimension].clone();
    let wanted = |number: usize| {
        if number == last { dimension..dimension + 1 } else { 0..prepared.predicted[number].face.len() }
    };
    match &settings.prediction {
        Prediction::Surrogate => {
            Ok((0..=last).map(|number| wanted(number).map(|one| face(number, one)).collect()).collect())
        }
        Prediction::Given(given) => {
            if given.len() != prepared.rows || last > 1 || (last == 1 && prepared.predicted[0].face.len() > 1) {
                return Err(Error::task("given predictions fit a single predicted column without blanks"));
            }
            // With a predicted covariate the outcome is known.
            Ok(match last {
                0 => vec![vec![given.clone()]],
                _ => vec![vec![given.clone()], vec![face(last, dimension)]],
            })
        }
        Prediction::CrossFitted => {
            let parts = settings.folds.min(prepared.gold_units()).max(2);
            let fold = folds(prepared.rows, prepared.clusters.as_deref(), parts, settings.seed, split);
            let mut all = Vec::new();
            for (number, predicted) in prepared.predicted.iter().enumerate() {
                let mut dimensions = Vec::new();
                for one in wanted(number) {
                    // What is known everywhere needs no prediction.
                    let known = prepared
                        .labelled
                        .iter()
                        .zip(&predicted.gold[one])
                        .all(|(row, gold)| predicted.face[one][*row as usize] == *gold)
                        && number == last
                        && last > 0;
                    let made = if known {
                        None
                    } else {
                        let made = predict(features, &prepared.labelled, &predicted.gold[one], &fold, parts);
                        *too_little |= made.is_none();
                        made
                    };
                    dimensions.push(made.unwrap_or_else(|| face(number, one)));
                }
                all.push(dimensions);
            }
            Ok(all)
        }
    }
}

/// The naive fit and the fit on gold alone.
pub(super) fn beside(
    prepared: &Prepared,
    dimension: usize,
    link: Link,
    gold_x: &Matrix,
) -> (Result<Fit, String>, Result<Fit, String>) {
    let last = prepared.last();
    let naive = plain(
        &face_matrix(prepared),
        &last.face[dimension],
        None,
        prepared.clusters.as_deref(),
        link,
        prepared.intercept,
    );
    let clusters: Option<Vec<u32>> =
        prepared.clusters.as_ref().map(|all| renumbered(prepared.labelled.iter().map(|&row| all[row as usize])));
    let gold =
        plain(gold_x, &last.gold[dimension], Some(&prepared.weight), clusters.as_deref(), link, prepared.intercept);
    (naive, gold)
}

/// Cluster numbers without gaps.
fn renumbered(clusters: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers = std::collections::BTreeMap::new();
    clusters
        .map(|cluster| {
            let next = numbers.len() as u32;
            *numbers.entry(cluster).or_insert(next)
        })
        .collect()
}

/// A weighted fit of one version of the data.
pub(super) fn plain(
    x: &Matrix,
    y: &[f64],
    weight: Option<&[f64]>,
    clusters: Option<&[u32]>,
    link: Link,
    intercept: Option<usize>,
) -> Result<Fit, String> {
    let (scaling, keep) = Scaling::of(x, intercept);
    let scaled = scaling.apply(x, &keep);
    if scaled.columns == 0 {
        return Err(DEPENDENT.to_owned());
    }
    if scaled.columns > y.len() {
        return Err(format!("{} rows cannot tell {} columns apart", y.len(), scaled.columns));
    }
    let solution = Problem { x: &scaled, y, weight, second: None, clusters, link }.solve()?;
    let back = scaling.back(&keep);
    Ok(Fit {
        theta: times(&back, &solution.theta),
        covariance: sandwich(&back, &solution.covariance, scaled.columns),
        gold_part: Vec::new(),
        keep,
    })
}

/// The median rule over splits: the median coefficient, and the median of the variance plus the squared distance from
/// it, so that the randomness of the split is part of the error.
fn median(fits: &[Fit]) -> Fit {
    let size = fits[0].theta.len();
    let middle = |values: &mut Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        let half = values.len() / 2;
        if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
    };
    let theta: Vec<f64> =
        (0..size).map(|place| middle(&mut fits.iter().map(|fit| fit.theta[place]).collect())).collect();
    let mut covariance = vec![0.0; size * size];
    let mut gold_part = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..size {
            let place = row * size + column;
            let moved = |fit: &Fit| (fit.theta[row] - theta[row]) * (fit.theta[column] - theta[column]);
            covariance[place] = middle(&mut fits.iter().map(|fit| fit.covariance[place] + moved(fit)).collect());
            gold_part[place] = middle(&mut fits.iter().map(|fit| fit.gold_part[place]).collect());
        }
    }
    Fit { keep: fits[0].keep.clone(), theta, covariance, gold_part }
}

/// The covariance with a place for every column.
pub(super) fn square(fit: &Fit, columns: usize) -> Vec<Vec<Option<f64>>> {
    let size = fit.theta.len();
    (0..columns)
        .map(|row| {
            (0..columns).map(|column| Some(fit.covariance[fit.place(row)? * size + fit.place(column)?])).collect()
        })
        .collect()
}

/// Standard errors with up to ten times the gold: the part of the variance that comes from gold shrinks with it.
fn power(fit: &Fit, columns: usize, labelled: usize) -> Vec<Power> {
    let size = fit.theta.len();
    [1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0]
        .into_iter()
        .map(|times| Power {
            times,
            labelled: (labelled as f64 * times).round() as usize,
            errors: (0..columns)
                .map(|column| {
                    let place = fit.place(column)? * (size + 1);
                    let (all, gold) = (fit.covariance[place], fit.gold_part[place].min(fit.covariance[place]));
                    Some((gold / times + all - gold).max(0.0).sqrt())
                })
                .collect(),
        })
        .collect()
}
