//! Names that are nearly spelt like an entry.
//!
//! A name may differ from its entry in a share of its letters: put in, left out or changed (Levenshtein's distance over
//! folded characters). It has as many words as its entry, the same digits, and is not a common word. To find such names
//! without comparing every stretch of the text with every entry, an entry that may differ in `k` letters is cut into `k + 1`
//! pieces: where at most `k` letters differ, one piece is whole, and not far from its place. Pieces are looked up by their
//! numbers, and what they lead to is compared. After Pass-Join (Li, Deng, Wang, Feng, VLDB 2011), with its selection of
//! places, which leaves none out.
//!
//! Costs some ten look-ups for each stretch of the text that may be a name, and about 50 bytes an entry.

use super::fold::{Rules, mix};
use super::resolve::Claim;
use super::units::Unit;
use super::words::StopWords;

/// The most letters that may differ.
const MOST_CHANGES: usize = 3;
/// Shorter entries are only found as they are.
const LEAST_CHARACTERS: usize = 5;
/// Longer ones, too.
const MOST_CHARACTERS: usize = 120;
/// The base of the numbers of pieces.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// Entries by their pieces.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// The folded entries, one behind the other.
    forms: String,
    entries: Vec<Entry>,
    /// Where the pieces of each bucket begin.
    buckets: Vec<u32>,
    pieces: Vec<Piece>,
    /// For each number of words and of characters, which numbers of changes there are, as bits.
    shapes: Vec<[u8; MOST_CHARACTERS + 1]>,
    /// Whether some entry does not begin with a capital, or does not care.
    any_small: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    surface: u32,
    start: u32,
    end: u32,
    /// How many letters may differ.
    changes: u8,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Half of its number.
    tag: u32,
    entry: u32,
}

/// Room for looking.
#[derive(Debug, Default)]
pub(super) struct NearScratch {
    form: String,
    characters: Vec<char>,
    /// The numbers of the beginnings of the text.
    sums: Vec<u64>,
    powers: Vec<u64>,
    /// For each unit that is not passed over: its place, and its characters.
    words: Vec<(u32, u32, u32)>,
    found: Vec<u32>,
    entry: Vec<char>,
    rows: [Vec<u32>; 2],
}

/// What a piece is a piece of.
#[derive(Clone, Copy)]
struct Shape {
    words: usize,
    length: usize,
    changes: usize,
}

impl Shape {
    /// Where a piece begins and how long it is: as equal as can be, the longer ones last.
    const fn piece(self, number: usize) -> (usize, usize) {
        let pieces = self.changes + 1;
        let (short, long) = (self.length / pieces, self.length % pieces);
        let before = number.saturating_sub(pieces - long);
        (number * short + before, short + (number >= pieces - long) as usize)
    }

    /// The number of a piece.
    const fn number(self, piece: usize, sum: u64) -> u64 {
        let shape = self.words << 16 | self.length << 8 | self.changes << 4 | piece;
        mix(sum ^ mix(shape as u64 ^ BASE))
    }

    /// Where the piece may stand in a stretch of `length` characters in which no more letters differ than may.
    fn places(self, piece: usize, length: usize) -> std::ops::Range<usize> {
        let (start, size) = self.piece(piece);
        let (start, number, rest) = (start as i64, piece as i64, (self.changes - piece) as i64);
        let shift = length as i64 - self.length as i64;
        let first = (start - number).max(start + shift - rest).max(0);
        let last = (start + number).min(start + shift + rest).min(length as i64 - size as i64);
        // Empty where the piece has no place.
        first as usize..(last + 1).max(first) as usize
    }
}

/// Collects entries and their pieces.
#[derive(Debug, Default)]
pub(super) struct Gather {
    near: Near,
    numbers: Vec<(u64, u32)>,
}

impl Gather {
    /// Adds a surface, given the forms of its words; `percent` of its characters must be right.
    pub(super) fn add(&mut self, surface: u32, words: usize, form: &str, percent: u8, small: bool) {
        let length = form.chars().count();
        if !(LEAST_CHARACTERS..=MOST_CHARACTERS).contains(&length) || words > usize::from(u8::MAX) {
            return;
        }
        let changes = (length * usize::from(100 - percent.min(100)) / 100).min(MOST_CHANGES);
        if changes == 0 || words == 1 && StopWords::is_common(form) {
            return;
        }
        let near = &mut self.near;
        let start = near.forms.len() as u32;
        near.forms.push_str(form);
        let entry = near.entries.len() as u32;
        near.entries.push(Entry { surface, start, end: near.forms.len() as u32, changes: changes as u8 });
        if near.shapes.len() < words {
            near.shapes.resize(words, [0; MOST_CHARACTERS + 1]);
        }
        near.shapes[words - 1][length] |= 1 << changes;
        near.any_small |= small;
        let shape = Shape { words, length, changes };
        let characters: Vec<char> = form.chars().collect();
        for piece in 0..=changes {
            let (start, size) = shape.piece(piece);
            let sum = characters[start..start + size].iter().fold(0, |sum, &character| next_sum(sum, character));
            self.numbers.push((shape.number(piece, sum), entry));
        }
    }

    /// The index, if there is anything in it.
    pub(super) fn finish(self) -> Option<Near> {
        let Self { mut near, numbers } = self;
        if near.entries.is_empty() {
            return None;
        }
        let count = numbers.len().next_power_of_two();
        let bucket = |number: u64| number as usize & (count - 1);
        near.buckets = vec![0; count + 1];
        numbers.iter().for_each(|(number, _)| near.buckets[bucket(*number) + 1] += 1);
        for place in 0..count {
            near.buckets[place + 1] += near.buckets[place];
        }
        let mut free = near.buckets.clone();
        near.pieces = vec![Piece { tag: 0, entry: 0 }; numbers.len()];
        for (number, entry) in numbers {
            let place = &mut free[bucket(number)];
            near.pieces[*place as usize] = Piece { tag: (number >> 32) as u32, entry };
            *place += 1;
        }
        Some(near)
    }
}

const fn next_sum(sum: u64, character: char) -> u64 {
    sum.wrapping_mul(BASE).wrapping_add(character as u64 + 1)
}

impl Near {
    /// Claims the stretches that are nearly an entry and not quite; of several entries the nearest.
    pub(super) fn take(
        &self,
        layer: u16,
        rules: &Rules,
        text: &str,
        units: &[Unit],
        scratch: &mut NearScratch,
        claims: &mut Vec<Claim>,
    ) {
        scratch.read(rules, text, units);
        for first in 0..scratch.words.len() {
            let begins = scratch.words[first];
            let head = units[begins.0 as usize].token.of(text).chars().next();
            if !head.is_some_and(|head| head.is_alphanumeric() && (self.any_small || !head.is_lowercase())) {
                continue;
            }
            for (words, shapes) in self.shapes.iter().enumerate() {
                let Some(&(unit, _, end)) = scratch.words.get(first + words) else { break };
                let (start, end) = (begins.1 as usize, end as usize);
                if end - start > MOST_CHARACTERS + MOST_CHANGES {
                    break;
                }
                if let Some(changes) = self.look(words + 1, shapes, start..end, scratch) {
                    claims.extend(scratch.found.iter().map(|&surface| Claim {
                        start: begins.0,
                        end: unit + 1,
                        surface,
                        layer,
                        changes,
                    }));
                }
            }
        }
    }

    /// Leaves in `found` the surfaces that are nearest to a stretch of characters; in how many letters they differ.
    fn look(
        &self,
        words: usize,
        shapes: &[u8; MOST_CHARACTERS + 1],
        stretch: std::ops::Range<usize>,
        scratch: &mut NearScratch,
    ) -> Option<u8> {
        let length = stretch.len();
        let NearScratch { characters, sums, powers, found, entry: other, rows, .. } = scratch;
        found.clear();
        let lengths =
            shapes.iter().enumerate().take(length + MOST_CHANGES + 1).skip(length.saturating_sub(MOST_CHANGES));
        for (wanted, &shape) in lengths {
            let mut left = shape;
            while left != 0 {
                let changes = left.trailing_zeros() as usize;
                left &= left - 1;
                if wanted.abs_diff(length) > changes {
                    continue;
                }
                let shape = Shape { words, length: wanted, changes };
                for piece in 0..=changes {
                    let size = shape.piece(piece).1;
                    for place in shape.places(piece, length) {
                        let at = stretch.start + place;
                        let sum = sums[at + size].wrapping_sub(sums[at].wrapping_mul(powers[size]));
                        let number = shape.number(piece, sum);
                        let bucket = number as usize & (self.buckets.len() - 2);
                        let range = self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize;
                        let same = self.pieces[range].iter().filter(|piece| piece.tag == (number >> 32) as u32);
                        found.extend(same.map(|piece| piece.entry));
                    }
                }
            }
        }
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        found.dedup();
        let here = &characters[stretch];
        if words == 1 && StopWords::is_common(&here.iter().collect::<String>()) {
            return None;
        }
        let mut least = u8::MAX;
        let mut kept = 0;
        for place in 0..found.len() {
            let entry = self.entries[found[place] as usize];
            other.clear();
            other.extend(self.forms[entry.start as usize..entry.end as usize].chars());
            let changes = distance(here, other, u32::from(entry.changes), rows) as u8;
            if changes == 0 || changes > entry.changes || !same_digits(here, other) {
                continue;
            }
            if changes < least {
                (least, kept) = (changes, 0);
            }
            if changes == least {
                found[kept] = entry.surface;
                kept += 1;
            }
        }
        found.truncate(kept);
        (kept > 0).then_some(least)
    }

    /// The memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.forms.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.buckets.capacity() * size_of::<u32>()
            + self.pieces.capacity() * size_of::<Piece>()
            + self.shapes.capacity() * (MOST_CHARACTERS + 1)
    }
}

impl NearScratch {
    /// The folded characters of a text's units, with a space between.
    fn read(&mut self, rules: &Rules, text: &str, units: &[Unit]) {
        self.characters.clear();
        self.words.clear();
        for (place, unit) in units.iter().enumerate() {
            let token = unit.token.of(text);
            if rules.skips(token) {
                continue;
            }
            if !self.characters.is_empty() {
                self.characters.push(' ');
            }
            let start = self.characters.len() as u32;
            self.form.clear();
            rules.form(token, &mut self.form);
            self.characters.extend(self.form.chars());
            self.words.push((place as u32, start, self.characters.len() as u32));
        }
        self.sums.clear();
        self.sums.push(0);
        let mut sum = 0;
        for &character in &self.characters {
            sum = next_sum(sum, character);
            self.sums.push(sum);
        }
        let mut power = self.powers.last().copied().unwrap_or(1);
        while self.powers.len() <= MOST_CHARACTERS {
            if !self.powers.is_empty() {
                power = power.wrapping_mul(BASE);
            }
            self.powers.push(power);
        }
    }
}

fn same_digits(left: &[char], right: &[char]) -> bool {
    let digits = |of: &'_ [char]| of.iter().copied().filter(char::is_ascii_digit).collect::<Vec<_>>();
    digits(left) == digits(right)
}

/// Levenshtein's distance, or more than `most` if it is more than that.
fn distance(left: &[char], right: &[char], most: u32, rows: &mut [Vec<u32>; 2]) -> u32 {
    if left.len().abs_diff(right.len()) > most as usize {
        return most + 1;
    }
    let [before, now] = rows;
    before.clear();
    before.extend(0..=right.len() as u32);
    for (row, a) in left.iter().enumerate() {
        now.clear();
        now.push(row as u32 + 1);
        let mut least = row as u32 + 1;
        for (column, b) in right.iter().enumerate() {
            let changed = before[column] + u32::from(a != b);
            let value = changed.min(before[column + 1] + 1).min(now[column] + 1);
            least = least.min(value);
            now.push(value);
        }
        if least > most {
            return most + 1;
        }
        std::mem::swap(before, now);
    }
    before[right.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distances() {
        let of = |left: &str, right: &str, most| {
            let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
            distance(&left, &right, most, &mut Default::default())
        };
        assert_eq!((of("kitten", "sitting", 3), of("kitten", "sitting", 2), of("", "ab", 3)), (3, 3, 2));
        assert_eq!((of("abc", "abc", 0), of("abcd", "a", 2)), (0, 3));
    }

    #[test]
    fn pieces_make_up_the_whole() {
        for length in 5..40 {
            for changes in 1..=MOST_CHANGES {
                let shape = Shape { words: 1, length, changes };
                let mut end = 0;
                for piece in 0..=changes {
                    assert_eq!(shape.piece(piece).0, end);
                    end += shape.piece(piece).1;
                }
                assert_eq!(end, length);
            }
        }
    }

    proptest! {
        #[test]
        fn no_near_name_is_overlooked(
            names in prop::collection::vec("[ab1]{3,9}( [ab]{2,5}){0,2}", 1..12),
            text in "[ab1]{1,9}( [ab]{1,5}){0,6}",
            percent in 50_u8..100,
        ) {
            let mut gather = Gather::default();
            for (surface, name) in names.iter().enumerate() {
                gather.add(surface as u32, name.split(' ').count(), name, percent, true);
            }
            let rules = Rules::default();
            let mut units = Vec::new();
            super::super::units::read(&text, &rules, &mut units, &mut String::new());
            let mut claims = Vec::new();
            if let Some(near) = gather.finish() {
                near.take(0, &rules, &text, &units, &mut NearScratch::default(), &mut claims);
            }
            let mut found: Vec<_> = claims.iter().map(|one| (one.start, one.end, one.changes, one.surface)).collect();
            found.sort_unstable();
            let words: Vec<&str> = text.split(' ').collect();
            let mut expected = Vec::new();
            for start in 0..words.len() {
                for end in start + 1..=words.len() {
                    let here: Vec<char> = words[start..end].join(" ").chars().collect();
                    if end - start == 1 && StopWords::is_common(words[start]) {
                        continue;
                    }
                    let near = names.iter().enumerate().filter_map(|(surface, name)| {
                        let there: Vec<char> = name.chars().collect();
                        let most = (there.len() * usize::from(100 - percent) / 100).min(MOST_CHANGES);
                        let changes = distance(&here, &there, 99, &mut Default::default()) as usize;
                        let same_words = name.split(' ').count() == end - start;
                        let common = same_words && end - start == 1 && StopWords::is_common(name);
                        (there.len() >= LEAST_CHARACTERS && same_words && !common && (1..=most).contains(&changes)
                            && same_digits(&here, &there)).then_some((changes as u8, surface as u32))
                    });
                    let near: Vec<(u8, u32)> = near.collect();
                    let least = near.iter().map(|one| one.0).min();
                    let nearest = near.into_iter().filter(|one| Some(one.0) == least);
                    expected.extend(nearest.map(|(changes, surface)| (start as u32, end as u32, changes, surface)));
                }
            }
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
