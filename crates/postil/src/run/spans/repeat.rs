//! The same words elsewhere: what is a name once in a text is mostly the same name wherever it stands there.

use std::collections::HashMap;

use postil_core::Document;
use postil_core::sequences::{Claim, SequenceConsensus, Silence};

use super::fuse::Voice;

/// No longer name is looked for again.
const LONGEST: usize = 6;
/// A type must have this share of all that the other places say.
const PURITY: f64 = 0.7;
/// The other places must say this much in sum: one sure span, or two doubtful ones.
const EVIDENCE: f64 = 0.7;
/// Over all texts, so many other places must be marked, and this share of all other places.
const LEAST: f64 = 3.0;
const MARKED: f64 = 0.6;

/// How often words are which type, and how often they stand anywhere.
#[derive(Clone, Default)]
struct Seen {
    types: Vec<f64>,
    places: f64,
}

/// Two annotators made of a consensus: one says of the words of a span what the same words are elsewhere in their text,
/// the other what they are in other texts. A place never speaks for itself. Both miss what they do not know.
///
/// After *exact surface form matching* of Polyglot-NER (Al-Rfou et al., SDM 2015) and the document-level functions of skweak
/// (Lison et al., ACL 2021).
pub(super) fn repeat(documents: &[Document], consensus: &SequenceConsensus, types: usize) -> [Voice; 2] {
    let mut keys: HashMap<String, u32> = HashMap::new();
    for span in &consensus.spans {
        let document = &documents[span.item as usize];
        if (span.span.end - span.span.start) as usize <= LONGEST {
            let next = keys.len() as u32;
            keys.entry(key(document, span.span.start as usize, span.span.end as usize)).or_insert(next);
        }
    }
    // The places of every known name, text by text: longest first from left to right.
    let places: Vec<Vec<(u32, u32, u32)>> = documents.iter().map(|document| find(document, &keys)).collect();
    let mut all = vec![Seen { types: vec![0.0; types], places: 0.0 }; keys.len()];
    let mut of_text: Vec<HashMap<u32, Seen>> = vec![HashMap::new(); documents.len()];
    let mut own: Vec<HashMap<(u32, u32), (usize, f64)>> = vec![HashMap::new(); documents.len()];
    for span in &consensus.spans {
        let said = (usize::from(span.span.class), f64::from(span.probability));
        own[span.item as usize].insert((span.span.start, span.span.end), said);
    }
    for (item, places) in places.iter().enumerate() {
        for &(start, end, name) in places {
            let here = of_text[item].entry(name).or_insert_with(|| Seen { types: vec![0.0; types], places: 0.0 });
            here.places += 1.0;
            all[name as usize].places += 1.0;
            if let Some(&(class, probability)) = own[item].get(&(start, end)) {
                here.types[class] += probability;
                all[name as usize].types[class] += probability;
            }
        }
    }
    let mut voices = [0, 1].map(|_| Voice { claims: vec![Vec::new(); documents.len()], silence: Silence::Misses });
    for (item, places) in places.iter().enumerate() {
        for &(start, end, name) in places {
            let here = &of_text[item][&name];
            let mut others = here.types.clone();
            if let Some(&(class, probability)) = own[item].get(&(start, end)) {
                others[class] -= probability;
            }
            if let Some(class) = leading(&others, EVIDENCE) {
                voices[0].claims[item].push(Claim::new(start, end, class));
            }
            let everywhere = &all[name as usize];
            let elsewhere: Vec<f64> =
                everywhere.types.iter().zip(&here.types).map(|(all, here)| (all - here).max(0.0)).collect();
            let there = everywhere.places - here.places;
            if elsewhere.iter().sum::<f64>() >= MARKED * there
                && let Some(class) = leading(&elsewhere, LEAST)
            {
                voices[1].claims[item].push(Claim::new(start, end, class));
            }
        }
    }
    voices
}

/// The type that has nearly all of the evidence, if there is enough.
fn leading(types: &[f64], least: f64) -> Option<u16> {
    let sum: f64 = types.iter().sum();
    let (class, most) = types.iter().enumerate().max_by(|left, right| left.1.total_cmp(right.1))?;
    (sum >= least && *most >= PURITY * sum).then_some(class as u16)
}

/// The words of a stretch; all capitals are as good as any.
fn key(document: &Document, start: usize, end: usize) -> String {
    let words: Vec<&str> = document.tokens[start..end].iter().map(|token| token.of(&document.text)).collect();
    words.join(" ").to_uppercase()
}

/// Where known names stand: longest first, from left to right. A word without a capital is no name, unless the text's
/// script has none.
fn find(document: &Document, keys: &HashMap<String, u32>) -> Vec<(u32, u32, u32)> {
    let mut found = Vec::new();
    let mut start = 0;
    for &sentence in &document.sentences {
        let sentence = sentence as usize;
        let mut at = start;
        while at < sentence {
            let small = document.tokens[at].of(&document.text).chars().next().is_some_and(char::is_lowercase);
            let ends = (at + 1..=(at + LONGEST).min(sentence)).rev();
            let name = ends.filter(|_| !small).find_map(|end| Some((end, *keys.get(&key(document, at, end))?)));
            match name {
                Some((end, name)) => {
                    found.push((at as u32, end as u32, name));
                    at = end;
                }
                None => at += 1,
            }
        }
        start = sentence;
    }
    found
}
