//! Tables of probabilities: an item and one column per label, as `postil predict` and `postil aggregate -o` write them.

use std::path::Path;

use arrow_array::{Array, StringArray};
use postil_core::Error;
use postil_core::items::Names;
use postil_core::table::{TableOptions, TableReader};

use super::input::text_column;

/// What the column of the item may be called.
const ITEM: [&str; 3] = ["item", "item_id", "id"];

/// One row of probabilities per item.
pub(super) struct ProbabilityTable {
    /// The labels: those asked for, then any others that the table has a `p_` column for.
    pub(super) labels: Vec<String>,
    /// The items in order of first appearance.
    items: Names,
    /// As many numbers per item as there are labels.
    rows: Vec<f64>,
    /// Rows that could not be read and were left out.
    pub(super) bad_rows: u64,
}

impl ProbabilityTable {
    /// Reads a table. A label's column is `p_LABEL`, `pLABEL` or `LABEL`, the first of them that is there.
    ///
    /// # Errors
    /// No column for the item or for a label, a cell that is no number, or an item with two different rows.
    pub(super) fn read(path: &Path, item: Option<&str>, labels: &[String]) -> anyhow::Result<Self> {
        let mut table = TableReader::open(path, &TableOptions::default())?;
        let file = table.name().to_path_buf();
        let columns = table.columns().to_vec();
        let has = |name: &str| columns.iter().any(|column| column == name);
        let shown = || columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        let item = match item {
            Some(item) if has(item) => item.to_owned(),
            _ => ITEM.into_iter().find(|name| has(name)).map(str::to_owned).ok_or_else(|| {
                Error::input(format!("expected a column for the item (item, item_id or id), found {}", shown()))
                    .in_file(&file)
                    .hint("name it with `--item COLUMN`")
            })?,
        };
        let mut labels = labels.to_vec();
        for column in columns.iter().filter_map(|column| column.strip_prefix("p_")) {
            if labels.iter().all(|label| label != column) {
                labels.push(column.to_owned());
            }
        }
        let names: Vec<String> = labels
            .iter()
            .map(|label| {
                let found = [format!("p_{label}"), format!("p{label}"), label.clone()];
                found.into_iter().find(|name| *name != item && has(name)).ok_or_else(|| {
                    Error::input(format!("expected a column `p_{label}` with its probability, found {}", shown()))
                        .in_file(&file)
                        .hint("every label that is given needs a column, even if the model never predicts it")
                })
            })
            .collect::<Result<_, Error>>()?;
        let (mut items, mut rows, mut bad_rows) = (Names::default(), Vec::new(), 0);
        while let Some(chunk) = table.next_chunk()? {
            bad_rows += chunk.bad.len() as u64;
            let column = |name: &str| text_column(&chunk.batch, name).map_err(|error| error.in_file(&file));
            let ids = column(&item)?;
            let cells: Vec<StringArray> = names.iter().map(|name| column(name)).collect::<Result<_, Error>>()?;
            let mut row = Vec::with_capacity(names.len());
            for place in 0..chunk.batch.num_rows() {
                row.clear();
                for (cells, name) in cells.iter().zip(&names) {
                    let cell = if cells.is_null(place) { "" } else { cells.value(place) };
                    row.push(cell.trim().parse::<f64>().map_err(|_| {
                        Error::input(format!("expected a probability in column `{name}`, found `{cell}`"))
                            .in_file(&file)
                            .at_line(chunk.lines[place])
                            .for_item(ids.value(place))
                    })?);
                }
                let before = items.len();
                let number = items.intern(ids.value(place)) as usize;
                if number == before {
                    rows.extend_from_slice(&row);
                } else if rows[number * names.len()..][..names.len()] != row[..] {
                    anyhow::bail!(
                        Error::input("expected one row of probabilities per item, found another")
                            .in_file(&file)
                            .at_line(chunk.lines[place])
                            .for_item(ids.value(place))
                    );
                }
            }
        }
        if items.is_empty() {
            anyhow::bail!(Error::input("expected at least one row of probabilities, found none").in_file(&file));
        }
        Ok(Self { labels, items, rows, bad_rows })
    }

    /// The rows of some items, in their order, and the items that have none. Those have equal probabilities.
    pub(super) fn of<'a>(&self, wanted: impl Iterator<Item = &'a str>) -> (Vec<f64>, Vec<String>) {
        let classes = self.labels.len();
        let (mut rows, mut missing) = (Vec::new(), Vec::new());
        for item in wanted {
            if let Some(number) = self.items.find(item) {
                rows.extend_from_slice(&self.rows[number as usize * classes..][..classes]);
            } else {
                rows.extend(std::iter::repeat_n(1.0 / classes as f64, classes));
                missing.push(item.to_owned());
            }
        }
        (rows, missing)
    }

    /// How many items the table has.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
