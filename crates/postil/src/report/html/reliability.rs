//! Stated confidence against measured accuracy.

use maud::{Markup, html};
use postil_core::Measured;

use super::super::{ReliabilityBin, Report};
use super::{charts, figures::Notes, numbers};

// The side of the diagram's square in the drawing's units, its place, and the height of the histogram below it.
const SIDE: f64 = 360.0;
const LEFT: f64 = 50.0;
const TOP: f64 = 14.0;
const FLOOR: f64 = 64.0;

/// The section.
pub(super) fn reliability(report: &Report) -> Markup {
    let bins = report.reliability.as_deref().unwrap_or_default();
    let filled = bins.iter().filter(|bin| bin.count > 0).collect::<Vec<_>>();
    if filled.is_empty() {
        return html! {
            div class="unknown-panel" {
                p { strong { "How far a stated confidence can be trusted is unknown." } }
                p { "It takes measuring gold to compare what is stated with what is right." }
            }
        };
    }
    let notes = Notes::of(filled.iter().map(|bin| &bin.accuracy));
    html! {
        p {
            "Every label comes with a confidence. If the confidences are honest, of the labels stated with 0.80 about 80 in 100 "
            "are right, and the dots lie on the diagonal; below it they promise too much."
        }
        (notes.basis())
        div class="beside" { (diagram(&filled)) div { (table(&filled, &notes)) (notes.list()) } }
    }
}

/// A number in the drawing.
fn unit(value: f64) -> String {
    format!("{value:.1}")
}

/// The diagram with the histogram of stated confidences below.
fn diagram(bins: &[&ReliabilityBin]) -> Markup {
    let across = |value: f64| unit(LEFT + value.clamp(0.0, 1.0) * SIDE);
    let up = |value: f64| unit(TOP + (1.0 - value.clamp(0.0, 1.0)) * SIDE);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;
    let base = TOP + SIDE + 34.0 + FLOOR;
    html! {
        svg class="reliability" viewBox="0 0 430 520" role="img" aria-labelledby="reliability-name reliability-text" {
            title id="reliability-name" { "Measured accuracy against stated confidence" }
            desc id="reliability-text" {
                "One dot per bin of stated confidence, larger with more items, with the interval of its accuracy. Its numbers "
                "are in the table beside it. Below, the number of items per bin."
            }
            @for step in 0..=4 {
                @let tick = f64::from(step) / 4.0;
                line class="grid" x1=(across(0.0)) x2=(across(1.0)) y1=(up(tick)) y2=(up(tick)) {}
                line class="grid" x1=(across(tick)) x2=(across(tick)) y1=(up(0.0)) y2=(up(1.0)) {}
                text class="up" x=(unit(LEFT - 8.0)) y=(unit(TOP + (1.0 - tick) * SIDE + 5.0)) { (charts::short(tick)) }
                text x=(across(tick)) y=(unit(TOP + SIDE + 20.0)) { (charts::short(tick)) }
            }
            line class="diagonal" x1=(across(0.0)) y1=(up(0.0)) x2=(across(1.0)) y2=(up(1.0)) {}
            @for bin in bins {
                @if let Measured::Known { value, low, high, .. } = &bin.accuracy {
                    line class="span" x1=(across(bin.confidence)) x2=(across(bin.confidence)) y1=(up(*low)) y2=(up(*high)) {}
                    // The area, not the radius, grows with the count.
                    circle cx=(across(bin.confidence)) cy=(up(*value)) r=(unit(3.0 + 7.0 * (bin.count as f64 / most).sqrt())) {}
                }
                @let height = FLOOR * bin.count as f64 / most;
                rect x=(across(bin.from + 0.004)) width=(unit(((bin.to - bin.from - 0.008) * SIDE).max(1.0)))
                    y=(unit(base - height)) height=(unit(height)) {}
            }
            line class="axis" x1=(across(0.0)) x2=(across(1.0)) y1=(unit(base)) y2=(unit(base)) {}
            text class="name" x=(across(0.5)) y=(unit(base + 22.0)) { "stated confidence, and items per bin" }
            text class="name" transform={ "translate(13 " (unit(TOP + SIDE / 2.0)) ") rotate(-90)" } { "measured accuracy" }
        }
    }
}

/// The same as numbers.
fn table(bins: &[&ReliabilityBin], notes: &Notes) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Stated confidence" {
            table {
                caption { "Measuring gold by stated confidence." }
                thead {
                    tr {
                        th scope="col" { "Stated" }
                        th scope="col" class="number" { "Items" }
                        th scope="col" class="number" { "Mean" }
                        th scope="col" { "Accuracy" }
                    }
                }
                tbody {
                    @for bin in bins {
                        tr {
                            th scope="row" class="nowrap" { (charts::short(bin.from)) " – " (charts::short(bin.to)) }
                            td class="number" { (numbers::count(bin.count)) }
                            td class="number" { (numbers::figure(bin.confidence)) }
                            td { (notes.figure(&bin.accuracy)) }
                        }
                    }
                }
            }
        }
    }
}
