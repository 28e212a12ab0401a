//! Which items make the list.

use std::ops::Range;

use super::belief::Belief;
use super::joint::{ConfidentJoint, confident_class, disagrees};
use super::lowest::Lowest;
use super::score::{Rank, Scorer, rival};
use super::source::Source;
use super::{Issue, Settings};
use crate::error::{Error, Result};
use crate::task::Class;

/// A rule that chooses items. All but the two `Low` ones leave out items whose given class is the likeliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The items with the lowest probability of the given class, as many as the model is confident are wrong.
    LowSelfConfidence,
    /// The same by normalised margin.
    LowNormalisedMargin,
    /// The items of which the model is confident that they are of another class.
    ConfidentLearning,
    /// For each pair of classes as many items as the calibrated counts say, those with the largest margins.
    PruneByNoiseRate,
    /// For each given class as many items as the calibrated counts say, those with the lowest probability of it.
    PruneByClass,
    /// What both of the former choose.
    Both,
    /// All items whose likeliest class is another than the given.
    PredictedNotGiven,
}

impl Filter {
    /// Every filter, the default first.
    pub const ALL: [Self; 7] = [
        Self::LowSelfConfidence,
        Self::LowNormalisedMargin,
        Self::ConfidentLearning,
        Self::PruneByNoiseRate,
        Self::PruneByClass,
        Self::Both,
        Self::PredictedNotGiven,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowSelfConfidence => "low-self-confidence",
            Self::LowNormalisedMargin => "low-normalised-margin",
            Self::ConfidentLearning => "confident-learning",
            Self::PruneByNoiseRate => "prune-by-noise-rate",
            Self::PruneByClass => "prune-by-class",
            Self::Both => "both",
            Self::PredictedNotGiven => "predicted-not-given",
        }
    }

    /// The filter of a name; underscores and the reference's spellings will do too.
    pub fn parse(name: &str) -> Result<Self> {
        let plain = name.replace('_', "-").replace("normalized", "normalised").replace("-neq-", "-not-");
        Self::ALL.into_iter().find(|filter| filter.name() == plain).ok_or_else(|| {
            let names = Self::ALL.map(|filter| format!("`{}`", filter.name())).join(", ");
            Error::task(format!("expected one of {names}, found `{name}`"))
        })
    }
}

/// A class with no more items than this loses none.
const LEAST_PER_CLASS: u64 = 1;

/// Chooses items and ranks them.
pub(super) fn apply<S: Source>(source: &S, joint: &ConfidentJoint, belief: &Belief, settings: &Settings) -> Vec<Issue> {
    let confident = joint.confident() as usize;
    let plain = |rank| lowest_scores(source, joint, rank, false, confident);
    let mut chosen: Vec<u32> = match (settings.budget, settings.filter) {
        (Some(budget), _) => lowest_scores(source, joint, settings.rank, settings.adjusted, budget),
        (None, Filter::LowSelfConfidence) => plain(Rank::SelfConfidence),
        (None, Filter::LowNormalisedMargin) => plain(Rank::NormalisedMargin),
        (None, Filter::ConfidentLearning) => matching(source, |given, values| {
            disagrees(values, given) && confident_class(values, &joint.thresholds).is_some_and(|class| class != given)
        }),
        (None, Filter::PredictedNotGiven) => matching(source, |given, values| disagrees(values, given)),
        (None, Filter::PruneByNoiseRate) => by_noise_rate(source, joint),
        (None, Filter::PruneByClass) => by_class(source, joint),
        (None, Filter::Both) => {
            let other = by_class(source, joint);
            by_noise_rate(source, joint).into_iter().filter(|item| other.binary_search(item).is_ok()).collect()
        }
    };
    chosen.sort_unstable();
    let prunes = matches!(settings.filter, Filter::PruneByNoiseRate | Filter::PruneByClass | Filter::Both);
    let keep_likeliest = settings.budget.is_none() && prunes;
    let mut scorer = Scorer::new(settings.rank, settings.adjusted, &joint.thresholds, &joint.given);
    let mut issues = Vec::with_capacity(chosen.len());
    for item in chosen {
        let place = item as usize;
        source.visit(place..place + 1, |_, given, values| {
            if keep_likeliest && !disagrees(values, given) {
                return;
            }
            let (suggested, other) = rival(values, given).unwrap_or((given, values[given]));
            let (error_probability, error_bounds) = belief.of(given, values[given]);
            issues.push(Issue {
                item,
                given: given as Class,
                suggested: suggested as Class,
                score: scorer.score(values, given),
                confidence: values[given],
                margin: other - values[given],
                error_probability,
                error_bounds,
            });
        });
    }
    issues.sort_by(|left, right| left.score.total_cmp(&right.score).then(left.item.cmp(&right.item)));
    issues
}

fn matching<S: Source>(source: &S, chooses: impl Fn(usize, &[f64]) -> bool + Sync) -> Vec<u32> {
    let blocks = source.blocks(|rows| {
        let mut items = Vec::new();
        source.visit(rows, |row, given, values| {
            if chooses(given, values) {
                items.push(row as u32);
            }
        });
        items
    });
    blocks.concat()
}

/// The items with the lowest scores, ties by position.
fn lowest_scores<S: Source>(source: &S, joint: &ConfidentJoint, rank: Rank, adjusted: bool, keep: usize) -> Vec<u32> {
    let found = source.gather(
        || Lowest::new(keep),
        |lowest, rows| {
            let mut scorer = Scorer::new(rank, adjusted, &joint.thresholds, &joint.given);
            source.visit(rows, |row, given, values| lowest.push(scorer.score(values, given), row as u32));
        },
        Lowest::merge,
    );
    found.sorted().into_iter().take(keep).map(|entry| entry.1).collect()
}

fn by_noise_rate<S: Source>(source: &S, joint: &ConfidentJoint) -> Vec<u32> {
    let classes = joint.classes;
    let wanted = |cell: usize| {
        let (given, meant) = (cell / classes, cell % classes);
        let prunes = given != meant && joint.given[given] > LEAST_PER_CLASS;
        if prunes { joint.calibrated[cell] as usize } else { 0 }
    };
    let cells: Vec<Vec<usize>> =
        (0..classes).map(|given| (0..classes).filter(|meant| wanted(given * classes + meant) > 0).collect()).collect();
    let work = |kept: &mut Vec<Lowest>, rows: Range<usize>| {
        source.visit(rows, |row, given, values| {
            for &meant in &cells[given] {
                kept[given * classes + meant].push(values[given] - values[meant], row as u32);
            }
        });
    };
    let found =
        source.gather(|| (0..classes * classes).map(|cell| Lowest::new(wanted(cell))).collect(), work, together);
    let mut items: Vec<u32> = found.into_iter().flat_map(Lowest::sorted).map(|entry| entry.1).collect();
    items.sort_unstable();
    items.dedup();
    items
}

fn by_class<S: Source>(source: &S, joint: &ConfidentJoint) -> Vec<u32> {
    let classes = joint.classes;
    let wanted = |class: usize| {
        let given = joint.given[class];
        if given > LEAST_PER_CLASS { (given - joint.calibrated[class * (classes + 1)]) as usize } else { 0 }
    };
    let work = |kept: &mut Vec<Lowest>, rows: Range<usize>| {
        source.visit(rows, |row, given, values| kept[given].push(values[given], row as u32));
    };
    // One more than is wanted tells where to stop: what is tied with the first that stays, stays too.
    let room = |class: usize| if wanted(class) == 0 { 0 } else { wanted(class) + 1 };
    let found = source.gather(|| (0..classes).map(|class| Lowest::new(room(class))).collect(), work, together);
    let mut items = Vec::new();
    for (class, lowest) in found.into_iter().enumerate() {
        let sorted = lowest.sorted();
        let stays = sorted.get(wanted(class)).map_or(f64::INFINITY, |entry| entry.0);
        items.extend(sorted.into_iter().take_while(|entry| entry.0 < stays).map(|entry| entry.1));
    }
    items.sort_unstable();
    items
}

fn together(left: Vec<Lowest>, right: Vec<Lowest>) -> Vec<Lowest> {
    left.into_iter().zip(right).map(|(left, right)| left.merge(right)).collect()
}
