//! Files that people bring, with bytes changed, cut, doubled and swapped: refused or read, and never a panic. The same
//! entry points have fuzz targets; here a pinned generator goes through a few hundred damages of each.

use std::path::Path;

use postil_annotators::ListSpec;
use postil_annotators::entities::{EntityMatcher, ListColumns, Policy, Switches, read_folder, read_lists};
use postil_core::Random;

const LISTS: [(&str, &str); 6] = [
    ("a.txt", "# names\nOslo\nSão Paulo\t3\n\nBergen\t-1\n"),
    ("a.csv", "name,alias,label,priority\nOslo,Christiania|Kristiania,LOC,2\n\"Ada, L.\",,PER,\n"),
    ("b.csv", "entry,label,count,reason,example,accept\nOslo,LOC,2,x,y,yes\nBergen,LOC,1,x,y,no\n"),
    ("a.tsv", "phrase\tlabel\nOslo\tLOC\nBergen\tLOC\n"),
    ("a.json", "{\"LOC\": [\"Oslo\", {\"name\": \"Bergen\", \"aliases\": [\"B\"]}], \"PER\": [[1], null, \"Ada\"]}"),
    (
        "a.jsonl",
        "{\"label\":\"LOC\",\"pattern\":[{\"LOWER\":\"oslo\"}]}\n\"Ada\"\n{\"label\":\"PER\",\"pattern\":\"Bo\"}\n",
    ),
];

/// A few changes of bytes.
fn damaged(content: &[u8], random: &mut Random) -> Vec<u8> {
    const ODD: [&[u8]; 10] = [b"\0", b"\xFF", b"\"", b"\n", b"\t", b"\r", b",", b"\xEF\xBB\xBF", b"{", b"\xC3"];
    let mut bytes = content.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len().max(1)).min(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => {
                let odd = ODD[random.below(ODD.len())];
                bytes.splice(at..at, odd.iter().copied());
            }
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 => {
                let piece = bytes[at..].to_vec();
                bytes.extend(piece);
            }
            _ if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => {}
        }
    }
    bytes
}

#[test]
fn damaged_lists_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(7);
    let label = "X".into();
    let switches = Switches { fuzzy: Some(80), ..Switches::default() };
    for (name, content) in LISTS {
        let path = folder.path().join(name);
        for round in 0..150 {
            std::fs::write(&path, damaged(content.as_bytes(), &mut random)).unwrap();
            let _ = read_folder(&path);
            let given = (round % 2 == 0).then_some(&label);
            let Ok(lists) = read_lists(&path, Path::new(name), given, &ListColumns::default()) else { continue };
            let policy = Policy::new(&switches, folder.path()).unwrap();
            let lists: Vec<_> = lists.iter().map(|list| (list, policy.clone())).collect();
            let matcher = EntityMatcher::new(&lists).unwrap();
            for list in &lists {
                for entry in 0..list.0.len() {
                    matcher.find(&format!("in {} and Osloo", list.0.entry(entry)));
                }
            }
        }
    }
}

#[test]
fn damaged_settings_and_word_files_are_refused_or_read() {
    let settings = "{\"name\":\"l\",\"lists\":{\"LOC\":[{\"path\":\"a.txt\",\"case\":\"exact\",\"fuzzy\":90}]},\
                    \"matching\":{\"accents\":\"fold\",\"skip\":[\"x\"]},\"columns\":{\"name\":\"n\"}}";
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(8);
    std::fs::write(folder.path().join("a.txt"), "Oslo\n").unwrap();
    for _ in 0..300 {
        if let Ok(spec) = serde_json::from_slice::<ListSpec>(&damaged(settings.as_bytes(), &mut random)) {
            let _ = spec.read(folder.path(), None);
        }
        std::fs::write(folder.path().join("lemmas"), damaged(b"mice\tmouse\ncities,city\n", &mut random)).unwrap();
        let switches = Switches { lemmas: Some("lemmas".into()), stop: Some("lemmas".into()), ..Switches::default() };
        let _ = Policy::new(&switches, folder.path());
    }
}
