//! The labels one by one, and what is taken for what.

use maud::{Markup, html};
use postil_core::Measured;

use super::super::{ClassRow, Confusion, Report};
use super::palette::Palette;
use super::{charts, figures::Notes, numbers};

/// With more labels than this a matrix cannot be read, and the most confused pairs are listed instead.
const MATRIX_LABELS: usize = 20;

/// How many of the most confused pairs are listed.
const PAIRS: usize = 30;

/// A table of more rows than this scrolls in itself on a screen.
const TALL_TABLE: usize = 24;

/// The section on single labels.
pub(super) fn classes(report: &Report, palette: &Palette<'_>) -> Markup {
    let rows = &report.classes;
    let notes = Notes::of(rows.iter().flat_map(measures));
    let most = rows.iter().map(|row| row.items).max().unwrap_or(0);
    let known = notes.any_known();
    let spans = report.is_of_spans();
    let tags = report.is_of_tags();
    let whole = if spans || tags { rows.iter().map(|row| row.items).sum() } else { report.items.count }.max(1);
    html! {
            @if known { (notes.basis()) } @else if !rows.is_empty() {
                (notes.unknown("How well each label is found is unknown."))
            }
            div class=(if rows.len() > TALL_TABLE { "scroll tall" } else { "scroll" }) role="region" tabindex="0"
                aria-label="Label by label" {
                table class="classes" {
                    caption {
                        @if spans { "How many spans have each label, in " (numbers::count(report.items.count)) " texts" }
                        @else if tags { "How many tokens have each tag, in " (numbers::count(report.items.count)) " texts" }
                        @else { "How often each label was given, out of " (numbers::count(report.items.count)) " items" }
                        @if known { ", and how well on gold" } "."
    @if rows.len() > TALL_TABLE { span class="screen" { " All " (rows.len()) " labels are in this table; it scrolls." } }
                    }
                    thead {
                        tr {
                            th scope="col" { "Label" }
                            th scope="col" class="number" { @if spans { "Spans" } @else if tags { "Tokens" } @else { "Items" } }
                            th scope="col" { span class="hidden" { "Share" } }
                            th scope="col" class="number" { "Gold" }
                            @if known {
                                @for name in ["Precision", "Recall", "F1"] { th scope="col" { (name) (charts::axis(1.0)) } }
                            }
                        }
                    }
                    tbody {
                        @for row in rows {
                            tr {
                                th scope="row" { (palette.label(&row.label)) }
                                td class="number" { (numbers::count(row.items)) }
                                td class="share" {
                                    (charts::bar(numbers::part(row.items, most)))
                                    span class="soft" { (numbers::share(numbers::part(row.items, whole))) }
                                }
                                td class="number" { (numbers::count(row.gold)) }
                                @if known {
                                    @for value in measures(row) { td class="marked" { (notes.figure(value)) (charts::interval(value, 1.0)) } }
                                }
                            }
                        }
                    }
                }
            }
            @if known { (notes.list()) }
            @if report.task.kind == "multilabel" { p class="soft" { "An item can have several labels, so the shares sum to more than one." } }
        }
}

/// The figures of a label in the table's order.
const fn measures(row: &ClassRow) -> [&Measured; 3] {
    [&row.precision, &row.recall, &row.f1]
}

/// The section on confusions.
pub(super) fn confusion(report: &Report, palette: &Palette<'_>) -> Markup {
    let Some(confusion) = &report.confusion else {
        return html! {
            div class="unknown-panel" {
                p { strong { "Which labels are taken for which is unknown." } }
                p { "It takes measuring gold to see this, best a few dozen items per label." }
            }
        };
    };
    let total = confusion.counts.iter().flatten().sum::<u64>();
    let right = confusion.counts.iter().enumerate().filter_map(|(class, row)| row.get(class)).sum::<u64>();
    html! {
        p class="basis" {
            @if report.is_of_spans() {
                "Of " (numbers::counted(total, "gold or marked span", "gold or marked spans")) " in measuring items "
                (numbers::count(right)) " are marked as gold has them; " (numbers::count(total.saturating_sub(right)))
                " are missed, spurious, or have other borders or another label."
            } @else if report.is_of_tags() {
                "Of " (numbers::counted(total, "gold token", "gold tokens")) " in measuring items " (numbers::count(right))
                " were given their true tag and " (numbers::count(total.saturating_sub(right))) " another one."
            } @else {
                "Of " (numbers::counted(total, "measuring gold item", "measuring gold items")) " " (numbers::count(right))
                " were given their true label and " (numbers::count(total.saturating_sub(right))) " another one."
            }
        }
        @if confusion.labels.len() > MATRIX_LABELS { (pairs(confusion, palette)) } @else { (matrix(confusion, palette)) }
    }
}

/// The whole matrix as a table of shaded counts.
fn matrix(confusion: &Confusion, palette: &Palette<'_>) -> Markup {
    let upright = confusion.labels.len() <= 8 && confusion.labels.iter().all(|label| label.chars().count() <= 14);
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="What is taken for what" {
            table class="matrix" {
                caption {
                    "Rows: the true label. Columns: the label given. Each cell has the number in the gold and its share of "
                    "the row. The diagonal is right; what is off it was mistaken."
                }
                thead {
                    tr {
                        th scope="col" { span class="soft" { "true \\ given" } }
                        @for label in &confusion.labels {
                            th scope="col" class=(if upright { "" } else { "turned" }) { span { (palette.label(label)) } }
                        }
                        th scope="col" class="number" { "All" }
                    }
                }
                tbody {
                    @for (truth, (label, row)) in confusion.labels.iter().zip(&confusion.counts).enumerate() {
                        @let all = row.iter().sum::<u64>();
                        // What is no label of the task has a row only where there is something in it.
                        @if all > 0 || palette.class(label).is_some() { tr {
                            th scope="row" { (palette.label(label)) }
                            @for (given, count) in row.iter().enumerate() {
                                @let share = numbers::part(*count, all);
                                @if *count == 0 { td class="none" { "0" } } @else {
                                    td class=(if truth == given { "right" } else { "wrong" }) style={ "--share:" (format!("{share:.2}")) } {
                                        (numbers::count(*count)) span { (numbers::share(share)) }
                                    }
                                }
                            }
                            td class="number" { (numbers::count(all)) }
                        } }
                    }
                }
            }
        }
    }
}

/// The most confused pairs, most frequent first.
fn pairs(confusion: &Confusion, palette: &Palette<'_>) -> Markup {
    let mut pairs = Vec::new();
    for (truth, row) in confusion.counts.iter().enumerate() {
        let all = row.iter().sum::<u64>();
        for (given, count) in row.iter().enumerate() {
            if given != truth && *count > 0 {
                pairs.push((*count, numbers::part(*count, all), truth, given));
            }
        }
    }
    pairs.sort_by(|one, other| {
        other.0.cmp(&one.0).then(other.1.total_cmp(&one.1)).then((one.2, one.3).cmp(&(other.2, other.3)))
    });
    let name = |class: usize| confusion.labels.get(class).map_or("", String::as_str);
    html! {
        @if pairs.is_empty() { p { "Not one of them was mistaken for another." } } @else {
            div class="scroll" role="region" tabindex="0" aria-label="The most confused pairs" {
                table {
                    caption {
                        @if pairs.len() > PAIRS { "The " (PAIRS) " most confused of " (numbers::count(pairs.len() as u64)) " pairs. " }
                        "A matrix of " (confusion.labels.len()) " labels cannot be read; all of it is in " code { "report.json" } "."
                    }
                    thead {
                        tr {
                            th scope="col" { "True label" }
                            th scope="col" { "Taken for" }
                            th scope="col" class="number" { "Items" }
                            th scope="col" { "Share of the true label" }
                        }
                    }
                    tbody {
                        @for (count, share, truth, given) in pairs.iter().take(PAIRS) {
                            tr {
                                th scope="row" { (palette.label(name(*truth))) }
                                td { (palette.label(name(*given))) }
                                td class="number" { (numbers::count(*count)) }
                                td class="share" { (charts::bar(*share)) span class="soft" { (numbers::share(*share)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
