//! What stands in for a value that is wrong or missing, so that everything else can still be judged.

use serde_json::Value as Json;

use crate::yaml::{Entry, Key, Node, Span, Value};

/// Makes stand-ins. No two texts are equal, so that none is taken for another.
pub struct Samples<'s> {
    root: &'s Json,
    made: usize,
}

impl<'s> Samples<'s> {
    /// Stand-ins under a schema.
    pub fn new(root: &'s Json) -> Samples<'s> {
        Samples { root, made: 0 }
    }

    /// A name that nobody chose.
    pub fn name(&mut self) -> String {
        self.made += 1;
        format!("stand-in-{}", self.made)
    }

    /// A value that fits the schema, with only the keys that are required.
    pub fn of(&mut self, schema: &'s Json, span: Span) -> Node {
        let schema = resolved(self.root, schema);
        let value = if let Some(word) = word(schema) {
            Value::Text(word.to_owned())
        } else if let Some(variant) = schema["oneOf"].as_array().and_then(|choices| choices.first()) {
            return self.of(variant, span);
        } else {
            match schema["type"].as_str().unwrap_or_default() {
                "object" => Value::Map(self.required(schema, span)),
                "array" => Value::List(Vec::new()),
                "boolean" => Value::Bool(false),
                "integer" => Value::Int(schema["minimum"].as_i64().unwrap_or_default()),
                _ => Value::Text(self.text(schema)),
            }
        };
        Node { span, value }
    }

    fn required(&mut self, schema: &'s Json, span: Span) -> Vec<Entry> {
        let keys = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let entry = |key: &str| {
            let value = self.of(&schema["properties"][key], span);
            Entry { key: Key { span, text: key.to_owned() }, value }
        };
        keys.iter().filter_map(Json::as_str).map(entry).collect()
    }

    fn text(&mut self, schema: &Json) -> String {
        match (schema["format"].as_str(), schema["pattern"].is_string()) {
            (Some("period"), _) => "1m".to_owned(),
            (Some("percent" | "hosts"), _) => "50%".to_owned(),
            (Some("name"), _) => self.name(),
            (_, true) => schema["examples"][0].as_str().unwrap_or_default().to_owned(),
            (_, false) => self.name(),
        }
    }
}

/// Follows a reference.
pub fn resolved<'s>(root: &'s Json, schema: &'s Json) -> &'s Json {
    let name = schema.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    name.and_then(|name| root["$defs"].get(name)).unwrap_or(schema)
}

/// The first word of a choice of words.
fn word(schema: &Json) -> Option<&str> {
    schema["const"].as_str().or_else(|| schema["enum"][0].as_str())
}
