//! What a stated confidence is worth.

use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;

/// Confidences are kept this far from 0 and 1.
const MARGIN: f64 = 0.005;
/// Ridge penalties of the slope and of the labels' offsets, in observations.
const SLOPE: f64 = 1.0;
const OFFSET: f64 = 2.0;
const SWEEPS: usize = 60;

/// From the confidence that one annotator states to the probability that its answer is right, learnt on gold.
///
/// A logistic curve (Platt 1999) over the log-odds of the stated confidence with an offset for each label, since many a
/// model is reliable where it says one thing and not where it says another. Offsets and slope are drawn to zero, so that
/// with little gold what is left is the share of right answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfidenceMap {
    intercept: f64,
    slope: f64,
    centre: f64,
    offset: Vec<f64>,
}

fn log_odds(confidence: f64) -> f64 {
    let p = confidence.clamp(MARGIN, 1.0 - MARGIN);
    (p / (1.0 - p)).ln()
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

impl ConfidenceMap {
    /// Learns from answers on gold: confidence, label, and whether it was right. `None` with fewer than ten answers.
    ///
    /// Newton steps along one coefficient at a time on the penalised likelihood, which is concave.
    pub fn fit(seen: &[(f64, Class, bool)], classes: usize) -> Option<Self> {
        if seen.len() < 10 {
            return None;
        }
        let points: Vec<(f64, usize, f64)> = seen
            .iter()
            .map(|&(confidence, label, right)| (log_odds(confidence), usize::from(label), f64::from(u8::from(right))))
            .collect();
        let centre = points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64;
        let mut map = Self { intercept: 0.0, slope: 0.0, centre, offset: vec![0.0; classes] };
        for _ in 0..SWEEPS {
            let before = (map.intercept, map.slope);
            let step = |map: &Self, weight: &dyn Fn(&(f64, usize, f64)) -> f64, value: f64, ridge: f64| {
                let (mut gradient, mut curvature) = (-ridge * value, ridge + 1e-9);
                for point in &points {
                    let times = weight(point);
                    if times != 0.0 {
                        let p = logistic(map.score(point.0, point.1));
                        gradient += times * (point.2 - p);
                        curvature += times * times * (p * (1.0 - p)).max(1e-4);
                    }
                }
                (gradient / curvature).clamp(-2.0, 2.0)
            };
            // Half an answer of either kind keeps a perfect record from running away.
            map.intercept += step(&map, &|_| 1.0, map.intercept, 0.1);
            map.slope += step(&map, &|point| point.0 - centre, map.slope, SLOPE);
            for class in 0..classes {
                let change = step(&map, &|point| f64::from(u8::from(point.1 == class)), map.offset[class], OFFSET);
                map.offset[class] += change;
            }
            if (map.intercept - before.0).abs() + (map.slope - before.1).abs() < 1e-7 {
                break;
            }
        }
        Some(map)
    }

    fn score(&self, log_odds: f64, label: usize) -> f64 {
        self.intercept + self.slope * (log_odds - self.centre) + self.offset.get(label).copied().unwrap_or(0.0)
    }

    /// The probability that an answer is right.
    pub fn right(&self, confidence: f64, label: Class) -> f64 {
        logistic(self.score(log_odds(confidence), usize::from(label)))
    }
}

/// How well a score tells right answers from wrong ones: the area under the receiver operating characteristic, the
/// probability that a right answer scores higher than a wrong one, ties counting half. With the interval of a bootstrap
/// over answers.
///
/// # Errors
/// Scores that are no numbers, or not as many as answers.
pub fn discrimination(scores: &[f64], right: &[bool], seed: u64) -> Result<Measured> {
    const RESAMPLES: usize = 400;
    if scores.len() != right.len() || scores.iter().any(|score| score.is_nan()) {
        return Err(Error::input("expected one score for every answer, found another number or none"));
    }
    let all: Vec<usize> = (0..scores.len()).collect();
    let mut order = all.clone();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Equal scores share a rank.
    let mut rank = vec![0u32; scores.len()];
    let mut ranks = 0u32;
    for (place, &one) in order.iter().enumerate() {
        if place > 0 && scores[one] != scores[order[place - 1]] {
            ranks += 1;
        }
        rank[one] = ranks;
    }
    let area = |sample: &[usize]| -> Option<f64> {
        let mut counts = vec![(0.0f64, 0.0f64); ranks as usize + 1];
        for &one in sample {
            let cell = &mut counts[rank[one] as usize];
            if right[one] { cell.0 += 1.0 } else { cell.1 += 1.0 }
        }
        let (mut below, mut sum, mut good) = (0.0, 0.0, 0.0);
        for (hits, misses) in counts {
            sum += hits * (below + 0.5 * misses);
            below += misses;
            good += hits;
        }
        (good > 0.0 && below > 0.0).then(|| sum / (good * below))
    };
    let Some(value) = area(&all) else { return Ok(Measured::unknown("all answers are right, or all are wrong")) };
    let mut random = Random::for_purpose(seed, "route: discrimination");
    let mut draws: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| area(&(0..scores.len()).map(|_| random.below(scores.len())).collect::<Vec<_>>()))
        .collect();
    draws.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| draws[((draws.len().max(1) - 1) as f64 * share).round() as usize];
    let ends = if draws.is_empty() { (0.0, 1.0) } else { (at(0.025).min(value), at(0.975).max(value)) };
    Ok(Measured::known(value, ends, format!("{} answers with gold, bootstrap", scores.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overconfident_annotator_is_brought_down() {
        let mut random = Random::new(4);
        let seen: Vec<(f64, Class, bool)> = (0..2000)
            .map(|_| {
                let stated = 0.8 + 0.19 * random.unit();
                let label = random.below(2) as Class;
                (stated, label, random.unit() < if label == 0 { 0.9 } else { stated - 0.3 })
            })
            .collect();
        let map = ConfidenceMap::fit(&seen, 2).unwrap();
        assert!((map.right(0.9, 1) - 0.6).abs() < 0.05, "{}", map.right(0.9, 1));
        assert!((map.right(0.9, 0) - 0.9).abs() < 0.05, "{}", map.right(0.9, 0));
        assert!(map.right(0.99, 1) > map.right(0.85, 1));
        assert!(ConfidenceMap::fit(&seen[..9], 2).is_none());
        let always: Vec<_> = (0..50).map(|_| (1.0, 0, true)).collect();
        let sure = ConfidenceMap::fit(&always, 2).unwrap().right(1.0, 0);
        assert!(sure > 0.95 && sure < 1.0, "{sure}");
    }

    #[test]
    fn the_area_is_that_of_all_pairs() {
        let scores = [0.1, 0.4, 0.4, 0.8, 0.9];
        let right = [false, false, true, false, true];
        let mut sum = 0.0;
        for good in [2, 4] {
            for bad in [0, 1, 3] {
                sum += match scores[good].partial_cmp(&scores[bad]).unwrap() {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let found = discrimination(&scores, &right, 1).unwrap();
        assert!((found.value().unwrap() - sum / 6.0).abs() < 1e-12, "{found}");
        assert!(discrimination(&scores, &[true; 5], 1).unwrap().value().is_none());
        assert!(discrimination(&[f64::NAN], &[true], 1).is_err());
    }
}
