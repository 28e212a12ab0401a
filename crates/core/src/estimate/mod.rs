//! Population figures from surrogate labels that stay valid whatever the machine gets wrong.
//!
//! A machine labels every row, people label a sample drawn with known probabilities, and both together give estimates
//! that are unbiased like those of the sample and narrower than it alone could make them. [`regress`] and [`shares`]
//! are design-based supervised learning; [`prediction_powered`] is its relative for simple random samples.
//!
//! ```
//! use postil_core::estimate::{Formula, Frame, Pair, Sampling, Settings, Table, Values, regress};
//!
//! let mut frame = Frame::default();
//! let rows = 0..400;
//! let group = |row: i32| if row % 2 == 0 { "a" } else { "b" };
//! frame.push("group", Values::parse(rows.clone().map(group)))?;
//! frame.push("machine", Values::Numbers(rows.clone().map(|row| f64::from(u8::from(row % 3 == 0))).collect()))?;
//! frame.push("person", Values::Numbers(rows.clone().map(|row| match row % 5 {
//!     0 => f64::from(u8::from(row % 3 == 0 || row % 7 == 0)),
//!     _ => f64::NAN,
//! }).collect()))?;
//! let table = Table {
//!     frame,
//!     pairs: vec![Pair { gold: "person".into(), surrogate: "machine".into() }],
//!     sampling: Sampling::Random,
//!     cluster: None,
//! };
//! let estimates = regress(&table, &Formula::parse("person ~ group")?, &Settings::default())?;
//! assert_eq!(estimates.terms[1].name, "group[b]");
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! ```text
//! table, formula -> prepare (design) -> crossfit -> moments -> median over splits -> terms beside naive and gold alone
//! ```

mod algebra;
mod crossfit;
mod design;
mod dsl;
mod fits;
mod formula;
mod frame;
mod moments;
mod ppi;
mod predictions;
mod prepare;
mod result;
mod sides;

pub use dsl::{Family, Prediction, Settings, regress, shares};
pub use formula::{Factor, Formula, Transform};
pub use frame::{Frame, MISSING, Values};
pub use ppi::{Lambda, prediction_powered, prediction_powered_quantile};
pub use prepare::{Pair, Sampling, Table};
pub use result::{Estimates, Power, Term};
