//! A part of an item's text under a name of its own.

use std::fmt;

/// A part of the text of an item: from one place between code points to another.
///
/// Its name is that of the item with the place behind it, written as RFC 5147 writes places in plain texts
/// (<https://www.rfc-editor.org/rfc/rfc5147>): `report-7#char=120,164`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextPart {
    /// The item's id.
    pub item: String,
    /// The code points before it.
    pub start: u32,
    /// The code points up to its end.
    pub end: u32,
}

impl TextPart {
    /// The part that a name names; `None` if it is not one of a part.
    pub fn parse(name: &str) -> Option<Self> {
        let (item, place) = name.rsplit_once("#char=")?;
        let (start, end) = place.split_once(',')?;
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        let (start, end) = (number(start)?, number(end)?);
        (start < end).then(|| Self { item: item.to_owned(), start, end })
    }

    /// The bytes of the part within its text; `None` if the text is shorter.
    pub fn within(&self, text: &str) -> Option<std::ops::Range<usize>> {
        let mut places = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
        let start = places.nth(self.start as usize)?;
        let end = places.nth((self.end - self.start) as usize - 1)?;
        Some(start..end)
    }
}

impl fmt::Display for TextPart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}#char={},{}", self.item, self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is_one() {
        let part = TextPart { item: "a#char=1,2".to_owned(), start: 2, end: 5 };
        assert_eq!(TextPart::parse(&part.to_string()), Some(part));
        for other in ["a", "a#char=", "a#char=3", "a#char=3,3", "a#char=-1,3", "a#char=+1,3", "a#char=1,99999999999"] {
            assert_eq!(TextPart::parse(other), None, "{other}");
        }
    }

    #[test]
    fn parts_are_counted_in_code_points() {
        let part = |start, end| TextPart { item: "x".to_owned(), start, end };
        let text = "é🚀 go";
        assert_eq!(part(1, 3).within(text), Some(2..7));
        assert_eq!(part(0, 5).within(text), Some(0..text.len()));
        assert_eq!((part(4, 6).within(text), part(9, 10).within(text)), (None, None));
    }
}
