//! Items out of a table: ids, texts, digests, and what to do with rows that repeat or contradict each other.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt64Array};
use arrow_schema::DataType;
use serde::Serialize;

use super::ItemBatch;
use super::aside::{Aside, HEX, RowFault};
use super::pair::{PairColumns, PairText};
use crate::error::{Error, Result};
use crate::formats::given_tokens;
use crate::hash::Digest;
use crate::table::text::{json_row, plain_value};
use crate::table::{BadRow, Chunk, Format, TableOptions, TableReader, missing_column};
use crate::text::Token;

/// What to read items from a table as.
#[derive(Clone, Debug)]
pub struct ItemOptions {
    /// The column that holds the text.
    pub text: String,
    /// The column that holds the ids; without one the digest of the content is the id.
    pub id: Option<String>,
    /// The column that holds the tokens of the text, where they are given: as a JSON list of strings in the text's
    /// order, or of pairs of places in code points. The columns [`WITH_TOKENS`] then hold JSON as well.
    pub tokens: Option<String>,
    /// Where items are pairs: the columns of the two texts. The text of an item is then a written [`PairText`], and the
    /// column `text` holds what both are about; it may be missing.
    pub pair: Option<PairColumns>,
    /// Columns that together are the text, each under its name; `text` is not read then.
    pub join: Vec<String>,
    /// The format, when neither the name nor the content of the file tells it.
    pub format: Option<Format>,
    /// The most items in a batch.
    pub batch_rows: usize,
    /// Whether the first bad row is an error.
    pub strict: bool,
    /// Where bad rows are put aside, one JSON object per line with `file`, `line`, `reason` and `raw`; beside a `raw`
    /// that was not UTF-8, `raw_hex` has its bytes. Written anew by each run, and absent when no row was bad.
    pub side_file: Option<PathBuf>,
}

impl ItemOptions {
    /// Items whose text stands in a column, everything else automatic.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            id: None,
            tokens: None,
            pair: None,
            join: Vec::new(),
            format: None,
            batch_rows: 8192,
            strict: false,
            side_file: None,
        }
    }
}

/// Columns that belong to given tokens: ends of sentences, layers of tags, and what else is known of the text.
pub const WITH_TOKENS: [&str; 3] = ["sentences", "layers", "meta"];

/// What was found while reading items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IngestReport {
    /// The source, as named in messages.
    pub file: PathBuf,
    /// Its format.
    pub format: Format,
    /// Its columns.
    pub columns: Vec<String>,
    /// All rows, good and bad.
    pub rows_read: u64,
    /// The items handed over.
    pub items: u64,
    /// Rows that were put aside.
    pub bad_rows: u64,
    /// The first bad rows.
    pub first_bad: Vec<RowFault>,
    /// Rows that repeated an earlier one (same id and content, or same content where there is no id) and were skipped.
    pub repeated_rows: u64,
    /// Bad rows whose id had been used for other content.
    pub conflicting_ids: u64,
    /// Items whose content had appeared under another id; they are kept.
    pub duplicate_contents: u64,
    /// Items whose text is empty or blank; they are kept.
    pub empty_texts: u64,
    /// The side file, if anything was put aside in it.
    pub side_file: Option<PathBuf>,
}

/// A stream of items out of a file or standard input.
///
/// The digest of an item covers its text and every other column but the id, as name and value in the order of the names,
/// nulls left out: whatever a program can see, when edited, makes new content, and reordering columns does not. It is
/// [`Digest::of_parts`] of the text followed by the names and values.
///
/// Memory: one chunk of the table, and per item 16 bytes for its content, or with an id column 32 bytes for its id and
/// content, in a hash table. Repeats are recognised by 128-bit digests; with an id column content is compared by 64
/// bits.
///
/// The iterator yields batches of at least one item and ends after the first error. Rows that cannot be used do not
/// stop it; see [`report`](ItemSource::report) for what they were, and [`ItemOptions::strict`].
pub struct ItemSource {
    table: TableReader,
    options: ItemOptions,
    aside: Aside,
    seen: Seen,
    layout: Layout,
    report: IngestReport,
    ended: bool,
}

impl ItemSource {
    /// Opens a file, or standard input for `-`. Fails if the file is no table or lacks a named column.
    pub fn open(path: impl AsRef<Path>, options: ItemOptions) -> Result<Self> {
        let table_options = TableOptions {
            format: options.format,
            batch_rows: options.batch_rows.max(1),
            text: (options.id.iter().chain([&options.text]))
                .chain(options.pair.iter().flat_map(|pair| [&pair.left, &pair.right]))
                .chain(&options.join)
                .cloned()
                .collect(),
            keep_raw: true,
            ..TableOptions::default()
        };
        let table = TableReader::open(path, &table_options)?;
        let columns = table.columns().to_vec();
        // JSONL without one good row has no columns; what is wrong with the rows is the better message.
        if !columns.is_empty() {
            let other = options.pair.is_some() || !options.join.is_empty();
            let text = (!other || !options.text.is_empty()).then_some((&options.text, "text"));
            let text = text.into_iter().chain(options.join.iter().map(|name| (name, "text")));
            let wanted = text.chain(options.id.iter().map(|id| (id, "id")));
            let wanted =
                wanted.chain(options.pair.iter().flat_map(|pair| [(&pair.left, "left"), (&pair.right, "right")]));
            let wanted = wanted.chain(options.tokens.iter().map(|tokens| (tokens, "tokens")));
            for (column, what) in wanted {
                if !columns.contains(column) {
                    return Err(missing_column(what, &[column], &columns).in_file(table.name()));
                }
            }
        }
        let aside = Aside::new(table.name(), table.format(), options.strict, options.side_file.clone())?;
        let seen = match options.id {
            Some(_) => Seen::Ids { contents_of: HashMap::default(), contents: HashSet::default() },
            None => Seen::Contents(HashSet::default()),
        };
        let report = IngestReport {
            file: table.name().to_path_buf(),
            format: table.format(),
            columns,
            rows_read: 0,
            items: 0,
            bad_rows: 0,
            first_bad: Vec::new(),
            repeated_rows: 0,
            conflicting_ids: 0,
            duplicate_contents: 0,
            empty_texts: 0,
            side_file: None,
        };
        Ok(Self { table, options, aside, seen, layout: Layout::default(), report, ended: false })
    }

    /// What was found so far; complete once the iterator has ended.
    pub const fn report(&self) -> &IngestReport {
        &self.report
    }

    fn next_batch(&mut self) -> Result<Option<ItemBatch>> {
        while let Some(mut chunk) = self.table.next_chunk()? {
            self.report.rows_read += (chunk.lines.len() + chunk.bad.len()) as u64;
            let (batch, refused) = self.items_of(&chunk)?;
            let outcome = self.aside.take(&mut chunk, refused);
            self.note_bad_rows();
            outcome?;
            self.report.items += batch.len() as u64;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.note_bad_rows();
        self.aside.finish()?;
        Ok(None)
    }

    fn note_bad_rows(&mut self) {
        self.report.columns = self.table.columns().to_vec();
        self.report.bad_rows = self.aside.count();
        self.report.first_bad = self.aside.first().to_vec();
        self.report.side_file = self.aside.path().map(Path::to_path_buf);
    }

    /// The items among the rows of a chunk, and the rows that cannot be items.
    fn items_of(&mut self, chunk: &Chunk) -> Result<(ItemBatch, Vec<BadRow>)> {
        let columns = &chunk.batch;
        self.layout.fit(columns, &self.options);
        let texts = match &self.options.pair {
            Some(pair) => self.pairs(columns, pair)?,
            None if !self.options.join.is_empty() => self.joined(columns)?,
            None => self.strings(columns, &self.options.text)?,
        };
        let given = self.options.id.as_ref().map(|id| self.strings(columns, id)).transpose()?;
        let tokens = self.options.tokens.as_ref().map(|name| columns.column_by_name(name));
        let mut kept_tokens = tokens.is_some().then(Vec::new);
        let (mut kept, mut digests, mut lines, mut refused) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut content = Vec::new();
        for row in 0..columns.num_rows() {
            let refusal = if texts.is_null(row) {
                let column = match &self.options.pair {
                    Some(pair) => format!("`{}` and in `{}`", pair.left, pair.right),
                    None => format!("`{}`", self.options.text),
                };
                Some(format!("expected a text in {column}, found nothing"))
            } else if given.as_ref().is_some_and(|ids| ids.is_null(row) || ids.value(row).trim().is_empty()) {
                Some(format!("expected an id in `{}`, found nothing", self.options.id.as_deref().unwrap_or_default()))
            } else {
                let text = texts.value(row);
                let own = match tokens.map(|column| own_tokens(text, column, row)).transpose() {
                    Ok(own) => own,
                    Err(reason) => {
                        refused.push(BadRow { line: chunk.lines[row], reason, raw: raw_row(chunk, row) });
                        continue;
                    }
                };
                content.clear();
                self.layout.content(columns, row, text, &mut content);
                let digest = Digest::of(&content);
                match self.seen.meet(given.as_ref().map(|ids| ids.value(row)), digest) {
                    Meeting::Repeated => {
                        self.report.repeated_rows += 1;
                        None
                    }
                    Meeting::Conflict => {
                        self.report.conflicting_ids += 1;
                        let id = given.as_ref().map_or("", |ids| ids.value(row));
                        Some(format!("expected distinct ids, found `{id}` again with different content"))
                    }
                    met => {
                        self.report.duplicate_contents += u64::from(met == Meeting::SameContent);
                        self.report.empty_texts += u64::from(text.trim().is_empty());
                        kept.push(row as u64);
                        digests.push(digest);
                        lines.push(chunk.lines[row]);
                        kept_tokens.iter_mut().for_each(|all| all.push(own.clone().unwrap_or_default()));
                        None
                    }
                }
            };
            if let Some(reason) = refusal {
                refused.push(BadRow { line: chunk.lines[row], reason, raw: raw_row(chunk, row) });
            }
        }
        let ids = match &given {
            Some(ids) => take(ids, &kept)?.as_string::<i32>().clone(),
            None => digests.iter().map(|digest| Some(hex(*digest))).collect(),
        };
        let texts = take(&texts, &kept)?.as_string::<i32>().clone();
        let taken = columns.columns().iter().map(|column| take(column, &kept)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.len()));
        let columns = RecordBatch::try_new_with_options(columns.schema(), taken, &options)
            .map_err(|error| Error::input("rows could not be selected").because(error))?;
        let batch = ItemBatch::new(columns, ids, texts, digests, lines)?;
        Ok((if let Some(tokens) = kept_tokens { batch.with_tokens(tokens)? } else { batch }, refused))
    }

    /// Several columns as one text, those that are empty left out; null where all are.
    fn joined(&self, columns: &RecordBatch) -> Result<StringArray> {
        let parts = self.options.join.iter().map(|name| Ok((name, self.strings(columns, name)?)));
        let parts = parts.collect::<Result<Vec<(&String, StringArray)>>>()?;
        let one = |row: usize| {
            let filled = parts.iter().filter(|(_, part)| part.is_valid(row) && !part.value(row).trim().is_empty());
            let text: Vec<String> = filled.map(|(name, part)| format!("{name}: {}", part.value(row))).collect();
            (!text.is_empty()).then(|| text.join("\n\n"))
        };
        Ok((0..columns.num_rows()).map(one).collect())
    }

    /// The pairs as texts; null where a side is missing.
    fn pairs(&self, columns: &RecordBatch, pair: &PairColumns) -> Result<StringArray> {
        let (left, right) = (self.strings(columns, &pair.left)?, self.strings(columns, &pair.right)?);
        let about = self.strings(columns, &self.options.text)?;
        let one = |row: usize| {
            let value = |column: &StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
            let about = value(&about).filter(|about| !about.is_empty());
            Some(PairText { about, left: value(&left)?, right: value(&right)? }.write())
        };
        Ok((0..columns.num_rows()).map(one).collect())
    }

    fn strings(&self, columns: &RecordBatch, name: &str) -> Result<StringArray> {
        match columns.column_by_name(name) {
            Some(column) => strings(column, name).map_err(|error| error.in_file(self.table.name())),
            None => Ok(StringArray::new_null(columns.num_rows())),
        }
    }
}

impl Iterator for ItemSource {
    type Item = Result<ItemBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let outcome = self.next_batch().transpose();
        self.ended = !matches!(outcome, Some(Ok(_)));
        outcome
    }
}

/// The tokens that a row gives for its text.
fn own_tokens(text: &str, column: Option<&ArrayRef>, row: usize) -> Result<Vec<Token>, String> {
    let Some(column) = column.filter(|column| column.is_valid(row)) else {
        return Err("expected tokens, found nothing".to_owned());
    };
    let mut json = String::new();
    plain_value(column.as_ref(), row, &mut json);
    given_tokens(text, &json)
}

/// A column as strings: numbers become their digits, other types are refused.
pub fn strings(column: &ArrayRef, name: &str) -> Result<StringArray> {
    match column.data_type() {
        DataType::Utf8 => Ok(column.as_string::<i32>().clone()),
        DataType::Null => Ok(StringArray::new_null(column.len())),
        kind if kind.is_numeric() => {
            let mut text = String::new();
            let value = |row| {
                column.is_valid(row).then(|| {
                    text.clear();
                    plain_value(column.as_ref(), row, &mut text);
                    text.clone()
                })
            };
            Ok((0..column.len()).map(value).collect())
        }
        kind => Err(Error::input(format!("expected strings or numbers in the column `{name}`, found {kind}"))),
    }
}

/// The bytes of a row as in the file, or for Parquet its fields as a JSON object.
pub(super) fn raw_row(chunk: &Chunk, row: usize) -> Vec<u8> {
    chunk.raw(row).map_or_else(
        || {
            let mut text = String::new();
            json_row(&chunk.batch, row, &mut text);
            text.into_bytes()
        },
        <[u8]>::to_vec,
    )
}

fn take(column: &dyn Array, rows: &[u64]) -> Result<ArrayRef> {
    // Mostly every row is kept, and then nothing is copied.
    if rows.len() == column.len() {
        return Ok(column.slice(0, column.len()));
    }
    let rows = UInt64Array::from(rows.to_vec());
    arrow_select::take::take(column, &rows, None)
        .map_err(|error| Error::input("rows could not be selected").because(error))
}

fn hex(digest: Digest) -> String {
    digest.as_bytes().iter().map(|byte| HEX[usize::from(*byte)]).collect()
}

/// Which columns go into the digest, in which order.
#[derive(Default)]
struct Layout {
    columns: usize,
    others: Vec<(String, usize)>,
}

impl Layout {
    /// Follows the columns of a chunk, which for JSONL may grow.
    fn fit(&mut self, columns: &RecordBatch, options: &ItemOptions) {
        if self.columns == columns.num_columns() {
            return;
        }
        let is_other = |name: &str| name != options.text && options.id.as_deref() != Some(name);
        let named = columns.schema_ref().fields().iter().enumerate();
        self.others =
            named.filter(|(_, field)| is_other(field.name())).map(|(at, field)| (field.name().clone(), at)).collect();
        self.others.sort();
        self.columns = columns.num_columns();
    }

    /// Appends the parts of a row's digest, each behind its length as [`Digest::of_parts`] has it: hashing one buffer
    /// takes half the time of hashing part by part.
    fn content(&self, columns: &RecordBatch, row: usize, text: &str, content: &mut Vec<u8>) {
        let mut part = |bytes: &[u8]| {
            content.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            content.extend_from_slice(bytes);
        };
        part(text.as_bytes());
        for (name, at) in &self.others {
            let column = columns.column(*at);
            if column.is_null(row) {
                continue;
            }
            part(name.as_bytes());
            if let Some(strings) = column.as_string_opt::<i32>() {
                part(strings.value(row).as_bytes());
            } else {
                let mut value = String::new();
                plain_value(column.as_ref(), row, &mut value);
                part(value.as_bytes());
            }
        }
    }
}

/// What has been seen of ids and contents, by digest.
enum Seen {
    Ids { contents_of: HashMap<[u8; 16], [u8; 8], AsIs>, contents: HashSet<[u8; 8], AsIs> },
    Contents(HashSet<[u8; 16], AsIs>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    New,
    SameContent,
    Repeated,
    Conflict,
}

impl Seen {
    fn meet(&mut self, id: Option<&str>, digest: Digest) -> Meeting {
        match self {
            Self::Contents(contents) => {
                if contents.insert(*digest.as_bytes()) {
                    Meeting::New
                } else {
                    Meeting::Repeated
                }
            }
            Self::Ids { contents_of, contents } => {
                let id = *Digest::of(id.unwrap_or_default().as_bytes()).as_bytes();
                let content = digest.to_u64().to_le_bytes();
                match contents_of.insert(id, content) {
                    Some(earlier) if earlier == content => Meeting::Repeated,
                    Some(earlier) => {
                        contents_of.insert(id, earlier);
                        Meeting::Conflict
                    }
                    None if contents.insert(content) => Meeting::New,
                    None => Meeting::SameContent,
                }
            }
        }
    }
}

/// Digests are spread evenly already, so their first bytes serve as the hash.
type AsIs = BuildHasherDefault<FirstBytes>;

#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length that slices put before their bytes.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
