//! What is said of the file as a whole, with what each agent makes of it side by side.

use crate::model::pipeline::Agent;
use crate::yaml::{Node, Problem, Refused, Span, Value, What, Written, clip};

use super::nested;
use super::{Around, Found, Spec};

/// All of it.
pub fn all(spec: &Spec<'_>, around: &Around<'_>, found: &mut Found) {
    let is_read_by = |agent| around.agents.all().any(|it| it == agent);
    let both = is_read_by(Agent::V1) && is_read_by(Agent::V2);
    let named = |agent: Agent, text: &str| if both { format!("{}: {text}", agent.name()) } else { text.to_owned() };
    mark(spec, found);
    second_document(around, is_read_by(Agent::V2), &named, found);
    if is_read_by(Agent::V1) {
        refused_by_ruby(around, &named, found);
    }
    duplicates(spec, around, is_read_by(Agent::V2), found);
    merge_keys(around, both, is_read_by(Agent::V2), found);
    if both {
        other_meanings(&around.ruby.node, &around.records.node, spec, found);
    }
    nested::all(spec, around, found);
}

fn problem(id: &str, span: Span, message: impl AsRef<str>, help: impl AsRef<str>) -> Problem {
    Problem::at(span, format!("{} [{id}]", message.as_ref())).help(help)
}

/// Before a comment, or before brackets, a byte order mark does no harm yet.
fn mark(spec: &Spec<'_>, found: &mut Found) {
    if spec.text.starts_with('\u{feff}') {
        let span = Span { line: 1, column: 1, start: 0, end: '\u{feff}'.len_utf8() };
        let (message, help) = ("the file begins with a byte order mark", "save it as UTF-8 without one");
        found.warnings.push(problem("appspec/bom", span, message, help));
    }
}

fn second_document(around: &Around<'_>, is_refused: bool, named: &dyn Fn(Agent, &str) -> String, found: &mut Found) {
    let Some(span) = around.document.more else { return };
    let help = "remove the line, or what stands above it";
    let what = "a second document begins here";
    if is_refused {
        let message = named(Agent::V2, &format!("{what}, and the whole file is refused"));
        found.problems.push(problem("appspec/second-document", span, message, help));
    } else {
        let message = format!("{what}, and the agent reads the first only");
        found.warnings.push(problem("appspec/second-document", span, message, help));
    }
}

/// Dates, objects and aliases.
fn refused_by_ruby(around: &Around<'_>, named: &dyn Fn(Agent, &str) -> String, found: &mut Found) {
    for (span, refused) in &around.ruby.refused {
        let (id, what, help) = match refused {
            Refused::Date => ("appspec/date", "a date without quotes", "put it in quotes"),
            Refused::Object => ("appspec/object", "a tag that names a class", "remove the tag"),
            Refused::Alias => ("appspec/alias", "an alias", "write the value out"),
        };
        let message = named(Agent::V1, &format!("{what} is refused with the whole file, on Ruby 3.1 and later"));
        found.problems.push(problem(id, *span, message, help));
    }
}

/// Keys that stand twice and refuse nothing.
fn duplicates(spec: &Spec<'_>, around: &Around<'_>, is_refused: bool, found: &mut Found) {
    let refuses = |key: &str| {
        let of = |id: &str, message: &str| id == "appspec/duplicate-key" && message.contains(&format!("`{key}`"));
        is_refused && around.records.refused.iter().any(|refused| of(refused.id, &refused.message))
    };
    for span in &around.ruby.overwritten {
        let key = spec.text.get(span.start..span.end).unwrap_or("").trim();
        if !refuses(key.trim_matches(['"', '\''])) {
            let message =
                format!("the key `{}` stands below a second time, and the agent takes that one", clip(key, 60));
            found.warnings.push(problem(
                "appspec/duplicate-key",
                *span,
                message,
                "put both into one, or remove this one",
            ));
        }
    }
}

/// What `<<` brings in is there for one agent and not for the other.
fn merge_keys(around: &Around<'_>, both: bool, is_passed_over: bool, found: &mut Found) {
    let mut keys = Vec::new();
    for list in ["hooks", "files", "permissions"] {
        for (key, value) in entries(around.root) {
            if key.scalar().is_some_and(|key| key.text == list) {
                merges_below(value, list == "hooks", &mut keys);
            }
        }
    }
    let help = "write the keys out";
    for span in keys.into_iter().filter(|_| is_passed_over) {
        if both {
            let message = format!(
                "{} puts the keys of `<<` here, {} passes over them: a `runas` or a `timeout` in them is lost",
                Agent::V1.name(),
                Agent::V2.name()
            );
            found.problems.push(problem("appspec/merge-key", span, message, help));
        } else {
            let message = "the agent passes over `<<`: a `runas` or a `timeout` in it is lost";
            found.warnings.push(problem("appspec/merge-key", span, message, help));
        }
    }
}

fn entries(written: &Written) -> &[(Written, Written)] {
    match &written.meant().what {
        What::Map(entries) => entries,
        What::Scalar(_) | What::List(_) | What::Alias(_) => &[],
    }
}

/// Merge keys in entries of lists; `<<` among events is an event of that name, whose value is no list.
fn merges_below(written: &Written, are_events: bool, keys: &mut Vec<Span>) {
    match &written.meant().what {
        What::Map(entries) => {
            for (key, value) in entries {
                let is_merge = !are_events && key.scalar().is_some_and(|key| key.text == "<<");
                if is_merge {
                    keys.push(key.span);
                } else {
                    merges_below(value, false, keys);
                }
            }
        }
        What::List(items) => items.iter().for_each(|item| merges_below(item, false, keys)),
        What::Scalar(_) | What::Alias(_) => {}
    }
}

/// Scalars that are one text to one agent and another to the other. Modes and timeouts have rules of their own.
fn other_meanings(ruby: &Node, records: &Node, spec: &Spec<'_>, found: &mut Found) {
    match (&ruby.value, &records.value) {
        (Value::Map(entries), Value::Map(_)) => {
            let is_own = |key: &str| matches!(key, "mode" | "timeout" | "sudo" | "version" | "os");
            for entry in entries.iter().filter(|entry| !is_own(&entry.key.text)) {
                if let Some(other) = records.get(&entry.key.text) {
                    other_meanings(&entry.value, other, spec, found);
                }
            }
        }
        (Value::List(items), Value::List(others)) => {
            for (item, other) in items.iter().zip(others) {
                other_meanings(item, other, spec, found);
            }
        }
        (_, Value::Text(text)) => {
            let taken = super::text_of(ruby).unwrap_or_else(|| "nothing".to_owned());
            let is_scalar = !matches!(ruby.value, Value::List(_) | Value::Map(_));
            if taken != *text && is_scalar {
                let shown = spec.text.get(records.span.start..records.span.end).unwrap_or("");
                let message = format!(
                    "{} reads `{}` as `{}`, {} as `{}`",
                    Agent::V1.name(),
                    clip(shown, 60),
                    clip(&taken, 60),
                    Agent::V2.name(),
                    clip(text, 60)
                );
                let help = format!("put what is meant in quotes: \"{}\"", clip(text, 60));
                found.warnings.push(problem("appspec/two-meanings", records.span, message, help));
            }
        }
        _ => {}
    }
}
