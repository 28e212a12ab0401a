//! CROWDLAB and ActiveLab, number by number against cleanlab 2.9.0; and what the repair is worth on the same sets.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use postil_core::crowdlab::{Crowdlab, ModelSettings, Variant, active_scores, fit, fit_with_model};
use postil_core::label_errors::Probabilities;
use postil_core::votes::{Gold, Votes, VotesBuilder};

use crate::shared::data_with;

/// Rows of a file, plain or packed, without the header.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| {
        let packed = std::fs::File::open(format!("{}.gz", path.display())).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        text
    });
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

struct Set {
    items: Vec<String>,
    annotators: Vec<String>,
    votes: Votes,
    model: Vec<f64>,
    truth: Vec<u16>,
}

impl Set {
    fn probabilities(&self) -> Probabilities<'_> {
        Probabilities::double(&self.model, 2).unwrap()
    }

    fn fit(&self, variant: Variant) -> Crowdlab {
        fit(&self.votes, &[self.probabilities()], variant).unwrap()
    }
}

fn load(data: &Path, name: &str) -> Set {
    let probabilities = rows(&data.join(format!("parity/crowdlab/{name}/pred_probs.csv")));
    let items: Vec<String> = probabilities.iter().map(|row| row[0].clone()).collect();
    let number: BTreeMap<&str, u32> =
        items.iter().enumerate().map(|(place, item)| (item.as_str(), place as u32)).collect();
    let answers = rows(&data.join(format!("crowd/{name}/answers.csv")));
    let mut annotators: Vec<String> = answers.iter().map(|row| row[1].clone()).collect();
    annotators.sort();
    annotators.dedup();
    let mut builder = VotesBuilder::new(2);
    for row in &answers {
        let annotator = annotators.binary_search(&row[1]).unwrap();
        builder.push(number[row[0].as_str()], annotator as u32, row[2].parse().unwrap()).unwrap();
    }
    let mut truth = vec![u16::MAX; items.len()];
    for row in rows(&data.join(format!("crowd/{name}/truth.csv"))) {
        truth[number[row[0].as_str()] as usize] = row[1].parse().unwrap();
    }
    let model = probabilities.iter().flat_map(|row| [row[1].parse().unwrap(), row[2].parse().unwrap()]).collect();
    let votes = builder.build(items.len(), annotators.len()).unwrap();
    Set { items, annotators, votes, model, truth }
}

fn near(what: &str, found: f64, expected: &str) {
    let expected: f64 = expected.parse().unwrap();
    assert!((found - expected).abs() <= 1e-6, "{what}: {found} {expected}");
}

#[test]
fn consensus_qualities_and_weights_equal_the_fixtures() {
    let Some(data) = data_with("parity/crowdlab") else { return };
    for name in ["hs_brexit", "jn_product"] {
        let set = load(&data, name);
        let folder = data.join(format!("parity/crowdlab/{name}"));
        let found = set.fit(Variant::Strict);
        for (item, row) in rows(&folder.join("label_quality.csv")).iter().enumerate() {
            assert_eq!(row[0], set.items[item]);
            assert_eq!(found.labels[item].to_string(), row[1], "{name} {item}");
            near(&format!("{name} quality {item}"), found.quality(item), &row[2]);
            let agree = set.votes.of(item).filter(|vote| vote.class == found.labels[item]).count();
            near("agreement", agree as f64 / set.votes.support(item) as f64, &row[3]);
        }
        let weights: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("weights.json")).unwrap()).unwrap();
        let relative = |found: f64, expected: &serde_json::Value| {
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{name}: {found} {expected}");
        };
        relative(found.model_weights[0], &weights["model_weight"]);
        for (annotator, label) in set.annotators.iter().enumerate() {
            relative(found.annotator_weights[annotator], &weights["annotator_weight"][label]);
        }
        let mut worst_differ = 0;
        let stats = rows(&folder.join("annotator_stats.csv"));
        assert_eq!(stats.len(), set.annotators.len());
        for row in &stats {
            let annotator = set.annotators.binary_search(&row[0]).unwrap();
            near(&format!("{name} quality of {}", row[0]), found.annotator_quality[annotator].unwrap(), &row[1]);
            near(&format!("{name} agreement of {}", row[0]), found.agreement[annotator].unwrap(), &row[2]);
            worst_differ += usize::from(found.worst_class[annotator].unwrap().to_string() != row[3]);
        }
        assert_eq!(worst_differ, 0, "{name}: of {} annotators", stats.len());
    }
}

#[test]
fn the_quality_of_every_label_equals_the_fixture() {
    let Some(data) = data_with("parity/crowdlab") else { return };
    let set = load(&data, "hs_brexit");
    let found = set.fit(Variant::Strict);
    for (item, row) in rows(&data.join("parity/crowdlab/hs_brexit/detailed_label_quality.csv")).iter().enumerate() {
        for vote in set.votes.of(item) {
            near("label", found.label_quality(item, vote.class), &row[1 + vote.annotator as usize]);
        }
    }
}

#[test]
fn active_learning_scores_equal_the_fixture() {
    let Some(data) = data_with("parity/crowdlab") else { return };
    let set = load(&data, "hs_brexit");
    let text = std::fs::read_to_string(data.join("parity/crowdlab/hs_brexit/activelab.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let first: Vec<u32> = (0..600).collect();
    let labelled = Probabilities::double(&set.model[..1200], 2).unwrap();
    let pool = Probabilities::double(&set.model[1200..], 2).unwrap();
    let found = active_scores(&set.votes.select(&first), labelled, pool, Variant::Strict).unwrap();
    for (what, found) in [("labelled", &found.labelled), ("unlabelled", &found.unlabelled)] {
        let expected = expected[what].as_array().unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            near(what, *found, &expected.to_string());
        }
    }
}

/// Accuracy, macro F1 and log-loss.
fn figures(set: &Set, labels: &[u16], posterior: impl Fn(usize, usize) -> f64) -> [f64; 3] {
    let mut counts = [[0.0; 2]; 2];
    let mut loss = 0.0;
    for (item, &truth) in set.truth.iter().enumerate() {
        counts[usize::from(truth)][usize::from(labels[item])] += 1.0;
        loss -= posterior(item, usize::from(truth)).max(1e-12).ln();
    }
    let all: f64 = counts.iter().flatten().sum();
    let f1 = |class: usize| {
        let given = counts[0][class] + counts[1][class];
        2.0 * counts[class][class] / (given + counts[class][0] + counts[class][1])
    };
    [(counts[0][0] + counts[1][1]) / all, f64::midpoint(f1(0), f1(1)), loss / all]
}

#[test]
#[expect(clippy::print_stderr, reason = "the table for whoever runs it with --no-capture")]
fn the_repair_beats_the_published_method_where_one_class_is_frequent() {
    let Some(data) = data_with("parity/crowdlab") else { return };
    for name in ["hs_brexit", "jn_product"] {
        let set = load(&data, name);
        let (strict, repaired) = (set.fit(Variant::Strict), set.fit(Variant::Repaired));
        let settings = ModelSettings::default();
        let with_model = fit_with_model(&set.votes, &Gold::none(), set.probabilities(), &settings).unwrap();
        let votes = |item: usize, class: usize| {
            let says = set.votes.of(item).filter(|vote| usize::from(vote.class) == class).count();
            (says as f64 + 0.5) / (set.votes.support(item) as f64 + 1.0)
        };
        let majority: Vec<u16> = (0..set.items.len()).map(|item| u16::from(votes(item, 1) > 0.5)).collect();
        let model: Vec<u16> = (0..set.items.len()).map(|item| set.probabilities().likeliest(item) as u16).collect();
        let table = [
            ("majority", figures(&set, &majority, votes)),
            ("model alone", figures(&set, &model, |item, class| set.model[item * 2 + class])),
            ("strict", figures(&set, &strict.labels, |item, class| strict.of(item)[class])),
            ("repaired", figures(&set, &repaired.labels, |item, class| repaired.of(item)[class])),
            (
                "model Dawid-Skene",
                figures(&set, &with_model.labels, |item, class| with_model.posterior[item * 2 + class]),
            ),
        ];
        for (method, [accuracy, f1, loss]) in table {
            eprintln!("{name:<12} {method:<18} accuracy {accuracy:.4}  macro F1 {f1:.4}  log-loss {loss:.4}");
        }
        eprintln!("{name} weights {:?} {:?}", repaired.model_weights, with_model.tried);
        eprintln!(
            "{name} overturned {} / {}; notes {:?}",
            strict.overturned.len(),
            repaired.overturned.len(),
            repaired.notes
        );
        let [.., strict, repaired, _] = table;
        assert!(repaired.1[1] > strict.1[1] && repaired.1[0] > strict.1[0], "{name}");
    }
}
