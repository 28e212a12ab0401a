//! Words that are marked in different ways, or marked here and not there.
//!
//! A *surface* is a sequence of words that is marked at least once. All its occurrences are looked up; where they do not
//! carry the same mark, either the words are ambiguous or somebody erred. What tells the two apart is what stands around
//! them (Dickinson and Meurers 2003, who call it the variation nucleus): the same words between the same neighbours, or
//! within one document, seldom mean two things.
//!
//! Occurrences within a longer mark, as `Washington` in `Washington Post`, are counted apart: a name within a name is no
//! contradiction.

use std::collections::HashMap;

use serde::Serialize;

use crate::task::Name;
use crate::text::Named;

/// Longer marks are no surfaces: nobody repeats them by accident.
const LONGEST: usize = 16;

/// What an occurrence that differs counts for, where neither document nor context speaks for an error.
const ALONE: f64 = 0.1;

/// How an occurrence is marked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Marked {
    /// All of it, with this label; several labels on the same words are joined by `+`.
    Label {
        /// The label.
        label: Name,
    },
    /// Not at all.
    Nothing,
    /// With other borders: a mark ends or begins within it.
    Part,
}

impl Marked {
    /// The label, or `nothing` or `in part` in brackets, which are no labels.
    pub fn words(&self) -> &str {
        match self {
            Self::Label { label } => label,
            Self::Nothing => "(nothing)",
            Self::Part => "(in part)",
        }
    }
}

/// One place where a surface stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The document, by its place in the order in which documents were added.
    pub document: u32,
    /// The first token, within the document.
    pub start: u32,
    /// One past the last token.
    pub end: u32,
    /// How it is marked; none within a longer mark.
    pub marked: Option<Marked>,
}

/// How often a surface is marked in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkCount {
    /// The way.
    pub marked: Marked,
    /// How often.
    pub count: u32,
}

/// A sequence of words that is not marked in the same way everywhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Surface {
    /// The words with single spaces between, as they stand at their first occurrence.
    pub words: String,
    /// How often they occur, but for those within longer marks.
    pub occurrences: u32,
    /// How often they occur within a longer mark.
    pub within: u32,
    /// The ways in which they are marked, the most frequent first.
    pub marks: Vec<MarkCount>,
    /// Occurrences that are not marked in the most frequent way.
    pub minority: u32,
    /// Of these, those whose document has an occurrence that is marked in another way.
    pub same_document: u32,
    /// Of these, those with the same word before and behind as an occurrence that is marked in another way.
    pub same_context: u32,
    /// What the surfaces are ranked by; see [`Surfaces`].
    pub score: f64,
    /// All occurrences, in the order of the documents.
    #[serde(skip)]
    pub places: Vec<Occurrence>,
}

/// All surfaces that are not marked in the same way everywhere, the most telling first.
///
/// The score adds up over the occurrences that differ from the most frequent mark of their words: each counts one for each
/// of the two circumstances that speak for an error, the same document and the same context, and one tenth for itself. The
/// sum is multiplied by the share of the most frequent mark, since the rarer a mark, the likelier it is wrong. Ties go by
/// the words. The example `consistency_table` shows what each part is worth on CoNLL-2003, whose errors CleanCoNLL (Rücker and
/// Akbik 2023) has corrected.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Surfaces {
    /// Surfaces with one mark or several.
    pub known: u64,
    /// Tokens that were looked at.
    pub tokens: u64,
    /// Those with several.
    pub list: Vec<Surface>,
}

#[derive(Clone, Copy)]
struct Run {
    start: u32,
    end: u32,
    label: u32,
}

/// Takes in marked texts, one after the other, and finds the surfaces. Memory: some 5 bytes for each token, the words and
/// the marks, and 16 bytes for each occurrence of anything that is marked.
#[derive(Default)]
pub struct ConsistencyCheck {
    fold_case: bool,
    words: Vec<String>,
    word_ids: HashMap<String, u32>,
    labels: Vec<Name>,
    label_ids: HashMap<Name, u32>,
    /// The words of all documents.
    tokens: Vec<u32>,
    /// Whether a sentence begins at a token.
    begins: Vec<bool>,
    /// Where each document ends, in tokens and in runs.
    ends: Vec<(usize, usize)>,
    runs: Vec<Run>,
}

/// One occurrence while they are counted.
#[derive(Clone, Copy)]
struct Hit {
    surface: u32,
    document: u32,
    /// The token, within all documents.
    token: u32,
    status: u32,
}

const WITHIN: u32 = u32::MAX;
const NOTHING: u32 = u32::MAX - 1;
const PART: u32 = u32::MAX - 2;

impl ConsistencyCheck {
    /// An empty check; `fold_case` says whether `LONDON` and `London` are the same words.
    pub fn new(fold_case: bool) -> Self {
        Self { fold_case, ..Self::default() }
    }

    /// Takes in a document: its words, where its sentences end, and its marks in tokens, in any order; they may overlap.
    /// Marks that do not lie within the words are passed over.
    pub fn add<'w, N: AsRef<str>>(
        &mut self,
        words: impl Iterator<Item = &'w str>,
        sentences: &[u32],
        marks: impl Iterator<Item = Named<N>>,
    ) {
        let first = self.tokens.len();
        for word in words {
            let id = self.word(word);
            self.tokens.push(id);
        }
        let length = self.tokens.len() - first;
        self.begins.resize(self.tokens.len(), false);
        for &start in std::iter::once(&0).chain(sentences) {
            if (start as usize) < length {
                self.begins[first + start as usize] = true;
            }
        }
        let from = self.runs.len();
        for mark in marks {
            if mark.start < mark.end && mark.end as usize <= length {
                let label = self.label(mark.label.as_ref());
                self.runs.push(Run { start: mark.start, end: mark.end, label });
            }
        }
        self.runs[from..].sort_unstable_by_key(|run| (run.start, run.end, run.label));
        self.ends.push((self.tokens.len(), self.runs.len()));
    }

    fn word(&mut self, word: &str) -> u32 {
        let folded = if self.fold_case { Some(word.to_lowercase()) } else { None };
        let key = folded.as_deref().unwrap_or(word);
        if let Some(&id) = self.word_ids.get(key) {
            return id;
        }
        let id = self.words.len() as u32;
        self.word_ids.insert(key.to_owned(), id);
        self.words.push(word.to_owned());
        id
    }

    fn label(&mut self, label: &str) -> u32 {
        if let Some(&id) = self.label_ids.get(label) {
            return id;
        }
        let (id, name) = (self.labels.len() as u32, Name::from(label));
        self.labels.push(name.clone());
        self.label_ids.insert(name, id);
        id
    }

    /// Each document with its number, its tokens within all, and its runs.
    fn documents(&self) -> impl Iterator<Item = (u32, std::ops::Range<usize>, &[Run])> {
        let starts = std::iter::once((0, 0)).chain(self.ends.iter().copied());
        (0..)
            .zip(starts.zip(&self.ends))
            .map(|(number, (start, end))| (number, start.0..end.0, &self.runs[start.1..end.1]))
    }

    /// Finds the surfaces that are not marked in the same way everywhere.
    pub fn finish(mut self) -> Surfaces {
        let trie = self.trie();
        let mut hits = self.hits(&trie);
        // Hits come in the order of the documents, which a stable sort keeps within each surface.
        hits.sort_by_key(|hit| hit.surface);
        let mut list = Vec::new();
        for group in hits.chunk_by(|left, right| left.surface == right.surface) {
            list.extend(self.surface(group, trie.lengths[group[0].surface as usize]));
        }
        list.sort_by(|left, right| right.score.total_cmp(&left.score).then_with(|| left.words.cmp(&right.words)));
        Surfaces { known: trie.lengths.len() as u64, tokens: self.tokens.len() as u64, list }
    }

    fn trie(&self) -> Trie {
        let mut trie = Trie { steps: HashMap::new(), surfaces: vec![None], lengths: Vec::new() };
        for (_, range, runs) in self.documents() {
            for run in runs.iter().filter(|run| (run.end - run.start) as usize <= LONGEST) {
                trie.add(&self.tokens[range.start + run.start as usize..range.start + run.end as usize]);
            }
        }
        trie
    }

    fn hits(&mut self, trie: &Trie) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut joined: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut further: Vec<Name> = Vec::new();
        for (document, range, runs) in self.documents() {
            let longest = runs.iter().map(|run| run.end - run.start).max().unwrap_or(0);
            for token in range.clone() {
                let mut node = 0;
                for (length, word) in (1_u32..).zip(&self.tokens[token..range.end]) {
                    let Some(&next) = trie.steps.get(&(node, *word)) else { break };
                    node = next;
                    let Some(surface) = trie.surfaces[node as usize] else { continue };
                    let start = (token - range.start) as u32;
                    let mut exact = Vec::new();
                    let status = match status(runs, longest, start, start + length, &mut exact) {
                        Some(status) => status,
                        None if exact.len() == 1 => exact[0],
                        None => *joined.entry(exact).or_insert_with_key(|labels| {
                            let mut names: Vec<&str> =
                                labels.iter().map(|&label| &*self.labels[label as usize]).collect();
                            names.sort_unstable();
                            further.push(names.join("+").into());
                            (self.labels.len() + further.len() - 1) as u32
                        }),
                    };
                    hits.push(Hit { surface, document, token: token as u32, status });
                }
            }
        }
        self.labels.extend(further);
        hits
    }

    fn marked(&self, status: u32) -> Option<Marked> {
        match status {
            WITHIN => None,
            NOTHING => Some(Marked::Nothing),
            PART => Some(Marked::Part),
            label => Some(Marked::Label { label: self.labels[label as usize].clone() }),
        }
    }

    /// What stands around a hit: the words before and behind, none at the border of a sentence.
    fn context(&self, hit: Hit, length: u32) -> (u32, u32) {
        let (document_end, _) = self.ends[hit.document as usize];
        let (start, end) = (hit.token as usize, (hit.token + length) as usize);
        let before = if self.begins[start] { u32::MAX } else { self.tokens[start - 1] };
        let after = if end >= document_end || self.begins[end] { u32::MAX } else { self.tokens[end] };
        (before, after)
    }

    fn surface(&self, group: &[Hit], length: u32) -> Option<Surface> {
        let mut counts: HashMap<u32, u32> = HashMap::new();
        let counted = || group.iter().copied().filter(|hit| hit.status != WITHIN);
        counted().for_each(|hit| *counts.entry(hit.status).or_default() += 1);
        if counts.len() < 2 {
            return None;
        }
        let occurrences: u32 = counts.values().sum();
        let mut marks: Vec<(MarkCount, u32)> = counts
            .into_iter()
            .filter_map(|(status, count)| Some((MarkCount { marked: self.marked(status)?, count }, status)))
            .collect();
        marks.sort_by(|left, right| right.0.count.cmp(&left.0.count).then_with(|| left.0.marked.cmp(&right.0.marked)));
        let (most, majority) = (marks[0].0.count, marks[0].1);
        let (mut by_document, mut by_context) = (HashMap::new(), HashMap::new());
        for hit in counted() {
            note(&mut by_document, hit.document, hit.status);
            note(&mut by_context, self.context(hit, length), hit.status);
        }
        let (mut same_document, mut same_context) = (0, 0);
        for hit in counted().filter(|hit| hit.status != majority) {
            same_document += u32::from(by_document[&hit.document].is_none());
            same_context += u32::from(by_context[&self.context(hit, length)].is_none());
        }
        let first = group[0].token as usize;
        let words: Vec<&str> =
            self.tokens[first..first + length as usize].iter().map(|&word| &*self.words[word as usize]).collect();
        let minority = occurrences - most;
        let majority_share = f64::from(most) / f64::from(occurrences);
        let places = group.iter().map(|hit| {
            let start = hit.document.checked_sub(1).map_or(0, |before| self.ends[before as usize].0) as u32;
            let start = hit.token - start;
            Occurrence { document: hit.document, start, end: start + length, marked: self.marked(hit.status) }
        });
        Some(Surface {
            words: words.join(" "),
            occurrences,
            within: group.len() as u32 - occurrences,
            marks: marks.into_iter().map(|(mark, _)| mark).collect(),
            minority,
            same_document,
            same_context,
            score: majority_share * (f64::from(same_document + same_context) + ALONE * f64::from(minority)),
            places: places.collect(),
        })
    }
}

/// Keeps the one status that a key has, or that it has several.
fn note<K: std::hash::Hash + Eq>(statuses: &mut HashMap<K, Option<u32>>, key: K, status: u32) {
    statuses
        .entry(key)
        .and_modify(|known| {
            if *known != Some(status) {
                *known = None;
            }
        })
        .or_insert(Some(status));
}

/// How the words from `start` to `end` are marked; `None` where marks have just these borders, whose labels are then in
/// `exact`.
fn status(runs: &[Run], longest: u32, start: u32, end: u32, exact: &mut Vec<u32>) -> Option<u32> {
    // No run that begins earlier reaches so far.
    let from = runs.partition_point(|run| run.start + longest <= start);
    let mut status = NOTHING;
    for run in runs[from..].iter().take_while(|run| run.start < end) {
        if (run.start, run.end) == (start, end) {
            exact.push(run.label);
        } else if run.start <= start && run.end >= end {
            status = WITHIN;
        } else if run.end > start && status == NOTHING {
            status = PART;
        }
    }
    exact.dedup();
    exact.is_empty().then_some(status)
}

/// The marked sequences of words.
struct Trie {
    steps: HashMap<(u32, u32), u32>,
    /// The surface that ends at a node.
    surfaces: Vec<Option<u32>>,
    /// How many words each surface has.
    lengths: Vec<u32>,
}

impl Trie {
    fn add(&mut self, words: &[u32]) {
        let mut node = 0;
        for &word in words {
            let next = self.surfaces.len() as u32;
            node = *self.steps.entry((node, word)).or_insert(next);
            if node == next {
                self.surfaces.push(None);
            }
        }
        if self.surfaces[node as usize].is_none() {
            self.surfaces[node as usize] = Some(self.lengths.len() as u32);
            self.lengths.push(words.len() as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts with marks as `[PER Ann Lee]`, sentences apart by `/`.
    fn check(documents: &[&str], fold_case: bool) -> Surfaces {
        let mut check = ConsistencyCheck::new(fold_case);
        for document in documents {
            let (mut words, mut sentences, mut marks, mut open) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for piece in document.split(' ') {
                if piece == "/" {
                    sentences.push(words.len() as u32);
                } else if let Some(label) = piece.strip_prefix('[') {
                    open.push((words.len() as u32, label));
                } else {
                    words.push(piece.trim_end_matches(']'));
                    for _ in 0..piece.matches(']').count() {
                        let (start, label) = open.pop().unwrap();
                        marks.push(Named { start, end: words.len() as u32, label });
                    }
                }
            }
            check.add(words.into_iter(), &sentences, marks.into_iter());
        }
        check.finish()
    }

    fn counts(surface: &Surface) -> Vec<(&str, u32)> {
        surface.marks.iter().map(|mark| (mark.marked.words(), mark.count)).collect()
    }

    #[test]
    fn surfaces_are_found_with_all_their_marks() {
        let found = check(
            &[
                "[PER Ann] met [PER Ann Lee] in [LOC Oslo]",
                "Ann Lee of [ORG Oslo Post] saw [LOC Oslo] and Ann [LOC Lee]",
                "in [ORG Oslo] he rests",
            ],
            false,
        );
        let words: Vec<&str> = found.list.iter().map(|surface| &*surface.words).collect();
        assert_eq!((found.known, words.len()), (5, 4), "{words:?}");
        let of = |words: &str| found.list.iter().find(|surface| surface.words == words).unwrap();
        assert_eq!(counts(of("Oslo")), [("LOC", 2), ("ORG", 1)]);
        assert_eq!(of("Oslo").within, 1);
        assert_eq!(counts(of("Ann Lee")), [("PER", 1), ("(nothing)", 1), ("(in part)", 1)]);
        assert_eq!(counts(of("Ann")), [("(nothing)", 2), ("PER", 1)]);
        assert_eq!(counts(of("Lee")), [("LOC", 1), ("(nothing)", 1)]);
        let places: Vec<(u32, u32)> = of("Oslo").places.iter().map(|place| (place.document, place.start)).collect();
        assert_eq!(places, [(0, 5), (1, 3), (1, 6), (2, 1)]);
    }

    #[test]
    fn the_same_document_and_the_same_neighbours_speak_for_an_error() {
        let found =
            check(&["to [LOC Bonn] now / to Bonn now", "to [LOC Bonn] now", "to Rome now / to [LOC Rome]"], false);
        let [bonn, rome] = &found.list[..] else { panic!("{:?}", found.list) };
        assert_eq!((&*bonn.words, bonn.minority, bonn.same_document, bonn.same_context), ("Bonn", 1, 1, 1));
        assert_eq!((&*rome.words, rome.minority, rome.same_document, rome.same_context), ("Rome", 1, 1, 0));
        assert!(bonn.score > rome.score);
    }

    #[test]
    fn case_can_be_folded_and_labels_on_the_same_words_are_one_mark() {
        assert!(check(&["[LOC BONN]", "Bonn"], false).list.is_empty());
        let found = check(&["[LOC BONN]", "Bonn"], true);
        assert_eq!(counts(&found.list[0]), [("LOC", 1), ("(nothing)", 1)]);
        let found = check(&["[LOC [ORG Bonn]]", "[ORG Bonn]"], false);
        let mut marks = counts(&found.list[0]);
        marks.sort_unstable();
        assert_eq!(marks, [("LOC+ORG", 1), ("ORG", 1)]);
    }

    #[test]
    fn tags_are_marks_on_every_word() {
        let found = check(&["[DT the] [NN run]", "[DT the] [VB run]", "[DT the] [NN walk]"], false);
        assert_eq!(found.list.len(), 1);
        assert_eq!((&*found.list[0].words, found.list[0].minority), ("run", 1));
        assert_eq!(found.list[0].same_context, 1);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(check(&[], false), Surfaces::default());
        let mut check = ConsistencyCheck::new(false);
        check.add(["a"].into_iter(), &[1], [Named { start: 0, end: 2, label: "X" }].into_iter());
        assert!(check.finish().list.is_empty());
    }
}
