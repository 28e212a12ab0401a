//! What programs, lists and models said about the items that somebody decides on.

use std::collections::HashMap;

use postil_core::ledger::{Detail, Ledger};
use postil_core::{AnnotatorIdentity, AnnotatorKind, Name, Result, Status};

use crate::items::{Key, key_of};
use crate::wire::{Said, Voice};

/// In a ledger with more annotations than this it is not looked up what machines said: a decision would wait too long.
const MOST_ANNOTATIONS: u64 = 3_000_000;

/// The latest version of every annotator that is no person.
fn machines(ledger: &Ledger) -> Result<Vec<AnnotatorIdentity>> {
    let mut latest: HashMap<Name, AnnotatorIdentity> = HashMap::new();
    for annotator in ledger.annotators()? {
        if annotator.identity.kind != AnnotatorKind::Person {
            latest.insert(annotator.identity.name.clone(), annotator.identity);
        }
    }
    let mut all: Vec<AnnotatorIdentity> = latest.into_values().collect();
    all.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(all)
}

/// The answers of machines about these items; one pass over what they said.
pub(crate) fn voices(ledger: &Ledger, keys: &[Key]) -> Result<HashMap<Key, Vec<Voice>>> {
    let mut found: HashMap<Key, Vec<Voice>> = keys.iter().map(|&key| (key, Vec::new())).collect();
    let machines = machines(ledger)?;
    let versions: Vec<_> = machines.iter().map(|machine| machine.version).collect();
    let snapshot = ledger.snapshot(&versions)?;
    if snapshot.len() > MOST_ANNOTATIONS {
        return Ok(found);
    }
    for machine in &machines {
        snapshot.scan_of(machine.version, Detail::Full, |batch| {
            for (row, id) in batch.items().iter().enumerate() {
                let Some(voices) = found.get_mut(&key_of(id.unwrap_or(""))) else { continue };
                let annotation = batch.annotation(row)?;
                let answered = annotation.status == Status::Ok;
                voices.push(Voice {
                    by: machine.name.to_string(),
                    kind: machine.kind.name(),
                    status: if answered { Said::Answered } else { Said::Skipped },
                    answer: answered.then_some(annotation.answer),
                    note: annotation.evidence,
                    confidence: annotation.confidence,
                    at: None,
                    shown: false,
                    evidence: None,
                });
            }
            Ok(())
        })?;
    }
    Ok(found)
}
