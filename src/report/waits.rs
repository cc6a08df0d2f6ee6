//! What is said of hosts that do not move on: which, where, since when, until when CodeDeploy waits, and where to look.

use jiff::Timestamp;

use super::words;
use crate::event::record::HostWait;
use crate::model::harmless;
use crate::plan::Lane;

/// Most hosts that are named in one line, and characters of a name.
const HOSTS: usize = 5;
const NAME: usize = 60;

/// How long CodeDeploy waits for an agent that does not ask.
const BEGIN_SECONDS: i64 = 300;

/// What a wait is alike in with others.
#[derive(PartialEq)]
struct Kind<'a> {
    deployment: &'a str,
    event: &'a str,
    is_begun: bool,
    is_gone: bool,
}

/// A line for hosts of a kind, then where to look; nothing without hosts.
pub fn told(lane: Option<&Lane>, waits: &[HostWait], is_going_back: bool, now: Timestamp) -> Vec<String> {
    let mut kinds: Vec<(Kind, Vec<&HostWait>)> = Vec::new();
    for wait in waits {
        let HostWait { deployment, event, is_begun, is_gone, .. } = wait;
        let kind = Kind { deployment, event, is_begun: *is_begun, is_gone: *is_gone };
        match kinds.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, alike)) => alike.push(wait),
            None => kinds.push((kind, vec![wait])),
        }
    }
    let mut lines: Vec<String> = kinds.iter().map(|(kind, hosts)| one(kind, hosts, now)).collect();
    let mut looks: Vec<String> = Vec::new();
    for (kind, _) in &kinds {
        let look = look(lane, kind);
        if !looks.contains(&look) {
            looks.push(look);
        }
    }
    lines.extend(looks);
    if !lines.is_empty() && !is_going_back {
        let text =
            "who does not want to wait: `shipit abort` goes back; CodeDeploy lets what has begun on a host end first";
        lines.push(text.to_owned());
    }
    lines
}

fn one(kind: &Kind, waits: &[&HostWait], now: Timestamp) -> String {
    let hosts = named(waits);
    let (event, deployment) = (harmless(kind.event, NAME), harmless(kind.deployment, NAME));
    let since = waits.iter().map(|wait| wait.since).min().unwrap_or(now);
    let until = waits.iter().map(|wait| wait.until).max().unwrap_or(now);
    let (clock, until) = (words::clock(since), words::clock(until));
    if kind.is_gone {
        let what = if kind.is_begun { "to end" } else { "to begin" };
        return format!(
            "{hosts}: terminated, Auto Scaling does not have it any more; {deployment} waits for {event} {what} there, \
             until {until} at the latest"
        );
    }
    match (kind.is_begun, kind.event) {
        (false, _) => {
            format!(
                "{hosts}: the agent has not begun {event} of {deployment} since {clock}; CodeDeploy waits until {until}"
            )
        }
        (true, "AllowTraffic") => format!(
            "{hosts}: registered again by {deployment}, and not healthy since {clock}; CodeDeploy waits until {until}"
        ),
        (true, "BlockTraffic") => format!(
            "{hosts}: {deployment} takes it out of the load balancer since {clock}; CodeDeploy waits until {until}"
        ),
        (true, _) => {
            let begin = since.as_second().saturating_add(BEGIN_SECONDS);
            let agent = Timestamp::from_second(begin).ok().filter(|begin| *begin > now);
            let agent = agent
                .map(|begin| format!(" for a script, until {} for an agent that does not ask", words::clock(begin)));
            let agent = agent.unwrap_or_default();
            format!(
                "{hosts}: {event} of {deployment} has not ended since {clock}; CodeDeploy waits until {until}{agent}"
            )
        }
    }
}

/// Where more is to be seen.
fn look(lane: Option<&Lane>, kind: &Kind) -> String {
    let deployment = harmless(kind.deployment, NAME);
    match (kind.is_gone, kind.event) {
        (true, _) => {
            let group = lane.and_then(Lane::fleet).map_or_else(String::new, |fleet| match &fleet.rolling {
                Some(_) => fleet.baseline.scaling_group.name.clone(),
                None => fleet.green_group(&deployment),
            });
            format!("why it went: aws autoscaling describe-scaling-activities --auto-scaling-group-name {group}")
        }
        (false, "AllowTraffic" | "BlockTraffic") => {
            "look at the health check and the deregistration delay of its target groups".to_owned()
        }
        (false, _) => format!(
            "look on the host: systemctl status codedeploy-agent, /var/log/aws/codedeploy-agent/codedeploy-agent.log, \
             /opt/codedeploy-agent/deployment-root/*/{deployment}/logs/scripts.log"
        ),
    }
}

/// `i-1, i-2 and 7 more hosts`.
fn named(waits: &[&HostWait]) -> String {
    let ids: Vec<String> = waits.iter().take(HOSTS).map(|wait| harmless(&wait.host, NAME)).collect();
    let more = waits.len().saturating_sub(HOSTS);
    let more = if more > 0 { format!(" and {more} more hosts") } else { String::new() };
    format!("{}{more}", ids.join(", "))
}
