//! Keys that are misspelled so little that everybody knows what is meant: said, and read as what is meant, so that one
//! letter is one problem.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::model::Name;
use crate::yaml::{Entry, Node, Problem, Value, clip, nearest, suggestion};

use super::sample::resolved;

/// What was corrected.
#[derive(Default)]
pub struct Respelled {
    /// What is said about it.
    pub problems: Vec<Problem>,
    /// Names that are none, and what they are called instead.
    pub names: BTreeMap<String, String>,
}

impl Respelled {
    /// Corrects the keys of a tree under a schema.
    pub fn tree(&mut self, root: &Json, schema: &Json, node: &mut Node) {
        let schema = resolved(root, schema);
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.tree(root, &schema["items"], item)),
            Value::Map(entries) => {
                let there: Vec<String> = entries.iter().map(|entry| entry.key.text.clone()).collect();
                let named = schema["patternProperties"].as_object().and_then(|patterns| patterns.iter().next());
                for entry in entries {
                    if let Some((pattern, schema)) = named {
                        if !pattern.contains("A-Z") {
                            self.name(entry, &there);
                        }
                        self.tree(root, schema, &mut entry.value);
                    } else if schema["format"] == "overrides" {
                        self.tree(root, &root["properties"][&entry.key.text], &mut entry.value);
                    } else {
                        self.key(root, schema, entry, &there);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
    }

    /// A name of which only the case or the kind of dash is wrong.
    fn name(&mut self, entry: &mut Entry, there: &[String]) {
        let Err(wrong) = Name::new(&clip(&entry.key.text, 60)) else { return };
        let meant = entry.key.text.trim().to_lowercase().replace(['_', '.', ' ', '/'], "-");
        if Name::new(&meant).is_ok() && !there.contains(&meant) {
            self.problems.push(Problem::at(entry.key.span, wrong).help(format!("write `{meant}`")));
            self.names.insert(std::mem::replace(&mut entry.key.text, meant.clone()), meant);
        }
    }

    /// A key of a map with known keys, or a variant of a choice.
    fn key(&mut self, root: &Json, schema: &Json, entry: &mut Entry, there: &[String]) {
        let choices = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let variants = choices.iter().filter_map(|choice| choice["properties"].as_object()).flatten();
        let keyed: Vec<(&str, &Json)> = match schema["properties"].as_object() {
            Some(properties) => properties.iter().map(|(key, schema)| (key.as_str(), schema)).collect(),
            None => variants.map(|(key, schema)| (key.as_str(), schema)).collect(),
        };
        let inner = |key: &str| keyed.iter().find(|(known, _)| *known == key).map(|(_, schema)| *schema);
        if let Some(schema) = inner(&entry.key.text) {
            return self.tree(root, schema, &mut entry.value);
        }
        let words: Vec<&str> = keyed.iter().map(|(key, _)| *key).collect();
        let Some(meant) = nearest(&entry.key.text, &words) else { return };
        let is_free = !there.iter().any(|key| key == meant) && (choices.is_empty() || there.len() == 1);
        if let Some(schema) = inner(meant).filter(|inner| is_free && fits(resolved(root, inner), &entry.value)) {
            self.problems.push(unknown(&entry.key.text, entry.key.span, &words));
            entry.key.text = meant.to_owned();
            self.tree(root, schema, &mut entry.value);
        }
    }
}

/// Whether a value is a map or a list as a schema wants it. A single value says too little about whether the guess is
/// right, and nothing is lost with it.
fn fits(schema: &Json, node: &Node) -> bool {
    match (schema["type"].as_str(), &node.value) {
        (Some("object") | None, Value::Map(_)) | (Some("array"), Value::List(_)) => true,
        _ => false,
    }
}

/// What is said of an unknown key.
pub fn unknown(key: &str, span: crate::yaml::Span, known: &[&str]) -> Problem {
    Problem::at(span, format!("unknown key `{}`", clip(key, 60))).help(suggestion(key, known))
}
