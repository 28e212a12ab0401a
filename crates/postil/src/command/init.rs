//! `postil init`

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::output::{say, say_json, table};
use crate::project::{FILE_NAME, FIRST_PROGRAM, propose, unpack};

/// What can be typed after `postil init`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The data: CSV, TSV, JSONL or Parquet, plain, .gz or .zst; with `--pack` the folder to write into [default: the
    /// pack's name]
    #[arg(required_unless_present = "pack")]
    data: Option<PathBuf>,
    /// Begin with a pack of prompt, guidelines and settings: checklist, entities or relevance
    #[arg(long, value_name = "NAME", conflicts_with_all = ["text", "label", "force"])]
    pack: Option<String>,
    /// The column of the text [default: recognised]
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// The column of known labels [default: recognised]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Replace a project file that is there already
    #[arg(long)]
    force: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let data = arguments.data.as_deref();
    if let Some(pack) = &arguments.pack {
        let folder = data.unwrap_or(Path::new(pack));
        let files = unpack(pack, folder)?;
        if arguments.json {
            return say_json(&json!({ "pack": pack, "files": files }));
        }
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        return say(&format!("written: {}\nnext: read {}", names.join(", "), folder.join("README.md").display()));
    }
    let data = data.unwrap_or(Path::new("-"));
    if data == Path::new("-") {
        anyhow::bail!(
            postil_core::Error::input("expected a file, found standard input")
                .hint("a project reads its items more than once: save them to a file first")
        );
    }
    let file_name = data.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let proposal = propose(data, &file_name, arguments.text.as_deref(), arguments.label.as_deref())?;
    let folder = data.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = folder.join(FILE_NAME);
    if file.exists() && !arguments.force {
        anyhow::bail!(
            postil_core::Error::input("a project file is there already").in_file(&file).hint("`--force` replaces it")
        );
    }
    let program = folder.join(FIRST_PROGRAM);
    if !program.exists() {
        if let Some(parent) = program.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        }
        std::fs::write(&program, &proposal.program)
            .with_context(|| format!("{} cannot be written", program.display()))?;
    }
    std::fs::write(&file, &proposal.project).with_context(|| format!("{} cannot be written", file.display()))?;
    if arguments.json {
        return say_json(&json!({
            "project": file,
            "program": program,
            "text": proposal.text,
            "id": proposal.id,
            "label": proposal.label,
            "labels": proposal.labels,
            "inspection": proposal.inspection,
        }));
    }
    let seen = &proposal.inspection;
    let rows: Vec<Vec<String>> = seen
        .columns
        .iter()
        .map(|column| {
            let role =
                [(Some(&proposal.text), "text"), (proposal.id.as_ref(), "id"), (proposal.label.as_ref(), "label")]
                    .into_iter()
                    .find(|(name, _)| *name == Some(&column.name))
                    .map_or("", |(_, role)| role);
            let example = column.examples.first().map_or(String::new(), |text| text.chars().take(40).collect());
            vec![column.name.clone(), role.to_owned(), column.distinct.to_string(), example]
        })
        .collect();
    say(&format!("{} rows looked at:\n\n", seen.rows_seen))?;
    say(&table(&["column", "taken as", "distinct", "example"], &rows))?;
    say(&format!(
        "\nwritten: {} and {}\nnext: put your labels and rules in, then `postil plan {}`",
        file.display(),
        program.display(),
        folder.display()
    ))
}
