//! `postil aggregate`

mod method;
mod model;
mod pairs;
mod show;
mod soft;
mod write;

use std::path::{Path, PathBuf};

use postil_core::audit::Tally;
use postil_core::consensus::{self, Duplicates, Method, Order};
use postil_core::items::{AnswerTable, read_answers, read_truth};
use postil_core::votes::{Gold, GoldEntry, Repeats, Votes, VotesBuilder};
use postil_core::{Class, Digest, Error};

use self::method::Chosen;
use super::input::{REFUSALS, answer_options, listed, tell};
use super::output::{Voice, count, remark};
use crate::report::Figure;
use crate::score::Score;

/// What counts when an annotator answered an item more than once.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum RepeatsArgument {
    /// Every answer
    All,
    /// The first
    First,
    /// The last
    Last,
}

impl RepeatsArgument {
    pub(super) const fn policy(self) -> Repeats {
        match self {
            Self::All => Repeats::All,
            Self::First => Repeats::First,
            Self::Last => Repeats::Last,
        }
    }
}

/// What can be typed after `postil aggregate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The answers, one row each, with the columns item, annotator and label; `-` for standard input
    answers: PathBuf,
    /// How to fuse them; `auto` chooses and says why. With --probs also crowdlab, crowdlab-strict and model-dawid-skene;
    /// for comparisons bradley-terry, davidson and noisy-bradley-terry
    #[arg(long, value_name = "METHOD", default_value = "auto", value_parser = Chosen::parse)]
    method: Chosen,
    /// Probabilities by a model that has not seen the items: item and a column p_LABEL per label; may be repeated
    #[arg(long, value_name = "FILE")]
    probs: Vec<PathBuf>,
    /// The contestants of each item, to rank them by comparisons: item, left and right; the answers are left, right, tie
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Known labels that may be used to fit and choose: item, label and, if known, inclusion_probability
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// Known labels that only measure; items that are gold too do not count
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// The column of the item [default: item, item_id or id]
    #[arg(long, value_name = "COLUMN")]
    item: Option<String>,
    /// The column of the annotator [default: annotator, annotator_id, worker, worker_id or rater]
    #[arg(long, value_name = "COLUMN")]
    annotator: Option<String>,
    /// The column of the label [default: label or answer]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// All labels [default: those of the answers and the gold, sorted]
    #[arg(long, value_name = "A,B,C")]
    labels: Option<String>,
    /// What counts when an annotator answered an item more than once
    #[arg(long, value_enum, default_value = "all")]
    repeats: RepeatsArgument,
    /// The labels are a scale, in the order of `--labels`: near misses are likelier than far ones
    #[arg(long)]
    ordered: bool,
    /// Let annotators that repeat each other count in full instead of sharing a vote
    #[arg(long)]
    keep_duplicates: bool,
    /// The seed that breaks ties
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the fused labels with a probability per label; `-` is CSV on standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to write what was learnt about the annotators
    #[arg(long, value_name = "FILE")]
    annotators: Option<PathBuf>,
    /// Where to write the shares of the votes themselves, with their entropy: disagreement is kept
    #[arg(long, value_name = "FILE")]
    soft: Option<PathBuf>,
    /// Known label distributions to compare the shares and the posteriors with: item and a column `p_LABEL` per label
    #[arg(long, value_name = "FILE")]
    soft_truth: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    // What cannot be written is refused before the work, not after it.
    let voice = Voice::new(arguments.output.as_deref(), arguments.json)?;
    match chosen(arguments)? {
        Chosen::Pairs(method) => rank(arguments, method),
        Chosen::Model(method) => model::execute(method, arguments, &Material::read(arguments)?, voice),
        Chosen::Consensus(method) => fuse(method, arguments, &Material::read(arguments)?, voice),
    }
}

/// The method that was asked for; with comparisons the automatic one is the default of those.
fn chosen(arguments: &Arguments) -> anyhow::Result<Chosen> {
    match (arguments.method, &arguments.pairs) {
        (Chosen::Consensus(Method::Automatic), Some(_)) => Ok(Chosen::Pairs(postil_core::pairs::Method::default())),
        (Chosen::Consensus(_) | Chosen::Model(_), Some(_)) => anyhow::bail!(
            Error::task("expected a method for comparisons with `--pairs`, found one for answers")
                .hint("use bradley-terry, davidson or noisy-bradley-terry")
        ),
        (method, _) => Ok(method),
    }
}

/// Ranks contestants by comparisons.
fn rank(arguments: &Arguments, method: postil_core::pairs::Method) -> anyhow::Result<()> {
    let given = [
        ("--gold", arguments.gold.is_some()),
        ("--truth", arguments.truth.is_some()),
        ("--soft", arguments.soft.is_some()),
        ("--soft-truth", arguments.soft_truth.is_some()),
        ("--labels", arguments.labels.is_some()),
        ("--probs", !arguments.probs.is_empty()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        anyhow::bail!(Error::task(format!("expected no `{option}` with comparisons, which have no labels to fuse")));
    }
    pairs::execute(&pairs::Wanted {
        comparisons: &arguments.answers,
        pairs: arguments.pairs.as_deref(),
        columns: [arguments.item.as_deref(), arguments.annotator.as_deref(), arguments.label.as_deref()],
        method,
        repeats: arguments.repeats.policy(),
        output: arguments.output.as_deref(),
        annotators: arguments.annotators.as_deref(),
        json: arguments.json,
    })
}

/// What answers are fused from.
struct Material {
    answers: AnswerTable,
    votes: Votes,
    gold: Gold,
}

impl Material {
    fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let labels = arguments.labels.as_deref().map(listed).transpose()?;
        let answers = read(arguments, labels)?;
        tell(&answers.report, REFUSALS);
        let votes = votes(&answers, arguments)?;
        let gold = match &arguments.gold {
            Some(path) => known(path, &answers, "gold")?,
            None => Gold::none(),
        };
        Ok(Self { answers, votes, gold })
    }

    /// Scores labels and posteriors on the truth, without the items that are gold.
    fn score(&self, arguments: &Arguments, labels: &[Class], posterior: &[f32]) -> anyhow::Result<Vec<Figure>> {
        let Some(path) = &arguments.truth else { return Ok(Vec::new()) };
        let classes = self.votes.classes();
        let mut tally = Tally::new(classes);
        for entry in known(path, &self.answers, "truth")?.entries() {
            if self.gold.class(entry.decision).is_none() {
                let decision = entry.decision as usize;
                let row = &posterior[decision * classes..(decision + 1) * classes];
                tally.add(entry.class, labels[decision], Some(row), entry.inclusion.map_or(1.0, |p| 1.0 / p));
            }
        }
        let basis = format!("{} items of {} that were not used as gold", count(tally.count()), path.display());
        Ok(Score::Single(tally, arguments.ordered).figures(&basis))
    }
}

/// Fuses answers and shows what came of it.
fn fuse(method: Method, arguments: &Arguments, material: &Material, voice: Voice) -> anyhow::Result<()> {
    let Material { answers, votes, gold } = material;
    if !arguments.probs.is_empty() {
        anyhow::bail!(
            Error::task(format!("`{}` takes no probabilities of a model", method.name()))
                .hint("use `--method crowdlab` or `--method model-dawid-skene`")
        );
    }
    if method.needs_gold() && gold.is_empty() {
        anyhow::bail!(
            Error::task(format!("`{}` learns from gold alone, and there is none", method.name()))
                .hint("give known labels with `--gold FILE`")
        );
    }
    let settings = consensus::Settings {
        seed: arguments.seed,
        order: order(arguments, answers),
        duplicates: if arguments.keep_duplicates { Duplicates::Keep } else { Duplicates::Discount },
        ..consensus::Settings::default()
    };
    let consensus = consensus::fit(votes, gold, method, &settings)?;
    let figures = material.score(arguments, &consensus.labels, &consensus.posterior)?;
    if let Some(output) = &arguments.output {
        write::labels(output, answers, votes, (&consensus.labels, &consensus.posterior, &consensus.tied))?;
    }
    if let Some(output) = &arguments.annotators {
        write::annotators(output, answers, &consensus)?;
    }
    if let Some(path) = &arguments.soft {
        soft::write_shares(path, answers, votes)?;
    }
    let given = arguments.labels.is_some();
    let distances = arguments.soft_truth.as_deref().map(|path| soft::score(path, answers, votes, &consensus, given));
    show::show(arguments, material, &consensus, &figures, distances.transpose()?.as_ref(), voice)
}

fn read(arguments: &Arguments, labels: Option<Vec<String>>) -> anyhow::Result<AnswerTable> {
    let (item, annotator, label) =
        (arguments.item.as_deref(), arguments.annotator.as_deref(), arguments.label.as_deref());
    let answers = read_answers(&arguments.answers, &answer_options(item, annotator, label, labels))?;
    let Some(gold) = arguments.gold.as_ref().filter(|_| arguments.labels.is_none()) else { return Ok(answers) };
    // A label that only gold knows is a label all the same.
    let truth = read_truth(gold, &answer_options(None, None, None, None))?;
    if truth.labels.iter().all(|label| answers.labels.contains(label)) {
        return Ok(answers);
    }
    let mut all: Vec<String> = answers.labels.iter().chain(&truth.labels).map(ToString::to_string).collect();
    all.sort_unstable();
    all.dedup();
    Ok(read_answers(&arguments.answers, &answer_options(item, annotator, label, Some(all)))?)
}

fn votes(answers: &AnswerTable, arguments: &Arguments) -> anyhow::Result<Votes> {
    if answers.labels.is_empty() {
        anyhow::bail!(
            Error::input("expected at least one answer with a label, found none").in_file(&arguments.answers)
        );
    }
    let keys = answers.items.iter().map(|item| Digest::of(item.as_bytes()).to_u64() ^ arguments.seed).collect();
    let mut builder = VotesBuilder::new(answers.labels.len())
        .with_capacity(answers.label.len())
        .repeats(arguments.repeats.policy())
        .keys(keys);
    for ((&item, &annotator), &label) in answers.item.iter().zip(&answers.annotator).zip(&answers.label) {
        builder.push(item, annotator, label)?;
    }
    Ok(builder.build(answers.items.len(), answers.annotators.len())?)
}

/// Known labels of items that have answers.
fn known(path: &Path, answers: &AnswerTable, what: &str) -> anyhow::Result<Gold> {
    let truth = read_truth(path, &answer_options(None, None, None, None))?;
    let mut entries = Vec::new();
    let (mut absent, mut foreign) = (0, 0);
    for (number, item) in truth.items.iter().enumerate() {
        let label = &truth.labels[usize::from(truth.label[number])];
        let Some(decision) = answers.items.find(item) else {
            absent += 1;
            continue;
        };
        let Some(class) = answers.labels.iter().position(|known| known == label) else {
            foreign += 1;
            continue;
        };
        let inclusion = truth.probability.as_ref().map(|all| f64::from(all[number])).filter(|p| !p.is_nan());
        entries.push(GoldEntry { decision, class: class as u16, inclusion });
    }
    if absent > 0 {
        remark(&format!("note: {} items of the {what} have no answers", count(absent)));
    }
    if foreign > 0 {
        remark(&format!(
            "note: {} labels of the {what} are given by no annotator and cannot be reached",
            count(foreign)
        ));
    }
    Ok(Gold::new(entries)?)
}

/// Labels that are all numbers may be a scale; others are one if somebody says so.
fn order(arguments: &Arguments, answers: &AnswerTable) -> Order {
    if arguments.ordered {
        Order::Given
    } else if answers.labels.iter().all(|label| label.trim().parse::<f64>().is_ok_and(f64::is_finite)) {
        Order::Possible
    } else {
        Order::None
    }
}
