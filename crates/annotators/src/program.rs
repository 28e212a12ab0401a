//! Labelling programs: Starlark functions that run in worker processes under limits.

mod answer;
mod batch;
#[expect(unsafe_code, reason = "the derives of the interpreter's value types contain it; none is written here")]
#[expect(clippy::unnecessary_wraps, clippy::elidable_lifetime_names, reason = "the interpreter's macros ask for both")]
mod host;
mod limits;
mod meter;
mod pool;
mod run;
mod spans;
#[expect(unsafe_code, reason = "the derives of the interpreter's value types contain it; none is written here")]
#[allow(clippy::elidable_lifetime_names, reason = "the interpreter's macros ask for it")]
mod token;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use postil_core::text::Offsets;
use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Class, Cost, Digest, Error, ItemBatch, LabelSet, Name,
    Result, Status, Task, TaskKind,
};
use serde::Deserialize;

use crate::entities::{Switches, read_lists};
use crate::list::ListSources;
use crate::spans::span_of_points;
use crate::{Annotator, Settings, Silence};
use batch::{File, Round};
use wire::{Function, Reply, SpanReply, Trouble};

pub use limits::Limits;
pub(crate) use pool::Workers;
pub use worker::program_worker;

/// A file of labelling functions, or a folder of such files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpec {
    /// The name in the project.
    pub name: String,
    /// A file, or a folder whose `.star` files are taken in the order of their names.
    pub path: PathBuf,
    /// What one call may use.
    #[serde(default)]
    pub limits: Limits,
    /// In tasks about spans and tags: what it means that a function says nothing [default: `abstain`].
    pub silence: Option<Silence>,
    /// Lists that the programs may ask, by name: files as those of a list annotator. `"Ann" in LISTS["given"]` says
    /// whether an entry is exactly so.
    #[serde(default)]
    pub lists: BTreeMap<String, ListSources>,
}

impl ProgramSpec {
    /// The lists by name, entries and their other names with line ends between.
    fn read_lists(&self, folder: &Path) -> Result<Vec<(String, String)>> {
        let read = |(name, sources): (&String, &ListSources)| {
            let mut entries = String::new();
            for file in &sources.0 {
                if file.switches != Switches::default() {
                    return Err(Error::task(format!(
                        "program `{}`: expected `path`, `columns` and `only` of the list `{name}`, found other settings",
                        self.name
                    ))
                    .hint("a program asks for entries as they stand in the list"));
                }
                let columns = file.columns.clone().unwrap_or_default();
                let label: Option<Name> = file.only.is_none().then(|| name.as_str().into());
                for list in read_lists(&folder.join(&file.path), &file.path, label.as_ref(), &columns)? {
                    if file.only.as_ref().is_some_and(|only| **only != *list.label) {
                        continue;
                    }
                    let aliases = list.aliases().iter().map(|(_, alias)| &**alias);
                    for entry in (0..list.len()).map(|number| list.entry(number)).chain(aliases) {
                        entries.push_str(entry);
                        entries.push('\n');
                    }
                }
            }
            Ok((name.clone(), entries))
        };
        self.lists.iter().map(read).collect()
    }
}

/// One labelling function.
///
/// It is called in worker processes of the same program, several at a time, with limits on memory, steps and
/// processor time and without the right to open files or sockets. What it returns is its answer: a label, a list of
/// labels (the truth is one of them; in a multi-label task, all of them apply), a dict of scores (made to sum to one;
/// in a multi-label task each score is in `[0, 1]` and half or more means that the label applies), or `None` for no
/// answer. A value that is none of these or names a label that the task does not have is [`Status::Malformed`]; an
/// error, a limit or a crash is [`Status::Failed`]. The evidence names the file, the line and the item.
///
/// In tasks about spans and tags the functions are `spans(item)` and `tags(item)`. `spans` returns a list of `(start, end,
/// label)`, in code points; the label may be a list of labels or `PER|LOC` (one of them), `*` (some label) or `O` (no span
/// there). `tags` returns a tag per token of `item.tokens`: `B-PER` and so on, a label alone, `O`, or `None` where it says
/// nothing. Silence is no `O`, unless the entry says so.
///
/// The functions of a file are run together over a batch, so they are best asked for the same batches one after the
/// other.
pub struct ProgramAnnotator {
    identity: AnnotatorIdentity,
    file: Arc<File>,
    /// What all functions of the file share about the latest batch.
    round: Arc<Mutex<Round>>,
    function: usize,
    labels: LabelSet,
    kind: TaskKind,
    silence: Silence,
}

impl ProgramAnnotator {
    /// Reads the file or the folder and gives one annotator per function: `name` for a file with `label`, `labels`,
    /// `spans` or `tags`, `name/SOMETHING` for each `label_SOMETHING`, `spans_SOMETHING` or `tags_SOMETHING`; in a folder the file's stem comes between.
    ///
    /// # Errors
    /// No file, no function, a program that cannot be read or breaks on loading (with file and line), a worker that
    /// cannot be started.
    pub fn open(spec: &ProgramSpec, task: &Task, folder: &Path, settings: &Settings) -> Result<Vec<Self>> {
        spec.limits.check()?;
        let lists = spec.read_lists(folder)?;
        let whole = folder.join(&spec.path);
        let metadata = std::fs::metadata(&whole)
            .map_err(|error| Error::io(format!("program `{}` cannot be read", spec.name), error).in_file(&spec.path))?;
        if !metadata.is_dir() {
            return Self::open_file(&spec.name, &whole, &spec.path, (spec, &lists), task, settings);
        }
        let mut annotators = Vec::new();
        for name in programs_in(&whole, &spec.path)? {
            let stem = name.trim_end_matches(".star");
            let (path, shown) = (whole.join(&name), spec.path.join(&name));
            annotators.extend(Self::open_file(
                &format!("{}/{stem}", spec.name),
                &path,
                &shown,
                (spec, &lists),
                task,
                settings,
            )?);
        }
        if annotators.is_empty() {
            return Err(Error::input("expected at least one `.star` file, found none").in_file(&spec.path));
        }
        Ok(annotators)
    }

    fn open_file(
        name: &str,
        path: &Path,
        shown: &Path,
        (spec, lists): (&ProgramSpec, &[(String, String)]),
        task: &Task,
        settings: &Settings,
    ) -> Result<Vec<Self>> {
        let limits = spec.limits;
        let silence = spec.silence.unwrap_or(Silence::Abstain);
        let bytes = std::fs::read(path).map_err(|error| Error::io("cannot be read", error).in_file(shown))?;
        let source = String::from_utf8(bytes)
            .map_err(|_| Error::input("expected UTF-8 text").in_file(shown).hint("save the program as UTF-8"))?;
        let source = source.strip_prefix('\u{feff}').map_or(source.as_str(), |rest| rest);
        let labels: Vec<Name> = task.labels.names().cloned().collect();
        // What a program does not ask cannot change what it answers.
        let lists = if source.contains(run::LISTS) { lists } else { &[] };
        let with = (settings.cut(), lists);
        let (file, functions) =
            File::open(&settings.workers, shown, source, limits, &labels, task.kind, (settings.tokenizer, lists))?;
        let file = Arc::new(file);
        let round = Arc::new(Mutex::new(Round::new(functions.len())));
        Ok(functions
            .iter()
            .enumerate()
            .map(|(number, function)| Self {
                identity: AnnotatorIdentity {
                    name: if function.suffix.is_empty() {
                        name.into()
                    } else {
                        format!("{name}/{}", function.suffix).into()
                    },
                    kind: AnnotatorKind::Program,
                    version: version(source, function, limits, silence, with, task),
                },
                file: Arc::clone(&file),
                round: Arc::clone(&round),
                function: number,
                labels: task.labels.clone(),
                kind: task.kind,
                silence,
            })
            .collect())
    }

    const fn is_on_tokens(&self) -> bool {
        matches!(self.kind, TaskKind::Spans | TaskKind::Tag)
    }

    fn annotation(&self, items: &ItemBatch, row: usize, reply: Reply) -> Annotation {
        let label = |class: &Class| self.labels.name(*class).clone();
        let several = self.kind == TaskKind::Multilabel;
        let mut scores = None;
        let answer = match reply {
            Reply::Abstain if self.is_on_tokens() => self.silence.answer(Vec::new()),
            Reply::Abstain => Answer::Abstain,
            Reply::Class(class) if several => Answer::Set { labels: vec![label(&class)] },
            Reply::Class(class) => Answer::of_label(self.kind, label(&class)),
            Reply::Classes(classes) if several => Answer::Set { labels: classes.iter().map(label).collect() },
            Reply::Classes(classes) => Answer::Candidates { labels: classes.iter().map(label).collect() },
            Reply::Weights(weights) if several => {
                scores = Some(weights.iter().map(|(class, score)| (label(class), *score as f32)).collect());
                let applies = weights.iter().filter(|(_, score)| *score >= 0.5);
                Answer::Set { labels: applies.map(|(class, _)| label(class)).collect() }
            }
            Reply::Weights(weights) => Answer::Distribution {
                weights: weights.iter().map(|(class, weight)| (label(class), *weight)).collect(),
            },
            Reply::Spans(spans) => self.spans(items.text(row), &spans),
            Reply::Record(json) => return self.record(items, row, &json),
            Reply::Malformed(trouble) => return self.without_answer(items, row, Status::Malformed, &trouble),
            Reply::Failed(trouble) | Reply::Limit(trouble) => {
                return self.without_answer(items, row, Status::Failed, &trouble);
            }
            Reply::NotRun => {
                let trouble = Trouble { line: 0, reason: "not run".to_owned() };
                return self.without_answer(items, row, Status::Failed, &trouble);
            }
        };
        let annotation = Annotation::new(items.id(row).into(), items.digest(row), self.identity.version, answer);
        Annotation { distribution: scores, ..annotation }
    }

    fn record(&self, items: &ItemBatch, row: usize, json: &str) -> Annotation {
        let said = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json);
        let (Ok(said), Some(schema)) = (said, self.labels.schema()) else {
            let trouble = Trouble { line: 0, reason: "expected a dict with texts as keys".to_owned() };
            return self.without_answer(items, row, Status::Malformed, &trouble);
        };
        let answer = crate::records::read(schema, items.text(row), &said, false);
        crate::replay::records::annotation(items, row, self.identity.version, answer)
    }

    fn spans(&self, text: &str, spans: &[SpanReply]) -> Answer {
        let offsets = Offsets::new(text);
        let spans = spans.iter().filter_map(|span| {
            let label = self.labels.write_span_label(&span.label);
            // The worker has checked the places; what it sends is checked once more all the same.
            span_of_points(&offsets, span.start, span.end, label)
        });
        self.silence.answer(spans.collect())
    }

    fn without_answer(&self, items: &ItemBatch, row: usize, status: Status, trouble: &Trouble) -> Annotation {
        let place = self.file.place(trouble.line);
        let reason = format!("{place}: item `{}`: {}", items.id(row), trouble.reason);
        Annotation::without_answer(items.id(row).into(), items.digest(row), self.identity.version, status, reason)
    }
}

impl Annotator for ProgramAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn silence(&self) -> Silence {
        self.silence
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let replies = {
            // A panic in another function's turn leaves at worst a batch that will be evaluated again.
            let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
            round.replies(&self.file, self.function, items)?
        };
        Ok(replies.into_iter().enumerate().map(|(row, reply)| self.annotation(items, row, reply)).collect())
    }
}

/// The `.star` files of a folder by name; hidden files and other files are left alone.
fn programs_in(folder: &Path, shown: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io("the folder cannot be read", error).in_file(shown);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str() else { continue };
        if Path::new(name).extension().is_some_and(|extension| extension == "star") && !name.starts_with('.') {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn version(
    source: &str,
    function: &Function,
    limits: Limits,
    silence: Silence,
    (cut, lists): (&str, &[(String, String)]),
    task: &Task,
) -> Digest {
    let limits = limits.numbers().map(u64::to_le_bytes);
    let mut parts: Vec<&[u8]> =
        vec![host::HOST_VERSION.as_bytes(), source.as_bytes(), function.suffix.as_bytes(), task.kind.name().as_bytes()];
    parts.extend(limits.iter().map(<[u8; 8]>::as_slice));
    parts.extend(task.labels.names().map(|name| name.as_bytes()));
    if matches!(task.kind, TaskKind::Spans | TaskKind::Tag) {
        let silence = if silence == Silence::Outside { "outside" } else { "abstain" };
        parts.extend([cut.as_bytes(), silence.as_bytes()]);
    }
    let schema = task.labels.schema().map(|schema| *schema.digest().as_bytes());
    parts.extend(schema.as_ref().map(<[u8; 16]>::as_slice));
    parts.extend(lists.iter().flat_map(|(name, entries)| [name.as_bytes(), entries.as_bytes()]));
    Digest::of_parts(parts)
}
