//! The bench of consensus over sequences, on generated spans.

use anyhow::Result;
use postil_core::Random;
use postil_core::sequences::{Claim, Method, Sequences, SequencesBuilder, Settings, Silence, TokenSpan, fit};
use serde_json::json;

use super::inside::{best, peak_mb};
use super::round;

const ITEMS: usize = 100_000;
const ANNOTATORS: usize = 50;
const PER_ITEM: usize = 5;
const TYPES: usize = 4;

/// A hundred thousand sentences of some fourteen tokens with a span or two; of fifty people five each look, who miss some,
/// name some wrongly, cut some short and see some where there are none. And the truth.
fn said() -> Result<(Sequences, Vec<Vec<TokenSpan>>)> {
    let mut random = Random::new(11);
    let skill: Vec<f64> = (0..ANNOTATORS).map(|_| 0.35 + 0.6 * random.unit()).collect();
    let mut builder = SequencesBuilder::new(TYPES);
    let mut truth = Vec::with_capacity(ITEMS);
    for _ in 0..ITEMS {
        let tokens = 6 + random.below(17) as u32;
        let mut spans = Vec::new();
        let mut at = random.below(8) as u32;
        while at + 3 < tokens {
            let end = at + 1 + random.below(3) as u32;
            spans.push(TokenSpan { start: at, end, class: random.below(TYPES) as u16 });
            at = end + 2 + random.below(9) as u32;
        }
        builder.item(tokens);
        let first = random.below(ANNOTATORS);
        for place in 0..PER_ITEM {
            let annotator = (first + place * 7) % ANNOTATORS;
            let mut claims = Vec::new();
            for span in &spans {
                if random.unit() < skill[annotator] {
                    claims.push(Claim::new(span.start, span.end, span.class));
                    continue;
                }
                match random.below(4) {
                    0 | 1 => {}
                    2 => claims.push(Claim::new(span.start, span.end, random.below(TYPES) as u16)),
                    _ => claims.push(Claim::new(span.start, span.start + 1, span.class)),
                }
            }
            if random.unit() > skill[annotator] {
                let at = random.below(tokens as usize) as u32;
                claims.push(Claim::new(at, at + 1, random.below(TYPES) as u16));
            }
            builder.say(annotator as u32, &claims, &Silence::Outside)?;
        }
        truth.push(spans);
    }
    Ok((builder.build(), truth))
}

/// Majority and the hidden chain; a row is a token that one annotator looked at.
pub(super) fn consensus() -> Result<()> {
    let (sequences, truth) = said()?;
    let there: usize = truth.iter().map(Vec::len).sum();
    let f1 = |found: &postil_core::sequences::SequenceConsensus| {
        let right = found.spans.iter().filter(|one| truth[one.item as usize].contains(&one.span)).count();
        2.0 * right as f64 / (found.spans.len() + there) as f64
    };
    let run = |method| best(|| Ok(fit(&sequences, &[], method, &Settings::default())?));
    let (majority_seconds, majority) = run(Method::Majority)?;
    let (seconds, hmm) = run(Method::Hmm)?;
    let rows = sequences.all_tokens() * PER_ITEM;
    println!(
        "{}",
        json!({
            "bench": "sequence-consensus",
            "rows": rows,
            "sweeps": hmm.objective.len(),
            "cpu_seconds": round(seconds),
            "rows_per_second": (rows as f64 / seconds).round(),
            "peak_mb": peak_mb()?,
            "f1": round(f1(&hmm)),
            "majority_f1": round(f1(&majority)),
            "majority_cpu_seconds": round(majority_seconds),
        })
    );
    Ok(())
}
