//! From what a run over spans found to the report.

use postil_core::audit::spans::{Prf, SpanScores};
use postil_core::audit::{GoldPart, items_for_half_width};
use postil_core::guarantee::{GoldCheck, PromiseSettings, promise};
use postil_core::sequences::{SequenceConsensus, TokenSpan, What};
use postil_core::{Digest, Document, Measured, Status};

use super::super::annotate::Annotated;
use super::super::facts;
use super::super::learn::tagger_settings;
use super::super::measure::LEAST;
use super::super::trust::promise_summary;
use super::claims::Claims;
use super::doubtful::{doubtful, marked};
use super::gold::{Gold, GoldFile, Placed};
use super::label::{Chosen, Labels, Stretch};
use super::learn::Learned;
use super::links::Links;
use super::measure::{Measurements, written};
use crate::project::{Metric, Project};
use crate::report::{
    AnnotatorRow, ClassRow, Confusion, ConsensusSummary, Figure, Headline, Part, Report, Stage, Trust,
};

/// The interval a further gold draw is planned for.
const WANTED_HALF_WIDTH: f64 = 0.05;

/// Everything a run found.
pub(super) struct Findings<'a> {
    pub project: &'a Project,
    pub annotated: &'a Annotated,
    pub gold_file: &'a GoldFile,
    pub gold: &'a Gold,
    /// The gold spans of every gold item, on its tokens.
    pub known: &'a [Vec<TokenSpan>],
    pub documents: &'a [Document],
    pub snapshot: Digest,
    pub claims: &'a Claims,
    pub consensus: &'a SequenceConsensus,
    /// Claims that overlap a longer one of the same annotator.
    pub overlaps: usize,
    pub learned: &'a std::result::Result<Learned, String>,
    pub labels: &'a Labels,
    pub links: &'a Links,
    pub measured: &'a Measurements,
}

impl Findings<'_> {
    fn enough(&self) -> bool {
        self.measured.items as u64 >= LEAST
    }

    /// Why figures that need measuring gold are unknown.
    fn unknown(&self) -> String {
        if self.gold_file.len() == 0 {
            return "there is no gold".to_owned();
        }
        format!("only {} gold items measure, {LEAST} are the least", self.measured.items)
    }

    fn known(&self, measured: &Measured) -> Measured {
        if self.enough() { measured.clone() } else { Measured::unknown(self.unknown()) }
    }

    /// The figures of a stage; the first is the headline's.
    pub(super) fn figures(&self, scores: &SpanScores) -> Vec<Figure> {
        let figure = |name: &str, value: &Measured| Figure { name: name.to_owned(), value: self.known(value) };
        vec![
            figure("F1", &scores.micro.f1),
            figure("precision", &scores.micro.precision),
            figure("recall", &scores.micro.recall),
            figure("macro F1", &scores.macro_f1),
            figure("F1 of borders, whatever the label", &scores.regimes.exact.scores.f1),
            figure("F1, borders that overlap counted half", &scores.regimes.partial.scores.f1),
        ]
    }

    /// The gold that measures, with its spans.
    pub(super) fn measuring(&self) -> impl Iterator<Item = (&Placed, &[TokenSpan])> {
        let items = self.gold.items.iter().zip(self.known).filter(|(item, _)| item.part == GoldPart::Measure);
        items.map(|(item, known)| (item, known.as_slice()))
    }

    /// The written spans of the part of a text that gold is about.
    pub(super) fn given(&self, part: &Placed) -> Vec<TokenSpan> {
        let spans = written(&self.labels.stretches[part.position as usize]).map(|one| one.span);
        spans.filter(|span| part.covers(*span)).collect()
    }
}

/// Fills the report.
pub(super) fn report(findings: &Findings<'_>, model: Option<&[u8]>) -> Report {
    let project = findings.project;
    let headline = headline(findings);
    let annotators = annotators(findings);
    let unanswered = findings.claims.answered.iter().filter(|answered| !**answered).count() as u64;
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
        cost: facts::cost(&findings.claims.activities, findings.claims.annotations),
        consensus: consensus(findings),
        trust: trust(findings),
        headline,
    };
    Report {
        stages: stages(findings),
        classes: classes(findings),
        confusion: findings.enough().then(|| confusion(findings)),
        reliability: findings
            .enough()
            .then(|| facts::reliability(&findings.measured.confidence, &findings.measured.basis)),
        student: findings
            .learned
            .as_ref()
            .ok()
            .zip(model)
            .map(|(learned, model)| facts::student(project, model, tagger_settings(&learned.fitted), learned.texts)),
        doubtful: doubtful(findings),
        marked: marked(findings),
        warnings: warnings(findings),
        next,
        annotators,
        ..facts::report(common)
    }
}

fn gold_wanted(findings: &Findings<'_>) -> u64 {
    let f1 = findings.known(&findings.measured.labels.micro.f1).value().unwrap_or(0.8);
    items_for_half_width(f1, WANTED_HALF_WIDTH)
}

fn headline(findings: &Findings<'_>) -> Headline {
    let figures = findings.figures(&findings.measured.labels);
    let wanted =
        if findings.project.target.map(|target| target.metric) == Some(Metric::MacroF1) { "macro F1" } else { "F1" };
    let figure = figures.iter().find(|figure| figure.name == wanted).unwrap_or(&figures[0]);
    let spans: usize = findings.labels.stretches.iter().map(|stretches| written(stretches).count()).sum();
    let items = findings.documents.len();
    let sentence = match &figure.value {
        Measured::Known { .. } => format!("{spans} spans marked in {items} texts; {} {}", figure.name, figure.value),
        Measured::Unknown { reason } => format!(
            "{spans} spans marked in {items} texts; their quality is unknown: {reason}; about {} gold spans would show it to within {WANTED_HALF_WIDTH}",
            gold_wanted(findings)
        ),
    };
    Headline { metric: figure.name.clone(), value: figure.value.clone(), sentence }
}

fn consensus(findings: &Findings<'_>) -> ConsensusSummary {
    let groups = groups(findings);
    let fused = match findings.labels.chosen {
        Chosen::Consensus => "the written spans are the annotators' consensus",
        Chosen::Student => "the written spans are the student's",
        Chosen::Both => "the written spans are a consensus of annotators and student",
        Chosen::Filled => "the written spans are the annotators' consensus and what the student adds to it",
    };
    ConsensusSummary {
        method: if findings.project.overlapping {
            format!("{}, label by label", findings.consensus.method.name())
        } else {
            findings.consensus.method.name().to_owned()
        },
        reason: findings.consensus.reason.clone(),
        criterion: "F1 of exact spans on the gold that fits".to_owned(),
        candidates: Vec::new(),
        temperature: 1.0,
        decisions: groups.all,
        votes: groups.claims,
        ties: 0,
        unanimous: groups.unanimous,
        unanimous_doubted: groups.doubted.len() as u64,
        unanimous_doubted_items: {
            let mut items = groups.doubted;
            items.dedup();
            items.into_iter().map(|item| findings.documents[item].id.to_string()).collect()
        },
        combination: format!("{fused}: {}", findings.labels.reason),
    }
}

/// Claims that overlap each other, taken together as one decision.
#[derive(Default)]
struct Groups {
    all: u64,
    claims: u64,
    unanimous: u64,
    /// The items of unanimous ones that are not written.
    doubted: Vec<usize>,
}

fn groups(findings: &Findings<'_>) -> Groups {
    let mut groups = Groups::default();
    for (item, said) in findings.claims.said.iter().enumerate() {
        let mut claims: Vec<(u32, u32, Option<u16>, u32)> = said
            .iter()
            .flat_map(|(annotator, claims)| claims.iter().map(move |claim| (claim, *annotator)))
            .filter(|(claim, _)| claim.what != What::Nothing)
            .map(|(claim, annotator)| {
                let class = if let What::Type(class) = claim.what { Some(class) } else { None };
                (claim.start, claim.end, class, annotator)
            })
            .collect();
        claims.sort_unstable();
        groups.claims += claims.len() as u64;
        let mut rest = claims.as_slice();
        while let Some(&(start, first_end, class, annotator)) = rest.first() {
            let mut end = first_end;
            let mut length = 1;
            while length < rest.len() && rest[length].0 < end {
                end = end.max(rest[length].1);
                length += 1;
            }
            let group = &rest[..length];
            rest = &rest[length..];
            groups.all += 1;
            let several = group.iter().any(|claim| claim.3 != annotator);
            let same = group.iter().all(|claim| (claim.0, claim.1, claim.2) == (start, first_end, class));
            if let (true, true, Some(class)) = (several, same, class) {
                groups.unanimous += 1;
                let span = TokenSpan { start, end, class };
                if !written(&findings.labels.stretches[item]).any(|one| one.span == span) {
                    groups.doubted.push(item);
                }
            }
        }
    }
    groups
}

fn stages(findings: &Findings<'_>) -> Vec<Stage> {
    let stage = |name: &str, about: &str, scores: &SpanScores| Stage {
        name: name.to_owned(),
        about: about.to_owned(),
        figures: findings.figures(scores),
    };
    let mut stages = vec![
        stage("labels", "The spans that were written.", &findings.measured.labels),
        stage(
            "consensus",
            "What the annotators claim, fused, before the student is heard.",
            &findings.measured.consensus,
        ),
    ];
    if let Some(student) = &findings.measured.student {
        stages.push(stage("student", "The tagger alone, on items it has not learned from.", student));
    }
    stages
}

fn classes(findings: &Findings<'_>) -> Vec<ClassRow> {
    let task = &findings.project.task;
    let mut spans = vec![0_u64; task.labels.len()];
    for stretch in findings.labels.stretches.iter().flat_map(|stretches| written(stretches)) {
        spans[usize::from(stretch.span.class)] += 1;
    }
    task.labels
        .names()
        .zip(spans)
        .map(|(name, items)| {
            let scores = findings.measured.labels.types.iter().find(|scores| scores.label == *name);
            let figure = |of: fn(&Prf) -> &Measured| match scores {
                Some(scores) => findings.known(of(&scores.scores)),
                None => Measured::unknown(if findings.enough() {
                    "neither gold nor the labels have it".to_owned()
                } else {
                    findings.unknown()
                }),
            };
            ClassRow {
                label: name.to_string(),
                items,
                gold: findings
                    .measuring()
                    .flat_map(|(_, known)| known)
                    .filter(|span| task.labels.name(span.class) == name)
                    .count() as u64,
                precision: figure(|prf| &prf.precision),
                recall: figure(|prf| &prf.recall),
                f1: figure(|prf| &prf.f1),
            }
        })
        .collect()
}

/// What is taken for what: the labels, other borders, and nothing.
fn confusion(findings: &Findings<'_>) -> Confusion {
    let names: Vec<String> = findings.project.task.labels.names().map(ToString::to_string).collect();
    let (borders, nothing) = (names.len(), names.len() + 1);
    let mut counts = vec![vec![0_u64; names.len() + 2]; names.len() + 2];
    for (part, known) in findings.measuring() {
        let given = findings.given(part);
        // What is exactly right is no partner for anything else.
        let mut used: Vec<bool> = given.iter().map(|span| known.contains(span)).collect();
        for truth in known {
            let class = usize::from(truth.class);
            if given.contains(truth) {
                counts[class][class] += 1;
                continue;
            }
            let free =
                |fits: &dyn Fn(&TokenSpan) -> bool| (0..given.len()).find(|&place| !used[place] && fits(&given[place]));
            let same = free(&|span| (span.start, span.end) == (truth.start, truth.end));
            let overlapping = || free(&|span| span.start < truth.end && truth.start < span.end);
            match same.or_else(overlapping) {
                None => counts[class][nothing] += 1,
                Some(place) => {
                    used[place] = true;
                    let found = given[place];
                    let right_borders = (found.start, found.end) == (truth.start, truth.end);
                    let column = if found.class != truth.class {
                        usize::from(found.class)
                    } else if right_borders {
                        class
                    } else {
                        borders
                    };
                    counts[class][column] += 1;
                }
            }
        }
        for (span, used) in given.iter().zip(used) {
            if !used {
                counts[nothing][usize::from(span.class)] += 1;
            }
        }
    }
    let mut labels = names;
    labels.extend(["other borders".to_owned(), "nothing".to_owned()]);
    Confusion { labels, counts }
}

/// The probability that a text is marked exactly right: that every written span is, and that nothing doubted was missed.
fn confidence_of(stretches: &[Stretch]) -> f64 {
    let right = |one: &Stretch| f64::from(if one.written { one.confidence } else { 1.0 - one.confidence });
    stretches.iter().map(right).product()
}

fn trust(findings: &Findings<'_>) -> Trust {
    let promised = || -> std::result::Result<_, String> {
        if !findings.enough() {
            return Err(findings.unknown());
        }
        if findings.gold.has_parts(findings.documents) {
            return Err("gold is of parts of texts, and a promise is about whole ones".to_owned());
        }
        let confidences: Vec<f64> = findings.labels.stretches.iter().map(|one| confidence_of(one)).collect();
        let probability = super::super::trust::inclusion(findings.measuring().map(|(part, _)| part.weight));
        let checks: Vec<GoldCheck> = findings
            .measuring()
            .map(|(part, known)| {
                let mut given = findings.given(part);
                given.sort_unstable();
                let mut known = known.to_vec();
                known.sort_unstable();
                GoldCheck { item: part.position, wrong: given != known, probability: probability(part.weight) }
            })
            .collect();
        let found = promise(&confidences, &checks, &PromiseSettings::default()).map_err(|error| error.to_string())?;
        Ok(promise_summary(found))
    };
    Trust {
        agreement: Part::Unknown(
            "lists and programs are silent about most of a text; how often they agree where they speak stands in the table of annotators"
                .to_owned(),
        ),
        promise: promised().map_or_else(Part::Unknown, Part::Known),
        shares: Part::Unknown("shares are of labels of whole items".to_owned()),
        errors: Part::Unknown("the doubtful stretches of text are listed below".to_owned()),
    }
}

/// What one annotator's claims come to.
#[derive(Clone, Default)]
struct Record {
    claims: u64,
    followed: u64,
    shared: u64,
    contradicted: u64,
    gold: u64,
    right: u64,
}

fn annotators(findings: &Findings<'_>) -> Vec<AnnotatorRow> {
    let mut records = vec![Record::default(); findings.annotated.identities.len()];
    let mut truths: std::collections::HashMap<usize, Vec<(&Placed, &[TokenSpan])>> = std::collections::HashMap::new();
    for (part, known) in findings.measuring() {
        truths.entry(part.position as usize).or_default().push((part, known));
    }
    for (item, said) in findings.claims.said.iter().enumerate() {
        for (annotator, claims) in said {
            let record = &mut records[*annotator as usize];
            for claim in claims {
                let fits = |span: &TokenSpan| {
                    (span.start, span.end) == (claim.start, claim.end)
                        && match &claim.what {
                            What::Type(class) => *class == span.class,
                            What::OneOf(classes) => classes.contains(&span.class),
                            What::Nothing => false,
                        }
                };
                let nothing = claim.what == What::Nothing;
                let apart = |span: TokenSpan| span.end <= claim.start || span.start >= claim.end;
                let written = || written(&findings.labels.stretches[item]).map(|one| one.span);
                record.claims += 1;
                record.followed +=
                    u64::from(if nothing { written().all(apart) } else { written().any(|span| fits(&span)) });
                let others = || {
                    let others = said.iter().filter(|(other, _)| other != annotator);
                    others
                        .flat_map(|(_, claims)| claims)
                        .filter(|other| other.start < claim.end && claim.start < other.end)
                };
                record.shared += u64::from(others().next().is_some());
                record.contradicted += u64::from(others().any(|other| other != claim));
                let place = TokenSpan { start: claim.start, end: claim.end, class: 0 };
                let part = truths.get(&item).and_then(|parts| parts.iter().find(|(part, _)| part.covers(place)));
                if let Some((_, known)) = part {
                    record.gold += 1;
                    record.right +=
                        u64::from(if nothing { known.iter().copied().all(apart) } else { known.iter().any(fits) });
                }
            }
        }
    }
    let task = &findings.project.task;
    let rows = findings.annotated.identities.iter().zip(&findings.claims.activities).zip(records);
    rows.map(|((identity, activity), record)| {
        let share = |part: u64| if record.claims > 0 { part as f64 / record.claims as f64 } else { 0.0 };
        let status = |status: Status| activity.statuses[usize::from(status.code())];
        let mut labels: Vec<(String, u64)> =
            activity.labels.iter().map(|(&class, &count)| (task.labels.name(class).to_string(), count)).collect();
        labels.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        let answered = status(Status::Ok);
        let accuracy = if record.gold == 0 {
            Measured::unknown("it claimed nothing in a measuring gold item")
        } else {
            let right = record.right as f64 / record.gold as f64;
            let basis =
                format!("precision of its {} claims in measuring gold items, taken as independent", record.gold);
            Measured::known(right, postil_core::audit::wilson(right, record.gold as f64), basis)
        };
        AnnotatorRow {
            name: identity.name.to_string(),
            kind: identity.kind.name().to_owned(),
            version: identity.version.short(),
            answered,
            coverage: answered as f64 / findings.documents.len().max(1) as f64,
            abstained: status(Status::Abstained),
            malformed: status(Status::Malformed),
            refused: status(Status::Refused),
            failed: status(Status::Failed),
            agreement: share(record.followed),
            overlap: share(record.shared),
            conflict: share(record.contradicted),
            money: activity.cost.money_micros as f64 / 1e6,
            confidence: None,
            flags: if answered == 0 { vec!["never answered".to_owned()] } else { Vec::new() },
            accuracy,
            labels,
        }
    })
    .collect()
}

fn warnings(findings: &Findings<'_>) -> Vec<String> {
    let mut warnings = facts::reading(findings.annotated, findings.gold.unmatched, &findings.gold_file.faults);
    let name = |column: usize| &findings.annotated.identities[column].name;
    for (column, (snapped, left_out)) in findings.claims.misaligned.iter().enumerate() {
        if snapped + left_out > 0 {
            let first =
                findings.claims.first_misaligned.iter().find(|one| one.0 == column).map_or(String::new(), |one| {
                    format!(
                        "; the first is `{}` in `{}`: {}",
                        one.2.span.quote,
                        findings.documents[one.1 as usize].id,
                        one.2.problem.words()
                    )
                });
            warnings.push(format!(
                "`{}`: {snapped} spans were widened to whole tokens and {left_out} left out{first}",
                name(column)
            ));
        }
    }
    if !findings.gold.misaligned.is_empty() {
        let (item, first) = &findings.gold.misaligned[0];
        warnings.push(format!(
            "{} gold spans do not stand on whole tokens or overlap; the first is `{}` in `{}`: {}",
            findings.gold.misaligned.len(),
            first.span.quote,
            findings.documents[*item as usize].id,
            first.problem.words()
        ));
    }
    let overlaps = findings.overlaps;
    if overlaps > 0 {
        warnings.push(if findings.project.overlapping {
            format!("{overlaps} claims overlap a longer one of the same annotator and label and were not fused")
        } else {
            format!(
                "{overlaps} claims overlap a longer one of the same annotator and were not fused; `task.overlapping = true` keeps spans of different labels that overlap"
            )
        });
    }
    if let Err(reason) = findings.learned
        && findings.project.student
    {
        warnings.push(reason.clone());
    }
    warnings
}

fn next(findings: &Findings<'_>, annotators: &[AnnotatorRow], headline: &Headline) -> Vec<String> {
    let mut next = Vec::new();
    let (have, wanted) =
        (findings.gold.items.iter().map(|item| item.spans.len() as u64).sum::<u64>(), gold_wanted(findings));
    if wanted > have {
        let items = findings.gold.items.len() as u64;
        let more = if have > 0 { ((wanted - have) * items).div_ceil(have) } else { wanted };
        next.push(match headline.value {
            Measured::Known { .. } => {
                format!("`postil draw {more}`: with that many more gold texts the interval narrows to about ±{WANTED_HALF_WIDTH}")
            }
            Measured::Unknown { .. } => format!(
                "`postil draw {more}`, and mark the spans of what it draws in `postil review`: then quality is measured to about ±{WANTED_HALF_WIDTH}"
            ),
        });
    }
    let rows = classes(findings);
    let weakest =
        rows.iter().filter_map(|row| Some((row, row.f1.value()?))).min_by(|left, right| left.1.total_cmp(&right.1));
    if let Some((row, _)) = weakest {
        next.push(format!("look at `{}`, the weakest label: F1 {}", row.label, row.f1.brief()));
    }
    for annotator in annotators {
        let broken = annotator.failed + annotator.malformed;
        if broken > 0 {
            next.push(format!("mend `{}`: {broken} of its answers failed or could not be used", annotator.name));
        }
        if let Measured::Known { value, high, .. } = annotator.accuracy
            && high < 0.5
        {
            next.push(format!(
                "mend or drop `{}`: only {:.0} % of its claims are right",
                annotator.name,
                100.0 * value
            ));
        }
    }
    if findings.claims.activities.iter().any(|activity| !activity.labels.is_empty()) {
        next.push("read the doubtful stretches in the report: a mistake seen there is often an entry to add or a rule to write".to_owned());
    }
    next
}
