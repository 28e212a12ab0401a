//! Lists of names: which entries begin, go on and end at each token of a sentence.
//!
//! Entries are compared in lower case. An entry with a capital in its first token is found only where the text has one
//! too. Per list the longest entry counts, from left to right. The model keeps entries as fingerprints of about 31 bits.

use std::collections::HashMap;

use super::buckets::{Map, write_map};
use super::features::{LISTS, Sink};
use super::hash::{self, key, pair};
use super::token::{Attributes, CAPITAL, DIGIT, LOWER};
use crate::error::{Error, Result};

/// A named list of entries, such as the names of places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameList {
    /// What it is called.
    pub name: String,
    /// Its entries: tokens with single spaces between them. Empty ones are passed over.
    pub entries: Vec<String>,
}

/// The most lists.
pub(crate) const MOST_LISTS: usize = 30;
/// The most tokens of an entry.
const MOST_TOKENS: usize = 8;

/// In which lists an entry stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Set {
    /// Lists that have it with a capital.
    pub(crate) capital: u32,
    /// Lists that have it without.
    pub(crate) any: u32,
    /// Whether longer entries begin with it.
    pub(crate) continues: bool,
}

/// Lists as the model keeps them.
#[derive(Debug, Default)]
pub(crate) struct ListTable {
    pub(crate) map: Vec<u8>,
    pub(crate) sets: Vec<Set>,
    pub(crate) longest: usize,
    /// Entries that were kept, and those passed over for being too long.
    pub(crate) entries: usize,
    pub(crate) too_long: usize,
}

impl ListTable {
    /// Builds the table of some lists.
    pub(crate) fn build(lists: &[NameList]) -> Result<Self> {
        if lists.len() > MOST_LISTS {
            return Err(Error::setting(format!("expected at most {MOST_LISTS} lists, found {}", lists.len())));
        }
        let mut all: HashMap<u64, Set> = HashMap::new();
        let (mut longest, mut too_long, mut lower) = (1, 0, String::new());
        for (at, list) in lists.iter().enumerate() {
            for entry in &list.entries {
                let mut count = 0;
                let (mut whole, mut first) = (0, 0);
                for token in entry.split(' ').filter(|token| !token.is_empty()) {
                    lower.clear();
                    lower.extend(token.chars().flat_map(char::to_lowercase));
                    let token = hash::of(lower.as_bytes());
                    count += 1;
                    if count == 1 {
                        (whole, first) = (token, token);
                    } else {
                        whole = pair(whole, token);
                    }
                }
                if count == 0 {
                    continue;
                }
                if count > MOST_TOKENS {
                    too_long += 1;
                    continue;
                }
                longest = longest.max(count);
                let capital = entry.trim_start().starts_with(char::is_uppercase);
                let set = all.entry(whole).or_default();
                *(if capital { &mut set.capital } else { &mut set.any }) |= 1 << at;
                if count > 1 {
                    all.entry(first).or_default().continues = true;
                }
            }
        }
        let mut sets: Vec<Set> = all.values().copied().collect();
        sets.sort_unstable();
        sets.dedup();
        if sets.len() > usize::from(u16::MAX) {
            return Err(Error::setting(format!(
                "expected lists that overlap in at most 65535 ways, found {}",
                sets.len()
            )));
        }
        let mut entries: Vec<(u64, u16)> =
            all.iter().map(|(key, set)| (*key, sets.binary_search(set).unwrap_or_default() as u16)).collect();
        let count = entries.len();
        Ok(Self { map: write_map(&mut entries)?, sets, longest, entries: count, too_long })
    }

    pub(crate) fn view(&self) -> Lists<'_> {
        let map = Map::read(&self.map, None).map(|read| read.0).unwrap_or_default();
        Lists { map, sets: &self.sets, longest: self.longest }
    }
}

/// Lists that lie in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lists<'a> {
    pub(crate) map: Map<'a>,
    pub(crate) sets: &'a [Set],
    pub(crate) longest: usize,
}

/// Where entries stand in a sentence: per token and list 1 begin, 2 inside, 3 last, 4 whole.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    rows: Vec<[u8; MOST_LISTS]>,
    /// A hash of each row, 0 if nothing is there.
    all: Vec<u64>,
}

impl Lists<'_> {
    fn set(&self, key: u64) -> Option<Set> {
        self.map.get(key).and_then(|set| self.sets.get(usize::from(set))).copied()
    }

    /// Fills in what the lists say about a token by itself.
    pub(crate) fn note(&self, token: &mut Attributes) {
        if self.map.is_empty() {
            return;
        }
        if let Some(set) = self.set(token.lower) {
            token.listed = set.any | if with_capital(token) { set.capital } else { 0 };
            token.begins_entry = set.continues;
        }
    }

    /// Finds the entries in a sentence.
    pub(crate) fn mark(&self, tokens: &[Attributes], marks: &mut Marks) {
        marks.rows.clear();
        marks.all.clear();
        if self.map.is_empty() {
            return;
        }
        marks.rows.resize(tokens.len(), [0; MOST_LISTS]);
        marks.all.resize(tokens.len(), 0);
        let mut free = [0usize; MOST_LISTS];
        for (start, token) in tokens.iter().enumerate() {
            if token.listed == 0 && !token.begins_entry {
                continue;
            }
            let mut lengths = [0u8; MOST_LISTS];
            let mut found = token.listed;
            each(token.listed, |list| lengths[list] = 1);
            if token.begins_entry {
                let mut whole = token.lower;
                for (more, next) in tokens[start + 1..].iter().enumerate().take(self.longest - 1) {
                    whole = pair(whole, next.lower);
                    if let Some(set) = self.set(whole) {
                        let lists = set.any | if with_capital(token) { set.capital } else { 0 };
                        found |= lists;
                        each(lists, |list| lengths[list] = more as u8 + 2);
                    }
                }
            }
            each(found, |list| {
                if free[list] > start {
                    return;
                }
                let end = start + usize::from(lengths[list]);
                free[list] = end;
                for place in start..end {
                    marks.rows[place][list] = match (place == start, place + 1 == end) {
                        (true, true) => 4,
                        (true, false) => 1,
                        (false, false) => 2,
                        (false, true) => 3,
                    };
                }
            });
        }
        for (row, all) in marks.rows.iter().zip(&mut marks.all) {
            if row.iter().any(|mark| *mark != 0) {
                *all = hash::of(row) | 1;
            }
        }
    }

    /// The features of a token of the sentence that was marked last.
    pub(crate) fn features(&self, place: usize, tokens: &[Attributes], marks: &Marks, sink: &mut impl Sink) {
        if self.map.is_empty() {
            return;
        }
        let mut put = |template: u8, value: u64| sink.feature(LISTS + template, key(LISTS + template, value));
        let last = if place == 0 { 0 } else { marks.all[place - 1] };
        let next = marks.all.get(place + 1).copied().unwrap_or(0);
        let own = marks.all[place];
        if own != 0 {
            for (list, &mark) in marks.rows[place].iter().enumerate() {
                if mark != 0 {
                    put(0, mark_value(list, mark));
                }
            }
            put(1, own);
            put(2, pair(own, tokens[place].short_shape));
        }
        if last != 0 {
            put(3, last);
        }
        if next != 0 {
            put(4, next);
        }
        if own != 0 && (last != 0 || next != 0) {
            put(5, pair(last, own));
            put(6, pair(own, next));
        }
    }
}

/// The keys of the features that name a list.
pub(crate) fn keys_of(list: usize) -> impl Iterator<Item = u64> {
    (1..=4).map(move |mark| key(LISTS, mark_value(list, mark)))
}

fn mark_value(list: usize, mark: u8) -> u64 {
    (list * 8) as u64 + u64::from(mark)
}

fn each(mut lists: u32, mut list: impl FnMut(usize)) {
    while lists != 0 {
        list(lists.trailing_zeros() as usize);
        lists &= lists - 1;
    }
}

/// Whether a token may begin an entry that has a capital: it has one itself, or letters without case.
fn with_capital(token: &Attributes) -> bool {
    token.flags & CAPITAL != 0 || token.flags & (LOWER | DIGIT) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tagger::token::Spelling;

    fn marks(table: &ListTable, sentence: &str) -> Vec<[u8; 2]> {
        let lists = table.view();
        let mut spelling = Spelling::default();
        let tokens: Vec<Attributes> = sentence
            .split(' ')
            .map(|token| {
                let mut token = spelling.read(token, hash::of(token.as_bytes()));
                lists.note(&mut token);
                token
            })
            .collect();
        let mut marks = Marks::default();
        lists.mark(&tokens, &mut marks);
        marks.rows.iter().map(|row| [row[0], row[1]]).collect()
    }

    #[test]
    fn the_longest_entry_of_each_list_counts() {
        let list = |name: &str, entries: &[&str]| NameList {
            name: name.to_owned(),
            entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
        };
        let table = ListTable::build(&[
            list("places", &["New York", "New York City", "York", "", "  "]),
            list("papers", &["New York Times", "times"]),
        ])
        .unwrap();
        assert_eq!(marks(&table, "new York"), [[0, 0], [4, 0]]);
        assert_eq!(marks(&table, "NEW YORK CITY Times"), [[1, 0], [2, 0], [3, 0], [0, 4]]);
        assert_eq!(marks(&table, "New York Times , York"), [[1, 1], [3, 2], [0, 3], [0, 0], [4, 0]]);
        assert_eq!(table.longest, 3);
        let long = ListTable::build(&[list("long", &["a b c d e f g h i"])]).unwrap();
        assert_eq!((long.entries, long.too_long), (0, 1));
    }
}
