//! The query protocol: a flat form in, XML out. EC2's dialect differs in lists and wrappers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::xml::Document;
use super::{Malformed, json, percent};
use crate::doc::Doc;

/// What the query protocol of one service looks like.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// The API's version, as requests name it.
    pub version: &'static str,
    /// The namespace of answers.
    pub namespace: &'static str,
    /// EC2 has no result wrapper, `item` for `member`, and its own errors.
    pub ec2: bool,
}

/// A request: which operation, of which version of the API, with what.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The operation.
    pub action: String,
    /// As the request names it; empty if it does not.
    pub version: String,
    /// All other parameters, nested.
    pub input: Doc,
}

/// A parameter: its own value, and what is below it.
#[derive(Default)]
struct Node {
    value: Option<String>,
    below: BTreeMap<String, Node>,
}

/// Reads a form. `A.member.1.B=x` nests as `A: [{B: x}]`, an empty list is a bare `A=`, which reads as empty text.
///
/// # Errors
/// Too many parameters or levels.
pub fn decode(form: &str) -> Result<Call, Malformed> {
    const PARAMETERS: usize = 20_000;
    const LEVELS: usize = 24;
    let mut root = Node::default();
    let (mut action, mut version) = (String::new(), String::new());
    for (n, (name, value)) in percent::pairs(form).enumerate() {
        if n == PARAMETERS || name.split('.').count() > LEVELS {
            return Err(Malformed::new("the request has too many parameters or levels"));
        }
        match name.as_str() {
            "Action" => action = value,
            "Version" => version = value,
            // A presigned URL carries its signature beside the parameters.
            name if name.starts_with("X-Amz-") => {}
            name => {
                let node = name.split('.').fold(&mut root, |node, part| node.below.entry(part.to_owned()).or_default());
                node.value = Some(value);
            }
        }
    }
    let members = root.below.into_iter().map(|(name, node)| (name, nested(node))).collect();
    Ok(Call { action, version, input: Doc::Map(members) })
}

fn nested(mut node: Node) -> Doc {
    let wrapper = ["member", "entry"].into_iter().find(|name| node.below.contains_key(*name));
    if let (Some(name), 1) = (wrapper, node.below.len()) {
        match node.below.remove(name) {
            Some(list) if is_list(&list) => return items(list),
            // `A.member=` is an empty list too; anything else is a member that is called so.
            Some(list) if list.below.is_empty() => return Doc::List(Vec::new()),
            Some(other) => node.below.insert(name.to_owned(), other),
            None => None,
        };
    }
    if is_list(&node) {
        return items(node);
    }
    match node.value {
        Some(value) if node.below.is_empty() => Doc::Text(value),
        _ => Doc::Map(node.below.into_iter().map(|(name, node)| (name, nested(node))).collect()),
    }
}

fn is_list(node: &Node) -> bool {
    !node.below.is_empty() && node.below.keys().all(|name| name.parse::<u32>().is_ok())
}

fn items(node: Node) -> Doc {
    let mut items: Vec<(u32, Node)> =
        node.below.into_iter().filter_map(|(name, item)| Some((name.parse().ok()?, item))).collect();
    items.sort_by_key(|(index, _)| *index);
    Doc::List(items.into_iter().map(|(_, item)| nested(item)).collect())
}

/// Writes an answer. `Null` is the answer of an operation without output: it has no result element.
pub fn encode(dialect: &Dialect, action: &str, answer: &Doc, request_id: &str) -> String {
    let mut out = Document::default();
    out.root(&format!("{action}Response"), dialect.namespace, |out| {
        if dialect.ec2 {
            out.text("requestId", request_id);
            members(out, answer, "item");
            return;
        }
        if !answer.is_null() {
            out.element(&format!("{action}Result"), |out| members(out, answer, "member"));
        }
        out.element("ResponseMetadata", |out| {
            out.text("RequestId", request_id);
        });
    });
    out.finish()
}

/// The body of an error.
pub fn error(dialect: &Dialect, status: u16, code: &str, message: &str, request_id: &str) -> String {
    let mut out = Document::default();
    if dialect.ec2 {
        out.element("Response", |out| {
            out.element("Errors", |out| {
                out.element("Error", |out| {
                    out.text("Code", code).text("Message", message);
                });
            });
            out.text("RequestID", request_id);
        });
        return out.finish();
    }
    out.root("ErrorResponse", dialect.namespace, |out| {
        let whose = if status >= 500 { "Receiver" } else { "Sender" };
        out.element("Error", |out| {
            out.text("Type", whose).text("Code", code).text("Message", message);
        });
        out.text("RequestId", request_id);
    });
    out.finish()
}

fn members(out: &mut Document, doc: &Doc, item: &str) {
    if let Doc::Map(members) = doc {
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            element(out, name, value, item);
        }
    }
}

fn element(out: &mut Document, name: &str, doc: &Doc, item: &str) {
    match doc {
        Doc::Map(_) => {
            out.element(name, |out| members(out, doc, item));
        }
        Doc::List(items) => {
            out.element(name, |out| items.iter().for_each(|value| element(out, item, value, item)));
        }
        scalar => {
            out.text(name, plain(scalar));
        }
    }
}

fn plain(doc: &Doc) -> String {
    match doc {
        Doc::Bool(value) => value.to_string(),
        Doc::Int(number) => number.to_string(),
        Doc::Float(number) => json::float_name(*number),
        Doc::Text(text) => text.clone(),
        Doc::Time(at) => iso(*at),
        Doc::Null | Doc::List(_) | Doc::Map(_) => String::new(),
    }
}

/// A moment as XML answers have it, milliseconds only if there are any.
pub fn iso(at: Timestamp) -> String {
    let fraction = if at.subsec_millisecond() == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%3fZ" };
    at.strftime(fraction).to_string()
}
