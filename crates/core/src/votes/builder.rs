//! From answers in any order to votes grouped by decision.

use super::Votes;
use crate::error::{Error, Result};
use crate::task::Class;

/// Set in a stored decision when the vote continues the answer before it: one answer may name several classes.
const CONTINUES: u32 = 1 << 31;

/// What to do with an annotator's second answer about the same decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// Keep all; each counts as one answer.
    #[default]
    All,
    /// Keep the first.
    First,
    /// Keep the last.
    Last,
}

/// Collects answers in any order and groups them by decision with one counting sort, in time and memory linear in the
/// number of votes.
///
/// ```
/// use postil_core::votes::VotesBuilder;
///
/// let mut builder = VotesBuilder::new(2);
/// builder.push(1, 0, 1)?;
/// builder.push(0, 0, 0)?;
/// builder.push_soft(0, 1, &[(0, 0.7), (1, 0.3)])?;
/// let votes = builder.build(3, 2)?;
/// assert_eq!((votes.support(0), votes.support(1), votes.support(2)), (3, 1, 0));
/// # Ok::<(), postil_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VotesBuilder {
    classes: u32,
    repeats: Repeats,
    decisions: Vec<u32>,
    codes: Vec<u32>,
    weights: Option<Vec<f32>>,
    keys: Option<Vec<u64>>,
    strata: Option<Vec<u16>>,
}

impl VotesBuilder {
    /// A builder for a task with so many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            classes: classes as u32,
            repeats: Repeats::All,
            decisions: Vec::new(),
            codes: Vec::new(),
            weights: None,
            keys: None,
            strata: None,
        }
    }

    /// Makes room for so many votes at once.
    #[must_use]
    pub fn with_capacity(mut self, votes: usize) -> Self {
        self.decisions.reserve_exact(votes);
        self.codes.reserve_exact(votes);
        self
    }

    /// Sets what happens to repeated answers; [`Repeats::All`] unless said otherwise.
    #[must_use]
    pub fn repeats(mut self, repeats: Repeats) -> Self {
        self.repeats = repeats;
        self
    }

    /// Sets the numbers that break ties, one per decision, from the identity of the item, so that a tie falls the same
    /// way wherever the item stands. Without them the position is used.
    #[must_use]
    pub fn keys(mut self, keys: Vec<u64>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Sets the stratum of each decision: decisions of one stratum have a class prior of their own, drawn to that of all.
    /// In a task with several labels per item, the strata are the labels.
    #[must_use]
    pub fn strata(mut self, strata: Vec<u16>) -> Self {
        self.strata = Some(strata);
        self
    }

    /// Adds an answer of one class.
    pub fn push(&mut self, decision: u32, annotator: u32, class: Class) -> Result<()> {
        let code = self.code(decision, annotator, class)?;
        self.decisions.push(decision);
        self.codes.push(code);
        if let Some(weights) = &mut self.weights {
            weights.push(1.0);
        }
        Ok(())
    }

    /// Adds one answer that names several classes: candidates (in equal shares) or a distribution. Weights are scaled
    /// to sum to one; classes of weight zero are left out.
    pub fn push_soft(&mut self, decision: u32, annotator: u32, shares: &[(Class, f64)]) -> Result<()> {
        let total: f64 = shares.iter().map(|&(_, share)| share).sum();
        if shares.iter().any(|&(_, share)| share.is_nan() || share < 0.0) || !(total > 0.0 && total.is_finite()) {
            return Err(Error::input(format!(
                "expected weights that are not negative and have a positive sum, found {:?}",
                shares.iter().map(|&(_, share)| share).collect::<Vec<_>>()
            )));
        }
        // All classes are checked before any is kept: half an answer would be worse than none.
        shares.iter().try_for_each(|&(class, _)| self.code(decision, annotator, class).map(drop))?;
        let before = self.codes.len();
        for &(class, share) in shares.iter().filter(|&&(_, share)| share > 0.0) {
            let code = self.code(decision, annotator, class)?;
            let continues = if self.codes.len() > before { CONTINUES } else { 0 };
            self.decisions.push(decision | continues);
            self.codes.push(code);
            if share < total || self.weights.is_some() {
                let length = self.codes.len() - 1;
                self.weights.get_or_insert_with(|| vec![1.0; length]).push((share / total) as f32);
            }
        }
        Ok(())
    }

    /// Groups what was pushed into votes about `decisions` decisions by `annotators` annotators.
    pub fn build(self, decisions: usize, annotators: usize) -> Result<Votes> {
        let Self { classes, repeats, decisions: of, codes, weights, keys, strata } = self;
        if let Some(found) = keys.as_ref().map(Vec::len).filter(|&found| found != decisions) {
            return Err(Error::input(format!("expected one key per decision ({decisions}), found {found}")));
        }
        if let Some(found) = strata.as_ref().map(Vec::len).filter(|&found| found != decisions) {
            return Err(Error::input(format!("expected one stratum per decision ({decisions}), found {found}")));
        }
        if codes.len() > u32::MAX as usize {
            return Err(Error::input(format!("expected at most {} votes, found {}", u32::MAX, codes.len())));
        }
        let mut offsets = vec![0u32; decisions + 1];
        for &decision in &of {
            let decision = (decision & !CONTINUES) as usize;
            if decision >= decisions {
                return Err(Error::input(format!("expected decisions below {decisions}, found {decision}")));
            }
            offsets[decision + 1] += 1;
        }
        if let Some(&greatest) = codes.iter().max().filter(|&&code| (code / classes) as usize >= annotators) {
            return Err(Error::input(format!("expected annotators below {annotators}, found {}", greatest / classes)));
        }
        for decision in 0..decisions {
            offsets[decision + 1] += offsets[decision];
        }

        let any_repeats = repeats != Repeats::All;
        let mut next = offsets.clone();
        let mut sorted = vec![0u32; codes.len()];
        let mut sorted_weights = weights.as_ref().map(|_| vec![0f32; codes.len()]);
        let mut continues = if any_repeats { vec![false; codes.len()] } else { Vec::new() };
        for (place, (&decision, &code)) in of.iter().zip(&codes).enumerate() {
            let to = &mut next[(decision & !CONTINUES) as usize];
            sorted[*to as usize] = code;
            if let (Some(into), Some(from)) = (&mut sorted_weights, &weights) {
                into[*to as usize] = from[place];
            }
            if any_repeats {
                continues[*to as usize] = decision & CONTINUES != 0;
            }
            *to += 1;
        }
        let votes = Votes {
            offsets,
            codes: sorted,
            weights: sorted_weights,
            keys,
            strata,
            classes,
            reciprocal: (u64::MAX / u64::from(classes.max(1))).wrapping_add(1),
            annotators: annotators as u32,
            repeated: 0,
            dropped: 0,
        };
        // The parts of one soft answer are no repetition.
        let parts = of.iter().filter(|&&decision| decision & CONTINUES != 0).count();
        Ok(if any_repeats { keep_one(votes, &continues, repeats) } else { settle(votes, parts) })
    }

    fn code(&self, decision: u32, annotator: u32, class: Class) -> Result<u32> {
        if u32::from(class) >= self.classes {
            return Err(Error::input(format!("expected classes below {}, found {class}", self.classes)));
        }
        if decision & CONTINUES != 0 {
            return Err(Error::input(format!("expected decisions below {CONTINUES}, found {decision}")));
        }
        annotator
            .checked_mul(self.classes)
            .and_then(|code| code.checked_add(u32::from(class)))
            .ok_or_else(|| Error::input(format!("annotator {annotator} is one too many for {} classes", self.classes)))
    }
}

/// Puts each decision's votes in annotator order and counts repeated answers, without the `parts` of soft answers
/// beyond their first.
fn settle(mut votes: Votes, parts: usize) -> Votes {
    // Codes of one annotator differ by less than the number of classes and lie in the same stretch.
    let classes = votes.classes;
    let alike = |left: u32, right: u32| right - left < classes && left / classes == right / classes;
    let mut repeated = 0;
    for decision in 0..votes.decisions() {
        let range = votes.range(decision);
        match &mut votes.weights {
            None => sort_small(&mut votes.codes[range.clone()]),
            Some(weights) => {
                let mut pairs: Vec<(u32, f32)> =
                    votes.codes[range.clone()].iter().copied().zip(weights[range.clone()].iter().copied()).collect();
                pairs.sort_unstable_by(|left, right| left.0.cmp(&right.0).then(left.1.total_cmp(&right.1)));
                for (place, (code, weight)) in range.clone().zip(pairs) {
                    votes.codes[place] = code;
                    weights[place] = weight;
                }
            }
        }
        repeated += votes.codes[range].windows(2).filter(|pair| alike(pair[0], pair[1])).count();
    }
    votes.repeated = repeated.saturating_sub(parts);
    votes
}

/// Keeps each annotator's first or last answer about each decision.
fn keep_one(votes: Votes, continues: &[bool], repeats: Repeats) -> Votes {
    let (mut repeated, mut dropped) = (0, 0);
    let mut keep = vec![false; votes.len()];
    let mut answers: Vec<(u32, std::ops::Range<usize>)> = Vec::new();
    for decision in 0..votes.decisions() {
        answers.clear();
        for place in votes.range(decision) {
            match answers.last_mut() {
                Some((_, range)) if continues[place] => range.end = place + 1,
                _ => answers.push((votes.codes[place] / votes.classes, place..place + 1)),
            }
        }
        if repeats == Repeats::Last {
            answers.reverse();
        }
        // Stable, so the wanted answer of each annotator comes first.
        answers.sort_by_key(|(annotator, _)| *annotator);
        for (place, (annotator, range)) in answers.iter().enumerate() {
            if place > 0 && answers[place - 1].0 == *annotator {
                repeated += 1;
                dropped += 1;
            } else {
                keep[range.clone()].fill(true);
            }
        }
    }
    let mut place = 0..;
    // `retain` visits the votes in their stored order.
    let kept = votes.retain(|_, _| place.next().is_some_and(|place| keep[place]));
    let keys = votes.keys;
    let mut settled = settle(kept, 0);
    (settled.repeated, settled.dropped, settled.keys) = (repeated, dropped, keys);
    settled
}

/// Sorts a handful of numbers; decisions have few votes, and the general sort's set-up would dominate.
fn sort_small(codes: &mut [u32]) {
    if codes.len() > 24 {
        codes.sort_unstable();
        return;
    }
    for end in 1..codes.len() {
        let code = codes[end];
        let mut place = end;
        while place > 0 && codes[place - 1] > code {
            codes[place] = codes[place - 1];
            place -= 1;
        }
        codes[place] = code;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(repeats: Repeats) -> Votes {
        let mut builder = VotesBuilder::new(3).repeats(repeats);
        for (decision, annotator, class) in [(2, 1, 2), (0, 1, 0), (0, 0, 1), (2, 1, 1), (0, 1, 2)] {
            builder.push(decision, annotator, class).unwrap();
        }
        builder.build(3, 2).unwrap()
    }

    fn pairs(votes: &Votes, decision: usize) -> Vec<(u32, Class)> {
        votes.of(decision).map(|vote| (vote.annotator, vote.class)).collect()
    }

    #[test]
    fn repeated_answers_follow_the_policy_and_are_counted() {
        let all = build(Repeats::All);
        assert_eq!((all.repeated(), all.dropped(), all.len()), (2, 0, 5));
        assert_eq!(pairs(&all, 0), [(0, 1), (1, 0), (1, 2)]);
        let first = build(Repeats::First);
        assert_eq!((first.repeated(), first.dropped(), first.len()), (2, 2, 3));
        assert_eq!((pairs(&first, 0), pairs(&first, 2)), (vec![(0, 1), (1, 0)], vec![(1, 2)]));
        let last = build(Repeats::Last);
        assert_eq!((pairs(&last, 0), pairs(&last, 2)), (vec![(0, 1), (1, 2)], vec![(1, 1)]));
        assert_eq!(last.support(1), 0);
    }

    #[test]
    fn the_parts_of_a_soft_answer_stay_together() {
        for (repeats, expected) in [(Repeats::First, vec![0.25, 0.75]), (Repeats::Last, vec![1.0])] {
            let mut builder = VotesBuilder::new(3).repeats(repeats);
            builder.push_soft(0, 0, &[(0, 1.0), (2, 3.0), (1, 0.0)]).unwrap();
            builder.push(0, 0, 1).unwrap();
            let votes = builder.build(1, 1).unwrap();
            assert_eq!(votes.of(0).map(|vote| vote.weight).collect::<Vec<_>>(), expected);
            assert_eq!(votes.dropped(), 1);
        }
    }

    #[test]
    fn bad_votes_are_refused() {
        let mut builder = VotesBuilder::new(2);
        assert!(builder.push(0, 0, 2).unwrap_err().to_string().contains("below 2, found 2"));
        assert!(builder.push(0, u32::MAX, 1).is_err());
        assert!(builder.push_soft(0, 0, &[(0, -1.0), (1, 2.0)]).is_err());
        assert!(builder.push_soft(0, 0, &[(0, f64::NAN)]).is_err());
        builder.push(3, 0, 0).unwrap();
        assert!(builder.clone().build(3, 1).is_err());
        assert!(builder.clone().build(4, 0).is_err());
        assert!(builder.clone().keys(vec![1]).build(4, 1).is_err());
        assert!(builder.build(4, 1).is_ok());
    }

    #[test]
    fn the_index_by_annotator_holds_the_same_votes() {
        let votes = build(Repeats::All);
        let index = votes.by_annotator();
        assert_eq!(index.of(0).collect::<Vec<_>>(), [(0, 1)]);
        assert_eq!(index.of(1).collect::<Vec<_>>(), [(0, 0), (0, 2), (2, 1), (2, 2)]);
    }
}
