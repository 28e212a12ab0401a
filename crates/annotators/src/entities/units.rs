//! A text as the tries read it: tokens with their numbers.

use postil_core::text::{Token, Tokenizer};

use super::fold::Rules;

/// A token and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) token: Token,
    pub(super) key: u64,
}

/// Fills `units` with the tokens of a text: those of [`Tokenizer::Words`], but that an apostrophe and the `s` right
/// behind it are one token wherever they stand, so that text whose tokens were set apart by spaces reads like any other.
#[inline]
pub(super) fn read(text: &str, rules: &Rules, units: &mut Vec<Unit>, scratch: &mut String) {
    units.clear();
    Tokenizer::Words.visit(text, |token| {
        if token.end - token.start == 1 && joins_apostrophe(text, token, units.last()) {
            if let Some(last) = units.last_mut() {
                last.token.end = token.end;
                last.key = rules.key(text, last.token, scratch);
            }
            return;
        }
        units.push(Unit { token, key: rules.key(text, token, scratch) });
    });
}

#[inline]
fn joins_apostrophe(text: &str, token: Token, before: Option<&Unit>) -> bool {
    matches!(text.as_bytes()[token.start as usize], b's' | b'S')
        && before
            .is_some_and(|before| before.token.end == token.start && matches!(before.token.of(text), "'" | "\u{2019}"))
}

/// The numbers of tokens that were read before, under other rules.
pub(super) fn renumber(text: &str, rules: &Rules, units: &mut [Unit], scratch: &mut String) {
    for unit in units {
        unit.key = rules.key(text, unit.token, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_possessive_is_one_token_with_and_without_a_space_before_it() {
        let forms = |text: &str| {
            let mut units = Vec::new();
            read(text, &Rules::default(), &mut units, &mut String::new());
            units.iter().map(|unit| (unit.token.of(text).to_owned(), unit.key)).collect::<Vec<_>>()
        };
        assert_eq!(forms("Lloyd's Bank"), forms("Lloyd 's  Bank"));
        assert_eq!(forms("a 's b").len(), 3);
        assert_eq!(forms("it ' s b").len(), 5);
    }
}
