//! Texts with the stored answers of language models about them, and teachers made of those answers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use postil_core::Class;
use postil_core::consensus::{Method, Settings, fit};
use postil_core::items::{AnswerOptions, ItemOptions, ItemSource, read_answers, read_truth};
use postil_core::votes::{Gold, VotesBuilder};

/// A set: texts with their truth, and what every model said about them.
pub(super) struct Set {
    pub(super) name: String,
    pub(super) labels: Vec<String>,
    pub(super) texts: Vec<String>,
    pub(super) truth: Vec<Class>,
    pub(super) models: Vec<String>,
    /// Per model and text: the label and, where it is on record, how sure the model was.
    pub(super) said: Vec<Vec<Option<(Class, Option<f32>)>>>,
    /// Texts that only measure, where the set has some of its own.
    pub(super) apart: Option<(Vec<String>, Vec<Class>)>,
}

/// The folder of shared data.
fn data() -> PathBuf {
    std::env::var_os("POSTIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from)
}

/// A file of a set, plain or compressed.
fn file(folder: &Path, name: &str) -> PathBuf {
    let plain = folder.join(name);
    if plain.exists() { plain } else { folder.join(format!("{name}.gz")) }
}

/// The names of the sets that have texts, truth and answers.
pub(super) fn names() -> Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(data().join("llm"))
        .with_context(|| format!("expected shared data in {}; set POSTIL_DATA", data().display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            let whole = ["css-", "uiuc-global", "babe-", "freeal-", "tweeteval-"];
            whole.iter().any(|start| name.starts_with(start))
        })
        .collect();
    names.sort();
    Ok(names)
}

impl Set {
    pub(super) fn read(name: &str) -> Result<Self> {
        let folder = data().join("llm").join(name);
        let truth = read_truth(file(&folder, "truth.csv"), &AnswerOptions::default())?;
        let labels: Vec<String> = truth.labels.iter().map(ToString::to_string).collect();
        let of_item: HashMap<&str, Class> =
            truth.label.iter().enumerate().map(|(row, &class)| (truth.items.get(row as u32), class)).collect();
        let mut set = Self {
            name: name.to_owned(),
            labels,
            texts: Vec::new(),
            truth: Vec::new(),
            models: Vec::new(),
            said: Vec::new(),
            apart: None,
        };
        let mut places = HashMap::new();
        let mut options = ItemOptions::new("text");
        options.id = Some("item".to_owned());
        for batch in ItemSource::open(file(&folder, "items.csv"), options)? {
            let batch = batch?;
            for row in 0..batch.len() {
                let Some(&class) = of_item.get(batch.id(row)) else { continue };
                places.insert(batch.id(row).to_owned(), set.texts.len());
                set.texts.push(batch.text(row).to_owned());
                set.truth.push(class);
            }
        }
        let answers = read_answers(file(&folder, "annotations.csv"), &AnswerOptions::default())?;
        let class: HashMap<&str, Class> =
            set.labels.iter().enumerate().map(|(class, name)| (name.as_str(), class as Class)).collect();
        set.models = (0..answers.annotators.len()).map(|one| answers.annotators.get(one as u32).to_owned()).collect();
        set.said = vec![vec![None; set.texts.len()]; set.models.len()];
        for (row, &item) in answers.item.iter().enumerate() {
            let label = &answers.labels[usize::from(answers.label[row])];
            let (Some(&place), Some(&class)) = (places.get(answers.items.get(item)), class.get(&**label)) else {
                continue;
            };
            let confidence = answers.confidence.as_ref().map(|all| all[row]).filter(|one| !one.is_nan());
            set.said[answers.annotator[row] as usize][place] = Some((class, confidence));
        }
        if name == "freeal-mr" {
            set.apart = Some(film_reviews(&set.labels)?);
        }
        Ok(set)
    }

    /// The teachers that the set's answers make: a name and the models.
    pub(super) fn teachers(&self) -> Vec<(&'static str, Vec<usize>)> {
        let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..self.models.len()).filter(|&model| wanted(&self.models[model])).collect()
        };
        let one = of(&|name| ["chatgpt", "gpt", "llm", "mistral_7b@zero-shot"].contains(&name));
        let few = if self.name.starts_with("babe") {
            of(&|name| name.starts_with("mistral_7b@"))
        } else {
            of(&|name| ["chatgpt", "flan-ul2", "text-davinci-003"].contains(&name))
        };
        // A student of the same labels is no teacher of its own.
        let all = of(&|name| !name.starts_with("roberta"));
        let mut teachers = vec![("one", one)];
        if few.len() > 1 {
            teachers.push(("few", few));
        }
        if all.len() > 3 {
            teachers.push(("all", all));
        }
        teachers.retain(|(_, models)| !models.is_empty());
        teachers
    }

    /// What a teacher believes about every text, from the consensus of its models; `None` where none answered.
    pub(super) fn beliefs(&self, models: &[usize], seed: u64) -> Result<Vec<Option<Vec<f32>>>> {
        let classes = self.labels.len();
        if let [model] = models {
            return Ok(self.said[*model]
                .iter()
                .map(|said| {
                    let (class, confidence) = (*said)?;
                    let share = confidence.unwrap_or(1.0).max(1.0 / classes as f32);
                    let mut row = vec![(1.0 - share) / (classes - 1) as f32; classes];
                    row[usize::from(class)] = share;
                    Some(row)
                })
                .collect());
        }
        let mut builder = VotesBuilder::new(classes);
        for (column, &model) in models.iter().enumerate() {
            for (item, said) in self.said[model].iter().enumerate() {
                if let Some((class, _)) = said {
                    builder.push(item as u32, column as u32, *class)?;
                }
            }
        }
        let votes = builder.build(self.texts.len(), models.len())?;
        let settings = Settings { seed, ..Settings::default() };
        let consensus = fit(&votes, &Gold::new(Vec::new())?, Method::Automatic, &settings)?;
        Ok((0..self.texts.len())
            .map(|item| (votes.support(item) > 0).then(|| consensus.of(item).to_vec()))
            .collect())
    }
}

/// The test part of the film reviews, whose labels are numbers.
fn film_reviews(labels: &[String]) -> Result<(Vec<String>, Vec<Class>)> {
    let (mut texts, mut classes) = (Vec::new(), Vec::new());
    for batch in ItemSource::open(data().join("text/mr/test.csv"), ItemOptions::new("text"))? {
        let batch = batch?;
        for row in 0..batch.len() {
            let name = if batch.field(row, "label").as_deref() == Some("1") { "positive" } else { "negative" };
            let class = labels.iter().position(|label| label == name).context("labels of film reviews")?;
            texts.push(batch.text(row).to_owned());
            classes.push(class as Class);
        }
    }
    Ok((texts, classes))
}
