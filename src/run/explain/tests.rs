use super::*;
use crate::model::facts::{Diagnostics, Status};
use crate::run::tests::fixture::{alarm, at, deployment, lane};
use crate::run::view::Fact;

fn event(name: &str, status: &str, said: Option<(&str, &str, &str, &str)>) -> LifecycleEvent {
    let diagnostics = said.map(|(code, script, message, log_tail)| Diagnostics {
        code: code.to_owned(),
        script: script.to_owned(),
        message: message.to_owned(),
        log_tail: log_tail.to_owned(),
    });
    LifecycleEvent { name: name.to_owned(), status: status.to_owned(), began: None, ended: None, diagnostics }
}

fn host(id: &str, status: &str, events: Vec<LifecycleEvent>) -> DeploymentTarget {
    let (label, status) = (Some("Green".to_owned()), status.to_owned());
    DeploymentTarget { id: id.to_owned(), label, status, updated: None, events }
}

fn failed(id: &str, name: &str, code: &str, script: &str, message: &str, log_tail: &str) -> DeploymentTarget {
    let events = vec![
        event("BeforeInstall", "Succeeded", None),
        event(name, "Failed", Some((code, script, message, log_tail))),
        event("ValidateService", "Skipped", None),
    ];
    host(id, "Failed", events)
}

fn silent(id: &str) -> DeploymentTarget {
    host(id, "Failed", vec![event("ApplicationStop", "Skipped", None), event("Install", "Skipped", None)])
}

fn ended(status: Status, code: &str, message: &str) -> Deployment {
    Deployment { error: Some((code.to_owned(), message.to_owned())), ..deployment(status) }
}

fn explained(code: &str, message: &str, hosts: &[DeploymentTarget]) -> String {
    let status = if matches!(code, "MANUAL_STOP" | "ALARM_ACTIVE") { Status::Stopped } else { Status::Failed };
    told_whole(&with_hosts(&ended(status, code, message), &lane(), &LaneView::default(), hosts))
}

fn told_whole(cause: &Cause) -> String {
    let details = cause.details.iter().map(|line| format!("\n  {line}"));
    let help = cause.help.iter().map(|line| format!("\n  help: {line}"));
    format!("{:?}: {}{}", cause.side, cause.what, details.chain(help).collect::<String>())
}

#[test]
fn the_first_failed_host_leads_when_codedeploy_only_sums_up() {
    let script = "Script at specified location: check.sh failed with exit code 1";
    let hosts = [
        host("i-1", "Succeeded", vec![event("ValidateService", "Succeeded", None)]),
        failed("i-2", "AfterInstall", "ScriptFailed", "check.sh", script, "\u{1b}[31mno database\n::error::x"),
        failed("i-3", "AfterInstall", "ScriptFailed", "check.sh", script, "the same"),
        silent("i-4"),
        host("i-5", "Skipped", vec![event("Install", "Skipped", None)]),
    ];
    insta::assert_snapshot!(explained("HEALTH_CONSTRAINTS", "too many", &hosts), @r"
    CodeDeploy: AfterInstall failed on i-2: check.sh failed with exit code 1
      deployment d-1 ended as Failed: HEALTH_CONSTRAINTS: too many
      5 hosts: 2 failed, 1 without a word from the agent, 1 done, 1 not tried; the deployment configuration wants at least 3 of 5 (50 %) healthy
      i-2, i-3: AfterInstall: check.sh failed with exit code 1
          no database
          : :error::x
          all of it while the host lives: /opt/codedeploy-agent/deployment-root/*/d-1/logs/scripts.log
      i-4: all events were skipped: the agent never spoke
      help: look at the end of its log below; run the script by hand on a host of that kind
    ");
}

#[test]
fn agents_that_never_spoke() {
    insta::assert_snapshot!(explained("HEALTH_CONSTRAINTS", "too many", &[silent("i-1"), silent("i-2")]), @r"
    CodeDeploy: the CodeDeploy agent never spoke on i-1, i-2
      deployment d-1 ended as Failed: HEALTH_CONSTRAINTS: too many
      2 hosts: 2 without a word from the agent; the deployment configuration wants at least 1 of 2 (50 %) healthy
      i-1, i-2: all events were skipped: the agent never spoke
      help: on the host: systemctl status codedeploy-agent, and /var/log/aws/codedeploy-agent/codedeploy-agent.log
      help: an instance profile is missing or was attached later: the agent needs it, and a restart after that
      help: no way out on port 443 to CodeDeploy and S3: a route, a NAT, VPC endpoints, the security group
      help: the clock is wrong (`Signature expired` in that log), or the machine took over an hour to start
    ");
}

#[test]
fn what_agents_say_is_told_in_words() {
    let cases = [
        ("DownloadBundle", "UnknownError", "", "not opened for reading"),
        (
            "Install",
            "UnknownError",
            "",
            "The deployment failed because a specified file already exists at this location: /srv/a",
        ),
        ("ApplicationStop", "ScriptMissing", "stop.sh", "Script does not exist at specified location: /opt/x/stop.sh"),
        (
            "ApplicationStart",
            "ScriptTimedOut",
            "start.sh",
            "Script at specified location: start.sh failed to complete in 60 seconds",
        ),
        (
            "ApplicationStart",
            "ScriptFailed",
            "start.sh",
            "Script at specified location: start.sh failed to close STDOUT",
        ),
        ("AllowTraffic", "UnknownError", "", ""),
        ("BeforeInstall", "NewCode", "", "something new"),
        ("BeforeInstall", "ScriptNotExecutable", "a.sh", ""),
    ];
    let mut text = String::new();
    for (name, code, script, message) in cases {
        let hosts = [failed("i-1", name, code, script, message, "")];
        let cause = with_hosts(&ended(Status::Failed, "HEALTH_CONSTRAINTS", ""), &lane(), &LaneView::default(), &hosts);
        text.push_str(&format!("{}\n", cause.what));
        cause.help.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    insta::assert_snapshot!(text, @r"
    DownloadBundle failed on i-1: the host could not read the bundle (not opened for reading)
      the instance profile needs s3:GetObject on the bundle (and kms:Decrypt if it is encrypted by a key), and the bucket must be in the host's region
    Install failed on i-1: a file was in the way that no earlier deployment of this group had put there (The deployment failed because a specified file already exists at this location: /srv/a)
      remove the file, or set `file_exists_behavior: OVERWRITE` in appspec.yml
    ApplicationStop failed on i-1, by the release before: Script does not exist at specified location: /opt/x/stop.sh
      this script comes from the release that was there before, not from the new one: deploy once by hand with --ignore-application-stop-failures, then go on as ever
    ApplicationStart failed on i-1: start.sh failed to complete in 60 seconds
      look at the end of its log; raise `timeout:` in appspec.yml if it needs longer
    ApplicationStart failed on i-1: the script left a program running that still holds its output (Script at specified location: start.sh failed to close STDOUT)
      start it with `> /dev/null 2> /dev/null < /dev/null &`
    AllowTraffic failed on i-1: the host did not become healthy in its target group
      look at the health check's path, port and status codes, and at the security group; no script runs here, so there is no log
    BeforeInstall failed on i-1: something new
    BeforeInstall failed on i-1: a.sh: the script cannot be made executable
      look whether the host's disk is full or read-only; give the script mode 755 in the source
    ");
}

#[test]
fn every_code_of_a_deployment_is_told_with_its_next_step() {
    use aws_sdk_codedeploy::types::{ErrorCode, LifecycleErrorCode};
    for code in ErrorCode::values() {
        let cause = with_hosts(&ended(Status::Failed, code, "AWS's own words"), &lane(), &LaneView::default(), &[]);
        let meaning = codes::deployment(code).unwrap();
        assert_eq!((cause.what.as_str(), cause.help.as_slice()), (meaning.says, &[meaning.next.to_owned()][..]));
        assert_eq!(cause.details[0], format!("deployment d-1 ended as Failed: {code}: AWS's own words"));
        assert_eq!(cause.side == Side::Person, *code == "MANUAL_STOP");
    }
    for code in LifecycleErrorCode::values() {
        let hosts = [failed("i-1", "AfterInstall", code, "a.sh", "", "")];
        let cause = with_hosts(&ended(Status::Failed, "HEALTH_CONSTRAINTS", ""), &lane(), &LaneView::default(), &hosts);
        assert!(cause.what.starts_with("AfterInstall failed on i-1: a.sh: "), "{}", cause.what);
        assert_eq!(cause.help, [codes::script(code).unwrap().next]);
    }
}

#[test]
fn codes_that_are_not_known_are_told_as_they_came() {
    insta::assert_snapshot!(explained("BRAND_NEW", "says\nAWS \u{1b}[2J", &[]), @r"
    CodeDeploy: deployment d-1 ended as Failed: BRAND_NEW: says AWS
      help: BRAND_NEW is not known here; CodeDeploy's list of error codes may have it
    ");
    insta::assert_snapshot!(told_whole(&why_it_ended(&deployment(Status::Failed))), @r"CodeDeploy: deployment d-1 ended as Failed");
}

#[test]
fn an_alarm_is_named_with_what_it_says() {
    let mut view = LaneView::default();
    view.alarms.insert("storefront-5xx".into(), Fact { value: Some(alarm("ALARM")), at: at(0) });
    view.alarms.insert("other".into(), Fact { value: Some(alarm("OK")), at: at(0) });
    let message = "One or more alarms have been activated. Activated alarms: <storefront-5xx> <b>";
    let cause = with_hosts(&ended(Status::Stopped, "ALARM_ACTIVE", message), &lane(), &view, &[]);
    insta::assert_snapshot!(told_whole(&cause), @r"
    CodeDeploy: alarms storefront-5xx, b turned red, so CodeDeploy stopped the deployment
      deployment d-1 ended as Stopped: ALARM_ACTIVE: One or more alarms have been activated. Activated alarms: <storefront-5xx> <b>
      storefront-5xx: it is ALARM
      help: look at the alarm and at what the new release did to it; the release stays undone until it is deployed again
    ");
    assert_eq!(alarms("Activated alarms: <"), Vec::<&str>::new());
}

#[test]
fn a_timeout_names_who_was_late() {
    let late = host("i-1", "InProgress", vec![event("AllowTraffic", "InProgress", None)]);
    insta::assert_snapshot!(explained("TIMEOUT", "too long", &[late]), @r"
    CodeDeploy: the deployment took longer than CodeDeploy allows
      deployment d-1 ended as Failed: TIMEOUT: too long
      i-1: still in AllowTraffic
      help: look at the event that was under way: scripts get 3600 s each at most
    ");
}

#[test]
fn the_owner_of_the_deployment_in_the_way() {
    let other = |creator: &str, description: &str| {
        let created = Some(at(60));
        let (creator, description) = (creator.to_owned(), description.to_owned());
        told_whole(&occupied(
            &Deployment { creator, description, created, ..deployment(Status::InProgress) },
            "eu-west-1",
        ))
    };
    insta::assert_snapshot!(other("user", "hotfix\n::error::by ann"), @r"
    Busy: deployment d-1 of a person or a program (“hotfix ::error::by ann”) is active since 2026-11-21 09:01:00Z
      help: wait for its end: aws deploy get-deployment --region eu-west-1 --deployment-id d-1
    ");
    insta::assert_snapshot!(other("user", "shipit:20261121-090000-aaaa/create#1"), @r"
    Busy: deployment d-1 of run 20261121-090000-aaaa of shipit is active since 2026-11-21 09:01:00Z
      help: it belongs to run 20261121-090000-aaaa: shipit show 20261121-090000-aaaa
    ");
    insta::assert_snapshot!(other("autoscaling", ""), @r"
    Busy: deployment d-1 of autoscaling is active since 2026-11-21 09:01:00Z
      help: wait for its end: aws deploy get-deployment --region eu-west-1 --deployment-id d-1
    ");
}

#[test]
fn thousands_of_hosts_are_told_in_few_lines() {
    let many: Vec<DeploymentTarget> = (0..1000)
        .map(|place| {
            failed(&format!("i-{place}"), "Install", "UnknownError", "", &format!("odd {place}"), &"x\n".repeat(500))
        })
        .collect();
    let cause = with_hosts(&ended(Status::Failed, "HEALTH_CONSTRAINTS", ""), &lane(), &LaneView::default(), &many);
    assert!(cause.details.len() < 5 * 35, "{}", cause.details.len());
    let alike: Vec<DeploymentTarget> = (0..1000).map(|place| silent(&format!("i-{place}"))).collect();
    let cause = with_hosts(&ended(Status::Failed, "HEALTH_CONSTRAINTS", ""), &lane(), &LaneView::default(), &alike);
    assert!(cause.what.ends_with("i-4 and 995 more hosts") && cause.details.len() < 5, "{}", told_whole(&cause));
}

#[test]
fn times_of_the_agent_are_taken_off() {
    for (log, expected) in [
        ("2026-11-30 10:00:00 LifecycleEvent - A\n2026-11-30 10:00:01 [stderr]no\n", "LifecycleEvent - A\n[stderr]no"),
        ("LifecycleEvent - A\n2026-11-30 10:00:01 mine\n", "LifecycleEvent - A\n2026-11-30 10:00:01 mine\n"),
        ("", ""),
    ] {
        assert_eq!(without_times(log), expected);
    }
}

#[test]
fn both_agents_words_are_known() {
    for (message, expected) in [
        (
            "Script at specified location: a.sh failed with error Exec format error (os error 8)",
            "does not begin with `#!`",
        ),
        (
            "The deployment failed because of a YAML parsing error: hooks: invalid type at line 4",
            "cannot read appspec.yml",
        ),
        ("Install failed for group g: IO error: Permission denied (os error 13)", "could not be put into place"),
        (
            "Install failed for group g: a specified file already exists at this location: /srv/a",
            "a file was in the way",
        ),
        (
            "the specified file does not exist at the expected location: /x/appspec.yml. Verify that",
            "no appspec.yml where",
        ),
    ] {
        let failed = failed("i-1", "DownloadBundle", "UnknownError", "", message, "");
        let event = failed_event(&failed).unwrap();
        assert!(said(event).contains(expected), "{message}: {}", said(event));
        assert!(!event_help(event)[0].contains("instance profile"), "{message}");
    }
}
