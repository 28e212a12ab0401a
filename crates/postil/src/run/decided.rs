//! What reviewers decided in the browser. It stands, whatever others say; where two reviewers differ, nothing is decided.
//!
//! Decisions are no random sample, so they choose and calibrate nothing: that is gold's.

use postil_core::record::{Belief, Said};
use postil_core::sequences::{Claim, TokenSpan, What};
use postil_core::votes::Votes;
use postil_core::{AnnotatorIdentity, Class, Digest};

use super::combine::{Labels, Source};
use super::decisions::Decisions;
use super::fuse::Fused;
use super::spans::Stretch;

/// The places of reviewers among the annotators, ascending.
pub(super) fn reviewers(identities: &[AnnotatorIdentity], deciders: &[Digest]) -> Vec<u32> {
    let places = identities.iter().zip(0..).filter(|(identity, _)| deciders.contains(&identity.version));
    places.map(|(_, place)| place).collect()
}

/// Decisions with the class that was decided, ascending.
pub(super) struct Decided(Vec<(usize, Class)>);

impl Decided {
    /// Finds them among the votes.
    pub(super) fn find(votes: &Votes, reviewers: &[u32]) -> Self {
        let of = |decision: usize| {
            let mut own = votes.of(decision).filter(|vote| reviewers.contains(&vote.annotator));
            let class = own.next()?.class;
            own.all(|vote| vote.class == class).then_some((decision, class))
        };
        let all = if reviewers.is_empty() { 0 } else { votes.decisions() };
        Self((0..all).filter_map(of).collect())
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
pub(super) fn marks(stretches: &mut [Vec<Stretch>], said: &[Vec<(u32, Vec<Claim>)>], reviewers: &[u32]) {
    for (stretches, said) in stretches.iter_mut().zip(said) {
        let mut own =
            said.iter().filter(|(annotator, _)| reviewers.contains(annotator)).map(|(_, claims)| spans(claims));
        let Some(decided) = own.next() else { continue };
        if own.any(|other| other != decided) {
            continue;
        }
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

/// The values of records.
pub(super) fn values(beliefs: &mut [Option<Belief>], said: &[Said], reviewers: &[u32]) {
    for (belief, said) in beliefs.iter_mut().zip(said) {
        let mut own = said.iter().filter(|(annotator, _)| reviewers.contains(annotator)).map(|&(_, value)| value);
        if let (Some(belief), Some(value)) = (belief, own.next())
            && own.all(|other| other == value)
        {
            belief.all.fill(0.0);
            belief.all[value as usize] = 1.0;
            (belief.value, belief.probability) = (value, 1.0);
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

    use super::*;

    #[test]
    fn a_reviewer_decides_alone_and_two_who_differ_decide_nothing() {
        let mut builder = VotesBuilder::new(3);
        for (decision, annotator, class) in
            [(0, 0, 1), (0, 1, 1), (0, 2, 2), (1, 2, 0), (1, 3, 1), (2, 0, 1), (3, 2, 1), (3, 3, 1)]
        {
            builder.push(decision, annotator, class).unwrap();
        }
        let votes = builder.build(4, 4).unwrap();
        assert_eq!(Decided::find(&votes, &[2, 3]).0, [(0, 2), (3, 1)]);
        assert!(Decided::find(&votes, &[]).0.is_empty());
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
        marks(&mut stretches, &[vec![(0, Vec::new()), (1, claims)], vec![(0, Vec::new())]], &[1]);
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
