//! Why a deployment ended badly: the cause in a sentence, then what the hosts say, then what to look at.

use std::collections::BTreeMap;

use super::codes::{self, Meaning};
use super::judge::{Verdict, judge};
use super::view::LaneView;
use crate::event::record::{Cause, Side};
use crate::model::condition::Condition;
use crate::model::facts::{Deployment, DeploymentTarget, LifecycleEvent};
use crate::model::{Mark, harmless, harmless_lines};
use crate::plan::Lane;
use crate::plan::timing::floor;

/// Most hosts that are told of one by one, and named in one line.
const HOSTS_SHOWN: usize = 5;

/// Lines of a host's log that are kept, and the characters of each: it is text of others.
const TAIL_SHOWN: usize = 30;
const WIDTH: usize = 400;

/// Most of what CodeDeploy says that is kept: lines, and characters of each.
const REMARKS: usize = 20;
const REMARK: usize = 600;

/// Why a deployment ended badly, as its code tells it, and who stopped it. CodeDeploy's own words stand below.
pub fn why_it_ended(deployment: &Deployment) -> Cause {
    let (code, message) = deployment.error.clone().unwrap_or_default();
    let (code, message) = (harmless(&code, REMARK), harmless(&message, REMARK));
    let ended = format!("deployment {} ended as {}", deployment.id, deployment.status);
    let words: Vec<&str> = [ended.as_str(), &code, &message].into_iter().filter(|word| !word.is_empty()).collect();
    let words = words.join(": ");
    let remarks = deployment.messages.iter().take(REMARKS).map(|remark| harmless(remark, REMARK));
    let side = if code == "MANUAL_STOP" { Side::Person } else { Side::CodeDeploy };
    let Some(meaning) = codes::deployment(&code) else {
        let cause = Cause::new(side, words).details(remarks);
        return if code.is_empty() {
            cause
        } else {
            cause.help([format!("{code} is not known here; CodeDeploy's list of error codes may have it")])
        };
    };
    let what = match alarms(&message).as_slice() {
        [] => meaning.says.to_owned(),
        [one] if code == "ALARM_ACTIVE" => format!("alarm {one} turned red, so CodeDeploy stopped the deployment"),
        several if code == "ALARM_ACTIVE" => {
            format!("alarms {} turned red, so CodeDeploy stopped the deployment", several.join(", "))
        }
        _ => meaning.says.to_owned(),
    };
    let cause = Cause::new(side, what).details([words]).details(remarks).help([meaning.next]);
    Cause { is_of_release: code == "ALARM_ACTIVE", ..cause }
}

/// The alarms that CodeDeploy names at the end of its message.
fn alarms(message: &str) -> Vec<&str> {
    let (_, named) = message.split_once("Activated alarms: ").unwrap_or_default();
    named.split('<').filter_map(|part| Some(part.split_once('>')?.0)).collect()
}

/// Why a deployment ended badly, with what its hosts say. `HEALTH_CONSTRAINTS` is never the cause, it is the sum of what
/// happened on hosts: there the first failed host leads.
pub fn with_hosts(deployment: &Deployment, lane: &Lane, view: &LaneView, hosts: &[DeploymentTarget]) -> Cause {
    let mut cause = why_it_ended(deployment);
    let code = deployment.error.as_ref().map_or("", |(code, _)| code.as_str());
    if let Some(counts) = arithmetic(lane, hosts).filter(|_| code.starts_with("HEALTH_CONSTRAINTS")) {
        cause.details.push(counts);
    }
    if code == "ALARM_ACTIVE" {
        let said = view.alarms.iter().filter_map(|(name, fact)| Some((name, fact.value.as_ref()?)));
        let red = said.filter(|(_, alarm)| alarm.state == "ALARM");
        cause.details.extend(red.map(|(name, alarm)| harmless(&format!("{name}: {}", alarm.reason), REMARK)));
    }
    let is_sum = matches!(code, "HEALTH_CONSTRAINTS" | "AGENT_ISSUE" | "TIMEOUT");
    match hosts.iter().find_map(|host| Some((host, failed_event(host)?))) {
        Some((host, event)) if is_sum => {
            cause.what = lead(host, event);
            cause.help = event_help(event);
            cause.is_of_release = is_script_of_the_release(event);
        }
        None if is_sum && hosts.iter().any(is_silent) => {
            let silent: Vec<&DeploymentTarget> = hosts.iter().filter(|host| is_silent(host)).collect();
            cause.what = format!("the CodeDeploy agent never spoke on {}", named(&silent));
            cause.help = codes::SILENT.iter().map(|line| (*line).to_owned()).collect();
        }
        Some(_) | None => {}
    }
    cause.details.extend(told(deployment, hosts));
    cause
}

/// The first event that failed on a host.
fn failed_event(host: &DeploymentTarget) -> Option<&LifecycleEvent> {
    host.events.iter().find(|event| event.status == "Failed").filter(|_| host.status != "Succeeded")
}

/// Whether a script failed that came with the release; what the release before left on the host is not its fault.
fn is_script_of_the_release(event: &LifecycleEvent) -> bool {
    let code = event.diagnostics.as_ref().map_or("", |diagnostics| diagnostics.code.as_str());
    code.starts_with("Script") && !codes::is_of_the_release_before(&event.name)
}

/// Whether the agent of a host never asked for work: the host failed, and every event passed it by.
fn is_silent(host: &DeploymentTarget) -> bool {
    host.status == "Failed" && !host.events.is_empty() && host.events.iter().all(|event| event.status == "Skipped")
}

/// `AfterInstall failed on i-01: Script at … failed with exit code 1`.
fn lead(host: &DeploymentTarget, event: &LifecycleEvent) -> String {
    let whose = if codes::is_of_the_release_before(&event.name) { ", by the release before" } else { "" };
    harmless(&format!("{} failed on {}{whose}: {}", event.name, host.id, said(event)), WIDTH)
}

/// What the agent said in one line; a message that is known is told in words.
fn said(event: &LifecycleEvent) -> String {
    let diagnostics = event.diagnostics.clone().unwrap_or_default();
    let text = match (diagnostics.message.trim(), codes::message(&diagnostics.message)) {
        ("", _) => meaning(event).map_or("the host did not say why", |it| it.says).to_owned(),
        (message, Some(meaning)) => format!("{} ({message})", meaning.says),
        (message, None) => message.strip_prefix("Script at specified location: ").unwrap_or(message).to_owned(),
    };
    let is_named = diagnostics.script.is_empty() || text.contains(&diagnostics.script);
    if is_named { text } else { format!("{}: {text}", diagnostics.script) }
}

/// What is known of a failure: by the agent's words, by the event, by the code.
fn meaning(event: &LifecycleEvent) -> Option<&'static Meaning> {
    let diagnostics = event.diagnostics.as_ref();
    let by_words = diagnostics.and_then(|it| codes::message(&it.message));
    by_words.or_else(|| codes::event(&event.name)).or_else(|| codes::script(&diagnostics?.code))
}

fn event_help(event: &LifecycleEvent) -> Vec<String> {
    let next = if codes::is_of_the_release_before(&event.name) {
        Some(codes::RELEASE_BEFORE)
    } else {
        meaning(event).map(|meaning| meaning.next)
    };
    next.into_iter().map(str::to_owned).collect()
}

/// `4 hosts: 1 failed, 2 done, 1 not tried; at least 2 of 4 must stay healthy`. Blue hosts only give traffic away.
fn arithmetic(lane: &Lane, hosts: &[DeploymentTarget]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let counted: Vec<&DeploymentTarget> = hosts.iter().filter(|it| it.label.as_deref() != Some("Blue")).collect();
    for host in &counted {
        *counts.entry(if is_silent(host) { "Silent" } else { &host.status }).or_default() += 1;
    }
    let words = [
        ("Failed", "failed"),
        ("Silent", "without a word from the agent"),
        ("Succeeded", "done"),
        ("Ready", "ready"),
        ("InProgress", "under way"),
        ("Pending", "not begun"),
        ("Skipped", "not tried"),
    ];
    let parts: Vec<String> =
        words.iter().filter_map(|(status, word)| Some(format!("{} {word}", counts.get(status)?))).collect();
    let all = counted.len();
    let rule = lane.fleet().and_then(|fleet| fleet.baseline.min_healthy.as_ref()).and_then(|rule| {
        match (rule.kind.as_str(), floor(all, rule)) {
            ("MOST_CONCURRENCY", _) => Some("; none but the last may fail".to_owned()),
            (_, Some(least)) => {
                let share = if rule.kind == "FLEET_PERCENT" { format!(" ({} %)", rule.value) } else { String::new() };
                Some(format!("; the deployment configuration wants at least {least} of {all}{share} healthy"))
            }
            (_, None) => None,
        }
    });
    let hosts = if all == 1 { "1 host".to_owned() } else { format!("{all} hosts") };
    (all > 0).then(|| format!("{hosts}: {}{}", parts.join(", "), rule.unwrap_or_default()))
}

/// For each failed host the first failed event with its script, message and the end of its log; if all events were
/// skipped, that the agent never spoke. What many hosts say alike is told once.
fn told(deployment: &Deployment, hosts: &[DeploymentTarget]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut alike: Vec<((&str, String), Vec<&DeploymentTarget>)> = Vec::new();
    let (mut silent, mut speechless, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for host in hosts {
        match failed_event(host) {
            Some(event) => {
                let key = (event.name.as_str(), said(event));
                match alike.iter_mut().find(|(same, _)| *same == key) {
                    Some((_, hosts)) => hosts.push(host),
                    None => alike.push((key, vec![host])),
                }
            }
            None if is_silent(host) => silent.push(host),
            None if host.status == "Failed" => speechless.push(host),
            None if host.status == "InProgress" => busy.push(host),
            None => {}
        }
    }
    for ((event, said), hosts) in alike.iter().take(HOSTS_SHOWN) {
        lines.push(harmless(&format!("{}: {event}: {said}", named(hosts)), WIDTH));
        let diagnostics = hosts.first().and_then(|host| failed_event(host)?.diagnostics.as_ref());
        let tail =
            diagnostics.map(|it| harmless_lines(&without_times(&it.log_tail), TAIL_SHOWN, WIDTH)).unwrap_or_default();
        let has_script = diagnostics.is_some_and(|it| !it.script.is_empty());
        lines.extend(tail.iter().map(|line| format!("    {line}")));
        if has_script {
            let path = "/opt/codedeploy-agent/deployment-root/*";
            lines.push(format!("    all of it while the host lives: {path}/{}/logs/scripts.log", deployment.id));
        }
    }
    if alike.len() > HOSTS_SHOWN {
        lines.push(format!("and {} more kinds of failure", alike.len() - HOSTS_SHOWN));
    }
    if !silent.is_empty() {
        lines.push(format!("{}: all events were skipped: the agent never spoke", named(&silent)));
    }
    if !speechless.is_empty() {
        lines.push(format!("{}: failed without saying where", named(&speechless)));
    }
    for host in busy.iter().take(HOSTS_SHOWN) {
        let event = host.events.iter().find(|event| event.status == "InProgress");
        lines.push(format!("{}: still in {}", host.id, event.map_or("no event", |event| event.name.as_str())));
    }
    lines
}

/// A log without the time that agents 2.0 and later put before every line: `2026-11-30 10:00:00 `. Where a line has
/// none, times are the script's own.
fn without_times(log: &str) -> String {
    let pattern = b"0000-00-00 00:00:00 ";
    let rest = |line: &str| {
        let fits = |(byte, like): (u8, &u8)| if like.is_ascii_digit() { byte.is_ascii_digit() } else { byte == *like };
        let is_timed = line.len() >= pattern.len() && line.bytes().zip(pattern).all(fits);
        is_timed.then(|| line.get(pattern.len()..).unwrap_or("").to_owned())
    };
    let lines: Option<Vec<String>> =
        log.lines().map(|line| if line.trim().is_empty() { Some(String::new()) } else { rest(line) }).collect();
    lines.map_or_else(|| log.to_owned(), |lines| lines.join("\n"))
}

/// `i-1, i-2 and 7 more hosts`.
fn named(hosts: &[&DeploymentTarget]) -> String {
    let ids: Vec<&str> = hosts.iter().take(HOSTS_SHOWN).map(|host| host.id.as_str()).collect();
    let more = hosts.len().saturating_sub(HOSTS_SHOWN);
    let more = if more > 0 { format!(" and {more} more hosts") } else { String::new() };
    format!("{}{more}", ids.join(", "))
}

/// Somebody else's deployment is active on the group: whose, since when, and how one sees its end.
pub fn occupied(other: &Deployment, region: &str) -> Cause {
    let since = other.created.map(|at| format!(" since {}", at.strftime("%Y-%m-%d %H:%M:%SZ"))).unwrap_or_default();
    let run = Mark::read(&other.description).map(|mark| mark.run);
    let owner = match (&run, other.creator.as_str()) {
        (Some(run), _) => format!("run {run} of shipit"),
        (None, "user" | "") => "a person or a program".to_owned(),
        (None, creator) => creator.to_owned(),
    };
    let about = match &run {
        None if !other.description.is_empty() => format!(" (“{}”)", harmless(&other.description, WIDTH)),
        Some(_) | None => String::new(),
    };
    let what = format!("deployment {} of {owner}{about} is active{since}", other.id);
    let help = match &run {
        Some(run) => format!("it belongs to run {run}: shipit show {run}"),
        None => format!("wait for its end: aws deploy get-deployment --region {region} --deployment-id {}", other.id),
    };
    Cause::new(Side::Busy, harmless(&what, WIDTH)).help([help])
}

/// A condition became false: the numbers, the other verdicts of that moment, and where to look.
pub fn condition_failed(
    condition: &Condition,
    why: &str,
    (lane, watched): (&Lane, &[&Condition]),
    view: &LaneView,
    now: jiff::Timestamp,
) -> Cause {
    let others = watched.iter().filter(|other| **other != condition).map(|other| match judge(other, lane, view, now) {
        Verdict::Pass(why) => format!("{} passes: {why}", other.label()),
        Verdict::Fail(why) => format!("{} fails: {why}", other.label()),
        Verdict::Undecided(why) => format!("{} is undecided: {why}", other.label()),
    });
    let mut cause = Cause::new(Side::Condition, harmless(&format!("{}: {why}", condition.label()), WIDTH));
    match condition {
        Condition::Targets { target_groups, .. } => {
            let facts = target_groups.iter().filter_map(|arn| view.health.get(arn));
            let sick = facts.flat_map(|fact| &fact.value).filter(|target| target.state != "healthy");
            let mut sick: Vec<String> = sick
                .map(|it| match &it.reason {
                    Some(reason) => format!("{}: {}, {}", it.id, it.state, health_reason(reason)),
                    None => format!("{}: {}", it.id, it.state),
                })
                .collect();
            sick.dedup();
            let more = sick.len().saturating_sub(HOSTS_SHOWN);
            sick.truncate(HOSTS_SHOWN);
            cause.details.extend(sick);
            cause.details.extend((more > 0).then(|| format!("and {more} more targets")));
            cause.help.push("the application's own log on such a host, and the target group's health check".to_owned());
        }
        Condition::Alarm { .. } => {
            cause
                .help
                .push("look at the alarm's graph from the moment on at which the new release had users".to_owned());
        }
        Condition::Metric { of, .. } => {
            cause.help.push(format!("the new version's log group, and the metrics of {of} by executed version"));
        }
        Condition::Traffic { of, .. } => {
            let names: Vec<&str> = of.iter().map(|front| front.target_group.as_str()).collect();
            cause
                .help
                .push(format!("the application's own log, and the metrics of {} in CloudWatch", names.join(", ")));
        }
        Condition::Measured { .. } => {
            cause
                .help
                .push("look at the metric's graph from the moment on at which the new release had users".to_owned());
        }
        Condition::Command { command } => {
            let all = lane.watches.iter().flat_map(|watch| &watch.conditions);
            let ran = all.zip(0..).find(|(it, _)| *it == condition).and_then(|(_, place)| view.commands.get(&place));
            cause.details.extend(ran.into_iter().flat_map(|ran| ran.last.value.tail.clone()));
            cause.help.push(format!(
                "what was run, with the run's facts as SHIPIT_…: {}",
                harmless(&command.run.join(" "), WIDTH)
            ));
        }
        Condition::Http { origin, request } => {
            cause.help.push(format!(
                "what was asked: curl -i --max-time {} '{origin}{}'",
                request.within.as_seconds().max(1),
                request.path
            ));
        }
    }
    cause.details(others.map(|line| harmless(&line, WIDTH)))
}

/// What the load balancer calls it, in words.
fn health_reason(reason: &str) -> String {
    let words = match reason {
        "Target.ResponseCodeMismatch" => "the health check got another status than it wants",
        "Target.Timeout" => "the health check got no answer in time",
        "Target.FailedHealthChecks" => "the health check could not connect or got a broken answer",
        "Target.NotRegistered" | "Target.NotInUse" => "no traffic reaches it: not registered, or no listener forwards",
        "Target.DeregistrationInProgress" => "it is being taken out",
        "Target.InvalidState" => "the instance is stopped or terminated",
        "Elb.InitialHealthChecking" | "Elb.RegistrationInProgress" => "it was registered a moment ago",
        _ => return harmless(reason, WIDTH),
    };
    format!("{words} ({reason})")
}

#[cfg(test)]
mod tests;
