//! Promises about accepted labels, label sets that hold the truth, and how much gold either needs.
//!
//! [`promise`] finds the threshold of confidence above which at most a given share of the labels is wrong, with a given
//! confidence, or says that it cannot be promised. [`label_sets`] makes sets of labels that contain the true one as
//! often as asked. [`calibration`] measures whether probabilities are as high as they are right. [`plan`] says how
//! many gold labels a question needs before anything is spent.

mod calibration;
mod conformal;
mod evidence;
mod plan;
mod promise;

pub use calibration::{Calibration, calibration, temperature};
pub use conformal::{ConformalScore, LabelSets, SetRule, label_sets};
pub use plan::{Question, items_needed};
pub use promise::{GoldCheck, Promise, PromiseSettings, RiskPoint, promise};
