//! An AppSpec as the agent 2.x reads it: records whose fields have types, by serde over libyaml. What has another type,
//! or stands twice in a record, refuses the whole file.

use crate::yaml::{Entry, Form, Key, Node, Scalar, Span, Value, What, Written, clip, value_of};

/// Something that the records cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where.
    pub span: Span,
    /// The rule's id.
    pub id: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: String,
}

/// What the agent 2.x makes of a text.
#[derive(Debug)]
pub struct Records {
    /// The fields it knows, each as what it is to it: text as it is written, numbers as numbers. Of other keys nothing
    /// but their names.
    pub node: Node,
    /// Why it takes none of it.
    pub refused: Vec<Refused>,
}

/// What a value has to be.
#[derive(Clone, Copy)]
enum Shape {
    /// Any scalar, as it is written.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number of 32 bits.
    Seconds,
    /// A number.
    Number,
    /// A list, or nothing.
    List(&'static Part),
    /// A map with some fields.
    Record(&'static [Field]),
    /// A map of text to lists of scripts.
    Events(&'static Part),
}

/// A value and what is said of another.
struct Part {
    shape: Shape,
    /// Whether `~` stands for nothing, not only an empty place.
    is_optional: bool,
    id: &'static str,
    /// `… is a list`, with the key.
    is: &'static str,
    help: &'static str,
}

struct Field {
    key: &'static str,
    part: Part,
}

const fn part(shape: Shape, is_optional: bool, id: &'static str, is: &'static str, help: &'static str) -> Part {
    Part { shape, is_optional, id, is, help }
}

const fn field(key: &'static str, part: Part) -> Field {
    Field { key, part }
}

pub const HOOKS: &str =
    "events, each with a list of scripts; hooks of Lambda functions and ECS services look otherwise";
pub const SCRIPTS: &str = "write `- location: path/to/script`";
pub const FILES: &str = "write `- source: …` and below it `destination: …`";
pub const PERMISSIONS: &str = "write `- object: /path` and below it what is set";
const QUOTES: &str = "put it in quotes";

const ROOT: Part = part(
    Shape::Record(&[
        field(
            "version",
            part(
                Shape::Number,
                false,
                "appspec/version",
                "`version` must be the number 0.0",
                "write version: 0.0, without quotes",
            ),
        ),
        field("os", part(Shape::Text, false, "appspec/os", "`os` is text", "write os: linux")),
        field(
            "hooks",
            part(
                Shape::Events(&part(
                    Shape::List(&part(
                        Shape::Record(SCRIPT),
                        false,
                        "appspec/hook-location",
                        "a script is a map with a location",
                        SCRIPTS,
                    )),
                    true,
                    "appspec/hook-list",
                    "an event has a list of scripts",
                    SCRIPTS,
                )),
                false,
                "appspec/hooks",
                "`hooks` is a map",
                HOOKS,
            ),
        ),
        field(
            "files",
            part(
                Shape::List(&part(
                    Shape::Record(FILE),
                    false,
                    "appspec/file-source",
                    "an entry of `files` is a map",
                    FILES,
                )),
                false,
                "appspec/files",
                "`files` is a list",
                FILES,
            ),
        ),
        field(
            "permissions",
            part(
                Shape::List(&part(
                    Shape::Record(PERMISSION),
                    false,
                    "appspec/permission-object",
                    "an entry of `permissions` is a map",
                    PERMISSIONS,
                )),
                false,
                "appspec/permissions",
                "`permissions` is a list",
                PERMISSIONS,
            ),
        ),
        field(
            "file_exists_behavior",
            part(
                Shape::Text,
                true,
                "appspec/file-exists",
                "`file_exists_behavior` is text",
                "write DISALLOW, OVERWRITE or RETAIN, in capitals",
            ),
        ),
    ]),
    false,
    "appspec/root",
    "an AppSpec is a map",
    "it begins with version: 0.0",
);

const SCRIPT: &[Field] = &[
    field("location", part(Shape::Text, true, "appspec/hook-location", "`location` is text", SCRIPTS)),
    field("runas", part(Shape::Text, true, "appspec/runas", "`runas` is the name of a user", "write `runas: name`")),
    field(
        "sudo",
        part(Shape::Flag, true, "appspec/sudo", "`sudo` is true or false", "write true or false, without quotes"),
    ),
    field(
        "timeout",
        part(
            Shape::Seconds,
            true,
            "appspec/timeout",
            "a timeout is seconds above 0 in plain digits",
            "write digits, such as 300",
        ),
    ),
];

const FILE: &[Field] = &[
    field("source", part(Shape::Text, true, "appspec/file-source", "`source` is text", QUOTES)),
    field("destination", part(Shape::Text, true, "appspec/file-destination", "`destination` is text", QUOTES)),
];

const PERMISSION: &[Field] = &[
    field("object", part(Shape::Text, true, "appspec/permission-object", "`object` is text", QUOTES)),
    field("pattern", part(Shape::Text, true, "appspec/permission-pattern", "`pattern` is text", QUOTES)),
    field(
        "except",
        part(
            Shape::List(&part(Shape::Text, false, "appspec/permission-except", "a pattern is text", QUOTES)),
            true,
            "appspec/permission-except",
            "`except` is a list",
            "write `except: [\"*.log\"]`",
        ),
    ),
    field(
        "type",
        part(
            Shape::List(&part(
                Shape::Text,
                false,
                "appspec/permission-type",
                "a type is file or directory",
                "write file or directory",
            )),
            true,
            "appspec/permission-type",
            "`type` is a list",
            "write `type: [file]`",
        ),
    ),
    field("owner", part(Shape::Text, true, "appspec/permission-owner", "`owner` is the name of a user", QUOTES)),
    field("group", part(Shape::Text, true, "appspec/permission-owner", "`group` is the name of a group", QUOTES)),
    field(
        "mode",
        part(Shape::Text, true, "appspec/mode", "a mode is up to four octal digits", "write it in quotes: \"755\""),
    ),
    field(
        "acls",
        part(
            Shape::List(&part(
                Shape::Text,
                false,
                "appspec/acl",
                "an entry of `acls` is text",
                "write `- \"user:name:rw\"`",
            )),
            true,
            "appspec/acl",
            "`acls` is a list",
            "write `- user:name:rw`",
        ),
    ),
    field(
        "context",
        part(Shape::Record(CONTEXT), true, "appspec/context", "`context` is a map", "write `type: …` in it"),
    ),
];

const CONTEXT: &[Field] = &[
    field("name", part(Shape::Text, true, "appspec/context", "`name` is text", QUOTES)),
    field("type", part(Shape::Text, true, "appspec/context", "`type` is text", QUOTES)),
    field("range", part(Shape::Text, true, "appspec/context", "`range` is text", QUOTES)),
];

/// Reads a text as the agent 2.x does.
pub fn read(root: &Written) -> Records {
    let mut reading = Reading { refused: Vec::new() };
    let node = reading.value(root, &ROOT, root.span);
    Records { node, refused: reading.refused }
}

struct Reading {
    refused: Vec<Refused>,
}

impl Reading {
    /// `under` is the place of the key, where what is no scalar is shown.
    fn value(&mut self, written: &Written, part: &Part, under: Span) -> Node {
        let meant = written.meant();
        let node = |value| Node { span: meant.span, value };
        let text = meant.scalar();
        if part.is_optional && text.is_some_and(|text| is_nothing(text, meant.tag.as_deref())) {
            return node(Value::Null);
        }
        // Something else that says it is nothing is neither.
        let is_no_null = part.is_optional
            && text.is_some_and(|text| text.form == Form::Plain)
            && meant.tag.as_deref() == Some("tag:yaml.org,2002:null");
        let is_empty = text.is_some_and(|text| text.text.is_empty() && text.form == Form::Plain);
        let value = match (part.shape, &meant.what) {
            _ if is_no_null => None,
            (Shape::Text, What::Scalar(scalar)) => Some(Value::Text(scalar.text.clone())),
            (Shape::Flag, What::Scalar(scalar)) => typed(scalar, meant, "bool").and_then(flag).map(Value::Bool),
            (Shape::Seconds, What::Scalar(scalar)) => {
                typed(scalar, meant, "int").and_then(whole).map(|seconds| Value::Int(i64::from(seconds)))
            }
            (Shape::Number, What::Scalar(scalar)) => typed(scalar, meant, "float").and_then(number).map(Value::Float),
            (Shape::List(item), What::List(items)) => {
                Some(Value::List(items.iter().map(|written| self.value(written, item, written.meant().span)).collect()))
            }
            // What takes a list or a map takes an empty place for an empty one.
            (Shape::List(_) | Shape::Record(_) | Shape::Events(_), What::Scalar(_)) if is_empty => Some(Value::Null),
            (Shape::Record(fields), What::Map(entries)) => Some(self.record(entries, fields)),
            (Shape::Events(event), What::Map(entries)) => Some(self.events(entries, event)),
            _ => None,
        };
        node(value.unwrap_or_else(|| {
            self.refuse(meant, part, under);
            // One word about it is enough: the rules see something that they have nothing to say about.
            match part.shape {
                Shape::Text => Value::Text(text.map_or("…", |scalar| scalar.text.as_str()).to_owned()),
                Shape::Number => Value::Float(0.0),
                Shape::Flag | Shape::Seconds | Shape::List(_) | Shape::Record(_) | Shape::Events(_) => Value::Null,
            }
        }))
    }

    fn record(&mut self, entries: &[(Written, Written)], fields: &[Field]) -> Value {
        let mut map: Vec<Entry> = Vec::new();
        for (key, value) in entries {
            let Some(name) = self.key(key) else { continue };
            let span = key.meant().span;
            let known = fields.iter().find(|field| field.key == name.text);
            let is_there = map.iter().any(|entry| entry.key.text == name.text);
            if is_there && known.is_some() {
                self.refused.push(Refused {
                    span,
                    id: "appspec/duplicate-key",
                    message: format!("the key `{}` stands here a second time", name.text),
                    help: "remove one of them".to_owned(),
                });
            }
            let value = match known {
                Some(field) => self.value(value, &field.part, span),
                None => Node { span: value.meant().span, value: Value::Null },
            };
            if !is_there {
                map.push(Entry { key: Key { span, text: name.text.clone() }, value });
            }
        }
        Value::Map(map)
    }

    fn events(&mut self, entries: &[(Written, Written)], event: &Part) -> Value {
        let mut map: Vec<Entry> = Vec::new();
        for (key, value) in entries {
            let Some(name) = self.key(key) else { continue };
            let entry = Entry {
                key: Key { span: key.meant().span, text: name.text.clone() },
                value: self.value(value, event, key.meant().span),
            };
            map.retain(|earlier| earlier.key.text != entry.key.text);
            map.push(entry);
        }
        Value::Map(map)
    }

    fn key<'w>(&mut self, key: &'w Written) -> Option<&'w Scalar> {
        let name = key.scalar();
        if name.is_none() {
            let message = "a key is text, not a list or a map".to_owned();
            let help = "write a word before the `:`".to_owned();
            self.refused.push(Refused { span: key.meant().span, id: "appspec/key", message, help });
        }
        name
    }

    fn refuse(&mut self, written: &Written, part: &Part, under: Span) {
        let found = match &written.what {
            What::Map(_) => "a map".to_owned(),
            What::List(_) => "a list".to_owned(),
            What::Alias(_) => "itself".to_owned(),
            What::Scalar(scalar) => found(scalar, part),
        };
        let digits: String = written.scalar().map_or_else(String::new, |scalar| leading_digits(&scalar.text));
        let help = match part.shape {
            Shape::Seconds if !digits.is_empty() => format!("write {digits}"),
            _ => part.help.to_owned(),
        };
        let message = format!("{}, not {found}", part.is);
        let is_shown = written.scalar().is_some() && written.span.end > written.span.start;
        let span = if is_shown { written.span } else { under };
        self.refused.push(Refused { span, id: part.id, message, help });
    }
}

/// What was found instead: what kind of value where another kind is wanted, else the text itself.
fn found(scalar: &Scalar, part: &Part) -> String {
    let is_of_scalars = matches!(part.shape, Shape::Flag | Shape::Seconds | Shape::Number | Shape::Text);
    let quote = if scalar.form == Form::Quoted { "\"" } else { "" };
    match value_of(&scalar.text) {
        _ if is_of_scalars => format!("`{quote}{}{quote}`", clip(&scalar.text, 60)),
        _ if scalar.is_text => "text".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Int(_) | Value::Float(_) => "a number".to_owned(),
        Value::Text(_) | Value::List(_) | Value::Map(_) => "text".to_owned(),
    }
}

fn leading_digits(text: &str) -> String {
    let digits: String = text.trim().chars().filter(|c| !matches!(c, '_' | ',')).collect();
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').to_owned()
}

/// Whether a scalar stands for nothing where something optional is read.
fn is_nothing(scalar: &Scalar, tag: Option<&str>) -> bool {
    let is_null = matches!(scalar.text.as_str(), "~" | "null" | "Null" | "NULL");
    match tag {
        _ if scalar.form != Form::Plain => false,
        Some("tag:yaml.org,2002:null") => is_null,
        Some(_) => false,
        None => is_null || scalar.text.is_empty(),
    }
}

/// The text of a scalar that may be something else than text: without quotes, or a block with the type's own tag.
fn typed<'s>(scalar: &'s Scalar, written: &Written, kind: &str) -> Option<&'s str> {
    let is_tagged = written.tag.as_deref().and_then(|tag| tag.strip_prefix("tag:yaml.org,2002:")) == Some(kind);
    let is_typed = scalar.form == Form::Plain || (scalar.form == Form::Literal && is_tagged);
    is_typed.then_some(&scalar.text)
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn whole(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let radix = |prefix: &str, radix: u32| {
        let digits = digits.strip_prefix(prefix).filter(|digits| !digits.starts_with(['+', '-']))?;
        u64::from_str_radix(digits, radix).ok()
    };
    let is_octal_of_old = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|it| it.is_ascii_digit());
    let decimal = || {
        let is_number = !digits.starts_with(['+', '-']) && !is_octal_of_old;
        is_number.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let number = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)).or_else(decimal)?;
    u32::try_from(number).ok()
}

fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_signed_twice = digits.len() < text.len() && digits.starts_with(['+', '-']);
    match digits {
        _ if is_signed_twice => None,
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        digits => digits.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

#[cfg(test)]
mod tests;
