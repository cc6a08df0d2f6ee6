//! Every condition × no data, fresh, stale, at the threshold, flapping.

use super::fixture::{ARN, alarm, at, lane, targets};
use crate::model::condition::Condition;
use crate::model::observed::TargetHealth;
use crate::model::{Percent, Period};
use crate::plan::Lane;
use crate::run::judge::{conditions, judge};
use crate::run::view::{Fact, LaneView};

/// The verdict of a lane's so-manieth condition at a moment, as a line.
fn verdict(lane: &Lane, place: usize, view: &LaneView, seconds: i64) -> String {
    let verdict = judge(conditions(lane).nth(place).unwrap(), lane, view, at(seconds));
    format!("{}: {}", verdict.word(), verdict.why())
}

fn healthy(count: usize) -> Vec<TargetHealth> {
    targets(&[("i", count, "healthy"), ("u", 4 - count, "unhealthy")])
}

/// At least 75 % of four.
fn three_of_four() -> Lane {
    let mut lane = lane();
    let Condition::Targets { share, .. } = &mut lane.watches[0].conditions[0] else { panic!("targets come first") };
    *share = Percent::whole(75);
    lane
}

#[test]
fn targets_are_judged_by_how_many_are_left_and_for_how_long() {
    /// Healthy counts and when they were read, when they are judged, and the verdict.
    type Case = (&'static str, &'static [(usize, i64)], i64, &'static str);
    let readings: &[Case] = &[
        ("no data", &[], 0, "undecided: the health of the targets is not known"),
        ("all", &[(4, 0)], 0, "pass: 4 healthy, at least 3 needed"),
        ("threshold", &[(3, 0)], 0, "pass: 3 healthy, at least 3 needed"),
        ("below once", &[(2, 0)], 0, "undecided: 2 healthy, 3 needed; for 0 s"),
        ("below twice", &[(2, 0), (2, 15)], 15, "undecided: 2 healthy, 3 needed; for 15 s"),
        (
            "below for ten minutes",
            &[(2, 0), (2, 300), (2, 600)],
            600,
            "fail: 2 healthy targets for 600 s, but 3 are needed (4 were healthy before)",
        ),
        (
            "none twice",
            &[(0, 0), (0, 15)],
            15,
            "fail: 0 healthy targets for 15 s, but 3 are needed (4 were healthy before)",
        ),
        ("flapping", &[(2, 0), (3, 15), (2, 30)], 30, "undecided: 2 healthy, 3 needed; for 0 s"),
        ("recovered", &[(2, 0), (2, 15), (3, 30)], 30, "pass: 3 healthy, at least 3 needed"),
        ("old but good", &[(4, 0)], 420, "pass: 4 healthy, at least 3 needed"),
        ("stale", &[(4, 0)], 421, "undecided: the health of the targets is not known"),
        ("stale and bad", &[(2, 0), (2, 15)], 436, "undecided: the health of the targets is not known"),
    ];
    let lane = three_of_four();
    for (what, readings, now, expected) in readings {
        let mut view = LaneView::default();
        for (count, seconds) in *readings {
            view.saw_health(&lane, ARN, healthy(*count), at(*seconds));
        }
        assert_eq!(verdict(&lane, 0, &view, *now), *expected, "{what}");
    }
}

#[test]
fn the_worst_target_group_counts_and_one_look_at_all_is_one_reading() {
    let mut lane = three_of_four();
    let arns = vec![ARN.to_owned(), "arn:tg/other".to_owned()];
    lane.fleet_mut().baseline.target_groups.clone_from(&arns);
    let Condition::Targets { target_groups, .. } = &mut lane.watches[0].conditions[0] else { panic!() };
    target_groups.clone_from(&arns);
    let mut view = LaneView::default();
    view.saw_health(&lane, ARN, healthy(4), at(0));
    assert_eq!(verdict(&lane, 0, &view, 0), "undecided: the health of the targets is not known", "half is no data");
    view.saw_health(&lane, "arn:tg/other", healthy(4), at(0));
    assert_eq!(verdict(&lane, 0, &view, 0), "pass: 4 healthy, at least 3 needed");
    for arn in &arns {
        view.saw_health(&lane, arn, healthy(1), at(15));
    }
    assert_eq!(verdict(&lane, 0, &view, 15), "undecided: 1 healthy, 3 needed; for 0 s");
    for arn in &arns {
        view.saw_health(&lane, arn, healthy(if arn == ARN { 4 } else { 1 }), at(30));
    }
    let expected = "fail: 1 healthy targets for 15 s, but 3 are needed (4 were healthy before)";
    assert_eq!(verdict(&lane, 0, &view, 30), expected);
    view.health.get_mut(ARN).unwrap().at = at(-600);
    assert_eq!(verdict(&lane, 0, &view, 30), "undecided: the health of the targets is not known", "one is stale");
}

#[test]
fn an_alarm_is_judged_by_its_state() {
    for (state, seconds, expected) in [
        ("OK", 0, "pass: OK"),
        ("OK", 420, "pass: OK"),
        ("OK", 421, "undecided: the alarm's state is not known"),
        ("ALARM", 0, "fail: it is ALARM"),
        ("ALARM", 421, "undecided: the alarm's state is not known"),
        ("INSUFFICIENT_DATA", 0, "pass: no data, so not red"),
        ("INSUFFICIENT_DATA", 421, "undecided: the alarm's state is not known"),
        ("SOMETHING", 0, "undecided: state SOMETHING is not known here"),
        ("", 0, "undecided: state  is not known here"),
    ] {
        let mut view = LaneView::default();
        view.alarms.insert("storefront-5xx".into(), Fact { value: Some(alarm(state)), at: at(0) });
        assert_eq!(verdict(&lane(), 1, &view, seconds), expected, "{state} after {seconds} s");
    }
    let mut view = LaneView::default();
    assert_eq!(verdict(&lane(), 1, &view, 0), "undecided: the alarm's state is not known");
    view.alarms.insert("storefront-5xx".into(), Fact { value: None, at: at(0) });
    assert_eq!(verdict(&lane(), 1, &view, 0), "undecided: the alarm does not exist");
}

#[test]
fn a_probe_is_judged_by_failures_in_a_row() {
    let bad = Some("500");
    for (what, answers, now, expected) in [
        ("not asked", vec![], 0, "undecided: not asked yet"),
        ("good", vec![None], 0, "pass: answers"),
        ("bad once", vec![bad], 0, "undecided: 500, 1 of 3 times"),
        ("bad twice", vec![None, bad, bad], 0, "undecided: 500, 2 of 3 times"),
        ("bad three times", vec![bad, bad, bad], 0, "fail: 500, 3 times in a row"),
        ("bad four times", vec![bad, bad, bad, bad], 0, "fail: 500, 4 times in a row"),
        ("flapping", vec![bad, bad, None, bad, bad], 0, "undecided: 500, 2 of 3 times"),
        ("recovered", vec![bad, bad, bad, None], 0, "pass: answers"),
        ("stale", vec![None], 421, "undecided: not asked lately"),
        ("bad and stale", vec![bad, bad, bad], 421, "undecided: not asked lately"),
    ] {
        let mut view = LaneView::default();
        for answer in answers {
            view.saw_probe(2, answer.map(str::to_owned), at(0));
        }
        assert_eq!(verdict(&lane(), 2, &view, now), expected, "{what}");
    }
}

#[test]
fn a_probe_that_is_asked_rarely_is_not_stale_in_between() {
    let mut lane = lane();
    let Condition::Http { request, .. } = &mut lane.watches[0].conditions[2] else { panic!() };
    request.every = Period::minutes(10);
    let mut view = LaneView::default();
    view.saw_probe(2, None, at(0));
    assert_eq!(verdict(&lane, 2, &view, 1200), "pass: answers");
    assert_eq!(verdict(&lane, 2, &view, 1201), "undecided: not asked lately");
}

#[test]
fn probes_of_two_watches_are_told_apart() {
    let mut lane = lane();
    let again = lane.watches[0].clone();
    lane.watches.push(again);
    let Condition::Http { request, .. } = &mut lane.watches[1].conditions[2] else { panic!() };
    request.path = "/orders".into();
    let mut view = LaneView::default();
    view.saw_probe(2, None, at(0));
    assert_eq!(verdict(&lane, 2, &view, 0), "pass: answers");
    assert_eq!(verdict(&lane, 5, &view, 0), "undecided: not asked yet");
}

/// Facts of the future (another machine's clock) are as good as fresh ones; nothing overflows.
#[test]
fn clocks_that_differ_do_no_harm() {
    let mut view = LaneView::default();
    view.alarms.insert("storefront-5xx".into(), Fact { value: Some(alarm("OK")), at: at(5000) });
    assert_eq!(verdict(&lane(), 1, &view, 0), "pass: OK");
}
