//! A training corpus as sparse rows: which words, word n-grams and character n-grams each text holds.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::tokens::{BORDER, WordSink, character_grams, joined, split};

/// Keys are already mixed hashes; hashing them again would be wasted work.
#[derive(Default)]
pub(crate) struct Passthrough(u64);

impl Hasher for Passthrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Index = HashMap<u64, u32, BuildHasherDefault<Passthrough>>;

/// What counts as a feature.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// The longest word n-gram.
    pub(crate) words: usize,
    /// The shortest and longest character n-gram, if any.
    pub(crate) characters: Option<(usize, usize)>,
    /// In how many texts an n-gram (not a single word) must occur.
    pub(crate) occurrences: u32,
    /// The most features kept, the most frequent first.
    pub(crate) capacity: usize,
}

/// The kinds of feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Phrase,
    Characters,
}

/// One feature of the corpus.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    pub(crate) key: u64,
    pub(crate) kind: Kind,
    /// In how many texts it occurs.
    pub(crate) texts: u32,
}

/// The corpus: rows of (feature, count), in the order of the texts.
#[derive(Debug)]
pub(crate) struct Corpus {
    pub(crate) features: Vec<Feature>,
    pub(crate) starts: Vec<usize>,
    pub(crate) columns: Vec<u32>,
    pub(crate) counts: Vec<f32>,
    /// Per text, the squared length of its words and phrases and that of the character n-grams of its distinct words.
    pub(crate) squares: Vec<(f32, f32)>,
    /// For every kept single word with character n-grams, in the order of the features: its feature, and which
    /// character features it holds how often.
    pub(crate) spellings: Vec<Spelling>,
}

/// The character n-grams of one word.
#[derive(Clone, Debug)]
pub(crate) struct Spelling {
    pub(crate) word: u32,
    pub(crate) characters: Vec<(u32, f32)>,
}

/// Collects the n-grams of one text after another.
struct Collector<'a> {
    view: &'a View,
    index: Index,
    features: Vec<Feature>,
    spelled: HashMap<u32, Vec<u64>>,
    /// The keys that end at the previous word, by length.
    open: Vec<u64>,
    row: Vec<u32>,
}

impl Collector<'_> {
    fn add(&mut self, key: u64, kind: Kind) -> (u32, bool) {
        let next = self.features.len() as u32;
        let id = *self.index.entry(key).or_insert(next);
        if id == next {
            self.features.push(Feature { key, kind, texts: 0 });
        }
        self.row.push(id);
        (id, id == next)
    }

    fn extend(&mut self, hash: u64) {
        for length in (0..self.open.len()).rev() {
            let key = joined(self.open[length], hash);
            if length + 2 <= self.view.words {
                self.add(key, Kind::Phrase);
            }
            if length + 1 < self.open.len() {
                self.open[length + 1] = key;
            } else if self.open.len() + 1 < self.view.words {
                self.open.push(key);
            }
        }
        if self.open.is_empty() && self.view.words > 1 {
            self.open.push(hash);
        } else if let Some(first) = self.open.first_mut() {
            *first = hash;
        }
    }

    fn begin(&mut self) {
        self.open.clear();
        self.extend(BORDER);
        self.row.clear();
    }
}

impl WordSink for Collector<'_> {
    fn word(&mut self, hash: u64, _: usize, text: &[u8]) {
        self.word_apart(hash, text);
    }

    fn word_apart(&mut self, hash: u64, text: &[u8]) {
        let (id, new) = self.add(hash, Kind::Word);
        if new && let Some((shortest, longest)) = self.view.characters {
            let mut grams = Vec::new();
            character_grams(text, shortest, longest, |key| grams.push(key));
            if !grams.is_empty() {
                self.spelled.insert(id, grams);
            }
        }
        self.extend(hash);
    }
}

impl Corpus {
    /// Reads the texts. Cost: linear in their length; memory about 8 bytes per feature occurrence.
    pub(crate) fn read(texts: &[&str], view: &View) -> Self {
        let mut collector = Collector {
            view,
            index: Index::default(),
            features: Vec::new(),
            spelled: HashMap::new(),
            open: Vec::new(),
            row: Vec::new(),
        };
        let mut buffer = Vec::new();
        let (mut row_starts, mut rows) = (vec![0], Vec::new());
        for text in texts {
            collector.begin();
            split(text, &mut buffer, &mut collector);
            if !collector.row.is_empty() {
                collector.extend(BORDER);
            }
            collector.row.sort_unstable();
            collector.row.dedup();
            for &id in &collector.row {
                collector.features[id as usize].texts += 1;
            }
            rows.extend_from_slice(&collector.row);
            row_starts.push(rows.len());
        }
        let Collector { mut features, spelled, .. } = collector;
        let spelled = number_characters(&mut features, spelled);
        count_characters(&mut features, &spelled, &row_starts, &rows);
        let kept = keep(&mut features, view);

        let mut spellings: Vec<Spelling> = spelled
            .iter()
            .filter(|(word, _)| kept[*word as usize] != DROPPED)
            .map(|(word, characters)| Spelling {
                word: kept[*word as usize],
                characters: renumbered(characters, &kept).collect(),
            })
            .collect();
        spellings.sort_unstable_by_key(|spelling| spelling.word);
        let position: HashMap<u32, usize> =
            spelled.iter().enumerate().map(|(position, (word, _))| (*word, position)).collect();

        let mut corpus = Self {
            features,
            starts: vec![0],
            columns: Vec::new(),
            counts: Vec::new(),
            squares: Vec::with_capacity(texts.len()),
            spellings,
        };
        let mut row: Vec<(u32, f32)> = Vec::new();
        for range in row_starts.windows(2) {
            row.clear();
            let mut squares = (0.0, 0.0);
            for &id in &rows[range[0]..range[1]] {
                if kept[id as usize] != DROPPED {
                    row.push((kept[id as usize], 1.0));
                    squares.0 += rarity(texts.len(), corpus.features[kept[id as usize] as usize].texts).powi(2);
                }
                if let Some(&position) = position.get(&id) {
                    for (gram, count) in renumbered(&spelled[position].1, &kept) {
                        row.push((gram, count));
                        squares.1 += count * rarity(texts.len(), corpus.features[gram as usize].texts).powi(2);
                    }
                }
            }
            corpus.squares.push(squares);
            row.sort_unstable_by_key(|&(column, _)| column);
            for &(column, count) in &row {
                let start = *corpus.starts.last().expect("there is a first start");
                if corpus.columns.len() > start && corpus.columns.last() == Some(&column) {
                    *corpus.counts.last_mut().expect("counts and columns grow together") += count;
                } else {
                    corpus.columns.push(column);
                    corpus.counts.push(count);
                }
            }
            corpus.starts.push(corpus.columns.len());
        }
        corpus
    }

    /// The number of texts.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The features of one text and how often each counts.
    pub(crate) fn row(&self, text: usize) -> (&[u32], &[f32]) {
        let range = self.starts[text]..self.starts[text + 1];
        (&self.columns[range.clone()], &self.counts[range])
    }
}

const DROPPED: u32 = u32::MAX;

/// The weight of a feature that occurs in `held` of `texts`.
pub(crate) fn rarity(texts: usize, held: u32) -> f32 {
    ((1.0 + texts as f32) / (1.0 + held as f32)).ln() + 1.0
}

/// For every spelled word: its character n-grams as new features and how often each occurs in it.
fn number_characters(features: &mut Vec<Feature>, spelled: HashMap<u32, Vec<u64>>) -> Vec<(u32, Vec<(u32, f32)>)> {
    let mut words: Vec<(u32, Vec<u64>)> = spelled.into_iter().collect();
    words.sort_unstable_by_key(|(word, _)| *word);
    let mut index = Index::default();
    words
        .into_iter()
        .map(|(word, mut grams)| {
            grams.sort_unstable();
            let mut counted: Vec<(u32, f32)> = Vec::with_capacity(grams.len());
            for same in grams.chunk_by(|left, right| left == right) {
                let next = features.len() as u32;
                let id = *index.entry(same[0]).or_insert(next);
                if id == next {
                    features.push(Feature { key: same[0], kind: Kind::Characters, texts: 0 });
                }
                counted.push((id, same.len() as f32));
            }
            (word, counted)
        })
        .collect()
}

/// Counts in how many texts each character n-gram occurs.
fn count_characters(features: &mut [Feature], spelled: &[(u32, Vec<(u32, f32)>)], starts: &[usize], rows: &[u32]) {
    let position: HashMap<u32, usize> = spelled.iter().enumerate().map(|(at, (word, _))| (*word, at)).collect();
    let mut last_text = vec![0u32; features.len()];
    for (text, range) in starts.windows(2).enumerate() {
        for id in &rows[range[0]..range[1]] {
            let Some(&at) = position.get(id) else { continue };
            for &(gram, _) in &spelled[at].1 {
                if last_text[gram as usize] != text as u32 + 1 {
                    last_text[gram as usize] = text as u32 + 1;
                    features[gram as usize].texts += 1;
                }
            }
        }
    }
}

/// Drops rare n-grams and, past the capacity, the rarest; returns the new number of every feature.
fn keep(features: &mut Vec<Feature>, view: &View) -> Vec<u32> {
    let wanted = |feature: &Feature| feature.kind == Kind::Word || feature.texts >= view.occurrences;
    let mut frequencies: Vec<u32> = features.iter().filter(|f| wanted(f)).map(|feature| feature.texts).collect();
    let mut least = 0;
    if frequencies.len() > view.capacity {
        frequencies.sort_unstable_by_key(|&texts| std::cmp::Reverse(texts));
        least = frequencies[view.capacity] + 1;
    }
    let mut next = 0;
    let kept = features
        .iter()
        .map(|feature| {
            if wanted(feature) && feature.texts >= least {
                next += 1;
                next - 1
            } else {
                DROPPED
            }
        })
        .collect();
    features.retain(|feature| wanted(feature) && feature.texts >= least);
    kept
}

fn renumbered(characters: &[(u32, f32)], kept: &[u32]) -> impl Iterator<Item = (u32, f32)> {
    characters
        .iter()
        .filter(|(gram, _)| kept[*gram as usize] != DROPPED)
        .map(|&(gram, count)| (kept[gram as usize], count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View { words: 2, characters: None, occurrences: 1, capacity: usize::MAX }
    }

    #[test]
    fn words_and_phrases_are_counted_by_text() {
        let corpus = Corpus::read(&["a b a b", "b c", ""], &view());
        // a, b, c and <a, ab, ba, b>, <b, bc, c>.
        assert_eq!(corpus.features.len(), 10);
        let texts: Vec<u32> = corpus.features.iter().filter(|f| f.kind == Kind::Word).map(|f| f.texts).collect();
        assert_eq!(texts, [1, 2, 1]);
        assert_eq!(corpus.row(0).0.len(), 6);
        assert_eq!(corpus.row(2).0.len(), 0);
    }

    #[test]
    fn characters_count_once_per_distinct_word() {
        let corpus = Corpus::read(&["aa aa", "aa"], &View { words: 1, characters: Some((2, 2)), ..view() });
        // The word itself and " a", "aa", "a ".
        assert_eq!(corpus.features.len(), 4);
        assert_eq!(corpus.row(0), corpus.row(1));
        assert_eq!(corpus.spellings[0].characters.len(), 3);
    }

    #[test]
    fn rare_features_go_first() {
        let texts = ["a b", "a c", "a d"];
        let corpus = Corpus::read(&texts, &View { words: 1, capacity: 2, ..view() });
        assert_eq!(corpus.features.len(), 1);
        let corpus = Corpus::read(&texts, &View { occurrences: 2, ..view() });
        // The four words, and "the text begins with a".
        assert_eq!(corpus.features.len(), 5);
    }
}
