//! Reads Rust closely enough for the rules: layers, words, items, paths. Not a parser; rustfmt has been there before.

use std::fmt;
use std::iter;
use std::ops::Range;

/// Something that a rule found.
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A file in layers of equal length: where one has a character, the others have a space.
pub struct Source {
    pub path: String,
    /// Without comments and texts (string literals).
    pub code: String,
    /// The same without test code: what stands under `cfg(test)`, in `tests.rs` or `…_tests.rs`, or below `tests/`.
    pub shipped: String,
    /// The texts of what is shipped.
    pub shipped_texts: String,
    pub comments: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let [code, texts, comments] = layers(text);
        let is_test = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs");
        let mut shipped = [code.clone(), texts];
        let tests = if is_test { iter::once(0..code.len()).collect() } else { test_items(&code) };
        for layer in &mut shipped {
            for test in &tests {
                layer.replace_range(test.clone(), &spaces(&layer[test.clone()]));
            }
        }
        let [shipped, shipped_texts] = shipped;
        Source { path: path.to_owned(), code, shipped, shipped_texts, comments }
    }

    /// `model/units` for `src/model/units.rs`, `sandbox/s3` for `crates/sandbox/src/s3/mod.rs`; nothing for a file elsewhere.
    pub fn place(&self) -> Option<String> {
        let path = self.path.strip_suffix(".rs")?;
        let place = match path.strip_prefix("crates/") {
            Some(member) => {
                let (name, place) = member.split_once("/src/")?;
                if place == "lib" { name.to_owned() } else { format!("{name}/{place}") }
            }
            None => path.strip_prefix("src/")?.to_owned(),
        };
        Some(place.strip_suffix("/mod").unwrap_or(&place).to_owned())
    }

    /// Whether it belongs to a member of the workspace whose walls its manifest proves.
    pub fn is_of_member(&self) -> bool {
        self.path.starts_with("crates/")
    }

    /// `model` for `src/model/units.rs`.
    pub fn module(&self) -> Option<String> {
        Some(self.place()?.split('/').next()?.to_owned())
    }

    pub fn finding(&self, at: usize, what: String) -> Finding {
        Finding { path: self.path.clone(), line: 1 + newlines(&self.code[..at]), what }
    }
}

/// Code, texts and comments.
fn layers(text: &str) -> [String; 3] {
    const CODE: usize = 0;
    const TEXT: usize = 1;
    const COMMENT: usize = 2;
    let mut layers = [String::new(), String::new(), String::new()];
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (layer, length) = if rest.starts_with("//") {
            (COMMENT, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (COMMENT, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if let Some(length) = text_length(rest, text[..at].chars().next_back()) {
            (TEXT, length)
        } else {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            (CODE, first + rest[first..].find(['/', '"', '\'', 'r']).unwrap_or(rest.len() - first))
        };
        let part = &rest[..length];
        for (index, out) in layers.iter_mut().enumerate() {
            out.push_str(&if index == layer { part.to_owned() } else { spaces(part) });
        }
        at += length;
    }
    layers
}

/// The length of the string or character literal that this begins with.
fn text_length(rest: &str, before: Option<char>) -> Option<usize> {
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !before.is_some_and(|c| is_word(c) && c != 'b')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inner = raw[hashes + 1..].find(&end)?;
            return Some("r".len() + hashes + "\"".len() + inner + end.len());
        }
    }
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let is_lifetime = quote == '\'' && !rest.starts_with("'\\") && rest.chars().nth(2) != Some('\'');
    if is_lifetime {
        return None;
    }
    let mut is_escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return Some(index + 1);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// The items under `cfg(test)`.
fn test_items(code: &str) -> Vec<Range<usize>> {
    const TEST: &str = "#[cfg(test)]";
    find_word(code, TEST).into_iter().map(|at| at..item_end(code, at + TEST.len())).collect()
}

/// Where an item that begins here ends: behind its last brace, or behind its semicolon.
pub fn item_end(code: &str, start: usize) -> usize {
    let mut open = 0;
    for (index, c) in code[start..].char_indices() {
        match c {
            '{' | '(' | '[' => open += 1,
            '}' | ')' | ']' => open -= 1,
            _ => {}
        }
        if open == 0 && matches!(c, '}' | ';') {
            return start + index + 1;
        }
    }
    code.len()
}

/// The names directly below `root` in paths and groups: `root::{a::b, c}` has `a` and `c`.
pub fn uses(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for at in find_word(code, &format!("{root}::")) {
        let rest = &code[at + root.len() + 2..];
        if !rest.starts_with('{') {
            names.push((at, identifier(rest)));
            continue;
        }
        let group = rest[..item_end(rest, 0)].trim_start_matches('{');
        let mut depth = 0;
        for part in group.split_inclusive(['{', '}', ',']) {
            if depth == 0 {
                names.push((at, identifier(part.trim_start())));
            }
            depth += i32::from(part.ends_with('{')) - i32::from(part.ends_with('}'));
        }
    }
    names.retain(|(_, name)| !["", "self", "super"].contains(&name.as_str()));
    names
}

/// Names that follow one of these keywords.
pub fn definitions(code: &str, keywords: &[&str]) -> Vec<(usize, String)> {
    let named = |at: usize, keyword: &str| (at, identifier(code[at + keyword.len()..].trim_start()));
    let all = keywords.iter().flat_map(|keyword| find_word(code, keyword).into_iter().map(|at| named(at, keyword)));
    all.filter(|(_, name)| !name.is_empty()).collect()
}

/// Where a word stands by itself; `aws_sdk_*` finds every word that begins so.
pub fn find_word(text: &str, word: &str) -> Vec<usize> {
    let (word, is_prefix) = word.strip_suffix('*').map_or((word, false), |prefix| (prefix, true));
    let joins = |left: Option<char>, right: Option<char>| left.is_some_and(is_word) && right.is_some_and(is_word);
    let stands_alone = |at: &usize| {
        let (before, after) = (&text[..*at], &text[at + word.len()..]);
        let is_joined_before = joins(before.chars().next_back(), word.chars().next());
        let is_joined_after = !is_prefix && joins(word.chars().next_back(), after.chars().next());
        !is_joined_before && !is_joined_after
    };
    text.match_indices(word).map(|(at, _)| at).filter(stands_alone).collect()
}

/// The words of a name: `PortRange` and `port_range` have `port` and `range`.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// Two layers as one; characters of several bytes become question marks, so that offsets stay.
pub fn overlay(below: &str, above: &str) -> String {
    let both = below.bytes().zip(above.bytes()).map(|(a, b)| if b == b' ' { a } else { b });
    both.map(|b| if b.is_ascii() { char::from(b) } else { '?' }).collect()
}

pub fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

/// As many spaces as the text has bytes; its lines stay.
fn spaces(text: &str) -> String {
    text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
