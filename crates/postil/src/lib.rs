//! Turns raw data into labels one can trust, and into small fast models.
//!
//! [`Project`](project::Project) is a folder with a `postil.toml`; [`run`](run::run) labels its items, measures the
//! labels on blind gold, trains a model and fills a [`Report`](report::Report).
//!
//! ```no_run
//! use postil::project::Project;
//! use postil::run::{Options, Unwatched, run};
//!
//! # fn main() -> postil_core::Result<()> {
//! let project = Project::open("examples/tickets")?;
//! let outcome = run(&project, &Options { threads: 2, ..Options::default() }, &Unwatched)?;
//! println!("{}", outcome.report.headline.sentence);
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! source ─items─▶ annotators ─annotations─▶ ledger ─snapshot─▶ consensus ─▶ student ─▶ labels, model, report
//!                                                                 gold ─▶ audit ─▲
//! ```

pub mod command;
pub mod project;
mod ranking;
pub mod report;
pub mod run;
pub mod score;
pub mod tagging;
