//! Tokens: stretches of the text, never copies of it.

use serde::{Deserialize, Serialize};

use super::characters::{Kind, kind};

/// A token: bytes of the text, end-exclusive. Nothing is inserted or rewritten, so text and tokens give back each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Token {
    /// What the token says.
    ///
    /// # Panics
    /// If the token is not one of this text.
    pub fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

/// How a text falls into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// Words in the sense of Unicode's annex 29, with the conventions of the field:
    ///
    /// * a possessive `'s` is a token of its own; `don't` and `O'Neill` are one;
    /// * numbers keep their points and commas (`1,500.25`), initials and abbreviations of letters and points keep
    ///   theirs (`U.S.`, `J.`), as do common titles and forms (`Mr.`, `Inc.`);
    /// * addresses of pages and mail, `@names` and `#tags` are one token;
    /// * hyphens and other punctuation stand alone, but a run of one of them (`...`, `--`) is one token;
    /// * each character of a script written without spaces is a token; emoji sequences and flags are one.
    #[default]
    Words,
    /// What lies between white space.
    Whitespace,
    /// Every character with the marks that follow it.
    Characters,
}

impl Tokenizer {
    /// All tokenizers.
    pub const ALL: [Self; 3] = [Self::Words, Self::Whitespace, Self::Characters];

    /// The name used in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Whitespace => "whitespace",
            Self::Characters => "characters",
        }
    }

    /// The tokenizer of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tokenizer| tokenizer.name() == name)
    }

    /// All tokens of a text of at most 4 GB, in order. White space is in no token; everything else is in exactly one.
    pub fn tokenize(self, text: &str) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(text.len() / 5);
        self.visit(text, |token| tokens.push(token));
        tokens
    }

    /// Calls `visitor` for every token of a text of at most 4 GB, in order.
    pub fn visit(self, text: &str, mut visitor: impl FnMut(Token)) {
        let mut start = 0;
        while let Some(token) = self.next(text, start) {
            visitor(token);
            start = token.end as usize;
        }
    }

    /// The first token from a byte on, at which a token may begin: the end of another, or white space.
    #[inline]
    pub fn next(self, text: &str, mut start: usize) -> Option<Token> {
        while start < text.len() {
            let first = text.as_bytes()[start];
            if first.is_ascii_whitespace() {
                start += 1;
                continue;
            }
            let end = match self {
                Self::Words => {
                    if let Some(end) = word(text, start) {
                        end
                    } else {
                        start += width(first);
                        continue;
                    }
                }
                Self::Whitespace => {
                    let (first, end) = step(text, start);
                    if first == Kind::Space {
                        start = end;
                        continue;
                    }
                    run(text, end, |kind| kind != Kind::Space)
                }
                Self::Characters => {
                    let (first, end) = step(text, start);
                    if first == Kind::Space {
                        start = end;
                        continue;
                    }
                    run(text, end, |kind| kind == Kind::Extend)
                }
            };
            return Some(Token { start: start as u32, end: end as u32 });
        }
        None
    }
}

/// The length of the character that begins with this byte.
const fn width(first: u8) -> usize {
    match first {
        0..=0xBF => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    }
}

/// The kind of the character at a byte, and where it ends; at the end of the text, white space.
fn step(text: &str, at: usize) -> (Kind, usize) {
    let Some(&byte) = text.as_bytes().get(at) else { return (Kind::Space, at) };
    if byte < 0x80 {
        return (ASCII[usize::from(byte)], at + 1);
    }
    let character = text[at..].chars().next().unwrap_or(' ');
    (kind(character), at + character.len_utf8())
}

/// Where the characters that `belongs` from `at` on end.
fn run(text: &str, mut at: usize, belongs: impl Fn(Kind) -> bool) -> usize {
    while at < text.len() {
        let (kind, next) = step(text, at);
        if !belongs(kind) {
            break;
        }
        at = next;
    }
    at
}

/// Where the token that begins at `start` ends, or `None` if white space stands there.
fn word(text: &str, start: usize) -> Option<usize> {
    let (first, after) = step(text, start);
    let end = match first {
        Kind::Space => return None,
        Kind::Letter | Kind::Digit | Kind::Connector => return Some(letters(text, start)),
        Kind::Unspaced | Kind::Extend => run(text, after, |kind| kind == Kind::Extend),
        Kind::Pictograph => pictographs(text, after),
        Kind::Regional => match step(text, after) {
            (Kind::Regional, pair) => pair,
            _ => after,
        },
        Kind::Other => other(text, start, after),
    };
    Some(end)
}

/// Punctuation and symbols: alone, in a run of the same, or at the head of a name or tag, a clitic.
fn other(text: &str, start: usize, after: usize) -> usize {
    let character = &text[start..after];
    if matches!(character, "@" | "#") && matches!(step(text, after).0, Kind::Letter | Kind::Connector | Kind::Digit) {
        return run(text, after, |kind| matches!(kind, Kind::Letter | Kind::Digit | Kind::Connector | Kind::Extend));
    }
    if let Some(end) = clitic(text, start) {
        return end;
    }
    let mut end = after;
    while text[end..].starts_with(character) {
        end += character.len();
    }
    run(text, end, |kind| kind == Kind::Extend)
}

/// The end of a possessive `'s` at `start`, if one stands there and a word ends before it.
fn clitic(text: &str, start: usize) -> Option<usize> {
    let mark = apostrophe(text, start)?;
    let after = start + mark;
    let before = text[..start].chars().next_back()?;
    if !matches!(text.as_bytes().get(after), Some(b's' | b'S')) || !before.is_alphanumeric() {
        return None;
    }
    let goes_on = matches!(step(text, after + 1).0, Kind::Letter | Kind::Digit | Kind::Connector | Kind::Extend);
    (!goes_on).then_some(after + 1)
}

/// The length of the apostrophe at a byte.
fn apostrophe(text: &str, at: usize) -> Option<usize> {
    match *text.as_bytes().get(at)? {
        b'\'' => Some(1),
        0xE2 if text[at..].starts_with('’') => Some('’'.len_utf8()),
        _ => None,
    }
}

/// An emoji and what is joined to it.
fn pictographs(text: &str, mut at: usize) -> usize {
    loop {
        let end = run(text, at, |kind| kind == Kind::Extend);
        let joined = text[at..end].ends_with('\u{200D}');
        match step(text, end) {
            (Kind::Pictograph, next) if joined => at = next,
            _ => return end,
        }
    }
}

/// Where a word, number, abbreviation or address that begins at `start` ends.
fn letters(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut end = start;
    // The last kind that is not a mark.
    let mut last = Kind::Space;
    loop {
        // Nearly all letters are these.
        let head = end;
        while bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
            end += 1;
        }
        if end > head {
            last = ASCII[usize::from(bytes[end - 1])];
            // A space ends nearly all words, and needs no look at what may join them.
            if bytes.get(end) == Some(&b' ') {
                return end;
            }
        }
        let (kind, next) = step(text, end);
        match kind {
            Kind::Letter | Kind::Digit | Kind::Connector => (last, end) = (kind, next),
            Kind::Extend => end = next,
            Kind::Other => match inner(text, end, next, last) {
                Inner::Joins => end = next,
                Inner::Address => return address(text, start, end),
                Inner::Ends => return abbreviation(text, start, end),
            },
            _ => return end,
        }
    }
}

/// What a mark inside a word does.
enum Inner {
    Joins,
    Ends,
    Address,
}

fn inner(text: &str, at: usize, after: usize, last: Kind) -> Inner {
    let following = step(text, after).0;
    match &text[at..after] {
        "'" | "’" if last == Kind::Letter && following == Kind::Letter && clitic(text, at).is_none() => Inner::Joins,
        "." | "," | "٫" | "٬" if last == Kind::Digit && following == Kind::Digit => Inner::Joins,
        "·" | "״" if last == Kind::Letter && following == Kind::Letter => Inner::Joins,
        "." if last == Kind::Letter && following == Kind::Letter => Inner::Address,
        ":" if text[after..].starts_with("//") => Inner::Address,
        "@" if matches!(following, Kind::Letter | Kind::Digit) => Inner::Address,
        _ => Inner::Ends,
    }
}

/// Abbreviations whose point belongs to them, in lower case.
const ABBREVIATIONS: [&str; 40] = [
    "adm", "apr", "aug", "ave", "bros", "capt", "cf", "co", "col", "corp", "dec", "dr", "etc", "feb", "fig", "gen",
    "gov", "hon", "inc", "jan", "jr", "lt", "ltd", "maj", "messrs", "mr", "mrs", "ms", "mt", "nov", "oct", "prof",
    "rep", "rev", "sen", "sept", "sgt", "sr", "st", "vs",
];

/// The end of the word that ends at `end`, with its point if it is an initial or a common abbreviation.
fn abbreviation(text: &str, start: usize, end: usize) -> usize {
    if text.as_bytes().get(end) != Some(&b'.') || text.as_bytes().get(end + 1) == Some(&b'.') {
        return end;
    }
    let word = &text[start..end];
    let mut characters = word.chars();
    let initial = characters.next().is_some_and(char::is_uppercase) && characters.next().is_none();
    let known = word.len() <= 6 && {
        let lower = word.to_ascii_lowercase();
        ABBREVIATIONS.binary_search(&lower.as_str()).is_ok()
    };
    if initial || known { end + 1 } else { end }
}

/// The end of what looks like `U.S.`, `www.example.org/a`, `name@example.org` or `https://...`, or of the word alone.
fn address(text: &str, start: usize, word_end: usize) -> usize {
    // No address is longer; without a bound a text of nothing but points would be read over and over.
    const LONGEST: usize = 2048;
    let rest = &text[start..];
    let stop = rest
        .char_indices()
        .take_while(|(byte, character)| {
            *byte < LONGEST
                && !character.is_whitespace()
                && !matches!(character, '<' | '>' | '"' | '|' | '`' | '“' | '”')
        })
        .last()
        .map_or(0, |(byte, character)| byte + character.len_utf8());
    let whole = &rest[..stop];
    let lettered = lettered(whole);
    if lettered > 0 {
        return start + lettered;
    }
    let bare = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '\'', '’', '*']);
    let scheme =
        bare.find("://").is_some_and(|at| at > 0 && bare[..at].bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if scheme || (bare.starts_with("www.") && bare.len() > 4) {
        return start + bare.len();
    }
    let mail = bare.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && is_host(host) && name.chars().all(|c| c.is_alphanumeric() || "._-+%".contains(c))
    });
    let host_end = bare.find(['/', ':', '?', '#']).unwrap_or(bare.len());
    let path = host_end < bare.len() && bare[host_end..].starts_with('/');
    if mail {
        return start + bare.len();
    }
    if is_host(&bare[..host_end]) {
        return start + if path { bare.len() } else { host_end };
    }
    abbreviation(text, start, word_end)
}

/// The length of single letters with a point each, `U.S.` or `e.g`, at the head of a text; 0 if there are none.
fn lettered(text: &str) -> usize {
    let mut end = 0;
    let mut count = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((_, letter)) = characters.next() {
        if !letter.is_alphabetic() {
            break;
        }
        match characters.next() {
            Some((at, '.')) => {
                end = at + 1;
                count += 1;
            }
            // A word behind the letters is not one of them, unless it is a single letter at the end.
            Some((at, other)) => {
                if other.is_alphanumeric() {
                    return 0;
                }
                if count > 0 && other != '\'' && other != '’' {
                    end = at;
                    count += 1;
                }
                break;
            }
            None => {
                if count > 0 {
                    end += letter.len_utf8();
                    count += 1;
                }
                break;
            }
        }
    }
    if count >= 2 { end } else { 0 }
}

/// Endings by which a name with points is taken for a host, in lower case.
const HOSTS: [&str; 26] = [
    "ai", "app", "br", "ca", "ch", "cn", "co", "com", "de", "dev", "edu", "es", "eu", "fr", "gov", "in", "info", "io",
    "it", "jp", "ly", "net", "nl", "org", "ru", "uk",
];

fn is_host(name: &str) -> bool {
    let Some((_, ending)) = name.rsplit_once('.') else { return false };
    HOSTS.binary_search(&ending.to_ascii_lowercase().as_str()).is_ok()
        && name.split('.').all(|part| {
            !part.is_empty()
                && part.chars().all(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
        })
}

/// The kinds of the ASCII characters.
static ASCII: [Kind; 128] = {
    let mut kinds = [Kind::Other; 128];
    let mut byte = 0;
    while byte < 128 {
        let character = byte as u8;
        kinds[byte] = if character.is_ascii_alphabetic() {
            Kind::Letter
        } else if character.is_ascii_digit() {
            Kind::Digit
        } else if character == b'_' {
            Kind::Connector
        } else if character <= b' ' || character == 0x7F {
            Kind::Space
        } else {
            Kind::Other
        };
        byte += 1;
    }
    kinds
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<&str> {
        Tokenizer::Words.tokenize(text).into_iter().map(|token| token.of(text)).collect()
    }

    #[test]
    fn words_follow_the_conventions() {
        let cases: &[(&str, &[&str])] = &[
            ("Ann's cat, don't!", &["Ann", "'s", "cat", ",", "don't", "!"]),
            ("the Smiths’ and Bob’s", &["the", "Smiths", "’", "and", "Bob", "’s"]),
            ("O'Neill paid 1,500.25 (US$3).", &["O'Neill", "paid", "1,500.25", "(", "US", "$", "3", ")", "."]),
            ("U.S. and U.N, e.g. J. Smith", &["U.S.", "and", "U.N", ",", "e.g.", "J.", "Smith"]),
            ("Mr. Ott of Acme Inc. left.", &["Mr.", "Ott", "of", "Acme", "Inc.", "left", "."]),
            ("well... yes -- all-round", &["well", "...", "yes", "--", "all", "-", "round"]),
            ("see https://a.b/c?d=1, or www.x.org.", &["see", "https://a.b/c?d=1", ",", "or", "www.x.org", "."]),
            ("me@mail.example.com @you #tag_1 C#", &["me@mail.example.com", "@you", "#tag_1", "C", "#"]),
            ("end.Next example.com/x", &["end", ".", "Next", "example.com/x"]),
            ("東京都に 住む", &["東", "京", "都", "に", "住", "む"]),
            ("👩‍👩‍👧 ok 🇳🇴🇸🇪 👍🏽", &["👩‍👩‍👧", "ok", "🇳🇴", "🇸🇪", "👍🏽"]),
            ("e\u{301}t שלום\u{A0}مرحبا", &["e\u{301}t", "שלום", "مرحبا"]),
            ("snake_case x_1 7th 3.14.", &["snake_case", "x_1", "7th", "3.14", "."]),
            ("rock'n'roll 'quoted'", &["rock'n'roll", "'", "quoted", "'"]),
            ("", &[]),
            (" \r\n\t", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&tokens(text), expected, "{text}");
        }
        assert!(ABBREVIATIONS.is_sorted() && HOSTS.is_sorted());
    }

    #[test]
    fn white_space_and_characters_are_other_ways() {
        let text = "a-b  ce\u{301}\u{A0}d";
        let of = |tokenizer: Tokenizer| -> Vec<&str> {
            tokenizer.tokenize(text).iter().map(|token| token.of(text)).collect()
        };
        assert_eq!(of(Tokenizer::Whitespace), ["a-b", "ce\u{301}", "d"]);
        assert_eq!(of(Tokenizer::Characters), ["a", "-", "b", "c", "e\u{301}", "d"]);
    }

    #[test]
    fn a_long_run_takes_linear_time() {
        for text in ["a.".repeat(500_000), ".".repeat(1_000_000), "a@".repeat(500_000), "x".repeat(1_000_000)] {
            let tokens = Tokenizer::Words.tokenize(&text);
            assert_eq!(tokens.iter().map(|token| token.end - token.start).sum::<u32>(), 1_000_000);
        }
    }

    proptest! {
        #[test]
        fn tokens_and_white_space_make_up_the_text(text in "(\\PC|[a-z.@:/'_#-]|[0-9.,]|\\s|👩‍👧|🇳🇴){0,60}") {
            for tokenizer in Tokenizer::ALL {
                let mut at = 0;
                for token in tokenizer.tokenize(&text) {
                    prop_assert!(token.start < token.end && token.start >= at);
                    let gap = &text[at as usize..token.start as usize];
                    prop_assert!(gap.chars().all(|character| kind(character) == Kind::Space), "{:?} lost in {:?}", gap, text);
                    at = token.end;
                }
                prop_assert!(text[at as usize..].chars().all(|character| kind(character) == Kind::Space));
            }
        }
    }
}
