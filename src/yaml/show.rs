//! Text from outside made fit for a terminal: clipped, and with nothing in it that moves a cursor or hides text.

use super::node::Span;

/// Columns of source that are shown of a long line.
const WIDTH: usize = 100;
/// Columns shown before the place in a long line.
const BEFORE: usize = 40;

/// At most `most` characters of a text, with an ellipsis where it was cut.
pub fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A message on one line: at most 500 characters, control and direction characters as escapes.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(512));
    for c in clip(text, 500).chars() {
        if is_hostile(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// The source line of a span and the line of marks below it, unless the text has no such line.
pub fn excerpt(text: &str, span: Span) -> Option<[String; 2]> {
    let line = text.split('\n').nth(span.line.checked_sub(1)?)?.trim_end_matches('\r');
    let marked = text.get(span.start..span.end).and_then(|marked| marked.lines().next()).unwrap_or("");
    let column = span.column.saturating_sub(1);
    let skipped = if line.chars().nth(WIDTH).is_some() { column.saturating_sub(BEFORE) } else { 0 };
    let rest: Vec<char> = line.chars().skip(skipped).collect();
    let (mut source, mut marks) = (String::new(), String::new());
    if skipped > 0 {
        source.push('…');
        marks.push(' ');
    }
    let from = (column - skipped).min(rest.len());
    let to = from + marked.trim_end().chars().count().max(1);
    for (place, c) in rest.iter().take(WIDTH).enumerate() {
        source.push(stand_in(*c));
        let mark = if (from..to).contains(&place) { '^' } else { ' ' };
        marks.extend(std::iter::repeat_n(mark, if is_wide(*c) { 2 } else { 1 }));
    }
    if rest.len() > WIDTH {
        source.push('…');
    }
    if from == rest.len() {
        marks.push('^');
    }
    Some([source.trim_end().to_owned(), marks.trim_end().to_owned()])
}

/// One character for one, so that the marks still stand below what they mean.
fn stand_in(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_hostile(c) => '\u{fffd}',
        c => c,
    }
}

/// Control characters, and those that reorder or hide text.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{ad}' | '\u{61c}')
}

/// Whether a terminal draws it two columns wide.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}')
        || matches!(c, '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}')
        || matches!(c, '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}')
}
