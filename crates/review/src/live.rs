//! How the work goes: speed, agreement, quality, money and minutes, learning, and what suggestions do to people.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use postil_core::agreement::{Scale, Settings, measure};
use postil_core::audit::wilson;
use postil_core::votes::VotesBuilder;
use postil_core::{Answer, Class, Measured, Preference, TaskKind};
use serde_json::Value;

use crate::Workplace;
use crate::desk::{Hand, Who};
use crate::items::Key;
use crate::now_millis;
use crate::record::{Desk, Entry, meaning};
use crate::room::{Caller, Room, lock};
use crate::wire::{Anchoring, Live, LiveBudget, PersonRow, Queue, Role, Said};

/// The minutes of which the answers are counted one by one.
const RECENT: usize = 30;
/// How often items are drawn anew for the interval of agreement.
const REPLICATES: usize = 400;
/// Items with several answers that are looked at, at most.
const MOST_SHARED: usize = 20_000;

/// Figures about everybody are computed for one part of the time in so many.
const SHARE: u32 = 50;

/// Figures that are the same for everybody.
pub(crate) struct Common {
    changes: u64,
    made: Instant,
    took: Duration,
    figures: (Measured, Anchoring),
}

/// What the last run reported, as far as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct LastRun {
    name: String,
    quality: Measured,
    money: f64,
}

impl LastRun {
    pub(crate) fn read(place: &Workplace) -> Self {
        let read = || -> Option<Value> {
            let file = std::fs::File::open(place.output.join("report.json")).ok()?;
            serde_json::from_reader(std::io::BufReader::new(file)).ok()
        };
        let Some(report) = read() else {
            let quality = Measured::unknown("no run has been made yet: label blind gold, then `postil run`");
            return Self { name: "accuracy".to_owned(), quality, money: 0.0 };
        };
        let quality = serde_json::from_value(report["headline"]["value"].clone());
        Self {
            name: report["headline"]["metric"].as_str().unwrap_or("quality").to_owned(),
            quality: quality.unwrap_or_else(|_| Measured::unknown("the last run's report is of another version")),
            money: report["cost"]["money"].as_f64().unwrap_or(0.0),
        }
    }
}

impl Room {
    /// Everything that the live view shows to somebody.
    pub(crate) fn live(&self, caller: &Caller) -> Live {
        let queues = self.counts(caller);
        let common = self.common();
        let now = now_millis();
        let desks = self.desks();
        let shown = desks
            .hands
            .iter()
            .filter(|hand| caller.role > Role::Annotate && !hand.entries.is_empty() || *hand.name == *caller.name);
        let people = shown.map(|hand| row(hand, now)).collect();
        let spent_minutes = desks.spent_millis() as f64 / 60_000.0;
        let run = lock(&self.last_run).clone();
        let training = lock(&self.training).clone();
        Live {
            at: now,
            items: self.items.index().len(),
            answered: desks.answered(),
            queues,
            people,
            agreement: common.0,
            quality: run.quality,
            quality_name: run.name,
            budget: LiveBudget {
                money: self.place.money,
                spent_money: run.money,
                person_minutes: self.place.person_minutes,
                spent_minutes,
                left_minutes: self.place.person_minutes.map(|most| (most - spent_minutes).max(0.0)),
            },
            curve: training.curve,
            anchoring: common.1,
            training: training.state,
        }
    }

    /// What is the same for everybody: computed anew when something has changed, and so rarely that it takes a fiftieth of
    /// the time at most.
    fn common(&self) -> (Measured, Anchoring) {
        let changes = self.desks().changes;
        let mut kept = lock(&self.common);
        if let Some(kept) = &*kept
            && (kept.changes == changes || kept.made.elapsed() < SHARE * kept.took)
        {
            return kept.figures.clone();
        }
        let begun = Instant::now();
        let figures = (self.agreement(), self.anchoring());
        *kept = Some(Common { changes, made: Instant::now(), took: begun.elapsed(), figures: figures.clone() });
        figures
    }

    /// Krippendorff's alpha between people, on the decisions of the task.
    fn agreement(&self) -> Measured {
        let task = &self.place.task;
        let mut shared: Vec<(Key, Vec<(Who, Answer)>)> = {
            let desks = self.desks();
            let answers = desks.answers().map(|(key, said)| {
                let said = said.into_iter().filter_map(|(who, entry)| Some((who, entry.answer.clone()?)));
                (key, said.collect::<Vec<_>>())
            });
            answers.filter(|(_, said)| said.len() > 1).collect()
        };
        if shared.is_empty() {
            return Measured::unknown("no item has answers of two people: `--overlap 2` asks for them");
        }
        shared.sort_unstable_by_key(|(key, _)| *key);
        shared.truncate(MOST_SHARED);
        let items = shared.len();
        let people = self.desks().hands.len();
        let (mut cast, mut decisions) = (Vec::new(), 0_u32);
        for (key, said) in shared {
            let width = self.width(key);
            for (who, answer) in said {
                let votes = self.votes(key, &answer, width);
                cast.extend(votes.into_iter().map(|(place, class)| (decisions + place, u32::from(who), class)));
            }
            decisions += width;
        }
        let classes = match task.kind {
            TaskKind::Multilabel => 2,
            TaskKind::Pairs => 3,
            TaskKind::Extract => return Measured::unknown("agreement on records is not measured"),
            // One more for a token that nobody marked.
            _ => task.labels.len() + 1,
        };
        let mut builder = VotesBuilder::new(classes);
        let scale = if task.kind == TaskKind::Ordinal { Scale::Ordinal } else { Scale::Nominal };
        let settings = Settings { scale, replicates: REPLICATES, seed: self.place.seed, ..Settings::default() };
        let cast = cast.into_iter().try_for_each(|(decision, who, class)| builder.push(decision, who, class));
        let found =
            cast.and_then(|()| builder.build(decisions as usize, people)).and_then(|votes| measure(&votes, &settings));
        match found.map(|found| found.coefficients.alpha) {
            Ok(Measured::Known { value, low, high, level, .. }) => {
                let basis = format!("Krippendorff's alpha on {items} items with answers of at least two people");
                Measured::Known { value, low, high, level, basis }
            }
            Ok(unknown) => unknown,
            Err(error) => Measured::unknown(error.to_string()),
        }
    }

    /// How many decisions an item has.
    fn width(&self, key: Key) -> u32 {
        match self.place.task.kind {
            TaskKind::Multilabel => self.place.task.labels.len() as u32,
            TaskKind::Tag | TaskKind::Spans => self.token_points(key).len() as u32,
            _ => 1,
        }
    }

    fn token_points(&self, key: Key) -> Vec<[u32; 2]> {
        let stored = self.items.of(key).ok().flatten();
        let content = stored.map(|stored| stored.content(TaskKind::Spans, self.place.columns.tokenizer, false));
        match content {
            Some(crate::wire::Content::Tokens { tokens, .. }) => tokens,
            _ => Vec::new(),
        }
    }

    /// What an answer says about the decisions of its item: their place and class.
    fn votes(&self, key: Key, answer: &Answer, width: u32) -> Vec<(u32, Class)> {
        let labels = &self.place.task.labels;
        let class = |label: &str| labels.class(label);
        match answer {
            Answer::Class { label } | Answer::Ordinal { label, .. } => {
                class(label).map(|class| (0, class)).into_iter().collect()
            }
            Answer::Set { labels: given } => {
                let applies = |place: u32| given.iter().any(|label| class(label) == Some(place as Class));
                (0..width).map(|place| (place, Class::from(applies(place)))).collect()
            }
            Answer::Preference { choice, .. } => {
                let class = match choice {
                    Preference::Left => 0,
                    Preference::Right => 1,
                    Preference::Tie => 2,
                };
                vec![(0, class)]
            }
            Answer::Tags { tags } => {
                (0..width).zip(tags).filter_map(|(place, tag)| Some((place, class(tag)?))).collect()
            }
            Answer::Spans { spans, .. } => {
                let outside = labels.len() as Class;
                let tokens = self.token_points(key);
                let of = |token: &[u32; 2]| {
                    let span = spans.iter().find(|span| span.start < token[1] && span.end > token[0]);
                    span.and_then(|span| class(&span.label)).unwrap_or(outside)
                };
                (0..width).zip(&tokens).map(|(place, token)| (place, of(token))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// How often people say what the run would say, without and with its suggestion on the screen.
    fn anchoring(&self) -> Anchoring {
        let asked: Vec<(Key, u64, bool)> = {
            let desks = self.desks();
            let entries = desks.answers().flat_map(|(key, said)| said.into_iter().map(move |(_, entry)| (key, entry)));
            let fits = |entry: &Entry| match entry.queue {
                // Only queues whose order does not depend on what the run thinks can be compared.
                Queue::Gold | Queue::All => !entry.shown,
                Queue::Assisted => entry.shown,
                _ => false,
            };
            let fits = entries.filter(|(_, entry)| fits(entry) && entry.desk != Desk::Judge);
            fits.filter_map(|(key, entry)| Some((key, meaning(entry.answer.as_ref()?), entry.shown))).collect()
        };
        let Some(suggestions) = self.suggestions().filter(|suggestions| suggestions.are_of_run()) else {
            // A model beside the work has learnt what it suggests from these very answers.
            let unknown = || Measured::unknown("there are no suggestions to compare with: `postil run` makes them");
            return Anchoring { blind: unknown(), assisted: unknown(), difference: unknown() };
        };
        let mut meanings: HashMap<Key, Option<u64>> = HashMap::new();
        let mut counts = [(0_u32, 0_u32); 2];
        for (key, said, shown) in asked {
            let suggested = *meanings.entry(key).or_insert_with(|| {
                // A part is another text than the one that the run has labelled.
                let position = self.items.index().position(key).filter(|_| !self.items.is_part(key))?;
                Some(meaning(&suggestions.get(position)?.answer))
            });
            if let Some(suggested) = suggested {
                let (hits, all) = &mut counts[usize::from(shown)];
                *hits += u32::from(suggested == said);
                *all += 1;
            }
        }
        let [blind, assisted] = counts;
        let share = |(hits, all): (u32, u32), what: &str| {
            if all == 0 {
                return Measured::unknown(format!("no {what} answers yet"));
            }
            let share = f64::from(hits) / f64::from(all);
            Measured::known(share, wilson(share, f64::from(all)), format!("{all} {what} answers"))
        };
        Anchoring {
            blind: share(blind, "blind"),
            assisted: share(assisted, "assisted"),
            difference: difference(assisted, blind),
        }
    }
}

/// The difference of two shares with its hybrid score interval (Newcombe 1998, <https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I>).
fn difference(assisted: (u32, u32), blind: (u32, u32)) -> Measured {
    const LEAST: u32 = 10;
    if assisted.1 < LEAST || blind.1 < LEAST {
        return Measured::unknown(format!(
            "expected at least {LEAST} blind and {LEAST} assisted answers, found {} and {}",
            blind.1, assisted.1
        ));
    }
    let share = |(hits, all): (u32, u32)| f64::from(hits) / f64::from(all);
    let (one, other) = (share(assisted), share(blind));
    let ((low, high), (other_low, other_high)) =
        (wilson(one, f64::from(assisted.1)), wilson(other, f64::from(blind.1)));
    let difference = one - other;
    let down = ((one - low).powi(2) + (other_high - other).powi(2)).sqrt();
    let up = ((high - one).powi(2) + (other - other_low).powi(2)).sqrt();
    let basis = format!("{} assisted and {} blind answers; the items of both differ", assisted.1, blind.1);
    Measured::known(difference, (difference - down, difference + up), basis)
}

fn row(hand: &Hand, now: i64) -> PersonRow {
    let said: Vec<&Entry> = hand.entries.iter().filter(|entry| !entry.gone && entry.remark.source.is_none()).collect();
    let count = |status: Said| said.iter().filter(|entry| entry.status == status).count();
    let answers = said.iter().filter(|entry| entry.answer.is_some()).count();
    let minutes = hand.millis as f64 / 60_000.0;
    let mut times: Vec<u64> = said.iter().map(|entry| entry.millis).filter(|&millis| millis > 0).collect();
    times.sort_unstable();
    let mut recent = vec![0_u32; RECENT];
    for entry in said.iter().rev() {
        let ago = (now - entry.at).max(0) / 60_000;
        match RECENT.checked_sub(ago as usize + 1) {
            Some(place) => recent[place] += 1,
            None => break,
        }
    }
    let actions: u32 = said.iter().map(|entry| entry.remark.actions).sum();
    PersonRow {
        name: hand.name.to_string(),
        answers,
        skipped: count(Said::Skipped),
        flagged: count(Said::Flagged),
        minutes,
        per_hour: (minutes > 0.0).then(|| answers as f64 / minutes * 60.0),
        median_seconds: (!times.is_empty()).then(|| times[times.len() / 2] as f64 / 1000.0),
        actions_per_answer: (!said.is_empty()).then(|| f64::from(actions) / said.len() as f64),
        recent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchoring_has_an_interval_that_holds_it_or_a_reason() {
        let Measured::Known { value, low, high, .. } = difference((88, 100), (56, 80)) else { panic!("known") };
        assert!((value - 0.18).abs() < 1e-9 && low < value && value < high && low > 0.0, "{value} [{low}, {high}]");
        assert_eq!(difference((9, 9), (50, 80)).value(), None);
    }
}
