//! Tables of answers (`item,annotator,label`) and of truth (`item,label`) as numbers and names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::{Array, StringArray};
use serde::Serialize;

use super::aside::{Aside, RowFault};
use super::names::Names;
use super::source::{raw_row, strings};
use crate::error::{Error, Result};
use crate::table::{BadRow, Chunk, Format, TableOptions, TableReader, missing_column};
use crate::task::{Class, Name};

/// Which columns hold what. Each role lists the names it is looked for under, the first one present wins.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// The item: `item`, `item_id`, `id`.
    pub item: Vec<String>,
    /// The annotator: `annotator`, `annotator_id`, `worker`, `worker_id`, `rater`. Truth has none.
    pub annotator: Vec<String>,
    /// The label: `label`, `answer`, `gold`, `truth`.
    pub label: Vec<String>,
    /// How sure the annotator was, 0 to 1: `confidence`. Optional in the file.
    pub confidence: Vec<String>,
    /// The probability with which the item was drawn, 0 to 1: `inclusion_probability`, `probability`. Optional, and
    /// looked for in tables of truth only.
    pub probability: Vec<String>,
    /// The labels in their order; another label makes a row bad. By default all labels of the file, sorted by name.
    pub labels: Option<Vec<Name>>,
    /// The format, when neither the name nor the content of the file tells it.
    pub format: Option<Format>,
    /// Whether the first bad row is an error.
    pub strict: bool,
    /// Where bad rows are put aside, as for items.
    pub side_file: Option<PathBuf>,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            item: names(&["item", "item_id", "id"]),
            annotator: names(&["annotator", "annotator_id", "worker", "worker_id", "rater"]),
            label: names(&["label", "answer", "gold", "truth"]),
            confidence: names(&["confidence"]),
            probability: names(&["inclusion_probability", "probability"]),
            labels: None,
            format: None,
            strict: false,
            side_file: None,
        }
    }
}

/// What was found while reading answers or truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerReport {
    /// The source, as named in messages.
    pub file: PathBuf,
    /// All rows, good and bad.
    pub rows_read: u64,
    /// Rows whose label is blank: refusals to answer, or items whose truth is not known.
    pub blank_labels: u64,
    /// Rows that were put aside.
    pub bad_rows: u64,
    /// The first bad rows.
    pub first_bad: Vec<RowFault>,
    /// Labels that differ in case or white space alone, such as `spam` and `Spam `; they are never merged.
    pub label_variants: Vec<Vec<String>>,
    /// The side file, if anything was put aside in it.
    pub side_file: Option<PathBuf>,
}

/// Answers by number: the i-th answer is `label[i]` by `annotator[i]` about `item[i]`.
///
/// Ten bytes per answer, fourteen with confidence, beside the names.
#[derive(Clone, Debug)]
pub struct AnswerTable {
    /// Items in order of first appearance, those without a single vote included.
    pub items: Names,
    /// Annotators in order of first appearance.
    pub annotators: Names,
    /// Labels in the order given, or sorted by name.
    pub labels: Vec<Name>,
    /// The item of each answer.
    pub item: Vec<u32>,
    /// The annotator of each answer.
    pub annotator: Vec<u32>,
    /// The label of each answer.
    pub label: Vec<Class>,
    /// How sure the annotator was; NaN where that is blank, `None` if the file has no such column.
    pub confidence: Option<Vec<f32>>,
    /// Per annotator, the rows with a blank label: refusals, which are no votes.
    pub refusals: Vec<u64>,
    /// The same rows one by one: item and annotator.
    pub refused: Vec<(u32, u32)>,
    /// What was found on the way.
    pub report: AnswerReport,
}

/// Truth by number: the label of `items.get(i)` is `label[i]`. Every item appears once.
#[derive(Clone, Debug)]
pub struct TruthTable {
    /// Items in order of first appearance.
    pub items: Names,
    /// Labels in the order given, or sorted by name.
    pub labels: Vec<Name>,
    /// The label of each item.
    pub label: Vec<Class>,
    /// The probability with which each item was drawn; NaN where that is blank, `None` if the file has no such column.
    pub probability: Option<Vec<f32>>,
    /// Rows that repeated an item with the same label, and were skipped.
    pub repeated_rows: u64,
    /// What was found on the way.
    pub report: AnswerReport,
}

/// Reads a table of answers from a file, or from standard input for `-`.
///
/// A bad row lacks its item or annotator, has a confidence outside 0 to 1, or a label that is not one of those given.
pub fn read_answers(path: impl AsRef<Path>, options: &AnswerOptions) -> Result<AnswerTable> {
    let mut rows = Rows::open(path.as_ref(), options, true)?;
    let (mut items, mut annotators) = (Names::default(), Names::default());
    let (mut item, mut annotator, mut label) = (Vec::new(), Vec::new(), Vec::new());
    let mut confidence = rows.columns.share.is_some().then(Vec::new);
    let mut refusals: Vec<u64> = Vec::new();
    let mut refused = Vec::new();
    // Files are mostly sorted by item.
    let mut latest: Option<(String, u32)> = None;
    while let Some(chunk) = rows.table.next_chunk()? {
        rows.take(chunk, |row, labels| {
            let by = match row.annotator {
                Some(name) if !name.is_empty() => name,
                _ => return Err("expected an annotator, found nothing".to_owned()),
            };
            // Whatever can be wrong is checked before a name gets a number.
            let share = row.share("confidence")?;
            let given = if row.label.trim().is_empty() { None } else { Some(labels.number(row.label)?) };
            let about = match &latest {
                Some((name, number)) if name == row.item => *number,
                _ => {
                    let number = items.intern(row.item);
                    let (name, latest) = latest.get_or_insert_default();
                    row.item.clone_into(name);
                    *latest = number;
                    number
                }
            };
            let by = annotators.intern(by);
            if by as usize == refusals.len() {
                refusals.push(0);
            }
            let Some(given) = given else {
                refusals[by as usize] += 1;
                refused.push((about, by));
                return Ok(());
            };
            item.push(about);
            annotator.push(by);
            label.push(given);
            if let Some(confidence) = &mut confidence {
                confidence.push(share);
            }
            Ok(())
        })?;
    }
    let (labels, report) = rows.finish(&mut label, refusals.iter().sum())?;
    Ok(AnswerTable { items, annotators, labels, item, annotator, label, confidence, refusals, refused, report })
}

/// Reads a table of truth from a file, or from standard input for `-`.
///
/// A bad row lacks its item, has a probability outside 0 to 1 or of 0, a label that is not one of those given, or a
/// label other than the one its item had before.
pub fn read_truth(path: impl AsRef<Path>, options: &AnswerOptions) -> Result<TruthTable> {
    let mut rows = Rows::open(path.as_ref(), options, false)?;
    let mut items = Names::default();
    let mut label: Vec<Class> = Vec::new();
    let mut probability = rows.columns.share.is_some().then(Vec::new);
    let (mut repeated_rows, mut blank) = (0, 0);
    while let Some(chunk) = rows.table.next_chunk()? {
        rows.take(chunk, |row, labels| {
            if row.label.trim().is_empty() {
                blank += 1;
                return Ok(());
            }
            let share = row.share("a probability of being drawn")?;
            if share == 0.0 {
                return Err("expected a probability of being drawn above 0, found 0".to_owned());
            }
            let given = labels.number(row.label)?;
            match items.find(row.item) {
                Some(known) if label[known as usize] == given => repeated_rows += 1,
                Some(_) => return Err(format!("expected one label per item, found another for `{}`", row.item)),
                None => {
                    items.intern(row.item);
                    label.push(given);
                    if let Some(probability) = &mut probability {
                        probability.push(share);
                    }
                }
            }
            Ok(())
        })?;
    }
    let (labels, report) = rows.finish(&mut label, blank)?;
    Ok(TruthTable { items, labels, label, probability, repeated_rows, report })
}

/// The names that the roles have in a file.
struct Columns {
    item: String,
    annotator: Option<String>,
    label: String,
    share: Option<String>,
}

/// One row, by role.
struct Row<'a> {
    item: &'a str,
    annotator: Option<&'a str>,
    label: &'a str,
    share: Option<&'a str>,
}

impl Row<'_> {
    /// The confidence or probability; NaN if it is blank.
    fn share(&self, what: &str) -> Result<f32, String> {
        let Some(text) = self.share.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(f32::NAN) };
        match text.parse::<f32>() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
            _ => Err(format!("expected {what} from 0 to 1, found `{text}`")),
        }
    }
}

/// Labels as they come up.
struct Labels {
    names: Names,
    given: bool,
}

impl Labels {
    fn number(&mut self, label: &str) -> Result<Class, String> {
        if self.given {
            return match self.names.find(label) {
                Some(number) => Ok(number as Class),
                None => Err(format!("expected one of the {} labels of the task, found `{label}`", self.names.len())),
            };
        }
        let number = self.names.intern(label);
        Class::try_from(number).map_err(|_| format!("expected at most 65536 labels, found `{label}` beyond them"))
    }
}

/// What reading answers and reading truth have in common.
struct Rows {
    table: TableReader,
    columns: Columns,
    aside: Aside,
    labels: Labels,
    read: u64,
}

impl Rows {
    fn open(path: &Path, options: &AnswerOptions, with_annotator: bool) -> Result<Self> {
        let shares = if with_annotator { &options.confidence } else { &options.probability };
        let annotators: &[String] = if with_annotator { &options.annotator } else { &[] };
        let roles = [options.item.as_slice(), annotators, &options.label, shares];
        let only: Vec<String> = roles.concat();
        let table_options = TableOptions {
            format: options.format,
            text: only.clone(),
            only: Some(only),
            keep_raw: options.side_file.is_some(),
            ..TableOptions::default()
        };
        let table = TableReader::open(path, &table_options)?;
        let find = |names: &[String]| names.iter().find(|name| table.columns().contains(name)).cloned();
        let need = |what: &str, names: &[String]| {
            find(names).ok_or_else(|| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                missing_column(what, &names, table.columns()).in_file(table.name())
            })
        };
        let columns = if table.columns().is_empty() {
            // JSONL without one good row; what is wrong with the rows is the better message, and comes first.
            Columns { item: String::new(), annotator: None, label: String::new(), share: None }
        } else {
            let annotator = with_annotator.then(|| need("annotator", annotators)).transpose()?;
            Columns {
                item: need("item", &options.item)?,
                annotator,
                label: need("label", &options.label)?,
                share: find(shares),
            }
        };
        let mut names = Names::default();
        for label in options.labels.iter().flatten() {
            names.intern(label);
        }
        if names.len() > usize::from(Class::MAX) + 1
            || options.labels.as_ref().is_some_and(|all| all.len() != names.len())
        {
            return Err(Error::task("expected at most 65536 distinct labels"));
        }
        let aside = Aside::new(table.name(), table.format(), options.strict, options.side_file.clone())?;
        let labels = Labels { names, given: options.labels.is_some() };
        Ok(Self { table, columns, aside, labels, read: 0 })
    }

    /// Hands every row of a chunk to `accept` and puts those aside that it refuses.
    fn take(
        &mut self,
        mut chunk: Chunk,
        mut accept: impl FnMut(&Row<'_>, &mut Labels) -> Result<(), String>,
    ) -> Result<()> {
        let column = |name: &str| match chunk.batch.column_by_name(name) {
            Some(column) => strings(column, name).map_err(|error| error.in_file(self.table.name())),
            None => Ok(StringArray::new_null(chunk.batch.num_rows())),
        };
        let items = column(&self.columns.item)?;
        let labels = column(&self.columns.label)?;
        let annotators = self.columns.annotator.as_deref().map(column).transpose()?;
        let shares = self.columns.share.as_deref().map(column).transpose()?;
        self.read += (chunk.lines.len() + chunk.bad.len()) as u64;
        let mut refused = Vec::new();
        let value =
            |column: &Option<StringArray>, row: usize| column.as_ref().is_some_and(|column| column.is_valid(row));
        for row in 0..chunk.lines.len() {
            let outcome = if items.is_null(row) || items.value(row).is_empty() {
                Err("expected an item, found nothing".to_owned())
            } else {
                let row = Row {
                    item: items.value(row),
                    annotator: annotators.as_ref().filter(|_| value(&annotators, row)).map(|column| column.value(row)),
                    label: if labels.is_null(row) { "" } else { labels.value(row) },
                    share: shares.as_ref().filter(|_| value(&shares, row)).map(|column| column.value(row)),
                };
                accept(&row, &mut self.labels)
            };
            if let Err(reason) = outcome {
                let raw = raw_row(&chunk, row);
                refused.push(BadRow { line: chunk.lines[row], reason, raw });
            }
        }
        self.aside.take(&mut chunk, refused)
    }

    /// Puts the labels into their final order.
    fn finish(mut self, label: &mut [Class], blank_labels: u64) -> Result<(Vec<Name>, AnswerReport)> {
        self.aside.finish()?;
        let names = &self.labels.names;
        let mut order: Vec<u32> = (0..names.len() as u32).collect();
        if !self.labels.given {
            order.sort_by_key(|number| names.get(*number));
            let mut place = vec![0; order.len()];
            for (new, old) in order.iter().enumerate() {
                place[*old as usize] = new as Class;
            }
            for label in label.iter_mut() {
                *label = place[usize::from(*label)];
            }
        }
        let report = AnswerReport {
            file: self.table.name().to_path_buf(),
            rows_read: self.read,
            blank_labels,
            bad_rows: self.aside.count(),
            first_bad: self.aside.first().to_vec(),
            label_variants: variants(order.iter().map(|number| names.get(*number))),
            side_file: self.aside.path().map(Path::to_path_buf),
        };
        Ok((order.iter().map(|number| Name::from(names.get(*number))).collect(), report))
    }
}

/// Groups of names that differ in case or white space alone.
fn variants<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names {
        let plain = name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        groups.entry(plain).or_default().push(name.to_owned());
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}
