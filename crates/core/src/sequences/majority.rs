//! Votes for whole spans.

use super::input::{Scope, Sequences, TokenSpan};

/// A span that somebody claims.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Voted {
    pub(super) span: TokenSpan,
    /// How many claim exactly this; a claim of several types is shared among them.
    pub(super) votes: f64,
    /// How many might have.
    pub(super) of: f64,
}

/// Every claimed span of an item, in order of place and type, with its votes. People and models that looked for the type
/// might have claimed it; lists and programs only count where they speak of a token of it.
pub(super) fn votes(sequences: &Sequences, item: usize) -> Vec<Voted> {
    let mut claimed: Vec<(TokenSpan, f64)> = Vec::new();
    for statement in sequences.statements(item) {
        for claim in statement.claims {
            let share = 1.0 / sequences.breadth(claim.what).max(1) as f64;
            sequences.each_member(claim.what, |class| {
                claimed.push((TokenSpan { start: claim.start, end: claim.end, class: class as u16 }, share));
            });
        }
    }
    claimed.sort_by_key(|(span, _)| *span);
    let mut found: Vec<Voted> = Vec::new();
    for (span, share) in claimed {
        match found.last_mut() {
            Some(last) if last.span == span => last.votes += share,
            _ => found.push(Voted { span, votes: share, of: 0.0 }),
        }
    }
    for statement in sequences.statements(item) {
        let scope = &sequences.voters()[statement.voter as usize].scope;
        for one in &mut found {
            let span = one.span;
            let speaks = || statement.claims.iter().any(|claim| claim.start < span.end && span.start < claim.end);
            let might = match scope {
                Scope::All => true,
                Scope::Some(types) => types.contains(&span.class),
                Scope::None => speaks(),
            };
            one.of += f64::from(u8::from(might));
        }
    }
    found
}

/// The spans that more than half of those who might have claimed them do claim, and of overlapping ones that with the
/// larger share, then the longer.
pub(super) fn spans(voted: &[Voted]) -> Vec<TokenSpan> {
    let mut order: Vec<&Voted> = voted.iter().filter(|one| 2.0 * one.votes > one.of).collect();
    order.sort_by(|left, right| {
        let share = |one: &Voted| one.votes / one.of.max(1.0);
        let length = |one: &Voted| one.span.end - one.span.start;
        share(right).total_cmp(&share(left)).then(length(right).cmp(&length(left))).then(left.span.cmp(&right.span))
    });
    let mut kept: Vec<TokenSpan> = Vec::new();
    for one in order {
        if kept.iter().all(|other| one.span.end <= other.start || other.end <= one.span.start) {
            kept.push(one.span);
        }
    }
    kept.sort_unstable();
    kept
}
