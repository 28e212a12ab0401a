//! `postil probe`

use std::path::PathBuf;

use postil_annotators::AnnotatorSpec;
use postil_annotators::llm::{Capabilities, Dialect, LlmSpec, PROBES, probe};
use postil_core::Error;

use super::output::{say, say_json};
use crate::project::Project;

/// What can be typed after `postil probe`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An endpoint such as http://localhost:8000/v1, or a project whose language models are probed and remembered
    #[arg(default_value = ".", value_name = "ENDPOINT|PROJECT")]
    what: String,
    /// The model, with an endpoint
    #[arg(long)]
    model: Option<String>,
    /// What the endpoint speaks
    #[arg(long, value_enum, default_value = "chat")]
    dialect: DialectName,
    /// The environment variable that holds the key
    #[arg(long, value_name = "VARIABLE")]
    key: Option<String>,
    /// Print one JSON list and nothing else
    #[arg(long)]
    json: bool,
}

/// A dialect's name on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DialectName {
    Chat,
    Systemone,
    Decisions,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let (specs, project) = if arguments.what.contains("://") {
        let Some(model) = &arguments.model else {
            anyhow::bail!(Error::task("expected `--model NAME` with an endpoint, found none"));
        };
        let dialect = match arguments.dialect {
            DialectName::Chat => Dialect::Chat,
            DialectName::Systemone => Dialect::SystemOne,
            DialectName::Decisions => Dialect::Decisions,
        };
        let entry = serde_json::json!({ "name": "probe", "endpoint": arguments.what, "model": model, "dialect": dialect,
            "key": arguments.key });
        (vec![serde_json::from_value::<LlmSpec>(entry)?], None)
    } else {
        let project = Project::open(PathBuf::from(&arguments.what))?;
        let specs: Vec<LlmSpec> = project
            .annotators
            .iter()
            .filter_map(|spec| if let AnnotatorSpec::Llm(spec) = spec { Some((**spec).clone()) } else { None })
            .collect();
        if specs.is_empty() {
            anyhow::bail!(Error::task("expected a language model among the annotators, found none"));
        }
        (specs, Some(project))
    };
    let mut found = Vec::new();
    for spec in &specs {
        let capabilities = probe(spec)?;
        if !arguments.json {
            say(&in_words(&capabilities))?;
        }
        if let Some(project) = &project {
            capabilities.clone().keep(&project.folder)?;
        }
        found.push(capabilities);
    }
    if arguments.json {
        return say_json(&found);
    }
    match &project {
        Some(project) => say(&format!("written: {}; runs keep to it", project.folder.join(PROBES).display())),
        None => say("with a project in place of the endpoint this is remembered, and runs keep to it"),
    }
}

fn in_words(found: &Capabilities) -> String {
    let yes = |flag: Option<bool>| match flag {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let mut lines = vec![format!("{} at {} ({})", found.model, found.endpoint, found.dialect.name())];
    let mut row = |name: &str, value: String| lines.push(format!("  {name:<22} {value}"));
    row("answered by", found.answered_by.clone().unwrap_or_else(|| "it does not say".to_owned()));
    row("probabilities", yes(found.logprobs).to_owned());
    if found.dialect == Dialect::Chat {
        row("fixed shapes", yes(found.json_schema).to_owned());
        row("several at once", yes(found.several).to_owned());
        row("same seed, same answer", yes(found.seed).to_owned());
        let limit = if found.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        row("length limit", limit.to_owned());
    } else {
        row("256 choices", yes(found.many_choices).to_owned());
    }
    row("says what it cost", yes(found.usage).to_owned());
    if let Some(seconds) = found.seconds {
        row("seconds per reply", format!("{seconds:.3}"));
    }
    row("tokens spent on this", found.tokens.to_string());
    lines.extend(found.remarks.iter().map(|remark| format!("  note: {remark}")));
    lines.join("\n")
}
