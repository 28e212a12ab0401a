//! Consensus over the run's votes, fitted on the gold that fits.

use postil_core::audit::GoldPart;
use postil_core::consensus::{self, Consensus, Order};
use postil_core::votes::{Gold as DecisionGold, GoldEntry, Votes};
use postil_core::{Result, TaskKind};

use super::decisions::Decisions;
use super::gold::Gold;
use crate::project::Project;

/// What the annotators say together.
pub(super) struct Fused {
    /// The consensus.
    pub consensus: Consensus,
    /// Votes per decision.
    pub support: Vec<u32>,
    /// Decisions with at least one vote.
    pub answered: u64,
}

/// Fuses the votes by the project's method.
pub(super) fn fuse(project: &Project, votes: &Votes, decisions: &Decisions, gold: &Gold) -> Result<Fused> {
    let entries: Vec<GoldEntry> = gold
        .part(GoldPart::Fit)
        .flat_map(|gold| gold.truths(decisions).map(move |(decision, class)| (decision, class, gold.weight)))
        .map(|(decision, class, weight)| GoldEntry { decision: decision as u32, class, inclusion: Some(1.0 / weight) })
        .collect();
    let settings = consensus::Settings {
        seed: project.seed,
        order: if project.task.kind == TaskKind::Ordinal { Order::Given } else { Order::None },
        ..consensus::Settings::default()
    };
    let consensus = consensus::fit(votes, &DecisionGold::new(entries)?, project.method, &settings)?;
    let support: Vec<u32> = (0..votes.decisions()).map(|decision| votes.support(decision) as u32).collect();
    let answered = support.iter().filter(|&&votes| votes > 0).count() as u64;
    Ok(Fused { consensus, support, answered })
}
