//! Agreement, digit by digit against krippendorff 0.9, statsmodels 0.15 and scikit-learn 1.5.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use postil_core::Measured;
use postil_core::agreement::{Agreement, Scale, Settings, measure};
use postil_core::items::{AnswerOptions, AnswerTable, read_answers};
use postil_core::votes::{Repeats, VotesBuilder};
use serde_json::Value;

use crate::shared::data_with;

fn load(data: &Path, set: &str) -> AnswerTable {
    let folder = data.join("crowd").join(set);
    let plain = folder.join("answers.csv");
    let path = if plain.exists() { plain } else { folder.join("answers.csv.gz") };
    read_answers(path, &AnswerOptions::default()).unwrap()
}

fn agreement(answers: &AnswerTable, scale: Scale) -> Agreement {
    let mut builder = VotesBuilder::new(answers.labels.len()).repeats(Repeats::First);
    for ((&item, &annotator), &label) in answers.item.iter().zip(&answers.annotator).zip(&answers.label) {
        builder.push(item, annotator, label).unwrap();
    }
    let votes = builder.build(answers.items.len(), answers.annotators.len()).unwrap();
    measure(&votes, &Settings { scale, replicates: 20, ..Settings::default() }).unwrap()
}

fn close(found: &Measured, expected: &Value, what: &str) {
    match (found.value(), expected.as_f64()) {
        (Some(found), Some(expected)) => assert!((found - expected).abs() <= 1e-9, "{what}: {found} {expected}"),
        (None, None) => {}
        _ => panic!("{what}: {found} where {expected} is expected"),
    }
}

#[test]
fn every_coefficient_equals_the_fixture_on_all_eight_sets() {
    let Some(data) = data_with("parity") else { return };
    let mut text = String::new();
    std::fs::File::open(data.join("parity/agreement.json")).unwrap().read_to_string(&mut text).unwrap();
    let fixtures: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(fixtures.len(), 8);
    let mut compared = 0;
    for (set, expected) in &fixtures {
        let answers = load(&data, set);
        let values = (0..answers.labels.len()).map(|class| class as f64).collect();
        let nominal = agreement(&answers, Scale::Nominal);
        let ordinal = agreement(&answers, Scale::Ordinal);
        let interval = agreement(&answers, Scale::Interval(values));
        assert_eq!(Some(nominal.items as u64), expected["items"].as_u64(), "{set}");
        assert_eq!(Some(nominal.annotators as u64), expected["annotators"].as_u64(), "{set}");
        close(&nominal.coefficients.alpha, &expected["krippendorff_alpha_nominal"], set);
        close(&ordinal.coefficients.alpha_nominal, &expected["krippendorff_alpha_nominal"], set);
        for (found, name) in [(&ordinal, "krippendorff_alpha_ordinal"), (&interval, "krippendorff_alpha_interval")] {
            if let Some(expected) = expected.get(name) {
                close(&found.coefficients.alpha, expected, &format!("{set} {name}"));
                compared += 1;
            }
        }
        match expected.get("fleiss_kappa") {
            Some(expected) => close(&nominal.coefficients.fleiss_kappa, expected, set),
            None => assert!(nominal.coefficients.fleiss_kappa.value().is_none(), "{set}"),
        }
        if let Some(expected) = expected.get("randolph_kappa") {
            close(&nominal.coefficients.randolph_kappa, expected, set);
        }
        for (name, expected) in expected["per_class_alpha"].as_object().unwrap() {
            let class = answers.labels.iter().position(|label| **label == **name).unwrap();
            close(&nominal.classes[class].alpha, expected, &format!("{set} {name}"));
            compared += 1;
        }
        for pair in expected["cohen_pairs"].as_array().unwrap() {
            let number = |name: &str| answers.annotators.find(pair[name].as_str().unwrap()).unwrap();
            let (first, second) = (number("a").min(number("b")), number("a").max(number("b")));
            let found = ordinal.pairs.iter().find(|found| (found.first, found.second) == (first, second)).unwrap();
            let what = format!("{set} {pair}");
            assert_eq!(Some(found.shared), pair["n"].as_u64(), "{what}");
            close(&found.observed, &pair["agreement"], &what);
            close(&found.kappa, &pair["kappa"], &what);
            if let Some(expected) = pair.get("kappa_linear") {
                close(found.kappa_linear.as_ref().unwrap(), expected, &what);
                close(found.kappa_quadratic.as_ref().unwrap(), &pair["kappa_quadratic"], &what);
            }
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} figures compared");
}
