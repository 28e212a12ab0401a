//! What the rules save on real answers.

use std::collections::BTreeMap;
use std::path::Path;

use postil_core::redundancy::{Answers, Replay, Rule, Settings, replay};

use crate::shared::data_with;

fn run(folder: &Path, name: &str) -> Replay {
    let rows = |file: &str| -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(folder.join(name).join(file)).unwrap();
        text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let (mut items, mut annotators) = (BTreeMap::new(), BTreeMap::new());
    let (mut item, mut annotator, mut label) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows("answers.csv") {
        let next = items.len() as u32;
        item.push(*items.entry(row[0].clone()).or_insert(next));
        let next = annotators.len() as u32;
        annotator.push(*annotators.entry(row[1].clone()).or_insert(next));
        label.push(row[2].parse().unwrap());
    }
    let mut truth = vec![u16::MAX; items.len()];
    for row in rows("truth.csv") {
        if let Some(&place) = items.get(&row[0]) {
            truth[place as usize] = row[1].parse().unwrap();
        }
    }
    let classes = usize::from(*label.iter().max().unwrap()) + 1;
    let answers = Answers {
        item: &item,
        annotator: &annotator,
        label: &label,
        items: items.len(),
        annotators: annotators.len(),
        classes,
    };
    replay(&answers, Some(&truth), &Settings::default()).unwrap()
}

#[expect(clippy::print_stderr, reason = "the table for whoever runs it with --no-capture")]
fn compare(names: &[&str]) {
    let Some(folder) = data_with("crowd").map(|data| data.join("crowd")) else { return };
    for name in names {
        let found = run(&folder, name);
        let full = found.full_accuracy.as_ref().unwrap().brief();
        eprintln!(
            "{name}: {} answers, {} items, all answers {full}, best {}",
            found.answers,
            found.items,
            found.best.name()
        );
        for one in &found.rules {
            let accuracy = one.accuracy.as_ref().unwrap().brief();
            let (rule, threshold, saved) = (one.rule.name(), one.threshold, 100.0 * one.saved);
            eprintln!(
                "  {rule:<10} {threshold:.4} saved {saved:5.1} %  same {}  accuracy {accuracy}",
                one.agreement.brief()
            );
        }
        let of = |rule: Rule| found.rules.iter().find(|one| one.rule == rule).unwrap();
        assert_eq!(of(Rule::Decided).agreement.value(), Some(1.0), "{name}: what is decided stays decided");
        let (best, random) = (of(found.best), of(Rule::Random));
        assert!(best.saved >= of(Rule::Decided).saved, "{name}");
        assert!(best.agreement.value() > random.agreement.value(), "{name}: {best:?} {random:?}");
        // One percent was the target on one half of the items; on the other half chance may add a little.
        assert!(best.agreement.value().unwrap() >= 0.975, "{name}: {best:?}");
    }
}

#[test]
fn the_best_rule_saves_more_than_chance_at_the_same_labels() {
    compare(&["rte", "hs_brexit"]);
}

#[test]
fn the_same_on_the_larger_sets() {
    compare(&["dog", "web", "md_agreement"]);
}
