//! What is particular to pairs: how far annotators follow the place of a text, and the ranking of those who wrote them.

use arrow_array::Array;
use postil_core::audit::wilson;
use postil_core::items::Names;
use postil_core::ledger::{Detail, Snapshot};
use postil_core::pairs::{Comparisons, Method, Outcome, Ranking, Settings, rank};
use postil_core::{Answer, Measured, Preference, Result, Status, TaskKind};

use super::Watch;
use super::annotate::open_items;
use super::summary::Findings;
use crate::ranking::warnings;
use crate::report::{PairsSummary, PlaceRow, RankRow};

/// A ranking with the names of the contestants.
pub(super) struct Ranked {
    pub(super) contestants: Names,
    pub(super) ranking: Ranking,
}

/// Ranks those who wrote the texts by the labels of the run, one comparison for each item; `None` if items do not name
/// them.
///
/// # Errors
/// An item that names nobody for a side, or more contestants than can be ranked.
pub(super) fn ranking(findings: &Findings<'_>, watch: &dyn Watch) -> Result<Option<Ranked>> {
    let project = findings.project;
    let Some(columns) = project.pairs.as_ref().and_then(|pairs| pairs.names.as_ref()) else { return Ok(None) };
    watch.stage("ranking", None);
    let mut contestants = Names::default();
    let mut rows = Vec::with_capacity(findings.items());
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        for row in 0..batch.len() {
            let Some(item) = findings.annotated.items.position(batch.id(row), batch.digest(row)) else { continue };
            let name = |column: &str| batch.field(row, column).filter(|name| !name.trim().is_empty());
            let (Some(left), Some(right)) = (name(&columns.left), name(&columns.right)) else { continue };
            // Nobody is compared with himself, and where nobody answered nothing was compared.
            if left == right || findings.fused.support[item as usize] == 0 {
                continue;
            }
            let outcome = match findings.project.task.labels.name(findings.labels.given[item as usize]).as_ref() {
                "left" => Outcome::Left,
                "right" => Outcome::Right,
                _ => Outcome::Tie,
            };
            rows.push((contestants.intern(&left), contestants.intern(&right), outcome));
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let mut comparisons = Comparisons::new(contestants.len(), 1);
    for (left, right, outcome) in rows {
        comparisons.push(left, right, 0, outcome)?;
    }
    let ties = comparisons.rows().iter().any(|row| row.outcome == Outcome::Tie);
    let method = if ties { Method::Davidson } else { Method::BradleyTerry };
    let ranking = rank(&comparisons, &Settings { method, ..Settings::default() })?;
    Ok(Some(Ranked { contestants, ranking }))
}

/// What the report says about places and ranks.
pub(super) fn summary(
    findings: &Findings<'_>,
    snapshot: &Snapshot,
    ranked: Option<&Ranked>,
) -> Result<Option<PairsSummary>> {
    if findings.project.task.kind != TaskKind::Pairs {
        return Ok(None);
    }
    let mut places = Vec::new();
    for identity in &findings.annotated.identities {
        let mut counts = Counts::default();
        snapshot.scan_of(identity.version, Detail::Full, |batch| {
            for row in 0..batch.len() {
                let item = if batch.items().is_valid(row) { batch.items().value(row) } else { "" };
                let known = findings.annotated.items.position(item, batch.contents()[row]).is_some();
                if let (Answer::Preference { choice, orders }, Status::Ok, true) =
                    (batch.answer(row), batch.status(row), known)
                {
                    counts.add(*choice, *orders);
                }
            }
            Ok(())
        })?;
        places.push(counts.row(&identity.name));
    }
    let row = |(rank, &place): (usize, &u32)| {
        let ranked = ranked.expect("there are ranks only in a ranking");
        let standing = &ranked.ranking.standings[place as usize];
        RankRow {
            rank: rank as u64 + 1,
            name: ranked.contestants.get(place).to_owned(),
            strength: standing.strength.clone(),
            wins: standing.wins,
            losses: standing.losses,
            ties: standing.ties,
        }
    };
    Ok(Some(PairsSummary {
        places,
        method: ranked.map(|ranked| ranked.ranking.method.to_owned()),
        ranking: ranked.map_or_else(Vec::new, |ranked| ranked.ranking.order.iter().enumerate().map(row).collect()),
        remarks: ranked.map_or_else(Vec::new, |ranked| warnings(&ranked.contestants, &ranked.ranking)),
    }))
}

/// What one annotator said about places.
#[derive(Default)]
struct Counts {
    left: u64,
    decided: u64,
    both: u64,
    flips: u64,
    undecided: u64,
    first: u64,
    replies: u64,
}

impl Counts {
    fn add(&mut self, choice: Preference, orders: Option<(Preference, Preference)>) {
        self.left += u64::from(choice == Preference::Left);
        self.decided += u64::from(choice != Preference::Tie);
        let Some((first, second)) = orders else { return };
        self.both += 1;
        self.flips += u64::from(first != second);
        self.undecided += u64::from(first != second && choice == Preference::Tie);
        self.first += u64::from(first == Preference::Left) + u64::from(second == Preference::Right);
        self.replies += u64::from(first != Preference::Tie) + u64::from(second != Preference::Tie);
    }

    fn row(&self, name: &str) -> PlaceRow {
        let share = |hits: u64, of: u64, count: f64, what: &str| {
            if of == 0 {
                return Measured::unknown(format!("there are no {what}"));
            }
            let share = hits as f64 / of as f64;
            Measured::known(share, wilson(share, count), format!("{of} {what}"))
        };
        let asked = "pairs asked in both orders";
        PlaceRow {
            annotator: name.to_owned(),
            left: share(self.left, self.decided, self.decided as f64, "decided pairs"),
            asked_twice: self.both,
            flips: share(self.flips, self.both, self.both as f64, asked),
            // The two replies about a pair hang together: they count as one.
            first: share(self.first, self.replies, self.replies as f64 / 2.0, "decided replies to both orders"),
            undecided: share(self.undecided, self.both, self.both as f64, asked),
        }
    }
}
