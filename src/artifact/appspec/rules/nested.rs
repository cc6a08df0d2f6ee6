//! Hooks that never run, because they stand where no agent looks for them.

use crate::yaml::{Entry, Node, Problem, Value, nearest};

use super::head::TOP;
use super::hooks::EVENTS;
use super::{Around, Found, Spec};

/// Keys of the top a level too deep, and hooks under a misspelt name. If there are no others, nothing would run.
pub fn all(spec: &Spec<'_>, around: &Around<'_>, found: &mut Found) {
    let has_scripts = spec.scripts().next().is_some();
    let mut say = |entry: &Entry, message: String, help: &str| {
        let is_dead = !has_scripts && runs(&entry.value);
        let message = if is_dead { format!("{message}: no script would ever run") } else { message };
        let problem = Problem::at(entry.key.span, format!("{message} [appspec/misplaced]")).help(help);
        found.warnings.retain(|warning| warning.span != Some(entry.key.span));
        if is_dead { found.problems.push(problem) } else { found.warnings.push(problem) }
    };
    for entry in around.ruby.node.entries() {
        let key = entry.key.text.as_str();
        if !has_scripts && !TOP.contains(&key) && nearest(key, &["hooks"]).is_some() && runs(&entry.value) {
            say(entry, format!("`{key}` is not `hooks`"), "write `hooks`");
        }
        let lists: Vec<&Node> = match key {
            "hooks" => entry.value.entries().iter().map(|event| &event.value).collect(),
            "files" | "permissions" => vec![&entry.value],
            _ => Vec::new(),
        };
        let below = lists.into_iter().flat_map(Node::items).flat_map(Node::entries);
        for entry in below.filter(|below| TOP.contains(&below.key.text.as_str())) {
            let message = format!("`{}` stands a level too deep, where the agent passes over it", entry.key.text);
            say(entry, message, "move it to the first column");
        }
    }
}

/// Whether events with scripts stand in it.
fn runs(node: &Node) -> bool {
    node.entries().iter().any(|event| {
        EVENTS.contains(&event.key.text.as_str())
            && matches!(&event.value.value, Value::List(items) if !items.is_empty())
    })
}
