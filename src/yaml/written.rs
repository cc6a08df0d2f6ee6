//! YAML as libyaml reads it, before anybody has decided what a scalar is. Ruby's own library and the archived crate
//! `serde_yaml` are both built on libyaml, so that what is no YAML here is none for programs that use either.

use std::collections::BTreeMap;
use std::io::{Chain, Cursor, Read};

use libyaml_safer::{Encoding, Error, Event, EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle};

use super::node::Span;
use super::parse::{MAX_BYTES, MAX_NODES, reworded};
use super::problem::Problem;

/// The deepest nesting: libyaml's users have no limit of their own for what they pass over.
const MAX_DEPTH: usize = 400;

/// A value as it is written, and its place.
#[derive(Clone, Debug)]
pub struct Written {
    /// Where it stands; of a list or a map, where it begins.
    pub span: Span,
    /// Its tag, the handles expanded; none for a bare `!`.
    pub tag: Option<String>,
    /// What it is.
    pub what: What,
}

/// What is written.
#[derive(Clone, Debug)]
pub enum What {
    /// Text, escapes and folds resolved.
    Scalar(Scalar),
    /// A list.
    List(Vec<Written>),
    /// Keys and values, in the order of the file.
    Map(Vec<(Written, Written)>),
    /// An alias, and what it stands for; `None` inside of its own anchor.
    Alias(Option<Box<Written>>),
}

/// Text and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// Its form.
    pub form: Form,
    /// Whether it is text whatever it looks like: in quotes or as a block, and without a tag.
    pub is_text: bool,
}

/// Forms of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Without quotes.
    Plain,
    /// In quotes.
    Quoted,
    /// A block after `|`.
    Literal,
    /// A block after `>`.
    Folded,
}

/// The first document of a text.
#[derive(Debug)]
pub struct Document {
    /// What stands in it; `None` if the text holds no document.
    pub root: Option<Written>,
    /// Where something follows it.
    pub more: Option<Span>,
    /// The first alias.
    pub alias: Option<Span>,
}

impl Written {
    /// The same without the aliases before it.
    pub fn meant(&self) -> &Written {
        match &self.what {
            What::Alias(Some(stands_for)) => stands_for.meant(),
            What::Alias(None) | What::Scalar(_) | What::List(_) | What::Map(_) => self,
        }
    }

    /// Its scalar, if it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.meant().what {
            What::Scalar(scalar) => Some(scalar),
            What::List(_) | What::Map(_) | What::Alias(_) => None,
        }
    }

    fn size(&self) -> usize {
        match &self.what {
            What::Scalar(_) | What::Alias(None) => 1,
            What::List(items) => 1 + items.iter().map(Written::size).sum::<usize>(),
            What::Map(entries) => 1 + entries.iter().map(|(key, value)| key.size() + value.size()).sum::<usize>(),
            What::Alias(Some(stands_for)) => 1 + stands_for.size(),
        }
    }
}

/// Reads the first document.
///
/// # Errors
/// The first thing that is not YAML, or what goes beyond the budget.
pub fn document(text: &str) -> Result<Document, Problem> {
    if text.len() > MAX_BYTES {
        return Err(Problem::whole("larger than 1 MiB"));
    }
    let mut parser = Parser::new();
    parser.set_encoding(Encoding::Utf8);
    // The port panics where a block ends with the text.
    parser.set_input(Cursor::new(text.as_bytes()).chain(Cursor::new(b"\n".as_slice())));
    let mut reader = Reader { parser, places: Places::of(text), text, anchors: BTreeMap::new(), nodes: 0, alias: None };
    reader.document()
}

/// A text, and the line break behind it.
type Source<'t> = Chain<Cursor<&'t [u8]>, Cursor<&'static [u8]>>;

struct Reader<'t> {
    parser: Parser<Source<'t>>,
    places: Places<'t>,
    text: &'t str,
    /// What each anchor marks; `None` while it is being read.
    anchors: BTreeMap<String, Option<Written>>,
    nodes: usize,
    alias: Option<Span>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Document, Problem> {
        let mut root = None;
        loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamEnd => break,
                EventData::DocumentEnd { .. } => {
                    let more = self.more();
                    return Ok(Document { root, more, alias: self.alias });
                }
                EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
                _ => root = Some(self.node(event, 0)?),
            }
        }
        Ok(Document { root, more: None, alias: self.alias })
    }

    /// Where something follows the first document, be it YAML or not.
    fn more(&mut self) -> Option<Span> {
        match self.parser.parse() {
            Ok(event) if matches!(event.data, EventData::StreamEnd) => None,
            Ok(event) => Some(self.span(event.start_mark, event.end_mark)),
            Err(error) => Some(self.fault(&error).span.unwrap_or_default()),
        }
    }

    fn next(&mut self) -> Result<Event, Problem> {
        self.parser.parse().map_err(|error| self.fault(&error))
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Written, Problem> {
        let span = self.span(event.start_mark, event.end_mark);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Problem::at(span, format!("more than {MAX_NODES} values")));
        }
        if depth > MAX_DEPTH {
            return Err(Problem::at(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let begins = |is_flow: bool| Span { end: if is_flow { span.start + 1 } else { span.start }, ..span };
        let (anchor, node) = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, span),
            EventData::Scalar { anchor, tag, value, quoted_implicit, style, .. } => {
                let form = match style {
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Form::Quoted,
                    ScalarStyle::Literal => Form::Literal,
                    ScalarStyle::Folded => Form::Folded,
                    _ => Form::Plain,
                };
                let scalar = Scalar { text: value, form, is_text: quoted_implicit };
                (anchor, Written { span: self.trimmed(span), tag, what: What::Scalar(scalar) })
            }
            EventData::SequenceStart { anchor, tag, style, .. } => {
                self.begin(anchor.as_ref());
                let mut items = Vec::new();
                loop {
                    let event = self.next()?;
                    if matches!(event.data, EventData::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, depth + 1)?);
                }
                (anchor, Written { span: begins(style == SequenceStyle::Flow), tag, what: What::List(items) })
            }
            EventData::MappingStart { anchor, tag, style, .. } => {
                self.begin(anchor.as_ref());
                let mut entries = Vec::new();
                loop {
                    let event = self.next()?;
                    if matches!(event.data, EventData::MappingEnd) {
                        break;
                    }
                    let key = self.node(event, depth + 1)?;
                    let event = self.next()?;
                    entries.push((key, self.node(event, depth + 1)?));
                }
                (anchor, Written { span: begins(style == MappingStyle::Flow), tag, what: What::Map(entries) })
            }
            _ => return Err(Problem::at(span, "this cannot be read")),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    fn begin(&mut self, anchor: Option<&String>) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor.clone(), None);
        }
    }

    fn alias(&mut self, anchor: &str, span: Span) -> Result<Written, Problem> {
        self.alias.get_or_insert(span);
        let Some(stands_for) = self.anchors.get(anchor) else {
            let problem = Problem::at(span, "this alias has no anchor");
            return Err(problem.help("mark the value it stands for with `&name`"));
        };
        self.nodes += stands_for.as_ref().map_or(0, Written::size);
        if self.nodes > MAX_NODES {
            return Err(Problem::at(span, format!("aliases expand to more than {MAX_NODES} values")));
        }
        Ok(Written { span, tag: None, what: What::Alias(stands_for.clone().map(Box::new)) })
    }

    fn span(&self, from: Mark, to: Mark) -> Span {
        let (start, end) = (self.places.byte(from), self.places.byte(to));
        self.places.span(start, end.max(start))
    }

    /// Without the line breaks behind a block.
    fn trimmed(&self, span: Span) -> Span {
        let written = self.text.get(span.start..span.end).unwrap_or("");
        Span { end: span.start + written.trim_end().len(), ..span }
    }

    fn fault(&self, error: &Error) -> Problem {
        let place = error.problem_mark().or_else(|| error.context_mark());
        let Some(mark) = place else { return self.unreadable(error) };
        let start = self.places.byte(mark);
        let found = self.text.get(start..).and_then(|rest| rest.chars().next());
        let span = self.places.span(start, start + found.map_or(0, char::len_utf8));
        if found == Some('\t') || error.problem().contains("tab") {
            return Problem::at(span, "a tab cannot stand here").help("use spaces");
        }
        let context = error.context().unwrap_or_default();
        reworded(&format!("{} {context}", error.problem()), |message| Problem::at(span, message))
    }

    /// What libyaml does not even take for text has no mark; it is the first character that YAML does not allow.
    fn unreadable(&self, error: &Error) -> Problem {
        let is_allowed = |c: char| {
            matches!(c, '\t' | '\n' | '\r' | ' '..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
                || c >= '\u{10000}'
        };
        match self.text.char_indices().find(|(_, c)| !is_allowed(*c)) {
            Some((start, found)) => {
                let message = format!("the control character {} does not belong here", found.escape_unicode());
                Problem::at(self.places.span(start, start + found.len_utf8()), message)
            }
            None => Problem::whole(format!("cannot be read: {error}")),
        }
    }
}

/// From bytes to lines.
struct Places<'t> {
    text: &'t str,
    /// The byte at which each line begins.
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    fn of(text: &'t str) -> Places<'t> {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Places { text, lines: std::iter::once(0).chain(breaks).collect() }
    }

    /// The byte of a mark.
    fn byte(&self, mark: Mark) -> usize {
        let at = usize::try_from(mark.index).unwrap_or(usize::MAX).min(self.text.len());
        (0..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let line = self.lines.partition_point(|begin| *begin <= start).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(begin..start).map_or(1, |before| before.chars().count() + 1);
        Span { line, column, start, end }
    }
}
