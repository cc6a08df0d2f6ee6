//! Which release follows which: what stood in an environment one after the other, and where a way back goes. Pure: the runs
//! are read by whoever asks.
//!
//! - [`past`]: a run as far as goals depend on it
//! - [`line`](mod@line): what stood, and what was taken out
//! - [`goal`](mod@goal): where a rollback goes, or why it goes nowhere
//! - [`moved`](mod@moved): whether the world is still as a plan found it
//! - [`recover`]: how a run that got stuck goes on
#![deny(clippy::wildcard_enum_match_arm)]

pub mod goal;
pub mod line;
pub mod moved;
pub mod past;
pub mod recover;

pub use goal::{Goal, Live, No, Way, Why, goal};
pub use line::{Bundles, Stood};
pub use moved::{Difference, Moved, moved};
pub use past::PastRun;
