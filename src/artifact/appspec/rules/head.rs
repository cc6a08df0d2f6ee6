//! The file as a whole, and its first two lines.

use crate::yaml::Step::{Item, Key};
use crate::yaml::{AsRuby, Node, Step, Value, nearest};

use super::{Broken, Spec, then, written};

/// Reads keys only if there are any.
pub fn is_map(spec: &Spec<'_>, broken: &mut Broken<'_>) -> bool {
    let is_map = matches!(spec.node.value, Value::Map(_));
    if !is_map {
        let message = format!("an AppSpec is a map, not {}", spec.node.kind());
        broken.error("appspec/root", &[], message, "it begins with version: 0.0");
    }
    is_map
}

/// What Ruby does not say about a text.
pub fn reading(spec: &Spec<'_>, read: &AsRuby, broken: &mut Broken<'_>) {
    if spec.text.starts_with('\u{feff}') {
        let help = "save it as UTF-8 without one";
        broken.warn("appspec/bom", &[Key("version")], "the file begins with a byte order mark", help);
    }
    for span in &read.overwritten {
        let key = spec.text.get(span.start..span.end).unwrap_or("");
        let message = format!("the key `{}` stands below a second time, and the agent takes that one", key.trim());
        let warning = broken.at("appspec/duplicate-key", *span, message, "put both into one, or remove this one");
        broken.warnings.push(warning);
    }
    if let Some(span) = read.second_document {
        let message = "a second document begins here, and the agent reads the first only";
        let warning = broken.at("appspec/second-document", span, message, "remove the line, or what stands above it");
        broken.warnings.push(warning);
    }
    if let Some(span) = read.alias {
        let message = "agents on Ruby 3.1 or later may refuse aliases";
        let warning = broken.at("appspec/alias", span, message, "write the value out");
        broken.warnings.push(warning);
    }
}

/// The agent compares with the number 0.0; it refuses the text "0.0", and takes 0.
pub fn version(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let found = spec.node.get("version");
    let is_zero = match found.map(|node| &node.value) {
        Some(Value::Float(number)) => *number == 0.0,
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

const TOP: [&str; 6] = ["version", "os", "files", "file_exists_behavior", "permissions", "hooks"];
const FILE: [&str; 2] = ["source", "destination"];
const PERMISSION: [&str; 9] = ["object", "pattern", "except", "type", "owner", "group", "mode", "acls", "context"];
const SCRIPT: [&str; 4] = ["location", "timeout", "runas", "sudo"];

/// The agent passes over keys that it does not know. At the top other tools have keys of their own.
pub fn unknown_keys(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for entry in spec.node.entries().iter().filter(|entry| !TOP.contains(&entry.key.text.as_str())) {
        if let Some(meant) = nearest(&entry.key.text, &TOP) {
            say(broken, &[], &entry.key.text, &format!("did you mean `{meant}`?"));
        }
    }
    for (list, known) in [("files", &FILE[..]), ("permissions", &PERMISSION[..])] {
        for (index, item) in spec.items(list).iter().enumerate() {
            below(broken, &[Key(list), Item(index)], item, known);
        }
    }
    for script in spec.scripts() {
        below(broken, &script.path, script.node, &SCRIPT);
    }
}

fn below(broken: &mut Broken<'_>, path: &[Step<'_>], node: &Node, known: &[&str]) {
    for entry in node.entries().iter().filter(|entry| !known.contains(&entry.key.text.as_str())) {
        let key = entry.key.text.as_str();
        let help = match nearest(key, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if nearest(key, &["overwrite"]).is_some() => {
                "`file_exists_behavior: OVERWRITE` at the top is what lets the agent overwrite files".to_owned()
            }
            None => "remove it".to_owned(),
        };
        say(broken, path, key, &help);
    }
}

fn say(broken: &mut Broken<'_>, path: &[Step<'_>], key: &str, help: &str) {
    let message = format!("the agent passes over the key `{key}`");
    let span = broken.node.key_place(&then(path, Key(key)));
    let warning = broken.at("appspec/unknown-key", span, message, help);
    broken.warnings.push(warning);
}
