//! Routing: who is asked what next, and when to stop, so that money buys the most quality.
//!
//! A [`Pool`] lists who can be asked and at what price. A [`Fit`] learns from gold how good each of them is and how far
//! their errors go together. From it comes a [`Plan`] for a [`Policy`] and a budget. A plan is asked step by step:
//! [`Plan::next`] takes the [`State`] (all answers so far) and gives a batch of [`Request`]s, [`Plan::verdicts`] gives
//! labels at any time. Both are pure, so a run can stop anywhere, and replaying stored answers ([`replay`]) is the same
//! code as asking for new ones:
//!
//! ```
//! use postil_core::route::{Fit, Policy, Pool, Reply, Settings, Source, State, Stored};
//! use postil_core::votes::Gold;
//!
//! let pool = Pool::new(vec![Source::machine("small", 0.1), Source::machine("large", 2.0)])?;
//! let mut pilot = Stored::new(pool.clone(), 2, (0..40).collect());
//! for item in 0..40 {
//!     let truth = (item % 2) as u16;
//!     pilot.set(item, 0, Reply::Label(if item % 5 == 0 { 1 - truth } else { truth }), None)?;
//!     pilot.set(item, 1, Reply::Label(truth), None)?;
//! }
//! let gold = Gold::of((0..40).map(|item| (item, (item % 2) as u16)))?;
//! let fit = Fit::new(&pilot, &gold, &Settings::default())?;
//! let plan = fit.plan(Policy::Value, 1.0)?;
//!
//! // Ten new items and at most 10 to spend on them.
//! let mut state = State::new(pool, 2, (100..110).collect());
//! loop {
//!     let batch = plan.next(&state, 10.0, 4);
//!     if batch.is_empty() {
//!         break;
//!     }
//!     for request in batch {
//!         // Here the annotator `state.pool().source(request.source)` would be asked.
//!         state.record(request.decision, request.source, Reply::Label(1), None)?;
//!     }
//! }
//! assert!(state.spent() <= 10.0);
//! assert!(plan.verdicts(&state).labels.iter().all(|&label| label == 1));
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! Answers of one model under several prompts are not independent. Each answer's log-likelihood is divided by one plus
//! the error correlations with the other answers at hand (the design effect of cluster sampling), so that copies count
//! once; see [`Belief`].
//!
//! [`simulate()`] replays every policy over a file with gold, the gold split at random again and again into a part that
//! fits and a part that measures, and gives cost against quality with intervals.

mod auto;
mod belief;
mod bias;
mod calibrate;
mod cascade;
mod chain;
mod committee;
mod courses;
mod fit;
mod plan;
mod policy;
mod pool;
mod savings;
mod simulate;
mod split;
mod state;
mod value;

pub use belief::Belief;
pub use bias::{PositionBias, position_bias};
pub use calibrate::{ConfidenceMap, discrimination};
pub use fit::{Fit, Settings};
pub use plan::{Outcome, Plan, Request, Verdicts, replay};
pub use policy::Policy;
pub use pool::{Pool, Reply, Source, Stored};
pub use savings::{Dominated, Saving};
pub use simulate::{Alone, Experiment, Point, Simulation, simulate};
pub use state::{Asked, State};
