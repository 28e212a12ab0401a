//! Agreement: how far annotators say the same, beyond what chance alone would give.
//!
//! ```
//! use postil_core::agreement::{Settings, measure};
//! use postil_core::votes::VotesBuilder;
//!
//! let mut builder = VotesBuilder::new(2);
//! for (item, first, second) in [(0, 0, 0), (1, 1, 1), (2, 0, 1), (3, 1, 1), (4, 0, 0)] {
//!     builder.push(item, 0, first)?;
//!     builder.push(item, 1, second)?;
//! }
//! let found = measure(&builder.build(5, 2)?, &Settings::default())?;
//! assert_eq!(found.coefficients.observed.value(), Some(0.8));
//! assert!(found.coefficients.fleiss_kappa.value() < found.coefficients.alpha.value());
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! Every coefficient of many annotators depends on an item only through how often each class was said about it, so
//! items are grouped by that pattern once. A bootstrap replicate then draws how often each pattern occurs, and costs
//! time in proportion to the patterns, not to the answers.
//!
//! ```text
//! votes -> patterns -> sums -> coefficients <- replicates (patterns drawn anew)
//! votes -> pair tables; votes -> each annotator against the others
//! ```
//!
//! What cannot be known is said to be unknown, with the reason: agreement on one class alone is not agreement of 1.

mod annotators;
mod caution;
mod coefficients;
mod pairs;
mod patterns;
mod resample;
mod table;

use serde::Serialize;

pub use annotators::AnnotatorAgreement;
pub use caution::{Caution, Verdict};
pub use pairs::PairAgreement;

use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::task::Class;
use crate::votes::Votes;

/// What the labels are, and with that how far apart two of them lie.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "level", content = "values", rename_all = "lowercase")]
pub enum Scale {
    /// Names: two labels are the same or they are not.
    #[default]
    Nominal,
    /// Ranks in the order of the classes: the distance is the number of answers that lie between.
    Ordinal,
    /// Numbers, one per class, whose differences mean something: the distance is the squared difference.
    Interval(Vec<f64>),
    /// Numbers from zero upwards, whose ratios mean something: the squared difference over the squared sum.
    Ratio(Vec<f64>),
}

impl Scale {
    /// The name on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Nominal => "nominal",
            Self::Ordinal => "ordinal",
            Self::Interval(_) => "interval",
            Self::Ratio(_) => "ratio",
        }
    }
}

/// How agreement is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What the labels are.
    pub scale: Scale,
    /// How often the items are drawn anew for the intervals. With more than some 6,000 classes fewer are drawn, and the
    /// basis of each figure says how many.
    pub replicates: usize,
    /// Draws the replicates.
    pub seed: u64,
    /// At most so many pairs of annotators are kept, those with the most items in common.
    pub most_pairs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scale: Scale::Nominal, replicates: 1000, seed: 0, most_pairs: 100_000 }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The level of measurement, as its name.
    pub level: &'static str,
    /// Items with at least one answer.
    pub items: usize,
    /// Items with at least two answers; the others say nothing about agreement.
    pub compared: usize,
    /// All answers that were kept.
    pub answers: usize,
    /// Answers that repeat an annotator's answer about the same item.
    pub repeated: usize,
    /// Repeated answers that were put aside.
    pub put_aside: usize,
    /// Annotators with at least one answer.
    pub annotators: usize,
    /// The fewest and the most answers of an item that has any.
    pub answers_per_item: (usize, usize),
    /// How often the items were drawn anew.
    pub replicates: usize,
    /// The figures for all annotators together.
    pub coefficients: Coefficients,
    /// The figures per class, in class order.
    pub classes: Vec<ClassAgreement>,
    /// Each annotator against all others.
    pub per_annotator: Vec<AnnotatorAgreement>,
    /// Pairs of annotators with items in common, those with most first.
    pub pairs: Vec<PairAgreement>,
    /// How many pairs have an item in common, kept above or not.
    pub all_pairs: usize,
    /// What a reader should know before using the figures.
    pub cautions: Vec<Caution>,
    /// What the figures mean.
    pub verdict: Verdict,
}

/// The figures for all annotators together. Those of two annotators are unknown when there are more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coefficients {
    /// The share of pairs of answers about an item that are equal, averaged over the items.
    pub observed: Measured,
    /// Krippendorff's alpha at the level of measurement (Krippendorff 2011, <https://repository.upenn.edu/asc_papers/43>):
    /// one less the observed over the expected disagreement. The only one for missing answers and any level.
    pub alpha: Measured,
    /// The same for names, whatever the level.
    pub alpha_nominal: Measured,
    /// Fleiss' kappa (Fleiss 1971, <https://doi.org/10.1037/h0031619>): chance from the pooled shares of the labels. For
    /// items with equally many answers alone.
    pub fleiss_kappa: Measured,
    /// Randolph's free-marginal kappa (Randolph 2005): chance is one in the number of labels.
    pub randolph_kappa: Measured,
    /// Gwet's AC1 (Gwet 2008, <https://doi.org/10.1348/000711006X126600>): chance only where an answer is a guess; stable
    /// where one label prevails.
    pub ac1: Measured,
    /// Scott's pi of two annotators (Scott 1955): chance from their pooled shares.
    pub scott_pi: Measured,
    /// Cohen's kappa of two annotators (Cohen 1960): chance from each one's own shares.
    pub cohen_kappa: Measured,
    /// The same, where a disagreement weighs as many steps as it spans.
    pub cohen_linear: Measured,
    /// The same, where it weighs the square of the steps.
    pub cohen_quadratic: Measured,
}

/// The figures of one class against all others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassAgreement {
    /// The class.
    pub class: Class,
    /// How many answers name it.
    pub answers: u64,
    /// Its share of the answers, averaged over the items.
    pub prevalence: Measured,
    /// Krippendorff's alpha of this class against the rest.
    pub alpha: Measured,
    /// Where one annotator says it, the share of the others who say it too (Fleiss 1981, specific agreement).
    pub specific: Measured,
}

/// Measures the agreement of all annotators, of each class, each annotator and each pair.
///
/// Votes should hold one answer per annotator and item ([`Repeats::First`](crate::votes::Repeats::First)); repeated
/// answers that were kept count as answers of different people. Intervals resample items, so they hold for items like
/// these judged by these annotators. Time is linear in the answers, plus the pairs of answers within items, plus
/// replicates x patterns; results do not depend on the number of threads.
///
/// # Errors
/// Answers that name several classes, or a scale whose values do not fit the classes.
pub fn measure(votes: &Votes, settings: &Settings) -> Result<Agreement> {
    check(votes, &settings.scale)?;
    let patterns = patterns::Patterns::of(votes);
    let (pairs, all_pairs) = pairs::pairs(votes, settings);
    let per_annotator = annotators::against_others(votes);
    let counted = coefficients::Counted::new(&patterns, settings);
    let two = pairs::only_two(votes, &per_annotator, settings);
    let (coefficients, classes) = counted.figures(&two);
    let answers_per_item = patterns.sizes();
    let mut found = Agreement {
        level: settings.scale.name(),
        items: patterns.items() as usize,
        compared: patterns.compared() as usize,
        answers: votes.len(),
        repeated: votes.repeated(),
        put_aside: votes.dropped(),
        annotators: per_annotator.len(),
        answers_per_item,
        replicates: counted.replicates(),
        coefficients,
        classes,
        per_annotator,
        pairs,
        all_pairs,
        cautions: Vec::new(),
        verdict: Verdict::Unknown,
    };
    found.cautions = caution::cautions(&found);
    found.verdict = caution::verdict(&found);
    Ok(found)
}

fn check(votes: &Votes, scale: &Scale) -> Result<()> {
    if votes.weights().is_some() {
        return Err(Error::input("expected answers of one class each, found answers that name several")
            .hint("reduce each answer to its likeliest class before measuring agreement"));
    }
    let (Scale::Interval(values) | Scale::Ratio(values)) = scale else { return Ok(()) };
    if values.len() != votes.classes() {
        return Err(Error::task(format!("expected one value per class ({}), found {}", votes.classes(), values.len())));
    }
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(Error::task(format!("expected finite values, found {value}")));
    }
    if let (Scale::Ratio(_), Some(value)) = (scale, values.iter().find(|&&value| value < 0.0)) {
        return Err(Error::task(format!("expected values of zero or more on a ratio scale, found {value}"))
            .hint("numbers below zero have differences but no ratios: use the interval level"));
    }
    Ok(())
}
