//! Counts of spans, right and wrong.

use std::collections::HashMap;

use super::confusion::Errors;
use super::pairing::{Mark, common, pair};
use super::resample::Replicates;
use super::scores::SpanScores;
use crate::task::Name;
use crate::text::Named;

/// How many tokens of a sentence have the right tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenAgreement {
    /// Tokens with the right tag.
    pub right: u64,
    /// All tokens.
    pub total: u64,
}

/// The columns of sums that are kept for all labels together; those of labels follow, three each.
pub(super) mod column {
    /// Same borders and label.
    pub(in super::super) const STRICT: usize = 0;
    /// Same borders.
    pub(in super::super) const EXACT: usize = 1;
    /// Same borders, or one half for overlapping ones.
    pub(in super::super) const PARTIAL: usize = 2;
    /// Overlapping, same label.
    pub(in super::super) const KIND: usize = 3;
    /// Gold spans.
    pub(in super::super) const GOLD: usize = 4;
    /// Predicted spans.
    pub(in super::super) const PREDICTED: usize = 5;
    /// Positions in common.
    pub(in super::super) const COMMON: usize = 6;
    /// Positions of gold spans.
    pub(in super::super) const GOLD_POSITIONS: usize = 7;
    /// Positions of predicted spans.
    pub(in super::super) const PREDICTED_POSITIONS: usize = 8;
    /// Tokens with the right tag.
    pub(in super::super) const RIGHT_TOKENS: usize = 9;
    /// Tokens.
    pub(in super::super) const TOKENS: usize = 10;
    /// Gold spans without a partner.
    pub(in super::super) const MISSED: usize = 11;
    /// Predicted spans without a partner.
    pub(in super::super) const SPURIOUS: usize = 12;
    /// Pairs with the same borders and other labels.
    pub(in super::super) const WRONG_LABEL: usize = 13;
    /// Pairs with the same label and other borders.
    pub(in super::super) const WRONG_BORDERS: usize = 14;
    /// Pairs with other labels and other borders.
    pub(in super::super) const BOTH: usize = 15;
    /// The first label's right spans; its gold and its predicted ones follow.
    pub(in super::super) const LABELS: usize = 16;
}

/// Labels beyond these have intervals that take their spans as independent: a replicate of each would need too much
/// memory.
const RESAMPLED_LABELS: usize = 256;

/// Predicted spans against gold ones. Memory grows with the labels, not with the spans.
#[derive(Clone, Debug)]
pub struct SpanTally {
    seed: u64,
    labels: Vec<Name>,
    places: HashMap<Name, u32>,
    /// Weighted sums, by [`column`].
    pub(super) sums: Vec<f64>,
    /// The same without weights, for intervals that rest on counts.
    pub(super) counts: Vec<f64>,
    pub(super) errors: Errors,
    /// Weighted pairs that overlap with other borders, which are partly right.
    pub(super) partial: f64,
    pub(super) pairs: f64,
    pub(super) replicates: Replicates,
}

impl SpanTally {
    /// An empty tally; the seed is that of its intervals.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            labels: Vec::new(),
            places: HashMap::new(),
            sums: Vec::new(),
            counts: Vec::new(),
            errors: Errors::default(),
            partial: 0.0,
            pairs: 0.0,
            replicates: Replicates::default(),
        }
    }

    /// Adds the spans of a sentence or document, by positions of any unit.
    ///
    /// `cluster` is what is drawn as a whole for the intervals: its document, or itself; all calls of a cluster follow
    /// one another, and no two tallies that are merged share one. `weight` is one over the probability with which the
    /// cluster was drawn from the population, 1 if everything was scored.
    pub fn add<G: AsRef<str>, P: AsRef<str>>(
        &mut self,
        cluster: u64,
        weight: f64,
        gold: &[Named<G>],
        predicted: &[Named<P>],
        tokens: Option<TokenAgreement>,
    ) {
        let gold = self.marks(gold);
        let predicted = self.marks(predicted);
        let mut sums: Vec<(usize, f64)> = Vec::with_capacity(24);
        let pairs = pair(&gold, &predicted);
        let (mut taken_gold, mut taken_predicted) = (vec![false; gold.len()], vec![false; predicted.len()]);
        let (mut strict, mut exact, mut partial, mut kind) = (0.0, 0.0, 0.0, 0.0);
        let (mut wrong_label, mut wrong_borders, mut both_wrong) = (0.0, 0.0, 0.0);
        for &(place, other) in &pairs {
            (taken_gold[place], taken_predicted[other]) = (true, true);
            let (truth, guess) = (gold[place], predicted[other]);
            let borders = (truth.start, truth.end) == (guess.start, guess.end);
            let label = truth.label == guess.label;
            exact += f64::from(u8::from(borders));
            partial += if borders { 1.0 } else { 0.5 };
            kind += f64::from(u8::from(label));
            self.partial += if borders { 0.0 } else { weight };
            if borders && label {
                strict += 1.0;
                sums.push((column::LABELS + 3 * truth.label as usize, 1.0));
            } else if label {
                wrong_borders += 1.0;
                *self.errors.wrong_borders.entry(truth.label).or_default() += weight;
            } else {
                let cell = self.errors.mistaken.entry((truth.label, guess.label)).or_default();
                *(if borders { &mut cell.0 } else { &mut cell.1 }) += weight;
                *(if borders { &mut wrong_label } else { &mut both_wrong }) += 1.0;
            }
        }
        self.pairs += weight * pairs.len() as f64;
        for (mark, _) in gold.iter().zip(&taken_gold).filter(|(_, taken)| !**taken) {
            *self.errors.missed.entry(mark.label).or_default() += weight;
        }
        for (mark, _) in predicted.iter().zip(&taken_predicted).filter(|(_, taken)| !**taken) {
            *self.errors.spurious.entry(mark.label).or_default() += weight;
        }
        sums.extend(gold.iter().map(|mark| (column::LABELS + 3 * mark.label as usize + 1, 1.0)));
        sums.extend(predicted.iter().map(|mark| (column::LABELS + 3 * mark.label as usize + 2, 1.0)));
        let (both, gold_length, predicted_length) = common(&gold, &predicted);
        let tokens = tokens.unwrap_or_default();
        sums.extend([
            (column::STRICT, strict),
            (column::EXACT, exact),
            (column::PARTIAL, partial),
            (column::KIND, kind),
            (column::GOLD, gold.len() as f64),
            (column::PREDICTED, predicted.len() as f64),
            (column::COMMON, both as f64),
            (column::GOLD_POSITIONS, gold_length as f64),
            (column::PREDICTED_POSITIONS, predicted_length as f64),
            (column::RIGHT_TOKENS, tokens.right as f64),
            (column::TOKENS, tokens.total as f64),
            (column::MISSED, (gold.len() - pairs.len()) as f64),
            (column::SPURIOUS, (predicted.len() - pairs.len()) as f64),
            (column::WRONG_LABEL, wrong_label),
            (column::WRONG_BORDERS, wrong_borders),
            (column::BOTH, both_wrong),
        ]);
        let columns = column::LABELS + 3 * self.labels.len();
        self.sums.resize(columns, 0.0);
        self.counts.resize(columns, 0.0);
        let resampled = column::LABELS + 3 * RESAMPLED_LABELS;
        for (column, value) in sums {
            self.sums[column] += weight * value;
            self.counts[column] += value;
            if column < resampled {
                self.replicates.add(self.seed, cluster, column, weight * value);
            }
        }
    }

    /// Adds the counts of another part of the data, scored with the same seed.
    pub fn merge(&mut self, mut other: Self) {
        self.replicates.close(self.seed);
        other.replicates.close(other.seed);
        let labels: Vec<u32> = other.labels.iter().map(|label| self.place(label)).collect();
        let place = |at: usize| match at.checked_sub(column::LABELS) {
            None => at,
            Some(within) => column::LABELS + 3 * labels[within / 3] as usize + within % 3,
        };
        let columns = column::LABELS + 3 * self.labels.len();
        self.sums.resize(columns, 0.0);
        self.counts.resize(columns, 0.0);
        for (at, (sum, count)) in other.sums.iter().zip(&other.counts).enumerate() {
            self.sums[place(at)] += sum;
            self.counts[place(at)] += count;
        }
        self.errors.merge(&other.errors, |label| labels[label as usize]);
        self.partial += other.partial;
        self.pairs += other.pairs;
        self.replicates.merge(&other.replicates, place);
    }

    /// The figures. `cluster` names what was drawn as a whole, such as `sentences`; `position` what spans are counted
    /// in, such as `tokens`.
    pub fn scores(&mut self, cluster: &str, position: &'static str) -> SpanScores {
        self.replicates.close(self.seed);
        let columns = column::LABELS + 3 * self.labels.len();
        self.sums.resize(columns, 0.0);
        self.counts.resize(columns, 0.0);
        SpanScores::new(self, cluster, position)
    }

    pub(super) fn labels(&self) -> &[Name] {
        &self.labels
    }

    fn marks<N: AsRef<str>>(&mut self, spans: &[Named<N>]) -> Vec<Mark> {
        let mut marks: Vec<Mark> = spans
            .iter()
            .map(|span| Mark { start: span.start, end: span.end, label: self.place(span.label.as_ref()) })
            .collect();
        // A span said twice is one span.
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    fn place(&mut self, label: &str) -> u32 {
        if let Some(&place) = self.places.get(label) {
            return place;
        }
        let place = self.labels.len() as u32;
        let name = Name::from(label);
        self.labels.push(name.clone());
        self.places.insert(name, place);
        place
    }
}
