//! The `[[annotator]]` entries of a project file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postil_core::text::Tokenizer;
use postil_core::{Error, Result, Task};
use serde::Deserialize;

use crate::list::SpanListAnnotator;
use crate::llm::LlmSpec;
use crate::program::Workers;
use crate::replay::SpanReplayAnnotator;
use crate::replay::records::RecordReplayAnnotator;
use crate::tagger::TaggerAnnotator;
use crate::{
    Annotator, ListAnnotator, ListSpec, ModelAnnotator, ModelSpec, ProgramAnnotator, ProgramSpec, ReplayAnnotator,
    ReplaySpec,
};

/// One `[[annotator]]` entry, told apart by its `kind`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AnnotatorSpec {
    /// A labelling program, or a folder of them.
    Program(ProgramSpec),
    /// Keyword and phrase lists.
    List(ListSpec),
    /// Stored answers.
    Replay(ReplaySpec),
    /// A trained model.
    Model(ModelSpec),
    /// A language model over HTTP.
    Llm(Box<LlmSpec>),
    /// People, who answer in the browser.
    Person(PersonSpec),
}

/// People, who answer in the browser: an entry says that a project begins with them, and asks nobody.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonSpec {
    /// The name in the project.
    pub name: String,
}

impl AnnotatorSpec {
    /// The name in the project.
    pub fn name(&self) -> &str {
        match self {
            Self::Program(spec) => &spec.name,
            Self::List(spec) => &spec.name,
            Self::Replay(spec) => &spec.name,
            Self::Model(spec) => &spec.name,
            Self::Llm(spec) => &spec.name,
            Self::Person(spec) => &spec.name,
        }
    }
}

/// The command that starts a process which runs [`program_worker`](crate::program_worker).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// This very program with the argument `program-worker`.
    ///
    /// # Errors
    /// The system does not tell where the program lies.
    pub fn this_program() -> Result<Self> {
        let program =
            std::env::current_exe().map_err(|error| Error::io("the running program cannot be located", error))?;
        Ok(Self { program, arguments: vec!["program-worker".into()] })
    }
}

/// What annotators share: the worker processes of labelling programs.
///
/// All annotators opened with one `Settings` (or a clone of it) use the same processes, at most `threads` of them,
/// started when they are first needed and ended when the last of them is dropped.
#[derive(Clone)]
pub struct Settings {
    pub(crate) workers: Arc<Workers>,
    pub(crate) tokenizer: Tokenizer,
    given: bool,
}

impl Settings {
    /// Settings for this many worker processes, at least one. Results do not depend on the number.
    pub fn new(worker: WorkerCommand, threads: usize) -> Self {
        Self { workers: Arc::new(Workers::new(worker, threads.max(1))), tokenizer: Tokenizer::Words, given: false }
    }

    /// The same with another tokenizer: in tasks about spans and tags, matches and tags keep to its tokens.
    #[must_use]
    pub fn with_tokenizer(self, tokenizer: Tokenizer) -> Self {
        Self { tokenizer, ..self }
    }

    /// The same where the items bring their tokens along.
    #[must_use]
    pub fn with_given_tokens(self, given: bool) -> Self {
        Self { given, ..self }
    }

    /// How texts are cut into tokens, as it goes into the versions of annotators.
    pub(crate) const fn cut(&self) -> &'static str {
        if self.given { "given" } else { self.tokenizer.name() }
    }
}

/// Opens one entry for the task: a program file with several functions, a folder of programs, a list with `separate`, a replay file
/// with several annotators give several annotators, in a fixed order with distinct names. A language model gives none here: it is opened by
/// [`LlmAnnotator::open`](crate::llm::LlmAnnotator::open).
///
/// # Errors
/// Files that are missing or wrong, labels that the task does not have, kinds that are not yet available.
pub fn open(spec: &AnnotatorSpec, task: &Task, folder: &Path, settings: &Settings) -> Result<Vec<Box<dyn Annotator>>> {
    use postil_core::TaskKind::{Classify, Extract, Multilabel, Ordinal, Pairs, Spans, Tag};

    let on_tokens = matches!(task.kind, Spans | Tag);
    if !on_tokens && !matches!(task.kind, Classify | Multilabel | Ordinal | Pairs | Extract) {
        return Err(Error::unavailable(format!("annotators for `{}` tasks are not yet available", task.kind)));
    }
    let silence = match spec {
        AnnotatorSpec::Program(spec) => spec.silence,
        AnnotatorSpec::List(spec) => spec.silence,
        AnnotatorSpec::Replay(spec) => spec.silence,
        _ => None,
    };
    if task.kind == Tag && silence.is_some() {
        return Err(Error::task(format!(
            "annotator `{}`: `silence` has no meaning where every token has a tag",
            spec.name()
        ))
        .hint("a token without a tag is one about which nothing is said"));
    }
    if task.kind == Pairs && matches!(spec, AnnotatorSpec::List(_) | AnnotatorSpec::Model(_)) {
        return Err(Error::task(format!(
            "annotator `{}`: lists and trained models look at one text, and a pair has two",
            spec.name()
        ))
        .hint("compare with a program, stored answers (`replay`) or a language model"));
    }
    if task.kind == Extract && matches!(spec, AnnotatorSpec::List(_) | AnnotatorSpec::Model(_)) {
        return Err(Error::task(format!("annotator `{}`: lists and trained models fill no records", spec.name()))
            .hint("use a program, stored answers (`replay`) or a language model"));
    }
    match spec {
        AnnotatorSpec::Program(spec) => Ok(boxed(ProgramAnnotator::open(spec, task, folder, settings)?)),
        AnnotatorSpec::List(spec) if on_tokens => Ok(boxed(SpanListAnnotator::open(spec, task, folder, settings)?)),
        AnnotatorSpec::List(spec) => Ok(boxed(ListAnnotator::open(spec, task, folder)?)),
        AnnotatorSpec::Replay(spec) if task.kind == Extract => {
            Ok(boxed(RecordReplayAnnotator::open(spec, task, folder)?))
        }
        AnnotatorSpec::Replay(spec) if on_tokens => Ok(boxed(SpanReplayAnnotator::open(spec, task, folder, settings)?)),
        AnnotatorSpec::Replay(spec) => Ok(boxed(ReplayAnnotator::open(spec, task, folder)?)),
        AnnotatorSpec::Model(spec) if on_tokens => {
            Ok(boxed(vec![TaggerAnnotator::open(spec, task, folder, settings)?]))
        }
        AnnotatorSpec::Model(spec) => Ok(boxed(vec![ModelAnnotator::open(spec, task, folder)?])),
        // A language model is paid for and asked by an engine of its own.
        // People answer in the browser, and a run reads what they said from the ledger.
        AnnotatorSpec::Llm(_) | AnnotatorSpec::Person(_) => Ok(Vec::new()),
    }
}

fn boxed<A: Annotator + 'static>(annotators: Vec<A>) -> Vec<Box<dyn Annotator>> {
    annotators.into_iter().map(|annotator| Box::new(annotator) as Box<dyn Annotator>).collect()
}
