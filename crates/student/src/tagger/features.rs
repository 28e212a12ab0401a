//! The templates: which properties of a token, its neighbours and its document are features.
//!
//! A feature is the hash of its template's number and its value; no string is kept. Features of one token alone, seen
//! from up to two tokens away, come apart from those that join several tokens: the former are the same for every
//! occurrence of a token, so that prediction adds them up once per distinct token.

use serde::{Deserialize, Serialize};

use super::hash::{key, pair};
use super::token::{ALL_CAPITALS, Attributes, CAPITAL, DIGIT, DOT, HYPHEN, INNER_CAPITAL, LOWER, Spelling};

/// Which groups of features a tagger uses. Lists and clusters take part when there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each switches one group")]
pub struct FeatureGroups {
    /// The token itself, as it is and in lower case.
    pub words: bool,
    /// Its beginnings and ends.
    pub affixes: bool,
    /// Its pattern of capitals, digits and signs, and those around it.
    pub shapes: bool,
    /// The neighbouring words, and pairs of words.
    pub context: bool,
    /// Other occurrences of the token in its document.
    pub document: bool,
    /// All runs of two to five characters inside the token.
    pub characters: bool,
    /// Where the token stands in the sentence, and how long the sentence is.
    pub places: bool,
    /// What a first look took other occurrences of the token for, for the first layer of spans. It takes about half as
    /// much time again in prediction, and twice as much in training.
    #[serde(default)]
    pub looks: bool,
}

impl Default for FeatureGroups {
    fn default() -> Self {
        Self {
            words: true,
            affixes: true,
            shapes: true,
            context: true,
            document: true,
            characters: false,
            places: false,
            looks: false,
        }
    }
}

/// Receives features.
pub(crate) trait Sink {
    /// A feature: its template and its key.
    fn feature(&mut self, template: u8, key: u64);
}

/// How many templates there are, the numbers below included.
pub(crate) const TEMPLATES: usize = 104;

const WORD: u8 = 0;
const LOWER_WORD: u8 = 1;
const PREFIX: u8 = 2; // .. 6
const SUFFIX: u8 = 7; // .. 11
const SHAPE: u8 = 12;
const SHORT_SHAPE: u8 = 13;
const FLAGS: u8 = 14;
const CLUSTER: u8 = 15; // .. 17
const LISTED: u8 = 18;
const CLUSTER_SHAPE: u8 = 19;
const SUFFIX_SHAPE: u8 = 20;
const GRAM: u8 = 21;
const LENGTH: u8 = 22;

/// Templates of neighbours: this many per offset.
const NEAR: u8 = 24;
const NEAR_STEP: u8 = 8;

const PAIRS: u8 = 56; // .. 60
const SHAPES: u8 = 61; // .. 65
const WORD_SHAPE: u8 = 66; // .. 67
const CLUSTER_PAIRS: u8 = 68; // .. 71
const SHOUTING: u8 = 72; // .. 73
const FIRST: u8 = 74; // .. 75
const PLACE: u8 = 76; // .. 79
/// The features of lists.
pub(crate) const LISTS: u8 = 80; // .. 87
/// The features of other occurrences.
pub(crate) const DOCUMENT: u8 = 88; // .. 98
/// The features of a first look.
pub(crate) const LOOKS: u8 = 100; // .. 103

/// How far neighbours are seen.
pub(crate) const REACH: usize = 2;
/// A token and its neighbours.
pub(crate) const WINDOW: usize = 2 * REACH + 1;

impl FeatureGroups {
    /// The features that a token gives to the token `place - 2` positions away from it: those of its own at place 2.
    /// `spelling` has read this token last.
    pub(crate) fn alone(self, token: &Attributes, spelling: &Spelling, place: usize, sink: &mut impl Sink) {
        if place == REACH {
            self.own(token, spelling, sink);
            return;
        }
        if !self.context {
            return;
        }
        let base = NEAR + NEAR_STEP * (if place < REACH { place } else { place - 1 }) as u8;
        let mut put = |template: u8, value: u64| sink.feature(base + template, key(base + template, value));
        let adjacent = place.abs_diff(REACH) == 1;
        put(0, token.normal);
        if self.shapes {
            put(1, token.short_shape);
        }
        if token.clusters[0] != 0 {
            put(2, u64::from(token.clusters[1]));
            if adjacent {
                put(3, u64::from(token.clusters[0]));
                put(4, u64::from(token.clusters[2]));
            }
        }
        if adjacent && self.affixes && token.suffixes[2] != 0 {
            put(5, token.suffixes[2]);
        }
    }

    fn own(self, token: &Attributes, spelling: &Spelling, sink: &mut impl Sink) {
        let mut put = |template: u8, value: u64| sink.feature(template, key(template, value));
        if self.words {
            put(WORD, token.word);
            put(LOWER_WORD, token.normal);
        }
        if self.affixes {
            for length in 0..token.prefixes.len() {
                if token.prefixes[length] != 0 {
                    put(PREFIX + length as u8, token.prefixes[length]);
                    put(SUFFIX + length as u8, token.suffixes[length]);
                }
            }
        }
        if self.shapes {
            put(SHAPE, token.shape);
            put(SHORT_SHAPE, token.short_shape);
            put(
                FLAGS,
                u64::from(token.flags & (DIGIT | HYPHEN | DOT | CAPITAL | ALL_CAPITALS | INNER_CAPITAL | LOWER)),
            );
            put(LENGTH, u64::from(token.characters.min(12)));
            if self.affixes && token.suffixes[2] != 0 {
                put(SUFFIX_SHAPE, pair(token.suffixes[2], token.short_shape));
            }
        }
        if token.clusters[0] != 0 {
            for (level, &cluster) in token.clusters.iter().enumerate() {
                put(CLUSTER + level as u8, u64::from(cluster));
            }
            put(CLUSTER_SHAPE, pair(u64::from(token.clusters[1]), token.short_shape));
        }
        if token.listed != 0 {
            put(LISTED, pair(u64::from(token.listed), token.short_shape));
        }
        if self.characters {
            spelling.grams(2, 5, |gram| put(GRAM, gram));
        }
    }

    /// The features that join a token with its neighbours.
    pub(crate) fn joined(self, around: &Surroundings, sink: &mut impl Sink) {
        let mut put = |template: u8, value: u64| sink.feature(template, key(template, value));
        let [before_last, last, token, next, after_next] = around.window;
        if self.context {
            put(PAIRS, pair(last.normal, token.normal));
            put(PAIRS + 1, pair(token.normal, next.normal));
            put(PAIRS + 2, pair(last.normal, next.normal));
            put(PAIRS + 3, pair(before_last.normal, last.normal));
            put(PAIRS + 4, pair(next.normal, after_next.normal));
        }
        if self.shapes {
            let (left, right) = (pair(last.short_shape, token.short_shape), pair(token.short_shape, next.short_shape));
            put(SHAPES, left);
            put(SHAPES + 1, right);
            put(SHAPES + 2, pair(left, next.short_shape));
            if self.context {
                put(SHAPES + 3, pair(pair(before_last.short_shape, left), next.short_shape));
                put(SHAPES + 4, pair(pair(left, next.short_shape), after_next.short_shape));
                put(WORD_SHAPE, pair(last.normal, token.short_shape));
                put(WORD_SHAPE + 1, pair(token.short_shape, next.normal));
            }
        }
        if self.context {
            let class = |token: &Attributes| {
                if token.clusters[1] == 0 { token.short_shape } else { u64::from(token.clusters[1]) }
            };
            if around.clustered {
                put(CLUSTER_PAIRS, pair(class(last), class(token)));
                put(CLUSTER_PAIRS + 1, pair(class(token), class(next)));
                put(CLUSTER_PAIRS + 2, pair(class(last), class(next)));
                put(CLUSTER_PAIRS + 3, pair(pair(class(last), class(next)), token.short_shape));
            }
        }
        if around.shouting {
            put(SHOUTING, token.normal);
            if token.clusters[0] != 0 {
                put(SHOUTING + 1, u64::from(token.clusters[0]));
            }
        }
        if around.place == 0 {
            put(FIRST, token.normal);
            put(FIRST + 1, token.short_shape);
        }
        if self.places {
            let (place, length) = (around.place, around.length);
            put(PLACE, (place.min(20) * 32 + length.min(20)) as u64);
            put(PLACE + 1, ((place * 8).checked_div(length).unwrap_or(0)) as u64);
            put(PLACE + 2, (length - place).min(10) as u64);
            put(PLACE + 3, length.min(40) as u64);
        }
    }
}

/// Whether a template says something about a sentence as a whole: words, pairs of words, ends and classes of words.
pub(crate) const fn speaks_of_sentences(template: u8) -> bool {
    matches!(template, LOWER_WORD | PAIRS | FIRST)
        || template == PREFIX + 3
        || template == SUFFIX + 2
        || template == CLUSTER
}

/// A token among its neighbours.
pub(crate) struct Surroundings<'a> {
    /// The two tokens before, the token, the two after.
    pub(crate) window: [&'a Attributes; WINDOW],
    /// Its position in the sentence.
    pub(crate) place: usize,
    /// The length of the sentence.
    pub(crate) length: usize,
    /// Whether the sentence is written in capitals.
    pub(crate) shouting: bool,
    /// Whether there are word classes.
    pub(crate) clustered: bool,
}

/// Whether a sentence is written in capitals: at least two tokens with letters, and hardly any lower-case one among
/// them. Such words say nothing by their capitals.
pub(crate) fn is_shouting<'a>(tokens: impl Iterator<Item = &'a Attributes>) -> bool {
    let (mut capitals, mut others) = (0, 0);
    for token in tokens {
        if token.flags & ALL_CAPITALS != 0 {
            capitals += 1;
        } else if token.flags & (LOWER | CAPITAL) != 0 {
            others += 1;
        }
    }
    capitals >= 2 && others * 5 <= capitals
}
