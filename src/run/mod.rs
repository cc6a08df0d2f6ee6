//! The decisions of a run, as pure functions over data: also used by `status`, `show` and `history`.
//!
//! - [`answer`](mod@answer): what a version answered against what it must
//! - [`state`], [`step`]: the fold of the journal
//! - [`view`]: what the driver has seen of the world, and when
//! - [`reads`]: what to look at next, and when
//! - [`judge`](mod@judge): verdicts
//! - [`command`]: verdicts of programs
//! - [`metrics`](mod@metrics): verdicts on a function's own metrics
//! - [`held`]: what a person can do about a failure at which the run is held
//! - [`function`](mod@function): what a function's steps and its way back still need
//! - [`settle`](mod@settle): what a step still needs, by what is seen
//! - [`task`]: what is done around the traffic, and when it is not done twice
//! - [`restore`](mod@restore): the way back, by what is seen
//! - [`rolling`](mod@rolling): when a fleet's own hosts have the release, and how they get the old one back
//! - [`next`](mod@next): what to do now
//! - [`compare`](mod@compare): green against blue, and when a left-over may be deleted
//! - [`reporter`]: who is told
//! - [`explain`], [`codes`]: why a deployment ended badly, what its hosts say, what to look at
#![deny(clippy::wildcard_enum_match_arm)]

pub mod answer;
pub mod codes;
pub mod command;
pub mod compare;
pub mod explain;
pub mod function;
pub mod held;
pub mod judge;
pub mod metrics;
pub mod next;
pub mod pace;
pub mod reads;
pub mod reporter;
pub mod restore;
pub mod rolling;
pub mod settle;
mod size;
pub mod state;
pub mod step;
pub mod task;
pub mod view;
mod waits;

#[cfg(test)]
mod tests;

pub use reporter::{Reporter, Reporters};
pub use state::{HeldFailure, LaneState, RunStatus, State, Told};
pub use step::{StepState, StepStatus};
