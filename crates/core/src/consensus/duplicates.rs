//! Annotators that repeat each other: two prompts of one model, a person with two accounts, a copied file.
//!
//! Two annotators who are right agree, so agreement alone shows nothing. What shows is agreement beyond what their
//! confusion matrices give once the truth is known, `(seen - expected) / (1 - expected)`: the share of the errors that
//! they have in common.
//!
//! Exact copies of one annotator could outvote the rest and so make the truth look like themselves, so they share one
//! vote from the start. Loose copies that outnumber the rest cannot be told from experts among amateurs without gold.

use super::Settings;
use super::method::{Method, estimate};
use super::sweep::counts_given;
use crate::distribution::normal_quantile;
use crate::votes::{Gold, Votes};

/// Fewer shared decisions than this show nothing.
const LEAST_SHARED: u32 = 30;
/// Agreement from which two annotators may be copies, and from which they hardly can be anything else.
const OFTEN: f64 = 0.8;
const ALWAYS: f64 = 0.995;
/// The excess from which they are. Over the stored answers those above it are prompts or samples of one model, and a
/// few pairs of people.
const EXCESS: f64 = 0.5;
/// The chance that any pair at all is named by accident.
const BY_ACCIDENT: f64 = 0.01;
/// Decisions and annotators that are looked at.
const MOST_DECISIONS: usize = 20_000;
const MOST_ANNOTATORS: usize = 2_000;

/// Two annotators that agree more than the truth accounts for.
#[derive(Clone, Debug, PartialEq)]
pub struct NearDuplicate {
    /// Who; the smaller number first.
    pub annotators: (u32, u32),
    /// How many decisions both answered.
    pub shared: u32,
    /// The share of those on which they say the same.
    pub agreement: f64,
    /// How much of the agreement that need not be is there: 0 for independent errors, 1 for a copy.
    pub excess: f64,
}

/// How often each pair of annotators met, and how often they agreed.
struct Meetings {
    annotators: usize,
    shared: Vec<u32>,
    agreed: Vec<u32>,
}

impl Meetings {
    fn count(votes: &Votes, decisions: &[usize]) -> Self {
        let annotators = votes.annotators();
        let mut meetings =
            Self { annotators, shared: vec![0; annotators * annotators], agreed: vec![0; annotators * annotators] };
        let mut here = Vec::new();
        for &decision in decisions {
            here.clear();
            here.extend(votes.of(decision));
            for (place, right) in here.iter().enumerate() {
                for left in &here[..place] {
                    if left.annotator != right.annotator {
                        let cell = left.annotator as usize * annotators + right.annotator as usize;
                        meetings.shared[cell] += 1;
                        meetings.agreed[cell] += u32::from(left.class == right.class);
                    }
                }
            }
        }
        meetings
    }

    /// Pairs that met often and agreed nearly always.
    fn alike(&self, agreement: f64) -> impl Iterator<Item = (u32, u32)> + '_ {
        let met = self.shared.iter().zip(&self.agreed).enumerate();
        met.filter(move |(_, (shared, agreed))| {
            **shared >= LEAST_SHARED && f64::from(**agreed) >= agreement * f64::from(**shared)
        })
        .map(|(cell, _)| ((cell / self.annotators) as u32, (cell % self.annotators) as u32))
    }
}

/// Finds near-duplicate annotators, the closest first.
///
/// Looks at up to 20,000 decisions drawn by the seed, and at no pair among more than 2,000 annotators, who hardly ever
/// share thirty decisions. Time is the sum over decisions of the square of the votes, and one consensus by Dawid and
/// Skene; memory is eight bytes per pair.
pub fn near_duplicates(votes: &Votes, settings: &Settings) -> Vec<NearDuplicate> {
    let (annotators, classes) = (votes.annotators(), votes.classes());
    if !(2..=MOST_ANNOTATORS).contains(&annotators) || classes < 2 {
        return Vec::new();
    }
    let mut decisions: Vec<usize> = (0..votes.decisions()).collect();
    if decisions.len() > MOST_DECISIONS {
        decisions =
            crate::Random::for_purpose(settings.seed, "near duplicates").sample(decisions.len(), MOST_DECISIONS);
        decisions.sort_unstable();
    }
    let meetings = Meetings::count(votes, &decisions);
    let suspects: Vec<(u32, u32)> = meetings.alike(OFTEN).collect();
    if suspects.is_empty() {
        return Vec::new();
    }
    let chosen: Vec<u32> = decisions.iter().map(|&decision| decision as u32).collect();
    let votes = votes.select(&chosen);
    let exact: Vec<_> = meetings.alike(ALWAYS).map(|pair| (pair, 1.0)).collect();
    let cautious = if exact.is_empty() { votes.clone() } else { shared_out(&votes, &exact) };
    let posterior = estimate(&cautious, &Gold::none(), Method::DawidSkene, settings).posterior;
    let counts = counts_given(&votes, &posterior, false);
    // The probability of each answer to each true class, with one answer added where the annotator is right.
    let rates = |annotator: u32, truth: usize| -> Vec<f64> {
        let count = |label: usize| counts.row(annotator as usize * classes + label, classes)[truth];
        let total: f64 = (0..classes).map(count).sum();
        (0..classes).map(|label| (count(label) + f64::from(u8::from(label == truth))) / (total + 1.0)).collect()
    };
    let mut truths = vec![vec![0.0; classes]; suspects.len()];
    let index = votes.by_annotator();
    for (pair, truths) in suspects.iter().zip(&mut truths) {
        let mut right = index.of(pair.1 as usize).map(|(decision, _)| decision).peekable();
        for (decision, _) in index.of(pair.0 as usize) {
            while right.next_if(|&other| other < decision).is_some() {}
            if right.peek() == Some(&decision) {
                let row = &posterior[decision as usize * classes..][..classes];
                truths.iter_mut().zip(row).for_each(|(sum, &share)| *sum += f64::from(share));
            }
        }
    }
    let met = meetings.shared.iter().filter(|&&shared| shared >= LEAST_SHARED).count();
    let surely = normal_quantile(1.0 - BY_ACCIDENT / met as f64);
    let mut found: Vec<NearDuplicate> = suspects
        .iter()
        .zip(&truths)
        .filter_map(|(&(left, right), truths)| {
            let cell = left as usize * annotators + right as usize;
            let agreement = f64::from(meetings.agreed[cell]) / f64::from(meetings.shared[cell]);
            let expected: f64 = (0..classes)
                .map(|truth| {
                    let both = rates(left, truth).iter().zip(rates(right, truth)).map(|(l, r)| l * r).sum::<f64>();
                    truths[truth] * both
                })
                .sum::<f64>()
                / truths.iter().sum::<f64>().max(1e-300);
            // Where hardly any disagreement is expected, its absence is no sign; nor is luck among many pairs.
            let shared = f64::from(meetings.shared[cell]);
            let luck = surely * (expected * (1.0 - expected) / shared).sqrt();
            if shared * (1.0 - expected) < 5.0 || agreement < expected + luck {
                return None;
            }
            let excess = (agreement - expected) / (1.0 - expected);
            let pair = NearDuplicate { annotators: (left, right), shared: meetings.shared[cell], agreement, excess };
            (excess >= EXCESS).then_some(pair)
        })
        .collect();
    found.sort_by(|left, right| right.excess.total_cmp(&left.excess).then(left.annotators.cmp(&right.annotators)));
    found
}

/// The votes with near duplicates sharing one: a vote about a decision weighs one over one plus the excesses of its
/// annotator with the others who voted there.
#[must_use]
pub fn discounted(votes: &Votes, duplicates: &[NearDuplicate]) -> Votes {
    let pairs: Vec<_> = duplicates.iter().map(|pair| (pair.annotators, pair.excess)).collect();
    shared_out(votes, &pairs)
}

fn shared_out(votes: &Votes, pairs: &[((u32, u32), f64)]) -> Votes {
    let mut twins: Vec<Vec<(u32, f64)>> = vec![Vec::new(); votes.annotators()];
    for &((left, right), excess) in pairs {
        twins[left as usize].push((right, excess));
        twins[right as usize].push((left, excess));
    }
    votes.reweighed(|all, vote| {
        let others = &twins[vote.annotator as usize];
        if others.is_empty() {
            return vote.weight;
        }
        let here = |twin: u32| all.iter().any(|other| other.annotator == twin);
        let together: f64 = others.iter().filter(|(twin, _)| here(*twin)).map(|(_, excess)| excess).sum();
        vote.weight / (1.0 + together) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;
    use crate::votes::VotesBuilder;

    /// Six annotators of 70 %, and `copies` of the first that differ from it in so many cases.
    fn votes(copies: u32, noise: f64) -> (Votes, Vec<u16>) {
        let mut random = Random::new(5);
        let mut builder = VotesBuilder::new(3);
        let mut truth = Vec::new();
        for decision in 0..300 {
            let class = random.below(3) as u16;
            truth.push(class);
            for annotator in 0..6 {
                let said = if random.unit() < 0.7 { class } else { random.below(3) as u16 };
                builder.push(decision, annotator, said).unwrap();
                for copy in (0..copies).filter(|_| annotator == 0) {
                    let said = if random.unit() >= noise { said } else { random.below(3) as u16 };
                    builder.push(decision, 6 + copy, said).unwrap();
                }
            }
        }
        (builder.build(300, 6 + copies as usize).unwrap(), truth)
    }

    #[test]
    fn copies_are_found_and_do_not_count_double() {
        let settings = Settings::default();
        assert_eq!(near_duplicates(&votes(0, 0.0).0, &settings), []);
        let loose = near_duplicates(&votes(1, 0.1).0, &settings);
        assert!(matches!(&loose[..], [pair] if pair.annotators == (0, 6)), "{loose:?}");
        let (votes, truth) = votes(5, 0.0);
        let found = near_duplicates(&votes, &settings);
        assert_eq!(found.len(), 15, "{found:?}");
        assert!(found.iter().all(|pair| pair.annotators.0 == 0 || pair.annotators.0 >= 6));
        let accuracy = |duplicates| {
            let settings = Settings { duplicates, ..settings };
            let made = super::super::fit(&votes, &Gold::none(), Method::DawidSkene, &settings).unwrap();
            made.labels.iter().zip(&truth).filter(|(label, truth)| label == truth).count()
        };
        let (shared, kept) = (accuracy(super::super::Duplicates::Discount), accuracy(super::super::Duplicates::Keep));
        assert!(shared > kept + 20, "{shared} against {kept}");
    }

    #[test]
    fn good_annotators_who_agree_are_no_copies() {
        let mut random = Random::new(6);
        let mut builder = VotesBuilder::new(2);
        for decision in 0..400 {
            let class = random.below(2) as u16;
            for annotator in 0..5 {
                let said = if random.unit() < 0.96 { class } else { 1 - class };
                builder.push(decision, annotator, said).unwrap();
            }
        }
        assert_eq!(near_duplicates(&builder.build(400, 5).unwrap(), &Settings::default()), []);
    }
}
