//! What the hosts of a failed deployment say.

use crate::event::record::Cause;
use crate::model::facts::DeploymentTarget;
use crate::model::{harmless, harmless_lines};

/// Most hosts that are told of one by one.
const HOSTS_SHOWN: usize = 5;

/// Lines of a host's log that are kept, and the characters of each: it is text of others.
const TAIL_SHOWN: usize = 30;
const WIDTH: usize = 400;

/// A cause with what the hosts say. CodeDeploy's `HEALTH_CONSTRAINTS` is never the cause, it is the sum of what happened
/// on hosts: there the first failed host leads.
pub fn lead(mut cause: Cause, targets: &[DeploymentTarget]) -> Cause {
    let hosts = hosts(targets);
    if let Some(first) = hosts.first().filter(|_| cause.what.contains(": HEALTH_CONSTRAINTS")) {
        let sum = std::mem::replace(&mut cause.what, first.clone());
        cause.details.insert(0, sum);
    }
    cause.details.extend(hosts);
    cause
}

/// For each failed host the first failed event with its script, message and the end of its log; if all events were
/// skipped, that the agent never spoke.
pub fn hosts(targets: &[DeploymentTarget]) -> Vec<String> {
    let mut lines = Vec::new();
    let failed: Vec<&DeploymentTarget> = targets.iter().filter(|target| target.status == "Failed").collect();
    for target in failed.iter().take(HOSTS_SHOWN) {
        match target.events.iter().find(|event| event.status == "Failed") {
            Some(event) => {
                let diagnostics = event.diagnostics.clone().unwrap_or_default();
                let script =
                    if diagnostics.script.is_empty() { String::new() } else { format!(" {}", diagnostics.script) };
                let said = format!("{}: {}{script}: {}", target.id, event.name, diagnostics.message);
                lines.push(harmless(&said, WIDTH));
                let tail = harmless_lines(&diagnostics.log_tail, TAIL_SHOWN, WIDTH);
                lines.extend(tail.iter().map(|line| format!("    {line}")));
            }
            None if !target.events.is_empty() && target.events.iter().all(|event| event.status == "Skipped") => {
                lines.push(format!("{}: the deployment agent never spoke: is it installed and running?", target.id));
            }
            None => lines.push(format!("{}: failed without saying where", target.id)),
        }
    }
    if failed.len() > HOSTS_SHOWN {
        lines.push(format!("and {} more hosts", failed.len() - HOSTS_SHOWN));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::record::Side;
    use crate::model::facts::{Diagnostics, LifecycleEvent};

    fn host(id: &str, status: &str, event: &str, log_tail: &str) -> DeploymentTarget {
        let diagnostics = Diagnostics {
            code: "ScriptFailed".to_owned(),
            script: "check.sh".to_owned(),
            message: "exit code 1".to_owned(),
            log_tail: log_tail.to_owned(),
        };
        let event = LifecycleEvent {
            name: "ValidateService".to_owned(),
            status: event.to_owned(),
            diagnostics: (event == "Failed").then_some(diagnostics),
        };
        DeploymentTarget { id: id.to_owned(), label: None, status: status.to_owned(), events: vec![event] }
    }

    fn cause(what: &str) -> Cause {
        Cause { side: Side::CodeDeploy, what: what.to_owned(), details: Vec::new() }
    }

    #[test]
    fn the_first_failed_host_leads_when_codedeploy_only_sums_up() {
        let hosts = [
            host("i-1", "Succeeded", "Succeeded", ""),
            host("i-2", "Failed", "Failed", "\u{1b}[31mno database\n::error::x"),
            host("i-3", "Failed", "Skipped", ""),
        ];
        let sum = "deployment d-1 ended as Failed: HEALTH_CONSTRAINTS: too many";
        let led = lead(cause(sum), &hosts);
        assert_eq!(led.what, "i-2: ValidateService check.sh: exit code 1");
        let expected = [
            sum,
            "i-2: ValidateService check.sh: exit code 1",
            "    no database",
            "    : :error::x",
            "i-3: the deployment agent never spoke: is it installed and running?",
        ];
        assert_eq!(led.details, expected);
        let stopped = "deployment d-1 ended as Stopped: MANUAL_STOP";
        assert_eq!(lead(cause(stopped), &hosts).what, stopped);
        assert_eq!(lead(cause(sum), &[]).what, sum);
    }
}
