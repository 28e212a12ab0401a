//! A trained tagger: one block of bytes that predicts by itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::buckets::{Buckets, Map};
use super::clusters::Clusters;
use super::corpus::{Layer, all_layers, check_layers};
use super::encode::Template;
use super::features::FeatureGroups;
use super::file::{self, Contents, Numbers, Sections};
use super::lists::Lists;
use super::options::TaggerReport;
use crate::chain::{Layout, Links};
use crate::error::{Error, Result};
use crate::mapped::Bytes;
use crate::sealed;

/// What a tagger says about itself; stored as JSON in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaggerDescription {
    /// The layers, in the order of predictions.
    pub layers: Vec<Layer>,
    /// The features in use.
    pub features: FeatureGroups,
    /// The tokenizer that made the tokens.
    pub tokenizer: String,
    /// What training did.
    pub training: TaggerReport,
    /// Whatever the caller put in, such as the measured error; `null` if nothing.
    #[serde(default)]
    pub notes: serde_json::Value,
}

/// A tagger, ready to predict; cheap to load, safe to share between threads.
#[derive(Debug)]
pub struct TaggerModel {
    bytes: Bytes,
    sections: Sections,
    description: TaggerDescription,
    pub(super) numbers: Numbers,
    /// What probabilities need, for chains.
    pub(super) links: Vec<Option<Links>>,
    /// A number that tells models apart.
    pub(super) identity: u64,
    pub(super) lanes: usize,
}

impl TaggerModel {
    pub(super) fn assemble(description: &TaggerDescription, contents: &Contents) -> Result<Self> {
        Self::from_vec(file::encode(&metadata(description)?, contents))
    }

    fn from_bytes(bytes: Bytes) -> Result<Self> {
        let content = bytes.as_slice();
        let sections = file::check(content)?;
        let description: TaggerDescription = serde_json::from_slice(&content[sections.metadata.clone()])
            .map_err(|error| Error::damaged(format!("the model's description cannot be read: {error}")))?;
        let misfit = || Error::damaged("the model's description does not fit its weights");
        check_layers(&description.layers).map_err(|_| misfit())?;
        // Of the pairs of so many labels alone there would be more than memory.
        if description
            .layers
            .iter()
            .any(|layer| layer.is_chain() && layer.lanes().pow(2) > 8 * content.len().max(1 << 20))
        {
            return Err(misfit());
        }
        let layers = all_layers(&description.layers, description.features);
        let lanes = layers.iter().map(Layer::lanes).sum();
        let numbers = Numbers::read(&sections.floats, &layers).ok_or_else(misfit)?;
        if !file::check_table(&content[sections.table.clone()], lanes) {
            return Err(misfit());
        }
        let mut links = Vec::new();
        for (layer, numbers) in layers.iter().zip(&numbers.layers) {
            links.push(match &numbers.decoder {
                Some(decoder) => Some(
                    Links::new(&decoder.weights(), &layer.layout().constraints())
                        .and_then(|links| links.with_temperature(f64::from(numbers.temperature)))
                        .map_err(|_| misfit())?,
                ),
                None => None,
            });
        }
        let identity = sealed::u64_at(content, 64);
        Ok(Self { bytes, sections, description, numbers, links, identity, lanes })
    }

    /// Loads a model by mapping its file into memory.
    ///
    /// The whole file is checked. It must not be rewritten in place while it is mapped; [`TaggerModel::save`] replaces
    /// files as a whole.
    ///
    /// # Errors
    /// The file cannot be read, is damaged or truncated, is no tagger, or has a newer format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        sealed::open(path).and_then(Self::from_bytes).map_err(|error| error.in_file(path))
    }

    /// Reads a model from the bytes of its file, with the checks of [`TaggerModel::open`].
    pub fn from_vec(bytes: Vec<u8>) -> Result<Self> {
        Self::from_bytes(Bytes::Owned(bytes))
    }

    /// Whether bytes look like the beginning of a tagger's file.
    pub fn recognises(bytes: &[u8]) -> bool {
        bytes.starts_with(&file::MAGIC)
    }

    /// The bytes of the model's file.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// Writes the model; an existing file is replaced as a whole.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        sealed::write(self.as_bytes(), path.as_ref())
    }

    /// The same model with the caller's notes, such as its measured error.
    pub fn with_notes(&self, notes: serde_json::Value) -> Result<Self> {
        let description = TaggerDescription { notes, ..self.description.clone() };
        Self::from_vec(file::with_metadata(self.as_bytes(), &self.sections, &metadata(&description)?))
    }

    /// What the model says about itself.
    pub fn description(&self) -> &TaggerDescription {
        &self.description
    }

    /// The layers, in the order of predictions.
    pub fn layers(&self) -> &[Layer] {
        &self.description.layers
    }

    /// How the labels of a layer are numbered where they are not types: see [`Layout`].
    pub fn layout(&self, layer: usize) -> Option<Layout> {
        self.layers().get(layer).filter(|layer| layer.is_chain()).map(Layer::layout)
    }

    /// The tokenizer that made the tokens the model was trained on.
    pub fn tokenizer(&self) -> &str {
        &self.description.tokenizer
    }

    /// What the caller put in.
    pub fn notes(&self) -> &serde_json::Value {
        &self.description.notes
    }

    /// The parts that features are made of.
    pub(super) fn template(&self) -> Template<'_> {
        let content = self.bytes.as_slice();
        let Sections { sets, levels, longest, lists, clusters, .. } = &self.sections;
        let map = |range: &std::ops::Range<usize>| {
            Map::read(&content[range.clone()], None).map(|read| read.0).unwrap_or_default()
        };
        Template {
            groups: self.description.features,
            lists: Lists { map: map(lists), sets, longest: *longest },
            clusters: Clusters { map: map(clusters), levels },
        }
    }

    pub(super) fn table(&self) -> Buckets<'_> {
        let table = &self.bytes.as_slice()[self.sections.table.clone()];
        Buckets::view(table).map(|view| view.0).unwrap_or_default()
    }
}

fn metadata(description: &TaggerDescription) -> Result<Vec<u8>> {
    serde_json::to_vec(description)
        .map_err(|error| Error::setting(format!("the model's description cannot be written as JSON: {error}")))
}
