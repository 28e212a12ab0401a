//! `postil simulate`: what each way of asking annotators would have cost and been worth, by replaying stored answers.

mod pool;
mod show;

use std::path::PathBuf;

use postil_core::Error;
use postil_core::guarantee::PromiseSettings;
use postil_core::route::{Experiment, Policy, Settings, simulate};

use self::pool::Material;
use super::output::{remark, say, say_json};
use crate::report::routes_page;
use crate::run::write_whole;

/// What can be typed after `postil simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The answers, one row each, with the columns item, annotator, label and, if given, confidence; or a project, whose
    /// ledger is read
    answers: PathBuf,
    /// Known labels: item, label and, if known, inclusion_probability [default in a project: its gold]
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// What an answer costs: annotator and price; a row may name a model for all its prompts (`gpt` for `gpt@3-shot`)
    /// [default: what the ledger recorded, or one each]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Who of the annotators is a person: how their names begin, or a table of people's answers
    #[arg(long, value_name = "PREFIX|FILE")]
    people: Option<String>,
    /// What a person's answer costs, if `--prices` does not say it
    #[arg(long, value_name = "PRICE")]
    person_price: Option<f64>,
    /// The policies to compare
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', value_parser = parse)]
    policies: Vec<Policy>,
    /// Money for all items together [default: eight budgets, from one answer of the cheapest to all of everybody]
    #[arg(long, value_name = "M,N", value_delimiter = ',')]
    budgets: Vec<f64>,
    /// Gold labels that fit policies; the others measure (at most four tenths fit)
    #[arg(long, value_name = "N", default_value_t = 100)]
    fit: usize,
    /// How often the gold that fits is drawn
    #[arg(long, value_name = "N", default_value_t = 10)]
    draws: usize,
    /// The share of errors that `cascade` promises at each link
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    risk: f64,
    /// The confidence of that promise
    #[arg(long, value_name = "LEVEL", default_value_t = 0.9)]
    confidence: f64,
    /// The seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the page with the curves
    #[arg(short, long, value_name = "PAGE.html")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

fn parse(name: &str) -> Result<Policy, String> {
    Policy::parse(name.trim()).map_err(|error| error.to_string())
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.output.as_ref().is_some_and(|output| output.as_os_str() == "-") {
        anyhow::bail!(Error::task("expected a file for the page, found `-`"));
    }
    let promise = PromiseSettings { risk: arguments.risk, confidence: arguments.confidence };
    for (name, value) in [("risk", promise.risk), ("confidence", promise.confidence)] {
        if !(value > 0.0 && value < 1.0) {
            anyhow::bail!(Error::task(format!("expected a {name} between 0 and 1, found {value}")));
        }
    }
    let material = Material::read(arguments)?;
    let items = material.stored.decisions() as f64;
    let experiment = Experiment {
        policies: if arguments.policies.is_empty() { Policy::ALL.to_vec() } else { arguments.policies.clone() },
        budgets: arguments.budgets.iter().map(|budget| budget / items).collect(),
        fit: arguments.fit,
        draws: arguments.draws,
        settings: Settings { seed: arguments.seed, promise, ..Settings::default() },
    };
    let found = simulate(&material.stored, &material.gold, &experiment)?;
    if found.points.is_empty() {
        anyhow::bail!(
            Error::task("expected a budget that pays for some policy, found none")
                .hint("give more, or leave out `--budgets`")
        );
    }
    if let Some(output) = &arguments.output {
        write_whole(output, routes_page(&material.name, &found).as_bytes())?;
    }
    if arguments.json {
        return say_json(&found);
    }
    show::show(&material, &found)?;
    if let Some(output) = &arguments.output {
        return say(&format!("written: {}", output.display()));
    }
    remark("note: `-o curve.html` draws cost against quality");
    Ok(())
}
