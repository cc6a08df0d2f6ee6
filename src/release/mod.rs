//! Which release follows which: what stood in an environment one after the other, and where a way back goes. Pure: the runs
//! are read by whoever asks.
//!
//! - [`past`]: a run as far as goals depend on it
//! - [`line`](mod@line): what stood, and what was taken out
//! - [`goal`](mod@goal): where a rollback goes, or why it goes nowhere
#![deny(clippy::wildcard_enum_match_arm)]

pub mod goal;
pub mod line;
pub mod past;

pub use goal::{Goal, Live, No, Way, Why, goal};
pub use line::{Bundles, Stood};
pub use past::PastRun;
