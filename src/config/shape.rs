//! Shape: walks the schema over the tree and collects everything that does not fit.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::yaml::{Entry, Node, Problem, Span, Value, clip, list, nearest, suggestion};

use super::scalar;

/// All problems of shape that a tree has under a schema; `text` is what the tree was read from.
pub fn problems(root: &Json, node: &Node, text: &str) -> Vec<Problem> {
    let mut walk = Walk { root, text, problems: Vec::new() };
    walk.node(node, &Field { schema: root, help: "", label: "the pipeline".to_owned(), key: node.span });
    walk.problems
}

/// A place in the schema, met at a place in the tree.
pub struct Field<'s> {
    /// What must fit.
    pub schema: &'s Json,
    /// The field's own words.
    pub help: &'s str,
    /// What it is called in a message.
    pub label: String,
    /// Its key's place.
    pub key: Span,
}

struct Walk<'t> {
    root: &'t Json,
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'s> Field<'s> {
    fn known(&self, keyword: &str) -> Vec<&'s str> {
        self.schema[keyword].as_object().map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default()
    }
}

impl<'t> Walk<'t> {
    /// Follows a reference; the words of the field itself win over those of its type.
    fn field(&self, schema: &'t Json, label: String, key: Span) -> Field<'t> {
        let own = schema["description"].as_str();
        let target = match schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
            Some(path) => self.root.pointer(path).unwrap_or(schema),
            None => schema,
        };
        let help = own.or(target["description"].as_str()).unwrap_or("");
        Field { schema: target, help: help.trim_end_matches('.'), label, key }
    }

    fn say(&mut self, span: Span, message: String, help: impl AsRef<str>) {
        let problem = Problem::at(span, message);
        self.problems.push(if help.as_ref().is_empty() { problem } else { problem.help(help) });
    }

    fn node(&mut self, node: &Node, field: &Field<'t>) {
        let place = node.place_under(field.key);
        if node.value == Value::Null {
            return self.say(place, format!("{} has no value", field.label), "give it a value, or remove the key");
        }
        if let Some(choices) = field.schema["oneOf"].as_array() {
            return self.one_of(node, field, choices);
        }
        if field.schema["enum"].is_array() {
            return self.one_of(node, field, std::slice::from_ref(field.schema));
        }
        match (field.schema["type"].as_str().unwrap_or_default(), &node.value) {
            ("object", Value::Map(entries)) => self.map(entries, field),
            ("array", Value::List(items)) => self.list(items, field),
            _ => self.problems.extend(scalar::problem(node, field, self.text)),
        }
    }

    fn map(&mut self, entries: &[Entry], field: &Field<'t>) {
        if entries.is_empty() && field.schema["minProperties"].as_u64().is_some_and(|least| least > 0) {
            self.say(field.key, format!("{} is empty", field.label), field.help);
        }
        if let Some(named) = field.schema["patternProperties"].as_object().and_then(|patterns| patterns.values().next())
        {
            return self.named(entries, named);
        }
        let known = field.known("properties");
        let mut meant = Vec::new();
        for entry in entries {
            let (key, label) = (&entry.key, format!("`{}`", clip(&entry.key.text, 60)));
            match field.schema["properties"].get(&key.text) {
                Some(schema) => self.node(&entry.value, &self.field(schema, label, key.span)),
                None => {
                    meant.extend(nearest(&key.text, &known));
                    self.say(key.span, format!("unknown key {label}"), suggestion(&key.text, &known));
                }
            }
        }
        let required = field.schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for missing in required.iter().filter_map(Json::as_str) {
            let is_there = entries.iter().any(|entry| entry.key.text == missing) || meant.contains(&missing);
            if !is_there {
                let help = self.field(&field.schema["properties"][missing], String::new(), field.key).help;
                self.say(field.key, format!("{} lacks the key `{missing}`", field.label), format!("{missing}: {help}"));
            }
        }
    }

    /// A map whose keys are names.
    fn named(&mut self, entries: &[Entry], schema: &'t Json) {
        for entry in entries {
            let label = clip(&entry.key.text, 60);
            if let Err(wrong) = crate::model::Name::new(&label) {
                self.say(entry.key.span, wrong, "");
            }
            self.node(&entry.value, &self.field(schema, format!("`{label}`"), entry.key.span));
        }
    }

    fn list(&mut self, items: &[Node], field: &Field<'t>) {
        if let Some(most) = field.schema["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
            self.say(
                field.key,
                format!("{} has {} items, at most {most} are possible", field.label, items.len()),
                field.help,
            );
        }
        for (index, item) in items.iter().enumerate() {
            let mut inner =
                self.field(&field.schema["items"], format!("item {} of {}", index + 1, field.label), item.span);
            if inner.help.is_empty() {
                inner.help = field.help;
            }
            self.node(item, &inner);
        }
    }

    /// An enum: one word of several, or one key of several with its settings.
    fn one_of(&mut self, node: &Node, field: &Field<'t>, choices: &'t [Json]) {
        let listed = choices.iter().filter_map(|choice| choice["enum"].as_array()).flatten();
        let words: Vec<&str> =
            choices.iter().map(|choice| &choice["const"]).chain(listed).filter_map(Json::as_str).collect();
        let keyed: BTreeMap<&str, &'t Json> = choices
            .iter()
            .filter_map(|choice| choice["properties"].as_object())
            .flat_map(|keyed| keyed.iter().map(|(key, schema)| (key.as_str(), schema)))
            .collect();
        let keys: Vec<&str> = keyed.keys().copied().collect();
        let all: Vec<&str> = words.iter().chain(&keys).copied().collect();
        let place = node.place_under(field.key);
        match &node.value {
            Value::Text(word) if words.contains(&word.as_str()) => {}
            Value::Text(word) if keys.contains(&word.as_str()) => {
                self.say(place, format!("`{word}` has settings"), format!("write `{word}: {{}}` for their defaults"));
            }
            Value::Text(word) => {
                self.say(place, format!("{} cannot be `{}`", field.label, clip(word, 60)), suggestion(word, &all));
            }
            Value::Map(entries) if !keys.is_empty() => self.one_key(entries, field, &keyed, &keys),
            _ => self.say(
                place,
                format!("{} must be one of {}, not {}", field.label, list(&all), node.kind()),
                field.help,
            ),
        }
    }

    fn one_key(&mut self, entries: &[Entry], field: &Field<'t>, keyed: &BTreeMap<&str, &'t Json>, keys: &[&str]) {
        let mut first: Option<&str> = None;
        for entry in entries {
            let (key, label) = (&entry.key, format!("`{}`", clip(&entry.key.text, 60)));
            match (keyed.get(key.text.as_str()), first) {
                (None, _) => self.say(key.span, format!("unknown key {label}"), suggestion(&key.text, keys)),
                (Some(_), Some(first)) => {
                    self.say(
                        key.span,
                        format!("{} is already `{first}`", field.label),
                        format!("remove `{first}` or {label}"),
                    );
                }
                (Some(schema), None) => {
                    first = Some(&key.text);
                    self.node(&entry.value, &self.field(schema, label, key.span));
                }
            }
        }
        if entries.is_empty() {
            self.say(field.key, format!("{} is empty", field.label), format!("choose one of {}", list(keys)));
        }
    }
}
