//! Any bytes as a list of names: refused or read, and what is read is found in itself without a panic.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use postil_annotators::entities::{EntityMatcher, ListColumns, Policy, Switches, read_folder, read_lists};

const NAMES: [&str; 5] = ["a.txt", "a.csv", "a.tsv", "a.json", "a.jsonl"];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join(NAMES[usize::from(choice) % NAMES.len()]);
    std::fs::write(&path, content).expect("a temporary file");
    let _ = read_folder(&path);
    let label = "X".into();
    let Ok(lists) = read_lists(&path, Path::new("a"), Some(&label), &ListColumns::default()) else { return };
    let fuzzy = (choice > 127).then_some(80);
    let switches = Switches { fuzzy, ..Switches::default() };
    let policy = Policy::new(&switches, Path::new("")).expect("there is no file to read");
    let lists: Vec<_> = lists.iter().map(|list| (list, policy.clone())).collect();
    let matcher = EntityMatcher::new(&lists).expect("the lists are small");
    let text = String::from_utf8_lossy(content);
    let mut free = 0;
    for (bytes, _, _) in matcher.find(&text) {
        assert!(bytes.start >= free && text.get(bytes.clone()).is_some_and(|there| !there.is_empty()));
        free = bytes.end;
    }
});
