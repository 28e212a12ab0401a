//! Sentences: runs of tokens, short enough for a tagger.

use std::ops::Range;

use super::tokens::Token;

/// No sentence has more tokens: the work and memory of a tagger stay bounded.
pub const LONGEST_SENTENCE: usize = 256;

/// The sentences of a text as ranges of its tokens, in order and without gaps.
///
/// A sentence ends at a line break, and after `.`, `!`, `?`, `…` or their like in other scripts, with the closing quotes
/// and brackets behind them, unless a lower-case word follows. What is still longer than [`LONGEST_SENTENCE`] is cut
/// there.
pub fn sentences(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = 0;
    // Whether an end has been seen that the token before belongs to.
    let mut ended = false;
    for (position, token) in tokens.iter().enumerate() {
        if position > start {
            let gap = &text.as_bytes()[tokens[position - 1].end as usize..token.start as usize];
            let word = token.of(text);
            let line = memchr::memchr2(b'\n', b'\r', gap).is_some();
            let continues = word.chars().next().is_some_and(char::is_lowercase)
                || is_closing(word, gap.is_empty())
                || (gap.is_empty() && (is_end(word) || matches!(word, "," | ";" | ":")));
            if line || (ended && !continues) || position - start == LONGEST_SENTENCE {
                sentences.push(start..position);
                start = position;
                ended = false;
            }
            ended = is_end(word) || (ended && is_closing(word, gap.is_empty()));
        } else {
            ended = is_end(token.of(text));
        }
    }
    if start < tokens.len() {
        sentences.push(start..tokens.len());
    }
    sentences
}

fn is_end(token: &str) -> bool {
    let first = token.chars().next();
    first.is_some_and(|character| {
        matches!(character, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '।' | '؟' | '۔' | '։')
    })
}

/// Whether a token closes what was said: a bracket, a closing quote, or a straight one that touches the sentence.
fn is_closing(token: &str, touches: bool) -> bool {
    match token {
        ")" | "]" | "}" | "”" | "’" | "»" | "」" | "』" | "）" | "''" => true,
        "\"" | "'" => touches,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Tokenizer;

    fn split(text: &str) -> Vec<&str> {
        let tokens = Tokenizer::Words.tokenize(text);
        sentences(text, &tokens)
            .into_iter()
            .map(|range| &text[tokens[range.start].start as usize..tokens[range.end - 1].end as usize])
            .collect()
    }

    #[test]
    fn sentences_end_where_a_reader_would_end_them() {
        let cases: &[(&str, &[&str])] = &[
            ("He left. She stayed.", &["He left.", "She stayed."]),
            ("Mr. Ott of Acme Inc. left. Why?", &["Mr. Ott of Acme Inc. left.", "Why?"]),
            ("It cost 3.50. and more", &["It cost 3.50. and more"]),
            ("“Go.” She went (fast!). Then home", &["“Go.”", "She went (fast!).", "Then home"]),
            ("one\ntwo\r\nthree", &["one", "two", "three"]),
            ("東京。大阪。", &["東京。", "大阪。"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&split(text), expected, "{text}");
        }
    }

    #[test]
    fn no_sentence_is_too_long() {
        let text = "a ".repeat(1000);
        let tokens = Tokenizer::Words.tokenize(&text);
        let ranges = sentences(&text, &tokens);
        assert_eq!(ranges.len(), 4);
        assert!(ranges.iter().all(|range| range.len() <= LONGEST_SENTENCE));
        assert_eq!(ranges.last().map(|range| range.end), Some(1000));
    }
}
