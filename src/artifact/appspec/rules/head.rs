//! The file as a whole, and its first two lines.

use crate::yaml::Step::Key;
use crate::yaml::{Node, Span, Value, clip, nearest};

use super::{Broken, Spec, written};

/// Reads keys only if there are any.
pub fn is_map(spec: &Spec<'_>, broken: &mut Broken<'_>) -> bool {
    let is_map = matches!(spec.node.value, Value::Map(_));
    if !is_map {
        let message = format!("an AppSpec is a map, not {}", spec.node.kind());
        broken.error("appspec/root", &[], message, "it begins with version: 0.0");
    }
    is_map
}

/// Lambda functions and ECS services have AppSpecs, too, with the same first line.
pub fn is_for_hosts(spec: &Spec<'_>, broken: &mut Broken<'_>) -> bool {
    let key = |name: &str| spec.node.entries().iter().find(|entry| entry.key.text.eq_ignore_ascii_case(name));
    let Some(resources) = key("Resources") else { return true };
    let is_for_hosts = key("os").is_some();
    let what = "`Resources` is for Lambda functions and ECS services: no host gets anything by it";
    if is_for_hosts {
        broken.say(
            false,
            "appspec/platform",
            resources.key.span,
            what,
            "remove it; hosts get what `files` and `hooks` say",
        );
    } else {
        let help =
            "hosts need an AppSpec with os, files and hooks; a function is a target with `function:` and needs none";
        broken.say(true, "appspec/platform", resources.key.span, what, help);
    }
    is_for_hosts
}

/// Agents compare with the number 0.0; they refuse the text "0.0", and take 0.
pub fn version(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let found = spec.node.get("version");
    let is_zero = match found.map(|node| &node.value) {
        Some(Value::Float(number)) => number.abs() < f64::EPSILON,
        Some(Value::Int(number)) => *number == 0,
        _ => false,
    };
    if !is_zero {
        let message = format!("`version` must be the number 0.0, not {}", written(found, spec));
        broken.error("appspec/version", &[Key("version")], message, "write version: 0.0, without quotes");
    }
}

/// An agent knows the system it runs on, in small letters.
pub fn os(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let found = spec.node.get("os");
    if !matches!(found.and_then(Node::text), Some("linux" | "windows")) {
        let message = format!("`os` must be linux or windows, not {}", written(found, spec));
        broken.error("appspec/os", &[Key("os")], message, "write os: linux");
    }
}

pub const TOP: [&str; 6] = ["version", "os", "files", "file_exists_behavior", "permissions", "hooks"];
const FILE: [&str; 2] = ["source", "destination"];
const PERMISSION: [&str; 9] = ["object", "pattern", "except", "type", "owner", "group", "mode", "acls", "context"];
const SCRIPT: [&str; 4] = ["location", "timeout", "runas", "sudo"];

/// Agents pass over keys that they do not know. At the top other tools have keys of their own.
pub fn unknown_keys(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for entry in spec.node.entries().iter().filter(|entry| !TOP.contains(&entry.key.text.as_str())) {
        if let Some(meant) = nearest(&entry.key.text, &TOP) {
            say(broken, entry.key.span, &entry.key.text, &format!("did you mean `{meant}`?"));
        }
    }
    for (list, known) in [("files", &FILE[..]), ("permissions", &PERMISSION[..])] {
        for item in spec.items(list) {
            below(broken, item, known);
        }
    }
    for script in spec.scripts() {
        below(broken, script.node, &SCRIPT);
    }
}

fn below(broken: &mut Broken<'_>, node: &Node, known: &[&str]) {
    // What stands a level too deep is said by `nested`, what `<<` means by `whole`.
    let is_ours = |key: &str| !known.contains(&key) && !TOP.contains(&key) && key != "<<";
    for entry in node.entries().iter().filter(|entry| is_ours(&entry.key.text)) {
        let key = entry.key.text.as_str();
        let help = match nearest(key, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if nearest(key, &["overwrite"]).is_some() => {
                "`file_exists_behavior: OVERWRITE` at the top is what lets the agent overwrite files".to_owned()
            }
            None => "remove it".to_owned(),
        };
        say(broken, entry.key.span, key, &help);
    }
}

fn say(broken: &mut Broken<'_>, span: Span, key: &str, help: &str) {
    broken.say(false, "appspec/unknown-key", span, format!("the agent passes over the key `{}`", clip(key, 60)), help);
}
