//! Each annotator against all others.

use serde::Serialize;

use super::table::bounds;
use crate::measured::Measured;
use crate::task::Class;
use crate::votes::Votes;

/// One annotator against all who answered the same items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnnotatorAgreement {
    /// Who.
    pub annotator: u32,
    /// Its answers.
    pub answers: u64,
    /// Its answers on items that somebody else answered too.
    pub compared: u64,
    /// The share of the others' answers that equal its own, averaged over its answers.
    pub observed: Measured,
    /// The same, corrected for chance by its own shares of the labels and those of the others on the same items: Cohen's
    /// kappa of the annotator against the rest.
    pub kappa: Measured,
    /// The class it gives most.
    pub favourite: Class,
    /// That class's share of its answers.
    pub favourite_share: f64,
}

/// Sums over one annotator's answers on shared items.
#[derive(Clone)]
struct Tally {
    compared: f64,
    equal: f64,
    /// Sum of squared derivatives, for the variance of the agreement and of kappa.
    squares: (f64, f64),
}

/// Takes one answer: the annotator, its class, the classes of the item, how often each was said, and the answers in all.
type Visitor<'a> = dyn FnMut(usize, usize, &[usize], &[f64], f64) + 'a;

/// Every annotator with an answer, in order.
///
/// Intervals are normal, with the variance between items by the delta method.
pub(super) fn against_others(votes: &Votes) -> Vec<AnnotatorAgreement> {
    let classes = votes.classes();
    let blank = Tally { compared: 0.0, equal: 0.0, squares: (0.0, 0.0) };
    let mut tallies = vec![blank; votes.annotators()];
    let zeros = || vec![0.0f64; votes.annotators() * classes];
    // What it says of all items and of shared ones, and what others say of the shared ones.
    let (mut all, mut own, mut others) = (zeros(), zeros(), zeros());
    let mut counts = vec![0.0f64; classes];
    let mut used: Vec<usize> = Vec::new();

    let mut visit = |act: &mut Visitor<'_>| {
        for decision in 0..votes.decisions() {
            for vote in votes.of(decision) {
                let class = usize::from(vote.class);
                if counts[class] == 0.0 {
                    used.push(class);
                }
                counts[class] += 1.0;
            }
            let size = votes.support(decision) as f64;
            for vote in votes.of(decision) {
                act(vote.annotator as usize, vote.class.into(), &used, &counts, size);
            }
            for class in used.drain(..) {
                counts[class] = 0.0;
            }
        }
    };
    visit(&mut |annotator, class, used, counts, size| {
        let row = annotator * classes;
        all[row + class] += 1.0;
        if size < 2.0 {
            return;
        }
        let tally = &mut tallies[annotator];
        tally.compared += 1.0;
        tally.equal += (counts[class] - 1.0) / (size - 1.0);
        own[row + class] += 1.0;
        for &other in used {
            others[row + other] += (counts[other] - f64::from(other == class)) / (size - 1.0);
        }
    });
    for (annotator, tally) in tallies.iter().enumerate().filter(|(_, tally)| tally.compared > 0.0) {
        for count in &mut own[annotator * classes..][..classes] {
            *count /= tally.compared;
        }
        for share in &mut others[annotator * classes..][..classes] {
            *share /= tally.compared;
        }
    }
    let chance: Vec<f64> = (0..votes.annotators())
        .map(|annotator| {
            let row = annotator * classes..(annotator + 1) * classes;
            own[row.clone()].iter().zip(&others[row]).map(|(one, other)| one * other).sum()
        })
        .collect();
    visit(&mut |annotator, class, used, counts, size| {
        if size < 2.0 {
            return;
        }
        let row = annotator * classes;
        let tally = &mut tallies[annotator];
        let (equal, chance) = (tally.equal / tally.compared, chance[annotator]);
        let difference = (counts[class] - 1.0) / (size - 1.0) - equal;
        tally.squares.0 += difference * difference;
        let room = 1.0 - chance;
        if room > 1e-12 {
            let said: f64 = used
                .iter()
                .map(|&other| (counts[other] - f64::from(other == class)) / (size - 1.0) * own[row + other])
                .sum();
            let moved = others[row + class] + said - 2.0 * chance;
            let derivative = (difference * room - (1.0 - equal) * moved) / (room * room);
            tally.squares.1 += derivative * derivative;
        }
    });
    (0..votes.annotators())
        .filter_map(|annotator| {
            let said = &all[annotator * classes..][..classes];
            let answers: f64 = said.iter().sum();
            (answers > 0.0).then(|| judge(annotator, answers, said, &tallies[annotator], chance[annotator]))
        })
        .collect()
}

fn judge(annotator: usize, answers: f64, said: &[f64], tally: &Tally, chance: f64) -> AnnotatorAgreement {
    let favourite = (0..said.len()).fold(0, |best, class| if said[class] > said[best] { class } else { best });
    let count = tally.compared;
    let alone = "nobody else answered any of its items";
    let basis = format!("{count:.0} items that others answered too");
    let (observed, kappa) = if count == 0.0 {
        (Measured::unknown(alone), Measured::unknown(alone))
    } else {
        let equal = tally.equal / count;
        let (low, high) = bounds(equal, tally.squares.0 / (count * count), (equal, 1.0), count);
        let observed = Measured::known(equal, (low.max(0.0), high), basis.clone());
        let room = 1.0 - chance;
        let kappa = if room <= 1e-12 {
            Measured::unknown("it and the others gave one and the same label throughout")
        } else {
            let value = (equal - chance) / room;
            Measured::known(value, bounds(value, tally.squares.1 / (count * count), (equal, room), count), basis)
        };
        (observed, kappa)
    };
    AnnotatorAgreement {
        annotator: annotator as u32,
        answers: answers as u64,
        compared: count as u64,
        observed,
        kappa,
        favourite: favourite as Class,
        favourite_share: said[favourite] / answers,
    }
}
