//! A first project file for data that nobody has described yet.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use postil_core::items::{Inspection, inspect};
use postil_core::table::{TableOptions, TableReader};
use postil_core::{Error, Result, TaskKind};

/// Rows looked at to tell what the columns are.
const ROWS: usize = 2000;
/// More distinct values than this are not proposed as labels.
const MOST_LABELS: usize = 200;

/// What is proposed for a data file.
pub struct Proposal {
    /// The text of the project file.
    pub project: String,
    /// The text of a first labelling program.
    pub program: String,
    /// What was seen.
    pub inspection: Inspection,
    /// The column of the text.
    pub text: String,
    /// The column of the id.
    pub id: Option<String>,
    /// The column of known labels.
    pub label: Option<String>,
    /// The labels found there, or invented ones to be replaced.
    pub labels: Vec<String>,
}

/// Where the first labelling program goes, relative to the project.
pub const FIRST_PROGRAM: &str = "programs/rules.star";

/// Looks at a file and proposes a project for it. `text` and `label` override what is recognised.
pub fn propose(data: &Path, file_name: &str, text: Option<&str>, label: Option<&str>) -> Result<Proposal> {
    let inspection = inspect(data, ROWS)?;
    check_columns(&inspection, data, text.iter().chain(label.iter()).copied())?;
    let text = text_column(&inspection, data, text)?;
    let label = label.map(str::to_owned).or_else(|| inspection.label.clone());
    let id = inspection.id.clone();
    let mut labels = match &label {
        Some(column) => distinct(data, column)?,
        None => Vec::new(),
    };
    let known = (2..=MOST_LABELS).contains(&labels.len());
    if !known {
        labels = vec!["first".to_owned(), "second".to_owned()];
    }
    let label = label.filter(|_| known);
    let project = project_text(file_name, &inspection, &text, id.as_deref(), label.as_deref(), &labels);
    let program = program_text(&labels);
    Ok(Proposal { project, program, inspection, text, id, label, labels })
}

fn names(inspection: &Inspection) -> String {
    inspection.columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ")
}

fn check_columns<'n>(inspection: &Inspection, data: &Path, wanted: impl Iterator<Item = &'n str>) -> Result<()> {
    for name in wanted {
        if !inspection.columns.iter().any(|column| column.name == name) {
            let found = names(inspection);
            return Err(Error::input(format!("expected a column `{name}`, found {found}")).in_file(data));
        }
    }
    Ok(())
}

fn text_column(inspection: &Inspection, data: &Path, text: Option<&str>) -> Result<String> {
    text.map(str::to_owned).or_else(|| inspection.text.clone()).ok_or_else(|| {
        Error::input(format!("no column looks like text; found {}", names(inspection)))
            .in_file(data)
            .hint("name it with `--text COLUMN`")
    })
}

/// What is known of a task that people are to begin with.
#[derive(Clone, Copy, Debug)]
pub struct ForPeople<'w> {
    /// The kind of task.
    pub kind: TaskKind,
    /// The labels.
    pub labels: &'w [String],
    /// The column of the text, if it was named.
    pub text: Option<&'w str>,
    /// The column of the id, if it was named.
    pub id: Option<&'w str>,
    /// In a task of pairs: the columns of both sides, if they were named.
    pub sides: Option<(&'w str, &'w str)>,
    /// In a task of pairs: the column of what both sides reply to.
    pub prompt: Option<&'w str>,
    /// In a task of records: the file of the schema, relative to the project.
    pub schema: Option<&'w str>,
}

/// Names that the sides of a pair often have.
const SIDES: [(&str, &str); 6] = [
    ("left", "right"),
    ("a", "b"),
    ("response_a", "response_b"),
    ("answer_a", "answer_b"),
    ("chosen", "rejected"),
    ("first", "second"),
];

/// A project file for data that people begin to label at once, without programs or gold.
pub fn propose_for_people(data: &Path, file_name: &str, wish: &ForPeople<'_>) -> Result<String> {
    let inspection = inspect(data, ROWS)?;
    let has = |name: &str| inspection.columns.iter().any(|column| column.name == name);
    let sides = match (wish.kind, wish.sides) {
        (TaskKind::Pairs, None) => {
            Some(SIDES.into_iter().find(|(left, right)| has(left) && has(right)).ok_or_else(|| {
                Error::input(format!("no two columns look like the sides of a pair; found {}", names(&inspection)))
                    .in_file(data)
                    .hint("name them with `--left COLUMN --right COLUMN`")
            })?)
        }
        (TaskKind::Pairs, named) => named,
        _ => None,
    };
    let prompt = wish.prompt.or_else(|| ["prompt", "question", "instruction"].into_iter().find(|name| has(name)));
    let prompt = prompt.filter(|_| sides.is_some());
    let wanted = wish.text.into_iter().chain(wish.id).chain(prompt).chain(sides.into_iter().flat_map(|(l, r)| [l, r]));
    check_columns(&inspection, data, wanted)?;
    let text = match sides {
        Some(_) => wish.text.or(prompt).unwrap_or("").to_owned(),
        None => text_column(&inspection, data, wish.text)?,
    };
    let quote = |value: &str| serde_json::Value::from(value).to_string();
    let labels: Vec<String> = wish.labels.iter().map(|label| quote(label)).collect();
    let mut out = format!("[task]\nkind = {}\n", quote(wish.kind.name()));
    // The fields of a record stand in its schema.
    if wish.schema.is_none() {
        let _ = writeln!(out, "labels = [{}]", labels.join(", "));
    }
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(out, "{key} = {}", quote(value));
    };
    if let Some(schema) = wish.schema {
        line("schema", schema);
    }
    let _ = write!(out, "\n[data]\n");
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(out, "{key} = {}", quote(value));
    };
    line("items", file_name);
    if !text.is_empty() {
        line("text", &text);
    }
    if let Some(id) = wish.id.or(inspection.id.as_deref()).filter(|id| **id != *text) {
        line("id", id);
    }
    if let Some((left, right)) = sides {
        line("left", left);
        line("right", right);
    }
    if matches!(wish.kind, TaskKind::Tag | TaskKind::Spans) && has("tokens") {
        line("tokens", "tokens");
    }
    out.push_str(
        "\n# People, in the browser: `postil review`. Add programs, lists and models beside them at any time.\n",
    );
    out.push_str("[[annotator]]\nname = \"people\"\nkind = \"person\"\n");
    Ok(out)
}

fn distinct(data: &Path, column: &str) -> Result<Vec<String>> {
    let options = TableOptions { only: Some(vec![column.to_owned()]), ..TableOptions::default() };
    let mut table = TableReader::open(data, &options)?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(chunk) = table.next_chunk()? {
        let Some(values) = chunk.batch.column_by_name(column) else { break };
        let formatter =
            arrow_cast::display::ArrayFormatter::try_new(values, &arrow_cast::display::FormatOptions::default())
                .map_err(|error| Error::input(format!("column `{column}` cannot be shown as text")).because(error))?;
        for row in 0..values.len() {
            let value = formatter.value(row).to_string();
            if !value.trim().is_empty() {
                *counts.entry(value).or_default() += 1;
            }
        }
        if counts.len() > MOST_LABELS {
            break;
        }
    }
    Ok(counts.into_keys().collect())
}

fn project_text(
    file_name: &str,
    inspection: &Inspection,
    text: &str,
    id: Option<&str>,
    label: Option<&str>,
    labels: &[String],
) -> String {
    // Strings in TOML's basic form are strings in JSON's.
    let quote = |value: &str| serde_json::Value::from(value).to_string();
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line(
        "# What is asked. Kinds: classify (one label), multilabel (any number), ordinal (one, from an ordered scale).",
    );
    line("[task]");
    line("kind = \"classify\"");
    if label.is_none() {
        line(
            "# These two are invented: put your own labels here. In an ordinal task the order is the scale, lowest first.",
        );
    }
    line(&format!("labels = [{}]", labels.iter().map(|label| quote(label)).collect::<Vec<_>>().join(", ")));
    line("# guidelines = \"guidelines.md\"   # what people and models read before they answer");
    line("");
    line("# What is annotated: CSV, TSV, JSONL or Parquet, plain, .gz or .zst.");
    line("[data]");
    line(&format!("items = {}", quote(file_name)));
    let seen: Vec<String> =
        inspection.columns.iter().filter(|column| column.name != text).map(|column| quote(&column.name)).collect();
    line(&format!(
        "text = {}   # other columns: {}",
        quote(text),
        if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
    ));
    match id {
        Some(id) => line(&format!("id = {}", quote(id))),
        None => line("# id = \"...\"   # without an id column, items are known by a digest of their content"),
    }
    line("# Blind labels by people who know, to measure with: a table with item, label and inclusion_probability.");
    line("# `postil draw 100` draws items for it at random and remembers the probabilities.");
    match (label, id) {
        (Some(label), Some(_)) => {
            line(&format!(
                "# The column {} looks like labels. If they can be trusted, they are gold; if not, remove these lines.",
                quote(label)
            ));
            line(&format!("gold = {}", quote(file_name)));
            line(&format!("gold_label = {}", quote(label)));
        }
        _ => line("# gold = \"gold.csv\""),
    }
    line("");
    line("# Who annotates. Give as many as you can: where they disagree, their reliability is estimated.");
    line("[[annotator]]");
    line("name = \"rules\"");
    line("kind = \"program\"");
    line(&format!("path = {}", quote(FIRST_PROGRAM)));
    line("");
    line("# [[annotator]]");
    line("# name = \"keywords\"");
    line("# kind = \"list\"");
    let first = labels.first().map_or("first", String::as_str);
    line(&format!("# lists = {{ {} = \"lists/{}.txt\" }}   # one phrase a line", quote(first), "words"));
    line("");
    line("# [[annotator]]");
    line("# name = \"stored\"");
    line("# kind = \"replay\"                     # answers that people or models gave before");
    line("# path = \"answers.csv\"                # item, annotator, label and, if known, confidence");
    line("");
    line("[output]");
    line("formats = [\"csv\"]                    # besides labels.parquet: csv, jsonl");
    line("");
    line("# [target]");
    line("# metric = \"macro_f1\"                # accuracy, macro_f1, micro_f1");
    line("# at_least = 0.85");
    out
}

fn program_text(labels: &[String]) -> String {
    let first = serde_json::Value::from(labels.first().map_or("first", String::as_str)).to_string();
    let mut out = String::new();
    let _ = write!(
        out,
        "# A labelling program: called for every item, it returns a label, or None to say nothing.\n\
         # Write down what you would look for. Several functions named label_SOMETHING are several annotators.\n\
         WORDS = keywords([\"replace\", \"these words\"])\n\
         PATTERN = regex(r\"\\breplace this pattern\\b\", ignore_case=True)\n\n\
         def label_words(item):\n    if WORDS.search(item.text):\n        return {first}\n    return None\n\n\
         def label_pattern(item):\n    if PATTERN.search(item.text):\n        return {first}\n    return None\n"
    );
    out
}
