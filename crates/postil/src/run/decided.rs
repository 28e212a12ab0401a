//! What reviewers decided in the browser. It stands, whatever others say; of several decisions about an item the last.
//!
//! Decisions are no random sample, so they choose and calibrate nothing: that is gold's.

use std::collections::BTreeMap;

use postil_core::ledger::Ledger;
use postil_core::record::{Belief, Said};
use postil_core::sequences::{Claim, TokenSpan, What};
use postil_core::votes::Votes;
use postil_core::{AnnotatorIdentity, Class, Result};

use super::combine::{Labels, Source};
use super::decisions::Decisions;
use super::fuse::Fused;
use super::items::Items;
use super::people::People;
use super::spans::Stretch;

/// By the position of an item that was decided, who has the last word: the place among the annotators.
pub(super) type LastWords = BTreeMap<u32, u32>;

/// Finds the last words of a run's people.
pub(super) fn last_words(
    people: &People,
    ledger: &Ledger,
    items: &Items,
    identities: &[AnnotatorIdentity],
) -> Result<LastWords> {
    let place = |version| identities.iter().position(|identity| identity.version == version);
    let words = people.last_words(ledger, items)?.into_iter();
    Ok(words.filter_map(|(item, version)| Some((item, place(version)? as u32))).collect())
}

/// Decisions with the class that was decided, ascending.
pub(super) struct Decided(Vec<(usize, Class)>);

impl Decided {
    /// Finds them among the votes.
    pub(super) fn find(votes: &Votes, decisions: &Decisions, words: &LastWords) -> Self {
        let of_item = |(&item, &reviewer): (&u32, &u32)| {
            let class = move |decision: usize| votes.of(decision).find(|vote| vote.annotator == reviewer);
            decisions.of(item as usize).filter_map(move |decision| Some((decision, class(decision)?.class)))
        };
        Self(words.iter().flat_map(of_item).collect())
    }

    /// Before a student learns: it is taught what was decided.
    pub(super) fn teach(&self, fused: &mut Fused, classes: usize) {
        for &(decision, class) in &self.0 {
            settle(&mut fused.consensus.posterior[decision * classes..(decision + 1) * classes], class);
            fused.consensus.labels[decision] = class;
        }
    }

    /// In the labels that are written.
    pub(super) fn stand(&self, labels: &mut Labels, decisions: &Decisions) {
        let classes = labels.classes;
        for &(decision, class) in &self.0 {
            settle(&mut labels.posterior[decision * classes..(decision + 1) * classes], class);
            labels.given[decision] = class;
        }
        let is_decided = |decision: usize| self.0.binary_search_by_key(&decision, |one| one.0).is_ok();
        if !self.0.is_empty() {
            for (item, source) in labels.source.iter_mut().enumerate() {
                let mut own = decisions.of(item);
                if !own.is_empty() && own.all(is_decided) {
                    *source = Source::Decision;
                }
            }
        }
    }
}

fn settle(row: &mut [f32], class: Class) {
    row.fill(0.0);
    row[usize::from(class)] = 1.0;
}

/// The marks of texts, where a reviewer decided on a text those that were decided. Marks that would have been written
/// anyway keep their probability: who changed one mark of a text need not have looked at all; new ones are certain.
pub(super) fn marks(stretches: &mut [Vec<Stretch>], said: &[Vec<(u32, Vec<Claim>)>], words: &LastWords) {
    for (&item, &reviewer) in words {
        let (stretches, said) = (&mut stretches[item as usize], &said[item as usize]);
        let Some((_, claims)) = said.iter().find(|(annotator, _)| *annotator == reviewer) else { continue };
        let decided = spans(claims);
        for stretch in stretches.iter_mut().filter(|stretch| !decided.contains(&stretch.span)) {
            *stretch = Stretch { written: false, confidence: 0.0, ..*stretch };
        }
        for span in decided {
            match stretches.iter_mut().find(|stretch| stretch.span == span) {
                Some(stretch) if stretch.written => {}
                Some(stretch) => *stretch = Stretch { span, written: true, confidence: 1.0 },
                None => stretches.push(Stretch { span, written: true, confidence: 1.0 }),
            }
        }
        stretches.sort_by_key(|stretch| stretch.span);
    }
}

/// The values of records, of so many fields each.
pub(super) fn values(beliefs: &mut [Option<Belief>], said: &[Said], fields: usize, words: &LastWords) {
    for (&item, &reviewer) in words {
        for decision in item as usize * fields..(item as usize + 1) * fields {
            let own = said[decision].iter().find(|(annotator, _)| *annotator == reviewer);
            if let (Some(belief), Some(&(_, value))) = (&mut beliefs[decision], own) {
                belief.all.fill(0.0);
                belief.all[value as usize] = 1.0;
                (belief.value, belief.probability) = (value, 1.0);
            }
        }
    }
}

fn spans(claims: &[Claim]) -> Vec<TokenSpan> {
    let span = |claim: &Claim| match claim.what {
        What::Type(class) => Some(TokenSpan { start: claim.start, end: claim.end, class }),
        What::OneOf(_) | What::Nothing => None,
    };
    let mut spans: Vec<TokenSpan> = claims.iter().filter_map(span).collect();
    spans.sort();
    spans
}

#[cfg(test)]
mod tests {
    use postil_core::votes::VotesBuilder;
    use postil_core::{LabelSet, Task, TaskKind};

    use super::*;

    #[test]
    fn who_has_the_last_word_decides() {
        let mut builder = VotesBuilder::new(3);
        for (decision, annotator, class) in
            [(0, 0, 1), (0, 1, 1), (0, 2, 2), (1, 2, 0), (1, 3, 1), (2, 0, 1), (3, 2, 1), (3, 3, 1)]
        {
            builder.push(decision, annotator, class).unwrap();
        }
        let votes = builder.build(4, 4).unwrap();
        let labels = LabelSet::flat(["a", "b", "c"]).unwrap();
        let decisions = Decisions::new(&Task { kind: TaskKind::Classify, labels, guidelines: None }, 4, &[]);
        let find = |words: &[(u32, u32)]| Decided::find(&votes, &decisions, &words.iter().copied().collect()).0;
        assert_eq!(find(&[(0, 2), (1, 3), (3, 3)]), [(0, 2), (1, 1), (3, 1)]);
        assert_eq!(find(&[(1, 2)]), [(1, 0)]);
        assert!(find(&[]).is_empty());
    }

    #[test]
    fn decided_marks_replace_those_of_the_text_and_keep_what_was_known_of_the_others() {
        let span = |start, end, class| TokenSpan { start, end, class };
        let stretch = |span, confidence, written| Stretch { span, confidence, written };
        let before = vec![
            stretch(span(0, 1, 0), 0.9, true),
            stretch(span(2, 3, 0), 0.8, true),
            stretch(span(4, 5, 1), 0.3, false),
        ];
        let claims = vec![Claim::new(4, 5, 1), Claim::new(0, 1, 0), Claim::new(6, 8, 1)];
        let mut stretches = vec![before.clone(), before.clone()];
        marks(&mut stretches, &[vec![(0, Vec::new()), (1, claims)], vec![(0, Vec::new())]], &LastWords::from([(0, 1)]));
        let expected = [
            stretch(span(0, 1, 0), 0.9, true),
            stretch(span(2, 3, 0), 0.0, false),
            stretch(span(4, 5, 1), 1.0, true),
            stretch(span(6, 8, 1), 1.0, true),
        ];
        assert_eq!(stretches[0], expected);
        assert_eq!(stretches[1], before, "nobody decided here");
    }
}
