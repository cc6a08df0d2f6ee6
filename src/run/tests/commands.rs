//! Verdicts of programs.

use super::fixture::{at, lane};
use crate::model::command::{CommandCondition, Ended, Exit};
use crate::model::condition::Condition;
use crate::run::judge::{Verdict, judge};
use crate::run::view::LaneView;

fn command() -> Condition {
    let command: CommandCondition = serde_json::from_str(r#"{"run": ["./check.sh", "web"]}"#).unwrap();
    Condition::Command { command }
}

/// What is said after these ends, one every 30 s, so many seconds after the last.
fn judged(ends: &[Exit], seconds: i64) -> String {
    let mut lane = lane();
    let condition = command();
    lane.watches[0].conditions.push(condition.clone());
    let place = lane.watches[0].conditions.len() - 1;
    let mut view = LaneView::default();
    let mut now = 0;
    for exit in ends {
        let ended = Ended { exit: exit.clone(), tail: vec!["3 of 40 orders".to_owned()] };
        view.saw_command(place, ended, at(now));
        now += 30;
    }
    match judge(&condition, &lane, &view, at(now - 30 + seconds)) {
        Verdict::Pass(why) => format!("pass: {why}"),
        Verdict::Fail(why) => format!("fail: {why}"),
        Verdict::Undecided(why) => format!("undecided: {why}"),
    }
}

#[test]
fn only_a_no_that_is_repeated_is_a_failure() {
    let (yes, no, unsure) = (Exit::Code(0), Exit::Code(1), Exit::Code(2));
    let missing = Exit::Missing("./check.sh is not on this machine".to_owned());
    for (ends, seconds, expected) in [
        (vec![], 0, "undecided: not run yet"),
        (vec![yes.clone()], 0, "pass: exit 0: 3 of 40 orders"),
        (vec![yes.clone()], 420, "pass: exit 0: 3 of 40 orders"),
        (vec![yes.clone()], 421, "undecided: not run lately"),
        (vec![no.clone()], 0, "undecided: exit 1: 3 of 40 orders, 1 of 2 times"),
        (vec![no.clone(), no.clone()], 0, "fail: exit 1: 3 of 40 orders, 2 times in a row"),
        (vec![no.clone(), yes.clone(), no.clone()], 0, "undecided: exit 1: 3 of 40 orders, 1 of 2 times"),
        (vec![no.clone(), unsure.clone(), no.clone()], 0, "fail: exit 1: 3 of 40 orders, 2 times in a row"),
        (vec![no.clone(), no.clone(), unsure.clone()], 0, "undecided: it cannot tell: exit 2: 3 of 40 orders"),
        (vec![unsure.clone(); 9], 0, "undecided: it cannot tell: exit 2: 3 of 40 orders"),
        (vec![Exit::Code(7)], 0, "undecided: neither yes (0) nor no (1): exit 7: 3 of 40 orders"),
        (vec![Exit::Code(127); 3], 0, "undecided: neither yes (0) nor no (1): exit 127: 3 of 40 orders"),
        (vec![Exit::Signal(15)], 0, "undecided: killed by signal 15: 3 of 40 orders"),
        (vec![Exit::Signal(11); 3], 0, "undecided: killed by signal 11: 3 of 40 orders"),
        (vec![Exit::TimedOut; 3], 0, "undecided: it took too long and was stopped: 3 of 40 orders"),
        (vec![Exit::Interrupted], 0, "undecided: it was stopped together with shipit: 3 of 40 orders"),
        (vec![no, missing], 0, "undecided: ./check.sh is not on this machine: 3 of 40 orders"),
    ] {
        assert_eq!(judged(&ends, seconds), expected, "{ends:?}");
    }
}
