//! The rules, one function each. A problem is what an agent refuses or what surely fails on a host. Most look at the
//! file in the eyes of one agent and are asked once for each; `whole` says what needs both at once.

mod files;
mod head;
mod hooks;
mod nested;
mod permissions;
mod rights;
mod scripts;
mod whole;

use crate::model::pipeline::{Agent, Agents};
use crate::yaml::{AsRuby, Document, Node, Problem, Span, Step, Value, Written, clip};

use super::install::Install;
use super::records::Records;
use super::{Script, Spec, paths, records, shell, text_of};

type Rule = fn(&Spec<'_>, &mut Broken<'_>);

const RULES: [Rule; 19] = [
    head::version,
    head::os,
    hooks::map,
    hooks::names,
    hooks::locations,
    hooks::scripts_exist,
    hooks::timeouts,
    files::list,
    files::sources_exist,
    files::destinations,
    files::behavior,
    files::clashes,
    permissions::list,
    permissions::modes,
    permissions::owners,
    permissions::access_lists,
    permissions::objects,
    scripts::all,
    head::unknown_keys,
];

/// The file as it is written, and what both agents make of it.
pub struct Around<'a> {
    /// The first document.
    pub document: &'a Document,
    /// What stands in it.
    pub root: &'a Written,
    /// What it is to the agent 1.8.
    pub ruby: &'a AsRuby,
    /// What it is to the agent 2.0 and later.
    pub records: &'a Records,
    /// Who will read it.
    pub agents: Agents,
}

/// Everything that is wrong with a file, in the eyes of each agent.
pub fn broken(specs: &[Spec<'_>], around: &Around<'_>) -> Found {
    let mut all = Vec::new();
    for spec in specs {
        let mut broken = Broken { spec: spec.node, said: Vec::new(), refused: Vec::new() };
        if spec.agent == Agent::V2 {
            for refused in &around.records.refused {
                let said = broken.at(true, refused.id, refused.span, &refused.message, &refused.help);
                broken.refused.push(refused.span);
                broken.said.push(said);
            }
        }
        if head::is_map(spec, &mut broken) && head::is_for_hosts(spec, &mut broken) {
            for rule in RULES {
                rule(spec, &mut broken);
            }
        }
        all.push((spec.agent, broken.said));
    }
    let is_refused = specs.len() > 1 && !around.records.refused.is_empty();
    let mut found = merged(all, is_refused.then_some(Agent::V2));
    if let Some(spec) = specs.first() {
        whole::all(spec, around, &mut found);
    }
    found
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// What an agent refuses, or what surely fails on a host.
    pub problems: Vec<Problem>,
    /// What is likely trouble.
    pub warnings: Vec<Problem>,
}

/// Something that one agent's rules say.
#[derive(Clone, PartialEq, Eq)]
struct Said {
    is_error: bool,
    id: String,
    span: Span,
    message: String,
    help: String,
}

impl Said {
    fn problem(&self, whose: &str, others: &str) -> Problem {
        Problem::at(self.span, format!("{whose}{}{others} [{}]", self.message, self.id)).help(&self.help)
    }
}

/// What all say is said plainly, what one says with its name. Where one refuses what another only reads in its own way,
/// both stand in one sentence. An agent that refuses the types has nothing to warn of.
fn merged(all: Vec<(Agent, Vec<Said>)>, refusing: Option<Agent>) -> Found {
    let mut found = Found::default();
    let is_alone = all.len() == 1;
    let same = |said: &Said, other: &Said| {
        (said.is_error, &said.id, said.span, &said.message) == (other.is_error, &other.id, other.span, &other.message)
    };
    for (agent, list) in &all {
        let others = || all.iter().filter(|(other, _)| other != agent);
        for said in list {
            let is_common = others().all(|(_, list)| list.iter().any(|other| same(said, other)));
            let is_said = is_common && all.first().is_some_and(|(first, _)| first != agent);
            let beside = |other: &&Said| other.span == said.span && !list.iter().any(|own| same(own, other));
            let is_below_an_error =
                !said.is_error && others().any(|(_, list)| list.iter().filter(beside).any(|other| other.is_error));
            let is_moot = !said.is_error && refusing == Some(*agent);
            if is_said || (!is_common && (is_below_an_error || is_moot)) {
                continue;
            }
            let whose = if is_common || is_alone { String::new() } else { format!("{}: ", agent.name()) };
            let readings = others().flat_map(|(other, list)| {
                list.iter()
                    .filter(beside)
                    .filter(|it| said.is_error && !it.is_error && it.message != said.message)
                    .map(|it| (other.name(), &it.message))
            });
            let readings: Vec<String> = readings.map(|(name, message)| format!("; {name}: {message}")).collect();
            let problem =
                said.problem(&whose, if is_common { "" } else { readings.first().map_or("", String::as_str) });
            if said.is_error { found.problems.push(problem) } else { found.warnings.push(problem) }
        }
    }
    found
}

/// What the rules say of a file in the eyes of one agent.
pub struct Broken<'n> {
    spec: &'n Node,
    said: Vec<Said>,
    /// Places that are refused already, for what stands there at all.
    refused: Vec<Span>,
}

impl Broken<'_> {
    /// A problem at a place, with the rule's id.
    fn error(&mut self, id: &str, path: &[Step<'_>], message: impl AsRef<str>, help: impl AsRef<str>) {
        self.say(true, id, self.spec.place(path), message, help);
    }

    /// A warning at a place, with the rule's id.
    fn warn(&mut self, id: &str, path: &[Step<'_>], message: impl AsRef<str>, help: impl AsRef<str>) {
        self.say(false, id, self.spec.place(path), message, help);
    }

    fn say(&mut self, is_error: bool, id: &str, span: Span, message: impl AsRef<str>, help: impl AsRef<str>) {
        let said = self.at(is_error, id, span, message, help);
        if !self.refused.contains(&span) && !self.said.contains(&said) {
            self.said.push(said);
        }
    }

    fn at(&self, is_error: bool, id: &str, span: Span, message: impl AsRef<str>, help: impl AsRef<str>) -> Said {
        let (message, help) = (message.as_ref().to_owned(), help.as_ref().to_owned());
        Said { is_error, id: id.to_owned(), span, message, help }
    }
}

fn then<'a>(path: &[Step<'a>], step: Step<'a>) -> Vec<Step<'a>> {
    path.iter().copied().chain([step]).collect()
}

/// A value as it is written, in backticks.
fn written(node: Option<&Node>, spec: &Spec<'_>) -> String {
    let scalar = node.filter(|node| !matches!(node.value, Value::List(_) | Value::Map(_)));
    match scalar.and_then(|node| spec.text.get(node.span.start..node.span.end)) {
        Some(text) if !text.trim().is_empty() => format!("`{}`", clip(text.lines().next().unwrap_or(""), 60)),
        _ => node.map_or("nothing", |node| node.kind()).to_owned(),
    }
}
