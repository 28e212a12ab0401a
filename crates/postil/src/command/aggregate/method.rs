//! What `postil aggregate --method` can name: ways to fuse answers, to fuse them together with a model, and to rank
//! contestants by comparisons.

use postil_core::consensus;
use postil_core::pairs;

use super::model::ModelMethod;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Fuses answers.
    Consensus(consensus::Method),
    /// Fuses answers and the probabilities of a model.
    Model(ModelMethod),
    /// Ranks contestants.
    Pairs(pairs::Method),
}

impl Chosen {
    /// The method of a name.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        if let Ok(method) = pairs::Method::parse(name) {
            return Ok(Self::Pairs(method));
        }
        if let Some(method) = ModelMethod::parse(name) {
            return Ok(Self::Model(method));
        }
        consensus::Method::parse(name).map(Self::Consensus).map_err(|error| {
            let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!(
                "{error}; with `--probs` one of {}; for comparisons one of {}",
                list(&ModelMethod::ALL.map(ModelMethod::name)),
                list(&pairs::Method::ALL.map(pairs::Method::name))
            )
        })
    }
}
