//! Where a quote stands in a text.

use std::ops::Range;

use postil_core::{Name, Span};

/// A quote that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) bytes: Range<usize>,
    /// Whether it was there letter by letter.
    pub(super) exact: bool,
}

impl Place {
    pub(crate) fn span(&self, text: &str, label: Name) -> Span {
        let quote = text[self.bytes.clone()].to_owned();
        let start = text[..self.bytes.start].chars().count() as u32;
        Span { start, end: start + quote.chars().count() as u32, label, quote }
    }
}

/// The first place at or behind byte `behind`, or else the first in the text, where the quote stands as words of its own:
/// as it is; without quotation marks around it; with other white space between the words.
pub(crate) fn locate(text: &str, quote: &str, behind: usize) -> Option<Place> {
    let trimmed = quote.trim().trim_matches(['"', '“', '”', '«', '»', '`']).trim();
    if trimmed.is_empty() {
        return None;
    }
    for (wanted, exact) in [(quote, true), (trimmed, trimmed == quote)] {
        let start = find(text, wanted, behind).or_else(|| find(text, wanted, 0));
        if let Some(start) = start {
            return Some(Place { bytes: start..start + wanted.len(), exact });
        }
    }
    spaced(text, trimmed, behind).or_else(|| spaced(text, trimmed, 0)).map(|bytes| Place { bytes, exact: false })
}

fn find(text: &str, wanted: &str, from: usize) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    let from = (from..=text.len()).find(|&from| text.is_char_boundary(from))?;
    text[from..].match_indices(wanted).map(|(at, _)| from + at).find(|&at| stands_alone(text, at..at + wanted.len()))
}

/// Whether no word goes on at either end.
fn stands_alone(text: &str, bytes: Range<usize>) -> bool {
    let word = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    let inside = &text[bytes.clone()];
    let starts = word(text[..bytes.start].chars().next_back()) && word(inside.chars().next());
    let ends = word(inside.chars().next_back()) && word(text[bytes.end..].chars().next());
    // Scripts without spaces have no such borders.
    let unspaced = inside
        .chars()
        .any(|sign| matches!(sign, '\u{0e00}'..='\u{0eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'));
    unspaced || !(starts || ends)
}

/// The words of the quote with any white space between them.
fn spaced(text: &str, wanted: &str, from: usize) -> Option<Range<usize>> {
    let mut words = wanted.split_whitespace();
    let first = words.next()?;
    let rest: Vec<&str> = words.collect();
    if rest.is_empty() {
        return None;
    }
    let from = (from..=text.len()).find(|&from| text.is_char_boundary(from))?;
    text[from..].match_indices(first).find_map(|(at, _)| {
        let start = from + at;
        let mut end = start + first.len();
        for word in &rest {
            let gap = text[end..].len() - text[end..].trim_start().len();
            if gap == 0 || !text[end + gap..].starts_with(word) {
                return None;
            }
            end += gap + word.len();
        }
        stands_alone(text, start..end).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(text: &'a str, quote: &str, behind: usize) -> Option<(&'a str, usize)> {
        locate(text, quote, behind).map(|place| (&text[place.bytes.clone()], place.bytes.start))
    }

    #[test]
    fn quotes_are_words_of_the_text_or_nothing() {
        assert_eq!(found("Ann met Anna", "Anna", 0), Some(("Anna", 8)));
        assert_eq!(found("Anna met Ann", "Ann", 0), Some(("Ann", 9)));
        assert_eq!(found("Ann and Ann", "Ann", 3), Some(("Ann", 8)));
        assert_eq!(found("Ann and Bob", "Ann", 5), Some(("Ann", 0)));
        assert_eq!(found("New\n  York", "New York", 0), Some(("New\n  York", 0)));
        assert_eq!(found("in New York", "\"New York\"", 0), Some(("New York", 3)));
        assert_eq!(found("in Paris", "London", 0), None);
        assert_eq!(found("in Paris", " \" ", 0), None);
        assert_eq!(found("東京都に", "東京", 0), Some(("東京", 0)));
    }

    #[test]
    fn offsets_are_code_points() {
        let text = "😀 in Köln";
        let span = locate(text, "Köln", 0).unwrap().span(text, "place".into());
        assert_eq!((span.start, span.end, span.quote.as_str()), (5, 9, "Köln"));
    }
}
