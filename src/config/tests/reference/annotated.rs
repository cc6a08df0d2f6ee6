//! The annotated pipeline.

use serde_json::Value as Json;

use super::{Row, besides, named, resolved, rows, variants};

const INTRODUCTION: &str = "\
# yaml-language-server: $schema=../docs/pipeline.schema.json
# Every key of a pipeline with its meaning and its default. A real one is much shorter: see storefront.yml.
# Made from the types in src/model/pipeline.rs; change them, and run `UPDATE=1 cargo test --lib config`.
";
/// Columns of a comment.
const WIDTH: usize = 118;

/// The pipeline, as text.
pub fn pipeline(root: &Json) -> String {
    let mut text = INTRODUCTION.to_owned();
    map(root, root, 0, &mut text);
    text
}

fn map(root: &Json, map: &Json, indent: usize, text: &mut String) {
    for row in rows(root, map) {
        if indent == 0 {
            *text += "\n";
        }
        let mut own = String::new();
        comment(&said(&row), indent, &mut own);
        entry(root, &row, indent, &mut own);
        // What needs another environment beside it would be wrong here.
        let is_left_out = row.instead().is_some() || row.field["x-left-out"] == true;
        *text += &if is_left_out { commented(&own, indent) } else { own };
    }
}

/// The meaning of a key, and what it is without it.
fn said(row: &Row<'_>) -> String {
    let words = variants(row.target).into_iter().filter(|(_, _, settings)| settings.is_none());
    let words: Vec<String> = words.map(|(word, meaning, _)| format!("{word}: {}", small(meaning))).collect();
    let words = if words.is_empty() { String::new() } else { format!(" One of {}.", words.join("; ")) };
    let note = match row.default() {
        _ if row.is_required => "Required.".to_owned(),
        // The keys inside say theirs.
        Some(_) if row.field["default"].is_object() => String::new(),
        Some(default) => format!("Default: {default}."),
        None => "Not there by default.".to_owned(),
    };
    let instead = row.instead().map(|key| format!(" Instead of `{key}`.")).unwrap_or_default();
    format!("{}{instead}{words} {note}", row.meaning())
}

/// A sentence within another.
fn small(meaning: &str) -> String {
    let mut letters = meaning.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn entry(root: &Json, row: &Row<'_>, indent: usize, text: &mut String) {
    let (key, pad) = (row.key, " ".repeat(indent));
    let item = resolved(root, &row.target["items"]);
    if row.target["properties"].is_object() {
        *text += &format!("{pad}{key}:\n");
        map(root, row.target, indent + 2, text);
    } else if let Some(inner) =
        named(root, row.target).filter(|inner| inner["properties"].is_object() && row.example().is_none())
    {
        let name = if key == "environments" { "production" } else { "web" };
        *text += &format!("{pad}{key}:\n{pad}  {name}:\n");
        map(root, inner, indent + 4, text);
    } else if item["properties"].is_object() {
        let mut inner = String::new();
        map(root, item, indent + 4, &mut inner);
        // The first key stands behind the dash; what is said of it, above.
        let (comments, rest) = inner.split_at(first_key(&inner));
        let comments = comments.replace(&format!("{pad}    #"), &format!("{pad}  #"));
        *text += &format!("{pad}{key}:\n{comments}{pad}  - {}", rest.trim_start());
    } else if let [(first, meaning, Some(settings)), others @ ..] = variants(row.target).as_slice() {
        *text += &format!("{pad}{key}:\n");
        variant(root, (first, meaning, settings), indent + 2, text);
        for (other, meaning, settings) in others {
            let mut own = String::new();
            comment(&format!("Or instead of `{first}`:"), indent + 2, &mut own);
            settings.iter().for_each(|settings| variant(root, (other, meaning, settings), indent + 2, &mut own));
            for (choice, _) in besides(row.target).iter().filter(|(_, key)| key == other) {
                for row in rows(root, choice).iter().filter(|row| row.key != *other) {
                    comment(&said(row), indent + 2, &mut own);
                    entry(root, row, indent + 2, &mut own);
                }
            }
            *text += &commented(&own, indent + 2);
        }
    } else {
        *text += &format!("{pad}{key}: {}\n", scalar(row));
    }
}

fn variant(root: &Json, (key, meaning, settings): (&str, &str, &Json), indent: usize, text: &mut String) {
    comment(meaning, indent, text);
    *text += &format!("{}{key}:\n", " ".repeat(indent));
    map(root, resolved(root, settings), indent + 2, text);
}

/// Where the first line begins that is no comment.
fn first_key(text: &str) -> usize {
    let lines = text.split_inclusive('\n').take_while(|line| line.trim_start().starts_with('#'));
    lines.map(str::len).sum()
}

/// An example, else the default, as YAML on one line.
fn scalar(row: &Row<'_>) -> String {
    let value = row.example().or(row.field.get("default")).cloned().unwrap_or_else(|| {
        // A number that can be only one thing.
        row.target["minimum"].clone()
    });
    flow(&value)
}

fn flow(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::String(text) => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-%".contains(c);
            let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && text.chars().all(is_plain);
            let is_unit = text.ends_with(['s', 'm', 'h', 'd', '%']) && text.chars().all(is_plain);
            if is_word || is_unit { text.clone() } else { value.to_string() }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

fn comment(said: &str, indent: usize, text: &mut String) {
    let start = format!("{}#", " ".repeat(indent));
    let mut line = start.clone();
    for word in said.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            *text += &format!("{line}\n");
            line.clone_from(&start);
        }
        line += &format!(" {word}");
    }
    *text += &format!("{line}\n");
}

/// Lines that are only shown.
fn commented(text: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let line = |line: &str| match line.strip_prefix(&format!("{pad}# ")) {
        Some(_) => format!("{line}\n"),
        None => format!("{pad}# {}\n", line.get(indent..).unwrap_or("")),
    };
    text.lines().map(line).collect()
}

#[test]
fn what_stands_instead_of_something_is_a_comment() {
    let root = serde_json::json!({
        "type": "object", "required": ["how"], "properties": {
            "how": { "description": "How.", "oneOf": [
                { "description": "Fast.", "properties": { "fast": { "properties": { "by": { "default": "5m" } } } } },
                { "description": "Slow.", "properties": { "slow": { "properties": { "by": { "default": 1 } } } } },
            ] },
            "other": { "description": "Another.", "x-instead-of": "how", "examples": ["a b"] },
        },
    });
    let text = pipeline(&root);
    let expected = "
# How. Required.
how:
  # Fast.
  fast:
    # Default: 5m.
    by: 5m
  # Or instead of `fast`:
  # Slow.
  # slow:
  #   # Default: 1.
  #   by: 1

# Another. Instead of `how`. Not there by default.
# other: \"a b\"
";
    assert_eq!(text.strip_prefix(INTRODUCTION), Some(expected));
}
