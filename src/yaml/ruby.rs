//! YAML as Ruby reads it, for files whose reader is a Ruby program: the words and numbers of YAML 1.1, merge keys, the
//! last of two equal keys, the first of several documents.

use serde_yaml::Error;
use serde_yaml::options::MergeKeyPolicy;

use super::node::{Node, Span, Value};
use super::parse::{Keys, MAX_BYTES, control_character, fault, on_a_deep_stack, options};
use super::problem::{Problem, Problems};

/// What Ruby makes of a text, and what it does not say about it.
pub struct AsRuby {
    /// The tree. No key stands twice.
    pub node: Node,
    /// Keys of which a later equal one takes the place.
    pub overwritten: Vec<Span>,
    /// Where a second document begins, which is not read.
    pub second_document: Option<Span>,
    /// The first alias, if there is one: Ruby reads them from 3.1 on only if a program asks it to.
    pub alias: Option<Span>,
}

/// Reads the first YAML document of a text as Ruby's own library does. `name` is what the text is called in messages.
/// An empty text gives [`Value::Null`].
///
/// # Errors
/// The first thing that is not YAML, or what goes beyond the budget.
pub fn parse_as_ruby(text: &str, name: &str) -> Result<AsRuby, Problems> {
    // Line breaks of YAML 1.1, replaced by what has the same length, so that every span still fits.
    let text = &text.replace('\u{85}', " \n").replace(['\u{2028}', '\u{2029}'], "  \n");
    let refuse = |problem: Problem| Problems::new(name, text, vec![problem]);
    if text.len() > MAX_BYTES {
        return Err(Problems::whole(name, Problem::whole("larger than 1 MiB")));
    }
    if let Some(problem) = control_character(text) {
        return Err(refuse(problem));
    }
    let (first, second_document) = first_document(text);
    let mut node = read(first).map_err(refuse)?;
    let mut overwritten = Vec::new();
    settle(&mut node, text, &mut overwritten);
    overwritten.sort();
    overwritten.dedup();
    Ok(AsRuby { alias: first_alias(text), node, overwritten, second_document })
}

/// The text up to where a second document begins, and that place.
fn first_document(text: &str) -> (&str, Option<Span>) {
    let (mut start, mut has_begun) = (0, false);
    for (line, source) in text.split('\n').enumerate() {
        let is_marker =
            |marker| source.strip_prefix(marker).is_some_and(|rest: &str| rest.trim_start() != rest || rest.is_empty());
        let begins_another = has_begun && is_marker("---");
        if begins_another || (has_begun && is_marker("...")) {
            let span = Span { line: line + 1, column: 1, start, end: start + 3 };
            let rest = text.get(start + 3..).unwrap_or("");
            let is_more = begins_another || !rest.trim().is_empty();
            return (text.get(..start).unwrap_or(text), is_more.then_some(span));
        }
        let is_silent = source.trim().is_empty() || source.trim_start().starts_with('#') || source.starts_with('%');
        has_begun |= !is_silent;
        start += source.len() + 1;
    }
    (text, None)
}

fn read(text: &str) -> Result<Node, Problem> {
    on_a_deep_stack(|| match serde_yaml::from_str_with_options::<Node>(text, lenient()) {
        Ok(node) => Ok(node),
        Err(error) => match error.without_snippet() {
            Error::Eof { .. } => Ok(Node { span: Span::default(), value: Value::Null }),
            _ => Err(fault(&error, text)),
        },
    })
    .map_err(|fault| fault.problem)
}

fn lenient() -> serde_yaml::Options {
    let mut options = options(Keys::Repeated);
    options.merge_keys = MergeKeyPolicy::Merge;
    options.reject_unsupported_tags = false;
    options
}

/// Types every scalar as Ruby does, and leaves of equal keys the last.
fn settle(node: &mut Node, text: &str, overwritten: &mut Vec<Span>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| settle(item, text, overwritten)),
        Value::Map(entries) => {
            let mut kept: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
            let mut settled = Vec::with_capacity(entries.len());
            for mut entry in std::mem::take(entries).into_iter().rev() {
                if kept.insert(entry.key.text.clone()) {
                    settle(&mut entry.value, text, overwritten);
                    settled.push(entry);
                } else {
                    overwritten.push(entry.key.span);
                }
            }
            settled.reverse();
            *entries = settled;
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {
            if let Some(written) = plain(node, text) {
                node.value = value_of(written);
            }
        }
    }
}

/// A scalar's text, if it was written without quotes, on one line and without a tag.
fn plain<'t>(node: &Node, text: &'t str) -> Option<&'t str> {
    let written = text.get(node.span.start..node.span.end)?;
    if written.starts_with(['"', '\'']) || written.contains('\n') {
        return None;
    }
    // An empty text is written as a block without lines.
    if matches!(&node.value, Value::Text(value) if value != written || value.is_empty()) {
        return None;
    }
    let mut before = text.get(..node.span.start)?.split_whitespace().rev();
    let previous = before.by_ref().find(|word| !word.starts_with('&')).unwrap_or("");
    (!previous.starts_with('!')).then_some(written)
}

/// What a scalar without quotes is.
fn value_of(written: &str) -> Value {
    let lower = written.to_ascii_lowercase();
    match lower.as_str() {
        "" | "~" | "null" => return Value::Null,
        "yes" | "true" | "on" => return Value::Bool(true),
        "no" | "false" | "off" => return Value::Bool(false),
        ".inf" | "+.inf" => return Value::Float(f64::INFINITY),
        "-.inf" => return Value::Float(f64::NEG_INFINITY),
        ".nan" => return Value::Float(f64::NAN),
        _ => {}
    }
    whole(written)
        .map(Value::Int)
        .or_else(|| fraction(written).map(Value::Float))
        .unwrap_or_else(|| Value::Text(written.to_owned()))
}

/// A whole number: decimal, octal after a 0, hexadecimal, binary, or minutes and seconds.
fn whole(written: &str) -> Option<i64> {
    let (sign, digits) = match written.as_bytes().first()? {
        b'-' => (-1, &written[1..]),
        b'+' => (1, &written[1..]),
        _ => (1, written),
    };
    let radix = |digits: &str, radix: u32| {
        let clean: String = digits.chars().filter(|c| !matches!(c, '_' | ',')).collect();
        let is_number = !clean.is_empty() && clean.chars().all(|c| c.is_digit(radix));
        is_number.then(|| i64::from_str_radix(&clean, radix).ok()).flatten()
    };
    let begins_with_digit = digits.starts_with(|c: char| c.is_ascii_digit());
    let number = match digits.get(..2) {
        Some("0x") => radix(&digits[2..], 16),
        Some("0b") => radix(&digits[2..], 2),
        _ if !begins_with_digit => None,
        _ if digits.contains(':') => sixties(digits),
        _ if digits.len() > 1 && digits.starts_with('0') => radix(&digits[1..], 8),
        _ => radix(digits, 10),
    };
    number.map(|number| sign * number)
}

/// `1:30` is ninety.
fn sixties(digits: &str) -> Option<i64> {
    let mut parts = digits.split(':');
    let mut sum: i64 = parts.next()?.replace('_', "").parse().ok()?;
    let rest: Vec<&str> = parts.collect();
    for part in (rest.len() <= 2).then_some(rest)? {
        let is_below_sixty = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        sum = sum.checked_mul(60)?.checked_add(is_below_sixty.then(|| part.parse().ok()).flatten()?)?;
    }
    Some(sum)
}

/// A number with a point. An exponent needs a sign.
fn fraction(written: &str) -> Option<f64> {
    let number = written.trim_start_matches(['+', '-']);
    let (digits, exponent) = match number.find(['e', 'E']) {
        Some(at) => (&number[..at], Some(&number[at + 1..])),
        None => (number, None),
    };
    let (before, after) = digits.split_once('.')?;
    let is_signed = |exponent: &str| {
        exponent.strip_prefix(['+', '-']).is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
    };
    let is_number = written.len() - number.len() <= 1
        && !(before.is_empty() && after.is_empty())
        && (before.is_empty() || before.starts_with(|c: char| c.is_ascii_digit()))
        && before.chars().all(|c| c.is_ascii_digit() || matches!(c, '_' | ','))
        && after.bytes().all(|c| c.is_ascii_digit())
        && exponent.is_none_or(is_signed);
    let clean: String = written.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    is_number.then(|| clean.parse().ok()).flatten()
}

/// The first alias: a `*name` where a value begins. Only for a hint, so that a star in the middle of a text is no matter.
fn first_alias(text: &str) -> Option<Span> {
    let mut start = 0;
    for (line, source) in text.split('\n').enumerate() {
        let code = source.split(" #").next().unwrap_or("");
        let value = code.split_once(": ").or_else(|| code.split_once("- ")).map_or("", |(_, value)| value).trim();
        let name = value.strip_prefix('*').unwrap_or("");
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        if let Some(at) = is_name.then(|| code.find(value)).flatten() {
            let column = code[..at].chars().count() + 1;
            return Some(Span { line: line + 1, column, start: start + at, end: start + at + value.len() });
        }
        start += source.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        let read = parse_as_ruby(&format!("a: {text}\n"), "x").unwrap_or_else(|problems| panic!("{problems}"));
        read.node.get("a").unwrap().value.clone()
    }

    #[test]
    fn scalars_are_what_ruby_makes_of_them() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (written, expected) in [
            ("0.0", Value::Float(0.0)),
            ("0.", Value::Float(0.0)),
            (".0", Value::Float(0.0)),
            ("1.5e+3", Value::Float(1500.0)),
            ("1.5e3", text("1.5e3")),
            ("0.0.0", text("0.0.0")),
            (".", text(".")),
            ("\"0.0\"", text("0.0")),
            ("'0.0'", text("0.0")),
            ("!!str 0.0", text("0.0")),
            ("! 0.0", text("0.0")),
            ("&x 0.0", Value::Float(0.0)),
            ("0", Value::Int(0)),
            ("00", Value::Int(0)),
            ("0644", Value::Int(420)),
            ("0888", text("0888")),
            ("0o644", text("0o644")),
            ("0x1F", Value::Int(31)),
            ("0b11", Value::Int(3)),
            ("1_000", Value::Int(1000)),
            ("1,000", Value::Int(1000)),
            ("-5", Value::Int(-5)),
            ("1:30", Value::Int(90)),
            ("1:99", text("1:99")),
            ("5m", text("5m")),
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("y", text("y")),
            ("Null", Value::Null),
            ("~", Value::Null),
            ("", Value::Null),
            ("''", text("")),
            ("no thing", text("no thing")),
            ("|-\n  0.0", text("0.0")),
            (">\n  yes", text("yes\n")),
            ("|-\n  ", text("")),
            ("99999999999999999999", text("99999999999999999999")),
        ] {
            assert_eq!(value(written), expected, "{written}");
        }
        assert!(matches!(value(".NaN"), Value::Float(number) if number.is_nan()));
    }

    #[test]
    fn what_a_careful_reader_would_refuse_is_read() {
        let read = parse_as_ruby("a: 1\nb: &b {c: 1, d: 2}\na: 2\ne:\n  <<: *b\n  d: 3\n---\n[", "x").unwrap();
        let number = |path: &[&str]| {
            let node = path.iter().try_fold(&read.node, |node, key| node.get(key)).unwrap();
            node.value.clone()
        };
        assert_eq!([number(&["a"]), number(&["e", "c"]), number(&["e", "d"])], [2, 1, 3].map(Value::Int));
        assert_eq!(read.overwritten.iter().map(|span| (span.line, span.column)).collect::<Vec<_>>(), [(1, 1)]);
        assert_eq!(read.second_document.map(|span| span.line), Some(7));
        assert_eq!(read.alias.map(|span| (span.line, span.column)), Some((5, 7)));
        for text in ["", "# nothing\n", "---\n"] {
            assert_eq!(parse_as_ruby(text, "x").unwrap().node.value, Value::Null, "{text:?}");
        }
        let breaks = parse_as_ruby("\u{feff}a: 1\u{85}b: 2\u{2028}c: 3", "x").unwrap().node;
        assert_eq!(breaks.entries().len(), 3);
        assert!(parse_as_ruby("a: \u{7}\n", "x").is_err());
        assert!(parse_as_ruby("a: *nothing\n", "x").is_err());
    }
}
