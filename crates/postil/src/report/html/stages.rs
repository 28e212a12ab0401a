//! The measured quality of the consensus, the student and the labels, side by side.

use maud::{Markup, html};
use postil_core::Measured;

use super::super::{Report, Stage};
use super::{charts, figures::Notes, text};

/// The section.
pub(super) fn stages(report: &Report) -> Markup {
    let figures = || report.stages.iter().flat_map(|stage| &stage.figures).map(|figure| &figure.value);
    let notes = Notes::of(figures());
    html! {
        @if report.stages.is_empty() {
            p { "No stage has been measured." }
        } @else {
            @if notes.any_known() { (notes.basis()) (table(&report.stages, &notes)) (notes.list()) }
            @else { (notes.unknown("The quality of every stage is unknown.")) }
            dl class="about" {
                @for stage in &report.stages { dt { (text::user(&text::capital(&stage.name))) } dd { (text::prose(&stage.about)) } }
            }
        }
    }
}

/// The figures' names in the order in which they first appear.
fn names(stages: &[Stage]) -> Vec<&str> {
    let mut names = Vec::new();
    for figure in stages.iter().flat_map(|stage| &stage.figures) {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    names
}

/// Whether a figure of this name is the better the lower it is.
fn lower_is_better(name: &str) -> bool {
    let name = name.to_lowercase();
    ["loss", "error", "ece", "brier"].iter().any(|word| name.contains(word))
}

/// The figures, all stages of one figure together on one axis.
fn table(stages: &[Stage], notes: &Notes) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Quality by stage" {
            table class="grouped" {
                caption { "Each figure for each stage, with its interval. All shares lie on one axis from 0 to 1." }
                thead {
                    tr {
                        th scope="col" { "Stage" }
                        th scope="col" { "Measured" }
                        th scope="col" class="wide" { span class="hidden" { "Drawn" } (charts::axis(1.0)) }
                    }
                }
                @for name in names(stages) {
                    @let rows = rows(stages, name);
                    @let scale = scale(name, &rows);
                    tbody {
                        tr class="group" {
                            th scope="rowgroup" colspan="2" {
                                (text::user(&text::capital(name)))
                                @if lower_is_better(name) { span class="soft" { " lower is better" } }
                            }
                            td class="wide" { @if scale != 1.0 { (charts::axis(scale)) } }
                        }
                        @for (stage, value) in rows {
                            tr class=(if stage == "labels" { "final" } else { "" }) {
                                th scope="row" { (text::user(&text::capital(stage))) }
                                td { (notes.figure(value)) }
                                td class="wide" { (charts::interval(value, scale)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The stages that have a figure of this name.
fn rows<'a>(stages: &'a [Stage], name: &str) -> Vec<(&'a str, &'a Measured)> {
    stages
        .iter()
        .flat_map(|stage| {
            stage.figures.iter().filter(|figure| figure.name == name).map(|figure| (stage.name.as_str(), &figure.value))
        })
        .collect()
}

/// The end of a figure's axis: 1 for what is a share and the better the higher, as near as is round for the rest.
fn scale(name: &str, rows: &[(&str, &Measured)]) -> f64 {
    let top = rows
        .iter()
        .map(|(_, value)| if let Measured::Known { high, .. } = value { *high } else { 0.0 })
        .fold(0.0, f64::max);
    if lower_is_better(name) || top > 1.0 { charts::round_up(top) } else { 1.0 }
}
