//! Accuracy, log-loss and calibration of every method on the shared sets, without gold and with 50 gold items drawn at
//! random (the rest is truth), averaged over draws.
//!
//! `POSTIL_DATA=... cargo run --release -p postil-core --example consensus_table -- [sets] [draws] [methods]`, where
//! `sets` is a list of beginnings of names and `methods` one of names, separated by commas.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints its result and stops at bad files")]

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use postil_core::Random;
use postil_core::consensus::{Method, Order, Settings, Unanimous, fit};
use postil_core::votes::{Gold, Votes, VotesBuilder};

struct Set {
    name: String,
    votes: Votes,
    truth: Vec<(u32, u16)>,
    /// Labels that are numbers may be a scale.
    order: Order,
}

fn read(path: &Path) -> Option<String> {
    let gz = PathBuf::from(format!("{}.gz", path.display()));
    let mut text = String::new();
    if path.exists() {
        text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    } else if gz.exists() {
        flate2::read::MultiGzDecoder::new(std::fs::File::open(gz).unwrap()).read_to_string(&mut text).unwrap();
    } else {
        return None;
    }
    Some(text)
}

/// Rows of fields; quotes may hold commas, newlines and doubled quotes.
fn csv(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(character) = chars.next() {
        match character {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            _ => field.push(character),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

/// Sets in the long form: item, annotator, label, and a truth file.
fn long(folder: &Path, answers: &str) -> Option<Set> {
    let rows = csv(&read(&folder.join(answers))?);
    let truth = csv(&read(&folder.join("truth.csv"))?);
    let mut labels: BTreeMap<&str, u16> = BTreeMap::new();
    for row in rows.iter().skip(1).map(|row| row[2].as_str()).chain(truth.iter().skip(1).map(|row| row[1].as_str())) {
        if !row.is_empty() {
            labels.insert(row, 0);
        }
    }
    for (place, class) in labels.values_mut().enumerate() {
        *class = place as u16;
    }
    let (mut items, mut annotators) = (HashMap::new(), HashMap::new());
    let mut builder = VotesBuilder::new(labels.len());
    for row in rows.iter().skip(1) {
        let next = items.len() as u32;
        let item = *items.entry(row[0].as_str()).or_insert(next);
        let next = annotators.len() as u32;
        let annotator = *annotators.entry(row[1].as_str()).or_insert(next);
        if let Some(&class) = labels.get(row[2].as_str()) {
            builder.push(item, annotator, class).unwrap();
        }
    }
    let votes = builder.build(items.len(), annotators.len()).unwrap();
    let truth: Vec<(u32, u16)> = truth
        .iter()
        .skip(1)
        .filter_map(|row| Some((*items.get(row[0].as_str())?, *labels.get(row[1].as_str())?)))
        .collect();
    let numbers = labels.keys().all(|label| label.parse::<f64>().is_ok());
    let order = if numbers { Order::Possible } else { Order::None };
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    (truth.len() > 80).then_some(Set { name, votes, truth, order })
}

/// Sets of rules: text, label, one column per rule.
fn wide(folder: &Path, parts: &[&str], name: &str) -> Option<Set> {
    let mut truth = Vec::new();
    let mut cells = Vec::new();
    let (mut classes, mut rules) = (0, 0);
    for part in parts {
        for row in csv(&read(&folder.join(part))?).iter().skip(1) {
            let item = truth.len() as u32;
            let class: u16 = row[1].parse().unwrap();
            classes = classes.max(class + 1);
            truth.push((item, class));
            rules = row.len() - 2;
            for (rule, cell) in row[2..].iter().enumerate() {
                let said: i32 = cell.parse().unwrap();
                if said >= 0 {
                    classes = classes.max(said as u16 + 1);
                    cells.push((item, rule as u32, said as u16));
                }
            }
        }
    }
    let mut builder = VotesBuilder::new(usize::from(classes));
    for (item, rule, class) in cells {
        builder.push(item, rule, class).unwrap();
    }
    let votes = builder.build(truth.len(), rules).unwrap();
    Some(Set { name: name.to_owned(), votes, truth, order: Order::None })
}

fn sets() -> Vec<Set> {
    let data = std::env::var("POSTIL_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
    let data = Path::new(&data);
    let mut sets = Vec::new();
    let text = data.join("text");
    for name in ["ws-youtube-spam", "ws-hausa-topic", "ws-yoruba-topic"] {
        sets.extend(wide(&text.join(name), &["train.csv", "valid.csv", "test.csv"], name));
    }
    for name in ["ws-trec-rules", "ws-sms-rules"] {
        sets.extend(wide(&text.join(name), &["valid.csv", "test.csv"], name));
    }
    for (group, file) in [("llm", "annotations.csv"), ("crowd", "answers.csv")] {
        let mut folders: Vec<_> =
            std::fs::read_dir(data.join(group)).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        sets.extend(folders.iter().filter(|folder| folder.is_dir()).filter_map(|folder| long(folder, file)));
    }
    sets
}

/// Accuracy, log-loss, expected calibration error in 15 bins, and the error that posteriors as sure as these would show
/// on so few items if they were calibrated; or sums of them.
#[derive(Clone, Copy, Default)]
struct Score([f64; 4]);

impl Score {
    fn of(posterior: &[f32], labels: &[u16], classes: usize, truth: impl Iterator<Item = (u32, u16)>) -> Self {
        let (mut right, mut loss, mut count) = (0.0, 0.0, 0.0);
        let mut bins = [(0.0f64, 0.0f64); 15];
        let mut by_chance = [[0.0f64; 15]; 8];
        let mut random = Random::new(1);
        for (decision, class) in truth {
            let row = &posterior[decision as usize * classes..][..classes];
            let label = labels[decision as usize];
            let hit = if label == class { 1.0 } else { 0.0 };
            let confidence = f64::from(row[usize::from(label)]);
            right += hit;
            loss -= f64::from(row[usize::from(class)]).max(1e-12).ln();
            count += 1.0;
            let bin = &mut bins[((confidence * 15.0) as usize).min(14)];
            bin.0 += hit;
            bin.1 += confidence;
            for bins in &mut by_chance {
                let hit = if random.unit() < confidence { 1.0 } else { 0.0 };
                bins[((confidence * 15.0) as usize).min(14)] += hit - confidence;
            }
        }
        let gap: f64 = bins.iter().map(|bin| (bin.0 - bin.1).abs()).sum();
        let floor: f64 = by_chance.iter().flatten().map(|gap| gap.abs()).sum::<f64>() / by_chance.len() as f64;
        Self([right / count, loss / count, gap / count, floor / count])
    }

    fn add(&mut self, other: Self, share: f64) {
        for (sum, value) in self.0.iter_mut().zip(other.0) {
            *sum += value * share;
        }
    }

    fn print(self) {
        let [accuracy, loss, gap, floor] = self.0;
        print!(" | {accuracy:.3} {loss:.2} {gap:.3} {floor:.3}");
    }
}

/// Sets whose mean is printed together.
const GROUPS: [(&str, &str); 4] = [
    ("mean of ws-*", "ws-"),
    ("mean of css-*", "css-"),
    ("mean of crowd", "adult,bluebird,dog,fact_eval,hs_brexit,jn_product,md_agreement,ner_mturk,rte,web"),
    ("mean of all", ""),
];

fn begins(name: &str, beginnings: &str) -> bool {
    beginnings.split(',').any(|beginning| name.starts_with(beginning))
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let draws: u64 = std::env::args().nth(2).map_or(10, |text| text.parse().unwrap());
    let wanted = std::env::args().nth(3).unwrap_or_default();
    let sets: Vec<Set> = sets().into_iter().filter(|set| begins(&set.name, &filter)).collect();
    for gold_size in [0usize, 50] {
        let methods: Vec<Method> = Method::ALL
            .into_iter()
            .filter(|method| gold_size > 0 || !method.needs_gold())
            .filter(|method| wanted.is_empty() || wanted.split(',').any(|name| name == method.name()))
            .collect();
        println!("{gold_size} gold items; accuracy, log-loss, calibration error and its floor");
        print!("{:45}", "set, decisions x annotators x classes, votes");
        for method in &methods {
            print!(" | {:21}", method.name());
        }
        println!(" | auto, unanimous kept");
        let mut table: Vec<Vec<Score>> = Vec::new();
        for set in &sets {
            let (classes, each) = (set.votes.classes(), set.votes.len() as f64 / set.votes.decisions() as f64);
            let size = format!("{}x{}x{classes}", set.votes.decisions(), set.votes.annotators());
            print!("{:26} {size:13} {each:4.1}", set.name);
            let mut scores = Vec::new();
            let runs = match gold_size {
                0 => 1,
                _ if set.votes.len() > 200_000 => draws.min(3),
                _ => draws,
            };
            let kept = (Method::Automatic, Unanimous::Keep);
            for (method, unanimous) in methods.iter().map(|&method| (method, Unanimous::Flag)).chain([kept]) {
                let mut mean = Score::default();
                for draw in 0..runs {
                    let chosen = Random::for_purpose(draw, "gold").sample(set.truth.len(), gold_size);
                    let gold = Gold::of(chosen.iter().map(|&place| set.truth[place])).unwrap();
                    let settings = Settings { unanimous, seed: draw, order: set.order, ..Settings::default() };
                    let consensus = fit(&set.votes, &gold, method, &settings).unwrap();
                    let rest = set.truth.iter().copied().filter(|&(decision, _)| gold.class(decision).is_none());
                    mean.add(Score::of(&consensus.posterior, &consensus.labels, classes, rest), 1.0 / runs as f64);
                }
                mean.print();
                scores.push(mean);
            }
            println!();
            table.push(scores);
        }
        for (title, members) in GROUPS {
            let inside: Vec<&Vec<Score>> =
                sets.iter().zip(&table).filter(|(set, _)| begins(&set.name, members)).map(|(_, row)| row).collect();
            if inside.is_empty() {
                continue;
            }
            print!("{title:45}");
            for method in 0..inside[0].len() {
                let mut mean = Score::default();
                for row in &inside {
                    mean.add(row[method], 1.0 / inside.len() as f64);
                }
                mean.print();
            }
            println!();
        }
        println!();
    }
}
