//! `postil agree`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::agreement::{self, Agreement, Scale};
use postil_core::items::{AnswerTable, read_answers};
use postil_core::table::TableWriter;
use postil_core::votes::{Votes, VotesBuilder};
use postil_core::{Digest, Error, Measured};
use serde_json::json;

use super::aggregate::RepeatsArgument;
use super::input::{REFUSALS, answer_options, listed, tell};
use super::output::{Voice, count, say_json, table};
use super::simulate;

/// What the labels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    /// Names
    Nominal,
    /// Ranks, in the order of `--labels` or of the numbers
    Ordinal,
    /// Numbers whose differences mean something
    Interval,
    /// Numbers from zero upwards whose ratios mean something
    Ratio,
}

/// What can be typed after `postil agree`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The answers, one row each, with the columns item, annotator and label; `-` for standard input
    answers: PathBuf,
    /// The column of the item [default: item, item_id or id]
    #[arg(long, value_name = "COLUMN")]
    item: Option<String>,
    /// The column of the annotator [default: annotator, annotator_id, worker, worker_id or rater]
    #[arg(long, value_name = "COLUMN")]
    annotator: Option<String>,
    /// The column of the label [default: label or answer]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// All labels, in their order [default: those of the answers, by number if all are numbers, else by name]
    #[arg(long, value_name = "A,B,C")]
    labels: Option<String>,
    /// What counts when an annotator answered an item more than once
    #[arg(long, value_enum, default_value = "first")]
    repeats: RepeatsArgument,
    /// What the labels are: names, ranks or numbers
    #[arg(long, value_enum, default_value = "nominal")]
    level: Level,
    /// How often the items are drawn anew for the intervals
    #[arg(long, value_name = "N", default_value_t = 1000)]
    replicates: usize,
    /// Annotators and pairs to list on the terminal
    #[arg(long, value_name = "N", default_value_t = 10)]
    pairs_shown: usize,
    /// The seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the figures of every pair of annotators
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    simulation: simulate::Simulated,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    Voice::new(arguments.output.as_deref(), arguments.json)?;
    let mut answers = read(arguments)?;
    let scale = scale(arguments, &mut answers)?;
    let votes = votes(&answers, arguments)?;
    if arguments.simulation.simulate {
        let ordered = scale != Scale::Nominal;
        return simulate::execute(&arguments.simulation, &answers, &votes, (ordered, arguments.seed, arguments.json));
    }
    let settings = agreement::Settings {
        scale,
        replicates: arguments.replicates,
        seed: arguments.seed,
        // A thousand annotators make half a million pairs; a file can hold more of them than a terminal or an object.
        most_pairs: if arguments.output.is_some() { 100_000 } else { arguments.pairs_shown.max(1000) },
    };
    let found = agreement::measure(&votes, &settings)?;
    if let Some(output) = &arguments.output {
        write_pairs(output, &answers, &found)?;
    }
    if arguments.json { say_json(&as_json(&answers, &found)) } else { show(arguments, &answers, &found) }
}

fn read(arguments: &Arguments) -> anyhow::Result<AnswerTable> {
    let labels = arguments.labels.as_deref().map(listed).transpose()?;
    let (item, annotator, label) =
        (arguments.item.as_deref(), arguments.annotator.as_deref(), arguments.label.as_deref());
    let answers = read_answers(&arguments.answers, &answer_options(item, annotator, label, labels))?;
    tell(&answers.report, REFUSALS);
    if answers.labels.is_empty() || answers.label.is_empty() {
        anyhow::bail!(
            Error::input("expected at least one answer with a label, found none").in_file(&arguments.answers)
        );
    }
    Ok(answers)
}

/// The scale of the labels. Without `--labels`, labels that are all numbers are put into the order of the numbers.
fn scale(arguments: &Arguments, answers: &mut AnswerTable) -> anyhow::Result<Scale> {
    let number = |label: &str| label.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let mut values: Option<Vec<f64>> = answers.labels.iter().map(|label| number(label)).collect();
    if let (Some(values), None) = (&mut values, &arguments.labels) {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&left, &right| values[left].total_cmp(&values[right]));
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new as u16;
        }
        answers.labels = order.iter().map(|&old| answers.labels[old].clone()).collect();
        answers.label.iter_mut().for_each(|label| *label = place[usize::from(*label)]);
        values.sort_unstable_by(f64::total_cmp);
    }
    let numbers = |values: Option<Vec<f64>>| {
        values.ok_or_else(|| {
            let found = answers.labels.iter().find(|label| number(label).is_none()).map_or("", |label| &**label);
            Error::input(format!(
                "expected labels that are numbers for the level `{}`, found `{found}`",
                if arguments.level == Level::Ratio { "ratio" } else { "interval" }
            ))
            .in_file(&arguments.answers)
            .hint("use `--level ordinal --labels LOWEST,...,HIGHEST` for ranks, `--level nominal` for names")
        })
    };
    Ok(match arguments.level {
        Level::Nominal => Scale::Nominal,
        Level::Interval => Scale::Interval(numbers(values)?),
        Level::Ratio => Scale::Ratio(numbers(values)?),
        Level::Ordinal if values.is_none() && arguments.labels.is_none() && answers.labels.len() > 2 => {
            anyhow::bail!(
                Error::task("expected the order of the labels, which are not all numbers")
                    .hint("give it with `--labels LOWEST,...,HIGHEST`")
            );
        }
        Level::Ordinal => Scale::Ordinal,
    })
}

fn votes(answers: &AnswerTable, arguments: &Arguments) -> anyhow::Result<Votes> {
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

fn write_pairs(path: &Path, answers: &AnswerTable, found: &Agreement) -> anyhow::Result<()> {
    type Figure<'a> = (&'a str, Vec<Option<&'a Measured>>);
    let pairs = &found.pairs;
    let mut figures: Vec<Figure<'_>> = vec![
        ("observed", pairs.iter().map(|pair| Some(&pair.observed)).collect()),
        ("kappa", pairs.iter().map(|pair| Some(&pair.kappa)).collect()),
        ("ac1", pairs.iter().map(|pair| Some(&pair.ac1)).collect()),
    ];
    if found.level != "nominal" {
        figures.push(("kappa_linear", pairs.iter().map(|pair| pair.kappa_linear.as_ref()).collect()));
        figures.push(("kappa_quadratic", pairs.iter().map(|pair| pair.kappa_quadratic.as_ref()).collect()));
    }
    let mut fields = vec![
        Field::new("first", DataType::Utf8, false),
        Field::new("second", DataType::Utf8, false),
        Field::new("shared_items", DataType::UInt64, false),
    ];
    let name = |number: u32| answers.annotators.get(number);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(pairs.iter().map(|pair| name(pair.first)))),
        Arc::new(StringArray::from_iter_values(pairs.iter().map(|pair| name(pair.second)))),
        Arc::new(UInt64Array::from_iter_values(pairs.iter().map(|pair| pair.shared))),
    ];
    for (name, figures) in &figures {
        for part in 0..3 {
            fields.push(Field::new(format!("{name}{}", ["", "_low", "_high"][part]), DataType::Float64, true));
            let known = |figure: Option<&Measured>| match figure {
                Some(Measured::Known { value, low, high, .. }) => Some([*value, *low, *high][part]),
                _ => None,
            };
            columns.push(Arc::new(figures.iter().copied().map(known).collect::<Float64Array>()));
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}

fn sentences(answers: &AnswerTable, found: &Agreement) -> Vec<String> {
    let label = |class: u16| answers.labels[usize::from(class)].to_string();
    let annotator = |number: u32| answers.annotators.get(number).to_owned();
    found.cautions.iter().map(|caution| caution.sentence(label, annotator)).collect()
}

fn as_json(answers: &AnswerTable, found: &Agreement) -> serde_json::Value {
    let name = |number: u32| answers.annotators.get(number);
    json!({
        "answers": found.answers,
        "items": found.items,
        "items_compared": found.compared,
        "answers_per_item": found.answers_per_item,
        "annotators": found.annotators,
        "labels": answers.labels,
        "bad_rows": answers.report.bad_rows,
        "blank_answers": answers.report.blank_labels,
        "repeated_answers": found.repeated,
        "put_aside": found.put_aside,
        "label_variants": answers.report.label_variants,
        "level": found.level,
        "replicates": found.replicates,
        "coefficients": found.coefficients,
        "labels_agreement": found.classes.iter().map(|class| json!({
            "label": answers.labels[usize::from(class.class)],
            "answers": class.answers,
            "prevalence": class.prevalence,
            "alpha": class.alpha,
            "specific": class.specific,
        })).collect::<Vec<_>>(),
        "annotator_agreement": found.per_annotator.iter().map(|one| json!({
            "annotator": name(one.annotator),
            "answers": one.answers,
            "compared": one.compared,
            "observed": one.observed,
            "kappa": one.kappa,
            "favourite": answers.labels[usize::from(one.favourite)],
            "favourite_share": one.favourite_share,
        })).collect::<Vec<_>>(),
        "pairs": found.all_pairs,
        "pair_agreement": found.pairs.iter().map(|pair| {
            let mut value = json!(pair);
            value["first"] = json!(name(pair.first));
            value["second"] = json!(name(pair.second));
            value
        }).collect::<Vec<_>>(),
        "cautions": found.cautions,
        "warnings": sentences(answers, found),
        "verdict": found.verdict,
        "meaning": found.meaning(),
    })
}

fn show(arguments: &Arguments, answers: &AnswerTable, found: &Agreement) -> anyhow::Result<()> {
    let voice = Voice::new(arguments.output.as_deref(), arguments.json)?;
    let line = |text: &str| voice.say(text);
    let number = |number: usize| count(number as u64);
    let (least, most) = found.answers_per_item;
    let each = if least == most { format!("{most} each") } else { format!("{least} to {most} each") };
    line(&format!(
        "{} answers of {} annotators about {} items ({each}), {} labels",
        number(found.answers),
        number(found.annotators),
        number(found.items),
        answers.labels.len()
    ))?;
    let basis = match &found.coefficients.alpha {
        Measured::Known { basis, .. } => basis.as_str(),
        Measured::Unknown { .. } => "see each",
    };
    line(&format!("agreement, 95 % intervals from {basis}\n"))?;
    let figures = &found.coefficients;
    let alpha = format!("Krippendorff's alpha, {}", found.level);
    let mut listed: Vec<(&str, &Measured)> = vec![("observed agreement", &figures.observed), (&alpha, &figures.alpha)];
    if found.level != "nominal" {
        listed.push(("Krippendorff's alpha, nominal", &figures.alpha_nominal));
    }
    listed.extend([
        ("Gwet's AC1", &figures.ac1),
        ("Fleiss' kappa", &figures.fleiss_kappa),
        ("Randolph's kappa", &figures.randolph_kappa),
    ]);
    if found.annotators == 2 {
        listed.extend([("Scott's pi", &figures.scott_pi), ("Cohen's kappa", &figures.cohen_kappa)]);
        if found.level != "nominal" {
            listed.push(("Cohen's kappa, linear", &figures.cohen_linear));
            listed.push(("Cohen's kappa, quadratic", &figures.cohen_quadratic));
        }
    }
    for (name, figure) in listed {
        let text = match figure {
            Measured::Known { .. } => figure.brief(),
            Measured::Unknown { .. } => figure.to_string(),
        };
        line(&format!("  {name:<30} {text}"))?;
    }
    show_rest(arguments, answers, found, &line)?;
    for sentence in sentences(answers, found) {
        line(&format!("note: {sentence}"))?;
    }
    line(&format!("\n{}", found.meaning()))?;
    voice.written(arguments.output.as_deref(), "`-o FILE` writes the figures of every pair")
}

/// The tables of labels, annotators and pairs.
fn show_rest(
    arguments: &Arguments,
    answers: &AnswerTable,
    found: &Agreement,
    line: &dyn Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = |number: u32| answers.annotators.get(number);
    let rows: Vec<Vec<String>> = found
        .classes
        .iter()
        .take(50)
        .map(|class| {
            vec![
                answers.labels[usize::from(class.class)].to_string(),
                count(class.answers),
                class.prevalence.value().map_or("unknown".to_owned(), |share| format!("{:.1} %", share * 100.0)),
                class.alpha.brief(),
                class.specific.brief(),
            ]
        })
        .collect();
    line(&format!("\n{}", table(&["label", "answers", "share", "alpha", "others say it too"], &rows)))?;
    if found.classes.len() > 50 {
        line(&format!("and {} more labels; `--json` has all", found.classes.len() - 50))?;
    }
    let mut order: Vec<usize> = (0..found.per_annotator.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(found.per_annotator[place].answers));
    let rows: Vec<Vec<String>> = order
        .iter()
        .take(arguments.pairs_shown)
        .map(|&place| {
            let one = &found.per_annotator[place];
            let favourite = &answers.labels[usize::from(one.favourite)];
            vec![
                name(one.annotator).to_owned(),
                count(one.answers),
                one.observed.brief(),
                one.kappa.brief(),
                format!("{favourite} {:.0} %", one.favourite_share * 100.0),
            ]
        })
        .collect();
    let header = ["annotator", "answers", "agrees with the others", "kappa", "says most"];
    if !rows.is_empty() {
        line(&format!("\n{}", table(&header, &rows)))?;
        if order.len() > rows.len() {
            line(&format!("and {} more annotators; `--json` has all", order.len() - rows.len()))?;
        }
    }
    let ordered = found.level != "nominal";
    let rows: Vec<Vec<String>> = found
        .pairs
        .iter()
        .take(arguments.pairs_shown)
        .map(|pair| {
            let mut row = vec![
                format!("{} / {}", name(pair.first), name(pair.second)),
                count(pair.shared),
                pair.observed.brief(),
                pair.kappa.brief(),
                pair.ac1.brief(),
            ];
            row.extend(pair.kappa_quadratic.as_ref().map(Measured::brief));
            row
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut header = vec!["pair", "items", "observed", "kappa", "AC1"];
    header.extend(ordered.then_some("quadratic kappa"));
    line(&format!("\n{}", table(&header, &rows)))?;
    if found.all_pairs > rows.len() {
        line(&format!("and {} more pairs; `-o FILE` writes them", count((found.all_pairs - rows.len()) as u64)))?;
    }
    Ok(())
}
