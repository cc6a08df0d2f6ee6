//! The decisions of a run, as pure functions over data: also used by `status`, `show` and `history`.
//!
//! - [`state`]: the fold of the journal
//! - [`reporter`]: who is told what happens

pub mod reporter;
pub mod state;

pub use reporter::{Reporter, Reporters};
pub use state::{LaneState, RunStatus, State, StepState, StepStatus};
