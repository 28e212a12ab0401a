//! Cost against quality of every routing policy on stored answers of language models, with what the automatic one saves.
//!
//! `cargo run --release -p postil-core --example route_table [SET...]`, where the folder in `POSTIL_DATA` (by default
//! `../shared/data`) holds `llm/SET/` with answers and truth. Without sets: all that have gold and several annotators.
//! `--curve` prints every point; `--fit N` and `--draws N` set how much gold fits and how often it is drawn.
//!
//! The sets come without prices. Those below are US dollars per 1,000 answers of some 200 tokens, from list prices of
//! 2023 and 2024 for hosted models and from the number of parameters for open ones; a longer prompt costs more. Only their
//! ratios matter. A person costs 50 (five cents an answer). Where several people answered an item, one drawn by its id is
//! the person who can be asked, and truth is the strict majority of the others, so that nobody is measured against
//! themselves.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints a table")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use postil_core::items::{AnswerOptions, AnswerTable, read_answers, read_truth};
use postil_core::route::{Experiment, Policy, Pool, Reply, Simulation, Source, Stored, simulate};
use postil_core::votes::{Gold, GoldEntry};
use postil_core::{Class, Digest, Measured};

const PERSON: f64 = 50.0;
const PRICES: [(&str, f64); 33] = [
    ("flan-t5-small", 0.001),
    ("flan-t5-base", 0.003),
    ("flan_t5_base", 0.003),
    ("flan-t5-large", 0.01),
    ("flan_t5_large", 0.01),
    ("flan-t5-xl", 0.03),
    ("flan_t5_xl", 0.03),
    ("flan-t5-xxl", 0.1),
    ("flan-ul2", 0.2),
    ("flan_ul2", 0.2),
    ("text-ada-001", 0.08),
    ("text-babbage-001", 0.1),
    ("text-curie-001", 0.4),
    ("text-davinci-001", 4.0),
    ("text-davinci-002", 4.0),
    ("text-davinci-003", 4.0),
    ("chatgpt", 0.4),
    ("roberta", 0.002),
    ("falcon_7b", 0.04),
    ("llama_7b", 0.04),
    ("llama_13b", 0.05),
    ("mistral_7b", 0.04),
    ("mixtral_8x7b", 0.1),
    ("openchat", 0.04),
    ("zephyr", 0.04),
    ("gpt_3_5", 0.3),
    ("gpt_4", 6.0),
    ("gpt-4o", 0.5),
    ("gpt-4o-mini", 0.03),
    ("gemini_pro", 0.25),
    ("gemini_flash", 0.015),
    ("llama-31", 0.02),
    ("mistral-v03", 0.01),
];
/// Prices in sets whose models have names of their own.
const OTHERS: [(&str, f64); 6] = [
    ("gpt", 2.0),
    ("llama70b", 0.15),
    ("llama8b", 0.02),
    ("mistral", 0.02),
    ("mixtral", 0.1),
    ("roberta-slm-after-round1", 0.002),
];

fn file(folder: &Path, name: &str) -> PathBuf {
    let packed = folder.join(format!("{name}.gz"));
    if packed.exists() { packed } else { folder.join(name) }
}

fn model(annotator: &str) -> &str {
    annotator.split(['@', '#', '|']).next().unwrap_or(annotator)
}

fn price(annotator: &str) -> f64 {
    let model = model(annotator);
    let base = PRICES.iter().chain(&OTHERS).find(|(name, _)| *name == model);
    let base = base.unwrap_or_else(|| panic!("no price for `{annotator}`")).1;
    let prompt = annotator.split('@').nth(1).unwrap_or("");
    let shots = match prompt.split('-').next().unwrap_or("") {
        "2" => 1.5,
        "4" => 2.0,
        "8" => 3.0,
        _ => 1.0,
    };
    base * shots * if prompt.contains("CoT") { 2.0 } else { 1.0 }
}

struct Set {
    stored: Stored,
    gold: Gold,
}

fn number(labels: &[String], name: &str) -> Option<Class> {
    labels.iter().position(|label| label == name).map(|place| place as Class)
}

fn load(folder: &Path) -> Set {
    let options = AnswerOptions::default();
    let answers = read_answers(file(folder, "annotations.csv"), &options).unwrap();
    let truth = read_truth(file(folder, "truth.csv"), &options).unwrap();
    let people = folder.join("human.csv").exists().then(|| read_answers(folder.join("human.csv"), &options).unwrap());
    let mut labels: Vec<String> = answers.labels.iter().chain(&truth.labels).map(ToString::to_string).collect();
    labels.extend(people.iter().flat_map(|people| people.labels.iter().map(ToString::to_string)));
    labels.sort_unstable();
    labels.dedup();
    let mut sources: Vec<Source> = answers
        .annotators
        .iter()
        .map(|name| Source { model: model(name).to_owned(), ..Source::machine(name, price(name)) })
        .collect();
    if people.is_some() {
        sources.push(Source::person("person", PERSON));
    }
    let pool = Pool::new(sources).unwrap();
    let keys = answers.items.iter().map(|item| Digest::of(item.as_bytes()).to_u64()).collect();
    let mut stored = Stored::new(pool.clone(), labels.len(), keys);
    let source = |annotator: u32| pool.find(answers.annotators.get(annotator)).unwrap();
    for (place, (&item, &annotator)) in answers.item.iter().zip(&answers.annotator).enumerate() {
        let class = number(&labels, &answers.labels[usize::from(answers.label[place])]).unwrap();
        let confidence = answers.confidence.as_ref().map(|all| f64::from(all[place])).filter(|value| !value.is_nan());
        stored.set(item, source(annotator), Reply::Label(class), confidence).unwrap();
    }
    for &(item, annotator) in &answers.refused {
        stored.set(item, source(annotator), Reply::Nothing, None).unwrap();
    }
    let mut gold: HashMap<u32, Class> = HashMap::new();
    for (place, item) in truth.items.iter().enumerate() {
        if let Some(decision) = answers.items.find(item) {
            gold.insert(decision, number(&labels, &truth.labels[usize::from(truth.label[place])]).unwrap());
        }
    }
    if let Some(people) = people {
        // Where the truth is not experts' it is made from people.
        let own = folder.file_name().unwrap().to_string_lossy().starts_with("alttest");
        let person = pool.find("person").unwrap();
        ask_people(&mut stored, &mut gold, &answers, &people, &labels, person, own);
    }
    let entries = gold.into_iter().map(|(decision, class)| GoldEntry { decision, class, inclusion: None }).collect();
    Set { stored, gold: Gold::new(entries).unwrap() }
}

fn ask_people(
    stored: &mut Stored,
    gold: &mut HashMap<u32, Class>,
    answers: &AnswerTable,
    people: &AnswerTable,
    labels: &[String],
    person: u32,
    own: bool,
) {
    let mut said: HashMap<u32, Vec<Class>> = HashMap::new();
    for (place, &item) in people.item.iter().enumerate() {
        if let Some(decision) = answers.items.find(people.items.get(item)) {
            let class = number(labels, &people.labels[usize::from(people.label[place])]).unwrap();
            said.entry(decision).or_default().push(class);
        }
    }
    if own {
        gold.clear();
    }
    for (decision, mut said) in said {
        let key = Digest::of(answers.items.get(decision).as_bytes()).to_u64();
        let class = said.swap_remove((key % said.len() as u64) as usize);
        stored.set(decision, person, Reply::Label(class), None).unwrap();
        if own {
            let mut heads: HashMap<Class, usize> = HashMap::new();
            said.iter().for_each(|class| *heads.entry(*class).or_default() += 1);
            if let Some((class, _)) = heads.into_iter().find(|(_, count)| 2 * count > said.len()) {
                gold.insert(decision, class);
            }
        }
    }
}

fn brief(figure: &Measured) -> String {
    match figure {
        Measured::Known { value, low, high, .. } => {
            let low = if *low < -9.99 { "-".to_owned() } else { format!("{low:.2}") };
            format!("{value:.2} [{low}, {high:.2}]")
        }
        Measured::Unknown { .. } => "not reached".to_owned(),
    }
}

fn show(name: &str, found: &Simulation, curve: bool) {
    println!("\n{name}: {} items, {} gold, {} fit, pilot {:.2}", found.decisions, found.gold, found.fit, found.pilot);
    if curve {
        for point in &found.points {
            let chosen: Vec<String> =
                point.chosen.iter().map(|(policy, count)| format!("{} {count}", policy.name())).collect();
            println!(
                "  {:<13} {:>9.4}  cost {:>9.4}  quality {}  people {:.2}  {}{}",
                point.policy.name(),
                point.budget,
                point.cost.value().unwrap(),
                brief3(&point.quality),
                point.people,
                point.description,
                if point.policy == Policy::Auto { format!("  ({})", chosen.join(", ")) } else { String::new() },
            );
        }
    }
    for policy in Policy::ALL {
        // The best that the policy does at any budget, and at the geometric middle of the budgets.
        let of: Vec<_> = found.points.iter().filter(|point| point.policy == policy).collect();
        let Some(best) = of.iter().max_by(|a, b| a.quality.value().unwrap().total_cmp(&b.quality.value().unwrap()))
        else {
            continue;
        };
        let middle = of.iter().rfind(|point| {
            point.budget <= found.points.last().unwrap().budget.sqrt() * found.points[0].budget.sqrt() * 1.001
        });
        println!(
            "  {:<13} best {} at {:>8.4}   middle {}",
            policy.name(),
            brief3(&best.quality),
            best.cost.value().unwrap(),
            middle.map_or("-".to_owned(), |point| format!(
                "{} at {:.4}",
                brief3(&point.quality),
                point.cost.value().unwrap()
            )),
        );
    }
    for saving in &found.savings {
        println!(
            "  saved against {:<55} quality {:.3} cost {:>9.4} auto {:>9}  saved {}",
            saving.against,
            saving.quality,
            saving.cost,
            saving.automatic.map_or("-".to_owned(), |cost| format!("{cost:.4}")),
            brief(&saving.saved)
        );
    }
    for one in &found.dominated {
        let (auto, other) = (&found.points[one.automatic], &found.points[one.rival]);

        println!(
            "  DOMINATED auto at {:.4}: {} ({:.4}) by {} {} ({:.4})",
            auto.budget,
            brief3(&auto.quality),
            auto.cost.value().unwrap(),
            other.policy.name(),
            brief3(&other.quality),
            other.cost.value().unwrap(),
        );
    }
}

fn brief3(figure: &Measured) -> String {
    figure.brief()
}

fn main() {
    let root =
        std::env::var_os("POSTIL_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from).join("llm");
    let mut experiment = Experiment::default();
    let mut curve = false;
    let mut sets: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--curve" => curve = true,
            "--fit" => experiment.fit = arguments.next().unwrap().parse().unwrap(),
            "--draws" => experiment.draws = arguments.next().unwrap().parse().unwrap(),
            set => sets.push(set.to_owned()),
        }
    }
    if sets.is_empty() {
        let wanted = |name: &str| ["css-", "alttest-", "babe", "vaccine"].iter().any(|start| name.starts_with(start));
        sets =
            std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        sets.retain(|name| wanted(name));
        sets.sort_unstable();
    }
    for name in sets {
        let set = load(&root.join(&name));
        match simulate(&set.stored, &set.gold, &experiment) {
            Ok(found) => show(&name, &found, curve),
            Err(error) => println!("\n{name}: {error}"),
        }
    }
}
