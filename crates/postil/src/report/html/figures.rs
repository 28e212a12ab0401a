//! Measured figures on the page: number, interval, and what they rest on, said once.

use maud::{Markup, html};
use postil_core::Measured;

use super::{numbers, text};

/// Beyond this many notes the list is folded.
const OPEN_NOTES: usize = 4;

/// How the note of an unknown figure begins.
const UNKNOWN: &str = "Unknown: ";

/// What the figures of a section rest on, or why they are unknown; each distinct sentence is said once, and figures
/// refer to it by number. A basis that all known figures share is said at the head of the section instead.
pub(super) struct Notes {
    common: Option<String>,
    known: usize,
    numbered: Vec<String>,
}

impl Notes {
    /// Collects the notes of a section's figures, in the order given.
    pub(super) fn of<'a>(figures: impl IntoIterator<Item = &'a Measured>) -> Self {
        let (mut bases, mut notes, mut known) = (Vec::new(), Vec::new(), 0);
        for figure in figures {
            let is_known = matches!(figure, Measured::Known { .. });
            known += usize::from(is_known);
            let note = note(figure);
            if is_known && !bases.contains(&note) {
                bases.push(note.clone());
            }
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        let common = if bases.len() == 1 { bases.pop() } else { None };
        notes.retain(|note| Some(note) != common.as_ref());
        Self { common, known, numbered: notes }
    }

    /// Whether any figure is known.
    pub(super) const fn any_known(&self) -> bool {
        self.known > 0
    }

    /// The basis at the head of a section.
    pub(super) fn basis(&self) -> Markup {
        html! { @if let Some(basis) = &self.common { p class="basis" { (text::prose(basis)) } } }
    }

    /// The reasons as a panel, for a section in which nothing is known.
    pub(super) fn unknown(&self, what: &str) -> Markup {
        html! {
                   div class="unknown-panel" {
                       p { strong { (what) } }
                       @for reason in self.numbered.iter().take(OPEN_NOTES) {
        p { (text::prose(&text::capital(reason.strip_prefix(UNKNOWN).unwrap_or(reason)))) }
        }
                       @if self.numbered.len() > OPEN_NOTES { p class="soft" { "More reasons are in " code { "report.json" } "." } }
                   }
               }
    }

    /// A figure with its interval, and the number of its note if it has one.
    pub(super) fn figure(&self, figure: &Measured) -> Markup {
        let place = self.numbered.iter().position(|known| *known == note(figure));
        html! {
            (number(figure))
            @if let Some(place) = place { sup class="note" { span class="hidden" { " note " } (place + 1) } }
        }
    }

    /// The notes under a section's figures.
    pub(super) fn list(&self) -> Markup {
        let list = html! { ol class="notes" { @for note in &self.numbered { li { (text::prose(note)) } } } };
        match self.numbered.len() {
            0 => html! {},
            1..=OPEN_NOTES => list,
            many => html! { details { summary { "Notes: what these figures rest on (" (many) ")" } (list) } },
        }
    }
}

/// A figure with its interval and nothing else.
pub(super) fn number(figure: &Measured) -> Markup {
    match figure {
        Measured::Known { value, low, high, .. } => html! {
            span class="figure" { (numbers::figure(*value)) " " span class="interval" { (numbers::interval(*low, *high)) } }
        },
        Measured::Unknown { .. } => html! { span class="unknown" { "unknown" } },
    }
}

/// A figure with its interval as plain text.
pub(super) fn plain(figure: &Measured) -> String {
    match figure {
        Measured::Known { value, low, high, .. } => {
            format!("{} {}", numbers::figure(*value), numbers::interval(*low, *high))
        }
        Measured::Unknown { .. } => "unknown".to_owned(),
    }
}

/// What a figure rests on, or why it is unknown.
fn note(figure: &Measured) -> String {
    match figure {
        Measured::Known { level, basis, .. } => {
            format!("{} intervals, from {}.", numbers::share(*level), text::unstopped(basis))
        }
        Measured::Unknown { reason } => format!("{UNKNOWN}{}.", text::unstopped(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_basis_is_said_once_and_unknown_figures_point_to_their_reason() {
        let known = Measured::known(0.8416, (0.781, 0.889), "90 gold items");
        let unknown = Measured::unknown("only 2 gold items have it");
        let notes = Notes::of([&known, &known, &unknown]);
        assert_eq!(notes.basis().into_string().matches("90 gold items").count(), 1);
        let figure = notes.figure(&known).into_string();
        assert!(figure.contains("0.842 <span class=\"interval\">[0.78, 0.89]"), "{figure}");
        assert!(!figure.contains("<sup"), "{figure}");
        assert!(notes.figure(&unknown).into_string().contains("</span>1</sup>"));
        let list = notes.list().into_string();
        assert!(list.contains("only 2 gold items") && !list.contains("90 gold items"), "{list}");
    }

    #[test]
    fn different_bases_are_numbered() {
        let figures = ["a", "b"].map(|basis| Measured::known(0.5, (0.4, 0.6), basis));
        let notes = Notes::of(&figures);
        assert_eq!(notes.basis().into_string(), "");
        assert!(notes.figure(&figures[1]).into_string().contains("</span>2</sup>"));
    }
}
