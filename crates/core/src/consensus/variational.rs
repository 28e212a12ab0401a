//! Maximisation steps that keep a distribution over annotators' parameters in place of one value (mean-field
//! variational Bayes): their tables hold expected logarithms, and the objective is a lower bound of the evidence.

use super::em::Emission;
use super::special::{digamma, dirichlet_divergence};
use super::sweep::{Counts, Table};
use crate::votes::Votes;

/// Independent Bayesian classifier combination (Kim and Ghahramani 2012, AISTATS): Dawid and Skene with Dirichlet
/// posteriors over the rows of every confusion matrix and over the class prior.
///
/// The same assumptions as Dawid and Skene's; what is known of an annotator with few answers is spread out, so few
/// answers say less.
#[derive(Clone, Debug)]
pub(crate) struct Bayesian {
    /// The Dirichlet parameters of each cell, all positive, in the layout of the table's rows.
    pub(crate) added: Vec<f64>,
    /// The Dirichlet parameter of each class of the class prior.
    pub(crate) class_prior: f64,
}

impl Emission for Bayesian {
    fn maximise(&mut self, votes: &Votes, counts: &Counts, table: &mut Table) -> f64 {
        let (classes, lanes) = (table.classes, table.lanes);
        let total: f64 = counts.totals[..classes].iter().map(|count| count + self.class_prior).sum();
        let centre = digamma(total);
        for (base, count) in table.base.iter_mut().zip(&counts.totals[..classes]) {
            *base = digamma(count + self.class_prior) - centre;
        }
        let mut bound = -dirichlet_divergence(
            counts.totals[..classes].iter().map(|count| (count + self.class_prior, self.class_prior)),
        );
        for annotator in 0..votes.annotators() {
            let start = annotator * classes * lanes;
            for truth in 0..classes {
                let cells = (0..classes).map(|label| start + label * lanes + truth);
                let sum: f64 = cells.clone().map(|cell| counts.rows[cell] + self.added[cell]).sum();
                let centre = digamma(sum);
                for cell in cells.clone() {
                    table.rows[cell] = digamma(counts.rows[cell] + self.added[cell]) - centre;
                }
                bound -=
                    dirichlet_divergence(cells.map(|cell| (counts.rows[cell] + self.added[cell], self.added[cell])));
            }
        }
        bound
    }
}

/// An annotator either knows the class or says what it always says (MACE: Hovy et al. 2013,
/// <https://aclanthology.org/N13-1132>), with the paper's priors: Beta(0.5, 0.5) on knowing, Dirichlet(10) on the habit.
///
/// Assumes errors that do not depend on the true class. All classes are alike beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Competence;

/// The prior counts of knowing and of not knowing.
const KNOWING: f64 = 0.5;
/// The prior count of each class of the habit.
const HABIT: f64 = 10.0;

impl Emission for Competence {
    /// A table of zeros, which a first guess comes with, stands for "knows as often as not".
    fn maximise(&mut self, votes: &Votes, counts: &Counts, table: &mut Table) -> f64 {
        let classes = table.classes;
        table.base[..classes].fill(-(classes as f64).ln());
        if classes < 2 {
            return 0.0;
        }
        let (mut bound, mut habits) = (0.0, vec![0.0; classes]);
        for annotator in 0..votes.annotators() {
            let (mut knew, mut said) = (0.0, 0.0);
            for (label, habit) in habits.iter_mut().enumerate() {
                let code = annotator * classes + label;
                let (row, before) = (counts.row(code, classes), table.row(code));
                // How often a right answer came from knowing, under the table that the counts were made with.
                let other = usize::from(label == 0);
                let chance = if before[label] == 0.0 { 0.5 } else { (before[other] - before[label]).exp() };
                let known = row[label] * (1.0 - chance);
                let all: f64 = row.iter().sum();
                knew += known;
                said += all;
                *habit = (all - known).max(0.0);
            }
            let unknown = (said - knew).max(0.0);
            let centre = digamma(said + 2.0 * KNOWING);
            let know = digamma(knew + KNOWING) - centre;
            let spam = digamma(unknown + KNOWING) - centre;
            let middle = digamma(unknown + HABIT * classes as f64);
            bound -= dirichlet_divergence([(knew + KNOWING, KNOWING), (unknown + KNOWING, KNOWING)].into_iter());
            bound -= dirichlet_divergence(habits.iter().map(|habit| (habit + HABIT, HABIT)));
            for (label, habit) in habits.iter().enumerate() {
                let miss = spam + digamma(habit + HABIT) - middle;
                let lanes = table.lanes;
                let row = &mut table.rows[(annotator * classes + label) * lanes..][..classes];
                row.fill(miss);
                row[label] = know.max(miss) + (-(know - miss).abs()).exp().ln_1p();
            }
        }
        bound
    }
}
