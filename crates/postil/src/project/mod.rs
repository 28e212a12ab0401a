//! A project: a folder with a `postil.toml`.
//!
//! [`ProjectFile`] is what was written, [`Project`] what it means: checked, with paths resolved, and impossible to build
//! from a file that contradicts itself.

mod file;
mod init;
mod pack;
mod pairs;
mod routing;

use std::path::{Path, PathBuf};

use postil_annotators::AnnotatorSpec;
use postil_annotators::llm::{Cap, LlmAnnotator};
use postil_core::consensus::Method;
use postil_core::record::RecordSchema;
use postil_core::sequences;
use postil_core::text::Tokenizer;
use postil_core::{Digest, Error, Label, LabelSet, LinkKind, Name, Result, Task, TaskKind};
use postil_student::text::Distillation;

pub use file::{Metric, OutputFormat, ProjectFile, Target as Wanted};
pub use init::{FIRST_PROGRAM, ForPeople, Proposal, propose, propose_for_people};
pub use pack::unpack;
pub use pairs::Pairs;
pub use routing::Routing;

/// The name of the project file.
pub const FILE_NAME: &str = "postil.toml";

/// A checked project.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of the project file.
    pub folder: PathBuf,
    /// The project's name: the name of its folder.
    pub name: String,
    /// What is asked.
    pub task: Task,
    /// The items' file, or `-` for standard input.
    pub items: PathBuf,
    /// The column of the text.
    pub text: String,
    /// Columns that together are the text.
    pub join: Vec<String>,
    /// Where the two texts of an item stand, in a task of pairs.
    pub pairs: Option<Pairs>,
    /// The column of the id, if there is one.
    pub id: Option<String>,
    /// The gold file, if there is one.
    pub gold: Option<PathBuf>,
    /// The gold file's column of the label, when it has an unusual name.
    pub gold_label: Option<String>,
    /// How texts are cut into tokens, in tasks that mark text.
    pub tokenizer: Tokenizer,
    /// The column of the tokens, where they come with the texts.
    pub tokens: Option<String>,
    /// Whether spans of different labels may overlap.
    pub overlapping: bool,
    /// The kinds of links between spans.
    pub links: Vec<LinkKind>,
    /// The name of the layer of tags.
    pub layer: String,
    /// In a task of records: the file of a record's JSON schema.
    pub schema: Option<PathBuf>,
    /// The file of the guidelines.
    pub guidelines: Option<PathBuf>,
    /// The annotators, in the file's order.
    pub annotators: Vec<AnnotatorSpec>,
    /// How answers about whole items are fused.
    pub method: Method,
    /// How claims about stretches of text are fused.
    pub sequence_method: sequences::Method,
    /// Whether a student is trained.
    pub student: bool,
    /// What a student of whole texts is told of labels that are only probable; `None` where gold may choose.
    pub teaching: Option<Distillation>,
    /// The formats in which the labels are written, besides Parquet.
    pub formats: Vec<OutputFormat>,
    /// Where results are written.
    pub output: PathBuf,
    /// The quality asked for.
    pub target: Option<file::Target>,
    /// The most that may be spent.
    pub budget: Option<file::Budget>,
    /// How items are shared out among language models and people; by default every model is asked about every item.
    pub routing: Option<Routing>,
    /// The seed of everything random.
    pub seed: u64,
    /// The digest of the settings that can change a result.
    pub settings: Digest,
}

impl Project {
    /// Opens a project folder, or a project file by its name.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_path_buf() };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let error = Error::io(format!("the project file cannot be read: {error}"), error).in_file(&file);
            if missing { error.hint("`postil init DATA.csv` writes one for your data") } else { error }
        })?;
        let folder = file.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Self::parse(&text, &folder).map_err(|error| if error.place().is_some() { error } else { error.in_file(&file) })
    }

    /// Checks the text of a project file that lies in `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let file = ProjectFile::parse(text)?;
        let guidelines = match &file.task.guidelines {
            None => None,
            Some(path) => {
                let path = folder.join(path);
                Some(std::fs::read_to_string(&path).map_err(|error| {
                    Error::io(format!("the guidelines cannot be read: {error}"), error).in_file(&path)
                })?)
            }
        };
        let (column, pairs) = pairs::columns(&file)?;
        let task = Task { kind: file.task.kind, labels: labels(&file, folder)?, guidelines };
        if file.annotators.is_empty() {
            return Err(Error::task("expected at least one annotator, found none")
                .hint("add an `[[annotator]]` entry: a program, a list, stored answers or a model"));
        }
        for (index, annotator) in file.annotators.iter().enumerate() {
            if file.annotators[..index].iter().any(|other| other.name() == annotator.name()) {
                return Err(Error::task(format!("two annotators are named `{}`", annotator.name())));
            }
            if annotator.name() == crate::run::GOLD {
                return Err(Error::task(format!("the name `{}` is reserved for the gold labels", crate::run::GOLD)));
            }
        }
        if let Some(target) = &file.target {
            target.check()?;
        }
        if let Some(money) = file.budget.and_then(|budget| budget.money)
            && !(0.0..=1e12).contains(&money)
        {
            return Err(Error::task(format!("expected `budget.money` of zero or more, found {money}")));
        }
        check_marks(&file)?;
        LinkKind::check(&file.task.links, &task.labels)?;
        let routing = Routing::read(&file)?;
        let name = folder
            .canonicalize()
            .ok()
            .and_then(|folder| folder.file_name().map(|name| name.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "project".to_owned());
        let items =
            if file.data.items == Path::new("-") { file.data.items.clone() } else { folder.join(&file.data.items) };
        let (mut method, mut sequence_method) = (Method::parse("auto")?, sequences::Method::Automatic);
        if task.kind == TaskKind::Spans && file.consensus.method != "auto" {
            sequence_method = sequences::Method::from_name(&file.consensus.method).ok_or_else(|| {
                let known: Vec<&str> = sequences::Method::ALL.into_iter().map(sequences::Method::name).collect();
                let known = known.join("`, `");
                Error::task(format!(
                    "expected `consensus.method` to be one of `{known}`, found `{}`",
                    file.consensus.method
                ))
            })?;
        } else {
            method = Method::parse(&file.consensus.method)?;
        }
        Ok(Self {
            name,
            task,
            items,
            text: column,
            join: file.data.join,
            pairs,
            id: file.data.id,
            gold: file.data.gold.map(|gold| folder.join(gold)),
            gold_label: file.data.gold_label,
            tokenizer: file.data.tokenizer,
            tokens: file.data.tokens,
            overlapping: file.task.overlapping,
            links: file.task.links,
            layer: file.task.layer.unwrap_or_else(|| "tag".to_owned()),
            schema: file.task.schema.map(|schema| folder.join(schema)),
            guidelines: file.task.guidelines.map(|guidelines| folder.join(guidelines)),
            annotators: file.annotators,
            method,
            sequence_method,
            student: file.student.train,
            teaching: file.student.targets,
            formats: file.output.formats,
            output: folder.join(file.output.folder),
            target: file.target,
            budget: file.budget,
            routing,
            seed: file.seed,
            settings: Digest::of_parts([text.as_bytes()]),
            folder: folder.to_path_buf(),
        })
    }

    /// The folder of the ledger.
    pub fn ledger(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    /// The most that language models may cost.
    pub fn cap(&self) -> Cap {
        let budget = self.budget;
        Cap {
            money_micros: budget.and_then(|budget| budget.money).map(|money| (money * 1e6).floor() as u64),
            tokens: budget.and_then(|budget| budget.tokens),
        }
    }

    /// The language models among the annotators, with their prompts read, in the project's order.
    pub fn models(&self) -> Result<Vec<LlmAnnotator>> {
        self.annotators
            .iter()
            .filter_map(|spec| match spec {
                AnnotatorSpec::Llm(spec) => {
                    let model = LlmAnnotator::open(spec, &self.task, &self.folder);
                    Some(model.and_then(|model| crate::run::with_pool(self, model.overlapping(self.overlapping))))
                }
                _ => None,
            })
            .collect()
    }
}

/// Settings that only tasks about text have.
fn check_marks(file: &ProjectFile) -> Result<()> {
    let kind = file.task.kind;
    let wrong = |setting: &str, kinds: &str| {
        Err(Error::task(format!("`{setting}` is for {kinds} tasks, and this is a `{kind}` task")))
    };
    if file.task.layer.is_some() && kind != TaskKind::Tag {
        return wrong("task.layer", "`tag`");
    }
    if file.task.overlapping && kind != TaskKind::Spans {
        return wrong("task.overlapping", "`spans`");
    }
    if !file.task.links.is_empty() && kind != TaskKind::Spans {
        return wrong("task.links", "`spans`");
    }
    if file.task.schema.is_some() && kind != TaskKind::Extract {
        return wrong("task.schema", "`extract`");
    }
    if file.data.tokens.is_some() && !matches!(kind, TaskKind::Tag | TaskKind::Spans) {
        return wrong("data.tokens", "`spans` and `tag`");
    }
    if kind == TaskKind::Tag && file.task.labels.len() == 1 {
        return Err(Error::task("expected at least two labels for a `tag` task, found one"));
    }
    Ok(())
}

/// The fields of the records.
fn fields(file: &ProjectFile, folder: &Path) -> Result<LabelSet> {
    let path = file.task.schema.as_ref().ok_or_else(|| {
        Error::task("expected `task.schema`, a file with a JSON schema, found none")
            .hint("it says which fields a record has and what they may hold")
    })?;
    if !file.task.labels.is_empty() || !file.task.definitions.is_empty() {
        return Err(Error::task("`task.labels` and `task.definitions` are not for `extract` tasks")
            .hint("fields and their `description` stand in the schema"));
    }
    let path = folder.join(path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::io(format!("the schema cannot be read: {error}"), error).in_file(&path))?;
    let schema = RecordSchema::parse(&text).map_err(|error| error.in_file(&path))?;
    LabelSet::of_fields(schema)
}

fn labels(file: &ProjectFile, folder: &Path) -> Result<LabelSet> {
    if file.task.kind == TaskKind::Extract {
        return fields(file, folder);
    }
    let known = |name: &String| file.task.labels.contains(name) || pairs::sides(file).iter().any(|side| side == name);
    for (table, names) in [("definitions", file.task.definitions.keys()), ("parents", file.task.parents.keys())] {
        if let Some(name) = names.into_iter().find(|name| !known(name)) {
            return Err(Error::task(format!("`task.{table}` names `{name}`, which is not in `labels`")));
        }
    }
    LabelSet::new(
        file.task
            .labels
            .iter()
            .chain(pairs::sides(file))
            .map(|name| Label {
                name: Name::from(name.as_str()),
                parent: file.task.parents.get(name).map(|parent| Name::from(parent.as_str())),
                definition: file.task.definitions.get(name).cloned(),
            })
            .collect(),
    )
}
