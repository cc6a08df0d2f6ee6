//! Hooks: events, scripts, timeouts.

use std::collections::BTreeMap;

use crate::model::pipeline::Agent;
use crate::yaml::Step::Key;
use crate::yaml::{Node, Step, Value, clip, suggestion};

use super::records::{HOOKS, SCRIPTS};
use super::{Broken, Script, Spec, paths, text_of, then, written};
use crate::artifact::appspec::{LONGEST_EVENT, Os, leading_number, seconds};

/// The events that run scripts of a revision on EC2.
pub const EVENTS: [&str; 9] = [
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];
/// Events of the agent and the service themselves, which a file may name though nothing of it is run.
const SILENT: [&str; 4] = ["DownloadBundle", "Install", "BlockTraffic", "AllowTraffic"];

/// The agent asks a map for its pairs; what is false or nothing stands for an empty one.
pub fn map(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(hooks) = spec.node.get("hooks") else { return };
    if !matches!(hooks.value, Value::Map(_) | Value::Null | Value::Bool(false)) {
        let message = format!("`hooks` is a map, not {}", hooks.kind());
        broken.error("appspec/hooks", &[Key("hooks")], message, HOOKS);
    }
}

/// An unknown name is refused only at Install, after the old release was stopped.
pub fn names(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for entry in spec.node.get("hooks").map(Node::entries).unwrap_or_default() {
        let event = entry.key.text.as_str();
        let shown = clip(event, 60);
        let span = entry.key.span;
        if SILENT.contains(&event) {
            let message = format!("`{shown}` belongs to the agent and the service: its scripts never run");
            let help = "scripts belong to the events before and after it";
            broken.say(false, "appspec/silent-hook", span, message, help);
        } else if !EVENTS.contains(&event) && !is_dropped(spec, &entry.value) {
            let message = format!("unknown lifecycle event `{shown}`");
            broken.say(true, "appspec/hook-name", span, message, suggestion(event, &EVENTS));
        }
    }
}

/// The agent 2.0 and later forgets events without scripts before it looks at their names.
fn is_dropped(spec: &Spec<'_>, scripts: &Node) -> bool {
    spec.agent == Agent::V2 && scripts.items().is_empty()
}

/// Every event has a list of maps with a location. An event with nothing below it has no scripts.
pub fn locations(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let help = SCRIPTS;
    for entry in spec.node.get("hooks").map(Node::entries).unwrap_or_default() {
        let path = [Key("hooks"), Key(entry.key.text.as_str())];
        let is_list = match &entry.value.value {
            Value::List(_) | Value::Null | Value::Bool(false) => true,
            Value::Map(entries) => entries.is_empty(),
            Value::Bool(true) | Value::Int(_) | Value::Float(_) | Value::Text(_) => false,
        };
        if !is_list {
            let message = format!("an event has a list of scripts, not {}", entry.value.kind());
            broken.error("appspec/hook-list", &path, message, help);
        }
    }
    for Script { path, node, .. } in spec.scripts() {
        if !matches!(node.value, Value::Map(_)) {
            let message = format!("a script is a map with a location, not {}", node.kind());
            broken.error("appspec/hook-location", &path, message, help);
        } else if location(node).is_none_or(|location| location.is_empty()) {
            broken.error("appspec/hook-location", &path, "a script has no location", help);
        }
    }
}

fn location(node: &Node) -> Option<String> {
    let location = node.get("location")?;
    text_of(location).map(|text| text.trim().to_owned())
}

/// Every script is there, in the same letters, and is a file.
pub fn scripts_exist(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for script @ Script { path, node, .. } in spec.scripts() {
        let Some(location) = location(node).filter(|location| !location.is_empty()) else { continue };
        let (place, shown) = (then(&path, Key("location")), clip(&location, 60));
        if paths::climbs_out(spec.os(), &location) {
            let message = format!("`{shown}` lies outside of the bundle");
            broken.error("appspec/script-outside", &place, message, OUTSIDE);
            continue;
        }
        match spec.script(script) {
            None => missing(spec, broken, script, &location),
            Some(found)
                if spec.files().get(&found).is_none_or(|kept| kept.kind == crate::artifact::files::Kind::Directory) =>
            {
                let message = format!("`{shown}` is a directory");
                broken.error("appspec/script-directory", &place, message, "name the script in it");
            }
            Some(_) if location.ends_with('/') => {
                let message = format!("`{shown}` names a directory, and a script is there");
                broken.error("appspec/script-missing", &place, message, "leave the last `/` out");
            }
            Some(_) => shell_name(spec, broken, &place, &location),
        }
    }
}

/// The Ruby agent starts a script through a shell.
fn shell_name(spec: &Spec<'_>, broken: &mut Broken<'_>, place: &[Step<'_>], location: &str) {
    let is_special = |c: char| c.is_whitespace() || "$`\"'\\;&|<>(){}*?[]!".contains(c);
    if spec.agent == Agent::V1 && spec.os() == Os::Linux && location.contains(is_special) {
        let message = format!("a shell takes `{}` apart before the script is started", clip(location, 60));
        let help = "rename it: letters, digits, `.`, `_` and `-` mean nothing to a shell";
        broken.error("appspec/script-name", place, message, help);
    }
}

/// What is said of paths that leave the bundle.
pub const OUTSIDE: &str = "ship it with the bundle: nothing says that hosts have it, and agents 2.x can be told to refuse \
                           such paths";

fn missing(spec: &Spec<'_>, broken: &mut Broken<'_>, script: Script<'_>, location: &str) {
    let place = &then(&script.path, Key("location"));
    let clean = paths::clean(&paths::slashes(spec.os(), location));
    let message = format!("there is no script `{}`", clip(location, 60));
    if let Some(name) = paths::in_other_letters(spec.files(), &clean) {
        let help = format!("there is `{name}`; on hosts upper and lower case differ");
        return broken.error("appspec/script-case", place, message, help);
    }
    let first_word = location.split(' ').next().unwrap_or("");
    let help = if location.contains(' ') && paths::find(spec.files(), spec.os(), first_word).is_some() {
        "the agent passes no arguments: put them into a script".to_owned()
    } else if location.contains('\\') && paths::find(spec.files(), Os::Windows, location).is_some() {
        "write `/` between its parts".to_owned()
    } else {
        files_help(spec, &clean)
    };
    if is_made_before(spec, script, &clean) {
        let message = format!("{message}; an earlier script has to make it");
        broken.warn("appspec/script-missing", place, message, help);
    } else {
        broken.error("appspec/script-missing", place, message, help);
    }
}

/// Whether a script that runs before this one, in the same copy of the bundle, names it.
fn is_made_before(spec: &Spec<'_>, script: Script<'_>, clean: &str) -> bool {
    // Events before the bundle is unpacked run the scripts of the release before.
    let order = |event: &str| EVENTS.iter().skip(1).position(|it| *it == event);
    let Some(own) = order(script.event) else { return false };
    let name = clean.rsplit('/').next().unwrap_or(clean);
    let contents = spec.contents();
    let names = |path: &String| contents.get(path).is_some_and(|text| String::from_utf8_lossy(text).contains(name));
    let is_before = |other: &Script<'_>| order(other.event).is_some_and(|other| other < own);
    spec.scripts().filter(is_before).filter_map(|other| spec.script(other)).any(|path| names(&path))
}

/// Why a path may not be in the bundle.
pub fn files_help(spec: &Spec<'_>, clean: &str) -> String {
    if spec.opened.is_left_out(clean) {
        format!(
            "it is on disk, but `exclude` or an ignore file leaves it out; `include: [/{clean}]` at the artifact ships it"
        )
    } else {
        "paths begin at the bundle's root, where appspec.yml lies".to_owned()
    }
}

/// The agent wants seconds above 0, the service at most an hour for all scripts of an event.
pub fn timeouts(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for Script { event, path, node } in spec.scripts() {
        let Some(found) = node.get("timeout") else { continue };
        if matches!(found.value, Value::Null | Value::Bool(false)) {
            continue;
        }
        let place = then(&path, Key("timeout"));
        let Some(timeout) = seconds(found) else {
            let message = format!("a timeout is seconds above 0 in plain digits, not {}", written(Some(found), spec));
            broken.error("appspec/timeout", &place, message, "write digits, such as 300");
            continue;
        };
        let text = found.text().map(str::trim);
        let message = format!("{} is taken for {timeout} seconds", written(Some(found), spec));
        if text.is_some_and(|text| text.parse::<u64>().is_err() && leading_number(text) == Some(timeout)) {
            broken.warn("appspec/timeout-unit", &place, message, "write seconds, and nothing behind the digits");
        } else if matches!(found.value, Value::Int(_)) && reads_otherwise(found, spec, timeout) {
            let help = "write seconds, without a 0 or a `:` in them at the front";
            broken.warn("appspec/timeout-unit", &place, message, help);
        }
        let sum = sums.entry(event).or_default();
        let before = *sum;
        *sum = before.saturating_add(timeout);
        if before <= LONGEST_EVENT && *sum > LONGEST_EVENT {
            let message =
                format!("the scripts of `{event}` may take {sum} s together; after {LONGEST_EVENT} s the event fails");
            broken.warn("appspec/event-time", &place, message, "shorten the timeouts, or do less in this event");
        }
    }
}

/// Whether a number is written in a way that people read as another one: `0300`, `5:00`.
fn reads_otherwise(found: &Node, spec: &Spec<'_>, timeout: u64) -> bool {
    let written = spec.text.get(found.span.start..found.span.end).unwrap_or("");
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().ok() != Some(timeout)
}
