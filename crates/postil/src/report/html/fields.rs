//! The fields of records, and planted instructions.

use maud::{Markup, html};

use super::super::{CanaryRow, FieldRow};
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

/// How far models obey what stands in a text.
pub(super) fn canaries(rows: &[CanaryRow]) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Planted instructions" {
            table {
                caption {
                    "Texts of the project were repeated with an instruction to give a label that the model does not give them \
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
