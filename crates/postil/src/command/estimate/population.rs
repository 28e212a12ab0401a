//! Population figures from a table or a project.

use std::path::PathBuf;

use postil_core::Error;
use postil_core::estimate::{
    Estimates, Family, Formula, Frame, Lambda, Pair, Sampling, Settings, Table, Values, prediction_powered,
    prediction_powered_quantile, regress, shares,
};

use super::super::output::Voice;
use super::show;
use super::source::Columns;

/// How estimates are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum MethodArgument {
    /// Design-based supervised learning: any known probabilities, predicted covariates too
    Dsl,
    /// Prediction-powered inference, for simple random samples
    Ppi,
    /// The same with a tuned weight for the surrogate
    #[value(name = "ppi++")]
    PpiTuned,
}

/// What is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FamilyArgument {
    /// A least-squares regression
    Linear,
    /// A logistic regression of a binary outcome
    Logistic,
    /// A mean
    Mean,
    /// The share of every class
    Share,
    /// A quantile, by prediction-powered inference
    Quantile,
}

#[derive(Debug, clap::Args)]
#[group(id = "population")]
pub(super) struct Arguments {
    /// The table (`-` for standard input), or a project folder
    pub(super) input: Option<PathBuf>,
    /// The column with the machine's label or number in every row; repeat with --gold for several predicted columns
    #[arg(long, value_name = "COLUMN")]
    surrogate: Vec<String>,
    /// The column with the gold, blank where there is none
    #[arg(long, value_name = "COLUMN")]
    gold: Vec<String>,
    /// The column with the probability with which each gold row was drawn
    #[arg(long, value_name = "COLUMN", conflicts_with = "random_sample")]
    probability: Option<String>,
    /// The gold rows are a simple random sample of all rows
    #[arg(long)]
    pub(super) random_sample: bool,
    /// What explains what, such as `y ~ age + group`; predicted columns go by their gold's name
    #[arg(long, value_name = "FORMULA")]
    formula: Option<String>,
    /// How
    #[arg(long, value_enum, default_value = "dsl")]
    method: MethodArgument,
    /// What [default: linear with a formula, shares or a mean without]
    #[arg(long, value_enum)]
    family: Option<FamilyArgument>,
    /// The class that counts as 1 in a regression [default: the last of two]
    #[arg(long, value_name = "LABEL")]
    positive: Option<String>,
    /// Also for each value of this column, and compared between them
    #[arg(long, value_name = "COLUMN", conflicts_with = "formula")]
    by: Option<String>,
    /// Rows with the same value here depend on each other
    #[arg(long, value_name = "COLUMN")]
    cluster: Option<String>,
    /// For a mean by ppi: gold was drawn at random within each value of this column
    #[arg(long, value_name = "COLUMN")]
    strata: Option<String>,
    /// The quantile
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    quantile: f64,
    /// The weight of the surrogate for ppi, in place of 1
    #[arg(long, value_name = "WEIGHT")]
    lambda: Option<f64>,
    /// Parts for cross-fitting
    #[arg(long, value_name = "K", default_value_t = 5)]
    folds: usize,
    /// Repetitions of cross-fitting, combined by their median
    #[arg(long, value_name = "S", default_value_t = 10)]
    splits: usize,
    /// The level of the intervals
    #[arg(long, value_name = "LEVEL", default_value_t = 0.95)]
    level: f64,
    /// The seed that deals out the parts
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the terms as a table; `-` is CSV on standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn settings(&self) -> Settings {
        Settings {
            family: if self.family == Some(FamilyArgument::Logistic) { Family::Logistic } else { Family::Linear },
            positive: self.positive.clone(),
            folds: self.folds,
            splits: self.splits,
            level: self.level,
            seed: self.seed,
            ..Settings::default()
        }
    }

    /// The column of the clusters.
    pub(super) fn cluster(&self) -> Option<String> {
        self.cluster.clone()
    }

    /// The columns of the right side and of the options.
    pub(super) fn covariates(&self) -> anyhow::Result<Vec<String>> {
        let mut names: Vec<String> = match &self.formula {
            None => Vec::new(),
            Some(text) => {
                let formula = Formula::parse(text)?;
                let covariates = formula.covariates().into_iter().map(str::to_owned);
                covariates.chain([formula.outcome.clone()]).collect()
            }
        };
        names.extend([&self.by, &self.cluster, &self.strata].into_iter().flatten().cloned());
        Ok(names)
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let Some(input) = &arguments.input else {
        anyhow::bail!(
            Error::task("expected a table or a project, found none").hint("`postil estimate --help` shows how")
        );
    };
    let (table, outcome, bad_rows) = if input.is_dir() || input.file_name().is_some_and(|name| name == "postil.toml") {
        if !arguments.surrogate.is_empty() || !arguments.gold.is_empty() || arguments.probability.is_some() {
            anyhow::bail!(
                Error::task("expected no --surrogate, --gold or --probability with a project, found some").hint(
                    "a project knows its labels, its gold and its draw by itself; formulas call the label `label`"
                )
            );
        }
        super::project::table(input, arguments)?
    } else {
        table(input, arguments)?
    };
    let all = estimates(arguments, &table, &outcome)?;
    let voice = Voice::new(arguments.output.as_deref(), arguments.json)?;
    if let Some(output) = &arguments.output {
        show::write(output, &all)?;
    }
    if arguments.json {
        return super::super::output::say_json(&serde_json::json!({ "bad_rows": bad_rows, "estimates": all }));
    }
    show::estimates(&all, voice)
}

/// The table of a file, with its outcome.
fn table(path: &std::path::Path, arguments: &Arguments) -> anyhow::Result<(Table, String, u64)> {
    if arguments.gold.is_empty() || arguments.surrogate.len() != arguments.gold.len() {
        anyhow::bail!(
            Error::task(format!(
                "expected a --surrogate column for every --gold column and at least one of each, found {} and {}",
                arguments.surrogate.len(),
                arguments.gold.len()
            ))
            .hint("--surrogate names the machine's column, --gold the people's, blank where there is none")
        );
    }
    if arguments.probability.is_none() && !arguments.random_sample {
        anyhow::bail!(
            Error::task("expected to know how the gold rows were chosen, found neither --probability nor --random-sample")
                .hint("if they were drawn with equal chances, say --random-sample; if chances differed, name their column with --probability; gold chosen by hand, or by how unsure a model was, makes every interval wrong")
        );
    }
    let mut names = arguments.covariates()?;
    names.extend(arguments.surrogate.iter().chain(&arguments.gold).chain(&arguments.probability).cloned());
    let columns = Columns::read(path, &names)?;
    let sampling = match &arguments.probability {
        Some(name) => Sampling::Known(columns.probabilities(name, path)?),
        None => Sampling::Random,
    };
    let pairs: Vec<Pair> = arguments
        .gold
        .iter()
        .zip(&arguments.surrogate)
        .map(|(gold, surrogate)| Pair { gold: gold.clone(), surrogate: surrogate.clone() })
        .collect();
    let outcome = pairs[0].gold.clone();
    let mut as_classes: Vec<&str> = Vec::new();
    if arguments.family == Some(FamilyArgument::Share) {
        as_classes.extend([pairs[0].gold.as_str(), pairs[0].surrogate.as_str()]);
    }
    as_classes.extend(arguments.by.as_deref());
    let covariates = arguments.covariates()?;
    let hidden: Vec<&str> =
        arguments.probability.as_deref().into_iter().filter(|name| !covariates.iter().any(|one| one == name)).collect();
    let frame = columns.frame(&hidden, &as_classes)?;
    Ok((Table { frame, pairs, sampling, cluster: arguments.cluster.clone() }, outcome, columns.bad))
}

fn estimates(arguments: &Arguments, table: &Table, outcome: &str) -> anyhow::Result<Vec<Estimates>> {
    let settings = arguments.settings();
    let lambda = match (arguments.method, arguments.lambda) {
        (_, Some(lambda)) => Lambda::Fixed(lambda),
        (MethodArgument::PpiTuned, None) => Lambda::default(),
        _ if arguments.family == Some(FamilyArgument::Quantile) => Lambda::default(),
        _ => Lambda::Fixed(1.0),
    };
    if arguments.family == Some(FamilyArgument::Quantile) {
        return Ok(vec![prediction_powered_quantile(table, outcome, arguments.quantile, &settings, lambda)?]);
    }
    let dsl = arguments.method == MethodArgument::Dsl;
    if let Some(text) = &arguments.formula {
        if !matches!(arguments.family, None | Some(FamilyArgument::Linear | FamilyArgument::Logistic)) {
            anyhow::bail!(Error::task("expected --family linear or logistic with a formula, found another"));
        }
        let formula = Formula::parse(text)?;
        return Ok(vec![if dsl {
            regress(table, &formula, &settings)?
        } else {
            prediction_powered(table, &formula, &settings, lambda, None)?
        }]);
    }
    if matches!(arguments.family, Some(FamilyArgument::Linear | FamilyArgument::Logistic)) {
        anyhow::bail!(Error::task("expected --formula with --family linear or logistic, found none"));
    }
    let classes = classes(&table.frame, &table.pairs[0])?;
    if dsl {
        let mut all = vec![shares(table, outcome, &settings)?];
        if let Some(by) = &arguments.by {
            all.extend(groups(table, outcome, by, classes.as_deref(), &settings)?);
        }
        return Ok(all);
    }
    if arguments.by.is_some() {
        anyhow::bail!(Error::task("expected --method dsl with --by, found another"));
    }
    let one = |positive: Option<String>| -> anyhow::Result<Estimates> {
        let settings = Settings { positive: positive.clone().or(settings.positive.clone()), ..settings.clone() };
        let mut found =
            prediction_powered(table, &Formula::mean(outcome), &settings, lambda, arguments.strata.as_deref())?;
        if let Some(name) = positive {
            found.terms[0].name = name;
        }
        Ok(found)
    };
    match classes {
        None => Ok(vec![one(None)?]),
        Some(names) => names.into_iter().map(|name| one(Some(name))).collect(),
    }
}

/// The classes of the outcome, if it has classes.
fn classes(frame: &Frame, pair: &Pair) -> anyhow::Result<Option<Vec<String>>> {
    let (gold, surrogate) = (frame.column(&pair.gold)?, frame.column(&pair.surrogate)?);
    if let (Values::Numbers(_), _) | (_, Values::Numbers(_)) = (gold, surrogate) {
        return Ok(None);
    }
    let mut names = Vec::new();
    for values in [gold, surrogate] {
        if let Values::Classes { levels, .. } = values {
            names.extend(levels.iter().cloned());
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(Some(names))
}

/// For each class, its share in each group, and the differences from the first group.
fn groups(
    table: &Table,
    outcome: &str,
    by: &str,
    classes: Option<&[String]>,
    settings: &Settings,
) -> anyhow::Result<Vec<Estimates>> {
    let quoted = |name: &str| format!("`{name}`");
    let each = Formula::parse(&format!("{} ~ 0 + factor({})", quoted(outcome), quoted(by)))?;
    let against = Formula::parse(&format!("{} ~ factor({})", quoted(outcome), quoted(by)))?;
    let mut all = Vec::new();
    let positives: Vec<Option<String>> = match classes {
        None => vec![None],
        // Of two classes one says it all.
        Some(names) if names.len() == 2 => vec![Some(names[1].clone())],
        Some(names) => names.iter().cloned().map(Some).collect(),
    };
    for positive in positives {
        let what =
            positive.as_ref().map_or_else(|| format!("mean of `{outcome}`"), |name| format!("share of `{name}`"));
        let settings = Settings { positive, ..settings.clone() };
        let mut means = regress(table, &each, &settings)?;
        means.what = format!("{what} by `{by}`");
        let mut differences = regress(table, &against, &settings)?;
        let first = differences.terms.remove(0);
        differences.covariance.remove(0);
        differences.covariance.iter_mut().for_each(|row| {
            row.remove(0);
        });
        differences.power.iter_mut().for_each(|power| {
            power.errors.remove(0);
        });
        drop(first);
        let reference = means.terms.first().map_or("", |term| term.name.as_str());
        differences.what = format!("{what}: difference from {reference}");
        all.push(means);
        if !differences.terms.is_empty() {
            all.push(differences);
        }
    }
    Ok(all)
}
