//! What the case of letters says about whether a word is the name.

use crate::list::Case;

/// The most letters of a word of capitals that counts as an acronym.
const ACRONYM: usize = 5;

/// Whether the words of a text have the case that a list asks for; pairs of words, list first, that are the same but
/// for their case. `single`: there is one pair.
pub(super) fn fits<'a>(case: Case, single: bool, mut pairs: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    match case {
        Case::Ignore => true,
        Case::Exact => pairs.all(|(listed, there)| same_case(listed, there)),
        Case::Smart => pairs.all(|(listed, there)| {
            if single && is_acronym(listed) {
                return same_case(listed, there);
            }
            !starts_upper(listed) || starts_upper(there)
        }),
    }
}

/// [`fits`] for ASCII texts that are the same but for their case.
pub(super) fn fits_ascii(case: Case, single: bool, listed: &[u8], there: &[u8]) -> bool {
    match case {
        Case::Ignore => true,
        Case::Exact => listed == there,
        Case::Smart => {
            if single && listed.len() <= 2 * ACRONYM && std::str::from_utf8(listed).is_ok_and(is_acronym) {
                return listed == there;
            }
            // Whether the first letter of a word is still to come.
            let mut begins = true;
            listed.iter().zip(there).all(|(&listed, &there)| {
                if listed.is_ascii_alphabetic() {
                    return !std::mem::take(&mut begins) || !listed.is_ascii_uppercase() || there.is_ascii_uppercase();
                }
                begins |= !matches!(listed, b'0'..=b'9' | b'_' | b'\'');
                true
            })
        }
    }
}

/// Whether every letter of one word has the case of that of the other, as far as both go; `U.S.` is `US`.
fn same_case(left: &str, right: &str) -> bool {
    let letters = |word: &'_ str| {
        word.chars().filter(|letter| letter.is_alphabetic()).map(char::is_uppercase).collect::<Vec<_>>()
    };
    letters(left).iter().zip(&letters(right)).all(|(left, right)| left == right)
}

fn starts_upper(word: &str) -> bool {
    word.chars().find(|character| character.is_alphabetic()).is_some_and(char::is_uppercase)
}

/// Whether a word is two to five capitals, points aside.
fn is_acronym(word: &str) -> bool {
    let letters = word.chars().filter(|character| character.is_alphabetic());
    is_capitals(word) && (1..=ACRONYM).contains(&letters.count())
}

/// Whether there are capitals and no small letters.
pub(super) fn is_capitals(word: &str) -> bool {
    let bytes = word.as_bytes();
    if word.is_ascii() {
        return !bytes.iter().any(u8::is_ascii_lowercase) && bytes.iter().any(u8::is_ascii_uppercase);
    }
    !word.chars().any(char::is_lowercase) && word.chars().any(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_policies() {
        let fits = |case, listed: &str, there: &str| {
            let single = !listed.contains(' ');
            fits(case, single, listed.split(' ').zip(there.split(' ')))
        };
        let cases = [
            ("Bank of Oslo", "BANK OF OSLO", true),
            ("Bank of Oslo", "Bank Of Oslo", true),
            ("Bank of Oslo", "bank of Oslo", false),
            ("aspirin", "Aspirin", true),
            ("Apple", "apple", false),
            ("US", "us", false),
            ("US", "Us", false),
            ("U.S.", "u.s.", false),
            ("IKEA Oslo", "Ikea Oslo", true),
            ("HEADLINES", "Headlines", true),
            ("McDonald", "Mcdonald", true),
            ("iPhone", "IPHONE", true),
            ("Éire", "ÉIRE", true),
        ];
        for (listed, there, expected) in cases {
            assert_eq!(fits(Case::Smart, listed, there), expected, "{listed} in {there}");
            assert!(fits(Case::Ignore, listed, there));
            assert!(!fits(Case::Exact, listed, there), "{listed} in {there}");
        }
        assert!(fits(Case::Exact, "Éire", "Eire"));
        for (listed, there, expected) in cases.into_iter().filter(|(listed, ..)| listed.is_ascii()) {
            let single = !listed.contains(' ');
            assert_eq!(fits_ascii(Case::Smart, single, listed.as_bytes(), there.as_bytes()), expected, "{listed}");
        }
    }
}
