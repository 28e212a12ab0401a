//! Prediction-powered inference.

use super::dsl::{DEPENDENT, Family, Settings, freedom, outcome_dimension, what};
use super::fits::{Fit, beside, square};
use super::formula::Formula;
use super::moments::Link;
use super::predictions::{face_matrix, gold_matrix};
use super::prepare::{Prepared, Sampling, Table};
use super::result::{Estimates, Term, figure, sentence};
use super::sides::Sides;
use crate::distribution::{normal_quantile, student_quantile};
use crate::error::{Error, Result};
use crate::measured::Measured;

/// How much the surrogate counts: 0 is the gold alone, 1 the original method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lambda {
    /// This much.
    Fixed(f64),
    /// As much as makes the variance least, between 0 and 1. For regressions the best weight depends on the
    /// coefficients, which depend on the weight: they are made in this many rounds from a weight of 1.
    Tuned {
        /// At least 1; 2 is enough.
        rounds: usize,
    },
}

impl Default for Lambda {
    fn default() -> Self {
        Self::Tuned { rounds: 2 }
    }
}

/// Prediction-powered inference (Angelopoulos et al. 2023, <https://arxiv.org/abs/2301.09633>; tuned weights from
/// <https://arxiv.org/abs/2311.01453>) for means and regressions whose outcome is predicted: the fit on surrogates of
/// the rows without gold, corrected by what the gold says about their error.
///
/// Assumes that gold is a simple random sample and that the surrogate has not learnt from it. For a mean, `strata`
/// names a column within whose values the gold was drawn at random. Design-based supervised learning
/// ([`regress`](super::regress)) needs neither and is the better default; this is for comparing, and for quantiles.
///
/// # Errors
/// As [`regress`](super::regress), and predicted covariates or unequal probabilities.
pub fn prediction_powered(
    table: &Table,
    formula: &Formula,
    settings: &Settings,
    lambda: Lambda,
    strata: Option<&str>,
) -> Result<Estimates> {
    settings.check()?;
    let prepared = Prepared::new(table, formula)?;
    if prepared.covariates_predicted() {
        return Err(Error::task("prediction-powered inference needs covariates that are known everywhere")
            .hint("use design-based supervised learning, which lets the machine predict covariates too"));
    }
    let dimension = outcome_dimension(&prepared, settings)?;
    let strata = strata.map(|name| stratum_of_rows(table, &prepared, name)).transpose()?;
    if strata.is_none() && matches!(table.sampling, Sampling::Known(_)) {
        let (least, most) =
            prepared.weight.iter().fold((f64::INFINITY, 0.0f64), |(least, most), &w| (least.min(w), most.max(w)));
        if most > least * (1.0 + 1e-9) {
            return Err(Error::task(format!(
                "prediction-powered inference needs equal inclusion probabilities, found {:.4} to {:.4}",
                1.0 / most,
                1.0 / least
            ))
            .hint("use design-based supervised learning, or name the strata within which chances were equal"));
        }
    }
    let sides = Sides::new(&prepared, dimension);
    let critical = critical(&prepared, settings);
    let mean = formula.terms.is_empty() && settings.family == Family::Linear;
    let link = if settings.family == Family::Logistic { Link::Logistic } else { Link::Identity };
    let solved = if mean {
        sides.mean(lambda, strata.as_deref()).map(|(value, error, lambda)| {
            let fit =
                Fit { keep: vec![true], theta: vec![value], covariance: vec![error * error], gold_part: Vec::new() };
            (Ok(fit), lambda)
        })?
    } else {
        if strata.is_some() {
            return Err(Error::task("strata are for means; a regression needs design-based supervised learning"));
        }
        let x = face_matrix(&prepared);
        sides.regression(&x, link, lambda, prepared.intercept)
    };
    let gold_x = gold_matrix(&prepared);
    let (naive, gold_only) = beside(&prepared, dimension, link, &gold_x);
    let basis = format!("{} rows, {} of them with gold drawn at random", prepared.rows, prepared.labelled.len());
    let (fit, lambda) = solved;
    let columns = prepared.design.planned.len();
    let column = |fit: &Result<Fit, String>, column: usize, basis: &str| match fit {
        Err(reason) => Measured::unknown(reason.clone()),
        Ok(fit) => fit.value(column).map_or_else(
            || Measured::unknown(DEPENDENT),
            |(value, error)| figure(value, error, critical, settings.level, basis),
        ),
    };
    let terms: Vec<Term> = (0..columns)
        .map(|place| Term {
            name: if mean {
                format!("mean of {}", formula.outcome)
            } else {
                prepared.design.planned[place].name.clone()
            },
            estimate: column(&fit, place, &basis),
            error: fit.as_ref().ok().and_then(|fit| fit.value(place)).map(|(_, error)| error),
            naive: column(&naive, place, &format!("{} surrogate labels taken at face value", prepared.rows)),
            gold_only: column(&gold_only, place, &format!("{} gold labels alone", prepared.labelled.len())),
        })
        .collect();
    Ok(Estimates {
        method: "prediction-powered inference".to_owned(),
        what: what(settings, formula, &prepared.outcome, dimension),
        rows: prepared.rows,
        labelled: prepared.labelled.len(),
        left_out: prepared.left_out,
        covariance: fit.as_ref().map_or_else(|_| Vec::new(), |fit| square(fit, columns)),
        power: Vec::new(),
        lambda: Some(lambda),
        sentence: sentence(&terms),
        notes: prepared.notes.clone(),
        terms,
    })
}

/// A quantile of an outcome of numbers, by inverting the corrected distribution function.
///
/// # Errors
/// As [`prediction_powered`], and a share outside (0, 1).
pub fn prediction_powered_quantile(
    table: &Table,
    outcome: &str,
    share: f64,
    settings: &Settings,
    lambda: Lambda,
) -> Result<Estimates> {
    settings.check()?;
    if !(share > 0.0 && share < 1.0) {
        return Err(Error::task(format!("expected a quantile between 0 and 1, found {share}")));
    }
    let formula = Formula::mean(outcome);
    let prepared = Prepared::new(table, &formula)?;
    if prepared.outcome.len() > 1 {
        return Err(Error::input(format!("expected numbers in `{}`, found classes", formula.outcome)));
    }
    let sides = Sides::new(&prepared, 0);
    let critical = critical(&prepared, settings);
    let (estimate, error, lambda) = sides.quantile(share, lambda, critical, settings.level, &prepared);
    let classical = sides.quantile(share, Lambda::Fixed(0.0), critical, settings.level, &prepared).0;
    let mut all = sides.surrogate.clone();
    all.extend_from_slice(&sides.unlabelled);
    let naive = Sides { gold: all.clone(), surrogate: all, unlabelled: Vec::new(), ..sides.clone() };
    let naive = naive.quantile(share, Lambda::Fixed(0.0), critical, settings.level, &prepared).0;
    let terms = vec![Term {
        name: format!("{share} quantile of {}", formula.outcome),
        estimate,
        error,
        naive,
        gold_only: classical,
    }];
    Ok(Estimates {
        method: "prediction-powered inference".to_owned(),
        what: "a quantile".to_owned(),
        rows: prepared.rows,
        labelled: prepared.labelled.len(),
        left_out: prepared.left_out,
        covariance: Vec::new(),
        power: Vec::new(),
        lambda: Some(lambda),
        sentence: sentence(&terms),
        notes: prepared.notes.clone(),
        terms,
    })
}

fn critical(prepared: &Prepared, settings: &Settings) -> f64 {
    let p = 0.5 + settings.level / 2.0;
    // The method's own interval is normal; with little gold that is too sure.
    if prepared.labelled.len() < 50 { student_quantile(p, freedom(prepared, 1)) } else { normal_quantile(p) }
}

fn stratum_of_rows(table: &Table, prepared: &Prepared, name: &str) -> Result<Vec<u32>> {
    let values = table.frame.column(name)?.to_classes();
    if prepared.left_out > 0 {
        return Err(Error::input("expected no blank cells when strata are used, found some"));
    }
    match values {
        super::frame::Values::Classes { codes, .. } if codes.iter().all(|&code| code != super::frame::MISSING) => {
            Ok(codes)
        }
        _ => Err(Error::input(format!("expected a stratum in every row of `{name}`, found blanks"))),
    }
}
