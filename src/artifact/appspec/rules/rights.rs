//! What permissions are set to: modes, owners, access control lists, SELinux contexts.

use crate::model::pipeline::Agent;
use crate::yaml::Step::{Item, Key};
use crate::yaml::{Node, Value};

use super::{Broken, Spec, text_of, then, written};

/// Ruby's YAML reads an unquoted 0644 as octal, that is 420, and the agent takes these digits for the mode.
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
                let other = spec.other().map_or_else(String::new, |other| format!("; {}: sets {digits}", other.name()));
                let message = format!("reads {shown} as an octal number and sets the mode {taken}{other}");
                broken.warn("appspec/mode-octal", &place, message, format!("write it in quotes: \"{digits}\""));
            }
            (true, false) => {
                let message = format!("reads {shown} as an octal number, {taken}, which is no mode");
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

/// A number is no name to Ruby, though it looks like one in a file.
pub fn owners(spec: &Spec<'_>, broken: &mut Broken<'_>) {
    for (index, entry) in spec.items("permissions").iter().enumerate() {
        for key in ["owner", "group"] {
            let Some(found) = entry.get(key) else { continue };
            if matches!(found.value, Value::Bool(_) | Value::Int(_) | Value::Float(_)) {
                let shown = written(Some(found), spec);
                let message = format!("Install fails after the files are there, since {shown} is no text");
                let place = [Key("permissions"), Item(index), Key(key)];
                broken.warn("appspec/permission-owner", &place, message, "put it in quotes");
            }
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
                let why = match spec.agent {
                    Agent::V1 => wrong_ace(ace.text()),
                    Agent::V2 => ace.text().and_then(wrong_entry),
                };
                if let Some(why) = why {
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
        let range = context.and_then(|context| context.get("range")).and_then(Node::text);
        if let Some(range) = range.filter(|range| spec.agent == Agent::V2 && !is_range(range)) {
            let message = format!("`{}` is no range of levels and categories", crate::yaml::clip(range, 60));
            let place = [path[0], path[1], Key("context"), Key("range")];
            broken.error("appspec/context", &place, message, "write `s0`, `s0-s15` or `s0:c0.c1023`");
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

/// The same by the grammar of the agent 2.0 and later, `[default:]kind:name:rights`.
fn wrong_entry(entry: &str) -> Option<&'static str> {
    let parts: Vec<&str> = entry.split(':').collect();
    if !(3..=4).contains(&parts.len()) {
        return Some("has not three or four parts between colons");
    }
    let is_default = matches!(parts[0], "d" | "default");
    let rest: Vec<&str> = parts.into_iter().skip(usize::from(is_default)).collect();
    let [kind, name, rights, ..] = rest.as_slice() else { return Some("has not three parts after `default`") };
    let is_digit = rights.len() == 1 && rights.bytes().all(|digit| digit.is_ascii_digit());
    let are_rights = rights.chars().all(|right| matches!(right, 'r' | 'w' | 'x' | '-'));
    if is_digit && *rights > "7" || !is_digit && !are_rights {
        return Some("has rights other than r, w and x");
    }
    match *kind {
        "user" | "u" | "group" | "g" if !is_default && name.is_empty() => Some("is a base entry, which `mode` sets"),
        "user" | "u" | "group" | "g" => None,
        "mask" | "m" | "other" | "o" if name.is_empty() => None,
        "mask" | "m" | "other" | "o" => Some("has a name where none can be"),
        _ => Some("names no kind: user, group, mask or other"),
    }
}

/// `s0`, `s0-s15`, `s0:c0,c5`, `s0:c0.c1023`.
fn is_range(range: &str) -> bool {
    fn after<N: std::str::FromStr>(text: &str, letter: char) -> Option<N> {
        text.strip_prefix(letter)?.parse().ok()
    }
    let mut parts = range.split(':');
    let mut levels = parts.next().unwrap_or("").split('-');
    let low = levels.next().and_then(|level| after::<u8>(level, 's'));
    let high = levels.next().map_or(low, |level| after(level, 's'));
    let category = |text: &str| after::<u16>(text, 'c').filter(|category| *category <= 1023);
    let is_span = |part: &str| {
        let mut ends = part.split('.');
        let low = ends.next().and_then(category);
        let high = ends.next().map_or(low, category);
        low.is_some() && high.is_some() && low <= high
    };
    low.is_some() && high.is_some() && low <= high && parts.next().is_none_or(|list| list.split(',').all(is_span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_control_lists() {
        for (ace, [ruby, rust]) in [
            ("user:deploy:rw", [true, true]),
            ("u:deploy:7", [true, true]),
            ("deploy:rwx", [true, false]),
            ("d:group:web:r-x", [true, true]),
            ("default:user::rwx", [true, true]),
            ("mask::rx", [true, true]),
            ("m:rx", [true, false]),
            ("d:m:rx", [true, false]),
            ("d:u:x", [true, false]),
            ("d:o::r", [true, true]),
            ("u:a:", [true, true]),
            ("rw", [false, false]),
            ("user::rw", [false, false]),
            ("other::r", [false, true]),
            ("mask:deploy:r", [false, false]),
            ("user:deploy:rq", [false, false]),
            ("u:a:8", [false, false]),
            ("nobody:deploy:r", [false, false]),
            ("u:a:rw:x", [false, true]),
            ("x:user:deploy:r", [false, false]),
            ("a:b:c:d:e", [false, false]),
        ] {
            assert_eq!([wrong_ace(Some(ace)).is_none(), wrong_entry(ace).is_none()], [ruby, rust], "{ace}");
        }
        assert!(wrong_ace(None).is_some());
    }

    #[test]
    fn ranges() {
        let fine = ["s0", "s0-s15", "s0:c0", "s0-s1:c0.c5,c10", "s0:c1020.c1023"];
        let wrong = ["", "x0", "s", "s15-s0", "s0:x0", "s0:c", "s0:c1024", "s0:c10.c0", "s256"];
        assert!(fine.into_iter().all(is_range) && !wrong.into_iter().any(is_range));
    }
}
