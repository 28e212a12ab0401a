//! From documents to features: reading tokens, and for training the slots of all features.

use super::clusters::Clusters;
use super::corpus::Document;
use super::document::DocumentIndex;
use super::features::{FeatureGroups, REACH, Sink, Surroundings, WINDOW, is_shouting, speaks_of_sentences};
use super::hash;
use super::lists::{Lists, Marks};
use super::token::{AFTER, Attributes, BEFORE, Spelling};
use crate::chain::Encoded;

/// What features are made of, apart from the text.
pub(crate) struct Template<'a> {
    pub(crate) groups: FeatureGroups,
    pub(crate) lists: Lists<'a>,
    pub(crate) clusters: Clusters<'a>,
}

impl Template<'_> {
    /// Reads a token by itself.
    pub(crate) fn read(&self, token: &str, spelling: &mut Spelling) -> Attributes {
        let mut attributes = spelling.read(token, hash::of(token.as_bytes()));
        attributes.clusters = self.clusters.of(&attributes);
        self.lists.note(&mut attributes);
        attributes
    }

    /// Gives all features of a document, token by token and sentence by sentence.
    pub(crate) fn document(&self, document: &Document, room: &mut Room, sink: &mut impl DocumentSink) {
        windows(document, |sentences| {
            let texts = &document.tokens[sentences[0].start..sentences[sentences.len() - 1].end];
            let first = sentences[0].start;
            let sentences: Vec<_> = sentences.iter().map(|range| range.start - first..range.end - first).collect();
            self.window(texts, &sentences, room, sink);
        });
    }

    fn window(
        &self,
        texts: &[&str],
        sentences: &[std::ops::Range<usize>],
        room: &mut Room,
        sink: &mut impl DocumentSink,
    ) {
        let Room { spelling, tokens, starts, index, marks } = room;
        tokens.clear();
        starts.clear();
        tokens.extend(texts.iter().map(|token| self.read(token, spelling)));
        let shouting: Vec<bool> = sentences.iter().map(|range| is_shouting(tokens[range.clone()].iter())).collect();
        let with_document = self.groups.document;
        if with_document {
            for (range, &shouting) in sentences.iter().zip(&shouting) {
                starts.extend(range.clone().map(|place| (place == range.start, shouting)));
            }
            index.read(tokens.iter().zip(starts.iter()).map(|(token, &(first, shouting))| (token, first, shouting)));
        }
        for (range, &shouting) in sentences.iter().zip(&shouting) {
            let words = &tokens[range.clone()];
            self.lists.mark(words, marks);
            for (place, text) in texts[range.clone()].iter().enumerate() {
                let at = |offset: isize| neighbour(words, place as isize + offset);
                for seen_from in 0..WINDOW {
                    // The token `offset` away gives what is seen from there.
                    let offset = seen_from as isize - REACH as isize;
                    if offset == 0 {
                        if self.groups.characters {
                            spelling.read(text, words[place].word);
                        }
                        self.groups.alone(&words[place], spelling, REACH, sink);
                    } else {
                        self.groups.alone(at(offset), spelling, seen_from, sink);
                    }
                }
                let around = Surroundings {
                    window: [at(-2), at(-1), &words[place], at(1), at(2)],
                    place,
                    length: words.len(),
                    shouting,
                    clustered: !self.clusters.is_empty(),
                };
                self.groups.joined(&around, sink);
                self.lists.features(place, words, marks, sink);
                if with_document {
                    let whole = |token: isize| neighbour(tokens, token);
                    index.features(range.start + place, place == 0, shouting, whole, sink);
                }
                sink.end_token();
            }
            sink.end_sentence();
        }
    }
}

/// Documents are read in windows of at most this many tokens: other occurrences are seen within a window.
const MOST_TOKENS: usize = 1 << 15;

/// Calls for runs of sentences, as few as possible, with at most `MOST_TOKENS` tokens unless one sentence has more.
pub(crate) fn windows(document: &Document, mut window: impl FnMut(&[std::ops::Range<usize>])) {
    let (mut sentences, mut size) = (Vec::new(), 0);
    for range in document.ranges() {
        if size + range.len() > MOST_TOKENS && !sentences.is_empty() {
            window(&sentences);
            sentences.clear();
            size = 0;
        }
        size += range.len();
        sentences.push(range);
    }
    if !sentences.is_empty() {
        window(&sentences);
    }
}

/// The token at a place, or a border.
#[inline(always)]
pub(crate) fn neighbour(tokens: &[Attributes], place: isize) -> &Attributes {
    if place < 0 { &BEFORE } else { tokens.get(place as usize).unwrap_or(&AFTER) }
}

/// Room for reading documents.
#[derive(Default)]
pub(crate) struct Room {
    spelling: Spelling,
    tokens: Vec<Attributes>,
    starts: Vec<(bool, bool)>,
    pub(crate) index: DocumentIndex,
    marks: Marks,
}

/// Receives the features of documents.
pub(crate) trait DocumentSink: Sink {
    /// All features of a token were given.
    fn end_token(&mut self);
    /// All tokens of a sentence were given.
    fn end_sentence(&mut self);
}

/// The features of a corpus as slots, and the keys of the slots.
pub(crate) struct Slots {
    pub(crate) encoded: Encoded,
    pub(crate) keys: Vec<u64>,
    pub(crate) templates: Vec<u8>,
    /// How many tokens have the feature.
    pub(crate) counts: Vec<u32>,
    /// The first sentence of every document, and the number of sentences.
    pub(crate) documents: Vec<usize>,
    table: Vec<u32>,
}

/// Counts features in one byte each, with collisions, to pass over those that are too rare.
struct Sketch {
    counts: Vec<u8>,
    features: u64,
}

impl Sink for Sketch {
    #[inline(always)]
    fn feature(&mut self, _: u8, key: u64) {
        let at = key as usize & (self.counts.len() - 1);
        self.counts[at] = self.counts[at].saturating_add(1);
        self.features += 1;
    }
}

impl DocumentSink for Sketch {
    fn end_token(&mut self) {}
    fn end_sentence(&mut self) {}
}

struct Filler<'a> {
    sketch: &'a [u8],
    least: u8,
    slots: &'a mut Slots,
}

impl Sink for Filler<'_> {
    #[inline(always)]
    fn feature(&mut self, template: u8, key: u64) {
        if self.sketch[key as usize & (self.sketch.len() - 1)] >= self.least {
            let slot = self.slots.add(template, key);
            self.slots.counts[slot as usize] += 1;
            self.slots.encoded.push_slot(slot);
        }
    }
}

impl DocumentSink for Filler<'_> {
    fn end_token(&mut self) {
        self.slots.encoded.end_token();
    }

    fn end_sentence(&mut self) {
        self.slots.encoded.end_sentence();
    }
}

/// The same sentences with only some of their features.
pub(crate) fn filtered(encoded: &Encoded, stays: impl Fn(u32) -> bool) -> Encoded {
    let mut fewer = Encoded::new();
    for sentence in 0..encoded.sentences() {
        for token in encoded.sentence(sentence) {
            encoded.token(token).iter().filter(|slot| stays(**slot)).for_each(|&slot| fewer.push_slot(slot));
            fewer.end_token();
        }
        fewer.end_sentence();
    }
    fewer
}

impl Slots {
    /// Encodes a corpus. Features of fewer than `least` tokens are left out, but for a few that share a counter.
    pub(crate) fn encode(template: &Template, documents: &[Document], least: u8) -> Self {
        let tokens: usize = documents.iter().map(|document| document.tokens.len()).sum();
        let size = (tokens * 48).next_power_of_two().clamp(1 << 16, 1 << 26);
        let mut sketch = Sketch { counts: vec![0; size], features: 0 };
        let mut room = Room::default();
        for document in documents {
            template.document(document, &mut room, &mut sketch);
        }
        let mut slots = Self {
            encoded: Encoded::new(),
            keys: Vec::new(),
            templates: Vec::new(),
            counts: Vec::new(),
            documents: vec![0],
            table: vec![0; 1 << 12],
        };
        for document in documents {
            let mut filler = Filler { sketch: &sketch.counts, least, slots: &mut slots };
            template.document(document, &mut room, &mut filler);
            slots.documents.push(slots.encoded.sentences());
        }
        slots
    }

    /// The features that speak of a sentence as a whole: those that do not describe a token's surroundings.
    pub(crate) fn of_sentences(&self) -> Encoded {
        filtered(&self.encoded, |slot| speaks_of_sentences(self.templates[slot as usize]))
    }

    /// The slot of a key, a new one if it has none.
    #[inline(always)]
    pub(crate) fn add(&mut self, template: u8, key: u64) -> u32 {
        let mask = self.table.len() - 1;
        let mut at = (key >> 20) as usize & mask;
        loop {
            match self.table[at] {
                0 => break,
                slot if self.keys[slot as usize - 1] == key => return slot - 1,
                _ => at = (at + 1) & mask,
            }
        }
        self.keys.push(key);
        self.templates.push(template);
        self.counts.push(0);
        self.table[at] = self.keys.len() as u32;
        if self.keys.len() * 2 > self.table.len() {
            self.grow();
        }
        self.keys.len() as u32 - 1
    }

    fn grow(&mut self) {
        let size = self.table.len() * 4;
        self.table.clear();
        self.table.resize(size, 0);
        for (slot, &key) in self.keys.iter().enumerate() {
            let mut at = (key >> 20) as usize & (size - 1);
            while self.table[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.table[at] = slot as u32 + 1;
        }
    }

    /// The slot of a key, if it has one.
    pub(crate) fn find(&self, key: u64) -> Option<u32> {
        let mask = self.table.len() - 1;
        let mut at = (key >> 20) as usize & mask;
        loop {
            match self.table[at] {
                0 => return None,
                slot if self.keys[slot as usize - 1] == key => return Some(slot - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }
}
