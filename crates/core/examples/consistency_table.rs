//! What an order of inconsistent surfaces is worth: CoNLL-2003, whose errors CleanCoNLL has corrected.
//!
//! `cargo run --release -p postil-core --example consistency_table`, where the folder in `POSTIL_DATA` (by default
//! `../shared/data`) holds `ner/conll2003` and `ner/cleanconll`. A surface counts as found when CleanCoNLL changed the mark of
//! at least one of its occurrences.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints a table")]

use std::collections::HashSet;
use std::path::Path;

use postil_core::audit::{ConsistencyCheck, Surface, Surfaces, wilson};
use postil_core::formats::{DocumentReader, ReadOptions};
use postil_core::text::align;
use postil_core::{Document, Random};

fn documents(path: &Path) -> Vec<Document> {
    let mut reader = DocumentReader::open(path, &ReadOptions::default()).unwrap();
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document().unwrap() {
        documents.push(document);
    }
    documents
}

/// The lines of a file after a patch as `diff` writes it.
fn patched(lines: &[&str], patch: &str) -> Vec<String> {
    let (mut made, mut at) = (Vec::new(), 0);
    for line in patch.lines() {
        if let Some(new) = line.strip_prefix("> ") {
            made.push(new.to_owned());
        } else if line == ">" {
            made.push(String::new());
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let action = line.find(['a', 'c', 'd']).unwrap();
            let mut old = line[..action].split(',').map(|number| number.parse::<usize>().unwrap());
            let first = old.next().unwrap();
            let last = old.next().unwrap_or(first);
            let (from, to) = if line.as_bytes()[action] == b'a' { (first, first) } else { (first - 1, last) };
            made.extend(lines[at..from].iter().map(|line| (*line).to_owned()));
            at = to;
        }
    }
    made.extend(lines[at..].iter().map(|line| (*line).to_owned()));
    made
}

/// The corrected documents: tokens by the patch, tags from the annotations.
fn corrected(folder: &Path, original: &str, part: &str) -> Vec<Document> {
    let clean = folder.join("cleanconll");
    let text = std::fs::read_to_string(folder.join("conll2003").join(original)).unwrap();
    let words: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let patch = std::fs::read_to_string(clean.join(format!("{part}_tokens.patch"))).unwrap();
    let tags = std::fs::read_to_string(clean.join(format!("cleanconll_annotations.{part}"))).unwrap();
    let words = patched(&words, &patch);
    let aligned = words.iter().zip(tags.lines()).all(|(word, tag)| word.is_empty() == tag.is_empty());
    assert!(aligned, "the patch of {part} does not fit");
    let rows: String = words
        .iter()
        .zip(tags.lines())
        .map(|(word, tag)| match tag.split('\t').next_back() {
            _ if word.is_empty() => "\n".to_owned(),
            tag => format!("{word}\t{}\n", tag.unwrap()),
        })
        .collect();
    let file = tempfile::Builder::new().suffix(".conll").tempfile().unwrap();
    std::fs::write(file.path(), rows).unwrap();
    documents(file.path())
}

/// Both versions of the documents whose tokens are the same.
fn both(folder: &Path) -> Vec<(Document, Document)> {
    let mut pairs = Vec::new();
    for (original, part) in [("eng.testa", "dev"), ("eng.testb", "test")] {
        let new = corrected(folder, original, part);
        let old = documents(&folder.join("conll2003").join(original));
        assert_eq!(old.len(), new.len());
        pairs.extend(old.into_iter().zip(new).filter(|(old, new)| old.words().eq(new.words())));
    }
    pairs
}

/// What surfaces are ordered by.
type Order<'o> = Box<dyn Fn(&Surface) -> f64 + 'o>;

fn main() {
    let data = std::env::var("POSTIL_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
    let pairs = both(&Path::new(&data).join("ner"));
    for fold_case in [false, true] {
        let mut check = ConsistencyCheck::new(fold_case);
        // Tokens whose mark was changed.
        let mut changed: HashSet<(u32, u32)> = HashSet::new();
        for (number, (old, new)) in (0..).zip(&pairs) {
            let spans = |document: &Document| align(&document.text, &document.tokens, &document.spans).all;
            let (old_spans, new_spans) = (spans(old), spans(new));
            let (before, after): (HashSet<_>, HashSet<_>) = (old_spans.iter().collect(), new_spans.iter().collect());
            let differ = before.symmetric_difference(&after);
            changed.extend(differ.flat_map(|span| (span.start..span.end).map(move |token| (number, token))));
            check.add(old.words(), &old.sentences, old_spans.into_iter());
        }
        let Surfaces { list, known, tokens } = check.finish();
        let is_found = |surface: &&Surface| {
            let mut tokens =
                surface.places.iter().flat_map(|place| (place.start..place.end).map(|at| (place.document, at)));
            tokens.any(|token| changed.contains(&token))
        };
        let (inconsistent, found) = (list.len(), list.iter().filter(is_found).count());
        println!(
            "{} documents, {tokens} tokens, {known} surfaces, case {}: {inconsistent} inconsistent, {found} with an error",
            pairs.len(),
            if fold_case { "folded" } else { "kept" },
        );
        let minority = |surface: &Surface| f64::from(surface.minority);
        let share = |surface: &Surface| 1.0 - minority(surface) / f64::from(surface.occurrences);
        let (document, context) =
            (|surface: &Surface| f64::from(surface.same_document), |surface: &Surface| f64::from(surface.same_context));
        let orders: Vec<(&str, Order<'_>)> = vec![
            ("minority", Box::new(minority)),
            ("minority share", Box::new(|one| 1.0 - share(one))),
            ("minority * majority share", Box::new(|one| minority(one) * share(one))),
            ("same document", Box::new(document)),
            ("same context", Box::new(context)),
            ("majority share * same document", Box::new(|one| share(one) * document(one))),
            ("majority share * (document + context)", Box::new(|one| share(one) * (document(one) + context(one)))),
            ("score", Box::new(|one| one.score)),
            ("score / occurrences", Box::new(|one| one.score / f64::from(one.occurrences))),
            ("score / sqrt(occurrences)", Box::new(|one| one.score / f64::from(one.occurrences).sqrt())),
        ];
        println!("{:40} {:>24} {:>24} {:>24}", "order", "first 50", "first 100", "first 200");
        let show = |name: &str, sorted: &[&Surface]| {
            let cells = [50, 100, 200].map(|first| {
                let first = first.min(sorted.len());
                let share = sorted[..first].iter().filter(|one| is_found(one)).count() as f64 / first as f64;
                let (low, high) = wilson(share, first as f64);
                format!("{share:.2} [{low:.2}, {high:.2}]")
            });
            println!("{name:40} {:>24} {:>24} {:>24}", cells[0], cells[1], cells[2]);
        };
        let mut sorted: Vec<&Surface> = list.iter().collect();
        Random::new(0).shuffle(&mut sorted);
        show("at random", &sorted);
        for (name, order) in &orders {
            sorted
                .sort_by(|left, right| order(right).total_cmp(&order(left)).then_with(|| left.words.cmp(&right.words)));
            show(name, &sorted);
        }
    }
}
