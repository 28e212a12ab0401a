//! Labels against probabilities.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::items::TruthTable;
use postil_core::label_errors::{
    self, Candidate, Checked, Depth, Filter, Hierarchy, LabelErrors, NO_LABEL, Order, Probabilities, Rank, Settings,
    Sums, Yield, depths_for, precision_at,
};
use postil_core::table::{TableOptions, TableReader, TableWriter};
use postil_core::{Class, Error};
use postil_student::text::{Head, Target, TextOptions, Trainer};
use serde_json::{Value, json};

use super::super::input::text_column;
use super::super::output::{count, remark, say_json, table};
use super::super::probabilities::ProbabilityTable;
use super::{Arguments, known};

/// Labels with the probabilities of a model that has not seen them.
struct Material {
    given: TruthTable,
    labels: Vec<String>,
    /// One class per item, none where there is no probability.
    classes: Vec<Class>,
    rows: Rows,
    without: usize,
    source: String,
}

enum Rows {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Material {
    fn probabilities(&self) -> Result<Probabilities<'_>, Error> {
        match &self.rows {
            Rows::Single(rows) => Probabilities::single(rows, self.labels.len()),
            Rows::Double(rows) => Probabilities::double(rows, self.labels.len()),
        }
    }
}

/// How the list is ordered.
enum Listing {
    Quality(Rank),
    Tree(Order),
}

fn listing(arguments: &Arguments) -> anyhow::Result<Listing> {
    let order = [Order::FarFirst, Order::NearFirst, Order::DistanceTimesConfidence];
    match order.into_iter().find(|order| order.name() == arguments.rank) {
        Some(order) if arguments.hierarchy.is_some() => Ok(Listing::Tree(order)),
        Some(order) => anyhow::bail!(
            Error::task(format!("`{}` orders by distance in a tree of labels, and there is none", order.name()))
                .hint("give it with `--hierarchy FILE`")
        ),
        None => Ok(Listing::Quality(Rank::parse(&arguments.rank)?)),
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let listing = listing(arguments)?;
    let sums = if arguments.renormalise { Sums::Renormalise } else { Sums::Exact };
    let settings = Settings {
        filter: Filter::parse(&arguments.filter)?,
        rank: if let Listing::Quality(rank) = listing { rank } else { Rank::SelfConfidence },
        adjusted: arguments.adjust,
        budget: arguments.budget,
        sums,
        counts: None,
    };
    let material = material(arguments)?;
    let hierarchy = arguments.hierarchy.as_deref().map(|path| known::hierarchy(path, &material.labels)).transpose()?;
    let checked = match &arguments.checked {
        Some(path) => known::checked(path, &material.given)?,
        None => Vec::new(),
    };
    let probabilities = material.probabilities()?;
    let mut found = label_errors::find(&material.classes, probabilities, &settings).map_err(|error| {
        if arguments.probs.is_some() {
            error.in_file(arguments.probs.as_deref().unwrap_or(&arguments.labels))
        } else {
            error
        }
    })?;
    let candidates = label_errors::candidates(&material.classes, probabilities, hierarchy.as_ref(), sums)?;
    if let Listing::Tree(order) = listing {
        // The same figures per label, in the order of the tree.
        let budget = arguments.budget.unwrap_or(found.issues.len());
        let all = Settings { budget: Some(material.classes.len()), ..settings.clone() };
        let scored = label_errors::find(&material.classes, probabilities, &all)?.issues;
        let of: std::collections::HashMap<u32, _> = scored.into_iter().map(|issue| (issue.item, issue)).collect();
        let chosen = label_errors::order(&candidates, order, arguments.seed);
        found.issues = chosen.iter().take(budget).filter_map(|one| of.get(&one.item).copied()).collect();
    }
    let depths = precision_at(&found.issues, &checked, &depths_for(found.issues.len()));
    let yields = yields(arguments, &material, &candidates, hierarchy.as_ref(), found.issues.len())?;
    if let Some(output) = &arguments.output {
        write(output, &material, &found, hierarchy.as_ref())?;
    }
    if arguments.json {
        return say_json(&as_json(arguments, &material, &found, &depths, &checked, &yields, hierarchy.as_ref()));
    }
    show(arguments, &material, &found, &depths, &yields)
}

fn material(arguments: &Arguments) -> anyhow::Result<Material> {
    match (&arguments.probs, &arguments.text) {
        (Some(_), Some(_)) => anyhow::bail!(Error::task("expected either `--probs` or `--text`, found both")),
        (None, None) => anyhow::bail!(
            Error::task("expected probabilities to compare the labels with, found none")
                .hint("give `--probs FILE`, or `--text COLUMN` to train a model on the table itself")
        ),
        (Some(path), None) => {
            let given = known::given(arguments)?;
            let labels: Vec<String> = given.labels.iter().map(ToString::to_string).collect();
            let table = ProbabilityTable::read(path, arguments.item.as_deref(), &labels)?;
            if table.bad_rows > 0 {
                remark(&format!("note: {} rows of the probabilities could not be read", count(table.bad_rows)));
            }
            let (rows, missing) = table.of(given.items.iter());
            let mut classes = given.label.clone();
            for item in &missing {
                if let Some(place) = given.items.find(item) {
                    classes[place as usize] = NO_LABEL;
                }
            }
            if missing.len() == classes.len() {
                anyhow::bail!(
                    Error::input(format!(
                        "expected probabilities of the labelled items, found none among {}",
                        table.len()
                    ))
                    .in_file(path)
                    .hint("are the items called alike in both files?")
                );
            }
            let source = format!("probabilities of {}", path.display());
            Ok(Material {
                given,
                labels: table.labels,
                classes,
                rows: Rows::Double(rows),
                without: missing.len(),
                source,
            })
        }
        (None, Some(column)) => trained(arguments, column),
    }
}

/// Trains on the table itself; every item has the probabilities of models that have not seen it.
fn trained(arguments: &Arguments, column: &str) -> anyhow::Result<Material> {
    if arguments.labels.as_os_str() == "-" {
        anyhow::bail!(Error::task("`--text` reads the table twice, which standard input does not allow"));
    }
    let given = known::given(arguments)?;
    let labels: Vec<String> = given.labels.iter().map(ToString::to_string).collect();
    let item = given_item_column(arguments)?;
    let mut texts = vec![String::new(); given.items.len()];
    let mut table = TableReader::open(&arguments.labels, &TableOptions::default())?;
    while let Some(chunk) = table.next_chunk()? {
        let read = |name: &str| text_column(&chunk.batch, name).map_err(|error| error.in_file(&arguments.labels));
        let (items, cells) = (read(&item)?, read(column)?);
        for (item, text) in items.iter().zip(&cells) {
            if let Some(place) = given.items.find(item.unwrap_or("")) {
                text.unwrap_or("").clone_into(&mut texts[place as usize]);
            }
        }
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let targets: Vec<Target> = given.label.iter().map(|&class| Target::Hard(class)).collect();
    let options = TextOptions::new().seed(arguments.seed);
    let fitted = Trainer::new(labels.clone(), Head::Softmax)?.with_options(options).fit(&texts, &targets, None)?;
    let source = format!("a model trained on column `{column}`, each item scored by models that have not seen it");
    let classes = given.label.clone();
    Ok(Material { given, labels, classes, rows: Rows::Single(fitted.out_of_fold), without: 0, source })
}

fn given_item_column(arguments: &Arguments) -> anyhow::Result<String> {
    if let Some(item) = &arguments.item {
        return Ok(item.clone());
    }
    let table = TableReader::open(&arguments.labels, &TableOptions::default())?;
    let names = ["item", "item_id", "id"];
    let found = names.into_iter().find(|name| table.columns().iter().any(|column| column == name));
    Ok(found.unwrap_or("item").to_owned())
}

fn yields(
    arguments: &Arguments,
    material: &Material,
    candidates: &[Candidate],
    hierarchy: Option<&Hierarchy>,
    listed: usize,
) -> anyhow::Result<Vec<Yield>> {
    let Some(path) = &arguments.truth else { return Ok(Vec::new()) };
    let truth = known::truth(path, &material.given, &material.labels)?;
    let orders: Vec<Order> = Order::ALL
        .into_iter()
        .filter(|order| hierarchy.is_some() || matches!(order, Order::Confidence | Order::Random))
        .collect();
    let budget = arguments.budget.unwrap_or(listed);
    Ok(label_errors::yields(&material.classes, &truth, candidates, &orders, budget))
}

fn write(
    path: &std::path::Path,
    material: &Material,
    found: &LabelErrors,
    hierarchy: Option<&Hierarchy>,
) -> anyhow::Result<()> {
    let mut fields = vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("given", DataType::Utf8, false),
        Field::new("suggested", DataType::Utf8, false),
    ];
    let figures = ["score", "confidence", "margin", "error_probability", "error_low", "error_high"];
    fields.extend(figures.map(|name| Field::new(name, DataType::Float64, false)));
    if hierarchy.is_some() {
        fields.push(Field::new("distance", DataType::UInt32, false));
    }
    let schema = Arc::new(Schema::new(fields));
    let issues = &found.issues;
    let name = |class: Class| &material.labels[usize::from(class)];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| material.given.items.get(issue.item)))),
        Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| name(issue.given)))),
        Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| name(issue.suggested)))),
    ];
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    for figure in 0..figures.len() {
        let values = issues.iter().map(|issue| {
            let (low, high) = issue.error_bounds;
            rounded([issue.score, issue.confidence, issue.margin, issue.error_probability, low, high][figure])
        });
        columns.push(Arc::new(Float64Array::from_iter_values(values)));
    }
    if let Some(tree) = hierarchy {
        let distances = issues.iter().map(|issue| tree.distance(issue.given, issue.suggested));
        columns.push(Arc::new(UInt32Array::from_iter_values(distances)));
    }
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}

fn as_json(
    arguments: &Arguments,
    material: &Material,
    found: &LabelErrors,
    depths: &[Depth],
    checked: &[Checked],
    yields: &[Yield],
    hierarchy: Option<&Hierarchy>,
) -> Value {
    let name = |class: Class| material.labels[usize::from(class)].as_str();
    let names = |classes: &[Class]| classes.iter().map(|&class| name(class)).collect::<Vec<_>>();
    json!({
        "items": found.items,
        "without_probabilities": material.without,
        "labels": material.labels,
        "source": material.source,
        "bad_rows": material.given.report.bad_rows,
        "repeated_rows": material.given.repeated_rows,
        "renormalised": found.renormalised,
        "constant_labels": names(&found.constant),
        "absent_labels": names(&found.absent),
        "filter": arguments.filter,
        "rank": arguments.rank,
        "estimated_errors": found.estimated,
        "pairs": found.pairs.iter().map(|pair| json!({
            "given": name(pair.given), "meant": name(pair.meant), "count": pair.count, "share": pair.share,
        })).collect::<Vec<_>>(),
        "joint": found.joint,
        "checked": checked.len(),
        "depths": depths,
        "yields": yields,
        "issues": found.issues.iter().map(|issue| json!({
            "item": material.given.items.get(issue.item),
            "given": name(issue.given),
            "suggested": name(issue.suggested),
            "score": issue.score,
            "confidence": issue.confidence,
            "margin": issue.margin,
            "error_probability": issue.error_probability,
            "error_bounds": issue.error_bounds,
            "distance": hierarchy.map(|tree| tree.distance(issue.given, issue.suggested)),
        })).collect::<Vec<_>>(),
        "output": arguments.output,
    })
}

/// Rows shown on a terminal.
const SHOWN: usize = 10;

fn show(
    arguments: &Arguments,
    material: &Material,
    found: &LabelErrors,
    depths: &[Depth],
    yields: &[Yield],
) -> anyhow::Result<()> {
    let voice = arguments.voice()?;
    let line = |text: &str| voice.say(text);
    let name = |class: Class| material.labels[usize::from(class)].clone();
    if material.without > 0 {
        remark(&format!(
            "note: {} labelled items have no probabilities and were left out",
            count(material.without as u64)
        ));
    }
    if found.renormalised > 0 {
        remark(&format!("note: {} rows of probabilities were scaled to sum to 1", count(found.renormalised as u64)));
    }
    for &class in &found.constant {
        remark(&format!("note: the probability of `{}` is the same for every item", name(class)));
    }
    for &class in &found.absent {
        remark(&format!("note: no item has the label `{}`", name(class)));
    }
    line(&format!("{} labels of {} kinds, by {}", count(found.items as u64), material.labels.len(), material.source))?;
    let estimate = match &found.estimated {
        postil_core::Measured::Known { value, low, high, basis, .. } => {
            format!("{value:.0} [{low:.0}, {high:.0}], 95 %, {basis}")
        }
        unknown @ postil_core::Measured::Unknown { .. } => unknown.to_string(),
    };
    line(&format!("wrong labels: {estimate}"))?;
    let rows: Vec<Vec<String>> = found
        .pairs
        .iter()
        .take(SHOWN)
        .map(|pair| {
            vec![
                format!("{} -> {}", name(pair.given), name(pair.meant)),
                count(pair.count),
                format!("{:.1} %", 100.0 * pair.share),
            ]
        })
        .collect();
    if !rows.is_empty() {
        line(&format!("\n{}", table(&["given -> meant", "labels", "of the given"], &rows)))?;
        line("(the model's calibrated counts)")?;
    }
    let rows: Vec<Vec<String>> = found
        .issues
        .iter()
        .take(SHOWN)
        .map(|issue| {
            vec![
                material.given.items.get(issue.item).to_owned(),
                name(issue.given),
                name(issue.suggested),
                format!("{:.3}", issue.confidence),
                format!("{:.2}", issue.error_probability),
            ]
        })
        .collect();
    if rows.is_empty() {
        line("\nno label is probably wrong")?;
    } else {
        line(&format!("\n{}", table(&["item", "given", "suggested", "P(given)", "P(wrong)"], &rows)))?;
    }
    if found.issues.len() > SHOWN {
        line(&format!("and {} more", count((found.issues.len() - SHOWN) as u64)))?;
    }
    let by_check = depths.iter().any(|depth| depth.checked.is_some());
    let rows: Vec<Vec<String>> = depths
        .iter()
        .map(|depth| {
            let mut row = vec![count(depth.depth as u64), depth.estimated.brief()];
            row.extend(depth.checked.as_ref().map(postil_core::Measured::brief));
            row
        })
        .collect();
    if !rows.is_empty() {
        let header: &[&str] = if by_check {
            &["first", "wrong, by the model", "wrong, by the check"]
        } else {
            &["first", "wrong, by the model"]
        };
        line(&format!("\n{}", table(header, &rows)))?;
        line(if by_check {
            "(95 % intervals; what the check says is the one to trust)"
        } else {
            "(95 % intervals; nobody has checked any: `--checked FILE` with item and is_error gives the true share)"
        })?;
    }
    if !yields.is_empty() {
        let rows: Vec<Vec<String>> = yields
            .iter()
            .map(|one| {
                vec![
                    one.order.name().to_owned(),
                    count(one.reviewed as u64),
                    format!("{:.0}", one.errors),
                    one.precision.brief(),
                    one.found.brief(),
                ]
            })
            .collect();
        line(&format!("\n{}", table(&["order", "looked at", "errors", "share wrong", "of all errors"], &rows)))?;
        line("(95 % intervals, over the labels whose truth is known)")?;
    }
    arguments.voice()?.written(arguments.output.as_deref(), "`-o FILE` writes the list")
}
