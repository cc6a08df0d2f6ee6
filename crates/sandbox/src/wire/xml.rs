//! XML as S3 and the query protocol use it: elements and text, no attributes but a namespace.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use super::Malformed;

/// Appends text with everything escaped that a parser would read otherwise.
pub fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_ascii_control() => out.push_str(&format!("&#x{:x};", u32::from(letter))),
            letter => out.push(letter),
        }
    }
}

/// A document that is written element by element.
#[derive(Default)]
pub struct Document {
    text: String,
}

impl Document {
    /// A document with the XML declaration that S3 writes.
    pub fn new() -> Document {
        Document { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() }
    }

    /// An element with whatever `content` writes into it.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Document)) -> &mut Document {
        self.root(name, "", content)
    }

    /// The same with a namespace, unless that is empty.
    pub fn root(&mut self, name: &str, namespace: &str, content: impl FnOnce(&mut Document)) -> &mut Document {
        let attribute = if namespace.is_empty() { String::new() } else { format!(" xmlns=\"{namespace}\"") };
        self.text.push_str(&format!("<{name}{attribute}>"));
        let start = self.text.len();
        content(self);
        if self.text.len() == start {
            self.text.truncate(start - 1);
            self.text.push_str("/>");
        } else {
            self.text.push_str(&format!("</{name}>"));
        }
        self
    }

    /// An element with text.
    pub fn text(&mut self, name: &str, text: impl std::fmt::Display) -> &mut Document {
        self.element(name, |inner| escape(&mut inner.text, &text.to_string()))
    }

    /// An element with text, if there is any.
    pub fn maybe(&mut self, name: &str, text: Option<impl std::fmt::Display>) -> &mut Document {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Text in the element that is open.
    pub fn raw(&mut self, text: &str) {
        escape(&mut self.text, text);
    }

    /// The text so far.
    pub fn finish(self) -> String {
        self.text
    }
}

/// An element that was read. Namespaces are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The local name.
    pub name: String,
    /// Its own text, without that of its children.
    pub text: String,
    /// The elements in it.
    pub children: Vec<Element>,
}

impl Element {
    /// The text of the first child of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().map(|child| child.text.trim())
    }

    /// The children of this name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Element> {
        let name = name.to_owned();
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads a document. Document types, and with them entities of their own, are refused.
///
/// # Errors
/// It is not XML, or nests deeper than any request does.
pub fn parse(body: &[u8]) -> Result<Element, Malformed> {
    const DEPTH: usize = 16;
    let text = std::str::from_utf8(body).map_err(|_| Malformed::new("the document is not UTF-8"))?;
    let bad = |error: &dyn std::fmt::Display| Malformed::new(error.to_string());
    let mut reader = Reader::from_str(text);
    // The bottom stands for the document; its only child is the root.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| bad(&error))? {
            Event::Start(tag) => {
                if open.len() > DEPTH {
                    return Err(Malformed::new("the document nests too deep"));
                }
                open.push(named(tag.local_name().as_ref()));
            }
            Event::Empty(tag) => top(&mut open)?.children.push(named(tag.local_name().as_ref())),
            Event::End(_) => {
                let closed = open.pop().ok_or_else(|| Malformed::new("an end without a start"))?;
                top(&mut open)?.children.push(closed);
            }
            Event::Text(text) => top(&mut open)?.text.push_str(&text),
            Event::CData(text) => top(&mut open)?.text.push_str(&text),
            Event::GeneralRef(entity) => top(&mut open)?.text.push(resolve(&entity)?),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::DocType(_) => return Err(Malformed::new("document types are not read")),
            Event::Eof => break,
        }
    }
    let mut document = open.pop().filter(|_| open.is_empty()).ok_or_else(|| Malformed::new("an element is open"))?;
    document.children.pop().filter(|_| document.children.is_empty()).ok_or_else(|| Malformed::new("not one root"))
}

fn named(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

fn top(open: &mut [Element]) -> Result<&mut Element, Malformed> {
    open.last_mut().ok_or_else(|| Malformed::new("text outside of the document"))
}

fn resolve(entity: &BytesRef<'_>) -> Result<char, Malformed> {
    if let Some(letter) = entity.resolve_char_ref().map_err(|error| Malformed::new(error.to_string()))? {
        return Ok(letter);
    }
    match entity.as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(Malformed::new(format!("unknown entity {other}"))),
    }
}
