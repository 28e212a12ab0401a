//! The fields of records, the scores of checklists, and planted instructions.

use maud::{Markup, html};

use super::super::{CanaryRow, FieldRow, ScoreSummary};
use super::figures::number;
use super::{numbers, text};

/// Field by field: how many have a value, how many are right, what could not be used.
pub(super) fn fields(rows: &[FieldRow]) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Fields" {
            table {
                caption {
                    "Exact: the share of the measuring gold items whose value is exactly that of gold, at the 95 % level. Not in the \
                     text: values whose quote the text does not have; they count as not said."
                }
                thead { tr {
                    th scope="col" { "Field" } th scope="col" { "Holds" } th scope="col" { "Given" } th scope="col" { "Absent" }
                    th scope="col" { "Nobody" } th scope="col" { "Exact" } th scope="col" { "Not usable" }
                } }
                tbody { @for row in rows { tr {
                    th scope="row" { (text::user(&row.field)) } td { (text::user(&row.kind)) }
                    td { (numbers::count(row.given)) } td { (numbers::count(row.absent)) } td { (numbers::count(row.unanswered)) }
                    td { (number(&row.exact)) }
                    td { @if row.refused.is_empty() { "none" } @else { @for refused in &row.refused { div {
                        (text::user(&refused.annotator)) ": " (numbers::count(refused.not_in_text)) " not in the text, "
                        (numbers::count(refused.unusable)) " no value of the field"
                    } } } }
                } } }
            }
        }
    }
}

/// What questions are worth, and how scores go with grades.
pub(super) fn score(score: &ScoreSummary) -> Markup {
    html! {
        p { "The score of an item is " (score.reason) "." }
        div class="scroll" role="region" tabindex="0" aria-label="Scores" {
            table {
                caption {
                    (numbers::count(score.scored)) " items have a score. Rank correlation is Spearman's, with the grades of people on \
                     items that nothing was learnt from, at the 95 % level."
                }
                thead { tr { th scope="col" { "" } th scope="col" { "Rank correlation" } } }
                tbody {
                    tr { th scope="row" { "Score" } td { (number(&score.spearman)) } }
                    tr { th scope="row" { "Plain mean" } td { (number(&score.spearman_of_mean)) } }
                }
            }
        }
        @if score.learned {
            div class="scroll" role="region" tabindex="0" aria-label="Weights" {
                table {
                    caption { "What a yes adds to the score." }
                    thead { tr { th scope="col" { "Question" } th scope="col" { "Weight" } } }
                    tbody { @for row in &score.questions { tr {
                        th scope="row" { (text::user(&row.label)) }
                        td { @if let Some(weight) = row.weight { (format!("{weight:+.2}")) } }
                    } } }
                }
            }
        }
    }
}

/// How far models obey what stands in a text.
pub(super) fn canaries(rows: &[CanaryRow]) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Planted instructions" {
            table {
                caption {
                    "Texts of the project were repeated with an instruction to give an answer that the model does not give them \
                     otherwise. None of these texts is among the labels. Intervals are at the 95 % level."
                }
                thead { tr { th scope="col" { "Model" } th scope="col" { "Planted" } th scope="col" { "Obeyed" } } }
                tbody { @for row in rows { tr {
                    th scope="row" { (text::user(&row.annotator)) } td { (numbers::count(row.planted)) } td { (number(&row.obeyed)) }
                } } }
            }
        }
    }
}
