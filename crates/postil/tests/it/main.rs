//! Process tests of the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aggregate;
mod agree;
mod audit;
mod bad_input;
mod chat;
mod checklist;
mod consistency;
mod crash;
mod demonstrations;
mod estimate;
mod evaluate;
mod first_steps;
mod formats;
mod guidelines;
mod links;
mod lists;
mod llm;
mod llm_bad_input;
mod llm_budget;
mod llm_kill;
mod llm_requirements;
mod llm_routing;
mod llm_shown;
mod llm_tasks;
mod newswire;
mod pairs;
mod places;
mod report;
mod review;
mod routes;
mod simulate;
mod support;
mod teach;
mod tickets;
mod train_predict;
