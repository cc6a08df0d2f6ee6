//! The JSON Schema of a pipeline: one definition for the parser, editors and the reference page.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Map, Value, json};

use crate::model::Pipeline;

use super::sample::resolved;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Pipeline>();
    RecursiveTransform(tidy).transform(&mut schema);
    schema.insert("title".to_owned(), "shipit pipeline".into());
    schema.to_value()
});

/// The JSON Schema of a pipeline, for editors: text may hold variables, and overrides are what they override, with every
/// key optional.
pub fn schema() -> Value {
    let mut root = SCHEMA.clone();
    let mut partials = Partials { root: &SCHEMA, made: Map::new() };
    let parts = super::merge::PARTS.iter().map(|part| {
        let schema = &SCHEMA["properties"][part];
        ((*part).to_owned(), if *part == "stages" { nullable(schema.clone()) } else { partials.of(schema) })
    });
    let parts: Map<String, Value> = parts.collect();
    root["$defs"]["Overrides"]["properties"] = parts.into();
    root["$defs"]["Overrides"]["additionalProperties"] = false.into();
    for (name, schema) in partials.made {
        root["$defs"][name] = schema;
    }
    with_variables(&mut root);
    with_short_forms(&mut root);
    root
}

/// Lets what may be written shorter be written so.
fn with_short_forms(schema: &mut Value) {
    match schema {
        Value::Object(members) => members.values_mut().for_each(with_short_forms),
        Value::Array(items) => items.iter_mut().for_each(with_short_forms),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    }
    let is_form = |shorter: Value, whole: &mut Value| {
        let description = whole.as_object_mut().and_then(|members| members.remove("description"));
        *whole = json!({ "anyOf": [shorter, whole.take()] });
        if let Some(description) = description {
            whole["description"] = description;
        }
    };
    if schema["format"] == "status" {
        is_form(json!({ "type": "integer", "minimum": 100, "maximum": 599 }), schema);
    } else if schema["x-one"] == true {
        is_form(schema["items"].clone(), schema);
    } else if let Some(key) = schema["x-short"].as_str() {
        let variants = schema["oneOf"].as_array().into_iter().flatten();
        let mut all = std::iter::once(&*schema).chain(variants).map(|one| &one["properties"][key]);
        let shorter = all.find(|shorter| !shorter.is_null()).cloned().unwrap_or_default();
        is_form(shorter, schema);
    }
}

/// Lets a text that holds a variable be what its pattern forbids; what it stands for is judged later.
fn with_variables(schema: &mut Value) {
    let takes_variables = schema["type"] == "string" && schema["format"] != "name" && schema["x-variables"] != "none";
    if let Some(pattern) = schema["pattern"].as_str().filter(|_| takes_variables) {
        schema["pattern"] = format!(r"{pattern}|\$\{{").into();
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(with_variables),
        Value::Array(items) => items.iter_mut().for_each(with_variables),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Schemas of maps of which any key may be left out, and of which what is optional may be removed.
struct Partials<'s> {
    root: &'s Value,
    made: Map<String, Value>,
}

impl<'s> Partials<'s> {
    fn of(&mut self, schema: &'s Value) -> Value {
        let mut partial = schema.clone();
        if let Some(named) = schema["patternProperties"].as_object() {
            for (pattern, inner) in named {
                partial["patternProperties"][pattern] = nullable(self.of(inner));
            }
            partial.as_object_mut().map(|members| members.remove("minProperties"));
        }
        let target = resolved(self.root, schema);
        let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) else { return partial };
        let Some(properties) = target["properties"].as_object() else { return partial };
        let own = format!("{name}Override");
        if !self.made.contains_key(&own) {
            self.made.insert(own.clone(), Value::Null);
            let mut map = target.clone();
            map.as_object_mut().map(|members| members.remove("required"));
            for (key, inner) in properties {
                let is_required = target["required"].as_array().is_some_and(|keys| keys.iter().any(|it| it == key));
                let inner = self.of(inner);
                map["properties"][key] = if is_required { inner } else { nullable(inner) };
            }
            self.made.insert(own.clone(), map);
        }
        partial["$ref"] = format!("#/$defs/{own}").into();
        partial.as_object_mut().map(|members| members.remove("default"));
        partial
    }
}

fn nullable(mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|members| members.remove("description"));
    let mut nullable = json!({ "anyOf": [schema, { "type": "null" }] });
    if let Some(description) = description {
        nullable["description"] = description;
    }
    nullable
}

/// The same without a copy.
pub(super) fn shared() -> &'static Value {
    &SCHEMA
}

/// A key without a value is always a mistake, though serde reads it as an absent `Option`; a description is one line.
fn tidy(schema: &mut schemars::Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("writeOnly");
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
}
