//! The annotators: what each covers, how right it is, how it stands to the others, what it cost.

use maud::{Markup, html};

use super::super::{AnnotatorRow, Report};
use super::palette::Palette;
use super::{charts, figures::Notes, numbers, text};

/// How many of an annotator's labels are named; its bar shows as many and the rest in grey.
const NAMED_LABELS: usize = 3;

/// What went wrong, in a word, and how often it did.
type Trouble = (&'static str, fn(&AnnotatorRow) -> u64);

/// What goes wrong with few annotators, and is said only where it did.
const TROUBLES: [Trouble; 3] =
    [("malformed", |row| row.malformed), ("refused", |row| row.refused), ("failed", |row| row.failed)];

/// The section.
pub(super) fn annotators(report: &Report, palette: &Palette<'_>) -> Markup {
    let rows = &report.annotators;
    if rows.is_empty() {
        return html! { p { "The project has no annotators." } };
    }
    let notes = Notes::of(rows.iter().map(|row| &row.accuracy));
    let known = notes.any_known();
    let paid = rows.iter().any(|row| row.money > 0.0);
    let columns = 6 + usize::from(known) + usize::from(paid);
    html! {
        @if known { (notes.basis()) } @else { (notes.unknown("How often each annotator is right is unknown.")) }
        div class="scroll" role="region" tabindex="0" aria-label="Annotators" {
            table class="annotators" {
                caption {
                    "Shares are of the annotator's own answers, except coverage, which is of all items. "
                    "Agreement: the consensus says the same. Conflict: some other annotator says otherwise. "
                    "Overlap: some other annotator answered too."
                    @if !paid { " None of them cost money." }
                }
                thead {
                    tr {
                        th scope="col" { "Annotator" }
                        th scope="col" { "Coverage" }
                        @if known { th scope="col" { "Accuracy" (charts::axis(1.0)) } }
                        th scope="col" class="number" { "Agreement" }
                        th scope="col" class="number" { "Conflict" }
                        th scope="col" class="number" { "Overlap" }
                        th scope="col" { "Says" }
                        @if paid { th scope="col" class="number" { "Cost" } }
                    }
                }
                @for row in rows {
                    tbody {
                        tr {
                            th scope="row" {
                                span class="name" { (text::user(&row.name)) }
                                span class="soft under" { (text::user(&row.kind)) " " code { (text::user(&row.version)) } }
                            }
                            td class="coverage" {
                                (charts::bar(row.coverage))
                                span class="under" {
                                    (numbers::share(row.coverage))
                                    span class="soft" {
                                        " " (numbers::count(row.answered)) " answered"
                                        @if row.abstained > 0 { ", " (numbers::count(row.abstained)) " abstained" }
                                    }
                                    @for (name, count) in TROUBLES {
                                        @if count(row) > 0 { span class="alarm" { ", " (numbers::count(count(row))) " " (name) } }
                                    }
                                }
                            }
                            @if known { td class="marked" { (notes.figure(&row.accuracy)) (charts::interval(&row.accuracy, 1.0)) } }
                            @for share in [row.agreement, row.conflict, row.overlap] {
                                td class="number" { @if row.answered > 0 { (numbers::share(share)) } @else { "–" } }
                            }
                            td class="says" { (says(row, palette)) }
                            @if paid { td class="number" { (numbers::money(row.money)) } }
                        }
                        @if !row.flags.is_empty() {
                            tr class="flags" {
                                td colspan=(columns) {
                                    ul { @for flag in &row.flags { li { (text::prose(&text::capital(flag))) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if known { (notes.list()) }
    }
}

/// The labels an annotator uses, as a bar and the most frequent ones in words.
fn says(row: &AnnotatorRow, palette: &Palette<'_>) -> Markup {
    let all = row.labels.iter().map(|(_, count)| count).sum::<u64>();
    if all == 0 {
        return html! { span class="soft" { "nothing" } };
    }
    let share = |count: u64| numbers::part(count, all);
    let colours =
        row.labels.iter().take(8).map(|(label, count)| (share(*count), palette.colour(label))).collect::<Vec<_>>();
    html! {
        (charts::parts(colours.iter().map(|(share, colour)| (*share, colour.as_str()))))
        span class="under" {
            @for (label, count) in row.labels.iter().take(NAMED_LABELS) {
                span class="use" { (palette.label(label)) " " span class="soft" { (numbers::share(share(*count))) } }
            }
            @if row.labels.len() > NAMED_LABELS { span class="soft use" { "and " (row.labels.len() - NAMED_LABELS) " more" } }
        }
    }
}
