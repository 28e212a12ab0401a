//! The figures of all annotators together, on the items as they are and on the items drawn anew.

use super::pairs::Two;
use super::patterns::{Patterns, Sums, ranks, ratio};
use super::resample::Replicates;
use super::table::widened;
use super::{ClassAgreement, Coefficients, Scale, Settings};
use crate::audit::wilson;
use crate::measured::Measured;
use crate::task::Class;

/// Where each figure stands in a replicate; those of the classes follow.
const OBSERVED: usize = 0;
const ALPHA: usize = 1;
const NOMINAL: usize = 2;
const FLEISS: usize = 3;
const RANDOLPH: usize = 4;
const AC1: usize = 5;
const CLASSES: usize = 6;
const PER_CLASS: usize = 3;

/// At most so many figures are held for all replicates together.
const MOST_HELD: usize = 20_000_000;

/// The figures and their replicates.
pub(super) struct Counted<'a> {
    patterns: &'a Patterns,
    values: Vec<f64>,
    replicates: Replicates,
    sums: Sums,
    seen: f64,
}

impl<'a> Counted<'a> {
    pub(super) fn new(patterns: &'a Patterns, settings: &Settings) -> Self {
        let distances = patterns.distances(&settings.scale);
        let even = patterns.sizes().0 == patterns.sizes().1 && patterns.sizes().0 > 1;
        let work = |counts: &[u64]| {
            let sums = patterns.sums(counts, &settings.scale, &distances);
            let values = figures(&sums, &settings.scale, even);
            (values, sums)
        };
        let (values, sums) = work(&patterns.counts);
        let number = settings.replicates.min((MOST_HELD / values.len()).max(20));
        let number = if patterns.compared() > 1 { number } else { 0 };
        let replicates =
            Replicates::draw(&patterns.counts, number, settings.seed, "agreement", |counts| work(counts).0);
        Self { patterns, values, replicates, seen: patterns.compared() as f64, sums }
    }

    pub(super) fn replicates(&self) -> usize {
        self.replicates.number
    }

    pub(super) fn figures(&self, two: &Result<Two, String>) -> (Coefficients, Vec<ClassAgreement>) {
        let alpha = |level: &str| format!("{}; without {level} nothing tells agreement from chance", self.one_class());
        let (least, most) = self.patterns.sizes();
        let coefficients = Coefficients {
            observed: self.measured(OBSERVED, || "no item has two answers".to_owned()),
            alpha: self.measured(ALPHA, || alpha("answers that differ")),
            alpha_nominal: self.measured(NOMINAL, || alpha("answers that differ")),
            fleiss_kappa: self.measured(FLEISS, || {
                if least == most {
                    alpha("answers that differ")
                } else {
                    format!("items have from {least} to {most} answers, and Fleiss' kappa needs equally many; alpha does not")
                }
            }),
            randolph_kappa: self.measured(RANDOLPH, || self.one_class()),
            ac1: self.measured(AC1, || self.one_class()),
            scott_pi: of_two(two, |two| &two.scott_pi),
            cohen_kappa: of_two(two, |two| &two.cohen_kappa),
            cohen_linear: of_two(two, |two| &two.cohen_linear),
            cohen_quadratic: of_two(two, |two| &two.cohen_quadratic),
        };
        let answers = self.patterns.answers();
        let classes = answers
            .iter()
            .enumerate()
            .map(|(class, &answers)| {
                let place = CLASSES + PER_CLASS * class;
                let absent = || {
                    if answers == 0 {
                        "no answer names this label".to_owned()
                    } else if self.sums.paired[class] == 0.0 {
                        "no item with two answers has an answer with this label".to_owned()
                    } else {
                        "every answer on items with two answers has this label".to_owned()
                    }
                };
                ClassAgreement {
                    class: class as Class,
                    answers,
                    prevalence: self.measured(place, || "there are no answers".to_owned()),
                    alpha: self.measured(place + 1, absent),
                    specific: self.measured(place + 2, absent),
                }
            })
            .collect();
        (coefficients, classes)
    }

    fn one_class(&self) -> String {
        if self.seen == 0.0 {
            return "no item has two answers".to_owned();
        }
        match self.sums.paired.iter().filter(|count| **count > 0.0).count() {
            1 => "all answers on items with two or more are of one label".to_owned(),
            _ => "there is one label, so nothing can be disagreed about".to_owned(),
        }
    }

    fn measured(&self, figure: usize, reason: impl Fn() -> String) -> Measured {
        let value = self.values[figure];
        if value.is_nan() {
            return Measured::unknown(reason());
        }
        let prevalence = figure >= CLASSES && (figure - CLASSES).is_multiple_of(PER_CLASS);
        let items = if prevalence { self.sums.items } else { self.seen };
        if items < 2.0 {
            return Measured::unknown("one item alone tells nothing about items like it");
        }
        let undefined = self.replicates.undefined(figure);
        let basis = self.replicates.basis(&format!("{items:.0} items"), figure);
        let Some((low, high)) = self.replicates.interval(figure) else {
            return Measured::unknown(format!(
                "the items give {value:.3}, and in {undefined} of {} resamples of them it is undefined: too few items decide it",
                self.replicates.number
            ));
        };
        let (low, high) = (low.min(value), high.max(value));
        if high - low > 1e-12 {
            return Measured::known(value, (low, high), basis);
        }
        // Resampling knows no variety that the items do not have; the Wilson interval does.
        let bare = |figure: usize| figure == OBSERVED || figure >= CLASSES && (figure - CLASSES) % PER_CLASS != 1;
        let bounds = if bare(figure) {
            wilson(value, items)
        } else {
            widened(value, (self.values[OBSERVED], self.chance()), items)
        };
        Measured::known(value, bounds, format!("{items:.0} items without any variety"))
    }

    /// The disagreement of names by chance.
    fn chance(&self) -> f64 {
        let total: f64 = self.sums.paired.iter().sum();
        1.0 - self.sums.paired.iter().map(|count| (count / total).powi(2)).sum::<f64>()
    }
}

fn of_two(two: &Result<Two, String>, figure: impl Fn(&Two) -> &Measured) -> Measured {
    match two {
        Ok(two) => figure(two).clone(),
        Err(reason) => Measured::unknown(reason.as_str()),
    }
}

/// All figures of some items, NaN where undefined.
fn figures(sums: &Sums, scale: &Scale, even: bool) -> Vec<f64> {
    let classes = sums.paired.len();
    let number = classes as f64;
    let divide = |above: f64, below: f64| if below > 0.0 { above / below } else { f64::NAN };
    let mut values = vec![f64::NAN; CLASSES + PER_CLASS * classes];
    let total: f64 = sums.paired.iter().sum();
    let squares: f64 = sums.paired.iter().map(|count| count * count).sum();
    let observed = divide(sums.agree, sums.compared);
    values[OBSERVED] = observed;
    values[NOMINAL] = 1.0 - (total - 1.0) * divide(sums.apart.iter().sum(), total * total - squares);
    values[ALPHA] = match scale {
        Scale::Nominal => values[NOMINAL],
        _ => 1.0 - (total - 1.0) * divide(sums.distance, expected(sums, scale, total)),
    };
    if even {
        let chance = squares / (total * total);
        values[FLEISS] = divide(observed - chance, 1.0 - chance);
    }
    if classes > 1 {
        values[RANDOLPH] = (observed - 1.0 / number) / (1.0 - 1.0 / number);
        let guess = sums.shares.iter().map(|share| share / sums.items).map(|share| share * (1.0 - share)).sum::<f64>();
        let chance = guess / (number - 1.0);
        values[AC1] = (observed - chance) / (1.0 - chance);
    }
    for class in 0..classes {
        let at = CLASSES + PER_CLASS * class;
        let count = sums.paired[class];
        values[at] = divide(sums.shares[class], sums.items);
        values[at + 1] = 1.0 - (total - 1.0) * divide(sums.apart[class], count * (total - count));
        values[at + 2] = divide(sums.both[class], sums.chances[class]);
    }
    values
}

/// The expected disagreement over ordered pairs of all answers.
fn expected(sums: &Sums, scale: &Scale, total: f64) -> f64 {
    let counts = &sums.paired;
    let spread = |values: &[f64]| {
        let cells = || counts.iter().zip(values);
        let mean = cells().map(|(count, value)| count * value).sum::<f64>() / total.max(1.0);
        2.0 * total * cells().map(|(count, value)| count * (value - mean).powi(2)).sum::<f64>()
    };
    match scale {
        Scale::Nominal => total * total - counts.iter().map(|count| count * count).sum::<f64>(),
        Scale::Ordinal => spread(&ranks(counts)),
        Scale::Interval(values) => spread(values),
        Scale::Ratio(values) => {
            let used: Vec<usize> = (0..counts.len()).filter(|&class| counts[class] > 0.0).collect();
            let pair = |one: usize, other: usize| counts[one] * counts[other] * ratio(values[one], values[other]);
            used.iter().flat_map(|&one| used.iter().map(move |&other| (one, other))).map(|(a, b)| pair(a, b)).sum()
        }
    }
}
