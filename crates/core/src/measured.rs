//! Numbers that carry their interval and their basis.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::number;

/// A figure with its interval, the interval's level, and what it rests on, or the reason why it is not known.
///
/// No figure about quality leaves Postil as a bare number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Measured {
    /// The figure is known up to its interval.
    Known {
        /// The estimate.
        #[serde(deserialize_with = "number::plain")]
        value: f64,
        /// The lower end of the interval.
        #[serde(deserialize_with = "number::plain")]
        low: f64,
        /// The upper end.
        #[serde(deserialize_with = "number::plain")]
        high: f64,
        /// The level, such as 0.95.
        #[serde(deserialize_with = "number::plain")]
        level: f64,
        /// What it rests on, such as `90 blind gold items drawn at random`.
        basis: String,
    },
    /// The figure cannot be known from what there is.
    Unknown {
        /// Why, and what would make it known.
        reason: String,
    },
}

impl Measured {
    /// A known figure at the 95 % level.
    pub fn known(value: f64, (low, high): (f64, f64), basis: impl Into<String>) -> Self {
        Self::Known { value, low, high, level: 0.95, basis: basis.into() }
    }

    /// A figure that is not known.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown { reason: reason.into() }
    }

    /// The estimate, if it is known.
    pub const fn value(&self) -> Option<f64> {
        match self {
            Self::Known { value, .. } => Some(*value),
            Self::Unknown { .. } => None,
        }
    }

    /// The figure and its interval without the basis: `0.91 [0.87, 0.94]`, or `unknown`.
    pub fn brief(&self) -> String {
        match self {
            Self::Known { value, low, high, .. } => format!("{value:.3} [{low:.3}, {high:.3}]"),
            Self::Unknown { .. } => "unknown".to_owned(),
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { level, basis, .. } => write!(out, "{}, {:.0} %, {basis}", self.brief(), level * 100.0),
            Self::Unknown { reason } => write!(out, "unknown: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_survive_json_bit_for_bit() {
        for figure in [Measured::known(0.1 + 0.2, (1e-300, 1.0), "b"), Measured::unknown("no gold")] {
            let text = serde_json::to_string(&figure).unwrap();
            assert_eq!(serde_json::from_str::<Measured>(&text).unwrap(), figure, "{text}");
        }
    }
}
