//! The rules, one function each. A problem is what the agent refuses or what surely fails on a host.

mod files;
mod head;
mod hooks;
mod permissions;
mod scripts;

use crate::yaml::{AsRuby, Node, Problem, Span, Step, clip};

use super::install::Install;
use super::{Script, Spec, paths, shell, text_of};

type Rule = fn(&Spec<'_>, &mut Broken<'_>);

const RULES: [Rule; 16] = [
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
    permissions::access_lists,
    permissions::objects,
];

/// Everything that is wrong with a spec.
pub fn broken(spec: &Spec<'_>, read: &AsRuby) -> Broken<'static> {
    let mut broken = Broken { node: spec.node, problems: Vec::new(), warnings: Vec::new() };
    if head::is_map(spec, &mut broken) {
        head::reading(spec, read, &mut broken);
        for rule in RULES {
            rule(spec, &mut broken);
        }
        scripts::all(spec, &mut broken);
        head::unknown_keys(spec, &mut broken);
    }
    Broken { node: &NOTHING, ..broken }
}

static NOTHING: Node = Node { span: Span { line: 0, column: 0, start: 0, end: 0 }, value: crate::yaml::Value::Null };

/// What was found.
pub struct Broken<'n> {
    node: &'n Node,
    /// What the agent refuses, or what surely fails on a host.
    pub problems: Vec<Problem>,
    /// What is likely trouble.
    pub warnings: Vec<Problem>,
}

impl Broken<'_> {
    /// A problem at a place, with the rule's id.
    fn error(&mut self, id: &str, path: &[Step<'_>], message: impl AsRef<str>, help: impl AsRef<str>) {
        let problem = self.at(id, self.node.place(path), message, help);
        self.problems.push(problem);
    }

    /// A warning at a place, with the rule's id.
    fn warn(&mut self, id: &str, path: &[Step<'_>], message: impl AsRef<str>, help: impl AsRef<str>) {
        let problem = self.at(id, self.node.place(path), message, help);
        self.warnings.push(problem);
    }

    fn at(&self, id: &str, span: Span, message: impl AsRef<str>, help: impl AsRef<str>) -> Problem {
        Problem::at(span, format!("{} [{id}]", message.as_ref())).help(help)
    }
}

fn then<'a>(path: &[Step<'a>], step: Step<'a>) -> Vec<Step<'a>> {
    path.iter().copied().chain([step]).collect()
}

/// A value as it is written, in backticks.
fn written(node: Option<&Node>, spec: &Spec<'_>) -> String {
    match node.and_then(|node| spec.text.get(node.span.start..node.span.end)) {
        Some(text) if !text.trim().is_empty() => format!("`{}`", clip(text.lines().next().unwrap_or(""), 60)),
        _ => node.map_or("nothing", |node| node.kind()).to_owned(),
    }
}
