//! `postil aggregate` on comparisons in pairs: a ranking.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, UInt64Array};
use arrow_schema::{DataType, Field};
use postil_core::Error;
use postil_core::items::{AnswerOptions, Names};
use postil_core::pairs::{Comparison, Comparisons, Method, Outcome, Ranking, Settings, rank};
use postil_core::table::{TableOptions, TableReader};
use postil_core::votes::Repeats;
use serde_json::json;

use super::super::input::text_column;
use super::super::output::{Voice, count, remark, say_json, table};
use crate::ranking::{figure, warnings, write, write_ranking};

/// What a ranking is made from and where it goes.
pub(super) struct Wanted<'a> {
    /// The comparisons.
    pub(super) comparisons: &'a Path,
    /// The contestants of each item, when they do not stand in the comparisons.
    pub(super) pairs: Option<&'a Path>,
    /// Columns that were named.
    pub(super) columns: [Option<&'a str>; 3],
    /// The method.
    pub(super) method: Method,
    /// What counts when an annotator answered an item more than once.
    pub(super) repeats: Repeats,
    /// Where the ranking goes.
    pub(super) output: Option<&'a Path>,
    /// Where the annotators go.
    pub(super) annotators: Option<&'a Path>,
    /// Whether JSON is wanted.
    pub(super) json: bool,
}

/// Comparisons by number and name.
#[derive(Default)]
struct Read {
    contestants: Names,
    annotators: Names,
    rows: Vec<Comparison>,
    /// By item and annotator, where the comparison stands.
    seen: HashMap<(u32, u32), usize>,
    items: Names,
    blank: u64,
    bad: u64,
    repeated: u64,
    first_bad: Option<String>,
}

pub(super) fn execute(wanted: &Wanted<'_>) -> anyhow::Result<()> {
    let read = read(wanted)?;
    for (number, what) in [
        (read.bad, "comparisons could not be read and were left out"),
        (read.blank, "comparisons are blank and were left out"),
        (read.repeated, "comparisons repeat an annotator's comparison of the same item"),
    ] {
        if number > 0 {
            remark(&format!("note: {} {what}", count(number)));
        }
    }
    if let Some(first) = &read.first_bad {
        remark(&format!("note: the first is {first}"));
    }
    let mut comparisons = Comparisons::new(read.contestants.len(), read.annotators.len());
    for row in &read.rows {
        comparisons.push(row.left, row.right, row.annotator, row.outcome)?;
    }
    let settings = Settings { method: wanted.method, ..Settings::default() };
    let ranking = rank(&comparisons, &settings).map_err(|error| error.in_file(wanted.comparisons))?;
    if let Some(path) = wanted.output {
        write_ranking(path, &read.contestants, &ranking)?;
    }
    if let Some(path) = wanted.annotators {
        write_annotators(path, &read, &ranking)?;
    }
    if wanted.json { say_json(&as_json(&read, &ranking)) } else { show(wanted, &read, &ranking) }
}

/// The first of these names that a table has.
fn column(columns: &[String], names: &[String], what: &str, path: &Path) -> anyhow::Result<String> {
    names.iter().find(|name| columns.contains(name)).cloned().ok_or_else(|| {
        let quoted = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Error::input(format!(
            "expected the {what} column (one of {}), found the columns {}",
            quoted(names),
            quoted(columns)
        ))
        .in_file(path)
        .hint("comparisons have the columns item, annotator and label, and `--pairs FILE` has item, left and right; or the comparisons have left and right themselves")
        .into()
    })
}

/// The contestants of each item.
fn contestants(path: &Path) -> anyhow::Result<HashMap<String, (String, String)>> {
    let mut reader = TableReader::open(path, &TableOptions::default())?;
    let columns = reader.columns().to_vec();
    let item = column(&columns, &AnswerOptions::default().item, "item", path)?;
    let left = column(&columns, &["left".to_owned()], "left", path)?;
    let right = column(&columns, &["right".to_owned()], "right", path)?;
    let mut pairs = HashMap::new();
    while let Some(chunk) = reader.next_chunk()? {
        let cells = [&item, &left, &right].map(|name| text_column(&chunk.batch, name));
        let [items, lefts, rights] = cells;
        let (items, lefts, rights) = (items?, lefts?, rights?);
        for (row, &line) in chunk.lines.iter().enumerate() {
            let at = |message: String| Error::input(message).in_file(path).at_line(line);
            let (left, right) = (lefts.value(row).to_owned(), rights.value(row).to_owned());
            if left.trim().is_empty() || right.trim().is_empty() || left == right {
                anyhow::bail!(at(format!("expected two contestants, found `{left}` and `{right}`")));
            }
            let pair = (left, right);
            if let Some(before) = pairs.insert(items.value(row).to_owned(), pair.clone())
                && before != pair
            {
                anyhow::bail!(at(format!("expected one pair per item, found another for `{}`", items.value(row))));
            }
        }
    }
    Ok(pairs)
}

fn read(wanted: &Wanted<'_>) -> anyhow::Result<Read> {
    let path = wanted.comparisons;
    let pairs = wanted.pairs.map(contestants).transpose()?;
    let mut reader = TableReader::open(path, &TableOptions::default())?;
    let columns = reader.columns().to_vec();
    let defaults = AnswerOptions::default();
    let named = |given: Option<&str>, usual: &[String]| given.map_or(usual.to_vec(), |name| vec![name.to_owned()]);
    let [item, annotator, label] = wanted.columns;
    let annotator = column(&columns, &named(annotator, &defaults.annotator), "annotator", path)?;
    let label = column(&columns, &named(label, &defaults.label), "label", path)?;
    let item_names = named(item, &defaults.item);
    let (item, sides) = if pairs.is_some() {
        (Some(column(&columns, &item_names, "item", path)?), None)
    } else {
        let left = column(&columns, &["left".to_owned()], "left", path)?;
        let right = column(&columns, &["right".to_owned()], "right", path)?;
        (item_names.iter().find(|name| columns.contains(name)).cloned(), Some((left, right)))
    };
    let mut read = Read::default();
    while let Some(chunk) = reader.next_chunk()? {
        let text = |name: &String| text_column(&chunk.batch, name);
        let (annotators, labels) = (text(&annotator)?, text(&label)?);
        let items = item.as_ref().map(text).transpose()?;
        let sides = sides.as_ref().map(|(left, right)| Ok::<_, Error>((text(left)?, text(right)?))).transpose()?;
        for bad in &chunk.bad {
            read.refuse(path, bad.line, &bad.reason);
        }
        for (row, &line) in chunk.lines.iter().enumerate() {
            let item = items.as_ref().map(|items| items.value(row));
            let pair = match (&sides, &pairs, item) {
                (Some((left, right)), ..) => Some((left.value(row), right.value(row))),
                (None, Some(pairs), Some(item)) => pairs.get(item).map(|(left, right)| (left.as_str(), right.as_str())),
                _ => None,
            };
            let Some((left, right)) = pair else {
                read.refuse(
                    path,
                    line,
                    &format!("expected an item of the pairs, found `{}`", item.unwrap_or_default()),
                );
                continue;
            };
            if let Err(reason) =
                read.take((left, right), (item, annotators.value(row), labels.value(row)), wanted.repeats)
            {
                read.refuse(path, line, &reason);
            }
        }
    }
    Ok(read)
}

impl Read {
    fn refuse(&mut self, path: &Path, line: u64, reason: &str) {
        self.bad += 1;
        self.first_bad.get_or_insert_with(|| format!("{}:{line}: {reason}", path.display()));
    }

    fn take(
        &mut self,
        (left, right): (&str, &str),
        (item, annotator, label): (Option<&str>, &str, &str),
        repeats: Repeats,
    ) -> Result<(), String> {
        if annotator.is_empty() {
            return Err("expected an annotator, found nothing".to_owned());
        }
        if left.trim().is_empty() || right.trim().is_empty() || left == right {
            return Err(format!("expected two contestants, found `{left}` and `{right}`"));
        }
        let outcome = match label.trim() {
            "" => {
                self.blank += 1;
                return Ok(());
            }
            "left" => Outcome::Left,
            "right" => Outcome::Right,
            "tie" => Outcome::Tie,
            name if name == left => Outcome::Left,
            name if name == right => Outcome::Right,
            other => return Err(format!("expected `left`, `right`, `tie`, `{left}` or `{right}`, found `{other}`")),
        };
        let left = self.contestants.intern(left);
        let right = self.contestants.intern(right);
        let annotator = self.annotators.intern(annotator);
        let comparison = Comparison { left, right, annotator, outcome };
        if let Some(item) = item {
            let item = self.items.intern(item);
            if let Some(&place) = self.seen.get(&(item, annotator)) {
                self.repeated += 1;
                match repeats {
                    Repeats::All => {}
                    Repeats::First => return Ok(()),
                    Repeats::Last => {
                        self.rows[place] = comparison;
                        return Ok(());
                    }
                }
            }
            self.seen.insert((item, annotator), self.rows.len());
        }
        self.rows.push(comparison);
        Ok(())
    }
}

fn write_annotators(path: &Path, read: &Read, ranking: &Ranking) -> anyhow::Result<()> {
    let all = &ranking.annotators;
    let mut fields =
        vec![Field::new("annotator", DataType::Utf8, false), Field::new("comparisons", DataType::UInt64, false)];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(read.annotators.iter())),
        Arc::new(UInt64Array::from_iter_values(all.iter().map(|one| one.comparisons))),
    ];
    figure("agrees", all.iter().map(|one| &one.agrees), &mut fields, &mut columns);
    figure("left_wins", all.iter().map(|one| &one.left_wins), &mut fields, &mut columns);
    figure("reliability", all.iter().map(|one| &one.reliability), &mut fields, &mut columns);
    figure("leaning", all.iter().map(|one| &one.leaning), &mut fields, &mut columns);
    Ok(write(path, fields, columns)?)
}

fn as_json(read: &Read, ranking: &Ranking) -> serde_json::Value {
    let standing = |&place: &u32| {
        let mut value = json!(ranking.standings[place as usize]);
        value["contestant"] = json!(read.contestants.get(place));
        value["group"] = json!(ranking.connection.group[place as usize]);
        value
    };
    json!({
        "method": ranking.method,
        "comparisons": ranking.comparisons,
        "ties": ranking.ties,
        "contestants": read.contestants.len(),
        "annotators": read.annotators.len(),
        "bad_rows": read.bad,
        "blank": read.blank,
        "repeated": read.repeated,
        "groups": ranking.connection.groups,
        "left_wins": ranking.left_wins,
        "left_among_equals": ranking.left_among_equals,
        "tie_among_equals": ranking.tie_among_equals,
        "log_likelihood": ranking.log_likelihood,
        "gradient": ranking.gradient,
        "converged": ranking.converged,
        "ranking": ranking.order.iter().map(standing).collect::<Vec<_>>(),
        "annotator_judgements": ranking.annotators.iter().zip(read.annotators.iter()).map(|(one, name)| {
            let mut value = json!(one);
            value["annotator"] = json!(name);
            value
        }).collect::<Vec<_>>(),
        "warnings": warnings(&read.contestants, ranking),
    })
}

/// Contestants and annotators listed on a terminal.
const SHOWN: usize = 20;

fn show(wanted: &Wanted<'_>, read: &Read, ranking: &Ranking) -> anyhow::Result<()> {
    let voice = Voice::new(wanted.output, wanted.json)?;
    let line = |text: &str| voice.say(text);
    line(&format!(
        "{} comparisons ({} ties) of {} contestants by {} annotators; {}",
        count(ranking.comparisons),
        count(ranking.ties),
        count(read.contestants.len() as u64),
        count(read.annotators.len() as u64),
        ranking.method
    ))?;
    line(&format!("  left wins          {}", ranking.left_wins))?;
    line(&format!("  left among equals  {}", ranking.left_among_equals))?;
    if ranking.tie_among_equals.value().is_some() {
        line(&format!("  tie among equals   {}", ranking.tie_among_equals))?;
    }
    let rows: Vec<Vec<String>> = ranking
        .order
        .iter()
        .take(SHOWN)
        .enumerate()
        .map(|(rank, &place)| {
            let one = &ranking.standings[place as usize];
            vec![
                format!("{} {}", rank + 1, read.contestants.get(place)),
                one.strength.brief(),
                count(one.wins),
                count(one.losses),
                count(one.ties),
            ]
        })
        .collect();
    line(&format!("\n{}", table(&["contestant", "strength (log odds)", "wins", "losses", "ties"], &rows)))?;
    if ranking.order.len() > SHOWN {
        line(&format!("and {} more; `-o FILE` writes all", ranking.order.len() - SHOWN))?;
    }
    let mut order: Vec<usize> = (0..ranking.annotators.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(ranking.annotators[place].comparisons));
    let noisy = ranking.annotators.iter().any(|one| one.reliability.value().is_some());
    let rows: Vec<Vec<String>> = order
        .iter()
        .take(SHOWN / 2)
        .map(|&place| {
            let one = &ranking.annotators[place];
            let mut cells = vec![
                read.annotators.get(place as u32).to_owned(),
                count(one.comparisons),
                one.agrees.brief(),
                one.left_wins.brief(),
            ];
            cells.extend(noisy.then(|| one.reliability.brief()));
            cells
        })
        .collect();
    let mut header = vec!["annotator", "comparisons", "agrees with the ranking", "left wins"];
    header.extend(noisy.then_some("judges by strength"));
    line(&format!("\n{}", table(&header, &rows)))?;
    if order.len() > rows.len() {
        line(&format!("and {} more annotators; `--annotators FILE` writes all", order.len() - rows.len()))?;
    }
    for warning in warnings(&read.contestants, ranking) {
        line(&format!("note: {warning}"))?;
    }
    line(
        "Intervals are at 95 % and take every comparison as drawn by itself; where few annotators judge the same pairs again they run narrow.",
    )?;
    voice.written(wanted.output, "`-o FILE` writes the ranking")
}
