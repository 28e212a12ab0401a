//! What the automatic policy saves, and where another one beats it.

use serde::Serialize;

use super::policy::Policy;
use super::simulate::{Alone, Estimate, Point, percentiles};
use crate::measured::Measured;

/// What the automatic policy saves at the quality of something simpler.
#[derive(Clone, Debug, Serialize)]
pub struct Saving {
    /// What it is compared with.
    pub against: String,
    /// Its quality, which the automatic policy is to reach.
    pub quality: f64,
    /// What a decision costs with it.
    pub cost: f64,
    /// What the automatic policy needs for the same quality, between the budgets that were tried.
    pub automatic: Option<f64>,
    /// The share of the cost that is saved; negative if the automatic policy needs more.
    pub saved: Measured,
}

/// The least cost at which a curve reaches a quality, on straight lines between its points; `None` if it does not.
fn cost_at(curve: &[(f64, f64)], quality: f64) -> Option<f64> {
    let mut curve = curve.to_vec();
    curve.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut before: Option<(f64, f64)> = None;
    for (reached, cost) in curve {
        if reached >= quality - 1e-12 {
            return Some(match before {
                Some((least, cheaper)) if reached > least => {
                    cheaper + (cost - cheaper) * ((quality - least) / (reached - least)).clamp(0.0, 1.0)
                }
                _ => cost,
            });
        }
        // Points that are dearer and worse are not on the way.
        if before.is_none_or(|(least, _)| reached > least) {
            before = Some((reached, cost));
        }
    }
    None
}

pub(super) fn savings(points: &[Point], estimates: &[Estimate], alone: &[Alone], basis: &str) -> Vec<Saving> {
    let of =
        |policy: Policy| -> Vec<usize> { (0..points.len()).filter(|&place| points[place].policy == policy).collect() };
    let automatic = of(Policy::Auto);
    if automatic.is_empty() {
        return Vec::new();
    }
    let best = |places: Vec<usize>| {
        places.into_iter().fold(None, |best: Option<usize>, place| match best {
            Some(best) if estimates[best].value.0 >= estimates[place].value.0 => Some(best),
            _ => Some(place),
        })
    };
    // Halfway between its cheapest and its dearest point a random division shows what a division is worth.
    let halfway = |places: Vec<usize>| {
        let costs = || places.iter().map(|&place| estimates[place].value.1);
        let (low, high) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
        let middle = f64::midpoint(low, high);
        let distance = |place: &usize| (estimates[*place].value.1 - middle).abs();
        places.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let mut found = Vec::new();
    let references = [
        ("best single annotator, chosen on gold", best(of(Policy::Single))),
        ("majority of all machines", best(of(Policy::Majority))),
        ("random split, halfway", halfway(of(Policy::RandomSplit))),
    ];
    for (name, place) in references {
        let Some(place) = place else { continue };
        let reference = &estimates[place];
        found.push(saving(
            name.to_owned(),
            reference.value,
            |sample| reference.resampled[sample],
            &automatic,
            estimates,
            basis,
        ));
    }
    let hindsight =
        alone.iter().filter(|one| !one.person && one.coverage > 0.99).fold(None, |best: Option<&Alone>, one| {
            let quality = |one: &Alone| one.quality.value().unwrap_or(0.0);
            if best.is_some_and(|best| quality(best) >= quality(one)) { best } else { Some(one) }
        });
    if let Some(one) = hindsight {
        let value = (one.quality.value().unwrap_or(0.0), one.price);
        let name = format!("best single machine in hindsight ({})", one.name);
        found.push(saving(name, value, |_| value, &automatic, estimates, basis));
    }
    found
}

fn saving(
    against: String,
    (quality, cost): (f64, f64),
    resampled: impl Fn(usize) -> (f64, f64),
    automatic: &[usize],
    estimates: &[Estimate],
    basis: &str,
) -> Saving {
    let curve: Vec<(f64, f64)> = automatic.iter().map(|&place| estimates[place].value).collect();
    let reached = cost_at(&curve, quality);
    let samples = estimates.first().map_or(0, |one| one.resampled.len());
    let shares: Vec<f64> = (0..samples)
        .map(|sample| {
            let (quality, cost) = resampled(sample);
            let curve: Vec<(f64, f64)> = automatic.iter().map(|&place| estimates[place].resampled[sample]).collect();
            cost_at(&curve, quality).map_or(f64::NEG_INFINITY, |needed| 1.0 - needed / cost.max(1e-12))
        })
        .collect();
    let (low, high) = percentiles(shares);
    let saved = match reached {
        Some(needed) => {
            let value = 1.0 - needed / cost.max(1e-12);
            // Where some resamples do not reach the quality at all, the end is open.
            Measured::known(value, (if low.is_finite() { low.min(value) } else { f64::MIN }, high.max(value)), basis)
        }
        None => Measured::unknown("the automatic policy does not reach this quality within the budgets tried"),
    };
    Saving { against, quality, cost, automatic: reached, saved }
}

/// A point of the automatic policy that another policy's point beats at no higher cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dominated {
    /// The automatic point.
    pub automatic: usize,
    /// The other.
    pub rival: usize,
    /// Whether that also holds when it is taken into account that all pairs were looked at.
    pub simultaneous: bool,
}

/// Automatic points that another policy's point beats at no higher cost: the interval of the difference in quality over
/// the resamples lies above zero.
///
/// Of many pairs some are beyond their own interval by chance. Simultaneous are those whose difference in standard errors
/// exceeds what the largest of all pairs exceeds in 2.5 % of the resamples (the maximum-t bootstrap of Romano and Wolf
/// 2005).
pub(super) fn dominated(points: &[Point], estimates: &[Estimate]) -> Vec<Dominated> {
    let mut pairs: Vec<(Dominated, f64, Vec<f64>)> = Vec::new();
    for (place, point) in points.iter().enumerate().filter(|(_, point)| point.policy == Policy::Auto) {
        for (other, rival) in points.iter().enumerate().filter(|(_, rival)| rival.policy != Policy::Auto) {
            if estimates[other].value.1 > estimates[place].value.1 || rival.budget > point.budget * (1.0 + 1e-9) {
                continue;
            }
            let differences: Vec<f64> =
                estimates[other].resampled.iter().zip(&estimates[place].resampled).map(|(a, b)| a.0 - b.0).collect();
            let difference = estimates[other].value.0 - estimates[place].value.0;
            pairs.push((Dominated { automatic: place, rival: other, simultaneous: false }, difference, differences));
        }
    }
    let errors: Vec<f64> = pairs.iter().map(|(_, _, all)| deviation(all).max(1e-9)).collect();
    let samples = pairs.first().map_or(0, |pair| pair.2.len());
    let largest = (0..samples).map(|sample| {
        pairs.iter().zip(&errors).map(|((_, at, all), error)| (all[sample] - at) / error).fold(0.0, f64::max)
    });
    let beyond = percentiles(largest.collect()).1;
    pairs
        .into_iter()
        .zip(errors)
        .filter(|((_, _, all), _)| percentiles(all.clone()).0 > 0.0)
        .map(|((one, at, _), error)| Dominated { simultaneous: at / error > beyond, ..one })
        .collect()
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_is_reached_between_points() {
        let curve = [(0.5, 1.0), (0.7, 3.0), (0.6, 5.0), (0.9, 7.0)];
        assert_eq!(cost_at(&curve, 0.4), Some(1.0));
        assert!((cost_at(&curve, 0.6).unwrap() - 2.0).abs() < 1e-12);
        assert!((cost_at(&curve, 0.8).unwrap() - 5.0).abs() < 1e-12);
        assert_eq!(cost_at(&curve, 0.95), None);
    }
}
