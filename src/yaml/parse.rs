//! Text → tree, within a budget. Every syntax error is a problem with a place; nothing is guessed.

use serde_yaml::budget::BudgetBreach;
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Error, Location, MessageFormatter, Options, UserMessageFormatter};

use super::node::{Node, Span, Value};
use super::problem::{Problem, Problems};

/// The largest text that is read.
pub const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting.
pub const MAX_DEPTH: usize = 64;
/// The largest number of values, aliases expanded.
pub const MAX_NODES: usize = 20_000;

/// Reads one YAML document. `name` is what the text is called in messages.
///
/// # Errors
/// The first thing that is not YAML, or what goes beyond the budget.
pub fn parse(text: &str, name: &str) -> Result<Node, Problems> {
    let refuse = |problem: Problem| Problems::new(name, text, vec![problem]);
    if text.len() > MAX_BYTES {
        return Err(Problems::whole(name, Problem::whole("larger than 1 MiB")));
    }
    if let Some(problem) = control_character(text) {
        return Err(refuse(problem));
    }
    match on_a_deep_stack(|| {
        serde_yaml::from_str_with_options::<Node>(text, options()).map_err(|error| problem(&error, text))
    }) {
        Ok(node) if node.value == Value::Null && node.span.start == node.span.end => {
            Err(Problems::whole(name, Problem::whole("empty")))
        }
        Ok(node) => Ok(node),
        Err(problem) => Err(refuse(problem)),
    }
}

/// The parser recurses, and a caller's thread may have too little stack left for 64 levels (2 MiB are not enough in a
/// debug build).
pub(super) fn on_a_deep_stack<T: Send>(parse: impl FnOnce() -> Result<T, Problem> + Send) -> Result<T, Problem> {
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("yaml".to_owned()).stack_size(16 << 20).spawn_scoped(scope, parse);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(Problem::whole("cannot be read: no thread to spare")),
        }
    })
}

pub(super) fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH + 1,
            max_nodes: MAX_NODES,
            max_events: 8 * MAX_NODES,
            max_aliases: 1000,
            max_anchors: 1000,
            max_recorded_anchor_events: 8 * MAX_NODES,
            max_recorded_anchor_bytes: 4 * MAX_BYTES,
            max_total_scalar_bytes: 4 * MAX_BYTES,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The parser lets some control characters through; in a file for people they are a mistake or an attack.
pub(super) fn control_character(text: &str) -> Option<Problem> {
    let is_stray = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    let (start, found) = text.char_indices().find(|(_, c)| is_stray(*c))?;
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let span = Span { line, column, start, end: start + found.len_utf8() };
    Some(Problem::at(span, format!("the control character {} does not belong here", found.escape_unicode())))
}

pub(super) fn problem(error: &Error, text: &str) -> Problem {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let at = |message: &str| match location {
        Location::UNKNOWN => Problem::whole(message),
        known => Problem::at(known.into(), message),
    };
    let error = match error.without_snippet() {
        Error::AliasError { error, .. } => error,
        other => other,
    };
    match error {
        Error::Eof { .. } => Problem::whole("empty"),
        Error::DuplicateMappingKey { .. } => {
            let key = slice(text, location);
            at(&format!("the key `{}` stands here a second time", super::clip(key, 60))).help("remove one of them")
        }
        Error::MultipleDocuments { .. } => at("a second document begins here").help("one file holds one document"),
        Error::MergeKeyNotAllowed { .. } => {
            at("`<<` does not merge here").help("write the keys out, or let an alias stand for a whole value")
        }
        Error::UnknownAnchor { .. } => at("this alias has no anchor"),
        Error::Budget { breach, .. } => at(&over_budget(breach)),
        Error::UnsupportedTag { tag, .. } => at(&format!("the tag `{}` means nothing here", super::clip(tag, 60))),
        other => reworded(&UserMessageFormatter.format_message(other), at),
    }
}

/// The parser's commonest complaints in the words of somebody who looks at a file.
fn reworded(message: &str, at: impl Fn(&str) -> Problem) -> Problem {
    let is = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if is(&["mapping values are not allowed", "illegal placement of ':'"]) {
        at("a `:` cannot stand here").help(
            "quote a value with `: ` in it; begin the keys of a map in one column; close brackets and quotes above",
        )
    } else if is(&["quoted scalar"]) && is(&["indentation", "end of stream"]) {
        at("a quote is still open here").help("close it where the value ends")
    } else if is(&["did not find expected key", "expected '-' indicator"]) {
        at("this does not fit the columns of the lines above").help("begin what belongs together in one column")
    } else if is(&["parsing a flow"]) {
        at("a comma is missing before this, or a bracket is still open")
    } else if is(&["simple key expect"]) {
        at("a key needs a `:` after it")
    } else if is(&["recursion limit"]) {
        at(&too_deep())
    } else if is(&["expected string scalar"]) {
        at("a key is text").help("a list or a map cannot be a key")
    } else if is(&["tabs disallowed"]) {
        at("a tab cannot indent").help("use spaces")
    } else {
        let mut letters = message.chars();
        let first = letters.next().map(char::to_lowercase);
        at(&first.into_iter().flatten().chain(letters).collect::<String>())
    }
}

fn over_budget(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => format!("more than {MAX_NODES} values"),
        _ => "anchors and aliases expand to more than a pipeline needs".to_owned(),
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

fn slice(text: &str, location: Location) -> &str {
    let span = Span::from(location);
    text.get(span.start..span.end).unwrap_or("").trim_end()
}
