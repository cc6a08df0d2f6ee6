//! Where one step of a run stands: the fold of the records about it.

use jiff::Timestamp;
use serde::Serialize;

use crate::event::call::CallKind;
use crate::event::record::Cause;

/// Where a step stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepState {
    /// Where.
    pub status: StepStatus,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Calls begun so far.
    pub attempt: u32,
    /// What was called last, and when.
    pub last_call: Option<(CallKind, Timestamp)>,
    /// Whether the last call that began has not ended, as far as the journal knows.
    pub is_calling: bool,
    /// Why the end of the last call was not seen, if that was written.
    pub lost: Option<String>,
    /// What went wrong with the last call, how often in a row, and when.
    pub trouble: Option<(String, u32, Timestamp)>,
    /// Calls that were answered well.
    pub answered: u32,
    /// Seconds of a bake that were watched.
    pub watched: u64,
    /// What was found at its end.
    pub note: String,
    /// Why it failed, if it did.
    pub cause: Option<Cause>,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Begun.
    Started,
    /// Done.
    Done,
    /// Failed.
    Failed,
}

impl StepState {
    /// What failed before begins anew, with its count of calls going on.
    pub(super) fn begin(&mut self, at: Timestamp) {
        if self.status == StepStatus::Failed {
            let (attempt, last_call, is_calling) = (self.attempt, self.last_call.take(), self.is_calling);
            *self = StepState { attempt, last_call, is_calling, ..StepState::default() };
        }
        self.status = StepStatus::Started;
        self.started.get_or_insert(at);
    }

    pub(super) fn call_began(&mut self, at: Timestamp, attempt: u32, call: &CallKind) {
        self.attempt = attempt;
        self.last_call = Some((call.clone(), at));
        self.is_calling = true;
        self.lost = None;
    }

    pub(super) fn call_ended(&mut self, at: Timestamp, trouble: Option<&String>) {
        self.is_calling = false;
        self.answered = self.answered.saturating_add(u32::from(trouble.is_none()));
        let before = self.trouble.as_ref().map_or(0, |(_, count, _)| *count);
        self.trouble = trouble.map(|what| (what.clone(), before + 1, at));
    }

    pub(super) fn end(&mut self, at: Timestamp, how: Result<&String, &Cause>) {
        self.status = if how.is_ok() { StepStatus::Done } else { StepStatus::Failed };
        self.ended = Some(at);
        self.is_calling = false;
        how.unwrap_or_else(|cause| &cause.what).clone_into(&mut self.note);
        self.cause = how.err().cloned();
    }

    /// Whether the last call that began was of this kind.
    pub fn has_called(&self, kind: &CallKind) -> bool {
        self.last_call.as_ref().is_some_and(|(call, _)| call == kind)
    }
}
