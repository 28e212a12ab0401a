//! How fast lists are found: entries (one per line) and a text, twice with three repetitions.
//! `cargo run --release -p postil-annotators --example match_bench ENTRIES TEXT`

#![allow(clippy::print_stdout, reason = "a measuring program talks")]

use std::time::Instant;

use postil_annotators::entities::{EntityList, EntityMatcher, Policy, Scratch};
use postil_core::text::Tokenizer;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(entries), Some(text)) = (arguments.next(), arguments.next()) else { return };
    let entries = std::fs::read_to_string(entries).expect("the entries can be read");
    let text = std::fs::read_to_string(text).expect("the text can be read");
    let documents: Vec<&str> = text.split_inclusive('\n').collect();
    let start = Instant::now();
    let list = EntityList::of("NAME", "entries", entries.lines());
    let matcher = EntityMatcher::new(&[(&list, Policy::default())]).expect("lists");
    println!("{} entries built in {:?}, {} MB", list.len(), start.elapsed(), matcher.bytes() >> 20);
    for _ in 0..3 {
        let start = Instant::now();
        let mut tokens = 0_usize;
        for document in &documents {
            Tokenizer::Words.visit(document, |_| tokens += 1);
        }
        let tokenizing = start.elapsed();
        let start = Instant::now();
        let mut scratch = Scratch::default();
        let mut matches = 0_usize;
        for document in &documents {
            matcher.visit(document, None, &mut scratch, |_| matches += 1);
        }
        let rate = |seconds: f64| text.len() as f64 / 1e6 / seconds;
        println!(
            "{tokens} tokens {:.0} MB/s; {matches} matches {:.1} MB/s",
            rate(tokenizing.as_secs_f64()),
            rate(start.elapsed().as_secs_f64())
        );
    }
}
