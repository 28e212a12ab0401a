//! A table of text, row by row, from any format that the engine reads.

use std::path::{Path, PathBuf};

use arrow_array::{Array, StringArray};
use postil_core::items::strings;
use postil_core::table::{TableOptions, TableReader};
use postil_core::{Error, Result};

/// A table whose columns are known.
pub(crate) struct Table {
    reader: TableReader,
    shown: PathBuf,
}

/// One row: the values of the columns that were asked for, empty where there is none, and its line.
pub(crate) struct Row<'t> {
    columns: &'t [Option<StringArray>],
    number: usize,
    pub(crate) line: u64,
}

impl Row<'_> {
    /// The value of the column with this number in the list that was asked for.
    pub(crate) fn value(&self, column: usize) -> &str {
        match &self.columns[column] {
            Some(values) if values.is_valid(self.number) => values.value(self.number),
            _ => "",
        }
    }
}

impl Table {
    /// Opens a table that must have the columns `needed` and may have the columns `welcome`; messages name it as
    /// `shown`.
    pub(crate) fn open(path: &Path, shown: &Path, needed: &[&str], welcome: &[&str]) -> Result<Self> {
        Self::open_with(path, shown, needed, welcome, &[])
    }

    /// The same where the columns `json` may hold lists and objects, which come as the text in the file.
    pub(crate) fn open_with(
        path: &Path,
        shown: &Path,
        needed: &[&str],
        welcome: &[&str],
        json: &[&str],
    ) -> Result<Self> {
        let wanted: Vec<String> = needed.iter().chain(welcome).map(|&name| name.to_owned()).collect();
        let text = wanted.iter().filter(|name| !json.contains(&name.as_str())).cloned().collect();
        let options = TableOptions { only: Some(wanted), text, ..TableOptions::default() };
        let reader = TableReader::open(path, &options).map_err(|error| error.in_file(shown))?;
        let table = Self { reader, shown: shown.to_path_buf() };
        if let Some(missing) = needed.iter().find(|name| !table.has(name)) {
            let found =
                table.reader.columns().iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
            return Err(Error::input(format!("expected a column `{missing}`, found {found}"))
                .in_file(shown)
                .at_line(1));
        }
        Ok(table)
    }

    /// Whether there is such a column.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.reader.columns().iter().any(|column| column == name)
    }

    /// Visits every row; a row that cannot be read goes to `bad` with its line and the reason.
    pub(crate) fn each(
        mut self,
        columns: &[&str],
        mut visitor: impl FnMut(Row<'_>) -> Result<()>,
        mut bad: impl FnMut(u64, &str) -> Result<()>,
    ) -> Result<()> {
        while let Some(chunk) = self.reader.next_chunk().map_err(|error| error.in_file(&self.shown))? {
            let values = columns
                .iter()
                .map(|name| chunk.batch.column_by_name(name).map(|column| strings(column, name)).transpose())
                .collect::<Result<Vec<_>>>()
                .map_err(|error| error.in_file(&self.shown))?;
            for (number, &line) in chunk.lines.iter().enumerate() {
                visitor(Row { columns: &values, number, line })?;
            }
            for row in &chunk.bad {
                bad(row.line, &row.reason)?;
            }
        }
        Ok(())
    }
}
