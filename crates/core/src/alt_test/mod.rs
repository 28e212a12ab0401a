//! May this machine replace a human annotator? The alternative annotator test.
//!
//! Every human is left out in turn, and human and machine are scored against the remaining humans on the items that
//! human labelled. The machine may replace that human if it is, within a discount `epsilon` for being cheaper, at least
//! as often as good; it passes if that holds for at least half of the humans, with the false discovery rate controlled
//! (Calderon, Reichart, Dror, ACL 2025, <https://arxiv.org/abs/2501.10970>).
//!
//! Assumes that items are a random sample of those the machine shall label and that humans work independently. Where
//! all differences of a human are equal, the t test is undefined: the reference leaves such a human unrejected; here
//! the p-value is 0 if the constant is below epsilon and 1 otherwise, and the human is marked.

mod rank;

use rayon::prelude::*;
use serde::Serialize;

use crate::distribution::{normal_quantile, student_cdf};
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;

/// How an answer is scored against those of the remaining humans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoring {
    /// The share of the remaining humans who gave the same answer.
    #[default]
    Accuracy,
    /// Minus the root of the mean squared difference, for answers that are numbers.
    NegativeRmse,
}

/// How the test is made. The defaults are those of its authors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AltTestSettings {
    /// How answers are scored.
    pub scoring: Scoring,
    /// What the machine's lower cost is worth: 0.2 for trusted experts, 0.15 for skilled annotators, 0.1 for a crowd.
    pub epsilon: f64,
    /// The false discovery rate over humans.
    pub rate: f64,
    /// The least humans an item needs.
    pub least_humans: usize,
    /// The least items a human needs; others are set aside. Humans with fewer than 30 items are tested with Wilcoxon's
    /// signed-rank test in place of the t test.
    pub least_items: usize,
    /// Resamples of the items for the interval of the advantage probability.
    pub resamples: usize,
    /// The level of that interval.
    pub level: f64,
    /// Draws the resamples.
    pub seed: u64,
}

impl Default for AltTestSettings {
    fn default() -> Self {
        Self {
            scoring: Scoring::Accuracy,
            epsilon: 0.2,
            rate: 0.05,
            least_humans: 2,
            least_items: 30,
            resamples: 2000,
            level: 0.95,
            seed: 0,
        }
    }
}

/// Below this many items Wilcoxon's test takes the place of the t test.
const FEW_ITEMS: usize = 30;
/// With this chance a difference shall be found, when needs are planned.
const POWER: f64 = 0.8;

/// The answers of humans and of one machine. An answer is a number: the code of a class, or the number itself.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// For each human, item and answer, each item at most once.
    pub humans: Vec<Vec<(u32, f64)>>,
    /// The machine's.
    pub machine: Vec<(u32, f64)>,
}

/// What the test says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AltTest {
    /// The discount.
    pub epsilon: f64,
    /// The share of humans whom the machine may replace; unknown if nobody could be tested.
    pub winning_rate: Option<f64>,
    /// Whether that is at least half; `None` if nobody could be tested.
    pub passed: Option<bool>,
    /// The chance that the machine is at least as good as a human, averaged over humans: what machines are compared by.
    pub advantage: Measured,
    /// Each human, in the order given.
    pub humans: Vec<HumanTest>,
    /// What it would take to see a pass.
    pub power: Option<AltPower>,
    /// Why nobody could be tested.
    pub untestable: Option<String>,
}

/// The comparison with one human.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HumanTest {
    /// Items on which it rests.
    pub items: usize,
    /// How often the machine was at least as good.
    pub machine_wins: f64,
    /// How often the human was at least as good.
    pub human_wins: f64,
    /// The p-value of "the human's advantage is at least epsilon".
    pub p_value: Option<f64>,
    /// Which test it is.
    pub test: HumanTestKind,
    /// Whether the machine may replace this human.
    pub replaceable: bool,
    /// The largest advantage of the human at which the test would still find the machine good enough, four times in
    /// five; below zero where the machine must be better.
    pub largest_gap: Option<f64>,
    /// Items needed to find the machine good enough, four times in five, at the difference observed; `None` where the
    /// difference is not below epsilon.
    pub items_needed: Option<usize>,
}

/// How a human was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HumanTestKind {
    /// Student's t.
    Student,
    /// Wilcoxon's signed rank, exact.
    Wilcoxon,
    /// All differences are equal: decided without a test.
    Constant,
    /// Too few items: set aside.
    TooFew,
}

/// What it would take to see a pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AltPower {
    /// How many humans must be replaceable for a pass.
    pub humans_for_a_pass: usize,
    /// The level at which the last of these is tested.
    pub level: f64,
    /// The largest advantage of a human, as a middle one of those needed has it, that leads to a pass four times in
    /// five; below zero where the machine must be better.
    pub largest_gap: f64,
    /// Items each human would need for a pass at the differences observed; `None` where more items do not help.
    pub items_needed: Option<usize>,
}

/// Tests a machine against a panel of humans.
///
/// Time is answers x humans per item, plus answers x resamples for the interval.
///
/// # Errors
/// An item answered twice by the same annotator, or settings out of range. Too little overlap is no error but said in
/// the result.
pub fn alternative_test(panel: &Panel, settings: &AltTestSettings) -> Result<AltTest> {
    check(panel, settings)?;
    let mut comparisons: Vec<Vec<(u32, f64, f64)>> = compare(panel, settings);
    let items = panel.humans.iter().flatten().map(|(item, _)| *item as usize + 1).max().unwrap_or(0);
    let mut humans: Vec<HumanTest> = comparisons.iter().map(|differences| test(differences, settings)).collect();
    let tested: Vec<usize> = (0..humans.len()).filter(|&human| humans[human].p_value.is_some()).collect();
    let m = tested.len();
    let harmonic: f64 = (1..=m).map(|k| 1.0 / k as f64).sum();
    let limit = |rank: usize| rank as f64 * settings.rate / (m as f64 * harmonic);
    // Benjamini and Yekutieli 2001: valid for any dependence between the humans.
    let mut sorted: Vec<f64> = tested.iter().filter_map(|&human| humans[human].p_value).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let rejected = (1..=m).rev().find(|&rank| sorted[rank - 1] <= limit(rank)).unwrap_or(0);
    if rejected > 0 {
        let threshold = sorted[rejected - 1];
        for human in &mut humans {
            human.replaceable = human.p_value.is_some_and(|p| p <= threshold);
        }
    }
    if m == 0 {
        let most = humans.iter().map(|human| human.items).max().unwrap_or(0);
        return Ok(AltTest {
            epsilon: settings.epsilon,
            winning_rate: None,
            passed: None,
            advantage: Measured::unknown("no human shares enough items with another human and the machine"),
            power: None,
            untestable: Some(format!(
                "not testable: every human needs {} items that another human and the machine labelled too; the most that one has is {most}",
                settings.least_items
            )),
            humans,
        });
    }
    let needed = m.div_ceil(2);
    let level = limit(needed);
    plan(&mut humans, &comparisons, level, settings.epsilon);
    let power = power(&humans, &tested, needed, level);
    let winning_rate = rejected as f64 / m as f64;
    for (human, differences) in humans.iter().zip(&mut comparisons) {
        if human.p_value.is_none() {
            differences.clear();
        }
    }
    let value = tested.iter().map(|&human| humans[human].machine_wins).sum::<f64>() / m as f64;
    let (low, high) = interval(&comparisons, items, value, settings);
    let pairs: usize = comparisons.iter().map(Vec::len).sum();
    Ok(AltTest {
        epsilon: settings.epsilon,
        winning_rate: Some(winning_rate),
        passed: Some(winning_rate >= 0.5),
        advantage: Measured::Known {
            value,
            low,
            high,
            level: settings.level,
            basis: format!("{pairs} comparisons with {m} humans, items resampled"),
        },
        humans,
        power,
        untestable: None,
    })
}

fn check(panel: &Panel, settings: &AltTestSettings) -> Result<()> {
    let open = |value: f64| value > 0.0 && value < 1.0;
    if !open(settings.rate) || !open(settings.level) {
        return Err(Error::task("expected a rate and a level between 0 and 1"));
    }
    if !settings.epsilon.is_finite() || settings.epsilon.abs() >= 1.0 {
        return Err(Error::task(format!("expected an epsilon between -1 and 1, found {}", settings.epsilon)));
    }
    for (number, answers) in panel.humans.iter().chain([&panel.machine]).enumerate() {
        let mut items: Vec<u32> = answers.iter().map(|(item, _)| *item).collect();
        items.sort_unstable();
        if let Some(item) = items.windows(2).find_map(|pair| (pair[0] == pair[1]).then_some(pair[0])) {
            let who = if number < panel.humans.len() { format!("human {number}") } else { "the machine".to_owned() };
            return Err(Error::input(format!("expected one answer per item, found two of {who} about item {item}"))
                .hint("keep the first or the last answer of an annotator about an item"));
        }
    }
    Ok(())
}

/// For each human and item, whether the machine, and whether the human, was at least as good.
fn compare(panel: &Panel, settings: &AltTestSettings) -> Vec<Vec<(u32, f64, f64)>> {
    let items = panel.humans.iter().chain([&panel.machine]).flatten().map(|(item, _)| *item as usize + 1).max();
    let items = items.unwrap_or(0);
    let mut of_item: Vec<Vec<(u32, f64)>> = vec![Vec::new(); items];
    for (human, answers) in panel.humans.iter().enumerate() {
        for &(item, answer) in answers {
            of_item[item as usize].push((human as u32, answer));
        }
    }
    let mut said: Vec<Option<f64>> = vec![None; items];
    for &(item, answer) in &panel.machine {
        said[item as usize] = Some(answer);
    }
    let score = |answer: f64, human: usize, item: usize| {
        let others = of_item[item].iter().filter(|(other, _)| *other as usize != human).map(|(_, other)| *other);
        let count = (of_item[item].len() - 1) as f64;
        match settings.scoring {
            Scoring::Accuracy => others.filter(|other| *other == answer).count() as f64 / count,
            Scoring::NegativeRmse => -(others.map(|other| (other - answer).powi(2)).sum::<f64>() / count).sqrt(),
        }
    };
    panel
        .humans
        .iter()
        .enumerate()
        .map(|(human, answers)| {
            answers
                .iter()
                .filter(|(item, _)| of_item[*item as usize].len() >= settings.least_humans.max(2))
                .filter_map(|&(item, answer)| {
                    let machine = score(said[item as usize]?, human, item as usize);
                    let person = score(answer, human, item as usize);
                    Some((item, f64::from(u8::from(machine >= person)), f64::from(u8::from(person >= machine))))
                })
                .collect()
        })
        .collect()
}

/// Mean and standard deviation of the human's advantage.
fn spread(differences: &[(u32, f64, f64)]) -> (f64, f64) {
    let n = differences.len() as f64;
    let mean = differences.iter().map(|(_, machine, human)| human - machine).sum::<f64>() / n;
    let square = differences.iter().map(|(_, machine, human)| (human - machine - mean).powi(2)).sum::<f64>();
    (mean, if n > 1.0 { (square / (n - 1.0)).sqrt() } else { 0.0 })
}

fn test(differences: &[(u32, f64, f64)], settings: &AltTestSettings) -> HumanTest {
    let n = differences.len();
    let share = |part: fn(&(u32, f64, f64)) -> f64| {
        if n == 0 { 0.0 } else { differences.iter().map(part).sum::<f64>() / n as f64 }
    };
    let (kind, p_value) = if n < settings.least_items.max(1) {
        (HumanTestKind::TooFew, None)
    } else {
        let (mean, deviation) = spread(differences);
        if differences.iter().all(|(_, machine, human)| human - machine == mean) {
            (HumanTestKind::Constant, Some(f64::from(u8::from(mean >= settings.epsilon))))
        } else if n < FEW_ITEMS {
            let values: Vec<f64> =
                differences.iter().map(|(_, machine, human)| human - machine - settings.epsilon).collect();
            (HumanTestKind::Wilcoxon, Some(rank::wilcoxon_less(&values)))
        } else {
            let t = (mean - settings.epsilon) / (deviation / (n as f64).sqrt());
            (HumanTestKind::Student, Some(student_cdf(t, n as f64 - 1.0)))
        }
    };
    HumanTest {
        items: n,
        machine_wins: share(|one| one.1),
        human_wins: share(|one| one.2),
        p_value,
        test: kind,
        replaceable: false,
        largest_gap: None,
        items_needed: None,
    }
}

/// Adds to each human what would be found, and what would be needed.
fn plan(humans: &mut [HumanTest], comparisons: &[Vec<(u32, f64, f64)>], level: f64, epsilon: f64) {
    let reach = normal_quantile(1.0 - level) + normal_quantile(POWER);
    for (human, differences) in humans.iter_mut().zip(comparisons) {
        if human.p_value.is_none() {
            continue;
        }
        let (mean, deviation) = spread(differences);
        let gap = epsilon - reach * deviation / (human.items as f64).sqrt();
        human.largest_gap = Some(gap);
        human.items_needed = (mean < epsilon).then(|| {
            let needed = (reach * deviation / (epsilon - mean)).powi(2).ceil();
            (needed as usize).max(2)
        });
    }
}

fn power(humans: &[HumanTest], tested: &[usize], needed: usize, level: f64) -> Option<AltPower> {
    let mut gaps: Vec<f64> = tested.iter().filter_map(|&human| humans[human].largest_gap).collect();
    gaps.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut items: Vec<usize> = tested.iter().filter_map(|&human| humans[human].items_needed).collect();
    items.sort_unstable();
    Some(AltPower {
        humans_for_a_pass: needed,
        level,
        largest_gap: *gaps.get(needed - 1)?,
        items_needed: items.get(needed - 1).copied(),
    })
}

/// The interval of the advantage probability: items are drawn again with replacement, whole, with all their answers.
fn interval(comparisons: &[Vec<(u32, f64, f64)>], items: usize, value: f64, settings: &AltTestSettings) -> (f64, f64) {
    let mut present = vec![false; items];
    comparisons.iter().flatten().for_each(|(item, _, _)| present[*item as usize] = true);
    let population: Vec<u32> = (0..items as u32).filter(|&item| present[item as usize]).collect();
    let mut draws: Vec<f64> = (0..settings.resamples)
        .into_par_iter()
        .map(|number| {
            let mut random = Random::for_purpose(settings.seed, &format!("alternative annotators {number}"));
            let mut times = vec![0u32; items];
            for _ in 0..population.len() {
                times[population[random.below(population.len())] as usize] += 1;
            }
            let (mut sum, mut count) = (0.0, 0.0);
            for differences in comparisons.iter().filter(|differences| !differences.is_empty()) {
                let (mut wins, mut weight) = (0.0, 0.0);
                for (item, machine, _) in differences {
                    let times = f64::from(times[*item as usize]);
                    wins += times * machine;
                    weight += times;
                }
                if weight > 0.0 {
                    sum += wins / weight;
                    count += 1.0;
                }
            }
            if count > 0.0 { sum / count } else { value }
        })
        .collect();
    if draws.is_empty() {
        return (0.0, 1.0);
    }
    draws.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| draws[((draws.len() - 1) as f64 * share).round() as usize];
    let tail = (1.0 - settings.level) / 2.0;
    (at(tail).min(value), at(1.0 - tail).max(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(humans: usize, items: u32, machine_right: impl Fn(u32) -> bool) -> Panel {
        let human = |human: u32| (0..items).map(|item| (item, f64::from((item + human).is_multiple_of(7)))).collect();
        Panel {
            humans: (0..humans as u32).map(human).collect(),
            machine: (0..items).map(|item| (item, if machine_right(item) { 0.0 } else { 2.0 })).collect(),
        }
    }

    #[test]
    fn a_good_machine_passes_and_a_bad_one_does_not() {
        let settings = AltTestSettings::default();
        let good = alternative_test(&panel(3, 100, |_| true), &settings).unwrap();
        assert_eq!((good.winning_rate, good.passed), (Some(1.0), Some(true)), "{good:?}");
        let Measured::Known { value, low, high, .. } = good.advantage else { panic!() };
        assert!(low <= value && value <= high && low > 0.7);
        let bad = alternative_test(&panel(3, 100, |item| item % 3 == 0), &settings).unwrap();
        assert_eq!((bad.winning_rate, bad.passed), (Some(0.0), Some(false)));
        assert!(bad.power.unwrap().items_needed.is_none(), "more items do not help a bad machine");
    }

    #[test]
    fn little_overlap_is_said() {
        let result = alternative_test(&panel(3, 12, |_| true), &AltTestSettings::default()).unwrap();
        assert!(result.passed.is_none() && result.untestable.unwrap().contains("30 items"));
        let alone = alternative_test(&panel(1, 100, |_| true), &AltTestSettings::default()).unwrap();
        assert!(alone.passed.is_none() && alone.humans[0].items == 0);
        let small = AltTestSettings { least_items: 5, ..AltTestSettings::default() };
        let result = alternative_test(&panel(3, 12, |_| true), &small).unwrap();
        assert!(result.humans.iter().all(|human| human.test == HumanTestKind::Wilcoxon));
    }

    #[test]
    fn equal_differences_are_decided_and_marked() {
        let same = Panel {
            humans: vec![(0..40).map(|item| (item, 1.0)).collect(); 2],
            machine: (0..40).map(|item| (item, 1.0)).collect(),
        };
        let result = alternative_test(&same, &AltTestSettings::default()).unwrap();
        assert!(result.humans.iter().all(|human| human.test == HumanTestKind::Constant && human.p_value == Some(0.0)));
        assert_eq!(result.passed, Some(true));
        let strict = AltTestSettings { epsilon: 0.0, ..AltTestSettings::default() };
        assert_eq!(alternative_test(&same, &strict).unwrap().passed, Some(false), "no advantage is not below zero");
    }

    #[test]
    fn a_second_answer_is_refused() {
        let mut twice = panel(2, 40, |_| true);
        twice.humans[1].push((3, 1.0));
        assert!(alternative_test(&twice, &AltTestSettings::default()).unwrap_err().to_string().contains("human 1"));
    }
}
