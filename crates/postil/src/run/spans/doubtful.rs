//! The stretches of text that a person should read first, and texts as they were marked.

use postil_core::sequences::{TokenSpan, What};
use postil_core::text::Offsets;

use super::label::Stretch;
use super::measure::written;
use super::output::span_of;
use super::summary::Findings;
use crate::report::{DoubtfulItem, MarkedSpan, MarkedText};

/// The doubtful stretches shown.
const DOUBTFUL: usize = 20;
/// Characters of text shown to each side of one.
const AROUND: usize = 160;
/// Marked texts shown: those on which gold disagrees, and all.
const WRONG: usize = 12;
const MARKED: usize = 20;
/// The longest text shown whole.
const LONGEST: usize = 1200;

/// The stretches, gold aside, on which the marks are least certain: those whose probability is nearest to one half.
pub(super) fn doubtful(findings: &Findings<'_>) -> Vec<DoubtfulItem> {
    let known: std::collections::HashSet<u32> = findings.gold.items.iter().map(|gold| gold.position).collect();
    let mut order: Vec<(f32, usize, usize)> = Vec::new();
    for (item, stretches) in findings.labels.stretches.iter().enumerate() {
        if !known.contains(&(item as u32)) {
            order.extend(stretches.iter().enumerate().map(|(place, one)| ((one.confidence - 0.5).abs(), item, place)));
        }
    }
    order.sort_by(|left, right| left.0.total_cmp(&right.0).then((left.1, left.2).cmp(&(right.1, right.2))));
    let mut shown = std::collections::HashSet::new();
    // Several stretches of one text are one to read.
    order.retain(|one| shown.insert(one.1));
    order.truncate(DOUBTFUL);
    order.into_iter().map(|(_, item, place)| doubtful_item(findings, item, place)).collect()
}

fn doubtful_item(findings: &Findings<'_>, item: usize, place: usize) -> DoubtfulItem {
    let document = &findings.documents[item];
    let offsets = Offsets::new(&document.text);
    let stretches = &findings.labels.stretches[item];
    let focus = stretches[place];
    let name = |class: u16| findings.project.task.labels.name(class).to_string();
    let span = span_of(findings, &offsets, item, &focus);
    let (text, from) = excerpt(&document.text, span.start as usize, span.end as usize);
    let around = std::iter::once(focus)
        .chain(written(stretches).filter(|one| one.span != focus.span).copied())
        .map(|one| marked_span(findings, &offsets, item, &one, from))
        .filter(|one| one.start < text.chars().count() as u32 && one.end > 0)
        .collect();
    let touches = |other: &TokenSpan| other.start < focus.span.end && focus.span.start < other.end;
    let mut posterior: Vec<(String, f64)> = Vec::new();
    for one in stretches.iter().filter(|one| touches(&one.span)) {
        let label = name(one.span.class);
        match posterior.iter_mut().find(|(known, _)| *known == label) {
            Some((_, probability)) => *probability = (*probability + f64::from(one.confidence)).min(1.0),
            None => posterior.push((label, f64::from(one.confidence))),
        }
    }
    posterior.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    let mut answers: Vec<(String, String)> = Vec::new();
    for (annotator, claims) in &findings.claims.said[item] {
        for claim in claims.iter().filter(|claim| claim.start < focus.span.end && focus.span.start < claim.end) {
            let says = match &claim.what {
                What::Type(class) => name(*class),
                What::OneOf(classes) => classes.iter().map(|class| name(*class)).collect::<Vec<_>>().join(" or "),
                What::Nothing => "nothing".to_owned(),
            };
            answers.push((findings.annotated.identities[*annotator as usize].name.to_string(), says));
        }
    }
    let answered = answers.len();
    if let Ok(learned) = findings.learned {
        let found = learned.spans[item].iter().find(|found| {
            touches(&TokenSpan { start: found.span.start, end: found.span.end, class: found.span.class })
        });
        let says = found.map_or_else(|| "nothing".to_owned(), |found| name(found.span.class));
        answers.push(("student".to_owned(), says));
    }
    let distinct: std::collections::BTreeSet<&String> = answers.iter().take(answered).map(|(_, says)| says).collect();
    let reason = match (answered, distinct.len()) {
        (0, _) => "no annotator claims it",
        (1, _) => "a single claim",
        (_, 1) => "the annotators agree, the model does not",
        _ => "the annotators disagree",
    };
    let label = stretches.iter().find(|one| one.written && touches(&one.span));
    DoubtfulItem {
        id: document.id.to_string(),
        field: None,
        text,
        spans: around,
        label: label.map_or_else(|| "nothing".to_owned(), |one| name(one.span.class)),
        posterior,
        answers,
        reason: reason.to_owned(),
    }
}

/// Texts as they were marked: measuring gold that disagrees first, then others with marks.
pub(super) fn marked(findings: &Findings<'_>) -> Vec<MarkedText> {
    let mut texts = Vec::new();
    let mut taken = std::collections::HashSet::new();
    for (part, known) in findings.measuring() {
        let item = part.position as usize;
        let mut given = findings.given(part);
        given.sort_unstable();
        let mut truth = known.to_vec();
        truth.sort_unstable();
        taken.insert(item);
        // The truth about a part of a text would look as if all else were wrong.
        let whole = part.tokens == (0..findings.documents[item].tokens.len() as u32);
        if given != truth && whole && texts.len() < WRONG {
            let truth: Vec<Stretch> =
                truth.into_iter().map(|span| Stretch { span, confidence: f32::NAN, written: true }).collect();
            texts.push(marked_text(findings, item, Some(&truth)));
        }
    }
    for item in 0..findings.documents.len() {
        if texts.len() >= MARKED {
            break;
        }
        if !taken.contains(&item) && written(&findings.labels.stretches[item]).next().is_some() {
            texts.push(marked_text(findings, item, None));
        }
    }
    texts
}

fn marked_text(findings: &Findings<'_>, item: usize, truth: Option<&[Stretch]>) -> MarkedText {
    let document = &findings.documents[item];
    let offsets = Offsets::new(&document.text);
    let spans = |stretches: &mut dyn Iterator<Item = &Stretch>| -> Vec<MarkedSpan> {
        stretches.map(|one| marked_span(findings, &offsets, item, one, 0)).collect()
    };
    let mut text: String = document.text.chars().take(LONGEST).collect();
    if text.len() < document.text.len() {
        text.push('…');
    }
    MarkedText {
        id: document.id.to_string(),
        text,
        given: spans(&mut written(&findings.labels.stretches[item])),
        truth: truth.map(|truth| spans(&mut truth.iter())),
    }
}

/// A stretch as it stands in a text that is shown from the character `from` on.
fn marked_span(
    findings: &Findings<'_>,
    offsets: &Offsets<'_>,
    item: usize,
    stretch: &Stretch,
    from: usize,
) -> MarkedSpan {
    let span = span_of(findings, offsets, item, stretch);
    MarkedSpan {
        start: (span.start as usize).saturating_sub(from) as u32,
        end: (span.end as usize).saturating_sub(from) as u32,
        label: span.label.to_string(),
        confidence: (!stretch.confidence.is_nan()).then_some(f64::from(stretch.confidence)),
    }
}

/// The text around a stretch, and the character it begins with.
fn excerpt(text: &str, start: usize, end: usize) -> (String, usize) {
    let length = text.chars().count();
    let from = start.saturating_sub(AROUND);
    let to = (end + AROUND).min(length);
    (text.chars().skip(from).take(to - from).collect(), from)
}
