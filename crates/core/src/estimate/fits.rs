//! Fits: naive, on gold alone, and the median of several splits; what more gold would bring.

use super::algebra::{sandwich, times};
use super::design::Matrix;
use super::dsl::DEPENDENT;
use super::moments::{Link, Problem, Scaling};
use super::predictions::face_matrix;
use super::prepare::Prepared;
use super::result::Power;

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
pub(super) fn median(fits: &[Fit]) -> Fit {
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
pub(super) fn power(fit: &Fit, columns: usize, labelled: usize) -> Vec<Power> {
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
