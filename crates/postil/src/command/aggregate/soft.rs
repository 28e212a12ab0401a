//! `postil aggregate --soft` and `--soft-truth`: label shares as they are, and how far they and the posteriors lie from
//! known ones.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::consensus::Consensus;
use postil_core::items::{AnswerOptions, AnswerTable};
use postil_core::perspective::{Distributions, SoftMetrics, compare};
use postil_core::table::{TableOptions, TableReader, TableWriter};
use postil_core::votes::Votes;
use postil_core::{Error, Measured};

use super::super::input::text_column;
use super::super::output::{count, remark, table};

/// Writes the shares of the raw votes, so that disagreement is kept: item, p_LABEL..., n, entropy.
pub(super) fn write_shares(path: &Path, answers: &AnswerTable, votes: &Votes) -> anyhow::Result<()> {
    let shares = Distributions::of_votes(votes, 0.0);
    let mut fields = vec![Field::new("item", DataType::Utf8, false)];
    fields.extend(answers.labels.iter().map(|label| Field::new(format!("p_{label}"), DataType::Float64, true)));
    fields.push(Field::new("n", DataType::Float64, false));
    fields.push(Field::new("entropy", DataType::Float64, true));
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let items: Vec<&str> = answers.items.iter().collect();
    for start in (0..items.len()).step_by(65_536) {
        let rows = start..(start + 65_536).min(items.len());
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(&items[rows.clone()]))];
        for class in 0..answers.labels.len() {
            let share = |item: usize| shares.of(item).map(|shares| shares[class]);
            columns.push(Arc::new(rows.clone().map(share).collect::<Float64Array>()));
        }
        columns.push(Arc::new(Float64Array::from_iter_values(rows.clone().map(|item| shares.support(item)))));
        columns.push(Arc::new(rows.clone().map(|item| shares.entropy(item)).collect::<Float64Array>()));
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(writer.finish()?)
}

/// How far the raw shares and the posteriors lie from known distributions.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct SoftScores {
    /// Of the shares of the votes.
    shares: SoftMetrics,
    /// Of the posteriors of the method.
    posterior: SoftMetrics,
}

/// Reads known distributions and compares. Labels that are numbers in their order, or given in an order, have distances
/// along it too.
pub(super) fn score(
    path: &Path,
    answers: &AnswerTable,
    votes: &Votes,
    consensus: &Consensus,
    order_given: bool,
) -> anyhow::Result<SoftScores> {
    let target = read(path, answers)?;
    let numbers: Option<Vec<f64>> = answers.labels.iter().map(|label| label.parse().ok()).collect();
    let ascending = numbers.is_some_and(|all| all.windows(2).all(|pair| pair[0] < pair[1]));
    let ordered = order_given || ascending;
    let posterior = Distributions::of_posterior(answers.labels.len(), &consensus.posterior);
    Ok(SoftScores {
        shares: compare(&Distributions::of_votes(votes, 0.0), &target, ordered)?,
        posterior: compare(&posterior, &target, ordered)?,
    })
}

fn read(path: &Path, answers: &AnswerTable) -> anyhow::Result<Distributions> {
    let mut reader = TableReader::open(path, &TableOptions::default())?;
    let columns = reader.columns().to_vec();
    let find = |names: &[String]| names.iter().find(|name| columns.contains(name)).cloned();
    let quoted = || columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let item = find(&AnswerOptions::default().item).ok_or_else(|| {
        Error::input(format!("expected the item column `item`, found the columns {}", quoted())).in_file(path)
    })?;
    let labels = answers
        .labels
        .iter()
        .map(|label| {
            find(&[format!("p_{label}"), format!("p{label}"), label.to_string()]).ok_or_else(|| {
                Error::input(format!(
                    "expected a column of probabilities `p_{label}`, `p{label}` or `{label}`, found the columns {}",
                    quoted()
                ))
                .in_file(path)
                .hint("each label of the answers needs its column; `--labels` names the labels")
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<Option<Vec<f64>>> = vec![None; answers.items.len()];
    let (mut absent, mut blank, mut bad) = (0, 0, 0);
    while let Some(chunk) = reader.next_chunk()? {
        bad += chunk.bad.len() as u64;
        let items = text_column(&chunk.batch, &item)?;
        let cells = labels.iter().map(|name| text_column(&chunk.batch, name)).collect::<Result<Vec<_>, _>>()?;
        for (row, &line) in chunk.lines.iter().enumerate() {
            let Some(place) = answers.items.find(items.value(row)) else {
                absent += 1;
                continue;
            };
            if cells.iter().all(|cells| cells.value(row).trim().is_empty()) {
                blank += 1;
                continue;
            }
            let at = |error: Error| error.in_file(path).at_line(line).for_item(items.value(row));
            let shares = cells
                .iter()
                .map(|cells| {
                    let text = cells.value(row).trim();
                    text.parse::<f64>().map_err(|_| at(Error::input(format!("expected a probability, found `{text}`"))))
                })
                .collect::<Result<Vec<_>, _>>()?;
            let total: f64 = shares.iter().sum();
            if shares.iter().any(|share| !(share.is_finite() && *share >= 0.0)) || (total - 1.0).abs() > 0.01 {
                anyhow::bail!(at(Error::input(format!(
                    "expected probabilities that sum to one, found {shares:?} with the sum {total:.4}"
                ))));
            }
            if rows[place as usize].is_some() {
                anyhow::bail!(at(Error::input("expected one distribution per item, found a second")));
            }
            rows[place as usize] = Some(shares);
        }
    }
    for (number, what) in [
        (absent, "items of the distributions have no answers"),
        (blank, "items have blank distributions"),
        (bad, "rows could not be read and were left out"),
    ] {
        if number > 0 {
            remark(&format!("note: {} {what}", count(number)));
        }
    }
    Ok(Distributions::from_rows(answers.labels.len(), &rows)?)
}

impl SoftScores {
    /// Both beside each other.
    pub(super) fn shown(&self) -> String {
        let row = |name: &str, figure: fn(&SoftMetrics) -> &Measured| {
            vec![name.to_owned(), figure(&self.shares).brief(), figure(&self.posterior).brief()]
        };
        let mut rows = vec![
            row("cross-entropy", |all| &all.cross_entropy),
            row("Manhattan distance", |all| &all.manhattan),
            row("Jensen-Shannon", |all| &all.jensen_shannon),
            row("entropy correlation", |all| &all.entropy_correlation),
            row("same likeliest label", |all| &all.same_label),
        ];
        if self.shares.wasserstein.value().is_some() {
            rows.insert(2, row("Wasserstein distance", |all| &all.wasserstein));
        }
        let header = ["against the given distributions", "shares of the votes", "posterior"];
        let items = count(self.shares.items as u64);
        let out = match self.shares.left_out {
            0 => String::new(),
            number => format!("; {} others lack answers or a distribution", count(number as u64)),
        };
        format!("{}\n95 % intervals over {items} items{out}", table(&header, &rows))
    }
}
