//! What gold says about the share of wrong labels above a threshold: p-values and bounds.

use super::plan::most_forgiven;
use super::promise::{GoldCheck, PromiseSettings};
use crate::distribution::{binomial_cdf, binomial_upper, hypergeometric_cdf};

/// The shares of the largest bet that are tried.
const BETS: [f64; 5] = [0.9, 0.6, 0.35, 0.2, 0.1];

/// How a threshold is tested.
pub(super) enum Test {
    /// A simple random sample.
    Exact { risk: f64 },
    /// Unequal probabilities: the grid of bets.
    Weighted { risk: f64, bets: Vec<f64> },
}

impl Test {
    pub(super) fn new(gold: &[GoldCheck], settings: &PromiseSettings) -> Self {
        let risk = settings.risk;
        let chances = gold.iter().filter_map(|gold| gold.probability);
        let (least, most) = chances.fold((f64::INFINITY, 0.0f64), |(least, most), p| (least.min(p), most.max(p)));
        if !least.is_finite() || most <= least * (1.0 + 1e-6) {
            return Self::Exact { risk };
        }
        // No bet may lose more than there is, even on the rarest kind of item.
        let largest = least / (1.0 - risk);
        Self::Weighted { risk, bets: BETS.map(|share| share * largest).to_vec() }
    }

    pub(super) fn p_value(&self, inside: &[&GoldCheck], wrong: usize, accepted: usize) -> f64 {
        match self {
            Self::Exact { risk } => {
                // The least number of wrong labels that breaks the promise.
                let marked = (risk * accepted as f64 + 1e-9).floor() as u64 + 1;
                hypergeometric_cdf(wrong as u64, accepted as u64, marked.min(accepted as u64), inside.len() as u64)
            }
            Self::Weighted { risk, bets } => {
                let wealth = bets
                    .iter()
                    .map(|bet| {
                        let logarithm: f64 = inside
                            .iter()
                            .map(|gold| {
                                let loss = f64::from(u8::from(gold.wrong)) - risk;
                                (-bet * loss / gold.probability.unwrap_or(1.0)).ln_1p()
                            })
                            .sum();
                        logarithm.exp()
                    })
                    .sum::<f64>()
                    / bets.len() as f64;
                (1.0 / wealth).min(1.0)
            }
        }
    }

    /// About how likely a success is when `error` of the labels are wrong and `count` gold labels are accepted.
    pub(super) fn chance(&self, error: f64, count: f64, level: f64) -> f64 {
        match self {
            Self::Exact { risk } => {
                let count = count.floor() as u64;
                most_forgiven(count, *risk, level).map_or(0.0, |errors| binomial_cdf(errors, count, error))
            }
            Self::Weighted { risk, .. } => {
                let growth = BETS
                    .iter()
                    .map(|bet| error * (-bet).ln_1p() + (1.0 - error) * (bet * risk / (1.0 - risk)).ln_1p())
                    .fold(0.0, f64::max);
                // Unequal weights cost about a third of the sample.
                let reached = 0.7 * growth * count / -(level / BETS.len() as f64).ln();
                (reached - 0.5).clamp(0.0, 1.0)
            }
        }
    }

    pub(super) fn basis(&self, gold: usize) -> String {
        match self {
            Self::Exact { .. } => {
                format!(
                    "{gold} gold labels, taken as a simple random sample of these items; exact hypergeometric tests"
                )
            }
            Self::Weighted { .. } => format!(
                "{gold} gold labels drawn with known, unequal probabilities; tests by weighted betting, valid for \
                 stratified and for independent draws"
            ),
        }
    }
}

/// The weighted share of wrong labels and the effective number of gold labels behind it.
pub(super) fn weighted_risk(inside: &[&GoldCheck]) -> (Option<f64>, f64) {
    let (mut sum, mut total, mut square) = (0.0, 0.0, 0.0);
    for gold in inside {
        let weight = 1.0 / gold.probability.unwrap_or(1.0);
        sum += weight * f64::from(u8::from(gold.wrong));
        total += weight;
        square += weight * weight;
    }
    if total > 0.0 { (Some(sum / total), total * total / square) } else { (None, 0.0) }
}

/// The upper bound of the share of wrong labels, for one threshold by itself.
pub(super) fn upper(inside: &[&GoldCheck], wrong: usize, risk: f64) -> f64 {
    let (share, effective) = weighted_risk(inside);
    match share {
        None => 1.0,
        Some(_) if effective >= inside.len() as f64 * (1.0 - 1e-9) => {
            binomial_upper(wrong as u64, inside.len() as u64, risk)
        }
        Some(share) => {
            let count = effective.floor().max(1.0);
            binomial_upper((share * count).ceil() as u64, count as u64, risk)
        }
    }
}
