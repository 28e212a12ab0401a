//! Labels, truth, verdicts and trees, as files have them.

use std::path::Path;

use postil_core::items::{TruthTable, read_truth};
use postil_core::label_errors::{Checked, Hierarchy, NO_LABEL};
use postil_core::table::{Format, TableOptions, TableReader};
use postil_core::{Class, Error};

use super::super::input::{answer_options, tell, text_column};
use super::super::output::{count, remark};
use super::Arguments;

/// The given labels, one per item.
pub(super) fn given(arguments: &Arguments) -> anyhow::Result<TruthTable> {
    let options = answer_options(arguments.item.as_deref(), None, arguments.label.as_deref(), None);
    let given = read_truth(&arguments.labels, &options)?;
    if given.label.is_empty() {
        anyhow::bail!(Error::input("expected at least one item with a label, found none").in_file(&arguments.labels));
    }
    tell(&given.report, "items have no label and were left out");
    if given.repeated_rows > 0 {
        remark(&format!("note: {} rows repeat an item with the same label and count once", count(given.repeated_rows)));
    }
    Ok(given)
}

/// The truth of the given items; a label that is none of theirs counts as another class, an item without truth has
/// [`NO_LABEL`].
pub(super) fn truth(path: &Path, given: &TruthTable, labels: &[String]) -> anyhow::Result<Vec<Class>> {
    let truth = read_truth(path, &answer_options(None, None, None, None))?;
    let class = |name: &str| labels.iter().position(|label| label == name).unwrap_or(labels.len()) as Class;
    let mut classes = vec![NO_LABEL; given.items.len()];
    let mut absent = 0;
    for (number, item) in truth.items.iter().enumerate() {
        match given.items.find(item) {
            Some(place) => classes[place as usize] = class(&truth.labels[usize::from(truth.label[number])]),
            None => absent += 1,
        }
    }
    if absent > 0 {
        remark(&format!("note: {} items of the truth have no label here", count(absent)));
    }
    Ok(classes)
}

/// What people found on looking.
pub(super) fn checked(path: &Path, given: &TruthTable) -> anyhow::Result<Vec<Checked>> {
    let mut options = answer_options(None, None, None, None);
    options.label = ["is_error", "wrong", "error"].map(str::to_owned).to_vec();
    let found = read_truth(path, &options)?;
    let (mut verdicts, mut absent) = (Vec::new(), 0);
    for (number, item) in found.items.iter().enumerate() {
        let said = &found.labels[usize::from(found.label[number])];
        let wrong = match said.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "y" => true,
            "0" | "false" | "no" | "n" => false,
            _ => anyhow::bail!(
                Error::input(format!("expected true or false for is_error, found `{said}`"))
                    .in_file(path)
                    .for_item(item)
            ),
        };
        match given.items.find(item) {
            Some(item) => verdicts.push(Checked { item, wrong }),
            None => absent += 1,
        }
    }
    if absent > 0 {
        remark(&format!("note: {} checked items have no label here", count(absent)));
    }
    Ok(verdicts)
}

/// A tree of labels, from a table or from indented lines.
pub(super) fn hierarchy(path: &Path, labels: &[String]) -> anyhow::Result<Hierarchy> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if Format::of_name(&name).is_none() {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::io(format!("could not read {}", path.display()), error))?;
        return Ok(Hierarchy::parse(labels, &text).map_err(|error| error.in_file(path))?);
    }
    let mut table = TableReader::open(path, &TableOptions::default())?;
    let mut pairs = Vec::new();
    while let Some(chunk) = table.next_chunk()? {
        let column = |name: &str| text_column(&chunk.batch, name).map_err(|error| error.in_file(path));
        let (children, parents) = (column("label")?, column("parent")?);
        for (child, parent) in children.iter().zip(&parents) {
            pairs.push((child.unwrap_or("").to_owned(), parent.unwrap_or("").to_owned()));
        }
    }
    Ok(Hierarchy::new(labels, &pairs).map_err(|error| error.in_file(path))?)
}
