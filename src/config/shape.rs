//! Shape: walks the schema over the tree, fills variables in, and collects everything that does not fit. What does not
//! fit is replaced by a stand-in, so that what is left can be typed and judged as a whole.

use std::collections::BTreeMap;
use std::fmt;

use regex_lite::Regex;
use serde_json::Value as Json;

use crate::model::expression::MathName;
use crate::model::header::HeaderName;
use crate::model::measure::DimensionName;
use crate::model::{Name, VarName};
use crate::yaml::{Entry, Key, Node, Problem, Span, Value, clip, list, nearest, suggestion};

use super::respell::unknown;
use super::sample::{Samples, resolved};
use super::scalar;
use super::variables::{self, Allowed, Filled, Part, Variables};

/// A place in the schema, met at a place in the tree.
pub struct Field<'s, 'l> {
    /// What must fit.
    pub schema: &'s Json,
    /// The field's own words.
    pub help: &'s str,
    /// What it is called in a message.
    pub label: Label<'l>,
    /// Its key's place.
    pub key: Span,
}

/// What a place is called in a message; made into words only when there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Label<'l> {
    /// The whole file.
    Pipeline,
    /// The value of a key.
    Key(&'l str),
    /// An item of a list, counted from 1.
    Item(usize, &'l Label<'l>),
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Pipeline => f.write_str("the pipeline"),
            Label::Key(key) => write!(f, "`{}`", clip(key, 60)),
            Label::Item(place, list) => write!(f, "item {place} of {list}"),
        }
    }
}

/// A walk over one tree.
pub struct Walk<'t> {
    root: &'t Json,
    text: &'t str,
    variables: &'t Variables<'t>,
    part: Part,
    samples: Samples<'t>,
    /// What names are called instead that are none, for those who refer to them.
    pub renamed: BTreeMap<String, String>,
    /// Patterns that were met.
    pub(super) patterns: BTreeMap<&'t str, Option<Regex>>,
    /// What does not fit.
    pub problems: Vec<Problem>,
    /// Where something stands that is not known yet.
    pub unknown: Vec<Span>,
}

impl<'s> Field<'s, '_> {
    fn known(&self, keyword: &str) -> Vec<&'s str> {
        self.schema[keyword].as_object().map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    fn requires(&self, key: &str) -> bool {
        self.schema["required"].as_array().is_some_and(|keys| keys.iter().any(|it| it == key))
    }
}

impl<'t> Walk<'t> {
    /// A walk under a schema; `text` is what the tree was read from.
    pub fn new(root: &'t Json, text: &'t str, variables: &'t Variables<'t>) -> Walk<'t> {
        Walk {
            root,
            text,
            variables,
            part: Part::Store,
            samples: Samples::new(root),
            renamed: BTreeMap::new(),
            patterns: BTreeMap::new(),
            problems: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Walks a whole pipeline.
    pub fn pipeline(&mut self, node: &mut Node) {
        for named in ["artifacts", "targets"].iter().filter_map(|key| node.get(key)) {
            let wrong = named.entries().iter().map(|entry| &entry.key.text).filter(|name| Name::new(name).is_err());
            for name in wrong {
                let stand_in = self.samples.name();
                self.renamed.insert(name.clone(), stand_in);
            }
        }
        let field = Field { schema: self.root, help: "", label: Label::Pipeline, key: node.span };
        if !self.node(node, &field) {
            *node = self.samples.of(self.root, node.span);
        }
    }

    /// Walks a value that an override hides.
    pub fn hidden(&mut self, mut node: Node, schema: &'t Json, key: &Key) {
        self.part = Part::Targets;
        let field = self.field(schema, Label::Key(&key.text), key.span);
        self.node(&mut node, &field);
    }

    /// Follows a reference; the words of the field itself win over those of its type.
    fn field<'l>(&self, schema: &'t Json, label: Label<'l>, key: Span) -> Field<'t, 'l> {
        let target = resolved(self.root, schema);
        let help = schema["description"].as_str().or(target["description"].as_str()).unwrap_or("");
        Field { schema: target, help: help.trim_end_matches('.'), label, key }
    }

    fn say(&mut self, span: Span, message: String, help: impl AsRef<str>) {
        let problem = Problem::at(span, message);
        self.problems.push(if help.as_ref().is_empty() { problem } else { problem.help(help) });
    }

    /// Whether a value fits, or was made to; otherwise it needs a stand-in.
    fn node(&mut self, node: &mut Node, field: &Field<'t, '_>) -> bool {
        let place = node.place_under(field.key);
        if node.value == Value::Null && is_without_keys(field.schema) {
            // There is nothing that could stand in it.
            node.value = Value::Map(Vec::new());
        }
        if node.value == Value::Null {
            self.say(place, format!("{} has no value", field.label), "give it a value, or remove the key");
            return false;
        }
        spell_out(node, field.schema);
        if node.text().is_some_and(variables::is_in) {
            match self.filled(node, field) {
                Some(text) => node.value = Value::Text(text),
                // What is not known yet stays as it is where any text fits.
                None => return node.text().is_some() && is_free(field.schema),
            }
        }
        if let Some(choices) = field.schema["oneOf"].as_array() {
            return self.one_of(node, field, choices);
        }
        if field.schema["enum"].is_array() {
            return self.one_of(node, field, std::slice::from_ref(field.schema));
        }
        match (field.schema["type"].as_str().unwrap_or_default(), &mut node.value) {
            // Overrides are walked where they are merged; anything may stand in what an answer is compared with.
            ("object", Value::Map(_)) if matches!(field.schema["format"].as_str(), Some("overrides" | "free")) => true,
            ("object", Value::Map(entries)) => self.map(entries, field),
            ("array", Value::List(items)) => self.list(items, field),
            (_, Value::Text(name)) if self.renamed.contains_key(name) && field.schema["format"] == "name" => {
                *name = self.renamed[name].clone();
                true
            }
            _ => {
                let problem = scalar::problem(node, field, self.text, &mut self.patterns);
                let fits = problem.is_none();
                self.problems.extend(problem);
                fits
            }
        }
    }

    /// The text of a value with its variables filled in, if all are known and right.
    fn filled(&mut self, node: &Node, field: &Field<'t, '_>) -> Option<String> {
        let text = node.text()?;
        let allowed = match (field.schema["type"].as_str(), field.schema["x-variables"].as_str()) {
            (Some("string"), Some("release")) => Allowed::Passing,
            (Some("string"), None) if field.schema["format"] != "name" => Allowed::Lasting,
            _ => {
                let help = match field.schema["x-variables"].as_str() {
                    Some("none") => "it is plain text itself; write the other variable where this one is used",
                    _ => "variables stand in text; what differs between environments goes under `overrides`",
                };
                self.say(node.place_under(field.key), format!("{} cannot hold a variable", field.label), help);
                return None;
            }
        };
        match self.variables.fill(text, allowed, self.part) {
            Filled::Text(text) => Some(text),
            Filled::Unknown => {
                self.unknown.push(node.span);
                None
            }
            Filled::Wrong(all) => {
                for wrong in all {
                    let place = variables::place(self.text, node.span, text, &wrong);
                    self.problems.push(Problem::at(place, wrong.message).help(wrong.help));
                }
                None
            }
        }
    }

    fn map(&mut self, entries: &mut Vec<Entry>, field: &Field<'t, '_>) -> bool {
        if entries.is_empty() && field.schema["minProperties"].as_u64().is_some_and(|least| least > 0) {
            self.say(field.key, format!("{} is empty", field.label), field.help);
        }
        if let Some(most) = field.schema["maxProperties"].as_u64().filter(|most| entries.len() as u64 > *most) {
            let message = format!("{} has {} keys, at most {most} are possible", field.label, entries.len());
            self.say(field.key, message, field.help);
        }
        if let Some(patterns) = field.schema["patternProperties"].as_object() {
            patterns.iter().for_each(|(pattern, schema)| self.named(entries, pattern, schema));
            return true;
        }
        let properties = &field.schema["properties"];
        let mut meant = Vec::new();
        for mut entry in std::mem::take(entries) {
            let (key, label) = (&entry.key, Label::Key(&entry.key.text));
            self.enter(field.label, &key.text);
            let Some(schema) = properties.get(&key.text) else {
                let known = field.known("properties");
                meant.extend(nearest(&key.text, &known));
                self.problems.push(unknown(&key.text, key.span, &known));
                continue;
            };
            let inner = self.field(schema, label, key.span);
            if self.node(&mut entry.value, &inner) {
                entries.push(entry);
            } else if field.requires(&entry.key.text)
                || field.schema["x-choice"] == true
                || schema["x-is-missed"] == true
            {
                // Of a choice, what is wrong is still what was chosen.
                entry.value = self.samples.of(schema, entry.value.span);
                entries.push(entry);
            }
        }
        let required = field.schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for missing in required.iter().filter_map(Json::as_str) {
            if entries.iter().any(|entry| entry.key.text == missing) {
                continue;
            }
            let schema = &field.schema["properties"][missing];
            if !meant.contains(&missing) {
                let help = self.field(schema, Label::Pipeline, field.key).help;
                self.say(field.key, format!("{} lacks the key `{missing}`", field.label), format!("{missing}: {help}"));
            }
            let nowhere = Span { end: field.key.start, ..field.key };
            let key = Key { span: field.key, text: missing.to_owned() };
            entries.push(Entry { key, value: self.samples.of(schema, nowhere) });
        }
        true
    }

    /// Remembers which part of the pipeline is walked.
    fn enter(&mut self, label: Label<'_>, key: &str) {
        if label == Label::Pipeline {
            self.part = match key {
                "targets" | "stages" => Part::Targets,
                "artifacts" => Part::Artifacts,
                _ => Part::Store,
            };
        }
    }

    /// A map whose keys are names.
    fn named(&mut self, entries: &mut [Entry], pattern: &str, schema: &'t Json) {
        let is_var = pattern.starts_with("^[A-Za-z]");
        for entry in entries {
            let label = clip(&entry.key.text, 60);
            let wrong = match pattern {
                HeaderName::PATTERN => HeaderName::new(&label).err(),
                DimensionName::PATTERN => DimensionName::new(&label).err(),
                MathName::PATTERN => MathName::new(&label).err(),
                _ if is_var => VarName::new(&label).err(),
                _ => Name::new(&label).err(),
            };
            if let Some(wrong) = wrong {
                self.say(entry.key.span, wrong, "choose another name");
                let known = self.renamed.get(&entry.key.text).cloned();
                entry.key.text = known.unwrap_or_else(|| self.samples.name());
            }
            let inner = self.field(schema, Label::Key(&label), entry.key.span);
            if !self.node(&mut entry.value, &inner) {
                entry.value = self.samples.of(schema, entry.value.span);
            }
        }
    }

    fn list(&mut self, items: &mut Vec<Node>, field: &Field<'t, '_>) -> bool {
        if let Some(most) = field.schema["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
            let message = format!("{} has {} items, at most {most} are possible", field.label, items.len());
            self.say(field.key, message, field.help);
        }
        if items.is_empty() && field.schema["minItems"].as_u64().is_some_and(|least| least > 0) {
            self.say(field.key, format!("{} is empty", field.label), field.help);
        }
        let mut index = 0;
        items.retain_mut(|item| {
            index += 1;
            let mut inner = self.field(&field.schema["items"], Label::Item(index, &field.label), item.span);
            if inner.help.is_empty() {
                inner.help = field.help;
            }
            self.node(item, &inner)
        });
        true
    }

    /// An enum: one word of several, or one key of several with its settings.
    fn one_of(&mut self, node: &mut Node, field: &Field<'t, '_>, choices: &'t [Json]) -> bool {
        let is_word = |choice: &Json, word: &str| {
            let mut listed = choice["enum"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
            choice["const"] == word || listed.any(|it| it == word)
        };
        if node.text().is_some_and(|word| choices.iter().any(|choice| is_word(choice, word))) {
            return true;
        }
        let listed = choices.iter().filter_map(|choice| choice["enum"].as_array()).flatten();
        let words: Vec<&str> =
            choices.iter().map(|choice| &choice["const"]).chain(listed).filter_map(Json::as_str).collect();
        let keyed: BTreeMap<&str, &'t Json> = choices
            .iter()
            .filter_map(|choice| choice["properties"].as_object())
            .flat_map(|keyed| keyed.iter().map(|(key, schema)| (key.as_str(), schema)))
            .collect();
        let keys: Vec<&str> = keyed.keys().copied().filter(|key| beside(choices, key).is_none()).collect();
        let all: Vec<&str> = words.iter().chain(&keys).copied().collect();
        let place = node.place_under(field.key);
        let kind = node.kind();
        match &mut node.value {
            Value::Text(word) if keys.contains(&word.as_str()) => {
                self.say(place, format!("`{word}` has settings"), format!("write `{word}: {{}}` for their defaults"));
            }
            Value::Text(word) => {
                self.say(place, format!("{} cannot be `{}`", field.label, clip(word, 60)), suggestion(word, &all));
            }
            Value::Map(entries) if !keys.is_empty() => return self.one_key(entries, field, &keyed, choices),
            _ => self.say(place, format!("{} must be one of {}, not {}", field.label, list(&all), kind), field.help),
        }
        false
    }

    /// Whether one variant was chosen; what else stands there is left out, but for what goes with it.
    fn one_key(
        &mut self,
        entries: &mut Vec<Entry>,
        field: &Field<'t, '_>,
        keyed: &BTreeMap<&str, &'t Json>,
        choices: &'t [Json],
    ) -> bool {
        if entries.is_empty() {
            let keys: Vec<&str> = keyed.keys().copied().filter(|key| beside(choices, key).is_none()).collect();
            self.say(field.key, format!("{} is empty", field.label), format!("choose one of {}", list(&keys)));
        }
        let (mut first, mut others): (Option<Entry>, Vec<Entry>) = (None, Vec::new());
        for mut entry in std::mem::take(entries) {
            let (key, label) = (&entry.key, Label::Key(&entry.key.text));
            match (keyed.get(key.text.as_str()), &first) {
                (None, _) => {
                    let keys: Vec<&str> = keyed.keys().copied().collect();
                    self.problems.push(unknown(&key.text, key.span, &keys));
                }
                (Some(_), _) if beside(choices, &key.text).is_some() => others.push(entry),
                (Some(_), Some(first)) => {
                    let message = format!("{} is already `{}`", field.label, first.key.text);
                    self.say(key.span, message, format!("remove `{}` or {label}", first.key.text));
                }
                (Some(schema), None) => {
                    let inner = self.field(schema, label, key.span);
                    if !self.node(&mut entry.value, &inner) {
                        entry.value = self.samples.of(schema, entry.value.span);
                    }
                    first = Some(entry);
                }
            }
        }
        let chosen = first.as_ref().map(|first| first.key.text.clone());
        entries.extend(first);
        for mut entry in others {
            let (label, variant) = (Label::Key(&entry.key.text), beside(choices, &entry.key.text));
            if chosen.as_deref() != variant {
                let variant = variant.unwrap_or_default();
                self.say(entry.key.span, format!("{label} goes with `{variant}`"), "remove it");
                continue;
            }
            let inner = self.field(keyed[entry.key.text.as_str()], label, entry.key.span);
            if self.node(&mut entry.value, &inner) {
                entries.push(entry);
            }
        }
        chosen.is_some()
    }
}

/// The variant of a choice that a key only stands beside, if it is none itself.
pub fn beside<'s>(choices: &'s [Json], key: &str) -> Option<&'s str> {
    let choice = choices.iter().find(|choice| choice["properties"].get(key).is_some())?;
    choice["required"].as_array()?.iter().filter_map(Json::as_str).find(|variant| *variant != key)
}

/// Writes out what may be written shorter: a map of which only one key is given, a list of one, digits that are text.
fn spell_out(node: &mut Node, schema: &Json) {
    let is_scalar = !matches!(node.value, Value::Map(_) | Value::List(_) | Value::Null);
    if let Some(key) = schema["x-short"].as_str().filter(|_| is_scalar) {
        let key = Key { span: node.span, text: key.to_owned() };
        let value = std::mem::replace(&mut node.value, Value::Null);
        node.value = Value::Map(vec![Entry { key, value: Node { span: node.span, value } }]);
    }
    if schema["x-one"] == true && is_scalar {
        let value = std::mem::replace(&mut node.value, Value::Null);
        node.value = Value::List(vec![Node { span: node.span, value }]);
    }
    if let (true, Value::Int(number)) = (schema["format"] == "status", &node.value) {
        node.value = Value::Text(number.to_string());
    }
}

/// Whether any text can be put where this schema is.
fn is_free(schema: &Json) -> bool {
    schema["type"] == "string" && schema["format"].is_null()
}

/// Whether a map has no keys at all, so that nothing need be written for it.
fn is_without_keys(schema: &Json) -> bool {
    let has_properties = schema["properties"].as_object().is_some_and(|keys| !keys.is_empty());
    schema["type"] == "object" && schema["additionalProperties"] == false && !has_properties
}
