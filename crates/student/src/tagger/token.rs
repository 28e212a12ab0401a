//! What a token is by itself: hashes of its letters, its beginning, its end and its shape.

use super::hash;

/// The longest beginnings and ends that are features.
pub(crate) const AFFIXES: usize = 5;

/// The token begins with a capital letter.
pub(crate) const CAPITAL: u16 = 1;
/// It has letters, and all of those that have case are capitals.
pub(crate) const ALL_CAPITALS: u16 = 2;
/// It has a digit.
pub(crate) const DIGIT: u16 = 4;
/// It has a hyphen.
pub(crate) const HYPHEN: u16 = 8;
/// It has a full stop.
pub(crate) const DOT: u16 = 16;
/// It has a lower-case letter.
pub(crate) const LOWER: u16 = 32;
/// It has a capital after its first character.
pub(crate) const INNER_CAPITAL: u16 = 64;

/// What is known about a token without its neighbours; equal for equal tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attributes {
    /// The letters as they are.
    pub(crate) word: u64,
    /// In lower case.
    pub(crate) lower: u64,
    /// In lower case, digits as zeros.
    pub(crate) normal: u64,
    /// A class per character.
    pub(crate) shape: u64,
    /// The shape with runs as one.
    pub(crate) short_shape: u64,
    /// Beginnings of 1, 2, … characters, those that are shorter than the token; 0 otherwise.
    pub(crate) prefixes: [u64; AFFIXES],
    /// Ends likewise.
    pub(crate) suffixes: [u64; AFFIXES],
    pub(crate) flags: u16,
    /// How many characters, at most 255.
    pub(crate) characters: u8,
    /// Its word class from fine to coarse, plus 1; 0 if it has none.
    pub(crate) clusters: [u16; 3],
    /// What the lists say about it as an entry by itself.
    pub(crate) listed: u32,
    /// Whether a list has a longer entry that begins with it.
    pub(crate) begins_entry: bool,
}

/// What stands before the first token and after the last.
pub(crate) const BEFORE: Attributes = border(0x0b0e);
pub(crate) const AFTER: Attributes = border(0x0a0f);

const fn border(mark: u64) -> Attributes {
    let mark = hash::pair(mark, 0x626f_7264);
    Attributes {
        word: mark,
        lower: mark,
        normal: mark,
        shape: mark,
        short_shape: mark,
        prefixes: [0; AFFIXES],
        suffixes: [0; AFFIXES],
        flags: 0,
        characters: 0,
        clusters: [0; 3],
        listed: 0,
        begins_entry: false,
    }
}

/// Room for spelling tokens.
#[derive(Debug, Default)]
pub(crate) struct Spelling {
    /// The token in lower case with digits as zeros.
    pub(crate) normal: Vec<u8>,
    lower: Vec<u8>,
    shape: Vec<u8>,
    /// Where the characters of `lower` begin, and its end.
    pub(crate) starts: Vec<u32>,
}

impl Spelling {
    /// Reads a token whose hash is known. The class and the lists are filled in by others.
    pub(crate) fn read(&mut self, token: &str, word: u64) -> Attributes {
        let Self { normal, lower, shape, starts } = self;
        normal.clear();
        lower.clear();
        shape.clear();
        starts.clear();
        let mut flags = 0;
        let mut utf8 = [0; 4];
        let mut letters = false;
        for (place, character) in token.chars().enumerate() {
            starts.push(lower.len() as u32);
            let class = if character.is_ascii() {
                let byte = character as u8;
                lower.push(byte.to_ascii_lowercase());
                normal.push(if byte.is_ascii_digit() { b'0' } else { byte.to_ascii_lowercase() });
                match byte {
                    b'A'..=b'Z' => b'X',
                    b'a'..=b'z' => b'x',
                    b'0'..=b'9' => b'd',
                    other => other,
                }
            } else {
                let (before_lower, before_normal) = (lower.len(), normal.len());
                for small in character.to_lowercase() {
                    lower.extend_from_slice(small.encode_utf8(&mut utf8).as_bytes());
                }
                normal.extend_from_slice(&lower[before_lower..]);
                if character.is_uppercase() {
                    b'X'
                } else if character.is_lowercase() {
                    b'x'
                } else if character.is_numeric() {
                    normal.truncate(before_normal);
                    normal.push(b'0');
                    b'd'
                } else if character.is_alphabetic() {
                    b'c'
                } else {
                    b'*'
                }
            };
            match class {
                b'X' if place == 0 => flags |= CAPITAL,
                b'X' => flags |= INNER_CAPITAL,
                b'x' => flags |= LOWER,
                b'd' => flags |= DIGIT,
                b'-' => flags |= HYPHEN,
                b'.' => flags |= DOT,
                _ => {}
            }
            letters |= matches!(class, b'X' | b'x');
            shape.push(class);
        }
        if letters && flags & LOWER == 0 {
            flags |= ALL_CAPITALS;
        }
        let characters = starts.len();
        starts.push(lower.len() as u32);
        let full_shape = hash::of(&shape[..shape.len().min(12)]);
        shape.dedup();
        let mut attributes = Attributes {
            word,
            lower: hash::of(lower),
            normal: hash::of(normal),
            shape: full_shape,
            short_shape: hash::of(shape),
            flags,
            characters: characters.min(255) as u8,
            ..Attributes::default()
        };
        for length in 1..=AFFIXES.min(characters.saturating_sub(1)) {
            attributes.prefixes[length - 1] = hash::of(&lower[..starts[length] as usize]);
            attributes.suffixes[length - 1] = hash::of(&lower[starts[characters - length] as usize..]);
        }
        attributes
    }

    /// Calls for the hash of every run of `shortest` to `longest` characters of the token that was read last, in lower
    /// case and with borders.
    pub(crate) fn grams(&self, shortest: usize, longest: usize, mut gram: impl FnMut(u64)) {
        let characters = self.starts.len().saturating_sub(1);
        // A border counts as a character at each end.
        for start in 0..characters + 2 {
            for length in shortest..=longest {
                let end = start + length;
                if end > characters + 2 {
                    break;
                }
                let (from, to) = (start.saturating_sub(1), (end - 1).min(characters));
                let borders = u64::from(start == 0) + 2 * u64::from(end == characters + 2);
                if from < to {
                    let bytes = &self.lower[self.starts[from] as usize..self.starts[to] as usize];
                    gram(hash::of(bytes) ^ borders.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(token: &str) -> Attributes {
        Spelling::default().read(token, hash::of(token.as_bytes()))
    }

    #[test]
    fn shapes_and_flags_say_what_a_token_looks_like() {
        assert_eq!(read("Bonn").shape, read("Kiel").shape);
        assert_eq!(read("Bonn").short_shape, read("Hannover").short_shape);
        assert_ne!(read("Bonn").shape, read("Hannover").shape);
        assert_eq!(read("U.S.").flags, CAPITAL | INNER_CAPITAL | ALL_CAPITALS | DOT);
        assert_eq!(read("1996-08").flags, DIGIT | HYPHEN);
        assert_eq!(read("1996").normal, read("2024").normal);
        assert_eq!(read("Élan").lower, hash::of("élan".as_bytes()));
    }

    #[test]
    fn affixes_are_shorter_than_the_token() {
        let token = read("Cat");
        assert_eq!(token.prefixes[..3], [hash::of(b"c"), hash::of(b"ca"), 0]);
        assert_eq!(token.suffixes[..3], [hash::of(b"t"), hash::of(b"at"), 0]);
        assert_eq!(read("é").suffixes, [0; AFFIXES]);
    }

    #[test]
    fn grams_know_the_borders() {
        let mut spelling = Spelling::default();
        spelling.read("ab", 0);
        let mut grams = Vec::new();
        spelling.grams(2, 3, |gram| grams.push(gram));
        // <a <ab ab ab> b>
        assert_eq!(grams.len(), 5);
        grams.sort_unstable();
        grams.dedup();
        assert_eq!(grams.len(), 5);
    }
}
