//! Sets of labels that contain the true one as often as asked.

use serde::Serialize;

use crate::audit::{effective_count, wilson};
use crate::error::{Error, Result};
use crate::measured::Measured;

/// How unlikely a label is for an item, given its probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConformalScore {
    /// One minus the label's probability: the smallest sets on average, empty for items unlike any other.
    #[default]
    LeastAmbiguous,
    /// The probability of the label and of all likelier ones: sets that are larger where the item is harder.
    Adaptive,
    /// The adaptive score plus `penalty` for every label above the first `free` in rank: shorter long sets.
    Regularised {
        /// Added for each further label.
        penalty: f64,
        /// Labels that cost nothing.
        free: usize,
    },
}

/// A rule that makes sets, learnt from gold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetRule {
    /// The score.
    pub score: ConformalScore,
    /// The share of sets that shall contain the truth.
    pub coverage: f64,
    /// The largest score that a label in a set may have: one for all classes, or one per class. Infinite where there
    /// is too little gold to leave any label out.
    pub limits: Vec<f64>,
    /// Gold labels per limit.
    pub gold: Vec<usize>,
}

/// Sets of labels and what is known about them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelSets {
    /// The rule.
    pub rule: SetRule,
    /// The mean number of labels in a set.
    pub mean_size: f64,
    /// Items by the size of their set, from empty upwards.
    pub sizes: Vec<usize>,
    /// The share of items whose set is a single label, which can be accepted.
    pub single: Measured,
    /// What the sets rest on, in a sentence.
    pub basis: String,
    /// The classes of each item's set, ascending.
    #[serde(skip)]
    pub sets: Vec<Vec<u16>>,
}

impl SetRule {
    /// Learns a rule: split conformal prediction (Vovk et al. 2005; least ambiguous sets: Sadinle, Lei and Wasserman
    /// 2019; adaptive: Romano, Sesia and Candes 2020, without randomisation; regularised: Angelopoulos et al. 2021).
    ///
    /// `probabilities` holds `classes` numbers per gold item, `truth` its class, `weights` one over its inclusion
    /// probability if these differ. The sets contain the truth of a further item, drawn like the gold, with probability
    /// at least `coverage`; with `per_class`, of a further item of every class. With unequal weights the further item
    /// counts with the largest weight seen (Tibshirani et al. 2019), which errs on the safe side.
    ///
    /// # Errors
    /// No gold, a class that does not exist, numbers that are no probabilities, a coverage outside (0, 1).
    pub fn learn(
        probabilities: &[f32],
        classes: usize,
        truth: &[u16],
        weights: Option<&[f64]>,
        score: ConformalScore,
        coverage: f64,
        per_class: bool,
    ) -> Result<Self> {
        if !(coverage > 0.0 && coverage < 1.0) {
            return Err(Error::task(format!("expected a coverage between 0 and 1, found {coverage}")));
        }
        check(probabilities, classes, truth.len())?;
        if truth.is_empty() {
            return Err(Error::input("expected gold to learn label sets from, found none")
                .hint("200 gold labels or more, drawn at random, are a good start"));
        }
        if let Some(class) = truth.iter().find(|class| usize::from(**class) >= classes) {
            return Err(Error::input(format!("expected gold classes below {classes}, found {class}")));
        }
        if let Some(weight) = weights.into_iter().flatten().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            return Err(Error::input(format!("expected positive weights, found {weight}")));
        }
        let mut limits = Vec::new();
        let mut gold = Vec::new();
        let mut scores = vec![0.0; classes];
        let groups = if per_class { classes } else { 1 };
        for group in 0..groups {
            let mut found: Vec<(f64, f64)> = Vec::new();
            for (item, &class) in
                truth.iter().enumerate().filter(|(_, class)| !per_class || usize::from(**class) == group)
            {
                score_all(&probabilities[item * classes..][..classes], score, &mut scores);
                found.push((scores[usize::from(class)], weights.map_or(1.0, |weights| weights[item])));
            }
            limits.push(limit(&mut found, coverage));
            gold.push(found.len());
        }
        Ok(Self { score, coverage, limits, gold })
    }

    /// The set of one item, ascending.
    pub fn set(&self, probabilities: &[f32]) -> Vec<u16> {
        let mut scores = vec![0.0; probabilities.len()];
        score_all(probabilities, self.score, &mut scores);
        let limit = |class: usize| if self.limits.len() == 1 { self.limits[0] } else { self.limits[class] };
        // Sums of single-precision probabilities differ in their last digits; the doubt goes to the larger set.
        (0..probabilities.len())
            .filter(|&class| scores[class] <= limit(class) + 1e-6)
            .map(|class| class as u16)
            .collect()
    }
}

/// The sets of all items under a rule.
///
/// # Errors
/// Numbers that are no probabilities.
pub fn label_sets(rule: SetRule, probabilities: &[f32], classes: usize) -> Result<LabelSets> {
    check(probabilities, classes, probabilities.len() / classes.max(1))?;
    let sets: Vec<Vec<u16>> = probabilities.chunks_exact(classes.max(1)).map(|row| rule.set(row)).collect();
    let mut sizes = vec![0; classes + 1];
    for set in &sets {
        sizes[set.len()] += 1;
    }
    let items = sets.len();
    let single = if items == 0 {
        Measured::unknown("no items")
    } else {
        let share = sizes.get(1).copied().unwrap_or(0) as f64 / items as f64;
        Measured::known(share, wilson(share, items as f64), format!("{items} items; the interval is for further ones"))
    };
    let endless = rule.limits.iter().filter(|limit| limit.is_infinite()).count();
    let basis = if endless > 0 {
        let least = (1.0 / (1.0 - rule.coverage) - 1e-9).ceil() as usize - 1;
        format!(
            "{} gold labels; {endless} of {} limits are infinite, so these labels are never left out: each limit needs at \
             least {least} gold labels",
            rule.gold.iter().sum::<usize>(),
            rule.limits.len()
        )
    } else {
        format!("{} gold labels, taken as drawn like the items themselves", rule.gold.iter().sum::<usize>())
    };
    let mean_size = if items == 0 { 0.0 } else { sets.iter().map(Vec::len).sum::<usize>() as f64 / items as f64 };
    Ok(LabelSets { rule, mean_size, sizes, single, basis, sets })
}

impl LabelSets {
    /// How often the sets contain the truth of some items that were not used to learn the rule.
    pub fn coverage(&self, truth: impl Iterator<Item = (u32, u16, f64)>) -> Measured {
        let (mut hit, mut total, mut square, mut count) = (0.0, 0.0, 0.0, 0);
        for (item, class, weight) in truth {
            hit += weight * f64::from(u8::from(self.sets[item as usize].contains(&class)));
            total += weight;
            square += weight * weight;
            count += 1;
        }
        if count == 0 {
            return Measured::unknown("no gold label that the rule was not learnt from");
        }
        let share = hit / total;
        Measured::known(share, wilson(share, effective_count(total, square)), format!("{count} gold labels not used"))
    }
}

fn check(probabilities: &[f32], classes: usize, items: usize) -> Result<()> {
    if classes == 0 || probabilities.len() != items * classes {
        return Err(Error::input(format!(
            "expected {classes} probabilities for each of {items} items, found {}",
            probabilities.len()
        )));
    }
    for (item, row) in probabilities.chunks_exact(classes).enumerate() {
        let sum: f32 = row.iter().sum();
        if row.iter().any(|p| !(0.0..=1.0).contains(p)) || (sum - 1.0).abs() > 0.01 {
            return Err(Error::input(format!(
                "expected probabilities that sum to 1 in row {}, found {row:?}",
                item + 1
            )));
        }
    }
    Ok(())
}

/// The smallest score with at least `coverage` of the weight at or below it, a further item included at infinity.
fn limit(scores: &mut [(f64, f64)], coverage: f64) -> f64 {
    scores.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let largest = scores.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
    let total: f64 = scores.iter().map(|(_, weight)| weight).sum::<f64>() + largest;
    let mut sum = 0.0;
    for (score, weight) in scores {
        sum += *weight;
        // Rounding must not ask for one item more.
        if sum >= coverage * total * (1.0 - 1e-12) {
            return *score;
        }
    }
    f64::INFINITY
}

fn score_all(probabilities: &[f32], score: ConformalScore, out: &mut [f64]) {
    match score {
        ConformalScore::LeastAmbiguous => {
            for (to, p) in out.iter_mut().zip(probabilities) {
                *to = 1.0 - f64::from(*p);
            }
        }
        ConformalScore::Adaptive | ConformalScore::Regularised { .. } => {
            let mut order: Vec<usize> = (0..probabilities.len()).collect();
            order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b)));
            let mut sum = 0.0;
            for (rank, &class) in order.iter().enumerate() {
                sum += f64::from(probabilities[class]);
                out[class] = sum;
                if let ConformalScore::Regularised { penalty, free } = score {
                    out[class] += penalty * (rank + 1).saturating_sub(free) as f64;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Random probabilities and truths drawn from them.
    fn drawn(items: usize, classes: usize, seed: u64) -> (Vec<f32>, Vec<u16>) {
        let mut random = Random::new(seed);
        let mut probabilities = Vec::new();
        let mut truth = Vec::new();
        for _ in 0..items {
            let raw: Vec<f64> = (0..classes).map(|_| random.gamma(0.5) + 1e-6).collect();
            let sum: f64 = raw.iter().sum();
            let (mut pick, mut class) = (random.unit() * sum, 0);
            while class + 1 < classes && pick > raw[class] {
                pick -= raw[class];
                class += 1;
            }
            truth.push(class as u16);
            probabilities.extend(raw.iter().map(|p| (p / sum) as f32));
        }
        (probabilities, truth)
    }

    #[test]
    fn sets_hold_the_truth_as_often_as_asked() {
        let (probabilities, truth) = drawn(4000, 5, 1);
        for (score, per_class) in [
            (ConformalScore::LeastAmbiguous, false),
            (ConformalScore::Adaptive, false),
            (ConformalScore::Regularised { penalty: 0.1, free: 2 }, false),
            (ConformalScore::LeastAmbiguous, true),
        ] {
            let rule =
                SetRule::learn(&probabilities[..5 * 1000], 5, &truth[..1000], None, score, 0.9, per_class).unwrap();
            let sets = label_sets(rule, &probabilities[5 * 1000..], 5).unwrap();
            let rest = truth[1000..].iter().enumerate().map(|(item, &class)| (item as u32, class, 1.0));
            let covered = sets.coverage(rest).value().unwrap();
            assert!((0.87..0.97).contains(&covered), "{score:?} {per_class}: {covered}");
            assert_eq!(sets.sizes.iter().sum::<usize>(), 3000);
        }
    }

    #[test]
    fn little_gold_leaves_no_label_out() {
        let (probabilities, truth) = drawn(8, 3, 2);
        let rule = SetRule::learn(&probabilities, 3, &truth, None, ConformalScore::default(), 0.9, false).unwrap();
        let sets = label_sets(rule, &probabilities, 3).unwrap();
        assert!(sets.sets.iter().all(|set| set.len() == 3) && sets.basis.contains("at least 9"), "{}", sets.basis);
    }

    #[test]
    fn heavier_gold_counts_more() {
        let mut scores: Vec<(f64, f64)> = (1..=99).map(|score| (f64::from(score), 1.0)).collect();
        assert_eq!(limit(&mut scores.clone(), 0.9), 90.0);
        scores.iter_mut().filter(|(score, _)| *score > 80.0).for_each(|(_, weight)| *weight = 5.0);
        assert!(limit(&mut scores, 0.9) > 93.0);
    }

    #[test]
    fn bad_input_is_refused() {
        let learn = |p: &[f32], truth: &[u16], coverage: f64| {
            SetRule::learn(p, 2, truth, None, ConformalScore::default(), coverage, false).unwrap_err().to_string()
        };
        assert!(learn(&[0.5, 0.2], &[0], 0.9).contains("sum to 1 in row 1"));
        assert!(learn(&[0.5, 0.5], &[2], 0.9).contains("below 2"));
        assert!(learn(&[], &[], 0.9).contains("found none"));
        assert!(learn(&[0.5, 0.5], &[1], 1.0).contains("coverage"));
    }
}
