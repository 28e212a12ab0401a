//! Tables in files: CSV, TSV, JSONL and Parquet, plain or compressed, from a path or standard input, read as a stream
//! of Arrow batches with the line of every row, and written the same way.
//!
//! What cannot be read as a row is handed over beside the good rows as a [`BadRow`] with its line, its reason and its
//! bytes; nothing is dropped. Values are never altered: a field is what stands in the file once its quotes are undone.
//!
//! Rules of the text formats:
//!
//! - CSV and TSV follow RFC 4180: a field that starts with `"` ends at the next single `"`, and `""` inside stands for
//!   one. A quote inside an unquoted field is an ordinary character; text after a closing quote makes the row bad.
//! - Lines end in LF or CRLF; where the first line of a file ends in a lone CR, lone CRs end lines throughout, otherwise
//!   they are ordinary characters. Blank lines are skipped and still counted. A quoted field may span lines.
//! - One empty field too many at the end of a row (a trailing delimiter) is accepted. An empty column name becomes
//!   `column_N`; two columns of one name are refused.
//! - An empty CSV field is the empty string, not a null. A JSONL key that is missing or `null` is a null.
//! - In JSONL, strings are taken unescaped, everything else (numbers, booleans, lists, objects) as the text in the file,
//!   so that no digit is lost. All columns of the text formats are strings.

mod csv;
mod jsonl;
pub(crate) mod open;
mod parquet;
mod read;
mod split;
mod stream;
pub(crate) mod text;
pub(crate) mod whole;
mod window;
mod write;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

pub(crate) use read::utf8_reason;
pub use read::{BadRow, Chunk, TableOptions, TableReader};
pub use stream::open_stream;
pub use whole::WholeFile;
pub use write::TableWriter;

/// The longest row that is accepted, in bytes of the file.
pub const LONGEST_ROW: usize = 64 << 20;

/// How a table is laid out in a file. Compression is apart from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Fields between commas; when reading, semicolons, tabs and bars are recognised too.
    Csv,
    /// Fields between tabs.
    Tsv,
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format that a file name promises, without a compression ending; `None` if it promises none.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The name used in options and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Jsonl => "JSONL",
            Self::Parquet => "Parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The error for a column that is not there, with the columns that are and the nearest name.
pub(crate) fn missing_column(what: &str, wanted: &[&str], columns: &[String]) -> Error {
    let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let found: Vec<&str> = columns.iter().map(String::as_str).collect();
    let expected = match wanted {
        [one] => format!("`{one}`"),
        many => format!("one of {}", quoted(many)),
    };
    let error = Error::input(format!("expected the {what} column {expected}, found the columns {}", quoted(&found)));
    let nearest = columns
        .iter()
        .flat_map(|column| wanted.iter().map(move |name| (edits(name, column), column)))
        .filter(|(distance, column)| *distance <= column.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((_, column)) => error.hint(format!("the nearest name is `{column}`")),
        None => error.hint(format!("name the column that holds the {what}")),
    }
}

/// The number of single-character edits between two names, ignoring case.
fn edits(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_lowercase(), right.to_lowercase());
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(a != *b)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise_formats_through_compression() {
        let cases = [
            ("a.csv", Some(Format::Csv)),
            ("a.b.TSV.gz", Some(Format::Tsv)),
            ("x.ndjson.zst", Some(Format::Jsonl)),
            ("x.parquet", Some(Format::Parquet)),
            ("notes.txt", None),
            ("csv", None),
        ];
        for (name, format) in cases {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
    }

    #[test]
    fn a_missing_column_names_its_nearest_neighbour() {
        let columns = ["ident".to_owned(), "Bodie".to_owned()];
        let error = missing_column("text", &["body"], &columns);
        assert!(error.to_string().contains("`ident`, `Bodie`"), "{error}");
        let error = missing_column("text", &["bodi"], &columns);
        assert_eq!(error.advice(), Some("the nearest name is `Bodie`"));
        assert!(missing_column("text", &["zzzzzz"], &columns).advice().unwrap().starts_with("name the column"));
    }
}
