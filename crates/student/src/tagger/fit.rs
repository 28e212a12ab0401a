//! Training from end to end: features, learning, what is kept, and the model.

use super::clusters::ClusterTable;
use super::corpus::{Document, Layer, LayerKind, LayerTarget, all_layers, check_layers, check_targets, looked_at};
use super::encode::{Slots, Template};
use super::features::FeatureGroups;
use super::file::{Contents, LayerNumbers, Numbers};
use super::lesson::{Goals, Head, Recipe};
use super::lists::ListTable;
use super::looks::Views;
use super::model::{TaggerDescription, TaggerModel};
use super::options::{LayerQuality, TaggerOptions, TaggerReport};
use super::prune::{Features, Kept, LayerRows, prune};
use crate::error::{Error, Result};
use crate::random::Random;

/// Trains taggers: layers and settings.
///
/// Layers share their features and the table that holds them, so that one file serves several tasks under one budget.
#[derive(Clone, Debug)]
pub struct TaggerTrainer<'a> {
    pub(super) layers: Vec<Layer>,
    pub(super) options: TaggerOptions,
    pub(super) unlabelled: &'a [Document<'a>],
}

/// A trained tagger with what training knows about it.
#[derive(Debug)]
pub struct FittedTagger {
    /// The model.
    pub model: TaggerModel,
    /// What training did.
    pub report: TaggerReport,
}

/// Everything that learning needs.
struct Material<'a> {
    slots: Slots,
    views: Views,
    /// All layers that have weights, the first look among them, and what they are to learn.
    layers: Vec<Layer>,
    goals: Vec<Goals>,
    weights: Option<Vec<f32>>,
    lists: &'a ListTable,
    clusters: &'a ClusterTable,
    groups: FeatureGroups,
}

impl TaggerTrainer<'_> {
    /// A trainer for these layers with default settings.
    ///
    /// # Errors
    /// No layers or more than 16, names that are not distinct, or labels that do not fit the kind of a layer.
    pub fn new(layers: Vec<Layer>) -> Result<Self> {
        check_layers(&layers)?;
        Ok(Self { layers, options: TaggerOptions::default(), unlabelled: &[] })
    }
}

impl TaggerTrainer<'_> {
    /// The same trainer with other settings.
    #[must_use]
    pub fn with_options(mut self, options: TaggerOptions) -> Self {
        self.options = options;
        self
    }

    /// Text without labels, from which, with the training text, words get their classes.
    #[must_use]
    pub fn with_unlabelled<'b>(self, documents: &'b [Document<'b>]) -> TaggerTrainer<'b> {
        TaggerTrainer { layers: self.layers, options: self.options, unlabelled: documents }
    }

    /// Trains on documents, what is known about each layer of each, and optionally how much each document counts.
    ///
    /// The result is the same for any number of threads. Cost: a few microseconds per token and round. Memory: four
    /// bytes per feature of every token, eight per distinct feature and label.
    ///
    /// # Errors
    /// Targets that do not fit documents or layers, weights that are negative or not finite, a layer that no document
    /// teaches, or a budget that holds nothing.
    pub fn fit(
        &self,
        documents: &[Document],
        targets: &[Vec<LayerTarget>],
        weights: Option<&[f32]>,
    ) -> Result<FittedTagger> {
        check_targets(&self.layers, documents, targets, weights)?;
        if !(0.0..=0.5).contains(&self.options.held_out) {
            return Err(Error::setting(format!(
                "expected a share from 0 to 0.5 held out, found {}",
                self.options.held_out
            )));
        }
        let clusters = self.word_classes(documents)?;
        let mut lists = ListTable::build(&self.options.lists)?;
        let mut left_out = Vec::new();
        if lists.map.len() > self.list_budget() {
            let groups = self.options.groups.unwrap_or_else(|| self.usual_groups(documents));
            (lists, left_out) = self.fewer_lists(documents, targets, groups, &lists, &clusters)?;
        }
        let groups = match self.options.groups {
            Some(groups) => groups,
            None => self.choose_groups(documents, targets, &lists, &clusters)?,
        };
        let template = Template { groups, lists: lists.view(), clusters: clusters.view() };
        let mut slots = Slots::encode(&template, documents, 2);
        let mut report = TaggerReport {
            documents: documents.len(),
            sentences: slots.encoded.sentences(),
            tokens: slots.encoded.tokens(),
            list_entries: lists.entries,
            list_entries_too_long: lists.too_long,
            lists_left_out: left_out,
            classed_words: clusters.words,
            features: slots.keys.len(),
            ..TaggerReport::default()
        };
        let layers = self.layers.iter().enumerate();
        let mut goals: Vec<Goals> = layers
            .map(|(number, layer)| Goals::gather(number, layer, documents, targets, &mut report.crossing))
            .collect();
        let weights: Option<Vec<f32>> = weights.map(|weights| {
            let by_document = weights.iter().enumerate();
            by_document
                .flat_map(|(at, &weight)| std::iter::repeat_n(weight, slots.documents[at + 1] - slots.documents[at]))
                .collect()
        });
        let with_sentences = self.layers.iter().any(|layer| layer.kind == LayerKind::Sentences);
        let of_sentences = with_sentences.then(|| slots.of_sentences());
        let mut second = None;
        if let Some(layer) = looked_at(&self.layers, groups) {
            second = Some((self.second_look(&mut slots, documents, &goals[layer], weights.as_deref())?, layer));
            goals.push(goals[layer].clone());
            report.features = slots.keys.len();
        }
        let views = Views { base: std::mem::take(&mut slots.encoded), of_sentences, second };
        let layers = all_layers(&self.layers, groups);
        let material = Material { slots, views, layers, goals, weights, lists: &lists, clusters: &clusters, groups };
        self.finish(&material, report)
    }

    pub(super) fn recipe(&self) -> Recipe {
        Recipe {
            algorithm: self.options.algorithm,
            epochs: self.options.epochs.unwrap_or(10).max(1),
            seed: self.options.seed,
            members: self.options.members.max(1),
        }
    }

    /// Learns all layers, each from its view of the features.
    fn learn(material: &Material, views: &Views, sentences: &[u32], recipe: Recipe) -> Result<Vec<Head>> {
        let slots = material.slots.keys.len();
        let weights = material.weights.as_deref();
        let learn = |(number, goals): (usize, &Goals)| {
            let encoded = views.of(number, goals.kind == LayerKind::Sentences);
            goals.learn(encoded, slots, sentences, weights, recipe)
        };
        material.goals.iter().enumerate().map(learn).collect()
    }

    /// Learns, and where the budget leaves out more than a little, learns again with the features that stay: the others'
    /// part of the work falls to them.
    fn learn_within(material: &Material, sentences: &[u32], recipe: Recipe, budget: usize) -> Result<Learnt> {
        let whole = Self::learn(material, &material.views, sentences, recipe)?;
        let (kept, pruned) = Self::pruned(material, &whole, budget);
        if kept.weights.len() * 10 >= kept.all * 9 {
            return Ok(Learnt { again: whole.clone(), whole, kept, pruned });
        }
        let mut stays = vec![false; material.slots.keys.len()];
        kept.slots.iter().for_each(|&slot| stays[slot as usize] = true);
        let views = material.views.filtered(|slot| stays[slot as usize]);
        let again = Self::learn(material, &views, sentences, recipe)?;
        let (fewer, pruned) = Self::pruned(material, &again, budget);
        Ok(Learnt { whole, again, kept: Kept { all: kept.all, ..fewer }, pruned })
    }

    fn finish(&self, material: &Material, mut report: TaggerReport) -> Result<FittedTagger> {
        // The first look, which is the last, is not measured.
        let asked = || material.goals.iter().take(self.layers.len()).enumerate();
        let view = |number: usize| material.views.of(number, false);
        let all: Vec<u32> = (0..material.views.base.sentences() as u32).collect();
        let fixed = self.fixed_bytes(material, &report)?;
        let mut budget = self.options.max_bytes.saturating_sub(fixed);
        if budget < LEAST_TABLE {
            let most = self.options.max_bytes;
            return Err(Error::setting(format!(
                "expected a budget of at least {} bytes, found {most}: that much is taken before the first feature",
                fixed + LEAST_TABLE
            ))
            .hint("raise the budget, or give fewer or shorter lists"));
        }
        let (seen, held) = self.split(material, &all);
        let mut temperatures = vec![1.0; material.layers.len()];
        if !held.is_empty() {
            report.held_out_documents = held.len();
            let (seen, held) = (material.sentences_of(&seen), material.sentences_of(&held));
            let recipe = Recipe { members: 1, ..self.recipe() };
            let Learnt { whole, pruned, .. } = Self::learn_within(material, &seen, recipe, budget)?;
            for (number, goals) in asked() {
                let temperature = goals.temperature(&pruned[number], view(number), &held)?;
                temperatures[number] = temperature;
                report.quality.push(LayerQuality {
                    layer: self.layers[number].name.clone(),
                    learnt: goals.measure(&whole[number], view(number), &held),
                    pruned: goals.measure(&pruned[number], view(number), &held),
                    temperature,
                });
            }
        }
        let Learnt { again: heads, mut kept, pruned, .. } = Self::learn_within(material, &all, self.recipe(), budget)?;
        report.weights = kept.all;
        report.epochs = heads.iter().take(self.layers.len()).map(Head::epochs).collect();
        if held.is_empty() {
            for (number, goals) in asked() {
                temperatures[number] = goals.temperature(&pruned[number], view(number), &all)?;
            }
        }
        loop {
            let model = self.assemble(material, &heads, &kept, &temperatures, &mut report)?;
            let over = model.as_bytes().len().saturating_sub(self.options.max_bytes);
            if over == 0 || budget < LEAST_TABLE {
                return Ok(FittedTagger { report: model.description().training.clone(), model });
            }
            budget = budget.saturating_sub(over + 256);
            kept = Self::pruned(material, &heads, budget).0;
        }
    }

    /// The documents that the first model sees, and those held out.
    fn split(&self, material: &Material, all: &[u32]) -> (Vec<usize>, Vec<usize>) {
        let documents = material.slots.documents.len() - 1;
        let mut order: Vec<usize> = (0..documents).collect();
        let wanted = (self.options.held_out * documents as f64).round() as usize;
        if documents < 5 || wanted == 0 || all.len() < 10 {
            return (order, Vec::new());
        }
        Random::new(self.options.seed ^ 0x6865_6c64).shuffle(&mut order);
        let seen = order.split_off(wanted);
        (seen, order)
    }

    /// The weights within the budget, and the heads that they make.
    fn pruned(material: &Material, heads: &[Head], budget: usize) -> (Kept, Vec<Head>) {
        let slots = &material.slots;
        let rows: Vec<LayerRows> = heads
            .iter()
            .zip(&material.layers)
            .map(|(head, layer)| {
                let (states, stride) = head.states();
                LayerRows { states, stride, lanes: layer.lanes() }
            })
            .collect();
        let features = Features { keys: &slots.keys, templates: &slots.templates, counts: &slots.counts };
        let kept = prune(&rows, &features, budget);
        let spread = kept.spread(&rows, &slots.templates);
        let heads = heads.iter().zip(spread).map(|(head, states)| head.with_states(states)).collect();
        (kept, heads)
    }

    fn description(&self, material: &Material, report: &TaggerReport) -> TaggerDescription {
        TaggerDescription {
            layers: self.layers.clone(),
            features: material.groups,
            tokenizer: self.options.tokenizer.clone(),
            training: report.clone(),
            notes: serde_json::Value::Null,
        }
    }

    /// What the file takes apart from its table, with some room for the report.
    fn fixed_bytes(&self, material: &Material, report: &TaggerReport) -> Result<usize> {
        let numbers = Numbers {
            scales: vec![0.0; super::features::TEMPLATES],
            layers: material.layers.iter().map(LayerNumbers::empty).collect(),
        };
        let contents =
            Contents { floats: &numbers.write(), table: &[], lists: material.lists, clusters: material.clusters };
        let metadata = serde_json::to_vec(&self.description(material, report))
            .map_err(|error| Error::setting(format!("the model's description cannot be written as JSON: {error}")))?;
        Ok(super::file::encode(&metadata, &contents).len() + 200 + 500 * self.layers.len())
    }

    fn assemble(
        &self,
        material: &Material,
        heads: &[Head],
        kept: &Kept,
        temperatures: &[f64],
        report: &mut TaggerReport,
    ) -> Result<TaggerModel> {
        let layers = heads.iter().zip(&kept.factors).zip(temperatures).map(|((head, &factor), &temperature)| {
            let (decoder, bias) = match head {
                Head::Chain(trained) => (Some(trained.decoder.clone()), Vec::new()),
                Head::Linear(linear) => (None, linear.bias.clone()),
            };
            LayerNumbers { factor, temperature: temperature as f32, decoder, bias }
        });
        let numbers = Numbers { scales: kept.scales.clone(), layers: layers.collect() };
        let lanes = material.layers.iter().map(Layer::lanes).sum();
        let table = kept.write(&material.slots.keys, lanes)?;
        report.kept_features = kept.slots.len();
        report.kept_weights = kept.weights.len();
        let contents =
            Contents { floats: &numbers.write(), table: &table, lists: material.lists, clusters: material.clusters };
        // The size is part of the report, which is part of the file: the second writing has as many digits.
        let first = TaggerModel::assemble(&self.description(material, report), &contents)?;
        report.bytes = first.as_bytes().len();
        let second = TaggerModel::assemble(&self.description(material, report), &contents)?;
        report.bytes = second.as_bytes().len();
        TaggerModel::assemble(&self.description(material, report), &contents)
    }
}

/// What learning within a budget gives.
struct Learnt {
    /// With all features.
    whole: Vec<Head>,
    /// With those that stay.
    again: Vec<Head>,
    kept: Kept,
    /// What the model will make of it.
    pruned: Vec<Head>,
}

/// Below this no table is worth having.
const LEAST_TABLE: usize = 4_000;

impl Material<'_> {
    fn sentences_of(&self, documents: &[usize]) -> Vec<u32> {
        let mut sentences: Vec<u32> = documents
            .iter()
            .flat_map(|&at| self.slots.documents[at] as u32..self.slots.documents[at + 1] as u32)
            .collect();
        sentences.sort_unstable();
        sentences
    }
}
