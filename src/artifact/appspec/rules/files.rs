//! What is copied where.

use crate::artifact::files::Kind;
use crate::model::pipeline::Agent;
use crate::yaml::Step::{Item, Key};
use crate::yaml::{Node, Value, clip};

use super::hooks::{OUTSIDE, files_help};
use super::records::FILES;
use super::{Broken, Install, Spec, paths, then, written};

/// A list of maps with source and destination, both texts.
pub fn list(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(files) = spec.node.get("files") else { return };
    match &files.value {
        Value::List(_) | Value::Null | Value::Bool(false) => {}
        Value::Map(entries) if entries.is_empty() => {}
        _ => {
            let message = format!("`files` is a list, not {}", files.kind());
            broken.error("appspec/files", &[Key("files")], message, FILES);
        }
    }
    for (index, file) in files.items().iter().enumerate() {
        let path = [Key("files"), Item(index)];
        if !matches!(file.value, Value::Map(_)) {
            let message = format!("an entry of `files` is a map, not {}", file.kind());
            broken.error("appspec/file-source", &path, message, FILES);
            continue;
        }
        for key in ["source", "destination"] {
            let id = if key == "source" { "appspec/file-source" } else { "appspec/file-destination" };
            let place = then(&path, Key(key));
            match file.get(key).map(|found| &found.value) {
                None | Some(Value::Null) => {
                    broken.error(id, &path, format!("an entry of `files` lacks its {key}"), FILES);
                }
                Some(Value::Text(text)) if text.is_empty() && spec.agent == Agent::V2 => {
                    broken.error(id, &place, format!("an entry of `files` lacks its {key}"), FILES);
                }
                // Lists are joined to a path by accident; the other agent refuses them.
                Some(Value::Text(_) | Value::List(_) | Value::Map(_)) => {}
                Some(Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {
                    let message =
                        format!("Install fails, since `{key}` is text and {} is none", written(file.get(key), spec));
                    broken.warn(id, &place, message, "put it in quotes");
                }
            }
        }
    }
}

/// What is copied is there. The agent knows no wildcards.
pub fn sources_exist(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for (index, file) in spec.items("files").iter().enumerate() {
        let Some(source) = file.get("source").and_then(Node::text) else { continue };
        let place = [Key("files"), Item(index), Key("source")];
        let shown = clip(source, 60);
        if source.is_empty() && spec.agent == Agent::V2 {
            continue;
        }
        if paths::climbs_out(spec.os(), source) {
            let message = format!("`{shown}` lies outside of the bundle");
            broken.error("appspec/source-outside", &place, message, OUTSIDE);
        } else if source.is_empty() {
            let message = "an empty source is the whole bundle";
            broken.warn("appspec/source-empty", &place, message, "write `/` if that is what is meant");
        } else if paths::find(spec.files(), spec.os(), source).is_none() {
            let clean = paths::clean(&paths::slashes(spec.os(), source));
            let help = if let Some(name) = paths::in_other_letters(spec.files(), &clean) {
                format!("there is `{name}`; on hosts upper and lower case differ")
            } else if source.contains(['*', '?']) {
                "the agent knows no wildcards: name the directory".to_owned()
            } else {
                files_help(spec, &clean)
            };
            let message = format!("there is no `{shown}` in the bundle");
            if spec.scripts().any(|script| script.event == "BeforeInstall") {
                let message = format!("{message}; a script of BeforeInstall has to make it");
                broken.warn("appspec/source-missing", &place, message, help);
            } else {
                broken.error("appspec/source-missing", &place, message, help);
            }
        } else if source.ends_with('/') && kind_of(spec, source) == Some(Kind::File) {
            let message = format!("`{shown}` names a directory, and a file is there");
            broken.error("appspec/source-missing", &place, message, "leave the last `/` out");
        }
    }
}

fn kind_of(spec: &Spec<'_>, source: &str) -> Option<Kind> {
    let found = paths::find(spec.files(), spec.os(), source)?;
    spec.files().get(&found).map(|kept| kept.kind.clone())
}

/// Destinations are directories, and absolute.
pub fn destinations(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for (index, file) in spec.items("files").iter().enumerate() {
        let (Some(source), Some(destination)) =
            (file.get("source").and_then(Node::text), file.get("destination").and_then(Node::text))
        else {
            continue;
        };
        let place = [Key("files"), Item(index), Key("destination")];
        if destination.is_empty() && spec.agent == Agent::V2 {
            continue;
        }
        if !paths::is_absolute(spec.os(), destination) {
            let message = format!("`{}` is relative to wherever the agent was started", clip(destination, 60));
            broken.warn("appspec/destination-relative", &place, message, "write the whole path");
        }
        let base =
            |path: &str| paths::slashes(spec.os(), path).trim_end_matches('/').rsplit('/').next().map(str::to_owned);
        let is_file = kind_of(spec, source) == Some(Kind::File);
        let name = base(source).filter(|name| is_file && !name.is_empty() && base(destination).as_ref() == Some(name));
        if let Some(name) = name {
            let destination = destination.trim_end_matches('/');
            let message = format!(
                "a destination is a directory: the file comes to `{}`",
                clip(&format!("{destination}/{name}"), 60)
            );
            broken.warn("appspec/destination-file", &place, message, "leave the file's name out");
        }
    }
}

/// One of three words, in capitals.
pub fn behavior(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(found) = spec.node.get("file_exists_behavior") else { return };
    if !matches!(found.text(), Some("DISALLOW" | "OVERWRITE" | "RETAIN")) && found.value != Value::Null {
        let message = format!("`file_exists_behavior` cannot be {}", written(Some(found), spec));
        let help = "write DISALLOW, OVERWRITE or RETAIN, in capitals";
        broken.error("appspec/file-exists", &[Key("file_exists_behavior")], message, help);
    }
}

/// Two files for one path, or a file where a directory has to be. With RETAIN what is on the host already may hide it.
pub fn clashes(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let is_retain = spec.node.get("file_exists_behavior").and_then(Node::text) == Some("RETAIN");
    for clash in Install::of(spec).clashes {
        let place = [Key("files"), Item(clash.entry), Key("destination")];
        let path = clip(&clash.path, 100);
        let first = clash.other + 1;
        let (id, message) = if clash.is_directory {
            (
                "appspec/destination-clash",
                format!("`{path}` would be a file and a directory (see entry {first} of `files`)"),
            )
        } else {
            ("appspec/two-sources", format!("two files for `{path}`: entry {first} of `files` puts one there, too"))
        };
        let help = "give one of them another destination, or copy it once";
        if is_retain { broken.warn(id, &place, message, help) } else { broken.error(id, &place, message, help) }
    }
}
