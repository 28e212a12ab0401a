//! Lists of names as annotators of spans.

use std::fmt::Write;
use std::path::Path;

use postil_core::text::{Offsets, Token, Tokenizer};
use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Cost, Digest, ItemBatch, LabelSet, Name, Result, Task,
};
use rayon::prelude::*;

use super::{ITEMS_PER_THREAD, ListSpec};
use crate::entities::{ConfiguredList, EntityMatcher, Given, Scratch, left_out, matcher_of};
use crate::spans::{span_of_bytes, tokens_of};
use crate::{Annotator, Settings, Silence};

/// Raised when the way of matching changes, so that stored answers are not mistaken for what the new way would say.
const MATCHING: &[u8] = b"entity matching 1";
/// How many entries an annotation's evidence names.
const SHOWN_ENTRIES: usize = 8;

/// An annotator that marks the names it finds.
///
/// A stretch that lists of several labels have, at the same priority, gets all of them: `PER|LOC`. No name at all is an
/// abstention, unless the entry says that silence means outside.
pub(crate) struct SpanListAnnotator {
    identity: AnnotatorIdentity,
    matcher: EntityMatcher,
    /// The written label of each set of lists' labels is made from these: the task's classes, by the matcher's labels.
    classes: Vec<postil_core::Class>,
    labels: LabelSet,
    tokenizer: Tokenizer,
    silence: Silence,
    warnings: Vec<String>,
}

impl SpanListAnnotator {
    /// Reads the lists of an entry and builds its annotators: one, or with `separate` one per label that has a list.
    ///
    /// # Errors
    /// A file that cannot be read or holds no name, a label that the task does not have.
    pub(crate) fn open(spec: &ListSpec, task: &Task, folder: &Path, settings: &Settings) -> Result<Vec<Self>> {
        let lists = spec.read(folder, Some(&task.labels))?;
        if !spec.separate {
            return Ok(vec![Self::new(spec, &spec.name, &lists, task, settings)?]);
        }
        let mut annotators = Vec::new();
        for label in task.labels.names() {
            let own: Vec<ConfiguredList> = lists.iter().filter(|list| list.list.label == *label).cloned().collect();
            if !own.is_empty() {
                annotators.push(Self::new(spec, &format!("{}/{label}", spec.name), &own, task, settings)?);
            }
        }
        Ok(annotators)
    }

    fn new(spec: &ListSpec, name: &str, lists: &[ConfiguredList], task: &Task, settings: &Settings) -> Result<Self> {
        let silence = spec.silence.unwrap_or(Silence::Abstain);
        let version = version(lists, silence, settings.cut(), task);
        let matcher = matcher_of(lists)?;
        let warnings = left_out(lists, &matcher);
        let classes = matcher.labels().iter().map(|label| task.labels.expect(label)).collect::<Result<_>>()?;
        Ok(Self {
            identity: AnnotatorIdentity { name: name.into(), kind: AnnotatorKind::List, version },
            matcher,
            classes,
            labels: task.labels.clone(),
            tokenizer: settings.tokenizer,
            silence,
            warnings,
        })
    }

    fn annotation(&self, items: &ItemBatch, row: usize, scratch: &mut Scratch) -> Annotation {
        let text = items.text(row);
        let own = (self.tokenizer != Tokenizer::Words || items.tokens(row).is_some()).then(|| {
            let tokens = tokens_of(items, row, self.tokenizer);
            let sentences = lines(text, &tokens);
            (tokens, sentences)
        });
        let given = own.as_ref().map(|(tokens, sentences)| Given { tokens, sentences });
        let mut offsets = None;
        let mut spans = Vec::new();
        let mut evidence = String::new();
        let mut found = 0;
        self.matcher.visit(text, given, scratch, |one| {
            let classes = one.labels.iter().map(|&label| self.classes[usize::from(label)]).collect();
            let label = self.labels.write_span_label(&self.labels.one_of(classes));
            let offsets = offsets.get_or_insert_with(|| Offsets::new(text));
            found += 1;
            if found <= SHOWN_ENTRIES {
                self.explain(&label, &text[one.bytes.clone()], one.sources, &mut evidence);
            }
            spans.push(span_of_bytes(offsets, one.bytes.clone(), label));
        });
        if found > SHOWN_ENTRIES {
            let _ = write!(evidence, "; and {} more", found - SHOWN_ENTRIES);
        }
        let answer = self.silence.answer(spans);
        let annotation = Annotation::new(items.id(row).into(), items.digest(row), self.identity.version, answer);
        Annotation { evidence: (found > 0).then_some(evidence), ..annotation }
    }

    /// Adds `PER: Ann Ott (people.txt)`, with the entry where the text differs from it.
    fn explain(&self, label: &Name, there: &str, sources: &[crate::entities::Source], evidence: &mut String) {
        if !evidence.is_empty() {
            evidence.push_str("; ");
        }
        evidence.push_str(label);
        evidence.push_str(": ");
        evidence.push_str(there);
        for (number, source) in sources.iter().take(3).enumerate() {
            evidence.push_str(if number == 0 { " (" } else { ", " });
            evidence.push_str(self.matcher.list_name(source.list));
            let (entry, other) = self.matcher.entry(*source);
            if entry != there {
                evidence.push_str(": ");
                evidence.push_str(entry);
            }
            if let Some((_, origin)) = other {
                evidence.push_str(", ");
                evidence.push_str(origin.words());
            }
        }
        evidence.push(')');
    }
}

impl Annotator for SpanListAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let this = &*self;
        Ok((0..items.len())
            .into_par_iter()
            .with_min_len(ITEMS_PER_THREAD)
            .map_init(Scratch::default, |scratch, row| this.annotation(items, row, scratch))
            .collect())
    }

    fn silence(&self) -> Silence {
        self.silence
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

/// Where each line ends, in tokens.
fn lines(text: &str, tokens: &[Token]) -> Vec<u32> {
    let mut ends: Vec<u32> = tokens
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| text[pair[0].end as usize..pair[1].start as usize].contains('\n'))
        .map(|(before, _)| before as u32 + 1)
        .collect();
    ends.push(tokens.len() as u32);
    ends
}

fn version(lists: &[ConfiguredList], silence: Silence, cut: &str, task: &Task) -> Digest {
    let mut parts: Vec<Vec<u8>> =
        vec![MATCHING.to_vec(), task.kind.name().into(), cut.into(), vec![u8::from(silence == Silence::Outside)]];
    parts.extend(task.labels.names().map(|name| name.as_bytes().to_vec()));
    for one in lists {
        parts.push(one.list.content());
        parts.push(serde_json::to_vec(&one.switches).unwrap_or_default());
        parts.push(one.policy.files());
    }
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}
