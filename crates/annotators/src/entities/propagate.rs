//! Spans that follow from other spans: the same words marked in one place and not in another.
//!
//! *Exact surface form matching* after Polyglot-NER (Al-Rfou et al., SDM 2015): what is marked once in a document is
//! marked wherever else it stands there, since sources tend to mark the first mention alone. Over a whole corpus the same
//! is done for words that are marked with one label nearly always and at least half of the time. It helps where spans come
//! from rules that look at the context; what a list finds, it has found everywhere already.

use std::collections::BTreeMap;

use postil_core::{Document, Name, Result, Span};

use super::find::{EntityMatcher, Given, Scratch};
use super::list::EntityList;
use super::policy::Policy;
use crate::list::Case;

/// How far a marked name reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Within its document.
    #[default]
    Document,
    /// Over all documents.
    Corpus,
}

/// How to propagate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Propagation {
    /// How far.
    pub scope: Scope,
    /// Labels of persons: the last word of their names stands for the whole within the document.
    pub persons: Vec<Name>,
}

/// A label must have this share of the marked places of a name.
const PURITY: f64 = 0.9;
/// Over a corpus this share of the places of a name must be marked, and this many.
const MARKED: f64 = 0.5;
const LEAST: u64 = 2;

/// The spans to add to each document; none overlaps a span that is there.
///
/// # Errors
/// More names than a matcher holds.
pub fn propagate(documents: &[Document], how: &Propagation) -> Result<Vec<Vec<Span>>> {
    match how.scope {
        Scope::Document => documents
            .iter()
            .map(|document| {
                let mut names = Names::default();
                names.note(document, &how.persons);
                let lists = names.lists(|counts| Some(leading(counts)?.0));
                add(document, &lists)
            })
            .collect(),
        Scope::Corpus => corpus(documents, how),
    }
}

/// How many times a sentence counts in training, so that those with spans make up `share` of all tokens: one for those
/// without, and one number, at least one, for those with. Oversampling after Polyglot-NER, as weights; `sentences` are
/// tokens and whether there is a span.
pub fn sentence_weights(sentences: &[(u32, bool)], share: f64) -> Vec<f64> {
    let tokens = |with: bool| -> f64 {
        sentences.iter().filter(|(_, spans)| *spans == with).map(|(tokens, _)| f64::from(*tokens)).sum()
    };
    let (with, without) = (tokens(true), tokens(false));
    let share = share.clamp(0.0, 0.99);
    let weight = if with > 0.0 { (share * without / ((1.0 - share) * with)).max(1.0) } else { 1.0 };
    sentences.iter().map(|(_, spans)| if *spans { weight } else { 1.0 }).collect()
}

/// How often each name is marked with each label.
#[derive(Default)]
struct Names(BTreeMap<String, BTreeMap<Name, u64>>);

/// The label that has nearly all marks, and how many.
fn leading(counts: &BTreeMap<Name, u64>) -> Option<(Name, u64)> {
    let total: u64 = counts.values().sum();
    let (label, &most) = counts.iter().max_by_key(|(_, count)| **count)?;
    (most as f64 >= PURITY * total as f64).then(|| (label.clone(), most))
}

impl Names {
    fn note(&mut self, document: &Document, persons: &[Name]) {
        for span in &document.spans {
            let mut mark = |name: &str| {
                *self.0.entry(name.to_owned()).or_default().entry(span.label.clone()).or_default() += 1;
            };
            mark(&span.quote);
            if persons.contains(&span.label)
                && let Some((_, last)) = span.quote.rsplit_once(char::is_whitespace)
                && last.chars().filter(|letter| letter.is_alphabetic()).count() > 2
            {
                mark(last);
            }
        }
    }

    /// Lists of the names for which `label` gives one.
    fn lists(&self, label: impl Fn(&BTreeMap<Name, u64>) -> Option<Name>) -> Vec<EntityList> {
        let mut lists: BTreeMap<Name, EntityList> = BTreeMap::new();
        for (name, counts) in &self.0 {
            if let Some(label) = label(counts) {
                lists.entry(label.clone()).or_insert_with(|| EntityList::new(label, "marked names")).push(name);
            }
        }
        lists.into_values().collect()
    }
}

fn matcher(lists: &[EntityList]) -> Result<EntityMatcher> {
    let policy = Policy { case: Case::Exact, all_caps: false, ..Policy::default() };
    EntityMatcher::new(&lists.iter().map(|list| (list, policy.clone())).collect::<Vec<_>>())
}

fn add(document: &Document, lists: &[EntityList]) -> Result<Vec<Span>> {
    if lists.is_empty() {
        return Ok(Vec::new());
    }
    Ok(unmarked(&matcher(lists)?, document, &mut Scratch::default()))
}

/// The matches that overlap no span of the document.
fn unmarked(matcher: &EntityMatcher, document: &Document, scratch: &mut Scratch) -> Vec<Span> {
    let found = super::score::say(matcher, document, scratch);
    let free = |start: u32, end: u32| document.spans.iter().all(|span| span.end <= start || end <= span.start);
    let spans = found.into_iter().filter(|one| !one.ambiguous && free(one.start, one.end));
    spans
        .map(|one| Span {
            quote: document.text.chars().skip(one.start as usize).take((one.end - one.start) as usize).collect(),
            start: one.start,
            end: one.end,
            label: one.label,
        })
        .collect()
}

fn corpus(documents: &[Document], how: &Propagation) -> Result<Vec<Vec<Span>>> {
    let mut names = Names::default();
    documents.iter().for_each(|document| names.note(document, &how.persons));
    let often = |counts: &BTreeMap<Name, u64>| leading(counts).filter(|(_, count)| *count >= LEAST);
    let lists = names.lists(|counts| Some(often(counts)?.0));
    if lists.is_empty() {
        return Ok(vec![Vec::new(); documents.len()]);
    }
    let mut scratch = Scratch::default();
    let all = matcher(&lists)?;
    // How often each name stands anywhere.
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    for document in documents {
        let given =
            (!document.tokens.is_empty()).then_some(Given { tokens: &document.tokens, sentences: &document.sentences });
        all.visit(&document.text, given, &mut scratch, |found| {
            *places.entry(all.entry(found.sources[0]).0.to_owned()).or_default() += 1;
        });
    }
    let mut kept = Names::default();
    for (name, counts) in names.0 {
        let marked = often(&counts).map_or(0, |(_, count)| count);
        let standing = places.get(&name).copied().unwrap_or(0);
        if marked > 0 && marked as f64 >= MARKED * standing as f64 {
            kept.0.insert(name, counts);
        }
    }
    let lists = kept.lists(|counts| Some(leading(counts)?.0));
    if lists.is_empty() {
        return Ok(vec![Vec::new(); documents.len()]);
    }
    let matcher = matcher(&lists)?;
    Ok(documents.iter().map(|document| unmarked(&matcher, document, &mut scratch)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str, spans: &[(&str, &str)]) -> Document {
        let mut document = Document::from_text(text, text);
        for (quote, label) in spans {
            let start = text[..text.find(quote).unwrap()].chars().count() as u32;
            let end = start + quote.chars().count() as u32;
            document.spans.push(Span { start, end, label: (*label).into(), quote: (*quote).to_owned() });
        }
        document
    }

    fn added(documents: &[Document], how: &Propagation) -> Vec<Vec<String>> {
        let spans = propagate(documents, how).unwrap();
        let show = |span: &Span| format!("{}/{}@{}", span.quote, span.label, span.start);
        spans.iter().map(|spans| spans.iter().map(show).collect()).collect()
    }

    #[test]
    fn a_name_reaches_as_far_as_its_scope() {
        let documents = [
            document("é Ada Ott met Oslo. Ott and oslo, Oslo", &[("Ada Ott", "PER"), ("Oslo", "LOC")]),
            document("Oslo, then Bergen", &[("Bergen", "LOC")]),
            document("to Oslo, Bergen", &[("Oslo", "LOC"), ("Bergen", "LOC")]),
        ];
        let how = Propagation { scope: Scope::Document, persons: vec!["PER".into()] };
        let none: Vec<String> = Vec::new();
        assert_eq!(
            added(&documents, &how),
            [vec!["Ott/PER@20".to_owned(), "Oslo/LOC@34".to_owned()], none.clone(), none]
        );
        let how = Propagation { scope: Scope::Corpus, persons: vec![] };
        assert_eq!(added(&documents, &how), [vec!["Oslo/LOC@34"], vec!["Oslo/LOC@0"], vec![]]);
    }

    #[test]
    fn a_name_with_two_labels_reaches_nowhere() {
        let documents =
            [document("Paris, and Paris Ott; Paris", &[("Paris", "LOC"), ("Paris Ott", "PER")]), document("x", &[])];
        assert_eq!(added(&documents, &Propagation::default())[0], ["Paris/LOC@22"]);
        let mut twice = document("Paris Paris Paris", &[("Paris", "LOC")]);
        twice.spans.push(Span { start: 6, end: 11, label: "PER".into(), quote: "Paris".into() });
        assert_eq!(added(&[twice], &Propagation::default()), [Vec::<String>::new()]);
    }

    #[test]
    fn sentences_with_spans_get_their_share() {
        let weights = sentence_weights(&[(10, true), (90, false)], 0.5);
        assert_eq!(weights, [9.0, 1.0]);
        assert_eq!(sentence_weights(&[(90, true), (10, false)], 0.5), [1.0, 1.0]);
        assert_eq!(sentence_weights(&[(5, false)], 0.5), [1.0]);
    }
}
