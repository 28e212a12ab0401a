//! What the answers about a decision say about its truth.

use super::calibrate::ConfidenceMap;
use super::pool::{MISSING, NOTHING, Stored};
use super::state::Asked;
use crate::task::Class;
use crate::votes::GoldEntry;

/// Answers added to each source's accuracy from the mean accuracy of all.
const ACCURACY: f64 = 4.0;
/// Answers added to each row of a confusion matrix from what accuracy and habits say: the numbers that are tried. Many
/// classes need more than few.
pub(super) const ROWS: [f64; 3] = [5.0, 20.0, 80.0];
/// Decisions added to the correlation of two sources' errors from the mean correlation of all.
const OVERLAP: f64 = 20.0;

/// What is known about one source.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The probability of each answer (the last is none) to each truth, `classes + 1` numbers for each of `classes`.
    pub(super) chance: Vec<f64>,
    /// Its logarithm given that there is an answer.
    log: Vec<f64>,
    /// The share of its answers that are right.
    pub(super) accuracy: f64,
    /// What an answer tells about the truth, in nats, with the chance of getting none accounted for.
    pub(super) information: f64,
    /// What its confidence is worth.
    map: Option<ConfidenceMap>,
}

/// A posterior from answers: each source's confusion matrix as counted on gold, answers weighed down by what they have in
/// common.
///
/// The row of truth `k` of a matrix is counted on gold and drawn, as far as predicts gold best, towards `b [l = k] + (1 - b) h(l)`, where `h` are the
/// labels the source gives anyway and `b` makes its accuracy come out. The log-likelihood of the answer of source `j` is
/// multiplied by `1 / (1 + sum of r(j, i))` over the other sources `i` that answered, `r` being the correlation of their
/// errors on gold where they err alike: `n` answers with the same `r` are worth `n / (1 + (n - 1) r)`, as in a sample of
/// clusters (Kish 1965). It covers near-duplicates and items that are hard for all. Errors of independent sources leave
/// all weights at one, which is Dawid and Skene's model with rates from gold.
///
/// A confidence replaces the likelihood: the answer is right with the probability that [`ConfidenceMap`] gives, and what
/// else could be true stays as in the matrix.
#[derive(Clone, Debug)]
pub struct Belief {
    classes: usize,
    prior: Vec<f64>,
    pub(super) records: Vec<Record>,
    /// Sources x sources.
    overlap: Vec<f32>,
}

impl Belief {
    /// Learns from stored replies about gold decisions. Time is entries x sources x sources.
    pub(super) fn fit(stored: &Stored, gold: &[GoldEntry]) -> Self {
        let mut belief =
            Self { classes: stored.classes(), prior: Vec::new(), records: Vec::new(), overlap: overlaps(stored, gold) };
        belief.count(stored, gold, ROWS[0]);
        belief
    }

    /// Counts the records anew, with so many answers added to each row.
    pub(super) fn count(&mut self, stored: &Stored, gold: &[GoldEntry], rows: f64) {
        let classes = stored.classes();
        let raw: Vec<f64> = gold.iter().map(|entry| 1.0 / entry.inclusion.unwrap_or(1.0)).collect();
        let mean = raw.iter().sum::<f64>() / raw.len().max(1) as f64;
        let weights: Vec<f64> = raw.into_iter().map(|weight| weight / mean).collect();
        let mut prior = vec![1.0; classes];
        for (entry, weight) in gold.iter().zip(&weights) {
            prior[usize::from(entry.class)] += weight;
        }
        let total: f64 = prior.iter().sum();
        prior.iter_mut().for_each(|share| *share /= total);

        let sources = stored.pool().len() as u32;
        let tallies: Vec<Tally> = (0..sources).map(|source| Tally::count(stored, gold, &weights, source)).collect();
        let (right, answered) =
            tallies.iter().fold((0.5, 1.0), |(right, answered), one| (right + one.right, answered + one.answered));
        let typical = right / answered;
        self.records = tallies.iter().map(|one| one.record(&prior, typical, rows)).collect();
        self.prior = prior;
    }

    /// The share of each class beforehand.
    pub fn prior(&self) -> &[f64] {
        &self.prior
    }

    /// The share of a source's answers that are right, as gold says, drawn a little to the mean of all sources.
    ///
    /// # Panics
    /// If there is no such source.
    pub fn accuracy(&self, source: u32) -> f64 {
        self.records[source as usize].accuracy
    }

    /// The correlation of two sources' errors, from 0 to 1.
    ///
    /// # Panics
    /// If there is no such source.
    pub fn overlap(&self, one: u32, other: u32) -> f64 {
        f64::from(self.overlap[one as usize * self.records.len() + other as usize])
    }

    /// Multiplies all overlaps.
    pub(super) fn scale_overlaps(&mut self, factor: f32) {
        self.overlap.iter_mut().for_each(|value| *value = (*value * factor).min(1.0));
    }

    /// The probability of each class given what was asked; sums to one.
    pub fn posterior(&self, asked: &[Asked]) -> Vec<f64> {
        let mut score = self.prior.iter().map(|share| share.ln()).collect::<Vec<_>>();
        let answers = asked.iter().filter(|one| one.code < NOTHING);
        for one in answers.clone() {
            let common: f64 = answers
                .clone()
                .filter(|other| other.source != one.source)
                .map(|other| self.overlap(one.source, other.source))
                .sum();
            self.add(&mut score, one, 1.0 / (1.0 + common));
        }
        normalise(&mut score);
        score
    }

    /// Adds the log-likelihood of one answer.
    pub(super) fn add(&self, score: &mut [f64], one: &Asked, weight: f64) {
        let record = &self.records[one.source as usize];
        let label = usize::from(one.code);
        let map = record.map.as_ref().filter(|_| !one.confidence.is_nan());
        match map {
            None => {
                for (truth, score) in score.iter_mut().enumerate() {
                    *score += weight * record.log[truth * self.classes + label];
                }
            }
            Some(map) => {
                let right = map.right(f64::from(one.confidence), one.code).clamp(1e-3, 1.0 - 1e-3);
                let like = |truth: usize| record.log[truth * self.classes + label].exp();
                let others: f64 = (0..self.classes).filter(|&k| k != label).map(|k| self.prior[k] * like(k)).sum();
                for (truth, score) in score.iter_mut().enumerate() {
                    let ratio =
                        if truth == label { right / self.prior[label] } else { (1.0 - right) * like(truth) / others };
                    *score += weight * ratio.max(1e-9).ln();
                }
            }
        }
    }
}

/// From logarithms to probabilities.
pub(super) fn normalise(score: &mut [f64]) {
    let top = score.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for value in score.iter_mut() {
        *value = (*value - top).exp();
        total += *value;
    }
    score.iter_mut().for_each(|value| *value /= total);
}

/// The likeliest class, the first of equals.
pub(super) fn likeliest(row: &[f64]) -> Class {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as Class
}

/// A source's answers on gold.
struct Tally {
    /// Answers by truth and label; the last label is none.
    counts: Vec<f64>,
    classes: usize,
    right: f64,
    answered: f64,
    map: Option<ConfidenceMap>,
}

impl Tally {
    fn count(stored: &Stored, gold: &[GoldEntry], weights: &[f64], source: u32) -> Self {
        let classes = stored.classes();
        let mut tally =
            Self { counts: vec![0.0; classes * (classes + 1)], classes, right: 0.0, answered: 0.0, map: None };
        let mut confident = Vec::new();
        for (entry, weight) in gold.iter().zip(weights) {
            let code = stored.code(entry.decision, source);
            if code == MISSING {
                continue;
            }
            let label = if code == NOTHING { classes } else { usize::from(code) };
            tally.counts[usize::from(entry.class) * (classes + 1) + label] += weight;
            if code != NOTHING {
                tally.answered += weight;
                tally.right += if code == entry.class { *weight } else { 0.0 };
                let confidence = stored.confidence_at(entry.decision, source);
                if !confidence.is_nan() {
                    confident.push((f64::from(confidence), code, code == entry.class));
                }
            }
        }
        tally.map = ConfidenceMap::fit(&confident, classes);
        tally
    }

    fn record(&self, prior: &[f64], typical: f64, rows: f64) -> Record {
        let classes = self.classes;
        let wide = classes + 1;
        let accuracy = (self.right + ACCURACY * typical) / (self.answered + ACCURACY);
        let column = |label: usize| (0..classes).map(|truth| self.counts[truth * wide + label]).sum::<f64>();
        let habit: Vec<f64> =
            (0..classes).map(|label| (column(label) + 1.0 / classes as f64) / (self.answered + 1.0)).collect();
        let silence = (column(classes) + 0.02) / (self.answered + column(classes) + 1.0);
        let by_chance: f64 = habit.iter().zip(prior).map(|(habit, prior)| habit * prior).sum();
        let knows = ((accuracy - by_chance) / (1.0 - by_chance).max(1e-9)).clamp(0.0, 1.0);
        let mut chance = vec![0.0; classes * wide];
        let mut log = vec![0.0; classes * classes];
        for truth in 0..classes {
            let row = &self.counts[truth * wide..][..classes];
            let total = row.iter().sum::<f64>() + rows;
            for label in 0..classes {
                let expected = knows * f64::from(u8::from(label == truth)) + (1.0 - knows) * habit[label];
                let share = ((row[label] + rows * expected) / total).max(1e-6);
                chance[truth * wide + label] = share * (1.0 - silence);
                log[truth * classes + label] = share.ln();
            }
            chance[truth * wide + classes] = silence;
        }
        let information = (0..classes)
            .map(|label| {
                let joint = |truth: usize| prior[truth] * chance[truth * wide + label];
                let marginal: f64 = (0..classes).map(joint).sum();
                (0..classes).map(|truth| joint(truth) * (joint(truth) / (prior[truth] * marginal)).ln()).sum::<f64>()
            })
            .sum::<f64>();
        Record { chance, log, accuracy, information, map: self.map.clone() }
    }
}

/// The correlation of the errors of every two sources, times the share of common errors that are the same.
fn overlaps(stored: &Stored, gold: &[GoldEntry]) -> Vec<f32> {
    let sources = stored.pool().len();
    let mut overlap = vec![0.0f32; sources * sources];
    let columns: Vec<Vec<u16>> = (0..sources as u32)
        .map(|source| gold.iter().map(|entry| stored.code(entry.decision, source)).collect())
        .collect();
    let mut seen = Vec::new();
    for right in 1..sources {
        for left in 0..right {
            let (mut both, mut a, mut b, mut ab, mut same) = (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0f64);
            for ((one, other), entry) in columns[left].iter().zip(&columns[right]).zip(gold) {
                if *one < NOTHING && *other < NOTHING {
                    let (wrong, too) = (*one != entry.class, *other != entry.class);
                    both += 1.0;
                    a += f64::from(u8::from(wrong));
                    b += f64::from(u8::from(too));
                    ab += f64::from(u8::from(wrong && too));
                    same += f64::from(u8::from(wrong && one == other));
                }
            }
            let spread = a * (both - a) * b * (both - b);
            if both >= 5.0 && spread > 0.0 {
                let correlation = ((both * ab - a * b) / spread.sqrt()).max(0.0);
                let alike = (same + 1.0) / (ab + 1.0);
                seen.push((left, right, both, correlation * alike.min(1.0)));
            }
        }
    }
    let (sum, count) = seen.iter().fold((0.1, 1.0), |(sum, count), one| (sum + one.3, count + 1.0));
    let mean = sum / count;
    overlap.fill(mean as f32);
    for (left, right, both, value) in seen {
        let drawn = ((both * value + OVERLAP * mean) / (both + OVERLAP)) as f32;
        overlap[left * sources + right] = drawn;
        overlap[right * sources + left] = drawn;
    }
    overlap
}
