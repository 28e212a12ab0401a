//! One thing to annotate.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;

/// An item's name, unique within a project.
pub type ItemId = Arc<str>;

/// What an item holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Running text.
    Text {
        /// The text, exactly as it was read.
        text: String,
    },
    /// Text that came in tokens.
    Tokens {
        /// The tokens.
        tokens: Vec<String>,
    },
    /// Two texts to compare.
    Pair {
        /// The first.
        left: String,
        /// The second.
        right: String,
    },
    /// Named values.
    Record {
        /// The fields, in the order of the source.
        fields: serde_json::Map<String, serde_json::Value>,
    },
    /// A point in a space of features.
    Vector {
        /// The coordinates.
        values: Vec<f32>,
    },
}

/// One thing to annotate, with its name and the digest that names its content.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The name: from a column of the source, or the digest itself.
    pub id: ItemId,
    /// The content.
    pub content: Content,
    /// The digest of the content. The ledger recognises work already done by it, so an item whose text was edited is
    /// annotated anew, and one that only moved in its file is not.
    pub digest: Digest,
}
