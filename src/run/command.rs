//! Verdicts of programs: 0 is a yes, 1 a no, and everything else tells nothing. A program that is not there, is killed or
//! does not end speaks of itself, not of the release.

use jiff::Timestamp;

use super::judge::Verdict;
use super::view::Ran;
use crate::model::command::{CommandCondition, Exit};

/// What a program says that was run so often; `is_recent` tells whether its last end still counts.
pub fn judge_command(command: &CommandCondition, ran: Option<&Ran>, is_recent: impl Fn(Timestamp) -> bool) -> Verdict {
    let Some(ran) = ran else { return Verdict::Undecided("not run yet".to_owned()) };
    if !is_recent(ran.last.at) {
        return Verdict::Undecided("not run lately".to_owned());
    }
    let told = ran.last.value.told();
    match &ran.last.value.exit {
        Exit::Code(0) => Verdict::Pass(told),
        Exit::Code(1) if ran.failures >= command.failures => {
            Verdict::Fail(format!("{told}, {} times in a row", ran.failures))
        }
        Exit::Code(1) => Verdict::Undecided(format!("{told}, {} of {} times", ran.failures, command.failures)),
        Exit::Code(2) => Verdict::Undecided(format!("it cannot tell: {told}")),
        Exit::Code(_) => Verdict::Undecided(format!("neither yes (0) nor no (1): {told}")),
        Exit::Signal(_) | Exit::TimedOut | Exit::Interrupted | Exit::Missing(_) => Verdict::Undecided(told),
    }
}
