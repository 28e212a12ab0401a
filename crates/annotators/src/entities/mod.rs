//! Names of people, places and things, found in texts by lists of up to millions of entries.

mod build;
mod case;
mod configured;
mod find;
mod fold;
mod list;
mod near;
mod policy;
mod propagate;
mod propose;
mod read;
mod resolve;
mod score;
mod surfaces;
mod table;
#[cfg(test)]
mod tests;
mod tune;
mod units;
mod walk;
mod words;

pub use build::{BuildReport, LeftOut};
pub use configured::{ConfiguredList, left_out, matcher_of};
pub use find::{EntityMatcher, Found, Given, Scratch, Source};
pub use fold::Plural;
pub use list::{EntityList, ReadReport};
pub use policy::{Accents, Hyphens, Parts, Policy, Switches};
pub use propagate::{Propagation, Scope, propagate, sentence_weights};
pub use propose::{Proposal, propose};
pub use read::{ListColumns, read_folder, read_lists};
pub use score::{BadEntry, Counts, GoldText, MissedName, Mistakes, Said, mistakes, nearest, say};
pub use surfaces::Origin;
pub use tune::{Change, Tuned, apply, cross_validate, tune};
