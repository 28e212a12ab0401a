//! A project's labels, gold and draw as a table for estimation.

use std::collections::HashMap;
use std::path::Path;

use postil_core::audit::{GoldPart, gold_part};
use postil_core::estimate::{Frame, Pair, Sampling, Table, Values};
use postil_core::ledger::{Access, Ledger};
use postil_core::{Error, TaskKind};

use super::population::Arguments;
use super::source::Columns;
use crate::project::Project;
use crate::run::{GOLD, GoldFile, LABELS, drawn_probabilities};

/// The share of the gold that measures: the other part may have taught the run something about its items.
const MEASURING: f64 = 0.6;
/// What formulas call the label.
const LABEL: &str = "label";

/// The table of a project after a run: its labels as the surrogate `machine_label`, the measuring part of its gold as
/// `label`, and the columns of its items that are asked for.
pub(super) fn table(path: &Path, arguments: &Arguments) -> anyhow::Result<(Table, String, u64)> {
    let project = Project::open(path)?;
    if matches!(project.task.kind, TaskKind::Spans | TaskKind::Tag) {
        anyhow::bail!(Error::unavailable(format!(
            "estimates for a project with a `{}` task are not yet available",
            project.task.kind
        )));
    }
    if project.task.kind == TaskKind::Multilabel {
        anyhow::bail!(
            Error::unavailable("estimates for a project with several labels per item are not yet available")
                .hint("export its labels and estimate one label at a time from a table")
        );
    }
    let file = project.output.join(format!("{LABELS}.parquet"));
    if !file.exists() {
        anyhow::bail!(Error::input("there are no labels yet").in_file(&file).hint("`postil run` makes them"));
    }
    let labels = Columns::read(&file, &["id".to_owned(), LABEL.to_owned()])?;
    let gold = GoldFile::read(&project)?;
    let drawn = drawn_probabilities(&Ledger::open(project.ledger(), Access::Read)?.draws(GOLD)?);
    let mut known: HashMap<&str, (&str, Option<f64>)> = HashMap::new();
    for one in gold.labels.iter().filter(|gold| gold_part(&gold.item, project.seed) == GoldPart::Measure) {
        let probability = one.probability.or_else(|| drawn.get(&one.item).copied());
        if let Some(class) = one.class() {
            known.insert(&one.item, (project.task.labels.name(class), probability));
        }
    }
    let without = known.values().filter(|(_, probability)| probability.is_none()).count();
    if without > 0 && !arguments.random_sample {
        anyhow::bail!(
            Error::task(format!(
                "expected a draw on record for every gold label, found none for {without} of the {} that measure",
                known.len()
            ))
            .hint("draw gold with `postil draw`, which keeps the probabilities; if this gold is a simple random sample, say --random-sample")
        );
    }
    let mut probability = Vec::with_capacity(labels.rows);
    let mut truth = Vec::with_capacity(labels.rows);
    for id in labels.cells("id") {
        let one = known.get(id);
        truth.push(one.map_or("", |(label, _)| *label));
        probability.push(one.and_then(|(_, pi)| *pi).map_or(f64::NAN, |pi| pi * MEASURING));
    }
    let mut frame = Frame::default();
    frame.push("machine_label", Values::classes(labels.cells(LABEL)))?;
    frame.push(LABEL, Values::classes(truth.iter().copied()))?;
    let mut wanted: Vec<String> = arguments.covariates()?;
    wanted.retain(|name| name != LABEL && name != "machine_label");
    wanted.sort_unstable();
    wanted.dedup();
    let mut bad = labels.bad;
    if !wanted.is_empty() {
        bad += add_covariates(&project, &labels, &wanted, &mut frame)?;
    }
    let sampling = if without > 0 { Sampling::Random } else { Sampling::Known(probability) };
    let pairs = vec![Pair { gold: LABEL.to_owned(), surrogate: "machine_label".to_owned() }];
    Ok((Table { frame, pairs, sampling, cluster: arguments.cluster() }, LABEL.to_owned(), bad))
}

/// Columns of the items, in the order of the labels.
fn add_covariates(project: &Project, labels: &Columns, wanted: &[String], frame: &mut Frame) -> anyhow::Result<u64> {
    let Some(id) = &project.id else {
        anyhow::bail!(
            Error::task("expected `data.id` in the project, found none")
                .hint("without an id column the items cannot be joined with their labels")
        );
    };
    let mut names = wanted.to_vec();
    names.push(id.clone());
    let items = Columns::read(&project.items, &names)?;
    let position: HashMap<&str, usize> =
        items.cells(id).enumerate().collect::<Vec<_>>().into_iter().rev().map(|(row, id)| (id, row)).collect();
    for name in wanted {
        let cells: Vec<&str> = items.cells(name).collect();
        let joined: Vec<&str> = labels.cells("id").map(|id| position.get(id).map_or("", |&row| cells[row])).collect();
        frame.push(name.clone(), Values::parse(joined.iter().copied()))?;
    }
    Ok(items.bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measuring_share_is_that_of_the_split() {
        let measuring =
            (0..20_000).filter(|item| gold_part(&format!("item {item}"), 3) == GoldPart::Measure).count() as f64;
        assert!((measuring / 20_000.0 - MEASURING).abs() < 0.015, "{measuring}");
    }
}
