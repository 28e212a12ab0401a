//! Who can be asked, at what price, and what they said.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use arrow_array::Array;
use postil_core::items::{AnswerTable, read_answers, read_truth};
use postil_core::route::{Pool, Reply, Source, Stored};
use postil_core::table::{TableOptions, TableReader};
use postil_core::votes::{Gold, GoldEntry};
use postil_core::{Class, Digest, Error};

use super::super::input::{REFUSALS, answer_options, tell, text_column};
use super::super::output::{count, remark};
use super::Arguments;
use crate::project::{FILE_NAME, Project};
use crate::run::stored_answers;

/// What the price of all people is listed under.
const PEOPLE: &str = "people";

/// One answer in a file or a ledger.
struct Row {
    item: u32,
    annotator: u32,
    label: Option<Class>,
    confidence: Option<f64>,
}

/// Answers and gold as they were read.
struct Raw {
    name: String,
    items: Vec<String>,
    labels: Vec<String>,
    annotators: Vec<(String, bool)>,
    rows: Vec<Row>,
    gold: Vec<GoldEntry>,
    /// Mean money per answer on record, by annotator.
    recorded: Vec<f64>,
}

/// What is replayed.
pub(super) struct Material {
    pub(super) name: String,
    pub(super) stored: Stored,
    pub(super) gold: Gold,
    /// What the reader of the figures has to know.
    pub(super) note: Option<String>,
}

impl Material {
    pub(super) fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let path = &arguments.answers;
        let is_project = path.is_dir() || path.file_name().is_some_and(|name| name == FILE_NAME);
        let raw = if is_project { from_project(path, arguments)? } else { from_file(path, arguments)? };
        raw.material(arguments)
    }
}

fn from_project(path: &Path, arguments: &Arguments) -> anyhow::Result<Raw> {
    let project = Project::open(path)?;
    let stored = stored_answers(&project)?;
    let labels: Vec<String> =
        (0..project.task.labels.len()).map(|class| project.task.labels.name(class as Class).to_string()).collect();
    let mut recorded = vec![(0.0, 0.0); stored.annotators.len()];
    let rows: Vec<Row> = stored
        .answers
        .iter()
        .map(|one| {
            let sum = &mut recorded[one.annotator as usize];
            *sum = (sum.0 + one.money, sum.1 + 1.0);
            let confidence = one.confidence.map(f64::from);
            Row { item: one.item, annotator: one.annotator, label: one.label, confidence }
        })
        .collect();
    if rows.is_empty() {
        anyhow::bail!(
            Error::input("the ledger holds no answers about the project's items").hint("`postil run` makes them")
        );
    }
    let mut raw = Raw {
        name: project.name.clone(),
        items: stored.items,
        labels,
        annotators: stored.annotators,
        rows,
        gold: stored
            .gold
            .into_iter()
            .map(|(decision, class, inclusion)| GoldEntry { decision, class, inclusion })
            .collect(),
        recorded: recorded.into_iter().map(|(sum, number): (f64, f64)| sum / number.max(1.0)).collect(),
    };
    if let Some(gold) = &arguments.gold {
        raw.read_gold(gold)?;
    }
    if raw.gold.is_empty() {
        anyhow::bail!(
            Error::task("expected gold, found none in the project").hint("give known labels with `--gold FILE`")
        );
    }
    Ok(raw)
}

fn from_file(path: &Path, arguments: &Arguments) -> anyhow::Result<Raw> {
    let Some(gold) = &arguments.gold else {
        anyhow::bail!(
            Error::task("expected known labels to fit and to measure with, found none")
                .hint("give them with `--gold FILE`: item and label")
        );
    };
    let answers = read_answers(path, &answer_options(None, None, None, None))?;
    tell(&answers.report, REFUSALS);
    if answers.label.is_empty() {
        anyhow::bail!(Error::input("expected at least one answer with a label, found none").in_file(path));
    }
    let mut raw = Raw {
        name: path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        items: answers.items.iter().map(str::to_owned).collect(),
        labels: answers.labels.iter().map(ToString::to_string).collect(),
        annotators: answers.annotators.iter().map(|name| (name.to_owned(), false)).collect(),
        rows: rows(&answers),
        gold: Vec::new(),
        recorded: vec![0.0; answers.annotators.len()],
    };
    raw.read_gold(gold)?;
    Ok(raw)
}

fn rows(answers: &AnswerTable) -> Vec<Row> {
    let confidence =
        |place: usize| answers.confidence.as_ref().map(|all| f64::from(all[place])).filter(|value| !value.is_nan());
    let given = (0..answers.label.len()).map(|place| Row {
        item: answers.item[place],
        annotator: answers.annotator[place],
        label: Some(answers.label[place]),
        confidence: confidence(place),
    });
    let refused =
        answers.refused.iter().map(|&(item, annotator)| Row { item, annotator, label: None, confidence: None });
    given.chain(refused).collect()
}

impl Raw {
    fn class(&mut self, label: &str) -> Class {
        let place = self.labels.iter().position(|known| known == label).unwrap_or_else(|| {
            self.labels.push(label.to_owned());
            self.labels.len() - 1
        });
        place as Class
    }

    fn read_gold(&mut self, path: &Path) -> anyhow::Result<()> {
        let truth = read_truth(path, &answer_options(None, None, None, None))?;
        let by_id: HashMap<String, u32> =
            self.items.iter().enumerate().map(|(place, item)| (item.clone(), place as u32)).collect();
        let classes: Vec<Class> = truth.labels.iter().map(|label| self.class(label)).collect();
        self.gold.clear();
        let mut absent = 0;
        for (place, item) in truth.items.iter().enumerate() {
            let Some(&decision) = by_id.get(item) else {
                absent += 1;
                continue;
            };
            let inclusion = truth.probability.as_ref().map(|all| f64::from(all[place])).filter(|p| !p.is_nan());
            self.gold.push(GoldEntry { decision, class: classes[usize::from(truth.label[place])], inclusion });
        }
        if absent > 0 {
            remark(&format!("note: {} items of the gold have no answers", count(absent)));
        }
        if self.gold.is_empty() {
            anyhow::bail!(
                Error::input("expected known labels of items that have answers, found none")
                    .in_file(path)
                    .hint("its columns are `item` and `label`, named as in the answers")
            );
        }
        Ok(())
    }

    /// People's answers become those of a first, a second, a third person: who they are differs from item to item, and
    /// whoever is free is asked.
    fn seat_people(&mut self) {
        let people: Vec<u32> =
            (0..self.annotators.len() as u32).filter(|&one| self.annotators[one as usize].1).collect();
        if people.is_empty() {
            return;
        }
        let first_seat = self.annotators.len() as u32;
        let mut seats: BTreeMap<u32, Vec<(u64, usize)>> = BTreeMap::new();
        for (place, row) in self.rows.iter().enumerate() {
            if self.annotators[row.annotator as usize].1 {
                let name = &self.annotators[row.annotator as usize].0;
                let by = Digest::of_parts([self.items[row.item as usize].as_bytes(), name.as_bytes()]).to_u64();
                seats.entry(row.item).or_default().push((by, place));
            }
        }
        let mut most = 0;
        for seated in seats.values_mut() {
            seated.sort_unstable();
            for (seat, &(_, place)) in seated.iter().enumerate() {
                self.rows[place].annotator = first_seat + seat as u32;
                most = most.max(seat + 1);
            }
        }
        for seat in 0..most {
            self.annotators.push((format!("{PEOPLE}#{}", seat + 1), true));
            self.recorded.push(0.0);
        }
        // Nobody sits at the old places any more.
        let mut kept = vec![None; self.annotators.len()];
        let mut annotators = Vec::new();
        let mut recorded = Vec::new();
        let mean = people.iter().map(|&one| self.recorded[one as usize]).sum::<f64>() / people.len() as f64;
        for (place, about) in self.annotators.iter().enumerate() {
            if (place as u32) < first_seat && about.1 {
                continue;
            }
            kept[place] = Some(annotators.len() as u32);
            recorded.push(if about.1 { mean } else { self.recorded[place] });
            annotators.push(about.clone());
        }
        self.rows.iter_mut().for_each(|row| row.annotator = kept[row.annotator as usize].unwrap_or_default());
        (self.annotators, self.recorded) = (annotators, recorded);
    }

    /// Adds a table of people's answers, or says which of the annotators are people.
    fn name_people(&mut self, people: &str) -> anyhow::Result<()> {
        let path = Path::new(people);
        if !path.is_file() {
            let mut found = false;
            for one in self.annotators.iter_mut().filter(|one| one.0.starts_with(people)) {
                (one.1, found) = (true, true);
            }
            if !found {
                anyhow::bail!(Error::task(format!(
                    "expected a file, or how the names of people begin, found `{people}`, with which no annotator begins"
                )));
            }
            return Ok(());
        }
        let table = read_answers(path, &answer_options(None, None, None, None))?;
        tell(&table.report, REFUSALS);
        let by_id: HashMap<String, u32> =
            self.items.iter().enumerate().map(|(place, item)| (item.clone(), place as u32)).collect();
        let classes: Vec<Class> = table.labels.iter().map(|label| self.class(label)).collect();
        let start = self.annotators.len() as u32;
        self.annotators.extend(table.annotators.iter().map(|name| (name.to_owned(), true)));
        self.recorded.resize(self.annotators.len(), 0.0);
        for row in rows(&table) {
            if let Some(&item) = by_id.get(table.items.get(row.item)) {
                let label = row.label.map(|label| classes[usize::from(label)]);
                self.rows.push(Row { item, annotator: start + row.annotator, label, confidence: row.confidence });
            }
        }
        Ok(())
    }

    fn material(mut self, arguments: &Arguments) -> anyhow::Result<Material> {
        if let Some(people) = &arguments.people {
            self.name_people(people)?;
        }
        self.seat_people();
        let listed = arguments.prices.as_deref().map(prices).transpose()?;
        let known = self.recorded.iter().any(|&price| price > 0.0);
        let mut sources = Vec::new();
        for ((name, person), &recorded) in self.annotators.iter().zip(&self.recorded) {
            let model = name.split(['@', '#', '|']).next().unwrap_or(name);
            let price = listed.as_ref().and_then(|all| all.get(name.as_str()).or_else(|| all.get(model))).copied();
            let price = match (price, person, arguments.person_price, &listed) {
                (Some(price), ..) | (None, true, Some(price), _) => price,
                (None, true, None, _) if recorded > 0.0 => recorded,
                (None, true, None, _) => anyhow::bail!(
                    Error::task("expected the price of a person's answer, found none")
                        .hint(format!("give it with `--person-price`, or as `{PEOPLE}` in `--prices`"))
                ),
                (None, false, _, Some(_)) => anyhow::bail!(
                    Error::input(format!("expected a price for every annotator, found none for `{name}`"))
                        .in_file(arguments.prices.as_deref().unwrap_or(Path::new("prices")))
                        .hint(format!("add a row for `{name}` or for `{model}`"))
                ),
                (None, false, _, None) => {
                    if known {
                        recorded
                    } else {
                        1.0
                    }
                }
            };
            sources.push(Source { name: name.clone(), price, person: *person, model: model.to_owned() });
        }
        let note = (listed.is_none() && !known)
            .then(|| "note: no prices are known: every answer of a machine counts as 1 (`--prices FILE`)".to_owned());
        let pool = Pool::new(sources)?;
        let keys = self.items.iter().map(|item| Digest::of(item.as_bytes()).to_u64()).collect();
        let mut stored = Stored::new(pool.clone(), self.labels.len(), keys);
        let numbers: Vec<u32> = self.annotators.iter().filter_map(|(name, _)| pool.find(name)).collect();
        for row in &self.rows {
            let reply = row.label.map_or(Reply::Nothing, Reply::Label);
            stored.set(row.item, numbers[row.annotator as usize], reply, row.confidence)?;
        }
        Ok(Material { name: self.name, stored, gold: Gold::new(self.gold)?, note })
    }
}

/// Reads a table of prices.
fn prices(path: &Path) -> anyhow::Result<HashMap<String, f64>> {
    let columns = ["annotator".to_owned(), "price".to_owned()];
    let options = TableOptions { text: columns.to_vec(), only: Some(columns.to_vec()), ..TableOptions::default() };
    let mut table = TableReader::open(path, &options)?;
    let mut prices = HashMap::new();
    while let Some(chunk) = table.next_chunk()? {
        if let Some(bad) = chunk.bad.first() {
            anyhow::bail!(Error::input(bad.reason.clone()).in_file(path).at_line(bad.line));
        }
        let names = text_column(&chunk.batch, "annotator").map_err(|error| error.in_file(path))?;
        let values = text_column(&chunk.batch, "price").map_err(|error| error.in_file(path))?;
        for row in 0..names.len() {
            let price = values.value(row).trim().parse::<f64>().ok().filter(|price| *price >= 0.0 && price.is_finite());
            let Some(price) = price else {
                let message = format!("expected a price of at least 0, found `{}`", values.value(row));
                anyhow::bail!(Error::input(message).in_file(path).at_line(chunk.lines[row]));
            };
            if prices.insert(names.value(row).to_owned(), price).is_some_and(|other| other != price) {
                let message = format!("expected one price for `{}`, found another", names.value(row));
                anyhow::bail!(Error::input(message).in_file(path).at_line(chunk.lines[row]));
            }
        }
    }
    Ok(prices)
}
