//! What permissions are set on.

use std::collections::{BTreeMap, BTreeSet};

use crate::artifact::appspec::Os;
use crate::model::pipeline::Agent;
use crate::yaml::Step::{Item, Key};
use crate::yaml::{Node, Value, clip};

use super::records::PERMISSIONS;
pub use super::rights::{access_lists, modes, owners};
use super::{Broken, Install, Spec, paths, text_of, then, written};

/// So many matches are looked at; only a file made to be slow has more.
const MOST_MATCHES: usize = 1_000_000;

/// A list of maps, each with an object; lists where the agent walks through lists.
pub fn list(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(permissions) = spec.node.get("permissions") else { return };
    let help = PERMISSIONS;
    match &permissions.value {
        Value::List(_) | Value::Null | Value::Bool(false) => {}
        Value::Map(entries) if entries.is_empty() => {}
        _ => {
            let message = format!("`permissions` is a list, not {}", permissions.kind());
            broken.error("appspec/permissions", &[Key("permissions")], message, help);
        }
    }
    // Ruby asks whether the key has a value, an empty list or not.
    let is_there = match spec.agent {
        Agent::V1 => permissions.value != Value::Null,
        Agent::V2 => !permissions.items().is_empty(),
    };
    if spec.os() == Os::Windows && is_there {
        let message = "there are no permissions on Windows";
        broken.error("appspec/permissions", &[Key("permissions")], message, "remove them, or set them in a script");
    }
    for (index, item) in permissions.items().iter().enumerate() {
        let path = [Key("permissions"), Item(index)];
        if !matches!(item.value, Value::Map(_)) {
            let message = format!("an entry of `permissions` is a map, not {}", item.kind());
            broken.error("appspec/permission-object", &path, message, help);
            continue;
        }
        if item.get("object").is_none_or(|it| text_of(it).map_or(it.value == Value::Null, |it| it.trim().is_empty())) {
            broken.error("appspec/permission-object", &path, "an entry of `permissions` lacks its object", help);
        }
        for (key, id) in [("type", "appspec/permission-type"), ("except", "appspec/permission-except")] {
            let Some(found) = item.get(key) else { continue };
            let is_empty = matches!(&found.value, Value::Map(entries) if entries.is_empty());
            if !is_empty && !matches!(found.value, Value::List(_) | Value::Null | Value::Bool(false)) {
                let message = format!("`{key}` is a list, not {}", found.kind());
                broken.error(id, &then(&path, Key(key)), message, format!("write `{key}: [{}]`", plain(found)));
            }
        }
        for (at, kind) in item.get("type").map(Node::items).unwrap_or_default().iter().enumerate() {
            if !matches!(kind.text(), Some("file" | "directory")) {
                let place = [path[0], path[1], Key("type"), Item(at)];
                let message = format!("a type is file or directory, not {}", written(Some(kind), spec));
                broken.error("appspec/permission-type", &place, message, "write file or directory");
            }
        }
    }
}

fn plain(node: &Node) -> String {
    text_of(node).map_or_else(|| "…".to_owned(), |text| clip(&text, 40))
}

/// What each object means among what is installed: nothing twice, patterns for directories only, something at all.
pub fn objects(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let items = spec.items("permissions");
    if items.is_empty() || spec.os() == Os::Windows {
        return;
    }
    let install = Install::of(spec);
    let mut set: BTreeMap<String, usize> = BTreeMap::new();
    let (mut said, mut matches) = (BTreeSet::new(), 0);
    for (index, item) in items.iter().enumerate() {
        let Some(object) = item.get("object").and_then(text_of) else { continue };
        let object = paths::on_host(Os::Linux, object.trim());
        let place = [Key("permissions"), Item(index), Key("object")];
        let meant = meant(spec.agent, item, &object, &install);
        if install.copies.contains_key(&object) {
            only_for_directories(item, index, broken);
        } else if meant.is_empty() && !install.is_partial {
            let message = format!("nothing that is installed lies at or below `{}`", clip(&object, 60));
            let help = "the agent sets permissions only on what `files` copies; use a script for everything else";
            broken.warn("appspec/permission-nothing", &place, message, help);
        }
        matches += meant.len();
        if matches > MOST_MATCHES {
            return;
        }
        for (path, is_directory) in meant {
            let Some(other) = set.insert(path.clone(), index) else { continue };
            if !said.insert((other, index, is_directory)) {
                continue;
            }
            let message = format!("the permissions of `{}` are set by entry {}, too", clip(&path, 80), other + 1);
            let help = "narrow one of them with `pattern`, `except` or `type`";
            if is_directory {
                // Only directories that the agent itself makes count, and this one may be there.
                broken.warn("appspec/permission-twice", &place, message, help);
            } else {
                broken.error("appspec/permission-twice", &place, message, help);
            }
        }
    }
}

fn only_for_directories(item: &Node, index: usize, broken: &mut Broken<'_>) {
    let is_for_files = item.get("type").is_none_or(|it| it.items().iter().any(|kind| kind.text() == Some("file")));
    let has_pattern =
        item.get("pattern").is_some_and(|it| !matches!(&it.value, Value::Null) && it.text() != Some("**"));
    let has_except = item.get("except").is_some_and(|it| !it.items().is_empty());
    if is_for_files && (has_pattern || has_except) {
        let key = if has_pattern { "pattern" } else { "except" };
        let place = [Key("permissions"), Item(index), Key(key)];
        let message = format!("the object is a file, and only directories can have `{key}`");
        broken.error("appspec/permission-pattern", &place, message, "remove it, or name the directory as object");
    }
}

/// What an entry sets, and whether each is a directory.
fn meant(agent: Agent, item: &Node, object: &str, install: &Install) -> Vec<(String, bool)> {
    let kinds = item.get("type").map(Node::items).unwrap_or_default();
    let is_for = |kind: &str| kinds.is_empty() || kinds.iter().any(|it| it.text() == Some(kind));
    if install.copies.contains_key(object) {
        return if is_for("file") { vec![(object.to_owned(), false)] } else { Vec::new() };
    }
    let pattern = item.get("pattern").and_then(text_of).unwrap_or_else(|| "**".to_owned());
    let except: Vec<String> =
        item.get("except").map(Node::items).unwrap_or_default().iter().filter_map(text_of).collect();
    let base = format!("{}/", object.trim_end_matches('/'));
    let mut meant = Vec::new();
    for (paths, kind) in [(&install.copies, "file"), (&install.directories, "directory")] {
        for (path, _) in paths.range(base.clone()..).take_while(|(path, _)| path.starts_with(&base)) {
            let inside = path.strip_prefix(&base).unwrap_or(path);
            let is_left_out = except.iter().any(|it| globs(agent, it, inside) || (agent == Agent::V2 && it == "**"));
            let is_meant = (pattern == "**" || globs(agent, &pattern, inside)) && !is_left_out;
            if is_for(kind) && is_meant {
                meant.push((path.clone(), kind == "directory"));
            }
        }
    }
    meant
}

/// `*` stands for any letters, and nothing for a `/`.
/// The agent 2.0 and later knows braces, brackets and `?` too, as soon as there is a `*`; without one it compares.
fn globs(agent: Agent, pattern: &str, name: &str) -> bool {
    match (agent, globset::Glob::new(pattern)) {
        (Agent::V1, _) => {}
        (Agent::V2, Ok(glob)) if pattern.contains('*') => {
            return !name.contains(['/', '\\']) && glob.compile_matcher().is_match(name);
        }
        (Agent::V2, _) => return pattern == name,
    }
    if name.contains('/') {
        return false;
    }
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_on_their_level() {
        for (pattern, name, [ruby, rust]) in [
            ("*.html", "index.html", [true, true]),
            ("*.html", "sub/index.html", [false, false]),
            ("a*b*c", "axxbyyc", [true, true]),
            ("a*b*c", "axxc", [false, false]),
            ("ab", "abc", [false, false]),
            ("a*a", "a", [false, false]),
            ("sub/a", "sub/a", [false, true]),
            ("{a,b}*", "bc", [false, true]),
            ("{a,b}*", "{a,b}c", [true, false]),
            ("[ab]*", "bc", [false, true]),
            ("a?", "ab", [false, false]),
            ("a?*", "ab", [false, true]),
            ("[a*", "[ab", [true, false]),
        ] {
            assert_eq!(
                [globs(Agent::V1, pattern, name), globs(Agent::V2, pattern, name)],
                [ruby, rust],
                "{pattern} on {name}"
            );
        }
    }
}
