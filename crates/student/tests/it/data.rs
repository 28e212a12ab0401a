//! Small generated texts, and the shared public sets when they are there.

use std::path::PathBuf;

/// A small generator, so that the tests do not depend on the crate's own.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

const TOPICS: [&[&str]; 3] = [
    &["invoice", "refund", "charged", "payment", "card"],
    &["crash", "error", "freezes", "button", "login"],
    &["thanks", "great", "love", "helpful", "wonderful"],
];
const FILLERS: &[&str] = &["the", "my", "was", "it", "today", "please", "and", "for", "again", "with"];

/// Texts of three topics; one in ten talks about another topic than its label says.
pub(crate) fn topics(count: usize, seed: u64) -> (Vec<String>, Vec<u16>) {
    let mut dice = Dice(seed);
    (0..count)
        .map(|_| {
            let class = dice.below(3);
            let topic = if dice.below(10) == 0 { dice.below(3) } else { class };
            let words: Vec<&str> = (0..8)
                .map(|at| {
                    let pool = if at % 3 == 0 { TOPICS[topic] } else { FILLERS };
                    pool[dice.below(pool.len())]
                })
                .collect();
            (words.join(" "), class as u16)
        })
        .unzip()
}

/// The texts as slices.
pub(crate) fn slices(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// The first rows of a shared set: text and label name. `None`, said loudly, when the data are not there.
pub(crate) fn shared(set: &str, part: &str, most: usize) -> Option<Vec<(String, String)>> {
    let root = std::env::var_os("POSTIL_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let path = root.join("text").join(set).join(format!("{part}.csv"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no shared data at {}; set POSTIL_DATA", path.display());
        return None;
    };
    let rows = text.lines().skip(1).filter_map(|line| line.rsplit_once(','));
    Some(rows.take(most).map(|(text, label)| (text.trim_matches('"').to_owned(), label.to_owned())).collect())
}
