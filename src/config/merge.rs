//! An environment's overrides, merged into the tree: maps key by key, values and lists are replaced, `null` removes, a
//! choice whose variant differs is replaced as a whole.

use serde_json::Value as Json;

use crate::yaml::{Entry, Key, Node, Problem, Value, clip, list, suggestion};

use super::sample::resolved;
use super::shape::beside;

/// What an environment may say differently.
pub const PARTS: &[&str] = &["store", "artifacts", "targets", "stages"];

/// What came of a merge beside the merged tree.
#[derive(Default)]
pub struct Merged<'s> {
    /// Overrides that point nowhere.
    pub problems: Vec<Problem>,
    /// What was replaced, with its schema and its key: it must be right, too.
    pub replaced: Vec<(Node, &'s Json, Key)>,
}

/// Merges overrides into a tree.
pub fn merge<'s>(root: &'s Json, node: &mut Node, overrides: &Node) -> Merged<'s> {
    let mut merged = Merged::default();
    for Entry { key, value } in overrides.entries() {
        let schema = &root["properties"][&key.text];
        // What the pipeline itself lacks is said there.
        let is_missing = node.get(&key.text).is_none() && key.text != "stages";
        if PARTS.contains(&key.text.as_str()) && is_missing {
            continue;
        }
        if PARTS.contains(&key.text.as_str()) {
            merged.entry(root, node, schema, key, value, Place::Field { is_required: key.text != "stages" });
        } else if schema.is_object() {
            let help = match key.text.as_str() {
                "vars" => "an environment has `vars` of its own, beside `overrides`".to_owned(),
                _ => format!("an environment can differ in {}", list(PARTS)),
            };
            merged.say(key, format!("`{}` cannot be overridden", key.text), help);
        } else {
            merged.say(key, format!("unknown key `{}`", clip(&key.text, 60)), suggestion(&key.text, PARTS));
        }
    }
    merged
}

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a map with known keys.
    Field {
        /// Whether it cannot be left out.
        is_required: bool,
    },
    /// In a map of names.
    Name,
    /// Where no key of this name is known.
    Nowhere,
}

impl<'s> Merged<'s> {
    fn say(&mut self, key: &Key, message: String, help: String) {
        self.problems.push(Problem::at(key.span, message).help(help));
    }

    /// Merges a key's value into a map.
    fn entry(&mut self, root: &'s Json, node: &mut Node, schema: &'s Json, key: &Key, over: &Node, place: Place) {
        let Value::Map(entries) = &mut node.value else { return };
        let found = entries.iter().position(|entry| entry.key.text == key.text);
        let label = clip(&key.text, 60);
        match (found, &over.value) {
            (Some(_), Value::Null) if place == (Place::Field { is_required: true }) => {
                self.say(key, format!("`{label}` cannot be removed"), "it has no default; give it a value".to_owned());
            }
            (Some(index), Value::Null) => {
                let Entry { key, value } = entries.remove(index);
                self.replaced.push((value, schema, key));
            }
            (Some(index), _) => {
                let entry = &mut entries[index];
                self.value(root, &mut entry.value, schema, &entry.key, over);
                // A problem with what is written here is shown here.
                if !matches!(over.value, Value::Map(_)) {
                    entry.key.span = key.span;
                }
            }
            (None, Value::Null) if place != Place::Nowhere => {
                self.say(key, format!("there is no `{label}` to remove"), "remove this line".to_owned());
            }
            (None, _) if place == Place::Name => {
                let known: Vec<&str> = entries.iter().map(|entry| entry.key.text.as_str()).collect();
                self.say(key, format!("there is no `{label}` to override"), suggestion(&key.text, &known));
            }
            (None, Value::Map(_)) if !resolved(root, schema)["oneOf"].is_array() => {
                let mut value = Node { span: over.span, value: Value::Map(Vec::new()) };
                self.value(root, &mut value, schema, key, over);
                entries.push(Entry { key: key.clone(), value });
            }
            (None, _) => entries.push(Entry { key: key.clone(), value: over.clone() }),
        }
    }

    fn value(&mut self, root: &'s Json, base: &mut Node, schema: &'s Json, key: &Key, over: &Node) {
        let target = resolved(root, schema);
        if !matches!((&base.value, &over.value), (Value::Map(_), Value::Map(_))) || differs(target, base, over) {
            let replaced = std::mem::replace(base, over.clone());
            self.replaced.push((replaced, schema, key.clone()));
            return;
        }
        let named = target["patternProperties"].as_object().and_then(|patterns| patterns.values().next());
        let choices = target["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        for Entry { key, value } in over.entries() {
            let variants = choices.iter().map(|choice| &choice["properties"][&key.text]);
            let inner = std::iter::once(&target["properties"][&key.text]).chain(variants).find(|it| it.is_object());
            let (schema, place) = match (named, inner) {
                (Some(named), _) => (named, Place::Name),
                (None, Some(inner)) => {
                    let required = target["required"].as_array().map(Vec::as_slice).unwrap_or_default();
                    (inner, Place::Field { is_required: required.iter().any(|word| *word == key.text.as_str()) })
                }
                (None, None) => (&Json::Null, Place::Nowhere),
            };
            self.entry(root, base, schema, key, value, place);
        }
    }
}

/// Whether two maps are different variants of one choice.
fn differs(schema: &Json, base: &Node, over: &Node) -> bool {
    let Some(choices) = schema["oneOf"].as_array() else { return false };
    let goes_with = |key: &str| beside(choices, key).is_some_and(|variant| base.get(variant).is_some());
    over.entries().iter().any(|entry| base.get(&entry.key.text).is_none() && !goes_with(&entry.key.text))
}
