//! YAML as Ruby reads it (Psych 4, Ruby 3.1), for files whose reader is a Ruby program: the words, numbers and dates of
//! YAML 1.1, merge keys, the last of two equal keys, the first of several documents.

use super::node::{Entry, Key, Node, Span, Value};
use super::written::{Document, Scalar, What, Written};

/// What Ruby makes of a document.
#[derive(Debug)]
pub struct AsRuby {
    /// The tree. No key stands twice.
    pub node: Node,
    /// Keys of which a later equal one takes the place.
    pub overwritten: Vec<Span>,
    /// What Ruby refuses to make, and what each is: the whole file is refused.
    pub refused: Vec<(Span, Refused)>,
}

/// What Ruby reads from 3.1 on only if a program asks it to; programs that do not are refused the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// A date or a time.
    Date,
    /// An object of a class that a tag names.
    Object,
    /// An alias.
    Alias,
}

/// Reads a document as Ruby's own library does. What it refuses is read as older versions did.
pub fn as_ruby(document: &Document) -> AsRuby {
    let mut read = AsRuby {
        node: Node { span: Span::default(), value: Value::Null },
        overwritten: Vec::new(),
        refused: document.alias.map(|span| (span, Refused::Alias)).into_iter().collect(),
    };
    if let Some(root) = &document.root {
        read.node = read.node_of(root);
    }
    read.overwritten.sort();
    read.overwritten.dedup();
    read.refused.sort();
    read.refused.dedup();
    read
}

impl AsRuby {
    fn node_of(&mut self, written: &Written) -> Node {
        let written = written.meant();
        if names_a_class(written) {
            self.refused.push((written.span, Refused::Object));
        }
        let value = match &written.what {
            What::Alias(_) => Value::Null,
            What::Scalar(scalar) => self.scalar(written, scalar),
            What::List(items) => Value::List(items.iter().map(|item| self.node_of(item)).collect()),
            What::Map(entries) => self.map(entries),
        };
        Node { span: written.span, value }
    }

    fn scalar(&mut self, written: &Written, scalar: &Scalar) -> Value {
        let text = &scalar.text;
        match written.tag.as_deref() {
            Some("tag:yaml.org,2002:str" | "!str" | "!ruby/string" | "!binary" | "tag:yaml.org,2002:binary") => {
                Value::Text(text.clone())
            }
            Some("tag:yaml.org,2002:float" | "!float") => match value_of(text) {
                Value::Int(number) => Value::Float(number as f64),
                Value::Text(text) => text.trim().parse().map_or(Value::Text(text), Value::Float),
                other => other,
            },
            None if scalar.is_text => Value::Text(text.clone()),
            _ => {
                if is_date(text) {
                    self.refused.push((written.span, Refused::Date));
                }
                value_of(text)
            }
        }
    }

    /// Entries in the order of the file, each taking the place of an equal one before it; `<<` puts a map's entries there.
    fn map(&mut self, entries: &[(Written, Written)]) -> Value {
        let mut map: Vec<Entry> = Vec::with_capacity(entries.len());
        let mut brought_in: Vec<Span> = Vec::new();
        for (key, value) in entries {
            let key_node = self.node_of(key);
            let node = self.node_of(value);
            let text = key.scalar().map_or_else(|| format!("{:?}", key_node.value), |scalar| scalar.text.clone());
            let is_merge = text == "<<" && key.tag.as_deref() != Some("tag:yaml.org,2002:str");
            let merged: Vec<Entry> = match &node.value {
                Value::Map(entries) if is_merge => entries.clone(),
                Value::List(maps) if is_merge && maps.iter().all(|it| matches!(it.value, Value::Map(_))) => {
                    maps.iter().rev().flat_map(|map| map.entries().to_vec()).collect()
                }
                _ => {
                    let key = Key { span: key_node.span, text };
                    let is_own = |entry: &&Entry| entry.key.text == key.text && !brought_in.contains(&entry.key.span);
                    if let Some(first) = map.iter().find(is_own) {
                        self.overwritten.push(first.key.span);
                    }
                    vec![Entry { key, value: node }]
                }
            };
            if is_merge {
                brought_in.extend(merged.iter().map(|entry| entry.key.span));
            }
            for entry in merged {
                map.retain(|earlier| earlier.key.text != entry.key.text);
                map.push(entry);
            }
        }
        Value::Map(map)
    }
}

/// Whether a tag asks for a class that is not one of the plain ones.
fn names_a_class(written: &Written) -> bool {
    let Some(tag) = written.tag.as_deref() else { return false };
    let is_scalar = matches!(written.what, What::Scalar(_));
    let rest = tag.strip_prefix("!ruby/");
    match (tag, rest) {
        ("!omap" | "tag:yaml.org,2002:omap" | "!set" | "tag:yaml.org,2002:set", _) => !is_scalar,
        (_, Some("string" | "array" | "hash" | "encoding")) => false,
        (_, Some(rest)) => !(is_scalar && rest.starts_with("sym")),
        _ => ["!str:", "!map:", "!seq:"].iter().any(|prefix| tag.starts_with(prefix)),
    }
}

/// Whether a scalar without quotes is a date or a time of YAML 1.1, possible or not: Ruby looks at the form first.
pub fn is_date(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let part = |text: &str, most: usize| -> Option<(u32, usize)> {
        let length = digits(text);
        (1..=most).contains(&length).then(|| Some((text[..length].parse().ok()?, length))).flatten()
    };
    let year = text.strip_prefix('-').unwrap_or(text);
    let is_negative = year.len() != text.len();
    let Some(rest) = year.get(4..).and_then(|rest| rest.strip_prefix('-')).filter(|_| digits(year) == 4) else {
        return false;
    };
    let Some((month, length)) = part(rest, 2) else { return false };
    let Some(rest) = rest[length..].strip_prefix('-') else { return false };
    let Some((day, length)) = part(rest, 2) else { return false };
    let rest = &rest[length..];
    if rest.is_empty() {
        return month <= 12 && day <= 31 && !is_negative;
    }
    let blank = rest.trim_start();
    rest.strip_prefix(['T', 't']).or((blank.len() < rest.len()).then_some(blank)).is_some_and(is_time)
}

/// `hours:minutes:seconds`, a fraction, a zone.
fn is_time(text: &str) -> bool {
    let (clock, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len()));
    let parts: Vec<usize> = clock.split(':').map(str::len).collect();
    let rest = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let zone = rest.trim_start();
    let offset = zone.strip_prefix(['+', '-']).map(|offset| offset.split_once(':').unwrap_or((offset, "")));
    let are_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let is_offset = offset.is_some_and(|(hours, minutes)| {
        (1..=4).contains(&hours.len()) && matches!(minutes.len(), 0 | 2) && are_digits(hours) && are_digits(minutes)
    });
    matches!(parts.as_slice(), [1..=2, 2, 2]) && (rest.is_empty() || zone == "Z" || is_offset)
}

/// What a scalar without quotes is.
pub fn value_of(written: &str) -> Value {
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
    if let Some(symbol) = written.strip_prefix(':').filter(|symbol| !symbol.is_empty()) {
        return Value::Text(symbol.trim_matches(['"', '\'']).to_owned());
    }
    sixties(written).unwrap_or_else(|| {
        let number = whole(written).map(Value::Int).or_else(|| fraction(written).map(Value::Float));
        number.unwrap_or_else(|| Value::Text(written.to_owned()))
    })
}

/// A whole number: decimal, octal after a 0, hexadecimal, binary. Commas and underlines in it mean nothing.
fn whole(written: &str) -> Option<i64> {
    let (sign, digits) = match written.as_bytes().first()? {
        b'-' => ("-", &written[1..]),
        b'+' => ("", &written[1..]),
        _ => ("", written),
    };
    let radix = |digits: &str, radix: u32| {
        let clean: String = digits.chars().filter(|c| !matches!(c, '_' | ',')).collect();
        let is_number = !clean.is_empty() && clean.chars().all(|c| c.is_digit(radix));
        is_number.then(|| i64::from_str_radix(&format!("{sign}{clean}"), radix).ok()).flatten()
    };
    match digits.get(..2) {
        Some("0x") => radix(&digits[2..], 16),
        Some("0b") => radix(&digits[2..], 2),
        _ if !digits.starts_with(|c: char| c.is_ascii_digit()) => None,
        _ if digits.len() > 1 && digits.starts_with('0') => radix(&digits[1..], 8),
        // Between two digits stands at most one of them.
        _ if digits.ends_with(['_', ',']) || ["__", ",,", "_,", ",_"].iter().any(|it| digits.contains(it)) => None,
        _ => radix(digits, 10),
    }
}

/// `1:30` is an hour and a half, and so are `1:30:00`: two parts are hours and minutes.
fn sixties(written: &str) -> Option<Value> {
    let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
    let (clock, fraction) = match digits.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (digits, None),
    };
    let mut parts = clock.split(':');
    let first = parts.next().filter(|first| first.starts_with(|c: char| c.is_ascii_digit()))?;
    let is_number = |part: &str| part.bytes().all(|it| it.is_ascii_digit() || it == b'_');
    let rest: Vec<&str> = parts.collect();
    let is_below_sixty = |part: &&str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    if !is_number(first) || !(1..=2).contains(&rest.len()) || !rest.iter().all(is_below_sixty) {
        return None;
    }
    let sign = if written.starts_with('-') { -1 } else { 1 };
    let first: i64 = first.replace('_', "").parse().ok()?;
    let mut sum = sign * first.checked_mul(3600)?;
    for (part, weight) in rest.iter().zip([60, 1]) {
        sum = sum.checked_add(part.parse::<i64>().ok()? * weight)?;
    }
    match fraction {
        None => Some(Value::Int(sum)),
        Some(fraction) if is_number(fraction) => {
            let last: f64 = format!("0.{}0", fraction.replace('_', "")).parse().ok()?;
            Some(Value::Float(sum as f64 + last * if rest.len() == 1 { 60.0 } else { 1.0 }))
        }
        Some(_) => None,
    }
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

#[cfg(test)]
mod tests {
    use super::super::written::document;
    use super::*;

    fn read(text: &str) -> AsRuby {
        as_ruby(&document(text).unwrap_or_else(|problem| panic!("{text:?}: {problem:?}")))
    }

    fn value(text: &str) -> Value {
        read(&format!("a: {text}\n")).node.get("a").unwrap().value.clone()
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
            ("!!float \"0.0\"", Value::Float(0.0)),
            ("!!float 1", Value::Float(1.0)),
            // A bare ! only says that the text may be taken for what it looks like.
            ("! 0.0", Value::Float(0.0)),
            ("!Ref 60", Value::Int(60)),
            ("!Ref \"60\"", Value::Int(60)),
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
            ("1__0", text("1__0")),
            ("-5", Value::Int(-5)),
            ("+60", Value::Int(60)),
            ("1:30", Value::Int(5400)),
            ("0:05", Value::Int(300)),
            ("1:30:15", Value::Int(5415)),
            ("-1:30", Value::Int(-1800)),
            ("1:30.5", Value::Float(5430.0)),
            ("1:99", text("1:99")),
            ("1:2:3:4", text("1:2:3:4")),
            ("5m", text("5m")),
            ("6e1", text("6e1")),
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("y", text("y")),
            ("Null", Value::Null),
            ("~", Value::Null),
            ("", Value::Null),
            ("''", text("")),
            ("no thing", text("no thing")),
            (":a.sh", text("a.sh")),
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
    fn some_things_ruby_does_not_make() {
        for (written, expected) in [
            ("2026-11-30", Some(Refused::Date)),
            ("2026-1-3", Some(Refused::Date)),
            ("2026-02-31", Some(Refused::Date)),
            ("2026-13-01", None),
            ("2026-11", None),
            ("\"2026-11-30\"", None),
            ("!!str 2026-11-30", None),
            ("20261130", None),
            ("2026-11-30-1", None),
            ("2026-11-30T10:00:00Z", Some(Refused::Date)),
            ("2026-11-30 10:00:00.5 +09:00", Some(Refused::Date)),
            ("2026-11-30 10:00", None),
            ("v2026-11-30", None),
            ("!ruby/object:Object {}", Some(Refused::Object)),
            ("!ruby/regexp /a/", Some(Refused::Object)),
            ("!ruby/symbol a", None),
            ("!!set {a, b}", Some(Refused::Object)),
            ("!!omap [a: 1]", Some(Refused::Object)),
            ("!Sub a", None),
            ("[&x 1, *x]", Some(Refused::Alias)),
            ("'*x'", None),
        ] {
            let refused = read(&format!("a: {written}\n")).refused;
            assert_eq!(refused.first().map(|(_, refused)| *refused), expected, "{written}");
        }
        assert_eq!(read("2026-11-30: a\n").refused.len(), 1);
    }

    #[test]
    fn what_a_careful_reader_would_refuse_is_read() {
        let text = "a: 1\nb: &b {c: 1, d: 2}\na: 2\ne:\n  <<: *b\n  d: 3\nf: {c: 4, <<: {c: 5}}\n---\n[";
        let document = document(text).unwrap();
        let read = as_ruby(&document);
        let number = |path: &[&str]| {
            let node = path.iter().try_fold(&read.node, |node, key| node.get(key)).unwrap();
            node.value.clone()
        };
        assert_eq!(
            [number(&["a"]), number(&["e", "c"]), number(&["e", "d"]), number(&["f", "c"])],
            [2, 1, 3, 5].map(Value::Int)
        );
        assert_eq!(read.overwritten.iter().map(|span| (span.line, span.column)).collect::<Vec<_>>(), [(1, 1)]);
        assert_eq!(document.more.map(|span| span.line), Some(8));
        assert_eq!(document.alias.map(|span| (span.line, span.column)), Some((5, 7)));
        for text in ["", "# nothing\n", "---\n"] {
            assert_eq!(
                super::super::written::document(text).map(|it| as_ruby(&it).node.value),
                Ok(Value::Null),
                "{text:?}"
            );
        }
    }
}
