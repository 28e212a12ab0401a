//! A trained text classifier: one block of bytes that predicts by itself.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::file::{self, Layout};
use super::options::FitReport;
use super::predict::Scratch;
use super::quality::largest;
use super::table::Table;
use super::target::Head;
use crate::error::{Error, Result};
use crate::mapped::Bytes;
use crate::sealed;

/// What a model says about itself; stored as JSON in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The names of the labels, in the order of the probabilities.
    pub labels: Vec<String>,
    /// How the labels relate.
    pub head: Head,
    /// For multi-label models, from which probability on each label applies; empty otherwise.
    pub thresholds: Vec<f32>,
    /// The longest run of words that is a feature, 1 to 3.
    pub words: usize,
    /// The shortest and longest character n-grams by which unknown words are read.
    pub characters: Option<(usize, usize)>,
    /// What training chose, and its out-of-fold figures.
    pub training: FitReport,
    /// Whatever the caller put in, such as the measured error; `null` if nothing.
    #[serde(default)]
    pub notes: serde_json::Value,
}

/// A text classifier, ready to predict; cheap to load, safe to share between threads.
#[derive(Debug)]
pub struct TextModel {
    bytes: Bytes,
    pub(super) layout: Layout,
    pub(super) description: Description,
}

impl TextModel {
    pub(super) fn assemble(description: &Description, prior: &[f32], bias: &[f32], table: &Table) -> Result<Self> {
        let metadata = metadata(description)?;
        Self::from_bytes(Bytes::Owned(file::encode(&metadata, prior, bias, table)))
    }

    fn from_bytes(bytes: Bytes) -> Result<Self> {
        let layout = file::check(bytes.as_slice())?;
        let described = &bytes.as_slice()[layout.metadata.clone()];
        let description: Description = serde_json::from_slice(described)
            .map_err(|error| Error::damaged(format!("the model's description cannot be read: {error}")))?;
        let thresholds = if description.head == Head::Multilabel { layout.classes } else { 0 };
        if description.labels.len() != layout.classes
            || description.thresholds.len() != thresholds
            || !(1..=3).contains(&description.words)
            || description.characters.is_some_and(|(shortest, longest)| shortest == 0 || longest > 40)
        {
            return Err(Error::damaged("the model's description does not fit its weights"));
        }
        Ok(Self { bytes, layout, description })
    }

    /// Loads a model by mapping its file into memory.
    ///
    /// The whole file is checked, at about a gigabyte per second. The file must not be rewritten in place while it is
    /// mapped; [`TextModel::save`] replaces files as a whole.
    ///
    /// # Errors
    /// The file cannot be read, is damaged or truncated, is no model, or has a newer format.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        sealed::open(path).and_then(Self::from_bytes).map_err(|error| error.in_file(path))
    }

    /// Reads a model from the bytes of its file, with the checks of [`TextModel::load`].
    pub fn from_vec(bytes: Vec<u8>) -> Result<Self> {
        Self::from_bytes(Bytes::Owned(bytes))
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
        let description = Description { notes, ..self.description.clone() };
        let metadata = metadata(&description)?;
        Self::from_bytes(Bytes::Owned(file::with_metadata(self.as_bytes(), &self.layout, &metadata)))
    }

    /// What the model says about itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The names of the labels, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        &self.description.labels
    }

    /// How the labels relate.
    pub fn head(&self) -> Head {
        self.description.head
    }

    /// The probabilities for a text of which nothing is known, which is what an empty text gets.
    pub fn prior(&self) -> &[f32] {
        &self.layout.prior
    }

    /// Predicts one text: one probability per label into `probabilities`.
    ///
    /// They sum to 1, except for [`Head::Multilabel`], where each stands for itself. Nothing is allocated once `scratch`
    /// has grown to the longest text.
    ///
    /// # Panics
    /// `probabilities` has another length than the labels.
    pub fn predict_into(&self, text: &str, scratch: &mut Scratch, out: &mut [f32]) {
        assert_eq!(out.len(), self.layout.classes, "one probability per label");
        if scratch.score(self, text) {
            out.copy_from_slice(&scratch.probabilities()[..out.len()]);
        } else {
            out.copy_from_slice(&self.layout.prior);
        }
    }

    /// Predicts many texts on all threads of the current pool: `labels` probabilities per text, in the order of the
    /// texts, the same for any number of threads.
    pub fn predict_batch<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<f32> {
        let classes = self.layout.classes;
        let mut all = vec![0.0; texts.len() * classes];
        all.par_chunks_mut(classes * BATCH).zip(texts.par_chunks(BATCH)).for_each_init(
            Scratch::default,
            |scratch, (rows, texts)| {
                for (row, text) in rows.chunks_exact_mut(classes).zip(texts) {
                    self.predict_into(text.as_ref(), scratch, row);
                }
            },
        );
        all
    }

    /// The most probable label of a row of probabilities, the first of equals.
    pub fn most_probable(&self, probabilities: &[f32]) -> u16 {
        largest(probabilities) as u16
    }

    /// The median of an ordered scale under a row of probabilities: of all answers it has the least expected distance.
    pub fn median(&self, probabilities: &[f32]) -> u16 {
        let mut sum = 0.0;
        let below = probabilities.iter().take_while(|share| {
            sum += **share;
            sum < 0.5
        });
        below.count().min(self.layout.classes - 1) as u16
    }

    /// The labels of a multi-label model that reach their thresholds.
    pub fn applying<'a>(&'a self, probabilities: &'a [f32]) -> impl Iterator<Item = u16> + 'a {
        let cuts = probabilities.iter().zip(&self.description.thresholds);
        cuts.enumerate().filter(|(_, (share, threshold))| share >= threshold).map(|(class, _)| class as u16)
    }
}

/// Texts that one thread takes at a time.
const BATCH: usize = 256;

fn metadata(description: &Description) -> Result<Vec<u8>> {
    serde_json::to_vec(description)
        .map_err(|error| Error::setting(format!("the model's description cannot be written as JSON: {error}")))
}
