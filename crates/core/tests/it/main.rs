//! Tests of the library from outside, in one binary.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests stop at the first surprise, as tests do")]

mod agreement_cases;
mod agreement_parity;
mod alt_test_parity;
mod consensus_cases;
mod consensus_parity;
mod consensus_properties;
mod crowdlab_parity;
mod estimate_coverage;
mod estimate_parity;
mod guarantee_parity;
mod items_answers;
mod items_formats;
mod items_inspect;
mod items_nasty;
mod items_write;
mod label_errors_parity;
mod ledger_content;
mod ledger_damage;
mod ledger_kill;
mod ledger_writing;
mod pairs;
mod perspective;
mod redundancy_cases;
mod route;
mod sequences;
mod shared;
