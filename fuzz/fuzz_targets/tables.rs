//! Any bytes as a table: refused or read row by row, and never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postil_core::table::{TableOptions, TableReader};

const NAMES: [&str; 5] = ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz"];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join(NAMES[usize::from(choice) % NAMES.len()]);
    std::fs::write(&path, content).expect("a temporary file");
    let Ok(mut table) = TableReader::open(&path, &TableOptions::default()) else { return };
    while let Ok(Some(chunk)) = table.next_chunk() {
        assert_eq!(chunk.lines.len(), chunk.batch.num_rows());
    }
});
