//! A project folder with its files, and the shortest way from an entry to its annotations.

use std::path::Path;

use postil_annotators::{Annotator, AnnotatorSpec, Settings, WorkerCommand, open};
use postil_core::{Annotation, Answer, ItemBatch, LabelSet, Result, Task, TaskKind};
use serde::Deserialize;

pub(crate) struct Project {
    folder: tempfile::TempDir,
    pub(crate) task: Task,
    pub(crate) threads: usize,
    /// An argument that the worker ignores, by which a test knows its own processes.
    pub(crate) marker: &'static str,
}

pub(crate) fn worker() -> WorkerCommand {
    WorkerCommand { program: env!("CARGO_BIN_EXE_postil-program-worker").into(), arguments: Vec::new() }
}

impl Project {
    pub(crate) fn new(kind: TaskKind) -> Self {
        let labels = LabelSet::flat(["bug", "billing", "praise"]).unwrap();
        let task = Task { kind, labels, guidelines: None };
        Self { folder: tempfile::tempdir().unwrap(), task, threads: 2, marker: "" }
    }

    pub(crate) fn with(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn open(&self, spec: &str) -> Result<Vec<Box<dyn Annotator>>> {
        // By way of a value: read directly, numbers of tagged entries suffer from a feature of serde_json that other
        // crates switch on.
        let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
        let spec = AnnotatorSpec::deserialize(spec).unwrap();
        let command = WorkerCommand { arguments: vec![self.marker.into()], ..worker() };
        open(&spec, &self.task, self.folder(), &Settings::new(command, self.threads))
    }

    /// Opens an entry with one annotator.
    pub(crate) fn one(&self, spec: &str) -> Box<dyn Annotator> {
        let mut annotators = self.open(spec).unwrap();
        assert_eq!(annotators.len(), 1, "{:?}", names(&annotators));
        annotators.pop().unwrap()
    }

    /// Runs a program over texts; the items are called `1`, `2`, ...
    pub(crate) fn run(kind: TaskKind, source: &str, limits: &str, texts: &[&str]) -> Vec<Annotation> {
        let project = Self::new(kind).with("p.star", source);
        let spec = format!(r#"{{"kind": "program", "name": "p", "path": "p.star", "limits": {limits}}}"#);
        project.one(&spec).annotate(&items(texts)).unwrap()
    }
}

pub(crate) fn names(annotators: &[Box<dyn Annotator>]) -> Vec<String> {
    annotators.iter().map(|annotator| annotator.identity().name.to_string()).collect()
}

pub(crate) fn items(texts: &[&str]) -> ItemBatch {
    let ids: Vec<String> = (1..=texts.len()).map(|number| number.to_string()).collect();
    ItemBatch::from_texts(ids.iter().map(String::as_str).zip(texts.iter().copied()))
}

pub(crate) fn message(result: Result<Vec<Box<dyn Annotator>>>) -> String {
    match result {
        Ok(annotators) => panic!("expected an error, found {:?}", names(&annotators)),
        Err(error) => error.to_string(),
    }
}

/// An answer in a few letters: `bug`, `{bug,praise}` for a set, `bug|praise` for candidates, `bug=0.25 ...`, `-`.
pub(crate) fn brief(annotation: &Annotation) -> String {
    let join =
        |labels: &[postil_core::Name], by: &str| labels.iter().map(|label| &**label).collect::<Vec<_>>().join(by);
    match &annotation.answer {
        Answer::Class { label } => label.to_string(),
        Answer::Set { labels } => format!("{{{}}}", join(labels, ",")),
        Answer::Candidates { labels } => join(labels, "|"),
        Answer::Distribution { weights } => {
            weights.iter().map(|(label, weight)| format!("{label}={weight:.2}")).collect::<Vec<_>>().join(" ")
        }
        Answer::Abstain => match annotation.status {
            postil_core::Status::Abstained => "-".to_owned(),
            status => status.name().to_owned(),
        },
        other => other.kind_name().to_owned(),
    }
}

pub(crate) fn briefs(annotations: &[Annotation]) -> Vec<String> {
    annotations.iter().map(brief).collect()
}
