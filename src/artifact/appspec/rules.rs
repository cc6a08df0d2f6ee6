//! The rules, one function each; the id stands in every message, so that it can be searched for.

use std::collections::BTreeMap;

use crate::yaml::Step::{Item, Key};
use crate::yaml::{Node, Problem, Step, Value, clip, suggestion};

use super::{LONGEST_EVENT, Script, Spec, inside, seconds};

/// The events that run scripts of a revision on EC2.
const EVENTS: [&str; 9] = [
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
/// Events of the agent and the service themselves.
const RESERVED: [&str; 6] = ["Start", "DownloadBundle", "Install", "BlockTraffic", "AllowTraffic", "End"];

type Rule = fn(&Spec<'_>, &mut Broken<'_>);

const RULES: [(&str, Rule); 10] = [
    ("root", root),
    ("version", version),
    ("os", os),
    ("hook-name", hook_name),
    ("hook-list", hook_list),
    ("hook-script", hook_script),
    ("hook-timeout", hook_timeout),
    ("files", files),
    ("file-exists", file_exists),
    ("mode", mode),
];

/// Everything that is wrong with a spec.
pub fn broken(spec: &Spec<'_>) -> Vec<Problem> {
    let mut broken = Broken { node: spec.node, rule: "", problems: Vec::new() };
    for (id, rule) in RULES {
        broken.rule = id;
        rule(spec, &mut broken);
    }
    broken.problems
}

struct Broken<'n> {
    node: &'n Node,
    rule: &'static str,
    problems: Vec<Problem>,
}

impl Broken<'_> {
    fn say(&mut self, path: &[Step<'_>], message: impl AsRef<str>, help: impl AsRef<str>) {
        let message = format!("{} [{}]", message.as_ref(), self.rule);
        self.problems.push(Problem::at(self.node.place(path), message).help(help));
    }
}

fn then<'a>(path: &[Step<'a>], step: Step<'a>) -> Vec<Step<'a>> {
    path.iter().copied().chain([step]).collect()
}

/// A value as it is written, in backticks.
fn written(node: Option<&Node>, spec: &Spec<'_>) -> String {
    match node.and_then(|node| spec.text.get(node.span.start..node.span.end)) {
        Some(text) if !text.trim().is_empty() => format!("`{}`", clip(text.lines().next().unwrap_or(""), 60)),
        _ => "nothing".to_owned(),
    }
}

fn root(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    if !matches!(spec.node.value, Value::Map(_)) {
        broken.say(&[], format!("an AppSpec is a map, not {}", spec.node.kind()), "it begins with version: 0.0");
    }
}

/// The agent compares with the number 0.0; it refuses the text "0.0".
fn version(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let found = spec.node.get("version");
    if !matches!(found.map(|node| &node.value), Some(Value::Float(number)) if *number == 0.0) {
        let message = format!("`version` must be the number 0.0, not {}", written(found, spec));
        broken.say(&[Key("version")], message, "write version: 0.0, without quotes");
    }
}

fn os(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let found = spec.node.get("os");
    if !matches!(found.and_then(Node::text), Some("linux" | "windows")) {
        let message = format!("`os` must be linux or windows, not {}", written(found, spec));
        broken.say(&[Key("os")], message, "write os: linux");
    }
}

/// An unknown name is refused by the agent only at Install, after the old release was stopped.
fn hook_name(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for entry in spec.node.get("hooks").map(Node::entries).unwrap_or_default() {
        let event = entry.key.text.as_str();
        let shown = clip(event, 60);
        if RESERVED.contains(&event) {
            let help = "scripts belong to the events before and after it";
            broken.say(&[Key("hooks"), Key(event)], format!("`{shown}` runs no scripts"), help);
        } else if !EVENTS.contains(&event) {
            let message = format!("unknown lifecycle event `{shown}`");
            broken.say(&[Key("hooks"), Key(event)], message, suggestion(event, &EVENTS));
        }
    }
}

fn hook_list(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(hooks) = spec.node.get("hooks") else { return };
    if !matches!(hooks.value, Value::Map(_) | Value::Null) {
        broken.say(
            &[Key("hooks")],
            format!("`hooks` is a map, not {}", hooks.kind()),
            "events, each with a list of scripts",
        );
    }
    for entry in hooks.entries().iter().filter(|entry| !matches!(entry.value.value, Value::List(_))) {
        let message = format!("an event has a list of scripts, not {}", entry.value.kind());
        broken.say(&[Key("hooks"), Key(&entry.key.text)], message, "write `- location: path/to/script`");
    }
    for Script { path, node, .. } in spec.scripts() {
        if node.get("location").and_then(Node::text).is_none_or(|location| inside(location).is_empty()) {
            broken.say(&path, "a script has no location", "write `- location: path/to/script`");
        }
    }
}

fn hook_script(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for Script { path, node, .. } in spec.scripts() {
        let Some(location) = node.get("location").and_then(Node::text) else { continue };
        let place = inside(location);
        if place.is_empty() || spec.names.contains(&place) {
            continue;
        }
        let same_letters = spec.names.iter().find(|name| name.to_lowercase() == place.to_lowercase());
        let help = match (same_letters, place.split_once(' ')) {
            (Some(name), _) => format!("there is `{name}`; upper and lower case differ"),
            (_, Some((script, _))) if spec.names.contains(script) => {
                "the agent passes no arguments; put them into a script".to_owned()
            }
            _ => "the path is relative to the bundle's root; an ignore file may leave it out".to_owned(),
        };
        broken.say(&then(&path, Key("location")), format!("there is no script `{}`", clip(location, 60)), help);
    }
}

/// The agent wants seconds above 0, the service at most an hour for all scripts of an event.
fn hook_timeout(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for Script { event, path, node } in spec.scripts() {
        let Some(found) = node.get("timeout").filter(|node| node.value != Value::Null) else { continue };
        let place = then(&path, Key("timeout"));
        let Some(timeout) = seconds(found).filter(|timeout| *timeout > 0) else {
            let message = format!("a timeout is seconds above 0, not {}", written(Some(found), spec));
            broken.say(&place, message, "write digits, such as 300");
            continue;
        };
        let sum = sums.entry(event).or_default();
        let before = *sum;
        *sum = before.saturating_add(timeout);
        if before <= LONGEST_EVENT && *sum > LONGEST_EVENT {
            let message = format!("the scripts of `{event}` may take {sum} s together, {LONGEST_EVENT} are possible");
            broken.say(&place, message, "shorten the timeouts, or do less in this event");
        }
    }
}

fn files(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(files) = spec.node.get("files").filter(|node| node.value != Value::Null) else { return };
    if !matches!(files.value, Value::List(_)) {
        return broken.say(
            &[Key("files")],
            format!("`files` is a list, not {}", files.kind()),
            "each with a source and a destination",
        );
    }
    for (index, file) in files.items().iter().enumerate() {
        let path = [Key("files"), Item(index)];
        for key in ["source", "destination"] {
            if file.get(key).and_then(Node::text).is_none_or(str::is_empty) {
                broken.say(&path, format!("an entry of `files` lacks its {key}"), "write source and destination");
            }
        }
        let Some(source) = file.get("source").and_then(Node::text) else { continue };
        let (place, within) = (inside(source), format!("{}/", inside(source)));
        let is_there = place.is_empty()
            || spec.names.contains(&place)
            || spec.names.range(within.clone()..).next().is_some_and(|name| name.starts_with(&within));
        if !is_there {
            let help = "the path is relative to the bundle's root; an ignore file may leave it out";
            broken.say(&then(&path, Key("source")), format!("there is no `{}` in the bundle", clip(source, 60)), help);
        }
    }
}

fn file_exists(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let Some(found) = spec.node.get("file_exists_behavior") else { return };
    if !matches!(found.text(), Some("DISALLOW" | "OVERWRITE" | "RETAIN")) {
        let message = format!("`file_exists_behavior` cannot be {}", written(Some(found), spec));
        broken.say(&[Key("file_exists_behavior")], message, "write DISALLOW, OVERWRITE or RETAIN");
    }
}

/// The agent's YAML reads an unquoted 0644 as octal, that is 420, and then sets the mode 0420.
fn mode(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    let permissions = spec.node.get("permissions").map(Node::items).unwrap_or_default();
    for (index, entry) in permissions.iter().enumerate() {
        let Some(found) = entry.get("mode") else { continue };
        let shown = written(Some(found), spec);
        let digits = shown.trim_matches(['`', '"', '\'']);
        let place = [Key("permissions"), Item(index), Key("mode")];
        if found.text().is_none() && digits.len() > 1 && digits.starts_with('0') {
            let message = format!("the agent reads {shown} as an octal number and sets another mode");
            broken.say(&place, message, format!("write it in quotes: \"{digits}\""));
        } else if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) {
            broken.say(
                &place,
                format!("a mode is up to four octal digits, not {shown}"),
                "write it in quotes: \"755\"",
            );
        }
    }
}
