//! A class prior for each stratum of decisions.

use super::em::Emission;
use super::sweep::{Counts, Table};
use crate::votes::Votes;

/// Decisions, spread like the class prior of all, that are added to each stratum's.
const ADDED: f64 = 10.0;

/// Any model, where the strata of the decisions differ in how frequent the classes are: annotators' skills are shared
/// between strata, class priors are not.
///
/// The strata come as further annotators, see [`Votes::with_strata_as_annotators`]; their answer says how much likelier
/// each class is in the stratum than at large.
pub(crate) struct Stratified<'a> {
    pub(crate) inner: &'a mut dyn Emission,
    /// The votes without the strata.
    pub(crate) votes: &'a Votes,
}

impl Emission for Stratified<'_> {
    fn maximise(&mut self, all: &Votes, counts: &Counts, table: &mut Table) -> f64 {
        let (classes, lanes) = (table.classes, table.lanes);
        let value = self.inner.maximise(self.votes, counts, table);
        let shares: Vec<f64> = table.base[..classes].iter().map(|log| log.exp()).collect();
        let sum: f64 = shares.iter().sum();
        for stratum in self.votes.annotators()..all.annotators() {
            let code = stratum * classes;
            let seen = counts.row(code, classes);
            let total: f64 = seen.iter().sum::<f64>() + ADDED;
            let row = &mut table.rows[code * lanes..][..classes];
            for ((cell, seen), share) in row.iter_mut().zip(seen).zip(&shares) {
                let share = share / sum;
                *cell = ((seen + ADDED * share) / total).ln() - share.ln();
            }
        }
        value
    }

    /// The centre that strata are drawn to moves with them.
    fn ascends(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::Random;
    use crate::consensus::{Method, Settings, fit};
    use crate::votes::{Gold, VotesBuilder};

    #[test]
    fn rare_labels_need_more_than_one_voice() {
        // Two labels per item, one in 2 %, one in 60 % of the items; annotators are wrong in 15 %.
        let mut random = Random::new(3);
        let (mut votes, mut truth) = (Vec::new(), Vec::new());
        for decision in 0..2_000u32 {
            let class = u16::from(random.unit() < [0.02, 0.6][decision as usize % 2]);
            truth.push(class);
            for annotator in 0..2 {
                votes.push((decision, annotator, if random.unit() < 0.85 { class } else { 1 - class }));
            }
        }
        let wrong = |strata: bool, method| {
            let mut builder = VotesBuilder::new(2);
            if strata {
                builder = builder.strata((0..2_000).map(|decision| decision % 2).collect());
            }
            for &(decision, annotator, class) in &votes {
                builder.push(decision, annotator, class).unwrap();
            }
            let votes = builder.build(2_000, 2).unwrap();
            let made = fit(&votes, &Gold::none(), method, &Settings::default()).unwrap();
            assert!(made.posterior.chunks(2).all(|row| (row[0] + row[1] - 1.0).abs() < 1e-5));
            made.labels.iter().zip(&truth).filter(|(label, truth)| label != truth).count()
        };
        for method in [Method::OneCoin, Method::DawidSkene, Method::Ibcc, Method::Mace] {
            let (with, without) = (wrong(true, method), wrong(false, method));
            assert!(with * 10 < without * 9, "{}: {with} errors with strata, {without} without", method.name());
        }
    }
}
