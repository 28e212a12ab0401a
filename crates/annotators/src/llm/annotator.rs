//! A language model as an annotator: requests about an item, and the annotation that its replies amount to.

use std::collections::HashMap;
use std::path::Path;

use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Class, Cost, Digest, Error, ItemBatch, Result, Span, Status,
    Task, TaskKind,
};

use super::apart;
use super::ask::{Asker, Request};
use super::decision::most;
use super::pairs::{self, PAIRS_PROMPT};
use super::probe::Capabilities;
use super::said::{Heard, Reader, Said, folded};
use super::shown::{DemonstrationSpec, Pool, Shown};
use super::spec::{Ask, Dialect, LlmSpec};
use super::template::{DEFAULT, Example, Prompt};
use super::{chat, decision};

/// A language model with its prompt, ready to be asked.
#[derive(Debug)]
pub struct LlmAnnotator {
    identity: AnnotatorIdentity,
    spec: LlmSpec,
    task: Task,
    asker: Asker,
    overlapping: bool,
    folded: HashMap<String, Option<Class>>,
}

impl LlmAnnotator {
    /// Reads prompts and examples and checks the entry against the task.
    ///
    /// # Errors
    /// Files that are missing or wrong; settings that contradict each other or the task.
    pub fn open(spec: &LlmSpec, task: &Task, folder: &Path) -> Result<Self> {
        let mut spec = spec.clone();
        let known = Capabilities::known(folder)?.into_iter().find(|known| known.is_about(&spec));
        let ask = spec.ask_about(task, known.as_ref())?;
        spec.max_completion_tokens |= known.as_ref().is_some_and(|known| known.max_completion_tokens);
        let spec = &spec;
        let scheme = spec.endpoint.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("http" | "https")) {
            return Err(Error::task(format!(
                "annotator `{}`: expected an address like `http://localhost:8000/v1`, found `{}`",
                spec.name, spec.endpoint
            )));
        }
        let examples = match &spec.examples {
            Some(path) => read_examples(&folder.join(path), task)?,
            None => Vec::new(),
        };
        let mut prompts = Vec::new();
        for path in spec
            .prompt
            .iter()
            .map(Some)
            .chain(spec.prompt.is_none().then_some(None))
            .chain(spec.variants.iter().map(Some))
        {
            let path = path.map(|path| folder.join(path));
            let text = match &path {
                Some(path) => std::fs::read_to_string(path)
                    .map_err(|error| Error::io("the prompt cannot be read", error).in_file(path))?,
                None if task.kind == TaskKind::Pairs => PAIRS_PROMPT.to_owned(),
                None => DEFAULT.to_owned(),
            };
            if spec.one_label_per_request {
                for class in 0..task.labels.len() as Class {
                    let prompt = Prompt::new(&text, path.as_deref(), &apart::task_of(task, class)?, &[])?;
                    prompts.push(prompt.about(class));
                }
            } else {
                prompts.push(Prompt::new(&text, path.as_deref(), task, &examples)?);
            }
        }
        let at_once = known.as_ref().is_some_and(|known| known.several == Some(true));
        let asker = Asker::new(spec, task, ask, prompts, at_once);
        if spec.demonstrations.is_some() && asker.without_place() {
            return Err(Error::task(format!(
                "annotator `{}`: expected `{{{{demonstrations}}}}` in the part for one item of every prompt, found none",
                spec.name
            ))
            .hint("put it on a line of its own above the item"));
        }
        // What a request about an empty text says is everything that can change an answer, but for how it is read.
        let probe = asker.requests("");
        let parts = [b"llm answers 1".as_slice(), task.kind.name().as_bytes()].into_iter();
        let version = Digest::of_parts(parts.chain(probe.iter().map(|request| request.key.as_bytes().as_slice())));
        let identity = AnnotatorIdentity { name: spec.name.as_str().into(), kind: AnnotatorKind::Llm, version };
        Ok(Self { identity, spec: spec.clone(), task: task.clone(), asker, folded: folded(task), overlapping: false })
    }

    /// The same model in a task whose spans of different labels may overlap: what it finds about one label then never
    /// displaces what it finds about another. Another version only where it is asked about one label at a time.
    #[must_use]
    pub fn overlapping(mut self, overlapping: bool) -> Self {
        if overlapping && self.spec.one_label_per_request {
            self.overlapping = true;
            self.identity.version = Digest::of_parts([self.identity.version.as_bytes().as_slice(), b"overlapping"]);
        }
        self
    }

    /// The same model with demonstrations from this pool: another version. `of` is what else makes it what it is.
    ///
    /// # Errors
    /// An empty pool; an entry without demonstrations.
    pub fn with_demonstrations(mut self, pool: Pool, of: &[Digest]) -> Result<Self> {
        let name = self.spec.name.clone();
        let spec = self.demonstrations().ok_or_else(|| {
            Error::task(format!("annotator `{name}`: expected `[annotator.demonstrations]`, found none"))
        })?;
        let shown = Shown::new(spec, pool, &self.task.labels)
            .map_err(|error| Error::task(format!("annotator `{name}`: {error}")).because(error))?;
        let parts = [self.identity.version, shown.digest].into_iter().chain(of.iter().copied());
        let parts: Vec<Digest> = parts.collect();
        self.identity.version = Digest::of_parts(parts.iter().map(|part| part.as_bytes().as_slice()));
        self.asker.shown = Some(shown);
        Ok(self)
    }

    /// The bytes that this text adds to a request where it is shown as a demonstration, at most.
    pub fn demonstration_bytes(&self, text: &str) -> u64 {
        self.asker.demonstration_bytes(text)
    }

    /// How demonstrations are chosen, if there are any.
    pub const fn demonstrations(&self) -> Option<&DemonstrationSpec> {
        self.spec.demonstrations.as_ref()
    }

    /// The name, the kind, and the digest of everything that can change an answer.
    pub const fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    /// Its entry in the project.
    pub const fn spec(&self) -> &LlmSpec {
        &self.spec
    }

    /// The longest of the labels.
    pub fn longest_label(&self) -> &str {
        self.task.labels.names().max_by_key(|name| name.len()).map_or("", |name| name)
    }

    /// How it is asked.
    pub const fn ask(&self) -> Ask {
        self.asker.ask
    }

    /// What a reader needs to understand or repeat its answers; never a key.
    pub fn config(&self) -> serde_json::Value {
        let mut config = serde_json::json!({
            "endpoint": self.spec.endpoint,
            "model": self.spec.model,
            "dialect": self.spec.dialect,
            "ask": self.asker.ask,
            "price": self.spec.price,
        });
        if let Some(spec) = self.demonstrations() {
            config["demonstrations"] = serde_json::json!(spec);
            config["shown"] = serde_json::json!(self.asker.shown.as_ref().map(|shown| shown.digest));
        }
        config
    }

    /// The requests about one text, always the same for the same text.
    pub fn requests(&self, text: &str) -> Vec<Request> {
        self.asker.requests(text)
    }

    /// The most that the requests about these items can cost, and what they will probably cost.
    pub fn price(&self, items: &ItemBatch) -> (Cost, Cost) {
        let mut both = (Cost::default(), Cost::default());
        for row in 0..items.len() {
            for request in self.requests(items.text(row)) {
                both.0 = both.0 + request.tokens.worst(self.spec.price);
                both.1 = both.1 + request.tokens.expected(self.spec.price);
            }
        }
        both
    }

    /// What one reply says.
    pub(super) fn hear(&self, request: &Request, text: &str, body: &[u8]) -> Said {
        let reader = Reader { task: &self.task, folded: &self.folded, text };
        let said = match self.spec.dialect {
            Dialect::Chat => chat::read(&reader, &request.shape, request.choices as usize, body),
            dialect => decision::read(&reader, dialect, body),
        };
        Said { swapped: request.swapped, ..said }
    }

    /// The request to repeat a question whose reply could not be used.
    pub(super) fn again(&self, request: &Request, text: &str, said: &Said) -> Option<Request> {
        let malformed = said.failure == Some(Status::Malformed);
        if malformed { self.asker.again(request, text, &chat::brief(&said.words)) } else { None }
    }

    /// What all replies about one item amount to, and how many spans were left out because others stand there.
    /// Probabilities are averaged, repeated answers counted.
    pub(super) fn annotation(&self, items: &ItemBatch, row: usize, said: &[Said], cost: Cost) -> (Annotation, u64) {
        let plain = |answer| Annotation::new(items.id(row).into(), items.digest(row), self.identity.version, answer);
        let usable: Vec<&Said> = said
            .iter()
            .flat_map(|one| std::iter::once(one).chain(&one.others))
            .filter(|one| one.failure.is_none() && one.heard.is_some())
            .collect();
        let of_labels = self.spec.one_label_per_request.then(|| self.of_labels(&usable));
        // A label about which nothing came leaves the item unknown.
        let incomplete = matches!(of_labels, Some(None));
        let Some(first) = usable.first().filter(|_| !incomplete) else {
            let worst = said.iter().find(|one| one.failure.is_some());
            let (status, words) =
                worst.map_or((Status::Failed, "no reply"), |one| (one.failure.unwrap_or(Status::Failed), &*one.words));
            let annotation = Annotation::without_answer(
                items.id(row).into(),
                items.digest(row),
                self.identity.version,
                status,
                words,
            );
            return (Annotation { cost, ..annotation }, 0);
        };
        let mut left_out = 0;
        let (answer, distribution, confidence) = match self.task.kind {
            TaskKind::Multilabel => self.labels(&usable),
            TaskKind::Pairs => pairs::preference(&usable, self.task.labels.len()),
            TaskKind::Extract => match &first.heard {
                Some(Heard::Record(record)) => (record.clone(), None, None),
                _ => (Answer::Abstain, None, None),
            },
            TaskKind::Spans if let Some(Some(found)) = &of_labels => {
                let (spans, displaced) = apart::together(found, self.overlapping);
                left_out = displaced;
                (Answer::spans(spans), None, None)
            }
            TaskKind::Spans | TaskKind::Tag => match &first.heard {
                Some(Heard::Spans(spans)) => (Answer::spans(spans.clone()), None, None),
                _ => (Answer::Abstain, None, None),
            },
            _ => self.one_label(&usable),
        };
        let names = |shares: Vec<f32>| self.task.labels.names().cloned().zip(shares).collect();
        let evidence = Some(first.words.clone()).filter(|words| !words.is_empty());
        let annotation =
            Annotation { distribution: distribution.map(names), confidence, cost, evidence, ..plain(answer) };
        (annotation, left_out)
    }

    /// The spans of each label by the first reply about it; `None` where there is none about one.
    fn of_labels<'s>(&self, usable: &[&'s Said]) -> Option<Vec<(Class, &'s [Span])>> {
        let of = |wanted: Class| {
            usable.iter().find_map(|said| match &said.heard {
                Some(Heard::OfLabel(class, spans)) if *class == wanted => Some((wanted, spans.as_slice())),
                _ => None,
            })
        };
        (0..self.task.labels.len() as Class).map(of).collect()
    }

    fn one_label(&self, usable: &[&Said]) -> (Answer, Option<Vec<f32>>, Option<f32>) {
        let classes = self.task.labels.len();
        let name = |class: Class| self.task.labels.name(class).clone();
        if let [said] = usable {
            match &said.heard {
                Some(Heard::Candidates(candidates)) => {
                    return (
                        Answer::Candidates { labels: candidates.iter().map(|&class| name(class)).collect() },
                        None,
                        None,
                    );
                }
                Some(Heard::Score(score)) => {
                    let nearest = score.round().clamp(0.0, (classes - 1) as f64) as Class;
                    let answer = Answer::Ordinal { label: name(nearest), score: Some(*score) };
                    let confidence = said.distribution.as_ref().map(|shares| shares[usize::from(nearest)]);
                    return (answer, said.distribution.clone(), confidence);
                }
                Some(Heard::Class(class)) if said.distribution.is_none() => {
                    return (Answer::class(name(*class)), None, said.confidence);
                }
                _ => {}
            }
        }
        let mut shares = vec![0.0f32; classes];
        for said in usable {
            match (&said.distribution, &said.heard) {
                (Some(distribution), _) => {
                    shares.iter_mut().zip(distribution).for_each(|(share, one)| *share += one);
                }
                (None, Some(Heard::Class(class))) => shares[usize::from(*class)] += 1.0,
                (None, Some(Heard::Candidates(candidates))) => {
                    let part = 1.0 / candidates.len() as f32;
                    candidates.iter().for_each(|&class| shares[usize::from(class)] += part);
                }
                _ => {}
            }
        }
        let total: f32 = shares.iter().sum();
        if total <= 0.0 {
            return (Answer::Abstain, None, None);
        }
        shares.iter_mut().for_each(|share| *share /= total);
        let class = most(&shares);
        let confidence = shares[usize::from(class)];
        (Answer::class(name(class)), Some(shares), Some(confidence))
    }

    fn labels(&self, usable: &[&Said]) -> (Answer, Option<Vec<f32>>, Option<f32>) {
        let classes = self.task.labels.len();
        let (mut sums, mut counts) = (vec![0.0f32; classes], vec![0u32; classes]);
        let mut measured = false;
        let mut add = |class: Class, share: f32| {
            sums[usize::from(class)] += share;
            counts[usize::from(class)] += 1;
        };
        for said in usable {
            match (&said.each, said.yes, &said.heard) {
                (Some(each), _, _) => {
                    measured = true;
                    each.iter().enumerate().for_each(|(class, &share)| add(class as Class, share));
                }
                (None, Some((class, share)), _) => {
                    measured = true;
                    add(class, share);
                }
                (None, None, Some(Heard::Applies(class, applies))) => add(*class, f32::from(u8::from(*applies))),
                (None, None, Some(Heard::Labels(labels))) => {
                    (0..classes as Class).for_each(|class| add(class, f32::from(u8::from(labels.contains(&class)))));
                }
                _ => {}
            }
        }
        // A label about which nothing came leaves the whole set unknown.
        if counts.contains(&0) {
            return (Answer::Abstain, None, None);
        }
        let shares: Vec<f32> = sums.iter().zip(&counts).map(|(sum, &count)| sum / count as f32).collect();
        let labels = (0..classes).filter(|&class| shares[class] >= 0.5);
        let answer =
            Answer::Set { labels: labels.map(|class| self.task.labels.name(class as Class).clone()).collect() };
        (answer, (measured || usable.len() > 1).then_some(shares), None)
    }
}

pub(super) fn read_examples(path: &Path, task: &Task) -> Result<Vec<Example>> {
    use postil_core::items::{ItemOptions, ItemSource};
    let mut examples = Vec::new();
    let mut options = ItemOptions::new("text");
    options.strict = true;
    for batch in ItemSource::open(path, options)? {
        let batch = batch?;
        for row in 0..batch.len() {
            let label = batch.field(row, "label").ok_or_else(|| {
                Error::input("expected a column `label`, found none")
                    .in_file(path)
                    .hint("examples have `text` and `label`")
            })?;
            if !matches!(task.kind, TaskKind::Multilabel | TaskKind::Spans | TaskKind::Tag) {
                task.labels.expect(&label).map_err(|error| error.in_file(path).for_item(batch.id(row)))?;
            }
            examples.push(Example { text: batch.text(row).to_owned(), label });
        }
    }
    Ok(examples)
}
