//! What every report says, whatever the task: what was read, the gold, the target, the cost, the model.

use postil_core::audit::{Bin, Tally};
use postil_core::{Cost, Digest, Measured, Task};

use super::annotate::{Annotated, REJECTED};
use super::ballots::Activity;
use super::gold::Design;
use super::shown;
use crate::project::{Project, Wanted};
use crate::report::{
    ConsensusSummary, CostSummary, GoldSummary, Headline, ItemsSummary, ReliabilityBin, Report, StudentSummary, Target,
    TaskSummary, Trust,
};

/// The version of the report's structure.
const FORMAT: u32 = 2;

/// What every report says.
pub(super) struct Common<'a> {
    pub project: &'a Project,
    pub annotated: &'a Annotated,
    pub snapshot: Digest,
    /// Items about which no annotator said anything.
    pub unanswered: u64,
    pub gold: GoldSummary,
    pub cost: CostSummary,
    pub consensus: ConsensusSummary,
    pub trust: Trust,
    pub headline: Headline,
}

/// Stated confidence against measured accuracy.
pub(super) fn reliability(tally: &Tally, basis: &str) -> Vec<ReliabilityBin> {
    let row = |bin: Bin| ReliabilityBin {
        from: bin.range.0,
        to: bin.range.1,
        count: bin.count,
        confidence: bin.confidence,
        accuracy: bin.accuracy,
    };
    tally.reliability(basis).into_iter().map(row).collect()
}

/// A report of what every task has; what a task adds is empty.
pub(super) fn report(common: Common<'_>) -> Report {
    let Common { project, annotated, snapshot, unanswered, gold, cost, consensus, trust, headline } = common;
    Report {
        format: FORMAT,
        postil: env!("CARGO_PKG_VERSION").to_owned(),
        project: project.name.clone(),
        task: task(&project.task),
        snapshot: snapshot.to_string(),
        seed: project.seed,
        items: items(project, &annotated.report, annotated.items.len(), unanswered),
        target: project.target.map(|target| verdict(target, &headline)),
        headline,
        gold,
        consensus,
        stages: Vec::new(),
        classes: Vec::new(),
        confusion: None,
        reliability: None,
        trust,
        annotators: Vec::new(),
        student: None,
        cost,
        routing: None,
        doubtful: Vec::new(),
        pairs: None,
        fields: Vec::new(),
        canaries: Vec::new(),
        marked: Vec::new(),
        forms: Vec::new(),
        warnings: Vec::new(),
        next: Vec::new(),
    }
}

/// What was asked.
fn task(task: &Task) -> TaskSummary {
    TaskSummary { kind: task.kind.name().to_owned(), labels: task.labels.names().map(ToString::to_string).collect() }
}

/// What was read.
fn items(project: &Project, report: &postil_core::items::IngestReport, count: usize, unanswered: u64) -> ItemsSummary {
    ItemsSummary {
        count: count as u64,
        rejected: report.bad_rows,
        rejected_file: (report.bad_rows > 0).then(|| shown(project, &project.output.join(REJECTED))),
        duplicates: report.repeated_rows,
        equal_content: report.duplicate_contents,
        empty: report.empty_texts,
        unanswered,
    }
}

/// The gold sample.
pub(super) fn gold(design: Design, fitting: usize, measuring: usize, unmatched: u64) -> GoldSummary {
    let total = fitting + measuring;
    let sentence = if total == 0 {
        "no gold labels".to_owned()
    } else {
        let drawn = match design {
            Design::Recorded => "drawn at random with known probability",
            Design::Assumed => "taken as drawn at random: no inclusion probabilities are on record",
        };
        format!("{total} labels {drawn}; {fitting} fit and choose, {measuring} only measure")
    };
    GoldSummary {
        total: total as u64,
        fitting: fitting as u64,
        measuring: measuring as u64,
        design: sentence,
        unmatched,
    }
}

/// The target against what was measured.
fn verdict(target: Wanted, headline: &Headline) -> Target {
    let metric = &headline.metric;
    let asked = format!("{metric} of at least {:.3}", target.at_least);
    let (verdict, sentence) = match &headline.value {
        Measured::Known { low, .. } if *low >= target.at_least => {
            ("met", format!("{asked} is met: the interval begins at {low:.3}"))
        }
        Measured::Known { high, .. } if *high < target.at_least => {
            ("missed", format!("{asked} is missed: the interval ends at {high:.3}"))
        }
        Measured::Known { low, high, .. } => {
            ("not shown", format!("{asked} is neither shown nor refuted: the interval [{low:.3}, {high:.3}] holds it"))
        }
        Measured::Unknown { reason } => ("unknown", format!("{asked}: unknown, {reason}")),
    };
    Target {
        metric: metric.clone(),
        at_least: target.at_least,
        confidence: target.confidence,
        verdict: verdict.to_owned(),
        sentence,
    }
}

/// What has been spent.
pub(super) fn cost(activities: &[Activity], annotations: u64) -> CostSummary {
    let cost = activities.iter().map(|activity| activity.cost).sum::<Cost>();
    let (money, person_minutes) = (cost.money_micros as f64 / 1e6, cost.person_millis as f64 / 60_000.0);
    CostSummary { money, person_minutes, annotations, sentence: spent(cost) }
}

/// What was spent, in the words that fit: money, tokens, people's time.
fn spent(cost: Cost) -> String {
    let tokens = cost.input_tokens + cost.output_tokens;
    let mut parts = Vec::new();
    if cost.money_micros > 0 {
        parts.push(format!("{:.2} spent", cost.money_micros as f64 / 1e6));
    }
    if tokens > 0 {
        parts.push(format!("{tokens} tokens{}", if cost.money_micros > 0 { "" } else { ", unpriced" }));
    }
    if cost.person_millis > 0 {
        parts.push(format!("{:.1} minutes of people's time", cost.person_millis as f64 / 60_000.0));
    }
    if parts.is_empty() { "nothing spent".to_owned() } else { parts.join(", ") }
}

/// The model that was trained.
pub(super) fn student(project: &Project, model: &[u8], settings: String, trained_on: usize) -> StudentSummary {
    StudentSummary {
        file: shown(project, &project.output.join(super::MODEL)),
        bytes: model.len() as u64,
        settings,
        trained_on: trained_on as u64,
    }
}

/// What went wrong while reading items and gold, and what the annotators want their user to know.
pub(super) fn reading(annotated: &Annotated, unmatched: u64, faults: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    let report = &annotated.report;
    if report.bad_rows > 0 {
        let first = report
            .first_bad
            .first()
            .map_or(String::new(), |fault| format!("; the first is line {}: {}", fault.line, fault.reason));
        warnings.push(format!("{} rows could not be read and were put aside{first}", report.bad_rows));
    }
    if report.empty_texts > 0 {
        warnings.push(format!("{} items have an empty text", report.empty_texts));
    }
    if unmatched > 0 {
        warnings.push(format!("{unmatched} gold labels name items that were not read"));
    }
    warnings.extend(faults.iter().cloned());
    warnings.extend(annotated.warnings.iter().cloned());
    warnings
}
