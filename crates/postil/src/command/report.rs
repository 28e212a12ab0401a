//! `postil report`

use std::path::PathBuf;

use super::output::{say, say_json};
use crate::project::Project;
use crate::run::{REPORT_HTML, read_report, write_whole};

/// What can be typed after `postil report`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project: a folder with a postil.toml, or the file itself
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Print the report as one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    let report = read_report(&project)?;
    let page = project.output.join(REPORT_HTML);
    write_whole(&page, crate::report::render(&report).as_bytes())?;
    if arguments.json {
        return say_json(&report);
    }
    say(&super::run::summary(&report))?;
    say(&format!("written: {}", page.display()))
}
