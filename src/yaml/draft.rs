//! A text in which some places are mended so that the rest of it can be read, and the way back to the original.

use super::node::{Node, Span, Value};

/// A text with edits. An edit never adds or removes a line break, but the last may cut the text off.
#[derive(Clone)]
pub struct Draft<'t> {
    original: &'t str,
    text: String,
    /// Sorted by place; no two overlap.
    edits: Vec<Edit>,
}

/// Bytes of the original, and what stands there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// What stands there instead.
    pub with: String,
}

impl<'t> Draft<'t> {
    /// The text as it is.
    pub fn of(original: &'t str) -> Draft<'t> {
        Draft { original, text: original.to_owned(), edits: Vec::new() }
    }

    /// What is read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same with more edits, whose places are bytes of this draft's text; they may not touch earlier edits.
    pub fn edited(&self, more: &[Edit]) -> Draft<'t> {
        let back = |edit: &Edit| Edit { start: self.back(edit.start), end: self.back(edit.end), ..edit.clone() };
        let mut edits: Vec<Edit> = self.edits.iter().cloned().chain(more.iter().map(back)).collect();
        edits.sort_by_key(|edit| edit.start);
        let (mut text, mut done) = (String::with_capacity(self.original.len()), 0);
        for edit in &edits {
            text.push_str(self.original.get(done..edit.start).unwrap_or(""));
            text.push_str(&edit.with);
            done = edit.end.max(done);
        }
        text.push_str(self.original.get(done..).unwrap_or(""));
        Draft { original: self.original, text, edits }
    }

    /// The place in the original of a byte of the draft; inside an edit, where the edit begins.
    fn back(&self, at: usize) -> usize {
        // `gone` bytes of the original before the edits so far are `grown` bytes of the draft.
        let (mut gone, mut grown) = (0, 0);
        for edit in &self.edits {
            let begins = edit.start - gone + grown;
            if at <= begins {
                break;
            }
            if at < begins + edit.with.len() {
                return edit.start;
            }
            gone += edit.end - edit.start;
            grown += edit.with.len();
        }
        (at + gone).saturating_sub(grown).min(self.original.len())
    }

    /// A span of the original for a span of the draft.
    pub fn place(&self, span: Span) -> Span {
        if self.edits.is_empty() {
            return span;
        }
        let start = self.back(span.start);
        let line = self.original.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let column = self.original.get(line..start).map_or(span.column, |before| before.chars().count() + 1);
        Span { line: span.line, column, start, end: self.back(span.end).max(start) }
    }

    /// Moves a tree that was read from the draft to the places of the original.
    pub fn put_back(&self, node: &mut Node) {
        if self.edits.is_empty() {
            return;
        }
        node.span = self.place(node.span);
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.put_back(item)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.key.span = self.place(entry.key.span);
                self.put_back(&mut entry.value);
            }),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
    }
}

/// The byte at which a line begins, counted from 1; the end of the text if it has no such line.
pub fn line_start(text: &str, line: usize) -> usize {
    let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(breaks).nth(line.saturating_sub(1)).unwrap_or(text.len())
}

/// The byte of a line and column.
pub fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let start = line_start(text, line);
    let rest = text.get(start..).unwrap_or("");
    let inside = rest.char_indices().map(|(at, _)| at).nth(column.saturating_sub(1));
    start + inside.unwrap_or(rest.len())
}

/// The span of some bytes of a text.
pub fn span_of(text: &str, start: usize, end: usize) -> Span {
    let before = text.get(..start).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Span { line, column, start, end }
}
