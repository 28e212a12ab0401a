//! Reading items, answers and truth: files and standard input as streams of Arrow batches or as numbers and names.

mod answers;
mod aside;
mod batch;
mod inspect;
mod names;
mod pair;
mod source;

pub use answers::{AnswerOptions, AnswerReport, AnswerTable, TruthTable, read_answers, read_truth};
pub use aside::RowFault;
pub use batch::ItemBatch;
pub use inspect::{ColumnKind, ColumnSummary, Inspection, inspect};
pub use names::Names;
pub use pair::{PairColumns, PairText};
pub use source::{IngestReport, ItemOptions, ItemSource, WITH_TOKENS, strings};
