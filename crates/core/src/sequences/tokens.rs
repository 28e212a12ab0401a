//! Consensus token by token, and its repair.

use super::chain::{Chain, Lattice};
use super::input::{Scope, Sequences};
use super::{GoldItem, Settings};
use crate::consensus::{self, Method};
use crate::error::Result;
use crate::votes::{Gold, GoldEntry, VotesBuilder};

/// A posterior over states for every token, made from the tags of the tokens as if they were items of their own, and the
/// chain that a sequence is read with: it knows what may follow what, and nothing else.
pub(super) struct ByToken {
    pub(super) posterior: Vec<f32>,
    pub(super) chain: Chain,
}

/// Runs a consensus on tokens. Those who looked for everything vote for outside where they are silent; those who looked
/// for some types, and lists and programs, are silent there.
pub(super) fn fit(sequences: &Sequences, gold: &[GoldItem], method: Method, settings: &Settings) -> Result<ByToken> {
    let states = 1 + 2 * sequences.types();
    let mut builder = VotesBuilder::new(states);
    let mut tags: Vec<Vec<(u16, f64)>> = Vec::new();
    for item in 0..sequences.items() {
        let tokens = sequences.tokens(item);
        for statement in sequences.statements(item) {
            let voter = &sequences.voters()[statement.voter as usize];
            tags.clear();
            tags.resize(tokens.len(), Vec::new());
            if matches!(voter.scope, Scope::All) {
                for tag in &mut tags {
                    tag.push((0, 1.0));
                }
            }
            for claim in statement.claims {
                for token in claim.start..claim.end {
                    let tag = &mut tags[token as usize];
                    tag.clear();
                    if claim.what == sequences.nothing() {
                        tag.push((0, 1.0));
                    }
                    let late = usize::from(token > claim.start);
                    sequences.each_member(claim.what, |class| tag.push(((1 + 2 * class + late) as u16, 1.0)));
                }
            }
            for (tag, token) in tags.iter().zip(tokens.clone()) {
                match tag.as_slice() {
                    [] => {}
                    [(class, _)] => builder.push(token as u32, voter.annotator, *class)?,
                    several => builder.push_soft(token as u32, voter.annotator, several)?,
                }
            }
        }
    }
    let votes = builder.build(sequences.all_tokens(), sequences.annotators())?;
    let mut entries = Vec::new();
    for one in gold {
        let tokens = sequences.tokens(one.item as usize);
        let mut known = vec![0u16; tokens.len()];
        for span in &one.spans {
            for token in span.start..span.end {
                known[token as usize] = 1 + 2 * span.class + u16::from(token > span.start);
            }
        }
        for (class, token) in known.into_iter().zip(tokens) {
            entries.push(GoldEntry { decision: token as u32, class, inclusion: None });
        }
    }
    let plain = consensus::Settings { seed: settings.seed, calibrate: false, ..consensus::Settings::default() };
    let found = consensus::fit(&votes, &Gold::new(entries)?, method, &plain)?;
    let mut posterior = found.posterior;
    // Where nobody looked there is nothing.
    for token in 0..sequences.all_tokens() {
        if votes.support(token) == 0 {
            let row = &mut posterior[token * states..][..states];
            row.fill(0.0);
            row[0] = 1.0;
        }
    }
    Ok(ByToken { posterior, chain: permissive(sequences.types()) })
}

/// Every allowed sequence is as likely as any other: each step is worth one half.
fn permissive(types: usize) -> Chain {
    let mut next = vec![1.0; (types + 1) * (types + 1)];
    next[..=types].fill(0.5);
    Chain { types, start: vec![1.0; types + 1], next, goes_on: vec![0.5; 2 * types] }
}

impl ByToken {
    /// Fills a lattice with the posteriors of an item's tokens.
    pub(super) fn lattice(
        &self,
        sequences: &Sequences,
        item: usize,
        said: &mut Vec<f64>,
        lattice: &mut Lattice,
    ) -> bool {
        let (tokens, states) = (sequences.tokens(item), 1 + 2 * sequences.types());
        said.clear();
        for row in self.posterior[tokens.start * states..tokens.end * states].chunks_exact(states) {
            said.extend(row.iter().map(|&share| f64::from(share).max(1e-9).ln()));
            // Outside is outside, after a span or not.
            said.push(f64::from(row[0]).max(1e-9).ln());
        }
        lattice.fill(&self.chain, said)
    }
}
