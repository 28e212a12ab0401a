//! What annotators said about texts, fused sentence by sentence.

use postil_core::sequences::{
    Claim, ConsensusSpan, GoldItem, SequenceConsensus, SequencesBuilder, Settings, Silence, TokenSpan, fit,
};
use postil_core::{Document, Result};

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
    /// Texts are cut at the ends of sentences, but not where a claim or a gold span goes across. So it does not matter
    /// whether a user's items are sentences or whole reports: a list that found something in one sentence has not
    /// spoken about the others, and gold of a report counts as gold of its sentences.
    pub(super) fn fuse(&self, more: &[Voice]) -> Result<Fused> {
        let mut gold_of: Vec<Vec<&(&Placed, &[TokenSpan])>> = vec![Vec::new(); self.documents.len()];
        for one in self.known {
            gold_of[one.0.position as usize].push(one);
        }
        let silences: Vec<&Silence> = self.silences.iter().chain(more.iter().map(|voice| &voice.silence)).collect();
        let mut builder = SequencesBuilder::new(self.project.task.labels.len());
        // Of every unit its text and its first token.
        let mut units: Vec<(u32, u32)> = Vec::new();
        let mut gold = Vec::new();
        for (item, document) in self.documents.iter().enumerate() {
            let own = self.said[item].iter().map(|(annotator, claims)| (*annotator, claims.as_slice()));
            let others = more.iter().enumerate();
            let others =
                others.map(|(number, voice)| ((self.silences.len() + number) as u32, voice.claims[item].as_slice()));
            let said: Vec<(u32, &[Claim])> = own.chain(others).collect();
            let words: Vec<&str> = document.words().collect();
            let mut start = 0;
            for end in borders(document, &said, &gold_of[item]) {
                let unit = builder.item_of_words(&words[start as usize..end as usize]);
                units.push((item as u32, start));
                for (annotator, claims) in &said {
                    let inside: Vec<Claim> = claims
                        .iter()
                        .filter(|claim| claim.start >= start && claim.end <= end)
                        .map(|claim| Claim {
                            start: claim.start - start,
                            end: claim.end - start,
                            what: claim.what.clone(),
                        })
                        .collect();
                    let silence = silences[*annotator as usize];
                    if !inside.is_empty() || *silence != Silence::Misses {
                        builder.say(*annotator, &inside, silence)?;
                    }
                }
                let read = gold_of[item].iter().find(|(part, _)| part.tokens.start <= start && end <= part.tokens.end);
                if let Some((_, spans)) = read {
                    let inside = spans.iter().filter(|span| span.start >= start && span.end <= end);
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

/// Puts a span of a unit into its text.
fn whole(span: &mut ConsensusSpan, units: &[(u32, u32)]) {
    let (item, start) = units[span.item as usize];
    span.item = item;
    span.span.start += start;
    span.span.end += start;
}

/// Where a text may be cut, in tokens, its end included: ends of sentences that nothing goes across.
fn borders(document: &Document, said: &[(u32, &[Claim])], gold: &[&(&Placed, &[TokenSpan])]) -> Vec<u32> {
    let tokens = document.tokens.len() as u32;
    let mut crossed = vec![false; tokens as usize + 1];
    let claimed = said.iter().flat_map(|(_, claims)| claims.iter().map(|claim| (claim.start, claim.end)));
    let known = gold.iter().flat_map(|(_, spans)| spans.iter().map(|span| (span.start, span.end)));
    for (start, end) in claimed.chain(known) {
        crossed[start as usize + 1..end as usize].fill(true);
    }
    // The part that somebody read is a unit of its own, whatever sentences are taken for.
    let parts = gold.iter().flat_map(|(part, _)| [part.tokens.start, part.tokens.end]);
    let mut ends: Vec<u32> = document.sentences.iter().copied().chain(parts).collect();
    ends.retain(|&end| end < tokens && end > 0 && !crossed[end as usize]);
    ends.push(tokens);
    ends.sort_unstable();
    ends.dedup();
    ends
}
