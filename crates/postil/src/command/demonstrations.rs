//! `postil demonstrations`

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use postil_annotators::demonstrations::{Demonstration, Demonstrations, Method, Options};
use postil_core::Error;
use postil_core::audit::Tally;
use postil_core::table::{TableOptions, TableReader, WholeFile};
use serde_json::{Value, json};

use super::input::text_column;
use super::output::{Voice, count, remark, say_json};

/// How demonstrations are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum MethodArgument {
    /// Those most like the item
    Nearest,
    /// The same for every item, drawn at random
    Fixed,
    /// The same for every item: one per group of the pool (k-means)
    Diverse,
    /// The same for every item: near to the whole pool (facility location)
    Facility,
    /// The same for every item: vote-k
    VoteK,
}

impl MethodArgument {
    const fn method(self) -> Method {
        match self {
            Self::Nearest => Method::Nearest,
            Self::Fixed => Method::Fixed,
            Self::Diverse => Method::Diverse,
            Self::Facility => Method::Facility,
            Self::VoteK => Method::VoteK,
        }
    }
}

/// What can be typed after `postil demonstrations`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Labelled texts to choose from: CSV, TSV, JSONL or Parquet, plain, .gz or .zst
    pool: PathBuf,
    /// The items that need demonstrations; the pool itself will do, no item is shown itself or a copy of itself
    items: PathBuf,
    /// How many demonstrations per item
    #[arg(long, value_name = "N", default_value_t = 5)]
    k: usize,
    /// How they are chosen
    #[arg(long, value_enum, default_value = "nearest")]
    method: MethodArgument,
    /// Give every label an even share of the places
    #[arg(long)]
    balanced: bool,
    /// The column of the text, in both tables
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    text: String,
    /// The column of the label in the pool
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    label: String,
    /// The column of the true label in the items: scores how well the demonstrations' labels predict it
    #[arg(long, value_name = "COLUMN")]
    truth: Option<String>,
    /// From which share of the shorter text's pieces, found in the longer one, two texts are copies
    #[arg(long, value_name = "SHARE", default_value_t = 0.7)]
    containment: f64,
    /// The seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write a JSON line per item: its text and its demonstrations, the best first [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object about what was done
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    if !(0.0..=2.0).contains(&arguments.containment) {
        anyhow::bail!(Error::task(format!("expected a share from 0 to 2, found {}", arguments.containment)));
    }
    let output = match &arguments.output {
        Some(output) => Some(output.clone()),
        None if arguments.json || arguments.truth.is_some() => None,
        None => Some(PathBuf::from("-")),
    };
    let voice = Voice::new(output.as_deref(), arguments.json)?;
    let (pool_texts, pool_labels) = read(&arguments.pool, &arguments.text, Some(&arguments.label))?;
    let kept: Vec<usize> = (0..pool_texts.len()).filter(|&row| !pool_labels[row].trim().is_empty()).collect();
    if kept.len() < pool_texts.len() {
        remark(&format!("note: {} rows of the pool have no label", count((pool_texts.len() - kept.len()) as u64)));
    }
    let names: BTreeSet<&str> = kept.iter().map(|&row| pool_labels[row].as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    if names.len() > usize::from(u16::MAX) {
        anyhow::bail!(Error::input(format!("expected at most 65535 labels, found {}", names.len())));
    }
    let class: HashMap<&str, u16> = names.iter().enumerate().map(|(at, &name)| (name, at as u16)).collect();
    let texts: Vec<&str> = kept.iter().map(|&row| pool_texts[row].as_str()).collect();
    let labels: Vec<u16> = kept.iter().map(|&row| class[pool_labels[row].as_str()]).collect();
    let options = Options::new(arguments.k)
        .method(arguments.method.method())
        .balanced(arguments.balanced)
        .containment(arguments.containment)
        .seed(arguments.seed);
    let demonstrations =
        Demonstrations::new(&texts, &labels, options).map_err(|error| error.in_file(&arguments.pool))?;

    let (items, truth) = read(&arguments.items, &arguments.text, arguments.truth.as_deref())?;
    let shown = demonstrations.for_items(&items);
    if let Some(output) = &output {
        let mut file = WholeFile::create(output, false)?;
        for (row, (text, shown)) in items.iter().zip(&shown).enumerate() {
            let told: Vec<Value> = shown
                .iter()
                .map(|shown| {
                    let mut told = json!({
                        "row": kept[shown.index] + 1,
                        "text": texts[shown.index],
                        "label": names[usize::from(shown.label)],
                    });
                    if let Some(similarity) = shown.similarity {
                        told["similarity"] = json!((f64::from(similarity) * 1e4).round() / 1e4);
                    }
                    told
                })
                .collect();
            writeln!(file, "{}", json!({"row": row + 1, "text": text, "demonstrations": told}))?;
        }
        file.finish()?;
    }
    let short = shown.iter().filter(|shown| shown.len() < arguments.k).count();
    let score = arguments.truth.as_ref().map(|_| vote(&shown, &truth, &class, names.len()));
    let basis = "items, each labelled by the majority of its demonstrations";
    if arguments.json {
        return say_json(&json!({
            "pool": texts.len(),
            "labels": names,
            "items": items.len(),
            "with_fewer": short,
            "vote_accuracy": score.as_ref().map(|score| score.accuracy(&format!("{} {basis}", score.count()))),
        }));
    }
    if short > 0 {
        remark(&format!("note: {} items got fewer than {} demonstrations", count(short as u64), arguments.k));
    }
    if let Some(score) = &score {
        let figure = score.accuracy(basis);
        voice.say(&format!("accuracy {} (95 %; {} {basis})", figure.brief(), count(score.count())))?;
    }
    if arguments.output.as_deref().is_some_and(|output| output != Path::new("-")) {
        voice.written(arguments.output.as_deref(), "")?;
    }
    Ok(())
}

/// Texts, and another column beside them.
pub(super) fn read(file: &Path, text: &str, other: Option<&str>) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let mut table = TableReader::open(file, &TableOptions::default())?;
    let (mut texts, mut others, mut bad) = (Vec::new(), Vec::new(), 0);
    while let Some(chunk) = table.next_chunk()? {
        bad += chunk.bad.len() as u64;
        let column = text_column(&chunk.batch, text).map_err(|error| error.in_file(file))?;
        texts.extend(column.iter().map(|text| text.unwrap_or("").to_owned()));
        if let Some(other) = other {
            let column = text_column(&chunk.batch, other).map_err(|error| error.in_file(file))?;
            others.extend(column.iter().map(|cell| cell.unwrap_or("").to_owned()));
        }
    }
    if bad > 0 {
        remark(&format!("note: {}: {} rows could not be read and were left out", file.display(), count(bad)));
    }
    Ok((texts, others))
}

/// Scores the majority of each item's demonstrations; of equals the label that comes first among them.
fn vote(shown: &[Vec<Demonstration>], truth: &[String], class: &HashMap<&str, u16>, classes: usize) -> Tally {
    // A label that the pool lacks is a class of its own, which no demonstration has.
    let mut tally = Tally::new(classes + 1);
    for (shown, truth) in shown.iter().zip(truth) {
        if truth.is_empty() {
            continue;
        }
        let mut votes = vec![0usize; classes];
        shown.iter().for_each(|shown| votes[usize::from(shown.label)] += 1);
        let most = votes.iter().copied().max().unwrap_or(0);
        let given = shown.iter().map(|shown| shown.label).find(|&label| votes[usize::from(label)] == most);
        let truth = class.get(truth.as_str()).copied();
        // Without any demonstration nothing is right.
        let given = given.unwrap_or_else(|| if truth == Some(0) { classes as u16 } else { 0 });
        tally.add(truth.unwrap_or(classes as u16), given, None, 1.0);
    }
    tally
}
