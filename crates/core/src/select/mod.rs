//! Who labels what next: so far, which items people label as gold.

mod draw;

pub use draw::{Drawn, Frame, draw};
