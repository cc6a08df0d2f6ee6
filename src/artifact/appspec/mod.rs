//! The AppSpec of a bundle, judged before it is uploaded by the rules of every agent that will read it: 1.8, a Ruby
//! program, and 2.0 and later, one in Rust. Each has its own reading of the file ([`yaml::as_ruby`], `records`), and
//! every rule looks at each. What both have in common is said plainly, what only one does with its name.
//!
//! An agent finds most of these mistakes in the middle of a deployment, some only after the old release was stopped. A
//! problem is what an agent refuses or what surely fails on a host; what all take though it is likely trouble is a
//! warning. The id in every message (`[appspec/…]`) is stable, so that it can be searched for.

mod install;
mod paths;
mod records;
mod rules;
mod shell;

use std::collections::BTreeMap;

use crate::model::Period;
use crate::model::pipeline::{Agent, Agents};
use crate::model::revision::HookTimes;
use crate::yaml::{self, Node, Problem, Problems, Span, Step, Value};

use super::files::Files;
use super::limits::{APPSPEC, MAX_TEXT};
use super::open::{Opened, Reader};
use super::report::Report;

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
    /// How long its scripts may take on a host.
    pub fn times(&self) -> HookTimes {
        let sum = |events: &[&str]| Period::seconds(events.iter().map(|event| self.longest(event)).sum());
        HookTimes {
            install: sum(&["BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"]),
            traffic: sum(&["BeforeBlockTraffic", "AfterBlockTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"]),
        }
    }

    /// How many seconds an event may take on a host; 0 if it has no scripts.
    pub fn longest(&self, event: &str) -> u64 {
        let timeouts = self.hooks.iter().filter(|hook| hook.event == event);
        timeouts.fold(0_u64, |sum, hook| sum.saturating_add(hook.timeout.unwrap_or(LONGEST_EVENT))).min(LONGEST_EVENT)
    }
}

/// Checks the AppSpec of an opened artifact, as each of `agents` will read it. `name` is what the file is called in
/// messages.
pub fn check(opened: &Opened, name: &str, agents: Agents) -> (Option<AppSpec>, Report) {
    let whole = |problem| (None, Report { problems: vec![Problems::whole(name, problem)], warnings: Vec::new() });
    if opened.appspec.len() as u64 > MAX_TEXT {
        return whole(Problem::whole("larger than 1 MiB [appspec/size]"));
    }
    let Ok(text) = std::str::from_utf8(&opened.appspec) else {
        return whole(Problem::whole("not UTF-8 [appspec/encoding]").help("save it as UTF-8"));
    };
    let of = |list: Vec<Problem>| if list.is_empty() { Vec::new() } else { vec![Problems::new(name, text, list)] };
    let whole_of = |problem| (None, Report { problems: of(vec![problem]), warnings: Vec::new() });
    let document = match yaml::document(text) {
        // The second key begins another document.
        Ok(document) if document.more.is_some() && text.starts_with('\u{feff}') => return whole_of(after_mark()),
        Ok(document) => document,
        Err(_) if text.starts_with('\u{feff}') => return whole_of(after_mark()),
        Err(problem) => return whole_of(problem),
    };
    let ruby = yaml::as_ruby(&document);
    let Some(root) = document.root.as_ref().filter(|_| ruby.node.value != Value::Null) else {
        return whole(Problem::whole("empty [appspec/empty]").help("at least: version: 0.0 and os: linux"));
    };
    let records = records::read(root);
    let reader = opened.reader();
    let spec = |agent: Agent| {
        let node = match agent {
            Agent::V1 => &ruby.node,
            Agent::V2 => &records.node,
        };
        Spec { node, text, opened, reader: &reader, agent, agents }
    };
    let specs: Vec<Spec<'_>> = agents.all().map(spec).collect();
    let around = rules::Around { document: &document, ruby: &ruby, records: &records, root, agents };
    let found = rules::broken(&specs, &around);
    let appspec = found.problems.is_empty().then(|| specs.first().map(Spec::typed)).flatten();
    (appspec, Report { problems: of(found.problems), warnings: of(found.warnings) })
}

/// A byte order mark is a character of the first line to both agents: its key stands in another column than the rest.
fn after_mark() -> Problem {
    let start = Span { line: 1, column: 1, start: 0, end: '\u{feff}'.len_utf8() };
    Problem::at(start, "the file begins with a byte order mark, which no agent reads past [appspec/bom]")
        .help("save it as UTF-8 without one")
}

/// What the rules look at: an AppSpec in the eyes of one agent.
struct Spec<'a> {
    /// What it is to the agent.
    node: &'a Node,
    text: &'a str,
    opened: &'a Opened,
    reader: &'a Reader<'a>,
    agent: Agent,
    /// All that will read it.
    agents: Agents,
}

/// A script's entry, and how to get to it.
#[derive(Clone, Copy)]
struct Script<'a> {
    event: &'a str,
    path: [Step<'a>; 3],
    node: &'a Node,
}

impl<'a> Spec<'a> {
    /// The other agent, if it reads the file, too.
    fn other(&self) -> Option<Agent> {
        self.agents.all().find(|agent| *agent != self.agent)
    }

    fn files(&self) -> &'a Files {
        &self.opened.files
    }

    fn os(&self) -> Os {
        if self.node.get("os").and_then(Node::text) == Some("windows") { Os::Windows } else { Os::Linux }
    }

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

    /// The items of a list at the top.
    fn items(&self, key: &str) -> &'a [Node] {
        self.node.get(key).map(Node::items).unwrap_or_default()
    }

    /// The path of a script in the bundle, links followed, if it is there.
    fn script(&self, script: Script<'_>) -> Option<String> {
        let location = text_of(script.node.get("location")?)?;
        paths::find(self.files(), self.os(), location.trim())
    }

    /// The bytes of every script that is there, once each, by its path.
    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        for path in self.scripts().filter_map(|script| self.script(script)) {
            if !contents.contains_key(&path)
                && path != APPSPEC
                && let Some(bytes) = self.reader.read(&path, MAX_TEXT)
            {
                contents.insert(path, bytes);
            }
        }
        contents
    }

    /// The typed form of a spec that breaks no rule.
    fn typed(&self) -> AppSpec {
        let hook = |script: Script<'a>| Hook {
            event: script.event.to_owned(),
            location: self.script(script).unwrap_or_default(),
            timeout: script.node.get("timeout").and_then(seconds),
        };
        AppSpec { os: self.os(), hooks: self.scripts().map(hook).collect() }
    }
}

/// A scalar as the agent puts it into a text; nothing for nothing, lists and maps.
fn text_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Null | Value::List(_) | Value::Map(_) => None,
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(format!("{value:?}")),
        Value::Text(value) => Some(value.clone()),
    }
}

/// A timeout as the agent reads it: numbers lose what follows the point, texts all that follows the first digits.
fn seconds(node: &Node) -> Option<u64> {
    let seconds = match &node.value {
        Value::Int(seconds) => u64::try_from(*seconds).ok(),
        // Casts are what is meant: they stop at the ends of the range.
        Value::Float(seconds) if seconds.is_finite() => Some(*seconds as u64),
        Value::Text(text) => leading_number(text),
        Value::Float(_) | Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
    };
    seconds.filter(|seconds| *seconds > 0)
}

fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start().trim_start_matches('+');
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '_').filter(|c| *c != '_').collect();
    if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(u64::MAX)) }
}
