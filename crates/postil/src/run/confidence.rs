//! What an annotator's stated confidence is worth, learnt on the gold that fits and shown on the gold that measures.
//!
//! The raw score stays in the ledger. A [`ConfidenceMap`] per annotator version, with an offset per label (in a
//! multi-label task per label and side), turns it into the probability that the answer is right. Where that predicts gold
//! better than the annotator's mean record does, its vote carries the probability instead of certainty; between two classes
//! only, where what is not the one is the other.

use postil_core::audit::{GoldPart, Tally, effective_count, wilson};
use postil_core::ledger::{AnnotationBatch, Detail, Snapshot};
use postil_core::route::{ConfidenceMap, discrimination};
use postil_core::{AnnotatorIdentity, AnnotatorKind, Answer, Class, Measured, Result, Status, Task, TaskKind};

use super::decisions::Decisions;
use super::gold::Gold;
use super::items::Items;
use crate::report::{ConfidenceSummary, ThresholdRow};

/// Parts of the fitting gold by which a map proves itself.
const FOLDS: usize = 5;
/// Answers on fitting gold that a map needs before votes carry what it says.
const LEAST_FITTING: usize = 30;
/// The least probability that a vote carries: it is for what was said.
const LEAST_BELIEF: f64 = 0.51;
/// Answers on measuring gold that figures need.
const LEAST_MEASURING: usize = 20;
/// The report gives the error above multiples of this calibrated confidence.
const STEP: f64 = 0.05;

/// One answer on gold with its confidence.
#[derive(Clone, Copy, Debug)]
struct Stated {
    decision: usize,
    confidence: f64,
    /// The class; in a multi-label task label and side.
    question: Class,
    right: bool,
    weight: f64,
    part: GoldPart,
}

/// What is known of one annotator's confidences.
struct OfOne {
    map: Option<ConfidenceMap>,
    believed: bool,
    stated: Vec<Stated>,
}

/// What is known of everybody's confidences, in the order of the annotators.
pub(super) struct Confidences(Vec<Option<OfOne>>);

/// Confidences of the decisions that an answer is about: the decision's place in its item, the class said, the probability.
pub(super) type Parts = Vec<(usize, Class, f64)>;

impl Confidences {
    /// Learns from the answers on gold. Tasks that mark text have none: their probabilities come from consensus.
    pub(super) fn learn(
        snapshot: &Snapshot,
        annotators: &[AnnotatorIdentity],
        task: &Task,
        items: &Items,
        decisions: &Decisions,
        gold: &Gold,
    ) -> Result<Self> {
        let questionable = !decisions.are_tokens() && !gold.labels.is_empty();
        let questions = if task.kind == TaskKind::Multilabel { 2 * task.labels.len() } else { task.labels.len() };
        let mut known = Vec::with_capacity(annotators.len());
        for annotator in annotators {
            // Programs and lists state none, and have the most answers.
            if !questionable || matches!(annotator.kind, AnnotatorKind::Program | AnnotatorKind::List) {
                known.push(None);
                continue;
            }
            let mut stated = Vec::new();
            snapshot.scan_of(annotator.version, Detail::Votes, |batch| {
                for (row, (id, digest)) in batch.items().iter().zip(batch.contents()).enumerate() {
                    let position = items.position(id.unwrap_or(""), *digest);
                    let Some(place) = position
                        .and_then(|position| gold.labels.binary_search_by_key(&position, |gold| gold.position).ok())
                    else {
                        continue;
                    };
                    let gold = &gold.labels[place];
                    let first = decisions.of(gold.position as usize).start;
                    for (offset, class, confidence) in parts(batch, row, task)? {
                        let Some(truth) = gold.truth[offset] else { continue };
                        stated.push(Stated {
                            decision: first + offset,
                            confidence,
                            question: question(task, offset, class),
                            right: truth == class,
                            weight: gold.weight,
                            part: gold.part,
                        });
                    }
                }
                Ok(())
            })?;
            stated.sort_by_key(|one| one.decision);
            known.push((!stated.is_empty()).then(|| OfOne::learn(stated, questions, decisions.classes() == 2)));
        }
        Ok(Self(known))
    }

    /// Whether the votes of an annotator are to carry probabilities.
    pub(super) fn is_believed(&self, column: usize) -> bool {
        self.0[column].as_ref().is_some_and(|one| one.believed)
    }

    /// The probabilities that the parts of an answer are right, if its annotator's votes are to carry them: above that of
    /// the other class, because a vote is for what was said. Empty if the answer came without a confidence.
    pub(super) fn believed(&self, column: usize, batch: &AnnotationBatch, row: usize, task: &Task) -> Result<Parts> {
        let Some((map, true)) = self.0[column].as_ref().and_then(|one| Some((one.map.as_ref()?, one.believed))) else {
            return Ok(Vec::new());
        };
        let mut parts = parts(batch, row, task)?;
        for (offset, class, confidence) in &mut parts {
            *confidence = map.right(*confidence, question(task, *offset, *class)).clamp(LEAST_BELIEF, 0.999);
        }
        Ok(parts)
    }

    /// What the report says of one annotator's confidences; `None` if it stated none on gold.
    pub(super) fn summary(&self, column: usize, basis: Option<&str>, seed: u64) -> Option<ConfidenceSummary> {
        self.0[column].as_ref().map(|one| one.summary(basis, seed))
    }
}

/// The class that an offset for is learnt.
fn question(task: &Task, offset: usize, class: Class) -> Class {
    if task.kind == TaskKind::Multilabel { 2 * offset as Class + class } else { class }
}

/// The parts of a stored answer that come with a confidence.
fn parts(batch: &AnnotationBatch, row: usize, task: &Task) -> Result<Parts> {
    if batch.status(row) != Status::Ok {
        return Ok(Vec::new());
    }
    match batch.answer(row) {
        Answer::Class { label } | Answer::Ordinal { label, .. } if task.kind != TaskKind::Multilabel => {
            let confidence = batch.confidences().get(row).copied().flatten();
            let class = task.labels.expect(label)?;
            Ok(confidence.map(|confidence| (0, class, f64::from(confidence))).into_iter().collect())
        }
        Answer::Set { labels } if task.kind == TaskKind::Multilabel => {
            let Some(shares) = batch.distribution(row)? else { return Ok(Vec::new()) };
            shares
                .into_iter()
                .map(|(name, share)| {
                    let applies = labels.contains(&name);
                    let confidence = f64::from(if applies { share } else { 1.0 - share });
                    Ok((usize::from(task.labels.expect(&name)?), Class::from(applies), confidence))
                })
                .collect()
        }
        _ => Ok(Vec::new()),
    }
}

impl OfOne {
    fn learn(stated: Vec<Stated>, questions: usize, of_two: bool) -> Self {
        let fitting: Vec<Stated> = stated.iter().filter(|one| one.part == GoldPart::Fit).copied().collect();
        let map = ConfidenceMap::fit(&seen(&fitting), questions);
        let believed = of_two && map.is_some() && fitting.len() >= LEAST_FITTING && tells(&fitting, questions);
        Self { map, believed, stated }
    }

    fn summary(&self, route: Option<&str>, seed: u64) -> ConfidenceSummary {
        let measuring: Vec<&Stated> = self.stated.iter().filter(|one| one.part == GoldPart::Measure).collect();
        let fitting = self.stated.len() - measuring.len();
        let basis = format!("its {} answers with a confidence on measuring gold", measuring.len());
        let few =
            || Measured::unknown(format!("only {} such answers, {LEAST_MEASURING} are the least", measuring.len()));
        let enough = measuring.len() >= LEAST_MEASURING;
        let error = |confidence: &dyn Fn(&Stated) -> f64| {
            if !enough {
                return few();
            }
            let mut tally = Tally::new(2);
            for one in &measuring {
                let right = confidence(one) as f32;
                tally.add(Class::from(one.right), 1, Some(&[1.0 - right, right]), one.weight);
            }
            tally.calibration_error(&basis)
        };
        let calibrated =
            |one: &Stated| self.map.as_ref().map_or(one.confidence, |map| map.right(one.confidence, one.question));
        let scores: Vec<f64> = measuring.iter().map(|one| one.confidence).collect();
        let right: Vec<bool> = measuring.iter().map(|one| one.right).collect();
        let no_map = || Measured::unknown(format!("only {fitting} answers on fitting gold, 10 are the least"));
        ConfidenceSummary {
            route: route.map(str::to_owned),
            stated_error: error(&|one| one.confidence),
            calibrated_error: if self.map.is_some() { error(&calibrated) } else { no_map() },
            discrimination: if enough {
                discrimination(&scores, &right, seed).unwrap_or_else(|_| few())
            } else {
                few()
            },
            in_votes: self.believed,
            above: if enough && self.map.is_some() { above(&measuring, &calibrated, &basis) } else { Vec::new() },
        }
    }
}

/// The share of wrong answers above each threshold that leaves fewer answers than the one before.
fn above(measuring: &[&Stated], calibrated: &dyn Fn(&Stated) -> f64, basis: &str) -> Vec<ThresholdRow> {
    let all: f64 = measuring.iter().map(|one| one.weight).sum();
    let mut rows: Vec<ThresholdRow> = Vec::new();
    let mut last = usize::MAX;
    for threshold in (0..(1.0 / STEP) as usize).map(|step| step as f64 * STEP) {
        let kept: Vec<&&Stated> = measuring.iter().filter(|one| calibrated(one) >= threshold).collect();
        if kept.is_empty() || kept.len() == last {
            continue;
        }
        last = kept.len();
        let sum = |of: &dyn Fn(&Stated) -> f64| kept.iter().map(|one| of(one)).sum::<f64>();
        let weight = sum(&|one| one.weight);
        let wrong = sum(&|one| if one.right { 0.0 } else { one.weight }) / weight;
        let effective = effective_count(weight, sum(&|one| one.weight * one.weight));
        let error = Measured::known(wrong, wilson(wrong, effective), format!("{} of {basis}", kept.len()));
        rows.push(ThresholdRow { threshold, share: weight / all, error });
    }
    rows
}

fn seen(stated: &[Stated]) -> Vec<(f64, Class, bool)> {
    stated.iter().map(|one| (one.confidence, one.question, one.right)).collect()
}

/// Whether a map predicts answers it has not seen better, by more than a standard error, than the share of right ones.
fn tells(fitting: &[Stated], questions: usize) -> bool {
    let mut gains = Vec::with_capacity(fitting.len());
    for fold in 0..FOLDS {
        let part = |inside: bool| {
            let of = move |(place, _): &(usize, &Stated)| (place % FOLDS == fold) == inside;
            fitting.iter().enumerate().filter(of).map(|(_, one)| *one).collect::<Vec<Stated>>()
        };
        let rest = part(false);
        let Some(map) = ConfidenceMap::fit(&seen(&rest), questions) else { return false };
        let right = rest.iter().filter(|one| one.right).count() as f64;
        let mean = (right + 0.5) / (rest.len() as f64 + 1.0);
        let loss = |right: bool, p: f64| -(if right { p } else { 1.0 - p }).max(1e-9).ln();
        gains.extend(
            part(true)
                .iter()
                .map(|one| loss(one.right, mean) - loss(one.right, map.right(one.confidence, one.question))),
        );
    }
    let count = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / count;
    let square = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>();
    mean > (square / (count * (count - 1.0).max(1.0))).sqrt()
}

#[cfg(test)]
mod tests {
    use postil_core::Random;

    use super::*;

    fn stated(count: usize, right: impl Fn(f64, &mut Random) -> bool) -> Vec<Stated> {
        let mut random = Random::new(7);
        (0..count)
            .map(|decision| {
                let confidence = 0.5 + 0.5 * random.unit();
                let right = right(confidence, &mut random);
                let part = if decision % 2 == 0 { GoldPart::Fit } else { GoldPart::Measure };
                Stated { decision, confidence, question: 0, right, weight: 1.0, part }
            })
            .collect()
    }

    #[test]
    fn a_confidence_that_tells_nothing_is_not_believed() {
        let deaf = OfOne::learn(stated(400, |_, random| random.unit() < 0.7), 2, true);
        assert!(!deaf.believed);
        let told = OfOne::learn(stated(400, |confidence, random| random.unit() < 2.0 * confidence - 1.0), 2, true);
        assert!(told.believed);
        // Of many classes a doubt about one says nothing of the others.
        assert!(!OfOne::learn(told.stated.clone(), 2, false).believed);
        let shown = told.summary(None, 1);
        let value = |figure: &Measured| figure.value().unwrap();
        assert!(value(&shown.calibrated_error) < value(&shown.stated_error), "{shown:?}");
        assert!(value(&shown.discrimination) > 0.7, "{shown:?}");
        let errors: Vec<f64> = shown.above.iter().filter_map(|row| row.error.value()).collect();
        assert!(errors.first() > errors.last(), "{errors:?}");
    }

    #[test]
    fn few_answers_give_no_figures() {
        let shown = OfOne::learn(stated(30, |_, _| true), 2, true).summary(Some("a number"), 1);
        assert!(!shown.in_votes && shown.above.is_empty());
        assert!(shown.stated_error.value().is_none());
    }
}
