//! What people decide about a run, left in the bucket for whoever drives.

use crate::model::Name;
use crate::plan::StepId;

/// What a person decided, read from the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The object's name: `abort`, `promote-<target>-<step>`.
    pub name: String,
    /// Who.
    pub by: String,
    /// What is meant.
    pub what: Wish,
}

/// What is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go back.
    Abort,
    /// End this wait.
    Promote {
        /// The target.
        target: Name,
        /// The wait that was on the screen.
        step: StepId,
        /// Whether all waits after it end, too, each once it is judged.
        full: bool,
    },
    /// Go on although this failed.
    Accept {
        /// The target.
        target: Name,
        /// The step at which the run is held.
        step: StepId,
        /// Counts the failures at which the run was held, from 1: each is accepted by itself.
        number: u32,
    },
}
