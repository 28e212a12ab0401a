//! What is known before an answer is bought.

use super::Answers;
use super::logistic::FEATURES;
use crate::task::Class;

/// Right and wrong answers added to each annotator's record.
const RECORD: (f64, f64) = (4.0, 1.0);

/// What the full votes of some items tell about classes and annotators.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The logarithm of each class's share.
    prior: Vec<f64>,
    /// Per annotator the logarithms of the probabilities of a right answer and of each wrong one.
    logs: Vec<(f64, f64)>,
}

impl Known {
    /// Learns from the items for which `learns` holds: annotators are right where they agree with the others.
    pub(super) fn learn(answers: &Answers<'_>, learns: impl Fn(u32) -> bool) -> Self {
        let classes = answers.classes;
        let mut counts = vec![0u32; answers.items * classes];
        for (&item, &label) in answers.item.iter().zip(answers.label) {
            counts[item as usize * classes + usize::from(label)] += 1;
        }
        let mut shares = vec![1.0; classes];
        let mut records = vec![(0.0, 0.0); answers.annotators];
        let (mut right, mut all) = RECORD;
        all += right;
        for ((&item, &annotator), &label) in answers.item.iter().zip(answers.annotator).zip(answers.label) {
            if !learns(item) {
                continue;
            }
            let row = &counts[item as usize * classes..][..classes];
            let total: u32 = row.iter().sum();
            shares[usize::from(label)] += 1.0 / f64::from(total);
            if total < 2 {
                continue;
            }
            // The share of the others that agree, sharpened to whether most of them do.
            let own = row[usize::from(label)] - 1;
            let rival = (0..classes).filter(|&class| class != usize::from(label)).map(|class| row[class]).max();
            let agrees = match own.cmp(&rival.unwrap_or(0)) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            let record = &mut records[annotator as usize];
            *record = (record.0 + agrees, record.1 + 1.0);
            right += agrees;
            all += 1.0;
        }
        let total: f64 = shares.iter().sum();
        let typical = right / all;
        let strength = RECORD.0 + RECORD.1;
        let logs = records
            .into_iter()
            .map(|(right, all)| {
                let share = ((right + strength * typical) / (all + strength)).clamp(1e-3, 1.0 - 1e-3);
                let wrong = (1.0 - share) / (classes.max(2) - 1) as f64;
                (share.ln(), wrong.ln())
            })
            .collect();
        Self { prior: shares.into_iter().map(|share| (share / total).ln()).collect(), logs }
    }
}

/// Items and annotators as they stand after some answers.
pub(super) struct State<'a> {
    known: &'a Known,
    classes: usize,
    counts: Vec<u32>,
    scores: Vec<f64>,
    records: Vec<(f64, f64)>,
}

/// An item at a glance.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) answers: u32,
    /// The most frequent class; ties go to the likelier one.
    pub(super) label: Class,
    /// Its answers, and those of the runner-up.
    pub(super) lead: (u32, u32),
    /// The probability of the likeliest class.
    pub(super) sure: f64,
    /// The probability of the label.
    pub(super) confidence: f64,
}

impl View {
    /// Whether so many further answers cannot change the majority.
    pub(super) fn decided(&self, remaining: u32) -> bool {
        self.lead.0 > self.lead.1 + remaining
    }
}

impl<'a> State<'a> {
    pub(super) fn new(known: &'a Known, items: usize, annotators: usize, classes: usize) -> Self {
        let scores = (0..items).flat_map(|_| known.prior.iter().copied()).collect();
        Self { known, classes, counts: vec![0; items * classes], scores, records: vec![(0.0, 0.0); annotators] }
    }

    pub(super) fn view(&self, item: u32) -> View {
        let start = item as usize * self.classes;
        let (counts, scores) = (&self.counts[start..][..self.classes], &self.scores[start..][..self.classes]);
        let mut best = 0;
        for class in 1..self.classes {
            if (counts[class], scores[class]) > (counts[best], scores[best]) {
                best = class;
            }
        }
        let second = (0..self.classes).filter(|&class| class != best).map(|class| counts[class]).max().unwrap_or(0);
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|score| (score - top).exp()).sum();
        View {
            answers: counts.iter().sum(),
            label: best as Class,
            lead: (counts[best], second),
            sure: 1.0 / total,
            confidence: (scores[best] - top).exp() / total,
        }
    }

    /// What the risk is judged by: ambiguity of the item, record of the annotator, fatigue.
    pub(super) fn features(&self, view: &View, annotator: Option<u32>) -> [f64; FEATURES] {
        let answers = f64::from(view.answers);
        let share = (f64::from(view.lead.0) + 0.5) / (answers + 1.0);
        let sure = view.confidence.clamp(1e-4, 1.0 - 1e-4);
        let (agreed, position) = annotator.map_or((0.0, 0.0), |annotator| self.records[annotator as usize]);
        let record = (agreed + RECORD.0) / (position + RECORD.0 + RECORD.1);
        [
            1.0,
            (share / (1.0 - share)).ln(),
            answers.ln_1p(),
            (sure / (1.0 - sure)).ln(),
            (record / (1.0 - record)).ln(),
            // High at the start of a session, and slowly rising to its end.
            (-position / 5.0).exp(),
            position.ln_1p() / 5.0,
        ]
    }

    pub(super) fn add(&mut self, item: u32, annotator: u32, label: Class) {
        let view = self.view(item);
        if view.answers > 0 {
            let record = &mut self.records[annotator as usize];
            *record = (record.0 + f64::from(u8::from(view.label == label)), record.1 + 1.0);
        }
        let (right, wrong) = self.known.logs[annotator as usize];
        let start = item as usize * self.classes;
        for (class, score) in self.scores[start..][..self.classes].iter_mut().enumerate() {
            *score += if class == usize::from(label) { right } else { wrong };
        }
        self.counts[start + usize::from(label)] += 1;
    }
}
