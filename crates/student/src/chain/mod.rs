//! Linear chains: label sequences scored token by token and pair by pair, with probabilities.
//!
//! A sentence of `n` tokens with labels `y` has the score
//! `start[y_1] + sum_i sum_{f in features(i)} state[f, y_i] + sum_i transition[y_i, y_{i+1}] + end[y_n]`, and the
//! probability `exp(score) / Z` among all sequences that the [`Constraints`] allow (Lafferty, McCallum and Pereira 2001;
//! Sutton and McCallum 2012, <https://arxiv.org/abs/1011.4088>). The same mathematics serves weights from any training:
//! a perceptron's scores become probabilities with a [`fit_temperature`]d scale.
//!
//! * [`Encoded`] holds the features of many sentences, [`Weights`] what they are worth, [`Layout`] how spans are written as
//!   labels, [`Constraints`] which sequences may occur.
//! * [`Links`] joins the last two for decoding: [`Links::best`] finds the best sequence, [`Links::n_best`] the best few,
//!   [`Lattice`] all probabilities of one sentence: of labels, of sequences, and of exactly this span with this type.
//! * [`Trainer`] learns weights from hard, soft and partial [`Target`]s.

mod adagrad;
mod batch;
mod constraints;
mod encoded;
mod lattice;
mod lbfgs;
mod links;
mod prepare;
mod target;
mod temperature;
mod train;
mod weights;

pub use constraints::{Constraints, Layout, TypedSpan};
pub use encoded::Encoded;
pub use lattice::Lattice;
pub use links::Links;
pub use target::{EntityRatio, Target};
pub use temperature::fit_temperature;
pub use train::{Fitted, Optimiser, Progress, Trainer};
pub use weights::Weights;
