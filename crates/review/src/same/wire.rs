//! What the page of the same words asks and is told.

use postil_core::audit::{MarkCount, Marked};
use postil_core::{Name, Span};
use serde::{Deserialize, Serialize};

use crate::wire::{ClientId, QueueCount};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Surface {
    pub(super) words: String,
    pub(super) occurrences: u32,
    pub(super) within: u32,
    pub(super) marks: Vec<MarkCount>,
    pub(super) minority: u32,
    pub(super) same_document: u32,
    pub(super) same_context: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SurfacesRequest {
    #[serde(default)]
    pub(super) offset: usize,
    #[serde(default = "page")]
    pub(super) limit: usize,
    /// Whether to look again if anything has changed.
    #[serde(default)]
    pub(super) fresh: bool,
    /// Only words that hold these.
    #[serde(default)]
    pub(super) search: String,
}

const fn page() -> usize {
    50
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are named as on the wire")]
pub(crate) struct Surfaces {
    pub(super) total: usize,
    pub(super) tokens: u64,
    pub(super) surfaces: Vec<Surface>,
    pub(super) empty: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OccurrencesRequest {
    pub(super) words: String,
    #[serde(default)]
    pub(super) offset: usize,
    #[serde(default = "page")]
    pub(super) limit: usize,
    /// Only those that are marked so.
    #[serde(default)]
    pub(super) marked: Option<String>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are named as on the wire")]
pub(crate) struct Occurrences {
    pub(super) words: String,
    pub(super) marks: Vec<MarkCount>,
    pub(super) within: usize,
    pub(super) total: usize,
    pub(super) occurrences: Vec<Line>,
}

/// An occurrence in its context.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) item: String,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) before: String,
    pub(super) here: String,
    pub(super) after: String,
    /// None within a longer mark, which is not changed here.
    pub(super) marked: Option<Marked>,
    pub(super) by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) item: String,
    pub(super) start: u32,
    pub(super) end: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeRequest {
    pub(super) id: ClientId,
    pub(super) words: String,
    /// The label; none takes marks away.
    #[serde(default)]
    pub(super) label: Option<Name>,
    #[serde(default)]
    pub(super) places: Vec<Place>,
    /// All occurrences that are marked so, beside the places: a label, `(nothing)` or `(in part)`.
    #[serde(default)]
    pub(super) marked: Vec<String>,
    #[serde(default)]
    pub(super) reason: String,
    /// Says what would be done, and does nothing.
    #[serde(default)]
    pub(super) preview: bool,
    #[serde(default)]
    pub(super) millis: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    pub(super) id: ClientId,
    pub(super) items: usize,
    pub(super) marks: usize,
    /// What these marks were.
    pub(super) from: Vec<MarkCount>,
    pub(super) already: usize,
    pub(super) within: usize,
    pub(super) differences: Vec<Difference>,
    pub(super) again: bool,
    pub(super) queues: Vec<QueueCount>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    pub(super) item: String,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) was: Vec<Span>,
    pub(super) now: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeBackRequest {
    pub(super) id: ClientId,
    pub(super) change: ClientId,
}

#[derive(Debug, Serialize)]
pub(crate) struct TakenBack {
    pub(super) id: ClientId,
    pub(super) change: ClientId,
    pub(super) items: usize,
}

/// One change in the log.
#[derive(Debug, Serialize)]
pub(crate) struct Logged {
    pub(super) id: ClientId,
    pub(super) at: i64,
    pub(super) by: Name,
    pub(super) own: bool,
    pub(super) words: String,
    pub(super) label: Option<Name>,
    pub(super) reason: String,
    pub(super) items: usize,
    pub(super) marks: usize,
    pub(super) undone: bool,
    pub(super) differences: Vec<Difference>,
}
