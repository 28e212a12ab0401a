//! What the report shows of tokens: the doubtful ones, texts with their tags, and words with several tags.

use std::collections::BTreeSet;
use std::ops::Range;

use postil_core::Class;
use postil_core::audit::{GoldPart, Variation, Variations};
use postil_core::text::{OffsetUnit, Offsets};

use super::super::combine::student_row;
use super::super::summary::Findings;
use crate::report::{DoubtfulItem, MarkedSpan, MarkedText};
use crate::score::decide;

/// The doubtful tokens shown.
const DOUBTFUL: usize = 20;
/// Tokens shown to each side of one.
const AROUND: usize = 12;
/// Labels shown of one, the likeliest first.
const LIKELIEST: usize = 3;
/// Texts shown: those on which gold disagrees, and all.
const WRONG: usize = 12;
const MARKED: usize = 20;
/// The most tokens of a text shown whole.
const LONGEST: usize = 120;
/// Words with several tags that are listed.
const FORMS: usize = 30;

/// A token and its item, in a few words.
pub(crate) fn token_in_words(findings: &Findings<'_>, decision: usize) -> String {
    let (item, token) = findings.decisions.place(decision);
    let word = findings.documents[item].words().nth(token).unwrap_or_default();
    format!("{word} · {}, token {}", findings.annotated.items.id(item), token + 1)
}

/// The tokens, gold aside, whose tags are least certain; one of a text.
pub(crate) fn doubtful(findings: &Findings<'_>) -> Vec<DoubtfulItem> {
    let known: BTreeSet<u32> = findings.gold.labels.iter().map(|gold| gold.position).collect();
    let mut order: Vec<(f32, usize, usize)> = (0..findings.items())
        .filter(|item| !known.contains(&(*item as u32)))
        .filter_map(|item| {
            let tokens = findings.decisions.of(item).map(|decision| (findings.sure(decision), item, decision));
            tokens.min_by(|left, right| left.0.total_cmp(&right.0))
        })
        .collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    order.truncate(DOUBTFUL);
    order.into_iter().map(|(_, item, decision)| doubtful_token(findings, item, decision)).collect()
}

fn doubtful_token(findings: &Findings<'_>, item: usize, decision: usize) -> DoubtfulItem {
    let decisions = findings.decisions.of(item);
    let focus = decision - decisions.start;
    let shown = focus.saturating_sub(AROUND)..(focus + AROUND + 1).min(decisions.len());
    let (text, mut spans) = stretch(findings, item, shown.clone());
    // The one that matters comes first.
    spans[..=focus - shown.start].rotate_right(1);
    let name = |class: Class| findings.project.task.labels.name(class).to_string();
    let mut posterior: Vec<(String, f64)> =
        (0..).zip(findings.labels.of(decision)).map(|(class, &share)| (name(class), f64::from(share))).collect();
    posterior.sort_by(|left, right| right.1.total_cmp(&left.1));
    posterior.truncate(LIKELIEST);
    let mut answers: Vec<(String, String)> = Vec::new();
    for (column, identity) in findings.annotated.identities.iter().enumerate() {
        let votes = findings.ballots.votes.of(decision).filter(|vote| vote.annotator as usize == column);
        let said: Vec<String> = votes.map(|vote| name(vote.class)).collect();
        if !said.is_empty() {
            answers.push((identity.name.to_string(), said.join(" or ")));
        }
    }
    let answered = answers.len();
    if let Ok(learned) = findings.learned {
        let row = student_row(learned, decision, findings.decisions.classes());
        answers.push(("student".to_owned(), name(decide(&row))));
    }
    let distinct: BTreeSet<&String> = answers.iter().take(answered).map(|(_, said)| said).collect();
    let reason = match (answered, distinct.len()) {
        (0, _) => "no annotator speaks of it",
        (1, _) => "a single answer",
        (_, 1) => "the annotators agree, the model does not",
        _ => "the annotators disagree",
    };
    DoubtfulItem {
        id: findings.annotated.items.id(item).to_owned(),
        field: None,
        text,
        spans,
        label: name(findings.labels.given[decision]),
        posterior,
        answers,
        reason: reason.to_owned(),
    }
}

/// Texts with their tags: measuring gold that disagrees first, then others.
pub(crate) fn marked(findings: &Findings<'_>) -> Vec<MarkedText> {
    if !findings.is_of_tags() {
        return Vec::new();
    }
    let mut texts = Vec::new();
    for gold in findings.gold.part(GoldPart::Measure) {
        let wrong: Vec<(usize, Class)> = gold
            .truths(findings.decisions)
            .filter(|&(decision, class)| findings.labels.given[decision] != class)
            .collect();
        if !wrong.is_empty() && texts.len() < WRONG {
            texts.push(marked_text(findings, gold.position as usize, Some(&wrong)));
        }
    }
    let known: BTreeSet<usize> = findings.gold.labels.iter().map(|gold| gold.position as usize).collect();
    for item in (0..findings.items()).filter(|item| !known.contains(item)) {
        if texts.len() >= MARKED {
            break;
        }
        if !findings.decisions.of(item).is_empty() {
            texts.push(marked_text(findings, item, None));
        }
    }
    texts
}

fn marked_text(findings: &Findings<'_>, item: usize, wrong: Option<&[(usize, Class)]>) -> MarkedText {
    let decisions = findings.decisions.of(item);
    let shown = 0..decisions.len().min(LONGEST);
    let (mut text, given) = stretch(findings, item, shown.clone());
    if shown.end < decisions.len() {
        text.push('…');
    }
    let truth = wrong.map(|wrong| {
        let of = |&(decision, class): &(usize, Class)| {
            let span = given.get(decision - decisions.start)?;
            let label = findings.project.task.labels.name(class).to_string();
            Some(MarkedSpan { label, confidence: None, ..span.clone() })
        };
        wrong.iter().filter_map(of).collect()
    });
    MarkedText { id: findings.annotated.items.id(item).to_owned(), text, given, truth }
}

/// The text from one token up to another, and those tokens with their tags.
fn stretch(findings: &Findings<'_>, item: usize, tokens: Range<usize>) -> (String, Vec<MarkedSpan>) {
    let document = &findings.documents[item];
    let offsets = Offsets::new(&document.text);
    let point = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize).unwrap_or(0);
    let own = &document.tokens[tokens.clone()];
    let (Some(first), Some(last)) = (own.first(), own.last()) else { return (document.text.clone(), Vec::new()) };
    let from = point(first.start);
    let start = findings.decisions.of(item).start;
    let spans = own.iter().zip(tokens).map(|(token, place)| MarkedSpan {
        start: point(token.start) - from,
        end: point(token.end) - from,
        label: findings.project.task.labels.name(findings.labels.given[start + place]).to_string(),
        confidence: Some(f64::from(findings.sure(start + place))),
    });
    (document.text[first.start as usize..last.end as usize].to_owned(), spans.collect())
}

/// Words that the run tagged now one way, now another.
pub(crate) fn forms(findings: &Findings<'_>) -> Vec<Variation> {
    if !findings.is_of_tags() {
        return Vec::new();
    }
    let mut variations = Variations::default();
    for (item, document) in findings.documents.iter().enumerate() {
        let words: Vec<&str> = document.words().collect();
        let tags = findings.labels.given[findings.decisions.of(item)].iter();
        variations.add(&words, tags.map(|&tag| Some(&**findings.project.task.labels.name(tag))));
    }
    let mut list = variations.list();
    list.truncate(FORMS);
    list
}
