//! What annotators said about texts, fused sentence by sentence: all labels in one sequence, or each label in a layer of its
//! own, where spans may overlap.

use postil_core::sequences::{
    Claim, ConsensusSpan, GoldItem, SequenceConsensus, SequencesBuilder, Settings, Silence, TokenSpan, What, fit,
};
use postil_core::{Class, Document, Result};

use super::gold::Placed;
use crate::project::Project;

/// One more annotator: its claims about every text.
pub(super) struct Voice {
    pub claims: Vec<Vec<Claim>>,
    pub silence: Silence,
}

/// What is fused again and again, each time with more voices.
pub(super) struct Fuser<'a> {
    pub project: &'a Project,
    pub documents: &'a [Document],
    /// Text by text: annotator and claims.
    pub said: &'a [Vec<(u32, Vec<Claim>)>],
    pub silences: Vec<Silence>,
    /// Whether texts are cut into sentences.
    pub by_sentence: bool,
    /// Texts, or parts of them, whose spans are known and may teach.
    pub known: &'a [(&'a Placed, &'a [TokenSpan])],
}

/// A consensus, in positions of whole texts.
pub(super) struct Fused {
    pub consensus: SequenceConsensus,
    /// Claims that overlap a longer one of the same annotator and do not count.
    pub overlaps: usize,
}

impl Fuser<'_> {
    /// The consensus of all annotators and of `more`.
    ///
    /// Texts may be cut at the ends of sentences, but not where a claim or a gold span goes across. Then it does not matter
    /// whether a user's items are sentences or whole reports: a list that found something in one sentence has not
    /// spoken about the others, and gold of a report counts as gold of its sentences. People have read whole texts.
    ///
    /// Where spans may overlap, each label is a question of its own. A claim of several labels then claims each of them, and
    /// one that there is nothing is about all.
    pub(super) fn fuse(&self, more: &[Voice]) -> Result<Fused> {
        let types = self.project.task.labels.len();
        if !self.project.overlapping {
            return self.one(more, types, &|claim| Some(claim.clone()), &<[TokenSpan]>::to_vec);
        }
        let mut all: Option<Fused> = None;
        for class in 0..types as Class {
            let mut own = self.one(more, 1, &|claim| of_layer(claim, class), &|spans| layer(spans, class))?;
            for one in own.consensus.spans.iter_mut().chain(&mut own.consensus.candidates) {
                one.span.class = class;
            }
            let reason = format!("`{}`: {}", self.project.task.labels.name(class), own.consensus.reason);
            own.consensus.reason = reason;
            all = Some(match all {
                None => own,
                Some(mut all) => {
                    all.consensus.spans.append(&mut own.consensus.spans);
                    all.consensus.candidates.append(&mut own.consensus.candidates);
                    all.consensus.expected += own.consensus.expected;
                    all.consensus.reason = format!("{}; {}", all.consensus.reason, own.consensus.reason);
                    all.overlaps += own.overlaps;
                    all
                }
            });
        }
        let mut all = all.expect("a task has at least one label");
        for spans in [&mut all.consensus.spans, &mut all.consensus.candidates] {
            spans.sort_by_key(|one| (one.item, one.span));
        }
        Ok(all)
    }

    /// The consensus about those claims and known spans that are of one sequence.
    fn one(
        &self,
        more: &[Voice],
        types: usize,
        of_sequence: &dyn Fn(&Claim) -> Option<Claim>,
        known_in: &dyn Fn(&[TokenSpan]) -> Vec<TokenSpan>,
    ) -> Result<Fused> {
        let mut gold_of: Vec<Vec<&(&Placed, &[TokenSpan])>> = vec![Vec::new(); self.documents.len()];
        for one in self.known {
            gold_of[one.0.position as usize].push(one);
        }
        let silences: Vec<&Silence> = self.silences.iter().chain(more.iter().map(|voice| &voice.silence)).collect();
        let mut builder = SequencesBuilder::new(types);
        // Of every unit its text and its first token.
        let mut units: Vec<(u32, u32)> = Vec::new();
        let mut gold = Vec::new();
        for (item, document) in self.documents.iter().enumerate() {
            let own = self.said[item].iter().map(|(annotator, claims)| (*annotator, claims.as_slice()));
            let others = more.iter().enumerate();
            let others =
                others.map(|(number, voice)| ((self.silences.len() + number) as u32, voice.claims[item].as_slice()));
            let filtered: Vec<(u32, Vec<Claim>)> = own
                .chain(others)
                .map(|(annotator, claims)| (annotator, claims.iter().filter_map(of_sequence).collect()))
                .collect();
            let said: Vec<(u32, &[Claim])> =
                filtered.iter().map(|(annotator, claims)| (*annotator, claims.as_slice())).collect();
            let words: Vec<&str> = document.words().collect();
            let mut start = 0;
            for end in borders(document, &said, &gold_of[item], self.by_sentence) {
                let unit = builder.item_of_words(&words[start as usize..end as usize]);
                units.push((item as u32, start));
                let mut inside = within(&said, start, end);
                outgrow(&mut inside, &silences);
                for (annotator, claims) in &inside {
                    let silence = silences[*annotator as usize];
                    if !claims.is_empty() || *silence != Silence::Misses {
                        builder.say(*annotator, claims, silence)?;
                    }
                }
                let read = gold_of[item].iter().find(|(part, _)| part.tokens.start <= start && end <= part.tokens.end);
                if let Some((_, spans)) = read {
                    let own = known_in(spans);
                    let inside = own.iter().filter(|span| span.start >= start && span.end <= end);
                    let moved =
                        inside.map(|span| TokenSpan { start: span.start - start, end: span.end - start, ..*span });
                    gold.push(GoldItem { item: unit, spans: moved.collect() });
                }
                start = end;
            }
        }
        let sequences = builder.build();
        let settings = Settings { seed: self.project.seed, ..Settings::default() };
        let mut consensus = fit(&sequences, &gold, self.project.sequence_method, &settings)?;
        for span in consensus.spans.iter_mut().chain(&mut consensus.candidates) {
            whole(span, &units);
        }
        Ok(Fused { consensus, overlaps: sequences.overlaps() })
    }
}

/// What a claim says in the layer of one label.
fn of_layer(claim: &Claim, class: Class) -> Option<Claim> {
    let what = match &claim.what {
        What::Type(one) if *one == class => What::Type(0),
        What::OneOf(classes) if classes.contains(&class) => What::Type(0),
        What::Nothing => What::Nothing,
        _ => return None,
    };
    Some(Claim { what, ..claim.clone() })
}

/// The spans of one label as a layer of that label alone; of overlapping ones the first, then the longest.
pub(super) fn layer(spans: &[TokenSpan], class: Class) -> Vec<TokenSpan> {
    let mut own: Vec<TokenSpan> = spans.iter().filter(|span| span.class == class).copied().collect();
    own.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut end = 0;
    own.retain(|span| {
        let apart = span.start >= end;
        end = if apart { span.end } else { end };
        apart
    });
    own.iter_mut().for_each(|span| span.class = 0);
    own
}

/// What each annotator says about some tokens, in positions among them.
fn within(said: &[(u32, &[Claim])], start: u32, end: u32) -> Vec<(u32, Vec<Claim>)> {
    let moved = |claim: &Claim| Claim { start: claim.start - start, end: claim.end - start, what: claim.what.clone() };
    said.iter()
        .map(|(annotator, claims)| {
            let inside = claims.iter().filter(|claim| claim.start >= start && claim.end <= end);
            (*annotator, inside.map(moved).collect())
        })
        .collect()
}

/// Takes back what lists and programs claim inside of what another annotator claims as one longer span: who knows `France`
/// has not denied `Bank of France`. (Majority of lists and programs, F1 without and with it: newswire .825 and .846,
/// Wikipedia .570 and .609.)
fn outgrow(said: &mut [(u32, Vec<Claim>)], silences: &[&Silence]) {
    let spans: Vec<(u32, u32, u32)> = said
        .iter()
        .flat_map(|(annotator, claims)| claims.iter().map(move |claim| (*annotator, claim)))
        .filter(|(_, claim)| claim.what != What::Nothing)
        .map(|(annotator, claim)| (annotator, claim.start, claim.end))
        .collect();
    for (annotator, claims) in
        said.iter_mut().filter(|(annotator, _)| *silences[*annotator as usize] == Silence::Misses)
    {
        claims.retain(|claim| {
            !spans.iter().any(|&(other, start, end)| {
                let around = start <= claim.start && claim.end <= end && end - start > claim.end - claim.start;
                around && other != *annotator
            })
        });
    }
}

/// Puts a span of a unit into its text.
fn whole(span: &mut ConsensusSpan, units: &[(u32, u32)]) {
    let (item, start) = units[span.item as usize];
    span.item = item;
    span.span.start += start;
    span.span.end += start;
}

/// Where a text may be cut, in tokens, its end included: ends of sentences that nothing goes across.
fn borders(
    document: &Document,
    said: &[(u32, &[Claim])],
    gold: &[&(&Placed, &[TokenSpan])],
    by_sentence: bool,
) -> Vec<u32> {
    let tokens = document.tokens.len() as u32;
    let mut crossed = vec![false; tokens as usize + 1];
    let claimed = said.iter().flat_map(|(_, claims)| claims.iter().map(|claim| (claim.start, claim.end)));
    let known = gold.iter().flat_map(|(_, spans)| spans.iter().map(|span| (span.start, span.end)));
    for (start, end) in claimed.chain(known) {
        crossed[start as usize + 1..end as usize].fill(true);
    }
    // The part that somebody read is a unit of its own, whatever sentences are taken for.
    let parts = gold.iter().flat_map(|(part, _)| [part.tokens.start, part.tokens.end]);
    let sentences = document.sentences.iter().copied().filter(|_| by_sentence);
    let mut ends: Vec<u32> = sentences.chain(parts).collect();
    ends.retain(|&end| end < tokens && end > 0 && !crossed[end as usize]);
    ends.push(tokens);
    ends.sort_unstable();
    ends.dedup();
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_a_part_has_not_denied_the_whole() {
        let nothing = Claim { start: 1, end: 2, what: What::Nothing };
        let list = vec![Claim::new(2, 3, 1), Claim::new(5, 6, 1)];
        let said = || vec![(0, list.clone()), (1, vec![Claim::new(0, 3, 2)]), (2, vec![nothing.clone()])];
        let [misses, outside] = [Silence::Misses, Silence::Outside];
        let mut programs = said();
        outgrow(&mut programs, &[&misses, &misses, &misses]);
        let kept: Vec<usize> = programs.iter().map(|(_, claims)| claims.len()).collect();
        assert_eq!(kept, [1, 1, 0], "{programs:?}");
        let mut people = said();
        outgrow(&mut people, &[&outside, &outside, &misses]);
        assert_eq!(people[0].1, list, "people have looked at every place");
    }

    #[test]
    fn texts_are_cut_where_nothing_goes_across() {
        let mut document = Document::from_text("t", "a b\nc d\ne f");
        document.tokenize(postil_core::text::Tokenizer::Whitespace);
        assert_eq!(borders(&document, &[], &[], true), [2, 4, 6]);
        assert_eq!(borders(&document, &[], &[], false), [6]);
        let across = [Claim::new(1, 3, 0)];
        assert_eq!(borders(&document, &[(0, &across)], &[], true), [4, 6]);
    }
}
