//! What the screen shows between records. Never stored, never the ground of a decision.

use jiff::Timestamp;

use super::call::CallKind;
use crate::model::Name;
use crate::plan::StepId;

/// Where a lane is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The target.
    pub target: Name,
    /// The step under way.
    pub step: StepId,
    /// When it began.
    pub since: Timestamp,
    /// Why it is not done yet.
    pub doing: Doing,
    /// Something to count, if there is: done, of how many.
    pub count: Option<(usize, usize)>,
}

/// Why a step is not done yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Doing {
    /// A call is under way.
    Calling(CallKind),
    /// Something is waited for: what.
    Waiting(String),
}
