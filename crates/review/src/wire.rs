//! What goes over the wire, as `openapi.json` describes it.

use std::collections::BTreeMap;

use postil_core::{Answer, LinkKind, Measured, Name};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::items::Around;

/// What a person may do; each role may all that the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answer, and see one's own work.
    Annotate,
    /// Adjudicate, see all answers, add examples, export.
    Review,
    /// Invite people, draw gold, import.
    Own,
}

/// Where work comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Queue {
    Gold,
    Assisted,
    Doubtful,
    Suspects,
    Disagreement,
    /// The same words, marked in different ways; it gives out no items.
    Same,
    All,
    History,
}

impl Queue {
    pub(crate) const ALL: [Self; 8] = [
        Self::Gold,
        Self::Assisted,
        Self::Doubtful,
        Self::Suspects,
        Self::Disagreement,
        Self::Same,
        Self::All,
        Self::History,
    ];

    /// Whether answers in it decide between the answers of others.
    pub(crate) const fn judges(self) -> bool {
        matches!(self, Self::Suspects | Self::Disagreement | Self::Same)
    }

    /// The least role that works in it.
    pub(crate) const fn role(self) -> Role {
        if self.judges() { Role::Review } else { Role::Annotate }
    }

    /// Whether suggestions are shown in it.
    pub(crate) const fn suggests(self) -> bool {
        matches!(self, Self::Assisted | Self::Doubtful | Self::Suspects)
    }
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Said {
    Answered,
    Skipped,
    Flagged,
}

/// An id that a client made: a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientId(pub(crate) u128);

impl Serialize for ClientId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = format!("{:032x}", self.0);
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        serializer.serialize_str(&parts.join("-"))
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: String = text.chars().filter(|&character| character != '-').collect();
        let well_formed = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&digits, 16) {
            Ok(id) if well_formed => Ok(Self(id)),
            _ => Err(serde::de::Error::custom(format!("expected a UUID, found `{text}`"))),
        }
    }
}

/// Places in the text that show a field's value.
pub(crate) type Evidence = BTreeMap<String, Vec<Quote>>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the fields are named as on the wire")]
pub(crate) struct Quote {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) quote: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseRequest {
    pub(crate) queue: Queue,
    #[serde(default = "one")]
    pub(crate) count: usize,
    #[serde(default)]
    pub(crate) have: Vec<String>,
    #[serde(default)]
    pub(crate) resume: bool,
    #[serde(default)]
    pub(crate) item: Option<String>,
}

const fn one() -> usize {
    1
}

#[derive(Debug, Serialize)]
pub(crate) struct Leased {
    pub(crate) work: Vec<Work>,
    pub(crate) lost: Vec<String>,
    pub(crate) remaining: usize,
    pub(crate) empty: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Work {
    pub(crate) item: String,
    pub(crate) queue: Queue,
    pub(crate) expires: i64,
    pub(crate) content: Content,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) around: Option<Around>,
    pub(crate) context: Map<String, Value>,
    pub(crate) reason: Option<String>,
    pub(crate) suggestion: Option<Suggestion>,
    pub(crate) answers: Option<Vec<Voice>>,
    pub(crate) previous: Option<Previous>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Content {
    Text { text: String },
    Tokens { text: String, tokens: Vec<[u32; 2]> },
    Pair { prompt: Option<String>, left: String, right: String },
}

/// What a run would answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Suggestion {
    pub(crate) answer: Answer,
    pub(crate) source: String,
    pub(crate) confidence: Option<f32>,
    #[serde(default)]
    pub(crate) confidences: Option<Vec<Option<f32>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<Evidence>,
}

/// What somebody said about an item.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Voice {
    pub(crate) by: String,
    pub(crate) kind: &'static str,
    pub(crate) status: Said,
    pub(crate) answer: Option<Answer>,
    pub(crate) note: Option<String>,
    pub(crate) confidence: Option<f32>,
    pub(crate) at: Option<i64>,
    pub(crate) shown: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<Evidence>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Previous {
    pub(crate) id: ClientId,
    pub(crate) status: Said,
    pub(crate) answer: Option<Answer>,
    pub(crate) note: Option<String>,
    pub(crate) at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<Evidence>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerRequest {
    pub(crate) id: ClientId,
    pub(crate) item: String,
    pub(crate) queue: Queue,
    pub(crate) status: Said,
    #[serde(default)]
    pub(crate) answer: Option<Answer>,
    #[serde(default)]
    pub(crate) note: Option<String>,
    #[serde(default)]
    pub(crate) evidence: Option<Evidence>,
    #[serde(default)]
    pub(crate) millis: u64,
    #[serde(default)]
    pub(crate) actions: u32,
    #[serde(default)]
    pub(crate) shown: bool,
    #[serde(default)]
    pub(crate) guidelines: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct QueueCount {
    pub(crate) name: Queue,
    pub(crate) done: usize,
    pub(crate) remaining: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Saved {
    pub(crate) id: ClientId,
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) again: bool,
    pub(crate) late: bool,
    pub(crate) undo: usize,
    pub(crate) queues: Vec<QueueCount>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoRequest {
    pub(crate) id: ClientId,
    #[serde(default)]
    pub(crate) answer: Option<ClientId>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are named as on the wire")]
pub(crate) struct Undone {
    pub(crate) id: ClientId,
    pub(crate) seq: i64,
    pub(crate) undone: ClientId,
    pub(crate) undo: usize,
    pub(crate) work: Work,
    pub(crate) queues: Vec<QueueCount>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct HistoryRequest {
    pub(crate) before: Option<i64>,
    pub(crate) limit: Option<usize>,
    pub(crate) only: Option<Said>,
}

#[derive(Debug, Serialize)]
pub(crate) struct History {
    pub(crate) entries: Vec<HistoryEntry>,
    pub(crate) next: Option<i64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct HistoryEntry {
    pub(crate) seq: i64,
    pub(crate) id: ClientId,
    pub(crate) item: String,
    pub(crate) excerpt: String,
    pub(crate) queue: Queue,
    pub(crate) status: Said,
    pub(crate) answer: Option<Answer>,
    pub(crate) note: Option<String>,
    pub(crate) at: i64,
    pub(crate) millis: u64,
    pub(crate) shown: bool,
    pub(crate) counts: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Session {
    pub(crate) person: String,
    pub(crate) role: Role,
    pub(crate) local: bool,
    pub(crate) project: String,
    pub(crate) project_id: String,
    pub(crate) version: &'static str,
    pub(crate) items: usize,
    pub(crate) task: TaskShown,
    pub(crate) guidelines: Option<String>,
    pub(crate) queues: Vec<QueueShown>,
    pub(crate) budget: BudgetShown,
    pub(crate) settings: Settings,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskShown {
    pub(crate) kind: &'static str,
    pub(crate) labels: Vec<LabelShown>,
    pub(crate) layer: Option<String>,
    pub(crate) overlapping: bool,
    pub(crate) links: Vec<LinkKind>,
    pub(crate) schema: Option<Value>,
    pub(crate) ties: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct LabelShown {
    pub(crate) name: Name,
    pub(crate) parent: Option<Name>,
    pub(crate) definition: Option<String>,
    pub(crate) hue: usize,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct QueueShown {
    pub(crate) name: Queue,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) done: usize,
    pub(crate) remaining: usize,
    pub(crate) suggests: bool,
    pub(crate) empty: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct BudgetShown {
    pub(crate) person_minutes: Option<f64>,
    pub(crate) spent_minutes: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) prefetch: usize,
    pub(crate) lease_seconds: u64,
    pub(crate) overlap: usize,
    pub(crate) undo: usize,
    pub(crate) idle_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Live {
    pub(crate) at: i64,
    pub(crate) items: usize,
    pub(crate) answered: usize,
    pub(crate) queues: Vec<QueueCount>,
    pub(crate) people: Vec<PersonRow>,
    pub(crate) agreement: Measured,
    pub(crate) quality: Measured,
    pub(crate) quality_name: String,
    pub(crate) budget: LiveBudget,
    pub(crate) curve: Vec<CurvePoint>,
    pub(crate) anchoring: Anchoring,
    pub(crate) training: Training,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PersonRow {
    pub(crate) name: String,
    pub(crate) answers: usize,
    pub(crate) skipped: usize,
    pub(crate) flagged: usize,
    pub(crate) minutes: f64,
    pub(crate) per_hour: Option<f64>,
    pub(crate) median_seconds: Option<f64>,
    pub(crate) actions_per_answer: Option<f64>,
    pub(crate) recent: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LiveBudget {
    pub(crate) money: Option<f64>,
    pub(crate) spent_money: f64,
    pub(crate) person_minutes: Option<f64>,
    pub(crate) spent_minutes: f64,
    pub(crate) left_minutes: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CurvePoint {
    pub(crate) labels: usize,
    pub(crate) accuracy: Measured,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Anchoring {
    pub(crate) blind: Measured,
    pub(crate) assisted: Measured,
    pub(crate) difference: Measured,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Training {
    pub(crate) state: &'static str,
    pub(crate) measure: &'static str,
    pub(crate) labels: usize,
    pub(crate) at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_uuids_and_nothing_else() {
        let text = r#""0b0e3f0c-6a0e-4c58-9d0a-0d3b6f0a8a11""#;
        let id: ClientId = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), text);
        for wrong in [r#""""#, r#""x""#, r#""+b0e3f0c-6a0e-4c58-9d0a-0d3b6f0a8a11""#, r#""0b0e3f0c""#, "7"] {
            assert!(serde_json::from_str::<ClientId>(wrong).is_err(), "{wrong}");
        }
    }
}
