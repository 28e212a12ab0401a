//! From what gold says to plans: what each policy makes of a budget.

use std::sync::Arc;

use super::belief::Belief;
use super::cascade::Cascade;
use super::chain::Chain;
use super::committee::Committee;
use super::fit::{self, Fit};
use super::plan::{Course, Plan, replay};
use super::policy::Policy;
use super::pool::NOTHING;
use super::split::{RandomSplit, Signal, Split};
use super::value::Value;
use crate::error::{Error, Result};
use crate::votes::GoldEntry;

/// Members of a committee, and candidates of the value policy, at most.
const MOST_MEMBERS: usize = 7;
const MOST_CANDIDATES: usize = 12;
/// Rates that the value policy is tried with.
const RATES: usize = 20;
/// Members of an ensemble at least, and of one that is put together at most.
const ENSEMBLE: (usize, usize) = (3, 5);

/// Sources, and two rates of each.
pub(super) type Rates = (Vec<u32>, Vec<(f64, f64)>);

impl Fit<'_> {
    /// A plan that spends at most `budget` per decision in the mean.
    ///
    /// # Errors
    /// A budget that does not pay for what the policy needs for every decision, or a pool that has not got it, or a budget
    /// that is no number.
    pub fn plan(&self, policy: Policy, budget: f64) -> Result<Plan> {
        if !(budget >= 0.0 && budget.is_finite()) {
            return Err(Error::task(format!("expected a budget of at least 0 per item, found {budget}")));
        }
        if policy == Policy::Auto {
            return self.choose(budget);
        }
        let course = match policy {
            Policy::Single => {
                let lineup = self.ranked(|source| self.price(source) <= budget);
                (!lineup.is_empty()).then_some(Course::Single { lineup })
            }
            Policy::Majority => self.majority(budget),
            Policy::RandomSplit => self.random_split(budget),
            Policy::Committee => self.committee(budget),
            Policy::Chain => self.chain(budget),
            Policy::Entropy => self.entropy(budget),
            Policy::Confidence => self.confidence(budget),
            Policy::Cascade => self.cascade(budget),
            Policy::Value => self.value(budget),
            Policy::Auto => None,
        };
        let course = course.ok_or_else(|| {
            Error::task(format!(
                "`{}` cannot be carried out with {budget} per item and these annotators",
                policy.name()
            ))
        })?;
        let description = self.describe(&course);
        // What proves thresholds must not have taught the records that are tested.
        let belief = if matches!(course, Course::Cascade(_)) { self.halved() } else { self.belief.clone() };
        Ok(Plan { policy, course, belief, description })
    }

    fn price(&self, source: u32) -> f64 {
        self.stored.pool().price(source)
    }

    fn person(&self, source: u32) -> bool {
        self.stored.pool().source(source).person
    }

    fn name(&self, source: u32) -> &str {
        &self.stored.pool().source(source).name
    }

    /// The share of items that a source is expected to label right, silence counted as a guess.
    pub(super) fn hit(&self, source: u32) -> f64 {
        fit::hit(&self.belief, source)
    }

    /// Sources that pass, the best first; among equals the cheapest.
    fn ranked(&self, passes: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut all: Vec<u32> = self.by_price.iter().copied().filter(|&source| passes(source)).collect();
        all.sort_by(|&a, &b| self.hit(b).total_cmp(&self.hit(a)));
        all
    }

    /// Who is better than everybody cheaper, by price; of people only the best.
    fn frontier(&self) -> Vec<u32> {
        let mut best = f64::NEG_INFINITY;
        let mut frontier: Vec<u32> = Vec::new();
        for &source in &self.by_price {
            if self.hit(source) > best {
                best = self.hit(source);
                if frontier.last().is_some_and(|&last| self.price(last) == self.price(source)) {
                    frontier.pop();
                }
                frontier.push(source);
            }
        }
        frontier
    }

    /// Who has the last word: people if there are any, then the best machine, unless it is `than` or no better.
    fn expert(&self, than: f64) -> Vec<u32> {
        let mut people: Vec<u32> = self.by_price.iter().copied().filter(|&source| self.person(source)).collect();
        people.sort_unstable();
        if people.is_empty() {
            let best = self.frontier().last().copied();
            return best.filter(|&source| self.price(source) > than).into_iter().collect();
        }
        people
    }

    fn majority(&self, budget: f64) -> Option<Course> {
        let members: Vec<u32> = (0..self.stored.pool().len() as u32).filter(|&source| !self.person(source)).collect();
        let cost: f64 = members.iter().map(|&source| self.price(source)).sum();
        (!members.is_empty() && cost <= budget * (1.0 + 1e-9))
            .then_some(Course::Committee(Committee { members, weighed: false }))
    }

    fn random_split(&self, budget: f64) -> Option<Course> {
        let machine = *self.ranked(|source| !self.person(source) && self.price(source) <= budget).first()?;
        let expert = self.expert(self.price(machine));
        let top = expert.first().map_or(f64::INFINITY, |&source| self.price(source));
        let share = ((budget - self.price(machine)) / (top - self.price(machine))).clamp(0.0, 1.0);
        Some(Course::RandomSplit(RandomSplit { machine, expert, share, seed: self.settings.seed }))
    }

    /// Adds members one by one while the cross-validated log-loss on gold falls by more than half a nat in all.
    fn committee(&self, budget: f64) -> Option<Course> {
        let members = self.members(budget);
        (!members.is_empty()).then_some(Course::Committee(Committee { members, weighed: true }))
    }

    fn members(&self, budget: f64) -> Vec<u32> {
        let count = self.gold.len() as f64;
        let mut members: Vec<u32> = Vec::new();
        let mut left = budget;
        let mut loss = self.log_loss(&members);
        while members.len() < MOST_MEMBERS {
            let mut best: Option<(f64, u32)> = None;
            for &source in &self.shortlist {
                if members.contains(&source) || self.price(source) > left {
                    continue;
                }
                let mut with = members.clone();
                with.push(source);
                let loss = self.log_loss(&with);
                if best.is_none_or(|(least, _)| loss < least) {
                    best = Some((loss, source));
                }
            }
            match best {
                Some((least, source)) if members.is_empty() || least < loss - 0.5 / count => {
                    members.push(source);
                    left -= self.price(source);
                    loss = least;
                }
                _ => break,
            }
        }
        members.sort_unstable();
        members
    }

    /// The mean log-loss of some members on gold, by records from the other folds.
    fn log_loss(&self, members: &[u32]) -> f64 {
        fit::log_loss(self.stored, &self.gold, &self.fold, &self.folds, members)
    }

    /// Two or three links of the frontier: the best that leaves money over, the best of all, and one between.
    fn links(&self, budget: f64) -> Option<Vec<u32>> {
        let frontier = self.frontier();
        let first = frontier
            .iter()
            .rposition(|&source| self.price(source) <= 0.6 * budget && !self.person(source))
            .or_else(|| (self.price(*frontier.first()?) <= budget).then_some(0))?;
        let mut links = vec![frontier[first]];
        let between = frontier.len().saturating_sub(first + 2);
        if between > 0 {
            links.push(frontier[first + 1 + between / 2]);
        }
        links.extend(frontier.last().filter(|_| first + 1 < frontier.len()));
        links.dedup();
        Some(links)
    }

    fn chain(&self, budget: f64) -> Option<Course> {
        let links = self.links(budget)?;
        let cost = |forwarded: f64| {
            let (mut sum, mut share) = (0.0, 1.0);
            for &link in &links {
                sum += share * self.price(link);
                share *= forwarded;
            }
            sum
        };
        let (mut low, mut high) = (0.0, 1.0);
        if cost(1.0) <= budget {
            // Forwarding everything would leave the earlier links no say where they are sure; the published share is
            // between a half and two thirds.
            low = 2.0 / 3.0;
        } else {
            for _ in 0..50 {
                let middle = f64::midpoint(low, high);
                if cost(middle) <= budget { low = middle } else { high = middle }
            }
        }
        Some(Course::Chain(Chain { links, forwarded: low }))
    }

    fn cascade(&self, budget: f64) -> Option<Course> {
        let links = self.links(budget)?;
        let keys = self.stored.keys();
        let mut proof: Vec<_> = self
            .gold
            .iter()
            .zip(&self.fold)
            .filter(|(_, fold)| proves(**fold))
            .map(|(entry, _)| (keys[entry.decision as usize], entry.class))
            .collect();
        proof.sort_unstable();
        proof.dedup_by_key(|one| one.0);
        Some(Course::Cascade(Cascade { links, promise: self.settings.promise, proof }))
    }

    /// Records from the gold that proves nothing.
    fn halved(&self) -> Arc<Belief> {
        let half: Vec<GoldEntry> =
            self.gold.iter().zip(&self.fold).filter(|(_, fold)| !proves(**fold)).map(|(entry, _)| *entry).collect();
        Arc::new(Belief::fit(self.stored, &half))
    }

    /// The ensemble with the best plurality on gold: the prompts of one model, or the most telling affordable machines.
    fn entropy(&self, budget: f64) -> Option<Course> {
        let pool = self.stored.pool();
        let most = 0.8 * budget;
        let cost = |members: &[u32]| members.iter().map(|&source| self.price(source)).sum::<f64>();
        let mut ensembles: Vec<Vec<u32>> = Vec::new();
        let mut models: Vec<&str> =
            pool.sources().iter().filter(|one| !one.person).map(|one| one.model.as_str()).collect();
        models.sort_unstable();
        models.dedup();
        for model in models {
            let all: Vec<u32> = (0..pool.len() as u32).filter(|&one| pool.source(one).model == model).collect();
            ensembles.push(all);
        }
        for size in ENSEMBLE.0..=ENSEMBLE.1 {
            let mut best: Vec<u32> = self.shortlist.iter().copied().filter(|&source| !self.person(source)).collect();
            best.sort_by(|&a, &b| {
                let telling = |source: u32| self.belief.records[source as usize].information;
                telling(b).total_cmp(&telling(a)).then(a.cmp(&b))
            });
            best.retain(|&source| self.price(source) * size as f64 <= most);
            best.truncate(size);
            ensembles.push(best);
        }
        ensembles.retain(|members| members.len() >= ENSEMBLE.0 && cost(members) <= most);
        let mut best: Option<(f64, Vec<u32>)> = None;
        for mut members in ensembles {
            members.sort_unstable();
            let right = self.plurality_right(&members);
            if best.as_ref().is_none_or(|(top, of)| right > *top || (right == *top && cost(&members) < cost(of))) {
                best = Some((right, members));
            }
        }
        let (_, ensemble) = best?;
        self.split(ensemble, Signal::Entropy, budget)
    }

    fn plurality_right(&self, members: &[u32]) -> f64 {
        let mut right = 0.0;
        let mut heads = vec![0u32; self.stored.classes()];
        for entry in &self.gold {
            heads.fill(0);
            for code in
                members.iter().map(|&source| self.stored.code(entry.decision, source)).filter(|&code| code < NOTHING)
            {
                heads[usize::from(code)] += 1;
            }
            let top = heads.iter().copied().max().unwrap_or(0);
            let tied = heads.iter().filter(|&&count| count == top).count() as f64;
            right += if heads[usize::from(entry.class)] == top { 1.0 / tied } else { 0.0 };
        }
        right
    }

    fn confidence(&self, budget: f64) -> Option<Course> {
        let machine = *self.ranked(|source| !self.person(source) && self.price(source) <= 0.8 * budget).first()?;
        self.split(vec![machine], Signal::Confidence, budget)
    }

    fn split(&self, ensemble: Vec<u32>, signal: Signal, budget: f64) -> Option<Course> {
        let cost: f64 = ensemble.iter().map(|&source| self.price(source)).sum();
        let dearest = ensemble.iter().map(|&source| self.price(source)).fold(0.0, f64::max);
        let mut expert = self.expert(dearest);
        expert.retain(|source| !ensemble.contains(source));
        let share = match expert.first() {
            Some(&source) => ((budget - cost) / self.price(source).max(1e-12)).clamp(0.0, 1.0),
            None => 0.0,
        };
        (cost <= budget).then_some(Course::Split(Split { ensemble, signal, expert, share }))
    }

    fn value(&self, budget: f64) -> Option<Course> {
        let (candidates, rates) = self.rates.get_or_init(|| self.try_rates());
        // The lowest rate whose cost on gold is within the budget, between the two that were tried.
        let affordable = rates.iter().position(|&(_, cost)| cost <= budget)?;
        let (rate, cost) = rates[affordable];
        let rate = match affordable.checked_sub(1).map(|place| rates[place]) {
            Some((lower, dearer)) if dearer > cost => {
                let way = ((budget - cost) / (dearer - cost)).clamp(0.0, 1.0);
                (rate.ln() * (1.0 - way) + lower.ln() * way).exp()
            }
            _ => rate,
        };
        let cheapest = candidates.iter().map(|&source| self.price(source)).fold(f64::INFINITY, f64::min);
        (cheapest <= budget).then(|| Course::Value(Value { candidates: candidates.clone(), rate }))
    }

    /// Candidates of the value policy, and what it costs per item at each rate, from the lowest rate; each gold item is
    /// replayed with records from the other folds.
    fn try_rates(&self) -> (Vec<u32>, Vec<(f64, f64)>) {
        let dearest = self.by_price.iter().map(|&source| self.price(source)).fold(0.0, f64::max).max(1e-9);
        let cheapest = self.by_price.iter().map(|&source| self.price(source)).find(|&p| p > 0.0).unwrap_or(dearest);
        let mut candidates: Vec<u32> = Vec::new();
        let mut add = |source: u32| {
            if !candidates.contains(&source) && candidates.len() < MOST_CANDIDATES {
                candidates.push(source);
            }
        };
        let frontier = self.frontier();
        frontier.iter().rev().take(4).for_each(|&source| add(source));
        for budget in [8.0 * dearest, dearest, (dearest * cheapest).sqrt(), 3.0 * cheapest] {
            self.members(budget).into_iter().for_each(&mut add);
        }
        frontier.into_iter().for_each(add);
        candidates.sort_unstable();
        let (low, high) = (1e-4 / dearest, 1.0 / cheapest);
        let step = (high / low).powf(1.0 / (RATES - 1) as f64);
        let rates = (0..RATES)
            .map(|number| {
                let rate = low * step.powi(number as i32);
                let mut cost = 0.0;
                for (part, belief) in self.folds.iter().enumerate() {
                    let decisions: Vec<u32> = self
                        .gold
                        .iter()
                        .zip(&self.fold)
                        .filter(|(_, fold)| **fold == part)
                        .map(|(entry, _)| entry.decision)
                        .collect();
                    let course = Course::Value(Value { candidates: candidates.clone(), rate });
                    let plan =
                        Plan { policy: Policy::Value, course, belief: belief.clone(), description: String::new() };
                    cost += replay(&plan, self.stored, &decisions, f64::INFINITY).spent.iter().sum::<f64>();
                }
                (rate, cost / self.gold.len() as f64)
            })
            .collect();
        (candidates, rates)
    }

    fn describe(&self, course: &Course) -> String {
        let names = |sources: &[u32]| {
            const SHOWN: usize = 6;
            let shown = sources.iter().take(SHOWN).map(|&source| self.name(source)).collect::<Vec<_>>().join(", ");
            if sources.len() > SHOWN { format!("{shown} and {} more", sources.len() - SHOWN) } else { shown }
        };
        let first = |sources: &[u32]| sources.first().map_or("nobody", |&source| self.name(source)).to_owned();
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        match course {
            Course::Single { lineup } => first(lineup),
            Course::Committee(one) => format!("{} about every item", names(&one.members)),
            Course::RandomSplit(one) => {
                format!(
                    "{}, and {} of the items at random to {}",
                    self.name(one.machine),
                    percent(one.share),
                    first(&one.expert)
                )
            }
            Course::Split(one) => {
                format!(
                    "{}, and the {} least sure items to {}",
                    names(&one.ensemble),
                    percent(one.share),
                    first(&one.expert)
                )
            }
            Course::Chain(one) => format!(
                "{}, each forwarding {}",
                one.links.iter().map(|&source| self.name(source)).collect::<Vec<_>>().join(" -> "),
                percent(one.forwarded)
            ),
            Course::Cascade(one) => format!(
                "{}, each accepting what has at most {} errors with {} confidence",
                one.links.iter().map(|&source| self.name(source)).collect::<Vec<_>>().join(" -> "),
                percent(one.promise.risk),
                percent(one.promise.confidence)
            ),
            Course::Value(one) => format!("one by one from {}", names(&one.candidates)),
        }
    }
}

/// Two folds of five prove, whatever their number.
const fn proves(fold: usize) -> bool {
    fold % 2 == 1
}
