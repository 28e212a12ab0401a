//! From what a run found to the report.

use postil_core::audit::{GoldPart, Tally, items_for_half_width};
use postil_core::consensus::{Basis, Warning};
use postil_core::{Class, Digest, Document, Measured, Result, Task, TaskKind};

use super::Watch;
use super::annotate::Annotated;
use super::annotators::annotators;
use super::ballots::Ballots;
use super::combine::{Labels, Source, Weights};
use super::confidence::Confidences;
use super::decisions::Decisions;
use super::doubtful::doubtful;
use super::facts;
use super::fuse::Fused;
use super::gold::{Gold, GoldFile};
use super::learn::Learned;
use super::measure::{LEAST, Measurements};
use super::route::Routed;
use super::tags::show;
use super::trust::trust;
use crate::project::{Metric, Project};
use crate::report::{
    AnnotatorRow, Candidate, ClassRow, Confusion, ConsensusSummary, Figure, Headline, ReliabilityBin, Report, Stage,
};
use crate::score::Score;

/// The interval a further gold draw is planned for.
const WANTED_HALF_WIDTH: f64 = 0.05;

/// Everything a run found.
pub(super) struct Findings<'a> {
    pub project: &'a Project,
    pub annotated: &'a Annotated,
    pub gold_file: &'a GoldFile,
    pub gold: &'a Gold,
    pub decisions: &'a Decisions,
    /// The texts with their tokens, in a task of tags.
    pub documents: &'a [Document],
    /// How tags were read in their sequence, in a sentence.
    pub sequence: Option<&'a str>,
    pub snapshot: Digest,
    pub ballots: &'a Ballots,
    pub confidences: &'a Confidences,
    /// How items were shared out among models and people, if they were.
    pub routed: Option<&'a Routed>,
    pub fused: &'a Fused,
    pub learned: &'a std::result::Result<Learned, String>,
    pub labels: &'a Labels,
    pub measured: &'a Measurements,
}

/// Labels side by side.
pub(super) fn join_labels(task: &Task, classes: &[Class]) -> String {
    classes.iter().map(|&class| task.labels.name(class).as_ref()).collect::<Vec<_>>().join("|")
}

impl Findings<'_> {
    /// The label of an item as it is written: in a multi-label task all that apply, separated by `|`.
    pub(super) fn label_of(&self, item: usize) -> String {
        let task = &self.project.task;
        if task.kind == TaskKind::Multilabel {
            let given = &self.labels.given[self.decisions.of(item)];
            let applying: Vec<Class> = (0..).zip(given).filter(|(_, given)| **given == 1).map(|one| one.0).collect();
            return join_labels(task, &applying);
        }
        task.labels.name(self.labels.given[item]).to_string()
    }

    /// The probability of a decision's label.
    pub(super) fn sure(&self, decision: usize) -> f32 {
        self.labels.of(decision)[usize::from(self.labels.given[decision])]
    }

    /// The probability of an item's label; in a multi-label task that of its least certain decision; in a task of tags
    /// that all of them are right.
    pub(super) fn confidence_of(&self, item: usize) -> f32 {
        let sure = self.decisions.of(item).map(|decision| self.sure(decision));
        if self.is_of_tags() { sure.product() } else { sure.fold(1.0, f32::min) }
    }

    /// Whether every token has a tag.
    pub(super) fn is_of_tags(&self) -> bool {
        self.project.task.kind == TaskKind::Tag
    }

    /// What is labelled, in a word for many of it.
    pub(super) fn unit(&self) -> &'static str {
        if self.is_of_tags() { "tokens" } else { "items" }
    }

    /// How many items there are.
    pub(super) fn items(&self) -> usize {
        self.annotated.items.len()
    }

    /// Why figures that need measuring gold are unknown.
    pub(super) fn unknown(&self) -> String {
        let measuring = self.measured.labels.count();
        if self.gold_file.labels.is_empty() {
            return "there are no gold labels".to_owned();
        }
        format!("only {measuring} gold items measure, {LEAST} are the least")
    }

    /// A figure, or why it is unknown when there is too little gold.
    fn known(&self, measured: Measured) -> Measured {
        if self.measured.enough() { measured } else { Measured::unknown(self.unknown()) }
    }

    fn figures(&self, score: &Score) -> Vec<Figure> {
        let figures = score.figures(&self.measured.basis);
        figures.into_iter().map(|figure| Figure { value: self.known(figure.value), ..figure }).collect()
    }

    /// The share of the items whose labels are right: accuracy, or exact sets in a multi-label task.
    pub(super) fn headline_share(&self) -> Measured {
        self.figures(&self.measured.labels).swap_remove(0).value
    }

    /// How many gold items would narrow the headline's interval as far as is wanted.
    fn gold_wanted(&self) -> u64 {
        let share = self.headline_share();
        if let (true, Measured::Known { low, high, .. }) = (self.is_of_tags(), &share) {
            // Tokens of an item are no independent trials: what has been seen tells how far an item goes.
            let narrower = ((high - low) / 2.0 / WANTED_HALF_WIDTH).powi(2);
            return (self.gold.labels.len() as f64 * narrower).ceil() as u64;
        }
        items_for_half_width(share.value().unwrap_or(0.8), WANTED_HALF_WIDTH)
    }
}

/// What the model's file says about its measured error.
pub(super) fn measured_notes(findings: &Findings<'_>) -> serde_json::Value {
    let figures = findings.measured.student.as_ref().map(|score| findings.figures(score));
    serde_json::json!({
        "source": "postil run",
        "project": findings.project.name,
        "snapshot": findings.snapshot,
        "measured": figures,
    })
}

/// Fills the report.
pub(super) fn report(findings: &Findings<'_>, model: Option<&Vec<u8>>, watch: &dyn Watch) -> Result<Report> {
    let project = findings.project;
    let annotators = annotators(findings);
    let unanswered =
        findings.labels.source.iter().filter(|source| matches!(source, Source::Student | Source::Prior)).count() as u64;
    let headline = headline(findings);
    let next = next(findings, &annotators, &headline);
    let common = facts::Common {
        project,
        annotated: findings.annotated,
        snapshot: findings.snapshot,
        unanswered,
        gold: facts::gold(
            findings.gold.design,
            findings.gold.part(GoldPart::Fit).count(),
            findings.gold.part(GoldPart::Measure).count(),
            findings.gold.unmatched,
        ),
        cost: facts::cost(&findings.ballots.activities, findings.ballots.annotations),
        consensus: consensus(findings),
        trust: trust(findings),
        headline,
    };
    Ok(Report {
        stages: stages(findings),
        classes: classes(findings),
        confusion: confusion(findings),
        reliability: reliability(findings),
        student: findings
            .learned
            .as_ref()
            .ok()
            .zip(model)
            .map(|(learned, model)| facts::student(project, model, learned.student.settings(), learned.trained_on)),
        routing: findings.routed.map(|routed| routed.summary.clone()),
        doubtful: if findings.is_of_tags() { show::doubtful(findings) } else { doubtful(findings, watch)? },
        marked: show::marked(findings),
        forms: show::forms(findings),
        warnings: warnings(findings),
        next,
        annotators,
        ..facts::report(common)
    })
}

fn headline(findings: &Findings<'_>) -> Headline {
    let figures = findings.figures(&findings.measured.labels);
    let wanted = match findings.project.target.map(|target| target.metric) {
        Some(Metric::Accuracy) if findings.project.task.kind == TaskKind::Multilabel => Some("exact sets"),
        Some(Metric::MacroF1) => Some("macro F1"),
        // With one label for each, micro F1 is accuracy.
        Some(Metric::Accuracy | Metric::MicroF1) | None => None,
    };
    let figure = figures.iter().find(|figure| Some(figure.name.as_str()) == wanted).unwrap_or(&figures[0]);
    let count = findings.items();
    let done = if findings.is_of_tags() {
        format!("{} tokens tagged in {count} texts", findings.decisions.len())
    } else {
        format!("{count} items labelled")
    };
    let sentence = match &figure.value {
        Measured::Known { .. } => format!("{done}; {} {}", figure.name, figure.value),
        Measured::Unknown { reason } => format!(
            "{done}; their quality is unknown: {reason}; about {} gold labels would show it to within {WANTED_HALF_WIDTH}",
            findings.gold_wanted()
        ),
    };
    Headline { metric: figure.name.clone(), value: figure.value.clone(), sentence }
}

fn consensus(findings: &Findings<'_>) -> ConsensusSummary {
    let consensus = &findings.fused.consensus;
    let weights = findings.labels.weights;
    let (reason, criterion, candidates) = match &consensus.choice {
        Some(choice) => (choice.reason.clone(), criterion(choice.basis), choice.candidates.as_slice()),
        None => ("the project file names it".to_owned(), "none: nothing was compared".to_owned(), [].as_slice()),
    };
    ConsensusSummary {
        method: consensus.method.name().to_owned(),
        reason,
        criterion,
        candidates: candidates
            .iter()
            .map(|candidate| Candidate {
                method: candidate.method.name().to_owned(),
                score: candidate.loss,
                difference_error: candidate.error,
                share: candidate.weight,
            })
            .collect(),
        temperature: consensus.temperature,
        decisions: findings.fused.answered,
        votes: findings.ballots.votes.len() as u64,
        ties: consensus.tied.len() as u64,
        unanimous: consensus.unanimous as u64,
        unanimous_doubted: findings.labels.kept.len() as u64,
        unanimous_doubted_items: doubted_items(findings),
        combination: findings.sequence.map_or_else(String::new, |sentence| format!("{sentence}; "))
            + &match (findings.learned, weights) {
                (Err(reason), _) => format!("the labels are the consensus; {reason}"),
                (Ok(_), Weights::CONSENSUS) => {
                    "the labels are the consensus, and the student's where no annotator answered".to_owned()
                }
                (Ok(_), Weights { consensus, student }) => format!(
                    "consensus and student are pooled with weights {consensus:.2} and {student:.2}, fitted on the gold that fits; \
                 where no annotator answered, the student decides"
                ),
            },
    }
}

fn doubted_items(findings: &Findings<'_>) -> Vec<String> {
    let kept = findings.labels.kept.iter();
    let mut items: Vec<usize> = kept.map(|&decision| findings.decisions.place(decision as usize).0).collect();
    items.dedup();
    items.into_iter().map(|item| findings.annotated.items.id(item).to_owned()).collect()
}

/// What candidates were compared by, in words.
pub(super) fn criterion(basis: Basis) -> String {
    match basis {
        Basis::Gold(items) => format!("mean log-loss on {items} fitting gold labels, cross-validated"),
        Basis::HiddenAnswers(answers) => {
            format!("mean log-loss on {answers} hidden answers, predicted from the others")
        }
        Basis::Nothing => "nothing to compare by".to_owned(),
    }
}

fn stages(findings: &Findings<'_>) -> Vec<Stage> {
    let stage = |name: &str, about: &str, score: &Score| Stage {
        name: name.to_owned(),
        about: about.to_owned(),
        figures: findings.figures(score),
    };
    let mut stages = vec![
        stage("labels", "The labels that were written: consensus and student together.", &findings.measured.labels),
        stage("consensus", "The annotators' answers fused, before the student is heard.", &findings.measured.consensus),
    ];
    if let Some(student) = &findings.measured.student {
        stages.push(stage("student", "The model alone, on items it has not learned from.", student));
    }
    stages
}

fn classes(findings: &Findings<'_>) -> Vec<ClassRow> {
    let (task, basis) = (&findings.project.task, &findings.measured.basis);
    let mut items = vec![0_u64; task.labels.len()];
    for (decision, &given) in findings.labels.given.iter().enumerate() {
        match task.kind {
            TaskKind::Multilabel => items[findings.decisions.place(decision).1] += u64::from(given),
            _ => items[usize::from(given)] += 1,
        }
    }
    (0..task.labels.len() as Class)
        .map(|class| {
            let name = task.labels.name(class);
            let (gold, [precision, recall, f1]) = findings.measured.labels.of_class(class, name, basis);
            ClassRow {
                label: name.to_string(),
                items: items[usize::from(class)],
                gold,
                precision: findings.known(precision),
                recall: findings.known(recall),
                f1: findings.known(f1),
            }
        })
        .collect()
}

fn confusion(findings: &Findings<'_>) -> Option<Confusion> {
    let tally = tally(findings)?;
    findings.measured.enough().then(|| Confusion {
        labels: findings.project.task.labels.names().map(ToString::to_string).collect(),
        counts: tally.confusion(),
    })
}

/// The counts of a task in which every decision is a single label.
fn tally<'f>(findings: &Findings<'f>) -> Option<&'f Tally> {
    match &findings.measured.labels {
        Score::Single(tally, _) => Some(tally),
        Score::Tokens(tokens) => Some(&tokens.tally),
        Score::Sets(_) => None,
    }
}

fn reliability(findings: &Findings<'_>) -> Option<Vec<ReliabilityBin>> {
    let tally = tally(findings)?;
    findings.measured.enough().then(|| facts::reliability(tally, &findings.measured.basis))
}

fn warnings(findings: &Findings<'_>) -> Vec<String> {
    let mut warnings = facts::reading(findings.annotated, findings.gold.unmatched, &findings.gold_file.faults);
    if findings.ballots.misplaced > 0 {
        warnings.push(format!("{} answers about tokens name none and were left out", findings.ballots.misplaced));
    }
    warnings.extend(findings.fused.consensus.warnings.iter().map(|warning| in_words(findings, warning)));
    if let Err(reason) = findings.learned
        && findings.project.student
        && findings.project.task.kind != TaskKind::Pairs
    {
        warnings.push(reason.clone());
    }
    warnings
}

/// A warning with the names of annotators and labels in place of their numbers.
fn in_words(findings: &Findings<'_>, warning: &Warning) -> String {
    let label = |class: &Class| {
        if findings.project.task.kind == TaskKind::Multilabel {
            ["no", "yes"][usize::from(*class).min(1)].to_owned()
        } else {
            findings.project.task.labels.name(*class).to_string()
        }
    };
    match warning {
        Warning::NearConstant { annotator, class, share } => format!(
            "`{}` says `{}` in {:.0} % of its answers, whatever the truth",
            findings.annotated.identities[*annotator as usize].name,
            label(class),
            100.0 * share
        ),
        Warning::Collapsed { class, votes, posterior } => format!(
            "`{}` has {:.1} % of the votes and only {:.1} % of the consensus",
            label(class),
            100.0 * votes,
            100.0 * posterior
        ),
        Warning::NearDuplicates { pairs } => {
            let name = |annotator: u32| &findings.annotated.identities[annotator as usize].name;
            let named: Vec<String> = pairs
                .iter()
                .take(3)
                .map(|pair| format!("`{}` and `{}`", name(pair.annotators.0), name(pair.annotators.1)))
                .collect();
            let more = if pairs.len() > 3 { format!(" and {} more pairs", pairs.len() - 3) } else { String::new() };
            format!("annotators that repeat each other: {}{more}; they share a vote", named.join(", "))
        }
        other => other.to_string(),
    }
}

fn next(findings: &Findings<'_>, annotators: &[AnnotatorRow], headline: &Headline) -> Vec<String> {
    let mut next = Vec::new();
    let have = findings.gold.labels.len() as u64;
    let wanted = findings.gold_wanted();
    if wanted > have {
        let more = wanted - have;
        next.push(match headline.value {
            Measured::Known { .. } => {
                format!("`postil draw {more}`: with that many more gold labels the interval narrows to about ±{WANTED_HALF_WIDTH}")
            }
            Measured::Unknown { .. } => {
                format!("`postil draw {more}`, and label what it draws in `postil review`: then quality is measured to about ±{WANTED_HALF_WIDTH}")
            }
        });
    }
    let mut weak: Vec<(&ClassRow, f64)> = Vec::new();
    let rows = classes(findings);
    for row in &rows {
        if let Some(f1) = row.f1.value() {
            weak.push((row, f1));
        }
    }
    weak.sort_by(|left, right| left.1.total_cmp(&right.1));
    if let Some((row, _)) = weak.first() {
        next.push(format!("look at `{}`, the weakest label: F1 {}", row.label, row.f1.brief()));
    }
    let unanswered = findings.fused.support.iter().filter(|&&votes| votes == 0).count();
    let (unanswered, all) = if findings.is_of_tags() {
        (unanswered, findings.decisions.len())
    } else {
        let without =
            findings.labels.source.iter().filter(|source| matches!(source, Source::Student | Source::Prior)).count();
        (without, findings.items())
    };
    if unanswered * 10 > all {
        let share = 100.0 * unanswered as f64 / all as f64;
        let unit = findings.unit();
        next.push(format!("no annotator answers {unanswered} {unit} ({share:.0} %): a list or program for what they have in common would help most"));
    }
    for annotator in annotators {
        let broken = annotator.failed + annotator.malformed;
        if broken > 0 {
            next.push(format!("mend `{}`: {broken} of its answers failed or could not be used", annotator.name));
        }
        if let (Some(accuracy), true) = (annotator.accuracy.value(), annotator.answered >= 20)
            && accuracy < 0.5
        {
            next.push(format!("mend or drop `{}`: accuracy {}", annotator.name, annotator.accuracy.brief()));
        }
    }
    if !findings.labels.given.is_empty() {
        next.push(format!(
            "read the doubtful {} in the report: a mistake seen there is often a rule to write",
            findings.unit()
        ));
    }
    next
}
