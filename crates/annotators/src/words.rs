//! Exact phrases at word borders, in any script and either case.
//!
//! A phrase matches where its letters stand in the text and a word border lies at both of its ends, so `cat` is never
//! found in `concatenate`. The rules:
//!
//! * Word characters are those of `\w` in a regular expression: letters, digits, marks, connector punctuation.
//! * A border lies between two characters unless both are word characters. A phrase that ends in punctuation (`c++`)
//!   has its border there.
//! * Scripts written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) have a border between any two characters,
//!   except before a dependent mark: `東京` is found in `東京都`.
//! * A run of white space in the text, line breaks included, counts as one space; curly apostrophes count as straight.
//! * Ignoring case follows Unicode: `STRASSE` is found by `straße`, a final sigma equals a sigma, and the dotted and
//!   dotless Turkish i count as i. Nothing is normalised otherwise: a precomposed and a decomposed é differ.
//!
//! Of several phrases that start at one place the longest counts, and occurrences do not overlap: the leftmost wins.

use std::ops::{ControlFlow, Range};

use aho_corasick::AhoCorasick;

/// A phrase to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phrase {
    pub(crate) text: String,
    /// Whether the case of every letter counts.
    pub(crate) exact: bool,
}

/// Any number of phrases in one automaton; a search costs one pass over the text.
#[derive(Debug)]
pub(crate) struct PhraseMatcher {
    automaton: AhoCorasick,
    /// The phrases behind each pattern: those that differ only in case share one.
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    phrases: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    phrase: u32,
    /// The spelling to compare with, when case counts.
    spelling: Option<String>,
}

struct Occurrence {
    start: usize,
    end: usize,
    pattern: usize,
}

impl PhraseMatcher {
    /// Builds the automaton. Phrases must not be blank; the message of an error is for the user.
    pub(crate) fn new(phrases: &[Phrase]) -> Result<Self, String> {
        let mut folded_patterns: Vec<String> = Vec::new();
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (number, phrase) in phrases.iter().enumerate() {
            let folded = fold(phrase.text.trim());
            if folded.is_empty() {
                return Err(format!("phrase {} is blank", number + 1));
            }
            let place = *places.entry(folded.clone()).or_insert_with(|| {
                folded_patterns.push(folded);
                patterns.push(Pattern { phrases: Vec::new() });
                patterns.len() - 1
            });
            let spelling = phrase.exact.then(|| respace(phrase.text.trim()));
            patterns[place].phrases.push(Candidate { phrase: number as u32, spelling });
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&folded_patterns)
            .map_err(|error| format!("the phrases could not be indexed: {error}"))?;
        Ok(Self { automaton, patterns })
    }

    /// Visits the occurrences from left to right: the byte range in `text`, and the number of a phrase. Phrases that
    /// share an occurrence are visited one after the other, in the order they were given.
    pub(crate) fn visit(&self, text: &str, mut visitor: impl FnMut(Range<usize>, usize) -> ControlFlow<()>) {
        let folded = Folded::new(text);
        let mut occurrences: Vec<Occurrence> = Vec::new();
        for found in self.automaton.find_overlapping_iter(folded.text()) {
            let (start, end, pattern) = (found.start(), found.end(), found.pattern().as_usize());
            if self.accepts(text, &folded, start, end, pattern) {
                occurrences.push(Occurrence { start, end, pattern });
            }
        }
        occurrences.sort_unstable_by_key(|found| (found.start, usize::MAX - found.end));
        let mut free_from = 0;
        for found in occurrences {
            if found.start < free_from {
                continue;
            }
            free_from = found.end;
            let range = folded.range(found.start, found.end);
            for candidate in &self.patterns[found.pattern].phrases {
                if candidate.matches(&text[range.clone()])
                    && visitor(range.clone(), candidate.phrase as usize).is_break()
                {
                    return;
                }
            }
        }
    }

    /// Whether any phrase occurs.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        let folded = Folded::new(text);
        self.automaton
            .find_overlapping_iter(folded.text())
            .any(|found| self.accepts(text, &folded, found.start(), found.end(), found.pattern().as_usize()))
    }

    /// The byte ranges of the occurrences, each once.
    pub(crate) fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        self.visit(text, |range, _| {
            if ranges.last() != Some(&range) {
                ranges.push(range);
            }
            ControlFlow::Continue(())
        });
        ranges
    }

    fn accepts(&self, text: &str, folded: &Folded<'_>, start: usize, end: usize, pattern: usize) -> bool {
        is_border(folded.text(), start)
            && is_border(folded.text(), end)
            && self.patterns[pattern]
                .phrases
                .iter()
                .any(|candidate| candidate.spelling.is_none() || candidate.matches(&text[folded.range(start, end)]))
    }
}

impl Candidate {
    fn matches(&self, surface: &str) -> bool {
        self.spelling.as_ref().is_none_or(|spelling| *spelling == surface || *spelling == respace(surface))
    }
}

/// A text as the automaton reads it, and the way back to the original.
enum Folded<'t> {
    /// ASCII with single spaces: the automaton ignores case by itself.
    Plain(&'t str),
    /// The folded text, and for each of its bytes the byte of the original where its character starts; one entry more
    /// for the end.
    Mapped { text: String, origins: Vec<usize> },
}

impl<'t> Folded<'t> {
    fn new(text: &'t str) -> Self {
        if is_plain(text.as_bytes()) {
            return Self::Plain(text);
        }
        let mut folded = String::with_capacity(text.len());
        let mut origins = Vec::with_capacity(text.len() + 1);
        let mut after_space = false;
        for (origin, character) in text.char_indices() {
            if character.is_whitespace() {
                if !after_space {
                    folded.push(' ');
                    origins.push(origin);
                }
                after_space = true;
                continue;
            }
            after_space = false;
            fold_character(character, &mut folded);
            origins.resize(folded.len(), origin);
        }
        origins.push(text.len());
        Self::Mapped { text: folded, origins }
    }

    fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Mapped { text, .. } => text,
        }
    }

    /// The original bytes behind a range of the folded text.
    fn range(&self, start: usize, end: usize) -> Range<usize> {
        match self {
            Self::Plain(_) => start..end,
            Self::Mapped { origins, .. } => origins[start]..origins[end],
        }
    }
}

/// ASCII without runs of white space and without white space other than the blank.
fn is_plain(text: &[u8]) -> bool {
    let mut after_space = false;
    text.iter().all(|&byte| {
        let space = byte == b' ';
        let fits = byte.is_ascii() && !(space && after_space) && !matches!(byte, b'\t'..=b'\r' | 0x1c..=0x1f);
        after_space = space;
        fits
    })
}

/// The folded form of a phrase.
fn fold(text: &str) -> String {
    match Folded::new(text) {
        Folded::Plain(text) => text.to_ascii_lowercase(),
        Folded::Mapped { text, .. } => text,
    }
}

/// One space for every run of white space and straight apostrophes, with case kept.
fn respace(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    let mut after_space = false;
    for character in text.chars() {
        let space = character.is_whitespace();
        if !(space && after_space) {
            spaced.push(match character {
                _ if space => ' ',
                '\u{2018}' | '\u{2019}' => '\'',
                other => other,
            });
        }
        after_space = space;
    }
    spaced
}

/// Upper case and then lower case: near enough to Unicode's full case folding, from the standard library's tables.
pub(crate) fn fold_character(character: char, folded: &mut String) {
    match character {
        _ if character.is_ascii() => folded.push(character.to_ascii_lowercase()),
        '\u{2018}' | '\u{2019}' => folded.push('\''),
        'İ' => folded.push('i'),
        _ => folded.extend(character.to_uppercase().flat_map(char::to_lowercase)),
    }
}

/// Whether a word border lies at a byte position, which must be between characters.
pub(crate) fn is_border(text: &str, position: usize) -> bool {
    let bytes = text.as_bytes();
    if position == 0 || position == bytes.len() {
        return true;
    }
    let (left, right) = (bytes[position - 1], bytes[position]);
    if left.is_ascii() && right.is_ascii() {
        return !(is_ascii_word(left) && is_ascii_word(right));
    }
    let (before, after) = text.split_at(position);
    match (before.chars().next_back(), after.chars().next()) {
        (Some(left), Some(right)) => {
            !(is_word(left) && is_word(right))
                || ((is_unspaced(left) || is_unspaced(right)) && !is_dependent_mark(right))
        }
        _ => true,
    }
}

/// The words of a text: the stretches of word characters between borders.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = text[start..].char_indices().find(|&(_, character)| is_word(character))?;
        let from = start + first.0;
        let after_first = from + first.1.len_utf8();
        let to = text[after_first..]
            .char_indices()
            .map(|(offset, _)| after_first + offset)
            .find(|&position| is_border(text, position))
            .unwrap_or(text.len());
        start = to;
        Some(&text[from..to])
    })
}

const fn is_ascii_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_word(character: char) -> bool {
    if character.is_ascii() { is_ascii_word(character as u8) } else { regex_syntax::is_word_character(character) }
}

/// Letters of the scripts that are written without spaces between words.
const fn is_unspaced(character: char) -> bool {
    matches!(
        character,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' // kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{20000}'..='\u{323af}'
    )
}

/// Vowel signs and tone marks of those scripts, which belong to the letter before, and combining marks in general.
const fn is_dependent_mark(character: char) -> bool {
    matches!(
        character,
        '\u{0300}'..='\u{036f}'
        | '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}'
        | '\u{0eb1}' | '\u{0eb4}'..='\u{0ebc}' | '\u{0ec8}'..='\u{0ece}'
        | '\u{102b}'..='\u{103e}' | '\u{1056}'..='\u{1059}'
        | '\u{17b4}'..='\u{17d3}' | '\u{17dd}'
        | '\u{200d}' | '\u{3099}' | '\u{309a}' | '\u{30fc}' | '\u{fe00}'..='\u{fe0f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matcher(phrases: &[&str], exact: bool) -> PhraseMatcher {
        let phrases: Vec<Phrase> = phrases.iter().map(|&text| Phrase { text: text.to_owned(), exact }).collect();
        PhraseMatcher::new(&phrases).unwrap()
    }

    fn found(phrases: &[&str], exact: bool, text: &str) -> Vec<String> {
        matcher(phrases, exact).ranges(text).into_iter().map(|range| text[range].to_owned()).collect()
    }

    #[test]
    fn phrases_stand_at_word_borders_in_every_script() {
        let cases: &[(&[&str], &str, &[&str])] = &[
            (&["cat"], "concatenate the cat, Cat's CAT_1 cat", &["cat", "Cat", "cat"]),
            (&["c++", "c"], "C++ and c; c++11, cc", &["C++", "c", "c++"]),
            (&["credit card"], "my credit\n  card, creditcard", &["credit\n  card"]),
            (&["credit", "credit card"], "credit card credit", &["credit card", "credit"]),
            (&["don't"], "I don\u{2019}t, don't", &["don\u{2019}t", "don't"]),
            (&["straße"], "STRASSE Straße straßen", &["STRASSE", "Straße"]),
            (&["οδος"], "ΟΔΟΣ οδός", &["ΟΔΟΣ"]),
            (&["istanbul"], "İSTANBUL", &["İSTANBUL"]),
            (&["東京"], "私は東京都に", &["東京"]),
            (&["ก"], "กา ก็ ก", &["ก", "ก"]),
            (&["cafe"], "cafe\u{301} cafe", &["cafe"]),
            (&["👍"], "ok👍👍", &["👍", "👍"]),
            (&[":)"], "fine:) ok", &[":)"]),
            (&["naïve"], "NAÏVE naïveté", &["NAÏVE"]),
            (&["a"], "", &[]),
        ];
        for (phrases, text, expected) in cases {
            assert_eq!(&found(phrases, false, text), expected, "{phrases:?} in {text:?}");
        }
        assert_eq!(found(&["US"], true, "US us Us the US"), ["US", "US"]);
        assert_eq!(found(&["É  x"], true, "É\tx é x"), ["É\tx"]);
    }

    #[test]
    fn words_are_what_lies_between_borders() {
        let pieces: Vec<&str> = words("Don't pay $3.50 für 東京, ok👍!").collect();
        assert_eq!(pieces, ["Don", "t", "pay", "3", "50", "für", "東", "京", "ok"]);
        assert_eq!(words("").count() + words("  👍 ").count(), 0);
    }

    #[test]
    fn a_blank_phrase_is_refused() {
        assert!(PhraseMatcher::new(&[Phrase { text: " \t".into(), exact: false }]).is_err());
    }

    /// The rules of the module's first page, one place and one phrase at a time.
    fn slow(phrases: &[String], text: &str) -> Vec<Range<usize>> {
        let fold_text = |text: &str| {
            let mut folded = String::new();
            text.chars().for_each(|character| fold_character(character, &mut folded));
            folded
        };
        let borders: Vec<usize> =
            (0..=text.len()).filter(|&at| text.is_char_boundary(at) && is_border(text, at)).collect();
        let mut ranges = Vec::new();
        let mut free_from = 0;
        for &start in &borders {
            if start < free_from {
                continue;
            }
            let longest = borders
                .iter()
                .filter(|&&end| end > start)
                .filter(|&&end| phrases.iter().any(|phrase| fold_text(phrase) == fold_text(&text[start..end])))
                .max();
            if let Some(&end) = longest {
                ranges.push(start..end);
                free_from = end;
            }
        }
        ranges
    }

    proptest! {
        #[test]
        fn the_automaton_agrees_with_the_obvious_search(
            phrases in prop::collection::vec("[abA東éß+]{1,3}( [ab]{1,2})?", 1..6),
            text in "[abAB éÉß東京+_👍]{0,40}",
        ) {
            // Runs of spaces are one space to the matcher; the obvious search does not know that.
            let text = respace(&text);
            let given: Vec<Phrase> =
                phrases.iter().map(|text| Phrase { text: text.clone(), exact: false }).collect();
            let matcher = PhraseMatcher::new(&given).unwrap();
            let expected = slow(&phrases, &text);
            prop_assert_eq!(matcher.is_match(&text), !expected.is_empty());
            prop_assert_eq!(matcher.ranges(&text), expected);
        }
    }
}
