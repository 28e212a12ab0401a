//! How an answer of a person stands in the ledger, and how it is read back.
//!
//! A person has up to four annotators in the ledger, so that later steps can tell them apart by version alone: ordinary
//! answers, blind gold, and decisions between the answers of others, on gold and elsewhere. What the ledger has no column
//! for stands as JSON in an answer's evidence.

use postil_core::{Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Cost, Digest, Name, Span, Status, TaskKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::{ClientId, Evidence, Queue, Said};

/// The key under which the configuration of a person's annotator says what its answers are for.
pub const DESK: &str = "review";

/// What a person's answers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Desk {
    /// One vote among others.
    Label,
    /// Blind gold: drawn at random, answered without a suggestion.
    Gold,
    /// A decision between the answers of others.
    Judge,
    /// A decision between people's blind answers about a gold item.
    JudgeGold,
}

impl Desk {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Label, Self::Gold, Self::Judge, Self::JudgeGold];

    /// Where an answer belongs.
    pub(crate) const fn of(judges: bool, gold: bool) -> Self {
        match (judges, gold) {
            (false, false) => Self::Label,
            (false, true) => Self::Gold,
            (true, false) => Self::Judge,
            (true, true) => Self::JudgeGold,
        }
    }

    /// Whether it decides between the answers of others.
    pub const fn judges(self) -> bool {
        matches!(self, Self::Judge | Self::JudgeGold)
    }

    /// Whether its answers can measure.
    pub const fn is_gold(self) -> bool {
        matches!(self, Self::Gold | Self::JudgeGold)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Gold => "gold",
            Self::Judge => "judge",
            Self::JudgeGold => "judge-gold",
        }
    }

    /// The desk that an annotator's configuration names, with the person.
    pub fn read(config: &Value) -> Option<(Self, Name)> {
        let desk = config.get(DESK)?.as_str()?;
        let desk = Self::ALL.into_iter().find(|one| one.name() == desk)?;
        Some((desk, config.get("person")?.as_str()?.into()))
    }

    /// The annotator of a person's answers at this desk, and its configuration. The same person asked another kind of
    /// question is another annotator.
    pub fn identity(self, person: &str, kind: TaskKind) -> (AnnotatorIdentity, Value) {
        let name = match self {
            Self::Label => person.to_owned(),
            Self::Gold => format!("{person} (blind gold)"),
            Self::Judge => format!("{person} (deciding)"),
            Self::JudgeGold => format!("{person} (deciding gold)"),
        };
        let parts = ["person", person, self.name(), kind.name()];
        let version = Digest::of_parts(parts.map(str::as_bytes));
        let identity = AnnotatorIdentity { name: name.into(), kind: AnnotatorKind::Person, version };
        (identity, json!({ DESK: self.name(), "person": person }))
    }
}

/// What the ledger has no column for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remark {
    pub(crate) id: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<Queue>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) flagged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<Evidence>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) actions: u32,
    /// The version of the guidelines that was on the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guidelines: Option<String>,
    /// In a task of pairs: whether the second stood first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) swapped: Option<bool>,
    /// The tool that the answer was taken over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// The change of many items that this is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bulk: Option<Bulk>,
    /// The answer that this takes back; the answer itself is then what counts from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<ClientId>,
}

/// A change of many items at once, with what it did to this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bulk {
    /// What all its answers share.
    pub(crate) change: ClientId,
    /// The words that were marked.
    pub(crate) words: String,
    /// With what; none if marks were taken away.
    #[serde(default)]
    pub(crate) label: Option<Name>,
    /// Where, and what was marked there before.
    pub(crate) places: Vec<(u32, u32, Vec<Span>)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// One answer of a person.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) seq: i64,
    pub(crate) id: ClientId,
    pub(crate) desk: Desk,
    pub(crate) item: Name,
    pub(crate) content: Digest,
    pub(crate) queue: Queue,
    pub(crate) status: Said,
    pub(crate) answer: Option<Answer>,
    pub(crate) remark: Remark,
    pub(crate) at: i64,
    pub(crate) millis: u64,
    pub(crate) shown: bool,
    pub(crate) probability: Option<f64>,
    /// Taken back.
    pub(crate) gone: bool,
}

impl Entry {
    /// The row of the ledger.
    pub(crate) fn annotation(&self, version: Digest) -> Annotation {
        let answer = self.answer.clone().unwrap_or(Answer::Abstain);
        let status = if self.answer.is_some() { Status::Ok } else { Status::Abstained };
        Annotation {
            status,
            cost: Cost { person_millis: self.millis, ..Cost::default() },
            at_millis: self.at,
            evidence: Some(serde_json::to_string(&self.remark).expect("strings and numbers are always JSON")),
            suggestion_shown: self.shown,
            inclusion_probability: self.probability,
            ..Annotation::new(self.item.clone(), self.content, version, answer)
        }
    }

    /// Reads a row of the ledger; `None` for one that this server did not write.
    pub(crate) fn read(seq: i64, desk: Desk, annotation: Annotation) -> Option<Self> {
        let remark: Remark = serde_json::from_str(annotation.evidence.as_deref()?).ok()?;
        let answer = (annotation.status == Status::Ok).then_some(annotation.answer);
        let status = match (remark.flagged, &answer) {
            (true, _) => Said::Flagged,
            (false, Some(_)) => Said::Answered,
            (false, None) => Said::Skipped,
        };
        Some(Self {
            seq,
            id: remark.id?,
            desk,
            item: annotation.item,
            content: annotation.content,
            queue: remark.queue.unwrap_or(Queue::All),
            status,
            answer,
            at: annotation.at_millis,
            millis: annotation.cost.person_millis,
            shown: annotation.suggestion_shown,
            probability: annotation.inclusion_probability,
            gone: false,
            remark,
        })
    }
}

/// A number that is the same for answers that say the same, whatever the order of their parts.
pub(crate) fn meaning(answer: &Answer) -> u64 {
    let mut parts: Vec<String> = match answer {
        Answer::Set { labels } => labels.iter().map(|label| format!("{label:?}")).collect(),
        Answer::Spans { spans, links } => {
            let mark = |span: &Span| format!("{:010} {:010} {:?}", span.start, span.end, span.label);
            let end = |place: u32| spans.get(place as usize).map(mark);
            let links = links.iter().map(|link| format!("{:?} {:?} {:?}", end(link.from), end(link.to), link.kind));
            spans.iter().map(mark).chain(links).collect()
        }
        Answer::Ordinal { label, .. } => vec![label.to_string()],
        other => vec![serde_json::to_string(other).unwrap_or_default()],
    };
    if matches!(answer, Answer::Set { .. } | Answer::Spans { .. }) {
        parts.sort();
    }
    Digest::of_parts(parts.iter().map(String::as_bytes)).to_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(answer: Option<Answer>, status: Said) -> Entry {
        Entry {
            seq: 7,
            id: ClientId(42),
            desk: Desk::Gold,
            item: "t1".into(),
            content: Digest::of(b"x"),
            queue: Queue::Gold,
            status,
            answer,
            remark: Remark {
                id: Some(ClientId(42)),
                queue: Some(Queue::Gold),
                flagged: status == Said::Flagged,
                note: Some("<script>".to_owned()),
                actions: 3,
                ..Remark::default()
            },
            at: 5,
            millis: 1200,
            shown: false,
            probability: Some(0.25),
            gone: false,
        }
    }

    #[test]
    fn an_answer_comes_back_from_the_ledger_as_it_was() {
        for one in [
            entry(Some(Answer::class("bug")), Said::Answered),
            entry(Some(Answer::class("bug")), Said::Flagged),
            entry(None, Said::Flagged),
            entry(None, Said::Skipped),
        ] {
            let row = one.annotation(Digest::of(b"v"));
            assert_eq!(Entry::read(7, Desk::Gold, row), Some(one));
        }
    }

    #[test]
    fn desks_are_told_by_their_configuration() {
        for desk in Desk::ALL {
            let (identity, config) = desk.identity("ann", TaskKind::Classify);
            assert_eq!(Desk::read(&config), Some((desk, "ann".into())));
            assert_ne!(identity.version, desk.identity("bob", TaskKind::Classify).0.version);
        }
        assert_eq!(Desk::read(&json!({ "review": "nothing", "person": "ann" })), None);
    }

    #[test]
    fn the_order_of_parts_means_nothing() {
        let set = |labels: [&str; 2]| Answer::Set { labels: labels.map(Name::from).to_vec() };
        assert_eq!(meaning(&set(["a", "b"])), meaning(&set(["b", "a"])));
        assert_ne!(meaning(&set(["a", "b"])), meaning(&set(["a", "c"])));
        assert_ne!(meaning(&Answer::class("a")), meaning(&Answer::class("b")));
    }
}
