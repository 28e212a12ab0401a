//! What asking language models will cost, before a request is sent.

use postil_annotators::llm::{LlmAnnotator, Request};
use postil_core::ledger::{Access, Done, Ledger};
use postil_core::{Cost, ItemBatch, Result};

use super::canaries::planted;
use crate::project::Project;

/// What one model will be asked, as far as the ledger does not hold it.
#[derive(Debug)]
pub struct Forecast {
    /// The model with its prompt.
    pub model: LlmAnnotator,
    /// Items that it has not answered.
    pub items: u64,
    /// Requests about them.
    pub requests: u64,
    /// The cost that is expected.
    pub expected: Cost,
    /// The most that it can cost: what the cap is held against.
    pub worst: Cost,
    done: Option<Done>,
    planted: u32,
}

impl Forecast {
    /// Forecasts for all models of a project.
    pub fn all(project: &Project) -> Result<Vec<Self>> {
        let ledger = if project.ledger().join("ledger.sqlite").exists() {
            Some(Ledger::open(project.ledger(), Access::Read)?)
        } else {
            None
        };
        let known: Vec<_> = match &ledger {
            Some(ledger) => ledger.annotators()?.into_iter().map(|one| one.identity.version).collect(),
            None => Vec::new(),
        };
        project
            .models()?
            .into_iter()
            .map(|model| {
                let version = model.identity().version;
                let done = match &ledger {
                    Some(ledger) if known.contains(&version) => Some(ledger.done(version)?),
                    _ => None,
                };
                Ok(Self {
                    model,
                    items: 0,
                    requests: 0,
                    expected: Cost::default(),
                    worst: Cost::default(),
                    done,
                    planted: 0,
                })
            })
            .collect()
    }

    /// Counts the requests about some further items.
    pub fn add(&mut self, batch: &ItemBatch) {
        let price = self.model.spec().price;
        for row in 0..batch.len() {
            if self.done.as_ref().is_some_and(|done| done.contains(batch.id(row), batch.digest(row))) {
                continue;
            }
            self.items += 1;
            let mut requests = self.model.requests(batch.text(row));
            if self.planted < self.model.spec().canaries {
                self.planted += 1;
                requests.extend(self.model.requests(&planted(batch.text(row), self.model.longest_label())));
            }
            for request in requests {
                self.requests += 1;
                self.expected = self.expected + request.tokens.expected(price);
                self.worst = self.worst + request.tokens.worst(price);
            }
        }
    }

    /// Whether the model has a price.
    pub fn priced(&self) -> bool {
        self.model.spec().price.is_some()
    }

    /// The least time that the limits of its entry allow, in seconds; `None` without limits, since nobody knows how fast
    /// an endpoint answers before it was asked.
    pub fn seconds(&self) -> Option<f64> {
        let spec = self.model.spec();
        let tokens = (self.expected.input_tokens + self.expected.output_tokens) as f64;
        let by_requests = spec.requests_per_minute.map(|rate| self.requests as f64 / rate * 60.0);
        let by_tokens = spec.tokens_per_minute.map(|rate| tokens / rate * 60.0);
        by_requests.into_iter().chain(by_tokens).reduce(f64::max)
    }

    /// The requests about one text, as they would be sent.
    pub fn requests_about(&self, text: &str) -> (String, Vec<Request>) {
        let spec = self.model.spec();
        let url = format!("{}/{}", spec.endpoint.trim_end_matches('/'), spec.dialect.path());
        (url, self.model.requests(text))
    }
}
