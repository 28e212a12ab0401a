//! Reading lists from text, tables and JSON.

mod folder;
mod json;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use postil_core::table::{Format, open_stream};
use postil_core::{Error, Name, Result};
use serde::{Deserialize, Serialize};

use super::list::EntityList;
use crate::replay::table::Table;

/// What the columns of a table, or the keys of JSON objects, are called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListColumns {
    /// The name [default: the first of `name`, `phrase`, `entity`, `pattern`, `entry`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The label, for files that say it [default: `label`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Other names, several of them with `separator` between [default: `alias`, `aliases`, `lemma`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The entry's own priority, a whole number [default: `priority`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// What separates other names [default: `|`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
}

pub use folder::read_folder;

const NAMES: [&str; 5] = ["name", "phrase", "entity", "pattern", "entry"];
/// The column in which a person says yes to a proposed `entry`.
const ACCEPT: &str = "accept";
const ALIASES: [&str; 3] = ["alias", "aliases", "lemma"];

impl ListColumns {
    fn names(&self) -> Vec<&str> {
        self.name.as_deref().map_or_else(|| NAMES.to_vec(), |name| vec![name])
    }

    fn label(&self) -> &str {
        self.label.as_deref().unwrap_or("label")
    }

    fn aliases(&self) -> Vec<&str> {
        if self.aliases.is_empty() { ALIASES.to_vec() } else { self.aliases.iter().map(String::as_str).collect() }
    }

    fn priority(&self) -> &str {
        self.priority.as_deref().unwrap_or("priority")
    }

    fn separator(&self) -> &str {
        self.separator.as_deref().filter(|separator| !separator.is_empty()).unwrap_or("|")
    }
}

/// Reads the lists of a file, one per label. Plain, `.gz` or `.zst`:
///
/// * `.csv`, `.tsv`, `.parquet`: a table with the columns of [`ListColumns`]; of one with the columns `entry` and `accept`,
///   which is what [`propose`](super::propose) leads to, the rows with `yes`, `y`, `x`, `1` or `true`;
/// * `.json`: a list of names or of objects with the keys of [`ListColumns`], or an object of such lists by label;
/// * `.jsonl`: such an object a line; an entity ruler's patterns (`label`, `pattern`) are read too, a text or a list of
///   tokens by `LOWER`, `TEXT` or `ORTH`;
/// * anything else: a name a line, optionally a tab and a priority; a line that begins with `# ` is a comment.
///
/// `label` stands for whatever the file says. What cannot be read is left out, counted and listed in the lists' reports.
///
/// # Errors
/// A file that cannot be opened, a table without names, entries without a label when none is given, no entry at all.
pub fn read_lists(path: &Path, shown: &Path, label: Option<&Name>, columns: &ListColumns) -> Result<Vec<EntityList>> {
    let mut sink = Sink::new(shown, label, columns);
    let name = path.to_string_lossy().to_ascii_lowercase();
    let bare = bare_name(path);
    match Format::of_name(&name) {
        Some(Format::Jsonl) => json::lines(open(path, shown)?, &mut sink)?,
        Some(_) => from_table(path, &mut sink)?,
        None if Path::new(&bare).extension().is_some_and(|ending| ending == "json") => {
            json::whole(open(path, shown)?, &mut sink)?;
        }
        None => from_lines(open(path, shown)?, &mut sink)?,
    }
    sink.finish()
}

/// A file's name without the ending of its compression, in small letters.
fn bare_name(path: &Path) -> String {
    let name = path.to_string_lossy().to_ascii_lowercase();
    [".gz", ".zst", ".zstd"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name).to_owned()
}

fn open(path: &Path, shown: &Path) -> Result<BufReader<Box<dyn Read + Send>>> {
    Ok(BufReader::with_capacity(1 << 16, open_stream(path).map_err(|error| error.in_file(shown))?))
}

/// Where entries go while a file is read.
struct Sink<'a> {
    shown: &'a Path,
    given: Option<&'a Name>,
    columns: &'a ListColumns,
    lists: Vec<EntityList>,
    positions: HashMap<String, usize>,
    /// Entries without a label, and the place of the first.
    homeless: (u64, String),
    /// What could not be read before there was a list to note it in.
    bad: Vec<(String, String)>,
    bad_count: u64,
    blank: u64,
    comments: u64,
    declined: u64,
}

/// An entry as it was read.
#[derive(Default)]
struct Row<'r> {
    name: &'r str,
    label: Option<&'r str>,
    priority: Option<i32>,
    any_case: bool,
}

impl<'a> Sink<'a> {
    fn new(shown: &'a Path, given: Option<&'a Name>, columns: &'a ListColumns) -> Self {
        Self {
            shown,
            given,
            columns,
            lists: Vec::new(),
            positions: HashMap::new(),
            homeless: (0, String::new()),
            bad: Vec::new(),
            bad_count: 0,
            blank: 0,
            comments: 0,
            declined: 0,
        }
    }

    fn note_bad(&mut self, place: &str, reason: impl Into<String>) {
        self.bad_count += 1;
        if self.bad.len() < 10 {
            self.bad.push((place.to_owned(), reason.into()));
        }
    }

    /// The list of a label.
    fn list(&mut self, label: Option<&str>) -> Option<&mut EntityList> {
        let label: &str = match self.given {
            Some(given) => given,
            None => label.map(str::trim).filter(|label| !label.is_empty())?,
        };
        if let Some(&place) = self.positions.get(label) {
            return self.lists.get_mut(place);
        }
        self.positions.insert(label.to_owned(), self.lists.len());
        self.lists.push(EntityList::new(label, self.shown.display().to_string()));
        self.lists.last_mut()
    }

    /// Adds an entry and its other names.
    fn add<'r>(&mut self, row: &Row<'r>, aliases: impl Iterator<Item = &'r str>, place: impl Fn() -> String) {
        if row.name.trim().is_empty() {
            self.blank += 1;
            return;
        }
        let Some(list) = self.list(row.label) else {
            if self.homeless.0 == 0 {
                self.homeless.1 = place();
            }
            self.homeless.0 += 1;
            return;
        };
        let Some(entry) = list.push(row.name) else { return };
        aliases.for_each(|alias| list.push_alias(entry, alias));
        if let Some(priority) = row.priority {
            list.set_priority(entry, priority);
        }
        if row.any_case {
            list.set_any_case(entry);
        }
    }

    fn finish(mut self) -> Result<Vec<EntityList>> {
        if self.homeless.0 > 0 {
            return Err(Error::input(format!(
                "expected a label for every entry, found {} without, the first at {}",
                self.homeless.0, self.homeless.1
            ))
            .in_file(self.shown)
            .hint("name the label of the whole file, as in `--list PERSON=FILE`"));
        }
        let mut waiting = EntityList::new("", "").report;
        for (place, reason) in &self.bad {
            waiting.note_bad(place, reason);
        }
        waiting.bad = self.bad_count;
        (waiting.blank, waiting.comments) = (self.blank, self.comments);
        self.lists.retain(|list| !list.is_empty());
        let several = self.lists.len() > 1;
        let Some(first) = self.lists.first_mut() else {
            let error = Error::input("expected at least one name, found none").in_file(self.shown);
            if self.declined > 0 {
                return Err(error.hint(format!(
                    "none of its {} entries is accepted: write `yes` into the column `{ACCEPT}`",
                    self.declined
                )));
            }
            let mut found = waiting.first_bad.into_iter();
            return Err(match found.next() {
                Some(first) => error.hint(format!("{} lines could not be read, the first: {first}", self.bad_count)),
                None => error,
            });
        };
        // What belongs to no entry is told with the first list of the file.
        first.report.bad += waiting.bad;
        first.report.first_bad = waiting.first_bad;
        first.report.blank += waiting.blank;
        first.report.comments += waiting.comments;
        first.report.declined += self.declined;
        if several {
            for list in &mut self.lists {
                list.name = format!("{} ({})", list.name, list.label);
            }
        }
        Ok(self.lists)
    }
}

fn from_lines(mut input: impl BufRead, sink: &mut Sink<'_>) -> Result<()> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        number += 1;
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| Error::io("cannot be read", error).in_file(sink.shown))? == 0 {
            return Ok(());
        }
        let place = || format!("line {number}");
        let Ok(text) = std::str::from_utf8(&line) else {
            sink.note_bad(&place(), "not UTF-8");
            continue;
        };
        let text = if number == 1 { text.trim_start_matches('\u{FEFF}') } else { text }.trim();
        if text == "#" || text.starts_with("# ") {
            sink.comments += 1;
            continue;
        }
        let (name, priority) = match text.split_once('\t') {
            None => (text, None),
            Some((name, rest)) => {
                if let Ok(priority) = rest.trim().parse() {
                    (name, Some(priority))
                } else {
                    let reason = format!("a tab in `{text}`, and no priority (a whole number) behind it");
                    sink.note_bad(&place(), reason);
                    continue;
                }
            }
        };
        sink.add(&Row { name, priority, ..Row::default() }, std::iter::empty(), place);
    }
}

fn from_table(path: &Path, sink: &mut Sink<'_>) -> Result<()> {
    let columns = sink.columns;
    let mut wanted = columns.names();
    let aliases = columns.aliases();
    wanted.extend([columns.label(), columns.priority(), ACCEPT]);
    wanted.extend(&aliases);
    let needed: Vec<&str> = columns.name.as_deref().into_iter().collect();
    let table = Table::open(path, sink.shown, &needed, &wanted)?;
    let Some(name) = columns.names().into_iter().find(|name| table.has(name)) else {
        return Err(Error::input(format!("expected a column of names, {}, found none", NAMES.join(", ")))
            .in_file(sink.shown)
            .at_line(1)
            .hint("name it: columns = { name = \"...\" }"));
    };
    let proposals = name == "entry" && table.has(ACCEPT);
    let mut read = vec![name, columns.label(), columns.priority(), ACCEPT];
    read.extend(&aliases);
    let separator = columns.separator();
    let mut bad = Vec::new();
    table.each(
        &read,
        |row| {
            let place = || format!("line {}", row.line);
            let priority = row.value(2).trim();
            let priority = match (priority.is_empty(), priority.parse()) {
                (true, _) => None,
                (false, Ok(priority)) => Some(priority),
                (false, Err(_)) => {
                    sink.note_bad(&place(), format!("expected a whole number as priority, found `{priority}`"));
                    return Ok(());
                }
            };
            if proposals {
                match row.value(3).trim().to_lowercase().as_str() {
                    "yes" | "y" | "x" | "1" | "true" => {}
                    "" | "no" | "n" | "0" | "false" => {
                        sink.declined += 1;
                        return Ok(());
                    }
                    other => {
                        sink.note_bad(&place(), format!("expected `yes` or `no` in `{ACCEPT}`, found `{other}`"));
                        return Ok(());
                    }
                }
            }
            let entry = Row { name: row.value(0), label: Some(row.value(1)), priority, any_case: false };
            let others = (4..read.len()).flat_map(|column| row.value(column).split(separator));
            sink.add(&entry, others, place);
            Ok(())
        },
        |line, reason| {
            bad.push((line, reason.to_owned()));
            Ok(())
        },
    )?;
    for (line, reason) in bad {
        sink.note_bad(&format!("line {line}"), reason);
    }
    Ok(())
}
