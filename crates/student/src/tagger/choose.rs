//! What training chooses by itself before it learns: word classes, character features, and which lists fit the budget.

use super::clusters::ClusterTable;
use super::corpus::{Document, LayerKind, LayerTarget};
use super::encode::{Slots, Template};
use super::features::FeatureGroups;
use super::fit::TaggerTrainer;
use super::induce::induce;
use super::lesson::{Goals, Recipe};
use super::lists::ListTable;
use crate::error::Result;
use crate::random::Random;

impl TaggerTrainer<'_> {
    /// Word classes, where they are wanted or there is enough text for them.
    pub(super) fn word_classes(&self, documents: &[Document]) -> Result<ClusterTable> {
        let tokens = |documents: &[Document]| documents.iter().map(|document| document.tokens.len()).sum::<usize>();
        let enough = || tokens(self.unlabelled) > tokens(documents) && tokens(self.unlabelled) > 200_000;
        if self.options.word_classes.unwrap_or_else(enough) {
            induce(documents.iter().chain(self.unlabelled), self.options.seed)
        } else {
            Ok(ClusterTable::default())
        }
    }

    /// The most bytes that lists may take.
    pub(super) fn list_budget(&self) -> usize {
        self.options.max_bytes / 5 * 2
    }

    /// The lists that help most for their bytes, by the weights of a short training with all of them, and the names of
    /// the others.
    pub(super) fn fewer_lists(
        &self,
        documents: &[Document],
        targets: &[Vec<LayerTarget>],
        groups: FeatureGroups,
        all: &ListTable,
        clusters: &ClusterTable,
    ) -> Result<(ListTable, Vec<String>)> {
        let template = Template { groups, lists: all.view(), clusters: clusters.view() };
        let slots = Slots::encode(&template, documents, 2);
        let sentences: Vec<u32> = (0..slots.encoded.sentences() as u32).collect();
        let mut effects = vec![0.0f64; self.options.lists.len()];
        for (number, layer) in self.layers.iter().enumerate() {
            let goals = Goals::gather(number, layer, documents, targets, &mut 0);
            let recipe = Recipe { epochs: 3, members: 1, ..self.recipe() };
            let head = goals.learn(&slots.encoded, slots.keys.len(), &sentences, None, recipe)?;
            let (states, stride) = head.states();
            for (list, effect) in effects.iter_mut().enumerate() {
                for slot in super::lists::keys_of(list).filter_map(|key| slots.find(key)) {
                    let row = &states[slot as usize * stride..][..layer.lanes()];
                    let size: f64 = row.iter().map(|weight| f64::from(weight * weight)).sum();
                    *effect += size.sqrt() * f64::from(slots.counts[slot as usize]);
                }
            }
        }
        let worth = |list: usize| effects[list] / (self.options.lists[list].entries.len() + 1) as f64;
        let mut order: Vec<usize> = (0..effects.len()).collect();
        order.sort_by(|&left, &right| worth(right).total_cmp(&worth(left)).then(left.cmp(&right)));
        let mut chosen: Vec<usize> = Vec::new();
        let mut table = ListTable::build(&[])?;
        for list in order {
            chosen.push(list);
            chosen.sort_unstable();
            let lists: Vec<_> = chosen.iter().map(|&at| self.options.lists[at].clone()).collect();
            let larger = ListTable::build(&lists)?;
            if larger.map.len() > self.list_budget() {
                chosen.retain(|&at| at != list);
            } else {
                table = larger;
            }
        }
        let left_out = (0..effects.len()).filter(|list| !chosen.contains(list));
        Ok((table, left_out.map(|list| self.options.lists[list].name.clone()).collect()))
    }

    /// The usual features, and those of all character runs if a short trial on held-out documents says that they help.
    pub(super) fn choose_groups(
        &self,
        documents: &[Document],
        targets: &[Vec<LayerTarget>],
        lists: &ListTable,
        clusters: &ClusterTable,
    ) -> Result<FeatureGroups> {
        let usual = self.usual_groups(documents);
        let chains: Vec<usize> =
            (0..self.layers.len()).filter(|&at| self.layers[at].kind == LayerKind::Spans).collect();
        let tokens: usize = documents.iter().map(|document| document.tokens.len()).sum();
        if usual.characters || chains.is_empty() || documents.len() < 20 || tokens > TRIAL_TOKENS {
            return Ok(usual);
        }
        let mut order: Vec<usize> = (0..documents.len()).collect();
        Random::new(self.options.seed ^ 0x7472_6961).shuffle(&mut order);
        let chosen: Vec<Document> = order.iter().map(|&at| documents[at].clone()).collect();
        let known: Vec<Vec<LayerTarget>> = order.iter().map(|&at| targets[at].clone()).collect();
        let held = chosen.len() / 4;
        let reach = |groups: FeatureGroups| -> Result<f64> {
            let template = Template { groups, lists: lists.view(), clusters: clusters.view() };
            let slots = Slots::encode(&template, &chosen, 2);
            let border = slots.documents[held] as u32;
            let (tests, lessons): (Vec<u32>, Vec<u32>) =
                (0..slots.encoded.sentences() as u32).partition(|&sentence| sentence < border);
            let mut sum = 0.0;
            for &layer in &chains {
                let goals = Goals::gather(layer, &self.layers[layer], &chosen, &known, &mut 0);
                let recipe = Recipe { epochs: 5, members: 1, ..self.recipe() };
                let head = goals.learn(&slots.encoded, slots.keys.len(), &lessons, None, recipe)?;
                sum += goals.measure(&head, &slots.encoded, &tests).spans.f1();
            }
            Ok(sum / chains.len() as f64)
        };
        let with = FeatureGroups { characters: true, ..usual };
        Ok(if reach(with)? > reach(usual)? + WORTH_CHARACTERS { with } else { usual })
    }

    /// The features that do well for these kinds of layers.
    pub(super) fn usual_groups(&self, documents: &[Document]) -> FeatureGroups {
        let has = |kind: LayerKind| self.layers.iter().any(|layer| layer.kind == kind);
        FeatureGroups {
            document: documents.iter().any(|document| document.ranges().nth(1).is_some()),
            characters: has(LayerKind::Tags),
            places: has(LayerKind::Scores),
            looks: self.options.looks_twice && has(LayerKind::Spans),
            ..FeatureGroups::default()
        }
    }
}

/// With more tokens than this character runs are not tried: they helped on smaller sets (BC5CDR, WNUT-17) and hurt on
/// CoNLL-2003, whose 200,000 tokens say enough about words.
const TRIAL_TOKENS: usize = 150_000;
/// What character runs have to add to F1 to be worth their size.
const WORTH_CHARACTERS: f64 = 0.005;
