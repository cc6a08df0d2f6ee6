//! What the hosts of a failed deployment say.

use crate::model::facts::DeploymentTarget;
use crate::model::{harmless, harmless_lines};

/// Most hosts that are told of one by one.
const HOSTS_SHOWN: usize = 5;

/// Lines of a host's log that are kept, and the characters of each: it is text of others.
const TAIL_SHOWN: usize = 30;
const WIDTH: usize = 400;

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
