//! `postil write-programs`

use std::path::PathBuf;

use super::output::{say, say_json, table};
use crate::project::Project;
use crate::run::{Request, WRITTEN, write_programs};

/// What can be typed after `postil write-programs`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project: a folder with a postil.toml, or the file itself
    #[arg(default_value = ".")]
    project: PathBuf,
    /// The language model among the annotators that writes; the first one without this
    #[arg(long)]
    model: Option<String>,
    /// How many programs to ask for
    #[arg(long, default_value_t = 10, value_name = "N")]
    programs: u32,
    /// How far the model may stray
    #[arg(long, default_value_t = 0.8)]
    temperature: f32,
    /// The most tokens of a program
    #[arg(long, default_value_t = 1200, value_name = "N")]
    max_tokens: u32,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments, threads: usize) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    let request = Request {
        model: arguments.model.as_deref(),
        programs: arguments.programs,
        temperature: arguments.temperature,
        most_tokens: arguments.max_tokens,
        threads,
    };
    let outcome = write_programs(&project, &request)?;
    if arguments.json {
        return say_json(&outcome);
    }
    let rows: Vec<Vec<String>> = outcome
        .programs
        .iter()
        .map(|one| {
            let fate = match (&one.file, &one.dropped) {
                (Some(file), _) => file.display().to_string(),
                (None, reason) => format!("dropped: {}", reason.as_deref().unwrap_or("")),
            };
            vec![one.number.to_string(), format!("{:.0} %", 100.0 * one.coverage), one.accuracy.brief(), fate]
        })
        .collect();
    say(&table(&["program", "answers", "accuracy [95 %]", "kept"], &rows))?;
    let (cost, all) = (outcome.cost, outcome.cost_of_labelling);
    let tokens = |cost: postil_core::Cost| cost.input_tokens + cost.output_tokens;
    say(&format!(
        "\n{:.4} spent ({} tokens); asking the model about all {} items would cost some {:.4} ({} tokens)",
        cost.money_micros as f64 / 1e6,
        tokens(cost),
        outcome.items,
        all.money_micros as f64 / 1e6,
        tokens(all)
    ))?;
    if outcome.cap_reached {
        say("the budget is used up: raise it in `[budget]` and run again to go on")?;
    }
    say(&format!("read the programs, then add them: `[[annotator]]`, `kind = \"program\"`, `path = \"{WRITTEN}\"`"))
}
