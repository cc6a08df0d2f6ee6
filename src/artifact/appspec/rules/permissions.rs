//! Modes and owners.

use std::collections::{BTreeMap, BTreeSet};

use crate::artifact::appspec::Os;
use crate::yaml::Step::{Item, Key};
use crate::yaml::{Node, Value, clip};

use super::{Broken, Install, Spec, paths, text_of, then, written};

/// So many matches are looked at; only a file made to be slow has more.
const MOST_MATCHES: usize = 1_000_000;

/// A list of maps, each with an object; lists where the agent walks through lists.
pub fn list(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(permissions) = spec.node.get("permissions") else { return };
    let help = "write `- object: /path` and below it what is set";
    match &permissions.value {
        Value::List(_) | Value::Null | Value::Bool(false) => {}
        Value::Map(entries) if entries.is_empty() => {}
        _ => {
            let message = format!("`permissions` is a list, not {}", permissions.kind());
            broken.error("appspec/permissions", &[Key("permissions")], message, help);
        }
    }
    if spec.os() == Os::Windows && !permissions.items().is_empty() {
        let message = "there are no permissions on Windows";
        broken.error("appspec/permissions", &[Key("permissions")], message, "remove them, or set them in a script");
    }
    for (index, item) in permissions.items().iter().enumerate() {
        let path = [Key("permissions"), Item(index)];
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

/// The agent's YAML reads an unquoted 0644 as octal, that is 420, and takes these digits for the mode.
pub fn modes(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for (index, entry) in spec.items("permissions").iter().enumerate() {
        let Some(found) = entry.get("mode").filter(|mode| mode.value != Value::Null) else { continue };
        let place = [Key("permissions"), Item(index), Key("mode")];
        let shown = written(Some(found), spec);
        let digits = shown.trim_matches(['`', '"', '\'']);
        let taken = text_of(found).unwrap_or_else(|| "a list".to_owned());
        let is_mode = taken.len() <= 4 && taken.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let is_octal = matches!(found.value, Value::Int(_)) && digits != taken;
        match (is_octal, is_mode) {
            (true, true) => {
                let message = format!("the agent reads {shown} as an octal number and sets the mode {taken}");
                broken.warn("appspec/mode-octal", &place, message, format!("write it in quotes: \"{digits}\""));
            }
            (true, false) => {
                let message = format!("the agent reads {shown} as an octal number, {taken}, which is no mode");
                broken.error("appspec/mode-octal", &place, message, format!("write it in quotes: \"{digits}\""));
            }
            (false, false) => {
                let message = format!("a mode is up to four octal digits, not {shown}");
                broken.error("appspec/mode", &place, message, "write it in quotes: \"755\"");
            }
            (false, true) => {}
        }
    }
}

/// Access control lists and SELinux contexts.
pub fn access_lists(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for (index, item) in spec.items("permissions").iter().enumerate() {
        let path = [Key("permissions"), Item(index)];
        if let Some(acls) = item.get("acls").filter(|acls| acls.value != Value::Null) {
            if !matches!(acls.value, Value::List(_)) {
                let message = format!("`acls` is a list, not {}", acls.kind());
                broken.error("appspec/acl", &then(&path, Key("acls")), message, "write `- user:name:rw`");
            }
            for (at, ace) in acls.items().iter().enumerate() {
                if let Some(why) = wrong_ace(ace.text()) {
                    let place = [path[0], path[1], Key("acls"), Item(at)];
                    let message = format!("{} {why}", written(Some(ace), spec));
                    broken.error("appspec/acl", &place, message, "write `user:name:rw`, `group:name:r` or `mask::rx`");
                }
            }
        }
        let context = item.get("context").filter(|context| context.value != Value::Null);
        if context.is_some_and(|it| it.get("type").is_none_or(|kind| kind.value == Value::Null)) {
            let help = "write `type: …` in it";
            broken.error("appspec/context", &then(&path, Key("context")), "a `context` lacks its type", help);
        }
    }
}

/// What is wrong with an entry of an access control list, by the agent's grammar `[default:][kind:]name:rights`.
fn wrong_ace(ace: Option<&str>) -> Option<&'static str> {
    let Some(ace) = ace else { return Some("is not text") };
    let mut parts: Vec<&str> = ace.split(':').collect();
    if parts.len() < 2 || parts.len() > 4 {
        return Some("has not two to four parts between colons");
    }
    let rights = parts.pop().unwrap_or("");
    let is_default = |part: &str| matches!(part, "d" | "default");
    let begins_with_default = is_default(parts[0]) && parts.len() > 1;
    if parts.len() == 3 && !begins_with_default {
        return Some("has three names, and the first is not `default`");
    }
    if begins_with_default {
        parts.remove(0);
    }
    let (kind, name) = match parts.as_slice() {
        [kind @ ("m" | "mask" | "o" | "other")] => (*kind, ""),
        [name] => ("user", *name),
        [kind @ ("m" | "mask" | "o" | "other" | "g" | "group" | "u" | "user"), name] => (*kind, *name),
        _ => return Some("names no kind: user, group, mask or other"),
    };
    let takes_no_name = matches!(kind, "m" | "mask" | "o" | "other");
    let is_octal = rights.len() == 1 && rights.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    if takes_no_name && !name.is_empty() {
        Some("has a name where none can be")
    } else if !begins_with_default && !matches!(kind, "m" | "mask") && name.is_empty() {
        Some("is a base entry, which `mode` sets")
    } else if !is_octal && !rights.chars().all(|right| matches!(right, 'r' | 'w' | 'x' | '-')) {
        Some("has rights other than r, w and x")
    } else {
        None
    }
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
        let meant = meant(item, &object, &install);
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
fn meant(item: &Node, object: &str, install: &Install) -> Vec<(String, bool)> {
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
            let is_meant = (pattern == "**" || globs(&pattern, inside)) && !except.iter().any(|it| globs(it, inside));
            if is_for(kind) && is_meant {
                meant.push((path.clone(), kind == "directory"));
            }
        }
    }
    meant
}

/// `*` stands for any letters, and nothing for a `/`.
fn globs(pattern: &str, name: &str) -> bool {
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
    fn access_control_lists() {
        for (ace, is_fine) in [
            ("user:deploy:rw", true),
            ("u:deploy:7", true),
            ("deploy:rwx", true),
            ("d:group:web:r-x", true),
            ("default:user::rwx", true),
            ("mask::rx", true),
            ("m:rx", true),
            ("rw", false),
            ("user::rw", false),
            ("other::r", false),
            ("mask:deploy:r", false),
            ("user:deploy:rq", false),
            ("nobody:deploy:r", false),
            ("x:user:deploy:r", false),
            ("a:b:c:d:e", false),
        ] {
            assert_eq!(wrong_ace(Some(ace)).is_none(), is_fine, "{ace}");
        }
        assert!(wrong_ace(None).is_some());
    }

    #[test]
    fn patterns_stay_on_their_level() {
        for (pattern, name, expected) in [
            ("*.html", "index.html", true),
            ("*.html", "sub/index.html", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
            ("ab", "abc", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(globs(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
