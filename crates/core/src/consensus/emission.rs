//! The maximisation steps: how annotators err.

use super::em::Emission;
use super::sweep::{Counts, Table};
use crate::votes::Votes;

/// How the class prior is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ClassPrior {
    /// From the posteriors, with so many decisions per class added.
    Estimated(f64),
    /// All classes alike.
    Uniform,
}

impl ClassPrior {
    /// The share of each class, and the logarithm of the prior density there.
    pub(crate) fn maximise(self, counts: &Counts, classes: usize) -> (Vec<f64>, f64) {
        match self {
            Self::Uniform => (vec![1.0 / classes as f64; classes], 0.0),
            Self::Estimated(added) => {
                let raw: Vec<f64> = counts.totals[..classes].iter().map(|total| (total + added).max(1e-10)).collect();
                let sum: f64 = raw.iter().sum();
                let shares: Vec<f64> = raw.iter().map(|value| value / sum).collect();
                let density = added * shares.iter().map(|share| share.ln()).sum::<f64>();
                (shares, density)
            }
        }
    }
}

/// Every annotator has a full confusion matrix (Dawid and Skene 1979, <https://doi.org/10.2307/2346806>).
///
/// Assumes that annotators err independently of each other given the true class. Where they share a bias the posteriors
/// are over-confident, and where classes are many and votes few a class can empty; see [`super::Warning`].
#[derive(Clone, Debug)]
pub(crate) struct Confusion {
    pub(crate) class_prior: ClassPrior,
    /// Answers added to each cell before normalising, in the layout of the table's rows.
    pub(crate) added: Vec<f64>,
    /// The smallest count of a cell.
    pub(crate) least: f64,
    /// Whether saying nothing is an answer too, with a probability that depends on the class; holds how many
    /// decisions the prior of that probability is worth.
    pub(crate) silence: Option<f64>,
}

impl Emission for Confusion {
    fn maximise(&mut self, votes: &Votes, counts: &Counts, table: &mut Table) -> f64 {
        let (classes, lanes) = (table.classes, table.lanes);
        let (shares, mut density) = self.class_prior.maximise(counts, classes);
        for (base, share) in table.base.iter_mut().zip(&shares) {
            *base = share.ln();
        }
        let everything: f64 = counts.totals[..classes].iter().sum();
        let mut sums = vec![0.0; classes];
        let mut answered = vec![0.0; classes];
        for annotator in 0..votes.annotators() {
            let rows = annotator * classes * lanes..(annotator + 1) * classes * lanes;
            let (from, added, into) = (&counts.rows[rows.clone()], &self.added[rows.clone()], &mut table.rows[rows]);
            sums.fill(0.0);
            answered.fill(0.0);
            for label in 0..classes {
                for truth in 0..classes {
                    let cell = label * lanes + truth;
                    let value = (from[cell] + added[cell]).max(self.least);
                    answered[truth] += from[cell];
                    sums[truth] += value;
                    into[cell] = value;
                }
            }
            let logs: Vec<f64> = sums.iter().map(|sum| sum.ln()).collect();
            for label in 0..classes {
                for (truth, log) in logs.iter().enumerate() {
                    let cell = label * lanes + truth;
                    into[cell] = into[cell].ln() - log;
                    density += added[cell] * into[cell];
                }
            }
            let Some(strength) = self.silence else { continue };
            let coverage = answered.iter().sum::<f64>() / everything.max(1e-10);
            // An annotator that answers nearly always says nothing by its silence.
            if coverage <= 0.0 || coverage > 0.98 {
                continue;
            }
            for truth in 0..classes {
                let here = answered[truth].min(counts.totals[truth]);
                let rate = (here + strength * coverage) / (counts.totals[truth] + strength);
                let (spoke, silent) = (rate.ln(), (1.0 - rate).ln());
                density += strength * (coverage * spoke + (1.0 - coverage) * silent);
                table.base[truth] += silent;
                for label in 0..classes {
                    into[label * lanes + truth] += spoke - silent;
                }
            }
        }
        density
    }
}

/// Every annotator is right with one probability, whatever the class, and errs evenly.
#[derive(Clone, Debug)]
pub(crate) struct OneCoin {
    pub(crate) class_prior: ClassPrior,
    /// Right and wrong answers added to each annotator's.
    pub(crate) added: (f64, f64),
}

impl Emission for OneCoin {
    fn maximise(&mut self, votes: &Votes, counts: &Counts, table: &mut Table) -> f64 {
        let (classes, lanes) = (table.classes, table.lanes);
        let (shares, mut density) = self.class_prior.maximise(counts, classes);
        for (base, share) in table.base.iter_mut().zip(&shares) {
            *base = share.ln();
        }
        if classes < 2 {
            return density;
        }
        for annotator in 0..votes.annotators() {
            let (mut right, mut all) = (0.0, 0.0);
            for label in 0..classes {
                let row = counts.row(annotator * classes + label, classes);
                right += row[label];
                all += row.iter().sum::<f64>();
            }
            let total = all + self.added.0 + self.added.1;
            let accuracy = if total > 0.0 { (right + self.added.0) / total } else { 0.5 }.clamp(1e-10, 1.0 - 1e-10);
            density += self.added.0 * accuracy.ln() + self.added.1 * (1.0 - accuracy).ln();
            let (hit, miss) = (accuracy.ln(), ((1.0 - accuracy) / (classes - 1) as f64).ln());
            for label in 0..classes {
                let row = &mut table.rows[(annotator * classes + label) * lanes..][..classes];
                row.fill(miss);
                row[label] = hit;
            }
        }
        density
    }
}

/// Added counts around what is known of each annotator at large: with probability `s` it knows, otherwise it draws from
/// its own habit. `s` is fitted to its agreement with the given counts, the habit is the share of each class among its
/// answers; `strength` is how many answers per true class the whole is worth.
///
/// This is the picture of MACE (Hovy et al. 2013, <https://aclanthology.org/N13-1132>), used as a prior mean: an
/// annotator that always says the same starts from saying so whatever the truth.
pub(crate) fn added_by_habit(votes: &Votes, counts: &Counts, said: &[f64], strength: f64) -> Vec<f64> {
    let (classes, lanes) = (votes.classes(), counts.lanes);
    let mut added = vec![0.0; votes.annotators() * classes * lanes];
    for annotator in 0..votes.annotators() {
        let said = &said[annotator * classes..][..classes];
        let (knows, habit) = knowledge(counts, annotator, said);
        for label in 0..classes {
            let row = &mut added[(annotator * classes + label) * lanes..][..classes];
            row.fill(strength * (1.0 - knows) * habit[label]);
            row[label] += strength * knows;
        }
    }
    added
}

/// How often each annotator said each class: one number per vote code.
pub(crate) fn said(votes: &Votes) -> Vec<f64> {
    let mut said = vec![0.0; votes.annotators() * votes.classes()];
    for (place, &code) in votes.codes().iter().enumerate() {
        said[code as usize] += f64::from(votes.weight(place));
    }
    said
}

/// The probability that an annotator knows, from counts, and its habit when it does not, from all it said.
fn knowledge(counts: &Counts, annotator: usize, said: &[f64]) -> (f64, Vec<f64>) {
    let classes = said.len();
    let total = said.iter().sum::<f64>() + 0.5;
    let habit: Vec<f64> = said.iter().map(|said| (said + 0.5 / classes as f64) / total).collect();
    let mut truth = vec![0.0; classes];
    let mut right = 0.0;
    for label in 0..classes {
        let row = counts.row(annotator * classes + label, classes);
        right += row[label];
        for (sum, value) in truth.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let all: f64 = truth.iter().sum();
    // Agreement beyond what the habit alone gives; four answers half way between habit and knowledge are added.
    let chance: f64 =
        truth.iter().zip(&habit).map(|(truth, habit)| (truth + 1.0 / classes as f64) * habit).sum::<f64>()
            / (all + 1.0);
    let agreement = (right + 4.0 * (0.5 + 0.5 * chance)) / (all + 4.0);
    let knows = ((agreement - chance) / (1.0 - chance).max(1e-3)).clamp(0.02, 0.98);
    (knows, habit)
}
