//! The AppSpec of a bundle, judged before it is uploaded by the rules of the agent that will read it.
//!
//! The agent finds most of these mistakes in the middle of a deployment, some only after the old release was stopped.

mod rules;

use std::collections::BTreeSet;

use crate::yaml::{self, Node, Problem, Problems, Step, Value};

use super::Bundle;

#[cfg(test)]
mod tests;

/// The longest that all scripts of one event may take, in seconds: the service's limit, and the agent's default for a
/// single script.
pub const LONGEST_EVENT: u64 = 3600;

/// What an AppSpec says, as far as a plan needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSpec {
    /// The operating system it is for.
    pub os: Os,
    /// Its scripts, in the order of the file.
    pub hooks: Vec<Hook>,
}

/// The operating systems that the agent knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Linux.
    Linux,
    /// Windows Server.
    Windows,
}

/// A script that is run on each host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The lifecycle event.
    pub event: String,
    /// Its path in the bundle.
    pub location: String,
    /// How many seconds it may take; `None` leaves it to the agent, which waits for [`LONGEST_EVENT`].
    pub timeout: Option<u64>,
}

impl AppSpec {
    /// How many seconds an event may take on a host; 0 if it has no scripts.
    pub fn longest(&self, event: &str) -> u64 {
        let timeouts = self.hooks.iter().filter(|hook| hook.event == event);
        timeouts.map(|hook| hook.timeout.unwrap_or(LONGEST_EVENT)).sum::<u64>().min(LONGEST_EVENT)
    }
}

/// Reads the AppSpec of a bundle. `name` is what the file is called in messages.
///
/// # Errors
/// Every rule that it breaks, each with its place and the rule's id.
pub fn check(bundle: &Bundle, name: &str) -> Result<AppSpec, Problems> {
    parse(&bundle.appspec, &bundle.names, name)
}

fn parse(bytes: &[u8], names: &BTreeSet<String>, name: &str) -> Result<AppSpec, Problems> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Problems::whole(name, Problem::whole("not UTF-8 [encoding]")));
    };
    if text.starts_with('\u{feff}') {
        let problem = Problem::whole("begins with a byte order mark [encoding]").help("save it as UTF-8 without one");
        return Err(Problems::whole(name, problem));
    }
    let node = yaml::parse(text, name)?;
    let spec = Spec { node: &node, text, names };
    let problems = rules::broken(&spec);
    if problems.is_empty() { Ok(spec.typed()) } else { Err(Problems::new(name, text, problems)) }
}

/// What the rules look at.
struct Spec<'a> {
    node: &'a Node,
    text: &'a str,
    names: &'a BTreeSet<String>,
}

/// A script's entry, and how to get to it.
struct Script<'a> {
    event: &'a str,
    path: [Step<'a>; 3],
    node: &'a Node,
}

impl<'a> Spec<'a> {
    /// The scripts of all events whose value is a list.
    fn scripts(&self) -> impl Iterator<Item = Script<'a>> {
        self.node.get("hooks").map(Node::entries).unwrap_or_default().iter().flat_map(|entry| {
            let event = entry.key.text.as_str();
            let script = move |(index, node)| {
                let path = [Step::Key("hooks"), Step::Key(event), Step::Item(index)];
                Script { event, path, node }
            };
            entry.value.items().iter().enumerate().map(script)
        })
    }

    /// The typed form of a spec that breaks no rule.
    fn typed(&self) -> AppSpec {
        let os = if self.node.get("os").and_then(Node::text) == Some("windows") { Os::Windows } else { Os::Linux };
        let hook = |script: Script<'_>| Hook {
            event: script.event.to_owned(),
            location: inside(script.node.get("location").and_then(Node::text).unwrap_or_default()),
            timeout: script.node.get("timeout").and_then(seconds),
        };
        AppSpec { os, hooks: self.scripts().map(hook).collect() }
    }
}

/// A timeout: a number, or text of digits, as the agent reads both.
fn seconds(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Int(seconds) => u64::try_from(*seconds).ok(),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A path as the agent joins it to the bundle's root: `/a`, `./a` and `a//` are `a`.
fn inside(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}
