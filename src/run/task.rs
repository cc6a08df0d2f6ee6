//! What a task still needs. A task is not undone and not always to be done twice: whether a call that began was seen to end
//! decides what comes next.

use jiff::{SignedDuration, Timestamp};

use super::settle::{Advance, Call};
use super::step::StepState;
use crate::event::record::{Cause, Side};
use crate::plan::{PlannedTask, TaskKind};

/// What a task still needs. `is_calling` says whether its call is under way in this process.
pub fn settle(task: &PlannedTask, step: &StepState, is_calling: bool, now: Timestamp) -> Advance {
    let times = task.times();
    if step.answered >= times {
        let told = if times == 1 { "done".to_owned() } else { format!("{times} times, each well") };
        return Advance::Done(format!("{}: {told}", task.name));
    }
    let call = Call::Task { name: task.name.clone(), round: step.answered + 1, times };
    let since = step.last_call.as_ref().map_or(i64::MAX, |(_, at)| now.duration_since(*at).as_secs());
    if step.is_calling && !is_calling {
        return match unseen(task, step) {
            Some(cause) => Advance::Broken(cause),
            // Whoever began it may be gone, and what he began not.
            None if since < seconds(task) => {
                Advance::Wait(format!("{} may still be under way from before; then it is done again", task.name), None)
            }
            None => Advance::Call(call),
        };
    }
    if let (TaskKind::Http { request, .. }, Some((what, times, _))) = (&task.what, &step.trouble)
        && since < i64::try_from(request.every.as_seconds()).unwrap_or(i64::MAX)
    {
        return Advance::Wait(format!("{what}, {times} times in a row; it is asked again"), None);
    }
    Advance::Call(call)
}

/// Why nobody knows whether it was done, if it must not be done twice.
fn unseen(task: &PlannedTask, step: &StepState) -> Option<Cause> {
    if task.repeatable {
        return None;
    }
    let began = step.last_call.as_ref().map_or_else(String::new, |(_, at)| format!(" at {}", at.strftime("%H:%M:%SZ")));
    let why = step.lost.as_ref().map_or_else(|| "its driver was gone before its end".to_owned(), Clone::clone);
    let what = format!("nobody knows how {} ended that began{began}: {why}", task.name);
    Some(Cause::new(Side::Unseen, what).help([
        "look whether it was done: if so, or once you have done it, `shipit promote` goes on without doing it again",
        "where it may be done twice, `repeatable: true` says so",
    ]))
}

fn seconds(task: &PlannedTask) -> i64 {
    SignedDuration::try_from(task.within.duration()).map_or(i64::MAX, |within| within.as_secs())
}
