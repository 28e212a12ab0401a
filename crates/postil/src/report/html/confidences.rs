//! What annotators' stated confidences are worth.

use maud::{Markup, html};

use super::super::{AnnotatorRow, ConfidenceSummary, Report};
use super::{figures::Notes, numbers, text};

/// The annotators that stated confidences on gold.
pub(super) fn stating(report: &Report) -> impl Iterator<Item = (&AnnotatorRow, &ConfidenceSummary)> {
    report.annotators.iter().filter_map(|row| Some((row, row.confidence.as_ref()?)))
}

/// The section.
pub(super) fn confidences(report: &Report) -> Markup {
    html! {
        p {
            "Some annotators say how sure they are. What they say is kept as it is, and translated on the gold that fits into the "
            "probability that the answer is right, for each annotator and label. Where that foretells gold better than the annotator's "
            "mean record, and there are two classes to choose from, its vote carries the probability. Telling right from wrong: the probability that a right answer was stated "
            "with more confidence than a wrong one; 0.5 is no better than a coin."
        }
        @for (row, found) in stating(report) { (one(row, found)) }
    }
}

fn one(row: &AnnotatorRow, found: &ConfidenceSummary) -> Markup {
    let figures = [
        ("Calibration error as stated", &found.stated_error),
        ("Calibration error after calibration", &found.calibrated_error),
        ("Telling right from wrong", &found.discrimination),
    ];
    let notes = Notes::of(figures.iter().map(|figure| figure.1).chain(found.above.iter().map(|row| &row.error)));
    html! {
        h3 { (text::user(&row.name)) }
        p {
            @if let Some(route) = &found.route { "Its probabilities are " (text::user(route)) ". " }
            @if found.in_votes { "Its votes carry the calibrated probability." }
            @else { "Its votes count the same however sure it is." }
        }
        (notes.basis())
        div class="scroll" role="region" tabindex="0" aria-label={ "Confidence of " (text::clean(&row.name)) } {
            table {
                tbody {
                    @for (name, value) in figures { tr { th scope="row" { (name) } td class="number" { (notes.figure(value)) } } }
                }
            }
            @if !found.above.is_empty() {
                table {
                    caption { "Wrong answers above a calibrated confidence." }
                    thead { tr { th scope="col" class="number" { "At least" } th scope="col" class="number" { "Answers" } th scope="col" class="number" { "Wrong" } } }
                    tbody {
                        @for row in &found.above {
                            tr {
                                td class="number" { (numbers::share(row.threshold)) }
                                td class="number" { (numbers::share(row.share)) }
                                td class="number" { (notes.figure(&row.error)) }
                            }
                        }
                    }
                }
            }
        }
        (notes.list())
    }
}
