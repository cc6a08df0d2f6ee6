//! The log, live and replayed.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::samples::{Story, at, name, plan, run};
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::event::{CallKind, Doing, Envelope, Progress, VerdictKind};
use crate::model::condition::HttpCondition;
use crate::plan::Plan;
use crate::report::{Plain, Reporter, Style, lines};
use crate::run::State;

/// What was written.
#[derive(Clone, Default)]
pub struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn replay(plan: &Plan, envelopes: &[Envelope], style: &Style) -> String {
    let mut state = State::new(run(), plan);
    let mut text = String::new();
    for envelope in envelopes {
        for line in lines(plan, &state, envelope) {
            text.push_str(&line.render(style));
            text.push('\n');
        }
        state.apply(plan, envelope.at, &envelope.record);
    }
    text
}

fn log(story: &Story) -> String {
    replay(&plan(story.has_approval()), &story.envelopes(), &Style::PLAIN)
}

#[test]
fn a_run_that_succeeds() {
    insta::assert_snapshot!(log(&Story::succeeded()), @r"
    09:34:06Z  • run 20261121-093406-kfzw: release r2 of storefront goes to production, asked for by arn:aws:iam::111122223333:user/kim
    09:34:06Z  • driven by kim@laptop
    09:34:06Z  ▸ web create  4 instances get the release (usually 6m, at most 30m)
    09:34:08Z  • web create  deployment d-BBBBBBBBB
    09:38:16Z  ✓ web create  green is ready: 4 of 4 (4m10s)
    09:38:16Z  ▸ web compare  green is compared with blue (at most 5m)
    09:38:17Z  ✓ web compare  done (1s)
    09:38:17Z  ▸ web reroute  traffic moves to green (usually 4m, at most 25m)
    09:41:16Z  ✓ web reroute  green serves, blue is out (2m59s)
    09:41:16Z  ▸ web bake  5m watched without a failure
    09:46:16Z  ✓ web bake  5m watched, all passed (5m)
    09:46:16Z  ▸ web finish  blue is deleted (usually 2m, at most 40m)
    09:48:08Z  ✓ web finish  blue is deleted (1m52s)
    09:48:08Z  ✓ succeeded after 14m2s; live: web r2
    ");
}

#[test]
fn a_run_that_is_rolled_back() {
    insta::assert_snapshot!(log(&Story::rolled_back()), @r"
    09:34:06Z  • run 20261121-093406-kfzw: release r2 of storefront goes to production, asked for by arn:aws:iam::111122223333:user/kim
    09:34:06Z  • driven by kim@laptop
    09:34:06Z  ▸ web create  4 instances get the release (usually 6m, at most 30m)
    09:34:08Z  • web create  deployment d-BBBBBBBBB
    09:38:16Z  ✓ web create  green is ready: 4 of 4 (4m10s)
    09:38:16Z  ▸ web compare  green is compared with blue (at most 5m)
    09:38:17Z  ✓ web compare  done (1s)
    09:38:17Z  ▸ web reroute  traffic moves to green (usually 4m, at most 25m)
    09:41:16Z  ✓ web reroute  green serves, blue is out (2m59s)
    09:41:16Z  ▸ web bake  5m watched without a failure
    09:42:46Z  ✗ web  alarm storefront-5xx fails: storefront-5xx is red: 41 > 5 in 1 of 1 periods
    09:42:46Z  ↺ rolling back web: alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods (a condition that shipit watches)
    09:44:46Z  ✓ web restore  4 of 4 healthy in blue, green is gone (2m)
    09:44:46Z  ↺ rolled back after 10m40s; live: web r1
    ");
}

#[test]
fn a_run_that_fails_early() {
    insta::assert_snapshot!(log(&Story::failed_early()), @r"
    09:34:06Z  • run 20261121-093406-kfzw: release r2 of storefront goes to production, asked for by arn:aws:iam::111122223333:user/kim
    09:34:06Z  • driven by kim@laptop
    09:34:06Z  ▸ web create  4 instances get the release (usually 6m, at most 30m)
    09:34:09Z  • web create  deployment d-B
    09:35:36Z  ✗ web create  failed: i-01: AfterInstall install.sh: exit 1 (CodeDeploy stopped it)
    09:35:36Z  ↺ rolling back web: create of web failed
    09:35:41Z  ✓ web restore  blue was never touched (5s)
    09:35:41Z  ↺ rolled back after 1m35s; live: web r1
    ");
}

#[test]
fn what_else_is_said() {
    let (web, step) = (name("web"), "create".into());
    let call = |attempt, second, trouble: Option<&str>| {
        let (target, step) = (name("web"), "create".into());
        let ended = Record::CallEnded { target: target.clone(), step, attempt, trouble: trouble.map(str::to_owned) };
        let call = CallKind::CreateDeployment;
        [(second, Record::CallBegan { target, step: "create".into(), attempt, call }), (second, ended)]
    };
    let cause = |what: &str| Cause::new(Side::Refused, what);
    let mut story = Story::new().then(0, Record::StepStarted { target: web.clone(), step });
    story.0.extend(call(1, 1, Some("throttled")));
    story.0.extend(call(2, 2, Some("throttled")));
    story.0.extend(call(3, 3, Some("no answer within 60 s")));
    story.0.extend(call(4, 4, None));
    let story = story
        .then(5, Record::Detached { why: "SIGTERM".to_owned() })
        .then(60, Record::DriverStarted { token: 2, holder: "ci@runner-7".to_owned() })
        .then(60, Record::StepStarted { target: web.clone(), step: "create".into() })
        .then(
            61,
            Record::Judged {
                target: web.clone(),
                condition: serde_json::from_str::<HttpCondition>(r#"{"path":"/healthz"}"#).unwrap().id(),
                verdict: VerdictKind::Undecided,
                report_only: false,
                why: "no answer yet".to_owned(),
            },
        )
        .then(62, Record::Watched { target: web.clone(), step: "bake".into(), seconds: 30 })
        .then(63, Record::Paused { target: web.clone(), step: "approval".into(), until: at(28_800) })
        .then(64, Record::DecisionAccepted { name: "promote-approval".to_owned(), by: "kim".to_owned() })
        .then(65, Record::DecisionIgnored { name: "abort".to_owned(), why: "the run has ended".to_owned() })
        .then(
            66,
            Record::StepFailed {
                target: web.clone(),
                step: "create".into(),
                cause: cause("AccessDenied\n::error::\u{1b}[31m"),
            },
        )
        .then(67, Record::RollBackBegan { cause: cause("AccessDenied"), targets: Vec::new() })
        .then(68, Record::RestoreFailed { target: web, cause: cause("AccessDenied") })
        .then(69, Record::RunEnded { outcome: Outcome::Stuck, live: std::collections::BTreeMap::new() });
    insta::assert_snapshot!(log(&story), @r"
    09:34:06Z  • run 20261121-093406-kfzw: release r2 of storefront goes to production, asked for by arn:aws:iam::111122223333:user/kim
    09:34:06Z  • driven by kim@laptop
    09:34:06Z  ▸ web create  4 instances get the release (usually 6m, at most 30m)
    09:34:07Z  ! web create  create the deployment: throttled; it is tried again
    09:34:09Z  ! web create  create the deployment: no answer within 60 s; it is tried again
    09:34:10Z  • web create  create the deployment went through after it had failed 3 times
    09:34:11Z  ‖ detached: SIGTERM; any machine can resume the run
    09:35:06Z  • driven on by ci@runner-7
    09:35:06Z  ▸ web create  begins again
    09:35:07Z  • web  http /healthz is undecided: no answer yet
    09:35:09Z  ‖ web approval  waits for a person to promote; after 2026-11-21 17:34:06Z it rolls back
    09:35:10Z  • decision promote-approval by kim is taken up
    09:35:11Z  • decision abort has no effect: the run has ended
    09:35:12Z  ✗ web create  failed: AccessDenied ::error:: (AWS refused the call)
    09:35:13Z  ↺ nothing to restore: AccessDenied (AWS refused the call)
    09:35:14Z  ✗ web restore  failed: AccessDenied
    09:35:15Z  ✗ stuck after 1m9s
    ");
}

#[test]
fn the_live_log_is_the_replayed_one_but_for_heartbeats() {
    let (plan, style) = (plan(true), Style::PLAIN);
    let envelopes = Story::rolled_back().envelopes();
    let paper = Paper::default();
    let mut plain = Plain::new(Box::new(paper.clone()), style);
    let mut state = State::new(run(), &plan);
    for (second, envelope) in (0..).zip(&envelopes) {
        plain.on(&plan, &state, envelope);
        state.apply(&plan, envelope.at, &envelope.record);
        plain.note(envelope.at, "a sweep failed: throttled");
        plain.progress(&[under_way("web")], envelope.at, Duration::from_secs(second * 20));
    }
    let live: String =
        paper.text().lines().filter(|line| !line.contains("Z  · ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(live, replay(&plan, &envelopes, &style));
    assert!(paper.text().lines().count() > live.lines().count() + envelopes.len());
}

fn under_way(target: &str) -> Progress {
    let why = "i-01 is not healthy yet: Target.FailedHealthChecks".to_owned();
    Progress {
        target: name(target),
        step: "reroute".into(),
        since: at(0),
        doing: Doing::Waiting(why),
        count: Some((3, 4)),
    }
}

#[test]
fn heartbeats_come_every_30_seconds_of_wire_time_with_the_reason() {
    let paper = Paper::default();
    let mut plain = Plain::new(Box::new(paper.clone()), Style::PLAIN);
    for second in 0..=65 {
        plain.progress(&[under_way("web")], at(second * 60), Duration::from_secs(second as u64));
    }
    insta::assert_snapshot!(paper.text(), @r"
    10:04:06Z  · web reroute  for 30m, 3 of 4: i-01 is not healthy yet: Target.FailedHealthChecks
    10:34:06Z  · web reroute  for 1h, 3 of 4: i-01 is not healthy yet: Target.FailedHealthChecks
    ");
}

#[test]
fn many_lanes_make_a_short_heartbeat() {
    let paper = Paper::default();
    let mut plain = Plain::new(Box::new(paper.clone()), Style::PLAIN);
    let lanes: Vec<Progress> = (0..200).map(|place| under_way(&format!("t{place}"))).collect();
    plain.progress(&lanes, at(100), Duration::from_secs(30));
    assert_eq!(paper.text().lines().count(), 11);
    assert!(paper.text().ends_with("  · 190 more lanes are under way\n"), "{}", paper.text());
}

/// On a terminal without colour the log is the same, but no word is broken by the screen's edge.
#[test]
fn a_log_on_a_screen_breaks_between_words() {
    let (paper, style) = (Paper::default(), Style { width: 60, wraps: true, ..Style::PLAIN });
    let mut plain = Plain::new(Box::new(paper.clone()), style);
    plain.progress(&[under_way("web")], at(100), Duration::from_secs(30));
    plain.note(at(100), "a sweep failed: throttled by AWS, which is asked again in a moment");
    insta::assert_snapshot!(paper.text(), @r"
    09:35:46Z  · web reroute  for 1m40s, 3 of 4: i-01 is not
                 healthy yet: Target.FailedHealthChecks
    09:35:46Z  · a sweep failed: throttled by AWS, which is
                 asked again in a moment
    ");
}
