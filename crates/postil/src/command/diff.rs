//! `postil diff`

use std::collections::HashMap;
use std::path::PathBuf;

use postil_core::audit::accuracy_difference;
use postil_core::ledger::{Access, Ledger, RegisteredAnnotator};
use postil_core::{Annotation, Class, Error, Status, Task};
use serde_json::json;

use super::output::{say, say_json, table};
use crate::project::Project;
use crate::run::{GOLD, GoldFile};

/// Items that are listed.
const LISTED: usize = 20;

/// What can be typed after `postil diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An annotator, whose latest two versions are compared; or the first of two annotators or versions
    first: String,
    /// The second annotator, or the beginning of a version
    second: Option<String>,
    /// The project: a folder with a postil.toml, or the file itself
    #[arg(long, default_value = ".")]
    project: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    let gold = GoldFile::read(&project)?;
    let ledger = Ledger::open(project.ledger(), Access::Read)?;
    let known: Vec<RegisteredAnnotator> =
        ledger.annotators()?.into_iter().filter(|one| &*one.identity.name != GOLD).collect();
    let (first, second) = match &arguments.second {
        Some(second) => (find(&known, &arguments.first)?, find(&known, second)?),
        None => latest_two(&known, &arguments.first)?,
    };
    let snapshot = ledger.snapshot(&[first.identity.version, second.identity.version])?;
    let answers = |one: &RegisteredAnnotator| -> anyhow::Result<HashMap<String, Annotation>> {
        let annotations = snapshot.annotations(one.identity.version)?;
        Ok(annotations.into_iter().map(|annotation| (annotation.item.to_string(), annotation)).collect())
    };
    let (before, after) = (answers(first)?, answers(second)?);
    let label = |all: &HashMap<String, Annotation>, item: &str| {
        all.get(item).filter(|one| one.status == Status::Ok).and_then(|one| classes(&project.task, one))
    };
    let mut pairs = Vec::new();
    let mut flipped = Vec::new();
    for gold in &gold.labels {
        let (Some(one), Some(two)) = (label(&before, &gold.item), label(&after, &gold.item)) else { continue };
        let (was, is) = (one == gold.classes(), two == gold.classes());
        pairs.push((gold.probability.map_or(1.0, |probability| 1.0 / probability), was, is));
        if was != is {
            flipped.push((gold.item.clone(), one, two, gold.classes().to_vec()));
        }
    }
    let mut items: Vec<&String> = before.keys().collect();
    items.sort_unstable();
    let both: Vec<&String> =
        items.into_iter().filter(|item| label(&before, item).is_some() && label(&after, item).is_some()).collect();
    let changed = both.iter().filter(|item| label(&before, item) != label(&after, item)).count();
    let basis = format!("{} gold items that both answered", pairs.len());
    let difference = accuracy_difference(&pairs, &basis);
    let share = |right: fn(&(f64, bool, bool)) -> bool| {
        let total: f64 = pairs.iter().map(|pair| pair.0).sum();
        let part: f64 = pairs.iter().filter(|pair| right(pair)).map(|pair| pair.0).sum();
        let squares: f64 = pairs.iter().map(|pair| pair.0 * pair.0).sum();
        let count = postil_core::audit::effective_count(total, squares);
        if pairs.is_empty() {
            postil_core::Measured::unknown("no gold item was answered by both")
        } else {
            postil_core::Measured::known(part / total, postil_core::audit::wilson(part / total, count), basis.clone())
        }
    };
    let (was, is) = (share(|pair| pair.1), share(|pair| pair.2));
    let name = |one: &RegisteredAnnotator| format!("{} {}", one.identity.name, one.identity.version.short());
    let words = |classes: &[Class]| {
        let names: Vec<&str> = classes.iter().map(|&class| project.task.labels.name(class).as_ref()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join("|") }
    };
    let row = |(item, one, two, gold): &(String, Vec<Class>, Vec<Class>, Vec<Class>)| {
        vec![item.clone(), words(one), words(two), words(gold)]
    };
    if arguments.json {
        let flipped: Vec<_> = flipped
            .iter()
            .map(|one| json!({ "item": one.0, "first": words(&one.1), "second": words(&one.2), "gold": words(&one.3) }))
            .collect();
        return say_json(&json!({
            "first": { "name": first.identity.name, "version": first.identity.version, "config": first.config, "accuracy": was },
            "second": { "name": second.identity.name, "version": second.identity.version, "config": second.config, "accuracy": is },
            "difference": difference,
            "answered_by_both": both.len(),
            "changed": changed,
            "flipped": flipped,
        }));
    }
    say(&format!("first   {}: accuracy {}", name(first), was.brief()))?;
    say(&format!("second  {}: accuracy {}", name(second), is.brief()))?;
    say(&format!("the second is better by {difference}"))?;
    say(&format!("{changed} of {} answers differ; {} gold items turned right or wrong", both.len(), flipped.len()))?;
    if !flipped.is_empty() {
        let rows: Vec<Vec<String>> = flipped.iter().take(LISTED).map(row).collect();
        say(&format!("\n{}", table(&["item", "first", "second", "gold"], &rows)))?;
    }
    if flipped.len() > LISTED {
        say(&format!("and {} more; --json lists all", flipped.len() - LISTED))?;
    }
    Ok(())
}

/// The classes that an answer names, if it settles the matter.
fn classes(task: &Task, annotation: &Annotation) -> Option<Vec<Class>> {
    use postil_core::Answer::{Candidates, Class, Ordinal, Set};
    match &annotation.answer {
        Class { label } | Ordinal { label, .. } => Some(vec![task.labels.class(label)?]),
        Set { labels } => {
            let mut classes = labels.iter().map(|label| task.labels.class(label)).collect::<Option<Vec<_>>>()?;
            classes.sort_unstable();
            Some(classes)
        }
        Candidates { labels } if labels.len() == 1 => Some(vec![task.labels.class(&labels[0])?]),
        _ => None,
    }
}

/// The latest version of a name, or the version that begins like this.
fn find<'a>(known: &'a [RegisteredAnnotator], wanted: &str) -> anyhow::Result<&'a RegisteredAnnotator> {
    let by_name = known.iter().rev().find(|one| &*one.identity.name == wanted);
    let by_version =
        || known.iter().find(|one| wanted.len() >= 4 && one.identity.version.to_string().starts_with(wanted));
    by_name.or_else(by_version).ok_or_else(|| unknown(known, wanted).into())
}

fn latest_two<'a>(
    known: &'a [RegisteredAnnotator],
    name: &str,
) -> anyhow::Result<(&'a RegisteredAnnotator, &'a RegisteredAnnotator)> {
    let mut versions = known.iter().rev().filter(|one| &*one.identity.name == name);
    match (versions.next(), versions.next()) {
        (Some(second), Some(first)) => Ok((first, second)),
        (Some(only), None) => {
            Err(Error::task(format!("expected two versions of `{name}`, found only {}", only.identity.version.short()))
                .hint("change its prompt, model or settings and run again; or name a second annotator")
                .into())
        }
        _ => Err(unknown(known, name).into()),
    }
}

fn unknown(known: &[RegisteredAnnotator], wanted: &str) -> Error {
    let names: Vec<String> =
        known.iter().map(|one| format!("`{}` ({})", one.identity.name, one.identity.version.short())).collect();
    Error::task(format!("expected an annotator of the ledger, found `{wanted}`"))
        .hint(format!("the ledger knows {}", names.join(", ")))
}
