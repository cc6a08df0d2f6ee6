//! The last block of a command.

use std::collections::BTreeMap;

use super::samples::{Story, name, plan};
use super::{NARROW, invocation};
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::model::condition::Condition;
use crate::plan::StepId;
use crate::report::{Style, ending};

fn text(story: &Story) -> String {
    let plan = plan(story.has_approval());
    ending(&plan, &story.state(&plan), &invocation(), false, Style::PLAIN)
}

fn ended(outcome: Outcome) -> Record {
    Record::RunEnded { outcome, live: BTreeMap::new() }
}

fn cause(side: Side, what: &str, details: &[&str]) -> Cause {
    Cause::new(side, what).details(details.iter().map(|line| (*line).to_owned()))
}

#[test]
fn succeeded() {
    insta::assert_snapshot!(text(&Story::succeeded()), @r"
    ✓ succeeded after 14m2s: release r2 is live in production
      traffic   web: r2 serves all of it
      changed   web: r1 → r2; Auto Scaling group storefront-web-v1 →
                CodeDeploy_storefront-web_d-BBBBBBBBB
      next      shipit status storefront -e production     # what is live now
                shipit rollback storefront -e production   # back to r1
    ");
}

#[test]
fn rolled_back_leads_with_the_cause() {
    insta::assert_snapshot!(text(&Story::rolled_back()), @r"
    ↺ rolled back after 10m40s: alarm storefront-5xx is red: 41 > 5 in 1 of 1
      periods
      where     web, step bake, deployment d-BBBBBBBBB: a condition that shipit
                watches
      traffic   web: r1 serves all of it again; r2 had some from 09:38:17Z until
                09:44:46Z at the latest
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
                shipit deploy storefront -e production
                  # again, once the cause is gone

      targets ≥ 90%: 4 healthy, at least 4 needed
      http /healthz: answers
    ");
}

#[test]
fn rolled_back_before_users_met_it() {
    insta::assert_snapshot!(text(&Story::failed_early()), @r"
    ↺ rolled back after 1m35s: i-01: AfterInstall install.sh: exit 1
      where     web, step create, deployment d-B: CodeDeploy stopped it
      traffic   web: r1 serves all of it; r2 never got any
      link      https://ap-northeast-2.console.aws.amazon.com/codesuite/codedeploy/deployments/d-B?region=ap-northeast-2
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
                shipit deploy storefront -e production
                  # again, once the cause is gone

      i-01: AfterInstall install.sh: exit 1
          : :error::gone
    ");
}

#[test]
fn paused() {
    insta::assert_snapshot!(text(&Story::paused()), @r"
    ‖ paused: run 20261121-093406-kfzw waits for a person until 2026-11-21 17:38:17Z
      step      web: approval since 09:38:17Z
      traffic   web: r1 serves all of it; r2 never got any
      next      shipit promote storefront -e production   # moves traffic to r2
                shipit abort storefront -e production     # drops r2, r1 stays
    ");
}

#[test]
fn detached_on_the_way_there_and_on_the_way_back() {
    let web = name("web");
    let there = Story::ready()
        .step("approval", 251, 300, "promoted by kim")
        .then(301, Record::StepStarted { target: web, step: "reroute".into() })
        .then(361, Record::Detached { why: "SIGTERM".to_owned() });
    insta::assert_snapshot!(text(&there), @r"
    ‖ detached: run 20261121-093406-kfzw is not finished, and nobody drives it
      step      web: reroute since 09:39:07Z
      traffic   web: on its way from r1 to r2: both may answer
      next      shipit resume storefront -e production   # drives it on
                shipit abort storefront -e production    # rolls back to r1
    ");
    let back = Story::failing().then(530, Record::Detached { why: "SIGTERM".to_owned() });
    insta::assert_snapshot!(text(&back), @r"
    ‖ detached: run 20261121-093406-kfzw is not finished, and nobody drives it
      step      web: restore since 09:42:46Z
      traffic   web: on its way back from r2 to r1: both may answer
      next      shipit resume storefront -e production   # drives the way back on
                shipit status storefront -e production   # what is live now
    ");
}

#[test]
fn taken_over_by_another_driver() {
    let plan = plan(false);
    let text = ending(&plan, &Story::ready().state(&plan), &invocation(), true, Style::PLAIN);
    assert!(text.starts_with("‖ run 20261121-093406-kfzw is driven on by another process\n"), "{text}");
    assert!(text.contains("shipit abort storefront -e production") && !text.contains("resume"), "{text}");
}

/// The form in which a failure is told: what, where, users' traffic, what to look at, a link, what to type; then details.
#[test]
fn a_failed_host_is_told_with_its_log_and_what_to_do() {
    let what = "AfterInstall failed on i-01: Script at specified location: install.sh failed with exit code 1";
    let details =
        ["deployment d-B ended as Failed: HEALTH_CONSTRAINTS: too many", "i-01, i-02: AfterInstall: …", "    no disk"];
    let failed =
        cause(Side::CodeDeploy, what, &details).help(["look at the end of its log below", "see: aws deploy x"]);
    let (web, step) = (name("web"), crate::plan::StepId::from("create"));
    let seen = Record::DeploymentSeen {
        target: web.clone(),
        step: step.clone(),
        deployment: "d-B".to_owned(),
        waits: Vec::new(),
    };
    let story = Story::new()
        .then(0, Record::StepStarted { target: web.clone(), step: step.clone() })
        .then(3, seen)
        .then(90, Record::StepFailed { target: web.clone(), step, cause: failed.clone() })
        .then(90, Record::RollBackBegan { cause: failed, targets: vec![web.clone()] })
        .then(95, Record::Restored { target: web, note: String::new() })
        .then(95, ended(Outcome::RolledBack));
    insta::assert_snapshot!(text(&story), @r"
    ↺ rolled back after 1m35s: AfterInstall failed on i-01: Script at specified
      location: install.sh failed with exit code 1
      where     web, step create, deployment d-B: CodeDeploy stopped it
      traffic   web: r1 serves all of it; r2 never got any
      help      look at the end of its log below
                see:
                aws deploy x
      link      https://ap-northeast-2.console.aws.amazon.com/codesuite/codedeploy/deployments/d-B?region=ap-northeast-2
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
                shipit deploy storefront -e production
                  # again, once the cause is gone

      deployment d-B ended as Failed: HEALTH_CONSTRAINTS: too many
      i-01, i-02: AfterInstall: …
          no disk
    ");
    let plan = plan(false);
    let narrow = Style { width: 60, unicode: false, ..Style::PLAIN };
    insta::assert_snapshot!(ending(&plan, &story.state(&plan), &invocation(), false, narrow), @r"
    < rolled back after 1m35s: AfterInstall failed on i-01:
      Script at specified location: install.sh failed with exit
      code 1
      where     web, step create, deployment d-B: CodeDeploy
                stopped it
      traffic   web: r1 serves all of it; r2 never got any
      help      look at the end of its log below
                see:
                aws deploy x
      link      https://ap-northeast-2.console.aws.amazon.com/codesuite/codedeploy/deployments/d-B?region=ap-northeast-2
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
                shipit deploy storefront -e production
                  # again, once the cause is gone

      deployment d-B ended as Failed: HEALTH_CONSTRAINTS: too
        many
      i-01, i-02: AfterInstall: ...
          no disk
    ");
}

#[test]
fn aborted_by_a_person() {
    let aborted = cause(Side::Person, "aborted by kim", &[]);
    let story = Story::paused()
        .then(300, Record::RollBackBegan { cause: aborted, targets: vec![name("web")] })
        .then(360, Record::Restored { target: name("web"), note: String::new() })
        .then(360, ended(Outcome::RolledBack));
    insta::assert_snapshot!(text(&story), @r"
    ↺ rolled back after 6m: aborted by kim
      where     web, step approval: a person stopped it
      traffic   web: r1 serves all of it; r2 never got any
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
                shipit deploy storefront -e production
                  # again
    ");
}

#[test]
fn stuck() {
    let failed = cause(Side::Refused, "ContinueDeployment is not permitted", &[]);
    let story = Story::failing()
        .then(600, Record::RestoreFailed { target: name("web"), cause: failed })
        .then(600, ended(Outcome::Stuck));
    insta::assert_snapshot!(text(&story), @r"
    ✗ stuck after 10m, a person must act: ContinueDeployment is not permitted
      where     web, step bake, deployment d-BBBBBBBBB: a condition that shipit
                watches
      traffic   web: not known: r1, r2 or nobody may answer
      link      https://ap-northeast-2.console.aws.amazon.com/codesuite/codedeploy/deployments/d-BBBBBBBBB?region=ap-northeast-2
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
                shipit resume storefront -e production
                  # looks anew and goes on towards r1
                aws deploy get-deployment --region ap-northeast-2 --deployment-id d-BBBBBBBBB
                  # what CodeDeploy says of web

      before    it went back because: alarm storefront-5xx is red: 41 > 5 in 1 of 1
                periods
      targets ≥ 90%: 4 healthy, at least 4 needed
      http /healthz: answers
    ");
}

#[test]
fn refused_and_held() {
    let busy = cause(Side::Busy, "deployment d-X of somebody occupies storefront-web", &["created 09:00:00Z"]);
    let refused = Story::new()
        .then(1, Record::RollBackBegan { cause: busy, targets: Vec::new() })
        .then(1, ended(Outcome::Refused));
    insta::assert_snapshot!(text(&refused), @r"
    ✗ refused, nothing was changed: deployment d-X of somebody occupies
      storefront-web
      traffic   web: r1 serves all of it; r2 never got any
      next      shipit deploy storefront -e production
                  # again, once the cause is gone
                shipit status storefront -e production
                  # what is live now

      created 09:00:00Z
    ");
    insta::assert_snapshot!(text(&Story::failing().then(600, ended(Outcome::Held))), @r"
    ✗ held, left as it is after 10m: alarm storefront-5xx is red: 41 > 5 in 1 of 1
      periods
      where     web, step bake, deployment d-BBBBBBBBB: a condition that shipit
                watches
      traffic   web: on its way back from r2 to r1: both may answer
      next      shipit rollback storefront -e production
                  # back to r1
                shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story

      targets ≥ 90%: 4 healthy, at least 4 needed
      http /healthz: answers
    ");
}

#[test]
fn a_narrow_screen_without_colour_and_unicode() {
    let plan = plan(false);
    let text = ending(&plan, &Story::rolled_back().state(&plan), &invocation(), false, NARROW);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text, @r"
    < rolled back after 10m40s: alarm
      storefront-5xx is red: 41 > 5 in 1 of
      1 periods
      where: web, step bake, deployment
        d-BBBBBBBBB: a condition that shipit
        watches
      traffic: web: r1 serves all of it
        again; r2 had some from 09:38:17Z
        until 09:44:46Z at the latest
      next:
        shipit show 20261121-093406-kfzw storefront -e production
          # the whole story
        shipit deploy storefront -e production
          # again, once the cause is gone

      targets >= 90%: 4 healthy, at least 4
        needed
      http /healthz: answers
    ");
}

#[test]
fn equal_lanes_are_said_once() {
    let mut plan = plan(false);
    let lane = plan.waves[0].lanes[0].clone();
    for place in 0..199 {
        let mut lane = lane.clone();
        lane.target = name(&format!("t{place}"));
        plan.waves[0].lanes.push(lane);
    }
    let text = ending(&plan, &Story::new().state(&plan), &invocation(), false, Style::PLAIN);
    assert!(text.lines().count() < 12, "{text}");
    assert!(text.contains("web, t0, t1, t2, t3, t4 and 194 more: r1 serves all of it"), "{text}");
}

#[test]
fn held_says_what_a_person_can_do() {
    let (target, step) = (name("web"), StepId::from("bake"));
    let condition = Some(Condition::alarm("storefront-5xx").id());
    let why = "alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods";
    let held =
        Record::Held { target, step, condition, cause: cause(Side::Condition, why, &["http /healthz: answers"]) };
    let story = Story::ready().step("reroute", 251, 430, "green serves, blue is out");
    let story =
        story.then(430, Record::StepStarted { target: name("web"), step: StepId::from("bake") }).then(520, held);
    insta::assert_snapshot!(text(&story), @r"
    ‖ held: run 20261121-093406-kfzw waits for a person to decide: alarm
      storefront-5xx is red: 41 > 5 in 1 of 1 periods
      where     web, step bake: a condition that shipit watches
      traffic   web: r2 serves all of it
      next      shipit promote storefront -e production
                  # goes on as if alarm storefront-5xx had passed
                shipit abort storefront -e production
                  # rolls back to r1
                shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story

      http /healthz: answers
    ");
    let (target, step) = (name("web"), StepId::from("create"));
    let held = Record::Held { target, step, condition: None, cause: cause(Side::CodeDeploy, "a host failed", &[]) };
    assert!(!text(&Story::ready().then(520, held)).contains("promote"), "what is over cannot be accepted");
}
