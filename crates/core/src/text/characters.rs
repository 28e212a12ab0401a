//! What kind of character it is, as far as tokens go.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// The part that a character plays in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Anything that stands alone: punctuation, symbols, unassigned characters.
    Other,
    /// White space and control characters, which belong to no token.
    Space,
    /// A letter of a script that is written with spaces.
    Letter,
    /// A decimal digit.
    Digit,
    /// A combining mark or format character: it belongs to what stands before it.
    Extend,
    /// `_` and its like, which join words.
    Connector,
    /// A character of a script that is written without spaces.
    Unspaced,
    /// A pictograph, which a zero-width joiner may join to another.
    Pictograph,
    /// Half of a flag.
    Regional,
}

/// The characters below this are looked up; those above are ideographs.
const LOOKED_UP: usize = 0x2_0000;

/// The kind of a character. The first call builds a table of 128 kB.
pub(super) fn kind(character: char) -> Kind {
    static TABLE: OnceLock<Box<[Kind]>> = OnceLock::new();
    let table = TABLE.get_or_init(table);
    let place = character as usize;
    match table.get(place) {
        Some(&kind) => kind,
        // The supplementary planes of ideographs; behind them, tags and variation selectors.
        None if place < 0xE_0000 => Kind::Unspaced,
        None if place < 0xE_1000 => Kind::Extend,
        None => Kind::Other,
    }
}

fn table() -> Box<[Kind]> {
    let mut table = vec![Kind::Other; LOOKED_UP].into_boxed_slice();
    // Later lines win over earlier ones.
    let parts = [
        (r"[\p{Extended_Pictographic}--[\x00-\u{203B}]]", Kind::Pictograph),
        (r"[\p{L}\p{Nl}\p{No}\p{Other_Alphabetic}]", Kind::Letter),
        (r"\p{Nd}", Kind::Digit),
        (
            r"[\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]",
            Kind::Unspaced,
        ),
        (r"\p{Pc}", Kind::Connector),
        (r"[\p{M}\p{Cf}]", Kind::Extend),
        (r"[\u{1F3FB}-\u{1F3FF}]", Kind::Extend),
        (r"[\u{1F1E6}-\u{1F1FF}]", Kind::Regional),
        (r"[\s\p{Cc}\u{200B}\u{FEFF}]", Kind::Space),
    ];
    for (pattern, kind) in parts {
        for (start, end) in members(pattern) {
            let end = (end as usize + 1).min(LOOKED_UP);
            if (start as usize) < end {
                table[start as usize..end].fill(kind);
            }
        }
    }
    table
}

/// The ranges of characters that a class of a regular expression stands for.
fn members(pattern: &str) -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(pattern).expect("the classes above are well formed");
    match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => ranges(class),
        _ => unreachable!("a pattern of one bracket is a class"),
    }
}

fn ranges(class: &ClassUnicode) -> Vec<(char, char)> {
    class.ranges().iter().map(|range| (range.start(), range.end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_play_their_parts() {
        let cases = [
            ('a', Kind::Letter),
            ('ß', Kind::Letter),
            ('ש', Kind::Letter),
            ('한', Kind::Letter),
            ('7', Kind::Digit),
            ('٣', Kind::Digit),
            ('_', Kind::Connector),
            ('\u{301}', Kind::Extend),
            ('\u{200D}', Kind::Extend),
            ('東', Kind::Unspaced),
            ('𠮷', Kind::Unspaced),
            ('ไ', Kind::Unspaced),
            ('🚀', Kind::Pictograph),
            ('🇳', Kind::Regional),
            ('\u{A0}', Kind::Space),
            ('\r', Kind::Space),
            ('.', Kind::Other),
            ('#', Kind::Other),
            ('©', Kind::Other),
        ];
        for (character, expected) in cases {
            assert_eq!(kind(character), expected, "{character:?}");
        }
    }
}
