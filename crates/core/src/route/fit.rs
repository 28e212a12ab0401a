//! From gold to plans: how good everybody is, and what each policy makes of a budget.

use std::borrow::Borrow;
use std::sync::{Arc, OnceLock};

use super::auto::Trials;
use super::belief::{Belief, ROWS, normalise};
use super::cascade::Cascade;
use super::chain::Chain;
use super::committee::Committee;
use super::plan::{Course, Plan, replay};
use super::policy::Policy;
use super::pool::{NOTHING, Stored};
use super::split::{RandomSplit, Signal, Split};
use super::state::Asked;
use super::value::Value;
use crate::error::{Error, Result};
use crate::guarantee::PromiseSettings;
use crate::random::Random;
use crate::votes::{Gold, GoldEntry};

/// How plans are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Draws folds, ties and random splits.
    pub seed: u64,
    /// Parts that gold is divided into where something is chosen by what it does to gold it has not seen.
    pub folds: usize,
    /// What [`Policy::Cascade`] promises at each of its links.
    pub promise: PromiseSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, folds: 5, promise: PromiseSettings { risk: 0.1, confidence: 0.9 } }
    }
}

/// Fewer gold labels than this choose nothing.
const LEAST_GOLD: usize = 20;
/// Factors that overlaps are tried with.
const FACTORS: [f32; 4] = [0.5, 1.0, 2.0, 4.0];
/// Sources that take part in choices, of each quarter by price.
const PER_QUARTER: usize = 5;
/// Members of a committee, and candidates of the value policy, at most.
const MOST_MEMBERS: usize = 7;
const MOST_CANDIDATES: usize = 12;
/// Rates that the value policy is tried with.
const RATES: usize = 20;
/// Members of an ensemble at least, and of one that is put together at most.
const ENSEMBLE: (usize, usize) = (3, 5);

/// Sources, and two rates of each.
type Rates = (Vec<u32>, Vec<(f64, f64)>);

/// What gold says about a pool. Gold is taken as drawn at random (or with the inclusion probabilities it carries) from the
/// decisions that plans are for, and everybody is taken to have been asked about it: that is the pilot.
#[derive(Debug)]
pub struct Fit<'a> {
    pub(super) stored: &'a Stored,
    pub(super) gold: Vec<GoldEntry>,
    pub(super) settings: Settings,
    belief: Arc<Belief>,
    /// The fold of each gold entry, and what the others say.
    fold: Vec<usize>,
    folds: Vec<Arc<Belief>>,
    /// Sources by price, then name.
    by_price: Vec<u32>,
    shortlist: Vec<u32>,
    rates: OnceLock<Rates>,
    pub(super) trials: OnceLock<Box<Trials<'a>>>,
}

impl<'a> Fit<'a> {
    /// Learns from gold. Time is gold x sources x sources x folds.
    ///
    /// # Errors
    /// Fewer than 20 gold labels, gold about decisions or classes that do not exist, fewer than two folds.
    pub fn new(stored: &'a Stored, gold: &Gold, settings: &Settings) -> Result<Self> {
        gold.check(stored.decisions(), stored.classes())?;
        if gold.len() < LEAST_GOLD {
            return Err(Error::input(format!(
                "expected at least {LEAST_GOLD} gold labels to fit, found {}",
                gold.len()
            ))
            .hint("label more items, drawn at random, by hand"));
        }
        if settings.folds < 2 {
            return Err(Error::task(format!("expected at least 2 folds, found {}", settings.folds)));
        }
        let fold = folds(stored, gold.entries(), settings.folds, settings.seed);
        Ok(Self::of(stored, gold.entries().to_vec(), fold, *settings))
    }

    pub(super) fn of(stored: &'a Stored, gold: Vec<GoldEntry>, fold: Vec<usize>, settings: Settings) -> Self {
        let parts = fold.iter().copied().max().unwrap_or(0) + 1;
        let rests: Vec<Vec<GoldEntry>> = (0..parts)
            .map(|part| gold.iter().zip(&fold).filter(|(_, of)| **of != part).map(|(entry, _)| *entry).collect())
            .collect();
        let mut folds: Vec<Belief> = rests.iter().map(|rest| Belief::fit(stored, rest)).collect();
        let mut belief = Belief::fit(stored, &gold);
        let pool = stored.pool();
        let mut by_price: Vec<u32> = (0..pool.len() as u32).collect();
        by_price.sort_by(|&a, &b| pool.price(a).total_cmp(&pool.price(b)).then(a.cmp(&b)));
        let shortlist = shortlist(&belief, &by_price);
        let sets = sets(&shortlist);
        let loss = |folds: &[Belief]| sets.iter().map(|set| log_loss(stored, &gold, &fold, folds, set)).sum::<f64>();
        let mut best = (loss(&folds), ROWS[0], folds.clone());
        for rows in ROWS.into_iter().skip(1) {
            folds.iter_mut().zip(&rests).for_each(|(belief, rest)| belief.count(stored, rest, rows));
            let found = loss(&folds);
            if found < best.0 {
                best = (found, rows, folds.clone());
            }
        }
        let (_, rows, mut folds) = best;
        belief.count(stored, &gold, rows);
        let factor = best_factor(&folds, loss);
        belief.scale_overlaps(factor);
        folds.iter_mut().for_each(|belief| belief.scale_overlaps(factor));
        Self {
            stored,
            gold,
            settings,
            belief: Arc::new(belief),
            fold,
            folds: folds.into_iter().map(Arc::new).collect(),
            by_price,
            shortlist,
            rates: OnceLock::new(),
            trials: OnceLock::new(),
        }
    }

    /// What is known about the sources.
    pub fn belief(&self) -> &Belief {
        &self.belief
    }

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
        hit(&self.belief, source)
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
        log_loss(self.stored, &self.gold, &self.fold, &self.folds, members)
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

/// The fold of each gold entry, by a random number made from its item.
pub(super) fn folds(stored: &Stored, gold: &[GoldEntry], parts: usize, seed: u64) -> Vec<usize> {
    let start = Random::for_purpose(seed, "route: folds").next();
    let number = |entry: &GoldEntry| Random::new(stored.keys()[entry.decision as usize] ^ start).next();
    let mut order: Vec<usize> = (0..gold.len()).collect();
    order.sort_by_key(|&place| (number(&gold[place]), gold[place].decision));
    let mut fold = vec![0; gold.len()];
    order.into_iter().enumerate().for_each(|(rank, place)| fold[place] = rank % parts);
    fold
}

fn hit(belief: &Belief, source: u32) -> f64 {
    let classes = belief.prior().len();
    let chance = &belief.records[source as usize].chance;
    let prior = belief.prior();
    let right: f64 = (0..classes).map(|truth| prior[truth] * chance[truth * (classes + 1) + truth]).sum();
    let silent: f64 = (0..classes).map(|truth| prior[truth] * chance[truth * (classes + 1) + classes]).sum();
    right + silent * prior.iter().copied().fold(0.0, f64::max)
}

/// The most telling sources of each quarter by price, and the frontier of what they tell.
fn shortlist(belief: &Belief, by_price: &[u32]) -> Vec<u32> {
    let telling = |source: u32| belief.records[source as usize].information;
    let mut kept = Vec::new();
    for quarter in by_price.chunks(by_price.len().div_ceil(4).max(PER_QUARTER)) {
        let mut best = quarter.to_vec();
        best.sort_by(|&a, &b| telling(b).total_cmp(&telling(a)).then(a.cmp(&b)));
        kept.extend(best.into_iter().take(PER_QUARTER));
    }
    let mut top = 0.0;
    for &source in by_price {
        if telling(source) > top {
            top = telling(source);
            kept.push(source);
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

fn log_loss(
    stored: &Stored,
    gold: &[GoldEntry],
    fold: &[usize],
    folds: &[impl Borrow<Belief>],
    members: &[u32],
) -> f64 {
    let mut loss = 0.0;
    for (entry, &part) in gold.iter().zip(fold) {
        let belief: &Belief = folds[part].borrow();
        let mut answers: Vec<Asked> = Vec::with_capacity(members.len());
        for &source in members {
            let code = stored.code(entry.decision, source);
            if code < NOTHING {
                answers.push(Asked { source, code, confidence: stored.confidence_at(entry.decision, source) });
            }
        }
        let mut score: Vec<f64> = belief.prior().iter().map(|share| share.ln()).collect();
        for one in &answers {
            let common: f64 = answers
                .iter()
                .filter(|other| other.source != one.source)
                .map(|other| belief.overlap(one.source, other.source))
                .sum();
            belief.add(&mut score, one, 1.0 / (1.0 + common));
        }
        normalise(&mut score);
        loss -= score[usize::from(entry.class)].max(1e-9).ln();
    }
    loss / gold.len().max(1) as f64
}

/// Sets of sources by which records and overlaps are judged: the whole shortlist, parts of it, and each by itself.
fn sets(shortlist: &[u32]) -> Vec<Vec<u32>> {
    let thirds = (0..3).map(|start| shortlist.iter().copied().skip(start).step_by(3).collect::<Vec<u32>>());
    let alone = shortlist.iter().map(|&source| vec![source]);
    std::iter::once(shortlist.to_vec()).chain(thirds).chain(alone).collect()
}

/// The factor by which overlaps predict gold best.
fn best_factor(folds: &[Belief], loss: impl Fn(&[Belief]) -> f64) -> f32 {
    let mut best = (f64::INFINITY, 1.0);
    for factor in FACTORS {
        let mut scaled = folds.to_vec();
        scaled.iter_mut().for_each(|belief| belief.scale_overlaps(factor));
        let found = loss(&scaled);
        if found < best.0 {
            best = (found, factor);
        }
    }
    best.1
}
