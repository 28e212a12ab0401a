//! Strings from the outside on their way into the page.

use std::borrow::Cow;

use maud::{Markup, html};

/// A string with its control characters made visible, so that none reaches the page's parser.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let hidden = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if text.contains(hidden) {
        Cow::Owned(text.chars().map(|letter| if hidden(letter) { '\u{fffd}' } else { letter }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// A name or label from the outside: escaped, and isolated so that its writing direction cannot reorder its
/// neighbours. An empty one is shown as such.
pub(super) fn user(text: &str) -> Markup {
    if text.trim().is_empty() {
        return html! { span class="soft" { "(blank)" } };
    }
    // Names in snake case may break after an underscore.
    let clean = clean(text);
    html! { bdi { @for (place, part) in clean.split('_').enumerate() { @if place > 0 { "_" wbr; } (part) } } }
}

/// A sentence of the report, with what stands between back-ticks set as code.
pub(super) fn prose(text: &str) -> Markup {
    let parts = text.split('`').collect::<Vec<_>>();
    // An odd number of back-ticks means that one of them is no quote; then none is taken for one.
    if parts.len() % 2 == 0 {
        return html! { bdi { (clean(text)) } };
    }
    html! {
        @for (place, part) in parts.iter().enumerate() {
            @if place % 2 == 1 { code { bdi { (clean(part)) } } } @else { (clean(part)) }
        }
    }
}

/// A word with a capital first letter.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A reason or a remark as a sentence: with a capital and a full stop.
pub(super) fn sentence(remark: &str) -> String {
    format!("{}.", capital(unstopped(remark)))
}

/// A sentence without its full stop, to be put into another one.
pub(super) fn unstopped(sentence: &str) -> &str {
    sentence.trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible_and_the_rest_stays() {
        assert_eq!(clean("a\0b\u{1b}[0m\nc\u{85}"), "a\u{fffd}b\u{fffd}[0m\nc\u{fffd}");
        assert!(matches!(clean("plain\ttext"), Cow::Borrowed(_)));
    }

    #[test]
    fn back_ticks_quote_only_in_pairs() {
        assert_eq!(prose("run `postil <x>`").into_string(), "run <code><bdi>postil &lt;x&gt;</bdi></code>");
        assert_eq!(prose("a ` b").into_string(), "<bdi>a ` b</bdi>");
    }

    #[test]
    fn a_blank_name_is_not_invisible() {
        assert!(user("  ").into_string().contains("(blank)"));
    }

    #[test]
    fn capitals_work_beyond_ascii() {
        assert_eq!(capital("élan"), "Élan");
        assert_eq!(capital(""), "");
    }
}
