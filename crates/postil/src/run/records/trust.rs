//! What values can be trusted with: a promise about whole records, stated against true, and the values to look at first.

use postil_core::audit::{GoldPart, Tally};
use postil_core::guarantee::{GoldCheck, PromiseSettings, promise};
use postil_core::{Result, Span};
use serde_json::Value;

use super::super::doubtful::least_certain;
use super::super::learn::texts_of;
use super::super::trust::{inclusion, promise_summary};
use super::super::{Watch, facts};
use super::Findings;
use super::measure::too_few;
use super::output::text as words;
use crate::report::{DoubtfulItem, MarkedSpan, PromiseSummary, ReliabilityBin};

/// The doubtful values shown.
const DOUBTFUL: usize = 20;
/// Code points shown on either side of the words that prove a value.
const AROUND: usize = 160;
/// The likeliest values shown of each.
const LIKELIEST: usize = 3;

/// The least certain of a record's values, which bounds how certain the whole can be; zero if nobody said anything of it.
fn confidence_of(findings: &Findings<'_>, item: usize) -> f64 {
    let fields = findings.fields();
    let beliefs = findings.settled.beliefs[item * fields..(item + 1) * fields].iter().flatten();
    beliefs.map(|belief| belief.probability).min_by(f64::total_cmp).unwrap_or(0.0)
}

/// Which records may be accepted unseen. The values of a record hang together, so the promise is about whole records:
/// one is wrong if any of its known values is.
pub(super) fn promised(findings: &Findings<'_>) -> std::result::Result<PromiseSummary, String> {
    if let Some(reason) = too_few(findings) {
        return Err(reason);
    }
    let confidences: Vec<f64> = (0..findings.items.len()).map(|item| confidence_of(findings, item)).collect();
    let probability = inclusion(findings.gold.part(GoldPart::Measure).map(|gold| gold.weight));
    let checks: Vec<GoldCheck> = findings
        .gold
        .part(GoldPart::Measure)
        .map(|gold| {
            let first = gold.position as usize * findings.fields();
            let mut known = gold.truth.iter().enumerate();
            let wrong =
                known.any(|(place, truth)| truth.as_ref().is_some_and(|truth| findings.value(first + place) != truth));
            GoldCheck { item: gold.position, wrong, probability: probability(gold.weight) }
        })
        .collect();
    let found = promise(&confidences, &checks, &PromiseSettings::default()).map_err(|error| error.to_string())?;
    Ok(promise_summary(found))
}

/// Stated probability against the share that is right, value by value, on the measuring gold.
pub(super) fn reliability(findings: &Findings<'_>) -> Option<Vec<ReliabilityBin>> {
    if too_few(findings).is_some() {
        return None;
    }
    let mut tally = Tally::new(2);
    for gold in findings.gold.part(GoldPart::Measure) {
        for (place, truth) in gold.truth.iter().enumerate() {
            let decision = gold.position as usize * findings.fields() + place;
            if let (Some(truth), Some(belief)) = (truth, &findings.settled.beliefs[decision]) {
                let right = u16::from(findings.value(decision) == truth);
                let sure = belief.probability as f32;
                tally.add(right, 1, Some(&[1.0 - sure, sure]), gold.weight);
            }
        }
    }
    Some(facts::reliability(&tally, &format!("values in {}", findings.gold.basis())))
}

/// The values, those of gold records aside, that are least certain, each with the words that prove it.
pub(super) fn doubtful(findings: &Findings<'_>, watch: &dyn Watch) -> Result<Vec<DoubtfulItem>> {
    let fields = findings.fields();
    let of_gold =
        |item: usize| findings.gold.records.binary_search_by_key(&(item as u32), |gold| gold.position).is_ok();
    let free = findings.settled.beliefs.iter().enumerate().filter(|&(decision, _)| !of_gold(decision / fields));
    let stated = free.filter_map(|(decision, belief)| Some((belief.as_ref()?.probability as f32, decision as u32)));
    let order = least_certain(stated, DOUBTFUL);
    let mut positions: Vec<u32> = order.iter().map(|&(_, decision)| decision / fields as u32).collect();
    positions.sort_unstable();
    positions.dedup();
    let texts = texts_of(findings.project, findings.items, &positions, watch)?;
    let row = |&(_, decision): &(f32, u32)| {
        let text = positions.binary_search(&(decision / fields as u32)).map_or("", |place| &texts[place]);
        row_of(findings, decision as usize, text)
    };
    Ok(order.iter().map(row).collect())
}

fn row_of(findings: &Findings<'_>, decision: usize, text: &str) -> DoubtfulItem {
    let (said, values) = (&findings.claims.said[decision], &findings.claims.values[decision]);
    let shown = |value: &Value| words(value).unwrap_or_else(|| ABSENT.to_owned());
    let field = findings.schema.fields()[decision % findings.fields()].name.to_string();
    let belief = findings.settled.beliefs[decision].as_ref();
    let mut posterior: Vec<(String, f64)> =
        belief.map_or_else(Vec::new, |belief| values.iter().map(shown).zip(belief.all.iter().copied()).collect());
    posterior.sort_by(|left, right| right.1.total_cmp(&left.1));
    posterior.truncate(LIKELIEST);
    let answers: Vec<(String, String)> = findings
        .annotated
        .identities
        .iter()
        .enumerate()
        .filter_map(|(annotator, identity)| {
            let (_, value) = said.iter().find(|one| one.0 as usize == annotator)?;
            Some((identity.name.to_string(), shown(&values[*value as usize])))
        })
        .collect();
    let reason = match (said.len(), said.iter().all(|one| one.1 == said[0].1)) {
        (1, _) => "a single answer",
        (_, true) => "agreed on by annotators who are often wrong here",
        _ => "the annotators disagree",
    };
    let places = belief.map_or(&[][..], |belief| findings.claims.places(decision, belief.value));
    let (excerpt, spans) = excerpt(text, places, &field);
    DoubtfulItem {
        id: findings.items.id(decision / findings.fields()).to_owned(),
        field: Some(field),
        text: excerpt,
        spans,
        label: shown(findings.value(decision)),
        posterior,
        answers,
        reason: reason.to_owned(),
    }
}

/// How an absent value is shown.
const ABSENT: &str = "(not in the text)";

/// The text around the first place, or its beginning, with the places inside it counted from there.
fn excerpt(text: &str, places: &[Span], field: &str) -> (String, Vec<MarkedSpan>) {
    let length = text.chars().count();
    let first = places.first().map_or(0..0, |span| span.start as usize..span.end as usize);
    let from = first.start.saturating_sub(AROUND).min(length);
    let to = (first.end.max(first.start) + AROUND).max(from + 2 * AROUND).min(length);
    let cut = |open: bool| if open { "…" } else { "" };
    let inside: String = text.chars().skip(from).take(to - from).collect();
    let lead = usize::from(from > 0);
    let spans = places
        .iter()
        .filter(|span| span.start as usize >= from && span.end as usize <= to)
        .map(|span| MarkedSpan {
            start: (span.start as usize - from + lead) as u32,
            end: (span.end as usize - from + lead) as u32,
            label: field.to_owned(),
            confidence: None,
        })
        .collect();
    (format!("{}{inside}{}", cut(from > 0), cut(to < length)), spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u32, end: u32) -> Span {
        Span { start, end, label: "total".into(), quote: String::new() }
    }

    #[test]
    fn an_excerpt_keeps_its_places_exact() {
        let text = format!("{}Σ 41,50 €{}", "ä".repeat(500), "z".repeat(500));
        let (shown, spans) = excerpt(&text, &[span(502, 507), span(0, 3)], "total");
        assert_eq!(spans.len(), 1, "what lies outside is not marked");
        let marked: String =
            shown.chars().skip(spans[0].start as usize).take((spans[0].end - spans[0].start) as usize).collect();
        assert_eq!(marked, "41,50");
        assert!(shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert_eq!(excerpt("short", &[], "total"), ("short".to_owned(), Vec::new()));
        let (shown, spans) = excerpt("total 5", &[span(6, 7)], "total");
        assert_eq!((shown.as_str(), spans[0].start, spans[0].end), ("total 5", 6, 7));
    }
}
