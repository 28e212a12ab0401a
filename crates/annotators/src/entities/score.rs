//! Lists against gold: counts, and the table of errors by list and entry.

use std::collections::BTreeMap;

use postil_core::text::{Offsets, Tokenizer};
use postil_core::{Document, Name};

use super::find::{EntityMatcher, Given, Scratch};
use crate::spans::span_of_bytes;

/// A text with the spans that are in it.
#[derive(Clone, Debug)]
pub struct GoldText {
    pub(super) document: Document,
    /// Start, end and label of the spans of the lists' labels, in code points, in order.
    pub(super) spans: Vec<(u32, u32, Name)>,
}

impl GoldText {
    /// Takes a document whose spans are the truth. Those with other labels than `labels` are left aside, unless they are
    /// none.
    pub fn new(document: Document, labels: &[Name]) -> Self {
        let known = |label: &Name| labels.is_empty() || labels.contains(label);
        let spans = document.spans.iter().filter(|span| known(&span.label));
        let mut spans: Vec<_> = spans.map(|span| (span.start, span.end, span.label.clone())).collect();
        spans.sort();
        Self { document, spans }
    }

    /// The spans of the lists' labels: start, end and label, in code points.
    pub fn truth(&self) -> &[(u32, u32, Name)] {
        &self.spans
    }

    /// How many spans there are.
    pub fn spans(&self) -> usize {
        self.spans.len()
    }

    /// The text, with tokens if it came with them.
    pub const fn document(&self) -> &Document {
        &self.document
    }
}

/// What a list says about a stretch of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The first code point.
    pub start: u32,
    /// One past the last.
    pub end: u32,
    /// The label; of several that are possible the first, in the order of the lists.
    pub label: Name,
    /// Whether several are possible.
    pub ambiguous: bool,
    /// The number of the list.
    pub list: u16,
    /// The entry.
    pub entry: String,
}

/// Everything that lists say about a document, in order.
pub fn say(matcher: &EntityMatcher, document: &Document, scratch: &mut Scratch) -> Vec<Said> {
    let mut said = Vec::new();
    let offsets = Offsets::new(&document.text);
    let given =
        (!document.tokens.is_empty()).then_some(Given { tokens: &document.tokens, sentences: &document.sentences });
    matcher.visit(&document.text, given, scratch, |found| {
        let label = matcher.labels()[usize::from(found.labels[0])].clone();
        let span = span_of_bytes(&offsets, found.bytes.clone(), label);
        said.push(Said {
            start: span.start,
            end: span.end,
            label: span.label,
            ambiguous: found.labels.len() > 1,
            list: found.sources[0].list,
            entry: matcher.entry(found.sources[0]).0.to_owned(),
        });
    });
    said
}

/// Counts of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Said and true.
    pub right: u64,
    /// Said.
    pub said: u64,
    /// True.
    pub gold: u64,
}

impl Counts {
    /// Twice the right ones over all that were said and all that are true; 0 if there are neither.
    pub fn f1(self) -> f64 {
        if self.said + self.gold == 0 { 0.0 } else { 2.0 * self.right as f64 / (self.said + self.gold) as f64 }
    }

    /// Counts what was said about one text.
    pub(super) fn add(&mut self, gold: &GoldText, said: &[Said]) {
        self.gold += gold.spans.len() as u64;
        self.said += said.len() as u64;
        self.right += said.iter().filter(|one| is_right(gold, one)).count() as u64;
    }
}

pub(super) fn is_right(gold: &GoldText, said: &Said) -> bool {
    gold.spans.binary_search_by(|span| (span.0, span.1, &span.2).cmp(&(said.start, said.end, &said.label))).is_ok()
}

/// An entry that was found where it should not have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEntry {
    /// The number of the list.
    pub list: u16,
    /// The entry.
    pub entry: String,
    /// How often it was right.
    pub right: u64,
    /// How often there is no span.
    pub no_span: u64,
    /// How often there is a span with another label.
    pub other_label: u64,
    /// How often there is a span with other borders.
    pub other_borders: u64,
    /// A text in which it is wrong, the name between brackets.
    pub example: String,
}

impl BadEntry {
    /// How often it was wrong.
    pub const fn wrong(&self) -> u64 {
        self.no_span + self.other_label + self.other_borders
    }
}

/// A name that should have been found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedName {
    /// The text of the span.
    pub name: String,
    /// Its label.
    pub label: Name,
    /// How often it was missed.
    pub count: u64,
}

/// What lists get wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// Right and wrong per list.
    pub lists: Vec<(u64, u64)>,
    /// Entries that were wrong at least once, the worst first.
    pub entries: Vec<BadEntry>,
    /// Names that were missed, the most frequent first.
    pub missed: Vec<MissedName>,
}

/// Compares lists with gold, entry by entry.
pub fn mistakes(matcher: &EntityMatcher, gold: &[GoldText]) -> Mistakes {
    let mut scratch = Scratch::default();
    let mut lists = vec![(0, 0); matcher.lists().len()];
    let mut entries: BTreeMap<(u16, String), BadEntry> = BTreeMap::new();
    let mut missed: BTreeMap<(Name, String), u64> = BTreeMap::new();
    for text in gold {
        let said = say(matcher, &text.document, &mut scratch);
        for one in &said {
            let right = is_right(text, one);
            let list = &mut lists[usize::from(one.list)];
            *(if right { &mut list.0 } else { &mut list.1 }) += 1;
            let entry = entries.entry((one.list, one.entry.clone())).or_insert_with(|| BadEntry {
                list: one.list,
                entry: one.entry.clone(),
                right: 0,
                no_span: 0,
                other_label: 0,
                other_borders: 0,
                example: String::new(),
            });
            if right {
                entry.right += 1;
                continue;
            }
            let over = |start: u32, end: u32| start < one.end && one.start < end;
            // Spans of labels that have no list count, too: they tell why the entry is wrong.
            let there = text.document.spans.iter().filter(|span| over(span.start, span.end));
            let mut kind = 0;
            for span in there {
                let same = (span.start, span.end) == (one.start, one.end);
                kind = kind.max(if same { 2 } else { 1 });
            }
            match kind {
                0 => entry.no_span += 1,
                1 => entry.other_borders += 1,
                _ => entry.other_label += 1,
            }
            if entry.example.is_empty() {
                entry.example = context(&text.document.text, one.start, one.end);
            }
        }
        for (start, end, label) in &text.spans {
            let found = said.iter().any(|one| (one.start, one.end) == (*start, *end) && one.label == *label);
            if !found {
                *missed.entry((label.clone(), points(&text.document.text, *start, *end))).or_default() += 1;
            }
        }
    }
    let mut entries: Vec<BadEntry> = entries.into_values().filter(|entry| entry.wrong() > 0).collect();
    entries.sort_by_key(|entry| (std::cmp::Reverse(entry.wrong()), entry.right));
    let mut missed: Vec<MissedName> =
        missed.into_iter().map(|((label, name), count)| MissedName { name, label, count }).collect();
    missed.sort_by_key(|name| std::cmp::Reverse(name.count));
    Mistakes { lists, entries, missed }
}

/// The code points from one place to another.
fn points(text: &str, start: u32, end: u32) -> String {
    text.chars().skip(start as usize).take((end - start) as usize).collect()
}

/// A stretch in brackets with what stands around it.
pub(super) fn context(text: &str, start: u32, end: u32) -> String {
    const AROUND: u32 = 30;
    let before = points(text, start.saturating_sub(AROUND), start);
    let after = points(text, end, end + AROUND);
    let line = format!("{before}[{}]{after}", points(text, start, end));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The entry of the lists of a label that is most like a name, with the number of its list; `None` if nothing is near.
///
/// Alike is the share of equal pairs of letters (Dice's coefficient over bigrams of the folded names), at least one half.
pub fn nearest<'l>(
    name: &str,
    label: &Name,
    lists: impl IntoIterator<Item = &'l super::EntityList>,
) -> Option<(usize, &'l str)> {
    let wanted = pairs_of(name);
    let mut best: Option<(f64, usize, &str)> = None;
    for (number, list) in lists.into_iter().enumerate().filter(|(_, list)| list.label == *label) {
        for entry in 0..list.len() {
            let entry = list.entry(entry);
            // Far longer or shorter names cannot reach one half.
            if entry.len() > 4 * name.len() + 4 || name.len() > 4 * entry.len() + 4 {
                continue;
            }
            let score = alike(&wanted, &pairs_of(entry));
            if score >= 0.5 && best.is_none_or(|(most, ..)| score > most) {
                best = Some((score, number, entry));
            }
        }
    }
    best.map(|(_, number, entry)| (number, entry))
}

fn pairs_of(name: &str) -> Vec<(char, char)> {
    let folded: Vec<char> = super::words::folded(name).chars().collect();
    let mut pairs: Vec<(char, char)> = folded.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.sort_unstable();
    pairs
}

fn alike(left: &[(char, char)], right: &[(char, char)]) -> f64 {
    let (mut place, mut other, mut same) = (0, 0, 0);
    while place < left.len() && other < right.len() {
        match left[place].cmp(&right[other]) {
            std::cmp::Ordering::Less => place += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => (place, other, same) = (place + 1, other + 1, same + 1),
        }
    }
    2.0 * f64::from(same) / (left.len() + right.len()).max(1) as f64
}

/// The folded words of some texts, in every form that a switch may give them, to leave aside entries that cannot be
/// found there.
pub(super) struct Vocabulary(std::collections::HashSet<String>);

impl Vocabulary {
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut words = std::collections::HashSet::new();
        for text in texts {
            Tokenizer::Words.visit(text, |token| {
                for form in forms(token.of(text)) {
                    words.insert(form);
                }
            });
        }
        Self(words)
    }

    /// Whether a name, or one of its words that may stand for it, can be in the texts.
    pub(super) fn may_have(&self, name: &str) -> bool {
        let mut words = 0;
        let mut known = 0;
        let mut end_known = false;
        Tokenizer::Words.visit(name, |token| {
            let here = token.of(name);
            if !here.chars().any(char::is_alphanumeric) {
                return;
            }
            let is_known = forms(here).any(|form| self.0.contains(&form));
            end_known |= is_known && (words == 0 || token.end as usize == name.len());
            words += 1;
            known += usize::from(is_known);
        });
        // The first or last word may stand for a person; a shortened name has all but an ending.
        known > 0 && (known + 2 >= words || end_known)
    }
}

fn forms(word: &str) -> impl Iterator<Item = String> {
    use super::fold::{Plural, Rules};
    [Plural::Keep, Plural::English, Plural::Spanish].into_iter().map(move |plural| {
        let rules = Rules { fold_accents: true, plural, ..Rules::default() };
        let mut form = String::new();
        rules.form(word, &mut form);
        form
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::EntityList;

    #[test]
    fn the_nearest_entry_is_the_most_alike() {
        let lists = [EntityList::of("LOC", "a", ["Trondheim", "Oslo"]), EntityList::of("PER", "b", ["Trondhjem"])];
        let label: Name = "LOC".into();
        assert_eq!(nearest("Trondhjem", &label, &lists), Some((0, "Trondheim")));
        assert_eq!(nearest("Bergen", &label, &lists), None);
    }

    #[test]
    fn entries_that_cannot_be_there_are_known() {
        let words = Vocabulary::of(["Sao Paulo's chapels, by Ada"].into_iter());
        for (name, expected) in
            [("São Paulo", true), ("chapel", true), ("Ada Lovelace", true), ("Bergen", false), ("Paulo B C D E", true)]
        {
            assert_eq!(words.may_have(name), expected, "{name}");
        }
    }
}
