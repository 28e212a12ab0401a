//! Floating-point fields of tagged enums.
//!
//! Serde buffers such an enum until it has seen the tag, and `serde_json` with `arbitrary_precision` buffers a number as
//! a map that `f64` does not read back. Going through [`serde_json::Number`] does, with and without that feature.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::task::Name;

fn to_float<E: Error>(number: &Number) -> Result<f64, E> {
    number.as_f64().ok_or_else(|| E::custom(format!("expected a number of 64 bits, found {number}")))
}

pub(crate) fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    to_float(&Number::deserialize(deserializer)?)
}

pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::<Number>::deserialize(deserializer)?.map(|number| to_float(&number)).transpose()
}

pub(crate) fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Name, f64)>, D::Error> {
    let named = Vec::<(Name, Number)>::deserialize(deserializer)?;
    named.into_iter().map(|(name, number)| Ok((name, to_float(&number)?))).collect()
}
