//! The look at an unknown file, on made-up and on real ones.
#![allow(clippy::unwrap_used, clippy::format_push_string, clippy::print_stderr)]

use postil_core::items::{ColumnKind as Kind, inspect};

use crate::shared::data_with;

#[test]
fn columns_are_told_apart() {
    let mut text = String::from(",ticket,body,stars,team,when,note,state\n");
    for row in 0..200 {
        text.push_str(&format!(
            "{row},T-{row},\"the {row} th thing does not work, what a pity\",{},{},2024-01-{:02} 10:0{},,{}\n",
            row % 5,
            ["billing", "bug", "praise"][row % 3],
            row % 28 + 1,
            row % 10,
            ["open", "closed"][row % 2],
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, text).unwrap();
    let seen = inspect(&path, 1000).unwrap();
    let kinds: Vec<Kind> = seen.columns.iter().map(|column| column.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Number, Kind::Id, Kind::Text, Kind::Label, Kind::Label, Kind::Text, Kind::Empty, Kind::Label]
    );
    assert_eq!(seen.rows_seen, 200);
    assert_eq!(
        (seen.text.as_deref(), seen.id.as_deref(), seen.label.as_deref()),
        (Some("body"), Some("ticket"), Some("state"))
    );
    assert_eq!(inspect(&path, 50).unwrap().rows_seen, 50);
    assert_eq!((seen.columns[4].distinct, seen.columns[6].blank), (3, 200));
}

#[test]
fn real_sets_are_recognised() {
    let Some(data) = data_with(".") else { return };
    let mut looked = 0;
    let mut sets: Vec<_> = std::fs::read_dir(data.join("text")).unwrap().map(|entry| entry.unwrap().path()).collect();
    sets.sort();
    for set in sets.iter().filter(|set| set.is_dir()) {
        let mut files: Vec<_> = std::fs::read_dir(set).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.display().to_string();
            let seen = inspect(&file, 1000).unwrap();
            assert_eq!(seen.bad_rows, 0, "{name}");
            assert_eq!(seen.id, None, "{name}");
            assert_eq!(seen.label.as_deref(), Some("label"), "{name}: {:?}", seen.columns);
            // The rule sets carry no texts.
            let text = if name.contains("-rules/") { None } else { Some("text") };
            assert_eq!(seen.text.as_deref(), text, "{name}: {:?}", seen.columns);
            looked += 1;
        }
    }
    assert!(looked > 40, "{looked}");
    let items = inspect(data.join("crowd/hs_brexit/items.csv"), 1000).unwrap();
    assert_eq!((items.text.as_deref(), items.id.as_deref(), items.label), (Some("text"), Some("item"), None));
}
