//! What the screen shows between records. Never stored, never the ground of a decision.

use jiff::Timestamp;

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
    pub why: String,
    /// Something to count, if there is: done, of how many.
    pub count: Option<(usize, usize)>,
}
