//! What asking language models will cost, before a request is sent.

use std::collections::HashSet;

use postil_annotators::llm::{LlmAnnotator, Origin, Request, Tokens};
use postil_core::ledger::{Access, Done, Ledger};
use postil_core::{Cost, ItemBatch, Result};

use super::planted::Order;
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
    /// Groups whose requirements are counted.
    groups: HashSet<String>,
    again: Option<Again>,
}

/// What later rounds are made of, where a student finds demonstrations for the model.
#[derive(Clone, Copy, Debug, Default)]
struct Again {
    /// Whether earlier runs have ended all rounds.
    ended: bool,
    items: u64,
    requests: u64,
    input: u64,
    output: u64,
    /// The most that the requests about one item send and receive.
    most_input: u64,
    most_output: u64,
    /// What the texts would add to a request as demonstrations: all together, and the longest.
    shown: u64,
    longest: u64,
}

impl Forecast {
    /// Forecasts for all models of a project.
    pub fn all(project: &Project) -> Result<Vec<Self>> {
        let ledger = if project.ledger().join("ledger.sqlite").exists() {
            Some(Ledger::open(project.ledger(), Access::Read)?)
        } else {
            None
        };
        let registered = ledger.as_ref().map(Ledger::annotators).transpose()?.unwrap_or_default();
        let known: Vec<_> = registered.iter().map(|one| one.identity.version).collect();
        project
            .models()?
            .into_iter()
            .map(|model| {
                let version = model.identity().version;
                let done = match &ledger {
                    Some(ledger) if known.contains(&version) => Some(ledger.done(version)?),
                    _ => None,
                };
                let again = model.demonstrations().filter(|spec| spec.from == Origin::Student).map(|spec| {
                    let of_round = |name: &str, config: &serde_json::Value| {
                        *name == *model.identity().name && config.get("made_of").is_some()
                    };
                    let ended = registered.iter().filter(|one| of_round(&one.identity.name, &one.config)).count();
                    Again { ended: ended >= spec.rounds as usize, ..Again::default() }
                });
                Ok(Self {
                    again,
                    model,
                    items: 0,
                    requests: 0,
                    expected: Cost::default(),
                    worst: Cost::default(),
                    done,
                    planted: 0,
                    groups: HashSet::new(),
                })
            })
            .collect()
    }

    /// Counts the requests about some further items.
    ///
    /// # Errors
    /// The items have no column of the groups that requirements are written about.
    pub fn add(&mut self, batch: &ItemBatch) -> Result<()> {
        let price = self.model.spec().price;
        for row in 0..batch.len() {
            if let Some(again) = &mut self.again {
                again.add(&self.model, batch.text(row));
            }
            if self.done.as_ref().is_some_and(|done| done.contains(batch.id(row), batch.digest(row))) {
                continue;
            }
            self.items += 1;
            // Nobody knows yet what will be written: at worst it is as long as it may be, as expected half of that.
            let required = self.model.requirements_of(batch, row)?.map(|(group, request)| {
                if self.groups.insert(group) {
                    self.requests += 1;
                    self.expected = self.expected + request.tokens.expected(price);
                    self.worst = self.worst + request.tokens.worst(price);
                }
                "x".repeat(self.model.most_required())
            });
            let required = required.unwrap_or_default();
            let mut requests = self.model.requests(batch.text(row), &required);
            if self.planted < self.model.spec().canaries {
                self.planted += 1;
                let text = Order::longest(self.model.task(), batch.text(row)).planted(batch.text(row));
                requests.extend(self.model.requests(&text, &required));
            }
            for mut request in requests {
                request.tokens.input -= required.len() as u64 / 8;
                self.requests += 1;
                self.expected = self.expected + request.tokens.expected(price);
                self.worst = self.worst + request.tokens.worst(price);
            }
        }
        Ok(())
    }

    /// Adds what later rounds may take, once all items are counted: as many items as a round may ask about, beside texts
    /// of mean length as expected and beside the longest at worst. Nothing where earlier runs have ended them.
    pub fn add_rounds(&mut self) {
        let (Some(again), Some(spec)) = (self.again, self.model.demonstrations()) else { return };
        if again.items == 0 || again.ended && self.items == 0 {
            return;
        }
        let (price, rounds, count) = (self.model.spec().price, u64::from(spec.rounds), spec.count as u64);
        let items = rounds * (again.items as f64 * spec.share).ceil() as u64;
        let each = again.requests.div_ceil(again.items);
        let tokens = Tokens {
            input: again.input.div_ceil(again.items) + each * count * again.shown.div_ceil(again.items).div_ceil(4),
            output: again.output.div_ceil(again.items),
            most_input: again.most_input + each * count * again.longest,
            most_output: again.most_output,
        };
        self.requests += items * each;
        for _ in 0..items {
            self.expected = self.expected + tokens.expected(price);
            self.worst = self.worst + tokens.worst(price);
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

    /// The requests about one item, as they would be sent: first that for the requirements of its group, where the model
    /// writes some. In place of these, which nobody knows before, the others have a remark that says so.
    ///
    /// # Errors
    /// The items have no column of the groups.
    pub fn requests_about(&self, items: &ItemBatch, row: usize) -> Result<(String, Vec<Request>)> {
        let spec = self.model.spec();
        let url = format!("{}/{}", spec.endpoint.trim_end_matches('/'), spec.dialect.path());
        let written = self.model.requirements_of(items, row)?.map(|(_, request)| request);
        let required = if written.is_some() { "(what the reply to the first request says)" } else { "" };
        let requests = written.into_iter().chain(self.model.requests(items.text(row), required));
        Ok((url, requests.collect()))
    }
}

impl Again {
    fn add(&mut self, model: &LlmAnnotator, text: &str) {
        let requests = model.requests(text, &"x".repeat(model.most_required()));
        let sum = |of: fn(&Tokens) -> u64| requests.iter().map(|request| of(&request.tokens)).sum::<u64>();
        let bytes = model.demonstration_bytes(text);
        self.items += 1;
        self.requests += requests.len() as u64;
        self.input += sum(|tokens| tokens.input);
        self.output += sum(|tokens| tokens.output);
        self.most_input = self.most_input.max(sum(|tokens| tokens.most_input));
        self.most_output = self.most_output.max(sum(|tokens| tokens.most_output));
        self.shown += bytes;
        self.longest = self.longest.max(bytes);
    }
}
