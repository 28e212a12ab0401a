//! `[routing]`, checked.

use postil_annotators::AnnotatorSpec;
use postil_annotators::llm::{LlmSpec, Origin};
use postil_core::route::Policy;
use postil_core::{Error, Result, TaskKind};

use super::ProjectFile;

/// How items are shared out among language models and people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routing {
    /// The policy.
    pub policy: Policy,
    /// What an answer of a person costs; without it nothing is left to people.
    pub person: Option<f64>,
    /// The share of errors that each link of a cascade promises to keep below.
    pub risk: f64,
    /// The confidence of that promise.
    pub confidence: f64,
}

impl Routing {
    /// Checks the table against the rest of the file.
    ///
    /// # Errors
    /// A policy that does not exist, a price that is none, shares outside 0 to 1, a task or models that cannot be routed.
    pub(super) fn read(file: &ProjectFile) -> Result<Option<Self>> {
        let Some(table) = &file.routing else { return Ok(None) };
        let policy = Policy::parse(&table.policy).map_err(|error| error.hint("it stands in `routing.policy`"))?;
        if !matches!(file.task.kind, TaskKind::Classify | TaskKind::Ordinal) {
            return Err(Error::task(format!(
                "`[routing]` is for tasks of one label per item, and this is a `{}` task",
                file.task.kind
            ))
            .hint("leave it out; every model is then asked about every item"));
        }
        let models: Vec<_> = file
            .annotators
            .iter()
            .filter_map(|spec| if let AnnotatorSpec::Llm(spec) = spec { Some(spec) } else { None })
            .collect();
        if models.is_empty() {
            return Err(Error::task("`[routing]` shares items out among language models, and the project has none"));
        }
        if let Some(model) = models.iter().find(|model| model.only_below.is_some() || model.batch) {
            return Err(Error::task(format!(
                "`[routing]` decides what `{}` is asked, and its entry has `only_below` or `batch`",
                model.name
            ))
            .hint("leave out the one or the other"));
        }
        if let Some(model) = models.iter().find(|model| shown_by_a_student(model)) {
            return Err(Error::task(format!(
                "`[routing]` decides what `{}` is asked, and its demonstrations come from a student of everything it said",
                model.name
            ))
            .hint("take demonstrations from gold or a table, or leave out `[routing]`"));
        }
        if let Some(price) = table.person.filter(|price| !(*price >= 0.0 && price.is_finite())) {
            return Err(Error::task(format!("expected `routing.person` of at least 0, found {price}")));
        }
        for (name, share) in [("risk", table.risk), ("confidence", table.confidence)] {
            if !(share > 0.0 && share < 1.0) {
                return Err(Error::task(format!("expected `routing.{name}` between 0 and 1, found {share}")));
            }
        }
        Ok(Some(Self { policy, person: table.person, risk: table.risk, confidence: table.confidence }))
    }
}

/// Whether a model's demonstrations come from a student of everything that it said.
fn shown_by_a_student(model: &LlmSpec) -> bool {
    model.demonstrations.as_ref().is_some_and(|spec| spec.from == Origin::Student)
}
