//! Replaying a finished file under each rule.

use rayon::prelude::*;

use super::logistic::{Observation, Risk};
use super::state::{Known, State};
use super::{Advice, Answers, Outcome, Replay, Rule, Settings};
use crate::audit::wilson;
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;

/// Thresholds that are tried. Those of risks are quantiles, which suit every set.
const SURE: [f64; 14] = [0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];
const QUANTILES: [f64; 14] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// What was learnt on the items that a half does not replay.
struct Learnt {
    known: Known,
    risk: Risk,
    /// Risks of the answers it was learnt from, ascending.
    risks: Vec<f64>,
}

impl Learnt {
    fn from(answers: &Answers<'_>, learns: impl Fn(u32) -> bool + Copy) -> Self {
        let known = Known::learn(answers, learns);
        let mut state = State::new(&known, answers.items, answers.annotators, answers.classes);
        let mut observations = Vec::new();
        for ((&item, &annotator), &label) in answers.item.iter().zip(answers.annotator).zip(answers.label) {
            let view = state.view(item);
            if view.answers > 0 && learns(item) {
                let features = state.features(&view, Some(annotator));
                observations.push(Observation { features, annotator, disagrees: label != view.label });
            }
            state.add(item, annotator, label);
        }
        let risk = Risk::fit(&observations, answers.annotators);
        let mut risks: Vec<f64> = observations.iter().map(|one| risk.of(&one.features, Some(one.annotator))).collect();
        risks.sort_unstable_by(f64::total_cmp);
        Self { known, risk, risks }
    }

    fn thresholds(&self, rule: Rule) -> Vec<f64> {
        let quantile = |share: f64| match self.risks.len() {
            0 => 0.5,
            length => self.risks[((length - 1) as f64 * share).round() as usize],
        };
        match rule {
            Rule::Posterior => SURE.to_vec(),
            Rule::LowRisk => QUANTILES.map(quantile).to_vec(),
            Rule::HighRisk => QUANTILES.map(|share| quantile(1.0 - share)).to_vec(),
            Rule::Decided => vec![1.0],
            Rule::Random => QUANTILES.to_vec(),
        }
    }
}

/// What came of a rule on some items.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    answers: f64,
    saved: f64,
    items: f64,
    agree: f64,
    known: f64,
    right: f64,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            answers: self.answers + other.answers,
            saved: self.saved + other.saved,
            items: self.items + other.items,
            agree: self.agree + other.agree,
            known: self.known + other.known,
            right: self.right + other.right,
        }
    }

    fn saving(&self) -> f64 {
        if self.answers > 0.0 { self.saved / self.answers } else { 0.0 }
    }

    fn outcome(&self, rule: Rule, threshold: f64) -> Outcome {
        let share = |part: f64, of: f64, what: &str| {
            Measured::known(part / of, wilson(part / of, of), format!("{of} items, {what}"))
        };
        Outcome {
            rule,
            threshold,
            saved: self.saving(),
            agreement: if self.items > 0.0 {
                share(self.agree, self.items, "against the label of all their answers")
            } else {
                Measured::unknown("no item has an answer")
            },
            accuracy: (self.known > 0.0).then(|| share(self.right, self.known, "against the truth")),
        }
    }
}

/// Everything a half of the items is replayed with.
struct Half<'a> {
    answers: &'a Answers<'a>,
    truth: Option<&'a [Class]>,
    /// Answers per item and class in the full file.
    full: &'a [u32],
    /// Which items belong to the first half, and whether this is that one.
    first: &'a [bool],
    side: bool,
    learnt: Learnt,
    seed: u64,
}

impl Half<'_> {
    fn run(&self, rule: Rule, threshold: f64) -> Tally {
        let Answers { items, annotators, classes, .. } = *self.answers;
        let mut state = State::new(&self.learnt.known, items, annotators, classes);
        let mut random = Random::for_purpose(self.seed, "redundancy");
        let mut left: Vec<u32> = self.full.chunks_exact(classes).map(|row| row.iter().sum()).collect();
        let mut tally = Tally::default();
        let rows = self.answers.item.iter().zip(self.answers.annotator).zip(self.answers.label);
        for ((&item, &annotator), &label) in rows {
            if self.first[item as usize] != self.side {
                continue;
            }
            tally.answers += 1.0;
            let view = state.view(item);
            let remaining = left[item as usize];
            left[item as usize] -= 1;
            let prunes = view.answers > 0
                && match rule {
                    Rule::Posterior => view.sure >= threshold || view.decided(remaining),
                    Rule::Decided => view.decided(remaining),
                    Rule::Random => random.unit() < threshold,
                    Rule::LowRisk => self.risk(&state, &view, annotator) < threshold,
                    Rule::HighRisk => self.risk(&state, &view, annotator) > threshold,
                };
            if prunes {
                tally.saved += 1.0;
            } else {
                state.add(item, annotator, label);
            }
        }
        for item in (0..items as u32).filter(|&item| self.first[item as usize] == self.side) {
            let row = &self.full[item as usize * classes..][..classes];
            let top = row.iter().copied().max().unwrap_or(0);
            if top == 0 {
                continue;
            }
            let label = state.view(item).label;
            tally.items += 1.0;
            tally.agree += f64::from(u8::from(row[usize::from(label)] == top));
            let known = self.truth.map(|truth| truth[item as usize]).filter(|&truth| usize::from(truth) < classes);
            if let Some(truth) = known {
                tally.known += 1.0;
                tally.right += f64::from(u8::from(truth == label));
            }
        }
        tally
    }

    fn risk(&self, state: &State<'_>, view: &super::state::View, annotator: u32) -> f64 {
        self.learnt.risk.of(&state.features(view, Some(annotator)), Some(annotator))
    }
}

fn checked(answers: &Answers<'_>) -> Result<Vec<u32>> {
    let Answers { item, annotator, label, items, annotators, classes } = *answers;
    if item.len() != annotator.len() || item.len() != label.len() {
        return Err(Error::input(format!(
            "expected as many annotators and labels as items ({}), found {} and {}",
            item.len(),
            annotator.len(),
            label.len()
        )));
    }
    let mut full = vec![0; items * classes];
    for ((&item, &annotator), &label) in item.iter().zip(annotator).zip(label) {
        if item as usize >= items || annotator as usize >= annotators || usize::from(label) >= classes {
            return Err(Error::input(format!(
                "expected items below {items}, annotators below {annotators} and classes below {classes}, found \
                 {item}, {annotator} and {label}"
            )));
        }
        full[item as usize * classes + usize::from(label)] += 1;
    }
    if item.is_empty() {
        return Err(Error::input("expected at least one answer, found none"));
    }
    Ok(full)
}

/// Replays a file of answers under every rule and finds the one that saves most within the target loss.
///
/// The planned number of answers of an item, which [`Rule::Decided`] looks at, is the number it has in the file. `truth`
/// has one class per item, any class beyond the others where it is not known.
///
/// # Errors
/// No answers, slices of different length, or numbers beyond those said.
pub fn replay(answers: &Answers<'_>, truth: Option<&[Class]>, settings: &Settings) -> Result<Replay> {
    let full = checked(answers)?;
    if truth.is_some_and(|truth| truth.len() != answers.items) {
        return Err(Error::input(format!("expected one truth per item ({})", answers.items)));
    }
    if !(0.0..1.0).contains(&settings.target_loss) {
        return Err(Error::task(format!("expected a target loss from 0 to 1, found {}", settings.target_loss)));
    }
    let mut random = Random::for_purpose(settings.seed, "redundancy: halves");
    let first: Vec<bool> = (0..answers.items).map(|_| random.unit() < 0.5).collect();
    let halves: Vec<Half<'_>> = [true, false]
        .into_par_iter()
        .map(|side| {
            let learnt = Learnt::from(answers, |item| first[item as usize] != side);
            Half { answers, truth, full: &full, first: &first, side, learnt, seed: settings.seed }
        })
        .collect();

    // Every threshold on both halves; thresholds with the same number belong together.
    let work: Vec<(Rule, usize)> = Rule::ALL
        .into_iter()
        .flat_map(|rule| (0..halves[0].learnt.thresholds(rule).len()).map(move |number| (rule, number)))
        .collect();
    let tried: Vec<(Rule, [(f64, Tally); 2])> = work
        .into_par_iter()
        .map(|(rule, number)| {
            let run = |half: &Half<'_>| {
                let threshold = half.learnt.thresholds(rule)[number];
                (threshold, half.run(rule, threshold))
            };
            (rule, [run(&halves[0]), run(&halves[1])])
        })
        .collect();
    let within = |tally: &Tally| tally.agree >= (1.0 - settings.target_loss) * tally.items - 1e-9;
    let both = |runs: &[(f64, Tally); 2]| (f64::midpoint(runs[0].0, runs[1].0), runs[0].1.plus(runs[1].1));
    let mut curve: Vec<Outcome> = tried
        .iter()
        .map(|(rule, runs)| {
            let (threshold, tally) = both(runs);
            tally.outcome(*rule, threshold)
        })
        .collect();
    // Buying everything is always within the target.
    let nothing = |half: &Half<'_>| half.run(Rule::Random, 0.0);
    let untouched = [nothing(&halves[0]), nothing(&halves[1])];
    let mut rules: Vec<(Outcome, Tally)> = Vec::new();
    for rule in Rule::ALL.into_iter().filter(|&rule| rule != Rule::Random) {
        let runs: Vec<&[(f64, Tally); 2]> = tried.iter().filter(|one| one.0 == rule).map(|one| &one.1).collect();
        // The threshold that saves most on one half is measured on the other.
        let chosen = |by: usize| {
            let best = runs.iter().filter(|runs| within(&runs[by].1));
            best.max_by(|left, right| left[by].1.saved.total_cmp(&right[by].1.saved))
        };
        let measured = |on: usize| chosen(1 - on).map_or((f64::NAN, untouched[on]), |runs| runs[on]);
        let (one, two) = (measured(0), measured(1));
        let tally = one.1.plus(two.1);
        let known: Vec<f64> = [one.0, two.0].into_iter().filter(|threshold| !threshold.is_nan()).collect();
        let threshold = if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
        rules.push((tally.outcome(rule, threshold), tally));
    }
    // A rule that was chosen within the target and then misses it is no bargain: those within come first.
    let (best, saving) = rules
        .iter()
        .map(|(outcome, tally)| (within(tally), outcome.saved, outcome.rule))
        .max_by(|left, right| (left.0, left.1).partial_cmp(&(right.0, right.1)).unwrap_or(std::cmp::Ordering::Equal))
        .map_or((Rule::Posterior, 0.0), |(_, saved, rule)| (rule, saved));
    let spare = answers.item.len() as f64 / (answers.item.len() as f64 - untouched_first(&full, answers.classes));
    let share = (saving * if spare.is_finite() { spare } else { 1.0 }).min(1.0);
    let random = halves.iter().map(|half| half.run(Rule::Random, share)).fold(Tally::default(), Tally::plus);
    let threshold = tried
        .iter()
        .filter(|one| one.0 == best)
        .map(|one| both(&one.1))
        .filter(|(_, tally)| within(tally))
        .max_by(|left, right| left.1.saved.total_cmp(&right.1.saved))
        .map_or(1.0, |(threshold, _)| threshold);
    let all = untouched[0].plus(untouched[1]);
    let mut rules: Vec<Outcome> = rules.into_iter().map(|(outcome, _)| outcome).collect();
    rules.push(random.outcome(Rule::Random, share));
    curve.sort_by(|left, right| left.rule.cmp(&right.rule).then(left.saved.total_cmp(&right.saved)));
    Ok(Replay {
        answers: answers.item.len(),
        items: all.items as usize,
        full_accuracy: all.outcome(Rule::Random, 0.0).accuracy,
        rules,
        curve,
        best,
        threshold,
    })
}

/// The first answers of all items, which no rule prunes.
fn untouched_first(full: &[u32], classes: usize) -> f64 {
    full.chunks_exact(classes).filter(|row| row.iter().any(|&count| count > 0)).count() as f64
}

/// For every item whether another answer is worth buying under a rule, given all answers of the file.
///
/// [`Rule::Decided`] takes the greatest number of answers that an item has for the plan of all.
///
/// # Errors
/// As for [`replay`].
pub fn advise(answers: &Answers<'_>, rule: Rule, threshold: f64) -> Result<Vec<Advice>> {
    let full = checked(answers)?;
    let learnt = Learnt::from(answers, |_| true);
    let mut state = State::new(&learnt.known, answers.items, answers.annotators, answers.classes);
    for ((&item, &annotator), &label) in answers.item.iter().zip(answers.annotator).zip(answers.label) {
        state.add(item, annotator, label);
    }
    let planned = full.chunks_exact(answers.classes).map(|row| row.iter().sum::<u32>()).max().unwrap_or(0);
    Ok((0..answers.items as u32)
        .map(|item| {
            let view = state.view(item);
            let risk = learnt.risk.of(&state.features(&view, None), None);
            let enough = match rule {
                // A finished file does not say how many answers were planned: only what is sure is enough.
                Rule::Posterior => view.sure >= threshold,
                Rule::LowRisk => risk < threshold,
                Rule::HighRisk => risk > threshold,
                Rule::Decided => view.decided(planned.saturating_sub(view.answers)),
                Rule::Random => false,
            };
            let buy = view.answers == 0 || !enough;
            Advice { item, answers: view.answers, label: view.label, confidence: view.confidence, risk, buy }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Easy and hard items, good and bad annotators.
    fn simulated(seed: u64) -> (Vec<u32>, Vec<u32>, Vec<Class>, Vec<Class>) {
        let mut random = Random::new(seed);
        let (mut item, mut annotator, mut label, mut truth) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for number in 0..500u32 {
            let class = random.below(2) as Class;
            truth.push(class);
            let hard = number % 5 == 0;
            for _ in 0..7 {
                let who = random.below(20) as u32;
                let skill = if hard { 0.65 } else { 0.97 } - if who < 4 { 0.25 } else { 0.0 };
                item.push(number);
                annotator.push(who);
                label.push(if random.unit() < skill { class } else { 1 - class });
            }
        }
        (item, annotator, label, truth)
    }

    #[test]
    fn rules_save_more_than_chance_and_keep_the_promise() {
        let (item, annotator, label, truth) = simulated(8);
        let answers =
            Answers { item: &item, annotator: &annotator, label: &label, items: 500, annotators: 20, classes: 2 };
        let found = replay(&answers, Some(&truth), &Settings { target_loss: 0.02, seed: 1 }).unwrap();
        let of = |rule: Rule| found.rules.iter().find(|one| one.rule == rule).unwrap();
        // What cannot be overturned any more costs nothing.
        assert_eq!(of(Rule::Decided).agreement.value(), Some(1.0));
        assert!(of(Rule::Decided).saved > 0.2);
        assert!(of(found.best).saved >= 0.4, "{:?}", found.rules);
        assert!(of(found.best).agreement.value() > of(Rule::Random).agreement.value(), "{:?}", found.rules);
        assert!((of(found.best).saved - of(Rule::Random).saved).abs() < 0.03);
        let again = replay(&answers, Some(&truth), &Settings { target_loss: 0.02, seed: 1 }).unwrap();
        assert_eq!(found.rules, again.rules);

        let advice = advise(&answers, found.best, found.threshold).unwrap();
        let stops = |hard: bool| {
            let some = advice.iter().filter(|one| (one.item % 5 == 0) == hard);
            some.clone().filter(|one| !one.buy).count() as f64 / some.count() as f64
        };
        assert!(stops(false) > stops(true), "{} {}", stops(false), stops(true));
    }

    #[test]
    fn odd_files_have_a_result_and_broken_ones_an_error() {
        let one = Answers { item: &[0], annotator: &[0], label: &[0], items: 2, annotators: 1, classes: 1 };
        let found = replay(&one, None, &Settings::default()).unwrap();
        assert_eq!((found.answers, found.items), (1, 1));
        assert!(found.rules.iter().all(|rule| rule.saved == 0.0 && rule.accuracy.is_none()));
        assert!(advise(&one, found.best, found.threshold).unwrap()[1].buy);
        assert!(replay(&Answers { label: &[4], ..one }, None, &Settings::default()).is_err());
        assert!(replay(&Answers { label: &[], ..one }, None, &Settings::default()).is_err());
        let none = Answers { item: &[], annotator: &[], label: &[], ..one };
        assert!(replay(&none, None, &Settings::default()).is_err());
        let settings = Settings { target_loss: 1.5, ..Settings::default() };
        assert!(replay(&one, None, &settings).unwrap_err().is_task());
    }
}
