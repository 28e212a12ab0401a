//! What the labels of a run can be trusted with.

use postil_core::agreement::{self, Caution, Scale};
use postil_core::audit::{GoldPart, MEASURE_SHARE};
use postil_core::estimate::{self, Estimates, Frame, Pair, Sampling, Table, Values};
use postil_core::guarantee::{GoldCheck, Promise, PromiseSettings, promise};
use postil_core::label_errors::{self, Checked, Issue, Probabilities, depths_for, find, find_sets, precision_at};
use postil_core::{Class, Measured, Result, TaskKind};

use super::measure::LEAST;
use super::summary::Findings;
use super::tags::show;
use crate::report::{
    AgreementSummary, ConfusedRow, DepthRow, ErrorSummary, Figure, PairRow, Part, PromiseSummary, RiskRow, ShareRow,
    ShareSummary, SuspectRow, Trust,
};

/// Pairs of annotators, confused labels and suspects that a report lists.
const PAIRS: usize = 10;
const CONFUSED: usize = 10;
const SUSPECTS: usize = 30;
/// More items than this are not resampled to correct the shares: intervals no longer shrink with them.
const MOST_ROWS: usize = 200_000;
const MOST_TOKENS: usize = 50_000;

/// Looks at the labels from all sides.
pub(super) fn trust(findings: &Findings<'_>) -> Trust {
    let or_reason = |error: postil_core::Error| error.to_string();
    Trust {
        agreement: part(agreement(findings).map_err(or_reason)),
        promise: part(enough(findings).and_then(|()| promised(findings).map_err(or_reason))),
        shares: part(enough(findings).and_then(|()| shares(findings))),
        errors: part(errors(findings)),
    }
}

fn part<T>(result: std::result::Result<T, String>) -> Part<T> {
    result.map_or_else(Part::Unknown, Part::Known)
}

fn enough(findings: &Findings<'_>) -> std::result::Result<(), String> {
    if findings.measured.enough() { Ok(()) } else { Err(findings.unknown()) }
}

/// The name of a class of one decision.
fn name_of(findings: &Findings<'_>, class: Class) -> String {
    if findings.project.task.kind == TaskKind::Multilabel {
        ["no", "yes"][usize::from(class).min(1)].to_owned()
    } else {
        findings.project.task.labels.name(class).to_string()
    }
}

fn agreement(findings: &Findings<'_>) -> Result<AgreementSummary> {
    let scale = if findings.project.task.kind == TaskKind::Ordinal { Scale::Ordinal } else { Scale::Nominal };
    // An answer that names several classes agrees with none of them in full; it is left out.
    let settings = agreement::Settings { scale, seed: findings.project.seed, ..agreement::Settings::default() };
    let found = agreement::measure(&findings.ballots.votes.retain(|_, vote| vote.weight == 1.0), &settings)?;
    let class = |class: Class| name_of(findings, class);
    let annotator = |annotator: u32| findings.annotated.identities[annotator as usize].name.to_string();
    let all = &found.coefficients;
    let figure = |name: &str, value: &Measured| Figure { name: name.to_owned(), value: value.clone() };
    let mut pairs: Vec<_> = found.pairs.iter().filter(|pair| pair.shared >= LEAST).collect();
    let kappa = |figure: &Measured| figure.value().unwrap_or(f64::INFINITY);
    pairs.sort_by(|left, right| kappa(&left.kappa).total_cmp(&kappa(&right.kappa)));
    Ok(AgreementSummary {
        compared: found.compared as u64,
        figures: vec![
            figure("observed agreement", &all.observed),
            figure("Krippendorff's alpha", &all.alpha),
            figure("Gwet's AC1", &all.ac1),
        ],
        labels: found.classes.iter().map(|one| Figure { name: class(one.class), value: one.alpha.clone() }).collect(),
        pairs: pairs
            .into_iter()
            .take(PAIRS)
            .map(|pair| PairRow {
                first: annotator(pair.first),
                second: annotator(pair.second),
                shared: pair.shared,
                observed: pair.observed.clone(),
                kappa: pair.kappa.clone(),
            })
            .collect(),
        // Programs and lists name few labels by design; the table of annotators shows it.
        cautions: found
            .cautions
            .iter()
            .filter(|caution| !matches!(caution, Caution::NearlyConstant { .. }))
            .map(|caution| caution.sentence(class, annotator))
            .collect(),
        meaning: found.meaning(),
    })
}

/// The inclusion probability of a measuring gold item by its weight, where the design has several.
pub(super) fn inclusion<W: Iterator<Item = f64>>(mut weights: W) -> impl Fn(f64) -> Option<f64> + use<W> {
    let first = weights.next().unwrap_or(1.0);
    let even = weights.all(|weight| (weight - first).abs() <= 1e-9 * first);
    move |weight| (!even).then(|| (MEASURE_SHARE / weight).min(1.0))
}

fn promised(findings: &Findings<'_>) -> Result<PromiseSummary> {
    let confidences: Vec<f64> = (0..findings.items()).map(|item| f64::from(findings.confidence_of(item))).collect();
    let probability = inclusion(findings.gold.part(GoldPart::Measure).map(|gold| gold.weight));
    let checks: Vec<GoldCheck> = findings
        .gold
        .part(GoldPart::Measure)
        .map(|gold| {
            let wrong =
                gold.truths(findings.decisions).any(|(decision, truth)| findings.labels.given[decision] != truth);
            GoldCheck { item: gold.position, wrong, probability: probability(gold.weight) }
        })
        .collect();
    Ok(promise_summary(promise(&confidences, &checks, &PromiseSettings::default())?))
}

/// A promise as the report shows it.
pub(super) fn promise_summary(found: Promise) -> PromiseSummary {
    PromiseSummary {
        risk: found.risk,
        confidence: found.confidence,
        threshold: found.threshold,
        accepted: found.accepted as u64,
        share: found.share,
        error: found.error,
        sentence: found.sentence,
        basis: found.basis,
        curve: found
            .curve
            .iter()
            .map(|point| RiskRow {
                threshold: point.threshold,
                share: point.share,
                risk: point.risk,
                upper: point.upper,
                promised: point.promised,
            })
            .collect(),
    }
}

/// The share of each label, corrected by the measuring gold.
fn shares(findings: &Findings<'_>) -> std::result::Result<ShareSummary, String> {
    if findings.is_of_tags() {
        return shares_of_tags(findings);
    }
    if findings.items() > MOST_ROWS {
        return Err(format!(
            "with more than {MOST_ROWS} items the shares are not corrected here; `postil estimate` does it on the written labels"
        ));
    }
    let task = &findings.project.task;
    let per_item = if task.kind == TaskKind::Multilabel { task.labels.len() } else { 1 };
    let mut rows: Vec<ShareRow> = Vec::new();
    let (mut sentence, mut power) = (String::new(), Vec::new());
    // In a multi-label task each label is a question of its own.
    for label in 0..per_item {
        let estimates = estimate_shares(findings, label).map_err(|error| error.to_string())?;
        let names: Vec<String> =
            if per_item == 1 { task.labels.names().map(ToString::to_string).collect() } else { vec![YES.to_owned()] };
        for name in names {
            let shown = if per_item == 1 { name.clone() } else { task.labels.name(label as Class).to_string() };
            rows.push(share_row(&estimates, &name, shown));
        }
        if label == 0 {
            (sentence, power) = share_words(&estimates);
        }
    }
    Ok(ShareSummary { sentence, rows, power })
}

fn share_row(estimates: &Estimates, name: &str, label: String) -> ShareRow {
    let term = estimates.terms.iter().find(|term| term.name == name);
    let missing = || Measured::unknown("neither the gold nor the labels have it");
    ShareRow {
        label,
        estimate: term.map_or_else(missing, |term| term.estimate.clone()),
        naive: term.map_or_else(missing, |term| term.naive.clone()),
        gold_only: term.map_or_else(missing, |term| term.gold_only.clone()),
    }
}

/// What estimates say in a sentence, and how far more gold would narrow them.
fn share_words(estimates: &Estimates) -> (String, Vec<(u64, f64)>) {
    let widest = |errors: &[Option<f64>]| errors.iter().flatten().copied().fold(0.0, f64::max);
    let power = estimates.power.iter().map(|one| (one.labelled as u64, 1.96 * widest(&one.errors))).collect();
    (estimates.sentence.replace("the surrogate", "the written labels"), power)
}

/// The share of each tag among all tokens; tokens of an item depend on each other.
fn shares_of_tags(findings: &Findings<'_>) -> std::result::Result<ShareSummary, String> {
    if findings.decisions.len() > MOST_TOKENS {
        return Err(format!("with more than {MOST_TOKENS} tokens the shares are not corrected here"));
    }
    let task = &findings.project.task;
    let mut gold = vec![""; findings.decisions.len()];
    let mut probabilities = vec![f64::NAN; findings.decisions.len()];
    let probability = inclusion(findings.gold.part(GoldPart::Measure).map(|gold| gold.weight));
    for one in findings.gold.part(GoldPart::Measure) {
        for (decision, class) in one.truths(findings.decisions) {
            gold[decision] = task.labels.name(class);
            probabilities[decision] = probability(one.weight).unwrap_or(f64::NAN);
        }
    }
    let items = (0..findings.items()).flat_map(|item| {
        let tokens = findings.decisions.of(item).len();
        std::iter::repeat_n(findings.annotated.items.id(item), tokens)
    });
    let estimated = || -> Result<Estimates> {
        let mut frame = Frame::default();
        frame.push("gold", Values::classes(gold.iter().copied()))?;
        frame.push("label", Values::classes(findings.labels.given.iter().map(|&class| &**task.labels.name(class))))?;
        frame.push("item", Values::classes(items))?;
        let even = probabilities.iter().all(|probability| probability.is_nan());
        let table = Table {
            frame,
            pairs: vec![Pair { gold: "gold".to_owned(), surrogate: "label".to_owned() }],
            sampling: if even { Sampling::Random } else { Sampling::Known(probabilities.clone()) },
            cluster: Some("item".to_owned()),
        };
        let settings = estimate::Settings { seed: findings.project.seed, ..estimate::Settings::default() };
        estimate::shares(&table, "gold", &settings)
    };
    let estimates = estimated().map_err(|error| error.to_string())?;
    let rows = task.labels.names().map(|name| share_row(&estimates, name, name.to_string())).collect();
    let (sentence, power) = share_words(&estimates);
    Ok(ShareSummary { sentence, rows, power })
}

/// What a label that applies and one that does not are called in a multi-label task.
const YES: &str = "yes";
const NO: &str = "no";

fn estimate_shares(findings: &Findings<'_>, label: usize) -> Result<Estimates> {
    let (task, labels) = (&findings.project.task, &findings.labels);
    let multilabel = task.kind == TaskKind::Multilabel;
    let name = |class: Class| -> &str {
        if multilabel { [NO, YES][usize::from(class).min(1)] } else { task.labels.name(class) }
    };
    let mut gold = vec![""; findings.items()];
    let mut probabilities = vec![f64::NAN; findings.items()];
    let probability = inclusion(findings.gold.part(GoldPart::Measure).map(|gold| gold.weight));
    for one in findings.gold.part(GoldPart::Measure) {
        let place = one.position as usize;
        gold[place] = one.truth.get(label).and_then(|truth| *truth).map_or("", name);
        probabilities[place] = probability(one.weight).unwrap_or(f64::NAN);
    }
    let written = (0..findings.items()).map(|item| name(labels.given[findings.decisions.of(item).start + label]));
    let mut frame = Frame::default();
    frame.push("gold", Values::classes(gold.into_iter()))?;
    frame.push("label", Values::classes(written))?;
    let even = probabilities.iter().all(|probability| probability.is_nan());
    let table = Table {
        frame,
        pairs: vec![Pair { gold: "gold".to_owned(), surrogate: "label".to_owned() }],
        sampling: if even { Sampling::Random } else { Sampling::Known(probabilities) },
        cluster: None,
    };
    let settings = estimate::Settings { seed: findings.project.seed, ..estimate::Settings::default() };
    estimate::shares(&table, "gold", &settings)
}

fn errors(findings: &Findings<'_>) -> std::result::Result<ErrorSummary, String> {
    let learned = findings.learned.as_ref().map_err(Clone::clone)?;
    let (task, labels) = (&findings.project.task, &findings.labels);
    let settings =
        label_errors::Settings { sums: label_errors::Sums::Renormalise, ..label_errors::Settings::default() };
    let id = |item: u32| findings.annotated.items.id(item as usize).to_owned();
    if task.kind == TaskKind::Multilabel {
        let given: Vec<bool> = labels.given.iter().map(|&class| class == 1).collect();
        let found = find_sets(&given, &learned.probabilities, task.labels.len(), &settings)
            .map_err(|error| error.to_string())?;
        let suspects = found.issues.iter().take(SUSPECTS).map(|issue| {
            let label = task.labels.name(issue.label);
            let (given, suggested) = if issue.given { ("with", "without") } else { ("without", "with") };
            SuspectRow {
                id: id(issue.item),
                given: format!("{given} {label}"),
                suggested: format!("{suggested} {label}"),
                probability: issue.error_probability,
            }
        });
        return Ok(ErrorSummary {
            wrong: wrong(findings),
            disputed: together(&found.estimated),
            confused: Vec::new(),
            depths: Vec::new(),
            suspects: suspects.collect(),
        });
    }
    let classes = task.labels.len();
    let probabilities = Probabilities::single(&learned.probabilities, classes).map_err(|error| error.to_string())?;
    let found = find(&labels.given, probabilities, &settings).map_err(|error| error.to_string())?;
    let name = |class: Class| task.labels.name(class).to_string();
    let id = |decision: u32| {
        if findings.is_of_tags() { show::token_in_words(findings, decision as usize) } else { id(decision) }
    };
    Ok(ErrorSummary {
        wrong: wrong(findings),
        disputed: found.estimated,
        confused: found
            .pairs
            .iter()
            .take(CONFUSED)
            .map(|pair| ConfusedRow {
                given: name(pair.given),
                meant: name(pair.meant),
                count: pair.count,
                share: pair.share,
            })
            .collect(),
        depths: depths(findings, &found.issues),
        suspects: by_probability(&found.issues)
            .map(|issue| SuspectRow {
                id: id(issue.item),
                given: name(issue.given),
                suggested: name(issue.suggested),
                probability: issue.error_probability,
            })
            .collect(),
    })
}

/// The top of the list, the likeliest to be wrong first.
fn by_probability(issues: &[Issue]) -> impl Iterator<Item = Issue> {
    let mut top: Vec<Issue> = issues.iter().take(SUSPECTS).copied().collect();
    top.sort_by(|left, right| right.error_probability.total_cmp(&left.error_probability));
    top.into_iter()
}

/// The number of items with a wrong label, by the measuring gold.
fn wrong(findings: &Findings<'_>) -> Measured {
    let items = if findings.is_of_tags() { findings.decisions.len() } else { findings.items() } as f64;
    match findings.headline_share() {
        Measured::Known { value, low, high, level, basis } => Measured::Known {
            value: items * (1.0 - value),
            low: items * (1.0 - high),
            high: items * (1.0 - low),
            level,
            basis,
        },
        unknown @ Measured::Unknown { .. } => unknown,
    }
}

/// Gold on the list from which its precision is taken from gold rather than from the model's own doubt.
const ENOUGH_CHECKED: usize = 10;

/// What reading the list from the top would find. Measuring gold is a random sample of the items, so also of each
/// stretch of the list.
fn depths(findings: &Findings<'_>, issues: &[Issue]) -> Vec<DepthRow> {
    let mut listed: Vec<u32> = issues.iter().map(|issue| issue.item).collect();
    listed.sort_unstable();
    let checked: Vec<Checked> = findings
        .gold
        .part(GoldPart::Measure)
        .flat_map(|gold| gold.truths(findings.decisions))
        .filter(|(decision, _)| listed.binary_search(&(*decision as u32)).is_ok())
        .map(|(decision, truth)| Checked { item: decision as u32, wrong: findings.labels.given[decision] != truth })
        .collect();
    let checked = if checked.len() >= ENOUGH_CHECKED { checked.as_slice() } else { &[] };
    precision_at(issues, checked, &depths_for(issues.len()))
        .into_iter()
        .map(|depth| DepthRow { depth: depth.depth as u64, precision: depth.checked.unwrap_or(depth.estimated) })
        .collect()
}

/// The numbers of several labels together; their intervals are added end to end, which is wide but safe.
fn together(parts: &[Measured]) -> Measured {
    let (mut value, mut low, mut high) = (0.0, 0.0, 0.0);
    for part in parts {
        if let Measured::Known { value: v, low: l, high: h, .. } = part {
            value += v;
            low += l;
            high += h;
        }
    }
    match parts.iter().find(|part| matches!(part, Measured::Known { .. })) {
        Some(Measured::Known { basis, .. }) => {
            Measured::known(value, (low, high), format!("{basis}, added up over the labels"))
        }
        _ => Measured::unknown("no label could be looked at"),
    }
}
