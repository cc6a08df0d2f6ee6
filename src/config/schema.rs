//! The JSON Schema of a pipeline: one definition for the parser, editors and the reference page.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use crate::model::Pipeline;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Pipeline>();
    RecursiveTransform(tidy).transform(&mut schema);
    schema.insert("title".to_owned(), "shipit pipeline".into());
    schema.to_value()
});

/// The JSON Schema of a pipeline.
pub fn schema() -> Value {
    SCHEMA.clone()
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
