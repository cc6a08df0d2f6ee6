//! The decisions of a run, as pure functions over data: also used by `status`, `show` and `history`.
//!
//! - [`state`]: the fold of the journal

pub mod state;

pub use state::{LaneState, RunStatus, State, StepState, StepStatus};
