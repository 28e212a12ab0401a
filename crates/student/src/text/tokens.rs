//! From raw text to hashed words: the one definition of a word that training and prediction share.
//!
//! A word is a run of letters, digits and marks, lower-cased, with apostrophes inside; a character of a script without
//! spaces, and any other visible character, is a word by itself.

/// Receives the words of a text in order.
pub(crate) trait WordSink {
    /// A word of ASCII letters: its hash, where it starts in the text, and its letters, capitals included.
    fn word(&mut self, hash: u64, place: usize, text: &[u8]);

    /// Any other word: its hash and its lower-cased letters, which are gone after the call.
    fn word_apart(&mut self, hash: u64, text: &[u8]);
}

const HASH_START: u64 = 0x517c_c1b7_2722_0a95;
const HASH_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash that stands before the first word and after the last one in n-grams.
pub(crate) const BORDER: u64 = 0x2545_f491_4f6c_dd1d;

#[inline(always)]
const fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(HASH_STEP).rotate_left(23)
}

/// Spreads the entropy of a hash over all its bits (the finaliser of SplitMix64).
#[inline(always)]
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    bits ^ (bits >> 32)
}

/// The key of the n-gram that extends `left` (a word's hash or a shorter n-gram's key) by the word `right`.
#[inline(always)]
pub(crate) const fn joined(left: u64, right: u64) -> u64 {
    mix(left.wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31) ^ right)
}

const SPACE: u8 = 0;
const SYMBOL: u8 = 1;
const WIDE: u8 = 2;

/// For every byte: the lower-case byte of a word character, or one of the codes above (all below any word character).
static ASCII: [u8; 256] = {
    let mut table = [SPACE; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'A'..=b'Z' => byte as u8 + 32,
            b'a'..=b'z' | b'0'..=b'9' | b'_' => byte as u8,
            0..=b' ' | 127 => SPACE,
            128..=255 => WIDE,
            _ => SYMBOL,
        };
        byte += 1;
    }
    table
};

/// Splits `text` into words; `buffer` is room for words with characters beyond ASCII.
#[inline(always)]
pub(crate) fn split(text: &str, buffer: &mut Vec<u8>, sink: &mut impl WordSink) {
    let bytes = text.as_bytes();
    let mut place = 0;
    while place < bytes.len() {
        let code = ASCII[bytes[place] as usize];
        if code > WIDE {
            let start = place;
            let mut hash = HASH_START;
            loop {
                while let Some(&byte) = bytes.get(place)
                    && ASCII[byte as usize] > WIDE
                {
                    hash = step(hash, ASCII[byte as usize]);
                    place += 1;
                }
                let joined = bytes.get(place) == Some(&b'\'')
                    && bytes.get(place + 1).is_some_and(|&next| ASCII[next as usize] > WIDE);
                if !joined {
                    break;
                }
                hash = step(hash, b'\'');
                place += 1;
            }
            if bytes.get(place).is_some_and(|&byte| ASCII[byte as usize] == WIDE) {
                place = wide(text, start, buffer, sink);
            } else {
                sink.word(mix(hash), start, &bytes[start..place]);
            }
        } else if code == WIDE {
            place = wide(text, place, buffer, sink);
        } else if code == SYMBOL {
            sink.word(mix(step(HASH_START, bytes[place])), place, &bytes[place..=place]);
            place += 1;
        } else {
            place += 1;
        }
    }
}

/// Reads on from `start`, which begins a word with, or is itself, a character beyond ASCII; returns where the word ends.
#[inline(never)]
fn wide(text: &str, start: usize, buffer: &mut Vec<u8>, sink: &mut dyn WordSink) -> usize {
    let mut utf8 = [0; 4];
    buffer.clear();
    let mut characters = text[start..].char_indices().peekable();
    while let Some(&(offset, character)) = characters.peek() {
        if matches!(character, '\'' | '\u{2019}' | '\u{2bc}') && !buffer.is_empty() {
            let mut ahead = characters.clone();
            ahead.next();
            if ahead.peek().is_some_and(|&(_, next)| part_of_word(next)) {
                buffer.push(b'\'');
                characters.next();
                continue;
            }
        }
        if !part_of_word(character) {
            if buffer.is_empty() {
                if !character.is_whitespace() && !character.is_control() {
                    let text = character.encode_utf8(&mut utf8).as_bytes();
                    sink.word_apart(hash_of(text), text);
                }
                return start + offset + character.len_utf8();
            }
            sink.word_apart(hash_of(buffer), buffer);
            return start + offset;
        }
        for lower in character.to_lowercase() {
            buffer.extend_from_slice(lower.encode_utf8(&mut utf8).as_bytes());
        }
        characters.next();
    }
    sink.word_apart(hash_of(buffer), buffer);
    text.len()
}

fn hash_of(lowered: &[u8]) -> u64 {
    mix(lowered.iter().fold(HASH_START, |hash, &byte| step(hash, byte)))
}

/// Letters and digits of scripts with spaces; combining marks, joiners and variation selectors, which change the letter
/// before them.
fn part_of_word(character: char) -> bool {
    matches!(character, '_' | '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
        || (character.is_alphanumeric() && !stands_alone(character))
        || is_mark(character)
}

/// Vowel signs and viramas of the Indic and neighbouring scripts, which the standard library does not call letters.
const fn is_mark(character: char) -> bool {
    matches!(character, '\u{900}'..='\u{dff}' | '\u{f00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}')
        && !matches!(character, '\u{964}' | '\u{965}')
}

/// Scripts written without spaces, where a word border cannot be seen.
const fn stands_alone(character: char) -> bool {
    matches!(character, '\u{e00}'..='\u{eff}' | '\u{2e80}'..='\u{30ff}' | '\u{31f0}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Calls `found` with the key of every character n-gram of `shortest..=longest` characters inside one word, the word's
/// borders counting as characters. Words of one symbol have none. At most the first 40 characters are looked at.
pub(crate) fn character_grams(word: &[u8], shortest: usize, longest: usize, mut found: impl FnMut(u64)) {
    let Ok(text) = std::str::from_utf8(word) else { return };
    let mut characters = [0u32; 42];
    let mut count = 1;
    characters[0] = u32::from(' ');
    for character in text.chars().take(40) {
        characters[count] = u32::from(character.to_ascii_lowercase());
        count += 1;
    }
    if count == 2 && !text.chars().all(char::is_alphanumeric) {
        return;
    }
    characters[count] = u32::from(' ');
    count += 1;
    for start in 0..count {
        let mut hash = 0x8445_d61a_4e77_4912u64;
        for (length, &character) in characters[start..count].iter().take(longest).enumerate() {
            hash = (hash ^ u64::from(character)).wrapping_mul(HASH_STEP).rotate_left(29);
            if length + 1 >= shortest {
                found(mix(hash));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Words(Vec<String>);

    impl WordSink for Words {
        fn word(&mut self, hash: u64, _: usize, text: &[u8]) {
            self.word_apart(hash, &text.to_ascii_lowercase());
        }

        fn word_apart(&mut self, _: u64, text: &[u8]) {
            self.0.push(String::from_utf8(text.to_vec()).unwrap());
        }
    }

    fn words(text: &str) -> Vec<String> {
        let mut sink = Words(Vec::new());
        split(text, &mut Vec::new(), &mut sink);
        sink.0
    }

    #[test]
    fn words_of_many_scripts() {
        assert_eq!(words("Don't PANIC, it's 5.50!"), ["don't", "panic", ",", "it's", "5", ".", "50", "!"]);
        assert_eq!(words("'quoted' it’s"), ["'", "quoted", "'", "it's"]);
        assert_eq!(words("ÜBER straße ПРИВЕТ"), ["über", "straße", "привет"]);
        assert_eq!(words("東京 café🙂🙂"), ["東", "京", "café", "🙂", "🙂"]);
        assert_eq!(words("हिन्दी में"), ["हिन्दी", "में"]);
        assert_eq!(words("Naïve-ly x’s ‘y’ Zé_1"), ["naïve", "-", "ly", "x's", "‘", "y", "’", "zé_1"]);
        assert_eq!(words(" \t\r\n\u{a0}"), Vec::<String>::new());
    }

    #[test]
    fn case_and_apostrophe_style_do_not_change_the_hash() {
        struct Hashes(Vec<u64>);
        impl WordSink for Hashes {
            fn word(&mut self, hash: u64, _: usize, _: &[u8]) {
                self.0.push(hash);
            }

            fn word_apart(&mut self, hash: u64, _: &[u8]) {
                self.0.push(hash);
            }
        }
        let hashes = |text: &str| {
            let mut sink = Hashes(Vec::new());
            split(text, &mut Vec::new(), &mut sink);
            sink.0
        };
        assert_eq!(hashes("Don't ÉTÉ"), hashes("don’t été"));
        assert_ne!(hashes("ab c"), hashes("a bc"));
    }

    #[test]
    fn character_grams_see_the_borders() {
        let mut count = 0;
        character_grams(b"ab", 2, 3, |_| count += 1);
        assert_eq!(count, 5);
        character_grams(b"?", 2, 3, |_| count += 1);
        assert_eq!(count, 5);
    }
}
