//! Routing: which item goes to which language model, and which to a person, decided step by step by what came before.
//!
//! ```text
//! gold that fits ─▶ everybody is asked (the pilot) ─▶ fit ─▶ plan ─▶ ask, look, ask again ─▶ what is left for people
//! ```
//!
//! The plan is a function of the pilot alone, and is gone through from its beginning in every run: answers that were bought
//! before are found, so a run that was stopped takes the same way.

use std::collections::HashMap;

use postil_annotators::llm::{LlmAnnotator, Tally};
use postil_core::audit::GoldPart;
use postil_core::guarantee::PromiseSettings;
use postil_core::ledger::{Detail, Event, Ledger};
use postil_core::route::{Fit, Plan, Policy, Pool, Reply, Request, Settings, Source, State, Stored};
use postil_core::votes::{Gold as DecisionGold, GoldEntry};
use postil_core::{Answer, Class, Cost, Digest, Error, Result, Status};

use super::ask::{Asking, Open, Standing};
use super::gold::Gold;
use super::items::Items;
use super::{Watch, now_millis};
use crate::project::{Project, Routing};
use crate::report::{RoutedRow, RoutingSummary};

/// The name in the pool of everybody who is asked before the models, taken together.
const BEFORE: &str = "everybody before";
/// The name in the pool of a person.
const PERSON: &str = "a person";
/// Fitting gold labels that a plan needs at least.
const LEAST: usize = 20;
/// The kind of event that keeps what a plan may spend.
const EVENT: &str = "routing";

/// What routing came to.
pub(super) struct Routed {
    /// For the report.
    pub summary: RoutingSummary,
    /// The items that are left to people, most urgent first.
    pub people: Vec<u32>,
}

/// A reply with the confidence it was given with.
type Said = (Reply, Option<f64>);

/// Everything that stays the same while a plan is carried out.
pub(super) struct Router<'a> {
    pub project: &'a Project,
    pub routing: &'a Routing,
    pub ledger: &'a Ledger,
    pub items: &'a Items,
    pub gold: &'a Gold,
    pub models: &'a [LlmAnnotator],
    /// What everybody before says of each item; empty if there is nobody.
    pub before: Vec<Standing>,
    /// The versions of people among them: what they have answered is not left to them again.
    pub people: Vec<Digest>,
}

impl Router<'_> {
    /// Asks the models what the project's policy wants them to be asked.
    pub(super) fn route(&self, asking: &mut Asking<'_>, tallies: &mut [Tally], watch: &dyn Watch) -> Result<Routed> {
        let pilot: Vec<(u32, Class, f64)> = self
            .gold
            .part(GoldPart::Fit)
            .filter_map(|gold| Some((gold.position, (*gold.truth.first()?)?, gold.weight)))
            .collect();
        if pilot.len() < LEAST {
            return Err(Error::task(format!(
                "expected at least {LEAST} gold labels that fit before items can be routed, found {}",
                pilot.len()
            ))
            .hint("draw more with `postil draw`, or leave out `[routing]` to ask every model about every item"));
        }
        let mut open = vec![false; self.items.len()];
        pilot.iter().for_each(|one| open[one.0 as usize] = true);
        let all: Vec<Open> = self.models.iter().map(|_| Some(open.clone())).collect();
        let ended = asking.together(self.models, &all, tallies, watch)?;
        let answers = self.answers(&self.versions())?;
        let costs = self.pilot_costs(&pilot)?;
        let pool = self.pool(&costs)?;
        let stored = self.pilot(&pool, &pilot, &answers)?;
        let gold = DecisionGold::new(
            (0..)
                .zip(&pilot)
                .map(|(decision, one)| GoldEntry { decision, class: one.1, inclusion: Some(1.0 / one.2) })
                .collect(),
        )?;
        let settings = Settings {
            seed: self.project.seed,
            promise: PromiseSettings { risk: self.routing.risk, confidence: self.routing.confidence },
            ..Settings::default()
        };
        let rest: Vec<u32> = (0..self.items.len() as u32).filter(|&position| !open[position as usize]).collect();
        let pilot_cost: f64 = self.models.iter().map(|model| costs[&model.identity().version].0).sum();
        let budget = self.budget(&pool, asking, pilot_cost, rest.len())?;
        if ended {
            return Ok(self.nothing(
                &pool,
                &pilot,
                pilot_cost,
                "the budget ended before every model had been asked about the gold that fits",
            ));
        }
        let plan = Fit::new(&stored, &gold, &settings)?.plan(self.routing.policy, budget / rest.len().max(1) as f64);
        let plan =
            plan.map_err(|error| error.hint("raise the cap in `[budget]`, or name another policy in `[routing]`"))?;
        let mut state = State::new(pool.clone(), self.project.task.labels.len(), self.keys(&rest));
        let (people, ended) = self.carry_out(&plan, &mut state, &rest, budget, answers, (asking, tallies), watch)?;
        let mut rows = Self::rows(&pool, &state);
        rows.iter_mut().filter(|row| row.name == PERSON).for_each(|row| row.items = people.len() as u64);
        let summary = RoutingSummary {
            policy: plan.policy().name().to_owned(),
            automatic: self.routing.policy == Policy::Auto,
            description: plan.description().to_owned(),
            pilot: pilot.len() as u64,
            pilot_cost,
            unit: self.unit().to_owned(),
            budget,
            spent: state.spent(),
            rows,
            ended: ended.then(|| "the budget ended before the plan was carried out".to_owned()),
        };
        Ok(Routed { summary, people })
    }

    /// Asks, records and asks again until the plan wants nothing more or the cap is reached. What people are wanted for
    /// is set aside: nobody waits for them here.
    #[expect(clippy::too_many_arguments, reason = "one step of `route`, apart because it is its loop")]
    fn carry_out(
        &self,
        plan: &Plan,
        state: &mut State,
        rest: &[u32],
        budget: f64,
        mut answers: Vec<HashMap<u32, Said>>,
        (asking, tallies): (&mut Asking<'_>, &mut [Tally]),
        watch: &dyn Watch,
    ) -> Result<(Vec<u32>, bool)> {
        let said_by_people = self.answers(&self.people)?;
        let mut people: Vec<u32> = Vec::new();
        let mut left_to_people = vec![false; rest.len()];
        let pool = state.pool().clone();
        loop {
            let mut wanted = plan.next(state, budget, usize::MAX);
            wanted.retain(|request| !left_to_people[request.decision as usize]);
            let (persons, machines): (Vec<Request>, Vec<Request>) =
                wanted.into_iter().partition(|request| pool.source(request.source).person);
            let mut answered = false;
            for request in persons {
                let position = rest[request.decision as usize];
                if let Some((reply, _)) = said_by_people.iter().find_map(|one| one.get(&position)) {
                    state.record(request.decision, request.source, *reply, None)?;
                    answered = true;
                    continue;
                }
                left_to_people[request.decision as usize] = true;
                people.push(position);
            }
            if machines.is_empty() && answered {
                continue;
            }
            if machines.is_empty() {
                return Ok((people, false));
            }
            let name = |request: &Request| pool.source(request.source).name.as_str();
            let mut open: Vec<Open> = self.models.iter().map(|_| Some(vec![false; self.items.len()])).collect();
            for request in &machines {
                if let (Some(model), position) = (self.model(name(request)), rest[request.decision as usize])
                    && !answers[model].contains_key(&position)
                    && let Some(open) = &mut open[model]
                {
                    open[position as usize] = true;
                }
            }
            let mut ended = false;
            if open.iter().flatten().any(|open| open.contains(&true)) {
                ended = asking.together(self.models, &open, tallies, watch)?;
                answers = self.answers(&self.versions())?;
            }
            for request in machines {
                let position = rest[request.decision as usize];
                let (reply, confidence) = match self.model(name(&request)) {
                    Some(model) => answers[model].get(&position).copied().unwrap_or((Reply::Missing, None)),
                    None => self.before[position as usize].said(),
                };
                state.record(request.decision, request.source, reply, confidence)?;
            }
            if ended {
                return Ok((people, true));
            }
        }
    }

    /// The model of a name in the pool.
    fn model(&self, name: &str) -> Option<usize> {
        self.models.iter().position(|model| *model.identity().name == *name)
    }

    /// The versions of the models.
    fn versions(&self) -> Vec<Digest> {
        self.models.iter().map(|model| model.identity().version).collect()
    }

    /// What each version has said, by position.
    fn answers(&self, versions: &[Digest]) -> Result<Vec<HashMap<u32, Said>>> {
        let snapshot = self.ledger.snapshot(versions)?;
        let of = |version: &Digest| {
            let mut found = HashMap::new();
            snapshot.scan_of(*version, Detail::Votes, |batch| {
                for (row, (id, digest)) in batch.items().iter().zip(batch.contents()).enumerate() {
                    let Some(position) = self.items.position(id.unwrap_or(""), *digest) else { continue };
                    let reply = match (batch.status(row), batch.answer(row)) {
                        (Status::Ok, Answer::Class { label } | Answer::Ordinal { label, .. }) => {
                            Reply::Label(self.project.task.labels.expect(label)?)
                        }
                        (Status::Failed, _) => Reply::Missing,
                        _ => Reply::Nothing,
                    };
                    let confidence = batch.confidences().get(row).copied().flatten().map(f64::from);
                    found.insert(position, (reply, confidence));
                }
                Ok(())
            })?;
            Ok(found)
        };
        versions.iter().map(of).collect()
    }

    /// Per model what its answers on the pilot cost in all, and how many there are.
    fn pilot_costs(&self, pilot: &[(u32, Class, f64)]) -> Result<HashMap<Digest, (f64, usize)>> {
        let versions = self.versions();
        let snapshot = self.ledger.snapshot(&versions)?;
        let of = |version: &Digest| {
            let (mut total, mut count) = (0.0, 0);
            snapshot.scan_of(*version, Detail::Full, |batch| {
                for (row, (id, digest)) in batch.items().iter().zip(batch.contents()).enumerate() {
                    let position = self.items.position(id.unwrap_or(""), *digest);
                    if position.is_some_and(|position| pilot.binary_search_by_key(&position, |one| one.0).is_ok()) {
                        total += self.price(batch.cost(row));
                        count += 1;
                    }
                }
                Ok(())
            })?;
            Ok((*version, (total, count)))
        };
        versions.iter().map(of).collect()
    }

    /// A cost in the unit of the plan.
    fn price(&self, cost: Cost) -> f64 {
        if self.in_money() { cost.money_micros as f64 / 1e6 } else { (cost.input_tokens + cost.output_tokens) as f64 }
    }

    /// Whether every model has a price; otherwise tokens are counted.
    fn in_money(&self) -> bool {
        self.models.iter().all(|model| model.spec().price.is_some())
    }

    fn unit(&self) -> &'static str {
        if self.in_money() { "money" } else { "tokens" }
    }

    /// Who can be asked at what price: a model costs what its answers on the pilot cost in the mean.
    fn pool(&self, costs: &HashMap<Digest, (f64, usize)>) -> Result<Pool> {
        let mut sources: Vec<Source> = self
            .models
            .iter()
            .map(|model| {
                let (total, count) = costs[&model.identity().version];
                Source {
                    name: model.identity().name.to_string(),
                    price: total / count.max(1) as f64,
                    person: false,
                    model: model.spec().model.clone(),
                }
            })
            .collect();
        if !self.before.is_empty() {
            sources.push(Source::machine(BEFORE, 0.0));
        }
        sources.extend(self.routing.person.map(|price| Source::person(PERSON, price)));
        Pool::new(sources)
    }

    /// What everybody said about the gold that fits. People are taken to say what gold says.
    fn pilot(&self, pool: &Pool, pilot: &[(u32, Class, f64)], answers: &[HashMap<u32, Said>]) -> Result<Stored> {
        let positions: Vec<u32> = pilot.iter().map(|one| one.0).collect();
        let mut stored = Stored::new(pool.clone(), self.project.task.labels.len(), self.keys(&positions));
        for (decision, &(position, truth, _)) in (0..).zip(pilot) {
            for source in 0..pool.len() as u32 {
                let (reply, confidence) = match pool.source(source) {
                    one if one.person => (Reply::Label(truth), None),
                    one if one.name == BEFORE => self.before[position as usize].said(),
                    one => self
                        .model(&one.name)
                        .and_then(|model| answers[model].get(&position).copied())
                        .unwrap_or((Reply::Missing, None)),
                };
                stored.set(decision, source, reply, confidence)?;
            }
        }
        Ok(stored)
    }

    fn keys(&self, positions: &[u32]) -> Vec<u64> {
        positions.iter().map(|&position| self.items.digest(position as usize).to_u64() ^ self.project.seed).collect()
    }

    /// What the plan may spend beyond the pilot. It is kept with everything it was decided by: what a run that was stopped
    /// has spent since must not change its plan.
    fn budget(&self, pool: &Pool, asking: &Asking<'_>, pilot_cost: f64, items: usize) -> Result<f64> {
        let cap = self.project.cap();
        let cap = if self.in_money() {
            cap.money_micros.map(|micros| micros as f64 / 1e6)
        } else {
            cap.tokens.map(|tokens| tokens as f64)
        };
        let Some(cap) = cap else {
            // Without a cap everything may be asked.
            return Ok(pool.sources().iter().map(|source| source.price).sum::<f64>() * items as f64);
        };
        let versions: Vec<String> = self.models.iter().map(|model| model.identity().version.to_string()).collect();
        let key = serde_json::json!({
            "models": versions, "cap": cap, "pilot": pilot_cost, "items": self.items.fingerprint().to_string(),
        });
        let known =
            self.ledger.events()?.into_iter().rev().find(|event| event.kind == EVENT && event.detail["of"] == key);
        if let Some(budget) = known.and_then(|event| event.detail["budget"].as_f64()) {
            return Ok(budget);
        }
        let spent = asking.engine.spent();
        let budget = (cap - self.price(spent.settled) - self.price(spent.open)).max(0.0);
        let detail = serde_json::json!({ "of": key, "budget": budget });
        self.ledger.record_event(Event { kind: EVENT.to_owned(), detail, at_millis: now_millis() })?;
        Ok(budget)
    }

    fn rows(pool: &Pool, state: &State) -> Vec<RoutedRow> {
        let mut counts = vec![0u64; pool.len()];
        for decision in 0..state.decisions() as u32 {
            state.asked(decision).iter().for_each(|one| counts[one.source() as usize] += 1);
        }
        let row = |(source, items): (&Source, u64)| RoutedRow { name: source.name.clone(), price: source.price, items };
        pool.sources().iter().zip(counts).map(row).collect()
    }

    fn nothing(&self, pool: &Pool, pilot: &[(u32, Class, f64)], pilot_cost: f64, why: &str) -> Routed {
        let rows =
            pool.sources().iter().map(|source| RoutedRow { name: source.name.clone(), price: source.price, items: 0 });
        let summary = RoutingSummary {
            policy: self.routing.policy.name().to_owned(),
            automatic: false,
            description: "nothing beyond the gold that fits".to_owned(),
            pilot: pilot.len() as u64,
            pilot_cost,
            unit: self.unit().to_owned(),
            budget: 0.0,
            spent: 0.0,
            rows: rows.collect(),
            ended: Some(why.to_owned()),
        };
        Routed { summary, people: Vec::new() }
    }
}

impl Standing {
    /// As a reply.
    fn said(&self) -> Said {
        self.label.map_or((Reply::Nothing, None), |label| (Reply::Label(label), Some(self.sure.clamp(0.0, 1.0))))
    }
}
