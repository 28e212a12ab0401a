//! Whether probabilities are as high as they are right.

use rayon::prelude::*;
use serde::Serialize;

use crate::audit::Tally;
use crate::consensus::temperature::{Known, likeliest_factor};
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;

/// Figures of calibration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Items measured.
    pub items: usize,
    /// The expected calibration error over 15 bins of equal width. Biased upwards in small samples: see `noise`.
    pub error: Measured,
    /// The same over bins of equal numbers of items, with the interval of a bootstrap over items.
    pub error_equal_mass: Measured,
    /// About how large the error looks by chance alone when calibration is perfect.
    pub noise: f64,
    /// The mean negative logarithm of the truth's probability.
    pub log_loss: Measured,
    /// The mean squared distance from the truth, summed over classes.
    pub brier: Measured,
}

/// Bins of the calibration error.
const BINS: usize = 15;
const RESAMPLES: usize = 500;

/// Measures probabilities (`classes` per item) against the truth.
///
/// # Errors
/// No items, or sizes that do not fit.
pub fn calibration(probabilities: &[f32], classes: usize, truth: &[u16], seed: u64) -> Result<Calibration> {
    let rows = rows(probabilities, classes, truth)?;
    let items = truth.len();
    let basis = format!("{items} gold labels");
    let mut tally = Tally::new(classes);
    let mut top: Vec<(f64, f64)> = Vec::with_capacity(items);
    for (row, &class) in rows.iter().zip(truth) {
        let best = (1..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        tally.add(class, best as u16, Some(row), 1.0);
        top.push((f64::from(row[best]), f64::from(u8::from(best == usize::from(class)))));
    }
    let value = equal_mass(&top);
    let mut draws: Vec<f64> = (0..RESAMPLES)
        .into_par_iter()
        .map(|number| {
            let mut random = Random::for_purpose(seed, &format!("calibration {number}"));
            equal_mass(&(0..items).map(|_| top[random.below(items)]).collect::<Vec<_>>())
        })
        .collect();
    draws.sort_unstable_by(f64::total_cmp);
    let ends = (draws[RESAMPLES / 40].min(value), draws[RESAMPLES - 1 - RESAMPLES / 40].max(value));
    Ok(Calibration {
        items,
        error: tally.calibration_error(&basis),
        error_equal_mass: Measured::known(value, ends, format!("{basis}, bootstrap")),
        noise: 0.4 * (BINS as f64 / items as f64).sqrt(),
        log_loss: tally.log_loss(&basis),
        brier: tally.brier(&basis),
    })
}

/// The temperature that makes the truth likeliest when the logarithms of the probabilities are divided by it: above
/// one for probabilities that are too sure.
///
/// The loss is convex in one over the temperature, whose derivative is bisected between 1/50 and 50.
///
/// # Errors
/// As [`calibration`].
pub fn temperature(probabilities: &[f32], classes: usize, truth: &[u16]) -> Result<f64> {
    let rows = rows(probabilities, classes, truth)?;
    let known = rows.iter().zip(truth).map(|(row, &class)| Known { row, class: usize::from(class), weight: 1.0 });
    Ok(1.0 / likeliest_factor(known, 0.0, (0.02, 50.0)))
}

fn rows<'a>(probabilities: &'a [f32], classes: usize, truth: &[u16]) -> Result<Vec<&'a [f32]>> {
    if classes == 0 || truth.is_empty() || probabilities.len() != truth.len() * classes {
        return Err(Error::input(format!(
            "expected {classes} probabilities for each of {} gold labels, found {}",
            truth.len(),
            probabilities.len()
        )));
    }
    if let Some(class) = truth.iter().find(|class| usize::from(**class) >= classes) {
        return Err(Error::input(format!("expected gold classes below {classes}, found {class}")));
    }
    Ok(probabilities.chunks_exact(classes).collect())
}

fn equal_mass(top: &[(f64, f64)]) -> f64 {
    let mut sorted = top.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let items = sorted.len();
    (0..BINS)
        .map(|bin| {
            let part = &sorted[bin * items / BINS..(bin + 1) * items / BINS];
            part.iter().map(|(confidence, right)| confidence - right).sum::<f64>().abs()
        })
        .sum::<f64>()
        / items as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_sure_probabilities_are_found_out() {
        let probabilities: Vec<f32> = (0..1000).flat_map(|_| [0.95f32, 0.05]).collect();
        let truth: Vec<u16> = (0..1000).map(|item| u16::from(item % 10 >= 7)).collect();
        let found = calibration(&probabilities, 2, &truth, 1).unwrap();
        assert!((found.error.value().unwrap() - 0.25).abs() < 1e-6, "{found:?}");
        let heat = temperature(&probabilities, 2, &truth).unwrap();
        // At this temperature 0.95 reads 0.7.
        let odds = (0.95f64 / 0.05).ln() / heat;
        assert!((1.0 / (1.0 + (-odds).exp()) - 0.7).abs() < 1e-4, "{heat}");
        assert!(calibration(&[], 2, &[], 1).is_err() && temperature(&[0.5, 0.5], 2, &[2]).is_err());
    }
}
