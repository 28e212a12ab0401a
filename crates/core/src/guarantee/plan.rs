//! How much gold a question needs, before anything is spent.

use serde::Serialize;

use crate::distribution::{binomial_cdf, normal_quantile};
use crate::error::{Error, Result};

/// A question that gold labels shall answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// A share near `share`, such as an accuracy, to plus or minus `half_width`, among `population` items if finite.
    Share {
        /// About how large it is.
        share: f64,
        /// Half the width of the interval.
        half_width: f64,
        /// All items there are, where they are few.
        population: Option<usize>,
    },
    /// That at least `accuracy` of the labels are right, when up to `errors` wrong ones are forgiven.
    AtLeast {
        /// The accuracy to be shown.
        accuracy: f64,
        /// Wrong labels forgiven.
        errors: u64,
    },
    /// The recall of a class that makes up `prevalence` of the items.
    Recall {
        /// About how large it is.
        recall: f64,
        /// The share of the class.
        prevalence: f64,
        /// Half the width of the interval.
        half_width: f64,
    },
    /// The F1 of such a class.
    F1 {
        /// About how large it is.
        f1: f64,
        /// The share of the class.
        prevalence: f64,
        /// Half the width of the interval.
        half_width: f64,
    },
    /// Which of two systems is better, on the same items, found with 80 % chance.
    Compare {
        /// The difference in accuracy.
        difference: f64,
        /// The share of items on which exactly one of them is right.
        discordance: f64,
    },
    /// Whether a machine may replace human annotators, found with 80 % chance: items each of `humans` labels.
    Replace {
        /// How many humans.
        humans: usize,
        /// The discount.
        epsilon: f64,
        /// By how much a human is better than the machine.
        gap: f64,
        /// The standard deviation of that advantage over items.
        deviation: f64,
    },
    /// A mean near `share` with a surrogate that correlates with gold by `correlation`, on `population` items.
    Surrogate {
        /// About how large it is.
        share: f64,
        /// Half the width of the interval.
        half_width: f64,
        /// The correlation of prediction and gold.
        correlation: f64,
        /// All items.
        population: usize,
    },
    /// The promise that at most `risk` of the accepted labels is wrong, when `error` of them is and `accepted` of the
    /// items are, kept with 80 % chance.
    Promise {
        /// The risk promised.
        risk: f64,
        /// The share that is wrong.
        error: f64,
        /// The share accepted.
        accepted: f64,
    },
}

/// How many gold items answer a question at this confidence (two-sided for intervals, one-sided for promises).
///
/// # Errors
/// Numbers out of range, or a question that no number of items answers.
pub fn items_needed(question: Question, confidence: f64) -> Result<u64> {
    let open = |name: &str, value: f64| {
        if value > 0.0 && value < 1.0 {
            Ok(value)
        } else {
            Err(Error::task(format!("expected a {name} between 0 and 1, found {value}")))
        }
    };
    let prevalent = |value: f64| if value == 1.0 { Ok(value) } else { open("prevalence", value) };
    open("confidence", confidence)?;
    let z = normal_quantile(0.5 + confidence / 2.0);
    let power = normal_quantile(0.8);
    let spread = |share: f64| share * (1.0 - share);
    let whole = |items: f64| {
        if items.is_finite() { Ok(items.ceil() as u64) } else { Err(Error::task("no number of items is enough")) }
    };
    match question {
        Question::Share { share, half_width, population } => {
            let n = spread(open("share", share)?) * (z / open("half width", half_width)?).powi(2);
            whole(population.map_or(n, |population| n / (1.0 + (n - 1.0).max(0.0) / population as f64)))
        }
        Question::AtLeast { accuracy, errors } => {
            let risk = 1.0 - open("accuracy", accuracy)?;
            smallest(|n| n > errors && binomial_cdf(errors, n, risk) <= 1.0 - confidence)
        }
        Question::Recall { recall, prevalence, half_width } => {
            let positives = spread(open("recall", recall)?) * (z / open("half width", half_width)?).powi(2);
            whole(positives / prevalent(prevalence)?)
        }
        Question::F1 { f1, prevalence, half_width } => {
            // F1 is a function of the Jaccard index, a share of the items that truth or label gives the class:
            // positives / (1 + J) x 2 of them for as many predicted as true.
            let jaccard = open("F1", f1)? / (2.0 - f1);
            let slope = 2.0 / (1.0 + jaccard).powi(2);
            let union = spread(jaccard) * (z * slope / open("half width", half_width)?).powi(2);
            whole(union * (1.0 + jaccard) / 2.0 / prevalent(prevalence)?)
        }
        Question::Compare { difference, discordance } => {
            let (difference, discordance) = (open("difference", difference)?, open("discordance", discordance)?);
            if difference > discordance {
                return Err(Error::task(format!(
                    "expected a difference of at most the discordance {discordance}, found {difference}"
                )));
            }
            whole((z + power).powi(2) * discordance / (difference * difference))
        }
        Question::Replace { humans, epsilon, gap, deviation } => {
            if humans < 2 {
                return Err(Error::task(format!("expected at least 2 humans, found {humans}")));
            }
            if gap >= epsilon {
                return Err(Error::task(format!("expected a gap below epsilon {epsilon}, found {gap}"))
                    .hint("a machine that is worse than allowed does not pass on any number of items"));
            }
            let harmonic: f64 = (1..=humans).map(|k| 1.0 / k as f64).sum();
            let level = humans.div_ceil(2) as f64 * (1.0 - confidence) / (humans as f64 * harmonic);
            whole(((normal_quantile(1.0 - level) + power) * deviation / (epsilon - gap)).powi(2).max(30.0))
        }
        Question::Surrogate { share, half_width, correlation, population } => {
            let wanted = (open("half width", half_width)? / z).powi(2) / spread(open("share", share)?);
            let known = open("correlation", correlation.abs().clamp(1e-9, 1.0 - 1e-9))?.powi(2);
            let error = |n: f64| (1.0 - known * (population as f64 - n).max(0.0) / population as f64) / n;
            smallest(|n| error(n as f64) <= wanted)
        }
        Question::Promise { risk, error, accepted } => {
            let (risk, accepted) = (open("risk", risk)?, open("share accepted", accepted.min(1.0 - 1e-12))?);
            if !(0.0..risk).contains(&error) {
                return Err(Error::task(format!("expected an error below the promised {risk}, found {error}"))
                    .hint("no amount of gold proves what is not so"));
            }
            let level = 0.5 * (1.0 - confidence);
            let kept = smallest(|n| {
                let forgiven = most_forgiven(n, risk, level);
                forgiven.is_some_and(|errors| binomial_cdf(errors, n, error) >= 0.8)
            })?;
            whole(kept as f64 / accepted)
        }
    }
}

/// The most wrong labels of `n` that still prove a risk below `risk` at this level.
pub(super) fn most_forgiven(n: u64, risk: f64, level: f64) -> Option<u64> {
    if n == 0 || binomial_cdf(0, n, risk) > level {
        return None;
    }
    let (mut low, mut high) = (0, n);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if binomial_cdf(middle, n, risk) <= level { low = middle } else { high = middle }
    }
    Some(low)
}

/// The smallest number that is enough, for a condition that holds for all larger ones (nearly).
fn smallest(enough: impl Fn(u64) -> bool) -> Result<u64> {
    let mut high = 1;
    while !enough(high) {
        high *= 2;
        if high > 1 << 40 {
            return Err(Error::task("no number of items is enough"));
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_numbers() {
        let share = |share, half_width, population| Question::Share { share, half_width, population };
        for (question, expected) in [
            (share(0.5, 0.05, None), 385),
            (share(0.5, 0.03, None), 1068),
            (share(0.9, 0.03, None), 385),
            (share(0.9, 0.05, None), 139),
            (share(0.5, 0.05, Some(1000)), 278),
            (Question::AtLeast { accuracy: 0.95, errors: 0 }, 59),
            (Question::AtLeast { accuracy: 0.99, errors: 0 }, 299),
            (Question::AtLeast { accuracy: 0.95, errors: 1 }, 93),
            (Question::Recall { recall: 0.8, prevalence: 0.1, half_width: 0.05 }, 2459),
        ] {
            assert_eq!(items_needed(question, 0.95).unwrap(), expected, "{question:?}");
        }
        let compare = items_needed(Question::Compare { difference: 0.03, discordance: 0.15 }, 0.95).unwrap();
        assert!((1300..1320).contains(&compare), "{compare}");
        let f1 = items_needed(Question::F1 { f1: 0.8, prevalence: 1.0, half_width: 0.05 }, 0.95).unwrap();
        assert!((100..400).contains(&f1), "{f1} positives");
        let alone = items_needed(share(0.3, 0.03, None), 0.95).unwrap();
        let helped = Question::Surrogate { share: 0.3, half_width: 0.03, correlation: 0.8, population: 100_000 };
        let helped = items_needed(helped, 0.95).unwrap();
        assert!(helped < alone / 2, "{helped} against {alone}");
        let promise = items_needed(Question::Promise { risk: 0.05, error: 0.01, accepted: 0.5 }, 0.95).unwrap();
        assert!((200..500).contains(&promise), "{promise}");
        let replace = Question::Replace { humans: 3, epsilon: 0.2, gap: 0.0, deviation: 0.6 };
        assert!((50..150).contains(&items_needed(replace, 0.95).unwrap()));
    }

    #[test]
    fn impossible_questions_are_refused() {
        for question in [
            Question::Share { share: 1.2, half_width: 0.05, population: None },
            Question::Compare { difference: 0.2, discordance: 0.1 },
            Question::Replace { humans: 3, epsilon: 0.1, gap: 0.2, deviation: 0.5 },
            Question::Promise { risk: 0.05, error: 0.06, accepted: 0.5 },
        ] {
            assert!(items_needed(question, 0.95).is_err(), "{question:?}");
        }
    }
}
