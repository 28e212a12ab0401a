//! What counts as the same token: folding, stems, and the number that stands for a token in the tries.

use std::collections::HashMap;
use std::sync::Arc;

use postil_core::text::Token;
use serde::{Deserialize, Serialize};

use crate::words::fold_character;

/// What happens to the number of a word before it is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plural {
    /// Words are compared as they stand.
    #[default]
    Keep,
    /// English plurals lose their ending by the rules of Harman's "S" stemmer (How effective is suffixing?, JASIS 1991):
    /// `-ies` becomes `-y` unless after `a` or `e`, `-es` becomes `-e` unless after `a`, `e` or `o`, `-s` goes unless
    /// after `u` or `s`. Three rules without exceptions: `mice` stays, and `news` becomes `new`.
    English,
    /// Spanish plurals lose their ending: `-ces` becomes `-z`, `-es` goes after one of `d l n r s y` or an accented
    /// vowel, `-s` goes after a vowel. Words of up to three letters stay.
    Spanish,
}

/// A table from the forms of words to their lemmas, both folded.
pub(crate) type Lemmas = HashMap<String, String>;

/// The way in which tokens of lists and texts are made comparable. Lists with equal rules share a trie.
///
/// Whatever the rules: upper and lower case are the same here (a list's case policy is checked afterwards), curly
/// apostrophes are straight, and the points of abbreviations are not looked at, so `Inc.` is `Inc` and `U.S.` is `US`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) fold_accents: bool,
    /// Hyphens and dashes are passed over.
    pub(crate) skip_hyphens: bool,
    pub(crate) plural: Plural,
    pub(crate) lemmas: Option<Arc<Lemmas>>,
}

/// The number of a token that is passed over.
pub(crate) const SKIPPED: u64 = 0;

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

impl Rules {
    /// Whether two sets of rules treat all tokens alike.
    pub(crate) fn agree(&self, other: &Self) -> bool {
        let lemmas = match (&self.lemmas, &other.lemmas) {
            (None, None) => true,
            (Some(left), Some(right)) => Arc::ptr_eq(left, right) || left == right,
            _ => false,
        };
        lemmas
            && (self.fold_accents, self.skip_hyphens, self.plural)
                == (other.fold_accents, other.skip_hyphens, other.plural)
    }

    /// Whether ASCII letters are compared as they stand but for their case.
    pub(crate) fn is_plain(&self) -> bool {
        self.plural == Plural::Keep && self.lemmas.is_none()
    }

    /// The number of a token; equal forms have equal numbers, different forms nearly always different ones.
    /// `scratch` is room for its form.
    #[inline]
    pub(crate) fn key(&self, text: &str, token: Token, scratch: &mut String) -> u64 {
        let bytes = text.as_bytes();
        let (start, end) = (token.start as usize, trimmed_end(bytes, token));
        if self.is_plain() && !bytes[start..end].iter().any(|byte| matches!(byte, b'.' | b' ')) {
            if end - start <= 8
                && let Some(chunk) = load(bytes, start, end)
            {
                // Nearly all tokens of most texts: at most eight ASCII characters.
                if chunk & HIGH_BITS == 0 {
                    let key = number(lower(chunk), end - start);
                    return if self.skip_hyphens && is_ascii_dash(bytes[start]) { SKIPPED } else { key };
                }
            } else if let Some(key) = ascii_key(&bytes[start..end]) {
                return key;
            }
        }
        self.slow_key(&text[start..end], scratch)
    }

    #[cold]
    fn slow_key(&self, token: &str, scratch: &mut String) -> u64 {
        if self.skip_hyphens && is_dash(token) {
            return SKIPPED;
        }
        scratch.clear();
        self.form(token, scratch);
        ascii_or_not_key(scratch.as_bytes())
    }

    /// Whether a token is passed over.
    pub(crate) fn skips(&self, token: &str) -> bool {
        self.skip_hyphens && is_dash(token)
    }

    /// Appends a token's form.
    pub(crate) fn form(&self, token: &str, form: &mut String) {
        let start = form.len();
        let token = without_point(token);
        let lettered = is_lettered(token);
        for character in token.chars() {
            // An apostrophe and its `s` may have been set apart by a space.
            if !(lettered && character == '.' || character == ' ') {
                fold_character(character, form);
            }
        }
        if self.fold_accents && !form[start..].is_ascii() {
            let folded: String = form[start..].chars().filter(|&character| !is_mark(character)).map(base).collect();
            form.truncate(start);
            form.push_str(&folded);
        }
        if let Some(lemma) = self.lemmas.as_ref().and_then(|lemmas| lemmas.get(&form[start..])) {
            form.truncate(start);
            form.push_str(lemma);
            return;
        }
        match self.plural {
            Plural::Keep => {}
            Plural::English => english_singular(form, start),
            Plural::Spanish => spanish_singular(form, start),
        }
    }

    /// Whether two tokens have the same form.
    pub(crate) fn same(&self, left: &str, right: &str, scratch: &mut (String, String)) -> bool {
        if left == right {
            return true;
        }
        scratch.0.clear();
        scratch.1.clear();
        self.form(left, &mut scratch.0);
        self.form(right, &mut scratch.1);
        scratch.0 == scratch.1
    }
}

/// A token without the point that ends an abbreviation.
pub(crate) fn without_point(token: &str) -> &str {
    match token.strip_suffix('.') {
        Some(rest) if rest.ends_with(char::is_alphanumeric) => rest,
        _ => token,
    }
}

/// Whether a token is single letters with points between: `U.S`.
fn is_lettered(token: &str) -> bool {
    token.contains('.')
        && token.split('.').all(|part| {
            let mut letters = part.chars();
            letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none()
        })
}

#[inline]
fn trimmed_end(bytes: &[u8], token: Token) -> usize {
    let end = token.end as usize;
    let pointed = bytes[end - 1] == b'.' && end - token.start as usize > 1;
    // Bytes above ASCII belong to letters far more often than not; `without_point` in the slow way decides.
    if pointed && bytes[end - 2].is_ascii_alphanumeric() { end - 1 } else { end }
}

/// Up to eight bytes as a number; `None` where the text is too short to read eight at once and one would be wrong.
#[inline]
fn load(bytes: &[u8], start: usize, end: usize) -> Option<u64> {
    let length = end - start;
    match bytes.get(start..start + 8) {
        Some(eight) => {
            let chunk = u64::from_le_bytes(eight.try_into().ok()?);
            Some(if length == 8 { chunk } else { chunk & ((1 << (8 * length)) - 1) })
        }
        None => Some(load_short(&bytes[start..end])),
    }
}

#[cold]
fn load_short(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |chunk, &byte| chunk << 8 | u64::from(byte))
}

/// Lower case for eight ASCII bytes at once.
#[inline]
const fn lower(chunk: u64) -> u64 {
    let above_z = chunk + (0x7f - b'Z' as u64) * ONES;
    let from_a = chunk + (0x80 - b'A' as u64) * ONES;
    chunk | ((above_z ^ from_a) & HIGH_BITS) >> 2
}

/// Spreads every bit over the whole number.
#[inline]
pub(super) const fn mix(number: u64) -> u64 {
    let product = number as u128 * 0x9E37_79B9_7F4A_7C15;
    (product as u64) ^ (product >> 64) as u64
}

#[inline]
const fn number(chunk: u64, length: usize) -> u64 {
    // Never the number of a token that is passed over.
    mix(chunk ^ (length as u64) << 58 ^ 0xA24B_AED4_963E_E407) | 1
}

/// The number of a plain token of up to eight ASCII bytes.
#[inline]
pub(super) const fn short_key(chunk: u64, length: usize) -> u64 {
    number(lower(chunk), length)
}

/// The number of a plain token of nine to sixteen ASCII bytes.
#[inline]
pub(super) const fn long_key(first: u64, rest: u64, length: usize) -> u64 {
    number(lower(rest) ^ mix(lower(first) ^ CHUNK), length)
}

/// Sets a chunk in the middle of a token apart from one at its end.
const CHUNK: u64 = 0x2545_F491_4F6C_DD1D;

fn ascii_key(bytes: &[u8]) -> Option<u64> {
    bytes.is_ascii().then(|| ascii_or_not_key(bytes))
}

/// The number of bytes whose ASCII letters are made lower-case first.
fn ascii_or_not_key(bytes: &[u8]) -> u64 {
    let mut key = 0;
    let mut chunks = bytes.chunks(8).peekable();
    while let Some(chunk) = chunks.next() {
        let raw = chunk.try_into().map_or_else(|_| load_short(chunk), u64::from_le_bytes);
        // The masks of `lower` need the high bits to be free.
        let plain = if raw & HIGH_BITS == 0 { lower(raw) } else { lower_each(chunk) };
        let last = chunks.peek().is_none();
        key = if last { number(plain ^ key, bytes.len()) } else { mix(plain ^ key ^ CHUNK) };
    }
    key
}

fn lower_each(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |chunk, byte| chunk << 8 | u64::from(byte.to_ascii_lowercase()))
}

const fn is_ascii_dash(byte: u8) -> bool {
    byte == b'-'
}

fn is_dash(token: &str) -> bool {
    token.starts_with(['-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'])
}

const fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// The plain letter below the accents of a lower-case Latin letter.
pub(crate) fn base(character: char) -> char {
    let (table, first) = match character {
        'ß'..='\u{17f}' => (LATIN_1_AND_A, 0xdf),
        '\u{180}'..='\u{24f}' => (LATIN_B, 0x180),
        '\u{1e00}'..='\u{1eff}' => (LATIN_ADDITIONAL, 0x1e00),
        _ => return character,
    };
    match table.as_bytes().get(character as usize - first) {
        Some(b'.') | None => character,
        Some(&letter) => letter as char,
    }
}

// One plain letter per code point, `.` for none: the canonical decompositions of Unicode, and d, h, l, n, o, t for the
// letters with a bar or an eng.
const LATIN_1_AND_A: &str = ".aaaaaa.ceeeeiiiidnooooo.ouuuuy.y.a.a.a.c.c.c.c.d.d.e.e.e.e.e.g.g.g.g.h.h.i.i.i.i.i...j.kk.l.l.\
l.l.l.n.n.nn.n.o.o.o...r.r.r.s.s.s.s.t.t.t.u.u.u.u.u.u.w.y..z.z.zs";
const LATIN_B: &str = ".................................o..............u.............................a.i.o.u.u.u.u.u..a.a.....\
g.k.o.o..j....g...n.a.....a.a.e.e.i.i.o.o.r.r.u.u.s.t...h.......a.e.o.o.o.o.y............................";
const LATIN_ADDITIONAL: &str = ".a.b.b.b.c.d.d.d.d.d.e.e.e.e.e.f.g.h.h.h.h.h.i.i.k.k.k.l.l.l.l.m.m.m.n.n.n.n.o.o.o.o.p.p.r.r.r\
.r.s.s.s.s.s.t.t.t.t.u.u.u.u.u.v.v.w.w.w.w.w.x.x.y.z.z.zhtwy.......a.a.a.a.a.a.a.a.a.a.a.a.e.e.e.e.e.e.e.e.i.i.o.o.o.o.\
o.o.o.o.o.o.o.o.u.u.u.u.u.u.u.y.y.y.y......";

fn english_singular(form: &mut String, start: usize) {
    let word = &form[start..];
    if word.len() < 4 || !word.ends_with('s') {
        return;
    }
    let before = |ending: &str, bad: &[char]| word.strip_suffix(ending).is_some_and(|stem| !stem.ends_with(bad));
    if word.ends_with("ies") {
        if before("ies", &['a', 'e']) {
            form.truncate(form.len() - 3);
            form.push('y');
        }
    } else if word.ends_with("es") {
        if before("es", &['a', 'e', 'o']) {
            form.truncate(form.len() - 1);
        }
    } else if before("s", &['u', 's']) {
        form.truncate(form.len() - 1);
    }
}

fn spanish_singular(form: &mut String, start: usize) {
    let word = &form[start..];
    if word.len() < 4 || !word.ends_with('s') {
        return;
    }
    if word.ends_with("ces") {
        form.truncate(form.len() - 3);
        form.push('z');
    } else if word.strip_suffix("es").is_some_and(|stem| stem.ends_with(['d', 'l', 'n', 'r', 's', 'y', 'í', 'ú'])) {
        form.truncate(form.len() - 2);
    } else if word.strip_suffix('s').is_some_and(|stem| stem.ends_with(['a', 'e', 'i', 'o', 'u', 'á', 'é', 'ó'])) {
        form.truncate(form.len() - 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(rules: &Rules, token: &str) -> String {
        let mut form = String::new();
        rules.form(token, &mut form);
        form
    }

    #[test]
    fn the_tables_have_a_letter_for_every_place() {
        assert_eq!((LATIN_1_AND_A.len(), LATIN_B.len(), LATIN_ADDITIONAL.len()), (0xa1, 0xd0, 0x100));
        let rules = Rules { fold_accents: true, ..Rules::default() };
        for (accented, plain) in [
            ("São", "sao"),
            ("Łódź", "lodz"),
            ("ÅNGSTRÖM", "angstrom"),
            ("Việt", "viet"),
            ("e\u{301}t", "et"),
            ("Șțefan", "stefan"),
            ("ñandú", "nandu"),
            ("Straße", "strasse"),
            ("東", "東"),
        ] {
            assert_eq!(form(&rules, accented), plain, "{accented}");
        }
    }

    #[test]
    fn plurals_lose_their_ending_by_rule() {
        let english = Rules { plural: Plural::English, ..Rules::default() };
        for (word, stem) in [
            ("Cities", "city"),
            ("buses", "buse"),
            ("glass", "glass"),
            ("virus", "virus"),
            ("Cars", "car"),
            ("gas", "gas"),
        ] {
            assert_eq!(form(&english, word), stem);
        }
        let spanish = Rules { plural: Plural::Spanish, ..Rules::default() };
        for (word, stem) in [("peces", "pez"), ("películas", "película"), ("actores", "actor"), ("gas", "gas")] {
            assert_eq!(form(&spanish, word), stem);
        }
    }

    #[test]
    fn points_of_abbreviations_are_not_looked_at() {
        for (token, expected) in
            [("U.S.", "us"), ("U.S", "us"), ("Inc.", "inc"), ("3.14", "3.14"), ("a.com", "a.com"), ("...", "...")]
        {
            assert_eq!(form(&Rules::default(), token), expected);
        }
    }

    #[test]
    fn a_lemma_table_comes_before_the_rule() {
        let lemmas = Arc::new(Lemmas::from([("mice".to_owned(), "mouse".to_owned())]));
        let rules = Rules { plural: Plural::English, lemmas: Some(lemmas), ..Rules::default() };
        assert_eq!((form(&rules, "Mice"), form(&rules, "rats")), ("mouse".to_owned(), "rat".to_owned()));
    }

    proptest! {
        #[test]
        fn equal_forms_have_equal_numbers_and_others_do_not(
            left in "[a-cA-CéÉß.'’-]{1,3}|[a-bA-B]{7,18}|[ab]{7}É?\\.?",
            right in "[a-cA-CéÉß.'’-]{1,3}|[a-bA-B]{7,18}|[ab]{7}É?\\.?",
            padding in "[ x]{0,9}",
            fold_accents: bool,
        ) {
            let rules = Rules { fold_accents, ..Rules::default() };
            let key = |token: &str| {
                let text = format!("{token}{padding}");
                rules.key(&text, Token { start: 0, end: token.len() as u32 }, &mut String::new())
            };
            prop_assert_eq!(key(&left) == key(&right), form(&rules, &left) == form(&rules, &right));
        }
    }
}
