//! Every condition × no data, fresh, stale, at the threshold, flapping.

use super::fixture::{ARN, alarm, as_line, at, done, label, lane, plan, started, state, targets};
use crate::event::record::Record;
use crate::model::condition::{Condition, NoData};
use crate::model::metric::{OnUndecided, Then};
use crate::model::observed::{Alarm, TargetHealth};
use crate::model::{Percent, Period};
use crate::plan::Lane;
use crate::run::judge::{Judged, Judging, conditions, judge};
use crate::run::next::next;
use crate::run::reads::Read;
use crate::run::view::{Fact, LaneView, View};

/// The verdict of a lane's so-manieth condition at a moment, as a line.
fn verdict(lane: &Lane, place: usize, view: &LaneView, seconds: i64) -> String {
    let verdict = judge(conditions(lane).nth(place).unwrap(), lane, view, at(seconds));
    as_line(&verdict)
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
fn how_long_too_few_may_be_healthy_can_be_said() {
    let mut lane = three_of_four();
    let Condition::Targets { lasting, .. } = &mut lane.watches[0].conditions[0] else { panic!() };
    *lasting = Some(Period::minutes(1));
    let long = "fail: 2 healthy targets for 60 s, but 3 are needed (4 were healthy before)";
    for (readings, now, expected) in [
        (&[(2, 0)][..], 0, "undecided: 2 healthy, 3 needed; for 0 s"),
        (&[(0, 0), (0, 15)], 15, "undecided: 0 healthy, 3 needed; for 15 s"),
        (&[(2, 0), (2, 30)], 59, "undecided: 2 healthy, 3 needed; for 59 s"),
        (&[(2, 0), (2, 30)], 60, long),
        (&[(2, 0), (3, 30), (2, 45)], 60, "undecided: 2 healthy, 3 needed; for 15 s"),
    ] {
        let mut view = LaneView::default();
        for (count, seconds) in readings {
            view.saw_health(&lane, ARN, healthy(*count), at(*seconds));
        }
        assert_eq!(verdict(&lane, 0, &view, now), expected, "{readings:?}");
    }
}

#[test]
fn a_count_stands_instead_of_the_share() {
    let mut lane = three_of_four();
    let Condition::Targets { at_least, .. } = &mut lane.watches[0].conditions[0] else { panic!() };
    *at_least = Some(2);
    let mut view = LaneView::default();
    view.saw_health(&lane, ARN, healthy(2), at(0));
    assert_eq!(verdict(&lane, 0, &view, 0), "pass: 2 healthy, at least 2 needed");
    view.saw_health(&lane, ARN, healthy(1), at(15));
    assert_eq!(verdict(&lane, 0, &view, 15), "undecided: 1 healthy, 2 needed; for 0 s");
    assert_eq!(lane.watches[0].conditions[0].label(), "targets ≥ 2");
}

/// An alarm that was red before the run counts once it has been something else.
#[test]
fn a_red_alarm_that_is_ignored_is_judged_by_since_when_it_is_red() {
    for (before, state, since, expected) in [
        (Some(0), "ALARM", Some(0), "pass: red since before the run, so not worse: it is ALARM"),
        (Some(0), "ALARM", Some(-60), "pass: red since before the run, so not worse: it is ALARM"),
        (Some(0), "ALARM", Some(60), "fail: it is ALARM"),
        (Some(0), "ALARM", None, "undecided: red, and CloudWatch does not say since when"),
        (Some(0), "OK", Some(60), "pass: OK"),
        (None, "ALARM", Some(0), "fail: it is ALARM"),
    ] {
        let mut lane = lane();
        let Condition::Alarm { red_since, .. } = &mut lane.watches[0].conditions[1] else { panic!() };
        *red_since = before.map(at);
        let mut view = LaneView::default();
        let alarm = Alarm { since: since.map(at), ..alarm(state) };
        view.alarms.insert("storefront-5xx".into(), Fact { value: Some(alarm), at: at(100) });
        assert_eq!(verdict(&lane, 1, &view, 100), expected, "{before:?} {state} {since:?}");
    }
}

/// No data is undecided where the pipeline says so, and then it is decided as the pipeline says; what cannot be read is not.
#[test]
fn an_alarm_without_data_is_decided_by_the_pipeline() {
    let mut plan = plan();
    let watch = &mut plan.waves[0].lanes[0].watches[0];
    let Condition::Alarm { no_data, .. } = &mut watch.conditions[1] else { panic!() };
    *no_data = NoData::Undecided;
    for (then, after, expected) in [
        (Then::Fail, 599, "undecided: no data"),
        (Then::Fail, 600, "fail: no data, for 10m"),
        (Then::Pass, 600, "pass: no data, for 10m: counts as a yes"),
        (Then::Pause, 600, "undecided: no data, for 10m, a person decides"),
    ] {
        plan.waves[0].lanes[0].watches[0].on_undecided = Some(OnUndecided { after: Period::minutes(10), then });
        let steps = ["create", "compare", "reroute"].map(|step| (0, done(step)));
        let records: Vec<(i64, Record)> = steps.into_iter().chain([(0, started("bake"))]).collect();
        let state = state(&plan, &records);
        let (lane, state) = (&plan.waves[0].lanes[0], &state.lanes[0]);
        let mut view = LaneView::default();
        let judged = |view: &LaneView| {
            let all = Judging { lane, state, driven_since: Some(at(0)), view, now: at(after) }.all();
            let Judged { verdict, is_for_a_person, .. } = &all[1];
            let person = if *is_for_a_person { ", a person decides" } else { "" };
            format!("{}{person}", as_line(verdict))
        };
        assert_eq!(judged(&view), "undecided: the alarm's state is not known", "what is not read is not decided");
        view.alarms.insert("storefront-5xx".into(), Fact { value: Some(alarm("INSUFFICIENT_DATA")), at: at(after) });
        assert_eq!(judged(&view), expected, "{then:?} {after}");
    }
}

/// What is only reported is judged like everything else and decides nothing.
#[test]
fn a_report_decides_nothing() {
    let mut plan = plan();
    let Condition::Alarm { report_only, .. } = &mut plan.waves[0].lanes[0].watches[0].conditions[1] else { panic!() };
    *report_only = true;
    let steps = ["create", "compare", "reroute"].map(|step| (0, done(step)));
    let records: Vec<(i64, Record)> = steps.into_iter().chain([(0, started("bake"))]).collect();
    let state = state(&plan, &records);
    let mut view = View::new(&plan);
    let lane = &plan.waves[0].lanes[0];
    for now in [0, 60] {
        let seen = &mut view.lanes[0];
        seen.saw_health(lane, ARN, healthy(4), at(now));
        seen.alarms.insert("storefront-5xx".into(), Fact { value: Some(alarm("ALARM")), at: at(now) });
        seen.saw_probe(2, None, at(now));
        view.account(&plan, &state, at(now));
    }
    let turn = next(&plan, &state, &view, &[], at(60));
    let said: Vec<String> = turn
        .records
        .iter()
        .map(|record| {
            let Record::Judged { condition, verdict, report_only, .. } = record else { return format!("{record:?}") };
            let only = if *report_only { " (report only)" } else { "" };
            format!("{}: {verdict:?}{only}", label(condition))
        })
        .collect();
    let expected = ["targets ≥ 90%: Pass", "alarm storefront-5xx: Fail (report only)", "http /healthz: Pass"];
    assert_eq!(said[..3], expected);
    assert!(!said.iter().any(|line| line.contains("RollBackBegan")), "{said:?}");
    assert_eq!(view.lanes[0].watched(&"bake".into()), 60, "and its time counts");
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

/// That nobody could be reached counts only where AWS, which was reached, calls the targets healthy.
#[test]
fn a_failure_to_connect_counts_while_aws_calls_the_targets_healthy() {
    let lane = lane();
    for (what, healthy_targets, health_at, expected) in [
        ("nothing known", 4, None, "undecided: cannot be asked: /healthz: refused"),
        ("healthy a moment ago", 4, Some(100), "fail: /healthz: refused, 3 times in a row"),
        ("healthy long ago", 4, Some(0), "undecided: cannot be asked: /healthz: refused"),
        ("nobody healthy", 0, Some(100), "undecided: cannot be asked: /healthz: refused"),
    ] {
        let mut view = LaneView::default();
        if let Some(health_at) = health_at {
            view.saw_health(&lane, ARN, healthy(healthy_targets), at(health_at));
        }
        for _ in 0..3 {
            view.saw_unreachable(&lane, 2, "/healthz: refused".into(), at(110));
        }
        assert_eq!(verdict(&lane, 2, &view, 110), expected, "{what}");
    }
    let mut view = LaneView::default();
    view.saw_health(&lane, ARN, healthy(4), at(100));
    view.missed(Read::Health(ARN.into()), "timeout".into(), at(105));
    view.saw_unreachable(&lane, 2, "/healthz: refused".into(), at(110));
    assert!(view.gaps.contains_key(&Read::Probe(2)), "AWS does not answer from here either");
    view.gaps.clear();
    view.saw_probe(2, None, at(120));
    assert_eq!(verdict(&lane, 2, &view, 120), "pass: answers", "what did not count is forgotten");
}

/// Beside those in a row, all bad answers may be counted.
#[test]
fn a_probe_is_judged_by_failures_in_all() {
    let mut lane = lane();
    let Condition::Http { request, .. } = &mut lane.watches[0].conditions[2] else { panic!() };
    request.total_failures = Some(4);
    let bad = Some("500");
    for (answers, expected) in [
        (vec![bad, None, bad, None, bad], "undecided: 500, 1 of 3 times"),
        (vec![bad, None, bad, None, bad, None, bad], "fail: 500, 4 times in all"),
        (vec![bad, None, bad, None, bad, None, bad, None], "fail: 4 bad answers in all"),
        (vec![bad, bad, bad], "fail: 500, 3 times in a row"),
    ] {
        let mut view = LaneView::default();
        for answer in &answers {
            view.saw_probe(2, answer.map(str::to_owned), at(0));
        }
        assert_eq!(verdict(&lane, 2, &view, 0), expected, "{answers:?}");
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
