//! From what a run over records found to the report.

use postil_core::audit::{GoldPart, items_for_half_width};
use postil_core::{Measured, Result, Status};

use super::super::{Watch, facts};
use super::Findings;
use super::gold::GoldFile;
use super::measure::{Measurements, measure, too_few};
use super::trust::{doubtful, promised, reliability};
use crate::report::{
    AnnotatorRow, ConsensusSummary, FieldRow, Figure, Headline, Part, RefusedRow, Report, Stage, Trust,
};

/// The interval a further gold draw is planned for.
const WANTED_HALF_WIDTH: f64 = 0.05;
/// What has to be said plainly.
const NO_STUDENT: &str = "no model was trained: students for records are not available";

/// Fills the report.
///
/// # Errors
/// The texts of doubtful values cannot be read again.
pub(super) fn report(findings: &Findings<'_>, gold_file: &GoldFile, watch: &dyn Watch) -> Result<Report> {
    let project = findings.project;
    let written = measure(findings, &|decision| Some(findings.value(decision)));
    let headline = headline(findings, &written);
    let annotators = annotators(findings);
    let fields = findings.fields();
    let silent = |item: usize| findings.claims.said[item * fields..(item + 1) * fields].iter().all(Vec::is_empty);
    let unanswered = (0..findings.items.len()).filter(|&item| silent(item)).count() as u64;
    let mut warnings = facts::reading(findings.annotated, findings.gold.unmatched, &gold_file.faults);
    warnings.push(NO_STUDENT.to_owned());
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
    Ok(Report {
        reliability: reliability(findings),
        doubtful: doubtful(findings, watch)?,
        stages: vec![Stage {
            name: "labels".to_owned(),
            about: "The values that were written, each exactly as gold has it.".to_owned(),
            figures: vec![
                Figure { name: "exact values".to_owned(), value: written.all.clone() },
                Figure { name: "whole records".to_owned(), value: written.whole.clone() },
            ],
        }],
        fields: field_rows(findings, &written),
        warnings,
        next: next(findings, gold_file, &written, &annotators),
        annotators,
        ..facts::report(common)
    })
}

fn gold_wanted(written: &Measurements) -> u64 {
    items_for_half_width(written.whole.value().unwrap_or(0.8), WANTED_HALF_WIDTH)
}

fn headline(findings: &Findings<'_>, written: &Measurements) -> Headline {
    let done = format!("{} fields of {} records", findings.fields(), findings.items.len());
    let sentence = match &written.all {
        Measured::Known { .. } => format!("{done}; exact values {}", written.all),
        Measured::Unknown { reason } => format!(
            "{done}; their quality is unknown: {reason}; about {} gold records would show it to within {WANTED_HALF_WIDTH}",
            gold_wanted(written)
        ),
    };
    Headline { metric: "exact values".to_owned(), value: written.all.clone(), sentence }
}

fn consensus(findings: &Findings<'_>) -> ConsensusSummary {
    let said = &findings.claims.said;
    let several = |said: &&Vec<(u32, u32)>| said.len() > 1;
    let unanimous = said.iter().filter(several).filter(|said| said.iter().all(|one| one.1 == said[0].1)).count() as u64;
    ConsensusSummary {
        method: "one-coin by field".to_owned(),
        reason: "values are open, so each annotator has one skill per field".to_owned(),
        criterion: "none: nothing was compared".to_owned(),
        candidates: Vec::new(),
        temperature: 1.0,
        decisions: said.iter().filter(|said| !said.is_empty()).count() as u64,
        votes: said.iter().map(|said| said.len() as u64).sum(),
        ties: 0,
        unanimous,
        unanimous_doubted: 0,
        unanimous_doubted_items: Vec::new(),
        combination: format!("the values are the consensus; {NO_STUDENT}"),
    }
}

fn trust(findings: &Findings<'_>) -> Trust {
    fn none<T>(reason: &str) -> Part<T> {
        Part::Unknown(reason.to_owned())
    }
    Trust {
        agreement: none("values are open: how often annotators are right stands in their table"),
        promise: promised(findings).map_or_else(Part::Unknown, Part::Known),
        shares: none("values are open, so they have no shares"),
        errors: none("no model was trained that could doubt them"),
    }
}

fn field_rows(findings: &Findings<'_>, written: &Measurements) -> Vec<FieldRow> {
    let fields = findings.fields();
    let fields_of = findings.schema.fields().iter().enumerate();
    fields_of
        .map(|(place, field)| {
            let decisions = || (0..findings.items.len()).map(move |item| item * fields + place);
            let answered = decisions().filter(|&decision| findings.settled.beliefs[decision].is_some());
            let (mut given, mut absent) = (0, 0);
            for decision in answered {
                if findings.value(decision).is_null() { absent += 1 } else { given += 1 }
            }
            let refused = findings.annotated.identities.iter().zip(&findings.claims.counts);
            let refused = refused.map(|(identity, counts)| RefusedRow {
                annotator: identity.name.to_string(),
                answered: counts[place].answered,
                not_in_text: counts[place].not_in_text,
                unusable: counts[place].unusable,
            });
            FieldRow {
                field: field.name.to_string(),
                kind: field.kind.words(),
                given,
                absent,
                unanswered: findings.items.len() as u64 - given - absent,
                exact: written.fields[place].clone(),
                refused: refused.filter(|row| row.not_in_text + row.unusable > 0).collect(),
            }
        })
        .collect()
}

fn annotators(findings: &Findings<'_>) -> Vec<AnnotatorRow> {
    let count = findings.annotated.identities.len();
    let mut records = vec![[0_u64; 4]; count];
    for (decision, said) in findings.claims.said.iter().enumerate() {
        for &(annotator, value) in said {
            let [all, followed, shared, contradicted] = &mut records[annotator as usize];
            *all += 1;
            let belief = findings.settled.beliefs[decision].as_ref();
            *followed += u64::from(belief.is_some_and(|belief| belief.value == value));
            *shared += u64::from(said.len() > 1);
            *contradicted += u64::from(said.iter().any(|other| other.1 != value));
        }
    }
    let rows = findings.annotated.identities.iter().zip(&findings.claims.activities).enumerate();
    rows.map(|(annotator, (identity, activity))| {
        let [all, followed, shared, contradicted] = records[annotator];
        let share = |part: u64| if all > 0 { part as f64 / all as f64 } else { 0.0 };
        let status = |status: Status| activity.statuses[usize::from(status.code())];
        let own = |decision: usize| {
            let said = findings.claims.said[decision].iter().find(|one| one.0 as usize == annotator)?;
            Some(&findings.claims.values[decision][said.1 as usize])
        };
        let labels: Vec<(String, u64)> = findings
            .schema
            .fields()
            .iter()
            .zip(&findings.claims.counts[annotator])
            .map(|(field, counts)| (field.name.to_string(), counts.answered - counts.absent))
            .collect();
        let answered = status(Status::Ok);
        AnnotatorRow {
            name: identity.name.to_string(),
            kind: identity.kind.name().to_owned(),
            version: identity.version.short(),
            answered,
            coverage: answered as f64 / findings.items.len().max(1) as f64,
            abstained: status(Status::Abstained),
            malformed: status(Status::Malformed),
            refused: status(Status::Refused),
            failed: status(Status::Failed),
            accuracy: measure(findings, &own).all,
            agreement: share(followed),
            overlap: share(shared),
            conflict: share(contradicted),
            labels,
            money: activity.cost.money_micros as f64 / 1e6,
            confidence: None,
            flags: if answered == 0 { vec!["never answered".to_owned()] } else { Vec::new() },
        }
    })
    .collect()
}

fn next(
    findings: &Findings<'_>,
    gold_file: &GoldFile,
    written: &Measurements,
    annotators: &[AnnotatorRow],
) -> Vec<String> {
    let mut next = Vec::new();
    let wanted = gold_wanted(written).saturating_sub(gold_file.records.len() as u64);
    if wanted > 0 {
        next.push(match too_few(findings) {
            Some(_) => format!(
                "`postil draw {wanted}`, fill in the fields of what it draws and name the file in `data.gold`: then quality is measured to about ±{WANTED_HALF_WIDTH}"
            ),
            None => format!("`postil draw {wanted}`: with that many more gold records the interval narrows to about ±{WANTED_HALF_WIDTH}"),
        });
    }
    let weakest = findings.schema.fields().iter().zip(&written.fields);
    let weakest = weakest.filter_map(|(field, exact)| Some((field, exact, exact.value()?)));
    if let Some((field, exact, _)) = weakest.min_by(|left, right| left.2.total_cmp(&right.2)) {
        next.push(format!("look at `{}`, the weakest field: exact in {}", field.name, exact.brief()));
    }
    for annotator in annotators {
        let broken = annotator.failed + annotator.malformed;
        if broken > 0 {
            next.push(format!("mend `{}`: {broken} of its records failed or could not be used", annotator.name));
        }
    }
    next
}
