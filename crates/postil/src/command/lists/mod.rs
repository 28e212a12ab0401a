//! `postil lists`, and the lists that it shares with `postil match`.

mod propagate;
mod propose;
mod tune;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use postil_annotators::entities::{Accents, ConfiguredList, Hyphens, LeftOut, Parts, Plural, Switches};
use postil_annotators::entities::{EntityMatcher, ListColumns};
use postil_annotators::{Case, ListFile, ListSources, ListSpec};
use postil_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// What can be typed after `postil lists`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Choose the switches of lists on a small gold sample, and show which entries are wrong and which are missing
    Tune(tune::Arguments),
    /// Carry marked names to where they stand unmarked, in the document or everywhere
    Propagate(propagate::Arguments),
    /// Propose new entries from texts, for a person to confirm
    Propose(propose::Arguments),
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Tune(arguments) => tune::execute(arguments),
        Command::Propagate(arguments) => propagate::execute(arguments),
        Command::Propose(arguments) => propose::execute(arguments),
    }
}

/// Which lists, and how they match.
#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// A list of names and its label, or a file that says the labels itself: text, CSV, TSV, Parquet, JSON or JSONL
    #[arg(long, value_name = "[LABEL=]FILE")]
    list: Vec<String>,
    /// Lists and switches from a file: what `lists tune` writes, or the list entries of a project file
    #[arg(long, value_name = "FILE")]
    lists: Option<PathBuf>,
    #[command(flatten)]
    switches: SwitchArguments,
}

/// The switches of all lists that have none of their own.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Matching (of all lists)")]
struct SwitchArguments {
    /// What the case of letters means [default: smart]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["smart", "exact", "ignore"]).map(parsed::<Case>))]
    case: Option<Case>,
    /// What accents mean [default: keep]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["keep", "fold"]).map(parsed::<Accents>))]
    accents: Option<Accents>,
    /// Whether a hyphen is as good as a space [default: keep]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["keep", "space"]).map(parsed::<Hyphens>))]
    hyphens: Option<Hyphens>,
    /// Whose plural endings are not looked at [default: keep]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["keep", "english", "spanish"]).map(parsed::<Plural>))]
    plural: Option<Plural>,
    /// A table of word forms and lemmas
    #[arg(long, value_name = "FILE")]
    lemmas: Option<PathBuf>,
    /// Which words of a name stand for the whole [default: none]
    #[arg(long, value_name = "WHICH", value_parser = PossibleValuesParser::new(["none", "first", "last", "both"]).map(parsed::<Parts>))]
    parts: Option<Parts>,
    /// How many percent of a name's characters must be right; digits must all be [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(50..=100))]
    fuzzy: Option<u8>,
    /// Of the lists' entries only those that are in this file
    #[arg(long, value_name = "FILE")]
    only_names: Option<PathBuf>,
    /// Leave out the names that are in this file
    #[arg(long, value_name = "FILE")]
    except_names: Option<PathBuf>,
    /// Leave out names that are a stop word: en, es or a file
    #[arg(long, value_name = "WORDS")]
    stop: Option<String>,
    /// Leave out names with fewer characters [default: 2]
    #[arg(long, value_name = "N")]
    min_chars: Option<u16>,
    /// Leave out names with fewer tokens [default: 1]
    #[arg(long, value_name = "N")]
    min_tokens: Option<u16>,
    /// The column or key of the names in tables and JSON [default: name, phrase, entity or pattern]
    #[arg(long, value_name = "COLUMN")]
    name_column: Option<String>,
    /// A column or key of other names; may be repeated [default: alias, aliases, lemma]
    #[arg(long, value_name = "COLUMN")]
    alias_column: Vec<String>,
}

/// A switch from its name, which is one of those that serde knows.
fn parsed<T: serde::de::DeserializeOwned>(name: String) -> T {
    serde_json::from_value(Value::String(name)).expect("the names are those of the switch")
}

impl ListArguments {
    /// Reads the lists; those of a file lie beside it, the others in the current folder.
    ///
    /// # Errors
    /// No list, or one that cannot be read.
    pub(super) fn read(&self) -> Result<Vec<ConfiguredList>> {
        let mut lists = Vec::new();
        if let Some(file) = &self.lists {
            let folder = file.parent().unwrap_or(Path::new(""));
            for mut spec in specs_of(file)? {
                spec.matching = spec.matching.or(&self.switches());
                for mut one in spec.read(folder, None)? {
                    one.path = folder.join(&one.path);
                    lists.push(one);
                }
            }
        }
        for written in &self.list {
            // A file's own name may hold an equals sign.
            let (label, path) = match written.split_once('=') {
                Some((label, path)) if !Path::new(written).exists() => (Some(label), path),
                _ => (None, written.as_str()),
            };
            let mut spec = ListSpec { matching: self.switches(), columns: self.columns(), ..ListSpec::default() };
            match label {
                None => spec.path = Some(path.into()),
                Some(label) => {
                    let file = ListFile { path: path.into(), ..ListFile::default() };
                    spec.lists = BTreeMap::from([(label.trim().to_owned(), ListSources(vec![file]))]);
                }
            }
            lists.extend(spec.read(Path::new(""), None)?);
        }
        if lists.is_empty() {
            return Err(Error::task("expected at least one list, found none").hint("--list PERSON=people.txt"));
        }
        Ok(lists)
    }

    fn switches(&self) -> Switches {
        let given = &self.switches;
        Switches {
            case: given.case,
            accents: given.accents,
            hyphens: given.hyphens,
            plural: given.plural,
            lemmas: given.lemmas.clone(),
            parts: given.parts,
            fuzzy: given.fuzzy,
            only_names: given.only_names.clone(),
            except_names: given.except_names.clone(),
            stop: given.stop.clone(),
            min_chars: given.min_chars,
            min_tokens: given.min_tokens,
            ..Switches::default()
        }
    }

    fn columns(&self) -> ListColumns {
        ListColumns {
            name: self.switches.name_column.clone(),
            aliases: self.switches.alias_column.clone(),
            ..ListColumns::default()
        }
    }
}

/// The list entries of a TOML file.
fn specs_of(file: &Path) -> Result<Vec<ListSpec>> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::io("cannot be read", error).in_file(file))?;
    let wrong = |error: String| Error::task(error).in_file(file);
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let entries = match table.get("annotator") {
        Some(toml::Value::Array(entries)) => entries.clone(),
        Some(other) => vec![other.clone()],
        None => Vec::new(),
    };
    let mut specs = Vec::new();
    for mut entry in entries {
        let Some(fields) = entry.as_table_mut() else { continue };
        let is_list = fields.remove("kind").is_some_and(|kind| kind.as_str() == Some("list"));
        if is_list {
            specs.push(ListSpec::deserialize(entry).map_err(|error| wrong(error.to_string()))?);
        }
    }
    if specs.is_empty() {
        return Err(wrong("expected an `[[annotator]]` of the kind `list`, found none".to_owned()));
    }
    Ok(specs)
}

/// What became of the entries, list by list.
pub(super) fn told(lists: &[ConfiguredList], matcher: &EntityMatcher) -> Vec<Value> {
    lists
        .iter()
        .zip(matcher.lists())
        .map(|(one, (name, built))| {
            let left_out: serde_json::Map<String, Value> = LeftOut::ALL
                .into_iter()
                .filter(|reason| built.left_out[*reason as usize].0 > 0)
                .map(|reason| {
                    let (count, first) = &built.left_out[reason as usize];
                    (reason.words().to_owned(), json!({"entries": count, "first": first}))
                })
                .collect();
            json!({
                "list": name,
                "label": one.list.label,
                "entries": one.list.report.entries,
                "other_names": one.list.report.aliases,
                "blank": one.list.report.blank,
                "unreadable": one.list.report.bad,
                "first_unreadable": one.list.report.first_bad,
                "used": built.used,
                "spellings": built.spellings,
                "left_out": left_out,
            })
        })
        .collect()
}
