//! The figures of a tally.

use serde::Serialize;

use super::confusion::Confusions;
use super::tally::{SpanTally, column};
use crate::audit::interval::{f1_interval, wilson};
use crate::measured::Measured;
use crate::task::Name;

/// Precision, recall and their harmonic mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prf {
    /// The share of predicted spans that are right; unknown if there are none.
    pub precision: Measured,
    /// The share of gold spans that were found; unknown if there are none.
    pub recall: Measured,
    /// F1; 0 if nothing is right, unknown if there are neither gold nor predicted spans.
    pub f1: Measured,
}

/// One label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypeScores {
    /// The label.
    pub label: Name,
    /// Gold spans; weighted if the spans were, as all counts here.
    pub gold: f64,
    /// Predicted spans.
    pub predicted: f64,
    /// Right ones.
    pub correct: f64,
    /// Its precision, recall and F1.
    #[serde(flatten)]
    pub scores: Prf,
}

/// One regime of SemEval-2013: what counts as right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regime {
    /// Right.
    pub correct: f64,
    /// Paired and wrong.
    pub incorrect: f64,
    /// Paired and partly right.
    pub partial: f64,
    /// Gold spans without a partner.
    pub missed: f64,
    /// Predicted spans without a partner.
    pub spurious: f64,
    /// Its precision, recall and F1.
    #[serde(flatten)]
    pub scores: Prf,
}

/// The four regimes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regimes {
    /// Same borders and same label.
    pub strict: Regime,
    /// Same borders, any label.
    pub exact: Regime,
    /// Overlapping, any label; one half where the borders differ.
    pub partial: Regime,
    /// Overlapping, same label.
    #[serde(rename = "type")]
    pub kind: Regime,
}

/// Agreement position by position, label by label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PositionScores {
    /// What a position is, such as `tokens`.
    pub unit: &'static str,
    /// Precision, recall and F1 over positions within spans.
    #[serde(flatten)]
    pub scores: Prf,
    /// Positions in common over positions of either (the Jaccard index).
    pub overlap: Measured,
}

/// One kind of error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorKind {
    /// How many; weighted if the spans were.
    pub count: f64,
    /// Their share of the gold spans, of the spurious ones that of the predicted spans.
    pub share: Measured,
}

/// Every error once, by what is wrong. Spans are in pairs as for [`Regimes`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorKinds {
    /// Gold spans without a partner.
    pub missed: ErrorKind,
    /// Predicted spans without a partner.
    pub spurious: ErrorKind,
    /// The right borders under another label.
    pub wrong_label: ErrorKind,
    /// The right label with other borders.
    pub wrong_borders: ErrorKind,
    /// Another label and other borders.
    pub both: ErrorKind,
}

/// How good predicted spans are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpanScores {
    /// Over all labels together, as `conlleval` has it.
    #[serde(flatten)]
    pub micro: Prf,
    /// The mean F1 of the labels.
    pub macro_f1: Measured,
    /// The share of tokens with the right tag.
    pub token_accuracy: Measured,
    /// Gold spans.
    pub gold: f64,
    /// Predicted spans.
    pub predicted: f64,
    /// Right ones.
    pub correct: f64,
    /// Tokens.
    pub tokens: f64,
    /// What the intervals draw as a whole, and how many there are.
    pub clusters: (String, u64),
    /// Each label, by name.
    pub types: Vec<TypeScores>,
    /// What would count as right otherwise.
    pub regimes: Regimes,
    /// Agreement position by position.
    pub positions: PositionScores,
    /// The errors by kind.
    pub errors: ErrorKinds,
    /// What was taken for what.
    pub confusions: Confusions,
}

/// The places of a precision, recall and F1 among the columns: right, gold, predicted.
type Triple = (usize, usize, usize);

struct Figures<'t> {
    tally: &'t SpanTally,
    basis: String,
    resampling: String,
}

impl SpanScores {
    pub(super) fn new(tally: &SpanTally, cluster: &str, position: &'static str) -> Self {
        let sum = |column: usize| tally.sums[column];
        let clusters = tally.replicates.clusters();
        let figures = Figures {
            tally,
            basis: format!("{} gold spans in {clusters} {cluster}", tally.counts[column::GOLD]),
            resampling: format!("bootstrap over {cluster}"),
        };
        let of_label = |label: usize| {
            let first = column::LABELS + 3 * label;
            (first, first + 1, first + 2)
        };
        let mut types: Vec<TypeScores> = tally
            .labels()
            .iter()
            .enumerate()
            .map(|(place, label)| {
                let triple = of_label(place);
                let (correct, gold, predicted) = (sum(triple.0), sum(triple.1), sum(triple.2));
                TypeScores { label: label.clone(), gold, predicted, correct, scores: figures.prf(triple) }
            })
            .collect();
        types.sort_by(|left, right| left.label.cmp(&right.label));
        let (gold, predicted) = (sum(column::GOLD), sum(column::PREDICTED));
        let regime = |right: usize, partial: f64| {
            let correct = sum(right) - 0.5 * partial;
            Regime {
                correct,
                incorrect: (tally.pairs - correct - partial).max(0.0),
                partial,
                missed: (gold - tally.pairs).max(0.0),
                spurious: (predicted - tally.pairs).max(0.0),
                scores: figures.prf((right, column::GOLD, column::PREDICTED)),
            }
        };
        let labels = tally.labels().len();
        let positions = (column::COMMON, column::GOLD_POSITIONS, column::PREDICTED_POSITIONS);
        Self {
            micro: figures.prf((column::STRICT, column::GOLD, column::PREDICTED)),
            macro_f1: figures.macro_f1(&(0..labels).map(of_label).collect::<Vec<_>>()),
            token_accuracy: figures.share(column::RIGHT_TOKENS, &[(column::TOKENS, 1.0)], "no tokens are known"),
            gold,
            predicted,
            correct: sum(column::STRICT),
            tokens: sum(column::TOKENS),
            clusters: (cluster.to_owned(), clusters),
            types,
            regimes: Regimes {
                strict: regime(column::STRICT, 0.0),
                exact: regime(column::EXACT, 0.0),
                partial: regime(column::PARTIAL, tally.partial),
                kind: regime(column::KIND, 0.0),
            },
            positions: PositionScores {
                unit: position,
                scores: figures.prf(positions),
                overlap: figures.share(
                    column::COMMON,
                    &[(column::GOLD_POSITIONS, 1.0), (column::PREDICTED_POSITIONS, 1.0), (column::COMMON, -1.0)],
                    "there are no spans",
                ),
            },
            errors: figures.errors(),
            confusions: tally.errors.named(tally.labels()),
        }
    }
}

/// F1 as `conlleval` has it; `None` if there are neither gold nor predicted spans.
fn f1(right: f64, gold: f64, predicted: f64) -> Option<f64> {
    (gold + predicted > 0.0).then(|| 2.0 * right / (gold + predicted))
}

impl Figures<'_> {
    fn prf(&self, triple: Triple) -> Prf {
        Prf {
            precision: self.share(triple.0, &[(triple.2, 1.0)], "nothing was predicted"),
            recall: self.share(triple.0, &[(triple.1, 1.0)], "there is no gold span"),
            f1: self.f1(triple),
        }
    }

    fn errors(&self) -> ErrorKinds {
        let kind = |part: usize, (whole, otherwise): (usize, &str)| ErrorKind {
            count: self.tally.sums[part],
            share: self.share(part, &[(whole, 1.0)], otherwise),
        };
        let gold = (column::GOLD, "there is no gold span");
        ErrorKinds {
            missed: kind(column::MISSED, gold),
            spurious: kind(column::SPURIOUS, (column::PREDICTED, "nothing was predicted")),
            wrong_label: kind(column::WRONG_LABEL, gold),
            wrong_borders: kind(column::WRONG_BORDERS, gold),
            both: kind(column::BOTH, gold),
        }
    }

    fn known(&self, value: f64, resampled: Option<(f64, f64)>, counted: (f64, f64)) -> Measured {
        match resampled {
            // A bootstrap of nothing but hits, or of nothing but misses, says that it is certain; it is not.
            Some((low, high)) if low < high && value > 0.0 && value < 1.0 => Measured::known(
                value,
                (low.min(value), high.max(value)),
                format!("{}, {}", self.basis, self.resampling),
            ),
            _ => Measured::known(value, counted, format!("{}, taken as independent", self.basis)),
        }
    }

    /// A sum over a combination of sums.
    fn share(&self, part: usize, whole: &[(usize, f64)], otherwise: &str) -> Measured {
        let tally = self.tally;
        let total = |sums: &[f64]| whole.iter().map(|&(column, sign)| sign * sums[column]).sum::<f64>();
        let (parts, sum) = (tally.sums[part], total(&tally.sums));
        if sum <= 0.0 {
            return Measured::unknown(otherwise);
        }
        let columns: Vec<(&[f64], f64)> =
            whole.iter().map(|&(column, sign)| (tally.replicates.column(column), sign)).collect();
        let right = tally.replicates.column(part);
        let resampled = tally.replicates.interval(|replicate| {
            let at = |sums: &[f64]| sums.get(replicate).copied().unwrap_or(0.0);
            let total: f64 = columns.iter().map(|(sums, sign)| sign * at(sums)).sum();
            (total > 0.0).then(|| at(right) / total)
        });
        let value = (parts / sum).clamp(0.0, 1.0);
        self.known(value, self.resampled(part, resampled), wilson(value, total(&tally.counts)))
    }

    fn f1(&self, (right, gold, predicted): Triple) -> Measured {
        let tally = self.tally;
        let at = |column: usize| tally.sums[column];
        let Some(value) = f1(at(right), at(gold), at(predicted)) else {
            return Measured::unknown("there are neither gold nor predicted spans");
        };
        let columns = [right, gold, predicted].map(|column| tally.replicates.column(column));
        let resampled = tally.replicates.interval(|replicate| {
            let [right, gold, predicted] = columns.map(|sums| sums.get(replicate).copied().unwrap_or(0.0));
            f1(right, gold, predicted)
        });
        let hits = tally.counts[right];
        let errors = tally.counts[gold] + tally.counts[predicted] - 2.0 * hits;
        let counted = f1_interval(hits, errors, hits + errors).map_or((0.0, 1.0), |(_, interval)| interval);
        self.known(value, self.resampled(right, resampled), (counted.0.min(value), counted.1.max(value)))
    }

    /// Labels beyond those that are resampled have no replicates.
    fn resampled(&self, column: usize, interval: Option<(f64, f64)>) -> Option<(f64, f64)> {
        (!self.tally.replicates.column(column).is_empty()).then_some(interval).flatten()
    }

    /// The mean F1 of the labels that occur.
    fn macro_f1(&self, labels: &[Triple]) -> Measured {
        let tally = self.tally;
        let at = |column: usize| tally.sums[column];
        let known: Vec<f64> =
            labels.iter().filter_map(|&(right, gold, predicted)| f1(at(right), at(gold), at(predicted))).collect();
        if known.is_empty() {
            return Measured::unknown("there are neither gold nor predicted spans");
        }
        let value = known.iter().sum::<f64>() / known.len() as f64;
        let columns: Vec<[&[f64]; 3]> = labels
            .iter()
            .map(|&(right, gold, predicted)| [right, gold, predicted].map(|column| tally.replicates.column(column)))
            .collect();
        let resampled = tally.replicates.interval(|replicate| {
            let values: Vec<f64> = columns
                .iter()
                .filter_map(|columns| {
                    let [right, gold, predicted] = columns.map(|sums| sums.get(replicate).copied().unwrap_or(0.0));
                    f1(right, gold, predicted)
                })
                .collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        });
        let count = tally.counts[column::GOLD].max(1.0);
        let (low, high) = wilson(value.clamp(0.0, 1.0), count);
        self.known(value, resampled, (low.min(value), high.max(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SpanTally, TokenAgreement};
    use super::*;
    use crate::random::Random;
    use crate::text::Named;

    fn span(start: u32, end: u32, label: &str) -> Named<&str> {
        Named { start, end, label }
    }

    fn value(figure: &Measured) -> f64 {
        figure.value().unwrap()
    }

    #[test]
    fn figures_match_hand_counts() {
        let mut tally = SpanTally::new(0);
        let gold = [span(0, 2, "PER"), span(4, 5, "LOC"), span(7, 9, "ORG"), span(12, 13, "LOC")];
        let predicted = [span(0, 2, "PER"), span(4, 5, "ORG"), span(7, 8, "ORG"), span(20, 22, "PER")];
        tally.add(0, 1.0, &gold, &predicted, Some(TokenAgreement { right: 15, total: 23 }));
        let scores = tally.scores("sentences", "tokens");
        assert_eq!((value(&scores.micro.precision), value(&scores.micro.recall)), (0.25, 0.25));
        assert_eq!(value(&scores.micro.f1), 0.25);
        assert!((value(&scores.token_accuracy) - 15.0 / 23.0).abs() < 1e-12);
        assert!((value(&scores.macro_f1) - (2.0 / 3.0) / 3.0).abs() < 1e-12);
        let regimes = &scores.regimes;
        let row = |regime: &Regime| [regime.correct, regime.incorrect, regime.partial, regime.missed, regime.spurious];
        assert_eq!(row(&regimes.strict), [1.0, 2.0, 0.0, 1.0, 1.0]);
        assert_eq!(row(&regimes.exact), [2.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(row(&regimes.partial), [2.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(row(&regimes.kind), [2.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(value(&regimes.partial.scores.f1), 2.5 / 4.0);
        assert_eq!(value(&scores.positions.overlap), 3.0 / (6.0 + 6.0 - 3.0));
        let confusions = &scores.confusions;
        assert_eq!((&*confusions.mistaken[0].gold, &*confusions.mistaken[0].predicted), ("LOC", "ORG"));
        assert_eq!(confusions.wrong_borders["ORG"], 1.0);
        assert_eq!((confusions.missed["LOC"], confusions.spurious["PER"]), (1.0, 1.0));
        let ErrorKinds { missed, spurious, wrong_label, wrong_borders, both } = &scores.errors;
        let kinds = [missed, spurious, wrong_label, wrong_borders, both];
        assert_eq!(kinds.map(|kind| kind.count), [1.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!((value(&missed.share), value(&both.share)), (0.25, 0.0));
        let Measured::Known { low, high, .. } = both.share else { panic!("expected a figure") };
        assert!(low == 0.0 && high > 0.3, "none of four proves little: {high}");
    }

    #[test]
    fn nothing_at_all_is_unknown_and_nothing_right_is_zero() {
        let mut tally = SpanTally::new(0);
        tally.add::<&str, &str>(0, 1.0, &[], &[], None);
        let scores = tally.scores("sentences", "tokens");
        assert!(scores.micro.f1.value().is_none() && scores.token_accuracy.value().is_none());
        tally.add::<_, &str>(1, 1.0, &[span(0, 1, "X")], &[], None);
        let scores = tally.scores("sentences", "tokens");
        assert_eq!(value(&scores.micro.f1), 0.0);
        assert!(scores.micro.precision.value().is_none());
        let Measured::Known { low, high, .. } = scores.micro.recall else { panic!("expected a figure") };
        assert!(low == 0.0 && high > 0.5, "one missed span proves little: {high}");
    }

    /// A sample of sentences in which every third span is missed, in runs.
    fn sample(random: &mut Random, sentences: u64, tally: &mut SpanTally, first: u64) {
        for sentence in 0..sentences {
            let good = random.unit() < 0.7;
            let gold: Vec<Named<&str>> = (0..=random.below(3) as u32)
                .map(|place| span(place * 3, place * 3 + 2, ["A", "B"][random.below(2)]))
                .collect();
            let predicted: Vec<Named<&str>> = gold.iter().filter(|_| good || random.unit() < 0.3).cloned().collect();
            tally.add(first + sentence, 1.0, &gold, &predicted, None);
        }
    }

    #[test]
    fn merging_equals_adding() {
        let (mut whole, mut left, mut right) = (SpanTally::new(7), SpanTally::new(7), SpanTally::new(7));
        right.add(1000, 1.0, &[span(0, 1, "Z")], &[span(0, 1, "B")], None);
        whole.add(1000, 1.0, &[span(0, 1, "Z")], &[span(0, 1, "B")], None);
        let mut random = Random::new(1);
        sample(&mut random, 50, &mut whole, 0);
        sample(&mut random, 50, &mut whole, 50);
        let mut random = Random::new(1);
        sample(&mut random, 50, &mut left, 0);
        sample(&mut random, 50, &mut right, 50);
        left.merge(right);
        assert_eq!(left.scores("sentences", "tokens"), whole.scores("sentences", "tokens"));
    }

    #[test]
    fn weights_undo_an_unequal_draw() {
        let mut tally = SpanTally::new(7);
        for sentence in 0..40 {
            let predicted = if sentence % 2 == 0 { vec![span(0, 1, "A")] } else { vec![] };
            let weight = if sentence % 2 == 0 { 1.0 } else { 3.0 };
            tally.add(sentence, weight, &[span(0, 1, "A")], &predicted, None);
        }
        let scores = tally.scores("sentences", "tokens");
        assert!((value(&scores.micro.recall) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn intervals_cover_the_truth_in_simulation() {
        // Recall: 0.7 of sentences are good, the spans of others are found three times in ten.
        let (recall, mut covered) = (0.7 + 0.3 * 0.3, 0);
        for seed in 0..150 {
            let mut tally = SpanTally::new(seed);
            sample(&mut Random::new(seed + 99), 120, &mut tally, 0);
            let Measured::Known { low, high, .. } = tally.scores("sentences", "tokens").micro.recall else {
                panic!("expected a figure")
            };
            covered += u32::from((low..=high).contains(&recall));
        }
        assert!((134..=150).contains(&covered), "{covered} of 150 intervals covered");
    }
}
