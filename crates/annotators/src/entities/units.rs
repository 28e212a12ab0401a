//! A text as the tries read it: tokens with their numbers.

use postil_core::text::{Token, Tokenizer};

use super::fold::{Rules, SKIPPED, long_key, short_key};

/// A token and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) token: Token,
    pub(super) key: u64,
}

/// Fills `units` with the tokens of a text: those of [`Tokenizer::Words`], but that an apostrophe and the `s`
/// behind it are one token wherever they stand, so that text whose tokens were set apart by spaces reads like any other.
///
/// Words of up to sixteen ASCII letters that are followed by what ends them in any case, and single punctuation marks,
/// are cut and numbered here, eight bytes at a time; everything else is left to the tokenizer.
pub(super) fn read(text: &str, rules: &Rules, units: &mut Vec<Unit>, scratch: &mut String) {
    units.clear();
    let bytes = text.as_bytes();
    let plain = rules.is_plain();
    let mut at = 0;
    loop {
        if plain && let Some(cut) = Cut::at(bytes, at) {
            match cut {
                Cut::Space => at += 1,
                Cut::Word { length, key } => {
                    let token = Token { start: at as u32, end: (at + length) as u32 };
                    at += length;
                    if length > 1 || !join_apostrophe(text, token, rules, units, scratch) {
                        units.push(Unit { token, key });
                    }
                    at += usize::from(bytes[at] == b' ');
                }
                Cut::Mark { key } => {
                    let key = if rules.skip_hyphens && bytes[at] == b'-' { SKIPPED } else { key };
                    units.push(Unit { token: Token { start: at as u32, end: at as u32 + 1 }, key });
                    at += 1;
                }
            }
            continue;
        }
        let Some(token) = Tokenizer::Words.next(text, at) else { return };
        at = token.end as usize;
        if token.end - token.start > 1 || !join_apostrophe(text, token, rules, units, scratch) {
            units.push(Unit { token, key: rules.key(text, token, scratch) });
        }
    }
}

/// What stands at the head of a text, where that is easily said.
enum Cut {
    Space,
    Word { length: usize, key: u64 },
    Mark { key: u64 },
}

/// What a byte does behind a word, and at the head of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It may join words or belong to one.
    Open,
    /// It ends a word, and is white space.
    Space,
    /// It ends a word, and stands alone.
    Mark,
    /// It ends a word; what it begins is not easily said.
    Ends,
}

const ROLES: [Role; 256] = {
    let mut roles = [Role::Open; 256];
    let mut byte = 0;
    while byte < 128 {
        roles[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0C => Role::Space,
            0..=0x1F | 0x7F | b'#' => Role::Ends,
            b'.' | b',' | b'\'' | b':' | b'@' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Role::Open,
            _ => Role::Mark,
        };
        byte += 1;
    }
    roles
};

impl Cut {
    #[inline]
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let chunk = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
        let length = word_bytes(chunk);
        if length == 0 {
            let first = chunk as u8;
            return match ROLES[usize::from(first)] {
                Role::Space => Some(Self::Space),
                // A run of one mark is one token, and a mark above ASCII may belong to it.
                Role::Mark if (chunk >> 8) as u8 != first && chunk & 0x8000 == 0 => {
                    Some(Self::Mark { key: short_key(u64::from(first), 1) })
                }
                _ => None,
            };
        }
        if length < 8 {
            return ends(bytes, at + length).then(|| {
                let word = chunk & ((1 << (8 * length)) - 1);
                Self::Word { length, key: short_key(word, length) }
            });
        }
        let next = u64::from_le_bytes(bytes.get(at + 8..at + 16)?.try_into().ok()?);
        let more = word_bytes(next);
        if more == 8 || !ends(bytes, at + 8 + more) {
            return None;
        }
        let key =
            if more == 0 { short_key(chunk, 8) } else { long_key(chunk, next & ((1 << (8 * more)) - 1), 8 + more) };
        Some(Self::Word { length: 8 + more, key })
    }
}

/// Whether the byte there ends the word before it, whatever comes behind.
#[inline]
fn ends(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        // A comma joins digits alone.
        Some(b',') => !bytes[at - 1].is_ascii_digit(),
        Some(&byte) => ROLES[usize::from(byte)] != Role::Open,
        None => false,
    }
}

/// How many of eight bytes, from the first on, are ASCII letters, digits or underscores.
#[inline]
const fn word_bytes(chunk: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Each byte on its own: the high bit of a sum tells whether a byte below 0x80 reaches a bound.
    let low = chunk & !HIGH;
    let folded = low | (0x20 * ONES);
    let letter = (folded + (0x80 - b'a' as u64) * ONES) & !(folded + (0x7F - b'z' as u64) * ONES);
    let digit = (low + (0x80 - b'0' as u64) * ONES) & !(low + (0x7F - b'9' as u64) * ONES);
    // Zero where the byte is an underscore; then the sum does not reach the high bit.
    let underscore = !((low ^ (b'_' as u64 * ONES)) + 0x7F * ONES);
    let word = (letter | digit | underscore) & !chunk & HIGH;
    ((word ^ HIGH).trailing_zeros() / 8) as usize
}

/// Whether a token is the `s` of the apostrophe before it: right behind it, or with a space on both sides of the apostrophe
/// in text whose tokens were set apart.
#[inline]
pub(super) fn joins_apostrophe(text: &str, before: Token, token: Token) -> bool {
    let bytes = text.as_bytes();
    let (start, end) = (before.start as usize, before.end as usize);
    token.end - token.start == 1
        && matches!(bytes[token.start as usize], b's' | b'S')
        && matches!(before.of(text), "'" | "\u{2019}")
        && (end == token.start as usize
            || (end + 1 == token.start as usize && bytes[end] == b' ' && start > 0 && bytes[start - 1] == b' '))
}

/// Makes a token of one byte part of the apostrophe before it, if that is what it is.
#[inline]
fn join_apostrophe(text: &str, token: Token, rules: &Rules, units: &mut [Unit], scratch: &mut String) -> bool {
    let Some(last) = units.last_mut().filter(|last| joins_apostrophe(text, last.token, token)) else { return false };
    last.token.end = token.end;
    last.key = rules.key(text, last.token, scratch);
    true
}

/// The numbers of tokens that were read before, under other rules.
pub(super) fn renumber(text: &str, rules: &Rules, units: &mut [Unit], scratch: &mut String) {
    for unit in units {
        unit.key = rules.key(text, unit.token, scratch);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, token by token.
    fn slow(text: &str, rules: &Rules) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        let mut scratch = String::new();
        Tokenizer::Words.visit(text, |token| {
            let joined = token.end - token.start == 1 && join_apostrophe(text, token, rules, &mut units, &mut scratch);
            if !joined {
                units.push(Unit { token, key: rules.key(text, token, &mut scratch) });
            }
        });
        units
    }

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_read_as_the_tokenizer_does(
            text in "([a-zA-Z0-9_]{1,20}|[ -~]|[\\PC]|\\s|['’]s?|é|e\u{301}|--|\\.\\.|U\\.S\\.|Inc\\.|1,5|a,b|http://x|a@b.com|#t|\u{b}|\0){0,40}",
            skip_hyphens: bool,
            fold_accents: bool,
        ) {
            let rules = Rules { fold_accents, skip_hyphens, ..Rules::default() };
            let mut units = Vec::new();
            read(&text, &rules, &mut units, &mut String::new());
            prop_assert_eq!(units, slow(&text, &rules));
        }
    }

    #[test]
    fn word_bytes_are_counted() {
        for byte in 0..=255_u8 {
            let expected = usize::from(byte.is_ascii_alphanumeric() || byte == b'_');
            for place in 0..8 {
                let mut bytes = [b'x'; 8];
                bytes[place] = byte;
                let count = if expected == 1 { 8 } else { place };
                assert_eq!(word_bytes(u64::from_le_bytes(bytes)), count, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn a_possessive_is_one_token_with_and_without_a_space_before_it() {
        let forms = |text: &str| {
            let mut units = Vec::new();
            read(text, &Rules::default(), &mut units, &mut String::new());
            units.iter().map(|unit| (unit.token.of(text).to_owned(), unit.key)).collect::<Vec<_>>()
        };
        assert_eq!(forms("Lloyd's Bank"), forms("Lloyd 's  Bank"));
        assert_eq!(forms("a 's b").len(), 3);
        assert_eq!(forms("it ' s b").len(), 3);
        assert_eq!(forms("it' s b").len(), 4);
    }
}
