//! Words that were tagged now one way, now another.

use maud::{Markup, html};

use super::super::Report;
use super::palette::Palette;
use super::{numbers, text};

/// The tags shown of one word.
const TAGS: usize = 4;

/// The section.
pub(super) fn forms(report: &Report, palette: &Palette<'_>) -> Markup {
    if report.forms.is_empty() {
        return html! { p { "Every word has one tag wherever it stands." } };
    }
    html! {
        p {
            "Words that stand between the same two words and have different tags come first: there one of the tags is mostly "
            "wrong. The others may be truly ambiguous."
        }
        div class="scroll" role="region" tabindex="0" aria-label="Words with several tags" {
            table {
                thead { tr {
                    th scope="col" { "Word" } th scope="col" { "Tags" } th scope="col" class="number" { "In the same place" }
                    th scope="col" { "Such a place" }
                } }
                tbody {
                    @for form in &report.forms {
                        tr {
                            th scope="row" { (text::user(&form.form)) }
                            td {
                                @for (tag, count) in form.tags.iter().take(TAGS) {
                                    span class="use" { (palette.label(tag)) " " span class="soft" { (numbers::count(*count)) } }
                                }
                                @if form.tags.len() > TAGS { span class="soft use" { "and " (form.tags.len() - TAGS) " more" } }
                            }
                            td class="number" { @if form.in_same_place > 0 { (numbers::count(form.in_same_place)) } @else { "–" } }
                            td {
                                @if let Some([before, word, after]) = &form.place {
                                    bdi { (text::clean(before)) " " strong { (text::clean(word)) } " " (text::clean(after)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
