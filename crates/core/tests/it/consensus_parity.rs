//! Vote shares and Dawid-Skene, digit by digit against crowd-kit 1.4.2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use postil_core::consensus::{dawid_skene_reference, vote_shares};
use postil_core::votes::{Votes, VotesBuilder};

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn data() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = PathBuf::from(std::env::var("POSTIL_DATA").unwrap_or_else(|_| default.to_owned()));
    if folder.join("parity").is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no parity data in {}; set POSTIL_DATA", folder.display());
    None
}

/// Rows of a plain file, without its header.
fn rows(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

struct Set {
    votes: Votes,
    items: BTreeMap<String, usize>,
    annotators: BTreeMap<String, usize>,
}

fn load(data: &Path, name: &str, classes: usize) -> Set {
    let (_, answers) = rows(&data.join(format!("crowd/{name}/answers.csv")));
    let (mut items, mut annotators) = (BTreeMap::new(), BTreeMap::new());
    let mut builder = VotesBuilder::new(classes);
    for row in &answers {
        let next = items.len();
        let item = *items.entry(row[0].clone()).or_insert(next);
        let next = annotators.len();
        let annotator = *annotators.entry(row[1].clone()).or_insert(next);
        builder.push(item as u32, annotator as u32, row[2].parse().unwrap()).unwrap();
    }
    Set { votes: builder.build(items.len(), annotators.len()).unwrap(), items, annotators }
}

const SETS: [(&str, usize); 3] = [("bluebird", 2), ("rte", 2), ("dog", 4)];

/// The greatest difference from the posteriors in a fixture.
fn distance(data: &Path, fixture: &str, set: &Set, classes: usize, posterior: &[f64]) -> f64 {
    let (header, expected) = rows(&data.join(format!("parity/aggregate/{fixture}.items.csv")));
    let columns: Vec<usize> =
        (0..classes).map(|class| header.iter().position(|name| *name == format!("p_{class}")).unwrap()).collect();
    assert_eq!(expected.len(), set.items.len());
    let mut greatest = 0.0f64;
    for row in &expected {
        let item = set.items[&row[0]];
        for (class, &column) in columns.iter().enumerate() {
            greatest = greatest.max((posterior[item * classes + class] - row[column].parse::<f64>().unwrap()).abs());
        }
    }
    greatest
}

#[test]
fn vote_shares_equal_the_fixtures() {
    let Some(data) = data() else { return };
    for (name, classes) in SETS {
        let set = load(&data, name, classes);
        let found = distance(&data, &format!("{name}.MajorityVote"), &set, classes, &vote_shares(&set.votes));
        assert!(found <= 1e-9, "{name}: {found}");
    }
}

fn plain_dawid_skene_equals_the_fixture(name: &str, classes: usize) {
    let Some(data) = data() else { return };
    let set = load(&data, name, classes);
    let found = dawid_skene_reference(&set.votes, 300).unwrap();
    let posterior = distance(&data, &format!("{name}.DawidSkene300"), &set, classes, &found.posterior);
    assert!(posterior <= 1e-8, "{posterior}");

    let (_, priors) = rows(&data.join(format!("parity/aggregate/{name}.DawidSkene300.priors.csv")));
    for row in priors {
        let class: usize = row[0].parse().unwrap();
        assert!((found.prior[class] - row[1].parse::<f64>().unwrap()).abs() <= 1e-6, "prior {row:?}");
    }
    let (header, errors) = rows(&data.join(format!("parity/aggregate/{name}.DawidSkene300.errors.csv")));
    let index = set.votes.by_annotator();
    let mut cells = 0;
    for row in errors {
        let (annotator, label): (usize, usize) = (set.annotators[&row[0]], row[1].parse().unwrap());
        for (column, value) in header.iter().zip(&row).skip(2).filter(|(_, value)| !value.is_empty()) {
            let truth: usize = column.strip_prefix("true_").unwrap().parse().unwrap();
            let rates = &found.confusion[(annotator * classes + truth) * classes..][..classes];
            // Where an annotator met next to no decision of this class, clipped counts decide, which crowd-kit spreads
            // over the labels the annotator used and we over all.
            let met = index.of(annotator).map(|(decision, _)| found.posterior[decision as usize * classes + truth]);
            if met.sum::<f64>() < 1e-2 {
                continue;
            }
            assert!((rates[label] - value.parse::<f64>().unwrap()).abs() <= 1e-6, "{row:?} {column}: {rates:?}");
            cells += 1;
        }
    }
    assert!(cells > set.annotators.len() * classes, "only {cells} cells compared");
    assert!(found.objective.windows(2).all(|pair| pair[1] >= pair[0] - 1e-7), "the likelihood fell");
}

#[test]
fn plain_dawid_skene_equals_the_fixture_of_bluebird() {
    plain_dawid_skene_equals_the_fixture("bluebird", 2);
}

#[test]
fn plain_dawid_skene_equals_the_fixture_of_rte() {
    plain_dawid_skene_equals_the_fixture("rte", 2);
}

#[test]
fn plain_dawid_skene_equals_the_fixture_of_dog() {
    plain_dawid_skene_equals_the_fixture("dog", 4);
}
