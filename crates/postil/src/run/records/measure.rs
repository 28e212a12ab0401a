//! How many fields are right, on the gold that only measures.

use postil_core::Measured;
use postil_core::audit::{GoldPart, effective_count, effective_of_clusters, wilson};
use serde_json::Value;

use super::super::measure::LEAST;
use super::Findings;

/// Figures of exact values.
pub(super) struct Measurements {
    /// By field.
    pub(super) fields: Vec<Measured>,
    /// Over all fields of all records.
    pub(super) all: Measured,
    /// Records of which every known field is right.
    pub(super) whole: Measured,
}

/// Why a figure is unknown, if there is too little gold.
pub(super) fn too_few(findings: &Findings<'_>) -> Option<String> {
    let measuring = findings.gold.part(GoldPart::Measure).count() as u64;
    if findings.gold.records.is_empty() {
        return Some("there are no gold records".to_owned());
    }
    (measuring < LEAST).then(|| format!("only {measuring} gold items measure, {LEAST} are the least"))
}

/// Measures what `given` says about a decision; decisions of which it says nothing do not count.
pub(super) fn measure<'a>(findings: &'a Findings<'_>, given: &dyn Fn(usize) -> Option<&'a Value>) -> Measurements {
    let unknown = || too_few(findings);
    let mut fields = vec![Share::default(); findings.fields()];
    let mut whole = Share::default();
    let mut clusters = Vec::new();
    for record in findings.gold.part(GoldPart::Measure) {
        let (mut right, mut all) = (0.0, 0.0);
        for (field, truth) in record.truth.iter().enumerate() {
            let decision = record.position as usize * findings.fields() + field;
            if let (Some(truth), Some(value)) = (truth, given(decision)) {
                let hit = truth == value;
                fields[field].add(hit, record.weight);
                (right, all) = (right + record.weight * f64::from(u8::from(hit)), all + record.weight);
            }
        }
        if all > 0.0 {
            clusters.push((right, all));
            whole.add(right == all, record.weight);
        }
    }
    let basis = findings.gold.basis();
    let figure = |share: &Share, what: &str| match unknown() {
        Some(reason) => Measured::unknown(reason),
        None => share.figure(&format!("{} {what} in {basis}", share.count)),
    };
    let (right, all): (f64, f64) = clusters.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let counted: u64 = fields.iter().map(|share| share.count).sum();
    Measurements {
        fields: fields.iter().map(|share| figure(share, "values")).collect(),
        whole: figure(&whole, "records"),
        all: match unknown() {
            Some(reason) => Measured::unknown(reason),
            None if all == 0.0 => Measured::unknown("no gold is about it"),
            // Fields of one record hang together.
            None => Measured::known(
                right / all,
                wilson(right / all, effective_of_clusters(&clusters)),
                format!("{counted} values in {basis}"),
            ),
        },
    }
}

#[derive(Clone, Copy, Default)]
struct Share {
    right: f64,
    weight: f64,
    square: f64,
    count: u64,
}

impl Share {
    fn add(&mut self, hit: bool, weight: f64) {
        self.right += if hit { weight } else { 0.0 };
        self.weight += weight;
        self.square += weight * weight;
        self.count += 1;
    }

    fn figure(&self, basis: &str) -> Measured {
        if self.count == 0 {
            return Measured::unknown("no gold is about it");
        }
        let share = self.right / self.weight;
        Measured::known(share, wilson(share, effective_count(self.weight, self.square)), basis)
    }
}
