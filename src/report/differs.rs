//! In what two plans differ, a line each.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::harmless;

/// Most of a value that is shown.
const VALUE: usize = 80;

/// Keys that only hold a plan together.
const FRAME: [&str; 9] = ["waves", "lanes", "on", "fleet", "function", "steps", "what", "act", "hold"];

/// What differs: where, what it is now, and what the older plan has.
pub fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare(&mut Vec::new(), Some(old), Some(new), &mut lines);
    lines
}

fn compare(path: &mut Vec<String>, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                within(path, key, old.get(key), new.get(key), lines);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if are_named(old) && are_named(new) => {
            let by_name = |values: &[Value], name: &str| values.iter().find(|it| named(it) == Some(name)).cloned();
            let mut names: Vec<&str> = Vec::new();
            for name in old.iter().chain(new).filter_map(named) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let before = lines.len();
            for name in names {
                within(path, name, by_name(old, name).as_ref(), by_name(new, name).as_ref(), lines);
            }
            if lines.len() == before {
                lines.push(format!("{}: in another order", path.join(" ")));
            }
        }
        (old, new) => {
            let told = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), told);
            lines.push(format!("{}: {}, the plan has {}", path.join(" "), told(new), told(old)));
        }
    }
}

fn within(path: &mut Vec<String>, key: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    let is_frame = FRAME.contains(&key);
    if !is_frame {
        path.push(harmless(key, VALUE));
    }
    compare(path, old, new, lines);
    if !is_frame {
        path.pop();
    }
}

/// A part of a plan by whose name it is found again.
fn named(value: &Value) -> Option<&str> {
    let name = |map: &Map<String, Value>, key: &str| map.get(key).is_some_and(Value::is_string);
    let map = value.as_object()?;
    let key = ["target", "id", "name", "artifact", "account"].into_iter().find(|key| name(map, key))?;
    map.get(key)?.as_str()
}

fn are_named(values: &[Value]) -> bool {
    let names: BTreeSet<&str> = values.iter().filter_map(named).collect();
    !values.is_empty() && names.len() == values.len()
}

fn told(value: &Value) -> String {
    match value {
        Value::String(text) => harmless(text, VALUE),
        Value::Object(map) => match named(value) {
            Some(name) => harmless(name, VALUE),
            None => format!("{} values", map.len()),
        },
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
            harmless(&other.to_string(), VALUE)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_per_difference() {
        let lane = |revision: &str, steps: &[&str]| {
            let steps: Vec<Value> = steps.iter().map(|id| json!({ "id": id, "limit": "5m" })).collect();
            json!({ "target": "web", "revision": { "key": revision }, "steps": steps })
        };
        let plan = |label: &str, lane: Value| json!({ "v": 1, "release": { "label": label }, "waves": [{ "name": "all", "lanes": [lane] }] });
        let one = plan("r1", lane("a.zip", &["create", "bake"]));
        assert_eq!(differences(&one, &one), Vec::<String>::new());
        let other = plan("r2", lane("b.zip", &["create", "approval", "bake"]));
        assert_eq!(
            differences(&one, &other),
            [
                "release label: r2, the plan has r1",
                "all web revision key: b.zip, the plan has a.zip",
                "all web approval: approval, the plan has nothing",
            ]
        );
        let swapped = plan("r1", lane("a.zip", &["bake", "create"]));
        assert_eq!(differences(&one, &swapped), ["all web: in another order"]);
        assert_eq!(differences(&json!([1]), &json!({ "a": "\u{1b}[31m" })), [": 1 values, the plan has [1]"]);
    }
}
