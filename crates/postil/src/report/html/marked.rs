//! Text with coloured spans, and with a tag under every token.

use maud::{Markup, html};

use super::super::{MarkedSpan, MarkedText, Report};
use super::palette::Palette;
use super::{numbers, text};

/// More labels than this are not explained one by one.
const LEGEND: usize = 40;

/// The section: texts as they were marked.
pub(super) fn marked(report: &Report, palette: &Palette<'_>) -> Markup {
    let wrong = report.marked.iter().filter(|text| text.truth.is_some()).count() as u64;
    html! {
        @if wrong > 0 {
            p {
                "First " (numbers::counted(wrong, "text", "texts")) " on which the measuring gold disagrees, with what gold says "
                @if report.is_of_tags() { "under the tag" } @else { "below" }
                "; then some of the others."
            }
        }
        (legend(report, palette))
        ol class="texts" {
            @for item in &report.marked {
                li {
                    h3 { code { (text::user(&item.id)) } }
                    @if report.is_of_tags() {
                        (tokens(&item.text, &item.given, item.truth.as_deref().unwrap_or_default(), palette, false))
                    } @else { (both(item, palette)) }
                }
            }
        }
    }
}

/// The labels and their marks, for readers who come here first.
fn legend(report: &Report, palette: &Palette<'_>) -> Markup {
    html! {
        p class="legend" {
            @for label in report.task.labels.iter().take(LEGEND) { (palette.label(label)) }
            @if report.task.labels.len() > LEGEND { span class="soft" { "and " (report.task.labels.len() - LEGEND) " more" } }
        }
    }
}

fn both(item: &MarkedText, palette: &Palette<'_>) -> Markup {
    html! {
        (spans(&item.text, &item.given, palette, false))
        @if let Some(truth) = &item.truth {
            div class="truth" { span class="soft" { "gold" } (spans(&item.text, truth, palette, false)) }
        }
    }
}

/// A stretch of text between two borders, and the spans that cover it, the widest first.
struct Stretch<'a> {
    text: &'a str,
    cover: Vec<usize>,
    /// The spans that end with it.
    ends: Vec<usize>,
}

/// Cuts a text at every border of a span. Spans that lie beyond the text are cut off.
fn stretches<'a>(text: &'a str, spans: &[MarkedSpan]) -> Vec<Stretch<'a>> {
    let bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
    let length = bytes.len() - 1;
    let place = |position: u32| (position as usize).min(length);
    let mut borders: Vec<usize> = spans.iter().flat_map(|span| [place(span.start), place(span.end)]).collect();
    borders.extend([0, length]);
    borders.sort_unstable();
    borders.dedup();
    borders
        .windows(2)
        .map(|pair| {
            let mut cover: Vec<usize> = (0..spans.len())
                .filter(|&span| place(spans[span].start) <= pair[0] && place(spans[span].end) >= pair[1])
                .collect();
            cover.sort_by_key(|&span| (std::cmp::Reverse(spans[span].end.saturating_sub(spans[span].start)), span));
            let ends = cover.iter().rev().copied().filter(|&span| place(spans[span].end) == pair[1]).collect();
            Stretch { text: &text[bytes[pair[0]]..bytes[pair[1]]], cover, ends }
        })
        .collect()
}

/// A text with its spans: each in the colour of its label, whose name stands behind it. With `focus` the first span is
/// the one that matters.
pub(super) fn spans(text: &str, spans: &[MarkedSpan], palette: &Palette<'_>, focus: bool) -> Markup {
    html! {
        p class="spans" dir="auto" {
            @for stretch in stretches(text, spans) {
                (nested(&stretch, &stretch.cover, spans, palette, focus))
                @for &span in &stretch.ends { (name(&spans[span], palette)) }
            }
        }
    }
}

/// A text with the tag of every token under it, and under that the gold tag where it differs. With `focus` the first token
/// is the one that matters.
pub(super) fn tokens(
    text: &str,
    given: &[MarkedSpan],
    truth: &[MarkedSpan],
    palette: &Palette<'_>,
    focus: bool,
) -> Markup {
    let mut order: Vec<usize> = (0..given.len()).collect();
    order.sort_by_key(|&token| given[token].start);
    let starts: Vec<MarkedSpan> = order.iter().map(|&token| given[token].clone()).collect();
    html! {
        p class="tagged" dir="auto" {
            @for stretch in stretches(text, &starts) {
                @match stretch.cover.first() {
                    None => (text::clean(stretch.text)),
                    Some(&place) => {
                        @let token = &starts[place];
                        @let gold = truth.iter().find(|gold| gold.start == token.start);
                        @let is_focus = focus && order[place] == 0;
                        span class={
                            "token " (palette.colour(&token.label))
                            @if is_focus { " focus" }
                            @if gold.is_some() { " missed" }
                        } {
                            span class="word" { (text::clean(stretch.text)) }
                            span class="tag" { (text::user(&token.label)) }
                            @if let Some(gold) = gold {
                                span class={ "tag gold " (palette.colour(&gold.label)) } { span class="hidden" { "gold " } (text::user(&gold.label)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn nested(stretch: &Stretch<'_>, cover: &[usize], spans: &[MarkedSpan], palette: &Palette<'_>, focus: bool) -> Markup {
    let Some((&outer, inner)) = cover.split_first() else { return html! { (text::clean(stretch.text)) } };
    let class = if focus && outer == 0 { "of focus" } else { "of" };
    html! { mark class={ (class) " " (palette.colour(&spans[outer].label)) } { (nested(stretch, inner, spans, palette, focus)) } }
}

/// The label behind a span, with its probability.
fn name(span: &MarkedSpan, palette: &Palette<'_>) -> Markup {
    html! {
        span class={ "named " (palette.colour(&span.label)) } {
            (text::user(&span.label))
            @if let Some(confidence) = span.confidence { " " (format!("{confidence:.2}")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u32, end: u32, label: &str) -> MarkedSpan {
        MarkedSpan { start, end, label: label.into(), confidence: None }
    }

    #[test]
    fn overlapping_spans_cut_a_text_at_every_border() {
        let spans = [span(0, 3, "a"), span(2, 5, "b"), span(9, 99, "a")];
        let found: Vec<(String, Vec<usize>, Vec<usize>)> = stretches("0🚀23456789", &spans)
            .into_iter()
            .map(|stretch| (stretch.text.to_owned(), stretch.cover, stretch.ends))
            .collect();
        let expected = [
            ("0🚀", vec![0], vec![]),
            ("2", vec![0, 1], vec![0]),
            ("34", vec![1], vec![1]),
            ("5678", vec![], vec![]),
            ("9", vec![2], vec![2]),
        ];
        assert_eq!(found, expected.map(|(text, cover, ends)| (text.to_owned(), cover, ends)));
        assert!(stretches("", &[]).is_empty());
    }

    #[test]
    fn every_token_has_its_tag_and_gold_where_it_differs() {
        let labels = ["en", "de"].map(str::to_owned);
        // The token that matters comes first, wherever it stands.
        let given = [span(5, 9, "de"), span(0, 4, "en")];
        let page = tokens("over Haus", &given, &[span(0, 4, "de")], &Palette::new(&labels), true).into_string();
        let (first, second) = page.split_once("Haus").unwrap();
        assert!(first.contains("missed") && first.contains("gold"), "{page}");
        assert!(first.matches("focus").count() == 1 && !second.contains("missed"), "{page}");
    }

    #[test]
    fn a_hostile_text_stays_text() {
        let labels = ["<b>".to_owned()];
        let page = super::spans("<script>x</script>", &[span(0, 8, "<b>")], &Palette::new(&labels), true).into_string();
        assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }
}
