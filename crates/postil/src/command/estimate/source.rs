//! Tables as columns of text, and the frame that estimation works on.

use std::path::Path;

use arrow_array::StringArray;
use postil_core::Error;
use postil_core::estimate::{Frame, Values};
use postil_core::table::{TableOptions, TableReader};

use super::super::input::text_column;
use super::super::output::{count, remark};

/// Some columns of a file, as text.
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    cells: Vec<Vec<StringArray>>,
    pub(super) rows: usize,
    /// Rows that could not be read.
    pub(super) bad: u64,
}

impl Columns {
    /// Reads the columns of these names; each must be there.
    pub(super) fn read(path: &Path, names: &[String]) -> anyhow::Result<Self> {
        let mut wanted: Vec<String> = names.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let options = TableOptions { only: Some(wanted.clone()), ..TableOptions::default() };
        let mut table = TableReader::open(path, &options)?;
        if let Some(missing) = wanted.iter().find(|name| !table.columns().contains(name)) {
            let found = table.columns().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            anyhow::bail!(Error::input(format!("expected a column `{missing}`, found {found}")).in_file(table.name()));
        }
        let mut columns: Vec<Vec<StringArray>> = vec![Vec::new(); wanted.len()];
        let (mut rows, mut bad) = (0, 0);
        while let Some(chunk) = table.next_chunk()? {
            rows += chunk.batch.num_rows();
            for fault in &chunk.bad {
                if bad == 0 {
                    remark(&format!("note: line {} cannot be read: {}", fault.line, fault.reason));
                }
                bad += 1;
            }
            for (name, parts) in wanted.iter().zip(&mut columns) {
                parts.push(text_column(&chunk.batch, name)?);
            }
        }
        if bad > 0 {
            remark(&format!("note: {} rows could not be read and were left out", count(bad)));
        }
        if rows == 0 {
            anyhow::bail!(Error::input("expected rows, found none").in_file(path));
        }
        Ok(Self { names: wanted, cells: columns, rows, bad })
    }

    /// The cells of a column that was read.
    pub(super) fn cells(&self, name: &str) -> impl Iterator<Item = &str> + Clone {
        let place = self.names.iter().position(|known| known == name).unwrap_or_default();
        self.cells[place].iter().flat_map(|part| part.iter().map(|cell| cell.unwrap_or("")))
    }

    /// All columns but some as numbers or classes.
    pub(super) fn frame(&self, but: &[&str], as_classes: &[&str]) -> anyhow::Result<Frame> {
        let mut frame = Frame::default();
        for name in self.names.iter().filter(|name| !but.contains(&name.as_str())) {
            let values = if as_classes.contains(&name.as_str()) {
                Values::classes(self.cells(name))
            } else {
                Values::parse(self.cells(name))
            };
            frame.push(name.clone(), values)?;
        }
        Ok(frame)
    }

    /// A column of probabilities; blank cells are NaN.
    pub(super) fn probabilities(&self, name: &str, path: &Path) -> anyhow::Result<Vec<f64>> {
        self.cells(name)
            .enumerate()
            .map(|(row, cell)| {
                let cell = cell.trim();
                if cell.is_empty() {
                    return Ok(f64::NAN);
                }
                cell.parse().map_err(|_| {
                    anyhow::anyhow!(
                        Error::input(format!("expected a probability in row {} of `{name}`, found `{cell}`", row + 1))
                            .in_file(path)
                    )
                })
            })
            .collect()
    }
}
