//! What an estimate looks like: terms with intervals, beside what naive and gold-only fits would have said.

use std::fmt::Write;

use serde::Serialize;

use crate::measured::Measured;

/// An estimate of one or several quantities from surrogate labels and a gold sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimates {
    /// How it was made, such as `design-based supervised learning`.
    pub method: String,
    /// What was estimated, such as `linear regression of y`.
    pub what: String,
    /// Rows used.
    pub rows: usize,
    /// Rows with gold among them.
    pub labelled: usize,
    /// Rows left out because a cell they need is blank.
    pub left_out: usize,
    /// The terms in the order of the formula.
    pub terms: Vec<Term>,
    /// The covariance of the terms that are known, in their order; `None` beside a term that is not.
    pub covariance: Vec<Vec<Option<f64>>>,
    /// Expected standard errors with more gold.
    pub power: Vec<Power>,
    /// The weight of the surrogate, for prediction-powered inference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// One plain sentence on what the surrogate alone would have said.
    pub sentence: String,
    /// What to be wary of.
    pub notes: Vec<String>,
}

/// One quantity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// The valid estimate.
    pub estimate: Measured,
    /// Its standard error, where it is known.
    pub error: Option<f64>,
    /// What the surrogate taken at face value gives: biased, with an interval that promises too much.
    pub naive: Measured,
    /// What the gold alone gives: unbiased and wide.
    pub gold_only: Measured,
}

/// The standard errors that `times` as many gold labels would give.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Power {
    /// How many times as many as there are.
    pub times: f64,
    /// How many gold labels that is.
    pub labelled: usize,
    /// The expected standard error of each term.
    pub errors: Vec<Option<f64>>,
}

/// The ends of a figure's interval.
pub(super) fn ends(figure: &Measured) -> Option<(f64, f64)> {
    match figure {
        Measured::Known { low, high, .. } => Some((*low, *high)),
        Measured::Unknown { .. } => None,
    }
}

/// An estimate with a symmetric interval.
pub(super) fn figure(value: f64, error: f64, critical: f64, level: f64, basis: &str) -> Measured {
    Measured::Known {
        value,
        low: value - critical * error,
        high: value + critical * error,
        level,
        basis: basis.to_owned(),
    }
}

/// What the naive and the gold-only fit would have said, in one sentence.
pub(super) fn sentence(terms: &[Term]) -> String {
    let known: Vec<&Term> = terms.iter().filter(|term| term.estimate.value().is_some()).collect();
    if known.is_empty() {
        return "nothing could be estimated; the reasons stand beside the terms".to_owned();
    }
    let off = |term: &Term| {
        let ((low, high), naive) = (ends(&term.estimate)?, term.naive.value()?);
        (naive < low || naive > high).then_some(())
    };
    let wrong: Vec<&Term> = known.iter().copied().filter(|term| off(term).is_some()).collect();
    let flipped = wrong
        .iter()
        .filter(|term| {
            let (Some((low, high)), Some(naive)) = (ends(&term.estimate), term.naive.value()) else { return false };
            (low > 0.0 && naive < 0.0) || (high < 0.0 && naive > 0.0)
        })
        .count();
    let mut text = if wrong.is_empty() {
        "the surrogate taken at face value stays inside every valid interval here, which it does not promise".to_owned()
    } else {
        let worst = wrong.iter().copied().max_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(wrong[0]);
        format!(
            "taken at face value the surrogate would mislead about {} of {} terms: `{}` would read {:.3} instead of {}",
            wrong.len(),
            known.len(),
            worst.name,
            worst.naive.value().unwrap_or_default(),
            worst.estimate.brief()
        )
    };
    if flipped > 0 {
        // Writing into a string cannot fail.
        let _ = write!(text, "; {flipped} would have the wrong sign");
    }
    let mut gains: Vec<f64> = known
        .iter()
        .filter_map(|term| {
            let ((low, high), (wide_low, wide_high)) = (ends(&term.estimate)?, ends(&term.gold_only)?);
            (wide_high > wide_low).then(|| (high - low) / (wide_high - wide_low))
        })
        .collect();
    gains.sort_unstable_by(f64::total_cmp);
    if let Some(&middle) = gains.get(gains.len() / 2) {
        let percent = 100.0 * (1.0 - middle);
        if percent >= 1.0 {
            let times = 1.0 / (middle * middle);
            let _ = write!(
                text,
                "; intervals are {percent:.0} % narrower than from the gold alone, as if there were {times:.1} times as much of it"
            );
        } else {
            text.push_str("; the surrogate adds next to nothing to the gold");
        }
    }
    text
}

/// How far the naive value lies from the estimate, in standard errors.
fn distance(term: &Term) -> f64 {
    match (term.estimate.value(), term.naive.value(), term.error) {
        (Some(value), Some(naive), Some(error)) if error > 0.0 => (value - naive).abs() / error,
        _ => 0.0,
    }
}
