//! A run over records: from texts to values with the words that say so, and their measured quality.
//!
//! Every field of an item is a decision. It can hold anything, so votes over classes do not serve: values that annotators
//! named are the candidates, and [`settle`](postil_core::record::settle) weighs them.
//!
//! ```text
//! items ─▶ annotate ─▶ ledger ─▶ claims ─▶ settle ─▶ measure ─▶ write
//! ```

mod claims;
mod gold;
mod measure;
mod output;
mod summary;
mod trust;

use postil_annotators::Silence;
use postil_core::audit::GoldPart;
use postil_core::ledger::{Access, Ledger};
use postil_core::record::{RecordSchema, Settled, settle};
use postil_core::{Digest, Error, Result};
use serde_json::Value;

use super::gold::keep;
use super::items::Items;
use super::people::People;
use super::{
    GOLD, Options, Outcome, Watch, annotate, ask, basis, canaries, check_annotators, decided, drawn_probabilities,
    now_millis, open_annotators, output as files,
};
use crate::project::Project;
use crate::report::Report;
use claims::Claims;
use gold::{Gold, GoldFile};

/// The fields of the project's records.
fn schema(project: &Project) -> Result<&RecordSchema> {
    project.task.labels.schema().ok_or_else(|| Error::task("expected a schema for records, found none"))
}

/// Everything a run found.
struct Findings<'a> {
    project: &'a Project,
    schema: &'a RecordSchema,
    annotated: &'a annotate::Annotated,
    items: &'a Items,
    gold: &'a Gold,
    claims: &'a Claims,
    settled: &'a Settled,
    snapshot: Digest,
}

impl Findings<'_> {
    fn fields(&self) -> usize {
        self.schema.fields().len()
    }

    /// The value that is written, null where nobody said anything.
    fn value(&self, decision: usize) -> &Value {
        let belief = self.settled.beliefs[decision].as_ref();
        belief.map_or(&Value::Null, |belief| &self.claims.values[decision][belief.value as usize])
    }
}

/// Runs a project whose task is records.
pub(super) fn run(project: &Project, options: &Options, watch: &dyn Watch) -> Result<Outcome> {
    let schema = schema(project)?;
    let mut gold_file = GoldFile::read(project)?;
    files::create_folder(&project.output)?;
    let now_millis = now_millis();
    let mut annotators = open_annotators(project, options.threads)?;
    let ledger = Ledger::open(project.ledger(), Access::Write)?;
    let mut annotated = annotate::annotate(project, &ledger, &mut annotators, options.strict, now_millis, watch)?;
    drop(annotators);
    // Entries that ask by what is known so far are refused for records when they are read.
    let before = (&annotated.items, annotated.identities.as_slice());
    let asked = ask::ask(project, &ledger, before, None, options, watch)?.models;
    annotated.silences.extend(asked.iter().map(|_| Silence::Outside));
    annotated.identities.extend(asked.into_iter().map(|one| one.identity));
    let items = &annotated.items;
    let canaries = canaries::ask(project, &ledger, items, options, watch)?;
    let people = People::find(&ledger, project.task.kind)?;
    gold_file.add_people(people.gold(&ledger, items)?, schema);
    annotated.silences.extend(people.voters.iter().map(|_| Silence::Outside));
    annotated.identities.extend(people.voters.iter().cloned());
    check_annotators(&annotated.identities)?;
    let drawn = drawn_probabilities(&ledger.draws(GOLD)?);
    let gold = Gold::place(&gold_file, items, &drawn, project.seed);
    let gold_version = keep(&ledger, gold_file.version, items, gold.answers(schema), now_millis)?;
    let (snapshot, key) = basis(project, &ledger, &annotated, gold_version, &format!("{canaries:?}"))?;
    if !options.fresh
        && let Some(outcome) = files::unchanged(project, key)
    {
        return Ok(outcome);
    }

    watch.stage("fusing answers", None);
    let versions: Vec<Digest> = annotated.identities.iter().map(|identity| identity.version).collect();
    let claims = Claims::read(&snapshot, &versions, schema, items)?;
    let mut truth = vec![None; claims.said.len()];
    for record in gold.part(GoldPart::Fit) {
        for (field, value) in record.truth.iter().enumerate() {
            let decision = record.position as usize * schema.fields().len() + field;
            let number = |value: &Value| claims.values[decision].iter().position(|known| known == value);
            // A truth that nobody named is a number that nobody has.
            truth[decision] = value.as_ref().map(|value| number(value).map_or(u32::MAX, |number| number as u32));
        }
    }
    let values: Vec<Option<usize>> = schema
        .fields()
        .iter()
        .map(|field| field.kind.values().map(|values| values + usize::from(field.nullable)))
        .collect();
    let mut settled = settle(&claims.said, &truth, versions.len(), &values);
    let last_words = decided::last_words(&people, &ledger, items, &annotated.identities)?;
    decided::values(&mut settled.beliefs, &claims.said, schema.fields().len(), &last_words);
    watch.stage("writing", None);
    let findings = Findings {
        project,
        schema,
        annotated: &annotated,
        items,
        gold: &gold,
        claims: &claims,
        settled: &settled,
        snapshot: snapshot.digest(),
    };
    let report = Report { canaries, ..summary::report(&findings, &gold_file, watch)? };
    let files = output::write(&findings, &report, key)?;
    ledger.close()?;
    Ok(Outcome { report, files, unchanged: false })
}

/// The items that the gold file is about, each with its inclusion probability if the file says.
pub(super) fn gold_items(project: &Project) -> Result<Vec<(String, Option<f64>)>> {
    Ok(GoldFile::read(project)?.records.into_iter().map(|record| (record.item, record.probability)).collect())
}
