//! What stands in the scripts.

use std::collections::BTreeMap;

use crate::artifact::appspec::Os;
use crate::artifact::files::Kind;
use crate::model::pipeline::Agent;
use crate::yaml::Step::Key;
use crate::yaml::{Node, Step, Value, list};

use super::{Broken, Script, Spec, shell, then};

/// Every script that a hook names and that is there, once each.
pub fn all(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    if spec.os() == Os::Windows {
        return;
    }
    let contents = spec.contents();
    let mut first: BTreeMap<String, Script<'_>> = BTreeMap::new();
    for script in spec.scripts() {
        if let Some(path) = spec.script(script) {
            first.entry(path).or_insert(script);
        }
    }
    for (path, bytes) in &contents {
        let Some(script) = first.get(path) else { continue };
        let place = then(&script.path, Key("location"));
        let direct = started_directly(spec, path);
        first_line(path, bytes, &place, direct.is_some(), broken);
        interpreter(path, bytes, direct, broken);
        mode(spec, path, &place, broken);
        let text = String::from_utf8_lossy(bytes);
        if let Some((line, command)) = shell::keeps_output_open(&text) {
            let message = format!("`{path}` line {line} leaves `{command}` running with its output open");
            let help = "the event waits for it until the timeout, then fails; add `> /dev/null 2>&1 < /dev/null &`, or \
                        let systemd start it";
            broken.warn("appspec/open-output", &place, message, help);
        }
    }
    started_files(spec, &contents, broken);
}

/// The first hook by which the agent 2.0 and later starts a script itself: `su` and `sudo` give it to a shell, as the
/// agent before always did.
fn started_directly<'a>(spec: &Spec<'a>, path: &str) -> Option<Script<'a>> {
    let is_direct = |script: &Script<'_>| {
        let is_set =
            |key| script.node.get(key).is_some_and(|it| !matches!(&it.value, Value::Null | Value::Bool(false)));
        let user = script.node.get("runas").and_then(Node::text).is_some_and(|user| !user.trim().is_empty());
        !user && !is_set("sudo")
    };
    let mut of_it = spec.scripts().filter(|script| spec.script(*script).as_deref() == Some(path));
    of_it.find(is_direct).filter(|_| spec.agent == Agent::V2)
}

/// The kernel starts no text without a first line.
fn interpreter(path: &str, bytes: &[u8], direct: Option<Script<'_>>, broken: &mut Broken<'_>) {
    let starts = [b"#!".as_slice(), b"\x7fELF", b"\xef\xbb\xbf#!"];
    let Some(script) = direct.filter(|_| !starts.iter().any(|start| bytes.starts_with(start))) else { return };
    let place = then(&script.path, Key("location"));
    let what = if bytes.is_empty() { "is empty" } else { "does not begin with `#!`" };
    let message = format!("`{path}` {what}: Exec format error (os error 8)");
    broken.error("appspec/script-interpreter", &place, message, "begin it with a line #!/bin/sh");
}

/// The kernel takes a CR for a part of the interpreter's name, and sees no `#!` behind a byte order mark.
fn first_line(path: &str, bytes: &[u8], place: &[Step<'_>], is_direct: bool, broken: &mut Broken<'_>) {
    let (has_mark, rest) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let (is_shebang, has_cr) = (line.starts_with(b"#!"), line.ends_with(b"\r"));
    let fix = format!("save it with Unix line ends: sed -i 's/\\r$//' {path}");
    if has_mark && is_shebang {
        let interpreter = String::from_utf8_lossy(line).into_owned();
        let message = format!("`{path}` begins with a byte order mark, so that its first line is not seen");
        let help = "save it as UTF-8 without one";
        if shell::is_a_shell(&interpreter) && !is_direct {
            // Without a first line /bin/sh runs it, complains about that line, and goes on.
            broken.warn("appspec/script-bom", place, message, help);
        } else {
            broken.error("appspec/script-bom", place, message, help);
        }
    } else if is_shebang && has_cr {
        let message = format!("the first line of `{path}` ends with CR LF: no host finds such an interpreter");
        broken.error("appspec/shebang-cr", place, message, fix);
    } else if has_cr {
        let message = format!("`{path}` has lines that end with CR LF, which shells take for a part of each command");
        broken.warn("appspec/script-cr", place, message, fix);
    }
}

/// The agent mends this itself, by way of a complaint in its log.
fn mode(spec: &Spec<'_>, path: &str, place: &[Step<'_>], broken: &mut Broken<'_>) {
    let mode = spec.files().get(path).and_then(|kept| kept.mode);
    if mode.is_some_and(|mode| mode & 0o111 == 0) {
        let message = format!("`{path}` is not executable; the agent makes it so on every host");
        broken.warn("appspec/script-mode", place, message, format!("chmod +x {path}"));
    }
}

/// What a script starts by name, and what nobody makes executable.
fn started_files(spec: &Spec<'_>, contents: &BTreeMap<String, Vec<u8>>, broken: &mut Broken<'_>) {
    let is_helper = |path: &str| !contents.contains_key(path);
    let candidates: Vec<&str> = spec
        .files()
        .iter()
        .filter(|(path, kept)| {
            let is_off = kept.mode.is_some_and(|mode| mode & 0o111 == 0);
            kept.kind == Kind::File && kept.is_script && is_off && is_helper(path)
        })
        .map(|(path, _)| path)
        .collect();
    let texts: Vec<_> = contents.values().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    let started = |path: &&&str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        texts.iter().any(|text| shell::starts(text, name))
            && !texts.iter().any(|text| shell::makes_executable(text, name))
    };
    let found: Vec<&str> = candidates.iter().take(10_000).filter(started).copied().collect();
    if !found.is_empty() {
        let message = format!("a script starts {}, which cannot be executed", list(&found));
        let help = "chmod +x it (and git update-index --chmod=+x): the agent does so only for the scripts of hooks";
        broken.warn("appspec/helper-mode", &[Key("hooks")], message, help);
    }
}
