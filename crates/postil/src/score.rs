//! Scoring labels against a truth, in the one way that every command shows.

use postil_core::audit::spans::SpanScores;
use postil_core::audit::{SetTally, Tally};
use postil_core::{Class, Measured};

use crate::report::Figure;

/// Counts for one kind of task.
#[derive(Clone, Debug)]
pub enum Score {
    /// One label per item; `true` if the labels are an ordered scale.
    Single(Tally, bool),
    /// Any number of labels per item.
    Sets(SetTally),
    /// One tag per token.
    Tokens(Box<TokenScore>),
}

/// Tags of tokens against their truth.
#[derive(Clone, Debug)]
pub struct TokenScore {
    /// Each token as a span of its own, with intervals that resample items.
    pub scores: SpanScores,
    /// What is taken for what, and how sure the tags are, token by token.
    pub tally: Tally,
    /// How many items were scored.
    pub items: u64,
}

impl Score {
    /// The accuracy-like figures of a task, the headline's first. `basis` says what they rest on.
    pub fn figures(&self, basis: &str) -> Vec<Figure> {
        let figure = |name: &str, value| Figure { name: name.to_owned(), value };
        match self {
            Self::Single(tally, ordered) => {
                let mut figures =
                    vec![figure("accuracy", tally.accuracy(basis)), figure("macro F1", tally.macro_f1(basis))];
                if *ordered {
                    figures.push(figure("mean absolute error in levels", tally.mean_absolute_error(basis)));
                }
                figures.push(figure("calibration error", tally.calibration_error(basis)));
                figures.push(figure("log-loss", tally.log_loss(basis)));
                figures
            }
            Self::Tokens(tokens) => {
                let apart = format!("{basis}, tokens taken as independent");
                vec![
                    figure("token accuracy", of_tokens(&tokens.scores.token_accuracy)),
                    figure("macro F1", of_tokens(&tokens.scores.macro_f1)),
                    figure("calibration error", tokens.tally.calibration_error(&apart)),
                    figure("log-loss", tokens.tally.log_loss(&apart)),
                ]
            }
            Self::Sets(tally) => vec![
                figure("micro F1", tally.micro_f1(basis)),
                figure("macro F1", tally.macro_f1(basis)),
                figure("exact sets", tally.subset_accuracy(basis)),
            ],
        }
    }

    /// Precision, recall and F1 of a class, and how often it is the truth.
    pub fn of_class(&self, class: Class, name: &str, basis: &str) -> (u64, [Measured; 3]) {
        match self {
            Self::Single(tally, _) => (
                tally.confusion()[usize::from(class)].iter().sum(),
                [tally.precision(class, basis), tally.recall(class, basis), tally.f1(class, basis)],
            ),
            Self::Sets(tally) => (
                tally.support(class),
                [tally.precision(class, basis), tally.recall(class, basis), tally.f1(class, basis)],
            ),
            Self::Tokens(tokens) => {
                let scores = tokens.scores.types.iter().find(|scores| &*scores.label == name).map(|one| &one.scores);
                let figures = scores.map_or_else(
                    || [(); 3].map(|()| Measured::unknown("no measured token has this tag")),
                    |scores| [&scores.precision, &scores.recall, &scores.f1].map(of_tokens),
                );
                (tokens.tally.confusion()[usize::from(class)].iter().sum(), figures)
            }
        }
    }

    /// How many items were scored.
    pub fn count(&self) -> u64 {
        match self {
            Self::Single(tally, _) => tally.count(),
            Self::Sets(tally) => tally.count(),
            Self::Tokens(tokens) => tokens.items,
        }
    }
}

/// A figure of spans of one token each, in words of tokens.
fn of_tokens(figure: &Measured) -> Measured {
    match figure.clone() {
        Measured::Known { value, low, high, level, basis } => {
            Measured::Known { value, low, high, level, basis: basis.replace("gold spans", "gold tokens") }
        }
        unknown @ Measured::Unknown { .. } => unknown,
    }
}

/// The label of a row of probabilities: the likeliest, the first of equals.
///
/// On ordered scales too: the median, which has the least expected distance, did worse on real data by accuracy and by
/// distance, because probabilities are not as good as the labels they favour.
pub fn decide(probabilities: &[f32]) -> Class {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    best as Class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_likeliest_labels_wins() {
        assert_eq!(decide(&[0.2, 0.4, 0.4]), 1);
        assert_eq!(decide(&[1.0]), 0);
    }
}
