//! How many of the corrections of CleanCoNLL are among the first suspects.
//!
//! `POSTIL_DATA=... cargo run --release -p postil-core --example span_errors -- BELIEFS.jsonl`, with a file made by
//! `BELIEFS=BELIEFS.jsonl cargo run --release -p postil-student --example chain_conll`: sentences of CoNLL-2003's
//! development and test parts, in order, with given and believed spans and their probabilities.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints its result and stops at bad files")]

use std::collections::BTreeMap;

use postil_core::sequences::{SpanBelief, SpanError, TokenSpan, find_span_errors, inconsistent_surfaces};
use postil_core::text::{Scheme, read_tags};
use serde_json::Value;

const TYPES: [&str; 4] = ["LOC", "MISC", "ORG", "PER"];

fn class(name: &str) -> u16 {
    TYPES.iter().position(|known| *known == name).unwrap() as u16
}

/// Where each token of the original, blank lines and document marks left out, begins and ends among the tokens of the
/// corrected file.
fn aligned(original: &[&str], patch: &str) -> (Vec<(usize, usize)>, Vec<bool>) {
    // Hunks of a plain diff: lines of the original that are replaced by so many lines.
    let mut hunks: BTreeMap<usize, (usize, Vec<String>)> = BTreeMap::new();
    let mut current = 0;
    for line in patch.lines() {
        if let Some(added) = line.strip_prefix("> ").or((line == ">").then_some("")) {
            hunks.get_mut(&current).unwrap().1.push(added.to_owned());
        } else if !line.starts_with('<') && line != "---" {
            let place = line.find(['a', 'c', 'd']).unwrap();
            let range = |text: &str| -> (usize, usize) {
                let (from, to) = text.split_once(',').unwrap_or((text, text));
                (from.parse().unwrap(), to.parse().unwrap())
            };
            let (from, to) = range(&line[..place]);
            current = if &line[place..=place] == "a" { from + 1 } else { from };
            let removed = if &line[place..=place] == "a" { 0 } else { to - from + 1 };
            hunks.insert(current, (removed, Vec::new()));
        }
    }
    let word = |line: &str| !line.trim().is_empty() && !line.starts_with("-DOCSTART-");
    let (mut ranges, mut marks) = (Vec::new(), Vec::new());
    let mut next = 0;
    let mut at = 1;
    while at <= original.len() {
        let Some((removed, added)) = hunks.get(&at) else {
            if word(original[at - 1]) {
                ranges.push((next, next + 1));
                next += 1;
            }
            marks.push(word(original[at - 1]));
            at += 1;
            continue;
        };
        let fresh = added.iter().filter(|line| word(line)).count();
        let old = original[at - 1..at - 1 + removed].iter().filter(|line| word(line)).count();
        for token in 0..old {
            // One token became several, or several became as many.
            let (from, to) = if old == 1 { (0, fresh) } else { (token.min(fresh), (token + 1).min(fresh)) };
            ranges.push((next + from, next + to));
        }
        marks.extend(added.iter().map(|line| word(line)));
        next += fresh;
        at += (*removed).max(1);
        if *removed == 0 {
            // Lines were added before this one, which stays.
            at -= 1;
            hunks.remove(&at);
        }
    }
    (ranges, marks)
}

fn main() {
    let data = std::env::var("POSTIL_DATA").unwrap_or_else(|_| "../shared/data".into());
    let read = |name: &str| std::fs::read_to_string(format!("{data}/ner/{name}")).unwrap().replace('\r', "");
    let file = std::env::args().nth(1).expect("a file of beliefs");
    let lines: Vec<Value> =
        std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (part, clean) in [("eng.testa", "dev"), ("eng.testb", "test")] {
        let original = read(&format!("conll2003/{part}"));
        let original: Vec<&str> = original.lines().map(|line| line.split_whitespace().next().unwrap_or("")).collect();
        let (ranges, _) = aligned(&original, &read(&format!("cleanconll/{clean}_tokens.patch")));
        let annotations = read(&format!("cleanconll/cleanconll_annotations.{clean}"));
        let tags: Vec<&str> = annotations
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .filter(|fields| fields.len() > 4 && fields[1] != "-X-")
            .map(|fields| fields[4])
            .collect();
        assert_eq!(tags.len(), ranges.last().unwrap().1, "the corrected tokens follow from the patch");
        let corrected: Vec<(usize, usize, u16)> = read_tags(&tags, Scheme::Bio)
            .spans
            .iter()
            .map(|span| (span.start as usize, span.end as usize, class(span.label)))
            .collect();
        let (mut items, mut begins, mut token) = (Vec::new(), Vec::new(), 0);
        for line in lines.iter().filter(|line| line["part"] == part) {
            let spans = |key: &str| -> Vec<(TokenSpan, f32)> {
                let all = line[key].as_array().unwrap().iter();
                all.map(|one| {
                    let place = |at: usize| one[at].as_u64().unwrap() as u32;
                    let span = TokenSpan { start: place(0), end: place(1), class: class(one[2].as_str().unwrap()) };
                    (span, one[3].as_f64().unwrap().clamp(0.0, 1.0) as f32)
                })
                .collect()
            };
            let words: Vec<String> =
                line["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
            begins.push(token);
            token += words.len();
            items.push(SpanBelief { given: spans("given"), believed: spans("believed"), words });
        }
        assert_eq!(token, ranges.len(), "the sentences are those of {part}");
        let place = |item: u32, span: TokenSpan| {
            let begin = begins[item as usize];
            (ranges[begin + span.start as usize].0, ranges[begin + span.end as usize - 1].1, span.class)
        };
        let given: Vec<(usize, usize, u16)> = items
            .iter()
            .enumerate()
            .flat_map(|(item, belief)| belief.given.iter().map(move |(span, _)| (item, *span)))
            .map(|(item, span)| place(item as u32, span))
            .collect();
        let wrong = given.iter().filter(|span| !corrected.contains(span)).count();
        let touched = |span: &(usize, usize, u16)| given.iter().any(|one| one.0 < span.1 && span.0 < one.1);
        let missing = corrected.iter().filter(|span| !touched(span)).count();
        println!(
            "{part}: {} given spans, {} corrected; {wrong} given are wrong, {missing} were missed",
            given.len(),
            corrected.len()
        );
        for words in [false, true] {
            let items: Vec<SpanBelief> = items
                .iter()
                .map(|belief| SpanBelief {
                    words: if words { belief.words.clone() } else { Vec::new() },
                    ..belief.clone()
                })
                .collect();
            let found = find_span_errors(&items).unwrap();
            let real = |one: &postil_core::sequences::SpanSuspect| match one.reason {
                SpanError::Missed => {
                    let span = place(one.item, one.suggested.unwrap());
                    corrected.iter().any(|other| other.0 < span.1 && span.0 < other.1)
                }
                _ => !corrected.contains(&place(one.item, one.given.unwrap())),
            };
            let told: Vec<String> = [100, 300, 1000]
                .iter()
                .map(|&depth| {
                    let first = &found.suspects[..depth.min(found.suspects.len())];
                    let hits = first.iter().filter(|one| real(one)).count();
                    format!("{hits} of {}", first.len())
                })
                .collect();
            println!(
                "  {} words: {}; {:.0} disputed",
                if words { "with" } else { "without" },
                told.join(", "),
                found.disputed
            );
            let mut by: BTreeMap<SpanError, (usize, usize)> = BTreeMap::new();
            for one in found.suspects.iter().take(300) {
                let counts = by.entry(one.reason).or_default();
                counts.0 += usize::from(real(one));
                counts.1 += 1;
            }
            println!("    first 300 by reason (real, of): {by:?}");
        }
        let surfaces = inconsistent_surfaces(&items);
        let mut looked = 0;
        let mut hits = 0;
        let mut marks = Vec::new();
        for one in &surfaces {
            for &(item, start) in &one.odd {
                let length = one.surface.split(' ').count() as u32;
                let at = place(item, TokenSpan { start, end: start + length, class: 0 });
                let overlaps = |span: &&(usize, usize, u16)| span.0 < at.1 && at.0 < span.1;
                let before: Vec<_> = given.iter().filter(overlaps).collect();
                let after: Vec<_> = corrected.iter().filter(overlaps).collect();
                looked += 1;
                hits += usize::from(before != after);
                if [100, 300, 1000].contains(&looked) {
                    marks.push(format!("{hits} of {looked}"));
                }
            }
        }
        println!("  odd ones out by surface alone ({} surfaces): {}", surfaces.len(), marks.join(", "));
    }
}
