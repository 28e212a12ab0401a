//! Names of people, places and things, found in texts by lists of up to millions of entries.

mod build;
mod case;
mod find;
mod fold;
mod list;
mod policy;
mod read;
mod resolve;
mod surfaces;
mod table;
#[cfg(test)]
mod tests;
mod units;
mod words;

pub use build::{BuildReport, LeftOut};
pub use find::{EntityMatcher, Found, Given, Scratch, Source};
pub use fold::Plural;
pub use list::{EntityList, ReadReport};
pub use policy::{Accents, Hyphens, Parts, Policy, Switches};
pub use read::{ListColumns, read_lists};
pub use surfaces::Origin;
