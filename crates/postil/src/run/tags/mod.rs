//! What a run over tags has of its own: gold that is marked on tokens, the tagger that learns from the consensus, the
//! files that are written, and what the report shows of tokens. Everything between is the run over labels of items, with
//! a decision per token.

pub(super) mod context;
pub(super) mod gold;
pub(super) mod learn;
pub(super) mod output;
pub(super) mod show;
