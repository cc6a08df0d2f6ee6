//! Shape of single values: type, length, pattern, range, unit.

use std::collections::BTreeMap;
use std::str::FromStr;

use regex_lite::Regex;

use crate::model::rolling::HostsLeft;
use crate::model::{Name, Percent, Period};
use crate::yaml::{Node, Problem, Value, clip};

use super::shape::Field;

/// Patterns that were compiled.
type Patterns<'s> = BTreeMap<&'s str, Option<Regex>>;

/// What is wrong with a value, if anything.
pub fn problem<'s>(node: &Node, field: &Field<'s, '_>, text: &str, patterns: &mut Patterns<'s>) -> Option<Problem> {
    let place = node.place_under(field.key);
    let (message, help) = match (field.schema["type"].as_str().unwrap_or_default(), &node.value) {
        (_, Value::Int(hosts)) if is_hosts(field) => (HostsLeft::of(*hosts).err()?, field.help.to_owned()),
        (_, Value::Text(hosts)) if is_hosts(field) => {
            (HostsLeft::from_str(&clip(hosts, 60)).err()?, field.help.to_owned())
        }
        ("boolean", Value::Bool(_)) => return None,
        ("integer", Value::Int(number)) => (range(*number, field)?, field.help.to_owned()),
        ("string", Value::Text(written)) => (string(written, field, patterns)?, field.help.to_owned()),
        (wanted, _) => (
            format!("{} must be {}, not {}", field.label, called(wanted, field), what(node, text)),
            hint(node, field, text),
        ),
    };
    let problem = Problem::at(place, message);
    Some(if help.is_empty() { problem } else { problem.help(help) })
}

fn is_hosts(field: &Field<'_, '_>) -> bool {
    field.schema["format"] == "hosts"
}

fn called<'f>(wanted: &'f str, field: &Field<'f, '_>) -> &'f str {
    match (wanted, field.schema["format"].as_str()) {
        (_, Some("period")) => "a length of time",
        (_, Some("percent")) => "a share",
        (_, Some("hosts")) => "a share or a count",
        (_, Some("name")) => "a name",
        ("boolean", _) => "true or false",
        ("integer", _) => "a whole number",
        ("string", _) => "text",
        ("array", _) => "a list",
        _ => "a map",
    }
}

/// A scalar as it is written; anything else by its kind.
fn what(node: &Node, text: &str) -> String {
    match node.value {
        Value::Null | Value::List(_) | Value::Map(_) => node.kind().to_owned(),
        _ => format!("`{}`", written(node, text)),
    }
}

fn written(node: &Node, text: &str) -> String {
    let slice = text.get(node.span.start..node.span.end).unwrap_or("");
    clip(slice.lines().next().unwrap_or("").trim_end(), 60)
}

/// How a value of the wrong type is written right.
fn hint(node: &Node, field: &Field<'_, '_>, text: &str) -> String {
    let written = written(node, text);
    let is_scalar = matches!(node.value, Value::Int(_) | Value::Float(_) | Value::Bool(_));
    match (field.schema["type"].as_str().unwrap_or_default(), field.schema["format"].as_str()) {
        ("string", Some("period" | "percent")) => {
            let units = field.schema["description"].as_str().unwrap_or_default();
            format!("with its unit: {}", units.split(": ").last().unwrap_or(units).trim_end_matches('.'))
        }
        ("string", _) if is_scalar => format!("write it in quotes: \"{written}\""),
        ("boolean", _) => "write true or false, without quotes".to_owned(),
        ("integer", _) if node.text().is_some() => "write digits, without quotes".to_owned(),
        ("array", _) if node.text().is_some() => format!("write [{written}]"),
        _ => field.help.to_owned(),
    }
}

fn range(number: i64, field: &Field<'_, '_>) -> Option<String> {
    let least = field.schema["minimum"].as_i64().unwrap_or(i64::MIN);
    let most = field.schema["maximum"].as_i64().unwrap_or(i64::MAX);
    let label = &field.label;
    match (number < least, number > most) {
        (false, false) => None,
        _ if least == most => Some(format!("{label} must be {least}, not {number}")),
        (true, _) => Some(format!("{label} must be at least {least}, not {number}")),
        (_, true) => Some(format!("{label} must be at most {most}, not {number}")),
    }
}

fn string<'s>(written: &str, field: &Field<'s, '_>, patterns: &mut Patterns<'s>) -> Option<String> {
    let limit = |keyword: &str| field.schema[keyword].as_u64().and_then(|limit| usize::try_from(limit).ok());
    let format = field.schema["format"].as_str();
    let is_fine = match format {
        Some("period") => Period::from_str(written).is_ok(),
        Some("percent") => Percent::from_str(written).is_ok(),
        Some("name") => Name::new(written).is_ok(),
        _ => false,
    };
    if is_fine {
        return None;
    }
    let (label, shown) = (&field.label, || clip(written, 60));
    match format {
        Some("period") => return Period::from_str(&shown()).err(),
        Some("percent") => return Percent::from_str(&shown()).err(),
        Some("name") => return Name::new(&shown()).err(),
        _ => {}
    }
    let length = written.chars().count();
    if length == 0 && limit("minLength").is_some_and(|least| least > 0) {
        return Some(format!("{label} is empty"));
    }
    if let Some(least) = limit("minLength").filter(|least| length < *least) {
        return Some(format!("{label} has {length} characters, at least {least} are needed"));
    }
    if let Some(most) = limit("maxLength").filter(|most| length > *most) {
        return Some(format!("{label} has {length} characters, at most {most} are possible"));
    }
    let pattern = field.schema["pattern"].as_str()?;
    let pattern = patterns.entry(pattern).or_insert_with(|| Regex::new(pattern).ok());
    let fits = pattern.as_ref().is_none_or(|pattern| pattern.is_match(written));
    (!fits).then(|| format!("{label} cannot be `{}`", shown()))
}
