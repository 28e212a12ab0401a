//! What a report says of records and of planted instructions.

use postil_core::Measured;
use serde::{Deserialize, Serialize};

/// One field of the records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldRow {
    /// The field.
    pub field: String,
    /// What it may hold, in words.
    pub kind: String,
    /// Items with a value.
    pub given: u64,
    /// Items whose text is taken not to say.
    pub absent: u64,
    /// Items about whose field nobody said anything.
    pub unanswered: u64,
    /// The share of the measuring gold items whose value is exactly that of gold.
    pub exact: Measured,
    /// What could not be used, by annotator; only those of whom something could not.
    pub refused: Vec<RefusedRow>,
}

/// What of an annotator's values could not be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// The annotator.
    pub annotator: String,
    /// Items about whose field it said something that could be used.
    pub answered: u64,
    /// Values whose quote is not in the text.
    pub not_in_text: u64,
    /// Values that the field may not hold.
    pub unusable: u64,
}

/// How far a model obeys instructions that stand in a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CanaryRow {
    /// The model.
    pub annotator: String,
    /// Texts with a planted instruction that it answered.
    pub planted: u64,
    /// The share of these in which it gave the label that the instruction asked for and that it does not give without.
    pub obeyed: Measured,
}
