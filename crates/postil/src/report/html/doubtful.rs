//! The most doubtful items, each with everything that was said about it.

use maud::{Markup, html};

use super::super::{DoubtfulItem, Report};
use super::palette::Palette;
use super::{charts, marked, numbers, text};

/// How many of the likeliest labels are shown even if nobody said them.
const LIKELIEST: usize = 3;

/// With more answers than this an item's table takes the whole width, below its text.
const MANY_ANSWERS: usize = 12;

/// The section.
pub(super) fn doubtful(report: &Report, palette: &Palette<'_>) -> Markup {
    html! {
        p {
            "The " @if report.is_of_tags() { (numbers::counted(report.doubtful.len() as u64, "token", "tokens")) }
            @else if report.is_of_records() { (numbers::counted(report.doubtful.len() as u64, "value", "values")) }
            @else if !report.is_of_spans() { (numbers::counted(report.doubtful.len() as u64, "item", "items")) }
            @else { (numbers::counted(report.doubtful.len() as u64, "stretch of text", "stretches of text")) }
            " on which the " @if report.is_of_records() { "records" } @else { "labels" } " are least certain, most "
            "doubtful first. A person's answer to these is worth most."
        }
        ol class="doubtful" { @for item in &report.doubtful { li { (entry(item, palette, report.is_of_tags())) } } }
    }
}

/// One label that is possible for an item, or that somebody gave it.
struct Candidate<'a> {
    label: &'a str,
    probability: Option<f64>,
    said_by: Vec<&'a str>,
}

/// An item's labels, likeliest first, each with those who said it; and the answers that name no label, by what they
/// say.
fn gather<'a>(item: &'a DoubtfulItem, palette: &Palette<'_>) -> (Vec<Candidate<'a>>, Vec<(&'a str, Vec<&'a str>)>) {
    let written = named(item, &item.label, palette);
    let mut candidates = item
        .posterior
        .iter()
        .map(|(label, probability)| Candidate { label, probability: Some(*probability), said_by: Vec::new() })
        .collect::<Vec<_>>();
    let mut others: Vec<(&str, Vec<&str>)> = Vec::new();
    for (annotator, answer) in &item.answers {
        let named = named(item, answer, palette);
        for label in &named {
            if let Some(candidate) = candidates.iter_mut().find(|candidate| candidate.label == *label) {
                candidate.said_by.push(annotator);
            } else {
                candidates.push(Candidate { label, probability: None, said_by: vec![annotator] });
            }
        }
        if named.is_empty() {
            match others.iter_mut().find(|(said, _)| said == answer) {
                Some((_, by)) => by.push(annotator),
                None => others.push((answer, vec![annotator])),
            }
        }
    }
    let mut place = 0;
    candidates.retain(|candidate| {
        place += 1;
        place <= LIKELIEST || !candidate.said_by.is_empty() || written.contains(&candidate.label)
    });
    (candidates, others)
}

/// What an answer names: labels, or the value of a field, which can be anything.
fn named<'b>(item: &DoubtfulItem, answer: &'b str, palette: &Palette<'_>) -> Vec<&'b str> {
    if item.field.is_some() { vec![answer] } else { palette.labels_in(answer) }
}

/// One item.
fn entry(item: &DoubtfulItem, palette: &Palette<'_>, of_tags: bool) -> Markup {
    let (candidates, others) = gather(item, palette);
    let written = named(item, &item.label, palette);
    html! {
        article class=(if item.answers.len() > MANY_ANSWERS { "many" } else { "" }) {
            div class="item" {
                h3 { code { (text::user(&item.id)) } @if let Some(field) = &item.field { " · " (text::user(field)) } }
                @if of_tags && !item.spans.is_empty() { (marked::tokens(&item.text, &item.spans, &[], palette, true)) }
                @else if !item.spans.is_empty() { (marked::spans(&item.text, &item.spans, palette, true)) } @else {
                    p class="quote" dir="auto" { @if item.text.trim().is_empty() { "(no text)" } @else { (text::clean(&item.text)) } }
                }
                p class="soft" {
                    "Labelled "
                    @if written.is_empty() { (text::user(&item.label)) }
                    @for label in &written { (palette.label(label)) " " }
                    "· " (text::prose(&item.reason))
                }
            }
            table {
                caption class="hidden" { "Answers about " (text::user(&item.id)) }
                colgroup { col class="of-label"; col class="of-share"; col; }
                thead class="hidden" { tr { th scope="col" { "Label" } th scope="col" { "Probability" } th scope="col" { "Said by" } } }
                tbody {
                    @for candidate in &candidates {
                        tr class=(if written.contains(&candidate.label) { "written" } else { "" }) {
                            th scope="row" { (palette.chip(candidate.label)) }
                            td class="share" {
                                @if let Some(probability) = candidate.probability {
                                    (charts::bar(probability)) span { (format!("{probability:.2}")) }
                                }
                            }
                            td { (people(&candidate.said_by, &palette.colour(candidate.label))) }
                        }
                    }
                    @for (said, by) in &others {
                        tr class="soft" { th scope="row" colspan="2" { (text::user(said)) } td { (people(by, "c-none")) } }
                    }
                }
            }
        }
    }
}

/// Those who gave an answer.
fn people(names: &[&str], colour: &str) -> Markup {
    html! {
        @if names.is_empty() { span class="soft" { "nobody" } }
        @for name in names { span class={ "chip by " (colour) } { (text::user(name)) } " " }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_found_again_under_what_it_says() {
        let labels = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let answers = [("one", "e"), ("two", "abstained"), ("three", "a, b"), ("four", "abstained"), ("five", "e")];
        let item = DoubtfulItem {
            id: "1".into(),
            field: None,
            text: String::new(),
            spans: Vec::new(),
            label: "d".into(),
            posterior: [("a", 0.4), ("b", 0.3), ("c", 0.2), ("d", 0.1)].map(|(label, p)| (label.into(), p)).into(),
            answers: answers.map(|(name, answer)| (name.into(), answer.into())).into(),
            reason: String::new(),
        };
        let (candidates, others) = gather(&item, &Palette::new(&labels));
        let found = candidates.iter().map(|row| (row.label, row.said_by.clone())).collect::<Vec<_>>();
        let expected =
            [("a", vec!["three"]), ("b", vec!["three"]), ("c", vec![]), ("d", vec![]), ("e", vec!["one", "five"])];
        assert_eq!(found, expected);
        assert_eq!(others, [("abstained", vec!["two", "four"])]);
    }
}
