//! What people and editors read about a pipeline, made from the one definition: the schema, the reference page, the
//! annotated pipeline. `UPDATE=1 cargo test --lib config` writes them.

mod annotated;
mod page;

use serde_json::Value as Json;

use super::is_as_committed;
use crate::config::sample::resolved;
use crate::config::{Facts, File, Need, schema};

#[test]
fn the_schema_is_committed() {
    let schema = serde_json::to_string_pretty(&crate::config::schema()).unwrap();
    is_as_committed("docs/pipeline.schema.json", &schema);
}

#[test]
fn the_page_is_committed() {
    is_as_committed("docs/pipeline.md", &page::page(schema::shared()));
}

#[test]
fn the_annotated_pipeline_is_committed_and_right() {
    let text = annotated::pipeline(schema::shared());
    let file = File::parse(&text, "annotated.yml").unwrap_or_else(|problems| panic!("{problems}"));
    let views = file.pipelines(&Facts::default(), Need::All).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(views.len(), 1);
    is_as_committed("pipelines/annotated.yml", &text);
}

#[test]
fn every_shipped_pipeline_tells_editors_its_schema() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# yaml-language-server: $schema=../docs/pipeline.schema.json\n"),
            "{}",
            path.display()
        );
        seen += 1;
    }
    assert!(seen > 0);
}

/// A key with what is known of it.
struct Row<'s> {
    key: &'s str,
    is_required: bool,
    /// The field as it stands in its map, and what it refers to.
    field: &'s Json,
    target: &'s Json,
}

impl<'s> Row<'s> {
    fn meaning(&self) -> &'s str {
        self.field["description"].as_str().or(self.target["description"].as_str()).unwrap_or_default()
    }

    /// The default as it would be written.
    fn default(&self) -> Option<String> {
        let default = self.field.get("default")?;
        Some(default.as_str().map_or_else(|| default.to_string(), str::to_owned))
    }

    /// The key that this one stands instead of.
    fn instead(&self) -> Option<&'s str> {
        self.field["x-instead-of"].as_str()
    }

    fn example(&self) -> Option<&'s Json> {
        [self.field, self.target].into_iter().find_map(|schema| schema["examples"].get(0))
    }
}

/// The keys of a map: first those that must be there, as they are defined, then the others.
fn rows<'s>(root: &'s Json, map: &'s Json) -> Vec<Row<'s>> {
    let properties = map["properties"].as_object().into_iter().flatten();
    let required: Vec<&str> = map["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let row = |(key, field): (&'s String, &'s Json)| {
        let is_required = required.contains(&key.as_str());
        Row { key, is_required, field, target: resolved(root, field) }
    };
    let mut rows: Vec<Row<'_>> = properties.map(row).collect();
    rows.sort_by_key(|row| required.iter().position(|key| *key == row.key).unwrap_or(required.len()));
    rows
}

/// The values of a map of names.
fn named<'s>(root: &'s Json, map: &'s Json) -> Option<&'s Json> {
    map["patternProperties"].as_object()?.values().next().map(|inner| resolved(root, inner))
}

/// The variants of a choice: words with their meaning, or keys with their settings.
fn variants<'s>(choice: &'s Json) -> Vec<(&'s str, &'s str, Option<&'s Json>)> {
    let variant = |one: &'s Json| {
        let meaning = one["description"].as_str().unwrap_or_default();
        let is_its_own = |key: &str| one["required"].as_array().is_none_or(|keys| keys.iter().any(|it| it == key));
        let keyed = one["properties"].as_object().and_then(|keyed| keyed.iter().find(|(key, _)| is_its_own(key)));
        match keyed {
            Some((key, settings)) => (key.as_str(), meaning, Some(settings)),
            None => (one["const"].as_str().unwrap_or_default(), meaning, None),
        }
    };
    choice["oneOf"].as_array().into_iter().flatten().map(variant).collect()
}

/// The variants beside which other keys may stand, each with its own key.
fn besides(choice: &Json) -> Vec<(&Json, &str)> {
    let with_others = |one: &&Json| one["properties"].as_object().is_some_and(|keys| keys.len() > 1);
    let choices = choice["oneOf"].as_array().into_iter().flatten().filter(with_others);
    choices.filter_map(|one| Some((one, one["required"][0].as_str()?))).collect()
}
