//! Everything that writes annotations: sandboxed labelling programs, keyword lists, stored answers, trained models.
//!
//! Each of them is an [`Annotator`]: a batch of items goes in, annotations come out, and the price is known before.
//! [`AnnotatorSpec`] is the `[[annotator]]` entry of a project file, and [`open`] turns one entry into its annotators.
//!
//! ```
//! use postil_annotators::{AnnotatorSpec, Settings, WorkerCommand, open};
//! use postil_core::{Answer, ItemBatch, LabelSet, Task, TaskKind};
//!
//! # fn main() -> postil_core::Result<()> {
//! let folder = std::env::temp_dir().join(format!("postil-doc-{}", std::process::id()));
//! std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
//! std::fs::write(folder.join("billing.txt"), "invoice\nrefund\t2\n").expect("the temporary folder is writable");
//!
//! let task = Task { kind: TaskKind::Classify, labels: LabelSet::flat(["billing", "bug"])?, guidelines: None };
//! let spec: AnnotatorSpec = serde_json::from_str(
//!     r#"{"kind": "list", "name": "words", "lists": {"billing": "billing.txt"}}"#,
//! )
//! .expect("the entry is well formed");
//! let settings = Settings::new(WorkerCommand::this_program()?, 1);
//! let mut annotators = open(&spec, &task, &folder, &settings)?;
//!
//! let items = ItemBatch::from_texts([("1", "My Invoice, please"), ("2", "it crashed")]);
//! let annotations = annotators[0].annotate(&items)?;
//! assert_eq!(annotations[0].answer, Answer::class("billing"));
//! assert_eq!(annotations[1].answer, Answer::Abstain);
//! # std::fs::remove_dir_all(&folder).ok();
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail by panicking"))]

pub mod demonstrations;
pub mod entities;
mod list;
pub mod llm;
mod model;
mod program;
mod records;
mod replay;
mod spans;
mod spec;
mod tagger;
mod words;

pub use list::{Case, ListAnnotator, ListFile, ListSources, ListSpec};
pub use model::{ModelAnnotator, ModelSpec};
pub use program::{Limits, ProgramAnnotator, ProgramSpec, program_worker};
pub use records::{StoredRecord, read_records};
pub use replay::{ReplayAnnotator, ReplayColumns, ReplaySpec};
pub use spans::Silence;
pub use spec::{AnnotatorSpec, PersonSpec, Settings, WorkerCommand, open};

use postil_core::{Annotation, AnnotatorIdentity, Cost, ItemBatch, Result};

/// Anything that writes annotations.
///
/// The caller promises nothing about the batches: they may be empty, of any size, and the same items may come twice.
/// The implementor promises that the annotations are a function of its version and the batch alone (its `at_millis`
/// are 0; the caller sets the time), in item order, with any number of threads.
pub trait Annotator: Send {
    /// The name, the kind, and the digest of everything that can change an answer.
    fn identity(&self) -> &AnnotatorIdentity;

    /// The expected cost of these items, known before any is annotated.
    fn price(&self, items: &ItemBatch) -> Cost;

    /// Zero or more annotations per item, in item order.
    ///
    /// What goes wrong with one item is an annotation with a status and a reason; the items around it keep theirs.
    ///
    /// # Errors
    /// The annotator as a whole cannot go on.
    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>>;

    /// Rows of a batch that it has answered before, and is not asked about again.
    fn pass_over(&mut self, _items: &ItemBatch, _rows: &[usize]) {}

    /// What it says about the text that it leaves alone, in tasks about spans and tags.
    fn silence(&self) -> Silence {
        Silence::Outside
    }

    /// What its user should know and what did not stop it, such as a phrase in the lists of two labels; some of it may
    /// be known only after the last batch.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
