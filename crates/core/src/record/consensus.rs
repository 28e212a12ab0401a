//! What several annotators make of a field together.
//!
//! A field can hold anything, so there is no confusion table to learn. Each annotator `a` is taken to be right on field
//! `f` with probability `t(a, f)`, and otherwise to name one of `d` other values, all alike. With the values of an item
//! as candidates, and as many values that nobody named as there are left,
//!
//! ```text
//! P(v) ~ prod over a of (t if a said v, else (1 - t) / d)
//! t(a, f) = (STRENGTH * t(a) + sum of P(what a said)) / (STRENGTH + answers of a on f)
//! ```
//!
//! which is the one-coin model of Dawid and Skene (1979) with an open set of classes, each annotator's skill on a field
//! drawn to its skill on all. Known truths count as certain.

/// What annotators said about one field of one item: annotator and number of the value, which counts from 0 within the
/// item's field.
pub type Said = Vec<(u32, u32)>;

/// Values other than the right one that a wrong answer could be where there is no end of them.
const OPEN: f64 = 10.0;
/// Answers that an annotator's skill on all fields counts for on one.
const STRENGTH: f64 = 4.0;
/// The skill that is expected before anything is known, and the answers it counts for.
const USUAL: (f64, f64) = (0.8, 4.0);
/// Rounds at most, and the change of skills that ends them.
const ROUNDS: usize = 100;
const SETTLED: f64 = 1e-6;

/// What is believed about one field of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Belief {
    /// The number of the likeliest value.
    pub value: u32,
    /// Its probability.
    pub probability: f64,
    /// Of all values that were named, in their order.
    pub all: Vec<f64>,
}

/// What came of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// By decision; `None` where nobody said anything.
    pub beliefs: Vec<Option<Belief>>,
    /// By annotator and field, the skill.
    pub skills: Vec<Vec<f64>>,
}

/// Settles decisions: `said` and `truth` by decision (item after item, field after field), the number of the true value
/// where it is known (a number that nobody said if it is another). `values` says by field how many values there are.
///
/// Cost: rounds x answers. Deterministic; the order of annotators counts only between equals, where the first wins.
pub fn settle(said: &[Said], truth: &[Option<u32>], annotators: usize, values: &[Option<usize>]) -> Settled {
    let fields = values.len().max(1);
    let others: Vec<f64> = values.iter().map(|values| values.map_or(OPEN, |values| (values as f64).max(2.0))).collect();
    let mut skills = vec![vec![USUAL.0; fields]; annotators];
    let mut beliefs: Vec<Option<Belief>> = Vec::new();
    for _ in 0..ROUNDS {
        beliefs = said
            .iter()
            .enumerate()
            .map(|(decision, said)| believe(said, decision % fields, others[decision % fields], &skills))
            .collect();
        let mut sums = vec![vec![(0.0, 0.0); fields]; annotators];
        for (decision, said) in said.iter().enumerate() {
            let Some(belief) = &beliefs[decision] else { continue };
            for &(annotator, value) in said {
                let right = match truth[decision] {
                    Some(truth) => f64::from(u8::from(truth == value)),
                    None => belief.all[value as usize],
                };
                let sum = &mut sums[annotator as usize][decision % fields];
                (sum.0, sum.1) = (sum.0 + right, sum.1 + 1.0);
            }
        }
        let mut change: f64 = 0.0;
        for (skills, sums) in skills.iter_mut().zip(&sums) {
            let all = sums.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
            let mean = (USUAL.0 * USUAL.1 + all.0) / (USUAL.1 + all.1);
            for (skill, sum) in skills.iter_mut().zip(sums) {
                let next = ((STRENGTH * mean + sum.0) / (STRENGTH + sum.1)).clamp(0.01, 0.99);
                change = change.max((next - *skill).abs());
                *skill = next;
            }
        }
        if change < SETTLED {
            break;
        }
    }
    Settled { beliefs, skills }
}

fn believe(said: &Said, field: usize, others: f64, skills: &[Vec<f64>]) -> Option<Belief> {
    let count = said.iter().map(|&(_, value)| value as usize + 1).max()?;
    let mut logs = vec![0.0; count];
    let mut nobody = 0.0;
    for &(annotator, value) in said {
        let skill = skills[annotator as usize][field];
        let wrong = ((1.0 - skill) / others).ln();
        nobody += wrong;
        for (candidate, log) in logs.iter_mut().enumerate() {
            *log += if candidate == value as usize { skill.ln() } else { wrong };
        }
    }
    let unnamed = (others + 1.0 - count as f64).max(0.0);
    let most = logs.iter().copied().fold(nobody, f64::max);
    let mut all: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
    let total: f64 = all.iter().sum::<f64>() + unnamed * (nobody - most).exp();
    all.iter_mut().for_each(|share| *share /= total);
    // Between equals the value of the first annotator wins.
    let mut value = said.first()?.1;
    for &(_, other) in said {
        if all[other as usize] > all[value as usize] + 1e-12 {
            value = other;
        }
    }
    Some(Belief { value, probability: all[value as usize], all })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    #[test]
    fn the_skilled_minority_is_heard_and_skills_are_found() {
        let mut random = Random::new(5);
        let (mut said, mut truths) = (Vec::new(), Vec::new());
        // Annotators 0 and 1 are right in 95 % and 90 %; 2, 3 and 4 in 45 %. Value 0 is true, others are drawn.
        for _ in 0..600 {
            let skills = [0.95, 0.9, 0.45, 0.45, 0.45];
            let mut numbers: Vec<u32> = Vec::new();
            let mut one = Said::new();
            for (annotator, skill) in skills.into_iter().enumerate() {
                let value = if random.unit() < skill { 0 } else { 1 + (random.unit() * 10.0) as u32 };
                let number = numbers.iter().position(|&known| known == value).unwrap_or_else(|| {
                    numbers.push(value);
                    numbers.len() - 1
                });
                one.push((annotator as u32, number as u32));
            }
            truths.push(numbers.iter().position(|&value| value == 0).map(|number| number as u32));
            said.push(one);
        }
        let settled = settle(&said, &vec![None; said.len()], 5, &[None]);
        assert!(
            (settled.skills[0][0] - 0.95).abs() < 0.04 && (settled.skills[2][0] - 0.45).abs() < 0.07,
            "{:?}",
            settled.skills
        );
        let right = settled
            .beliefs
            .iter()
            .zip(&truths)
            .filter(|(belief, truth)| belief.as_ref().map(|one| one.value) == **truth);
        assert!(right.count() > 580);
    }

    #[test]
    fn a_single_answer_is_as_sure_as_its_annotator() {
        let settled = settle(&[vec![(0, 0)], vec![]], &[None, None], 1, &[None]);
        let belief = settled.beliefs[0].as_ref().unwrap();
        assert!((belief.probability - settled.skills[0][0]).abs() < 1e-9);
        assert_eq!(settled.beliefs[1], None);
    }

    proptest! {
        #[test]
        fn probabilities_are_some_and_at_most_one(
            said in proptest::collection::vec(proptest::collection::vec(0..4u32, 0..5), 1..20)
        ) {
            let said: Vec<Said> = said.into_iter().map(|values| (0..).zip(values).collect()).collect();
            let settled = settle(&said, &vec![None; said.len()], 5, &[None, Some(3)]);
            for (belief, said) in settled.beliefs.iter().zip(&said) {
                prop_assert_eq!(belief.is_none(), said.is_empty());
                if let Some(belief) = belief {
                    let total: f64 = belief.all.iter().sum();
                    prop_assert!(belief.probability > 0.0 && total <= 1.0 + 1e-9, "{:?}", belief);
                }
            }
        }
    }
}
