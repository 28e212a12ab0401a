//! Predictions of gold for every row, and the matrices that come of them.

use super::crossfit::{folds, predict, standardised};
use super::design::Matrix;
use super::dsl::{Prediction, Settings};
use super::prepare::Prepared;
use crate::error::{Error, Result};

/// The matrix with the surrogate at face value.
pub(super) fn face_matrix(prepared: &Prepared) -> Matrix {
    prepared.design.matrix(0..prepared.rows, &|_, _, _, _| None)
}

pub(super) fn predicted_matrix(prepared: &Prepared, predictions: &[Vec<Vec<f64>>]) -> Matrix {
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
pub(super) fn features(prepared: &Prepared) -> Matrix {
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
pub(super) fn predictions(
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
