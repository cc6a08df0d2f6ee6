//! AWS JSON 1.0 and 1.1: moments are numbers, epoch seconds with milliseconds.

use serde_json::Value;

use super::{MAX_DEPTH, Malformed};
use crate::doc::Doc;

/// Reads a request's body; an empty one is an empty map.
///
/// # Errors
/// It is not JSON, not an object, or nests too deep.
pub fn decode(body: &[u8]) -> Result<Doc, Malformed> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Doc::Map(Vec::new()));
    }
    // serde_json itself stops at 128 levels, so reading cannot exhaust the stack.
    let value: Value = serde_json::from_slice(body).map_err(|error| Malformed::new(error.to_string()))?;
    match value {
        Value::Object(_) => doc(value, 0),
        _ => Err(Malformed::new("Start of structure or map found where not expected.")),
    }
}

fn doc(value: Value, depth: usize) -> Result<Doc, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed::new("the document nests too deep"));
    }
    Ok(match value {
        Value::Null => Doc::Null,
        Value::Bool(value) => Doc::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Doc::Int(whole),
            None => Doc::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Doc::Text(text),
        Value::Array(items) => Doc::List(items.into_iter().map(|item| doc(item, depth + 1)).collect::<Result<_, _>>()?),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| Ok((name, doc(value, depth + 1)?)));
            Doc::Map(members.collect::<Result<_, Malformed>>()?)
        }
    })
}

/// Writes an answer. `Null` members are left out; a `Null` answer is an empty body, as of operations without output.
pub fn encode(doc: &Doc) -> String {
    let mut text = String::new();
    if !doc.is_null() {
        write(&mut text, doc);
    }
    text
}

/// The body of an error.
pub fn error(code: &str, message: &str) -> String {
    encode(&Doc::Map(vec![("__type".to_owned(), code.into()), ("message".to_owned(), message.into())]))
}

fn write(out: &mut String, doc: &Doc) {
    match doc {
        Doc::Null => out.push_str("null"),
        Doc::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Doc::Int(number) => out.push_str(&number.to_string()),
        Doc::Float(number) if number.is_finite() => out.push_str(&format!("{number:?}")),
        Doc::Float(number) => string(out, &float_name(*number)),
        Doc::Text(text) => string(out, text),
        Doc::Time(at) => {
            let ms = at.as_millisecond();
            let sign = if ms < 0 { "-" } else { "" };
            out.push_str(&format!("{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000));
        }
        Doc::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { "," });
                write(out, item);
            }
            out.push(']');
        }
        Doc::Map(members) => {
            out.push('{');
            for (n, (name, value)) in members.iter().filter(|(_, value)| !value.is_null()).enumerate() {
                out.push_str(if n == 0 { "" } else { "," });
                string(out, name);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

/// How AWS spells the floats that JSON and XML have no number for.
pub(super) fn float_name(number: f64) -> String {
    match number {
        n if n.is_nan() => "NaN".to_owned(),
        n if n == f64::INFINITY => "Infinity".to_owned(),
        n if n == f64::NEG_INFINITY => "-Infinity".to_owned(),
        n => format!("{n:?}"),
    }
}

fn string(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}
