//! Labels with their confidence or probabilities, and the gold that judges them.

use std::path::{Path, PathBuf};

use postil_core::Error;
use postil_core::items::{Names, TruthTable, read_truth};
use postil_core::table::{TableOptions, TableReader};

use super::super::input::answer_options;
use super::super::output::{count, remark};
use super::source::Columns;

/// A table of labels, as `postil aggregate -o`, `postil run` and `postil predict` write it.
pub(super) struct Labels {
    pub(super) items: Vec<String>,
    pub(super) given: Vec<String>,
    pub(super) confidence: Vec<f64>,
    /// The labels that have a probability each.
    pub(super) classes: Vec<String>,
    /// `classes` numbers per item.
    pub(super) probabilities: Vec<f32>,
    /// Whether the table is a run's, which has learnt from a part of its gold.
    by_run: bool,
}

/// A gold label of an item of the table.
pub(super) struct Judged {
    /// The item's place in the table.
    pub(super) item: u32,
    pub(super) label: String,
    pub(super) probability: Option<f64>,
}

impl Labels {
    /// Reads item, label and confidence, and, if wanted, the probability of every label.
    pub(super) fn read(path: &Path, with_probabilities: bool) -> anyhow::Result<Self> {
        let known = TableReader::open(path, &TableOptions::default())?.columns().to_vec();
        let find = |what: &str, names: &[&str]| {
            names
                .iter()
                .find(|name| known.iter().any(|column| column == **name))
                .map(|name| (*name).to_owned())
                .ok_or_else(|| {
                    let found = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                    anyhow::anyhow!(
                        Error::input(format!(
                            "expected the {what} in a column `{}`, found {found}",
                            names.join("` or `")
                        ))
                        .in_file(path)
                        .hint("`postil aggregate answers.csv -o labels.csv` writes such a table")
                    )
                })
        };
        let item = find("item", &["item", "id", "item_id"])?;
        let label = find("label", &["label", "prediction"])?;
        let confidence = find("confidence", &["confidence", "probability"])?;
        let classes: Vec<String> = if with_probabilities {
            known.iter().filter_map(|name| name.strip_prefix("p_")).map(str::to_owned).collect()
        } else {
            Vec::new()
        };
        if with_probabilities && classes.len() < 2 {
            anyhow::bail!(
                Error::input("expected a column `p_LABEL` for every label, found fewer than two")
                    .in_file(path)
                    .hint("`postil aggregate answers.csv -o labels.csv` writes such a table")
            );
        }
        let mut names = vec![item.clone(), label.clone(), confidence.clone()];
        names.extend(classes.iter().map(|class| format!("p_{class}")));
        let columns = Columns::read(path, &names)?;
        let number = |row: usize, name: &str, cell: &str| -> anyhow::Result<f64> {
            cell.trim().parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| {
                anyhow::anyhow!(
                    Error::input(format!("expected a number in row {} of `{name}`, found `{cell}`", row + 1))
                        .in_file(path)
                )
            })
        };
        let mut probabilities = vec![0.0; classes.len() * columns.rows];
        for (place, class) in classes.iter().enumerate() {
            let name = format!("p_{class}");
            for (row, cell) in columns.cells(&name).enumerate() {
                probabilities[row * classes.len() + place] = number(row, &name, cell)? as f32;
            }
        }
        Ok(Self {
            items: columns.cells(&item).map(str::to_owned).collect(),
            given: columns.cells(&label).map(str::to_owned).collect(),
            confidence: columns
                .cells(&confidence)
                .enumerate()
                .map(|(row, cell)| number(row, &confidence, cell))
                .collect::<anyhow::Result<_>>()?,
            classes,
            probabilities,
            by_run: ["gold", "source"].iter().all(|name| known.iter().any(|column| column == name)),
        })
    }

    /// The gold of the items in the table. How the gold was chosen must be known.
    pub(super) fn judge(&self, path: &PathBuf, random_sample: bool) -> anyhow::Result<Vec<Judged>> {
        let truth: TruthTable = read_truth(path, &answer_options(None, None, None, None))?;
        if truth.report.bad_rows > 0 {
            remark(&format!("note: {} gold rows could not be read", count(truth.report.bad_rows)));
        }
        if truth.probability.is_none() && !random_sample {
            anyhow::bail!(
                Error::task("expected to know how the gold was chosen, found no column `inclusion_probability`")
                    .in_file(path)
                    .hint("if it was drawn with equal chances from these items, say --random-sample; gold chosen by hand or by confidence proves nothing here")
            );
        }
        if self.by_run {
            remark(
                "note: these labels look like those of `postil run`, which learns from four tenths of its gold; judged by that \
                 gold they seem better than they are. The run's report has the promise by the gold that only measured",
            );
        }
        let mut places = Names::default();
        for (row, item) in self.items.iter().enumerate() {
            if places.intern(item) as usize != row {
                anyhow::bail!(Error::input("expected each item once, found it twice").for_item(item.clone()));
            }
        }
        let mut judged = Vec::new();
        let (mut absent, mut unsaid) = (0, 0);
        for (number, item) in truth.items.iter().enumerate() {
            let Some(place) = places.find(item) else {
                absent += 1;
                continue;
            };
            let label = truth.labels[usize::from(truth.label[number])].to_string();
            if !self.classes.is_empty() && !self.classes.contains(&label) {
                unsaid += 1;
            }
            let probability = match &truth.probability {
                _ if random_sample => None,
                Some(all) if all[number].is_nan() => {
                    anyhow::bail!(
                        Error::input("expected an inclusion probability beside every gold label, found none")
                            .in_file(path)
                            .for_item(item)
                    );
                }
                Some(all) => Some(f64::from(all[number])),
                None => None,
            };
            judged.push(Judged { item: place, label, probability });
        }
        if absent > 0 {
            remark(&format!("note: {} gold items are not among the labels and do not count", count(absent)));
        }
        if unsaid > 0 {
            anyhow::bail!(
                Error::input(format!("expected gold among the labels {:?}, found {unsaid} others", self.classes))
                    .in_file(path)
                    .hint("a label without a probability can be in no set: give all labels when aggregating, with --labels")
            );
        }
        Ok(judged)
    }
}
