//! The alternative annotator test, digit by digit against the notebook code of its authors.

use std::collections::BTreeMap;

use postil_core::Measured;
use postil_core::alt_test::{AltTestSettings, Panel, Scoring, alternative_test};
use serde_json::Value;

use crate::estimate_parity::text;
use crate::shared::data_with;

/// Humans in the order of the file, and every machine, with answers by number.
fn panels(set: &Value, numeric: bool) -> (Vec<String>, BTreeMap<String, Panel>) {
    let mut items: BTreeMap<String, u32> = BTreeMap::new();
    let mut labels: BTreeMap<String, f64> = BTreeMap::new();
    let mut read = |answers: &Value| -> Vec<(u32, f64)> {
        answers
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, answer)| !answer.is_null())
            .map(|(item, answer)| {
                let next = items.len() as u32;
                let item = *items.entry(item.clone()).or_insert(next);
                let next = labels.len() as f64;
                let code = if numeric {
                    answer.to_string().trim_matches('"').parse().unwrap()
                } else {
                    *labels.entry(answer.to_string()).or_insert(next)
                };
                (item, code)
            })
            .collect()
    };
    let humans = set["humans"].as_object().unwrap();
    let names = humans.keys().cloned().collect();
    let answers: Vec<Vec<(u32, f64)>> = humans.values().map(&mut read).collect();
    let machines = set["llms"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, machine)| (name.clone(), Panel { humans: answers.clone(), machine: read(machine) }))
        .collect();
    (names, machines)
}

#[test]
fn all_stored_runs_are_equal() {
    let Some(data) = data_with("parity") else { return };
    let folder = data.join("parity/alt_test");
    let expected: Vec<Value> = serde_json::from_str(&text(&folder.join("expected.json"))).unwrap();
    let mut sets = BTreeMap::new();
    let mut greatest = 0.0f64;
    for run in &expected {
        let name = run["dataset"].as_str().unwrap().to_owned();
        let numeric = run["score"] == "neg_rmse";
        let (names, machines) = sets.entry(name.clone()).or_insert_with(|| {
            let set: Value = serde_json::from_str(&text(&folder.join(format!("{name}.json.gz")))).unwrap();
            panels(&set, numeric)
        });
        let settings = AltTestSettings {
            scoring: if numeric { Scoring::NegativeRmse } else { Scoring::Accuracy },
            epsilon: run["epsilon"].as_f64().unwrap(),
            rate: run["q"].as_f64().unwrap(),
            resamples: 20,
            ..AltTestSettings::default()
        };
        let found = alternative_test(&machines[run["llm"].as_str().unwrap()], &settings).unwrap();
        let order: Vec<usize> = run["annotators"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| names.iter().position(|known| known == name.as_str().unwrap()).unwrap())
            .collect();
        let mut rejected = Vec::new();
        for (place, (&human, p)) in order.iter().zip(run["p_values"].as_array().unwrap()).enumerate() {
            let ours = found.humans[human].p_value.unwrap();
            greatest = greatest.max((ours - p.as_f64().unwrap()).abs());
            if found.humans[human].replaceable {
                rejected.push(place as u64);
            }
        }
        let mut theirs: Vec<u64> =
            run["rejected"].as_array().unwrap().iter().map(|one| one.as_u64().unwrap()).collect();
        theirs.sort_unstable();
        assert_eq!(rejected, theirs, "{run}");
        assert!((found.winning_rate.unwrap() - run["winning_rate"].as_f64().unwrap()).abs() < 1e-12, "{run}");
        assert_eq!(found.passed.unwrap(), run["passed"].as_bool().unwrap());
        let Measured::Known { value, .. } = found.advantage else { panic!("{run}") };
        assert!((value - run["advantage_prob"].as_f64().unwrap()).abs() <= 1e-9, "{run}");
    }
    assert_eq!(expected.len(), 96);
    assert!(greatest <= 1e-9, "{greatest}");
}
