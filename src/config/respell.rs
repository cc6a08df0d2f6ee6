//! Keys that are misspelled so little that everybody knows what is meant: said, and read as what is meant, so that one
//! letter is one problem.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::model::Name;
use crate::model::measure::DimensionName;
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
                let named = schema["patternProperties"].as_object().and_then(|patterns| patterns.iter().next());
                for index in 0..entries.len() {
                    if let Some((pattern, schema)) = named {
                        if !pattern.contains("A-Z") && pattern != DimensionName::PATTERN {
                            self.name(entries, index);
                        }
                        self.tree(root, schema, &mut entries[index].value);
                    } else if schema["format"] == "overrides" {
                        let entry = &mut entries[index];
                        self.tree(root, &root["properties"][&entry.key.text], &mut entry.value);
                    } else {
                        self.key(root, schema, entries, index);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
    }

    /// A name of which only the case or the kind of dash is wrong.
    fn name(&mut self, entries: &mut [Entry], index: usize) {
        let key = &entries[index].key;
        let Err(wrong) = Name::new(&clip(&key.text, 60)) else { return };
        let meant = key.text.trim().to_lowercase().replace(['_', '.', ' ', '/'], "-");
        if Name::new(&meant).is_ok() && !entries.iter().any(|entry| entry.key.text == meant) {
            self.problems.push(Problem::at(key.span, wrong).help(format!("write `{meant}`")));
            self.names.insert(std::mem::replace(&mut entries[index].key.text, meant.clone()), meant);
        }
    }

    /// A key of a map with known keys, or a variant of a choice.
    fn key(&mut self, root: &Json, schema: &Json, entries: &mut [Entry], index: usize) {
        let choices = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let maps = std::iter::once(schema).chain(choices).filter_map(|map| map["properties"].as_object());
        let known = |key: &str| maps.clone().find_map(|map| map.get(key));
        let key = &entries[index].key;
        if let Some(schema) = known(&key.text) {
            return self.tree(root, schema, &mut entries[index].value);
        }
        let words: Vec<&str> = maps.clone().flat_map(|map| map.keys().map(String::as_str)).collect();
        let Some(meant) = nearest(&key.text, &words) else { return };
        let is_free =
            !entries.iter().any(|entry| entry.key.text == meant) && (choices.is_empty() || entries.len() == 1);
        let fits = |inner: &&Json| fits(resolved(root, inner), &entries[index].value);
        if let Some(schema) = known(meant).filter(|inner| is_free && fits(inner)) {
            self.problems.push(unknown(&key.text, key.span, &words));
            entries[index].key.text = meant.to_owned();
            self.tree(root, schema, &mut entries[index].value);
        }
    }
}

/// Whether a value is a map or a list as a schema wants it. A single value says too little about whether the guess is
/// right, and nothing is lost with it.
fn fits(schema: &Json, node: &Node) -> bool {
    matches!(
        (schema["type"].as_str(), &node.value),
        (Some("object") | None, Value::Map(_)) | (Some("array"), Value::List(_))
    )
}

/// What is said of an unknown key.
pub fn unknown(key: &str, span: crate::yaml::Span, known: &[&str]) -> Problem {
    Problem::at(span, format!("unknown key `{}`", clip(key, 60))).help(suggestion(key, known))
}
