//! Text → tree, within a budget. Every syntax error is a problem with a place; nothing is guessed.

use std::collections::BTreeMap;

use serde_yaml::budget::BudgetBreach;
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Error, Location, MessageFormatter, Options, UserMessageFormatter};

use super::draft::{Draft, byte_of, span_of};
use super::mend::mend;
use super::node::{Entry, Node, Span, Value};
use super::problem::{Problem, Problems};

/// The largest text that is read.
pub const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting.
pub const MAX_DEPTH: usize = 64;
/// The largest number of values, aliases expanded: a thousand targets are some forty thousand.
pub const MAX_NODES: usize = 100_000;
/// The most events that anchors may hold for their aliases: memory is what an alias costs.
const MAX_RECORDED: usize = 160_000;
/// So often a text is mended before the rest of it is left alone.
const MENDS: usize = 12;

/// Reads one YAML document. `name` is what the text is called in messages.
///
/// # Errors
/// Everything that is not YAML, as far as one can see past it, or what goes beyond the budget.
pub fn parse(text: &str, name: &str) -> Result<Node, Problems> {
    let Read { node, problems, .. } = read(text, name)?;
    if problems.is_empty() { Ok(node) } else { Err(Problems::new(name, text, problems)) }
}

/// A tree, and what had to be mended to get it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The tree, as it was probably meant.
    pub node: Node,
    /// What is wrong with the text; empty if nothing is.
    pub problems: Vec<Problem>,
    /// Single values of which nobody knows whether they are meant, because their key stands again with another.
    pub doubtful: Vec<Span>,
}

/// Reads one YAML document and sees past mistakes that can be mended: tabs, open quotes, keys that stand twice, a
/// second document.
///
/// # Errors
/// A text that gives no tree.
pub fn read(text: &str, name: &str) -> Result<Read, Problems> {
    if text.len() > MAX_BYTES {
        return Err(Problems::whole(name, Problem::whole("larger than 1 MiB")));
    }
    if let Some(problem) = control_character(text) {
        return Err(Problems::new(name, text, vec![problem]));
    }
    let mut problems = Vec::new();
    let mut draft = Draft::of(text);
    let mut keys = Keys::Once;
    let mut outcome = tree(draft.text(), keys);
    for _ in 0..MENDS {
        let fault = match outcome {
            Ok(node) => return finish(node, &draft, problems, name),
            Err(fault) => fault,
        };
        if fault.trouble == Trouble::Duplicate && keys == Keys::Once {
            problems.push(placed(&fault.problem, &draft));
            keys = Keys::Repeated;
            outcome = tree(draft.text(), keys);
            continue;
        }
        let mend = mend(&draft, &fault);
        problems.push(placed(mend.as_ref().map_or(&fault.problem, |mend| &mend.problem), &draft));
        // What is not understood after a mend may be the mend's own fault, so only a draft that leads on is taken.
        let leads_on = |tried: &Result<Node, Fault>| match tried {
            Ok(_) => true,
            Err(fault) => fault.trouble != Trouble::Other,
        };
        let tried = mend.into_iter().flat_map(|mend| mend.drafts).map(|tried| (tree(tried.text(), keys), tried));
        let Some((next, tried)) = tried.into_iter().find(|(tried, _)| leads_on(tried)) else {
            return Err(Problems::new(name, text, problems));
        };
        (outcome, draft) = (next, tried);
    }
    Err(Problems::new(name, text, problems))
}

fn placed(problem: &Problem, draft: &Draft<'_>) -> Problem {
    Problem { span: problem.span.map(|span| draft.place(span)), ..problem.clone() }
}

fn finish(mut node: Node, draft: &Draft<'_>, mut problems: Vec<Problem>, name: &str) -> Result<Read, Problems> {
    if problems.is_empty() && node.value == Value::Null && node.span.start == node.span.end {
        return Err(Problems::whole(name, Problem::whole("empty")));
    }
    draft.put_back(&mut node);
    let mut doubtful = Vec::new();
    if !problems.is_empty() {
        once(&mut node, &mut problems, &mut doubtful);
        problems.sort();
        problems.dedup();
    }
    Ok(Read { node, problems, doubtful })
}

/// Leaves the first of keys that stand twice.
fn once(node: &mut Node, problems: &mut Vec<Problem>, doubtful: &mut Vec<Span>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| once(item, problems, doubtful)),
        Value::Map(entries) => {
            let mut seen: BTreeMap<String, Span> = BTreeMap::new();
            entries.retain_mut(|Entry { key, value }| {
                if let Some(first) = seen.get(&key.text) {
                    problems.push(twice(key.span, &key.text));
                    doubtful.push(*first);
                    return false;
                }
                seen.insert(key.text.clone(), value.place_under(key.span));
                once(value, problems, doubtful);
                true
            });
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

fn twice(span: Span, key: &str) -> Problem {
    Problem::at(span, format!("the key `{}` stands here a second time", super::clip(key, 60)))
        .help("remove one of them")
}

/// Whether a key may stand twice in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Once,
    Repeated,
}

/// Why a text gives no tree.
#[derive(Debug)]
pub struct Fault {
    /// What kind of mistake it looks like.
    pub trouble: Trouble,
    /// The line where the parser gave up.
    pub line: usize,
    /// The column there.
    pub column: usize,
    /// What is said if nothing better is known.
    pub problem: Problem,
}

/// Kinds of faults, by what can be done about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A tab indents.
    Tab,
    /// A quote is not closed.
    Quote,
    /// A second document begins.
    Document,
    /// A key stands twice.
    Duplicate,
    /// The rest of the text means nothing.
    Other,
}

fn tree(text: &str, keys: Keys) -> Result<Node, Fault> {
    on_a_deep_stack(|| {
        serde_yaml::from_str_with_options::<Node>(text, options(keys)).map_err(|error| fault(&error, text))
    })
}

/// The parser recurses, and a caller's thread may have too little stack left for 64 levels (2 MiB are not enough in a
/// debug build).
pub(super) fn on_a_deep_stack<T: Send>(parse: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("yaml".to_owned()).stack_size(16 << 20).spawn_scoped(scope, parse);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => {
                let problem = Problem::whole("cannot be read: no thread to spare");
                Err(Fault { trouble: Trouble::Other, line: 1, column: 1, problem })
            }
        }
    })
}

pub(super) fn options(keys: Keys) -> Options {
    let duplicates = match keys {
        Keys::Once => DuplicateKeyPolicy::Error,
        Keys::Repeated => DuplicateKeyPolicy::LastWins,
    };
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH + 1,
            max_nodes: MAX_NODES,
            max_events: 8 * MAX_NODES,
            max_aliases: 1000,
            max_anchors: 1000,
            max_recorded_anchor_events: MAX_RECORDED,
            max_recorded_anchor_bytes: 4 * MAX_BYTES,
            max_total_scalar_bytes: 4 * MAX_BYTES,
        },
        duplicate_keys: duplicates,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The parser lets some control characters through; in a file for people they are a mistake or an attack.
pub(super) fn control_character(text: &str) -> Option<Problem> {
    // Control characters are one of these bytes or begin with 0xc2; most files have none of them.
    let is_suspect = |byte: u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 0x7f | 0xc2);
    if !text.bytes().any(is_suspect) {
        return None;
    }
    let is_stray = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    let (start, found) = text.char_indices().find(|(_, c)| is_stray(*c))?;
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let span = Span { line, column, start, end: start + found.len_utf8() };
    Some(Problem::at(span, format!("the control character {} does not belong here", found.escape_unicode())))
}

pub(super) fn fault(error: &Error, text: &str) -> Fault {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let message = UserMessageFormatter.format_message(error);
    let is = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    let trouble = match error.without_snippet() {
        Error::MultipleDocuments { .. } => Trouble::Document,
        Error::DuplicateMappingKey { .. } => Trouble::Duplicate,
        _ if is(&["tabs disallowed", "found a tab"]) => Trouble::Tab,
        _ if is(&[
            "unclosed quote",
            "in multiline quoted scalar",
            "trailing content after",
            "quoted scalar, found",
        ]) =>
        {
            Trouble::Quote
        }
        _ => Trouble::Other,
    };
    let Span { line, column, .. } = location.into();
    let written = text.lines().nth(line.saturating_sub(1)).unwrap_or("");
    let is_tabbed = written[..written.len() - written.trim_start().len()].contains('\t');
    let trouble = if trouble == Trouble::Other && is_tabbed { Trouble::Tab } else { trouble };
    Fault { trouble, line, column, problem: problem(error, text) }
}

fn problem(error: &Error, text: &str) -> Problem {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let at = |message: &str| match location {
        Location::UNKNOWN => Problem::whole(message),
        known => Problem::at(known.into(), message),
    };
    let error = match error.without_snippet() {
        Error::AliasError { error, .. } => error,
        other => other,
    };
    if let Some(span) = unquoted_variable(text, location) {
        let shown = text.get(span.start..span.end).unwrap_or("");
        return Problem::at(span, "a variable must stand in quotes inside brackets").help(format!("write \"{shown}\""));
    }
    match error {
        Error::Eof { .. } => Problem::whole("empty"),
        Error::DuplicateMappingKey { key, .. } => {
            twice(location.into(), key.as_deref().unwrap_or_else(|| slice(text, location)))
        }
        Error::MultipleDocuments { .. } => at("a second document begins here").help("one file holds one document"),
        Error::MergeKeyNotAllowed { .. } => {
            at("`<<` does not merge here").help("write the keys out, or let an alias stand for a whole value")
        }
        Error::UnknownAnchor { .. } => at("this alias has no anchor").help("mark the value it stands for with `&name`"),
        Error::Budget { breach, .. } => at(&over_budget(breach)),
        Error::UnsupportedTag { tag, .. } => at(&format!("the tag `{}` means nothing here", super::clip(tag, 60)))
            .help("remove it; put a value that begins with ! in quotes"),
        other => reworded(&UserMessageFormatter.format_message(other), at),
    }
}

/// A variable at which the parser gave up because `{` opens a map.
fn unquoted_variable(text: &str, location: Location) -> Option<Span> {
    let at = byte_of(text, location.line() as usize, location.column() as usize);
    let start = at.checked_sub(1).filter(|start| text.get(*start..).is_some_and(|rest| rest.starts_with("${")))?;
    let line = text[start..].lines().next()?;
    let length = line.find('}').map_or(line.trim_end().len(), |end| end + 1);
    Some(span_of(text, start, start + length))
}

/// The parser's commonest complaints in the words of somebody who looks at a file.
pub(super) fn reworded(message: &str, at: impl Fn(&str) -> Problem) -> Problem {
    let is = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if is(&["mapping values are not allowed", "illegal placement of ':'"]) {
        at("a `:` cannot stand here").help(
            "quote a value with `: ` in it; begin the keys of a map in one column; close brackets and quotes above",
        )
    } else if is(&["trailing content after"]) {
        at("a value in quotes ended before this")
            .help("put the whole value in quotes; write a quote inside it as '' or \\\"")
    } else if is(&["unclosed quote", "in multiline quoted scalar", "quoted scalar, found", "scanning a quoted scalar"])
    {
        at("a quote is still open here").help("close it where the value ends")
    } else if is(&["did not find expected key", "expected '-' indicator"]) {
        at("this does not fit the columns of the lines above").help("begin what belongs together in one column")
    } else if is(&["parsing a flow"]) {
        at("a comma is missing before this, or a bracket is still open")
            .help("put commas between items, and close what is open")
    } else if is(&["simple key expect"]) {
        at("a key needs a `:` after it").help("write `key: value`")
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
