//! Records: fields with types, their values, and what several annotators make of each field together.
//!
//! ```
//! use postil_core::record::RecordSchema;
//! use serde_json::json;
//!
//! let schema = RecordSchema::parse(
//!     r#"{"type": "object", "properties": {
//!         "total": {"type": "number", "description": "What has to be paid."},
//!         "paid": {"type": ["boolean", "null"]}
//!     }, "required": ["total", "paid"]}"#,
//! )?;
//! let total = &schema.fields()[0];
//! assert_eq!(total.kind.read(&json!("1,250.50")).unwrap(), json!(1250.5));
//! assert!(total.kind.read(&json!("much")).is_err());
//! # Ok::<(), postil_core::Error>(())
//! ```

mod consensus;
mod schema;
mod value;

pub use consensus::{Belief, Said, Settled, settle};
pub use schema::{Bounds, Field, FieldKind, RecordSchema};
pub use value::or_null;
