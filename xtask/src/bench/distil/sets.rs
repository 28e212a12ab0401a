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
    /// Per model and text.
    pub(super) said: Vec<Vec<Answer>>,
    /// Texts that only measure, where the set has some of its own.
    pub(super) apart: Option<(Vec<String>, Vec<Class>)>,
}

/// A label and, where it is on record, how sure the model was; `None` where it gave no label.
type Answer = Option<(Class, Option<f32>)>;

/// What a teacher believes of every text; `None` where it said nothing.
pub(super) type Beliefs = Vec<Option<Vec<f32>>>;

/// Somebody who labels texts.
pub(super) struct Teacher {
    /// `one` model, the consensus of a `few` or of `all`, or all labels that a few have `named`.
    pub(super) kind: &'static str,
    /// Who that is, in words.
    pub(super) of: String,
    pub(super) beliefs: Beliefs,
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

    /// The teachers that the set's answers make.
    pub(super) fn teachers(&self) -> Result<Vec<Teacher>> {
        let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..self.models.len()).filter(|&model| wanted(&self.models[model])).collect()
        };
        let one = of(&|name| ["chatgpt", "gpt", "llm", "mistral_7b@zero-shot"].contains(&name));
        let prompts = of(&|name| name.starts_with("mistral_7b@"));
        let three = of(&|name| ["chatgpt", "flan-ul2", "text-davinci-003"].contains(&name));
        let (few, what) = if prompts.is_empty() {
            (three, "consensus of models")
        } else {
            (prompts, "consensus of prompts of one model")
        };
        // A model that has learnt from the truth or from another's labels is no teacher.
        let all = of(&|name| !name.starts_with("roberta"));
        let mut teachers = Vec::new();
        for (kind, models, what) in
            [("one", &one, "one model"), ("few", &few, what), ("all", &all, "consensus of models")]
        {
            if !models.is_empty() && (kind == "one" || models.len() > 2) {
                let of = format!("{what}, {}", models.len());
                teachers.push(Teacher { kind, of, beliefs: self.beliefs(models)? });
            }
        }
        if few.len() > 2 {
            let of = format!("every label that one of {} names", few.len());
            teachers.push(Teacher { kind: "named", of, beliefs: self.named(&few) });
        }
        Ok(teachers)
    }

    /// Every label that some model names, as candidate answers have them: without more or less.
    fn named(&self, models: &[usize]) -> Beliefs {
        (0..self.texts.len())
            .map(|item| {
                let mut row = vec![0.0f32; self.labels.len()];
                models
                    .iter()
                    .filter_map(|&model| self.said[model][item])
                    .for_each(|said| row[usize::from(said.0)] = 1.0);
                let count: f32 = row.iter().sum();
                row.iter_mut().for_each(|share| *share /= count);
                (count > 0.0).then_some(row)
            })
            .collect()
    }

    /// What the consensus of models believes of every text, without gold.
    fn beliefs(&self, models: &[usize]) -> Result<Beliefs> {
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
        let consensus = fit(&votes, &Gold::new(Vec::new())?, Method::Automatic, &Settings::default())?;
        let row = |item: usize| (votes.support(item) > 0).then(|| consensus.of(item).to_vec());
        Ok((0..self.texts.len()).map(row).collect())
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
