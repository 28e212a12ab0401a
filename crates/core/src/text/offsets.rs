//! Places in a text, in the three units that are in use.

use serde::{Deserialize, Serialize};

/// What a place in a text is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetUnit {
    /// Unicode code points: Python's strings, and every file of Postil's own.
    #[default]
    CodePoints,
    /// UTF-16 code units: JavaScript and Java.
    Utf16,
    /// Bytes of UTF-8: Rust and Go.
    Bytes,
}

impl OffsetUnit {
    /// All units, the canonical one first.
    pub const ALL: [Self; 3] = [Self::CodePoints, Self::Utf16, Self::Bytes];

    /// The name in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CodePoints => "code points",
            Self::Utf16 => "UTF-16 units",
            Self::Bytes => "bytes",
        }
    }
}

/// Every so many bytes a place is kept in all units.
const STEP: usize = 64;

/// A text's places in all units. An ASCII text costs nothing; any other a few bytes for every 64 of it, and a lookup
/// walks at most 64 bytes.
#[derive(Clone, Debug)]
pub struct Offsets<'t> {
    text: &'t str,
    /// For every [`STEP`]th byte, or the next one that begins a character: byte, code point, UTF-16 unit. Empty if all
    /// three are the same everywhere.
    marks: Vec<[u32; 3]>,
}

impl<'t> Offsets<'t> {
    /// Reads a text once.
    pub fn new(text: &'t str) -> Self {
        if text.is_ascii() {
            return Self { text, marks: Vec::new() };
        }
        let mut marks = Vec::with_capacity(text.len() / STEP + 1);
        let (mut points, mut units) = (0, 0);
        let mut next = 0;
        for (byte, character) in text.char_indices() {
            if byte >= next {
                marks.push([byte as u32, points, units]);
                next = byte + STEP;
            }
            points += 1;
            units += character.len_utf16() as u32;
        }
        Self { text, marks }
    }

    /// The byte of a place, or `None` if the text has no such place or it lies inside a character.
    pub fn byte_of(&self, unit: OffsetUnit, position: u32) -> Option<usize> {
        if self.marks.is_empty() || unit == OffsetUnit::Bytes {
            return self.text.is_char_boundary(position as usize).then_some(position as usize);
        }
        let column = column(unit);
        let mark = self.marks.partition_point(|mark| mark[column] <= position).saturating_sub(1);
        let [start, ..] = self.marks[mark];
        let mut place = self.marks[mark][column];
        for (byte, character) in self.text[start as usize..].char_indices() {
            if place >= position {
                return (place == position).then_some(start as usize + byte);
            }
            place += width(unit, character);
        }
        (place == position).then_some(self.text.len())
    }

    /// The place of a byte, or `None` if the text has no such byte or it lies inside a character.
    pub fn position_of(&self, unit: OffsetUnit, byte: usize) -> Option<u32> {
        if !self.text.is_char_boundary(byte) {
            return None;
        }
        if self.marks.is_empty() || unit == OffsetUnit::Bytes {
            return Some(byte as u32);
        }
        let mark = self.marks.partition_point(|mark| mark[0] as usize <= byte).saturating_sub(1);
        let between = self.text[self.marks[mark][0] as usize..byte].chars();
        Some(self.marks[mark][column(unit)] + between.map(|character| width(unit, character)).sum::<u32>())
    }

    /// The length of the text.
    pub fn len(&self, unit: OffsetUnit) -> u32 {
        self.position_of(unit, self.text.len()).unwrap_or(0)
    }

    /// Whether the text is empty.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text.
    pub const fn text(&self) -> &'t str {
        self.text
    }
}

const fn column(unit: OffsetUnit) -> usize {
    match unit {
        OffsetUnit::Bytes => 0,
        OffsetUnit::CodePoints => 1,
        OffsetUnit::Utf16 => 2,
    }
}

const fn width(unit: OffsetUnit, character: char) -> u32 {
    match unit {
        OffsetUnit::Bytes => character.len_utf8() as u32,
        OffsetUnit::CodePoints => 1,
        OffsetUnit::Utf16 => character.len_utf16() as u32,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_place_is_found_in_every_unit(text in "(\\PC|[a-z]|\\r\\n|👩‍👩‍👧|é|ש){0,200}") {
            let offsets = Offsets::new(&text);
            let (mut points, mut units) = (0, 0);
            for (byte, character) in text.char_indices() {
                let places = [(OffsetUnit::CodePoints, points), (OffsetUnit::Utf16, units), (OffsetUnit::Bytes, byte as u32)];
                for (unit, place) in places {
                    prop_assert_eq!(offsets.position_of(unit, byte), Some(place));
                    prop_assert_eq!(offsets.byte_of(unit, place), Some(byte));
                }
                points += 1;
                units += character.len_utf16() as u32;
            }
            for (unit, end) in [(OffsetUnit::CodePoints, points), (OffsetUnit::Utf16, units), (OffsetUnit::Bytes, text.len() as u32)] {
                prop_assert_eq!(offsets.len(unit), end);
                prop_assert_eq!(offsets.byte_of(unit, end), Some(text.len()));
                prop_assert_eq!(offsets.byte_of(unit, end + 1), None);
            }
        }
    }

    #[test]
    fn a_place_inside_a_character_is_none() {
        let offsets = Offsets::new("a🚀b");
        assert_eq!(offsets.byte_of(OffsetUnit::Utf16, 2), None);
        assert_eq!(offsets.byte_of(OffsetUnit::Bytes, 2), None);
        assert_eq!(offsets.position_of(OffsetUnit::CodePoints, 3), None);
    }
}
