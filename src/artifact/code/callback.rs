//! Handlers that answer by a callback: from nodejs24.x on the runtime refuses them when it starts, by the number of
//! parameters that a function declares (`Runtime.CallbackHandlerDeprecated`).

use super::super::entry::shown;
use super::{Finding, Read};

/// The first runtime without callbacks.
const FIRST: u32 = 24;

/// A handler with three parameters, where that is refused. Only what is written as a function in this very file is
/// seen; what a call returns is not.
pub fn deprecated(path: &str, name: &str, read: &Read<'_>, runtime: &str) -> Option<Finding> {
    let version: u32 = runtime.strip_prefix("nodejs")?.split('.').next()?.parse().ok()?;
    let text = read(path).filter(|_| version >= FIRST)?;
    let text = without_comments(&String::from_utf8_lossy(&text));
    let parameters = declared(&text, name)?;
    (parameters >= 3).then(|| {
        let message = format!(
            "`{}` in `{}` takes {parameters} parameters: {runtime} has no callbacks and refuses it at its start \
             (Runtime.CallbackHandlerDeprecated)",
            shown(name),
            shown(path)
        );
        Finding::error(
            "function/callback",
            message,
            "make it async, return the answer, and leave the third parameter out",
        )
    })
}

/// How many parameters the function that is exported by this name declares, as JavaScript counts them: those before the
/// first that has a default or takes the rest. Bundled code has other functions of that name, so only what is assigned
/// to the exports counts, and what is declared at the beginning of a line.
fn declared(text: &str, name: &str) -> Option<usize> {
    let declarations = text.match_indices(name).filter_map(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        if after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            return None;
        }
        let line = before.rsplit('\n').next().unwrap_or(before);
        let line = line.strip_prefix("export ").unwrap_or(line);
        let after = after.trim_start();
        if matches!(line, "function " | "async function ") {
            return parameters(after);
        }
        if !before.ends_with("exports.") && !matches!(line, "const " | "let " | "var ") {
            return None;
        }
        let value = after.strip_prefix('=').filter(|rest| !rest.starts_with(['=', '>']))?.trim_start();
        let value = word(value, "async").unwrap_or(value);
        let Some(function) = word(value, "function") else { return arrow(value) };
        let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        parameters(function.trim_start_matches('*').trim_start().trim_start_matches(name).trim_start())
    });
    declarations.last()
}

/// What follows a word.
fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(word)?;
    (!rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$'))).then(|| rest.trim_start())
}

/// The parameters of an arrow function in parentheses.
fn arrow(text: &str) -> Option<usize> {
    let end = closing(text)?;
    text[end..].trim_start().starts_with("=>").then(|| parameters(text)).flatten()
}

/// The parameters of a list in parentheses.
fn parameters(text: &str) -> Option<usize> {
    let end = closing(text)?;
    let list = text.get(1..end - 1)?;
    let (mut depth, mut start, mut count) = (0_usize, 0, 0);
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 || at == list.len() => {
                let one = list[start..at].trim();
                if one.is_empty() || one.starts_with("...") || has_default(one) {
                    return Some(count);
                }
                count += 1;
                start = at + 1;
            }
            _ => {}
        }
    }
    Some(count)
}

/// Whether a parameter has a default; what stands in braces is a pattern's own.
fn has_default(parameter: &str) -> bool {
    let mut depth = 0_usize;
    parameter.chars().any(|c| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '=' && depth == 0
    })
}

/// The byte after the parenthesis that closes the first one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth = depth.checked_sub(1)?,
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Comments would be taken for code.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['/', '"', '\'', '`']) {
        kept.push_str(&rest[..at]);
        let found = &rest[at..];
        let length = match found.as_bytes() {
            [b'/', b'/', ..] => found.find('\n').unwrap_or(found.len()),
            [b'/', b'*', ..] => found.get(2..).and_then(|it| it.find("*/")).map_or(found.len(), |end| end + 4),
            [b'/', ..] => {
                kept.push('/');
                1
            }
            [quote, ..] => {
                let length = quoted(found, *quote);
                kept.push_str("\"\"");
                length
            }
            [] => 0,
        };
        rest = &found[length.max(1).min(found.len())..];
    }
    kept.push_str(rest);
    kept
}

/// The length of text in quotes; a line ends what a single or a double quote left open.
fn quoted(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\n' if quote != b'`' => return at,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    // A backslash at the very end.
    bytes.len()
}
