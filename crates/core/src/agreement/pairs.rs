//! Pairs of annotators on the items they have in common.

use rayon::prelude::*;
use serde::Serialize;

use super::annotators::AnnotatorAgreement;
use super::resample::Replicates;
use super::table::{Chance, Estimate, NOTHING_SHARED, PairTable, Weights, widened};
use super::{Scale, Settings};
use crate::measured::Measured;
use crate::task::Class;
use crate::votes::{AnnotatorIndex, Votes};

/// Two annotators on the items they have in common. Intervals are normal, with the variance that items bring by the delta
/// method; that of the observed agreement is Wilson's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairAgreement {
    /// The one with the smaller number.
    pub first: u32,
    /// The other.
    pub second: u32,
    /// Items in common.
    pub shared: u64,
    /// The share of them on which they say the same.
    pub observed: Measured,
    /// Cohen's kappa.
    pub kappa: Measured,
    /// The same with disagreements weighing as many steps of the class order as they span; unless the labels are names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kappa_linear: Option<Measured>,
    /// The same with the square of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kappa_quadratic: Option<Measured>,
    /// Gwet's AC1.
    pub ac1: Measured,
}

/// The coefficients of exactly two annotators, with intervals that resample items.
pub(super) struct Two {
    pub(super) scott_pi: Measured,
    pub(super) cohen_kappa: Measured,
    pub(super) cohen_linear: Measured,
    pub(super) cohen_quadratic: Measured,
}

/// The pairs with most items in common, and how many have any.
pub(super) fn pairs(votes: &Votes, settings: &Settings) -> (Vec<PairAgreement>, usize) {
    let index = votes.by_annotator();
    let mut shared: Vec<(u32, u32, u32)> = (0..votes.annotators())
        .into_par_iter()
        .map_init(
            || vec![0u32; votes.annotators()],
            |counts, first| {
                let mut met = Vec::new();
                each_pair(votes, &index, first, |second, _, _| {
                    if counts[second] == 0 {
                        met.push(second);
                    }
                    counts[second] += 1;
                });
                met.sort_unstable();
                let row: Vec<_> =
                    met.iter().map(|&second| (u32::MAX - counts[second], first as u32, second as u32)).collect();
                for second in met {
                    counts[second] = 0;
                }
                row
            },
        )
        .flatten_iter()
        .collect();
    let all = shared.len();
    shared.sort_unstable();
    shared.truncate(settings.most_pairs);

    // The pairs of one annotator are counted together, then put back into their order.
    let mut wanted: Vec<Vec<(u32, usize)>> = vec![Vec::new(); votes.annotators()];
    for (rank, &(_, first, second)) in shared.iter().enumerate() {
        wanted[first as usize].push((second, rank));
    }
    let mut found: Vec<(usize, PairAgreement)> = wanted
        .into_par_iter()
        .enumerate()
        .flat_map_iter(|(first, wanted)| {
            tables(votes, &index, first, wanted)
                .into_iter()
                .map(move |(second, rank, table)| (rank, pair(first as u32, second, &table, &settings.scale)))
        })
        .collect();
    found.sort_unstable_by_key(|(rank, _)| *rank);
    (found.into_iter().map(|(_, pair)| pair).collect(), all)
}

/// The tables of one annotator with some of the later ones.
fn tables(
    votes: &Votes,
    index: &AnnotatorIndex,
    first: usize,
    mut wanted: Vec<(u32, usize)>,
) -> Vec<(u32, usize, PairTable)> {
    if wanted.is_empty() {
        return Vec::new();
    }
    wanted.sort_unstable();
    let mut cells: Vec<Vec<(Class, Class)>> = vec![Vec::new(); wanted.len()];
    each_pair(votes, index, first, |second, one, other| {
        if let Ok(place) = wanted.binary_search_by_key(&(second as u32), |(annotator, _)| *annotator) {
            cells[place].push((one, other));
        }
    });
    wanted
        .into_iter()
        .zip(cells)
        .map(|((second, rank), mut cells)| {
            cells.sort_unstable();
            let runs = cells.chunk_by(|left, right| left == right);
            let cells = runs.map(|run| (run[0].0, run[0].1, run.len() as u64)).collect();
            (second, rank, PairTable::new(votes.classes(), cells))
        })
        .collect()
}

/// Every pair of an answer of this annotator and one of a later annotator about the same item. Repeated answers pair as
/// often as they stand.
fn each_pair(votes: &Votes, index: &AnnotatorIndex, first: usize, mut act: impl FnMut(usize, Class, Class)) {
    for (decision, class) in index.of(first) {
        for vote in votes.of(decision as usize).filter(|vote| vote.annotator as usize > first) {
            act(vote.annotator as usize, class, vote.class);
        }
    }
}

fn pair(first: u32, second: u32, table: &PairTable, scale: &Scale) -> PairAgreement {
    let weighted = |weights| {
        let ordered = *scale != Scale::Nominal;
        ordered.then(|| table.measured(table.kappa(weights, Chance::Own)))
    };
    PairAgreement {
        first,
        second,
        shared: table.shared(),
        observed: table.observed(),
        kappa: table.measured(table.kappa(Weights::Plain, Chance::Own)),
        kappa_linear: weighted(Weights::Linear),
        kappa_quadratic: weighted(Weights::Quadratic),
        ac1: table.measured(table.ac1()),
    }
}

/// The coefficients that are defined for two annotators alone, or why they are not.
pub(super) fn only_two(votes: &Votes, annotators: &[AnnotatorAgreement], settings: &Settings) -> Result<Two, String> {
    let [first, second] = annotators else {
        return Err(match annotators.len() {
            0 => "there are no answers".to_owned(),
            1 => "there is one annotator".to_owned(),
            number => format!("it is defined for two annotators, and there are {number}; see the pairs"),
        });
    };
    let index = votes.by_annotator();
    let wanted = vec![(second.annotator, 0)];
    let Some((_, _, table)) = tables(votes, &index, first.annotator as usize, wanted).pop() else {
        return Err(NOTHING_SHARED.to_owned());
    };
    if table.shared() == 0 {
        return Err(NOTHING_SHARED.to_owned());
    }
    let all = |table: &PairTable| {
        [
            table.kappa(Weights::Plain, Chance::Pooled),
            table.kappa(Weights::Plain, Chance::Own),
            table.kappa(Weights::Linear, Chance::Own),
            table.kappa(Weights::Quadratic, Chance::Own),
        ]
    };
    let estimates = all(&table);
    let replicates =
        Replicates::draw(&table.counts(), settings.replicates, settings.seed, "two annotators", |counts| {
            all(&table.with(counts)).map(|estimate| estimate.map_or(f64::NAN, |(value, _, _)| value)).to_vec()
        });
    let measured = |figure: usize| -> Measured {
        let estimate: Estimate = estimates[figure];
        let (value, _, chance) = match estimate {
            Ok(found) => found,
            Err(reason) => return Measured::unknown(reason),
        };
        let (shared, undefined) = (table.shared(), replicates.undefined(figure));
        let basis = replicates.basis(&format!("{shared} shared items"), figure);
        match replicates.interval(figure) {
            Some((low, high)) if high - low > 1e-12 => Measured::known(value, (low.min(value), high.max(value)), basis),
            Some(_) => {
                let equal = table.equal() as f64 / shared as f64;
                let bounds = widened(value, (equal, chance), shared as f64);
                Measured::known(value, bounds, format!("{shared} shared items without any variety"))
            }
            None => Measured::unknown(format!(
                "the items give {value:.3}, and in {undefined} of {} resamples of them it is undefined",
                replicates.number
            )),
        }
    };
    let plain = [measured(0), measured(1)];
    let ordered = |figure: usize| {
        if settings.scale == Scale::Nominal {
            Measured::unknown("the labels are names without an order")
        } else {
            measured(figure)
        }
    };
    let [scott_pi, cohen_kappa] = plain;
    Ok(Two { scott_pi, cohen_kappa, cohen_linear: ordered(2), cohen_quadratic: ordered(3) })
}
