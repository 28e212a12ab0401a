//! A look at a file that nobody has described yet: what its columns are like, and which hold the text, the id and the
//! label.

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;

use super::source::strings;
use crate::error::Result;
use crate::table::{Format, TableOptions, TableReader};

/// What the values of a column look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Blank throughout.
    Empty,
    /// Every row its own short value without spaces.
    Id,
    /// Few short values, each many times.
    Label,
    /// Numbers.
    Number,
    /// Anything longer and varied.
    Text,
}

/// A column at a glance, from the rows that were looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// The name.
    pub name: String,
    /// What its values look like.
    pub kind: ColumnKind,
    /// Distinct values that are not blank.
    pub distinct: usize,
    /// Blank values.
    pub blank: usize,
    /// The average length of the values that are not blank, in characters.
    pub average_length: f64,
    /// The first distinct values, cut to 60 characters.
    pub examples: Vec<String>,
}

/// What a file looks like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The format.
    pub format: Format,
    /// Every column, in the order of the file.
    pub columns: Vec<ColumnSummary>,
    /// How many good rows were looked at.
    pub rows_seen: usize,
    /// How many rows among them were bad.
    pub bad_rows: usize,
    /// The column that most likely holds the text.
    pub text: Option<String>,
    /// The column that most likely holds ids.
    pub id: Option<String>,
    /// The column that most likely holds labels.
    pub label: Option<String>,
}

const TEXT_NAMES: [&str; 19] = [
    "text",
    "body",
    "message",
    "content",
    "sentence",
    "tweet",
    "review",
    "comment",
    "description",
    "question",
    "query",
    "utterance",
    "post",
    "document",
    "abstract",
    "summary",
    "title",
    "headline",
    "subject",
];
const LABEL_NAMES: [&str; 13] = [
    "label",
    "labels",
    "class",
    "category",
    "target",
    "gold",
    "truth",
    "intent",
    "topic",
    "sentiment",
    "tag",
    "answer",
    "y",
];
const ID_NAMES: [&str; 7] = ["id", "uid", "uuid", "guid", "key", "item", "item_id"];

/// Looks at the first `rows` rows of a file, or of standard input for `-`.
///
/// Names speak first and values decide: a column called `text` is the text unless its values are blank, numbers or
/// ids; without such a name the longest varied column is. A label column repeats few short values; among several
/// the name decides, then the place nearest the end. Where nothing fits, nothing is proposed.
pub fn inspect(path: impl AsRef<Path>, rows: usize) -> Result<Inspection> {
    let mut table =
        TableReader::open(path, &TableOptions { batch_rows: rows.clamp(1, 8192), ..TableOptions::default() })?;
    let mut looks: Vec<Look> = Vec::new();
    let (mut rows_seen, mut bad_rows) = (0, 0);
    while rows_seen < rows
        && let Some(chunk) = table.next_chunk()?
    {
        bad_rows += chunk.bad.len();
        let batch = chunk.batch.slice(0, chunk.batch.num_rows().min(rows - rows_seen));
        for (at, (field, column)) in batch.schema_ref().fields().iter().zip(batch.columns()).enumerate() {
            if looks.len() == at {
                looks.push(Look { blank: rows_seen, ..Look::new(field.name()) });
            }
            match strings(column, field.name()) {
                Ok(values) => values.iter().for_each(|value| looks[at].see(value.unwrap_or_default())),
                Err(_) => looks[at].is_structure = true,
            }
        }
        rows_seen += batch.num_rows();
    }
    let columns: Vec<ColumnSummary> = looks.into_iter().map(Look::summary).collect();
    let text = propose_text(&columns);
    let label = propose_label(&columns, text.as_deref());
    let id = propose_id(&columns, rows_seen, [text.as_deref(), label.as_deref()]);
    Ok(Inspection { format: table.format(), columns, rows_seen, bad_rows, text, id, label })
}

/// What is gathered about a column.
struct Look {
    name: String,
    values: HashSet<String>,
    examples: Vec<String>,
    filled: usize,
    blank: usize,
    characters: usize,
    numbers: usize,
    spaced: usize,
    is_structure: bool,
}

impl Look {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            values: HashSet::new(),
            examples: Vec::new(),
            filled: 0,
            blank: 0,
            characters: 0,
            numbers: 0,
            spaced: 0,
            is_structure: false,
        }
    }

    fn see(&mut self, value: &str) {
        if value.trim().is_empty() {
            self.blank += 1;
            return;
        }
        self.filled += 1;
        self.characters += value.chars().count();
        self.numbers += usize::from(value.trim().parse::<f64>().is_ok());
        self.spaced += usize::from(value.trim().contains(char::is_whitespace));
        if !self.values.contains(value) {
            self.values.insert(value.to_owned());
            if self.examples.len() < 3 {
                let mut example: String = value.chars().take(60).collect();
                if example.len() < value.len() {
                    example.push('\u{2026}');
                }
                self.examples.push(example);
            }
        }
    }

    fn summary(self) -> ColumnSummary {
        let distinct = self.values.len();
        let average_length = self.characters as f64 / self.filled.max(1) as f64;
        let is_label_name = is_named(&self.name, &LABEL_NAMES);
        // Labels come back: on average at least five times each, or twice if the file is short or the name says so.
        let repeats = self.filled / distinct.max(1);
        let few = distinct <= 300
            && average_length <= 40.0
            && (repeats >= 5 || repeats >= 2 && (self.filled < 100 || is_label_name));
        let kind = if self.filled == 0 && !self.is_structure {
            ColumnKind::Empty
        } else if self.numbers == self.filled {
            if distinct == self.filled && is_named(&self.name, &ID_NAMES) {
                ColumnKind::Id
            } else if few && distinct <= 50 && (is_label_name || distinct <= 12) {
                ColumnKind::Label
            } else {
                ColumnKind::Number
            }
        } else if distinct == self.filled && average_length <= 64.0 && self.spaced == 0 && self.filled > 1 {
            ColumnKind::Id
        } else if few {
            ColumnKind::Label
        } else {
            ColumnKind::Text
        };
        ColumnSummary { name: self.name, kind, distinct, blank: self.blank, average_length, examples: self.examples }
    }
}

/// Whether a name is one of those listed, or ends in one after an underscore.
fn is_named(name: &str, listed: &[&str]) -> bool {
    place(name, listed).is_some()
}

/// The place of a name among those listed; endings count after all whole names.
fn place(name: &str, listed: &[&str]) -> Option<usize> {
    let name = name.trim().to_lowercase().replace([' ', '-'], "_");
    let ending = |listed: &&str| name.strip_suffix(*listed).is_some_and(|before| before.ends_with('_'));
    listed.iter().position(|one| *one == name).or_else(|| listed.iter().position(ending).map(|at| at + listed.len()))
}

fn propose_text(columns: &[ColumnSummary]) -> Option<String> {
    let may_be = |column: &&ColumnSummary| matches!(column.kind, ColumnKind::Text | ColumnKind::Id | ColumnKind::Label);
    let named = columns.iter().filter(may_be).filter_map(|column| Some((place(&column.name, &TEXT_NAMES)?, column)));
    let named = named.filter(|(place, column)| *place < TEXT_NAMES.len() || column.kind == ColumnKind::Text);
    let by_name = named.min_by_key(|(place, _)| *place).map(|(_, column)| column);
    let longest = || {
        let texts = columns.iter().filter(|column| column.kind == ColumnKind::Text);
        texts.max_by(|left, right| left.average_length.total_cmp(&right.average_length))
    };
    by_name.or_else(longest).map(|column| column.name.clone())
}

fn propose_label(columns: &[ColumnSummary], text: Option<&str>) -> Option<String> {
    let may_be = |column: &&ColumnSummary| column.kind == ColumnKind::Label && Some(column.name.as_str()) != text;
    let named = columns.iter().filter(may_be).filter_map(|column| Some((place(&column.name, &LABEL_NAMES)?, column)));
    let by_name = named.min_by_key(|(place, _)| *place).map(|(_, column)| column);
    let words = |column: &&ColumnSummary| column.examples.iter().any(|value| value.parse::<f64>().is_err());
    // A file sorted by label may show only one in its first rows, so a single value counts against a column only where
    // its name does not speak for it.
    let last = || columns.iter().filter(may_be).rev().filter(|column| column.distinct > 1).find(words);
    by_name.or_else(last).map(|column| column.name.clone())
}

fn propose_id(columns: &[ColumnSummary], rows: usize, taken: [Option<&str>; 2]) -> Option<String> {
    let may_be = |column: &&ColumnSummary| {
        column.distinct == rows && rows > 0 && column.average_length <= 64.0 && !taken.contains(&Some(&column.name))
    };
    let named = columns.iter().filter(may_be).filter_map(|column| Some((place(&column.name, &ID_NAMES)?, column)));
    let by_name = named.min_by_key(|(place, _)| *place).map(|(_, column)| column);
    by_name
        .or_else(|| columns.iter().filter(may_be).find(|column| column.kind == ColumnKind::Id))
        .map(|column| column.name.clone())
}
